# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The daemon is killed with -9 in the midst of all it does, again and again: who may enter afterwards,
# with no API to ask, is who could enter by the last answer before. SEED=N runs other moments.

MOVING=$REPO/tests/sandbox/moving.pl
STATE=/root/moving
ROUNDS=12
ENVIRONMENTS=8

before_all() {
    local i
    for i in 0 1 2 3 4; do
        ssh-keygen -q -N '' -t ed25519 -C "moving$i" -f "$KEYS/moving$i"
    done
    nginx_start
}

# What each kind of API is, how it goes away as in an outage, and how it comes back.
by_file() { configure; }
file_dies() { mv "$ACCESS" "$ACCESS.away"; }
file_lives() { mv "$ACCESS.away" "$ACCESS"; }
by_http() {
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 0' 'absent_fresh = 0'
}
http_dies() { nginx_stop; }
http_lives() { nginx_start; }

# Everybody's questions meanwhile: lookups, and real logins by a document that stays as it is.
crowd_start() {
    local i
    rm -f /root/enough
    for ((i = 0; i < ENVIRONMENTS; i++)); do
        echo "passwd abcdefghij-move$i-abcdefg"
        echo "passwd abcdefghij"
    done >/root/questions
    {
        "$REPO/tests/sandbox/ask.pl" 20 /root/sent /root/enough </root/questions || true
    } >/dev/null 2>&1 &
    crowd=("$!")
    {
        while [[ ! -e /root/enough ]]; do
            login alice abcdefghij@127.0.0.1 true || true
        done
    } >/dev/null 2>&1 &
    crowd+=("$!")
}

crowd_end() {
    touch /root/enough
    wait "${crowd[@]}" || true
}

daemon_restart() {
    if alive "$(daemon_pid)"; then kill -KILL "$(daemon_pid)"; fi
    wait_for gone "$(daemon_pid)"
    daemon_start
}

# Real logins by what the state file says of an environment: its key enters, the next one does not.
logins() {
    local name answered key
    while read -r name answered _; do
        key=$((answered % 5))
        if ((answered % 4 == 3)); then
            refused "moving$key" "abcdefghij-$name"
        else
            enters "moving$key" "abcdefghij-$name"
            refused "moving$(((key + 1) % 5))" "abcdefghij-$name"
        fi
    done
}

# rounds KIND: the whole of it, by that kind of API
rounds() {
    local round crowd seed=${SEED:-20261122}
    "by_$1"
    "$MOVING" make "$ACCESS" $STATE "$KEYS" $ENVIRONMENTS
    daemon_restart
    enters alice abcdefghij
    for ((round = 1; round <= ROUNDS; round++)); do
        crowd_start
        "$MOVING" load "$ACCESS" $STATE "$KEYS" "$seed" $round "$(daemon_pid)"
        "$1_dies"
        crowd_end
        daemon_restart
        "$MOVING" check $STATE "$KEYS"
        logins < <(sed -n "$((round % ENVIRONMENTS + 1))p" $STATE)
        "$1_lives"
        daemon_restart
    done
    "$1_dies"
    daemon_restart
    "$MOVING" check $STATE "$KEYS"
    logins <$STATE
    enters alice abcdefghij
    refused stranger abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
    fails grep -q ' is damaged' /var/log/syslog
    note "seed $seed, $ROUNDS rounds; versions answered by: $(cut -d' ' -f2 $STATE | paste -sd' ')"
    "$1_lives"
}

# killed at random moments under load, with documents in files: exactly those who could enter before can enter
test_killed_under_load_file() { rounds file; }

# killed at random moments under load, by http: exactly those who could enter before can enter
test_killed_under_load_http() { rounds http; }
