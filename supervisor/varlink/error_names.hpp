// The errors that a Varlink service answers with on its own account: those of org.varlink.service,
// and ours, for clients that break a bound. Ours carry a `reason` for people.
#pragma once

#include <string_view>

namespace shmipc::varlink {

inline constexpr std::string_view kServiceInterface = "org.varlink.service";
inline constexpr std::string_view kInterfaceNotFound = "org.varlink.service.InterfaceNotFound";
inline constexpr std::string_view kMethodNotFound = "org.varlink.service.MethodNotFound";
inline constexpr std::string_view kMethodNotImplemented =
    "org.varlink.service.MethodNotImplemented";
inline constexpr std::string_view kInvalidParameter = "org.varlink.service.InvalidParameter";
inline constexpr std::string_view kPermissionDenied = "org.varlink.service.PermissionDenied";
inline constexpr std::string_view kExpectedMore = "org.varlink.service.ExpectedMore";

// The connection ends after each of these…
inline constexpr std::string_view kTooManyClients = "io.shmipc.control.TooManyClients";
inline constexpr std::string_view kMessageTooLong = "io.shmipc.control.MessageTooLong";
inline constexpr std::string_view kNotJson = "io.shmipc.control.NotJson";
inline constexpr std::string_view kNotVarlink = "io.shmipc.control.NotVarlink";
inline constexpr std::string_view kUnfinished = "io.shmipc.control.Unfinished";
inline constexpr std::string_view kFlood = "io.shmipc.control.Flood";
inline constexpr std::string_view kIdle = "io.shmipc.control.Idle";
// … but not after these: only that call is refused.
inline constexpr std::string_view kOutOfMemory = "io.shmipc.control.OutOfMemory";
inline constexpr std::string_view kUpgradeRefused = "io.shmipc.control.UpgradeRefused";

}  // namespace shmipc::varlink
