#include "console.hpp"

#include "base/log.hpp"
#include "base/os.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace shmipc::supervisor {

Console::Console(boost::asio::io_context& io, int input, std::uint32_t workers, Orders orders)
    : input_(io), workers_(workers), orders_(std::move(orders)) {
    open(input);
}

Console::~Console() {
    if (flags_to_restore_) {
        ::fcntl(input_.native_handle(), F_SETFL, *flags_to_restore_);
    }
}

void Console::open(int input) {
    // Asio needs O_NONBLOCK, a flag that all who share the description would see: the shell, and
    // other programs of the same terminal. A description of our own concerns nobody else.
    const std::string path = "/proc/self/fd/" + std::to_string(input);
    int own = os::retry(
        [&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); });
    if (own < 0) {  // a socket, or a terminal of another user
        own = os::require("fcntl(standard input)",
                          [&] { return ::fcntl(input, F_DUPFD_CLOEXEC, 0); });
        flags_to_restore_ = ::fcntl(own, F_GETFL);
    }
    input_.assign(own);
}

void Console::start() {
    help();
    read();
}

void Console::read() {
    input_.async_read_some(boost::asio::buffer(bytes_),
                           [this](const boost::system::error_code& error, std::size_t length) {
                               if (error == boost::asio::error::operation_aborted) {
                                   return;
                               }
                               if (error) {
                                   // A terminal that hangs up reads as an error, a pipe that closes
                                   // as the end.
                                   orders_.quit("end of input");
                                   return;
                               }
                               lines_.feed(std::string_view(bytes_.data(), length),
                                           [this](std::string_view line) { obey(line); });
                               if (!quit_) {
                                   read();
                               }
                           });
}

void Console::obey(std::string_view line) {
    if (quit_) {
        return;  // lines that came in one piece with the q
    }
    const ConsoleCommand command = parse_console_line(line, workers_);
    switch (command.kind) {
        case ConsoleCommand::Kind::kNothing:
            break;
        case ConsoleCommand::Kind::kToggle:
            orders_.toggle(command.worker);
            break;
        case ConsoleCommand::Kind::kQuit:
            orders_.quit("q");
            quit_ = true;  // and reads no more: who is in a hurry has SIGINT
            break;
        case ConsoleCommand::Kind::kUnknown:
            help();
            break;
    }
}

void Console::help() const {
    log::log(log::Level::kInfo, log::Event::kMessage,
             "console: 0 … " + std::to_string(workers_ - 1) +
                 " and Return kills a worker or starts it again; q and Return ends the group");
}

}  // namespace shmipc::supervisor
