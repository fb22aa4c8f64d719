# shellcheck shell=bash disable=SC2016 # JavaScript
# SPDX-License-Identifier: Apache-2.0
# The page of etc/examples/api in a real browser, with a real ssh and host behind it. Each step is in build/e2e/*.png.

# shellcheck source=tests/sandbox/project_api.sh
. "$REPO/tests/sandbox/project_api.sh"
# shellcheck source=tests/sandbox/sessions.sh
. "$REPO/tests/sandbox/sessions.sh"
# shellcheck source=tests/sandbox/browser.sh
. "$REPO/tests/sandbox/browser.sh"

before_all() {
    ssh-keygen -q -t ed25519 -N '' -C 'bob@tablet' -f "$KEYS/tablet"
    install -d -m 700 /root/.ssh
    printf '%s\n' 'BatchMode yes' 'IdentitiesOnly yes' "IdentityFile $KEYS/tablet" 'UserKnownHostsFile /root/known_hosts' \
        'AddressFamily inet' >/root/.ssh/config
    mkfifo /root/silence.page
    project_api_start --sessions 'cloudauthctl sessions --json'
    browser_start
}

# enter_page USER: by the form and the link that it sends.
enter_page() {
    visit "$PROJECT_API/"
    shows '#sign-in h2' 'Sign in'
    fill '#user' "$1"
    press "$ENTER"
    shows '#link-sent' 'the link is there now'
    visit "$(sed -n 's/^sign in: //p' $PROJECT_API_LOG | tail -n 1)"
    shows '#username' "^$1\$"
}

leave_page() { driver DELETE "$PAGE/cookie" >/dev/null; }

focused() { script 'return document.activeElement.id || document.activeElement.textContent'; }

# tab_to TEXT: by the tabulator to the element of that id or text.
tab_to() {
    for _ in {1..40}; do
        [[ $(focused) != "$1" ]] || return 0
        press "$TAB"
    done
    echo "no tabulator leads to $1"
    return 1
}

# sign in, copy the command, add a key, enter with it, remove it: the open session ends
test_path() {
    local copied begun
    local -a command other
    by_project_api 'keys_fresh = 1h' 'session_recheck = 1h'
    wait_for feed_live
    visit "$PROJECT_API/"
    shows '#sign-in h2' 'Sign in'
    shot 1-sign-in
    enter_page bob
    same "$PROJECT_API/" "$(script 'return location.href')"
    click "a[href='#abcdefghij/staging']"
    shows '#title' '^Staging$'
    shot 2-environment
    click '#access'
    shows '#site' 'ssh abcdefghij_stg@localhost'
    shot 3-access-site
    click '.command button'
    shows '.command button' Copied
    copied=$(script 'return navigator.clipboard.readText()')
    same 'ssh abcdefghij_stg@localhost' "$copied"
    read -ra command <<<"$copied"
    fails "${command[@]}" true 2>/dev/null </dev/null
    fill '#value' 'ssh-ed25519 AAAA'
    shows '#verdict' 'damaged'
    shot 4-bad-key
    fill '#value' "$(cat "$KEYS/tablet.pub")"
    shows '#verdict' 'A good ssh-ed25519 key'
    same bob@tablet "$(script 'return document.getElementById("key-title").value')"
    click '#add-key'
    shows '#keys' 'bob@tablet'
    shot 5-key-added
    wait_for works "${command[@]}"
    read -ra other <<<"$(shown sftp)"
    contains "$(echo ls | "${other[@]}" 2>&1)" 'pub +var'
    read -ra other <<<"$(script 'const [user, host, port] = [...document.querySelectorAll(`dd`)].map((fact) => fact.textContent);
        return `sftp -P ${port} ${user}@${host}`')"
    contains "$(echo pwd | "${other[@]}" 2>&1)" 'directory: /.?$'
    read -ra other <<<"$(shown 'ssh -N -L 6379')"
    "${other[@]}" </dev/null >/dev/null 2>&1 &
    wait_for listening 6379
    stop $!
    exec 8<>/root/silence.page
    "${command[@]}" 'echo inside; exec cat' <&8 >/root/open.out 2>&1 &
    client[open]=$!
    wait_for grep -q inside /root/open.out
    shows '#sessions' 'bob'
    shot 6-in-now
    script "[...document.querySelectorAll('#keys li')].find((row) => row.textContent.includes('bob@tablet')).querySelector('button').click()"
    shows '#remove-name' 'bob@tablet'
    shot 7-remove
    begun=${EPOCHREALTIME/./}
    click '#ask-remove .danger'
    PAUSE=5 wait_for ended open
    note "the session ended $(((${EPOCHREALTIME/./} - begun) / 1000)) ms after the click"
    shows '#said' 'removed'
    shows '#sessions' 'No open session'
    shot 8-key-removed
    fails "${command[@]}" true 2>/dev/null </dev/null
    leave_page
}
# shown BEGIN: the command on the page that begins so.
shown() { script "return [...document.querySelectorAll('.command code')].map((code) => code.textContent).find((text) => text.startsWith('$1'))"; }
works() { "$@" true </dev/null; }

# markup in a title stays text; one tab hears of what the other removed; a large file and a private key are not sent, chosen or dropped
test_tried() {
    local first second checks title='<img src=x onerror=alert(1)><script>alert(2)</script>'
    project_api_start
    enter_page bob
    fill '#value' "$(cat "$KEYS/tablet.pub")"
    shows '#verdict' 'A good'
    fill '#key-title' "$title"
    click '#add-key'
    shows '#keys' 'img src=x'
    same 0 "$(script 'return String(document.querySelectorAll(`#keys img, #keys script`).length)')"
    shot 9-markup
    first=$(driver GET "$PAGE/window" | tr -d '"')
    second=$(driver POST "$PAGE/window/new" '{"type": "tab"}' | sed 's/.*"handle":"\([^"]*\)".*/\1/')
    driver POST "$PAGE/window" "{\"handle\": \"$second\"}"
    visit "$PROJECT_API/"
    shows '#keys' 'img src=x'
    click '#keys li:last-child button'
    click '#ask-remove .danger'
    shows '#said' removed
    driver POST "$PAGE/window" "{\"handle\": \"$first\"}"
    script 'me.ssh_keys.push({key_id: 1, title: `gone`, value: `ssh-ed25519 A`}); showKeys()'
    click '#keys li:last-child button'
    click '#ask-remove .danger'
    shows '#notice' 'removed already'
    wait_for lacks '#keys' 'img src=x|gone'
    shot 10-removed-already
    checks=$(grep -c key-check $PROJECT_API_LOG)
    head -c 1048576 /dev/zero | tr '\0' a >/root/large.pub
    fill_file /root/large.pub
    shows '#verdict' 'far too long'
    fill_file "$KEYS/tablet"
    shows '#verdict' 'private key'
    same '' "$(script 'return document.getElementById(`value`).value')"
    same "$checks" "$(grep -c key-check $PROJECT_API_LOG)"
    fill_file "$KEYS/tablet.pub"
    shows '#verdict' 'A good'
    script 'document.getElementById(`value`).value = ``'
    drop "$KEYS/tablet" '#value'
    shows '#verdict' 'private key'
    same '' "$(script 'return document.getElementById(`value`).value')"
    drag "$KEYS/tablet.pub" '#value'
    shot 11-drag
    drop "$KEYS/tablet.pub" '#value'
    shows '#verdict' 'A good'
    same "$(cat "$KEYS/tablet.pub")" "$(script 'return document.getElementById(`value`).value.trim()')"
    visit "$PROJECT_API/#abcdefghij/production"
    shows '#title' '^smith$'
    visit "$PROJECT_API/#none"
    shows '#username' bob
    leave_page
    visit "$PROJECT_API/#none"
    shows '#notice' 'used or has expired'
    same "$PROJECT_API/" "$(script 'return location.href')"
}

# a link of another account asks before it replaces a session, and is not used up by that; one of the same account does not ask
test_replaced() {
    local link
    project_api_start
    enter_page bob
    link=$(link alice)
    visit "$link"
    shows '#switch-from' '^bob$'
    shows '#switch-to' '^alice$'
    shot 17-replace
    click '#ask-switch .quiet'
    wait_for lacks '#switch-from' .
    reload
    shows '#username' '^bob$'
    visit "$link"
    shows '#switch-to' '^alice$'
    click '#ask-switch .danger'
    shows '#username' '^alice$'
    visit "$(link alice)"
    wait_for used alice
    shows '#username' '^alice$'
    fails matches '#switch-from' .
    leave_page
}
# used USER: whether the last link has been.
used() { ! token='' ask POST /v1/session "{\"link\": \"$(sed -n 's/^sign in: .*#//p' $PROJECT_API_LOG | tail -n 1)\", \"for\": \"look\"}" | grep -q "$1"; }

lacks() { matches '#keys-title' . && ! matches "$@"; }

# a file that is chosen: the element takes its path as keys.
fill_file() { driver POST "$PAGE/element/$(find_element '#file')/value" "{\"text\": \"$1\"}"; }

# by keyboard alone, in dark mode and 360 pixels wide
test_keyboard() {
    project_api_start --sessions 'cloudauthctl sessions --json'
    screen 360 740 dark
    enter_page alice
    tab_to Staging
    press "$ENTER"
    shows '#title' '^Staging$'
    tab_to access
    press "$ENTER"
    shows '#site' 'sftp abcdefghij_stg_sftp@localhost'
    fails wide
    shot 12-narrow-dark
    tab_to Copy
    press "$ENTER"
    same 'ssh abcdefghij_stg@localhost' "$(script 'return navigator.clipboard.readText()')"
    tab_to value
    write 'ssh-rsa AAAA'
    shows '#verdict' 'damaged'
    fails wide
    shot 13-narrow-dark-key
    script 'document.getElementById(`value`).value = ``'
    write "$(cat "$KEYS/tablet.pub")"
    shows '#verdict' 'A good'
    tab_to add-key
    press "$ENTER"
    shows '#keys' 'bob@tablet'
    tab_to access
    script 'document.querySelector(`#keys li:last-child button`).focus()'
    press "$ENTER"
    same 'Keep it' "$(focused)"
    shot 14-narrow-dark-remove
    press "$TAB"
    press "$ENTER"
    shows '#said' removed
    wait_for lacks '#keys' 'bob@tablet'
    screen 1100 900 dark
    shot 15-dark
    screen 360 740
    shot 16-narrow
    leave_page
    screen 1100 900
}
