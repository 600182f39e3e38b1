#include "half.hpp"

#include "stage.hpp"

namespace shmipc::crash {

namespace {

constexpr Place kConfirm{protocol::Step::kConfirm, 1};

}  // namespace

std::string to_string(const Half& half) {
    return "consumer stopped before " + to_string(half.place) +
           (half.approach == Approach::kOvertaken ? ", overtaken" : "");
}

std::vector<Half> halves(std::uint32_t workers, Approach approach) {
    const bool overtaken = approach == Approach::kOvertaken;
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(1));
    if (approach == Approach::kSleepy) {
        consumer.run(refresh(kProducer));
        consumer.start({{.op = Op::kWait, .channel = kProducer}});
        consumer.expect_asleep();
    } else {
        consumer.start(refresh(kProducer),
                       {.death = {}, .stops = {overtaken ? kConfirm : Place{}}});
        drive(consumer, {[&] { producer.run(publish(1)); }});
    }
    std::vector<Half> found;
    bool reached = !overtaken;
    for (const Place place : consumer.page().path()) {
        if (reached) {
            found.push_back({.approach = approach, .place = place});
        }
        reached = reached || place == kConfirm;
    }
    return found;
}

}  // namespace shmipc::crash
