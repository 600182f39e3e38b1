// Reads one table of a TOML file key by key. Whatever is wrong becomes a ConfigError with file,
// line and column; finish() finds the keys that nobody asked for.
//
// Private to config.cpp and its tests: the only place that knows of toml++.
#pragma once

#include <toml++/toml.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::supervisor {

class TomlReader {
  public:
    /// `path` is the table's dotted name, empty for the root. `origins` gets where each key that is
    /// read was set. Keeps references to all of them.
    TomlReader(const toml::table& table, std::string path, const std::string& file,
               std::map<std::string, std::string>& origins);

    // Each leaves `value` alone if the key is missing, and throws if it has another type or is out
    // of range.
    void read(std::string_view key, bool& value);
    void read(std::string_view key, std::string& value);
    void read(std::string_view key, double& value, double least, double most);
    void read(std::string_view key, std::uint32_t& value, std::uint32_t least, std::uint32_t most);
    /// A whole number, or the one word that stands for `meaning`.
    void read_or_word(std::string_view key, std::uint32_t& value, std::uint32_t least,
                      std::uint32_t most, std::string_view word, std::uint32_t meaning);
    /// A string with a unit: "250ms".
    void read(std::string_view key, std::chrono::milliseconds& value,
              std::chrono::milliseconds least, std::chrono::milliseconds most);
    /// A whole number, or a string with a unit: "64KiB".
    void read_bytes(std::string_view key, std::uint64_t& value, std::uint64_t least,
                    std::uint64_t most);
    void read(std::string_view key, std::vector<std::string>& value);
    void read(std::string_view key, std::map<std::string, std::string>& value);
    /// One of `words`.
    void read_word(std::string_view key, std::string& value, const std::vector<std::string>& words);

    /// The table under `key`, or nullptr.
    const toml::table* table(std::string_view key);
    /// Tables whose key is a number, which read as elements: [worker.2].
    std::map<std::uint32_t, const toml::table*> numbered_tables(std::uint32_t most);

    /// Throws for the first key that was not read, and names the nearest that exists.
    void finish() const;

    /// Throws a ConfigError about `key`, which is there.
    [[noreturn]] void fail(std::string_view key, const std::string& text) const;

  private:
    const toml::node* find(std::string_view key);
    [[noreturn]] void fail_type(std::string_view key, const toml::node& node,
                                std::string_view expected) const;
    [[nodiscard]] std::string full_name(std::string_view key) const;
    [[nodiscard]] std::string where(const toml::source_region& source) const;
    std::string text_of(std::string_view key, const toml::node& node,
                        std::string_view expected) const;

    const toml::table& table_;
    std::string path_;
    const std::string& file_;
    std::map<std::string, std::string>& origins_;
    std::vector<std::string> known_;
};

}  // namespace shmipc::supervisor
