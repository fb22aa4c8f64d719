# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests that drive a headless Chromium, by W3C WebDriver:
#
#   browser_start, browser_stop
#   visit URL, reload
#   click CSS, fill CSS TEXT
#   press KEY, write TEXT               to what has the focus; KEY is $TAB or $ENTER
#   drag FILE CSS, drop FILE CSS        a file over the first such element, and let go
#   text CSS                            what is visible of the first such element; nothing, if there is none
#   shows CSS REGEX                     waits until its text matches
#   script JAVASCRIPT                   the string that it returns, or a promise of it
#   screen WIDTH HEIGHT [dark]          the window from now on
#   shot NAME                           build/e2e/NAME.png
#   wide                                whether the page is wider than the window

DRIVER=http://127.0.0.1:9515
SHOTS=$REPO/build/e2e
# shellcheck disable=SC2034 # for those who source this
TAB='\uE004' ENTER='\uE007'

# driver METHOD PATH [JSON]: the answer's value, as JSON.
driver() {
    local answer
    answer=$(curl -s -m 120 -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} "$DRIVER$2")
    answer=${answer#'{"value":'}
    answer=${answer%\}}
    [[ $answer != '{"error":'* ]] || {
        echo "$answer" | cut -c1-300 >&2
        return 1
    }
    echo "$answer"
}

browser_start() {
    local answer
    chromedriver --port=9515 </dev/null >/root/driver.log 2>&1 &
    echo $! >/run/driver.pid
    disown
    wait_for listening 9515
    answer=$(driver POST /session '{"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"args":
        ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-extensions", "--disable-background-networking", "--user-data-dir=/tmp/chromium"]}}}}')
    answer=${answer#*\"sessionId\":\"}
    PAGE=/session/${answer%%\"*}
    cdp Browser.grantPermissions '{"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}'
    screen 1100 900
}

browser_stop() {
    [[ -s /run/driver.pid ]] || return 0
    driver DELETE "$PAGE" >/dev/null
    stop "$(cat /run/driver.pid)"
    rm -f /run/driver.pid
}

cdp() { driver POST "$PAGE/goog/cdp/execute" "{\"cmd\": \"$1\", \"params\": $2}" >/dev/null; }

visit() { driver POST "$PAGE/url" "{\"url\": \"$1\"}" >/dev/null; }
reload() { driver POST "$PAGE/refresh" '{}' >/dev/null; }

# json TEXT: as a string of JSON; the escapes of TEXT itself stay.
json() { printf '"%s"' "${1//\"/\\\"}"; }

find_element() {
    driver POST "$PAGE/element" "{\"using\": \"css selector\", \"value\": $(json "$1")}" | cut -d'"' -f4
}

click() { driver POST "$PAGE/element/$(find_element "$1")/click" '{}' >/dev/null; }

fill() {
    local found
    found=$(find_element "$1")
    driver POST "$PAGE/element/$found/clear" '{}' >/dev/null
    driver POST "$PAGE/element/$found/value" "{\"text\": $(json "$2")}" >/dev/null
}

press() {
    driver POST "$PAGE/actions" "{\"actions\": [{\"type\": \"key\", \"id\": \"keys\", \"actions\": [
        {\"type\": \"keyDown\", \"value\": \"$1\"}, {\"type\": \"keyUp\", \"value\": \"$1\"}]}]}" >/dev/null
}

write() {
    driver POST "$PAGE/element/$(driver GET "$PAGE/element/active" | cut -d'"' -f4)/value" "{\"text\": $(json "$1")}" >/dev/null
}

script() {
    driver POST "$PAGE/execute/sync" "{\"script\": $(json "$1"), \"args\": []}" | sed 's/^"//; s/"$//; s/\\"/"/g; s/\\n/\n/g'
}

# drag_event TYPE FILE CSS
drag_event() {
    local place
    place=$(script "const element = document.querySelector(\`$3\`); element.scrollIntoView({block: \`center\`});
        const {x, y, width, height} = element.getBoundingClientRect(); return (x + width / 2) + \` \` + (y + height / 2)")
    cdp Input.dispatchDragEvent "{\"type\": \"$1\", \"x\": ${place% *}, \"y\": ${place#* },
        \"data\": {\"items\": [], \"files\": [\"$2\"], \"dragOperationsMask\": 1}}"
}
drag() { drag_event dragEnter "$@" && drag_event dragOver "$@"; }
drop() { drag "$@" && drag_event drop "$@"; }

text() { driver GET "$PAGE/element/$(find_element "$1")/text" 2>/dev/null | sed 's/^"//; s/"$//; s/\\"/"/g'; }
matches() { text "$1" | grep -qE -- "$2"; }
shows() {
    wait_for matches "$@" && return 0
    text "$1"
    return 1
}

screen() {
    cdp Emulation.setDeviceMetricsOverride "{\"width\": $1, \"height\": $2, \"deviceScaleFactor\": 1, \"mobile\": false}"
    cdp Emulation.setEmulatedMedia "{\"features\": [{\"name\": \"prefers-color-scheme\", \"value\": \"${3-light}\"}]}"
}

shot() {
    driver GET "$PAGE/screenshot" | tr -d '"' | base64 -d >"$SHOTS/$1.png"
    [[ -s $SHOTS/$1.png ]]
}

wide() { [[ $(script 'return String(document.documentElement.scrollWidth > innerWidth)') == true ]]; }
