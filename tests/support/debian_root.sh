# shellcheck shell=bash
# Makes clean Debian roots with mmdebstrap; for scripts to source, which run as root and have
# set -euo pipefail. Where APT gets its packages from, and how, is what this machine's own APT is set
# up for.
#
#   debian_suite 12|13                 prints the release's name; fails for others
#   make_debian_root SUITE DIRECTORY WORK PACKAGE...
#       makes DIRECTORY, a minimal root with these packages; WORK is a directory for files on the way
#   make_debian_sysroot ARCHITECTURE SUITE DIRECTORY WORK PACKAGE...
#       makes DIRECTORY, the files of these packages for another architecture, to compile and link
#       against: nothing of it is run, and only /usr and links into it are kept

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

# prepare_apt SUITE WORK: the files in WORK that mmdebstrap gets.
prepare_apt() {
    [[ -n $(debian_sources) ]] || apt-get -q update
    write_debian_sources "$1" >"$2/sources"
    if [[ ! -s $2/sources ]]; then
        echo "APT on this machine has no source of Debian's" >&2
        return 1
    fi
    write_apt_conf >"$2/conf"
    copy_apt_files "$2"
}

make_debian_root() {
    local include
    include=$(IFS=, && printf '%s' "${*:4}")
    prepare_apt "$1" "$3"
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

make_debian_sysroot() {
    prepare_apt "$2" "$4"
    mmdebstrap --quiet --mode=root --variant=extract --architectures="$1" \
        --include="$(IFS=, && printf '%s' "${*:5}")" --aptopt="$4/conf" \
        --setup-hook="cp -a '$4/extra/.' \"\$1\"" \
        "$2" "$3" "$4/sources"
    # An emulator that is told of a sysroot looks there first for each absolute path.
    find "$3" -mindepth 1 -maxdepth 1 ! -name usr ! -name 'lib*' -exec rm -rf --one-file-system {} +
}
