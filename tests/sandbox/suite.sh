#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# suite.sh SUITE
#
# Prints the directory of a Debian system, for enter.sh --lower, and builds the programs of this
# repository in it, into build/SUITE: trixie (or another suite) with all that tests/e2e needs, or
# `arm64`, Debian 12 with a cross-compiler. The system is made once, by system.sh, and kept in build/suites.
# Needs root, and the network the first time.
set -euo pipefail

REPO=$(cd "$(dirname "$0")/../.." && pwd -P)
SUITE=$1
TREE=$REPO/build/suites/$SUITE
# Nothing is measured there, and -O1 takes half the time.
BUILD=(make -s -j2 -C "$REPO" "B=build/$SUITE" CFLAGS=-O1)
case $SUITE in
arm64)
    debian=bookworm list=cross
    # To compile, packages that are unpacked but not set up will do. None of them has the lists of accounts.
    base=bash,coreutils,dash,findutils,grep,mount,sed
    # shellcheck disable=SC2016 # of mmdebstrap
    options=(--variant=extract '--architectures=amd64,arm64' '--extract-hook=cp /etc/passwd /etc/group "$1/etc"')
    BUILD+=(CC=aarch64-linux-gnu-gcc PKG_CONFIG=aarch64-linux-gnu-pkg-config all
        "build/$SUITE/unit/test_snapshot" "build/$SUITE/unit/test_wire")
    ;;
*)
    debian=$SUITE list=e2e base=systemd,perl options=()
    BUILD+=(all "build/$SUITE/faults/libnss_cloud.so.2" "build/$SUITE/bench/resign_snapshot")
    ;;
esac

build() {
    mkdir -p "$REPO/build/$SUITE"
    env -u MAKEFLAGS -u MAKELEVEL "$REPO/tests/sandbox/enter.sh" --lower "$TREE" --bind "$REPO/build/$SUITE" \
        "${BUILD[@]}"
}

mkdir -p "$REPO/build/suites"
exec 9>"$TREE.lock"
flock 9
{
    "$REPO/tests/sandbox/system.sh" "$debian" "$TREE" "$base,$("$REPO/scripts/packages.sh" list "$list")" \
        "${options[@]}"
    build
} >&2 </dev/null
echo "$TREE"
