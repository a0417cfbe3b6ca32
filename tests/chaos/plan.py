"""plan.py -- what a run is made of, from its seed alone: the events, what each destination answers
to them, and which destinations each must reach. Client, sinks and checker agree through it."""
import hashlib
import json
import random

SECRET = "chaos secret"
SIGNING_KEY = b"0123456789abcdef0123456789abcdef"
KEYS_EACH = 2  # order keys of one connection
PUSH, ISSUES, RELEASE = "push", "issues", "release"
DESTINATIONS = {
    PUSH: ("flaky", "fifo", "worker", "log"),
    ISSUES: ("flaky", "log"),
    RELEASE: ("exec", "fifo", "log"),
}
FLAKY_ATTEMPTS = 9
HTTP = ("flaky", "fifo")


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
