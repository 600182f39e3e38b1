// shmipcctl: shows and steers a group of workers. Here is only wiring.
#include "autopsy.hpp"
#include "base/os.hpp"
#include "console.hpp"
#include "failure.hpp"
#include "options.hpp"
#include "orders.hpp"
#include "output.hpp"
#include "peek.hpp"
#include "status.hpp"
#include "top.hpp"
#include "wait.hpp"
#include "watch.hpp"
#include <shmipc/error.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>

#include <unistd.h>

namespace {

using namespace shmipc;
using namespace shmipc::ctl;

void run(const Options& options, Output& output) {
    switch (options.command) {
        case Command::kStatus:
            return status(options, output);
        case Command::kWait:
            return ctl::wait(options, output);
        case Command::kStart:
        case Command::kStop:
        case Command::kRestart:
            return order(options, output);
        case Command::kKill:
            return ctl::kill(options, output);
        case Command::kPeek:
            return peek(options, output);
        case Command::kWatch:
            return watch(options, output);
        case Command::kAutopsy:
            return autopsy(options, output);
        case Command::kTop:
            return top(options, output);
        case Command::kConsole:
            return console(options, output, STDIN_FILENO);
        case Command::kReload:
            return reload(options, output);
        case Command::kLogLevel:
            return log_level(options, output);
        case Command::kMetrics:
            return metrics(options, output);
        case Command::kClean:
            return clean(options, output);
        case Command::kVersion:
            return version(options, output);
    }
}

int fail(ExitCode code, const std::exception& error) {
    std::cerr << "shmipcctl: " << error.what() << '\n';
    return to_number(code);
}

}  // namespace

int main(int argc, char** argv) {
    // First of all: otherwise the next file that is opened would become standard output.
    if (!os::open_standard_descriptors()) {
        return to_number(ExitCode::kFailed);  // and no way to say why
    }
    std::signal(SIGPIPE, SIG_IGN);  // an error of write() then, see output.hpp
    std::signal(SIGXFSZ, SIG_IGN);  // the same, beyond RLIMIT_FSIZE
    const CommandLine line = parse_command_line(argc, argv, std::cout, std::cerr);
    if (!line.options) {
        return to_number(line.exit_code);
    }
    Output output(STDOUT_FILENO, use_colour(line.options->colour, ::isatty(STDOUT_FILENO) == 1,
                                            std::getenv("NO_COLOR"), std::getenv("TERM")));
    try {
        os::raise_descriptor_limit();
        run(*line.options, output);
        return to_number(ExitCode::kOk);
    } catch (const ReaderGone&) {
        return to_number(ExitCode::kOk);
    } catch (const Failure& failure) {
        return fail(failure.code(), failure);
    } catch (const std::invalid_argument& error) {  // a list of workers
        return fail(ExitCode::kUsage, error);
    } catch (const Error& error) {  // of the shared memory
        if (error.errc() != Errc::kNoPermission) {
            return fail(ExitCode::kFailed, error);
        }
        return fail(
            ExitCode::kNoPermission,
            Failure(ExitCode::kNoPermission,
                    error.text() + ": run as root, or as the user whose workers these are"));
    } catch (const std::exception& error) {
        return fail(ExitCode::kFailed, error);
    }
}
