# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# etc/examples/nginx.conf as the project API, as an operator installs it: Debian's nginx, that file
# in conf.d, a certificate, tokens.

API=https://api.example.com
STAGING=$API/v1/projects/abcdefghij/environments/staging/ssh-access
API_LOG=/var/log/nginx/cloudauth.log
TOKEN=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=api.example.com -addext subjectAltName=DNS:api.example.com \
        -keyout /etc/nginx/cloudauth/api.key -out /etc/nginx/cloudauth/api.pem 2>/dev/null
    cat /etc/nginx/cloudauth/api.pem >>/etc/ssl/certs/ca-certificates.crt
}

# tokens LINE...: who may ask, besides the host that has the token.
tokens() {
    (umask 077 && printf '%s\n' "\"Bearer $TOKEN\" web1;" "$@" >/etc/nginx/cloudauth/tokens)
}

example_runs() { curl -s -o /dev/null $API; }

before_all() {
    install -d /etc/nginx/cloudauth /var/lib/nginx /var/log/nginx
    echo "127.0.0.1 api.example.com" >>/etc/hosts
    touch "$PRISTINE/complete" "$ACCESS/complete"
    make_certificate
    tokens
    rm -f /etc/nginx/sites-enabled/*
    cp "$REPO/etc/examples/nginx.conf" /etc/nginx/conf.d/
    [[ -e /proc/net/if_inet6 ]] || sed -i '/listen \[::\]/d' /etc/nginx/conf.d/nginx.conf
    nginx && wait_for example_runs
}

# A client without a token counts as a host, too, for a daemon without a credential.
without_token() {
    tokens '"" sandbox;'
    reload_nginx
    configure "access_url = $API/$API_PATH"
    daemon_stop
    daemon_start
    mark
}

# ask [OPTION...] URL: with the token; prints "<status> <type> HTTP/<version>", the body is in /root/body.
ask() { ask_as "Authorization: Bearer $TOKEN" "$@"; }
ask_as() {
    curl -sS --path-as-is -H "$1" -D /root/headers -o /root/body \
        -w '%{http_code} %{content_type} HTTP/%{http_version}\n' "${@:2}"
}

header() {
    sed -nE "s/^$1: (.*)\r$/\1/ip" /root/headers
}

# problem STATUS: the last answer's body says so, too.
problem() {
    same "$1 about:blank" "$(jq -r '"\(.status) \(.type)"' /root/body)"
}

# A reload has come through when no worker from before is left.
old_workers_gone() { [[ -z $(comm -12 <(echo "$1") <(workers)) ]]; }
workers() { pgrep -P "$(cat /run/nginx.pid)" | sort; }
reload_nginx() {
    local before
    before=$(workers)
    nginx -s reload
    wait_for old_workers_gone "$before"
}

# logins, sftp and refusals by documents of the example's nginx, over HTTP/2
test_logins() {
    without_token
    enters bob abcdefghij_stg
    enters alice abcdefg123abc-smith-a12b34c--mymagento
    contains "$(echo pwd | sftp_batch media-agency abcdefghij_stg_sftp)" '^Remote working directory: /'
    refused carol abcdefghij_stg 'your role viewer may not use SSH here'
    requested \
        ' "sandbox" GET /v1/projects/abcdefghij/environments/staging/ssh-access 200 HTTP/2.0$'
    tokens
    reload_nginx
}

# a key that is removed from a document is refused at the next login
test_removed_key() {
    without_token
    configure "access_url = $API/$API_PATH" 'keys_fresh = 0'
    daemon_stop
    daemon_start
    enters bob abcdefghij_stg
    enters bob abcdefghij_stg
    requested ' 304 HTTP/2.0$'
    document abcdefghij staging 'del(.users[] | select(.username == "bob") | .ssh_keys[])'
    refused bob abcdefghij_stg
    enters alice abcdefghij_stg
    tokens
    reload_nginx
}

# a host without a token gets no document: an outage, not an unknown account
test_no_token() {
    configure "access_url = $API/$API_PATH"
    daemon_stop
    daemon_start
    mark
    refused bob abcdefghij_stg
    requested ' "" GET .* 401 HTTP/2.0$'
    logged 'status 401'
}

# no token, a wrong one and half of one are 401 for every path; the right one is 200
test_token() {
    local authorization
    for authorization in 'X-None: 1' 'Authorization: Bearer' "Authorization: Bearer ${TOKEN%f}" \
        "Authorization: Bearer ${TOKEN}0" "Authorization: $TOKEN" "Authorization: Basic $TOKEN"; do
        same '401 application/problem+json HTTP/2' "$(ask_as "$authorization" "$STAGING")"
        problem 401
        contains "$(header www-authenticate)" '^Bearer realm='
        same '401 application/problem+json HTTP/2' "$(ask_as "$authorization" $API/nothing)"
    done
    same '200 application/json HTTP/2' "$(ask "$STAGING")"
    cmp /root/body "$ACCESS/abcdefghij/staging.json"
    fails grep -qF "$TOKEN" "$API_LOG" /var/log/nginx/error.log
}

# its ETag gets 304 and no body, until the document changes
test_validators() {
    local etag
    ask "$STAGING"
    etag=$(header etag)
    contains "$etag" '^"'
    same '304  HTTP/2' "$(ask -H "If-None-Match: $etag" "$STAGING")"
    document abcdefghij staging '.message = "new"'
    same '200 application/json HTTP/2' "$(ask -H "If-None-Match: $etag" "$STAGING")"
    same new "$(jq -r .message /root/body)"
    fails same "$etag" "$(header etag)"
}

# HTTP/1.1 and TLS 1.2 are accepted, too
test_protocols() {
    same '200 application/json HTTP/1.1' "$(ask --http1.1 "$STAGING")"
    same '200 application/json HTTP/2' "$(ask --tls-max 1.2 "$STAGING")"
}

# an unknown environment or project is 404 as problem+json
test_absent() {
    local path
    for path in abcdefghij/environments/staging9 otherproject/environments/staging; do
        same '404 application/problem+json HTTP/2' "$(ask "$API/v1/projects/$path/ssh-access")"
        problem 404
    done
}

# only documents can be fetched, by no spelling of another path
test_nothing_else() {
    local path
    install -d "$ACCESS/abcdefghij/more"
    for path in secret abcdefghij/more/other abcdefghij/Staging abcdefghij/staging.json; do
        echo '{}' >"$ACCESS/$path.json"
    done
    for path in / /complete /secret.json /abcdefghij/staging.json /srv/access/abcdefghij/staging.json \
        /v1/projects/abcdefghij /v1/projects/abcdefghij/environments/staging \
        /v1/projects/abcdefghij/environments/staging/ssh-access/ \
        /v1/projects/abcdefghij/environments/Staging/ssh-access \
        /v1/projects/abcdefghij/environments/staging.json/ssh-access \
        /v1/projects/abcdefghij/environments/../secret/ssh-access \
        /v1/projects/abcdefghij/environments/..%2fsecret/ssh-access \
        /v1/projects/abcdefghij/environments/%2e%2e%2fsecret/ssh-access \
        /v1/projects/abcdefghij/environments/more%2fother/ssh-access \
        /v1/projects/abcdefghij%2fmore/environments/other/ssh-access; do
        same '404 application/problem+json HTTP/2' "$(ask "$API$path")" ||
            { echo "$path" && return 1; }
    done
    for path in /../etc/passwd /v1/../../etc/passwd /%2e%2e/%2e%2e/etc/passwd \
        /v1/projects/abcdefghij/environments/staging%00/ssh-access; do
        contains "$(ask "$API$path")" '^400 '
    done
    same '405 application/problem+json HTTP/2' "$(ask -X POST -d '{}' "$STAGING")"
    same '405 application/problem+json HTTP/2' "$(ask -X DELETE "$STAGING")"
    cmp "$PRISTINE/abcdefghij/staging.json" "$ACCESS/abcdefghij/staging.json"
}

# a missing directory, and a file that nginx may not read, are outages
test_broken_folder() {
    chmod 600 "$ACCESS/abcdefghij/staging.json"
    same '500 application/problem+json HTTP/2' "$(ask "$STAGING")"
    problem 500
    mv "$ACCESS" "$ACCESS.away"
    same '503 application/problem+json HTTP/2' "$(ask "$STAGING")"
    problem 503
    rm -rf "$ACCESS.away"
}
