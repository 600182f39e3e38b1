#include "launch.hpp"

#include "config/placeholders.hpp"
#include "kin.hpp"
#include "program_check.hpp"
#include <shmipc/supervision.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// Meant for the supervisor alone: a worker that told the service manager about itself, or took the
/// supervisor's sockets for its own, would only harm; and its output is not the supervisor's way
/// into the journal.
bool is_scrubbed(std::string_view name) noexcept {
    return name == "NOTIFY_SOCKET" || name == "JOURNAL_STREAM" || name.starts_with("WATCHDOG_") ||
           name.starts_with("LISTEN_");
}

bool is_executable_file(const std::string& path) noexcept {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

std::string value_of(const std::vector<std::string>& environment, std::string_view name) {
    for (const std::string& entry : environment) {
        if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
            return entry.substr(name.size() + 1);
        }
    }
    return {};
}

std::string own_directory() {
    std::array<char, 4096> path{};
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
    const std::string_view text(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    return std::string(
        text.substr(0, text.rfind('/') == std::string_view::npos ? 0 : text.rfind('/')));
}

std::vector<std::string> child_environment(const Config& config, WorkerIndex index,
                                           const WorkerSettings& settings,
                                           const LaunchContext& context) {
    std::map<std::string, std::string> variables;
    for (const std::string& entry : context.environment) {
        const std::size_t end = entry.find('=');
        const std::string name = entry.substr(0, end);
        if (end != std::string::npos && !is_scrubbed(name)) {
            variables[name] = entry.substr(end + 1);
        }
    }
    variables[supervision::kLogLevelVariable] = log::name_of(config.log_level);
    variables[supervision::kLogFormatVariable] = log::name_of(context.log_format);
    // The file may set a level of its own for one worker; what follows is not for it to change.
    for (const auto& [name, value] : settings.environment) {
        variables[name] = value;
    }
    const layout::Geometry geometry = config.group.geometry();
    variables[supervision::kGroupVariable] = config.group.name;
    variables[supervision::kWorkersVariable] = std::to_string(geometry.workers);
    variables[supervision::kIndexVariable] = std::to_string(to_number(index));
    variables[supervision::kCapacityVariable] = std::to_string(geometry.capacity);
    variables[supervision::kSlotsVariable] = std::to_string(geometry.slots);
    variables[supervision::kReadyVariable] = std::to_string(supervision::kReadyDescriptor);
    variables.erase(
        supervision::kReadyPipeVariable);  // which pipe it will be is known when it is made
    if (!context.life.empty()) {
        variables[supervision::kLaunchVariable] = mark_of(context.life, index);
    }
    std::vector<std::string> entries;
    entries.reserve(variables.size());
    for (const auto& [name, value] : variables) {
        entries.push_back(name + "=" + value);
    }
    return entries;
}

std::string filled(std::string_view text, const Config& config, WorkerIndex index) {
    return with_values(text, PlaceholderValues{config.group.name, config.group.workers, index});
}

}  // namespace

LaunchContext launch_context(log::Format configured) {
    LaunchContext context;
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
        context.environment.emplace_back(*entry);
    }
    context.own_directory = own_directory();
    context.log_format = log::resolve(configured);
    context.life = random_life();
    return context;
}

Program find_program(const std::string& program, const LaunchContext& context) {
    if (program.find('/') != std::string::npos) {
        return {program, true};  // exec says what is wrong with it
    }
    std::string directories = context.own_directory + ":" + value_of(context.environment, "PATH");
    while (!directories.empty()) {
        const std::size_t end = directories.find(':');
        const std::string directory = directories.substr(0, end);
        directories.erase(0, end == std::string::npos ? end : end + 1);
        // An empty entry of PATH would stand for the current directory, which is nobody's
        // intention.
        if (!directory.empty() && is_executable_file(directory + "/" + program)) {
            return {directory + "/" + program, true};
        }
    }
    return {program, false};
}

std::string program_name(const Config& config, WorkerIndex index, const WorkerSettings& settings) {
    return filled(settings.command.front(), config, index);
}

std::string not_found(const std::string& program, const LaunchContext& context) {
    const std::string& beside = context.own_directory;
    return program + ": no such executable beside the supervisor (" +
           (beside.empty() ? "unknown, for there is no /proc here" : beside) + ") or in PATH";
}

std::string why_not_startable(const Config& config, WorkerIndex index,
                              const WorkerSettings& settings, const LaunchContext& context) {
    const std::string name = program_name(config, index, settings);
    const Program program = find_program(name, context);
    if (!program.found) {
        return not_found(name, context);
    }
    const std::string why = why_not_executable(program.path);
    return why.empty() ? "" : program.path + ": " + why;
}

ChildSpec plan_launch(const Config& config, WorkerIndex index, const WorkerSettings& settings,
                      const std::string& program, const LaunchContext& context) {
    ChildSpec spec;
    spec.program = program;
    for (const std::string& argument : settings.command) {
        spec.arguments.push_back(filled(argument, config, index));
    }
    spec.environment = child_environment(config, index, settings, context);
    spec.open_files = context.open_files;
    return spec;
}

}  // namespace shmipc::supervisor
