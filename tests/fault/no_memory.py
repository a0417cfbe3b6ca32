#!/usr/bin/env python3
"""no_memory.py -- memory is refused at one place after another: while the daemon starts, takes
events, delivers them and loads its configuration again. It may end with the code that stands for
this, or answer with 503 or 500; it never crashes, and what it acknowledged is there afterwards.

    no_memory.py [NAME]          a sample of all places
    NO_MEMORY_LIVES=N            how many lives of the daemon a test may take (40)"""
import ctypes
import mmap
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import *

LIVES = int(os.environ.get("NO_MEMORY_LIVES", "40"))
OUT_OF_MEMORY = 71
ADDR_NO_RANDOMIZE = 0x0040000


class Control(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint32) for n in ("armed", "one_in", "seed", "refused", "asked")] + \
               [("unused", ctypes.c_uint32 * 3), ("places", ctypes.c_uint64 * 65536)]


class Starved(Daemon):
    """Events go to a file, to an HTTP target and to a command."""

    def __init__(self, target):
        super().__init__("", start=False)
        if "asan" in GAFF or "tsan" in GAFF:
            raise Skip("sanitizers have an allocator of their own")
        self.object = inject.build("no_memory")
        if not self.object:
            raise Skip("there is no C compiler to build no_memory.so with")
        control = self.path("control")
        with open(control, "wb") as f:
            f.write(bytes(ctypes.sizeof(Control)))
        with open(control, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), ctypes.sizeof(Control))
        self.control = Control.from_buffer(self.map)
        self.env.update(LD_PRELOAD=self.object, NO_MEMORY_CONTROL=control)
        self.target, self.acked, self.sent = target, {}, 0
        self.configure(0)

    def configure(self, version):
        self.config(f"""sources:
  github: {{ provider: github, secret: "{SECRET}" }}
destinations:
  file: {{ log: {{ file: out.jsonl }}, retry: {{ attempts: 30, first: 50ms, max: 200ms }} }}
  web:
    http: {{ url: "{self.target.url}/{version}" }}
    retry: {{ attempts: 30, first: 50ms, max: 200ms }}
  run: {{ exec: {{ command: [cat] }}, retry: {{ attempts: 30, first: 50ms, max: 200ms }} }}
routes:
  - {{ from: github, match: {{ json: {{ pad: {{ glob: "x*" }} }} }}, to: [file, web, run] }}
""")

    def start(self, wait=True):
        log, mark = open(self.path("log"), "ab"), len(self.log())
        self.process = subprocess.Popen(
            [GAFF, "serve", "--config", "gaff.yaml"], cwd=self.dir, env=self.env, stdout=log,
            stderr=log, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE))
        log.close()
        until(lambda: "msg=ready" in self.log()[mark:] or self.process.poll() is not None, "ready")
        text = self.log()[mark:]
        if "msg=ready" in text:
            self.url = re.search(r"msg=listening address=(\S+)", text).group(1)
            self.admin = re.search(r"msg=admin address=(\S+)", text).group(1)
        return "msg=ready" in text

    def arm(self, one_in):
        self.control.one_in = one_in
        self.control.armed = 1

    def has_ended_well(self):
        """False while it runs. A crash ends the test."""
        code = self.process.poll()
        if code is None:
            return False
        assert code in (OUT_OF_MEMORY, 69, 73, 78, 1), (code, self.log()[-3000:])
        assert "memory" in self.log()[-3000:].lower(), (code, self.log()[-3000:])
        return True

    def send(self):
        """One event. A daemon that ends meanwhile breaks the connection."""
        self.sent += 1
        body = json.dumps({"n": self.sent, "pad": "x" * (self.sent * 700 % 9000 + 1)}).encode()
        try:
            reply = self.post("/in/github", body, github(body, delivery=f"d{self.sent}"))
        except (OSError, http.client.HTTPException):
            return None
        assert reply.status in (200, 500, 503), (reply.status, reply.body)
        if reply.status == 200:
            self.acked[reply.json()["id"]] = body
        return reply.status

    def all_is_here(self):
        self.control.armed = 0
        if self.process.poll() is not None:
            assert self.start(), self.log()[-3000:]
        until(lambda: self.send() == 200, "taken again")
        until(lambda: (s := self.api("GET", "/status").json()["deliveries"]) and
              s["pending"] + s["claimed"] == 0, "all settled", 60)
        for event_id, body in self.acked.items():
            reply = self.api("GET", "/events/" + event_id)
            assert reply.status == 200 and reply.json()["body"].encode() == body, event_id
            states = {x["destination"]: x["state"] for x in reply.json()["deliveries"]}
            assert set(states) == {"file", "web", "run"}, states
            assert set(states.values()) == {"delivered"}, reply.body
        assert self.stop() == 0, self.log()[-3000:]


def lives(one_in, live):
    """Lives of the daemon, each with `live` in it, until no new place is met or there were
    enough."""
    target = Target()
    ended = survived = 0
    with Starved(target) as d:
        while ended < LIVES and survived < 2:
            before = d.control.refused
            live(d, one_in)
            d.control.armed = 0
            ended += d.process.poll() is not None
            survived += d.control.refused == before
        d.all_is_here()
        print(f"  {d.control.refused} places refused, {ended} daemons ended by it,"
              f" {len(d.acked)} of {d.sent} events acknowledged")
        assert d.control.refused > 0
    target.close()


def starting(d, one_in):
    d.kill()
    d.arm(one_in)
    d.start()
    if not d.has_ended_well():
        d.send()
        d.kill()


def all_settled(d):
    """None while it does not answer."""
    try:
        counts = d.api("GET", "/status").json()["deliveries"]
        return counts["pending"] + counts["claimed"] == 0
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None


def taking_and_delivering(d, one_in):
    if d.process is None or d.process.poll() is not None:
        assert d.start(), d.log()[-3000:]
    d.arm(one_in)
    for _ in range(10):
        if d.send() is None and d.process.poll() is not None:
            break
    d.control.armed = 0
    until(lambda: d.has_ended_well() or all_settled(d), "settled or ended", 60)


def reloading(d, one_in):
    if d.process is None or d.process.poll() is not None:
        assert d.start(), d.log()[-3000:]
    mark = len(d.log())
    d.arm(one_in)
    d.configure(d.sent)
    d.signal(signal.SIGHUP)
    until(lambda: d.has_ended_well() or re.search(
        r'msg="configuration (reloaded|refused)', d.log()[mark:]), "loaded or ended")
    d.send()


def test_while_it_starts():
    lives(37, starting)


def test_while_it_takes_and_delivers_events():
    lives(2, taking_and_delivering)


def test_while_it_loads_its_configuration_again():
    lives(1, reloading)


run(globals())
