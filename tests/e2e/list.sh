# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The account list: asked for in the background, page by page, over https by nginx.

# shellcheck source=tests/sandbox/api.sh
. "$REPO/tests/sandbox/api.sh"

LIST=/srv/accounts
LIST_URL=https://localhost:$TLS_PORT/v1/accounts/1.json

# page NUMBER NEXT [ENVIRONMENT[:UID]...]: environments of project abcdefghij, those with a UID with an account that has it;
# NEXT "" on the last page. Each version has a time of its own, as nginx makes the ETag of it.
page() {
    local file=$LIST/$1.json time=0
    [[ ! -e $file ]] || time=$(stat -c %Y "$file")
    printf '%s\n' "${@:3}" | jq -Rn --arg next "$2" '
        {items: [inputs | select(. != "") | split(":") | {project: "abcdefghij", environment: .[0]}
            + if .[1] then {account: {uid: (.[1] | tonumber), gid: (.[1] | tonumber), home: "/lie", shell: "/bin/lie"}}
              else {} end]}
        + if $next == "" then {} else {_links: {next: {href: $next}}} end' >"$file.new"
    touch -d "@$((time + 1))" "$file.new" && mv "$file.new" "$file"
}

before_all() {
    authority ca
    certificate api ca
    install -d "$LIST"
    list_served
}

# list_served [DIRECTIVE [LOCATION]]: the list by nginx with that directive, and another location.
list_served() {
    serve api "location /v1/accounts/ { ${1-} default_type application/json; alias $LIST/; }" "${@:2}"
}

# Two pages of three accounts that are served here and one that is not.
two_pages() {
    rm -f "$LIST"/*
    page 1 2.json production staging2 elsewhere
    page 2 '' staging
}

# with_list URL [SETTING...]: the daemon begins, and asks for that list within a second.
with_list() {
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" "ca_file = $TLS/ca.pem" \
        'keys_fresh = 0' "accounts_url = $1" "${@:2}"
    daemon_stop
    mark
    daemon_start
}

# published HOME...: whether the snapshot has records with these homes. No lookup is made.
published() {
    local home
    for home; do
        snapshot_live && tr '\0' '\n' <"$SNAPSHOT" | grep -qxaF -- "$home" || return 1
    done
}

# by_list [SETTING...]: the same with ours, until its three environments are known.
by_list() {
    with_list "$LIST_URL" "$@"
    logged 'account list: [0-9]+ accounts, [0-9]+ here'
    wait_for published /app/abcdefghij /app/abcdefghij_stg /app/abcdefghij_stg2
}

# pages PAGE STATUS: how often nginx has answered that since the test began.
pages() { since "$API_LOG" | grep -c " GET /v1/accounts/$1.json $2 " || true; }
pages_reach() { (($(pages "$1" "$2") >= $3)); }

# documents ENVIRONMENT [STATUS]: the same of documents.
documents() {
    since "$API_LOG" | grep -c " GET /v1/projects/abcdefghij/environments/$1/ssh-access ${2-}" || true
}
documents_reach() { (($(documents "$1" "$2") >= $3)); }

# Asks for the list now.
list_again() {
    mark
    daemon_reload
}

# two pages are requested soon after the start, then with their validators, and each listed document once
test_two_pages() {
    two_pages
    by_list 'account_fresh = 1s'
    logged 'account list: 4 accounts, 3 here'
    same 1 "$(pages 1 200)"
    same 1 "$(pages 2 200)"
    wait_for pages_reach 2 304 2
    same 1 "$(pages 1 200)"
    same 1 "$(pages 2 200)"
    same 1 "$(since /var/log/syslog | grep -c 'account list: ')"
    same 3 "$(documents '[a-z0-9]*')"
    same 1 "$(documents production 200)"
    same 1 "$(documents staging 200)"
    same 1 "$(documents staging2 200)"
}

# whose_uid UID NAME: whether the uid has that name.
whose_uid() { getent passwd "$1" | grep -q "^$2:"; }

# every listed environment has its name by its uid before anyone asks for it, and loses it with its document
test_uid_has_a_name() {
    two_pages
    by_list 'account_fresh = 1h'
    whose_uid 200001 abcdefghij
    contains "$(getent passwd 200002)" '^abcdefghij_stg:.*:/app/abcdefghij_stg:/bin/bash$'
    contains "$(getent group 200003)" '^abcdefghij_stg2:'
    same 3 "$(documents '[a-z0-9]*')"
    rm "$ACCESS/abcdefghij/staging2.json"
    page 1 2.json production
    list_again
    whose_uid 200002 abcdefghij_stg # also while the next snapshot is made
    logged 'account list: 2 accounts, 2 here'
    wait_for fails whose_uid 200003 abcdefghij_stg2
    whose_uid 200002 abcdefghij_stg
}

# an outage past max_stale takes no listed environment its name, also where it was never looked up
test_names_last() {
    two_pages
    by_list 'max_stale = 0s' 'account_fresh = 0s'
    serve api 'location ^~ /v1/ { return 503; }'
    mark
    refused alice abcdefghij
    audit 'refuse account=abcdefghij .*reason=unavailable'
    whose_uid 200001 abcdefghij
    contains "$(getent passwd 200002)" '^abcdefghij_stg:.*:/app/abcdefghij_stg:/bin/bash$'
    contains "$(getent group 200003)" '^abcdefghij_stg2:'
    list_served
}

# what a list says of ids is ignored, also where they are another environment's, a local user's, root's or no ids at all
test_ids_are_ignored() {
    local_user neighbour 200050
    two_pages
    page 1 2.json production:200002 staging2:200050 elsewhere:-1
    page 2 '' staging:0
    by_list 'account_fresh = 1h'
    logged 'account list: 4 accounts, 3 here'
    whose_uid 200001 abcdefghij
    whose_uid 200002 abcdefghij_stg
    whose_uid 200003 abcdefghij_stg2
    whose_uid 200050 neighbour
    whose_uid 0 root
    known abcdefghij 200001
    known abcdefghij_stg 200002
    known abcdefghij_stg2 200003
    fails grep -qaF /lie "$SNAPSHOT"
    enters bob abcdefghij_stg
}

# with signing_key the names of a list are taken, and an unsigned document of one is not
test_signed() {
    two_pages
    openssl genpkey -algorithm ed25519 -out /root/signer.pem
    with_list "$LIST_URL" 'account_fresh = 1h' "signing_key = $(openssl pkey -in /root/signer.pem -pubout \
        -outform DER | tail -c 32 | base64)"
    wait_for documents_reach staging 200 1
    logged 'abcdefghij/staging: invalid document: '
    fails whose_uid 200002 abcdefghij_stg
    unknown abcdefghij_stg
}

# an API that refuses documents is not flooded because of a long list; names appear once it recovers
test_documents_fail() {
    local names
    mapfile -t names < <(printf 'x%03d-a12b34c\n' {1..300})
    two_pages
    page 1 2.json "${names[@]}"
    list_served '' 'location ~ ^/v1/projects/ { return 503; }'
    with_list "$LIST_URL" 'account_fresh = 1s'
    logged 'account list: 301 accounts, 301 here'
    wait_for documents_reach '[a-z0-9-]*' 503 66
    # 64 at once, then one after 1 s and one after 2 s more.
    (($(documents '[a-z0-9-]*') <= 70))
    list_served
    WAIT=30 wait_for published /app/abcdefghij_stg
    enters bob abcdefghij_stg
}

# an account that left the list and whose document is gone is forgotten at once, without a lookup
test_left_and_gone() {
    two_pages
    by_list 'account_fresh = 1h'
    page 2 ''
    rm "$ACCESS/abcdefghij/staging.json"
    list_again
    logged 'account list: 3 accounts, 2 here'
    wait_for documents_reach staging 404 1
    wait_for unknown abcdefghij_stg
    known abcdefghij 200001
    same 1 "$(documents '[a-z0-9]*')"
}

# an account that left the list, with a document that is still there, keeps working
test_left_and_there() {
    two_pages
    by_list 'account_fresh = 1h' 'keys_fresh = 1h'
    enters bob abcdefghij_stg
    enters alice abcdefghij
    rm "$LIST/2.json"
    page 1 ''
    list_again
    logged 'account list: 0 accounts, 0 here'
    wait_for documents_reach staging 304 1
    wait_for documents_reach staging2 304 1
    wait_for documents_reach production 304 1
    known abcdefghij_stg 200002
    enters bob abcdefghij_stg
    same 3 "$(documents '[a-z0-9]*')"
}

# a list with a missing second page is ignored until the page is there
test_page_missing() {
    two_pages
    by_list 'account_fresh = 1s' 'keys_fresh = 1h'
    enters alice abcdefghij
    page 1 2.json staging2
    mv "$LIST/2.json" "$LIST/aside"
    mark
    logged 'account list, page 2: there is no such page'
    wait_for pages_reach 2 404 2
    same 0 "$(documents production)"
    fails in_log 'account list: [0-9]+ accounts'
    mv "$LIST/aside" "$LIST/2.json"
    logged 'account list: well again'
    logged 'account list: 2 accounts, 2 here'
    wait_for documents_reach production 304 1
    known abcdefghij 200001
}

# an invalid page is ignored, and the log names the place
test_page_invalid() {
    two_pages
    by_list 'account_fresh = 1h'
    enters bob abcdefghij_stg
    mark
    page 2 '' ../staging
    list_again
    logged 'account list, page 2: invalid: items\[0\]\.environment: not one that can be'
    echo '<html>Please log in' >"$LIST/2.json"
    list_again
    logged 'account list, page 2: invalid: the document: not JSON'
    same 0 "$(documents staging)"
}

# a link to another origin, or in a circle, is not followed
test_next_link() {
    two_pages
    by_list 'account_fresh = 1h'
    nginx_elsewhere
    page 1 "https://localhost:$API_TLS_PORT/v1/accounts/2.json" production
    list_again
    logged 'account list, page 1: its next link leads to another origin'
    page 1 "https://user:hunter2@localhost:$TLS_PORT/v1/accounts/2.json" production
    list_again
    logged 'account list, page 1: its next link leads to another origin'
    page 1 1.json production
    list_again
    logged 'account list, page 2: has been before'
    same 0 "$(pages 2 '[0-9]*')"
    fails grep -q hunter2 /var/log/syslog /var/log/cloudauthd.log
    same 0 "$(wc -l <"$ELSEWHERE")"
}

# Another server, which must not be asked; what it is asked stands in $ELSEWHERE.
ELSEWHERE=/root/elsewhere
nginx_elsewhere() {
    : >"$ELSEWHERE"
    sed -i "\$d" /root/nginx-tls.conf
    cat >>/root/nginx-tls.conf <<CONF
    server {
        listen 127.0.0.1:$API_TLS_PORT ssl http2;
        ssl_certificate $TLS/api.pem;
        ssl_certificate_key $TLS/api.key;
        access_log $ELSEWHERE;
    }
}
CONF
    nginx -c /root/nginx-tls.conf -s reload
    wait_for listening "$API_TLS_PORT"
}

# A server that takes connections, and no more.
SILENT_PORT=992
silent_start() {
    perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => shift,
        Listen => 10) or die; sleep' "$SILENT_PORT" </dev/null >/dev/null 2>&1 &
    echo $! >/run/silent.pid
    disown
    wait_for listening "$SILENT_PORT"
}

# a list that is unreachable or silent at the start delays no login
test_down_at_start() {
    two_pages
    list_served 'return 503;'
    with_list "$LIST_URL"
    enters bob abcdefghij_stg
    logged 'account list, page 1: the API answered with status 503'
    with_list http://127.0.0.1:9/accounts.json
    enters bob abcdefghij_stg
    logged 'account list, page 1: .*[Cc]onnect'
    silent_start
    with_list "http://127.0.0.1:$SILENT_PORT/accounts.json" 'request_timeout = 1s'
    enters bob abcdefghij_stg
    logged 'account list, page 1: .*timed out'
    stop "$(cat /run/silent.pid)"
    list_served
    by_list
    enters bob abcdefghij_stg
}

# the list is requested with the host's token, which appears in no log
test_token() {
    local token=5a1b7f9e3c2d4a6b8c0d
    two_pages
    printf '"Bearer %s" 1;\ndefault 0;\n' "$token" >/root/authorized
    # shellcheck disable=SC2016 # nginx's
    list_served 'if ($authorized = 0) { return 401; }'
    secret /etc/cloudauth/token "$token"
    by_list "token_file = /etc/cloudauth/token" 'account_fresh = 1h'
    secret /etc/cloudauth/token 0000
    list_again
    logged "account list, page 1: the API refuses this host's credential"
    fails grep -qE "$token|Bearer" /var/log/syslog /var/log/cloudauthd.log
    rm /root/authorized
    list_served
}

# a new accounts_url: the old list is dropped without removing accounts
test_other_list() {
    two_pages
    by_list 'account_fresh = 1h'
    enters bob abcdefghij_stg
    page other '' production
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" "ca_file = $TLS/ca.pem" \
        "accounts_url = ${LIST_URL/1.json/other.json}" 'account_fresh = 1h'
    list_again
    logged 'account list: 1 accounts, 1 here'
    same 0 "$(documents '[a-z0-9]*')"
    page other ''
    list_again
    logged 'account list: 0 accounts, 0 here'
    wait_for documents_reach production 304 1
    same 1 "$(documents '[a-z0-9]*')"
}

# the list can be a file, with links that stay within its directory
test_folder() {
    two_pages
    configure "accounts_url = file://$LIST/1.json" 'account_fresh = 1h'
    daemon_stop
    mark
    daemon_start
    logged 'account list: 4 accounts, 3 here'
    page 1 ../access/abcdefghij/staging.json
    list_again
    logged 'account list, page 1: its next link leads out of the directory'
    rm "$LIST/1.json"
    list_again
    logged 'account list, page 1: there is no such page'
    page 1 '' production
    list_again
    logged 'account list: 1 accounts, 1 here'
    enters bob abcdefghij_stg
}

# an invalid setting is refused on reload, and the daemon keeps the old ones
test_setting() {
    two_pages
    by_list 'account_fresh = 1h'
    configure "access_url = https://localhost:$TLS_PORT/$API_PATH" "ca_file = $TLS/ca.pem" \
        'accounts_url = http://api.example.com/accounts'
    list_again
    logged 'accounts_url: plain http is refused'
    logged 'the old ones stay in force'
    enters bob abcdefghij_stg
}
