#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# inside.sh FUNCTION [ARG...]: inside one of the systems of tests/deb/run, where all may be changed. The
# packages are in /debs: new, old (an earlier version), and both so that a script can be killed.
set -euE
trap 'echo "failed: line $LINENO of $FUNCNAME: $BASH_COMMAND"' ERR

DROP_IN=/etc/ssh/sshd_config.d/00-cloudauth.conf
PACKAGES=(libnss-cloud libpam-cloud cloudauth)
SSH_OPTIONS=()
PATIENCE=60 # seconds, for a condition or a login

# ---- Words -------------------------------------------------------------------------------------------

wait_for() {
    local end=$((SECONDS + PATIENCE))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "waited in vain for: $*"
            return 1
        fi
        sleep 0.02
    done
}

fails() {
    if "$@"; then
        echo "did not fail: $*"
        return 1
    fi
}

same() {
    [[ $1 == "$2" ]] && return 0
    printf 'expected: %s\nbut it is: %s\n' "$1" "$2"
    return 1
}

# The local user ada, who may enter by a key of her own, and Debian's sshd.
local_host() {
    # invoke-rc.d(8) asks this program; pid 1 is none that it knows.
    printf '#!/bin/sh\nexit 0\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    useradd -m -s /bin/bash ada
    ssh-keygen -q -t ed25519 -N '' -f /root/ada
    install -d -m 700 -o ada -g ada /home/ada/.ssh
    install -m 600 -o ada -g ada /root/ada.pub /home/ada/.ssh/authorized_keys
}

sshd_start() {
    mkdir -p /run/sshd
    /usr/sbin/sshd
    wait_for test -s /run/sshd.pid
}

# sshd that is started again closes its port for a moment.
sshd_listens() { (: </dev/tcp/127.0.0.1/22); }

# login KEY LOGIN [COMMAND], for at most PATIENCE, or STAYS, seconds
login() {
    wait_for sshd_listens >&2
    timeout "${STAYS:-$PATIENCE}" ssh -F none "${SSH_OPTIONS[@]}" -i "/root/$1" -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
        -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no "$2@127.0.0.1" "${3:-id -un}" </dev/null
}

enters() {
    [[ $(login "$1" "$2" 2>/root/login.said) == "$2" ]] && return 0
    echo "$1 could not enter as $2:"
    cat /root/login.said
    return 1
}

# What systemctl(1) would do with cloudauthd.service and ssh; systemd itself is not pid 1 here.
booted() {
    mkdir -p /run/systemd/system
    # apt gives dpkg a PATH of its own.
    cat >/root/systemctl <<'END'
#!/bin/bash
echo "$*" >>/run/systemctl.log
words=()
for word; do [[ $word == -* ]] || words+=("$word"); done
end() {
    local pid
    pid=$(cat /run/cloudauthd.pid 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null && while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
    rm -f /run/cloudauthd.pid
}
begin() {
    [[ -e /run/cloudauthd.pid ]] && return 0
    /usr/sbin/cloudauthd -f </dev/null >>/run/cloudauthd.log 2>&1 &
    echo $! >/run/cloudauthd.pid
    until perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0) or exit 1;
        exit !connect($s, sockaddr_un("/run/cloudauth/socket"))'; do
        kill -0 $! || exit 1
        sleep 0.02
    done
}
case "${words[*]}" in
# What it does without pid 1.
preset* | enable* | disable* | mask* | unmask*) exec /usr/bin/systemctl.real "$@" ;;
*show* | *CanReload* | *LoadState*)
    [[ $* == *CanReload* ]] && echo CanReload=yes
    [[ $* == *LoadState* ]] && echo LoadState=loaded
    ;;
*" cloudauthd"*) case ${words[0]} in
    start) begin ;;
    stop) end ;;
    *restart) end && begin ;;
    reload) kill -HUP "$(cat /run/cloudauthd.pid)" ;;
    is-enabled) [[ -e /etc/systemd/system/multi-user.target.wants/cloudauthd.service ]] && echo enabled ;;
    is-active) kill -0 "$(cat /run/cloudauthd.pid 2>/dev/null || echo none)" 2>/dev/null ;;
    esac ;;
# As where ssh.socket started it: it does not survive SIGHUP, and takes its directory along.
"reload ssh"*) kill "$(cat /run/sshd.pid)" ;;
"try-restart ssh"*)
    kill "$(cat /run/sshd.pid)"
    while [[ -e /run/sshd.pid ]]; do sleep 0.02; done
    mkdir -p /run/sshd
    /usr/sbin/sshd
    ;;
esac
END
    mv /usr/bin/systemctl /usr/bin/systemctl.real
    install -m 755 /root/systemctl /usr/bin/systemctl
}

# dpkg without fsync, which costs most of its time.
quiet_dpkg() { dpkg --force-unsafe-io "$@"; }

install_debs() { quiet_dpkg -i /debs/"${1:-new}"/*.deb; }

# The files of /etc: mode, owner, checksum, target. Not the copies of passwd(5) and its like that useradd(8)
# and userdel(8) make of what was before their last change.
etc_manifest() {
    find /etc -xdev ! -regex '/etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-' \
        -printf '%M %U %G %p %l\n' | sort -k4
    find /etc -xdev -type f ! -regex '/etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-' \
        -exec sha256sum {} + | sort -k2
}

# What is left of ours anywhere, but dpkg's own log of what it did.
leftovers() {
    find / -xdev \( -path /proc -o -path /dev -o -path /run -o -path /debs -o -path /tests -o -path /root \) -prune -o \
        \( -name '*cloud*' ! -path '/var/log/*' \) -print
}

add_key() { ssh-keygen -q -t ed25519 -N '' -C "$1@laptop" -f "/root/$1"; }

# A host that serves one environment, and alice's key for it.
serve() {
    echo 'allow = abcdefghij abcdefghij_*' >>/etc/cloudauth/cloudauth.conf
    systemctl reload cloudauthd
    cloudauthctl env create abcdefghij
    cloudauthctl user add --role admin abcdefghij alice
    add_key alice
    cloudauthctl key add abcdefghij alice /root/alice.pub
    wait_for getent passwd abcdefghij
}

fresh_host() {
    local_host
    booted
    sshd_start
    enters ada ada
}

# ---- Tests -------------------------------------------------------------------------------------------

# The commands are README's own, as they stand there.
quick_start() {
    local commands count=0 command
    add_key alice
    mkdir /run/here
    cd /run/here
    cp /debs/new/*.deb /root/alice.pub .
    commands=$(sed -n '/^## Quick start/,/^## /s/^    //p' /run/README.md)
    while read -r command <&9; do
        echo "\$ $command"
        eval "$command"
        count=$((count + 1))
    done 9<<<"$commands"
    same 8 $count
    enters alice abcdefghij
    enters ada ada
    echo "note: $(cloudauthctl doctor abcdefghij | grep -c ' ok ') checks of doctor are ok"
}

test_quick_start() {
    fresh_host
    quick_start
}

# An account that is in no file of the host but in another directory, as one of LDAP is.
other_account() {
    mkdir -p /etc/userdb
    echo '{"userName":"evelyn7","uid":5555,"gid":5555,"homeDirectory":"/home/evelyn7","shell":"/bin/bash","disposition":"regular"}' \
        >/etc/userdb/evelyn7.user
    ln -s evelyn7.user /etc/userdb/5555.user
    echo '{"groupName":"evelyn7","gid":5555,"disposition":"regular"}' >/etc/userdb/evelyn7.group
    ln -s evelyn7.group /etc/userdb/5555.group
    install -d -m 700 -o 5555 -g 5555 /home/evelyn7 /home/evelyn7/.ssh
    install -m 600 -o 5555 -g 5555 /root/ada.pub /home/evelyn7/.ssh/authorized_keys
}

test_unconfigured() {
    fresh_host
    other_account
    enters ada evelyn7
    install_debs
    fails getent passwd abcdefghij
    kill -0 "$(cat /run/cloudauthd.pid)"
    # Not there, an unmounted tree is not taken for an empty one.
    fails test -e /srv/access
    grep -q '^passwd:.* files cloud' /etc/nsswitch.conf
    grep -q pam_cloud /etc/pam.d/common-session-noninteractive
    enters ada ada
    enters ada evelyn7
}

test_upgrade() {
    local pid
    fresh_host
    install_debs old
    serve
    grep -qx '# of the previous version' $DROP_IN
    mkfifo /root/say
    ssh -F none -i /root/alice -o BatchMode=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
        abcdefghij@127.0.0.1 'echo begun; read -r word; echo "still $word"; id -un' </root/say >/root/said 2>/dev/null &
    pid=$!
    exec 7>/root/say
    wait_for grep -q begun /root/said
    : >/run/systemctl.log
    install_debs new
    cmp /usr/share/cloudauth/00-cloudauth.conf $DROP_IN
    grep -q 'try-restart ssh' /run/systemctl.log
    grep -Eq 'restart( .*)? cloudauthd.service' /run/systemctl.log
    fails grep -E '(stop|kill|reload).*ssh' /run/systemctl.log
    echo here >&7
    exec 7>&-
    wait $pid
    grep -qx 'still here' /root/said
    grep -qx 'abcdefghij' /root/said
    enters alice abcdefghij
    enters ada ada
    cloudauthctl doctor abcdefghij
}

# Settings of the uid range in the order of the file.
range() { sed -nE 's/^(uid_m|ssh_g|sftp_g)/\1/p' /etc/cloudauth/cloudauth.conf; }

test_range() {
    fresh_host
    install_debs old
    # As version 0.1.0 had it without a setting.
    printf 'uid_min = 200000\nuid_max = 999999\nssh_gid = 199998\nsftp_gid = 199999\n' >>/etc/cloudauth/cloudauth.conf
    serve
    enters alice abcdefghij
    sed -i '/^uid_m\|^ssh_gid\|^sftp_gid/d' /etc/cloudauth/cloudauth.conf
    cp -a /etc/cloudauth/cloudauth.conf /root/without
    install_debs new
    same $'uid_min = 200000\nuid_max = 999999\nssh_gid = 199998\nsftp_gid = 199999' "$(range)"
    same 200000 "$(getent passwd abcdefghij | cut -d: -f3)"
    same 199998 "$(getent group cloud-ssh | cut -d: -f3)"
    same "$(stat -c '%a %U %G' /root/without)" "$(stat -c '%a %U %G' /etc/cloudauth/cloudauth.conf)"
    enters alice abcdefghij
    # Also where that version was removed, which leaves settings and bindings, before this one is installed.
    quiet_dpkg -r "${PACKAGES[@]}"
    install_debs old
    sed -i '/^# The defaults\|^uid_m\|^ssh_gid\|^sftp_gid/d' /etc/cloudauth/cloudauth.conf
    quiet_dpkg -r "${PACKAGES[@]}"
    install_debs new
    same $'uid_min = 200000\nuid_max = 999999\nssh_gid = 199998\nsftp_gid = 199999' "$(range)"
    wait_for getent passwd abcdefghij
    enters alice abcdefghij
    # The next upgrade writes nothing, also where the operator moved it.
    sed -i '/^uid_m/d' /etc/cloudauth/cloudauth.conf
    install_debs new
    same $'ssh_gid = 199998\nsftp_gid = 199999' "$(range)"
    # One that wrote a part of it, and one that never served anyone.
    quiet_dpkg --purge "${PACKAGES[@]}"
    install_debs old
    echo 'uid_min = 300000' >>/etc/cloudauth/cloudauth.conf
    quiet_dpkg --unpack /debs/new/libnss-cloud_*.deb
    same $'uid_min = 300000\nuid_max = 999999\nssh_gid = 199998\nsftp_gid = 199999' "$(range)"
    install_debs new
    quiet_dpkg --purge "${PACKAGES[@]}"
    install_debs old
    install_debs new
    same '' "$(range)"
    same 69998 "$(getent group cloud-ssh | cut -d: -f3)"
}

test_changed() {
    fresh_host
    install_debs old
    echo '    LogLevel VERBOSE' >>$DROP_IN
    cp $DROP_IN /root/drop_in
    sed -i '/^group:/s/ cloud//' /etc/nsswitch.conf
    cp /etc/nsswitch.conf /root/nsswitch
    echo 'keys_fresh = 5s' >>/etc/cloudauth/cloudauth.conf
    install_debs new
    cmp $DROP_IN /root/drop_in
    cmp /etc/nsswitch.conf /root/nsswitch
    grep -qx 'keys_fresh = 5s' /etc/cloudauth/cloudauth.conf
    enters ada ada
    quiet_dpkg -r "${PACKAGES[@]}"
    cmp $DROP_IN /root/drop_in
    enters ada ada
    install_debs new
    cmp $DROP_IN /root/drop_in
    mkdir /srv/access
    quiet_dpkg --purge "${PACKAGES[@]}"
    rmdir /srv/access
    fails test -e $DROP_IN
    fails grep -q cloud /etc/nsswitch.conf
    enters ada ada
}

# A kernel with AppArmor: /run/profiles has a file for each profile that is loaded. Of apparmor's
# directories one is empty, as ever.
apparmor() {
    mkdir -p /run/profiles /etc/apparmor.d/disable /etc/apparmor.d/local
    cat >/usr/bin/aa-enabled <<'END'
#!/bin/sh
exit 0
END
    cat >/usr/sbin/apparmor_parser <<'END'
#!/bin/bash
files=() remove=
for word; do
    case $word in
    -R) remove=1 ;;
    -*) ;;
    *) files+=("$word") ;;
    esac
done
cd /run/profiles || exit 1
for name in $(sed -n 's/^profile \([^ ]*\) .*/\1/p' ${files[@]+"${files[@]}"}); do
    if [[ -n $remove ]]; then rm "$name"; else touch "$name"; fi
done
END
    chmod 755 /usr/bin/aa-enabled /usr/sbin/apparmor_parser
}

test_purge() {
    fresh_host
    apparmor
    etc_manifest >/root/before
    install_debs
    same $'cloud-authkeys\ncloudauthd' "$(ls /run/profiles)"
    serve
    enters alice abcdefghij
    enters ada ada
    metrics_unit
    quiet_dpkg -r "${PACKAGES[@]}"
    same other.prom "$(ls /var/lib/prometheus/node-exporter)"
    fails getent passwd abcdefghij
    fails grep -rl cloud /etc/nsswitch.conf /etc/pam.d /etc/ssh
    fails login alice abcdefghij
    enters ada ada
    install_debs
    enters alice abcdefghij
    quiet_dpkg --purge "${PACKAGES[@]}"
    etc_manifest >/root/after
    diff /root/before /root/after
    fails getent passwd cloudauth
    same '' "$(leftovers)"
    same '' "$(ls /run/profiles)"
    # Documents are the operator's.
    test -e /srv/access/abcdefghij/production.json
    enters ada ada
}

# The timer is enabled; it is systemd that looks for node_exporter's directory. What its unit runs leaves a file.
metrics_unit() {
    local directory=/var/lib/prometheus/node-exporter
    test -e /etc/systemd/system/timers.target.wants/cloudauth-metrics.timer
    grep -qx "ConditionPathIsDirectory=$directory" /lib/systemd/system/cloudauth-metrics.{timer,service}
    install -d $directory
    touch $directory/other.prom $directory/cloudauth.prom.new
    (cd $directory && eval "$(sed -n 's/^ExecStart=//p' /lib/systemd/system/cloudauth-metrics.service)")
    grep -q '^cloudauth_build_info' $directory/cloudauth.prom
}

test_sshd_broken() {
    fresh_host
    echo 'NoSuchWord yes' >/etc/ssh/sshd_config.d/zz.conf
    fails install_debs >/root/said 2>&1
    grep -q 'configuration is broken.*NoSuchWord' /root/said
    fails test -e $DROP_IN
    fails grep -q cloud /etc/nsswitch.conf
    enters ada ada
    rm /etc/ssh/sshd_config.d/zz.conf
    quiet_dpkg --configure -a
    cmp /usr/share/cloudauth/00-cloudauth.conf $DROP_IN
    grep -q '^passwd:.* files cloud' /etc/nsswitch.conf
    enters ada ada
}

# sshd that takes no Match Group cloud-ssh in its test; `after` only once it is in place.
stubborn_sshd() {
    mv /usr/sbin/sshd /usr/sbin/sshd.real
    cat >/usr/sbin/sshd <<END
#!/bin/bash
file=/etc/ssh/sshd_config
[[ \${1-} == -t && \${2-} == -f ]] && file=\$3
test -e $DROP_IN && echo there >>/root/drop_in_seen
if [[ \${1-} == -t ]]; then
    if [[ -e $DROP_IN ]] || { [[ $1 == before ]] && grep -q 'Include /usr/share/cloudauth' "\$file"; }; then
        echo "no such thing" >&2
        exit 255
    fi
fi
exec -a /usr/sbin/sshd /usr/sbin/sshd.real "\$@"
END
    chmod 755 /usr/sbin/sshd
}

test_sshd_refuses() {
    fresh_host
    stubborn_sshd before
    fails install_debs
    fails test -e /root/drop_in_seen
    fails test -e $DROP_IN
    mv /usr/sbin/sshd.real /usr/sbin/sshd
    stubborn_sshd after
    fails quiet_dpkg --configure -a
    test -e /root/drop_in_seen
    fails test -e $DROP_IN
    fails grep -q cloud /etc/nsswitch.conf
    mv /usr/sbin/sshd.real /usr/sbin/sshd
    enters ada ada
    quiet_dpkg --configure -a
    cmp /usr/share/cloudauth/00-cloudauth.conf $DROP_IN
    enters ada ada
}

# becomes BEFORE AFTER: what the line of that database is made of BEFORE, and that it is BEFORE again.
becomes() {
    sed -i "/^${1%%:*}:/d" /etc/nsswitch.conf
    echo "$1" >>/etc/nsswitch.conf
    cp /etc/nsswitch.conf /root/nsswitch
    quiet_dpkg -i /debs/new/libnss-cloud_*.deb
    same "$2" "$(grep "^${1%%:*}:" /etc/nsswitch.conf)"
    getent passwd ada
    quiet_dpkg -r libnss-cloud
    cmp /root/nsswitch /etc/nsswitch.conf
    same '' "$(find /etc -name '*cloud-new*')"
}

test_nsswitch() {
    local_host
    printf 'Match LocalPort 2222\n    PermitRootLogin no\n' >>/etc/ssh/sshd_config
    quiet_dpkg -i /debs/new/{cloudauth,libpam-cloud}_*.deb
    chmod 640 /etc/nsswitch.conf
    # As while ssh.socket waits for the first connection.
    rm -rf /run/sshd
    becomes 'passwd: files' 'passwd: files cloud'
    same 640 "$(stat -c %a /etc/nsswitch.conf)"
    becomes $'passwd:\tfiles\tsystemd' $'passwd:\tfiles cloud\tsystemd'
    becomes 'passwd:compat # files' 'passwd:compat cloud # files'
    becomes 'passwd: files [NOTFOUND=continue] sss ' 'passwd: files [NOTFOUND=continue] cloud sss '
    becomes 'passwd: files[NOTFOUND=continue] sss' 'passwd: files[NOTFOUND=continue] cloud sss'
    # Between the two of them it would take what is merged from a local group.
    becomes 'group: files [SUCCESS=merge] systemd  sss ' 'group: files [SUCCESS=merge] systemd cloud  sss '
    becomes 'group: files [SUCCESS=merge] systemd [NOTFOUND=continue SUCCESS=merge] sss ' \
        'group: files [SUCCESS=merge] systemd [NOTFOUND=continue SUCCESS=merge] sss cloud '
    becomes 'group: files' 'group: files cloud'
    becomes 'passwd: sss files' 'passwd: sss files cloud'
    # What the operator wrote is his.
    becomes 'passwd: files systemd cloud' 'passwd: files systemd cloud'
    # By a symbolic link.
    mv /etc/nsswitch.conf /etc/nsswitch.real
    ln -s nsswitch.real /etc/nsswitch.conf
    quiet_dpkg -i /debs/new/libnss-cloud_*.deb
    test -L /etc/nsswitch.conf
    grep -q '^group:.* cloud' /etc/nsswitch.real
}

# unchanged_by COMMAND...: it succeeds, says why, and leaves nsswitch.conf alone.
stays_by() {
    cp /etc/nsswitch.conf /root/nsswitch
    "$@" >/root/said 2>&1
    cat /root/said
    grep -q 'libnss-cloud: /etc/nsswitch.conf stays as it is' /root/said
    cmp /root/nsswitch /etc/nsswitch.conf
    same '' "$(find /etc -name '*cloud-new*')"
    enters ada ada
}

test_nsswitch_unusual() {
    fresh_host
    cp /etc/nsswitch.conf /root/nsswitch.first
    quiet_dpkg -i /debs/new/{cloudauth,libpam-cloud}_*.deb
    sed -i 's/^passwd:.*/passwd: files [NOTFOUND=return] systemd/' /etc/nsswitch.conf
    stays_by quiet_dpkg -i /debs/new/libnss-cloud_*.deb
    quiet_dpkg --purge "${PACKAGES[@]}"
    cp /root/nsswitch.first /etc/nsswitch.conf
    echo 'initgroups: files' >>/etc/nsswitch.conf
    stays_by install_debs
    grep -q 'line initgroups' /root/said
    quiet_dpkg --purge "${PACKAGES[@]}"
    cp /root/nsswitch.first /etc/nsswitch.conf
    # The operator's own PAM stack, which pam-auth-update(8) leaves alone.
    sed -i '/^account.*pam_unix/i account required pam_warn.so' /etc/pam.d/common-account
    stays_by install_debs
    grep -q 'not in /etc/pam.d/common-account' /root/said
    # By his own hand then, and out of it by his own hand before the module goes.
    cp -a /etc/pam.d /root/pam.d
    for file in auth account session session-noninteractive; do
        cat "/usr/share/doc/cloudauth/pam.d/cloudauth-${file%-*}" "/root/pam.d/common-$file" >"/etc/pam.d/common-$file"
    done
    dpkg-reconfigure libnss-cloud
    grep -q '^passwd:.* files cloud' /etc/nsswitch.conf
    enters ada ada
    fails quiet_dpkg -r libnss-cloud libpam-cloud >/root/said 2>&1
    grep -q 'still named in .*/etc/pam.d/common-account' /root/said
    fails grep -q cloud /etc/nsswitch.conf
    ls /usr/lib/*/security/pam_cloud.so
    enters ada ada
    cp -a /root/pam.d /etc
    quiet_dpkg -r libpam-cloud
    enters ada ada
}

# A module that cannot be loaded, or whose settings are broken: no account could exist, and nothing is added.
test_module_broken() {
    local_host
    booted
    sshd_start
    quiet_dpkg -i /debs/new/{cloudauth,libpam-cloud}_*.deb
    quiet_dpkg --unpack /debs/new/libnss-cloud_*.deb
    for file in /usr/lib/*/libnss_cloud.so.2; do mv "$file" /root/module; done
    stays_by quiet_dpkg --configure libnss-cloud
    grep -q 'the module does not answer' /root/said
    mv /root/module "$file"
    echo 'nonsense = 1' >>/etc/cloudauth/cloudauth.conf
    stays_by dpkg-reconfigure libnss-cloud
    grep -q 'cloudauth.conf has a fault' /root/said
    sed -i '/^nonsense/d' /etc/cloudauth/cloudauth.conf
    dpkg-reconfigure libnss-cloud
    grep -q '^passwd:.* files cloud' /etc/nsswitch.conf
}

# root is not found with the new file, and the disk with /var is full by then: what was there stays whole.
test_undo_full() {
    local state=/var/lib/libnss-cloud
    local_host
    booted
    sshd_start
    quiet_dpkg -i /debs/new/{cloudauth,libpam-cloud}_*.deb
    cp /etc/nsswitch.conf /root/nsswitch
    mkdir $state
    mount -t tmpfs -o size=32k tmpfs $state
    printf '#!/bin/sh\n[ "$*" != "passwd root" ] || { cat /dev/zero >%s/fill; exit 2; }\nexec /usr/bin/getent "$@"\n' \
        $state >/usr/local/bin/getent
    chmod 755 /usr/local/bin/getent
    quiet_dpkg -i /debs/new/libnss-cloud_*.deb >/root/said 2>&1 || true
    cat /root/said
    same "$(sed -E '/^(passwd|group):/s/ cloud//' /etc/nsswitch.conf)" "$(</root/nsswitch)"
    same '' "$(find /etc -name '*cloud-new*')"
    grep -q "take .cloud' out of the line passwd of /etc/nsswitch.conf yourself" /root/said
    enters ada ada
    # A repeat without space fails, too.
    fails quiet_dpkg --configure -a >/root/said 2>&1
    grep -q "take .cloud' out of the line passwd of /etc/nsswitch.conf yourself" /root/said
    # With space it is undone, and what failed before is finished.
    rm $state/fill
    sed -i.full 's/cat [^;]*; //' /usr/local/bin/getent
    quiet_dpkg --configure -a
    cmp /root/nsswitch /etc/nsswitch.conf
    # Also where the host is no longer ready.
    mv /usr/local/bin/getent.full /usr/local/bin/getent
    fails dpkg-reconfigure libnss-cloud
    grep -q '^passwd:.* files cloud' /etc/nsswitch.conf
    rm $state/fill /usr/local/bin/getent
    echo 'nonsense = 1' >>/etc/cloudauth/cloudauth.conf
    dpkg-reconfigure libnss-cloud >/root/said 2>&1
    grep -q '/etc/nsswitch.conf stays as it is' /root/said
    cmp /root/nsswitch /etc/nsswitch.conf
    same '' "$(ls -A $state)"
    sed -i '/^nonsense/d' /etc/cloudauth/cloudauth.conf
    dpkg-reconfigure libnss-cloud
    grep -q '^passwd:.* files cloud' /etc/nsswitch.conf
    umount $state
}

# The disk is full when the package is removed: nsswitch.conf stays whole, and the operator reads what is left to do.
test_removed_full() {
    local_host
    booted
    sshd_start
    install_debs
    cp /etc/nsswitch.conf /root/nsswitch
    ln -s /dev/full /var/lib/libnss-cloud/test
    quiet_dpkg -r libnss-cloud >/root/said 2>&1
    grep -q "take .cloud' out of the line passwd of /etc/nsswitch.conf yourself" /root/said
    grep -q "take .cloud' out of the line group of /etc/nsswitch.conf yourself" /root/said
    cmp /root/nsswitch /etc/nsswitch.conf
    same '' "$(find /etc -name '*cloud-new*')"
    enters ada ada
}

test_nscd() {
    local_host
    install_debs >/root/dpkg.log 2>&1
    fails grep nscd /root/dpkg.log
    printf '#\n\tenable-cache\t\tpasswd\t\tyes\n' >/etc/nscd.conf
    mkdir /run/nscd
    perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un("/run/nscd/socket")) or exit 1'
    dpkg-reconfigure libnss-cloud >/root/dpkg.log 2>&1
    grep 'libnss-cloud: of passwd and group to no in /etc/nscd.conf' /root/dpkg.log
}

# ---- Booted, with systemd as pid 1 (tests/deb/boot) ---------------------------------------------------

# On a host where ssh.socket listens: nothing of ours ends the listener, or a session that is open.
test_booted() {
    local_host
    systemctl disable --now ssh.service
    systemctl enable --now ssh.socket
    enters ada ada
    STAYS=1000 login ada ada 'echo $$; exec sleep 1000' >/root/open &
    wait_for test -s /root/open
    install_debs
    systemctl is-active ssh.socket
    grep -q '^passwd:.* files cloud' /etc/nsswitch.conf
    serve
    enters alice abcdefghij
    confined
    enters ada ada
    kill -0 "$(cat /root/open)"
    has_session alice abcdefghij
    # For the next boot.
    cat >/etc/systemd/system/app.service <<'END'
[Unit]
After=nss-user-lookup.target
[Service]
User=abcdefghij
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
END
    printf '[Service]\nUser=abcdefghij\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/listener.service
    cat >/etc/systemd/system/listener.socket <<'END'
[Unit]
DefaultDependencies=no
After=nss-user-lookup.target
[Socket]
ListenStream=/run/listener
SocketUser=abcdefghij
[Install]
WantedBy=multi-user.target
END
    echo "d /run/app 0755 $(id -u abcdefghij) $(id -g abcdefghij)" >/etc/tmpfiles.d/app.conf
    systemctl enable app.service listener.socket
    # What is stored answers, and no map that was there before.
    systemctl stop cloudauthd
    rm /var/lib/cloudauth/accounts.snapshot
}

# The daemon, after it has answered: its system calls are filtered, it has CAP_KILL alone and gains nothing, and no
# other process of its user reads its memory, nor does the swap. What it frees is overwritten: by its environment, which
# glibc obeys where AT_SECURE (23) is 0.
confined() {
    local pid line
    pid=$(systemctl show -P MainPID cloudauthd)
    for line in 'Seccomp:.2' 'NoNewPrivs:.1' 'CapEff:.0000000000000020' 'CapBnd:.0000000000000020'; do
        grep -qx "$line" "/proc/$pid/status"
    done
    same root "$(stat -c %U "/proc/$pid/environ")"
    same 0 "$(systemctl show -P MemorySwapMax cloudauthd)"
    grep -qz '^GLIBC_TUNABLES=.*perturb=165' "/proc/$pid/environ"
    od -An -tu8 -w16 "/proc/$pid/auxv" | grep -qx ' *23 *0'
}

# has_session KEY LOGIN: systemd-logind, which is older than the setting, knows the account.
has_session() {
    # shellcheck disable=SC2016 # the account's shell expands it
    same "/run/user/$(id -u "$2")" "$(login "$1" "$2" 'echo "$XDG_RUNTIME_DIR"')"
}

# Processes that are older than the setting know its accounts too.
test_added_by_reload() {
    has_session alice abcdefghij
    echo 'allow = zyxwvutsrq' >>/etc/cloudauth/cloudauth.conf
    systemctl reload cloudauthd
    cloudauthctl env create zyxwvutsrq
    cloudauthctl user add zyxwvutsrq alice
    cloudauthctl key add zyxwvutsrq alice /root/alice.pub
    wait_for getent passwd zyxwvutsrq
    has_session alice zyxwvutsrq
}

# A session that ends while the daemon is stopped is in the log all the same.
test_gone_while_stopped() {
    local open
    STAYS=1000 login alice abcdefghij 'echo in; exec sleep 1001' >/root/other &
    open=$!
    wait_for grep -q in /root/other
    systemctl stop cloudauthd
    kill "$open"
    kill "$(pgrep -f '^sleep 1001')"
    systemctl start cloudauthd
    wait_for logged 'close account=abcdefghij .*reason=gone'
}

# What an sFTP account transfers is in the journal, with logind's session of the process in the grant's pid=. The client
# stays until the journal has it: journald looks for the session of a process when it reads what that has written.
test_transfers() {
    local pid
    install -d -o abcdefghij -g abcdefghij /app/abcdefghij /app/abcdefghij/pub
    cloudauthctl env mount add --writable abcdefghij pub
    echo text >/root/file
    timeout 60 sftp -F none -i /root/alice -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=/dev/null \
        -o StrictHostKeyChecking=no -b - abcdefghij_sftp@127.0.0.1 <<'END'
put /root/file /pub/file
!timeout 30 sh -c 'until journalctl -q --no-pager -o cat -t internal-sftp | grep "close ./pub/file. bytes read 0 written 5"; do sleep 0.1; done'
END
    wait_for logged 'grant account=abcdefghij_sftp '
    pid=$(sed -n 's/^grant account=abcdefghij_sftp .* pid=\([0-9]*\).*/\1/p' /root/journal)
    wait_for transferred_in "$pid"
}

transferred_in() {
    local session
    session=$(journalctl --no-pager -t systemd-logind -o json "LEADER=$1" | sed -n 's/.*"SESSION_ID":"\([^"]*\)".*/\1/p' | sort -u)
    journalctl --no-pager -o cat -t internal-sftp "_SYSTEMD_SESSION=$session" | grep 'close "/pub/file"'
}

logged() { journalctl --no-pager -o cat -u cloudauthd | tee /root/journal | grep "$1"; }

# Services of an account start at boot, and who may enter enters.
test_rebooted() {
    systemctl is-active ssh.socket
    systemctl is-active app.service
    same abcdefghij "$(stat -c %U /run/listener)"
    same abcdefghij "$(stat -c %U /run/app)"
    enters ada ada
    enters alice abcdefghij
    has_session alice abcdefghij
}

# ---- Killed at every line ----------------------------------------------------------------------------

# Before the operation.
prepare() {
    local_host
    etc_manifest >/root/never
    case $1 in
    install) quiet_dpkg --unpack /debs/killable/*.deb ;;
    upgrade) install_debs old-killable ;;
    remove) install_debs killable ;;
    purge) install_debs killable && quiet_dpkg -r "${PACKAGES[@]}" ;;
    esac
}

operate() {
    case $1 in
    install) quiet_dpkg --configure -a ;;
    upgrade) quiet_dpkg -i /debs/killable/*.deb ;;
    remove) quiet_dpkg -r "${PACKAGES[@]}" ;;
    purge) quiet_dpkg --purge "${PACKAGES[@]}" ;;
    esac
}

# manifest_of DIRECTORY [PATH...]: mode, owner, target and checksum of what is there, without those paths.
manifest_of() {
    local path but=()
    for path in "${@:2}"; do but+=(! -path "$1/$path" ! -path "$1/$path/*"); done
    find "$1" -xdev "${but[@]}" -printf '%M %U %G %p %l\n' | sort
    find "$1" -xdev "${but[@]}" -type f -exec sha256sum {} + | sort
}

# at_line SCRIPT ARGUMENT LINE: adds to /lines that the line is about to be done, with a hash of what the operation
# has changed so far (/run/changes) and of /run.
at_line() {
    echo "$* $({
        manifest_of /run/changes lines kill root var/log var/cache/ldconfig/aux-cache
        find /run -xdev ! -path '/run/changes/*' -printf '%M %U %G %p %l\n' | sort
    } | sha256sum)" >>/lines
}

# The lines that it comes to and what it makes of /etc. To kill a script at a line that finds all as another line of
# that script found it would be the same again: /root/lines has one of those.
record() {
    sshd_start
    touch /kill
    operate "$1"
    awk '!seen[$1, $2, $4]++ { print $1, $2, $3 }' /lines >/root/lines
    awk '!seen[$1, $2, $3]++' /lines | wc -l >/root/count
    etc_manifest >/root/after
    [[ $1 != purge ]] || diff /root/never /root/after
    enters ada ada
}

killed() {
    local status=0
    # The default exchange of keys takes half of a login's time.
    SSH_OPTIONS=(-o KexAlgorithms=curve25519-sha256)
    sshd_start
    echo "$2" >/kill
    operate "$1" || status=$?
    test -e /killed
    echo "dpkg ended with $status"
    rm /kill
    enters ada ada
    quiet_dpkg --configure -a
    # What was stopped before it came to ours (an unpacking, a removal) takes the same command again.
    etc_manifest | cmp -s /root/after - || operate "$1"
    etc_manifest | diff /root/after -
    enters ada ada
}

"$@"
