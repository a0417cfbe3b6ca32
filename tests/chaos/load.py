"""load.py -- the sender: closed loop over keep-alive connections, in a process of its own, with an
append-only log that is synced while it grows. Like a real sender it sends again, with the same
delivery id, what was refused or left without an answer; now and then it gives up, and now and then
it sends again what was acknowledged long ago. The lines of the log:

  A sent acked n event_id new     acknowledged; new: 0 when it had been stored by an earlier try
                                  (of a message: 0 when an earlier try was left without an answer)
  D sent acked n event_id first   acknowledged once more; first: the id of the first time
  R sent acked n status seconds   refused, with its Retry-After ("-": none)
  I sent noted n why              no answer: may be stored or not
  G n                             given up after an I
"""
import hashlib
import hmac
import itertools
import json
import os
import random
import signal
import socket
import threading
import time

import plan

TIMEOUT_S = 20


class Log:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.sync, daemon=True)
        self.thread.start()

    def put(self, *words):
        os.write(self.fd, ("\t".join(str(w) for w in words) + "\n").encode())

    def sync(self):
        while not self.stop.wait(0.2):
            os.fsync(self.fd)

    def close(self):
        self.stop.set()
        self.thread.join()
        os.fsync(self.fd)
        os.close(self.fd)


def hub_request(seed, n, body):
    digest = hmac.new(plan.SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (f"POST /in/hub HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-GitHub-Event: {plan.event_type(seed, n)}\r\n"
            f"X-GitHub-Delivery: {plan.delivery_id(seed, n)}\r\n"
            f"X-Hub-Signature-256: sha256={digest}\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def message_request(seed, n, payload):
    body = b'{"eventType":"%s","payload":%s}' % (plan.event_type(seed, n).encode(), payload)
    head = (f"POST /api/v1/app/{plan.Messages.application}/msg HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {plan.TOKEN}\r\n"
            f"Idempotency-Key: {plan.delivery_id(seed, n)}\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


class Connection(threading.Thread):
    def __init__(self, shared, index):
        super().__init__(daemon=True)
        self.shared, self.index = shared, index
        self.rng = random.Random(f"{shared.seed} sender {index}")
        self.sock, self.file = None, None
        self.acked = []

    def drop(self):
        if self.sock:
            self.file.close()
            self.sock.close()
        self.sock = self.file = None

    def exchange(self, n, body):
        """Sends once. (status, event id, is new, Retry-After); OSError when there is no answer."""
        if not self.sock:
            self.sock = socket.create_connection(("127.0.0.1", self.shared.port), TIMEOUT_S)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.file = self.sock.makefile("rb")
        self.sock.sendall(self.shared.request(self.shared.seed, n, body))
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise OSError("closed")
        status, fields = int(line.split()[1]), {}
        while (line := self.file.readline()) != b"\r\n":
            if not line.endswith(b"\n"):
                raise OSError("closed in the head")
            name, value = line.decode("latin-1").split(":", 1)
            fields[name.lower()] = value.strip()
        want = int(fields.get("content-length", "0"))
        text = self.file.read(want)
        if len(text) < want:
            raise OSError("closed in the body")
        if fields.get("connection", "").lower() == "close":
            self.drop()
        said = json.loads(text) if status in (200, 202) else {}
        return (status, said.get("id", "-"), int(not said.get("duplicate")),
                fields.get("retry-after", "-"))

    def send(self, n, body, first=None):
        """Until it is acknowledged or given up; the event id or None."""
        log, unsure = self.shared.log, False
        while True:
            sent = time.monotonic()
            try:
                status, event_id, is_new, after = self.exchange(n, body)
            except (OSError, ValueError, IndexError) as why:
                self.drop()
                unsure = True
                log.put("I", f"{sent:.6f}", f"{time.monotonic():.6f}", n,
                        str(why).replace("\n", " ") or type(why).__name__)
                if first or self.shared.stop.is_set() or self.rng.random() < 0.03:
                    if not first:
                        log.put("G", n)
                    return None
                time.sleep(0.01)
                continue
            now = time.monotonic()
            if status in (200, 202):
                if first:
                    log.put("D", f"{sent:.6f}", f"{now:.6f}", n, event_id, first)
                else:
                    is_known = unsure and status == 202
                    log.put("A", f"{sent:.6f}", f"{now:.6f}", n, event_id,
                            0 if is_known else is_new)
                    self.shared.count()
                return event_id
            log.put("R", f"{sent:.6f}", f"{now:.6f}", n, status, after)
            if first:
                return None
            time.sleep(0.03)

    def run(self):
        while not self.shared.stop.is_set():
            if self.shared.pause.value:
                time.sleep(0.02)
                continue
            n = next(self.shared.numbers)
            key = self.index * plan.KEYS_EACH + n % plan.KEYS_EACH
            self.shared.key_of(n, key)
            body = plan.body(self.shared.seed, n, key)
            event_id = self.send(n, body)
            if event_id:
                self.acked.append((n, key, event_id))
                self.repeat(n, body, event_id)
            time.sleep(self.shared.think_s)
        self.drop()

    def repeat(self, n, body, event_id):
        x = self.rng.random()
        if x < 0.02:
            self.send(n, body, event_id)
        elif x < 0.04:
            old, key, event_id = self.rng.choice(self.acked)
            for _ in range(2):
                self.send(old, plan.body(self.shared.seed, old, key), event_id)


class Shared:
    def __init__(self, seed, request, port, log, keys, think_s, pause, acked):
        self.seed, self.request, self.port, self.log = seed, request, port, log
        self.keys, self.think_s = keys, think_s
        self.pause, self.acked = pause, acked
        self.numbers = itertools.count()
        self.stop = threading.Event()
        self.lock = threading.Lock()

    def count(self):
        with self.lock:
            self.acked.value += 1

    def key_of(self, n, key):
        self.keys.put(n, key)


def main(seed, request, port, path, connections, think_s, pause, acked):
    """Ends with SIGTERM, or once `pause` is 2. request: hub_request or message_request; think_s:
    between two events of a connection."""
    shared = Shared(seed, request, port, Log(path), Log(path + ".keys"), think_s, pause, acked)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: shared.stop.set())
    threads = [Connection(shared, i) for i in range(connections)]
    for t in threads:
        t.start()
    while not shared.stop.is_set() and pause.value != 2:
        time.sleep(0.05)
    shared.stop.set()
    for t in threads:
        t.join()
    shared.keys.close()
    shared.log.close()
