// Fuzz target: objects whose every byte may be wrong, and everybody who opens them. Only an Error
// may come of it.
//
// Input: patches, each an object, an offset, a length and bytes; or a new size for the object.
#include "arena.hpp"
#include "input.hpp"
#include "touch.hpp"
#include <shmipc/error.hpp>
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <chrono>
#include <span>

namespace {

using namespace shmipc;

constexpr std::uint32_t kWorkers = 3;

template <class Call>
void try_to(Call&& call) {
    try {
        call();
    } catch (const Error&) {
        return;  // as it should: what is wrong is reported
    }
}

void look(const std::string& name) {
    try_to([&] {
        const Group group = Group::open(name);
        for (std::uint32_t i = 0; i < kWorkers; ++i) {
            try_to([&] { static_cast<void>(group.running(WorkerIndex{i})); });
            try_to([&] { static_cast<void>(group.held_by(WorkerIndex{i})); });
            static_cast<void>(group.vital_signs(WorkerIndex{i}));
            static_cast<void>(group.latest(WorkerIndex{i}));
        }
    });
    try_to([&] {
        Observer observer = Observer::open(name);
        Observer::Message message;
        for (std::uint32_t i = 0; i < observer.workers(); ++i) {
            if (observer.read(WorkerIndex{i}, message) == Errc::kOk) {
                fuzz::touch(message.bytes);
            }
            static_cast<void>(observer.payload(WorkerIndex{i}));
        }
    });
}

void take_part(const GroupConfig& config) {
    const AttachOptions options = fuzz::attach_options();
    for (std::uint32_t i = 0; i < kWorkers; ++i) {
        try_to([&] {
            Worker worker = Worker::attach(config, WorkerIndex{i}, options);
            Producer<Bytes> producer = worker.producer();
            fuzz::touch(producer.last());
            const std::byte text[5]{};
            static_cast<void>(producer.publish(text));
            for (std::uint32_t j = 0; j < kWorkers; ++j) {
                if (j != i) {
                    Consumer<Bytes> consumer = worker.consumer(WorkerIndex{j});
                    if (const auto pinned = consumer.acquire()) {
                        fuzz::touch(pinned.bytes());
                    }
                    static_cast<void>(consumer.wait_newer(std::chrono::milliseconds{0}));
                }
            }
            static_cast<void>(worker.verify());
        });
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static fuzz::Arena arena(kWorkers);
    fuzz::Input input(data, size);
    arena.restore();
    while (!input.empty()) {
        const auto what = input.number<std::uint8_t>();
        const auto offset = input.number<std::uint16_t>();
        const std::uint32_t object = what % kWorkers;
        if (what >= 0xf0) {
            arena.resize(object, offset);
        } else {
            const auto bytes = input.bytes(std::size_t{what / kWorkers % 16U} + 1);
            arena.scribble(object, offset, bytes.data(), bytes.size());
        }
    }
    look(arena.config().name);
    take_part(arena.config());
    look(arena.config().name);
    try_to([&] { static_cast<void>(Group::remove(arena.config().name)); });
    return 0;
}
