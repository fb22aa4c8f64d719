# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How long people wait while the API is silent: it takes connections and says nothing.

# once WHAT COMMAND...: a row of one attempt, whatever comes of it
once() {
    local begin status=0
    begin=$(date +%s%N)
    "${@:2}" >/root/outage.log 2>&1 || status=$?
    row "$1" 1 "$(ns $(($(date +%s%N) - begin)))" '' "$([[ $status == 0 ]] && echo enters || echo "refused")"
}

# some WHAT COMMAND...: a row of several, all of which must enter
some() {
    local n median p99
    rm -f /root/samples
    "$BIN/spawn" -n "$logins" /root/samples "${@:2}"
    read -r n median p99 _ < <("$HERE/stats.pl" summary /root/samples 0)
    row "$1" "$n" "$median ms" "$p99 ms" 'enters'
}

past() { (($(date +%s%N) >= $1)); }

silence() {
    local pid
    for pid in $(cat /run/nginx.pid) $(pgrep -P "$(cat /run/nginx.pid)"); do kill "-$1" "$pid"; done
}

part_outage() {
    local logins begin
    local -a known unknown local_login
    logins=$(size 20 3)
    template
    "$HERE/accounts.pl" documents 2 /root/template "$ACCESS"
    home 0
    home 1
    bench_api
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem"
    cp "$KEYS/bob.pub" /home/ada/.ssh/authorized_keys
    known=(ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/bob" bench0000000@127.0.0.1 true)
    unknown=("${known[@]/bench0000000/bench0000001}")
    local_login=(ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/bob" ada@127.0.0.1 true)
    section 'Outage: the API takes connections and is silent'
    columns login n median p99 outcome
    some 'the API is well: known account' "${known[@]}"
    some 'the API is well: local account' "${local_login[@]}"
    silence STOP
    begin=$(date +%s%N)
    wait_for past $((begin + 4000000000))
    once 'silent: known account, the first' "${known[@]}"
    some 'silent: known account, the following' "${known[@]}"
    once 'silent: an account that was not asked for before' "${unknown[@]}"
    once 'silent: the same again' "${unknown[@]}"
    some 'silent: local account' "${local_login[@]}"
    silence CONT
}
