// What a child process is to become.
#pragma once

#include <string>
#include <vector>

namespace shmipc::crash {

struct Program {
    std::vector<std::string> command{};      ///< the program's path first
    std::vector<std::string> environment{};  ///< "NAME=value", in place of ours of that name
    int inherited = -1;                      ///< descriptor that it gets besides the standard ones
    int output = -1;                         ///< its standard output and error; −1: as ours
};

/// In a child, forked by a process of one thread. Exits with 127 if the program cannot be run.
[[noreturn]] void become(const Program& program);

}  // namespace shmipc::crash
