# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The daemon is restarted, or killed, and the API is not there: what it knew is on the disk.

# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"
# shellcheck source=tests/sandbox/ctl.sh
. "$REPO/tests/sandbox/ctl.sh"

DOCUMENTS=/var/lib/cloudauth/documents

api_gone() { mv "$ACCESS" "$ACCESS.gone" && rm -rf "$ACCESS.gone"; }

daemon_kill() {
    kill -KILL "$(daemon_pid)"
    wait_for gone "$(daemon_pid)"
}

# a restart in an outage: exactly those who could enter before can enter
test_restart() {
    enters alice abcdefghij
    refused carol abcdefghij 'your role viewer'
    api_gone
    daemon_stop
    daemon_start
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
    refused carol abcdefghij 'your role viewer'
    refused stranger abcdefghij
    refused alice abcdefghij_stg
}

# a host without a count of the clock gets one, and the log says so: not at the first start, and not again
test_no_count() {
    enters alice abcdefghij
    fails contains "$(since /var/log/syslog)" 'no count of the clock'
    wait_for test -e $DOCUMENTS/abcdefghij.production
    daemon_stop
    rm $DOCUMENTS/clock
    daemon_start
    logged 'store: there is no count of the clock .* the [1-9][0-9]* stored documents let no person in'
    enters alice abcdefghij
    mark
    daemon_stop
    daemon_start
    enters alice abcdefghij
    fails contains "$(since /var/log/syslog)" 'no count of the clock'
}

# kill -9 right after a login by a changed document: the old document does not return
test_killed() {
    local i
    enters alice abcdefghij
    for i in 1 2 3 4 5; do
        document abcdefghij production 'del(.users[] | select(.username == "alice"))'
        refused alice abcdefghij
        daemon_kill
        mv "$ACCESS" "$ACCESS.away"
        daemon_start
        refused alice abcdefghij
        mv "$ACCESS.away" "$ACCESS"
        cp "$PRISTINE/abcdefghij/production.json" "$ACCESS/abcdefghij/production.json.new"
        mv "$ACCESS/abcdefghij/production.json.new" "$ACCESS/abcdefghij/production.json"
        enters alice abcdefghij
        daemon_kill
        daemon_start
    done
}

# kill -9 right after the first login: that account can enter again in an outage
test_killed_after_first() {
    enters alice abcdefghij
    daemon_kill
    api_gone
    daemon_start
    enters alice abcdefghij
}

# an environment that the API has declared absent does not return after a restart
test_absent_stays_absent() {
    enters alice abcdefghij
    enters bob abcdefghij_stg
    rm "$ACCESS/abcdefghij/production.json"
    refused alice abcdefghij
    daemon_kill
    api_gone
    daemon_start
    refused alice abcdefghij
    unavailable abcdefghij
    enters bob abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*user=bob .*source=cache'
}

# a binding of a uid survives a restart, even when the document is gone
test_owner_kept() {
    enters alice abcdefghij
    daemon_stop
    rm "$DOCUMENTS"/*
    document abcdefghij staging '.account.uid = 200001'
    daemon_start
    unavailable abcdefghij_stg
    refused alice abcdefghij_stg
    wait_for grep -q 'uid 200001 belongs to environment production' /var/log/syslog
    enters alice abcdefghij
}

# The API gives the uid of production to another environment, which asks for it before any other.
# claimed SHOWS: the log shows that, and the uid stays production's.
claimed() {
    jq '.environment.name = "dev-abcdefg" | .account.uid = 200001' "$PRISTINE/abcdefghij/staging.json" \
        >"$ACCESS/abcdefghij/dev-abcdefg.json"
    daemon_start
    refused alice abcdefghij-dev-abcdefg
    unavailable abcdefghij-dev-abcdefg
    wait_for grep -q "$1" /var/log/syslog
    wait_for grep -q 'uid 200001 belongs to environment production' /var/log/syslog
    enters alice abcdefghij
    refused alice abcdefghij-dev-abcdefg
    wait_for grep -q '^200001 200001 abcdefghij production ' /var/lib/cloudauth/owners
}

# the bindings are lost: the stored documents bind their uids again, before another environment can
test_owners_lost() {
    known abcdefghij 200001
    wait_for snapshot_has abcdefghij
    daemon_stop
    rm /var/lib/cloudauth/owners
    claimed '1 stored documents have bound their ids again'
}

# one line of the bindings is damaged, and there are more bindings than documents: the uid stays its owner's
test_owners_damaged() {
    known abcdefghij 200001
    known abcdefghij_stg 200002
    daemon_stop
    rm $DOCUMENTS/abcdefghij.staging
    sed -i '/ production /s/^200001/200007/' /var/lib/cloudauth/owners
    claimed '1 stored documents have bound their ids again'
    test -e /var/lib/cloudauth/owners.damaged
    known abcdefghij_stg 200002
    grep -q 'owners: line 1 is damaged, damaged lines in all: 1:' /var/log/syslog
    contains "$(ctl 1 status)" '^bindings_file: damaged$'
    daemon_stop
    sed -i 1d /var/lib/cloudauth/owners
    daemon_start
    known abcdefghij 200001
    same whole "$(cloudauthctl status --json | jq -r .bindings_file)"
}

# documents that do not fit into memory are read again, in an outage too; no person returns who was removed
test_evicted() {
    local i
    ssh-keygen -q -t rsa -b 4096 -N '' -f /root/large
    for ((i = 0; i < 30; i++)); do
        jq --arg key "$(cut -d' ' -f1,2 /root/large.pub)" --arg name "large$i-abcdefg" --argjson id $((201000 + i)) \
            '.environment.name = $name | .account.uid = $id | .account.gid = $id | .users += [range(1900)
                | {id: "filler\(.)", username: "filler\(.)", role: "viewer", ssh_keys: [{value: $key}]}]' \
            "$PRISTINE/abcdefghij/staging.json" >"$ACCESS/abcdefghij/large$i-abcdefg.json"
    done
    enters alice abcdefghij-large0-abcdefg
    document abcdefghij large0-abcdefg 'del(.users[] | select(.username == "alice"))'
    refused alice abcdefghij-large0-abcdefg
    for ((i = 1; i < 30; i++)); do known "abcdefghij-large$i-abcdefg" $((201000 + i)); done
    contains "$(cloudauthctl status --documents)" '^abcdefghij +large0-abcdefg +[^ ]+ +bound'
    (($(cloudauthctl status --json | jq '.documents - .in_memory') > 5))
    api_gone
    refused alice abcdefghij-large0-abcdefg
    enters alice abcdefghij-large1-abcdefg
    audit 'grant account=abcdefghij-large1-abcdefg .*source=cache'
    refused stranger abcdefghij-large1-abcdefg
}

# a damaged document loses its environment alone; it is set aside, and the log says so
test_damaged() {
    enters alice abcdefghij
    enters alice abcdefghij_stg
    daemon_stop
    api_gone
    sed -i 's/"alice"/"alicf"/' $DOCUMENTS/abcdefghij.production
    daemon_start
    refused alice abcdefghij
    enters alice abcdefghij_stg
    wait_for test -e $DOCUMENTS/abcdefghij.production.damaged
    wait_for grep -q 'document abcdefghij.production is damaged' /var/log/syslog
}

# 200 random bytes flipped, one at a time: no other user enters, and the daemon starts each time
test_flipped_bytes() {
    local i size at
    enters alice abcdefghij
    daemon_stop
    api_gone
    cp $DOCUMENTS/abcdefghij.production /root/good
    size=$(stat -c %s /root/good)
    for i in $(seq 200); do
        at=$((RANDOM * 32768 % size + RANDOM % 97))
        ((at < size)) || at=$((at % size))
        perl -e 'local $/; open F, "<", "/root/good"; $_ = <F>;
            substr($_, $ARGV[0], 1) ^= chr(1 << ($ARGV[1] % 8));
            open F, ">", $ARGV[2]; print F $_' "$at" "$i" $DOCUMENTS/abcdefghij.production
        chown cloudauth: $DOCUMENTS/abcdefghij.production
        daemon_start
        unavailable abcdefghij
        daemon_stop
    done
    cp /root/good $DOCUMENTS/abcdefghij.production
    chown cloudauth: $DOCUMENTS/abcdefghij.production
    daemon_start
    enters alice abcdefghij
}

# documents that were stored by another host are not used
test_other_host() {
    enters alice abcdefghij
    daemon_stop
    api_gone
    configure 'host_id = web2.abcdefghij.ent.example.cloud'
    daemon_start
    refused alice abcdefghij
    wait_for grep -q 'is of another host' /var/log/syslog
}

# a host that gets another host_id by a reload has its documents in the next outage, once the API has confirmed them
test_host_renamed() {
    document abcdefghij production 'del(.hosts)'
    enters alice abcdefghij
    configure 'host_id = web2.abcdefghij.ent.example.cloud'
    daemon_reload
    wait_for grep -q 'settings reloaded' /var/log/syslog
    enters alice abcdefghij
    api_gone
    daemon_stop
    daemon_start
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*user=alice .*source=cache age='
}

# a full disk: logins work while the API answers, and a removed user does not return after a restart
test_full_disk() {
    enters alice abcdefghij
    daemon_stop
    mount -t tmpfs -o size=16k,mode=755 tmpfs /var/lib/cloudauth
    chown cloudauth: /var/lib/cloudauth
    daemon_start
    dd if=/dev/zero of=/var/lib/cloudauth/fill bs=4k 2>/dev/null || true
    enters alice abcdefghij
    wait_for grep -q 'store: document abcdefghij/production cannot be written' /var/log/syslog
    contains "$(ctl 1 status)" '^critical +a document cannot be written'
    daemon_kill
    api_gone
    daemon_start
    refused alice abcdefghij
    daemon_stop
    umount /var/lib/cloudauth
}

# No thread of the daemon gets further than a call on the state directory, as on a disk that hangs, until disk_goes_on.
disk_hangs() {
    strace -f -qq -p "$(daemon_pid)" -o /dev/null -P /var/lib/cloudauth -P $DOCUMENTS \
        -P "$SNAPSHOT" -e trace=pwrite64,openat,fsync,renameat2,unlinkat \
        -e inject=pwrite64,openat,fsync,renameat2,unlinkat:delay_enter=600000000 &
    tracer=$!
    wait_for is_traced "$(daemon_pid)"
}
disk_goes_on() { kill "$tracer"; }

# Whether the change of a record of the snapshot waits for the disk.
waits() {
    cloudauthctl metrics >/root/metrics && grep -q 'worker_queue{worker="store"} [2-9]' /root/metrics
}

# a hung disk: environments in memory are entered as the API says, and operators are answered; what changes waits
test_hung_disk() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH" 'keys_fresh = 0s' 'account_fresh = 1s'
    daemon_stop
    daemon_start
    enters alice abcdefghij
    enters alice abcdefghij_stg
    wait_for snapshot_has staging
    disk_hangs
    mark
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=api'
    enters bob abcdefghij_stg
    document abcdefghij staging '.account.home = "/app/elsewhere" | del(.users[] | select(.username == "alice"))'
    login alice abcdefghij_stg@127.0.0.1 true &
    wait_for waits
    enters alice abcdefghij
    cloudauthctl status >/dev/null
    fails snapshot_has elsewhere
    disk_goes_on
    wait_jobs
    refused alice abcdefghij_stg
    wait_for snapshot_has elsewhere
}

# a hung disk: open sessions can be ended, by a denial too, though its file and those of others wait to be written
test_hung_disk_ends() {
    nginx_start
    configure "access_url = http://127.0.0.1:$API_PORT/$API_PATH"
    daemon_stop
    daemon_start
    stays a alice abcdefghij_stg
    stays b bob abcdefghij_stg
    wait_for listed user=alice
    wait_for listed user=bob
    disk_hangs
    mark
    enters bob abcdefghij_stg
    cloudauthctl sessions --end "$(session_of alice)"
    wait_for ended a
    audit 'end account=abcdefghij_stg .*reason=ended-by-operator'
    cloudauthctl deny bob &
    wait_for ended b
    audit 'end account=abcdefghij_stg .*user=bob .*reason=denied'
    fails gone $!
    disk_goes_on
    wait_for listed_are 0
}
