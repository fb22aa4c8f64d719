# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The log daemon stops, goes, and comes back; and the journal's filters for the daemon's decisions. sshd
# logs with syslog(3) and would wait for a stopped log daemon, so the questions of a login are asked here
# without sshd.

OFFERS=64 # AUDIT_OFFERS of cloudauthd/audit/audit.h: so many refused offers for an environment are logged a minute
ACCOUNTS='abcdefghij abcdefghij_stg ent-abcdefghij-production-abc1234 ent-abcdefghij-staging-abc1234 abcdefg123abc-smith-a12b34c'
ENVIRONMENTS=3 # of ACCOUNTS

# offers ACCOUNT...: offers six hundred unknown keys in all
offers() {
    perl -MMIME::Base64 -e 'for my $n (1 .. 600) {
        print "keys shell $ARGV[$n % @ARGV] ssh-ed25519 ",
            encode_base64(pack("N/a* N/a*", "ssh-ed25519", pack("N", $n) x 8), ""), "\n" }' \
        "$@" >/root/questions
    timeout 60 "$REPO/tests/sandbox/ask.pl" 20 /dev/null </root/questions
}

# Each environment has that many lines.
offers_written() {
    [[ $(since | grep -c 'refuse .*reason=key-unknown .*proof=none') -eq $((ENVIRONMENTS * OFFERS)) ]]
}

# the log daemon is stopped and its socket full: cloudauthd goes on, and its lines come later
test_stopped() {
    getent passwd abcdefghij
    kill -STOP "$(syslog_pid)"
    # shellcheck disable=SC2086 # words
    contains "$(offers $ACCOUNTS)" '^asked=600 ok=0 absent=0 refused=600 unavailable=0 none=0$'
    known abcdefghij 200001
    known abcdefghij_stg 200002
    counts 0 ''
    kill -CONT "$(syslog_pid)"
    wait_for offers_written
    fails contains "$(since /var/log/syslog)" 'log lines were lost'
    enters alice abcdefghij
    audit 'grant account=abcdefghij '
}

# the log daemon is replaced: the new one gets the lines of the time between, and the new ones
test_restarted() {
    enters alice abcdefghij
    stop "$(syslog_pid)"
    mark
    # shellcheck disable=SC2086 # words
    contains "$(offers $ACCOUNTS)" '^asked=600 ok=0 absent=0 refused=600 unavailable=0 none=0$'
    syslog_start
    wait_for offers_written
    enters alice abcdefghij
    audit 'grant account=abcdefghij '
}

# made-up keys for one account hide no offer for another, and a line says how many have none
test_made_up_keys() {
    offers abcdefghij
    refused stranger abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*reason=key-unknown .*proof=none'
    counts $OFFERS 'refuse account=abcdefghij '
    daemon_stop
    audit "omit account=abcdefghij .*proof=none detail=\"$((600 - OFFERS)) more refused offers of keys\""
}

# helper KEY [UID]: asks as sshd does
helper() {
    setpriv --reuid=cloudauth-keys --regid=nogroup --clear-groups \
        /usr/libexec/cloudauth/cloud-authkeys shell abcdefghij ssh-ed25519 "$@"
}

# an offer that gets no answer has its line too: the daemon hangs, is not there, or the helper answers itself
test_no_answer() {
    local key status=0
    local line='cloud-authkeys\[[0-9]+\]: refuse account=abcdefghij kind=shell .* service=sshd'
    read -r _ key _ <"$KEYS/alice.pub"
    known abcdefghij 200001
    wait_for snapshot_has production
    kill -STOP "$(daemon_pid)"
    helper "$key" || status=$?
    kill -CONT "$(daemon_pid)"
    same 1 $status
    audit "$line reason=daemon-unreachable source=none age= pid=[0-9]+ proof=none\$"
    # The daemon has read the question by now: there is no second line.
    known abcdefghij 200001
    counts 1 'refuse account='
    mark
    same '' "$(helper "$key" 0)"
    audit "$line reason=ids-changed source=none .*proof=none\$"
    same '' "$(helper "$(head -c 60000 /dev/zero | tr '\0' A)")"
    audit 'cloudauthd\[[0-9]+\]: refuse account=abcdefghij .* reason=key-unusable .*proof=none'
    mark
    daemon_stop
    refused alice abcdefghij
    audit "$line reason=daemon-unreachable "
    counts 1 'refuse account='
}

# ---- the journal -----------------------------------------------------------------------------------

# journal_start: systemd-journald takes the place of the log daemon. It looks for its own cgroup.
journal_start() {
    stop "$(syslog_pid)"
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    install -d /run/systemd/journal /run/log/journal
    /lib/systemd/systemd-journald </dev/null >/root/journald.log 2>&1 &
    echo $! >/run/syslogd.pid
    wait_for journal_has 'Journal started'
    ln -sf /run/systemd/journal/dev-log /dev/log
    trap 'journal_stop' EXIT
}

journal_stop() {
    stop "$(syslog_pid)"
    umount /sys/fs/cgroup
    syslog_start
}

# documented COMMAND: docs/operations.md has it. Prints what it says of LOGIN abcdefghij_stg. Nothing here is a unit:
# tests/deb/inside.sh (logged) runs one of them as it is.
documented() {
    local row=${1//|/\\|}
    grep -qF -- "\`$row\`" "$REPO/docs/operations.md" || {
        echo "docs/operations.md does not have: $row"
        return 1
    }
    row=${1//LOGIN/abcdefghij_stg}
    bash -c "${row/-u cloudauthd/-t cloudauthd}"
}

journal_has() { journalctl -o cat 2>/dev/null | grep -qE -- "$1"; }
lines_are() { [[ $(grep -cE -- "$2" "$1") -eq $3 ]]; }

# the filters of docs/operations.md find the decisions in the journal, and nothing else
test_journal() {
    local said follower
    journal_start
    enters alice abcdefghij
    wait_for journal_has '^close account=abcdefghij '
    documented 'journalctl -f -u cloudauthd --facility=authpriv' >/root/followed &
    follower=$!
    enters bob abcdefghij_stg
    refused carol abcdefghij_stg
    wait_for journal_has '^refuse account=abcdefghij_stg .*user=carol .*reason=role-too-low'
    wait_for journal_has '^close account=abcdefghij_stg '
    said=$(documented "journalctl -u cloudauthd -g '^refuse '")
    contains "$said" 'cloudauthd\[[0-9]+\]: refuse account=abcdefghij_stg .*user=carol '
    fails grep -v ': refuse account=' <<<"$said"
    same '      1  reason=role-too-low' "$(documented "journalctl -S today -u cloudauthd -g '^refuse ' -o cat | grep -o ' reason=[^ ]*' | sort | uniq -c")"
    said=$(documented "journalctl -S -1h -u cloudauthd -g 'account=LOGIN '")
    same 3 "$(grep -c ': [a-z]* account=abcdefghij_stg ' <<<"$said")"
    fails grep -F 'account=abcdefghij ' <<<"$said"
    said=$(documented 'journalctl -u cloudauthd --facility=authpriv -n 10 -o cat')
    same 5 "$(grep -cE '^(grant|refuse|close) account=' <<<"$said")"
    same 5 "$(wc -l <<<"$said")"
    contains "$(documented "journalctl -u cloudauthd -g ' user=alice '")" ' grant account=abcdefghij '
    wait_for lines_are /root/followed ' (grant|refuse|close) account=' 5
    daemon_stop
    daemon_start
    # A login that begins in the clock tick of the daemon's start is told to come again.
    wait_for enters alice abcdefghij
    wait_for lines_are /root/followed 'grant account=abcdefghij ' 2
    pkill -P "$follower"
    wait "$follower" || true
    daemon_stop
    su -s /bin/sh abcdefghij -c true
    wait_for journal_has '^pam_cloud.*grant account=.* source=snapshot'
    said=$(documented "journalctl --facility=authpriv -g '(grant|refuse) account='")
    contains "$said" 'pam_cloud\(su:account\): grant account=abcdefghij '
    contains "$said" ': refuse account=abcdefghij_stg .*user=carol '
}

# a question in another version of the packets gets no answer, and the log says once what to do; not of any user's
test_other_version() {
    local question='passwd abcdefghij'
    contains "$("$REPO/tests/sandbox/ask.pl" 1 /dev/null <<<"$question")" 'ok=1 .* none=0$'
    contains "$(VERSION=9 setpriv --reuid=65534 --regid=65534 --clear-groups \
        "$REPO/tests/sandbox/ask.pl" 1 /dev/null <<<"$question")" 'ok=0 .* none=1$'
    contains "$(VERSION=2 "$REPO/tests/sandbox/ask.pl" 1 /dev/null <<<"$question"$'\n'"$question")" 'ok=0 .* none=2$'
    logged 'a question has version 2 of the packets'
    VERSION=3 "$REPO/tests/sandbox/ask.pl" 1 /dev/null <<<"$question"
    enters alice abcdefghij
    counts 1 'of the packets' /var/log/syslog
}
