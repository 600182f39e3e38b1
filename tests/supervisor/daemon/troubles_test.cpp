#include "daemon/troubles.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::supervisor;
using Kind = Trouble::Kind;

namespace {

Trouble trouble(std::uint32_t worker, Kind kind, std::string reason = "", std::uint32_t times = 0) {
    return {
        .worker = WorkerIndex{worker}, .kind = kind, .reason = std::move(reason), .times = times};
}

}  // namespace

TEST_CASE("a worker that is not ready is named with what became of it, why and how often") {
    CHECK(describe_troubles({}, {}).empty());
    CHECK(describe_troubles({trouble(1, Kind::kFailed, "exited with status 3", 11)}, {}) ==
          "worker 1 failed: exited with status 3, 11 times in a row");
    CHECK(describe_troubles({trouble(1, Kind::kDying, "was killed by signal 9 (KILL)", 1)}, {}) ==
          "worker 1 died: was killed by signal 9 (KILL)");
    CHECK(describe_troubles({trouble(1, Kind::kDying, "exited with status 3", 2)}, {}) ==
          "worker 1 keeps dying: exited with status 3, 2 times in a row");
    CHECK(describe_troubles({trouble(0, Kind::kLate)}, {}) == "worker 0 is not ready");
}

TEST_CASE("causes come before those who wait for them, however many there are") {
    CHECK(describe_troubles({trouble(0, Kind::kWaiting), trouble(1, Kind::kFailed, "nope"),
                             trouble(2, Kind::kWaiting)},
                            {WorkerIndex{1}}) ==
          "worker 1 failed: nope; workers 0, 2 wait for worker 1");
    std::vector<Trouble> many;
    for (std::uint32_t i = 0; i < 10; ++i) {
        many.push_back(trouble(i, Kind::kFailed, "reason " + std::to_string(i)));
    }
    many.push_back(trouble(10, Kind::kWaiting));
    const std::string text = describe_troubles(many, {WorkerIndex{3}});
    CHECK(text.find("worker 3 failed: reason 3; worker 10 waits for worker 3; and 6 more") !=
          std::string::npos);
}

TEST_CASE("a thousand workers of one fate are one text") {
    std::vector<Trouble> all;
    for (std::uint32_t i = 0; i < 1024; ++i) {
        all.push_back(trouble(i, Kind::kDying, "exited with status 1", i == 7 ? 5 : 4));
    }
    CHECK(describe_troubles(all, {}) ==
          "workers 0-1023 keep dying: exited with status 1, up to 5 times in a row");
}
