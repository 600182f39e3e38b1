#include "fake_service.hpp"

#include "process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace shmipc::test {

namespace {

constexpr std::string_view kPrefix = "io.shmipc.";

void send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent =
            os::retry([&] { return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
        if (sent <= 0) {
            return;  // the client has gone: its affair
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void send_message(int fd, const boost::json::object& message) {
    std::string text = boost::json::serialize(message);
    text += '\0';
    send_all(fd, text);
}

}  // namespace

void FakeService::Call::reply(const boost::json::object& answer) {
    send_message(client_, {{"parameters", answer}});
    answered_ = true;
}

void FakeService::Call::reply_more(const boost::json::object& answer) const {
    send_message(client_, {{"parameters", answer}, {"continues", true}});
}

void FakeService::Call::fail(const std::string& error, const boost::json::object& answer) {
    send_message(client_, {{"error", error}, {"parameters", answer}});
    answered_ = true;
}

void FakeService::Call::raw(std::string_view bytes) const {
    send_all(client_, bytes);
}

void FakeService::Call::hang_up() {
    hung_up_ = true;
}

FakeService::FakeService(const std::string& path) : path_(path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw std::length_error(path);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    wake_ = os::Fd(os::require("eventfd", [] { return ::eventfd(0, EFD_CLOEXEC); }));
    listener_ = os::Fd(
        os::require("socket", [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }));
    os::require("bind", [&] {
        return ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    });
    os::require("listen", [&] { return ::listen(listener_.get(), 16); });
    thread_ = std::thread([this] { serve(); });
}

FakeService::~FakeService() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
    ::unlink(path_.c_str());
}

void FakeService::on(const std::string& method, Handler handler) {
    const std::lock_guard lock(mutex_);
    handlers_[method] = std::move(handler);
}

void FakeService::answer(const std::string& method, const boost::json::object& answer) {
    on(method, [answer](Call& call) { call.reply(answer); });
}

boost::json::object FakeService::wait_for_call(const std::string& method, std::size_t count) {
    std::unique_lock lock(mutex_);
    if (!called_.wait_for(lock, kPatience, [&] { return calls_[method].size() >= count; })) {
        throw std::runtime_error("nobody called " + method);
    }
    return calls_[method][count - 1];
}

void FakeService::push(const std::string& method, const boost::json::object& answer) {
    const std::lock_guard lock(mutex_);
    for (const Client& client : clients_) {
        if (client.open_method == method) {
            send_message(client.socket.get(), {{"parameters", answer}, {"continues", true}});
        }
    }
}

void FakeService::serve() {
    for (;;) {
        std::vector<pollfd> ends{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
        {
            const std::lock_guard lock(mutex_);
            for (const Client& client : clients_) {
                ends.push_back({.fd = client.socket.get(), .events = POLLIN, .revents = 0});
            }
        }
        os::retry([&] { return ::poll(ends.data(), ends.size(), -1); });
        const std::lock_guard lock(mutex_);
        if (stop_) {
            clients_.clear();
            return;
        }
        auto client = clients_.begin();
        for (std::size_t i = 2; i < ends.size(); ++i) {
            const auto now = client++;
            if (ends[i].revents != 0 && !read_from(*now)) {
                clients_.erase(now);
            }
        }
        if (ends[1].revents != 0) {
            accept_one();
        }
    }
}

void FakeService::accept_one() {
    os::Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) {
        clients_.push_back({std::move(socket), {}, {}});
    }
}

bool FakeService::read_from(Client& client) {
    std::array<char, 4096> bytes{};
    const auto length =
        os::retry([&] { return ::recv(client.socket.get(), bytes.data(), bytes.size(), 0); });
    if (length <= 0) {
        return false;
    }
    client.received.append(bytes.data(), static_cast<std::size_t>(length));
    for (std::size_t end = client.received.find('\0'); end != std::string::npos;
         end = client.received.find('\0')) {
        const std::string text = client.received.substr(0, end);
        client.received.erase(0, end + 1);
        if (!handle(client, text)) {
            return false;
        }
    }
    return true;
}

bool FakeService::handle(Client& client, const std::string& text) {
    const boost::json::object message = boost::json::parse(text).as_object();
    std::string method(message.at("method").as_string());
    if (method.starts_with(kPrefix)) {
        method.erase(0, kPrefix.size());
    }
    boost::json::object parameters;
    if (const auto* const given = message.if_contains("parameters")) {
        parameters = given->as_object();
    }
    const auto* const more = message.if_contains("more");
    Call call(client.socket.get(), parameters, more != nullptr && more->as_bool());
    const auto handler = handlers_.find(method);
    if (handler == handlers_.end()) {
        call.fail("org.varlink.service.MethodNotFound", {{"method", method}});
    } else {
        handler->second(call);
    }
    client.open_method = call.more && !call.answered_ ? method : "";
    calls_[method].push_back(parameters);
    called_.notify_all();
    return !call.hung_up_;
}

boost::json::object worker_json(std::uint32_t index, const std::string& state,
                                std::uint64_t written) {
    boost::json::object worker{{"index", index},
                               {"state", state},
                               {"pid", nullptr},
                               {"uptime_usec", nullptr},
                               {"backoff_usec", nullptr},
                               {"incarnation", 3},
                               {"restarts", 2},
                               {"deaths", 2},
                               {"hangs", 0},
                               {"last_exit", nullptr},
                               {"written", written},
                               {"read", 2 * written},
                               {"pins_held", 1}};
    if (state == "running") {
        worker["pid"] = 4700 + index;
        worker["uptime_usec"] = 123'000'000;
        worker["message_age_usec"] = 2'100'000;
        worker["heartbeat_age_usec"] = 17'000;
    } else {
        worker["last_exit"] = "killed by signal 9 (KILL)";
    }
    return worker;
}

boost::json::object status_json(std::uint32_t workers) {
    boost::json::array list;
    for (std::uint32_t i = 0; i < workers; ++i) {
        list.emplace_back(worker_json(i));
    }
    return {{"group", "demo"},
            {"pid", 4711},
            {"version", "9.8.7"},
            {"phase", "running"},
            {"uptime_usec", 130'000'000},
            {"time_usec", 1'000'000'000},
            {"config_file", nullptr},
            {"ready", workers},
            {"workers", std::move(list)}};
}

boost::json::object watch_json(std::uint64_t time_usec,
                               const std::vector<boost::json::object>& workers) {
    boost::json::array list;
    for (const boost::json::object& worker : workers) {
        list.emplace_back(worker);
    }
    return {{"time_usec", time_usec}, {"workers", std::move(list)}};
}

}  // namespace shmipc::test
