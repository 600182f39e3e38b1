#include "child.hpp"

#include "base/os.hpp"
#include <shmipc/supervision.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// Descriptors of the child, beyond the three standard ones and supervision::kReadyDescriptor.
constexpr int kExecDescriptor = supervision::kReadyDescriptor + 1;
/// Source descriptors are first moved above all that the child will have, so that dup2() of one
/// cannot close another.
constexpr int kParkedDescriptors = 16;
/// A child that could not exec is not waited for by this code: the pipe tells, not the status.
constexpr int kNotExecuted = 127;

struct Pipe {
    os::Fd read;
    os::Fd write;
};

Pipe make_pipe() {
    int ends[2];
    os::require("pipe2", [&] { return ::pipe2(ends, O_CLOEXEC); });
    // Above the standard ones: become() makes these what the child is to have.
    Pipe pipe{os::Fd(os::above_standard(ends[0])), os::Fd(os::above_standard(ends[1]))};
    // Only the supervisor's end: the flag belongs to the open end, and the worker's stays blocking.
    os::require("fcntl(F_SETFL)", [&] { return ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK); });
    return pipe;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        // exec(3) writes to none of them; its signature is older than const.
        result.push_back(const_cast<char*>(text.c_str()));  // NOLINT(*-const-cast)
    }
    result.push_back(nullptr);
    return result;
}

/// All that the child needs, made before the fork.
struct Birth {
    const char* program;
    char* const* arguments;
    char* const* environment;
    const rlimit* open_files;
    pid_t parent;
    int group_procs;  ///< −1: none
    int null;
    int output;  ///< −1: stays
    int ready;
    int exec;
};

// From here to the end of become() only async-signal-safe calls: another thread of the parent, had
// it one, might have held any lock at the fork.

[[noreturn]] void give_up(int exec, int error) noexcept {
    // A pipe that is empty takes the four bytes whole; and if not, the exit status still tells.
    static_cast<void>(os::retry([&] { return ::write(exec, &error, sizeof(error)); }));
    ::_exit(kNotExecuted);
}

void reset_signals() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) {
        ::sigaction(signal, &action, nullptr);  // refused for KILL, STOP and libc's own: no matter
    }
}

/// A background process of a terminal is stopped when it sets the terminal's modes, reads from it,
/// or writes to it under "stty tostop". One that has no terminal is not, nor are its children. It
/// stays in the session: as the leader of one of its own it would get the next serial line that it
/// opens for a terminal, and be killed when that hangs up.
void leave_terminal() noexcept {
    const int terminal =
        os::retry([] { return ::open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); });
    if (terminal >= 0) {
        ::ioctl(terminal, TIOCNOTTY);
        ::close(terminal);
    }
}

/// Whoever gets a standard descriptor closed takes his own first file for it.
void ensure_open(int fd, int null) noexcept {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0) {
        ::dup2(null, fd);
    } else if ((flags & FD_CLOEXEC) != 0) {
        ::fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
    }
}

[[noreturn]] void become(const Birth& birth) noexcept {
    // Still with all signals blocked: one that comes now waits for the new program. Dispositions
    // first, then the mask: the other way round the parent's handlers would run here.
    reset_signals();
    ::setpgid(0, 0);
    leave_terminal();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != birth.parent) {
        ::_exit(kNotExecuted);  // the parent died before the line above: nobody would ever kill us
    }
    if (birth.group_procs >= 0) {
        // Not a reason to give up: what is not in the group is looked for as where there is none.
        static_cast<void>(os::retry([&] { return ::write(birth.group_procs, "0", 1); }));
    }
    const int null = ::fcntl(birth.null, F_DUPFD, kParkedDescriptors);
    const int ready = ::fcntl(birth.ready, F_DUPFD, kParkedDescriptors);
    const int exec = ::fcntl(birth.exec, F_DUPFD, kParkedDescriptors);
    const int output = birth.output < 0 ? -1 : ::fcntl(birth.output, F_DUPFD, kParkedDescriptors);
    if (null < 0 || ready < 0 || exec < 0 || (birth.output >= 0 && output < 0)) {
        give_up(birth.exec, errno);
    }
    if (output >= 0 && (::dup2(output, STDOUT_FILENO) < 0 || ::dup2(output, STDERR_FILENO) < 0)) {
        give_up(exec, errno);
    }
    ensure_open(STDOUT_FILENO, null);
    ensure_open(STDERR_FILENO, null);
    if (::dup2(null, STDIN_FILENO) < 0 || ::dup2(ready, supervision::kReadyDescriptor) < 0 ||
        ::dup3(exec, kExecDescriptor, O_CLOEXEC) < 0 ||
        ::close_range(kExecDescriptor + 1, ~0U, 0) != 0) {
        give_up(exec, errno);
    }
    if (birth.open_files != nullptr) {
        ::setrlimit(RLIMIT_NOFILE, birth.open_files);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(birth.program, birth.arguments, birth.environment);
    give_up(kExecDescriptor, errno);
}

/// Blocks all signals while it lives.
class AllSignalsBlocked {
  public:
    AllSignalsBlocked() noexcept {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    AllSignalsBlocked(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

}  // namespace

Child spawn(const ChildSpec& spec) {
    const std::vector<char*> arguments = pointers(spec.arguments);
    const os::Fd null(os::require("open(/dev/null)", [] {
        return os::above_standard(::open("/dev/null", O_RDWR | O_CLOEXEC));
    }));
    Pipe ready = make_pipe();
    std::vector<std::string> variables = spec.environment;
    if (std::any_of(variables.begin(), variables.end(), [](const std::string& variable) {
            return variable.starts_with(std::string(supervision::kReadyVariable) + "=");
        })) {
        // Whoever is told the number is told which pipe it is.
        variables.push_back(std::string(supervision::kReadyPipeVariable) + "=" +
                            os::device_and_inode(ready.write.get()));
    }
    const std::vector<char*> environment = pointers(variables);
    Pipe exec = make_pipe();
    const Birth birth{.program = spec.program.c_str(),
                      .arguments = arguments.data(),
                      .environment = environment.data(),
                      .open_files = spec.open_files ? &*spec.open_files : nullptr,
                      .parent = ::getpid(),
                      .group_procs = spec.group_procs,
                      .null = null.get(),
                      .output = spec.output,
                      .ready = ready.write.get(),
                      .exec = exec.write.get()};
    Child child;
    {
        // A signal to a child that has not reset its dispositions yet would run the parent's
        // handler there, and write into the parent's Asio pipe.
        const AllSignalsBlocked blocked;
        child.pid = os::require("fork", [] { return ::fork(); });
        if (child.pid == 0) {
            become(birth);
        }
    }
    // Here too, else a kill of the group right now might come before the child's own call. It fails
    // once the child has execed; it has made the call itself then.
    ::setpgid(child.pid, child.pid);
    // The pid cannot have been reused: nobody but the caller reaps it. The bare call, because glibc
    // 2.36 declares its wrapper without C linkage.
    child.pidfd =
        os::Fd(os::above_standard(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0))));
    child.ready = std::move(ready.read);
    child.exec = std::move(exec.read);
    return child;
}

std::optional<int> exec_error(const os::Fd& exec) noexcept {
    int error = 0;
    const ssize_t length = os::retry([&] { return ::read(exec.get(), &error, sizeof(error)); });
    return length == static_cast<ssize_t>(sizeof(error)) ? std::optional(error) : std::nullopt;
}

}  // namespace shmipc::supervisor
