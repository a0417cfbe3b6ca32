#!/usr/bin/env python3
"""failing_disk.py -- writes and syncs that fail: nothing is acknowledged meanwhile, nothing that
was acknowledged is lost, and it goes on by itself when the disk is sound again."""
import errno
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import *


def fails_and_recovers(kinds, **how):
    with Faulty() as d:
        for _ in range(5):
            assert d.send().status == 200
        d.inject.fail(kinds, errno.EIO, inject.JOURNAL, **how)
        for _ in range(30):
            reply = d.send()
            assert reply.status == 503 and reply.headers["Retry-After"], reply.status
        assert d.inject.page.failed > 0
        pid = d.process.pid
        d.inject.heal()
        d.send_until(200, "taken again")
        assert d.process.pid == pid and d.process.poll() is None
        d.kill()
        d.start()
        d.nothing_is_lost()


def test_syncs_of_the_journal_fail():
    fails_and_recovers(inject.SYNC)


def test_writes_of_the_journal_fail():
    fails_and_recovers(inject.WRITE)


def test_writes_of_the_journal_fail_half_done():
    fails_and_recovers(inject.WRITE, torn=True)


def test_a_failing_database_stops_neither_acknowledging_nor_delivering():
    with Faulty() as d:
        d.inject.fail(inject.SYNC | inject.WRITE, errno.EIO, inject.DATABASE)
        for _ in range(50):
            assert d.send().status == 200
        d.kill()
        d.inject.heal()
        d.start()
        d.nothing_is_lost()


def test_killed_while_syncs_fail():
    with Faulty() as d:
        for _ in range(6):
            for _ in range(5):
                d.send()
            d.inject.fail(inject.SYNC | inject.WRITE, errno.EIO, inject.JOURNAL | inject.DATABASE,
                          torn=True)
            for _ in range(3):
                assert d.send().status == 503
            d.kill()
            d.inject.heal()
            d.start()
        assert len(d.acked) == 30
        d.nothing_is_lost()


def test_one_in_three_fails():
    with Faulty() as d:
        d.inject.fail(inject.SYNC | inject.WRITE, errno.EIO, inject.JOURNAL | inject.DATABASE,
                      mode=inject.RANDOM, permille=333, torn=True)
        for _ in range(100):
            d.send()
        d.kill()
        d.inject.heal()
        d.start()
        assert d.acked
        d.nothing_is_lost()


def test_it_does_not_start_on_a_disk_that_fails():
    with Faulty(start=False) as d:
        d.inject.fail(inject.SYNC | inject.WRITE, errno.EIO)
        d.start(wait=False)
        assert d.process.wait(60) in (73, 74), d.process.returncode
        assert "cannot start" in d.log() and "Input/output error" in d.log() or \
            "disk I/O error" in d.log(), d.log()
        d.inject.heal()
        d.start()
        assert d.send().status == 200
        d.nothing_is_lost()


run(globals())
