# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The project API over TLS: whom the daemon believes, how it shows itself, where it is sent on to.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

before_all() {
    authority ca
    authority other
    certificate api ca
    certificate wrong-name ca DNS:other.example
    certificate expired ca DNS:localhost -days 0
    certificate untrusted other
    certificate self-signed other
    openssl req -x509 -key "$TLS/self-signed.key" -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -out "$TLS/self-signed.pem"
    certificate client ca
    certificate stranger other
    # What nginx asks a client certificate by.
    cp "$TLS/ca.pem" /root/client-ca.pem
    # In the host's own bundle and directory: ca_file says that neither counts.
    cat "$TLS/other.pem" >>/etc/ssl/certs/ca-certificates.crt
    cp "$TLS/other.pem" "/etc/ssl/certs/$(openssl x509 -in "$TLS/other.pem" -noout -hash).0"
}

# served_then CERTIFICATE [DIRECTIVE...]: a good API, and then this one in its place
served_then() {
    serve api
    by_https
    enters alice abcdefghij
    serve "$@"
    mark
}

# https by ca_file; twenty logins are one HTTP/2 connection
test_one_connection() {
    serve api
    by_https
    for _ in {1..20}; do
        login alice abcdefghij@127.0.0.1 'echo inside' >>/root/inside.log
    done
    same 20 "$(grep -c inside /root/inside.log)"
    (($(api_requests) >= 20))
    same 1 "$(connections)"
    requested 'ssh-access 304 HTTP/2.0'
}

# a connection that the server closes while it is idle is reopened without an outage
test_closed_while_idle() {
    serve api 'keepalive_timeout 1s;'
    by_https
    enters alice abcdefghij
    wait_for closed
    mark
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
}
closed() { ! ss -Htn state established "dport = :$TLS_PORT" | grep -q .; }

# a server that restarts and sends GOAWAY causes no outage
test_server_restarted() {
    served_then api
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
}

# an expired certificate is an outage
test_expired() {
    served_then expired
    outage 'certificate has expired'
}

# a certificate for another name is an outage
test_wrong_name() {
    served_then wrong-name
    outage 'no alternative certificate subject name matches'
}

# a self-signed certificate is an outage
test_self_signed() {
    served_then self-signed
    outage 'self.signed certificate'
}

# a CA in the host's bundle that ca_file does not contain is an outage
test_other_authority() {
    served_then untrusted
    outage 'unable to get local issuer certificate'
    # and by the host's own bundle it would do
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" 'keys_fresh = 0'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
}

# TLS 1.1 alone is an outage
test_old_tls() {
    served_then api 'ssl_protocols TLSv1.1;' 'ssl_ciphers DEFAULT@SECLEVEL=0;'
    openssl s_client -connect "localhost:$TLS_PORT" -tls1_1 -cipher DEFAULT@SECLEVEL=0 </dev/null |
        grep -q 'Protocol *: TLSv1.1'
    outage 'tlsv1 alert protocol version|unsupported protocol'
}

# a ca_file that is missing, or that others can write, is an outage
test_authority_file() {
    cp "$TLS/ca.pem" /etc/cloudauth/own.pem
    serve api
    by_https 'ca_file = /etc/cloudauth/own.pem'
    enters alice abcdefghij
    chmod 666 /etc/cloudauth/own.pem
    outage 'credential unusable: ca_file /etc/cloudauth/own.pem: writable by others'
    rm /etc/cloudauth/own.pem
    wait_for says 'ca_file /etc/cloudauth/own.pem: No such file'
}

# a CA that is taken out of ca_file is trusted no longer, on kept connections too
test_authority_removed() {
    cp "$TLS/ca.pem" /etc/cloudauth/own.pem
    serve api
    by_https 'ca_file = /etc/cloudauth/own.pem'
    enters alice abcdefghij
    cp "$TLS/other.pem" /etc/cloudauth/own.new
    mv /etc/cloudauth/own.new /etc/cloudauth/own.pem
    outage 'unable to get local issuer certificate|self.signed|certificate'
}

client_required() {
    serve "$1" "ssl_client_certificate /root/client-ca.pem;" 'ssl_verify_client on;'
}

# a client certificate opens an API that requires one
test_client_certificate() {
    client_required api
    by_https "client_cert = $TLS/client.pem" "client_key = $TLS/client.key"
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
}

# no client certificate where one is required is an outage
test_no_client_certificate() {
    serve api
    by_https
    enters alice abcdefghij
    client_required api
    outage 'status 400|certificate required'
}

# a refused client certificate is an outage; a changed file is used at once, on kept connections too
test_client_certificate_refused() {
    local pair=/etc/cloudauth/pair
    cp "$TLS/client.pem" "$pair.pem"
    cp -p "$TLS/client.key" "$pair.key"
    client_required api
    by_https "client_cert = $pair.pem" "client_key = $pair.key"
    enters alice abcdefghij
    cp -p "$TLS/stranger.key" "$pair.key"
    cp "$TLS/stranger.pem" "$pair.pem"
    outage 'status 400|alert'
}

# a client key that others can read is not used
test_client_key_open() {
    cp -p "$TLS/client.key" /etc/cloudauth/client.key
    client_required api
    by_https "client_cert = $TLS/client.pem" 'client_key = /etc/cloudauth/client.key'
    enters alice abcdefghij
    chmod 440 /etc/cloudauth/client.key
    mark
    outage 'credential unusable: client_key /etc/cloudauth/client.key: accessible to others'
    same 0 "$(api_requests)"
}

# a client key with a password is an outage, and the daemon does not prompt
test_client_key_password() {
    openssl pkey -in "$TLS/client.key" -aes128 -passout pass:secret -out "$TLS/locked.key"
    chown cloudauth "$TLS/locked.key"
    serve api
    by_https "client_cert = $TLS/client.pem" "client_key = $TLS/locked.key"
    unavailable abcdefghij
    logged 'could not load PEM client|unable to set private key'
}

# shellcheck disable=SC2016 # nginx expands it
ALIAS='location ~ ^/moved/([a-z0-9]+)/([a-z0-9-]+)$ { default_type application/json; alias /srv/access/$1/$2.json; }'
moved() { echo "location ~ ^/old/(.*)\$ { return $1 $2; }"; }
OLD_PATH='old/{project}/{environment}'

by_old_path() { by_https "access_url = https://localhost:$TLS_PORT/$OLD_PATH"; }

# a redirect on the same server is followed
test_redirect() {
    # shellcheck disable=SC2016 # nginx expands it
    serve api "$(moved 302 '/moved/$1')" "$ALIAS"
    by_old_path
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
}

# a redirect to another host, port or scheme, or with a user in it, is an outage
test_redirect_elsewhere() {
    local to
    # shellcheck disable=SC2016 # nginx expands it
    for to in "https://127.0.0.1:$TLS_PORT" "https://localhost:$((TLS_PORT + 1))" \
        "http://localhost:$TLS_PORT" "https://user@localhost:$TLS_PORT"; do
        serve api "$(moved 301 "$to"'/moved/$1')" "$ALIAS"
        by_old_path
        unavailable abcdefghij
        logged "redirect to another origin \\(${to%%:*}://"
        counts 1 '' "$API_LOG"
    done
}

# a known account enters while the API redirects the host elsewhere
test_redirect_outage() {
    serve api "location ~ ^/old/([a-z]+)/([a-z]+)\$ { alias $ACCESS/\$1/\$2.json; }"
    by_old_path
    enters alice abcdefghij
    serve api "$(moved 302 https://login.example.com/)"
    outage 'redirect to another origin \(https://login.example.com:443\)'
}

# endless redirects are an outage
test_redirect_loop() {
    # shellcheck disable=SC2016 # nginx expands it
    serve api "$(moved 307 '/old/$1')"
    by_old_path
    unavailable abcdefghij
    logged 'more than 3 redirects'
    counts 4 '' "$API_LOG"
}

# through the proxy of the settings
test_proxy() {
    proxy_start
    serve api
    by_https "proxy = http://127.0.0.1:$PROXY_PORT"
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    same "CONNECT localhost:$TLS_PORT HTTP/1.1" "$(cat "$PROXY_LOG")"
}

# an unreachable proxy is an outage
test_proxy_gone() {
    serve api
    by_https
    enters alice abcdefghij
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" "ca_file = $TLS/ca.pem" \
        'keys_fresh = 0' 'proxy = http://127.0.0.1:9'
    daemon_reload
    logged 'settings reloaded'
    outage 'Failed to connect to 127.0.0.1 port 9'
}

# proxy variables of the environment are ignored
test_proxy_environment() {
    proxy_start
    serve api
    export https_proxy=http://127.0.0.1:$PROXY_PORT HTTPS_PROXY=http://127.0.0.1:$PROXY_PORT
    export ALL_PROXY=http://127.0.0.1:$PROXY_PORT
    by_https
    enters alice abcdefghij
    same '' "$(cat "$PROXY_LOG")"
}

# Last-Modified, which stays where a document changes within a second, is not used: without ETag, nor with one too long
test_no_etag() {
    local document=$ACCESS/abcdefghij/production.json
    touch -d '2026-01-01 00:00:00' "$document"
    serve api 'etag off;'
    by_https
    enters alice abcdefghij
    document abcdefghij production '.users |= map(select(.username != "alice"))'
    touch -d '2026-01-01 00:00:00' "$document"
    refused alice abcdefghij
}

# an ETag that is too long to be kept is not replaced by Last-Modified
test_long_etag() {
    local document=$ACCESS/abcdefghij/production.json
    touch -d '2026-01-01 00:00:00' "$document"
    serve api 'etag off;' "add_header ETag '\"$(printf 'a%.0s' {1..300})\"' always;"
    by_https
    enters alice abcdefghij
    document abcdefghij production '.users |= map(select(.username != "alice"))'
    touch -d '2026-01-01 00:00:00' "$document"
    serve api 'etag off;' "add_header ETag '\"$(printf 'b%.0s' {1..300})\"' always;"
    refused alice abcdefghij
}
