# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A host with very many environments: its start, its memory, and what one costs that nothing has asked for since
# the start (cold), against the same one asked for just now (hot).

# restarted: as after a restart with these documents on the disk; took= nanoseconds until the first answer.
restarted() {
    daemon_stop
    took=$(date +%s%N)
    PAUSE=3 WAIT=120 daemon_start
    PAUSE=3 answering "$n"
    took=$(($(date +%s%N) - took))
}

# starts DAEMON: a row of restarts of a program; the memory is that of the last one.
starts() {
    local i sorted=()
    # shellcheck disable=SC2034 # daemon_start has it
    local CLOUDAUTHD=$1
    for ((i = 0; i < starts; i++)); do
        daemon_stop
        rm -f /var/lib/cloudauth/accounts.snapshot
        restarted
        sorted+=("$took")
    done
    mapfile -t sorted < <(printf '%s\n' "${sorted[@]}" | sort -n)
    row "$1" "$n" "$starts" "$(ns "${sorted[starts / 2]}")" "$(ns "${sorted[0]}") to $(ns "${sorted[-1]}")" \
        "$(rss_kb "$(daemon_pid)") kB" "$("$BIN/ask" 1 "$n" "$n" each >/dev/null && rss_kb "$(daemon_pid)") kB"
}

# lookups WHAT: a row of questions to the daemon, without the map, about pseudo-random accounts, the same each time.
lookups() {
    local each median p99
    read -r each _ median p99 < <("$BIN/ask" 1 "$questions" "$n" passwd)
    row "$1" "$each" "$(ns "$median")" "$(ns "$p99")" '' ''
}

logins_of() {
    local each median p99 ratio='' from to
    read -r each median p99 _ < <("$HERE/stats.pl" summary /root/samples "$2")
    [[ $2 == 1 ]] || read -r ratio from to < <("$HERE/stats.pl" ratio /root/samples 0 1)
    row "$1" "$each" "$median ms" "$p99 ms" "${ratio:-1}" "${ratio:+$from to $to}"
}

part_large() {
    local n questions logins starts i took login daemon
    n=$(size "${BENCH_ENVIRONMENTS:-100000}" 2000)
    questions=$(size 1000 100)
    starts=$(size 11 1)
    logins=$(size "${BENCH_PAIRS:-60}" 4)
    template
    bench_api
    "$HERE/accounts.pl" documents "$logins" /root/template "$ACCESS"
    for ((i = 0; i < logins; i++)); do home "$i"; done
    bench_store "$n" 'keys_fresh = 24h' 'account_fresh = 24h'
    section "$n environments on disk"
    columns daemon environments starts 'start to first answer, median' 'all of them' 'RSS then' \
        'RSS after a lookup of each'
    for daemon in ${BENCH_DAEMONS-} /usr/sbin/cloudauthd; do
        starts "$daemon"
    done
    section 'One of them: cold and hot'
    columns what n median p99 'ratio of medians' '95 % of resamplings'
    restarted
    lookups 'lookup, cold'
    lookups 'lookup, hot'
    restarted
    rm -f /root/samples
    for ((i = 0; i < logins; i++)); do
        login=(ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/bob" "$(printf 'bench%07d' "$i")@127.0.0.1" true)
        "$BIN/spawn" /root/samples "${login[@]}" :: "${login[@]}"
    done
    logins_of 'login, cold' 0
    logins_of 'login, hot' 1
}
