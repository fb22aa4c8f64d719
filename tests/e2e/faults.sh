# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Each NSS call of a login fails in turn. `Match Group` fails open, so an account that then falls out of its
# block meets sshd's global settings, and those are as open here as sshd allows: every password is
# right, every forward is allowed, each account's own authorized_keys holds the stranger's key.
#
# The calls are counted and made to fail by the module's build/faults (tests/sandbox/nss_faults.c), through
# files at one path. So that several logins can be tried at a time, each lane has an sshd of its own
# in a mount namespace of its own, where that path is the lane's.

LANES=4

declare -gA LOGIN=([shell]=abcdefghij [sftp]=abcdefghij_sftp)
declare -gA KEY=([shell]=alice [sftp]=media-agency)

# What the document and the account's block grant: what_works prints no other line, whatever fails.
declare -gA GRANTED=(
    [shell]="forward to 127.0.0.1:22
group 199998
group 200001
home /app/abcdefghij
runs as abcdefghij, uid 200001"
    [sftp]="file /dev
file /pub
file /var"
)

OPEN_SETTINGS=(
    -o PasswordAuthentication=yes -o KbdInteractiveAuthentication=yes
    -o AllowTcpForwarding=yes -o AllowStreamLocalForwarding=yes -o AllowAgentForwarding=yes
    -o X11Forwarding=yes -o XAuthLocation=/bin/true -o PermitTunnel=yes -o PermitUserRC=yes
)

lane_port() { echo $((2200 + $1)); }
lane_pid() { cat "/run/lane$1.pid"; }
lane_faults() { echo "/run/faults$1"; }

lane_start() {
    install -d -m 777 "$(lane_faults "$1")"
    # shellcheck disable=SC2016 # expanded there
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
    cp "$REPO/$B/faults/libnss_cloud.so.2" "$(find /usr/lib -name libnss_cloud.so.2)" || return 1
    install -d -m 777 /run/cloudauth-faults
    sed -i 's/pam_unix.so nullok/pam_permit.so/' /etc/pam.d/common-auth
    grep -q 'pam_permit.so$' /etc/pam.d/common-auth || return 1
    printf '#!/bin/sh\necho anything\n' >/root/askpass
    chmod 755 /root/askpass
    own_keys /app/abcdefghij 200001
    own_keys / 200001
    echo 'echo =rc-file' >/app/abcdefghij/.ssh/rc
    ssh-agent -a /root/agent >/dev/null
    for ((lane = 1; lane <= LANES; lane++)); do
        lane_start "$lane" || return 1
    done
}

# What a shell session finds of itself.
# shellcheck disable=SC2016 # expanded there
LOOK_AROUND='echo "=runs as $USER, uid $UID"; echo "=home $PWD"; printf "=group %s\n" "${GROUPS[@]}"
    [[ -z ${SSH_AUTH_SOCK-} ]] || echo =agent; [[ -z ${DISPLAY-} ]] || echo =X11'

# ssh_lane LANE LOGIN COMMAND [SSH OPTION...]: asks for all that could be granted.
ssh_lane() {
    DISPLAY=:9 SSH_AUTH_SOCK=/root/agent SSH_ASKPASS=/root/askpass SSH_ASKPASS_REQUIRE=force \
        timeout 60 setsid ssh -F /dev/null "${FAST_KEX[@]}" -o IdentitiesOnly=yes -o ConnectTimeout=10 \
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
        shell) ssh_lane "$lane" "$login" "$LOOK_AROUND" -S "$control" | sed -n 's/^=//p' ;;
        sftp)
            sftp -q -o ControlPath="$control" -P "$(lane_port "$lane")" -b - "$login@127.0.0.1" \
                <<<"ls -1 /" 2>/dev/null | sed -n 's|^/|file /|p'
            ssh_lane "$lane" "$login" "echo command" -S "$control" | grep -x command
            ;;
        esac
        greets "$port" "forward to 127.0.0.1:22"
        greets "$((port + 1))" "forward to localhost:22"
        greets "$((port + 2))" "remote forward"
        [[ ! -e $socket ]] || echo "remote forward of a socket"
    } >"/root/works$lane"
    master_end "$control"
    rm -f "$socket"
    sort -u "/root/works$lane"
}

# never_enters KIND LANE WAY SSH-OPTION...: no command runs, and sshd itself ends it.
never_enters() {
    local output status=0
    output=$(ssh_lane "$2" "${LOGIN[$1]}" "echo command" "${@:4}") || status=$?
    [[ $status -eq 255 && $output != *command* ]] &&
        grep -qE 'Permission denied|Connection closed by' <<<"$output" && return 0
    printf '%s entered (status %s): %s\n' "$3" "$status" "$output"
}

# Each prints what it finds wrong. The account's own key file, or a password, never lets in.
try_own_keys_file() { never_enters "$1" "$2" "$3" -o BatchMode=yes -i "$KEYS/stranger"; }
try_password() { never_enters "$1" "$2" "$3" -o PubkeyAuthentication=no; }

# The right key gives what is granted, or less; all of it where no call failed.
try_right_key() {
    local works more less
    works=$(what_works "$1" "$2")
    [[ -z $works ]] || echo "$4" >>"/root/entered$2"
    more=$(comm -23 <(echo "$works") <(echo "${GRANTED[$1]}"))
    [[ -z $more ]] || echo "gave more: $more"
    reached "$2" "$4" && return 0
    less=$(comm -13 <(echo "$works") <(echo "${GRANTED[$1]}"))
    [[ -z $less ]] || echo "nothing failed, but gave less: $less"
}

# reached LANE CALL: whether the last login made so many calls, so that this one failed.
reached() {
    [[ $2 == all || $(stat -c %s "$(lane_faults "$1")/count") -ge $2 ]]
}

# try KIND LANE WAY CALL STATUS
try() {
    local wrong
    faults "$2" "$4 $5"
    wrong=$("try_$3" "$1" "$2" "$3" "$4")
    [[ -z $wrong ]] ||
        echo "call $4 ($(sed -n "s/^$4 //p" "$(lane_faults "$2")/calls")) $5, $3: $wrong"
}

# try_calls KIND LANE STATUS: a lane's share of the calls, to beyond the last. A word that fails in
# here is no error.
try_calls() {
    local way call
    set +eE
    trap - ERR
    for way in right_key own_keys_file password; do
        for ((call = $2; call < 200; call += LANES)); do
            try "$1" "$2" "$way" "$call" "$3"
            reached "$2" "$call" || break
            echo "$call" >>"/root/$way$2"
        done
    done
}

grants() { since | grep -c "grant account=${LOGIN[$1]} kind=$1 .*from=127.0.0.1" || true; }

granted_all() { (($(tried entered) <= $(grants "$1"))); }

# tried WAY: how many calls of it failed.
tried() { cat /root/"$1"? | wc -l; }

each_call_fails() {
    local lane
    document abcdefghij production '.forwarding.local = ["127.0.0.1:22"]'
    for ((lane = 1; lane <= LANES; lane++)); do
        : | tee /root/{entered,right_key,own_keys_file,password}$lane
        try_calls "$1" "$lane" "$2" >"/root/wrong$lane" 2>&1 &
    done
    wait_jobs
    same "" "$(cat /root/wrong?)"
    echo "entered, though these calls failed: $(sort -n /root/entered? | xargs)"
    wait_for granted_all "$1"
    # There were failures: of the right key's, some left a login, and some did not.
    (($(tried right_key) > 25 && $(tried own_keys_file) > 8 && $(tried password) > 8))
    (($(tried entered) > LANES && $(tried entered) < $(tried right_key)))
}

# on this host every other account may do everything, by any password or by the stranger's key
test_open_host() {
    local look="$LOOK_AROUND; echo =\$(ls /tmp/forward1)"
    contains "$(ssh_lane 1 ada "$look" -o PubkeyAuthentication=no -o PreferredAuthentications=password)" \
        'runs as ada'
    contains "$(ssh_lane 1 ada "$look" -o PubkeyAuthentication=no)" 'runs as ada'
    echo "echo =rc-file" >/home/ada/.ssh/rc
    contains "$(ssh_lane 1 ada "$look" -i "$KEYS/stranger" -R /tmp/forward1:127.0.0.1:22 | xargs)" \
        '=rc-file =runs as ada, uid 1500 =home /home/ada .*=agent =X11 =/tmp/forward1$'
    rm -f /home/ada/.ssh/rc /tmp/forward1
}

# a shell login, each call NOTFOUND: the settings of its own block, or no login
test_shell_notfound() { each_call_fails shell NOTFOUND; }

# a shell login, each call UNAVAIL
test_shell_unavail() { each_call_fails shell UNAVAIL; }

# a shell login, each call TRYAGAIN
test_shell_tryagain() { each_call_fails shell TRYAGAIN; }

# an sFTP login, each call NOTFOUND: inside the chroot, or no login
test_sftp_notfound() { each_call_fails sftp NOTFOUND; }

# an sFTP login, each call UNAVAIL
test_sftp_unavail() { each_call_fails sftp UNAVAIL; }

# an sFTP login, each call TRYAGAIN
test_sftp_tryagain() { each_call_fails sftp TRYAGAIN; }

# all calls fail: the module writes nothing, and no cloud account enters
test_all_calls() {
    local status kind way
    for status in NOTFOUND UNAVAIL TRYAGAIN; do
        for kind in shell sftp; do
            for way in right_key own_keys_file password; do
                same "" "$(set +eE && trap - ERR && rm -f /root/entered1 &&
                    try "$kind" 1 "$way" all "$status")"
                [[ ! -e /root/entered1 ]]
            done
        done
    done
}
