// A Varlink server on a Unix stream socket: JSON objects, each ended by a NUL byte
// (https://varlink.org). Knows nothing of what its interfaces do.
//
// One thread, one Asio loop, nothing that blocks. A client is given little and forgiven nothing:
// what it may send, how long it may be silent, and how slowly it may read are bounded (Limits), and
// one that breaks a bound is answered with an error where that is possible, dropped, and reported.
// Calls of one connection are answered in their order; the next is read when the last is answered.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace shmipc::varlink {

/// What a client may do; what the methods of an interface make of it is theirs.
enum class Rights : std::uint8_t {
    kNone,  ///< is told so, and gets no place
    kLook,
    kOrder
};

/// Who is at the other end, as the kernel tells (SO_PEERCRED): at the time of its connect().
struct Peer {
    pid_t pid = -1;
    uid_t uid = 0;
    gid_t gid = 0;
    Rights rights = Rights::kOrder;
};

struct Limits {
    std::size_t message_bytes = 65'536;       ///< longest call, its NUL included
    std::size_t clients = 64;                 ///< connected at once; see shares.hpp
    std::size_t clients_per_user = 16;        ///< of those, of one user but root and our own
    std::chrono::milliseconds idle{60'000};   ///< without a whole call; a pending one is not idle
    std::chrono::milliseconds stall{10'000};  ///< for a reply to be taken by the client
    std::uint32_t calls_a_second = 500;       ///< of one connection; a flood if there are more
    std::size_t backlog_bytes = 1U << 20U;    ///< replies of one connection that wait to be taken
};

/// One call of a client, until it is answered. Shared by the server and whoever answers it, now or
/// later; the client may be gone by then, which makes answers do nothing. Not answered at all when
/// the last owner lets go: the client gets the error org.varlink.service.MethodNotImplemented,
/// which tells of a bug.
class Call {
  public:
    virtual ~Call() = default;
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    [[nodiscard]] virtual const std::string& method() const noexcept = 0;  ///< "io.shmipc.Status"
    [[nodiscard]] virtual const boost::json::object& parameters() const noexcept = 0;
    [[nodiscard]] virtual const Peer& peer() const noexcept = 0;
    /// The client wants a stream of replies.
    [[nodiscard]] virtual bool more() const noexcept = 0;
    /// Whether an answer can still reach anybody: the client is there, and has not been answered.
    [[nodiscard]] virtual bool open() const noexcept = 0;
    /// Whether the client has taken all replies so far: a stream that tells the newest state waits
    /// for this instead of piling up.
    [[nodiscard]] virtual bool drained() const noexcept = 0;

    /// The only, or the last, answer.
    virtual void reply(boost::json::object parameters) = 0;
    /// One of several, with more to come. Only if more(): else this is the last answer, and the
    /// error org.varlink.service.ExpectedMore.
    virtual void reply_continued(boost::json::object parameters) = 0;
    /// `error`: the full name, "io.shmipc.NoSuchWorker".
    virtual void fail(std::string_view error, boost::json::object parameters = {}) = 0;
    /// Called once, from the loop, when the client is gone before the last answer, or was dropped;
    /// not when the Server is destroyed. Replaces the one before. Let go of after the last answer.
    virtual void on_gone(std::function<void()> handler) = 0;
    /// Called once, from the loop, when the client has taken all replies so far, as it may have
    /// already; never after the last answer. Replaces the one before. Must not destroy the Server.
    virtual void on_drained(std::function<void()> handler) = 0;

  protected:
    Call() = default;
};

/// Thrown by a method while it looks at its parameters: answered as
/// org.varlink.service.InvalidParameter.
class InvalidParameter : public std::runtime_error {
  public:
    explicit InvalidParameter(const std::string& parameter) : std::runtime_error(parameter) {}
};

/// What it throws, but for InvalidParameter, comes out of io.run(). It may destroy the Server.
using Method = std::function<void(std::shared_ptr<Call>)>;

struct Interface {
    std::string name;                                    ///< "io.shmipc"
    std::string description;                             ///< in Varlink's interface language
    std::map<std::string, Method, std::less<>> methods;  ///< by their short name: "Status"
};

/// What org.varlink.service.GetInfo tells.
struct Info {
    std::string vendor;
    std::string product;
    std::string version;
    std::string url;
};

class Server {
  public:
    struct Counts {
        std::size_t clients = 0;        ///< connected now
        std::uint64_t connections = 0;  ///< accepted so far, those turned away included
        std::uint64_t calls = 0;
        std::uint64_t dropped = 0;      ///< clients dropped because they broke a bound
        std::uint64_t turned_away = 0;  ///< because there were too many
    };
    /// Told of each client that is dropped or turned away, and why, for people; with a Peer of
    /// nobody, that none can be accepted now. Must not destroy the Server.
    using Report = std::function<void(const Peer& peer, const std::string& reason)>;
    /// What the client at the other end of `socket` may do. Must not throw.
    using Judge = std::function<Rights(int socket, const Peer& peer)>;

    /// Binds and listens at `path`, with `mode`, replacing a socket that nobody listens on. Throws
    /// shmipc::Error: kSystem, with the path, for what the system refuses; also if the path is too
    /// long for a socket (107 bytes) or somebody listens there. Begins to accept at once; needs
    /// io.run(). Without a `judge` all may do everything.
    Server(boost::asio::io_context& io, const std::string& path, mode_t mode, Info info,
           std::vector<Interface> interfaces, const Limits& limits, Report report,
           Judge judge = {});
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    /// Closes all connections, and removes the socket if it is still ours.
    ~Server();

    [[nodiscard]] Counts counts() const noexcept;
    /// Whether the path still leads to this server.
    [[nodiscard]] bool has_its_name() const noexcept;
    /// Listens anew at its path, where something else, or nothing, is now. Connections go on.
    /// Throws as the constructor does; all is as it was then.
    void listen_anew();

  private:
    class Listener;
    std::shared_ptr<Listener> listener_;
};

}  // namespace shmipc::varlink
