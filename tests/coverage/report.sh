#!/usr/bin/env bash
# What of common/ and supervisor/ do the tests run through? Builds preset coverage, runs the tests of
# the library and of the programs, and prints for each file the lines and branches that were reached,
# and the lines that were not; unreached.txt says why those may be.
#
#   tests/coverage/report.sh
#
# The last lines are sums, "coverage: …". Exit status 1 if a test fails, or if less is reached than
# what stands below.
set -euo pipefail

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
readonly build=build/coverage
# Of a hundred: a little below what is reached, for some lines depend on who is faster.
readonly least_lines=95 least_branches=75
# Not those whose processes only die, which count nothing.
readonly tests='^(common|threads|supervisor.*|varlink|ctl|worker|metrics.*|crash\.step\.consumer)$'
readonly programs=(common_test threads_test supervisor_test varlink_test ctl_test supervisor_run_test
    supervisor_control_test supervisor_storm metrics_server metrics_prometheus_test worker_test
    crash_step_test)

cmake --preset coverage
cmake --build --preset coverage --target "${programs[@]}"
find "$build" -name '*.gcda' -delete
ctest --preset coverage --no-tests=error --parallel "$(nproc)" --tests-regex "$tests"

# What a compiler adds for exceptions is not a branch of ours.
report() {
    gcovr --root . --object-directory "$build" --filter common/ --filter supervisor/ \
        --exclude-throw-branches --exclude-unreachable-branches "$@" "$build"
}
rm -rf "$build/CMakeFiles"/*/CompilerId*  # a program of CMake's own, whose source is gone
status=0
report --json "$build/coverage.json" --txt "$build/lines.txt" --print-summary \
    --fail-under-line "$least_lines" --fail-under-branch "$least_branches" >"$build/summary.txt" ||
    status=$?
report --add-tracefile "$build/coverage.json" --branches --txt "$build/branches.txt"
cat "$build/branches.txt" "$build/lines.txt"
sed -n 's/^\(lines\|functions\|branches\): /coverage: \1 /p' "$build/summary.txt"
if ((status != 0)); then
    echo "coverage: FAILED: less than $least_lines % of the lines, or $least_branches % of the branches"
fi
exit "$status"
