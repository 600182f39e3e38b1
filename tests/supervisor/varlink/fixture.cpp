#include "fixture.hpp"

#include "base/unix_address.hpp"
#include "varlink/parameters.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>

namespace shmipc::test {

using varlink::Call;

os::Fd unconnected() {
    return os::Fd(
        os::require("socket", [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }));
}

void connect(const os::Fd& socket, const std::string& path) {
    const auto address = os::to_address(path).value();
    os::require("connect",
                [&] { return ::connect(socket.get(), os::generic(address), sizeof(address)); });
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

RawClient::RawClient(const std::string& path) : socket_(unconnected()) {
    connect(socket_, path);
}

bool RawClient::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        const ssize_t length = os::retry(
            [&] { return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
        if (length < 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(length));
    }
    return true;
}

std::size_t RawClient::send_now(std::string_view bytes) const {
    const ssize_t length = os::retry([&] {
        return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    });
    return length < 0 ? 0 : static_cast<std::size_t>(length);
}

void RawClient::half_close() const {
    ::shutdown(socket_.get(), SHUT_WR);
}

std::optional<std::string> RawClient::read() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        if (const std::size_t end = received_.find('\0'); end != std::string::npos) {
            std::string message = received_.substr(0, end);
            received_.erase(0, end + 1);
            return message;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        if (left.count() <= 0 ||
            os::retry([&] { return ::poll(&ready, 1, static_cast<int>(left.count())); }) <= 0) {
            return std::nullopt;
        }
        std::array<char, 65536> bytes{};
        const ssize_t length =
            os::retry([&] { return ::recv(socket_.get(), bytes.data(), bytes.size(), 0); });
        if (length <= 0) {
            return std::nullopt;
        }
        received_.append(bytes.data(), static_cast<std::size_t>(length));
    }
}

bool RawClient::at_end() {
    if (read() || !received_.empty()) {
        return false;
    }
    char byte = 0;
    // Patience at its end would be EAGAIN.
    return os::retry([&] { return ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT); }) == 0 ||
           errno == ECONNRESET;
}

std::string call_text(std::string_view method, std::string_view parameters,
                      std::string_view flags) {
    std::string text = R"({"method":"io.test.)" + std::string(method) + R"(","parameters":)" +
                       std::string(parameters) + std::string(flags) + "}";
    text += '\0';
    return text;
}

TestService::TestService(const varlink::Limits& limits)
    : path_(directory_.path() + "/socket"),
      work_(io_.get_executor()),
      server_(std::make_unique<varlink::Server>(
          io_, path_, 0660, varlink::Info{"the vendor", "the product", "1.2.3", "https://url"},
          std::vector<varlink::Interface>{
              {.name = "io.test", .description = "interface io.test\n", .methods = methods()},
              {.name = "io.another", .description = "interface io.another\n", .methods = {}}},
          limits,
          [this](const varlink::Peer&, const std::string& reason) { tell("report " + reason); })),
      thread_([this] { run(); }) {}

TestService::~TestService() {
    destroy_server();
    on_loop([this] { held_.clear(); });
    io_.stop();
    thread_.join();
}

void TestService::run() {
    while (!io_.stopped()) {
        try {
            if (io_.run_one() > 0) {
                ++turns_;
                if (after_turn_) {
                    after_turn_();
                }
            }
        } catch (const std::logic_error& error) {
            tell(std::string("thrown ") + error.what());
        }
    }
}

varlink::Server::Counts TestService::counts() {
    return on_loop([this] { return server_->counts(); });
}

bool TestService::wait_for_counts(std::function<bool(const varlink::Server::Counts&)> wanted) {
    std::promise<void> reached;
    bool seen = false;
    on_loop([&] {
        after_turn_ = [&] {
            if (!seen && wanted(server_->counts())) {
                seen = true;
                reached.set_value();
            }
        };
    });
    const bool in_time = reached.get_future().wait_for(kPatience) == std::future_status::ready;
    on_loop([&] { after_turn_ = nullptr; });
    return in_time;
}

bool TestService::has_its_name() {
    return on_loop([this] { return server_->has_its_name(); });
}

void TestService::listen_anew() {
    on_loop([this] { server_->listen_anew(); });
}

void TestService::destroy_server() {
    on_loop([this] { server_.reset(); });
}

std::size_t TestService::told(std::string_view text) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        told_.begin(), told_.end(),
        [&](const std::string& line) { return line.find(text) != std::string::npos; }));
}

bool TestService::wait_for(std::string_view text, std::size_t times,
                           std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (told(text) < times) {
        std::unique_lock lock(mutex_);
        const std::size_t lines = told_.size();
        if (!told_changed_.wait_until(lock, deadline, [&] { return told_.size() != lines; })) {
            lock.unlock();
            return told(text) >= times;
        }
    }
    return true;
}

void TestService::tell(const std::string& text) {
    const std::lock_guard lock(mutex_);
    told_.push_back(text);
    told_changed_.notify_all();
}

void TestService::hold(const std::shared_ptr<Call>& call) {
    held_.push_back(call);
    call->on_gone([this] { tell("gone"); });
    tell("held");
}

std::map<std::string, varlink::Method, std::less<>> TestService::methods() {
    const auto sum = [](const std::shared_ptr<Call>& call) {
        varlink::Parameters parameters(call->parameters());
        const auto numbers = parameters.integers("numbers");
        parameters.finish();
        std::int64_t total = 0;
        for (const std::int64_t number : numbers.value_or(std::vector<std::int64_t>{})) {
            total += number;
        }
        call->reply({{"sum", total}});
    };
    const auto big = [](const std::shared_ptr<Call>& call) {
        varlink::Parameters parameters(call->parameters());
        const auto bytes = static_cast<std::size_t>(parameters.integer("bytes").value());
        call->reply({{"text", std::string(bytes, 'x')}});
    };
    const auto count = [](const std::shared_ptr<Call>& call) {
        for (int i = 0; i < 3; ++i) {
            call->reply_continued({{"i", i}});
        }
        call->reply({{"i", 3}});
        call->reply({{"i", 4}});  // answered already
    };
    return {
        {"Echo",
         [](const std::shared_ptr<Call>& call) {
             call->reply(boost::json::object(call->parameters()));
         }},
        {"Sum", sum},
        {"Big", big},
        {"Count", count},
        {"Hold", [this](const std::shared_ptr<Call>& call) { hold(call); }},
        {"Note",
         [this](const std::shared_ptr<Call>& call) {
             tell("noted " + boost::json::serialize(call->parameters()));
             call->reply({});
         }},
        {"Who",
         [](const std::shared_ptr<Call>& call) {
             call->reply({{"pid", call->peer().pid}, {"uid", call->peer().uid}});
         }},
        {"Forget", [](const std::shared_ptr<Call>&) {}},
        {"Throw", [](const std::shared_ptr<Call>&) { throw std::logic_error("a bug"); }},
        {"Quit",
         [this](const std::shared_ptr<Call>& call) {
             held_.push_back(call);
             server_.reset();
             call->reply({});
             tell("quit");
         }},
    };
}

GoodClient::GoodClient(TestService& service) : client_(varlink::Client::connect(service.path())) {}

bool GoodClient::served() {
    ++count_;
    return client_.call("io.test.Sum", {{"numbers", {count_, 1}}}).at("sum") == count_ + 1;
}

}  // namespace shmipc::test
