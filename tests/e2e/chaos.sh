# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# People log in while API, feed, daemon, disk and clock break at random. CHAOS=600 takes ten minutes, SEED is the order
# of the faults.

# shellcheck source=tests/sandbox/feed.sh
. "$REPO/tests/sandbox/feed.sh"

CHAOS=${CHAOS:-42} SEED=${SEED:-1}
STATE=/var/lib/cloudauth

before_all() {
    feed_up
    clocks_up
    # shellcheck disable=SC2016 # nginx expands it
    sed -i 's/\$time_iso8601/$msec/' /root/nginx.conf
    nginx -c /root/nginx.conf -s reload
}

api_stops() { pkill -STOP -P "$(cat /run/nginx.pid)"; }
api_goes_on() { pkill -CONT -P "$(cat /run/nginx.pid)"; }
api_ends() { nginx_stop; }
api_begins() { nginx -c /root/nginx.conf && wait_for test -s /run/nginx.pid; }
daemon_killed() {
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
}
daemon_back() { CLOUDAUTHD=/root/cloudauthd daemon_start; }
disk_fills() { dd if=/dev/zero of=$STATE/fill bs=4k 2>/dev/null || true; }
disk_empties() { rm -f $STATE/fill; }

judged() { wrong=$1; }

# The time since boot never goes back.
clocks_go() { clocks "$1" "$((boot += $2))"; }

unmount() {
    daemon_stop
    rm -f /run/clocks
    umount $STATE
}

# fifty people at twenty environments, while everything breaks: none enters who may not, and in the calm all who may
test_chaos() {
    local command wrong='' boot=0
    daemon_stop
    mount -t tmpfs -o size=4m,mode=755 tmpfs $STATE
    trap unmount EXIT
    chown cloudauth: $STATE
    # shellcheck disable=SC2119 # no settings
    CLOUDAUTHD=/root/cloudauthd by_feed
    coproc python3 "$REPO/tests/sandbox/chaos.py" "$CHAOS" "$SEED" "$ACCESS" "$KEYS" "$API_LOG"
    while [[ -z $wrong ]] && read -r command <&"${COPROC[0]}"; do
        if [[ $command == '# '* ]]; then
            note "${command#\# }"
            continue
        fi
        $command
        echo $? >&"${COPROC[1]}"
    done
    same 0 "${wrong:-not judged}"
}
