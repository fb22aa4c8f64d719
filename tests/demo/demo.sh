#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh: what cloudauth does, shown with Debian's own sshd, ssh and sftp, as root. It happens in a
# sandbox (private namespaces on a throw-away overlay): nothing of this machine changes, and nothing
# is left. The exit status is 0 only if every step did what it should.
#
# KEEP=1: stays up afterwards on a free port of 127.0.0.1 until Ctrl-C, to be tried by hand.
set -uo pipefail

HERE=$(cd "$(dirname "$0")" && pwd -P)

# ---- Outside ---------------------------------------------------------------------------------------

# free_port FIRST LAST
free_port() {
    local port
    for ((port = $1; port <= $2; port++)); do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
            echo "$port"
            return
        }
    done
    return 1
}

run_kept() {
    local directory status=0
    SSH_PORT=$(free_port 2222 2299) || { echo "demo.sh: no free port from 2222 to 2299" >&2 && exit 1; }
    # A port that root alone may listen on: cloudauthd speaks plain http to no other.
    PROJECT_API=http://127.0.0.1:$(free_port 880 949) || { echo "demo.sh: no free port from 880 to 949" >&2 && exit 1; }
    directory=$(mktemp -d /tmp/cloudauth-demo.XXXXXX) || exit 1
    export SSH_PORT PROJECT_API KEYS=$directory KEEP=1
    # In the background, so that a TERM is heard; env(1), because INT is ignored there.
    env --default-signal=INT,QUIT "$HERE/../sandbox/enter.sh" --host-net --bind "$directory" \
        "$HERE/demo.sh" --inside <&0 &
    # shellcheck disable=SC2064 # the directory of now
    trap "kill \$! 2>/dev/null; wait \$! 2>/dev/null; rm -rf '$directory'" EXIT
    trap : INT
    trap 'exit 143' TERM HUP
    wait $! || status=$?
    while kill -0 $! 2>/dev/null; do
        status=0
        wait $! || status=$?
    done
    exit "$status"
}

outside() {
    [[ $(id -u) == 0 ]] || { echo "demo.sh: needs root" >&2 && exit 1; }
    [[ ${KEEP:-0} == 0 || -z $KEEP ]] || run_kept
    unset KEEP
    KEYS=/root/keys exec "$HERE/../sandbox/enter.sh" "$HERE/demo.sh" --inside
}

# ---- Inside: the steps -----------------------------------------------------------------------------

steps=0 failures=0
bold='' green='' red='' plain=''
if [[ -t 1 ]]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

step() {
    steps=$((steps + 1))
    printf '\n%s%2d. %s%s\n' "$bold" "$steps" "$1" "$plain"
}

# show enters|refused|works REGEX COMMAND: runs the very command that it prints.
show() {
    local want=$1 regex=$2 command=$3 output status=0 good=no
    printf '    $ %s\n' "${command//$'\n'/$'\n'      }"
    output=$(eval "$command" 2>&1 </dev/null) || status=$?
    [[ -z $output ]] || printf '    %s\n' "${output//$'\n'/$'\n'    }"
    case $want in
    refused) [[ $status -eq 255 ]] && good=yes ;;
    *) [[ $status -eq 0 ]] && good=yes ;;
    esac
    grep -qE -- "$regex" <<<"$output" || good=no
    if [[ $good == yes ]]; then
        printf '    %s✓ %s%s\n' "$green" "$want" "$plain"
    else
        failures=$((failures + 1))
        printf '    %s✗ should be: %s, with output like: %s (exit status %s)%s\n' \
            "$red" "$want" "$regex" "$status" "$plain"
    fi
}

# took LIMIT WHAT COMMAND...: how many milliseconds it takes until the command succeeds; more than LIMIT is a failure.
took() {
    local limit=$1 what=$2 begun=${EPOCHREALTIME/[.,]/} milliseconds
    shift 2
    PAUSE=5 WAIT=10 wait_for "$@" </dev/null
    milliseconds=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
    if ((milliseconds < limit)); then
        printf '    %s✓ %s ms %s%s\n' "$green" $milliseconds "$what" "$plain"
    else
        failures=$((failures + 1))
        printf '    %s✗ %s ms %s; %s are the most%s\n' "$red" $milliseconds "$what" "$limit" "$plain"
    fi
}

key_id() { page GET /v1/me | sed -n "s/.*{\"key_id\": \([0-9]*\), \"title\": \"$1\".*/\1/p"; }

# The host asks the project API of etc/examples/api, and listens to its changes.
project_api() {
    project_api_start --sessions 'cloudauthctl sessions --json' &&
        by_project_api && wait_for feed_live && page_sign_in bob &&
        ssh-keygen -q -t ed25519 -N '' -C bob@tablet -f "$KEYS/tablet" && mkfifo /root/silence
}

# So that the commands shown are short, and are all there is.
ssh_client() {
    install -d -m 700 /root/.ssh
    ln -sfn "$KEYS" /root/people
    cat >/root/.ssh/config <<END
Host localhost
    Port $SSH_PORT
    AddressFamily inet
    BatchMode yes
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile /root/known_hosts
END
}

# shellcheck disable=SC2016 # of the commands that are shown
demo() {
    step "Debian's own sshd, and accounts that are in no file of this host"
    show works 'openssh-server' "dpkg-query -W openssh-server"
    show works '^passwd:.*cloud' "grep -E '^(passwd|group)' /etc/nsswitch.conf"
    show works '^changes_url' "grep -E '^(access_url|changes_url|token_url|allow)' $CONF"
    show works '^abcdefghij_stg:\*:200002:200002:' 'getent passwd abcdefghij abcdefghij_stg'

    step "Alice is an admin: production"
    show enters 'uid=200001\(abcdefghij\)' 'ssh -i people/alice abcdefghij@localhost "id; pwd"'

    step "Bob is a contributor: staging. The login name is shared, the session is his"
    show enters 'CLOUDAUTH_USER=bob' \
        'ssh -i people/bob abcdefghij_stg@localhost "id -un; env | grep ^CLOUDAUTH_ | sort"'

    step "Bob is not on production"
    show refused 'Permission denied' 'ssh -i people/bob abcdefghij@localhost id'

    step "Carol is a viewer, and is told so"
    show refused 'your role viewer may not use SSH here' \
        'ssh -i people/carol abcdefghij_stg@localhost id'

    step "The second staging environment is asleep"
    show refused 'staging2.* is paused' 'ssh -i people/alice abcdefghij_stg2@localhost id'

    step "A grid environment, in one of its applications"
    show enters 'CLOUDAUTH_APPLICATION=mymagento' \
        'ssh -i people/bob abcdefg123abc-smith-a12b34c--mymagento@localhost "id -u; env | grep ^CLOUDAUTH_ | sort"'
    show refused 'your role contributor may not use SSH here' \
        'ssh -i people/bob abcdefg123abc-smith-a12b34c--backoffice@localhost id'

    step "The media agency uploads by sFTP, sees two directories of the home, and gets no shell"
    echo 'a picture' >/root/banner.jpg
    show works 'banner.jpg' \
        'printf "pwd\nls /\ncd pub/media\nput banner.jpg\nls -l\n" | sftp -q -b - -i people/media-agency abcdefghij_sftp@localhost'
    show works '200001 200001' 'stat -c "%u %g %s %n" /app/abcdefghij/pub/media/banner.jpg'
    show refused '_sftp' 'ssh -i people/media-agency abcdefghij@localhost id'

    step "A customer's terminal: the command \`cloud\` finds the way"
    show works 'Signed in as bob' 'cloud login "$(link bob)"'
    show works '^abcdefghij$' 'cloud project:list'
    show works '^staging .*contributor$' 'cloud environment:list -p abcdefghij'

    step "A second factor gets Bob a certificate for an hour: he enters without any key at the project"
    show works 'for an hour' 'code | cloud ssh-cert:load'
    show works 'id_ed25519-cert.pub|user certificate' 'ssh-keygen -L -f ~/.config/cloud/id_ed25519-cert.pub | head -n 8'
    show enters 'CLOUDAUTH_USER=bob' 'cloud ssh -p abcdefghij -e staging "env | grep ^CLOUDAUTH_USER"'

    step "Bob adds a key on the page: it opens his next login"
    show works '^201 ' 'page POST /v1/me/ssh-keys "$(key_json people/tablet.pub tablet)"'
    took 5000 "until a login with it was through" ssh -i people/tablet abcdefghij_stg@localhost true

    step "Bob removes it on the page while it has a session open: the session ends"
    ssh -i people/tablet abcdefghij_stg@localhost 'echo inside; exec cat' <>/root/silence >/root/open 2>&1 &
    open=$!
    wait_for grep -q inside /root/open
    show works "abcdefghij_stg" 'page GET /v1/projects/abcdefghij/environments/staging/sessions'
    show works '^204 ' 'page DELETE "/v1/me/ssh-keys/$(key_id tablet)"'
    took 1000 "until its session had ended" gone $open
    show refused 'Permission denied' 'ssh -i people/tablet abcdefghij_stg@localhost id'

    step "Every decision is one line of the audit log, with the person in it"
    show works 'grant account=abcdefghij_stg .*user=bob' \
        "grep -oE 'cloudauthd.*(grant|refuse) account=.*' $AUTH_LOG"
}

stay() {
    cat <<END

The host stays up. From another terminal of this machine (alice, bob, carol, media-agency):

    ssh -p $SSH_PORT -i $KEYS/alice -o IdentitiesOnly=yes -o UserKnownHostsFile=$KEYS/known_hosts abcdefghij_stg@127.0.0.1

The page, on which you can add a key of your own, is here; the link signs alice in, once:

    $(link alice)

Other users ask for a link at $PROJECT_API/, and it is printed below. A root shell on the host, for cloudauthctl:

    nsenter -t $SANDBOX_PID -a

Ctrl-C ends it all.

END
    cp /root/known_hosts "$KEYS/known_hosts"
    trap 'exit 0' INT TERM HUP
    tail -n 0 -f $PROJECT_API_LOG | grep --line-buffered -E '^(sign in|code): ' &
    wait $!
}

inside() {
    # shellcheck source=tests/sandbox/host.sh
    . "$HERE/../sandbox/host.sh"
    # shellcheck source=tests/sandbox/project_api.sh
    . "$HERE/../sandbox/project_api.sh"
    echo "cloudauth: a stock sshd lets in exactly whom the project API names"
    echo "In a sandbox on $(uname -n): Debian $(</etc/debian_version), $(nproc) CPUs. Nothing of it stays."
    if ! { host_up && project_api; } >/root/host_up.log 2>&1; then
        cat /root/host_up.log
        echo "demo.sh: the sandbox host does not come up" >&2
        exit 1
    fi
    cd /root || exit 1
    ssh_client
    demo
    if [[ $failures -eq 0 ]]; then
        printf '\n%s✓ All %d steps did what they should.%s\n' "$green" "$steps" "$plain"
    else
        printf '\n%s✗ %d of the commands did not do what they should.%s\n' "$red" "$failures" "$plain"
    fi
    [[ ${KEEP-} != 1 ]] || stay
    [[ $failures -eq 0 ]]
    exit
}

if [[ ${1-} == --inside ]]; then
    inside
else
    outside
fi
