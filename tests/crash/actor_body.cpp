// The worker's own side of an Actor.
#include "actor.hpp"
#include "payload.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <sys/socket.h>

namespace shmipc::crash {

namespace {

/// A wait may sleep for longer than any test, so that a lost wake-up is a hang and not a delay.
constexpr std::chrono::seconds kSleep{600};

class Body {
  public:
    Body(const GroupConfig& config, WorkerIndex index, Page& page)
        : page_(page),
          worker_(Worker::attach(config, index, options(config))),
          producer_(worker_.producer()) {
        page_.incarnation = worker_.incarnation();
        page_.recovered = producer_.sequence();
        check_own_last();
        for (std::uint32_t i = 0; i < worker_.workers(); ++i) {
            if (WorkerIndex{i} != index) {
                consumers_.emplace(WorkerIndex{i}, worker_.consumer(WorkerIndex{i}));
            }
        }
    }

    [[nodiscard]] const Worker& worker() const { return worker_; }

    void run(const Command& command) {
        switch (command.op) {
            case Op::kPublish:
            case Op::kLoan:
                return publish(command.op == Op::kLoan);
            case Op::kFlood:
                return flood();
            case Op::kReturnLoan:
                return return_loan();
            case Op::kAcquire:
                return acquire(command.channel);
            case Op::kRelease:
                return release(command.channel);
            case Op::kRecheck:
                return recheck(command.channel);
            case Op::kWait:
                return wait(command.channel);
        }
    }

  private:
    static AttachOptions options(const GroupConfig& config) {
        AttachOptions options;
        options.heartbeat_interval = kSleep;
        options.on_stale_pin = [capacity = config.capacity](const StalePin& pin) {
            expect(is_whole(pin.channel, pin.info, pin.bytes, capacity),
                   "torn, inherited: " + describe(pin.channel, pin.info));
        };
        return options;
    }

    /// The value goes on from the last message, which must be whole.
    void check_own_last() const {
        if (producer_.sequence() != 0) {
            expect(value_of(producer_.last()) == producer_.sequence(),
                   "value " + std::to_string(value_of(producer_.last())) +
                       " in one's own message " + std::to_string(producer_.sequence()));
        }
    }

    [[nodiscard]] Pattern next() const {
        return Pattern({.worker = worker_.index(),
                        .incarnation = worker_.incarnation(),
                        .sequence = producer_.sequence() + 1});
    }

    void publish(bool in_place) {
        page_.publishing = producer_.sequence() + 1;
        const std::size_t size = size_of(page_.publishing, worker_.capacity());
        Errc outcome = Errc::kOk;
        if (in_place) {
            Loan<Bytes> loan = producer_.loan();
            expect(static_cast<bool>(loan), "no loan");
            fill_in_place(loan.bytes().first(size));
            outcome = loan.publish(size);
        } else {
            std::vector<std::byte> message(size);
            next().fill(message);
            outcome = producer_.publish(message);
        }
        expect(outcome == Errc::kOk && producer_.sequence() == page_.publishing,
               "publish failed: " + make_error_code(outcome).message());
        page_.published = page_.publishing;
    }

    void fill_in_place(std::span<std::byte> message) {
        const std::size_t half = message.size() / 16 * 8;
        next().fill(message, 0, half);
        protocol::shmipc_step_hook(static_cast<std::uint16_t>(protocol::Step::kWritePayload));
        next().fill(message, half, message.size());
    }

    void flood() {
        constexpr std::uint64_t kMessages = 20'000;
        const bool armed = std::exchange(page_.armed, false);
        const auto begin = std::chrono::steady_clock::now();
        for (std::uint64_t i = 0; i < kMessages; ++i) {
            const std::size_t size = size_of(producer_.sequence() + 1, worker_.capacity());
            Loan<Bytes> loan = producer_.loan();
            next().fill(loan.bytes().first(size));
            expect(loan.publish(size) == Errc::kOk, "publish failed in a flood");
        }
        const auto took = std::chrono::steady_clock::now() - begin;
        page_.flood_ns = static_cast<std::uint64_t>(took.count());
        page_.publishing = page_.published = producer_.sequence();
        page_.armed = armed;
    }

    void return_loan() {
        Loan<Bytes> loan = producer_.loan();
        expect(static_cast<bool>(loan), "no loan");
        const auto bytes = loan.bytes();
        std::fill(bytes.begin(), bytes.end(), std::byte{0xee});
    }

    void acquire(WorkerIndex channel) {
        Pinned<Bytes> pinned = consumers_.at(channel).acquire();
        expect(static_cast<bool>(pinned),
               "acquire failed: " + make_error_code(pinned.status()).message());
        const std::uint64_t sequence = pinned.sequence();
        std::uint64_t& seen = page_.seen[to_number(channel)];
        page_.held[to_number(channel)] = sequence;
        page_.kept[to_number(channel)] = 0;
        expect(sequence >= seen,
               "reversed: message " + std::to_string(sequence) + " after " + std::to_string(seen));
        seen = sequence;
        pinned_.insert_or_assign(channel, std::move(pinned));
        recheck(channel);
    }

    void recheck(WorkerIndex channel) {
        const Pinned<Bytes>& pinned = pinned_.at(channel);
        expect(pinned.sequence() == page_.held[to_number(channel)],
               "torn: the sequence of a pinned message changed");
        expect(is_whole(channel, pinned.info(), pinned.bytes(), worker_.capacity()),
               "torn: " + describe(channel, pinned.info()));
    }

    void release(WorkerIndex channel) {
        recheck(channel);
        const Errc outcome = pinned_.at(channel).release();
        expect(outcome == Errc::kOk, "release failed: " + make_error_code(outcome).message());
        pinned_.erase(channel);
        page_.kept[to_number(channel)] = std::exchange(page_.held[to_number(channel)], 0U);
    }

    void wait(WorkerIndex channel) {
        const Errc outcome = consumers_.at(channel).wait_newer(kSleep);
        expect(outcome == Errc::kOk, "wait failed: " + make_error_code(outcome).message());
    }

    Page& page_;
    Worker worker_;
    Producer<Bytes> producer_;
    std::map<WorkerIndex, Consumer<Bytes>> consumers_;
    std::map<WorkerIndex, Pinned<Bytes>> pinned_;
};

void answer(int socket, const wire::Answer& text) {
    os::require("cannot answer", [&] { return send(socket, &text, sizeof text, MSG_NOSIGNAL); });
}

void stop(int socket) {
    answer(socket, {.kind = wire::Kind::kStopped});
    char go_on = 0;
    os::require("cannot wait to go on", [&] { return recv(socket, &go_on, 1, 0); });
    expect(go_on == wire::kGoOn, "told something else than to go on");
}

wire::Answer attached(const Worker& worker) {
    wire::Answer answer{.kind = wire::Kind::kAttached};
    const auto& pins = worker.reclaimed_pins();
    answer.pins = static_cast<std::uint32_t>(pins.size());
    std::copy(pins.begin(), pins.end(), answer.reclaimed.begin());
    return answer;
}

void run_scripts(const GroupConfig& config, WorkerIndex index, Page& page, int socket) {
    follow(page, [socket](Place) { stop(socket); });
    Body body(config, index, page);
    answer(socket, attached(body.worker()));
    wire::Orders orders;
    while (os::require("cannot get a script",
                       [&] { return recv(socket, &orders, sizeof orders, 0); }) == sizeof orders) {
        for (std::uint32_t i = 0; i < orders.count; ++i) {
            body.run(orders.commands[i]);
        }
        answer(socket, {.kind = wire::Kind::kDone});
    }
}

}  // namespace

int act(const GroupConfig& config, WorkerIndex index, Page& page, int socket) {
    try {
        run_scripts(config, index, page, socket);
        return 0;
    } catch (const std::exception& error) {
        wire::Answer fault{.kind = wire::Kind::kFault};
        const std::string text = error.what();
        text.copy(fault.text.data(), fault.text.size() - 1);
        answer(socket, fault);
        return 1;
    }
}

}  // namespace shmipc::crash
