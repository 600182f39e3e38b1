#include "log_stream.hpp"

#include "base/log_relay.hpp"
#include "keeper/worker_line.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

namespace shmipc::supervisor {
namespace {

/// Not an event of the log's: what workers write has none.
constexpr std::string_view kWorkerOutput = "worker_output";
constexpr std::size_t kLongestOutput = 1024;

boost::json::value worker_in(std::span<const log::Field> fields) {
    for (const log::Field& field : fields) {
        const auto* const number = std::get_if<std::uint64_t>(&field.value);
        if (field.name == "SHMIPC_WORKER" && number != nullptr) {
            return *number;
        }
    }
    return nullptr;
}

/// Whether a worker wrote it, to its standard output or error.
bool is_output(std::span<const log::Field> fields) {
    return std::any_of(fields.begin(), fields.end(), [](const log::Field& field) {
        const auto* const text = std::get_if<std::string>(&field.value);
        return field.name == kOriginField && text != nullptr && *text == kOriginWorker;
    });
}

}  // namespace

LogStreams::LogStreams(boost::asio::io_context& io)
    : io_(io), self_(std::make_shared<LogStreams*>(this)) {}

LogStreams::~LogStreams() {
    log::set_tap({});
}

void LogStreams::add(std::shared_ptr<varlink::Call> call) {
    // Here too: while nothing is logged, nothing else would let go of those that are gone.
    drop_closed();
    if (streams_.empty()) {
        log::set_tap(
            [this](log::Level level, log::Event event, std::string_view message,
                   std::span<const log::Field> fields) { take(level, event, message, fields); });
    }
    streams_.push_back({.call = std::move(call), .behind = 0, .lost = 0});
}

void LogStreams::take(log::Level level, log::Event event, std::string_view message,
                      std::span<const log::Field> fields) {
    // Half of the queue for what workers write: one that floods does not keep out the rest.
    const bool output = is_output(fields);
    if (queue_.size() >= (output ? kMostQueued / 2 : kMostQueued)) {
        ++lost_;
        return;
    }
    queue_.push_back(
        {{"level", log::name_of(level)},
         {"event", output ? kWorkerOutput : log::name_of(event)},
         {"message", output ? log::printable(message, kLongestOutput) : std::string(message)},
         {"worker", worker_in(fields)}});
    if (!posted_) {
        posted_ = true;
        boost::asio::post(io_, [self = std::weak_ptr(self_)] {
            if (const auto streams = self.lock()) {
                (*streams)->flush();
            }
        });
    }
}

void LogStreams::flush() {
    posted_ = false;
    std::deque<boost::json::object> lines = std::exchange(queue_, {});
    const std::uint64_t lost = std::exchange(lost_, 0);
    drop_closed();
    for (Stream& stream : streams_) {
        for (const boost::json::object& line : lines) {
            send(stream, line);
        }
        stream.lost += lost;
    }
    if (streams_.empty()) {
        log::set_tap({});
    }
}

void LogStreams::drop_closed() {
    streams_.remove_if([](const Stream& stream) { return !stream.call->open(); });
}

void LogStreams::send(Stream& stream, const boost::json::object& line) {
    if (!stream.call->open()) {
        return;
    }
    if (stream.call->drained()) {
        stream.behind = 0;
    }
    if (stream.behind >= kMostBehind) {
        ++stream.lost;
        return;
    }
    ++stream.behind;
    boost::json::object answer = line;
    answer["lost"] = std::exchange(stream.lost, 0);
    stream.call->reply_continued(std::move(answer));
}

}  // namespace shmipc::supervisor
