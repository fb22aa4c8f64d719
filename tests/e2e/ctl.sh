# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What operators see and do with cloudauthctl, beside what sshd then does.

# shellcheck source=tests/sandbox/ctl.sh
. "$REPO/tests/sandbox/ctl.sh"
# shellcheck source=tests/sandbox/clocks.sh
. "$REPO/tests/sandbox/clocks.sh"

api_gone() { mv "$ACCESS" "$ACCESS.gone" && rm -rf "$ACCESS.gone"; }

daemon_killed() {
    local pid
    pid=$(daemon_pid)
    kill -KILL "$pid"
    wait_for gone "$pid"
    daemon_start
}

# ---- The frame -------------------------------------------------------------------------------------

# help, version, and command lines that make no sense
test_usage() {
    contains "$(ctl 0 help)" '^  explain '
    contains "$(ctl 0 --version)" '^cloudauthctl [0-9]'
    contains "$(ctl 2)" '^usage: cloudauthctl COMMAND'
    contains "$(ctl 2 frobnicate)" 'there is no command frobnicate'
    contains "$(ctl 2 lookup)" '^usage: cloudauthctl lookup'
    contains "$(ctl 2 explain abcdefghij)" '^usage: cloudauthctl explain'
    contains "$(ctl 2 deny)" '^usage: cloudauthctl deny'
    contains "$(ctl 2 doctor --frobnicate)" '^usage: cloudauthctl doctor'
    fails grep -q $'\x1b' <(ctl 2 sessions $'--\x1b[31m'; ctl 2 $'\x1b[31m')
}

# --json prints one object, also where a command fails; its `error` is the message then
test_json_failure() {
    local command said status
    contains "$(cloudauthctl rebind --json abcdefghij9 2>/dev/null || true)" '^[{]"error":"not-ours: it fits the grammar'
    daemon_stop
    for command in 'keys abcdefghij' 'rebind abcdefghij' 'deny alice' 'undeny alice' 'undeny --all' 'deny --list' status \
        sessions 'sessions --leftovers abcdefghij' 'sessions --end 0' 'sessions --end-user alice' 'lookup abcdefghij' \
        'refresh abcdefghij' confirm-absences "explain abcdefghij $KEYS/alice.pub" 'check /nowhere'; do
        status=0
        # shellcheck disable=SC2086 # words
        said=$(cloudauthctl $command --json 2>/root/said) || status=$?
        same "$command 3 object" "$command $status $(jq -r type <<<"$said")"
        same "$command: $(sed 's/^cloudauthctl: //' /root/said | paste -sd ';' | sed 's/;/; /g')" "$command: $(jq -r '.error // ""' <<<"$said")"
    done
    for command in 'explain abcdefghij SHA256:short' 'explain --from here abcdefghij /nowhere.pub' 'deny abcdefghij' \
        'metrics' 'hostkeys'; do
        # shellcheck disable=SC2086 # words
        same object "$(cloudauthctl $command --json 2>/root/said | jq -r type)"
        # shellcheck disable=SC2086 # words
        same 2 "$(cloudauthctl $command --json >/dev/null 2>&1 || echo $?)"
    done
    same '' "$(cloudauthctl keys --json 2>/dev/null)"
}

# a file of a key that cannot be read is no fault of the command line
test_key_file() {
    local command said
    for command in 'explain abcdefghij' 'deny --key' 'undeny --certificate' 'key add abcdefghij alice' 'key remove abcdefghij alice' \
        'env authority add abcdefghij'; do
        # shellcheck disable=SC2086 # words
        contains "$(ctl 3 $command /nowhere.pub)" '/nowhere.pub: .*No such file'
        # shellcheck disable=SC2086 # words
        said=$(ctl 3 $command --json /nowhere.pub 2>/dev/null | grep '^[{]')
        contains "$(jq -r '.error // ""' <<<"$said")" '^/nowhere.pub: .*No such file'
        # shellcheck disable=SC2086 # words
        contains "$(ctl 2 $command /etc/passwd)" '/etc/passwd: '
    done
}

# a private key in the place of a public one is refused by each command, as such, and is shown to none
test_private_key() {
    local command form said
    ssh-keygen -q -t ed25519 -N '' -C '' -f /root/openssh
    ssh-keygen -q -t rsa -b 4096 -m PEM -N '' -f /root/pem
    openssl genpkey -algorithm ed25519 -out /root/pkcs8 2>/dev/null
    printf 'PuTTY-User-Key-File-3: ssh-ed25519\nAAAAsecret\n' >/root/putty
    for form in openssh pem pkcs8 putty; do
        for command in 'explain abcdefghij' 'deny --key' 'deny --certificate' 'undeny --key' \
            'key add abcdefghij alice' 'key remove abcdefghij alice' 'env authority add abcdefghij' \
            'env authority remove abcdefghij'; do
            # shellcheck disable=SC2086 # words
            said=$(ctl 2 $command --json "/root/$form" 2>&1)
            contains "$said" "^cloudauthctl: /root/$form: a private key, .* give the public one, /root/$form.pub\$"
            fails grep -qF "$(sed -n 2p "/root/$form")" <<<"$said"
        done
    done
    said=$(ctl 2 explain -- abcdefghij "$(</root/pkcs8)")
    contains "$said" '^cloudauthctl: the key: a private key'
    fails grep -qF "$(sed -n 2p /root/pkcs8)" <<<"$said"
}

# settings that cannot be read are no fault of the command line
test_unreadable_settings() {
    local command
    echo 'keys_fresh = soon' >>"$CONF"
    for command in 'deny --environment abcdefghij' 'undeny --environment abcdefghij' 'env create abcdefghij_stg7' \
        'user add abcdefghij eve' "key add abcdefghij alice $KEYS/bob.pub" 'lookup abcdefghij' check; do
        # shellcheck disable=SC2086 # words
        contains "$(ctl 3 $command)" 'cloudauth.conf:[0-9]+: keys_fresh: '
    done
    # A denial that needs no settings is made.
    ctl 0 deny alice
    ctl 0 deny --environment abcdefghij/production
    contains "$(ctl 2 deny --environment nowhere/at/all)" 'PROJECT/ENVIRONMENT'
}

# bash: the installed file completes commands, verbs and options
test_complete_bash() {
    # shellcheck disable=SC2016 # expanded there
    local ask='. /usr/share/bash-completion/completions/cloudauthctl
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _cloudauthctl; echo "${COMPREPLY[*]}"'
    same 'deny doctor' "$(bash -c "$ask" _ cloudauthctl d)"
    same 'authority create mount set' "$(bash -c "$ask" _ cloudauthctl env '')"
    same '--until --user' "$(bash -c "$ask" _ cloudauthctl deny --u)"
    same /etc/passwd "$(bash -c "$ask" _ cloudauthctl check /etc/passw | tr ' ' '\n' | grep -x /etc/passwd)"
    same '' "$(bash -c "$ask" _ cloudauthctl lookup abc)"
}

# zsh: the same
test_complete_zsh() {
    # shellcheck disable=SC2016 # expanded there
    local ask='compadd() { shift; print -- $*; }; _files() { print files; }
        words=("$@") CURRENT=$#; . /usr/share/zsh/vendor-completions/_cloudauthctl'
    contains "$(zsh -fc "$ask" _ cloudauthctl d)" '^check confirm-absences deny doctor '
    same 'authority create mount set' "$(zsh -fc "$ask" _ cloudauthctl env '')"
    contains "$(zsh -fc "$ask" _ cloudauthctl deny --u)" '^--json --until '
    same files "$(zsh -fc "$ask" _ cloudauthctl check /etc/passw)"
    same '' "$(zsh -fc "$ask" _ cloudauthctl lookup abc)"
}

# ---- lookup ----------------------------------------------------------------------------------------

# every user may look a name up, and learns what it means or why there is no account
test_lookup() {
    same '200002 staging shell present' "$(as_nobody cloudauthctl lookup --json abcdefghij_stg |
        jq -r '"\(.uid) \(.environment) \(.kind) \(.state)"')"
    contains "$(ctl 0 lookup abcdefghij_stg_sftp)" '^shell: /usr/sbin/nologin$'
    contains "$(ctl 1 lookup abcdefghij_stg9)" '^reason: environment-absent$'
    contains "$(ctl 1 lookup ada)" '^reason: it does not fit the grammar'
    contains "$(ctl 1 lookup zzzzzzzzzz)" '^reason: .*no pattern of .allow'
    mv /etc/passwd /root/passwd
    same 'ls -l /etc/passwd' "$(field remedy 3 lookup abcdefghij_stg)"
    mv /root/passwd /etc/passwd
    same local "$(printf 'abcdefghij:x:1700:1700::/:/bin/sh\n' >>/etc/passwd && field state 1 lookup abcdefghij)"
    api_gone
    same unavailable "$(field state 3 lookup abcdefghij_stg2)"
    daemon_stop
    contains "$(ctl 3 lookup abcdefghij_stg)" '^reason: cloudauthd does not answer$'
    contains "$(ctl 3 lookup abcdefghij_stg)" '^remedy: cloudauthctl doctor abcdefghij_stg '
}

# in an outage lookup, keys and explain say why they know nothing of an account, and what to run; other users learn less
test_unavailable() {
    local why='Failed to connect to|Could not connect to server'
    enters alice abcdefghij
    configure "access_url = http://127.0.0.1:1/{project}/{environment}"
    daemon_stop
    daemon_start
    contains "$(ctl 3 keys abcdefghij_stg2)" "^cloudauthctl: unavailable: .*($why)"
    contains "$(ctl 3 keys abcdefghij_stg2)" '^cloudauthctl: cloudauthctl doctor abcdefghij_stg2 '
    contains "$(ctl 3 lookup abcdefghij_stg2)" "^reason: .*($why)"
    contains "$(field remedy 3 lookup abcdefghij_stg2)" '^cloudauthctl doctor abcdefghij_stg2 '
    contains "$(ctl 3 explain abcdefghij_stg2 "$KEYS/alice.pub")" "^document +no +.*($why)"
    contains "$(field remedy 3 explain abcdefghij_stg2 "$KEYS/alice.pub")" '^cloudauthctl doctor abcdefghij_stg2 '
    same unavailable "$(as_nobody cloudauthctl lookup --json abcdefghij_stg2 | jq -r .reason)"
    contains "$(cloudauthctl doctor abcdefghij_stg2)" "^api +BAD .*($why)"
}

# ---- check -----------------------------------------------------------------------------------------

# check: a tree of valid documents, a single document, and the tree by its URL
test_check_valid() {
    same 4 "$(ctl 0 check --json "$ACCESS" | jq '[.documents[] | select(.valid == "yes")] | length')"
    contains "$(ctl 0 check "$ACCESS/abcdefghij/staging.json")" '^carol +viewer .* role-too-low +role-too-low$'
    contains "$(ctl 0 check "$ACCESS/abcdefghij/staging.json")" 'forward-local +database.internal:3306'
    contains "$(ctl 0 check "file://$ACCESS/{project}/{environment}.json")" 'abcdefghij/staging2.json'
    contains "$(ctl 2 check https://localhost/x)" 'only files, directories and file://'
}

# check: broken documents, each with the place and the reason
test_check_broken() {
    local file=$ACCESS/abcdefghij/production.json
    printf '{"version": 1,\n  "project": "abcdefghij",,\n}\n' >"$file"
    same '2 27 not JSON' "$(field 'documents[0] | "\(.line) \(.column) \(.problem[:8])"' 1 check "$file")"
    cp "$PRISTINE/abcdefghij/production.json" "$file"
    document abcdefghij production '.access.ssh = 3'
    contains "$(ctl 1 check "$file")" 'access\.ssh: not a string'
    cp "$PRISTINE/abcdefghij/production.json" "$file"
    document abcdefghij production '.environment.name = "staging"'
    contains "$(ctl 1 check "$ACCESS")" 'environment\.name: not the one that was asked for'
    contains "$(ctl 3 check /nowhere/x.json)" 'cannot be read: No such file'
    as_nobody cloudauthctl check "$ACCESS/abcdefghij/staging.json"
    chmod 600 "$ACCESS/abcdefghij/staging.json"
    contains "$(as_nobody cloudauthctl check "$ACCESS/abcdefghij/staging.json" || true)" 'Permission denied'
}

# check warns of what is valid but has no effect on this host
test_check_warnings() {
    document abcdefghij staging '.account.uid = 200001 | .hosts = ["elsewhere"] |
        .users[0].ssh_keys[0].value = "ssh-dss AAAA" | .users[1].role = "owner" | .users[2].ssh_keys = 3'
    local said
    said=$(ctl 0 check "$ACCESS")
    contains "$said" 'uid.*200001'
    contains "$said" 'hosts. does not contain'
    contains "$said" 'users\[0\]\.ssh_keys\[0\]\.value: the key is a DSA key, which is not accepted \(alice\)'
    contains "$said" 'users\[2\]\.ssh_keys: not an array \(carol\)'
    contains "$said" 'unknown role, which may enter nowhere'
}

# a document's bytes reach neither the operator's terminal nor the JSON as control characters
test_check_foreign_bytes() {
    mkdir "$ACCESS/"$'evil\x1b[31m\xff\xfc\x84\x80\x80'
    cp "$ACCESS/abcdefghij/staging.json" "$ACCESS/"$'evil\x1b[31m\xff\xfc\x84\x80\x80/x".json'
    contains "$(ctl 1 check "$ACCESS")" 'evil\\x1b\[31m\\xff\\xfc\\x84\\x80\\x80/x"\.json'
    fails grep -q $'\x1b' <(cloudauthctl check "$ACCESS")
    jq -e . <(cloudauthctl check --json "$ACCESS") >/dev/null
}

# ---- confirm-absences ----------------------------------------------------------------------------------

withheld() { cloudauthctl confirm-absences --json | jq -r '.environments[].name'; }
absent_again() { [[ $(grep -c 'project API, abcdefghij/staging.*: answers again: absent$' /var/log/syslog) -eq $1 ]]; }

# many environments that turned absent at once are listed; those that are confirmed go, and no others
test_confirm_absences() {
    local n here status=0
    for n in {1..12}; do
        jq ".environment.name = \"staging$n\" | .account += {uid: $((200100 + n)), gid: $((200100 + n))}" \
            "$ACCESS/abcdefghij/staging.json" >"$ACCESS/abcdefghij/staging$n.json"
        known "abcdefghij_stg$n" $((200100 + n))
    done
    known abcdefghij 200001
    same '' "$(withheld)"
    mkdir /root/moved
    mv "$ACCESS"/abcdefghij/staging[0-9]*.json /root/moved
    cloudauthctl refresh --all || true
    same 9 "$(withheld | wc -l)"
    contains "$(cloudauthctl confirm-absences)" '^abcdefghij/staging.* withheld .*so many environments'
    contains "$(cloudauthctl status --json | jq -r '.findings[].remedy')" '^cloudauthctl confirm-absences'
    for n in $(withheld); do known "abcdefghij_stg${n#*staging}" $((200100 + ${n#*staging})); done
    # One that is back stays, and one that was not absent cannot be confirmed.
    here=$(withheld | head -n 1)
    here=${here#*staging}
    mv "/root/moved/staging$here.json" "$ACCESS/abcdefghij"
    contains "$(cloudauthctl confirm-absences "abcdefghij_stg$here" || true)" 'document'
    cloudauthctl confirm-absences abcdefghij >/root/out 2>&1 || status=$?
    same 1 "$status"
    contains "$(</root/out)" 'no answer that it is absent is withheld'
    same 8 "$(withheld | wc -l)"
    cloudauthctl confirm-absences --all >/root/out
    same 8 "$(grep -c 'absent' /root/out)"
    wait_for absent_again 8
    same '' "$(withheld)"
    same believed "$(cloudauthctl status --json | jq -r .absences)"
    for n in {1..12}; do ((n == here)) || unknown "abcdefghij_stg$n"; done
    known "abcdefghij_stg$here" $((200100 + here))
    known abcdefghij 200001
    enters alice abcdefghij
}

# ---- status, refresh, keys ---------------------------------------------------------------------------

# after a restart status lists what is on the disk, and refresh --all asks for it
test_status_after_restart() {
    enters alice abcdefghij
    known abcdefghij_stg 200002
    daemon_stop
    daemon_start
    wait_for same 2 "$(field documents 0 status)"
    contains "$(ctl 0 status --documents)" '^abcdefghij +production +abcdefghij +(asked|bound|fresh|aged)'
    ctl 0 refresh --all
    contains "$(ctl 0 status --documents)" '^abcdefghij +production +abcdefghij +fresh'
}

# status tells a program: 0 good, 1 something is wrong, 3 no answer; and only root may ask
test_status() {
    enters alice abcdefghij
    same 'good 1 1 0' "$(ctl 0 status --json |
        jq -r '"\(.health) \(.documents) \(.in_memory) \(.findings | length)"')"
    contains "$(ctl 0 status --documents)" '^abcdefghij +production +abcdefghij +fresh'
    same 3 "$(as_nobody cloudauthctl status >/root/said 2>&1 || echo $?)"
    contains "$(</root/said)" 'only root may ask'
    api_gone
    enters alice abcdefghij
    contains "$(ctl 1 status)" '^error: abcdefghij/production: '
    contains "$(ctl 1 status)" '^degraded +the last request failed for 1 environment, people enter until 20[0-9-]+ [0-9:]+ UTC; abcdefghij/production: '
    contains "$(ctl 1 status --documents)" '^abcdefghij +production +abcdefghij +failing'
    same "degraded findmnt -T $ACCESS" "$(field 'findings[0] | "\(.level) \(.remedy | split(";")[0])"' 1 status)"
    ctl 2 status --all
    daemon_stop
    contains "$(ctl 3 status)" 'does not answer'
}

has_aged() { (($(cloudauthctl status --json | jq .oldest_age) > 7)); }

# near TIME TIME: both are the same, but for the rounding of an age and of the clock.
near() {
    local apart=$(($(date -d "$1" +%s) - $(date -d "$2" +%s)))
    ((${apart#-} < 3)) || same "$1" "$2"
}

# in an outage status, its list and explain say until when people still enter, by the bound of each document
test_status_until() {
    local said until
    document abcdefghij staging '.max_stale_seconds = 1800'
    enters alice abcdefghij
    enters alice abcdefghij_stg
    fails grep -q until <(cloudauthctl status; cloudauthctl explain abcdefghij "$KEYS/alice.pub")
    api_gone
    enters alice abcdefghij
    enters alice abcdefghij_stg
    said=$(ctl 1 status --json --documents)
    jq -e '(.failing_last_until - .failing_until - 1800 | fabs < 300) and
        (.failing_last_until - now - 3600 | . <= 0 and . > -300) and
        ([.list[] | select(.state == "failing") | .until] | length == 2 and all(test("^20.* UTC$")))' <<<"$said"
    until=$(jq -r '.list[] | select(.environment == "staging") | .until' <<<"$said")
    near "$until" "$(field until 0 explain abcdefghij_stg "$KEYS/alice.pub")"
    near "$until" "$(ctl 1 status | sed -n 's/.*people enter until \([^,]*\), at the last of them until 20.* UTC; .*/\1/p')"
    near "$until" "$(page 1 | sed -n 's/^  failing_until *//p')"
    # It is a point in time: it does not move while the document ages.
    until=$(field failing_until 1 status)
    wait_for has_aged
    (($(field failing_until 1 status) - until < 3))
    configure 'max_stale = 0'
    daemon_reload
    wait_for refused alice abcdefghij
    fails grep -q 'until' <(cloudauthctl status; cloudauthctl explain abcdefghij "$KEYS/alice.pub")
}

# settings that cannot be read are critical: the daemon goes on, but sshd reads them for each login
test_status_settings() {
    local good
    good=$(</etc/cloudauth/cloudauth.conf)
    enters alice abcdefghij
    echo 'keys_fresh = soon' >>/etc/cloudauth/cloudauth.conf
    refused alice abcdefghij
    contains "$(ctl 1 status)" '^critical +/etc/cloudauth/cloudauth.conf:[0-9]+: keys_fresh: .*refuse cloud accounts'
    echo "$good" >/etc/cloudauth/cloudauth.conf
    enters alice abcdefghij
    ctl 0 status
}

# settings that the daemon alone can judge: a reload that was refused is critical until one is not
test_status_reload() {
    local good
    good=$(</etc/cloudauth/cloudauth.conf)
    sed -i 's|^access_url = .*|access_url = https://user:secret@localhost/{project}|' /etc/cloudauth/cloudauth.conf
    daemon_reload
    logged 'the settings were not reloaded'
    contains "$(ctl 1 status)" '^critical +the last reload was refused.*/etc/cloudauth/cloudauth.conf: access_url'
    enters alice abcdefghij
    echo "$good" >/etc/cloudauth/cloudauth.conf
    daemon_reload
    wait_for ctl 0 status
}

# page STATUS [ARGUMENT...]: status as a terminal of 80 columns shows it.
page() {
    local expected=$1 status=0
    shift
    script -qec "stty cols 80; TERM=dumb cloudauthctl status $*" /dev/null </dev/null >/root/page || status=$?
    tr -d '\r' </root/page
    same "$expected" $status
}

# on a terminal status is a page that ends with what is wrong and the command that repairs it
test_status_page() {
    local said section
    enters alice abcdefghij
    said=$(page 0)
    contains "$(head -n 1 <<<"$said")" "^cloudauthd [0-9.]+ on $(uname -n), up [0-9]+ (s|min): good$"
    for section in API Documents Snapshot Sessions; do
        contains "$said" "^$section$"
    done
    contains "$said" '^  fresh +1$'
    contains "$said" '^  oldest_age +[0-9]+ s$'
    contains "$said" '^  max_stale +1 h 0 min$'
    same 'Nothing is wrong.' "$(tail -n 1 <<<"$said")"
    echo rubbish >/var/lib/cloudauth/denials
    daemon_stop
    daemon_start
    said=$(page 1 --documents)
    contains "$(head -n 1 <<<"$said")" ': critical$'
    same '  # critical: the list of denials is damaged: every cloud account is refused' "$(tail -n 2 <<<"$said" | head -n 1)"
    eval "$(tail -n 1 <<<"$said")"
    enters alice abcdefghij
    contains "$(page 0 --documents)" '^abcdefghij +production +abcdefghij +fresh'
    document abcdefghij production '.environment.title = "\u001b[31mred" | .account.uid = 5'
    cloudauthctl refresh abcdefghij || true
    fails grep -q $'\x1b' <(page 1 --documents)
    api_gone
    cloudauthctl refresh abcdefghij || true
    contains "$(page 1 | tail -n 1)" '^  findmnt -T /srv/access; .*  # mount it, or '
    daemon_stop
    contains "$(page 3)" 'does not answer'
}

# a host_id may be a number
test_status_host_id() {
    configure 'host_id = 007'
    daemon_stop
    daemon_start
    contains "$(ctl 0 status)" '^host_id: 007$'
    same '"007"' "$(ctl 0 status --json | jq .host_id)"
}

# refresh asks the API at once, though the document is fresh, and says when it cannot
test_refresh() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 300'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    document abcdefghij production '.environment.status = "paused"'
    enters alice abcdefghij
    same paused "$(field 'environments[0].status' 0 refresh abcdefghij)"
    refused alice abcdefghij 'production is paused'
    same document "$(field 'environments[0].result' 0 refresh --all)"
    rm "$ACCESS/abcdefghij/production.json"
    same absent "$(field 'environments[0].result' 1 refresh abcdefghij)"
    contains "$(ctl 1 refresh nobodysname)" 'refused'
    ctl 0 refresh abcdefghij_stg
    nginx_stop
    contains "$(ctl 3 refresh abcdefghij_stg)" 'unavailable'
}

# keys lists every key with its verdict
test_keys() {
    local said
    said=$(ctl 0 keys abcdefghij_stg)
    contains "$said" '^alice .* SHA256:[^ ]+ +ssh-ed25519 +laptop +granted$'
    grep -qF "$(ssh-keygen -lf "$KEYS/alice.pub" | cut -d' ' -f2)" <<<"$said"
    contains "$said" '^carol .*role-too-low$'
    contains "$said" '^dave .* 2025-01-01 00:00:00 UTC +key-expired$'
    ctl 1 keys abcdefghij_stg2
    contains "$(ctl 1 keys abcdefghij_stg9)" 'absent: environment-absent'
    contains "$(ctl 1 keys ada)" 'not-ours'
}

# ---- explain -----------------------------------------------------------------------------------------

# agrees KEY LOGIN: what explain says is what sshd then does, with the same words.
agrees() {
    local said=0 did=1 token message output
    cloudauthctl explain --json "$2" "$KEYS/$1.pub" >/root/explained || said=$?
    token=$(jq -r .decision /root/explained) message=$(jq -r '.message // ""' /root/explained)
    mark
    if [[ $2 == *_sftp ]]; then
        # Not by sftp_batch, whose -q leaves out what the server says.
        output=$(timeout 60 sftp "${SSH_OPTIONS[@]}" -P "$SSH_PORT" -i "$KEYS/$1" -b - \
            "$2@127.0.0.1" 2>&1 <<<pwd) && did=0
    else
        output=$(login "$1" "$2@127.0.0.1" 'echo inside') && did=0
    fi
    [[ $did -eq 1 && $said -eq 3 ]] || same "$1 at $2: $said $token" "$1 at $2: $did $token"
    [[ -z $message ]] || grep -qF -- "$message" <<<"$output"
    case $token in
    not-ours | local-user | environment-absent | app-unknown | document-unusable | unavailable | not-this-host) ;;
    *) audit "(grant|refuse) account=$2 .*reason=$token" ;;
    esac
    note "explain $2 $1: $token, and so it was"
}

# explain agrees with sshd for every user and account
test_explain_agrees() {
    local person account
    for account in abcdefghij abcdefghij_sftp abcdefghij_stg abcdefghij_stg_sftp; do
        for person in alice bob carol dave-old-laptop media-agency stranger; do
            agrees $person $account
        done
    done
    for account in abcdefghij_stg2 abcdefghij_stg9 abcdefg123abc-smith-a12b34c zzzzzzzzzz \
        abcdefg123abc-smith-a12b34c--backoffice abcdefg123abc-smith-a12b34c--shop; do
        agrees alice $account
        agrees bob $account
    done
}

# a key of more people than its line can name opens nothing: the log says why, and so does explain
test_explain_too_many() {
    # shellcheck disable=SC2016 # of jq
    document abcdefghij production '(.users[] | select(.username == "alice")) as $a | .users = [range(17) as $i | $a |
        .id = "u\($i)" | .username = "user\($i)" | .from = ["127.0.0.1"]]'
    refused alice abcdefghij
    audit 'refuse account=abcdefghij .*reason=line-too-long source=api .*detail="more than 16 people share a key'
    same line-too-long "$(field decision 1 explain --from 127.0.0.1 abcdefghij "$KEYS/alice.pub")"
    same line-too-long "$(field decision 1 explain abcdefghij "$KEYS/alice.pub")"
    same '' "$(field message 1 explain abcdefghij "$KEYS/alice.pub")"
    contains "$(ctl 1 explain abcdefghij "$KEYS/alice.pub")" '^line +no +more than 16 people'
    document abcdefghij production 'del(.users[16])'
    same granted "$(field decision 0 explain --from 127.0.0.1 abcdefghij "$KEYS/alice.pub")"
    enters alice abcdefghij
}

# explain agrees with sshd in every state of an environment
test_explain_states() {
    local status
    for status in inactive paused deleting hibernating dirty; do
        document abcdefghij staging ".environment.status = \"$status\""
        agrees alice abcdefghij_stg
    done
    document abcdefghij production '.access = {ssh: "none", sftp: "none"}'
    agrees alice abcdefghij
    agrees alice abcdefghij_sftp
    document abcdefghij staging '.environment.status = "active" | .hosts = ["elsewhere"]'
    agrees alice abcdefghij_stg
    cp "$PRISTINE/abcdefghij/staging.json" "$ACCESS/abcdefghij/staging.json"
    ctl 0 deny --user alice
    agrees alice abcdefghij_stg
    agrees bob abcdefghij_stg
    api_gone
    agrees bob abcdefghij_stg
    agrees bob abcdefghij_stg2
    echo 'taken:x:200002:200002::/:/bin/sh' >>/etc/passwd
    agrees bob abcdefghij_stg
    same document-unusable "$(jq -r .decision /root/explained)"
}

# explain agrees with sshd where the shell is missing on the host
test_explain_shell() {
    local shell
    for shell in /no/such/shell /etc/passwd /bin; do
        document abcdefghij production ".account.shell = \"$shell\""
        same "shell-missing no $shell" "$(ctl 1 explain --json abcdefghij "$KEYS/alice.pub" |
            jq -r '"\(.decision) \(.rules[-1] | "\(.passed) \(.detail)")"')"
        refused alice abcdefghij
    done
    agrees alice abcdefghij_sftp
    document abcdefghij production '.account.shell = "/bin/bash"'
    agrees alice abcdefghij
}

# explain has the sentence that the client reads where a directory is missing on the host
test_explain_folders() {
    local directory=/app/abcdefghij_stg/pub/media
    agrees alice abcdefghij_stg_sftp
    mv "$directory" "$directory.away"
    agrees alice abcdefghij_stg_sftp
    same sftp-folders "$(jq -r .decision /root/explained)"
    contains "$(jq -r .message /root/explained)" 'the sFTP directory .* does not exist'
    agrees alice abcdefghij_stg
    ln -s media.away "$directory"
    agrees alice abcdefghij_stg_sftp
    contains "$(jq -r '.rules[-1].detail' /root/explained)" 'is a symbolic link'
    rm "$directory"
    mv "$directory.away" "$directory"
    agrees alice abcdefghij_stg_sftp
    same granted "$(jq -r .decision /root/explained)"
}

# explain agrees with sshd on nologin(5)
test_explain_nologin() {
    local file
    for file in /etc/nologin /run/nologin; do
        echo 'We are back at noon.' >$file
        same "nologin no $file" "$(ctl 1 explain --json abcdefghij "$KEYS/alice.pub" |
            jq -r '.decision + " " + (.rules[] | select(.rule == "nologin") | "\(.passed) \(.detail)")')"
        refused alice abcdefghij
        rm $file
        enters alice abcdefghij
    done
    # the file has no effect where pam_nologin is not in the stack
    touch /etc/nologin
    cp -a /etc/pam.d/sshd /root/sshd.pam
    sed -i '/pam_nologin/d' /etc/pam.d/sshd
    agrees alice abcdefghij
    same granted "$(jq -r .decision /root/explained)"
    cp -a /root/sshd.pam /etc/pam.d/sshd
    rm /etc/nologin
}

# explain checks an sFTP account's directories without the caller's groups, which sshd does not have either
test_explain_groups() {
    chmod 750 /app
    agrees alice abcdefghij_stg_sftp
    same sftp-folders "$(setpriv --groups 0 cloudauthctl explain --json abcdefghij_stg_sftp \
        "$KEYS/alice.pub" | jq -r .decision)"
    chmod 755 /app
    agrees alice abcdefghij_stg_sftp
}

# deny warns of a name that no document has
test_deny_nobody() {
    known abcdefghij_stg 200002
    known abcdefghij 200001
    contains "$(ctl 0 deny alcie 2>&1)" "warning: no document in the daemon's memory names the user alcie"
    same 2 "$(field documents 0 deny alice)"
    same 1 "$(field documents 0 deny --environment abcdefghij_stg)"
    same 0 "$(cloudauthctl deny --json abcdefghij/nowhere 2>/dev/null | jq .documents)"
    same 2 "$(field documents 0 deny "$KEYS/alice.pub")"
    same 5 "$(cloudauthctl deny --list --json | jq '.denials | length')"
    [[ -z $(cloudauthctl deny alice 2>&1 >/dev/null) ]]
    ctl 0 undeny --all
}

# env create makes the home directory, but not below a directory of another user
test_env_home() {
    rm -rf "$ACCESS/abcdefghij" /app /srv/homes
    configure 'homes = /app/* /srv/homes/* /srv/homes/*/* /srv/homes/*/*/*'
    ctl 0 env create --uid 200001 abcdefghij
    same '0:0 755' "$(stat -c '%u:%g %a' /app)"
    same '200001:200001 750' "$(stat -c '%u:%g %a' /app/abcdefghij)"
    # What is there stays as it is.
    install -d -m 711 -o 1500 /srv/homes /srv/homes/there
    ctl 0 env create --home /srv/homes/there abcdefghij_stg
    same '1500 711' "$(stat -c '%u %a' /srv/homes/there)"
    ln -s /etc /srv/homes/link
    contains "$(ctl 0 env create --home /srv/homes/new abcdefghij_stg2 2>&1)" "another user than root may write"
    contains "$(ctl 0 env create --home /srv/homes/new/er abcdefghij_stg3 2>&1)" "another user than root may write"
    contains "$(ctl 0 env create --home /srv/homes/link/x/y abcdefghij_stg4 2>&1)" "another user than root may write"
    [[ ! -e /srv/homes/new && ! -e /etc/x ]]
}

# a user who may write in the directory of the documents, and swaps a new one at once, has no directory made elsewhere
test_env_home_swapped() {
    local i file=$ACCESS/abcdefghij/production.json
    rm -rf "${ACCESS:?}" /app
    install -d -o 65534 -g 65534 "$ACCESS" "$ACCESS/abcdefghij"
    for i in {1..5}; do
        echo '{"account": {"uid": "65534 /root/theirs", "gid": 65534, "home": "/root/home"}}' >"$ACCESS/other"
        # shellcheck disable=SC2016 # variables of perl
        as_nobody timeout 60 perl -e '1 until -e $ARGV[1]; rename $ARGV[0], $ARGV[1]' "$ACCESS/other" "$file" &
        ctl 0 env create abcdefghij
        wait $!
        rm "$file"
    done
    [[ ! -e /root/theirs && ! -e /root/home ]]
    test -d /app/abcdefghij
}
# explain prints each rule in its order, and takes a key, a fingerprint or a file
test_explain_rules() {
    local fingerprint
    fingerprint=$(ssh-keygen -lf "$KEYS/carol.pub" | cut -d' ' -f2)
    same 'name=yes not-local=yes document=yes hosts=yes app=yes key=yes certificate=yes denied=yes status=yes expiry=yes begin=yes from=yes role=no require=yes' \
        "$(ctl 1 explain --json abcdefghij_stg "$fingerprint" | jq -r '[.rules[] | "\(.rule)=\(.passed)"] | join(" ")')"
    same role-too-low "$(field decision 1 explain abcdefghij_stg "$(<"$KEYS/carol.pub")")"
    same "$fingerprint" "$(field fingerprint 1 explain abcdefghij_stg "$KEYS/carol.pub")"
    same name=no "$(ctl 1 explain --json ada "$fingerprint" | jq -r '[.rules[] | "\(.rule)=\(.passed)"] | join(" ")')"
    contains "$(ctl 2 explain abcdefghij SHA256:short)" 'fingerprint'
    contains "$(ctl 2 explain abcdefghij /etc/passwd)" '/etc/passwd: '
    daemon_stop
    contains "$(ctl 3 explain abcdefghij "$fingerprint")" 'does not answer'
}

# ---- deny --------------------------------------------------------------------------------------------

# a denied key, user or environment is refused at the next login, with a message; undeny removes the denial
test_deny() {
    document abcdefghij production '.users[0].ssh_keys |= map(select(.title == "laptop"))'
    enters alice abcdefghij
    ctl 0 deny --reason 'laptop stolen' "$KEYS/alice.pub"
    refused alice abcdefghij 'access is denied by the operator of this host'
    audit 'refuse account=abcdefghij .*user=alice .*reason=denied'
    contains "$(ctl 0 deny --list)" '^key +SHA256:.*laptop stolen$'
    ctl 0 undeny "$KEYS/alice.pub"
    enters alice abcdefghij
    ctl 0 deny alice
    refused alice abcdefghij 'denied by the operator'
    refused alice-desktop abcdefghij_stg
    refused alice abcdefghij_sftp
    enters bob abcdefghij_stg
    ctl 0 undeny alice
    ctl 0 deny abcdefghij/staging
    refused bob abcdefghij_stg 'denied by the operator'
    enters alice abcdefghij
    ctl 0 undeny --environment abcdefghij_stg
    enters bob abcdefghij_stg
    contains "$(ctl 1 undeny alice)" 'there is no such denial'
}

bob_may_enter() { ! cloudauthctl deny --list | grep -q bob; }

# a second denial of a subject replaces the first, and says what it replaced
test_deny_again() {
    enters alice abcdefghij
    enters bob abcdefghij_stg
    same '[]' "$(field 'replaced | tostring' 0 deny --until 2h --reason 'ticket 41' alice)"
    contains "$(ctl 0 deny --until 2030-01-01T00:00:00Z alice)" '^user +alice +20[0-9-]+ [0-9:]+ UTC +20[0-9-]+ [0-9:]+ UTC +ticket 41$'
    same 'user alice 2030-01-01 00:00:00 UTC ' "$(field 'replaced[] | "\(.kind) \(.subject) \(.until) \(.reason)"' 0 deny --reason 'ticket 42' alice)"
    same '1 ticket 42' "$(field 'denials | "\(length) \(.[0].reason)"' 0 deny --list)"
    fails grep replaces <(cloudauthctl deny abcdefghij/staging; cloudauthctl deny bob)
    # What is over is not replaced.
    same 1 "$(field 'replaced | length' 0 deny --until 1s bob)"
    wait_for bob_may_enter
    same '[]' "$(field 'replaced | tostring' 0 deny bob)"
    ctl 0 undeny --all
}

# a denial that the disk refuses holds until the daemon ends; a removal that it refuses removes nothing
test_deny_disk() {
    enters alice abcdefghij
    mkdir /var/lib/cloudauth/denials
    contains "$(ctl 3 deny alice)" 'not-kept: the denial is in force, but not on the disk \(the list of .*: Is a dir'
    contains "$(ctl 3 undeny alice)" 'not-kept: the denial stays in force: the list of denials cannot be written: '
    contains "$(ctl 3 undeny --all)" 'not-kept: all denials stay in force: the list of denials cannot be written: '
    refused alice abcdefghij 'denied by the operator'
}

# deny refuses a login name without an option: it could mean a user or an environment
test_deny_login_name() {
    contains "$(ctl 2 deny abcdefghij)" 'abcdefghij is a login name of this host: add --environment or --user'
    contains "$(ctl 2 undeny abcdefghij_stg)" 'is a login name of this host'
    same 0 "$(cloudauthctl deny --list --json | jq '.denials | length')"
    ctl 0 deny --environment abcdefghij
    refused alice abcdefghij 'denied by the operator'
    ctl 0 deny --user abcdefghij
    echo 'nonsense = 1' >>"$CONF"
    ctl 0 deny abcdefghij_stg
}

# a denied key does not prevent its user from entering with another key
test_deny_other_key() {
    ctl 0 deny "$KEYS/alice.pub"
    enters alice abcdefghij -i "$KEYS/alice-desktop"
}

# a denial holds in an outage, and after the daemon is killed
test_deny_outage() {
    enters alice abcdefghij
    enters bob abcdefghij_stg
    api_gone
    ctl 0 deny --user alice
    refused alice abcdefghij 'denied by the operator'
    enters bob abcdefghij_stg
    daemon_killed
    refused alice abcdefghij 'denied by the operator'
    enters bob abcdefghij_stg
    ctl 0 undeny alice
    daemon_killed
    enters alice abcdefghij
}

# a denial that was answered survives when the daemon is killed: ten times
test_deny_killed() {
    local i
    for i in 1 2 3 4 5 6 7 8 9 10; do
        ctl 0 deny --user "user$i"
        kill -KILL "$(daemon_pid)"
        wait_for gone "$(daemon_pid)"
        daemon_start
    done
    same 10 "$(cloudauthctl deny --list --json | jq '.denials | length')"
}

# no service may use the account of a denied environment, with or without a daemon
test_deny_service() {
    enters alice abcdefghij
    wait_for snapshot_has abcdefghij
    su -s /bin/sh abcdefghij -c true
    ctl 0 deny abcdefghij/production
    fails su -s /bin/sh abcdefghij -c true
    audit 'refuse account=abcdefghij .*service=su .*reason=denied'
    wait_for snapshot_has abcdefghij
    daemon_stop
    fails su -s /bin/sh abcdefghij -c true
    daemon_start
    ctl 0 undeny abcdefghij/production
    su -s /bin/sh abcdefghij -c true
}

# a denial that is written between PAM's account step and its session refuses the session
test_deny_late() {
    local login output
    make_homes # other tests remove them
    cp -a /etc/pam.d/sshd /root/sshd.pam
    trap 'cp -a /root/sshd.pam /etc/pam.d/sshd' EXIT
    sed -i "1i session optional pam_exec.so $(command -v cloudauthctl) deny alice" /etc/pam.d/sshd
    for login in abcdefghij abcdefghij_sftp; do
        mark
        output=$(login alice $login@127.0.0.1 'echo inside' </dev/null || true)
        fails contains "$output" inside
        contains "$output" 'denied by the operator'
        audit "refuse account=$login .*user=alice .*key=SHA256:.* reason=denied"
        ctl 0 undeny --all
    done
    same 0 "$(field open_sessions 0 status)"
}

# deny --until: the denial ends by itself
test_deny_until() {
    clocks_up
    clocks 0 0
    daemon_stop
    CLOUDAUTHD=/root/cloudauthd daemon_start
    ctl 0 deny --user --until 10m alice
    refused alice abcdefghij 'denied by the operator'
    clocks 600 600
    enters alice abcdefghij
    same '0 0' "$(cloudauthctl deny --list --json | jq '.denials | length') $(field denials 0 status)"
    contains "$(ctl 2 deny --until yesterday alice)" 'neither a time to come'
    contains "$(ctl 2 deny --until 2001-01-01T00:00:00Z alice)" 'neither a time to come'
    ctl 0 deny --until 2099-01-01T00:00:00Z alice
    contains "$(ctl 0 deny --list)" '2099-01-01 00:00:00 UTC'
}

# a damaged list of denials: every cloud account is refused, local users are not, undeny --all repairs it
test_deny_damaged() {
    ctl 0 deny --user bob
    daemon_stop
    sed -i 's/bob/bub/' /var/lib/cloudauth/denials
    daemon_start
    refused alice abcdefghij 'denied by the operator'
    enters stranger ada
    contains "$(ctl 1 status)" '^denials_file: damaged$'
    contains "$(ctl 1 deny carol)" 'damaged'
    contains "$(ctl 1 undeny bob)" 'damaged'
    contains "$(ctl 1 deny --list)" 'the list of denials is damaged: it is not known who is denied'
    same false "$(cloudauthctl deny --list --json 2>/root/said | jq 'has("denials")')"
    ctl 0 undeny --all
    same '' "$(ctl 0 deny --list)"
    enters alice abcdefghij
}

# a certificate that ends within two days is critical, and the remedy shows which one it is
test_status_expiry() {
    openssl req -x509 -newkey ed25519 -nodes -keyout /root/key.pem -subj /CN=x -days 1 -out /root/ca.pem 2>/root/said
    install -m 644 /root/ca.pem /etc/cloudauth/ca.pem
    configure 'ca_file = /etc/cloudauth/ca.pem'
    daemon_reload
    contains "$(ctl 1 status --json | jq -r '.findings[] | "\(.level) \(.finding): \(.remedy)"')" \
        '^critical a certificate of ca_file ends soon: .* UTC: openssl storeutl .* /etc/cloudauth/ca.pem '
    # It may be any of the file's certificates.
    cat /root/ca.pem >>/etc/cloudauth/ca.pem
    same 2 "$(eval "$(ctl 1 status --json | jq -r '.findings[] | select(.finding | test("ca_file")) | .remedy')" |
        grep -c 'Not After')"
    rm /etc/cloudauth/ca.pem
}

# ---- env, user, key ----------------------------------------------------------------------------------

# an embedded API from nothing: an environment, a user and a key open a login; without the key it is refused
test_embedded_api() {
    rm -rf "${ACCESS:?}"
    configure 'homes = /app/* /srv/*'
    daemon_reload
    ctl 0 env create --title 'Live' abcdefghij
    install -d -o 200000 -g 200000 /app/abcdefghij
    refused stranger abcdefghij
    ctl 0 user add --role admin abcdefghij eve
    ctl 0 key add --title 'new laptop' --expires 2099-01-01T00:00:00Z abcdefghij eve "$KEYS/stranger.pub"
    enters stranger abcdefghij
    contains "$(ctl 0 check "$ACCESS/abcdefghij/production.json")" '^eve +admin +SHA256:.* new laptop +2099-01-01'
    contains "$(ctl 0 check)" '^.*/abcdefghij/production.json +yes +abcdefghij +active +200000 +1 +1$'
    ctl 0 key remove abcdefghij eve "$(ssh-keygen -lf "$KEYS/stranger.pub" | cut -d' ' -f2)"
    refused stranger abcdefghij
    ctl 0 key add abcdefghij/production eve "$(<"$KEYS/stranger.pub")"
    enters stranger abcdefghij
    ctl 0 user remove abcdefghij eve
    refused stranger abcdefghij
    ctl 0 env create --uid 200005 --home /srv/x --shell /bin/sh abcdefghij_stg
    same '200005 200005 /srv/x /bin/sh' "$(ctl 0 lookup --json abcdefghij_stg | jq -r '"\(.uid) \(.gid) \(.home) \(.shell)"')"
    ctl 0 env create abcdefghij_stg2
    same 200006 "$(field uid 0 lookup abcdefghij_stg2)"
}

# env mount gives an sFTP account a directory, and takes it again
test_embedded_mount() {
    rm -rf "${ACCESS:?}" /app
    ctl 0 env create abcdefghij
    ctl 0 user add abcdefghij eve --role sftp
    ctl 0 key add abcdefghij eve "$KEYS/stranger.pub"
    fails sftp_batch stranger abcdefghij_sftp <<<ls
    audit 'refuse account=abcdefghij_sftp .*no directories are listed'
    ctl 0 env mount add abcdefghij pub/media --writable
    ctl 0 env mount add abcdefghij var
    runuser -u abcdefghij -- mkdir -p /app/abcdefghij/pub/media /app/abcdefghij/var
    same $'mount-writable pub/media\nmount var' "$(mounts)"
    contains "$(sftp_batch stranger abcdefghij_sftp <<<$'mkdir pub/media/new\nls -1 pub/media')" '^pub/media/new'
    contains "$(ctl 1 env mount add abcdefghij var)" 'var is listed already'
    contains "$(ctl 1 env mount add abcdefghij ../x)" 'sftp.mounts\[2\].path'
    contains "$(ctl 1 env mount add abcdefghij var/log)" 'sftp.mounts'
    contains "$(ctl 1 env mount add abcdefghij_stg var)" 'no such environment'
    contains "$(ctl 1 env mount remove abcdefghij_stg var)" 'no such environment'
    ctl 0 env mount remove abcdefghij pub/media
    contains "$(ctl 1 env mount remove abcdefghij pub/media)" 'there is no mount pub/media'
    contains "$(sftp_batch stranger abcdefghij_sftp <<<$'ls -1')" '^var'
    ctl 2 env mount add abcdefghij
    ctl 2 env mount
    # PHP writes an empty object as [].
    document abcdefghij production '.sftp = []'
    ctl 0 env mount add abcdefghij pub/media
    same 'mount pub/media' "$(mounts)"
}

# env authority accepts the certificates of a key, and env set says how long sessions last and how people authenticate
test_embedded_members() {
    local require file=$ACCESS/abcdefghij/production.json
    rm -rf "${ACCESS:?}" /app
    ssh-keygen -q -t ed25519 -N '' -f /root/ca
    ssh-keygen -q -s /root/ca -I eve -n eve -z 7 -V +1h "$KEYS/stranger.pub"
    ctl 0 env create abcdefghij
    ctl 0 user add abcdefghij eve
    refused stranger abcdefghij
    contains "$(ctl 2 env authority add abcdefghij "$(ssh-keygen -lf /root/ca.pub | cut -d' ' -f2)")" 'the key itself is needed'
    contains "$(ctl 2 env authority add abcdefghij "$KEYS/stranger-cert.pub")" 'a certificate, not a key'
    ctl 0 env authority add --title certifier --grant OPS-71 abcdefghij /root/ca.pub
    enters stranger abcdefghij
    audit 'grant account=abcdefghij .*user=eve .*cert=7 .*grant-reason=OPS-71'
    contains "$(ctl 1 env authority add abcdefghij /root/ca.pub)" 'has that authority already'
    ctl 0 env set --max-seconds 3600 --idle-seconds=600 --amr mfa,pwd --max-age 900 abcdefghij
    same '[{"max_seconds":3600,"idle_seconds":600},{"require":{"amr":["mfa","pwd"],"max_age":900}}]' \
        "$(jq -c '[.session | {max_seconds, idle_seconds}] + [.access | {require: {amr: .require.amr, max_age: .require.max_age}}]' "$file")"
    refused stranger abcdefghij
    contains "$(ctl 1 env set --max-seconds 5 abcdefghij)" 'session'
    contains "$(ctl 1 env set --amr none --max-age ten abcdefghij)" 'ten: not a number'
    contains "$(ctl 2 env set abcdefghij)" 'nothing is to be set'
    ctl 0 env set --idle-seconds none --amr none abcdefghij
    ctl 0 env set --max-age none abcdefghij
    same '[{"max_seconds":3600},null]' "$(jq -c '[.session, .access]' "$file")"
    enters stranger abcdefghij
    ctl 0 env authority remove abcdefghij "$(ssh-keygen -lf /root/ca.pub | cut -d' ' -f2)"
    refused stranger abcdefghij
    contains "$(ctl 1 env authority remove abcdefghij /root/ca.pub)" 'there is no authority SHA256:'
    rm "$KEYS/stranger-cert.pub"
    document abcdefghij production '.session = "for ever"' # closes what it limits, and is not removed by the way
    contains "$(ctl 1 env set --max-seconds 600 abcdefghij)" 'session is no object'
    ctl 0 env set --amr mfa abcdefghij
    same '["for ever",["mfa"]]' "$(jq -c '[.session, .access.require.amr]' "$file")"
    # With a requirement that cannot be read no person enters, and no other setting changes that.
    for require in '{}' '[]' '{"amr":[]}' '"mfa"'; do
        document abcdefghij production "del(.session) | .access.require = $require"
        ctl 0 env set --max-seconds 3600 abcdefghij
        contains "$(ctl 1 env set --amr none abcdefghij)" 'access.require.*; repair it first'
        contains "$(ctl 1 env set --max-age 60 abcdefghij)" 'access.require.*; repair it first'
        same "[3600,$require]" "$(jq -c '[.session.max_seconds, .access.require]' "$file")"
    done
}
mounts() { ctl 0 check "$ACCESS/abcdefghij/production.json" --json | jq -r '.grants[] | "\(.grant) \(.value)"'; }

# check names members that no host reads, such as a misspelt one, wherever they are
test_check_unknown() {
    local file=$ACCESS/abcdefghij/production.json said
    document abcdefghij production '.sftp.mounts[0].writeable = true | .users[1].ssh_keys[0].expires = "x" |
        .account.user = 1 | .account["uid gid"] = 1 | .apps = {"path": {"acess": {}}} | .["a\nb"] = {}'
    said=$(ctl 0 check "$file")
    contains "$said" 'sftp.mounts\[0\].writeable: unknown member'
    contains "$said" 'users\[1\].ssh_keys\[0\].expires: unknown member'
    contains "$said" 'account.user: unknown member'
    contains "$said" 'account.uid gid: unknown member'
    contains "$said" 'apps.path.acess: unknown member'
    contains "$said" 'the document: unknown member'
    same 6 "$(grep -c 'unknown member' <<<"$said")"
    fails contains "$(ctl 0 check "$REPO/etc/examples/access")" 'unknown member'
}

# options may stand behind the arguments, in every command that has some
test_options_behind() {
    ctl 0 check "$ACCESS" -c "$CONF"
    ctl 0 deny alice --until 1h --reason test
    ctl 0 undeny alice --user
    rm -rf "${ACCESS:?}"
    ctl 0 env create abcdefghij --uid 200042 --shell /bin/sh
    ctl 0 user add abcdefghij eve --role admin --mail e@example.com
    ctl 0 key add abcdefghij eve "$KEYS/stranger.pub" --title 'new laptop'
    contains "$(ctl 0 check --json)" '"new laptop"'
    known abcdefghij 200042
    ctl 0 rebind abcdefghij --dry-run
    ctl 2 user add abcdefghij eve --rule admin
    ctl 2 check "$ACCESS" -c
}

# with any umask of root, the daemon can read new documents and accounts can reach their homes
test_embedded_umask() {
    rm -rf "${ACCESS:?}" /app
    umask 077
    ctl 0 env create abcdefghij
    ctl 0 user add abcdefghij eve
    ctl 0 key add abcdefghij eve "$KEYS/stranger.pub"
    enters stranger abcdefghij
    same /app/abcdefghij "$(as stranger abcdefghij pwd)"
}

# key and user remove every occurrence
test_embedded_twice() {
    document abcdefghij staging '.users[0].ssh_keys += [.users[0].ssh_keys[0] | .title = "again"] |
        .users += [.users[0] | .id = "other"]'
    enters alice abcdefghij_stg
    ctl 0 key remove abcdefghij_stg alice "$KEYS/alice.pub"
    refused alice abcdefghij_stg
    enters alice-desktop abcdefghij_stg
    ctl 0 user remove abcdefghij_stg alice
    refused alice-desktop abcdefghij_stg
    contains "$(ctl 1 user remove abcdefghij_stg alice)" 'there is no user alice'
}

# a document with a member that is given twice, which hosts close, is not written anew with one of them
test_embedded_given_twice() {
    local members twice before file=$ACCESS/abcdefghij/staging.json
    while IFS='|' read -r members twice; do
        jq -c 'del(.session, .access)' "$PRISTINE/abcdefghij/staging.json" | sed "s/\"users\":/$members,&/" >"$file"
        before=$(sha256sum "$file")
        contains "$(ctl 1 user add abcdefghij_stg frank)" "staging.json: $twice: given twice"
        contains "$(ctl 1 key remove abcdefghij_stg alice "$KEYS/alice.pub")" "staging.json: $twice: given twice"
        contains "$(ctl 1 env set --max-seconds 3600 --amr pwd abcdefghij_stg)" "staging.json: $twice: given twice"
        same "$before" "$(sha256sum "$file")"
    done <<'END'
"session":{"max_seconds":60,"max_seconds":90000}|session.max_seconds
"session":{"max_seconds":5,"idle_seconds":60,"idle_seconds":90000}|session.idle_seconds
"access":{"require":{"amr":["mfa"]},"requir\\u0065":null}|access.require
"hosts":["h"],"hosts":[]|hosts
"apps":{"a":{"access":{"ssh":"admin"}},"a":{}}|apps.a
END
    jq -c '.users[0].ssh_keys[1].from = ["192.0.2.1"]' "$PRISTINE/abcdefghij/staging.json" | sed 's/"from":\["192.0.2.1"]/&,"from":null/' >"$file"
    contains "$(ctl 1 user add abcdefghij_stg frank)" 'staging.json: users\[0].ssh_keys\[1].from: given twice'
}

# a change that would make a document invalid, or unusable on this host, is not written
test_embedded_refused() {
    local before file=$ACCESS/abcdefghij/staging.json
    before=$(sha256sum "$file")
    contains "$(ctl 1 env create abcdefghij_stg)" 'is there already'
    contains "$(ctl 1 env create --uid 200001 abcdefghij_stg5)" 'uid 200001 belongs to environment production'
    contains "$(ctl 1 env create --uid 5 abcdefghij_stg5)" 'range'
    contains "$(ctl 1 env create --home relative abcdefghij_stg5)" 'account.home: .*'
    contains "$(ctl 1 env create --home /etc/cron.d abcdefghij_stg5)" 'does not allow /etc/cron.d'
    contains "$(ctl 1 user add abcdefghij_stg alice)" 'there is a user alice already'
    contains "$(ctl 1 user add --id 'not an id' abcdefghij_stg frank)" 'users.*id: not 1 to 128'
    contains "$(ctl 2 user add --role amdin abcdefghij_stg frank)" 'role amdin: not a role'
    contains "$(ctl 1 user remove abcdefghij_stg frank)" 'there is no user frank'
    contains "$(ctl 1 key add abcdefghij_stg alice "$KEYS/alice.pub")" 'has that key already'
    contains "$(ctl 2 key add abcdefghij_stg alice /etc/passwd)" '/etc/passwd'
    contains "$(ctl 2 key add --expires tomorrow abcdefghij_stg alice "$KEYS/bob.pub")" 'not a time'
    contains "$(ctl 1 key remove abcdefghij_stg alice "$KEYS/stranger.pub")" 'does not have the key'
    contains "$(ctl 1 user add abcdefghij_stg9 alice)" 'no such environment'
    contains "$(ctl 2 env create ../../etc/passwd)" 'not PROJECT/ENVIRONMENT'
    same "$before" "$(sha256sum "$file")"
    fails test -e "$ACCESS/abcdefghij/staging5.json"
    contains "$(as_nobody cloudauthctl user add abcdefghij_stg frank 2>&1 || true)" 'Permission denied'
    same "$before" "$(sha256sum "$file")"
    echo '{' >"$file"
    contains "$(ctl 1 user add abcdefghij_stg frank)" 'as it stands it is invalid'
    cp "$PRISTINE/abcdefghij/staging.json" "$file"
    document abcdefghij staging '.users[1] = "bob" | .users[2].ssh_keys = 3'
    contains "$(ctl 1 user add --id 'not an id' abcdefghij_stg frank)" 'it would be left out: users.*id: not 1 to 128'
    contains "$(ctl 1 key add abcdefghij_stg carol "$KEYS/stranger.pub")" 'ssh_keys is not a list'
    ctl 0 user add abcdefghij_stg frank
    document abcdefghij staging '.users = {}'
    contains "$(ctl 1 user add abcdefghij_stg frank)" 'users is not a list'
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    contains "$(ctl 1 user add abcdefghij_stg frank)" 'only file://'
}

# The wait for the lock is bounded, and so is the number of times that it is tried here.
adds() {
    for _ in {1..5}; do
        ! cloudauthctl user add abcdefghij_stg "$1" || return 0
    done
    return 1
}

# thirty changes at a time: none is lost, unknown members stay, a reader never sees half a document
test_embedded_parallel() {
    local i file=$ACCESS/abcdefghij/staging.json watcher
    document abcdefghij staging '. + {"of_tomorrow": {"a": [1, 2.5, null]}}'
    (
        until [[ -e /root/added ]]; do
            jq -e .version "$file" >/dev/null || echo broken >>/root/broken
        done
    ) &
    watcher=$!
    for i in {1..30}; do
        adds "user$i" >/dev/null &
    done
    for i in $(jobs -p); do
        [[ $i == "$watcher" ]] || wait "$i"
    done
    touch /root/added
    wait "$watcher"
    same 30 "$(jq '[.users[] | select(.username | startswith("user"))] | length' "$file")"
    same '{"a":[1,2.5,null]}' "$(jq -c .of_tomorrow "$file")"
    fails test -e /root/broken
    same '' "$(find "$ACCESS" -name '.*.new')"
    enters bob abcdefghij_stg
}

# a command that is killed leaves the old document or the new one
test_embedded_killed() {
    local i file=$ACCESS/abcdefghij/staging.json
    for i in {1..40}; do
        timeout -s KILL "0.00$((i % 9))" cloudauthctl user add abcdefghij_stg "user$i" >/dev/null 2>&1 || true
        jq -e .version "$file" >/dev/null
    done
    cloudauthctl check "$file"
    ctl 0 user add abcdefghij_stg last
    enters bob abcdefghij_stg
}

# a user who may only read the directory cannot hold its lock, and the wait for a holder is bounded
test_embedded_lock() {
    local pid
    (exec setpriv --reuid=65534 --regid=65534 --clear-groups flock -o -x "$ACCESS" sleep 600) &
    pid=$!
    wait_for flocked "$ACCESS"
    ctl 0 user add abcdefghij_stg frank
    kill "$pid"
    fails as_nobody flock -n "$ACCESS/.lock" true
    same 600 "$(stat -c %a "$ACCESS/.lock")"
    flock -o -x "$ACCESS/.lock" sleep 600 &
    pid=$!
    wait_for flocked "$ACCESS/.lock"
    contains "$(ctl 3 user add abcdefghij_stg grace)" '.lock: Device or resource busy'
    ctl 0 check
    as_nobody cloudauthctl check
    kill "$pid"
    chmod 775 "$ACCESS"
    rm "$ACCESS/.lock"
    ctl 0 user add abcdefghij_stg grace
    same 660 "$(stat -c %a "$ACCESS/.lock")"
    # Two names of one file of root's: a user of the group could have made the second one.
    chmod 600 "$ACCESS/.lock"
    ln "$ACCESS/.lock" "$ACCESS/other"
    contains "$(ctl 3 user add abcdefghij_stg heidi)" '.lock: Too many links'
    same 600 "$(stat -c %a "$ACCESS/other")"
    rm "$ACCESS/.lock" "$ACCESS/other"
    ln -s /root/elsewhere "$ACCESS/.lock"
    ctl 3 user add abcdefghij_stg heidi
    fails test -e /root/elsewhere
}
flocked() { ! flock -n "$1" true; }

# symbolic links, also in the place of the file aside: only the document is written
test_embedded_links() {
    local file=$ACCESS/abcdefghij/staging.json
    echo precious >/root/precious
    ln /root/precious "$ACCESS/abcdefghij/.staging.json.new" 2>/dev/null ||
        ln -s /root/precious "$ACCESS/abcdefghij/.staging.json.new"
    ctl 0 user add abcdefghij_stg frank
    same precious "$(</root/precious)"
    fails test -L "$file"
    mv "$file" /root/real.json
    ln -s /root/real.json "$file"
    contains "$(ctl 1 user add abcdefghij_stg grace)" 'is a symbolic link'
    test -L "$file"
    mv "$ACCESS/abcdefghij" /root/elsewhere
    ln -s /root/elsewhere "$ACCESS/abcdefghij"
    contains "$(ctl 1 user add abcdefghij_stg2 grace)" 'abcdefghij is a symbolic link'
    contains "$(ctl 1 env create --uid 200009 abcdefghij_stg7)" 'abcdefghij is a symbolic link'
    fails grep -q grace /root/elsewhere/staging2.json
    fails test -e /root/elsewhere/staging7.json
}

# a full disk: the old document stays, no other file is left, and a message says so
test_embedded_full() {
    local file=$ACCESS/abcdefghij/staging.json before
    before=$(sha256sum <"$file")
    mount -t tmpfs -o size=64k,mode=755 tmpfs "$ACCESS"
    trap 'umount "$ACCESS"' EXIT
    cp -r "$PRISTINE/abcdefghij" "$ACCESS/"
    ctl 0 user add abcdefghij_stg2 frank
    dd if=/dev/zero of="$ACCESS/full" bs=4k status=none 2>/dev/null || true
    contains "$(ctl 3 user add abcdefghij_stg frank)" 'No space left'
    same "$before" "$(sha256sum <"$file")"
    same '' "$(find "$ACCESS" -name '.*.new')"
    rm "$ACCESS/full"
    ctl 0 user add abcdefghij_stg frank
}

# standard output is closed or full: the exit status is 3, and no file gets the output
test_output() {
    local status=0 file=$ACCESS/abcdefghij/staging5.json
    cloudauthctl env create abcdefghij_stg5 >&- 2>/root/said || status=$?
    same 3 $status
    contains "$(</root/said)" 'could not be written whole'
    same 1 "$(jq .version "$file")"
    status=0
    cloudauthctl user add abcdefghij_stg5 frank <&- >&- 2>&- || status=$?
    same 3 $status
    same frank "$(jq -r '.users[0].username' "$file")"
    status=0
    cloudauthctl check --json >/dev/full 2>/root/said || status=$?
    same 3 $status
    contains "$(</root/said)" 'could not be written whole'
    status=0
    cloudauthctl help >/dev/full || status=$?
    same 3 $status
    status=0
    cloudauthctl status >&- 2>&- || status=$?
    same 3 $status
}

# the wait for a daemon that hangs is bounded
test_hung() {
    kill -STOP "$(daemon_pid)"
    trap 'kill -CONT "$(daemon_pid)"' EXIT
    local pids=()
    # All at once: each waits for 10 seconds.
    ctl 3 sessions >/root/sessions &
    pids+=($!)
    ctl 3 lookup abcdefghij_stg9 >/root/lookup &
    pids+=($!)
    same unanswered "$(timeout 60 cloudauthctl status --json 2>/dev/null | jq -r '.health // "unanswered"')"
    wait "${pids[0]}"
    wait "${pids[1]}"
    contains "$(cat /root/sessions)" 'does not answer'
    contains "$(cat /root/lookup)" 'does not answer'
}
