#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install-config.sh SOURCE TARGET: installs a configuration file, but never over one that is there;
# then the new one is put beside it as TARGET.dpkg-dist where it differs: AppArmor would load a profile with an
# ending that it does not know, as it does with the TARGET.new of earlier versions.
set -eu
case $2 in
*/apparmor.d/*) rm -f "$2.new" ;;
esac
if [ ! -e "$2" ]; then
    exec install -D -m 644 "$1" "$2"
elif ! cmp -s "$1" "$2"; then
    echo "$2 is kept as it is; the new one is $2.dpkg-dist"
    install -m 644 "$1" "$2.dpkg-dist"
fi
