# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Almost as many documents as a host keeps: what their snapshot costs to make, and what lookups feel of that.

seen_whole() { snapshot_has "$(printf 'bench%07d' $(($1 - 1)))"; }
build_seconds() { cloudauthctl metrics | awk '$1 == "cloudauth_snapshot_last_build_seconds" { print $2 }'; }

# Batches, one after another: of questions to the daemon, and of lookups of all accounts in the map.
questions() { "$BIN/ask" 1 20000 1 passwd | awk '{ print $1, $3, $4 }'; }
hits() { "$BIN/nss" "$OURS" name "$n" x200000; }

# row_while WHAT BATCH COMMAND...: a row of the batches from the beginning of COMMAND to its end.
row_while() {
    local what=$1 batch=$2 each median p99 pid
    "${@:3}" &
    pid=$!
    while alive "$pid"; do
        "$batch" >>/root/batches
    done
    wait "$pid" || true
    # The batch with the greatest p99 is the one that says most.
    read -r each median p99 < <(sort -n -k3 /root/batches | tail -n 1)
    row "$batch" "$what" "$(wc -l </root/batches) of $each" "$(ns "$median")" "$(ns "$p99")"
    rm /root/batches
}

is_another() { [[ $(stat -c %i "$SNAPSHOT") != "$1" ]]; }

# All records are made and published anew.
publish_again() {
    local old
    old=$(stat -c %i "$SNAPSHOT")
    mark
    daemon_reload
    WAIT=300 wait_for is_another "$old"
    WAIT=300 wait_for seen_whole "$1"
}

# A new account that is looked up: the whole file is made anew, once as much time has passed since the last one
# that making files takes no more than its share of a core (PUBLISH_SHARE). $1 tells it from others.
add_one() {
    local old name number=$((n + $1))
    name=$(printf 'bench%07d' "$number")
    install -d "$ACCESS/$name"
    jq --arg name "$name" --argjson id $((200000 + number)) '.project = $name | .account.home = "/app/" + $name
        | .account.uid = $id | .account.gid = $id' "$ACCESS/bench0000000/production.json" \
        >"$ACCESS/$name/production.json"
    old=$(stat -c %i "$SNAPSHOT")
    getent passwd "$name" >/dev/null || return 1
    WAIT=300 wait_for is_another "$old"
}

part_many() {
    local n begin whole batch added=0
    n=$(size 150000 5000)
    template
    bench_api
    rm -rf "${ACCESS:?}"/bench*
    "$HERE/accounts.pl" documents 1 /root/template "$ACCESS"
    bench_store "$n" 'account_fresh = 24h'
    daemon_stop
    rm -f "$SNAPSHOT"
    begin=$(date +%s%N)
    WAIT=120 daemon_start
    WAIT=300 wait_for seen_whole "$n"
    whole=$(($(date +%s%N) - begin))
    section "$n documents"
    columns accounts 'snapshot' 'made in' 'from start to all of them' 'RSS of the daemon'
    row "$n" "$(stat -c %s "$SNAPSHOT") bytes" "$(build_seconds) s" "$(ns "$whole")" "$(rss_kb "$(daemon_pid)") kB"
    section 'While that snapshot is made'
    say 'Questions go to the daemon, hits are lookups in the map. Each is timed by itself.'
    columns what 'while' 'batches' median 'p99 (of the worst batch)'
    for batch in hits questions; do
        row_while 'nothing is made' $batch sleep 5
        row_while 'an account is added' $batch add_one $((++added))
    done
    row_while 'all accounts are published anew' questions publish_again "$n"
}
