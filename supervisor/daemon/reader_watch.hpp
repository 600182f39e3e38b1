// Whether somebody is still at the other end of standard output: a terminal that was closed, or the
// reader of a pipe that has gone, is noticed at once and not at the next line, which may be days
// away.
//
// Files and /dev/null have no other end, and are not watched.
#pragma once

#include "base/os.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <optional>

namespace shmipc::supervisor {

class ReaderWatch {
  public:
    /// Watches descriptor `output` (not owned), and calls `on_gone` once, from the loop.
    ReaderWatch(boost::asio::io_context& io, int output, std::function<void()> on_gone);
    ReaderWatch(const ReaderWatch&) = delete;
    ReaderWatch& operator=(const ReaderWatch&) = delete;
    ~ReaderWatch() = default;

  private:
    void wait();

    boost::asio::posix::stream_descriptor watch_;
    int output_;
    std::function<void()> on_gone_;
};

/// The terminal from which this process could be sent SIGHUP when it goes away.
class ControllingTerminal {
  public:
    /// As the process is now: at its start.
    ControllingTerminal();
    /// True once, when it had one and has lost it.
    [[nodiscard]] bool lost();
    /// SIGHUP was ignored when the process was started, as by nohup(1).
    [[nodiscard]] bool hang_up_ignored() const noexcept { return hang_up_ignored_; }

  private:
    bool had_;
    bool hang_up_ignored_;
};

}  // namespace shmipc::supervisor
