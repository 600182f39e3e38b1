// The fields of a JSON object of the supervisor, which may be of another version than we: unknown
// fields are nobody's business, a missing or null one has a default, and one of another type is
// told.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::ctl {

/// Every function throws Failure, naming the field, for a value of another type or out of range.
class Fields {
  public:
    /// Borrows `object`.
    explicit Fields(const boost::json::object& object) noexcept : object_(&object) {}

    [[nodiscard]] const boost::json::object& raw() const noexcept { return *object_; }
    [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const;
    /// 0 if it is missing; never negative.
    [[nodiscard]] std::uint64_t count(std::string_view name) const;
    /// That must be there.
    [[nodiscard]] std::uint32_t worker_index(std::string_view name) const;
    [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
    /// From microseconds. Never negative, and of a century at the most, so that it can be added to.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> duration(std::string_view name) const;
    /// Empty if it is missing.
    [[nodiscard]] std::vector<Fields> objects(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> texts(std::string_view name) const;
    [[nodiscard]] std::vector<std::uint32_t> worker_indices(std::string_view name) const;

  private:
    [[nodiscard]] const boost::json::value* find(std::string_view name) const;
    [[nodiscard]] const boost::json::array* array(std::string_view name) const;

    const boost::json::object* object_;
};

}  // namespace shmipc::ctl
