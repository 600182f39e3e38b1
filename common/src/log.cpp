// spdlog is the front (levels, the call); the sink behind it is ours, because spdlog's own know
// nothing of fields, would wait for a stopped terminal, and write a line in as many pieces as stdio
// likes.
#include <shmipc/log.hpp>

#include "log_output.hpp"
#include "log_text.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include <unistd.h>

namespace shmipc::log {
namespace {

constexpr std::chrono::milliseconds kReinitPatience{100};
constexpr std::size_t kMaxName = 128;        // of an identifier, a prefix, a field's name
constexpr std::size_t kMaxFieldText = 1024;  // of a field's value
constexpr std::size_t kMaxFields = detail::kMaxLine / 2;  // of all fields together
constexpr std::string_view kCutFields = R"(,"SHMIPC_TRUNCATED":1)";

struct Names {
    spdlog::level::level_enum spdlog;
    int priority;  // of syslog(3)
    std::string_view name;
    std::string_view human;
};

constexpr std::array<Names, 4> kLevels{{
    {spdlog::level::debug, 7, "debug", ""},
    {spdlog::level::info, 6, "info", ""},
    {spdlog::level::warn, 4, "warning", "warning: "},
    {spdlog::level::err, 3, "error", "error: "},
}};
constexpr std::array<std::string_view, 3> kFormats{"auto", "human", "json"};

const Names& names_of(Level level) noexcept {
    return kLevels.at(static_cast<std::size_t>(level));
}

const Names& names_of(spdlog::level::level_enum level) noexcept {
    const auto* found = std::find_if(kLevels.begin(), kLevels.end(),
                                     [level](const Names& names) { return names.spdlog == level; });
    return found == kLevels.end() ? kLevels.back() : *found;
}

/// What spdlog's message has no room for. It lies on the stack of log(), which hands it to the sink
/// past spdlog: both run in one thread, one inside the other.
struct Context {
    Event event = Event::kMessage;
    std::span<const Field> fields;
};
thread_local const Context* current_context = nullptr;

std::string rfc3339(spdlog::log_clock::time_point time) {
    using std::chrono::microseconds;
    const std::time_t seconds = spdlog::log_clock::to_time_t(time);
    const auto since_epoch = std::chrono::duration_cast<microseconds>(time.time_since_epoch());
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 80> text{};
    (void)std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                        parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                        parts.tm_min, parts.tm_sec,
                        static_cast<int>(since_epoch.count() % 1'000'000));
    return text.data();
}

void append_string(std::string& out, std::string_view text, std::size_t limit) {
    out += '"';
    detail::append_json(out, text, limit);
    out += '"';
}

/// `,"NAME":value`
std::string json_member(const Field& field) {
    std::string out = ",";
    append_string(out, field.name, kMaxName);
    out += ':';
    if (const auto* text = std::get_if<std::string>(&field.value)) {
        append_string(out, *text, kMaxFieldText);
    } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
        out += std::to_string(*number);
    } else {
        out += std::to_string(std::get<std::uint64_t>(field.value));
    }
    return out;
}

/// The fields of every line and those of this one, which win; as many as there is room for.
std::string json_fields(std::span<const Field> always, std::span<const Field> own) {
    std::string out;
    const auto append = [&out](const Field& field) {
        const std::string member = json_member(field);
        if (out.size() + member.size() <= kMaxFields) {
            out += member;
            return true;
        }
        return false;
    };
    bool complete = true;
    for (const Field& field : always) {
        const bool overridden = std::any_of(
            own.begin(), own.end(), [&](const Field& other) { return other.name == field.name; });
        complete = (overridden || append(field)) && complete;
    }
    for (const Field& field : own) {
        complete = append(field) && complete;
    }
    if (!complete) {
        out += kCutFields;
    }
    return out;
}

std::string json_line(const Options& options, const spdlog::details::log_msg& message,
                      const Context& context) {
    std::string tail;
    if (!options.identifier.empty()) {
        tail += R"(,"SYSLOG_IDENTIFIER":)";
        append_string(tail, options.identifier, kMaxName);
    }
    if (context.event != Event::kMessage) {
        tail += R"(,"SHMIPC_EVENT":")";
        tail += name_of(context.event);
        tail += '"';
    }
    tail += json_fields(options.fields, context.fields);
    tail += "}\n";

    std::string line = R"({"time":")" + rfc3339(message.time) + R"(","PRIORITY":)" +
                       std::to_string(names_of(message.level).priority) + R"(,"MESSAGE":)";
    const std::size_t quotes = 2;
    append_string(line, {message.payload.data(), message.payload.size()},
                  detail::kMaxLine - line.size() - tail.size() - quotes);
    return line + tail;
}

std::string human_line(const Options& options, const spdlog::details::log_msg& message) {
    std::string line;
    if (!options.prefix.empty()) {
        detail::append_human(line, options.prefix, kMaxName);
        line += ": ";
    }
    line += names_of(message.level).human;
    std::string_view text(message.payload.data(), message.payload.size());
    while (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    detail::append_human(line, text, detail::kMaxLine - line.size() - 1);
    return line += '\n';
}

/// Puts lines together and writes them. base_sink locks around all that is called on it.
class Sink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    void configure(Options options) {
        const std::scoped_lock lock(mutex_);
        options_ = std::move(options);
        human_ = options_.format == Format::kHuman ||
                 (options_.format == Format::kAuto && ::isatty(STDOUT_FILENO) == 1);
        output_.flush(std::chrono::steady_clock::now() + kReinitPatience);
        output_ = detail::Output(options_.never_block);
        dropped_ = 0;
    }

    bool write_kept(std::chrono::milliseconds patience) noexcept {
        const std::scoped_lock lock(mutex_);
        return output_.flush(std::chrono::steady_clock::now() + patience);
    }

    void count_dropped() noexcept {
        const std::scoped_lock lock(mutex_);
        ++dropped_;
    }

    /// Hands out the callback, once, when standard output has lost its reader; otherwise an empty
    /// one. The caller calls it outside the lock: it may want to log.
    std::function<void()> take_broken_output() {
        const std::scoped_lock lock(mutex_);
        return output_.broken() ? std::exchange(options_.on_broken_output, nullptr) : nullptr;
    }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        // One notice, when all that was kept is out; not one whenever there is room for it alone.
        if (dropped_ > 0 && !(output_.flush({}) && write_drop_notice(message.time))) {
            ++dropped_;
            return;
        }
        const Context none;
        if (!output_.write_line(
                line(message, current_context != nullptr ? *current_context : none))) {
            ++dropped_;
        }
    }
    void flush_() override {}

  private:
    std::string line(const spdlog::details::log_msg& message, const Context& context) const {
        return human_ ? human_line(options_, message) : json_line(options_, message, context);
    }

    bool write_drop_notice(spdlog::log_clock::time_point time) {
        const std::string text =
            std::to_string(dropped_) + (dropped_ == 1 ? " log line dropped" : " log lines dropped");
        const spdlog::details::log_msg notice(time, {}, {}, spdlog::level::warn, text);
        if (!output_.write_line(line(notice, {}))) {
            return false;
        }
        dropped_ = 0;
        return true;
    }

    Options options_;
    bool human_ = true;  // before init()
    detail::Output output_{false};
    std::uint64_t dropped_ = 0;
};

struct Front {
    std::shared_ptr<Sink> sink = std::make_shared<Sink>();
    std::shared_ptr<const Tap> tap;  // held while it is called: it may be replaced from within
    std::mutex tap_mutex;
    spdlog::logger logger{"shmipc", sink};

    Front() {
        logger.set_level(spdlog::level::info);
        // What goes wrong in a sink must not be printed to standard error at every line.
        logger.set_error_handler([sink = sink](const std::string&) { sink->count_dropped(); });
    }
};

/// Made by the first who logs, and never destroyed: threads may log while the process exits.
Front& front() {
    static auto* const instance = new Front;
    return *instance;
}

thread_local bool in_tap = false;

void call_tap(Level level, Event event, std::string_view message, std::span<const Field> fields) {
    std::shared_ptr<const Tap> tap;
    {
        const std::scoped_lock lock(front().tap_mutex);
        tap = front().tap;
    }
    if (tap && !in_tap) {
        in_tap = true;
        try {
            (*tap)(level, event, message, fields);
        } catch (...) {  // log() counts the line as dropped
            in_tap = false;
            throw;
        }
        in_tap = false;
    }
}

template <class Enum, class Table, class NameOf>
std::optional<Enum> parse(std::string_view text, const Table& table, NameOf name) noexcept {
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&](const auto& entry) { return name(entry) == text; });
    if (found == table.end()) {
        return std::nullopt;
    }
    return static_cast<Enum>(found - table.begin());
}

}  // namespace

std::optional<Level> parse_level(std::string_view text) noexcept {
    return parse<Level>(text, kLevels, [](const Names& names) { return names.name; });
}

std::optional<Format> parse_format(std::string_view text) noexcept {
    return parse<Format>(text, kFormats, [](std::string_view name) { return name; });
}

std::string_view name_of(Level level) noexcept {
    return names_of(level).name;
}

std::string_view name_of(Format format) noexcept {
    return kFormats.at(static_cast<std::size_t>(format));
}

std::string_view name_of(Event event) noexcept {
    switch (event) {
        case Event::kMessage:
            return "message";
        case Event::kWorkerAttached:
            return "worker_attached";
        case Event::kWorkerWaiting:
            return "worker_waiting";
        case Event::kWorkerReady:
            return "worker_ready";
        case Event::kWorkerStopped:
            return "worker_stopped";
        case Event::kPinReclaimed:
            return "pin_reclaimed";
        case Event::kPinsReclaimed:
            return "pins_reclaimed";
        case Event::kObjectNameLost:
            return "object_name_lost";
        case Event::kExchange:
            return "exchange";
        case Event::kWorkerStarted:
            return "worker_started";
        case Event::kWorkerExited:
            return "worker_exited";
        case Event::kWorkerRestarting:
            return "worker_restarting";
        case Event::kWorkerFailed:
            return "worker_failed";
        case Event::kWorkerExecFailed:
            return "worker_exec_failed";
        case Event::kWorkerKilled:
            return "worker_killed";
        case Event::kWorkerHung:
            return "worker_hung";
        case Event::kWorkerSlow:
            return "worker_slow";
        case Event::kWorkerRecovered:
            return "worker_recovered";
        case Event::kWorkerSignalled:
            return "worker_signalled";
        case Event::kGroupCreated:
            return "group_created";
        case Event::kGroupRemoved:
            return "group_removed";
        case Event::kSupervisorStarting:
            return "supervisor_starting";
        case Event::kSupervisorReady:
            return "supervisor_ready";
        case Event::kSupervisorStopping:
            return "supervisor_stopping";
        case Event::kSupervisorStopped:
            return "supervisor_stopped";
        case Event::kSupervisorFailed:
            return "supervisor_failed";
        case Event::kConfigInvalid:
            return "config_invalid";
        case Event::kConfigReloaded:
            return "config_reloaded";
        case Event::kOrder:
            return "order";
        case Event::kControlDropped:
            return "control_dropped";
    }
    return "unknown";  // not reached: -Wswitch tells of an event without a name
}

void init(Options options) {
    front().logger.set_level(names_of(options.level).spdlog);
    front().sink->configure(std::move(options));
}

void set_level(Level level) noexcept {
    front().logger.set_level(names_of(level).spdlog);
}

Level level() noexcept {
    for (std::size_t i = 0; i < kLevels.size(); ++i) {
        if (kLevels.at(i).spdlog == front().logger.level()) {
            return static_cast<Level>(i);
        }
    }
    return Level::kInfo;
}

void set_tap(Tap tap) {
    auto shared = tap ? std::make_shared<const Tap>(std::move(tap)) : nullptr;
    const std::scoped_lock lock(front().tap_mutex);
    front().tap = std::move(shared);
}

bool flush(std::chrono::milliseconds patience) noexcept {
    return front().sink->write_kept(patience);
}

bool enabled(Level level) noexcept {
    return front().logger.should_log(names_of(level).spdlog);
}

void log(Level level, Event event, std::string_view message, std::initializer_list<Field> fields) {
    if (!enabled(level)) {
        return;
    }
    try {
        const Context context{event, {fields.begin(), fields.size()}};
        current_context = &context;
        front().logger.log(names_of(level).spdlog,
                           spdlog::string_view_t(message.data(), message.size()));
        current_context = nullptr;
        call_tap(level, event, message, context.fields);
        if (const auto on_broken_output = front().sink->take_broken_output()) {
            on_broken_output();
        }
    } catch (...) {  // out of memory, or a callback that throws: no reason to lose more than a line
        current_context = nullptr;
        front().sink->count_dropped();
    }
}

}  // namespace shmipc::log
