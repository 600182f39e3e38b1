// ZeroMQ, PUB and SUB over a local socket, both conflating: only the latest message is kept. A
// thread of the library carries the messages, so that publishing returns before they are sent.
#include "entries.hpp"
#include "entry.hpp"
#include "queue_reader.hpp"

#include <zmq.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>

namespace shmipc::bench {

namespace {

void require_zmq(bool succeeded, const char* what) {
    if (!succeeded) {
        throw std::runtime_error(std::string(what) + ": " + zmq_strerror(zmq_errno()));
    }
}

/// Owns a socket of a context.
class Socket {
  public:
    Socket(void* context, int type) : socket_(zmq_socket(context, type)) {
        require_zmq(socket_ != nullptr, "zmq_socket");
        set(ZMQ_CONFLATE, 1);
        set(ZMQ_LINGER, 0);
    }
    Socket(Socket&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
    Socket& operator=(Socket&&) = delete;
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        if (socket_ != nullptr) {
            zmq_close(socket_);
        }
    }
    void set(int option, int value) {
        require_zmq(zmq_setsockopt(socket_, option, &value, sizeof value) == 0, "zmq_setsockopt");
    }
    [[nodiscard]] void* get() const noexcept { return socket_; }

  private:
    void* socket_;
};

template <std::size_t kSize>
struct ZeromqPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "zeromq";
    static constexpr bool kSleeps = true;
    static constexpr bool kAsynchronous = true;
    static constexpr bool kConnects = true;
    static constexpr bool kQueues = true;

    static std::string cannot(const PlaceConfig&) { return {}; }

    struct Place {
        explicit Place(const PlaceConfig& config)
            : bytes(config.setting.bytes), name(config.name) {}
        /// In the abstract namespace: gone with the process that has bound it.
        [[nodiscard]] std::string endpoint(std::uint32_t channel) const {
            return "ipc://@shmipc-" + name + "-" + std::to_string(channel);
        }
        std::size_t bytes;
        std::string name;
    };
    struct Member {
        Member(Place& where, std::uint32_t number)
            : place(where), index(number), context(zmq_ctx_new()) {
            require_zmq(context != nullptr, "zmq_ctx_new");
        }
        ~Member() { zmq_ctx_term(context); }
        Member(const Member&) = delete;
        Member& operator=(const Member&) = delete;
        Place& place;
        std::uint32_t index;
        void* context;
    };

    class Writer {
      public:
        explicit Writer(Member& member)
            : socket_(member.context, ZMQ_PUB), message_(member.place.bytes) {
            require_zmq(zmq_bind(socket_.get(), member.place.endpoint(member.index).c_str()) == 0,
                        "zmq_bind");
        }
        template <class Write>
        void publish(Write&& write) {
            write(message_.data());
            require_zmq(zmq_send(socket_.get(), message_.data(), message_.size(), 0) >= 0,
                        "zmq_send");
        }

      private:
        Socket socket_;
        std::vector<std::byte> message_;
    };

    class Source {
      public:
        explicit Source(Socket socket) : socket_(std::move(socket)) {}
        bool receive(std::byte* at, std::size_t bytes) {
            const int got = zmq_recv(socket_.get(), at, bytes, ZMQ_DONTWAIT);
            require_zmq(got >= 0 || zmq_errno() == EAGAIN, "zmq_recv");
            return got >= 0;
        }
        void sleep() const {
            zmq_pollitem_t ready{socket_.get(), 0, ZMQ_POLLIN, 0};
            zmq_poll(&ready, 1, 1000);
        }

      private:
        Socket socket_;
    };
    class Reader : public QueueReader<Source> {
      public:
        Reader(Member& member, std::uint32_t from)
            : QueueReader<Source>(connected(member, from), member.place.bytes) {}

      private:
        static Source connected(Member& member, std::uint32_t from) {
            Socket socket(member.context, ZMQ_SUB);
            require_zmq(zmq_setsockopt(socket.get(), ZMQ_SUBSCRIBE, "", 0) == 0, "ZMQ_SUBSCRIBE");
            require_zmq(zmq_connect(socket.get(), member.place.endpoint(from).c_str()) == 0,
                        "zmq_connect");
            return Source(std::move(socket));
        }
    };
};

}  // namespace

PeerEntry zeromq_entry() {
    return make_entry<ZeromqPeer>();
}

}  // namespace shmipc::bench
