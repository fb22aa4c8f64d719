# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# accounts.snapshot: who is found in it without asking, when it is not believed, and what is said
# where there is no daemon.

before_all() {
    env -u MAKEFLAGS -u MAKELEVEL make -s -C "$REPO" B="$B" "$B/bench/resign_snapshot"
    cc -O2 -o /usr/local/bin/lookups "$REPO/tests/sandbox/lookups.c"
}

by_http() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" "$@"
    daemon_stop
    daemon_start
    mark
}

# traced COMMAND...: its system calls that name a file or a socket.
traced() {
    strace -f -qq -e trace=open,openat,connect -o /root/trace "$@" >/root/traced
    cat /root/trace
}

# Whether a lookup asks the daemon.
asks() { grep -q cloudauth/socket <<<"$(traced getent passwd abcdefghij)"; }

# after one lookup every process finds the account without asking the daemon
test_no_question() {
    local calls
    by_http
    known abcdefghij_stg 200002
    wait_for snapshot_has staging
    calls=$(traced getent passwd abcdefghij_stg abcdefghij_stg_sftp)
    contains "$(</root/traced)" '^abcdefghij_stg:\*:200002:200002:.*:/app/abcdefghij_stg:/bin/bash$'
    contains "$(</root/traced)" '^abcdefghij_stg_sftp:\*:200002:200002:.*:/:/usr/sbin/nologin$'
    contains "$calls" 'accounts.snapshot'
    fails grep -q cloudauth/socket <<<"$calls"
    calls=$(traced getent passwd 200002)
    contains "$(</root/traced)" '^abcdefghij_stg:'
    fails grep -q cloudauth/socket <<<"$calls"
    calls=$(traced getent group abcdefghij_stg 200002)
    same $'abcdefghij_stg:*:200002:\nabcdefghij_stg:*:200002:' "$(</root/traced)"
    fails grep -q cloudauth/socket <<<"$calls"
    calls=$(traced getent passwd abcdefghij)
    contains "$calls" 'cloudauth/socket'
}

# a lookup that is answered by the snapshot, or is not for a cloud account, makes no system call of its own
test_no_system_call() {
    local calls began_at
    by_http
    cp /etc/nsswitch.conf /root/nsswitch.conf
    sed -i 's/^passwd:.*/passwd: cloud/' /etc/nsswitch.conf
    getent passwd abcdefghij
    wait_for snapshot_has production
    began_at=$SECONDS
    echo go | strace -o /root/trace lookups abcdefghij 200001 wait '50*abcdefghij' '50*200001' \
        '50*root' '50*www-data' '50*bcdefghijk_stg' '50*0' '50*1500' >/root/found
    cp /root/nsswitch.conf /etc/nsswitch.conf
    contains "$(tail -n 7 /root/found)" '^abcdefghij abcdefghij:200001:/app/abcdefghij$'
    contains "$(tail -n 7 /root/found)" '^200001 abcdefghij:200001:/app/abcdefghij$'
    same 5 "$(tail -n 7 /root/found | grep -c unknown)"
    calls=$(sed -n '/^read(0, "go/,$p' /root/trace | grep -vE '^(read\(0|write\(1|exit_group|\+\+\+)')
    same 350 "$(grep -c '/etc/nsswitch.conf' <<<"$calls")"
    # What is left but glibc's own: it also looks for nscd now and then. Of what is no cloud account's, one
    # lookup a second looks at the settings.
    calls=$(grep -vE '/etc/nsswitch.conf|nscd/socket|SOCK_STREAM|^close\(|^getpid' <<<"$calls" || true)
    same '' "$(grep -v 'stat.*/etc/cloudauth/cloudauth.conf' <<<"$calls" || true)"
    (($(grep -c . <<<"$calls") <= SECONDS - began_at + 1))
}

# a removed environment is unknown at once, also to processes that have the old file mapped
test_gone_at_once() {
    by_http 'keys_fresh = 0s'
    known abcdefghij 200001
    wait_for snapshot_has production
    rm "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    unknown abcdefghij
    unknown 200001
}

# says WORD...: what a process answers that has run since before. If it does not, the place shows where it waits.
says() {
    local lines
    lines=$(wc -l </root/found)
    echo >&7
    wait_for has_lines $((lines + 2)) || { tail -n 5 /root/found "/proc/$lookups/"{stack,wchan,syscall} && return 1; }
    grep -v ready /root/found | tail -n 1 | grep -qx "$1"
}

has_lines() { (($(wc -l </root/found) >= $1)); }

# a process that runs sees what root adds to allow and takes out of it, as logind, cron and dbus must
test_settings_change() {
    local waits=()
    by_http
    mkdir "$ACCESS/zyxwvutsrq"
    jq '.project = "zyxwvutsrq" | .account += {uid: 200070, gid: 200070, home: "/app/zyx"}' \
        "$PRISTINE/abcdefghij/production.json" >"$ACCESS/zyxwvutsrq/production.json"
    for _ in {1..900}; do waits+=(wait zyxwvutsrq); done
    mkfifo /root/steps
    lookups abcdefghij zyxwvutsrq "${waits[@]}" </root/steps >/root/found &
    lookups=$!
    exec 7>/root/steps
    wait_for grep -q ready /root/found
    says 'zyxwvutsrq unknown'
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'allow = zyxwvutsrq'
    daemon_reload
    WAIT=10 wait_for says 'zyxwvutsrq zyxwvutsrq:200070:/app/zyx'
    wait_for snapshot_has zyxwvutsrq
    says 'zyxwvutsrq zyxwvutsrq:200070:/app/zyx'
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    daemon_reload
    WAIT=10 wait_for says 'zyxwvutsrq unknown'
    exec 7>&-
}

# a changed home appears in lookups from the login that fetched it
test_changed_at_once() {
    by_http 'keys_fresh = 0s'
    known abcdefghij 200001
    wait_for snapshot_has production
    document abcdefghij production '.account.home = "/app/elsewhere"'
    refused stranger abcdefghij
    contains "$(getent passwd abcdefghij)" ':/app/elsewhere:'
}

# a confirmation by the API makes the record fresh again, so that lookups do not ask the daemon
test_renewed() {
    # The file has the new time half a minute after the confirmation, and the record is to be fresh for a while then.
    by_http 'account_fresh = 20s'
    known abcdefghij 200001
    wait_for snapshot_has production
    wait_for asks
    WAIT=120 wait_for fails asks
}

# a process asks for an absent account once a second, and finds a new account at once
test_absent_asked_once() {
    local pid
    by_http 'absent_fresh = 1s'
    known abcdefghij 200001
    wait_for snapshot_has production
    mv "$ACCESS/abcdefghij/staging.json" /root/
    mkfifo /root/go
    strace -qq -e trace=connect -o /root/trace lookups '500*abcdefghij_stg' '500*250001' wait \
        abcdefghij_stg </root/go >/root/found &
    pid=$!
    exec 7>/root/go
    WAIT=60 wait_for grep -q ready /root/found
    (($(grep -c cloudauth/socket /root/trace) < 500)) # 1000, were it each time
    mv /root/staging.json "$ACCESS/abcdefghij/"
    wait_for known abcdefghij_stg 200002
    wait_for snapshot_has staging
    echo go >&7
    exec 7>&-
    wait "$pid"
    same "abcdefghij_stg abcdefghij_stg:200002:/app/abcdefghij_stg" "$(tail -n 1 /root/found)"
}

# with documents in files each lookup reads the directory
test_absent_in_folder() {
    daemon_stop
    configure
    daemon_start
    traced getent passwd abcdefghij_stg9 abcdefghij_stg9 abcdefghij_stg9 >/dev/null || true
    same 3 "$(grep -c cloudauth/socket /root/trace)"
}

# without the daemon an account keeps its name; unknown ones have none, and no account enters
test_no_daemon() {
    by_http
    enters alice abcdefghij
    wait_for snapshot_has production
    kill -KILL "$(daemon_pid)"
    known abcdefghij 200001
    unavailable abcdefghij_stg
    refused alice abcdefghij
}

# with documents in files each lookup asks the daemon, and the snapshot still serves without it
test_folder() {
    enters alice abcdefghij
    wait_for snapshot_has production
    contains "$(traced getent passwd abcdefghij)" 'cloudauth/socket'
    rm "$ACCESS/abcdefghij/production.json"
    unknown abcdefghij
    wait_for fails snapshot_has production
    cp "$PRISTINE/abcdefghij/production.json" "$ACCESS/abcdefghij/"
    known abcdefghij 200001
    wait_for snapshot_has production
    kill -KILL "$(daemon_pid)"
    known abcdefghij 200001
}

# without the daemon su and cron work where the environment is active, and nowhere else
test_services_alone() {
    known abcdefghij 200001
    known abcdefghij_stg 200002
    document abcdefghij staging '.environment.status = "inactive"'
    known abcdefghij_stg 200002
    # The last change: one that is still to be written would have a new file in its place, not yet in force.
    known abcdefghij_stg2 200003
    wait_for snapshot_has staging2
    kill -KILL "$(daemon_pid)"
    same abcdefghij "$(su abcdefghij -c 'id -un')"
    audit 'grant account=abcdefghij .*service=su reason=granted source=snapshot'
    fails su abcdefghij_stg2 -c true
    audit 'refuse account=abcdefghij_stg2 .*service=su reason=daemon-unreachable'
    fails su abcdefghij_stg -c true
    pamtester -I service=cron cron abcdefghij_stg2 acct_mgmt
    fails pamtester cron abcdefghij_stg acct_mgmt
    fails pamtester sshd abcdefghij acct_mgmt
    # After a power failure the file may again have what was taken back shortly before.
    cat /proc/sys/kernel/random/uuid >/root/boot_id
    mount --bind /root/boot_id /proc/sys/kernel/random/boot_id
    trap 'umount /proc/sys/kernel/random/boot_id' EXIT
    fails su abcdefghij -c true
    known abcdefghij 200001
    trap - EXIT
    umount /proc/sys/kernel/random/boot_id
    su abcdefghij -c true
    rm "$SNAPSHOT"
    fails su abcdefghij -c true
}

# not_believed WHY: with the present file the daemon is asked, and without it no account is known.
not_believed() {
    echo "not believed: $1"
    contains "$(traced getent passwd abcdefghij)" 'cloudauth/socket'
    contains "$(</root/traced)" '^abcdefghij:'
    kill -STOP "$(daemon_pid)"
    mv /run/cloudauth/socket /run/cloudauth/elsewhere
    unavailable abcdefghij
    mv /run/cloudauth/elsewhere /run/cloudauth/socket
    kill -CONT "$(daemon_pid)"
}

believed() {
    fails grep -q 'cloudauth/socket' <<<"$(traced getent passwd abcdefghij)"
    contains "$(</root/traced)" '^abcdefghij:'
}

# not_fresh WHY: with the present file the daemon is asked, and without it accounts keep their names.
not_fresh() {
    echo "not fresh: $1"
    contains "$(traced getent passwd abcdefghij)" 'cloudauth/socket'
    kill -STOP "$(daemon_pid)"
    mv /run/cloudauth/socket /run/cloudauth/elsewhere
    known abcdefghij 200001
    mv /run/cloudauth/elsewhere /run/cloudauth/socket
    kill -CONT "$(daemon_pid)"
}

# spoil COMMAND...: does something to a copy of the good file, and puts it in its place.
spoil() {
    cp -p /root/good "$SNAPSHOT.spoilt"
    "$@" "$SNAPSHOT.spoilt"
    mv "$SNAPSHOT.spoilt" "$SNAPSHOT"
}

write_at() { printf '%b' "$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none; }

# in a user namespace (unshare, bwrap), where root's files have another owner, names resolve
test_user_namespace() {
    by_http
    known abcdefghij 200001
    wait_for snapshot_has production
    # A local user is the control: what fails for that user is not about cloudauth.
    same ada "$(setpriv --reuid ada --regid ada --init-groups unshare -U --map-current-user whoami)"
    same abcdefghij "$(as alice abcdefghij 'unshare -U --map-current-user whoami')"
    same 'abcdefghij abcdefghij_stg' "$(as alice abcdefghij \
        'unshare -U --map-current-user getent passwd abcdefghij abcdefghij_stg' | cut -d: -f1 | xargs)"
    daemon_stop
    same abcdefghij "$(setpriv --reuid 200001 --regid 200001 --clear-groups \
        unshare -U --map-current-user whoami)"
}

# not where the namespace has a user with that very uid, as in a container with a whole system: the file may be that user's
test_user_namespace_of_system() {
    known abcdefghij 200001
    chown nobody "$CONF"
    trap 'chown root "$CONF"' EXIT
    in_namespace $'0 0 1000\n200000 200000 9' getent passwd abcdefghij
    fails in_namespace $'0 0 1000\n1000 1000 209000' getent passwd abcdefghij
}

# in_namespace UID_MAP COMMAND...: as root of a user namespace with that map.
in_namespace() {
    local status=0
    unshare --user sleep 600 &
    wait_for grep -q sleep "/proc/$!/comm"
    cat <<<"$1" >"/proc/$!/uid_map"
    nsenter --user --preserve-credentials --target "$!" "${@:2}" || status=$?
    kill "$!"
    return $status
}

# outside of one, settings that belong to user nobody, whose uid stands for unmapped owners, are not read
test_owner_nobody() {
    by_http
    known abcdefghij 200001
    chown nobody /etc/cloudauth/cloudauth.conf
    unavailable abcdefghij
    chown root /etc/cloudauth/cloudauth.conf
    known abcdefghij 200001
}

# a snapshot of another owner, writable by others, cut or of another version: the daemon is asked instead
test_not_believed() {
    by_http
    known abcdefghij 200001
    wait_for snapshot_has production
    cp -p "$SNAPSHOT" /root/good
    believed
    spoil chown nobody
    not_believed 'owned by a stranger'
    spoil chmod 664
    not_believed 'writable by its group'
    spoil chmod 646
    not_believed 'writable by all'
    spoil truncate -s 300
    not_believed 'half written'
    spoil truncate -s 0
    not_believed 'empty'
    resign 8 $(($(od -An -tu8 -j8 -N8 /root/good) + 1))
    not_believed 'another version'
    spoil write_at 24 '\x00\x00\x00\x00\x7f'
    not_believed 'from the future'
    spoil write_at 120 'ITER'
    not_believed 'retired'
    # The same bytes, and only then the same answers.
    spoil true
    believed
    chmod 775 /var/lib/cloudauth
    not_believed 'in a directory that its group can write'
    chmod 755 /var/lib/cloudauth
    believed
}

# a snapshot from the future only keeps the names while there is no daemon
test_clock() {
    by_http
    known abcdefghij 200001
    wait_for snapshot_has production
    cp -p "$SNAPSHOT" /root/good
    resign 24 $(($(date +%s) + 600))
    not_fresh 'from the future'
}

# resign OFFSET NUMBER: another number in the header, with the right checksum for it.
resign() { spoil resigned "$@"; }
resigned() { "$REPO/$B/bench/resign_snapshot" "$3" "$1" "$2"; }

# the module returns no account outside `homes`, uid_min to uid_max or `allow`
test_range_and_allow() {
    by_http
    known abcdefghij 200001
    known abcdefghij_stg 200002
    wait_for snapshot_has staging
    kill -KILL "$(daemon_pid)"
    known abcdefghij 200001
    sed -i 's/^allow = .*//' "$CONF"
    echo 'allow = abcdefghij' >>"$CONF"
    known abcdefghij 200001
    unknown abcdefghij_stg
    unavailable 200002
    echo 'homes = /home/*' >>"$CONF"
    unavailable abcdefghij
    unavailable 200001
    sed -i '/^homes/d' "$CONF"
    known abcdefghij 200001
    echo 'uid_min = 200002' >>"$CONF"
    unavailable abcdefghij
    unknown 200001
}

# getent lists the accounts where `enumerate` is set, and only there
test_enumeration() {
    known abcdefghij 200001
    known abcdefghij_stg 200002
    wait_for snapshot_has staging
    fails grep -q '^abcdefghij' <<<"$(getent passwd)"
    fails grep -q '^abcdefghij' <<<"$(getent group)"
    echo 'enumerate = yes' >>"$CONF"
    same 1 "$(getent passwd | grep -c '^abcdefghij:\*:200001:200001:.*:/app/abcdefghij:/bin/bash$')"
    same 1 "$(getent passwd | grep -c '^abcdefghij_stg:')"
    same 1 "$(getent group | grep -c '^abcdefghij_stg:\*:200002:$')"
    contains "$(getent passwd)" '^root:'
    # A record that this host does not allow is passed over.
    sed -i 's/^allow = .*//' "$CONF"
    echo 'allow = abcdefghij' >>"$CONF"
    same 1 "$(getent passwd | grep -c '^abcdefghij')"
}

# a listing inside an sFTP chroot shows names, though no file of the host can be opened there
test_chroot() {
    enters alice abcdefghij
    wait_for snapshot_has production
    contains "$(sftp_batch media-agency abcdefghij_sftp <<<'ls -l /pub')" ' abcdefghij '
}

# a file that is truncated by its owner affects lookups of cloud accounts, and no others
test_cut_short() {
    local status=0
    by_http
    known abcdefghij 200001
    wait_for snapshot_has production
    mkfifo /root/to /root/from
    lookups abcdefghij wait root ada wait abcdefghij </root/to >/root/from &
    exec 5>/root/to 6</root/from
    rm /root/to /root/from
    read -r -u 6
    contains "$REPLY" 'abcdefghij:200001'
    read -r -u 6
    runuser -u cloudauth -- truncate -s 0 "$SNAPSHOT"
    echo >&5
    read -r -u 6
    contains "$REPLY" 'root root:0:/root'
    read -r -u 6
    contains "$REPLY" 'ada ada:1500'
    read -r -u 6
    echo >&5
    wait %1 || status=$?
    exec 5>&- 6<&-
    note "the process that asked for our name ended with status $status (135: SIGBUS)"
    ((status == 135))
    enters stranger ada
    known abcdefghij 200001
    enters alice abcdefghij
}

# the worker never opens or truncates a published file again
test_never_rewritten() {
    local pid
    by_http 'keys_fresh = 0s'
    pid=$(daemon_pid)
    strace -f -qq -p "$pid" -o /root/trace \
        -e trace=open,openat,creat,truncate,ftruncate,rename,renameat,renameat2,fsync,msync &
    wait_for is_traced "$pid"
    known abcdefghij 200001
    wait_for snapshot_has production
    known abcdefghij_stg 200002
    wait_for snapshot_has staging
    document abcdefghij production '.account.home = "/app/elsewhere"'
    refused stranger abcdefghij
    wait_for snapshot_has elsewhere
    kill %1
    wait %1 || true
    contains "$(</root/trace)" 'accounts.snapshot.new".*O_RDWR\|O_CREAT\|O_EXCL'
    contains "$(</root/trace)" 'renameat.*accounts.snapshot.new.*"accounts.snapshot"'
    fails grep -E '"accounts.snapshot".*O_(RDWR|WRONLY|TRUNC)|truncate\(' /root/trace
}

# after a restart the published file serves on, without any document; what has become local meanwhile is taken back
test_restart() {
    by_http
    known abcdefghij 200001
    known abcdefghij_stg 200002
    wait_for snapshot_has staging
    kill -KILL "$(daemon_pid)"
    wait_for killed
    rm -r /var/lib/cloudauth/documents
    cp /etc/nsswitch.conf /etc/passwd /root/
    echo 'other:x:200002:1600::/:/bin/sh' >>/etc/passwd
    sed -i 's/^passwd:.*/passwd: cloud/' /etc/nsswitch.conf
    daemon_start
    fails asks
    contains "$(</root/traced)" '^abcdefghij:'
    WAIT=10 wait_for unavailable abcdefghij_stg
    unavailable 200002
    fails asks
    cp /root/nsswitch.conf /etc/nsswitch.conf
    cp /root/passwd /etc/passwd
}

# a daemon that is killed behind a change leaves the account unknown to all, and every other one as it was
test_killed_behind_change() {
    by_http 'keys_fresh = 0s'
    known abcdefghij 200001
    known abcdefghij_stg 200002
    wait_for snapshot_has staging
    document abcdefghij production '.account.home = "/app/elsewhere"'
    strace -f -qq -p "$(daemon_pid)" -o /dev/null -e inject=fsync:signal=KILL:when=1 \
        -e trace=fsync &
    wait_for is_traced "$(daemon_pid)"
    as stranger abcdefghij true || true
    wait_for killed
    wait %1 2>/dev/null || true
    unavailable abcdefghij
    known abcdefghij_stg 200002
    daemon_start
    fails grep -q cloudauth/socket <<<"$(traced getent passwd abcdefghij_stg)"
    contains "$(getent passwd abcdefghij)" ':/app/'
    refused stranger abcdefghij
    contains "$(getent passwd abcdefghij)" ':/app/elsewhere:'
}

killed() { ! kill -0 "$(daemon_pid)" 2>/dev/null; }

# a daemon that is killed at any step of writing leaves no file that running processes use for ever
test_killed_while_writing() {
    local call tracer n=3 home=/app/abcdefghij
    by_http 'keys_fresh = 0s'
    for call in fsync renameat2 pwrite64; do
        known abcdefghij 200001
        wait_for snapshot_has "$home"
        rm -f /root/to /root/from
        mkfifo /root/to /root/from
        lookups abcdefghij wait abcdefghij </root/to >/root/from &
        exec 5>/root/to 6</root/from
        read -r -u 6
        contains "$REPLY" "abcdefghij:200001:$home"
        read -r -u 6
        strace -f -qq -p "$(daemon_pid)" -o /dev/null -e "inject=$call:signal=KILL:when=1" -P "$SNAPSHOT" \
            -P "$SNAPSHOT.new" -P /var/lib/cloudauth -e "trace=$call" &
        tracer=$!
        wait_for is_traced "$(daemon_pid)"
        # One that is new: nothing is taken back for it before the new file is written.
        jq ".environment.name = \"staging$n\" | .account.uid = 20001$n | .account.gid = 20001$n" \
            "$ACCESS/abcdefghij/staging.json" >"$ACCESS/abcdefghij/staging$n.json"
        getent passwd "abcdefghij_stg$n" >/root/found || true
        ((n += 1))
        wait_for killed
        wait $tracer 2>/dev/null || true
        home=/app/after-$call
        document abcdefghij production ".account.home = \"$home\""
        daemon_start
        refused stranger abcdefghij
        echo >&5
        read -r -u 6
        contains "$REPLY" "abcdefghij:200001:$home"
        exec 5>&- 6<&-
        wait_jobs
    done
}
