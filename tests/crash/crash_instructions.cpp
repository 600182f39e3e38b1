// Workers of the library as it is delivered, without hooks, killed at every instruction of what
// they do there, and at every system call of a group's birth and of attaching.
//
// The victim is traced with ptrace: stepped to a place, killed there, and followed by a successor;
// its invariants are checked from other processes, after the death, after the restart, and at the
// end. The others are Actors over the hooked library, which can stop half-way. Prints a line for
// each operation. Exit status 1 if any invariant was broken.
//
//     publish, loan, acquire, release, wait   every instruction from the order to its end
//     recovery of a producer, of a consumer   attach: every instruction from the last system call
//                                             before the incarnation is written to the end
//     creation of a group, attach             the entry and the exit of every system call
//
// The path of an operation is nearly the same in each round, because the message under the eyes of
// the test always has the same length, and the slots that the producer knows to be free are the
// same. A drill goes on until the operation is over before the death. Without --full it leaves out
// groups of two workers and some situations, and of the recoveries and of the situations with the
// other side half-way all places but one in several.
#include "drill.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace {

constexpr int kUsage = 64;

struct Part {
    const char* name;
    void (*play)(shmipc::crash::Toll&, shmipc::crash::Scope);
};
constexpr Part kParts[] = {{"producer", shmipc::crash::producer_drills},
                           {"consumer", shmipc::crash::consumer_drills},
                           {"recovery", shmipc::crash::recovery_drills},
                           {"birth", shmipc::crash::birth_drills}};

int play(const char* only, shmipc::crash::Scope scope) {
    shmipc::crash::Toll toll;
    try {
        shmipc::crash::Tracee::prepare();
        shmipc::crash::catch_signals();
        for (const Part& part : kParts) {
            if (only == nullptr || std::strcmp(only, part.name) == 0) {
                part.play(toll, scope);
            }
        }
    } catch (const shmipc::crash::Interrupted&) {
        std::fprintf(stderr, "interrupted\n");
        return EXIT_FAILURE;
    } catch (const std::exception& error) {
        toll.failed("outside any round", error.what());
    }
    toll.print_sum();
    return toll.harm() == 0 && toll.deaths() > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
    shmipc::crash::Scope scope = shmipc::crash::Scope::kQuick;
    const char* only = nullptr;
    bool valid = true;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--full") == 0) {
            scope = shmipc::crash::Scope::kFull;
            continue;
        }
        only = argv[i];
        bool known = false;
        for (const Part& part : kParts) {
            known = known || std::strcmp(part.name, only) == 0;
        }
        valid = valid && known;
    }
    if (!valid) {
        std::fprintf(stderr, "usage: %s [--full] [producer|consumer|recovery|birth]\n", argv[0]);
        return kUsage;
    }
    return play(only, scope);
}
