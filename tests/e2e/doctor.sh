# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# cloudauthctl doctor: a host that is set up well, and one fault at a time, each found with its remedy.

# spoil FILE...: what is done to them is undone when the test ends.
spoil() {
    local file
    rm -rf /root/kept
    for file; do
        install -d "/root/kept$(dirname "$file")"
        cp -a "$file" "/root/kept$file"
    done
    trap 'cp -a /root/kept/. /' EXIT
}

# finds CHECK DETAIL REMEDY: it is found, and nothing is said to be well by the exit status.
finds() {
    local status=0
    cloudauthctl doctor abcdefghij --json >/root/findings || status=$?
    jq -e --arg check "$1" --arg detail "$2" --arg remedy "$3" \
        '.checks | any(.check == $check and .result == "BAD" and (.detail | test($detail)) and
                       (.remedy | test($remedy)))' /root/findings >/dev/null && [[ $status -eq 1 ]] && return
    echo "not found: $1: $2: $3 (status $status)"
    jq -r '.checks[] | select(.result != "ok") | "\(.check): \(.detail): \(.remedy)"' /root/findings
    return 1
}

before_all() { getent passwd abcdefghij; }

# a host that is set up well: every check is well, with an account of its own finding too
test_well() {
    local said
    enters alice abcdefghij
    said=$(cloudauthctl doctor) || {
        echo "$said"
        return 1
    }
    fails grep -E ' (BAD|unknown) ' <<<"$said"
    contains "$said" '^sshd-sftp +ok +as it must be for abcdefghij_sftp$'
}

# no account is known: that is said, and not taken for well
test_no_account() {
    local status=0 said
    said=$(cloudauthctl doctor) || status=$?
    same 3 $status
    contains "$said" '^sshd-shell +unknown .*cloudauthctl doctor NAME'
}

# nobody but root
test_not_root() {
    local status=0
    setpriv --reuid=65534 --regid=65534 --clear-groups cloudauthctl doctor || status=$?
    same 3 $status
}

# nsswitch: cloud before files, cloud missing, and a return before it
test_nsswitch() {
    spoil /etc/nsswitch.conf
    sed -i 's/^passwd:.*/passwd: cloud files/' /etc/nsswitch.conf
    finds nsswitch-passwd 'cloud stands before files' 'passwd: files cloud'
    sed -i 's/^passwd:.*/passwd: files cloud/; s/^group:.*/group: files/' /etc/nsswitch.conf
    finds nsswitch-group 'cloud is not there' 'group: files cloud'
    sed -i 's/^group:.*/group: files [NOTFOUND=return] cloud/' /etc/nsswitch.conf
    finds nsswitch-group 'return' 'group: files cloud'
}

# the settings are broken, or anybody may write them
test_settings() {
    spoil "$CONF"
    echo 'colour = blue' >>"$CONF"
    finds settings "cloudauth.conf:[0-9]+: .*colour" 'repair it'
    cp -a "/root/kept$CONF" "$CONF"
    chmod 666 "$CONF"
    finds settings 'cloudauth.conf' 'nobody else may write'
}

# sshd: a Match that stands before ours takes an sFTP account out of its chroot
test_sshd_shadowed() {
    printf 'Match User abcdefghij_sftp\n    ChrootDirectory none\n    ForceCommand none\n' \
        >/etc/ssh/sshd_config.d/00-aaa.conf
    trap 'rm -f /etc/ssh/sshd_config.d/00-aaa.conf' EXIT
    finds sshd-sftp 'for abcdefghij_sftp, chrootdirectory is none' 'no Match or setting stands before it'
    finds sshd-sftp 'forcecommand is none' 'first one wins'
}

# sshd: the drop-in is gone, or PAM is off, or the configuration is broken
test_sshd_drop_in() {
    local drop_in=/etc/ssh/sshd_config.d/00-cloudauth.conf
    spoil $drop_in /etc/ssh/sshd_config
    rm $drop_in
    finds sshd-shell 'authorizedkeysfile is .ssh/authorized_keys' '00-cloudauth.conf back'
    cp -a /root/kept$drop_in $drop_in
    sed -i '1i UsePAM no' /etc/ssh/sshd_config
    finds sshd-shell 'usepam is no' 'UsePAM yes'
    sed -i '1s/.*/NoSuchKeyword yes/' /etc/ssh/sshd_config
    finds sshd-shell 'NoSuchKeyword|Bad configuration|terminating' 'sshd -t says where'
}

# PAM: the lines are gone, and pam_unix stands before pam_cloud
test_pam() {
    spoil /etc/pam.d/common-account /etc/pam.d/common-auth /etc/pam.d/common-session
    sed -i '/pam_cloud/d' /etc/pam.d/common-account
    finds pam-account 'not in sshd.s stack' 'pam-auth-update --enable cloudauth'
    cp -a /root/kept/etc/pam.d/common-account /etc/pam.d/
    sed -i '1i account sufficient pam_unix.so' /etc/pam.d/common-account
    finds pam-account 'sufficient pam_unix.so. stands before' 'pam-auth-update'
    cp -a /root/kept/etc/pam.d/common-account /etc/pam.d/
    sed -i '/pam_cloud/d' /etc/pam.d/common-session
    finds pam-session 'not in sshd.s stack' 'pam-auth-update'
    sed -i '/pam_cloud/d' /etc/pam.d/common-auth
    finds pam-auth 'not in sshd.s stack' 'pam-auth-update'
}

# files: the helper, a directory above it, the socket, the chroot, a secret
test_files() {
    spoil /usr/libexec/cloudauth /srv/sftp
    chmod 775 /usr/libexec/cloudauth/cloud-authkeys
    finds files 'cloud-authkeys: owner 0, mode 775' 'chmod 755 /usr/libexec/cloudauth/cloud-authkeys'
    chmod 755 /usr/libexec/cloudauth/cloud-authkeys
    chown cloudauth /usr/libexec/cloudauth
    finds files '/usr/libexec/cloudauth: owner' 'chown root /usr/libexec/cloudauth'
    chown root /usr/libexec/cloudauth
    chmod 600 /run/cloudauth/socket
    finds files 'socket: owner' 'chmod 666 /run/cloudauth/socket'
    chmod 666 /run/cloudauth/socket
    chmod 777 /srv/sftp
    finds files '/srv/sftp: owner 0, mode 777' 'chmod 755 /srv/sftp'
    chmod 755 /srv/sftp
    echo secret >/root/token
    chmod 644 /root/token
    configure 'token_file = /root/token'
    finds secrets '/root/token: owner 0, mode 644' 'chmod 600 /root/token'
}

# the daemon is down; the snapshot is not one
test_daemon() {
    broker_stop
    finds daemon 'does not answer' 'systemctl start cloudauthd'
    finds files '/run/cloudauth/socket: No such file' 'systemctl restart'
    echo rubbish >/var/lib/cloudauth/accounts.snapshot
    finds snapshot 'not one of this version' 'systemctl restart cloudauthd'
}

# the API fails; the list of denials is damaged
test_api() {
    enters alice abcdefghij
    mv "$ACCESS" "$ACCESS.gone"
    enters alice abcdefghij
    finds api 'abcdefghij/production: ' 'access_url'
    rm -rf "$ACCESS.gone"
    echo rubbish >/var/lib/cloudauth/denials
    broker_stop
    broker_start
    finds denials 'everybody is refused' 'undeny --all'
}

# the users are missing
test_users() {
    sed -i '/^cloudauth-keys:/d' /etc/passwd
    finds users 'no user cloudauth-keys' 'systemd-sysusers'
    sed -i '/^cloudauth:/d' /etc/passwd
    finds users 'no user cloudauth ' 'systemd-sysusers'
}

# ids: of useradd, of containers, of a local user and a local group
test_ranges() {
    spoil /etc/login.defs
    touch /etc/subuid
    spoil /etc/login.defs /etc/subuid
    sed -i 's/^UID_MAX.*/UID_MAX 300000/' /etc/login.defs
    finds ranges 'UID_MAX 300000 is not below uid_min 200000' 'set uid_min'
    echo 'ada:165536:65536' >/etc/subuid
    finds ranges '/etc/subuid: ada:165536:65536 meets' 'set uid_min above it'
    echo 'eve:x:200077:1::/:/bin/sh' >>/etc/passwd
    finds ranges '/etc/passwd: eve has the id 200077' 'another id'
    echo 'cloud-ssh:x:777:' >>/etc/group
    finds nss-module 'marker group of ours' 'groupdel'
}

# the clock stands before what is stored
test_clock() {
    enters alice abcdefghij
    wait_for test -e /var/lib/cloudauth/documents/abcdefghij.production
    touch -d '+1 hour' /var/lib/cloudauth/documents/abcdefghij.production
    finds clock 'before the newest stored document' 'timedatectl'
}

# /proc hides processes
test_hidepid() {
    mount -o remount,hidepid=2 /proc
    trap 'mount -o remount,hidepid=0 /proc' EXIT
    finds proc 'hides processes' 'hidepid=0'
    mount -o "remount,hidepid=2,gid=$(id -g cloudauth)" /proc
    cloudauthctl doctor abcdefghij
}
