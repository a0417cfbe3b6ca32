"""lib.py -- what the end-to-end tests share: the real daemon on port 0, real sockets, a target
that answers as told, and a runner that counts. Nothing of gaff's own code is used to check it."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GAFF = os.path.abspath(os.environ.get("GAFF", "build/release/gaff"))
SECRET = "correct horse battery staple"
# With GAFF_TEST_STORE=postgres each daemon gets a database of its own on the server that
# tests/postgres/cluster.py started (GAFF_TEST_POSTGRES).
ON_POSTGRES = os.environ.get("GAFF_TEST_STORE") == "postgres"
TOKEN = "a-token-for-the-tests-alone"


class Skip(Exception):
    pass


def sqlite_only(what):
    """For a test of what only a store in a directory of its own has."""
    if ON_POSTGRES:
        raise Skip(what)


def run(scope):
    """Runs every function test_* of a module in order and ends with the sum."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = skipped = 0
    for name, test in list(scope.items()):
        if not name.startswith("test_") or only not in name:
            continue
        try:
            test()
            passed += 1
            print("ok", name, flush=True)
        except Skip as why:
            skipped += 1
            print("skip", name + ":", why, flush=True)
        except BaseException:
            failed += 1
            print("FAIL", name, flush=True)
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


def until(condition, what, seconds=30):
    """Polls; the limit only ends a test that would hang, it measures nothing."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("never happened: " + what)
        time.sleep(0.01)


def github(body, secret=SECRET, event="push", delivery=None):
    """Headers as GitHub makes them, by Python's own hmac."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or os.urandom(16).hex(),
        "X-Hub-Signature-256": "sha256=" + digest,
    }


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Target:
    """An HTTP destination: records requests, answers what `answer` says for each."""

    def __init__(self, answer=lambda request, count: (200, {}, b"")):
        self.requests = []
        self.lock = threading.Lock()
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = {"path": self.path, "headers": self.headers, "body": body,
                           "time": time.monotonic()}
                with target.lock:
                    target.requests.append(request)
                    count = len(target.requests)
                status, headers, answer_body = answer(request, count)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer_body)))
                self.end_headers()
                self.wfile.write(answer_body)

            def log_message(self, *args):
                pass

        ThreadingHTTPServer.request_queue_size = 256
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a daemon that is killed breaks connections
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SecurePages:
    """An HTTPS server with a certificate of its own: NAME.crt in the daemon's directory."""

    def __init__(self, d, name="keys"):
        self.pages, self.asked = {}, []
        self.key, self.cert = d.path(name + ".key"), d.path(name + ".crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.cert], check=True, capture_output=True)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                page = server.pages.get(self.path)
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Length", str(len(page or "")))
                self.end_headers()
                self.wfile.write((page or "").encode())

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def postgres_url(database):
    server = os.environ.get("GAFF_TEST_POSTGRES")
    if not server:
        raise Skip("no PostgreSQL server (tests/postgres/cluster.py starts one)")
    return server.rsplit("/", 1)[0] + "/" + database


class Daemon:
    """`gaff serve` in a directory of its own."""

    def __init__(self, config, files=None, env=None, start=True):
        self.dir = tempfile.mkdtemp(prefix="gaff-e2e-")
        self.env = {"PATH": os.environ["PATH"], "HOME": self.dir, "LC_ALL": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.database = None
        if ON_POSTGRES:
            self.database = "e2e_" + os.urandom(6).hex()
            self.sql(f"CREATE DATABASE {self.database}", "postgres")
            self.env.update(GAFF_STORE=postgres_url(self.database), GAFF_ADMIN__TOKEN=TOKEN,
                            GAFF_TOKEN=TOKEN)
        self.env.update(env or {})
        for name, text in (files or {}).items():
            self.write(name, text)
        self.config(config)
        self.process = None
        self.program = GAFF
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.log()[-4000:])
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.database:
            self.sql(f"DROP DATABASE {self.database} WITH (FORCE)", "postgres")

    def sql(self, text, database=None):
        url = postgres_url(database or self.database)
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text],
                              check=True, capture_output=True, text=True).stdout.strip()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=None):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        if mode or str(name).endswith((".sh", ".py")):
            os.chmod(self.path(name), mode or 0o755)

    def config(self, text):
        head = ("listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }\n"
                if "listen:" not in text else "")
        self.write("gaff.yaml", head + text)

    def log(self):
        try:
            with open(self.path("log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def start(self, wait=True, more=()):
        log = open(self.path("log"), "ab")
        mark = len(self.log())
        self.process = subprocess.Popen([self.program, "serve", "--config", "gaff.yaml", *more],
                                        cwd=self.dir, env=self.env, stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL)
        log.close()
        if not wait:
            return
        until(lambda: "msg=ready" in self.log()[mark:] or self.process.poll() is not None, "ready")
        if self.process.poll() is not None:
            raise AssertionError("gaff ended: " + self.log()[mark:])
        text = self.log()[mark:]
        self.url = re.search(r"msg=listening address=(\S+)", text).group(1)
        self.admin = re.search(r"msg=admin address=(\S+)", text).group(1)
        if self.database:
            self.env["GAFF_API"] = self.admin

    def stored(self):
        """The objects as the store has them, in whatever form."""
        if self.database:
            return self.sql("SELECT encode(doc, 'escape') FROM gaff.objects").encode()
        with open(self.path("gaff-data/gaff.db"), "rb") as f:
            return f.read()

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def request(self, method, path, body=b"", headers=None, base=None):
        host = (base or self.url).split("://")[1]
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def raw(self, data):
        """Bytes to the public listener; everything that comes back until it closes."""
        host, port = self.url.split("://")[1].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as s:
            s.sendall(data)
            out = b""
            try:
                while chunk := s.recv(65536):
                    out += chunk
            except ConnectionResetError:
                pass
            return out

    def token(self):
        if self.database:
            return TOKEN
        with open(self.path("gaff-data/admin.token"), encoding="ascii") as f:
            return f.read().strip()

    def api(self, method, path, body=None):
        headers = {"Authorization": "Bearer " + self.token(), "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else b""
        return self.request(method, "/api/v1" + path, data, headers, base=self.admin)

    def cli(self, *args, stdin=b"", code=0, env=None):
        p = subprocess.run([GAFF, *args], cwd=self.dir, env={**self.env, **(env or {})},
                           input=stdin, capture_output=True, timeout=300, check=False)
        if code is not None and p.returncode != code:
            raise AssertionError(f"gaff {' '.join(args)} ended with {p.returncode}, not {code}:\n"
                                 f"{p.stdout.decode()}{p.stderr.decode()}")
        return p

    def events(self, **filters):
        query = "&".join(f"{k}={v}" for k, v in filters.items())
        return self.api("GET", "/events?" + query).json()["events"]

    def deliveries(self, **filters):
        query = "&".join(f"{k}={v}" for k, v in filters.items())
        return self.api("GET", "/deliveries?" + query).json()["deliveries"]

    def settled(self, event_id, state="delivered"):
        """Waits until all deliveries of the event are in this state; returns them with log."""
        def look():
            event = self.api("GET", "/events/" + event_id).json()
            states = [d["state"] for d in event["deliveries"]]
            return event if states and all(s == state for s in states) else None
        return until(look, f"all deliveries of {event_id} {state}")


__all__ = ["GAFF", "SECRET", "Skip", "sqlite_only", "run", "until", "github", "Target",
           "SecurePages", "Daemon",
           "base64", "hashlib", "hmac", "json", "os", "re", "shutil", "signal", "socket",
           "subprocess", "sys", "tempfile", "threading", "time"]
