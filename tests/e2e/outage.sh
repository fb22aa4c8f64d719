# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The project API, or the daemon, is not there.

# shellcheck source=tests/sandbox/feed.sh
. "$REPO/tests/sandbox/feed.sh"

# The API's directory is empty, as when its file system is not mounted.
api_gone() { mv "$ACCESS" "$ACCESS.gone" && mkdir "$ACCESS" && rm -rf "$ACCESS.gone"; }

# the API is unreachable: a known account enters, and the log says so
test_api_gone_known() {
    enters alice abcdefghij
    api_gone
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=cache age='
}

# the API is unreachable: an account that was never seen here does not enter
test_api_gone_unknown() {
    enters alice abcdefghij
    api_gone
    unavailable abcdefghij_stg
    refused alice abcdefghij_stg
    enters alice abcdefghij
}

# the API is unreachable: a user who was refused stays refused
test_api_gone_refused() {
    refused carol abcdefghij_stg 'your role viewer'
    api_gone
    refused carol abcdefghij_stg 'your role viewer'
    refused stranger abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*reason=key-unknown source=cache'
    enters bob abcdefghij_stg
}

# the API recovers
test_api_back() {
    enters alice abcdefghij
    api_gone
    enters alice abcdefghij
    cp -r "$PRISTINE/." "$ACCESS"
    document abcdefghij production '.environment.status = "paused"'
    wait_for refused alice abcdefghij 'paused'
}

# past max_stale no account enters, since the API cannot confirm it
test_max_stale() {
    document abcdefghij production '.max_stale_seconds = 0'
    enters alice abcdefghij
    api_gone
    refused alice abcdefghij
}

# the host's max_stale overrides a larger one of the document
test_max_stale_host() {
    configure 'max_stale = 0'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    api_gone
    refused alice abcdefghij
}

# no_one_enters: what comes as abcdefghij is refused, logins and what needs no key.
no_one_enters() {
    refused alice abcdefghij
    fails su abcdefghij -c true
    fails pamtester -I service=cron cron abcdefghij acct_mgmt
}

has_names() {
    known abcdefghij 200001
    same abcdefghij "$(getent passwd 200001 | cut -d: -f1)"
    contains "$(getent group 200001)" '^abcdefghij:'
    same abcdefghij "$(setpriv --reuid 200001 --regid 200001 --clear-groups whoami)"
    same '' "$(find /app/abcdefghij -maxdepth 0 -nouser)"
}

# past max_stale an account keeps its name, also across a restart and without the daemon, until the API says it is gone
test_names_last() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'max_stale = 1s' 'account_fresh = 1s' \
        'keys_fresh = 0s' 'absent_fresh = 0s'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    known abcdefghij_stg 200002
    nginx_stop
    wait_for no_one_enters
    audit 'refuse account=abcdefghij .*service=(su|cron) reason=unavailable'
    has_names
    daemon_stop
    daemon_start
    has_names
    no_one_enters
    wait_for snapshot_has abcdefghij
    kill -KILL "$(daemon_pid)"
    has_names
    no_one_enters
    daemon_start
    rm "$ACCESS/abcdefghij/production.json"
    nginx_start
    wait_for unknown abcdefghij
    known abcdefghij_stg 200002
}

# in an outage access_url is changed by mistake, and changed back: the last good documents serve again
test_url_changed_back() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 0s'
    daemon_reload
    enters alice abcdefghij
    nginx_stop
    enters alice abcdefghij
    configure "access_url = http://127.0.0.1:1/$API_PATH" 'keys_fresh = 0s'
    daemon_reload
    refused alice abcdefghij
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 0s'
    daemon_reload
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
    known abcdefghij 200001
}

# Whether a document is in memory, and neither status nor the metrics say an age.
has_no_age() {
    cloudauthctl status >/root/status || true
    cloudauthctl metrics >/root/metrics
    fails grep -E '^cloudauth_documents[{]state="aged"[}] 0$' /root/metrics
    fails grep -E '(oldest|freshest)_age|age_(oldest|freshest)' /root/status /root/metrics
    grep -qx 'cloudauth_documents_unusable 1' /root/metrics
}

# a host that starts in an outage with its clock behind: accounts keep their names, and no person enters until it is over
test_names_of_unknown_age() {
    clocks_up
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'account_fresh = 1s' 'keys_fresh = 0s'
    daemon_stop
    CLOUDAUTHD=/root/cloudauthd daemon_start
    enters alice abcdefghij
    wait_for snapshot_has abcdefghij
    nginx_stop
    daemon_stop
    echo '-86400 0' >/run/clocks
    mark
    CLOUDAUTHD=/root/cloudauthd daemon_start
    has_names
    no_one_enters
    has_no_age
    wait_for grep -q 'document abcdefghij.production is from the future' /var/log/syslog
    has_names
    kill -KILL "$(daemon_pid)"
    has_names
    no_one_enters
    rm -f /run/clocks
    nginx_start
    daemon_start
    enters alice abcdefghij
}

# only the document is gone: the account is absent, at once
test_document_gone() {
    enters alice abcdefghij
    rm "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    unknown abcdefghij
    enters bob abcdefghij_stg
}

# a directory that the daemon may search and not list says what is absent as well
test_directory_not_listed() {
    enters alice abcdefghij
    chmod 711 "$ACCESS"
    enters alice abcdefghij
    counts 2 'grant account=abcdefghij .*source=api'
    fails audited 'grant .*source=cache'
    rm "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    nss_absent=$(getent passwd abcdefghij) || true
    same '' "$nss_absent"
}

# the document becomes invalid: the last good one stays in use
test_document_spoilt() {
    enters alice abcdefghij
    document abcdefghij production '.account.uid = 0'
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
}

# an API that does not answer: unknown accounts are refused within request_timeout
test_api_hung() {
    local took
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'request_timeout = 2s'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    kill -STOP "$(pgrep -P "$(cat /run/nginx.pid)")"
    enters alice abcdefghij
    within 8 refused bob abcdefghij_stg
    kill -CONT "$(pgrep -P "$(cat /run/nginx.pid)")"
}

# the daemon is killed: cloud accounts are refused, local users are not affected
test_daemon_killed() {
    enters alice abcdefghij
    kill -KILL "$(daemon_pid)"
    refused alice abcdefghij
    refused media-agency abcdefghij_sftp
    enters stranger ada
}

# A question to a daemon that hangs takes seconds, whatever else a login takes.
enters_soon() {
    local began_at
    began_at=$(milliseconds)
    enters stranger ada && (($(milliseconds) - began_at < took + 2000))
}

# the daemon hangs: cloud accounts are refused, but keep their names; local users do not wait
test_daemon_hung() {
    local took
    enters alice abcdefghij
    within 60 enters stranger ada
    wait_for snapshot_has abcdefghij
    kill -STOP "$(daemon_pid)"
    wait_for enters_soon
    known abcdefghij 200001
    unavailable abcdefghij_stg
    refused alice abcdefghij
    kill -CONT "$(daemon_pid)"
    wait_for enters alice abcdefghij
}

# wrong settings: a reload keeps the old ones
test_bad_reload() {
    enters alice abcdefghij
    configure 'no_such_key = 1'
    daemon_reload
    wait_for grep -q 'the old ones stay in force' /var/log/syslog
    alive "$(daemon_pid)"
    configure
    enters alice abcdefghij
}

# broken settings refuse no local user
test_broken_configuration() {
    configure 'no_such_key = 1'
    enters stranger ada
    refused alice abcdefghij
    rm "$CONF"
    enters stranger ada
    refused alice abcdefghij
}
