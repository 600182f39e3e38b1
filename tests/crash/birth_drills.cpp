// A process dies before and after every system call with which it creates a group, or attaches.
#include "drill.hpp"
#include <shmipc/group.hpp>

#include <memory>
#include <optional>
#include <string>

namespace shmipc::crash {

namespace {

std::vector<Spot> every_call(Puppet& puppet) {
    std::vector<Spot> spots{{}};
    while (puppet.run_to_call()) {
        spots.push_back({.calls = static_cast<std::uint32_t>(spots.size()), .steps = 0});
    }
    return spots;
}

void advance(Puppet& puppet, Spot spot) {
    bool goes_on = true;
    for (std::uint32_t i = 0; i < spot.calls && goes_on; ++i) {
        goes_on = puppet.run_to_call();
    }
}

/// A group that is not there yet.
class Unborn : public Drill {
  public:
    explicit Unborn(std::uint32_t workers, Task task)
        : task_(task), arena_(workers, kDrillCapacity) {
        expect(Group::remove(arena_.config().name), "the group cannot be removed");
    }

    std::vector<Spot> learn() override {
        Puppet creator(arena_.config(), kConsumer);
        creator.begin({.task = task_});
        std::vector<Spot> spots = every_call(creator);
        creator.murder();
        make_good();
        return spots;
    }

    bool play(Spot spot) override {
        Puppet creator(arena_.config(), kConsumer);
        creator.begin({.task = task_});
        advance(creator, spot);
        creator.murder();
        const bool done = creator.desk().done;
        make_good();
        return done;
    }

    void finish() override {}

  private:
    /// Whatever the dead creator has left becomes a whole group, in which a worker can work, and
    /// which goes whole; with the lock file, if that was left.
    void make_good() {
        const GroupConfig& config = arena_.config();
        const Group group = Group::create_or_open(config);
        expect(group.geometry() == config.geometry(), "the group is of another shape");
        for (std::uint32_t i = 0; i < config.workers; ++i) {
            expect(group.verify_name(WorkerIndex{i}) == Errc::kOk, "an object is missing");
        }
        const Observer observer = Observer::open(config.name);
        Puppet producer(config, kProducer);
        producer.attach(kConsumer);
        producer.obey({.task = Task::kLap, .count = arena_.lap()});
        Puppet successor(config, kConsumer);
        successor.attach(kProducer);
        successor.obey({.task = Task::kAcquire});
        expect(successor.desk().held == producer.desk().published,
               "lost: a consumer does not get the first messages");
        successor.obey({.task = Task::kRecheck});
        successor.leave();
        producer.leave();
        expect(Group::remove(config.name), "the group is gone");
        expect(arena_.objects().empty(), "leaked object of a group that was removed");
    }

    Task task_;
    Arena arena_;
};

}  // namespace

void birth_drills(Toll& toll, Scope /*scope*/) {
    constexpr std::uint32_t kLeast = 40;
    toll.begin("creation of a group", Toll::Unit::kCall, kLeast);
    for (const std::uint32_t workers : {2U, 3U}) {
        explore(toll, std::to_string(workers) + " workers",
                [workers] { return std::make_unique<Unborn>(workers, Task::kCreate); });
    }
    toll.end();
    toll.begin("attach that creates the group", Toll::Unit::kCall, kLeast);
    for (const std::uint32_t workers : {2U, 3U}) {
        explore(toll, std::to_string(workers) + " workers",
                [workers] { return std::make_unique<Unborn>(workers, Task::kAttach); });
    }
    toll.end();
}

}  // namespace shmipc::crash
