#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""client_paramiko.py KEY LOGIN VERB ARGUMENT...: what tests/sandbox/clients.sh asks of Paramiko.

put FILE PATH; get PATH FILE; list PATH; run COMMAND (stdin, stdout and exit status are the
command's); open HOST PORT (what stdin says there, and what comes back); listen PORT. What the server
says goes to stderr.
"""

import logging
import os
import sys
import threading

import paramiko

SECONDS = 20


def connect(key, login):
    client = paramiko.SSHClient()
    client.load_host_keys("/root/known_hosts.paramiko")
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        "127.0.0.1", 22, login, key_filename=key, look_for_keys=False, allow_agent=False,
        timeout=SECONDS, banner_timeout=SECONDS, auth_timeout=SECONDS)
    return client


def feed(channel):
    while True:
        # Not through sys.stdin: its lock would be held when the program ends, which then aborts.
        data = os.read(0, 32768)
        if not data:
            break
        channel.sendall(data)
    channel.shutdown_write()


def pump(channel):
    threading.Thread(target=feed, args=[channel], daemon=True).start()
    while True:
        data = channel.recv(32768)
        if not data:
            break
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def run(client, command):
    channel = client.get_transport().open_session(timeout=SECONDS)
    channel.settimeout(SECONDS)
    channel.exec_command(command)
    pump(channel)
    return channel.recv_exit_status()


def reach(client, host, port):
    channel = client.get_transport().open_channel(
        "direct-tcpip", (host, int(port)), ("127.0.0.1", 0), timeout=SECONDS)
    channel.settimeout(SECONDS)
    pump(channel)
    return 0


def main(key, login, verb, *arguments):
    # What the server says before it ends the connection stands nowhere else.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    client = connect(key, login)
    try:
        if verb == "run":
            return run(client, *arguments)
        if verb == "open":
            return reach(client, *arguments)
        if verb == "listen":
            client.get_transport().request_port_forward("localhost", int(arguments[0]))
            return 0
        sftp = client.open_sftp()
        sftp.get_channel().settimeout(SECONDS)
        if verb == "list":
            print("\n".join(sorted(sftp.listdir(*arguments))))
        else:
            {"put": sftp.put, "get": sftp.get}[verb](*arguments)
        return 0
    finally:
        client.close()


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except Exception as error:  # its last word
        sys.exit(f"{type(error).__name__}: {error}")
