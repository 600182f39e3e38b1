#!/usr/bin/env bash
# Does the project work on a Debian machine that has nothing? Makes a minimal root of the release,
# puts the checkout's files into it, enters it with systemd-nspawn and does there what a user does
# (inside.sh); then, with the packages that were built there, what an operator does with the service
# (../systemd). As root.
set -euo pipefail

usage='Usage: tests/clean/check.sh 12|13 [--worktree]
Checks the last commit, or with --worktree the files as they are, on a clean root of that Debian.'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
readonly here repository
# shellcheck source-path=SCRIPTDIR
. "$here/../support/debian_root.sh"

die() { printf 'clean: %s\n' "$*" >&2; exit 1; }

suite=$(debian_suite "${1:-}") || { printf '%s\n' "$usage" >&2; exit 64; }
readonly suite
case ${2:-} in
    '') readonly worktree=no ;;
    --worktree) readonly worktree=yes ;;
    *) printf '%s\n' "$usage" >&2; exit 64 ;;
esac
((EUID == 0)) || die 'this needs root, to make and enter a root of its own'

# The container's process id, while it runs; 0 otherwise.
container=0
clean_up() {
    local status=$?
    trap - EXIT
    if ((container != 0)); then
        kill -TERM "$container" 2>/dev/null || true
        wait "$container" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$work"
    exit "$status"
}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/shmipc-clean-$1.XXXXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
chmod 0755 "$work"
readonly work root=$work/root

copy_checkout() {
    mkdir "$root/srv/shmipc"
    # The checkout may belong to somebody else than root.
    local git=(git -c "safe.directory=$repository" -C "$repository")
    if [[ $worktree == yes ]]; then
        "${git[@]}" ls-files -z --cached --others --exclude-standard |
            tar -C "$repository" --null --files-from=- --ignore-failed-read -c
    else
        "${git[@]}" archive HEAD
    fi | tar -C "$root/srv/shmipc" --no-same-owner -x
    install -m 0755 "$here/inside.sh" "$root/srv/inside.sh"
}

# Its own /dev/shm and processes; the machine's network, for APT.
enter_root() {
    local name settings=()
    for name in http_proxy https_proxy no_proxy; do
        if [[ -n ${!name:-} ]]; then settings+=("--setenv=$name=${!name}"); fi
    done
    systemd-nspawn --quiet --register=no --keep-unit --as-pid2 --console=pipe \
        --machine="shmipc-clean-$$" --resolv-conf=copy-host "${settings[@]}" \
        --directory="$root" /srv/inside.sh </dev/null &
    container=$!
    local status=0
    wait "$container" || status=$?
    container=0
    return "$status"
}

start=$SECONDS
make_debian_root "$suite" "$root" "$work" sudo passwd
copy_checkout
printf 'clean: minimal Debian %s (%s) made in %d s\n' "$1" "$suite" $((SECONDS - start))
enter_root
mv "$root/home/tester/shmipc/build/package" "$work/packages"
rm -rf --one-file-system "$root"
"$here/../systemd/check.sh" "$1" "$work/packages"
printf 'clean: all well on Debian %s, %d s\n' "$1" $((SECONDS - start))
