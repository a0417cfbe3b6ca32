"""faulty.py -- what the fault tests share: the end-to-end tests' daemon with inject.so before it, a
source and a target, and the question of whether anything that was acknowledged is lost."""
import os
import shutil
import sqlite3
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
import inject
import http.client

from lib import *
from lib import Reply

CONFIG = """store: "sqlite:{data}"
sources:
  github: {{ provider: github, secret: "{secret}" }}
destinations:
  file: {{ log: {{ file: "{folder}/out.jsonl" }}, retry: {{ schedule: [50ms, 50ms, 50ms, 50ms] }} }}
routes:
  - {{ from: github, to: [file] }}
"""


class Faulty(Daemon):
    """Its files are below self.data; `undo`: with the undo log of the power cut."""

    def __init__(self, data=None, undo=False, config=CONFIG, start=True, **more):
        super().__init__("", start=False)
        self.data = data or os.path.join(os.path.realpath(self.dir), "data")
        os.makedirs(self.data, exist_ok=True)
        self.config(config.format(data=self.data, folder=self.dir, secret=SECRET, **more))
        self.inject = inject.Inject(self.path("inject"), self.data)
        if not self.inject.object:
            shutil.rmtree(self.dir)
            raise Skip("there is no C compiler to build inject.so with")
        self.env.update(self.inject.env(undo))
        self.sent, self.acked = 0, {}
        if start:
            self.start()

    def token(self):
        with open(os.path.join(self.data, "admin.token"), encoding="ascii") as f:
            return f.read().strip()

    def send(self, size=100):
        """One more event; its reply. Those acknowledged are remembered."""
        self.sent += 1
        body = json.dumps({"n": self.sent, "pad": "x" * size}).encode()
        reply = self.post("/in/github", body, github(body, delivery=f"d{self.sent}"))
        assert reply.status in (200, 503), (reply.status, reply.body)
        if reply.status == 200:
            self.acked[reply.json()["id"]] = body
        return reply

    def send_until(self, status, what, seconds=60):
        return until(lambda: (r := self.send()).status == status and r, what, seconds)

    def nothing_is_lost(self):
        """After a restart of a sound machine: all is stored, all ends, the database is whole."""
        for event_id, body in self.acked.items():
            reply = self.api("GET", "/events/" + event_id)
            assert reply.status == 200, (
                f"{event_id} was acknowledged and is not stored: {reply.status} {reply.body}")
            assert reply.json()["body"].encode() == body, event_id
        until(lambda: (s := self.api("GET", "/status").json()["deliveries"]) and
              s["pending"] + s["claimed"] == 0 and s["dead"] == 0, "all delivered")
        with open(self.path("out.jsonl"), encoding="utf-8", errors="replace") as f:
            text = f.read()
        assert all(event_id in text for event_id in self.acked)
        assert self.stop() == 0, self.log()[-2000:]
        copy = self.path("copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.data, copy)
        db = sqlite3.connect(os.path.join(copy, "gaff.db"))
        assert [r[0] for r in db.execute("PRAGMA integrity_check")] == ["ok"]
        stored = db.execute("SELECT count(*) FROM events").fetchone()[0]
        whole = db.execute("SELECT count(DISTINCT event_id) FROM deliveries").fetchone()[0]
        db.close()
        assert stored == whole, f"{stored} events, but only {whole} have their delivery"
        return stored


class SmallDisk:
    """A file system of so many bytes, where one can be mounted."""

    def __init__(self, size):
        self.path = os.path.realpath(tempfile.mkdtemp(prefix="gaff-small-"))
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.path],
                              capture_output=True, check=False)
        if made.returncode != 0:
            os.rmdir(self.path)
            raise Skip("no small file system can be mounted here")

    def fill(self):
        with open(os.path.join(self.path, "ballast"), "ab", buffering=0) as f:
            for size in (1 << 16, 1 << 9):
                try:
                    while f.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass

    def free(self):
        os.unlink(os.path.join(self.path, "ballast"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)
        os.rmdir(self.path)
