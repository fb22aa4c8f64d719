# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a name costs that is not served: it reaches the module for every local user and every robot.

# instructions NAME CALLS: that so many calls take, the first of which reads the configuration.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/root/callgrind.out \
        --toggle-collect=_nss_cloud_getpwnam_r "$BIN/nss" "$OURS" "not=$1" 1 "x$2" \
        >/root/callgrind.log 2>&1
    sed -n 's/^totals: //p' /root/callgrind.out
}

# A name that needs a comment has one.
named() {
    local n median p99
    read -r n median p99 < <("$BIN/nss" "$OURS" "not=$1" 1 "$(size 2000 50)")
    strace -o /root/names.strace "$BIN/nss" "$OURS" "not=$1" 1 x1000 >/dev/null
    row "$1" "$2" "$n" "$(ns "$median")" "$(ns "$p99")" "$(marked /root/names.strace)" \
        $((($(instructions "$1" 3000) - $(instructions "$1" 1000)) / 2000))
}

part_names() {
    section 'Names that are not served'
    say 'libnss_cloud.so.2 called straight, in a process that has made such a call.'
    columns name because n median p99 'system calls of 1,000' 'instructions a call (callgrind)'
    named www-data2 'no environment ends so'
    named Administrator 'a capital'
    named x_y 'too short'
    named root2 'shorter than project_id_length, which a host could set to 5'
    named otherproject 'fits the grammar, and is not in allow'
}
