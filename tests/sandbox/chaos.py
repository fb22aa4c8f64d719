#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""chaos.py SECONDS SEED DIRECTORY KEYS LOG: logins while everything breaks, and a judgement of each.

50 people with keys KEYS/pNN gain and lose the right to enter 20 environments, documents in DIRECTORY/abcdefghij, and
log in by ssh(1). Meanwhile API, feed, daemon, disk and clock break and are mended: each line of stdout is a command
for the shell that started this, which answers it with a line on stdin. LOG is nginx's, with the time in front.
After SECONDS nothing changes any more until ENOUGH logins of which one outcome alone is right have been judged.
Lines `# N admitted, N refused, N wrong` and more, what was wrong before it, are for people. The last command is
`judged 0` if none was wrong and enough were judged, else `judged 1`.
"""
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import threading
import time

SECONDS, SEED = float(sys.argv[1]), int(sys.argv[2])
DIRECTORY, KEYS, LOG = sys.argv[3:]
BOUND = 4.5  # seconds: changes_wait, 2 s and keys_fresh, as with_feed sets them, and what a reading of the clock may miss
SETTLED = 5  # seconds after a fault of daemon, disk or clock until an API without one has confirmed what they lost
BACK_OFF = 16  # seconds after a fault of the API: the daemon asks again after 15 s at the latest
BREAKING, CALM = 18, 24  # seconds of a round
PATIENCE = 300  # seconds after SECONDS
NEVER = float("inf")
PEOPLE, ENVIRONMENTS = range(50), range(20)
choose = random.Random(SEED)
end = time.time() + SECONDS
ENOUGH = SECONDS / 4
over = threading.Event()
hands = threading.Lock()
publishing = threading.Lock()
rights = {e: [] for e in ENVIRONMENTS}  # [begin, end, people] of each version; begin is before it is visible, end after
faults = []  # [kind, begin, end]
changed = [(0, 0, 0)]  # (time, environment, person), the last one at the end
absent = []  # when a document went
fetches = {}  # when the API answered, of each environment
attempts = []  # (environment, person, begin, end, admitted, what ssh said)


def do(command):
    with hands:
        print(command, flush=True)
        if sys.stdin.readline() != "0\n":
            sys.exit(f"failed: {command}")


def name(e):
    return f"c{e:02}-a12b34c"


def key(p, suffix=""):
    return f"{KEYS}/p{p:02}{suffix}"


def few_absent(now):
    """Whether one more may go: a host takes more than three that turn absent in eleven minutes for an outage."""
    return sum(when > now - 661 for when in absent) < 3


def publish(e, people, text=None):
    """Makes a version visible at the API and names it in the feed. Without people, one of the first environments is
    absent or has a document that lets no person in, as the others have."""
    path = f"{DIRECTORY}/abcdefghij/{name(e)}.json"
    begin = time.time()
    is_there = os.path.exists(path)
    if people or e >= 3 or (is_there and not few_absent(begin)):
        users = [{"id": f"person-{p}", "username": f"p{p:02}", "role": "admin", "ssh_keys": [{"value": PUBLIC[p]}]}
                 for p in sorted(people)]
        text = text or json.dumps({**TEMPLATE, "users": users, "account": {
            "uid": 200100 + e, "gid": 200100 + e, "gecos": "", "home": f"/app/{name(e)}", "shell": "/bin/bash"},
            "environment": {**TEMPLATE["environment"], "name": name(e), "type": "development"}})
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        publish.time += 1  # an ETag of nginx's knows whole seconds
        os.utime(path + ".new", (publish.time, publish.time))
        os.rename(path + ".new", path)
    elif is_there:
        os.unlink(path)
        absent.append(begin)
    with open("/root/feed/journal", "a", encoding="ascii") as file:
        file.write(f"abcdefghij {name(e)}\n")
    return begin


publish.time = 1_600_000_000


def give(e, people):
    with publishing:
        begin = publish(e, people)
        if rights[e]:
            rights[e][-1][1] = time.time()
        rights[e].append([begin, NEVER, people])


def change():
    """Gives a right, takes one, or takes all of an environment."""
    e = choose.choice(ENVIRONMENTS)
    people = rights[e][-1][2]
    p = choose.choice(sorted(people) if people and choose.random() < 0.4 else PEOPLE)
    give(e, frozenset() if choose.random() < 0.1 else people ^ {p})
    changed.append((time.time(), e, p))


def subject(pick):
    """An environment and a person: one of the last changes, one that must have taken effect a moment ago, one who may
    enter, or any."""
    e, p, what = pick.choice(ENVIRONMENTS), pick.choice(PEOPLE), pick.random()
    if what < 0.3:
        _, e, p = pick.choice(changed[-5:])
    elif what < 0.6:
        _, e, p = pick.choice([at for at in changed[-60:] if at[0] < time.time() - BOUND] or changed[-1:])
    elif what < 0.8 and rights[e][-1][2]:
        p = pick.choice(sorted(rights[e][-1][2]))
    return e, p


def log_in():
    pick = random.Random(choose.random())
    while not over.is_set():
        e, p = subject(pick)
        begin = time.time()
        ran = subprocess.run(["ssh", "-F", "/dev/null", "-oBatchMode=yes", "-oIdentitiesOnly=yes", "-oLogLevel=ERROR",
                              "-oKexAlgorithms=curve25519-sha256",
                              "-oUserKnownHostsFile=/root/known_hosts", "-i", key(p), f"abcdefghij-{name(e)}@127.0.0.1",
                              "echo inside"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        attempts.append((e, p, begin, time.time(), "inside" in ran.stdout, ran.stderr.strip()))


FAULTS = {  # kind: [(break, mend, longest time between)]
    "api": [("api_stops", "api_goes_on", 3), ("api_ends", "api_begins", 3)],
    "feed": [(f"feed_mode {mode}", "feed_mode good", 3) for mode in
             ("500", "401", "hang", "cut", "big", "whole", "spin", "drip")] + [("feed_kill", "feed_serve", 2)],
    "daemon": [("daemon_killed", "daemon_back", 1), ("daemon_reload", "true", 0)],
    "disk": [("disk_fills", "disk_empties", 3)],
    "clock": [(f"clocks_go {wall} {boot}", "true", 0) for wall, boot in ((-86400, 0), (7200, 0), (0, 0), (30, 30))],
}


API = ["api", "document"]  # the latter: an answer that is no document


def broken(kinds, begin, finish):
    return any(kind in kinds and first <= finish and last >= begin for kind, first, last in faults)


def missing():
    return [kind for kind in FAULTS if kind not in [fault[0] for fault in faults]]


def break_and_mend():
    """Rounds of faults, of each kind before any comes again, and of calm, so that what should work can be judged."""
    kinds = []
    while time.time() < end:
        begun = time.time()
        while time.time() < begun + BREAKING or missing():
            kinds = kinds or choose.sample(list(FAULTS), len(FAULTS))
            break_once(kinds.pop())
            if over.wait(choose.uniform(0, 1)):
                return
        over.wait(CALM)


def break_once(kind):
    fault, mend, longest = choose.choice(FAULTS[kind])
    entry = [kind, time.time(), NEVER]
    faults.append(entry)
    do(fault)
    if choose.random() < 0.3:  # a second one beside it
        publish_garbage()
    time.sleep(choose.uniform(0, longest))
    do(mend)
    entry[2] = time.time()


def publish_garbage():
    e = choose.choice(ENVIRONMENTS)
    with publishing:
        if rights[e][-1][2]:
            entry = ["document", time.time(), NEVER]
            faults.append(entry)
            publish(e, rights[e][-1][2], choose.choice(["{", "[]", '{"version": 1}', "\0" * 100]))
            time.sleep(0.3)
            publish(e, rights[e][-1][2])
            entry[2] = time.time()


def allowed(e, p, begin, finish):
    """Whether some version that was visible in that time lets the person in."""
    return any(first <= finish and last >= begin and p in people for first, last, people in rights[e])


def always(e, p, begin, finish):
    return begin >= rights[e][0][0] and all(
        p in people for first, last, people in rights[e] if first <= finish and last >= begin)


def known_since(e, before):
    """The time of the last answer that the daemon must still have: it took it in quiet, and was not killed with it."""
    return max((when for when in fetches[e] if when < before - 0.5 and not broken(API, when - 1, when + 1) and
                not broken(["daemon", "disk"], when - 1, when + 2)), default=-NEVER)


def may_enter(e, p, begin, finish):
    since = known_since(e, begin) if broken(API, begin - BOUND, finish) else begin - BOUND
    return allowed(e, p, since, finish)


def may_be_refused(e, p, begin, finish):
    outage = broken([*API, "feed"], begin - BACK_OFF, finish)
    if broken(["daemon", "disk", "clock"], begin - (2 * BACK_OFF if outage else SETTLED), finish):
        return True
    since = begin - BOUND
    if outage:  # those whom the last good answer lets in
        since = min(since, known_since(e, begin) - 0.5)
    return not always(e, p, since, finish)


def judge():
    """What was wrong, and how many of the others had one right outcome alone: admitted, refused."""
    fetches.update((e, []) for e in ENVIRONMENTS)
    with open(LOG, encoding="ascii") as log:
        for line in log:
            when, _, uri, status = line.split()[:4]
            for e in ENVIRONMENTS:
                if name(e) in uri and status in ("200", "304", "404"):
                    fetches[e].append(float(when))
    wrong, judged = [], [0, 0]
    for attempt in list(attempts):
        right = may_enter(*attempt[:4]), may_be_refused(*attempt[:4])
        if not right[0 if attempt[4] else 1]:
            wrong.append(attempt)
        elif not all(right):
            judged[0 if attempt[4] else 1] += 1
    return wrong, judged


def enough(wrong, judged):
    return wrong or (min(judged) >= ENOUGH and not missing())


with open(f"{DIRECTORY}/abcdefghij/staging.json", encoding="ascii") as template:
    TEMPLATE = {k: v for k, v in json.load(template).items() if k in ("version", "project", "environment", "access")}
PUBLIC = []
for person in PEOPLE:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key(person)], check=True)
    with open(key(person, ".pub"), encoding="ascii") as public:
        PUBLIC.append(public.read().strip())
for environment in ENVIRONMENTS:
    give(environment, frozenset(choose.sample(PEOPLE, 10)))


def failed():
    return any(thread.done() and thread.exception() for thread in running)


with concurrent.futures.ThreadPoolExecutor(5) as pool:
    running = [pool.submit(log_in) for _ in range(4)] + [pool.submit(break_and_mend)]
    try:
        while time.time() < end and not failed():
            change()
            time.sleep(choose.uniform(0, 0.3))
        while time.time() < end + PATIENCE and not failed() and not enough(*judge()):
            time.sleep(1)
    finally:
        over.set()
for thread in running:
    thread.result()

bad, good = judge()
for e, p, begin, finish, admitted, said in bad:
    print(f"# wrong: p{p:02} {'entered' if admitted else 'was refused at'} {name(e)} {begin:.3f} to {finish:.3f}: {said!r}")
    print(f"# answers {[f'{when:.3f}' for when in fetches[e] if begin - 30 < when < finish]}")
    print(f"# rights {[(f'{a:.3f}', f'{b:.3f}', p in people) for a, b, people in rights[e] if b > begin - 30]}")
    print(f"# faults {[(kind, f'{a:.3f}', f'{b:.3f}') for kind, a, b in faults if b > begin - 30 and a < finish]}")
entered = sum(attempt[4] for attempt in attempts)
print(f"# {entered} admitted, {len(attempts) - entered} refused, {len(bad)} wrong; {good[0]} had to be admitted and "
      f"{good[1]} refused, of {ENOUGH:g} each; {len(faults)} faults of {len(FAULTS) - len(missing())} kinds; seed {SEED}")
do("judged " + ("0" if not bad and enough(bad, good) else "1"))
