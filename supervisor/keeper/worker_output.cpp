#include "worker_output.hpp"

#include "base/log.hpp"
#include "output_cutter.hpp"
#include "worker_line.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// In one turn of the loop. Each line is one write, or one datagram to journald: 64 of them take
/// less than a millisecond.
constexpr std::size_t kBytesATurn = std::size_t{16} * 1024;
constexpr std::size_t kLinesATurn = 64;
/// Of what a dead process has left in its pipe: the largest that an ordinary user may have, and
/// what of it is passed on.
constexpr std::size_t kMostLeft = std::size_t{1024} * 1024;
constexpr std::size_t kMostLinesLeft = 1000;

/// `text` without all but its last `most` lines; counts those.
std::string_view last_lines(std::string_view text, std::size_t most, std::uint64_t& skipped) {
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    for (skipped = 0; skipped + most < lines; ++skipped) {
        text.remove_prefix(text.find('\n') + 1);
    }
    return text;
}

}  // namespace

class WorkerOutput::Reader : public std::enable_shared_from_this<Reader> {
  public:
    Reader(boost::asio::io_context& io, os::Fd pipe, LineSource source)
        : pipe_(io, pipe.release()), source_(std::move(source)) {}

    void begin(pid_t pid) {
        source_.pid = pid;
        wait();
    }

    void finish() {
        if (!pipe_.is_open()) {
            return;
        }
        std::string left = std::exchange(unused_, {});
        std::array<char, kBytesATurn> buffer;  // NOLINT(*-member-init): written before it is read
        std::size_t length = 0;
        while (left.size() < kMostLeft && (length = read(buffer.data(), buffer.size())) > 0) {
            left.append(buffer.data(), length);
        }
        std::uint64_t skipped = 0;
        const std::string_view rest = last_lines(left, kMostLinesLeft, skipped);
        if (skipped > 0) {
            cutter_.clear();
            log::log(log::Level::kWarning, log::Event::kLogDropped,
                     std::to_string(skipped) + " lines that worker " +
                         std::to_string(to_number(source_.worker)) +
                         " wrote just before its end dropped",
                     {{"SHMIPC_WORKER", to_number(source_.worker)},
                      {"SHMIPC_WORKER_PID", source_.pid},
                      {"SHMIPC_DROPPED", skipped}});
        }
        // One that has no newline may come out in pieces: a bound all the same.
        (void)cutter_.feed(rest, kMostLinesLeft + kMostLeft / kLongestOutputLine, take());
        end();
    }

    void close() { pipe_.close(); }

    [[nodiscard]] std::vector<std::string> last() const { return last_.lines(); }

  private:
    /// 0: nothing now, or, as at_end_ tells then, never again.
    std::size_t read(char* buffer, std::size_t size) noexcept {
        const ssize_t length =
            os::retry([&] { return ::read(pipe_.native_handle(), buffer, size); });
        at_end_ = length == 0 || (length < 0 && errno != EAGAIN);
        return length > 0 ? static_cast<std::size_t>(length) : 0;
    }

    void wait() {
        pipe_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                             if (!error && self->pipe_.is_open()) {
                                 self->read_some();
                             }
                         });
    }

    void read_some() {
        std::array<char, kBytesATurn> buffer;  // NOLINT(*-member-init): written before it is read
        const std::size_t length = read(buffer.data(), buffer.size());
        if (at_end_) {
            end();  // it has closed it, and lives on
            return;
        }
        use({buffer.data(), length});
    }

    /// Passes on some of `bytes`, and comes back for the rest.
    void use(std::string_view bytes) {
        const std::size_t used = cutter_.feed(bytes, kLinesATurn, take());
        std::string unused(bytes.substr(used));  // `bytes` may lie in unused_
        unused_ = std::move(unused);
        if (unused_.empty()) {
            wait();
            return;
        }
        boost::asio::post(pipe_.get_executor(), [self = shared_from_this()] {
            if (self->pipe_.is_open()) {
                self->use(self->unused_);
            }
        });
    }

    void end() {
        cutter_.finish(take());
        pipe_.close();
    }

    OutputCutter::Take take() {
        return [this](std::string_view line, bool continues) {
            last_.add(pass_on(line, source_, std::exchange(continued_, continues), continues));
        };
    }

    boost::asio::posix::stream_descriptor pipe_;
    LineSource source_;
    OutputCutter cutter_;
    LastOutput last_;
    std::string unused_;  ///< read, and not passed on yet
    bool continued_ = false;
    bool at_end_ = false;
};

WorkerOutput::WorkerOutput(boost::asio::io_context& io, WorkerIndex worker)
    : io_(io), worker_(worker) {}

WorkerOutput::~WorkerOutput() {
    if (reader_) {
        reader_->close();
    }
}

os::Fd WorkerOutput::open(const std::string& group, const std::string& program) {
    if (reader_) {
        reader_->close();
        reader_.reset();
    }
    int ends[2];
    os::require("pipe2", [&] { return ::pipe2(ends, O_CLOEXEC); });
    os::Fd ours(ends[0]);
    os::Fd theirs(ends[1]);
    // Ours alone: the flag belongs to the open end, and the worker's stays blocking.
    os::require("fcntl(F_SETFL)", [&] { return ::fcntl(ours.get(), F_SETFL, O_NONBLOCK); });
    const std::string name = program.substr(program.rfind('/') + 1);
    reader_ = std::make_shared<Reader>(
        io_, std::move(ours),
        LineSource{.worker = worker_,
                   .pid = -1,
                   .group = group,
                   .identifier = name + "-" + std::to_string(to_number(worker_))});
    return theirs;
}

void WorkerOutput::begin(pid_t pid) {
    reader_->begin(pid);
}

void WorkerOutput::finish() {
    if (reader_) {
        reader_->finish();
    }
}

std::vector<std::string> WorkerOutput::last() const {
    return reader_ ? reader_->last() : std::vector<std::string>{};
}

}  // namespace shmipc::supervisor
