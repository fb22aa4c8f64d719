#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# deb.sh: make deb. Builds the binary packages of debian/ from a copy of the sources, so that nothing is
# left among them, and puts them into build/deb/. Needs no root.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$PWD/build/deb work=$PWD/build/deb/source
rm -rf "$work"
mkdir -p "$work"
# dpkg-buildpackage puts what it built beside the sources.
rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$work"
cd "$work"
# A make above this one would hand its variables down. The tests are make test's.
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u B DEB_BUILD_OPTIONS="nocheck parallel=2${DEB_BUILD_OPTIONS:+ $DEB_BUILD_OPTIONS}" \
    dpkg-buildpackage --build=binary --unsigned-changes --unsigned-buildinfo >"$out/build.log" 2>&1 || {
    tail -n 40 "$out/build.log" >&2
    exit 1
}
rm -rf "$work"
ls -1 "$out"/*.deb
