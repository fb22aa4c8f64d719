#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests of one file, inside the sandbox (tests/e2e/run does that). A test is a function
# test_..., with one line of comment above it, its description. It runs in a shell with
# `set -e`, so that the first command that fails is the failure; its output is then shown. Every test
# finds the host as host_up left it, with an empty cache. A test also fails if a daemon that it started has ended by
# itself, or by any signal but KILL.
#
# Functions for tests, besides those of tests/sandbox/host.sh:
#
#   enters KEY LOGIN [SSH OPTION...]           a login that runs a command as that very account
#   refused KEY LOGIN [REGEX [SSH OPTION...]]  a login that is refused; REGEX: what the client shows
#   within SECONDS COMMAND...                  it takes no longer, unless the machine is slow; $took is the time in milliseconds
#   is_traced PID                              strace(1) has all of its threads
#   logins WHAT                                nine logins of bob, and a note of their median time
#   as KEY LOGIN COMMAND                       the output of a command there
#   sftp_batch KEY LOGIN                       runs the sftp commands of stdin
#   audit REGEX, logged REGEX                  wait for a line of auth.log, of the daemon in syslog,
#   requested REGEX, appears LOG REGEX         of nginx's access log, of LOG: since the test began
#   counts N REGEX [LOG]                       waits for N lines of auth.log, of LOG; fails if there are more
#   methods LOGIN                              the methods that sshd offers before any authentication
#   since [LOG]                                the lines of a log since the test began
#   mark                                       as if the test began now
#   api_requests                               how many requests nginx has answered since then
#   same A B, contains TEXT REGEX              comparisons that show both sides
#   known LOGIN UID                            what getent(1) says
#   unknown LOGIN, unavailable LOGIN           libc says that there is no such account, that it cannot know
#   nss NAME, nss_says WORD NAME               what libc says: found, absent or unavailable
#   fails COMMAND...                           the command must fail (`!` does not count under set -e)
#   snapshot_live, snapshot_has TEXT           accounts.snapshot is in use (and contains TEXT)
#   note TEXT                                  TEXT is shown below the test's line, also where it passes

HARNESS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=tests/sandbox/host.sh
. "$HARNESS/../sandbox/host.sh"

SNAPSHOT=/var/lib/cloudauth/accounts.snapshot
# The default exchange of keys (sntrup761) takes half of a login's time; the client matrix and the packages'
# tests use it.
FAST_KEX=(-o KexAlgorithms=curve25519-sha256)
SSH_OPTIONS=(-F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes
    -o UserKnownHostsFile=/root/known_hosts -o StrictHostKeyChecking=yes -o ConnectTimeout=10)

# login KEY [SSH OPTION...] LOGIN@HOST [COMMAND]
login() {
    timeout 60 ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/$1" "${@:2}" 2>&1 </dev/null
}

enters() {
    local output uid
    # shellcheck disable=SC2016 # expanded there
    output=$(login "$1" "${@:3}" "$2@127.0.0.1" 'echo "inside: $USER $(id -u)"') || true
    uid=$(getent passwd "$2" | cut -d: -f3) || true
    if [[ -z $uid || $'\n'$output$'\n' != *$'\n'"inside: $2 $uid"$'\n'* ]]; then
        printf '%s could not enter as %s (uid %s):\n%s\n' "$1" "$2" "${uid:-unknown}" "$output"
        return 1
    fi
}

logins() {
    local begin
    for _ in {1..9}; do
        begin=${EPOCHREALTIME/[.,]/}
        enters bob abcdefghij_stg
        echo "$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))"
    done >/root/times
    note "$1: $(sort -n /root/times | sed -n 5p) ms a login (median of 9)"
}

within() {
    local begin=${EPOCHREALTIME/[.,]/} seconds=$1 pace
    shift
    "$@"
    took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    ((took < seconds * 1000)) && return 0
    # Three of the seconds are for what a login takes anyway: ten times as long as a local user's.
    begin=${EPOCHREALTIME/[.,]/}
    enters stranger ada
    pace=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    echo "it took $took ms, and a local user's login $pace ms: $*"
    ((took < (seconds - 3) * 1000 + 10 * pace))
}

is_traced() { ! grep -q '^TracerPid:.0$' "/proc/$1"/task/*/status; }

refused() {
    local output status=0
    output=$(login "$1" "${@:4}" "$2@127.0.0.1" 'echo "inside"') || status=$?
    # 255 is ssh's own status. An unreachable or broken sshd would be no refusal.
    if [[ $status -ne 255 || $output == *inside* ]] ||
        ! grep -qE 'Permission denied|Connection closed by|Too many authentication' <<<"$output"; then
        printf '%s was not refused as %s (status %s):\n%s\n' "$1" "$2" "$status" "$output"
        return 1
    fi
    [[ -z ${3-} ]] || contains "$output" "$3"
}

as() {
    login "$1" "$2@127.0.0.1" "$3"
}

methods() {
    login stranger -v -o PreferredAuthentications=none "$1@127.0.0.1" |
        sed -n 's/^debug1: Authentications that can continue: \([a-z,-]*\).*/\1/p'
}

sftp_batch() {
    timeout 60 sftp -q "${SSH_OPTIONS[@]}" -P "$SSH_PORT" -i "$KEYS/$1" -b - "$2@127.0.0.1" 2>&1
}

# master_end SOCKET: ends the ssh(1) that shares its connection there. It answers a request to exit before it has ended, and
# its socket remains until then, and refuses all that is asked of it.
master_end() {
    timeout 10 ssh -F /dev/null -S "$1" -O exit x 2>/dev/null
    wait_for test ! -e "$1"
}

same() {
    [[ $1 == "$2" ]] && return 0
    printf 'expected: %s\nbut it is: %s\n' "$1" "$2"
    return 1
}

contains() {
    grep -qE -- "$2" <<<"$1" && return 0
    printf 'nothing matches: %s\nin: %s\n' "$2" "$1"
    return 1
}

fails() {
    if "$@"; then
        echo "did not fail: $*"
        return 1
    fi
}

known() {
    contains "$(getent passwd "$1")" "^$1:[*x]:$2:"
}

# getent(1) has one exit status for both.
nss() {
    perl -e '$_ = shift; $! = 0; my @entry = /^[0-9]+$/ ? getpwuid $_ : getpwnam $_;
        print @entry ? "found" : $! ? "unavailable" : "absent"' "$1"
}

nss_says() { same "$1" "$(nss "$2")"; }

unknown() { nss_says absent "$1"; }

unavailable() { nss_says unavailable "$1"; }

since() {
    local log=${1:-$AUTH_LOG}
    tail -n "+$((${began[$log]:-0} + 1))" "$log"
}

log_has() { since "$1" | grep -qE -- "$2"; }

appears() {
    wait_for log_has "$1" "$2" && return 0
    since "$1"
    return 1
}

has_counted() { (($(since "${3-}" | grep -cE -- "$2") >= $1)); }

counts() {
    wait_for has_counted "$@" || true
    same "$1" "$(since "${3-}" | grep -cE -- "$2")"
}

audited() { log_has "$AUTH_LOG" "$1"; }

audit() { appears "$AUTH_LOG" "$1"; }

in_log() { log_has /var/log/syslog "cloudauthd\[[0-9]+\]: .*($1)"; }

logged() { appears /var/log/syslog "cloudauthd\[[0-9]+\]: .*($1)"; }

requested() { appears "$API_LOG" "$1"; }

api_requests() { since "$API_LOG" | wc -l; }

note() { echo "# $*" >>"$notes"; }

# The state of the file, by which the daemon retires it, is at offset 120 (common/snapshot.h).
snapshot_live() {
    [[ $(dd if="$SNAPSHOT" bs=1 skip=120 count=4 status=none 2>/dev/null) == EVIL ]]
}

snapshot_has() { snapshot_live && grep -qaF -- "$1" "$SNAPSHOT"; }

# Prints "NAME DESCRIPTION" of each test of a file, in order.
tests_of() {
    awk '/^# / { text = substr($0, 3); next }
         /^test_[a-z0-9_]*\(\)/ { sub(/\(.*/, ""); print $0, text }
         { text = "" }' "$1"
}

mark() {
    local count log logs=("$AUTH_LOG" /var/log/syslog "$API_LOG")
    touch "${logs[@]}"
    while read -r count log; do
        began[$log]=$count
    done < <(wc -l "${logs[@]}")
}

# Not called in a condition: that would switch off set -e in the test.
run_test() {
    (
        exec 8>&1
        set -eE
        # Not to stdout, which may be what a word is just reading.
        trap 'echo "failed: line $LINENO of $FUNCNAME: $BASH_COMMAND" >&8' ERR
        rm -f /run/mismatches
        "$1"
        # Of `ctl` within "$(...)", whose status is lost where it is an argument.
        fails grep -s . /run/mismatches
    ) >"$captured" 2>&1
}

# Stops the daemon. Fails if it, or one that was started before it, has not ended as it was asked to, or by KILL (137).
daemons_ended() {
    local file status asked bad=0
    daemon_stop
    for file in "$ENDS"/*[0-9]; do
        [[ -e $file ]] || break
        status=255 asked=-1
        if wait_for test -s "$file"; then read -r status <"$file"; else kill -KILL "${file##*/}"; fi
        if [[ -e $file.asked ]]; then read -r asked <"$file.asked"; fi
        ((status == 137 || status <= asked)) && continue
        echo "cloudauthd (${file##*/}) has ended with status $status (255: not at all), and was not asked to"
        bad=1
    done
    rm -f "$ENDS"/*
    return $bad
}

report() {
    local status=$1 name=$2 text=$3
    count=$((count + 1))
    if [[ $status -eq 0 ]]; then
        echo "ok $count - $text"
        cat "$notes"
        return
    fi
    failed=$((failed + 1))
    echo "not ok $count - $text"
    {
        echo "$name:"
        cat "$captured" "$notes"
        echo "auth.log:"
        since
    } | sed 's/^/    /'
}

# The processor time of the sandbox, in milliseconds: what pid 1 has reaped, and what runs.
computed() {
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); ticks += $12 + $13 + $14 + $15 }
        END { printf "%d", ticks * 1000 / tick }'
}

# With TIMES set, says how long a test took, its host_reset included, and its processor time.
took() {
    [[ -z ${TIMES-} ]] || note "took $(((${EPOCHREALTIME/./} - $1) / 1000)) ms, $(($(computed) - $2)) ms of processor"
}

# Ends the sandbox if one test takes longer than LIMIT seconds, and shows what runs then.
watch_tests() {
    while sleep 5; do
        (($(date +%s) - $(stat -c %Y /root/test) > LIMIT)) || continue
        echo "not ok 0 - $(</root/test): did not end within $LIMIT seconds"
        { ps -ef --forest && cat "$captured"; } | sed 's/^/    /'
        kill -KILL $$
    done
}

# SLOW="PER_MILLE MILLISECONDS [EVERY]": from here on programs stop by chance (tests/sandbox/slow.c), where the daemon's
# AppArmor profile lets every program map a library.
slow_down() {
    local chance most every library
    read -r chance most every <<<"${SLOW-}"
    [[ -n $chance ]] || return 0
    library=/usr/lib/$(cc -print-multiarch)/libslow.so
    cc -D_GNU_SOURCE -O2 -fPIC -shared -DPER_MILLE="$chance" -DMOST="$most" -DEVERY="${every:-0}" -o "$library" \
        "$REPO/tests/sandbox/slow.c" && echo "$library" >/etc/ld.so.preload
}

run_file() {
    local name text status start ran=0
    while read -r name text <&9; do
        [[ -z ${E2E-} || "$name $text" =~ $E2E ]] || continue
        : >"$notes"
        echo "$name" >/root/test
        start=${EPOCHREALTIME/./}
        [[ -z ${TIMES-} ]] || ran=$(computed)
        host_reset >"$captured" 2>&1
        status=$?
        mark
        if [[ $status -eq 0 ]]; then
            run_test "$name"
            status=$?
        fi
        daemons_ended >>"$captured" 2>&1 || status=1
        took "$start" "$ran"
        report "$status" "$name" "$text"
    done 9< <(tests_of "$1")
}

main() {
    declare -gA began=()
    unset SSH_AUTH_SOCK
    SSH_OPTIONS+=("${FAST_KEX[@]}")
    captured=/root/captured notes=/root/notes count=0 failed=0 LIMIT=${LIMIT:-600}
    : >"$notes"
    # shellcheck source=/dev/null
    . "$1"
    if ! host_up >"$captured" 2>&1 || ! { ! declare -F before_all >/dev/null ||
        before_all >>"$captured" 2>&1; }; then
        report 1 host_up "the host of $(basename "$1" .sh) comes up"
        exit 1
    fi
    slow_down || exit 1
    echo host_up >/root/test
    watch_tests &
    disown
    run_file "$1"
    [[ $failed -eq 0 ]]
    exit
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
