# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The change feed in good health: what it names counts at once, and what it does not name needs no request.

# shellcheck source=tests/sandbox/feed.sh
. "$REPO/tests/sandbox/feed.sh"

before_all() {
    feed_up
    ssh-keygen -q -N '' -C eve@laptop -f "$KEYS/eve" -t ed25519
}

with_eve() {
    document abcdefghij staging ".users += [{id: \"e\", username: \"eve\", role: \"admin\",
        ssh_keys: [{key_id: 9, value: \"$(<"$KEYS/eve.pub")\"}]}]"
}

# documents ENVIRONMENT: how often the API was asked for that, since the test began.
documents() { since "$API_LOG" | grep -c " GET /v1/projects/abcdefghij/environments/$1/ssh-access " || true; }
documents_reach() { (($(documents "$1") >= $2)); }

# monitor KIND: the sshd process of alice's session of that kind.
monitor() { sessions | sed -n "s/.* kind=$1 .* user=alice .* pid=\([0-9]*\) .*/\1/p"; }
gone_process() { [[ ! -e /proc/$1 ]]; }

# with a live feed logins and lookups of known environments make no request, however short keys_fresh is
test_no_request() {
    by_feed 'keys_fresh = 0s' 'changes_wait = 30s'
    enters alice abcdefghij_stg
    enters bob abcdefghij_stg
    mark
    for _ in 1 2 3; do
        enters alice abcdefghij_stg
        enters bob abcdefghij_stg
        refused carol abcdefghij_stg 'your role viewer'
    done
    same 0 "$(documents staging)"
}

# nor do the rechecks of open sessions
test_no_recheck_request() {
    local before
    by_feed 'keys_fresh = 0s' 'changes_wait = 30s' 'session_recheck = 1s'
    stays a alice abcdefghij_stg
    wait_for listed_are 1
    mark
    before=$(hits)
    PAUSE=100 wait_for hits_reach $((before + 10))
    same 0 "$(documents staging)"
    lives a
    hang_up
}
hits() { cloudauthctl metrics | sed -n 's/^cloudauth_cache_hits_total //p'; }
hits_reach() { (($(hits) >= $1)); }

# each poll has the cursor, asks the server to wait, and passes caches; so do the requests that a name causes
test_polls() {
    by_feed
    wait_for sent_any 304
    contains "$(feed_log | grep ' poll ' | head -n 1)" ' poll - 1 no-cache /v1/changes$'
    contains "$(feed_log | grep ' poll ' | tail -n 1)" ' poll "first-0" 1 no-cache /v1/changes$'
}

# a removed key that is named is refused at the next login, and its open ssh, sftp and -N sessions end; others stay
test_removed() {
    local shell sftp
    by_feed 'keys_fresh = 3600s' 'account_fresh = 3600s'
    stays a alice abcdefghij_stg
    shell=$(monitor shell)
    command='' stays tunnel alice abcdefghij_stg -N
    stays_sftp sftp alice abcdefghij_stg_sftp
    stays b bob abcdefghij_stg
    wait_for listed_are 4
    sftp=$(monitor sftp)
    take_out alice
    change abcdefghij staging
    heard
    refused alice abcdefghij_stg
    wait_for ended a
    wait_for ended tunnel
    wait_for gone_process "$shell"
    wait_for gone_process "$sftp"
    exec 7>&-
    wait_for ended sftp
    wait_for listed_are 1
    lives b
    enters bob abcdefghij_stg
    counts 3 'end account=abcdefghij_stg.* user=alice .* reason=key-unknown source=api .* session='
    hang_up
}

# so do those of an application, where `allow` lists no other name of its environment
test_removed_from_application() {
    local login=abcdefg123abc-smith-a12b34c--mymagento
    by_feed 'keys_fresh = 3600s' 'account_fresh = 3600s'
    daemon_stop
    sed -i '/^allow = /d' "$CONF"
    echo 'allow = abcdefg123abc-*--mymagento' >>"$CONF"
    daemon_start
    wait_for feed_is live
    stays a alice $login
    stays b bob $login
    wait_for listed_are 2
    document abcdefg123abc smith-a12b34c '.users |= map(select(.username != "alice"))'
    change abcdefg123abc smith-a12b34c
    heard
    refused alice $login
    wait_for ended a
    lives b
    enters bob $login
    hang_up
}

# an added key that is named enters at once, whatever keys_fresh is
test_added() {
    by_feed 'keys_fresh = 3600s' 'account_fresh = 3600s'
    refused eve abcdefghij_stg
    with_eve
    change abcdefghij staging
    heard
    enters eve abcdefghij_stg
}

# a project that is named without an environment is all of its environments
test_project() {
    by_feed 'keys_fresh = 3600s' 'account_fresh = 3600s'
    stays a alice abcdefghij_stg
    stays b alice abcdefghij
    wait_for listed_are 2
    take_out alice
    take_out alice production
    change abcdefghij
    heard
    refused alice abcdefghij_stg
    refused alice abcdefghij
    enters bob abcdefghij_stg
    wait_for ended a
    wait_for ended b
    hang_up
}

# a feed that knows the cursor no more may have lost a name: what is open is judged again at once, what comes later asks
test_lost_cursor() {
    by_feed 'keys_fresh = 3600s' 'account_fresh = 3600s'
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    take_out alice
    put epoch second
    heard
    refused alice abcdefghij_stg
    wait_for ended a
    lives b
    hang_up
}

# an environment that is named and gone is absent at once, and its sessions end
test_gone() {
    by_feed 'keys_fresh = 3600s' 'account_fresh = 3600s'
    stays b bob abcdefghij_stg
    wait_for listed_are 1
    rm "$ACCESS/abcdefghij/staging.json"
    change abcdefghij staging
    heard
    refused bob abcdefghij_stg
    wait_for unknown abcdefghij_stg
    wait_for ended b
    hang_up
}

# an absent environment that appears and is named is there at once, whatever absent_fresh is
test_appears() {
    mv "$ACCESS/abcdefghij/staging.json" /root/aside.json
    by_feed 'absent_fresh = 3600s'
    unknown abcdefghij_stg
    mv /root/aside.json "$ACCESS/abcdefghij/staging.json"
    change abcdefghij staging
    heard
    known abcdefghij_stg 200002
    enters bob abcdefghij_stg
}

# a thousand names at once: the environment with a session is asked for first, and the session ends
test_sessions_first() {
    by_feed
    stays a alice abcdefghij_stg
    wait_for listed_are 1
    take_out alice
    mark
    {
        printf 'abcdefghij x%04d-a12b34c\n' {1..1000}
        echo abcdefghij staging
    } | changes
    wait_for ended a
    refused alice abcdefghij_stg
    # It is not behind the others, of which 100 may be asked for at once.
    (($(since "$API_LOG" | sed '/staging/q' | wc -l) <= 101))
    hang_up
}

has_shell() { getent passwd abcdefghij_stg | grep -q ":$1\$"; }

# within a minute every named environment has its name by uid before anyone asks for it, and its account as it is now
test_names() {
    by_feed 'account_fresh = 3600s'
    has_shell /bin/bash
    document abcdefghij staging '.account.shell = "/bin/sh"'
    change abcdefghij staging
    WAIT=70 wait_for snapshot_has /app/abcdefghij_stg2
    contains "$(getent passwd 200003)" '^abcdefghij_stg2:'
    same 1 "$(documents staging2)"
    wait_for has_shell /bin/sh
}

# the last answers of a feed are no longer than the daemon: after a restart all is asked for again
test_restart() {
    by_feed 'keys_fresh = 3600s' 'account_fresh = 3600s'
    enters alice abcdefghij_stg
    wait_for test -n "$(find /var/lib/cloudauth/documents -type f 2>/dev/null)"
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    take_out alice
    daemon_start
    wait_for feed_is live
    refused alice abcdefghij_stg
}

# without a feed a host asks as before: within keys_fresh not at all, and then again
test_without() {
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 1s'
    daemon_stop
    daemon_start
    mark
    enters alice abcdefghij_stg
    take_out alice
    wait_for past $((removed + 1000))
    refused alice abcdefghij_stg
    same 2 "$(documents staging)"
    fails feed_is live
}

feed_row() { cloudauthctl status | grep -q "^$1"; }

# status and the metrics say whether the feed is live, and why it is not
test_status() {
    by_feed 'changes_wait = 30s'
    feed_row 'feed: live$'
    fails feed_row feed_error
    contains "$(cloudauthctl metrics)" '^cloudauth_feed_live 1$'
    feed_mode 503
    change abcdefghij staging
    wait_for feed_row 'feed: not-live$'
    feed_row 'feed_error: the API answered with status 503'
    contains "$(cloudauthctl metrics)" '^cloudauth_feed_live 0$'
    contains "$(cloudauthctl metrics)" '^cloudauth_feed_answers_total{outcome="failed"} [1-9]'
    feed_mode good
    wait_for feed_row 'feed: live$'
}
