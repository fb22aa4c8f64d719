# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a local user can do to the daemon by its socket, which all may write to.

# The daemon stops at its next signal delivery, which on a busy machine may be after this returns.
stop_daemon() {
    kill -STOP "$1"
    wait_for grep -q '^State:.T' "/proc/$1/status"
}

before_all() {
    cc -shared -fPIC -o /usr/local/lib/old_kernel.so "$REPO/tests/sandbox/old_kernel.c"
}

# The daemon on a kernel that cannot refuse descriptors for it.
old_kernel() {
    daemon_stop
    LD_PRELOAD=/usr/local/lib/old_kernel.so daemon_start
}

# sends FORM: ada's packets with descriptors whose closing waits (tests/sandbox/laden.py), sent by
# process $client, which has a limit of its own.
sends() {
    setpriv --reuid=ada --clear-groups prlimit --nproc=200 "$REPO/tests/sandbox/laden.py" "$1" \
        >/root/laden 2>&1 &
    client=$!
    WAIT=60 wait_for grep -q sent /root/laden
}

end_client() {
    kill "$client"
    wait "$client" || true
}

# laden FORM: logins meanwhile are none the slower, nor is the daemon's end.
laden() {
    local client daemon
    old_kernel
    daemon=$(daemon_pid)
    stop_daemon "$daemon" # so that it finds all packets at once
    sends "$1"
    kill -CONT "$daemon"
    enters alice abcdefghij
    enters bob abcdefghij_stg
    stop_daemon "$daemon"
    end_client
    sends "$1"
    daemon_may_end 0
    kill -TERM "$daemon"
    kill -CONT "$daemon"
    wait_for gone "$daemon"
    end_client
}

# a packet with descriptors that take ten minutes to close delays no login
test_descriptors_question() { laden question; }

# nor does a packet that consists of them alone
test_descriptors_empty() { laden empty; }

# nor does such a packet behind a question that is answered
test_descriptors_second() { laden second; }

# nor do they on connections beyond the limit of a user
test_descriptors_beyond() { laden beyond; }

# thousands of such packets at once delay neither a login nor a reload nor the daemon's end
test_descriptors_flood() {
    local client daemon
    old_kernel
    daemon=$(daemon_pid)
    logins 'no flood'
    sends flood
    logins 'during the flood'
    document abcdefghij staging '.users |= map(select(.username != "bob"))'
    refused bob abcdefghij_stg
    cloudauthctl status >/dev/null
    daemon_may_end 0
    kill -TERM "$daemon"
    wait_for gone "$daemon"
    end_client
}

# since Linux 6.16 such a packet cannot be sent
test_descriptors_refused() {
    local status=0
    [[ $(printf '%s\n' 6.16 "$(uname -r)" | sort -V | head -n 1) == 6.16 ]] || return 0
    setpriv --reuid=ada --clear-groups "$REPO/tests/sandbox/laden.py" question >/root/laden 2>&1 || status=$?
    same 3 "$status"
    same refused "$(</root/laden)"
}

# a second daemon does not start while one runs, even without its socket; after a killed one it does
test_one_daemon() {
    local status=0
    rm /run/cloudauth/socket
    timeout 20 /usr/sbin/cloudauthd -f </dev/null >/root/second.log 2>&1 || status=$?
    same 1 "$status" # and not timeout's 124
    contains "$(</root/second.log)" 'socket: Address already in use'
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    daemon_start
    enters alice abcdefghij
}

# connections of a set-user-ID program count for the user that runs it: they delay no login
test_set_user_id() {
    local client
    (
        ulimit -n 8192
        # shellcheck disable=SC2016 # perl's
        exec setpriv --ruid=ada --euid=0 --clear-groups perl -MSocket -e '
            sub another {
                socket my $s, PF_UNIX, SOCK_SEQPACKET, 0 or die;
                connect $s, sockaddr_un("/run/cloudauth/socket") or die;
                return $s;
            }
            my @all = map { another() } 1 .. 4200;
            open my $file, ">", "/root/held" or die;
            close $file;
            while (1) {
                select undef, undef, undef, 0.05;
                splice @all, 0, 300;
                push @all, another() for 1 .. 300;
            }'
    ) &
    client=$!
    wait_for test -e /root/held
    enters alice abcdefghij
    enters bob abcdefghij_stg
    kill "$client"
    wait "$client" || true
}
