// A pair of connected Unix sockets that keep the borders of messages (SOCK_SEQPACKET). The queue
// keeps what is oldest: a producer that nobody reads from has to wait.
#include "base/os.hpp"
#include "entries.hpp"
#include "entry.hpp"
#include "queue_reader.hpp"

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

namespace shmipc::bench {

namespace {

template <std::size_t kSize>
struct SocketPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "unix_socket";
    static constexpr bool kSleeps = true;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = true;
    /// The kernel keeps most of a datagram in one piece, and does not have longer ones.
    static constexpr std::size_t kLongest = std::size_t{1} << 20U;

    static std::string cannot(const PlaceConfig& config) {
        if (config.unread || config.held || config.setting.consumers > 1) {
            return "a full queue refuses the newest message";
        }
        return config.setting.bytes > kLongest ? "longer than the kernel's datagrams" : "";
    }

    class Place {
      public:
        explicit Place(const PlaceConfig& config) : bytes(config.setting.bytes) {
            for (std::uint32_t channel = 0; channel < 2; ++channel) {
                int pair[2] = {-1, -1};
                os::require("socketpair", [&] {
                    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
                });
                writing[channel] = os::Fd(pair[0]);
                reading[channel] = os::Fd(pair[1]);
                // Four messages and what the kernel adds to each. Beyond the system's limit only
                // the privileged get it; others get that limit.
                const int wanted = static_cast<int>(4 * bytes + 65536);
                if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0) {
                    os::require("setsockopt", [&] {
                        return setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
                    });
                }
            }
        }
        std::size_t bytes;
        os::Fd writing[2];
        os::Fd reading[2];
    };
    struct Member {
        Member(Place& where, std::uint32_t number) : place(where), index(number) {}
        Place& place;
        std::uint32_t index;
    };

    class Writer {
      public:
        explicit Writer(Member& member)
            : socket_(member.place.writing[member.index].get()), message_(member.place.bytes) {}
        template <class Write>
        void publish(Write&& write) {
            write(message_.data());
            os::require("send", [&] {
                return send(socket_, message_.data(), message_.size(), MSG_NOSIGNAL);
            });
        }

      private:
        int socket_;
        std::vector<std::byte> message_;
    };

    class Source {
      public:
        explicit Source(int socket) : socket_(socket) {}
        bool receive(std::byte* at, std::size_t bytes) {
            const auto got = os::retry([&] { return recv(socket_, at, bytes, MSG_DONTWAIT); });
            if (got == -1 && errno != EAGAIN) {
                throw std::system_error(errno, std::generic_category(), "recv");
            }
            return got > 0;
        }
        void sleep() const {
            pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
            poll(&ready, 1, 1000);
        }

      private:
        int socket_;
    };
    class Reader : public QueueReader<Source> {
      public:
        Reader(Member& member, std::uint32_t from)
            : QueueReader<Source>(Source(member.place.reading[from].get()), member.place.bytes) {}
    };
};

}  // namespace

PeerEntry socket_entry() {
    return make_entry<SocketPeer>();
}

}  // namespace shmipc::bench
