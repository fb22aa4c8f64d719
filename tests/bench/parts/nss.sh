# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How long a lookup takes in a process that has made some, ours beside those that Debian packages.

# shellcheck source=tests/bench/peers.sh
. "$REPO/tests/bench/peers.sh"

# cell SOURCE WHAT ACCOUNTS: median / p99, and how many calls if they are few.
cell() {
    local n median p99
    if ! read -r n median p99 < <("$BIN/nss" "$1" "$2" "$3" "$milliseconds" 2>/root/nss.log); then
        sed 's/^bench: //' /root/nss.log | tr '\n' ' '
        return
    fi
    printf '%s / %s' "$(ns "$median")" "$(ns "$p99")"
    ((n >= 100)) || printf ' (n=%s)' "$n"
}

# measured NAME ACCOUNTS SOURCE
measured() {
    row "$2" "$1" "$(cell "$3" name "$2")" "$(cell "$3" uid "$2")" "$(cell "$3" absent "$2")" \
        "$(cell "$3" other "$2")"
}

straight() {
    measured 'cloudauth' "$1" "$OURS"
    measured 'libnss-extrausers' "$1" "$EXTRAUSERS=extrausers"
    measured 'libnss-cache' "$1" "$MODULES/libnss_cache.so.2=cache"
    measured 'libnss-db' "$1" "$MODULES/libnss_db.so.2=db"
    measured 'guest-oslogin, its cache' "$1" "$MODULES/libnss_cache_oslogin.so.2=cache_oslogin"
}

by_glibc() {
    local source
    row "$1" 'files, without these accounts' - - "$(cell files absent "$1")" "$(cell files other "$1")"
    for source in cloud extrausers cache db cache_oslogin; do
        measured "files $source" "$1" "files $source"
    done
    peer_files "$1"
    measured 'files, with these accounts' "$1" 'files'
    peer_files 0
}

part_nss() {
    local n milliseconds
    milliseconds=$(size "${BENCH_MS:-1000}" 20)
    template
    bench_api
    peer_keep_files
    section 'NSS: lookups, each module called straight'
    columns accounts module 'by name' 'by uid' absent 'not served'
    for n in $(size "${BENCH_ACCOUNTS:-1000 100000 1000000}" 1000); do
        peer_data "$n"
        bench_snapshot "$n" 'account_fresh = 24h' 'absent_fresh = 24h'
        straight "$n"
        by_glibc "$n" >>/root/by_glibc
    done
    bench_store 1000 'account_fresh = 24h' 'absent_fresh = 24h'
    # The daemon cannot put a file in a directory's place.
    rm -f /var/lib/cloudauth/accounts.snapshot
    mkdir /var/lib/cloudauth/accounts.snapshot
    measured 'cloudauth without its snapshot: a packet to the daemon' 1000 "$OURS"
    peer_metadata
    measured 'guest-oslogin, asking a metadata server at no distance' 1 "$MODULES/libnss_oslogin.so.2=oslogin"
    section 'NSS: lookups through glibc'
    say "/etc/passwd has $(wc -l </etc/passwd) accounts of its own, which glibc reads at each lookup."
    columns accounts 'passwd:' 'by name' 'by uid' absent 'not served'
    cat /root/by_glibc
}
