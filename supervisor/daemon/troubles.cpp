#include "troubles.hpp"

#include "shared/text.hpp"

#include <algorithm>
#include <cstddef>

namespace shmipc::supervisor {
namespace {

/// Of more fates only the number of workers is told: a status line has an end.
constexpr std::size_t kMostFates = 4;

/// Workers with the same fate.
struct Fate {
    Trouble::Kind kind = Trouble::Kind::kLate;
    std::string reason;
    std::vector<WorkerIndex> workers;
    std::uint32_t least = 0;
    std::uint32_t most = 0;
};

std::vector<Fate> gather(const std::vector<Trouble>& troubles) {
    std::vector<Fate> fates;
    for (const Trouble& trouble : troubles) {
        auto fate = std::find_if(fates.begin(), fates.end(), [&](const Fate& known) {
            return known.kind == trouble.kind && known.reason == trouble.reason;
        });
        if (fate == fates.end()) {
            fates.push_back({.kind = trouble.kind,
                             .reason = trouble.reason,
                             .workers = {},
                             .least = trouble.times,
                             .most = trouble.times});
            fate = fates.end() - 1;
        }
        fate->workers.push_back(trouble.worker);
        fate->least = std::min(fate->least, trouble.times);
        fate->most = std::max(fate->most, trouble.times);
    }
    // Causes before what follows from them: who waits comes last.
    std::stable_sort(fates.begin(), fates.end(),
                     [](const Fate& left, const Fate& right) { return left.kind < right.kind; });
    return fates;
}

std::string how_often(const Fate& fate) {
    if (fate.most < 2) {
        return "";
    }
    return (fate.least == fate.most ? ", " : ", up to ") + std::to_string(fate.most) +
           " times in a row";
}

std::string describe(const Fate& fate, const std::vector<WorkerIndex>& missing) {
    const bool one = fate.workers.size() == 1;
    std::string text = name_workers(fate.workers);
    switch (fate.kind) {
        case Trouble::Kind::kFailed:
            text += " failed";
            break;
        case Trouble::Kind::kDying:
            text += fate.most < 2 ? " died" : one ? " keeps dying" : " keep dying";
            break;
        case Trouble::Kind::kLate:
            text += one ? " is not ready" : " are not ready";
            break;
        case Trouble::Kind::kWaiting:
            text += one ? " waits" : " wait";
            // A worker does not wait for itself; with one missing it is another's.
            return text + (missing.empty() ? " for the others" : " for " + name_workers(missing));
    }
    return text + (fate.reason.empty() ? "" : ": " + fate.reason) + how_often(fate);
}

}  // namespace

std::string describe_troubles(const std::vector<Trouble>& troubles,
                              const std::vector<WorkerIndex>& missing) {
    const std::vector<Fate> fates = gather(troubles);
    std::string text;
    std::size_t untold = 0;
    for (std::size_t i = 0; i < fates.size(); ++i) {
        // What is last is told in any case: it is those who wait, and for whom.
        if (i < kMostFates || (i + 1 == fates.size() && fates[i].kind == Trouble::Kind::kWaiting)) {
            text += (text.empty() ? "" : "; ") + describe(fates[i], missing);
        } else {
            untold += fates[i].workers.size();
        }
    }
    return untold == 0 ? text : text + "; and " + std::to_string(untold) + " more";
}

}  // namespace shmipc::supervisor
