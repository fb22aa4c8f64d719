# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# cloudauthctl hostkeys becomes sh that runs this text, with arguments FORM HOST_ID NAME...: the form is known-hosts or
# sshfp; the names are those that clients call this host by, by default its own and HOST_ID. It exits as cloudauthctl
# does. The private key is not read: sshd_config names it, and its public key stands beside it.

form=$1 host_id=$2
shift 2
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
set -f # '*' in a name is text

# die STATUS MESSAGE
die() {
    printf 'cloudauthctl: %s\n' "$2" >&2
    exit "$1"
}

# settings NAME: the values of a setting of sshd.
settings() { printf '%s\n' "$sshd" | sed -n "s/^$1 //p"; }

# certifier FILE: the public key that signed a certificate. Before it stand the type, the nonce, the key in one or two
# strings, serial and type, key id, principals, the times, the options, the extensions and a string that is reserved
# (OpenSSH's PROTOCOL.certkeys).
certifier() {
    blob=$(cut -d' ' -f2 "$1" | base64 -d | perl -0777 -ne '
        print +(unpack "(N/a)" . (/^.{4}(ssh-rsa|ecdsa)/s ? 4 : 3) . "x12(N/a)2x16(N/a)4", $_)[-1]' | base64 -w 0)
    type=$(printf %s "$blob" | base64 -d | perl -0777 -ne 'print unpack "N/a", $_')
    [ "$type" ] && echo "$type $blob"
}

# A CA of users must not become one of hosts. ssh-keygen verifies the signature.
certifiers() {
    for certificate in $(settings hostcertificate | grep -vx none); do
        ssh-keygen -L -f "$certificate" 2>/dev/null | grep -q '^ *Type: .* host certificate$' ||
            die 3 "$certificate: not a certificate of a host key"
        certifier "$certificate" || die 3 "$certificate: the key of its CA cannot be read"
    done
}

# labels: the names as they stand in known_hosts, for each port that sshd listens at.
labels() {
    settings listenaddress | sed 's/.*://' | sort -nu | while read -r port; do
        for name in $names; do
            [ "$port" = 22 ] && echo "$name" || echo "[$name]:$port"
        done
    done | paste -s -d , -
}

# The names end with a dot, as they are absolute in a zone file.
sshfp() {
    for name in $names; do
        for key in $keys; do
            ssh-keygen -r "${name%.}." -f "$key" || return
        done
    done
}

known_hosts() {
    labels=$(labels)
    certifiers=$(certifiers) || exit
    [ ! "$certifiers" ] || printf '%s\n' "$certifiers" | sort -u | sed "s/^/@cert-authority $labels /"
    for key in $keys; do
        printf '%s\n' "$labels $(cut -d' ' -f1,2 "$key")"
    done
}

# sshd -T fails without that directory, which is missing while ssh.socket waits for the first connection.
mkdir -m 755 /run/sshd 2>/dev/null
sshd=$(/usr/sbin/sshd -T 2>&1) || die 3 "sshd -T: $(printf '%s\n' "$sshd" | tail -n 1)"
[ $# -gt 0 ] || set -- "$(hostname -f 2>/dev/null || uname -n)" "$host_id"
for name; do
    case $name in
    -* | *[!A-Za-z0-9.:_*-]*) die 2 "$name: not the name or address of a host" ;;
    esac
done
names=$(printf '%s\n' "$@" | awk '$0 != "" && !seen[$0]++')
keys=''
for key in $(settings hostkey); do
    public=${key%.pub}.pub
    if [ -r "$public" ]; then
        keys="$keys $public"
    elif [ -e "$key" ]; then
        die 3 "$public is missing: ssh-keygen -y -f $key >$public makes it"
    fi
done
[ "$keys" ] || die 3 'sshd has no host key'
if [ "$form" = sshfp ]; then
    text=$(sshfp) || exit 3
else
    text=$(known_hosts) || exit 3
fi
printf '%s\n' "$text" || exit 3
