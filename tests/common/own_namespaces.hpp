// For a child of a test: namespaces of its own. Works for root and, with user namespaces, for
// everybody. Throws where neither is permitted: such a machine cannot run these tests.
#pragma once

#include "base/os.hpp"

#include <csignal>
#include <fstream>
#include <stdexcept>
#include <string>

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::test {

/// `kinds`: CLONE_NEW… flags.
inline void leave_namespaces(int kinds) {
    const uid_t uid = ::getuid();
    const gid_t gid = ::getgid();
    if (::unshare(kinds) == 0) {
        return;
    }
    if (::unshare(CLONE_NEWUSER | kinds) != 0) {
        throw std::runtime_error(
            "this test needs namespaces of its own: run it as root, or permit user namespaces");
    }
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
}

/// A /dev/shm of its own, of `bytes` as mount(8) takes it ("8m"), which is empty.
inline void mount_own_shm(const char* bytes) {
    leave_namespaces(CLONE_NEWNS);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, (std::string("size=") + bytes).c_str()) != 0) {
        throw std::runtime_error("this test needs to mount a small /dev/shm, which was refused");
    }
}

/// Runs `body` as process 1 of a pid namespace of its own, which dies with its caller; returns the
/// status that it returned, or 128 and the number of the signal that killed it.
template <class Body>
int as_process_one(Body&& body) {
    leave_namespaces(CLONE_NEWPID);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::_exit(::getpid() == 1 ? body() : 97);
    }
    int status = 0;
    os::require("cannot wait for process 1", [&] { return ::waitpid(pid, &status, 0); });
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace shmipc::test
