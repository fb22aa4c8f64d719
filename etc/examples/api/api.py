#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A project API to try cloudauth with, and its page, on 127.0.0.1: README.md. DIRECTORY has its database and keys."""
import argparse, base64, datetime, hashlib, json, mimetypes, os, pathlib, re, secrets, shlex, sqlite3, threading, time
from urllib.parse import parse_qs, unquote_plus

import keys, web
from web import Problem

LIVES = {"link": 600, "code": 600, "person": 8 * 3600, "host": 3600}  # seconds, of passes
WAIT_MAX, WAIT_STEP, KEYS_MAX = 60, 0.1, 100  # seconds of a poll of the feed, and between its looks; keys of a person
HERE = pathlib.Path(__file__).resolve().parent
PAGE = {"/" + file.name.removesuffix("index.html"): file for file in (HERE / "page").iterdir()}


class Database:
    """Each statement is a transaction by itself. The threads share the connection."""

    def __init__(self, directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.connection = sqlite3.connect(directory / "api.db", 2, isolation_level=None, check_same_thread=False)
        self.connection.executescript((HERE / "schema.sql").read_text())

    def rows(self, query, *values):
        with self.lock:
            return self.connection.execute(query, values).fetchall()

    def value(self, query, *values):
        """The first column of the first row, or None."""
        return next((row[0] for row in self.rows(query, *values)), None)

    def dated(self, query, *values):
        """The same of a SELECT, and the time (UTC): what is read later has a later one."""
        with self.lock:
            row = self.connection.execute(query, values).fetchone()
            return row and row[0], datetime.datetime.now(datetime.timezone.utc)


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


class Api(web.Handler):
    """main() sets, for all requests: options, db, authority (a file), epoch, names (of this server)."""

    # Who asks.
    def issue(self, kind, owner):
        """A secret that stands for its owner. The database keeps its digest."""
        secret = secrets.token_urlsafe(32)
        self.db.rows("DELETE FROM pass WHERE expires <= unixepoch()")
        self.db.rows("INSERT INTO pass VALUES (?, ?, ?, unixepoch() + ?)", digest(secret), kind, owner, LIVES[kind])
        return secret

    def owner(self, kind, secret, take=False):
        """Whom a secret stands for, or None. One that is taken works no more."""
        query = "DELETE FROM pass {} RETURNING owner" if take else "SELECT owner FROM pass {}"
        valid = "WHERE (hash, kind) = (?, ?) AND expires > unixepoch()"
        return self.db.value(query.format(valid), digest(secret), kind)

    def require_host(self):
        if not self.options.open and not self.owner("host", self.authorization("bearer")):
            raise Problem(401, "no token of a host that is known here", {"WWW-Authenticate": "Bearer"})

    def person(self):
        """The id of the person who asks, by the command's token or the page's cookie. The browser adds the cookie to
        requests that another site forges too, and says which site that is."""
        token = self.authorization("bearer")
        person = self.owner("person", token or self.cookie("session"))
        if not person:
            raise Problem(401, "Sign in first.", {"WWW-Authenticate": "Bearer"})
        if not token and self.command != "GET" and self.header("origin") != f"http://{self.header('host')}":
            raise Problem(403, "This request comes from another site.")
        return person

    # What hosts ask.
    def token(self):
        """RFC 6749, 4.4: a host exchanges its credential for a token."""
        try:
            name, secret = map(unquote_plus, base64.b64decode(self.authorization("basic")).decode().split(":", 1))
        except ValueError:
            raise Problem(400, "no credential", error="invalid_request") from None
        if not self.db.value("SELECT name FROM host WHERE name = ? AND secret = ?", name, digest(secret)):
            raise Problem(401, "no such host, or another secret", {"WWW-Authenticate": "Basic"}, error="invalid_client")
        if parse_qs(self.body).get(b"grant_type") != [b"client_credentials"]:
            raise Problem(400, "only client_credentials", error="unsupported_grant_type")
        return 200, {"access_token": self.issue("host", name), "token_type": "bearer", "expires_in": LIVES["host"]}, {}

    def access(self, project, name):
        """The access document; signed, it is so again at half of its time."""
        self.require_host()
        text, now = self.db.dated("SELECT document FROM access WHERE (project, name) = (?, ?)", project, name)
        if text:
            document = json.loads(text)
            authority = {"title": "certifier", "value": pathlib.Path(f"{self.authority}.pub").read_text().strip()}
            document["certificate_authorities"] = document.get("certificate_authorities", []) + [authority]
        elif self.options.sign:
            document = {"version": 1, "project": project, "environment": {"name": name, "status": "deleted"}}
        else:
            raise Problem(404, f"there is no environment {project}/{name}")
        signing = time.time() // (min(document.get("max_stale_seconds", 3600), 3600) / 2) if self.options.sign else 0
        tag = {"ETag": '"' + digest(json.dumps([document, signing])) + '"'}
        if self.header("if-none-match") == tag["ETag"]:
            return 304, b"", tag
        return 200, keys.sign(self.options.sign, document, now) if self.options.sign else document, tag

    def changes(self):
        """The change feed. Its cursor is the number of the last change that has been named."""
        self.require_host()
        cursor = int((re.fullmatch(f'"{self.epoch}-([0-9]{{1,15}})"', self.header("if-none-match")) or [0, -1])[1])
        wait = re.search("wait=([0-9]{1,3})", self.header("prefer"))
        end = time.monotonic() + min(int(wait[1]) if wait else 0, WAIT_MAX)
        while True:
            found = self.db.rows("SELECT oldest, head, project, name FROM bounds LEFT JOIN (SELECT DISTINCT project, "
                                 "name FROM change WHERE id > ?)", cursor)  # of one moment: old changes are dropped
            oldest, head = found[0][:2]
            whole = not oldest - 1 <= cursor <= head
            rows = self.db.rows("SELECT project, name FROM environment") if whole else [
                one[2:] for one in found if one[2]]
            if rows or whole or time.monotonic() >= end:
                names = [{"project": project, "environment": name} for project, name in rows]
                status, body = (200, {"changed": names, "whole": whole}) if rows or whole else (304, b"")
                return status, body, {"ETag": f'"{self.epoch}-{head}"'}
            time.sleep(WAIT_STEP)  # a platform has a queue or a notification to wait for

    # What people ask, by the page or the command.
    def link(self):
        """Stands in for an e-mail: the server prints the link. The answer does not tell whether the person exists."""
        if person := self.db.value("SELECT id FROM person WHERE username = ?", self.text("username")):
            # Behind "#" the secret reaches no server and no log; the page takes it out of the address.
            print(f"sign in: http://{self.header('host')}/#{self.issue('link', person)}", flush=True)
        return 204, b"", {}

    def sign_in(self):
        person = self.owner("link", self.text("link"), take=self.text("for") != "look")
        if not person:
            raise Problem(401, "This link has been used or has expired. Ask for a new one.")
        if self.text("for") == "look":  # whom the link is for; it still works
            return 200, {"username": self.db.value("SELECT username FROM person WHERE id = ?", person)}, {}
        secret = self.issue("person", person)
        if self.text("for") == "command":
            return 201, {"token": secret}, {}
        return 204, b"", {"Set-Cookie": f"session={secret}; Path=/; HttpOnly; SameSite=Strict"}

    def sign_out(self):
        self.person()
        self.db.rows("DELETE FROM pass WHERE hash = ?", digest(self.authorization("bearer") or self.cookie("session")))
        return 204, b"", {}

    def me(self):
        """All that the page shows, and the command."""
        person = self.person()
        [(username, ssh_keys)] = self.db.rows("SELECT username, ssh_keys FROM people WHERE id = ?", person)
        rows = self.db.rows("SELECT project, name, role, document FROM member JOIN environment USING (project, name) "
                            "WHERE person = ? ORDER BY project, name", person)
        ssh_keys = [key | {"fingerprint": keys.fingerprint(key["value"])} for key in json.loads(ssh_keys)]
        return 200, {"username": username, "environments": [self.site(*row) for row in rows], "ssh_keys": ssh_keys,
                     "sessions": bool(self.options.sessions)}, {}

    def site(self, project, name, role, text):
        """Where one person reaches an environment. Hosts decide by themselves what the role admits to."""
        document, staging = json.loads(text), re.fullmatch("staging([1-9][0-9]{0,2})?", name)
        login = project + ("" if name == "production" else "_stg" + (staging[1] or "") if staging else "-" + name)
        host, _, port = self.options.ssh.replace("{project}", project).partition(":")
        logins = [{"app": app, "login": f"{login}--{app}" if app else login,
                   "forwards": settings.get("forwarding", document.get("forwarding", {})).get("local", [])}
                  for app, settings in {"": {}, **document.get("apps", {})}.items()]
        sftp = {"login": login + "_sftp", "mounts": document.get("sftp", {}).get("mounts", [])}
        return {"project": project, "name": name, "role": role, "host": host, "port": int(port or 22), "logins": logins,
                "sftp": None if "-" in login else sftp, "message": document.get("message"),
                "title": document["environment"].get("title", name), "status": document["environment"]["status"]}

    def sessions(self, project, name):
        """Who is in: of a host on this machine, by `cloudauthctl sessions --json`. People see their own, admins all."""
        person = self.person()
        role = self.db.value("SELECT role FROM member WHERE (project, name, person) = (?, ?, ?)", project, name, person)
        if not role or not self.options.sessions:
            raise Problem(404, "There is no such environment, or you are not in it.")
        sessions = json.loads(keys.run(*shlex.split(self.options.sessions), f"{project}/{name}"))["sessions"]
        return 200, [{member: one[member] for member in ("user", "account", "since", "from")} for one in sessions
                     if role == "admin" or one["user_id"] == person], {}

    def check_key(self):
        self.person()
        return 200, keys.checked(self.text("value")), {}

    def add_key(self):
        person, key = self.person(), keys.checked(self.text("value"))
        title = self.text("title").strip() or key["comment"][:60] or "key"
        if not title.isprintable() or len(title.encode()) > 255:
            raise Problem(422, "The title is too long, or has control characters.")
        new = ("INSERT INTO ssh_key (person, title, value) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT * FROM ssh_key "
               "WHERE value = ?3) AND (SELECT count(*) FROM ssh_key WHERE person = ?1) < ?4 RETURNING id")
        if added := self.db.value(new, person, title, key["value"], KEYS_MAX):
            return 201, {"key_id": added}, {}
        owner = self.db.value("SELECT person FROM ssh_key WHERE value = ? ORDER BY person <> ?", key["value"], person)
        raise Problem(409, "You have this key already." if owner == person else "This key is another account's."
                      if owner else f"You have {KEYS_MAX} keys, as many as are accepted. Remove one first.")

    def remove_key(self, key):
        own = int(key), self.person()
        if not self.db.value("DELETE FROM ssh_key WHERE (id, person, rest) = (?, ?, '{}') RETURNING id", *own):
            if self.db.value("SELECT id FROM ssh_key WHERE (id, person) = (?, ?)", *own):
                raise Problem(403, "The limits of this key are an operator's. Ask an operator to remove it.")
            raise Problem(404, "This key has been removed already.")
        return 204, b"", {}

    def code(self):
        """Stands in for a second factor: the server prints the code."""
        print(f"code: {self.issue('code', self.person())}", flush=True)
        return 204, b"", {}

    def certificate(self):
        person, key = self.person(), keys.checked(self.text("value"))
        if self.owner("code", self.text("code"), take=True) != person:
            raise Problem(403, "The code is wrong, has been used or has expired.")
        return 201, {"certificate": keys.certify(self.authority, key["value"], person)}, {}

    def dispatch(self):
        if self.header("host") not in self.names:  # another name that leads here (DNS rebinding)
            raise Problem(421, "this server has another name")
        path = self.path.partition("?")[0]
        if self.command == "GET" and (file := PAGE.get(path)):
            return 200, file.read_bytes(), {"Content-Type": f"{mimetypes.guess_type(file)[0]}; charset=utf-8"}
        for method, pattern, handler in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                return handler(self, *match.groups())
        raise Problem(404, "there is nothing of this name")


ENVIRONMENT = "/v1/projects/([a-z0-9]{5,32})/environments/([a-z0-9][a-z0-9-]{0,127})"
ROUTES = [("POST", "/oauth2/token", Api.token), ("GET", "/v1/changes", Api.changes),
          ("GET", ENVIRONMENT + "/ssh-access", Api.access), ("GET", ENVIRONMENT + "/sessions", Api.sessions),
          ("POST", "/v1/link", Api.link), ("POST", "/v1/session", Api.sign_in), ("DELETE", "/v1/session", Api.sign_out),
          ("GET", "/v1/me", Api.me), ("POST", "/v1/me/key-check", Api.check_key),
          ("POST", "/v1/me/ssh-keys", Api.add_key), ("DELETE", "/v1/me/ssh-keys/([0-9]{1,15})", Api.remove_key),
          ("POST", "/v1/me/code", Api.code), ("POST", "/v1/me/certificate", Api.certificate)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=880, help="default: %(default)s")
    parser.add_argument("--ssh", default="{project}.ent.example.cloud", help="HOST[:PORT]; default: %(default)s")
    parser.add_argument("--sign", help="an Ed25519 key in PEM: documents are signed")
    parser.add_argument("--sessions", help="such as “cloudauthctl sessions --json”: the page shows who is in")
    parser.add_argument("--open", action="store_true", help="hosts need no credential")
    options = parser.parse_args()
    os.umask(0o077)
    Api.options, Api.db, Api.authority = options, Database(options.directory), str(options.directory / "authority")
    if not os.path.exists(Api.authority):
        # Not ed25519: sshd checks an authority's signature five times a login (docs/performance.md).
        keys.run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-C", "certifier", "-f", Api.authority)
    # No cursor is known from before a start: a restored backup has other changes under the same numbers.
    Api.epoch, Api.names = secrets.token_hex(4), {f"127.0.0.1:{options.port}", f"localhost:{options.port}"}
    web.Server(("127.0.0.1", options.port), Api).serve_forever()


if __name__ == "__main__":
    main()
