# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# sFTP jails: what an sFTP account sees of its environment's home, and the ways out that there are not.
# The account is the enemy: it has a shell of the same uid, and so its home's contents, at any time.

HOME_DIR=/app/abcdefghij
MEDIA=$HOME_DIR/pub/media
LOG=$HOME_DIR/var/log
TRAP=/srv/trap # may be read by everyone, and must never be seen in a jail
JAILED=abcdefghij_sftp
MOUNTS='rw pub/media\nro var/log\n'

before_all() {
    cc -std=c11 -D_GNU_SOURCE -O2 -I"$REPO" -o /usr/local/bin/jail "$REPO/tests/sandbox/jail.c" \
        "$REPO/jail/jail.c" "$REPO/common/text.c" || return 1
    install -d "$TRAP" "$TRAP/media" "$TRAP/log"
    echo trapped | tee "$TRAP/secret" "$TRAP/media/secret" >"$TRAP/log/secret"
    cp -a "$HOME_DIR" /root/home
    cp -a /etc/pam.d /root/pam.d
    mount --make-rshared / # as systemd does: what is mounted in one namespace is in all
}

# ---- Words ---------------------------------------------------------------------------------------

# As the account, outside of its jail.
AS_ACCOUNT=(setpriv --reuid 200001 --regid 200001 --clear-groups --)
account() { "${AS_ACCOUNT[@]}" "$@"; }

# The home as it is at first, whatever a test has made of it.
fresh_home() {
    rm -rf "$HOME_DIR"
    cp -a /root/home "$HOME_DIR"
    echo hello | account tee "$MEDIA/hello" >"$HOME_DIR/secret.txt"
    echo GET | account tee "$LOG/access.log" >/dev/null
}

# session: opens an sFTP session, the answers to whose requests `ask` prints (tests/sandbox/sftp.pl).
session() {
    coproc "$REPO/tests/sandbox/sftp.pl" ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" \
        -i "$KEYS/media-agency" -s "$JAILED@127.0.0.1" sftp 2>/root/session.err
    # shellcheck disable=SC2153 # coproc's
    exec 5<&"${COPROC[0]}" 6>&"${COPROC[1]}"
    client=$COPROC_PID
    read -r -t 30 -u 5 answer
    [[ $answer == ok ]] || { cat /root/session.err && return 1; }
}

ask() {
    echo "$*" >&6
    read -r -t 30 -u 5 answer
    echo "$answer"
}

hang_up() {
    exec 5<&- 6>&-
    eval "exec ${COPROC[0]}<&- ${COPROC[1]}>&-" 2>/dev/null || true
    wait "$client" || true
}

# works ANSWER REQUEST...
works() { same "ok${1:+ $1}" "$(ask "${@:2}")"; }

# held REQUEST...: the server says that it cannot or will not. A server that is gone is no answer.
held() { contains "$(ask "$@")" '^error [1-9]'; }

# no_jail REGEX: the login is refused, and the client and the log say why.
no_jail() {
    local said
    mark
    # Not by sftp_batch, whose -q leaves out what the server says.
    if said=$(timeout 60 sftp "${SSH_OPTIONS[@]}" -P "$SSH_PORT" -i "$KEYS/media-agency" -b - \
        "$JAILED@127.0.0.1" 2>&1 <<<'ls /'); then
        echo "entered, and saw: $said"
        return 1
    fi
    contains "$said" "$1"
    fails contains "$said" '^/'
    audit "sshd.*refuse account=$JAILED kind=sftp project=abcdefghij environment=production app= user=media-agency role=sftp key=SHA256:[^ ]* .*reason=sftp-folders .*detail=.*$1"
    fails audited 'grant account'
}

# The sshd processes of the open sFTP sessions.
jailed_processes() { pgrep -f "^sshd(-session)?: $JAILED" || true; }
all_gone() { [[ -z $(jailed_processes) ]]; }
namespaces() { jailed_processes | xargs -I{} readlink /proc/{}/ns/mnt | sort -u; }

# mounted PATH: the options of that mount, and of its file system, in the open session.
mounted() {
    sed -n "s|^.* $1 \(r[^ ]*\) .*- |\1 |p" "/proc/$(jailed_processes | head -n 1)/mountinfo"
}

mounts_are() { document abcdefghij production ".sftp.mounts = $1"; }

# ---- What is there ---------------------------------------------------------------------------------

# the listed directories are there, at their paths, and nothing else of the home
test_listed() {
    fresh_home
    head -c 1048576 /dev/urandom >/root/cargo
    session
    works 'dev pub var' list /
    works media list /pub
    works log list /var
    works hello list /pub/media
    works hello%0A get /pub/media/hello
    works GET%0A get /var/log/access.log
    hang_up
    sftp_batch media-agency $JAILED <<<"put /root/cargo /pub/media/cargo
        get /pub/media/cargo /root/cargo.back"
    cmp /root/cargo "$MEDIA/cargo"
    cmp /root/cargo /root/cargo.back
    same 200001:200001 "$(stat -c %u:%g "$MEDIA/cargo")"
    rm /root/cargo /root/cargo.back
}

# files and directories can be created, changed and removed in a writable directory
test_writable() {
    fresh_home
    session
    works '' put /pub/media/new text
    works '' append /pub/media/new more
    works '' mkdir /pub/media/a
    works '' rename /pub/media/new /pub/media/a/b
    works textmore get /pub/media/a/b
    works '' chmod /pub/media/a/b 600
    works '' remove /pub/media/a/b
    works '' rmdir /pub/media/a
    hang_up
}

# a read-only directory refuses every kind of write
test_readonly() {
    fresh_home
    echo old | account tee "$LOG/old" >/dev/null
    session
    held put /var/log/new text
    held append /var/log/access.log text
    held put /var/log/access.log text
    held truncate /var/log/access.log 0
    held chmod /var/log/access.log 666
    held chown /var/log/access.log 200001 200001
    held remove /var/log/access.log
    held mkdir /var/log/new
    held rename /var/log/access.log /var/log/other
    held posix-rename /var/log/old /var/log/access.log
    held posix-rename /pub/media/hello /var/log/hello
    held open /var/log/access.log
    hang_up
    same GET "$(<"$LOG/access.log")"
    same 'access.log old' "$(cd "$LOG" && echo *)"
}

# the kernel's list of mounts has the expected options
test_mount_options() {
    fresh_home
    session
    contains "$(mounted /srv/sftp)" '^ro,nosuid,nodev,noexec,[a-z]* tmpfs cloudauth rw,size=64k,nr_inodes=16384,mode=755'
    contains "$(mounted /srv/sftp/pub/media)" '^rw,nosuid,nodev,noexec,'
    contains "$(mounted /srv/sftp/var/log)" '^ro,nosuid,nodev,noexec,'
    contains "$(mounted /srv/sftp/dev/log)" 'nosuid,nodev,noexec'
    same 4 "$(grep -c ' /srv/sftp' "/proc/$(jailed_processes | head -n 1)/mountinfo")"
    hang_up
}

# the home itself can be listed, read-only: it appears as /home
test_home_itself() {
    fresh_home
    mounts_are '[{path: ""}, {path: "pub/media", writable: true}]'
    session
    works 'dev home pub' list /
    works hello%0A get /home/secret.txt
    held put /home/pub/media/x text
    works '' put /pub/media/x text
    hang_up
}

# a listed directory on another file system is shown; a mount below a listed one is not
test_mounted_sources() {
    fresh_home
    install -d -o 200001 "$MEDIA/volume" "$MEDIA/later" /root/volume
    echo of-the-volume >/root/volume/file
    mount --bind /root/volume "$MEDIA/volume"
    session
    works 'hello later volume' list /pub/media
    works '' list /pub/media/volume
    mount --bind "$TRAP" "$MEDIA/later" # nor what is mounted during the session
    works '' list /pub/media/later
    hang_up
    umount "$MEDIA/later"
    mounts_are '[{path: "pub/media/volume"}]'
    session
    works file list /pub/media/volume
    hang_up
    umount "$MEDIA/volume"
}

# ---- Logins from one another, and from the host ------------------------------------------------------

# each login has mounts of its own, the host none of them, and none remain afterwards
test_nothing_left() {
    local before host
    fresh_home
    before=$(sort /proc/self/mountinfo)
    host=$(readlink /proc/self/ns/mnt)
    session
    [[ -n $(jailed_processes) ]]
    same 1 "$(namespaces | wc -l)"
    fails contains "$(namespaces)" "^${host//[\[\]]/.}$"
    same "" "$(ls -A /srv/sftp)"
    same "$before" "$(sort /proc/self/mountinfo)"
    sleep 600 | sftp -q "${SSH_OPTIONS[@]}" -i "$KEYS/alice" $JAILED@127.0.0.1 >/root/other 2>&1 &
    wait_for two_namespaces
    kill $!
    hang_up
    WAIT=20 wait_for all_gone
    same "" "$(ls -A /srv/sftp)"
    same "$before" "$(sort /proc/self/mountinfo)"
    fails grep -ls ' - tmpfs cloudauth ' /proc/[0-9]*/mountinfo
}

two_namespaces() { [[ $(namespaces | wc -l) == 2 ]]; }

# a changed document applies to the next login, and leaves open sessions as they are
test_changed_document() {
    fresh_home
    session
    mounts_are '[{path: "var/log", writable: true}]'
    works 'dev pub var' list /
    works '' put /pub/media/new text
    held put /var/log/new text
    hang_up
    session
    works 'dev var' list /
    works '' put /var/log/new text
    hang_up
}

# a shell account sees the host as before
test_shell_is_not_jailed() {
    fresh_home
    same "$(readlink /proc/self/ns/mnt)" "$(as alice abcdefghij 'readlink /proc/self/ns/mnt')"
    same hello "$(as alice abcdefghij 'cat /app/abcdefghij/secret.txt')"
}

# with umask 077 in sshd the parents of the directories can still be entered
test_umask() {
    fresh_home
    sshd_stop
    (umask 077 && sshd_start -o LogLevel=VERBOSE)
    session
    works hello%0A get /pub/media/hello
    same "40755 0 0" "$(ask stat /pub | sed 's/^ok //; s/ [0-9]*$//')"
    hang_up
}

# without PAM there is no jail, and no directory is visible
test_use_pam_no() {
    fresh_home
    sshd_stop
    sshd_start -o UsePAM=no
    session
    works '' list /
    held list /pub
    hang_up
}

# ---- Ways out, by the protocol -------------------------------------------------------------------------

# escape: paths with .., and paths of the host
test_escape_paths() {
    local up
    fresh_home
    up=$(printf '../%.0s' {1..600})
    session
    held get /../../../../etc/passwd
    held get /pub/media/../../../../etc/passwd
    held get ../../../../etc/passwd
    held get /pub/media/../../secret.txt
    held get "/pub/media/${up}etc/passwd"
    held get "/pub/media/${up}${up}${up}etc/passwd"
    held stat "/pub/media/$(printf 'x%.0s' {1..300})"
    held get /proc/self/root/etc/passwd
    held list /proc
    works log list /dev
    held get /dev/log
    held put /dev/log text
    held remove /dev/log
    held list /app
    held list /srv
    held stat /etc
    held lstat /app/abcdefghij
    held statvfs /etc
    held realpath /etc/ssh
    works / realpath /../../..
    # The tmpfs of 64 kB, not the host's root.
    works '4096 16' statvfs /../../../..
    hang_up
}

# escape: names with newlines and other bytes are only names
test_escape_names() {
    fresh_home
    session
    works '' mkdir /pub/media/a%0Ab
    held get /pub/media/a%0Ab/../../../../etc/passwd
    held get /etc/passwd%0A
    held get /pub/media/%0A/etc/passwd
    works '' put /pub/media/%01%7F%FF text
    works '%01%7F%FF a%0Ab hello' list /pub/media
    contains "$(ask get /pub/media/hello%00/../../../../etc/passwd)" '^(error|gone)'
    hang_up
}

# escape: user names and homes cannot be looked up from inside
test_escape_accounts() {
    fresh_home
    nginx_start # with documents in files no account stays known
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    daemon_stop
    daemon_start
    known abcdefghij_stg 200002
    wait_for snapshot_has abcdefghij_stg
    session
    held users 200001 200002 0 1500
    held expand '~abcdefghij_stg'
    held expand '~abcdefghij'
    held expand '~root'
    held home abcdefghij_stg
    held home abcdefghij
    hang_up
}

# escape: symbolic links that existed before
test_escape_old_links() {
    fresh_home
    account ln -s /etc/passwd "$MEDIA/absolute"
    account ln -s ../../../../../../etc/passwd "$MEDIA/up"
    account ln -s ../../secret.txt "$MEDIA/home"
    account ln -s /etc "$MEDIA/folder"
    account ln -s /proc/self/root "$MEDIA/proc"
    account ln -s / "$MEDIA/root"
    account ln -s "$MEDIA/hello" "$MEDIA/whole"
    session
    held get /pub/media/absolute
    held put /pub/media/absolute text
    held stat /pub/media/absolute
    held get /pub/media/up
    held append /pub/media/up text
    held get /pub/media/home
    held list /pub/media/folder
    held get /pub/media/folder/passwd
    held put /pub/media/folder/new text
    held chmod /pub/media/absolute 777
    held truncate /pub/media/up 0
    held list /pub/media/proc
    held get /pub/media/whole
    works 'dev pub var' list /pub/media/root
    held get /pub/media/root/etc/passwd
    held rename /pub/media/hello /pub/media/folder/hello
    hang_up
    [[ ! -e /etc/new && -s /etc/passwd && ! -e /etc/hello ]]
}

# escape: links made inside, which programs of the shell account would follow out
test_escape_new_links() {
    fresh_home
    session
    held symlink /etc/passwd /pub/media/new
    held symlink ../../secret.txt /pub/media/new
    held symlink /etc/passwd /new
    held hardlink /pub/media/hello /pub/media/new
    held hardlink /var/log/access.log /pub/media/new
    held hardlink /pub/media/hello /var/log/new
    works hello list /pub/media
    hang_up
}

# escape: mount points, and the root itself
test_escape_mount_points() {
    fresh_home
    account mkdir "$MEDIA/dir"
    session
    held mkdir /new
    held mkdir /pub/new
    held put /new text
    held put /pub/new text
    held rmdir /pub/media
    held rmdir /pub
    held remove /pub/media
    held rename /pub/media /pub/old
    held posix-rename /pub/media /pub/old
    held rename /pub /old
    held posix-rename /pub/media/dir /var/log
    held posix-rename /pub/media/dir /pub
    held posix-rename /var/log /pub/media
    held rename /pub/media/hello /hello
    held rename /pub/media/hello /pub/hello
    held chmod / 777
    held chmod /pub 777
    held chmod /var/log 777
    held chown / 200001 200001
    held chown /pub 200001 200001
    held chown /pub/media 0 0
    works 'dir hello' list /pub/media
    hang_up
}

# escape: device nodes, and set-uid programs
test_escape_special_files() {
    fresh_home
    mknod "$MEDIA/node" c 1 5
    chmod 666 "$MEDIA/node"
    session
    held get /pub/media/node
    held put /pub/media/node text
    works '' put /pub/media/program text
    works '' chmod /pub/media/program 755
    held chown /pub/media/program 0 0
    hang_up
    same 200001 "$(stat -c %u "$MEDIA/program")"
}

# escape: files and directories that are swapped between two requests
test_escape_swaps() {
    fresh_home
    account mkdir "$MEDIA/dir" "$HOME_DIR/moved"
    session
    works '' put /pub/media/file text
    account ln -sf /etc/passwd "$MEDIA/file"
    held get /pub/media/file
    held put /pub/media/file text
    works 0 opendir /pub/media/dir
    account rmdir "$MEDIA/dir"
    account ln -s /etc "$MEDIA/dir"
    held list /pub/media/dir
    works '' names 0
    account mkdir "$MEDIA/away"
    account mv "$MEDIA/away" "$HOME_DIR/moved"
    held list /pub/media/away/..
    held get /pub/media/away/../../secret.txt
    hang_up
    [[ -s /etc/passwd ]]
}

# escape: the listed directory is replaced during the session, which stays in the old one
test_escape_source_swap() {
    fresh_home
    session
    account mv "$MEDIA" "$HOME_DIR/pub/old"
    account ln -s $TRAP "$MEDIA"
    works hello list /pub/media
    held get /pub/media/secret
    held get /pub/media/../../secret.txt
    account mv "$HOME_DIR/pub/old" "$HOME_DIR/elsewhere"
    works hello list /pub/media
    held get /pub/media/../secret.txt
    held get /pub/media/../../../../etc/passwd
    account rm -r "$HOME_DIR/elsewhere"
    works '' list /pub/media
    held put /pub/media/new text
    hang_up
}

# ---- Ways out, for code of the account's own -----------------------------------------------------------

# escape: what the account cannot do in its jail even if it controls sftp-server
test_escape_code() {
    local output
    fresh_home
    echo outside | account tee "$HOME_DIR/outside" >/dev/null
    mknod "$MEDIA/node" c 1 5
    chmod 666 "$MEDIA/node"
    install -m 4755 /bin/true "$MEDIA/setuid"
    output=$(jail escapes $HOME_DIR 200001 "$MOUNTS")
    fails contains "$output" ESCAPED
    same 17 "$(grep -c '^held ' <<<"$output")"
}

# ---- Directories that cannot be shown -------------------------------------------------------------------------

# a missing directory is named to the client and in the log, and refuses the login
test_missing_folder() {
    fresh_home
    rmdir "$MEDIA" 2>/dev/null || rm -r "$MEDIA"
    no_jail 'the sFTP directory pub/media does not exist'
    rm -r "$HOME_DIR"
    no_jail 'the sFTP directory /app/abcdefghij does not exist'
}

# so does a symbolic link in the place of a directory, or on the path to it
test_links_as_folders() {
    fresh_home
    account mv "$MEDIA" "$HOME_DIR/pub/old"
    account ln -s /etc "$MEDIA"
    no_jail 'the sFTP directory pub/media is a symbolic link, or its path has one in it'
    account ln -sfn old "$MEDIA"
    no_jail 'the sFTP directory pub/media is a symbolic link'
    fresh_home
    account mv "$HOME_DIR/pub" "$HOME_DIR/old"
    account ln -s $TRAP "$HOME_DIR/pub"
    no_jail 'the sFTP directory pub/media is a symbolic link'
    account ln -sfn /proc/self/root/srv/trap "$HOME_DIR/pub"
    no_jail 'the sFTP directory pub/media is a symbolic link'
    fresh_home
    mv $HOME_DIR /app/real
    ln -s real $HOME_DIR
    no_jail 'the sFTP directory /app/abcdefghij is a symbolic link'
    rm $HOME_DIR
    mv /app/real $HOME_DIR
}

# so does a file, and a directory that the account may not enter
test_no_folders() {
    fresh_home
    account rm -r "$MEDIA"
    account mkfifo "$MEDIA"
    no_jail 'the sFTP directory pub/media is not a directory'
    rm "$MEDIA"
    account perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1) or die' "$MEDIA"
    no_jail 'the sFTP directory pub/media is not a directory'
    rm "$MEDIA"
    account touch "$MEDIA"
    no_jail 'the sFTP directory pub/media is not a directory'
    rm "$MEDIA"
    install -d -m 700 "$HOME_DIR/root" "$HOME_DIR/root/in"
    mounts_are '[{path: "root/in"}]'
    no_jail 'the sFTP directory root/in cannot be reached by this account'
}

# a document that lists no directory, or overlapping ones, allows no sFTP login
test_lists() {
    fresh_home
    mounts_are '[]'
    no_jail 'no directories are listed for sFTP in this environment'
    document abcdefghij production 'del(.sftp)'
    no_jail 'no directories are listed for sFTP in this environment'
    mounts_are '[{path: "pub", writable: true}, {path: "pub/media"}]'
    no_jail 'two sFTP directories overlap: /pub/media'
    mounts_are '[{path: "pub/media"}, {path: "pub"}]'
    no_jail 'two sFTP directories overlap: /pub'
    mounts_are '[{path: "pub/media"}, {path: "pub/media"}]'
    no_jail 'two sFTP directories overlap'
    mounts_are '[{path: "pub/media"}, {path: "pub/mediaa"}]'
    no_jail 'the sFTP directory pub/mediaa does not exist'
    mounts_are '[{path: ""}, {path: "home/x"}]'
    no_jail 'two sFTP directories overlap'
    enters alice abcdefghij
}

# the largest number of directories in a document, with paths as deep as allowed
test_many_folders() {
    local deep
    fresh_home
    deep=$(printf 'a/%.0s' {1..126})
    account mkdir -p "$HOME_DIR"/f{1..64}/"$deep"
    mounts_are "[range(1; 65) | {path: (\"f\\(.)/${deep%/}\"), writable: true}]"
    session
    same 65 "$(ask list / | sed 's/^ok //' | wc -w)" # dev too
    works '' put "/f64/${deep}file" text
    hang_up
    same text "$(<"$HOME_DIR/f64/${deep}file")"
}

# ---- Kernels and hosts that cannot ------------------------------------------------------------------------

# where sshd may not mount, no login without a jail
test_no_capability() {
    fresh_home
    sshd_stop
    echo changed >/run/sshd.options
    setpriv --bounding-set -sys_admin /usr/sbin/sshd -o "ListenAddress=127.0.0.1:$SSH_PORT"
    wait_for test -s /run/sshd.pid
    no_jail 'this server cannot make the sFTP directory pub/media .open_tree: Operation not permitted'
    enters alice abcdefghij
}

# What errno(3) ENOSYS says.
NO_CALL=$(LC_ALL=C perl -MErrno=ENOSYS -e 'print $! = ENOSYS')

# nor where a system call is missing: the failing one is named, and no descriptor stays open
test_no_system_call() {
    local call step
    fresh_home
    same built "$(jail leaks $HOME_DIR 200001 "$MOUNTS")"
    for call in openat2 open_tree mount_setattr unshare:unshare mount:propagation tmpfs \
        move_mount mkdirat:mkdir fchmodat:mkdir; do
        step=${call#*:}
        same 1 "$(jail without "${call%:*}" jail leaks $HOME_DIR 200001 "$MOUNTS" |
            grep -cE "^this server cannot make the sFTP directory [a-z/]* \($step: $NO_CALL\)$")"
        fails contains "$(jail without "${call%:*}" jail leaks $HOME_DIR 200001 "$MOUNTS")" '^descriptor'
    done
}

# sshd_without CALL: an sshd on a kernel that has not that system call.
sshd_without() {
    sshd_stop
    echo changed >/run/sshd.options
    jail without "$1" /usr/sbin/sshd -o "ListenAddress=127.0.0.1:$SSH_PORT"
    wait_for test -s /run/sshd.pid
}

# the same by sshd: refused in PAM account, where that can be known by then
test_sshd_old_kernel() {
    fresh_home
    sshd_without openat2
    no_jail "this server cannot make the sFTP directory /srv/sftp .open: $NO_CALL"
    sshd_without mount_setattr
    no_jail "this server cannot make the sFTP directory pub/media .mount_setattr: $NO_CALL"
    enters alice abcdefghij
}

# otherwise refused in PAM session: no request is answered, and nothing runs
test_sshd_fails_later() {
    fresh_home
    sshd_without tmpfs
    fails session
    audit "sshd.*refuse account=$JAILED .*user=media-agency .*reason=sftp-jail .*detail=.*/srv/sftp .tmpfs: $NO_CALL"
    fails audited 'grant account'
    fails contains "$(login media-agency $JAILED@127.0.0.1 'echo inside' || true)" inside
    fails login media-agency -W 127.0.0.1:22 $JAILED@127.0.0.1
}

# a directory that disappears between PAM account and session: no session, and the reason in the log
test_goes_between() {
    fresh_home
    sed -i "1i session optional pam_exec.so /bin/mv $MEDIA /root/gone" /etc/pam.d/sshd
    fails session
    cp -a /root/pam.d/sshd /etc/pam.d/sshd
    audit "sshd.*refuse account=$JAILED .*reason=sftp-jail .*detail=.the sFTP directory pub/media does not exist"
    rm -r /root/gone
}

# ---- Races ---------------------------------------------------------------------------------------------

# swapping PATH OTHER COMMAND...: with the two exchanged all the time by the account
swapping() {
    local swapper status=0
    "${AS_ACCOUNT[@]}" jail swap "$1" "$2" & # no function, so that $! is the program itself
    swapper=$!
    "${@:3}" || status=$?
    kill "$swapper"
    wait "$swapper" || true
    return $status
}

# raced OUTPUT: both sides were met, often, and nothing came through
raced() {
    note "$1"
    contains "$1" '^built=[1-9][0-9]{2,} refused=[1-9][0-9]{2,} escaped=0$'
}

# thousands of jails while the directory, and its parent, is swapped for a link to another one
test_race() {
    # Another Debian brings neither another kernel nor another jail.c.
    local times=${SUITE:+500}
    fresh_home
    account ln -s $TRAP "$HOME_DIR/pub/link"
    raced "$(swapping "$MEDIA" "$HOME_DIR/pub/link" \
        jail race $HOME_DIR 200001 "$MOUNTS" "${times:-2000}" /pub/media)"
    fresh_home
    account ln -s $TRAP "$HOME_DIR/link"
    raced "$(swapping "$HOME_DIR/pub" "$HOME_DIR/link" \
        jail race $HOME_DIR 200001 "$MOUNTS" "${times:-2000}" /pub/media)"
    fresh_home
    account ln -s $TRAP "$HOME_DIR/link"
    raced "$(swapping "$HOME_DIR/var" "$HOME_DIR/link" \
        jail race $HOME_DIR 200001 "$MOUNTS" "${times:-2000}" /var/log)"
}

# logins by sshd during the same race: each sees the directory, or is refused
test_race_logins() {
    local entered=0 refused=0 output i
    fresh_home
    account ln -s $TRAP "$HOME_DIR/pub/link"
    "${AS_ACCOUNT[@]}" jail swap "$MEDIA" "$HOME_DIR/pub/link" &
    for ((i = 0; i < 60; i++)); do
        if output=$(sftp_batch media-agency $JAILED <<<'ls -1 /pub/media'); then
            same 'sftp> ls -1 /pub/media /pub/media/hello' "$(xargs <<<"$output")"
            entered=$((entered + 1))
        else
            fails contains "$output" secret
            refused=$((refused + 1))
        fi
    done
    kill $!
    wait $! || true
    note "60 logins: $entered entered, $refused refused"
    ((entered > 0 && refused > 0))
}

transfer_logged() { contains "$(since)" 'internal-sftp.* close "/pub/media/new" bytes read 0 written 4'; }

# what an sFTP account transfers is in the log, and a listed directory /dev has precedence over it
test_transfer_log() {
    local monitor
    fresh_home
    session
    works '' put /pub/media/new text
    works '' rename /pub/media/new /pub/media/newer
    monitor=$(cloudauthctl sessions --json | jq -r '.sessions[0].pid')
    hang_up
    wait_for transfer_logged
    audit 'internal-sftp.* rename old "/pub/media/new" new "/pub/media/newer"'
    audit "grant account=$JAILED .* user=media-agency .* pid=$monitor\$"
    audit "sshd(-session)?.$monitor.: Accepted publickey for $JAILED"
    install -d -o 200001 -g 200001 $HOME_DIR/dev $HOME_DIR/dev/log
    document abcdefghij production '.sftp.mounts = [{path: "dev/log"}]'
    session
    works dev list /
    works '' list /dev/log
    hang_up
}

# in a container whose host has mounted something below a listed directory, a login is refused with that reason
test_locked_mount() {
    fresh_home
    mkdir "$MEDIA/volume"
    mount -t tmpfs volume "$MEDIA/volume"
    sshd_stop
    rm -f /root/mapped
    mkfifo /root/mapped
    unshare --user --mount --propagation slave bash -c \
        'read -r </root/mapped; exec /usr/sbin/sshd -D -o ListenAddress=127.0.0.1:2222' &
    trap 'kill '$!'; umount "$MEDIA/volume"; sshd_stop; sshd_start' EXIT
    wait_for grep -q bash "/proc/$!/comm"
    echo '0 0 4294967295' >"/proc/$!/uid_map"
    echo '0 0 4294967295' >"/proc/$!/gid_map"
    echo >/root/mapped
    wait_for test -s /run/sshd.pid
    SSH_PORT=2222 no_jail 'the sFTP directory pub/media has a mount below it that this container must not remove'
}
