# shellcheck shell=bash disable=SC2119,SC2120
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests of open sessions.

# shellcheck source=tests/sandbox/clocks.sh
. "$REPO/tests/sandbox/clocks.sh"

sessions() { "$REPO/tests/sandbox/sessions.pl" "$@"; }

listed() { sessions | grep -qE -- "$1"; }

not_listed() { ! listed "$1"; }

# listed_are N: so many sessions are open.
listed_are() { [[ $(sessions | wc -l) == "$1" ]]; }

# session_of USER: the id of the user's session.
session_of() { sessions | sed -n "s/^session=\([0-9a-f]*\) .* user=$1 .*/\1/p"; }

# stays NAME KEY LOGIN [SSH OPTION...]: opens a session that stays, as process ${client[NAME]}; what
# it prints is in /root/NAME.out. It runs the words in $command, which by default end with the connection: a command
# without a terminal that does not read outlives its client.
declare -A client=()
stays() {
    local name=$1 key=$2 login=$3
    shift 3
    rm -f "/root/$name.out"
    [[ -p /root/silence ]] || mkfifo /root/silence
    exec 8<>/root/silence
    # shellcheck disable=SC2086 # words
    ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/$key" "$@" "$login@127.0.0.1" \
        ${command-'echo inside; exec cat'} >"/root/$name.out" 2>&1 <&8 &
    client[$name]=$!
    [[ ${command-x} == "" ]] || wait_for grep -q inside "/root/$name.out"
}

# stays_sftp NAME KEY LOGIN: the same of an sftp client, which hangs up when descriptor 7 is closed.
stays_sftp() {
    rm -f /root/sftp.in
    mkfifo /root/sftp.in
    sftp -q "${SSH_OPTIONS[@]}" -P "$SSH_PORT" -i "$KEYS/$2" "$3@127.0.0.1" </root/sftp.in \
        >/root/sftp.out 2>&1 &
    client[$1]=$!
    exec 7>/root/sftp.in
    echo pwd >&7
    wait_for grep -q Remote /root/sftp.out
}

lives() { kill -0 "${client[$1]}"; }
ended() { ! kill -0 "${client[$1]}" 2>/dev/null; }

# Nothing that a test has started may be there at the next one.
hang_up() {
    local name
    for name in "${!client[@]}"; do
        kill "${client[$name]}" 2>/dev/null || true
        wait "${client[$name]}" 2>/dev/null || true
    done
    wait_for listed_are 0
}

# The document's users without alice.
# shellcheck disable=SC2034 # of the files that source this one
without_alice='.users |= map(select(.username != "alice"))'

# api_rechecks LINE...: documents over http, checked every second while sessions are open.
api_rechecks() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 1' \
        'session_recheck = 1' "$@"
    daemon_stop
    daemon_start
}

requests_since() { [[ $(api_requests) -gt $1 ]]; }

# rechecked N: N more questions for documents were answered.
rechecked() { wait_for requests_since $(($(api_requests) + $1 - 1)); }
