#!/usr/bin/env bash
# What a supervisor and its workers hold on to over a long life: memory by LeakSanitizer (a build of
# preset asan), over 1,000 restarts of workers, reloads and a stop in order; and over a short life
# everything that valgrind sees (a build of preset release).
#
#   tests/leak/check.sh ASAN-BUILD RELEASE-BUILD
#
# Each check that held is a line "leak: ok: …". Exit status 1 if one did not.
set -euo pipefail

if (($# != 2)); then
    echo "usage: $0 ASAN-BUILD RELEASE-BUILD" >&2
    exit 64
fi
readonly asan=$1 release=$2 workers=4 restarts=250 group=leak-$$
place=$(mktemp -d)
readonly place
supervisor='' drain=''

# Whatever happens, nothing of ours is left.
clean_up() {
    local status=$?
    if [[ -n $supervisor ]]; then kill -KILL "$supervisor" 2>/dev/null || true; fi
    if [[ -n $drain ]]; then wait "$drain" 2>/dev/null || true; fi
    "$release/bin/shmipcctl" --group "$group" clean >/dev/null 2>&1 || true
    rm -rf "$place"
    exit "$status"
}
trap clean_up EXIT

fail() {
    echo "leak: FAILED: $1"
    tail -n 40 "$place"/*.log
    exit 1
}

configure() { printf 'workers = %d\n[log]\nlevel = "%s"\n' "$workers" "$1" >"$place/shmipc.toml"; }

# begin NAME BUILD COMMAND...: a supervisor of BUILD, run by COMMAND; returns when all are ready.
begin() {
    local name=$1 build=$2 line ready=''
    shift 2
    configure info
    coproc out {
        exec "$@" "$build/bin/shmipc-supervisor" --config "$place/shmipc.toml" --group "$group" \
            --runtime-dir "$place" --log-format human 2>&1
    }
    # shellcheck disable=SC2154 # coproc sets it
    supervisor=$out_PID
    exec {lines}<&"${out[0]}"
    while [[ -z $ready ]] && read -r -t 120 line <&"$lines"; do
        echo "$line" >>"$place/$name.log"
        if [[ $line == *"$workers/$workers workers ready"* ]]; then ready=yes; fi
    done
    [[ -n $ready ]] || fail "$name: the workers do not become ready"
    cat <&"$lines" >>"$place/$name.log" &
    drain=$!
    exec {lines}<&-
}

ctl() { ASAN_OPTIONS=detect_leaks=0 "$release/bin/shmipcctl" --group "$group" --runtime-dir "$place" "$@"; }

# A stop in order; the exit status is what the sanitizer or valgrind makes it.
end() {
    local name=$1 status=0
    kill -TERM "$supervisor"
    wait "$supervisor" || status=$?
    supervisor=''
    wait "$drain" || true
    drain=''
    ((status == 0)) || fail "$name: ended with $status"
    ! grep -E 'LeakSanitizer|AddressSanitizer|runtime error' "$place/$name.log" ||
        fail "$name: a sanitizer has found something"
}

begin lsan "$asan" env ASAN_OPTIONS=detect_leaks=1:use_sigaltstack=0
for ((i = 1; i <= restarts; ++i)); do
    ctl restart all >/dev/null
    if ((i % 25 == 0)); then
        configure "$( ((i % 50 == 0)) && echo info || echo warning)"
        ctl reload >/dev/null
        ctl status --json >/dev/null
        ctl autopsy all >/dev/null
    fi
done
end lsan
echo "leak: ok: LeakSanitizer, $((restarts * workers)) restarts of workers, $((restarts / 25)) reloads, stop"

begin valgrind "$release" valgrind --quiet --leak-check=full --show-leak-kinds=definite,possible \
    --errors-for-leak-kinds=definite,possible --error-exitcode=99
ctl restart 1 >/dev/null
ctl kill 2 >/dev/null
ctl reload >/dev/null
ctl status >/dev/null
end valgrind
echo "leak: ok: valgrind, a short life of the supervisor"
