#include "cells.hpp"

#include "base/units.hpp"

namespace shmipc::ctl {
namespace {

constexpr const char* kNothing = "-";

std::string plural(std::uint64_t count, const std::string& noun) {
    return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

}  // namespace

Style style_of_state(std::string_view state) noexcept {
    if (state == "running") {
        return Style::kGood;
    }
    if (state == "failed") {
        return Style::kBad;
    }
    if (state == "stopped") {
        return Style::kDim;
    }
    const bool on_its_way = state == "starting" || state == "backoff" || state == "stopping" ||
                            state == "restarting" || state == "aborting";
    return on_its_way ? Style::kWaiting : Style::kPlain;
}

Span state_cell(const WorkerReport& worker) {
    std::string text = worker.state;
    if (worker.backoff) {
        text += " (" + describe_duration(*worker.backoff) + ')';
    }
    return {text, style_of_state(worker.state)};
}

Span number_cell(const std::optional<std::int64_t>& number) {
    return {number ? std::to_string(*number) : kNothing};
}

Span count_cell(std::uint64_t count) {
    return {std::to_string(count)};
}

Span duration_cell(const std::optional<Nanoseconds>& duration) {
    return {duration ? describe_duration(*duration) : kNothing};
}

Span text_cell(const std::optional<std::string>& text) {
    return {text.value_or(kNothing)};
}

std::string describe_group(const StatusReport& status) {
    std::uint64_t restarts = 0;
    for (const WorkerReport& worker : status.workers) {
        restarts += worker.restarts;
    }
    std::string text = std::to_string(status.ready) + '/' +
                       plural(status.workers.size(), "worker") + " ready, supervisor pid " +
                       number_cell(status.pid).text + ", up " + describe_duration(status.uptime) +
                       ", " + plural(restarts, "restart");
    if (status.phase != "running") {
        text += ", " + status.phase;
    }
    return text;
}

}  // namespace shmipc::ctl
