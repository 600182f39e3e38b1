#include "base/log.hpp"

#include "base/log_relay.hpp"
#include "base/os.hpp"

#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <regex>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

using shmipc::os::Fd;

namespace {

namespace log = shmipc::log;  // here: global, it would clash with log() of <cmath>

constexpr std::size_t kMaxLine = PIPE_BUF;

/// Stands in for standard output while it lives. No CHECK meanwhile: doctest would write into it.
class Capture {
  public:
    explicit Capture(int target) : saved_(::dup(STDOUT_FILENO)) { ::dup2(target, STDOUT_FILENO); }
    ~Capture() {
        log::init({});  // lets go of what it may have opened anew
        ::dup2(saved_.get(), STDOUT_FILENO);
    }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

  private:
    Fd saved_;
};

struct Pipe {
    Fd read_end;
    Fd write_end;

    Pipe() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        read_end = Fd(ends[0]);
        write_end = Fd(ends[1]);
    }
};

std::string read_what_is_there(const Fd& fd) {
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t count = 0;
    while ((count = ::read(fd.get(), buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
}

/// What `body` writes to standard output. At most what a pipe holds: 64 KiB.
template <class Body>
std::string output_of(Body body) {
    const Pipe pipe;
    {
        const Capture capture(pipe.write_end.get());
        body();
    }
    return read_what_is_there(pipe.read_end);
}

log::Options options(log::Format format, log::Level level = log::Level::kDebug) {
    log::Options result;
    result.identifier = "tester";
    result.prefix = "2";
    result.format = format;
    result.level = level;
    return result;
}

std::string human(std::string_view message, log::Level level = log::Level::kInfo) {
    return output_of([&] {
        log::init(options(log::Format::kHuman));
        log::log(level, log::Event::kMessage, message);
    });
}

/// Without the three fields that tell the place in the code.
std::string without_code(const std::string& line) {
    static const std::regex code(R"re(,"CODE_FILE":"[^"]*","CODE_LINE":\d+,"CODE_FUNC":"[^"]*")re");
    return std::regex_replace(line, code, "");
}

/// One line of JSON from `"PRIORITY"` on: without the time, which differs at each run.
std::string json(std::string_view message, std::initializer_list<log::Field> fields = {},
                 log::Event event = log::Event::kMessage, std::vector<log::Field> always = {}) {
    const std::string line = output_of([&] {
        log::Options with_fields = options(log::Format::kJson);
        with_fields.fields = std::move(always);
        log::init(with_fields);
        log::log(log::Level::kInfo, event, message, fields);
    });
    const std::size_t start = line.find(R"("PRIORITY")");
    REQUIRE(start != std::string::npos);
    return without_code(line.substr(start));
}

std::size_t count_of(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string_view::npos;
         at = text.find(part, at + part.size())) {
        ++count;
    }
    return count;
}

/// Fills a descriptor until it takes no more.
void fill(int target) {
    const Fd own(::open(("/proc/self/fd/" + std::to_string(target)).c_str(),
                        O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    REQUIRE(own);
    const std::string page(PIPE_BUF, '#');
    while (::write(own.get(), page.data(), page.size()) > 0) {
    }
    while (::write(own.get(), page.data(), 1) > 0) {
    }
}

}  // namespace

TEST_CASE("a human line is the prefix and the message") {
    CHECK(human("ready") == "2: ready\n");
    CHECK(human("") == "2: \n");
    CHECK(human("hm", log::Level::kWarning) == "2: warning: hm\n");
    CHECK(human("no", log::Level::kError) == "2: error: no\n");
    CHECK(human("x", log::Level::kDebug) == "2: x\n");
    const std::string alone = output_of([] {
        log::Options no_prefix = options(log::Format::kHuman);
        no_prefix.prefix.clear();
        log::init(no_prefix);
        log::log(log::Level::kInfo, log::Event::kMessage, "alone");
    });
    CHECK(alone == "alone\n");
}

TEST_CASE("the later lines of a human message are indented") {
    CHECK(human("one\ntwo\n\nthree\n") == "2: one\n    two\n    \n    three\n");
}

TEST_CASE("a human line tells a terminal nothing but text") {
    CHECK(human("a\x1b[31mb\x7f\r\tc") == "2: a\\x1b[31mb\\x7f\\x0d\tc\n");
    CHECK(human("\xC2\x9B[A \xC2\xA0") == "2: \\x9b[A \xC2\xA0\n");
    CHECK(human("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80 \xFF!") ==
          "2: gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80 \xEF\xBF\xBD!\n");
}

TEST_CASE(
    "a JSON line carries time, priority, message, identifier, event and fields in this order") {
    const std::string line = output_of([] {
        log::Options with_fields = options(log::Format::kJson);
        with_fields.fields = {{"SHMIPC_GROUP", "g"}, {"SHMIPC_WORKER", 2}};
        log::init(with_fields);
        log::log(log::Level::kWarning, log::Event::kPinReclaimed, "it \"is\"",
                 {{"SHMIPC_SEQUENCE", std::uint64_t{18446744073709551615U}},
                  {"EXIT_STATUS", -1},
                  {"SHMIPC_WORKER", 3}});
    });
    const std::string start = R"({"time":")";
    REQUIRE(line.starts_with(start));
    const std::string time = line.substr(start.size(), line.find('"', start.size()) - start.size());
    CHECK_MESSAGE(time.size() == std::string_view("2026-01-02T03:04:05.678901Z").size(), time);
    CHECK(time.substr(0, 2) == "20");
    CHECK(time[10] == 'T');
    CHECK(time[19] == '.');
    CHECK(time.back() == 'Z');
    CHECK(without_code(line.substr(start.size() + time.size())) ==
          R"(","PRIORITY":4,"MESSAGE":"it \"is\"","SYSLOG_IDENTIFIER":"tester",)"
          R"("SHMIPC_EVENT":"pin_reclaimed","MESSAGE_ID":")" +
              std::string(log::message_id(log::Event::kPinReclaimed)) +
              R"(","SHMIPC_GROUP":"g",)"
              R"("SHMIPC_SEQUENCE":18446744073709551615,"EXIT_STATUS":-1,"SHMIPC_WORKER":3})"
              "\n");
}

TEST_CASE("JSON strings are escaped and always well-formed UTF-8") {
    const auto message = [](std::string_view text) {
        const std::string line = json(text);
        const std::string before = R"("PRIORITY":6,"MESSAGE":")";
        const std::string after = R"(","SYSLOG_IDENTIFIER":"tester"})"
                                  "\n";
        REQUIRE(line.starts_with(before));
        REQUIRE(line.ends_with(after));
        return line.substr(before.size(), line.size() - before.size() - after.size());
    };
    CHECK(message("\\ \" / \n\r\t\b\x01\x1f") == R"(\\ \" / \n\r\t\u0008\u0001\u001f)");
    CHECK(message(std::string_view("\0|", 2)) == R"(\u0000|)");
    const std::string bad = "\xEF\xBF\xBD";
    CHECK(message("\xC3\xA4 \xE2\x82\xAC \xF4\x8F\xBF\xBF") ==
          "\xC3\xA4 \xE2\x82\xAC \xF4\x8F\xBF\xBF");
    CHECK(message("\x80|") == bad + "|");                         // continuation alone
    CHECK(message("\xC3") == bad);                                // cut off
    CHECK(message("\xC0\x80") == bad + bad);                      // overlong
    CHECK(message("\xE0\x9F\xBF") == bad + bad + bad);            // overlong
    CHECK(message("\xED\xA0\x80") == bad + bad + bad);            // surrogate
    CHECK(message("\xF4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
    CHECK(message("\xF5\xFE\xFF") == bad + bad + bad);
    CHECK(json("", {{"A\"B", "\xFF\n"}}).ends_with(R"(,"A\"B":")" + bad + "\\n\"}\n"));
}

TEST_CASE("no line is longer than a write to a pipe is atomic, and a cut one says so") {
    // Every length around the limit: the cut must not depend on luck. The last character is a wide
    // one, which must never be torn.
    for (std::size_t length = kMaxLine - 600; length < kMaxLine + 20; ++length) {
        const std::string text = std::string(length - 4, 'x') + "\xF0\x9F\x98\x80";
        const std::string line = human(text);
        const bool fits = text.size() + std::string_view("2: \n").size() <= kMaxLine;
        REQUIRE(line.size() <= kMaxLine);
        REQUIRE(line.back() == '\n');
        REQUIRE(line.ends_with(fits ? text + "\n" : "x [truncated]\n"));
        const std::string object = json(text);
        REQUIRE(object.size() < kMaxLine);
        REQUIRE(object.ends_with("\"}\n"));
        REQUIRE(object.find('\xF0') == object.find("\xF0\x9F\x98\x80"));
    }
    CHECK(human(std::string(1U << 20U, 'x')).size() == kMaxLine);
    CHECK(json(std::string(1U << 20U, '\x01'))
              .ends_with("\\u0001 [truncated]\",\"SYSLOG_IDENTIFIER\":\"tester\"}\n"));
    const std::string big(5000, 'f');
    const std::string fields = json("text", {{"A", big}, {"B", big}, {"C", big}, {"D", 1}});
    CHECK(fields.size() < kMaxLine);
    CHECK(fields.find(R"("MESSAGE":"text")") != std::string::npos);
    CHECK(fields.find("f [truncated]\"") != std::string::npos);
    CHECK(fields.ends_with(R"(,"D":1,"SHMIPC_TRUNCATED":1})"
                           "\n"));
}

TEST_CASE("lines below the level are not written") {
    const std::string text = output_of([] {
        log::init(options(log::Format::kHuman, log::Level::kWarning));
        log::log(log::Level::kInfo, log::Event::kMessage, "info");
        log::log(log::Level::kWarning, log::Event::kMessage, "warning");
    });
    CHECK(text == "2: warning: warning\n");
    log::init(options(log::Format::kHuman, log::Level::kInfo));
    CHECK(log::enabled(log::Level::kInfo));
    CHECK_FALSE(log::enabled(log::Level::kDebug));
    log::init({});
}

TEST_CASE("where standard output is no terminal the automatic format is JSON") {
    const auto automatic = [] {
        log::init(options(log::Format::kAuto));
        log::log(log::Level::kInfo, log::Event::kMessage, "text");
    };
    CHECK(output_of(automatic).starts_with("{"));
}

TEST_CASE("a tap gets every line that is written, and what it logs itself only once") {
    std::vector<std::string> tapped;
    const std::string text = output_of([&] {
        log::init(options(log::Format::kHuman, log::Level::kInfo));
        log::set_tap([&](log::Level level, log::Event event, std::string_view message,
                         std::span<const log::Field> fields) {
            tapped.push_back(std::string(log::name_of(level)) + " " +
                             std::string(log::name_of(event)) + " " + std::string(message) + " " +
                             std::to_string(fields.size()));
            log::log(log::Level::kInfo, log::Event::kMessage, "from within");
        });
        log::log(log::Level::kWarning, log::Event::kWorkerExited, "one", {{"SHMIPC_WORKER", 1}});
        log::log(log::Level::kDebug, log::Event::kMessage, "below the level");
        log::set_tap({});
        log::log(log::Level::kInfo, log::Event::kMessage, "untapped");
    });
    CHECK(tapped == std::vector<std::string>{"warning worker_exited one 1"});
    CHECK(text == "2: warning: one\n2: from within\n2: untapped\n");
}

TEST_CASE("a tap may end itself, and one that throws costs no more than its line") {
    int calls = 0;
    const std::string text = output_of([&] {
        log::init(options(log::Format::kHuman));
        log::set_tap([&](auto...) {
            ++calls;
            log::set_tap({});
            throw std::runtime_error("a broken tap");
        });
        log::log(log::Level::kInfo, log::Event::kMessage, "one");
        log::log(log::Level::kInfo, log::Event::kMessage, "two");
    });
    CHECK(calls == 1);
    CHECK(text.find("2: one\n") == 0);
    CHECK(text.find("2: two\n") != std::string::npos);
}

TEST_CASE("the level can be told and changed while lines are written") {
    const std::string text = output_of([&] {
        log::init(options(log::Format::kHuman, log::Level::kError));
        log::log(log::Level::kInfo, log::Event::kMessage, "too low");
        log::set_level(log::Level::kDebug);
        log::log(log::Level::kDebug, log::Event::kMessage, "low enough");
    });
    CHECK(text == "2: low enough\n");
    for (const log::Level level :
         {log::Level::kDebug, log::Level::kInfo, log::Level::kWarning, log::Level::kError}) {
        log::set_level(level);
        CHECK(log::level() == level);
    }
    log::init({});
}

TEST_CASE("every event and level has a name, and levels and formats parse back") {
    std::set<std::string_view> names;
    std::set<std::string_view> ids;
    for (const log::Event event : log::all_events()) {
        const std::string_view name = log::name_of(event);
        CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
        CHECK(names.insert(name).second);
        const std::string_view id = log::message_id(event);
        CHECK(id.size() == 32);
        CHECK(id.find_first_not_of("0123456789abcdef") == std::string_view::npos);
        CHECK(ids.insert(id).second);
    }
    CHECK(log::message_id(log::Event::kMessage).empty());
    CHECK(log::name_of(log::Event::kWorkerAttached) == "worker_attached");
    CHECK(log::name_of(log::Event::kConfigInvalid) == "config_invalid");
    for (const auto level :
         {log::Level::kDebug, log::Level::kInfo, log::Level::kWarning, log::Level::kError}) {
        CHECK(log::parse_level(log::name_of(level)) == level);
    }
    for (const auto format :
         {log::Format::kAuto, log::Format::kHuman, log::Format::kJson, log::Format::kJournal}) {
        CHECK(log::parse_format(log::name_of(format)) == format);
    }
    CHECK_FALSE(log::parse_level("verbose").has_value());
    CHECK_FALSE(log::parse_format("").has_value());
}

TEST_CASE("a log that never blocks keeps lines while a pipe is full, and loses none of them") {
    const Pipe pipe;
    std::string first;
    std::string second;
    bool none_left = true;
    {
        const Capture capture(pipe.write_end.get());
        log::Options never_block = options(log::Format::kHuman);
        never_block.never_block = true;
        log::init(never_block);
        fill(STDOUT_FILENO);
        log::log(log::Level::kInfo, log::Event::kMessage, "one");
        log::log(log::Level::kInfo, log::Event::kMessage, "two");
        none_left = log::flush(std::chrono::milliseconds{0});
        first = read_what_is_there(pipe.read_end);
        log::flush(std::chrono::milliseconds{0});
        second = read_what_is_there(pipe.read_end);
    }
    CHECK_FALSE(none_left);
    CHECK(first.find_first_not_of('#') == std::string::npos);
    CHECK(second == "2: one\n2: two\n");
}

TEST_CASE("a log that never blocks drops lines beyond 64 KiB, and then tells how many") {
    const Pipe pipe;
    std::string first;
    std::string kept;
    std::string second;
    {
        const Capture capture(pipe.write_end.get());
        log::Options never_block = options(log::Format::kHuman);
        never_block.never_block = true;
        log::init(never_block);
        log::log(log::Level::kInfo, log::Event::kMessage, "before");
        fill(STDOUT_FILENO);
        // 16 lines of 4 KiB are kept, and no byte more.
        for (int i = 0; i < 16; ++i) {
            log::log(log::Level::kInfo, log::Event::kMessage,
                     std::string(kMaxLine - std::string_view("2: \n").size(), 'k'));
        }
        for (int i = 0; i < 3; ++i) {
            log::log(log::Level::kInfo, log::Event::kMessage, "lost");
        }
        first = read_what_is_there(pipe.read_end);
        log::flush(std::chrono::milliseconds{0});
        kept = read_what_is_there(pipe.read_end);
        log::log(log::Level::kInfo, log::Event::kMessage, "after");
        log::log(log::Level::kInfo, log::Event::kMessage, "later");
        second = read_what_is_there(pipe.read_end);
    }
    CHECK(first.starts_with("2: before\n#"));
    CHECK(first.find('k') == std::string::npos);
    CHECK(kept.size() == 16 * kMaxLine);
    CHECK(kept.find("lost") == std::string::npos);
    CHECK(second == "2: warning: 3 log lines dropped\n2: after\n2: later\n");
    // The others who write to the same pipe must not find it made non-blocking.
    CHECK((::fcntl(pipe.write_end.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a log that never blocks does not wait for a terminal that nobody reads") {
    const Fd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(terminal);
    REQUIRE(::unlockpt(terminal.get()) == 0);
    std::array<char, 64> name{};
    REQUIRE(::ptsname_r(terminal.get(), name.data(), name.size()) == 0);
    const Fd slave(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(slave);
    const std::string line_text(1000, 'x');
    std::string first;
    std::string second;
    {
        const Capture capture(slave.get());
        log::Options never_block = options(log::Format::kAuto);
        never_block.never_block = true;
        log::init(never_block);
        for (int i = 0; i < 200; ++i) {  // more than any terminal buffers; must come to an end
            log::log(log::Level::kInfo, log::Event::kMessage, line_text);
        }
        while (!log::flush(std::chrono::milliseconds{0})) {
            first += read_what_is_there(terminal);
        }
        log::log(log::Level::kInfo, log::Event::kMessage, "after");
        second = read_what_is_there(terminal);
    }
    const std::string whole_line = "2: " + line_text + "\r\n";
    const std::size_t written = count_of(first + second, whole_line);
    CHECK(written > 0);
    CHECK(written < 200);
    // Lines came whole, also the one that was begun before the terminal was full.
    const std::string notice =
        "2: warning: " + std::to_string(200 - written) + " log lines dropped\r\n2: after\r\n";
    CHECK(first.size() + second.size() == written * whole_line.size() + notice.size());
    CHECK(second.ends_with(notice));
}

TEST_CASE(
    "another program's line has its own prefix once, its priority, and no level that hides it") {
    const auto relayed = [](std::string_view message, int priority = 6) {
        return output_of([&] {
            log::init(options(log::Format::kHuman, log::Level::kError));
            log::relay({.identifier = "sh-1",
                        .prefix = "1",
                        .priority = priority,
                        .message = message,
                        .fields = {}});
        });
    };
    CHECK(relayed("ready") == "1: ready\n");
    CHECK(relayed("1: ready") == "1: ready\n");
    CHECK(relayed("11: ready") == "1: 11: ready\n");
    CHECK(relayed("2: forged") == "1: 2: forged\n");
    CHECK(relayed("bad", 3) == "1: error: bad\n");
    CHECK(relayed("hm", 4) == "1: warning: hm\n");
    CHECK(relayed("\x1b[2J\r") == "1: \\x1b[2J\\x0d\n");
    const std::string longest = relayed(std::string(2 * log::kMaxRelayedLine, 'x'));
    CHECK(longest.size() == log::kMaxRelayedLine);
    CHECK(longest.ends_with("x [truncated]\n"));
}

TEST_CASE("another program's line is an object of JSON with its fields, or the one that it is") {
    const auto relayed = [](std::string_view message, std::string_view object) {
        return output_of([&] {
            log::Options own = options(log::Format::kJson);
            own.fields = {{"SHMIPC_ORIGIN", "supervisor"}, {"SHMIPC_GROUP", "g"}};
            log::init(own);
            const std::array<log::Field, 1> fields{log::Field("SHMIPC_ORIGIN", "worker")};
            log::relay({.identifier = "sh-1",
                        .prefix = "1",
                        .priority = 3,
                        .message = message,
                        .fields = fields,
                        .object = object});
        });
    };
    const std::string line = relayed("say \"x\"", "");
    CHECK(line.substr(line.find(R"("PRIORITY")")) ==
          R"("PRIORITY":3,"MESSAGE":"say \"x\"","SYSLOG_IDENTIFIER":"sh-1","SHMIPC_GROUP":"g",)"
          R"("SHMIPC_ORIGIN":"worker"})"
          "\n");
    CHECK(relayed("x", R"({"a":1})") == "{\"a\":1}\n");
}

TEST_CASE("what others write fills half of what is kept, and never keeps out one's own lines") {
    const Pipe pipe;
    std::string first;
    std::string kept;
    std::string second;
    {
        const Capture capture(pipe.write_end.get());
        log::Options never_block = options(log::Format::kHuman);
        never_block.never_block = true;
        log::init(never_block);
        fill(STDOUT_FILENO);
        const std::string flood(1021, 'f');  // with its prefix and newline 1025
        for (int i = 0; i < 100; ++i) {
            log::relay({.identifier = "sh-1", .prefix = "1", .message = flood, .fields = {}});
        }
        log::log(log::Level::kError, log::Event::kMessage, "worker 1 died");
        first = read_what_is_there(pipe.read_end);
        log::flush(std::chrono::milliseconds{0});
        kept = read_what_is_there(pipe.read_end);
        log::relay({.identifier = "sh-1", .prefix = "1", .message = "after", .fields = {}});
        second = read_what_is_there(pipe.read_end);
    }
    CHECK(first.find_first_not_of('#') == std::string::npos);
    CHECK(count_of(kept, "1: f") == 31);
    CHECK(kept.ends_with("2: error: worker 1 died\n"));
    CHECK(second == "2: warning: 69 lines of the workers' output dropped\n1: after\n");
}

TEST_CASE("a terminal that is gone has lost its reader") {
    Fd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(terminal);
    REQUIRE(::unlockpt(terminal.get()) == 0);
    std::array<char, 64> name{};
    REQUIRE(::ptsname_r(terminal.get(), name.data(), name.size()) == 0);
    const Fd slave(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(slave);
    for (const bool never_block : {true, false}) {
        int told = 0;
        {
            const Capture capture(slave.get());
            log::Options with_callback = options(log::Format::kHuman);
            with_callback.never_block = never_block;
            with_callback.on_broken_output = [&told] { ++told; };
            log::init(with_callback);
            log::log(log::Level::kInfo, log::Event::kMessage, "read");
            terminal.reset();
            log::log(log::Level::kInfo, log::Event::kMessage, "one");
            log::log(log::Level::kInfo, log::Event::kMessage, "two");
        }
        CHECK(told == 1);
    }
}

TEST_CASE("the loss of whoever reads standard output is told once") {
    for (const bool never_block : {false, true}) {
        CAPTURE(never_block);
        Pipe pipe;
        int told = 0;
        auto* const previous = std::signal(SIGPIPE, SIG_IGN);
        {
            const Capture capture(pipe.write_end.get());
            log::Options with_callback = options(log::Format::kHuman);
            with_callback.never_block = never_block;
            with_callback.on_broken_output = [&told] {
                ++told;
                log::log(log::Level::kInfo, log::Event::kMessage, "from within");  // no deadlock
                throw 1;                                                           // no escape
            };
            log::init(with_callback);
            log::log(log::Level::kInfo, log::Event::kMessage, "read");
            pipe.read_end.reset();
            log::log(log::Level::kInfo, log::Event::kMessage, "one");
            log::log(log::Level::kInfo, log::Event::kMessage, "two");
        }
        (void)std::signal(SIGPIPE, previous);
        CHECK(told == 1);
    }
}

TEST_CASE("lines of several processes and threads do not mix") {
    constexpr int kProcesses = 3;
    constexpr int kThreads = 2;
    constexpr int kLines = 200;
    Pipe pipe;
    std::vector<pid_t> children;
    for (int process = 0; process < kProcesses; ++process) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::dup2(pipe.write_end.get(), STDOUT_FILENO);
            log::init(options(log::Format::kHuman));
            std::vector<std::thread> threads;
            threads.reserve(kThreads);
            for (int thread = 0; thread < kThreads; ++thread) {
                threads.emplace_back([=] {
                    const char letter = static_cast<char>('a' + process * kThreads + thread);
                    for (std::size_t i = 0; i < kLines; ++i) {
                        log::log(log::Level::kInfo, log::Event::kMessage,
                                 std::string(i * 20 + 1, letter));
                    }
                });
            }
            for (std::thread& thread : threads) {
                thread.join();
            }
            ::_exit(0);
        }
        children.push_back(child);
    }
    pipe.write_end.reset();
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t count = 0;
    while ((count = ::read(pipe.read_end.get(), buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    for (const pid_t child : children) {
        int status = -1;
        CHECK(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    CHECK(count_of(text, "\n") == std::size_t{kProcesses} * kThreads * kLines);
    std::size_t mixed = 0;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = text.find('\n', start);
        REQUIRE(end != std::string::npos);
        const std::string line = text.substr(start, end - start);
        const bool whole = line.size() > 3 && line.starts_with("2: ") &&
                           line.find_first_not_of(line[3], 3) == std::string::npos;
        mixed += whole ? 0 : 1;
        start = end + 1;
    }
    CHECK(mixed == 0);
}
