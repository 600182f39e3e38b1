#include "console.hpp"

#include "base/os.hpp"
#include "connection.hpp"
#include "reports.hpp"
#include "shared/console_line.hpp"
#include "worker_list.hpp"
#include <shmipc/ids.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace shmipc::ctl {
namespace {

using supervisor::ConsoleCommand;

constexpr int kRetryMs = 500;

/// One supervisor's life.
struct Link {
    Connection log;
    std::string group;
    std::uint32_t workers;
};

Link connect(const Place& place) {
    // The log first, so that it shows what the first order does.
    Connection log = Connection::open(place);
    log.call_more("Log");
    Connection orders = Connection::open(place);
    const StatusReport status = read_status(orders.call("Status"));
    return {std::move(log), status.group, status.worker_count()};
}

Line log_line(const LogReport& report) {
    const Style style = report.level == "error"     ? Style::kBad
                        : report.level == "warning" ? Style::kWaiting
                        : report.level == "debug"   ? Style::kDim
                                                    : Style::kPlain;
    if (report.event == "worker_output") {
        const std::string who = report.worker ? std::to_string(*report.worker) + ": " : "?: ";
        return {{report.message.starts_with(who) ? "" : who}, {report.message, style}};
    }
    return {{"supervisor: "}, {report.message, style}};
}

class Session {
  public:
    Session(const Options& options, Output& output, int input)
        : options_(options), output_(output), input_(input) {}

    void run() {
        link_ = connect(options_.place);  // the first must succeed
        help();
        while (!left_) {
            step();
        }
    }

  private:
    void step() {
        try {
            if (link_ && show_log()) {
                return;
            }
            wait();
            if (!link_) {
                link_ = connect(options_.place);
                output_.write(plain_line("shmipcctl: connected again", Style::kGood));
                help();
            }
        } catch (const Failure& failure) {
            if (left_) {
                throw;
            }
            say_lost(failure.what());
        }
    }

    /// Shows what has come. False if nothing has.
    bool show_log() {
        const auto reply = link_->log.receive(std::chrono::milliseconds{0});
        if (!reply) {
            return false;
        }
        const LogReport report = read_log(reply->parameters);
        if (report.lost != 0) {
            output_.write(plain_line("shmipcctl: " + std::to_string(report.lost) +
                                         " lines came too fast, and are lost here",
                                     Style::kWaiting));
        }
        output_.write(log_line(report));
        if (!reply->continues) {
            throw Failure(ExitCode::kNoSupervisor, "the supervisor has ended its log");
        }
        return true;
    }

    /// Sleeps until there is something to show or to obey; without a supervisor, for a while.
    void wait() {
        const auto deadline =
            std::chrono::steady_clock::now() + std::chrono::milliseconds{kRetryMs};
        do {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            pollfd ends[]{
                {.fd = link_ ? link_->log.descriptor() : -1, .events = POLLIN, .revents = 0},
                {.fd = input_, .events = POLLIN, .revents = 0},
                {.fd = output_.descriptor(), .events = 0, .revents = 0}};
            const int patience =
                link_ ? -1 : static_cast<int>(std::max<std::int64_t>(0, left.count()));
            os::require("poll", [&] { return ::poll(ends, std::size(ends), patience); });
            if ((ends[2].revents & (POLLERR | POLLHUP)) != 0) {
                throw ReaderGone();
            }
            if (ends[1].revents != 0) {
                read_input();
            }
        } while (!link_ && !left_ && std::chrono::steady_clock::now() < deadline);
    }

    void read_input() {
        std::array<char, 256> bytes{};
        const ssize_t length =
            os::retry([&] { return ::read(input_, bytes.data(), bytes.size()); });
        if (length > 0) {
            lines_.feed(std::string_view(bytes.data(), static_cast<std::size_t>(length)),
                        [this](std::string_view line) { obey(line); });
            return;
        }
        left_ = true;
        if (!link_) {
            throw Failure(ExitCode::kNoSupervisor, lost_);
        }
    }

    void obey(std::string_view line) {
        if (left_) {
            return;  // lines that came in one piece with the q
        }
        // Without a supervisor the number of workers is the last one's.
        const ConsoleCommand command = supervisor::parse_console_line(line, workers_);
        switch (command.kind) {
            case ConsoleCommand::Kind::kNothing:
                break;
            case ConsoleCommand::Kind::kToggle:
                toggle(command.worker);
                break;
            case ConsoleCommand::Kind::kQuit:
                left_ = true;
                break;
            case ConsoleCommand::Kind::kUnknown:
                help();
                break;
        }
    }

    void toggle(WorkerIndex worker) {
        if (!link_) {
            output_.write(plain_line("shmipcctl: no supervisor, so worker " +
                                         std::to_string(to_number(worker)) + " was not told",
                                     Style::kBad));
            return;
        }
        try {
            // A connection for each: one that is idle for a minute is closed by the supervisor.
            Connection::open(options_.place).call("Toggle", {{"workers", to_json({worker})}});
        } catch (const Failure& failure) {
            if (failure.code() != ExitCode::kFailed) {
                throw;
            }
            output_.write(plain_line("shmipcctl: " + std::string(failure.what()), Style::kBad));
        }
    }

    void help() {
        if (link_) {
            workers_ = link_->workers;
            group_ = link_->group;
        }
        output_.write(plain_line("console of group " + group_ + ": 0 … " +
                                 std::to_string(workers_ == 0 ? 0 : workers_ - 1) +
                                 " and Return kills a worker or starts it again; q and Return "
                                 "leaves, the group goes on"));
    }

    /// Once for each supervisor that goes, not for each try.
    void say_lost(const std::string& reason) {
        lost_ = reason;
        if (std::exchange(link_, std::nullopt)) {
            output_.write(plain_line("shmipcctl: " + reason, Style::kBad));
            output_.write(
                plain_line("shmipcctl: trying again until it is back; q leaves", Style::kWaiting));
        }
    }

    const Options& options_;
    Output& output_;
    int input_;
    std::optional<Link> link_;
    std::string lost_;  ///< why there is no link
    std::string group_;
    std::uint32_t workers_ = 0;
    supervisor::LineCutter lines_;
    bool left_ = false;
};

}  // namespace

void console(const Options& options, Output& output, int input) {
    Session(options, output, input).run();
}

}  // namespace shmipc::ctl
