// Plan: where a worker under test dies or stops, and the page on which it records what it was at.
//
// The library is built with a hook before every numbered step (shmipc::hooked). The test lays a
// plan before it lets a worker work: a step and its occurrence, at which the worker kills itself
// with SIGKILL, and others at which it stops until it is told to go on. The page is shared with the
// test, and outlives the worker.
#pragma once

#include <shmipc/protocol/memory.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace shmipc::crash {

inline constexpr std::uint32_t kWorkersAtMost = 8;

/// The instant before the n-th occurrence of a step; 0 is nowhere.
struct Place {
    protocol::Step step = protocol::Step::kLook;
    std::uint32_t occurrence = 0;

    friend constexpr bool operator==(Place, Place) noexcept = default;
};

std::string to_string(protocol::Step step);
std::string to_string(Place place);

/// Plain memory: one process writes at a time, and the other reads when that one has died, stopped
/// or answered, which orders it.
struct Page {
    static constexpr std::size_t kStops = 4;
    static constexpr std::size_t kTrace = 1024;
    static constexpr std::size_t kSteps = 1000;

    // Written by the test.
    bool armed = false;  ///< count steps, and obey
    Place death;
    std::array<Place, kStops> stops{};

    // Written by the worker.
    std::array<std::uint32_t, kSteps> occurrences{};
    std::array<Place, kTrace> trace{};
    std::uint32_t steps = 0;  ///< passed since it was armed; entries of the trace

    std::uint64_t publishing = 0;  ///< sequence of the publish that has begun last
    std::uint64_t published = 0;   ///< sequence of the publish that has returned last
    std::uint64_t recovered = 0;   ///< sequence that attaching found
    std::uint32_t incarnation = 0;
    /// By channel: sequence of the message pinned, and of the one kept; highest ever acquired.
    std::array<std::uint64_t, kWorkersAtMost> held{};
    std::array<std::uint64_t, kWorkersAtMost> kept{};
    std::array<std::uint64_t, kWorkersAtMost> seen{};
    std::uint64_t flood_ns = 0;  ///< what the last flood took

    [[nodiscard]] std::vector<Place> path() const { return {trace.begin(), trace.begin() + steps}; }
    /// The place that the worker reached last; nowhere if none.
    [[nodiscard]] Place last() const { return steps == 0 ? Place{} : trace[steps - 1]; }
    [[nodiscard]] std::uint32_t count(protocol::Step step) const {
        return occurrences[static_cast<std::size_t>(step)];
    }
    /// Sequence of the channel's latest message as it must be, given where the worker is: a publish
    /// takes effect with step (8).
    [[nodiscard]] std::uint64_t latest() const;
};

/// A Page in memory shared with children.
class SharedPage {
  public:
    SharedPage();
    ~SharedPage();
    SharedPage(SharedPage&& other) noexcept;
    SharedPage& operator=(SharedPage&& other) noexcept;
    SharedPage(const SharedPage&) = delete;
    SharedPage& operator=(const SharedPage&) = delete;

    Page& operator*() const noexcept { return *page_; }
    Page* operator->() const noexcept { return page_; }

  private:
    Page* page_;
};

/// In the worker: the hook obeys this page from now on; `stop` is called at its stops, and returns
/// when the worker may go on.
void follow(Page& page, std::function<void(Place)> stop);

}  // namespace shmipc::crash
