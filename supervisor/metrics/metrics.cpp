#include "metrics.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace shmipc::supervisor {
namespace {

constexpr std::uint64_t kNanoseconds = 1'000'000'000;  // of a second
constexpr std::size_t kDigits = 9;                     // of a nanosecond

struct Label {
    std::string_view name;
    std::string_view value;
};

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\n') {
            result += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') {
            result += '\\';
        }
        result += c;
    }
    return result;
}

std::string text_of(std::uint64_t number) {
    return std::to_string(number);
}

/// Seconds, exactly, without zeros at the end.
std::string text_of(std::chrono::nanoseconds duration) {
    const auto count = static_cast<std::uint64_t>(duration.count());
    const std::uint64_t magnitude = duration.count() < 0 ? 0 - count : count;
    const std::string fraction = std::to_string(magnitude % kNanoseconds);
    std::string text = (duration.count() < 0 ? "-" : "") +
                       std::to_string(magnitude / kNanoseconds) + "." +
                       std::string(kDigits - fraction.size(), '0') + fraction;
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') {
        text.pop_back();
    }
    return text;
}

/// Writes family after family.
class Families {
  public:
    explicit Families(std::string_view group) : group_(escaped(group)) {}

    void begin(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        for (const auto& [keyword, rest] : {std::pair("# HELP ", help), {"# TYPE ", type}}) {
            text_.append(keyword).append(name).append(" ").append(rest).append("\n");
        }
    }

    template <class Value>
    void sample(std::initializer_list<Label> labels, Value value) {
        text_.append(name_).append("{group=\"").append(group_).append("\"");
        for (const Label& label : labels) {
            text_.append(",").append(label.name).append("=\"");
            text_.append(escaped(label.value)).append("\"");
        }
        text_.append("} ").append(text_of(value)).append("\n");
    }

    /// A family of one sample, or of none.
    template <class Value>
    void single(std::string_view name, std::string_view type, std::string_view help, Value value) {
        begin(name, type, help);
        if constexpr (requires { value.has_value(); }) {
            if (value) {
                sample({}, *value);
            }
        } else {
            sample({}, value);
        }
    }

    std::string take() { return std::move(text_); }

  private:
    std::string group_;
    std::string_view name_;
    std::string text_;
};

/// Begins a family, and calls `add` for each worker, with its number as a label.
template <class Add>
void for_each_worker(Families& families, const GroupReport& group, std::string_view name,
                     std::string_view type, std::string_view help, Add add) {
    families.begin(name, type, help);
    for (const WorkerReport& worker : group.workers) {
        const std::string number = std::to_string(to_number(worker.index));
        add(worker, Label{"worker", number});
    }
}

/// A family of one sample for each worker of which `value`, a member or a function, is known.
template <class Value>
void per_worker(Families& families, const GroupReport& group, std::string_view name,
                std::string_view type, std::string_view help, Value value) {
    for_each_worker(families, group, name, type, help,
                    [&](const WorkerReport& worker, const Label& label) {
                        const auto& found = std::invoke(value, worker);
                        if constexpr (requires { found.has_value(); }) {
                            if (found) {
                                families.sample({label}, *found);
                            }
                        } else {
                            families.sample({label}, found);
                        }
                    });
}

void add_supervisor(Families& families, const GroupReport& group) {
    families.begin("shmipc_build_info", "gauge", "Version of the supervisor; always 1.");
    families.sample({{"version", SHMIPC_VERSION}}, 1U);
    families.single("shmipc_supervisor_uptime_seconds", "gauge",
                    "Time since the start of the supervisor.", group.uptime);
    families.begin("shmipc_supervisor_phase", "gauge", "1 for the phase that the group is in.");
    for (const Phase phase :
         {Phase::kIdle, Phase::kStarting, Phase::kRunning, Phase::kStopping, Phase::kStopped}) {
        families.sample({{"phase", name_of(phase)}}, group.phase == phase ? 1U : 0U);
    }
    families.single("shmipc_workers", "gauge", "Workers of the group, in whatever state.",
                    group.workers.size());
    families.single("shmipc_workers_ready", "gauge", "Workers that are running and ready.",
                    group.ready());
    families.begin("shmipc_reloads_total", "counter",
                   "Times that the configuration was read again.");
    families.sample({{"result", "succeeded"}}, group.reloads);
    families.sample({{"result", "failed"}}, group.failed_reloads);
}

void add_worker_states(Families& families, const GroupReport& group) {
    for_each_worker(families, group, "shmipc_worker_state", "gauge",
                    "1 for the state that the worker is in.",
                    [&](const WorkerReport& worker, const Label& label) {
                        for (std::size_t i = 0; i < kStates; ++i) {
                            const auto state = static_cast<State>(i);
                            families.sample({label, {"state", name_of(state)}},
                                            worker.state == state ? 1U : 0U);
                        }
                    });
    per_worker(
        families, group, "shmipc_worker_up", "gauge", "Whether the worker is running and ready.",
        [](const WorkerReport& worker) { return worker.state == State::kRunning ? 1U : 0U; });
    per_worker(families, group, "shmipc_worker_uptime_seconds", "gauge",
               "Time since the launch of the worker's process.", &WorkerReport::uptime);
    per_worker(families, group, "shmipc_worker_backoff_seconds", "gauge",
               "Time until the worker is started again.", &WorkerReport::backoff_left);
    per_worker(families, group, "shmipc_worker_incarnation", "gauge",
               "Lives of the worker so far, over all supervisors; 0: it has never attached.",
               &WorkerReport::incarnation);
}

void add_worker_deaths(Families& families, const GroupReport& group) {
    using Count = std::pair<std::string_view, std::uint64_t DeathTally::*>;
    static constexpr std::array kCounts{
        Count{"exited", &DeathTally::exited},
        Count{"killed", &DeathTally::killed},
        Count{"dumped", &DeathTally::dumped},
        Count{"out_of_memory", &DeathTally::out_of_memory},
        Count{"not_started", &DeathTally::not_started},
        Count{"unknown", &DeathTally::unknown},
    };
    per_worker(families, group, "shmipc_worker_restarts_total", "counter",
               "Restarts of the worker by this supervisor after deaths.", &WorkerReport::restarts);
    for_each_worker(
        families, group, "shmipc_worker_deaths_total", "counter",
        "Deaths of the worker under this supervisor that nobody ordered, by how it died.",
        [&](const WorkerReport& worker, const Label& label) {
            for (const auto& [how, count] : kCounts) {
                families.sample({label, {"how", how}}, worker.deaths.*count);
            }
        });
    per_worker(families, group, "shmipc_worker_hangs_total", "counter",
               "Times that the worker was aborted because it hung.", &WorkerReport::hangs);
    per_worker(families, group, "shmipc_worker_ordered_restarts_total", "counter",
               "Starts of the worker by order, after its first.", &WorkerReport::ordered_restarts);
    per_worker(families, group, "shmipc_worker_ordered_ends_total", "counter",
               "Ends of the worker by order, which are no deaths.", &WorkerReport::ordered_ends);
}

void add_worker_messages(Families& families, const GroupReport& group) {
    per_worker(families, group, "shmipc_worker_messages_written_total", "counter",
               "Messages that the worker has published, over all its lives.",
               &WorkerReport::written);
    per_worker(families, group, "shmipc_worker_messages_read_total", "counter",
               "New messages that the worker has acquired, over all its lives.",
               &WorkerReport::read);
    per_worker(families, group, "shmipc_worker_message_age_seconds", "gauge",
               "Age of the worker's latest message.", &WorkerReport::message_age);
    per_worker(families, group, "shmipc_worker_heartbeat_age_seconds", "gauge",
               "Time since the worker last gave a sign of life.", &WorkerReport::heartbeat_age);
    per_worker(families, group, "shmipc_worker_pins_held", "gauge",
               "Messages of others that the worker has in use.", &WorkerReport::pins_held);
}

void add_control(Families& families, const ControlReport& control) {
    families.single("shmipc_control_clients", "gauge", "Clients connected to the control socket.",
                    control.clients);
    families.single("shmipc_control_connections_total", "counter",
                    "Clients that the control socket has accepted.", control.connections);
    families.single("shmipc_control_calls_total", "counter",
                    "Calls that clients of the control socket have made.", control.calls);
    families.single("shmipc_control_dropped_total", "counter",
                    "Clients dropped for rubbish, floods, stalls or idleness.", control.dropped);
    families.single("shmipc_control_turned_away_total", "counter",
                    "Clients turned away because there were too many.", control.turned_away);
}

/// The names that Prometheus' own client libraries use.
void add_process(Families& families, const ProcessReport& process) {
    families.single("process_open_fds", "gauge", "Open file descriptors of the supervisor.",
                    process.open_files);
    families.single("process_max_fds", "gauge", "Most file descriptors it may have open.",
                    process.most_open_files);
    families.single("process_resident_memory_bytes", "gauge",
                    "Resident memory of the supervisor in bytes.", process.resident_bytes);
    families.single("process_cpu_seconds_total", "counter",
                    "User and system CPU time that the supervisor has used.", process.cpu_time);
    families.single("process_start_time_seconds", "gauge",
                    "Start of the supervisor, in seconds since 1970.", process.start_time);
}

}  // namespace

std::string metrics_text(const GroupReport& group, const ControlReport& control,
                         const ProcessReport& process) {
    Families families(group.name);
    add_supervisor(families, group);
    add_worker_states(families, group);
    add_worker_deaths(families, group);
    add_worker_messages(families, group);
    add_control(families, control);
    add_process(families, process);
    return families.take();
}

}  // namespace shmipc::supervisor
