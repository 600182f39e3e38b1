#!/usr/bin/env bash
# Does the library work on 64-bit Arm? Cross-compiles it and its tests, and runs those in qemu's
# user-mode emulator: the tests of the library, its threads, deaths at each step of the protocol,
# frozen consumers and a short storm.
#
#   tests/aarch64/check.sh [BUILD]       BUILD: a directory, by default build/aarch64
#
# On Debian 12 or 13, with g++-aarch64-linux-gnu, qemu-user and mmdebstrap installed; as root or with
# sudo, for mmdebstrap alone. Each check that held is a line "aarch64: ok: …". Exit status 1 if one
# did not.
#
# What this shows is that the code, the layout and the system calls are right on that architecture.
# The emulator orders memory at least as this machine does: orders are the matter of tests/weak. Tests
# that start other programs are left out, since the emulator does not pass itself on to them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
readonly here repository
# shellcheck source-path=SCRIPTDIR
. "$here/../support/debian_root.sh"

readonly programs=(common_test threads_test crash_step_test shmipc-crash-frozen shmipc-crash-storm)

# Test cases that cannot pass in the emulator (7.2), and why.
readonly cannot_pass=(
    # It adds a line of its own to the standard error of a process that aborts.
    'a check that fails with an endless text*'
    # It ignores MADV_DONTFORK, so a child keeps its parent's mappings, and with them the lock.
    'a child and a grandchild that outlive a killed worker*'
    'a child that is forked while its parent attaches*'
    'the pipe waits for the membership that it was given to*'
    # It keeps RLIMIT_AS to itself.
    'without addresses for its objects*'
    # Its sendmsg() sends nothing, and says that all went well, where there is only a descriptor.
    'newlines?*binary values and entries beyond a datagram*'
)

# The sysroot, by the release that this machine runs.
make_sysroot() {
    local release suite boost
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "$VERSION_ID")
    suite=$(debian_suite "$release") || { echo "aarch64: this needs Debian 12 or 13" >&2; return 1; }
    boost=$( ((release == 12)) && echo 1.81 || echo 1.83)
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/shmipc-aarch64.XXXXXXXX")
    trap 'rm -rf --one-file-system "$work"' EXIT
    chmod 0755 "$work"
    make_debian_sysroot arm64 "$suite" "$work/root" "$work" libc6-dev libstdc++-12-dev \
        "libboost$boost-dev" libspdlog-dev libtomlplusplus-dev libcli11-dev libncurses-dev doctest-dev
    chown -R --reference="$(dirname "$1")" "$work/root"
    mv "$work/root" "$1"
}

if [[ ${1:-} == --sysroot ]]; then
    make_sysroot "$2"
    exit
fi
build=$(realpath -m "${1:-$repository/build/aarch64}")
readonly build sysroot=$build/sysroot

mkdir -p "$build"
if [[ ! -d $sysroot ]]; then
    if ((EUID == 0)); then make_sysroot "$sysroot"; else sudo "$0" --sysroot "$sysroot"; fi
fi
cd "$repository"
cmake --preset release -B "$build" --toolchain "$here/toolchain.cmake" -DSHMIPC_SYSROOT="$sysroot" \
    -DSHMIPC_MODEL=OFF -DSHMIPC_BENCH=OFF -DSHMIPC_PCH=OFF
cmake --build "$build" --target "${programs[@]}"

# check WHAT PROGRAM ARGUMENT...
check() {
    local start=$SECONDS
    qemu-aarch64 -L "$sysroot" "$build/bin/$2" "${@:3}" || { echo "aarch64: FAILED: $1"; return 1; }
    printf 'aarch64: ok: %s (%d s)\n' "$1" $((SECONDS - start))
}

left_out=$(IFS=, && printf '%s' "${cannot_pass[*]}")
check "the library, all but ${#cannot_pass[@]} cases that the emulator spoils" \
    common_test --test-case-exclude="$left_out"
check 'threads that share a channel' threads_test
check 'deaths of a producer at every step' crash_step_test producer
check 'deaths of a consumer at every step' crash_step_test consumer
check 'a producer whose consumers are frozen' shmipc-crash-frozen
check 'a storm of 200 kills' shmipc-crash-storm --kills 200
