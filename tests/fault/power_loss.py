#!/usr/bin/env python3
"""power_loss.py -- the power goes at a random moment, under load: of what the daemon had written,
only what it had synced is kept, of the rest nothing, or any part of it, sector by sector, as a disk
leaves it. inject.c keeps the undo log this is made from. What was acknowledged is there each time.

This shows what a kill cannot: a missing fsync. Its limits: changes of directories count as lost
until the directory is synced; what is written through a mapping (only SQLite's -shm, which it
makes anew) is not undone."""
import os
import random
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import *

ROUNDS = int(os.environ.get("ROUNDS", "20"))
SENDERS = 4
SYNC_US = 3000  # a slow disk: most cuts come while something is being synced


def flood(d, stop, lock):
    connection = http.client.HTTPConnection(d.url.split("://")[1], timeout=30)
    while not stop.is_set():
        with lock:
            d.sent += 1
            n = d.sent
        body = json.dumps({"n": n, "pad": "x" * random.randrange(3000)}).encode()
        try:
            connection.request("POST", "/in/github", body, github(body, delivery=f"d{n}"))
            reply = Reply(connection.getresponse())
        except (OSError, http.client.HTTPException):
            return
        if reply.status == 200:
            with lock:
                d.acked[reply.json()["id"]] = body


def load_for(d, seconds):
    stop, lock = threading.Event(), threading.Lock()
    threads = [threading.Thread(target=flood, args=(d, stop, lock)) for _ in range(SENDERS)]
    for t in threads:
        t.start()
    time.sleep(seconds)
    d.kill()
    stop.set()
    for t in threads:
        t.join()


def lose_power(seed, rounds, keeps, fail=None):
    rng, all_entries, all_lost = random.Random(seed), 0, 0
    print(f"  seed {seed}")
    with Faulty() as d:
        assert d.stop() == 0  # directories made at the first start are not part of this
        d.env.update(d.inject.env(undo=True))
        d.inject.page.sync_delay_us = SYNC_US
        for i in range(rounds):
            d.start()
            if fail:
                d.inject.fail(**fail)
            load_for(d, rng.uniform(0.05, 0.4))
            d.inject.heal()
            entries, lost = d.inject.cut_power(rng, keeps[i % len(keeps)])
            all_entries, all_lost = all_entries + entries, all_lost + lost
        d.start()
        stored = d.nothing_is_lost()
        print(f"  {rounds} power cuts, {len(d.acked)} acknowledged, {stored} stored, "
              f"{all_lost} of {all_entries} writes were not durable")
        assert all_lost > 0, "nothing was ever unsynced: the test shows nothing"


def seed():
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))


def test_all_that_is_unsynced_is_lost():
    lose_power(seed(), ROUNDS, [0.0])


def test_any_part_of_what_is_unsynced_is_kept():
    lose_power(seed(), ROUNDS, [0.5, 0.9, 0.1])


def test_power_is_lost_while_syncs_fail():
    lose_power(seed(), ROUNDS // 2, [0.0, 0.5],
               {"kinds": inject.SYNC, "files": inject.JOURNAL | inject.DATABASE,
                "mode": inject.RANDOM, "permille": 150})


run(globals())
