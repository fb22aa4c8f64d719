# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The AppArmor profiles name every file that the daemon and the helper touch: as seen by strace, since not
# every kernel that tests run on has AppArmor. They are taken by apparmor_parser.

PROFILES=$REPO/etc/apparmor.d
HELPER=/usr/libexec/cloudauth/cloud-authkeys

# With -D a program keeps its pid and its parent, by which the daemon knows whom it belongs to.
traced_daemon() {
    cat >/root/traced <<END
#!/bin/sh
exec strace -D -f -y -s 256 -qq -o /root/daemon.trace -e trace=%file,%network /usr/sbin/cloudauthd "\$@"
END
    chmod 755 /root/traced
    daemon_stop
    CLOUDAUTHD=/root/traced daemon_start
}

traced_helper() {
    mv $HELPER $HELPER.real
    trap 'mv -f $HELPER.real $HELPER' EXIT
    install -d -m 1777 /tmp/traces
    cat >$HELPER <<END
#!/bin/sh
exec strace -D -y -s 256 -q -o /tmp/traces/\$\$ -e trace=%file,%network,read,write $HELPER.real "\$@"
END
    chmod 755 $HELPER
}

# What happens on a host: logins of both kinds, a refusal, a session that is ended, an outage, a restart.
much_happens() {
    enters alice abcdefghij
    echo 'ls' | sftp_batch media-agency abcdefghij_sftp
    refused carol abcdefghij_stg
    login bob -tt abcdefghij_stg@127.0.0.1 'echo in; sleep 60' >/root/session &
    wait_for grep -q in /root/session
    document abcdefghij staging 'del(.users[] | select(.username == "bob"))'
    cloudauthctl refresh abcdefghij_stg
    audit 'end account=abcdefghij_stg'
    wait $! || true
    cloudauthctl deny carol && cloudauthctl undeny carol
    mv "$ACCESS" "$ACCESS.gone"
    enters alice abcdefghij
    mv "$ACCESS.gone" "$ACCESS"
    daemon_stop
    daemon_start
    enters alice abcdefghij
}

# every file that the daemon touches is in its profile
test_daemon() {
    local said
    configure 'session_recheck = 1s'
    nginx_start
    export CLOUDAUTHD=/root/traced
    traced_daemon
    much_happens
    configure "access_url = https://localhost:$API_TLS_PORT/$API_PATH" "token_file = /etc/cloudauth/token"
    install -m 600 -o cloudauth <(echo secret) /etc/cloudauth/token
    daemon_reload
    enters alice abcdefghij
    daemon_stop
    said=$("$REPO/tests/sandbox/profile.pl" "$PROFILES/usr.sbin.cloudauthd" /root/daemon.trace)
    note "$said"
    contains "$said" '^[0-9]+ accesses$'
    (($(wc -l <<<"$said") == 1))
    (($(cut -d' ' -f1 <<<"$said") > 40))
}

# Four runs of it: twice for the key that enters, once for the other, once without the daemon.
traces_whole() { (($(cat /tmp/traces/* | grep -c '^+++ exited') >= 4)); }

# every file that the helper touches is in its profile
test_helper() {
    local said
    traced_helper
    enters alice abcdefghij
    refused stranger abcdefghij
    wait_for snapshot_has production
    daemon_stop
    refused alice abcdefghij
    wait_for traces_whole
    # The real one is the profile's.
    sed -i "s|$HELPER.real|$HELPER|" /tmp/traces/*
    said=$("$REPO/tests/sandbox/profile.pl" "$PROFILES/usr.libexec.cloudauth.cloud-authkeys" /tmp/traces/*)
    note "$said"
    contains "$said" '^[0-9]+ accesses$'
    (($(wc -l <<<"$said") == 1))
    (($(cut -d' ' -f1 <<<"$said") > 1))
}

# an access that the profile does not name is reported
test_told() {
    echo '1 openat(AT_FDCWD</>, "/etc/shadow", O_RDONLY) = 3</etc/shadow>' >/root/trace
    echo '1 openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY) = 3</etc/passwd>' >>/root/trace
    same $'r /etc/shadow\n2 accesses' "$("$REPO/tests/sandbox/profile.pl" "$PROFILES/usr.sbin.cloudauthd" /root/trace)"
}

# apparmor_parser accepts both profiles
test_parser() {
    apparmor_parser --skip-kernel-load --skip-cache "$PROFILES"/*
}

# make install keeps what the operator changed, and what it puts beside is no second profile
test_apparmor_install() {
    local said profile=/etc/apparmor.d/usr.sbin.cloudauthd drop_in=/etc/ssh/sshd_config.d/00-cloudauth.conf
    echo '# changed here' | tee -a $profile $drop_in >>"$CONF"
    cp $profile /root/profile
    # As an earlier version left it.
    cp "$PROFILES/usr.sbin.cloudauthd" $profile.new
    said=$(env -u MAKEFLAGS -u MAKELEVEL make -s -C "$REPO" B="$B" install)
    same 1 "$(apparmor_parser --names --skip-cache /etc/apparmor.d | grep -cx cloudauthd)"
    contains "$said" "$profile is kept as it is; the new one is $profile.dpkg-dist"
    cmp /root/profile $profile
    cmp "$PROFILES/usr.sbin.cloudauthd" $profile.dpkg-dist
    test -e "$CONF.dpkg-dist"
    test -e $drop_in.dpkg-dist
    rm -f {$profile,$drop_in,"$CONF"}.{new,dpkg-dist}
    sed -i '/^# changed here$/d' $profile $drop_in "$CONF"
}
