# shellcheck shell=bash disable=SC2016,SC2119,SC2120 # $key is jq's
# SPDX-License-Identifier: Apache-2.0
# From where and until when people and keys may enter: `from`, `not_before`, `expires_at` and `grant`.
#
# A second network is the client's: there 192.0.2.7, 2001:db8::7 and their neighbours .8 and ::8 reach the host as
# 192.0.2.1 and 2001:db8::1.

# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"
# shellcheck source=tests/sandbox/feed.sh
. "$REPO/tests/sandbox/feed.sh"

in_network() { [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]; }

before_all() {
    local pid
    clocks_up
    unshare --net sleep infinity </dev/null >/dev/null 2>&1 &
    pid=$!
    disown
    echo "$pid" >/root/network
    wait_for in_network "$pid"
    ip link add office type veth peer name eth0 netns "$pid"
    ip address add 192.0.2.1/24 dev office
    ip -6 address add 2001:db8::1/64 dev office nodad
    ip link set office up
    nsenter -t "$pid" -n sh -c 'ip link set lo up; ip address add 192.0.2.7/24 dev eth0; ip address add 192.0.2.8/24 dev eth0
        ip -6 address add 2001:db8::7/64 dev eth0 nodad; ip -6 address add 2001:db8::8/64 dev eth0 nodad; ip link set eth0 up'
    printf 'ListenAddress 192.0.2.1\nListenAddress 2001:db8::1\n' >/etc/ssh/sshd_config.d/50-office.conf
    sshd_stop
    sshd_start
}

# at ADDRESS KEY LOGIN [SSH OPTION...]: what a client with that address sees.
at() {
    local host=192.0.2.1
    [[ $1 != *:* ]] || host=2001:db8::1
    nsenter -t "$(</root/network)" -n timeout 60 ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -b "$1" -i "$KEYS/$2" "${@:4}" \
        "$3@$host" 'echo inside' 2>&1 </dev/null
}
enters_at() { contains "$(at "$@")" '^inside$'; }
# refused_at REGEX ADDRESS KEY LOGIN
refused_at() {
    local output status=0
    output=$(at "${@:2}") || status=$?
    same 255 "$status"
    contains "$output" "$1"
}
# limit_user NAME JSON, limit_key NAME JSON: members of that person of abcdefghij_stg, or of the person's one key.
limit_user() { document abcdefghij staging "(.users[] | select(.username == \"$1\")) += $2"; }
limit_key() {
    document abcdefghij staging "(.users[] | select(.username == \"$1\")) |= (.ssh_keys |= .[:1] | .ssh_keys[0] += $2)"
}
# when SHIFT: a time for a document.
when() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }

# a key is of use inside of its `from`; outside the client reads from where it comes
test_key_from() {
    limit_key alice '{from: ["192.0.2.7", "2001:db8::7"]}'
    enters_at 192.0.2.7 alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*from=192.0.2.7 '
    refused_at 'you may not enter from 192.0.2.8 with this key' 192.0.2.8 alice abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*user=alice .*from=192.0.2.8 .*reason=from-elsewhere'
    enters_at 2001:db8::7 alice abcdefghij_stg
    refused_at 'you may not enter from 2001:db8::8 with this key' 2001:db8::8 alice abcdefghij_stg
    refused alice abcdefghij_stg 'you may not enter from 127.0.0.1 with this key'
    enters_at 192.0.2.8 bob abcdefghij_stg
}

# a person and the person's key both have to allow an address, in blocks and as IPv4-mapped IPv6
test_person_from() {
    limit_user alice '{from: ["::ffff:192.0.2.0/125", "2001:db8::/32"]}'
    enters_at 192.0.2.7 alice abcdefghij_stg
    refused_at 'you may not enter from 192.0.2.8' 192.0.2.8 alice abcdefghij_stg
    enters_at 2001:db8::8 alice abcdefghij_stg
    limit_key alice '{from: ["0.0.0.0/0"]}'
    enters_at 192.0.2.7 alice abcdefghij_stg
    refused_at 'you may not enter from 2001:db8::8' 2001:db8::8 alice abcdefghij_stg
    limit_key alice '{from: ["198.51.100.0/24"]}'
    refused_at 'you may not enter from 192.0.2.7' 192.0.2.7 alice abcdefghij_stg
}

# on a socket of IPv4 and IPv6, as systemd hands it to sshd, IPv4-mapped addresses are those of IPv4
test_mapped() {
    systemd-socket-activate --accept --inetd -l '[::]:2222' /usr/sbin/sshd -i >/dev/null 2>&1 &
    # shellcheck disable=SC2064 # of now
    trap "kill $!" EXIT
    limit_key alice '{from: ["192.0.2.7"]}'
    SSH_PORT=2222 WAIT=10 wait_for enters_at 192.0.2.7 alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*from=192.0.2.7 '
    SSH_PORT=2222 refused_at 'you may not enter from 192.0.2.8 with this key' 192.0.2.8 alice abcdefghij_stg
    limit_key alice '{from: ["::ffff:192.0.2.8"]}'
    SSH_PORT=2222 enters_at 192.0.2.8 alice abcdefghij_stg
    SSH_PORT=2222 refused_at 'you may not enter from 192.0.2.7 with this key' 192.0.2.7 alice abcdefghij_stg
}

# an sFTP account takes a key inside of its `from` alone, and outside gives no line for it
test_sftp_from() {
    limit_key media-agency '{from: ["127.0.0.1"]}'
    sftp_batch media-agency abcdefghij_stg_sftp <<<'ls'
    limit_key media-agency '{from: ["192.0.2.7"]}'
    mark
    refused media-agency abcdefghij_stg_sftp
    audit 'sshd.* for abcdefghij_stg_sftp with correct key but not from a permitted host'
    fails contains "$(since)" 'grant account=abcdefghij_stg_sftp'
}

# a key of `from` that is offered first elsewhere does not keep out a key of the same person without one
test_other_key() {
    document abcdefghij staging "(.users[] | select(.username == \"alice\")) |= (.ssh_keys[0].from = [\"192.0.2.7\"] |
        .ssh_keys += [{value: \"$(cat "$KEYS/stranger.pub")\"}])"
    enters_at 192.0.2.8 alice abcdefghij_stg -i "$KEYS/stranger"
}

# two people have one key, each from another address: each enters as who that is
test_shared_key() {
    document abcdefghij staging '(.users[] | select(.username == "alice").ssh_keys[0].value) as $key |
        (.users[] | select(.username == "alice")).from = ["192.0.2.7"] |
        (.users[] | select(.username == "bob")) |= (.ssh_keys += [{value: $key}] | .from = ["192.0.2.8"])'
    enters_at 192.0.2.7 alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*from=192.0.2.7 '
    enters_at 192.0.2.8 alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=bob .*from=192.0.2.8 '
    refused alice abcdefghij_stg 'you may not enter from 127.0.0.1'
}

# the proxy of a jump is where the client comes from
test_jump() {
    limit_key alice '{from: ["192.0.2.1"]}'
    refused_at 'you may not enter from 192.0.2.7' 192.0.2.7 alice abcdefghij_stg
    # ada has a login of her own on this host, and goes on from it.
    install -d -m 700 -o ada /home/ada /home/ada/.ssh
    install -m 600 -o ada "$KEYS/stranger.pub" /home/ada/.ssh/authorized_keys
    contains "$(nsenter -t "$(</root/network)" -n timeout 60 ssh "${SSH_OPTIONS[@]}" -i "$KEYS/alice" \
        -o "ProxyCommand=ssh ${SSH_OPTIONS[*]} -i $KEYS/stranger -W %h:%p ada@192.0.2.1" \
        abcdefghij_stg@192.0.2.1 'echo inside' 2>&1)" '^inside$'
}

# UseDNS yes: a name is no address, whatever it is called; others enter
test_use_dns() {
    local real=/etc/hosts
    cp $real /root/hosts.before
    trap 'cp /root/hosts.before /etc/hosts; sshd_stop; sshd_start' EXIT
    echo '192.0.2.7 office.example.com' >>$real
    sshd_stop
    sshd_start -o UseDNS=yes
    limit_user alice '{from: ["192.0.2.7"]}'
    refused_at 'you may not enter from here with this key' 192.0.2.7 alice abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*user=alice .*from=office.example.com .*reason=from-elsewhere'
    enters_at 192.0.2.7 bob abcdefghij_stg
}

# what cannot be read of `from` and of the times closes the key, or keeps out the person, and check says so
test_unreadable() {
    local bad said
    for bad in '{from: "127.0.0.1"}' '{from: ["localhost"]}' '{from: ["127.0.0.1", "127.0.0.1/8"]}' '{from: []}' \
        '{not_before: "yesterday"}' '{not_before: 1}' '{expires_at: "2099"}'; do
        document abcdefghij staging "(.users[] | select(.username == \"alice\")).ssh_keys |= [(.[0] | {value} + $bad)] |
            (.users[] | select(.username == \"bob\")) |= del(.from, .not_before, .expires_at) + $bad"
        refused alice abcdefghij_stg
        refused bob abcdefghij_stg
        [[ $bad == *'[]'* ]] || {
            said=$(cloudauthctl check "$ACCESS"/abcdefghij/staging.json 2>&1) || true
            contains "$said" 'users\[0\].ssh_keys\[0\]'
            contains "$said" 'users\[1\][: .]'
        }
        sftp_batch media-agency abcdefghij_stg_sftp <<<'ls'
    done
}

# a person and a key enter within their times, and read when those begin and ended
test_times() {
    limit_user alice "{not_before: \"$(when '-1 hour')\", expires_at: \"$(when '1 hour')\", grant: \"on call, OPS-71\"}"
    enters alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*reason=granted .*grant-reason="on call, OPS-71"'
    limit_key alice '{grant: "OPS-72"}'
    sftp_batch alice abcdefghij_stg_sftp <<<'ls'
    audit 'grant account=abcdefghij_stg_sftp .*user=alice .*grant-reason=OPS-72'
    limit_user alice '{not_before: "2099-01-01T00:00:00Z", expires_at: null}'
    refused alice abcdefghij_stg 'your access begins on 2099-01-01 00:00 UTC'
    audit 'refuse account=abcdefghij_stg .*user=alice .*reason=too-early'
    limit_user alice '{not_before: null, expires_at: "2026-01-01T00:00:00Z"}'
    refused alice abcdefghij_stg 'your access ended on 2026-01-01 00:00 UTC'
    audit 'refuse account=abcdefghij_stg .*user=alice .*reason=person-expired'
}

# an open session ends when the person's time does, and others go on
test_session_ends() {
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    limit_user alice "{expires_at: \"$(when '4 seconds')\"}"
    WAIT=40 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=person-expired'
    lives b
    hang_up
}

# an open session ends where the document no longer allows its address
test_session_from() {
    stays a alice abcdefghij_stg
    limit_user alice '{from: ["192.0.2.0/24"]}'
    WAIT=40 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=from-elsewhere'
    hang_up
}

# no step of the clock, back or forth, makes a time last longer, of a login, an open session, or across a restart
test_clock_steps() {
    daemon_stop
    CLOUDAUTHD=/root/cloudauthd daemon_start
    limit_user alice "{expires_at: \"$(when '1 hour')\"}"
    stays a alice abcdefghij_stg
    clocks -86400 3700
    WAIT=40 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=person-expired'
    refused alice abcdefghij_stg 'your access ended'
    clocks 3700 3700
    refused alice abcdefghij_stg 'your access ended'
    clocks -86400 3700
    refused alice abcdefghij_stg 'your access ended'
    clocks 0 0 # as if it had been put back while no daemon ran
    enters bob abcdefghij_stg
    limit_user alice "{expires_at: \"$(when '-1 hour')\"}"
    daemon_stop
    CLOUDAUTHD=/root/cloudauthd daemon_start
    refused alice abcdefghij_stg 'your access ended'
    daemon_stop
    echo '-86400 0' >/run/clocks
    CLOUDAUTHD=/root/cloudauthd daemon_start
    refused alice abcdefghij_stg
    rm -f /run/clocks
}

# nor does a step back before the first login: the daemon itself looks at the clock
test_clock_steps_unseen() {
    daemon_stop
    echo '7200 0' >/run/clocks
    CLOUDAUTHD=/root/cloudauthd daemon_start
    limit_user alice "{expires_at: \"$(when '1 hour')\"}"
    clocks 0 0
    refused alice abcdefghij_stg 'your access ended'
    rm -f /run/clocks
}

# reports_ahead COMMAND...: whether it reports that the clock was two hours ahead, with the remedy
reports_ahead() {
    { "$@" --json || true; } >/root/reported
    grep -q 'was 7[12][0-9][0-9] seconds ahead' /root/reported &&
        grep -q 'cloudauthctl refresh --all && systemctl restart' /root/reported
}

# a clock that was two hours ahead and is set right ends rights early: status and doctor say so, and what ends that
test_clock_was_ahead() {
    daemon_stop
    echo '7200 0' >/run/clocks
    CLOUDAUTHD=/root/cloudauthd daemon_start
    limit_user alice "{expires_at: \"$(when '1 hour')\"}"
    enters bob abcdefghij_stg
    enters alice abcdefghij
    if reports_ahead cloudauthctl status; then return 1; fi
    clocks 0 0
    refused alice abcdefghij_stg 'your access ended'
    reports_ahead cloudauthctl status
    reports_ahead cloudauthctl doctor abcdefghij
    daemon_stop
    CLOUDAUTHD=/root/cloudauthd daemon_start
    refused alice abcdefghij_stg 'your access ended'
    cloudauthctl refresh --all
    daemon_stop
    CLOUDAUTHD=/root/cloudauthd daemon_start
    enters alice abcdefghij_stg
    if reports_ahead cloudauthctl status; then return 1; fi
    rm -f /run/clocks
}

# the API's clock says whether a clock that was put back had been ahead, or is behind now
test_clock_by_api() {
    echo '7200 0' >/run/clocks
    CLOUDAUTHD=/root/cloudauthd api_rechecks
    limit_user alice "{expires_at: \"$(when '1 hour')\"}"
    refused alice abcdefghij_stg 'your access ended'
    clocks 0 0
    WAIT=40 wait_for enters alice abcdefghij_stg
    daemon_stop
    CLOUDAUTHD=/root/cloudauthd daemon_start
    enters alice abcdefghij_stg
    limit_user alice "{expires_at: \"$(when '-1 minute')\"}"
    clocks -86400 0
    refused alice abcdefghij_stg 'your access ended'
    rm -f /run/clocks
}

# explain says what an address changes
test_explain_from() {
    limit_user alice '{from: ["192.0.2.0/24"]}'
    same granted "$(cloudauthctl explain --json --from 192.0.2.7 abcdefghij_stg "$KEYS/alice.pub" | jq -r .decision)"
    same granted "$(cloudauthctl explain --json abcdefghij_stg "$KEYS/alice.pub" | jq -r .decision)"
    cloudauthctl explain --json --from 198.51.100.7 abcdefghij_stg "$KEYS/alice.pub" >/root/explained || true
    same from-elsewhere "$(jq -r .decision /root/explained)"
    same 'you may not enter from 198.51.100.7 with this key' "$(jq -r .message /root/explained)"
    contains "$(cloudauthctl explain --from office.example.com abcdefghij_stg "$KEYS/alice.pub" 2>&1)" 'not an IP address'
}

# user add and key add write the limits, and refuse what a host could not read
test_options() {
    cloudauthctl user add --role admin --from 192.0.2.0/24,2001:db8::7 --not-before 2026-01-01T00:00:00Z \
        --expires 2099-01-01T00:00:00Z --grant 'OPS-71' abcdefghij_stg eve
    cloudauthctl key add --from 192.0.2.7 --grant 'the laptop' abcdefghij_stg eve "$KEYS/stranger.pub"
    same '[["192.0.2.0/24","2001:db8::7"],"2026-01-01T00:00:00Z","2099-01-01T00:00:00Z","OPS-71",["192.0.2.7"],"the laptop"]' \
        "$(jq -c '.users[] | select(.username == "eve") | [.from, .not_before, .expires_at, .grant, .ssh_keys[0].from, .ssh_keys[0].grant]' \
            "$ACCESS"/abcdefghij/staging.json)"
    enters_at 192.0.2.7 stranger abcdefghij_stg
    refused_at 'you may not enter from 192.0.2.8' 192.0.2.8 stranger abcdefghij_stg
    contains "$(cloudauthctl user add --from 192.0.2.7/24 abcdefghij_stg zoe 2>&1)" 'not an IP address or block'
    contains "$(cloudauthctl key add --not-before soon abcdefghij_stg eve "$KEYS/bob.pub" 2>&1)" 'not_before: not an RFC 3339 date-time'
}

# ---- How long a session lasts ------------------------------------------------------------------------

with_session() {
    daemon_stop
    rm -f /run/clocks
    CLOUDAUTHD=/root/cloudauthd daemon_start
    document abcdefghij staging ".session = $1"
}
says() { grep -q "$2" "/root/$1.out"; }

# a session ends when it has lasted max_seconds, a minute after a warning on its terminal, and so does one of sFTP
test_session_max() {
    with_session '{max_seconds: 3600}'
    command='echo inside; exec cat' stays a alice abcdefghij_stg -tt
    stays_sftp s media-agency abcdefghij_stg_sftp
    clocks 3550 3550
    wait_for says a 'cloudauth ends this session in a minute: a session here may last 3600 seconds'
    lives a
    clocks 3610 3610
    wait_for ended a
    says a 'cloudauth ends this session: a session here may last 3600 seconds'
    audit 'end account=abcdefghij_stg .*user=alice .*reason=session-max'
    audit 'end account=abcdefghij_stg_sftp .*user=media-agency .*reason=session-max'
    hang_up
}

# an end of max_seconds that was under way when the daemon was restarted, and the clock set back, is kept
test_session_max_restart() {
    with_session '{max_seconds: 3600}'
    stays a alice abcdefghij_stg
    daemon_stop
    echo '-86400 3610' >/run/clocks
    CLOUDAUTHD=/root/cloudauthd daemon_start
    wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=session-max'
    hang_up
}

# a session ends when nothing was typed for idle_seconds; input puts that off, and without a terminal it has no end
test_session_idle() {
    local tty
    with_session '{idle_seconds: 600}'
    command='echo inside; tty; exec cat' stays a alice abcdefghij_stg -tt
    wait_for says a /dev/pts/
    tty=$(grep -o '/dev/pts/[0-9]*' /root/a.out)
    clocks 560 560
    wait_for says a 'cloudauth ends this session in a minute: nothing was typed for 600 seconds'
    typed_at=$(stat -c %X "$tty")
    wait_for typed "$tty"
    clocks 680 680
    # It was looked at: the next warning says so.
    clocks 1120 1120
    WAIT=30 wait_for warned_twice
    lives a
    clocks 1300 1300
    wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=session-idle'
    hang_up
    with_session '{idle_seconds: 600}'
    stays b bob abcdefghij_stg
    clocks 1300 1300
    enters alice abcdefghij_stg
    clocks 2600 2600
    enters alice abcdefghij_stg
    lives b
    hang_up
}
# so does one whose terminal takes no messages (mesg n), and without a warning
test_session_idle_mesg() {
    with_session '{idle_seconds: 600}'
    command='mesg n; echo inside; stat -c %A "$(tty)"; exec cat' stays a alice abcdefghij_stg -tt
    wait_for says a crw-------
    clocks 1300 1300
    wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=session-idle'
    fails grep -q 'cloudauth ends' /root/a.out
    hang_up
}
# The kernel keeps the time of input to 8 seconds.
typed() {
    echo x >&8
    [[ $(stat -c %X "$1") != "$typed_at" ]]
}
warned_twice() { [[ $(grep -c 'in a minute' /root/a.out) -ge 2 ]]; }

# a limit of sessions that cannot be read lets no session begin, and the open ones end
test_session_unreadable() {
    local bad
    stays a alice abcdefghij_stg
    for bad in 1 '{max_seconds: "1h"}' '{max_seconds: 0}' '{idle_seconds: 59}' '{idle_seconds: -1}' '{max_seconds: 1.5}'; do
        document abcdefghij staging ".session = $bad"
        refused alice abcdefghij_stg 'SSH is off for environment staging'
        refused media-agency abcdefghij_stg_sftp
        contains "$(cloudauthctl check "$ACCESS"/abcdefghij/staging.json 2>&1)" 'session'
    done
    wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=access-off'
    document abcdefghij staging '.session = {max_seconds: 3600, idle_seconds: null}'
    enters alice abcdefghij_stg
    hang_up
}
