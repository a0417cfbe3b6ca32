#!/usr/bin/env python3
"""torn_tail.py -- the journal after a kill, with its tail as a crash may have left it: what was
acknowledged is there. With damage before the tail: the daemon says so and does not start."""
import glob
import os
import random
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import *

HEAD = 4096


def segment(d):
    """The one segment that is being written, and the byte behind its last record."""
    best = None
    for path in glob.glob(os.path.join(d.data, "journal", "*.gj")):
        with open(path, "rb") as f:
            data = f.read()
        start = int.from_bytes(data[24:32], "little")
        if data[:8] != b"GAFFJNL1":
            continue
        at, lsn, last = HEAD, start, HEAD
        while int.from_bytes(data[at + 8:at + 16], "little") == lsn and at + 24 <= len(data):
            size = 24 + (int.from_bytes(data[at + 4:at + 8], "little") + 7) // 8 * 8
            last, at, lsn = at, at + size, lsn + size
        if at > HEAD and (not best or lsn > best[0]):
            best = (lsn, path, last, at)
    assert best, "no segment was found"
    return best[1:]


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def killed_with_a_database_behind(d, events=30):
    """The database's own files fail, so that the journal alone holds what was acknowledged."""
    d.inject.fail(inject.WRITE | inject.SYNC, 5, inject.DATABASE)
    for _ in range(events):
        assert d.send(random.randrange(2000)).status == 200
    d.kill()
    d.inject.heal()


def test_rubbish_behind_the_last_record():
    for seed in range(12):
        rng = random.Random(seed)
        with Faulty() as d:
            killed_with_a_database_behind(d, 10)
            path, _, end = segment(d)
            overwrite(path, end, rng.randbytes(rng.choice((1, 7, 24, 100, 4096, 100000))))
            d.start()
            assert d.send().status == 200
            d.nothing_is_lost()


def test_a_last_record_that_is_half_there():
    """As when power went before its sync ended: it was not acknowledged, all before it was."""
    for seed in range(12):
        rng = random.Random(seed)
        with Faulty() as d:
            killed_with_a_database_behind(d, 10)
            path, _, end = segment(d)
            with open(path, "rb") as f:
                record = f.read()[end - 24:end]
            lsn = int.from_bytes(record[8:16], "little")
            torn = rng.randbytes(4) + (2000).to_bytes(4, "little") + \
                (lsn + 24).to_bytes(8, "little") + bytes(8) + rng.randbytes(rng.randrange(1500))
            overwrite(path, end, torn)
            d.start()
            assert d.send().status == 200
            d.nothing_is_lost()


def test_damage_before_the_tail_is_not_taken_for_a_tail():
    with Faulty() as d:
        killed_with_a_database_behind(d)
        path, _, end = segment(d)
        middle = HEAD + (end - HEAD) // 2
        with open(path, "rb") as f:
            f.seek(middle)
            byte = f.read(1)
        overwrite(path, middle, bytes([byte[0] ^ 1]))
        mark = len(d.log())
        d.start(wait=False)
        assert d.process.wait(60) not in (0, None), d.log()[mark:]
        assert "is damaged at byte" in d.log()[mark:], d.log()[mark:]
        overwrite(path, middle, byte)
        d.start()
        d.nothing_is_lost()


run(globals())
