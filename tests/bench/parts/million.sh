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

# asked_while WHAT COMMAND...: a row of questions that were asked one after another until COMMAND, which
# begins with them, has ended.
asked_while() {
    local what=$1 n rate median p99 pid
    "${@:2}" &
    pid=$!
    while alive "$pid"; do
        "$BIN/ask" 1 20000 1 passwd >>/root/asked
    done
    wait "$pid" || true
    # The batch with the greatest p99 is the one that says most.
    read -r n rate median p99 < <(sort -n -k4 /root/asked | tail -n 1)
    row "$what" "$(wc -l </root/asked) of $n" "$rate" "$(ns "$median")" "$(ns "$p99")"
    rm /root/asked
}

is_another() { [[ $(stat -c %i "$SNAPSHOT") != "$1" ]]; }

# Everything is told and published anew.
publish_again() {
    local old
    old=$(stat -c %i "$SNAPSHOT")
    mark
    broker_reload
    WAIT=300 wait_for is_another "$old"
    WAIT=300 wait_for seen_whole "$1"
}

part_million() {
    local n begin whole
    n=$(size 1000000 100000)
    template
    bench_api
    rm -rf "${ACCESS:?}"/bench*
    "$HERE/accounts.pl" documents 1 /root/template "$ACCESS"
    make_list "$n"
    broker_stop
    find /var/lib/cloudauth -mindepth 1 -delete
    begin=$(date +%s%N)
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" 'account_fresh = 24h' \
        "accounts_url = file://$LIST/0.json"
    answering 1
    WAIT=300 wait_for seen_whole "$n"
    whole=$(($(date +%s%N) - begin))
    section "A list of $n accounts"
    columns accounts 'snapshot' 'from start to all of them' 'RSS of the daemon'
    row "$n" "$(stat -c %s "$SNAPSHOT") bytes" "$(ns "$whole")" "$(rss_kb "$(broker_pid)") kB"
    section 'Questions to the daemon while that snapshot is made'
    columns 'while' 'batches of questions' 'a second' median 'p99 (of the worst batch)'
    asked_while 'nothing is made' sleep 5
    asked_while 'all accounts are told and published anew' publish_again "$n"
    say ''
    say "The log: $(made "$n")"
}
