# shellcheck shell=bash disable=SC2317 # called by those who source this
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests that need the project API of etc/examples/api beside the host:
#
#   project_api_start [OPTION...]     begins anew, with the documents of $PRISTINE and host web1
#   project_api_stop
#   by_project_api [SETTING...]       the daemon asks it, by its credential, and listens to its feed
#   sign_in USER                      by a link; $token is what the command would keep
#   ask METHOD PATH [JSON [CURL OPTION...]]   as the holder of $token, if it is set; prints the status, and then the body
#   key_json FILE [TITLE]             the JSON of a key to add
#   add_key FILE [TITLE], remove_key ID      add_key sets $added, the id
#   instead_of_files                  it serves the documents from now on, with the words of host.sh

PROJECT_API=http://127.0.0.1:882
API_DIR=/root/api
PROJECT_API_LOG=/root/api.log
API_PY=$REPO/etc/examples/api/api.py
# shellcheck disable=SC2034 # for those who source this
FORM=(-d grant_type=client_credentials)

project_api_start() {
    project_api_stop
    : >$PROJECT_API_LOG
    if [[ ! -d $API_DIR.pristine ]]; then
        "$API_PY" $API_DIR.pristine import "$PRISTINE"/*/*.json
        "$API_PY" $API_DIR.pristine host web1 >/root/web1.secret
    fi
    rm -rf $API_DIR
    cp -a $API_DIR.pristine $API_DIR
    project_api_serve "$@"
}

project_api_serve() {
    "$API_PY" $API_DIR serve --listen "${PROJECT_API#*//}" --ssh "localhost:$SSH_PORT" "$@" </dev/null >>$PROJECT_API_LOG 2>&1 &
    echo $! >/run/project-api.pid
    disown
    wait_for listening 882
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

feed_live() { [[ $(cloudauthctl status --json | jq -r .feed) == live ]]; }

sign_in() {
    local link
    curl -sf -H 'Content-Type: application/json' -d "{\"username\": \"$1\"}" $PROJECT_API/v1/link
    link=$(sed -n 's/^sign in: .*#//p' $PROJECT_API_LOG | tail -n 1)
    token=$(curl -sf -H 'Content-Type: application/json' -d "{\"link\": \"$link\", \"for\": \"command\"}" \
        $PROJECT_API/v1/session | sed 's/.*: "\(.*\)"}/\1/')
    [[ -n $token ]]
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
        by_file_document "$@" && "$API_PY" "$API_DIR" import "$ACCESS/$1/$2.json"
    }
    host_reset() {
        project_api_start --open && by_file_host_reset
    }
}
