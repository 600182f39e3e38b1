// A worker of one's own: each tells the others where it is, and follows the one before it in the
// group. Run it under the supervisor:
//   shmipc-supervisor --group poses --workers 3 -- shmipc-example-pose
// What makes it safe to kill at any instruction is the library; there is nothing to do for it here.
#include <shmipc/supervision.hpp>
#include <shmipc/worker.hpp>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>

namespace {

struct Pose {
    double x;
    double y;
};

shmipc::Worker* interruptible = nullptr;
volatile std::sig_atomic_t stop = 0;

void on_signal(int /*signal*/) {
    stop = 1;
    interruptible->interrupt();
}

}  // namespace

template <>
struct shmipc::PayloadName<Pose> {
    static constexpr std::string_view kName = "example.pose.v1";
};

int main() {
    using namespace std::chrono_literals;
    try {
        // Group, size and index come from the supervisor.
        shmipc::Worker worker = shmipc::Worker::attach_from_environment();
        interruptible = &worker;
        std::signal(SIGTERM, on_signal);
        const shmipc::WorkerIndex leader{(to_number(worker.index()) + worker.workers() - 1) %
                                         worker.workers()};
        auto mine = worker.producer<Pose>();
        auto other = worker.consumer<Pose>(leader);
        Pose pose{static_cast<double>(to_number(worker.index())), 0};
        mine.last(pose);  // where my last incarnation was, if it lived
        worker.ready();
        while (stop == 0) {
            if (const auto seen = other.acquire()) {
                pose.x += 0.1 * (seen->x - pose.x);
                pose.y += 0.1 * (seen->y - pose.y);
            }
            mine.publish(pose);
            // Asleep: first for our own pace, a hundred poses a second at the most; then until the
            // leader has moved or a second has passed. A signal ends either.
            worker.wait_newer({}, std::chrono::steady_clock::now() + 10ms);
            other.wait_newer(1s);
        }
        return 0;
    } catch (const shmipc::Error& error) {
        std::cerr << error.what() << '\n';
        // Somebody else is this worker: the supervisor tries again, and counts no death.
        return error.errc() == shmipc::Errc::kIdentityBusy
                   ? shmipc::supervision::kIdentityBusyStatus
                   : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
