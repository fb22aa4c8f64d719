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

# denied KEY LOGIN: sshd answers, and says no.
denied() {
    local status=0
    login "$1" "$2" >/root/login.said 2>&1 || status=$?
    ((status == 255)) && grep 'Permission denied' /root/login.said && return 0
    echo "$1 was not refused as $2 (status $status):"
    cat /root/login.said
    return 1
}

# refused KEY LOGIN REASON: by our decision, for that reason.
refused() {
    denied "$1" "$2" || return
    decided "$@" || wait_for decided "$@"
}

# The last decision of this boot about that key: a refusal may be logged once a minute. The helper's own have no key.
decided() {
    local key
    key=$(ssh-keygen -l -f "/root/$1.pub" | cut -d ' ' -f 2)
    journalctl -b --no-pager -o cat -t cloudauthd -t cloud-authkeys |
        grep -E "^(grant|refuse) account=$2 .* key=(${key//+/[+]})? " | tail -n 1 | grep " reason=$3 "
}

# The domain of SELinux or the profile of AppArmor of a process.
domain_of() { tr -d '\0' <"/proc/$1/attr/current"; }

helper_is_in() { domain_of "$(pgrep -n -x cloud-authkeys)" | grep -E "$1"; }

# The daemon and the helper run in their domains, which are enforced. The helper waits for a daemon that is stopped,
# for ten seconds; that may take longer than the daemon's watchdog.
in_domains() {
    local pid daemon='^cloudauthd \(enforce\)$' helper='^cloud-authkeys \(enforce\)$'
    if grep -q security=selinux /proc/cmdline; then
        same Enforcing "$(getenforce)"
        daemon=:cloudauthd_t: helper=:cloudauth_keys_t:
    else
        grep -E "$daemon" /sys/kernel/security/apparmor/profiles
        grep -E "$helper" /sys/kernel/security/apparmor/profiles
    fi
    pid=$(systemctl show -P MainPID cloudauthd)
    domain_of "$pid" | grep -E "$daemon"
    systemd-analyze service-watchdogs no
    kill -STOP "$pid"
    wait_for enters alice abcdefghij &
    wait_for helper_is_in "$helper"
    kill -CONT "$pid"
    systemd-analyze service-watchdogs yes
    wait $!
}

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
    in_domains
    none_denied
}

# What the helper's profile does not allow is denied, and none_denied sees it: the last function of its boot.
enforcing() {
    local directory=/etc/apparmor.d/local
    mkdir -p $directory
    echo 'audit deny network unix seqpacket,' >$directory/usr.libexec.cloudauth.cloud-authkeys
    systemctl reload apparmor
    refused alice abcdefghij daemon-unreachable
    wait_for kernel_audit 'apparmor="DENIED" operation="create".*profile="cloud-authkeys"'
    fails none_denied
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
    wait_for refused bob abcdefghij key-unknown
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
    refused bob abcdefghij key-unknown
    fails cloudauthctl status
    in_domains
    none_denied
}

api_again() {
    systemctl start nginx
    wait_for api_decides
    refused bob abcdefghij key-unknown
    cloudauthctl status
    none_denied
}

# The same with the daemon's domain of SELinux: the last function of each boot.
denying() {
    chcon -t sshd_key_t /etc/cloudauth/token
    systemctl reload cloudauthd
    cloudauthctl refresh abcdefghij || true
    wait_for kernel_audit 'avc: +denied .*scontext=[^ ]*:cloudauthd_t:.* tcontext=[^ ]*:sshd_key_t:.* permissive=0'
    fails none_denied
    restorecon /etc/cloudauth/token
    systemctl reload cloudauthd
    wait_for api_decides
}

api_decides() { enters alice abcdefghij && last_grant 'user=alice .*source=api'; }

# The packages of the previous release.
previous() {
    fresh_host
    install_debs old
    serve
    cloudauthctl env mount add --writable abcdefghij pub/media
    runuser -u abcdefghij -- mkdir -p /app/abcdefghij/pub/media
    add_key stranger
    cloudauthctl user add --role contributor abcdefghij bob
    runs old old
    listed_enter
    same 200000 "$(id -u abcdefghij)"
    STAYS=100000 login alice abcdefghij 'echo $$; exec sleep 100000' >/root/open &
    wait_for test -s /root/open
    disown
    none_denied
}

# runs RELEASE RELEASE: the daemon that runs and the helper, and the modules, are those of that release: new or old.
runs() {
    local file
    cmp "/proc/$(systemctl show -P MainPID cloudauthd)/exe" <(shipped "$1" cloudauth sbin/cloudauthd)
    cmp /usr/libexec/cloudauth/cloud-authkeys <(shipped "$1" cloudauth cloud-authkeys)
    for file in /usr/lib/*/libnss_cloud.so.2; do cmp "$file" <(shipped "$2" libnss-cloud libnss_cloud.so.2); done
    for file in /usr/lib/*/security/pam_cloud.so; do cmp "$file" <(shipped "$2" libpam-cloud pam_cloud.so); done
}

# shipped RELEASE PACKAGE FILE: what the package has as that.
shipped() { dpkg-deb --fsys-tarfile /debs/"$1"/"$2"_*.deb | tar -xO --wildcards "*/$3"; }

# Who is listed enters; a key that never was, or that is removed, is refused.
listed_enter() {
    enters alice abcdefghij
    put alice abcdefghij_sftp /root/ada.pub /pub/media
    enters ada ada
    kill -0 "$(cat /root/open 2>/dev/null || echo $$)"
    refused stranger abcdefghij key-unknown
    # A key of its own each time: that of the last time may have been refused in this minute.
    rm -f /root/bob /root/bob.pub
    add_key bob
    cloudauthctl key add abcdefghij bob /root/bob.pub
    wait_for enters bob abcdefghij
    cloudauthctl key remove abcdefghij bob /root/bob.pub
    wait_for refused bob abcdefghij key-unknown
}

# The daemon and the helper of the previous release.
new_modules() {
    quiet_dpkg -i /debs/new/lib*.deb
    runs old new
    listed_enter
    none_denied
}

# The modules of the previous release: they keep nothing on the disk that could be newer.
new_daemon() {
    quiet_dpkg -i /debs/new/cloudauth_*.deb /debs/old/lib*.deb
    runs new old
    listed_enter
    none_denied
}

upgraded() {
    install_debs new
    runs new new
    listed_enter
    # As the previous release had it.
    same 200000 "$(id -u abcdefghij)"
    cloudauthctl doctor abcdefghij
    none_denied
}

# After the next boot.
purged() {
    rm /root/open
    runs new new
    listed_enter
    none_denied
    quiet_dpkg --purge "${PACKAGES[@]}"
    etc_manifest | diff /root/before -
    leftovers | diff /root/leftovers -
    fails grep -r cloudauth /sys/kernel/security/apparmor/profiles
    fails getent passwd cloudauth
    fails getent passwd abcdefghij
    denied alice abcdefghij
    wait_for eval "journalctl -b -o cat | grep 'Invalid user abcdefghij '"
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
