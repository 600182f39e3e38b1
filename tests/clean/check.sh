#!/usr/bin/env bash
# Does the project work on a Debian machine that has nothing? Makes a minimal root of the release,
# puts the checkout's files into it, enters it with systemd-nspawn and does there what a user does
# (inside.sh); then, with the packages that were built there, what an operator does with the service
# (../systemd). As root.
set -euo pipefail

usage='Usage: tests/clean/check.sh 12|13 [--worktree] [--cache DIRECTORY]
Checks the last commit, or with --worktree the files as they are, on a clean root of that Debian. With
--cache the root has ccache too, which starts with what is in the directory and leaves there what it
has at the end: what the same compiler has made of the same source before is not compiled again.'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
readonly here repository
# shellcheck source-path=SCRIPTDIR
. "$here/../support/debian_root.sh"

wrong_usage() { printf '%s\n' "$usage" >&2; exit 64; }  # EX_USAGE of sysexits.h
die() { printf 'clean: %s\n' "$*" >&2; exit 1; }

version=${1:-}
suite=$(debian_suite "$version") || wrong_usage
readonly version suite
worktree=no cache=''
shift
while (($# > 0)); do
    case $1 in
        --worktree) worktree=yes ;;
        --cache) cache=${2:-}; [[ -n $cache ]] || wrong_usage; shift ;;
        *) wrong_usage ;;
    esac
    shift
done
readonly worktree cache
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
work=$(mktemp -d "${TMPDIR:-/var/tmp}/shmipc-clean-$version.XXXXXXXX")
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

readonly root_cache=/srv/ccache  # inside.sh uses it if it is there

bring_cache() {
    mkdir "$root$root_cache"
    if [[ -d $cache ]]; then cp -a "$cache/." "$root$root_cache"; fi
}

# As the owner of the directory that it is in.
keep_cache() {
    local parent
    parent=$(dirname "$cache")
    mkdir -p "$parent"
    chown -R --reference="$parent" "$root$root_cache"
    # Aside first: another build may be writing into it, and makes removing it fail.
    if [[ -e $cache ]]; then mv "$cache" "$work/old_cache"; fi
    mv "$root$root_cache" "$cache"
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
make_debian_root "$suite" "$root" "$work" sudo passwd ${cache:+ccache}
copy_checkout
if [[ -n $cache ]]; then bring_cache; fi
printf 'clean: minimal Debian %s (%s) made in %d s\n' "$version" "$suite" $((SECONDS - start))
held=0
enter_root || held=$?
# Also if something failed: the next try need not compile the same once more.
if [[ -n $cache ]]; then keep_cache; fi
((held == 0)) || exit "$held"
mv "$root/home/tester/shmipc/build/package" "$work/packages"
rm -rf --one-file-system "$root"
"$here/../systemd/check.sh" "$version" "$work/packages"
printf 'clean: all well on Debian %s, %d s\n' "$version" $((SECONDS - start))
