# SPDX-License-Identifier: Apache-2.0
"""Keys, certificates and signatures for api.py, by OpenSSH's and OpenSSL's own programs."""
import asyncio, base64, contextlib, hashlib, json, pathlib, re, subprocess, tempfile, time

from web import Problem

TYPES = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
         "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}
SIGNED_TYPE = "application/vnd.cloudauth.access+json"
RUNNING = asyncio.Semaphore(8)  # programs at once


async def run(*command, text=""):
    """What the program prints. One that fails is a CalledProcessError."""
    async with RUNNING:
        program = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, stderr=-1)  # -1: a pipe
        try:
            out, err = await asyncio.wait_for(program.communicate(text.encode()), 10)
        finally:
            if program.returncode is None:
                program.kill()
    if program.returncode:
        raise subprocess.CalledProcessError(program.returncode, command, out, err)
    return out.decode(errors="replace")


async def checked(text):
    """Of the line that a person pastes: "TYPE BASE64", and the comment. Says what is wrong with it."""
    text = text.strip(" \t\r\n\u00a0\ufeff")
    kind, _, rest = text.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    for wrong, words in (
            (re.search("PRIVATE KEY|PuTTY-User-Key-File", text),
             "This is a private key, which must not leave your computer. Use the file that ends in .pub."),
            (not text, "Paste the line of your .pub file."),
            ("BEGIN SSH2" in text, "This key has another format; “ssh-keygen -i -f FILE” converts it."),
            (re.search(r"[\r\n]", text), "This is more than one line. Paste one key, as one line."),
            ("-cert-v01@" in kind, "This is a certificate. Use the .pub file without “-cert” in its name."),
            (kind == "ssh-dss", "DSA keys are not accepted. “ssh-keygen -t ed25519” makes a new key."),
            (kind not in TYPES, "A public key begins with its type, such as ssh-ed25519. This does not."),
            (len(text) > 16000, "This is longer than any key that is accepted."),
            (not comment.isprintable(), "The comment behind the key has control characters.")):
        if wrong:
            raise Problem(422, words)
    try:
        raw = base64.b64decode(blob, validate=True)
        inner = raw[4:4 + int.from_bytes(raw[:4])].decode()
        if (inner, base64.b64encode(raw).decode()) != (kind, blob):
            raise ValueError
        bits = int((await run("ssh-keygen", "-l", "-f", "-", text=f"{kind} {blob}\n")).split()[0])
    except (ValueError, subprocess.CalledProcessError):
        raise Problem(422, "The key is damaged: a part of it is missing, or was changed. Copy it again.") from None
    if kind == "ssh-rsa" and not 2048 <= bits <= 16384:
        raise Problem(422, f"This RSA key has {bits} bits; 2048 to 16384 are accepted.")
    return f"{kind} {blob}", comment.strip()


def fingerprint(value):
    with contextlib.suppress(ValueError, IndexError):  # import takes what documents have
        digest = hashlib.sha256(base64.b64decode(value.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


async def sign(key, document):
    """An envelope: docs/signing.md."""
    payload = json.dumps(document | {"issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}).encode()
    with tempfile.NamedTemporaryFile() as text, tempfile.NamedTemporaryFile() as signature:
        text.write(b"DSSEv1 %d %s %d %s" % (len(SIGNED_TYPE), SIGNED_TYPE.encode(), len(payload), payload))
        text.flush()
        await run("openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", text.name, "-out", signature.name)
        encoded = base64.b64encode(signature.read()).decode()
    return {"payloadType": SIGNED_TYPE, "payload": base64.b64encode(payload).decode(), "signatures": [{"sig": encoded}]}


async def certify(authority, value, person):
    """A certificate for an hour: the claim of a second factor holds no longer."""
    claims = json.dumps({"auth_time": int(time.time()), "amr": ["pwd", "mfa"]})
    with tempfile.TemporaryDirectory() as scratch:
        pathlib.Path(scratch, "key.pub").write_text(value + "\n")
        await run("ssh-keygen", "-q", "-s", authority, "-I", person, "-n", person, "-V", "-1m:+60m",
                  "-z", str(time.time_ns()), "-O", "clear", "-O", "permit-pty", "-O", "permit-port-forwarding",
                  "-O", "permit-agent-forwarding", "-O", f"extension:token-claims@platform.sh={claims}",
                  scratch + "/key.pub")
        return pathlib.Path(scratch, "key-cert.pub").read_text()
