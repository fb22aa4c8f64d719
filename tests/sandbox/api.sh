# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests that put a project API with TLS, and what belongs to one, beside the host:
#
#   authority NAME [DAYS]           a CA: $TLS/NAME.pem and .key
#   certificate NAME CA [SAN [OPTION...]]  one by that CA for SAN (default localhost), OPTION for x509(1)
#   serve NAME [DIRECTIVE...]       nginx with that certificate and these directives in its server
#   tokens_start, proxy_start       the token endpoint and the proxy
#   secret FILE TEXT                a credential file, as an operator should make it
#   by_https [SETTING...]           the daemon asks that API, at each login, and trusts $TLS/ca.pem alone
#   outage REGEX                    what must be so in an outage, and that the log says REGEX
#   logged REGEX                    waits for a line of the daemon's log since the test began
#   connections                     how many connections nginx has answered requests on since then

TLS=/etc/cloudauth/tls
TLS_PORT=9443
# shellcheck disable=SC2016 # nginx expands them
API_LOG_FORMAT='$connection $request_method $uri $status $server_protocol'
TOKENS=/root/tokens
TOKENS_PORT=909
PROXY_LOG=/root/proxy.log
PROXY_PORT=9091
EC=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

authority() {
    install -d "$TLS"
    openssl req -x509 "${EC[@]}" -days "${2:-2}" -subj "/CN=sandbox $1" -keyout "$TLS/$1.key" \
        -out "$TLS/$1.pem" 2>/dev/null
    # A file of it, as of the others, is readable to the daemon.
    chmod 644 "$TLS/$1.pem"
}

certificate() {
    openssl req "${EC[@]}" -subj "/CN=$1" -keyout "$TLS/$1.key" -out "$TLS/$1.csr" 2>/dev/null
    openssl x509 -req -in "$TLS/$1.csr" -CA "$TLS/$2.pem" -CAkey "$TLS/$2.key" -CAcreateserial \
        -days 2 -extfile <(echo "subjectAltName=${3:-DNS:localhost}") "${@:4}" \
        -out "$TLS/$1.pem" 2>/dev/null
    chown cloudauth "$TLS/$1.key"
    chmod 400 "$TLS/$1.key"
}

# The map says whose Authorization is good; a test writes its own before it serves.
serve() {
    local name=$1
    shift
    install -d /var/lib/nginx /var/log/nginx
    [[ -s /run/nginx.pid ]] && nginx_stop
    [[ -e /root/authorized ]] || echo 'default 1;' >/root/authorized
    cat >/root/nginx-tls.conf <<CONF
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log warn;
events {
}
http {
    log_format api '$API_LOG_FORMAT';
    access_log $API_LOG api;
    keepalive_timeout 60s;
    map \$http_authorization \$authorized {
        include /root/authorized;
    }
    server {
        listen 127.0.0.1:$TLS_PORT ssl http2;
        ssl_certificate $TLS/$name.pem;
        ssl_certificate_key $TLS/$name.key;
$(printf '        %s\n' "$@")
        location ~ ^/v1/projects/([a-z0-9]+)/environments/([a-z0-9-]+)/ssh-access\$ {
            default_type application/json;
            alias $ACCESS/\$1/\$2.json;
        }
    }
}
CONF
    nginx -c /root/nginx-tls.conf && wait_for test -s /run/nginx.pid
}

# listening PORT: whether something does, without a connection that it would have to serve.
listening() { ss -Hltn "sport = :$1" | grep -q .; }

tokens_start() {
    [[ ! -s /run/tokens.pid ]] || stop "$(cat /run/tokens.pid)"
    rm -rf "$TOKENS"
    install -d "$TOKENS"
    : >"$TOKENS/log"
    "$REPO/tests/sandbox/tokens.pl" "$TOKENS_PORT" "$TOKENS" </dev/null >/dev/null 2>&1 &
    echo $! >/run/tokens.pid
    disown
    wait_for listening "$TOKENS_PORT"
}

exchanges() { wc -l <"$TOKENS/log"; }

proxy_start() {
    : >"$PROXY_LOG"
    [[ -s /run/proxy.pid ]] && alive "$(cat /run/proxy.pid)" && return 0
    "$REPO/tests/sandbox/proxy.pl" "$PROXY_PORT" "$PROXY_LOG" </dev/null >/dev/null 2>&1 &
    echo $! >/run/proxy.pid
    disown
    wait_for listening "$PROXY_PORT"
}

# Written aside, so that the daemon never finds half of it.
secret() {
    printf '%s\n' "$2" >"$1.new"
    chown cloudauth "$1.new"
    chmod 400 "$1.new"
    mv "$1.new" "$1"
}

by_https() {
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" "ca_file = $TLS/ca.pem" \
        'keys_fresh = 0' "$@"
    daemon_stop
    daemon_start
    mark
}

# says REGEX: whether a question makes the daemon log that; not at once where it does not ask again.
says() {
    getent passwd abcdefghij_stg
    in_log "$1"
}

outage() {
    enters alice abcdefghij &&
        audit 'grant account=abcdefghij .*source=cache' &&
        unavailable abcdefghij_stg &&
        logged "$1"
}

connections() { since "$API_LOG" | cut -d' ' -f1 | sort -u | wc -l; }
