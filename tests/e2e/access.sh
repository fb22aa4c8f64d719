# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Who gets in and who does not, and what he is told; and before each login cloudauthctl is asked to
# explain, with the same keys, what sshd is going to do. With API=project all of it is so by the project API
# of etc/examples/api instead of file://.

if [[ ${API-} == project ]]; then
    # shellcheck source=tests/sandbox/project_api.sh
    . "$REPO/tests/sandbox/project_api.sh"
    instead_of_files
fi

# offered KEY [SSH OPTION...]: the files of a login's keys, in the order in which ssh offers them.
offered() {
    local option previous=
    echo "$KEYS/$1"
    for option in "${@:2}"; do
        [[ $previous != -i ]] || echo "$option"
        previous=$option
    done
}

# explained KEY LOGIN [SSH OPTION...]: what explain says of each key that is offered: the decision of
# the first that gets as far as PAM ("granted", or why not), else of the first; and its message.
# A key that is refused and gets no line leaves it to the next one, as sshd does; by its rules an
# expired or denied key of an owner who has another good one is such.
declare -g decision message
explained() {
    local key status
    decision='' message=''
    while read -r key; do
        status=0
        cloudauthctl explain --json "$2" "$key.pub" >/root/explained || status=$?
        [[ -n $decision && $status -ne 0 ]] || {
            decision=$(jq -r .decision /root/explained)
            message=$(jq -r '.message // ""' /root/explained)
        }
        [[ $status -ne 0 ]] || return 0
    done < <(offered "$1" "${@:3}")
}

# Each row of the matrix: explain first, then the login itself; they agree, and the words of explain
# are those that the client reads. The host's own users are none of its business.
for word in enters refused sftp_batch as; do
    eval "sandbox_$(declare -f $word)"
done

granted() {
    if getent passwd "$1" -s files >/dev/null; then
        contains "$decision" '^(local-user|not-ours)$'
    else
        same "granted for $1" "$decision for $1"
    fi
}

enters() {
    explained "$1" "$2" "${@:3}"
    granted "$2"
    sandbox_enters "$@"
}

as() {
    explained "$1" "$2"
    granted "$2" || return 1
    sandbox_as "$@"
}

# The batch may fail by itself, but not at the door.
sftp_batch() {
    explained "$1" "$2"
    same "granted for $2" "$decision for $2"
    sandbox_sftp_batch "$@"
}

refused() {
    explained "$1" "$2" "${@:4}"
    if [[ -z $decision || $decision == granted ]]; then
        echo "explain says of $1 as $2: ${decision:-nothing}"
        return 1
    fi
    sandbox_refused "$@"
    # shellcheck disable=SC2001 # a class of characters
    [[ -z $message ]] || sandbox_refused "$1" "$2" "$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$message")" "${@:4}"
}

# a key that is in no document
test_wrong_key() {
    refused stranger abcdefghij
    audit 'refuse account=abcdefghij .*key=SHA256:[^ ]* .*reason=key-unknown .*proof=none'
}

# the right key, on an environment where its owner is not
test_wrong_environment() {
    enters bob abcdefghij_stg
    refused bob abcdefghij
    audit 'refuse account=abcdefghij .*reason=key-unknown'
}

# a valid document of a project that `allow` does not list
test_not_allowed() {
    mkdir "$ACCESS/otherproject"
    jq '.project = "otherproject" | .account += {uid: 200050, gid: 200050}' \
        "$ACCESS/abcdefghij/production.json" >"$ACCESS/otherproject/production.json"
    document otherproject production .
    unknown otherproject
    refused alice otherproject
    same not-ours "$decision"
    configure 'allow = otherproject'
    daemon_stop
    daemon_start
    enters alice otherproject
}

# a document whose hosts lacks this host
test_not_this_host() {
    document abcdefghij production '.hosts = ["web9.abcdefghij.ent.example.cloud"]'
    unknown abcdefghij
    refused alice abcdefghij
    same not-this-host "$decision"
    enters alice abcdefghij_stg
    document abcdefghij production '.hosts += ["web1.abcdefghij.ent.example.cloud"]'
    enters alice abcdefghij
}

# a role below access.ssh is refused, and told so
test_role_too_low() {
    refused carol abcdefghij_stg 'your role viewer may not use SSH here'
    audit 'refuse account=abcdefghij_stg .*user=carol role=viewer .*reason=role-too-low'
    document abcdefghij staging '.access.ssh = "viewer"'
    enters carol abcdefghij_stg
}

# a role that this version does not know allows nothing
test_role_unknown() {
    document abcdefghij staging '.users[] |= (if .username == "bob" then .role = "owner" else . end)'
    refused bob abcdefghij_stg 'your role owner may not use SSH here'
}

# role sftp allows no shell, and the client is told the name to use
test_role_sftp() {
    refused media-agency abcdefghij 'use abcdefghij_sftp'
}

# access.ssh none: no shell for anyone, and sFTP still works
test_access_none() {
    document abcdefghij production '.access.ssh = "none"'
    refused alice abcdefghij 'use abcdefghij_sftp'
    sftp_batch alice abcdefghij_sftp <<<"pwd"
}

# access.sftp decides who may use the sFTP account
test_access_sftp() {
    document abcdefghij production '.access.sftp = "none"'
    refused media-agency abcdefghij_sftp
    audit 'refuse account=abcdefghij_sftp .*user=media-agency .*reason=access-off .*proof=none'
    enters alice abcdefghij
}

# an application's access.ssh overrides its environment's
test_app_override() {
    refused bob abcdefg123abc-smith-a12b34c--backoffice 'your role contributor may not use SSH here'
    enters alice abcdefg123abc-smith-a12b34c--backoffice
    same /app/abcdefg123abc-smith-a12b34c--backoffice \
        "$(as alice abcdefg123abc-smith-a12b34c--backoffice pwd)"
}

# an application that is not listed does not exist
test_app_unknown() {
    unknown abcdefg123abc-smith-a12b34c--shop
    refused alice abcdefg123abc-smith-a12b34c--shop
    same app-unknown "$decision"
    enters alice abcdefg123abc-smith-a12b34c--mymagento
}

# a paused environment is refused, but keeps its name
test_paused() {
    refused alice abcdefghij_stg2 'environment staging2 is paused'
    known abcdefghij_stg2 200003
    audit 'refuse account=abcdefghij_stg2 .*user=alice .*reason=environment-paused'
}

# an inactive environment
test_inactive() {
    document abcdefghij staging '.environment.status = "inactive"'
    refused alice abcdefghij_stg 'environment staging is inactive'
}

# an environment that is being deleted
test_deleting() {
    document abcdefghij staging '.environment.status = "deleting"'
    refused alice abcdefghij_stg 'environment staging is being deleted'
}

# a status that this version does not know allows no login
test_status_unknown() {
    document abcdefghij staging '.environment.status = "hibernating"'
    refused alice abcdefghij_stg 'environment staging is not active'
}

# status dirty, a deployment in progress, allows logins
test_dirty() {
    document abcdefghij staging '.environment.status = "dirty"'
    enters alice abcdefghij_stg
}

# the message of the document is shown to a user who is refused
test_message() {
    document abcdefghij staging '.environment.status = "paused" | .message = "Back at noon."'
    refused alice abcdefghij_stg 'Back at noon'
}

# an expired key, the only one of its user: the client is told, unless it may have a certificate as well
test_expired() {
    local told='your key old-laptop expired on 2025-01-01'
    [[ ${API-} != project ]] || told='Permission denied' # that API has a certifier
    document abcdefghij staging \
        '.users[] |= (if .username == "dave" then .ssh_keys |= .[:1] else . end)'
    refused dave-old-laptop abcdefghij_stg "$told"
    audit 'refuse account=abcdefghij_stg .*user=dave .*reason=key-expired'
    document abcdefghij staging \
        '.users[] |= (if .username == "dave" then .ssh_keys[0].expires_at = "2099-01-01T00:00:00Z" else . end)'
    enters dave-old-laptop abcdefghij_stg
}

# an expired key that is offered first does not prevent a login by a valid key of the same user
test_expired_first() {
    local good
    good=$(cat "$KEYS/stranger.pub")
    document abcdefghij staging ".users[] |= (if .username == \"dave\" then
        .ssh_keys[1].value = \"$good\" else . end)"
    refused dave-old-laptop abcdefghij_stg
    audit 'refuse account=abcdefghij_stg .*user=dave .*reason=key-expired .*proof=none'
    enters dave-old-laptop abcdefghij_stg -i "$KEYS/stranger"
}

# three keys are offered, and the third is valid
test_third_key() {
    enters stranger abcdefghij -i "$KEYS/bob" -i "$KEYS/alice"
    audit 'grant account=abcdefghij .*user=alice'
}

# ECDSA of each size and RSA, where the document lists them
test_key_types() {
    enters alice-desktop abcdefghij
    enters bob abcdefghij_stg
    document abcdefghij staging '.access.ssh = "viewer" | .users[] |=
        (if .username == "media-agency" then .role = "viewer" else . end)'
    enters carol abcdefghij_stg
    enters media-agency abcdefghij_stg
    contains "$(cat "$KEYS"/{alice-desktop,bob,carol,media-agency}.pub | cut -d" " -f1 | xargs)" \
        '^ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 ssh-rsa$'
}

# a document with 500 keys
test_500_keys() {
    # A key's blob is 51 bytes, and so one line of base64.
    perl -e 'srand 1; for (1..500) {
        my $key = join "", map { chr int rand 256 } 1 .. 32;
        print pack("N/a* N/a*", "ssh-ed25519", $key) }' | base64 -w 68 |
        jq -R '{key_id: input_line_number, title: "k\(input_line_number)", value: "ssh-ed25519 \(.)"}' |
        jq -s '[_nwise(100)] | to_entries |
            map({id: "u\(.key)", username: "user\(.key)", role: "contributor", ssh_keys: .value})' \
            >/root/crowd.json
    same 500 "$(jq '[.[].ssh_keys[]] | length' /root/crowd.json)"
    document abcdefghij staging ".users |= $(jq -c . /root/crowd.json) + ."
    enters bob abcdefghij_stg
    refused stranger abcdefghij_stg
}

# a cloud account is offered neither password nor keyboard-interactive
test_methods() {
    same publickey "$(methods abcdefghij)"
    same publickey "$(methods abcdefghij_sftp)"
    same publickey,password "$(methods ada)"
}

# nor is keyboard-interactive offered to it where the host offers it to local users
test_methods_interactive() {
    sshd_stop
    sshd_start -o KbdInteractiveAuthentication=yes
    same publickey,password,keyboard-interactive "$(methods ada)"
    same publickey "$(methods abcdefghij)"
    same publickey "$(methods abcdefghij_sftp)"
}

# authorized_keys of the account is not read
test_own_keys_file() {
    own_keys /app/abcdefghij 200001
    refused stranger abcdefghij
    enters stranger ada
}

# a certificate of a CA that sshd trusts for all users does not enter
test_certificate() {
    local certificate=/root/certificate
    rm -f $certificate*
    ssh-keygen -q -t ed25519 -N '' -f $certificate-ca
    cp "$KEYS/stranger.pub" $certificate.pub
    ssh-keygen -q -s $certificate-ca -I stranger -n abcdefghij,abcdefghij_sftp,ada $certificate.pub
    rm /home/ada/.ssh/authorized_keys
    sshd_stop
    sshd_start -o TrustedUserCAKeys=$certificate-ca.pub
    enters stranger ada -o CertificateFile=$certificate-cert.pub
    refused stranger abcdefghij '' -o CertificateFile=$certificate-cert.pub
    refused stranger abcdefghij_sftp '' -o CertificateFile=$certificate-cert.pub
    own_keys /home/ada ada
}

# an added key is accepted by the next login, a removed one is refused
test_added_and_removed() {
    refused stranger abcdefghij
    document abcdefghij production ".users[0].ssh_keys += [{key_id: 99, title: \"new\", value: \"$(cat "$KEYS/stranger.pub")\"}]"
    enters stranger abcdefghij
    document abcdefghij production 'del(.users[0].ssh_keys[] | select(.key_id == 99))'
    refused stranger abcdefghij
}

# an sFTP account has no shell, no command, no link and no forwarding
test_sftp_only() {
    local output
    output=$(as media-agency abcdefghij_sftp 'echo inside' || true)
    fails contains "$output" inside
    fails sftp_batch media-agency abcdefghij_sftp <<<"symlink /etc /pub/media/etc"
    [[ ! -L /app/abcdefghij/pub/media/etc ]]
    fails login media-agency -W 127.0.0.1:22 abcdefghij_sftp@127.0.0.1
}

# forwards reach the destinations that the document lists, and no others
test_forwarding() {
    nginx_start
    document abcdefghij staging ".forwarding.local = [\"127.0.0.1:$API_PORT\"]"
    login bob -W "127.0.0.1:$API_PORT" abcdefghij_stg@127.0.0.1
    fails login bob -W 127.0.0.1:22 abcdefghij_stg@127.0.0.1
    document abcdefghij staging '.forwarding.local = []'
    fails login bob -W "127.0.0.1:$API_PORT" abcdefghij_stg@127.0.0.1
    enters bob abcdefghij_stg
}

# ~/.ssh/rc of the account is not run
test_own_rc_file() {
    own_keys /home/ada ada
    install -d -m 700 -o 200002 /app/abcdefghij_stg/.ssh
    echo 'echo rc-was-run >&2' | tee /home/ada/.ssh/rc >/app/abcdefghij_stg/.ssh/rc
    contains "$(as stranger ada true)" rc-was-run
    same inside "$(as bob abcdefghij_stg 'echo inside')"
    rm -r /app/abcdefghij_stg/.ssh /home/ada/.ssh/rc
}

# an agent is forwarded only where the document says so
test_agent() {
    eval "$(ssh-agent)"
    ssh-add -q "$KEYS/bob"
    fails login bob -A abcdefghij_stg@127.0.0.1 'ssh-add -l'
    document abcdefghij staging '.forwarding.agent = true'
    contains "$(login bob -A abcdefghij_stg@127.0.0.1 'ssh-add -l')" 'bob@laptop'
    ssh-agent -k
}

# refusals of one person lock out no other behind the same address, with what doctor says of sshd 9.8 and later
test_penalties() {
    local remedy
    cp -a /etc/ssh/sshd_config.d /root/sshd_config.d
    trap 'rm -r /etc/ssh/sshd_config.d; mv /root/sshd_config.d /etc/ssh/sshd_config.d; sshd_stop; sshd_start' EXIT
    rm -f /etc/ssh/sshd_config.d/penalties.conf
    sshd_stop
    sshd_start
    if sshd -T | grep -q '^persourcepenalties'; then
        remedy=$(cloudauthctl doctor abcdefghij --json |
            jq -r '.checks[] | select(.detail | test("^persourcepenalties")) | .remedy')
        eval "${remedy%% && *}"
        sshd_stop
        sshd_start
        fails grep persourcepenalties <<<"$(cloudauthctl doctor abcdefghij)"
    fi
    for _ in 1 2 3 4 5 6; do
        refused carol abcdefghij_stg 'your role viewer may not use SSH here'
    done
    enters alice abcdefghij_stg
}
