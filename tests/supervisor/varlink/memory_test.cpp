// A request that there is no memory for.
#include "fixture.hpp"
#include "varlink/client.hpp"
#include "varlink/error_names.hpp"
#include "varlink/server.hpp"
#include "varlink/service.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace shmipc;
using namespace shmipc::varlink;
using test::call_text;
using test::RawClient;

TEST_CASE("a request that there is no memory for ends, and its client and the server go on") {
    const std::string path = "/tmp/shmipc-memory-test-" + std::to_string(::getpid());
    boost::asio::io_context io;
    auto work = boost::asio::make_work_guard(io);
    {
        Server server(
            io, path, 0660, Info{"vendor", "product", "1", "https://url"},
            std::vector<Interface>{
                {.name = "io.test",
                 .description = "interface io.test\n",
                 .methods =
                     {{"Starve", [](const std::shared_ptr<Call>&) { throw std::bad_alloc(); }},
                      {"Echo", [](const std::shared_ptr<Call>& call) { call->reply({}); }}}}},
            Limits{}, [](const Peer&, const std::string&) {});
        std::thread loop([&] { io.run(); });
        {
            RawClient client(path);
            CHECK(client.send(call_text("Starve")));
            const auto answer = client.read();
            REQUIRE(answer);
            CHECK(answer->find(kOutOfMemory) != std::string::npos);
            CHECK(client.send(call_text("Echo")));
            CHECK(client.read() == R"({"parameters":{}})");
        }
        io.stop();
        loop.join();
    }
}
