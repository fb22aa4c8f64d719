# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 for api.py, with bounds. A platform has its own framework in this place."""
import asyncio, json, re, traceback, urllib.parse
from http import HTTPStatus

HEAD_MAX, BODY_MAX = 16 << 10, 32 << 10  # bytes of a request
READ_SECONDS = 15        # for a request to arrive
CONNECTIONS_MAX = 900    # one thread serves them all; a process may open 1024 files
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
           "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
           "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
           "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'; require-trusted-types-for 'script'"}


class Problem(Exception):
    """An answer that is an error (RFC 9457). People read `detail`."""

    def __init__(self, status, detail, headers=None, **members):
        super().__init__(detail)
        members |= {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        self.answer = status, members, {"Content-Type": "application/problem+json"} | (headers or {})


class Request:
    def __init__(self, head):
        first, *rest = head.split("\r\n")
        match = re.fullmatch(r"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.1", first)
        if not match:
            raise Problem(400, "this is no request of HTTP/1.1")
        self.method, self.headers, self.body = match[1], {}, b""
        self.path, _, query = match[2].partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        for line in rest:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or name.lower() in self.headers:
                raise Problem(400, "a header is malformed, or occurs twice")
            self.headers[name.lower()] = value.strip(" \t")
        if "transfer-encoding" in self.headers or not re.fullmatch("[0-9]{1,15}", self.header("content-length", "0")):
            raise Problem(411, "Content-Length is required")
        if int(self.header("content-length", "0")) > BODY_MAX:
            raise Problem(413, "This is far too long for a key.")

    def header(self, name, default=""):
        return self.headers.get(name, default)

    def text(self, name):
        """A string of the JSON in the body. A form of another site cannot send that type."""
        try:
            value = json.loads(self.body)[name] if self.header("content-type") == "application/json" else None
            value.encode()  # fails for half of a surrogate pair
            return value
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Problem(400, f"the body is not application/json with a string “{name}”") from None

    def cookie(self, name):
        pairs = (pair.strip().partition("=") for pair in self.header("cookie").split(";"))
        return next((value for key, _, value in pairs if key == name), "")

    def authorization(self, scheme):
        word, _, value = self.header("authorization").partition(" ")
        return value.strip() if word.lower() == scheme else ""


async def read_request(reader):
    try:
        request = Request((await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1"))
    except asyncio.LimitOverrunError:
        raise Problem(431, f"more than {HEAD_MAX} bytes of headers") from None
    request.body = await reader.readexactly(int(request.header("content-length", "0")))
    return request


async def exchange(dispatch, reader, writer):
    """One request and its answer; says whether another may follow."""
    request = None
    try:
        async with asyncio.timeout(READ_SECONDS):
            request = await read_request(reader)
        status, body, headers = await dispatch(request)
    except Problem as problem:
        status, body, headers = problem.answer
    except Exception:
        if request is None:  # the peer is gone, or too slow
            return False
        traceback.print_exc()  # never a 404: it is not known whether there is such an environment
        status, body, headers = Problem(503, "Something broke here. Try again later.").answer
    if not isinstance(body, bytes):
        headers, body = {"Content-Type": "application/json"} | headers, json.dumps(body, ensure_ascii=False).encode()
    keep = request is not None and request.header("connection").lower() != "close"
    headers = HEADERS | headers | ({} if status in (204, 304) else {"Content-Length": len(body)})
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers),
             "Connection: " + ("keep-alive" if keep else "close")]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    async with asyncio.timeout(READ_SECONDS):
        await writer.drain()
        while request is None and await reader.read(1 << 16):
            pass  # of what was refused: closed now, the answer would be lost with it
    print(status, request.method if request else "-", request.path if request else "-", flush=True)
    return keep


async def serve(dispatch, address, port, tls=None):
    """Serves until it is cancelled. dispatch(request) returns (status, body, headers), or raises Problem."""
    async def connection(reader, writer):
        serve.connections += 1
        try:
            while serve.connections <= CONNECTIONS_MAX and await exchange(dispatch, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            serve.connections -= 1
            writer.close()

    server = await asyncio.start_server(connection, address, port, limit=HEAD_MAX, ssl=tls, backlog=512)
    async with server:
        await server.serve_forever()

serve.connections = 0
