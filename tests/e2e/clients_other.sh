# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The client matrix, second part: PuTTY, lftp, rclone, sshfs, and clients on libraries of their own
# (Paramiko, AsyncSSH, libssh, and libssh2, which Debian's curl speaks SCP and SFTP with).

# shellcheck source=tests/sandbox/clients.sh
. "$HARNESS/../sandbox/clients.sh"

before_all() {
    clients_up && putty_up || return 1
    cc -O2 -o /usr/local/bin/client_libssh "$REPO/tests/sandbox/client_libssh.c" -lssh
}

# ---- PuTTY ------------------------------------------------------------------------------------------

# PuTTY shows a banner only with the next packet of authentication, but sshd ends the connection
# after this one: what the server has said is read in the log of packets, in lines of 16 bytes.
putty_banner() {
    tr -d '\r' <$PUTTY_LOG | awk '/^(Incoming|Outgoing) packet|^Event Log/ { banner = /USERAUTH_BANNER/; next }
         banner { printf "%s", substr($0, 62) }'
}

# putty_turned_away NAME
putty_turned_away() {
    turned_away "$1" 'Remote side unexpectedly closed network connection'
    contains "$(putty_banner)" 'use abcdefghij_sftp'
}

plink_run() { putty plink "$1" "$2@127.0.0.1" "$3"; }
plink_put() { plink_run "$1" "$2" "cat >$4" <"$3"; }

psftp_do() {
    printf '%s\n' "${@:3}" >/root/psftp.batch
    putty psftp "$1" -b /root/psftp.batch "$2@127.0.0.1"
}

psftp_put() { psftp_do "$1" "$2" "put $3 $4"; }
psftp_get() { psftp_do "$1" "$2" "get $3 $4"; }
pscp_put() { putty pscp "$1" -q -sftp "$3" "$2@127.0.0.1:$4"; }
pscp_get() { putty pscp "$1" -q -sftp "$2@127.0.0.1:$3" "$4"; }
pscp_old_put() { putty pscp "$1" -q -scp "$3" "$2@127.0.0.1:$4"; }
pscp_old_get() { putty pscp "$1" -q -scp "$2@127.0.0.1:$3" "$4"; }

# plink: a command's input and output, and its exit status
test_plink() { runs plink; }

# plink: no command on an sFTP account
test_plink_sftp_account() { no_command plink; }

# plink: where access.ssh is none, it shows the name to use
test_plink_turned_away() { putty_turned_away plink; }

# plink -A: an agent where the document allows it
test_plink_agent() {
    eval "$(ssh-agent)"
    ssh-add -q "$KEYS/alice"
    # shellcheck disable=SC2016 # expanded there
    same 'agent:.' "$(putty plink alice -A abcdefghij@127.0.0.1 'echo "agent:$SSH_AUTH_SOCK."')"
    document abcdefghij production '.forwarding.agent = true'
    contains "$(putty plink alice -A abcdefghij@127.0.0.1 'ssh-add -l')" 'alice@laptop'
    ssh-agent -k
}

# psftp: up and down on a shell account
test_psftp() { on_shell psftp alice-desktop; }

# psftp: up and down in the jail
test_psftp_jail() { in_jail psftp; }

# psftp: where access.ssh is none, it shows the name to use
test_psftp_turned_away() { putty_turned_away psftp; }

# pscp -sftp: up and down on a shell account
test_pscp() { on_shell pscp; }

# pscp -sftp: up and down in the jail
test_pscp_jail() { in_jail pscp; }

# pscp -sftp: where access.ssh is none, it shows the name to use
test_pscp_turned_away() { putty_turned_away pscp; }

# pscp -scp: up and down on a shell account
test_pscp_old() { on_shell pscp_old; }

# pscp -scp: refused on an sFTP account
test_pscp_old_sftp_account() {
    # Where its connection ends first, it has no eye for what else was said.
    says "$ONLY_SFTP|unexpected end-of-file" pscp_old_put media-agency abcdefghij_sftp $CARGO /pub/media/pscp.bin
    [[ ! -e $MEDIA/pscp.bin ]]
    rm -f $BACK
    # What the server says is taken for a line of the protocol.
    says 'Protocol error: Illegal time format|unexpected end-of-file' \
        pscp_old_get media-agency abcdefghij_sftp /var/log/access.log $BACK
    [[ ! -e $BACK ]]
}

# ---- lftp -------------------------------------------------------------------------------------------

# lftp_do PROTOCOL KEY LOGIN COMMAND: what ssh says is shown at this debug level alone.
lftp_do() {
    timeout 30 lftp -c "debug 9; set cmd:fail-exit yes; set net:max-retries 1; set net:reconnect-interval-base 1; set net:timeout 10;
        set $1:connect-program '$SSH_COMMAND -a -x -i $KEYS/$2'; open -u $3, $1://127.0.0.1; $4"
}

lftp_put() { lftp_do sftp "$1" "$2" "put $3 -o $4"; }
lftp_get() { lftp_do sftp "$1" "$2" "get $3 -o $4"; }
fish_put() { lftp_do fish "$1" "$2" "put $3 -o $4"; }
fish_get() { lftp_do fish "$1" "$2" "get $3 -o $4"; }

# lftp sftp: up and down on a shell account
test_lftp() { on_shell lftp; }

# lftp sftp: up and down in the jail
test_lftp_jail() { in_jail lftp; }

# lftp sftp: a mirror, up
test_lftp_mirror() {
    mkdir -p /root/mirror/a
    cp $CARGO /root/mirror/a/b
    lftp_do sftp media-agency abcdefghij_sftp "mirror -R /root/mirror /pub/media/mirror"
    identical $CARGO $MEDIA/mirror/a/b
    rm -r $MEDIA/mirror
}

# lftp sftp: where access.ssh is none, it shows the name to use
test_lftp_turned_away() { turned_away lftp; }

# lftp fish: up and down on a shell account
test_lftp_fish() { on_shell fish; }

# lftp fish: refused on an sFTP account
test_lftp_fish_sftp_account() {
    says "$ONLY_SFTP" fish_put media-agency abcdefghij_sftp $CARGO /pub/media/fish.bin
    [[ ! -e $MEDIA/fish.bin ]]
}

# ---- rclone -----------------------------------------------------------------------------------------

# rclone_do KEY LOGIN COMMAND ARGUMENT...: "@PATH" is a path there
rclone_do() {
    local words=("${@:3}") there=":sftp,host=127.0.0.1,port=$SSH_PORT,user=$2,key_file=$KEYS/$1"
    there+=",known_hosts_file=/root/known_hosts:"
    timeout 30 rclone --config /root/rclone.conf --retries 1 --low-level-retries 1 \
        --contimeout 10s --timeout 20s "${words[@]/#@/$there}"
}

rclone_put() { rclone_do "$1" "$2" copyto "$3" "@$4"; }
rclone_get() { rclone_do "$1" "$2" copyto "@$3" "$4"; }

# rclone: up and down on a shell account
test_rclone() { on_shell rclone; }

# rclone: checksums computed on the account
test_rclone_sum() {
    install -m 644 $CARGO $HOME_DIR/sum.bin
    contains "$(rclone_do alice abcdefghij sha1sum "@$HOME_DIR/sum.bin")" \
        "^$(sha1sum <$CARGO | cut -d' ' -f1)"
    rm $HOME_DIR/sum.bin
}

# rclone: up and down in the jail
test_rclone_jail() { in_jail rclone; }

# rclone: a directory into the jail, which then has no differences
test_rclone_sync() {
    mkdir -p /root/sync/a
    cp $CARGO /root/sync/a/b
    rclone_do media-agency abcdefghij_sftp sync /root/sync @/pub/media/sync
    identical $CARGO $MEDIA/sync/a/b
    rclone_do media-agency abcdefghij_sftp check --download /root/sync @/pub/media/sync
    rm -r $MEDIA/sync
}

# rclone: where access.ssh is none, no login
test_rclone_turned_away() { turned_away rclone 'handshake failed: EOF'; }

# ---- sshfs ------------------------------------------------------------------------------------------

# A machine without FUSE has no sshfs, and sftp stands in for it.
FUSE=no
# shellcheck disable=SC2188 # opening is all
[[ -c /dev/fuse ]] && (: <>/dev/fuse) 2>/dev/null && FUSE=yes

sftp_instead() {
    note "no FUSE on this machine: sftp instead"
    timeout 30 sftp -F "$SSH_CONFIG" -i "$KEYS/$1" -b - "$2@127.0.0.1" <<<"$3"
}

# sshfs_do KEY LOGIN COMMAND...: with / of the account at /root/there, in a mount namespace that ends
# with it: a session of the server's that starts now would else hold a copy of that mount, and sshfs
# wait for the session.
sshfs_do() {
    local status=0
    mkdir -p /root/there
    # shellcheck disable=SC2016 # expanded there
    timeout 30 unshare --mount --propagation private bash -c '
        sshfs -o sshfs_verbose -o "ssh_command=$1" "$2@127.0.0.1:/" /root/there || exit 1
        timeout 20 "${@:3}" || status=$?
        fusermount3 -u /root/there
        exit ${status-0}' sshfs "$SSH_COMMAND -i $KEYS/$1" "${@:2}" >/root/sshfs.log 2>&1 || status=$?
    cat /root/sshfs.log
    return $status
}

sshfs_put() {
    if [[ $FUSE == no ]]; then
        sftp_instead "$1" "$2" "put $3 $4"
    else
        sshfs_do "$1" "$2" cp "$3" "/root/there$4"
    fi
}

sshfs_get() {
    if [[ $FUSE == no ]]; then
        sftp_instead "$1" "$2" "get $3 $4"
    else
        sshfs_do "$1" "$2" cp "/root/there$3" "$4"
    fi
}

# sshfs: up and down on a shell account
test_sshfs() { on_shell sshfs; }

# sshfs: up and down in the jail
test_sshfs_jail() { in_jail sshfs; }

# sshfs: where access.ssh is none, it shows the name to use
test_sshfs_turned_away() { turned_away sshfs; }

# ---- Paramiko ---------------------------------------------------------------------------------------

paramiko_put() { paramiko "$1" "$2" put "$3" "$4"; }
paramiko_get() { paramiko "$1" "$2" get "$3" "$4"; }
paramiko_run() { paramiko "$1" "$2" run "$3"; }

# Paramiko: a command's input and output, and its exit status
test_paramiko_command() { runs paramiko; }

# Paramiko: up and down on a shell account
test_paramiko() { on_shell paramiko alice-desktop; }

# Paramiko: up and down in the jail
test_paramiko_jail() { in_jail paramiko; }

# Paramiko: no command on an sFTP account
test_paramiko_sftp_account() {
    local output
    output=$(paramiko_run media-agency abcdefghij_sftp 'touch /pub/media/was-run' </dev/null) || same 1 $?
    contains "$output" "$ONLY_SFTP"
    [[ ! -e $MEDIA/was-run ]]
}

# Paramiko: where access.ssh is none, it shows the name to use
test_paramiko_turned_away() { turned_away paramiko; }

# ---- AsyncSSH ---------------------------------------------------------------------------------------

asyncssh_put() { asyncssh "$1" "$2" put "$3" "$4"; }
asyncssh_get() { asyncssh "$1" "$2" get "$3" "$4"; }
asyncssh_run() { asyncssh "$1" "$2" run "$3"; }
asyncssh_old_put() { asyncssh "$1" "$2" scp_put "$3" "$4"; }
asyncssh_old_get() { asyncssh "$1" "$2" scp_get "$3" "$4"; }

# AsyncSSH: a command's input and output, and its exit status
test_asyncssh_command() { runs asyncssh; }

# AsyncSSH: up and down on a shell account
test_asyncssh() { on_shell asyncssh alice-desktop; }

# AsyncSSH: up and down in the jail
test_asyncssh_jail() { in_jail asyncssh; }

# AsyncSSH scp: up and down on a shell account
test_asyncssh_scp() { on_shell asyncssh_old; }

# AsyncSSH: neither a command nor scp on an sFTP account
test_asyncssh_sftp_account() {
    no_command asyncssh
    says "$ONLY_SFTP" asyncssh_old_put media-agency abcdefghij_sftp $CARGO /pub/media/asyncssh.bin
    [[ ! -e $MEDIA/asyncssh.bin ]]
}

# AsyncSSH: where access.ssh is none, it shows the name to use
test_asyncssh_turned_away() { turned_away asyncssh; }

# ---- libssh -----------------------------------------------------------------------------------------

libssh() { timeout 30 client_libssh "$KEYS/$1" "${@:2}"; }
libssh_put() { libssh "$1" "$2" put "$3" "$4"; }
libssh_get() { libssh "$1" "$2" get "$3" "$4"; }
libssh_run() { libssh "$1" "$2" run "$3"; }

# libssh: a command's input and output, and its exit status
test_libssh_command() { runs libssh; }

# libssh: up and down on a shell account
test_libssh() { on_shell libssh; }

# libssh: up and down in the jail
test_libssh_jail() { in_jail libssh; }

# libssh: no command on an sFTP account
test_libssh_sftp_account() { no_command libssh; }

# libssh: where access.ssh is none, it shows the name to use
test_libssh_turned_away() { turned_away libssh; }

# ---- libssh2 (curl) ---------------------------------------------------------------------------------

# curl_do SCHEME KEY LOGIN PATH OPTION...
curl_do() {
    timeout 30 curl -sS --connect-timeout 10 --insecure --key "$KEYS/$2" --pubkey "$KEYS/$2.pub" \
        "${@:5}" "$1://$3@127.0.0.1:$SSH_PORT$4"
}

curl_put() { curl_do sftp "$1" "$2" "$4" -T "$3"; }
curl_get() { curl_do sftp "$1" "$2" "$3" -o "$4"; }
curl_old_put() { curl_do scp "$1" "$2" "$4" -T "$3"; }
curl_old_get() { curl_do scp "$1" "$2" "$3" -o "$4"; }

# libssh2 (curl sftp://): up and down on a shell account
test_libssh2() { on_shell curl; }

# Not media-agency's key: Debian 12's libssh2 signs with RSA by SHA-1 alone, which sshd does not take.
# libssh2 (curl sftp://): up and down in the jail
test_libssh2_jail() { in_jail curl alice; }

# libssh2 (curl scp://): up and down on a shell account
test_libssh2_scp() { on_shell curl_old; }

# libssh2 (curl scp://): refused on an sFTP account
test_libssh2_scp_sftp_account() {
    says 'Invalid ACK response from remote' \
        curl_old_put alice abcdefghij_sftp $CARGO /pub/media/curl.bin
    [[ ! -e $MEDIA/curl.bin ]]
    rm -f $BACK
    says 'Invalid data in SCP response' \
        curl_old_get alice abcdefghij_sftp /var/log/access.log $BACK
    [[ ! -e $BACK ]]
}

# libssh2 (curl sftp://): where access.ssh is none, no login
test_libssh2_turned_away() { turned_away curl 'Authentication failure'; }
