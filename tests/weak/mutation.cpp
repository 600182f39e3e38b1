#include "mutation.hpp"

#include <shmipc/detail/check.hpp>

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace shmipc::test::weak {
namespace {

using protocol::Step;

constexpr std::array kSteps{
    std::pair{Step::kLook, "kLook"},
    std::pair{Step::kAnnounce, "kAnnounce"},
    std::pair{Step::kConfirm, "kConfirm"},
    std::pair{Step::kHold, "kHold"},
    std::pair{Step::kPend, "kPend"},
    std::pair{Step::kReload, "kReload"},
    std::pair{Step::kHoldPending, "kHoldPending"},
    std::pair{Step::kReadHeader, "kReadHeader"},
    std::pair{Step::kVerify, "kVerify"},
    std::pair{Step::kRelease, "kRelease"},
    std::pair{Step::kHoldAgain, "kHoldAgain"},
    std::pair{Step::kInspect, "kInspect"},
    std::pair{Step::kReclaim, "kReclaim"},
    std::pair{Step::kScanFence, "kScanFence"},
    std::pair{Step::kScanCurrent, "kScanCurrent"},
    std::pair{Step::kScanCell, "kScanCell"},
    std::pair{Step::kHelp, "kHelp"},
    std::pair{Step::kWriteBegin, "kWriteBegin"},
    std::pair{Step::kWriteFence, "kWriteFence"},
    std::pair{Step::kWriteHeader, "kWriteHeader"},
    std::pair{Step::kWriteSequence, "kWriteSequence"},
    std::pair{Step::kPublish, "kPublish"},
    std::pair{Step::kWakeFence, "kWakeFence"},
    std::pair{Step::kWakeLook, "kWakeLook"},
    std::pair{Step::kWakeClear, "kWakeClear"},
    std::pair{Step::kWakeTake, "kWakeTake"},
    std::pair{Step::kWakeRing, "kWakeRing"},
    std::pair{Step::kSleepListen, "kSleepListen"},
    std::pair{Step::kSleepEnter, "kSleepEnter"},
    std::pair{Step::kSleepFlag, "kSleepFlag"},
    std::pair{Step::kSleepBarrier, "kSleepBarrier"},
    std::pair{Step::kSleepLook, "kSleepLook"},
    std::pair{Step::kCopyCurrent, "kCopyCurrent"},
    std::pair{Step::kCopyBefore, "kCopyBefore"},
    std::pair{Step::kCopyFence, "kCopyFence"},
    std::pair{Step::kCopyAfter, "kCopyAfter"},
};

constexpr std::array kOperations{
    "load",     "store",     "exchange", "compare-exchange", "failed compare-exchange",
    "fetch-or", "fetch-add", "fence",    "membarrier"};

const char* name_of(Step step) {
    const auto* const found = std::find_if(
        kSteps.begin(), kSteps.end(), [step](const auto& entry) { return entry.first == step; });
    SHMIPC_CHECK(found != kSteps.end(), "a step of the protocol that the table does not know");
    return found->second;
}

std::string_view name_of(std::memory_order order) {
    switch (order) {
        case std::memory_order_relaxed:
            return "relaxed";
        case std::memory_order_consume:
            return "consume";
        case std::memory_order_acquire:
            return "acquire";
        case std::memory_order_release:
            return "release";
        case std::memory_order_acq_rel:
            return "acq_rel";
        case std::memory_order_seq_cst:
            return "seq_cst";
    }
    return "unknown";
}

bool fits(Operation operation, std::memory_order order) noexcept {
    switch (operation) {
        case Operation::kLoad:
        case Operation::kCompareFailure:
            return order != std::memory_order_release && order != std::memory_order_acq_rel;
        case Operation::kStore:
            return order != std::memory_order_acquire && order != std::memory_order_acq_rel;
        case Operation::kBarrier:
            return order == std::memory_order_relaxed;
        default:
            return true;
    }
}

}  // namespace

bool no_stronger(std::memory_order weaker, std::memory_order weak) noexcept {
    return weaker == weak || weaker == std::memory_order_relaxed ||
           weak == std::memory_order_seq_cst ||
           (weak == std::memory_order_acq_rel && weaker != std::memory_order_seq_cst);
}

std::vector<std::memory_order> weaker_orders(const Use& use) {
    std::vector<std::memory_order> orders;
    for (const std::memory_order order : {std::memory_order_relaxed, std::memory_order_acquire,
                                          std::memory_order_release, std::memory_order_acq_rel}) {
        if (order != use.order && no_stronger(order, use.order) && fits(use.operation, order)) {
            orders.push_back(order);
        }
    }
    return orders;
}

std::string to_string(const Use& use) {
    return std::string(name_of(use.step)) + ' ' +
           kOperations.at(static_cast<std::size_t>(use.operation)) + ' ' +
           std::string(name_of(use.order));
}

std::string to_string(const Mutation& mutation) {
    const bool none = (mutation.use.operation == Operation::kFence ||
                       mutation.use.operation == Operation::kBarrier) &&
                      mutation.weaker == std::memory_order_relaxed;
    return to_string(mutation.use) + " -> " + std::string(none ? "none" : name_of(mutation.weaker));
}

const std::vector<Step>& ordered_steps() {
    static const std::vector<Step> steps = [] {
        std::vector<Step> all;
        all.reserve(kSteps.size());
        for (const auto& entry : kSteps) {
            all.push_back(entry.first);
        }
        return all;
    }();
    return steps;
}

void Record::add(const Record& other) noexcept {
    for (std::size_t i = 0; i < bits_.size(); ++i) {
        bits_[i] |= other.bits_[i];
    }
}

std::vector<Use> Record::uses() const {
    std::vector<Use> uses;
    for (std::size_t step = 0; step < bits_.size(); ++step) {
        for (unsigned bit = 0; bit < 64; ++bit) {
            if ((bits_[step] >> bit & 1U) != 0) {
                uses.push_back({static_cast<Step>(step), static_cast<Operation>(bit / 6U),
                                static_cast<std::memory_order>(bit % 6U)});
            }
        }
    }
    return uses;
}

}  // namespace shmipc::test::weak
