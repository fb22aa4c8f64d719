# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Documents that this host must not believe: production's is spoilt, and staging's is not.

# invalid FILTER REGEX: production with that filter opens nothing, is no account, and the log says why.
invalid() {
    document abcdefghij production "$1"
    refused alice abcdefghij
    unknown abcdefghij
    wait_for logged "$2"
    enters alice abcdefghij_stg
}

logged() {
    since /var/log/syslog | grep -qE -- "$1"
}

# uid 0
test_uid_zero() {
    invalid '.account.uid = 0' 'abcdefghij/production.*uid'
}

# gid 0
test_gid_zero() {
    invalid '.account.gid = 0' 'abcdefghij/production.*gid'
}

# a uid outside this host's range
test_uid_out_of_range() {
    invalid '.account.uid = 1000000' 'uid 1000000 .*range'
}

# a uid that is no 32-bit number
test_uid_overflow() {
    invalid '.account.uid = 4295167297' 'account.uid'
}

# the uid of a local user
test_local_uid() {
    local_user intruder 200077 150077
    invalid '.account.uid = 200077' 'uid.*200077 belongs to a local user'
    known intruder 200077
}

# the gid of a local group
test_local_gid() {
    echo 'intruders:x:200088:' >>/etc/group
    invalid '.account.gid = 200088' 'gid.*200088 belongs to a local group'
}

# a login name that is the name of a local group
test_local_group_name() {
    echo 'abcdefghij:x:1577:' >>/etc/group
    refused alice abcdefghij
    unknown abcdefghij
}

# the uid of another environment
test_foreign_uid() {
    known abcdefghij_stg 200002
    invalid '.account.uid = 200002' 'uid 200002 belongs to environment staging'
    same abcdefghij_stg "$(getent passwd 200002 | cut -d: -f1)"
}

# the gid of another environment
test_foreign_gid() {
    known abcdefghij_stg 200002
    invalid '.account.gid = 200002' 'gid 200002 belongs to environment staging'
}

# a changed uid: the old document stays in use, and the log names both
test_changed_uid() {
    known abcdefghij 200001
    document abcdefghij production '.account.uid = 200055 | .account.gid = 200055'
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
    wait_for logged 'uid:gid changed from 200001:200001 to 200055:200055'
    known abcdefghij 200001
    unknown 200055
}

# a home with .. in it
test_home_dots() {
    invalid '.account.home = "../.."' 'account.home'
    invalid '.account.home = "/app/../../etc"' 'account.home'
}

# a shell with a newline, which would start another passwd line
test_shell_newline() {
    invalid '.account.shell = "/bin/bash\nroot2::0:0::/:/bin/sh"' 'abcdefghij/production'
    unknown root2
}

# a field with a colon
test_gecos_colon() {
    invalid '.account.gecos = "x:/:/bin/sh"' 'account.gecos'
}

# a key with a newline in it is left out alone
test_key_newline() {
    document abcdefghij production \
        ".users[0].ssh_keys[0].value += \"\\n$(cat "$KEYS/stranger.pub")\""
    refused alice abcdefghij
    refused stranger abcdefghij
    enters alice-desktop abcdefghij
}

# a key with options is left out alone
test_key_options() {
    document abcdefghij production '.users[0].ssh_keys[0].value |= "command=\"id\" " + .'
    refused alice abcdefghij
    enters alice-desktop abcdefghij
}

# a key with another type than its blob is left out alone
test_key_type() {
    document abcdefghij production '.users[0].ssh_keys[0].value |= sub("ssh-ed25519"; "ssh-rsa")'
    refused alice abcdefghij
    enters alice-desktop abcdefghij
}

# a document of another project
test_other_project() {
    invalid '.project = "abcdefghik"' 'abcdefghij/production.*project'
}

# a document of another environment
test_other_environment() {
    invalid '.environment.name = "staging"' 'abcdefghij/production.*environment'
}

# a document without a required member
test_missing_member() {
    invalid 'del(.account.uid)' 'account.uid'
}

# a member of another type
test_ill_typed() {
    invalid '.account.uid = "200001"' 'account.uid'
}

# a member that occurs twice
test_twice() {
    sed -i '0,/"version": 1,/s//"version": 1, "version": 1,/' "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    unknown abcdefghij
}

# half a document
test_truncated() {
    truncate -s 1000 "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    unknown abcdefghij
}

# a forward to any destination
test_forward_star() {
    invalid '.forwarding.local = ["*:22"]' 'forwarding.local'
}

# members that this version does not know are accepted
test_unknown_members() {
    document abcdefghij production '.future = {a: [1]} | .account.quota = 5 | .users[0].pets = null'
    enters alice abcdefghij
}
