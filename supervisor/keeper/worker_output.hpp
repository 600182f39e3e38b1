// A worker's standard output and error: one pipe, which keeps their order, read by the supervisor
// and passed on line by line (worker_line.hpp). So no worker can write half a line before one of
// the supervisor's, nor one that looks like it; and what it said last is known when it is dead,
// which journald could no longer attribute to it.
//
// It is read whatever becomes of the supervisor's own output, since a worker that waits in write(2)
// would look as if it hung; what cannot be written is dropped and counted by the log. The work in
// one turn of the loop is bounded: a worker that floods waits, and nobody else.
//
// Owned by the worker's keeper. One thread.
#pragma once

#include "base/os.hpp"
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::supervisor {

class WorkerOutput {
  public:
    WorkerOutput(boost::asio::io_context& io, WorkerIndex worker);
    WorkerOutput(const WorkerOutput&) = delete;
    WorkerOutput& operator=(const WorkerOutput&) = delete;
    ~WorkerOutput();

    /// For a new process of `program`: makes the pipe, forgets what was said before, and returns
    /// the end to write to. Throws Error (kSystem).
    os::Fd open(const std::string& group, const std::string& program);
    /// The process lives: reads from now on. Its end of the pipe must be closed here.
    void begin(pid_t pid);
    /// The process is dead: passes on what it has left in the pipe, up to a bound, and closes it,
    /// whoever else may still hold the other end.
    void finish();
    /// What was said last, by the process that is or was last; see LastOutput.
    [[nodiscard]] std::vector<std::string> last() const;

  private:
    class Reader;

    boost::asio::io_context& io_;
    WorkerIndex worker_;
    std::shared_ptr<Reader> reader_;  ///< shared with its handlers, which may come late
};

}  // namespace shmipc::supervisor
