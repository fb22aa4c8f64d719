# shellcheck shell=bash disable=SC2119
# SPDX-License-Identifier: Apache-2.0
# cloudauthctl hostkeys, doctor's check of host certificates, and the CA of host keys in docs/operations.md.

# shellcheck source=tests/e2e/doctor.sh
. "$HARNESS/doctor.sh"

NAME=web1.abcdefghij.ent.example.cloud
KEY=/etc/ssh/ssh_host_ed25519_key
CERTIFICATE=$KEY-cert.pub
SETTING=/etc/ssh/sshd_config.d/50-host-certificate.conf

restart() {
    sshd_stop
    sshd_start
}

before_all() {
    ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key
    ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key
    ssh-keygen -q -t ed25519 -N '' -C 'host CA' -f /root/host_ca
    ssh-keygen -q -t rsa -b 2048 -N '' -f /root/rsa_ca
    echo 'ListenAddress 127.0.0.1:2222' >/etc/ssh/sshd_config.d/50-ports.conf
    echo "ListenAddress 127.0.0.1:22" >>/etc/ssh/sshd_config.d/50-ports.conf
    echo "127.0.0.1 $NAME" >>/etc/hosts
    restart
    getent passwd abcdefghij
}

# sign CA [OPTION...]: gives sshd a certificate for the key.
sign() {
    ssh-keygen -q -s "/root/$1" -I web1 "${@:2}" $KEY.pub
    echo "HostCertificate $CERTIFICATE" >$SETTING
}

# changes: when the test ends, sshd has its first keys and no certificate.
changes() {
    spoil $KEY $KEY.pub
    trap 'cp -a /root/kept/. /; rm -f $SETTING $CERTIFICATE; restart' EXIT
}

# knows LINES [OPTION...]: a client that has these lines of known_hosts alone enters.
knows() {
    local output
    local -a SSH_OPTIONS=("${@:2}" -o UserKnownHostsFile=/root/known -o GlobalKnownHostsFile=none "${SSH_OPTIONS[@]}")
    printf '%s\n' "$1" >/root/known
    output=$(login alice "abcdefghij@$NAME" 'echo inside') || true
    contains "$output" '^inside$'
}

# mistrusts LINES [OPTION...]: such a client goes no further than the host key.
mistrusts() {
    contains "$(fails knows "$@")" 'Host key verification failed'
}

# the lines have each key under each name and port, and a client that has them enters
test_known_hosts() {
    local said
    said=$(cloudauthctl hostkeys)
    same "$said" "$(cloudauthctl hostkeys --known-hosts $NAME)"
    same 3 "$(grep -c "^$NAME,\[$NAME\]:2222 [a-z0-9-]* [A-Za-z0-9+/=]*$" <<<"$said")"
    knows "$said"
    knows "$said" -p 2222
    knows "$said" -o HostKeyAlgorithms=ecdsa-sha2-nistp256
    mistrusts "$(cloudauthctl hostkeys other.example.com)"
    mistrusts "$NAME $(cut -d' ' -f1,2 "$KEYS/stranger.pub")"
    same 'a,*.b,[a]:2222,[*.b]:2222' "$(cloudauthctl hostkeys a '*.b' | cut -d' ' -f1 | uniq)"
}

# SSHFP records have the digests of the keys, as ssh-keygen prints them
test_sshfp() {
    local said digest
    said=$(cloudauthctl hostkeys --sshfp $NAME b.example.com)
    same 12 "$(grep -cE "^($NAME|b.example.com)\. IN SSHFP [134] [12] [0-9a-f]+$" <<<"$said")"
    for file in /etc/ssh/ssh_host_*_key.pub; do
        digest=$(ssh-keygen -lf "$file" | sed 's/.*SHA256:\([^ ]*\) .*/\1=/' | base64 -d | od -An -v -tx1 | tr -d ' \n')
        same 2 "$(grep -c " 2 $digest$" <<<"$said")"
    done
}

# what makes no sense is refused, and a key without its public half is not read
test_hostkeys_refused() {
    local status=0
    cloudauthctl hostkeys 'a b' || status=$?
    same 2 $status
    same 2 "$(cloudauthctl hostkeys --sshfp --known-hosts >&2 || echo $?)"
    same 2 "$(cloudauthctl hostkeys --json >&2 || echo $?)"
    same 3 "$(setpriv --reuid=1500 --clear-groups cloudauthctl hostkeys >&2 || echo $?)"
    same 3 "$(cloudauthctl hostkeys 2>/dev/null >/dev/full || echo $?)"
    spoil $KEY.pub
    rm $KEY.pub
    contains "$(cloudauthctl hostkeys 2>&1)" "^cloudauthctl: $KEY.pub is missing: ssh-keygen -y "
}

# the recipe of operations.md: a client that knows the CA alone enters, also after the certificate, the key and the CA change
test_certificate() {
    local ca line
    changes
    for ca in host_ca rsa_ca; do
        sign $ca -h -n $NAME -V -5m:+52w
        restart
        line=$(cloudauthctl hostkeys "*.abcdefghij.ent.example.cloud" | grep '^@cert-authority ')
        same "@cert-authority *.abcdefghij.ent.example.cloud,[*.abcdefghij.ent.example.cloud]:2222 $(cut -d' ' -f1,2 /root/$ca.pub)" "$line"
        knows "$line"
        mistrusts "@cert-authority * $(cut -d' ' -f1,2 "$KEYS/stranger.pub")"
        mistrusts "${line/*./other.}"
    done
    rm $KEY $KEY.pub
    ssh-keygen -q -t ed25519 -N '' -f $KEY
    sign rsa_ca -h -n $NAME -V -5m:+52w
    restart
    knows "$line"
    mistrusts "$line"$'\n'"@revoked * $(cut -d' ' -f1,2 $KEY.pub)"
    sign rsa_ca -h -n other.example.com
    restart
    mistrusts "$line"
    echo "HostCertificate /etc/ssh/ssh_host_rsa_key-cert.pub" >>$SETTING
    ssh-keygen -q -s /root/host_ca -h -I web1 /etc/ssh/ssh_host_rsa_key.pub
    same 2 "$(cloudauthctl hostkeys | grep -c '^@cert-authority ')"
    same "@cert-authority" "$(cloudauthctl hostkeys | grep -F "$(cut -d' ' -f2 /root/host_ca.pub)" | cut -d' ' -f1)"
}

# doctor finds certificates of host keys that clients refuse, or will soon
test_certificate_faults() {
    local result regex options row rows=0
    changes
    same '' "$(cloudauthctl doctor abcdefghij | grep '^host-certificate')"
    # For each row of doctor a certificate of its own.
    while IFS='|' read -r result regex options; do
        # shellcheck disable=SC2086 # words
        ssh-keygen -q -s /root/host_ca -I web1 $options $KEY.pub
        mv $CERTIFICATE "/root/$((++rows))-cert.pub"
        echo "HostCertificate /root/$rows-cert.pub" >>$SETTING
        echo "^$result /root/$rows-cert.pub: $regex" >>/root/wanted
    done <<END
ok|from |-h -n *.ent.example.cloud -V -5m:+52w
ok|forever|-h -n $NAME
BAD|expired at .* make a new /root/3-cert.pub|-h -n $NAME -V -2d:-1d
BAD|valid only from|-h -n $NAME -V +1d:+52w
note|ends at |-h -n $NAME -V -5m:+6d
note|it does not name $NAME|-h -n web2.abcdefghij.ent.example.cloud,web3 -V -5m:+52w
note|valid for every host|-h
BAD|a certificate of a user|-n $NAME
END
    ssh-keygen -q -s /root/host_ca -h -I web1 -n $NAME "$KEYS/stranger.pub"
    printf '%s\n' "HostCertificate $KEYS/stranger-cert.pub" "HostCertificate $KEY.pub" >>$SETTING
    printf '%s\n' "^BAD $KEYS/stranger-cert.pub: of none of the host keys" "^BAD $KEY.pub: not a certificate" >>/root/wanted
    cloudauthctl doctor abcdefghij --json |
        jq -r '.checks[] | select(.check == "host-certificate") | "\(.result) \(.detail) \(.remedy)"' >/root/rows
    same 10 "$(wc -l </root/rows)"
    while read -r regex <&3 && read -r row <&4; do
        contains "$row" "$regex"
    done 3</root/wanted 4</root/rows
    contains "$(fails cloudauthctl hostkeys 2>&1)" '^cloudauthctl: /root/8-cert.pub: not a certificate of a host key$'
}
