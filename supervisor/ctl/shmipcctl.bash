# shellcheck shell=bash
# Bash completion of shmipcctl. Installed as share/bash-completion/completions/shmipcctl, where
# bash-completion's loader finds it; needs nothing of bash-completion itself.

# The words in $1 that begin with $2, into COMPREPLY.
_shmipcctl_offer() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# Files, or with $1 = -d directories, that begin with $2. Told as such, so that a directory ends in
# a slash and no blank, and a blank in a name is escaped.
_shmipcctl_offer_files() {
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

# Groups that have objects in shared memory. A group has its worker 0.
_shmipcctl_groups() {
    local object name
    for object in /dev/shm/shmipc.*.0; do
        [[ -e $object ]] || continue
        name=${object#/dev/shm/shmipc.}
        printf '%s\n' "${name%.0}"
    done
}

# Numbers of the workers of group $1.
_shmipcctl_workers() {
    local object
    for object in "/dev/shm/shmipc.$1."*; do
        [[ $object =~ \.([0-9]+)$ ]] && printf '%s\n' "${BASH_REMATCH[1]}"
    done | sort -n
}

# A list of workers of group $1 whose last item is being typed: $2 is all that there is of it.
_shmipcctl_offer_workers() {
    local before='' worker words='' first taken
    if [[ $2 == *[,-]* ]]; then
        before=${2%"${2##*[,-]}"}
    else
        words='all '
    fi
    taken=",${before//-/,},"
    first=-1
    [[ $before =~ ([0-9]+)-$ ]] && first=${BASH_REMATCH[1]}
    while read -r worker; do
        # Neither what is in the list already nor the end of a range that lies before its start.
        if [[ $taken != *",$worker,"* ]] && ((worker > first)); then
            words+="$before$worker "
        fi
    done < <(_shmipcctl_workers "$1")
    _shmipcctl_offer "$words" "$2"
}

_shmipcctl_offer_signals() {
    local names
    # "SIGKILL" only for who begins so.
    names=$(compgen -A signal SIG)
    [[ $1 == SIG* ]] || names=${names//SIG/}
    _shmipcctl_offer "$names" "$1"
}

# The value of option $1, of which $2 is typed. False if the option takes none.
_shmipcctl_value() {
    case $1 in
        -g | --group) _shmipcctl_offer "$(_shmipcctl_groups)" "$2" ;;
        --socket) _shmipcctl_offer_files -f "$2" ;;
        --runtime-dir) _shmipcctl_offer_files -d "$2" ;;
        --color) _shmipcctl_offer 'auto always never' "$2" ;;
        -s | --signal) _shmipcctl_offer_signals "$2" ;;
        -i | --interval) _shmipcctl_offer '250ms 500ms 1s 2s 5s' "$2" ;;
        --timeout) _shmipcctl_offer '10s 30s 1m 5m' "$2" ;;
        *) return 1 ;;
    esac
}

_shmipcctl_options() {
    local options='--help --group --socket --runtime-dir --color'
    case $1 in
        '') options+=' --version' ;;
        watch) options+=' --json --interval' ;;
        status) options+=' --json --check --failed' ;;
        wait) options+=' --ready --timeout' ;;
        peek | autopsy | reload | log-level | version) options+=' --json' ;;
        start | stop | restart) options+=' --no-wait' ;;
        kill) options+=' --signal' ;;
        top) options+=' --interval' ;;
    esac
    printf '%s' "$options"
}

_shmipcctl() {
    local current=${COMP_WORDS[COMP_CWORD]} group=shmipc command='' operands=0 words=() word i
    # Bash makes three words of --group=demo; one, if '=' is not among its word breaks.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            =) ;;
            --*=*) words+=("${word%%=*}" "${word#*=}") ;;
            *) words+=("$word") ;;
        esac
    done
    [[ $current == = ]] && current=''
    for ((i = 0; i < ${#words[@]}; i++)); do
        case ${words[i]} in
            -g | --group) group=${words[++i]-} ;;
            --socket | --runtime-dir | --color | -s | --signal | -i | --interval | --timeout) ((++i)) ;;
            -*) ;;
            *)
                if [[ -z $command ]]; then
                    command=${words[i]}
                else
                    ((++operands))
                fi
                ;;
        esac
    done
    COMPREPLY=()
    ((${#words[@]} > 0)) && _shmipcctl_value "${words[-1]}" "$current" && return
    if [[ $current == -* ]]; then
        _shmipcctl_offer "$(_shmipcctl_options "$command")" "$current"
        return
    fi
    ((operands == 0)) || return
    case $command in
        '')
            _shmipcctl_offer 'status wait start stop restart kill peek watch autopsy top console reload
                log-level metrics clean version' "$current"
            ;;
        status | wait | start | stop | restart | kill | peek | watch | autopsy)
            _shmipcctl_offer_workers "$group" "$current"
            ;;
        log-level) _shmipcctl_offer 'debug info warning error' "$current" ;;
    esac
}

complete -F _shmipcctl shmipcctl
