# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The project API of etc/examples/api: it keeps to docs/api.md, a host lets in by it, and it withstands its visitors.

# shellcheck source=tests/sandbox/project_api.sh
. "$REPO/tests/sandbox/project_api.sh"
# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"

before_all() {
    ssh-keygen -q -t ed25519 -N '' -C 'eve@laptop' -f "$KEYS/eve"
    install -d -m 700 /root/.ssh
    printf '%s\n' 'BatchMode yes' "IdentityFile $KEYS/eve" 'UserKnownHostsFile /root/known_hosts' 'AddressFamily inet' >/root/.ssh/config
}

# as_host: what `ask` sends as a token is then the host's.
as_host() {
    token=$(curl -sf -u "$(cat /root/web1.secret)" "${FORM[@]}" "$PROJECT_API/oauth2/token" | jq -r .access_token)
}

document_path() { echo "/v1/projects/$1/environments/$2/ssh-access"; }

# problem STATUS ANSWER: an answer of `ask` is that error, by RFC 9457.
problem() {
    contains "$2" "^$1 .*\"type\": \"about:blank\", \"title\": \"[A-Z].*\", \"status\": $1, \"detail\": \""
}

# without_ids FILE: the document without what the server gives anew, and with its users in one order.
without_ids() {
    jq -Sc '.users |= sort_by(.id) | .users[].ssh_keys |= map(del(.key_id) | .value |= (split(" ")[:2] | join(" "))) | del(.certificate_authorities)' "$1"
}

# schema, OpenAPI and server agree on each document, each answer of the feed and each error
test_schema() {
    local project file last tag n=0
    project_api_start
    as_host
    rm -rf /root/answers
    mkdir /root/answers
    while IFS=/ read -r project file; do
        last=$PRISTINE/$project/$file
        ask GET "$(document_path "$project" "${file%.json}")" '' -o "/root/answers/$((++n)).json"
    done < <(cd "$PRISTINE" && printf '%s\n' */staging2.json */production.json */smith*.json */staging.json)
    same 4 $n
    same "$(without_ids "$last")" "$(without_ids "/root/answers/$n.json")"
    fails grep -v ': ok$' <<<"$("$REPO/tests/lint/schema.py" "$REPO/docs/access.schema.json" /root/answers/*.json)"
    tag=$(ask GET /v1/changes '' -o /root/answers/whole.json -D - | sed -n 's/^ETag: \(.*\)\r/\1/p')
    sign_in dave
    add_key "$KEYS/eve.pub"
    as_host
    ask GET /v1/changes '' -o /root/answers/names.json -H "If-None-Match: $tag"
    fails grep -v ': ok$' <<<"$("$REPO/tests/lint/schema.py" "$REPO/docs/changes.schema.json" \
        /root/answers/whole.json /root/answers/names.json)"
    same '[4,true]' "$(jq -c '[(.changed | length), .whole]' /root/answers/whole.json)"
    same '[["staging"],false]' "$(jq -c '[[.changed[].environment], .whole]' /root/answers/names.json)"
    problem 404 "$(ask GET "$(document_path abcdefghij nothing)")"
    problem 404 "$(ask GET "$(document_path abcdefghij ..%2fproduction)")"
    problem 404 "$(ask GET /schema.sql)"
    token=
    problem 401 "$(ask GET "$(document_path abcdefghij production)")"
    problem 401 "$(ask GET /v1/changes)"
    problem 401 "$(ask POST /oauth2/token '' -u web1:wrong "${FORM[@]}")"
    problem 400 "$(ask POST /oauth2/token '' -u "$(cat /root/web1.secret)" -d grant_type=password)"
}

# a document that has not changed is a 304; each version has its own ETag
test_validators() {
    local path tag
    project_api_start
    path=$(document_path abcdefghij staging)
    as_host
    tag=$(ask GET "$path" '' -o /dev/null -D - | sed -n 's/^ETag: \(.*\)\r/\1/p')
    same '304 ' "$(ask GET "$path" '' -H "If-None-Match: $tag")"
    sign_in dave
    add_key "$KEYS/eve.pub"
    as_host
    contains "$(ask GET "$path" '' -H "If-None-Match: $tag")" '^200 .*"title": "eve@laptop"'
}

# the feed is held until a change, also one that another program makes, and names what has changed since the cursor
test_feed() {
    local tag document=$PRISTINE/abcdefghij/staging2.json
    project_api_start
    as_host
    tag=$(ask GET /v1/changes '' -o /dev/null -D - | sed -n 's/^ETag: \(.*\)\r/\1/p')
    same '304 ' "$(ask GET /v1/changes '' -H "If-None-Match: $tag")"
    ask GET /v1/changes '' -H "If-None-Match: $tag" -H 'Prefer: wait=30' >/root/poll &
    "$API_ADMIN" $API_DIR import "$document"
    wait $!
    contains "$(cat /root/poll)" '^200 .*"environment": "staging2"'
    ask GET /v1/changes '' -H 'If-None-Match: "0-7"' >/root/poll
    contains "$(cat /root/poll)" '^200 .*"whole": true'
}

# a key that is added enters at once, without a request; removed, it ends the open session within a second
test_loop() {
    local begun requests
    project_api_start
    by_project_api 'keys_fresh = 1h' 'session_recheck = 1h'
    wait_for feed_live
    refused eve abcdefghij_stg
    sign_in bob
    add_key "$KEYS/eve.pub"
    wait_for enters eve abcdefghij_stg
    # The daemon asks for the other environments that the feed has named at a random time.
    requests=$(grep -c environments/staging/ssh-access $PROJECT_API_LOG)
    enters eve abcdefghij_stg
    same "$requests" "$(grep -c environments/staging/ssh-access $PROJECT_API_LOG)"
    stays open eve abcdefghij_stg
    begun=${EPOCHREALTIME/./}
    remove_key "$added"
    PAUSE=5 wait_for ended open
    note "the session ended $(((${EPOCHREALTIME/./} - begun) / 1000)) ms after its key had been removed"
    refused eve abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*reason=key-unknown'
}

# documents that it signs are accepted, and a tombstone is signed too
test_signed() {
    local key
    openssl genpkey -algorithm ed25519 -out /root/signer.pem
    key=$(openssl pkey -in /root/signer.pem -pubout -outform DER | tail -c 32 | base64)
    project_api_start --sign /root/signer.pem
    by_project_api "signing_key = $key"
    enters bob abcdefghij_stg
    unknown abcdefghij_stg7
    as_host
    contains "$(ask GET "$(document_path abcdefghij staging7)" | cut -c5- | jq -r .payload | base64 -d)" '"status": "deleted"'
    "$API_ADMIN" $API_DIR import "$PRISTINE/abcdefghij/staging.json"
    enters bob abcdefghij_stg
}

# what is wrong with a pasted key is said in words, and a private key is not accepted
test_bad_keys() {
    local key text good
    project_api_start
    good=$(cut -d' ' -f1,2 "$KEYS/eve.pub")
    ssh-keygen -q -t rsa -b 1024 -N '' -f /root/small
    sign_in alice
    while IFS='|' read -r text key; do
        contains "$(ask POST /v1/me/ssh-keys "{\"title\": \"x\", \"value\": \"$key\"}")" "^422 .*$text"
    done <<END
private key|-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Bl
private key|PuTTY-User-Key-File-3: ssh-ed25519\\n
another format|---- BEGIN SSH2 PUBLIC KEY ----\\nAAAA
begins with its type|hello
begins with its type|command=\\"id\\" $good
more than one line|$good\\n$good
more than one line|${good:0:40}\\n${good:40}
certificate|ssh-ed25519-cert-v01@openssh.com AAAA
damaged|${good:0:40}
damaged|ssh-rsa ${good#* }
damaged|$good=
damaged|ssh-ed25519
1024 bits|$(cat /root/small.pub)
begins with its type|ssh-dss AAAA
Paste the line|  \\n
END
    contains "$(ask POST /v1/me/key-check "{\"value\": \" \\ufeff$good  eve \\r\\n\"}")" '^200 .*"comment": "eve"'
    problem 409 "$(ask POST /v1/me/ssh-keys "$(key_json "$KEYS/bob.pub")")"
    problem 409 "$(ask POST /v1/me/ssh-keys "$(key_json "$KEYS/alice.pub")")"
}

# a megabyte is refused before it is read, and other requests that are none
test_bounds() {
    project_api_start
    head -c 1048576 /dev/zero | tr '\0' a >/root/large
    problem 413 "$(ask POST /v1/me/ssh-keys '' --data-binary @/root/large)"
    problem 431 "$(ask GET /v1/me '' -H "X-Large: $(head -c 100000 /root/large)")"
    problem 413 "$(ask GET /v1/me '' -H 'Content-Length: 1' -H 'Content-Length: 2')"
    problem 413 "$(ask POST /v1/link '{}' -H 'Transfer-Encoding: chunked')"
    problem 421 "$(ask GET /v1/me '' -H 'Host: rebound.example.com:882')"
    sign_in alice
    problem 400 "$(ask POST /v1/me/ssh-keys '[1]')"
    problem 400 "$(ask POST /v1/me/ssh-keys "$(printf '[%.0s' {1..9000})")"
    problem 400 "$(ask POST /v1/me/ssh-keys "$(key_json "$KEYS/eve.pub" | sed 's/"title": ""/"title": 7/')")"
    problem 400 "$(ask POST /v1/me/ssh-keys '{"title": "x", "value": "\ud800"}')"
    problem 422 "$(ask POST /v1/me/ssh-keys "$(key_json "$KEYS/eve.pub" 'a\u001b[2Jb')")"
}

# forged requests with a person's cookie change nothing, and another person's things are not found
test_forged() {
    local key other
    project_api_start
    sign_in alice
    other=$(ask GET /v1/me | sed -n 's/.*"ssh_keys": \[{"key_id": \([0-9]*\).*/\1/p')
    token=
    page_sign_in bob
    contains "$(cat "$jar")" '#HttpOnly_127.0.0.1'
    problem 401 "$(ask POST /v1/session "{\"link\": \"$(sed -n 's/^sign in: .*#//p' $PROJECT_API_LOG | tail -n 1)\", \"for\": \"page\"}")"
    key=$(key_json "$KEYS/eve.pub")
    problem 403 "$(ask POST /v1/me/ssh-keys "$key" -b "$jar")"
    problem 403 "$(ask POST /v1/me/ssh-keys "$key" -b "$jar" -H 'Origin: http://evil.example')"
    problem 403 "$(ask POST /v1/me/ssh-keys "$key" -b "$jar" -H 'Origin: null')"
    problem 400 "$(type=text/plain page POST /v1/me/ssh-keys "$key")"
    problem 404 "$(page DELETE "/v1/me/ssh-keys/$other")"
    problem 404 "$(page GET /v1/projects/abcdefghij/environments/production/sessions)"
    fails contains "$(page GET /v1/me)" '"name": "production"'
    contains "$(page POST /v1/me/ssh-keys "$key")" '^201 '
    same '204 ' "$(page DELETE /v1/session)"
    problem 401 "$(page GET /v1/me)"
}

# a person can neither remove a key that an operator has limited nor add it again without the limits
test_limited_key() {
    local id value before
    project_api_start
    sign_in bob
    before=$(ask GET /v1/me)
    read -r id value < <(jq -r '.ssh_keys[] | select(.from) | "\(.key_id) \(.value)"' <<<"${before#200 }")
    contains "$(ask DELETE "/v1/me/ssh-keys/$id")" '^403 .*an operator'
    problem 409 "$(ask POST /v1/me/ssh-keys "{\"title\": \"x\", \"value\": \"$value\"}")"
    same "$before" "$(ask GET /v1/me)"
    problem 404 "$(ask DELETE /v1/me/ssh-keys/999999)"
}

# others add the same key or drop old changes between two statements: the key has one owner, and the feed names each change
test_between() {
    rm -rf /root/between
    same '409 This key is another account'\''s. | one two three False | 201' "$(/usr/bin/python3 -B - "$REPO/etc/examples/api" "$(cut -d' ' -f1,2 "$KEYS/eve.pub")" <<'END'
import pathlib, sys, types
sys.path.insert(0, sys.argv[1])
import api


class Between(api.Database):
    def rows(self, query, *values):
        if query.startswith("INSERT INTO ssh_key") and Request.texts["value"] == sys.argv[2]:
            super().rows("INSERT INTO ssh_key (person, title, value) VALUES ('b', '', ?)", sys.argv[2])
        found = super().rows(query, *values)
        if "bounds" in query or "min(id)" in query:
            super().rows("DELETE FROM change WHERE id < 4")
        return found


class Request(api.Api):
    db, options, epoch = Between(pathlib.Path("/root/between")), types.SimpleNamespace(open=True), "0"
    texts = {"value": sys.argv[2], "title": "x"}
    def __init__(self): pass
    def person(self): return "a"
    def text(self, name): return self.texts[name]
    def header(self, name): return {"if-none-match": '"0-1"'}.get(name, "")


def add():
    try:
        return str(Request().add_key()[0])
    except api.Problem as problem:
        return f"{problem.answer[0]} {problem.answer[1]['detail']}"


first = add()
for name in ("zero", "one", "two", "three"):
    Request.db.rows("INSERT INTO change (project, name) VALUES ('p', ?)", name)
feed = Request().changes()[1]
Request.texts = {"value": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPKU/jEoX+aFfPwO1oVqJeawV6sBRfKrPgd29lJ//tub", "title": "x"}
print(first, "|", *(one["environment"] for one in feed["changed"]), feed["whole"], "|", add())
END
    )"
}

# the page comes with a policy that runs no other script, and is never framed
test_headers() {
    project_api_start
    contains "$(ask GET / '' -D - -o /dev/null)" "^Content-Security-Policy: default-src 'none'; script-src 'self';.*frame-ancestors 'none'"
    fails grep -E '<script>|style=|onclick|innerHTML|https?:' "$REPO"/etc/examples/api/page/*.{html,css,js}
}

# a certificate is for the person's own id and an hour, by a code that works once and for that person alone
test_certificate() {
    local code
    project_api_start
    sign_in alice
    same '204 ' "$(ask POST /v1/me/code)"
    code=$(code)
    sign_in bob
    problem 403 "$(certificate none)"
    problem 403 "$(certificate "$code")"
    same '204 ' "$(ask POST /v1/me/code)"
    code=$(code)
    certificate "$code" | sed 's/^201 //' | jq -r .certificate >/root/eve-cert.pub
    ssh-keygen -L -f /root/eve-cert.pub >/root/eve-cert
    contains "$(cat /root/eve-cert)" 'Key ID: "42e62c2b-917a-5703-a63a-4636dfee9728"'
    contains "$(cat /root/eve-cert)" 'user certificate'
    contains "$(cat /root/eve-cert)" '^  *token-claims@platform.sh'
    problem 403 "$(certificate "$code")"
}
certificate() { ask POST /v1/me/certificate "{\"value\": \"$(cat "$KEYS/eve.pub")\", \"code\": \"$1\"}"; }

# the two settings that the README gives are enough on the machine of the server
test_two_settings() {
    local -a settings
    project_api_start --open
    mapfile -t settings < <(sed -nE "s#^    ((access|changes)_url = )http://127.0.0.1:880#\1$PROJECT_API#p" \
        "$REPO/etc/examples/api/README.md")
    same 2 ${#settings[@]}
    configure
    sed -i '/^access_url/d' "$CONF"
    printf '%s\n' "${settings[@]}" >>"$CONF"
    daemon_stop
    daemon_start
    enters bob abcdefghij_stg
    wait_for feed_live
}

# documents that give a person different keys are not taken over: the keys of one would open the other
test_import_differs() {
    local other=/root/other.json
    jq '(.users[] | select(.username == "bob") | .ssh_keys) |= map(del(.from))' "$PRISTINE/abcdefghij/staging2.json" >$other
    contains "$("$API_ADMIN" /root/differs import "$PRISTINE/abcdefghij/staging.json" $other 2>&1)" 'has other keys in another'
    same 0 "$(/usr/bin/python3 -c 'import sqlite3
print(sqlite3.connect("/root/differs/api.db").execute("SELECT count(*) FROM ssh_key").fetchone()[0])')"
}

# what hosts refuse in a document they refuse after it is taken over: a member given twice, a key with more behind it
test_import_closed() {
    local document=/root/closed.json key
    key=$(cut -d' ' -f1,2 "$KEYS/bob.pub")
    sed '0,/"role":/s//"role": "viewer", &/' "$PRISTINE/abcdefghij/staging.json" >$document
    contains "$("$API_ADMIN" /root/closed import $document 2>&1)" 'closed.json: role: given twice'
    jq --arg key "$key" '(.users[] | select(.username == "bob") | .ssh_keys) =
        [{title: "", value: "\($key) bob@desk"}, {title: "", value: "\($key)\nssh-ed25519 AAAA"},
         {title: "", value: ($key | sub(" "; "\u000b"))}]' "$PRISTINE/abcdefghij/staging.json" >$document
    "$API_ADMIN" /root/closed import $document
    same "$(jq -nc --arg key "$key" '[$key, "\($key)\nssh-ed25519 AAAA", ($key | sub(" "; "\u000b"))]')" \
        "$(/usr/bin/python3 -c 'import json, sqlite3
print(json.dumps([value for value, in sqlite3.connect("/root/closed/api.db").execute(
    "SELECT value FROM ssh_key JOIN person ON person = person.id WHERE username = ? ORDER BY ssh_key.rowid", ("bob",))],
    separators=(",", ":")))')"
}

# a person who is deleted is out of every environment, and signed in nowhere
test_deleted_person() {
    project_api_start
    sign_in bob
    /usr/bin/python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("DELETE FROM person WHERE username = ?", ("bob",))
db.commit()' "$API_DIR/api.db"
    problem 401 "$(ask GET /v1/me)"
    as_host
    fails contains "$(ask GET "$(document_path abcdefghij staging)")" '"username": "bob"'
    contains "$(ask GET "$(document_path abcdefghij staging)")" '"username": "alice"'
}

# a certificate opens each environment that its person is in, and ends with the person
test_certificate_login() {
    project_api_start
    by_project_api 'keys_fresh = 1h' 'session_recheck = 1h'
    wait_for feed_live
    cloud login "$(link bob)"
    code | cloud ssh-cert:load
    same "$(id_of abcdefghij_stg)" "$(cloud ssh -p abcdefghij -e staging id -u)"
    audit 'grant account=abcdefghij_stg .*user=bob .*role=contributor'
    same "$(id_of abcdefg123abc-smith-a12b34c)" "$(cloud ssh -p abcdefg123abc -e smith-a12b34c id -u)"
    audit 'grant account=abcdefg123abc-smith-a12b34c .*user=bob '
    fails audited 'reason=key-unknown'
    mkfifo /root/silence.cloud
    cloud ssh -p abcdefghij -e staging 'echo inside; exec cat' <>/root/silence.cloud >/root/open.out 2>&1 &
    client[open]=$!
    wait_for grep -q inside /root/open.out
    jq 'del(.users[] | select(.username == "bob"))' "$PRISTINE/abcdefghij/staging.json" >/root/without.json
    "$API_ADMIN" $API_DIR import /root/without.json
    wait_for ended open
    refused bob abcdefghij_stg '' -i /root/.config/cloud/id_ed25519
    refused bob abcdefghij '' -i /root/.config/cloud/id_ed25519
    audit 'refuse account=abcdefghij .*reason=certificate-unknown'
}
id_of() { getent passwd "$1" | cut -d: -f3; }

# where the host asks for a second factor, the command logs in again with one, once, and enters; never without a terminal
test_step_up() {
    local -a command=(ssh -p abcdefghij -e staging id -u)
    project_api_start
    by_project_api
    wait_for feed_live
    jq '.access.require = {amr: ["mfa"], max_age: 3600}' "$PRISTINE/abcdefghij/staging.json" >/root/require.json
    "$API_ADMIN" $API_DIR import /root/require.json
    cloud login "$(link bob)"
    code | cloud ssh-cert:load
    # In its place one of a sign-in without a second factor.
    ssh-keygen -q -s $API_DIR/authority -I 42e62c2b-917a-5703-a63a-4636dfee9728 -n bob -V +1h \
        -O "extension:token-claims@platform.sh={\"auth_time\":$(date +%s),\"amr\":[\"pwd\"]}" /root/.config/cloud/id_ed25519.pub
    wait_for cloud_says 'Error: Access denied'
    same 1 "$(grep -c '^code' $PROJECT_API_LOG)"
    at_terminal "${command[@]}"
    code >/root/typed
    wait $!
    contains "$(cat /root/typescript)" 'Parameters: {"amr":\["mfa"\],"max_age":3600}'
    contains "$(cat /root/typescript)" '^200002'
    audit 'grant account=abcdefghij_stg .*user=bob .*cert='
    same 200002 "$(cloud "${command[@]}")"
    same 2 "$(grep -c '^code' $PROJECT_API_LOG)"
    jq '.access.require = {amr: ["mfa", "face"]}' "$PRISTINE/abcdefghij/staging.json" >/root/require.json
    "$API_ADMIN" $API_DIR import /root/require.json
    wait_for cloud_says '"face"'
    at_terminal "${command[@]}"
    fails wait $!
    contains "$(cat /root/typescript)" 'do not have'
    same 2 "$(grep -c '^code' $PROJECT_API_LOG)"
}
cloud_says() { cloud "${command[@]}" 2>&1 </dev/null | grep -qF -- "$1"; }

# at_terminal COMMAND...: of `cloud`, with what is written to /root/typed as its input.
at_terminal() {
    [[ -p /root/typed ]] || mkfifo /root/typed
    script -qec "$REPO/etc/examples/api/cloud $*" /dev/null <>/root/typed >/root/typescript 2>&1 &
}

# 200 requests at once, beside 200 connections that send nothing: each is answered
test_crowd() {
    project_api_start
    as_host
    /usr/bin/python3 - "$token" <<'END' >/root/crowd
import socket, sys, time
idle = [socket.create_connection(("127.0.0.1", 882)) for _ in range(200)]
begun, crowd = time.monotonic(), [socket.create_connection(("127.0.0.1", 882)) for _ in range(200)]
for one in crowd:
    one.sendall(f"GET /v1/projects/abcdefghij/environments/staging/ssh-access HTTP/1.1\r\nHost: 127.0.0.1:882\r\n"
                f"Authorization: Bearer {sys.argv[1]}\r\nConnection: close\r\n\r\n".encode())
answers = [one.makefile("rb").read() for one in crowd]
print(sum(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"}") for answer in answers))
print(int((time.monotonic() - begun) * 1000))
END
    same 200 "$(sed -n 1p /root/crowd)"
    note "200 requests at once were answered in $(sed -n 2p /root/crowd) ms"
}

# the command: sign in, list, enter by -p and -e, sFTP with the documented settings, a tunnel, and a key removed
test_command() {
    local link document=/root/forwards.json
    project_api_start
    jq ".forwarding.local = [\"127.0.0.1:882\", \"localhost:*\"]" "$PRISTINE/abcdefghij/staging.json" >$document
    "$API_ADMIN" $API_DIR import $document
    by_project_api 'keys_fresh = 1h' 'session_recheck = 1h'
    wait_for feed_live
    fails cloud project:list
    link=$(link bob)
    contains "$(cloud login "$link")" 'Signed in as bob'
    fails cloud login "$link"
    same 600 "$(stat -c %a /root/.config/cloud/session.json)"
    same 'abcdefg123abc abcdefghij' "$(cloud project:list | xargs)"
    contains "$(cloud environment:list -p abcdefghij)" '^staging  .* active  *contributor$'
    fails cloud environment:list -p otherproject
    fails cloud ssh -p abcdefghij -e staging true
    fails cloud ssh-key:add "$KEYS/eve"
    cloud ssh-key:add "$KEYS/eve.pub" --title tablet
    contains "$(cloud ssh-key:list)" 'SHA256:.* tablet$'
    wait_for cloud ssh -p abcdefghij -e staging true
    same 200002 "$(cloud ssh -p abcdefghij -e staging id -u)"
    contains "$(cloud ssh -p abcdefg123abc -e smith-a12b34c -A mymagento env)" '^CLOUDAUTH_APPLICATION=mymagento$'
    fails cloud ssh -p abcdefghij -e production true
    contains "$(echo ls | "$REPO/etc/examples/api/cloud" sftp -p abcdefghij -e staging)" 'pub +var'
    contains "$(cloud tunnel:open -p abcdefghij -e staging 2>&1)" '127.0.0.1:882 is at 127.0.0.1:30882'
    contains "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: localhost:882' http://127.0.0.1:30882/)" 200
    cloud tunnel:close -p abcdefghij -e staging
    fails curl -s http://127.0.0.1:30882/
    cloud ssh-key:delete "$(cloud ssh-key:list | sed -n 's/^ *\([0-9]*\) .* tablet$/\1/p')"
    wait_for not_entered cloud ssh -p abcdefghij -e staging true
    cloud logout
    fails cloud project:list
}
not_entered() { ! "$@"; }
