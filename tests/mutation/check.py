#!/usr/bin/env python3
"""Breaks the code on purpose, one step at a time, and expects a test to notice.

Each mutant below takes away a step of recovery, of helping, of waking, or of care for what a death
leaves. It is put into a copy of the tree, built, and the tests named beside it are run: one must fail.
(That each memory order is needed is checked without building, by the test "weak".)

    tests/mutation/check.py [--jobs N] [NAME...]

Prints a line for each mutant: killed, by which test, or SURVIVES. Exit status 1 if one survives, or
does not fit the code any more. Takes half an hour: a minute each. The copy is build/mutation.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build/mutation"

PIN = "common/include/shmipc/protocol/pin.hpp"
PUBLISH = "common/include/shmipc/protocol/publish.hpp"
SLEEP = "common/include/shmipc/protocol/sleep.hpp"
MEMBERSHIP = "common/src/membership.cpp"
SEGMENT = "common/src/segment.cpp"
CHILD = "supervisor/keeper/child.cpp"
DEATH = "supervisor/keeper/worker_death.cpp"

COMMON = ("common_test",)
STEPS = ("common_test", "crash_step_test")
RUN = ("supervisor_test", "supervisor_run_test")

# name, file, what is there, what is put there instead, tests (targets) in the order they are tried
MUTANTS = [
    ("acquire: no confirmation (2)", PIN,
     "!=\n            seen.raw()) [[unlikely]] {", "!=\n            seen.raw() && false) [[unlikely]] {", STEPS),
    ("acquire: confirmed, but HELD is not stored", PIN,
     "        store_cell(Step::kHold, CellWord{CellState::kHeld, seen.slot()});\n", "", STEPS),
    ("acquire: not announced (1)", PIN,
     "        memory_.exchange(Step::kAnnounce, *cell_, CellWord{CellState::kClaimed, seen.slot()}.raw(),\n"
     "                         std::memory_order_seq_cst);\n", "", STEPS),
    ("acquire: overtaken, and help is not asked for (3)", PIN,
     "        memory_.exchange(Step::kPend, *cell_, CellWord{CellState::kPending}.raw(),\n"
     "                         std::memory_order_seq_cst);\n", "", STEPS),
    ("acquire: the helper's slot is not taken (5)", PIN,
     "        const CellWord helped{expected};\n",
     "        const CellWord helped{CellState::kHeld, later.slot()};\n", STEPS),
    ("release: the slot is free while it counts as kept", PIN,
     "store_cell(Step::kRelease, CellWord{CellState::kKept, message.slot()});",
     "store_cell(Step::kRelease, CellWord{CellState::kFree});", STEPS),
    ("consumer recovery: the cell is not freed", PIN,
     "        memory_.exchange(Step::kReclaim, *cell_, CellWord{CellState::kFree}.raw(),\n"
     "                         std::memory_order_acq_rel);\n", "", STEPS),
    ("consumer recovery: a CLAIMED slot is believed", PIN,
     "return usable || !word.whole() ? word : CellWord{CellState::kFree};",
     "return word.state() == CellState::kClaimed ? CellWord{CellState::kHeld, word.slot()} : word;",
     STEPS),
    ("scan: nobody is helped", PUBLISH,
     "if (word.state() == CellState::kPending && !now.empty()) {", "if (false) {", STEPS),
    ("scan: helped, but the slot counts as free", PUBLISH,
     "return helped ? held : CellWord{expected};", "return helped ? CellWord{} : CellWord{expected};",
     STEPS),
    ("scan: the current slot counts as free", PUBLISH,
     "            free_.erase(now.slot());\n", "", STEPS),
    ("scan: pinned slots count as free", PUBLISH,
     "                free_.erase(word.slot());\n", "", STEPS),
    ("publish: the slot is not marked as in flux (7)", PUBLISH,
     "        memory_.store(Step::kWriteBegin, header.sequence, std::uint64_t{0},\n"
     "                      std::memory_order_relaxed);\n", "", STEPS),
    ("producer recovery: the sequence begins anew", PUBLISH,
     "        sequence_ = channel_.header(current.slot()).sequence.load(std::memory_order_relaxed);\n",
     "        sequence_ = 1;\n", STEPS),
    ("waking: the flag is not cleared first", SLEEP,
     "    memory.exchange(Step::kWakeClear, shared.waiting, std::uint32_t{0}, std::memory_order_acq_rel);\n",
     "", STEPS),
    ("waking: the bits stay", SLEEP,
     "std::uint64_t bits = memory.exchange(Step::kWakeTake, shared.sleepers[i], std::uint64_t{0},\n"
     "                                             std::memory_order_acq_rel);",
     "std::uint64_t bits = memory.load(Step::kWakeTake, shared.sleepers[i],\n"
     "                                             std::memory_order_acquire);", STEPS),
    ("waking: the doorbell is not raised", SLEEP,
     "    memory.fetch_add(Step::kWakeRing, doorbell, std::uint32_t{1}, std::memory_order_release);\n",
     "    static_cast<void>(memory);\n    static_cast<void>(doorbell);\n", STEPS),
    ("sleeping: the flag is not set", SLEEP,
     "    memory.exchange(Step::kSleepFlag, shared.waiting, std::uint32_t{1}, std::memory_order_acq_rel);\n",
     "", STEPS),
    ("attach: nobody is rung", MEMBERSHIP, "            ring(*doorbell);\n", "            static_cast<void>(doorbell);\n", STEPS),
    ("attach: the producer does not recover", MEMBERSHIP, "        recover_producer();\n", "", STEPS),
    ("attach: the consumer does not recover", MEMBERSHIP, "        recover_consumers();\n", "", STEPS),
    ("attach: the incarnation stays", MEMBERSHIP,
     "const std::uint32_t incarnation = own.incarnation.load(std::memory_order_relaxed) + 1;",
     "const std::uint32_t incarnation = own.incarnation.load(std::memory_order_relaxed);", STEPS),
    ("leaving: pins stay", MEMBERSHIP,
     "        core.end.reclaim();\n    }\n    vitals()", "        static_cast<void>(core);\n    }\n    vitals()",
     STEPS),
    ("fork: a child unmaps what is not its own", SEGMENT,
     "if (region->maker == getpid()) {", "if (true) {", COMMON),
    ("spawn: the parent's death before prctl() goes unseen", CHILD,
     "    if (::getppid() != birth.parent) {", "    if (false) {", RUN),
    ("spawn: no signal when the parent dies", CHILD,
     "    ::prctl(PR_SET_PDEATHSIG, SIGKILL);\n", "", RUN),
    ("reap: what the dead left in its process group lives on", DEATH,
     "        ::kill(-pid_, SIGKILL);\n", "", RUN),
]

# Mutants that may live, and why.
EXPLAINED = {
    "scan: helped, but the slot counts as free":
        "the slot that help pins is the current one, which the scan has taken out by itself",
    "spawn: the parent's death before prctl() goes unseen":
        "the window is some microseconds between fork and prctl in the child; no test can hold it open",
}


def run(command, log, timeout):
    """Exit status of a command whose output goes to the log; None if it took too long."""
    with open(log, "ab") as output, \
            subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=COPY / "tree",
                             stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
        finally:
            # The objects of a test have its process id in their names. One that was killed, or that
            # its mutant has aborted, could not remove them.
            for left in pathlib.Path("/dev/shm").glob(f"shmipc.*-{process.pid}-*"):
                left.unlink(missing_ok=True)


def make_copy():
    """The files of the checkout, as they are now."""
    tree = COPY / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    names = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                            "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    for name in names.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def build(jobs, targets, log):
    return run(["cmake", "--build", "build/mutation", "-j", str(jobs), "--target", *targets], log, 1800) == 0


def test(targets, log):
    """The first test that fails, or None."""
    for target in targets:
        # A mutant may hang: that is noticed too.
        if run([f"build/mutation/bin/{target}"], log, 300) != 0:
            return target
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*", help="only mutants whose name contains one of these")
    arguments = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS
              if not arguments.names or any(name in mutant[0] for name in arguments.names)]
    COPY.mkdir(parents=True, exist_ok=True)
    log = COPY / "log"
    log.write_bytes(b"")
    make_copy()
    every_target = sorted({target for mutant in chosen for target in mutant[4]})
    options = ["-DSHMIPC_MODEL=OFF", "-DSHMIPC_BENCH=OFF", "-DSHMIPC_WERROR=OFF"]
    for tool in ("prometheus", "promtool"):
        if (ROOT / "build/tools/usr/bin" / tool).exists():
            options.append(f"-DSHMIPC_{tool.upper()}={ROOT}/build/tools/usr/bin/{tool}")
    if run(["cmake", "--preset", "release", "-B", "build/mutation", *options], log, 300) != 0 or \
            not build(arguments.jobs, [*every_target, "shmipc-worker", "shmipc-supervisor"], log):
        sys.exit(f"mutation: cannot build the code as it is: see {log}")
    bad = 0
    for name, file, there, instead, targets in chosen:
        start = time.monotonic()
        path = COPY / "tree" / file
        text = path.read_text()
        if text.count(there) != 1:
            print(f"mutation: DOES NOT FIT: {name}", flush=True)
            bad += 1
            continue
        path.write_text(text.replace(there, instead))
        try:
            if not build(arguments.jobs, [*targets, *(["shmipc-supervisor"] if targets == RUN else [])], log):
                verdict, fine = f"DOES NOT BUILD: see {log}", False
            else:
                by = test(targets, log)
                if by is not None:
                    verdict, fine = f"killed by {by}", name not in EXPLAINED
                    verdict += "" if fine else ", though it is explained"
                elif name in EXPLAINED:
                    verdict, fine = f"survives: {EXPLAINED[name]}", True
                else:
                    verdict, fine = "SURVIVES", False
        finally:
            path.write_text(text)
        bad += not fine
        print(f"mutation: {name}: {verdict} ({time.monotonic() - start:.0f} s)", flush=True)
    print(f"mutation: {len(chosen) - bad} as they should be, {bad} not")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
