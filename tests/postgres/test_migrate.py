#!/usr/bin/env python3
"""`gaff migrate`: from SQLite to PostgreSQL and back, by itself and while the daemon takes events,
killed in between, with nothing changed on the way; and what doctor says of the database."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

from cluster import free_port
from nodes import TOKEN, Daemon, Node, Target, common, config, database, main, server, until

import lib


def migrate(*args, cwd, code=0):
    p = subprocess.run([lib.GAFF, "migrate", *args], cwd=cwd, capture_output=True, text=True,
                       timeout=120)
    assert p.returncode == code, p.stdout + p.stderr
    return p.stdout


def test_a_store_moves_to_postgres_and_back():
    s, state = common(), {"status": 500}
    target = Target(lambda r, n: (state["status"] if r["path"] == "/d0" else 200, {}, b"x"))
    url = database(s)
    text = config(target, 2)
    with Daemon(text) as d:
        for i in range(30):
            body = json.dumps({"i": i}).encode()
            d.post(f"/in/d{i % 2}", body, lib.github(body, delivery=str(i)))
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 15, "d0 gave up")
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 15, "d1 did")
        assert d.stop() == 0
        said = migrate("--from", "sqlite:gaff-data", "--to", url, cwd=d.dir)
        assert "the same in both" in said, said
        # More comes, and what was copied changes: the second go brings the target up to date.
        d.start()
        d.cli("dead", "replay", "--destination", "d0", "--yes")
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 15, "gave up again")
        body = b'{"i": 30}'
        d.post("/in/d1", body, lib.github(body, delivery="30"))
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 16, "done")
        assert d.stop() == 0
        other = database(s)
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", other,
                                             cwd=d.dir)
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", other,
                                             cwd=d.dir)
        with Node(other, "one", text) as one:
            counts = one.api("GET", "/status").json()
            assert counts["events"] == 31 and counts["deliveries"]["dead"] == 15, counts
            repeat = one.hook("d1", body, "30").json()
            assert repeat.get("duplicate"), repeat
            state["status"] = 200
            one.cli("dead", "replay", "--yes")
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 31,
                  "dead letters are delivered from the new store")
            assert one.stop() == 0
        back = tempfile.mkdtemp(prefix="gaff-back-")
        assert "the same in both" in migrate("--from", other, "--to", "sqlite:" + back, cwd=d.dir)


def test_what_waited_is_brought_up_to_date():
    s, state = common(), {"status": 500}
    target = Target(lambda r, n: (state["status"], {}, b"x"))
    url = database(s)
    text = config(target).replace("[200ms, 200ms, 500ms]", "[1h]")
    with Daemon(text) as d:
        for i in range(5):
            body = json.dumps({"i": i}).encode()
            d.post("/in/d0", body, lib.github(body))
        until(lambda: len(target.requests) == 5, "tried once")
        assert d.stop() == 0
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", url, cwd=d.dir)
        d.start()
        d.cli("cancel", "--destination", "d0", "--yes")
        assert d.stop() == 0
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", url, cwd=d.dir)
        with Node(url, "one", text) as one:
            assert one.api("GET", "/status").json()["deliveries"]["cancelled"] == 5


class Mover(Daemon):
    """A daemon at ports that stay, whose store is named in its configuration."""

    def __init__(self, store, text):
        self.text = (f"listen: 127.0.0.1:{free_port()}\n"
                     f"admin: {{ listen: 127.0.0.1:{free_port()}, token: {TOKEN} }}\n" + text)
        self.store = store
        super().__init__("store: " + store + "\n" + self.text, env={"GAFF_TOKEN": TOKEN})

    def token(self):
        return TOKEN

    def start(self, wait=True):
        super().start(wait)
        if wait:
            self.env["GAFF_API"] = self.admin

    def name(self, store):
        self.store = store
        self.config("store: " + store + "\n" + self.text)

    def move(self, to):
        """All of it: copies, names the other store, goes over."""
        said = self.cli("migrate", "--to", to).stdout.decode()
        assert "state: following" in said, said
        here, there = (next(line.split()[1:] for line in said.split("\n") if line.startswith(w))
                       for w in ("here", "there"))
        assert here == there, said
        self.name(to)
        self.cli("migrate", "--finish")
        until(lambda: "moved to another store" in self.log(), "moved", 120)
        self.until_ready_on(to.split(":")[0])

    def until_ready_on(self, kind):
        until(lambda: [line for line in self.log().split("\n") if "msg=ready" in line][-1]
              .endswith("store=" + kind), "ready on " + kind, 120)


class Load:
    """Senders that go on until they are told to stop, some hundred a second at most; what was
    acknowledged."""

    def __init__(self, daemon, lanes=2):
        self.daemon, self.over = daemon, False
        self.acknowledged = [[] for _ in range(lanes)]
        self.threads = [threading.Thread(target=self.send, args=(n,), daemon=True)
                        for n in range(lanes)]
        for t in self.threads:
            t.start()

    def send(self, lane):
        i = 0
        while not self.over:
            body = json.dumps({"lane": lane, "i": i, "pad": "x" * 200}).encode()
            headers = lib.github(body, delivery=f"{lane}-{i}")
            while not self.over:
                try:
                    if self.daemon.post(f"/in/d{lane}", body, headers).status == 200:
                        self.acknowledged[lane].append(body)
                        i += 1
                        time.sleep(0.01)
                        break
                except OSError:
                    pass
                except lib.http.client.HTTPException:
                    pass
                time.sleep(0.02)

    def count(self):
        return sum(len(a) for a in self.acknowledged)

    def await_more(self, n):
        goal = self.count() + n
        until(lambda: self.count() >= goal, f"{n} more acknowledged", 120)

    def stop(self):
        self.over = True
        for t in self.threads:
            t.join()
        return [b for a in self.acknowledged for b in a]


def seed(daemon, n):
    for i in range(n):
        body = json.dumps({"before": i}).encode()
        assert daemon.post(f"/in/d{i % 2}", body, lib.github(body)).status == 200


def all_delivered(target, bodies):
    until(lambda: {r["body"] for r in target.requests} >= set(bodies), "all delivered", 120)


def old_store_refuses(mover, old, word):
    new = mover.store
    assert mover.stop() == 0
    mover.name(old)
    mover.start(wait=False)
    assert mover.process.wait(60) != 0
    assert word in mover.log(), mover.log()[-500:]
    mover.name(new)
    mover.start()


def test_a_daemon_moves_there_and_back_while_it_takes_events():
    target, url = Target(), database(common())
    old = "sqlite:" + tempfile.mkdtemp(prefix="gaff-old-")
    back = "sqlite:" + tempfile.mkdtemp(prefix="gaff-back-")
    with Mover(old, config(target, 2)) as d:
        seed(d, 400)
        load = Load(d)
        load.await_more(100)
        d.move(url)
        load.await_more(100)
        d.move(back)
        load.await_more(100)
        bodies = load.stop()
        all_delivered(target, bodies)
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"]
              == 400 + len(bodies), "all settled")
        # A store is left in good order, so nothing comes twice.
        assert len(target.requests) == 400 + len(bodies)
        assert d.api("GET", "/status").json()["events"] == 400 + len(bodies)
        old_store_refuses(d, url, "was moved to sqlite:")
    for store in (old, back):
        shutil.rmtree(store[7:])


def test_a_daemon_killed_while_it_copies_goes_on():
    target, url = Target(), database(common())
    old = "sqlite:" + tempfile.mkdtemp(prefix="gaff-old-")
    with Mover(old, config(target, 2)) as d:
        seed(d, 800)
        load = Load(d)
        assert d.api("POST", "/migration", {"to": url}).status == 202
        until(lambda: d.api("GET", "/migration").json()["copied"] > 0, "some are there")
        d.kill()
        d.start()
        load.await_more(50)
        assert d.api("GET", "/migration").json()["state"] == "idle"
        d.move(url)
        bodies = load.stop()
        all_delivered(target, bodies)
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"]
              == 800 + len(bodies), "all settled")
        assert d.api("GET", "/status").json()["events"] == 800 + len(bodies)
        old_store_refuses(d, old, "was moved to postgres:")
    shutil.rmtree(old[7:])


def test_a_daemon_killed_while_it_goes_over_loses_nothing():
    target, url = Target(), database(common())
    old = "sqlite:" + tempfile.mkdtemp(prefix="gaff-old-")
    with Mover(old, config(target, 2)) as d:
        seed(d, 100)
        load = Load(d)
        assert "state: following" in d.cli("migrate", "--to", url).stdout.decode()
        d.name(url)
        d.cli("migrate", "--finish")
        d.kill()
        d.start(wait=False)
        until(lambda: d.process.poll() is not None or "store=postgres" in d.log(), "it shows", 60)
        if d.process.poll() is not None:
            assert "is being filled from" in d.log() or "was moved to" in d.log(), d.log()
            said = migrate("--from", old, "--to", url, cwd=d.dir)
            assert "the same in both" in said, said
            d.start()
        load.await_more(20)
        bodies = load.stop()
        all_delivered(target, bodies)
        until(lambda: d.api("GET", "/status").json()["events"] == 100 + len(bodies), "all there")
    shutil.rmtree(old[7:])


def test_what_changes_while_it_follows_is_the_same_there():
    state = {"status": 500}
    target = Target(lambda r, n: (state["status"] if r["path"] == "/d0" else 200, {}, b"x"))
    url = database(common())
    old = "sqlite:" + tempfile.mkdtemp(prefix="gaff-old-")
    text = config(target, 2).replace("[200ms, 200ms, 500ms]", "[10ms]")
    with Mover(old, text + "sending: { policy: private }\n"
               "secret_key: a-key-of-the-tests-that-is-long-enough\n") as d:
        seed(d, 60)
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 30, "d0 gave up")
        assert d.api("POST", "/app", {"name": "acme", "uid": "acme"}).status == 201
        said = d.cli("migrate", "--to", url).stdout.decode()
        assert "state: following" in said, said
        # Replayed and given up again, replayed and delivered, taken out, made and deleted.
        first = d.deliveries(state="dead", limit=500)[0]
        d.cli("replay", first["id"])
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 30, "again")
        state["status"] = 200
        d.cli("replay", d.deliveries(state="dead", limit=500)[3]["id"])
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 29, "delivered")
        sent = d.api("POST", "/app/acme/msg", {"eventType": "a.b", "payload": {"n": 41},
                                               "eventId": "once"}).json()
        assert d.api("DELETE", f"/app/acme/msg/{sent['id']}/content").status == 204
        assert d.api("POST", "/app", {"name": "gone", "uid": "gone"}).status == 201
        assert d.api("DELETE", "/app/gone").status == 204
        d.name(url)
        d.cli("migrate", "--finish")
        d.until_ready_on("postgres")
        again = d.api("POST", "/app/acme/msg", {"eventType": "a.b", "payload": {"n": 42},
                                                "eventId": "once"})
        assert again.status == 409, (again.status, again.body)
        assert d.api("GET", "/app/gone").status == 404
        assert d.stop() == 0
        done = subprocess.run([lib.GAFF, "migrate", "--from", old, "--to", url],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and "the same in both" in done.stdout, done
        assert "mended 0," in done.stderr.split("\n")[-2], done.stderr
    shutil.rmtree(old[7:])


def ask(daemon, key, n):
    """One request that makes a message, with the key by which it is known when it comes again."""
    body = json.dumps({"eventType": "a.b", "payload": {"n": n}}).encode()
    return daemon.request("POST", "/api/v1/app/acme/msg", body, {
        "Authorization": "Bearer " + TOKEN, "Content-Type": "application/json",
        "Idempotency-Key": key}, base=daemon.admin)


def test_a_request_sent_again_after_a_move_makes_no_second_message():
    url = database(common())
    old = "sqlite:" + tempfile.mkdtemp(prefix="gaff-old-")
    back = "sqlite:" + tempfile.mkdtemp(prefix="gaff-back-")
    with Mover(old, "sending: { policy: private }\n"
               "secret_key: a-key-of-the-tests-that-is-long-enough\n") as d:
        assert d.api("POST", "/app", {"name": "acme", "uid": "acme"}).status == 201
        made = {}

        def send(key):
            made[key] = (len(made), ask(d, key, len(made)).json()["id"])

        def all_are_known():
            for key, (n, message) in made.items():
                again = ask(d, key, n)
                assert (again.status, again.json()["id"]) == (202, message), again.body
                other = ask(d, key, n + 1000)
                assert other.status == 409, other.body
                assert other.json()["code"] == "idempotency_conflict", other.body
            listed = d.api("GET", "/app/acme/msg?limit=100").json()["data"]
            assert sorted(m["id"] for m in listed) == sorted(m for _, m in made.values())

        def follows(to):
            """True when all was old enough to be compared: the last second is not."""
            d.cli("migrate", "--stop")
            said = d.cli("migrate", "--to", to).stdout.decode()
            assert "state: following" in said, said
            here, there = (line.split() for line in said.split("\n")
                           if line.startswith(("here", "there")))
            assert here[1:] == there[1:], said
            return int(here[4]) == len(made)

        for i in range(12):
            send(f"before-{i}")
        for to in (url, back):
            until(lambda: follows(to), "all keys are compared")
            send("while it follows, to " + to)
            d.name(to)
            d.cli("migrate", "--finish")
            d.until_ready_on(to.split(":")[0])
            all_are_known()
            send("after it was on " + to)
        assert d.stop() == 0
        d.start()
        all_are_known()
    for store in (old, back):
        shutil.rmtree(store[7:])


def test_a_shared_store_is_moved_by_its_only_node():
    target, url = Target(), database(common())
    text = config(target)
    with Mover(url, text) as d, Node(url, "two", text) as two, Node(url, "three", text) as three:
        until(lambda: d.api("GET", "/nodes").json()["nodes"][2:], "it knows the others")
        refused = d.cli("migrate", "--to", "sqlite:" + d.path("new"), code=None)
        assert refused.returncode != 0, refused
        names = re.search(rb"the nodes (\w+), (\w+) work on this store too", refused.stderr)
        assert names and set(names.groups()) == {b"two", b"three"}, refused
        assert three.stop() == 0
        refused = d.cli("migrate", "--to", "sqlite:" + d.path("new"), code=None)
        assert b"the node two works on this store too: stop it first" in refused.stderr, refused
        assert two.stop() == 0
        until(lambda: d.api("POST", "/migration",
                            {"to": "sqlite:" + d.path("new")}).status == 202, "alone", 60)
        until(lambda: d.api("GET", "/migration").json()["state"] == "following", "it follows")
        refused = d.cli("migrate", "--finish", code=None)
        assert refused.returncode != 0 and b"does not name the store" in refused.stderr, refused
        d.cli("migrate", "--stop")
        assert d.api("GET", "/migration").json()["state"] == "idle"
        d.name("sqlite:" + d.path("new"))
        assert d.stop() == 0
        d.start(wait=False)
        assert d.process.wait(60) != 0 and "is being filled from" in d.log(), d.log()


def test_a_node_that_comes_ends_a_move():
    target, url = Target(), database(common())
    text = config(target)
    with Mover(url, text) as d:
        new = "sqlite:" + d.path("new")
        assert "state: following" in d.cli("migrate", "--to", new).stdout.decode()
        with Node(url, "two", text) as two:
            until(lambda: d.api("GET", "/migration").json()["state"] == "failed", "it ended")
            assert "the node two works" in d.api("GET", "/migration").json()["reason"]
            refused = d.cli("migrate", "--finish", code=None)
            assert refused.returncode != 0, refused
            # Both work on, with the store that they have.
            assert two.accept() and d.post("/in/d0", b"{}", lib.github(b"{}")).status == 200
            until(lambda: len(target.requests) == 2, "delivered")
            assert two.stop() == 0
        d.move(new)
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 2, "both there")


def test_stores_with_nodes_at_work_are_not_copied_by_hand():
    target, url = Target(), database(common())
    with Node(url, "one", config(target)) as one:
        one.accept()
        until(lambda: len(target.requests) == 1, "delivered")
        new = "sqlite:" + one.path("new")
        for args in (("--from", url, "--to", new), ("--from", "sqlite:" + one.path("old"),
                                                    "--to", url)):
            refused = subprocess.run([lib.GAFF, "migrate", *args], capture_output=True, text=True)
            assert refused.returncode != 0, refused
            assert "the node one works on this store too" in refused.stderr, refused
        one.kill()  # its lease goes on for a while, which is waited for
        done = subprocess.run([lib.GAFF, "migrate", "--from", url, "--to", new],
                              capture_output=True, text=True)
        assert done.returncode == 0 and "the same in both" in done.stdout, done


def test_doctor_looks_at_the_database():
    s, target = server({}), Target()
    url = database(s)
    with Node(url, "one", config(target)) as one:
        one.accept()
        said = one.cli("doctor", code=None).stdout.decode()
        for part in ("fsync is on", "node one", "queue: ", "partition of tomorrow is ready",
                     "indexes that are not valid: 0"):
            assert part in said, said
    quick = common()
    with Node(database(quick), "one", config(target)) as one:
        said = one.cli("doctor", code=1).stdout.decode()
        assert "BAD  fsync is off" in said, said


if __name__ == "__main__":
    main(globals())
