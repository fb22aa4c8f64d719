# shellcheck shell=bash disable=SC2119,SC2120
# SPDX-License-Identifier: Apache-2.0
# The change feed fails, lies or floods. Whatever it does, a removed key is refused changes_wait + 2 s +
# keys_fresh after its removal, and those who may enter do.

# shellcheck source=tests/sandbox/feed.sh
. "$REPO/tests/sandbox/feed.sh"
# shellcheck source=tests/sandbox/hostile.sh
. "$REPO/tests/sandbox/hostile.sh"

API_LOG=/var/log/api.log

before_all() {
    feed_up
    clocks_up
}

# Both have entered by a current document, so that from now on only the feed, or its end, brings a request.
begin() {
    by_feed
    enters alice abcdefghij_stg
    enters bob abcdefghij_stg
}

# alice is taken out and named while the feed is not as it should be; bob stays.
revoked_in_time() {
    take_out alice
    change abcdefghij staging
    refused_in_time alice
    enters bob abcdefghij_stg
}

# recovers COMMAND...: with it the feed's answers count again, from the cursor that the daemon had.
recovers() {
    feed_mark
    "$@"
    wait_for feed_is live
    contains "$(feed_log | grep ' poll ' | head -n 1)" ' poll "first-0" '
    heard
    take_out bob
    change abcdefghij staging
    heard
    refused bob abcdefghij_stg
}

# fails_by MODE REGEX: the feed does that; it is not live then, and the log says why.
fails_by() {
    begin
    feed_mode "$1"
    revoked_in_time
    wait_for feed_is not-live
    logged "change feed: $2"
    recovers feed_mode good
}

# the feed's server is killed, and comes back
test_refused() {
    begin
    feed_kill
    revoked_in_time
    wait_for feed_is not-live
    logged 'change feed: .*[Cc]onnect'
    recovers feed_serve
}

# the feed refuses the host's credential
test_401() { fails_by 401 ".*the API refuses this host's credential"; }

# there is no feed at that URL
test_404() { fails_by 404 '.*'; }

# the feed's server fails
test_500() { fails_by 500 '.*500'; }

# the feed sends the host to another server, which is not asked
test_redirect() { fails_by 302 '.*'; }

# the feed takes the poll and never answers
test_hang() { fails_by hang '.*(no answer in time|timed out)'; }

# the feed's answer comes a byte at a time
test_drip() { fails_by drip '.*(no answer in time|timed out)'; }

# the answer ends in the middle
test_cut() { fails_by cut '.*'; }

# the answer in chunks ends without its last one
test_cut_chunked() { fails_by cut-chunked '.*'; }

# the answer has 5 MiB
test_big() { fails_by big '.*'; }

# an answer of two pages, and the second one fails: the first one does not count either
test_second_page() {
    begin
    feed_mode page-2-fails
    printf 'abcdefghij x%05d-a12b34c\n' {1..10001} | changes
    revoked_in_time
    wait_for feed_is not-live
    recovers feed_mode good
}

# page_leads_to HREF REGEX: to there the host does not go, the answer counts for nothing, and the log says why.
page_leads_to() {
    put next "$1"
    printf 'abcdefghij x0000%d-a12b34c\n' 1 2 | changes
    logged "change feed: .*$2"
    wait_for feed_is not-live
    same 0 "$(feed_log | grep -c ' page ' || true)"
    rm $FEED/next
    daemon_reload
    wait_for feed_is live
    heard
    feed_mark
    mark
}

# a next page at another origin, with a user in it, or of another scheme is not asked for
test_pages_elsewhere() {
    by_feed
    put page_size 1
    page_leads_to http://127.0.0.1:950/v1/changes another
    page_leads_to "http://user:hunter2@127.0.0.1:949/v1/changes?page=2" another
    page_leads_to file:///root/feed/body '(another|no URL)'
    fails grep -q hunter2 /var/log/syslog /var/log/cloudauthd.log
}

# invalid BODY: an answer of which nothing counts, although it names staging and has a new cursor.
invalid() {
    put body "$1"
    feed_mode body
    change abcdefghij "x$lines-a12b34c"
    daemon_reload
    wait_for feed_is not-live
    feed_mark
    feed_mode good
    daemon_reload
    wait_for feed_is live
    contains "$(feed_log | grep ' poll ' | head -n 1)" " poll \"first-$lines\" "
    lines=$((lines + 1))
    heard
}

# an answer that is not JSON, or not what docs/api.md says, counts for nothing
test_invalid() {
    local lines=0 staging='{"project":"abcdefghij","environment":"staging"}'
    by_feed
    for body in "<html>Please log in $staging" "" null "[$staging]" "{\"changed\":[$staging],\"whole\":false" \
        "{\"changed\":[$staging],\"whole\":false}}" "{\"changed\":$staging,\"whole\":false}" \
        '{"whole":false}' "{\"changed\":[$staging],\"whole\":\"no\"}" \
        "{\"changed\":[$staging],\"changed\":[],\"whole\":false}" \
        "{\"changed\":[$staging,{\"environment\":\"staging\"}],\"whole\":false}" \
        "{\"changed\":[$staging,{\"project\":\"../etc\"}],\"whole\":false}" \
        "{\"changed\":[$staging,{\"project\":\"abcdefghij\",\"environment\":7}],\"whole\":false}"; do
        invalid "$body"
    done
}

# the feed's server is stopped
test_stopped() {
    begin
    kill -STOP "$(<$FEED_PID)"
    revoked_in_time
    wait_for feed_is not-live
    recovers kill -CONT "$(<$FEED_PID)"
}

# the packets of the feed are lost, those of documents are not
test_packets_lost() {
    feed_reset
    address_up
    with_feed https://$ADDRESS:9449/v1/changes
    wait_for feed_is live
    heard
    enters alice abcdefghij_stg
    enters bob abcdefghij_stg
    packets_lost
    revoked_in_time
    wait_for feed_is not-live
    recovers address_up
}

# a server that goes back to an older cursor with every answer, at once: the removed key is refused, the rate bounded
test_cursor_back() {
    begin
    change abcdefghij staging2
    heard
    feed_mode back
    revoked_in_time
    rate_is_bounded
    feed_mode good
}

# a server that was restored from a backup does not know the cursor: all is asked for again
test_restored() {
    begin
    for _ in 1 2 3; do change abcdefghij staging2; done
    heard
    take_out alice
    sed -i 1d $FEED/journal
    heard
    wait_for feed_is live
    refused alice abcdefghij_stg
    enters bob abcdefghij_stg
}

# at most 5 polls a second, over the last seconds
rate_is_bounded() {
    local first last count
    wait_for polls_reach $(($(polls) + 10))
    read -r first last count < <(feed_log | grep ' poll ' | tail -n 10 |
        awk 'NR == 1 { first = $1 } { last = $1 } END { print first, last, NR }')
    note "$((count - 1)) polls in $((last - first)) ms"
    # A poll may have come late, and the next one not.
    ((last - first >= (count - 2) * 200))
}

# a server that answers at once for ever, with nothing new by 200 or by 304, is asked 5 times a second
test_spinning() {
    local kind
    for kind in spin spin-304; do
        begin
        feed_mode $kind
        rate_is_bounded
        take_out alice
        change abcdefghij staging
        heard
        refused alice abcdefghij_stg
        enters bob abcdefghij_stg
        feed_mode good
        host_reset
    done
}

# an answer without a cursor counts for nothing
test_no_cursor() { fails_by no-cursor '.*no ETag'; }

# `whole` with every answer, at once: logins go on, and neither feed nor API is asked more than its rate
test_whole_storm() {
    local before
    begin
    printf 'abcdefghij x%04d-a12b34c\n' {1..5000} >>$FEED/all
    mark
    before=$(milliseconds)
    feed_mode whole
    rate_is_bounded
    enters bob abcdefghij_stg
    take_out alice
    change abcdefghij staging
    refused_in_time alice
    enters bob abcdefghij_stg
    # 100 at once, 50 a second, and what logins have asked for.
    note "$(api_requests) requests for documents in $(($(milliseconds) - before)) ms"
    (($(api_requests) <= 150 + ($(milliseconds) - before) * 50 / 1000))
}

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$(daemon_pid)/status"; }

# a hundred thousand names at once: a login does not wait, the removed key is out, its session too, and memory is bounded
test_many_names() {
    local before
    begin
    stays a alice abcdefghij_stg
    wait_for listed_are 1
    before=$(resident)
    {
        printf 'abcdefghij x%05d-a12b34c\n' {1..99999}
        echo abcdefghij staging
    } >/root/names
    take_out alice
    changes </root/names
    refused_in_time alice
    enters bob abcdefghij_stg
    heard
    wait_for ended a
    hang_up
    # An answer of so many pages may have taken too long to make it live; the next one does not.
    wait_for feed_is live
    note "resident: $before KiB before, $(resident) KiB after"
    (($(resident) - before < 64 * 1024))
}

# names that this host does not serve, and environments that there are not, cause no request
test_foreign_names() {
    begin
    mark
    {
        printf 'zyxwvut%04d production\n' {1..500}
        printf 'zyxwvut%04d\n' {1..500}
    } | changes
    heard
    take_out alice
    change abcdefghij staging
    heard
    refused alice abcdefghij_stg
    enters bob abcdefghij_stg
    fails contains "$(since "$API_LOG")" zyxwvut
}

# a change that is named before access_url shows it: the removed key is refused in time all the same
test_named_too_early() {
    begin
    mark
    change abcdefghij staging
    heard
    # The host asks, and is told what was.
    enters alice abcdefghij_stg
    (($(api_requests) > 0))
    take_out alice
    refused_in_time alice
    enters bob abcdefghij_stg
}

# Another host, with its own settings, state, daemon and sshd, in a mount namespace of its own.
second_host() {
    # shellcheck disable=SC2016 # expanded there
    unshare --mount bash -c '
        cp -a /etc/cloudauth /root/second.conf
        cp -a /run/sshd /root/second.sshd
        for directory in /run /var/lib/cloudauth; do
            mount -t tmpfs -o mode=755 tmpfs $directory
        done
        mv /root/second.sshd /run/sshd
        chown cloudauth: /var/lib/cloudauth
        install -d -o cloudauth -g cloudauth /run/cloudauth
        /usr/sbin/cloudauthd -f </dev/null >>/root/second.log 2>&1 &
        echo $! >/root/second.daemon
        until [[ -S /run/cloudauth/socket ]]; do sleep 0.1; done
        exec /usr/sbin/sshd -D -o ListenAddress=127.0.0.1:2222 -o PidFile=none' </dev/null >>/root/second.log 2>&1 &
    echo $! >/root/second.sshd.pid
    disown
    wait_for listening 2222 || { cat /root/second.log && return 1; }
}

second_is_live() {
    nsenter --target "$(</root/second.daemon)" --mount cloudauthctl status --json | jq -e '.feed == "live"'
}

# two hosts that poll with one cursor: both hear of a removed key
test_two_hosts() {
    begin
    second_host
    wait_for second_is_live
    SSH_PORT=2222 enters alice abcdefghij_stg
    take_out alice
    change abcdefghij staging
    heard
    refused alice abcdefghij_stg
    SSH_PORT=2222 wait_for refused alice abcdefghij_stg
    SSH_PORT=2222 enters bob abcdefghij_stg
    stop "$(</root/second.sshd.pid)"
    stop "$(</root/second.daemon)"
}

with_clocks() {
    rm -f /run/clocks
    CLOUDAUTHD=/root/cloudauthd begin
}

# a wall clock that jumps, back and forth, and a host that was suspended: a removed key is refused in time
test_clock_jumps() {
    local step
    for step in '-86400 0' '86400 0' '0 86400' '86400 86400'; do
        host_reset
        with_clocks
        # shellcheck disable=SC2086 # two words
        clocks $step
        revoked_in_time
        wait_for feed_is live
        host_reset
        with_clocks
        # shellcheck disable=SC2086
        clocks $step
        feed_mode hang
        revoked_in_time
        feed_mode good
    done
    rm -f /run/clocks
}

# a virtual machine that was paused, which the wall clock alone tells: the answer from before it says nothing of now
test_paused() {
    rm -f /run/clocks
    CLOUDAUTHD=/root/cloudauthd by_feed 'changes_wait = 60s'
    enters alice abcdefghij_stg
    enters bob abcdefghij_stg
    feed_mode hang
    take_out alice
    # What is left of the window is far longer than this test.
    clocks 120 0
    refused alice abcdefghij_stg
    enters bob abcdefghij_stg
    feed_is not-live
    rm -f /run/clocks
    feed_mode good
}

# a daemon that is stopped and goes on does not take an answer from before as today's
test_daemon_stopped() {
    local answered
    begin
    answered=$(sent 304)
    wait_for polls_reach $(($(polls) + 1))
    kill -STOP "$(daemon_pid)"
    wait_for sent_more "$answered"
    feed_mode hang
    take_out alice
    change abcdefghij staging
    wait_for past $((removed + BOUND))
    kill -CONT "$(daemon_pid)"
    refused alice abcdefghij_stg
    enters bob abcdefghij_stg
    feed_mode good
}
sent_more() { (($(sent 304) > $1)); }

# a reload to another URL: its first answer names all, and until then the feed is not live
test_other_url() {
    begin
    feed_mode hang
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 1s' 'changes_wait = 1s' \
        "changes_url = ${FEED_URL/v1/v2}"
    daemon_reload
    wait_for feed_is not-live
    revoked_in_time
    feed_mark
    feed_mode good
    daemon_reload
    wait_for feed_is live
    contains "$(feed_log | grep ' poll ' | head -n 1)" ' poll - 1 no-cache /v2/changes$'
    heard
    take_out bob
    change abcdefghij staging
    heard
    refused bob abcdefghij_stg
}

# a reload that takes the feed away: today's freshness, at once
test_url_removed() {
    begin
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 1s'
    daemon_reload
    wait_for fails feed_is live
    take_out alice
    wait_for past $((removed + 1000))
    refused alice abcdefghij_stg
    enters bob abcdefghij_stg
}

# the daemon is killed while the feed is dead: what it stored is no reason to let in who was removed
test_daemon_killed() {
    begin
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    feed_mode hang
    take_out alice
    change abcdefghij staging
    daemon_start
    refused_in_time alice
    enters bob abcdefghij_stg
    feed_mode good
}

# the daemon begins while the feed is silent or refuses: logins do not wait for it, and open nothing that is gone
test_dead_at_start() {
    local kind
    for kind in hang 500 304; do
        feed_reset
        feed_mode $kind
        with_feed $FEED_URL
        enters alice abcdefghij_stg
        feed_is not-live
        take_out alice
        wait_for past $((removed + 1000))
        refused alice abcdefghij_stg
        host_reset
    done
}
