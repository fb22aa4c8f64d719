#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# system.sh SUITE DIRECTORY PACKAGE,... [OPTION...]
#
# Makes a Debian system with these packages in DIRECTORY, from the mirror that apt uses here, unless it is there as it
# was asked for. The options are those of mmdebstrap(1), which takes less than half the processor time of
# debootstrap(8). Needs root, and the network.
set -euo pipefail

suite=$1 system=$2
shift 2
[[ -e $system.whole && $(<"$system.whole") == "$suite $*" ]] && exit

# The mirror that most package lists of this machine come from.
# shellcheck disable=SC2016 # apt's own variables
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)' |
    sed -n 's/^\([^ ]*\) Debian Debian main$/\1/p' | sort | uniq -c | sort -rn |
    awk 'NR == 1 { print $2 }')
[[ -n $mirror ]] || { echo "apt is configured with no mirror of Debian" >&2 && exit 1; }
rm -rf "$system" "$system.whole"
mkdir -p "$system"
mmdebstrap --mode=root --variant=minbase --dpkgopt=force-unsafe-io --include="$1" "${@:2}" \
    "$suite" "$system" "$mirror"
echo "$suite $*" >"$system.whole"
