#!/usr/bin/env bash
# Sets up, builds, runs and tests shmipc. ./run.sh --help tells.
set -euo pipefail

readonly min_workers=2 max_workers=1024
readonly ex_usage=64                # EX_USAGE of sysexits.h
readonly storm_kills=100000         # of ./run.sh crash
readonly boost_packages=(libboost1.83-dev libboost1.81-dev)   # one of them, the first there is
readonly build_packages=(g++ cmake ninja-build libspdlog-dev libtomlplusplus-dev libcli11-dev
    libncurses-dev)
readonly package_packages=(dpkg-dev file)          # what CPack asks
readonly test_packages=(doctest-dev spin mandoc)   # and of Prometheus two programs: get_tools
readonly bench_packages=(gnuplot-nox libbenchmark-dev pkg-config python3)
readonly peer_packages=(libiceoryx-posh-dev libzmq3-dev)   # compared where Debian has them

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
readonly build_dir=build/release
readonly package_dir=build/package
readonly bench_dir=build/bench
readonly log=build/run.log

usage() {
    cat <<USAGE
Usage:
  ./run.sh N                 build, and run a group of N workers ($min_workers to $max_workers) until q or a signal
  ./run.sh test [ARGS...]    build, and run all tests; ARGS go to ctest (-R name, --verbose, ...)
  ./run.sh crash [--quick]   build, and run the kill tests, in some minutes; without --quick at every
                             pair of places, and with storms of $storm_kills kills on a group and of
                             16,000 on a supervisor's workers, which takes most of an hour
  ./run.sh bench [--quick]   build, and measure the library beside others, and how groups grow, in a
                             quarter of an hour, or with --quick in two minutes; the figures and
                             plots are left in $bench_dir
  ./run.sh package           build the Debian packages shmipc, libshmipc0 and libshmipc-dev, and leave
                             them in $package_dir
  ./run.sh --help

Missing Debian packages are named first and then installed with APT (as root, or with sudo).
With a terminal, ./run.sh N is a console: a worker's number and Return kills that worker, or brings
it back; q and Return, or the end of input, stops them all.
USAGE
}

wrong_usage() {
    printf './run.sh: %s\n\n' "$1" >&2
    usage >&2
    exit "$ex_usage"
}

say() { printf '%s\n' "$*" >&2; }
die() { say "./run.sh: $*"; exit 1; }

# Runs a command with its output in the log, which is shown if it fails.
quietly() {
    local what=$1
    shift
    say "$what (log: $log)"
    printf '\n== %s: %s\n' "$what" "$*" >>"$log"
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        grep -E -m 10 '(error|Error|FAILED|fatal)' "$log" >&2 || true  # a compiler's last lines say least
        tail -n 30 "$log" >&2
        die "failed: $what; the whole log is $PWD/$log"
    fi
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

available() { [[ $(LC_ALL=C apt-cache policy "$1" 2>/dev/null) == *'Candidate: '[0-9]* ]]; }

apt() {
    # Never removes a package: Debian 12's own libboost-dev (1.74) is in the way of the one we need.
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get --yes --no-install-recommends \
        --no-remove -o DPkg::Lock::Timeout=300 "$@"
}

# Installs those of the given packages, and one of Boost's, that are missing.
set_up() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        die "this system has no APT. run.sh is made for Debian 12 and 13; elsewhere install a C++20
compiler, CMake 3.25, Ninja, Boost 1.81 or later, spdlog, toml++, CLI11, ncurses, and for the tests
doctest, spin, mandoc, promtool and prometheus, and then:
  cmake --preset release && cmake --build --preset release && ctest --preset release"
    fi
    local package boost='' boost_or=" ${boost_packages[0]} (or ${boost_packages[1]})" missing=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    for package in "${boost_packages[@]}"; do
        if installed "$package"; then boost=$package boost_or=''; fi
    done
    if [[ -n $boost ]] && ((${#missing[@]} == 0)); then
        return
    fi
    say "Installing with apt-get:${missing[*]/#/ }${boost_or}"
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        die "installing needs root, and there is no sudo: run this as root once, or install them"
    fi
    quietly 'Reading the package lists' apt update
    if [[ -z $boost ]]; then
        for package in "${boost_packages[@]}"; do
            if available "$package"; then boost=$package; break; fi
        done
        [[ -n $boost ]] || die "APT offers neither ${boost_packages[*]}: this needs Debian 12 or 13"
        missing+=("$boost")
    fi
    quietly 'Installing packages' apt install "${missing[@]}"
}

# Programs that tests need out of a package that would start a service if it were installed.
get_tools() {
    if ! PATH=$PATH:build/tools/usr/bin type promtool prometheus >/dev/null 2>&1; then
        quietly 'Fetching Prometheus, without installing it' tests/supervisor/metrics/get_prometheus.sh
    fi
}

# build PRESET ON|OFF [TARGETS...]: with or without the tests.
build() {
    local preset=$1 tests=$2 fresh=()
    shift 2
    # A tree that was copied or moved brings a build directory that points elsewhere.
    if [[ -e $build_dir/CMakeCache.txt ]] &&
        ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$build_dir/CMakeCache.txt"; then
        fresh=(--fresh)
    fi
    quietly 'Configuring' cmake --preset "$preset" "${fresh[@]}" -DSHMIPC_TESTS="$tests"
    quietly 'Building' cmake --build --preset "$preset" ${1:+--target "$@"}
}

# Makes build/ and its log, and lets one at a time build there.
begin() {
    mkdir -p build
    [[ -w build ]] || die "$PWD/build is not writable for $(id -un): it was made by $(stat -c %U build)"
    exec {lock}>build/.lock
    if ! flock --nonblock "$lock"; then
        say 'Another ./run.sh is building here: waiting for it.'
        flock "$lock"
    fi
    : >"$log"
}

# A run by hand has a group, a lock and a configuration of its own: never the service's.
run() {
    local options=(--config config/shmipc.toml --group "run-$(id -u)" --workers "$1"
        --log-level debug --log-format human)
    begin
    set_up "${build_packages[@]}"
    build release OFF shmipc-supervisor shmipc-worker shmipcctl
    exec {lock}>&-
    if ((EUID == 0)); then options+=(--runtime-dir /run/shmipc-run); fi
    if [[ -t 0 ]]; then options+=(--console); fi  # which tells how to use it
    exec "$build_dir/bin/shmipc-supervisor" "${options[@]}"
}

build_with_tests() {
    begin
    set_up "${build_packages[@]}" "${test_packages[@]}"
    get_tools
    build release ON
    exec {lock}>&-
}

run_tests() {
    build_with_tests
    exec ctest --preset release --parallel "$(nproc)" "$@"
}

# All kill tests, one after the other, also if one fails. What they print is kept; its sums are shown
# again at the end.
run_crash() {
    local bin=$build_dir/bin output=build/crash.log status=0 test tests
    build_with_tests
    if [[ ${1:-} == --quick ]]; then
        tests=(crash_step_test shmipc-crash-instructions shmipc-crash-calls shmipc-crash-frozen
            'shmipc-crash-storm --kills 500'
            'shmipc-supervisor-storm --workers 8 --rounds 30 --supervisors 10 --connections 300')
    else
        tests=('crash_step_test --full' 'shmipc-crash-instructions --full' 'shmipc-crash-calls --full'
            shmipc-crash-frozen "shmipc-crash-storm --kills $storm_kills" shmipc-supervisor-storm)
    fi
    : >"$output"
    for test in "${tests[@]}"; do
        printf '\n== %s\n' "$test" | tee -a "$output"
        # shellcheck disable=SC2086 # a program and its arguments
        "$bin"/$test 2>&1 | tee -a "$output" || status=1
    done
    printf '\n== In short (all of it: %s)\n' "$output"
    grep -E '^(==|operation|total|all |frozen:|storm:|  [0-9]+ deaths|  seed|  from|  supervisor over|FAILED|HARM)|( instr\.| calls) +[0-9]' "$output"
    return "$status"
}

# The machine should have nothing else to do. One of both programs after the other, also if one fails.
run_bench() {
    local package packages=("${bench_packages[@]}") status=0
    begin
    for package in "${peer_packages[@]}"; do
        if installed "$package" || available "$package"; then packages+=("$package"); fi
    done
    set_up "${build_packages[@]}" "${test_packages[@]}" "${packages[@]}"
    build release ON shmipc-bench shmipc-bench-micro shmipc-bench-scale
    exec {lock}>&-
    mkdir -p "$bench_dir"
    rm -f "$bench_dir"/*
    "$build_dir/bin/shmipc-bench-micro" --benchmark_min_time=0.1
    "$build_dir/bin/shmipc-bench" "$@" --json "$bench_dir/bench.json" || status=$?
    "$build_dir/bin/shmipc-bench-scale" "$@" --json "$bench_dir/scale.json" || status=$?
    tests/bench/plot.py --output "$bench_dir" "$bench_dir"/*.json || status=$?
    return "$status"
}

# Packages of the version that is built now, and no others, are in $package_dir afterwards.
run_package() {
    local packages
    begin
    set_up "${build_packages[@]}" "${package_packages[@]}"
    rm -f "$package_dir"/*.deb
    build package OFF package
    packages=("$package_dir"/*.deb)
    say 'Made these packages:'
    printf '%s\n' "${packages[@]}"
    say "Install them with: sudo apt install ${packages[*]/#/./}"
}

case ${1:-} in
    '') wrong_usage 'what shall it run?' ;;
    -h | --help | help)
        usage
        ;;
    test)
        shift
        run_tests "$@"
        ;;
    crash)
        (($# == 1)) || [[ $# == 2 && $2 == --quick ]] || wrong_usage "crash takes nothing but --quick"
        run_crash "${@:2}"
        ;;
    bench)
        (($# == 1)) || [[ $# == 2 && $2 == --quick ]] || wrong_usage "bench takes nothing but --quick"
        run_bench "${@:2}"
        ;;
    package)
        (($# == 1)) || wrong_usage "package takes no arguments"
        run_package
        ;;
    *)
        if ! [[ $1 =~ ^[1-9][0-9]{0,3}$ ]] || (($1 < min_workers || $1 > max_workers)); then
            wrong_usage "'$1' is neither a command nor a number from $min_workers to $max_workers"
        fi
        (($# == 1)) || wrong_usage "unexpected '$2'"
        run "$1"
        ;;
esac
