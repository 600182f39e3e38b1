// Structured logging for the programs of this project: one front, spdlog; one event, one line.
//
// A log line has a level, an event (what happened, from a fixed list), a message for people, and
// fields for machines. Under systemd it becomes an entry of the journal, on a terminal a human
// line, elsewhere a line of JSON with the same fields as the journal's. shmipc-journal(7) lists the
// events and the fields. A leaf: nothing in the library's data path logs, and nothing here knows of
// the rest.
//
// One thread at a time for init(); log() from any thread. Not from a signal handler.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace shmipc::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class Format : std::uint8_t {
    kAuto,     ///< see resolve()
    kHuman,    ///< "<who>: <message>"
    kJson,     ///< one JSON object a line, with all fields
    kJournal,  ///< journald's native protocol, with all fields
};
/// What kAuto stands for in this process: kJournal if standard output leads to the journal, as
/// JOURNAL_STREAM tells (systemd.exec(5)); kHuman if it is a terminal; else kJson. Other formats
/// stand for themselves.
Format resolve(Format format) noexcept;

std::optional<Level> parse_level(std::string_view text) noexcept;
std::optional<Format> parse_format(std::string_view text) noexcept;
std::string_view name_of(Level level) noexcept;
std::string_view name_of(Format format) noexcept;

/// Kinds of events: the values of field SHMIPC_EVENT.
enum class Event : std::uint8_t {
    kMessage,  ///< no event of its own
    // A worker's life, told by itself.
    kWorkerAttached,
    kWorkerWaiting,
    kWorkerReady,
    kWorkerStopped,
    kPinReclaimed,
    kPinsReclaimed,
    kObjectNameLost,
    kExchange,  ///< stock worker: read or written
    // A worker's life, told by its supervisor.
    kWorkerStarted,
    kWorkerExited,
    kWorkerRestarting,
    kWorkerFailed,
    kWorkerExecFailed,
    kWorkerKilled,
    kWorkerHung,
    kWorkerSlow,        ///< no sign of life for half of what counts as hung
    kWorkerRecovered,   ///< was slow, and is not any more
    kWorkerSignalled,   ///< by order
    kWorkerReadyAgain,  ///< any worker, after the start of the group
    // The supervisor's.
    kGroupCreated,
    kGroupRemoved,
    kSupervisorStarting,
    kStartDelayed,  ///< the last starts failed
    kSupervisorReady,
    kGroupDegraded,  ///< a worker that should be ready is not
    kGroupWhole,     ///< all that should be ready are so again
    kSupervisorStopping,
    kSupervisorStopped,
    kSupervisorFailed,
    kConfigInvalid,
    kConfigReloaded,
    kOrder,            ///< somebody ordered something over the control socket
    kControlDropped,   ///< a client of the control socket was dropped
    kRuntimeRestored,  ///< files in the runtime directory were removed by somebody
    // The log's own.
    kLogDropped,  ///< lines that nobody took
};
/// The value of field SHMIPC_EVENT. Names and MESSAGE_IDs never change.
std::string_view name_of(Event event) noexcept;
/// The value of field MESSAGE_ID, by which the message catalog explains the event (journalctl -x):
/// 32 hexadecimal digits; empty for kMessage.
std::string_view message_id(Event event) noexcept;
/// All but kMessage.
std::vector<Event> all_events();

/// A field: its name in capitals (STYLE of the journal: SHMIPC_WORKER, EXIT_STATUS, …) and its
/// value.
struct Field {
    std::string_view name;
    std::variant<std::int64_t, std::uint64_t, std::string> value;

    template <class Integer>
    requires std::is_integral_v<Integer> Field(std::string_view field, Integer number)
        : name(field) {
        if constexpr (std::is_signed_v<Integer>) {
            value = static_cast<std::int64_t>(number);
        } else {
            value = static_cast<std::uint64_t>(number);
        }
    }
    Field(std::string_view field, std::string text) : name(field), value(std::move(text)) {}
    Field(std::string_view field, std::string_view text) : name(field), value(std::string(text)) {}
    Field(std::string_view field, const char* text) : name(field), value(std::string(text)) {}
};

struct Options {
    std::string identifier;  ///< SYSLOG_IDENTIFIER: the program's name
    std::string prefix;      ///< of human lines: "0" for worker 0, "supervisor"; empty: none
    Level level = Level::kInfo;
    Format format = Format::kAuto;
    std::vector<Field> fields{};  ///< that every line carries: SHMIPC_GROUP, …
    /// Do not wait for whoever reads standard output (a supervisor must not stand still behind a
    /// stopped terminal): keep up to 64 KiB of lines until there is room, which log() and flush()
    /// find out; drop more, and count them. The next line that is taken tells the count. The
    /// journal is never waited for; up to 1 MiB is kept for it.
    bool never_block = false;
    /// Called once, from within log(), when standard output has lost its reader (EPIPE). The
    /// process must ignore SIGPIPE for it to be reached.
    std::function<void()> on_broken_output{};
    /// Where journald listens.
    std::string journal_socket = "/run/systemd/journal/socket";
};

/// Sets up this process's log. Lines go to standard output, each in one write(2) and at most
/// PIPE_BUF bytes long, so that lines of several processes do not mix; or to the journal, whatever
/// their length. Without init() lines go out as human lines of level info.
void init(Options options);
/// The least level of a line from now on.
void set_level(Level level) noexcept;
[[nodiscard]] Level level() noexcept;
/// Called with each line that is logged, after it was written; what it logs itself is written, but
/// not handed to it. An empty one ends it.
using Tap = std::function<void(Level level, Event event, std::string_view message,
                               std::span<const Field> fields)>;
void set_tap(Tap tap);
/// With never_block, or to the journal: writes the lines that were kept, waiting up to `patience`
/// for room. False: some are left. To be called now and then, and before the process ends.
bool flush(std::chrono::milliseconds patience) noexcept;
bool enabled(Level level) noexcept;
/// A place in the source code; std::source_location, which Clang 14 has not.
struct Place {
    const char* file = "";
    std::uint32_t line = 0;
    const char* function = "";

    /// Of the caller.
    static constexpr Place here(const char* file = __builtin_FILE(),
                                std::uint32_t line = __builtin_LINE(),
                                const char* function = __builtin_FUNCTION()) noexcept {
        return {file, line, function};
    }
};

/// Writes one line. A newline in `message` does not end it (human lines: later lines are indented).
/// The fields CODE_FILE, CODE_LINE and CODE_FUNC tell `where`.
void log(Level level, Event event, std::string_view message,
         std::initializer_list<Field> fields = {}, const Place& where = Place::here());

}  // namespace shmipc::log
