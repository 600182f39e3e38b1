#include "autopsy.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <boost/json/array.hpp>

#include <shmipc/units.hpp>

#include "connection.hpp"
#include "printable.hpp"
#include "worker_list.hpp"

namespace shmipc::ctl {
namespace {

std::string local_time(std::chrono::microseconds time) {
    const auto seconds =
        static_cast<std::time_t>(std::chrono::duration_cast<std::chrono::seconds>(time).count());
    std::tm parts{};
    std::array<char, 64> text{};
    if (::localtime_r(&seconds, &parts) == nullptr ||
        std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %Z", &parts) == 0) {
        return "at an unknown time";
    }
    return text.data();
}

std::string signal_text(const DeathReport& death) {
    std::string text = "signal " + (death.status ? std::to_string(*death.status) : "?");
    return death.signal ? text + " (" + *death.signal + ')' : text;
}

std::string held_text(const DeathReport& death) {
    std::string text;
    for (const HeldReport& held : death.held) {
        text += (text.empty() ? "" : ", ") + std::string("message ") +
                std::to_string(held.sequence) + " of worker " + std::to_string(held.channel);
    }
    return text;
}

void append_field(std::vector<Line>& lines, const std::string& name, const std::string& value) {
    constexpr std::size_t kIndent = 14;
    if (!value.empty()) {
        std::string title = "  " + name;
        title.resize(std::max(kIndent, title.size() + 1), ' ');
        lines.push_back({{title, Style::kDim}, {value}});
    }
}

void append_death(std::vector<Line>& lines, const DeathReport& death) {
    const std::string who = "worker " + std::to_string(death.worker) +
                            (death.pid ? " (pid " + std::to_string(*death.pid) + ") " : " ");
    lines.push_back({{local_time(death.time) + ": ", Style::kHeading},
                     {who + how_it_ended(death) + " after " + describe_duration(death.uptime) +
                      (death.ordered ? ", as ordered: no death" : "")}});
    append_field(lines, "cause", death.cause.value_or(""));
    append_field(lines, "consequence", death.consequence);
    append_field(lines, "incarnation",
                 death.incarnation == 0 ? "it had not attached to the group"
                                        : std::to_string(death.incarnation));
    append_field(
        lines, "published",
        death.sequence == 0 ? "nothing yet" : "up to message " + std::to_string(death.sequence));
    append_field(lines, "in use", held_text(death));
    for (const std::string& line : death.last_output) {
        append_field(lines, &line == &death.last_output.front() ? "last output" : "", line);
    }
}

}  // namespace

std::string how_it_ended(const DeathReport& death) {
    if (death.how == "exited") {
        return "exited with status " + (death.status ? std::to_string(*death.status) : "?");
    }
    if (death.how == "killed") {
        return "was killed by " + signal_text(death);
    }
    if (death.how == "dumped") {
        return "was killed by " + signal_text(death) + ", core dumped";
    }
    if (death.how == "out_of_memory") {
        return "was killed by the system, which was out of memory";
    }
    if (death.how == "not_started") {
        return "could not be started";
    }
    return death.how == "unknown" ? "ended in an unknown way"
                                  : "ended in a way that is called " + death.how;
}

std::vector<Line> autopsy_lines(const std::vector<DeathReport>& deaths,
                                const std::vector<WorkerIndex>& workers) {
    std::vector<Line> lines;
    for (const DeathReport& death : deaths) {
        append_death(lines, death);
    }
    std::vector<WorkerIndex> immortal;
    for (const WorkerIndex worker : workers) {
        if (std::none_of(deaths.begin(), deaths.end(), [&](const DeathReport& death) {
                return death.worker == to_number(worker) && !death.ordered;
            })) {
            immortal.push_back(worker);
        }
    }
    if (!immortal.empty()) {
        lines.push_back(
            plain_line(describe_workers(immortal) + ": no death since the supervisor's start"));
    }
    return lines;
}

void autopsy(const Options& options, Output& output) {
    Connection connection = Connection::open(options.place);
    const StatusReport status = read_status(connection.call("Status"));
    const auto workers = parse_worker_list(options.workers, status.worker_count());
    const boost::json::object reply = connection.call("Autopsy", {{"workers", to_json(workers)}});
    if (options.json) {
        output.write(json_line(reply));
    } else {
        output.write(autopsy_lines(read_deaths(reply), workers));
    }
}

}  // namespace shmipc::ctl
