#!/usr/bin/env bash
# Do the README files and the other papers tell the truth, as far as a machine can see? Each C++ snippet
# compiles as it stands, and one that is a program runs under a supervisor; each reference leads to a file;
# each folder that should have a README has one; and the top one is no longer than a newcomer reads.
#
#   check.sh SOURCE-DIRECTORY BINARY-DIRECTORY LIBRARY COMPILER [FLAG...]
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C.UTF-8

readonly source=$1 bin=$2 library=$3 compiler=("${@:4}")
readonly longest_top=150  # lines
readonly folders=(. common common/base supervisor supervisor/{config,control,ctl,daemon,keeper,metrics,shared,varlink}
    worker tests tests/{bench,crash,fuzz,model,mutation,weak} systemd config)

failures=0
fail() {
    printf 'papers: %s\n' "$*"
    failures=$((failures + 1))
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
# shellcheck source-path=SCRIPTDIR
. "$here/../support/own_supervisor.sh"

# Every paper, without what a build has made. A source tree need not be a git repository.
papers() {
    find "$source" -path "$source/build" -prune -o -path '*/.*' -prune -o -name '*.md' -print | sort
}

# cut PAPER: its C++ snippets as snippet.1.cpp, snippet.2.cpp, ... in $work.
cut() {
    rm -f "$work"/snippet.*
    awk -v out="$work/snippet." '
        /^```cpp$/ { inside = 1; file = out (++count) ".cpp"; next }
        /^```$/ && inside { inside = 0; close(file); next }
        inside { print > file }' "$1"
}

# Two workers of the program are ready, and still the same ones when it is over.
runs() {
    local held=no
    start_supervisor "$bin" --workers 2 -- "$1"
    if supervisor_is_ready "$bin"; then held=yes; fi
    stop_supervisor || held=no
    [[ $held == yes ]] && ! grep -E 'restarting|given up' "$work/log" >/dev/null
}

compile() {
    local paper=$1 snippet=$2 name program=$work/program
    name=${snippet##*/snippet.}
    name="${paper#"$source"/}, snippet ${name%.cpp}"
    if ! "${compiler[@]}" -c "$snippet" -o "$work/snippet.o" >"$work/complaints" 2>&1; then
        fail "$name does not compile:"$'\n'"$(<"$work/complaints")"
    elif grep -E '^int main\(' "$snippet" >/dev/null; then
        if ! "${compiler[@]}" "$work/snippet.o" "$library" -Wl,-rpath,"${library%/*}" -o "$program" \
            >"$work/complaints" 2>&1; then
            fail "$name does not link:"$'\n'"$(<"$work/complaints")"
        elif grep 'attach_from_environment' "$snippet" >/dev/null && ! runs "$program"; then
            fail "$name does not run as two workers:"$'\n'"$(<"$work/log")"
        fi
    fi
}

snippets=0
references=0
while IFS= read -r paper; do
    cut "$paper"
    for snippet in "$work"/snippet.*.cpp; do
        [[ -e $snippet ]] || continue
        snippets=$((snippets + 1))
        compile "$paper" "$snippet"
    done
    # [text](path) and ![text](path); not to other hosts.
    while IFS= read -r reference; do
        references=$((references + 1))
        [[ -e ${paper%/*}/${reference%%#*} ]] || fail "${paper#"$source"/} leads to $reference, which is not there"
    done < <(grep -oE '\]\([^)]+\)' "$paper" | sed -E 's/^\]\((.*)\)$/\1/' | grep -vE '^(https?:|#)' || true)
done < <(papers)
((snippets > 0 && references > 0)) || fail "found $snippets snippets and $references references"

for folder in "${folders[@]}"; do
    [[ -s $source/$folder/README.md ]] || fail "$folder has no README.md"
done
lines=$(wc -l <"$source/README.md")
((lines <= longest_top)) || fail "README.md has $lines lines, and may have $longest_top"

if ((failures > 0)); then exit 1; fi
printf 'papers: %d snippets, %d references: all well\n' "$snippets" "$references"
