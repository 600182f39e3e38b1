#!/usr/bin/env bash
# Is the service what an operator expects? Makes a clean root of that Debian, boots systemd in it,
# and does there what an operator does with the packages (inside.sh): each check is a line of output,
# and the last line is "N passed, N failed". As root.
set -euo pipefail

usage='Usage: tests/systemd/check.sh 12|13 PACKAGES
Checks the packages in directory PACKAGES (./run.sh package leaves them in build/package), which must
have been built on that Debian.'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here boot_s=120
# shellcheck source-path=SCRIPTDIR
. "$here/../support/debian_root.sh"

die() { printf 'systemd: %s\n' "$*" >&2; exit 1; }

if (($# != 2)) || ! suite=$(debian_suite "$1"); then
    printf '%s\n' "$usage" >&2
    exit 64
fi
packages=$(cd "$2" && pwd)
readonly suite packages
((EUID == 0)) || die 'this needs root, to make and boot a root of its own'

# systemd-nspawn's process id, and that of the system's first process, while they run; 0 otherwise.
container=0 first=0
clean_up() {
    local status=$?
    trap - EXIT
    if ((container != 0)); then
        # What shuts a container down at once: SIGRTMIN+4 to its first process powers it off.
        if ((first != 0)); then kill -s SIGRTMIN+4 "$first" 2>/dev/null || true; fi
        local deadline=$((SECONDS + 20))
        while kill -0 "$container" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.2; done
        kill -TERM "$container" 2>/dev/null || true
        wait "$container" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$work"
    exit "$status"
}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/shmipc-systemd-$1.XXXXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
chmod 0755 "$work"
readonly work root=$work/root

# The same packages, as the next version: for an upgrade.
make_next_version() {
    local file name version next
    mkdir "$root/srv/next"
    for file in "$packages"/*.deb; do
        name=$(dpkg-deb --field "$file" Package)
        version=$(dpkg-deb --field "$file" Version)
        next=$version+next
        dpkg-deb --raw-extract "$file" "$work/$name"
        sed -i -E "s/^Version: .*/Version: $next/; s/libshmipc0 \(= [^)]*\)/libshmipc0 (= $next)/" \
            "$work/$name/DEBIAN/control"
        dpkg-deb --root-owner-group --build "$work/$name" "$root/srv/next" >/dev/null
    done
}

# A descendant of systemd-nspawn whose own namespace calls it 1.
find_first() {
    local pid
    local children=()
    read -ra children <"/proc/$1/task/$1/children" || true
    for pid in "${children[@]}"; do
        if [[ $(sed -nE 's/^NSpid:.*\t//p' "/proc/$pid/status" 2>/dev/null) == 1 ]]; then
            echo "$pid"
            return
        fi
        find_first "$pid"
    done
}

enter() { nsenter --target "$first" --all -- "$@"; }

boot() {
    local name settings=() deadline=$((SECONDS + boot_s)) state=''
    for name in http_proxy https_proxy no_proxy; do
        if [[ -n ${!name:-} ]]; then settings+=("--setenv=$name=${!name}"); fi
    done
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit --boot \
        --console=pipe --machine="shmipc-systemd-$$" --resolv-conf=copy-host "${settings[@]}" \
        --directory="$root" </dev/null >"$work/console" 2>&1 &
    container=$!
    until [[ $state == running || $state == degraded ]]; do
        if ((SECONDS >= deadline)) || ! kill -0 "$container" 2>/dev/null; then
            tail -n 50 "$work/console" >&2
            die 'systemd did not come up in the container'
        fi
        sleep 0.2
        first=$(find_first "$container")
        if [[ -n $first ]]; then
            state=$(enter systemctl is-system-running 2>/dev/null) || true
        else
            first=0
        fi
    done
}

# One at a time on a machine: with --keep-unit two containers would share one tree of control groups.
exec {lock}>/run/lock/shmipc-systemd-check
flock "$lock"

start=$SECONDS
make_debian_root "$suite" "$root" "$work" systemd systemd-sysv dbus passwd man-db
mkdir "$root/srv/packages"
cp "$packages"/*.deb "$root/srv/packages"
make_next_version
install -m 0755 "$here/inside.sh" "$root/srv/inside.sh"
boot
printf 'systemd: Debian %s (%s) booted in %d s\n' "$1" "$suite" $((SECONDS - start))
enter env --ignore-environment HOME=/root LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" \
    /srv/inside.sh
