# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Logins by security keys, and by certificates for them: stock ssh and sshd with an authenticator in software.
#
# AUTHENTICATOR says what it asserts: `p` that a user is present, `v` that it verified the user.

ALICE=c0ef600c-e730-593d-a90d-f87c85d74403
CA=/root/ca
CERTIFIED=(-o PubkeyAcceptedAlgorithms='sk-*-cert-v01@openssh.com') # the plain key is not offered
SSH_OPTIONS+=(-o SecurityKeyProvider=/usr/local/lib/authenticator.so)

before_all() {
    local type
    cc -O2 -shared -fPIC -o /usr/local/lib/authenticator.so "$REPO/tests/sandbox/authenticator.c" -lcrypto || return 1
    for type in ed25519 ecdsa; do
        ssh-keygen -q -t $type-sk -w /usr/local/lib/authenticator.so -N '' -f "$KEYS/$type" || return 1
    done
    ssh-keygen -q -t ed25519 -N '' -f $CA
}

# has TYPE [MEMBERS]: alice of staging has the security key of that type, and no other.
has() {
    document abcdefghij staging "(.users[] | select(.username == \"alice\")).ssh_keys =
        [{value: \"$(<"$KEYS/$1.pub")\"} + ${2-{\}}]"
}

# not_met WHAT KEY [SSH OPTION...]: sshd refuses its signature by itself, and logs why.
not_met() {
    mark
    refused "$2" abcdefghij_stg 'Permission denied \(publickey\)' "${@:3}"
    audit "sshd.*: public key (ED25519|ECDSA)-SK.* signature for abcdefghij_stg from 127.0.0.1 .* rejected: user $1 .*not met"
    fails contains "$(since)" 'cloudauthd.*: (grant|refuse) '
}

# only_verified KEY [SSH OPTION...]: it enters where both its user's presence and verification are asserted.
only_verified() {
    AUTHENTICATOR=p not_met verification "$@"
    AUTHENTICATOR=v not_met presence "$@"
    AUTHENTICATOR='' not_met presence "$@"
    AUTHENTICATOR=pv enters "$1" abcdefghij_stg "${@:2}"
}

# certify FILE KEY [OPTION...]: the key as $KEYS/FILE, with a certificate for alice.
certify() {
    local file=$KEYS/$1
    cp "$KEYS/$2" "$file"
    cp "$KEYS/$2.pub" "$file.pub"
    ssh-keygen -q -s "$CA" -I $ALICE -n alice -z 7 -V +1h "${@:3}" "$file.pub"
}

# accept: staging's document has the authority, and alice no key.
accept() {
    document abcdefghij staging ".certificate_authorities = [{value: \"$(<"$CA.pub")\"}] |
        (.users[] | select(.username == \"alice\")).ssh_keys = []"
}

# a security key enters with a touch, and without one sshd refuses and logs so
test_touch() {
    local type
    for type in ed25519 ecdsa; do
        has $type
        AUTHENTICATOR=p enters $type abcdefghij_stg
        audit "grant account=abcdefghij_stg .*user=alice role=admin key=$(fingerprint $type) from=127.0.0.1 .*reason=granted"
        AUTHENTICATOR='' not_met presence $type
        AUTHENTICATOR=v not_met presence $type
    done
}

fingerprint() { ssh-keygen -lf "$KEYS/$1.pub" | cut -d ' ' -f 2 | tr + .; }

# a key with `verify` enters the shell and the sFTP account only where it has verified its user
test_verify() {
    local type
    for type in ed25519 ecdsa; do
        has $type '{verify: true}'
        only_verified $type
        audit "grant account=abcdefghij_stg .*user=alice role=admin key=$(fingerprint $type) from=127.0.0.1 .*reason=granted"
    done
    AUTHENTICATOR=p refused ecdsa abcdefghij_stg_sftp
    contains "$(AUTHENTICATOR=pv sftp_batch ecdsa abcdefghij_stg_sftp <<<'ls')" pub
    has ecdsa '{verify: null}'
    AUTHENTICATOR=p enters ecdsa abcdefghij_stg
}

# `verify` beside `from` and `expires_at`: elsewhere its user reads that the address may not enter
test_verify_limits() {
    has ed25519 '{verify: true, from: ["127.0.0.1"], expires_at: "2099-01-01T00:00:00Z"}'
    only_verified ed25519
    has ed25519 '{verify: true, from: ["192.0.2.7"]}'
    AUTHENTICATOR=pv refused ed25519 abcdefghij_stg 'you may not enter from 127.0.0.1'
    AUTHENTICATOR=p refused ed25519 abcdefghij_stg
}

# two people with one key, one of them with `verify`: it verifies for both, also where PAM is told a name in place of the address
test_verify_shared() {
    trap 'sshd_stop; sshd_start' EXIT
    sshd_stop
    sshd_start -o UseDNS=yes
    has ed25519 '{from: ["127.0.0.1"]}'
    document abcdefghij staging "(.users[] | select(.username == \"bob\")) |= (.role = \"admin\" | .ssh_keys =
        [{value: \"$(<"$KEYS/ed25519.pub")\", verify: true}])"
    only_verified ed25519
    audit 'grant account=abcdefghij_stg .*user=bob .*from=localhost .*reason=granted'
}

# `verify` that the document gets after sshd was given the line: PAM refuses a signature without it
test_verify_meanwhile() {
    cp /etc/pam.d/sshd /root/pam.before
    trap 'cp /root/pam.before /etc/pam.d/sshd' EXIT
    has ed25519 '{verify: true}'
    cp "$ACCESS/abcdefghij/staging.json" /root/verify.json
    has ed25519
    printf '#!/bin/sh\ncp -p /root/verify.json %s/abcdefghij/new && mv %s/abcdefghij/new %s/abcdefghij/staging.json\ncloudauthctl refresh abcdefghij_stg\n' "$ACCESS" "$ACCESS" "$ACCESS" >/root/verify
    chmod 755 /root/verify
    sed -i '1i account optional pam_exec.so /root/verify' /etc/pam.d/sshd
    AUTHENTICATOR=p refused ed25519 abcdefghij_stg 'the key of this login is not one that cloudauth has accepted'
    audit 'refuse account=abcdefghij_stg .*user=alice .*reason=no-key-line'
    AUTHENTICATOR=pv enters ed25519 abcdefghij_stg
}

# a `verify` that cannot be read, or that a key of another type cannot do, closes the key
test_unreadable() {
    has ed25519 '{verify: "true"}'
    AUTHENTICATOR=pv refused ed25519 abcdefghij_stg
    has alice '{verify: true}'
    refused alice abcdefghij_stg
    contains "$(cloudauthctl check "$ACCESS"/abcdefghij/staging.json 2>&1)" 'only a security key \(sk-\) can verify a person'
}

# a document that requires MFA: a key with `verify` meets it, also behind a plain key; one without reads why it does not
test_require() {
    local output
    has ed25519
    document abcdefghij staging '.access.require = {amr: ["mfa"], max_age: 60}'
    output=$(AUTHENTICATOR=pv as ed25519 abcdefghij_stg 'echo inside') && return 1
    contains "$output" '^Error: Access denied.?$'
    audit "refuse account=abcdefghij_stg .*user=alice .*key=$(fingerprint ed25519) .*reason=mfa-required"
    has ed25519 '{verify: true}'
    only_verified ed25519
    document abcdefghij staging "(.users[] | select(.username == \"alice\")).ssh_keys += [{value: \"$(<"$KEYS/alice.pub")\"}]"
    AUTHENTICATOR=pv enters alice abcdefghij_stg -i "$KEYS/ed25519"
    AUTHENTICATOR=p refused alice abcdefghij_stg 'Permission denied' -i "$KEYS/ed25519"
}

# a certificate for a security key enters with a touch, which no extension of the certificate takes away
test_certificate() {
    local type
    accept
    for type in ed25519 ecdsa; do
        certify c $type
        AUTHENTICATOR=p enters c abcdefghij_stg
        audit "grant account=abcdefghij_stg .*user=alice .*key=$(fingerprint $type) cert=7 ca=$(ssh-keygen -lf "$CA" |
            cut -d ' ' -f 2 | tr + .) .*reason=granted"
        AUTHENTICATOR='' not_met presence c "${CERTIFIED[@]}"
    done
    certify c ed25519 -O no-touch-required
    AUTHENTICATOR='' not_met presence c "${CERTIFIED[@]}"
    AUTHENTICATOR=p enters c abcdefghij_stg
}

# a certificate with verify-required enters only where the key has verified its user
test_certificate_verify() {
    accept
    certify c ed25519 -O verify-required
    only_verified c "${CERTIFIED[@]}"
    certify c ecdsa -O verify-required -O extension:has-mfa@platform.sh
    document abcdefghij staging '.access.require = {amr: ["mfa"]}'
    only_verified c "${CERTIFIED[@]}"
}

# an authority can be a security key
test_authority() {
    local CA=$KEYS/ecdsa
    accept
    AUTHENTICATOR=p SSH_SK_PROVIDER=/usr/local/lib/authenticator.so certify c ed25519
    AUTHENTICATOR=p enters c abcdefghij_stg
    AUTHENTICATOR='' not_met presence c "${CERTIFIED[@]}"
}
