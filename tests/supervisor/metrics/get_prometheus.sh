#!/usr/bin/env bash
# Puts promtool and prometheus, which tests of the metrics need, into build/tools/usr/bin, unless
# they are there or in PATH. Out of Debian's package, without installing it: the package would start
# a server on the user's machine. Needs no root, unless the package lists are missing or too old.
set -euo pipefail

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.."
readonly tools=build/tools
export PATH=$PATH:$PWD/$tools/usr/bin

there() { command -v promtool >/dev/null && command -v prometheus >/dev/null; }

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# From Debian 13 on promtool is a package of its own; before, it is in prometheus.
# APT of root's would fetch as a user of its own, who has no business in this directory.
download() {
    local packages=(prometheus)
    if [[ -n $(apt-cache search --names-only '^promtool$') ]]; then packages+=(promtool); fi
    (cd "$work" && apt-get --quiet -o APT::Sandbox::User=root download "${packages[@]}")
}

if there; then exit; fi
mkdir -p "$tools"
work=$(mktemp -d "$tools/download.XXXXXXXX")
trap 'rm -rf "$work"' EXIT
if ! download; then
    as_root apt-get --quiet -o DPkg::Lock::Timeout=300 update
    download
fi
for package in "$work"/*.deb; do
    dpkg-deb --extract "$package" "$work/root"
done
mkdir -p "$tools/usr/bin"
mv "$work"/root/usr/bin/{promtool,prometheus} "$tools/usr/bin/"
there
