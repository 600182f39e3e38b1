#!/usr/bin/env bash
# Do the manual pages say what the programs do? Every option and command that --help tells of is
# described in its page, and nothing else is; the same for the keys of the configuration, with their
# defaults; the overview leads to every page, and every page to it; and mandoc finds nothing to complain
# of.
#
#   check.sh MANDOC SOURCE-DIRECTORY SUPERVISOR SHMIPCCTL WORKER
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

readonly mandoc=$1 source=$2 supervisor=$3 ctl=$4 worker=$5
readonly supervisor_page=$source/supervisor/man/shmipc-supervisor.8
readonly ctl_page=$source/supervisor/man/shmipcctl.1
readonly toml_page=$source/supervisor/man/shmipc.toml.5
readonly journal_page=$source/supervisor/man/shmipc-journal.7
readonly worker_page=$source/worker/man/shmipc-worker.1
readonly overview_page=$source/supervisor/man/shmipc.7
readonly other_pages=("$supervisor_page" "$ctl_page" "$toml_page" "$journal_page" "$worker_page")

failures=0
fail() {
    printf 'man: %s\n' "$*"
    failures=$((failures + 1))
}

# same WHAT HERE THERE: two lists, one item a line, are equal and not empty.
same() {
    if [[ -z $2 ]]; then fail "$1: found nothing on the left"; fi
    local difference
    difference=$(diff --unified=0 <(sort -u <<<"$2") <(sort -u <<<"$3") | sed '/^@@\|^---\|^+++/d') || true
    if [[ -n $difference ]]; then
        fail "$1 differ; - is only on the left, + only on the right:"$'\n'"$difference"
    fi
}

# --help of a program or command must work: without it there is nothing to compare.
help_of() {
    "$@" --help && return
    printf 'man: %s --help failed\n' "$*" >&2
    return 1
}

# The long options that a help lists, without what stands in its examples.
options_in_help() { sed -nE 's/^ +(-[A-Za-z], ?)?--([a-z][a-z-]*).*/\2/p'; }

# Commands stand in sections of their own: a name, and at a distance what it does.
commands_in_help() {
    awk '/^[A-Z].*:$/ { commands = !/^(Options|Positionals|Examples|Exit codes):$/ }
         commands && /^  [a-z][a-z-]*(  +[^ ]|$)/ { print $1 }'
}

# What a page describes: in a list, not only in the synopsis.
options_in_page() {
    sed -nE '/^\.It .*Fl -[a-z]/ { s/Fl h , //; p }' "$1" | grep -oE 'Fl -[a-z][a-z-]*' | cut -c 5-
}
commands_in_page() { sed -nE '/^\.Sh COMMANDS$/,/^\.Sh ENV/ s/^\.It Cm ([a-z-]+).*/\1/p' "$1"; }

# "table.key = value" of each line, values without quotes; of arrays only that they are there.
keys_of_config() {
    sed -nE '/^#?\[worker\.[0-9]+\]$/,/^\[/ { /^\[/! d }
             /^\[[a-z]+\]$/ p; s/^#?([a-z_]+ = .*)/\1/p' "$1" | join_tables
}
keys_of_page() {
    sed -nE 's/^\.Ss (\[[a-z]+\])$/\1/p
             s/^\.It Cm ([a-z_]+) No = (Qq )?(.*)$/\1 = \3/p' "$1" | join_tables
}
join_tables() {
    awk '/^\[/ { table = substr($0, 2, length($0) - 2) "."; next }
         { gsub(/"|\\&| +$/, ""); sub(/= \[.*/, "= [...]"); sub(/= $/, "="); print table $0 }'
}

for page in "$overview_page" "${other_pages[@]}"; do
    complaints=$("$mandoc" -Tlint -Wwarning "$page" 2>&1) || true
    if [[ -n $complaints ]]; then fail "$complaints"; fi
done

# "shmipc.toml 5" of each page that a page, or a part of it, refers to.
references() { sed -nE 's/^\.(It )?Xr (shmipc[a-z.-]*) ([0-9]).*/\2 \3/p'; }
pages=$(cd "$source" && printf '%s\n' {supervisor,worker}/man/*.[0-9] | sed -E 's|.*/(.*)\.([0-9])$|\1 \2|')
same 'pages (left: files, right: list in shmipc(7))' "$(grep -vx 'shmipc 7' <<<"$pages")" \
    "$(sed '/^\.Sh FILES$/,$ d' "$overview_page" | references)"
for page in "${other_pages[@]}"; do
    sed -n '/^\.Sh SEE ALSO$/,$ p' "$page" | references | grep -x 'shmipc 7' >/dev/null ||
        fail "${page##*/} does not refer to shmipc(7)"
    for reference in $(references <"$page" | tr ' ' '.'); do
        grep -qxF "${reference%.*} ${reference##*.}" <<<"$pages" ||
            fail "${page##*/} refers to $reference, which is no page of ours"
    done
done

options=$(help_of "$supervisor" | options_in_help)
same 'options of shmipc-supervisor (left: --help, right: page)' \
    "$options" "$(options_in_page "$supervisor_page")"

options=$(help_of "$worker" | options_in_help)
same 'options of shmipc-worker (left: --help, right: page)' \
    "$options" "$(options_in_page "$worker_page")"

commands=$(help_of "$ctl" | commands_in_help)
same 'commands of shmipcctl (left: --help, right: page)' "$commands" "$(commands_in_page "$ctl_page")"
options=$(
    help_of "$ctl" | options_in_help
    for command in $commands; do help_of "$ctl" "$command" | options_in_help; done
)
same 'options of shmipcctl and its commands (left: --help, right: page)' \
    "$options" "$(options_in_page "$ctl_page")"

same 'keys and defaults (left: config/shmipc.toml, right: shmipc.toml.5)' \
    "$(keys_of_config "$source/config/shmipc.toml")" "$(keys_of_page "$toml_page")"
grep -qx '\.Ss \[worker\.N\]' "$toml_page" || fail 'shmipc.toml.5 does not tell of [worker.N]'

# Fields of log lines, as the sources write them: {"NAME", or Field("NAME".
fields=$(grep -rhoE '(\{|Field\()"[A-Z][A-Z_]+",' "$source"/{common,supervisor,worker}/ \
    --include='*.cpp' --include='*.hpp' | grep -oE '[A-Z_]+')
own_fields=$(grep -E '^(SHMIPC_|EXIT_)' <<<"$fields")
same 'fields of log lines (left: sources, right: shmipc-journal.7)' "$own_fields"$'\nSHMIPC_TRUNCATED' \
    "$(sed -nE '/^\.Sh FIELDS$/,/^\.Sh EVENTS$/ s/^\.It Va //p' "$journal_page" |
        tr -d ',' | tr -s ' ' '\n' | grep -E '^(SHMIPC_|EXIT_)')"

if ((failures > 0)); then exit 1; fi
echo 'man: all pages agree'
