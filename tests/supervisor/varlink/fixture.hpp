// A Varlink server in a thread of its own, with methods that do what tests need, and clients that
// send any bytes. All waiting is for events, and bounded by kPatience.
#pragma once

#include "base/os.hpp"
#include "process.hpp"
#include "scratch.hpp"
#include "varlink/client.hpp"
#include "varlink/server.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace shmipc::test {

/// A stream socket, not connected yet.
os::Fd unconnected();
void connect(const os::Fd& socket, const std::string& path);
std::size_t open_descriptors();

/// Sends any bytes, and takes apart what comes.
class RawClient {
  public:
    explicit RawClient(const std::string& path);
    /// `socket`: connected.
    explicit RawClient(os::Fd socket) : socket_(std::move(socket)) {}

    /// False if the other end does not take it all.
    [[nodiscard]] bool send(std::string_view bytes) const;
    /// Without waiting; how much was taken.
    [[nodiscard]] std::size_t send_now(std::string_view bytes) const;
    void half_close() const;
    /// The next message without its NUL; nothing at the end, or when patience is at its end.
    std::optional<std::string> read();
    /// Reads to the end: true if it came, and nothing before it.
    bool at_end();
    void close() { socket_.reset(); }
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

  private:
    os::Fd socket_;
    std::string received_;
};

/// A call of io.test with its NUL.
std::string call_text(std::string_view method, std::string_view parameters = "{}",
                      std::string_view flags = "");

class TestService {
  public:
    explicit TestService(const varlink::Limits& limits = {});
    ~TestService();
    TestService(const TestService&) = delete;
    TestService& operator=(const TestService&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /// Runs `f` in the server's thread, and returns what it returns.
    template <class F>
    auto on_loop(F f) {
        auto task = std::make_shared<std::packaged_task<decltype(f())()>>(std::move(f));
        auto result = task->get_future();
        boost::asio::post(io_, [task] { (*task)(); });
        return result.get();
    }
    varlink::Server::Counts counts();
    /// Looks after each handler that the loop has run; false if patience ends before.
    bool wait_for_counts(std::function<bool(const varlink::Server::Counts&)> wanted);
    void destroy_server();
    bool has_its_name();
    void listen_anew();

    /// What methods and reports told, each as a line: "held", "gone", "noted <text>",
    /// "report <reason>", "thrown <text>".
    std::size_t told(std::string_view text);
    bool wait_for(std::string_view text, std::size_t times = 1,
                  std::chrono::milliseconds patience = kPatience);
    void tell(const std::string& text);

    /// The calls that Hold and Stream left open, in their order. Only on the loop.
    std::vector<std::shared_ptr<varlink::Call>>& held() noexcept { return held_; }
    /// Handlers that the loop has run.
    [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }

  private:
    std::map<std::string, varlink::Method, std::less<>> methods();
    void hold(const std::shared_ptr<varlink::Call>& call);
    void run();

    Scratch directory_;
    std::string path_;
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::mutex mutex_;
    std::condition_variable told_changed_;
    std::vector<std::string> told_;
    std::vector<std::shared_ptr<varlink::Call>> held_;
    std::unique_ptr<varlink::Server> server_;
    std::function<void()> after_turn_;  ///< only in the server's thread
    std::atomic<std::uint64_t> turns_{0};
    std::thread thread_;
};

/// A client that keeps to all bounds, beside whatever a test does.
class GoodClient {
  public:
    explicit GoodClient(TestService& service);
    /// Whether it is served as it should be.
    bool served();

  private:
    varlink::Client client_;
    std::int64_t count_ = 0;
};

}  // namespace shmipc::test
