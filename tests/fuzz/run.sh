#!/usr/bin/env bash
# Runs the fuzz targets of preset fuzz, as many at a time as there are processors.
#
#   tests/fuzz/run.sh [--seed N] SECONDS|minute [TARGET...]
#
# "minute" is a number of runs, for each target what one of our machines does in a minute.
# With the same seed, and nothing found before, a run tries the same input in the same order; without
# one each run is another.
# Each begins with what it found before (build/fuzz/corpus) and with the files in corpus/. Input that
# breaks something is left in build/fuzz/found, and the end of the output tells. Exit status 1 then.
set -euo pipefail

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
readonly bin=build/fuzz/bin found=build/fuzz/found targets=(object channel control config start)
declare -rA minute=([object]=55000 [channel]=40000 [control]=180000 [config]=1100000 [start]=80000)

# A single target: its output is in a file, of which the last lines are shown.
run_one() {
    local target=$1 amount=$2 seed=$3 options=() seeds=("tests/fuzz/corpus/$1") pid status=0
    local log=build/fuzz/$target.log
    if [[ $amount == minute ]]; then
        # .ci/run lets it have only the time that others leave: one input may wait for long.
        options+=("-runs=${minute[$target]}" -timeout=600)
    else
        options+=("-max_total_time=$amount" -timeout=20)
    fi
    if [[ $target == config ]]; then seeds+=(config); fi
    if [[ $target == start ]]; then options+=(-close_fd_mask=3); fi
    mkdir -p "build/fuzz/corpus/$target" "$found"
    "$bin/fuzz_$target" -seed="$seed" -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$found/$target-" "${options[@]}" \
        "build/fuzz/corpus/$target" "${seeds[@]}" >"$log" 2>&1 &
    pid=$!
    wait "$pid" || status=$?
    # What one that was killed has left.
    rm -f /dev/shm/shmipc.fuzz-"$pid".* /tmp/fuzz-"$pid".*
    if ((status == 0)); then
        printf 'fuzz: ok: %s: %s runs\n' "$target" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    else
        tail -n 40 "$log"
        printf 'fuzz: FAILED: %s\n' "$target"
    fi
    return "$status"
}

if [[ ${1:-} == --one ]]; then
    run_one "$2" "$3" "$4"
    exit
fi
seed=0  # libFuzzer takes one of its own
if [[ ${1:-} == --seed ]]; then
    seed=${2:-}
    shift 2
fi
if ! [[ ${1:-} =~ ^([1-9][0-9]*|minute)$ ]]; then
    echo "usage: $0 [--seed N] SECONDS|minute [TARGET...]" >&2
    exit 64
fi
amount=$1
shift
if (($# == 0)); then set -- "${targets[@]}"; fi
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} "${BASH_SOURCE[0]}" --one {} "$amount" "$seed"
