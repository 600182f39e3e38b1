// What the tests of the real program share: a group and a runtime directory of the test's own, a
// supervisor on them, and the search for what it must not leave behind.
#pragma once

#include "process.hpp"

#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::test {

/// Everything is gone with it, whatever happened to the test.
class SupervisorRun {
  public:
    SupervisorRun();
    ~SupervisorRun();
    SupervisorRun(const SupervisorRun&) = delete;
    SupervisorRun& operator=(const SupervisorRun&) = delete;

    [[nodiscard]] const std::string& group() const noexcept { return group_; }
    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

    /// The command of a supervisor of this group with human log lines; `toml` is its configuration.
    [[nodiscard]] std::vector<std::string> command(const std::string& toml,
                                                   std::vector<std::string> options = {}) const;
    /// The same command, told as systemd tells it that systemd itself has started it.
    [[nodiscard]] std::vector<std::string> command_of_systemd(const std::string& toml) const;
    [[nodiscard]] Process start(const std::string& toml,
                                std::vector<std::string> options = {}) const {
        return Process(command(toml, std::move(options)));
    }
    /// Files in /dev/shm that belong to the group.
    [[nodiscard]] std::vector<std::string> objects() const;

  private:
    std::string group_;
    std::string directory_;
};

/// [worker] with the stock worker, quick; other keys of the table may follow.
std::string stock_worker();
/// [worker] with a script for sh. "echo >&3" tells that it is ready.
std::string script_worker(const std::string& script);

/// The environment of a program that has `library` preloaded, and `variable` ("NAME=value") for it.
std::vector<std::string> preloading(const std::string& library, const std::string& variable);

/// Waits for a line with `text`; fails the test, with all output, if it never comes.
std::string require_line(Process& process, const std::string& text);
/// The pid that a line names: "worker 1 (pid 4711) …".
pid_t pid_in(const std::string& line);
/// Pid of worker `index`, from the next line that tells of its start.
pid_t require_started(Process& supervisor, unsigned index);
/// Whether the process ends, waited for with patience. Also true if there is none.
bool ends(pid_t pid);
/// How often `part` is in `text`.
std::size_t occurrences(const std::string& text, const std::string& part);

}  // namespace shmipc::test
