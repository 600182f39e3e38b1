#include "kin.hpp"

#include "base/os.hpp"
#include "proc_text.hpp"
#include "shared/text.hpp"
#include <shmipc/supervision.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <random>
#include <utility>

#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

constexpr std::string_view kMark = supervision::kLaunchVariable;
/// Reaped in one go; a storm of orphans does not keep the supervisor from its workers.
constexpr int kMostReapedAtOnce = 1024;
/// An environment that is longer than this is read no further: it is bounded by what exec takes.
constexpr std::size_t kMostEnvironment = std::size_t{4} << 20U;
constexpr std::size_t kMostChildren = std::size_t{16} << 20U;
/// How deep below a main process the real one may lie.
constexpr int kMostGenerations = 256;

bool is_end(const siginfo_t& info) noexcept {
    return info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
}

}  // namespace

std::string random_life() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::random_device random;
    std::string life(32, '0');
    for (char& digit : life) {
        digit = kDigits[random() % kDigits.size()];
    }
    return life;
}

std::string mark_of(std::string_view life, WorkerIndex worker) {
    return std::string(life) + "-" + std::to_string(to_number(worker));
}

std::optional<std::string_view> marked(std::string_view environment, std::string_view life) {
    std::optional<std::string_view> found;
    while (!environment.empty()) {
        const std::size_t end = environment.find('\0');
        std::string_view entry = environment.substr(0, end);
        environment.remove_prefix(end == std::string_view::npos ? environment.size() : end + 1);
        if (entry.size() <= kMark.size() || !entry.starts_with(kMark) ||
            entry[kMark.size()] != '=') {
            continue;
        }
        entry.remove_prefix(kMark.size() + 1);
        found.reset();
        if (!life.empty() && entry.size() > life.size() + 1 && entry.starts_with(life) &&
            entry[life.size()] == '-') {
            found = entry.substr(life.size() + 1);
        }
    }
    return found;
}

std::optional<WorkerIndex> worker_of(std::string_view environment, std::string_view life,
                                     std::size_t workers) {
    const auto text = marked(environment, life);
    const auto number =
        text && workers > 0 ? parse_number(*text, workers - 1) : std::optional<std::uint64_t>{};
    return number ? std::optional(WorkerIndex{static_cast<std::uint32_t>(*number)}) : std::nullopt;
}

std::optional<Placed> parse_place(std::string_view stat) {
    constexpr int kParent = 4;
    constexpr int kGroup = 5;
    constexpr int kSession = 6;
    constexpr int kStarted = 22;
    constexpr std::uint64_t kMostPid = INT32_MAX;
    const auto parent = parse_number(stat_field(stat, kParent), kMostPid);
    const auto group = parse_number(stat_field(stat, kGroup), kMostPid);
    const auto session = parse_number(stat_field(stat, kSession), kMostPid);
    const auto started = parse_number(stat_field(stat, kStarted), UINT64_MAX);
    if (!parent || !group || !session || !started) {
        return std::nullopt;
    }
    return Placed{.parent = static_cast<pid_t>(*parent),
                  .group = static_cast<pid_t>(*group),
                  .session = static_cast<pid_t>(*session),
                  .started = *started};
}

std::optional<Placed> place_of(pid_t pid) {
    const auto stat = read_proc(pid, "stat");
    return stat ? parse_place(*stat) : std::nullopt;
}

Kin::Kin(std::string life, std::size_t workers)
    : life_(std::move(life)), mains_(workers, -1), group_of_(workers, -1) {}

bool Kin::adopt_orphans() noexcept {
    return ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

void Kin::born(WorkerIndex worker, pid_t main) {
    const std::uint32_t number = to_number(worker);
    const auto before = groups_.find(group_of_[number]);
    if (before != groups_.end() && before->second == worker) {
        groups_.erase(before);
    }
    mains_[number] = main;
    group_of_[number] = main;
    groups_.insert_or_assign(main, worker);
}

void Kin::buried(WorkerIndex worker) {
    mains_[to_number(worker)] = -1;
}

bool Kin::is_main(pid_t pid) const {
    const auto found = groups_.find(pid);
    return found != groups_.end() && mains_[to_number(found->second)] == pid;
}

bool Kin::look() {
    bool more = true;
    for (int reaped = 0; more && reaped < kMostReapedAtOnce; ++reaped) {
        siginfo_t info{};
        // Whoever it is that has ended is only looked at here, and reaped by its pid below: a main
        // process is its keeper's. __WALL: also a thread of one, if it is us who trace it.
        const int asked = os::retry(
            [&] { return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL); });
        if (asked != 0 || info.si_pid == 0 || (is_end(info) && is_anothers(info.si_pid))) {
            more = false;
        } else if (is_end(info)) {
            ::waitpid(info.si_pid, nullptr, WNOHANG | __WALL);
            adopted_.erase(info.si_pid);
        } else {
            let_go(info.si_pid, info.si_status);
        }
    }
    std::map<pid_t, Adopted> before = std::exchange(adopted_, {});
    for (const pid_t pid : adopted_pids()) {
        const auto place = place_of(pid);
        if (!place) {
            continue;
        }
        const auto known = before.find(pid);
        const bool same = known != before.end() && known->second.started == place->started;
        adopted_.emplace(pid, Adopted{.started = place->started,
                                      .group = place->group,
                                      .worker = same && known->second.worker ? known->second.worker
                                                                             : whose(pid, *place)});
    }
    return more;
}

std::vector<pid_t> Kin::adopted_pids() const {
    const pid_t self = ::getpid();
    // Of the main thread, which is the one that adopts.
    const std::string name = "task/" + std::to_string(self) + "/children";
    const auto text = read_proc(self, name.c_str(), kMostChildren);
    std::vector<pid_t> pids;
    std::string_view rest = text ? std::string_view(*text) : std::string_view{};
    while (!rest.empty()) {
        const std::size_t end = rest.find(' ');
        const auto pid = parse_number(rest.substr(0, end), INT32_MAX);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (pid && !is_anothers(static_cast<pid_t>(*pid))) {
            pids.push_back(static_cast<pid_t>(*pid));
        }
    }
    return pids;
}

std::optional<WorkerIndex> Kin::whose(pid_t pid, const Placed& place) const {
    for (const pid_t number : {place.group, place.session}) {
        const auto found = groups_.find(number);
        if (found != groups_.end()) {
            return found->second;
        }
    }
    const auto environment = read_proc(pid, "environ", kMostEnvironment);
    return environment ? worker_of(*environment, life_, mains_.size()) : std::nullopt;
}

std::size_t Kin::end(WorkerIndex worker) {
    std::size_t left = worker_groups_.end(worker) ? 1 : 0;
    for (const auto& [pid, adopted] : adopted_) {
        if (adopted.worker == worker) {
            // A child of ours that is not reaped yet: the pid is its own, and so is the group of
            // that number.
            if (adopted.group == pid) {
                ::kill(-pid, SIGKILL);
            }
            ::kill(pid, SIGKILL);
            ++left;
        }
    }
    const auto group = groups_.find(group_of_[to_number(worker)]);
    if (left == 0 && mains_[to_number(worker)] < 0 && group != groups_.end() &&
        group->second == worker) {
        groups_.erase(group);  // nobody is in it any more, and its number is anybody's
    }
    return left;
}

std::size_t Kin::end_all() {
    for (const auto& [pid, adopted] : adopted_) {
        ::kill(pid, SIGKILL);
    }
    return adopted_.size();
}

std::vector<pid_t> Kin::left_of(WorkerIndex worker) const {
    std::vector<pid_t> pids;
    for (const auto& [pid, adopted] : adopted_) {
        if (adopted.worker == worker) {
            pids.push_back(pid);
        }
    }
    return pids;
}

std::map<pid_t, std::uint64_t> Kin::adopted() const {
    std::map<pid_t, std::uint64_t> result;
    for (const auto& [pid, adopted] : adopted_) {
        result.emplace(pid, adopted.started);
    }
    return result;
}

bool Kin::belongs(WorkerIndex worker, pid_t told) {
    const pid_t self = ::getpid();
    pid_t pid = told;
    for (int generation = 0; generation < kMostGenerations && pid > 1; ++generation) {
        if (pid == mains_[to_number(worker)]) {
            return true;
        }
        const auto place = place_of(pid);
        if (!place || pid == self || is_main(pid)) {
            return false;
        }
        if (place->parent == self) {
            const auto known = adopted_.find(pid);
            const bool same = known != adopted_.end() && known->second.started == place->started;
            auto owner = same ? known->second.worker : std::nullopt;
            if (!owner) {
                owner = whose(pid, *place).value_or(worker);
                adopted_.insert_or_assign(
                    pid,
                    Adopted{.started = place->started, .group = place->group, .worker = owner});
            }
            return owner == worker;
        }
        pid = place->parent;
    }
    return false;
}

void let_go(pid_t pid, int signal) noexcept {
    // What a traced process stops for is to be handed on; but SIGTRAP is the tracer's own matter,
    // and a group stop (which has no siginfo) is taken up by the detached process itself.
    const int passed = (signal & 0x7f) == SIGTRAP ? 0 : signal & 0x7f;
    if (::ptrace(PTRACE_DETACH, pid, nullptr, passed) != 0) {
        // Forbidden (seccomp): the stop is taken note of, else it would be told again and again.
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOHANG | __WALL);
    }
}

}  // namespace shmipc::supervisor
