# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests of what happens at a time, which they set instead of waiting for it:
#
#   clocks_up            makes /root/cloudauthd, for CLOUDAUTHD: a daemon of which the clocks can be set
#   clocks WALL BOOT     from now on they are so many seconds ahead; `clocks 0 0` before that daemon starts

clocks_up() {
    cc -O2 -D_GNU_SOURCE -shared -fPIC -o /root/clocks.so "$REPO/tests/sandbox/clocks.c"
    cat >/root/cloudauthd <<'END'
#!/bin/sh
LD_PRELOAD=/root/clocks.so exec /usr/sbin/cloudauthd "$@"
END
    chmod 755 /root/cloudauthd
}

clocks() {
    echo "$1 $2" >/run/clocks.new
    mv /run/clocks.new /run/clocks
}
