"""plan.py -- what a run is made of, from its seed alone: the events, what each destination answers
to them, and which destinations each must reach. Client, sinks and checker agree through it."""
import hashlib
import json
import random

SECRET = "chaos secret"
TOKEN = "chaos token"
SIGNING_KEY = b"0123456789abcdef0123456789abcdef"
KEYS_EACH = 2  # order keys of one connection
PUSH, ISSUES, RELEASE = "push", "issues", "release"
DESTINATIONS = {
    PUSH: ("flaky", "fifo", "worker", "log"),
    ISSUES: ("flaky", "log"),
    RELEASE: ("exec", "fifo", "log"),
}


def chance(seed, n, what):
    """In [0, 1), the same for the same words."""
    digest = hashlib.blake2b(f"{seed} {n} {what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def event_type(seed, n):
    x = chance(seed, n, "type")
    return PUSH if x < 0.65 else ISSUES if x < 0.96 else RELEASE


def body(seed, n, key):
    size = chance(seed, n, "size")
    large = size >= 0.99 and event_type(seed, n) != RELEASE  # a shell writes those in pieces
    pad = int(60000 * (size - 0.99) * 100) if large else int(1400 * size)
    rng = random.Random(f"{seed} {n}")
    return json.dumps({"n": n, "key": f"k{key}", "pad": rng.randbytes(pad // 2).hex()}).encode()


def delivery_id(seed, n):
    return f"{seed}-{n}"


def is_hopeless(seed, n):
    return chance(seed, n, "flaky") >= 0.985


def flaky(seed, n, seen):
    """What the flaky sink does at the attempt that is its `seen`th (from 0) of this event."""
    x = chance(seed, n, "flaky")
    if x >= 0.99:
        return "500"
    if x >= 0.985:
        return "410"
    if seen >= (2 if chance(seed, n, "twice") < 0.3 else 1) or x < 0.78:
        return "200"
    for word, upto in (("500", 0.88), ("reset", 0.92), ("429", 0.925), ("slow", 0.96),
                       ("garbage", 0.97), ("cut", 0.983)):
        if x < upto:
            return word
    return "hang"


def fifo(seed, n, seen):
    x = chance(seed, n, "fifo")
    if seen >= 1 or x < 0.92:
        return "200"
    return "500" if x < 0.96 else "reset" if x < 0.98 else "slow"


def worker(seed, n, attempt):
    x = chance(seed, n, "worker")
    if attempt > 1 or x < 0.97:
        return "ok"
    return "retry" if x < 0.9998 else "exit"


def chance_at(seed, n, name):
    return chance(seed, n, "at " + name)


class Hub:
    """A provider's events, routed by gaff.yaml."""

    sinks = ("flaky", "fifo")

    @staticmethod
    def number(seed, key, _):
        return int(key[len(seed) + 1:]) if key.startswith(seed + "-") else -1

    @staticmethod
    def destinations(seed, n):
        return DESTINATIONS[event_type(seed, n)]

    @staticmethod
    def answer(seed, name, n, seen):
        return (flaky if name == "flaky" else fifo)(seed, n, seen)

    @staticmethod
    def may_die(seed, name, n):
        return name == "flaky" and is_hopeless(seed, n)


class Messages:
    """Messages of one application, which are fanned out to its endpoints, each with a port of its
    own. All that is known of a message is in its payload."""

    application = "acme"
    sinks = tuple(f"e{i}" for i in range(100))

    @staticmethod
    def types(name):
        """What an endpoint wants to hear; None: everything."""
        i = int(name[1:])
        return None if i % 10 == 0 else [PUSH, RELEASE] if i % 2 else [ISSUES, RELEASE]

    @staticmethod
    def number(_, __, payload):
        return json.loads(payload)["n"]

    @classmethod
    def destinations(cls, seed, n):
        kind = event_type(seed, n)
        return tuple(e for e in cls.sinks if kind in (cls.types(e) or [kind]))

    @staticmethod
    def answer(seed, name, n, seen):
        x = chance_at(seed, n, name)
        if x >= 0.995:
            return "500"
        if seen >= 1 or x < 0.93:
            return "200"
        for word, upto in (("500", 0.95), ("reset", 0.96), ("slow", 0.98), ("garbage", 0.985)):
            if x < upto:
                return word
        return "cut"

    @staticmethod
    def may_die(seed, name, n):
        return chance_at(seed, n, name) >= 0.995
