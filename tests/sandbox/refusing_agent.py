#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# refusing_agent.py SOCKET AGENT FILE: an agent at SOCKET that has the keys of the one at AGENT, but signs nothing
# with the key or certificate of FILE (.pub). ssh offers that first, has it accepted, and goes on to the next one.
import base64, os, socket, struct, sys, threading

SIGN, FAILURE = 13, struct.pack(">IB", 1, 5)  # draft-ietf-sshm-ssh-agent, 3.6 and 3.2


def take(connection):
    head = connection.recv(4, socket.MSG_WAITALL)
    return head + connection.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL) if len(head) == 4 else b""


def serve(client):
    with client, socket.socket(socket.AF_UNIX) as agent:
        agent.connect(sys.argv[2])
        while message := take(client):
            if message[4] == SIGN and message[9:].startswith(refused):
                client.sendall(FAILURE)
            else:
                agent.sendall(message)
                client.sendall(take(agent))


with open(sys.argv[3], encoding="ascii") as file:
    refused = base64.b64decode(file.read().split()[1])
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o600)
listener.listen()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
