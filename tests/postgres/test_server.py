#!/usr/bin/env python3
"""The PostgreSQL behind the nodes: gone and back, failed over, behind a pooler, replicated or not;
and the plans of what is asked of it often."""
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading

from cluster import free_port, server_user
from nodes import Node, Skip, Target, common, config, database, main, server, until

import cluster


def test_database_gone_is_503_and_it_recovers_without_a_restart():
    s, target = server(), Target()
    url = database(s)
    with Node(url, "one", config(target)) as one:
        first = one.accept(delivery="a")
        s.kill()
        reply = one.hook(delivery="b")
        assert reply.status == 503 and reply.headers["Retry-After"], reply.status
        assert one.request("GET", "/readyz", base=one.admin).status == 503
        s.start()
        until(lambda: one.hook(delivery="b").status == 200, "taken again")
        assert one.accept(delivery="a") == first
        # The first may come twice: its outcome may have been on its way when the database went.
        until(lambda: len({r["headers"]["gaff-event-id"] for r in target.requests}) == 2,
              "delivered")
        until(lambda: one.request("GET", "/readyz", base=one.admin).status == 200, "ready")


def test_connections_cut_lose_nothing():
    s, target = common(), Target()
    url = database(s)
    name = url.rsplit("/", 1)[1]
    cut = (f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
           f"WHERE datname = '{name}' AND pid <> pg_backend_pid()")
    with Node(url, "one", config(target, 2)) as one:
        accepted = set()
        for i in range(60):
            if i % 10 == 5:
                s.sql(cut)
            body = json.dumps({"i": i}).encode()
            until(lambda: one.hook(f"d{i % 2}", body, str(i)).status == 200, "accepted")
            accepted.add(body)
        until(lambda: {r["body"] for r in target.requests} == accepted, "all delivered")
        until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 60,
              "all settled, none twice in the store")
        assert one.api("GET", "/status").json()["events"] == 60


class Wire:
    """Between a node and its server: passes on what both say, until it is told to lose the answer
    to the next call of a function. What was called is done then, and the connection breaks."""

    def __init__(self, server):
        self.server, self.lose, self.lost = server, None, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                node = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(node,), daemon=True).start()

    def serve(self, node):
        answer, losing = b"", False
        with node, socket.create_connection(("127.0.0.1", self.server.port)) as server:
            try:
                while True:
                    for ready in select.select([node, server], [], [])[0]:
                        data = ready.recv(1 << 16)
                        if not data:
                            return
                        if ready is node:
                            if self.lose and self.lose in data:
                                self.lose, losing, answer = None, True, b""
                            server.sendall(data)
                        elif not losing:
                            node.sendall(data)
                        else:
                            answer += data
                            if answer.endswith(b"Z\0\0\0\5I"):  # done, and no transaction open
                                self.lost += 1
                                return
            except OSError:
                pass

    def close(self):
        self.listener.close()


def test_an_answer_that_was_lost_is_neither_yes_nor_no():
    s, target = common(), Target()
    url = database(s)
    name = url.rsplit("/", 1)[1]
    wire = Wire(s)
    try:
        with Node(f"postgres://gaff@127.0.0.1:{wire.port}/{name}", "one", config(target)) as one:
            one.accept(body=b'{"i": 0}', delivery="0")
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 1, "up")
            wire.lose = b"gaff.ingest("
            reply = one.hook(body=b'{"i": 1}', delivery="1")
            assert wire.lost == 1
            assert reply.status == 503 and reply.headers["Retry-After"], reply.body
            assert s.sql("SELECT count(*) FROM gaff.events", name) == "2"  # it was stored
            said = []
            until(lambda: said.append(one.hook(body=b'{"i": 1}', delivery="1"))
                  or said[-1].status == 200, "taken")
            assert said[-1].json().get("duplicate"), said[-1].body
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 2,
                  "what was stored is delivered", 120)
            assert sorted(r["body"] for r in target.requests) == [b'{"i": 0}', b'{"i": 1}']
            # Of an outcome: the attempt may be made again, the delivery ends once.
            wire.lose = b"gaff.settle("
            one.accept(body=b'{"i": 2}', delivery="2")
            until(lambda: wire.lost == 2, "an outcome's answer was lost")
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 3,
                  "settled", 120)
            assert one.api("GET", "/status").json()["events"] == 3
            assert s.sql("SELECT count(*) FROM gaff.queue", name) == "0"
    finally:
        wire.close()


def test_a_server_is_known_by_its_certificate():
    s, target = cluster_with_tls(), Target()
    url = database(s)
    name = url.rsplit("/", 1)[1]
    secure = f"{url}?sslmode=verify-full&sslrootcert="
    with Node(secure + s.certificate, "one", config(target)) as one:
        one.accept()
        until(lambda: len(target.requests) == 1, "delivered")
        rows = s.sql("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                     f"WHERE datname = '{name}' AND application_name = 'gaff'")
        assert rows == "t", rows
        # Another's certificate, for the same address.
        other = os.path.join(s.top, "other")
        certificate(other)
        refused = Node(secure + other + ".crt", "two", config(target), start=False)
        refused.start(wait=False)
        assert refused.process.wait(60) != 0
        assert "certificate" in refused.log(), refused.log()


def certificate(path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", path + ".key", "-out", path + ".crt"],
                   check=True, capture_output=True)


def cluster_with_tls():
    def prepare(s):
        path = os.path.join(s.top, "server")
        certificate(path)
        s.certificate = path + ".crt"
        if s.user:
            os.chown(path + ".key", s.user.pw_uid, s.user.pw_gid)
        os.chmod(path + ".key", 0o600)
        s.settings.update(ssl="on", ssl_cert_file=s.certificate, ssl_key_file=path + ".key")
    return server(prepare=prepare)


def demand_replication(s):
    """The standby is in step when this returns: no commit waits for one that only comes up."""
    s.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby1'")
    s.sql("SELECT pg_reload_conf()")
    until(lambda: s.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' "
                        "AND state = 'streaming'") == "1", "a standby is in step", 60)


def test_durability_is_told_and_can_be_demanded():
    s, target = server({}), Target()
    url = database(s)
    with Node(url, "one", config(target)) as one:
        assert b"durability: local" in one.request("GET", "/readyz", base=one.admin).body
    refused = Node(url, "two", "require_replicated: true\n" + config(target), start=False)
    refused.start(wait=False)
    assert refused.process.wait(60) != 0
    assert "require_replicated" in refused.log(), refused.log()
    standby = s.standby("standby1")
    try:
        demand_replication(s)
        with Node(url, "two", "require_replicated: true\n" + config(target)) as two:
            until(lambda: b"replicated" in two.request("GET", "/readyz", base=two.admin).body,
                  "told as replicated")
            metrics = two.request("GET", "/metrics", base=two.admin,
                                  headers={"Authorization": "Bearer " + two.token()}).body
            assert b'durability="replicated"' in metrics
            until(lambda: two.hook().status == 200, "taken")
            s.sql("ALTER SYSTEM RESET synchronous_standby_names")
            s.sql("SELECT pg_reload_conf()")
            until(lambda: two.hook().status == 503, "refused once it is only local")
    finally:
        standby.stop()


def test_failover_to_the_synchronous_standby_loses_no_acknowledged_event():
    s, target = server(), Target()
    standby = s.standby("standby1")
    demand_replication(s)
    url = database(s)
    name = url.rsplit("/", 1)[1]
    both = (f"postgres://gaff@127.0.0.1:{s.port},127.0.0.1:{standby.port}/{name}"
            "?target_session_attrs=read-write")
    try:
        with Node(both, "one", config(target, 2)) as one:
            acknowledged = set()
            for i in range(50):
                body, said = json.dumps({"i": i}).encode(), []
                until(lambda: said.append(one.hook(f"d{i % 2}", body, str(i))) or
                      said[-1].status == 200, "accepted")
                acknowledged.add(said[-1].json()["id"])
            s.kill()
            assert one.hook(delivery="meanwhile").status == 503
            standby.promote()
            until(lambda: one.hook(delivery="after").status == 200, "taken by the new primary")
            stored = {e["id"] for e in one.events(limit=500)}
            assert acknowledged <= stored, len(acknowledged - stored)
            until(lambda: "failed over" in one.log(), "the timeline was noticed")
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] >= 51,
                  "all delivered")
    finally:
        standby.stop()


def test_a_pooler_in_transaction_mode_is_enough():
    if not shutil.which("pgbouncer") and not os.path.exists("/usr/sbin/pgbouncer"):
        raise Skip("pgbouncer is not installed (scripts/deps test)")
    s, target = common(), Target()
    url = database(s)
    port, user = free_port(), server_user()
    top = os.path.join(s.top, "pooler")
    os.makedirs(top, exist_ok=True)
    ini = os.path.join(top, "pgbouncer.ini")
    with open(ini, "w", encoding="utf8") as f:
        f.write(f"[databases]\n* = host=127.0.0.1 port={s.port}\n[pgbouncer]\n"
                f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\n"
                f"auth_file = {top}/users\n"
                f"pool_mode = transaction\nmax_client_conn = 200\ndefault_pool_size = 8\n"
                f"unix_socket_dir =\nlogfile = {top}/log\npidfile = {top}/pid\n")
    with open(os.path.join(top, "users"), "w", encoding="utf8") as f:
        f.write('"gaff" ""\n')
    if user:
        os.chown(top, user.pw_uid, user.pw_gid)
    pooler = subprocess.Popen([shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", ini],
                              preexec_fn=s.as_user, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        name = url.rsplit("/", 1)[1]
        pooled = f"postgres://gaff@127.0.0.1:{port}/{name}"
        until(lambda: subprocess.run(["psql", "-XAtqc", "SELECT 1", "-d", pooled],
                                     capture_output=True).returncode == 0, "pooler answers")
        text = config(target, 4)
        with Node(pooled, "one", text, env={"GAFF_STORE_DIRECT": url}) as one, \
                Node(pooled, "two", text) as two:
            for i in range(80):
                (one if i % 2 else two).accept(f"d{i % 4}", json.dumps({"i": i}).encode())
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 80,
                  "all delivered")
            assert len(target.requests) == 80
    finally:
        pooler.terminate()
        pooler.wait()


def asked(standby, name):
    """How many connections of gaff's the replica has."""
    return int(standby.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND "
                           "application_name = 'gaff'"))


def ids(node):
    return {e["id"] for e in node.events()}


def test_lists_are_read_from_a_replica():
    s, target = server(), Target()
    standby = s.standby("reader")
    url = database(s)
    name = url.rsplit("/", 1)[1]
    try:
        with Node(url, "one", config(target), env={"GAFF_STORE_READ": standby.url(name)}) as one:
            event_id = one.accept()
            until(lambda: ids(one) == {event_id} and asked(standby, name), "listed from it")
    finally:
        standby.stop()


def test_a_replica_that_lags_or_is_down_stops_nothing():
    s, target = server(), Target()
    standby = s.standby("reader")
    url = database(s)
    name = url.rsplit("/", 1)[1]
    refused = "msg=\"the replica is not used"
    try:
        until(lambda: standby.sql(
            f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == "1", "replayed")
        standby.sql("SELECT pg_wal_replay_pause()")
        with Node(url, "one", config(target), env={"GAFF_STORE_READ": standby.url(name)}) as one:
            # There is no schema on the replica: a start and lists can only be the database's.
            first = one.accept()
            until(lambda: ids(one) == {first}, "listed by the database")
            until(lambda: target.requests, "delivered")
            assert one.log().count(refused) == 1, one.log()
            standby.sql("SELECT pg_wal_replay_resume()")
            until(lambda: one.events() and "read from the replica again" in one.log(), "used")
            standby.sql("SELECT pg_wal_replay_pause()")
            second = one.accept()
            until(lambda: ids(one) == {first, second}, "listed although the replica lacks it", 60)
            assert one.log().count(refused) >= 2, one.log()
            standby.kill()
            third = one.accept()
            until(lambda: ids(one) == {first, second, third}, "listed without a replica")
            assert one.stop() == 0
            one.start()
            assert ids(one) == {first, second, third}
    finally:
        standby.stop()


def plans_in_functions(s):
    """The plans of what ran inside the store's functions, as auto_explain wrote them."""
    entries = re.split(r"\n(?=\d{4}-\d\d-\d\d [^\n]*? LOG:)", s.log())
    return [e for e in entries if "Query Text:" in e and "PL/pgSQL function " in e]


def test_hot_queries_use_their_indexes():
    """The functions keep their plans, made while the tables were empty: none may scan a table."""
    s = server({**cluster.QUICK, "session_preload_libraries": "auto_explain",
                "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on",
                "log_min_messages": "log"})
    target = Target()
    url = database(s)
    with Node(url, "one", config(target, 2, ", order: fifo")) as one, \
            Node(url, "two", config(target, 2)) as two:
        for i in range(30):
            (one if i % 3 else two).accept(f"d{i % 2}", json.dumps({"i": i}).encode(), str(i))
        until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 30, "all")
        one.api("POST", "/deliveries/replay", {"destination": "d0", "state": "delivered"})
        until(lambda: len(target.requests) == 45, "again")
    plans = plans_in_functions(s)
    for call in ("ingest", "claim", "settle", "heads", "replay", "moved", "node_beat"):
        assert any(f"function {call}(" in p for p in plans), call
    hot = [p for p in plans if "function node_" not in p]
    bad = [p for p in hot if re.search(
        r"Seq Scan on (queue|events|deliveries|attempts|dedupe|counters)\w*", p)]
    assert not bad, bad[0]
    sorted_claims = [p for p in hot if "function claim(" in p and " Sort " in p]
    assert not sorted_claims, sorted_claims[0]


if __name__ == "__main__":
    main(globals())
