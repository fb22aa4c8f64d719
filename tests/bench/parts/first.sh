# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the first lookup costs the process that makes it: the module is loaded, its files are read.

# shellcheck source=tests/bench/peers.sh
. "$REPO/tests/bench/peers.sh"

ACCOUNTS=1000

# first WHAT NAME NSSWITCH: a row of as many new processes.
first() {
    local i n median p99 file=/root/first.samples calls
    : >$file
    for ((i = 0; i < runs; i++)); do "$BIN/first" "$3" "$2" >>$file; done
    read -r n median p99 < <("$HERE/stats.pl" column $file 1 1)
    strace -o /root/first.strace "$BIN/first" "$3" "$2" >/dev/null
    calls=$(marked /root/first.strace)
    row "$1" "$n" "$(ns "$median")" "$(ns "$p99")" \
        "$(cut -d' ' -f2,3 $file | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 " | " $3 }')" \
        "$("$HERE/stats.pl" column $file 4 1 | awk '{ printf "%d", $2 }')" "$calls"
}

part_first() {
    local runs
    runs=$(size 300 20)
    template
    bench_api
    bench_snapshot $ACCOUNTS 'account_fresh = 24h'
    peer_data $ACCOUNTS
    peer_metadata
    section 'First lookup of a fresh process'
    say "Through glibc, loading included; $ACCOUNTS accounts. \`files\` alone finds root: what glibc itself takes."
    columns 'passwd:' n median p99 libraries mappings 'page faults' 'system calls'
    first files root files
    first 'files cloud' bench0000000 'files cloud'
    first 'cloud alone' bench0000000 cloud
    first 'files extrausers' bench0000000 'files extrausers'
    first 'files cache' bench0000000 'files cache'
    first 'files db' bench0000000 'files db'
    first 'files cache_oslogin' bench0000000 'files cache_oslogin'
    first 'cache_oslogin alone' bench0000000 cache_oslogin
    first 'files oslogin (asks its metadata server)' bench0000000 'files oslogin'
    first 'oslogin alone' bench0000000 oslogin
}
