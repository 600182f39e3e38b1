// Actor 0 publishes and may die, actor 1 observes.
//
// Payload and header are words that the observer reads outside its Memory, with relaxed loads whose
// orders cannot be weakened: each is one more load with all its choices (after()). The producer
// writes its payload with relaxed stores here, which is what its plain stores come to once (4) has
// found that no copy saw half of them.
#include "../common/plain_channel.hpp"
#include "scenarios.hpp"
#include <shmipc/protocol/copy.hpp>
#include <shmipc/protocol/publish.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace shmipc::test::weak {
namespace {

using namespace protocol;

struct Plan {
    std::uint64_t publishes = 3;
    unsigned deaths = 0;  ///< of the producer, at the most
    unsigned copies = 1;
};

class CopyScenario : public Scenario {
  public:
    CopyScenario(std::string name, const Plan& plan)
        : Scenario(std::move(name), {.actors = 2, .deaths = plan.deaths, .mortal = kProducer}),
          plan_(plan) {}

    void declare(WeakMemoryModel& memory) override {
        memory.declare(channel().current());
        memory.declare(channel().cell(CellIndex{0}));
        for (std::uint32_t i = 0; i < memory_.slots(); ++i) {
            layout::SlotHeader& header = channel().header(SlotIndex{i});
            memory.declare(header.sequence);
            memory.declare(header.origin);
            for (std::size_t at = 0; at < kBytes; at += sizeof(std::uint64_t)) {
                memory.declare_word_of_bytes(channel().payload(header) + at);
            }
        }
    }

    void reset() override {
        memory_.reset();
        incarnation_ = 1;
        published_ = {};
        ProducerEnd<> end(channel());
        static_cast<void>(end.recover());
        end.write([&](std::byte* payload) {
            fill({payload, kBytes}, content(1, incarnation_));
            return Stamp{.origin = Origin{incarnation_, kBytes, false}, .time = {}};
        });
        published_[1] = incarnation_;
    }

    void act(Search& search, unsigned actor) override {
        if (actor == 0) {
            produce(search);
        } else {
            observe(search);
        }
    }

    void after(Search& search, unsigned actor, Step step, const void* word,
               std::uint64_t value) override {
        if (step == Step::kCopyCurrent) {
            // It tries 64 times. Here it dies when it begins the third.
            if (++tries_ > kTries) {
                search.sleep(actor);
            }
        } else if (step == Step::kCopyBefore && value != 0) {
            const auto* const header = static_cast<const layout::SlotHeader*>(word);
            copying_ = reinterpret_cast<const std::byte*>(header) + channel().payload_offset;
            search.point(actor);
            search.expose(actor, &header->origin);
        } else if (step == Step::kCopyPayload) {
            search.expose(actor, copying_);
            copying_ += sizeof(std::uint64_t);
        }
    }

    void finish(Search& search) override {
        search.require(Search::kNobody, published_[1 + plan_.publishes] != 0,
                       "the producer stopped early");
    }

  private:
    static constexpr unsigned kProducer = 1U;
    static constexpr std::uint32_t kBytes = 16;
    static constexpr unsigned kTries = 2;

    [[nodiscard]] const Channel& channel() const noexcept { return memory_.channel(); }
    /// For fill() and intact(): a producer that died may have left other bytes for this sequence.
    static std::uint64_t content(std::uint64_t sequence, std::uint32_t incarnation) noexcept {
        return sequence * 16 + incarnation;
    }

    void produce(Search& search) {
        ++incarnation_;
        ProducerEnd<WeakMemory> end(channel(), WeakMemory(search, 0));
        search.require(0, end.recover() == Errc::kOk, "the producer lost count");
        while (end.sequence() < 1 + plan_.publishes) {
            const SlotIndex slot = end.take();
            end.begin(slot);
            const std::uint64_t sequence = end.sequence() + 1;
            for (std::size_t at = 0; at < kBytes; at += sizeof(std::uint64_t)) {
                search.store(0, channel().payload(slot) + at,
                             word_of(content(sequence, incarnation_), at / sizeof(std::uint64_t)));
            }
            end.publish(slot, {.origin = Origin{incarnation_, kBytes, false}, .time = {}});
            published_.at(sequence) = incarnation_;
        }
    }

    void observe(Search& search) {
        ObserverEnd<WeakMemory> end(channel(), WeakMemory(search, 1));
        std::uint64_t seen = 0;
        for (unsigned i = 0; i < plan_.copies; ++i) {
            std::array<std::byte, kBytes> bytes{};
            ObserverEnd<WeakMemory>::Copy copy;
            tries_ = 0;
            search.require(1, end.copy(bytes, copy) == Errc::kOk, "a copy failed");
            search.require(1, copy.sequence >= seen, "the sequence went back");
            seen = copy.sequence;
            const std::uint32_t incarnation = published_.at(seen);
            search.require(1, intact(bytes, content(seen, incarnation)),
                           "the payload of another message");
            search.require(1, copy.stamp.origin.incarnation() == incarnation,
                           "the origin of another message");
        }
    }

    Plan plan_;
    PlainChannel memory_{2, kBytes};
    // Of this run.
    std::uint32_t incarnation_ = 0;
    std::array<std::uint32_t, 8> published_{};  ///< by whom, for each sequence
    unsigned tries_ = 0;
    const std::byte* copying_ = nullptr;  ///< next word of the payload
};

std::unique_ptr<Scenario> copy(std::string name, const Plan& plan) {
    return std::make_unique<CopyScenario>(std::move(name), plan);
}

}  // namespace

std::vector<std::unique_ptr<Scenario>> copy_scenarios() {
    std::vector<std::unique_ptr<Scenario>> all;
    all.push_back(copy("observer, few steps", {.publishes = 2}));
    all.push_back(copy("observer", {.publishes = 4, .copies = 2}));
    all.push_back(copy("observer, dying producer", {.publishes = 3, .deaths = 1}));
    return all;
}

}  // namespace shmipc::test::weak
