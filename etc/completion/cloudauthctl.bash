# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of cloudauthctl(1) for bash.

_cloudauthctl() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-} choices=''
    if ((COMP_CWORD == 1)); then
        choices='check confirm-absences deny doctor env explain help hostkeys key keys lookup metrics rebind refresh sessions status undeny user --version'
    elif ((COMP_CWORD == 2)) && [[ $command == env ]]; then
        choices='authority create mount set'
    elif ((COMP_CWORD == 2)) && [[ $command == key || $command == user ]]; then
        choices='add remove'
    elif [[ $word == -* ]]; then
        case $command in
        deny) choices='--json --until --reason --key --user --environment --certificate --list' ;;
        undeny) choices='--json --key --user --environment --certificate --all' ;;
        confirm-absences | refresh) choices='--json --all' ;;
        rebind) choices='--json --force --dry-run' ;;
        sessions) choices='--json --end --end-user --leftovers' ;;
        explain) choices='--json --from' ;;
        hostkeys) choices='--known-hosts --sshfp' ;;
        status) choices='--json --documents' ;;
        metrics) choices='' ;;
        env) choices='--json --uid --gid --home --shell --title --max-seconds --idle-seconds --amr --max-age --from --not-before --expires --grant --writable' ;;
        key) choices='--json --title --from --not-before --expires --grant --verify' ;;
        user) choices='--json --role --id --mail --from --not-before --expires --grant' ;;
        *) choices='--json' ;;
        esac
    fi
    COMPREPLY=()
    if [[ -n $choices ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
    elif [[ $command == check || $command == explain || $command == deny || $command == undeny ||
        $command == key || $command == env ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _cloudauthctl cloudauthctl
