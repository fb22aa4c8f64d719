# SPDX-License-Identifier: Apache-2.0
"""Keys, certificates and signatures for api.py, by OpenSSH's and OpenSSL's own programs."""
import base64, contextlib, hashlib, json, pathlib, subprocess, tempfile, threading, time

from web import Problem

TYPES = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
         "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}
SIGNED_TYPE = "application/vnd.cloudauth.access+json"
RUNNING = threading.Semaphore(8)  # programs at once


def run(*command, data=b""):
    """What the program prints. One that fails is a CalledProcessError."""
    with RUNNING:
        return subprocess.run(command, input=data, capture_output=True, timeout=10, check=True).stdout


def checked(text):
    """Of the line that a person pastes: value, "TYPE BASE64", and comment. Says what is wrong with it."""
    text = text.strip(" \t\r\n\u00a0\ufeff")
    kind, _, rest = text.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    for wrong, words in (
            ("PRIVATE KEY" in text or "PuTTY-User-Key-File" in text,
             "This is a private key, which must not leave your computer. Use the file that ends in .pub."),
            (not text, "Paste the line of your .pub file."),
            ("BEGIN SSH2" in text, "This key has another format; “ssh-keygen -i -f FILE” converts it."),
            ("\n" in text or "\r" in text, "This is more than one line. Paste one key, as one line."),
            ("-cert-v01@" in kind, "This is a certificate. Use the .pub file without “-cert” in its name."),
            (kind not in TYPES, "A public key begins with its type, such as ssh-ed25519. This does not.")):
        if wrong:
            raise Problem(422, words)
    try:
        if base64.b64encode(base64.b64decode(blob)).decode() != blob:  # each key has one spelling
            raise ValueError
        bits = int(run("ssh-keygen", "-l", "-f", "-", data=f"{kind} {blob}\n".encode()).split()[0])
    except (ValueError, subprocess.CalledProcessError):
        raise Problem(422, "The key is damaged: a part of it is missing, or was changed. Copy it again.") from None
    if kind == "ssh-rsa" and bits < 2048:
        raise Problem(422, f"This RSA key has {bits} bits; at least 2048 are accepted.")
    return {"value": f"{kind} {blob}", "comment": comment.strip()}


def fingerprint(value):
    with contextlib.suppress(ValueError, IndexError):  # import takes what documents have
        digest = hashlib.sha256(base64.b64decode(value.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def sign(key, document, now):
    """An envelope: docs/signing.md. `now`: when the document was read (UTC). A newer version is read later."""
    payload = json.dumps(document | {"issued_at": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}).encode()
    with tempfile.NamedTemporaryFile(buffering=0) as text:
        text.write(b"DSSEv1 %d %s %d %s" % (len(SIGNED_TYPE), SIGNED_TYPE.encode(), len(payload), payload))
        signature = run("openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", text.name)
    encoded = [base64.b64encode(part).decode() for part in (payload, signature)]
    return {"payloadType": SIGNED_TYPE, "payload": encoded[0], "signatures": [{"sig": encoded[1]}]}


def certify(authority, value, person):
    """A certificate for an hour: the claim of a second factor holds no longer."""
    claims = json.dumps({"auth_time": int(time.time()), "amr": ["pwd", "mfa"]})
    with tempfile.TemporaryDirectory() as scratch:
        pathlib.Path(scratch, "key.pub").write_text(value + "\n")
        run("ssh-keygen", "-s", authority, "-I", person, "-n", person, "-V", "-1m:+60m", "-z", str(time.time_ns()),
            "-O", f"extension:token-claims@platform.sh={claims}", scratch + "/key.pub")
        return pathlib.Path(scratch, "key-cert.pub").read_text()
