#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# laden.py FORM: sends the daemon packets that carry descriptors (SCM_RIGHTS) whose closing waits for
# ten minutes: of TCP connections with SO_LINGER, whose other end reads nothing. Says "sent", and keeps
# those ends open until it is killed. FORM is where the packet stands:
#
#   question   it is the question
#   empty      there is no byte in it
#   second     it comes behind a whole question, and an empty packet
#   beyond     on many more connections than one user may have
import array, resource, signal, socket, struct, sys

PATH = '/run/cloudauth/socket'
# common/wire.h: the passwd entry of a name that is not ours
QUESTION = struct.pack('<4s4BI', b'CLDA', 1, 1, 0, 0, 7) + b'nobody7\0'
kept = []


def waiting():
    """A connection with bytes that its other end will never take."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(('127.0.0.1', 0))
    listener.listen()
    ours = socket.create_connection(listener.getsockname())
    kept.extend([listener, listener.accept()[0]])
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    try:
        while True:
            ours.send(bytes(65536))
    except BlockingIOError:
        pass
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 600))
    return ours


def connect():
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(PATH)
    kept.append(client)
    return client


def send_laden(client, text):
    with waiting() as one, waiting() as two:
        rights = array.array('i', [one.fileno(), two.fileno()])
        try:
            client.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except BrokenPipeError:
            pass  # it was answered already


def main(form):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if form == 'beyond':
        for _ in range(300):
            connect()
    for _ in range(20):
        client = connect()
        if form == 'second':
            client.send(QUESTION)
            client.send(b'')
        send_laden(client, b'' if form in ('empty', 'second') else QUESTION)
    print('sent', flush=True)
    signal.pause()


main(sys.argv[1])
