# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by parts that measure what Debian packages beside ours:
#
#   peer_data N          the N accounts, in the files of libnss-extrausers, -cache, -db and oslogin's cache
#   peer_keep_files      remembers /etc/passwd as it is
#   peer_files N         and appends N accounts to that
#   peer_metadata        a metadata server for guest-oslogin, at its address, at no distance

# shellcheck disable=SC2034 # for those who source this
EXTRAUSERS=/usr/lib/libnss_extrausers.so.2

peer_data() {
    install -d /var/lib/extrausers
    "$HERE/accounts.pl" passwd "$1" >/var/lib/extrausers/passwd
    cp /var/lib/extrausers/passwd /etc/passwd.cache
    cp /var/lib/extrausers/passwd /etc/oslogin_passwd.cache
    "$HERE/accounts.pl" index "$1" /etc/passwd.cache
    rm -f /var/lib/misc/passwd.db
    "$HERE/accounts.pl" makedb "$1" | makedb -o /var/lib/misc/passwd.db - >/dev/null 2>&1
    chmod 644 /var/lib/misc/passwd.db
}

peer_keep_files() { cp -a /etc/passwd /root/passwd.own; }

peer_files() {
    cp -a /root/passwd.own /etc/passwd
    [[ $1 == 0 ]] || "$HERE/accounts.pl" passwd "$1" >>/etc/passwd
}

# Knows bench* but the absent one. Every account has the uid that is asked for, or that of account 0.
peer_metadata() {
    local profile='{"loginProfiles":[{"name":"1","posixAccounts":[{"primary":true,"username":"NAME","uid":"UID","gid":"UID","homeDirectory":"/app/bench0000000","shell":"/bin/bash"}],"sshPublicKeys":{"1":{"key":"KEY"}}}]}'
    profile=${profile//KEY/$(cut -d' ' -f1,2 "$KEYS/bob.pub")}
    local by_name=${profile//UID/200000} by_uid=${profile//UID/\$arg_uid}
    ip addr add 169.254.169.254/32 dev lo
    install -d /var/lib/nginx /var/log/nginx
    cat >/root/nginx-metadata.conf <<CONF
user www-data;
worker_processes 1;
pid /run/nginx-metadata.pid;
error_log /var/log/nginx/metadata.log warn;
events {
}
http {
    access_log off;
    default_type application/json;
    server {
        listen 169.254.169.254:80;
        location = /computeMetadata/v1/oslogin/users {
            if (\$arg_username ~ "^bench[0-9]") {
                return 200 '${by_name//NAME/\$arg_username}';
            }
            if (\$arg_uid ~ "^2[0-9]+\$") {
                return 200 '${by_uid//NAME/bench0000000}';
            }
            return 404;
        }
        location = /computeMetadata/v1/oslogin/authorize {
            return 200 '{"success":true}';
        }
    }
}
CONF
    nginx -c /root/nginx-metadata.conf
    wait_for test -s /run/nginx-metadata.pid
}
