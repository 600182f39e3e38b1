// What a peer is: a way to hand the latest message from one process to others, wrapped so that all
// are measured by the same loops. A class template over the size of a message, if that is known to
// the compiler, with:
//
//     kName, kSleeps          its name; whether a reader can sleep until there is a message
//     kAsynchronous           whether a message may be on its way still when publish() returns
//     kConnects               whether readers are connected in the background
//     kQueues                 whether publishing costs something else while nobody reads
//     kFixed                  the size, or 0
//     cannot(PlaceConfig)     empty, or why it cannot do this
//     Place(PlaceConfig)      where the processes meet. Made before they are forked, and gone from
//                             the system with its destructor, also when they have died
//     Member(Place&, index)   what a process does first; index 0 is the producer, 1 … the consumers
//     Writer(Member&)         publish(write): write(std::byte* at) writes the message in place, or
//                             where it is copied from
//     Reader(Member&, from)   read(look): look(const std::byte* at, std::size_t bytes) sees the
//                             latest message, the last one again if there is no newer one, and may
//                             hold it as long as it likes; false if there has never been one.
//                             newer(): whether there is a message newer than the last one seen.
//                             wait(): sleeps until there is; may return early
//
// Peers that are queues take what has come until there is nothing left, or kDrain messages, and
// keep the last.
#pragma once

#include <cstddef>

namespace shmipc::bench {

/// A producer that is faster than the reader must not keep it in the queue for ever.
inline constexpr int kDrain = 64;

}  // namespace shmipc::bench
