# shellcheck shell=bash disable=SC2119
# SPDX-License-Identifier: Apache-2.0
# Documents signed by their publisher: what lies between can forge nothing.

# shellcheck source=tests/sandbox/ctl.sh
. "$REPO/tests/sandbox/ctl.sh"

SIGNER=/root/signer.pem

# The publisher's way, as docs/signing.md has it: sign_document PROJECT ENVIRONMENT [KEY]
sign_document() {
    local file=$ACCESS/$1/$2.json type=application/vnd.cloudauth.access+json payload
    payload=$(base64 -w0 "$file")
    { printf 'DSSEv1 %d %s %d ' ${#type} "$type" "$(stat -c %s "$file")" && cat "$file"; } >/root/to-sign
    openssl pkeyutl -sign -inkey "${3:-$SIGNER}" -rawin -in /root/to-sign -out /root/signature
    jq -n --arg type "$type" --arg payload "$payload" --arg sig "$(base64 -w0 /root/signature)" \
        '{payloadType: $type, payload: $payload, signatures: [{sig: $sig}]}' >"$file.new"
    mv "$file.new" "$file"
}

now() { date -u -d "${1:-now}" +%Y-%m-%dT%H:%M:%SZ; }

# The pristine document with issued_at, a jq filter applied, signed: publish ENVIRONMENT [FILTER] [WHEN]
publish() {
    jq --arg now "$(now "${3:-now}")" ".issued_at = \$now | ${2:-.}" \
        "$PRISTINE/abcdefghij/$1.json" >"$ACCESS/abcdefghij/$1.json"
    sign_document abcdefghij "$1"
}

# shellcheck disable=SC2120 # the settings it may be given
signed_host() {
    openssl genpkey -algorithm ed25519 -out "$SIGNER" 2>/dev/null
    configure "signing_key = $(openssl pkey -in "$SIGNER" -pubout -outform DER | tail -c 32 | base64)" "$@"
    daemon_stop
    daemon_start
}

# a signed document is accepted, an unsigned one is not
test_signed() {
    signed_host
    refused alice abcdefghij
    publish production
    wait_for enters alice abcdefghij
    refused stranger abcdefghij
}

# a document with a signature by another key is refused
test_other_signer() {
    signed_host
    openssl genpkey -algorithm ed25519 -out /root/other.pem 2>/dev/null
    publish production
    jq --arg now "$(now)" '.issued_at = $now' "$PRISTINE/abcdefghij/production.json" \
        >"$ACCESS/abcdefghij/production.json"
    sign_document abcdefghij production /root/other.pem
    refused alice abcdefghij
    wait_for grep -q 'signatures: none is by a key of this host' /var/log/syslog
}

# the signed document of staging in the place of production's is refused
test_swapped() {
    signed_host
    publish staging
    cp "$ACCESS/abcdefghij/staging.json" "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    enters alice abcdefghij_stg
}

# an older signed document does not restore a removed user
test_rolled_back() {
    signed_host
    publish production . '10 minutes ago'
    cp "$ACCESS/abcdefghij/production.json" /root/older.json
    enters alice abcdefghij
    publish production 'del(.users[] | select(.username == "alice"))'
    refused alice abcdefghij
    cp /root/older.json "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    daemon_stop
    daemon_start
    refused alice abcdefghij
}

# an expired signature is refused, even while the API is reachable
test_outdated() {
    signed_host
    publish production . '61 minutes ago'
    refused alice abcdefghij
    wait_for grep -q 'signed too long ago' /var/log/syslog
    publish production . '59 minutes ago'
    wait_for enters alice abcdefghij
}

# a document with an expired signature is stored like any other: after a restart no older one is in its place
test_outdated_stored() {
    signed_host
    publish production . '62 minutes ago'
    refused alice abcdefghij
    publish production '.account.gecos = "newer"' '61 minutes ago'
    WAIT=60 wait_for is_newer
    daemon_stop
    rm "$ACCESS/abcdefghij/production.json"
    daemon_start
    is_newer
}
is_newer() { contains "$(getent passwd abcdefghij)" ':newer:'; }

# a missing document is an outage; only a signed tombstone makes an environment absent
test_tombstone() {
    signed_host
    publish production
    enters alice abcdefghij
    rm "$ACCESS/abcdefghij/production.json"
    enters alice abcdefghij
    publish production '{version, project, issued_at, environment: {name: "production", status: "deleted"}}'
    unknown abcdefghij
    refused alice abcdefghij
}

# publish_many FILTER: six environments; N in it is their number
publish_many() {
    local n
    for n in {1..6}; do
        publish staging "$n as \$n | ($1) | .environment.name = \"staging\\(\$n)\""
        mv "$ACCESS/abcdefghij/staging.json" "$ACCESS/abcdefghij/staging$n.json"
    done
}

# tombstones of many environments at once are withheld, also after a change of the keys, by which documents are read again
test_withheld_tombstones() {
    local n withheld key
    signed_host
    # shellcheck disable=SC2016 # of jq
    publish_many '.account += {uid: (200100 + $n), gid: (200100 + $n)}'
    for n in {1..6}; do known "abcdefghij_stg$n" $((200100 + n)); done
    publish_many '{version, project, issued_at, environment: {status: "deleted"}}'
    cloudauthctl refresh --all || true
    withheld=$(cloudauthctl confirm-absences --json | jq -r '.environments[].name | ltrimstr("abcdefghij/staging")')
    same 3 "$(wc -l <<<"$withheld")"
    openssl genpkey -algorithm ed25519 -out /root/other.pem 2>/dev/null
    key=$(sed -n 's/^signing_key = //p' "$CONF")
    configure "signing_key = $key $(openssl pkey -in /root/other.pem -pubout -outform DER | tail -c 32 | base64)"
    daemon_reload
    logged 'settings reloaded'
    for n in $withheld; do known "abcdefghij_stg$n" $((200100 + n)); done
}

# the bindings are lost and the publisher has another key: a uid stays its environment's, whose document is not used
test_owners_lost() {
    signed_host
    publish production
    known abcdefghij 200001
    daemon_stop
    rm /var/lib/cloudauth/owners
    signed_host
    publish staging '.environment.name = "dev-abcdefg" | .account.uid = 200001'
    mv "$ACCESS/abcdefghij/staging.json" "$ACCESS/abcdefghij/dev-abcdefg.json"
    refused alice abcdefghij-dev-abcdefg
    wait_for grep -q 'bindings were lost: 1 stored documents' /var/log/syslog
    wait_for grep -q 'uid 200001 belongs to environment production' /var/log/syslog
    refused alice abcdefghij
}

# cloudauthctl check tells a publisher how a host with these settings judges the document
test_check() {
    local file=$ACCESS/abcdefghij/production.json until
    signed_host
    publish production
    until=$(field 'documents[0] | "\(.valid) \(.until)"' 0 check "$file")
    [[ $until > "yes $(date -u '+%F %T')" && $until == *' UTC' ]]
    contains "$(ctl 1 check "$PRISTINE/abcdefghij/production.json")" ' no .*payload'
    publish production . '2 hours ago'
    contains "$(ctl 1 check "$file")" ' no +outdated: usable until 20[0-9: -]+ UTC '
    publish production . '10 minutes'
    contains "$(ctl 1 check "$file")" ' no +issued_at: more than 5 minutes in the future'
    publish production 'del(.issued_at)'
    contains "$(ctl 1 check "$file")" ' no +issued_at: missing'
    publish production '.account.uid = -1'
    contains "$(ctl 1 check "$file")" 'account.uid: not'
    cp "$CONF" /root/other.conf
    configure
    contains "$(ctl 1 check -c /root/other.conf "$file")" 'account.uid: not'
    contains "$(ctl 0 check "$PRISTINE/abcdefghij/production.json")" ' yes +abcdefghij +active '
}
