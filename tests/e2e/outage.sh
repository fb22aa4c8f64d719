# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The project API, or the daemon, is not there.

# The API's directory is empty, as when its file system is not mounted.
api_gone() { mv "$ACCESS" "$ACCESS.gone" && mkdir "$ACCESS" && rm -rf "$ACCESS.gone"; }

# the API is gone: an account that was here enters, and the log says so
test_api_gone_known() {
    enters alice abcdefghij
    api_gone
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=cache age='
}

# the API is gone: an account that was never here does not enter
test_api_gone_unknown() {
    enters alice abcdefghij
    api_gone
    unknown abcdefghij_stg
    refused alice abcdefghij_stg
}

# the API is gone: what was refused stays refused
test_api_gone_refused() {
    refused carol abcdefghij_stg 'your role viewer'
    api_gone
    refused carol abcdefghij_stg 'your role viewer'
    refused stranger abcdefghij_stg
}

# the API comes back
test_api_back() {
    enters alice abcdefghij
    api_gone
    enters alice abcdefghij
    cp -r "$PRISTINE/." "$ACCESS"
    document abcdefghij production '.environment.status = "paused"'
    wait_for refused alice abcdefghij 'paused'
}

# max_stale is over: nobody enters, as this cannot be checked
test_max_stale() {
    document abcdefghij production '.max_stale_seconds = 0'
    enters alice abcdefghij
    api_gone
    refused alice abcdefghij
}

# the host's max_stale holds against the document's
test_max_stale_host() {
    configure 'max_stale = 0'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    api_gone
    refused alice abcdefghij
}

# the document alone is gone: absent, at once
test_document_gone() {
    enters alice abcdefghij
    rm "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
}

# the document becomes invalid: the last good one serves
test_document_spoilt() {
    enters alice abcdefghij
    document abcdefghij production '.account.uid = 0'
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
}

# an API that does not answer: unknown accounts are refused within request_timeout
test_api_hung() {
    local began_at
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'request_timeout = 2s'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    kill -STOP "$(pgrep -P "$(cat /run/nginx.pid)")"
    enters alice abcdefghij
    began_at=$SECONDS
    refused bob abcdefghij_stg
    ((SECONDS - began_at < 8))
    kill -CONT "$(pgrep -P "$(cat /run/nginx.pid)")"
}

# the daemon is killed: our accounts are refused, local users do not notice
test_daemon_killed() {
    enters alice abcdefghij
    kill -KILL "$(daemon_pid)"
    refused alice abcdefghij
    refused media-agency abcdefghij_sftp
    enters stranger ada
}

# the daemon hangs: our accounts are refused, though they keep their names; local users do not wait
test_daemon_hung() {
    local began_at
    enters alice abcdefghij
    wait_for snapshot_has abcdefghij
    kill -STOP "$(daemon_pid)"
    began_at=$(date +%s%N)
    enters stranger ada
    (($(date +%s%N) - began_at < 2000000000))
    known abcdefghij 200001
    unknown abcdefghij_stg
    refused alice abcdefghij
    kill -CONT "$(daemon_pid)"
    wait_for enters alice abcdefghij
}

# a wrong configuration: on a reload the old settings stay
test_bad_reload() {
    enters alice abcdefghij
    configure 'no_such_key = 1'
    daemon_reload
    wait_for grep -q 'the old ones stay in force' /var/log/syslog
    alive "$(daemon_pid)"
    configure
    enters alice abcdefghij
}

# a broken configuration locks out nobody who is local
test_broken_configuration() {
    configure 'no_such_key = 1'
    enters stranger ada
    refused alice abcdefghij
    rm "$CONF"
    enters stranger ada
    refused alice abcdefghij
}
