// spdlog is the front (levels, the call); the sink behind it is ours, because spdlog's own know
// nothing of fields, would wait for a stopped terminal, and write a line in as many pieces as stdio
// likes.
#include "log.hpp"

#include "log_journal.hpp"
#include "log_lines.hpp"
#include "log_output.hpp"
#include "log_relay.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include <unistd.h>

namespace shmipc::log {
namespace {

constexpr std::chrono::milliseconds kReinitPatience{100};

struct Names {
    spdlog::level::level_enum spdlog;
    std::string_view name;
};

constexpr std::array<Names, 4> kLevels{{
    {spdlog::level::debug, "debug"},
    {spdlog::level::info, "info"},
    {spdlog::level::warn, "warning"},
    {spdlog::level::err, "error"},
}};
constexpr std::array<std::string_view, 4> kFormats{"auto", "human", "json", "journal"};

const Names& names_of(Level level) noexcept {
    return kLevels.at(static_cast<std::size_t>(level));
}

Level level_of(spdlog::level::level_enum level) noexcept {
    const auto* found = std::find_if(kLevels.begin(), kLevels.end(),
                                     [level](const Names& names) { return names.spdlog == level; });
    return found == kLevels.end() ? Level::kError : static_cast<Level>(found - kLevels.begin());
}

/// What spdlog's message has no room for. It lies on the stack of log(), which hands it to the sink
/// past spdlog: both run in one thread, one inside the other.
struct Context {
    Event event = Event::kMessage;
    std::span<const Field> fields;
    Place where;
};
thread_local const Context* current_context = nullptr;

/// Puts lines together and writes them. base_sink locks around all that is called on it.
class Sink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    void configure(Options options) {
        const std::scoped_lock lock(mutex_);
        (void)flush_until(std::chrono::steady_clock::now() + kReinitPatience);
        options_ = std::move(options);
        options_.format = resolve(options_.format);
        if (options_.format != Format::kJournal) {
            journal_.reset();
        } else if (journal_ && journal_->path() == options_.journal_socket) {
            return;  // with what it still keeps
        } else {
            journal_.emplace(options_.journal_socket);
        }
        output_ = detail::Output(options_.never_block);
        dropped_ = 0;
        relayed_dropped_ = 0;
    }

    bool write_kept(std::chrono::milliseconds patience) noexcept {
        const std::scoped_lock lock(mutex_);
        return flush_until(std::chrono::steady_clock::now() + patience);
    }

    void count_dropped() noexcept {
        const std::scoped_lock lock(mutex_);
        ++dropped_;
    }

    void relay(const Relayed& line) {
        const std::scoped_lock lock(mutex_);
        const auto now = spdlog::log_clock::now();
        if (!tell_dropped(relayed_dropped_, now) || !write(line, now)) {
            ++relayed_dropped_;
        }
    }

    [[nodiscard]] Format format() {
        const std::scoped_lock lock(mutex_);
        return options_.format;
    }

    /// Hands out the callback, once, when standard output has lost its reader; otherwise an empty
    /// one. The caller calls it outside the lock: it may want to log.
    std::function<void()> take_broken_output() {
        const std::scoped_lock lock(mutex_);
        return output_.broken() ? std::exchange(options_.on_broken_output, nullptr) : nullptr;
    }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (!tell_dropped(dropped_, message.time)) {
            ++dropped_;
            return;
        }
        const Context none;
        const Context& context = current_context != nullptr ? *current_context : none;
        if (!write({.time = message.time,
                    .level = level_of(message.level),
                    .event = context.event,
                    .message = {message.payload.data(), message.payload.size()},
                    .fields = context.fields,
                    .where = context.where})) {
            ++dropped_;
        }
    }
    void flush_() override {}

  private:
    bool write(const detail::Record& record) {
        if (journal_) {
            return journal_->write_entry(detail::journal_entry(options_, record));
        }
        return output_.write_line(options_.format == Format::kHuman
                                      ? detail::human_line(options_, record)
                                      : detail::json_line(options_, record));
    }

    bool write(const Relayed& line, std::chrono::system_clock::time_point time) {
        if (journal_) {
            return journal_->write_entry(detail::journal_entry(options_, line),
                                         detail::kMaxJournalBacklog / 2);
        }
        return output_.write_line(options_.format == Format::kHuman
                                      ? detail::human_line(line)
                                      : detail::json_line(options_, line, time),
                                  detail::kMaxBacklog / 2);
    }

    /// One notice, when all that was kept is out; not one whenever there is room for it alone.
    /// False: lines are missing, and that cannot be told yet.
    bool tell_dropped(std::uint64_t& dropped, spdlog::log_clock::time_point time) {
        return dropped == 0 || (flush_until({}) && write_drop_notice(dropped, time));
    }

    bool flush_until(std::chrono::steady_clock::time_point deadline) noexcept {
        return journal_ ? journal_->flush(deadline) : output_.flush(deadline);
    }

    bool write_drop_notice(std::uint64_t& dropped, spdlog::log_clock::time_point time) {
        const std::string text =
            std::to_string(dropped) + (&dropped == &relayed_dropped_
                                           ? (dropped == 1 ? " line" : " lines") +
                                                 std::string(" of the workers' output dropped")
                                       : dropped == 1 ? " log line dropped"
                                                      : " log lines dropped");
        const std::array<Field, 1> fields{Field("SHMIPC_DROPPED", dropped)};
        if (!write({.time = time,
                    .level = Level::kWarning,
                    .event = Event::kLogDropped,
                    .message = text,
                    .fields = fields,
                    .where = Place::here()})) {
            return false;
        }
        dropped = 0;
        return true;
    }

    Options options_{.identifier = {}, .prefix = {}, .format = Format::kHuman};  // before init()
    detail::Output output_{false};
    std::optional<detail::JournalOutput> journal_;
    std::uint64_t dropped_ = 0;
    std::uint64_t relayed_dropped_ = 0;  ///< apart: own lines must not wait for these to be told
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

Format resolve(Format format) noexcept {
    if (format != Format::kAuto) {
        return format;
    }
    if (detail::output_is_journal()) {
        return Format::kJournal;
    }
    return ::isatty(STDOUT_FILENO) == 1 ? Format::kHuman : Format::kJson;
}

void init(Options options) {
    front().logger.set_level(names_of(options.level).spdlog);
    front().sink->configure(std::move(options));
}

void set_level(Level level) noexcept {
    front().logger.set_level(names_of(level).spdlog);
}

Level level() noexcept {
    return level_of(front().logger.level());
}

void set_tap(Tap tap) {
    auto shared = tap ? std::make_shared<const Tap>(std::move(tap)) : nullptr;
    const std::scoped_lock lock(front().tap_mutex);
    front().tap = std::move(shared);
}

bool flush(std::chrono::milliseconds patience) noexcept {
    // More would not fit into the clock, or into what poll(2) takes.
    constexpr std::chrono::milliseconds kMost{std::chrono::hours{24}};
    return front().sink->write_kept(std::min(patience, kMost));
}

bool enabled(Level level) noexcept {
    return front().logger.should_log(names_of(level).spdlog);
}

void log(Level level, Event event, std::string_view message, std::initializer_list<Field> fields,
         const Place& where) {
    if (!enabled(level)) {
        return;
    }
    try {
        const Context context{event, {fields.begin(), fields.size()}, where};
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

void relay(const Relayed& line) {
    try {
        front().sink->relay(line);
        const Level level = line.priority <= 3   ? Level::kError
                            : line.priority == 4 ? Level::kWarning
                            : line.priority == 7 ? Level::kDebug
                                                 : Level::kInfo;
        call_tap(level, Event::kMessage, line.message, line.fields);
        if (const auto on_broken_output = front().sink->take_broken_output()) {
            on_broken_output();
        }
    } catch (...) {  // as in log()
        front().sink->count_dropped();
    }
}

Format format() noexcept {
    return front().sink->format();
}

}  // namespace shmipc::log
