#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs one part of the benchmark, inside the sandbox (tests/bench/run does that): the function
# part_NAME of parts/NAME.sh, on the host of tests/sandbox/host.sh. Its stdout is the report.
#
# Words for parts, besides those of tests/e2e/harness.sh and tests/sandbox/api.sh:
#
#   section TEXT, say TEXT          a heading, a paragraph
#   columns COLUMN..., row CELL...     of a table
#   ns NUMBER                       nanoseconds, in the unit that suits them
#   size FULL QUICK                 the one that this run is to use
#   bench_conf SETTING...           the daemon restarts with bench* allowed, and these settings
#   bench_api                       nginx with TLS, HTTP/2 and a log of bytes; API_URL is its access_url
#   api_log                         what that log has since the last mark: "connection in out status"
#   template                        the document of accounts.pl, in /root/template
#   answering N                     waits until the daemon does, about N accounts: it reads its store first
#   bench_store N [SETTING...]      the daemon knows N accounts, from its store; no snapshot
#   bench_snapshot N [SETTING...]   the daemon knows none, and the snapshot has N
#   cpu_ns PID, rss_kb PID          what a process has used so far, and what it holds
#   marked FILE [AWK]               system calls of a strace between the marks of our programs
# shellcheck disable=SC2034 # BIN, OURS and so on are for the parts
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=tests/e2e/harness.sh
. "$HERE/../e2e/harness.sh"
# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

BIN=$REPO/build/bench
API_URL="https://localhost:$TLS_PORT/$API_PATH"
MODULES=/usr/lib/x86_64-linux-gnu
OURS=$MODULES/libnss_cloud.so.2=cloud

section() { printf '\n## %s\n\n' "$*"; }
say() { printf '%s\n\n' "$*"; }

row() {
    local cell
    for cell; do printf '| %s ' "$cell"; done
    echo '|'
}

columns() {
    row "$@"
    printf '|---%.0s' "$@"
    echo '|'
}

ns() {
    awk -v n="$1" 'BEGIN {
        if (n < 1000) printf "%d ns", n
        else if (n < 1e6) printf "%.2f µs", n / 1e3
        else if (n < 1e9) printf "%.2f ms", n / 1e6
        else printf "%.2f s", n / 1e9 }'
}

size() { if [[ ${BENCH_QUICK-} == 1 ]]; then echo "$2"; else echo "$1"; fi; }

per() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

bench_conf() {
    configure 'allow = bench*' 'uid_max = 2000000' "$@"
    daemon_stop
    WAIT=120 daemon_start
    mark
}

bench_api() {
    [[ -e $TLS/ca.pem ]] || { authority ca && certificate api ca; }
    # shellcheck disable=SC2016 # nginx expands them
    API_LOG_FORMAT='$connection $request_length $bytes_sent $status' \
        serve api 'keepalive_requests 1000000;'
}

answering() { WAIT=120 wait_for "$BIN/ask" 1 1 "$1" passwd; }

# Documents that were fetched before, as a restart finds them.
bench_store() {
    daemon_stop
    find /var/lib/cloudauth -mindepth 1 -delete
    install -d -m 700 -o cloudauth -g cloudauth /var/lib/cloudauth/documents
    "$HERE/accounts.pl" store "$1" /root/template /var/lib/cloudauth "$API_URL" \
        web1.abcdefghij.ent.example.cloud "$ACCESS"
    chown -R cloudauth:cloudauth /var/lib/cloudauth
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" "${@:2}"
    answering "$1"
}

# The daemon makes a file of its own at its start, so this one comes later.
bench_snapshot() {
    local file=/var/lib/cloudauth/accounts.snapshot
    daemon_stop
    find /var/lib/cloudauth -mindepth 1 -delete
    bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" "${@:2}"
    wait_for snapshot_live
    "$BIN/make_snapshot" "$1" $file.bench
    chown cloudauth:cloudauth $file.bench
    mv $file.bench $file
}

api_log() { since "$API_LOG"; }

template() {
    jq -c '.project = "@NAME@" | .environment |= (.name = "production" | .type = "production")
        | .account = {uid: "@UID@", gid: "@UID@", gecos: "bench", home: "/app/@NAME@", shell: "/bin/bash"}' \
        "$PRISTINE/abcdefghij/staging.json" >/root/template
}

# The home of account NUMBER: sshd says so to a user who has none.
home() {
    install -d -m 755 /app
    install -d -m 750 -o $((200000 + $1)) -g $((200000 + $1)) "$(printf '/app/bench%07d' "$1")"
}

cpu_ns() { cat "/proc/$1"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f", n }'; }
rss_kb() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }

marked() {
    awk '/getppid\(/ { inside = !inside; next } inside && !/^[0-9 ]*(---|\+\+\+)/ { n++ }
        END { print n + 0 }' "$1"
}

main() {
    declare -gA began=()
    unset SSH_AUTH_SOCK
    # shellcheck source=/dev/null
    . "$HERE/parts/$1.sh"
    if ! host_up >/root/captured 2>&1; then
        cat /root/captured >&2
        exit 1
    fi
    ldconfig # as a package does: glibc then finds the module without a search
    mark
    "part_$1"
}

main "$@"
