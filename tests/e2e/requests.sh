# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How often the project API is asked, counted in the access log of nginx.

# shellcheck source=tests/sandbox/clocks.sh
. "$REPO/tests/sandbox/clocks.sh"

by_http() {
    nginx_start
    configure "access_url = $1/$API_PATH" "${@:2}"
    daemon_stop
    daemon_start
    mark
}

# a login with one key, after the last answer went stale, is one conditional request
test_one_request() {
    clocks_up
    clocks 0 0
    CLOUDAUTHD=/root/cloudauthd by_http "http://127.0.0.1:$API_PORT" 'keys_fresh = 60s'
    enters bob abcdefghij_stg
    # Before, because the daemon may revalidate in the background as soon as it sees the time.
    mark
    clocks 61 61
    login bob abcdefghij_stg@127.0.0.1 true
    requested ' GET /v1/projects/abcdefghij/environments/staging/ssh-access 304 '
    echo "requests of this login: $(api_requests)"
    counts 1 '' "$API_LOG"
}

# the first login of an account is one request, too
test_first_login() {
    by_http "http://127.0.0.1:$API_PORT" 'keys_fresh = 60s'
    login bob abcdefghij_stg@127.0.0.1 true
    requested ' 200 '
    counts 1 '' "$API_LOG"
}

# https uses HTTP/2, by a CA of the host's bundle
test_https() {
    by_http "https://localhost:$API_TLS_PORT"
    enters bob abcdefghij_stg
    requested ' GET /v1/projects/abcdefghij/environments/staging/ssh-access 200 HTTP/2.0'
}

# a certificate that the host does not trust is an outage
test_https_untrusted() {
    by_http "https://localhost:$API_TLS_PORT"
    cp /etc/ssl/certs/ca-certificates.crt /root/bundle
    : >/etc/ssl/certs/ca-certificates.crt
    daemon_stop
    daemon_start
    refused bob abcdefghij_stg
    cp /root/bundle /etc/ssl/certs/ca-certificates.crt
    same 0 "$(api_requests)"
}

# twenty logins at once are one request
test_many_at_once() {
    by_http "http://127.0.0.1:$API_PORT" 'keys_fresh = 60s'
    sshd_stop
    sshd_start -o MaxStartups=100
    for _ in {1..20}; do
        login bob abcdefghij_stg@127.0.0.1 'echo inside' >>/root/many.log &
    done
    wait_jobs
    same 20 "$(grep -c inside /root/many.log)"
    counts 1 '' "$API_LOG"
    rm /root/many.log
}

# an account that the API does not know is one request
test_absent() {
    by_http "http://127.0.0.1:$API_PORT"
    unknown abcdefghij_stg9
    unknown abcdefghij_stg9
    refused bob abcdefghij_stg9
    requested ' 404 '
    counts 1 '' "$API_LOG"
}

# names that are not cloud accounts cause no request
test_not_ours() {
    by_http "http://127.0.0.1:$API_PORT"
    unknown otherproject
    refused alice otherproject
    refused alice root2
    same 0 "$(api_requests)"
}

# lookups of a known account cause no request
test_lookups() {
    by_http "http://127.0.0.1:$API_PORT"
    getent passwd abcdefghij_stg
    mark
    for _ in {1..20}; do
        getent passwd abcdefghij_stg
        id abcdefghij_stg
        getent passwd 200002
    done
    same 0 "$(api_requests)"
}

# ---- Plain http: nothing but root answers for the API -------------------------------------------------

# a URL that another user could answer is an error in the settings: the daemon does not start
test_unprivileged_port() {
    local url
    for url in "http://127.0.0.1:1024" "http://localhost:$API_PORT" "http://[::1]:8080" "http://localhost"; do
        configure "access_url = $url/$API_PATH"
        daemon_stop
        WAIT=2 fails daemon_start
        logged 'access_url: plain http is refused except by api_socket'
    done
    configure
    daemon_start
}

# api_socket: requests use a socket of root; one of another user is an outage, and gets no request
test_api_socket() {
    [[ -s /run/nginx.pid ]] && nginx_stop
    rm -f /run/api.socket
    nginx_start
    configure "access_url = http://api.example.com/$API_PATH" 'api_socket = /run/api.socket' 'keys_fresh = 0'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    contains "$(cat "$API_LOG")" 'GET /v1/projects/abcdefghij/environments/production/ssh-access 200'
    mark
    chown www-data /run/api.socket
    daemon_stop
    rm -rf /var/lib/cloudauth/documents
    daemon_start
    refused alice abcdefghij
    logged 'api.socket is not a socket of root or of the daemon'
    rm -f /run/api.socket
}

# nor is one in a directory that another user can write to, where it could be replaced
test_api_socket_directory() {
    [[ -s /run/nginx.pid ]] && nginx_stop
    rm -f /run/api.socket
    nginx_start
    install -d -g www-data -m 775 /run/shared
    ln /run/api.socket /run/shared/api.socket
    configure "access_url = http://api.example.com/$API_PATH" 'api_socket = /run/shared/api.socket' 'keys_fresh = 0'
    daemon_stop
    daemon_start
    refused alice abcdefghij
    logged 'below directories of root to which no other user can write'
    # Nor does a directory of root's below it help, nor a link to it.
    install -d -m 755 /run/shared/own
    mv /run/shared/api.socket /run/shared/own/api.socket
    ln -s /run/shared/own /run/link
    configure "access_url = http://api.example.com/$API_PATH" 'api_socket = /run/link/api.socket' 'keys_fresh = 0'
    daemon_stop
    daemon_start
    refused alice abcdefghij
    chmod 755 /run/shared
    daemon_stop
    daemon_start
    enters alice abcdefghij
    rm -rf /run/api.socket /run/shared /run/link
}
