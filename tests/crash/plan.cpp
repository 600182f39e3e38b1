#include "plan.hpp"

#include "base/os.hpp"

#include <algorithm>
#include <csignal>
#include <new>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

using protocol::Step;

// The library's hook is a function of the whole process, so its page is too. Set in the worker's
// process, before it attaches.
Page* followed = nullptr;
std::function<void(Place)>& stop_function() {
    static auto& function = *new std::function<void(Place)>;
    return function;
}

[[noreturn]] void die() noexcept {
    for (;;) {
        kill(getpid(), SIGKILL);
    }
}

void pass(Page& page, Step step) noexcept {
    const Place place{step, ++page.occurrences[static_cast<std::size_t>(step)]};
    if (page.steps < Page::kTrace) {
        page.trace[page.steps++] = place;
    }
    if (place == page.death) {
        die();
    }
    if (std::find(page.stops.begin(), page.stops.end(), place) != page.stops.end()) {
        stop_function()(place);
    }
}

struct Name {
    Step step;
    const char* text;
};
constexpr Name kNames[] = {
    {Step::kLook, "look"},
    {Step::kAnnounce, "(1) announce"},
    {Step::kConfirm, "(2) confirm"},
    {Step::kHold, "(2) hold"},
    {Step::kPend, "(3) pend"},
    {Step::kReload, "(4) reload"},
    {Step::kHoldPending, "(5) hold pending"},
    {Step::kReadHeader, "read header"},
    {Step::kVerify, "verify"},
    {Step::kRelease, "release"},
    {Step::kHoldAgain, "hold again"},
    {Step::kInspect, "inspect"},
    {Step::kReclaim, "reclaim"},
    {Step::kScanFence, "(6) scan fence"},
    {Step::kScanCurrent, "(6) scan current"},
    {Step::kScanCell, "(6) scan cell"},
    {Step::kHelp, "(6) help"},
    {Step::kWriteBegin, "(7) write begin"},
    {Step::kWriteFence, "(7) write fence"},
    {Step::kWriteHeader, "(7) write header"},
    {Step::kWritePayload, "(7) write payload"},
    {Step::kWriteSequence, "(7) write sequence"},
    {Step::kPublish, "(8) publish"},
    {Step::kWakeFence, "(9) wake fence"},
    {Step::kWakeLook, "(9) wake look"},
    {Step::kWakeClear, "(9) wake clear"},
    {Step::kWakeTake, "(9) wake take"},
    {Step::kWakeRing, "(9) wake ring"},
    {Step::kWakeCall, "(9) wake call"},
    {Step::kSleepListen, "sleep listen"},
    {Step::kSleepEnter, "sleep enter"},
    {Step::kSleepFlag, "sleep flag"},
    {Step::kSleepBarrier, "sleep barrier"},
    {Step::kSleepLook, "sleep look"},
    {Step::kSleepCall, "sleep call"},
};

}  // namespace

std::string to_string(Step step) {
    const auto* const found = std::find_if(std::begin(kNames), std::end(kNames),
                                           [step](const Name& name) { return name.step == step; });
    return found != std::end(kNames) ? found->text
                                     : "step " + std::to_string(static_cast<unsigned>(step));
}

std::string to_string(Place place) {
    return place.occurrence == 0 ? "nowhere"
                                 : to_string(place.step) + " #" + std::to_string(place.occurrence);
}

std::uint64_t Page::latest() const {
    const bool between = publishing <= published;
    const bool done = last().step >= Step::kWakeFence && last().step <= Step::kWakeCall;
    const std::uint64_t before = std::max(published, recovered);
    return between || !done ? before : publishing;
}

SharedPage::SharedPage() {
    void* const memory =
        mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    page_ = new (memory) Page{};
}

SharedPage::~SharedPage() {
    if (page_ != nullptr) {
        munmap(page_, sizeof(Page));
    }
}

SharedPage::SharedPage(SharedPage&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}

SharedPage& SharedPage::operator=(SharedPage&& other) noexcept {
    std::swap(page_, other.page_);
    return *this;
}

void follow(Page& page, std::function<void(Place)> stop) {
    stop_function() = std::move(stop);
    followed = &page;
}

}  // namespace shmipc::crash

extern "C" void shmipc_step_hook(std::uint16_t step) noexcept {
    using namespace shmipc;
    if (crash::followed != nullptr && crash::followed->armed) {
        crash::pass(*crash::followed, static_cast<protocol::Step>(step));
    }
}
