# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the tests of clients. A client is a set of functions named after it:
#
#   NAME_put KEY LOGIN FILE PATH     NAME_get KEY LOGIN PATH FILE     NAME_run KEY LOGIN COMMAND
#
# and these functions try all that it can do:
#
#   clients_up               the files to carry, before the first test
#   on_shell NAME [KEY]      1 MiB up to a shell account and down again
#   in_jail NAME [KEY]       the same in a writable mount of an sFTP account; only down from one that
#                            is not; and nothing outside
#   runs NAME                a command: 1 MiB through it, and its exit status
#   no_command NAME [KEY]    no command on an sFTP account
#   turned_away NAME [TEXT]  access.ssh is none: TEXT is what the client shows of the reason
#   identical A B            by checksum
#   says REGEX COMMAND...    it fails, and says that
#
#   putty PROGRAM KEY ARGUMENT...; paramiko, asyncssh KEY LOGIN VERB ARGUMENT...

# A megabyte that no compression makes smaller, and its way back.
CARGO=/root/cargo
BACK=/root/back
HOME_DIR=/app/abcdefghij
MEDIA=$HOME_DIR/pub/media
LOGS=$HOME_DIR/var/log
SSH_CONFIG=/root/ssh_config
ONLY_SFTP='This service allows sftp connections only'
# shellcheck disable=SC2034 # for those who source this
SSH_COMMAND="ssh -F $SSH_CONFIG"
PUTTY_LOG=/root/putty.log

clients_up() {
    local directory
    head -c 1048576 /dev/urandom >"$CARGO"
    for directory in "$MEDIA" "$LOGS"; do
        install -d -o 200001 -g 200001 "$(dirname "$directory")" "$directory"
    done
    head -c 1048576 /dev/urandom >"$LOGS/access.log"
    chown 200001:200001 "$LOGS/access.log"
    # Paramiko reads no patterns.
    sed 's/^\* /127.0.0.1 /' /root/known_hosts >/root/known_hosts.paramiko
    cat >"$SSH_CONFIG" <<END
BatchMode yes
IdentitiesOnly yes
UserKnownHostsFile /root/known_hosts
StrictHostKeyChecking yes
ConnectTimeout 10
Port $SSH_PORT
END
}

identical() {
    local first second
    first=$(sha256sum <"$1") second=$(sha256sum <"$2")
    same "$first" "$second"
}

says() {
    local output
    if output=$("${@:2}" 2>&1 </dev/null); then
        printf 'did not fail: %s\n%s\n' "${*:2}" "$output"
        return 1
    fi
    contains "$output" "$1"
}

# carries NAME KEY LOGIN PATH FILE: up to PATH, which is FILE on the host, and down again.
carries() {
    rm -f "$5" $BACK
    "$1_put" "$2" "$3" $CARGO "$4"
    identical $CARGO "$5"
    same 200001 "$(stat -c %u "$5")"
    "$1_get" "$2" "$3" "$4" $BACK
    identical $CARGO $BACK
    rm "$5"
}

on_shell() {
    carries "$1" "${2-alice}" abcdefghij "$HOME_DIR/$1.bin" "$HOME_DIR/$1.bin"
}

in_jail() {
    local key=${2-media-agency}
    carries "$1" "$key" abcdefghij_sftp "/pub/media/$1.bin" "$MEDIA/$1.bin"
    rm $BACK
    "$1_get" "$key" abcdefghij_sftp /var/log/access.log $BACK
    identical "$LOGS/access.log" $BACK
    rm $BACK
    says '[Ff]ail|denied|not permitted' \
        "$1_put" "$key" abcdefghij_sftp $CARGO "/var/log/$1.bin"
    [[ ! -e $LOGS/$1.bin ]]
    says '[Nn]o such file|not found|[Nn]ot exist|[Nn]o such path' \
        "$1_get" "$key" abcdefghij_sftp /etc/passwd $BACK
    [[ ! -s $BACK ]]
    rm -f $BACK
}

runs() {
    local status=0
    "$1_run" alice abcdefghij "tee $HOME_DIR/$1.bin" <$CARGO >$BACK
    identical $CARGO "$HOME_DIR/$1.bin"
    identical $CARGO $BACK
    rm "$HOME_DIR/$1.bin"
    "$1_run" alice abcdefghij 'exit 7' </dev/null || status=$?
    same 7 "$status"
}

no_command() {
    says "$ONLY_SFTP" "$1_run" "${2-media-agency}" abcdefghij_sftp "touch /pub/media/was-run"
    [[ ! -e $MEDIA/was-run ]]
}

turned_away() {
    document abcdefghij production '.access.ssh = "none"'
    says "${2-use abcdefghij_sftp}" "$1_put" alice abcdefghij $CARGO "$HOME_DIR/$1.bin"
    [[ ! -e $HOME_DIR/$1.bin ]]
    audit 'refuse account=abcdefghij .*user=alice .*reason=access-off'
}

# ---- Programs that more than one file drives --------------------------------------------------------

# PuTTY has a format of its own for keys.
putty_up() {
    local key
    for key in alice alice-desktop media-agency; do
        puttygen "$KEYS/$key" -O private -o "$KEYS/$key.ppk" || return 1
    done
    PUTTY_HOST_KEY=$(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2)
}

putty() {
    rm -f $PUTTY_LOG
    timeout 30 "$1" -batch -sshlog $PUTTY_LOG -P "$SSH_PORT" -hostkey "$PUTTY_HOST_KEY" \
        -i "$KEYS/$2.ppk" "${@:3}"
}

paramiko() {
    timeout 30 "$REPO/tests/sandbox/client_paramiko.py" "$KEYS/$1" "${@:2}"
}

# Its warnings are about ciphers.
asyncssh() {
    timeout 30 python3 -W ignore "$REPO/tests/sandbox/client_asyncssh.py" "$KEYS/$1" "${@:2}"
}
