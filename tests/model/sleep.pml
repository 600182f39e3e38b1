/*
 * Sleeping and waking: C channels with a producer each, L sleepers that wait for all of them at
 * once, every process killed anywhere. The property: no wake-up is lost.
 *
 * What is modelled
 *   Each operation on shared memory, each system call, and each entry into the kernel is one step.
 *   At every step a process may instead be killed (DIE), as often as it likes. Nothing bounds the
 *   number of deaths or of messages.
 *
 *   step                               C++                                        label here
 *   sleeper  (1) e = load(doorbell of mine, acquire)                              listen
 *            (2) channel.sleepers |= my bit                                       sign_in
 *            (3) channel.waiting = 1, release        (2), (3) for each channel    wave
 *            (4) full barrier: membarrier                                         barrier
 *            (5) load(channel.current); new: done    for each channel             look
 *            (6) futex_wait(doorbell of mine, e)                                  wait
 *   producer (7) store(current), release                                          publish
 *            (8) compiler barrier; load(waiting); not set: done                   ask
 *            (9) waiting = 0                                                      lower
 *            (10) bits = exchange(sleepers, 0), acquire and release               collect
 *            (11) for each bit: doorbell of it += 1, release                      ring
 *                               futex_wake(doorbell of it)                        wake
 *            recovery: (11) for every sleeper, bit or no bit                      ring, wake
 *
 * What is claimed (the name is what spin prints)
 *   no_wakeup_is_lost   When a producer has stopped publishing, and stays alive, nobody sleeps who
 *                       has not seen its last message. It is checked when the producer stops, and
 *                       when somebody falls asleep after that. A producer may stop after any
 *                       publish: so this says of each message that everybody is woken for it, be it
 *                       the last for ever.
 *
 * What is abstracted, and why that is sound
 *   - A sleeper compares current with what it has seen for equality only: one bit for each pair,
 *     `fresh`, set when a store (7) becomes visible, cleared when (5) sees it. A sleeper's next
 *     incarnation goes by what the last one saw. That is the harder case: one that has seen nothing
 *     finds every message new, and does not fall asleep.
 *   - A doorbell is compared with e for equality only: one bit, `rung`, cleared by (1) and set by
 *     (11). That a doorbell of 32 bits is rung 2^32 times between (1) and (6) is not modelled.
 *   - The producer's store buffer: (7) may become visible at any later time, after (8) to (10) have
 *     been performed, one store or several at a time; the buffer counts to "two or more". It is
 *     emptied by a sleeper's (4), which interrupts the producer wherever it runs; by (11), whose
 *     release orders (7) before it; and by the producer's death.
 *     Stores of sleepers are visible at once: (4) is a barrier for the sleeper, too, and until then
 *     a late store is the same as a slow sleeper. But (2) and (3) must keep their order, and so
 *     must (9) and (10): the mutations WAVE_FIRST and COLLECT_FIRST show it. On x86 they do;
 *     elsewhere (3) has to be a release store, and (10) has to release.
 *   - A sleep with a deadline, or one that is interrupted, ends like a death: at (6), or asleep,
 *     the sleeper starts over, with its bits and flags left behind.
 *   - The kernel compares the doorbell and falls asleep in one step, as futex(2) promises.
 *
 * Parameters  L sleepers (1..3), C channels (1..2).
 *   FENCED      a producer without membarrier: a full fence between (7) and (8), and (4) orders the
 *               sleeper alone. It has to be as good.
 * Mutations   each must be violated:
 *   EPOCH_LATE         (1) comes after (5)
 *   RAISE_FIRST        the producer rings before it clears flag and bits: (11), (9), (10)
 *   NO_BARRIER         (4) does not reach the producer
 *   NO_RECOVERY_WAKE   the producer's successor does not ring
 *   RECOVER_BITS_ONLY  the producer's successor rings only those whose bit is set
 *   WAVE_FIRST         (3) before (2)
 *   COLLECT_FIRST      (10) before (9)
 *
 * To repeat   ./check.sh run sleep-2    (names: ./check.sh list), or by hand
 *   spin -a -DL=2 sleep.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *   after a violation: spin -t -p -g -DL=2 sleep.pml
 */

#ifndef L
#define L 1
#endif
#ifndef C
#define C 1
#endif
#define EVERYBODY ((1 << L) - 1)
#define BIT(l)    (1 << (l))

/* Sets of sleepers are bit masks. */
byte sleepers[C];
bit waiting[C];
byte fresh[C];         /* whose last look at current is outdated */
byte stored[C];        /* stores (7) that are not visible yet; 2: two or more */
bit stopped[C];        /* the producer will not publish again, nor die */
byte rung;             /* whose doorbell differs from its e */
byte asleep;           /* who is in futex_wait */

hidden byte no_wakeup_is_lost;
hidden byte k;

inline drain(channel)
{
    if
    :: stored[channel] != 0 -> fresh[channel] = EVERYBODY; stored[channel] = 0
    :: else
    fi
}

inline check()
{
    no_wakeup_is_lost = true;
    k = 0;
    do
    :: k < C ->
        no_wakeup_is_lost = no_wakeup_is_lost && !(stopped[k] && (asleep & fresh[k]));
        k++
    :: else -> break
    od;
    k = 0;
    assert(no_wakeup_is_lost)
}

/* The stores drain by themselves, the oldest first. */
active [C] proctype Memory()
{
#define channel (_pid)
end:
    do
    :: d_step { stored[channel] != 0 -> fresh[channel] = EVERYBODY; stored[channel]-- }
    :: d_step { stored[channel] == 2 -> fresh[channel] = EVERYBODY }
    od
#undef channel
}

active [C] proctype Producer()
{
    byte bits;         /* who is still to be woken */
    byte l;            /* whom (11) is about to wake */
#ifdef RAISE_FIRST
    bit recovering;    /* it is publish that goes on to (9), not recovery */
#endif
#define channel (_pid - C)
#ifdef RAISE_FIRST
#define LOCALS bits = 0; l = 0; recovering = 0
#else
#define LOCALS bits = 0; l = 0
#endif
#define DIE :: d_step { LOCALS; drain(channel); k = 0 } goto reborn

idle:
    if
    :: d_step {
        if
        :: stored[channel] < 2 -> stored[channel]++
        :: else
        fi;
#ifdef FENCED
        drain(channel);
#endif
        k = 0
    } goto ask                                         /* (7) */
    /* It stops; what it has stored becomes visible in the end, so let it be visible now. */
    :: d_step { stored[channel] == 0 -> stopped[channel] = 1; check() } goto end
    DIE
    fi;

ask:  /* (8) */
    if
    :: waiting[channel] == 0 -> goto idle
#if defined(RAISE_FIRST)
    :: d_step { waiting[channel] == 1 -> bits = sleepers[channel] } goto pick
#elif defined(COLLECT_FIRST)
    :: waiting[channel] == 1 -> goto collect
#else
    :: waiting[channel] == 1 -> goto lower
#endif
    DIE
    fi;

lower:  /* (9) */
    if
#if defined(RAISE_FIRST)
    :: d_step { waiting[channel] = 0 } goto collect
#elif defined(COLLECT_FIRST)
    :: d_step { waiting[channel] = 0 } goto pick
#else
    :: d_step { waiting[channel] = 0 } goto collect
#endif
    DIE
    fi;

collect:  /* (10) */
    if
#if defined(RAISE_FIRST)
    :: d_step { sleepers[channel] = 0 } goto idle
#elif defined(COLLECT_FIRST)
    :: d_step { bits = sleepers[channel]; sleepers[channel] = 0 } goto lower
#else
    :: d_step { bits = sleepers[channel]; sleepers[channel] = 0 } goto pick
#endif
    DIE
    fi;

pick:  /* in any order */
    if
    :: d_step { bits & BIT(0) -> l = 0 }
#if L >= 2
    :: d_step { bits & BIT(1) -> l = 1 }
#endif
#if L >= 3
    :: d_step { bits & BIT(2) -> l = 2 }
#endif
#ifdef RAISE_FIRST
    :: d_step { bits == 0 && recovering -> recovering = 0 } goto idle
    :: bits == 0 && !recovering -> goto lower
#else
    :: bits == 0 -> goto idle
#endif
    DIE
    fi;

ring:  /* (11), the doorbell */
    if
    :: d_step { drain(channel); rung = rung | BIT(l) }
    DIE
    fi;

wake:  /* (11), the system call */
    if
    :: d_step { asleep = asleep & ~BIT(l); bits = bits & ~BIT(l); l = 0 } goto pick
    DIE
    fi;

reborn:
    /* The bits of the dead are lost with it: everybody is woken. */
    if
#ifdef NO_RECOVERY_WAKE
    :: goto idle
#else
    :: d_step {
#ifdef RAISE_FIRST
        recovering = 1;
#endif
#ifdef RECOVER_BITS_ONLY
        bits = sleepers[channel]
#else
        bits = EVERYBODY
#endif
    } goto pick
#endif
    fi;

end:
    false
#undef channel
#undef DIE
}

#define me (_pid - 2 * C)

active [L] proctype Sleeper()
{
    byte c;            /* the channel that it is at */
#define DIE :: d_step { c = 0; asleep = asleep & ~BIT(me) } goto listen

listen:  /* (1) */
#ifndef EPOCH_LATE
    if
    :: d_step { rung = rung & ~BIT(me) }
    DIE
    fi;
#endif

sign_in:  /* (2) */
    if
#ifdef WAVE_FIRST
    :: d_step { waiting[c] = 1 }
#else
    :: d_step { sleepers[c] = sleepers[c] | BIT(me) }
#endif
    DIE
    fi;

wave:  /* (3) */
    if
#ifdef WAVE_FIRST
    :: d_step { sleepers[c] = sleepers[c] | BIT(me); c++ }
#else
    :: d_step { waiting[c] = 1; c++ }
#endif
    DIE
    fi;
    if
    :: c < C -> goto sign_in
    :: d_step { c == C -> c = 0 }
    fi;

barrier:  /* (4), one producer at a time: they are not interrupted together */
#if !defined(NO_BARRIER) && !defined(FENCED)
    if
    :: d_step { drain(c); c++ }
    DIE
    fi;
    if
    :: c < C -> goto barrier
    :: d_step { c == C -> c = 0 }
    fi;
#endif

look:  /* (5) */
    if
    :: d_step { fresh[c] & BIT(me) -> fresh[c] = fresh[c] & ~BIT(me); c = 0 } goto listen
    :: d_step { !(fresh[c] & BIT(me)) -> c++ }
    DIE
    fi;
    if
    :: c < C -> goto look
    :: d_step { c == C -> c = 0 }
    fi;

#ifdef EPOCH_LATE
    if
    :: d_step { rung = rung & ~BIT(me) }
    DIE
    fi;
#endif

wait:  /* (6) */
    if
    :: d_step { !(rung & BIT(me)) -> asleep = asleep | BIT(me); check() }
    :: rung & BIT(me) -> goto listen
    DIE
    fi;

end:
    if
    :: !(asleep & BIT(me)) -> goto listen
    DIE
    fi
#undef DIE
}
