// The console: lines from standard input that toggle workers and end the group.
//
// Reads without blocking, and leaves standard input as it was: the description that it shares with
// the shell is not touched if it can be opened anew, and restored at the end if not.
#pragma once

#include "shared/console_line.hpp"
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace shmipc::supervisor {

class Console {
  public:
    struct Orders {
        std::function<void(WorkerIndex)> toggle;
        std::function<void(std::string_view reason)> quit;
    };

    /// Reads from descriptor `input` (not owned) once start() is called.
    Console(boost::asio::io_context& io, int input, std::uint32_t workers, Orders orders);
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    ~Console();

    /// Tells how to use it, and begins to read.
    void start();

  private:
    void open(int input);
    void read();
    void obey(std::string_view line);
    void help() const;

    boost::asio::posix::stream_descriptor input_;
    std::optional<int> flags_to_restore_;
    std::uint32_t workers_;
    Orders orders_;
    std::array<char, 256> bytes_{};
    LineCutter lines_;
    bool quit_ = false;
};

}  // namespace shmipc::supervisor
