# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Names and ids of cloud accounts, as every program of the host sees them.

# getent passwd, by name
test_passwd_by_name() {
    same 'abcdefghij_stg:*:200002:200002:abcdefghij staging:/app/abcdefghij_stg:/bin/bash' \
        "$(getent passwd abcdefghij_stg)"
}

# getent passwd, by uid, answers the plain name
test_passwd_by_uid() {
    getent passwd ent-abcdefghij-staging-abc1234
    same 'abcdefghij_stg:*:200002:200002:abcdefghij staging:/app/abcdefghij_stg:/bin/bash' \
        "$(getent passwd 200002)"
}

# an sFTP account has neither home nor shell, whatever the document says
test_sftp_passwd() {
    same 'abcdefghij_stg_sftp:*:200002:200002:abcdefghij staging:/:/usr/sbin/nologin' \
        "$(getent passwd abcdefghij_stg_sftp)"
}

# the account's group, by name and gid
test_group() {
    same 'abcdefghij_stg:*:200002:' "$(getent group abcdefghij_stg)"
    same 'abcdefghij_stg:*:200002:' "$(getent group 200002)"
    fails getent group abcdefghij_stg_sftp
}

# the marker groups, by name and gid
test_marker_groups() {
    same 'cloud-ssh:*:199998:' "$(getent group cloud-ssh)"
    same 'cloud-ssh:*:199998:' "$(getent group 199998)"
    same 'cloud-sftp:*:199999:' "$(getent group cloud-sftp)"
    same 'cloud-sftp:*:199999:' "$(getent group 199999)"
}

# id, of each kind
test_id() {
    same 'uid=200002(abcdefghij_stg) gid=200002(abcdefghij_stg) groups=200002(abcdefghij_stg),199998(cloud-ssh)' \
        "$(id abcdefghij_stg)"
    same '200002 199999' "$(id -G abcdefghij_stg_sftp)"
}

# no other group is ever added, even where a local group lists the name
test_other_groups() {
    same 'cloud-ssh' "$(id -Gn abcdefghij_stg | cut -d' ' -f2-)"
    same '199998' "$(getent initgroups abcdefghij_stg | xargs | cut -d' ' -f2-)"
}

# ls -l shows names
test_ls() {
    getent passwd abcdefghij_stg
    same 'abcdefghij_stg abcdefghij_stg' \
        "$(find /app/abcdefghij_stg -maxdepth 0 -printf '%u %g\n')"
    contains "$(ls -ld /app/abcdefghij_stg)" ' abcdefghij_stg abcdefghij_stg '
}

# a uid of the range that belongs to no account
test_unknown_uid() {
    unknown 299999
    fails getent group 299999
}

# ls of many owners does not wait for a hung daemon once for each
test_hung_daemon() {
    local daemon status=0
    daemon=$(daemon_pid)
    kill -STOP "$daemon"
    # 300 times 2 s, were each waited for.
    timeout 60 getent passwd {250001..250300} || status=$?
    kill -CONT "$daemon"
    same 2 "$status" # not found, and not timeout's 124
    # It first answers what was asked meanwhile.
    wait_for getent passwd abcdefghij_stg
}

# a thread needs no more than 16 KiB of stack for the first lookup of its process, of any kind
test_small_stack() {
    cc -O2 -pthread -o /usr/local/bin/small_stack "$REPO/tests/sandbox/small_stack.c"
    same found "$(small_stack passwd abcdefghij_stg)"
    same found "$(small_stack uid 200002)"
    same found "$(small_stack group cloud-ssh)"
    same found "$(small_stack gid 200002)"
    same found "$(small_stack groups abcdefghij_stg)"
    daemon_stop
    same found "$(small_stack groups abcdefghij_sftp)"
    same unknown "$(small_stack passwd zyxwvutsrq)"
    daemon_start
}

# lookups work for every user
test_as_nobody() {
    contains "$(setpriv --reuid=nobody --regid=nogroup --clear-groups getent passwd abcdefghij)" \
        '^abcdefghij:'
}

# a lookup needs no environment variables, and none changes it
test_environment() {
    same "$(getent passwd abcdefghij)" "$(env -i /usr/bin/getent passwd abcdefghij)"
}

# enumeration is not offered
test_enumeration() {
    getent passwd abcdefghij
    fails contains "$(getent passwd)" abcdefghij
    contains "$(getent passwd)" '^ada:'
}
