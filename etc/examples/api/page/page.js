// SPDX-License-Identifier: Apache-2.0
// The page shows what GET /v1/me answers. Texts become text nodes, never markup.
"use strict";

const $ = (id) => document.getElementById(id);
let me = null; // the last answer of /v1/me
let checks = 0; // of keys that were asked for; an older answer is not shown
const invitation = "Paste the line of your .pub file, or drop the file here.";
let filled = ""; // the title that the page has put in by itself

async function ask(method, path, body) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)}).catch(() => {
        throw new Error("The server does not answer. Try again in a moment.");
    });
    const value = answer.status === 204 ? null : await answer.json();
    if (answer.ok) return value;
    throw Object.assign(new Error(value.detail), {status: answer.status});
}

function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
}

function say(text) {
    $("said").textContent = text;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => { $("said").textContent = ""; }, 4000);
}

function complain(error) {
    if (error.status === 401) return signedOut(me ? "You have been signed out." : "");
    $("notice").textContent = error.message;
    $("notice").hidden = !error.message;
    $("notice").scrollIntoView({block: "nearest"});
}

// ---- Signing in ----

function signedOut(why) {
    me = null;
    $("app").hidden = $("account").hidden = true;
    $("sign-in").hidden = false;
    $("notice").textContent = why;
    $("notice").hidden = !why;
    $("user").focus();
}

// Another account's link, opened by mistake or by deceit, does not replace a session unseen: keys would go to that account.
async function signIn(link) {
    const now = await ask("GET", "/v1/me").catch((error) => { if (error.status !== 401) throw error; });
    const then = now && await ask("POST", "/v1/session", {link, for: "look"});
    if (now && then.username !== now.username && !await askSwitch(now.username, then.username)) return;
    await ask("POST", "/v1/session", {link, for: "page"});
}

function askSwitch(from, to) {
    const dialog = $("ask-switch");
    $("switch-from").textContent = from;
    $("switch-to").textContent = to;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => { dialog.onclose = () => resolve(dialog.returnValue === "yes"); });
}

async function start() {
    // Names of environments have a slash, links have none. The link leaves the address before it is used.
    const link = location.hash.slice(1);
    let why = "";
    if (link && !link.includes("/")) {
        history.replaceState(null, "", "/");
        await signIn(link).catch((error) => { why = error.message; });
    }
    await refresh();
    if (!me && why) signedOut(why);
}

$("ask-link").addEventListener("submit", async (event) => {
    event.preventDefault();
    await ask("POST", "/v1/link", {username: $("user").value.trim()}).then(() => {
        $("link-sent").textContent = "If there is such a user, the link is there now. Open it within ten minutes.";
        $("notice").hidden = true;
    }, complain);
});

$("sign-out").addEventListener("click", () => ask("DELETE", "/v1/session").then(() => signedOut(""), complain));

// ---- Environments ----

function chosen() {
    const name = location.hash.slice(1);
    return me.environments.find((one) => `${one.project}/${one.name}` === name) ||
        me.environments.find((one) => one.status === "active") || me.environments[0];
}

async function refresh() {
    try {
        me = await ask("GET", "/v1/me");
    } catch (error) {
        return complain(error);
    }
    $("notice").hidden = $("sign-in").hidden = true;
    $("app").hidden = $("account").hidden = false;
    $("username").textContent = me.username;
    showEnvironment();
    showKeys();
}

function showEnvironments(current) {
    const projects = [...new Set(me.environments.map((one) => one.project))];
    $("environments").replaceChildren(...projects.flatMap((project) => [
        element("h3", {}, project),
        ...me.environments.filter((one) => one.project === project).map((one) => {
            const link = element("a", {href: `#${one.project}/${one.name}`}, one.title);
            if (one.status !== "active") link.append(element("small", {}, one.status));
            if (one === current) link.setAttribute("aria-current", "page");
            return link;
        }),
    ]));
}

function showEnvironment() {
    const one = chosen();
    $("environment").hidden = !one;
    if (!one) return $("environments").replaceChildren("You are in no environment yet.");
    showEnvironments(one);
    $("project").textContent = one.project;
    $("title").textContent = one.title;
    const open = ["active", "dirty"].includes(one.status);
    $("state").replaceChildren(element("b", {className: open ? "" : "off"}, one.status), ` · your role: ${one.role}`);
    $("message").textContent = one.message || "";
    $("message").hidden = !one.message;
    $("site").replaceChildren(...(open ? site(one) : [element("p", {className: "hint"},
        `The environment is ${one.status}. It can be entered when it is active again.`)]));
    showSessions();
}

function command(text) {
    const button = element("button", {type: "button"}, "Copy");
    button.setAttribute("aria-label", `Copy: ${text}`);
    const code = element("code", {}, text);
    button.addEventListener("click", async () => {
        try {
            await navigator.clipboard.writeText(text);
            button.textContent = "Copied";
            say("Copied to the clipboard.");
            setTimeout(() => { button.textContent = "Copy"; }, 2000);
        } catch {
            getSelection().selectAllChildren(code);
            say("Press Ctrl+C to copy what is selected.");
        }
    });
    return element("div", {className: "command"}, code, button);
}

function site(one) {
    const port = (flag) => one.port === 22 ? "" : `${flag} ${one.port} `;
    const parts = [];
    for (const login of one.logins) {
        parts.push(element("h3", {}, login.app ? `SSH to ${login.app}` : "SSH"),
            command(`ssh ${port("-p")}${login.login}@${one.host}`));
    }
    if (one.sftp) {
        const facts = {Username: one.sftp.login, Host: one.host, Port: one.port, Password: "none: leave it empty",
            Directories: one.sftp.mounts.map((mount) => `/${mount.path || "home"}${mount.writable ? "" : " (read only)"}`).join(", ")};
        parts.push(element("h3", {}, "sFTP"), command(`sftp ${port("-P")}${one.sftp.login}@${one.host}`), element("dl", {},
            ...Object.entries(facts).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))])));
    }
    const [first] = one.logins;
    if (first.forwards.length) {
        parts.push(element("h3", {}, "Tunnels"), element("p", {className: "hint"},
            "While the command runs, the service answers on your own computer, at the first port."));
        for (const target of first.forwards.filter((name) => !name.endsWith(":*"))) {
            const local = Number(target.split(":").pop());
            parts.push(command(`ssh ${port("-p")}-N -L ${local < 1024 ? local + 30000 : local}:${target} ${first.login}@${one.host}`));
        }
    }
    return parts;
}

$("access").addEventListener("click", () => {
    $("site").hidden = !$("site").hidden;
    $("access").setAttribute("aria-expanded", String(!$("site").hidden));
});

// ---- Who is in ----

async function showSessions() {
    clearTimeout(showSessions.timer);
    $("in").hidden = !me.sessions;
    if (!me.sessions) return;
    const one = chosen();
    const rows = await ask("GET", `/v1/projects/${one.project}/environments/${one.name}/sessions`).catch(() => null);
    if (!me || one !== chosen()) return;
    $("sessions").replaceChildren(...(rows && rows.length ? rows.map((row) => element("li", {}, element("div", {},
        row.user, element("small", {}, `${row.account}, from ${row.from}, since ${row.since}`))))
        : [element("li", {className: "hint"}, rows ? "No open session." : "The host does not tell at the moment.")]));
    if (!document.hidden) showSessions.timer = setTimeout(showSessions, 2000);
}

// ---- Keys ----

function showKeys() {
    $("keys").replaceChildren(...me.ssh_keys.map((key) => {
        const button = element("button", {type: "button"}, "Remove");
        button.setAttribute("aria-label", `Remove the key ${key.title}`);
        button.addEventListener("click", () => askRemove(key));
        const kind = key.value.split(" ")[0] + (key.expires_at ? ` · until ${key.expires_at.slice(0, 10)}` : "");
        return element("li", {}, element("div", {}, key.title, element("small", {}, kind), element("small", {}, key.fingerprint)), button);
    }));
    if (!me.ssh_keys.length) $("keys").append(element("li", {className: "hint"}, "You have no key yet. Add one, and you can log in."));
}

function askRemove(key) {
    const dialog = $("ask-remove");
    $("remove-name").textContent = key.title;
    dialog.returnValue = "no";
    dialog.onclose = async () => {
        if (dialog.returnValue !== "yes") return;
        verdict(invitation, "");
        await ask("DELETE", `/v1/me/ssh-keys/${key.key_id}`).then(() => say("The key is removed."), complain);
        const complaint = $("notice").hidden ? "" : $("notice").textContent;
        await refresh();
        if (me && complaint) complain(new Error(complaint));
        $("keys-title").focus();
    };
    dialog.showModal();
}

function verdict(text, kind) {
    $("verdict").textContent = text;
    $("verdict").className = kind;
    $("value").setAttribute("aria-invalid", String(kind === "bad"));
}

// A private key is not sent, not even to be told that it is one. All other rules are the server's.
async function check() {
    const number = ++checks, value = $("value").value;
    if (/PRIVATE KEY|PuTTY-User-Key-File/.test(value)) {
        $("value").value = "";
        return verdict("This is a private key, which must not leave your computer. Use the file that ends in .pub.", "bad");
    }
    if (value.length > 16384) return verdict("This is far too long for a public key.", "bad");
    if (!value.trim()) return verdict(invitation, "");
    try {
        const found = await ask("POST", "/v1/me/key-check", {value});
        if (number !== checks) return;
        verdict(`A good ${found.value.split(" ")[0]} key.`, "good");
        if (found.comment && [filled, ""].includes($("key-title").value)) $("key-title").value = filled = found.comment;
    } catch (error) {
        if (error.status !== 422) return complain(error);
        if (number === checks) verdict(error.message, "bad");
    }
}

async function take(file) {
    if (!file) return;
    $("value").value = file.size > 16384 ? "x".repeat(16385) : await file.text();
    await check();
    if (file.size > 16384) $("value").value = "";
}

$("value").addEventListener("input", () => {
    clearTimeout(check.timer);
    check.timer = setTimeout(check, 150);
});
$("file").addEventListener("change", () => take($("file").files[0]).then(() => { $("file").value = ""; }));
for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        $("add").classList.toggle("over", name === "dragover");
        if (name === "drop") take(event.dataTransfer.files[0]);
    });
}

$("add").addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(check.timer);
    await check();
    if ($("verdict").className !== "good") return $("value").focus();
    try {
        await ask("POST", "/v1/me/ssh-keys", {value: $("value").value, title: $("key-title").value});
    } catch (error) {
        return [409, 422].includes(error.status) ? verdict(error.message, "bad") : complain(error);
    }
    $("value").value = $("key-title").value = filled = "";
    verdict("The key is added. It opens your next login.", "good");
    await refresh();
});

// ---- Start ----

addEventListener("hashchange", () => {
    if (!me || !location.hash.includes("/")) return start();
    showEnvironment();
    $("title").focus();
});
// Another tab may have changed something.
document.addEventListener("visibilitychange", () => { if (me && !document.hidden) refresh(); });
start();
