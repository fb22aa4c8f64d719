# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A list of a million accounts: what its snapshot costs to make, and what lookups feel of that.

LIST=/srv/bench-list
PER_PAGE=10000

# Pages of the account list (docs/api.md), in a folder.
make_list() {
    local n=$1 page
    rm -rf "$LIST"
    install -d "$LIST"
    for ((page = 0; page * PER_PAGE < n; page++)); do
        awk -v from=$((page * PER_PAGE)) -v to=$(((page + 1) * PER_PAGE)) -v n="$n" -v next_page=$((page + 1)) 'BEGIN {
            printf "{\"items\": ["
            for (i = from; i < to && i < n; i++)
                printf "%s{\"project\": \"bench%07d\", \"environment\": \"production\", \"account\": {\"uid\": %d, \"gid\": %d, \"gecos\": \"bench\", \"home\": \"/app/bench%07d\", \"shell\": \"/bin/bash\"}}", (i > from ? "," : ""), i, 200000 + i, 200000 + i, i
            printf "]"
            if (to < n) printf ", \"_links\": {\"next\": {\"href\": \"%d.json\"}}", next_page
            print "}"
        }' >"$LIST/$page.json"
    done
}

made() { since /var/log/syslog | grep -oE "accounts.snapshot: $1 accounts.* made in [0-9]+ ms" | tail -n 1; }
seen_whole() { snapshot_has "$(printf 'bench%07d' $(($1 - 1)))"; }

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

# Everything is told and published anew.
publish_again() {
    local old
    old=$(stat -c %i "$SNAPSHOT")
    mark
    daemon_reload
    WAIT=300 wait_for is_another "$old"
    WAIT=300 wait_for seen_whole "$1"
}

# A new account that somebody looks up: the whole file is made anew, when as much time has gone by since
# the last one that making files takes but its share of a core (ACCOUNTS_SHARE).
# $1 tells it from others.
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

part_million() {
    local n begin whole batch added=0
    n=$(size 1000000 100000)
    template
    bench_api
    rm -rf "${ACCESS:?}"/bench*
    "$HERE/accounts.pl" documents 1 /root/template "$ACCESS"
    make_list "$n"
    daemon_stop
    find /var/lib/cloudauth -mindepth 1 -delete
    begin=$(date +%s%N)
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" 'account_fresh = 24h' \
        "accounts_url = file://$LIST/0.json"
    answering 1
    WAIT=300 wait_for seen_whole "$n"
    whole=$(($(date +%s%N) - begin))
    section "A list of $n accounts"
    columns accounts 'snapshot' 'from start to all of them' 'RSS of the daemon'
    row "$n" "$(stat -c %s "$SNAPSHOT") bytes" "$(ns "$whole")" "$(rss_kb "$(daemon_pid)") kB"
    section 'While that snapshot is made'
    say 'Questions go to the daemon, hits are lookups in the map. Each is timed by itself.'
    columns what 'while' 'batches' median 'p99 (of the worst batch)'
    for batch in hits questions; do
        row_while 'nothing is made' $batch sleep 5
        row_while 'an account is added' $batch add_one $((++added))
    done
    row_while 'all accounts are told and published anew' questions publish_again "$n"
    say ''
    say "The log: $(made "$n")"
}
