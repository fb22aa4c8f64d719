# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# The checks of cloudauthctl doctor that read files of the host and run its programs. doctor.c has sh run this text,
# with settings as arguments NAME=VALUE. It prints rows of five fields with tabs between them: check, result (ok, BAD,
# unknown or note), remedy, detail, and the word that takes the place of each %s in the remedy.

exec 2>/dev/null
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
set -f # '*' in a setting or a file is text

account='' sftp='' module='' ssh_gid='' sftp_gid='' uid_min=0 uid_max=0 homes='' urls='' api_socket='' secrets='' clock=''
host_id='' may_have_sftp='' asked='' allow='' no_settings=''
for setting; do
    eval "${setting%%=*}=\${setting#*=}"
done
conf=/etc/cloudauth/cloudauth.conf
state=/var/lib/cloudauth
restart='systemctl restart cloudauthd'

tab=$(printf '\t')
line_break='
'

clean() { printf %s "$1" | tr '\t\n' '??'; }

# row CHECK RESULT REMEDY DETAIL [WORD]: no byte of a foreign text can end a field or a row.
row() {
    case $4${5-} in
    *"$tab"* | *"$line_break"*) set -- "$1" "$2" "$3" "$(clean "$4")" "$(clean "${5-}")" ;;
    esac
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "${5-}"
}

# ---- The users and groups ------------------------------------------------------------------------------

# ids_of USER: "uid:gid" of a user of /etc/passwd; "" if there is none, or it has the uid 0.
ids_of() { sed -nE "s/^$1:[^:]*:([1-9][0-9]*:[0-9]+):.*/\1/p" /etc/passwd | head -n 1; }

check_users() {
    sysusers='systemd-sysusers /usr/lib/sysusers.d/cloudauth.conf; systemctl restart cloudauthd'
    daemon_uid=$(ids_of cloudauth | cut -d: -f1) daemon_gid=$(ids_of cloudauth | cut -d: -f2)
    if ! cat /etc/passwd /etc/group >/dev/null; then
        row users unknown 'ls -l /etc/passwd /etc/group' '/etc/passwd or /etc/group cannot be read'
    elif [ ! "$daemon_uid" ]; then
        row users BAD "$sysusers" 'there is no user cloudauth for the daemon to run as'
    elif [ ! "$(ids_of cloudauth-keys)" ]; then
        row users BAD "$sysusers" 'there is no user cloudauth-keys for the helper to run as'
    else
        row users ok '' 'cloudauth and cloudauth-keys'
    fi
}

check_groups() {
    if [ ! "$module" ]; then
        return
    elif grep -qE '^(cloud-ssh|cloud-sftp):' /etc/group; then
        row nss-module BAD 'groupdel cloud-ssh; groupdel cloud-sftp' \
            "/etc/group has a group that the NSS module must define: sshd's Match blocks would not hold"
    elif { cut -d: -f3 /etc/group && cut -d: -f4 /etc/passwd; } | grep -qxE "$ssh_gid|$sftp_gid"; then
        row nss-module BAD \
            'editor /etc/group /etc/cloudauth/cloudauth.conf  # give the group another gid, or set ssh_gid and sftp_gid' \
            "a local group has the gid $ssh_gid or $sftp_gid of a marker group: sshd takes its name for the marker group's, and the Match blocks do not hold"
    elif [ "$(getent group cloud-ssh | cut -d: -f3)" != "$ssh_gid" ]; then
        row nss-module BAD 'cloudauthctl doctor  # again, when the settings and nsswitch-group are ok' \
            "the group cloud-ssh does not exist: sshd's Match blocks do not hold"
    else
        row nss-module ok '' 'the marker groups exist'
    fi
}

# ---- The order of nsswitch.conf ----------------------------------------------------------------------

# services DATABASE: the services of its line, as glibc reads it; of two lines glibc takes the last.
services() { sed -nE "s/#.*//; s/^[[:space:]]*$1[[:space:]]*:(.*)/\1/; T end; h; :end; \${g;p}" /etc/nsswitch.conf; }

# order DATABASE: sets what its line has, and `want`, the services as they should be: cloud behind files.
order() {
    want='' files='' cloud='' first='' returns=''
    for word in $(services "$1"); do
        if [ "$word" = cloud ]; then
            cloud=yes
            [ "$files" ] || first=yes
            continue
        fi
        want="$want $word"
        case $word in
        *=[Rr][Ee][Tt][Uu][Rr][Nn]*) [ "$cloud" ] || returns=yes ;;
        files | compat)
            [ "$files" ] || want="$want cloud"
            files=yes
            ;;
        esac
    done
}

check_database() {
    order "$1"
    remedy="editor /etc/nsswitch.conf  # $1: files cloud"
    if ! grep -qE "^[[:space:]]*$1[[:space:]]*:" /etc/nsswitch.conf; then
        remedy="echo '$1: files cloud' >>/etc/nsswitch.conf"
    elif [ "$files" ] && ! printf %s "$want" | grep -q '[^]A-Za-z0-9_=![ -]'; then
        remedy="sed -i -E 's/^[[:space:]]*$1[[:space:]]*:.*/$1:$want/' /etc/nsswitch.conf"
    fi
    if [ ! -r /etc/nsswitch.conf ]; then
        row "nsswitch-$1" BAD "$remedy" '/etc/nsswitch.conf cannot be read'
    elif [ -z "$cloud" ]; then
        row "nsswitch-$1" BAD "$remedy" 'cloud is missing: no cloud account exists'
    elif [ "$first" ]; then
        row "nsswitch-$1" BAD "$remedy" 'cloud stands before files: a local name or id would not win'
    elif [ "$returns" ]; then
        row "nsswitch-$1" BAD "$remedy" 'a [...=return] stands before cloud'
    else
        row "nsswitch-$1" ok '' 'cloud stands behind files'
    fi
}

# A line of initgroups alone decides which groups an account is in; without it the line of group does.
check_nsswitch() {
    check_database passwd
    check_database group
    order initgroups
    if [ "$(services initgroups)" ] && { [ -z "$cloud" ] || [ "$returns" ]; }; then
        row nsswitch-initgroups BAD \
            "sed -i -E '/^[[:space:]]*initgroups[[:space:]]*:/d' /etc/nsswitch.conf  # or: initgroups: files [SUCCESS=continue] cloud" \
            "cloud is missing, or not reached: no account is in a marker group, and sshd's Match blocks do not hold"
    fi
}

# ---- sshd --------------------------------------------------------------------------------------------

drop_in=/etc/ssh/sshd_config.d/00-cloudauth.conf
packaged=/usr/share/cloudauth/00-cloudauth.conf
sshd_files='/etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf'
sshd_reload='sshd -t && systemctl try-restart ssh'
sshd_repair='sshd -t  # says where; repair it before sshd is restarted'

# effective USER: what sshd makes of its configuration. It fails if sshd_config has a Match on an attribute that is
# not given here.
effective() { /usr/sbin/sshd -T -C "user=$1,host=192.0.2.1,addr=192.0.2.1,laddr=192.0.2.2,lport=22,rdomain=" 2>&1; }
last_line() { printf '%s\n' "$1" | tail -n 1; }

note_global() {
    noted=yes
    row sshd-global note "$1" "$2"
}

# Settings outside of our Match blocks. They hold for local users, and for a cloud account at a moment when its lookup
# fails: the Match blocks do not apply then, and only PAM refuses the login.
check_global() {
    noted=''
    if ! said=$(effective -); then
        row sshd-global BAD "$sshd_repair" "sshd -T: $(last_line "$said")"
        return
    fi
    while read -r line; do
        case $line in
        'passwordauthentication yes')
            note_global '# PasswordAuthentication no, in sshd_config, if no local user needs a password' \
                "$line: sshd offers a password to names that do not exist, which tells them from cloud accounts"
            ;;
        'kbdinteractiveauthentication yes')
            note_global '# KbdInteractiveAuthentication no, in sshd_config, if no local user needs it' \
                "$line: sshd offers keyboard-interactive to names that do not exist, which tells them from cloud accounts"
            ;;
        'permitemptypasswords yes')
            note_global '# PermitEmptyPasswords no, in sshd_config' "$line: a local account without a password is open to all"
            ;;
        'trustedusercakeys none') ;;
        'trustedusercakeys '*)
            note_global '# put TrustedUserCAKeys into a Match block of the users that it is for' \
                "$line: in a moment in which a lookup fails, sshd takes a certificate of that CA for a cloud account, and PAM alone refuses it"
            ;;
        # sshd 9.8 and later. At the default of 5 seconds three refusals of one person shut out everyone at the same
        # address; at 1 second it takes a dozen or more within seconds.
        'persourcepenalties '*' authfail:'*)
            seconds=${line##* authfail:}
            [ "${seconds%%[!0-9]*}" -le 1 ] ||
                note_global "echo 'PerSourcePenalties authfail:1s' >/etc/ssh/sshd_config.d/50-penalties.conf && $sshd_reload" \
                    "$(printf %.80s "$line"): after a few refused logins of one person sshd refuses every connection from that address, which an office may share"
            ;;
        esac
    done <<END
$said
END
    [ "$noted" ] || row sshd-global ok '' 'no passwords, and no CA for all users'
}

# field NAME: of the certificate in `seen`, what ssh-keygen -L says of it.
field() { printf '%s\n' "$seen" | sed -n "s/^ *$1: //p" | head -n 1; }

# moment WORDS: the time behind one of the words in the certificate's validity, in seconds since 1970.
moment() { field Valid | sed -nE "s/(.* )?($1) ([^ ]*).*/\\3/p" | date -f - +%s; }

# missing: the names of this host that no principal of the certificate in `seen` matches; each may be a pattern.
missing() {
    principals=$(printf '%s\n' "$seen" | sed -n '/^ *Principals:/,/^ *Critical Options:/s/^  *\([^ ]*\)$/\1/p')
    for name in $(hostname -f) $host_id; do
        is_listed "$principals" principals - "$name" || echo "$name"
    done | sort -u | paste -s -d , -
}

# check_certificate FILE FINGERPRINTS: the certificate of one of the host keys with these fingerprints.
check_certificate() {
    remedy="# have the CA of host keys make a new %s: ssh-keygen -s CA -h -I $(uname -n) -n NAME,... -V -5m:+52w FILE; then $sshd_reload"
    result=BAD fault=''
    seen=$(ssh-keygen -L -f "$1")
    key=$(field 'Public key') begins=$(moment 'from|after') ends=$(moment 'to|before') now=$(date +%s)
    names=$(missing)
    if [ ! "$key" ]; then
        fault='not a certificate'
    elif [ "$(field Type)" = "$(field Type | sed 's/ host certificate$//')" ]; then
        fault='a certificate of a user: no client accepts it'
    elif ! printf '%s\n' "$2" | grep -qF " ${key##* } "; then
        fault='of none of the host keys: sshd does not use it'
    elif [ "${ends:-$((now + 1))}" -le "$now" ]; then
        fault="expired at $(date -d "@$ends")"
    elif [ "${begins:-0}" -gt "$now" ]; then
        fault="valid only from $(date -d "@$begins") on"
    else
        result=note
        if [ "$(field Principals)" = '(none)' ]; then
            fault='valid for every host: it names none'
        elif [ "$names" ]; then
            fault="it does not name $names"
        elif [ "${ends:-$((now + 604801))}" -le $((now + 604800)) ]; then
            fault="ends at $(date -d "@$ends")"
        fi
    fi
    if [ "$fault" ]; then
        row host-certificate $result "$remedy" "$1: $fault" "$1"
    else
        row host-certificate ok '' "$1: $(field Valid)"
    fi
}

# check_certificates: what sshd shows to clients that know the CA of the host keys. Uses `said` of check_global.
check_certificates() {
    fingerprints=$(printf '%s\n' "$said" | sed -n 's/^hostkey //p' | while read -r path; do
        ssh-keygen -l -f "${path%.pub}.pub"
    done)
    for path in $(printf '%s\n' "$said" | sed -n 's/^hostcertificate //p' | grep -vx none); do
        check_certificate "$path" "$fingerprints"
    done
}

# The value that each setting must have in the end, for shell and for sFTP accounts: "!" and a value that it must not
# have, "~" and a word that its list must have. Where a field is empty, any value will do.
wanted='usepam|yes|yes
pubkeyauthentication|yes|yes
pubkeyacceptedalgorithms|~ssh-ed25519|~ssh-ed25519
maxsessions|!0|!0
usedns|no|no
authorizedkeysfile|none|none
authorizedkeyscommand|/usr/libexec/cloudauth/cloud-authkeys shell %u %t %k %U|/usr/libexec/cloudauth/cloud-authkeys sftp %u %t %k %U
authorizedkeyscommanduser|cloudauth-keys|cloudauth-keys
authenticationmethods|publickey|publickey
passwordauthentication|no|no
kbdinteractiveauthentication|no|no
hostbasedauthentication|no|no
gssapiauthentication|no|no
trustedusercakeys|none|none
authorizedprincipalsfile|none|none
permituserrc|no|no
permituserenvironment|no|no
permittunnel|no|no
x11forwarding|no|no
allowstreamlocalforwarding|no|no
gatewayports|no|
chrootdirectory|none|/srv/sftp
forcecommand|none|internal-sftp -l INFO -f AUTHPRIV -P symlink,hardlink,expand-path,home-directory,users-groups-by-id
disableforwarding||yes'

# wrong_settings FIELD: each setting that has another value in sshd's output than that field of `wanted` says, and the
# value that it has. Of two lines the first counts; one that is missing sshd was built without.
wrong_settings() {
    printf '%s\n\n%s\n' "$wanted" "$said" | awk -F '|' -v field="$1" '
    function is_wanted(value, has) {
        if (value ~ /^!/)
            return has != substr(value, 2)
        if (value ~ /^~/)
            return index("," has ",", "," substr(value, 2) ",")
        return value == "" || has == value
    }
    $0 == "" && !ends { ends = NR }
    !ends { setting[NR] = $1; value[$1] = $field }
    ends {
        name = $0
        sub(/ .*/, "", name)
        if (!(name in has))
            has[name] = substr($0, length(name) + 2)
    }
    END {
        if (!("usepam" in has))
            has["usepam"] = "not there"
        for (i = 1; i < ends; i++) {
            name = setting[i]
            if ((name in has) && !is_wanted(value[name], has[name]))
                print name " " (has[name] == "" ? "empty" : has[name])
        }
    }'
}

# say_wrong CHECK ACCOUNT SETTING VALUE
say_wrong() {
    if [ "$3" = usepam ]; then
        remedy="sed -i '1i UsePAM yes' /etc/ssh/sshd_config && $sshd_reload"
    elif [ ! -e $drop_in ] && [ -e $packaged ]; then
        remedy="install -m 644 $packaged $drop_in && $sshd_reload"
    elif [ ! -e $drop_in ]; then
        remedy="# put $drop_in back (make install)"
    else
        remedy="grep -niE '^[[:space:]]*(include|match|$3)' $sshd_files  # the first one wins: no Match or setting may stand before $drop_in, and none elsewhere hold for cloud accounts"
    fi
    wrong=yes
    row "$1" BAD "$remedy" "for $2, $3 is $4 in the end"
}

# is_listed PATTERNS KIND ACCOUNT GROUPS: whether a pattern matches the account or one of its groups. An account that
# is denied from some hosts can log in from others.
is_listed() {
    for pattern in $1; do
        case $2 in
        *users) names=$3 ;;
        *) names=$4 ;;
        esac
        case $2$pattern in
        denyusers*@'*') pattern=${pattern%@*} ;;
        denyusers*@*) continue ;;
        allowusers*@*) pattern=${pattern%%@*} ;;
        esac
        for name in $names; do
            # shellcheck disable=SC2254 # it is a pattern
            case $name in $pattern) return 0 ;; esac
        done
    done
    return 1
}

# check_lists CHECK ACCOUNT GROUPS: the lists of who may log in, and of who may not.
check_lists() {
    for kind in allowusers allowgroups denyusers denygroups; do
        case $line_break$said in
        *"$line_break$kind "*) patterns=$(printf '%s\n' "$said" | sed -n "s/^$kind //p") ;;
        *) patterns='' ;;
        esac
        remedy="grep -niE '^[[:space:]]*allow(users|groups)' $sshd_files  # add cloud-ssh and cloud-sftp to AllowGroups, or login names to AllowUsers"
        listed=''
        ! is_listed "$patterns" $kind "$2" "$3" || listed=yes
        case $kind-$listed-$patterns in
        allow*-yes-* | allow*-- | deny*--*) continue ;;
        deny*) remedy="grep -niE '^[[:space:]]*deny(users|groups)' $sshd_files  # take the pattern out of the list" ;;
        esac
        wrong=yes
        row "$1" BAD "$remedy" "sshd's $kind keeps $2 out"
    done
}

# check_block CHECK ACCOUNT MARKER-GROUP
check_block() {
    wrong=''
    if ! said=$(effective "$2"); then
        row "$1" BAD "$sshd_repair" "sshd -T -C user=$2: $(last_line "$said")"
        return
    fi
    field=2
    [ "$3" = cloud-ssh ] || field=3
    while read -r setting value; do
        [ -z "$setting" ] || say_wrong "$1" "$2" "$setting" "$value"
    done <<END
$(wrong_settings $field)
END
    check_lists "$1" "$2" "$3 $(id -gn "$2")"
    [ "$wrong" ] || row "$1" ok '' "as it must be for $2"
}

check_sshd() {
    # While ssh.socket waits for the first connection this directory is missing, and sshd -T fails without it.
    mkdir -m 755 /run/sshd
    check_global
    check_certificates
    if [ -z "$account$sftp" ]; then
        missing="none of \`allow\` is known ($allow)"
        [ ! "$asked" ] || missing="$asked does not exist"
        row sshd-shell unknown '# cloudauthctl doctor NAME, with a login name that exists' \
            "there is no account to ask sshd about: $missing"
        return
    fi
    if [ "$account" ]; then
        check_block sshd-shell "$account" cloud-ssh
    else
        row sshd-shell note '# cloudauthctl doctor NAME, with the login name of a shell account, if there is one' "$sftp has no shell account"
    fi
    if [ ! "$may_have_sftp" ]; then
        row sshd-sftp ok '' "no login name of \`allow\` is an sFTP account"
    elif [ ! "$sftp" ]; then
        row sshd-sftp note '# cloudauthctl doctor NAME, with the login name of an sFTP account, if there is one' "$account has no sFTP account"
    elif getent passwd "$sftp" >/dev/null; then
        check_block sshd-sftp "$sftp" cloud-sftp
    else
        row sshd-sftp unknown '# cloudauthctl doctor NAME, with a login name that has an sFTP account too' "$sftp does not exist"
    fi
}

# ---- PAM ---------------------------------------------------------------------------------------------

# pam_stack TYPE: what is wrong with pam_cloud.so in sshd's stack of that type; nothing if it stands first. Lines of
# included files and substacks count in their place (pam.d(5)). pam_localuser.so may jump over pam_cloud.so, which local
# users do not need.
pam_stack() {
    awk -v type="$1" '
    function read_file(service, line, n, control, module, i, file) {
        file = "/etc/pam.d/" service
        if (service ~ /\// || file in under_way)
            return
        under_way[file]
        while (!found && (getline line <file) > 0) {
            sub(/#.*/, "", line)
            sub(/^[ \t]*-?/, "", line)
            n = split(line, word, /[ \t]+/)
            control = word[2]
            for (i = 3; control ~ /^\[/ && control !~ /\]$/ && i <= n; i++)
                control = control " " word[i]
            module = word[i]
            if (word[1] == "@include")
                read_file(control)
            else if (word[1] == type && control ~ /^(include|substack)$/)
                read_file(module)
            else if (word[1] == type && module != "")
                take(control, module)
        }
        close(file)
        delete under_way[file]
    }
    function take(control, module, name, rest, jump) {
        lines++
        name = module
        sub(/.*\//, "", name)
        if (name == "pam_cloud.so") {
            found = 1
            jumped = reach >= lines
            weak = control !~ /^(requisite|required)$/ && control !~ /default=(die|bad)/
            return
        }
        for (rest = control; match(rest, /=[0-9]+/); rest = substr(rest, RSTART + RLENGTH))
            if (substr(rest, RSTART + 1, RLENGTH - 1) + 0 > jump)
                jump = substr(rest, RSTART + 1, RLENGTH - 1) + 0
        if (name != "pam_localuser.so" && lines + jump > reach) {
            reach = lines + jump
            over = control " " name
        }
        if (before == "" && (control ~ /^sufficient$|(success|default)=done/ || name ~ /^pam_(unix|permit)\.so$/))
            before = control " " name
    }
    BEGIN {
        read_file("sshd")
        if (!found)
            print "pam_cloud.so is not in sshd\047s stack"
        else if (before != "" && type != "session")
            print "`" before "` stands before pam_cloud.so, and may decide without it"
        else if (jumped)
            print "`" over "` stands before pam_cloud.so, and may jump over it"
        else if (weak)
            print "a refusal by pam_cloud.so does not count: it is neither requisite nor required"
    }'
}

check_pam() {
    for type in auth account session; do
        fault=$(pam_stack $type)
        if [ "$fault" ]; then
            row pam-$type BAD "pam-auth-update --enable cloudauth  # --force undoes local changes; /etc/pam.d/sshd must include common-auth, -account and -session" "$fault"
        else
            row pam-$type ok '' 'pam_cloud.so stands first'
        fi
    done
}

# ---- Owners and modes --------------------------------------------------------------------------------

# is_guarded PATH: whether only root can change what the path leads to: each directory above it belongs to root, is
# writable by no other user, and is no symbolic link.
is_guarded() {
    above=$1
    case $above in /*) ;; *) return 1 ;; esac
    while [ "$above" != / ]; do
        above=${above%/*}
        above=${above:-/}
        read -r uid mode <<END
$(stat -c '%u 0x%f' -- "$above")
END
        [ "$uid" = 0 ] && [ $((mode & 0170022)) = $((0040000)) ] || return 1
    done
}

# place CHECK OWNER TYPE NEVER ALWAYS PATH: reports a path that is not as it must be. OWNER is root (a link will do: the
# directory belongs to the host itself), package (root, of our packages), daemon or secret (the daemon's, of the
# settings). NEVER and ALWAYS are the bits of the mode that must not, and that must be set.
place() {
    links='' owner=root want=0
    case $2$3 in
    secret*) make='# install -o cloudauth -g cloudauth -m 400 NEW_FILE %s' ;;
    daemon*) make=$restart ;;
    *0040000) make='install -d -o root -g root -m 755 %s' ;;
    *) make='apt-get install --reinstall cloudauth  # or make install' ;;
    esac
    case $2 in
    root) links=-L ;;
    daemon | secret) owner=cloudauth want=${daemon_uid:-none} ;;
    esac
    if ! seen=$(stat $links -c '%u 0x%f' -- "$6" 2>&1); then
        row "$1" BAD "$make" "$6: ${seen##*: }" "$6"
        return 1
    fi
    uid=${seen% *} mode=${seen#* }
    if [ $((mode & 0170000)) != $(($3)) ]; then
        make="rm %s && $make"
        [ "$2" != secret ] || make='namei -l %s'
        row "$1" BAD "$make" "$6: something else is in its place" "$6"
        return 1
    fi
    [ "$uid" != "$want" ] || [ $((mode & ($4 | $5))) != $(($5)) ] || return 0
    fixed=$(printf %03o $(((mode | $5) & ~$4 & 0777)))
    repair "$2" "$3" "$6"
    row "$1" BAD "$remedy" "$6: owner $uid, mode $(printf %03o $((mode & 07777)))" "$6"
    return 1
}

# repair OWNER TYPE PATH: sets the command that gives the path its owner and mode. As root it runs only if no other user
# can meanwhile put something else at the path. In the daemon's directories the daemon's user runs it, or the daemon is
# restarted and makes the path anew. chown -h follows no link: the daemon's user could have made one.
repair() {
    real=$3
    case $1 in root | package) real=$(realpath -e -- "$3") ;; esac
    case $2$3 in
    0140000*) remedy=$restart ;;
    *$state/*)
        remedy="runuser -u cloudauth -- chmod $fixed %s"
        [ "$uid" = "$want" ] || remedy=$own_state
        ;;
    *)
        remedy="chmod $fixed %s"
        [ "$uid" = "$want" ] || remedy="chown $owner:$owner %s && chmod $fixed %s"
        at_uid=$uid at_mode=$mode
        is_guarded "$real" ||
            remedy="namei -l %s  # all above it must be root's, writable by no other user; then cloudauthctl doctor again"
        uid=$at_uid mode=$at_mode
        ;;
    esac
}
own_state="systemctl stop cloudauthd; chown -hR cloudauth:cloudauth $state; systemctl start cloudauthd"

# found DIRECTORY OPTION...: what find(1) prints of the files below it. False if that takes 10 seconds.
found() {
    directory=$1
    shift
    timeout -k 1 10 find "$directory" -mindepth 1 "$@"
    [ $? -lt 124 ]
}
slow() { row "$1" unknown 'journalctl -k -n 20  # does it tell of the disk?' "$state: the disk does not answer within 10 seconds"; }

# The daemon does not start if root restored a backup of its files, or if they have the user id of another host.
check_kept() {
    [ "$daemon_uid" ] || return 0
    strangers=$(found $state ! -uid "$daemon_uid" -printf x) || {
        slow files
        return 1
    }
    [ "$strangers" ] || return 0
    row files BAD "$own_state" \
        "${#strangers} files below $state do not belong to user cloudauth, $(found $state ! -uid "$daemon_uid" -print -quit) among them"
    return 1
}

check_files() {
    all=yes
    while read -r owner_of type never always path; do
        place files "$owner_of" "$type" "$never" "$always" "$path" || all=''
    done <<END
package 0040000 022 0555 /etc/cloudauth
package 0100000 022 0444 $conf
root    0040000 022 0111 /
root    0040000 022 0555 /usr
root    0040000 022 0555 /usr/libexec
package 0040000 022 0555 /usr/libexec/cloudauth
package 0100000 022 0555 /usr/libexec/cloudauth/cloud-authkeys
package 0100000 022 0500 /usr/sbin/cloudauthd
root    0040000 022 0111 /srv
package 0040000 022 0555 /srv/sftp
daemon  0040000 022 0555 /run/cloudauth
daemon  0140000 000 0666 /run/cloudauth/socket
daemon  0040000 022 0555 $state
daemon  0040000 077 0700 $state/documents
END
    check_kept || all=''
    [ -z "$all" ] || row files ok '' 'owners and modes are as they must be'
    # A name without '/' is one of systemd's credentials, which other processes cannot see.
    while read -r path; do
        case $path in /*) ! place secrets secret 0100000 077 0400 "$path" || row secrets ok '' "$path" ;; esac
    done <<END
$secrets
END
    [ ! -e $state/accounts.snapshot ] || place snapshot daemon 0100000 022 0444 $state/accounts.snapshot
}

# ---- Ids and the clock -------------------------------------------------------------------------------

# clash FILE DETAIL ADVICE
clash() {
    found=yes
    row ranges BAD "editor $1 $conf  # $3" "$1: $2"
}

# each_line FUNCTION TEXT ARGUMENT...: calls the function with each line, and the arguments behind it.
each_line() {
    function=$1 text=$2
    shift 2
    while read -r line; do
        [ -z "$line" ] || "$function" "$line" "$@"
    done <<END
$text
END
}

clash_subordinate() {
    clash "$2" "$1 overlaps $uid_min-$uid_max: that user's containers could run as a cloud account" \
        'set uid_min above that range, or give the user another range'
}
clash_local() {
    clash "$2" "$1, which is in the range of cloud accounts" 'give it another id, or set uid_min and uid_max'
}
clash_foreign() {
    found=yes
    row ranges BAD "editor $conf  # set uid_min and uid_max to a range without it" \
        "${1% has the id *} of another name service has the id ${1##* }, which is in the range of cloud accounts"
}

# in_range: of lines NAME:X:ID:... the entries with an id in the range of cloud accounts.
in_range() {
    awk -F: -v min="$uid_min" -v max="$uid_max" \
        '/^[^#+-]/ && $3 ~ /^[0-9]+$/ && $3 + 0 >= min && $3 + 0 <= max { print $1 " has the id " $3 }'
}

check_ranges() {
    if [ "$no_settings" ]; then
        row ranges unknown 'cloudauthctl doctor  # again, when the settings are ok' 'the settings cannot be read'
        return
    fi
    found='' sub_min=0 sub_max=0
    # shellcheck disable=SC2094 # clash is only given its name
    while read -r name value rest; do
        case ${value:-x} in *[!0-9]*) continue ;; esac
        case $name in
        SUB_UID_MIN) sub_min=$value ;;
        SUB_UID_MAX) sub_max=$value ;;
        UID_MAX | GID_MAX)
            [ "$value" -lt "$uid_min" ] ||
                clash /etc/login.defs "$name $value is not below uid_min $uid_min: useradd(8) could give a cloud account's id to a local user" \
                    'UID_MAX and GID_MAX must be less than uid_min'
            ;;
        esac
    done </etc/login.defs
    [ "$uid_min" -gt "$sub_max" ] || [ "$uid_max" -lt "$sub_min" ] ||
        row ranges note '# uid_min and uid_max for new hosts: 70000-99999 or 1879048192-2147352575; here SUB_UID_MIN, SUB_GID_MIN in /etc/login.defs above uid_max' \
            "useradd(8) gives out $sub_min-$sub_max as subordinate ids, among them those of cloud accounts"
    for file in /etc/subuid /etc/subgid; do
        each_line clash_subordinate "$(awk -F: -v min="$uid_min" -v max="$uid_max" \
            '$3 > 0 && $2 + 0 <= max && $2 + $3 - 1 >= min' $file)" $file
    done
    for file in /etc/passwd /etc/group; do
        each_line clash_local "$(in_range <$file)" $file
    done
    # A service lists what it lets getent(1) list; one that hangs is given up.
    for database in passwd group; do
        for service in $(services $database); do
            case $service in files | compat | cloud | *[!A-Za-z0-9_]*) continue ;; esac
            each_line clash_foreign "$(timeout 10 getent -s "$service" $database | in_range | head -n 1)"
        done
    done
    [ "$found" ] || row ranges ok '' "ids $uid_min-$uid_max belong to cloud accounts alone"
}

# The clock must not stand before the time at which a document was stored.
check_clock() {
    newer=$(found $state/documents -newermt '5 seconds' -print -quit) || {
        slow clock
        return
    }
    if [ "$newer" ]; then
        row clock BAD 'timedatectl set-ntp true' 'the clock stands before the newest stored document: none of them is used'
    elif [ "$clock" != 'is off' ]; then
        row clock ok '' "it ${clock:-does not stand before what is stored}"
    fi
}

# ---- The host ----------------------------------------------------------------------------------------

# People with sFTP may set a set-user-ID bit on a file in a home, and the nosuid of their own session does not hold
# outside of it.
check_homes() {
    for pattern in $homes; do
        set +f
        for home in $pattern; do
            [ ! -e "$home" ] || findmnt -no OPTIONS -T "$home" | grep -qw nosuid && continue
            row homes note 'findmnt -T %s  # add nosuid to its options' \
                "$home is on a file system without nosuid: people with sFTP alone can leave programs there that run as the account when another user starts them" \
                "$home"
            break
        done
        set -f
    done
}

# hidepid= hides processes from all users but the group of gid= (proc(5)); its value `ptraceable` hides them from that
# group too.
check_proc() {
    remedy='mount -o remount,hidepid=0 /proc  # in /etc/fstab as well; or hidepid=2 with gid= of group cloudauth'
    detail='/proc hides processes: cloudauthd cannot find the sshd process behind a question, and refuses every login'
    case ",$(awk '$2 == "/proc" { options = $4 } END { print options }' /proc/self/mounts)," in
    *,hidepid=4,* | *,hidepid=ptraceable,*) row proc BAD "$remedy" "$detail" ;;
    *,hidepid=0,* | *,hidepid=off,* | *",gid=$daemon_gid,"*) row proc ok '' '/proc shows processes' ;;
    *,hidepid=*) row proc BAD "$remedy" "$detail" ;;
    *) row proc ok '' '/proc shows processes' ;;
    esac
}

# Open sessions are files in /run/cloudauth, which systemd removes as the daemon stops, unless the unit as it is loaded
# says otherwise: one from before an upgrade, or a copy of it, does not.
check_runtime() {
    [ "$(stat -f -c %T /run)" = tmpfs ] ||
        row runtime note 'findmnt -T /run  # make it a tmpfs' \
            '/run is no tmpfs: logins wait for its disk, which keeps the files of sessions past a boot'
    [ -d /run/systemd/system ] || return
    loaded=" $(timeout 10 systemctl show -p LoadState -p NeedDaemonReload -p RuntimeDirectoryPreserve cloudauthd.service |
        tr '\n' ' ')"
    remedy="mkdir -p $own_unit && { echo '[Service]'; echo RuntimeDirectoryPreserve=yes; } >$own_unit/preserve.conf && systemctl daemon-reload  # or correct the copy of the unit"
    detail='systemd removes /run/cloudauth as cloudauthd stops: each restart forgets the open sessions'
    case $loaded in
    *' LoadState=loaded '*) ;;
    *) return ;;
    esac
    case $loaded in
    *' RuntimeDirectoryPreserve=yes '*) row runtime ok '' 'a restart keeps the open sessions' ;;
    *' NeedDaemonReload=yes '*) row runtime BAD 'systemctl daemon-reload' "$detail" ;;
    *' RuntimeDirectoryPreserve='*) row runtime BAD "$remedy" "$detail" ;;
    esac
}
own_unit=/etc/systemd/system/cloudauthd.service.d

# http_port URL: the port of a plain http URL, or 0.
http_port() {
    host=${1#*://}
    host=${host%%/*}
    host=${host##*\]}
    case $1-$host in
    [Hh][Tt][Tt][Pp]://*-*:*) echo "${host##*:}" ;;
    [Hh][Tt][Tt][Pp]://*) echo 80 ;;
    *) echo 0 ;;
    esac
}

# Only root may be able to answer plain http in the API's place: on a port below 1024 (ip(7)), or at a socket that no
# other user can replace.
check_ports() {
    port=0
    for url in $urls; do
        [ "$(http_port "$url")" -le "$port" ] || port=$(http_port "$url")
    done
    first=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
    [ "$port" -gt 0 ] || return
    if [ "$api_socket" ]; then
        real=$(realpath -e -- "$api_socket")
        is_guarded "$real" ||
            row ports BAD "namei -l %s  # all above it must be root's" \
                "$api_socket is missing, or another user than root could replace it and answer in the API's place" "$api_socket"
    elif [ "$port" -ge "${first:-1024}" ]; then
        row ports BAD 'sysctl -w net.ipv4.ip_unprivileged_port_start=1024' \
            "every user can listen on ports from $first on, and could answer in the API's place"
    fi
}

# probe CHECK OUTPUT WELL BEFORE AFTER REMEDY: the last line of the output of a command is a fault, and its text stands
# between the other two. Without output there is none.
probe() {
    if [ "$2" ]; then
        row "$1" BAD "$6" "$4$(last_line "$2")$5"
    else
        row "$1" ok '' "$3"
    fi
}

check_programs() {
    probe unit "$([ ! -d /run/systemd/system ] || systemctl --root=/ is-enabled cloudauthd.service 2>&1 |
        grep -xvE 'enabled|enabled-runtime|static|alias|indirect|generated')" \
        'systemd starts cloudauthd at boot' 'systemctl is-enabled cloudauthd: ' ': no account after a boot' \
        'systemctl unmask cloudauthd; systemctl enable --now cloudauthd'
    probe sshd-capabilities "$(caps=$(sed -n 's/^CapBnd:[[:space:]]*//p' "/proc/$(cat /run/sshd.pid)/status") &&
        [ "$caps" ] && [ $((0x$caps >> 21 & 1)) = 0 ] && echo CAP_SYS_ADMIN)" \
        'sshd may mount the directories of sFTP sessions' \
        'sshd lacks ' ', with which pam_cloud.so mounts the directories of sFTP sessions' \
        "systemctl cat ssh.service | grep -nE 'CapabilityBoundingSet|RestrictNamespaces|PrivateUsers'  # let it have CAP_SYS_ADMIN; in a container, see pam_cloud(8)"
    probe apparmor "$(journalctl -b -q -n 1 --no-pager -o cat _TRANSPORT=audit + _TRANSPORT=kernel \
        -g 'apparmor="DENIED".*profile="(cloudauthd|cloud-authkeys)"')" \
        'it has denied nothing to cloudauth since the boot' '' '' \
        'editor /etc/apparmor.d/local/usr.sbin.cloudauthd /etc/apparmor.d/local/usr.libexec.cloudauth.cloud-authkeys  # allow it there, then systemctl reload apparmor'
    probe nscd "$([ -S /run/nscd/socket ] &&
        grep -hE '^[[:space:]]*enable-cache[[:space:]]+(passwd|group)[[:space:]]+yes' /etc/nscd.conf)" \
        'no nscd caches accounts' \
        'nscd caches passwd or group (' '): it answers a uid with the name of the sFTP account, and keeps what an outage or a removed account left' \
        "sed -i -E '/^[[:space:]]*enable-cache[[:space:]]+(passwd|group)[[:space:]]/s/yes/no/' /etc/nscd.conf && systemctl restart nscd"
}

check_users
check_groups
check_nsswitch
check_sshd
check_pam
check_files
check_ranges
check_clock
check_homes
check_ports
check_proc
check_runtime
check_programs
