#!/usr/bin/env bash
# Runs the models of the protocol (channel.pml), of sleeping and waking (sleep.pml) and of observers
# (observer.pml) through spin: every reachable state of each, and each mutation that has to be
# found. See --help.
#
# A run counts only if nothing qualifies it. A clean run fails on an error, on a search cut short
# (depth, memory), and on a statement of the model that was never reached: a search that finds
# nothing because it went nowhere proves nothing. A mutation fails if it is not found, or if what is
# found is anything but the claim that it has to violate.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# One run a line:
#   name | set | model | parameters | what must be found ("clean": nothing) | depth | pan's compiler flags
# Mutations have the settings of a clean run (c1s3-reads, c1s3-late-reads, sleep-1, observer-2), and
# change nothing else.
runs() {
    cat <<'RUNS'
c2s4-death1     |quick|channel|-DR=2 -DS=4 -DRENAME -DDEATHS=1|clean|300000|-O2
c1s3            |quick|channel|-DR=1 -DS=3|clean|100000|
c1s4            |quick|channel|-DR=1 -DS=4|clean|200000|
c1s5            |quick|channel|-DR=1 -DS=5|clean|400000|
c1s4-late       |quick|channel|-DR=1 -DS=4 -DWEAK|clean|300000|
c1s3-reads      |quick|channel|-DR=1 -DS=3 -DREADS_ONLY|clean|200000|
slots           |quick|channel|-DR=1 -DS=2 -DREADS_ONLY|scan_finds_a_slot|200000|
no-help         |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DNO_HELP|message_is_whole|200000|
no-rescan       |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DNO_RESCAN|message_is_whole|200000|
no-fallback     |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DNO_FALLBACK|message_is_whole|200000|
no-pending      |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DNO_PENDING|message_is_whole|200000|
no-confirm      |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DNO_CONFIRM|message_is_whole|200000|
trust-claimed   |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DTRUST_CLAIMED|message_is_whole|200000|
lost-cas        |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DLOST_CAS|message_is_whole|200000|
from-one        |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DFROM_ONE|publish_goes_on|200000|
c1s3-late-reads |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DWEAK|clean|200000|
no-fence        |quick|channel|-DR=1 -DS=3 -DREADS_ONLY -DWEAK -DNO_FENCE|sequence_never_back|200000|
sleep-2         |quick|sleep|-DL=2|clean|100000|
sleep-1x2       |quick|sleep|-DL=1 -DC=2|clean|200000|
sleep-2-fenced  |quick|sleep|-DL=2 -DFENCED|clean|100000|
sleep-1         |quick|sleep|-DL=1|clean|100000|
epoch-late      |quick|sleep|-DL=1 -DEPOCH_LATE|no_wakeup_is_lost|100000|
raise-first     |quick|sleep|-DL=1 -DRAISE_FIRST|no_wakeup_is_lost|100000|
no-barrier      |quick|sleep|-DL=1 -DNO_BARRIER|no_wakeup_is_lost|100000|
no-recovery-wake|quick|sleep|-DL=1 -DNO_RECOVERY_WAKE|no_wakeup_is_lost|100000|
recover-bits-only|quick|sleep|-DL=1 -DRECOVER_BITS_ONLY|no_wakeup_is_lost|100000|
wave-first      |quick|sleep|-DL=1 -DWAVE_FIRST|no_wakeup_is_lost|100000|
collect-first   |quick|sleep|-DL=1 -DCOLLECT_FIRST|no_wakeup_is_lost|100000|
observer-3      |quick|observer|-DS=3 -DMESSAGES=4|clean|100000|
observer-2      |quick|observer|-DS=2|clean|100000|
own-sequence    |quick|observer|-DS=2 -DOWN_SEQUENCE|copy_is_what_was_published|100000|
no-clear        |quick|observer|-DS=2 -DNO_CLEAR|copy_is_what_was_published|100000|
no-look         |quick|observer|-DS=2 -DNO_LOOK|copy_is_what_was_published|100000|
sleep-3         |full|sleep|-DL=3|clean|7000000|-O3
c2s4            |full|channel|-DR=2 -DS=4 -DRENAME|clean|4000000|-O3
RUNS
}

memory_mb=6000

usage() {
    cat <<'USAGE'
Usage: check.sh quick | full | run NAME | list [SET]   [--dir DIR] [--jobs N]

  quick      the set "quick": all mutations, one consumer, two with one death (half a minute)
  full       the set "full": two consumers with any number of deaths, three sleepers (5 min, 5 GB)
  run NAME   one run alone
  list       the names, all or those of one set

  --dir DIR  build in DIR and leave the files there; else in a temporary directory, removed at exit
  --jobs N   runs at the same time (default: the number of processors; 1 for full)

One line a run: result, name, states stored, seconds of search, what was found.
Exit codes: 0 all as expected, 1 some run was not, 2 wrong use or a tool is missing.
Needs spin 6.5 and a C compiler ($CC, else cc).
USAGE
}

fail_usage() {
    printf 'check.sh: %s\n' "$1" >&2
    exit 2
}

# Prints the fields of one run, separated by "|", without blanks around the name.
fields_of() {
    runs | sed 's/ *|/|/' | awk -F'|' -v name="$1" '$1 == name { print; found = 1 } END { exit !found }'
}

names_of() {
    runs | sed 's/ *|/|/' | awk -F'|' -v set="$1" 'set == "" || $2 == set { print $1 }'
}

# verdict OUTPUT EXPECTED: prints what pan's output amounts to; returns 1 if it is not as expected.
verdict() {
    local output=$1 expected=$2 found unreached
    found=$(sed -n 's/^pan:[0-9]*: //p' "$output" | sed -n 1p)
    if [[ $expected != clean ]]; then
        if [[ $found =~ ^"assertion violated $expected (at depth "[0-9]+")"$ ]]; then
            echo "found: ${found#assertion violated }"
            return 0
        fi
        echo "must violate $expected; found: ${found:-nothing}"
        return 1
    fi
    if [[ -n $found ]]; then
        echo "$found"
        return 1
    fi
    if grep -Eq 'max search depth too small|MEMLIM|out of memory|Search not completed' "$output"; then
        echo "cut short: $(grep -Em 1 'max search depth too small|MEMLIM|out of memory|Search not completed' "$output")"
        return 1
    fi
    if ! grep -q 'errors: 0$' "$output" || ! grep -q '^Full statespace search' "$output" ||
        ! grep -q 'assertion violations.*+$' "$output" || ! grep -q '^pan: elapsed time' "$output"; then
        echo "no complete report from pan"
        return 1
    fi
    unreached=$(grep -E '^[[:space:]].*, state [0-9]+, ".*"' "$output" | grep -Fv '"-end-"' | sed -n 1p || true)
    if [[ -n $unreached ]]; then
        echo "never reached: ${unreached##*/}"
        return 1
    fi
    echo "no violation"
}

run_one() {
    local name=$1 dir=$2 line model parameters expected depth compile
    line=$(fields_of "$name") || fail_usage "no run is called '$name' (check.sh list)"
    IFS='|' read -r _ _ model parameters expected depth compile <<<"$line"
    local -a parameter_list compile_list
    read -ra parameter_list <<<"$parameters"
    if [[ -z $compile ]]; then
        # Mutations are found at once: there it is the compiler that takes the time.
        compile=-O0
        [[ $expected != clean ]] || compile=-O1
    fi
    read -ra compile_list <<<"$compile"
    rm -rf "${dir:?}/$name"
    mkdir -p "$dir/$name"
    cd "$dir/$name"

    local said states=0 seconds=0 result=ok
    if ! spin -a "${parameter_list[@]}" "$here/$model.pml" >spin.out 2>&1; then
        result=FAIL said="spin: $(head -n 1 spin.out)"
    elif ! "${CC:-cc}" "${compile_list[@]}" -w -DSAFETY -DNOFAIR -DMEMLIM="$memory_mb" \
        -o pan pan.c >cc.out 2>&1; then
        result=FAIL said="compiler: $(head -n 1 cc.out)"
    else
        ./pan -m"$depth" -w20 >pan.out 2>&1 || true
        states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
        seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+]*\) seconds/\1/p' pan.out)
        said=$(verdict pan.out "$expected") || result=FAIL
    fi
    printf '%-4s %-17s %11.0f states %7.2f s  %s\n' \
        "$result" "$name" "${states:-0}" "${seconds:-0}" "$said"
    [[ $result == ok ]]
}

run_set() {
    local set=$1 dir=$2 jobs=$3 begin=$SECONDS status=0
    names_of "$set" >"$dir/names"
    # The table starts with long runs, so that short ones fill the gaps.
    xargs -P "$jobs" -I '{}' "$here/check.sh" run '{}' --dir "$dir" <"$dir/names" | tee "$dir/lines" || status=1
    awk -v expected="$(wc -l <"$dir/names")" -v seconds=$((SECONDS - begin)) -v set="$set" '
        { states += $3; if ($1 != "ok") bad++ }
        END {
            missing = expected - NR
            printf "%s: %d runs, %d not as expected, %.0f states, %d s\n",
                set, NR, bad + missing, states, seconds
            exit bad + missing != 0
        }' "$dir/lines" || status=1
    return "$status"
}

main() {
    local command='' argument='' dir='' jobs=''
    while (($# > 0)); do
        case $1 in
            -h | --help) usage; return 0 ;;
            --dir) [[ $# -ge 2 ]] || fail_usage '--dir needs a directory'; dir=$2; shift ;;
            --jobs) [[ ${2-} =~ ^[1-9][0-9]*$ ]] || fail_usage '--jobs needs a number'; jobs=$2; shift ;;
            -*) fail_usage "unknown option '$1' (--help)" ;;
            *)
                if [[ -z $command ]]; then command=$1
                elif [[ -z $argument ]]; then argument=$1
                else fail_usage "one argument too many: '$1'"; fi
                ;;
        esac
        shift
    done

    case $command in
        list) names_of "$argument"; return 0 ;;
        quick | full) [[ -z $argument ]] || fail_usage "one argument too many: '$argument'" ;;
        run)
            [[ -n $argument ]] || fail_usage 'run needs a name (check.sh list)'
            fields_of "$argument" >/dev/null || fail_usage "no run is called '$argument' (check.sh list)"
            ;;
        '') usage >&2; return 2 ;;
        *) fail_usage "unknown command '$command' (--help)" ;;
    esac
    local tool
    for tool in spin "${CC:-cc}"; do
        command -v "$tool" >/dev/null || fail_usage "$tool is not installed"
    done

    if [[ -z $dir ]]; then
        dir=$(mktemp -d)
        # shellcheck disable=SC2064  # the directory of now
        trap "rm -rf '$dir'" EXIT
    fi
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    if [[ -z $jobs ]]; then
        jobs=1
        [[ $command == full ]] || jobs=$(nproc 2>/dev/null || echo 1)
    fi
    if [[ $command == run ]]; then
        run_one "$argument" "$dir"
    else
        run_set "$command" "$dir" "$jobs"
    fi
}

main "$@"
