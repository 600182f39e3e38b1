#include "top_link.hpp"

#include "failure.hpp"

#include <algorithm>
#include <utility>

namespace shmipc::ctl {
namespace {

constexpr std::chrono::milliseconds kRetry{500};
constexpr int kMostRepliesAtOnce = 100;  ///< so that keys are heard in a flood
constexpr std::chrono::seconds kLeastPatience{5};
constexpr std::chrono::milliseconds kSilenceGrows{1000};  ///< how often its length is told

}  // namespace

TopLink::TopLink(Place place, Nanoseconds interval)
    : place_(std::move(place)), interval_(interval) {
    connect();
}

void TopLink::connect() {
    next_try_ = std::chrono::steady_clock::now() + kRetry;
    heard_ = std::chrono::steady_clock::now();
    watching_ = false;
    connection_ = Connection::open(place_);
    connection_->call_more("Status");
}

void TopLink::step(TopModel& model) {
    try {
        if (!connection_ && std::chrono::steady_clock::now() >= next_try_) {
            connect();
        }
        if (connection_) {
            take(model);
            const Nanoseconds silence = std::chrono::steady_clock::now() - heard_;
            if (silence >= patience()) {
                model.silent(silence);
            }
        }
    } catch (const Failure& failure) {
        connection_.reset();
        more_to_take_ = false;
        // From the first table on a supervisor that goes is waited for. One that refuses to be
        // watched would refuse each time.
        const bool gone = failure.code() == ExitCode::kNoSupervisor;
        if (!ever_watched_ && !(ever_connected_ && gone)) {
            throw;
        }
        model.lost(failure.reason());
    }
}

void TopLink::take(TopModel& model) {
    for (int i = 0; i < kMostRepliesAtOnce; ++i) {
        const auto reply = connection_->receive(std::chrono::milliseconds{0});
        more_to_take_ = reply.has_value();
        if (!reply) {
            return;
        }
        heard_ = std::chrono::steady_clock::now();
        if (watching_) {
            model.update(read_watch(reply->parameters));
            ever_watched_ = true;
            if (!reply->continues) {
                throw Failure(ExitCode::kNoSupervisor, "the supervisor has ended the watch");
            }
            continue;
        }
        model.connected(read_status(reply->parameters));
        ever_connected_ = true;
        const auto microseconds =
            std::chrono::duration_cast<std::chrono::microseconds>(interval_).count();
        connection_->call_more("Watch", {{"interval_usec", microseconds}, {"all", true}});
        watching_ = true;
    }
}

int TopLink::patience_ms() const {
    if (more_to_take_) {
        return 0;
    }
    const auto now = std::chrono::steady_clock::now();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        (connection_ ? heard_ + patience() : next_try_) - now);
    if (connection_ && left.count() <= 0) {
        return static_cast<int>(kSilenceGrows.count());
    }
    return static_cast<int>(std::max<std::chrono::milliseconds::rep>(0, left.count()));
}

Nanoseconds TopLink::patience() const noexcept {
    return std::max<Nanoseconds>(kLeastPatience, 3 * interval_);
}

}  // namespace shmipc::ctl
