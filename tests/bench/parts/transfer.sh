# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A large file up and down again by each protocol, with a local account and with ours, by checksum.

CARGO=/root/cargo
BACK=/root/back
MEDIA=/app/abcdefghij/pub/media

ssh_to() { printf '%s' "ssh -F $SSH_CONFIG -i $KEYS/$1"; }

# PROTOCOL_put KEY ACCOUNT PATH, PROTOCOL_get KEY ACCOUNT PATH: $CARGO up, and down to $BACK.
pipe_put() { $(ssh_to "$1") "$2@127.0.0.1" "cat >$3" <$CARGO; }
pipe_get() { $(ssh_to "$1") "$2@127.0.0.1" "cat $3" >$BACK; }
old_scp_put() { scp -O -F "$SSH_CONFIG" -i "$KEYS/$1" $CARGO "$2@127.0.0.1:$3"; }
old_scp_get() { scp -O -F "$SSH_CONFIG" -i "$KEYS/$1" "$2@127.0.0.1:$3" $BACK; }
scp_put() { scp -F "$SSH_CONFIG" -i "$KEYS/$1" $CARGO "$2@127.0.0.1:$3"; }
scp_get() { scp -F "$SSH_CONFIG" -i "$KEYS/$1" "$2@127.0.0.1:$3" $BACK; }
sftp_put() { echo "put $CARGO $3" | sftp -b - -F "$SSH_CONFIG" -i "$KEYS/$1" "$2@127.0.0.1"; }
sftp_get() { echo "get $3 $BACK" | sftp -b - -F "$SSH_CONFIG" -i "$KEYS/$1" "$2@127.0.0.1"; }
rsync_put() { rsync -e "$(ssh_to "$1")" --whole-file $CARGO "$2@127.0.0.1:$3"; }
rsync_get() { rsync -e "$(ssh_to "$1")" --whole-file "$2@127.0.0.1:$3" $BACK; }

# A repository in the place of a file; uncompressed, since zlib is not what is measured.
git_put() {
    $(ssh_to "$1") "$2@127.0.0.1" "rm -rf $3; git init -q --bare $3; git -C $3 config core.compression 0"
    GIT_SSH_COMMAND=$(ssh_to "$1") git -C /root/shop push -q "$2@127.0.0.1:$3" main
}

git_get() {
    rm -rf /root/clone
    GIT_SSH_COMMAND=$(ssh_to "$1") git -c core.compression=0 clone -q -b main "$2@127.0.0.1:$3" /root/clone
    mv /root/clone/cargo $BACK
    rm -rf /root/clone
}

repository() {
    git init -q -b main /root/shop
    git -C /root/shop config core.compression 0
    git -C /root/shop config core.bigFileThreshold 1m
    ln $CARGO /root/shop/cargo
    git -C /root/shop add cargo
    git -C /root/shop -c user.name=bench -c user.email=bench@localhost commit -qm cargo
}

# timed COMMAND...: seconds, in $seconds
timed() {
    local begin
    begin=$(date +%s%N)
    "$@" >/root/transfer.log 2>&1 </dev/null || {
        cat /root/transfer.log >&2
        return 1
    }
    seconds=$(awk -v n=$(($(date +%s%N) - begin)) 'BEGIN { printf "%.2f", n / 1e9 }')
}

# carried PROTOCOL WHO KEY ACCOUNT PATH [FILE]: a row. PATH is FILE on this host, where it is a file.
carried() {
    local up down seconds
    rm -f $BACK
    timed "$1_put" "$3" "$4" "$5"
    up=$seconds
    if [[ -n ${6-} ]]; then
        [[ $(sha256sum <"$6") == "$sum" ]]
    fi
    timed "$1_get" "$3" "$4" "$5"
    down=$seconds
    [[ $(sha256sum <$BACK) == "$sum" ]]
    row "${1/_/ }" "$2" "$up s" "$down s" "$(rate "$up")" "$(rate "$down")"
    rm -rf $BACK "${6:-/home/ada/cargo}"
}

rate() { awk -v s="$1" -v m="$mebibytes" 'BEGIN { printf "%.0f MiB/s", m / s }'; }

part_transfer() {
    local mebibytes protocol sum
    mebibytes=$(size "${BENCH_MIB:-1024}" 8)
    SSH_CONFIG=/root/ssh_config
    printf '%s\n' 'BatchMode yes' 'IdentitiesOnly yes' 'UserKnownHostsFile /root/known_hosts' \
        "Port $SSH_PORT" >$SSH_CONFIG
    install -d -o 200001 -g 200001 "$(dirname "$MEDIA")" "$MEDIA"
    head -c "${mebibytes}M" /dev/urandom >$CARGO
    sum=$(sha256sum <$CARGO)
    repository
    section "Transfers: $mebibytes MiB, up and down"
    say 'Once each, compared by checksum. The same cores encrypt, decrypt, read and write.'
    columns protocol account up down 'up, a second' 'down, a second'
    for protocol in pipe old_scp scp sftp rsync git; do
        carried "$protocol" 'local file' stranger ada /home/ada/cargo
        carried "$protocol" cloudauth alice abcdefghij /app/abcdefghij/cargo \
            "$([[ $protocol == git ]] || echo /app/abcdefghij/cargo)"
        rm -rf /app/abcdefghij/cargo
    done
    for protocol in scp sftp; do
        carried "$protocol" 'cloudauth, sFTP jail' media-agency abcdefghij_sftp pub/media/cargo $MEDIA/cargo
    done
}
