# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# PAM as the second net behind the key line, and su, sudo and cron, which have no key at all.

before_all() {
    echo 'abcdefghij ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/sandbox
    echo 'abcdefghij_stg ALL=(ALL) ALL' >>/etc/sudoers.d/sandbox
    echo 'ada,frederika ALL=(ALL) ALL' >>/etc/sudoers.d/sandbox
    chmod 440 /etc/sudoers.d/sandbox
    echo 'root:secret' | chpasswd
    cp -a /etc/shadow /root/accounts
    cp -a /etc/pam.d /root/pam.d
    cp -a /etc/ssh/sshd_config.d/00-cloudauth.conf /root/dropin.conf
    rm -f /etc/cron.d/* # Debian's own jobs
}

# What a test changes of PAM or of sshd's blocks is put back at its end: trap shipped EXIT
shipped() {
    cp -a /root/pam.d/* /etc/pam.d
    cp -a /root/dropin.conf /etc/ssh/sshd_config.d/00-cloudauth.conf
}

# An sshd whose blocks read keys from a file, too: the stranger's key is in it.
sshd_with_key_file() {
    trap shipped EXIT
    cp "$KEYS/stranger.pub" /etc/ssh/more_keys
    sed 's|AuthorizedKeysFile none|AuthorizedKeysFile /etc/ssh/more_keys|' /root/dropin.conf \
        >/etc/ssh/sshd_config.d/00-cloudauth.conf
    sshd_stop
    sshd_start -o LogLevel=VERBOSE # with an option, so that the next test starts it afresh
    cp "$KEYS/alice.pub" "$KEYS/media-agency.pub" /root
    chmod 600 /root/*.pub
}

# The order trick: offers NAME's public key, of which there is no private half here, and enters by
# the stranger's key from sshd's file:
# offer_then_sign NAME [SSH OPTION...] LOGIN@HOST [COMMAND]
offer_then_sign() {
    timeout 60 ssh "${SSH_OPTIONS[@]}" -i "/root/$1.pub" -i "$KEYS/stranger" "${@:2}" 2>&1 </dev/null
}

# as_user LOGIN COMMAND...: in a process that the user has already, without a terminal.
as_user() {
    local id
    id=$(id -u "$1")
    setpriv --reuid "$id" --regid "$id" --clear-groups setsid -w "${@:2}" 2>&1
}

# ---- sshd ------------------------------------------------------------------------------------------

# a key that sshd accepts from a file, without a line of the helper: refused
test_no_key_line() {
    sshd_with_key_file
    enters alice abcdefghij
    refused stranger abcdefghij
    audit 'refuse account=abcdefghij .*service=sshd reason=no-key-line'
    refused stranger abcdefghij_sftp
    audit 'refuse account=abcdefghij_sftp .*service=sshd reason=no-key-line'
}

# a key line for one key allows no login by another: no command, no sFTP, and the client is told
test_other_key_than_the_line() {
    local output
    sshd_with_key_file
    output=$(offer_then_sign alice abcdefghij@127.0.0.1 'echo inside' || true)
    audit 'Accepted publickey for abcdefghij '
    fails contains "$output" inside
    contains "$output" 'the key of this login'
    audit 'refuse account=abcdefghij .*service=sshd reason=key-changed'
    fails offer_then_sign media-agency -s abcdefghij_sftp@127.0.0.1 sftp
    audit 'refuse account=abcdefghij_sftp .*reason=key-changed'
}

# next_document JQ: the document is so from PAM's account step of the next login on, after the key line
next_document() {
    jq "$1" "$ACCESS/abcdefghij/production.json" >/root/next.json
}

# a document that changes after the key line: a login whose line permits something else is refused once, no other
test_document_changes_meanwhile() {
    trap shipped EXIT
    printf '#!/bin/sh\n[ ! -e /root/next.json ] || mv /root/next.json %s\n' "$ACCESS/abcdefghij/production.json" >/root/change
    chmod 755 /root/change
    sed -i '1i account optional pam_exec.so /root/change' /etc/pam.d/sshd
    document abcdefghij production '.forwarding.local = ["127.0.0.1:1", "127.0.0.1:2"]'
    next_document '.forwarding.local = ["127.0.0.1:2", "127.0.0.1:1"] | .users[].expires_at = "2099-01-01T00:00:00Z"'
    enters alice abcdefghij
    fails test -e /root/next.json
    next_document '.forwarding.local = ["127.0.0.1:1"]'
    refused alice abcdefghij 'connect again'
    audit 'refuse account=abcdefghij .*user=alice .*service=sshd reason=line-changed'
    enters alice abcdefghij
    next_document '.forwarding.agent = true'
    refused alice abcdefghij 'connect again'
    next_document '.forwarding = {}'
    sftp_batch alice abcdefghij_sftp <<<pwd
    fails test -e /root/next.json
    next_document '(.users[] | select(.username == "carol")).role = "admin"'
    refused carol abcdefghij 'connect again'
    enters carol abcdefghij
    rm /root/change
}

# nor does such a login get a forward, though it stays connected
test_other_key_forwards_nothing() {
    local port=7001
    sshd_with_key_file
    document abcdefghij production '.forwarding.local = ["127.0.0.1:22"]'
    forward_answers alice $port -i "$KEYS/alice"
    fails forward_answers alice $port -i /root/alice.pub -i "$KEYS/stranger"
    audit 'refuse account=abcdefghij .*reason=key-changed'
}

# forward_answers WHO PORT SSH-OPTION...: whether an sshd answers behind a forward of `ssh -N`.
forward_answers() {
    local ssh greeting='' status=1
    timeout 60 ssh "${SSH_OPTIONS[@]}" "${@:3}" -N -L "127.0.0.1:$2:127.0.0.1:22" \
        abcdefghij@127.0.0.1 2>&1 </dev/null &
    ssh=$!
    wait_for port_is_open "$2"
    if exec 7<>"/dev/tcp/127.0.0.1/$2"; then
        read -r -t 10 -n 7 greeting <&7 || true
        exec 7>&-
    fi
    [[ $greeting != SSH-2.0 ]] || status=0
    kill "$ssh"
    wait "$ssh" || true
    return $status
}

port_is_open() { ss -Hltn "sport = :$1" | grep -q .; }

# without PAM the key line of a refused user runs no command and allows no forward
test_use_pam_no() {
    sshd_stop
    sshd_start -o UsePAM=no
    enters alice abcdefghij
    contains "$(as carol abcdefghij 'echo inside' || true)" 'not available'
    fails contains "$(as carol abcdefghij 'echo inside' || true)" inside
    fails login carol -W 127.0.0.1:22 abcdefghij@127.0.0.1
    refused stranger abcdefghij
}

# without PAM a user who may not use sFTP gets no key line, and so no chroot
test_no_pam_sftp() {
    sshd_stop
    sshd_start -o UsePAM=no
    fails sftp_batch carol abcdefghij_sftp <<<"ls /"
    document abcdefghij production '.environment.status = "paused"'
    fails sftp_batch media-agency abcdefghij_sftp <<<"ls /"
}

# an sshd with another PAM service name needs a key line as well
test_other_service_name() {
    cp /usr/sbin/sshd /usr/sbin/sshd2
    cp /etc/pam.d/sshd /etc/pam.d/sshd2
    sshd_with_key_file
    # From 9.8 on the service is a setting; before, it was the program's name.
    echo 'PAMServiceName sshd2' >/etc/ssh/sshd2.conf
    /usr/sbin/sshd -t -f /etc/ssh/sshd2.conf 2>/dev/null || : >/etc/ssh/sshd2.conf
    cat /etc/ssh/sshd_config >>/etc/ssh/sshd2.conf
    /usr/sbin/sshd2 -f /etc/ssh/sshd2.conf -o ListenAddress=127.0.0.1:2222 -o PidFile=/run/sshd2.pid
    wait_for test -s /run/sshd2.pid
    SSH_PORT=2222 enters alice abcdefghij
    audit 'grant account=abcdefghij .*service=sshd2 '
    SSH_PORT=2222 refused stranger abcdefghij
    audit 'refuse account=abcdefghij .*service=sshd2 reason=no-key-line'
    stop "$(cat /run/sshd2.pid)"
}

# another process of root cannot log in by the key line that is pending for sshd
test_line_of_another_process() {
    local home=/app/abcdefghij
    login alice abcdefghij@127.0.0.1 'touch in; until [[ -e out ]]; do sleep 0.1; done' &
    wait_for test -e $home/in
    audit 'grant account=abcdefghij .*user=alice'
    fails pamtester sshd abcdefghij acct_mgmt
    audit 'refuse account=abcdefghij .*service=sshd reason=no-key-line'
    touch $home/out
    wait $!
    rm $home/in $home/out
}

# sshd_says UID: what it tells the helper that the account's uid is; "" for nothing.
sshd_says() {
    sed "s/%U\$/$1/" /root/dropin.conf >/etc/ssh/sshd_config.d/00-cloudauth.conf
    sshd_stop
    sshd_start
}

# a login with another uid than the document's is refused: sshd would run the session with the uid that it looked up
test_other_uid() {
    cp /etc/ssh/sshd_config.d/00-cloudauth.conf /root/dropin.conf
    trap 'cp /root/dropin.conf /etc/ssh/sshd_config.d/00-cloudauth.conf; sshd_stop; sshd_start' EXIT
    same 2 "$(grep -c '%U$' /root/dropin.conf)"
    sshd_says 200002
    refused alice abcdefghij 'connect again'
    audit 'refuse account=abcdefghij .*user=alice .*service=sshd reason=ids-changed'
    fails sftp_batch alice abcdefghij_sftp <<<pwd
    audit 'refuse account=abcdefghij_sftp .*user=alice .*service=sshd reason=ids-changed'
    sshd_says 200001
    enters alice abcdefghij
    sshd_says ''
    enters alice abcdefghij
    for uid in 0 -1 200001x 4294967296 0x1; do
        sshd_says "$uid"
        refused alice abcdefghij
    done
}

# ---- su --------------------------------------------------------------------------------------------

# root can su to an account while its environment is active
test_su() {
    # shellcheck disable=SC2016 # expanded there
    same "abcdefghij 200001" "$(su abcdefghij -c 'echo "$(id -un) $UID"')"
    audit 'grant account=abcdefghij .*user= .*service=su reason=granted'
    same /app/abcdefghij "$(su - abcdefghij -c pwd)"
    audit 'grant account=abcdefghij .*service=su-l'
}

# not while it is paused or inactive: su shows the reason
test_su_not_active() {
    contains "$(su abcdefghij_stg2 -c 'echo inside' 2>&1 || true)" '^environment staging2 is paused'
    audit 'refuse account=abcdefghij_stg2 .*service=su reason=environment-paused'
    document abcdefghij staging '.environment.status = "inactive"'
    contains "$(su abcdefghij_stg -c 'echo inside' 2>&1 || true)" '^environment staging is inactive'
    fails su abcdefghij_stg -c true
}

# another user cannot, and is not asked for a password
test_su_by_another_user() {
    same 'su: Authentication failure' "$(as_user ada su abcdefghij -c 'echo inside' || true)"
    same 'su: Authentication failure' "$(echo secret | as_user abcdefghij_stg su abcdefghij -c 'echo inside' || true)"
    contains "$(as_user ada su root -c 'echo inside' || true)" '^Password: '
}

# su from an account to a local user asks for that user's password
test_su_to_local_user() {
    same 'Password: ada' "$(echo secret | as_user abcdefghij su ada -c 'id -un')"
    same 'Password: root' "$(echo secret | as_user abcdefghij su -c 'id -un')"
    contains "$(echo wrong | as_user abcdefghij su -c 'id -un' || true)" 'Authentication failure'
}

# ---- sudo ------------------------------------------------------------------------------------------

# an account with a NOPASSWD rule of sudo uses it while its environment is active
test_sudo() {
    same root "$(as_user abcdefghij sudo id -un)"
    audit 'grant account=abcdefghij .*service=sudo reason=granted'
    document abcdefghij production '.environment.status = "paused"'
    fails as_user abcdefghij sudo true
    audit 'refuse account=abcdefghij .*service=sudo reason=environment-paused'
}

# a rule that requires a password has no effect: accounts have none, and there is no prompt
test_sudo_password() {
    local output
    output=$(echo secret | as_user abcdefghij_stg sudo -S id -un || true)
    contains "$output" 'incorrect password'
    fails contains "$output" 'assword for|^root'
}

# root can run a command as an account
test_sudo_by_root() {
    same abcdefghij "$(sudo -u abcdefghij id -un)"
}

# the local user ada uses sudo with her password, as before
test_sudo_local_user() {
    contains "$(echo secret | as_user ada sudo -S id -un)" 'root$'
}

# ---- cron ------------------------------------------------------------------------------------------

# cron_runs LOGIN...: whose jobs ran, of those who have one. `@reboot` is the minute cron starts.
cron_runs() {
    local user
    rm -rf /run/crond.* /var/spool/cron/crontabs/* /tmp/cron
    install -d -m 1777 /tmp/cron
    for user in root "$@"; do
        echo "@reboot id -un >/tmp/cron/$user" >"/var/spool/cron/crontabs/$user"
        chown "$(id -u "$user" || echo 0):crontab" "/var/spool/cron/crontabs/$user"
        chmod 600 "/var/spool/cron/crontabs/$user"
    done
    [[ -z ${BEFORE_CRON-} ]] || "$BEFORE_CRON"
    /usr/sbin/cron
    # Each job is a process of cron's that has ended by then.
    wait_for test -s /tmp/cron/root
    wait_for cron_is_idle
    stop "$(cat /run/crond.pid)"
    find /tmp/cron -type f -size +0 -printf '%f\n' | sort | grep -vx root | xargs
}

cron_is_idle() { fails pgrep -P "$(cat /run/crond.pid)"; }

# cron runs the jobs of an active and of a paused environment, not of an inactive one
test_cron() {
    document abcdefghij staging '.environment.status = "inactive"'
    same "abcdefghij abcdefghij_stg2 ada" \
        "$(cron_runs abcdefghij abcdefghij_stg abcdefghij_stg2 ada)"
    audit 'grant account=abcdefghij .*service=cron reason=granted'
    audit 'refuse account=abcdefghij_stg .*service=cron reason=environment-inactive'
    audit 'grant account=abcdefghij_stg2 .*service=cron reason=granted'
    same abcdefghij_stg2 "$(cat /tmp/cron/abcdefghij_stg2)"
}

stop_known() {
    wait_for snapshot_has production
    wait_for snapshot_has staging2
    daemon_stop
}

stop_unknown() {
    daemon_stop
    rm -f "$SNAPSHOT"
}

# with the daemon stopped, cron runs jobs where the snapshot allows it; without one only those of local users
test_cron_daemon_stopped() {
    same 'abcdefghij abcdefghij_stg2 ada' \
        "$(BEFORE_CRON=stop_known cron_runs abcdefghij abcdefghij_stg2 ada)"
    daemon_start
    same ada "$(BEFORE_CRON=stop_unknown cron_runs abcdefghij abcdefghij_stg2 ada)"
}

# ---- Daemon stopped --------------------------------------------------------------------------------

# with the daemon stopped su, sudo and cron refuse accounts, and pam_cloud writes the audit line
test_daemon_stopped() {
    local service
    stop_unknown
    for service in su sudo cron; do
        contains "$(pamtester $service abcdefghij acct_mgmt 2>&1 || true)" 'cannot be checked right now'
        fails pamtester $service abcdefghij acct_mgmt
        audit "refuse account=abcdefghij .*service=$service reason=daemon-unreachable"
    done
    fails pamtester sudo abcdefghij authenticate <<<secret
    fails su abcdefghij -c true
    fails setpriv --reuid 200001 --clear-groups sudo true
    fails sudo -u abcdefghij true
}

# with the daemon stopped su, sudo, cron and ssh of the local user ada work as before
test_daemon_stopped_local_user() {
    daemon_stop
    local_user_is_unaffected ada
}

# the same with broken settings
test_broken_configuration_local_user() {
    configure 'nonsense = 1'
    local_user_is_unaffected ada
}

# local_user_is_unaffected NAME: each way in, and out of the account
local_user_is_unaffected() {
    enters stranger "$1"
    same "$1" "$(su "$1" -c 'id -un')"
    contains "$(echo secret | as_user ada su "$1" -c 'id -un')" "^Password: $1\$"
    contains "$(su "$1" -c 'echo secret | sudo -S id -un' 2>&1)" 'root$'
    same "$1" "$(cron_runs "$1")"
    pamtester sudo "$1" authenticate acct_mgmt <<<secret
    fails pamtester sudo "$1" authenticate <<<wrong
}

# a local user with the name of a cloud account, where allow = *
test_local_name_fits() {
    local_user frederika 1501
    configure 'allow = *'
    daemon_stop
    daemon_start
    local_user_is_unaffected frederika
    daemon_stop
    local_user_is_unaffected frederika
    configure 'allow = *' 'nonsense = 1'
    local_user_is_unaffected frederika
}

# ---- Configuration and arguments ---------------------------------------------------------------------

# settings with an unknown key: accounts are refused, and one log line names the place and the reason
test_broken_configuration() {
    configure 'nonsense = 1'
    fails pamtester su abcdefghij acct_mgmt
    audit "refuse account=abcdefghij .*service=su reason=configuration-broken"
    counts 1 'pam_cloud\(su:account\): /etc/cloudauth/cloudauth.conf:[0-9]*: .*nonsense'
    counts 1 'refuse account=abcdefghij '
    refused alice abcdefghij
    fails su abcdefghij -c true
}

# the same for settings that others can write
test_writable_configuration() {
    chmod 666 "$CONF"
    fails pamtester su abcdefghij acct_mgmt
    counts 1 'pam_cloud\(su:account\): /etc/cloudauth/cloudauth.conf:0: .*writ'
    counts 1 'refuse account=abcdefghij .*reason=configuration-broken'
    refused alice abcdefghij
    local_user_is_unaffected ada
}

# a wrong argument of the module refuses cloud accounts alone
test_wrong_argument() {
    trap shipped EXIT
    sed -i 's/pam_cloud.so/pam_cloud.so nonsense=1/' /etc/pam.d/common-*
    refused alice abcdefghij 'cannot be checked right now'
    audit 'pam_cloud\(sshd:account\): module argument: .*nonsense'
    audit 'refuse account=abcdefghij .*reason=configuration-broken'
    fails su abcdefghij -c true
    local_user_is_unaffected ada
}

# PAM holds its own `homes` against what the daemon grants
test_homes_argument() {
    trap shipped EXIT
    sed -i 's/pam_cloud.so/pam_cloud.so homes=\/home\/*/' /etc/pam.d/common-*
    refused alice abcdefghij 'cannot be checked right now'
    audit 'pam_cloud\(sshd:account\): refuse account=abcdefghij .*reason=document-unusable'
    fails su abcdefghij -c true
}

# with pam_mkhomedir a document's home does not become a directory that root trusts
test_mkhomedir() {
    trap shipped EXIT
    sed -i '1i session required pam_mkhomedir.so' /etc/pam.d/common-session
    document abcdefghij production '.account.home = "/etc/systemd/system/ssh.service.d"'
    refused alice abcdefghij
    [[ ! -e /etc/systemd/system/ssh.service.d ]]
    document abcdefghij production '.account.home = "/app/new"'
    enters alice abcdefghij
    same 200001 "$(stat -c %u /app/new)"
    rm -r /app/new
}

# a right argument is accepted
test_right_argument() {
    trap shipped EXIT
    sed -i 's/pam_cloud.so/pam_cloud.so env_prefix=SHOP_/' /etc/pam.d/common-*
    contains "$(as alice abcdefghij env)" '^SHOP_USER=alice$'
}

# ---- What an account cannot change of itself ---------------------------------------------------------

# password, shell and full name of an account cannot be changed on the host, by itself or by root
test_no_passwd_no_chsh() {
    fails passwd abcdefghij <<<$'Te5t.Te5t\nTe5t.Te5t'
    fails chsh -s /bin/sh abcdefghij
    fails chfn -f nobody abcdefghij
    fails as_user abcdefghij passwd <<<$'secret\nTe5t.Te5t\nTe5t.Te5t'
    contains "$(as_user abcdefghij chsh -s /bin/sh <<<secret || true)" '^chsh: PAM: Authentication failure'
    contains "$(as_user abcdefghij chfn -r 1 <<<secret || true)" '^chfn: PAM: Authentication failure'
    fails grep abcdefghij /etc/passwd /etc/shadow
    enters alice abcdefghij
}
