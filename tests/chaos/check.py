"""check.py -- the checker: from the sender's log, the sinks' logs and a copy of the database alone,
whether every promise was kept. It shares no code with the daemon."""
import collections
import glob
import hashlib
import json
import os
import sqlite3
import string

import plan

LANE_WINDOW = 512  # deliveries of one destination (of concurrency 32) that may be in flight
SHOWN = 5
STATES = ("pending", "claimed", "delivered", "dead", "skipped", "cancelled")
SUCCESS = 0


class Sent:
    """The sender's log."""

    def __init__(self, folder):
        self.keys, self.acks, self.repeats, self.refused = {}, {}, [], []
        self.indeterminate, self.given_up = collections.Counter(), set()
        for line in open(os.path.join(folder, "sent.keys"), encoding="ascii"):
            n, key = line.split()
            self.keys[int(n)] = int(key)
        for line in open(os.path.join(folder, "sent"), encoding="utf-8"):
            w = line.rstrip("\n").split("\t")
            if w[0] == "A":
                self.acks[int(w[3])] = (float(w[1]), float(w[2]), w[4], w[5] == "1")
            elif w[0] == "D":
                self.repeats.append((float(w[1]), float(w[2]), int(w[3]), w[4], w[5]))
            elif w[0] == "R":
                self.refused.append((float(w[1]), float(w[2]), int(w[3]), int(w[4]), w[5]))
            elif w[0] == "I":
                self.indeterminate[int(w[3])] += 1
            else:
                self.given_up.add(int(w[1]))


class Seen:
    """What arrived: successes and sightings by (destination, n)."""

    def __init__(self, folder):
        self.successes = collections.defaultdict(list)  # times; None where there is none
        self.attempts = collections.Counter()
        self.hashes, self.bad_signatures, self.torn = {}, [], 0
        self.event_ids = collections.defaultdict(set)
        self.order = []  # of the fifo sink's successes
        self.read_sinks(folder)
        self.read_worker(folder)
        self.read_exec(folder)
        self.read_log(folder)

    def saw(self, destination, n, success, time, event_id, sha256):
        self.attempts[destination, n] += 1
        self.hashes.setdefault((destination, n), set()).add(sha256)
        self.event_ids[n].add(event_id)
        if success:
            self.successes[destination, n].append(time)

    def read_sinks(self, folder):
        for line in open(os.path.join(folder, "sink"), encoding="ascii"):
            time, name, n, _, event_id, how, signed, sha256 = line.rstrip("\n").split("\t")
            ok = how in ("200", "slow")
            self.saw(name, int(n), ok, float(time), event_id, sha256)
            if signed != "1":
                self.bad_signatures.append(f"event {n} at {name}: {signed}")
            if ok and name == "fifo":
                self.order.append(int(n))

    def lines(self, path):
        if not os.path.exists(path):
            return
        with open(path, "rb") as f:
            for line in f:
                yield line.rstrip(b"\n")

    def read_worker(self, folder):
        for line in self.lines(os.path.join(folder, "worker")):
            n, _, event_id, how, sha256 = line.decode().split()
            self.saw("worker", int(n), how == "ok", None, event_id, sha256)

    def read_exec(self, folder):
        for line in self.lines(os.path.join(folder, "exec")):
            words = line.split(b" ", 3)
            self.saw("exec", int(words[0]), True, None, words[2].decode(),
                     hashlib.sha256(words[3]).hexdigest())

    def read_log(self, folder):
        for line in self.lines(os.path.join(folder, "log")):
            try:
                e = json.loads(line)
            except ValueError:
                self.torn += 1  # killed inside write(2); the attempt had not succeeded
                continue
            body = e["body"].encode()
            self.saw("log", json.loads(body)["n"], True, None, e["id"],
                     hashlib.sha256(body).hexdigest())


class Stored:
    """A copy of the database, opened after the daemon has stopped."""

    def __init__(self, seed, stage, path):
        db = sqlite3.connect(path)
        self.integrity = [r[0] for r in db.execute("PRAGMA integrity_check")]
        self.events = collections.defaultdict(list)  # n -> ids
        self.bodies, self.order = {}, []
        for i, key, body_hash, body in db.execute(
                "SELECT id, dedupe_key, body_hash, body FROM events ORDER BY id"):
            n = stage.number(seed, key, body)
            self.events[n].append(i)
            self.bodies[n] = (bytes(body_hash), hashlib.sha256(body).hexdigest())
        uids = dict(db.execute("SELECT id, name FROM objects WHERE kind = 'endpoint'"))
        by_event = {i: n for n, ids in self.events.items() for i in ids}
        attempts = collections.defaultdict(list)
        for i, number, result in db.execute(
                "SELECT delivery_id, number, result FROM attempts WHERE number > 0"
                " ORDER BY delivery_id, number"):  # 0: perhaps under way at a kill
            attempts[i].append((number, result))
        self.deliveries = collections.defaultdict(dict)  # n -> destination -> (state, log)
        self.odd = []
        for i, event, name, state, count in db.execute(
                "SELECT d.id, event_id, n.name, state, attempts FROM deliveries d"
                " JOIN names n ON n.id = d.destination"):
            n, log, name = by_event.get(event), attempts.pop(i, []), uids.get(name, name)
            if n is None:
                self.odd.append(f"delivery {i} of an event that is not stored")
                continue
            if name in self.deliveries[n]:
                self.odd.append(f"two deliveries of {n} to {name}")
            if [a[0] for a in log] != list(range(1, count + 1)):
                self.odd.append(f"delivery {i} of {n} to {name} counts {count} attempts and has "
                                f"the numbers {[a[0] for a in log]}")
            self.deliveries[n][name] = (STATES[state], log)
        self.odd += [f"attempts of delivery {i}, which is not stored"
                     for i in list(attempts)[:SHOWN]]
        meta = db.execute("SELECT events, pending, claimed, delivered, dead, skipped, cancelled"
                          " FROM meta").fetchone()
        counted = [db.execute("SELECT count(*) FROM events").fetchone()[0]] + [
            db.execute("SELECT count(*) FROM deliveries WHERE state=?", (s,)).fetchone()[0]
            for s in range(6)]
        self.counters = (list(meta), counted)
        db.close()


def number_of_id(text):
    """Of evt_ (13 digits to the base 32) or msg_ (a KSUID: 27 digits to the base 62, over 20 bytes
    of which the sixth to the thirteenth are the number); None of any other."""
    prefix, _, rest = text.partition("_")
    digits = {"evt": "0123456789ABCDEFGHJKMNPQRSTVWXYZ", "msg": string.digits +
              string.ascii_uppercase + string.ascii_lowercase}.get(prefix)
    number = 0
    for c in rest if digits else "":
        number = number * len(digits) + digits.index(c)
    if prefix == "msg":
        return int.from_bytes(number.to_bytes(20, "big")[5:13], "big")
    return number if digits else None


class Check:
    def __init__(self):
        self.results = []

    def none(self, name, problems):
        """The check holds when there are no problems."""
        problems = list(problems)
        self.results.append((name, problems))
        print(("ok   " if not problems else "FAIL ") + name, flush=True)
        for p in problems[:SHOWN]:
            print("       ", p)
        if len(problems) > SHOWN:
            print(f"        ... and {len(problems) - SHOWN} more")

    def counts(self):
        bad = sum(1 for _, p in self.results if p)
        return len(self.results) - bad, bad


def sha_of(seed, sent, n):
    key = sent.keys.get(n)
    return None if key is None else hashlib.sha256(plan.body(seed, n, key)).hexdigest()


def delivered_or_dead(seed, stage, seen, stored):
    for n in stored.events:
        for name in stage.destinations(seed, n):
            state, log = stored.deliveries[n].get(name, ("missing", []))
            if state == "dead":
                if not stage.may_die(seed, name, n):
                    yield f"event {n} is dead at {name} though that one would have taken it: {log}"
                if not log or seen.attempts[name, n] < len(log):
                    yield f"event {n} is dead at {name} with {len(log)} attempts on record, of " \
                          f"which {seen.attempts[name, n]} arrived"
            elif state != "delivered":
                yield f"event {n} is {state} at {name}"
            elif (name, n) not in seen.successes:
                yield f"event {n} counts as delivered at {name}, which never took it"
            elif not log or log[-1][1] != SUCCESS:
                yield f"event {n} is delivered at {name} without an attempt that says so: {log}"


def never_half_stored(seed, stage, stored):
    for n in stored.events:
        want = set(stage.destinations(seed, n))
        if set(stored.deliveries[n]) != want:
            yield f"event {n} has deliveries to {sorted(stored.deliveries[n])}"


def duplicates(seen, faults):
    """Between two successes of the same delivery lies a moment at which its outcome could be lost;
    where times are not known, the number is bounded by what was in flight at those moments."""
    extra = collections.Counter()
    for (name, n), times in seen.successes.items():
        extra[name] += len(times) - 1
        if times[0] is None:
            continue
        for a, b in zip(times, times[1:]):
            if not any(a - 0.5 <= until and since <= b for since, until in faults):
                yield (f"event {n} was taken twice by {name}, at {a:.3f} and {b:.3f}, "
                       "without a fault")
    for name, count in extra.items():
        if count > len(faults) * LANE_WINDOW:
            yield f"{count} extra deliveries at {name} for {len(faults)} faults"


def inversions(sent, seen):
    first, last = {}, {}
    for n in seen.order:
        first.setdefault(n, len(first))
    for n in sorted(first, key=first.get):
        key = sent.keys.get(n)
        if n not in sent.acks:  # its place among others is not known to the sender
            continue
        if key in last and last[key] > n:
            yield f"key {key}: event {n} came after {last[key]}"
        last[key] = max(n, last.get(key, -1))


def run(seed, stage, folder, copy, faults, failing, notes):
    """stage: plan.Hub or plan.Messages; faults: (since, until) of kills, drains, pauses and the
    like; failing: windows in which the journal could not be written. Returns the Check."""
    sent, seen, stored = Sent(folder), Seen(folder), Stored(seed, stage, copy)
    check = Check()
    hashes = {}

    def right(n):
        if n not in hashes:
            hashes[n] = sha_of(seed, sent, n)
        return hashes[n]

    check.none("every acknowledged event is stored, under the id that was answered",
               (f"event {n}, acknowledged as {a[2]}, is stored as {stored.events.get(n, [])}"
                for n, a in sent.acks.items()
                if number_of_id(a[2]) not in stored.events.get(n, [])))
    check.none("every stored event is delivered, or dead with its attempts, everywhere",
               delivered_or_dead(seed, stage, seen, stored))
    check.none("an event is stored whole or not at all", never_half_stored(seed, stage, stored))
    check.none("stored bodies are what was sent",
               (f"event {n}" for n, (_, whole) in stored.bodies.items() if whole != right(n)))
    prints = {}
    check.none("the fingerprint kept beside a body is that body's alone",
               (f"event {n}" for n, (short, whole) in stored.bodies.items()
                if prints.setdefault(short, whole) != whole))
    check.none("nothing was delivered that was never sent; bodies arrive byte for byte",
               (f"event {n} at {name}" for (name, n), got in seen.hashes.items()
                if right(n) is None or got != {right(n)}))
    check.none("every forward carries a valid signature", seen.bad_signatures)
    check.none("what was delivered is stored, under the same id",
               (f"event {n}: {ids}" for n, ids in seen.event_ids.items()
                if {number_of_id(i) for i in ids} != set(stored.events.get(n, []))))
    check.none("extra deliveries only where a fault explains them", duplicates(seen, faults))
    check.none("the same delivery id is stored once",
               (f"event {n}: {len(ids)} times" for n, ids in stored.events.items()
                if len(ids) > 1))
    check.none("a repeat is answered with the first event's id",
               (f"event {r[2]}: {r[4]} and then {r[3]}" for r in sent.repeats if r[3] != r[4]))
    if stage is plan.Hub:
        check.none("order is kept for each key", inversions(sent, seen))
        check.none("torn lines in the log file only where it was killed",
                   [] if seen.torn <= len(faults) else [f"{seen.torn} lines"])
    check.none("nothing is acknowledged while the journal cannot be written",
               (f"event {n}" for n, (began, ended, _, is_new) in sent.acks.items()
                for since, until in failing if is_new and began > since and ended < until))
    check.none("what is refused is refused with 503 and Retry-After",
               (f"event {r[2]}: {r[3]}, Retry-After {r[4]}" for r in sent.refused
                if r[3] != 503 or not r[4].isdigit()))
    check.none("attempts and deliveries are whole", stored.odd)
    check.none("the counters agree with the rows",
               [] if stored.counters[0] == stored.counters[1] else [str(stored.counters)])
    check.none("PRAGMA integrity_check", [x for x in stored.integrity if x != "ok"])
    check.none("no crash, no assertion, no sanitizer report",
               (line.strip() for path in sorted(glob.glob(os.path.join(folder, "daemon.*.log")))
                for line in open(path, encoding="utf-8", errors="replace")
                if "Assertion" in line or "Sanitizer" in line or "runtime error" in line
                or "level=fatal" in line))
    extra = collections.Counter()
    for (name, _), times in seen.successes.items():
        extra[name] += len(times) - 1
    waits = sorted(b - a for a, b, _, _ in sent.acks.values())
    refusals = sorted(r[1] - r[0] for r in sent.refused)
    notes += [("events acknowledged", len(sent.acks)),
              ("events stored", sum(map(len, stored.events.values()))),
              ("requests without an answer", sum(sent.indeterminate.values())),
              ("events given up by the sender", len(sent.given_up)),
              ("requests refused (503)", len(sent.refused)),
              ("slowest refusal, s", f"{refusals[-1]:.2f}" if refusals else "-"),
              ("repeats sent", len(sent.repeats)),
              ("deliveries taken", sum(len(t) for t in seen.successes.values())),
              ("attempts that arrived", sum(seen.attempts.values())),
              ("extra deliveries", " ".join(f"{k} {v}" for k, v in extra.most_common(5))),
              ("dead letters", sum(1 for d in stored.deliveries.values()
                                   for s, _ in d.values() if s == "dead")),
              ("ack p50 / p99, ms", f"{waits[len(waits) // 2] * 1e3:.1f} / "
                                    f"{waits[len(waits) * 99 // 100] * 1e3:.0f}" if waits else "-")]
    return check
