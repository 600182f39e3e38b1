// Real processes, of sh.
#include "keeper/worker_life.hpp"

#include "process.hpp"
#include <shmipc/group.hpp>
#include <shmipc/supervision.hpp>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include <sys/wait.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

constexpr WorkerIndex kWorker{1};

/// A supervisor's part in one life of worker 1 of 2.
class Stage {
  public:
    explicit Stage(const std::string& script) : Stage("/bin/sh", {"sh", "-c", script}) {}
    Stage(const std::string& program, const std::vector<std::string>& arguments) {
        ChildSpec spec;
        spec.program = program;
        spec.arguments = arguments;
        life_.begin(
            spec, name_.name(), [] { return true; }, [this] { ++ready; });
    }
    ~Stage() {
        if (life_.pid() > 0) {  // where a test has failed
            life_.kill();
            REQUIRE(::waitpid(life_.pid(), nullptr, 0) == life_.pid());
        }
    }
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    WorkerLife& life() { return life_; }
    void run_until(const std::function<bool()>& done) {
        while (!done()) {
            REQUIRE(io_.run_one_for(30s) > 0);
        }
    }
    /// Waits until the process has ended, and nothing of it is left.
    LifeEnd end() {
        run_until([this] { return checks_ > 0 && life_.check(false); });
        std::optional<LifeEnd> end;
        run_until([&] {
            end = life_.settle(false);
            return end.has_value();
        });
        return *end;
    }

    int ready = 0;

  private:
    boost::asio::io_context io_;
    int checks_ = 0;
    const std::function<void()> check_soon_ = [this] { ++checks_; };
    const test::TestGroup name_;
    const Group group_ = Group::create_or_open({.name = name_.name(), .workers = 2});
    OomWatch oom_;
    Kin kin_{random_life(), 2};
    const WorkerLife::Surroundings surroundings_{
        .io = io_, .group = group_, .oom = oom_, .kin = kin_, .check_soon = check_soon_};
    WorkerLife life_{surroundings_, kWorker, 7};
};

}  // namespace

TEST_CASE("a life that was ready ends with its exit status, its last words and its time") {
    Stage stage("echo ready >&2; echo >&3; read line; exit 3");  // there is no input
    CHECK(stage.life().pid() > 0);
    const pid_t pid = stage.life().pid();
    const LifeEnd end = stage.end();
    CHECK(end.event == Event::kDied);
    CHECK(end.certificate.worker == kWorker);
    CHECK(end.certificate.pid == pid);
    CHECK(end.certificate.restarts == 7);
    CHECK(status_of(end.certificate) == 3);
    CHECK(end.certificate.last_output == std::vector<std::string>{"ready"});
    CHECK_FALSE(end.certificate.ordered);
    CHECK(end.certificate.cause.empty());
    CHECK(end.left_behind.empty());
    CHECK(stage.life().reaped());
    CHECK(stage.life().pid() == -1);
    CHECK(stage.life().last_pid() == pid);
}

TEST_CASE("readiness is told once, and counts from then") {
    Stage stage("echo >&3; exec sleep 1000");
    stage.run_until([&] { return stage.ready > 0; });
    CHECK(stage.ready == 1);
    stage.life().signal_by_order(SIGKILL);
    const LifeEnd end = stage.end();
    CHECK(end.ready_for > 0ns);
    CHECK(end.certificate.cause == kSentByOrder);
    CHECK_FALSE(end.certificate.ordered);
    CHECK_FALSE(end.certificate.out_of_memory);
}

TEST_CASE("exit status 75 says that the identity is taken") {
    Stage stage("exit " + std::to_string(supervision::kIdentityBusyStatus));
    const LifeEnd end = stage.end();
    CHECK(end.event == Event::kBusy);
    CHECK(end.ready_for == 0ns);
}

TEST_CASE("a program that cannot be executed is named once, with the reason") {
    Stage stage("/nonexistent/worker", {"worker"});
    const LifeEnd end = stage.end();
    CHECK(end.event == Event::kExecFailed);
    CHECK(end.not_executed == "/nonexistent/worker: No such file or directory");
    CHECK(kind_of(end.certificate) == DeathKind::kNotStarted);
}

TEST_CASE("a life without a process has a certificate too") {
    boost::asio::io_context io;
    const test::TestGroup name;
    const Group group = Group::create_or_open({.name = name.name(), .workers = 2});
    OomWatch oom;
    Kin kin(random_life(), 2);
    const std::function<void()> check_soon = [] {};
    const WorkerLife::Surroundings surroundings{
        .io = io, .group = group, .oom = oom, .kin = kin, .check_soon = check_soon};
    WorkerLife life(surroundings, kWorker, 0);
    CHECK(life.pid() == -1);
    life.kill();  // nobody
    life.abort();
    const LifeEnd end = life.unborn(Event::kExecFailed, "worker: no such executable");
    CHECK(end.event == Event::kExecFailed);
    CHECK(end.certificate.pid == -1);
    CHECK(kind_of(end.certificate) == DeathKind::kNotStarted);
    CHECK(end.not_executed == "worker: no such executable");
}

TEST_CASE("who ends because of an order is no death, and whom we have condemned is one") {
    struct Case {
        bool condemned;
        bool ordered;
        const char* cause;
    };
    for (const Case& c : {Case{false, true, "stopped by order"}, Case{true, false, "it hung"}}) {
        CAPTURE(c.cause);
        Stage stage("exec sleep 1000");
        if (c.condemned) {
            stage.life().condemn("it hung");
        }
        stage.life().end_by_order("stopped by order");
        stage.life().terminate();
        const LifeEnd end = stage.end();
        CHECK(end.certificate.ordered == c.ordered);
        CHECK(end.certificate.cause == c.cause);
        CHECK(status_of(end.certificate) == SIGTERM);
    }
}
