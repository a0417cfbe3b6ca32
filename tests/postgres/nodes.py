"""nodes.py -- what the tests of several nodes share: `gaff serve` on a database that others use
too, and the rule by which a test file runs its tests and counts."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../e2e"))
import lib  # noqa: E402  the path must be there first
from lib import GAFF, Daemon, Skip, Target, github, run, until  # noqa: E402,F401

import cluster  # noqa: E402

TOKEN = "a-token-for-the-tests-alone"


def config(target, lanes=1, more=""):
    """Sources d0, d1, ... each with a route to a destination of its own at the target."""
    names = [f"d{i}" for i in range(lanes)]
    text = "sources:\n" + "".join(
        f"  {n}: {{ provider: github, secret: \"{lib.SECRET}\" }}\n" for n in names)
    text += "destinations:\n" + "".join(
        f"  {n}: {{ http: {{ url: \"{target.url}/{n}\" }}, "
        f"retry: {{ schedule: [200ms, 200ms, 500ms], jitter: 0 }}{more} }}\n" for n in names)
    text += "routes:\n" + "".join(f"  - {{ from: {n}, to: [{n}] }}\n" for n in names)
    return text


class Node(Daemon):
    """A node named `name` on the database at `url`."""

    def __init__(self, url, name, text, env=None, start=True):
        super().__init__(text, start=start, env={
            "GAFF_STORE": url, "GAFF_NODE": name, "GAFF_ADMIN__TOKEN": TOKEN, "GAFF_TOKEN": TOKEN,
            **(env or {})})

    def token(self):
        return TOKEN

    def start(self, wait=True):
        super().start(wait)
        if wait:
            self.env["GAFF_API"] = self.admin

    def hook(self, lane="d0", body=b"{}", delivery=None):
        """Sends one webhook; the reply."""
        return self.post(f"/in/{lane}", body, github(body, delivery=delivery))

    def accept(self, lane="d0", body=b"{}", delivery=None):
        reply = self.hook(lane, body, delivery)
        assert reply.status == 200, (reply.status, reply.body)
        return reply.json()["id"]


_servers = []
_common = []


def server(settings=None, prepare=lambda s: None):
    """A server that lives until the test file ends; prepare: what is done before its start."""
    if not cluster.binaries():
        raise Skip("PostgreSQL's server is not installed (scripts/deps test)")
    s = cluster.Server(settings)
    _servers.append(s)
    s.init()
    prepare(s)
    return s.start()


def common():
    """The server that tests without demands share."""
    if not _common:
        _common.append(server())
    return _common[0]


def database(s):
    return s.create("t_" + os.urandom(6).hex())


def main(scope):
    try:
        run(scope)
    finally:
        for s in _servers:
            s.stop()
            s.remove()
