# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a login costs the project API: requests, connections and bytes, as nginx counts them.

USERS=50 # environments of the last row

# counted WHAT LOGINS: a row of what the API's log says since the mark, a login and in all.
counted() {
    local requests connections in out
    read -r requests connections in out < <(api_log | awk '
        { n++; from[$1] = 1; received += $2; sent += $3 }
        END { for (c in from) connections++; print n + 0, connections + 0, received + 0, sent + 0 }')
    row "$1" "$2" "$requests" "$(per "$requests" "$2")" "$connections" "$in" "$out" \
        "$(per $((in + out)) "$2")"
}

log_in() {
    login bob "$1@127.0.0.1" true >/root/login.log && return 0
    cat /root/login.log >&2
    return 1
}

# A daemon that knows nothing, with these settings.
cold() {
    daemon_stop
    find /var/lib/cloudauth -mindepth 1 -delete
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" "$@"
}

past() { (($(date +%s%N) >= $1)); }

# many LOGINS ENVIRONMENTS: eight at a time, of that many environments in turn.
many() {
    local i
    for ((i = 0; i < $1; i++)); do printf 'bench%07d\n' $((i % $2)); done |
        xargs -P 8 -I{} ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/bob" {}@127.0.0.1 true
}

part_requests() {
    local logins i begin
    logins=$(size "${BENCH_LOGINS:-1000}" 20)
    template
    "$HERE/accounts.pl" documents $USERS /root/template "$ACCESS"
    for ((i = 0; i < USERS; i++)); do home $i; done
    bench_api
    sshd_stop
    sshd_start -o MaxStartups=200 -o LogLevel=ERROR
    section 'Requests: what logins cost the project API'
    columns 'logins' n requests 'a login' connections 'bytes to the API' 'bytes from it' 'bytes a login'
    cold
    log_in bench0000000
    counted 'cold: the first since the daemon began' 1
    begin=$(date +%s%N)
    wait_for past $((begin + 4000000000))
    mark
    log_in bench0000000
    counted 'warm: more than keys_fresh (3 s) later' 1
    mark
    log_in bench0000000
    counted 'warm: within keys_fresh' 1
    cold
    begin=$SECONDS
    many "$logins" 1
    counted "one environment, 8 at a time, cold start ($((SECONDS - begin)) s)" "$logins"
    cold
    begin=$SECONDS
    many "$logins" $USERS
    counted "$USERS environments in turn, 8 at a time, cold start ($((SECONDS - begin)) s)" "$logins"
    cold 'keys_fresh = 0'
    begin=$SECONDS
    many $((logins / 10)) $USERS
    counted "the same with keys_fresh = 0: each question asks ($((SECONDS - begin)) s)" $((logins / 10))
}
