#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# enter.sh [--host-net] [--lower ROOT] [--bind DIR]... COMMAND [ARG...]
#
# Runs COMMAND as root in private mount, pid, net, uts and ipc namespaces, on a throw-away overlay
# of this machine's /. Everything can be written there, at its real path, and nothing of it stays.
# The exit status is COMMAND's. Pid 1 of the sandbox is this script, which only reaps.
#
#   --host-net   keeps the machine's network, so that a port can be reached from outside
#   --lower ROOT the overlay is of the Debian system in directory ROOT (tests/sandbox/suite.sh), not of /
#   --bind DIR   DIR is the machine's own, at the same path, and what is written there stays
set -euo pipefail
umask 022

SANDBOX_HOSTNAME=web1.abcdefghij.ent.example.cloud
REPO=$(cd "$(dirname "$0")/../.." && pwd -P)

die() {
    echo "enter.sh: $*" >&2
    exit 125
}

# The new root is built on a tmpfs over a directory that every Debian has, so that a killed sandbox
# leaves not even an empty directory. It must not hide the repository or a directory to bind.
staging_directory() {
    local candidate used
    for candidate in /mnt /media /opt /srv; do
        for used in "$REPO" ${binds[@]+"${binds[@]}"}; do
            [[ $used/ == "$candidate"/* ]] && continue 2
        done
        [[ -d $candidate ]] && echo "$candidate" && return 0
    done
    return 1
}

# overlay DIR [LOWER]: mounts an overlay of LOWER, or of DIR, at DIR of the new root.
overlay() {
    local layer="$stage/layers/$((++layers))"
    mkdir -p "$layer/upper" "$layer/work" "$root$1"
    mount -t overlay overlay "$root$1" \
        -o "lowerdir=${2-$1},upperdir=$layer/upper,workdir=$layer/work" 2>"$stage/overlay.log"
}

make_devices() {
    local node
    mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
    for node in null zero full random urandom tty; do
        touch "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    if [[ -c /dev/fuse ]]; then
        touch "$root/dev/fuse"
        mount --bind /dev/fuse "$root/dev/fuse"
    fi
    mkdir -p "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s /proc/self/fd/0 "$root/dev/stdin"
    ln -s /proc/self/fd/1 "$root/dev/stdout"
    ln -s /proc/self/fd/2 "$root/dev/stderr"
}

make_root() {
    local dir mode
    stage=$(staging_directory) || die "no directory to build the sandbox on"
    root=$stage/root layers=0
    mount -t tmpfs -o mode=755 tmpfs "$stage"
    mkdir "$root"
    overlay / "$lower" || die "no overlay of $lower on tmpfs here: $(<"$stage/overlay.log")"
    # Only the file system of / is in that overlay; these may be mounts of their own.
    [[ $lower != / ]] || for dir in /usr /etc /var /opt /srv /boot; do
        if mountpoint -q "$dir" && [[ $dir != "$stage" ]]; then
            overlay "$dir" || die "no overlay of $dir"
        fi
    done
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || true
    make_devices
    for dir in run:755 tmp:1777 home:755 root:700 var/cache:755 var/log:755; do
        mode=${dir#*:} dir=${dir%:*}
        mkdir -p "$root/$dir"
        mount -t tmpfs -o "mode=$mode" tmpfs "$root/$dir"
    done
    # The repository comes last: it may stand on a mount of its own, or below one of the above.
    if [[ ! -f $root$REPO/tests/sandbox/enter.sh ]] && ! overlay "$REPO"; then
        mount --bind "$REPO" "$root$REPO"
        mount -o remount,bind,ro "$root$REPO"
    fi
    for dir in ${binds[@]+"${binds[@]}"}; do
        mkdir -p "$root$dir"
        mount --bind "$dir" "$root$dir"
    done
}

inside() {
    local here=$PWD status=0
    # This process, as the machine counts: nsenter(1) enters by it. /proc is still the machine's here.
    read -r SANDBOX_PID _ </proc/self/stat
    make_root
    echo "$SANDBOX_HOSTNAME" >"$root/proc/sys/kernel/hostname"
    if [[ $network == private ]]; then
        ip link set lo up
        # Else closed connections pile up and slow down a series of requests.
        sysctl -q net.ipv4.tcp_max_tw_buckets=256 2>/dev/null || true
    fi
    cd "$root"
    mkdir -p "$root$stage"
    pivot_root . ".$stage"
    umount -l "$stage"
    cd "$here" 2>/dev/null || cd "$REPO"
    export SANDBOX=1 SANDBOX_PID REPO HOME=/root LC_ALL=C.UTF-8
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    trap : INT TERM HUP
    "${command[@]}" || status=$?
    exit "$status"
}

outside() {
    local namespaces=(--mount --pid --uts --ipc) status=0
    [[ $(id -u) == 0 ]] || die "needs root"
    [[ $network == private ]] && namespaces+=(--net)
    # unshare(1) ignores TERM and INT, so its end is brought about from here; --kill-child and
    # the end of pid 1 take everything in the sandbox along. env(1): a command in the background
    # would start with INT ignored.
    env --default-signal=INT,QUIT unshare "${namespaces[@]}" --fork --kill-child --propagation private \
        bash "$0" --inside "${arguments[@]}" <&0 &
    trap 'kill -KILL $! 2>/dev/null; wait $! 2>/dev/null || true; exit 143' TERM HUP
    trap 'interrupted=1' INT
    wait $! || status=$?
    # Ctrl-C reaches the command as well; it is given the time to end by itself.
    while [[ ${interrupted-} == 1 ]] && kill -0 $! 2>/dev/null; do
        interrupted=0 status=0
        wait $! || status=$?
    done
    exit "$status"
}

arguments=("$@") binds=() lower=/ network=private side=outside
while [[ ${1-} == --* ]]; do
    case $1 in
    --inside) side=inside ;;
    --host-net) network=shared ;;
    --lower) lower=$(cd "$2" && pwd -P) && shift ;;
    --bind) binds+=("$(cd "$2" && pwd -P)") && shift ;;
    *) die "unknown option $1" ;;
    esac
    shift
done
[[ $# -gt 0 ]] || die "usage: enter.sh [--host-net] [--lower ROOT] [--bind DIR]... COMMAND [ARG...]"
command=("$@")
"$side"
