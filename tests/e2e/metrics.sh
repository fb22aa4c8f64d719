# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The daemon's metrics: a format that Prometheus and node_exporter accept, counters that move by what
# happens and by nothing else, for root alone, and at no cost to a login.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

TEXTFILES=/var/lib/prometheus/node-exporter
UNIT=/usr/lib/systemd/system/cloudauth-metrics.service

before_all() {
    authority ca
    certificate api ca
    certificate client ca
}

# What Prometheus would be told.
scrape() { cloudauthctl metrics; }

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

# promtool accepts the text with its rules for names, and no sample comes twice
test_format() {
    local text
    enters alice abcdefghij
    text=$(scrape)
    promtool check metrics <<<"$text"
    same '' "$(grep -v '^#' <<<"$text" | sed 's/ [^ ]*$//' | sort | uniq -d)"
    # The values of labels are closed sets: no name of a person, environment or host.
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

# sFTP and other services have counters of their own
test_other_decisions() {
    echo pwd | sftp_batch media-agency abcdefghij_stg_sftp
    contains "$(decisions)" '^stage=login,kind=sftp,reason=granted 1$'
    contains "$(decisions)" '^stage=session,kind=sftp,reason=granted 1$'
    pamtester cron abcdefghij_stg acct_mgmt
    contains "$(decisions)" '^stage=service,kind=shell,reason=granted 1$'
}

# requests to the API are counted by how they end, with their duration; and so are the cache's answers
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

# failed requests are counted by cause: TLS, the credential, a status
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

# certificates' expiry times are those in the files
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

# cloudauthctl status reports the same, and its exit status is that of a monitoring plugin
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
    (($(value cloudauth_snapshot_builds_total) > 0))
    same '0 0 0' "$(value cloudauth_snapshot_build_failures_total) $(value cloudauth_store_errors_total
        ) $(value 'cloudauth_denials{kind="user"}')"
    cloudauthctl deny mallory
    same 1 "$(value 'cloudauth_denials{kind="user"}')"
    rm "$ACCESS/abcdefghij/production.json"
    unknown abcdefghij
    wait_for is cloudauth_store_documents 0
    daemon_stop
    daemon_start
    same "0 $(stat -c %Y "/proc/$(daemon_pid)" | cut -c1-8)" \
        "$(value cloudauth_store_documents) $(value cloudauth_start_time_seconds | cut -c1-8)"
}

# only root may ask for the metrics; a failure prints none and has exit status 3
test_who_may_ask() {
    local said status=0
    said=$(setpriv --reuid 65534 --regid "$(getent group cloudauth | cut -d: -f3)" --clear-groups \
        cloudauthctl metrics 2>&1) || status=$?
    same '3 cloudauthctl: only root may ask this' "$status $said"
    status=0
    cloudauthctl metrics --json 2>/dev/null || status=$?
    same 2 $status
    status=0
    cloudauthctl metrics >/dev/full 2>/root/said || status=$?
    same '3 cloudauthctl: the metrics could not be written whole' "$status $(</root/said)"
    daemon_stop
    status=0
    cloudauthctl metrics >/root/metrics 2>/dev/null || status=$?
    same '3 0' "$status $(stat -c %s /root/metrics)"
}

# metrics_socket and metrics_listen are logged as obsolete with their line, at start and reload, and ignored
test_obsolete_settings() {
    local line
    configure 'metrics_listen = 127.0.0.1:9911' 'metrics_socket = metrics'
    line=$(grep -n metrics_listen "$CONF" | cut -d: -f1)
    daemon_stop
    mark
    daemon_start
    logged "$CONF:$line: metrics_listen is obsolete and has no effect: .*cloudauthctl metrics"
    logged "$CONF:$((line + 1)): metrics_socket is obsolete and has no effect: "
    enters alice abcdefghij
    fails listening 9911
    fails test -e /run/cloudauth/metrics
    mark
    daemon_reload
    wait_for obsolete_logged
    configure 'metrics_listens = 127.0.0.1:9911'
    contains "$(timeout 10 cloudauthd -f 2>&1 || true)" "$CONF:$line: unknown key: metrics_listens"
}
obsolete_logged() { since /var/log/syslog | grep 'metrics_listen is obsolete'; }

# write_textfile: what the unit does.
write_textfile() {
    local directory command
    directory=$(sed -n 's/^WorkingDirectory=//p' $UNIT)
    command=$(sed -n 's/^ExecStart=//p' $UNIT)
    (umask "$(sed -n 's/^UMask=//p' $UNIT)" && cd "$directory" && eval "$command")
}

# How many samples of each name the file has.
samples() { grep '^cloudauth' "$1" | sed 's/[{ ].*//' | sort | uniq -c; }

# node_exporter reads what the unit writes; while the daemon does not answer the file stays, and its age shows
test_textfile() {
    local written exporter
    install -d $TEXTFILES
    enters alice abcdefghij
    write_textfile
    same '644 cloudauth.prom' "$(cd $TEXTFILES && stat -c '%a %n' -- *)"
    same 1 "$(value 'cloudauth_decisions_total{stage="login",kind="shell",reason="granted"}' $TEXTFILES/cloudauth.prom)"
    prometheus-node-exporter --collector.disable-defaults --collector.textfile --web.listen-address=127.0.0.1:9100 \
        --collector.textfile.directory=$TEXTFILES >/root/exporter.log 2>&1 &
    exporter=$!
    # shellcheck disable=SC2064 # of now
    trap "kill $exporter" EXIT
    wait_for listening 9100
    curl -sS --fail http://127.0.0.1:9100/metrics >/root/scraped
    same '0' "$(value node_textfile_scrape_error /root/scraped)"
    same "$(samples $TEXTFILES/cloudauth.prom)" "$(samples /root/scraped)"
    written=$(stat -c %Y $TEXTFILES/cloudauth.prom)
    same "$written" "$(value "node_textfile_mtime_seconds{file=\"$TEXTFILES/cloudauth.prom\"}" /root/scraped | xargs printf '%.0f')"
    touch -d '10 minutes ago' $TEXTFILES/cloudauth.prom
    written=$(stat -c '%Y %s' $TEXTFILES/cloudauth.prom)
    daemon_stop
    fails write_textfile
    same "$written" "$(stat -c '%Y %s' $TEXTFILES/cloudauth.prom)"
    daemon_start
    write_textfile
    fails test $TEXTFILES/cloudauth.prom -ot "$CONF"
    same cloudauth.prom "$(ls -A $TEXTFILES)"
}

waited_for_disk() { (($(value cloudauth_disk_wait_seconds) >= $1)); }

# a disk that hangs: who waits for it is counted, and status says for how long, and what to do
test_hung_disk() {
    known abcdefghij 200001
    cc -shared -fPIC -o /root/hung_disk.so "$REPO/tests/sandbox/hung_disk.c"
    daemon_stop
    touch /run/hung
    trap 'rm -f /run/hung' EXIT
    LD_PRELOAD=/root/hung_disk.so daemon_start
    cloudauthctl refresh abcdefghij >/root/refreshed &
    wait_for is 'cloudauth_worker_queue{worker="loader"}' 1
    wait_for waited_for_disk 5
    status_is 1 critical '^1 documents wait for the disk, for [0-9]+ seconds'
    rm /run/hung
    wait_jobs
    wait_for status_is 0 good
    is cloudauth_disk_wait_seconds 0
    is 'cloudauth_worker_queue{worker="loader"}' 0
}

# with many documents, questions that come together are all answered
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
    for i in {1..20}; do
        scrape >"/root/scrape$i" &
    done
    wait_jobs
    for i in {1..20}; do
        same 2000 "$(value 'cloudauth_documents{state="fresh"}' "/root/scrape$i")"
        promtool check metrics <"/root/scrape$i"
    done
    wait_for is cloudauth_snapshot_accounts 2000
    wait_for is cloudauth_store_documents 2000
    wait_for is 'cloudauth_worker_queue{worker="store"}' 0
}
