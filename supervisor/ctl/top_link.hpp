// The connection of shmipcctl top, which outlives supervisors: asks for the status, then watches,
// and begins again when the supervisor is gone. Never blocks on a supervisor that does not answer.
#pragma once

#include "connection.hpp"
#include "top_model.hpp"

#include <chrono>
#include <optional>

namespace shmipc::ctl {

class TopLink {
  public:
    /// Throws Failure if there is no supervisor now.
    TopLink(Place place, Nanoseconds interval);

    /// Does what there is to do now: connects if it is time to, takes what has come. Throws Failure
    /// if there is no supervisor only until the first table has come, and what it refuses only
    /// until it was watched.
    void step(TopModel& model);

    /// To wait for with poll(2); −1 if there is no connection.
    [[nodiscard]] int descriptor() const noexcept {
        return connection_ ? connection_->descriptor() : -1;
    }
    /// For poll(2) too: until step() has something to do without the descriptor.
    [[nodiscard]] int patience_ms() const;

  private:
    void connect();
    void take(TopModel& model);
    /// After which a supervisor that says nothing does not just take its time.
    [[nodiscard]] Nanoseconds patience() const noexcept;

    Place place_;
    Nanoseconds interval_;
    std::optional<Connection> connection_;
    bool watching_ = false;  ///< else the status is asked for
    bool more_to_take_ = false;
    bool ever_connected_ = false;  ///< there has been a table
    bool ever_watched_ = false;
    std::chrono::steady_clock::time_point next_try_;
    std::chrono::steady_clock::time_point heard_;  ///< the latest answer, or the connection's begin
};

}  // namespace shmipc::ctl
