# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The change feed of etc/examples/nginx-changes.conf: how soon what is published takes effect, over real ssh sessions.

# shellcheck source=tests/sandbox/changes.sh
. "$REPO/tests/sandbox/changes.sh"

ms() { date +%s%3N; }

# version NAME: /root/NAME.json is the document from now on.
version() {
    cp "/root/$1.json" "$ACCESS/abcdefghij/staging.json.new"
    touch -d "@$((++stamp))" "$ACCESS/abcdefghij/staging.json.new"
    mv "$ACCESS/abcdefghij/staging.json.new" "$ACCESS/abcdefghij/staging.json"
}

ssh_bob() { ssh "${SSH_OPTIONS[@]}" -p "$SSH_PORT" -i "$KEYS/bob" abcdefghij_stg@127.0.0.1 "$@" 2>/dev/null; }

session() {
    ssh_bob 'echo inside; exec cat' >/root/session.out </root/silence || true
    ms >/root/session.end
}

# one_change: "WHAT MILLISECONDS" of a key that is removed and added again; each time from the beginning of the
# publication, of logins to the beginning of the first one with the new outcome.
one_change() {
    local begin tried pid
    : >/root/session.out
    session &
    pid=$!
    wait_for grep -q inside /root/session.out
    version without
    begin=$(ms)
    changed abcdefghij staging
    tried=$(ms)
    while ssh_bob true </dev/null; do
        tried=$(ms)
    done
    echo "refused $((tried - begin))"
    wait $pid
    echo "ended $(($(</root/session.end) - begin))"
    version with
    begin=$(ms)
    changed abcdefghij staging
    tried=$(ms)
    until ssh_bob true </dev/null; do
        tried=$(ms)
    done
    echo "enters $((tried - begin))"
}

effect_of() {
    local n median p99
    grep "^$1 " /root/effects >/root/effect
    read -r n median p99 < <("$HERE/stats.pl" column /root/effect 2 1)
    row "$2" "$n" "$median ms" "$p99 ms" "$(sort -n -k2 /root/effect | tail -n 1 | cut -d' ' -f2) ms"
}

effects() {
    local i runs stamp
    runs=$(size 200 5)
    stamp=$(date +%s)
    cp "$ACCESS/abcdefghij/staging.json" /root/with.json
    jq 'del(.users[] | select(.username == "bob") | .ssh_keys[])' /root/with.json >/root/without.json
    mkfifo /root/silence
    exec 8<>/root/silence
    by_feed "${UNNAMED[@]}"
    ssh_bob true </dev/null
    for ((i = 0; i < runs; i++)); do
        one_change
    done >/root/effects
    section 'Change feed: from publication to effect'
    say 'nginx with nchan, sshd and cloudauthd on one machine, TLS; keys_fresh and session_recheck are an hour.'
    columns what runs median p99 greatest
    effect_of ended 'a key is removed: its open session has ended (the ssh client exits)'
    effect_of refused 'a key is removed: a login that begins then is refused'
    effect_of enters 'a key is added: a login that begins then enters'
    daemon_stop
}

part_feed() {
    changes_install
    changes_api
    changes_start
    effects
    changes_stop
}
