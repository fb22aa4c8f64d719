# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# etc/examples/nginx-changes.conf: Debian's nginx with nchan as the server of the change feed.
# In the first tests a host is a curl that waits with the cursor of its last answer, as cloudauthd does; in the
# last ones it is cloudauthd, with etc/examples/nginx.conf as the project API in the same nginx.

# shellcheck source=tests/sandbox/changes.sh
. "$REPO/tests/sandbox/changes.sh"
# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"

# shellcheck disable=SC2034 # of wait_for
# A request that fails on a loaded machine costs up to 25 seconds, and a second one 25 more.
WAIT=100

before_all() {
    changes_install
    changes_api
    # So that a test need not wait for ten.
    sed -i 's/nchan_subscriber_timeout 10s/nchan_subscriber_timeout 2s/' /etc/nginx/conf.d/nginx-changes.conf
    changes_start
}

# poll HOST: with that host's cursor; the status, which cursor and body stay in $HOST.etag and $HOST.body of /root.
poll() {
    local etag=
    [[ ! -s /root/$1.etag ]] || etag=$(<"/root/$1.etag")
    curl -sS -m 20 -D "/root/$1.headers" -o "/root/$1.body" -w '%{http_code}\n' \
        -H "Authorization: Bearer $CHANGES_TOKEN" -H 'Prefer: wait=2' -H 'Cache-Control: no-cache' \
        ${etag:+-H "If-None-Match: $etag"} $CHANGES
    sed -nE 's/^etag: (.*)\r$/\1/ip' "/root/$1.headers" >"/root/$1.etag.new"
    [[ ! -s /root/$1.etag.new ]] || mv "/root/$1.etag.new" "/root/$1.etag"
}
# waits HOST: polls until it is told something, whose status will be in $HOST.status.
waits() { until_told "$1" & }
until_told() {
    local status=304
    for _ in {1..40}; do
        [[ $status == 304 ]] || break
        status=$(poll "$1") || true
    done
    echo "$status" >"/root/$1.status"
}
body() { jq -c "$2" "/root/$1.body"; }
joins() { rm -f "/root/$1.etag" && same 200 "$(poll "$1")"; }

is_whole() { same 'true' "$(body "$1" .whole)"; }

# until_whole HOST: whether one of that host's next polls says that all may have changed.
until_whole() { [[ $(poll "$1") == 200 ]] && is_whole "$1"; }

# a host without a cursor gets whole and a cursor; with it 304 once the server has waited
test_first() {
    joins web1
    is_whole web1
    contains "$(</root/web1.etag)" '^"[0-9a-f]{16}-[0-9]+:[0-9]+"$'
    contains "$(</root/web1.headers)" '^HTTP/2 200'
    fails grep -qi '^last-modified' /root/web1.headers
    cp /root/web1.etag /root/before
    same 304 "$(poll web1)"
    cmp /root/before /root/web1.etag
}

# what is published reaches all hosts that wait
test_published() {
    local host
    for host in h{1..8}; do
        joins "$host"
        waits "$host"
    done
    changed abcdefghij staging
    wait_jobs
    for host in h{1..8}; do
        same 200 "$(<"/root/$host.status")"
        same '[{"project":"abcdefghij","environment":"staging"}]' "$(body "$host" .changed)"
        same false "$(body "$host" .whole)"
    done
}

# so does what is published once their requests have ended with 304
test_published_after_304() {
    local host
    changes_tick
    for host in h{1..8}; do
        joins "$host"
        waits "$host"
    done
    wait_for ended_with_304 $(($(wc -l <$CHANGES_LOG) + 16))
    changed abcdefghij staging
    wait_jobs
    for host in h{1..8}; do
        same 200 "$(<"/root/$host.status")"
        same '[{"project":"abcdefghij","environment":"staging"}]' "$(body "$host" .changed)"
    done
}
# ended_with_304 N: whether the last 16 of N requests did, two for each host.
ended_with_304() { (($(head -n "$1" $CHANGES_LOG | tail -n 16 | grep -c ' GET /v1/changes 304 ') == 16)); }

# messages between two polls of a host all arrive, in order
test_between() {
    local i
    changes_tick
    joins web1
    for i in {1..20}; do
        changed abcdefghij "environment$i"
    done
    for i in {1..20}; do
        same 200 "$(poll web1)"
        same "\"environment$i\"" "$(body web1 '.changed[0].environment')"
    done
    same 304 "$(poll web1)"
}

# stays_right COMMAND...: hosts before, during and after it, with messages that one has not seen, all ask again.
stays_right() {
    joins before
    joins waiting
    changed abcdefghij unseen
    same 200 "$(poll waiting)"
    waits waiting
    "$@"
    wait_jobs
    wait_for until_whole before
    # Unless the server had already said so.
    [[ $(jq -c .whole /root/waiting.body) == true ]] || wait_for until_whole waiting
    changed abcdefghij staging
    joins after
    for host in before waiting; do
        same 200 "$(poll $host)"
        same '[{"project":"abcdefghij","environment":"staging"}]' "$(body $host .changed)"
    done
}

restart() {
    changes_stop
    changes_start
}

killed() {
    changes_kill
    changes_start
}

reloaded() {
    changes_reload
    same 500 "$(publish '{"changed":[],"whole":false}')"
    changes_tick
}

workers_killed() {
    local worker
    for worker in $(workers); do
        kill -KILL "$worker"
        wait_for another_worker "$worker"
    done
    changes_tick
}
another_worker() { [[ $(workers | wc -l) == 1 ]] && ! alive "$1"; }

# a restart of nginx loses no change silently
test_restart() { stays_right restart; }

# nor does kill -9 of nginx
test_killed() { stays_right killed; }

# nor a reload, after which nothing can be published until there is a new epoch
test_reloaded() { stays_right reloaded; }

# nor kill -9 of its workers
test_workers_killed() { stays_right workers_killed; }

# nor a new epoch by hand
test_new() { stays_right changes_tick new; }

covered_up() {
    changes_reload
    curl -s --unix-socket $CHANGES_RUN/nchan.socket -d '{"changed":[],"whole":false}' -o /dev/null \
        "http://nchan/channel/$(epoch)"
    changes_tick
}
# nor the loss of messages that a publisher has covered up
test_covered_up() { stays_right covered_up; }

# without an epoch no host is told that nothing has changed, and nothing can be published
test_no_epoch() {
    joins web1
    changes_reload
    same 500 "$(poll web1)"
    rm -f /root/web1.etag
    same 500 "$(poll web1)"
    same 500 "$(publish '{"changed":[],"whole":false}')"
    changes_tick
    joins web1
    is_whole web1
}

set_workers() {
    sed -i "s/^worker_processes .*/worker_processes $1;/" /etc/nginx/nginx.conf
    changes_reload
}
# with two workers, between which nchan loses messages, nothing can be published, and no host is told that nothing has changed
test_two_workers() {
    joins web1
    waits web1
    set_workers 2
    contains "$(changes_tick 2>&1 && echo succeeded)" 'needs worker_processes 1$'
    same 500 "$(poll web2)"
    same 500 "$(publish '{"changed":[],"whole":false}')"
    set_workers 1
    changes_tick
    wait_jobs
    joins web2
    changed abcdefghij staging
    same 200 "$(poll web2)"
}

# the list of names, page by page, and the cursor is not newer than the list
test_names() {
    install -d /srv/changes
    seq -f 'project%05g production' 10001 >/srv/changes/names
    changes_tick
    joins web1
    same 10000 "$(body web1 '.changed | length')"
    same '{"project":"project00001","environment":"production"}' "$(body web1 '.changed[0]')"
    same '"/v1/changes/2.json"' "$(body web1 ._links.next.href)"
    same '{"whole":true,"changed":[{"project":"project10001","environment":"production"}]}' \
        "$(curl -s -H "Authorization: Bearer $CHANGES_TOKEN" $CHANGES/2.json)"
    # What is published after the list was written comes after it.
    changed abcdefghij staging
    joins web1
    same 200 "$(poll web1)"
    same '"staging"' "$(body web1 '.changed[0].environment')"
    rm -r /srv/changes
    changes_tick new
}

epoch() { readlink $CHANGES_RUN/current | cut -d- -f1; }

# a clock that is set begins an epoch, and so do many messages
test_epoch_ends() {
    local before
    before=$(readlink $CHANGES_RUN/current)
    changes_tick
    same "$before" "$(readlink $CHANGES_RUN/current)"
    echo 1234567 >$CHANGES_RUN/clock
    changes_tick
    fails test "${before%-*}" == "$(epoch)"
    before=$(readlink $CHANGES_RUN/current)
    sed -i 's/^MESSAGES=.*/MESSAGES=5/' /usr/local/sbin/nginx-changes
    for _ in {1..5}; do
        changed abcdefghij
    done
    changes_tick
    fails test "${before%-*}" == "$(epoch)"
    install -m 755 "$REPO/etc/examples/nginx-changes/nginx-changes" /usr/local/sbin/
}

# without a host's token 401, without a publisher's too; other paths and methods lead nowhere
test_authorization() {
    same 401 "$(curl -s -o /dev/null -w '%{http_code}' $CHANGES)"
    same 401 "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $PUBLISHER" $CHANGES)"
    same 401 "$(PUBLISHER=$CHANGES_TOKEN publish '{}')"
    same 405 "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer $CHANGES_TOKEN" $CHANGES)"
    local path
    for path in / /publish /epoch /names/1.json /channel/0123456789abcdef /hosts/0123456789abcdef /v1/changes/../first; do
        same 404 "$(curl -s --path-as-is -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $CHANGES_TOKEN" "https://changes.example.com$path")"
    done
    # A cursor chooses nothing but an epoch.
    for path in '"../0123456789abcdef-1:1"' 'W/"x"' '"0123456789abcdef-1:1"'; do
        echo "$path" >/root/web1.etag
        same 200 "$(poll web1)"
        is_whole web1
    done
    fails curl -s --interface 127.0.0.1 -m 2 "http://$(uname -n):886/publish"
}

# ---- With cloudauthd -------------------------------------------------------------------------------

fed() { by_feed 'changes_wait = 30s' "${UNNAMED[@]}"; }
asked() { since $CHANGES_API_LOG | grep -c ' GET /v1/projects/'; }

without_bob='del(.users[] | select(.username == "bob") | .ssh_keys[])'

# a key that is added and named enters at once, though the last answer would have served for an hour
test_added() {
    document abcdefghij staging "$without_bob"
    fed
    refused bob abcdefghij_stg
    cp "$PRISTINE/abcdefghij/staging.json" "$ACCESS/abcdefghij/staging.json.new"
    touch -d '+1 hour' "$ACCESS/abcdefghij/staging.json.new"
    mv "$ACCESS/abcdefghij/staging.json.new" "$ACCESS/abcdefghij/staging.json"
    refused bob abcdefghij_stg
    changed abcdefghij staging
    wait_for enters bob abcdefghij_stg
}

# a key that is removed and named opens nothing more, and its open session ends; another's stays
test_removed() {
    fed
    stays bob bob abcdefghij_stg
    stays alice alice abcdefghij_stg
    document abcdefghij staging "$without_bob"
    enters bob abcdefghij_stg
    changed abcdefghij staging
    wait_for ended bob
    refused bob abcdefghij_stg
    audit 'end account=abcdefghij_stg .*user=bob .*reason=key-unknown source=api'
    lives alice
    hang_up
}

# a project without an environment names all of its environments
test_project_named() {
    fed
    stays bob bob abcdefghij_stg
    document abcdefghij staging "$without_bob"
    changed abcdefghij
    wait_for ended bob
    hang_up
}

# what changes while nginx restarts is in force once it is back, though nothing names it
test_restart_of_the_feed() {
    fed
    stays bob bob abcdefghij_stg
    changes_kill
    document abcdefghij staging "$without_bob"
    changes_start
    wait_for ended bob
    refused bob abcdefghij_stg
    hang_up
}

# 100 logins to 50 environments are no request to access_url while the feed is live, though keys_fresh is 0
test_no_requests() {
    local i before
    for i in {2..51}; do
        jq --arg i "$i" '.environment.name = "staging" + $i | .account |= (.uid = 300000 + ($i | tonumber)
            | .gid = .uid | .home = "/app/abcdefghij_stg" + $i)' "$PRISTINE/abcdefghij/staging.json" \
            >"$ACCESS/abcdefghij/staging$i.json"
    done
    by_feed 'changes_wait = 30s' 'keys_fresh = 0'
    for i in {2..51}; do
        getent passwd "abcdefghij_stg$i" >/dev/null
    done
    before=$(asked)
    for i in {2..51}; do
        enters alice "abcdefghij_stg$i"
        enters bob "abcdefghij_stg$i"
    done
    same "$before" "$(asked)"
    changed abcdefghij staging2
    wait_for asks_again "$before"
    note "100 logins to 50 environments, $before requests to access_url before and none meanwhile"
}
asks_again() { enters alice abcdefghij_stg2 && (($(asked) > $1)); }
