# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Each allocation and each system call fails once: of the daemon, over its start, logins, what the API takes back and what
# the operator does, and the writes of its state; of the NSS module, the helper and PAM, over a login. sandbox/fail.c makes
# them fail, sandbox/visit.c is sshd. INJECT=N tries N calls of the daemon of each kind, spread over all of them; make
# faults tries every one, CALL='N...' KIND=1, 2 or 3 (fail.h) those. FAIL_NAMED=write counts no other call. LANE=K/M tries
# the K-th of each M of them, so that M runs beside each other try all.

export FAIL_FILE=/run/fail FAIL_SO=/usr/local/lib/fail.so HELPER=/usr/libexec/cloudauth/cloud-authkeys
VISIT=/usr/local/bin/visit
STATE=/var/lib/cloudauth
TRIES=${INJECT:-2} # of allocations, and as many of other calls and of writes that are short

DOCUMENT=abcdefghij

inject_up() {
    [[ -e /etc/pam.d/visit ]] || inject_make
    $VISIT fail
}

inject_make() {
    cc -O2 -D_GNU_SOURCE -fno-builtin -shared -fPIC -I"$REPO" -o $FAIL_SO "$REPO/tests/sandbox/fail.c"
    cc -O2 -D_GNU_SOURCE -I"$REPO" -o $VISIT "$REPO/tests/sandbox/visit.c" -lpam
    cc -O2 -std=c11 -D_GNU_SOURCE -I"$REPO" -o /usr/local/bin/helper-dynamic \
        "$REPO"/authkeys/cloud-authkeys.c "$REPO"/common/*.c
    head -c 8192 /dev/zero >$FAIL_FILE
    chmod 666 $FAIL_FILE
    add_people
    printf '%s requisite pam_cloud.so\n' account session >/etc/pam.d/visit
}

# each_of WHAT PRELOADED [ACCOUNT]: each call of it fails; visit says what is wrong.
each_of() {
    local said
    said=$(LD_PRELOAD=$2 $VISIT "$1" "${3:-abcdefghij}" "$KEYS/alice.pub" "$KEYS/stranger.pub") || { echo "$said" && return 1; }
    note "${said//$'\n'/, }"
}

# each call of each of the NSS module's lookups fails, with and without the daemon: no name is denied, nor another found
test_nss() {
    inject_up
    known abcdefghij 200001
    wait_for snapshot_has abcdefghij
    each_of nss $FAIL_SO
    daemon_stop
    each_of nss $FAIL_SO
}

# each call of the helper fails: the answer is the key's line, or uncertain
test_helper() {
    inject_up
    HELPER=/usr/local/bin/helper-dynamic each_of helper ''
}

# each call of pam_cloud.so fails: no other key enters, no descriptor is left, and an sFTP session has its directories alone
test_pam() {
    inject_up
    each_of pam $FAIL_SO
    each_of pam $FAIL_SO abcdefghij_sftp
}

# ---- The daemon ----

# people FILTER FILE NAME...: FILE of the tree with these people, and FILTER.
people() {
    local filter=$1 file=$2
    shift 2
    jq --slurpfile keys <(for name; do jq -n --arg key "$(<"$KEYS/$name.pub")" '{username: $ARGS.positional[0], $key}' --args "$name"; done) \
        ".users = [\$keys[] | {id: \"u-\(.username)\", username, role: \"admin\", ssh_keys: [{value: .key}]}] |
        .environment.status = \"active\" | $filter" "$PRISTINE/$DOCUMENT/$file.json"
}

# What the API says at first, and what later: alice has lost her key, sessions have a limit, an environment is gone, and
# one has another uid.
add_people() {
    ssh-keygen -q -t ed25519 -N '' -C carla -f "$KEYS/carla"
    mkdir /root/first /root/later
    people . production alice bob carla >/root/first/production.json
    people '.session = {max_seconds: 3600}' production bob carla >/root/later/production.json
    people . staging carla >/root/first/staging.json
    people '.account.uid = 200022 | .account.gid = 200022' staging carla >/root/later/staging.json
    people . staging2 carla >/root/first/staging2.json
    touch -d '10 seconds ago' /root/first/*
}

# The settings of the daemon, and LINE...
settings() {
    local own=()
    [[ -z ${HTTPS-} ]] || own=("access_url = https://localhost:$API_TLS_PORT/$API_PATH" 'keys_fresh = 0' \
        'absent_fresh = 0' 'ca_file = /etc/cloudauth/ca.pem')
    configure 'session_recheck = 1' "${own[@]}" "$@"
}

faulted_start() { # N KIND: a daemon of which the N-th call fails
    $VISIT fail "$1" "$2"
    : >/var/log/faulted.log
    rm -f /run/cloudauth/socket /run/cloudauthd.pid
    : >/run/faulted.status
    (
        LD_PRELOAD=$FAIL_SO /usr/sbin/cloudauthd -f </dev/null >>/var/log/faulted.log 2>&1 &
        echo $! >/run/cloudauthd.pid
        status=0
        wait $! || status=$?
        echo $status >/run/faulted.status
    ) 2>/dev/null & # bash says which signal has ended what
    disown
    PAUSE=5 wait_for started
}
started() { [[ -s /run/cloudauthd.pid ]] && { [[ -s /run/faulted.status ]] || daemon_answers; }; }

# A daemon that has ended is started again, as systemd would, without a fault.
survives() {
    local status=0 pid
    pid=$(daemon_pid)
    alive "$pid" && return 0
    wait_for test -s /run/faulted.status
    read -r status </run/faulted.status
    if ((status >= 128 || status == 0)); then
        echo "call $N: the daemon ended with status $status after $($VISIT failed)"
        return 1
    fi
    grep -q . /var/log/faulted.log || { echo "call $N: it ended without a word after $($VISIT failed)" && return 1; }
    ended=$((ended + 1))
    daemon_start && disown -a
}

fired() { [[ $($VISIT failed) != *none ]]; }

# visit PERSON [WHAT]: PERSON is alice or alice@ACCOUNT. Prints granted or refused; what else is wrong is in /root/wrong.
# visit.c has a bound for each question: that of timeout(1) is for a visit that hangs by itself.
visit() {
    local said status=0 account=${1#*@}
    [[ $1 == *@* ]] || account=$DOCUMENT
    said=$(timeout 60 $VISIT login "$account" "$KEYS/${1%@*}.pub") || status=$?
    ((status == 0)) || echo "call $N: $1: ${said:-nothing} (status $status)" >>/root/wrong
    echo "$said"
}
lets_in() { [[ $(visit "$1") == granted ]]; }

# holds USER: as a session that stays, of process ${held[USER]}
declare -A held=()
holds() {
    rm -f "/root/hold.$1"
    $VISIT hold $DOCUMENT "$KEYS/$1.pub" >"/root/hold.$1" 8>&- &
    held[$1]=$!
    disown
    wait_for test -s "/root/hold.$1"
    [[ $(<"/root/hold.$1") == granted ]]
}
let_go() {
    local pid
    for pid in "${held[@]}"; do
        ! alive "$pid" || kill -KILL "$pid"
    done
    held=()
}

# asks COMMAND...: cloudauthctl succeeds, in its deadline (CLOUD_CALL_LOGIN_MS) and half of it.
asks() { timeout 15 cloudauthctl "$@"; }

# What was done may have been answered by a call that failed.
rebound() { asks rebind ${DOCUMENT}_stg || [[ $(asks rebind ${DOCUMENT}_stg 2>&1) == *'no uid is bound'* ]]; }
undenied() { asks undeny --user dora || ! may_be_denied dora; }
may_be_denied() {
    local list
    list=$(asks deny --list) || return 0
    grep -q "$1" <<<"$list"
}

# The settings are in force in which there is no sFTP account.
reloads() { daemon_reload && [[ $(visit carla@${DOCUMENT}_sftp) == refused ]]; }

has_limit() { grep -qs 'max_seconds 3600' /run/cloudauth/sessions/*; }

# in_time COMMAND...: it succeeds, at once unless a call has failed. After that, in some seconds: no failure may last.
# at_last COMMAND...: it succeeds in some seconds
in_time() {
    "$@" >/dev/null 2>&1 && survives && return 0
    fired && at_last "$@" && return 0
    fired || echo "call $N: it does not: $*"
    return 1
}
at_last() {
    PAUSE=40 WAIT=20 wait_for survives_and "$@" && survives && return 0
    echo "call $N: in vain ($($VISIT failed)): $*"
    survives
    return 1
}
survives_and() { survives && "$@"; }

grants() { since | grep ' grant '; }
more_grants() { (($(grants | wc -l) > $1)); }

# stays_out PERSON WHY [AT_FIRST]: refused. AT_FIRST: by what a call that failed makes an outage, in which the last good
# document decides, PERSON is let in for some seconds, and the audit line says so.
stays_out() {
    local said before end=$((SECONDS + 20))
    while :; do
        before=$(grants | wc -l)
        said=$(visit "$1")
        [[ $said != refused ]] || return 0
        [[ $said == granted ]] || break
        wait_for more_grants "$before" || return 1
        [[ -n ${3-} && $(grants | tail -n 1) == *' source=cache '* && $SECONDS -lt $end ]] || break
        fired || break
    done
    echo "call $N: $1 enters: $2 ($($VISIT failed)): $(grants | tail -n 1)"
    return 1
}

# answers_no PERSON WHY [AT_FIRST]: stays_out, by an answer of a daemon that runs. A refusal for the call that fails is no
# answer, nor is one because the daemon has ended: then it is asked again.
answers_no() {
    local before=$ended may_fail=
    fired || may_fail=1
    stays_out "$@" && survives || return 1
    if ((ended != before)) || { [[ -n $may_fail ]] && fired; }; then
        stays_out "$@" && survives
    fi
}

descriptors() { find "/proc/$(daemon_pid)/fd" -mindepth 1 2>/dev/null | wc -l; }
few_descriptors() { (($(descriptors) <= MOST)); }

api_away() {
    if [[ -n ${HTTPS-} ]]; then nginx_stop; else mv "$ACCESS" "$ACCESS.away"; fi
}
api_back() {
    if [[ -n ${HTTPS-} ]]; then nginx_start; else mv "$ACCESS.away" "$ACCESS"; fi
}

# The daemon is killed and started again while the API is away: what it has said holds.
after_a_kill() {
    local before person
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    before=$(grep -cvE "$USUAL" /var/log/faulted.log) || true
    ((N != 0 || before == 0)) || { cat /var/log/faulted.log && return 1; }
    api_away
    daemon_start >/dev/null && disown -a
    stays_out alice "her key was removed" && stays_out stranger "after a restart" || return 1
    stays_out bob "he is denied" || return 1
    grep -q 'cannot be removed' /var/log/faulted.log ||
        stays_out carla@${DOCUMENT}_stg2 "its environment was removed" || return 1
    ! may_be_denied dora || { echo "call $N: a denial is back after $($VISIT failed)" && return 1; }
    for person in carla carla@${DOCUMENT}_stg; do
        lets_in "$person" || ((before > 0)) || {
            echo "call $N: the document for $person is lost after $($VISIT failed), and the log says nothing"
            return 1
        }
    done
    alive "${held[carla]}" || { echo "call $N: a session ended after $($VISIT failed)" && return 1; }
}
USUAL=' (grant|refuse|close|end|operator:) |serves |are open|settings reloaded '

# What the API takes back is gone, and what it changes holds; the same of what the operator does.
changes() {
    in_time holds alice && in_time holds carla || return 1
    mv "$ACCESS/$DOCUMENT/staging2.json" "$ACCESS/removed.json"
    cp -p /root/later/* "$ACCESS" && mv "$ACCESS"/{production,staging}.json "$ACCESS/$DOCUMENT" || return 1
    answers_no alice "her key was removed" at_first || return 1
    answers_no carla@${DOCUMENT}_stg2 "its environment was removed" at_first || return 1
    in_time rebound && at_last lets_in carla@${DOCUMENT}_stg || return 1
    in_time asks deny bob && stays_out bob "he is denied" || return 1
    in_time asks deny --user dora && in_time undenied || return 1
    at_last gone "${held[alice]}" && at_last has_limit || return 1
    settings "reserved_names = ${DOCUMENT}_sftp"
    at_last reloads && in_time lets_in carla
}

# try N KIND: everything with the N-th call of that kind failing.
try() {
    N=$1
    : >/root/wrong
    daemon_stop
    let_go
    rm -rf /run/cloudauth/sessions
    find $STATE -mindepth 1 -delete
    [[ -z ${HTTPS-} || -s /run/nginx.pid ]] || nginx_start
    rm -rf "$ACCESS" "$ACCESS.away" && cp -r "$PRISTINE" "$ACCESS"
    cp -p /root/first/* "$ACCESS/$DOCUMENT"
    settings
    faulted_start "$N" "$2"
    survives || return 1
    in_time lets_in alice && stays_out stranger "no document has the key" && survives || return 1
    in_time lets_in carla@${DOCUMENT}_stg && in_time lets_in carla@${DOCUMENT}_stg2 || return 1
    in_time lets_in carla@${DOCUMENT}_sftp && changes || return 1
    [[ -z ${MOST-} ]] || wait_for few_descriptors || { echo "call $N: $(descriptors) descriptors" && return 1; }
    survives || return 1
    [[ $N != 0 ]] || MOST=$(descriptors) CALLS=$($VISIT failed | cut -d' ' -f1)
    ! fired || failed=$((failed + 1))
    after_a_kill && api_back || return 1
    [[ ! -s /root/wrong ]] || { cat /root/wrong && return 1; }
}

# The calls of each kind, or of KIND (fail.h).
each_of_daemon() {
    local n kind step all=0 failed=0 ended=0 bad=0 lane=${LANE:-1/1}
    if [[ -n ${CALL-} ]]; then # some alone, once more
        for n in $CALL; do
            try "$n" "${KIND:-0}" || { cat /var/log/faulted.log && bad=1; }
            note "$($VISIT failed)"
        done
        return $bad
    fi
    for kind in ${KIND:-1 2 3}; do
        MOST=
        try 0 "$kind" || return 1
        all=$((all + CALLS)) step=$((CALLS / TRIES + 1))
        for ((n = 1 + (${lane%/*} - 1) * step; n <= CALLS; n += step * ${lane#*/})); do
            try $n "$kind" || bad=$((bad + 1))
        done
    done
    let_go
    note "$failed of $all calls of the daemon failed; it ended by itself $ended times, with a reason"
    ((bad == 0))
}

# each call of the daemon fails: no crash, no other key, no lost removal, denial or document, no descriptor left
test_daemon() {
    inject_up
    each_of_daemon
}

# the same with the API by https
test_daemon_https() {
    inject_up
    nginx_start
    install -m 644 /root/tls/ca.pem /etc/cloudauth/ca.pem # of Debian's, each costs 2,000 allocations
    HTTPS=1 TRIES=$((TRIES / 4 + 1))
    each_of_daemon
}

# each call that fail.c can fail is one that these programs make
test_rows() {
    inject_up
    LD_PRELOAD=$FAIL_SO visit alice
    LD_PRELOAD=$FAIL_SO visit alice@${DOCUMENT}_sftp
    N=0 ended=0 failed=0 MOST=
    try 0 0
    let_go
    same '' "$($VISIT unused)"
}
