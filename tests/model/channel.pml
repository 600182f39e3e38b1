/*
 * The protocol of one channel: a producer, R consumers, S slots, every one of them killed anywhere.
 *
 * What is modelled
 *   Each operation on shared memory is one step: a load, a store, an exchange, a compare-and-swap.
 *   Everything that a process does between two of them is local and belongs to the step before. At
 *   every step a process may instead be killed (DIE), as often as it likes; its next incarnation
 *   starts with nothing but shared memory. Nothing bounds the number of deaths or of messages.
 *
 *                       C++ (the protocol's numbers)                  label here
 *   consumer  acquire   c = load(current)                             acquire
 *                       (1) exchange(cell, CLAIMED c)                 claim
 *                       (2) load(current) still c?                    confirm
 *                           store(cell, HELD c)                       hold
 *                       (3) exchange(cell, PENDING)                   announce
 *                       (4) c = load(current)                         reload
 *                       (5) CAS(cell, PENDING -> HELD c)              pin
 *             use       loads of header and payload                   read_head, read_tail
 *             release   store(cell, KEPT s) or store(cell, FREE)      release; later FREE: acquire
 *             recovery  load(cell)                                    reborn
 *                       a HELD or KEPT message is read again, or not  look_head, look_tail
 *                       exchange(cell, FREE)                          look_head, reclaim
 *   producer  publish   (6) fence, if no slot is known to be free     next (fenced == 0)
 *                           load(cell i)                              next (free == 0)
 *                           CAS(cell i, PENDING -> HELD current)      help
 *                       (7) stores of header and payload              next (free != 0), write_tail
 *                       (8) store(current)                            publish
 *             recovery  loads of current and of its slot's sequence   reborn
 *   Step (9), waking, is a model of its own: sleep.pml.
 *
 * What is claimed (the names are what spin prints when one is violated)
 *   message_is_whole        no read sees parts of two messages, a message that was not published,
 *                           or a slot that a scan gave away; also when a successor reads the
 *                           message that its predecessor had pinned.
 *   message_is_stable       the producer never writes into a slot that a cell shows HELD or KEPT,
 *                           nor into one that a consumer or its successor takes for pinned. This
 *                           looks at the pen, not at values: two incarnations of a producer may
 *                           write the same sequence into the same slot, which no reader could tell.
 *   sequence_never_back     what a consumer sees never goes back, over all its incarnations, the
 *                           inherited message counted in.
 *   help_is_a_pin           when (5) fails, the cell holds HELD: acquire cannot fail.
 *   scan_finds_a_slot       a scan always leaves a slot to write into.
 *   publish_goes_on         each sequence published is above all before it, whoever published it.
 *   Wait-freedom is structural: there is no loop but the scan, which makes R rounds.
 *
 * What is abstracted, and why that is sound
 *   - A message is two words, `head` (the header's sequence) and `tail` (the end of the payload);
 *     more words only repeat what two of them show. Both carry the sequence.
 *   - Sequences are kept small by renumbering: at each publish the numbers that no slot and no
 *     consumer remembers are squeezed out. Only order and equality of sequences matter, and both
 *     survive; so the search covers any number of messages. A consumer's memory of a sequence below
 *     all that are left in slots is dropped: it can no longer be violated.
 *   - A slot that a scan gives away is wiped to 0 there and then; whoever reads a 0 has failed. The
 *     real slot keeps an old message until it is written over: the model is the stricter.
 *   - current is the slot alone. That (2) compares sequences too is modelled by letting (2) fail
 *     at will. So the search covers the exact comparison, one of 48 bits that wrap, and one of the
 *     slot alone.
 *   - The producer takes any of the free slots: any order of the free list is covered. So slots are
 *     interchangeable, and with -DRENAME they are renamed, at each publish and after each scan,
 *     such that states that differ by names alone become one (26 times fewer with 5 slots).
 *   - The shortcut "current is the message I hold" may leave the cell KEPT or store HELD.
 *   - Memory is sequentially consistent, except: with -DWEAK the stores (8) wait in a buffer that
 *     drains when it likes; later writes of payload overtake it (as a release store allows); only
 *     the fence of (6) empties it. Nothing else can be late in a way that matters: (1) to (5) are
 *     sequentially consistent; a late HELD, KEPT or FREE leaves a pin that is wider. The successor
 *     of a killed producer finds the buffer empty: the kernel's hand-over of the identity lock
 *     comes after the death, and so after all stores of the dead.
 *
 * Parameters
 *   R, S          consumers (1..3), slots (R+2..6)
 *   WEAK          the stores (8) may be late, see above
 *   RENAME        fewer states, see above (not with WEAK or READS_ONLY)
 *   DEATHS=n      no more than n deaths, of all processes together
 *   READS_ONLY    the harder test of the mutations: no watch on the pen and no wiping of slots; a
 *                 fault is one only if a reader gets to see it
 * Mutations     each must be violated
 *   S = R+1       one slot too few
 *   NO_HELP       a scan passes by a PENDING cell
 *   LOST_CAS      a scan whose help comes too late takes the cell for free, not for what it holds
 *   NO_RESCAN     a retired slot is free at once
 *   NO_FALLBACK   an overtaken consumer uses what it claimed, without (3) to (5)
 *   NO_PENDING    an overtaken consumer loads current and pins it by a store, without (3)
 *   NO_CONFIRM    (2) is taken for granted
 *   TRUST_CLAIMED a successor reads a CLAIMED message as if it were whole
 *   FROM_ONE      the producer's successor starts again at sequence 1
 *   NO_FENCE      with WEAK: (6) scans without the fence
 *
 * To repeat   ./check.sh run c1s3    (names: ./check.sh list), or by hand
 *   spin -a -DR=1 -DS=3 channel.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *   after a violation: spin -t -p -g -DR=1 -DS=3 channel.pml
 */

#ifndef R
#define R 1
#endif
#ifndef S
#define S (R + 2)
#endif

/* A cell: one of these, with the slot in the low bits. Slots count from 1, as in current. */
#define FREE       0
#define PENDING    8
#define CLAIMED    16
#define HELD       32
#define KEPT       48
#define KIND(x)    ((x) & 48)
#define SLOT(x)    ((x) & 7)
#define PINNED(x)  ((x) & HELD)          /* HELD or KEPT: KEPT is 32 + 16 */
#define BIT(s)     (1 << (s))
#define ALL        ((1 << (S + 1)) - 2)  /* slots 1..S */

#ifdef DEATHS
byte deaths;           /* so far, of all processes together */
#define DEATH deaths < DEATHS -> deaths++;
#else
#define DEATH
#endif

byte current;          /* 0: nothing published yet */
byte cell[R];
byte head[S + 1];
byte tail[S + 1];

/* Locals of the consumers that are global here because claims or renumbering need them; and `seen`
 * and `top`, on which no process acts: they are there for the claims alone. */
byte using[R];         /* the slot that consumer i takes for pinned, 0: none */
byte seen[R];          /* the highest sequence that consumer i, in any incarnation, has read */
byte got[R];           /* the head that consumer i has read, until it reads the tail */
byte loaded[R];        /* the slot that consumer i has loaded from current, until it pins one */
byte top;              /* the highest sequence published */

hidden byte message_is_whole;
hidden byte message_is_stable;
hidden byte sequence_never_back;
hidden byte help_is_a_pin;
hidden byte scan_finds_a_slot;
hidden byte publish_goes_on;
hidden byte v, k;     /* scratch */
hidden byte used;

/* The stores (8) that are on their way. */
#ifdef WEAK
byte buffer[S];
byte buffered;
byte latest;           /* the producer's own view of current: it sees its stores at once */

inline drain()
{
    current = buffer[0];
    k = 1;
    do
    :: k < buffered -> buffer[k - 1] = buffer[k]; k++
    :: else -> break
    od;
    buffered--;
    buffer[buffered] = 0;
    k = 0
}

inline drain_all()
{
    do
    :: buffered > 0 -> drain()
    :: else -> break
    od;
    k = 0
}

active proctype Memory()
{
end:
    do
    :: d_step { buffered > 0 -> drain() }
    od
}
#define FIRST_CONSUMER 2
#else
#define latest current
#define FIRST_CONSUMER 1
#endif

/* Squeezes out the sequences that nobody remembers. Called with all of them <= top. */
inline renumber()
{
    /* What a consumer has seen matters only while a slot holds something older. */
    k = 0;
    do
    :: k < R ->
        used = false;
        v = 1;
        do
        :: v <= S ->
            used = used || (head[v] != 0 && head[v] < seen[k]) ||
                    (tail[v] != 0 && tail[v] < seen[k]);
            v++
        :: else -> break
        od;
        if
        :: !used -> seen[k] = 0
        :: else
        fi;
        k++
    :: else -> break
    od;
    v = 1;
    do
    :: v < top ->
        used = false;
        k = 0;
        do
        :: k < R -> used = used || seen[k] == v || got[k] == v; k++
        :: else -> break
        od;
        k = 1;
        do
        :: k <= S -> used = used || head[k] == v || tail[k] == v; k++
        :: else -> break
        od;
        if
        :: used -> v++
        :: else ->
            top--;
            k = 0;
            do
            :: k < R ->
                seen[k] = seen[k] - (seen[k] > v);
                got[k] = got[k] - (got[k] > v);
                k++
            :: else -> break
            od;
            k = 1;
            do
            :: k <= S ->
                head[k] = head[k] - (head[k] > v);
                tail[k] = tail[k] - (tail[k] > v);
                k++
            :: else -> break
            od
        fi
    :: else -> break
    od;
    v = 0; k = 0; used = false
}

/* No cell and no consumer pins the slot under the pen. */
inline check_pen(slot)
{
#ifdef READS_ONLY
    skip
#else
    message_is_stable = true;
    k = 0;
    do
    :: k < R ->
        message_is_stable = message_is_stable && using[k] != slot &&
                !(PINNED(cell[k]) && SLOT(cell[k]) == slot);
        k++
    :: else -> break
    od;
    k = 0;
    assert(message_is_stable)
#endif
}

#if defined(RENAME) && (defined(WEAK) || defined(READS_ONLY))
#error RENAME knows nothing of the store buffer, and takes free slots to be wiped
#endif

#ifdef RENAME
#define other(x, a, b)  ((x) == (a) -> (b) : ((x) == (b) -> (a) : (x)))

/* Exchanges the names of two slots, everywhere. */
inline swap(a, b)
{
    v = head[a]; head[a] = head[b]; head[b] = v;
    v = tail[a]; tail[a] = tail[b]; tail[b] = v;
    k = 0;
    do
    :: k < R ->
        cell[k] = (cell[k] & 120) | other(SLOT(cell[k]), a, b);
        using[k] = other(using[k], a, b);
        loaded[k] = other(loaded[k], a, b);
        k++
    :: else -> break
    od;
    current = other(current, a, b);
    free = (free & ~(BIT(a) | BIT(b))) | (((free >> a) & 1) << b) | (((free >> b) & 1) << a)
}

/* Two slots of the same rank are alike in everything but their names. */
inline rank(slot, r)
{
    r = (slot == current -> 255 : head[slot]) << (2 * R);
    k = 0;
    do
    :: k < R ->
        r = r | ((SLOT(cell[k]) == slot) << (2 * k)) | ((loaded[k] == slot) << (2 * k + 1));
        k++
    :: else -> break
    od
}

inline rename()
{
    m = 1;
    do
    :: m < S ->
        n = m + 1;
        do
        :: n <= S ->
            rank(m, rank_m);
            rank(n, rank_n);
            if
            :: rank_m < rank_n -> swap(m, n)
            :: else
            fi;
            n++
        :: else -> break
        od;
        m++
    :: else -> break
    od;
    m = 0; n = 0; k = 0; v = 0; rank_m = 0; rank_n = 0
}
hidden byte m, n;
hidden short rank_m, rank_n;
#else
#define rename() skip
#endif

#ifdef READS_ONLY
#define wipe(slot) skip
#else
#define wipe(slot) head[slot] = 0; tail[slot] = 0
#endif

/* The end of one round of the scan; after the last one, the slots that are left are free. */
inline scanned(word)
{
    taken = taken | BIT(SLOT(word));
    i++;
    if
    :: i == R ->
        free = ALL & ~(taken | BIT(latest));
        i = 0;
        taken = 0;
        scan_finds_a_slot = free != 0;
        assert(scan_finds_a_slot);
        k = 1;
        do
        :: k <= S ->
            if
            :: free & BIT(k) -> wipe(k)
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0;
        rename()
    :: else
    fi
}

#ifdef WEAK
#define FENCED fenced
#else
#define FENCED true
#endif

active proctype Producer()
{
    byte s;            /* the slot under the pen */
    byte i;            /* the round of the scan */
    byte taken;        /* the slots that the scan has met */
    byte free;         /* the slots known to be free */
    byte sequence;     /* the last one published, while this incarnation knows it */
#ifdef WEAK
    bit fenced;        /* (6) has begun */
#define LOCALS s = 0; i = 0; taken = 0; free = 0; sequence = 0; fenced = 0
#else
#define LOCALS s = 0; i = 0; taken = 0; free = 0; sequence = 0
#endif

#define DIE :: d_step { DEATH LOCALS } goto reborn

reborn:
    /* One step for two loads: only the producer writes what they read. */
    if
    :: d_step {
#ifdef WEAK
        drain_all();
        latest = current;
#endif
#ifdef FROM_ONE
        sequence = 0
#else
        sequence = head[latest]
#endif
    }
    fi;

#define WRITE_HEAD(slot) \
    d_step { free & BIT(slot) -> s = slot; check_pen(slot); head[slot] = sequence + 1 } \
    goto write_tail

next:
    if
    /* (7), any slot that is known to be free */
    :: WRITE_HEAD(1)
    :: WRITE_HEAD(2)
#if S >= 3
    :: WRITE_HEAD(3)
#endif
#if S >= 4
    :: WRITE_HEAD(4)
#endif
#if S >= 5
    :: WRITE_HEAD(5)
#endif
#if S >= 6
    :: WRITE_HEAD(6)
#endif
    /* (6), none is */
#ifdef WEAK
    :: d_step {
        free == 0 && !fenced -> fenced = 1;
#ifndef NO_FENCE
        drain_all()
#endif
    } goto next
#endif
#ifdef NO_HELP
    :: d_step { free == 0 && FENCED -> scanned(cell[i]) } goto next
#else
    :: d_step { free == 0 && FENCED && cell[i] != PENDING -> scanned(cell[i]) } goto next
    :: free == 0 && FENCED && cell[i] == PENDING -> goto help
#endif
    DIE
    fi;

help:  /* what a failed CAS returns counts as met */
    if
    :: d_step { cell[i] == PENDING -> cell[i] = HELD | latest; scanned(cell[i]) } goto next
#ifdef LOST_CAS
    :: d_step { cell[i] != PENDING -> scanned(FREE) } goto next
#else
    :: d_step { cell[i] != PENDING -> scanned(cell[i]) } goto next
#endif
    DIE
    fi;

write_tail:
    if
    :: d_step { check_pen(s); tail[s] = sequence + 1 }
    DIE
    fi;

publish:  /* (8) */
    if
    :: d_step {
#ifdef WEAK
        buffered < S ->  /* a full buffer stalls the writer until it has drained a store */
#endif
        publish_goes_on = sequence + 1 > top;
        assert(publish_goes_on);
        top = sequence + 1;
        free = free & ~BIT(s);
#ifdef NO_RESCAN
        if
        :: latest != 0 -> free = free | BIT(latest)
        :: else
        fi;
#endif
#ifdef WEAK
        buffer[buffered] = s;
        buffered++;
        latest = s;
        fenced = 0;
#else
        current = s;
#endif
        s = 0;
        renumber();
        sequence = top;
        rename()
    } goto next
    DIE
    fi
#undef DIE
}

#define me (_pid - FIRST_CONSUMER)

inline look_at_head()
{
    got[me] = head[using[me]];
    message_is_whole = got[me] != 0 && got[me] <= top;
    assert(message_is_whole);
    sequence_never_back = got[me] >= seen[me];
    assert(sequence_never_back);
    seen[me] = got[me]
}

inline look_at_tail()
{
    message_is_whole = tail[using[me]] == got[me];
    assert(message_is_whole);
    got[me] = 0
}

active [R] proctype Consumer()
{
#define DIE :: d_step { DEATH loaded[me] = 0; using[me] = 0; got[me] = 0 } goto reborn

acquire:
    if
    :: d_step { current != 0 && current != using[me] -> loaded[me] = current } goto claim
    /* the message I hold is still the current one; it may be marked as in use again, or not */
    :: current != 0 && current == using[me] -> goto read_head
    :: current != 0 && current == using[me] -> goto hold
    /* no acquire: what was kept is given back */
    :: d_step { using[me] != 0 -> using[me] = 0; cell[me] = FREE } goto acquire
    DIE
    fi;

claim:  /* (1); what was kept is let go */
    if
    :: d_step { using[me] = 0; cell[me] = CLAIMED | loaded[me] }
    DIE
    fi;

confirm:  /* (2), the load; it may fail at will: see the sequence in current, above */
    if
#ifdef NO_CONFIRM
    :: d_step { using[me] = loaded[me]; loaded[me] = 0 } goto hold
#else
    :: d_step { current == loaded[me] -> using[me] = loaded[me]; loaded[me] = 0 } goto hold
#ifdef NO_FALLBACK
    :: d_step { current != loaded[me] -> using[me] = loaded[me]; loaded[me] = 0 } goto hold
#else
    :: d_step { loaded[me] = 0 } goto announce
#endif
#endif
    DIE
    fi;

hold:  /* (2), the store */
    if
    :: d_step { cell[me] = HELD | using[me] } goto read_head
    DIE
    fi;

announce:  /* (3) */
#ifndef NO_PENDING
    if
    :: d_step { cell[me] = PENDING }
    DIE
    fi;
#endif

reload:  /* (4) */
    if
    :: d_step { loaded[me] = current }
    DIE
    fi;

pin:  /* (5) */
    if
    :: d_step {
#ifdef NO_PENDING
        cell[me] = HELD | loaded[me];
#else
        if
        :: cell[me] == PENDING -> cell[me] = HELD | loaded[me]
        :: else
        fi;
        help_is_a_pin = KIND(cell[me]) == HELD;
        assert(help_is_a_pin);
#endif
        using[me] = SLOT(cell[me]);
        loaded[me] = 0
    }
    DIE
    fi;

read_head:
    if
    :: d_step { look_at_head() }
    DIE
    fi;

read_tail:
    if
    :: d_step { look_at_tail() }
    DIE
    fi;

release:
    if
    :: d_step { cell[me] = KEPT | using[me] } goto acquire
    :: d_step { using[me] = 0; cell[me] = FREE } goto acquire
    DIE
    fi;

reborn:  /* the next incarnation: nothing is left but the cell */
    if
    :: d_step { PINNED(cell[me]) -> using[me] = SLOT(cell[me]) } goto look_head
#ifdef TRUST_CLAIMED
    :: d_step { KIND(cell[me]) == CLAIMED -> using[me] = SLOT(cell[me]) } goto look_head
    :: KIND(cell[me]) == 0 -> goto reclaim
#else
    :: !PINNED(cell[me]) -> goto reclaim
#endif
    fi;

look_head:  /* once more, or not */
    if
    :: d_step { look_at_head() } goto look_tail
    :: d_step { using[me] = 0; cell[me] = FREE } goto acquire
    DIE
    fi;

look_tail:
    if
    :: d_step { look_at_tail() }
    DIE
    fi;

reclaim:
    if
    :: d_step { using[me] = 0; cell[me] = FREE } goto acquire
    DIE
    fi
#undef DIE
}
