# shellcheck shell=bash
# A supervisor of a script's own, which goes with the script, whatever happens; for scripts to source,
# which have set -euo pipefail.
#
#   work, group                            a scratch directory, and the name of the group
#   start_supervisor BIN [ARGUMENT...]     its log is $work/log, its socket $work/$group.control
#   supervisor_is_ready BIN                waits, with patience, until all of its workers are ready
#   stop_supervisor                        fails if it did not stop in order
# shellcheck disable=SC2034  # for who sources it
work=$(mktemp -d)
readonly work group=shell-test-$$

supervisor=0
clean_up() {
    local status=$?
    trap - EXIT
    stop_supervisor || true
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT

start_supervisor() {
    "$1/shmipc-supervisor" --group "$group" --runtime-dir "$work" --log-format human "${@:2}" \
        >"$work/log" 2>&1 &
    supervisor=$!
}

supervisor_is_ready() {
    "$1/shmipcctl" --group "$group" --runtime-dir "$work" wait --ready --timeout 60s >>"$work/log" 2>&1
}

stop_supervisor() {
    ((supervisor != 0)) || return 0
    local pid=$supervisor
    supervisor=0
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid"
}
