// Reads the parameters of a call, each by its name and type; what fits nothing is refused by name.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::varlink {

/// null counts as missing; a parameter of another type throws InvalidParameter with its name.
class Parameters {
  public:
    /// `parameters` must outlive this.
    explicit Parameters(const boost::json::object& parameters) noexcept : parameters_(parameters) {}
    explicit Parameters(boost::json::object&&) = delete;

    std::optional<std::int64_t> integer(std::string_view name);
    std::optional<bool> boolean(std::string_view name);
    std::optional<std::string> text(std::string_view name);
    std::optional<std::vector<std::int64_t>> integers(std::string_view name);
    /// Throws InvalidParameter for a name that nobody asked for.
    void finish() const;

  private:
    const boost::json::value* find(std::string_view name);

    const boost::json::object& parameters_;
    std::set<std::string, std::less<>> asked_;
};

}  // namespace shmipc::varlink
