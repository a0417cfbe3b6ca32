#!/usr/bin/env python3
"""cluster.py -- a real PostgreSQL for the tests: an own data directory, loopback and a free port,
a primary alone or with standbys, started and stopped here and by nobody else.

As a program: `cluster.py COMMAND...` starts one server, runs the command with its connection
string in GAFF_TEST_POSTGRES, and removes everything afterwards. Without PostgreSQL on the machine
the command runs all the same, and the tests that need one say so and are skipped.

initdb refuses to run as root: then the server runs as the user `postgres`, or `nobody`."""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

QUICK = {"fsync": "off", "full_page_writes": "off"}  # a server that lives as long as a test


def binaries():
    """The directory of the newest server programs, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
    found += [p for p in ("/usr/libexec/postgresql", "/usr/pgsql/bin") if os.path.isdir(p)]
    if found:
        return found[-1]
    there = shutil.which("initdb")
    return os.path.dirname(there) if there else None


def server_user():
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no user to run PostgreSQL as")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One PostgreSQL server."""

    def __init__(self, settings=None, directory=None, port=None, name="main"):
        self.bin = binaries()
        if not self.bin:
            raise RuntimeError("PostgreSQL's server is not installed")
        self.user = server_user()
        self.name = name
        self.port = port or free_port()
        self.settings = dict(settings if settings is not None else QUICK)
        self.top = directory or tempfile.mkdtemp(prefix="gaff-pg-")
        self.own_top = directory is None
        self.data = os.path.join(self.top, name)
        self.process = None
        if self.user:
            os.chown(self.top, self.user.pw_uid, self.user.pw_gid)

    def as_user(self):
        if self.user:
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)
        os.setsid()

    def run(self, *command, **more):
        environment = {"PATH": self.bin + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8",
                       "PGCONNECT_TIMEOUT": "5"}
        return subprocess.run([os.path.join(self.bin, command[0]), *command[1:]], check=True,
                              preexec_fn=self.as_user, env=environment, cwd=self.top,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def init(self):
        self.run("initdb", "-D", self.data, "-U", "gaff", "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync")
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="utf8") as f:
            f.write("local all all trust\nhost all all 127.0.0.1/32 trust\n"
                    "host replication all 127.0.0.1/32 trust\n")

    def start(self):
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "max_connections": "200",
                   "unix_socket_directories": "", "shared_buffers": "128MB",
                   "log_min_messages": "warning", "hot_standby": "on", "wal_level": "replica",
                   "max_wal_senders": "8", "wal_log_hints": "on", **self.settings}
        command = [os.path.join(self.bin, "postgres"), "-D", self.data]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        log = open(os.path.join(self.top, self.name + ".log"), "ab")
        self.process = subprocess.Popen(command, preexec_fn=self.as_user, stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, cwd=self.top)
        log.close()
        self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("PostgreSQL ended: " + self.log()[-2000:])
            try:
                self.sql("SELECT 1")
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > end:
                    raise RuntimeError("PostgreSQL does not answer: " + self.log()[-2000:])
                time.sleep(0.05)

    def log(self):
        with open(os.path.join(self.top, self.name + ".log"), encoding="utf8",
                  errors="replace") as f:
            return f.read()

    def url(self, database="postgres"):
        return f"postgres://gaff@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="postgres"):
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c",
                        text).stdout.strip()

    def create(self, database):
        self.sql(f"CREATE DATABASE {database}")
        return self.url(database)

    def standby(self, name, settings=None, slot=True, port=None):
        """A standby of this server, streaming from it under its own name."""
        other = Server({**self.settings, **(settings or {})}, directory=self.top, name=name,
                       port=port)
        if slot:
            self.sql(f"SELECT pg_create_physical_replication_slot('{name}') WHERE NOT EXISTS "
                     f"(SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}')")
        shutil.rmtree(other.data, ignore_errors=True)
        self.run("pg_basebackup", "-D", other.data, "-d", self.url(), "-X", "stream",
                 "-c", "fast", "--no-sync")
        open(os.path.join(other.data, "standby.signal"), "w").close()
        other.settings["primary_conninfo"] = (
            f"host=127.0.0.1 port={self.port} user=gaff application_name={name}")
        if slot:
            other.settings["primary_slot_name"] = name
        return other.start()

    def promote(self):
        self.sql("SELECT pg_promote(true, 60)")

    def pids(self):
        """The postmaster and its children, each of which leads a process group of its own."""
        found = [self.process.pid]
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="utf8", errors="replace") as f:
                    pid, rest = f.read().split(" ", 1)
            except OSError:
                continue
            if int(rest.rsplit(")", 1)[1].split()[1]) == self.process.pid:
                found.append(int(pid))
        return found

    def signal(self, number):
        """To the whole server, first to the one that would start others."""
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """As a machine that dies: no good-bye, no checkpoint."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def remove(self):
        self.kill()
        if self.own_top:
            shutil.rmtree(self.top, ignore_errors=True)


def main():
    command = sys.argv[1:]
    if not binaries():
        os.execvp(command[0], command)
    server = Server()
    code = 1
    try:
        server.init()
        server.start()
        environment = dict(os.environ, GAFF_TEST_POSTGRES=server.url())
        code = subprocess.run(command, env=environment).returncode
    finally:
        server.stop()
        server.remove()
    sys.exit(code)


if __name__ == "__main__":
    main()
