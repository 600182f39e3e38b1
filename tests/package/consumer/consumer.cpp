// A program written with the installed library: a group of two workers, one message, and an error
// that comes out of the library and is caught by its type.
#include <shmipc/group.hpp>
#include <shmipc/worker.hpp>

#include <cstdint>
#include <exception>
#include <iostream>
#include <string>

namespace {

struct Count {
    std::uint64_t value;
};

}  // namespace

template <>
struct shmipc::PayloadName<Count> {
    static constexpr std::string_view kName = "tests.package.count.v1";
};

int main(int argc, char** argv) {
    if (argc != 2) {
        return 64;
    }
    const std::string group = argv[1];
    try {
        try {
            shmipc::Group::open(group);
            std::cerr << "the group is there already\n";
            return 1;
        } catch (const shmipc::Error& error) {
            if (error.errc() != shmipc::Errc::kNoGroup) {
                throw;
            }
        }
        const shmipc::GroupConfig config{.name = group, .workers = 2, .capacity = sizeof(Count)};
        bool passed_on = false;
        {
            auto first = shmipc::Worker::attach(config, shmipc::WorkerIndex{0});
            auto second = shmipc::Worker::attach(config, shmipc::WorkerIndex{1});
            auto producer = first.producer<Count>();
            auto consumer = second.consumer<Count>(first.index());
            producer.publish(Count{42});
            const auto seen = consumer.acquire();
            passed_on = seen && seen->value == 42;
        }
        shmipc::Group::remove(group);
        std::cout << (passed_on ? "42 passed on\n" : "nothing passed on\n");
        return passed_on ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
