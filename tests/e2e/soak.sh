# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Many hours' rotations in a row, on one daemon: SOAK=24 tests/e2e/run tests/e2e/soak.sh has those of a day.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

SOAK=${SOAK:-12} WARM=6 # hours; in the first ones the daemon has not done everything yet
TOKEN=/etc/cloudauth/token

# One hour: a new CA, new certificates of the server and of the host, a new API token, which is exchanged for another bearer
# token, a new key of alice's, and a restart of the API and of the syslog daemon, and a reload. The new key enters and the
# one before does not.
hour() {
    local n=$1 i
    authority ca
    certificate api ca
    certificate client ca
    # A question amid this may bring an exchange of its own.
    for i in 1 2 3 4 5; do
        printf '"Bearer exchanged-%s" 1;\n' $(($(exchanges) + i))
    done >/root/authorized
    echo 'default 0;' >>/root/authorized
    # shellcheck disable=SC2016 # nginx expands it
    serve api 'if ($authorized = 0) { return 401; }' "ssl_client_certificate $TLS/ca.pem;" 'ssl_verify_client on;'
    secret $TOKEN "token-$n"
    ssh-keygen -q -t ed25519 -N '' -f "$KEYS/hour$n"
    document abcdefghij production ".users[0].ssh_keys = [{title: \"hour $n\", value: \"$(<"$KEYS/hour$n.pub")\"}]"
    stop "$(syslog_pid)"
    syslog_start
    daemon_reload
    mark
    wait_for enters "hour$n" abcdefghij # after the back-off, if the daemon asked amid this
    audit 'grant account=abcdefghij .*user=alice .*source=api'
    ((n == 1)) || refused "hour$((n - 1))" abcdefghij
}

# The daemon's resident KiB, and its open descriptors when no login is under way.
resident() { awk '/^RssAnon/ { print $2 }' "/proc/$(daemon_pid)/status"; }
descriptors() { find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l; }
settled() { [[ $(descriptors) -le $1 ]]; }

# certificates, tokens, keys and logs that rotate leave the daemon no larger, with no more descriptors
test_day() {
    local n pid memory open
    authority ca
    certificate api ca
    certificate client ca
    tokens_start
    secret $TOKEN token-0
    by_https "token_url = http://127.0.0.1:$TOKENS_PORT/token" "token_file = $TOKEN" \
        "client_cert = $TLS/client.pem" "client_key = $TLS/client.key"
    pid=$(daemon_pid)
    for ((n = 1; n <= SOAK; n++)); do
        hour $n
        if ((n == WARM)); then
            memory=$(resident) open=$(descriptors)
        fi
    done
    same "$pid" "$(daemon_pid)"
    wait_for settled "$open"
    note "resident: $memory KiB after $WARM hours, $(resident) KiB after $SOAK; $open descriptors"
    (($(exchanges) >= SOAK))
    # Each login takes a further row, of 3 KiB, of the 4,096 of pending logins: that was 3.8 KiB an hour in 60 hours.
    (($(resident) - memory <= 64 + 4 * (SOAK - WARM)))
}
