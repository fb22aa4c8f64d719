# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The host's log daemon stops, goes, and comes back. sshd itself logs with syslog(3), and would wait for
# it; so the questions that a login asks are put to the daemon here.

OFFERS=512 # AUDIT_OFFERS of cloudauthd/audit/audit.h: so many refused offers are written a minute

# offers: six hundred keys that are nobody's, each of which takes a line of the log
offers() {
    perl -MMIME::Base64 -e 'for my $n (1 .. 600) {
        print "keys shell abcdefghij ssh-ed25519 ",
            encode_base64(pack("N/a* N/a*", "ssh-ed25519", pack("N", $n) x 8), ""), "\n" }' \
        >/root/questions
    timeout 60 "$REPO/tests/sandbox/ask.pl" 20 /dev/null </root/questions
}

offers_written() { [[ $(since | grep -c 'refuse .*reason=key-unknown .*proof=none') -eq $OFFERS ]]; }

# the log daemon is stopped, and its socket full: the daemon goes on, and what it had to say comes later
test_stopped() {
    getent passwd abcdefghij
    kill -STOP "$(syslog_pid)"
    contains "$(offers)" '^asked=600 ok=0 absent=0 refused=600 unavailable=0 none=0$'
    known abcdefghij 200001
    known abcdefghij_stg 200002
    same 0 "$(since | wc -l)"
    kill -CONT "$(syslog_pid)"
    wait_for offers_written
    fails contains "$(since /var/log/syslog)" 'log lines were lost'
    enters alice abcdefghij
    audit 'grant account=abcdefghij '
}

# the log daemon is gone, and another comes: it gets what was said in between, and what is said then
test_restarted() {
    enters alice abcdefghij
    stop "$(syslog_pid)"
    mark
    contains "$(offers)" '^asked=600 ok=0 absent=0 refused=600 unavailable=0 none=0$'
    syslog_start
    wait_for offers_written
    enters alice abcdefghij
    audit 'grant account=abcdefghij '
}
