# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the unit promises, as far as it can be seen without systemd as pid 1: the daemon says when it can
# be asked, a hung one is restarted, no lookup waits for one that is not there, and the unit is sound.

UNIT=/usr/lib/systemd/system/cloudauthd.service
MANAGED=/root/managed

managed() { grep -qxE -- "$1" "$MANAGED"; }
managed_times() { [[ $(grep -cxE -- "$1" "$MANAGED") -ge $2 ]]; }

# manage SOCKET USEC: the daemon, started by a manager that takes its messages.
manage() {
    daemon_stop
    : >"$MANAGED"
    "$REPO/tests/sandbox/manager.pl" "$1" "$2" "$MANAGED" /usr/sbin/cloudauthd -f \
        </dev/null >>/var/log/cloudauthd.log 2>&1 &
    manager=$!
    trap 'stop "$manager"' EXIT
}

# READY is sent once the daemon answers, and STOPPING at its end
test_ready() {
    manage /run/notify 60000000
    wait_for managed 'READY=1'
    enters alice abcdefghij
    stop "$manager"
    managed 'STOPPING=1'
    managed_times 'started .*' 1
}

# a daemon that pings is left alone, a hung one is restarted; also by an abstract socket
test_hung() {
    local first
    manage @cloudauth/notify 1000000
    wait_for managed_times 'WATCHDOG=1' 4
    fails managed 'hung .*'
    first=$(sed -n 's/^started //p' "$MANAGED")
    enters alice abcdefghij
    kill -STOP "$first"
    wait_for managed "hung $first"
    wait_for managed_times 'READY=1' 2
    same 2 "$(grep '^started ' "$MANAGED" | sort -u | wc -l)"
    enters alice abcdefghij
}

# unreadable variables of systemd are logged, and the daemon runs
test_unreadable_wishes() {
    daemon_stop
    export NOTIFY_SOCKET=run/notify
    daemon_start
    unset NOTIFY_SOCKET
    logged 'NOTIFY_SOCKET: .*told nothing'
    enters alice abcdefghij
}

# waits_not COMMAND...: it ends with status 2 (getent: not found), having asked at the socket and
# waited for nothing: no system call that can wait was made at all.
waits_not() {
    local status=0
    strace -f -o /root/calls "$@" || status=$?
    same 2 $status
    grep -qE 'connect\(.*"/run/cloudauth/socket".* = -1 (ENOENT|ECONNREFUSED)' /root/calls
    fails grep -E 'poll\(|select|epoll|nanosleep|futex\(.*WAIT|recv|flock|F_SETLKW' /root/calls
}

# before the daemon runs a lookup fails at once: it makes no system call that could wait
test_lookup_before_the_daemon() {
    daemon_stop
    rm -rf /run/cloudauth "$SNAPSHOT"
    waits_not getent passwd abcdefghij
    waits_not getent passwd 200001
    waits_not getent group 200001
    install -d -o cloudauth -g cloudauth /run/cloudauth
    # What a daemon that was killed leaves.
    perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0); bind($s, sockaddr_un("/run/cloudauth/socket"))'
    chmod 666 /run/cloudauth/socket
    waits_not getent passwd abcdefghij
}

# systemd accepts the unit: before sshd and nss-user-lookup.target, without a socket unit
test_unit() {
    local said
    said=$(systemd-analyze verify "$UNIT" 2>&1) || true
    fails grep -F cloudauthd <<<"$said"
    contains "$(<$UNIT)" '^Type=notify$'
    contains "$(<$UNIT)" '^WatchdogSec='
    contains "$(<$UNIT)" '^Before=nss-user-lookup.target ssh.service$'
    same '' "$(find /usr/lib/systemd /etc/systemd -name 'cloudauth*.socket')"
}

# systemd accepts the units of the metrics, which are inactive where there is no directory to write to
test_metrics_units() {
    local unit figure
    for unit in "${UNIT%/*}"/cloudauth-metrics.{service,timer}; do
        fails grep -F cloudauth-metrics <<<"$(systemd-analyze verify --man=no "$unit" 2>&1)"
        grep -qx 'ConditionPathIsDirectory=/var/lib/prometheus/node-exporter' "$unit"
    done
    figure=$(systemd-analyze security --offline=true "${UNIT%/*}/cloudauth-metrics.service" |
        grep -oE 'exposure level .*: [0-9.]+')
    note "$figure"
    [[ ${figure##* } == 0.* ]]
}

# docs/security.md has the figure of systemd-analyze security
test_security_figure() {
    local figure
    figure=$(systemd-analyze security --offline=true "$UNIT" | grep -oE 'exposure level .*: [0-9.]+')
    note "$figure"
    grep -qF "**${figure##* }**" "$REPO/docs/security.md"
}
