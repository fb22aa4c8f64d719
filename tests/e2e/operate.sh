# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What operators do on a running host: sessions, a uid that moves.

# shellcheck source=tests/sandbox/ctl.sh
. "$REPO/tests/sandbox/ctl.sh"

declare -A client=()

# stays NAME KEY LOGIN: opens a session that stays, as process ${client[NAME]}.
stays() {
    rm -f "/root/$1.out"
    ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/$2" "$3@127.0.0.1" \
        'echo inside; exec sleep 600' >"/root/$1.out" 2>&1 </dev/null &
    client[$1]=$!
    wait_for grep -q inside "/root/$1.out"
}

has_ended() { ! kill -0 "${client[$1]}" 2>/dev/null; }

open_are() { [[ $(cloudauthctl sessions --json | jq '.sessions | length') == "$1" ]]; }

# A command without a terminal outlives its client: the daemon ends it.
hang_up() {
    local name
    cloudauthctl sessions --end-user alice bob >/dev/null || true
    for name in "${!client[@]}"; do
        kill "${client[$name]}" 2>/dev/null || true
        wait "${client[$name]}" 2>/dev/null || true
    done
    wait_for open_are 0
}

# session_of USER: the id of the user's session.
session_of() { cloudauthctl sessions --json | jq -r ".sessions[] | select(.user == \"$1\") | .session"; }

# ---- sessions --------------------------------------------------------------------------------------

# sessions lists user, time, client, key and process of all sessions, or of one account
test_sessions_list() {
    local fingerprint said
    same 0 "$(ctl 0 sessions --json | jq '.sessions | length')"
    same '' "$(ctl 0 sessions)"
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    stays c alice abcdefghij
    wait_for open_are 3
    fingerprint=$(ssh-keygen -lf "$KEYS/bob.pub" | cut -d' ' -f2 | sed "s/+/[+]/g")
    said=$(ctl 0 sessions)
    contains "$said" '^session +account +user +since +from +pid +key +cert +state$'
    contains "$said" "^[0-9a-f]{16}  abcdefghij_stg  bob +20[0-9-]+ [0-9:]+ UTC +127.0.0.1 +[0-9]+ +$fingerprint +open$"
    same 'staging shell contributor sshd true' "$(ctl 0 sessions --json |
        jq -r '.sessions[] | select(.user == "bob") |
            "\(.environment) \(.kind) \(.role) \(.service) \(.pid > 1)"')"
    contains "$(ps -o comm= -p "$(cloudauthctl sessions --json | jq '.sessions[0].pid')")" '^sshd(-session)?$'
    same 'alice bob' "$(ctl 0 sessions abcdefghij_stg --json | jq -r '[.sessions[].user] | join(" ")')"
    same 1 "$(ctl 0 sessions abcdefghij/production --json | jq '.sessions | length')"
    same 0 "$(ctl 0 sessions nobody --json | jq '.sessions | length')"
    contains "$(as_nobody cloudauthctl sessions 2>&1 || true)" 'only root may ask'
    hang_up
}

# a document's bytes do not reach the operator's terminal as control characters
test_sessions_foreign() {
    document abcdefghij staging '.users |= map(.mail = "evil\u202e\u2028\" x=\\ \ud83d\ude00")'
    stays b bob abcdefghij_stg
    wait_for open_are 1
    same '"evil\u202e\u2028\" x=\\ \ud83d\ude00"' \
        "$(ctl 0 sessions --json | jq -a '.sessions[0].mail')"
    fails env LC_ALL=C grep -qP '\xe2\x80[\xae\xa8]' <(cloudauthctl sessions --json)
    hang_up
}

# sessions --end ends one session and no other; the audit line names root
test_sessions_end() {
    local id
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for open_are 2
    id=$(session_of alice)
    same "$id ending" "$(ctl 0 sessions --end "$id" --json | jq -r '.ended[] | "\(.session) \(.state)"')"
    wait_for has_ended a
    audit "end account=abcdefghij_stg .*user=alice .*reason=ended-by-operator .*detail=\"root ended it with cloudauthctl\" session=$id"
    wait_for open_are 1
    fails has_ended b
    contains "$(ctl 1 sessions --end "$id")" "there is no session $id"
    contains "$(ctl 1 sessions --end 'x; rm')" 'there is no session x; rm'
    contains "$(ctl 2 sessions --end)" '^usage'
    contains "$(ctl 2 sessions --end x --end-user y)" '^usage'
    contains "$(as_nobody cloudauthctl sessions --end "$(session_of bob)" 2>&1 || true)" 'only root'
    fails has_ended b
    hang_up
}

# sessions --end-user ends all sessions of a user, by name or id, on every account
test_sessions_end_user() {
    stays a alice abcdefghij_stg
    stays c alice abcdefghij
    stays b bob abcdefghij_stg
    wait_for open_are 3
    same 2 "$(ctl 0 sessions --end-user alice --json | jq '.ended | length')"
    wait_for has_ended a
    wait_for has_ended c
    fails has_ended b
    wait_for open_are 1
    contains "$(ctl 1 sessions --end-user alice)" 'alice has no session here'
    contains "$(ctl 1 sessions --end-user nobody \
        "$(cloudauthctl sessions --json | jq -r '.sessions[0].user_id')" 2>&1)" 'nobody has no session here'
    wait_for has_ended b
    hang_up
}

# ---- in the background -----------------------------------------------------------------------------

reloaded() { since /var/log/syslog | grep -q 'settings reloaded'; }

# without -f the daemon answers when its parent returns, handles signals, and ends by SIGTERM
test_background() {
    local pid
    daemon_stop
    cloudauthd
    daemon_answers
    pid=$(pgrep -x cloudauthd)
    echo "$pid" >/run/cloudauthd.pid
    same $'/dev/null\n/dev/null\n/' "$(readlink "/proc/$pid/fd/0" "/proc/$pid/fd/2" "/proc/$pid/cwd")"
    enters alice abcdefghij
    mark
    echo 'max_stale = 2h' >>"$CONF"
    kill -HUP "$pid"
    wait_for reloaded
    kill -TERM "$pid"
    wait_for gone "$pid"
    daemon_stop
    # The parent says where it does not come up.
    chown root:root /var/lib/cloudauth/owners
    fails cloudauthd
    chown cloudauth: /var/lib/cloudauth/owners
    echo 'nonsense = 1' >>"$CONF"
    fails cloudauthd
}

# ask_rebind PAGE: the status of the daemon's own answer, without what cloudauthctl looks at before.
ask_rebind() {
    perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0) or die;
        connect($s, sockaddr_un("/run/cloudauth/socket")) or die;
        send($s, pack("a4 C4 V/a* x V", "CLDA", 1, 43, 0, 0, "abcdefghij/staging", $ARGV[0]), 0);
        recv($s, my $answer, 131072, 0); print unpack("x6 C", $answer)' "$1"
}

# ---- rebind ----------------------------------------------------------------------------------------

# a changed uid is refused until rebind, which names the files with the old one
test_rebind() {
    local said
    enters alice abcdefghij_stg
    touch /app/abcdefghij_stg/old
    chown 200002:200002 /app/abcdefghij_stg/old
    document abcdefghij staging '.account.uid = 200042 | .account.gid = 200043'
    cloudauthctl refresh abcdefghij_stg >/dev/null || true
    contains "$(ctl 1 status)" 'uid:gid changed from 200002:200002 to 200042:200043'
    same 'abcdefghij_stg 200002' "$(ctl 0 rebind --dry-run abcdefghij_stg --json |
        jq -r '"\(.would_release) \(.old_uid)"')"
    known abcdefghij_stg 200002
    said=$(ctl 0 rebind --json abcdefghij_stg)
    same '200002 200042 200043' "$(jq -r '"\(.old_uid) \(.uid) \(.gid)"' <<<"$said")"
    same "find /app/abcdefghij_stg -xdev -uid 200002 -execdir chown -h 200042:200043 {} +" \
        "$(jq -r .remedy <<<"$said")"
    wait_for known abcdefghij_stg 200042
    wait_for unknown 200002
    eval "$(jq -r .remedy <<<"$said")"
    same '200042 200043' "$(stat -c '%u %g' /app/abcdefghij_stg/old)"
    enters alice abcdefghij_stg
    ctl 0 status
    daemon_stop
    daemon_start
    # A login that begins in the clock tick of the daemon's start is told to come again.
    wait_for enters alice abcdefghij_stg
    same 200042 "$(getent passwd abcdefghij_stg | cut -d: -f3)"
    contains "$(ctl 1 rebind abcdefghij_stg9)" 'not-bound: no uid is bound'
    contains "$(ctl 1 rebind ada)" 'refused|local|not-ours'
    chown -R 200002:200002 /app/abcdefghij_stg
}

# what rebind has root run changes no file elsewhere, whatever a person makes a link to there meanwhile
test_rebind_links() {
    local home=/app/abcdefghij_stg remedy
    enters alice abcdefghij_stg
    wait_for open_are 0
    document abcdefghij staging '.account.uid = 200042 | .account.gid = 200042'
    remedy=$(ctl 0 rebind --json abcdefghij_stg | jq -r .remedy)
    mkdir "$home/d" /root/etc /root/bin
    touch "$home/d/shadow" /root/etc/shadow
    chown -R 200002:200002 "$home/d"
    # As a person does who has seen chown(1) start.
    printf '#!/bin/sh\n[ -L %s/d ] || { mv %s/d %s/moved && ln -s /root/etc %s/d; }\nexec /bin/chown "$@"\n' \
        "$home" "$home" "$home" "$home" >/root/bin/chown
    chmod 755 /root/bin/chown
    (PATH=/root/bin:$PATH && eval "$remedy") || true
    test -L "$home/d"
    same 0 "$(stat -c %u /root/etc/shadow)"
    eval "$remedy"
    same '200042 200042 0' "$(stat -c %u "$home/moved" "$home/moved/shadow" /root/etc/shadow | xargs)"
    rm -r "$home/d" "$home/moved" /root/etc /root/bin
    chown -hR 200002:200002 "$home"
}

# rebind refuses while a session or a process has the uid, unless --force is given
test_rebind_in_use() {
    stays a alice abcdefghij_stg
    wait_for open_are 1
    document abcdefghij staging '.account.uid = 200042 | .account.gid = 200042'
    contains "$(ctl 1 rebind abcdefghij_stg)" 'has 1 open sessions'
    same 3 "$(ask_rebind 1)"
    hang_up
    setpriv --reuid=200002 --regid=200002 --clear-groups sleep 600 &
    wait_for grep -q '^Uid:.*200002' "/proc/$!/status"
    contains "$(ctl 1 rebind abcdefghij/staging)" "1 processes have uid 200002: $!"
    known abcdefghij_stg 200002
    contains "$(ctl 0 rebind --force abcdefghij/staging)" 'they keep the old uid'
    wait_for known abcdefghij_stg 200042
    kill "$!"
}

# rebind right after a logout: a session that is ending does not count, however long sshd takes for it
test_rebind_after_logout() {
    local monitor
    stays a alice abcdefghij_stg
    wait_for open_are 1
    monitor=$(cloudauthctl sessions --json | jq -r '.sessions[0].pid')
    kill -STOP "$monitor"
    kill "${client[a]}" "$(pgrep -u 200002 -x sleep)"
    cloudauthctl rebind abcdefghij_stg >/root/rebound 2>&1 &
    wait_for grep -q 'waiting 3 seconds for sessions that are ending' /root/rebound
    kill -CONT "$monitor"
    wait "$!" || {
        cat /root/rebound
        return 1
    }
}

# while a release is being written no session opens: neither a login that PAM had granted before, nor a later one
test_rebind_meanwhile() {
    local strace ssh rebind
    cp /etc/pam.d/sshd /root/sshd.pam
    trap 'cp /root/sshd.pam /etc/pam.d/sshd' EXIT
    printf '#!/bin/sh\ntouch /root/begun\nuntil [ -e /root/go ]; do sleep 0.05; done\n' >/root/hold
    chmod 755 /root/hold
    sed -i '1i session optional pam_exec.so /root/hold' /etc/pam.d/sshd
    login alice abcdefghij_stg@127.0.0.1 'echo inside' >/root/under_way.out &
    ssh=$!
    wait_for test -e /root/begun
    strace -f -qq -p "$(daemon_pid)" -o /dev/null -P /var/lib/cloudauth/owners -e trace=lseek \
        -e inject=lseek:delay_enter=600s &
    strace=$!
    wait_for is_traced "$(daemon_pid)"
    cloudauthctl rebind abcdefghij_stg >/root/rebound 2>&1 &
    rebind=$!
    wait_for writes_owners
    touch /root/go
    fails wait "$ssh"
    contains "$(</root/under_way.out)" 'connect again'
    refused alice abcdefghij_stg 'connect again'
    counts 2 'refuse account=abcdefghij_stg .*user=alice .*reason=ids-changed'
    kill "$strace"
    wait "$strace" || true
    wait "$rebind" || true # it waits 10 seconds for the daemon
    logged 'the binding of uid 200002 and gid 200002 to abcdefghij/staging is released'
    wait_for enters alice abcdefghij_stg
    wait_for unused 200002
    rm /root/hold /root/begun /root/go
}

unused() { ! pgrep -u "$1"; }

writes_owners() { find "/proc/$(daemon_pid)/fd" -lname /var/lib/cloudauth/owners | grep -q .; }

# rebind gives the uid of an environment that is gone to another one
test_rebind_given_away() {
    enters alice abcdefghij
    rm "$ACCESS/abcdefghij/production.json"
    ctl 1 refresh abcdefghij
    document abcdefghij staging '.account.uid = 200001 | .account.gid = 200001'
    unavailable abcdefghij_stg
    ctl 3 rebind abcdefghij/production
    wait_for known abcdefghij_stg 200001
    contains "$(ctl 1 rebind abcdefghij/production)" 'not-bound'
}

# a binding that the API still names is bound again at once; no other environment can have it
test_rebind_same() {
    enters alice abcdefghij_stg
    wait_for open_are 0
    contains "$(ctl 0 rebind abcdefghij_stg)" 'nothing has changed'
    mkdir -p "$ACCESS/abcdefghij"
    document abcdefghij staging2 '.account.uid = 200002 | .account.gid = 200002'
    unavailable abcdefghij_stg2
    known abcdefghij_stg 200002
}

# a login that began before the rebind does not run as the old uid, which another environment has by then
test_rebind_under_way() {
    local ssh
    cp "$KEYS/alice" /root/locked
    ssh-keygen -q -p -P '' -N anything -f /root/locked
    cp "$KEYS/alice.pub" /root/locked.pub
    # The key has been offered by then, and sshd has looked the account up.
    printf '#!/bin/bash\ntouch /root/begun\nuntil [[ -e /root/go ]]; do sleep 0.05; done\necho anything\n' \
        >/root/askpass
    chmod 755 /root/askpass
    SSH_ASKPASS=/root/askpass SSH_ASKPASS_REQUIRE=force timeout 60 \
        ssh -o BatchMode=no "${SSH_OPTIONS[@]}" -o NumberOfPasswordPrompts=1 -p "$SSH_PORT" -i /root/locked \
        abcdefghij_stg@127.0.0.1 id -u >/root/under_way.out 2>&1 </dev/null &
    ssh=$!
    wait_for test -e /root/begun
    document abcdefghij staging '.account.uid = 200042 | .account.gid = 200042'
    ctl 0 rebind abcdefghij_stg
    document abcdefghij production '.account.uid = 200002 | .account.gid = 200002'
    known abcdefghij 200002
    touch /root/go
    fails wait "$ssh"
    fails grep -x 200002 /root/under_way.out
    grep 'connect again' /root/under_way.out
    audit 'refuse account=abcdefghij_stg .*user=alice .*service=sshd reason=ids-changed'
    enters alice abcdefghij_stg
    enters alice abcdefghij
    rm /root/locked* /root/askpass /root/begun /root/go
}

# released, and the API not asked since: the first login binds the new uid and is refused once
test_rebind_asked_by_login() {
    enters alice abcdefghij_stg
    wait_for open_are 0
    same 1 "$(ask_rebind 1)"
    refused alice abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*user=alice .*service=sshd reason=ids-changed'
    wait_for enters alice abcdefghij_stg
    wait_for open_are 0
    contains "$(ctl 0 rebind --dry-run abcdefghij_stg)" 'old_uid: 200002'
}

# a released binding stays released when the daemon is killed
test_rebind_killed() {
    local i pid
    for i in 1 2 3 4 5; do
        document abcdefghij staging ".account.uid = 20010$i | .account.gid = 20010$i"
        cloudauthctl rebind abcdefghij_stg >/root/rebound 2>&1 || [[ $i == 1 ]]
        pid=$(daemon_pid)
        kill -KILL "$pid"
        wait_for gone "$pid"
        daemon_start
        known abcdefghij_stg "20010$i"
    done
}

# a restart in an outage binds a released uid to no stored document: it is unusable until the API confirms it
test_rebind_outage() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    daemon_stop
    daemon_start
    enters alice abcdefghij_stg
    wait_for open_are 0
    wait_for test -e /var/lib/cloudauth/documents/abcdefghij.staging
    nginx_stop
    same 1 "$(ask_rebind 1)"
    daemon_stop
    daemon_start
    wait_for fails getent passwd abcdefghij_stg
    contains "$(ctl 1 rebind --dry-run abcdefghij_stg)" 'not-bound'
    refused alice abcdefghij_stg
    logged 'document abcdefghij/staging: invalid document: its uid was released'
    document abcdefghij production '.account.uid = 200002 | .account.gid = 200002'
    document abcdefghij staging '.account.uid = 200042 | .account.gid = 200042'
    nginx_start
    wait_for known abcdefghij 200002
    wait_for known abcdefghij_stg 200042
}

# rebind releases nothing if the disk refuses the change
test_rebind_disk() {
    enters alice abcdefghij_stg
    wait_for unused 200002
    document abcdefghij staging '.account.uid = 200042 | .account.gid = 200042'
    mount --bind /var/lib/cloudauth/owners /var/lib/cloudauth/owners
    trap 'umount /var/lib/cloudauth/owners' EXIT
    mount -o remount,bind,ro /var/lib/cloudauth/owners
    contains "$(ctl 3 rebind abcdefghij_stg)" 'not-kept'
    known abcdefghij_stg 200002
    document abcdefghij staging '.account.uid = 200002 | .account.gid = 200002'
    enters alice abcdefghij_stg
    wait_for unused 200002
}
