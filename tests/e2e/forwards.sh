# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Where tunnels go: to what the document lists, here a MariaDB and a Redis of Debian's, and nowhere
# else, in whatever form it is asked for.

# shellcheck source=tests/sandbox/clients.sh
. "$HARNESS/../sandbox/clients.sh"

# The two, as the documents of etc/examples have them.
DATABASE=database.internal:3306
REDIS=redis.internal:6379
# In a directory that the sFTP account sees as well.
REDIS_SOCKET=$MEDIA/redis/socket

# Ports of the client's side.
DATABASE_PORT=13306
REDIS_PORT=16379
SOCKS_PORT=11080

TUNNEL=/root/tunnel

# ---- The servers ------------------------------------------------------------------------------------

database_up() {
    install -d -m 700 -o mysql -g mysql /srv/database
    install -d -m 755 -o mysql -g mysql /run/database
    mariadb-install-db --no-defaults --user=mysql --datadir=/srv/database --skip-test-db \
        --auth-root-authentication-method=socket --innodb-log-file-size=4M >/root/database.log 2>&1 ||
        { tail /root/database.log && return 1; }
    mariadbd --no-defaults --user=mysql --datadir=/srv/database --bind-address=127.0.0.21 \
        --port=3306 --socket=/run/database/socket --pid-file=/run/database/pid --skip-name-resolve \
        --innodb-buffer-pool-size=8M --innodb-log-file-size=4M --innodb-flush-log-at-trx-commit=0 \
        --key-buffer-size=1M --aria-pagecache-buffer-size=1M --performance-schema=off \
        --max-connections=10 --max-allowed-packet=16M </dev/null >>/root/database.log 2>&1 &
    disown
    WAIT=30 wait_for mariadb --no-defaults --socket=/run/database/socket -e 'SELECT 1' &&
        mariadb --no-defaults --socket=/run/database/socket <<<"CREATE DATABASE shop;
            CREATE USER shop@'%' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO shop@'%';"
}

redis_up() {
    install -d -m 700 -o redis -g redis /srv/redis
    chmod o+x $HOME_DIR
    install -d -m 755 -o redis -g redis $MEDIA/redis
    setpriv --reuid redis --regid redis --clear-groups redis-server --bind 127.0.0.22 --port 6379 \
        --unixsocket $REDIS_SOCKET --unixsocketperm 777 --dir /srv/redis --save '' \
        --maxmemory 16mb --maxclients 50 </dev/null >/root/redis.log 2>&1 &
    disown
    wait_for redis-cli -h 127.0.0.22 ping
}

before_all() {
    clients_up && putty_up || return 1
    printf '127.0.0.21 database.internal\n127.0.0.22 redis.internal\n' >>/etc/hosts
    useradd --system --home-dir / --no-create-home --shell /usr/sbin/nologin mysql &&
        cp -a /etc/passwd /etc/group /etc/shadow /etc/gshadow /root/accounts || return 1
    database_up && redis_up
}

# ---- Words ------------------------------------------------------------------------------------------

# lists LOCAL REMOTE: what production's document lists, words each
lists() {
    document abcdefghij production ".forwarding = {agent: false,
        local: \"$1\" | split(\" \"), remote: \"$2\" | split(\" \")}"
}

# tunnel KEY LOGIN OPTION...: ssh -N in the background; $TUNNEL.log has what it says
tunnel() {
    tunnel_end
    timeout 30 ssh -F "$SSH_CONFIG" -i "$KEYS/$1" -M -S $TUNNEL -E $TUNNEL.log -fN \
        -o ExitOnForwardFailure=yes "${@:3}" "$2@127.0.0.1" && return 0
    cat $TUNNEL.log
    return 1
}

tunnel_end() {
    rm -f $TUNNEL.log
    [[ ! -S $TUNNEL ]] || master_end $TUNNEL
}

sql() {
    timeout 30 mariadb --no-defaults -h 127.0.0.1 -P "$DATABASE_PORT" -u shop -psecret \
        --batch --raw --skip-column-names --max-allowed-packet=16M shop
}

# The cargo goes into a table, is summed up there, and comes back.
converses_with_database() {
    {
        printf "CREATE OR REPLACE TABLE cargo (data LONGBLOB); INSERT INTO cargo VALUES (FROM_BASE64('"
        base64 -w 0 $CARGO
        echo "'));"
    } | sql
    same "$(sha256sum <$CARGO | cut -d' ' -f1)" "$(sql <<<"SELECT SHA2(data, 256) FROM cargo")"
    sql <<<"SELECT TO_BASE64(data) FROM cargo" | base64 -d >$BACK
    identical $CARGO $BACK
}

# redis PORT COMMAND...
redis() { timeout 30 redis-cli -p "$1" --raw "${@:2}"; }

converses_with_redis() {
    same OK "$(redis $REDIS_PORT -x SET cargo <$CARGO)"
    same "$(sha1sum <$CARGO | cut -d' ' -f1)" \
        "$(redis $REDIS_PORT EVAL "return redis.sha1hex(redis.call('GET', 'cargo'))" 0)"
    redis $REDIS_PORT GET cargo | head -c 1048576 >$BACK
    identical $CARGO $BACK
}

# nothing_at PORT: a connection to it ends without a byte, whatever the server would say
nothing_at() {
    same 0 "$({ timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1
        printf 'PING\r\n' >&3; cat <&3" || true; } 2>/dev/null | wc -c)"
}

# no_way_to PLACE...: neither by -L (all of them on one connection) nor by -W
no_way_to() {
    local place options=() port=20000
    for place; do
        options+=(-L "$((++port)):$place")
    done
    tunnel alice abcdefghij "${options[@]}"
    for ((port = 20001; port <= 20000 + $#; port++)); do
        nothing_at "$port"
    done
    same $# "$(grep -c 'open failed: administratively prohibited' $TUNNEL.log)"
    tunnel_end
    says 'administratively prohibited' login alice -W "$1" abcdefghij@127.0.0.1
}

# socks PLACE: what is there says PONG, through -D
socks() {
    printf 'PING\r\nQUIT\r\n' |
        timeout 20 curl -sS --socks5-hostname "127.0.0.1:$SOCKS_PORT" "telnet://$1"
}

# no_socks_to PLACE...
no_socks_to() {
    local place
    tunnel alice abcdefghij -D "127.0.0.1:$SOCKS_PORT"
    for place; do
        same "" "$(socks "$place" 2>/dev/null || true)"
    done
    same $# "$(grep -c 'open failed: administratively prohibited' $TUNNEL.log)"
    tunnel_end
}

# no_listener LOGIN WHERE...: for -R
no_listener() {
    local where
    for where in "${@:2}"; do
        says 'remote port forwarding failed|forwarding failed' \
            tunnel alice "$1" -R "$where:127.0.0.1:$SSH_PORT"
    done
    same "" "$(ss -Hltn 'sport != :22' | grep -E ':(9000|9001|9002) ' || true)"
}

# ---- What is listed -----------------------------------------------------------------------------------

# ssh -N -L: MariaDB
test_local_mariadb() {
    tunnel alice abcdefghij -L "$DATABASE_PORT:$DATABASE"
    converses_with_database
    tunnel_end
}

# ssh -N -L: Redis
test_local_redis() {
    tunnel alice abcdefghij -L "$REDIS_PORT:$REDIS"
    converses_with_redis
    tunnel_end
}

# ssh -N -L works where the account's shell refuses every session
test_local_without_shell() {
    document abcdefghij production '.account.shell = "/usr/sbin/nologin"'
    says 'account is currently not available' login alice abcdefghij@127.0.0.1 'echo inside'
    tunnel alice abcdefghij -L "$DATABASE_PORT:$DATABASE" -L "$REDIS_PORT:$REDIS"
    converses_with_database
    converses_with_redis
    tunnel_end
    # Nor does sFTP reach a file where sshd needs no shell for it.
    trap 'cp /root/sshd_config /etc/ssh/sshd_config; sshd_stop; sshd_start' EXIT
    cp /etc/ssh/sshd_config /root/sshd_config
    sed -i 's/^Subsystem.*/Subsystem sftp internal-sftp/' /etc/ssh/sshd_config
    sshd_stop
    sshd_start
    fails sftp_batch alice abcdefghij <<<'ls /etc'
}

# ssh -L together with a command in the same connection
test_local_beside_command() {
    tunnel alice abcdefghij -L "$REDIS_PORT:$REDIS"
    timeout 30 ssh -F "$SSH_CONFIG" -S $TUNNEL x@127.0.0.1 cat <$CARGO >/root/channel
    converses_with_redis
    identical $CARGO /root/channel
    tunnel_end
}

# ssh -W: Redis
test_stdio_redis() {
    contains "$(printf 'PING\r\nQUIT\r\n' | timeout 30 ssh -F "$SSH_CONFIG" -i "$KEYS/alice" \
        -W $REDIS abcdefghij@127.0.0.1)" '^\+PONG'
}

# ssh -D: to a listed destination
test_dynamic_redis() {
    tunnel alice abcdefghij -D "127.0.0.1:$SOCKS_PORT"
    contains "$(socks $REDIS)" '^\+PONG'
    tunnel_end
}

# ssh -R: a listed port, and behind it a Redis on the client's side
test_remote_redis() {
    lists "" localhost:9000
    tunnel alice abcdefghij -R 9000:$REDIS
    cat $CARGO | as_with_input alice abcdefghij 'redis-cli -p 9000 -x SET cargo' >/root/said
    same OK "$(cat /root/said)"
    as alice abcdefghij "redis-cli -p 9000 --raw GET cargo | head -c 1048576 >$HOME_DIR/cargo"
    identical $CARGO $HOME_DIR/cargo
    rm $HOME_DIR/cargo
    tunnel_end
}

as_with_input() { timeout 30 ssh -F "$SSH_CONFIG" -i "$KEYS/$1" "$2@127.0.0.1" "$3"; }

# What an editor does (VS Code Remote-SSH, JetBrains Gateway): a command starts a server, says which port it has
# chosen, and the editor speaks to it through -D or -L.
editor_server() {
    timeout 60 ssh -F "$SSH_CONFIG" -S $TUNNEL x@127.0.0.1 \
        'cd var/log && exec python3 -u -m http.server --bind 127.0.0.1 0' >/root/editor 2>&1 </dev/null &
    wait_for grep -q ' port [0-9]' /root/editor
    port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' /root/editor)
}

# an editor's server on the host: with `localhost:*` and `127.0.0.1:*` by -D and -L, and nothing of another address
test_editor() {
    local port
    echo log | install -o 200001 -m 644 /dev/stdin $HOME_DIR/var/log/editor
    lists 'localhost:* 127.0.0.1:*' ""
    tunnel alice abcdefghij -D "127.0.0.1:$SOCKS_PORT"
    editor_server
    same log "$(curl -sS --socks5-hostname "127.0.0.1:$SOCKS_PORT" "http://127.0.0.1:$port/editor")"
    same log "$(curl -sS --socks5-hostname "127.0.0.1:$SOCKS_PORT" "http://localhost:$port/editor")"
    timeout 10 ssh -F "$SSH_CONFIG" -S $TUNNEL -O forward -L "20001:127.0.0.1:$port" x@127.0.0.1
    same log "$(curl -sS http://127.0.0.1:20001/editor)"
    fails contains "$(socks $REDIS)" PONG
    contains "$(cat $TUNNEL.log)" 'administratively prohibited'
    kill "$(pgrep -u 200001 -f http.server)"
    tunnel_end
}

# the lists of an application replace those of its environment
test_application() {
    document abcdefg123abc smith-a12b34c ".apps.backoffice.forwarding.local = [\"$REDIS\"]"
    tunnel alice abcdefg123abc-smith-a12b34c--backoffice -L "$REDIS_PORT:$REDIS" -L "20001:$DATABASE"
    converses_with_redis
    nothing_at 20001
    contains "$(cat $TUNNEL.log)" 'administratively prohibited'
    tunnel alice abcdefg123abc-smith-a12b34c--mymagento -L "$DATABASE_PORT:$DATABASE"
    converses_with_database
    tunnel_end
}

# ---- What is not --------------------------------------------------------------------------------------

# ssh -L, -W: another host, another port, another spelling of a host, a place listed for -R
test_local_not_listed() {
    lists $DATABASE localhost:9000
    no_way_to $REDIS database.internal:22 127.0.0.21:3306 127.0.0.1:22 localhost:9000
}

# ssh -L, -W: no destination, where only ports for -R are listed
test_local_empty() {
    lists "" localhost:9000
    no_way_to $DATABASE $REDIS 127.0.0.1:22 localhost:9000
    # What stands in the line in the place of nothing leads nowhere.
    says 'open failed' login alice -W none:1 abcdefghij@127.0.0.1
}

# ssh -L, -W: no destination, where nothing is listed
test_local_nothing_listed() {
    lists "" ""
    no_way_to $DATABASE $REDIS 127.0.0.1:22
}

# ssh -D: not to a destination that is not listed, whether others are or not
test_dynamic_not_listed() {
    lists $DATABASE ""
    no_socks_to $REDIS 127.0.0.21:3306 127.0.0.1:22
    lists "" localhost:9000
    no_socks_to $DATABASE $REDIS
    lists "" ""
    no_socks_to $REDIS
}

# ssh -R: another port, any port, another address than the listed one
test_remote_not_listed() {
    lists $DATABASE localhost:9000
    no_listener abcdefghij 9001 localhost:9001 0 '*:9000' 127.0.0.2:9000
    says 'forwarding failed' tunnel alice abcdefghij -R 9001
}

# ssh -R: on the loopback addresses alone, where the host has GatewayPorts
test_remote_gateway() {
    trap 'rm -f /etc/ssh/sshd_config.d/50-gateway.conf; sshd_stop; sshd_start; tunnel_end' EXIT
    echo 'GatewayPorts yes' >/etc/ssh/sshd_config.d/50-gateway.conf
    sshd_stop
    sshd_start
    lists "" localhost:9000
    tunnel alice abcdefghij -R "9000:$REDIS"
    same '127.0.0.1:9000 [::1]:9000' "$(ss -Hltn 'sport = :9000' | awk '{print $4}' | sort | xargs)"
}

# ssh -R: none, where only destinations for -L are listed
test_remote_empty() {
    lists $DATABASE ""
    no_listener abcdefghij 9000 9001 none:1
    # A place that -L may go to is no port to listen on.
    says 'forwarding failed' tunnel alice abcdefghij -R "$DATABASE:127.0.0.1:$SSH_PORT"
}

# ssh -R: none, where nothing is listed
test_remote_nothing_listed() {
    lists "" ""
    no_listener abcdefghij 9000 localhost:9001
}

# no_sockets LOGIN SOCKET: neither to that Unix socket of the host, nor on one beside it
no_sockets() {
    tunnel alice "$1" -L "$REDIS_PORT:$2" -L "/root/local.sock:$2"
    nothing_at $REDIS_PORT
    fails timeout 10 redis-cli -s /root/local.sock ping
    # Stock sshd has no better word for a refusal.
    same 2 "$(grep -c 'open failed: connect failed: open failed' $TUNNEL.log)"
    tunnel_end
    rm -f /root/local.sock
    says 'remote port forwarding failed' tunnel alice "$1" -R "${2%/redis/*}/remote.sock:$REDIS"
    [[ ! -e $MEDIA/remote.sock ]]
}

# Unix sockets, in both directions: none, whatever the document lists
test_sockets() {
    same PONG "$(as alice abcdefghij "redis-cli -s $REDIS_SOCKET ping")"
    lists "$DATABASE $REDIS" localhost:9000
    no_sockets abcdefghij $REDIS_SOCKET
    # Refused, and not tried.
    audit 'refused streamlocal port forward: .* target .*/redis/socket'
    lists "" localhost:9000
    no_sockets abcdefghij $REDIS_SOCKET
    lists "" ""
    no_sockets abcdefghij $REDIS_SOCKET
}

# sockets_on HOW: an operator turns Unix sockets on for the shell accounts.
sockets_on() {
    sed -i "0,/AllowStreamLocalForwarding no/s//AllowStreamLocalForwarding $1/" \
        /etc/ssh/sshd_config.d/00-cloudauth.conf
    sshd_stop
    sshd_start
}

# what an operator allows by enabling them (docs/security.md): to listen anywhere, and no access to an account
test_sockets_turned_on() {
    local how
    cp /etc/ssh/sshd_config.d/00-cloudauth.conf /root/dropin.conf
    trap 'rm -f "$MEDIA/remote.sock"; cp /root/dropin.conf /etc/ssh/sshd_config.d/00-cloudauth.conf; sshd_stop; sshd_start' EXIT
    for how in yes remote; do
        cp /root/dropin.conf /etc/ssh/sshd_config.d/00-cloudauth.conf
        sockets_on $how
        lists $DATABASE ""
        tunnel alice abcdefghij -R "$MEDIA/remote.sock:$REDIS"
        same PONG "$(timeout 10 redis-cli -s "$MEDIA/remote.sock" ping)"
        tunnel_end
        rm -f "$MEDIA/remote.sock"
        tunnel alice abcdefghij -L "/root/local.sock:$REDIS_SOCKET"
        fails timeout 10 redis-cli -s /root/local.sock ping
        tunnel_end
        rm -f /root/local.sock
        lists "" ""
        no_sockets abcdefghij $REDIS_SOCKET
        no_sockets abcdefghij_sftp /pub/media/redis/socket
    done
}

# an sFTP account: no forward at all, whatever the document lists
test_sftp_account() {
    lists "$DATABASE $REDIS" localhost:9000
    tunnel alice abcdefghij_sftp -L "20001:$DATABASE" -L "20002:$REDIS"
    nothing_at 20001
    nothing_at 20002
    same 2 "$(grep -c 'open failed: administratively prohibited' $TUNNEL.log)"
    says 'administratively prohibited' login alice -W $REDIS abcdefghij_sftp@127.0.0.1
    no_listener abcdefghij_sftp 9000 9001
    no_sockets abcdefghij_sftp /pub/media/redis/socket
}

# a forward that is requested later on an open connection is held to the same lists
test_later() {
    lists $DATABASE localhost:9000
    tunnel alice abcdefghij
    later() { timeout 30 ssh -F "$SSH_CONFIG" -S $TUNNEL -O forward "$@" x@127.0.0.1; }
    later -L "$DATABASE_PORT:$DATABASE"
    converses_with_database
    later -L "20001:$REDIS"
    nothing_at 20001
    contains "$(cat $TUNNEL.log)" 'administratively prohibited'
    later -R "9000:$REDIS"
    says 'forwarding failed|forward failed' later -R "9001:$REDIS"
    tunnel_end
}

# ---- Other clients -----------------------------------------------------------------------------------

# plink_tunnel OPTION...: in the background; $plink is its process
plink_tunnel() {
    timeout 60 plink -v -batch -P "$SSH_PORT" -hostkey "$PUTTY_HOST_KEY" -i "$KEYS/alice.ppk" \
        -N "$@" abcdefghij@127.0.0.1 </dev/null >/root/plink.log 2>&1 &
    plink=$!
}

# PuTTY plink -N -L, -D, -nc: to listed destinations
test_plink() {
    plink_tunnel -L "$DATABASE_PORT:$DATABASE" -D "$SOCKS_PORT"
    wait_for sql <<<"SELECT 1"
    converses_with_database
    contains "$(socks $REDIS)" '^\+PONG'
    stop $plink
    contains "$(printf 'PING\r\nQUIT\r\n' | putty plink alice -nc $REDIS abcdefghij@127.0.0.1)" \
        '^\+PONG'
}

# PuTTY plink -L, -D, -nc, -R: not to destinations that are not listed
test_plink_not_listed() {
    lists $DATABASE localhost:9000
    plink_tunnel -L "20001:$REDIS" -D "$SOCKS_PORT" -R "9001:$REDIS"
    wait_for grep 'Remote port forwarding from 9001 refused' /root/plink.log
    wait_for grep 'Local port 20001 forwarding' /root/plink.log
    nothing_at 20001
    same "" "$(socks $REDIS 2>/dev/null || true)"
    stop $plink
    same 2 "$(grep -c 'Administratively prohibited' /root/plink.log)"
    says 'Administratively prohibited|refused' putty plink alice -nc $REDIS abcdefghij@127.0.0.1
}

# Paramiko and AsyncSSH: to listed destinations
test_libraries() {
    local library
    lists $REDIS localhost:9000
    for library in paramiko asyncssh; do
        contains "$(printf 'PING\r\nQUIT\r\n' |
            $library alice abcdefghij open redis.internal 6379)" '^\+PONG'
        $library alice abcdefghij listen 9000
    done
}

# Paramiko and AsyncSSH: neither to destinations that are not listed, nor to a Unix socket
test_libraries_not_listed() {
    local library
    lists $DATABASE localhost:9000
    for library in paramiko asyncssh; do
        says 'open failed|[Pp]rohibited' $library alice abcdefghij open redis.internal 6379
        says '[Ll]isten|denied|rejected' $library alice abcdefghij listen 9001
    done
    says 'open failed|[Pp]rohibited' asyncssh alice abcdefghij open $REDIS_SOCKET
    says '[Ll]isten' asyncssh alice abcdefghij listen $HOME_DIR/remote.sock
}
