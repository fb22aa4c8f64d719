# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What pam_cloud.so refuses by itself, and what other services than sshd get.

HELPER=/usr/libexec/cloudauth/cloud-authkeys

before_all() {
    echo 'abcdefghij_stg ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/cloudauth-test
    chmod 440 /etc/sudoers.d/cloudauth-test
    cp "$HELPER" /root/cloud-authkeys
}

# sshd_variant SED: sshd runs with an edited copy of the drop-in, until the end of the test.
sshd_variant() {
    sed "$1" /etc/ssh/sshd_config.d/cloudauth.conf >/root/variant.conf
    fails cmp -s /root/variant.conf /etc/ssh/sshd_config.d/cloudauth.conf
    sed 's|^Include .*|Include /root/variant.conf|' /etc/ssh/sshd_config >/root/sshd_config
    sshd_stop
    sshd_start -f /root/sshd_config
}

# A process of the account, as su and sshd make it.
as_staging() {
    setpriv --reuid=200002 --regid=200002 --clear-groups "$@"
}

# sshd lets a key in for which the helper printed nothing: PAM refuses
test_no_key_line() {
    install -m 644 "$KEYS/stranger.pub" /etc/ssh/test_keys
    sshd_variant 's|AuthorizedKeysFile none|AuthorizedKeysFile /etc/ssh/test_keys|'
    refused stranger abcdefghij 'Connection closed'
    refused stranger abcdefghij_sftp 'Connection closed'
    audit 'refuse account=abcdefghij .*service=sshd reason=no-key-line'
    audit 'refuse account=abcdefghij_sftp .*service=sshd reason=no-key-line'
}

# a helper that is not ours prints the line: PAM refuses
test_foreign_helper() {
    printf '#!/bin/sh\necho "%s"\n' "$(cat "$KEYS/alice.pub")" >"$HELPER.new"
    chmod 755 "$HELPER.new"
    mv "$HELPER.new" "$HELPER"
    refused alice abcdefghij
    cp /root/cloud-authkeys "$HELPER.new"
    mv "$HELPER.new" "$HELPER"
    audit 'refuse account=abcdefghij .*reason=no-key-line'
    enters alice abcdefghij
}

# the key that signs is another than the helper's last: no session
test_key_changed() {
    local output status=0
    install -m 644 "$KEYS/stranger.pub" /etc/ssh/test_keys
    sshd_variant 's|AuthorizedKeysFile none|AuthorizedKeysFile /etc/ssh/test_keys|'
    # Alice's key is offered, and gets its line; but nobody here can sign with it.
    rm -rf /root/locked
    mkdir -m 700 /root/locked
    cp "$KEYS/alice" "$KEYS/alice.pub" /root/locked
    ssh-keygen -q -p -N passphrase -f /root/locked/alice
    output=$(timeout 60 ssh "${SSH_OPTIONS[@]}" -i /root/locked/alice -i "$KEYS/stranger" \
        abcdefghij@127.0.0.1 'echo inside' 2>&1 </dev/null) || status=$?
    fails contains "$output" inside
    fails same 0 "$status"
    audit 'refuse account=abcdefghij .*service=sshd reason=key-changed'
}

# auth refuses ours without a prompt, and asks everybody else
test_auth() {
    local output
    output=$(pamtester -v sshd abcdefghij authenticate <<<secret 2>&1) && return 1
    fails contains "$output" 'Password'
    contains "$output" 'Authentication failure|Permission denied'
    contains "$(pamtester -v sshd ada authenticate <<<secret 2>&1)" 'Password'
}

# su by root, while the environment is active, and not while it is paused
test_su() {
    same 200002 "$(su abcdefghij_stg -c 'id -u')"
    audit 'grant account=abcdefghij_stg .*service=su '
    document abcdefghij staging '.environment.status = "paused"'
    fails su abcdefghij_stg -c 'id -u'
    audit 'refuse account=abcdefghij_stg .*service=su reason=environment-paused'
}

# su by a local user: no password can be right
test_su_by_user() {
    local output
    output=$(setpriv --reuid=1500 --regid=1500 --clear-groups su abcdefghij_stg -c id <<<secret 2>&1) &&
        return 1
    fails contains "$output" 'Password'
}

# sudo by a cloud account whom sudoers(5) allows, while its environment is active
test_sudo() {
    getent passwd abcdefghij_stg
    same 0 "$(as_staging sudo -n id -u)"
    audit 'grant account=abcdefghij_stg .*service=sudo '
    document abcdefghij staging '.environment.status = "paused"'
    fails as_staging sudo -n id -u
    audit 'refuse account=abcdefghij_stg .*service=sudo reason=environment-paused'
}

# sudo by root to a cloud account
test_sudo_to() {
    same 200002 "$(sudo -n -u abcdefghij_stg id -u)"
}

# cron_runs granted|refused: cron comes to the account's job, which writes who it is.
cron_runs() {
    local pid status=0
    rm -f /run/crond.reboot /run/crond.pid /app/abcdefghij_stg/cron
    echo '@reboot abcdefghij_stg id -un >/app/abcdefghij_stg/cron' >/etc/cron.d/cloudauth-test
    /usr/sbin/cron -f &
    pid=$!
    wait_for audited 'account=abcdefghij_stg .*service=cron ' || status=1
    [[ $1 == refused ]] || wait_for test -s /app/abcdefghij_stg/cron || status=1
    stop "$pid"
    rm /etc/cron.d/cloudauth-test
    return "$status"
}

# cron runs an account's jobs
test_cron() {
    cron_runs granted
    same abcdefghij_stg "$(cat /app/abcdefghij_stg/cron)"
    audit 'grant account=abcdefghij_stg .*service=cron '
}

# cron runs them while the environment is paused
test_cron_paused() {
    document abcdefghij staging '.environment.status = "paused"'
    cron_runs granted
    same abcdefghij_stg "$(cat /app/abcdefghij_stg/cron)"
}

# cron does not run them while it is being deleted
test_cron_deleting() {
    document abcdefghij staging '.environment.status = "deleting"'
    cron_runs refused
    audit 'refuse account=abcdefghij_stg .*service=cron reason=environment-deleting'
    [[ ! -e /app/abcdefghij_stg/cron ]]
}

# the broker cannot be reached: PAM refuses ours, writes the line itself, and ignores all others
test_broker_gone() {
    broker_stop
    fails pamtester sshd abcdefghij acct_mgmt
    audit 'refuse account=abcdefghij kind=shell .*service=sshd reason=broker-unreachable'
    pamtester sshd ada acct_mgmt 'setcred(PAM_ESTABLISH_CRED)' open_session close_session
    pamtester sshd ada authenticate acct_mgmt <<<secret
}

# only root may ask PAM's questions: a cloud account cannot write audit lines
test_not_root() {
    getent passwd abcdefghij_stg
    fails as_staging pamtester su abcdefghij_stg acct_mgmt
    fails audited 'grant account=abcdefghij_stg .*service=su '
}

# a session is opened and closed by sshd without a fault of our modules in the log
test_clean_log() {
    enters alice abcdefghij
    wait_for audited 'session closed for user abcdefghij'
    fails contains "$(since)" 'faulty module|unable to dlopen|error: PAM'
}
