#include "statistics.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace shmipc::bench {

TEST_CASE("a percentile lies between its neighbours") {
    std::vector<double> samples{4, 1, 3, 2, 5};
    CHECK(percentile(samples, 0) == doctest::Approx(1));
    CHECK(percentile(samples, 0.5) == doctest::Approx(3));
    CHECK(percentile(samples, 0.875) == doctest::Approx(4.5));
    CHECK(percentile(samples, 1) == doctest::Approx(5));
    CHECK(percentile({}, 0.5) == doctest::Approx(0));
}

TEST_CASE("a repeat on far cores does not count where there is one on near cores") {
    std::vector<Repeat> repeats{{{10, 11, 12}, 100}, {{90, 91, 92}, 300}, {{12, 13, 14}, 110}};
    const Summary sum = summarise(repeats, 100);
    CHECK(sum.repeats == 2);
    CHECK(sum.far == 1);
    CHECK(!sum.only_far);
    CHECK(sum.median == doctest::Approx(12));
    CHECK(sum.ping_pong_ns == doctest::Approx(105));
    CHECK(sum.max == doctest::Approx(14));
    REQUIRE(sum.quantiles.size() == 105);
    CHECK(sum.quantiles.front() == std::pair(0.0, 10.0));
    CHECK(sum.quantiles.back() == std::pair(1.0, 14.0));
}

TEST_CASE("where all repeats were on far cores they count, and it is told") {
    std::vector<Repeat> repeats{{{90}, 300}, {{92}, 320}};
    const Summary sum = summarise(repeats, 100);
    CHECK(sum.only_far);
    CHECK(sum.repeats == 2);
    CHECK(sum.median == doctest::Approx(91));
}

TEST_CASE("what uses one core is never far") {
    std::vector<Repeat> repeats{{{1}, 0}, {{3}, 0}, {{2}, 0}};
    CHECK(summarise(repeats, 0).repeats == 3);
    CHECK(summarise(repeats, 100).median == doctest::Approx(2));
}

}  // namespace shmipc::bench
