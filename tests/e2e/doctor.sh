# shellcheck shell=bash disable=SC2119
# SPDX-License-Identifier: Apache-2.0
# cloudauthctl doctor: a host that is set up well, and one fault at a time, each found with its remedy.

# spoil FILE...: restores the files when the test ends.
spoil() {
    local file
    rm -rf /root/kept
    for file; do
        install -d "/root/kept$(dirname "$file")"
        cp -a "$file" "/root/kept$file"
    done
    trap 'cp -a /root/kept/. /' EXIT
}

# finds CHECK DETAIL REMEDY: doctor reports that fault, and exits with 1.
finds() {
    local status=0
    cloudauthctl doctor abcdefghij --json >/root/findings || status=$?
    jq -e --arg check "$1" --arg detail "$2" --arg remedy "$3" \
        '.checks | any(.check == $check and .result == "BAD" and (.detail | test($detail)) and
                       (.remedy | test($remedy)))' /root/findings >/dev/null && [[ $status -eq 1 ]] && return 0
    echo "not found: $1: $2: $3 (status $status)"
    jq -r '.checks[] | select(.result != "ok") | "\(.check): \(.detail): \(.remedy)"' /root/findings
    return 1
}

# What the remedies use of systemd, which is not pid 1 here.
systemctl() {
    case "$*" in
    'stop cloudauthd') daemon_stop ;;
    'start cloudauthd') daemon_is_ready ;;
    'restart cloudauthd') daemon_stop && daemon_is_ready ;;
    'try-restart ssh') sshd_stop && sshd_start ;;
    'restart nscd') nscd_stop && nscd_start ;;
    *)
        echo "systemctl $*"
        return 1
        ;;
    esac
}

# As of Type=notify: it listens before it has read its files, and may end by them. Status 1: it has findings.
daemon_is_ready() {
    daemon_start && { cloudauthctl status >/dev/null || (($? == 1)); } && return 0
    daemon_may_end 127
    return 1
}

# A new one says that it is already running while the former one ends.
nscd_stop() {
    local pid
    pid=$(</run/nscd/nscd.pid)
    nscd -K
    wait_for gone "$pid"
}

nscd_start() {
    install -d /run/nscd
    nscd
    wait_for test -S /run/nscd/socket
}

# paste: runs the remedy of each fault in /root/findings as it stands. One may fail that needs a later one.
paste() {
    local remedy
    local -a remedies
    mapfile -t remedies < <(jq -r '.checks[] | select(.result == "BAD") | .remedy' /root/findings | uniq)
    for remedy in "${remedies[@]}"; do
        eval "$remedy" || echo "it fails: $remedy"
    done
}

# repaired CHECK DETAIL REMEDY: doctor reports that fault, and finds none after the remedies were pasted.
repaired() {
    finds "$@"
    paste
    cloudauthctl doctor abcdefghij --json >/root/findings || {
        jq -r '.checks[] | select(.result != "ok")' /root/findings
        return 1
    }
}

host_restart() {
    daemon_stop
    find /var/lib/cloudauth -mindepth 1 -delete
    daemon_start
}

before_all() { getent passwd abcdefghij; }

# a host without faults: every check is ok, also with an account that doctor chooses
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

# the account may be named: an sFTP account, or a name that is not handled
test_named() {
    local said
    said=$(cloudauthctl doctor abcdefghij_sftp)
    contains "$said" '^sshd-shell +ok +as it must be for abcdefghij$'
    contains "$said" '^sshd-sftp +ok +as it must be for abcdefghij_sftp$'
    said=$(cloudauthctl doctor ada) || same 3 $?
    contains "$said" '^sshd-shell +unknown +there is no account to ask sshd about: ada does not exist$'
    contains "$said" '^  # cloudauthctl doctor NAME, with a login name that exists'
}

# where no login name of `allow` is an sFTP account, there is none to ask about, and nothing is unknown
test_no_sftp() {
    local said grid=abcdefg123abc-smith-a12b34c
    allow "$grid abcdefg123abc-* abcdefghij"
    getent passwd $grid
    for name in $grid abcdefghij; do
        said=$(cloudauthctl doctor "$name")
        contains "$said" "^sshd-shell +ok +as it must be for $name\$"
        contains "$said" '^sshd-sftp +ok +no login name of .allow. is an sFTP account$'
    done
    # There may be one, of another environment.
    allow "$grid *_sftp"
    contains "$(cloudauthctl doctor $grid)" "^sshd-sftp +note +$grid has no sFTP account"
}

# where `allow` has sFTP accounts alone, or applications alone, one of them is asked about, and nothing is unknown
test_no_shell() {
    local said app=abcdefg123abc-smith-a12b34c--mymagento
    allow '*_sftp'
    getent passwd abcdefghij_sftp
    for name in '' abcdefghij_sftp; do
        said=$(cloudauthctl doctor $name) || {
            echo "$said"
            return 1
        }
        contains "$said" '^sshd-shell +note +abcdefghij_sftp has no shell account$'
        contains "$said" '^sshd-sftp +ok +as it must be for abcdefghij_sftp$'
    done
    allow "*--mymagento"
    getent passwd $app
    said=$(cloudauthctl doctor $app)
    contains "$said" "^sshd-shell +ok +as it must be for $app\$"
    contains "$said" '^sshd-sftp +ok +no login name'
    # The daemon knows the environment, and the pattern the application.
    contains "$(cloudauthctl doctor)" "^sshd-shell +ok +as it must be for $app\$"
    allow 'abcdefg123abc-smith-a12b34c--nowhere *--shop *--my*'
    getent passwd $app
    contains "$(cloudauthctl doctor || same 3 $?)" '^sshd-shell +unknown +there is no account to ask sshd about: abcdefg123abc-smith-a12b34c--nowhere does not exist'
    allow '*--shop *--my*'
    getent passwd $app
    contains "$(cloudauthctl doctor || same 3 $?)" '^sshd-shell +unknown +there is no account to ask sshd about: none of .allow. is known [(][*]--shop [*]--my[*][)]'
    allow "abcdefg123abc-*--nowhere $app"
    getent passwd $app
    contains "$(cloudauthctl doctor)" "^sshd-shell +ok +as it must be for $app\$"
}

allow() {
    sed -i '/^allow = /d' "$CONF"
    echo "allow = $1" >>"$CONF"
    host_restart
}

# no account is known: a plain name of `allow` is taken; without one, sshd is not asked
test_no_account() {
    local status=0 said
    cloudauthctl doctor
    sed -i 's/^allow = abcdefghij /allow = /' "$CONF"
    host_restart
    said=$(cloudauthctl doctor) || status=$?
    same 3 $status
    contains "$said" '^sshd-shell +unknown '
    contains "$said" '^  # cloudauthctl doctor NAME, '
}

# only root may run doctor
test_not_root() {
    local status=0
    setpriv --reuid=65534 --regid=65534 --clear-groups cloudauthctl doctor || status=$?
    same 3 $status
}

# nsswitch: cloud before files, cloud missing, and a return before it
test_nsswitch() {
    spoil /etc/nsswitch.conf
    sed -i 's/^passwd:.*/passwd: cloud files/' /etc/nsswitch.conf
    repaired nsswitch-passwd 'cloud stands before files' 'passwd: files cloud'
    sed -i 's/^passwd:.*/passwd: compat db [!UNAVAIL=return] other # by hand/; s/^group:.*/group: files/' /etc/nsswitch.conf
    finds nsswitch-group 'cloud is missing' 'group: files cloud'
    repaired nsswitch-passwd 'cloud is missing' 'passwd: compat cloud db \[!UNAVAIL=return\] other'
    contains "$(</etc/nsswitch.conf)" '^passwd: compat cloud db \[!UNAVAIL=return\] other$'
    sed -i 's/^group:.*/group: files [NOTFOUND=return] cloud/' /etc/nsswitch.conf
    repaired nsswitch-group 'return' 'group: files cloud \[NOTFOUND=return\]'
    echo 'initgroups: files' >>/etc/nsswitch.conf
    repaired nsswitch-initgroups 'is missing' 'SUCCESS=continue'
    sed -i '/^group/d' /etc/nsswitch.conf
    repaired nsswitch-group 'is missing' "echo 'group: files cloud'"
    sed -i 's/^passwd:.*/passwd: cloud/' /etc/nsswitch.conf
    finds nsswitch-passwd 'stands before files' 'editor /etc/nsswitch.conf  # passwd: files cloud'
}

# nsswitch: of two lines glibc takes the last
test_nsswitch_twice() {
    spoil /etc/nsswitch.conf
    sed -i 's/^passwd:.*/passwd: files cloud\npasswd: files/' /etc/nsswitch.conf
    unknown abcdefghij
    finds nsswitch-passwd 'cloud is missing' 'passwd: files cloud'
    sed -i '/^passwd: files$/d; s/^passwd:.*/passwd: files\npasswd: files cloud/' /etc/nsswitch.conf
    known abcdefghij 200001
    cloudauthctl doctor abcdefghij
}

# nsswitch: as glibc reads it, without a blank, with tabs and with a line for the groups of accounts
test_nsswitch_spelling() {
    local said
    spoil /etc/nsswitch.conf
    sed -i 's/^passwd:.*/passwd:files cloud/; s/^group:.*/\tgroup :\tfiles\tcloud # both/' /etc/nsswitch.conf
    echo 'initgroups: files [SUCCESS=continue] cloud' >>/etc/nsswitch.conf
    id -Gn abcdefghij | grep -qw cloud-ssh
    said=$(cloudauthctl doctor abcdefghij) || {
        echo "$said"
        return 1
    }
    fails grep -E '^nsswitch-.* (BAD|unknown) ' <<<"$said"
}

# the settings are broken, too long, writable by other users, no file, or missing
test_settings() {
    spoil "$CONF"
    echo 'colour = blue' >>"$CONF"
    finds settings "cloudauth.conf:[0-9]+: .*colour" '^editor /etc/cloudauth/cloudauth.conf '
    # The default range is not this host's.
    same 'unknown the settings cannot be read' \
        "$(jq -r '.checks[] | select(.check == "ranges") | "\(.result) \(.detail)"' /root/findings)"
    head -c 66000 /dev/zero | tr '\0' '#' >>"$CONF"
    finds settings 'larger than 64 KiB' '^editor /etc/cloudauth/cloudauth.conf '
    cp -a "/root/kept$CONF" "$CONF"
    chmod 666 "$CONF"
    repaired settings 'writable by others' 'chmod 644 /etc/cloudauth/cloudauth.conf'
    chown ada "$CONF"
    repaired settings 'belongs to a user' 'chown root:root /etc/cloudauth/cloudauth.conf'
    rm "$CONF"
    finds settings 'no such file' '^apt-get .*force-confmiss cloudauth'
    mkdir "$CONF"
    finds settings 'not a regular file' '^mv /etc/cloudauth/cloudauth.conf [^ ]*.old && apt-get .*force-confmiss '
    rmdir "$CONF"
}

# sshd: a Match before 00-cloudauth.conf takes an sFTP account out of its chroot
test_sshd_shadowed() {
    printf 'Match User abcdefghij_sftp\n    ChrootDirectory none\n    ForceCommand none\n' \
        >/etc/ssh/sshd_config.d/00-aaa.conf
    trap 'rm -f /etc/ssh/sshd_config.d/00-aaa.conf' EXIT
    finds sshd-sftp 'for abcdefghij_sftp, chrootdirectory is none' 'grep .*chrootdirectory.* no Match or setting may stand before'
    finds sshd-sftp 'forcecommand is none' 'first one wins'
    eval "$(jq -r '.checks[] | select(.detail | test("chrootdirectory is none")) | .remedy' /root/findings)" |
        grep -F '00-aaa.conf:2:    ChrootDirectory none'
}

# sshd: the drop-in is gone, or PAM is off, or the configuration is broken
test_sshd_drop_in() {
    local drop_in=/etc/ssh/sshd_config.d/00-cloudauth.conf
    spoil $drop_in /etc/ssh/sshd_config
    rm $drop_in
    finds sshd-shell 'authorizedkeysfile is .ssh/authorized_keys' '^# put .*00-cloudauth.conf back'
    install -D -m 644 /root/kept$drop_in /usr/share/cloudauth/00-cloudauth.conf
    repaired sshd-shell 'authorizedkeysfile is .ssh/authorized_keys' '^install -m 644 /usr/share/cloudauth/'
    sed -i '1i UsePAM no' /etc/ssh/sshd_config
    repaired sshd-shell 'usepam is no' 'UsePAM yes'
    enters alice abcdefghij
    sed -i '1s/.*/NoSuchKeyword yes/' /etc/ssh/sshd_config
    finds sshd-shell 'NoSuchKeyword|Bad configuration|terminating' '^sshd -t '
    finds sshd-global 'NoSuchKeyword|Bad configuration|terminating' '^sshd -t '
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

# PAM: a refusal by pam_cloud does not count, or another line jumps over it
test_pam_passed_over() {
    local file
    spoil /etc/pam.d/common-account /etc/pam.d/common-auth /etc/pam.d/common-session
    sed -i 's/requisite\(.*pam_cloud\)/optional\1/' /etc/pam.d/common-account
    finds pam-account 'neither requisite nor required' 'pam-auth-update'
    sed -i 's/optional\(.*pam_cloud\)/sufficient\1/' /etc/pam.d/common-account
    finds pam-account 'neither requisite nor required' 'pam-auth-update'
    for file in account session; do
        cp -a /root/kept/etc/pam.d/common-account /root/kept/etc/pam.d/common-session /etc/pam.d/
        sed -i "0,/pam_localuser/s/.*pam_localuser/$file [success=2 default=ignore] pam_nologin.so\n&/" /etc/pam.d/common-$file
        finds pam-$file 'success=2 default=ignore. pam_nologin.so. stands before .*jump over' 'pam-auth-update'
        sed -i 's/success=2\(.*pam_nologin\)/success=1\1/' /etc/pam.d/common-$file
        cloudauthctl doctor abcdefghij
    done
}

# files: the helper, a directory above it, the socket, the chroot, what is missing: found and repaired
test_files() {
    enters alice abcdefghij
    spoil /usr/libexec/cloudauth/cloud-authkeys
    chmod 775 /usr/libexec/cloudauth/cloud-authkeys
    repaired files 'cloud-authkeys: owner 0, mode 775' '^chmod 755 /usr/libexec/cloudauth/cloud-authkeys$'
    chown cloudauth:ada /usr/libexec/cloudauth
    repaired files '/usr/libexec/cloudauth: owner' '^chown root:root /usr/libexec/cloudauth && chmod 755 '
    chmod 600 /run/cloudauth/socket
    repaired files 'socket: owner' '^systemctl restart cloudauthd$'
    chown root /run/cloudauth
    repaired files '/run/cloudauth: owner 0' '^chown cloudauth:cloudauth /run/cloudauth && chmod 755 /run/cloudauth$'
    enters alice abcdefghij
    chmod 777 /srv/sftp
    repaired files '/srv/sftp: owner 0, mode 777' '^chmod 755 /srv/sftp$'
    rmdir /srv/sftp
    repaired files '/srv/sftp: No such file' '^install -d -o root -g root -m 755 /srv/sftp$'
    same 'root root 755' "$(stat -c '%U %G %a' /srv/sftp)"
    chmod 775 /srv
    repaired files '/srv: owner 0, mode 775' '^chmod 755 /srv$'
    wait_for test -e "$SNAPSHOT"
    chmod 755 /var/lib/cloudauth/documents
    repaired files 'documents: owner' '^runuser -u cloudauth -- chmod 700 /var/lib/cloudauth/documents$'
    chmod 600 "$SNAPSHOT"
    repaired snapshot 'snapshot: owner' '^runuser -u cloudauth -- chmod 644 /var/lib/cloudauth/accounts.snapshot$'
    rm /usr/libexec/cloudauth/cloud-authkeys
    finds files 'cloud-authkeys: No such file' '^apt-get install --reinstall cloudauth '
}

# secrets: a file that other users can read, that is root's, or whose name needs quotes
test_secrets() {
    local file="/etc/cloudauth/the host's token; touch pasted"
    echo secret >/etc/cloudauth/token
    chmod 644 /etc/cloudauth/token
    configure 'token_file = /etc/cloudauth/token'
    repaired secrets '/etc/cloudauth/token: owner 0, mode 644' \
        '^chown cloudauth:cloudauth /etc/cloudauth/token && chmod 600 /etc/cloudauth/token$'
    same 'cloudauth cloudauth 600' "$(stat -c '%U %G %a' /etc/cloudauth/token)"
    chmod 640 /etc/cloudauth/token
    repaired secrets 'token: owner [0-9]+, mode 640' '^chmod 600 /etc/cloudauth/token$'
    mv /etc/cloudauth/token "$file"
    chown root:root "$file"
    configure "token_file = $file"
    repaired secrets 'mode 600' "^chown cloudauth:cloudauth '/etc/cloudauth/the host'"
    same cloudauth "$(stat -c %U "$file")"
    fails test -e pasted
    rm "$file"
    finds secrets 'No such file' '^# install -o cloudauth -g cloudauth -m 400 NEW_FILE '
}

# /srv may be a symbolic link
test_files_link() {
    mv /srv /root/srv
    ln -s /root/srv /srv
    trap 'rm /srv; mv /root/srv /srv' EXIT
    fails grep '^files .*/srv:' <(cloudauthctl doctor abcdefghij)
}

# root restored the daemon's files: it does not start, and does after the remedy
test_files_kept() {
    enters alice abcdefghij
    cloudauthctl deny --user carol
    wait_for test -s /var/lib/cloudauth/owners
    daemon_stop
    chown -R root:root /var/lib/cloudauth
    fails cloudauthd
    repaired files "[0-9]+ files below /var/lib/cloudauth do not belong" '^systemctl stop cloudauthd; chown -hR'
    same 1 "$(cloudauthctl deny --list --json | jq '.denials | length')"
    enters alice abcdefghij
}

# doubts CHECK DETAIL: doctor finds no fault, but could not look at that, and exits with 3.
doubts() {
    local status=0
    cloudauthctl doctor abcdefghij --json >/root/findings || status=$?
    same 3 "$status"
    jq -e --arg check "$1" --arg detail "$2" \
        '.checks | any(.check == $check and .result == "unknown" and (.detail | test($detail)))' /root/findings || {
        cat /root/findings
        return 1
    }
    fails grep -q BAD /root/findings
}

# replaces PROGRAM LINE: the program in doctor's PATH does that first, until the test ends.
replaces() {
    printf '#!/bin/sh\n%s\nexec /usr/bin/%s "$@"\n' "$2" "$1" >"/usr/sbin/$1"
    chmod 755 "/usr/sbin/$1"
    # shellcheck disable=SC2064 # expanded here
    trap "rm '/usr/sbin/$1'" EXIT
}

# checks that end early, by the OOM killer or an operator, are no host without faults
test_ended_early() {
    # shellcheck disable=SC2016 # expanded there
    replaces findmnt 'kill -KILL $PPID'
    doubts host 'the checks of the host ended early'
}

# a disk that does not answer is not waited for, and is told
test_slow_disk() {
    # shellcheck disable=SC2016 # expanded there
    replaces timeout 'case "$*" in *find*) exit 124 ;; esac'
    doubts files '/var/lib/cloudauth: the disk does not answer within 10 seconds'
    doubts clock 'the disk does not answer'
}

# the daemon is down; the snapshot is damaged
test_daemon() {
    daemon_stop
    finds daemon 'does not answer' '^systemctl restart cloudauthd; journalctl'
    finds files '/run/cloudauth/socket: No such file' 'systemctl restart'
    echo rubbish >/var/lib/cloudauth/accounts.snapshot
    finds snapshot 'not one of this version' 'systemctl restart cloudauthd'
}

# the API fails; the list of denials is damaged
test_api() {
    enters alice abcdefghij
    chmod 700 "$ACCESS/abcdefghij"
    finds api 'Permission denied' "^ls -lR $ACCESS  # .*chmod a[+]rX"
    chmod 755 "$ACCESS/abcdefghij"
    echo '{' >"$ACCESS/abcdefghij/production.json"
    finds api 'invalid document' "^cloudauthctl check $ACCESS "
    install -m 644 /dev/stdin /etc/cloudauth/token <<<secret
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'token_file = /etc/cloudauth/token'
    daemon_stop
    daemon_start
    finds api 'token: accessible to others' '^cloudauthctl doctor  # user cloudauth must own'
    rm /etc/cloudauth/token
    configure
    daemon_stop
    daemon_start
    cp "$PRISTINE/abcdefghij/production.json" "$ACCESS/abcdefghij/"
    enters alice abcdefghij
    mv "$ACCESS" "$ACCESS.gone"
    enters alice abcdefghij
    finds api 'abcdefghij/production: ' 'access_url'
    rm -rf "$ACCESS.gone"
    echo rubbish >/var/lib/cloudauth/denials
    daemon_stop
    daemon_start
    finds denials 'every cloud account is refused' 'undeny --all'
}

# plain http where every user can listen on the API's port
test_ports() {
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    daemon_stop
    daemon_start
    sysctl -qw net.ipv4.ip_unprivileged_port_start=$((API_PORT + 1))
    fails contains "$(cloudauthctl doctor abcdefghij)" '^ports'
    sysctl -qw net.ipv4.ip_unprivileged_port_start=80
    finds ports 'could answer in the API.s place' '^sysctl -w net.ipv4.ip_unprivileged_port_start=1024'
    daemon_stop
    WAIT=2 fails daemon_start
    sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
    daemon_start
    fails contains "$(cloudauthctl doctor abcdefghij)" '^ports'
    install -d -m 775 -g www-data /run/proxy
    configure 'access_url = http://api/{project}/{environment}' 'api_socket = /run/proxy/socket'
    /usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/proxy/socket")'
    finds ports 'another user than root could replace it' '^namei -l /run/proxy/socket'
    chmod 755 /run/proxy
    fails contains "$(cloudauthctl doctor abcdefghij)" '^ports'
}

# ---- The project API ------------------------------------------------------------------------------

# TLS: another CA, a name that is not in the certificate, an expired certificate
test_tls() {
    # shellcheck source=tests/sandbox/api.sh
    . "$REPO/tests/sandbox/api.sh"
    authority ca 30
    authority other
    certificate api ca
    certificate wrong-name ca DNS:other.example
    certificate expired ca DNS:localhost -days 0
    serve api
    by_https
    cloudauthctl doctor abcdefghij
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" "ca_file = $TLS/other.pem" 'keys_fresh = 0'
    host_restart
    finds api 'issuer certificate' 'set ca_file'
    serve wrong-name
    by_https
    finds api 'subject name' '^editor /etc/cloudauth/cloudauth.conf .* as the project API.s certificate does'
    serve expired
    by_https
    finds api 'certificate has expired' 'renew the project API.s certificate'
    nginx_stop
    finds api 'refused|connect' '^editor /etc/cloudauth/cloudauth.conf  # start the project API'
}

# the clock is an hour off: against the Date of the API's answers, before and behind
test_clock_off() {
    local ahead pid
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    for ahead in 3600 -3600 0; do
        "$REPO/tests/sandbox/ahead.pl" "$API_PORT" "$ACCESS" $ahead </dev/null >/dev/null 2>&1 &
        pid=$!
        wait_for grep -q ":$(printf %04X "$API_PORT") .* 0A " /proc/net/tcp
        host_restart
        case $ahead in
        3600) finds clock '(3600|3599|3601) seconds behind' 'timedatectl' ;;
        -3600) finds clock '(3600|3599|3601) seconds ahead of' 'timedatectl' ;;
        0)
            cloudauthctl doctor abcdefghij
            contains "$(cloudauthctl doctor abcdefghij)" "it agrees with the project API's"
            ;;
        esac
        kill $pid
        wait $pid || true
    done
}

# a uid that moved, or that belongs to another environment: the command names the environment
test_uid_moved() {
    enters alice abcdefghij
    document abcdefghij production '.account.uid = 200042 | .account.gid = 200042'
    finds api 'uid:gid changed from 200001:200001 to 200042:200042' '^cloudauthctl rebind abcdefghij/production '
    cp "$PRISTINE/abcdefghij/production.json" "$ACCESS/abcdefghij/"
    document abcdefghij staging '.account.uid = 200001'
    cloudauthctl doctor abcdefghij_stg --json >/root/findings || same 1 $?
    jq -e '.checks | any(.remedy | startswith("cloudauthctl rebind abcdefghij/production "))' /root/findings
}

# ---- sshd's lists, and what holds for everybody -------------------------------------------------------

# AllowUsers, AllowGroups and DenyUsers that keep cloud accounts out; lists that have them are well
test_sshd_lists() {
    local file=/etc/ssh/sshd_config.d/99-lists.conf
    trap 'rm -f /etc/ssh/sshd_config.d/99-lists.conf' EXIT
    echo 'AllowUsers ada root' >$file
    finds sshd-shell 'allowusers keeps abcdefghij out' 'AllowGroups|AllowUsers'
    echo 'AllowGroups ada cloud-ssh' >$file
    finds sshd-sftp 'allowgroups keeps abcdefghij_sftp out' 'cloud-sftp'
    echo 'DenyUsers *_sftp' >$file
    finds sshd-sftp 'denyusers keeps abcdefghij_sftp out' 'take the pattern out'
    echo 'AllowGroups ada cloud-*' >$file
    cloudauthctl doctor abcdefghij
    echo 'AllowGroups ada abcdefghij' >$file
    enters alice abcdefghij
    cloudauthctl doctor abcdefghij
    echo 'DenyUsers abcdefghij@10.0.0.0/8' >$file
    enters alice abcdefghij
    cloudauthctl doctor abcdefghij
    echo 'DenyUsers abcdefghij@*' >$file
    finds sshd-shell 'denyusers keeps abcdefghij out' 'take the pattern out'
}

# a Match on local addresses and ports is no fault
test_sshd_match_local() {
    trap 'rm -f /etc/ssh/sshd_config.d/99-local.conf' EXIT
    printf 'Match LocalPort 2222\nPermitRootLogin no\nMatch LocalAddress 10.0.0.1\nPermitRootLogin no\nMatch RDomain x\nPermitRootLogin no\n' \
        >/etc/ssh/sshd_config.d/99-local.conf
    cloudauthctl doctor abcdefghij
}

# passwords and a CA for all users are notes, not faults
test_sshd_global() {
    local file=/etc/ssh/sshd_config.d/99-global.conf said
    trap 'rm -f /etc/ssh/sshd_config.d/99-global.conf' EXIT
    printf 'PasswordAuthentication yes\nTrustedUserCAKeys /etc/ssh/ca.pub\n' >$file
    said=$(cloudauthctl doctor abcdefghij)
    contains "$said" '^sshd-global +note +passwordauthentication yes'
    contains "$said" '^sshd-global +note +trustedusercakeys /etc/ssh/ca.pub'
    printf 'PasswordAuthentication no\nKbdInteractiveAuthentication no\n' >$file
    contains "$(cloudauthctl doctor abcdefghij)" '^sshd-global +ok'
}

# homes on a file system that honours set-user-ID bits are a note
test_nosuid() {
    contains "$(cloudauthctl doctor abcdefghij)" '^homes +note +/app/[a-z0-9_-]+ is on a file system without nosuid'
    trap 'umount /app' EXIT
    mount --bind /app /app
    mount -o remount,bind,nosuid /app
    fails grep -E '^homes ' <<<"$(cloudauthctl doctor abcdefghij)"
}

# Where nscd is slow, getent asks the module itself.
nscd_mixes_names() {
    getent passwd abcdefghij_sftp
    [ "$(getent passwd 200001 | cut -d: -f1)" = abcdefghij_sftp ]
}

# nscd, while it caches passwd or group: it gives a uid the name that was looked up last
test_nscd() {
    spoil /etc/nscd.conf
    trap 'nscd_stop; cp -a /root/kept/. /' EXIT
    nscd_start
    wait_for nscd_mixes_names
    repaired nscd 'caches passwd or group' '^sed .* && systemctl restart nscd$'
    getent passwd abcdefghij_sftp
    same abcdefghij "$(getent passwd 200001 | cut -d: -f1)"
}

# a local user with the name of a cloud account
test_shadowed() {
    echo 'abcdefghij_stg:x:1777:1777::/:/bin/sh' >>/etc/passwd
    finds shadowed 'abcdefghij_stg is a login name of .allow.' '^editor /etc/passwd .*  # rename the local one'
}

# ---- The remedies ----------------------------------------------------------------------------------

# the commands stand below the table, each once, and all of them can be pasted at once
test_remedies() {
    local said
    chmod 775 /srv/sftp
    echo secret >/etc/cloudauth/token
    configure 'token_file = /etc/cloudauth/token'
    said=$(cloudauthctl doctor abcdefghij) && return 1
    contains "$said" '^files +BAD +/srv/sftp: owner 0, mode 775$'
    said=$(sed '1,/^Remedies/d' <<<"$said")
    same '  # files: /srv/sftp: owner 0, mode 775
  chmod 755 /srv/sftp' "$(head -n 2 <<<"$said")"
    bash -ec "$said"
    cloudauthctl doctor abcdefghij
    sed -i '1i UsePAM no' /etc/ssh/sshd_config
    same 1 "$(cloudauthctl doctor abcdefghij | grep -c "^  sed -i '1i UsePAM yes'")"
    sed -i 1d /etc/ssh/sshd_config
    rm /etc/cloudauth/token
}

# a compromised daemon cannot make a pasted remedy change a file of root
test_remedies_hostile() {
    local before
    echo root-secret >/root/victim
    chmod 600 /root/victim
    before=$(stat -c '%U %G %a' /root/victim /root /etc/shadow)
    daemon_stop
    ln -s /root/victim /run/cloudauth/socket
    rm -rf /var/lib/cloudauth/documents
    ln -s /root /var/lib/cloudauth/documents
    # The daemon's, as its own user would make them.
    chown -h cloudauth /run/cloudauth/socket /var/lib/cloudauth/documents
    rm -f "$SNAPSHOT"
    ln /etc/shadow "$SNAPSHOT" 2>/dev/null || cp -a /etc/shadow "$SNAPSHOT"
    ln -s /root /var/lib/cloudauth/secrets
    configure 'token_file = /var/lib/cloudauth/secrets/victim'
    cloudauthctl doctor abcdefghij --json >/root/findings || same 1 $?
    same 2 "$(jq '[.checks[] | select(.detail | test("something else is in its place"))] | length' /root/findings)"
    # As if what is repaired were replaced meanwhile.
    ln -sfn /root/victim /var/lib/cloudauth/accounts.snapshot
    paste
    same "$before" "$(stat -c '%U %G %a' /root/victim /root /etc/shadow)"
    # A secret of root's is not given to the daemon by way of a directory that is not root's alone.
    install -d -o cloudauth /srv/secrets
    ln -s /root/victim /srv/secrets/token
    configure 'token_file = /srv/secrets/token'
    finds secrets 'something else is in its place' '^namei -l /srv/secrets/token$'
    rm /srv/secrets/token
    echo secret >/srv/secrets/token
    finds secrets 'owner 0, mode 644' '^namei -l /srv/secrets/token  # all above it must be root'
    paste
    same 'root 644' "$(stat -c '%U %a' /srv/secrets/token)"
    rm -r /root/victim /srv/secrets
}

# ---- Users and ids -----------------------------------------------------------------------------------

# the users are missing
test_users() {
    sed -i '/^cloudauth-keys:/d' /etc/passwd
    repaired users 'no user cloudauth-keys' '^systemd-sysusers /usr/lib/sysusers.d/cloudauth.conf; systemctl restart'
    sed -i '/^cloudauth-keys:/d' /etc/passwd
    sed -i '/^cloudauth:/d' /etc/passwd
    finds users 'no user cloudauth ' 'systemd-sysusers'
}

# ids: of useradd, of containers, of a local user and a local group
test_ranges() {
    spoil /etc/login.defs /etc/nsswitch.conf
    sed -i 's/^UID_MAX.*/UID_MAX 300000/' /etc/login.defs
    finds ranges 'UID_MAX 300000 is not below uid_min 200000' '^editor /etc/login.defs /etc/cloudauth/cloudauth.conf  # UID_MAX'
    echo 'ada:165536:65536' >/etc/subuid
    finds ranges '/etc/subuid: ada:165536:65536 overlaps' '^editor /etc/subuid .*  # set uid_min above that range'
    rm /etc/subuid
    cp -a /root/kept/etc/login.defs /etc
    cloudauthctl doctor abcdefghij --json >/root/findings
    jq -e '.checks | any(.check == "ranges" and .result == "note" and (.detail | test("gives out 100000-600100000")))' /root/findings
    sed -i 's/^passwd:.*/passwd: files extrausers cloud/' /etc/nsswitch.conf
    mkdir -p /var/lib/extrausers
    echo 'jdoe@corp.example:x:201107:201107:::' >/var/lib/extrausers/passwd
    finds ranges 'jdoe@corp.example of another name service has the id 201107' 'set uid_min and uid_max to a range'
    rm /var/lib/extrausers/passwd
    echo 'eve:x:200077:1::/:/bin/sh' >>/etc/passwd
    finds ranges '/etc/passwd: eve has the id 200077' 'another id'
    printf 'cloud-ssh:x:777:\ncloud-sftp:x:778:\n' >>/etc/group
    finds nss-module 'the NSS module must define' 'groupdel'
    eval "$(jq -r '.checks[] | select(.check == "nss-module") | .remedy' /root/findings)"
    contains "$(cloudauthctl doctor abcdefghij)" '^nss-module +ok'
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
    mount -o "remount,hidepid=4,gid=$(id -g cloudauth)" /proc
    finds proc 'hides processes' 'hidepid=0'
}
