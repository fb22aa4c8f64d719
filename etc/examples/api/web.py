# SPDX-License-Identifier: Apache-2.0
"""HTTP for api.py, by Python's http.server, with bounds. A platform has its own framework in this place."""
import http.server, json, re, socket, traceback
from http import HTTPStatus

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
           "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
           "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}


class Problem(Exception):
    """An answer that is an error (RFC 9457). People read `detail`."""

    def __init__(self, status, detail, headers=None, **members):
        members |= {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        self.answer = status, members, {"Content-Type": "application/problem+json"} | (headers or {})


class Handler(http.server.BaseHTTPRequestHandler):
    """Of a connection. A subclass has dispatch(), which returns (status, body, headers) or raises Problem."""
    protocol_version, timeout, wbufsize = "HTTP/1.1", 15, -1  # seconds for each read and write; buffered

    def respond(self):
        length = self.headers.get_all("content-length", ["0"])
        if "transfer-encoding" in self.headers or len(length) > 1 or not re.fullmatch("[0-9]{1,5}", length[0]):
            return self.send_error(413, "A request has one Content-Length, of 99999 at most.")
        self.body = self.rfile.read(int(length[0]))
        try:
            answer = self.dispatch()
        except Problem as problem:
            answer = problem.answer
        except Exception:
            traceback.print_exc()  # never a 404: it is not known whether there is such an environment
            answer = Problem(503, "Something broke here. Try again later.").answer
        self.send(*answer)

    do_GET = do_POST = do_DELETE = respond

    def send(self, status, body, headers):
        if not isinstance(body, bytes):
            headers = {"Content-Type": "application/json"} | headers
            body = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in (HEADERS | headers).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def send_error(self, status, message=None, explain=None):
        """Of a request that is not read to its end, so no other can follow. http.server calls this as well."""
        self.send(*Problem(status, message or HTTPStatus(status).phrase, {"Connection": "close"}).answer)
        self.connection.shutdown(socket.SHUT_WR)
        any(not self.connection.recv(65536) for _ in range(64))  # what stays unread resets the connection

    def header(self, name):
        return self.headers.get(name, "")

    def text(self, name):
        """A string of the JSON in the body. A form of another site cannot send that type."""
        try:
            value = json.loads(self.body)[name] if self.header("content-type") == "application/json" else None
            value.encode()  # fails for half of a surrogate pair
            return value
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Problem(400, f"the body is not application/json with a string “{name}”") from None

    def cookie(self, name):
        return next(iter(re.findall(f"(?:^|;) *{name}=([^;]*)", self.header("cookie"))), "")

    def authorization(self, scheme):
        word, _, value = self.header("authorization").partition(" ")
        return value.strip() if word.lower() == scheme else ""


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512

    def handle_error(self, request, client_address):
        pass  # the peer is gone: all else is answered
