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
#   flood      on connections that are closed at once: 3000 in a burst, "sent", and on and on
import array, collections, os, resource, signal, socket, struct, sys, threading

PATH = '/run/cloudauth/socket'
# common/wire.h: the passwd entry of a name that is not ours
QUESTION = struct.pack('<4s4BI', b'CLDA', 1, 1, 0, 0, 7) + b'nobody7\0'
kept = collections.deque()
LISTENER = socket.socket()
LISTENER.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
LISTENER.bind(('127.0.0.1', 0))
LISTENER.listen()


def waiting():
    """A connection with bytes that its other end will never take."""
    ours = socket.create_connection(LISTENER.getsockname())
    kept.append(LISTENER.accept()[0])
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
    return client


def send_laden(client, text, *laden):
    rights = array.array('i', [each.fileno() for each in laden])
    try:
        client.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was answered already
    except PermissionError:
        print('refused', flush=True)
        os._exit(3)  # which does not wait as close does
    for each in laden:
        each.close()


def flow(ready, sent):
    while True:
        one = ready.popleft() if ready else waiting()
        with connect() as client:
            send_laden(client, QUESTION, one)
        sent.append(1)
        while len(kept) > 6000:
            kept.popleft().close()


# A close that waits for the daemon's, because that came first, stops one thread.
def flood():
    ready, sent = collections.deque(waiting() for _ in range(3000)), []
    for _ in range(64):
        threading.Thread(target=flow, args=(ready, sent), daemon=True).start()
    while len(sent) < 2500:
        threading.Event().wait(0.01)


def main(form):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if form == 'flood':
        flood()
    if form == 'beyond':
        kept.extend(connect() for _ in range(300))
    for _ in range(20 if form != 'flood' else 0):
        client = connect()
        kept.append(client)
        if form == 'second':
            client.send(QUESTION)
            client.send(b'')
        send_laden(client, b'' if form in ('empty', 'second') else QUESTION, waiting(), waiting())
    print('sent', flush=True)
    signal.pause()


main(sys.argv[1])
