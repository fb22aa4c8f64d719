# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The project API misbehaves: docs/outages.md, row by row. Exactly the users of the last good document
# enter.

# shellcheck source=tests/sandbox/hostile.sh
. "$REPO/tests/sandbox/hostile.sh"

before_all() { hostile_start; }

# row MODE REGEX [URL [SETTING...]]: a good answer, then that fault, then good answers again. REGEX is
# why, in the log.
row() {
    well "${3-$HTTP}" "${@:4}"
    mode "$1"
    serves_last_good "$2"
    recovers
}

# well URL [SETTING...]: alice has entered by a good answer, and the host knows her account alone.
well() {
    mode good
    address_up
    hostile_alive || hostile_serve
    by_hostile "$@"
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=api'
    mark
}

serves_last_good() {
    timed 'first login' enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=cache'
    logged "project API, abcdefghij/production: .*($1)"
    note "log: $(since /var/log/syslog | sed -n 's|.*project API, abcdefghij/production: ||p' | head -n 1)"
    timed 'second login' enters alice abcdefghij
    refused carol abcdefghij 'your role viewer'
    refused stranger abcdefghij
    refused newcomer abcdefghij
    audit 'refuse account=abcdefghij .*reason=key-unknown source=cache'
    fails audited 'grant .*user=(carol|newcomer|-)'
    nss_says found abcdefghij
    timed 'unknown account' nss_says unavailable abcdefghij_stg
}

by_api() {
    enters alice abcdefghij
    audited 'grant account=abcdefghij .*user=alice .*source=api'
}

# Each of them is asked for again after its own back-off.
recovers() {
    mode good
    mark
    WAIT=20 wait_for by_api
    WAIT=20 wait_for nss_says found abcdefghij_stg
}

# gone_row MODE: an answer that is no outage
gone_row() {
    well $HTTP
    mode "$1"
    timed 'first login' refused alice abcdefghij
    audit 'refuse account=abcdefghij .*reason=environment-absent source=api'
    refused newcomer abcdefghij
    nss_says absent abcdefghij
    timed 'unknown account' nss_says absent abcdefghij_stg
    recovers
}

# unnoticed_row MODE URL: a fault that no login notices
unnoticed_row() {
    local before
    well "$2"
    mode "$1"
    before=$(hostile_connections)
    enters alice abcdefghij
    timed 'login' enters alice abcdefghij
    enters alice abcdefghij
    refused carol abcdefghij 'your role viewer'
    audit 'refuse account=abcdefghij .*user=carol .*source=api'
    fails audited 'source=cache'
    note "connections of four logins: $(($(hostile_connections) - before))"
    (($(hostile_connections) > before))
}

# ---- No connection -----------------------------------------------------------------------------------

# nothing listens at the API's address
test_refused_connection() {
    well $HTTP
    hostile_stop
    serves_last_good 'Failed to connect .*Connection refused|(Couldn.t|Could not) connect to server'
    hostile_serve
    recovers
}

# there is no route to the API
test_unroutable() {
    well https://$ADDRESS:9443
    hostile_stop
    unroutable
    hostile_serve
    serves_last_good 'Failed to connect|No route to host|Could(n.t| not) connect'
    address_up
    recovers
}

# packets to the API are lost before there is a connection
test_packets_lost() {
    well https://$ADDRESS:9443
    hostile_stop
    packets_lost
    hostile_serve
    serves_last_good '[Tt]imed out|[Tt]imeout'
    address_up
    recovers
}

# packets to the API are lost on a kept connection
test_packets_lost_kept() {
    well https://$ADDRESS:9443
    packets_lost
    serves_last_good '[Tt]imed out|[Tt]imeout'
    address_up
    recovers
}

# by_name: alice has entered, and the daemon has been restarted: it must look the name up
by_name() {
    sed -i '/api.example.test/d' /etc/hosts
    echo '127.0.0.1 api.example.test' >>/etc/hosts
    well https://api.example.test:9443
    daemon_stop
    sed -i '/api.example.test/d' /etc/hosts
}

name_recovers() {
    echo '127.0.0.1 api.example.test' >>/etc/hosts
    recovers
    sed -i '/api.example.test/d' /etc/hosts
}

# the API's name does not resolve
test_dns_failure() {
    by_name
    echo 'nameserver 127.0.0.1' >/etc/resolv.conf
    daemon_start
    serves_last_good 'Could not resolve host'
    name_recovers
}

# the name server does not answer
test_dns_silence() {
    by_name
    packets_lost
    echo 'nameserver 192.0.2.53' >/etc/resolv.conf
    daemon_start
    serves_last_good '[Tt]imed out|[Tt]imeout|Could not resolve host'
    echo 'nameserver 127.0.0.1' >/etc/resolv.conf
    name_recovers
}

# ---- A connection, and no answer ----------------------------------------------------------------------

# the API accepts the connection and sends nothing
test_silence() { row silence '[Tt]imed out|[Tt]imeout'; }

# the API accepts the connection and does not answer the TLS handshake
test_tls_silence() { row tls-silence '[Tt]imed out|[Tt]imeout' $HTTPS; }

# the API sends one byte a second from the first
test_drip_head() { row drip-head '[Tt]imed out|[Tt]imeout'; }

# the API sends one byte a second after the header
test_drip_body() { row drip-body '[Tt]imed out|[Tt]imeout'; }

# the connection ends in the header
test_cut_head() { row cut-head 'the answer ends in its header'; }

# the connection ends in the header of a 404, which must not count as one
test_cut_head_404() { row cut-head-404 'the answer ends in its header'; }

# the connection ends in the body
test_cut_body() { row cut-body 'transfer closed with 100 bytes remaining|end of response with 100 bytes missing'; }

# the connection ends before the last chunk
test_cut_chunked() { row cut-chunked 'transfer closed with outstanding read data'; }

# Content-Length is larger than the whole body
test_long_length() { row long-length 'transfer closed with 100 bytes remaining|end of response with 100 bytes missing'; }

# Content-Length is smaller than the body
test_short_length() { row short-length 'invalid document'; }

# ---- Too much -----------------------------------------------------------------------------------------

daemon_kib() { sed -nE 's/^VmHWM:\s+([0-9]+) kB/\1/p' "/proc/$(daemon_pid)/status"; }

# bounded_row MODE REGEX: the daemon's memory is bounded, too
bounded_row() {
    row "$@"
    note "the daemon's memory at its highest: $(daemon_kib) KiB"
    (($(daemon_kib) < 65536))
}

# a gzip bomb that was not asked for
test_bomb() { bounded_row bomb 'a transfer or content coding that was not asked for'; }

# 2 kB of nested transfer codings, which take seconds to decode
test_codings() { # libcurl 8.14, of Debian 13, refuses it before our rule does
    bounded_row codings 'a transfer or content coding that was not asked for|Unsolicited Transfer-Encoding'
}

# a body of 5 MiB
test_large() { bounded_row large 'the body is larger than 4096 KiB'; }

# a body without an end
test_endless_body() { bounded_row endless-body 'the body is larger than 4096 KiB'; }

# a header without an end
test_endless_head() { bounded_row endless-head '.'; }

# ticks PATTERN: how long the daemon's threads of that number have run, in ticks of the clock
# shellcheck disable=SC2086 # it is a pattern
ticks() { cat /proc/"$(daemon_pid)"/task/$1/stat | awk '{n += $14 + $15} END {print n}'; }

# refreshed TIMES: the API has sent so many huge documents
refreshed() { (($(since "$API_LOG" | grep -c 'production/.* huge') >= $1)); }

# 4 MiB documents, one after the other, delay no login of another account: another thread reads them
test_huge() {
    local client daemon own all
    well $HTTP
    logins 'before'
    mode huge
    daemon=$(daemon_pid)
    own=$(ticks "$daemon") all=$(ticks '*')
    while :; do cloudauthctl refresh abcdefghij; done >/dev/null 2>&1 &
    client=$!
    logins 'meanwhile'
    WAIT=60 wait_for refreshed 20
    kill "$client"
    wait "$client" || true
    own=$(($(ticks "$daemon") - own)) all=$(($(ticks '*') - all))
    note "processor time of the daemon: $all ticks, of the thread that answers: $own"
    ((own * 2 < all))
    fails grep -q 'project API, abcdefghij' <(since /var/log/syslog)
    mode good
    enters alice abcdefghij
}

# a document nested 10,000 deep
test_nested() { bounded_row nested 'invalid document: .*nest'; }

# ---- No document --------------------------------------------------------------------------------------

# invalid UTF-8
test_utf8() { row utf8 'invalid document: .*UTF-8'; }

# a list of people that occurs twice: nobody is left, nor do the people of the last good document stay
test_duplicate() {
    well $HTTP
    mode duplicate
    timed 'first login' refused alice abcdefghij
    refused newcomer abcdefghij
    logged 'document abcdefghij/production: users: given twice'
    audit 'refuse account=abcdefghij .*reason=key-unknown source=api'
    nss_says found abcdefghij
    timed 'unknown account' nss_says found abcdefghij_stg
    recovers
}

# not JSON
test_not_json() { row not-json 'invalid document'; }

# 200 with an empty body
test_empty() { row empty 'invalid document'; }

# 200 with a login page
test_login_page() { row login-page 'invalid document'; }

# the document of another environment
test_other_environment() { row other-environment 'invalid document: .*environment'; }

# an answer that is not HTTP
test_no_http() { row no-http 'HTTP/0.9|Unsupported|invalid'; }

# ---- Statuses -----------------------------------------------------------------------------------------

# 301 to another host
test_301() { row 301 'redirect to another origin \(https://login.example.com:443\)'; }

# 400
test_400() { row 400 'the API answered with status 400'; }

# 401
test_401() { row 401 "the API refuses this host's credential \\(status 401\\)"; }

# 403
test_403() { row 403 "the API refuses this host's credential \\(status 403\\)"; }

# 404: there is no such environment
test_404() { gone_row 404; }

# 410: there is no such environment
test_410() { gone_row 410; }

# 418, as an example of a status without a rule of its own
test_418() { row 418 'the API answered with status 418'; }

# 429 with Retry-After
test_429() { row 429 'the API answered with status 429'; }

# 429 with Retry-After: no request is sent until that time
test_retry_after() {
    local begin asked
    well $HTTP
    mode 429
    begin=$(milliseconds)
    enters alice abcdefghij
    mark
    until past $((begin + 2500)); do
        enters alice abcdefghij
        asked=$(api_requests)
        past $((begin + 3000)) || same 0 "$asked"
    done
    recovers
}

# 500
test_500() { row 500 'the API answered with status 500'; }

# 503
test_503() { row 503 'the API answered with status 503'; }

# ---- TLS ----------------------------------------------------------------------------------------------

# an expired certificate
test_tls_expired() { row tls-expired 'certificate has expired' $HTTPS; }

# a self-signed certificate
test_tls_self_signed() { row tls-self-signed 'self.signed certificate' $HTTPS; }

# a certificate for another name
test_tls_wrong_name() { row tls-wrong-name 'no alternative certificate subject name matches' $HTTPS; }

# a client certificate that the server refuses
test_tls_client() {
    row tls-client 'alert' $HTTPS "client_cert = $TLS/client.pem" "client_key = $TLS/client.key"
}

# not TLS
test_tls_garbage() { row tls-garbage 'wrong version number|SSL' $HTTPS; }

# ---- HTTP/2 and kept connections ----------------------------------------------------------------------

# GOAWAY instead of an answer, on each connection
test_goaway() { row h2-goaway '.' $HTTPS; }

# GOAWAY and the end of the connection in the middle of an answer
test_goaway_body() { row h2-goaway-body '.' $HTTPS; }

# GOAWAY instead of an answer on a kept connection alone: no login is refused
test_goaway_kept() {
    well $HTTPS
    mode h2-goaway-reuse
    timed 'first login' enters alice abcdefghij
    timed 'second login' enters alice abcdefghij
    refused carol abcdefghij 'your role viewer'
    refused stranger abcdefghij
    recovers
}

# falls_silent MODE THEN URL: the kept connection does, and the next request goes on a new one
falls_silent() {
    mode "$1"
    by_hostile "$3"
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=api'
    mode "$2"
    mark
    # By the cache; or, where sshd took its time over it, by the first probe's answer already.
    timed 'first login' enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source='
    logged 'project API, abcdefghij/production: .*timed out'
    WAIT=20 wait_for by_api
    same 1 "$(since "$API_LOG" | grep -c "^$(since "$API_LOG" | head -n 1 | cut -d' ' -f1) ")"
    # The new one is kept, and it alone is used.
    for _ in {1..5}; do enters alice abcdefghij; done
    fails audited 'refuse '
    same 2 "$(since "$API_LOG" | cut -d' ' -f1 | sort -u | wc -l)"
}

# a kept connection falls silent, HTTP/2: one request is lost with it
test_kept_silence_h2() { falls_silent h2 h2-kept-silence $HTTPS; }

# a kept connection falls silent, HTTP/1.1: one request is lost with it
test_kept_silence() { falls_silent good kept-silence $HTTP; }

# a kept connection was closed while it was idle
test_idle_close() { unnoticed_row idle-close $HTTP; }

# a kept connection is closed when the next request comes
test_reuse_close() { unnoticed_row reuse-close $HTTP; }
