# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Logins by certificates of stock ssh-keygen on stock sshd: who enters, and what never opens.

# shellcheck source=tests/sandbox/sessions.sh
. "$HARNESS/../sandbox/sessions.sh"

ALICE=c0ef600c-e730-593d-a90d-f87c85d74403
CA=/root/ca # an RSA key, so that openssl(1) can sign what ssh-keygen(1) does not make
CERTIFIED=(-o PubkeyAcceptedAlgorithms='*-cert-v01@openssh.com') # the plain key is not offered

before_all() {
    ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f $CA
    ssh-keygen -q -t ed25519 -N '' -f /root/other-ca
    ssh-keygen -q -t ed25519 -N '' -f "$KEYS/device"
}

# accept [FILE]: staging's document has that authority.
accept() {
    document abcdefghij staging ".certificate_authorities =
        [{title: \"certifier\", value: \"$(<"${1:-$CA}.pub")\"}]"
}

# The authority's fingerprint, as a regular expression.
ca_pattern() { ssh-keygen -lf $CA | cut -d ' ' -f 2 | tr + .; }

# certify FILE KEY [OPTION...]: the key as $KEYS/FILE, with a certificate for alice.
certify() {
    local file=$KEYS/$1 key=$KEYS/$2
    shift 2
    cp "$key" "$file"
    cp "$key.pub" "$file.pub"
    ssh-keygen -q -s "$CA" -I "$ALICE" -n alice -z 7 -V +1h "$@" "$file.pub"
}

# ssh-keygen splits a list of principals at commas: replaces text by as long a one, and signs again.
forge() {
    local file=$KEYS/$1-cert.pub blob=/root/forged type
    type=$(cut -d ' ' -f 1 "$file")
    cut -d ' ' -f 2 "$file" | base64 -d | perl -0pe "s/\\Q$2\\E/$3/" >$blob
    head -c -280 $blob >$blob.signed
    tail -c 280 $blob | head -c 24 >$blob.head
    openssl dgst -sha512 -sign "$CA" $blob.signed |
        cat $blob.signed $blob.head - | base64 -w 0 | sed "s/^/$type /" >"$file"
}

# never REGEX: no certificate of alice's own key and none of another key opens, the reason's detail has
# TEXT, and her plain key does open. The certificates are $KEYS/bad and $KEYS/own.
never() {
    refused bad abcdefghij_stg
    audit "refuse account=abcdefghij_stg .*reason=$1"
    refused own abcdefghij_stg '' "${CERTIFIED[@]}"
    enters own abcdefghij_stg
    refused bad abcdefghij_stg_sftp
    audit "refuse account=abcdefghij_stg_sftp .*reason=$1"
    fails contains "$(since)" 'grant .*cert='
}

# both [OPTION...]: the certificates for `never`.
both() {
    accept
    certify bad device "$@"
    certify own alice "$@"
}

# a certificate for a person of the document enters the shell and the sFTP account, by any key's type
test_enters() {
    local type ca
    accept
    ca=$(ca_pattern)
    certify c device
    enters c abcdefghij_stg
    audit "grant account=abcdefghij_stg .*user=alice role=admin key=SHA256:[^ ]+ cert=7 ca=$ca from=127.0.0.1 .*reason=granted"
    # shellcheck disable=SC2016 # expanded there
    same alice "$(as c abcdefghij_stg 'echo $CLOUDAUTH_USER' | tail -n 1)"
    contains "$(sftp_batch c abcdefghij_stg_sftp <<<'ls')" pub
    audit "grant account=abcdefghij_stg_sftp .*user=alice .*cert=7 ca=$ca"
    for type in ecdsa 'rsa -b 4096'; do
        rm -f "$KEYS"/typed*
        # shellcheck disable=SC2086 # words
        ssh-keygen -q -N '' -f "$KEYS/typed" -t $type
        certify c typed -z 18446744073709551615 -O extension:has-mfa@platform.sh \
            -O extension:token-claims@platform.sh="$(printf '{"amr":["mfa","pwd"],"groups":"%01500d"}' 0)"
        enters c abcdefghij_stg
    done
    audit 'grant .*cert=18446744073709551615 '
}

# demand JSON: staging's document requires that.
demand() {
    document abcdefghij staging ".access.require = $1 | .certificate_authorities =
        [{title: \"certifier\", value: \"$(<$CA.pub)\"}]"
}

# claims FILE AUTH_TIME AMR: a certificate with these claims, and nothing else to enter by.
claims() {
    certify "$1" device -O "extension:token-claims@platform.sh={\"auth_time\":$2,\"amr\":$3}"
}

# without_mfa KEY [OPTION...]: it is refused, with the lines from which a client logs in again.
without_mfa() {
    local output
    mark
    output=$(as "$1" abcdefghij_stg 'echo inside' "${@:2}" 2>&1) && return 1
    fails contains "$output" inside
    contains "$output" '^Error: Access denied'
    same '{"amr":["mfa"],"max_age":3600}' "$(sed -nE 's/^Parameters: (\{.+)$/\1/p' <<<"$output" | jq -c .)"
    audit 'refuse account=abcdefghij_stg .*user=alice .*reason=mfa-required'
}

# a document that requires MFA: only claims that say so, lately enough
test_require() {
    local now
    now=$(date +%s)
    document abcdefghij staging '.access.require = {amr: ["mfa"], max_age: 3600}'
    without_mfa alice
    demand '{amr: ["mfa"], max_age: 3600}'
    certify c device
    without_mfa c
    claims c "$now" '["pwd"]'
    without_mfa c
    claims c $((now - 3700)) '["mfa","pwd"]'
    without_mfa c
    claims c $((now + 3600)) '["mfa"]'
    without_mfa c
    claims c '"now"' '["mfa"]'
    without_mfa c
    claims c $((now - 60)) '["pwd","mfa"]'
    enters c abcdefghij_stg
    contains "$(cloudauthctl explain abcdefghij_stg "$KEYS/c-cert.pub")" 'require +yes'
    contains "$(cloudauthctl explain abcdefghij_stg "$KEYS/alice.pub")" 'require +no +mfa-required'
    contains "$(sftp_batch c abcdefghij_stg_sftp <<<'ls')" pub
    refused alice abcdefghij_stg_sftp
    audit 'refuse account=abcdefghij_stg_sftp .*reason=mfa-required .*proof=none'
    certify c device -O extension:has-mfa@platform.sh
    enters c abcdefghij_stg
    configure 'certificates_claims = other@example.com'
    daemon_reload
    certify c device -O 'extension:other@example.com={"auth_time":'"$now"',"amr":["mfa"]}'
    wait_for enters c abcdefghij_stg
}

# a certificate for a key of the document enters where the key itself may not: ssh offers the key first
test_certified_own_key() {
    demand '{amr: ["mfa"], max_age: 3600}'
    certify own alice -O extension:has-mfa@platform.sh
    enters own abcdefghij_stg
    refused alice abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*user=alice .*reason=mfa-required .*proof=none'
    document abcdefghij staging ".users[0].ssh_keys[0].expires_at = \"2020-01-01T00:00:00Z\" | .certificate_authorities =
        [{title: \"certifier\", value: \"$(<$CA.pub)\"}]"
    enters own abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*cert=7 '
}

# a requirement that cannot be read lets no person in
test_require_unreadable() {
    certify c device -O extension:has-mfa@platform.sh
    demand '{amr: ["mfa"]}'
    enters c abcdefghij_stg
    demand '{amr: []}'
    refused c abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*user=alice .*reason=access-off'
    refused alice abcdefghij_stg
}

# an open session goes on when the document begins to require what its person does not meet
test_require_session() {
    api_rechecks
    accept
    certify c device
    stays c c abcdefghij_stg
    stays b bob abcdefghij_stg
    demand '{amr: ["mfa"], max_age: 3600}'
    document abcdefghij staging '.users |= map(select(.username != "bob"))'
    wait_for ended b
    without_mfa c
    lives c
    hang_up
}

# authorities that cannot be read certify nothing, each for itself, and the keys of people go on
test_authority_unreadable() {
    local bad good # of nine authorities the last one is left out
    good="{value: \"$(<$CA.pub)\"}"
    certify c device
    for bad in "$good" "[$good + {from: \"127.0.0.1\"}]" "[$good + {expires_at: 1}]" "[$good + {verify: true}]" \
        "[(range(8) | {value: \"$(</root/other-ca.pub)\"}), $good]"; do
        document abcdefghij staging ".certificate_authorities = $bad"
        refused c abcdefghij_stg
        enters alice abcdefghij_stg
    done
    document abcdefghij staging ".certificate_authorities = [{value: \"ssh-ed25519 AAAA\"}, $good]"
    enters c abcdefghij_stg
}

# the person needs no key in the document, and another environment that does not list the authority refuses
test_other_environment() {
    accept
    document abcdefghij staging '.users |= map(.ssh_keys = [])'
    certify c device
    enters c abcdefghij_stg
    refused c abcdefghij
    audit 'refuse account=abcdefghij .*user=alice .*cert=7 .*reason=authority-unknown .*proof=none detail="certificate 7 of alice: [a-z]+ in staging, by an authority that is not accepted in production"'
}

# where an application does not exist, what is said of a person who is known there is nothing of other environments
test_no_app() {
    local of=$ACCESS/abcdefg123abc
    jq '.environment.name = "other-a12b34c" | .account += {uid: 200077, gid: 200077}' "$of/smith-a12b34c.json" >"$of/other-a12b34c.json"
    document abcdefg123abc smith-a12b34c '.apps = {web: {}}'
    cloudauthctl refresh abcdefg123abc-other-a12b34c
    cloudauthctl explain abcdefg123abc-smith-a12b34c--no-app "$KEYS/bob.pub" >/root/explained || true
    grep app-unknown /root/explained
    fails grep 'bob: .*not known' /root/explained
    rm "$of/other-a12b34c.json"
}

# a certificate by an authority of no document is of no person: the line names none, whatever its key id
test_no_authority() {
    both
    ssh-keygen -q -t ed25519 -N '' -f /root/own-ca
    ssh-keygen -q -s /root/own-ca -I "$ALICE" -n alice -z 7 -V +1h "$KEYS/bad.pub"
    cloudauthctl refresh abcdefghij_stg # so that the daemon knows alice there
    refused bad abcdefghij
    audit 'refuse account=abcdefghij .*user= .*cert=7 .*reason=authority-unknown .*proof=none$'
}

# the authority of another document opens nothing
test_other_authority() {
    both
    accept /root/other-ca
    document abcdefghij production ".certificate_authorities = [{value: \"$(<$CA.pub)\"}]"
    never authority-unknown
}

# a person of another environment's document, or of none, does not enter
test_other_person() {
    both -I 00000000-0000-0000-0000-000000000000
    document abcdefghij production ".users[0].id = \"00000000-0000-0000-0000-000000000000\" |
        .certificate_authorities = [{value: \"$(<$CA.pub)\"}]"
    cloudauthctl refresh abcdefghij # so that the daemon knows that person
    never certificate-unknown
    audit 'refuse .*reason=certificate-unknown .*detail="certificate 7 of [a-z-]+: [a-z]+ in production, not known in staging"'
    contains "$(cloudauthctl explain abcdefghij_stg "$KEYS/bad-cert.pub")" '^detail: +certificate 7 of [a-z-]+: [a-z]+ in production, not known in staging$'
    both -I nobody-here
    never certificate-unknown
    audit 'refuse .*reason=certificate-unknown .*detail="certificate 7 for nobody-here, not known in staging"'
    both -I "$ALICE,admin"
    refused bad abcdefghij_stg
}

# no principals: sshd would let such a certificate in as anyone
test_no_principals() {
    accept
    for name in bad own; do
        cp "$KEYS/$([[ $name == bad ]] && echo device || echo alice)" "$KEYS/$name"
        ssh-keygen -y -f "$KEYS/$name" >"$KEYS/$name.pub"
        ssh-keygen -q -s "$CA" -I "$ALICE" -V +1h "$KEYS/$name.pub"
    done
    never 'certificate-unusable .*detail="the certificate has no principals"'
}

# a comma, a quote, a backslash or a control character in a principal (CVE-2026-35414)
test_bad_principals() {
    local text
    both -n al-ce
    enters bad abcdefghij_stg "${CERTIFIED[@]}"
    for text in 'al"ce' 'al\\ce' 'al\nce'; do
        both -n al-ce
        forge bad al-ce "$text"
        forge own al-ce "$text"
        mark
        refused bad abcdefghij_stg
        audit 'refuse .*reason=certificate-unusable .*detail="a principal of the certificate '
        refused own abcdefghij_stg '' "${CERTIFIED[@]}"
    done
    both -n al-ce
    forge bad al-ce 'al\0ce' # which ssh(1) does not offer
    # shellcheck disable=SC2046 # words
    same '' "$(helper $(cut -d ' ' -f 1,2 "$KEYS/bad-cert.pub"))"
    both -n alice,al-ce # one that is not the first
    forge bad al-ce 'al,ce'
    forge own al-ce 'al,ce'
    mark
    never 'certificate-unusable .*detail="a principal of the certificate '
}

# a host's certificate is no person's
test_host_certificate() {
    both -h
    # ssh(1) does not offer one: the helper is asked as sshd would ask it
    for name in bad own; do
        mark
        # shellcheck disable=SC2046 # words
        same '' "$(helper $(cut -d ' ' -f 1,2 "$KEYS/$name-cert.pub"))"
        audit 'reason=certificate-unusable .*detail="the certificate is not one for users"'
    done
    enters own abcdefghij_stg
}

# helper TYPE BASE64: what sshd is answered.
helper() {
    setpriv --reuid cloudauth-keys --regid cloudauth-keys --clear-groups \
        /usr/libexec/cloudauth/cloud-authkeys shell abcdefghij_stg "$1" "$2" 200002
}

# longer than certificates_max: refused, and with `forever` let in
test_too_long() {
    both -V +25h
    never 'certificate-unusable .*detail="the certificate is valid for longer than certificates_max of this host"'
    both -V always:forever
    refused bad abcdefghij_stg
    configure 'certificates_max = forever'
    daemon_reload
    wait_for enters bad abcdefghij_stg "${CERTIFIED[@]}"
    configure 'certificates_max = 30m'
    daemon_reload
    both
    wait_for refused bad abcdefghij_stg
    both -V +30m
    enters bad abcdefghij_stg
}

# not yet valid, and expired
test_times() {
    both -V +1h:+2h
    never certificate-not-yet-valid
    contains "$(cloudauthctl explain abcdefghij_stg "$KEYS/bad-cert.pub")" 'certificate +no +certificate-not-yet-valid'
    both -V -2h:-1h
    mark
    never certificate-expired
    contains "$(cloudauthctl explain abcdefghij_stg "$KEYS/bad-cert.pub")" 'decision: certificate-expired'
}

# unknown critical options and a forced command are refused; sshd enforces the addresses
test_critical_options() {
    both -O critical:other@example.com=1
    never 'certificate-unusable .*detail="the certificate has a critical option that is not known here"'
    both -O force-command=/bin/true
    mark
    never 'certificate-unusable .*detail="the certificate has a force-command"'
    both -O source-address=192.0.2.0/24
    mark
    refused bad abcdefghij_stg
    refused own abcdefghij_stg '' "${CERTIFIED[@]}"
    audit 'sshd.* for abcdefghij_stg with valid certificate but not from a permitted source address'
    fails contains "$(since)" 'grant '
    both -O source-address=127.0.0.0/8
    enters bad abcdefghij_stg
}

# a weak key, certified or certifying, a wrong signature, bytes behind it, and one that is too large
test_malformed() {
    both
    ssh-keygen -q -t rsa -b 1024 -N '' -f "$KEYS/weak"
    certify bad weak
    refused bad abcdefghij_stg
    audit 'reason=key-unusable .*detail="the key is an RSA key of less than 2048 bits"'
    both
    ssh-keygen -q -t rsa -b 1024 -N '' -f /root/weak-ca
    accept /root/weak-ca
    ssh-keygen -q -s /root/weak-ca -I "$ALICE" -n alice -V +1h "$KEYS/bad.pub"
    ssh-keygen -q -s /root/weak-ca -I "$ALICE" -n alice -V +1h "$KEYS/own.pub"
    refused bad abcdefghij_stg
    refused own abcdefghij_stg '' "${CERTIFIED[@]}"
    contains "$(cloudauthctl explain abcdefghij_stg "$KEYS/own-cert.pub" 2>&1)" \
        'the certificate is signed by a key that is not accepted'
    both
    cut -d ' ' -f 2 "$KEYS/bad-cert.pub" | base64 -d | perl -0pe 's/.$/\0/s' | base64 -w 0 |
        sed 's/^/ssh-ed25519-cert-v01@openssh.com /' >/root/wrong
    mv /root/wrong "$KEYS/bad-cert.pub"
    refused bad abcdefghij_stg # sshd's to see
    # shellcheck disable=SC2046 # words
    same '' "$(helper ssh-ed25519-cert-v01@openssh.com \
        "$({ cut -d ' ' -f 2 "$KEYS/own-cert.pub" | base64 -d; echo; } | base64 -w 0)")"
    both -O extension:large@example.com="$(printf '%012500d' 0)"
    refused bad abcdefghij_stg
    refused own abcdefghij_stg '' "${CERTIFIED[@]}"
    enters own abcdefghij_stg
}

# a person who is removed from the document: the open session ends, and a valid certificate opens nothing
test_removed() {
    api_rechecks
    accept
    certify c device
    stays c c abcdefghij_stg
    wait_for listed ' user=alice '
    document abcdefghij staging "$without_alice"
    wait_for ended c
    audit 'end account=abcdefghij_stg .*user=alice .*cert=7 ca=SHA256:[^ ]+ .*reason=certificate-unknown'
    refused c abcdefghij_stg
    hang_up
}

# an authority that is removed ends the sessions of its certificates; other sessions go on
test_authority_removed() {
    api_rechecks
    accept
    certify c device
    stays c c abcdefghij_stg
    stays b bob abcdefghij_stg
    document abcdefghij staging 'del(.certificate_authorities)'
    wait_for ended c
    audit 'end account=abcdefghij_stg .*cert=7 .*reason=authority-unknown'
    lives b
    refused c abcdefghij_stg
    hang_up
}

shipped_drop_in() {
    kill "$refusing" "$SSH_AGENT_PID" || true
    cp -a /root/drop-in.conf /etc/ssh/sshd_config.d/00-cloudauth.conf
}

# a certificate that was granted opens nothing for another one of the same key, which sshd takes by a file of its own
test_other_certificate() {
    local output refusing
    cp -a /etc/ssh/sshd_config.d/00-cloudauth.conf /root/drop-in.conf
    trap shipped_drop_in EXIT
    echo "cert-authority,principals=\"of-the-file\" $(<$CA.pub)" >/etc/ssh/more_keys
    sed 's|AuthorizedKeysFile none|AuthorizedKeysFile /etc/ssh/more_keys|' /root/drop-in.conf \
        >/etc/ssh/sshd_config.d/00-cloudauth.conf
    sshd_stop
    sshd_start -o LogLevel=VERBOSE # with an option, so that the next test starts it afresh
    accept
    certify c device
    certify second device -z 8 -n of-the-file
    eval "$(ssh-agent -a /root/agent)" >/dev/null
    ssh-add -q "$KEYS/c"
    ssh-add -q "$KEYS/second"
    rm -f /root/refusing
    "$REPO/tests/sandbox/refusing_agent.py" /root/refusing /root/agent "$KEYS/c-cert.pub" &
    refusing=$!
    wait_for test -S /root/refusing
    output=$(SSH_AUTH_SOCK=/root/refusing timeout 60 ssh -o IdentitiesOnly=no "${SSH_OPTIONS[@]}" "${CERTIFIED[@]}" \
        -p "$SSH_PORT" abcdefghij_stg@127.0.0.1 'echo inside' 2>&1 </dev/null) || true
    fails contains "$output" inside
    contains "$output" 'the key of this login'
    audit 'refuse account=abcdefghij_stg .*service=sshd reason=key-changed'
}

# the role decides as with a key, and the person reads why
test_role() {
    accept
    certify c device
    document abcdefghij staging '(.users[] | select(.username == "alice")).role = "viewer"'
    refused c abcdefghij_stg 'your role viewer may not use SSH here'
    audit 'refuse .*user=alice role=viewer .*cert=7 .*reason=role-too-low .*detail="certificate 7 of alice: role viewer, needs contributor"'
}

# `from` of the person or of the authority limits a certificate, and the person reads so
test_from() {
    accept
    certify c device
    document abcdefghij staging '(.users[] | select(.username == "alice")) |= (.from = ["127.0.0.0/8"] | .ssh_keys = [])'
    enters c abcdefghij_stg
    document abcdefghij staging '.certificate_authorities[0].from = ["192.0.2.0/24"]'
    refused c abcdefghij_stg 'you may not enter from 127.0.0.1'
    audit 'refuse .*user=alice .*cert=7 .*reason=from-elsewhere'
    refused c abcdefghij_stg_sftp
}

# cloudauthctl lists who may enter by a certificate alone, and by which one a session was opened
test_lists() {
    local ca
    accept
    ca=$(ca_pattern)
    certify c device
    document abcdefghij staging '(.users[] | select(.username == "alice")).ssh_keys = []'
    contains "$(cloudauthctl keys abcdefghij_stg)" "^alice +$ALICE +admin +$ca +certificate +certifier +granted$"
    contains "$(cloudauthctl keys abcdefghij_stg)" "^carol .* $ca +certificate +certifier +role-too-low$"
    stays c c abcdefghij_stg
    wait_for listed_are 1
    contains "$(cloudauthctl sessions)" ' SHA256:[^ ]+ +7 +open$'
    same "7 $(ssh-keygen -lf $CA | cut -d ' ' -f 2)" "$(cloudauthctl sessions --json | jq -r '.sessions[] | "\(.cert) \(.ca)"')"
    hang_up
    cloudauthctl deny $CA.pub
    fails contains "$(cloudauthctl keys abcdefghij_stg)" "$ca +certificate +certifier +granted"
    cloudauthctl undeny --all
}

# two entries with the id of the certificate: each enters from where it may, and the log says what sshd does
test_id_twice() {
    accept
    certify c device
    document abcdefghij staging '.users += [.users[] | select(.username == "alice") | .from = ["192.0.2.0/24"]] | .users |= reverse'
    enters c abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=alice .*cert=7 '
    document abcdefghij staging '(.users[] | select(.username == "alice")).from = ["192.0.2.0/24"]'
    refused c abcdefghij_stg 'you may not enter from 127.0.0.1'
}

# deny by serial, by the authority, by the key, by the person; and the session ends
test_denials() {
    local ca what
    api_rechecks
    accept
    document abcdefghij staging '(.users[] | select(.username == "alice")).ssh_keys = []'
    ca=$(ssh-keygen -lf $CA | cut -d ' ' -f 2)
    certify c device
    certify d device -z 8
    for what in "$KEYS/c-cert.pub" "7@$ca"; do
        stays c c abcdefghij_stg
        cloudauthctl deny "$what"
        wait_for ended c
        same 1 "$(cloudauthctl status --json | jq .denials)"
        contains "$(cloudauthctl metrics)" '^cloudauth_denials\{kind="certificate"\} 1$'
        refused c abcdefghij_stg 'denied by the operator'
        enters d abcdefghij_stg
        contains "$(cloudauthctl deny --list)" "certificate +7@$(ca_pattern)"
        cloudauthctl undeny "$what"
        enters c abcdefghij_stg
    done
    for what in "$CA.pub" "$KEYS/device.pub" alice; do
        cloudauthctl deny "$what"
        refused c abcdefghij_stg
        refused d abcdefghij_stg
        cloudauthctl undeny --all
    done
    enters bob abcdefghij_stg
    hang_up
}

# session_outlives_certificate = no: the session ends with its certificate, else it goes on
test_session_end() {
    clocks_up
    clocks 0 0
    CLOUDAUTHD=/root/cloudauthd api_rechecks 'session_outlives_certificate = no'
    accept
    certify c device -V +10m
    stays c c abcdefghij_stg
    stays b bob abcdefghij_stg
    clocks 600 600
    wait_for ended c
    audit 'end account=abcdefghij_stg .*cert=7 .*reason=certificate-expired'
    lives b
    hang_up
}

# a session's certificate is still known after the daemon was killed
test_restart() {
    api_rechecks
    accept
    certify c device
    stays c c abcdefghij_stg
    test -e "/run/cloudauth/sessions/$(session_of alice)"
    contains "$(cat /run/cloudauth/sessions/*)" '^certificate 7@SHA256:'
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    daemon_start
    cloudauthctl deny "$KEYS/c-cert.pub"
    wait_for ended c
    cloudauthctl undeny --all
    hang_up
}
