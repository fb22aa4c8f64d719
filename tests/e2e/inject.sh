# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Each allocation and each system call fails once: of the daemon, over its start, logins, a denial, the
# writes of its state; of the NSS module, the helper and PAM, over a login. sandbox/fail.c makes them fail,
# sandbox/visit.c is sshd. INJECT=N tries N calls of the daemon of each kind, spread over all of them; make
# faults tries every one, CALL=N KIND=1 or 2 (fail.h) that one.

export FAIL_FILE=/run/fail FAIL_SO=/usr/local/lib/fail.so HELPER=/usr/libexec/cloudauth/cloud-authkeys
VISIT=/usr/local/bin/visit
STATE=/var/lib/cloudauth
TRIES=${INJECT:-8} # of allocations, and as many of other calls

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
    head -c 4096 /dev/zero >$FAIL_FILE
    chmod 666 $FAIL_FILE
    add_people
    printf '%s requisite pam_cloud.so\n' account session >/etc/pam.d/visit
}

# each_of WHAT PRELOADED [TEXT]: each call of it fails; visit says what is wrong.
each_of() {
    local said
    said=$(LD_PRELOAD=$2 $VISIT "$1" abcdefghij "$KEYS/alice.pub" "$KEYS/stranger.pub") || { echo "$said" && return 1; }
    note "$said${3-}"
}

# each call of the NSS module fails, with and without the daemon: never a name that is denied, nor another uid
test_nss() {
    inject_up
    known abcdefghij 200001
    wait_for snapshot_has abcdefghij
    each_of nss $FAIL_SO
    daemon_stop
    each_of nss $FAIL_SO ', without the daemon'
}

# each call of the helper fails: the answer is the key's line, or uncertain
test_helper() {
    inject_up
    HELPER=/usr/local/bin/helper-dynamic each_of helper ''
}

# each call of pam_cloud.so fails: no other key enters, and no descriptor is left
test_pam() {
    inject_up
    each_of pam $FAIL_SO
}

# ---- The daemon ----

# The document with alice and without her, and with bob and carla in both.
add_people() {
    ssh-keygen -q -t ed25519 -N '' -C carla -f "$KEYS/carla"
    jq -n '[inputs | {id: "u-\(.)", username: ., role: "admin"}]' < <(printf '"%s"\n' alice bob carla) >/root/people.json
    jq --slurpfile people /root/people.json --arg alice "$(<"$KEYS/alice.pub")" --arg bob "$(<"$KEYS/bob.pub")" \
        --arg carla "$(<"$KEYS/carla.pub")" '{$alice, $bob, $carla} as $keys |
        .users = ($people[0] | map(.ssh_keys = [{value: $keys[.username]}]))' \
        "$PRISTINE/$DOCUMENT/production.json" >/root/with.json
    jq '.users |= map(select(.username != "alice"))' /root/with.json >/root/without.json
    chmod 644 /root/with.json /root/without.json
    touch -d '10 seconds ago' /root/with.json
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
    ) &
    disown
    PAUSE=5 wait_for started
}
started() { [[ -s /run/cloudauthd.pid ]] && { [[ -s /run/faulted.status ]] || daemon_answers; }; }

# A daemon that has ended is started again, as systemd would, without a fault.
survives() {
    local status=0 pid
    pid=$(daemon_pid)
    alive "$pid" && return
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

# visit USER: prints granted or refused.
visit() { timeout 30 $VISIT login $DOCUMENT "$KEYS/$1.pub"; }

grants() { since | grep ' grant '; }
more_grants() { (($(grants | wc -l) > $1)); }

# stays_out USER WHY [AT_FIRST]: refused. AT_FIRST: by what a call that failed makes an outage, in which the last good
# document decides, USER is let in for some seconds, and the audit line says so.
stays_out() {
    local said before end=$((SECONDS + 20))
    while :; do
        before=$(grants | wc -l)
        said=$(visit "$1") || { echo "call $N: $said" && return 1; }
        [[ $said != refused ]] || return 0
        wait_for more_grants "$before" || return 1
        [[ -n ${3-} && $(grants | tail -n 1) == *' source=cache '* && $SECONDS -lt $end ]] || break
        fired || break
    done
    echo "call $N: $1 enters: $2 ($($VISIT failed)): $(grants | tail -n 1)"
    return 1
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
    local before said
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    before=$(grep -cvE ' (grant|refuse|close|deny) |serves |are open' /var/log/faulted.log) || true
    ((N != 0 || before == 0)) || { cat /var/log/faulted.log && return 1; }
    api_away
    daemon_start >/dev/null && disown -a
    stays_out alice "her key was removed" && stays_out stranger "after a restart" || return 1
    ((denied == 0)) || stays_out bob "he is denied" || return 1
    said=$(visit carla)
    if [[ $said != granted ]] && ((before == 0 && known)); then
        echo "call $N: the document is lost after $($VISIT failed), and the log says nothing"
        return 1
    fi
    api_back
}

# try N KIND: everything with the N-th call of that kind failing.
try() {
    local served=$ACCESS/$DOCUMENT/production.json
    N=$1 denied=0 known=0
    daemon_stop
    rm -rf /run/cloudauth/sessions
    find $STATE -mindepth 1 -delete
    [[ -z ${HTTPS-} || -s /run/nginx.pid ]] || nginx_start
    rm -rf "$ACCESS" "$ACCESS.away" && cp -r "$PRISTINE" "$ACCESS"
    cp -p /root/with.json "$served"
    faulted_start "$N" "$2"
    survives || return 1
    said=$(visit alice) || { echo "call $N: $said" && return 1; }
    survives && stays_out stranger "no document has the key" && survives || return 1
    cp -p /root/without.json "$served.new" && mv "$served.new" "$served"
    stays_out alice "her key was removed" at_first && survives || return 1
    [[ $(visit carla) != granted ]] || known=1
    survives || return 1
    ! timeout 30 cloudauthctl deny bob >/dev/null 2>&1 || denied=1
    survives || return 1
    ((denied == 0)) || stays_out bob "he is denied" || return 1
    [[ -z ${MOST-} ]] || wait_for few_descriptors || { echo "call $N: $(descriptors) descriptors" && return 1; }
    survives || return 1
    [[ $N != 0 ]] || MOST=$(descriptors) CALLS=$($VISIT failed | cut -d' ' -f1)
    ! fired || failed=$((failed + 1))
    after_a_kill
}

# The calls of both kinds, or of KIND (fail.h).
each_of_daemon() {
    local n kind step all=0 failed=0 ended=0 bad=0
    if [[ -n ${CALL-} ]]; then # one alone, once more
        try "$CALL" "${KIND:-0}"
        return
    fi
    for kind in ${KIND:-1 2}; do
        MOST=
        try 0 "$kind" || return 1
        all=$((all + CALLS)) step=$((CALLS / TRIES + 1))
        for ((n = 1; n <= CALLS; n += step)); do
            try $n "$kind" || bad=$((bad + 1))
        done
    done
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
    configure "access_url = https://localhost:$API_TLS_PORT/$API_PATH" 'keys_fresh = 0'
    HTTPS=1 TRIES=$((TRIES / 4 + 1))
    each_of_daemon
}
