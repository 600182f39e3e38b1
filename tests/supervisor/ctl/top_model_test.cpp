// What top draws, in windows of all sizes.
#include "ctl/top_model.hpp"

#include "ctl/printable.hpp"
#include "fake_service.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::ctl;
using test::status_json;
using test::watch_json;
using test::worker_json;

namespace {

constexpr std::uint64_t kStart = 1'000'000'000;  // status_json()'s time_usec

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TopModel model_of(std::uint32_t workers) {
    TopModel model{std::chrono::seconds{1}};
    model.connected(read_status(status_json(workers)));
    return model;
}

}  // namespace

TEST_CASE("no window is too small for top, and no line too wide for its window") {
    TopModel model = model_of(30);
    for (const bool lost : {false, true}) {
        if (lost) {
            model.lost("/run/shmipc/demo.control does not exist");
        }
        for (std::size_t rows = 0; rows <= 40; ++rows) {
            for (std::size_t columns = 0; columns <= 130; ++columns) {
                CAPTURE(rows);
                CAPTURE(columns);
                const auto lines = model.lines({rows, columns});
                REQUIRE(lines.size() <= rows);
                CHECK((lines.empty() == (rows == 0 || columns == 0)));
                for (const Line& line : lines) {
                    REQUIRE(columns_of(text_of(line)) <= columns);
                }
            }
        }
    }
    CHECK(TopModel{std::chrono::seconds{1}}.lines({1, 1}).size() == 1);
}

TEST_CASE("columns are left out by rank as the window narrows") {
    const TopModel model = model_of(3);
    const auto titles = [&](std::size_t columns) { return text_of(model.lines({24, columns})[1]); };
    CHECK(contains(titles(130), "last exit"));
    CHECK(contains(titles(130), "heartbeat"));
    CHECK(contains(titles(80), "written/s"));
    CHECK(contains(titles(80), "pid"));
    CHECK_FALSE(contains(titles(80), "heartbeat"));
    CHECK(contains(titles(40), "state"));
    CHECK(contains(titles(40), "written/s"));
    CHECK_FALSE(contains(titles(40), "pid"));
    CHECK(contains(titles(15), "worker  state"));
}

TEST_CASE("rates come from two looks, and start anew with a new supervisor") {
    TopModel model = model_of(1);
    const auto row = [&] { return text_of(model.lines({24, 200})[2]); };
    CHECK(contains(row(), "  -  "));
    model.update(read_watch(watch_json(kStart + 2'000'000, {worker_json(0, "running", 158)})));
    CHECK(contains(row(), " 50 "));   // written
    CHECK(contains(row(), " 100 "));  // read
    // A change of state that is told between two looks makes no rate over a short time.
    model.update(read_watch(watch_json(kStart + 2'001'000, {worker_json(0, "running", 159)})));
    CHECK(contains(row(), " 50 "));
    model.update(read_watch(watch_json(kStart + 3'000'000, {worker_json(0, "running", 168)})));
    CHECK(contains(row(), " 10 "));
    model.lost("gone");
    CHECK(contains(row(), " 10 "));
    // Also where the new one's clock and counts go on from the old one's.
    boost::json::object next = status_json(1);
    next["time_usec"] = kStart + 13'000'000;
    next["workers"].as_array()[0] = worker_json(0, "running", 268);
    model.connected(read_status(next));
    CHECK(contains(row(), "  -  "));
    CHECK_FALSE(contains(row(), " 10 "));
    model.connected(read_status(status_json(1)));
    // Counts that go back are of another life of the group.
    model.update(read_watch(watch_json(kStart + 1'000'000, {worker_json(0, "running", 68)})));
    CHECK(contains(row(), " 10 "));
    model.update(read_watch(watch_json(kStart + 2'000'000, {worker_json(0, "running", 1)})));
    CHECK(contains(row(), "  -  "));
    CHECK(describe_rate(0) == "0");
    CHECK(describe_rate(4.24) == "4.2");
    CHECK(describe_rate(812.4) == "812");
    CHECK(describe_rate(12'345) == "12.3 k");
    CHECK(describe_rate(4'560'000) == "4.56 M");
    CHECK(describe_rate(9.96) == "10");
    CHECK(describe_rate(9'999.7) == "10.0 k");
    CHECK(describe_rate(999'960) == "1.00 M");
}

TEST_CASE("the header counts, and without a supervisor says why, over a dimmed table") {
    TopModel model = model_of(3);
    const auto header = [&](std::size_t columns) { return text_of(model.lines({24, columns})[0]); };
    CHECK(header(120) ==
          "group demo: 3/3 workers ready, supervisor pid 4711, up 2 min 10 s, 6 restarts");
    model.update(read_watch(watch_json(kStart + 5'000'000, {worker_json(1, "backoff")})));
    CHECK(contains(header(120), "2/3 workers ready"));
    CHECK(contains(header(120), "up 2 min 15 s"));
    CHECK(contains(text_of(model.lines({24, 120})[3]), "backoff"));
    model.lost("/run/shmipc/demo.control does not exist");
    CHECK(header(120) ==
          "group demo: no supervisor: /run/shmipc/demo.control does not exist; trying again");
    CHECK(header(50) == "group demo: no supervisor: /run/shm…; trying again");
    const auto lines = model.lines({24, 120});
    REQUIRE(lines.size() > 3);
    for (std::size_t i = 1; i < lines.size(); ++i) {
        for (const Span& span : lines[i]) {
            CHECK(span.style == Style::kDim);
        }
    }
    model.connected(read_status(status_json(3)));
    CHECK(contains(header(120), "3/3 workers ready"));
}

TEST_CASE("a supervisor that says nothing is told as such, over a dimmed table, until it does") {
    TopModel model = model_of(3);
    const auto header = [&] { return text_of(model.lines({24, 120})[0]); };
    const auto dimmed = [&] { return model.lines({24, 120})[2].front().style == Style::kDim; };
    model.silent(std::chrono::seconds{7});
    CHECK(header() == "group demo: no answer from the supervisor for 7.0 s; is it stopped?");
    CHECK(dimmed());
    model.update(read_watch(watch_json(kStart + 5'000'000, {worker_json(1)})));
    CHECK(contains(header(), "3/3 workers ready"));
    CHECK_FALSE(dimmed());
    model.silent(std::chrono::seconds{7});
    model.lost("gone");
    CHECK(contains(header(), "no supervisor: gone"));
    model.silent(std::chrono::seconds{5});
    model.connected(read_status(status_json(3)));
    CHECK(contains(header(), "3/3 workers ready"));
    TopModel fresh{std::chrono::seconds{1}};
    fresh.silent(std::chrono::seconds{5});
    CHECK(text_of(fresh.lines({24, 120})[0]) ==
          "no answer from the supervisor for 5.0 s; is it stopped?");
}

TEST_CASE("more workers than lines are scrolled, and never out of the window") {
    TopModel model = model_of(20);
    const Size size{8, 80};  // five rows of workers
    const auto first = [&] { return text_of(model.lines(size)[2]).substr(4, 2); };
    const auto footer = [&] { return text_of(model.lines(size).back()); };
    CHECK(model.lines(size).size() == 8);
    CHECK(first() == " 0");
    CHECK(contains(footer(), "1 to 5 of 20 workers"));
    model.scroll(Scroll::kUp, size);
    CHECK(first() == " 0");
    model.scroll(Scroll::kDown, size);
    CHECK(first() == " 1");
    model.scroll(Scroll::kPageDown, size);
    CHECK(first() == " 6");
    model.scroll(Scroll::kEnd, size);
    CHECK(first() == "15");
    CHECK(contains(footer(), "16 to 20 of 20 workers"));
    model.scroll(Scroll::kDown, size);
    CHECK(first() == "15");
    model.scroll(Scroll::kPageUp, size);
    CHECK(first() == "10");
    model.scroll(Scroll::kHome, size);
    CHECK(first() == " 0");
    model.scroll(Scroll::kEnd, size);
    CHECK(text_of(model.lines({40, 80})[2]).substr(4, 2) == " 0");  // a larger window shows all
}
