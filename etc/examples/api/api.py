#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A project API to try cloudauth with, and its page: README.md. DIRECTORY has its database and keys.

  api.py DIRECTORY import FILE...          takes over access documents, with their people and keys
  api.py DIRECTORY host NAME [PROJECT...]  admits a host, to these projects or all; prints NAME:SECRET
  api.py DIRECTORY serve [OPTION...]       serves the API and the page
"""
import argparse, asyncio, base64, contextlib, hashlib, hmac, json, os, pathlib, re, secrets, shlex, sqlite3, ssl
import subprocess, sys, time, urllib.parse

sys.dont_write_bytecode = True  # into the examples
import keys, web
from web import Problem

LIVES = {"link": 600, "page": 8 * 3600, "command": 30 * 86400, "host": 3600}  # seconds, of passes
WAIT_MAX, CHANGES_KEPT, PAGE_SIZE = 60, 10_000, 1000  # of the feed: seconds of a poll, its log, names in an answer
CODE_SECONDS, CODE_PAUSE, CODE_TRIES, LINKS_MAX, KEYS_MAX = 120, 10, 5, 20, 100  # of a person
LEVELS = {"viewer": 1, "contributor": 2, "admin": 3}
HERE = pathlib.Path(__file__).resolve().parent
PAGE = {"/": ("index.html", "text/html"), "/page.js": ("page.js", "text/javascript"),
        "/page.css": ("page.css", "text/css"), "/icon.svg": ("icon.svg", "image/svg+xml")}


def open_database(directory):
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = sqlite3.connect(directory / "api.db", timeout=2, isolation_level=None)  # each statement by itself
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript((HERE / "schema.sql").read_text())
    return db


def rest(row, *known):
    return json.dumps({member: row[member] for member in row if member not in known})


def import_document(db, document, seen):
    where, users = (document["project"], document["environment"]["name"]), document.pop("users", [])
    db.execute("INSERT OR REPLACE INTO environment VALUES (?, ?, ?)", (*where, json.dumps(document)))
    db.execute("DELETE FROM member WHERE project = ? AND name = ?", where)
    for user in users:
        person = str(user["id"])
        if seen.setdefault(person, user["ssh_keys"]) != user["ssh_keys"]:
            sys.exit(f"{where}: {person} has other keys in another of these documents; here keys are a person's")
        db.execute("INSERT INTO person VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET username = excluded.username, "
                   "mail = excluded.mail", (person, user["username"], user.get("mail")))
        others = rest(user, "id", "username", "mail", "role", "ssh_keys")
        db.execute("INSERT INTO member VALUES (?, ?, ?, ?, ?)", (*where, person, user["role"], others))
        db.execute("DELETE FROM ssh_key WHERE person = ?", (person,))
        for key in user["ssh_keys"]:
            value, others = " ".join(key["value"].split()[:2]), rest(key, "key_id", "title", "value")
            db.execute("INSERT INTO ssh_key (person, title, value, rest) VALUES (?, ?, ?, ?)",
                       (person, key.get("title", ""), value, others))


def keys_of(db, person):
    rows = db.execute("SELECT id, title, value, rest FROM ssh_key WHERE person = ? ORDER BY id", (person,))
    return [{"key_id": id, "title": title, "value": value} | json.loads(rest) for id, title, value, rest in rows]


def document_of(db, project, name):
    """The access document: docs/api.md. None: there is no such environment."""
    row = db.execute("SELECT document FROM environment WHERE project = ? AND name = ?", (project, name)).fetchone()
    people = db.execute("SELECT id, username, mail, role, rest FROM member JOIN person ON id = person "
                        "WHERE project = ? AND name = ? ORDER BY member.rowid", (project, name))
    return row and json.loads(row[0]) | {"users": [
        {"id": id, "username": username, "mail": mail, "role": role, "ssh_keys": keys_of(db, id)} | json.loads(rest)
        for id, username, mail, role, rest in people]}


def login_name(project, name):
    staging = re.fullmatch("staging([1-9][0-9]{0,2})?", name)
    return f"{project}_stg{staging[1] or ''}" if staging else project if name == "production" else f"{project}-{name}"


def admits(level, role, sftp=False):
    """The table of docs/api.md, for what the page shows. Hosts decide by themselves."""
    return sftp and level in LEVELS if role == "sftp" else LEVELS.get(role, 0) >= LEVELS.get(level, 4)


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


class Server:
    def __init__(self, db, directory, options):
        self.db, self.options, self.authority = db, options, str(directory / "authority")
        if not os.path.exists(self.authority):
            command = "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "certifier", "-f", self.authority
            subprocess.run(command, check=True)
        authority_key = pathlib.Path(self.authority + ".pub").read_text().strip()
        self.authorities = [{"title": "certifier", "value": authority_key}]
        self.scheme, self.cookie = ("https", "__Host-session") if options.tls else ("http", "session")
        self.page = {path: ((HERE / "page" / file).read_bytes(), kind) for path, (file, kind) in PAGE.items()}
        # No cursor is known from before a start: a restored backup has other changes under the same numbers.
        self.epoch, self.changed, self.codes, self.envelopes = secrets.token_hex(4), asyncio.Event(), {}, {}
        self.oldest = self.head = self.last_change()

    def one(self, query, *values):
        return self.db.execute(query, values).fetchone()

    # Changes.
    def last_change(self):
        return self.one("SELECT ifnull(max(id), 0) FROM change")[0]

    def notice(self):
        """Wakes the polls that wait, if anything has changed."""
        if (last := self.last_change()) != self.head:
            self.head, event, self.changed = last, self.changed, asyncio.Event()
            event.set()

    async def watch(self):
        """For changes that other programs make, such as `api.py import` or sqlite3(1)."""
        while True:
            await asyncio.sleep(0.1)
            with contextlib.suppress(sqlite3.Error):  # requests report it
                self.notice()
                if self.head - self.oldest > 2 * CHANGES_KEPT:
                    self.oldest = self.head - CHANGES_KEPT
                    self.db.execute("DELETE FROM change WHERE id <= ?", (self.oldest,))

    async def changes(self, request):
        """The change feed. Its cursor is the number of the last change that has been named."""
        projects = self.host(request)
        match = re.fullmatch(f'"{self.epoch}-([0-9]{{1,15}})"', request.header("if-none-match"))
        wait = re.search("wait=([0-9]{1,3})", request.header("prefer"))
        cursor, end = int(match[1]) if match else -1, time.monotonic() + min(int(wait[1]) if wait else 0, WAIT_MAX)
        if not self.oldest <= cursor <= self.head:
            return self.whole(request, projects)
        while not (names := [{"project": project, "environment": name} for project, name in self.db.execute(
                "SELECT DISTINCT project, name FROM change WHERE id > ? AND id <= ?", (cursor, self.head))
                if not projects or project in projects]) and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.changed.wait()
        tag = {"ETag": f'"{self.epoch}-{self.head}"'}
        return (200, {"changed": names, "whole": False}, tag) if names else (304, b"", tag)

    def whole(self, request, projects):
        project, _, name = request.query.get("after", "").partition(",")
        rows = self.db.execute("SELECT project, name FROM environment WHERE (project, name) > (?, ?) "
                               "ORDER BY project, name LIMIT ?", (project, name, PAGE_SIZE)).fetchall()
        answer = {"changed": [{"project": project, "environment": name} for project, name in rows
                              if not projects or project in projects], "whole": True}
        if len(rows) == PAGE_SIZE:
            answer["_links"] = {"next": {"href": "?after=" + ",".join(rows[-1])}}
        return 200, answer, {"ETag": f'"{self.epoch}-{self.head}"'}

    # Who asks.
    def issue(self, kind, owner, csrf=""):
        secret, now = secrets.token_urlsafe(32), time.time()
        self.db.execute("DELETE FROM pass WHERE expires < ?", (now,))
        self.db.execute("INSERT INTO pass VALUES (?, ?, ?, ?, ?)",
                        (digest(secret), kind, owner, csrf, now + LIVES[kind]))
        return secret

    def holder(self, kind, secret):
        return self.one("SELECT owner, csrf FROM pass WHERE hash = ? AND kind = ? AND expires >= ?",
                        digest(secret), kind, time.time())

    def host(self, request):
        """The projects of the host that asks; none: all."""
        if self.options.open:
            return []
        holder = self.holder("host", request.authorization("bearer"))
        row = holder and self.one("SELECT projects FROM host WHERE name = ?", holder[0])
        if not row:
            raise Problem(401, "no token of a host that is known here", {"WWW-Authenticate": "Bearer"})
        return row[0].split()

    def person(self, request):
        """The id of the person who asks: by the command's token, or by the cookie and a proof that the page asks."""
        row = self.holder("command", request.authorization("bearer"))
        if not row and (row := self.holder("page", request.cookie(self.cookie))) and request.method != "GET":
            if not hmac.compare_digest(request.header("x-csrf-token").encode(), row[1].encode()):
                raise Problem(403, "This request does not come from the page. Reload it.")
        if not row:
            raise Problem(401, "Sign in first.", {"WWW-Authenticate": "Bearer"})
        return row[0]

    # What hosts ask.
    async def token(self, request):
        """RFC 6749, 4.4: a host exchanges its credential for a token."""
        try:
            basic = base64.b64decode(request.authorization("basic"), validate=True).decode()
            name, secret = map(urllib.parse.unquote_plus, basic.split(":", 1))
        except ValueError:
            raise Problem(400, "no credential", error="invalid_request") from None
        row = self.one("SELECT secret FROM host WHERE name = ?", name)
        if not row or not hmac.compare_digest(row[0], digest(secret)):
            raise Problem(401, "no such host, or another secret", {"WWW-Authenticate": "Basic"}, error="invalid_client")
        if urllib.parse.parse_qs(request.body).get(b"grant_type") != [b"client_credentials"]:
            raise Problem(400, "only client_credentials", error="unsupported_grant_type")
        return 200, {"access_token": self.issue("host", name), "token_type": "bearer", "expires_in": LIVES["host"]}, {}

    async def access(self, request, project, name):
        if (projects := self.host(request)) and project not in projects:
            raise Problem(403, f"this host does not serve project {project}")
        document = document_of(self.db, project, name)
        if document:
            document["certificate_authorities"] = document.get("certificate_authorities", []) + self.authorities
        elif not self.options.sign:
            raise Problem(404, f"there is no environment {project}/{name}")
        answer = json.dumps(document).encode()
        if self.options.sign:
            gone = {"version": 1, "project": project, "environment": {"name": name, "status": "deleted"}}
            answer = await self.signed(document or gone)
        tag = f'"{hashlib.sha256(answer).hexdigest()}"'
        if request.header("if-none-match") == tag:
            return 304, b"", {"ETag": tag}
        return 200, answer, {"ETag": tag, "Content-Type": "application/json"}

    async def signed(self, document):
        """Signed again when it has changed, or at half of its time."""
        now, where = time.time(), (document["project"], document["environment"]["name"])
        made, old, answer = self.envelopes.get(where, (0, None, None))
        if old != document or now > made + min(document.get("max_stale_seconds", 3600), 3600) / 2:
            answer = json.dumps(await keys.sign(self.options.sign, document)).encode()
            self.envelopes[where] = now, document, answer
        return answer

    # What people ask, by the page or the command.
    async def link(self, request):
        """Stands in for an e-mail: the server prints the link. The answer does not tell whether the person exists."""
        row = self.one("SELECT id FROM person WHERE username = ?", request.text("username"))
        if row and self.one("SELECT count(*) FROM pass WHERE kind = 'link' AND owner = ?", row[0])[0] < LINKS_MAX:
            # Behind "#" the secret reaches no server and no log; the page takes it out of the address.
            print(f"sign in: {self.scheme}://{request.header('host')}/#{self.issue('link', row[0])}", flush=True)
        return 204, b"", {}

    async def sign_in(self, request):
        row, kind = self.holder("link", request.text("link")), request.text("for")
        if not row or kind not in ("page", "command"):
            raise Problem(401, "This link has been used or has expired. Ask for a new one.")
        self.db.execute("DELETE FROM pass WHERE hash = ?", (digest(request.text("link")),))
        secret = self.issue(kind, row[0], secrets.token_urlsafe(16))
        if kind == "command":
            return 201, {"token": secret}, {}
        return 204, b"", {"Set-Cookie": f"{self.cookie}={secret}; Path=/; HttpOnly; SameSite=Strict" +
                          ("; Secure" if self.options.tls else "")}

    async def sign_out(self, request):
        self.person(request)
        for secret in request.cookie(self.cookie), request.authorization("bearer"):
            self.db.execute("DELETE FROM pass WHERE hash = ?", (digest(secret),))
        return 204, b"", {}

    async def me(self, request):
        """All that the page shows, and the command."""
        person, page = self.person(request), self.holder("page", request.cookie(self.cookie))
        rows = self.db.execute("SELECT project, name, role, document FROM member JOIN environment "
                               "USING (project, name) WHERE person = ? ORDER BY project, name", (person,))
        return 200, {"username": self.one("SELECT username FROM person WHERE id = ?", person)[0],
                     "csrf": page and page[1], "sessions": bool(self.options.sessions),
                     "environments": [self.site(*row) for row in rows], "ssh_keys": [
                         key | {"fingerprint": keys.fingerprint(key["value"])} for key in keys_of(self.db, person)]}, {}

    def site(self, project, name, role, text):
        """Where one person reaches an environment."""
        document = json.loads(text)
        login, access, apps = login_name(project, name), document.get("access", {}), document.get("apps", {})
        host, _, port = self.options.ssh.replace("{project}", project).partition(":")
        logins = [{"app": app, "login": login + (f"--{app}" if app else ""),
                   "admitted": admits((access | settings.get("access", {})).get("ssh", "contributor"), role),
                   "forwards": settings.get("forwarding", document.get("forwarding", {})).get("local", [])}
                  for app, settings in {"": {}, **apps}.items()]
        sftp = {"login": login + "_sftp", "admitted": admits(access.get("sftp", "contributor"), role, True),
                "mounts": document.get("sftp", {}).get("mounts", [])}
        return {"project": project, "name": name, "role": role, "host": host, "port": int(port or 22), "logins": logins,
                "sftp": None if "-" in login else sftp, "message": document.get("message"),
                "title": document["environment"].get("title", name), "status": document["environment"]["status"]}

    async def sessions(self, request, project, name):
        """Who is in: of a host on this machine, by `cloudauthctl sessions --json`. People see their own, admins all."""
        person = self.person(request)
        role = self.one("SELECT role FROM member WHERE (project, name, person) = (?, ?, ?)", project, name, person)
        if not role or not self.options.sessions:
            raise Problem(404, "There is no such environment, or you are not in it.")
        rows = json.loads(await keys.run(*shlex.split(self.options.sessions), f"{project}/{name}"))["sessions"]
        return 200, [{member: row[member] for member in ("user", "account", "since", "from")} for row in rows
                     if role[0] == "admin" or row["user_id"] == person], {}

    async def check_key(self, request):
        self.person(request)
        return 200, dict(zip(("value", "comment"), await keys.checked(request.text("value")))), {}

    async def add_key(self, request):
        person, (value, comment) = self.person(request), await keys.checked(request.text("value"))
        title = request.text("title").strip() or comment[:60] or "key"
        if not title.isprintable() or len(title.encode()) > 255:
            raise Problem(422, "The title is too long, or has control characters.")
        if self.one("SELECT id FROM ssh_key WHERE value = ? AND person = ?", value, person):
            raise Problem(409, "You have this key already.")
        if self.one("SELECT id FROM ssh_key WHERE value = ?", value):
            raise Problem(409, "This key belongs to another account.")
        if len(keys_of(self.db, person)) >= KEYS_MAX:
            raise Problem(409, f"You have {KEYS_MAX} keys, as many as are accepted. Remove one first.")
        row = self.db.execute("INSERT INTO ssh_key (person, title, value) VALUES (?, ?, ?)", (person, title, value))
        return 201, {"key_id": row.lastrowid}, {}

    async def remove_key(self, request, key):
        person = self.person(request)
        if not self.db.execute("DELETE FROM ssh_key WHERE id = ? AND person = ?", (int(key), person)).rowcount:
            raise Problem(404, "This key has been removed already.")
        return 204, b"", {}

    async def code(self, request):
        """Stands in for a second factor: the server prints the code."""
        person, now = self.person(request), time.time()
        if self.codes.get(person, ("", 0, 0))[1] > now + CODE_SECONDS - CODE_PAUSE:
            raise Problem(429, "A code has just been sent.")
        self.codes[person] = f"{secrets.randbelow(10**8):08}", now + CODE_SECONDS, CODE_TRIES
        print(f"code: {self.codes[person][0]}", flush=True)
        return 204, b"", {}

    async def certificate(self, request):
        """A certificate for an hour, and so for no longer than the claim of a second factor holds."""
        person, (value, _) = self.person(request), await keys.checked(request.text("value"))
        code, end, tries = self.codes.get(person, ("", 0, 0))
        self.codes[person] = code, end, tries - 1
        if tries <= 0 or time.time() > end or not hmac.compare_digest(code.encode(), request.text("code").encode()):
            raise Problem(403, "The code is wrong or has expired.")
        del self.codes[person]
        return 201, {"certificate": await keys.certify(self.authority, value, person)}, {}

    async def dispatch(self, request):
        host = request.header("host")
        if host not in self.options.names:  # another name that leads here (DNS rebinding)
            raise Problem(421, "this server has another name")
        if request.header("origin", f"{self.scheme}://{host}") != f"{self.scheme}://{host}":
            raise Problem(403, "This request comes from another site.")
        if request.method == "GET" and request.path in self.page:
            body, kind = self.page[request.path]
            return 200, body, {"Content-Type": f"{kind}; charset=utf-8"}
        for method, path, handler in ROUTES:
            if method == request.method and (match := re.fullmatch(path, request.path)):
                answer = await handler(self, request, *match.groups())
                self.notice()
                return answer
        raise Problem(404, "there is nothing of this name")


ENVIRONMENT = "/v1/projects/([a-z0-9]{5,32})/environments/([a-z0-9][a-z0-9-]{0,127})"
ROUTES = [("POST", "/oauth2/token", Server.token), ("GET", "/v1/changes", Server.changes),
          ("GET", ENVIRONMENT + "/ssh-access", Server.access), ("GET", ENVIRONMENT + "/sessions", Server.sessions),
          ("POST", "/v1/link", Server.link), ("POST", "/v1/session", Server.sign_in),
          ("DELETE", "/v1/session", Server.sign_out), ("GET", "/v1/me", Server.me),
          ("POST", "/v1/me/key-check", Server.check_key), ("POST", "/v1/me/ssh-keys", Server.add_key),
          ("DELETE", "/v1/me/ssh-keys/([0-9]{1,15})", Server.remove_key), ("POST", "/v1/me/code", Server.code),
          ("POST", "/v1/me/certificate", Server.certificate)]


async def serve(db, directory, options):
    address, _, port = options.listen.rpartition(":")
    options.names = {options.name} if options.name else {options.listen, f"localhost:{port}"}
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if options.tls else None
    if tls:
        tls.load_cert_chain(options.tls)
    server = Server(db, directory, options)
    await asyncio.gather(server.watch(), web.serve(server.dispatch, address.strip("[]"), int(port), tls))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("import").add_argument("files", nargs="+", type=pathlib.Path)
    host = commands.add_parser("host")
    host.add_argument("name")
    host.add_argument("projects", nargs="*")
    server = commands.add_parser("serve")
    server.add_argument("--listen", default="127.0.0.1:880", help="ADDRESS:PORT; default: %(default)s")
    server.add_argument("--name", help="HOST[:PORT] in its URL; default: the address, and localhost")
    server.add_argument("--tls", help="a file with the certificate and its key, in PEM; default: plain http")
    server.add_argument("--ssh", default="{project}.ent.example.cloud", help="HOST[:PORT]; default: %(default)s")
    server.add_argument("--sign", help="an Ed25519 key in PEM: documents are signed")
    server.add_argument("--sessions", help="such as “cloudauthctl --json sessions”: the page shows who is in")
    server.add_argument("--open", action="store_true", help="hosts need no credential; for a trial on loopback")
    options = parser.parse_args()
    os.umask(0o077)
    db = open_database(options.directory)
    if options.command == "serve":
        if options.open and not re.match(r"127\.|\[::1\]:|localhost:", options.listen):
            parser.error("--open is for an address of loopback")
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(db, options.directory, options))
    elif options.command == "import":
        seen = {}
        db.execute("BEGIN IMMEDIATE")
        for file in options.files:
            import_document(db, json.loads(file.read_text()), seen)
        db.execute("COMMIT")
    else:
        secret, projects = secrets.token_urlsafe(32), " ".join(options.projects)
        db.execute("INSERT OR REPLACE INTO host VALUES (?, ?, ?)", (options.name, digest(secret), projects))
        print(f"{options.name}:{secret}")


if __name__ == "__main__":
    main()
