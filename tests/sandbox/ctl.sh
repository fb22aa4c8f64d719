# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests of cloudauthctl.

# ctl STATUS ARGUMENT...: runs it, prints what it answers, and fails unless that is its exit status.
ctl() {
    local expected=$1 status=0
    shift
    cloudauthctl "$@" 2>&1 || status=$?
    [[ $status -eq $expected ]] && return 0
    echo "cloudauthctl $*: exit status $status, expected $expected" | tee -a /run/mismatches >&2
    return 1
}

# field NAME STATUS ARGUMENT...: one member of the JSON that it answers.
field() {
    local name=$1
    ctl "$2" "${@:3}" --json | jq -r ".$name"
}

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
