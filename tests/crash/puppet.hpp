// Puppet: a worker of the library without hooks that does what the test orders, of which every
// instruction can be its last.
#pragma once

#include "base/os.hpp"
#include "desk.hpp"
#include "tracer.hpp"
#include <shmipc/group.hpp>

#include <cstdint>

namespace shmipc::crash {

class Puppet {
  public:
    /// Starts the process, which waits for its first order.
    Puppet(const GroupConfig& config, WorkerIndex index);
    Puppet(const Puppet&) = delete;
    Puppet& operator=(const Puppet&) = delete;
    ~Puppet();

    /// Lets it carry out an order. Throws Failure if it reports a broken invariant.
    void obey(const Order& order, const Tracee::OnSleep& on_sleep = {});
    /// Attaches, and takes its handles.
    void attach(WorkerIndex channel);

    /// Gives an order, before whose first instruction it stands then.
    void begin(const Order& order);
    /// One instruction. False: the order is done.
    bool step(const Tracee::OnSleep& on_sleep = {});
    /// To the entry or the exit of the next system call. False: the order is done.
    bool run_to_call();

    void murder() { tracee_.murder(); }
    /// Lets it leave in order.
    void leave();

    [[nodiscard]] const Desk& desk() const noexcept { return *desk_; }
    [[nodiscard]] const Tracee& tracee() const noexcept { return tracee_; }

  private:
    bool goes_on(Tracee::Event event);

    os::Fd file_;
    Desk* desk_;
    Tracee tracee_;
};

}  // namespace shmipc::crash
