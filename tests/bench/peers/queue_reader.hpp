// The reader of a peer that is a queue: keeps the newest of what has come.
#pragma once

#include "peer.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace shmipc::bench {

/// Source: bool receive(std::byte*, std::size_t) takes one message without waiting, and leaves the
/// bytes as they are if there is none. Either void sleep() waits until there may be one, or
/// bool receive_or_sleep(std::byte*, std::size_t) waits until it has taken one, or a while.
template <class Source>
class QueueReader {
  public:
    QueueReader(Source source, std::size_t bytes) : source_(std::move(source)), latest_(bytes) {}

    template <class Look>
    bool read(Look&& look) {
        seen_ = newer() || seen_;
        fresh_ = false;
        if (seen_) {
            look(static_cast<const std::byte*>(latest_.data()), latest_.size());
        }
        return seen_;
    }
    bool newer() {
        if (!fresh_) {
            for (int i = 0; i < kDrain && source_.receive(latest_.data(), latest_.size()); ++i) {
                fresh_ = true;
            }
        }
        return fresh_;
    }
    void wait() {
        if (fresh_) {
            return;
        }
        if constexpr (requires { source_.receive_or_sleep(latest_.data(), latest_.size()); }) {
            fresh_ = source_.receive_or_sleep(latest_.data(), latest_.size());
        } else {
            source_.sleep();
        }
    }

  private:
    Source source_;
    std::vector<std::byte> latest_;
    bool fresh_ = false;
    bool seen_ = false;
};

}  // namespace shmipc::bench
