# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A whole login, `ssh host true`, by stock sshd: local accounts with their authorized_keys, and ours.
#
# sshd makes each step of a login as long as a number between 5 and 9.2 ms that it takes from a hash of
# the account's name and its host keys (auth2.c, ensure_minimum_time_since). Between two names alone
# that can be 10 ms and more of a login, so there are many of either kind.

NAMES=12
CLOUD=bench0000000
TOGETHER=50

# By which authorities bob's certificates are: $KEYS/certified-TYPE. To check an authority's signature takes sshd some
# ten times as long for ed25519 as for ecdsa, and it does so five times a login.
AUTHORITIES=(ed25519 ecdsa)

# log_in KEY ACCOUNT [OPTION...]: the words of the command. ssh would offer the plain key before its certificate.
log_in() {
    local certificate=()
    [[ $1 != certified-* ]] || certificate=(-o 'PubkeyAcceptedAlgorithms=*-cert-v01@openssh.com')
    printf '%s\n' ssh "${SSH_OPTIONS[@]}" "${certificate[@]}" -p "$SSH_PORT" -i "$KEYS/$1" "${@:3}" "$2@127.0.0.1" true
}

setting() { bench_conf "access_url = $API_URL" "ca_file = $TLS/ca.pem" "$@"; }

# rows_of FILE WHAT: local, ours, and the ratio
rows_of() {
    local which n median p99 ratio from to
    local -a who=('local file' cloudauth)
    for which in 0 1; do
        read -r n median p99 _ < <("$HERE/stats.pl" summary "$1" $which)
        ratio='1' from=''
        if [[ $which == 1 ]]; then
            read -r ratio from to < <("$HERE/stats.pl" ratio "$1" 1 0)
        fi
        row "$2" "${who[which]}" "$n" "$median ms" "$p99 ms" "$ratio" "${from:+$from to $to}"
    done
}

# interleaved WHAT [KEY [KEY]]: a pair of rows, of each name in turn, with the daemon's CPU of each login of ours
# beside. The keys are those of our logins and of the local ones.
interleaved() {
    local file=/root/samples before i rounds=$((pairs < names ? 1 : pairs / names))
    rm -f $file
    mark
    before=$(cpu_ns "$(daemon_pid)")
    for ((i = 0; i < names; i++)); do
        mapfile -t local_login < <(log_in "${3-bob}" "local$i")
        mapfile -t cloud_login < <(log_in "${2-bob}" "$(printf 'bench%07d' "$i")")
        "$BIN/spawn" -n "$rounds" -w 1 $file "${local_login[@]}" :: "${cloud_login[@]}"
    done
    daemon+=("$(row "$1" "$(ns $((($(cpu_ns "$(daemon_pid)") - before) / (names * (rounds + 1)))))" "$(api_log | wc -l)")")
    rows_of $file "$1"
}

what_the_daemon_takes() {
    section 'Login: what the daemon takes'
    columns settings 'CPU a login' 'API requests in all'
    printf '%s\n' "${daemon[@]}"
}

# costs KIND...: CPU, memory, processes and system calls of the sshd of one login of each kind, which take turns. A kind
# is "WHAT|KEY|ACCOUNT|OPTIONS OF SSHD".
costs() {
    local i n cpu rss faults what key account options
    local -a words logins=()
    rm -f /root/sshd.samples.* /root/client.samples
    for ((i = 1; i <= $#; i++)); do
        IFS='|' read -r what key account options <<<"${!i}"
        mapfile -t words < <(log_in "$key" "$account" \
            -o "ProxyCommand=$BIN/spawn -p /root/sshd.samples.$i /usr/sbin/sshd -i $options")
        logins+=("${words[@]}" ::)
    done
    unset 'logins[-1]'
    "$BIN/spawn" -n "$pairs" -w 1 /root/client.samples "${logins[@]}"
    for ((i = 1; i <= $#; i++)); do
        IFS='|' read -r what key account options <<<"${!i}"
        read -r n _ _ cpu rss faults < <("$HERE/stats.pl" summary /root/sshd.samples.$i 0)
        mapfile -t words < <(log_in "$key" "$account" \
            -o "ProxyCommand=strace -f -o /root/sshd.strace /usr/sbin/sshd -i $options")
        "${words[@]}"
        row "$what" "$n" "$cpu ms" "$rss kB" "$faults" \
            "$(grep -c -v -E '^[0-9]+ +(---|\+\+\+|<\.\.\.)' /root/sshd.strace)" \
            "$(cut -d' ' -f1 /root/sshd.strace | sort -u | wc -l)" \
            "$(grep -c -E '^[0-9]+ +execve\(.* = 0' /root/sshd.strace)"
    done
}

# The logins of `costs`. cat(1) of a file is the least that an AuthorizedKeysCommand can be.
what_sshd_takes() {
    local none='-o AuthorizedKeysFile=none' type command trusted
    local -a kinds
    cat /home/local0/.ssh/authorized_keys >/etc/ssh/lines
    cat /root/authority-*.pub >/etc/ssh/authorities
    echo bob >/etc/ssh/principals
    trusted="$none -o TrustedUserCAKeys=/etc/ssh/authorities -o AuthorizedPrincipalsFile=/etc/ssh/principals"
    command="$none -o AuthorizedKeysCommandUser=nobody -o AuthorizedKeysCommand=/bin/cat\\ /etc/ssh/lines"
    kinds=('key: local file|bob|local0|' "key: a command that is cat|bob|local0|$command" "key: cloudauth|bob|$CLOUD|")
    for type in "${AUTHORITIES[@]}"; do
        kinds+=("$type authority: local file|certified-$type|local0|"
            "$type authority: TrustedUserCAKeys|certified-$type|local0|$trusted"
            "$type authority: a command that is cat|certified-$type|local0|$command"
            "$type authority: cloudauth|certified-$type|$CLOUD|")
    done
    section 'Login: what sshd and all its children take'
    say 'sshd -i by a pipe, so that its own parent reaps it. Without the daemon, which stands below.'
    columns login n 'CPU, median' 'greatest RSS' 'page faults' 'system calls' processes 'programs'
    costs "${kinds[@]}"
}

# Bob's key once more, with a certificate of each authority, all of which the documents accept.
certify_bob() {
    local id type
    id=$(jq -r '.users[] | select(.username == "bob").id' /root/template)
    for type in "${AUTHORITIES[@]}"; do
        ssh-keygen -q -t "$type" -N '' -f "/root/authority-$type"
        cp "$KEYS/bob" "$KEYS/certified-$type"
        cp "$KEYS/bob.pub" "$KEYS/certified-$type.pub"
        ssh-keygen -q -s "/root/authority-$type" -I "$id" -n bob -V +1h "$KEYS/certified-$type.pub"
    done
    jq -c --rawfile keys <(cat /root/authority-*.pub) \
        '.certificate_authorities = [$keys | split("\n")[] | select(. != "") | {value: .}]' \
        /root/template >/root/accepting
    mv /root/accepting /root/template
}

# Sets pairs and names: as many accounts of either kind, and sshd for them.
login_host() {
    local i
    names=$(size $NAMES 2)
    pairs=$(size "${BENCH_PAIRS:-60}" 4)
    template
    certify_bob
    "$HERE/accounts.pl" documents "$names" /root/template "$ACCESS"
    for ((i = 0; i < names; i++)); do
        home "$i"
        local_user "local$i" $((1600 + i))
        # The same key as ours: to check one of another type can take sshd 10 ms more.
        {
            cat "$KEYS/bob.pub"
            sed 's/^/cert-authority,principals="bob" /' /root/authority-*.pub
        } >"/home/local$i/.ssh/authorized_keys"
    done
    bench_api
    sshd_stop
    sshd_start -o MaxStartups=200 -o LogLevel=ERROR
}

part_login() {
    local pairs rounds names type daemon=()
    local -a local_login cloud_login
    rounds=$(size 7 1)
    login_host
    section 'Login: the whole of ssh host true, one after the other, the two kinds in turn'
    say "$names accounts of either kind, since sshd pads each step by the account's name."
    columns 'settings' account n median p99 'ratio of medians' '95 % of resamplings'
    setting
    interleaved 'as installed (keys_fresh 3 s)'
    for type in "${AUTHORITIES[@]}"; do
        interleaved "as installed, ours by a certificate of an $type authority" "certified-$type"
        interleaved "as installed, both by a certificate of an $type authority" "certified-$type" "certified-$type"
    done
    setting 'keys_fresh = 24h'
    interleaved 'nothing to ask (keys_fresh 24 h)'
    setting 'keys_fresh = 0'
    interleaved 'each question asks the API (keys_fresh 0)'
    section "Login: $TOGETHER at once"
    setting
    mapfile -t local_login < <(log_in bob local0)
    mapfile -t cloud_login < <(log_in bob $CLOUD)
    "${cloud_login[@]}"
    rm -f /root/samples
    "$BIN/spawn" -n "$rounds" -j $TOGETHER /root/samples "${local_login[@]}" :: "${cloud_login[@]}"
    columns 'settings' account rounds 'median of all' p99 'ratio of medians' '95 % of resamplings'
    rows_of /root/samples "as installed, $TOGETHER at once"
    what_sshd_takes
    what_the_daemon_takes
}
