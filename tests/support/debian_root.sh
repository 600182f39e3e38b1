# shellcheck shell=bash
# Makes clean Debian roots with mmdebstrap; for scripts to source, which run as root and have
# set -euo pipefail. Where APT gets its packages from, and how, is what this machine's own APT is set
# up for.
#
#   debian_suite 12|13                 prints the release's name; fails for others
#   make_debian_root SUITE DIRECTORY WORK PACKAGE...
#       makes DIRECTORY, a minimal root with these packages; WORK is a directory for files on the way

readonly debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

debian_suite() {
    case $1 in
    12) echo bookworm ;;
    13) echo trixie ;;
    *) return 1 ;;
    esac
}

# "uri <tab> suite" of each source that calls itself Debian, component main. Known after an update.
debian_sources() {
    apt-get indextargets 'Identifier: Packages' 'Origin: Debian' 'Component: main' \
        --format $'$(REPO_URI)\t$(RELEASE)'
}

# The machine's own sources of Debian, for the suite wanted.
write_debian_sources() {
    local uri release part
    while IFS=$'\t' read -r uri release; do
        part=${release#"${release%%-*}"}
        [[ $part =~ ^(|-updates|-security)$ ]] || continue
        printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" "$uri" "$1$part"
    done < <(debian_sources) | sort -u
}

# Proxies, time-outs and the like, but not where this machine keeps its files.
write_apt_conf() {
    apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv|Languages)' || true
}

# Files that sources and settings refer to: the keyring, certificates, passwords.
copy_apt_files() {
    local file
    for file in "$debian_keyring" $(grep -oE '/[^] ";,]+' "$1/conf" | sort -u) \
        /etc/apt/auth.conf /etc/apt/auth.conf.d/*.conf; do
        if [[ -f $file ]]; then
            install -D -m 0644 "$file" "$1/extra$file"
        fi
    done
    mkdir -p "$1/extra"
}

make_debian_root() {
    local include
    include=$(IFS=, && printf '%s' "${*:4}")
    [[ -n $(debian_sources) ]] || apt-get -q update
    write_debian_sources "$1" >"$3/sources"
    if [[ ! -s $3/sources ]]; then
        echo "APT on this machine has no source of Debian's" >&2
        return 1
    fi
    write_apt_conf >"$3/conf"
    copy_apt_files "$3"
    if grep -q ' https:' "$3/sources"; then
        include+=,ca-certificates
        install -D /etc/ssl/certs/ca-certificates.crt "$3/certificates.crt"
    fi
    mmdebstrap --quiet --mode=root --variant=apt --include="$include" --aptopt="$3/conf" \
        --setup-hook="cp -a '$3/extra/.' \"\$1\"" \
        --customize-hook="test ! -e '$3/certificates.crt' ||
            cp '$3/certificates.crt' \"\$1/etc/ssl/certs/ca-certificates.crt\"" \
        "$1" "$2" "$3/sources"
}
