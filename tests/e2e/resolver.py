"""resolver.py -- a name server of the test's own and what a name must not lead to: for tests of the
outbound policy."""
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
from lib import GAFF, Skip, until


class Trap:
    """Listens at every address of this machine, or at one, and counts who connects: nobody may."""

    def __init__(self, host=None, port=0):
        self.connections = 0
        self.sockets = []
        self.port = port
        everywhere = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))
        for family, address in ((socket.AF_INET, host),) if host else everywhere:
            try:
                s = socket.socket(family)
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((address, self.port))
            except OSError:
                continue  # no IPv6 here: nothing could be reached by it either
            s.listen()
            self.port = s.getsockname()[1]
            self.sockets.append(s)
            threading.Thread(target=self.accept, args=(s,), daemon=True).start()
        with socket.create_connection((host or "127.0.0.1", self.port)):
            until(lambda: self.connections == 1, "the trap notices who comes")
        self.connections = 0

    def accept(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            peer.close()

    def close(self):
        for s in self.sockets:
            s.shutdown(socket.SHUT_RDWR)
            s.close()


class Resolver:
    """Answers questions for A at 127.x.y.z:53 as told for each name; counts them."""

    def __init__(self, answers):
        self.answers = answers  # name -> list of addresses for each question, the last one stays
        self.asked = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}.53"
        self.socket.bind((self.address, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            question, peer = self.socket.recvfrom(2048)
            if not question:
                return
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind = struct.unpack(">H", question[at + 1:at + 3])[0]
            name, found = ".".join(labels).lower(), []
            if kind == 1 and name in self.answers:
                n = self.asked[name] = self.asked.get(name, 0) + 1
                found = self.answers[name][min(n, len(self.answers[name])) - 1]
            head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
            body = question[12:at + 5]
            for one in found:
                body += struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(one)
            self.socket.sendto(head + body, peer)

    def close(self):
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


def start_with_resolver(d, resolver):
    """In a mount namespace of its own, where that resolver is the only one."""
    d.write("resolv.conf", f"nameserver {resolver.address}\noptions timeout:5 attempts:2\n", 0o644)
    d.write("nsswitch.conf", "hosts: files dns\n", 0o644)
    d.write("start.sh", f"""#!/bin/sh
set -e
mount --bind {d.path('resolv.conf')} "$(readlink -f /etc/resolv.conf)"
mount --bind {d.path('nsswitch.conf')} /etc/nsswitch.conf
exec {GAFF} serve --config gaff.yaml
""")
    if os.geteuid() != 0 or not shutil.which("unshare") or subprocess.run(
            ["unshare", "-m", "sh", "-c", f"mount --bind {d.path('nsswitch.conf')} "
             "/etc/nsswitch.conf"], capture_output=True, check=False).returncode:
        raise Skip("no mount namespace can be made here")
    log = open(d.path("log"), "ab")
    d.process = subprocess.Popen(["unshare", "-m", d.path("start.sh")], cwd=d.dir, env=d.env,
                                 stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    log.close()
    until(lambda: "msg=ready" in d.log() or d.process.poll() is not None, "ready")
    assert d.process.poll() is None, d.log()
    d.url = re.search(r"msg=listening address=(\S+)", d.log()).group(1)
    d.admin = re.search(r"msg=admin address=(\S+)", d.log()).group(1)
    if d.database:
        d.env["GAFF_API"] = d.admin
