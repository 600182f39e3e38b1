// shmipc-worker: the stock worker. See options.cpp for its usage, exchange.hpp for what it does.
#include "base/log.hpp"
#include "base/os.hpp"
#include "exchange.hpp"
#include "options.hpp"
#include <shmipc/error.hpp>
#include <shmipc/worker.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

namespace {

using shmipc::worker::ExitCode;

// For the signal handler, which takes no argument.
std::atomic<bool> stop_requested{false};
std::atomic<shmipc::Worker*> interruptible{nullptr};
static_assert(std::atomic<bool>::is_always_lock_free &&
              std::atomic<shmipc::Worker*>::is_always_lock_free);

bool journal = false;  // where the log goes; known from log::init() on

void on_stop_signal(int /*signal*/) {
    // Release and acquire: the handler may run on any thread.
    stop_requested.store(true, std::memory_order_release);
    if (auto* const worker = interruptible.load(std::memory_order_acquire)) {
        worker->interrupt();
    }
}

/// Lets the handler interrupt the membership while it is in scope.
class Interruptible {
  public:
    explicit Interruptible(shmipc::Worker& worker) {
        interruptible.store(&worker, std::memory_order_release);
    }
    ~Interruptible() { interruptible.store(nullptr, std::memory_order_release); }
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;
};

void catch_stop_signals() {
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
}

void log_attached(const shmipc::Worker& worker) {
    using namespace shmipc;
    const auto& pins = worker.reclaimed_pins();
    const std::string text = "attached, incarnation " + std::to_string(worker.incarnation());
    log::log(log::Level::kInfo, log::Event::kWorkerAttached, text,
             {{"SHMIPC_INCARNATION", worker.incarnation()}});
    if (pins.empty()) {
        return;
    }
    for (const Worker::ReclaimedPin& pin : pins) {
        if (pin.held) {
            log::log(
                log::Level::kInfo, log::Event::kPinReclaimed,
                "message " + std::to_string(pin.sequence) + " of worker " +
                    std::to_string(to_number(pin.channel)) +
                    " was in use when the last incarnation died",
                {{"SHMIPC_CHANNEL", to_number(pin.channel)}, {"SHMIPC_SEQUENCE", pin.sequence}});
        }
    }
    log::log(log::Level::kInfo, log::Event::kPinsReclaimed,
             "reclaimed " + std::to_string(pins.size()) +
                 (pins.size() == 1 ? " stale pin" : " stale pins"),
             {{"SHMIPC_PINS_RECLAIMED", pins.size()}});
}

/// Why this ends. In the journal with the fields of all lines, elsewhere on standard error.
void complain(const char* what) {
    using namespace shmipc;
    if (journal) {
        log::log(log::Level::kError, log::Event::kMessage, what);
        log::flush(std::chrono::seconds{1});
    } else {
        std::cerr << "shmipc-worker: " << what << '\n';
    }
}

void run(const shmipc::worker::Options& options) {
    using namespace shmipc;
    Worker membership = Worker::attach(options.group, options.index);
    log_attached(membership);
    const Interruptible scope(membership);
    shmipc::worker::Exchange(membership, options, stop_requested).run();
    log::log(log::Level::kInfo, log::Event::kWorkerStopped, "stopped");
}

}  // namespace

int main(int argc, char** argv) {
    using namespace shmipc;
    // First of all: otherwise the next file that is opened would become standard output.
    if (!os::open_standard_descriptors()) {
        return static_cast<int>(ExitCode::kFailed);  // and no way to say why
    }
    std::signal(SIGXFSZ, SIG_IGN);  // a log that has reached RLIMIT_FSIZE: lines are dropped
    try {
        const worker::Command command = worker::parse_options(argc, argv);
        if (!command.run) {
            return static_cast<int>(command.exit_code);
        }
        const worker::Options& options = command.options;
        const std::string index = std::to_string(to_number(options.index));
        log::init({.identifier = "shmipc-worker",
                   .prefix = index,
                   .level = options.log_level,
                   .format = options.log_format,
                   .fields = {{"SHMIPC_GROUP", options.group.name},
                              {"SHMIPC_WORKER", to_number(options.index)},
                              {"SHMIPC_ORIGIN", "worker"}},
                   // A terminal that is stopped, or a pager, must not hold up what others wait for,
                   // nor make a supervisor believe that this worker hangs.
                   .never_block = true});
        journal = log::resolve(options.log_format) == log::Format::kJournal;
        catch_stop_signals();
        run(options);
        log::flush(std::chrono::seconds{1});
        return static_cast<int>(ExitCode::kOk);
    } catch (const Error& error) {
        complain(error.what());
        return static_cast<int>(error.errc() == Errc::kIdentityBusy ? ExitCode::kIdentityBusy
                                                                    : ExitCode::kFailed);
    } catch (const std::exception& error) {
        complain(error.what());
        return static_cast<int>(ExitCode::kFailed);
    }
}
