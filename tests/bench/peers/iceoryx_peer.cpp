// iceoryx 2: chunks of shared memory that a daemon, RouDi, has laid out; queues of one message.
// Each place has a RouDi of its own, a child process. Its files have fixed names: there is one
// RouDi on a machine, and while another one runs these points fail.
#include "entries.hpp"
#include "entry.hpp"

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_hoofs/posix_wrapper/posix_access_rights.hpp>
#include <iceoryx_posh/iceoryx_posh_config.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/roudi/iceoryx_roudi_app.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

namespace shmipc::bench {

namespace {

void be_quiet() {
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
        iox::log::LogLevel::kOff, iox::log::LogLevelOutput::kHideLogLevel);
}

/// Of this process; RouDi calls its shared memory by it.
std::string group_name() {
    return iox::posix::PosixGroup::getGroupOfCurrentProcess().getName().c_str();
}

void run_roudi(std::size_t bytes, std::uint32_t chunks) {
    // It greets on standard output, which is ours.
    if (std::freopen("/dev/null", "w", stdout) == nullptr ||
        std::freopen("/dev/null", "w", stderr) == nullptr) {
        _exit(EXIT_FAILURE);
    }
    be_quiet();
    iox::config::CmdLineArgs_t arguments;
    arguments.monitoringMode = iox::roudi::MonitoringMode::OFF;
    arguments.logLevel = iox::log::LogLevel::kOff;
    arguments.processKillDelay = iox::units::Duration::fromSeconds(1);
    iox::RouDiConfig_t config;
    config.setModuleDefaults<iox::config::RouDiConfig>();
    iox::mepoo::MePooConfig pools;
    pools.addMemPool({static_cast<std::uint32_t>((bytes + kLine - 1) / kLine * kLine), chunks});
    const iox::posix::PosixGroup::string_t group(iox::cxx::TruncateToCapacity,
                                                 group_name().c_str());
    config.m_sharedMemorySegments.push_back({group, group, pools});
    iox::roudi::IceOryxRouDiApp(arguments, config).run();
}

constexpr const char* kRoudiLock = "/tmp/iox-unique-roudi.lock";

void remove_with_lock(const std::string& path) {
    unlink(path.c_str());
    unlink((path + ".lock").c_str());
}

/// Throws if a RouDi runs on this machine: members would talk to it.
void require_no_roudi() {
    const os::Fd lock(open(kRoudiLock, O_RDWR | O_CLOEXEC));
    if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        throw std::runtime_error("another RouDi is running");
    }
}

class RoudiPlace {
  public:
    explicit RoudiPlace(const PlaceConfig& config)
        : bytes(config.setting.bytes),
          name(config.name),
          members_(config.setting.consumers + 1),
          daemon_(start(config)) {}
    ~RoudiPlace() {
        if (!daemon_.terminate(std::chrono::seconds{10})) {
            std::fprintf(stderr, "shmipc-bench: RouDi does not end; it is killed\n");
        }
        // RouDi aborts if a member was killed, and leaves what it has made; a member that was
        // killed leaves its own. No other RouDi can have made these while ours ran.
        for (std::uint32_t index = 0; index < members_; ++index) {
            remove_with_lock("/tmp/" + member_name(index));
        }
        remove_with_lock("/tmp/roudi");
        unlink(kRoudiLock);
        shm_unlink("/iceoryx_mgmt");
        shm_unlink(("/" + group_name()).c_str());
    }
    RoudiPlace(const RoudiPlace&) = delete;
    RoudiPlace& operator=(const RoudiPlace&) = delete;

    [[nodiscard]] std::string member_name(std::uint32_t index) const {
        return "shmipc-" + name + "-" + std::to_string(index);
    }
    std::size_t bytes;
    std::string name;

  private:
    static Child start(const PlaceConfig& config) {
        require_no_roudi();
        constexpr std::uint32_t kSpare = 16;
        const std::uint32_t chunks = 2 * config.setting.consumers + kSpare;
        const std::size_t bytes = config.setting.bytes;
        return {[bytes, chunks] { run_roudi(bytes, chunks); }, SIGTERM};
    }
    std::uint32_t members_;
    Child daemon_;
};

template <std::size_t kSize>
struct IceoryxPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "iceoryx";
    static constexpr bool kSleeps = true;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = true;
    static constexpr bool kQueues = true;
    using Place = RoudiPlace;

    static std::string cannot(const PlaceConfig& config) {
        return config.setting.consumers < iox::MAX_SUBSCRIBERS_PER_PUBLISHER
                   ? ""
                   : "at most 256 subscribers of a publisher";
    }

    struct Member {
        Member(Place& where, std::uint32_t number) : place(where), index(number) {
            // One runtime a process, whatever members it has.
            static const bool started = [this] {
                be_quiet();
                iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(
                    iox::cxx::TruncateToCapacity, place.member_name(index).c_str()));
                return true;
            }();
            static_cast<void>(started);
        }
        [[nodiscard]] static iox::capro::ServiceDescription channel(std::uint32_t number) {
            const std::string text = std::to_string(number);
            return {"shmipc-bench",
                    iox::capro::IdString_t(iox::cxx::TruncateToCapacity, text.c_str()), "message"};
        }
        Place& place;
        std::uint32_t index;
    };

    class Writer {
      public:
        explicit Writer(Member& member)
            : bytes_(static_cast<std::uint32_t>(member.place.bytes)),
              publisher_(Member::channel(member.index)) {}
        template <class Write>
        void publish(Write&& write) {
            auto loan = publisher_.loan(bytes_);
            if (loan.has_error()) {
                throw std::runtime_error("iceoryx has no chunk");
            }
            write(static_cast<std::byte*>(loan.value()));
            publisher_.publish(loan.value());
        }

      private:
        std::uint32_t bytes_;
        iox::popo::UntypedPublisher publisher_;
    };

    class Reader {
      public:
        Reader(Member& member, std::uint32_t from)
            : bytes_(member.place.bytes), subscriber_(Member::channel(from), options()) {}
        ~Reader() {
            if (held_ != nullptr) {
                subscriber_.release(held_);
            }
        }
        Reader(const Reader&) = delete;
        Reader& operator=(const Reader&) = delete;
        template <class Look>
        bool read(Look&& look) {
            auto taken = subscriber_.take();
            if (!taken.has_error()) {
                if (held_ != nullptr) {
                    subscriber_.release(held_);
                }
                held_ = taken.value();
            }
            if (held_ != nullptr) {
                look(static_cast<const std::byte*>(held_), bytes_);
            }
            return held_ != nullptr;
        }
        bool newer() { return subscriber_.hasData(); }
        void wait() {
            if (waiting_ == nullptr) {
                waiting_ = std::make_unique<iox::popo::WaitSet<>>();
                if (waiting_->attachState(subscriber_, iox::popo::SubscriberState::HAS_DATA)
                        .has_error()) {
                    throw std::runtime_error("iceoryx cannot wait");
                }
            }
            waiting_->timedWait(iox::units::Duration::fromSeconds(1));
        }

      private:
        static iox::popo::SubscriberOptions options() {
            iox::popo::SubscriberOptions options;
            options.queueCapacity = 1;
            return options;
        }
        std::size_t bytes_;
        iox::popo::UntypedSubscriber subscriber_;
        const void* held_ = nullptr;
        std::unique_ptr<iox::popo::WaitSet<>> waiting_;
    };
};

}  // namespace

PeerEntry iceoryx_entry() {
    return make_entry<IceoryxPeer>();
}

}  // namespace shmipc::bench
