# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a local user can do to the daemon by its socket, which all may write to.

# The daemon stops at its next signal delivery, which on a busy machine may be after this returns.
stop_daemon() {
    kill -STOP "$1"
    wait_for grep -q '^State:.T' "/proc/$1/status"
}

# laden FORM: packets with descriptors whose closing waits. Logins meanwhile are none the slower, nor
# is the daemon's end.
laden() {
    local client daemon
    daemon=$(daemon_pid)
    stop_daemon "$daemon" # so that it finds all packets at once
    setpriv --reuid=ada --clear-groups "$REPO/tests/sandbox/laden.py" "$1" >/root/laden &
    client=$!
    WAIT=30 wait_for grep -q sent /root/laden
    kill -CONT "$daemon"
    enters alice abcdefghij
    enters bob abcdefghij_stg
    stop_daemon "$daemon"
    kill "$client"
    wait "$client" || true
    setpriv --reuid=ada --clear-groups "$REPO/tests/sandbox/laden.py" "$1" >/root/laden &
    client=$!
    WAIT=30 wait_for grep -q sent /root/laden
    kill -TERM "$daemon"
    kill -CONT "$daemon"
    wait_for gone "$daemon"
    kill "$client"
    wait "$client" || true
}

# a question that carries descriptors whose closing waits for ten minutes holds nobody up
test_descriptors_question() { laden question; }

# nor does a packet of them alone
test_descriptors_empty() { laden empty; }

# nor do they behind a question that is answered
test_descriptors_second() { laden second; }

# nor on connections that a user has too many of
test_descriptors_beyond() { laden beyond; }

# a second daemon does not start beside one that still runs, be its socket gone; but after a killed one
test_one_daemon() {
    local status=0
    rm /run/cloudauth/socket
    timeout 20 /usr/sbin/cloudauthd -f </dev/null >/root/second.log 2>&1 || status=$?
    same 1 "$status" # and not timeout's 124
    contains "$(</root/second.log)" 'socket: Address already in use'
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    daemon_start
    enters alice abcdefghij
}
