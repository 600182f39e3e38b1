#include "puppet.hpp"

#include "arena.hpp"
#include "child.hpp"

#include <new>
#include <string>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

os::Fd make_desk() {
    os::Fd file(os::require("cannot make a page to share",
                            [] { return memfd_create("desk", MFD_CLOEXEC); }));
    os::require("cannot make a page to share", [&] { return ftruncate(file.get(), sizeof(Desk)); });
    return file;
}

Desk* lay_out(int file, const GroupConfig& config, WorkerIndex index) {
    void* const memory = mmap(nullptr, sizeof(Desk), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    Desk* const desk = new (memory) Desk{};
    config.name.copy(desk->group.data(), desk->group.size() - 1);
    desk->workers = config.workers;
    desk->capacity = config.capacity;
    desk->slots = config.slots;
    desk->index = index;
    return desk;
}

}  // namespace

Puppet::Puppet(const GroupConfig& config, WorkerIndex index)
    : file_(make_desk()),
      desk_(lay_out(file_.get(), config, index)),
      tracee_({.command = {SHMIPC_CRASH_VICTIM, std::to_string(file_.get())},
               // The dynamic linker's look-ups at a first call are none of the library's steps.
               .environment = {"LD_BIND_NOW=1"},
               .inherited = file_.get()}) {
    expect(tracee_.run() == Tracee::Event::kTrap, "the victim does not wait for its first order");
}

Puppet::~Puppet() {
    munmap(desk_, sizeof(Desk));
}

void Puppet::begin(const Order& order) {
    desk_->order = order;
    desk_->done = false;
}

bool Puppet::goes_on(Tracee::Event event) {
    expect(event != Tracee::Event::kEnd,
           "the victim ended by itself: " + describe_status(tracee_.status()));
    expect(desk_->fault[0] == '\0', desk_->fault.data());
    return !desk_->done;
}

void Puppet::obey(const Order& order, const Tracee::OnSleep& on_sleep) {
    begin(order);
    expect(!goes_on(tracee_.run(on_sleep)), "the victim trapped before its order was done");
}

void Puppet::attach(WorkerIndex channel) {
    obey({.task = Task::kAttach});
    obey({.task = Task::kHandles, .channel = channel});
}

bool Puppet::step(const Tracee::OnSleep& on_sleep) {
    return goes_on(tracee_.step(on_sleep));
}
bool Puppet::run_to_call() {
    return goes_on(tracee_.run_to_call());
}

void Puppet::leave() {
    begin({.task = Task::kLeave});
    expect(tracee_.run() == Tracee::Event::kEnd && WIFEXITED(tracee_.status()) &&
               WEXITSTATUS(tracee_.status()) == 0,
           "a victim did not leave in order");
    expect(desk_->fault[0] == '\0', desk_->fault.data());
}

}  // namespace shmipc::crash
