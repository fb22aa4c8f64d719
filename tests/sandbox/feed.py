#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""feed.py DIRECTORY CERTIFICATES: a change feed (docs/api.md) that misbehaves as it is told.

DIRECTORY/journal has a line `PROJECT [ENVIRONMENT]` for each change; the cursor, an ETag, is the word in
DIRECTORY/epoch and the number of lines. DIRECTORY/all has the names of a whole answer, DIRECTORY/page_size how many
names a page has, and DIRECTORY/next another link to the next page than the right one. DIRECTORY/mode names
what the server does; it is read at each request and while an answer is held, and `good` is what
docs/api.md says, with an answer after HOLD seconds at the latest. DIRECTORY/log gets a line `MILLISECONDS poll CURSOR WAIT CACHE-CONTROL PATH` for each poll,
`MILLISECONDS page NUMBER` for each further page, and `MILLISECONDS sent STATUS CURSOR` for each answer.
http on port HTTP, https on port HTTPS with the certificate CERTIFICATES/api.pem.
"""
import functools
import json
import os
import re
import select
import socket
import ssl
import sys
import threading
import time

HTTP, HTTPS = 949, 9449
DIRECTORY, CERTIFICATES = sys.argv[1:]
BIG = 5 << 20
TICK = 0.02  # seconds
HOLD = 1
lock = threading.Lock()


def read(name):
    try:
        with open(f"{DIRECTORY}/{name}", encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def mode():
    return read("mode").strip()


def log(line):
    with lock, open(f"{DIRECTORY}/log", "a", encoding="ascii", errors="replace") as file:
        file.write(f"{time.time_ns() // 1000000} {line}\n")


def cursor_of(number):
    return f'"{read("epoch").strip()}-{number}"'


@functools.lru_cache(4)
def parsed(file, _size, _time):
    return [dict(zip(("project", "environment"), line.split())) for line in read(file).splitlines()]


def names(file):
    """The names in a file, as members of `changed`."""
    now = os.stat(f"{DIRECTORY}/{file}")
    return parsed(file, now.st_size, now.st_mtime_ns)


class Poll:
    """A request, and the connection that it came by."""

    def __init__(self, connection, head):
        def header(name, default=""):
            found = re.search(rf"^{name}: *(.*?)\r$", head, re.M | re.I)
            return found[1] if found else default

        self.connection = connection
        page = re.search(r"[?&]page=(\d+)", head.split(" ")[1])
        self.page = int(page[1]) if page else 1
        self.cursor = header("If-None-Match")
        wait = re.search(r"wait=(\d+)", header("Prefer"))
        self.wait = int(wait[1]) if wait else 0
        if self.page > 1:
            log(f"page {self.page}")
        else:
            log(f"poll {self.cursor or '-'} {wait[1] if wait else '-'} {header('Cache-Control', '-')} "
                + head.split(" ")[1])

    def known(self):
        """How many lines of the journal the client has; None where that cannot be known."""
        match = re.fullmatch(r'"(\w+)-(\d+)"', self.cursor)
        lines = len(names("journal"))
        known = match and match[1] == read("epoch").strip() and int(match[2]) <= lines
        return int(match[2]) if known else None

    def send(self, status, body, *headers, cursor=None, length=None):
        lines = [f"HTTP/1.1 {status} Some", *headers]
        if cursor:
            lines.append("ETag: " + cursor)
        if status != 304 and length is not False:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        log(f"sent {status} {cursor or '-'}")
        return True

    def hold(self):
        end = time.monotonic() + min(self.wait, HOLD)
        while mode() == "good" and self.page == 1 and time.monotonic() < end and \
                self.known() == len(names("journal")):
            time.sleep(TICK)

    def content(self, number=None):
        """(cursor, body) of the answer to a client that has that many lines of the journal."""
        number = self.known() if number is None else number
        end = len(names("journal"))
        every = names("all") if number is None else names("journal")[number:end]
        size = int(read("page_size"))
        first = (self.page - 1) * size
        answer = {"changed": every[first:first + size], "whole": number is None}
        if len(every) > first + size:
            answer["_links"] = {"next": {"href": read("next").strip() or f"?page={self.page + 1}"}}
        return cursor_of(end), json.dumps(answer, separators=(",", ":")).encode()


def good(poll):
    cursor, body = poll.content()
    if poll.page == 1 and poll.known() == len(names("journal")):
        return poll.send(304, b"", cursor=cursor)
    return poll.send(200, body, cursor=cursor if poll.page == 1 else None)


def forever(poll):
    """Waits for the client to go."""
    while not select.select([poll.connection], [], [], 1)[0] or poll.connection.recv(65536):
        pass


def drip(poll):
    _, body = poll.content()
    poll.send(200, b"", cursor='"drip-1"', length=len(body))
    for byte in body:
        time.sleep(0.5)
        poll.connection.sendall(bytes([byte]))


def cut(poll):
    """All that an answer has, the names and the new cursor too, but for its end."""
    cursor, body = poll.content()
    poll.send(200, body[:-2], cursor=cursor, length=len(body))


def cut_chunked(poll):
    cursor, body = poll.content()
    poll.send(200, b"%x\r\n%s\r\n" % (len(body), body), "Transfer-Encoding: chunked", cursor=cursor, length=False)


def big(poll):
    cursor, body = poll.content()
    return poll.send(200, body + b" " * (BIG - len(body)), cursor=cursor)


def body_file(poll):
    """The bytes in DIRECTORY/body, with the next cursor."""
    return poll.send(200, read("body").encode(), cursor=cursor_of(len(names("journal"))))


def back(poll):
    """The cursor is always that of one line less."""
    lines = len(names("journal"))
    _, body = poll.content(max(lines - 1, 0))
    return poll.send(200, body, cursor=cursor_of(max(lines - 1, 0)))


def spin(poll):
    """As good, but nothing is held, and nothing new is a 200."""
    cursor, body = poll.content()
    return poll.send(200, body, cursor=cursor)


def spin_304(poll):
    """As good, but nothing is held."""
    return good(poll)


def whole(poll):
    """All names, at once, always."""
    body = json.dumps({"changed": names("all"), "whole": True}).encode()
    return poll.send(200, body, cursor=cursor_of(len(names("journal"))))


def no_cursor(poll):
    _, body = poll.content()
    return poll.send(200, body)


def page_2_fails(poll):
    return poll.send(500, b"{}") if poll.page > 1 else good(poll)


MODES = {"good": good, "hang": forever, "drip": drip, "cut": cut, "cut-chunked": cut_chunked, "big": big,
         "body": body_file, "back": back, "spin": spin, "spin-304": spin_304, "whole": whole,
         "no-cursor": no_cursor, "page-2-fails": page_2_fails}


def handle(poll):
    poll.hold()
    now = mode()
    if now.isdigit():
        # The body is a good answer with the new cursor, which must not count.
        cursor, body = poll.content()
        return poll.send(int(now), body, "Location: https://login.example.com/", cursor=cursor)
    return MODES[now](poll)


def serve(plain, tls):
    with plain:
        try:
            connection = tls.wrap_socket(plain, server_side=True) if tls else plain
            head = b""
            while got := connection.recv(65536):
                head += got
                if b"\r\n\r\n" not in head:
                    continue
                if not handle(Poll(connection, head.decode("latin-1"))):
                    return
                head = b""
        except OSError:
            pass  # the client is gone


def listen(address, port, tls):
    listener = socket.create_server((address, port), backlog=128)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection, tls), daemon=True).start()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{CERTIFICATES}/api.pem", f"{CERTIFICATES}/api.key")
threading.Thread(target=listen, args=("127.0.0.1", HTTP, None), daemon=True).start()
listen("", HTTPS, context)
