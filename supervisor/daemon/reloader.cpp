#include "reloader.hpp"

#include "base/log.hpp"
#include "shared/text.hpp"
#include <shmipc/detail/check.hpp>
#include <shmipc/error.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace shmipc::supervisor {
namespace {

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

void log_outcome(const Reloader::Outcome& outcome) {
    using Kind = Reloader::Outcome::Kind;
    if (outcome.kind == Kind::kConfigInvalid) {
        log::log(log::Level::kError, log::Event::kConfigInvalid,
                 "the configuration stays as it was: " + outcome.reason);
        return;
    }
    std::string text = "configuration reloaded";
    if (!outcome.changes.applied.empty()) {
        text += "; changed: " + joined(outcome.changes.applied);
    }
    if (!outcome.rolled.empty()) {
        text += "; new command for " + name_workers(outcome.rolled);
    }
    if (outcome.changes.applied.empty() && outcome.rolled.empty()) {
        text += "; nothing changed";
    }
    if (!outcome.changes.needs_restart.empty()) {
        text += "; takes effect when the supervisor is restarted: " +
                joined(outcome.changes.needs_restart);
    }
    if (outcome.kind == Kind::kRolloutFailed) {
        text += "; the roll-out stopped at worker " + std::to_string(to_number(outcome.worker)) +
                ", " + outcome.reason +
                (outcome.rolled_back ? ": it has its old command again, as those after it"
                                     : ": those after it keep their command");
    }
    if (outcome.kind == Kind::kStopped) {
        text += "; the roll-out ended, since the supervisor stops";
    }
    log::log(outcome.kind != Kind::kRolloutFailed ? log::Level::kInfo : log::Level::kError,
             log::Event::kConfigReloaded, text);
    for (const std::string& warning : outcome.warnings) {
        log::log(log::Level::kWarning, log::Event::kMessage, warning);
    }
}

}  // namespace

Reloader::Reloader(boost::asio::io_context& io, Supervisor& supervisor, Sources sources)
    : io_(io), supervisor_(supervisor), sources_(std::move(sources)) {}

void Reloader::start(Done done) {
    SHMIPC_CHECK(!running(), "the caller asks running()");
    done_ = std::move(done);
    outcome_ = {};
    queue_.clear();
    current_.reset();
    rolling_back_ = false;
    if (sources_.on_begin) {
        sources_.on_begin();
    }
    try {
        const Config fresh = sources_.load();
        supervisor_.check_commands(fresh);
        outcome_.warnings = sources_.prepare(fresh);
        outcome_.changes = supervisor_.reconfigure(fresh);
    } catch (const ConfigError& error) {
        outcome_.kind = Outcome::Kind::kConfigInvalid;
        outcome_.reason = error.what();
    } catch (const Error& error) {
        outcome_.kind = Outcome::Kind::kConfigInvalid;
        outcome_.reason = error.text();
    } catch (const std::bad_alloc&) {
        outcome_.kind = Outcome::Kind::kConfigInvalid;
        outcome_.reason = "there is not enough memory to read it";
    }
    if (outcome_.kind == Outcome::Kind::kDone) {
        const std::vector<WorkerIndex> outdated = supervisor_.outdated();
        queue_.assign(outdated.begin(), outdated.end());
        retry_failed();
        advance();
    } else {
        finish();
    }
}

void Reloader::retry_failed() {
    // The worker that the last roll-out stopped at has the command that failed: as long as that is
    // not mended it must not be passed over, or each try would take down one worker more.
    const auto worker = std::exchange(failed_at_, std::nullopt);
    if (!worker || supervisor_.state(*worker) == State::kRunning ||
        supervisor_.state(*worker) == State::kStopped) {
        return;
    }
    if (std::find(queue_.begin(), queue_.end(), *worker) == queue_.end()) {
        queue_.push_front(*worker);
    }
}

void Reloader::request() {
    if (running()) {
        again_ = true;
    } else {
        start([](const Outcome&) {});
    }
}

void Reloader::on_change() {
    if (running() && !posted_) {
        posted_ = true;
        boost::asio::post(io_, [this] {
            posted_ = false;
            if (running()) {
                advance();
            }
        });
    }
}

void Reloader::advance() {
    while (running()) {
        if (current_ && !current_is_done()) {
            return;
        }
        if (queue_.empty()) {
            finish();
        } else if (!supervisor_.takes_orders()) {
            outcome_.kind = Outcome::Kind::kStopped;
            finish();
        } else {
            begin_next();
        }
    }
}

void Reloader::begin_next() {
    const WorkerIndex worker = queue_.front();
    queue_.pop_front();
    const State state = supervisor_.state(worker);
    old_settings_.reset();
    if (state == State::kRunning && supervisor_.config().rollback) {
        old_settings_ = supervisor_.settings(worker);
    }
    supervisor_.adopt_process(worker);
    if (state == State::kStopped || state == State::kStopping) {
        outcome_.rolled.push_back(worker);  // gets it when it is started
        return;
    }
    current_ = worker;
    launch_before_ = supervisor_.launch_number(worker);
    supervisor_.order(worker, Event::kRestart);
}

bool Reloader::current_is_done() {
    const State state = supervisor_.state(*current_);
    switch (state) {
        case State::kStarting:
        case State::kRestarting:
        case State::kAborting:  // what it died of is known when it has
            return false;
        case State::kRunning:
            if (supervisor_.launch_number(*current_) == launch_before_) {
                return false;
            }
            break;
        case State::kStopped:
        case State::kStopping:  // by another order meanwhile
            break;
        case State::kBackoff:
        case State::kFailed:
            if (rolling_back_) {
                fail_rollout(outcome_.reason + ", and then " + end_of_current() +
                             " with its old command");
            } else if (old_settings_) {
                roll_back("which " + end_of_current());
            } else {
                fail_rollout("which " + end_of_current());
            }
            return false;
    }
    if (rolling_back_) {
        fail_rollout(outcome_.reason);
        return false;
    }
    outcome_.rolled.push_back(*current_);
    current_.reset();
    return true;
}

std::string Reloader::end_of_current() const {
    const Certificate* const death = supervisor_.deaths(*current_).last_death();
    if (death == nullptr) {
        return "did not become ready";
    }
    // Why a program cannot be executed stands in what followed.
    return how_it_ended(*death) +
           (kind_of(*death) == DeathKind::kNotStarted ? ": " + death->consequence : "");
}

void Reloader::roll_back(const std::string& reason) {
    outcome_.reason = reason;
    outcome_.rolled_back = true;
    rolling_back_ = true;
    // Then outdated(), so that the next reload tries the new one again.
    supervisor_.give_back(*current_, *std::exchange(old_settings_, std::nullopt));
    launch_before_ = supervisor_.launch_number(*current_);
    supervisor_.order(*current_, Event::kRestart);
}

void Reloader::fail_rollout(const std::string& reason) {
    failed_at_ = rolling_back_ ? std::nullopt : current_;
    outcome_.kind = Outcome::Kind::kRolloutFailed;
    outcome_.worker = *current_;
    outcome_.reason = reason;
    finish();
}

void Reloader::finish() {
    queue_.clear();
    current_.reset();
    ++(outcome_.kind == Outcome::Kind::kDone ? succeeded_ : failed_);
    log_outcome(outcome_);
    if (sources_.on_end) {
        sources_.on_end();
    }
    // May start the next reload from within.
    std::exchange(done_, nullptr)(std::exchange(outcome_, {}));
    if (!running() && std::exchange(again_, false) && supervisor_.takes_orders()) {
        request();
    }
}

}  // namespace shmipc::supervisor
