# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# For tests/lint/structure, and for tests/deb/run, which reads what the packages install: functions that print what
# is wrong with a program or module.

relro() {
    readelf -lW "$1" | grep -q GNU_RELRO || echo "no GNU_RELRO segment"
    readelf -dW "$1" | grep -qE 'BIND_NOW|Flags:.* NOW' || echo "not bound at start"
}

# GNU_STACK there, and readable and writable only; nothing else is both writable and executable.
stack() {
    readelf -lW "$1" | grep -qE 'GNU_STACK .* RW  0x' || echo "the stack may be executed"
    readelf -lW "$1" | grep -E '(LOAD|GNU_STACK) .* RWE 0x'
}

position() {
    readelf -hW "$1" | grep -qE 'Type: +DYN' || echo "loaded at a fixed address"
    [[ $1 == *.so* ]] || readelf -dW "$1" | grep -qE 'FLAGS_1.* PIE' || echo "not a PIE"
    readelf -dW "$1" | grep -E 'TEXTREL|RPATH|RUNPATH'
}
