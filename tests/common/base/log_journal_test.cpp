// The journal's native protocol, spoken to a journald that the test plays itself.
#include "base/log_journal.hpp"

#include "base/log.hpp"
#include "base/os.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using shmipc::os::Fd;
using namespace std::chrono_literals;

namespace {

namespace log = shmipc::log;  // here: global, it would clash with log() of <cmath>

/// Where a journald may listen.
class Directory {
  public:
    [[nodiscard]] std::string socket() const { return scratch_.path() + "/socket"; }

  private:
    shmipc::test::Scratch scratch_;
};

struct Entry {
    std::multimap<std::string, std::string> fields;
    bool from_file = false;  ///< came as a sealed file

    [[nodiscard]] std::string value(const std::string& name) const {
        const auto found = fields.find(name);
        return found == fields.end() ? "(none)" : found->second;
    }
};

/// Reads the journal's export format, strictly.
std::multimap<std::string, std::string> parse(std::string_view bytes) {
    std::multimap<std::string, std::string> fields;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        REQUIRE(end != std::string_view::npos);
        const std::string_view line = bytes.substr(0, end);
        const std::size_t equals = line.find('=');
        bytes.remove_prefix(end + 1);
        if (equals != std::string_view::npos) {
            fields.emplace(line.substr(0, equals), line.substr(equals + 1));
            continue;
        }
        std::uint64_t size = 0;
        REQUIRE(bytes.size() > sizeof(size));
        std::memcpy(&size, bytes.data(), sizeof(size));
        bytes.remove_prefix(sizeof(size));
        REQUIRE(bytes.size() > size);
        REQUIRE(bytes[size] == '\n');
        fields.emplace(line, bytes.substr(0, size));
        bytes.remove_prefix(size + 1);
    }
    return fields;
}

/// Listens like journald, and takes nothing that it is not asked to take.
class Journald {
  public:
    explicit Journald(const std::string& path) {
        ::unlink(path.c_str());
        socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)) == 0);
    }

    std::optional<Entry> take() {
        std::vector<char> bytes(std::size_t{1024} * 1024);
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t length = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (length < 0) {
            return std::nullopt;
        }
        const cmsghdr* const header = CMSG_FIRSTHDR(&message);
        if (header == nullptr) {
            return Entry{parse({bytes.data(), static_cast<std::size_t>(length)}), false};
        }
        int descriptor = -1;
        std::memcpy(&descriptor, CMSG_DATA(header), sizeof(descriptor));
        return Entry{parse(read_sealed(Fd(descriptor))), true};
    }

    std::vector<Entry> take_all() {
        std::vector<Entry> entries;
        while (auto entry = take()) {
            entries.push_back(std::move(*entry));
        }
        return entries;
    }

  private:
    static std::string read_sealed(const Fd& file) {
        const int seals = ::fcntl(file.get(), F_GET_SEALS);
        CHECK((seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)) ==
              (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL));
        struct stat status {};
        REQUIRE(::fstat(file.get(), &status) == 0);
        std::string text(static_cast<std::size_t>(status.st_size), '\0');
        REQUIRE(::pread(file.get(), text.data(), text.size(), 0) == status.st_size);
        return text;
    }

    Fd socket_;
};

/// This process's log goes to that journal while it lives.
class LogTo {
  public:
    explicit LogTo(const Directory& directory) {
        log::Options options;
        options.identifier = "tester";
        options.level = log::Level::kDebug;
        options.format = log::Format::kJournal;
        options.fields = {{"SHMIPC_GROUP", "g"}, {"SHMIPC_WORKER", 2}};
        options.journal_socket = directory.socket();
        log::init(options);
    }
    ~LogTo() { log::init({}); }
    LogTo(const LogTo&) = delete;
    LogTo& operator=(const LogTo&) = delete;
};

void say(std::string_view message) {
    log::log(log::Level::kInfo, log::Event::kMessage, message);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    REQUIRE_MESSAGE(file, path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("an entry of the journal carries the event, its message id, the place and all fields") {
    const Directory directory;
    Journald journald(directory.socket());
    const LogTo to(directory);
    const int line = __LINE__ + 1;
    log::log(log::Level::kWarning, log::Event::kPinReclaimed, "it \"is\"",
             {{"SHMIPC_SEQUENCE", std::uint64_t{18446744073709551615U}},
              {"EXIT_STATUS", -1},
              {"SHMIPC_WORKER", 3},
              {"lower case", "refused by the journal"},
              {"_TRUSTED", "refused too"}});
    const auto entry = journald.take();
    REQUIRE(entry.has_value());
    const std::multimap<std::string, std::string> expected{
        {"MESSAGE", "it \"is\""},
        {"PRIORITY", "4"},
        {"SYSLOG_IDENTIFIER", "tester"},
        {"SHMIPC_EVENT", "pin_reclaimed"},
        {"MESSAGE_ID", std::string(log::message_id(log::Event::kPinReclaimed))},
        {"CODE_FILE", "tests/common/base/log_journal_test.cpp"},
        {"CODE_LINE", std::to_string(line)},
        {"CODE_FUNC", entry->value("CODE_FUNC")},
        {"SHMIPC_GROUP", "g"},
        {"SHMIPC_SEQUENCE", "18446744073709551615"},
        {"EXIT_STATUS", "-1"},
        {"SHMIPC_WORKER", "3"}};
    CHECK(entry->fields == expected);
    CHECK(entry->value("CODE_FUNC") != "");
    say("no event");
    const auto plain = journald.take();
    REQUIRE(plain.has_value());
    CHECK(plain->value("MESSAGE_ID") == "(none)");
    CHECK(plain->value("SHMIPC_EVENT") == "(none)");
    CHECK(plain->value("PRIORITY") == "6");
    CHECK_FALSE(journald.take().has_value());
}

TEST_CASE("newlines, binary values and entries beyond a datagram arrive whole") {
    const Directory directory;
    Journald journald(directory.socket());
    const LogTo to(directory);
    const std::string odd("a\nb=c\n\0\xFF\x1b[31m\n", 14);
    log::log(log::Level::kInfo, log::Event::kMessage, odd, {{"SHMIPC_ODD", odd}});
    auto entry = journald.take();
    REQUIRE(entry.has_value());
    CHECK(entry->value("MESSAGE") == odd);
    CHECK(entry->value("SHMIPC_ODD") == odd);
    CHECK_FALSE(entry->from_file);
    // Sizes around the limit of a datagram, and far beyond it.
    bool as_file = false;
    for (const std::size_t size : {std::size_t{100'000}, std::size_t{212'000}, std::size_t{213'000},
                                   std::size_t{500'000}, std::size_t{64} << 20U}) {
        CAPTURE(size);
        const std::string text = "begin\n" + std::string(size, 'x') + "\nend";
        say(text);
        entry = journald.take();
        REQUIRE(entry.has_value());
        CHECK((entry->value("MESSAGE") == text));
        as_file = entry->from_file;
    }
    CHECK(as_file);
}

TEST_CASE("a journal that nobody reads is not waited for, and what is dropped is counted") {
    const Directory directory;
    Journald journald(directory.socket());
    const LogTo to(directory);
    const std::string padding(1000, 'p');
    constexpr std::size_t kLines = 5000;
    for (std::size_t i = 0; i < kLines; ++i) {  // comes to an end
        say(std::to_string(i) + " " + padding);
    }
    std::vector<Entry> entries = journald.take_all();
    while (!log::flush(0ms)) {
        for (Entry& entry : journald.take_all()) {
            entries.push_back(std::move(entry));
        }
    }
    for (Entry& entry : journald.take_all()) {
        entries.push_back(std::move(entry));
    }
    // In order, and none missing between the first and the last that was taken.
    for (std::size_t i = 0; i < entries.size(); ++i) {
        REQUIRE(entries[i].value("MESSAGE") == std::to_string(i) + " " + padding);
    }
    const std::size_t dropped = kLines - entries.size();
    CHECK(dropped > 0);
    CHECK(entries.size() * padding.size() > log::detail::kMaxJournalBacklog * 3 / 4);
    say("after");
    const std::vector<Entry> last = journald.take_all();
    REQUIRE(last.size() == 2);
    CHECK(last[0].value("MESSAGE") == std::to_string(dropped) + " log lines dropped");
    CHECK(last[0].value("SHMIPC_DROPPED") == std::to_string(dropped));
    CHECK(last[0].value("SHMIPC_EVENT") == "log_dropped");
    CHECK(last[0].value("PRIORITY") == "4");
    CHECK(last[1].value("MESSAGE") == "after");
}

TEST_CASE("a flush waits for room in the journal") {
    const Directory directory;
    Journald journald(directory.socket());
    const LogTo to(directory);
    std::size_t said = 0;
    do {
        say("line " + std::to_string(said++));
    } while (log::flush(0ms));
    CHECK_FALSE(log::flush(10ms));
    const std::size_t taken = journald.take_all().size();
    CHECK(taken == said - 1);
    CHECK(log::flush(10s));
    CHECK(journald.take_all().size() == 1);
}

TEST_CASE("a journald that is absent, or comes back with another socket, loses nothing") {
    const Directory directory;
    const LogTo to(directory);
    say("nobody there");
    CHECK_FALSE(log::flush(10ms));
    {
        Journald first(directory.socket());
        CHECK(log::flush(0ms));
        say("first");
        const auto entries = first.take_all();
        REQUIRE(entries.size() == 2);
        CHECK(entries[0].value("MESSAGE") == "nobody there");
        CHECK(entries[1].value("MESSAGE") == "first");
    }
    say("between");
    Journald second(directory.socket());
    say("second");
    const auto entries = second.take_all();
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].value("MESSAGE") == "between");
    CHECK(entries[1].value("MESSAGE") == "second");
}

TEST_CASE("setting the log up again keeps what the journal has not taken yet") {
    const Directory directory;
    const LogTo to(directory);
    say("kept");
    {
        const LogTo again(directory);
        Journald journald(directory.socket());
        say("new");
        const auto entries = journald.take_all();
        REQUIRE(entries.size() == 2);
        CHECK(entries[0].value("MESSAGE") == "kept");
    }
}

TEST_CASE("the automatic format is the journal where standard output leads to it") {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    struct stat status {};
    REQUIRE(::fstat(ours.get(), &status) == 0);
    const std::string stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    const auto resolved = [&](const std::string& variable, int output) {
        ::setenv("JOURNAL_STREAM", variable.c_str(), 1);
        const Fd saved(::dup(STDOUT_FILENO));
        ::dup2(output, STDOUT_FILENO);
        const log::Format format = log::resolve(log::Format::kAuto);
        ::dup2(saved.get(), STDOUT_FILENO);
        ::unsetenv("JOURNAL_STREAM");
        return format;
    };
    CHECK(resolved(stream, ours.get()) == log::Format::kJournal);
    CHECK(resolved(stream, theirs.get()) ==
          log::Format::kJson);  // inherited, and not true any more
    CHECK(resolved("1:2", ours.get()) == log::Format::kJson);
    CHECK(resolved("", ours.get()) == log::Format::kJson);
    CHECK(log::resolve(log::Format::kHuman) == log::Format::kHuman);
}

TEST_CASE("code, message catalog and manual page list the same events with the same ids") {
    std::set<std::pair<std::string, std::string>> code;
    std::set<std::string> ids;
    for (const log::Event event : log::all_events()) {
        code.emplace(log::name_of(event), log::message_id(event));
        ids.emplace(log::message_id(event));
    }
    // The catalog: "-- <id>", headers, an empty line, a text; its subject ends in "(<event>)".
    const std::string catalog = read_file(SHMIPC_CATALOG);
    const std::regex entry(
        "-- ([0-9a-f]{32})\nSubject: [^\n]+ \\((\\w+)\\)\nDefined-By: shmipc\n"
        "Documentation: man:shmipc-journal\\(7\\)\n\n([^\\0]+?)(?=\n-- |$)");
    std::set<std::pair<std::string, std::string>> explained;
    for (std::sregex_iterator match(catalog.begin(), catalog.end(), entry), end; match != end;
         ++match) {
        CHECK(explained.emplace((*match)[2].str(), (*match)[1].str()).second);
        // What happened and why it matters; and what to do.
        const std::string text = (*match)[3].str();
        CHECK_MESSAGE(text.find("\n\nWhat to do: ") != std::string::npos, (*match)[2].str());
    }
    CHECK(explained == code);
    // The manual page: ".It Cm <event>" and on the next line the id.
    const std::string page = read_file(SHMIPC_JOURNAL_PAGE);
    const std::regex item("\\.It Cm (\\w+)\n\\.Sy ([0-9a-f]{32})\n");
    std::set<std::pair<std::string, std::string>> documented;
    for (std::sregex_iterator match(page.begin(), page.end(), item), end; match != end; ++match) {
        CHECK(documented.emplace((*match)[1].str(), (*match)[2].str()).second);
    }
    CHECK(documented == code);
}
