// shmipcctl: looks at a group from outside, and cleans up after one. It needs no supervisor.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>

#include <shmipc/error.hpp>
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/os.hpp>
#include <shmipc/units.hpp>

#include "worker_list.hpp"

namespace {

enum class ExitCode : std::uint8_t { kOk = 0, kFailed = 1, kUsage = 64 };

constexpr const char* kFooter = R"(
Examples:
  shmipcctl --group demo peek all     the latest message of every worker
  shmipcctl --group demo clean        remove what a stopped group has left in /dev/shm

Exit codes: 0 done; 1 failed, with the reason on standard error; 64 wrong usage.)";

void print_bytes(const std::vector<std::byte>& bytes) {
    constexpr std::size_t kLine = 16;
    constexpr std::size_t kMost = 256;
    const std::size_t shown = bytes.size() < kMost ? bytes.size() : kMost;
    for (std::size_t line = 0; line < shown; line += kLine) {
        std::printf("  %08zx ", line);
        std::string text;
        for (std::size_t i = line; i < line + kLine; ++i) {
            if (i < shown) {
                const auto value = std::to_integer<unsigned>(bytes[i]);
                std::printf(" %02x", value);
                text += value >= 0x20 && value < 0x7f ? static_cast<char>(value) : '.';
            } else {
                std::printf("   ");
            }
        }
        std::printf("  |%s|\n", text.c_str());
    }
    if (shown < bytes.size()) {
        std::printf("  … %zu bytes more\n", bytes.size() - shown);
    }
}

void print_message(std::uint32_t worker, const shmipc::Observer::Message& message,
                   const shmipc::Observer::Payload& payload) {
    const auto& info = message.info;
    std::printf("worker %u: message %llu, incarnation %u, %u bytes", worker,
                static_cast<unsigned long long>(info.sequence), info.incarnation, info.size);
    if (!payload.name.empty()) {
        std::printf(", %s", payload.name.c_str());
    }
    if (const auto age = info.age()) {
        std::printf(", %s old", shmipc::describe_duration(*age).c_str());
    }
    std::printf("\n");
    // The stock worker's message is one number (worker/src/exchange.hpp).
    std::uint64_t value = 0;
    if (payload.name == "shmipc.counter.v1" && message.bytes.size() == sizeof value) {
        std::memcpy(&value, message.bytes.data(), sizeof value);
        std::printf("  value %llu\n", static_cast<unsigned long long>(value));
    } else {
        print_bytes(message.bytes);
    }
}

void peek(const std::string& group, const std::string& list) {
    auto observer = shmipc::Observer::open(group);
    shmipc::Observer::Message message;
    for (const auto worker : shmipc::ctl::parse_worker_list(list, observer.workers())) {
        const auto outcome = observer.read(worker, message);
        if (outcome == shmipc::Errc::kOk) {
            print_message(to_number(worker), message, observer.payload(worker));
        } else {
            std::printf("worker %u: %s\n", to_number(worker),
                        shmipc::make_error_code(outcome).message().c_str());
        }
    }
}

void clean(const std::string& group) {
    if (shmipc::Group::remove(group)) {
        std::printf("removed the objects of group '%s'\n", group.c_str());
    } else {
        std::printf("group '%s' has no objects: nothing to remove\n", group.c_str());
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Looks at a group of shmipc workers from outside, and cleans up after one.",
                 "shmipcctl"};
    app.footer(kFooter);
    app.set_version_flag("--version", "shmipcctl " SHMIPC_VERSION);
    app.require_subcommand(1);
    std::string group = "shmipc";
    std::string workers;
    app.add_option("--group", group, "Name of the group")->capture_default_str();
    auto* const peek_command =
        app.add_subcommand("peek", "Print the latest message of a worker, without disturbing it");
    peek_command->add_option("workers", workers, "Worker numbers: 1, 0,2-5, or all")->required();
    auto* const clean_command = app.add_subcommand(
        "clean", "Remove the objects of a group; refused while one of its workers runs");
    auto* const version_command = app.add_subcommand("version", "Print the version");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const bool asked = app.exit(error, std::cout, std::cerr) == 0;
        return static_cast<int>(asked ? ExitCode::kOk : ExitCode::kUsage);
    }
    try {
        shmipc::os::raise_descriptor_limit();
        if (peek_command->parsed()) {
            peek(group, workers);
        } else if (clean_command->parsed()) {
            clean(group);
        } else if (version_command->parsed()) {
            std::printf("shmipcctl %s\n", SHMIPC_VERSION);
        }
        return static_cast<int>(ExitCode::kOk);
    } catch (const std::invalid_argument& error) {
        std::cerr << "shmipcctl: " << error.what() << '\n';
        return static_cast<int>(ExitCode::kUsage);
    } catch (const std::exception& error) {
        std::cerr << "shmipcctl: " << error.what() << '\n';
        return static_cast<int>(ExitCode::kFailed);
    }
}
