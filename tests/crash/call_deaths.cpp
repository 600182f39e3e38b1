#include "call_deaths.hpp"

#include "payload.hpp"
#include <shmipc/observer.hpp>

#include <exception>

namespace shmipc::crash {

std::uint64_t stock_sequence(const std::string& group, WorkerIndex index) {
    Observer observer = Observer::open(group);
    Observer::Message message;
    const Errc outcome = observer.read(index, message);
    if (outcome == Errc::kEmpty) {
        return 0;
    }
    expect(outcome == Errc::kOk, "an observer cannot read worker " +
                                     std::to_string(to_number(index)) +
                                     "'s latest message: " + make_error_code(outcome).message());
    expect(message.bytes.size() == sizeof(std::uint64_t) &&
               value_of(message.bytes) == message.info.sequence,
           "torn: message " + std::to_string(message.info.sequence) + " has value " +
               std::to_string(value_of(message.bytes)));
    return message.info.sequence;
}

void kill_at_each(Toll& toll, std::uint32_t places, std::uint32_t stride,
                  const std::function<void(std::uint32_t)>& play) {
    for (std::uint32_t place = 0; place <= places && !toll.hopeless(); place += stride) {
        heed_signals();
        try {
            play(place);
            toll.died();
        } catch (const std::exception& error) {
            toll.failed("death at the " + std::string(place % 2 == 1 ? "entry" : "exit") +
                            " of system call " + std::to_string((place + 1) / 2),
                        error.what());
        }
    }
}

}  // namespace shmipc::crash
