"""peers.py -- what the differential tests share: Debian's webhook and `gaff webhook` started with
the same files and flags, the same bytes sent to both, and the comparison of what comes back.

Masked: Date, how the length is told (Content-Length or chunks), the digits of temporary files, the
client's port, request ids. Everything else must be equal."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading

from lib import GAFF, Skip, json, until

ORACLE = shutil.which("webhook")
ORACLE_VERSION = "2.8.0"
DIFFERENCES_SHOWN = 20
ARGV0 = {"webhook": [ORACLE], "gaff": [GAFF, "webhook"]}

# Prints argv and environment of the command as the kernel has them, then where it runs and what
# the files in its environment hold.
PROBE = r"""#!/bin/sh
cat /proc/$$/cmdline
printf '\0--env--\0'
cat /proc/$$/environ
printf '\0--cwd--\0'
pwd -P
for f in "$FILE_A" "$FILE_B" "$HOOK_DATA" "$HOOK_A.B"; do
    [ -z "$f" ] && continue
    printf '\0--file--\0%s\0' "$f"
    stat -c %a "$f"
    cat "$f"
done
true
"""


def need_oracle():
    if not ORACLE:
        raise Skip("Debian's package webhook is not installed (scripts/deps test)")
    told = subprocess.run([ORACLE, "-version"], capture_output=True, text=True, check=False).stdout
    if ORACLE_VERSION not in told:
        raise Skip(f"the tests know webhook {ORACLE_VERSION}; here is {told.strip()}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(directory):
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": directory, "LC_ALL": "C.UTF-8",
           "TMPDIR": directory, "KEPT": "of the daemon"}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env


class Hooked:
    """One of the two, in a directory of its own."""

    def __init__(self, kind, files, flags=(), env=None):
        self.kind = kind
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix=f"gaff-{kind}-"))
        self.port = free_port()
        self.flags = list(flags)
        self.env = {**environment(self.dir), **(env or {})}
        self.names = list(files)
        self.write("probe", PROBE)
        os.chmod(self.path("probe"), 0o755)
        for name, text in files.items():
            self.write(name, text)
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        text = text if isinstance(text, bytes) else text.encode()
        with open(self.path(name), "wb") as f:
            f.write(text.replace(b"@DIR@", self.dir.encode()))

    def command(self):
        line = list(ARGV0[self.kind])
        for name in self.names:
            if name.startswith("hooks"):
                line += ["-hooks", name]
        return line + ["-ip", "127.0.0.1", "-port", str(self.port), "-verbose"] + self.flags

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.dir, env=self.env,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: b"serving hooks on" in self.log() and self.answers()
              or self.process.poll() is not None, "serving")
        if self.process.poll() is not None:
            raise AssertionError(f"{self.kind} ended: {self.log()[-2000:]}")
        return self

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=30).close()
            return True
        except OSError:
            return False

    def is_up(self):
        """True when a request is answered; listening alone comes earlier."""
        try:
            return self.send(request("GET", "/"))["status"] == 200
        except OSError:
            return False

    def log(self):
        try:
            with open(self.path("log"), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- talking ----

    def send(self, raw):
        """Bytes, then everything that comes back until the connection closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            s.sendall(raw)
            out = b""
            try:
                while chunk := s.recv(65536):
                    out += chunk
            except ConnectionResetError:
                pass
        return parse_answer(out, raw.startswith(b"HEAD "), self)


def parse_answer(raw, is_head, daemon):
    head, _, body = raw.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):  # interim answers
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if not lines[0].startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
        return {"status": "none", "raw": raw[:200]}
    status = int(lines[0].split(b" ")[1])
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        fields.setdefault(name.decode("latin-1").lower(), []).append(value.strip())
    if fields.pop("transfer-encoding", None) and not is_head:
        body = dechunk(body)
    for name in ("date", "content-length", "connection"):
        fields.pop(name, None)
    fields = {name: [mask(v, daemon) for v in values] for name, values in fields.items()}
    return {"status": status, "fields": fields, "body": mask(body, daemon)}


def dechunk(body):
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        n = int(size.split(b";")[0], 16)
        if n == 0:
            break
        out, body = out + body[:n], body[n + 2:]
    return out


def mask(text, daemon):
    text = text.replace(daemon.dir.encode(), b"<dir>")
    # A port by itself, not digits of a longer number.
    text = re.sub(rb"(?<!\d)%d(?!\d)" % daemon.port, b"<port>", text)
    text = re.sub(rb"(127\.0\.0\.1:)\d+", rb"\1<client>", text)
    text = re.sub(rb"((?:<dir>|/tmp|<dir>/sub)/(?:FILE_|HOOK_)[A-Z_.]*?)\d+", rb"\1<n>", text)
    if b"\0--env--\0" in text:  # the order of the environment means nothing
        head, rest = text.split(b"\0--env--\0", 1)
        env, tail = rest.split(b"\0--cwd--\0", 1)
        text = head + b"\0--env--\0" + b"\0".join(sorted(env.split(b"\0"))) + b"\0--cwd--\0" + tail
    return text


def request(method="POST", path="/hooks/x", body=b"", headers=(), ctype="application/json",
            version="1.1"):
    """The bytes of a request that closes its connection."""
    body = body if isinstance(body, bytes) else \
        (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"{method} {path} HTTP/{version}", "Host: hooks.example:9000", "Connection: close"]
    if ctype is not None:
        lines.append("Content-Type: " + ctype)
    for name, value in headers:
        lines.append(f"{name}: {value}")
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


class Pair:
    """Both, with the same files and flags; compare() sends the same bytes to both."""

    def __init__(self, files, flags=(), env=None):
        need_oracle()
        self.both = [Hooked(kind, files, flags, env) for kind in ("webhook", "gaff")]
        self.differences = []

    def __enter__(self):
        try:
            for one in self.both:
                one.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, kind=None, *_):
        for one in self.both:
            one.stop()
        if self.differences and not kind:
            raise AssertionError(f"{len(self.differences)} differences" +
                                 "".join(self.differences[:DIFFERENCES_SHOWN]))

    def answers(self, raw):
        answers = [None, None]

        def ask(i):
            answers[i] = self.both[i].send(raw)

        other = threading.Thread(target=ask, args=(0,))
        other.start()
        ask(1)
        other.join()
        return answers

    def compare(self, raw, what=""):
        theirs, ours = self.answers(raw)
        if theirs != ours:
            self.differences.append(f"\n--- {what}\nrequest {raw[:600]!r}\n"
                                    f"webhook {theirs}\ngaff    {ours}")
        return ours


def config(*hooks):
    return json.dumps(list(hooks), indent=1)


def probe(name, **more):
    """A hook that answers with what its command saw."""
    return {"id": name, "execute-command": "@DIR@/probe",
            "include-command-output-in-response": True,
            "include-command-output-in-response-on-error": True,
            **{k.replace("_", "-"): v for k, v in more.items()}}


def quiet(name, **more):
    """A hook whose answer tells whether it fired."""
    return {"id": name, "execute-command": "/bin/true", "response-message": "fired",
            **{k.replace("_", "-"): v for k, v in more.items()}}


def arg(source, name="", **more):
    return {"source": source, "name": name, **more}


def match(kind, parameter=None, **more):
    rule = {"type": kind, **{k.replace("_", "-"): v for k, v in more.items()}}
    if parameter:
        rule["parameter"] = parameter
    return {"match": rule}
