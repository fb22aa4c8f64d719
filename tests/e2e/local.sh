# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The host's own users and groups, whom nothing of ours may touch.

# Everything that the host says about accounts of its own, by name and by id.
local_answers() {
    local name id
    cut -d: -f1,3 --output-delimiter=' ' /etc/passwd | while read -r name id; do
        getent passwd "$name" "$id"
        id "$name"
        getent initgroups "$name"
    done
    cut -d: -f1,3 --output-delimiter=' ' /etc/group | while read -r name id; do
        getent group "$name" "$id"
    done
    getent passwd
    getent group
}

# The same, where our module is not configured at all.
answers_without_us() {
    sed -i 's/ cloud$//' /etc/nsswitch.conf
    local_answers
    sed -i -E 's/^(passwd|group):.*/& cloud/' /etc/nsswitch.conf
}

# every local name and id is answered byte for byte as without cloudauth
test_answers_running() {
    local without
    without=$(answers_without_us)
    contains "$without" '^root:x:0:0:'
    same "$without" "$(local_answers)"
}

# the same with the daemon stopped
test_answers_stopped() {
    local without
    without=$(answers_without_us)
    daemon_stop
    same "$without" "$(local_answers)"
}

# the same with the daemon hung, without waiting for it
test_answers_hung() {
    local without began_at took
    began_at=$(milliseconds)
    without=$(answers_without_us)
    took=$(($(milliseconds) - began_at))
    kill -STOP "$(daemon_pid)"
    began_at=$(milliseconds)
    same "$without" "$(local_answers)"
    # A question to a daemon that hangs takes seconds, for each of more than a hundred names.
    (($(milliseconds) - began_at < 3 * took + 20000))
}

# a lookup of a local name makes no system call of cloudauth
test_no_system_call() {
    local calls
    calls=$(strace -f getent passwd root 2>&1)
    contains "$calls" '/etc/passwd'
    fails contains "$calls" cloudauth
}

# a name that is neither local nor a cloud account's: no file is opened, the daemon is not asked
test_foreign_name() {
    fails contains "$(strace -f getent passwd No_Such-User 2>&1)" cloudauth
    fails contains "$(strace -f getent passwd 54321 2>&1)" 'cloudauth/socket'
    contains "$(strace -f getent passwd abcdefghij 2>&1)" 'cloudauth/socket'
}

# a local user with the name of a cloud account stays local, whatever the API says
test_local_name_wins() {
    local_user abcdefghij_stg 1600
    known abcdefghij_stg 1600
    enters stranger abcdefghij_stg
    refused bob abcdefghij_stg
    enters alice abcdefghij
}

# the same with the daemon hung
test_local_name_wins_hung() {
    local_user abcdefghij_stg 1600
    kill -STOP "$(daemon_pid)"
    enters stranger abcdefghij_stg
}

# Who has uid 200001 by cloudauth alone, as a process says that knew the account before.
cloud_answers() {
    local lines
    lines=$(wc -l </root/found)
    echo >&7
    wait_for has_lines $((lines + 2))
    grep -v ready /root/found | tail -n 1
}

has_lines() { (($(wc -l </root/found) >= $1)); }

gives_up() { contains "$(cloud_answers)" '^200001 unknown$'; }

answers() { contains "$(cloud_answers)" '^200001 abcdefghij:200001:'; }

# a uid, gid or name that becomes a local one later is the local one's within a second, and status names it
test_taken_later() {
    local entry waits=()
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    daemon_stop
    daemon_start
    known abcdefghij 200001
    wait_for snapshot_has production
    cc -O2 -o /usr/local/bin/lookups "$REPO/tests/sandbox/lookups.c"
    cp /etc/nsswitch.conf /etc/passwd /etc/group /root/
    sed -i 's/^passwd:.*/passwd: cloud/' /etc/nsswitch.conf
    for _ in {1..900}; do waits+=(wait 200001); done
    mkfifo /root/go
    lookups 200001 "${waits[@]}" </root/go >/root/found &
    exec 7>/root/go
    wait_for grep -q ready /root/found
    for entry in passwd:other:x:200001:1600:::/bin/sh group:other:x:200001: \
        passwd:abcdefghij:x:1600:1600:::/bin/sh group:abcdefghij:x:1600:; do
        answers
        echo "${entry#*:}" >>"/etc/${entry%%:*}"
        WAIT=10 wait_for gives_up
        contains "$(cloudauthctl status || true)" '^conflict: abcdefghij/production: .*local (user|group)'
        contains "$(cloudauthctl status --documents || true)" '^abcdefghij +production .*refused .*local (user|group)'
        cp /root/passwd /root/group /etc/
        WAIT=10 wait_for answers
    done
    exec 7>&-
    cp /root/nsswitch.conf /etc/nsswitch.conf
    enters alice abcdefghij
}

# such a user can enter by password, too
test_local_name_password() {
    local_user abcdefghij_stg 1600
    same publickey,password "$(methods abcdefghij_stg)"
    pamtester sshd abcdefghij_stg authenticate acct_mgmt <<<secret
}

# a reserved name of Debian's own users never becomes a cloud account, even where allow = *
test_reserved() {
    mkdir "$ACCESS/postgres"
    jq '.project = "postgres" | .account += {uid: 200060, gid: 200060}' \
        "$ACCESS/abcdefghij/production.json" >"$ACCESS/postgres/production.json"
    cp -r "$ACCESS/postgres" "$ACCESS/postgras"
    sed -i 's/"postgres"/"postgras"/; s/200060/200061/' "$ACCESS/postgras/production.json"
    sed -i '/^postgres:/d' /etc/passwd /etc/group
    configure 'allow = *'
    daemon_stop
    daemon_start
    unknown postgres
    known postgras 200061
}

# local users can enter where the modules are missing
test_modules_missing() {
    local module
    for module in /usr/lib/*/libnss_cloud.so.2 /usr/lib/*/security/pam_cloud.so; do
        mv "$module" "$module.away"
    done
    enters stranger ada
    pamtester sshd ada authenticate acct_mgmt 'setcred(PAM_ESTABLISH_CRED)' open_session <<<secret
    refused alice abcdefghij
    for module in /usr/lib/*/libnss_cloud.so.2.away /usr/lib/*/security/pam_cloud.so.away; do
        mv "$module" "${module%.away}"
    done
    enters alice abcdefghij
}

# the helper's user may come after the daemon, and goes: keys are answered from then on, or no more
test_keys_user() {
    local line
    line=$(grep '^cloudauth-keys:' /etc/passwd)
    daemon_stop
    sed -i '/^cloudauth-keys:/d' /etc/passwd
    daemon_start
    logged 'there is no user cloudauth-keys: no key is answered'
    refused alice abcdefghij
    echo "$line" >>/etc/passwd
    logged 'there is a user cloudauth-keys now'
    enters alice abcdefghij
    sed -i '/^cloudauth-keys:/d' /etc/passwd
    logged 'the user cloudauth-keys is gone'
    echo "$line" >>/etc/passwd
}

# the helper's user gets another uid just before a reload: keys are answered
test_keys_user_reload() {
    local uid
    uid=$(id -u cloudauth-keys)
    enters alice abcdefghij
    sed -i "s/^cloudauth-keys:x:$uid:/cloudauth-keys:x:899:/" /etc/passwd
    daemon_reload
    logged 'settings reloaded'
    wait_for enters alice abcdefghij
    sed -i "s/^cloudauth-keys:x:899:/cloudauth-keys:x:$uid:/" /etc/passwd
    wait_for enters alice abcdefghij
}

# while /etc/passwd cannot be read, the helper's user is the last known one, after a reload too
test_keys_user_unreadable() {
    enters alice abcdefghij
    mv /etc/passwd /root/passwd
    daemon_reload
    logged 'settings reloaded'
    mv /root/passwd /etc/passwd
    wait_for known abcdefghij 200001
    enters alice abcdefghij
    fails grep -q 'there is no user' <(since /var/log/syslog)
}
