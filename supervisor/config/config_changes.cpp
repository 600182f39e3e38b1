#include "config_changes.hpp"

#include <set>
#include <utility>

namespace shmipc::supervisor {
namespace {

template <class Value>
void compare(std::vector<std::string>& keys, const std::string& key, const Value& running,
             const Value& fresh) {
    if (!(running == fresh)) {
        keys.push_back(key);
    }
}

void compare_settings(std::vector<std::string>& keys, const std::string& table,
                      const WorkerSettings& running, const WorkerSettings& fresh) {
    compare(keys, table + ".start_limit", running.start_limit, fresh.start_limit);
    compare(keys, table + ".stop_grace", running.stop_grace, fresh.stop_grace);
    compare(keys, table + ".heartbeat_limit", running.heartbeat_limit, fresh.heartbeat_limit);
    compare(keys, table + ".core_limit", running.core_limit, fresh.core_limit);
}

void compare_workers(std::vector<std::string>& keys, const Config& running, const Config& fresh) {
    compare_settings(keys, "worker", running.worker, fresh.worker);
    std::set<std::uint32_t> own_tables;
    for (const auto& [index, settings] : running.workers) {
        own_tables.insert(index);
    }
    for (const auto& [index, settings] : fresh.workers) {
        own_tables.insert(index);
    }
    for (const std::uint32_t index : own_tables) {
        // A worker whose table only repeats what changes for all is named with them alone.
        const WorkerSettings& before = running.settings_of(WorkerIndex{index});
        const WorkerSettings& after = fresh.settings_of(WorkerIndex{index});
        if (!(before == running.worker && after == fresh.worker)) {
            compare_settings(keys, "worker." + std::to_string(index), before, after);
        }
    }
}

void compare_restart(std::vector<std::string>& keys, const Config& running, const Config& fresh) {
    const RestartLimits& before = running.restart;
    const RestartLimits& after = fresh.restart;
    compare(keys, "restart.initial", before.initial, after.initial);
    compare(keys, "restart.maximum", before.maximum, after.maximum);
    compare(keys, "restart.factor", before.factor, after.factor);
    compare(keys, "restart.jitter", before.jitter, after.jitter);
    compare(keys, "restart.stable_after", before.stable_after, after.stable_after);
    compare(keys, "restart.max_restarts", before.max_restarts, after.max_restarts);
    compare(keys, "restart.window", before.window, after.window);
    compare(keys, "restart.on_failure", running.on_failure, fresh.on_failure);
    compare(keys, "restart.start_requires", running.start_requires, fresh.start_requires);
    compare(keys, "restart.rollback", running.rollback, fresh.rollback);
}

}  // namespace

ConfigChanges take_over(Config& running, const Config& fresh) {
    ConfigChanges changes;
    compare(changes.applied, "persist", running.persist, fresh.persist);
    compare_workers(changes.applied, running, fresh);
    compare_restart(changes.applied, running, fresh);
    compare(changes.applied, "log.level", running.log_level, fresh.log_level);
    compare(changes.applied, "metrics.listen", running.metrics_listen, fresh.metrics_listen);

    compare(changes.needs_restart, "group", running.group.name, fresh.group.name);
    compare(changes.needs_restart, "workers", running.group.workers, fresh.group.workers);
    compare(changes.needs_restart, "capacity", running.group.capacity, fresh.group.capacity);
    compare(changes.needs_restart, "slots", running.group.slots, fresh.group.slots);
    compare(changes.needs_restart, "runtime_dir", running.runtime_dir, fresh.runtime_dir);
    compare(changes.needs_restart, "observers", running.observers, fresh.observers);
    compare(changes.needs_restart, "log.format", running.log_format, fresh.log_format);

    Config next = fresh;
    next.group = running.group;
    next.runtime_dir = running.runtime_dir;
    next.observers = running.observers;
    next.log_format = running.log_format;
    running = std::move(next);  // nothing can fail here any more
    return changes;
}

}  // namespace shmipc::supervisor
