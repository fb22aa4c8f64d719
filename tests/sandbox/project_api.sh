# shellcheck shell=bash disable=SC2317,SC2119,SC2120 # called by those who source this
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests that need the project API of etc/examples/api beside the host:
#
#   project_api_start [OPTION...]     begins anew, with the documents of $PRISTINE and host web1
#   project_api_stop
#   by_project_api [SETTING...]       the daemon asks it, by its credential, and listens to its feed
#   link USER                         prints the one-time link that the page sends
#   sign_in USER                      by a link; $token is what the command would keep
#   page_sign_in USER                 by a link; $jar has the cookie of the page
#   ask METHOD PATH [JSON [CURL OPTION...]]   as the holder of $token, if it is set; prints the status, and then the body
#   page METHOD PATH [JSON [CURL OPTION...]]   as the page asks
#   code                              prints the next code of the second factor, which it waits for
#   cloud COMMAND...
#   key_json FILE [TITLE]             the JSON of a key to add
#   add_key FILE [TITLE], remove_key ID      add_key sets $added, the id
#   instead_of_files                  it serves the documents from now on, with the words of host.sh

PROJECT_API=${PROJECT_API:-http://127.0.0.1:882}
API_DIR=/root/api
PROJECT_API_LOG=/root/api.log
API_PY=$REPO/etc/examples/api/api.py
API_ADMIN=$REPO/etc/examples/api/admin
# shellcheck disable=SC2034 # for those who source this
FORM=(-d grant_type=client_credentials)

project_api_start() {
    project_api_stop
    : >$PROJECT_API_LOG
    echo none >/root/last-code
    if [[ ! -d $API_DIR.pristine ]]; then
        "$API_ADMIN" $API_DIR.pristine import "$PRISTINE"/*/*.json
        "$API_ADMIN" $API_DIR.pristine host web1 >/root/web1.secret
    fi
    rm -rf $API_DIR
    cp -a $API_DIR.pristine $API_DIR
    project_api_serve "$@"
}

project_api_serve() {
    "$API_PY" $API_DIR --port "${PROJECT_API##*:}" --ssh "localhost:$SSH_PORT" "$@" </dev/null >>$PROJECT_API_LOG 2>&1 &
    echo $! >/run/project-api.pid
    disown
    wait_for listening "${PROJECT_API##*:}"
}

# listening PORT: whether something does, without a connection that it would have to serve.
listening() { ss -Hltn "sport = :$1" | grep -q .; }

project_api_stop() {
    [[ ! -s /run/project-api.pid ]] || stop "$(cat /run/project-api.pid)"
    rm -f /run/project-api.pid
}

by_project_api() {
    install -m 400 -o cloudauth /root/web1.secret /etc/cloudauth/client
    configure "access_url = $PROJECT_API/$API_PATH" "token_url = $PROJECT_API/oauth2/token" \
        'client_id_file = /etc/cloudauth/client' "changes_url = $PROJECT_API/v1/changes" "$@"
    daemon_stop
    daemon_start
}

feed_live() { [[ $(cloudauthctl status --json) =~ \"feed\":\ *\"live\" ]]; }

link() {
    token='' ask POST /v1/link "{\"username\": \"$1\"}" >/dev/null
    sed -n 's/^sign in: //p' $PROJECT_API_LOG | tail -n 1
}

sign_in() {
    local link
    link=$(link "$1")
    token=$(token='' ask POST /v1/session "{\"link\": \"${link#*#}\", \"for\": \"command\"}" | sed -n 's/^201 .*: "\(.*\)"}/\1/p')
    [[ -n $token ]]
}

page_sign_in() {
    local link
    token='' jar=/root/jar link=$(link "$1")
    ask POST /v1/session "{\"link\": \"${link#*#}\", \"for\": \"page\"}" -c $jar >/dev/null
    [[ $(ask GET /v1/me '' -b $jar) == '200 '* ]]
}

code() {
    wait_for new_code
    new_code | tee /root/last-code
}
new_code() { sed -n 's/^code: //p' $PROJECT_API_LOG | tail -n 1 | grep -vxFf /root/last-code; }

cloud() { "$REPO/etc/examples/api/cloud" "$@"; }

page() {
    token='' ask "$1" "$2" "${3-}" -b "$jar" -H "Origin: $PROJECT_API" "${@:4}"
}

ask() {
    local answer
    answer=$(curl -s -m 20 -w '\n%{http_code}' -X "$1" ${token:+-H "Authorization: Bearer $token"} \
        -H "Content-Type: ${type-application/json}" ${3:+-d "$3"} "${@:4}" "$PROJECT_API$2")
    echo "${answer##*$'\n'} ${answer%$'\n'*}"
}

key_json() {
    printf '{"value": "%s", "title": "%s"}' "$(cat "$1")" "${2-}"
}

add_key() {
    local answer
    answer=$(ask POST /v1/me/ssh-keys "$(key_json "$@")")
    added=$(sed -n 's/^201 .*"key_id": \([0-9]*\).*/\1/p' <<<"$answer")
    [[ -n $added ]] || {
        echo "$answer"
        return 1
    }
}

remove_key() {
    contains "$(ask DELETE "/v1/me/ssh-keys/$1")" '^204 '
}

instead_of_files() {
    local word
    for word in configure document host_reset; do
        eval "by_file_$(declare -f $word)"
    done
    configure() {
        by_file_configure 'keys_fresh = 0' "$@"
        sed -i "s|^access_url = .*|access_url = $PROJECT_API/$API_PATH|" "$CONF"
    }
    document() {
        by_file_document "$@" && "$API_ADMIN" "$API_DIR" import "$ACCESS/$1/$2.json"
    }
    host_reset() {
        project_api_start --open && by_file_host_reset
    }
}
