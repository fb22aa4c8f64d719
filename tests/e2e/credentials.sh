# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The host's credentials for the project API, and who can read them.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

TOKEN=/etc/cloudauth/token
SECRET=s3cr3t-b34r3r-t0k3n
# shellcheck disable=SC2016 # nginx expands it
BEARER='if ($authorized = 0) { return 401; }'

before_all() {
    authority ca
    certificate api ca
}

# authorized AUTHORIZATION...: the ones that nginx takes from now on
authorized() {
    printf '"%s" 1;\n' "$@" >/root/authorized
    echo 'default 0;' >>/root/authorized
    [[ ! -s /run/nginx.pid ]] || serve api "$BEARER"
}

# The API takes the bearer token $SECRET alone, and the host has it.
bearer() {
    authorized "Bearer $SECRET"
    serve api "$BEARER"
    secret "$TOKEN" "$SECRET"
    by_https "token_file = $TOKEN"
}

# nowhere TEXT: it is in no log, not in the daemon's command line, environment, or state
nowhere() {
    local pid
    pid=$(daemon_pid)
    fails grep -rF -- "$1" /var/log /var/lib/cloudauth /run/cloudauth "/proc/$pid/cmdline" \
        "/proc/$pid/environ"
}

# a bearer token is accepted by the API and appears in no log and no process list
test_bearer() {
    bearer
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    nowhere "$SECRET"
}

# a wrong token is an outage and one alert line in the log
test_refused() {
    bearer
    enters alice abcdefghij
    secret "$TOKEN" wr0ng-t0k3n
    mark
    outage "the API refuses this host's credential \\(status 401\\)"
    enters alice abcdefghij
    counts 1 "ALARM: the API refuses" /var/log/syslog
    nowhere wr0ng-t0k3n
}

# once the right token is back, it is used without a reload
test_token_changed() {
    bearer
    enters alice abcdefghij
    secret "$TOKEN" an0th3r-t0k3n
    authorized 'Bearer an0th3r-t0k3n'
    mark
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    nowhere an0th3r-t0k3n
}

# the API's reason for a refusal is logged, escaped, without the token if the API repeats it
test_problem() {
    bearer
    enters alice abcdefghij
    serve api 'location ^~ /v1/ { default_type application/problem+json; return 403
        "{\"title\":\"Not this\\u001bhost\",\"detail\":\"no role\"}"; }'
    mark
    outage 'status 403\) "Not this.host" "no role"'
    # shellcheck disable=SC2016 # nginx expands it
    serve api 'location ^~ /v1/ { default_type application/problem+json; return 403
        "{\"title\":\"Bad\",\"detail\":\"unknown: $http_authorization\"}"; }'
    mark
    unavailable abcdefghij_stg2
    logged 'status 403\) "Bad" \(withheld'
    nowhere "$SECRET"
}

# an API that requires a token, without one: an outage
test_no_token() {
    authorized "Bearer $SECRET"
    serve api "$BEARER"
    by_https
    unavailable abcdefghij
    logged 'status 401'
}

# unusable REGEX: the file is not used, nothing is sent, and it is an outage with that reason
unusable() {
    mark
    outage "credential unusable: token_file $TOKEN: $1"
    same 0 "$(api_requests)"
    nowhere "$SECRET"
}

# a token file that others can read is not used
test_token_readable() {
    bearer
    enters alice abcdefghij
    chmod 440 "$TOKEN"
    unusable 'accessible to others than its owner'
    chmod 404 "$TOKEN"
    unavailable abcdefghij_stg2
    chmod 600 "$TOKEN"
    wait_for known abcdefghij_stg 200002
}

# a token file of another user is not used
test_token_owner() {
    bearer
    enters alice abcdefghij
    chown ada "$TOKEN"
    chmod 400 "$TOKEN"
    unusable 'Permission denied'
    mv "$TOKEN" /home/ada/token
    ln -s /home/ada/token "$TOKEN"
    setpriv --reuid=ada --clear-groups chmod 404 /home/ada/token
    wait_for says "token_file $TOKEN: owned by neither root nor"
    nowhere "$SECRET"
}

# a token file of two lines, or a missing one, is not used; a good one is used once it exists
test_token_odd() {
    bearer
    enters alice abcdefghij
    secret "$TOKEN" "$SECRET"$'\n'"X-Other: header"
    unusable 'not one line'
    rm "$TOKEN"
    wait_for says "token_file $TOKEN: No such file"
    secret "$TOKEN" "$SECRET"
    wait_for known abcdefghij_stg 200002
}

# a name without a path is found in systemd's credentials directory, where a file of root may have mode 0440
test_credentials_directory() {
    install -d -m 755 /run/credentials/cloudauthd.service
    export CREDENTIALS_DIRECTORY=/run/credentials/cloudauthd.service
    echo "$SECRET" >"$CREDENTIALS_DIRECTORY/api-token"
    chgrp cloudauth "$CREDENTIALS_DIRECTORY/api-token"
    chmod 440 "$CREDENTIALS_DIRECTORY/api-token"
    bearer
    by_https 'token_file = api-token'
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
}

# without that directory such a name is an error in the settings
test_no_credentials_directory() {
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" 'token_file = api-token'
    daemon_stop
    mark
    same 78 "$(
        /usr/sbin/cloudauthd -f >/dev/null 2>&1
        echo $?
    )"
    logged 'token_file: api-token is no path'
}

# an API that accepts what tokens_start gives
exchanged() {
    tokens_start
    # nginx's regular expression
    echo '"~^Bearer exchanged-[0-9]+$" 1; default 0;' >/root/authorized
    serve api "$BEARER"
}

by_client() {
    secret /etc/cloudauth/client "host1:${1:-$SECRET}"
    by_https "token_url = http://127.0.0.1:$TOKENS_PORT/token" \
        'client_id_file = /etc/cloudauth/client' "${@:2}"
}

# client_credentials: one exchange for many logins
test_client_credentials() {
    exchanged
    by_client
    for _ in {1..3}; do enters alice abcdefghij; done
    audit 'grant account=abcdefghij .*source=api'
    same "Basic $(printf 'host1:%s' "$SECRET" | base64) grant_type=client_credentials" \
        "$(cat "$TOKENS/log")"
    nowhere "$SECRET"
    nowhere exchanged-1
}

# id and secret are percent-encoded before they are joined
test_client_encoded() {
    exchanged
    by_client 'a:b+c/d%'
    enters alice abcdefghij
    same "Basic $(printf 'host1:a%%3Ab%%2Bc%%2Fd%%25' | base64) grant_type=client_credentials" \
        "$(cat "$TOKENS/log")"
}

# the api_token grant of Platform.sh
test_api_token() {
    exchanged
    secret "$TOKEN" "$SECRET+"
    by_https "token_url = http://127.0.0.1:$TOKENS_PORT/token" "token_file = $TOKEN"
    enters alice abcdefghij
    same "Basic cGxhdGZvcm0tYXBpLXVzZXI6 grant_type=api_token&api_token=$SECRET%2B" \
        "$(cat "$TOKENS/log")"
    nowhere "$SECRET"
}

# twenty simultaneous logins to three environments wait for one exchange
test_one_exchange() {
    local environment
    exchanged
    by_client
    for environment in abcdefghij abcdefghij_stg abcdefghij_stg2; do
        for _ in {1..7}; do getent passwd "$environment" >/dev/null & done
    done
    wait_jobs
    same 1 "$(exchanges)"
    known abcdefghij 200001
}

# a token is replaced in the background before it expires
test_refreshed() {
    exchanged
    echo 2 >"$TOKENS/expires_in"
    by_client
    enters alice abcdefghij
    wait_for exchanged_times 3
    enters alice abcdefghij
    fails contains "$(since "$API_LOG")" ' 401 '
}
exchanged_times() { (($(exchanges) >= $1)); }

# a token that the API refuses is replaced once, during the same login
test_revoked() {
    exchanged
    by_client
    enters alice abcdefghij
    authorized 'Bearer exchanged-2'
    mark
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    same 2 "$(exchanges)"
    # and then it is an outage
    authorized 'Bearer another'
    mark
    outage "the API refuses this host's credential"
    same 2 "$(exchanges)"
    nowhere exchanged-
}

# answer STATUS [BODY]: what the token endpoint says from now on
answer() {
    printf 'HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "$1" "${#2}" "${2-}" \
        >"$TOKENS/answer.new"
    mv "$TOKENS/answer.new" "$TOKENS/answer"
}

# no_token REGEX: with the endpoint as it is now, an account that is known enters and no other
no_token() {
    daemon_reload
    mark
    outage "$1"
    nowhere "$SECRET"
}

# a token endpoint that refuses the host is an outage and an alert
test_exchange_refused() {
    exchanged
    by_client
    enters alice abcdefghij
    answer '401 Unauthorized' "{\"error\":\"invalid_client\",\"error_description\":\"$SECRET?\"}"
    no_token 'ALARM: the token endpoint refuses .*status 401, invalid_client'
    (($(exchanges) <= 3))
}

# a token endpoint that fails is an outage, and is not asked again for some time
test_exchange_fails() {
    exchanged
    by_client
    enters alice abcdefghij
    answer '500 Oops' "$SECRET"
    no_token 'the token endpoint answered with status 500'
}

# an answer without a usable token is an outage; a good one ends it
test_exchange_odd() {
    exchanged
    by_client
    enters alice abcdefghij
    answer '200 OK' "{\"access_token\":\"$SECRET\",\"token_type\":\"mac\"}"
    no_token "the token endpoint's answer: the document: token_type is not bearer"
    answer '200 OK' '{"access_token":"exchanged-9","token_type":"Bearer"}'
    wait_for known abcdefghij_stg 200002
}

# a token endpoint that is silent or unreachable is an outage, within request_timeout
test_exchange_silent() {
    exchanged
    by_client "$SECRET" 'request_timeout = 2s'
    enters alice abcdefghij
    : >"$TOKENS/answer"
    daemon_reload
    mark
    within 8 outage 'the token endpoint: .*timed out'
    stop "$(cat /run/tokens.pid)"
    wait_for says 'the token endpoint: Failed to connect'
}

# a redirect of the token endpoint is not followed
test_exchange_redirected() {
    exchanged
    by_client
    enters alice abcdefghij
    printf 'HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n' \
        "$TOKENS_PORT" >"$TOKENS/answer"
    no_token 'the token endpoint answered with status 307'
}

# no core is dumped, and only root can read the daemon's memory
test_memory() {
    bearer
    contains "$(cat "/proc/$(daemon_pid)/limits")" '^Max core file size +0 +0 '
    same 0 "$(stat -c %u "/proc/$(daemon_pid)/mem")"
    fails setpriv --reuid=cloudauth --clear-groups cat "/proc/$(daemon_pid)/environ"
}

# As in the unit, what the daemon frees is overwritten.
like_the_unit() {
    GLIBC_TUNABLES=$(sed -n 's/^Environment=GLIBC_TUNABLES=//p' "$REPO/etc/systemd/cloudauthd.service")
    export GLIBC_TUNABLES
}

in_memory() { "$REPO/tests/sandbox/memory.pl" "$(daemon_pid)" "$1"; }
wiped() { [[ $(in_memory "$1") == '0 found' ]]; }
forgets() {
    wait_for wiped "$1" && return 0
    in_memory "$1"
    return 1
}

# a token stays in the daemon's memory neither after a request nor after it was replaced
test_token_wiped() {
    like_the_unit
    bearer
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    in_memory "$TOKEN"
    forgets "$SECRET"
    secret "$TOKEN" an0th3r-t0k3n
    authorized 'Bearer an0th3r-t0k3n'
    mark
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    forgets "$SECRET"
    forgets an0th3r-t0k3n
}

# after an exchange neither the client secret nor an API token stays there; an access token does while it is in use
test_client_wiped() {
    like_the_unit
    exchanged
    by_client
    enters alice abcdefghij
    in_memory exchanged-1
    forgets "$SECRET"
    forgets "$(printf 'host1:%s' "$SECRET" | base64)"
    authorized 'Bearer exchanged-2'
    mark
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    in_memory exchanged-2
    forgets exchanged-1
    secret "$TOKEN" "$SECRET"
    by_https "token_url = http://127.0.0.1:$TOKENS_PORT/token" "token_file = $TOKEN"
    authorized 'Bearer exchanged-3'
    enters alice abcdefghij
    in_memory exchanged-3
    forgets "$SECRET"
}
