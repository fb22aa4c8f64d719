#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# suite.sh SUITE
#
# Prints the directory of a Debian system, for enter.sh --lower, and builds the programs of this
# repository in it, into build/SUITE: trixie (or another suite) with all that tests/e2e needs, or
# `arm64`, Debian 12 with a cross-compiler. The system is made once, by debootstrap(8) from the mirror
# that apt uses here, and kept in build/suites. Needs root, and the network the first time.
set -euo pipefail

REPO=$(cd "$(dirname "$0")/../.." && pwd -P)
SUITE=$1
TREE=$REPO/build/suites/$SUITE
PACKAGES=$REPO/scripts/packages.sh
BUILD=(make -s -j2 -C "$REPO" "B=build/$SUITE")
case $SUITE in
arm64)
    debian=bookworm list=cross
    BUILD+=(CC=aarch64-linux-gnu-gcc PKG_CONFIG=aarch64-linux-gnu-pkg-config all
        "build/$SUITE/unit/test_snapshot" "build/$SUITE/unit/test_wire")
    ;;
*)
    debian=$SUITE list=e2e
    BUILD+=(all "build/$SUITE/faults/libnss_cloud.so.2" "build/$SUITE/bench/resign_snapshot")
    ;;
esac

# The mirror that most package lists of this machine come from.
mirror() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)' |
        sed -n 's/^\([^ ]*\) Debian Debian main$/\1/p' | sort | uniq -c | sort -rn |
        awk 'NR == 1 { print $2 }'
}

# In a mount namespace of its own.
install_packages() {
    mount --make-rprivate /
    mount --bind "$TREE" "$TREE"
    mount -t proc proc "$TREE/proc"
    mount --rbind /dev "$TREE/dev"
    cp /etc/resolv.conf "$TREE/etc/resolv.conf"
    cp "$PACKAGES" "$TREE/root/packages.sh"
    [[ $list != cross ]] || chroot "$TREE" dpkg --add-architecture arm64
    chroot "$TREE" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin /root/packages.sh "$list"
    rm -rf "$TREE"/var/cache/apt/*.bin "$TREE"/var/cache/apt/archives/*.deb "$TREE/root/packages.sh"
}

make_tree() {
    cmp -s "$PACKAGES" "$TREE.packages" && return
    if [[ ! -e $TREE.base ]]; then
        rm -rf "$TREE"
        mkdir -p "$TREE"
        debootstrap --variant=minbase --include=systemd,perl "$debian" "$TREE" "$(mirror)"
        touch "$TREE.base"
    fi
    unshare --mount "$0" "$SUITE" --packages
    cp "$PACKAGES" "$TREE.packages"
}

build() {
    mkdir -p "$REPO/build/$SUITE"
    env -u MAKEFLAGS -u MAKELEVEL "$REPO/tests/sandbox/enter.sh" --lower "$TREE" --bind "$REPO/build/$SUITE" \
        "${BUILD[@]}"
}

if [[ ${2-} == --packages ]]; then
    install_packages
    exit
fi
mkdir -p "$REPO/build/suites"
exec 9>"$TREE.lock"
flock 9
{ make_tree && build; } >&2 </dev/null
echo "$TREE"
