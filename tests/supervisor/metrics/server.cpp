// Serves the metrics of a made-up report, for tests with programs that read them: on a free port,
// told on standard output, until it is killed. With --print it prints them, and that is all.
#include "made_up_report.hpp"
#include "metrics/metrics.hpp"
#include "metrics/metrics_listener.hpp"
#include "metrics/process_report.hpp"

#include <boost/asio/io_context.hpp>

#include <csignal>
#include <exception>
#include <iostream>
#include <string_view>

using namespace shmipc::supervisor;

int main(int argc, char** argv) {
    try {
        const auto text = [] {
            return metrics_text(test::report_of_all_states(), {}, process_report());
        };
        if (argc == 2 && std::string_view(argv[1]) == "--print") {
            std::cout << text() << std::flush;
            return std::cout ? 0 : 1;
        }
        std::signal(SIGPIPE, SIG_IGN);
        boost::asio::io_context io(1);
        const MetricsListener listener(io, "127.0.0.1:0", text);
        std::cout << "port " << listener.endpoint().port() << std::endl;
        io.run();
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
