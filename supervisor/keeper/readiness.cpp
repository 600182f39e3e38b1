#include "readiness.hpp"

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <string_view>
#include <utility>

namespace shmipc::supervisor {
namespace {

/// A program that writes this much before the newline of readiness is not about to tell it.
constexpr std::size_t kMostBefore = 4096;
/// How often to look at what a worker says that has no pipe left to say it with.
constexpr std::chrono::milliseconds kLookEvery{100};

}  // namespace

Readiness::Readiness(boost::asio::io_context& io, os::Fd pipe, std::function<bool()> says_so,
                     std::function<void(ToldBy)> on_ready)
    : pipe_(io, pipe.release()),
      timer_(io),
      says_so_(std::move(says_so)),
      on_ready_(std::move(on_ready)) {}

void Readiness::read() {
    pipe_.async_read_some(
        boost::asio::buffer(bytes_),
        [weak = weak_from_this()](const boost::system::error_code& error, std::size_t length) {
            // A read that was done at once waits in the loop: the process may have been buried
            // since.
            const auto self = weak.lock();
            if (!self || error == boost::asio::error::operation_aborted) {
                return;
            }
            if (error) {
                self->pipe_.close();  // without a word
                self->look_again();
                return;
            }
            self->take(length);
        });
}

void Readiness::take(std::size_t length) {
    if (std::string_view(bytes_.data(), length).find('\n') != std::string_view::npos) {
        pipe_.close();
        told_ = true;
        on_ready_(ToldBy::kPipe);
        return;
    }
    before_ += length;
    if (before_ < kMostBefore) {
        read();
    } else {
        pipe_.close();  // else reading its rubbish could keep us busy
        look_again();
    }
}

void Readiness::look() {
    // The pipe stays where it is open still: whoever writes into it must find a reader.
    if (!told_ && pipe_.is_open() && says_so_()) {
        told_ = true;
        on_ready_(ToldBy::kSharedMemory);
    }
}

void Readiness::look_again() {
    if (told_) {
        return;
    }
    if (says_so_()) {
        told_ = true;
        on_ready_(ToldBy::kSharedMemory);
        return;
    }
    timer_.expires_after(kLookEvery);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error) {
            self->look_again();
        }
    });
}

}  // namespace shmipc::supervisor
