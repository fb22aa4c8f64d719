# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# etc/examples/nginx-cache.conf between three hosts and etc/examples/nginx.conf as the origin. The
# hosts are namespaces of their own, with their own network, settings, state, daemon and sshd; the
# tier and the origin are two nginx, with TLS between all of them.

ORIGIN_LOG=/var/log/nginx/cloudauth.log
TIER_LOG=/var/log/nginx/cloudauth-tier.log
TIER=/etc/nginx/cloudauth-cache
HOSTS=(web1 web2 web3)
URL=https://api.example.com/v1/projects/abcdefghij/environments/staging/ssh-access

# on HOST COMMAND...: in that host's namespaces, with the words of the harness and of this file.
on() {
    # shellcheck disable=SC2016 # expanded there
    nsenter --target "$(<"/root/hosts/$1")" --mount --net --uts bash -c '
        set -e
        declare -gA began=()
        . "$REPO/tests/e2e/harness.sh"
        . "$REPO/tests/e2e/tier.sh"
        "$@"' on "${@:2}"
}

# each COMMAND...: on all of them at the same time; fails if one does.
each() {
    local host status=0 pids=()
    for host in "${HOSTS[@]}"; do
        on "$host" "$@" >"/root/$host.out" 2>&1 &
        pids+=($!)
    done
    for host in "${HOSTS[@]}"; do
        wait "${pids[0]}" || { status=1 && sed "s/^/$host: /" "/root/$host.out"; }
        pids=("${pids[@]:1}")
    done
    return $status
}

# In a new host's namespaces: what every host has of its own.
add_host_inside() {
    local directory
    for directory in /run /var/lib/cloudauth /var/log /etc/cloudauth; do
        mkdir -p "/root/kept$directory"
    done
    cp -a /etc/cloudauth/. /root/kept/etc/cloudauth/
    for directory in /run /var/lib/cloudauth /var/log /etc/cloudauth; do
        mount -t tmpfs -o mode=755 tmpfs "$directory"
    done
    cp -a /root/kept/etc/cloudauth/. /etc/cloudauth/
    hostname "$1"
    install -d -m 755 /run/sshd /run/lock
    install -d -m 755 -o cloudauth -g cloudauth /run/cloudauth
    chown cloudauth:cloudauth /var/lib/cloudauth
    ip link set lo up
    ip address add "10.9.0.$2/24" dev eth0
    ip link set eth0 up
}

# add_host NAME NUMBER
add_host() {
    local pid
    unshare --mount --net --uts --propagation private sleep infinity </dev/null >/dev/null 2>&1 &
    pid=$!
    disown
    echo "$pid" >"/root/hosts/$1"
    wait_for own_network "$pid"
    ip link add "to-$1" type veth peer name eth0 netns "$pid"
    ip link set "to-$1" master cloud up
    on "$1" add_host_inside "$1" "$2"
}
own_network() { [[ $(<"/proc/$1/comm") == sleep ]]; } # which it is when all of that is done

# host_starts NAME TOKEN [SETTING...]
host_starts() {
    configure "access_url = https://api.example.com/$API_PATH" 'allow = otherproject' \
        'ca_file = /etc/cloudauth/ca.pem' 'token_file = /etc/cloudauth/token' \
        "host_id = web1.abcdefghij.ent.example.cloud" 'keys_fresh = 1s' "${@:3}"
    (umask 077 && echo "$2" >/etc/cloudauth/token)
    chown cloudauth /etc/cloudauth/token
    daemon_stop
    rm -rf /var/lib/cloudauth/*
    daemon_start
    [[ -s /run/sshd.pid ]] || sshd_start
}

# served ACCOUNT SOURCE: whether the last login there was granted by the API's word, or by the cache.
served() { grep 'grant account='"$1 .*service=sshd" /var/log/cloudauthd.log | tail -n 1 | grep -q "source=$2 "; }

make_certificates() {
    local name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
        -keyout /root/ca.key -out /etc/cloudauth/ca.pem 2>/dev/null
    for name in origin api; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name.example.com" \
            -keyout "/root/$name.key" -out /root/csr 2>/dev/null
        openssl x509 -req -in /root/csr -CA /etc/cloudauth/ca.pem -CAkey /root/ca.key \
            -CAcreateserial -days 2 -extfile <(echo "subjectAltName=DNS:$name.example.com") \
            -out "/root/$name.pem" 2>/dev/null
    done
    install -d /etc/nginx/cloudauth "$TIER"
    cp /root/origin.pem /etc/nginx/cloudauth/api.pem
    cp /root/origin.key /etc/nginx/cloudauth/api.key
    cp /root/api.pem "$TIER/tier.pem"
    cp /root/api.key "$TIER/tier.key"
    cp /etc/cloudauth/ca.pem "$TIER/origin-ca.pem"
}

make_tokens() {
    local host
    for host in tier "${HOSTS[@]}" stranger; do
        openssl rand -hex 32 >"/root/$host.token"
    done
    echo "\"Bearer $(</root/tier.token)\" tier;" >/etc/nginx/cloudauth/tokens
    for host in "${HOSTS[@]}"; do
        echo "\"Bearer $(<"/root/$host.token")\" $host;"
    done >"$TIER/tokens"
    echo '"~^web[0-9]+ /v1/projects/abcdefghij/" 1;' >"$TIER/may"
    echo "proxy_set_header Authorization \"Bearer $(</root/tier.token)\";" >"$TIER/origin-token"
    chmod 600 "$TIER"/* /etc/nginx/cloudauth/*
}

# run_nginx NAME ADDRESS EXAMPLE [SED SCRIPT]: an nginx of its own with that example.
run_nginx() {
    sed -E -e "s/^( *listen) 443 /\1 $2:443 /; /listen \[::\]/d" -e "${4-}" \
        "$REPO/etc/examples/$3" >"/root/$1.conf"
    cat >"/root/$1.nginx" <<CONF
user www-data;
worker_processes 1;
pid /run/$1.pid;
error_log /var/log/nginx/$1.error warn;
events {
}
http {
    keepalive_timeout 60s;
    include /root/$1.conf;
}
CONF
    nginx -c "/root/$1.nginx" && wait_for test -s "/run/$1.pid"
}
stop_nginx() { [[ ! -s /run/$1.pid ]] || nginx_end "$(<"/run/$1.pid")"; }

origin_start() { run_nginx origin 10.9.0.1 nginx.conf 's/api[.]example[.]com;/origin.example.com;/'; }

# tier_start SECONDS: how long a copy is given out without a question.
tier_start() {
    stop_nginx tier
    rm -rf /var/cache/nginx-cloudauth
    run_nginx tier 10.9.0.2 nginx-cache.conf "s/^( *proxy_cache_valid .*) 2s;/\1 $1s;/"
}

before_all() {
    install -d /root/hosts /var/lib/nginx /var/log/nginx
    ip link add cloud type bridge
    ip address add 10.9.0.1/24 dev cloud
    ip address add 10.9.0.2/24 dev cloud
    ip link set cloud up
    echo "10.9.0.1 origin.example.com" >>/etc/hosts
    echo "10.9.0.2 api.example.com" >>/etc/hosts
    make_certificates
    make_tokens
    touch "$PRISTINE/complete" "$ACCESS/complete" "$ORIGIN_LOG" "$TIER_LOG"
    add_host web1 11
    add_host web2 12
    add_host web3 13
    origin_start
}

# all_start SECONDS [SETTING...]: tier and hosts, with nothing kept.
all_start() {
    local host
    [[ -s /run/origin.pid ]] || origin_start
    # Before the tier: a daemon of the test before may ask it once more, and there was a copy.
    for host in "${HOSTS[@]}"; do
        on "$host" daemon_stop
    done
    tier_start "$1"
    for host in "${HOSTS[@]}"; do
        on "$host" host_starts "$host" "$(<"/root/$host.token")" "${@:2}"
    done
    mark
    # shellcheck disable=SC2004,SC2034 # an associative array of the harness
    began[$ORIGIN_LOG]=$(wc -l <"$ORIGIN_LOG") began[$TIER_LOG]=$(wc -l <"$TIER_LOG")
}

# ask [OPTION...] URL: as web1, or ask_with HEADER; the status.
ask() { ask_with "Authorization: Bearer $(</root/web1.token)" "$@"; }
ask_with() {
    curl -s --cacert /etc/cloudauth/ca.pem -D /root/headers -o /root/body -w '%{http_code}\n' \
        -H "$1" "${@:2}"
}

past() { (($(date +%s%N) >= $1)); }

# three hosts log the same users in at the same time: one request reaches the origin
test_one_request() {
    all_start 60
    each enters bob abcdefghij_stg
    # Later than keys_fresh: each host asks again.
    wait_for past $(($(date +%s%N) + 1100000000))
    each enters alice abcdefghij_stg
    counts 1 '' $ORIGIN_LOG
    appears $ORIGIN_LOG ' "tier" GET /v1/projects/abcdefghij/environments/staging/ssh-access 200 HTTP/1.1$'
    (($(since $TIER_LOG | wc -l) >= 6))
    same "${HOSTS[*]}" "$(since $TIER_LOG | grep -oE '"web[0-9]"' | sort -u | tr -d '"' | xargs)"
    # and hosts that have the document ask with its validators, which the tier answers
    appears $TIER_LOG ' "web1" GET .* 304 HIT - '
    note "$(since $TIER_LOG | wc -l) requests to the tier, $(since $ORIGIN_LOG | wc -l) to the origin"
}

# an expired copy is revalidated
test_revalidation() {
    all_start 1
    each enters bob abcdefghij_stg
    wait_for revalidated
    each enters bob abcdefghij_stg
    same '' "$(since $ORIGIN_LOG | grep -vE ' (200|304) HTTP/1.1$')"
    counts 1 ' 200 HTTP' $ORIGIN_LOG
}
revalidated() { ask "$URL" && since $ORIGIN_LOG | grep -q ' 304 HTTP/1.1$'; }

# a copy that has no ETag is fetched again whole: by Last-Modified two versions of one second are the same
test_no_etag() {
    local time
    stop_nginx origin
    run_nginx origin 10.9.0.1 nginx.conf 's/api[.]example[.]com;/origin.example.com;/; s/^( *)gzip off;/\1etag off; &/'
    trap 'stop_nginx origin; origin_start' EXIT
    all_start 1
    each enters bob abcdefghij_stg
    same 200 "$(ask "$URL")"
    fails grep -i '^etag' /root/headers
    time=$(stat -c %Y "$ACCESS/abcdefghij/staging.json")
    document abcdefghij staging 'del(.users[] | select(.username == "bob") | .ssh_keys[])'
    touch -d "@$time" "$ACCESS/abcdefghij/staging.json"
    each eval 'WAIT=10 wait_for refused bob abcdefghij_stg'
    counts 0 ' 304 HTTP' $ORIGIN_LOG
}

# a revocation reaches all hosts within the sum of all freshness limits: 2 s, its fraction of 1, and 1
test_revocation() {
    all_start 2
    each enters bob abcdefghij_stg
    document abcdefghij staging 'del(.users[] | select(.username == "bob") | .ssh_keys[])'
    each eval 'WAIT=10 wait_for refused bob abcdefghij_stg'
    each enters alice abcdefghij_stg
    each served abcdefghij_stg api
}

# a removed environment is absent on all hosts, and a new one appears
test_absent() {
    all_start 1 'absent_fresh = 1s' 'account_fresh = 1s'
    each enters bob abcdefghij_stg
    mv "$ACCESS/abcdefghij/staging.json" /root/staging.json
    each wait_for unknown abcdefghij_stg
    mv /root/staging.json "$ACCESS/abcdefghij/staging.json"
    each wait_for enters bob abcdefghij_stg
}

# the origin is dead: the tier serves no stale copy, hosts use their last good documents and say so; then it recovers
test_origin_dead() {
    all_start 1
    each enters bob abcdefghij_stg
    each refused carol abcdefghij_stg 'your role viewer'
    stop_nginx origin
    wait_for nothing_old
    wait_for each served_after bob cache
    each refused carol abcdefghij_stg 'your role viewer'
    each unavailable abcdefghij
    document abcdefghij staging 'del(.users[] | select(.username == "bob") | .ssh_keys[])'
    origin_start
    each eval 'WAIT=30 wait_for refused bob abcdefghij_stg'
    each enters alice abcdefghij_stg
    each served abcdefghij_stg api
    each enters alice abcdefghij
}
nothing_old() { [[ $(ask "$URL") == 502 ]]; }

# the hosts' own max_stale ends that while the tier is up: no unconfirmed account enters
test_bound() {
    all_start 1 'max_stale = 4s'
    each enters bob abcdefghij_stg
    stop_nginx origin
    each eval 'WAIT=20 wait_for refused bob abcdefghij_stg'
    each eval 'grep -q "refuse account=abcdefghij_stg .*reason=unavailable" /var/log/cloudauthd.log'
    same 502 "$(ask "$URL")"
    origin_start
    each eval 'WAIT=30 wait_for enters bob abcdefghij_stg'
}

# the tier is dead: hosts use their last good documents
test_tier_dead() {
    all_start 1
    each enters bob abcdefghij_stg
    stop_nginx tier
    wait_for each served_after bob cache
}
# Not at once: for keys_fresh what a host was told last is the API's word.
served_after() { enters "$1" abcdefghij_stg && served abcdefghij_stg "$2"; }

# an origin that fails in any way is an outage, and no copy of its answer is kept
test_origin_fails() {
    all_start 1
    each enters bob abcdefghij_stg
    rm "$ACCESS/complete"
    wait_for is_status 503
    wait_for each served_after bob cache
    touch "$ACCESS/complete"
    wait_for is_status 200
    # The origin no longer knows the tier: a fault of the tier, not of a host.
    cp /etc/nginx/cloudauth/tokens /root/tokens
    echo '"Bearer none" none;' >/etc/nginx/cloudauth/tokens
    stop_nginx origin
    origin_start
    wait_for is_status 502
    same 'application/problem+json' "$(sed -nE 's/^content-type: (.*)\r$/\1/ip' /root/headers)"
    cp /root/tokens /etc/nginx/cloudauth/tokens
    stop_nginx origin
    origin_start
    wait_for is_status 200
}
is_status() { [[ $(ask "$URL") == "$1" ]]; }

# a question with Cache-Control: no-cache, as after the change feed, reaches the origin; the others have its answer, too
test_no_cache() {
    all_start 60
    each enters bob abcdefghij_stg
    document abcdefghij staging '.message = "new"'
    same 200 "$(ask "$URL")"
    fails test "$(jq -r .message /root/body)" == new
    counts 1 '' $ORIGIN_LOG
    same 200 "$(ask -H 'Cache-Control: no-cache' "$URL")"
    same new "$(jq -r .message /root/body)"
    appears $TIER_LOG ' "web1" GET .* 200 BYPASS 200 '
    same 200 "$(ask "$URL")"
    same new "$(jq -r .message /root/body)"
    counts 2 '' $ORIGIN_LOG
    # An origin that fails is no reason for the copy.
    stop_nginx origin
    same 502 "$(ask -H 'Cache-Control: no-cache' "$URL")"
    origin_start
}

# a client without a token, or without a right to the project, gets nothing, even if there is a copy
test_authorization() {
    all_start 60
    each enters bob abcdefghij_stg
    same 200 "$(ask "$URL")"
    same 401 "$(ask_with 'X-None: 1' "$URL")"
    same 401 "$(ask_with "Authorization: Bearer $(</root/stranger.token)" "$URL")"
    same 401 "$(ask_with "Authorization: Bearer $(</root/tier.token)" "$URL")"
    same 403 "$(ask "${URL/abcdefghij/otherproject}")"
    same 403 "$(ask https://api.example.com/)"
    same 405 "$(ask -X DELETE "$URL")"
    counts 1 '' $ORIGIN_LOG
    # A host that asks nevertheless has an outage; no answer says that the account does not exist.
    same unavailable "$(on web1 cloudauthctl lookup --json otherproject | jq -r .state || true)"
}

# only paths of documents, without a query and in one spelling, reach the origin or make a copy
test_paths() {
    local path
    all_start 60
    same 200 "$(ask "$URL")"
    same 200 "$(ask "$URL?x=1")"
    same 200 "$(ask "${URL/staging/%73taging}")"
    same 200 "$(ask -H 'Cache-Control: max-age=0' -H 'Range: bytes=0-1' "$URL" | sed 's/206/200/')"
    for path in staging/ssh-access/ staging ../environments/Staging/ssh-access; do
        same 503 "$(ask --path-as-is "https://api.example.com/v1/projects/abcdefghij/environments/$path")"
    done
    counts 1 '' $ORIGIN_LOG
}
