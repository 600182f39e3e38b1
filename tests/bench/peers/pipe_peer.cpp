// A pipe, with room for two messages. The queue keeps what is oldest: a producer that nobody reads
// from has to wait.
#include "base/os.hpp"
#include "entries.hpp"
#include "entry.hpp"
#include "queue_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace shmipc::bench {

namespace {

struct Ends {
    os::Fd reading;
    os::Fd writing;
    std::size_t room = 0;
};

Ends open_pipe(std::size_t bytes) {
    int pair[2] = {-1, -1};
    os::require("pipe2", [&] { return pipe2(pair, O_CLOEXEC); });
    Ends ends{os::Fd(pair[0]), os::Fd(pair[1]), 0};
    // Where it fails the room stays what it was.
    fcntl(ends.writing.get(), F_SETPIPE_SZ,
          static_cast<int>(std::max<std::size_t>(2 * bytes, 65536)));
    ends.room = static_cast<std::size_t>(
        os::require("F_GETPIPE_SZ", [&] { return fcntl(ends.writing.get(), F_GETPIPE_SZ); }));
    const int flags = fcntl(ends.reading.get(), F_GETFL);
    fcntl(ends.reading.get(), F_SETFL, flags | O_NONBLOCK);
    return ends;
}

template <std::size_t kSize>
struct PipePeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "pipe";
    static constexpr bool kSleeps = true;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = true;

    static std::string cannot(const PlaceConfig& config) {
        if (config.unread || config.held || config.setting.consumers > 1) {
            return "a full pipe refuses the newest message";
        }
        return open_pipe(config.setting.bytes).room < 2 * config.setting.bytes
                   ? "longer than a pipe may be here"
                   : "";
    }

    struct Place {
        explicit Place(const PlaceConfig& config) : bytes(config.setting.bytes) {
            for (Ends& ends : channels) {
                ends = open_pipe(bytes);
            }
        }
        std::size_t bytes;
        Ends channels[2];
    };
    struct Member {
        Member(Place& where, std::uint32_t number) : place(where), index(number) {}
        Place& place;
        std::uint32_t index;
    };

    class Writer {
      public:
        explicit Writer(Member& member)
            : pipe_(member.place.channels[member.index].writing.get()),
              message_(member.place.bytes) {}
        template <class Write>
        void publish(Write&& write_message) {
            write_message(message_.data());
            for (std::size_t done = 0; done < message_.size();) {
                done += static_cast<std::size_t>(os::require("write", [&] {
                    return ::write(pipe_, message_.data() + done, message_.size() - done);
                }));
            }
        }

      private:
        int pipe_;
        std::vector<std::byte> message_;
    };

    class Source {
      public:
        explicit Source(int pipe) : pipe_(pipe) {}
        bool receive(std::byte* at, std::size_t bytes) {
            std::size_t done = 0;
            // The rest of a message that has begun is on its way.
            do {
                const auto got = os::retry([&] { return ::read(pipe_, at + done, bytes - done); });
                if (got == -1 && errno != EAGAIN) {
                    throw std::system_error(errno, std::generic_category(), "read");
                }
                if (got == 0) {
                    throw std::runtime_error("the pipe was closed");
                }
                done += got > 0 ? static_cast<std::size_t>(got) : 0;
            } while (done > 0 && done < bytes);
            return done > 0;
        }
        void sleep() const {
            pollfd ready{.fd = pipe_, .events = POLLIN, .revents = 0};
            poll(&ready, 1, 1000);
        }

      private:
        int pipe_;
    };
    class Reader : public QueueReader<Source> {
      public:
        Reader(Member& member, std::uint32_t from)
            : QueueReader<Source>(Source(member.place.channels[from].reading.get()),
                                  member.place.bytes) {}
    };
};

}  // namespace

PeerEntry pipe_entry() {
    return make_entry<PipePeer>();
}

}  // namespace shmipc::bench
