# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For the scripts of this directory: rules, each a line `ok - ...` or `not ok - ...` with what is wrong
# below it, and the count at the end.

passed=0 failed=0

# rule DESCRIPTION COMMAND...: kept if COMMAND says nothing; what it says, errors too, is what is
# wrong.
rule() {
    local description=$1 wrong
    shift
    wrong=$("$@" 2>&1)
    if [[ -z $wrong ]]; then
        echo "ok - $description"
        passed=$((passed + 1))
    else
        echo "not ok - $description"
        printf '    %s\n' "${wrong//$'\n'/$'\n'    }"
        failed=$((failed + 1))
    fi
}

# rules_end NAME: the last line, and the exit status of the script that ends with it.
rules_end() {
    echo "$1: $passed passed, $failed failed"
    [[ $failed -eq 0 && $passed -gt 0 ]]
}
