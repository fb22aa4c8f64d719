# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A project API that takes its time: the last good document decides, and the late answer has the last word.

# shellcheck source=tests/sandbox/hostile.sh
. "$REPO/tests/sandbox/hostile.sh"
# shellcheck source=tests/sandbox/feed.sh
. "$REPO/tests/sandbox/feed.sh"

API_LOG=$HOSTILE/log
STAGING=/v1/projects/abcdefghij/environments/staging/ssh-access

before_all() {
    hostile_start
    install -d $FEED
    feed_reset
    feed_serve
    clocks_up
}

# An API that holds its answers from now on, which would be waited for longer than a client waits. The
# documents of alice and bob in staging are known, and no session is rechecked but by what a late answer says.
held_api() {
    mode good
    by_hostile $HTTP 'request_timeout = 60s' 'session_recheck = 3600s' 'account_fresh = 0s' "$@"
    enters alice abcdefghij_stg
    enters bob abcdefghij_stg
    mark
    mode hold
}

# How many requests for the document of staging came since the test began.
asked() { since "$API_LOG" | grep -c "GET $STAGING " || true; }
asked_more() { (($(asked) > $1)); }

is_held() { since "$API_LOG" | grep -q "GET $STAGING hold$"; }

remove_alice() { document abcdefghij staging "$without_alice"; }

# no login of a known account waits for a hung API, not the first one either, and one request is under way
test_first_login() {
    held_api
    enters alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*source=cache age='
    fails audited 'grant .*source=api'
    enters bob abcdefghij_stg
    refused carol abcdefghij_stg 'your role viewer'
    refused stranger abcdefghij_stg
    counts 1 "GET $STAGING hold$" "$API_LOG"
    mode good
}

# sFTP and cron's and su's questions are answered by the last good document, too
test_other_fronts() {
    held_api
    contains "$(sftp_batch media-agency abcdefghij_stg_sftp <<<pwd)" 'Remote working directory: /'
    su abcdefghij_stg -c true
    pamtester -I service=cron cron abcdefghij_stg acct_mgmt
    mode good
}

# a local user who gets a name while the API is waited for is no cloud account any more
test_local_meanwhile() {
    local name=ent-abcdefghij-staging-abc1234
    # NSS asks for nothing, so that the request is PAM's.
    held_api 'keys_fresh = 0' 'account_fresh = 300s' 'connect_timeout = 5s'
    mode good
    su $name -c true
    audit "grant account=$name .*service=su"
    mode hold
    mark
    cp /etc/passwd /root/passwd
    su $name -c true >/root/said 2>&1 &
    wait_for is_held
    echo "$name:x:1700:1700::/:/bin/sh" >>/etc/passwd
    mode good
    fails wait $!
    cp /root/passwd /etc/passwd
    audit "refuse account=$name .*service=su.* reason=local-user"
    fails audited "grant account=$name "
}

# an offer whose asker has hung up while the daemon was stopped gets no second line from the late answer
test_asker_gone() {
    local key status=0
    held_api 'keys_fresh = 0' 'account_fresh = 300s' 'connect_timeout = 5s'
    read -r _ key _ <"$KEYS/stranger.pub"
    setpriv --reuid=cloudauth-keys --regid=nogroup --clear-groups \
        /usr/libexec/cloudauth/cloud-authkeys shell abcdefghij_stg ssh-ed25519 "$key" &
    wait_for is_held
    kill -STOP "$(daemon_pid)"
    # The API answers before the helper gives up, so the daemon finds its answer first.
    mode good
    wait $! || status=$?
    kill -CONT "$(daemon_pid)"
    same 1 $status
    audit 'refuse account=abcdefghij_stg .*reason=daemon-unreachable '
    enters bob abcdefghij_stg
    counts 1 'refuse account='
}

# an account whose document was never seen is unavailable, and does not enter
test_unknown_account() {
    held_api
    nss_says unavailable abcdefghij
    refused alice abcdefghij
    fails audited 'grant account=abcdefghij '
    mode good
    wait_for enters alice abcdefghij
}

# what an environment's absence was is no answer of a hung API: it is unavailable
test_absent_account() {
    mv "$ACCESS/abcdefghij/staging2.json" /root/aside.json
    held_api 'absent_fresh = 0s'
    mode good
    nss_says absent abcdefghij_stg2
    mode hold
    nss_says unavailable abcdefghij_stg2
    mode good
}

# lookups of a known account are answered while the API is hung, without the snapshot as well
test_lookups() {
    held_api
    known abcdefghij_stg 200002
    chmod 0 "$SNAPSHOT"
    rm -f "$SNAPSHOT"
    known abcdefghij_stg 200002
    same abcdefghij_stg "$(getent passwd 200002 | cut -d: -f1)"
    mode good
}

# the late answer takes the person out: the session that was let in ends at once
test_late_answer_revokes() {
    held_api
    remove_alice
    stays a alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*source=cache'
    stays b bob abcdefghij_stg
    mode good
    wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=key-unknown source=api .* session='
    refused alice abcdefghij_stg
    lives b
    hang_up
}

# the same of an sFTP session, and of a connection without a command
test_late_answer_revokes_all() {
    held_api
    document abcdefghij staging '.environment.status = "paused"'
    command='' stays tunnel alice abcdefghij_stg -N
    stays_sftp files media-agency abcdefghij_stg_sftp
    wait_for listed_are 2
    mode good
    wait_for ended tunnel
    wait_for listed_are 0
    exec 7>&-
    hang_up
}

# the late answer says that the environment is gone: the session ends
test_late_answer_gone() {
    held_api
    stays b bob abcdefghij_stg
    rm "$ACCESS/abcdefghij/staging.json"
    mode good
    wait_for ended b
    refused bob abcdefghij_stg
    hang_up
}

# the late answer confirms: the session stays
test_late_answer_confirms() {
    local before
    held_api
    stays a alice abcdefghij_stg
    mode good
    # The recheck is over when its request has been answered, and a later one has, too.
    before=$(asked)
    enters alice abcdefghij_stg
    wait_for asked_more "$before"
    audit 'grant account=abcdefghij_stg .*user=alice .*source=api'
    lives a
    listed ' user=alice .* state=open$'
    hang_up
}

# the request fails after all: the session stays within the bound, as in any outage, until the API speaks
test_late_failure() {
    # A session that the last good document let in is rechecked after a second, which may be before the API is back.
    held_api 'session_recheck = 1s'
    stays a alice abcdefghij_stg
    remove_alice
    mode 503
    enters bob abcdefghij_stg
    lives a
    mode good
    cloudauthctl refresh abcdefghij/staging
    wait_for ended a
    hang_up
}

# a document past its bound opens nothing, and says so
test_past_the_bound() {
    local asked_at
    document abcdefghij staging '.max_stale_seconds = 1'
    held_api 'request_timeout = 3s'
    asked_at=$(milliseconds)
    wait_for past $((asked_at + 1000))
    refused alice abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*reason=unavailable'
    known abcdefghij_stg 200002
    mode good
    wait_for enters alice abcdefghij_stg
}

# a document that may not outlive the API's answer at all opens nothing
test_no_bound() {
    document abcdefghij staging '.max_stale_seconds = 0'
    held_api
    refused alice abcdefghij_stg
    mode good
    wait_for enters alice abcdefghij_stg
}

# the daemon is killed with the request under way: the session that was let in is rechecked by the next one
test_daemon_killed() {
    held_api 'session_recheck = 1s'
    remove_alice
    stays a alice abcdefghij_stg
    test -e "/run/cloudauth/sessions/$(session_of alice)"
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    daemon_start
    lives a
    mode good
    wait_for ended a
    hang_up
}

# explain and refresh wait for the API, and do not take the last good document for its answer
test_operators_wait() {
    held_api
    cloudauthctl refresh abcdefghij_stg >/root/refresh 2>&1 &
    enters alice abcdefghij_stg
    alive $!
    mode good
    wait $!
    fails contains "$(cat /root/refresh)" 'cache'
}

# nor does the first login after a reboot, to a document from before it
test_first_after_reboot() {
    local began_at
    held_api
    daemon_stop
    cat /proc/sys/kernel/random/uuid >/root/boot_id
    mount --bind /root/boot_id /proc/sys/kernel/random/boot_id
    clocks 0 "-$(python3 -c 'import time; print(int(time.clock_gettime(time.CLOCK_BOOTTIME)))')"
    CLOUDAUTHD=/root/cloudauthd daemon_start
    began_at=$(milliseconds)
    enters alice abcdefghij_stg
    note "alice was in after $(($(milliseconds) - began_at)) ms"
    umount /proc/sys/kernel/random/boot_id
    rm /run/clocks
    wait_for is_held
    audit 'grant account=abcdefghij_stg .*user=alice .*source=cache age='
    # Less than request_timeout, after which any login is decided so.
    (($(milliseconds) - began_at < 60000))
    mode good
}

# what the change feed says has changed is not decided by the document from before: the login waits for the API
test_named() {
    local login begin
    held_with_feed
    remove_alice
    change abcdefghij staging
    heard
    refused alice abcdefghij_stg >/root/login 2>&1 &
    login=$!
    wait_for is_held
    begin=$(milliseconds)
    # Longer than connect_timeout.
    wait_for past $((begin + 2000))
    alive $login
    mode good
    wait $login
    audit 'refuse account=abcdefghij_stg .*reason=key-unknown source=api'
    fails audited 'grant .*user=alice .*source=cache'
}

# more names of environments that this host does not serve than an answer may have do not make a login wait for a hung API
test_foreign_names() {
    held_with_feed
    mode good
    put page_size 70000
    seq 60000 | sed 's/.*/zyxwvutsrq x&-a12b34c/' | changes
    heard
    wait_for feed_is live
    mode hold
    enters alice abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice '
    enters bob abcdefghij_stg
    mode good
}

# a removed key that is named enters no more, and its session ends, though the API has just asked for five minutes of rest
test_named_in_back_off() {
    held_with_feed
    mode busy
    change abcdefghij staging
    heard
    enters bob abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=bob .*source=cache'
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
    mode good
    remove_alice
    change abcdefghij staging
    heard
    refused alice abcdefghij_stg
    wait_for ended a
    audit 'end account=abcdefghij_stg .*user=alice .*reason=key-unknown source=api .* session='
    lives b
    hang_up
}

held_with_feed() {
    feed_reset
    touch $FEED_LOG
    feed_mark
    held_api "changes_url = $FEED_URL" 'changes_wait = 1s'
    mode good
    wait_for feed_is live
    heard
    mode hold
}
