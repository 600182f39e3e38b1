#include "connection.hpp"

#include "refusals.hpp"
#include "shared/runtime_dir.hpp"
#include "trust.hpp"

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::ctl {
namespace {

/// Connects only where the supervisor may be, and says nothing before it is known to be it.
varlink::Client connect_to_trusted(const std::string& path) {
    require_trusted(path);  // before: somebody else's socket could keep us waiting
    varlink::Client client = varlink::Client::connect(path);
    const auto owner = require_trusted(path);  // the name may have come only now
    if (!owner) {
        throw varlink::ConnectionError("cannot connect to " + path + ": it was removed", ENOENT);
    }
    require_peer(path, client.descriptor(), *owner);
    return client;
}

std::optional<Owner> owner_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return std::nullopt;
    }
    const passwd* const user = ::getpwuid(status.st_uid);
    const group* const members = ::getgrgid(status.st_gid);
    return Owner{user == nullptr ? std::to_string(status.st_uid) : user->pw_name,
                 members == nullptr ? std::to_string(status.st_gid) : members->gr_name,
                 (status.st_mode & S_IWGRP) != 0};
}

/// Whether the supervisor may be at another of the places, if at this one there is such an error.
bool may_be_elsewhere(const std::string& path, int error_number) {
    switch (error_number) {
        case ENOENT:
        case EACCES:
        case EPERM:
            return true;
        case ECONNREFUSED:
            // What a unit left before it got another User=. A user's own that has just died is no
            // reason to give the order to the system's group of the same name.
            return path.starts_with(supervisor::kSystemRuntimeDirectory);
        default:
            return false;
    }
}

}  // namespace

std::vector<std::string> Connection::places(const Place& place) {
    return socket_candidates(
        place, {::geteuid(), std::getenv("XDG_RUNTIME_DIR"), std::getenv("RUNTIME_DIRECTORY")});
}

Connection Connection::open(const Place& place) {
    const std::vector<std::string> paths = places(place);
    // What is there and cannot be used tells more than what is not there.
    std::vector<std::string> tried = paths;
    int told = ENOENT;
    std::optional<Failure> foreign;
    for (const std::string& path : paths) {
        try {
            return {place, path, connect_to_trusted(path)};
        } catch (const varlink::ConnectionError& error) {
            if (told == ENOENT && error.code() != ENOENT) {
                tried = {path};
                told = error.code();
            }
            if (!may_be_elsewhere(path, error.code())) {
                break;
            }
        } catch (const Failure& failure) {
            // The supervisor cannot be there either: it may still be at the next place.
            foreign = failure;
        }
    }
    if (foreign && told == ENOENT) {
        throw Failure(*foreign);
    }
    throw describe_no_connection(place, tried, told, owner_of(tried.back()));
}

template <class Action>
auto Connection::explain(Action&& action) {
    try {
        return action();
    } catch (const varlink::CallError& error) {
        throw describe_call_error(place_, method_, error);
    } catch (const varlink::ConnectionError& error) {
        throw describe_lost_connection(place_, path_, error);
    }
}

boost::json::object Connection::call(const std::string& method, boost::json::object parameters) {
    method_ = method;
    return explain([&] {
        return client_.call("io.shmipc." + method, std::move(parameters), kAnswerPatience);
    });
}

boost::json::object Connection::call_and_wait(const std::string& method,
                                              boost::json::object parameters) {
    method_ = method;
    return explain([&] { return client_.call("io.shmipc." + method, std::move(parameters)); });
}

void Connection::call_more(const std::string& method, boost::json::object parameters) {
    method_ = method;
    explain([&] { client_.call_more("io.shmipc." + method, std::move(parameters)); });
}

varlink::Client::Reply Connection::receive_soon() {
    auto reply = receive(kAnswerPatience);
    if (!reply) {
        throw describe_lost_connection(place_, path_,
                                       varlink::ConnectionError("no answer", ETIMEDOUT));
    }
    return std::move(*reply);
}

std::optional<varlink::Client::Reply> Connection::receive(std::chrono::milliseconds patience) {
    return explain([&] { return client_.receive(patience); });
}

}  // namespace shmipc::ctl
