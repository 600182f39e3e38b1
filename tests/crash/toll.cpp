#include "toll.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace shmipc::crash {

namespace {

constexpr std::uint64_t kHarmAtMost = 20;

volatile std::sig_atomic_t told_to_stop = 0;

unsigned long long printable(std::uint64_t number) {
    return number;
}

void on_signal(int /*signal*/) {
    told_to_stop = 1;
}

double seconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
}

}  // namespace

void Toll::begin(const std::string& operation, Unit unit, std::uint32_t least) {
    if (deaths_ == 0 && harm_ == 0) {
        std::printf("%-52s %13s %8s %6s %9s\n", "operation", "places", "deaths", "harm", "time");
    }
    row_ = {.operation = operation,
            .unit = unit,
            .least = least,
            .begun = std::chrono::steady_clock::now()};
}

void Toll::places(std::uint32_t count) {
    row_.fewest = row_.variants == 0 ? count : std::min(row_.fewest, count);
    row_.most = std::max(row_.most, count);
    ++row_.variants;
    if (count < row_.least) {
        failed("as it is counted", "only " + std::to_string(count) + " places, expected " +
                                       std::to_string(row_.least) + " at least");
    }
}

void Toll::died() {
    ++row_.deaths;
    ++deaths_;
}

void Toll::failed(const std::string& where, const std::string& text) {
    ++row_.harm;
    ++harm_;
    std::printf("HARM %s, %s\n     %s\n", row_.operation.c_str(), where.c_str(), text.c_str());
}

void Toll::end() {
    if (row_.variants == 0) {
        failed("as a whole", "it was never carried out");
    }
    const auto time = std::chrono::steady_clock::now() - row_.begun;
    time_ += time;
    std::string places = std::to_string(row_.fewest);
    if (row_.most != row_.fewest) {
        places += "-" + std::to_string(row_.most);
    }
    places += row_.unit == Unit::kInstruction ? " instr." : " calls";
    std::printf("%-52s %13s %8llu %6llu %8.2fs\n", row_.operation.c_str(), places.c_str(),
                printable(row_.deaths), printable(row_.harm), seconds(time));
    std::fflush(stdout);
}

bool Toll::hopeless() const noexcept {
    return harm_ >= kHarmAtMost;
}

void Toll::print_sum() const {
    std::printf("%-52s %13s %8llu %6llu %8.2fs\n", "all", "", printable(deaths_), printable(harm_),
                seconds(time_));
}

void heed_signals() {
    if (told_to_stop != 0) {
        throw Interrupted{};
    }
}

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

}  // namespace shmipc::crash
