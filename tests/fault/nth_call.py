#!/usr/bin/env python3
"""nth_call.py -- a short life of the daemon in which the nth write, sync or allocation fails,
for one n after another, counted from the first start on an empty directory, and again from the
moment it
was ready: it may refuse to start or refuse an event, but it does not crash, and what it
acknowledged is there after a kill."""
import errno
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import *

EVENTS = 6


def is_ready(d):
    until(lambda: "msg=ready" in d.log() or d.process.poll() is not None, "ready or ended")
    if d.process.poll() is None:
        d.url = re.search(r"msg=listening address=(\S+)", d.log()).group(1)
        d.admin = re.search(r"msg=admin address=(\S+)", d.log()).group(1)
        return True
    assert d.process.returncode in (69, 70, 73, 74, 77), (d.process.returncode, d.log())
    assert "cannot start" in d.log(), d.log()
    return False


def sweep(kinds, upto, while_running, error=errno.EIO, mode=inject.NTH):
    refused_starts = refused_events = struck = 0
    for n in range(1, upto + 1):
        with Faulty(start=False) as d:
            for moment in (False, True):
                if moment == while_running:
                    d.inject.fail(kinds, error, mode=mode, nth=n, torn=n % 2 == 0)
                if not moment:
                    d.start(wait=False)
                    ready = is_ready(d)
            if ready:
                for i in range(EVENTS):
                    d.send(i * 1000)
                assert d.process.poll() is None, (d.process.returncode, d.log())
                d.kill()
            refused_starts += not ready
            refused_events += d.sent - len(d.acked)
            struck += d.inject.page.failed > 0
            d.inject.heal()
            d.start()
            d.send_until(200, f"taken again after call {n} failed")
            d.nothing_is_lost()
    print(f"  {struck} of {upto} struck: {refused_starts} starts, {refused_events} events refused")
    assert struck > 0


WRITE, SYNC, SPACE = inject.WRITE, inject.SYNC, inject.WRITE | inject.ALLOCATE | inject.CREATE


def test_the_nth_write_fails_from_the_start_on():
    sweep(WRITE, 40, False)


def test_the_nth_write_fails_while_running():
    sweep(WRITE, 40, True)


def test_the_nth_sync_fails_from_the_start_on():
    sweep(SYNC, 20, False)


def test_the_nth_sync_fails_while_running():
    sweep(SYNC, 20, True)


def test_from_the_nth_write_or_sync_on_all_fail():
    sweep(WRITE | SYNC, 10, True, mode=inject.FROM_NTH)


def test_from_the_nth_call_that_takes_space_on_there_is_none():
    sweep(SPACE, 20, False, errno.ENOSPC, inject.FROM_NTH)
    sweep(SPACE, 10, True, errno.ENOSPC, inject.FROM_NTH)


run(globals())
