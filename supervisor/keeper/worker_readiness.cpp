// The part of WorkerKeeper that learns that a worker is ready: by the pipe that it was given, or,
// where a wrapper has closed that, by what the worker says in shared memory.
#include "worker_keeper.hpp"

#include <boost/asio/buffer.hpp>

#include <string_view>

namespace shmipc::supervisor {
namespace {

/// A program that writes this much before the newline of readiness is not about to tell it.
constexpr std::size_t kMostBeforeReady = 4096;
/// How often to look at what a worker says that has no pipe left to say it with.
constexpr std::chrono::milliseconds kReadyLook{100};
/// Longer than a worker waits for its identity (AttachOptions::identity_timeout). One that did not
/// get it, because a stranger was quicker, has ended by then.
constexpr std::chrono::seconds kStrangerPatience{3};

}  // namespace

void WorkerKeeper::watch_readiness() {
    ready_->async_read_some(boost::asio::buffer(ready_bytes_),
                            [this, launch = machine_.launch()](
                                const boost::system::error_code& error, std::size_t length) {
                                // A read that was done at once waits in the loop: the worker may
                                // have been buried since.
                                if (launch != machine_.launch() || !ready_ ||
                                    error == boost::asio::error::operation_aborted) {
                                    return;
                                }
                                if (error) {
                                    ready_.reset();  // closed without a word
                                    look_for_readiness(launch);
                                    return;
                                }
                                read_readiness(launch, length);
                            });
}

void WorkerKeeper::read_readiness(std::uint64_t launch, std::size_t length) {
    const std::string_view text(ready_bytes_.data(), length);
    if (text.find('\n') == std::string_view::npos) {
        before_ready_ += length;
        if (before_ready_ < kMostBeforeReady) {
            watch_readiness();
        } else {
            ready_.reset();  // else reading its rubbish could keep us busy
            look_for_readiness(launch);
        }
        return;
    }
    // Told, and so executed: neither pipe has anything to say any more.
    ready_.reset();
    exec_.reset();
    become_ready(launch);
}

void WorkerKeeper::become_ready(std::uint64_t launch) {
    if (ready_at_) {
        return;  // believed already, before it came to write it into the pipe
    }
    ready_at_ = Clock::now();
    hang_.begin(*ready_at_);
    const State before = machine_.state();
    carry_out(Event::kReady, before, machine_.observe(Event::kReady, launch));
}

void WorkerKeeper::look_for_readiness(std::uint64_t launch) {
    if (launch != machine_.launch() || machine_.state() != State::kStarting) {
        return;
    }
    if (says_ready()) {
        // The pipe stays where it is open still: whoever writes into it must find a reader.
        become_ready(launch);
    } else if (!ready_) {
        ready_timer_.expires_after(kReadyLook);
        ready_timer_.async_wait([this, launch](const boost::system::error_code& error) {
            if (!error) {
                look_for_readiness(launch);
            }
        });
    }
}

bool WorkerKeeper::says_ready() const {
    const auto first = surroundings_.group.vital_signs(index_);
    if (!first || !attached(*first) || first->state != layout::WorkerState::kReady) {
        return false;
    }
    // Once more: one look may have met the new incarnation and still the old one's state.
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (!vitals || vitals->incarnation != first->incarnation ||
        vitals->state != layout::WorkerState::kReady) {
        return false;
    }
    // Not necessarily our process: another one may have taken the identity, and ours is about to
    // end because of that. Of a process that cannot be known by its pid, since it has a pid
    // namespace of its own, time must tell.
    const auto told = static_cast<pid_t>(vitals->pid);
    return told == pid_ || (told > 0 && surroundings_.kin.belongs(index_, told)) ||
           Clock::now() - launched_at_ >= kStrangerPatience;
}

}  // namespace shmipc::supervisor
