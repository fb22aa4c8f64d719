# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the first lookup costs the process that makes it: the module is loaded, its files are read.

# shellcheck source=tests/bench/peers.sh
. "$REPO/tests/bench/peers.sh"

# first WHAT NAME NSSWITCH: a row of as many new processes.
first() {
    local i n median p99 file=/root/first.samples calls
    : >$file
    for ((i = 0; i < runs; i++)); do "$BIN/first" "$3" "$2" >>$file; done
    read -r n median p99 < <("$HERE/stats.pl" column $file 1 1)
    strace -o /root/first.strace "$BIN/first" "$3" "$2" >/dev/null
    calls=$(marked /root/first.strace)
    row "$accounts" "$1" "$n" "$(ns "$median")" "$(ns "$p99")" \
        "$(cut -d' ' -f2,3 $file | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 " | " $3 }')" \
        "$("$HERE/stats.pl" column $file 4 1 | awk '{ printf "%d", $2 }')" "$calls"
}

# The account is in the middle: what reads its file from the beginning is at its mean there.
first_of_all() {
    local account
    account=$(printf 'bench%07d' $((accounts / 2)))
    bench_snapshot "$accounts" 'account_fresh = 24h'
    peer_data "$accounts"
    first 'files cloud' "$account" 'files cloud'
    first 'cloud alone' "$account" cloud
    first 'files extrausers' "$account" 'files extrausers'
    first 'files cache' "$account" 'files cache'
    first 'files db' "$account" 'files db'
    first 'files cache_oslogin' "$account" 'files cache_oslogin'
    first 'cache_oslogin alone' "$account" cache_oslogin
}

part_first() {
    local runs accounts=0
    runs=$(size 300 20)
    template
    bench_api
    section 'First lookup of a fresh process'
    say "Through glibc, loading included, of the account in the middle. \`files\` alone finds root: what glibc itself takes."
    columns accounts 'passwd:' n median p99 libraries mappings 'page faults' 'system calls'
    first files root files
    for accounts in $(size '1000 100000' 1000); do
        first_of_all
    done
    accounts=1
    peer_metadata
    first 'files oslogin (asks its metadata server)' bench0000000 'files oslogin'
    first 'oslogin alone' bench0000000 oslogin
}
