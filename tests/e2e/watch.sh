# shellcheck shell=bash disable=SC2119,SC2120
# SPDX-License-Identifier: Apache-2.0
# With file:// a document that changes under an open session counts at once: the kernel says so (inotify). No
# session of these tests is rechecked by the time.

# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"

# Sessions of alice and bob in staging are open.
begin() {
    configure 'session_recheck = 3600s'
    daemon_stop
    daemon_start
    mark
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed_are 2
}

# alice's session ends for that reason, and bob's stays.
only_alice_ends() {
    wait_for ended a
    audit "end account=abcdefghij_stg .*user=alice .*reason=key-unknown source=api .* session="
    lives b
    listed ' user=bob .* state=open$'
    hang_up
}

# a document that is replaced by rename
test_renamed() {
    begin
    document abcdefghij staging "$without_alice"
    only_alice_ends
}

# again and again: each version counts
test_renamed_again() {
    begin
    for _ in 1 2 3; do
        document abcdefghij staging '.message = (.message // "") + "x"'
    done
    lives a
    document abcdefghij staging "$without_alice"
    only_alice_ends
}

# a document that is written in place
test_written() {
    begin
    jq "$without_alice" "$ACCESS/abcdefghij/staging.json" >/root/new.json
    cat /root/new.json >"$ACCESS/abcdefghij/staging.json"
    only_alice_ends
}

# a document that is removed ends all sessions of its environment
test_removed() {
    begin
    rm "$ACCESS/abcdefghij/staging.json"
    wait_for ended a
    wait_for ended b
    hang_up
}

# exchange A B: each gets the name of the other, and none is missing meanwhile, as between two renames. mv(1) has no
# --exchange before Debian 13.
exchange() {
    python3 -c 'import ctypes, os, sys
a, b = map(os.fsencode, sys.argv[1:])
sys.exit(ctypes.CDLL(None).renameat2(-100, a, -100, b, 2))' "$@"
}

# the directory of the project is exchanged for another one, and what changes in the new one counts as well
test_directory_replaced() {
    begin
    cp -r "$ACCESS/abcdefghij" "$ACCESS/new"
    jq "$without_alice" "$PRISTINE/abcdefghij/staging.json" >"$ACCESS/new/staging.json"
    exchange "$ACCESS/new" "$ACCESS/abcdefghij"
    wait_for ended a
    lives b
    rm -r "$ACCESS/new"
    document abcdefghij staging '.users |= map(select(.username != "bob"))'
    wait_for ended b
    hang_up
}

# the directory of all projects is replaced by rename
test_root_replaced() {
    begin
    cp -r "$ACCESS" "$ACCESS.new"
    jq "$without_alice" "$PRISTINE/abcdefghij/staging.json" >"$ACCESS.new/abcdefghij/staging.json"
    mv "$ACCESS" "$ACCESS.old"
    mv "$ACCESS.new" "$ACCESS"
    only_alice_ends
    rm -r "$ACCESS.old"
}

# more events than the kernel keeps: nothing is lost with them
test_overflow() {
    begin
    kill -STOP "$(daemon_pid)"
    # shellcheck disable=SC2016 # perl's
    perl -e 'my ($directory, $most) = @ARGV; open my $file, ">", "$directory/x0" or die;
        for my $n (1 .. $most) { rename "$directory/x" . ($n - 1), "$directory/x$n" or die }' \
        "$ACCESS/abcdefghij" "$(($(</proc/sys/fs/inotify/max_queued_events) + 10))"
    document abcdefghij staging "$without_alice"
    kill -CONT "$(daemon_pid)"
    only_alice_ends
}

# a session that was open before the daemon was restarted is watched, too
test_restarted() {
    begin
    test -e "/run/cloudauth/sessions/$(session_of alice)"
    test -e "/run/cloudauth/sessions/$(session_of bob)"
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
    daemon_start
    document abcdefghij staging "$without_alice"
    only_alice_ends
}
