#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hostile.py DIRECTORY GOOD WORSE CERTIFICATES: a project API that misbehaves as it is told.

DIRECTORY/mode names what it does now; it is read at each connection and each request. In the mode
`good` it serves the documents of the directory GOOD as an API should. In the others it does wrong, and
where that takes a body it is a document of the directory WORSE, which a host must not believe then.
DIRECTORY/log gets a line `CONNECTION GET PATH MODE` of each request, DIRECTORY/connections a line
`CONNECTION MODE` of each connection. http on HTTP_PORT, https on HTTPS_PORT with the certificates
CERTIFICATES/NAME.pem and .key.
"""
import functools
import gzip
import hashlib
import json
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time
import zlib

HTTP_PORT, HTTPS_PORT = 948, 9443
DIRECTORY, GOOD, WORSE, CERTIFICATES = sys.argv[1:]
PATH = re.compile(r"/v1/projects/([a-z0-9]+)/environments/([a-z0-9-]+)/ssh-access")
PRODUCTION = "/v1/projects/abcdefghij/environments/production/ssh-access"
FOREVER = 3600  # seconds: longer than any test
PIECE = 65536

# In the modes kept-silence and h2-kept-silence a connection that was made in another one falls silent
# at its next request, as if its packets were lost, and a new one is served well.

# What a mode changes below HTTP. A connection that was made otherwise is closed at its next request.
CERTIFICATE = {"tls-expired": "expired", "tls-self-signed": "self-signed",
               "tls-wrong-name": "wrong-name"}
BELOW_HTTP = {"tls-silence", "tls-garbage", "tls-client", *CERTIFICATE}

lock = threading.Lock()
connections = 0


def mode():
    with open(f"{DIRECTORY}/mode", encoding="ascii") as file:
        return file.read().strip()


def log(name, line):
    with lock, open(f"{DIRECTORY}/{name}", "a", encoding="ascii", errors="replace") as file:
        file.write(line + "\n")


def document(directory, path):
    """The bytes of the document that a path stands for, or None."""
    match = PATH.fullmatch(path)
    try:
        with open(f"{directory}/{match[1]}/{match[2]}.json", "rb") as file:
            return file.read()
    except (OSError, TypeError):
        return None


def closed(connection):
    """Waits for the client to go."""
    end = time.monotonic() + FOREVER
    while time.monotonic() < end:
        if select.select([connection], [], [], 1)[0] and connection.recv(PIECE) == b"":
            return


def answer(status, body, *headers, length=None):
    """An answer's bytes. length: what it says of itself, where that is not so; 0: nothing."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    if length != 0:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---- What is wrong with a body: a function of a good one --------------------------------------------


def with_member(text):
    """Puts raw JSON in front of a document's first member."""
    return lambda body: body.replace(b"{", b"{" + text + b",", 1)


def without_quotes(body):
    return re.sub(rb'"([a-z_]+)":', rb"\1:", body)


def duplicate_users(body):
    """The members of GOOD first, those of WORSE second: whichever a reader takes, it is wrong."""
    good = json.loads(document(GOOD, PRODUCTION))
    return with_member(b'"users":' + json.dumps(good["users"]).encode())(body)


LOGIN_PAGE = b"""<!DOCTYPE html>
<html><head><title>Sign in</title></head>
<body><form method="post"><input name="user"><input name="password" type="password"></form>
<script type="application/json">%s</script></body></html>
"""

BODIES = {
    "large": lambda body: body.rstrip() + b" " * (5 << 20),
    "nested": with_member(b'"more":' + b"[" * 10000 + b"]" * 10000),
    "utf8": with_member(b'"title":"\xff\xfe"'),
    "duplicate": duplicate_users,
    "not-json": without_quotes,
    "empty": lambda body: b"",
    "other-environment": lambda body: re.sub(rb'"(production|staging)"', b'"staging9"', body),
}

STATUSES = {"301": "Moved Permanently", "400": "Bad Request", "401": "Unauthorized",
            "403": "Forbidden", "404": "Not Found", "410": "Gone", "418": "I'm a teapot",
            "429": "Too Many Requests", "500": "Internal Server Error",
            "503": "Service Unavailable"}


# ---- One request over HTTP/1.1. True: the connection is kept ----------------------------------------


def good(connection, head, path, *more):
    body = document(GOOD, path)
    if body is None:
        connection.sendall(answer("404 Not Found", b"{}", *more))
        return True
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if f"if-none-match: {etag}" in head.lower():
        connection.sendall(answer("304 Not Modified", b"", f"ETag: {etag}", *more, length=0))
    else:
        connection.sendall(answer("200 OK", body, f"ETag: {etag}", *more))
    return True


def hold(connection, head, path):
    """Says nothing until the mode is another one, and then the status that this is, or the truth."""
    while (now := mode()) == "hold":
        time.sleep(0.02)
    return (REQUESTS[now] if now in STATUSES else good)(connection, head, path)


def silence(connection, _head, _path):
    closed(connection)


def silence_of_absent(connection, head, path):
    """Quick for what is there, and no word of what is not."""
    if document(GOOD, path) is None:
        closed(connection)
        return False
    return good(connection, head, path)


@functools.cache
def many_users():
    """4 MiB of users with as many keys as are allowed, as members of a document."""
    user = json.loads(document(GOOD, PRODUCTION))["users"][0]
    keys = (user["ssh_keys"] * 100)[:100]
    one = len(json.dumps({**user, "ssh_keys": keys}))
    users = [{**user, "id": f"u{n}", "username": f"u{n}", "ssh_keys": keys}
             for n in range((4 << 20) // one - 2)]
    return json.dumps({**json.loads(document(GOOD, PRODUCTION)), "users": users}).encode()


def huge(connection, head, path):
    """Of production 4 MiB, and another document each time; of the others the truth."""
    if path != PRODUCTION:
        return good(connection, head, path)
    connection.sendall(answer("200 OK", with_member(b'"made":%d' % time.time_ns())(many_users())))
    return True


def drip(connection, data):
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(1)


def drip_head(connection, _head, path):
    drip(connection, answer("200 OK", document(WORSE, path)))


def drip_body(connection, _head, path):
    whole = answer("200 OK", document(WORSE, path))
    start = whole.index(b"\r\n\r\n") + 4
    connection.sendall(whole[:start])
    drip(connection, whole[start:])


def cut_head(connection, _head, path):
    connection.sendall(answer("200 OK", document(WORSE, path))[:40])


def cut_head_404(connection, _head, _path):
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Ty")


def cut_body(connection, _head, path):
    whole = answer("200 OK", document(WORSE, path))
    connection.sendall(whole[: len(whole) - 100])


def cut_chunked(connection, _head, path):
    body = document(WORSE, path)
    connection.sendall(answer("200 OK", b"", "Transfer-Encoding: chunked", length=0)
                       + b"%x\r\n%s\r\n" % (len(body), body))


def long_length(connection, _head, path):
    """Says more than it has; all of the document is there."""
    body = document(WORSE, path)
    connection.sendall(answer("200 OK", body, length=len(body) + 100))


def short_length(connection, _head, path):
    body = document(WORSE, path)
    connection.sendall(answer("200 OK", body, length=len(body.rstrip()) - 1))
    return True


@functools.lru_cache
def packed(path):
    """100 MiB of a document in less than one."""
    return gzip.compress(document(WORSE, path).rstrip() + b" " * (100 << 20), 1)


def bomb(connection, _head, path):
    connection.sendall(answer("200 OK", packed(path), "Content-Encoding: gzip"))
    return True


@functools.lru_cache
def nested_codings():
    """A gzip stream of 20 million empty blocks, twice compressed again: two kilobytes that take seconds to undo."""
    compress = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = compress.compress(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")
    blocks = b"\0\0\0\xff\xff" * 1000000
    body += b"".join(compress.compress(blocks) for _ in range(20)) + compress.flush()
    for _ in range(2):
        body = gzip.compress(body, 9)
    return body


def codings(connection, _head, _path):
    body = nested_codings()
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, gzip, gzip, gzip, chunked\r\n\r\n"
                       + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")


def endless_head(connection, _head, _path):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    lines = b"X-More: " + b"x" * 1000 + b"\r\n"
    while True:
        connection.sendall(lines * 64)


def endless_body(connection, _head, path):
    connection.sendall(answer("200 OK", document(WORSE, path).rstrip(), length=0))
    while True:
        connection.sendall(b" " * PIECE)


def login_page(connection, _head, path):
    body = LOGIN_PAGE % document(WORSE, path)
    connection.sendall(answer("200 OK", body, "Content-Type: text/html"))
    return True


def no_answer(connection, _head, _path):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")


def idle_close(connection, head, path):
    good(connection, head, path)


def body_of(name):
    def wrong(connection, _head, path):
        connection.sendall(answer("200 OK", BODIES[name](document(WORSE, path))))
        return True

    return wrong


def status_of(status, *headers):
    """An answer of that status; its body is a document, which must not count."""
    more = [*headers] or {"301": ["Location: https://login.example.com/"], "429": ["Retry-After: 3"],
                          "401": ['WWW-Authenticate: Bearer realm="hostile"']}.get(status, [])

    def wrong(connection, _head, path):
        connection.sendall(answer(f"{status} {STATUSES[status]}", document(WORSE, path) or b"{}",
                                  *more))
        return True

    return wrong


REQUESTS = {
    "good": good, "kept-silence": good, "hold": hold, "silence": silence, "silence-of-absent": silence_of_absent,
    "drip-head": drip_head, "huge": huge,
    "drip-body": drip_body, "cut-head": cut_head, "cut-head-404": cut_head_404,
    "cut-body": cut_body, "cut-chunked": cut_chunked,
    "long-length": long_length, "short-length": short_length, "bomb": bomb, "codings": codings,
    "endless-head": endless_head, "endless-body": endless_body, "login-page": login_page,
    "no-http": no_answer, "idle-close": idle_close,
    "busy": status_of("503", "Retry-After: 300"),
    **{name: body_of(name) for name in BODIES}, **{name: status_of(name) for name in STATUSES},
}


def head_of(connection):
    """The head of a request, or None where the client is gone."""
    head = b""
    while b"\r\n\r\n" not in head:
        got = connection.recv(PIECE)
        if not got:
            return None
        head += got
    return head.decode("latin-1")


def serve_http(connection, number, made):
    asked = 0
    while (head := head_of(connection)) is not None:
        path, now = head.split(" ")[1], mode()
        log("log", f"{number} GET {path} {now}")
        asked += 1
        if now == "kept-silence" and made != now:
            closed(connection)
            return
        # As if it had been closed while it was idle.
        if (now != made and (now in BELOW_HTTP or now.startswith("h2"))) or \
                (now == "reuse-close" and asked > 1):
            return
        handler = good if now in BELOW_HTTP or now == "reuse-close" else REQUESTS[now]
        if not handler(connection, head, path):
            return


# ---- HTTP/2, by hand: it answers each request with a document, whatever its path -------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200 = b"\x88"  # of HPACK's static table


def exactly(connection, n):
    data = b""
    while len(data) < n:
        got = connection.recv(n - len(data))
        if not got:
            raise ConnectionError("gone")
        data += got
    return data


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def goaway(last):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, 0))


def answer_h2(connection, stream, now, asked):
    """True: the connection is kept."""
    if now == "h2-goaway" or (now == "h2-goaway-reuse" and asked > 1):
        connection.sendall(goaway(stream - 2 if stream > 1 else 0))
        return False
    body = document(WORSE if now == "h2-goaway-body" else GOOD, PRODUCTION)
    if now == "h2-goaway-body":
        connection.sendall(frame(HEADERS, END_HEADERS, stream, STATUS_200)
                           + frame(DATA, 0, stream, body.rstrip()) + goaway(stream))
        return False
    connection.sendall(frame(HEADERS, END_HEADERS, stream, STATUS_200)
                       + frame(DATA, END_STREAM, stream, body))
    return True


def serve_h2(connection, number, made):
    asked = 0
    if exactly(connection, len(PREFACE)) != PREFACE:
        return
    connection.sendall(frame(SETTINGS, 0, 0))
    while True:
        header = exactly(connection, 9)
        length, kind, flags = int.from_bytes(header[:3], "big"), header[3], header[4]
        stream = int.from_bytes(header[5:], "big")
        payload = exactly(connection, length)
        if kind == SETTINGS and not flags & ACK:
            connection.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            connection.sendall(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            now = mode()
            asked += 1
            log("log", f"{number} GET h2 {now}")
            if now == "h2-kept-silence" and made != now:
                closed(connection)
                return
            if not now.startswith("h2") or not answer_h2(connection, stream, now, asked):
                return


# ---- Connections -----------------------------------------------------------------------------------


def context(now):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = CERTIFICATE.get(now, "api")
    tls.load_cert_chain(f"{CERTIFICATES}/{name}.pem", f"{CERTIFICATES}/{name}.key")
    if now == "tls-client":
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(f"{CERTIFICATES}/other.pem")
    tls.set_alpn_protocols(["h2"] if now.startswith("h2") else ["http/1.1"])
    return tls


def serve_tls(plain, number, now):
    if now == "tls-silence":
        closed(plain)
    elif now == "tls-garbage":
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    else:
        # Of the socket only a copy is closed with the TLS of it.
        try:
            with context(now).wrap_socket(plain.dup(), server_side=True) as connection:
                if connection.selected_alpn_protocol() == "h2":
                    serve_h2(connection, number, now)
                else:
                    serve_http(connection, number, now)
        except ssl.SSLError:
            pass  # the alert that was sent is to be read: the end is as it would be without one


def end(plain):
    """Closes with a FIN: after a plain close, what the client still sends would bring it a reset."""
    plain.shutdown(socket.SHUT_WR)
    plain.settimeout(1)
    while plain.recv(PIECE):
        pass


def serve(plain, number, tls):
    now = mode()
    log("connections", f"{number} {now}")
    with plain:
        try:
            if tls:
                serve_tls(plain, number, now)
            else:
                serve_http(plain, number, now)
            end(plain)
        except OSError:
            pass  # the client has had enough


def listen(address, port, tls):
    global connections
    listener = socket.create_server((address, port), backlog=1024)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with lock:
            connections += 1
            number = connections
        threading.Thread(target=serve, args=(connection, number, tls), daemon=True).start()


packed(PRODUCTION)  # takes its time, which is not to be a login's
threading.Thread(target=listen, args=("127.0.0.1", HTTP_PORT, False), daemon=True).start()
listen("", HTTPS_PORT, True)
