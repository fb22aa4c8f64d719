# shellcheck shell=bash disable=SC2119
# SPDX-License-Identifier: Apache-2.0
# cloudauthctl doctor: settings of sshd, PAM, systemd, AppArmor and this host that keep accounts out, one at a time.

# shellcheck source=tests/e2e/doctor.sh
. "$HARNESS/doctor.sh"

# with_sshd LINES CHECK DETAIL [ENTERS]: with those lines of sshd_config alice cannot enter, or can, and doctor reports them
with_sshd() {
    local file=/etc/ssh/sshd_config.d/00-aaa.conf
    echo "$1" >$file
    trap 'rm -f /etc/ssh/sshd_config.d/00-aaa.conf; sshd_stop; sshd_start' EXIT
    sshd_stop
    sshd_start
    [[ -n ${4-} ]] || fails enters alice abcdefghij >/dev/null
    finds "$2" "$3" 'none elsewhere hold for cloud accounts'
    rm $file
    sshd_stop
    sshd_start
    enters alice abcdefghij
    cloudauthctl doctor abcdefghij >/dev/null
}

# sshd: public keys are off for all users
test_pubkey() { with_sshd 'PubkeyAuthentication no' sshd-shell 'pubkeyauthentication is no'; }

# sshd: a command is forced on all users
test_force() { with_sshd 'ForceCommand /bin/false' sshd-shell 'for abcdefghij, forcecommand is /bin/false'; }

# sshd: all users are put into a chroot
test_chroot() { with_sshd 'ChrootDirectory /var/empty' sshd-shell 'for abcdefghij, chrootdirectory is /var/empty'; }

# sshd: no session may be opened
test_max_sessions() { with_sshd 'MaxSessions 0' sshd-sftp 'maxsessions is 0'; }

# sshd: no Ed25519 key is accepted
test_algorithms() { with_sshd 'PubkeyAcceptedAlgorithms rsa-sha2-512' sshd-shell 'pubkeyacceptedalgorithms is rsa-sha2-512'; }

# sshd: another AuthorizedKeysCommand stands first
test_command_shadowed() {
    with_sshd $'Match User abcdefghij\nAuthorizedKeysCommand /usr/bin/false\nAuthorizedKeysCommandUser nobody' sshd-shell \
        'authorizedkeyscommand is /usr/bin/false'
}

# sshd: names of clients take the place of their addresses
test_use_dns() { with_sshd 'UseDNS yes' sshd-shell 'usedns is yes' enters; }

# ssh.socket waits for the first connection, and sshd's directory is missing: no fault
test_ssh_socket() {
    local said
    sshd_stop
    rmdir /run/sshd
    said=$(cloudauthctl doctor abcdefghij) || {
        echo "$said"
        return 1
    }
    contains "$said" '^sshd-shell +ok '
    sshd_start
}

# sshd may not mount, so that no sFTP session has its directories
test_capabilities() {
    sshd_stop
    setpriv --bounding-set -sys_admin /usr/sbin/sshd -o "ListenAddress=127.0.0.1:$SSH_PORT"
    wait_for test -s /run/sshd.pid
    trap 'sshd_stop; sshd_start' EXIT
    fails sftp_batch media-agency abcdefghij_sftp <<<pwd
    finds sshd-capabilities 'sshd lacks CAP_SYS_ADMIN' 'systemctl cat ssh.service'
}

# the PAM module is not where PAM looks for it, or cannot be loaded
test_pam_module() {
    local module
    module=$(realpath /lib/*/security/pam_cloud.so)
    spoil "$module"
    rm "$module"
    refused alice abcdefghij
    finds pam-module 'pam_cloud.so: cannot open shared object file' '^apt-get install --reinstall libpam-cloud'
    echo rubbish >"$module"
    finds pam-module 'pam_cloud.so' '^apt-get install --reinstall libpam-cloud'
}

# a local group has the gid of a marker group
test_marker_gid() {
    echo 'staffers:x:199998:' >>/etc/group
    finds nss-module 'a local group has the gid 199998 or 199999 of a marker group' '^editor /etc/group'
}

# the unit is disabled, or masked
test_unit() {
    local unit=/etc/systemd/system/cloudauthd.service
    install -d /run/systemd/system
    trap 'rmdir /run/systemd/system; rm -f /etc/systemd/system/cloudauthd.service' EXIT
    finds unit 'is-enabled cloudauthd: disabled: no account after a boot' '^systemctl unmask cloudauthd; systemctl enable --now cloudauthd$'
    ln -sf /dev/null $unit
    finds unit 'is-enabled cloudauthd: masked' '^systemctl unmask cloudauthd'
    rm $unit
    /usr/bin/systemctl --root=/ enable cloudauthd
    contains "$(cloudauthctl doctor abcdefghij)" '^unit +ok '
    /usr/bin/systemctl --root=/ disable cloudauthd
}

# shows LINE...: what systemctl(1) prints of the loaded unit
shows() {
    # shellcheck disable=SC2016 # expanded there
    printf '#!/bin/sh\n[ "$1" = show ] || exit 0\ncat <<END\n%s\nEND\n' "$(printf '%s\n' "$@")" >/usr/bin/systemctl
}

# systemd has an older unit loaded, or a copy of it, and would remove the files of open sessions
test_runtime() {
    fails grep -E '^runtime +(ok|BAD)' <<<"$(cloudauthctl doctor abcdefghij)"
    spoil /usr/bin/systemctl
    install -d /run/systemd/system
    trap 'rmdir /run/systemd/system; cp -a /root/kept/. /' EXIT
    rm /usr/bin/systemctl
    shows LoadState=loaded RuntimeDirectoryPreserve=no NeedDaemonReload=yes
    chmod 755 /usr/bin/systemctl
    finds runtime 'each restart forgets the open sessions' '^systemctl daemon-reload$'
    shows LoadState=loaded RuntimeDirectoryPreserve=restart NeedDaemonReload=no
    finds runtime 'each restart forgets the open sessions' 'RuntimeDirectoryPreserve=yes; } >/etc/systemd/system/cloudauthd.service.d/preserve.conf'
    shows LoadState=loaded RuntimeDirectoryPreserve=yes NeedDaemonReload=no
    contains "$(cloudauthctl doctor abcdefghij)" '^runtime +ok '
}

# AppArmor denies something to a program of ours: the kernel's line, as journalctl(1) prints it
test_apparmor_denials() {
    spoil /usr/bin/journalctl
    cat >/usr/bin/journalctl <<'END'
#!/bin/bash
lines='audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="open" profile="ntpd" name="/x"
audit: type=1400 audit(1.2:4): apparmor="DENIED" operation="link" profile="cloudauthd" name="/y" comm="w"'
while [[ $1 != -g ]]; do shift; done
grep -E "$2" <<<"$lines"
END
    finds apparmor 'apparmor="DENIED" operation="link" profile="cloudauthd"' 'local/usr.sbin.cloudauthd'
}

# settings that admit too much, or have no effect, are notes
test_notes() {
    local said
    configure 'allow = *' 'metrics_listen = 127.0.0.1:9101'
    # Local names are login names then, which is a fault of its own.
    said=$(cloudauthctl doctor abcdefghij) || same 1 $?
    contains "$said" '^settings +note +allow = [*]: the people of every project'
    contains "$said" '^settings +note +/etc/cloudauth/cloudauth.conf:[0-9]+: metrics_listen: '
}

# one line tells of the clock
test_clock_once() {
    enters alice abcdefghij
    same 1 "$(cloudauthctl doctor abcdefghij | grep -c '^clock ')"
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    host_restart
    enters alice abcdefghij
    same 1 "$(cloudauthctl doctor abcdefghij | grep -c '^clock ')"
    contains "$(cloudauthctl doctor abcdefghij)" "^clock +ok +it agrees with the project API's"
}
