# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Many questions at once: how many of them reach the project API.

# shellcheck source=tests/sandbox/hostile.sh
. "$REPO/tests/sandbox/hostile.sh"

before_all() { hostile_start; }

# constant NAME: of the cache's header
constant() { sed -nE "s/^#define $1 +([0-9]+)$/\1/p" "$REPO/cloudauthd/cache/cache.h"; }

# requests PATTERN: how many the API has had since the test began
requests() { since "$API_LOG" | grep -cE "$1" || true; }

# ask AT_ONCE [UNTIL]: the questions of /root/questions; the counts are in /root/answers then.
ask() {
    rm -f /root/sent
    "$REPO/tests/sandbox/ask.pl" "$1" /root/sent "${@:2}" </root/questions >/root/answers
}

# key_questions ACCOUNT...: a thousand questions for alice's key in all
key_questions() {
    local type key
    read -r type key _ <"$KEYS/alice.pub"
    for ((i = 0; i < 1000; i++)); do
        local accounts=("$@")
        echo "keys shell ${accounts[i % $#]} $type $key"
    done >/root/questions
}

# a thousand key questions at once, with an empty cache, are one request
test_thousand_at_once() {
    mode hold
    by_hostile $HTTP 'keys_fresh = 60s' 'request_timeout = 8s'
    key_questions abcdefghij
    ask 1000 &
    wait_for test -e /root/sent
    requested production
    mode good
    wait $!
    same 'asked=1000 ok=1000 absent=0 refused=0 unavailable=0 none=0' "$(</root/answers)"
    counts 1 '' "$API_LOG"
}

# a thousand for two environments, by four names, are two requests
test_two_environments() {
    mode hold
    by_hostile $HTTP 'keys_fresh = 60s' 'request_timeout = 8s'
    key_questions abcdefghij abcdefghij_stg ent-abcdefghij-staging-abc1234 \
        ent-abcdefghij-production-abc1234
    ask 1000 &
    wait_for test -e /root/sent
    requested staging
    mode good
    wait $!
    same 'asked=1000 ok=1000 absent=0 refused=0 unavailable=0 none=0' "$(</root/answers)"
    counts 2 '' "$API_LOG"
}

# a thousand at once while the API is silent are one request, too, and each gets the answer
test_thousand_in_silence() {
    mode silence
    by_hostile $HTTP 'keys_fresh = 60s'
    key_questions abcdefghij
    timed 'a thousand questions' ask 1000
    same 'asked=1000 ok=0 absent=0 refused=0 unavailable=1000 none=0' "$(</root/answers)"
    counts 1 '' "$API_LOG"
}

# flood FORMAT PATTERN BUCKET: 10,000 unknown names, and in their midst a login
flood() {
    local begin seconds most asked
    mode good
    by_hostile $HTTP 'keys_fresh = 3s' 'allow = robot*'
    enters alice abcdefghij
    wait_for past $(($(milliseconds) + 3000))
    seq -f "passwd $1" 10000 19999 >/root/questions
    rm -f /root/enough
    mark
    begin=$(date +%s)
    ask 200 /root/enough &
    requested "$2"
    timed 'a login in the flood' enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=api'
    same 1 "$(requests abcdefghij/environments/production/)"
    touch /root/enough
    wait $!
    seconds=$(($(date +%s) - begin + 1)) asked=$(requests "$2")
    most=$(($(constant "$3_BURST") + $(constant "$3_RATE") * seconds + 1))
    note "$(</root/answers) in $seconds s: $asked requests of $most that were allowed"
    ((asked >= $(constant "$3_BURST") && asked <= most))
    contains "$(</root/answers)" '^asked=[1-9][0-9]{4,} ok=0 absent=[0-9]+ refused=0 unavailable=[0-9]+ none=0$'
    # That they were too many is not remembered.
    nss_says found abcdefghij_stg
}

# 10,000 names of unknown projects: as many requests as the bucket allows, and a login works
test_unknown_names() { flood robot%05g /robot STRANGERS; }

# 10,000 unknown names of a known project: as many requests as its bucket allows
test_neighbours() { flood abcdefghij-mc-ab%05g /mc-ab NEIGHBOUR; }

# unknown names that make the API hang: a login of a known account does not wait
test_unknown_names_hang() {
    mode good
    by_hostile $HTTP 'keys_fresh = 3s' 'allow = robot*' 'request_timeout = 8s'
    enters alice abcdefghij
    wait_for past $(($(milliseconds) + 3000))
    mode silence-of-absent
    seq -f 'passwd robot%05g' 10000 10999 >/root/questions
    mark
    ask 1000 &
    wait_for test -e /root/sent
    requested /robot
    timed 'a login in the flood' enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=api'
    wait $!
    contains "$(</root/answers)" '^asked=1000 ok=0 absent=0 refused=0 unavailable=1000 none=0$'
}

hanging() { (($(requests /robot) == $(constant UNKNOWN_OTHERS_MAX))); }

# a local user looks up names that make the API hang: a login of an account seen for the first time does not wait
test_local_user_hangs() {
    mode silence-of-absent
    by_hostile $HTTP 'allow = robot*' 'request_timeout = 8s'
    seq -f 'passwd robot%05g' 10000 10199 >/root/questions
    mark
    # No cloud account, and neither root nor cloudauth-keys.
    setpriv --reuid=ada --clear-groups "$REPO/tests/sandbox/ask.pl" 200 /dev/null \
        </root/questions >/root/answers &
    wait_for hanging
    timed 'a first login' enters bob abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=bob .*source=api'
    hanging
    wait $!
    contains "$(</root/answers)" '^asked=200 ok=0 absent=0 refused=0 unavailable=200 none=0$'
}

limited() { (($(cloudauthctl metrics | sed -n 's/^cloudauth_cache_limited_total //p') > 100)); }

# floods PROJECT COMMAND...: it asks for names of the project until end_flood, more than are allowed
floods() {
    mode good
    by_hostile $HTTP 'allow = robotrobot-*'
    timed 'a first login without a flood' enters alice abcdefghij
    seq -f "passwd $1-x%05g-aaaaaaa" 10000 19999 >/root/questions
    rm -f /root/enough /root/sent
    "${@:2}" "$REPO/tests/sandbox/ask.pl" 4 /root/sent /root/enough </root/questions >/root/answers &
    client=$!
    wait_for limited
}

end_flood() {
    touch /root/enough
    wait "$client"
}

su_has_run() { [[ -e /tmp/su-runs ]] && (($(wc -l </tmp/su-runs) >= 5)); }

# a set-user-ID program of a user's takes nothing from a first login, not even to the same project
test_set_user_id() {
    local client loop
    floods abcdefg123abc setpriv --ruid=ada --euid=0 --clear-groups
    # shellcheck disable=SC2016 # expanded there
    setpriv --reuid=ada --clear-groups prlimit --nproc=50 \
        bash -c 'while :; do su "abcdefg123abc-y$RANDOM-aaaaaaa"; echo >>/tmp/su-runs; done' </dev/null >/dev/null 2>&1 &
    loop=$!
    # Whether a request of su's reaches the API is chance: the flood may have taken the project's tokens.
    WAIT=60 wait_for su_has_run
    timed 'a first login' enters alice abcdefg123abc-smith-a12b34c
    timed 'another' enters bob abcdefghij_stg
    kill "$loop"
    wait "$loop" || true
    end_flood
}

# nor does a stranger who connects to sshd with names of one project, to another's
test_one_project() {
    local client
    floods robotrobot env
    timed 'a first login' enters alice abcdefg123abc-smith-a12b34c
    end_flood
}
