#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# suite.sh SUITE
#
# Prints a directory with a Debian system of that suite (trixie, say), for enter.sh --lower: with all
# that tests/e2e needs, and with the programs of this repository built there, in build/SUITE. It is
# made once, by debootstrap(8) from the mirror that apt uses here, and kept in build/suites. Needs root.
set -euo pipefail

REPO=$(cd "$(dirname "$0")/../.." && pwd -P)
SUITE=$1
TREE=$REPO/build/suites/$SUITE
PACKAGES=$REPO/scripts/packages.sh

# The mirror that most package lists of this machine come from.
mirror() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)' |
        sed -n 's/^\([^ ]*\) Debian Debian main$/\1/p' | sort | uniq -c | sort -rn |
        awk 'NR == 1 { print $2 }'
}

install_packages() {
    mount --make-rprivate /
    mount --bind "$TREE" "$TREE"
    mount -t proc proc "$TREE/proc"
    mount --rbind /dev "$TREE/dev"
    cp /etc/resolv.conf "$TREE/etc/resolv.conf"
    cp "$PACKAGES" "$TREE/root/packages.sh"
    chroot "$TREE" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin /root/packages.sh e2e
    rm -rf "$TREE"/var/cache/apt/archives/*.deb "$TREE"/etc/machine-id "$TREE/root/packages.sh"
}

make_tree() {
    cmp -s "$PACKAGES" "$TREE.packages" && return
    if [[ ! -e $TREE.base ]]; then
        rm -rf "$TREE"
        mkdir -p "$TREE"
        debootstrap --variant=minbase --include=systemd,perl "$SUITE" "$TREE" "$(mirror)"
        touch "$TREE.base"
    fi
    unshare --mount "$0" "$SUITE" --packages
    cp "$PACKAGES" "$TREE.packages"
}

build() {
    mkdir -p "$REPO/build/$SUITE"
    env -u MAKEFLAGS -u MAKELEVEL "$REPO/tests/sandbox/enter.sh" --lower "$TREE" --bind "$REPO/build/$SUITE" \
        make -s -j2 -C "$REPO" B="build/$SUITE" all "build/$SUITE/faults/libnss_cloud.so.2" "build/$SUITE/bench/resign_snapshot"
}

if [[ ${2-} == --packages ]]; then
    install_packages
    exit
fi
{ make_tree && build; } >&2 </dev/null
echo "$TREE"
