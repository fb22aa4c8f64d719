# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The client matrix, first part: OpenSSH's own programs, and what runs over them. docs/clients.md is
# its table.

# shellcheck source=tests/sandbox/clients.sh
. "$HARNESS/../sandbox/clients.sh"

before_all() { clients_up; }

# ---- ssh ------------------------------------------------------------------------------------------

ssh_run() {
    timeout 30 ssh -F "$SSH_CONFIG" -i "$KEYS/$1" "$2@127.0.0.1" "$3"
}

ssh_put() { ssh_run "$1" "$2" "cat >$4" <"$3"; }

# ssh: a command's input and output, and its exit status
test_ssh_command() { runs ssh; }

# ssh: a terminal, and a shell in it
test_ssh_terminal() {
    local output
    # shellcheck disable=SC2016 # expanded there
    output=$(printf 'tty; echo "I am $(id -un)"; exit 3\n' |
        timeout 30 ssh -tt -F "$SSH_CONFIG" -i "$KEYS/alice" abcdefghij@127.0.0.1) || same 3 $?
    contains "$output" '/dev/pts/[0-9]+'
    contains "$output" '^I am abcdefghij'
}

# ssh: no command on an sFTP account
test_ssh_sftp_account() { no_command ssh; }

# ssh: neither a shell nor a terminal on an sFTP account
test_ssh_sftp_account_shell() {
    local ssh=(ssh -F "$SSH_CONFIG" -i "$KEYS/media-agency" abcdefghij_sftp@127.0.0.1)
    # On a terminal, as customers do it.
    says 'PTY allocation request failed' timeout 30 script -qec "${ssh[*]}" /dev/null
    says "$ONLY_SFTP" timeout 30 script -qec "${ssh[*]}" /dev/null
    says 'PTY allocation request failed' timeout 30 "${ssh[@]}" -tt
}

# ssh: where access.ssh is none, it shows the name to use
test_ssh_turned_away() { turned_away ssh; }

# ssh -X: no X11
test_ssh_x11() {
    export DISPLAY=127.0.0.1:7
    # shellcheck disable=SC2016 # expanded there
    contains "$(login alice -X abcdefghij@127.0.0.1 'echo "display:$DISPLAY."')" '^display:\.'
    contains "$(login alice -X abcdefghij@127.0.0.1 true)" 'X11 forwarding request failed'
}

# ---- ssh -J, ControlMaster, -A --------------------------------------------------------------------

# jumps KEY LOGIN: through LOGIN of this host to local user ada of it, whose key is another
jumps() {
    cat >/root/jump_config <<END
Host inner
    User ada
    HostName 127.0.0.1
    IdentityFile $KEYS/stranger
Host outer
    User $2
    HostName 127.0.0.1
    IdentityFile $KEYS/$1
Host *
$(sed 's/^/    /' "$SSH_CONFIG")
END
    timeout 30 ssh -F /root/jump_config -J outer inner 'cat; id -un >&2'
}

# ssh -J: through the host, to a destination that its document lists
test_jump() {
    document abcdefghij production '.forwarding.local = ["127.0.0.1:22"]'
    jumps alice abcdefghij <$CARGO >$BACK 2>/root/said
    same ada "$(tail -n 1 /root/said)"
    identical $CARGO $BACK
}

# ssh -J: not where the document lists another destination, or none, nor on an sFTP account
test_jump_refused() {
    says 'administratively prohibited' jumps alice abcdefghij
    document abcdefghij production '.forwarding = {local: ["127.0.0.1:22"], remote: []}'
    says 'administratively prohibited' jumps media-agency abcdefghij_sftp
    document abcdefghij production '.forwarding = {}'
    says 'administratively prohibited' jumps alice abcdefghij
}

# ControlMaster: all channels of a connection belong to one user
test_control_master() {
    local master=(timeout 30 ssh -F "$SSH_CONFIG" -S /root/master -i "$KEYS/alice" abcdefghij@127.0.0.1)
    "${master[@]}" -M -fN
    "${master[@]}" -O check
    # Not a second login: there is no key for it.
    rm -f /root/nobody
    second() { timeout 30 "$1" -F "$SSH_CONFIG" -o ControlPath=/root/master -i /root/nobody "${@:2}"; }
    # shellcheck disable=SC2016 # expanded there
    same "abcdefghij alice" "$(second ssh abcdefghij@127.0.0.1 'echo $(id -un) $CLOUDAUTH_USER')"
    second ssh abcdefghij@127.0.0.1 cat <$CARGO >$BACK
    identical $CARGO $BACK
    second scp $CARGO "abcdefghij@127.0.0.1:$HOME_DIR/channel.bin"
    identical $CARGO $HOME_DIR/channel.bin
    rm $HOME_DIR/channel.bin
    # shellcheck disable=SC2016
    same "alice" "$("${master[@]}" 'echo $CLOUDAUTH_USER')"
    says 'forwarding failed|prohibited' "${master[@]}" -O forward -R 9001:127.0.0.1:22
    "${master[@]}" -O exit
    fails second ssh abcdefghij@127.0.0.1 true
}

# ControlMaster: on an sFTP account, sFTP in one channel and no command in another
test_control_master_sftp() {
    local master=(timeout 30 ssh -F "$SSH_CONFIG" -S /root/master-sftp -i "$KEYS/media-agency"
        abcdefghij_sftp@127.0.0.1)
    "${master[@]}" -M -fN
    says "$ONLY_SFTP" "${master[@]}" 'touch /pub/media/was-run'
    timeout 30 sftp -F "$SSH_CONFIG" -o ControlPath=/root/master-sftp -b - \
        abcdefghij_sftp@127.0.0.1 <<<"put $CARGO /pub/media/channel.bin"
    identical $CARGO $MEDIA/channel.bin
    rm $MEDIA/channel.bin
    "${master[@]}" -O exit
}

# ssh -A: an agent where the document allows it; never on an sFTP account
test_agent() {
    eval "$(ssh-agent)"
    ssh-add -q "$KEYS/alice"
    # shellcheck disable=SC2016 # expanded there
    contains "$(login alice -A abcdefghij@127.0.0.1 'echo "agent:$SSH_AUTH_SOCK."')" '^agent:\.$'
    document abcdefghij production '.forwarding.agent = true'
    contains "$(login alice -A abcdefghij@127.0.0.1 'ssh-add -l')" 'alice@laptop'
    # shellcheck disable=SC2016
    contains "$(login alice abcdefghij@127.0.0.1 'echo "agent:$SSH_AUTH_SOCK."')" '^agent:\.$'
    contains "$(login alice -v -A abcdefghij_sftp@127.0.0.1 true)" "$ONLY_SFTP"
    ssh-agent -k
}

# ---- scp, sftp -------------------------------------------------------------------------------------

scp_client() {
    timeout 30 scp "$1" -F "$SSH_CONFIG" -i "$KEYS/$2" "$3" "$4"
}

scp_put() { scp_client -s "$1" "$3" "$2@127.0.0.1:$4"; }
scp_get() { scp_client -s "$1" "$2@127.0.0.1:$3" "$4"; }
rcp_put() { scp_client -O "$1" "$3" "$2@127.0.0.1:$4"; }
rcp_get() { scp_client -O "$1" "$2@127.0.0.1:$3" "$4"; }

# scp -s (SFTP): up and down on a shell account
test_scp() { on_shell scp; }

# scp -s (SFTP): up and down in the jail
test_scp_jail() { in_jail scp; }

# scp -s (SFTP): where access.ssh is none, it shows the name to use
test_scp_turned_away() { turned_away scp; }

# scp -O (the old protocol): up and down on a shell account
test_scp_old() { on_shell rcp; }

# scp -O (the old protocol): refused on an sFTP account, up and down
test_scp_old_sftp_account() {
    says "$ONLY_SFTP" rcp_put media-agency abcdefghij_sftp $CARGO /pub/media/rcp.bin
    [[ ! -e $MEDIA/rcp.bin ]]
    rm -f $BACK
    # What the server says is where the name of a file would be.
    says 'protocol error|unexpected|lost connection' rcp_get media-agency abcdefghij_sftp /var/log/access.log $BACK
    [[ ! -e $BACK ]]
}

# scp -O (the old protocol): where access.ssh is none, it shows the name to use
test_scp_old_turned_away() { turned_away rcp; }

# sftp_do KEY LOGIN COMMAND...
sftp_do() {
    printf '%s\n' "${@:3}" |
        timeout 30 sftp -F "$SSH_CONFIG" -i "$KEYS/$1" -b - "$2@127.0.0.1" 2>&1
}

sftp_put() { sftp_do "$1" "$2" "put $3 $4"; }
sftp_get() { sftp_do "$1" "$2" "get $3 $4"; }

# sftp -b: up and down on a shell account
test_sftp() { on_shell sftp; }

# sftp -b: up and down in the jail
test_sftp_jail() { in_jail sftp; }

# sftp -b: where access.ssh is none, it shows the name to use
test_sftp_turned_away() { turned_away sftp; }

# sftp -b: ls, mkdir, rename, chmod, rm in the jail, and their effect on the host
test_sftp_folders() {
    local output
    output=$(sftp_do media-agency abcdefghij_sftp 'ls -1 /' 'ls -1 /pub' 'ls -1 /var' 'ls -1 /var/log')
    same "/dev /pub /var /pub/media /var/log /var/log/access.log" \
        "$(grep -v '^sftp>' <<<"$output" | tr -d '\r' | xargs)"
    sftp_do media-agency abcdefghij_sftp 'mkdir /pub/media/a' "put $CARGO /pub/media/a/one" \
        'rename /pub/media/a/one /pub/media/a/two' 'chmod 640 /pub/media/a/two'
    same "200001 640" "$(stat -c '%u %a' $MEDIA/a/two)"
    identical $CARGO $MEDIA/a/two
    sftp_do media-agency abcdefghij_sftp 'rm /pub/media/a/two' 'rmdir /pub/media/a'
    [[ ! -e $MEDIA/a ]]
}

# sftp -b: what a mount without `writable` refuses
test_sftp_read_only() {
    local command
    for command in "rm /var/log/access.log" "mkdir /var/log/a" "chmod 600 /var/log/access.log" \
        "rename /var/log/access.log /var/log/b" "put $CARGO /var/log/access.log"; do
        says '[Ff]ailure|denied' sftp_do media-agency abcdefghij_sftp "$command"
    done
    same "200001 1048576" "$(stat -c '%u %s' $LOGS/access.log)"
}

# ---- rsync, git ------------------------------------------------------------------------------------

rsync_client() {
    timeout 30 rsync -t -e "$SSH_COMMAND -i $KEYS/$1" "$2" "$3"
}

rsync_put() { rsync_client "$1" "$3" "$2@127.0.0.1:$4"; }
rsync_get() { rsync_client "$1" "$2@127.0.0.1:$3" "$4"; }

# rsync: up and down on a shell account
test_rsync() { on_shell rsync; }

# rsync: a directory; a second run has nothing to send
test_rsync_folder() {
    mkdir -p /root/directory/a/b
    cp $CARGO /root/directory/a/b/c
    rsync_tree() {
        timeout 30 rsync -ai --delete -e "$SSH_COMMAND -i $KEYS/alice" \
            /root/directory/ "abcdefghij@127.0.0.1:$HOME_DIR/directory/"
    }
    contains "$(rsync_tree)" 'a/b/c'
    identical $CARGO $HOME_DIR/directory/a/b/c
    same "" "$(rsync_tree)"
    rm -r $HOME_DIR/directory
}

# rsync: refused on an sFTP account
test_rsync_sftp_account() {
    # rsync takes what the server says for a protocol version, and shows none of it.
    says 'protocol version mismatch' rsync_put media-agency abcdefghij_sftp $CARGO /pub/media/rsync.bin
    [[ ! -e $MEDIA/rsync.bin ]]
    rm -f $BACK
    says 'protocol version mismatch' rsync_get media-agency abcdefghij_sftp /var/log/access.log $BACK
    [[ ! -e $BACK ]]
}

# rsync: where access.ssh is none, it shows the name to use
test_rsync_turned_away() { turned_away rsync; }

# git_as KEY GIT ARGUMENT...
git_as() {
    GIT_SSH_COMMAND="$SSH_COMMAND -i $KEYS/$1" GIT_CONFIG_NOSYSTEM=1 timeout 30 git "${@:2}"
}

# A work tree with a commit of the cargo.
make_work_tree() {
    rm -rf /root/shop /root/clone
    git init -q -b main /root/shop
    cp $CARGO /root/shop/cargo
    git -C /root/shop add cargo
    git -C /root/shop -c user.name=alice -c user.email=alice@example.com commit -q -m cargo
}

# git: push to a shell account, and clone from it
test_git() {
    make_work_tree
    rm -rf $HOME_DIR/shop.git
    as alice abcdefghij "git init -q --bare -b main $HOME_DIR/shop.git"
    git_as alice -C /root/shop push -q "ssh://abcdefghij@127.0.0.1$HOME_DIR/shop.git" main
    as alice abcdefghij "git -C $HOME_DIR/shop.git show main:cargo >$HOME_DIR/cargo"
    identical $CARGO $HOME_DIR/cargo
    git_as alice clone -q "ssh://abcdefghij@127.0.0.1$HOME_DIR/shop.git" /root/clone
    identical $CARGO /root/clone/cargo
    rm -r $HOME_DIR/cargo $HOME_DIR/shop.git
}

# git: refused on an sFTP account
test_git_sftp_account() {
    make_work_tree
    # Its first four letters are taken for a length.
    says 'bad line length character: This' \
        git_as media-agency -C /root/shop push ssh://abcdefghij_sftp@127.0.0.1/pub/media/shop.git main
    says 'bad line length character: This' \
        git_as media-agency clone ssh://abcdefghij_sftp@127.0.0.1/pub/media/shop.git /root/clone
}

# git: where access.ssh is none, it shows the name to use
test_git_turned_away() {
    make_work_tree
    document abcdefghij production '.access.ssh = "none"'
    says 'use abcdefghij_sftp' \
        git_as alice -C /root/shop push "ssh://abcdefghij@127.0.0.1$HOME_DIR/shop.git" main
}
