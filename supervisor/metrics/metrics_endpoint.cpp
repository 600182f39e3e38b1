#include "metrics_endpoint.hpp"

#include "base/log.hpp"
#include "config/listen_address.hpp"
#include "shared/remedy.hpp"
#include <shmipc/error.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace shmipc::supervisor {
namespace {

bool same_port(const std::string& left, const std::string& right) {
    const auto one = parse_listen_address(left);
    const auto other = parse_listen_address(right);
    return one && other && one->port == other->port;
}

std::string drop_in(const std::string& group) {
    return "a drop-in opens it (systemctl edit " + unit_of(group) +
           "): PrivateNetwork=no, IPAddressDeny=, RestrictAddressFamilies=AF_INET AF_INET6; see AS "
           "A SERVICE in shmipc-supervisor(8)";
}

}  // namespace

std::string listen_remedy(int error_number, const std::string& group) {
    switch (error_number) {
        case EAFNOSUPPORT:
            return ": the unit's RestrictAddressFamilies= forbids it, or the kernel has no such "
                   "addresses; " +
                   drop_in(group);
        case EADDRNOTAVAIL:
            return ": no interface has this address; with the unit's PrivateNetwork=yes there is "
                   "none but loopback, and " +
                   drop_in(group);
        case EADDRINUSE:
            return ": another process listens there, which ss -ltnp names; stop it, or choose "
                   "another port in metrics.listen";
        case EACCES:
        case EPERM:
            return ": a port below 1024 takes CAP_NET_BIND_SERVICE; choose another in "
                   "metrics.listen";
        default:
            return {};
    }
}

MetricsEndpoint::MetricsEndpoint(boost::asio::io_context& io, std::function<std::string()> text,
                                 std::string group, MetricsRetry retry)
    : io_(io), text_(std::move(text)), group_(std::move(group)), retry_(retry), timer_(io) {}

std::string MetricsEndpoint::listen(const std::string& address) {
    wanted_ = address;
    delay_ = retry_.first;
    timer_.cancel();
    if (address == serving_) {
        return {};
    }
    if (address.empty()) {
        listener_.reset();
        serving_.clear();
        return {};
    }
    const std::string wrong = try_now();
    if (!wrong.empty()) {
        log::log(log::Level::kWarning, log::Event::kMessage, wrong);
        try_later();
    }
    return wrong;
}

std::string MetricsEndpoint::try_now() {
    std::optional<Error> failure;
    // The second time without our own listener, if that is what has the port.
    for (int attempt = 0; attempt < 2; ++attempt) {
        try {
            listener_ = std::make_unique<MetricsListener>(io_, wanted_, text_);
            serving_ = wanted_;
            log::log(log::Level::kInfo, log::Event::kMessage,
                     "metrics are served at http://" + serving_ + "/metrics");
            return {};
        } catch (const Error& error) {
            failure = error;
        }
        if (failure->system_errno() != EADDRINUSE || !same_port(serving_, wanted_)) {
            break;
        }
        listener_.reset();
        serving_.clear();
    }
    return failure->text() + listen_remedy(failure->system_errno(), group_) +
           "; it is tried again until it works, and " +
           (serving_.empty() ? "the group runs without"
                             : "metrics are served at " + serving_ + " meanwhile");
}

void MetricsEndpoint::try_later() {
    timer_.expires_after(delay_);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && wanted_ != serving_ && !try_now().empty()) {
            delay_ = std::min(delay_ * 2, retry_.longest);
            try_later();
        }
    });
}

}  // namespace shmipc::supervisor
