#!/usr/bin/env bash
# The part of check.sh that runs inside the clean root, as root: what a user does on a machine that
# has nothing yet. An ordinary user with sudo sets up, builds and plays; then root does.
set -euo pipefail

readonly user=tester home=/home/tester tree=/home/tester/shmipc
readonly first_ready_s=1500  # with packages to fetch, on a slow machine
readonly soon_s=60

step_start=$SECONDS
step() {
    printf 'clean: %s (the step before: %d s)\n' "$*" $((SECONDS - step_start))
    step_start=$SECONDS
}

fail() {
    printf 'clean: FAILED: %s\n' "$*" >&2
    if [[ -s ${output:-} ]]; then
        printf 'clean: the end of what the terminal showed:\n' >&2
        tail -n 60 "$output" >&2
    fi
    exit 1
}

isolation=()
as_user() {
    env --chdir="$tree" HOME="$home" USER="$user" LOGNAME="$user" "${isolation[@]}" \
        setpriv --reuid="$user" --regid="$user" --init-groups "$@"
}
as_root() { env --chdir="$tree" "${isolation[@]}" "$@"; }

# eventually SECONDS WHAT COMMAND...: until the command succeeds; fails, saying what, after the time,
# or when the process that should bring it about (needed) has ended.
needed=''
eventually() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < deadline)) || fail "not within the time: $what"
        if [[ -n $needed ]] && ended "$needed"; then fail "./run.sh ended before: $what"; fi
        sleep 0.1
    done
}

shown() { grep -Eq "$1" "$output"; }
shown_times() { (($(grep -Ec "$1" "$output") >= $2)); }
# The ids of the processes whose command line matches. A minimal root has no pgrep.
processes() {
    local file
    for file in /proc/[0-9]*/cmdline; do
        if tr '\0' ' ' 2>/dev/null <"$file" | grep -E -- "$1" >/dev/null; then
            file=${file#/proc/}
            printf '%s\n' "${file%/cmdline}"
        fi
    done 2>/dev/null
}
running() { [[ -n $(processes "^[^ ]*shmipc-worker .*--index $1 ") ]]; }
not_running() { ! running "$1"; }
ended() { ! kill -0 "$1" 2>/dev/null; }
nothing_runs() { [[ -z $(processes '^[^ ]*shmipc-(supervisor|worker) ') ]]; }

nothing_left() {
    eventually "$soon_s" 'all processes gone' nothing_runs
    local objects=(/dev/shm/shmipc.*)
    [[ ! -e ${objects[0]} ]] || fail "left behind: ${objects[*]}"
}

last_written() { tr -d '\r' <"$output" | sed -nE "s/^$1: write ([0-9]+)\$/\1/p" | tail -n 1; }
wrote_after_line() {
    tail -n "+$2" "$output" | tr -d '\r' | sed -nE "s/^$1: write ([0-9]+)\$/\1/p" | sed -n 1p
}
wrote_again() { [[ -n $(wrote_after_line "$1" "$2") ]]; }

wrong_usage() {
    local status arguments
    for arguments in '' 1 1025 zero '3 3' 'crash 5' 'package now'; do
        status=0
        # shellcheck disable=SC2086  # several arguments in one word
        as_user ./run.sh $arguments >/dev/null 2>"$work/usage" </dev/null || status=$?
        ((status == 64)) || fail "./run.sh $arguments: exit $status instead of 64"
        grep -q '^Usage:' "$work/usage" || fail "./run.sh $arguments: no usage on standard error"
    done
    as_user ./run.sh --help | grep '^Usage:' >/dev/null || fail './run.sh --help tells no usage'
}

# console AS: ./run.sh 3 on a terminal, operated by hand.
console() {
    local as=$1 terminal keyboard before came_back value
    output=$work/console.$as
    mkfifo -m 0666 "$work/keys.$as"
    touch "$output"
    # script(1) is the terminal. The subshell holds the keyboard open, so that no end of input is seen.
    "$as" script --quiet --flush --return --command './run.sh 3' /dev/null \
        <"$work/keys.$as" >"$output" 2>&1 &
    terminal=$!
    needed=$terminal
    exec {keyboard}>"$work/keys.$as"
    local worker
    for worker in 0 1 2; do
        eventually "$first_ready_s" "worker $worker ready" shown "^$worker: ready"
    done
    eventually "$soon_s" 'worker 1 writes' shown '^1: write [0-9]+'
    eventually "$soon_s" 'worker 2 reads from worker 1' shown '^2: read info from 1: [0-9]+'

    printf '1\n' >&"$keyboard"
    eventually "$soon_s" 'worker 1 is killed' not_running 1
    sleep 2
    not_running 1 || fail 'worker 1 came back unasked'
    { running 0 && running 2; } || fail 'another worker went with worker 1'
    before=$(last_written 1)

    came_back=$(($(wc -l <"$output") + 1))
    printf '1\n' >&"$keyboard"
    eventually "$soon_s" 'worker 1 comes back' shown_times '^1: ready' 2
    eventually "$soon_s" 'worker 1 writes again' wrote_again 1 "$came_back"
    value=$(wrote_after_line 1 "$came_back")
    # One more than the last one shown; two, if the kill came between publishing and telling.
    ((value == before + 1 || value == before + 2)) || fail "worker 1 wrote $value after $before"

    printf 'q\n' >&"$keyboard"
    needed=''
    eventually "$soon_s" 'q ends it' ended "$terminal"
    wait "$terminal" || fail "./run.sh 3 ended with exit $?"
    exec {keyboard}>&-
    nothing_left
}

# daemon AS: ./run.sh 3 without a terminal, without the network, and without sudo.
daemon() {
    local as=$1 pid supervisor isolation=(unshare --net)
    output=$work/daemon.$as
    "$as" ./run.sh 3 </dev/null >"$output" 2>&1 &
    pid=$!
    needed=$pid
    local worker
    for worker in 0 1 2; do
        eventually "$soon_s" "worker $worker ready" shown "^$worker: ready"
    done
    sleep 1
    kill -0 "$pid" || fail './run.sh 3 </dev/null ended by itself'
    supervisor=$(processes '^[^ ]*shmipc-supervisor ')
    [[ $supervisor =~ ^[0-9]+$ ]] || fail "not one supervisor but '$supervisor'"
    kill -TERM "$supervisor"
    needed=''
    eventually "$soon_s" 'SIGTERM ends it' ended "$pid"
    wait "$pid" || fail "./run.sh 3 </dev/null ended with exit $? after SIGTERM"
    nothing_left
}

work=$(mktemp -d)
chmod 0755 "$work"
useradd --create-home --shell /bin/bash "$user"
cp -a /srv/shmipc "$tree"
chown -R "$user:$user" "$tree"
printf '%s ALL=(ALL) NOPASSWD: ALL\nDefaults env_keep += "http_proxy https_proxy no_proxy"\n' "$user" \
    >/etc/sudoers.d/tester

if [[ -d /srv/ccache ]]; then
    chown -R "$user:$user" /srv/ccache
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_DIR=/srv/ccache CCACHE_MAXSIZE=1G CCACHE_BASEDIR=$tree
    export CCACHE_NOHASHDIR=1 CCACHE_COMPILERCHECK=content CCACHE_SLOPPINESS=pch_defines,time_macros
fi

step 'wrong arguments, before anything is installed'
wrong_usage
step 'an ordinary user: ./run.sh 3 on a terminal, from nothing'
console as_user
step 'an ordinary user: ./run.sh test'
output=$work/tests
# Without the longest, which are the same on every Debian: searches on models, and deaths at each step. On
# Debian 12 the part release of .ci/run has given the same command on the same compiler: here, that the
# command sets up what it needs, and that programs which kill and wait hold out in such a root.
# shellcheck source=/dev/null
version=$(. /etc/os-release && echo "$VERSION_ID")
selection=(--exclude-regex '^(model\..*|weak|crash\.step\..*)$')
((version >= 13)) || selection=(--tests-regex '^(threads|worker|supervisor_run|crash\.storm)$')
if ! as_user ./run.sh test "${selection[@]}" \
    </dev/null >"$output" 2>&1; then
    grep -E -B 5 -A 25 'ERROR:|\*\*\*' "$output" | tail -n 150 || true
    fail './run.sh test'
fi
tail -n 8 "$output"
nothing_left
# Debian 12's systemd has no varlinkctl; 13's is 257.
if ((version >= 13)); then
    step "systemd's varlinkctl on the control socket"
    DEBIAN_FRONTEND=noninteractive apt-get -q --yes --no-install-recommends install systemd >/dev/null
    "$tree/tests/supervisor/run/varlinkctl.sh" "$tree/build/release/bin"
fi
step 'an ordinary user: ./run.sh package'
output=$work/package
as_user ./run.sh package </dev/null >"$output" 2>&1 || fail './run.sh package'
step 'an ordinary user without sudo: ./run.sh 3 without a terminal'
rm /etc/sudoers.d/tester
daemon as_user
step 'root: ./run.sh 3 on a terminal'
console as_root
step 'root: ./run.sh 3 without a terminal'
daemon as_root
step 'done'
if [[ -d /srv/ccache ]]; then ccache --show-stats; fi
