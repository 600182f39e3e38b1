#include "autopsy.hpp"

#include "base/units.hpp"
#include "connection.hpp"
#include "fields.hpp"
#include "printable.hpp"
#include "worker_list.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <set>

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
    if (death.held_left_out > 0) {
        text += " and " + std::to_string(death.held_left_out) + " more";
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

/// Prints deaths as they come: a paragraph each, or as one JSON object with a list of them.
class Printer {
  public:
    Printer(const Options& options, Output& output) : json_(options.json), output_(output) {}

    void print(const boost::json::object& part) {
        if (!json_) {
            const std::vector<DeathReport> deaths = read_deaths(part);
            for (const DeathReport& death : deaths) {
                if (!death.ordered) {
                    dead_.insert(death.worker);
                }
            }
            output_.write(death_lines(deaths));
            return;
        }
        for (const Fields& death : Fields(part).objects("deaths")) {
            std::string text = json_line(death.raw());
            text.pop_back();  // the newline
            output_.write((first_ ? "{\"deaths\":[" : ",") + text);
            first_ = false;
        }
    }
    void finish(const std::vector<WorkerIndex>& workers) {
        if (json_) {
            output_.write(first_ ? "{\"deaths\":[]}\n" : "]}\n");
        } else {
            output_.write(immortal_lines(dead_, workers));
        }
    }

  private:
    bool json_;
    Output& output_;
    bool first_ = true;
    std::set<std::uint32_t> dead_;
};

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

std::vector<Line> death_lines(const std::vector<DeathReport>& deaths) {
    std::vector<Line> lines;
    for (const DeathReport& death : deaths) {
        append_death(lines, death);
    }
    return lines;
}

std::vector<Line> immortal_lines(const std::set<std::uint32_t>& dead,
                                 const std::vector<WorkerIndex>& workers) {
    std::vector<WorkerIndex> immortal;
    for (const WorkerIndex worker : workers) {
        if (dead.count(to_number(worker)) == 0) {
            immortal.push_back(worker);
        }
    }
    if (immortal.empty()) {
        return {};
    }
    return {plain_line(describe_workers(immortal) + ": no death since the supervisor's start")};
}

std::vector<Line> autopsy_lines(const std::vector<DeathReport>& deaths,
                                const std::vector<WorkerIndex>& workers) {
    std::set<std::uint32_t> dead;
    for (const DeathReport& death : deaths) {
        if (!death.ordered) {
            dead.insert(death.worker);
        }
    }
    std::vector<Line> lines = death_lines(deaths);
    const std::vector<Line> rest = immortal_lines(dead, workers);
    lines.insert(lines.end(), rest.begin(), rest.end());
    return lines;
}

void autopsy(const Options& options, Output& output) {
    Connection connection = Connection::open(options.place);
    const StatusReport status = read_status(connection.call("Status"));
    const auto workers = parse_worker_list(options.workers, status.worker_count());
    // Each part is printed and let go of: there may be 20,000 deaths.
    Printer printer(options, output);
    connection.call_more("Autopsy", {{"workers", to_json(workers)}});
    for (bool more = true; more;) {
        const varlink::Client::Reply reply = connection.receive_soon();
        printer.print(reply.parameters);
        more = reply.continues;
    }
    printer.finish(workers);
}

}  // namespace shmipc::ctl
