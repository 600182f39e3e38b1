#include "drill.hpp"

#include <exception>

namespace shmipc::crash {

std::string to_string(Spot spot) {
    std::string text = "death after " + std::to_string(spot.steps) + " instructions";
    if (spot.calls > 0) {
        text += ", counted from the " + std::string(spot.calls % 2 == 1 ? "entry" : "exit") +
                " of system call " + std::to_string((spot.calls + 1) / 2);
    }
    return text;
}

void explore(Toll& toll, const std::string& where, const MakeDrill& make, std::uint32_t stride) {
    if (toll.hopeless()) {
        return;
    }
    std::unique_ptr<Drill> drill;
    std::vector<Spot> spots;
    const auto guarded = [&](const std::string& what, const std::function<void()>& act) {
        try {
            heed_signals();
            if (drill == nullptr) {
                drill = make();
            }
            act();
            return true;
        } catch (const std::exception& error) {
            toll.failed(where + ", " + what, error.what());
            drill.reset();
            return false;
        }
    };
    guarded("no death", [&] { spots = drill->learn(); });
    bool over = true;
    const auto kill_at = [&](Spot spot) {
        if (guarded(to_string(spot), [&] { over = drill->play(spot); })) {
            toll.died();
        }
    };
    for (std::size_t i = 0; i < spots.size() && !toll.hopeless(); i += stride) {
        kill_at(spots[i]);
    }
    while (stride == 1 && !over && !toll.hopeless()) {
        Spot next = spots.back();
        ++(next.steps > 0 ? next.steps : next.calls);
        spots.push_back(next);
        kill_at(next);
    }
    toll.places(static_cast<std::uint32_t>(spots.size()));
    guarded("at the end", [&] { drill->finish(); });
}

std::uint32_t step_on(Puppet& puppet, std::uint32_t most,
                      const std::function<void(std::uint32_t)>& after_each,
                      const Tracee::OnSleep& on_sleep) {
    std::uint32_t done = 0;
    while (done < most) {
        const bool goes_on = puppet.step(on_sleep);
        ++done;
        if (!goes_on) {
            break;
        }
        if (after_each) {
            after_each(done);
        }
    }
    return done;
}

std::vector<Spot> places_of(std::uint32_t instructions) {
    std::vector<Spot> spots;
    for (std::uint32_t steps = 0; steps <= instructions; ++steps) {
        spots.push_back({.calls = 0, .steps = steps});
    }
    return spots;
}

}  // namespace shmipc::crash
