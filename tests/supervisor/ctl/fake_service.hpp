// A Varlink service with canned answers, in a thread of the test: what a supervisor would say to
// shmipcctl, and what a broken one would.
#pragma once

#include "base/os.hpp"
#include "scratch.hpp"

#include <boost/json/object.hpp>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace shmipc::test {

class FakeService {
  public:
    /// One call that is being answered. A call that is answered with reply_more() alone, or not at
    /// all, stays open.
    class Call {
      public:
        Call(int client, const boost::json::object& given, bool wants_more)
            : parameters(given), more(wants_more), client_(client) {}
        const boost::json::object& parameters;
        const bool more;
        void reply(const boost::json::object& answer);
        void reply_more(const boost::json::object& answer) const;
        void fail(const std::string& error, const boost::json::object& answer = {});
        void raw(std::string_view bytes) const;
        /// Closes the connection.
        void hang_up();

      private:
        friend class FakeService;
        int client_;
        bool answered_ = false;
        bool hung_up_ = false;
    };
    using Handler = std::function<void(Call&)>;

    /// Listens at `path`. Methods without a handler are answered with MethodNotFound.
    explicit FakeService(const std::string& path);
    FakeService(const FakeService&) = delete;
    FakeService& operator=(const FakeService&) = delete;
    /// Hangs up on all clients, and removes the socket.
    ~FakeService();

    /// Handlers run in the service's thread, and call nothing of the service itself.
    void on(const std::string& method, Handler handler);
    /// The simple case: always the same.
    void answer(const std::string& method, const boost::json::object& answer);
    /// Parameters of the `count`-th call of the method so far, 1 for the first; waits for it.
    boost::json::object wait_for_call(const std::string& method, std::size_t count = 1);
    /// One more answer to each open call of `method`.
    void push(const std::string& method, const boost::json::object& answer);

  private:
    struct Client {
        os::Fd socket;
        std::string received;
        std::string open_method;
    };
    void serve();
    void accept_one();
    /// False if the client is gone.
    bool read_from(Client& client);
    bool handle(Client& client, const std::string& text);

    std::string path_;
    os::Fd listener_;
    os::Fd wake_;
    std::mutex mutex_;
    std::condition_variable called_;
    bool stop_ = false;
    std::map<std::string, Handler> handlers_;
    std::map<std::string, std::vector<boost::json::object>> calls_;
    std::list<Client> clients_;
    std::thread thread_;
};

/// A worker as Status and Watch tell it: running, pid 4700 + index.
boost::json::object worker_json(std::uint32_t index, const std::string& state = "running",
                                std::uint64_t written = 58);
/// A group "demo" of running workers, by a supervisor of pid 4711.
boost::json::object status_json(std::uint32_t workers);
boost::json::object watch_json(std::uint64_t time_usec,
                               const std::vector<boost::json::object>& workers);

}  // namespace shmipc::test
