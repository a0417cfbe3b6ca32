"""servers.py -- the real brokers that the tests deliver to, each from its distribution's package,
on loopback with a directory of its own, and ended by its pid. All that a test needs are started
first and waited for afterwards, so that they start side by side."""
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find(name, *more):
    for path in (*more, shutil.which(name), "/usr/sbin/" + name):
        if path and os.access(path, os.X_OK):
            return path
    return None


SECURE_HOST = "127.0.0.2"  # where they listen with TLS


def certificate(folder, *names):
    """folder/cert.pem, which is its own authority, and folder/key.pem."""
    subjects = ",".join("DNS:" + name for name in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=" + names[0], "-addext", "subjectAltName=" + subjects,
                    "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"], check=True,
                   capture_output=True)


class Server:
    """One server, in as many processes as it takes; its certificate is of `name`."""
    name = None

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="gaff-server-")
        self.port = free_port()
        self.processes = []
        if self.name:
            certificate(self.dir, self.name)

    def spawn(self, *argv, env=None, user=None):
        log = open(os.path.join(self.dir, "log"), "ab")
        more = {}
        if user and os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            more = {"user": entry.pw_uid, "group": entry.pw_gid}
        p = subprocess.Popen(argv, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                             env=env, start_new_session=True, **more)
        log.close()
        self.processes.append(p)
        return p

    def log(self):
        with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]

    def wait(self, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(p.poll() is not None for p in self.processes):
                raise AssertionError(type(self).__name__ + " ended: " + self.log())
            if self.is_up():
                return self
            time.sleep(0.05)
        raise AssertionError(type(self).__name__ + " never came up: " + self.log())

    def is_up(self):
        return self.is_up_at("127.0.0.1", self.port)

    @staticmethod
    def is_up_at(host, port):
        try:
            socket.create_connection((host, port), timeout=1).close()
            return True
        except OSError:
            return False

    def stop(self):
        for p in self.processes:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
            p.wait()
        self.processes = []

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Redis(Server):
    program = find("redis-server")

    def start(self):
        self.spawn(self.program, "--port", str(self.port), "--bind", "127.0.0.1", SECURE_HOST,
                   "--dir", self.dir, "--save", "", "--requirepass", "r3dis")
        return self

    def cli(self, *args):
        p = subprocess.run(["redis-cli", "-p", str(self.port), "--no-auth-warning", "-a", "r3dis",
                            *args], capture_output=True, timeout=60, check=True)
        return p.stdout.decode()


class Nats(Server):
    program = find("nats-server")
    name = "nats.test"

    def start(self):
        who = ("--user", "gaff", "--pass", "n4ts")
        self.spawn(self.program, "-js", "-sd", self.dir, "-a", "127.0.0.1", "-p", str(self.port),
                   *who)
        # One listener has TLS or has none.
        self.spawn(self.program, "-js", "-sd", self.dir + "/secure", "-a", SECURE_HOST, "-p",
                   str(self.port), *who, "--tls", "--tlscert", self.dir + "/cert.pem", "--tlskey",
                   self.dir + "/key.pem")
        return self

    def is_up(self):
        return super().is_up() and self.is_up_at(SECURE_HOST, self.port)

    def request(self, subject, body=b"", secure=False):
        """One request in NATS's own words; the reply's payload."""
        host = SECURE_HOST if secure else "127.0.0.1"
        with socket.create_connection((host, self.port), timeout=30) as s:
            while s.recv(1) != b"\n":  # what it says first; TLS begins behind it
                pass
            if secure:
                context = ssl.create_default_context(cafile=self.dir + "/cert.pem")
                s = context.wrap_socket(s, server_hostname=self.name)
            f = s.makefile("rb")
            s.sendall(b'CONNECT {"verbose":false,"user":"gaff","pass":"n4ts"}\r\n'
                      b"SUB _INBOX.t 1\r\nPUB %s _INBOX.t %d\r\n%s\r\n"
                      % (subject.encode(), len(body), body))
            while True:
                line = f.readline()
                if line.startswith(b"MSG"):
                    return f.read(int(line.split()[-1]))
                if not line or line.startswith(b"-ERR"):
                    raise AssertionError(line)


class Mosquitto(Server):
    program = find("mosquitto")
    name = "mqtt.test"

    def start(self):
        with open(os.path.join(self.dir, "conf"), "w", encoding="ascii") as f:
            f.write(f"allow_anonymous true\npersistence false\nuser root\n"
                    f"listener {self.port} 127.0.0.1\n"
                    f"listener {self.port} {SECURE_HOST}\n"
                    f"certfile {self.dir}/cert.pem\nkeyfile {self.dir}/key.pem\n")
        self.spawn(self.program, "-c", os.path.join(self.dir, "conf"))
        return self


class Rabbit(Server):
    program = find("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server")
    name = "rabbit.test"

    def start(self):
        epmd, dist = free_port(), free_port()
        with open(os.path.join(self.dir, "rabbit.conf"), "w", encoding="ascii") as f:
            f.write(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
                    f"listeners.ssl.1 = {SECURE_HOST}:{self.port}\n"
                    f"ssl_options.certfile = {self.dir}/cert.pem\n"
                    f"ssl_options.keyfile = {self.dir}/key.pem\n"
                    "ssl_options.verify = verify_none\n")
        with open(os.path.join(self.dir, "plugins"), "w", encoding="ascii") as f:
            f.write("[].\n")
        env = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": self.dir,
               "LC_ALL": "C.UTF-8",
               "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
               "RABBITMQ_NODENAME": f"gaff{self.port}@localhost",
               "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": str(self.port),
               "RABBITMQ_DIST_PORT": str(dist),
               "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                   "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
               "RABBITMQ_MNESIA_BASE": self.dir + "/data", "RABBITMQ_LOG_BASE": self.dir,
               "RABBITMQ_CONFIG_FILE": self.dir + "/rabbit", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
               "RABBITMQ_ENABLED_PLUGINS_FILE": self.dir + "/plugins",
               "RABBITMQ_PID_FILE": self.dir + "/pid"}
        # Its name server is ours too: it would stay behind otherwise.
        self.spawn(find("epmd") or "epmd", "-port", str(epmd), "-address", "127.0.0.1", env=env)
        self.spawn(self.program, env=env)
        return self

    def is_up(self):
        return super().is_up() and "Server startup complete" in self.logs()

    def logs(self):
        text = ""
        for name in os.listdir(self.dir):
            if name.endswith(".log") or name == "log":
                with open(os.path.join(self.dir, name), encoding="utf-8", errors="replace") as f:
                    text += f.read()
        return text


class Postgres(Server):
    program = next((find("postgres", os.path.join(d, "postgres")) for d in
                    sorted(os.path.join("/usr/lib/postgresql", v, "bin")
                           for v in (os.listdir("/usr/lib/postgresql")
                                     if os.path.isdir("/usr/lib/postgresql") else []))
                    if os.path.exists(os.path.join(d, "postgres"))), find("postgres"))
    name = "postgres.test"

    def start(self):
        data = os.path.join(self.dir, "data")
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(self.dir, user)
        run = {}
        if user:
            run = {"user": pwd.getpwnam(user).pw_uid, "group": pwd.getpwnam(user).pw_gid}
        password = os.path.join(self.dir, "pw")
        with open(password, "w", encoding="ascii") as f:
            f.write("p0stgres\n")
        if user:
            shutil.chown(password, user)
            shutil.chown(self.dir + "/key.pem", user)
        subprocess.run([os.path.join(os.path.dirname(self.program), "initdb"), "-D", data, "-U",
                        "gaff", "-A", "scram-sha-256", "--pwfile", password, "-N",
                        "--no-locale", "-E", "UTF8"],
                       cwd=self.dir, check=True, capture_output=True, timeout=120, **run)
        self.spawn(self.program, "-D", data, "-h", "127.0.0.1," + SECURE_HOST, "-p",
                   str(self.port), "-k", self.dir, "-c", "fsync=off", "-c", "shared_buffers=16MB",
                   "-c", "ssl=on", "-c", f"ssl_cert_file={self.dir}/cert.pem", "-c",
                   f"ssl_key_file={self.dir}/key.pem", user=user)
        return self

    def is_up(self):
        try:
            return self.psql("SELECT 1").strip() == "1"
        except subprocess.CalledProcessError:
            return False

    def psql(self, sql):
        env = {**os.environ, "PGPASSWORD": "p0stgres"}
        p = subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gaff", "-d",
                            "postgres", "-XAt", "-c", sql], capture_output=True, timeout=60,
                           check=True, env=env)
        return p.stdout.decode()


class Mail(Server):
    """An SMTP server by aiosmtpd, with STARTTLS and AUTH where asked; it writes each mail to a
    file with its envelope, and refuses what goes to refuse@."""
    program = None
    script = r'''
import asyncio, json, os, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
folder, port, secure = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "secure"
class Handler:
    count = 0
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refuse@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@") and not os.path.exists(folder + "/open"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        Handler.count += 1
        path = f"{folder}/mail{Handler.count}"
        with open(path + ".new", "wb") as f:
            head = {"from": envelope.mail_from, "to": envelope.rcpt_tos,
                    "tls": session.ssl is not None, "auth": bool(session.authenticated)}
            f.write(json.dumps(head).encode() + b"\n" + envelope.original_content)
        os.rename(path + ".new", path)
        return "250 2.0.0 queued as %d" % Handler.count
def judge(server, session, envelope, mechanism, data):
    good = data.login == b"gaff" and data.password == b"m4il"
    return AuthResult(success=good, handled=good)
context = None
if secure:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
more = dict(tls_context=context, require_starttls=True, authenticator=judge, auth_required=True) \
    if secure else {}
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), **more), "127.0.0.1", port)
    await server.serve_forever()
asyncio.run(main())
'''

    @staticmethod
    def python():
        for python in ("python3", "/usr/bin/python3"):
            try:
                if subprocess.run([python, "-c", "import aiosmtpd"], capture_output=True,
                                  check=False).returncode == 0:
                    return python
            except OSError:
                pass
        return None

    def start(self, secure=True):
        if secure:
            certificate(self.dir, "localhost")
        self.spawn(self.python(), "-c", self.script, self.dir, str(self.port),
                   "secure" if secure else "plain")
        return self

    def mails(self):
        """(envelope, bytes) of what came, in order."""
        import json
        out = []
        names = [n for n in os.listdir(self.dir) if n.startswith("mail") and n[4:].isdigit()]
        for name in sorted(names, key=lambda n: int(n[4:])):
            with open(os.path.join(self.dir, name), "rb") as f:
                head, _, body = f.read().partition(b"\n")
            out.append((json.loads(head), body))
        return out
