#include "arena.hpp"

#include "payload.hpp"
#include <shmipc/layout.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

constexpr const char* kDirectory = "/dev/shm/";

std::string unique_name() {
    static std::uint32_t made = 0;
    return "crash-" + std::to_string(getpid()) + "-" + std::to_string(++made);
}

}  // namespace

Arena::Arena(std::uint32_t workers, std::uint64_t capacity)
    : Arena(workers, capacity, layout::Geometry::minimum_slots(workers)) {}

Arena::Arena(std::uint32_t workers, std::uint64_t capacity, std::uint32_t slots)
    : config_{.name = unique_name(), .workers = workers, .capacity = capacity, .slots = slots},
      group_(Group::create_or_open(config_)),
      observer_(Observer::open(config_.name)) {
    for (std::uint32_t i = 0; i < workers; ++i) {
        const std::string path = kDirectory + object_name(config_.name, WorkerIndex{i});
        files_.emplace_back(os::require("cannot open " + path,
                                        [&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
    }
}

Arena::~Arena() {
    if (removed_) {
        return;
    }
    std::error_code ignored;
    for (const std::string& object : objects()) {
        std::filesystem::remove(object, ignored);
    }
}

void Arena::expect_latest(WorkerIndex channel, std::uint64_t sequence) {
    expect_latest(channel, sequence, sequence);
}

std::uint64_t Arena::expect_latest(WorkerIndex channel, std::uint64_t lowest,
                                   std::uint64_t highest) {
    const Errc outcome = observer_.read(channel, message_);
    const std::string range = " of channel " + std::to_string(to_number(channel)) + ", expected " +
                              std::to_string(lowest) +
                              (lowest == highest ? "" : " to " + std::to_string(highest));
    if (outcome == Errc::kEmpty) {
        expect(lowest == 0, "lost: an observer finds no message" + range);
        return 0;
    }
    expect(outcome == Errc::kOk, "an observer cannot read the latest message" + range + ": " +
                                     make_error_code(outcome).message());
    const std::uint64_t found = message_.info.sequence;
    expect(found >= lowest, "lost: the latest message is " + std::to_string(found) + range);
    expect(found <= highest,
           "never published: the latest message is " + std::to_string(found) + range);
    expect(is_whole(channel, message_.info, message_.bytes, capacity()),
           "torn, seen by an observer: " + describe(channel, message_.info));
    const auto vitals = group_.vital_signs(channel);
    expect(vitals && vitals->written == found,
           "vital signs tell another count of messages than the latest has");
    return found;
}

std::uint64_t Arena::read(WorkerIndex channel, std::uint64_t offset, std::size_t bytes) const {
    std::uint64_t value = 0;
    const auto got = os::require("cannot read an object", [&] {
        return pread(files_[to_number(channel)].get(), &value, bytes, static_cast<off_t>(offset));
    });
    expect(static_cast<std::size_t>(got) == bytes, "an object has been truncated");
    return value;
}

protocol::CellWord Arena::cell(WorkerIndex channel, WorkerIndex consumer) const {
    const std::uint64_t offset = layout::Geometry::shared_offset() + sizeof(layout::SharedPart) +
                                 to_number(cell_of(consumer, channel)) * sizeof(layout::Cell) +
                                 offsetof(layout::Cell, word);
    return protocol::CellWord{
        static_cast<std::uint32_t>(read(channel, offset, sizeof(std::uint32_t)))};
}

std::uint64_t Arena::sequence_in(WorkerIndex channel, SlotIndex slot) const {
    const layout::Geometry geometry = config_.geometry();
    return read(channel, geometry.slots_offset() + to_number(slot) * geometry.stride(),
                sizeof(std::uint64_t));
}

std::uint32_t Arena::pins_of(WorkerIndex consumer) const {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < workers(); ++i) {
        if (WorkerIndex{i} != consumer) {
            count += cell(WorkerIndex{i}, consumer) == protocol::CellWord{} ? 0U : 1U;
        }
    }
    return count;
}

std::uint32_t Arena::pins() const {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < workers(); ++i) {
        count += pins_of(WorkerIndex{i});
    }
    return count;
}

void Arena::remove() {
    for (std::uint32_t i = 0; i < workers(); ++i) {
        expect(group_.verify_name(WorkerIndex{i}) == Errc::kOk, "an object has lost its name");
    }
    expect(Group::remove(config_.name), "the group was gone before it was removed");
    const std::vector<std::string> left = objects();
    expect(left.empty(), left.empty() ? "" : "leaked object " + left.front());
    removed_ = true;
}

std::vector<std::string> Arena::objects() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(kDirectory)) {
        const std::string file = entry.path().filename().string();
        if (file.starts_with("shmipc." + config_.name + ".")) {
            found.push_back(entry.path().string());
        }
    }
    return found;
}

std::string to_string(protocol::CellWord cell) {
    const auto slot = [&] { return " slot " + std::to_string(to_number(cell.slot())); };
    switch (cell.state()) {
        case protocol::CellState::kFree:
            return "FREE";
        case protocol::CellState::kPending:
            return "PENDING";
        case protocol::CellState::kClaimed:
            return "CLAIMED" + slot();
        case protocol::CellState::kHeld:
            return "HELD" + slot();
        case protocol::CellState::kKept:
            return "KEPT" + slot();
    }
    return "nonsense " + std::to_string(cell.raw());
}

}  // namespace shmipc::crash
