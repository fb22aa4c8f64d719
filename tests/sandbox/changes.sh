# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests that need etc/examples/nginx-changes.conf, installed as its comment says, with what
# systemd does by the drop-in done here:
#
#   changes_install             the files, a certificate (changes.example.com, trusted), a host's token
#   changes_start, changes_stop, changes_reload, changes_kill      nginx, as by systemctl; kill -9 of all of it
#   changes_tick [new]          what the timer starts
#   changes_api                 etc/examples/nginx.conf beside it as the project API
#   by_feed [SETTING...]        the daemon asks both; $UNNAMED: and the API for nothing that has not been named
#   publish JSON                by the publisher; prints the status
#   changed PROJECT [ENVIRONMENT]   publishes that

# shellcheck disable=SC2034 # for those who source this
CHANGES=https://changes.example.com/v1/changes
# shellcheck disable=SC2034
CHANGES_LOG=/var/log/nginx/cloudauth-changes.log
CHANGES_API_LOG=/var/log/nginx/cloudauth.log
CHANGES_RUN=/run/cloudauth-changes
CHANGES_TOKEN=89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567
# shellcheck disable=SC2034
UNNAMED=('keys_fresh = 1h' 'account_fresh = 24h' 'session_recheck = 1h')
PUBLISHER=fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210

changes_install() {
    local etc=/etc/nginx/cloudauth-changes
    install -d $etc /var/lib/nginx /var/log/nginx
    echo "127.0.0.1 changes.example.com" >>/etc/hosts
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=changes.example.com -addext subjectAltName=DNS:changes.example.com \
        -keyout $etc/changes.key -out $etc/changes.pem 2>/dev/null
    cat $etc/changes.pem >>/etc/ssl/certs/ca-certificates.crt
    (
        umask 077
        echo "\"Bearer $CHANGES_TOKEN\" web1;" >$etc/tokens
        echo "\"Bearer $PUBLISHER\" platform;" >$etc/publishers
    )
    rm -f /etc/nginx/sites-enabled/*
    cp "$REPO/etc/examples/nginx-changes.conf" /etc/nginx/conf.d/
    [[ -e /proc/net/if_inet6 ]] || sed -i '/listen \[::\]/d' /etc/nginx/conf.d/nginx-changes.conf
    # shellcheck disable=SC2016 # for sed
    sed -i 's/^worker_processes .*/worker_processes 1;/' /etc/nginx/nginx.conf
    install -m 755 "$REPO/etc/examples/nginx-changes/nginx-changes" /usr/local/sbin/
}

# Both examples, in one nginx.
changes_api() {
    local etc=/etc/nginx/cloudauth
    install -d $etc
    sed -i 's/^127.0.0.1 changes.example.com$/& api.example.com/' /etc/hosts
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=api.example.com -addext subjectAltName=DNS:api.example.com \
        -keyout $etc/api.key -out $etc/api.pem 2>/dev/null
    cat $etc/api.pem >>/etc/ssl/certs/ca-certificates.crt
    (umask 077 && echo "\"Bearer $CHANGES_TOKEN\" web1;" >$etc/tokens)
    cp "$REPO/etc/examples/nginx.conf" /etc/nginx/conf.d/
    [[ -e /proc/net/if_inet6 ]] || sed -i '/listen \[::\]/d' /etc/nginx/conf.d/nginx.conf
    sed -i '/^map_hash_bucket_size/d' /etc/nginx/conf.d/nginx.conf
    touch "$PRISTINE/complete" "$ACCESS/complete"
    (umask 077 && echo $CHANGES_TOKEN >/etc/cloudauth/token)
    chown cloudauth /etc/cloudauth/token
}

by_feed() {
    configure "access_url = https://api.example.com/$API_PATH" "changes_url = $CHANGES" \
        'token_file = /etc/cloudauth/token' "$@"
    daemon_stop
    mark
    # shellcheck disable=SC2004,SC2034 # an associative array of the harness
    began[$CHANGES_LOG]=$(wc -l <"$CHANGES_LOG") began[$CHANGES_API_LOG]=$(wc -l <"$CHANGES_API_LOG")
    daemon_start
    wait_for is_fed
}
# The request of a daemon that has ended may be logged late.
is_fed() { cloudauthctl status | grep -q '^feed: live' && since $CHANGES_LOG | grep -q ' GET /v1/changes 304 '; }

changes_start() {
    install -d -m 750 -g www-data $CHANGES_RUN
    rm -f $CHANGES_RUN/nchan.socket
    nginx && wait_for test -s /run/nginx.pid && wait_for changes_tick
}

changes_tick() { /usr/local/sbin/nginx-changes "$@"; }

changes_stop() { nginx_stop; }

changes_kill() {
    local pids
    mapfile -t pids < <(cat /run/nginx.pid; workers)
    kill -KILL "${pids[@]}"
    wait_for no_listener
    rm -f /run/nginx.pid
}
no_listener() { ! ss -Hltn 'sport = :443' | grep -q .; }

workers() { pgrep -P "$(cat /run/nginx.pid)" | sort; }
old_workers_gone() { [[ -z $(comm -12 <(echo "$1") <(workers)) ]]; }

changes_reload() {
    local before
    before=$(workers)
    nginx -s reload
    wait_for old_workers_gone "$before"
}

publish() {
    curl -s -m 5 --noproxy '*' -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $PUBLISHER" \
        -H 'Content-Type: application/json' -d "$1" http://127.0.0.1:886/publish
}

changed() {
    local entry
    entry="{\"project\":\"$1\"${2:+,\"environment\":\"$2\"}}"
    contains "$(publish "{\"changed\":[$entry],\"whole\":false}")" '^20[12]$'
}
