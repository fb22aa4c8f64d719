# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016 # $uid in a jq program is jq's
#
# The commands env, user and key of cloudauthctl change one document of an embedded API. edit.c holds the lock, and has sh
# run this text with arguments NAME=VALUE:
#
#   self        cloudauthctl        command        such as `key add`
#   directory   of the documents    project, environment, login: the shell account of the environment
#   uid_min, uid_max: of this host  subject        the user or mount
#   path        of the document     fingerprint, key: its line, "" if only the fingerprint is known
#
# and the options of the command by their names. It prints messages, and exits as cloudauthctl does. The document as it
# stands and the new one are judged by `cloudauthctl check`; jq(1) makes the one of the other.

self='' command='' directory='' project='' environment='' path='' login='' uid_min='' fingerprint='' key=''
for setting; do
    name=${setting%%=*}
    while [ "$name" != "${name%-*}" ]; do name=${name%-*}_${name##*-}; done
    export "${name?}=${setting#*=}"
done
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

# die STATUS MESSAGE
die() {
    printf '%s\n' "$2"
    exit "$1"
}

command -v jq >/dev/null || die 3 'jq(1) changes documents, and is not installed'
work=$(mktemp -d) || exit 3
trap 'rm -rf -- "$work"' EXIT
trap 'exit 3' HUP INT TERM

# ---- The document ----------------------------------------------------------------------------------

# Enters the directory of the project, from where the document is read and written by its name: another user who may write in
# the directory above it could put a link in its place.
enter() {
    cd -P -- "$directory/$project" || exit 3
    [ "$(realpath .)" = "$(realpath -- "$directory")/$project" ] ||
        die 1 "$directory/$project is a symbolic link: change what it leads to"
}

# judge NAME [DIRECTORY]: has `check` judge $work/NAME/PROJECT/ENVIRONMENT.json, beside the documents of a directory.
judge() {
    "$self" check --json ${2:+"$2"} "$work/$1" >"$work/$1.said"
}

# A program that reads numbers as floating point would change the last digits of long ids: they become strings.
keep_digits() {
    perl -0777 -pe 's/"(?:\\.|[^"\\])*+"|-?\d[\d.eE+-]*/$& =~ m{^-?\d{16,}$} ? "\"$&\"" : $&/ges'
}

# Of a member that is given twice jq would keep the last, and the hosts may have closed what it limits. A value ends once.
need_single() {
    twice=$(jq -c --stream 'if length == 2 then .[0] else .[0][:-1] end' "$work/old.json" 2>/dev/null | sort | uniq -d |
        jq -nr '[inputs] | min_by(length) // empty
            | map(if type == "number" then "[\(.)]" else ".\(.)" end) | join("") | ltrimstr(".")')
    [ ! "$twice" ] || die 1 "$path: $twice: given twice: remove one of them first"
}

# same_keys PATH: the values of the keys there that have the fingerprint, as a list.
same_keys() {
    jq -r "$1 | objects.value | strings" "$work/old.json" |
        while IFS= read -r value; do
            found=$(printf '%s\n' "$value" | ssh-keygen -E sha256 -lf - 2>/dev/null | cut -d' ' -f2)
            [ "$found" != "$fingerprint" ] || printf '%s\n' "$value"
        done | jq -Rn '[inputs]'
}

# change PROGRAM: makes the new document. The program is for jq; it has what is above in `env`.
change() {
    jq -n --argjson same "${same:-[]}" --slurpfile said "$work/old.said" '
        def fail(why): "\(env.path): \(why)\n" | halt_error(1);
        def list(name): if type == "array" then . else fail("\(name) is not a list") end;
        def limits: {from: (env.from | if . then split(",") else . end), not_before: env.not_before,
            expires_at: env.expires, grant: env.grant};
        def given: with_entries(select(.value != null and .value != ""));
        def number(otherwise): (. // otherwise) as $text | $text
            | try tonumber catch ("\($text): not a number\n" | halt_error(1));
        def is_user: type == "object" and .username == env.subject;
        def is_key: type == "object" and (.value | IN($same[]));
        def dict(name): if . == null or . == [] then {} elif type == "object" then . else fail("\(name) is no object") end;
        def put(name; value): if value == "none" then del(.[name]) elif value then .[name] = value else . end;
        def drop(name): if .[name] == {} then del(.[name]) else . end;
        def count: if . == null or . == "none" then . else number(null) end;
        def is_mount: type == "object" and .path == env.subject;
        def need_user: if any(.users[]?; is_user) then . else fail("there is no user \(env.subject)") end;
        $said[0].documents[0].problem // "" |
        if . != "" then fail("as it stands it is invalid: \(.)") else input end |
        '"$1" "$work/old.json" >"$work/new/$project/$environment.json" || exit "$?"
}

# Refuses a change that makes the document invalid, or of which a host would leave something out.
judge_change() {
    judge new "${others-}"
    jq -nr --slurpfile old "$work/old.said" --slurpfile new "$work/new.said" \
        --arg file "$work/new/$project/$environment.json" '
        def fail(why): "\(env.path): it would be \(why)\n" | halt_error(1);
        [$old[0].warnings[]?.warning] as $before |
        [$new[0].warnings[] | select(.file == $file) | .warning] as $after |
        ($new[0].documents[] | select(.file == $file) | .problem) as $problem |
        if $problem != "" then fail("invalid: \($problem)")
        elif ($after | length) > ($before | length) then fail("left out: \($after - $before | last)")
        else "" end' >"$work/verdict" || exit "$?"
    [ -s "$work/verdict" ] || exit 3
}

# The new document gets the owner and mode of the old one, which root has in its own copy. A file aside was left by a crash,
# because no other process has the lock; cp(1) makes it anew, and follows no link that another user puts there.
replace() {
    new=$work/new/$project/$environment.json
    aside=.$environment.json.new
    if [ -e "$old" ]; then
        chown --reference="$old" -- "$new" && chmod --reference="$old" -- "$new" || exit 3
    else
        chmod 644 -- "$new" || exit 3
        [ -d "$directory/$project" ] || mkdir -m 755 -- "$directory/$project" || exit 3
        enter
    fi
    if ! cp -T --preserve=mode,ownership --remove-destination -- "$new" "$aside" || ! sync "$aside" ||
        ! mv -fT -- "$aside" "$environment.json"; then
        rm -f -- "$aside"
        exit 3
    fi
    sync . "$directory" || die 3 "$path is changed, but a crash could bring the old one back"
}

# ---- A new environment -----------------------------------------------------------------------------

# Sets `others`, the directory if it has documents, and `free`: an id above the uid of each document, that no local user or
# group has, nor as a subordinate id.
look_at_others() {
    others=$directory free=$uid_min
    said=$("$self" check --json "$directory" 2>&1 >"$work/others")
    case $said in
    '') free=$(jq '[.documents[].uid | numbers | select(. <= (env.uid_max | tonumber))] | max + 1' "$work/others") ;;
    *'json in it'*) others='' ;;
    *) die 3 "${said#*: }" ;;
    esac
    cat /etc/passwd /etc/group 2>/dev/null | sed -nE 's/^[^:]*:[^:]*:([0-9]+):.*/\1 1/p' >"$work/ids"
    cat /etc/subuid /etc/subgid 2>/dev/null | sed -nE 's/^[^:]*:([0-9]+):([0-9]+)$/\1 \2/p' >>"$work/ids"
    free=$(awk -v id="$free" -v least="$uid_min" '
        { from[NR] = $1; to[NR] = $1 + $2 }
        END {
            if (id < least) id = least
            do {
                before = id
                for (i in from) if (id >= from[i] && id < to[i]) id = to[i]
            } while (id != before)
            printf "%d", id
        }' "$work/ids")
    export free
}

# is_guarded DIRECTORY: whether only root can change what the real path leads to.
is_guarded() (
    while [ "$1" != / ]; do
        set -- "$(dirname -- "$1")" "$@"
    done
    [ -z "$(find "$@" -maxdepth 0 \( ! -type d -o ! -uid 0 -o -perm /022 \))" ]
)

# Makes the home directory, and those above it, unless there is something. Without a home sshd would start the shell in /,
# with a message.
make_home() {
    home=$(jq -r .account.home "$new") uid=$(jq .account.uid "$new") gid=$(jq .account.gid "$new")
    if [ -e "$home" ] || [ -L "$home" ]; then return; fi
    above=$home
    while [ "$above" != / ]; do
        above=$(dirname -- "$above")
        if [ -e "$above" ] && ! is_guarded "$(realpath -- "$above")"; then
            printf '%s\n' "the home $home is not made: another user than root may write in a directory above it"
            return
        fi
    done
    install -d -m 750 -o "$uid" -g "$gid" -- "$home" || printf '%s\n' "the home $home is not made"
}

# Refuses what is no whole key, or a time that jq would not.
need_key() {
    [ "$key" ] || die 2 'the key itself is needed, not its fingerprint'
    case ${expires-} in
    '' | [0-9][0-9][0-9][0-9]-[0-9][0-9]-*) ;;
    *) die 2 "--expires $expires: not a time such as 2027-01-01T00:00:00Z" ;;
    esac
}

# ---- The commands ----------------------------------------------------------------------------------

mkdir -p "$work/old/$project" "$work/new/$project" || exit 3
echo null | tee "$work/old.json" >"$work/old.said"
old=$work/old/$project/$environment.json
if [ -e "$path" ] || [ -L "$path" ]; then
    [ "$command" != 'env create' ] || die 1 "$path is there already"
    enter
    [ -f "$environment.json" ] || [ -L "$environment.json" ] || die 3 "$path is not a file"
    cp -PT --preserve=mode,ownership -- "$environment.json" "$old" || exit 3
    [ ! -L "$old" ] || die 1 "$path is a symbolic link: change what it leads to"
    judge old
    keep_digits <"$old" >"$work/old.json"
    need_single
elif [ "$command" != 'env create' ]; then
    die 1 "$path: there is no such environment"
else
    [ "$login" ] || die 1 "$project/$environment has no login name under this host's grammar"
    look_at_others
fi

of_user='.users[]? | objects | select(.username == env.subject) | .ssh_keys[]?'
case $command in
'env create')
    change '(env.uid | number(env.free)) as $uid | {version: 1, project: env.project,
        environment: ({name: env.environment, status: "active", title: env.title} | given),
        account: {uid: $uid, gid: (env.gid | number($uid)), home: (env.home // "/app/\(env.login)"),
            shell: (env.shell // "/bin/bash")}, users: []}'
    ;;
'env mount add')
    change '.sftp |= dict("sftp") | .sftp.mounts |= if type == "array" then . else [] end
        | if any(.sftp.mounts[]; is_mount) then fail("\(env.subject) is listed already") else . end
        | .sftp.mounts += [{path: env.subject, writable: (env.writable != null)}]'
    ;;
'env mount remove')
    change 'if any(.sftp?.mounts[]?; is_mount) then . else fail("there is no mount \(env.subject)") end
        | del(.sftp.mounts[] | select(is_mount))'
    ;;
'env authority add')
    need_key
    same=$(same_keys '.certificate_authorities[]?')
    change '.certificate_authorities |= ((. // []) | list("certificate_authorities")
        | if any(.[]; is_key) then fail("the environment has that authority already") else . end
        | . + [{title: env.title, value: env.key} + limits | given])'
    ;;
'env authority remove')
    same=$(same_keys '.certificate_authorities[]?')
    change 'if any(.certificate_authorities[]?; is_key) then . else fail("there is no authority \(env.fingerprint)") end
        | del(.certificate_authorities[] | select(is_key))'
    ;;
'env set')
    [ "${max_seconds-}${idle_seconds-}${amr-}${max_age-}" ] || die 2 'nothing is to be set'
    # A `try` within |= would catch what jq 1.6 ends that with. What closes the environment, because it cannot be read, is
    # not opened by the way.
    change '(env.max_seconds | count) as $max | (env.idle_seconds | count) as $idle | (env.max_age | count) as $age
        | if $max // $idle then
            .session |= (dict("session") | put("max_seconds"; $max) | put("idle_seconds"; $idle)) | drop("session")
          else . end
        | if $age // env.amr then
            first($said[0].warnings[]?.warning | select(startswith("access.require")) | fail("\(.); repair it first")),
            (.access |= (dict("access") | .require |= (dict("access.require") | put("max_age"; $age)
                | put("amr"; env.amr | if . == null or . == "none" then . else split(",") end)) | drop("require"))
                | drop("access"))
          else . end'
    ;;
'user add')
    case ${role-viewer} in
    sftp | viewer | contributor | admin) ;;
    *) die 2 "--role $role: not a role; the roles are sftp, viewer, contributor and admin" ;;
    esac
    change '.users |= list("users")
        | if any(.users[]; is_user) then fail("there is a user \(env.subject) already") else . end
        | .users += [{id: (env.id // env.subject), username: env.subject, mail: env.mail,
            role: (env.role // "contributor"), ssh_keys: []} + limits | given]'
    ;;
'user remove') change 'need_user | del(.users[] | select(is_user))' ;;
'key add')
    need_key
    same=$(same_keys "$of_user")
    # jq 1.6 aborts on an error within an update.
    change 'need_user | (first(.users[] | select(is_user)).ssh_keys | list("ssh_keys")) as $keys
        | if any($keys[]; is_key) then fail("\(env.subject) has that key already") else . end
        | first(.users[] | select(is_user)).ssh_keys = $keys
            + [{title: env.title, value: env.key, verify: (if env.verify then true else null end)} + limits | given]'
    ;;
'key remove')
    same=$(same_keys "$of_user")
    change 'need_user
        | if any(.users[] | select(is_user) | .ssh_keys[]?; is_key) then .
          else fail("\(env.subject) does not have the key \(env.fingerprint)") end
        | del(.users[] | select(is_user) | .ssh_keys[]? | select(is_key))'
    ;;
esac

judge_change
replace
[ "$command" != 'env create' ] || make_home
exit 0
