#include "toml_reader.hpp"

#include "base/units.hpp"
#include "config.hpp"
#include "shared/text.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace shmipc::supervisor {
namespace {

std::string_view name_of_type(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "a whole number";
        case toml::node_type::floating_point:
            return "a number with a point";
        case toml::node_type::boolean:
            return "a truth value";
        default:
            return "a date or a time";
    }
}

std::string plain(double number) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof(text), number);
    return {text, end.ptr};
}

template <class Number>
std::string range_text(const Number& least, const Number& most) {
    return least + " … " + most;
}

}  // namespace

TomlReader::TomlReader(const toml::table& table, std::string path, const std::string& file,
                       std::map<std::string, std::string>& origins)
    : table_(table), path_(std::move(path)), file_(file), origins_(origins) {}

void TomlReader::read(std::string_view key, bool& value) {
    if (const toml::node* node = find(key)) {
        if (!node->is_boolean()) {
            fail_type(key, *node, "true or false");
        }
        value = node->as_boolean()->get();
    }
}

void TomlReader::read(std::string_view key, std::string& value) {
    if (const toml::node* node = find(key)) {
        value = text_of(key, *node, "a string");
    }
}

void TomlReader::read(std::string_view key, double& value, double least, double most) {
    if (const toml::node* node = find(key)) {
        const auto number = node->value<double>();
        if (!node->is_number() || !number) {
            fail_type(key, *node, "a number");
        }
        // Turned this way round, not-a-number is out of range too.
        if (!(*number >= least && *number <= most)) {
            fail(key,
                 "is " + plain(*number) + ": expected " + range_text(plain(least), plain(most)));
        }
        value = *number;
    }
}

void TomlReader::read(std::string_view key, std::uint32_t& value, std::uint32_t least,
                      std::uint32_t most) {
    if (const toml::node* node = find(key)) {
        if (!node->is_integer()) {
            fail_type(key, *node, "a whole number");
        }
        const std::int64_t number = node->as_integer()->get();
        if (number < std::int64_t{least} || number > std::int64_t{most}) {
            fail(key, "is " + std::to_string(number) + ": expected " +
                          range_text(std::to_string(least), std::to_string(most)));
        }
        value = static_cast<std::uint32_t>(number);
    }
}

void TomlReader::read_or_word(std::string_view key, std::uint32_t& value, std::uint32_t least,
                              std::uint32_t most, std::string_view word, std::uint32_t meaning) {
    const toml::node* const node = find(key);
    if (node == nullptr) {
        return;
    }
    if (node->is_integer()) {
        read(key, value, least, most);
        return;
    }
    const std::string expected = "a whole number, or \"" + std::string(word) + "\"";
    const std::string text = text_of(key, *node, expected);
    if (text != word) {
        fail(key, "is \"" + text + "\": expected " + expected);
    }
    value = meaning;
}

void TomlReader::read(std::string_view key, std::chrono::milliseconds& value,
                      std::chrono::milliseconds least, std::chrono::milliseconds most) {
    if (const toml::node* node = find(key)) {
        const std::string text = text_of(key, *node, R"(a duration as a string, such as "250ms")");
        const auto parsed = parse_duration(text);
        if (!parsed) {
            fail(key, "is \"" + text +
                          R"(": expected a number and its unit: "250ms", "1.5s", "2m", "1h")");
        }
        const auto duration = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed);
        if (duration != *parsed || duration < least || duration > most) {
            fail(key, "is \"" + text + "\": expected " + range_text(to_text(least), to_text(most)) +
                          ", in whole milliseconds");
        }
        value = duration;
    }
}

void TomlReader::read_bytes(std::string_view key, std::uint64_t& value, std::uint64_t least,
                            std::uint64_t most) {
    if (const toml::node* node = find(key)) {
        std::string text;
        if (node->is_integer()) {
            text = std::to_string(node->as_integer()->get());
        } else {
            text = text_of(key, *node, R"(a number of bytes, or a string such as "64KiB")");
        }
        const auto bytes = parse_bytes(text);
        if (!bytes || *bytes < least || *bytes > most) {
            fail(key, "is " + text + ": expected " +
                          range_text(std::to_string(least), std::to_string(most)) +
                          R"( bytes, or a string with a unit: "64KiB", "1MiB", "1GiB")");
        }
        value = *bytes;
    }
}

void TomlReader::read(std::string_view key, std::vector<std::string>& value) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return;
    }
    const toml::array* array = node->as_array();
    if (array == nullptr) {
        fail_type(key, *node, "an array of strings");
    }
    std::vector<std::string> texts;
    for (const toml::node& element : *array) {
        texts.push_back(text_of(key, element, "only strings in the array"));
    }
    value = std::move(texts);
}

void TomlReader::read(std::string_view key, std::map<std::string, std::string>& value) {
    const toml::table* entries = table(key);
    if (entries == nullptr) {
        return;
    }
    for (auto&& [name, node] : *entries) {
        const std::string variable(name.str());
        value[variable] = text_of(std::string(key) + "." + variable, node, "a string");
    }
}

void TomlReader::read_word(std::string_view key, std::string& value,
                           const std::vector<std::string>& words) {
    std::string text;
    if (find(key) == nullptr) {
        return;
    }
    read(key, text);
    if (std::find(words.begin(), words.end(), text) == words.end()) {
        std::string expected;
        for (const std::string& word : words) {
            expected += (expected.empty() ? "\"" : ", \"") + word + "\"";
        }
        fail(key, "is \"" + text + "\": expected one of " + expected);
    }
    value = text;
}

const toml::table* TomlReader::table(std::string_view key) {
    const toml::node* node = find(key);
    if (node != nullptr && !node->is_table()) {
        fail_type(key, *node, "a table");
    }
    return node != nullptr ? node->as_table() : nullptr;
}

std::map<std::uint32_t, const toml::table*> TomlReader::numbered_tables(std::uint32_t most) {
    std::map<std::uint32_t, const toml::table*> tables;
    for (auto&& [name, node] : table_) {
        const std::string key(name.str());
        if (key.find_first_not_of("0123456789") != std::string::npos) {
            continue;
        }
        const auto number = parse_number(key, most);
        if (!number || std::to_string(*number) != key) {
            find(key);
            fail(key, "is no worker's number: expected 0 … " + std::to_string(most));
        }
        tables[static_cast<std::uint32_t>(*number)] = table(key);
    }
    return tables;
}

void TomlReader::finish() const {
    for (auto&& [name, node] : table_) {
        const std::string key(name.str());
        if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
            const std::string hint = nearest(key, known_);
            throw ConfigError(where(name.source()) + ": unknown key '" + full_name(key) + "'" +
                              (hint.empty() ? "" : ": did you mean '" + full_name(hint) + "'?"));
        }
    }
}

void TomlReader::fail(std::string_view key, const std::string& text) const {
    const std::string name = full_name(key);
    const auto origin = origins_.find(name);
    const std::string place = origin != origins_.end() ? origin->second : where(table_.source());
    throw ConfigError(place + ": '" + name + "' " + text);
}

const toml::node* TomlReader::find(std::string_view key) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        known_.emplace_back(key);
    }
    const toml::node* node = table_.get(key);
    if (node != nullptr) {
        origins_[full_name(key)] = where(node->source());
    }
    return node;
}

void TomlReader::fail_type(std::string_view key, const toml::node& node,
                           std::string_view expected) const {
    throw ConfigError(where(node.source()) + ": '" + full_name(key) + "' is " +
                      std::string(name_of_type(node)) + ": expected " + std::string(expected));
}

std::string TomlReader::full_name(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

std::string TomlReader::where(const toml::source_region& source) const {
    return file_ + ":" + std::to_string(source.begin.line) + ":" +
           std::to_string(source.begin.column);
}

std::string TomlReader::text_of(std::string_view key, const toml::node& node,
                                std::string_view expected) const {
    if (!node.is_string()) {
        fail_type(key, node, expected);
    }
    const std::string& text = node.as_string()->get();
    // Would end the text early wherever it is handed to the system.
    if (text.find('\0') != std::string::npos) {
        throw ConfigError(where(node.source()) + ": '" + full_name(key) + "' contains a NUL");
    }
    return text;
}

}  // namespace shmipc::supervisor
