// Observer: looks at the latest messages of a group without being one of its workers.
#pragma once

#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/message.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace shmipc {

/// Reads a group's channels. It has no cell and writes nothing, so that it can be in nobody's way;
/// in turn a message that is overwritten while it copies is lost to it, and the next is tried. Any
/// number of observers, in any process that may read the objects. Used by one thread at a time, and
/// in a forked child only destroyed: its mappings are missing there.
class Observer {
  public:
    /// How it reads.
    enum class Reading : std::uint8_t {
        /// Through read-only mappings: some hundred nanoseconds for a short message. Not for
        /// objects of workers that are hostile or broken: one that truncates its object kills
        /// (SIGBUS) those who map it.
        kMapped,
        /// By pread(2), with three system calls for a message and a descriptor for each worker.
        /// Whatever a worker does to its object, the others are read; for tools that look at groups
        /// which are not in order.
        kCopied
    };
    struct Message {
        MessageInfo info;
        std::vector<std::byte> bytes;
    };
    struct Payload {
        std::string name;        ///< empty: not stamped yet
        std::uint32_t size = 0;  ///< bytes; 0: any length
    };

    /// Throws Error as Group::open() does.
    static Observer open(const std::string& group);
    /// With kCopied an object that cannot be opened is told by read(), unless none can be.
    static Observer open(const std::string& group, Reading reading);
    static std::optional<Observer> open(const std::string& group, std::error_code& error);

    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    Observer(Observer&&) noexcept;
    Observer& operator=(Observer&&) noexcept;
    ~Observer();

    [[nodiscard]] std::uint32_t workers() const noexcept;
    /// Copies the latest message of a channel into `message`, whose buffer is reused. kOk, kEmpty;
    /// kContended: overtaken in each of a bounded number of tries; kCorruptChannel; kInvalidIndex.
    /// With kCopied also what open() throws for the worker's object, kTruncated above all. The
    /// buffer grows to the message then, not to the channel's capacity.
    Errc read(WorkerIndex channel, Message& message);
    /// What the channel carries.
    [[nodiscard]] Payload payload(WorkerIndex channel) const;

  private:
    struct State;
    explicit Observer(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

}  // namespace shmipc
