// A connection to the supervisor of a group, whose errors are texts for people.
//
// One thread. Every function throws Failure: kNoSupervisor, kNoPermission, kUsage for a path that
// no socket can have; kFailed if the supervisor answers with an error.
#pragma once

#include "place.hpp"
#include "varlink/client.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::ctl {

class Connection {
  public:
    static Connection open(const Place& place);
    /// Where open() looks.
    static std::vector<std::string> places(const Place& place);

    /// `method` is one of io.shmipc that a supervisor answers at once: "Status". One that has not
    /// after kAnswerPatience is stopped, or worse.
    boost::json::object call(const std::string& method, boost::json::object parameters = {});
    /// For orders whose answer comes when they are carried out: waits as long as that takes.
    boost::json::object call_and_wait(const std::string& method,
                                      boost::json::object parameters = {});
    /// Begins a stream of answers.
    void call_more(const std::string& method, boost::json::object parameters = {});
    /// As varlink::Client::receive().
    std::optional<varlink::Client::Reply> receive(std::chrono::milliseconds patience);
    /// The next of a stream of answers that a supervisor gives at once, as call().
    varlink::Client::Reply receive_soon();
    [[nodiscard]] int descriptor() const noexcept { return client_.descriptor(); }

  private:
    Connection(Place place, std::string path, varlink::Client client)
        : place_(std::move(place)), path_(std::move(path)), client_(std::move(client)) {}

    template <class Action>
    auto explain(Action&& action);

    Place place_;
    std::string path_;
    std::string method_;  ///< the latest, for texts
    varlink::Client client_;
};

}  // namespace shmipc::ctl
