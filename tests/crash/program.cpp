#include "program.hpp"

#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace shmipc::crash {

void become(const Program& program) {
    constexpr int kNotExecuted = 127;
    if (program.inherited >= 0) {
        fcntl(program.inherited, F_SETFD, 0);
    }
    if (program.output >= 0) {
        dup2(program.output, STDOUT_FILENO);
        dup2(program.output, STDERR_FILENO);
    }
    std::vector<std::string> variables = program.environment;
    for (std::string& variable : variables) {
        putenv(variable.data());
    }
    std::vector<std::string> words = program.command;
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) {
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(kNotExecuted);
}

}  // namespace shmipc::crash
