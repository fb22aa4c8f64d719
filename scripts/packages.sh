#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh build|deb|cross|e2e|test|vm|demo|bench
#
# Installs the Debian packages that a make target needs and this machine lacks, and says which;
# `packages.sh list NAME` prints them, with commas between them.
# Needs root, and the network, only if something is missing. Daemons that come with the packages
# (sshd, nginx, cron) are kept from starting.
set -euo pipefail

build=(gcc libc6-dev musl-dev make pkg-config libpam0g-dev libcurl4-openssl-dev libcjson-dev libssl-dev)
demo=("${build[@]}" openssh-server openssh-client openssh-sftp-server libpam-modules
    libpam-runtime util-linux mount iproute2 jq procps python3 openssl curl)
# shellcheck disable=SC2034 # each list is used by its name
deb=("${build[@]}" dpkg-dev debhelper fakeroot)
# In a system of its own, to which dpkg added the architecture (tests/sandbox/suite.sh).
# shellcheck disable=SC2034
cross=(make gcc-aarch64-linux-gnu pkg-config:arm64 libc6-dev:arm64 musl-dev:arm64 libpam0g-dev:arm64
    libcurl4-openssl-dev:arm64 libcjson-dev:arm64 libssl-dev:arm64 libcmocka-dev:arm64 iproute2 qemu-user-static)
# What tests/e2e needs: servers, tools, and the clients of tests/e2e/clients*.sh.
e2e=("${demo[@]}" apparmor nginx-light libnginx-mod-nchan ca-certificates libnss-extrausers pamtester sudo cron strace zsh
    man-db prometheus prometheus-node-exporter
    git lftp libssh-dev putty-tools python3-asyncssh python3-jsonschema python3-paramiko python3-yaml
    rclone rsync sshfs
    mariadb-client-core mariadb-server-core nscd redis-server redis-tools)
# shellcheck disable=SC2034 # each list is used by its name
test=("${e2e[@]}" libcmocka-dev clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck binutils mandoc
    # tests/e2e/page.sh, which does not run on other suites.
    chromium chromium-driver
    # The packages, and the systems that tests/deb installs them on.
    dpkg-dev debhelper fakeroot lintian mmdebstrap systemd)
# To make and run the machines of tests/vm, and what is in one: what the packages depend on, and an API.
# shellcheck disable=SC2034
vm=("${deb[@]}" git mmdebstrap e2fsprogs qemu-system-x86 qemu-utils)
# shellcheck disable=SC2034
machine=(linux-image-cloud-amd64 initramfs-tools kmod udev systemd systemd-sysv dbus libpam-systemd libnss-systemd
    openssh-server openssh-client perl-base procps iproute2 jq apparmor libcurl4 libcjson1 libssl3 nginx-light openssl
    selinux-policy-default selinux-policy-dev selinux-utils policycoreutils)
# The last four are measured beside ours; to install them enables nothing in nsswitch.conf or PAM.
# shellcheck disable=SC2034
bench=("${demo[@]}" nginx-light libnginx-mod-nchan strace valgrind git rsync
    google-compute-engine-oslogin libnss-extrausers libnss-cache libnss-db)

POLICY=/usr/sbin/policy-rc.d

missing() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            echo "$package"
    done
}

# Packages that are in the lists of this machine; empty where `apt-get update` never ran.
known() {
    apt-get install --simulate --no-install-recommends "$@" >/dev/null 2>&1
}

# invoke-rc.d(8) asks this program before it starts a daemon; 101 forbids it.
forbid_daemons() {
    [[ -e $POLICY || -L $POLICY ]] && return
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

[[ ${1-} == list ]] && printing=yes && shift
case ${1-} in
build | deb | cross | e2e | test | vm | machine | demo | bench) declare -n list=$1 ;;
*) echo "usage: packages.sh build|deb|cross|e2e|test|vm|demo|bench" >&2 && exit 2 ;;
esac

if [[ -n ${printing-} ]]; then
    (IFS=, && echo "${list[*]}")
    exit
fi
mapfile -t lacking < <(missing "${list[@]}")
if [[ ${#lacking[@]} -eq 0 ]]; then
    exit 0
fi
echo "Packages to install: ${lacking[*]}"
if [[ $(id -u) != 0 ]]; then
    echo "packages.sh: run as root, or: apt-get install ${lacking[*]}" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
forbid_daemons
known "${lacking[@]}" || apt-get -qq update
apt-get -qq -y --no-install-recommends install "${lacking[@]}" >/dev/null
mapfile -t lacking < <(missing "${list[@]}")
if [[ ${#lacking[@]} -ne 0 ]]; then
    echo "packages.sh: still missing: ${lacking[*]}" >&2
    exit 1
fi
