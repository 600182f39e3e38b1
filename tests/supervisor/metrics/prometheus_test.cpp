// A real Prometheus server scrapes the real listener.
#include "keeper/worker_state.hpp"
#include "process.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

using namespace shmipc::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

/// Goes with all that is in it.
class Directory {
  public:
    Directory() {
        std::string name =
            (std::filesystem::temp_directory_path() / "shmipc-prometheus-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

/// Free a moment ago.
std::string free_port() {
    asio::io_context io;
    const asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    return std::to_string(acceptor.local_endpoint().port());
}

/// The body of the answer to a GET; empty if there is none.
std::string get(const std::string& port, const std::string& target) {
    asio::io_context io;
    beast::tcp_stream stream(io);
    beast::error_code error;
    stream.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::stoul(port))},
                   error);
    http::request<http::empty_body> request(http::verb::get, target, 11);
    request.set(http::field::host, "127.0.0.1");
    http::response<http::string_body> response;
    if (!error) {
        http::write(stream, request, error);
    }
    if (!error) {
        beast::flat_buffer buffer;
        http::read(stream, buffer, response, error);
    }
    return error ? std::string() : response.body();
}

struct Prometheus {
    std::string port;
    Process process;
};

/// Its port may have been taken since it was free: another try with another one then.
std::optional<Prometheus> start(const Directory& directory, const std::string& config) {
    for (int attempt = 0; attempt < 5; ++attempt) {
        const std::string port = free_port();
        Process process({SHMIPC_PROMETHEUS, "--config.file=" + config,
                         "--storage.tsdb.path=" + directory.path() + "/data",
                         "--web.listen-address=127.0.0.1:" + port});
        if (process.wait_for_line("Server is ready to receive web requests")) {
            return Prometheus{port, std::move(process)};
        }
        MESSAGE(process.output());
    }
    return std::nullopt;
}

/// Asks until the one value that `query` has is `expected`. There is no event to wait for.
bool becomes(const Prometheus& prometheus, const std::string& query, const std::string& expected) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::string answer;
    while (std::chrono::steady_clock::now() < deadline) {
        answer = get(prometheus.port, "/api/v1/query?query=" + query);
        if (answer.find(",\"" + expected + "\"]}]") != std::string::npos) {
            return true;
        }
        std::this_thread::sleep_for(100ms);
    }
    MESSAGE(query << ": " << answer);
    return false;
}

}  // namespace

TEST_CASE("Prometheus scrapes the listener, and finds every worker") {
    Process server({SHMIPC_METRICS_SERVER});
    const auto line = server.wait_for_line("port ");
    REQUIRE(line);
    const Directory directory;
    const std::string config = directory.path() + "/prometheus.yml";
    std::ofstream(config) << "global: {scrape_interval: 1s}\n"
                             "scrape_configs:\n"
                             "  - job_name: shmipc\n"
                             "    static_configs: [{targets: ['127.0.0.1:"
                          << line->substr(5) << "']}]\n";
    const auto prometheus = start(directory, config);
    REQUIRE(prometheus);
    REQUIRE(becomes(*prometheus, "up", "1"));
    const std::string workers = std::to_string(shmipc::supervisor::kStates);
    REQUIRE(becomes(*prometheus, "count(shmipc_worker_up)", workers));
    REQUIRE(becomes(*prometheus, "sum(shmipc_worker_up)", "1"));
    REQUIRE(becomes(*prometheus, "sum(shmipc_worker_state)", workers));
    REQUIRE(becomes(*prometheus, "count(process_start_time_seconds)", "1"));
}
