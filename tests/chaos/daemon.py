"""daemon.py -- the daemon under test in a directory of its own: its two configurations, start,
signals, and a log file for each of its lives."""
import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import time

import plan

GAFF = os.environ.get("GAFF") or os.path.join(os.environ.get("BUILD_DIR", "build/release"), "gaff")
HERE = os.path.dirname(os.path.abspath(__file__))

CONFIG = """# variant {variant}
listen: 127.0.0.1:{port}
admin: {{ listen: "127.0.0.1:{admin}", token: "{token}" }}
store: sqlite:{data}
drain_timeout: 3s
sending: {{ policy: private }}
limits: {{ connections_per_address: 10000 }}
"""

HUB = """sources:
  hub: {{ provider: github, secret: "{secret}" }}
destinations:
  flaky:
    http:
      url: http://127.0.0.1:{flaky}/
      headers: {{ X-Variant: "{variant}" }}
      sign: {{ provider: standard-webhooks, secret: "{signing}" }}
    timeout: 2s
    concurrency: {flaky_concurrency}
    retry: {{ schedule: [20ms, 50ms, 100ms, 200ms, 200ms, 300ms, 300ms, 300ms] }}
  fifo:
    http:
      url: http://127.0.0.1:{fifo}/
      sign: {{ provider: standard-webhooks, secret: "{signing}" }}
    timeout: 5s
    order: fifo
    order_by: "{{{{ .key }}}}"
    concurrency: {fifo_concurrency}
    retry: {{ attempts: 90, backoff: constant, first: 20ms }}
  exec:
    exec: {{ command: ["{here}/exec.sh", "{out}/exec", "{{{{ .n }}}}"] }}
    timeout: 30s
    concurrency: 2
    retry: {{ attempts: 90, backoff: constant, first: 50ms }}
  worker:
    worker: {{ command: ["{here}/worker.py", "{out}/worker", "{seed}"], restart: 20ms }}
    timeout: 30s
    retry: {{ attempts: 90, backoff: constant, first: 50ms }}
  log:
    log: {{ file: "{out}/log" }}
    retry: {{ attempts: 90, backoff: constant, first: 50ms }}
routes:
  - {{ name: pushes, from: hub, match: {{ event: push }}, to: [flaky, fifo, worker, log] }}
  - {{ name: issues, from: hub, match: {{ event: issues }}, to: [flaky, log] }}
  - {{ name: releases, from: hub, match: {{ event: release }}, to: [exec, fifo, log] }}
"""


def low_port():
    """Below the ports the kernel gives out by itself: nobody takes it while the daemon is down."""
    for port in range(20000 + os.getpid() * 7 % 9000, 32000):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError("no free port")


class Daemon:
    def __init__(self, folder, data, seed, stage, ports, env):
        """stage: plan.Hub or plan.Messages; ports: of its sinks, by name."""
        self.folder, self.data, self.env = folder, data, env
        self.stage, self.ports = stage, ports
        self.port = low_port()
        self.settings = dict(
            port=self.port, data=data, secret=plan.SECRET, token=plan.TOKEN, here=HERE, out=folder,
            seed=seed, signing="whsec_" + base64.b64encode(plan.SIGNING_KEY).decode(), **ports)
        with socket.socket() as s:  # held, so that the second search finds another
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", self.port))
            self.admin = self.settings["admin"] = low_port()
        self.lives, self.process, self.variant = 0, None, 0
        self.ready_s = []
        self.configure(0)

    def configure(self, variant, broken=False):
        self.variant = variant
        text = CONFIG + (HUB if self.stage is plan.Hub else "")
        text = text.format(variant=variant, flaky_concurrency=(32, 8)[variant % 2],
                           fifo_concurrency=(16, 3)[variant % 2], **self.settings)
        if broken:
            text += "destinatoins: {}\n"
        path = os.path.join(self.folder, "gaff.yaml")
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def log_path(self):
        return os.path.join(self.folder, f"daemon.{self.lives:04}.log")

    def log(self):
        with open(self.log_path(), encoding="utf-8", errors="replace") as f:
            return f.read()

    def start(self):
        self.lives += 1
        env = {"PATH": os.environ["PATH"], "HOME": self.folder, **self.env}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ and name not in env:
                env[name] = os.environ[name]
        began = time.monotonic()
        with open(self.log_path(), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.abspath(GAFF), "serve", "--config", "gaff.yaml"], cwd=self.folder,
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while "msg=ready" not in self.log():
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.process.returncode} at its start "
                                   f"number {self.lives}:\n{self.log()[-3000:]}")
            if time.monotonic() - began > 120:
                raise RuntimeError(f"not ready after 120 s:\n{self.log()[-3000:]}")
            time.sleep(0.002)
        self.ready_s.append(time.monotonic() - began)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self):
        """The exit code of an orderly stop."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def alive(self):
        return self.process and self.process.poll() is None

    def api(self, path, body=None):
        """The answer when it is 200 or 201; with a body it is a POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)
        try:
            connection.request("POST" if body else "GET", "/api/v1" + path,
                               body and json.dumps(body),
                               headers={"Authorization": "Bearer " + plan.TOKEN})
            reply = connection.getresponse()
            return json.loads(reply.read()) if reply.status in (200, 201) else None
        finally:
            connection.close()

    def make_endpoints(self):
        """The application and an endpoint for each sink; repeats wait a second, so that a run ends.
        The deadline is far, or a busy machine would explain what is sent twice; and there is no
        circuit, which what is hopeless would have open at the end."""
        app = plan.Messages.application
        assert self.api("/app", {"name": app, "uid": app})
        for kind in plan.DESTINATIONS:
            assert self.api("/event-type", {"name": kind, "description": ""}), kind
        for name, port in self.ports.items():
            assert self.api(f"/app/{app}/endpoint", {
                "url": f"http://127.0.0.1:{port}/", "uid": name, "timeout": 300,
                "eventTypes": plan.Messages.types(name), "secret": self.settings["signing"],
                "retry": [1, 1, 1, 1], "circuit": {"failures": 0}}), name

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(f.read().split("VmRSS:")[1].split()[0])


def left_processes(folder):
    """Processes that still have their working directory below the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(folder):
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    found.append((int(pid), f.read().replace(b"\0", b" ").decode()))
        except OSError:
            pass
    return [x for x in found if x[0] != os.getpid()]
