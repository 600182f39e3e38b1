#include "fork_guard.hpp"

#include "membership.hpp"
#include <shmipc/detail/check.hpp>
#include <shmipc/detail/cores.hpp>
#include <shmipc/error.hpp>

#include <algorithm>
#include <mutex>
#include <vector>

#include <pthread.h>

namespace shmipc::detail {

namespace {

// Process-wide because pthread_atfork is: its handlers take no argument. Never destroyed, since a
// fork may happen during exit.
struct Registry {
    std::mutex mutex;
    std::vector<Membership*> memberships;
};

Registry& registry() {
    static auto& instance = *new Registry;
    return instance;
}

// The mutex is held across the fork, so that the child finds the list whole.
void before_fork() {
    registry().mutex.lock();
}
void after_fork_in_parent() {
    registry().mutex.unlock();
}
void after_fork_in_child() {
    for (Membership* const membership : registry().memberships) {
        membership->disown_in_child();
    }
    registry().memberships.clear();
    registry().mutex.unlock();
}

}  // namespace

void register_for_fork(Membership& membership) {
    static const int installed = [] {
        registry();
        return pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    }();
    if (installed != 0) {
        throw Error::from_errno(Errc::kSystem, installed, "cannot install fork handlers");
    }
    const std::lock_guard lock(registry().mutex);
    registry().memberships.push_back(&membership);
}

void unregister_for_fork(Membership& membership) noexcept {
    const std::lock_guard lock(registry().mutex);
    std::erase(registry().memberships, &membership);
}

void fail_in_forked_child() noexcept {
    fail_check(__FILE__, __LINE__, __func__,
               "a worker's handle was used in a child that the worker forked: memberships are not "
               "inherited; attach in the child under another index, or exec");
}

}  // namespace shmipc::detail
