# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Open sessions: whose they are, and that they end when the API no longer allows them.

STG=abcdefghij_stg@127.0.0.1

# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"
# shellcheck source=tests/sandbox/ctl.sh
. "$REPO/tests/sandbox/ctl.sh"

# ---- A name on every session ---------------------------------------------------------------------

# two users on one login name: the environment, the audit line and the list tell them apart
test_two_people() {
    # shellcheck disable=SC2016 # expanded there
    local words='echo $CLOUDAUTH_PROJECT $CLOUDAUTH_ENVIRONMENT $CLOUDAUTH_USER'
    same "abcdefghij staging alice" "$(as alice abcdefghij_stg "$words" | tail -n 1)"
    same "abcdefghij staging bob" "$(as bob abcdefghij_stg "$words" | tail -n 1)"
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    same 1 "$(sessions | grep -cE 'account=abcdefghij_stg kind=shell .* user=alice .* from=127.0.0.1 since=[0-9]+ service=sshd pid=[0-9]+ state=open$')"
    same 1 "$(sessions | grep -c ' user=bob .* key=SHA256:')"
    fails same "$(session_of alice)" "$(session_of bob)"
    audit 'grant account=abcdefghij_stg .*user=alice'
    audit 'grant account=abcdefghij_stg .*user=bob'
    hang_up
    audit 'close account=abcdefghij_stg .*user=alice .*reason=closed .*session=[0-9a-f]{16}$'
}

# the directory of sessions is full: no session opens, and status says why, until there is space
test_run_full() {
    daemon_stop
    mount -t tmpfs -o size=64k,mode=755 tmpfs /run/cloudauth
    daemon_start
    dd if=/dev/zero of=/run/cloudauth/fill bs=4k 2>/dev/null || true
    contains "$(login alice abcdefghij@127.0.0.1 id 2>&1 || true)" 'cannot be checked right now'
    audit 'refuse account=abcdefghij .*user=alice .*reason=unavailable'
    contains "$(ctl 1 status)" '^critical +the last file of a session could not be written'
    rm /run/cloudauth/fill
    enters alice abcdefghij
    same written "$(field sessions_files 0 status)"
    daemon_stop
    umount /run/cloudauth
}

# a second channel of a ControlMaster belongs to the same user and session
test_control_master() {
    stays a alice abcdefghij_stg -M -S /root/master
    same alice "$(ssh -F /dev/null -S /root/master "$STG" 'echo $CLOUDAUTH_USER' </dev/null 2>&1)"
    same 1 "$(sessions | grep -c ' user=alice ')"
    listed_are 1
    hang_up
}

# an interactive login is greeted with its environment and user; the output of a command is unchanged
test_greeting() {
    local output
    output=$(timeout 60 ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/alice" -tt "$STG" \
        <<<'exit' 2>&1) || true
    contains "$output" 'project abcdefghij, environment staging; you are alice'
    same inside "$(as alice abcdefghij_stg 'echo inside')"
}

# exactly OUTPUT COMMAND...: that, and not one byte more, on stdout; stdin is a terminal's or nothing.
exactly() {
    local output=$1
    shift
    timeout 60 "$@" >/root/stdout 2>/root/stderr </dev/null || { cat /root/stderr && return 1; }
    printf '%s' "$output" | cmp - /root/stdout
    fails grep -q 'you are' /root/stderr
}

# no byte of the greeting reaches a program: commands, with a terminal as well, and copies
test_greeting_not_for_programs() {
    local ssh=(ssh "${SSH_OPTIONS[@]}" -i "$KEYS/alice") home=/app/abcdefghij_stg
    exactly $'hi\n' "${ssh[@]}" "$STG" 'echo hi'
    exactly $'hi\r\n' "${ssh[@]}" -tt "$STG" 'echo hi'
    exactly $'hi\n' "${ssh[@]}" -T "$STG" 'echo hi'
    exactly '' "${ssh[@]}" "$STG" true
    exactly $'ok\nok /\n' sh -c 'echo "realpath /" | "$@"' - \
        "$REPO/tests/sandbox/sftp.pl" "${ssh[@]}" -s "$STG" sftp
    exactly $'ok\nok /\n' sh -c 'echo "realpath /" | "$@"' - "$REPO/tests/sandbox/sftp.pl" \
        ssh "${SSH_OPTIONS[@]}" -i "$KEYS/media-agency" -s abcdefghij_stg_sftp@127.0.0.1 sftp
    exactly '' scp -q "${SSH_OPTIONS[@]}" -i "$KEYS/alice" /etc/hostname "$STG:one"
    exactly '' scp -q -O "${SSH_OPTIONS[@]}" -i "$KEYS/alice" "$STG:one" /root/two
    exactly '' rsync -e "${ssh[*]}" /root/two "$STG:three"
    cmp /etc/hostname $home/three
    as alice abcdefghij_stg 'git init -q --bare shop.git'
    exactly '' env GIT_SSH_COMMAND="${ssh[*]}" git -C / ls-remote "$STG:shop.git"
    rm -r $home/{one,three,shop.git} /root/two
}

# no greeting with .hushlogin, and only one for the first terminal of a shared connection
test_greeting_once() {
    local ssh=(ssh -F /dev/null -S /root/master -tt "$STG") greeting='; you are alice'
    touch /app/abcdefghij_stg/.hushlogin
    fails contains "$(timeout 60 ssh "${SSH_OPTIONS[@]}" -i "$KEYS/alice" -tt "$STG" <<<exit 2>&1)" \
        "$greeting"
    rm /app/abcdefghij_stg/.hushlogin
    ssh "${SSH_OPTIONS[@]}" -i "$KEYS/alice" -M -S /root/master -fN "$STG" >/root/master.out 2>&1 </dev/null
    contains "$("${ssh[@]}" <<<exit 2>&1)" "$greeting"
    fails contains "$("${ssh[@]}" <<<exit 2>&1)" "$greeting"
    master_end /root/master
    fails grep -q "$greeting" /root/master.out
    wait_for listed_are 0
}

# only root may list and end sessions
test_root_only() {
    stays a alice abcdefghij_stg
    wait_for listed_are 1
    fails setpriv --reuid=200002 --regid=200002 --clear-groups "$REPO/tests/sandbox/sessions.pl"
    fails setpriv --reuid=200002 --regid=200002 --clear-groups \
        "$REPO/tests/sandbox/sessions.pl" --end "$(session_of alice)"
    listed_are 1
    lives a
    hang_up
}

# sessions are still listed after the daemon was killed, except those that ended meanwhile
test_survives() {
    local before
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    test -e "/run/cloudauth/sessions/$(session_of bob)"
    test -e "/run/cloudauth/sessions/$(session_of alice)"
    same 700 "$(stat -c %a /run/cloudauth/sessions)"
    before=$(sessions | grep ' user=alice ')
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    kill "${client[b]}"
    wait_for ended b
    wait_for no_monitor_of "$(monitor_from_file bob)"
    daemon_start
    wait_for not_listed ' user=bob '
    same "$before" "$(sessions)"
    audit 'close account=abcdefghij_stg .*user=bob .*reason=gone'
    hang_up
}

monitor_from_file() {
    sed -n 's/^pid //p' "$(grep -l "^user $1\$" /run/cloudauth/sessions/*)"
}
no_monitor_of() { [[ ! -e /proc/$1 ]]; }

# a damaged file loses that one session; it is set aside, and the log says so
test_damaged() {
    local id
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    id=$(session_of alice)
    test -e "/run/cloudauth/sessions/$(session_of bob)"
    test -e "/run/cloudauth/sessions/$id"
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    sed -i 's/^user alice$/user mallo/' "/run/cloudauth/sessions/$id"
    daemon_start
    listed_are 1
    listed ' user=bob '
    logged "session $id is damaged: set aside"
    test -e "/run/cloudauth/sessions/$id.damaged"
    hang_up
}

# a session whose sshd monitor was killed goes on detached while its client is connected, and is gone after it
test_monitor_killed() {
    stays a alice abcdefghij_stg
    wait_for listed_are 1
    kill -KILL "$(sessions | sed -n 's/.* pid=\([0-9]*\) .*/\1/p')"
    wait_for listed ' user=alice .* state=detached$'
    hang_up
    audit 'close account=abcdefghij_stg .*user=alice .*reason=gone'
}

# an operator ends one session, and the other stays
test_operator() {
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    sessions --end "$(session_of alice)"
    WAIT=20 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=ended-by-operator .*session=[0-9a-f]{16}$'
    lives b
    fails sessions --end 0000000000000000
    hang_up
}

# ---- Living revocation ---------------------------------------------------------------------------

tunnel_carries() { contains "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:7000/")" '^[2-5]'; }

# documents that are files: a change ends sessions at once, also that of a directory that is replaced
test_file_changes() {
    configure 'session_recheck = 3600s'
    daemon_stop
    daemon_start
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    document abcdefghij staging "$without_alice"
    wait_for ended a
    cp -a "$ACCESS/abcdefghij" "$ACCESS/aside"
    document aside staging '.users = []'
    mv "$ACCESS/abcdefghij" "$ACCESS/before"
    mv "$ACCESS/aside" "$ACCESS/abcdefghij"
    wait_for ended b
    rm -r "$ACCESS/before"
    hang_up
}

# a removed key: the shell, sFTP session and tunnel of its user end, those of others stay
test_revoked() {
    local monitor
    api_rechecks
    document abcdefghij staging ".forwarding.local = [\"127.0.0.1:$API_PORT\"]"
    stays shell alice abcdefghij_stg
    command='' stays tunnel alice abcdefghij_stg -N -L "7000:127.0.0.1:$API_PORT"
    wait_for tunnel_carries
    stays_sftp sftp alice abcdefghij_stg_sftp
    stays b bob abcdefghij_stg
    wait_for listed_are 4
    monitor=$(sessions | sed -n 's/.* kind=sftp .* pid=\([0-9]*\) .*/\1/p')
    document abcdefghij staging "$without_alice"
    WAIT=20 wait_for ended shell
    WAIT=20 wait_for ended tunnel
    # sftp notices only when it wants something.
    WAIT=20 wait_for no_monitor_of "$monitor"
    echo 'ls /' >&7
    wait_for ended sftp
    exec 7>&-
    fails tunnel_carries
    wait_for listed_are 1
    refused alice abcdefghij_stg
    lives b
    rechecked 2
    lives b
    listed ' user=bob .* state=open$'
    counts 3 'end account=abcdefghij_stg.* user=alice .* reason=key-unknown source=api .* session='
    hang_up
}

# the terminal of an ended session says why
test_terminal() {
    api_rechecks
    command='echo inside; tty; exec cat' stays a alice abcdefghij_stg -tt
    document abcdefghij staging '.environment.status = "paused"'
    WAIT=20 wait_for ended a
    contains "$(cat /root/a.out)" 'cloudauth ends this session: environment staging is paused'
    hang_up
}

# processes that left their terminal and parent are ended as well: setsid, nohup, a double fork
test_left_behind() {
    api_rechecks
    command='(setsid nohup sleep 601 >/dev/null 2>&1 &) ; (trap "" HUP TERM; setsid sleep 602 >/dev/null 2>&1 &) ; echo inside; exec cat' \
        stays a alice abcdefghij_stg
    command='(setsid nohup sleep 603 >/dev/null 2>&1 &) ; echo inside; exec cat' \
        stays b bob abcdefghij_stg
    wait_for pgrep -f '^sleep 601'
    wait_for pgrep -f '^sleep 602'
    wait_for pgrep -f '^sleep 603'
    if [[ $(cat "/proc/$(pgrep -f '^sleep 601')/sessionid") == 4294967295 ]]; then
        echo "pam_loginuid gives no audit session here"
        return 1
    fi
    document abcdefghij staging "$without_alice"
    WAIT=20 wait_for ended a
    WAIT=20 wait_for no_process '^sleep 601'
    # This one ignores HUP and TERM: KILL comes 5 seconds later.
    WAIT=20 wait_for no_process '^sleep 602'
    pgrep -f '^sleep 603'
    lives b
    kill "$(pgrep -f '^sleep 603')"
    hang_up
}
no_process() { ! pgrep -f "$1"; }

# detaches N KEY: a session that its client has left, and whose process `sleep N` goes on.
detaches() {
    as "$2" abcdefghij_stg "setsid nohup sleep $1 >/dev/null 2>&1 &"
    # It may still be a shell, or setsid(1), when its session is detached.
    wait_for pgrep -f "^sleep $1"
    wait_for listed " user=$2 .* state=detached$"
    audit "detach account=abcdefghij_stg .*user=$2 .*reason=processes-left"
}

# a closed session whose processes go on is detached, after a restart too, and ends by revocation, deny and --end
test_detached() {
    api_rechecks
    detaches 605 alice
    detaches 606 bob
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    daemon_start
    listed ' user=alice .* state=detached$'
    document abcdefghij staging "$without_alice"
    WAIT=20 wait_for no_process '^sleep 605'
    audit 'end account=abcdefghij_stg .*user=alice .*reason=key-unknown source=api'
    pgrep -f '^sleep 606'
    cloudauthctl sessions --end-user bob
    WAIT=20 wait_for no_process '^sleep 606'
    wait_for listed_are 0
    detaches 607 bob
    kill "$(pgrep -f '^sleep 607')"
    WAIT=20 wait_for listed_are 0
    audit 'close account=abcdefghij_stg .*user=bob .*reason=closed'
    mark
    detaches 608 bob
    cloudauthctl deny --user bob
    WAIT=20 wait_for no_process '^sleep 608'
    audit 'end account=abcdefghij_stg .*user=bob .*reason=denied'
    wait_for listed_are 0
}

# --leftovers names the processes of an account that belong to no session, and no others
test_leftovers() {
    local other
    stays a alice abcdefghij_stg
    wait_for listed_are 1
    setpriv --reuid=200002 --regid=200002 --clear-groups sleep 609 &
    other=$!
    wait_for grep -q '^Uid:.*200002' "/proc/$other/status"
    wait_for grep -qx sleep "/proc/$other/comm"
    same "$other sleep" "$(cloudauthctl sessions --leftovers abcdefghij_stg --json |
        jq -r '.leftovers[] | "\(.pid) \(.command)"')"
    contains "$(cloudauthctl sessions --leftovers abcdefghij/staging)" "$other"
    kill "$other"
    hang_up
}

# a daemon that is killed while it ends a session: the next one completes that, even without the sshd process
test_end_goes_on() {
    local id
    command='(trap "" HUP TERM; setsid sleep 604 >/dev/null 2>&1 &) ; echo inside; exec cat' \
        stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for pgrep -f '^sleep 604'
    wait_for listed_are 2
    id=$(session_of alice)
    sessions --end "$id"
    # TERM has come, and KILL comes 5 seconds later.
    WAIT=20 wait_for ended a
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    grep '^ending ' "/run/cloudauth/sessions/$id"
    daemon_start
    logged "session $id of alice as abcdefghij_stg: continuing to terminate it"
    WAIT=20 wait_for no_process '^sleep 604'
    wait_for test ! -e "/run/cloudauth/sessions/$id"
    listed_are 1
    lives b
    counts 1 ' end account=abcdefghij_stg.* user=alice '
    hang_up
}

# held FILE: a process of the test's holds it (tests/sandbox/evasive.c).
held() { fails flock -n "$1" true; }

# evasive processes are ended as well: one whose first thread has ended, one that forks all the time
test_evasive() {
    local home=/app/abcdefghij_stg
    api_rechecks
    cc -O2 -pthread -o /usr/local/bin/evasive "$REPO/tests/sandbox/evasive.c"
    command="evasive headless $home/headless; evasive hopping $home/hopping; echo inside; exec cat" \
        stays a alice abcdefghij_stg
    command="evasive hopping $home/bobs; echo inside; exec cat" stays b bob abcdefghij_stg
    held $home/headless
    held $home/hopping
    document abcdefghij staging "$without_alice"
    WAIT=20 wait_for ended a
    WAIT=20 wait_for flock -n $home/headless true
    WAIT=20 wait_for flock -n $home/hopping true
    held $home/bobs
    lives b
    cloudauthctl sessions --end-user bob
    WAIT=20 wait_for flock -n $home/bobs true
    rm $home/headless $home/hopping $home/bobs
    hang_up
    fails contains "$(since /var/log/syslog)" 'cloudauthd gives up|could not be terminated'
}

# a person is revoked in a document that has another one's unreadable key title, person and application
test_revoked_beside_faults() {
    api_rechecks
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    document abcdefghij staging '(.users[] | select(.username == "carol").ssh_keys[0].title) = "lap\ttop" |
        (.users[] | select(.username == "dave").id) = "not an id" | .apps = {"a--b": 1}'
    document abcdefghij staging "$without_alice"
    WAIT=20 wait_for ended a
    refused alice abcdefghij_stg
    audit 'end account=abcdefghij_stg .*user=alice .*reason=key-unknown source=api'
    lives b
    enters bob abcdefghij_stg
    hang_up
}

# The milliseconds that a login to another account takes.
mean_login() {
    local began=${EPOCHREALTIME/./} n
    for n in 1 2 3 4 5; do enters alice abcdefghij || return; done
    echo $(((${EPOCHREALTIME/./} - began) / 5000))
}

# setuid programs of another account's are no way out, real uid or wholly; root's are left, and the log says so
test_setuid() {
    local quiet busy
    api_rechecks
    cc -D_GNU_SOURCE -O2 -o /usr/local/bin/split "$REPO/tests/sandbox/split.c"
    install -m 4755 /usr/local/bin/split /usr/local/bin/split-root
    as alice abcdefghij 'cp /usr/local/bin/split /var/tmp/split; chmod 4755 /var/tmp/split'
    mkdir -m 755 /tmp/many
    touch /tmp/{split,whole,root} /tmp/many/{1..100}
    chmod 644 /tmp/{split,whole,root}
    quiet=$(mean_login)
    # shellcheck disable=SC2016 # expanded there
    command='for n in $(seq 100); do /var/tmp/split split /tmp/many/$n; done; /var/tmp/split split /tmp/split;
        /var/tmp/split whole /tmp/whole; split-root whole /tmp/root; echo inside; exec cat' \
        stays a alice abcdefghij_stg
    held /tmp/split
    held /tmp/whole
    held /tmp/root
    document abcdefghij staging "$without_alice"
    WAIT=20 wait_for ended a
    held /tmp/split
    busy=$(mean_login)
    note "a login to another account: $quiet ms quiet, $busy ms while 102 such processes are being ended"
    WAIT=20 wait_for flock -n /tmp/split true
    WAIT=20 wait_for flock -n /tmp/whole true
    WAIT=20 logged '1 processes that it started as root are left as they are'
    held /tmp/root
    kill "$(pgrep -x split-root)"
    rm -r /tmp/{split,whole,root,many} /var/tmp/split
    hang_up
}

# a paused environment ends all of its sessions, and no others
test_paused() {
    api_rechecks
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    stays p alice abcdefghij
    document abcdefghij staging '.environment.status = "paused"'
    WAIT=20 wait_for ended a
    WAIT=20 wait_for ended b
    lives p
    audit 'end account=abcdefghij_stg .*user=bob .*reason=environment-paused'
    hang_up
}

# a deleted environment ends all of its sessions
test_deleted() {
    api_rechecks
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    rm "$ACCESS/abcdefghij/staging.json"
    WAIT=20 wait_for ended a
    WAIT=20 wait_for ended b
    audit 'end account=abcdefghij_stg .*user=alice .*reason=environment-absent'
    hang_up
}

# a reload ends sessions that allow, reserved names or the range now exclude; a local name ends them without one
test_not_ours() {
    local setting
    api_rechecks 'session_recheck = 3600'
    for setting in 'allow = abcdefghij' 'reserved_names = abcdefghij_stg' 'uid_min = 200003'; do
        cp "$CONF" /root/conf
        stays a alice abcdefghij_stg
        sed -i "/^${setting%% *} = /d" "$CONF"
        echo "$setting" >>"$CONF"
        daemon_reload
        WAIT=20 wait_for ended a
        wait_for listed_are 0
        refused alice abcdefghij_stg
        cp /root/conf "$CONF"
        daemon_reload
    done
    stays a alice abcdefghij_stg
    local_user abcdefghij_stg 1600
    WAIT=20 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=local-user source=none'
    counts 3 ' end account=abcdefghij_stg .* reason=not-ours source=none'
    hang_up
}

# a lowered role ends the session, and the message names the role
test_role() {
    api_rechecks
    stays b bob abcdefghij_stg
    document abcdefghij staging '.users |= map(if .username == "bob" then .role = "viewer" else . end)'
    WAIT=20 wait_for ended b
    audit 'end account=abcdefghij_stg .*user=bob .*reason=role-too-low'
    hang_up
}

# an unreachable API ends no session; once it is back, those of revoked users end
test_api_down() {
    clocks_up
    rm -f /run/clocks
    CLOUDAUTHD=/root/cloudauthd api_rechecks
    # Bob's key runs out in the outage: its end shows that sessions were looked at in it.
    document abcdefghij staging ".users |= map(if .username == \"bob\" then
        .ssh_keys[0].expires_at = \"$(date -u -d '5 minutes' +%Y-%m-%dT%H:%M:%SZ)\" else . end)"
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    nginx_stop
    document abcdefghij staging "$without_alice"
    logged 'project API, abcdefghij/staging: '
    clocks 300 300
    WAIT=30 wait_for ended b
    audit 'end account=abcdefghij_stg .*user=bob .*reason=key-expired source=cache'
    lives a
    fails contains "$(since)" 'end account=.*user=alice'
    nginx_start
    WAIT=30 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=key-unknown source=api'
    hang_up
}

# nor does an answer in which so many environments are absent that it counts as an outage
test_mass_absence() {
    local n
    # Alice's environment is asked about when the others have turned absent: three are believed.
    api_rechecks 'session_recheck = 3600' 'keys_fresh = 0'
    for n in 1 2 3 4 5 6; do
        jq ".environment.name = \"staging$n\" | .account += {uid: $((200100 + n)), gid: $((200100 + n))}" \
            "$ACCESS/abcdefghij/staging.json" >"$ACCESS/abcdefghij/staging$n.json"
        known "abcdefghij_stg$n" $((200100 + n))
    done
    stays a alice abcdefghij_stg
    mv "$ACCESS/abcdefghij" /root/moved
    for n in 1 2 3 4 5 6; do
        echo "keys shell abcdefghij_stg$n $(cut -d' ' -f1,2 "$KEYS/stranger.pub")"
    done | "$REPO/tests/sandbox/ask.pl" 6 /root/sent
    logged 'taken for an outage until confirmed'
    lives a
    echo 'session_recheck = 1' >>"$CONF"
    daemon_reload
    WAIT=20 logged 'project API, abcdefghij/staging: absent, but so many'
    lives a
    listed ' user=alice .* state=open$'
    fails contains "$(since)" 'end account='
    mv /root/moved "$ACCESS/abcdefghij"
    hang_up
}

# a reload with a wrong access_url is no end of all environments: three are believed, sessions and documents of the others stay
test_wrong_url() {
    local n
    api_rechecks
    for n in {3..8}; do
        jq ".environment.name = \"staging$n\" | .account += {uid: 20010$n, gid: 20010$n, home: \"/app/abcdefghij_stg$n\"}" \
            "$ACCESS/abcdefghij/staging.json" >"$ACCESS/abcdefghij/staging$n.json"
        mkdir -p "/app/abcdefghij_stg$n"
        chown "20010$n:20010$n" "/app/abcdefghij_stg$n"
        stays "of$n" alice "abcdefghij_stg$n"
    done
    wait_for listed_are 6
    configure "access_url = http://127.0.0.1:$API_PORT/v1/project/{project}/environments/{environment}/ssh-access" \
        'keys_fresh = 1' 'session_recheck = 1'
    daemon_reload
    wait_for listed_are 3
    cloudauthctl refresh --all >/dev/null || true
    listed_are 3
    same 3 "$(find /var/lib/cloudauth/documents -name 'abcdefghij.staging?' | wc -l)"
    same not-believed "$(cloudauthctl status --json | jq -r .absences)"
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 1' 'session_recheck = 1'
    daemon_reload
    for n in {3..8}; do enters alice "abcdefghij_stg$n"; done
    same believed "$(cloudauthctl status --json | jq -r .absences)"
    hang_up
}

# session_max_stale: a longer outage ends sessions, with a reason of its own
test_max_stale() {
    api_rechecks 'session_max_stale = 4'
    stays a alice abcdefghij_stg
    nginx_stop
    WAIT=30 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=session-max-stale'
    hang_up
}

# a denial on the host ends sessions in an outage as well, however long, and no others
test_denied_outage() {
    api_rechecks 'max_stale = 1'
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    nginx_stop
    wait_for refused bob abcdefghij_stg
    cloudauthctl deny --user alice
    WAIT=20 wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=denied source=none'
    lives b
    hang_up
}

# session_recheck = 0: no session is ended, and the daemon has no capability
test_off() {
    api_rechecks 'session_recheck = 0'
    contains "$(grep ^CapPrm "/proc/$(daemon_pid)/status")" '0000000000000000$'
    stays a alice abcdefghij_stg
    document abcdefghij staging "$without_alice"
    # What was asked for at the login counts for a second.
    wait_for refused alice abcdefghij_stg
    fails sessions --end "$(session_of alice)"
    lives a
    listed ' user=alice .* state=open$'
    hang_up
}

# the daemon keeps exactly CAP_KILL and group tty
test_privileges() {
    local status
    status=$(cat "/proc/$(daemon_pid)/status")
    contains "$status" '^Uid:'$'\t'"$(id -u cloudauth)"$'\t'
    contains "$status" '^CapPrm:.0000000000000020$'
    contains "$status" '^CapEff:.0000000000000020$'
    contains "$status" '^Cap(Inh|Amb):.0000000000000000$'
    same "$(getent group tty | cut -d: -f3)" "$(sed -n 's/^Groups:\t\([0-9 ]*[0-9]\) *$/\1/p' <<<"$status")"
}

# Whether the daemon's log has one such line since the test began; it is written by another process.
logged_once() { [[ $(since /var/log/syslog | grep -c -- "$1") == 1 ]]; }

# without CAP_KILL sessions are listed, and one log line says that they cannot be ended
test_no_capability() {
    local daemon=/usr/sbin/cloudauthd
    daemon_stop
    cat >/root/bounded <<WORDS
#!/bin/bash
exec setpriv --bounding-set=-kill --inh-caps=-kill $daemon "\$@"
WORDS
    chmod +x /root/bounded
    configure 'session_recheck = 1'
    CLOUDAUTHD=/root/bounded daemon_start
    wait_for logged_once 'no CAP_KILL'
    stays a alice abcdefghij_stg
    listed ' user=alice '
    fails sessions --end "$(session_of alice)"
    document abcdefghij staging "$without_alice"
    refused alice abcdefghij_stg
    lives a
    hang_up
}

# where /proc hides processes of root the log says so, once
test_hidepid() {
    daemon_stop
    mount -o remount,hidepid=2 /proc
    daemon_start
    logged 'hidepid'
    mount -o remount,hidepid=0 /proc
    counts 1 'hides root.s processes \(hidepid\)' /var/log/syslog
}

# ---- Refusals that explain themselves --------------------------------------------------------------

# a key of a known user in the wrong environment of the project: the audit line names the user
test_named() {
    enters bob abcdefghij_stg
    refused bob abcdefghij
    audit 'refuse account=abcdefghij .*user=bob .*reason=key-unknown .*proof=none detail="key of bob: [a-z]+ in staging, not known in production"'
    contains "$(cloudauthctl explain abcdefghij "$KEYS/bob.pub")" '^detail: +key of bob: [a-z]+ in staging, not known in production$'
    refused stranger abcdefghij
    audit 'refuse account=abcdefghij .*user= role= key=SHA256:[^ ]* .*reason=key-unknown .*proof=none$'
}

# a role that is too low: the audit line names the required one
test_named_role() {
    refused carol abcdefghij_stg 'your role viewer may not use SSH here'
    audit 'refuse account=abcdefghij_stg .*user=carol role=viewer .*reason=role-too-low .*detail="key of carol: role viewer, needs contributor"'
}

# a denial by the operator ends sessions at once, also in an outage
test_denied() {
    api_rechecks 'session_recheck = 3600'
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    nginx_stop
    cloudauthctl deny --user alice
    wait_for ended a
    lives b
    wait_for not_listed ' user=alice '
    listed ' user=bob '
    hang_up
}
