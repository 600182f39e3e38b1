#include "refusals.hpp"

#include "fields.hpp"
#include "printable.hpp"
#include "shared/remedy.hpp"
#include "shared/text.hpp"
#include "worker_list.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>

namespace shmipc::ctl {
namespace {

std::string start_remedy(const Place& place) {
    std::string command = "shmipc-supervisor --group " + place.group;
    if (!place.runtime_dir.empty()) {
        command += " --runtime-dir " + place.runtime_dir;
    }
    return "start it with: " + command + " (the system's: systemctl start " +
           supervisor::unit_of(place.group) +
           "); or name another --group, --runtime-dir or --socket, if it runs there";
}

std::string not_found(const std::vector<std::string>& tried) {
    if (tried.size() == 1) {
        return tried.front() + " does not exist";
    }
    std::string text = "neither ";
    for (std::size_t i = 0; i < tried.size(); ++i) {
        text += (i == 0 ? "" : " nor ") + tried[i];
    }
    return text + " exists";
}

std::string refused_text(const std::string& path, const std::optional<Owner>& owner) {
    if (!owner) {
        return path +
               " may not be reached by this user: run as root, or as a user who may enter its "
               "directory";
    }
    if (owner->group_may) {
        return path + " belongs to group " + printable(owner->group) +
               ": run as root or as a member of that group";
    }
    return path + " belongs to user " + printable(owner->user) +
           " alone: run as root or as that user";
}

/// The parameters of an error, of which none is sure to be there.
struct Parameters {
    Parameters(const Place& asked_place, const std::string& asked_method,
               const boost::json::object& parameters)
        : place(asked_place), method(asked_method), fields(parameters) {}

    const Place& place;
    const std::string& method;
    Fields fields;

    [[nodiscard]] std::string number(std::string_view name) const {
        const auto value = fields.number(name);
        return value ? std::to_string(*value) : "?";
    }
    [[nodiscard]] std::string text(std::string_view name) const {
        return printable_lines(fields.text(name).value_or("no reason was given"));
    }
    [[nodiscard]] std::string worker() const { return "worker " + number("worker"); }
};

std::string rollout_text(const Parameters& given) {
    std::vector<WorkerIndex> rolled;
    for (const std::uint32_t worker : given.fields.worker_indices("rolled")) {
        rolled.push_back(WorkerIndex{worker});
    }
    const auto* const back = given.fields.raw().if_contains("rolled_back");
    const bool rolled_back = back != nullptr && back->is_bool() && back->get_bool();
    const std::string done = rolled.empty()
                                 ? ""
                                 : "; " + describe_workers(rolled) +
                                       (rolled.size() == 1 ? " has" : " have") + " the new one";
    return "the roll-out stopped at " + given.worker() + ", " + given.text("reason") +
           (rolled_back ? ": it was rolled back to its old command, which those after it have too"
                        : ": those after it keep the old command") +
           done + ", and what else had changed is applied. How it died: " +
           given.place.command("autopsy " + given.number("worker")) +
           ". Mend the configuration and reload again";
}

std::string unknown_method(const Parameters& given) {
    return "the supervisor does not know " + given.method +
           ": it is of another version, see: " + given.place.command("version");
}

struct Description {
    std::string_view error;
    std::string (*text)(const Parameters& given);
};

constexpr Description kDescriptions[] = {
    {"io.shmipc.NoSuchWorker",
     [](const Parameters& given) {
         return given.worker() + " does not exist: the group has " + given.number("workers") +
                " workers, numbered from 0";
     }},
    {"io.shmipc.NoSuchSignal",
     [](const Parameters& given) {
         return "there is no signal " + given.number("signal") + ": `kill -l` lists them";
     }},
    {"io.shmipc.NotRunning",
     [](const Parameters& given) {
         return given.worker() + " is not running; to start it: " +
                given.place.command("start " + given.number("worker"));
     }},
    {"io.shmipc.WorkerFailed",
     [](const Parameters& given) {
         return given.worker() + " did not become ready: " + given.text("reason") +
                "; how it died: " + given.place.command("autopsy " + given.number("worker"));
     }},
    {"io.shmipc.Overridden",
     [](const Parameters& given) {
         return "another order for " + given.worker() +
                " came before this one was carried out; it is " + given.text("state") +
                " now. Repeat the order if it still holds";
     }},
    {"io.shmipc.ConfigInvalid",
     [](const Parameters& given) {
         return "the configuration is wrong, so nothing was changed: " + given.text("reason");
     }},
    {"io.shmipc.RolloutFailed", rollout_text},
    {"io.shmipc.ReloadInProgress",
     [](const Parameters&) {
         return std::string("a reload is in progress: try again when it has ended");
     }},
    {"io.shmipc.Stopping",
     [](const Parameters& given) {
         return "the supervisor is stopping: wait until it has ended, then " +
                start_remedy(given.place);
     }},
    {"io.shmipc.control.TooManyClients",
     [](const Parameters& given) {
         return "the supervisor serves no further client: " + given.text("reason") +
                ". End one (a watch, a top, a console; lsof -U shows who has the socket open), or "
                "try again later; root and the supervisor's own user have places of their own";
     }},
    {"io.shmipc.control.Flood",
     [](const Parameters& given) {
         return "the supervisor has closed the connection: " + given.text("reason") +
                "; call less often";
     }},
    {"io.shmipc.control.MessageTooLong",
     [](const Parameters& given) {
         return "the supervisor does not accept the call: " + given.text("reason") +
                "; name fewer workers at once, or ranges";
     }},
    {"io.shmipc.control.OutOfMemory",
     [](const Parameters&) {
         return std::string(
             "the supervisor has no memory for the answer, and goes on without it: ask about fewer "
             "workers at once, or give it more (MemoryMax= of its unit, ulimit -v)");
     }},
    {"org.varlink.service.ExpectedMore",
     [](const Parameters& given) {
         return "the supervisor wants " + given.method +
                " to be called as a stream; this is a bug of shmipcctl";
     }},
    {"org.varlink.service.InterfaceNotFound", unknown_method},
    {"org.varlink.service.MethodNotFound", unknown_method},
    {"org.varlink.service.MethodNotImplemented", unknown_method},
    {"org.varlink.service.InvalidParameter",
     [](const Parameters& given) {
         return "the supervisor does not accept parameter '" + given.text("parameter") + "' of " +
                given.method +
                ": it may be of another version, see: " + given.place.command("version");
     }},
};

}  // namespace

Failure describe_no_connection(const Place& place, const std::vector<std::string>& tried,
                               int error_number, const std::optional<Owner>& owner) {
    const std::string nobody = "no supervisor runs group '" + place.group + "': ";
    const std::string& path = tried.back();
    switch (error_number) {
        case ENOENT:
            return {ExitCode::kNoSupervisor, nobody + not_found(tried) + "; " + start_remedy(place),
                    not_found(tried)};
        case ECONNREFUSED:
            return {ExitCode::kNoSupervisor,
                    nobody + "nobody listens on " + path +
                        ", which an earlier one may have left; " + start_remedy(place),
                    "nobody listens on " + path};
        case EACCES:
        case EPERM:
            return {ExitCode::kNoPermission, refused_text(path, owner)};
        case ENAMETOOLONG:
            return {ExitCode::kUsage, "'" + path +
                                          "' is too long for a socket, which has 107 bytes at the "
                                          "most: name it by a shorter way with --socket"};
        default:
            return {ExitCode::kNoSupervisor,
                    "cannot connect to " + path + ": " +
                        (error_number == 0 ? "no Varlink service" : std::strerror(error_number)) +
                        "; if this is not the supervisor's socket, name it with --socket"};
    }
}

Failure describe_lost_connection(const Place& place, const std::string& path,
                                 const varlink::ConnectionError& error) {
    if (error.code() == ETIMEDOUT) {
        const std::string silence =
            "has not answered within " + supervisor::to_text(kAnswerPatience);
        return {ExitCode::kNoSupervisor,
                "the supervisor of group '" + place.group + "' at " + path + ' ' + silence +
                    ": it is stopped (SIGSTOP, a debugger) or the machine is overloaded; look at "
                    "it with: ps -C shmipc-supervisor -o pid,stat,time,args",
                "it " + silence};
    }
    return {
        ExitCode::kNoSupervisor,
        "lost the supervisor of group '" + place.group + "' at " + path + ": " +
            printable(error.what()) +
            "; its log says why it ended, or dropped this client. Look what became of it with: " +
            place.command("status"),
        printable(error.what())};
}

Failure describe_call_error(const Place& place, const std::string& method,
                            const varlink::CallError& error) {
    const Parameters parameters(place, method, error.parameters());
    if (error.error() == "org.varlink.service.PermissionDenied") {
        return {ExitCode::kNoPermission,
                "the supervisor does not allow this user " + method +
                    ": run as root, as the supervisor's user, or as a member of the group that "
                    "owns the socket"};
    }
    const auto* const known =
        std::find_if(std::begin(kDescriptions), std::end(kDescriptions),
                     [&](const Description& each) { return each.error == error.error(); });
    if (known != std::end(kDescriptions)) {
        try {
            return {known->error == "io.shmipc.Stopping" ? ExitCode::kStopping : ExitCode::kFailed,
                    known->text(parameters)};
        } catch (const Failure&) {
            // Parameters of other types than we know: told as they are, below.
        }
    }
    return {ExitCode::kFailed,
            "the supervisor answered " + method + " with error " + printable(error.error()) + ' ' +
                printable(boost::json::serialize(error.parameters())) +
                ": it may be of another version, see: " + place.command("version")};
}

}  // namespace shmipc::ctl
