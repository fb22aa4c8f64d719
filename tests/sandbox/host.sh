# shellcheck shell=bash disable=SC2119,SC2120
# SPDX-License-Identifier: Apache-2.0
#
# Sourced inside the sandbox: makes it a cloud host, as an operator would, with the installed files
# at their real paths and Debian's own sshd. What was built is installed; nothing is compiled here.
#
#   host_up             installs, sets up and starts everything
#   host_reset          the state after host_up again: documents, configuration, an empty cache
#   daemon_start, daemon_stop, daemon_reload, sshd_start, nginx_start, syslog_start
#   daemon_may_end STATUS      the daemon may end with a status up to that: 0 by TERM, 127 without a signal
#   document PROJECT ENVIRONMENT FILTER    edits an access document by a jq filter, atomically
#   configure LINE...   the configuration of host_up, and these lines
#
# There is one local user, ada. The private keys are $KEYS/<user> (title "laptop" in the documents) and $KEYS/<user>-<title>;
# $KEYS/stranger is in no document.

if [[ ${SANDBOX-} != 1 ]]; then
    echo "host.sh: only inside tests/sandbox/enter.sh" >&2
    exit 125
fi

B=${B:-build} # where it was built
ACCESS=/srv/access
PRISTINE=/srv/access.pristine
KEYS=${KEYS:-/root/keys}
CONF=/etc/cloudauth/cloudauth.conf
AUTH_LOG=/var/log/auth.log
SSH_PORT=${SSH_PORT:-22}
# Another range than the default one, which tests/e2e/ids.sh and tests/deb have.
IDS=('uid_min = 200000' 'uid_max = 999999' 'ssh_gid = 199998' 'sftp_gid = 199999')
API_PORT=880
API_TLS_PORT=8443
API_LOG=/var/log/api.log
# shellcheck disable=SC2034 # for those who source this
API_PATH='v1/projects/{project}/environments/{environment}/ssh-access'

milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# past TIME: whether that is over, in milliseconds
past() { (($(milliseconds) > $1)); }

# wait_for COMMAND...: until it succeeds, for at most 40 seconds, or WAIT. The pauses grow from 20 (or PAUSE) to 160 ms: what
# waits long takes no processor from what it waits for. A pause is a read of a FIFO that has no writer but this shell: it
# starts no process, as sleep(1) would.
PAUSES=/root/pauses
[[ -p $PAUSES ]] || mkfifo "$PAUSES"
wait_for() {
    local end=$((SECONDS + ${WAIT:-40})) pause=${PAUSE:-20} seconds
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "waited ${WAIT:-40} seconds in vain for: $*"
            return 1
        fi
        printf -v seconds '0.%03d' "$pause"
        read -rt "$seconds" <>"$PAUSES" || true
        pause=$((pause < 128 ? pause * 5 / 4 : 160))
    done
}

# wait_jobs: until each job of this shell has ended. wait(1) without operands also waits for a process substitution that the
# shell's parent had not reaped when it made this subshell, that is until no child is left: the parent of the daemon is one,
# though no job.
wait_jobs() {
    local pid
    for pid in $(jobs -p); do
        wait "$pid" || true
    done
}

# ---- Installation --------------------------------------------------------------------------------

host_users() {
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "$REPO/etc/sysusers.d/cloudauth.conf" 2>/dev/null
    else
        useradd --system --home-dir / --no-create-home --shell /usr/sbin/nologin cloudauth
        useradd --system --home-dir / --no-create-home --shell /usr/sbin/nologin cloudauth-keys
    fi
    install -d -m 755 /srv/sftp
    install -d -m 755 -o cloudauth -g cloudauth /var/lib/cloudauth /run/cloudauth
}

# What `make install` leaves to the operator. -n: configuration that is there stays.
host_settings() {
    local database
    install -d /etc/cloudauth /etc/ssh/sshd_config.d
    cp -n "$REPO/etc/cloudauth.conf" "$CONF"
    cp -n "$REPO/etc/sshd_config.d/00-cloudauth.conf" /etc/ssh/sshd_config.d/
    cp -n "$REPO/etc/pam-configs/cloudauth" /usr/share/pam-configs/
    DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable cloudauth
    for database in passwd group; do
        sed -i "s/^$database:.*/$database: files cloud/" /etc/nsswitch.conf
    done
    cp "$CONF" /root/cloudauth.conf.shipped
    configure
}

host_ssh() {
    rm -f /etc/ssh/ssh_host_*
    ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
    install -d -m 755 /run/sshd
    sed -e "s/^/* /" /etc/ssh/ssh_host_ed25519_key.pub >/root/known_hosts
    # Of sshd 9.8 and later: tests are refused often, and all from one address.
    echo 'PerSourcePenalties no' >/root/penalties.conf
    if sshd -t -f /root/penalties.conf 2>/dev/null; then
        mv /root/penalties.conf /etc/ssh/sshd_config.d/
    fi
    sshd -t
}

configure() {
    {
        cat /root/cloudauth.conf.shipped
        printf '%s\n' "${IDS[@]}"
        echo "access_url = file://$ACCESS/{project}/{environment}.json"
        echo "allow = abcdefghij abcdefghij_* abcdefghij-* ent-abcdefghij-* *.ent-abcdefghij-*"
        echo "allow = abcdefg123abc-*"
        echo "host_id = web1.abcdefghij.ent.example.cloud"
        [[ $# -eq 0 ]] || printf '%s\n' "$@"
    } >"$CONF.new"
    mv "$CONF.new" "$CONF"
}

# ---- The access documents and their people ---------------------------------------------------------

# Makes the key whose comment is $1, of the type of public key type $2.
make_key() {
    local file=$KEYS/${1%@*}
    local -A options=(
        [ssh-ed25519]="-t ed25519" [ssh-rsa]="-t rsa -b 2048"
        [ecdsa-sha2-nistp256]="-t ecdsa -b 256" [ecdsa-sha2-nistp384]="-t ecdsa -b 384"
        [ecdsa-sha2-nistp521]="-t ecdsa -b 521"
    )
    [[ $1 == *@laptop ]] || file+=-${1#*@}
    # One that tests/e2e/run has made.
    if [[ $2 == ssh-rsa && ! -e $file && -e $REPO/build/e2e/$1 ]]; then
        install -m 600 "$REPO/build/e2e/$1" "$file"
        ssh-keygen -y -f "$file" >"$file.pub"
    fi
    # shellcheck disable=SC2086 # words
    [[ -e $file ]] || ssh-keygen -q -N '' -C "$1" -f "$file" ${options[$2]}
    echo "$file.pub"
}

# The example tree, with keys whose private halves are here. Keys of hardware tokens stay. One sed(1),
# since each start of jq takes a tenth of a second.
make_documents() {
    local type blob comment edits=/root/keys.sed
    install -d "$KEYS"
    while read -r type blob comment; do
        [[ $type == sk-* ]] && continue
        echo "s|$type $blob $comment|$(<"$(make_key "$comment" "$type")")|"
    done < <(jq -r '.users[].ssh_keys[].value' "$REPO"/etc/examples/access/*/*.json | sort -u) >"$edits"
    [[ -e $KEYS/stranger ]] || ssh-keygen -q -N '' -C stranger -f "$KEYS/stranger" -t ed25519
    rm -rf "$PRISTINE" "$ACCESS"
    cp -r "$REPO/etc/examples/access" "$PRISTINE"
    # The uids of this host's range.
    cat >>"$edits" <<'END'
s|\("[ug]id": \)7\(00..\)|\120\2|
END
    sed -i -f "$edits" "$PRISTINE"/*/*.json
    chmod -R a+rX "$PRISTINE"
    cp -r "$PRISTINE" "$ACCESS"
}

# Home directories, and in them the directories that sFTP accounts see.
make_homes() {
    local id home
    while read -r id home; do
        mkdir -p "$(dirname "$home")"
        install -d -m 750 -o "$id" -g "$id" "$home"
    done < <(jq -r '.account.uid as $id | (.account.home, (.apps // {} | .[].home // empty)) |
        "\($id) \(.)"' "$PRISTINE"/*/*.json)
    while read -r id home; do
        setpriv --reuid "$id" --regid "$id" --clear-groups mkdir -p "$home"
    done < <(jq -r '.account as $a | .sftp.mounts // [] | .[] | "\($a.uid) \($a.home)/\(.path)"' \
        "$PRISTINE"/*/*.json)
}

document() {
    local file="$ACCESS/$1/$2.json" time
    time=$(stat -c %Y "$file") || return 1
    jq "$3" "$file" >"$file.new" || return 1
    # Whole seconds are all that an ETag of nginx knows: each version gets one of its own.
    touch -d "@$((time + 1))" "$file.new" && mv "$file.new" "$file"
}

# ---- Local accounts --------------------------------------------------------------------------------

# local_user NAME UID [GID]: an account of the host's own, with password `secret`, who may enter by
# the key that is in no document. By hand, as useradd(8) refuses a name that NSS knows.
local_user() {
    local password
    password=$(perl -e 'print crypt("secret", q($6$sandbox$))')
    echo "$1:x:$2:${3-$2}::/home/$1:/bin/bash" >>/etc/passwd
    echo "$1:x:${3-$2}:" >>/etc/group
    echo "$1:$password:20000:0:99999:7:::" >>/etc/shadow
    install -d -m 755 -o "$2" "/home/$1"
    own_keys "/home/$1" "$2"
}

# own_keys HOME OWNER: puts $KEYS/stranger where sshd looks for keys by default.
own_keys() {
    install -d -m 700 -o "$2" "$1/.ssh"
    install -m 600 -o "$2" "$KEYS/stranger.pub" "$1/.ssh/authorized_keys"
}

# ---- Programs --------------------------------------------------------------------------------------

alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }

# stop PID: by TERM, by KILL where that does not do, and waits for its end. Its statuses are explicit: in a trap, `return`
# alone takes that of the command before the trap.
stop() {
    kill -CONT "$1" 2>/dev/null || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    wait_for gone "$1" && return 0
    echo "process $1 does not end by TERM"
    kill -KILL "$1"
    return 1
}

syslog_start() {
    touch "$AUTH_LOG" /var/log/syslog
    rm -f /dev/log
    "$REPO/tests/sandbox/syslogd.pl" </dev/null >/dev/null &
    echo $! >/run/syslogd.pid
    disown
    wait_for test -S /dev/log
}

syslog_pid() { cat /run/syslogd.pid; }

daemon_pid() { cat /run/cloudauthd.pid 2>/dev/null; }

# Of each daemon that daemon_start has started: PID, which is empty until it has ended, and then has its status, as wait(1)
# says it; and PID.asked, the highest status with which it may end (daemon_may_end).
ENDS=/run/cloudauthd.ends
[[ -d $ENDS ]] || mkdir $ENDS

daemon_start() {
    rm -f /run/cloudauth/socket /run/cloudauthd.pid
    daemon_run </dev/null >/dev/null 2>&1 &
    disown
    # One that has ended is not waited for.
    wait_for daemon_began && daemon_answers && return 0
    daemon_may_end 127
    tail -n 5 /var/log/cloudauthd.log
    return 1
}
daemon_began() { [[ -s /run/cloudauthd.pid ]] && { daemon_answers || gone "$(daemon_pid)"; }; }

# In a shell of its own, which outlives that of the test, and holds none of its descriptors.
daemon_run() {
    local fd status=0
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        ((fd <= 2)) || exec {fd}>&-
    done
    "${CLOUDAUTHD:-/usr/sbin/cloudauthd}" -f >>/var/log/cloudauthd.log 2>&1 &
    : >"$ENDS/$!"
    echo $! >/run/cloudauthd.pid
    wait $! || status=$?
    echo $status >"$ENDS/$!"
}

daemon_may_end() { echo "$1" >"$ENDS/$(daemon_pid).asked"; }

# Whether it listens; the socket's file is there a moment earlier. The kernel's list takes a tenth of what a perl(1) that
# connects would take: 10000 is "listens", 5 is SOCK_SEQPACKET.
daemon_answers() {
    [[ -S /run/cloudauth/socket ]] && grep -q ' 00010000 0005 .* /run/cloudauth/socket$' /proc/net/unix
}

daemon_stop() {
    local pid
    pid=$(daemon_pid) || return 0
    # One that did not start in time may still end by itself.
    if alive "$pid" && [[ ! -e $ENDS/$pid.asked ]]; then daemon_may_end 0; fi
    stop "$pid"
    rm -f /run/cloudauthd.pid
}

daemon_reload() { kill -HUP "$(daemon_pid)"; }

# sshd_start [OPTION...]: those who start it with options of their own need not clean up.
sshd_start() {
    echo "$*" >/run/sshd.options
    /usr/sbin/sshd -o "ListenAddress=127.0.0.1:$SSH_PORT" "$@" || return 1
    wait_for test -s /run/sshd.pid
}

sshd_stop() {
    stop "$(cat /run/sshd.pid)"
    rm -f /run/sshd.pid
}

# The same documents over http, and over https by a CA of our own that this host trusts.
nginx_start() {
    local tls=/root/tls
    install -d "$tls" /var/lib/nginx /var/log/nginx
    if [[ ! -e $tls/api.pem ]]; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
            -subj "/CN=sandbox CA" -keyout $tls/ca.key -out $tls/ca.pem 2>/dev/null
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
            -keyout $tls/api.key -out $tls/api.csr 2>/dev/null
        openssl x509 -req -in $tls/api.csr -CA $tls/ca.pem -CAkey $tls/ca.key -CAcreateserial \
            -days 2 -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") \
            -out $tls/api.pem 2>/dev/null
        cat $tls/ca.pem >>/etc/ssl/certs/ca-certificates.crt
    fi
    [[ -s /run/nginx.pid ]] && nginx_stop
    sed -e "s|@PORT@|$API_PORT|; s|@TLS_PORT@|$API_TLS_PORT|; s|@LOG@|$API_LOG|" \
        -e "s|@ACCESS@|$ACCESS|" "$REPO/tests/sandbox/nginx.conf" >/root/nginx.conf
    : >"$API_LOG"
    nginx -c /root/nginx.conf
    wait_for test -s /run/nginx.pid
}

nginx_stop() { nginx_end "$(cat /run/nginx.pid)"; }

# nginx_end PID: one that has just begun may keep a signal to itself until the next one comes.
nginx_end() {
    kill -CONT "$1" 2>/dev/null || return 0
    wait_for nginx_ended "$1"
}
nginx_ended() { ! kill -TERM "$1" 2>/dev/null; }

# ---- All of it -------------------------------------------------------------------------------------

host_up() {
    grep -q 'localhost' /etc/hosts || echo "127.0.0.1 localhost" >>/etc/hosts
    echo "127.0.1.1 $(uname -n)" >>/etc/hosts
    # A make above this one would hand its variables down.
    env -u MAKEFLAGS -u MAKELEVEL make -s -C "$REPO" B="$B" install >/dev/null || return 1
    host_users && host_settings && host_ssh || return 1
    make_documents && make_homes || return 1
    local_user ada 1500
    install -d -m 700 /root/accounts
    cp -a /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/nsswitch.conf /root/accounts
    syslog_start && daemon_start && sshd_start
}

host_reset() {
    daemon_stop
    rm -rf /run/cloudauth/sessions
    find /var/lib/cloudauth -mindepth 1 -delete
    rm -rf "$ACCESS"
    cp -r "$PRISTINE" "$ACCESS"
    cp -a /root/accounts/* /etc
    configure
    if [[ -s /run/sshd.options && -n $(</run/sshd.options) ]]; then
        sshd_stop
        sshd_start || return 1
    fi
    daemon_start
}
