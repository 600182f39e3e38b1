#include "watch_stream.hpp"

#include "json_reports.hpp"
#include "varlink/error_names.hpp"

#include <boost/json/array.hpp>

#include <cstddef>
#include <new>
#include <tuple>
#include <utility>

namespace shmipc::supervisor {
namespace {

auto essence(const WorkerReport& report) {
    return std::make_tuple(report.state, report.pid, report.incarnation, report.restarts,
                           report.deaths.sum(), report.hangs, report.written, report.read,
                           report.pins_held);
}

}  // namespace

bool differs(const WorkerReport& left, const WorkerReport& right) noexcept {
    return essence(left) != essence(right);
}

WatchStream::WatchStream(boost::asio::io_context& io, Supervisor& supervisor,
                         std::shared_ptr<varlink::Call> call, Request request)
    : supervisor_(supervisor), call_(std::move(call)), request_(std::move(request)), timer_(io) {}

void WatchStream::start() {
    told_.resize(request_.workers.size());
    send(true);
    wait();
}

void WatchStream::on_change() {
    send(false);
}

void WatchStream::send(bool all) {
    try {
        tell(all);
    } catch (const std::bad_alloc&) {
        call_->fail(varlink::kOutOfMemory);  // the group goes on
    }
}

void WatchStream::tell(bool all) {
    if (!call_->open() || !call_->drained()) {
        return;  // at the next interval it is still different from what was told
    }
    const GroupReport& group = supervisor_.report();
    boost::json::array workers;
    for (std::size_t i = 0; i < request_.workers.size(); ++i) {
        const WorkerReport& now = group.workers[to_number(request_.workers[i])];
        if (all || differs(now, told_[i])) {
            workers.push_back(to_json(now));
            told_[i] = now;
        }
    }
    if (!workers.empty()) {
        const auto time = std::chrono::duration_cast<std::chrono::microseconds>(group.now).count();
        call_->reply_continued({{"time_usec", time}, {"workers", std::move(workers)}});
    }
}

void WatchStream::wait() {
    timer_.expires_after(request_.interval);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self && self->call_->open()) {
            self->send(self->request_.all);
            self->wait();
        }
    });
}

}  // namespace shmipc::supervisor
