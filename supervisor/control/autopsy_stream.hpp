// Answers io.shmipc.Autopsy, in parts: of a group of 1,024 workers there are 20,000 deaths to tell,
// which would be a reply of many megabytes, and hold up everybody else while it is made.
//
// One part is made when the client has taken the last. Deaths that come meanwhile are not told;
// those that are forgotten meanwhile, neither.
#pragma once

#include "daemon/supervisor.hpp"
#include "keeper/certificate.hpp"
#include "varlink/server.hpp"
#include <shmipc/ids.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <tuple>
#include <vector>

namespace shmipc::supervisor {

class AutopsyStream : public std::enable_shared_from_this<AutopsyStream> {
  public:
    /// Deaths in one answer.
    static constexpr std::size_t kPart = 128;

    /// `supervisor` outlives it.
    AutopsyStream(const Supervisor& supervisor, std::shared_ptr<varlink::Call> call,
                  std::vector<WorkerIndex> workers)
        : supervisor_(supervisor), call_(std::move(call)), workers_(std::move(workers)) {}

    /// Lives on by itself until the last part, or until the client is gone.
    void start();

  private:
    using Place = std::tuple<std::chrono::steady_clock::time_point, std::uint32_t>;
    static Place place_of(const Certificate& death) {
        return {death.order, to_number(death.worker)};
    }

    /// Those that are to be told still, the oldest first.
    [[nodiscard]] std::vector<const Certificate*> rest() const;
    void send_part();

    const Supervisor& supervisor_;
    std::shared_ptr<varlink::Call> call_;
    std::vector<WorkerIndex> workers_;
    std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::now();
    Place told_{std::chrono::steady_clock::time_point::min(), 0};  ///< the last one
};

}  // namespace shmipc::supervisor
