#!/usr/bin/env bash
# The part of check.sh that runs inside the booted root, as root: what an operator does with the
# packages in /srv/packages, and /srv/next for an upgrade. Each check is a line of output.
# shellcheck disable=SC2317  # functions are called by check
set -euo pipefail
shopt -s inherit_errexit nullglob

readonly config=/etc/shmipc/shmipc.toml control=/run/shmipc/shmipc.control
readonly soon_s=30 kills=100
# shellcheck source=/dev/null
debian=$(. /etc/os-release && echo "$VERSION_ID")
work=$(mktemp -d) since=now
readonly debian work
trap 'rm -rf "$work"' EXIT

passed=0 failed=0
# check WHAT COMMAND...: it succeeds; what it says is shown if not.
check() {
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
        printf 'systemd: ok: %s\n' "$what"
    else
        failed=$((failed + 1))
        printf 'systemd: FAILED: %s\n' "$what"
        tail -n 30 "$work/said" | sed 's/^/    /'
    fi
}
# Without these there is nothing left to check.
must() {
    local before=$failed
    check "$@"
    if ((failed > before)); then
        journalctl --no-pager -n 60 || true
        end
    fi
}
end() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0))
    exit
}
no() { ! "$@"; }

# eventually COMMAND...: until it succeeds.
eventually() {
    local deadline=$((SECONDS + soon_s))
    until "$@" >"$work/try" 2>&1; do
        if ((SECONDS >= deadline)); then
            printf 'not within %d s: %s\n' "$soon_s" "$*"
            cat "$work/try"
            return 1
        fi
        sleep 0.02
    done
}

property() { systemctl show --value --property "$1" "${2:-shmipc.service}"; }
is() { [[ $(property "$1" "${3:-shmipc.service}") == "$2" ]] || { property "$1" "${3:-shmipc.service}"; false; }; }
# No grep -q and no head behind a pipe: they end early, and whoever still writes dies of that.
says() { property StatusText | tee /dev/stderr | grep -E "$1" >/dev/null; }

# Entries of the journal since mark(), as lines of JSON; further arguments are matches. (By time:
# --after-cursor of systemd 252 passes over one entry too many if there are matches.)
mark() { since=@${EPOCHREALTIME/,/.}; }
entries() {
    journalctl --sync
    journalctl --unit shmipc.service --since "$since" --output json --no-pager "$@"
}
count_of() { (($(entries "${@:2}" | wc -l) == $1)); }
logged() { entries "$@" | grep . >/dev/null || { entries --output short | tail -n 20; false; }; }
told() { entries | grep -F "$1" || { entries --output cat | tail -n 20; false; }; }
# value FIELD: of the first entry on standard input.
value() { sed -n 1p | grep -oP "\"$1\" ?: ?\"\K[^\"]*"; }

ctl() { shmipcctl "$@"; }
pid_of() { ctl status "$1" --json | grep -oP '"pid": ?\K[0-9]+' | tail -n 1; }
number_of() { ctl peek "$1" --json | grep -oP '"value": ?"?\K[0-9]+'; }
all_ready() { ctl status | sed -n 1p | grep -F '3/3 workers ready'; }
ready_anew() { [[ $(pid_of "$1") != "$2" ]] && ctl status "$1" --json | grep -E '"state": ?"running"' >/dev/null; }
greater() { echo "$1 > $2?"; (($1 > $2)); }

configure() { cat >"$config"; }
# A worker that writes to its standard streams before it becomes a good one.
stray_command() {
    printf 'command = ["/bin/sh", "-c", """%s; exec shmipc-worker --group {group} --workers {workers} --index {index}"""]\n' "$1"
}
drop_in() {
    mkdir -p /etc/systemd/system/shmipc.service.d
    cat >/etc/systemd/system/shmipc.service.d/test.conf
    systemctl daemon-reload
}
no_drop_in() {
    rm -rf /etc/systemd/system/shmipc.service.d
    systemctl daemon-reload
}
# So that what failed before does not count. It is an error if nothing has.
forget_failures() { systemctl reset-failed shmipc.service 2>/dev/null || true; }
restart() {
    forget_failures
    systemctl restart shmipc.service
}

# Also those in groups below it: a delegated unit has one for each worker.
processes() {
    find /sys/fs/cgroup/system.slice/shmipc.service -name cgroup.procs -exec cat {} + 2>/dev/null || true
}
nothing_left() {
    local left=(/dev/shm/shmipc.* /run/shmipc/* /run/shmipc-*)
    echo "processes: $(processes | tr '\n' ' '); files: ${left[*]}"
    [[ -z $(processes) ]] && ((${#left[@]} == 0))
}

installation() {
    export DEBIAN_FRONTEND=noninteractive
    must 'apt-get update' apt-get -q update
    must 'apt install ./shmipc_*.deb ./libshmipc0_*.deb' \
        apt-get -q --yes --no-install-recommends install /srv/packages/{shmipc,libshmipc0}_*.deb
    check 'installing starts nothing' is ActiveState inactive
    check 'installing enables nothing' is UnitFileState disabled
    check 'user and group shmipc are there' bash -c 'getent passwd shmipc && getent group shmipc'
    check '/run/shmipc is for members of group shmipc' \
        test "$(stat -c '%U %G %a' /run/shmipc)" = 'shmipc shmipc 750'
    check 'systemd-analyze verify is silent' silent systemd-analyze verify shmipc.service shmipc@demo.service
    local exposure
    exposure=$(systemd-analyze security --offline=true --no-pager shmipc.service | sed -nE 's/.*exposure level for .*: ([0-9.]+).*/\1/p')
    check "exposure $exposure, at most 0.8" \
        systemd-analyze security --offline=true --threshold=8 --no-pager shmipc.service
    check 'one worker that runs out of memory does not end the service' is OOMPolicy continue
    check 'the message catalog has all events' test \
        "$(journalctl --list-catalog 2>/dev/null | grep -c ' shmipc: ')" \
        = "$(grep -c '^-- ' /usr/lib/systemd/catalog/shmipc.catalog)"
    useradd --create-home --groups shmipc member
    useradd --create-home stranger
}
silent() {
    "$@" >"$work/noise" 2>&1
    cat "$work/noise"
    [[ ! -s $work/noise ]]
}

starting() {
    mark
    must 'systemctl start shmipc' systemctl start shmipc
    check 'start returns when all workers are ready' all_ready
    check 'the status line tells so' says '^3/3 workers ready, 0 restarts$'
    check 'each worker told that it is ready' eventually count_of 3 SHMIPC_EVENT=worker_ready
    check 'so did the supervisor' eventually logged SHMIPC_EVENT=supervisor_ready
    check 'three objects, of user shmipc, for the group to read' test \
        "$(stat -c '%U %G %a' /dev/shm/shmipc.shmipc.[0-9]* | sort | uniq -c | tr -s ' ')" = ' 3 shmipc shmipc 640'
    check 'the lock file is for user shmipc alone' test \
        "$(stat -c '%U %a' /dev/shm/shmipc.shmipc.lock)" = 'shmipc 600'
    check 'clean is refused while the service runs' no shmipcctl clean
    check 'the socket is for user and group' test "$(stat -c '%U %G %a' "$control")" = 'shmipc shmipc 660'
    check 'the workers have no privileges to gain' grep -qE '^NoNewPrivs:\s1$' "/proc/$(pid_of 0)/status"
    check 'the workers have no capabilities' grep -qE '^CapBnd:\s0+$' "/proc/$(pid_of 0)/status"

    mark
    check 'a member of the group asks' as member shmipcctl status
    check 'a member of the group reads messages' as member shmipcctl peek all
    check 'a member of the group orders' as member shmipcctl restart 1
    check 'the journal tells who ordered it' logged SHMIPC_EVENT=order "SHMIPC_PEER_UID=$(id -u member)"
    check 'a stranger is refused, with exit code 77' refused_stranger
}
refused_stranger() {
    local status=0
    as stranger shmipcctl status || status=$?
    echo "exit $status"
    ((status == 77))
}

# What section worker_exited of shmipc-journal(7) promises, and what every entry has.
readonly promised='EXIT_CODE EXIT_STATUS SHMIPC_WORKER_PID SHMIPC_INCARNATION SHMIPC_UPTIME_USEC
    SHMIPC_RESTARTS SHMIPC_BACKOFF_USEC SHMIPC_SEQUENCE SHMIPC_PINS_HELD SHMIPC_EVENT SHMIPC_GROUP
    SHMIPC_WORKER MESSAGE MESSAGE_ID PRIORITY SYSLOG_IDENTIFIER CODE_FILE CODE_LINE CODE_FUNC'
has_all_fields() {
    local field entry=$1
    for field in $promised; do
        grep -q "\"$field\" \?:" <<<"$entry" || { echo "no $field in $entry"; return 1; }
    done
}

dying() {
    local worker pid before entry
    configure <<<$'workers = 3\n[restart]\ninitial = "10ms"'
    restart
    for worker in 0 1 2; do
        eventually number_of "$worker" >"$work/said"
        pid=$(pid_of "$worker") before=$(number_of "$worker")
        mark
        kill -KILL "$pid"
        check "worker $worker is back within a second of kill -9" within_a_second "$worker" "$pid"
        check "worker $worker: its obituary" logged SHMIPC_EVENT=worker_exited "SHMIPC_WORKER=$worker" \
            EXIT_CODE=killed EXIT_STATUS=9 "SHMIPC_WORKER_PID=$pid" MESSAGE_ID=414e79fcf5ac46168db8835b6b01e078
        entry=$(entries SHMIPC_EVENT=worker_exited | sed -n 1p)
        check "worker $worker: all promised fields" has_all_fields "$entry"
        check "worker $worker: started, attached and ready again" \
            test "$(entries "SHMIPC_WORKER=$worker" | grep -oE '"worker_(started|attached|ready)"' | sort | tr '\n' ' ')" \
            = '"worker_attached" "worker_ready" "worker_started" '
        check "worker $worker: the others went on undisturbed" no bash -c "[[ -n '$(entries SHMIPC_EVENT=worker_exited | grep -v "\"SHMIPC_WORKER\" *: *\"$worker\"" | value SHMIPC_WORKER)' ]]"
        check "worker $worker: values go on" eventually newer "$worker" "$before"
    done
    check 'the status line counts restarts' eventually says '^3/3 workers ready, 3 restarts$'
    journalctl --sync
    check 'journalctl -x explains, with the values filled in' explained
    check 'journalctl SHMIPC_WORKER=2 has its life, told by itself and by the supervisor' \
        test "$(journalctl -u shmipc SHMIPC_WORKER=2 -o json | grep -oE '"SYSLOG_IDENTIFIER" ?: ?"[^"]*"' | sort -u | wc -l)" = 2
    check 'journalctl -o verbose shows the fields' bash -c \
        'journalctl -u shmipc SHMIPC_EVENT=worker_exited -o verbose | grep "SHMIPC_BACKOFF_USEC=" >/dev/null'
    check 'nothing in the journal is JSON, or without its unit' \
        test "$(journalctl -u shmipc -o cat | grep -c '^{')" = 0
}
within_a_second() {
    local deadline=$((${EPOCHREALTIME/[.,]/} + 1000000))
    until ready_anew "$1" "$2"; do
        ((${EPOCHREALTIME/[.,]/} < deadline)) || return 1
    done
}
newer() { greater "$(number_of "$1")" "$2"; }
explained() {
    journalctl -u shmipc -x SHMIPC_EVENT=worker_exited --no-pager >"$work/explained"
    cat "$work/explained"
    grep -q 'What to do: ' "$work/explained" && grep -q 'Worker [012] of group shmipc has ended (killed, status 9)' "$work/explained" &&
        ! grep -q '@[A-Z_]*@' "$work/explained"
}

# From kill to ready, by the journal's own times: for the record.
latency() {
    local i pid worker killed_at ready_at
    configure <<<$'workers = 3\n[restart]\nmax_restarts = 0\nstable_after = "0s"'
    restart
    : >"$work/latencies"
    for ((i = 0; i < kills; ++i)); do
        worker=$((i % 3))
        pid=$(pid_of "$worker")
        mark
        killed_at=${EPOCHREALTIME/[.,]/}
        kill -KILL "$pid"
        eventually ready_anew "$worker" "$pid" || return 1
        ready_at=$(entries SHMIPC_EVENT=worker_ready "SHMIPC_WORKER=$worker" | value _SOURCE_REALTIME_TIMESTAMP)
        echo $((ready_at - killed_at)) >>"$work/latencies"
    done
    sort -n "$work/latencies" >"$work/sorted"
}
print_latency() {
    awk '{ t[NR] = $1 / 1000 } END {
        printf "systemd: from kill -9 to ready, %d kills: p50 %.1f ms, p99 %.1f ms, max %.1f ms\n",
            NR, t[int((NR + 1) / 2)], t[int(NR * 0.99)], t[NR] }' "$work/sorted"
}

killing_the_supervisor() {
    local main before pids
    main=$(property MainPID) before=$(number_of 0) pids=$(processes)
    mark
    kill -KILL "$main"
    check 'kill -9 of the supervisor: systemd starts it again' eventually another_main "$main"
    check 'all workers are ready again' eventually all_ready
    check 'systemd counts one restart' is NRestarts 1
    check 'the messages survived' newer_or_same 0 "$before"
    check 'the objects were taken up' logged SHMIPC_EVENT=supervisor_starting
    check 'no orphan of the first supervisor' no_one_of "$pids"
    check 'four processes, and no more' test "$(processes | wc -l)" = 4
}
another_main() { [[ $(property MainPID "${2:-shmipc.service}") != "$1" && $(property ActiveState "${2:-shmipc.service}") == active ]]; }
newer_or_same() { greater "$(number_of "$1")" $(($2 - 1)); }
no_one_of() {
    local pid
    for pid in $1; do
        if [[ -e /proc/$pid ]]; then return 1; fi
    done
}

hanging() {
    local pid
    configure <<<$'workers = 3\n[worker]\nheartbeat_limit = "1s"\nstop_grace = "1s"'
    check 'reload with a shorter heartbeat limit' systemctl reload shmipc
    pid=$(pid_of 1)
    mark
    kill -STOP "$pid"
    check 'a worker that is stopped (SIGSTOP) is found, and started anew' eventually ready_anew 1 "$pid"
    check 'the journal tells that it hung' logged SHMIPC_EVENT=worker_hung SHMIPC_WORKER=1
    drop_in <<<$'[Service]\nWatchdogSec=2s\nTimeoutAbortSec=5s'
    restart
    pid=$(property MainPID)
    kill -STOP "$pid"
    check 'a supervisor that is stopped is found by the watchdog, and started anew' eventually another_main "$pid"
    check 'all workers are ready again' eventually all_ready
    no_drop_in
}

reloading() {
    local pids
    pids=$(processes)
    configure <<<$'workers = 3\n[worker]\nstop_grace = "2s"'
    mark
    check 'systemctl reload' systemctl reload shmipc
    check 'the journal tells what changed' told 'worker.stop_grace'
    check 'the service stays active' is ActiveState active
    configure <<<$'workers = 3\n[worker]\nstop_graze = "2s"'
    mark
    check 'systemctl reload with a bad file fails' no systemctl reload shmipc
    check 'it says where, and what the key may be' told "$config:3:1"
    check 'the service stays active after it' is ActiveState active
    check 'the processes are the same' test "$(processes)" = "$pids"
    check 'the status line is as before' eventually says '^3/3 workers ready'
    configure <<<'workers = 3'
}

# refused WHAT EXIT-CODE MESSAGE: systemctl start fails with them, once and for all.
refused() {
    mark
    check "$1: systemctl start fails" no systemctl start shmipc
    check "$1: the journal tells the remedy" told "$3"
    check "$1: systemctl status tells it too" says '^failed: '
    check "$1: exit code $2" is ExecMainStatus "$2"
    check "$1: systemd does not loop" is ActiveState failed
    check "$1: it was tried once" is NRestarts 0
    if [[ $1 != another* ]]; then check "$1: nothing is left" nothing_left; fi
    forget_failures
}
refusing() {
    systemctl stop shmipc
    configure <<<'workers = "three"'
    refused 'bad configuration' 78 "$config:1:1"
    configure <<<$'workers = 3\n[worker]\ncommand = ["/usr/bin/my-worker"]'
    refused 'missing worker' 78 'cannot be executed: /usr/bin/my-worker: No such file'
    configure <<<'workers = 3'
    mount -o remount,size=16k /dev/shm
    refused 'full /dev/shm' 73 'mount -o remount'
    mount -o remount,size=50% /dev/shm
    echo foreign >/dev/shm/shmipc.shmipc.1
    check "another user's object: the group starts beside it" restart
    systemctl stop shmipc
    check "another user's object: it alone is left" test "$(ls -d /dev/shm/shmipc.*)" = /dev/shm/shmipc.shmipc.1
    check "another user's object: root's clean removes it" shmipcctl --group shmipc clean
    configure <<<$'workers = 3\n[worker]\nstart_limit = "300ms"\ncommand = ["/bin/sleep", "1000"]'
    mark
    check 'workers that never get ready: systemctl start fails' no systemctl start shmipc
    check 'workers that never get ready: the journal tells' told 'not ready within 300ms'
    systemctl stop shmipc
    forget_failures
    configure <<<'workers = 3'
}

patience() {
    drop_in <<<$'[Service]\nTimeoutStartSec=2s\nTimeoutStopSec=2s'
    { printf 'workers = 3\n[worker]\nstop_grace = "5s"\n'; stray_command 'trap \"\" TERM; sleep 4'; } | configure
    check 'a start that takes longer than TimeoutStartSec= is waited for' systemctl restart shmipc
    { printf 'workers = 3\n[worker]\nstop_grace = "5s"\n'
        printf 'command = ["/bin/sh", "-c", """trap "" TERM; echo >&3; while :; do sleep 1; done"""]\n'; } | configure
    check 'workers that ignore SIGTERM' systemctl restart shmipc
    check 'a stop that takes longer than TimeoutStopSec=' systemctl stop shmipc
    check 'is waited for' is Result success
    check 'leaves nothing' nothing_left
    no_drop_in
    configure <<<'workers = 3'
}

stray_output() {
    { printf 'workers = 3\n[worker]\n'
        # shellcheck disable=SC2016  # for the worker's shell
        stray_command 'echo stray ${JOURNAL_STREAM:-none} to $(stat -L -c %F /dev/fd/2); echo \"<3>bad\" >&2'; } | configure
    mark
    check 'workers that write to their standard streams' restart
    check 'a line on standard output is in the journal, under a name of its own' logged SYSLOG_IDENTIFIER=sh-1 PRIORITY=6
    check 'a line on standard error too, with the priority that it asks for' logged SYSLOG_IDENTIFIER=sh-1 PRIORITY=3 MESSAGE=bad
    check 'and is known for a worker'"'"'s' logged SYSLOG_IDENTIFIER=sh-1 SHMIPC_ORIGIN=worker SHMIPC_WORKER=1
    check 'JOURNAL_STREAM is not claimed where it is not true' no_journal_stream
    configure <<<'workers = 3'
    restart
}
no_journal_stream() {
    local line
    line=$(entries SYSLOG_IDENTIFIER=sh-2 PRIORITY=6 | value MESSAGE)
    echo "$line"
    [[ $line == 'stray none to fifo' ]]
}

journald_in_trouble() {
    local pid main
    main=$(property MainPID)
    mark
    systemctl restart systemd-journald
    pid=$(pid_of 0)
    kill -KILL "$pid"
    check 'journald is restarted: a worker dies and is back' eventually ready_anew 0 "$pid"
    check 'the journal has it' eventually logged SHMIPC_EVENT=worker_exited "SHMIPC_WORKER_PID=$pid"
    local journald
    journald=$(property MainPID systemd-journald.service)
    kill -STOP "$journald"
    pid=$(pid_of 1)
    kill -KILL "$pid"
    check 'journald stands still: a worker dies and is back' eventually ready_anew 1 "$pid"
    check 'journald stands still: the group answers' all_ready
    kill -CONT "$journald"
    check 'the journal has it afterwards' eventually logged SHMIPC_EVENT=worker_exited "SHMIPC_WORKER_PID=$pid"
    check 'the supervisor is the same' is MainPID "$main"

    local sockets=(systemd-journald.socket systemd-journald-dev-log.socket)
    systemctl stop "${sockets[@]}" systemd-journald
    restart
    systemctl start "${sockets[@]}" systemd-journald
    mark
    pid=$(pid_of 2)
    kill -KILL "$pid"
    check 'a service that was started without a journal logs to it when it is there' \
        eventually logged SHMIPC_EVENT=worker_exited "SHMIPC_WORKER_PID=$pid"
}

instances() {
    printf 'workers = 2\n' >/etc/shmipc/demo.toml
    must 'systemctl start shmipc@demo' systemctl start shmipc@demo
    check 'the instance has a group of its own' bash -c 'shmipcctl --group demo status | grep -F "2/2 workers ready"'
    check 'systemctl reload shmipc@demo' systemctl reload shmipc@demo
    check 'the first group is still there' all_ready
    systemctl stop shmipc@demo
    check 'stopping it takes nothing away from the first' all_ready
    local left=(/dev/shm/shmipc.demo.* /run/shmipc/demo.*)
    check 'and leaves nothing of itself' test "${#left[@]}" = 0
    rm /etc/shmipc/demo.toml
}

# An instance whose drop-in gives it another user, and nothing else.
another_user() {
    local shared dropped=/etc/systemd/system/shmipc@robot.service.d
    shared=$(stat -c '%U %G %a %i' /run/shmipc)
    useradd --system robot
    printf 'workers = 2\n' >/etc/shmipc/robot.toml
    mkdir -p "$dropped"
    printf '[Service]\nUser=robot\nGroup=robot\n' >"$dropped/user.conf"
    systemctl daemon-reload
    check 'an instance with User= starts' systemctl start shmipc@robot
    check 'and leaves /run/shmipc as it is' test "$(stat -c '%U %G %a %i' /run/shmipc)" = "$shared"
    check 'members of the first group still ask' as member shmipcctl status
    check 'and are nobody to the instance' no as member shmipcctl --group robot status
    check 'its own user asks' as robot shmipcctl --group robot status
    check 'root finds its socket' bash -c 'shmipcctl --group robot status | grep -F "2/2 workers ready"'
    check 'systemctl reload of it' systemctl reload shmipc@robot
    check "an operator's stop" shmipcctl --group robot stop 1
    local main
    main=$(property MainPID shmipc@robot.service)
    kill -KILL "$main"
    check 'its supervisor is started anew' eventually another_main "$main" shmipc@robot.service
    check 'and the stop has lasted' bash -c 'shmipcctl --group robot status 1 | grep -F stopped'
    check 'systemctl stop of it' systemctl stop shmipc@robot
    local left=(/dev/shm/shmipc.robot.* /run/shmipc-robot*)
    check 'leaves nothing' test "${#left[@]}" = 0
    rm -r "$dropped" /etc/shmipc/robot.toml
    systemctl daemon-reload
    userdel robot
    # What systemd-tmpfiles makes may be missing, for a while.
    mv /run/shmipc /run/elsewhere
    check 'without /run/shmipc the service starts' restart
    check 'and is found' all_ready
    rm -r /run/elsewhere
    systemd-tmpfiles --create shmipc.conf
    restart
    check 'and is back in its place when that is there' test -S "$control"
}
as() { setpriv --reuid="$1" --regid="$1" --init-groups "${@:2}"; }

# The drop-ins of shmipc-supervisor(8).
drop_ins() {
    configure <<<$'workers = 3\n[metrics]\nlisten = "127.0.0.1:9464"'
    mark
    check 'without the drop-in for the network' restart
    check 'the group runs' all_ready
    check 'and the log names the drop-in' told 'RestrictAddressFamilies=AF_INET AF_INET6'
    drop_in <<<$'[Service]\nPrivateNetwork=no\nIPAddressDeny=\nRestrictAddressFamilies=AF_INET AF_INET6'
    check 'with the drop-in for the network' restart
    check 'Prometheus can read the metrics' bash -c \
        'exec 3<>/dev/tcp/127.0.0.1/9464; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; grep -q shmipc_ <&3'
    drop_in <<<$'[Service]\nStateDirectory=my-worker'
    # shellcheck disable=SC2016  # for the worker's shell
    { printf 'workers = 3\n[worker]\n'; stray_command 'echo kept >$STATE_DIRECTORY/{index}'; } | configure
    check 'with the drop-in for a place for files' restart
    check 'workers may write there' test "$(cat /var/lib/my-worker/[012])" = $'kept\nkept\nkept'
    delegation
    device
    no_drop_in
    configure <<<'workers = 3'
    restart
}
# A minimal root has no pgrep.
helper_of_1() { grep -lzx '42424[2]' /proc/[0-9]*/cmdline 2>/dev/null | grep -oP '^/proc/\K[0-9]+' | sort -u | grep .; }
another_helper() { [[ $(helper_of_1) == +([0-9]) && $(helper_of_1) != "$1" ]]; }
in_group_of_its_own() {
    local group
    group=$(cat /proc/"$(pid_of "$1")"/cgroup)
    echo "$group"
    [[ $group == *"0::/system.slice/shmipc.service/worker-$1" ]]
}
# What a worker starts may shed group, session, environment and parent: its control group holds it.
delegation() {
    local helper
    drop_in <<<$'[Service]\nDelegate=yes\nProtectControlGroups=no'
    { printf 'workers = 3\n[worker.1]\n'; stray_command '(setsid env -i /bin/sleep 424242 >/dev/null 2>&1 &)'; } | configure
    check 'with the drop-in for control groups' restart
    check 'each worker has one of its own' eventually in_group_of_its_own 2
    check 'also one that is a script' in_group_of_its_own 1
    check 'with what it has started' eventually helper_of_1
    helper=$(helper_of_1) || true
    kill -KILL "$(pid_of 1)"
    check 'that goes with it, and comes back with the next one' eventually another_helper "$helper"
    check 'all are ready' eventually all_ready
    kill -KILL "$(property MainPID)"
    check 'after kill -9 of the supervisor' eventually all_ready
    check 'there is one helper' eventually another_helper "$helper"
    check 'systemctl stop' systemctl stop shmipc
    check 'leaves none' no helper_of_1
}
# A container may make no device. What lets a worker open one is the mode and the group of a file, here
# as there, and that is what the recipe was wrong about.
device() {
    local opens='if (: < /srv/line); then echo line opened; else echo line refused; fi'
    local recipe=$'[Service]\nPrivateDevices=no\nDeviceAllow=/dev/ttyUSB0 rw\n'
    install -m 0660 -g dialout /dev/null /srv/line
    { printf 'workers = 3\n[worker]\n'; stray_command "$opens"; } | configure
    drop_in <<<"$recipe"
    mark
    check 'with a drop-in for a device, without its group' restart
    check 'workers may not open what is dialout 0660' eventually logged 'MESSAGE=line refused'
    drop_in <<<"$recipe"SupplementaryGroups=dialout
    check 'systemd-analyze verify has nothing against the recipe' silent systemd-analyze verify shmipc.service
    mark
    check 'with the drop-in of the manual' restart
    check 'workers are in group dialout' worker_is_in_group dialout
    check 'workers may open it' eventually logged 'MESSAGE=line opened'
    check 'and none is refused' no logged 'MESSAGE=line refused'
    rm /srv/line
}
worker_is_in_group() { sed -n 's/^Groups://p' "/proc/$(pid_of 0)/status" | grep -w "$(getent group "$1" | cut -d : -f 3)"; }

# A worker that is a script, and needs a camera: here a file.
readonly camera=/run/camera
camera_worker() {
    # shellcheck disable=SC2016  # for the worker's shell
    printf '[worker]\nheartbeat_limit = "0s"\nstart_limit = "5s"\ncommand = ["/bin/sh", "-c", "%s"]\n' \
        'echo >&$SHMIPC_READY_FD; exec sleep 100000'
    printf '[worker.1]\ncommand = ["/bin/sh", "-c", "%s"]\n' \
        "[ -e $camera ] || { echo camera missing; exit 3; }; echo >&\$SHMIPC_READY_FD; exec sleep 100000"
}
status_line() { ctl status | sed -n 1p | tee /dev/stderr | grep -E "$1" >/dev/null; }
same_main_after() {
    sleep "$2"
    [[ $(property MainPID) == "$1" && $(property ActiveState) == active ]]
}

# What one worker cannot do at noon it cannot do at the next boot either.
degraded_start() {
    local main
    rm -f "$camera"
    { camera_worker; printf '[restart]\nmax_restarts = 3\ninitial = "10ms"\nmaximum = "10ms"\n'; } | configure
    mark
    check 'a worker that fails at once: the service starts without it' restart
    check 'the status line tells which, and why' eventually says '^2/3 workers ready: worker 1 (keeps dying|failed): exited with status 3'
    check 'the journal tells that the group is degraded' eventually logged SHMIPC_EVENT=group_degraded
    main=$(property MainPID)
    check 'the others are left alone' same_main_after "$main" 3
    kill -KILL "$main"
    check 'after the death of its supervisor the group comes up as before' eventually another_main "$main"
    check 'without that worker' eventually says '^2/3 workers ready'
    touch "$camera"
    check 'the worker is mended, and started' shmipcctl start 1
    check 'the status line tells that' eventually says '^3/3 workers ready'
    check 'and the journal that the group is whole' eventually logged SHMIPC_EVENT=group_whole
    rm -f "$camera"
    { camera_worker; printf '[restart]\nmax_restarts = 0\ninitial = "10ms"\nmaximum = "50ms"\n'; } | configure
    check 'one that is tried for ever holds no start up' restart
    main=$(property MainPID)
    check 'nor the others' same_main_after "$main" 3
    touch "$camera"
    check 'it comes by itself when it can' eventually says '^3/3 workers ready'
    rm -f "$camera"
}

# journald cannot tell of whom the last lines of a process are that is gone when it reads them.
last_words() {
    local deaths
    touch "$camera"
    { camera_worker; printf '[restart]\nmax_restarts = 0\ninitial = "50ms"\nmaximum = "50ms"\n'; } | configure
    restart
    rm "$camera"
    mark
    shmipcctl kill 1
    eventually enough_deaths
    touch "$camera"
    eventually all_ready
    deaths=$(deaths_of_1)
    check "the last words of each of $deaths deaths are found by journalctl -u" all_last_words "$deaths"
    check 'and stand in the obituary' logged SHMIPC_EVENT=worker_exited SHMIPC_LAST_OUTPUT='camera missing'
    rm "$camera"
}
deaths_of_1() { entries SHMIPC_EVENT=worker_exited SHMIPC_WORKER=1 EXIT_CODE=exited | wc -l; }
enough_deaths() { (($(deaths_of_1) >= 20)); }
all_last_words() {
    local said
    said=$(entries --output cat SYSLOG_IDENTIFIER=sh-1 | grep -c '^camera missing$')
    echo "$said of $1"
    ((said >= $1))
}

reloading_commands() {
    local pids
    configure <<<'workers = 3'
    restart
    pids=$(processes)
    configure <<<$'workers = 3\n[worker]\ncommand = ["/usr/bin/shmipc-worekr"]'
    mark
    check 'systemctl reload with a program that is not there fails' no systemctl reload shmipc
    check 'the journal names it' told 'the new command of workers 0-2 cannot be executed: /usr/bin/shmipc-worekr'
    check 'no process was stopped for it' test "$(processes)" = "$pids"
    check 'the group is whole' all_ready
    configure <<<$'workers = 3\n[worker]\nstart_limit = "1s"\ncommand = ["/bin/sh", "-c", "exit 3"]'
    mark
    check 'systemctl reload with a command that fails fails' no systemctl reload shmipc
    check 'its worker is back with the old command' eventually all_ready
    check 'the status line tells so' eventually says '^3/3 workers ready'
    configure <<<'workers = 3'
    check 'a reload with the old command changes nothing' systemctl reload shmipc
}

# A configuration that the next start could not be made with.
persistent_objects() {
    local main status=0
    configure <<<$'workers = 3\npersist = true'
    restart
    main=$(property MainPID)
    configure <<<$'workers = 4\npersist = true'
    shmipc-supervisor --check "$config" >"$work/checked" 2>&1 || status=$?
    check 'persist, and another number of workers: --check tells' test "$status" = 73
    check 'with the remedy' grep -F 'shmipcctl --group shmipc clean' "$work/checked"
    mark
    systemctl reload shmipc || true
    check 'a reload tells it too' told 'shmipcctl --group shmipc clean'
    dpkg --install /srv/packages/shmipc_*.deb >"$work/upgrade" 2>&1
    check 'an upgrade leaves the group as it is' is MainPID "$main"
    check 'and tells what to do' grep -F 'shmipcctl --group shmipc clean' "$work/upgrade"
    systemctl stop shmipc
    check 'the remedy is one' shmipcctl --group shmipc clean
    check 'and the service starts' restart
    systemctl stop shmipc
    shmipcctl --group shmipc clean >"$work/said"
    configure <<<'workers = 3'
    restart
}

# An end that was ordered is no death.
counting() {
    configure <<<'workers = 3'
    restart
    mark
    check 'orders' eval 'shmipcctl restart all && shmipcctl stop 2 && shmipcctl start 2'
    check 'restarts by order are none in the status' status_line '3/3 workers ready.* 0 restarts'
    check 'nor in the status line' eventually says '^3/3 workers ready, 0 restarts'
    shmipcctl metrics >"$work/metrics"
    check 'nor in the metrics' no grep -E 'shmipc_worker_(restarts|deaths)_total\{.*\} [1-9]' "$work/metrics"
    kill -KILL "$(pid_of 1)"
    check 'a death is one restart' eventually status_line '3/3 workers ready.* 1 restart'
    check 'the journal tells that the worker is ready again' eventually logged SHMIPC_EVENT=worker_ready_again SHMIPC_WORKER=1
    check 'that the group was degraded' logged SHMIPC_EVENT=group_degraded
    check 'and that it is whole' eventually logged SHMIPC_EVENT=group_whole
}

# What systemctl status says when a start has failed.
failure_texts() {
    configure <<<$'workers = 3\n[worker]\ncommand = ["/usr/bin/nowhere"]'
    check 'a program that is not there' no restart
    check 'is named by systemctl status' says '^failed: .*/usr/bin/nowhere'
    printf '#!/usr/bin/nope\n' >/usr/local/bin/script
    chmod 0755 /usr/local/bin/script
    configure <<<$'workers = 3\n[worker]\ncommand = ["/usr/local/bin/script"]'
    check 'a script whose interpreter is not there' no restart
    check 'its interpreter is named' says '^failed: .*/usr/bin/nope'
    rm /usr/local/bin/script
    configure <<<$'workers = 3\n[restart]\nmax_restarts = 1\ninitial = "10ms"\n[worker.1]\ncommand = ["/bin/false"]'
    systemctl restart shmipc || true
    check 'a worker that ends at once is named, and how it ended' eventually says 'worker 1.*status 1'
    systemctl stop shmipc || true
    forget_failures
    configure <<<'workers = 3'
    check 'systemctl start after that' systemctl start shmipc
}

# What an operator does in a hurry.
stop_during_reload() {
    { printf 'workers = 3\n[worker]\n'; stray_command 'sleep 3'; } | configure
    systemctl reload shmipc &
    local reload=$!
    eventually is ActiveState reloading
    check 'stop during a reload' systemctl stop shmipc
    wait "$reload" || true
    check 'is a stop in order' is Result success
    configure <<<'workers = 3'
    restart
}

varlinkctl_works() {
    check 'varlinkctl info' bash -c "varlinkctl info $control | grep -F io.shmipc"
    check 'varlinkctl introspect' bash -c "varlinkctl introspect $control io.shmipc | grep -F 'method Restart'"
    check 'varlinkctl call Status' bash -c "varlinkctl call $control io.shmipc.Status '{}' | grep -F running"
    check 'varlinkctl call Restart' varlinkctl call "$control" io.shmipc.Restart '{"workers":[1]}'
}

stopping() {
    check 'systemctl stop' systemctl stop shmipc
    check 'in order' is Result success
    check 'leaves no process, object or socket' nothing_left
}

upgrading() {
    local before main
    configure <<<$'workers = 3\npersist = true'
    restart
    eventually number_of 0 >"$work/said"
    eventually newer 0 3
    before=$(number_of 0) main=$(property MainPID)
    mark
    must 'an upgrade' apt-get -q --yes --no-install-recommends install /srv/next/{shmipc,libshmipc0}_*.deb
    check 'an upgrade restarts the service' another_main "$main"
    check 'all workers are ready after it' all_ready
    check 'with persist = true the messages are kept' newer_or_same 0 "$before"
    check 'with persist = true the objects were taken up' logged SHMIPC_EVENT=supervisor_starting
    configure <<<$'workers = 3\npersist = false'
    restart
    main=$(property MainPID)
    mark
    must 'a downgrade' apt-get -q --yes --allow-downgrades --no-install-recommends install /srv/packages/{shmipc,libshmipc0}_*.deb
    check 'a downgrade restarts the service' another_main "$main"
    check 'without persist the group begins empty' logged SHMIPC_EVENT=group_created
    echo 'wrong = 1' >"$config"
    main=$(property MainPID)
    must 'an upgrade with a wrong file' dpkg --install /srv/packages/shmipc_*.deb
    check 'leaves the group as it is' is MainPID "$main"
    echo 'wrong = 1' >/etc/shmipc/demo.toml
    systemctl start shmipc@demo 2>"$work/said" || true
    dpkg --install /srv/packages/shmipc_*.deb >"$work/upgrade" 2>&1
    check 'an upgrade tells of a group whose file is wrong' grep -F 'systemctl restart shmipc' "$work/upgrade"
    check 'and of an instance that had failed' grep -F 'systemctl start shmipc@demo' "$work/upgrade"
    check 'which it does not start' is ActiveState failed shmipc@demo.service
    rm /etc/shmipc/demo.toml
    systemctl reset-failed shmipc@demo
    configure <<<$'workers = 3\npersist = true'
    restart
    configure <<<$'workers = 4\npersist = true'
    check '--check compares with the objects' bash -c "shmipc-supervisor --check $config; ((\$? == 73))"
    check 'a reload does so too' bash -c 'shmipcctl reload | grep -F "workers = 3, and the configuration says 4"'
    main=$(property MainPID)
    must 'an upgrade of a group that could not come up again' dpkg --install /srv/packages/shmipc_*.deb
    check 'leaves that group as it is, too' is MainPID "$main"
    configure <<<$'workers = 3\npersist = false'
    systemctl reload shmipc
    systemctl stop shmipc
    must 'an upgrade while stopped' apt-get -q --yes --no-install-recommends install /srv/next/{shmipc,libshmipc0}_*.deb
    check 'starts nothing' is ActiveState inactive
    check 'the changed configuration is kept' grep -q 'persist = false' "$config"
}

removing() {
    configure <<<$'workers = 3\npersist = true'
    systemctl enable --now shmipc
    check 'enabled and running' all_ready
    must 'apt remove' apt-get -q --yes remove shmipc
    check 'apt remove leaves no process, object or socket' nothing_left
    check 'apt remove keeps the configuration' test -e "$config"
    must 'apt install again' apt-get -q --yes --no-install-recommends install /srv/packages/{shmipc,libshmipc0}_*.deb --allow-downgrades
    check 'it is still enabled' is UnitFileState enabled
    systemctl restart shmipc
    check 'it runs with the configuration from before' all_ready
    must 'apt purge' apt-get -q --yes purge shmipc libshmipc0
    check 'apt purge leaves no process, object or socket' nothing_left
    check 'apt purge leaves no file' no_file_left
    check 'apt purge leaves no user or group' bash -c '! getent passwd shmipc && ! getent group shmipc'
    check 'apt purge leaves no unit' is LoadState not-found
    check 'apt purge leaves nothing in the catalog' bash -c '! journalctl --list-catalog | grep " shmipc: "'
}
no_file_left() {
    local left
    left=$(find / -xdev \( -path /proc -o -path /sys -o -path /srv -o -path "$work" \) -prune -o -iname '*shmipc*' -print \
        | grep -vE '^/var/(log/journal|cache/apt|cache/man|log/apt|log/dpkg)') || true
    echo "$left"
    [[ -z $left && ! -e /run/shmipc ]]
}

# A group that cannot start at all is tried less and less often, but never given up.
never_given_up() {
    printf '[worker]\ncommand = ["/bin/sh", "-c", "exit 3"]\n[restart]\nmax_restarts = 1\ninitial = "1ms"\n' | configure
    systemctl stop shmipc
    forget_failures
    systemctl start shmipc --no-block
    check 'a group that cannot start waits before it is tried again' eventually says '^waiting: the last [0-9]+ starts failed, at last because: .*next try in '
    check 'and is not given up' is ActiveState activating
    check 'systemctl stop ends that' systemctl stop shmipc
    configure <<<'workers = 3'
    forget_failures
}

installation
starting
dying
check "$kills kills" latency
print_latency
killing_the_supervisor
hanging
reloading
refusing
never_given_up
degraded_start
counting
reloading_commands
failure_texts
last_words
persistent_objects
check 'systemctl start after all that' systemctl start shmipc
stray_output
journald_in_trouble
instances
another_user
drop_ins
stop_during_reload
patience
check 'systemctl start again' systemctl start shmipc
# Debian 12's systemd has no varlinkctl.
if ((debian >= 13)); then varlinkctl_works; fi
stopping
upgrading
removing
end
