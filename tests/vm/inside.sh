#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# inside.sh: in a virtual machine of tests/vm/run, runs the functions that the kernel's command line names (`vm=`), one
# after the other. Output goes to the host, with a line `vm: NAME STATUS` after each function. The words are those of
# tests/deb/inside.sh, without what stands for systemd there.
source /tests/deb/inside.sh :

PATIENCE=300 # an emulated processor, beside others
SFTP=(-F none -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no)

# ---- Words -------------------------------------------------------------------------------------------

fresh_host() {
    local_host
    etc_manifest >/root/before
    leftovers >/root/leftovers
    enters ada ada
}

# What the kernel's log has of that since the boot.
kernel_audit() { journalctl -b --no-pager -o cat _TRANSPORT=audit + _TRANSPORT=kernel | grep -E "$1"; }

# Of cloudauth and of sshd, except what pam_keyinit.so does with keys: Debian's policy denies things to its own programs;
# what it denies to semodule is of a directory with the name of our module.
none_denied() {
    # The last lines may still be on their way.
    logger -t vm "none denied so far $BASHPID"
    wait_for eval "journalctl -b -o cat -t vm | grep -q 'so far $BASHPID'"
    fails kernel_audit 'apparmor="DENIED".*cloud|avc: +denied.*(comm="[^"]*cloud|context=[^ ]*:(cloud|sshd_t)).*tclass=([^k]|k[^e])'
}

refused() { fails enters "$1" "$2"; }

# put KEY ACCOUNT FILE DIRECTORY: by sftp.
put() {
    wait_for sshd_listens
    sftp "${SFTP[@]}" -i "/root/$1" -b - "$2@127.0.0.1" <<<"put $3 $4/file"
    cmp "$3" "/app/abcdefghij$4/file"
}

# Settings that the host has changed stay.
quiet_dpkg() { dpkg --force-unsafe-io --force-confold "$@"; }

# granted REGEX: the last login of this boot that was granted.
granted() {
    last_grant "$1" || wait_for last_grant "$1" || { journalctl -b --no-pager -o cat -t cloudauthd && return 1; }
}

last_grant() { journalctl -b --no-pager -o cat -t cloudauthd | grep '^grant .*service=sshd ' | tail -n 1 | grep -E -- "$1"; }

# ---- Functions of the command line ---------------------------------------------------------------------

# ssh.socket listens instead of ssh.service.
by_socket() {
    systemctl disable --now ssh.service
    systemctl enable --now ssh.socket
}

# As docs/operations.md says, before the packages; the module is built with this system's policy already.
selinux() {
    same Enforcing "$(getenforce)"
    cp "/payload/selinux/$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)/cloudauth.pp" /usr/share
    semodule -i /usr/share/cloudauth.pp
}

fresh() {
    fresh_host
    quick_start
    ! selinuxenabled || restorecon -R /app
    put alice abcdefghij_sftp /root/alice.pub /pub/media
    confined
    none_denied
}

# The profiles are in force, for both programs, and what they do not allow is denied.
enforcing() {
    local pid directory=/etc/apparmor.d/local
    grep -x 'cloudauthd (enforce)' /sys/kernel/security/apparmor/profiles
    grep -x 'cloud-authkeys (enforce)' /sys/kernel/security/apparmor/profiles
    pid=$(systemctl show -P MainPID cloudauthd)
    same 'cloudauthd (enforce)' "$(cat "/proc/$pid/attr/current")"
    # The helper is too short-lived to look at: it says that it runs under its profile, and fails without the rule.
    mkdir -p $directory
    echo 'audit network unix seqpacket,' >$directory/usr.libexec.cloudauth.cloud-authkeys
    systemctl reload apparmor
    enters alice abcdefghij
    kernel_audit 'apparmor="AUDIT" operation="create".*profile="cloud-authkeys"'
    none_denied
    echo 'deny network unix seqpacket,' >$directory/usr.libexec.cloudauth.cloud-authkeys
    systemctl reload apparmor
    refused alice abcdefghij
    enters ada ada
    # Not removed: apparmor_parser(8) takes its cache for new as long as no file is newer.
    : >$directory/usr.libexec.cloudauth.cloud-authkeys
    systemctl reload apparmor
    enters alice abcdefghij
}

# The project API of etc/examples/nginx.conf, on this host. bob has been in, and his key is gone from the API.
api() {
    local token directory=/etc/nginx/cloudauth
    token=$(openssl rand -hex 32)
    mkdir $directory
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=api.example.com \
        -addext subjectAltName=DNS:api.example.com -keyout $directory/api.key -out $directory/api.pem
    echo "\"Bearer $token\" web1;" >$directory/tokens
    chmod 600 $directory/tokens
    install -m 644 $directory/api.pem /etc/cloudauth/api-ca.pem
    install -m 400 -o cloudauth <(echo "$token") /etc/cloudauth/token
    cp /usr/share/doc/cloudauth/examples/nginx.conf /etc/nginx/conf.d/cloudauth.conf
    echo '127.0.0.1 api.example.com' >>/etc/hosts
    touch /srv/access/complete
    # For nginx, which is this host's API only here.
    ! selinuxenabled || chcon -R -t httpd_sys_content_t /srv/access
    cloudauthctl user add --role contributor abcdefghij bob
    add_key bob
    cloudauthctl key add abcdefghij bob /root/bob.pub
    systemctl enable nginx
    systemctl restart nginx
    sed -i -e '/^access_url = file:/d' -e '/^#access_url = https:/s/^#//' /etc/cloudauth/cloudauth.conf
    printf '%s\n' 'token_file = /etc/cloudauth/token' 'ca_file = /etc/cloudauth/api-ca.pem' \
        >>/etc/cloudauth/cloudauth.conf
    systemctl restart cloudauthd
    enters alice abcdefghij
    enters bob abcdefghij
    granted 'user=bob .*source=api'
    # Another size than before, and so another ETag.
    jq 'del(.users[] | select(.username == "bob"))' /srv/access/abcdefghij/production.json >/root/without
    install -m 644 /root/without /srv/access/abcdefghij/production.new
    ! selinuxenabled || chcon -t httpd_sys_content_t /srv/access/abcdefghij/production.new
    mv /srv/access/abcdefghij/production.{new,json}
    wait_for refused bob abcdefghij
    none_denied
    systemctl disable nginx
}

# The host has started while the API is gone: the documents of the state directory serve.
outage() {
    fails systemctl is-active nginx
    enters ada ada
    enters alice abcdefghij
    granted 'user=alice .*source=cache'
    put alice abcdefghij_sftp /root/ada.pub /pub/media
    refused bob abcdefghij
    fails cloudauthctl status
    none_denied
}

api_again() {
    systemctl start nginx
    wait_for api_decides
    refused bob abcdefghij
    cloudauthctl status
    none_denied
}

api_decides() { enters alice abcdefghij && last_grant 'user=alice .*source=api'; }

# The packages of the previous release.
previous() {
    fresh_host
    install_debs old
    serve
    cloudauthctl env mount add --writable abcdefghij pub/media
    runuser -u abcdefghij -- mkdir -p /app/abcdefghij/pub/media
    all_enter
    same 200000 "$(id -u abcdefghij)"
    STAYS=100000 login alice abcdefghij 'echo $$; exec sleep 100000' >/root/open &
    wait_for test -s /root/open
    disown
    none_denied
}

all_enter() {
    enters alice abcdefghij
    put alice abcdefghij_sftp /root/ada.pub /pub/media
    enters ada ada
    kill -0 "$(cat /root/open 2>/dev/null || echo $$)"
}

# The daemon and the helper of the previous release.
new_modules() {
    quiet_dpkg -i /debs/new/lib*.deb
    all_enter
    none_denied
}

# The modules of the previous release: they keep nothing on the disk that could be newer.
new_daemon() {
    quiet_dpkg -i /debs/new/cloudauth_*.deb /debs/old/lib*.deb
    all_enter
    none_denied
}

upgraded() {
    install_debs new
    all_enter
    # As the previous release had it.
    same 200000 "$(id -u abcdefghij)"
    cloudauthctl doctor abcdefghij
    none_denied
}

# After the next boot.
purged() {
    rm /root/open
    all_enter
    none_denied
    quiet_dpkg --purge "${PACKAGES[@]}"
    etc_manifest | diff /root/before -
    leftovers | diff /root/leftovers -
    fails grep -r cloudauth /sys/kernel/security/apparmor/profiles
    fails getent passwd cloudauth
    fails getent passwd abcdefghij
    refused alice abcdefghij
    enters ada ada
}

# ---- Started by vm.service -----------------------------------------------------------------------------

run_all() {
    local names name status
    names=$(sed 's/.*\bvm=\([^ ]*\).*/\1/' /proc/cmdline)
    # The kernel would leave out lines of a burst.
    sysctl -q kernel.printk_ratelimit=0
    ln -sfn /payload/README.md /run/README.md
    for name in ${names//,/ }; do
        status=0
        bash /tests/vm/inside.sh "$name" || status=$?
        echo "vm: $name $status ($SECONDS s)"
        if ((status != 0)); then
            journalctl -b --no-pager -n 60
            return
        fi
    done
    echo 'vm: all done'
}

"${@:-run_all}"
