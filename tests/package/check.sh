#!/usr/bin/env bash
# Are the Debian packages what they should be? Their files, what lintian says, and whether a worker can
# be written with nothing but what they install: compiled with CMake and with pkg-config, and run under
# the packaged supervisor. Nothing is installed on this machine: they are unpacked.
#
#   check.sh [DIRECTORY]    with the packages; without one ./run.sh package makes them first
#
# Each check is a line of output. Needs lintian and pkg-config.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
readonly here repository
readonly group=package-check-$$ ready_s=60

failures=0
ok() { printf 'package: ok: %s\n' "$*"; }
failed() {
    printf 'package: FAILED: %s\n' "$*"
    failures=$((failures + 1))
}
# check WHAT COMMAND...: the command succeeds; what it says is shown if not.
check() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        ok "$what"
    else
        failed "$what"
        sed 's/^/    /' "$work/output"
    fi
}

supervisor=0
work=$(mktemp -d)
clean_up() {
    local status=$?
    trap - EXIT
    if ((supervisor != 0)); then
        kill -TERM "$supervisor" 2>/dev/null || true
        wait "$supervisor" 2>/dev/null || true
    fi
    rm -rf "$work" /dev/shm/shmipc."$group".*
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if (($# > 0)); then
    directory=$(cd "$1" && pwd)
else
    "$repository/run.sh" package
    directory=$repository/build/package
fi
readonly directory root=$work/root

# The packages, and no others. Sets version, upstream (the project's, without the release of Debian),
# architecture and triplet.
find_packages() {
    local files=("$directory"/shmipc_*.deb) name
    if [[ ! -f ${files[0]} ]] || ((${#files[@]} != 1)); then
        failed "not one package shmipc in $directory"
        exit 1
    fi
    version=$(dpkg-deb --field "${files[0]}" Version)
    upstream=${version%%+*}
    architecture=$(dpkg-deb --field "${files[0]}" Architecture)
    triplet=$(dpkg-architecture -a "$architecture" -q DEB_HOST_MULTIARCH)
    for name in shmipc libshmipc0 libshmipc-dev; do
        if [[ ! -f $(file_of "$name") ]]; then
            failed "$(file_of "$name") is missing"
            exit 1
        fi
    done
    ok "version $version for $architecture"
}
file_of() { printf '%s/%s_%s_%s.deb' "$directory" "$1" "$version" "$architecture"; }

# What each package has. A header that is not listed is not installed by accident.
files_wanted() {
    case $1 in
    shmipc)
        printf '%s\n' /etc/shmipc/shmipc.toml /usr/bin/shmipc-supervisor /usr/bin/shmipc-worker \
            /usr/bin/shmipcctl /usr/lib/systemd/catalog/shmipc.catalog \
            /usr/lib/systemd/system/shmipc.service /usr/lib/systemd/system/shmipc@.service \
            /usr/lib/sysusers.d/shmipc.conf /usr/lib/tmpfiles.d/shmipc.conf \
            /usr/share/bash-completion/completions/shmipcctl \
            /usr/share/man/man1/shmipc-worker.1.gz /usr/share/man/man1/shmipcctl.1.gz \
            /usr/share/man/man5/shmipc.toml.5.gz \
            /usr/share/man/man7/shmipc.7.gz /usr/share/man/man7/shmipc-journal.7.gz \
            /usr/share/man/man8/shmipc-supervisor.8.gz \
            /usr/share/doc/shmipc/operating.md /usr/share/doc/shmipc/service.md
        ;;
    libshmipc0)
        printf '%s\n' "/usr/lib/$triplet/libshmipc.so.0 -> libshmipc.so.$upstream" \
            "/usr/lib/$triplet/libshmipc.so.$upstream"
        ;;
    libshmipc-dev)
        printf '%s\n' \
            /usr/include/shmipc/{consumer,error,group,group_config,ids,layout,message}.hpp \
            /usr/include/shmipc/{observer,producer,supervision,worker}.hpp \
            /usr/include/shmipc/detail/{check,cores}.hpp \
            /usr/include/shmipc/protocol/{channel,copy,memory,pin,publish,sleep,slots,words}.hpp \
            "/usr/lib/$triplet/libshmipc.so -> libshmipc.so.0" \
            "/usr/lib/$triplet/cmake/shmipc/shmipc-config.cmake" \
            "/usr/lib/$triplet/cmake/shmipc/shmipc-config-version.cmake" \
            "/usr/lib/$triplet/cmake/shmipc/shmipc-targets.cmake" \
            "/usr/lib/$triplet/cmake/shmipc/shmipc-targets-relwithdebinfo.cmake" \
            "/usr/lib/$triplet/pkgconfig/shmipc.pc" \
            /usr/share/doc/libshmipc-dev/examples/pose.cpp
        ;;
    esac
    printf '%s\n' "/usr/share/doc/$1/changelog.gz" "/usr/share/doc/$1/copyright"
}
has_these_files() {
    diff --unified=0 <(files_wanted "$1" | sort) \
        <(dpkg-deb --contents "$(file_of "$1")" | grep -v '^d' | sed -E 's/^([^ ]+ +){5}\.//' | sort)
}

# "-rwxr-xr-x root/root ... ./usr/bin/x": nothing else than these modes, all of root's.
has_these_modes() {
    ! dpkg-deb --contents "$(file_of "$1")" |
        grep -vE '^(drwxr-xr-x|-rw-r--r--|lrwxrwxrwx) root/root |^-rwxr-xr-x root/root .* \./usr/bin/'
}

# field PACKAGE FIELD REGEX
field() {
    local value
    value=$(dpkg-deb --field "$(file_of "$1")" "$2")
    printf '%s\n' "$value"
    [[ $value =~ $3 ]]
}
# 0.1.0+deb12, which is newer than 0.1.0.
names_its_release() {
    # shellcheck source=/dev/null
    local release
    release=$(. /etc/os-release && echo "${ID/debian/deb}${VERSION_ID:-$VERSION_CODENAME}")
    echo "$version, built on $release"
    [[ $version == "$upstream+$release" ]] && dpkg --compare-versions "$version" gt "$upstream"
}
changelog_begins_with_the_version() {
    local package
    for package in shmipc libshmipc0 libshmipc-dev; do
        gzip -dc "$root/usr/share/doc/$package/changelog.gz" | sed -n 1p | tee /dev/stderr |
            grep -F "shmipc ($version) "
    done
}
control_file() { dpkg-deb --ctrl-tarfile "$(file_of "$1")" | tar -xO "./$2" | diff - <(printf '%s\n' "$3"); }
relocated_nowhere() { ! readelf -d "$@" | grep -E 'RPATH|RUNPATH'; }
stripped() { ! readelf -S "$@" | grep -F .debug_info; }

# What the version script lists, all of it and nothing else, beside the version's own name.
exports_what_is_listed() {
    diff <(sed -nE '/global:/,/local:/ s/^ +(_[A-Za-z0-9_]+);$/\1/p' "$here/../../common/libshmipc.map" | sort) \
        <(nm -D --defined-only "$root/usr/lib/$triplet/libshmipc.so.0" |
            awk '$3 !~ /^SHMIPC_0/ { sub(/@.*/, "", $3); print $3 }' | sort)
}

# Each header by itself, and nothing of Boost, spdlog or fmt with it.
headers_stand_alone() {
    local header
    while read -r header; do
        printf '#include <%s>\n' "$header" |
            c++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$root/usr/include" -M -x c++ - \
                >"$work/dependencies"
        if grep -E '/(boost|spdlog|fmt)/' "$work/dependencies"; then return 1; fi
        printf '#include <%s>\n' "$header"
    done < <(cd "$root/usr/include" && find shmipc -name '*.hpp') >"$work/all.cpp"
    c++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$root/usr/include" -fsyntax-only "$work/all.cpp"
}

lintian_finds_no_errors() {
    local as_root=()
    if ((EUID == 0)); then as_root=(--allow-root); fi
    lintian "${as_root[@]}" --no-cfg --fail-on error "$@"
}

with_cmake() {
    cmake -S "$here/consumer" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$root/usr" \
        -DPOSE="$root/usr/share/doc/libshmipc-dev/examples/pose.cpp" &&
        cmake --build "$work/cmake"
}
with_pkg_config() {
    local flags
    flags=$(PKG_CONFIG_LIBDIR=$root/usr/lib/$triplet/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
        pkg-config --cflags --libs shmipc)
    mkdir -p "$work/pkg-config"
    # shellcheck disable=SC2086  # several flags in one word
    c++ -std=c++20 -o "$work/pkg-config/consumer" "$here/consumer/consumer.cpp" $flags &&
        c++ -std=c++20 -o "$work/pkg-config/pose" \
            "$root/usr/share/doc/libshmipc-dev/examples/pose.cpp" $flags
}

packaged() { LD_LIBRARY_PATH=$root/usr/lib/$triplet "$@"; }
names_its_version() { [[ $(packaged "$root/usr/bin/$1" --version) == *"$upstream"* ]]; }

# Three of them under the packaged supervisor, one killed, all ready again.
pose_runs() {
    local program=$1 ctl=(packaged "$root/usr/bin/shmipcctl" --group "$group"
        --runtime-dir "$work/run") deadline=$((SECONDS + ready_s))
    mkdir -p "$work/run"
    chmod 0700 "$work/run"
    LD_LIBRARY_PATH=$root/usr/lib/$triplet "$root/usr/bin/shmipc-supervisor" --config /dev/null \
        --group "$group" --runtime-dir "$work/run" --workers 3 -- "$program" </dev/null &
    supervisor=$!
    until "${ctl[@]}" status 2>/dev/null | grep -F '3/3 workers ready'; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
    "${ctl[@]}" kill 1
    until "${ctl[@]}" status | grep -F '3/3 workers ready' | grep -F '1 restart'; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
    "${ctl[@]}" peek all
    kill -TERM "$supervisor"
    local status=0
    wait "$supervisor" || status=$?
    supervisor=0
    return "$status"
}

find_packages
readonly version upstream architecture triplet
check 'the version names the release that it was built on' names_its_release
for package in shmipc libshmipc0 libshmipc-dev; do
    check "$package has the files that it should have" has_these_files "$package"
    check "$package: owner and modes" has_these_modes "$package"
    dpkg-deb --extract "$(file_of "$package")" "$root"
done
check 'so does the changelog' changelog_begins_with_the_version
readonly programs=("$root"/usr/bin/{shmipc-supervisor,shmipc-worker,shmipcctl})
exactly=${version//./\\.}
readonly exactly="libshmipc0 \(= ${exactly//+/\\+}\)"
check 'shmipc depends on this libshmipc0, and on what its programs need' \
    field shmipc Depends "^$exactly, .*libc6"
check 'libshmipc-dev depends on this libshmipc0' field libshmipc-dev Depends "^$exactly\$"
check 'the configuration is a conffile' control_file shmipc conffiles /etc/shmipc/shmipc.toml
check 'libshmipc0 tells what programs made with it depend on' \
    control_file libshmipc0 shlibs "libshmipc 0 libshmipc0 (>= $version)"
check 'libshmipc0 has the linker look again' control_file libshmipc0 triggers 'activate-noawait ldconfig'
check 'nothing looks for libraries in the build' \
    relocated_nowhere "${programs[@]}" "$root/usr/lib/$triplet/libshmipc.so.0"
check 'without debug information' stripped "${programs[@]}" "$root/usr/lib/$triplet/libshmipc.so.0"
check 'the library exports what its version script lists, and nothing else' exports_what_is_listed
for package in shmipc libshmipc0 libshmipc-dev; do
    check "lintian on $package: no errors" lintian_finds_no_errors "$(file_of "$package")"
done
for program in "${programs[@]}"; do
    check "${program##*/} runs" names_its_version "${program##*/}"
done
check 'headers need nothing but the standard library' headers_stand_alone
check 'a worker compiles with CMake' with_cmake
check 'a worker compiles with pkg-config' with_pkg_config
for way in cmake pkg-config; do
    check "$way: a message is passed on, an error is caught" packaged "$work/$way/consumer" "$group"
    check "$way: example pose under the packaged supervisor" pose_runs "$work/$way/pose"
done
left=$(find /dev/shm -maxdepth 1 -name "shmipc.$group.*")
check 'no object is left' test -z "$left"

printf 'package: %d failed\n' "$failures"
((failures == 0))
