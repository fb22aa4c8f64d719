# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Many hours' rotations in a row, on one daemon: SOAK=200 tests/e2e/run tests/e2e/soak.sh runs a longer one.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

SOAK=${SOAK:-12}
TOKEN=/etc/cloudauth/token

# One hour: a new CA and server certificate, a new token, a new key of alice's, and a restart of the API
# and of the syslog daemon, and a reload. The new key enters and the one before does not.
hour() {
    local n=$1
    authority ca
    certificate api ca
    printf '"Bearer token-%s" 1;\ndefault 0;\n' "$n" >/root/authorized
    # shellcheck disable=SC2016 # nginx expands it
    serve api 'if ($authorized = 0) { return 401; }'
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
    by_https "token_file = $TOKEN"
    pid=$(daemon_pid)
    for ((n = 1; n <= SOAK; n++)); do
        hour $n
        if ((n == SOAK / 2)); then
            memory=$(resident) open=$(descriptors)
        fi
    done
    same "$pid" "$(daemon_pid)"
    wait_for settled "$open"
    note "resident: $memory KiB after $((SOAK / 2)) hours, $(resident) KiB after $SOAK; $open descriptors"
    # A login writes to a row of the table of pending logins, which is reused after 4,096 of them.
    (($(resident) - memory < 128 + 4 * SOAK))
}
