# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Documents that are spoilt: what makes one invalid, and what is only left out of it.

# opens_nothing REGEX: production is refused, and no account; the log says why, and staging is as before.
opens_nothing() {
    refused alice abcdefghij
    unavailable abcdefghij
    logged "$1"
    enters alice abcdefghij_stg
}

# invalid FILTER REGEX: production with that filter opens nothing.
invalid() {
    document abcdefghij production "$1"
    opens_nothing "$2"
}

# spoilt FILTER REGEX: production with that filter lets alice in, and log, check, keys and explain say what is
# left out of it.
spoilt() {
    local said=/root/said
    document abcdefghij production "$1"
    enters alice abcdefghij
    logged "document abcdefghij/production: $2"
    cloudauthctl check "$ACCESS/abcdefghij/production.json" >$said
    contains "$(<$said)" "$2"
    contains "$(cloudauthctl explain abcdefghij "$KEYS/alice.pub" 2>&1)" "warning: $2"
    contains "$(cloudauthctl keys abcdefghij 2>&1)" "warning: $2"
}

# uid 0
test_uid_zero() {
    invalid '.account.uid = 0' 'abcdefghij/production.*uid'
}

# gid 0
test_gid_zero() {
    invalid '.account.gid = 0' 'abcdefghij/production.*gid'
}

# a uid outside this host's range
test_uid_out_of_range() {
    invalid '.account.uid = 1000000' 'uid 1000000 .*range'
}

# a home that no pattern of `homes` matches
test_home_elsewhere() {
    local home
    for home in /etc/systemd/system/ssh.service.d /app/x/y /app; do
        invalid ".account.home = \"$home\"" "account.home: this host's homes does not allow $home$"
    done
    document abcdefghij production '.account.home = "/srv/web/x"'
    unavailable abcdefghij
    contains "$(cloudauthctl doctor || true)" 'add the homes to .homes.'
    configure 'homes = /app/* /srv/web/*'
    daemon_reload
    wait_for enters alice abcdefghij
    contains "$(getent passwd abcdefghij)" ':/srv/web/x:'
    # A document that was accepted, and that the settings refuse since: the conflict has the same remedy.
    configure 'homes = /app/*'
    daemon_reload
    wait_for conflicts_by_home
    contains "$(cloudauthctl status --json | jq -r '.findings[] | select(.finding | test("conflicts")) | .remedy')" \
        'add the homes to .homes.'
}

conflicts_by_home() { cloudauthctl status --json | jq -e '.conflict | test("homes does not allow /srv/web/x")'; }

# the home of an application, too: its login names are refused, and the environment's are not
test_home_of_app() {
    local name=abcdefg123abc-smith-a12b34c--backoffice
    document abcdefg123abc smith-a12b34c '.apps.backoffice.home = "/etc/cron.d"'
    unavailable $name
    refused alice $name
    logged "apps.backoffice.home: this host's homes does not allow /etc/cron.d"
    enters alice abcdefg123abc-smith-a12b34c
    contains "$(cloudauthctl explain $name "$KEYS/alice.pub" 2>&1 || true)" 'apps.backoffice.home'
    contains "$(cloudauthctl check "$ACCESS/abcdefg123abc/smith-a12b34c.json")" 'apps.backoffice.home'
}

# a uid that is no 32-bit number
test_uid_overflow() {
    invalid '.account.uid = 4295167297' 'account.uid'
}

# the uid of a local user
test_local_uid() {
    local_user intruder 200077 150077
    invalid '.account.uid = 200077' 'uid.*200077 belongs to a local user'
    known intruder 200077
}

# the gid of a local group
test_local_gid() {
    echo 'intruders:x:200088:' >>/etc/group
    invalid '.account.gid = 200088' 'gid.*200088 belongs to a local group'
}

# a login name that is the name of a local group
test_local_group_name() {
    echo 'abcdefghij:x:1577:' >>/etc/group
    refused alice abcdefghij
    unknown abcdefghij
    cloudauthctl explain --json abcdefghij "$KEYS/alice.pub" >/root/explained || true
    same local-user "$(jq -r .decision /root/explained)"
    enters alice abcdefghij_stg
    sed -i '/^abcdefghij:/d' /etc/group
    wait_for enters alice abcdefghij
}

# the uid of another environment
test_foreign_uid() {
    known abcdefghij_stg 200002
    invalid '.account.uid = 200002' 'uid 200002 belongs to environment staging'
    same abcdefghij_stg "$(getent passwd 200002 | cut -d: -f1)"
}

# the gid of another environment
test_foreign_gid() {
    known abcdefghij_stg 200002
    invalid '.account.gid = 200002' 'gid 200002 belongs to environment staging'
}

# a changed uid: the old document stays in use, and the log names both
test_changed_uid() {
    known abcdefghij 200001
    document abcdefghij production '.account.uid = 200055 | .account.gid = 200055'
    enters alice abcdefghij
    audit 'grant account=abcdefghij .*source=cache'
    logged 'uid:gid changed from 200001:200001 to 200055:200055'
    known abcdefghij 200001
    unknown 200055
}

# a home with .. in it
test_home_dots() {
    invalid '.account.home = "../.."' 'account.home'
    invalid '.account.home = "/app/../../etc"' 'account.home'
}

# a shell with a newline, which would start another passwd line
test_shell_newline() {
    invalid '.account.shell = "/bin/bash\nroot2::0:0::/:/bin/sh"' 'abcdefghij/production'
    unknown root2
}

# a passwd field with a colon is left empty
test_gecos_colon() {
    spoilt '.account.gecos = "x:/:/bin/sh"' "account.gecos: has a ':'"
    same 'abcdefghij:*:200001:200001::/app/abcdefghij:/bin/bash' "$(getent passwd abcdefghij)"
}

# a key with a newline in it is left out alone
test_key_newline() {
    document abcdefghij production \
        ".users[0].ssh_keys[0].value += \"\\n$(cat "$KEYS/stranger.pub")\""
    refused alice abcdefghij
    refused stranger abcdefghij
    enters alice-desktop abcdefghij
}

# a key with options is left out alone
test_key_options() {
    document abcdefghij production '.users[0].ssh_keys[0].value |= "command=\"id\" " + .'
    refused alice abcdefghij
    enters alice-desktop abcdefghij
}

# a key with another type than its blob is left out alone
test_key_type() {
    document abcdefghij production '.users[0].ssh_keys[0].value |= sub("ssh-ed25519"; "ssh-rsa")'
    refused alice abcdefghij
    enters alice-desktop abcdefghij
}

# a pasted key opens, whatever a file, an editor or a form left around it
test_key_pasted() {
    local pub value
    pub=$(cut -d' ' -f1,2 "$KEYS/alice.pub")
    for value in '"\(.) alice@laptop\n"' '"\(.) alice@laptop\r\n"' '" \(.) alice@laptop"' '"\(.)\talice@laptop"' \
        '"\ufeff\(.)\u00a0\n"'; do
        document abcdefghij production \
            ".users[0].ssh_keys = [{value: (\"$pub\" | $value)}]"
        enters alice abcdefghij
        same '' "$(cloudauthctl keys abcdefghij 2>&1 >/dev/null)"
    done
    printf '\xef\xbb\xbf%s\r\n' "$(<"$KEYS/alice.pub")" >/root/pasted.pub
    same granted "$(cloudauthctl explain --json abcdefghij /root/pasted.pub | jq -r .decision)"
}

# a key that cannot be read is left out, and no right of its owner's others with it
test_key_members() {
    document abcdefghij production '.users[1].role = "admin"'
    enters carol abcdefghij
    spoilt '.users[1].ssh_keys[0].expires_at = 1' 'users.1..ssh_keys.0..expires_at: not a string .carol.'
    refused carol abcdefghij
    document abcdefghij production 'del(.users[1].ssh_keys[0].expires_at)'
    spoilt '.users[1].ssh_keys |= [limit(101; .[0] | repeat(.))]' 'users.1..ssh_keys: more than 100 entries'
    enters carol abcdefghij
}

# a person who cannot be read is left out, and nobody else
test_person() {
    document abcdefghij production '.users[1].role = "admin"'
    enters carol abcdefghij
    spoilt '.users[1].username = "car\u0007ol"' 'users.1..username: has a control character'
    refused carol abcdefghij
}

# without a list of people nobody enters: the last good one does not serve
test_no_people() {
    enters alice abcdefghij
    document abcdefghij production 'del(.users)'
    refused alice abcdefghij
    logged 'abcdefghij/production: users: missing'
    known abcdefghij 200001
    document abcdefghij production '.users = {}'
    refused alice abcdefghij
    enters alice abcdefghij_stg
}

# an application that cannot be read is refused, and no other account
test_application() {
    local app=abcdefg123abc-smith-a12b34c
    enters alice $app--mymagento
    document abcdefg123abc smith-a12b34c '.apps.mymagento.access = {ssh: 7}'
    refused alice $app--mymagento
    enters alice $app--backoffice
    enters alice $app
    document abcdefg123abc smith-a12b34c '.apps = 7'
    refused alice $app--backoffice
    enters alice $app
}

# members that decide nothing are not checked: title, mail, type, key_id
test_not_checked() {
    local filter
    for filter in '.users[0].ssh_keys[0].title = "lap\ttop"' '.users[1].ssh_keys[0].title = "x" * 256' \
        '.users[1].mail = ["x"]' '.environment.type = 3' '.environment.title = "\u0007"' \
        '.users[0].ssh_keys[0].key_id = 1099511627776123456' '.users[0].ssh_keys[0].key_id = "0f0e0d"'; do
        document abcdefghij production "$filter"
        enters alice abcdefghij
        same '' "$(cloudauthctl keys abcdefghij 2>&1 >/dev/null)"
    done
}

# empty objects as PHP encodes them, and a byte order mark
test_php() {
    document abcdefghij production '.apps = [] | .forwarding = [] | .access = []'
    enters alice abcdefghij
    same '' "$(cloudauthctl keys abcdefghij 2>&1 >/dev/null)"
    printf '\xef\xbb\xbf' | cat - "$PRISTINE/abcdefghij/production.json" >"$ACCESS/abcdefghij/production.json"
    enters alice abcdefghij
}

# a person's id of 64 bits keeps its digits, here and in a document that cloudauthctl rewrites
test_long_id() {
    document abcdefghij production '.users[0].id = 1099511627776123457'
    sed -i 's/1099511627776123[0-9]*/1099511627776123457/' "$ACCESS/abcdefghij/production.json"
    enters alice abcdefghij
    contains "$(cloudauthctl keys --json abcdefghij | jq -r '.keys[].id')" '^1099511627776123457$'
    cloudauthctl user add abcdefghij eve
    contains "$(<"$ACCESS/abcdefghij/production.json")" '1099511627776123457'
    contains "$(cloudauthctl keys --json abcdefghij | jq -r '.keys[].id')" '^1099511627776123457$'
}

# a document of another project
test_other_project() {
    invalid '.project = "abcdefghik"' 'abcdefghij/production.*project'
}

# a document of another environment
test_other_environment() {
    invalid '.environment.name = "staging"' 'abcdefghij/production.*environment'
}

# a document without a required member
test_missing_member() {
    invalid 'del(.account.uid)' 'account.uid'
}

# a member of another type
test_ill_typed() {
    invalid '.account.uid = "200001"' 'account.uid'
}

# a member that occurs twice
test_twice() {
    sed -i '0,/"version": 1,/s//"version": 1, "version": 1,/' "$ACCESS/abcdefghij/production.json"
    opens_nothing 'abcdefghij/production: .*version: given twice'
}

# half a document
test_truncated() {
    truncate -s 1000 "$ACCESS/abcdefghij/production.json"
    opens_nothing 'abcdefghij/production: .*not JSON: '
}

# a forward to any destination is left out
test_forward_star() {
    spoilt '.forwarding.local = ["*:22", "db.internal:3306"]' 'forwarding.local.0.: not a host:port'
    contains "$(cloudauthctl check "$ACCESS/abcdefghij/production.json")" 'forward-local +db.internal:3306'
}

# members that this version does not know are accepted
test_unknown_members() {
    document abcdefghij production '.future = {a: [1]} | .account.quota = 5 | .users[0].pets = null'
    enters alice abcdefghij
}
