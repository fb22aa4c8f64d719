# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The change feed of etc/examples/nginx-changes.conf: how soon what is published takes effect, over real ssh sessions,
# and what the hosts that wait at one nginx cost it.

# shellcheck source=tests/sandbox/changes.sh
. "$REPO/tests/sandbox/changes.sh"

EVENTS=/root/events

ms() { date +%s%3N; }

# ---- From publication to effect --------------------------------------------------------------------

# version NAME: /root/NAME.json is the document from now on.
version() {
    cp "/root/$1.json" "$ACCESS/abcdefghij/staging.json.new"
    touch -d "@$((++stamp))" "$ACCESS/abcdefghij/staging.json.new"
    mv "$ACCESS/abcdefghij/staging.json.new" "$ACCESS/abcdefghij/staging.json"
}

ssh_bob() { ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/bob" abcdefghij_stg@127.0.0.1 "$@" 2>/dev/null; }

session() {
    ssh_bob 'echo inside; exec cat' >/root/session.out </root/silence || true
    ms >/root/session.end
}

# one_change: "WHAT MILLISECONDS" of a key that is removed and added again; each time from the beginning of the
# publication, of logins to the beginning of the first one with the new outcome.
one_change() {
    local begin tried pid
    : >/root/session.out
    session &
    pid=$!
    wait_for grep -q inside /root/session.out
    version without
    begin=$(ms)
    changed abcdefghij staging
    tried=$(ms)
    while ssh_bob true </dev/null; do
        tried=$(ms)
    done
    echo "refused $((tried - begin))"
    wait $pid
    echo "ended $(($(</root/session.end) - begin))"
    version with
    begin=$(ms)
    changed abcdefghij staging
    tried=$(ms)
    until ssh_bob true </dev/null; do
        tried=$(ms)
    done
    echo "enters $((tried - begin))"
}

effect_of() {
    local n median p99
    grep "^$1 " /root/effects >/root/effect
    read -r n median p99 < <("$HERE/stats.pl" column /root/effect 2 1)
    row "$2" "$n" "$median ms" "$p99 ms" "$(sort -n -k2 /root/effect | tail -n 1 | cut -d' ' -f2) ms"
}

effects() {
    local i runs stamp
    runs=$(size 200 5)
    stamp=$(date +%s)
    cp "$ACCESS/abcdefghij/staging.json" /root/with.json
    jq 'del(.users[] | select(.username == "bob") | .ssh_keys[])' /root/with.json >/root/without.json
    mkfifo /root/silence
    exec 8<>/root/silence
    by_feed "${UNNAMED[@]}"
    ssh_bob true </dev/null
    for ((i = 0; i < runs; i++)); do
        one_change
    done >/root/effects
    section 'Change feed: from publication to effect'
    say 'nginx with nchan, sshd and cloudauthd on one machine, TLS; keys_fresh and session_recheck are an hour.'
    columns what runs median p99 greatest
    effect_of ended 'a key is removed: its open session has ended (the ssh client exits)'
    effect_of refused 'a key is removed: a login that begins then is refused'
    effect_of enters 'a key is added: a login that begins then enters'
    daemon_stop
}

# ---- Many hosts ------------------------------------------------------------------------------------

nginx_pids() { cat /run/nginx.pid; workers; }
nginx_cpu() { local pid; for pid in $(workers); do cpu_ns "$pid"; echo; done | awk '{ n += $1 } END { printf "%.0f", n }'; }
nginx_pss() { local pid; for pid in $(nginx_pids); do cat "/proc/$pid/smaps_rollup"; done | awk '/^Pss:/ { n += $2 } END { print n }'; }
tcp_kib() { awk '/^TCP:/ { print $NF * 4 }' /proc/net/sockstat; }

# events WHAT FROM TO: how many of them from then to then
events() { awk -v what="$1" -v from="$2" -v to="$3" '$3 == what && $1 >= from && $1 < to { n++ } END { print n + 0 }' $EVENTS; }
# until MS: waits for that time.
until_ms() { WAIT=$((($1 - $(ms)) / 1000 + 2)) wait_for past "$1"; }
past() { (($(ms) >= $1)); }

# Each host's first good answer since then; "MILLISECONDS HOST" in /root/first.
first_since() { awk -v from="$1" '$1 >= from && ($3 == "same" || $3 == "whole" || $3 == "changed") && !seen[$2]++ { print $1 - from, $2 }' $EVENTS >/root/first; }
all_since() { first_since "$1" && (($(wc -l </root/first) == n)); }

# told FROM: when the hosts that had waited then heard of it, in /root/told
told() { awk -v from="$1" '$1 >= from && $3 == "changed" && !seen[$2]++ { print $1 - from }' $EVENTS >/root/told; }
all_told() { told "$1" && (($(wc -l </root/told) == n)); }

idle() {
    local begin cpu polls
    begin=$(ms) cpu=$(nginx_cpu)
    until_ms $((begin + seconds * 1000))
    cpu=$(($(nginx_cpu) - cpu))
    polls=$(events same "$begin" $((begin + seconds * 1000)))
    row 'nothing changes' "$(per "$polls" "$seconds") answers of 304 a second" \
        "$(awk -v c=$cpu -v s="$seconds" 'BEGIN { printf "%.1f", c / s / 1e7 }') % of a core, $(ns $((cpu / (polls + 1)))) an answer"
}

message() {
    local begin cpu median p99
    begin=$(ms) cpu=$(nginx_cpu)
    changed abcdefghij staging
    WAIT=60 wait_for all_told "$begin"
    until_ms $((begin + 5000))
    cpu=$(($(nginx_cpu) - cpu))
    read -r _ median p99 < <("$HERE/stats.pl" column /root/told 1 1)
    row 'a change is published' "told after $median ms (median), $p99 ms (p99), $(sort -n /root/told | tail -n 1) ms (last)" \
        "$(ns $((cpu / n))) a host, its next request included"
}

restart() {
    local begin back cpu most median
    changes_kill
    begin=$(ms)
    changes_start
    back=$(ms)
    WAIT=120 wait_for all_since "$back"
    cpu=$(nginx_cpu)
    most=$(awk -v from="$begin" '$3 == "send" && $1 >= from { n[int(($1 - from) / 1000)]++ } END { for (s in n) if (n[s] > m) m = n[s]; print m }' $EVENTS)
    read -r _ median _ < <("$HERE/stats.pl" column /root/first 1 1)
    row 'kill -9 of nginx, and a start' "at most $most requests in a second; half of the hosts are back after $(ns $((${median%.*} * 1000000))), the last after $(ns $(($(sort -n /root/first | tail -n 1 | cut -d' ' -f1) * 1000000)))" \
        "$(ns $((cpu / n))) a host"
}

many_hosts() {
    local n seconds pss tcp begin
    n=$(size "${BENCH_HOSTS:-2000}" 100) seconds=$(size 30 11)
    pss=$(nginx_pss) tcp=$(tcp_kib)
    begin=$(ms)
    # libcurl has two descriptors of its own for each host.
    prlimit --nofile=$((3 * n + 1000)) --nproc=4096 -- \
        "$BIN/hosts" "$n" $CHANGES $CHANGES_TOKEN /etc/nginx/cloudauth-changes/changes.pem 10 >$EVENTS 2>&1 &
    hosts=$!
    trap 'kill $hosts' EXIT
    WAIT=120 wait_for all_since "$begin"
    # Until each has come a second time, with a cursor.
    until_ms $(($(ms) + 11000))
    section "Change feed: $n hosts at one nginx"
    say "Two workers, HTTP/2 over TLS, changes_wait 10 s, all on this machine; the hosts' own CPU is not counted."
    columns what result 'CPU of nginx'
    row "$n hosts wait" "$(per $(($(nginx_pss) - pss)) "$n") KiB a host in nginx, $(per $(($(tcp_kib) - tcp)) "$n") KiB of both ends in the kernel's TCP" ''
    idle
    message
    message
    restart
    kill $hosts
    trap - EXIT
}

part_feed() {
    changes_install
    changes_api
    sed -i -E 's/worker_connections .*/worker_connections 18000;/; s/^worker_processes.*/&\nworker_rlimit_nofile 20000;/' /etc/nginx/nginx.conf
    changes_start
    effects
    changes_stop
    changes_start
    many_hosts
}
