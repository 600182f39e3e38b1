#include "log_lines.hpp"

#include "log_output.hpp"
#include "log_text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <variant>

namespace shmipc::log::detail {
namespace {

constexpr std::size_t kMaxName = 128;             // of an identifier, a prefix, a field's name
constexpr std::size_t kMaxFieldText = 1024;       // of a field's value
constexpr std::size_t kMaxFields = kMaxLine / 2;  // of all fields together
constexpr std::size_t kMaxJournalName = 64;       // journald's own limit
constexpr std::string_view kCutFields = R"(,"SHMIPC_TRUNCATED":1)";

/// Of syslog(3).
int priority_of(Level level) noexcept {
    switch (level) {
        case Level::kDebug:
            return 7;
        case Level::kInfo:
            return 6;
        case Level::kWarning:
            return 4;
        case Level::kError:
            return 3;
    }
    return 6;  // not reached
}

std::string_view mark_of(int priority) noexcept {
    return priority <= 3 ? "error: " : priority == 4 ? "warning: " : "";
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
    using std::chrono::microseconds;
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
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

bool overridden(const Field& field, std::span<const Field> own) noexcept {
    return std::any_of(own.begin(), own.end(),
                       [&](const Field& other) { return other.name == field.name; });
}

/// What comes before the caller's own fields, in the order in which it is written.
template <class Visit>
void visit_head(const Options& options, const Record& record, Visit visit) {
    if (!options.identifier.empty()) {
        visit(Field("SYSLOG_IDENTIFIER", options.identifier));
    }
    if (record.event != Event::kMessage) {
        visit(Field("SHMIPC_EVENT", name_of(record.event)));
        visit(Field("MESSAGE_ID", message_id(record.event)));
    }
    visit(Field("CODE_FILE", record.where.file));
    visit(Field("CODE_LINE", record.where.line));
    visit(Field("CODE_FUNC", record.where.function));
}

/// The fields of every line, and those of this one, which win.
template <class Visit>
void visit_fields(const Options& options, std::span<const Field> own, Visit visit) {
    for (const Field& field : options.fields) {
        if (!overridden(field, own)) {
            visit(field);
        }
    }
    for (const Field& field : own) {
        visit(field);
    }
}

std::string text_of(const Field& field) {
    if (const auto* text = std::get_if<std::string>(&field.value)) {
        return *text;
    }
    const auto* number = std::get_if<std::int64_t>(&field.value);
    return number != nullptr ? std::to_string(*number)
                             : std::to_string(std::get<std::uint64_t>(field.value));
}

void append_string(std::string& out, std::string_view text, std::size_t limit) {
    out += '"';
    append_json(out, text, limit);
    out += '"';
}

/// `,"NAME":value`
std::string json_member(const Field& field, std::size_t limit) {
    std::string out = ",";
    append_string(out, field.name, kMaxName);
    out += ':';
    if (const auto* text = std::get_if<std::string>(&field.value)) {
        append_string(out, *text, limit);
    } else {
        out += text_of(field);
    }
    return out;
}

/// As many of the fields as there is room for.
std::string json_fields(const Options& options, std::span<const Field> own) {
    std::string out;
    bool complete = true;
    visit_fields(options, own, [&](const Field& field) {
        const std::string member = json_member(field, kMaxFieldText);
        if (out.size() + member.size() <= kMaxFields) {
            out += member;
        } else {
            complete = false;
        }
    });
    if (!complete) {
        out += kCutFields;
    }
    return out;
}

bool is_journal_name(std::string_view name) noexcept {
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !name.empty() && name.size() <= kMaxJournalName && name.front() >= 'A' &&
           name.front() <= 'Z' && std::all_of(name.begin(), name.end(), allowed);
}

void append_journal(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    if (value.find('\n') == std::string_view::npos) {
        out += '=';
    } else {
        out += '\n';
        std::uint64_t size = value.size();
        for (std::size_t i = 0; i < sizeof(size); ++i) {  // little endian
            out += static_cast<char>(size & 0xFFU);
            size >>= 8U;
        }
    }
    out += value;
    out += '\n';
}

void append_journal(std::string& out, const Field& field) {
    if (is_journal_name(field.name)) {
        append_journal(out, field.name, text_of(field));
    }
}

/// What every line of JSON begins with.
std::string json_head(std::chrono::system_clock::time_point time, int priority) {
    return R"({"time":")" + rfc3339(time) + R"(","PRIORITY":)" + std::to_string(priority) +
           R"(,"MESSAGE":)";
}

}  // namespace

std::string human_line(const Options& options, const Record& record) {
    std::string line;
    if (!options.prefix.empty()) {
        append_human(line, options.prefix, kMaxName);
        line += ": ";
    }
    line += mark_of(priority_of(record.level));
    std::string_view text = record.message;
    while (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    append_human(line, text, kMaxLine - line.size() - 1);
    return line += '\n';
}

std::string json_line(const Options& options, const Record& record) {
    std::string tail;
    visit_head(options, record,
               [&tail](const Field& field) { tail += json_member(field, kMaxName); });
    tail += json_fields(options, record.fields);
    tail += "}\n";

    std::string line = json_head(record.time, priority_of(record.level));
    const std::size_t quotes = 2;
    append_string(line, record.message, kMaxLine - line.size() - tail.size() - quotes);
    return line + tail;
}

std::string journal_entry(const Options& options, const Record& record) {
    std::string out;
    append_journal(out, "MESSAGE", record.message);
    append_journal(out, "PRIORITY", std::to_string(priority_of(record.level)));
    const auto append = [&out](const Field& field) { append_journal(out, field); };
    visit_head(options, record, append);
    visit_fields(options, record.fields, append);
    return out;
}

std::string human_line(const Relayed& line) {
    std::string out;
    const std::string prefix = std::string(line.prefix) + ": ";
    if (!line.message.starts_with(prefix)) {
        append_human(out, prefix, kMaxName);
    }
    out += mark_of(line.priority);
    append_human(out, line.message, kMaxRelayedLine - out.size() - 1);
    return out += '\n';
}

std::string json_line(const Options& options, const Relayed& line,
                      std::chrono::system_clock::time_point time) {
    if (!line.object.empty()) {
        return std::string(line.object) + '\n';
    }
    std::string tail = json_member(Field("SYSLOG_IDENTIFIER", line.identifier), kMaxName);
    tail += json_fields(options, line.fields);
    tail += "}\n";
    std::string out = json_head(time, line.priority);
    const std::size_t quotes = 2;
    append_string(out, line.message, kMaxRelayedLine - out.size() - tail.size() - quotes);
    return out + tail;
}

std::string journal_entry(const Options& options, const Relayed& line) {
    std::string out;
    append_journal(out, "MESSAGE", line.message);
    append_journal(out, "PRIORITY", std::to_string(line.priority));
    append_journal(out, "SYSLOG_IDENTIFIER", line.identifier);
    visit_fields(options, line.fields, [&out](const Field& field) { append_journal(out, field); });
    return out;
}

}  // namespace shmipc::log::detail

namespace shmipc::log {

std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    detail::append_human(out, text, limit);
    return out;
}

}  // namespace shmipc::log
