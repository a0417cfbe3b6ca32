#!/usr/bin/env python3
"""send_guard.py -- who and what is kept out of the sending side: every operation of the document
with another tenant's token, and every way to write an address that is not public, a resolver
that changes its mind included."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import struct

ORG_B = "org_2rqNjpZDL2e1BRwFsStMRnUjmQL"


# --- tenants --------------------------------------------------------------------------------------

def call(d, token, method, path, body=None):
    headers = {"Authorization": "Bearer " + token} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    return d.request(method, path, json.dumps(body).encode() if body is not None else b"", headers,
                     base=d.admin)


def jwt(d, *args):
    return d.cli("jwt", *args, code=0).stdout.decode().strip()


def body_of(document, operation):
    """The least that the document asks for; None without a body."""
    if "requestBody" not in operation:
        return None
    content = operation["requestBody"]["content"]["application/json"]
    schema = document["components"]["schemas"][content["schema"]["$ref"].split("/")[-1]]
    values = {"url": "https://hooks.example.org/", "payload": {}, "since": "2026-01-01T00:00:00Z"}
    kinds = {"object": {}, "array": [], "integer": 1, "boolean": False, "string": "x"}

    def value(member):
        kind = schema["properties"][member].get("type", "object")
        return values.get(member, kinds[kind[0] if isinstance(kind, list) else kind])
    # A payload is required, though the schema, which knows an older name of it, can't say so.
    wanted = schema["required"] + ["payload"] * ("payload" in schema["properties"])
    return {member: value(member) for member in wanted}


def operations(d):
    document = d.request("GET", "/openapi.json", base=d.admin).json()
    for path, methods in sorted(document["paths"].items()):
        for method, operation in sorted(methods.items()):
            yield method.upper(), path, body_of(document, operation)


def ours(d, target):
    """One of everything, of the default organisation; the values of the parameters of paths."""
    api = d.api
    ids = {"app_id": api("POST", "/app", {"name": "A", "uid": "a"}).json()["id"]}
    api("POST", "/event-type", {"name": "user.created", "description": "",
                                "schemas": {"1": {"example": {"a": 1}}}})
    ids["event_type_name"] = "user.created"
    made = api("POST", "/app/a/endpoint", {"url": target.url, "uid": "e"})
    ids["endpoint_id"] = made.json()["id"]
    ids["msg_id"] = api("POST", "/app/a/msg",
                        {"eventType": "user.created", "payload": {"a": 1}}).json()["id"]
    until(lambda: api("GET", "/app/a/attempt/endpoint/e").json()["data"], "an attempt")
    ids["attempt_id"] = api("GET", "/app/a/attempt/endpoint/e").json()["data"][0]["id"]
    ids["task_id"] = api("POST", "/app/a/endpoint/e/recover",
                         {"since": "2026-01-01T00:00:00Z"}).json()["id"]
    until(lambda: api("GET", "/background-task/" + ids["task_id"]).json()["status"] == "finished",
          "the job")
    # Of what has no object of its own: a name.
    ids.update(sink_id="sink", consumer_id="consumer")
    made = api("POST", "/operational-webhook/endpoint", {"url": target.url})
    ids["operational_endpoint_id"] = made.json().get("id", "ep_none")
    return ids


def filled(path, ids):
    operational = path.startswith("/api/v1/operational-webhook")

    def value(match):
        name = match.group(1)
        if operational and name == "endpoint_id":
            name = "operational_endpoint_id"
        assert name in ids, f"{path}: what is {{{name}}}?"
        return ids[name]
    return re.sub(r"\{(\w+)\}", value, path)


def snapshot(d, ids):
    """What the owner sees of his own."""
    out = {}
    for path in ("/app/{app_id}", "/app/{app_id}/endpoint/{endpoint_id}", "/app", "/event-type",
                 "/app/{app_id}/endpoint/{endpoint_id}/secret", "/app/{app_id}/msg/{msg_id}",
                 "/app/{app_id}/endpoint/{endpoint_id}/headers", "/background-task/{task_id}",
                 "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", "/app/{app_id}/msg",
                 "/operational-webhook/endpoint"):
        reply = d.api("GET", filled(path, ids))
        assert reply.status == 200, (path, reply.body)
        out[path] = reply.json()
    return out


OPEN = {"/api/v1/health", "/api/v1/health/ping", "/openapi.json"}
# Upserts under an id of one's own choice: in the asker's organisation, whoever else has such an id.
UPSERTS = {"PUT /api/v1/app/{app_id}", "PUT /api/v1/event-type/{event_type_name}",
           "PUT /api/v1/operational-webhook/endpoint/{endpoint_id}"}


def test_nobody_reaches_what_is_another_tenants():
    target = Target()
    # On PostgreSQL no signing secret is made, so it is named.
    secret = "a-signing-secret-of-the-test"
    with Daemon(f"sending: {{ policy: private, jwt_secret: {secret} }}\n") as d:
        ids = ours(d, target)
        before = snapshot(d, ids)
        told = len(target.requests)
        stranger = jwt(d, "--org", ORG_B)
        other = d.api("POST", "/app", {"name": "Other", "uid": "other"}).json()["id"]
        before["/app"] = d.api("GET", "/app").json()
        neighbour = jwt(d, other)
        count = 0
        for method, path, body in operations(d):
            where, shown = filled(path, ids), f"{method} {path}"
            if path in OPEN:
                assert call(d, None, method, where).status < 300, shown
                continue
            if "/auth/logout" in path:
                continue  # takes back the token that asks
            assert call(d, None, method, where, body).status == 401, shown
            assert call(d, "none-of-ours", method, where, body).status == 401, shown
            for who in (stranger, neighbour):
                reply = call(d, who, method, where, body)
                text = reply.body.decode()
                named = "{" in path
                kept = {404} if who == stranger else {403, 404}
                if shown in UPSERTS:
                    made = {200, 201} if who == stranger else {403}
                    assert reply.status in made, (shown, text)
                elif named and not path.startswith("/api/v1/event-type"):
                    assert reply.status in kept, (shown, reply.status, text)
                elif path.startswith("/api/v1/event-type") and named and who == neighbour:
                    # Types are the organisation's: its applications may read them.
                    assert reply.status == (200 if method == "GET" else 403), (shown, text)
                elif named:  # a type that he made himself by the upsert, or none
                    assert reply.status in (200, 204, 404), (shown, text)
                else:
                    # Of his own: made, listed, or not for an application.
                    made = {200, 201, 202, 204, 422} if who == stranger else {200, 403}
                    assert reply.status in made, (shown, reply.status, text)
                for value in (ids["endpoint_id"], ids["msg_id"], ids["attempt_id"], ids["app_id"]):
                    assert value not in text, (shown, text)
            count += 1
        assert count > 55, count
        assert snapshot(d, ids) == before
        assert len(target.requests) == told
    target.close()


# --- addresses ------------------------------------------------------------------------------------

# Each is, or is taken by one reader or another for, an address that is not public.
SPELLINGS = [
    "127.0.0.1", "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1",
    "127.0.1", "0x7f.1", "127.0.0.1.", "127.000.000.001", "00000177.0.0.1", "127.0x0.0.1", "0",
    "0.0.0.0", "0x0", "00", "127.255.255.254", "127.0.0.2", "localhost", "LOCALHOST", "localhost.",
    "ip6-localhost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[::7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:1::1]",
    "[2001:0:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]", "[fe80::1]", "[fc00::1]", "[fd00::1]",
    "[ff02::1]", "[fec0::1]", "[::ffff:10.0.0.1]", "10.0.0.1", "172.16.0.1", "192.168.0.1",
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "100.64.0.1", "100.100.100.200", "192.0.0.1",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "user@127.0.0.1", "user:word@localhost", "example.org@127.0.0.1",
    "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "127.0.0.1%00.example.org", "１２７.０.０.１",
    "①②⑦.0.0.1", "127。0。0。1", "ｌｏｃａｌｈｏｓｔ", "[::ffff:0x7f.0.0.1]", "127.0.0.1\t",
    "example.org\\@127.0.0.1",
]


def test_no_spelling_of_an_address_gets_through():
    assert len(set(SPELLINGS)) >= 60
    target = Target()
    try:
        six = ThreadingServer6(target)
    except OSError:
        six = None  # no IPv6 here: nothing could be reached by it either
    with Daemon("") as d:
        d.api("POST", "/app", {"name": "A", "uid": "a"})
        refused = 0
        for i, host in enumerate(SPELLINGS):
            reply = d.api("POST", "/app/a/endpoint",
                          {"url": f"http://{host}:{target.port}/{i}", "uid": f"e{i}", "retry": []})
            assert reply.status in (201, 422), (host, reply.status, reply.body)
            refused += reply.status == 422
        for odd in ("http:127.0.0.1/", "http:\\\\127.0.0.1\\", "//127.0.0.1/",
                    "gopher://127.0.0.1/",
                    "file:///etc/passwd", "http://127.0.0.1:70000/", "http://[::1/",
                    f"http://127.0.0.1:{target.port}/\r\nHost: x"):
            assert d.api("POST", "/app/a/endpoint", {"url": odd}).status == 422, odd
        m = d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}}).json()

        def tried():
            found = d.api("GET", f"/app/a/attempt/msg/{m['id']}?limit=250").json()["data"]
            return found if len(found) == len(SPELLINGS) - refused else None
        for attempt in until(tried, "all were tried", 60):
            assert attempt["status"] == 2 and attempt["responseStatusCode"] == 0, attempt
        assert not target.requests, target.requests[0]["path"]
    if six:
        six.close()
    target.close()


class ThreadingServer6:
    """The target under its IPv6 address too."""

    def __init__(self, target):
        class Server(type(target.server)):
            address_family = socket.AF_INET6
        self.server = Server(("::1", target.port), target.server.RequestHandlerClass)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# --- a resolver that changes its mind -------------------------------------------------------------

class Resolver:
    """Answers questions for A at 127.x.y.z:53 as told for each name; counts them."""

    def __init__(self, answers):
        self.answers = answers  # name -> list of addresses for each question, the last one stays
        self.asked = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}.53"
        self.socket.bind((self.address, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(2048)
            except OSError:
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


def test_a_resolver_that_changes_its_mind_leads_nowhere():
    target = Target()
    # 127.0.0.2 is allowed, as an address on the outside would be; nobody listens there.
    allowed, private = ["127.0.0.2"], ["127.0.0.1"]
    try:
        resolver = Resolver({
            "inside.test": [private],
            "mixed.test": [allowed + private],  # the first can't be reached: the second is next
            "turns.test": [allowed, private],   # another answer each time
            "metadata.test": [["169.254.169.254"]],
        })
    except OSError as why:
        target.close()
        raise Skip(f"no resolver can be started: {why}") from why
    config = ("sending: { allow: [127.0.0.2/32] }\n"
              "sources: { s: { provider: none, insecure: true } }\ndestinations:\n"
              "  out: { http: { url: \"http://inside.test:PORT/destination\", policy: public }, "
              "retry: { attempts: 1 } }\nroutes: [{ from: s, to: [out] }]\n")
    try:
        with Daemon(config.replace("PORT", str(target.port)), start=False) as d:
            start_with_resolver(d, resolver)
            d.api("POST", "/app", {"name": "A", "uid": "a"})
            for name in resolver.answers:
                made = d.api("POST", "/app/a/endpoint", {
                    "url": f"http://{name}:{target.port}/{name}", "uid": name, "retry": []})
                assert made.status == 201, made.body
            m = d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}}).json()

            def given_up():
                rows = d.api("GET", f"/app/a/msg/{m['id']}/endpoint").json()["data"]
                return len(rows) == len(resolver.answers) and all(
                    r["status"] == 2 and not r["nextAttempt"] for r in rows)
            until(given_up, "each is given up on", 60)
            for attempt in d.api("GET", f"/app/a/attempt/msg/{m['id']}").json()["data"]:
                assert attempt["status"] == 2 and attempt["responseStatusCode"] == 0, attempt
            assert not target.requests
            # Asked anew (what was learned is kept for a while, so by another process), it has
            # turned inwards.
            d.stop()
            d.write("log", b"", 0o644)
            start_with_resolver(d, resolver)
            again = d.api("POST", f"/app/a/msg/{m['id']}/endpoint/turns.test/resend")
            assert again.status == 202, again.body

            def resent():
                rows = d.api("GET", "/app/a/attempt/endpoint/turns.test").json()["data"]
                return rows if len(rows) == 2 else None
            last = until(resent, "tried again", 60)[0]
            assert last["responseStatusCode"] == 0 and "policy" in last["response"], last
            assert resolver.asked["turns.test"] == 2, resolver.asked
            assert set(resolver.asked) == set(resolver.answers), resolver.asked
            event = d.post("/in/s", b"{}").json()["id"]
            shown = d.settled(event, "dead")
            assert "outbound policy" in json.dumps(shown), shown
            assert not target.requests
            # That the way is open otherwise, the same name shows under the other policy.
            d.stop()
            d.config("sending: { policy: private }\n")
            d.write("log", b"", 0o644)
            start_with_resolver(d, resolver)
            d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}})
            until(lambda: "/inside.test" in [r["path"] for r in target.requests], "reached")
    finally:
        resolver.close()
        target.close()


run(globals())
