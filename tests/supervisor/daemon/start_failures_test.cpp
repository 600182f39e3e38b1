#include "daemon/start_failures.hpp"

#include "scratch.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <sys/stat.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

class Place {
  public:
    [[nodiscard]] std::string file() const { return scratch_.path() + "/demo.failures"; }

  private:
    test::Scratch scratch_;
};

}  // namespace

TEST_CASE("the delay grows with each failed start, and ends at a minute") {
    CHECK(StartFailures::delay_after(0) == 0s);
    CHECK(StartFailures::delay_after(1) == 0s);
    CHECK(StartFailures::delay_after(2) == 1s);
    CHECK(StartFailures::delay_after(3) == 2s);
    CHECK(StartFailures::delay_after(7) == 32s);
    CHECK(StartFailures::delay_after(8) == 60s);
    CHECK(StartFailures::delay_after(1'000'000) == 60s);
}

TEST_CASE("a start counts as failed until it is good, over the supervisor's own death") {
    const Place place;
    for (std::uint32_t i = 0; i < 3; ++i) {
        StartFailures failures(place.file());
        CHECK(failures.count() == i);
        failures.begin();  // and dies
    }
    {
        StartFailures failures(place.file());
        CHECK(failures.reason() == "it ended without a word");
        failures.begin();
        failures.explain("no camera\nat all");
    }
    struct stat status {};
    REQUIRE(::stat(place.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
    StartFailures failures(place.file());
    CHECK(failures.count() == 4);
    CHECK(failures.reason() == "no camera at all");
    failures.forget();
    CHECK_FALSE(std::filesystem::exists(place.file()));
    CHECK(StartFailures(place.file()).count() == 0);
}

TEST_CASE("whatever else lies in the place of the count of failed starts holds nobody up") {
    const Place place;
    const auto begins_anew = [&] {
        StartFailures failures(place.file());
        CHECK(failures.count() == 0);
        failures.begin();
    };
    for (const char* const text : {"", "x", "3", "3 ", " 3", "-1 5", "99999999999999999999 1",
                                   "3 99999999999", "3 2147483647\nof another boot"}) {
        CAPTURE(text);
        std::ofstream(place.file()) << text;
        begins_anew();
        CHECK(StartFailures(place.file()).count() == 1);
        StartFailures(place.file()).forget();
    }
    REQUIRE(::mkfifo(place.file().c_str(), 0600) == 0);
    begins_anew();
    std::filesystem::remove_all(place.file());
    std::filesystem::create_directory(place.file());
    begins_anew();
    std::filesystem::remove_all(place.file());
    std::filesystem::create_symlink("/dev/zero", place.file());
    begins_anew();
}
