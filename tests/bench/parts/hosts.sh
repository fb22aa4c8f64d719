# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What hosts that wait at one nginx of etc/examples/nginx-changes.conf cost it, and how they come back after it fails.

# shellcheck source=tests/sandbox/changes.sh
. "$REPO/tests/sandbox/changes.sh"

EVENTS=/root/events

ms() { date +%s%3N; }

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

# in_a_second FILE: the most lines of it (column 1: milliseconds) in a second
in_a_second() { awk '{ n[int($1 / 1000)]++ } END { for (s in n) if (n[s] > m) m = n[s]; print m + 0 }' "$1"; }

# restart SECONDS: nginx is away for so long.
restart() {
    local begin back cpu median
    changes_kill
    begin=$(ms)
    until_ms $((begin + $1 * 1000))
    changes_start
    back=$(ms)
    WAIT=120 wait_for all_since "$back"
    cpu=$(nginx_cpu)
    awk -v from="$begin" '$3 == "send" && $1 >= from { print $1 - from }' $EVENTS >/root/sent
    read -r _ median _ < <("$HERE/stats.pl" column /root/first 1 1)
    row "kill -9 of nginx, and a start $1 s later" "at most $(in_a_second /root/first) hosts come back in a second, with at most $(in_a_second /root/sent) requests in a second, the waiting ones of those that are back among them; half of the hosts are back after $(ns $((${median%.*} * 1000000))), the last after $(ns $(($(sort -n /root/first | tail -n 1 | cut -d' ' -f1) * 1000000)))" \
        "$(ns $((cpu / n))) a host"
}

many_hosts() {
    local n seconds pss tcp begin
    n=$(size "${BENCH_HOSTS:-5000}" 100) seconds=$(size 30 11)
    pss=$(nginx_pss) tcp=$(tcp_kib)
    begin=$(ms)
    # libcurl has two descriptors of its own for each host.
    prlimit --nofile=$((3 * n + 1000)) --nproc=4096 -- \
        "$BIN/hosts" "$n" "$CHANGES" "$CHANGES_TOKEN" /etc/nginx/cloudauth-changes/changes.pem 10 >$EVENTS 2>&1 &
    hosts=$!
    trap 'kill $hosts' EXIT
    WAIT=120 wait_for all_since "$begin"
    # Until each has come a second time, with a cursor.
    until_ms $(($(ms) + 11000))
    section "Change feed: $n hosts at one nginx"
    say "One worker, HTTP/2 over TLS, changes_wait 10 s, all on this machine; the hosts' own CPU is not counted."
    columns what result 'CPU of nginx'
    row "$n hosts wait" "$(per $(($(nginx_pss) - pss)) "$n") KiB a host in nginx, $(per $(($(tcp_kib) - tcp)) "$n") KiB of both ends in the kernel's TCP" ''
    idle
    message
    message
    restart 0
    until_ms $(($(ms) + 11000))
    restart "$(size 60 2)"
    kill $hosts
    trap - EXIT
}

part_hosts() {
    changes_install
    sed -i -E 's/worker_connections .*/worker_connections 18000;/; s/^worker_processes.*/&\nworker_rlimit_nofile 20000;/' /etc/nginx/nginx.conf
    changes_start
    many_hosts
    changes_stop
}
