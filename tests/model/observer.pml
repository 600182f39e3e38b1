/*
 * An observer of one channel: it has no cell, pins nothing, and copies what the producer may write
 * over at any time. The producer is killed anywhere; what matters is that its next incarnation then
 * uses the same sequence once more, for another message, maybe in the same slot.
 *
 * What is modelled (each operation on shared memory is one step; DIE at every step of the producer)
 *   producer  clear        slot's sequence = 0; release fence
 *             write_a, _b  payload
 *             stamp        slot's sequence = last + 1, release
 *             publish      current = {last + 1, slot}, release: step (8) of the protocol
 *             reborn       current, and from it the sequence
 *   observer  load         c = load(current)
 *             first_look   load(slot's sequence): go on only if it is the sequence in c
 *             copy_a, _b   payload, relaxed words; then an acquire fence
 *             second_look  load(slot's sequence) still the same: the copy counts
 *
 * What is claimed (the name is what spin prints)
 *   copy_is_what_was_published   a copy that counts is the message that was published under its
 *                                sequence, all of it.
 *
 * What is abstracted, and why that is sound
 *   - A message is two words that carry one bit, drawn at random for each message: two messages
 *     of one sequence can be told apart, and so can the halves of one.
 *   - There are no consumers: any slot but the current one may be written into, which is the worst
 *     that can happen to an observer.
 *   - MESSAGES sequences; a stale c needs a few only. The low 48 bits in current are the sequence;
 *     an observer that stops for 2^48 messages between load and second_look is not modelled.
 *   - Memory is sequentially consistent: that the fences named above are enough is the classic
 *     argument for sequence locks (Boehm, MSPC 2012), and not repeated here.
 *
 * Parameters  S slots (2..3; 4 takes 128 million states, and is clean), MESSAGES.
 * Mutations   each must be violated:
 *   OWN_SEQUENCE  first_look accepts any sequence but 0: the slot's own, not the one in c. Then a
 *                 stale c leads to a message that is complete, but not published; and if its writer
 *                 is killed, and the next incarnation writes another message into the same slot,
 *                 which gets the same sequence, the copy may be half of each, between two equal
 *                 looks.
 *   NO_CLEAR      the producer does not clear the sequence before it writes
 *   NO_LOOK       the second look is taken for granted
 *
 * To repeat   ./check.sh run observer-3    (names: ./check.sh list)
 */

#ifndef S
#define S 3
#endif
#ifndef MESSAGES
#define MESSAGES 5
#endif

byte current;                  /* the slot, from 1 */
byte current_sequence;         /* in the same word */
byte sequence_of[S + 1];
bit a[S + 1];
bit b[S + 1];
bit published[MESSAGES + 1];   /* for the claim: what was published under each sequence */

hidden byte copy_is_what_was_published;

active proctype Producer()
{
    byte s, last;
    bit message;
#define DIE :: d_step { s = 0; last = 0; message = 0 } goto reborn

reborn:
    if
    :: d_step { last = current_sequence }
    fi;

clear:
    if
    :: d_step { last < MESSAGES && current != 1 -> s = 1 }
    :: d_step { last < MESSAGES && current != 2 -> s = 2 }
#if S >= 3
    :: d_step { last < MESSAGES && current != 3 -> s = 3 }
#endif
#if S >= 4
    :: d_step { last < MESSAGES && current != 4 -> s = 4 }
#endif
    :: last == MESSAGES -> goto end
    fi;
    if
#ifdef NO_CLEAR
    :: message = 0
    :: message = 1
#else
    :: d_step { sequence_of[s] = 0; message = 0 }
    :: d_step { sequence_of[s] = 0; message = 1 }
#endif
    DIE
    fi;

write_a:
    if
    :: d_step { a[s] = message }
    DIE
    fi;

write_b:
    if
    :: d_step { b[s] = message }
    DIE
    fi;

stamp:
    if
    :: d_step { sequence_of[s] = last + 1 }
    DIE
    fi;

publish:
    if
    :: d_step {
        current = s; last++; current_sequence = last; published[last] = message;
        s = 0; message = 0
    } goto clear
    DIE
    fi;

end:
    false
#undef DIE
}

active proctype Observer()
{
    byte slot, sequence;
    bit copy_of_a, copy_of_b;
#define FORGET slot = 0; sequence = 0; copy_of_a = 0; copy_of_b = 0

end:  /* load; nothing has been published: it waits */
    if
    :: d_step { current != 0 -> slot = current; sequence = current_sequence }
    fi;

first_look:
    if
#ifdef OWN_SEQUENCE
    :: d_step { sequence_of[slot] != 0 -> sequence = sequence_of[slot] }
    :: d_step { sequence_of[slot] == 0 -> FORGET } goto end
#else
    :: d_step { sequence_of[slot] == sequence -> skip }
    :: d_step { sequence_of[slot] != sequence -> FORGET } goto end
#endif
    fi;

copy_a:
    if
    :: d_step { copy_of_a = a[slot] }
    fi;

copy_b:
    if
    :: d_step { copy_of_b = b[slot] }
    fi;

second_look:
    if
#ifdef NO_LOOK
    :: d_step {
#else
    :: d_step { sequence_of[slot] != sequence -> FORGET } goto end
    :: d_step { sequence_of[slot] == sequence ->
#endif
        copy_is_what_was_published = sequence <= current_sequence &&
                copy_of_a == published[sequence] && copy_of_b == published[sequence];
        assert(copy_is_what_was_published);
        FORGET
    } goto end
    fi
}
