# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the daemon can answer, and what it takes for it.

# asked WHAT DOCUMENTS CLIENTS QUESTIONS KIND...: a row. CPU is the daemon's, for 100,000 of them.
asked() {
    local what=$1 documents=$2 clients=$3 each=$(($4 / $3)) pid before n rate median p99 cpu requests
    pid=$(daemon_pid)
    mark
    before=$(cpu_ns "$pid")
    read -r n rate median p99 < <("$BIN/ask" "$clients" "$each" "${documents:-1}" "${@:5}")
    cpu=$(($(cpu_ns "$pid") - before))
    requests=$(api_log | wc -l)
    row "$what" "$documents" "$clients" "$n" "$rate" "$(ns "$median")" "$(ns "$p99")" \
        "$(awk -v c="$cpu" -v n="$n" 'BEGIN { printf "%.2f s", c / n / 1e4 }')" "$requests"
}

# What connections, packets and switches between processes cost here, with nothing done between.
floor() {
    daemon_stop
    "$BIN/echo" &
    echo $! >/run/cloudauthd.pid
    wait_for "$BIN/ask" 1 1 1 passwd
    asked 'floor: a program that answers all with one packet' '' 1 "$1" passwd
    asked 'floor: a program that answers all with one packet' '' 8 "$1" passwd
    daemon_stop
}

# The rows of a daemon that knows DOCUMENTS; questions of N for those that cause no request.
rows() {
    local type key
    read -r type key _ <"$KEYS/bob.pub"
    asked "$1: account by name" "$2" 1 "$3" passwd
    asked "$1: account by name" "$2" 8 "$3" passwd
    asked "$1: account by uid" "$2" 1 "$3" uid
    asked "$1: key" "$2" 1 "$3" "$type" "$key"
    asked "$1: key" "$2" 8 "$3" "$type" "$key"
}

known() {
    local n=$1 questions=$2 type key begin
    daemon_stop
    rm -rf "${ACCESS:?}"/bench*
    "$HERE/accounts.pl" documents "$n" /root/template "$ACCESS"
    bench_store "$n" 'keys_fresh = 24h' 'account_fresh = 24h'
    daemon_stop
    begin=$(date +%s%N)
    daemon_start
    answering "$n"
    memory+=("$(row "$n" "$(rss_kb "$(daemon_pid)") kB" "$(ns $(($(date +%s%N) - begin)))")")
    rows fresh "$n" "$questions"
    # Each question is then a request, and those of one document at a time are one.
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" 'keys_fresh = 0' 'account_fresh = 24h'
    answering "$n"
    read -r type key _ <"$KEYS/bob.pub"
    asked 'keys_fresh = 0: key, asks the API' "$n" 1 $((questions / 10)) "$type" "$key"
    asked 'keys_fresh = 0: key, asks the API' "$n" 8 $((questions / 10)) "$type" "$key"
    memory+=("$(row "$n, after these" "$(rss_kb "$(daemon_pid)") kB" '')")
}

part_daemon() {
    local questions n memory=()
    questions=$(size 100000 2000)
    template
    bench_api
    section 'Daemon: questions on its socket'
    say "A document of $(wc -c </root/template) bytes with $(jq '.users | length' /root/template) users. nginx stands on the same cores."
    columns question documents 'clients' n 'a second' median p99 'CPU of the daemon per 100,000' 'API requests'
    floor "$questions"
    for n in $(size '1000 100000' 1000); do
        known "$n" "$questions"
    done
    daemon_stop
    rm -rf /var/lib/cloudauth/documents
    bench_conf "access_url = file://$ACCESS/{project}/{environment}.json"
    rows 'file://' "$n" $((questions / 5))
    memory+=("$(row "$n by file://, those that were asked for" "$(rss_kb "$(daemon_pid)") kB" '')")
    section 'Daemon: memory'
    columns documents RSS 'from start to first answer'
    printf '%s\n' "${memory[@]}"
}
