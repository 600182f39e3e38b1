#!/usr/bin/env bash
# Does systemd's own varlinkctl (systemd 257, Debian 13) understand the control socket? Starts a
# supervisor of its own and talks to it: info, introspection, calls, an error, a stream.
#
#   tests/supervisor/run/varlinkctl.sh BIN       the directory of shmipc-supervisor and shmipc-worker
set -euo pipefail

bin=${1:?the directory of shmipc-supervisor}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly bin here
# shellcheck source-path=SCRIPTDIR
. "$here/../../support/own_supervisor.sh"
readonly socket=$work/$group.control

fail() {
    printf 'varlinkctl: FAILED: %s\n' "$*" >&2
    cat "$work/log" >&2
    exit 1
}

# expect WHAT PATTERN COMMAND...: the command's output has a line that matches.
expect() {
    local what=$1 pattern=$2 output
    shift 2
    output=$("$@" 2>&1) || fail "$what: exit $?: $output"
    grep -Eq -- "$pattern" <<<"$output" || fail "$what: no '$pattern' in: $output"
    printf 'varlinkctl: %s: ok\n' "$what"
}

start_supervisor "$bin" --workers 3
supervisor_is_ready "$bin" || fail 'no supervisor'

expect 'info' 'Interfaces: io\.shmipc' varlinkctl info "$socket"
expect 'list of interfaces' '^io\.shmipc$' varlinkctl list-interfaces "$socket"
expect 'introspection' '^method Restart' varlinkctl introspect "$socket" io.shmipc
varlinkctl introspect "$socket" io.shmipc >"$work/io.shmipc.varlink"
varlinkctl validate-idl "$work/io.shmipc.varlink" >/dev/null || fail 'the description is not valid'
echo 'varlinkctl: validate-idl: ok'
expect 'Status' '"ready" ?: ?3' varlinkctl --json=short call "$socket" io.shmipc.Status '{}'
expect 'Restart' '\{\}' varlinkctl --json=short call "$socket" io.shmipc.Restart '{"workers":[1]}'
expect 'its effect' '"incarnation" ?: ?2' varlinkctl --json=short call "$socket" io.shmipc.Status '{}'
if output=$(varlinkctl call "$socket" io.shmipc.Restart '{"workers":[9]}' 2>&1); then
    fail "Restart of a worker that is not there: accepted: $output"
fi
grep -q 'io\.shmipc\.NoSuchWorker' <<<"$output" || fail "its error is another: $output"
echo 'varlinkctl: an error by its name: ok'
# The stream has no end of its own; its first answer comes at once.
status=0
timeout 5 varlinkctl --more --json=short call "$socket" io.shmipc.Watch '{}' >"$work/watch" || status=$?
((status == 124)) || fail "Watch ended by itself with $status"
grep -q '"written"' "$work/watch" || fail 'Watch tells nothing'
echo 'varlinkctl: a stream: ok'
