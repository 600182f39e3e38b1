#include "peek.hpp"

#include "messages.hpp"
#include "printable.hpp"
#include "worker_list.hpp"
#include <shmipc/error.hpp>
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>

namespace shmipc::ctl {
namespace {

/// What is told of a channel whose message cannot be shown.
std::string describe_absence(WorkerIndex worker, Errc outcome, bool json) {
    const std::string reason = make_error_code(outcome).message();
    if (json) {
        return json_line(boost::json::object{{"worker", to_number(worker)}, {"error", reason}});
    }
    return "worker " + std::to_string(to_number(worker)) + ": " + reason + '\n';
}

}  // namespace

void peek(const Options& options, Output& output) {
    // Copied: a worker that truncates its object, or has, is no reason not to see the others.
    auto observer = Observer::open(options.place.group, Observer::Reading::kCopied);
    Observer::Message message;
    for (const WorkerIndex worker : parse_worker_list(options.workers, observer.workers())) {
        const Errc outcome = observer.read(worker, message);
        if (outcome != Errc::kOk) {
            output.write(describe_absence(worker, outcome, options.json));
        } else if (options.json) {
            write_message_json(worker, message, observer.payload(worker),
                               [&](std::string_view piece) { output.write(piece); });
        } else {
            output.write(describe_message(worker, message, observer.payload(worker)));
        }
    }
}

void clean(const Options& options, Output& output) {
    const std::string& group = options.place.group;
    if (Group::remove(group)) {
        output.write("removed the objects of group '" + group + "'\n");
    } else {
        output.write("group '" + group + "' has no objects: nothing to remove\n");
    }
}

}  // namespace shmipc::ctl
