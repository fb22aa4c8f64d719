# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What sshd's helper costs as a whole process, from fork to the end of it.

# shellcheck source=tests/bench/peers.sh
. "$REPO/tests/bench/peers.sh"

# started WHAT NUMBER: a row of the command of that number in /root/samples.
started() {
    local n median p99 cpu rss faults
    read -r n median p99 cpu rss faults < <("$HERE/stats.pl" summary /root/samples "$2")
    row "$1" "$n" "$median ms" "$p99 ms" "$cpu ms" "$rss kB" "$faults"
}

processes() { columns process n median p99 'CPU, median' 'greatest RSS' 'page faults'; }

part_helper() {
    local runs type key helper=/usr/libexec/cloudauth/cloud-authkeys
    local -a asked
    runs=$(size "${BENCH_RUNS:-1000}" 20)
    template
    "$HERE/accounts.pl" documents 1 /root/template "$ACCESS"
    bench_api
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" 'keys_fresh = 24h'
    read -r type key _ <"$KEYS/bob.pub"
    asked=(shell bench0000000 "$type" "$key")
    [[ $($helper "${asked[@]}") == *"$key"* ]]
    peer_metadata
    google_authorized_keys bench0000000 | grep -qF "$key"
    section 'Helper: the whole process'
    say 'Warm: the daemon answers without asking. They take turns. The floor does nothing but begin and end.'
    rm -f /root/samples
    "$BIN/spawn" -n "$runs" -w 10 /root/samples "$BIN/floor" :: $helper "${asked[@]}" :: \
        google_authorized_keys bench0000000
    processes
    started 'floor (musl, static-pie)' 0
    started 'cloud-authkeys, as it is installed (musl, static-pie)' 1
    started "guest-oslogin's google_authorized_keys, metadata server at no distance" 2
    section 'Helper: built in other ways'
    say 'The same source, the same question.'
    rm -f /root/samples
    "$BIN/spawn" -n "$runs" -w 10 /root/samples "$BIN/floor-glibc" :: "$BIN/floor" :: \
        "$BIN/helper-glibc-static-pie" "${asked[@]}" :: "$BIN/helper-glibc-static" "${asked[@]}" :: \
        "$BIN/helper-glibc-dynamic" "${asked[@]}" :: "$BIN/helper-musl-static" "${asked[@]}" :: \
        $helper "${asked[@]}"
    processes
    started 'floor: glibc, static-pie' 0
    started 'floor: musl, static-pie' 1
    started 'glibc, static-pie' 2
    started 'glibc, static' 3
    started 'glibc, dynamic' 4
    started 'musl, static' 5
    started 'musl, static-pie (as it is installed)' 6
}
