# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Uids and gids that belong to others: local users' subordinate ids, and those of other name services.

before_all() {
    chmod 711 /root
    cp /etc/nsswitch.conf /root/nsswitch.conf
    mkdir -p /var/lib/extrausers
}

# The default range, and documents with ids in it.
as_shipped() {
    sed -i '/^uid_m\|^ssh_gid\|^sftp_gid/d' "$CONF"
    sed -i 's|\("[ug]id": \)200\(...\)|\170\2|' "$ACCESS"/*/*.json
    find /app -maxdepth 1 -uid +200000 -uid -200100 -exec sh -c 'chown -R $(($(stat -c %u "$1") - 130000)) "$1"' sh {} \;
    daemon_stop
    daemon_start
}

as_before() {
    find /app -maxdepth 1 -uid +70000 -uid -70100 -exec sh -c 'chown -R $(($(stat -c %u "$1") + 130000)) "$1"' sh {} \;
}

# jdoe of another name service, whose uid is $1
extra_user() {
    cp /root/nsswitch.conf /etc/nsswitch.conf
    trap 'cp /root/nsswitch.conf /etc/nsswitch.conf' EXIT
    sed -i 's/^passwd:.*/passwd: files extrausers cloud/; s/^group:.*/group: files extrausers cloud/
        s/^shadow:.*/shadow: files extrausers/' /etc/nsswitch.conf
    rm -f /var/lib/extrausers/passwd
    echo "jdoe@corp.example:x:$1:$1:John:/home/jdoe:/bin/bash" >/var/lib/extrausers/passwd
    echo "jdoe@corp.example:x:$1:" >/var/lib/extrausers/group
    echo 'jdoe@corp.example:*:20000:0:99999:7:::' >/var/lib/extrausers/shadow
    chmod 640 /var/lib/extrausers/shadow
    install -d -o "$1" /home/jdoe
    own_keys /home/jdoe "$1"
}

# the default range: accounts of 70000 to 99999, marker groups below it, and another uid is refused
test_default_range() {
    as_shipped
    trap as_before EXIT
    enters alice abcdefghij
    known abcdefghij 70001
    same 'abcdefghij cloud-ssh' "$(as alice abcdefghij 'id -Gn')"
    same 69998 "$(getent group cloud-ssh | cut -d: -f3)"
    same 69999 "$(getent group cloud-sftp | cut -d: -f3)"
    document abcdefghij staging '.account.uid = 200002'
    unavailable abcdefghij_stg
    refused bob abcdefghij_stg
    # Free by systemd's list and outside of what Debian gives out, as the default range is.
    while read -r id; do
        ((id < 1879048192 && id > 99999))
    done < <(sed -nE 's/^SUB_[UG]ID_(MIN|MAX)[[:space:]]+//p' /etc/login.defs)
}

# useradd(8)'s subordinate ids: a new environment does not get one of them, a bound one keeps its own
test_subordinate() {
    enters alice abcdefghij
    echo 'ada:165536:65536' >/etc/subuid
    trap 'rm -f /etc/subuid /etc/subgid' EXIT
    enters alice abcdefghij
    unavailable abcdefghij_stg
    refused bob abcdefghij_stg
    wait_for grep -q 'uid 200002 or gid 200002 is a subordinate id of a local user' /var/log/syslog
    contains "$(cloudauthctl explain abcdefghij_stg "$KEYS/bob.pub")" 'subordinate id'
    mv /etc/subuid /etc/subgid
    unavailable abcdefghij_stg
    rm /etc/subgid
    wait_for enters bob abcdefghij_stg
}

# a user of another name service with a uid of the range enters as before
test_other_service() {
    extra_user 201107
    contains "$(as stranger jdoe@corp.example 'id -un')" '^jdoe@corp.example$'
    enters alice abcdefghij
}

# a document cannot have the ids of such a user; a bound environment keeps its own
test_other_service_id() {
    enters alice abcdefghij
    extra_user 200002
    unavailable abcdefghij_stg
    refused bob abcdefghij_stg
    wait_for grep -q 'account.uid: 200002 belongs to user jdoe@corp.example of extrausers' /var/log/syslog
    sed -i 's/:200002:200002:/:200050:200050:/' /var/lib/extrausers/passwd
    cloudauthctl refresh abcdefghij_stg || true
    unavailable abcdefghij_stg
    wait_for grep -q 'account.gid: 200002 belongs to group jdoe@corp.example of extrausers' /var/log/syslog
    extra_user 200001
    daemon_stop
    daemon_start
    enters alice abcdefghij
    extra_user 200050
    wait_for enters bob abcdefghij_stg
}

# while a name service cannot answer, no new environment gets an id; a bound one goes on
test_other_service_down() {
    enters alice abcdefghij
    extra_user 200002
    rm /var/lib/extrausers/passwd
    unavailable abcdefghij_stg
    refused bob abcdefghij_stg
    wait_for grep -q 'account.uid: 200002 cannot be checked: extrausers of nsswitch.conf(5) does not answer' /var/log/syslog
    enters alice abcdefghij
    extra_user 200050
    rm /var/lib/extrausers/group
    cloudauthctl refresh abcdefghij_stg || true
    unavailable abcdefghij_stg
    wait_for grep -q 'account.gid: 200002 cannot be checked' /var/log/syslog
    extra_user 200050
    wait_for enters bob abcdefghij_stg
}

# a name service that hangs keeps new environments waiting alone; the daemon goes on, and stops at once
test_other_service_hangs() {
    local before
    enters alice abcdefghij
    extra_user 200050
    sed -i 's/ extrausers cloud/ cloud extrausers/' /etc/nsswitch.conf
    rm /var/lib/extrausers/passwd
    mkfifo /var/lib/extrausers/passwd
    timeout 60 getent passwd abcdefghij_stg &
    wait_for grep -qs wait_for_partner /proc/"$(daemon_pid)"/task/*/wchan
    enters alice abcdefghij
    known abcdefghij 200001
    cloudauthctl status >/dev/null
    before=$SECONDS
    daemon_stop
    ((SECONDS - before < 20))
    # Its writer ends the wait.
    kill %1 2>/dev/null || true
    extra_user 200050
    daemon_start
    enters bob abcdefghij_stg
}

# after a rebind the same document gets its ids again only if no other name service has them meanwhile
test_rebind_other_service() {
    enters alice abcdefghij
    extra_user 200001
    cloudauthctl rebind --force abcdefghij || true
    logged 'account.uid: 200001 belongs to user jdoe@corp.example of extrausers'
    refused alice abcdefghij
    extra_user 200050
    wait_for enters alice abcdefghij
}
