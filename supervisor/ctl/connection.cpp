#include "connection.hpp"

#include <cerrno>
#include <cstdlib>
#include <vector>

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refusals.hpp"

namespace shmipc::ctl {
namespace {

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

}  // namespace

Connection Connection::open(const Place& place) {
    std::vector<std::string> tried;
    int error_number = ENOENT;
    for (const std::string& path :
         socket_candidates(place, ::geteuid(), std::getenv("XDG_RUNTIME_DIR"))) {
        tried.push_back(path);
        try {
            return {place, path, varlink::Client::connect(path)};
        } catch (const varlink::ConnectionError& error) {
            error_number = error.code();
            if (error_number != ENOENT) {
                break;
            }
        }
    }
    throw describe_no_connection(place, tried, error_number, owner_of(tried.back()));
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

std::optional<varlink::Client::Reply> Connection::receive(std::chrono::milliseconds patience) {
    return explain([&] { return client_.receive(patience); });
}

}  // namespace shmipc::ctl
