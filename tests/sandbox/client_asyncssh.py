#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""client_asyncssh.py KEY LOGIN VERB ARGUMENT...: what tests/sandbox/clients.sh asks of AsyncSSH.

put FILE PATH; get PATH FILE; scp_put, scp_get (the old protocol); list PATH; run COMMAND (stdin,
stdout and exit status are the command's); open HOST PORT or open PATH of a socket (what stdin says
there, and what comes back); listen PORT or listen PATH of a socket. What the server says goes to
stderr.
"""

import asyncio
import sys

import asyncssh

SECONDS = 20


class Client(asyncssh.SSHClient):
    def auth_banner_received(self, msg, lang):
        print(msg, file=sys.stderr)


def remote(connection, path):
    return connection, path


async def run(connection, command):
    # Bytes from end to end: no encoding.
    result = await connection.run(command, input=sys.stdin.buffer.read(), encoding=None)
    sys.stdout.buffer.write(result.stdout)
    sys.stderr.buffer.write(result.stderr)
    return result.exit_status


async def reach(connection, *where):
    if len(where) == 1:
        reader, writer = await connection.open_unix_connection(*where)
    else:
        reader, writer = await connection.open_connection(where[0], int(where[1]))
    writer.write(sys.stdin.buffer.read())
    writer.write_eof()
    sys.stdout.buffer.write(await reader.read())
    return 0


async def listen(connection, where):
    if where.startswith("/"):
        listener = await connection.forward_remote_path(where, "/nowhere")
    else:
        listener = await connection.forward_remote_port("localhost", int(where), "127.0.0.1", 9)
    listener.close()
    return 0


async def transfer(connection, verb, source, target):
    if verb == "scp_put":
        await asyncssh.scp(source, remote(connection, target))
    elif verb == "scp_get":
        await asyncssh.scp(remote(connection, source), target)
    else:
        async with connection.start_sftp_client() as sftp:
            await {"put": sftp.put, "get": sftp.get}[verb](source, target)
    return 0


async def names(connection, path):
    async with connection.start_sftp_client() as sftp:
        print("\n".join(sorted(set(await sftp.listdir(path)) - {".", ".."})))
    return 0


async def main(key, login, verb, *arguments):
    async with asyncssh.connect(
            "127.0.0.1", 22, config=None, username=login, client_keys=[key], agent_path=None,
            known_hosts="/root/known_hosts", client_factory=Client) as connection:
        verbs = {"run": run, "open": reach, "listen": listen, "list": names}
        if verb in verbs:
            return await verbs[verb](connection, *arguments)
        return await transfer(connection, verb, *arguments)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), SECONDS)))
    except Exception as error:  # its last word
        sys.exit(f"{type(error).__name__}: {error}")
