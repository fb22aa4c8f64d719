# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How soon a change at the project API counts, and for how long its last word does when it is dead.

# shellcheck source=tests/sandbox/hostile.sh
. "$REPO/tests/sandbox/hostile.sh"
# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"

API_LOG=/var/log/api.log

before_all() {
    hostile_start
    clocks_up
    ssh-keygen -q -N '' -C eve@laptop -f "$KEYS/eve" -t ed25519
    # ssh(1) cannot read the public key in this file, so it signs at once.
    ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f "$KEYS/mallory"
    mv "$KEYS/mallory.pub" /root
}

by_nginx() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 1s'
    daemon_stop
    daemon_start
    mark
}

# stale: what was asked for until now has gone stale
stale() { wait_for past $(($(milliseconds) + 1000)); }

with_eve() {
    document abcdefghij production "$(jq -n -r --rawfile key "$KEYS/eve.pub" '"(.users[] | " +
        "select(.username == \"alice\") | .ssh_keys) += [{key_id: 9, value: \($key | rtrimstr("\n") | @json)}]"')"
}

without() { document abcdefghij production "del(.users[] | select(.username == \"$1\"))"; }

last_request() { since "$API_LOG" | tail -n 1 | grep -q -- "$1"; }

# a key that is removed at the API is refused at the next login after keys_fresh
test_removed() {
    by_nginx
    enters alice abcdefghij
    without alice
    stale
    refused alice abcdefghij
    wait_for last_request ' 200 '
}

# signs KEY LOGIN: a login by a client that signs at once, without having offered the key
signs() {
    timeout 30 python3 -W ignore - "$KEYS/$1" "$2" "$SSH_PORT" <<'EOF'
import sys, paramiko
transport = paramiko.Transport(("127.0.0.1", int(sys.argv[3])))
transport.start_client(timeout=20)
transport.auth_publickey(sys.argv[2], paramiko.Ed25519Key.from_private_key_file(sys.argv[1]))
transport.open_session(timeout=20).exec_command("true")
EOF
}

# a client that signs without having offered its key: PAM refuses it by the present document
test_removed_unoffered() {
    by_nginx
    signs alice abcdefghij
    without alice
    stale
    mark
    fails signs alice abcdefghij
    audit 'refuse account=abcdefghij .*service=sshd .*reason=key-unknown'
}

# forwards LOCAL: people may connect to there; alice has mallory's key too
forwards() {
    document abcdefghij production "$(jq -n -r --rawfile key /root/mallory.pub --arg local "$1" '
        ".forwarding = {agent: false, remote: [], local: [\($local | @json)]} | " +
        "(.users[] | select(.username == \"alice\") | .ssh_keys) += " +
        "[{key_id: 9, value: \($key | rtrimstr("\n") | @json)}]"')"
}

# reaches KEY: what the client shows of a forward to the project API's port
reaches() {
    printf 'GET / HTTP/1.0\r\n\r\n' |
        timeout 60 ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/$1" -W "127.0.0.1:$API_PORT" \
            abcdefghij@127.0.0.1 2>&1 || true
}

# a forward that the document no longer lists: a client that signs at once is refused one login, an ordinary one none
test_forward_removed() {
    by_nginx
    forwards "127.0.0.1:$API_PORT"
    contains "$(reaches mallory)" '^HTTP/1'
    forwards 127.0.0.1:9
    stale
    mark
    contains "$(reaches mallory)" 'connect again'
    audit 'refuse account=abcdefghij .*user=alice .*service=sshd reason=line-changed source=api '
    enters mallory abcdefghij
    contains "$(reaches mallory)" 'administratively prohibited'
    forwards "127.0.0.1:$API_PORT"
    stale
    contains "$(reaches alice)" '^HTTP/1'
    forwards 127.0.0.1:9
    stale
    mark
    contains "$(reaches alice)" 'administratively prohibited'
    counts 1 'grant account=abcdefghij .*user=alice'
    same 0 "$(since | grep -c 'refuse account=')"
}

# the same, five times in a row
test_removed_always() {
    by_nginx
    for _ in 1 2 3 4 5; do
        stale
        enters alice abcdefghij
        without alice
        stale
        refused alice abcdefghij
        document abcdefghij production ".users = $(jq -c .users "$PRISTINE/abcdefghij/production.json")"
    done
}

# a key that is added works at the next login after keys_fresh
test_added() {
    by_nginx
    enters alice abcdefghij
    refused eve abcdefghij
    with_eve
    stale
    enters eve abcdefghij
    wait_for last_request ' 200 '
}

# an unchanged document: the API answers 304, and does not send it again
test_unchanged() {
    by_nginx
    enters alice abcdefghij
    for _ in 1 2 3; do
        stale
        enters alice abcdefghij
    done
    counts 1 ' 200 ' "$API_LOG"
    (($(since "$API_LOG" | grep -c ' 304 ') >= 3))
    same "$(api_requests)" "$(since "$API_LOG" | grep -cE ' (200|304) ')"
}

# the API fails once and recovers: a key that it removed meanwhile is refused
test_after_a_failure() {
    API_LOG=$HOSTILE/log
    mode good
    by_hostile $HTTP 'keys_fresh = 1s'
    enters alice abcdefghij
    stale
    mode 503
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
    without alice
    mark
    mode good
    logged 'abcdefghij/production: well again'
    stale
    refused alice abcdefghij
}

# the API is dead: the first login waits for connect_timeout, the others do not, until max_stale
test_dead() {
    local begin
    hostile_up
    rm -f /run/clocks
    CLOUDAUTHD=/root/cloudauthd by_hostile https://$ADDRESS:9443 'connect_timeout = 1s' 'request_timeout = 8s' \
        'max_stale = 120s'
    begin=$(milliseconds)
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    hostile_stop
    packets_lost
    # Twice connect_timeout, as sshd rounds it up, and 3 s.
    REQUEST_TIMEOUT=1 timed 'first login' enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
    timed 'second login' enters alice abcdefghij
    until past $((begin + 6000)); do
        enters alice abcdefghij
    done
    clocks 120 120
    refused alice abcdefghij
    audit 'refuse account=abcdefghij .*reason=unavailable'
    refused alice abcdefghij
}

hostile_up() {
    mode good
    address_up
    hostile_alive || hostile_serve
}

probes() { tail -n "+$((before + 1))" $HOSTILE/log | wc -l; }
probed() { (($(probes) == 1)); }

# no login waits for the probe of a failed API, which is one request without an answer
test_probe() {
    local before begin
    hostile_up
    by_hostile $HTTP 'request_timeout = 30s'
    enters alice abcdefghij
    mode 503
    enters alice abcdefghij
    mode hold
    before=$(wc -l <$HOSTILE/log)
    # The back-off is over.
    wait_for past $(($(milliseconds) + 1100))
    begin=$(milliseconds)
    enters alice abcdefghij
    wait_for probed
    enters alice abcdefghij
    enters alice abcdefghij
    fails past $((begin + 30000))
    same 1 "$(probes)"
    mode good
}
