#!/usr/bin/env bash
# Does the project work on a Debian machine that has nothing? Makes a minimal root of the release
# with mmdebstrap, puts the checkout's files into it, enters it with systemd-nspawn and does there
# what a user does (inside.sh). As root. Where APT gets its packages from, and how, is what this
# machine's own APT is set up for.
set -euo pipefail

usage='Usage: tests/clean/check.sh 12|13 [--worktree]
Checks the last commit, or with --worktree the files as they are, on a clean root of that Debian.'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
readonly here repository keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() { printf 'clean: %s\n' "$*" >&2; exit 1; }

case ${1:-} in
    12) readonly suite=bookworm ;;
    13) readonly suite=trixie ;;
    *) printf '%s\n' "$usage" >&2; exit 64 ;;
esac
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

# The machine's own sources of Debian, for the suite wanted.
write_sources() {
    local uri release part
    while IFS=$'\t' read -r uri release; do
        part=${release#"${release%%-*}"}
        [[ $part =~ ^(|-updates|-security)$ ]] || continue
        printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$uri" "$suite$part"
    done < <(debian_sources) | sort -u
}

# "uri <tab> suite" of each source that calls itself Debian, component main. Known after an update.
debian_sources() {
    apt-get indextargets 'Identifier: Packages' 'Origin: Debian' 'Component: main' \
        --format $'$(REPO_URI)\t$(RELEASE)'
}

# Proxies, time-outs and the like, but not where this machine keeps its files.
write_apt_conf() {
    apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv|Languages)' || true
}

# Files that sources and settings refer to: the keyring, certificates, passwords.
copy_apt_files() {
    local file
    for file in "$keyring" $(grep -oE '/[^] ";,]+' "$work/conf" | sort -u) \
        /etc/apt/auth.conf /etc/apt/auth.conf.d/*.conf; do
        if [[ -f $file ]]; then
            install -D -m 0644 "$file" "$work/extra$file"
        fi
    done
    mkdir -p "$work/extra"
}

make_root() {
    local include=sudo,passwd
    [[ -n $(debian_sources) ]] || apt-get -q update
    write_sources >"$work/sources"
    [[ -s $work/sources ]] || die "APT on this machine has no source of Debian's"
    write_apt_conf >"$work/conf"
    copy_apt_files
    if grep -q ' https:' "$work/sources"; then
        include+=,ca-certificates
        install -D /etc/ssl/certs/ca-certificates.crt "$work/certificates.crt"
    fi
    mmdebstrap --quiet --mode=root --variant=apt --include="$include" --aptopt="$work/conf" \
        --setup-hook="cp -a '$work/extra/.' \"\$1\"" \
        --customize-hook="test ! -e '$work/certificates.crt' ||
            cp '$work/certificates.crt' \"\$1/etc/ssl/certs/ca-certificates.crt\"" \
        "$suite" "$root" "$work/sources"
}

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
make_root
copy_checkout
printf 'clean: minimal Debian %s (%s) made in %d s\n' "$1" "$suite" $((SECONDS - start))
enter_root
printf 'clean: all well on Debian %s, %d s\n' "$1" $((SECONDS - start))
