# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Logins where the project API is 20 ms away, and the change feed as well.

# shellcheck source=tests/bench/parts/login.sh
. "$HERE/parts/login.sh"

MS=20
FAR_PORT=9444
FEED_PORT=912 # plain HTTP: of a port on which root alone can listen

fed() { cloudauthctl metrics | grep -qx 'cloudauth_feed_live 1'; }

part_far() {
    local pairs names daemon=()
    local -a local_login cloud_login
    login_host
    "$REPO/tests/sandbox/far.pl" $FAR_PORT "$TLS_PORT" $MS &
    "$REPO/tests/sandbox/quiet_feed.pl" $FEED_PORT &
    "$REPO/tests/sandbox/far.pl" $((FEED_PORT + 1)) $FEED_PORT $MS &
    wait_for listening $((FEED_PORT + 1))
    API_URL=${API_URL/:$TLS_PORT/:$FAR_PORT}
    section "Login: the API $MS ms away"
    say "$names accounts of either kind, the two kinds in turn. The local ones take nothing from the API."
    columns settings account n median p99 'ratio of medians' '95 % of resamplings'
    setting
    interleaved 'no change feed (keys_fresh 3 s)'
    setting 'keys_fresh = 0'
    interleaved 'each question asks the API (keys_fresh 0)'
    setting "changes_url = http://127.0.0.1:$((FEED_PORT + 1))/changes"
    WAIT=30 wait_for fed
    interleaved 'a live change feed'
    fed || say 'The change feed is not live at the end.'
    what_the_daemon_takes
}
