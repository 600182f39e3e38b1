// Two or more flows of control in one thread, each stopped and resumed at will, and a way to go
// through all choices: what a deterministic search over interleavings needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define SHMIPC_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHMIPC_TEST_ASAN 1
#endif
#endif
#if defined(SHMIPC_TEST_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace shmipc::test {

/// A function that can be stopped in the middle. Abandoning it, by start() or destruction, unwinds
/// nothing: as a death would.
class Fiber {
  public:
    Fiber() : stack_(std::make_unique<std::byte[]>(kStackBytes)) {}
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    ~Fiber() = default;

    /// Makes `body` ready to run from its beginning. It must not throw, nor own anything while it
    /// is paused.
    void start(std::function<void()> body) {
        body_ = std::move(body);
        alive_ = true;
#if defined(SHMIPC_TEST_ASAN)
        __asan_unpoison_memory_region(stack_.get(), kStackBytes);
#endif
        getcontext(&inside_);
        inside_.uc_stack.ss_sp = stack_.get();
        inside_.uc_stack.ss_size = kStackBytes;
        inside_.uc_link = nullptr;
        const auto self = reinterpret_cast<std::uintptr_t>(this);
        makecontext(&inside_, reinterpret_cast<void (*)()>(&enter), 2,
                    static_cast<unsigned>(self >> 32U), static_cast<unsigned>(self));
    }
    /// Runs it until it pauses or ends.
    void resume() {
#if defined(SHMIPC_TEST_ASAN)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, stack_.get(), kStackBytes);
#endif
        swapcontext(&outside_, &inside_);
#if defined(SHMIPC_TEST_ASAN)
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    }
    /// From inside: back to resume().
    void pause() {
        leave();
    }
    [[nodiscard]] bool alive() const noexcept {
        return alive_;
    }

  private:
    static constexpr std::size_t kStackBytes = std::size_t{128} * 1024;

    static void enter(unsigned high, unsigned low) {
        auto* const self = reinterpret_cast<Fiber*>(std::uintptr_t{high} << 32U | low);
#if defined(SHMIPC_TEST_ASAN)
        __sanitizer_finish_switch_fiber(nullptr, &self->caller_, &self->caller_bytes_);
#endif
        self->body_();
        self->alive_ = false;
        self->leave();
    }
    void leave() {
#if defined(SHMIPC_TEST_ASAN)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, caller_, caller_bytes_);
#endif
        swapcontext(&inside_, &outside_);
#if defined(SHMIPC_TEST_ASAN)
        __sanitizer_finish_switch_fiber(fake, &caller_, &caller_bytes_);
#endif
    }

    std::unique_ptr<std::byte[]> stack_;
    std::function<void()> body_;
    ucontext_t inside_{};
    ucontext_t outside_{};
    bool alive_ = false;
#if defined(SHMIPC_TEST_ASAN)
    const void* caller_ = nullptr;
    std::size_t caller_bytes_ = 0;
#endif
};

/// Goes through all sequences of choices, depth first. The program under it must do the same again
/// after the same choices.
class Chooser {
  public:
    /// One of 0 … options − 1.
    unsigned choose(unsigned options) {
        if (at_ == path_.size()) {
            path_.push_back({0, options});
        }
        return path_[at_++].taken;
    }
    /// Whether the next choices were made in an earlier run.
    [[nodiscard]] bool replaying() const noexcept { return at_ < path_.size(); }
    /// To be called after each run: false when all sequences have been run.
    bool next() {
        at_ = 0;
        while (!path_.empty() && path_.back().taken + 1 == path_.back().options) {
            path_.pop_back();
        }
        if (path_.empty()) {
            return false;
        }
        ++path_.back().taken;
        return true;
    }

  private:
    struct Choice {
        unsigned taken;
        unsigned options;
    };
    std::vector<Choice> path_;
    std::size_t at_ = 0;
};

}  // namespace shmipc::test
