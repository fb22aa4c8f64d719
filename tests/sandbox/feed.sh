# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests of the change feed (feed.py). Documents come by nginx, as in host.sh.
#
#   feed_up                    what all of these need; for before_all
#   feed_serve, feed_kill      the server comes, and is killed
#   feed_mode NAME             what it does from now on; `good` is what docs/api.md says
#   change PROJECT [ENVIRONMENT]  it names that
#   changes                    it names those on stdin, all in one answer
#   heard                      waits until the daemon has taken all that the feed has named
#   by_feed [SETTING...]       the daemon begins with that feed, which is live; only the feed ends sessions
#   with_feed URL [SETTING...] the same with any URL, and does not wait
#   feed_is STATE              what `status` says: live, or not
#   feed_mark                  as if the test began now, for the next two
#   polls, sent STATUS         how many polls, or answers of that status, since the test began
#   take_out USER [ENVIRONMENT]   the user is removed from the document: of staging by default
#   refused_in_time USER       past the bound since take_out, that user is refused in staging
#   milliseconds, past TIME    the clock

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"
# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"

FEED=/root/feed
FEED_LOG=$FEED/log
FEED_URL=http://127.0.0.1:949/v1/changes
# shellcheck disable=SC2034 # for those who source this
FEED_PID=/run/feed.pid
# changes_wait, 2 s and keys_fresh, as with_feed sets them; in milliseconds.
BOUND=4000

feed_up() {
    authority ca
    certificate api ca DNS:localhost,IP:192.0.2.1
    nginx_start
    install -d $FEED
    feed_reset
    feed_serve
}

feed_reset() {
    feed_mode good
    put epoch first
    rm -f $FEED/next
    put page_size 10000
    : >$FEED/journal
    printf 'abcdefghij %s\n' production staging staging2 >$FEED/all
}

feed_serve() {
    "$REPO/tests/sandbox/feed.py" $FEED "$TLS" </dev/null >>$FEED/errors 2>&1 &
    echo $! >$FEED_PID
    disown
    wait_for listening 949 && wait_for listening 9449
}

feed_kill() {
    kill -KILL "$(<$FEED_PID)"
    wait_for gone "$(<$FEED_PID)"
}

# put FILE TEXT: aside, so that the server never finds it empty.
put() {
    echo "$2" >"$FEED/$1.new"
    mv "$FEED/$1.new" "$FEED/$1"
}

feed_mode() { put mode "$1"; }

change() { echo "$*" >>$FEED/journal; }

changes() {
    cat $FEED/journal - >$FEED/journal.new
    mv $FEED/journal.new $FEED/journal
}

feed_log() { tail -n "+$((${began[$FEED_LOG]:-0} + 1))" $FEED_LOG; }

# As if the test began now, to the words about polls and answers.
feed_mark() { began["$FEED_LOG"]=$(wc -l <"$FEED_LOG"); }

polls() { feed_log | grep -c ' poll ' || true; }
polls_reach() { (($(polls) >= $1)); }

sent() { feed_log | grep -c " sent $1 " || true; }
sent_any() { (($(sent "$1") > 0)); }

# The poll with a cursor is sent when the answer that it came by has been taken.
heard_all() {
    feed_log | grep ' poll ' | tail -n 1 | grep -qF " \"$(<$FEED/epoch)-$(wc -l <$FEED/journal)\" "
}
heard() { wait_for heard_all; }

# Without jq(1), of which each start takes a twentieth of a second: it is waited for.
feed_is() { [[ $(cloudauthctl status --json) =~ \"feed\":\ *\"$1\" ]]; }

with_feed() {
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 1s' 'changes_wait = 1s' \
        'session_recheck = 3600s' "changes_url = $1" "ca_file = $TLS/ca.pem" "${@:2}"
    daemon_stop
    touch $FEED_LOG
    mark
    feed_mark
    daemon_start
}

by_feed() {
    feed_reset
    with_feed $FEED_URL "$@"
    wait_for feed_is live
    heard
}

take_out() {
    document abcdefghij "${2-staging}" ".users |= map(select(.username != \"$1\"))"
    removed=$(milliseconds)
}

refused_in_time() {
    wait_for past $((removed + BOUND))
    refused "$1" abcdefghij_stg
}
