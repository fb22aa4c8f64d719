# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests that put a hostile project API (hostile.py) in front of the host:
#
#   hostile_start              what all of these need; for before_all
#   mode NAME                  what it does from now on; `good` is an API in good health
#   by_hostile URL [SETTING...]  the daemon asks it at that URL, at each login
#   hostile_stop, hostile_serve  it goes, and comes back
#   newcomer                   a key that is in the documents of a spoilt answer alone, as is carol's
#                              being an admin
#   timed WHAT COMMAND...      notes how long it took; longer than the time-outs allow is a failure
#   milliseconds, past TIME    the clock
#   address_up, unroutable, packets_lost   what becomes of $ADDRESS, at which it listens, too
#
# $HOSTILE/log has a line of each request; api_requests counts those. $HOSTILE/connections likewise.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

HOSTILE=/root/hostile
WORSE=/srv/worse
ADDRESS=192.0.2.1
# shellcheck disable=SC2034 # for those who source this
HTTP=http://127.0.0.1:948
# shellcheck disable=SC2034
HTTPS=https://localhost:9443
API_LOG=$HOSTILE/log
REQUEST_TIMEOUT=2

# Written aside, so that it is never found empty.
mode() {
    echo "$1" >$HOSTILE/mode.new
    mv $HOSTILE/mode.new $HOSTILE/mode
}

# The documents of PRISTINE, but carol is an admin, and so is a new user.
make_worse() {
    local file
    [[ -e $KEYS/newcomer ]] || ssh-keygen -q -N '' -C newcomer@laptop -f "$KEYS/newcomer" -t ed25519
    rm -rf $WORSE
    cp -r "$PRISTINE" $WORSE
    for file in "$WORSE"/abcdefghij/*.json; do
        jq --rawfile key "$KEYS/newcomer.pub" \
            '(.users[] | select(.username == "carol") | .role) = "admin" | .users += [{id: "n",
            username: "newcomer", role: "admin", ssh_keys: [{key_id: 1, value: ($key | rtrimstr("\n"))}]}]' \
            "$file" >"$file.new"
        mv "$file.new" "$file"
    done
}

hostile_serve() {
    "$REPO/tests/sandbox/hostile.py" $HOSTILE "$ACCESS" $WORSE "$TLS" </dev/null >>$HOSTILE/errors 2>&1 &
    echo $! >/run/hostile.pid
    disown
    wait_for listening 948 && wait_for listening 9443
}

hostile_alive() { [[ -s /run/hostile.pid ]] && alive "$(cat /run/hostile.pid)"; }

hostile_stop() { stop "$(cat /run/hostile.pid)"; }

hostile_start() {
    local names=DNS:localhost,DNS:api.example.test,IP:$ADDRESS
    authority ca
    authority other
    certificate api ca $names
    certificate wrong-name ca DNS:other.example
    certificate expired ca $names -days 0
    certificate self-signed other
    openssl req -x509 -key "$TLS/self-signed.key" -days 2 -subj /CN=localhost \
        -addext subjectAltName=$names -out "$TLS/self-signed.pem"
    certificate client ca
    make_worse
    install -d $HOSTILE
    touch $HOSTILE/log $HOSTILE/connections
    mode good
    hostile_serve
}

by_hostile() {
    configure "access_url = $1/$API_PATH" "ca_file = $TLS/ca.pem" 'keys_fresh = 0' \
        'absent_fresh = 1s' "request_timeout = ${REQUEST_TIMEOUT}s" "${@:2}"
    daemon_stop
    daemon_start
    mark
}

# How many connections it has had.
hostile_connections() { wc -l <$HOSTILE/connections; }

# The daemon waits for request_timeout; sshd rounds a step that took long up to twice that time.
timed() {
    local took
    within $((2 * REQUEST_TIMEOUT + 3)) "${@:2}"
    note "$1: $took ms"
}

# ---- The network -------------------------------------------------------------------------------------

address_up() {
    ip route flush 192.0.2.0/24
    ip address replace $ADDRESS/32 dev lo
}

unroutable() {
    ip address del $ADDRESS/32 dev lo
    ip route replace unreachable 192.0.2.0/24
}

# Packets come back on the loopback interface, which has no such address, and are dropped.
packets_lost() {
    ip address del $ADDRESS/32 dev lo 2>/dev/null || true
    ip address replace 198.51.100.2/32 dev lo
    ip route replace 192.0.2.0/24 dev lo
}
