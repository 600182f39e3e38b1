// Learns, once, that a process is ready: by the pipe that it was given, or, where a wrapper has
// closed that, by what the worker says in shared memory.
//
// Made for one process, and gone with it: what the loop still holds of it then does nothing.
#pragma once

#include "base/os.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace shmipc::supervisor {

class Readiness : public std::enable_shared_from_this<Readiness> {
  public:
    enum class ToldBy : std::uint8_t { kPipe, kSharedMemory };

    /// `pipe`: the reading end, non-blocking. `says_so`: whether the worker says in shared memory
    /// that it is ready. `on_ready` is called from a handler or from look(), at most once for each
    /// way: one that was believed in shared memory may still come to write it into its pipe.
    Readiness(boost::asio::io_context& io, os::Fd pipe, std::function<bool()> says_so,
              std::function<void(ToldBy)> on_ready);

    /// From now on; once.
    void begin() { read(); }
    /// Looks into shared memory. To be called now and then as long as the pipe is open: a worker
    /// may have lost its end, which others hold open. Once it is closed, this looks by itself.
    void look();

  private:
    void read();
    void take(std::size_t length);
    void look_again();

    boost::asio::posix::stream_descriptor pipe_;
    boost::asio::steady_timer timer_;
    std::function<bool()> says_so_;
    std::function<void(ToldBy)> on_ready_;
    std::array<char, 64> bytes_{};
    std::size_t before_ = 0;  ///< bytes read so far that told nothing
    bool told_ = false;
};

}  // namespace shmipc::supervisor
