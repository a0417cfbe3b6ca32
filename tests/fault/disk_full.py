#!/usr/bin/env python3
"""disk_full.py -- no space: refused at once and in words, nothing that was accepted is lost or
stuck, and it goes on by itself when there is space again."""
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import *


SMALL = 192 << 20
LARGE = 200000  # what is allocated already is used up soon


def is_a_good_refusal(reply):
    assert reply.status == 503 and int(reply.headers["Retry-After"]) >= 1
    error = reply.json()["error"]
    assert error["code"] == "store_unavailable" and "gaff-data" not in error["message"]
    return True


def quickest_refusal(d, disk=None):
    """The machine may be busy: the quickest of some tells what it takes."""
    times = []
    while len(times) < 5:
        if disk:
            disk.fill()  # also what was freed meanwhile
        began = time.monotonic()
        reply = d.send(LARGE)
        if reply.status == 503:
            is_a_good_refusal(reply)
            times.append(time.monotonic() - began)
        assert d.sent < 2000, "a full disk is hardly ever noticed"
    return min(times)


def test_a_full_disk_is_refused_at_once_and_recovered_from_without_a_restart():
    with SmallDisk(SMALL) as disk, Faulty(os.path.join(disk.path, "data")) as d:
        for _ in range(20):
            assert d.send().status == 200
        assert quickest_refusal(d, disk) < 1.0
        pid = d.process.pid
        disk.free()
        d.send_until(200, "taken again")
        assert d.process.pid == pid and d.process.poll() is None
        for _ in range(20):
            assert d.send().status == 200
        d.kill()
        d.start()
        d.nothing_is_lost()


def test_a_full_disk_survives_a_kill_and_a_start():
    with SmallDisk(SMALL) as disk, Faulty(os.path.join(disk.path, "data")) as d:
        for _ in range(20):
            assert d.send().status == 200
        quickest_refusal(d, disk)
        d.kill()
        disk.fill()
        d.start(wait=False)  # it may find no room to open the database in; then it says so
        until(lambda: d.log().count("msg=ready") == 2 or d.process.poll() is not None, "an end")
        assert d.process.poll() in (None, 73), d.log()
        d.kill()
        disk.free()
        d.start()
        d.send_until(200, "taken again")
        d.nothing_is_lost()


SLOW = CONFIG.replace("log: {{ file: \"{folder}/out.jsonl\" }}, retry",
                      "http: {{ url: \"{url}\" }}, retry")


def test_what_was_accepted_can_be_finished_on_a_full_disk():
    go = threading.Event()

    def answer(request, count):
        go.wait(60)
        return 200, {}, b""
    target = Target(answer)
    with SmallDisk(SMALL) as disk:
        with Faulty(os.path.join(disk.path, "data"), config=SLOW, url=target.url) as d:
            for _ in range(8):
                assert d.send().status == 200
            until(lambda: target.requests, "a first delivery under way")
            quickest_refusal(d, disk)
            go.set()
            until(lambda: len(target.requests) >= len(d.acked), "all at the target", 60)
            d.kill()
            count = len(target.requests)
            d.start()
            time.sleep(1)
            # Outcomes went to what is kept back for them: nearly nothing is delivered again.
            assert len(target.requests) - count <= 16, len(target.requests) - count


def test_a_backlog_that_filled_the_disk_is_delivered_without_help():
    go = threading.Event()

    def answer(request, count):
        go.wait(120)
        return 200, {}, b""
    target = Target(answer)
    with SmallDisk(SMALL) as disk:
        with Faulty(os.path.join(disk.path, "data"), config=SLOW, url=target.url) as d:
            until(lambda: d.send(60000).status == 503, "the disk to be full", 120)
            assert len(d.acked) > 600, len(d.acked)  # a lane holds 256 of them at most
            go.set()
            until(lambda: len(target.requests) >= len(d.acked), "all at the target", 120)
            d.kill()
            disk.fill()
            d.start()
            assert d.request("GET", "/livez", base=d.admin).status == 200
            disk.free()
            d.send_until(200, "taken again")


def test_no_space_for_any_write():
    with Faulty() as d:
        for _ in range(5):
            assert d.send().status == 200
        d.inject.fail(inject.WRITE | inject.ALLOCATE | inject.CREATE, 28)
        assert quickest_refusal(d) < 1.0
        until(lambda: d.request("GET", "/readyz", base=d.admin).status == 503, "not ready")
        assert d.request("GET", "/livez", base=d.admin).status == 200
        d.inject.heal()
        d.send_until(200, "taken again")
        until(lambda: d.request("GET", "/readyz", base=d.admin).status == 200, "ready")
        d.kill()
        d.start()
        d.nothing_is_lost()


run(globals())
