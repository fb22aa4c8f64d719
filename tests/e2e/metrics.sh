# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The daemon's figures: a format that Prometheus takes, counters that move by what happens and by
# nothing else, and a room that nobody can hold.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

SOCKET=/run/cloudauth/metrics
PORT=9911

before_all() {
    authority ca
    certificate api ca
    certificate client ca
}

# scrape [OPTION...]: what Prometheus would be told, by the socket.
scrape() { curl -sS --fail --max-time 20 "$@" --unix-socket "$SOCKET" http://localhost/metrics; }

# value SAMPLE [FILE]: of a sample, as it is written, in a scrape or in a file of one.
value() {
    local sample=$1
    if [[ $# -gt 1 ]]; then cat "$2"; else scrape; fi |
        awk -v sample="$sample" '!/^#/ && substr($0, 1, length($0) - length($NF) - 1) == sample { print $NF }'
}

# is SAMPLE VALUE, for wait_for.
is() { [[ $(value "$1") == "$2" ]]; }

# decisions: those that are not 0, a line each.
decisions() {
    scrape | sed -n 's/^cloudauth_decisions_total{\(.*\)} \([1-9][0-9]*\)$/\1 \2/p' | tr -d '"'
}

# Prometheus' own parser takes it, with its rules for names, and nothing stands twice
test_format() {
    local text
    enters alice abcdefghij
    text=$(scrape -D /root/headers)
    promtool check metrics <<<"$text"
    same 1 "$(grep -ci '^content-type: text/plain; version=0.0.4; charset=utf-8.$' /root/headers)"
    same '' "$(grep -v '^#' <<<"$text" | sed 's/ [^ ]*$//' | sort | uniq -d)"
    # What is in a label is of a closed set: no name of anybody or anything.
    fails grep -qE 'abcdefghij|alice|laptop|staging|example' <<<"$text"
}

# one refused login moves exactly its counter, and one that enters exactly its own
test_decisions() {
    same '' "$(decisions)"
    refused carol abcdefghij_stg 'your role viewer may not use SSH here'
    same 'stage=login,kind=shell,reason=role-too-low 1' "$(decisions)"
    refused stranger abcdefghij_stg
    same 'stage=offer,kind=shell,reason=key-unknown 1
stage=login,kind=shell,reason=role-too-low 1' "$(decisions)"
    enters bob abcdefghij_stg
    same 'stage=offer,kind=shell,reason=key-unknown 1
stage=login,kind=shell,reason=granted 1
stage=login,kind=shell,reason=role-too-low 1
stage=session,kind=shell,reason=granted 1' "$(decisions)"
    wait_for is 'cloudauth_sessions_ended_total{how="closed"}' 1
    same '1 0' "$(value cloudauth_sessions_opened_total) $(value cloudauth_sessions_open)"
}

# sFTP and other services have decisions of their own
test_other_decisions() {
    echo pwd | sftp_batch media-agency abcdefghij_stg_sftp
    contains "$(decisions)" '^stage=login,kind=sftp,reason=granted 1$'
    contains "$(decisions)" '^stage=session,kind=sftp,reason=granted 1$'
    pamtester cron abcdefghij_stg acct_mgmt
    contains "$(decisions)" '^stage=service,kind=shell,reason=granted 1$'
}

# the API's requests by how they end, each with its time; and the cache's answers
test_api() {
    serve api
    by_https
    enters alice abcdefghij
    same 1 "$(value 'cloudauth_api_requests_total{outcome="document"}')"
    (($(value 'cloudauth_api_requests_total{outcome="unchanged"}') > 0))
    unknown abcdefghij_stg9
    same 1 "$(value 'cloudauth_api_requests_total{outcome="absent"}')"
    same 1 "$(value 'cloudauth_documents{state="absent"}')"
    scrape >/root/before
    same "$(grep '^cloudauth_api_requests_total' /root/before | awk '{ n += $2 } END { print n }')" \
        "$(value cloudauth_api_request_duration_seconds_count /root/before)"
    same "$(value 'cloudauth_api_request_duration_seconds_bucket{le="+Inf"}' /root/before)" \
        "$(value cloudauth_api_request_duration_seconds_count /root/before)"
    same 0 "$(value cloudauth_cache_stale_answers_total /root/before)"
    (($(value cloudauth_cache_misses_total /root/before) > 0))
    nginx_stop
    enters alice abcdefghij
    scrape >/root/after
    (($(value 'cloudauth_api_requests_total{outcome="connection"}' /root/after) > 0))
    (($(value cloudauth_cache_stale_answers_total /root/after) > 0))
    same "1 0" "$(value cloudauth_documents_failing /root/after) $(value cloudauth_documents_unusable /root/after)"
    serve api
    wait_for is cloudauth_documents_failing 0
}

# how requests fail is told apart: time, TLS, the credential, a status
test_outcomes() {
    serve api
    by_https 'token_file = /etc/cloudauth/none'
    getent passwd abcdefghij || true
    same 1 "$(value 'cloudauth_api_requests_total{outcome="credential"}')"
    same 0 "$(value cloudauth_api_request_duration_seconds_count)"
    same 0 "$(value 'cloudauth_credential_usable{key="token_file"}')"
    echo 'default 0;' >/root/authorized
    # shellcheck disable=SC2016 # of nginx
    serve api 'if ($authorized = 0) { return 403; }'
    by_https
    getent passwd abcdefghij || true
    same 1 "$(value 'cloudauth_api_requests_total{outcome="refused"}')"
    echo 'default 1;' >/root/authorized
    serve api 'return 429;'
    by_https
    getent passwd abcdefghij || true
    same 1 "$(value 'cloudauth_api_requests_total{outcome="throttled"}')"
    serve api 'return 503;'
    by_https
    getent passwd abcdefghij || true
    same 1 "$(value 'cloudauth_api_requests_total{outcome="status"}')"
    authority elsewhere
    serve api
    by_https "ca_file = $TLS/elsewhere.pem"
    getent passwd abcdefghij || true
    same 1 "$(value 'cloudauth_api_requests_total{outcome="tls"}')"
}

# when certificates end is told, by the files as they are
test_expiry() {
    local end
    serve api
    by_https "client_cert = $TLS/client.pem" "client_key = $TLS/client.key"
    end=$(date -d "$(openssl x509 -in "$TLS/client.pem" -noout -enddate | cut -d= -f2)" +%s)
    same "$end" "$(value 'cloudauth_credential_expiry_timestamp_seconds{credential="client_cert"}')"
    end=$(date -d "$(openssl x509 -in "$TLS/ca.pem" -noout -enddate | cut -d= -f2)" +%s)
    same "$end" "$(value 'cloudauth_credential_expiry_timestamp_seconds{credential="ca_file"}')"
    same '1 1 1' "$(for key in client_cert client_key ca_file; do
        value "cloudauth_credential_usable{key=\"$key\"}"
    done | xargs)"
}

# status says the same, and its exit status is what monitoring goes by
test_status() {
    serve api
    certificate client ca DNS:localhost -days 400
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 400 -subj /CN=more \
        -keyout /dev/null -out /root/more.pem 2>/dev/null
    by_https "client_cert = $TLS/client.pem" "client_key = $TLS/client.key"
    enters alice abcdefghij
    # $TLS/ca.pem lives for two days, and some of that is over.
    status_is 1 critical 'a certificate of ca_file ends'
    cp /root/more.pem /etc/cloudauth/more.pem
    by_https "ca_file = /etc/cloudauth/more.pem"
    status_is 0 good
    by_https "ca_file = /etc/cloudauth/none.pem"
    status_is 1 critical 'credential unusable: ca_file '
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=soon \
        -keyout /dev/null -out /etc/cloudauth/more.pem 2>/dev/null
    by_https "ca_file = /etc/cloudauth/more.pem"
    status_is 1 degraded 'a certificate of ca_file ends'
    echo nothing >/etc/cloudauth/more.pem
    status_is 1 critical 'no certificate in PEM'
}
# status_is EXIT HEALTH [FINDING]
status_is() {
    local said status=0
    said=$(cloudauthctl status --json) || status=$?
    same "$1 $2" "$status $(jq -r .health <<<"$said")" || { jq . <<<"$said" && return 1; }
    [[ -z ${3-} ]] || contains "$(jq -r '.findings[] | .finding' <<<"$said")" "$3"
}

# the snapshot, the store and denials as they are on disk
test_state() {
    enters alice abcdefghij
    wait_for is cloudauth_snapshot_live 1
    wait_for is cloudauth_snapshot_accounts 1
    wait_for is cloudauth_store_documents "$(find /var/lib/cloudauth/documents -name '*.*' | wc -l)"
    wait_for is cloudauth_store_bytes "$(cat /var/lib/cloudauth/documents/*.* | wc -c)"
    (($(value cloudauth_snapshot_builds_total) > 0))
    same '0 0 0' "$(value cloudauth_snapshot_build_failures_total) $(value cloudauth_store_errors_total
        ) $(value 'cloudauth_denials{kind="user"}')"
    cloudauthctl deny mallory
    same 1 "$(value 'cloudauth_denials{kind="user"}')"
    rm "$ACCESS/abcdefghij/production.json"
    unknown abcdefghij
    wait_for is cloudauth_store_documents 0
    same 0 "$(value cloudauth_store_bytes)"
    daemon_stop
    daemon_start
    same "0 $(stat -c %Y "/proc/$(daemon_pid)" | cut -c1-8)" \
        "$(value cloudauth_store_documents) $(value cloudauth_start_time_seconds | cut -c1-8)"
}

# root and the group cloudauth may read the socket, nobody else; the port is for all, if it is set
test_who_may_read() {
    same '660 cloudauth cloudauth' "$(stat -c '%a %U %G' $SOCKET)"
    fails setpriv --reuid 65534 --regid 65534 --clear-groups \
        curl -sS --unix-socket $SOCKET http://localhost/metrics
    contains "$(setpriv --reuid 65534 --regid 65534 --groups "$(getent group cloudauth | cut -d: -f3)" \
        curl -sS --unix-socket $SOCKET http://localhost/metrics)" '^cloudauth_build_info'
    fails listening $PORT
    configure "metrics_listen = 127.0.0.1:$PORT" 'metrics_socket ='
    daemon_reload
    wait_for listening $PORT
    fails test -e $SOCKET
    contains "$(setpriv --reuid 65534 --regid 65534 --clear-groups curl -sS http://127.0.0.1:$PORT/metrics)" \
        '^cloudauth_build_info'
    if [[ -e /proc/net/if_inet6 ]]; then
        configure "metrics_listen = [::1]:$PORT"
        daemon_reload
        wait_for curl -sS "http://[::1]:$PORT/metrics"
        fails curl -sS "http://127.0.0.1:$PORT/metrics"
    fi
    configure
    daemon_reload
    wait_for not_listening
    test -S $SOCKET
}
not_listening() { ! listening $PORT; }

# any other address is an error with file, line and key
test_loopback_alone() {
    local address
    for address in 0.0.0.0:9911 '*:9911' 127.0.0.1 127.0.0.2:9911 '[::]:9911' localhost:9911 9911 \
        127.0.0.1:0 127.0.0.1:65536 '[::1]:x' 192.0.2.1:9911; do
        configure "metrics_listen = $address"
        contains "$(timeout 10 cloudauthd -f 2>&1 || true)" \
            "^cloudauthd: .*/cloudauth.conf:[0-9]+: metrics_listen: |/cloudauth.conf:[0-9]+: metrics_listen: "
    done
    configure 'metrics_socket = metrics'
    contains "$(timeout 10 cloudauthd -f 2>&1 || true)" ':[0-9]+: metrics_socket: not an absolute path'
}

# a place that is taken is logged, and is no reason not to serve logins
test_port_taken() {
    perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Listen => 1,
        LocalAddr => "127.0.0.1:'$PORT'", ReuseAddr => 1) or die; sleep 60' &
    local holder=$!
    wait_for listening $PORT
    configure "metrics_listen = 127.0.0.1:$PORT" 'metrics_socket = /nowhere/metrics'
    daemon_stop
    mark
    daemon_start
    logged "metrics: 127.0.0.1:$PORT: Address already in use"
    logged 'metrics: /nowhere/metrics: No such file or directory'
    enters alice abcdefghij
    kill $holder
    wait $holder || true
    daemon_reload
    wait_for curl -sS "http://127.0.0.1:$PORT/metrics"
}

# say TEXT: what the socket answers to these bytes
say() { raw "$1" | head -n 1 | tr -d '\r'; }
raw() {
    perl -MSocket -e '
        alarm 20;
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
        connect($s, sockaddr_un($ARGV[0])) or die;
        my $text = $ARGV[1] =~ s/\\r/\r/gr =~ s/\\n/\n/gr =~ s/\\001/\001/gr;
        syswrite($s, $text);
        print while sysread($s, $_, 4096);' "$SOCKET" "$1"
}

# what is no request for the one page gets its status, HEAD the header alone
test_http() {
    same 'HTTP/1.1 200 OK' "$(say 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')"
    same 'HTTP/1.1 200 OK' "$(say 'GET /metrics?a=b HTTP/1.0\r\n\r\n')"
    same 'HTTP/1.1 200 OK' "$(say 'GET http://x/metrics HTTP/1.1\r\nhost:x\r\n\r\n')"
    same 'HTTP/1.1 404 Not Found' "$(say 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')"
    same 'HTTP/1.1 405 Method Not Allowed' "$(say 'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc')"
    same 'HTTP/1.1 400 Bad Request' "$(say 'GET /metrics HTTP/1.1\r\n\r\n')"
    same 'HTTP/1.1 400 Bad Request' "$(say 'hello\r\n\r\n')"
    same 'HTTP/1.1 400 Bad Request' "$(say 'GET /metrics HTTP/1.1\r\nHost: \001\r\n\r\n')"
    same 'HTTP/1.1 505 HTTP Version Not Supported' "$(say 'GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n')"
    same 'HTTP/1.1 431 Request Header Fields Too Large' "$(say "GET /metrics HTTP/1.1\r\nX: $(printf '%05000d' 0)")"
    raw 'HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n' >/root/head
    same '' "$(sed '1,/^\r$/d' /root/head)"
    contains "$(cat /root/head)" '^Content-Length: [1-9][0-9]{3,}'
}

# hundreds of silent, slow and deaf clients hold nothing, and are gone after 5 seconds
test_hostile() {
    local before
    before=$(find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l)
    perl -MSocket -e '
        my @held;
        for my $i (1 .. 300) {
            socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
            connect($s, sockaddr_un("'$SOCKET'")) or next;
            syswrite($s, ("GET /metr", "", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")[$i % 3]);
            push @held, $s;
        }
        open(my $f, ">", "/root/held"); close($f);
        sleep 60;' &
    local hostile=$!
    wait_for test -e /root/held
    (($(find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l) <= before + 9))
    contains "$(scrape)" '^cloudauth_build_info'
    enters alice abcdefghij
    wait_for fds_are "$before"
    kill $hostile
    wait $hostile || true
}
fds_are() { (($(find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l) <= $1 + 1)); }

# with more documents than are looked at in one turn, scrapes that come together are all answered
test_many() {
    local i names=()
    for i in {1001..3000}; do
        names+=("abcdefghij-e$i-a12b34c")
        sed "s/\"staging\"/\"e$i-a12b34c\"/; s/20000[0-9]/20$i/; s|/app/abcdefghij_stg|/app/e$i|" \
            "$ACCESS/abcdefghij/staging.json" >"$ACCESS/abcdefghij/e$i-a12b34c.json"
    done
    for i in 0 500 1000 1500; do
        same 500 "$(getent passwd "${names[@]:$i:500}" | wc -l)"
    done
    for i in {1..6}; do
        scrape >"/root/scrape$i" &
    done
    wait
    for i in {1..6}; do
        same 2000 "$(value 'cloudauth_documents{state="fresh"}' "/root/scrape$i")"
        promtool check metrics <"/root/scrape$i"
    done
    wait_for is cloudauth_snapshot_accounts 2000
    wait_for is cloudauth_store_documents 2000
    wait_for is 'cloudauth_worker_queue{worker="store"}' 0
}
