# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Each NSS call of a login fails in turn. `Match Group` fails open, so whoever then falls out of his
# block meets sshd's global settings, and those are as open here as sshd allows: every password is
# right, every forward is allowed, each account's own authorized_keys holds the stranger's key.
#
# The calls are counted and made to fail by the module's build/faults (nss_cloud/faults.h), through
# files at one path. So that several logins can be tried at a time, each lane has an sshd of its own
# in a mount namespace of its own, where that path is the lane's.

LANES=4
BEYOND=3 # how many calls more than a good login makes

declare -gA LOGIN=([shell]=abcdefghij [sftp]=abcdefghij_sftp)
declare -gA KEY=([shell]=alice [sftp]=media-agency)

# What the document and the account's block grant: what_works prints no other line, whatever fails.
declare -gA GRANTED=(
    [shell]="forward to 127.0.0.1:22
group 199998
group 200001
home /app/abcdefghij
runs as abcdefghij, uid 200001"
    [sftp]="file /media
file /readme"
)

OPEN_SETTINGS=(
    -o PasswordAuthentication=yes -o KbdInteractiveAuthentication=yes -o PermitEmptyPasswords=yes
    -o AllowTcpForwarding=yes -o AllowStreamLocalForwarding=yes -o AllowAgentForwarding=yes
    -o X11Forwarding=yes -o XAuthLocation=/bin/true -o PermitTunnel=yes -o PermitUserRC=yes
)

lane_port() { echo $((2200 + $1)); }
lane_pid() { cat "/run/lane$1.pid"; }
lane_faults() { echo "/run/faults$1"; }

lane_start() {
    install -d -m 777 "$(lane_faults "$1")"
    unshare --mount --propagation private bash -c 'mount --bind "$1" /run/cloudauth-faults &&
        exec /usr/sbin/sshd "${@:2}"' lane "$(lane_faults "$1")" "${OPEN_SETTINGS[@]}" \
        -o "ListenAddress=127.0.0.1:$(lane_port "$1")" -o "PidFile=/run/lane$1.pid"
    wait_for test -s "/run/lane$1.pid"
}

lane_is_quiet() { fails pgrep -P "$(lane_pid "$1")"; }

# faults LANE [RULE]: a new count, with that line in `fail`.
faults() {
    local file at
    at=$(lane_faults "$1")
    wait_for lane_is_quiet "$1" || return 1
    for file in count calls fail; do
        : >"$at/$file"
        chmod 666 "$at/$file"
    done
    [[ -z ${2-} ]] || echo "$2" >"$at/fail"
}

before_all() {
    local lane
    cp "$REPO/build/faults/libnss_cloud.so.2" "$(find /usr/lib -name libnss_cloud.so.2)" || return 1
    install -d -m 777 /run/cloudauth-faults
    sed -i 's/pam_unix.so nullok/pam_permit.so/' /etc/pam.d/common-auth
    grep -q 'pam_permit.so$' /etc/pam.d/common-auth || return 1
    printf '#!/bin/sh\necho anything\n' >/root/askpass
    chmod 755 /root/askpass
    own_keys /app/abcdefghij 200001
    own_keys / 0
    echo 'echo rc-file' >/app/abcdefghij/.ssh/rc
    ssh-agent -a /root/agent >/dev/null
    for ((lane = 1; lane <= LANES; lane++)); do
        lane_start "$lane" || return 1
    done
}

# What a shell session finds of itself.
# shellcheck disable=SC2016 # expanded there
LOOK_AROUND='echo "runs as $USER, uid $UID"; echo "home $PWD"; printf "group %s\n" "${GROUPS[@]}"
    [[ -z ${SSH_AUTH_SOCK-} ]] || echo agent; [[ -z ${DISPLAY-} ]] || echo X11'

# ssh_lane LANE LOGIN COMMAND [SSH OPTION...]: asks for all that could be granted.
ssh_lane() {
    DISPLAY=:9 SSH_AUTH_SOCK=/root/agent SSH_ASKPASS=/root/askpass SSH_ASKPASS_REQUIRE=force \
        timeout 60 setsid ssh -F /dev/null -o IdentitiesOnly=yes -o ConnectTimeout=10 \
        -o UserKnownHostsFile=/root/known_hosts -p "$(lane_port "$1")" -A -Y \
        "${@:4}" "$2@127.0.0.1" ${3:+"$3"} 2>&1 </dev/null
}

# greets PORT NAME: prints the name if an sshd answers behind that local port.
greets() {
    local greeting=
    { exec 7<>"/dev/tcp/127.0.0.1/$1" && read -r -t 10 -n 7 greeting <&7; } 2>/dev/null
    exec 7>&-
    [[ $greeting != SSH-2.0 ]] || echo "$2"
}

# what_works KIND LANE: logs in by the right key, and prints a line for each thing that this gave.
what_works() {
    local login=${LOGIN[$1]} lane=$2 port=$((7000 + 10 * $2)) control=/root/control$2
    local socket=/tmp/forward$2
    ssh_lane "$lane" "$login" '' -i "$KEYS/${KEY[$1]}" -M -S "$control" -o BatchMode=yes -fN \
        -L "127.0.0.1:$port:127.0.0.1:22" -L "127.0.0.1:$((port + 1)):localhost:22" \
        -R "127.0.0.1:$((port + 2)):127.0.0.1:22" -R "$socket:127.0.0.1:22" \
        >"/root/client$lane" || return 0
    {
        case $1 in
        shell) ssh_lane "$lane" "$login" "$LOOK_AROUND" -S "$control" ;;
        sftp)
            sftp -q -o ControlPath="$control" -P "$(lane_port "$lane")" -b - "$login@127.0.0.1" \
                <<<"ls -1 /" 2>&1 | sed -n 's/^[^s]/file &/p'
            ssh_lane "$lane" "$login" "echo command" -S "$control"
            ;;
        esac
        greets "$port" "forward to 127.0.0.1:22"
        greets "$((port + 1))" "forward to localhost:22"
        greets "$((port + 2))" "remote forward"
        [[ ! -e $socket ]] || echo "remote forward of a socket"
    } >"/root/works$lane"
    ssh -F /dev/null -S "$control" -O exit "$login" 2>/dev/null
    sort -u "/root/works$lane"
}

# never_enters KIND LANE WAY...: no command runs, and sshd itself ends it.
never_enters() {
    local output status=0
    output=$(ssh_lane "$2" "${LOGIN[$1]}" "echo command" "${@:4}") || status=$?
    [[ $status -eq 255 && $output != *command* ]] &&
        grep -qE 'Permission denied|Connection closed by' <<<"$output" && return
    printf '%s entered (status %s): %s\n' "$3" "$status" "$output"
}
