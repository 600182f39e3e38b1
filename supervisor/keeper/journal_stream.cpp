#include "journal_stream.hpp"

#include <algorithm>
#include <cstddef>

#include <shmipc/detail/unix_address.hpp>

#include <fcntl.h>
#include <sys/socket.h>

namespace shmipc::supervisor {
namespace {

/// Identifier, unit (ours, which journald finds out by itself), priority, whether lines may begin
/// with one, and whether to forward to syslog, kmsg and the console besides.
std::string header(std::string identifier) {
    std::replace(identifier.begin(), identifier.end(), '\n', '_');
    return identifier + "\n\n6\n1\n0\n0\n0\n";
}

}  // namespace

os::Fd open_journal_stream(const std::string& identifier, const std::string& socket) noexcept {
    const auto address = os::to_address(socket);
    if (!address) {
        return {};
    }
    os::Fd stream(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const std::string text = header(identifier);
    const auto connected = [&] {
        return os::retry([&] {
                   return ::connect(stream.get(), os::generic(*address), sizeof(*address));
               }) == 0;
    };
    if (!stream || !connected() || ::shutdown(stream.get(), SHUT_RD) != 0 ||
        os::retry([&] { return ::send(stream.get(), text.data(), text.size(), MSG_NOSIGNAL); }) !=
            static_cast<ssize_t>(text.size()) ||
        ::fcntl(stream.get(), F_SETFL, 0) != 0) {
        return {};
    }
    return stream;
}

}  // namespace shmipc::supervisor
