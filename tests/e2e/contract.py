#!/usr/bin/env python3
"""contract.py -- the wire contract of the sending API as programs meet it that were not written for
Gaff: who may ask, what every error looks like, which place a 422 names, what PATCH leaves alone,
how pages are turned, and how freely a path and a query may be written."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
from urllib.parse import quote

ORG = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"
CONFIG = "sending: { policy: private }\n"


def b64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def call(d, method, path, body=None, token=None, headers=None):
    sent = {"Authorization": "Bearer " + (d.token() if token is None else token)}
    if not isinstance(body, (bytes, type(None))):
        body = json.dumps(body).encode()
    return d.request(method, path, body or b"", {**sent, **(headers or {})}, base=d.admin)


def made(d, path, body, status=201):
    reply = d.api("POST", path, body)
    assert reply.status == status, reply.body
    return reply.json()


# ---- who asks ----

def openssl(*args, text=None):
    if not shutil.which("openssl"):
        raise Skip("no openssl program")
    return subprocess.run(["openssl", *args], input=text, check=True, capture_output=True).stdout


class Signer:
    """Makes tokens of one algorithm, by Python's own hmac or the openssl program."""

    def __init__(self, algorithm, folder):
        self.algorithm, self.path = algorithm, os.path.join(folder, algorithm + ".pem")
        self.known = "the secret of the tokens of these tests"  # what the daemon is told
        if algorithm == "RS256":
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                    self.path)
        elif algorithm == "EdDSA":
            openssl("genpkey", "-algorithm", "ed25519", "-out", self.path)
        if not algorithm.startswith("HS"):
            self.known = openssl("pkey", "-in", self.path, "-pubout").decode()

    def sign(self, text):
        if self.algorithm == "RS256":
            return openssl("dgst", "-sha256", "-sign", self.path, text=text)
        if self.algorithm == "EdDSA":
            with tempfile.NamedTemporaryFile() as f:  # -rawin reads no pipe
                f.write(text)
                f.flush()
                return openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", f.name)
        return hmac.new(self.known.encode(), text, "sha" + self.algorithm[2:]).digest()

    def token(self, head=None, sign=None, **claims):
        now = int(time.time())
        claims = {"iat": now, "nbf": now, "exp": now + 600, "sub": ORG, **claims}
        parts = ({"alg": self.algorithm, "typ": "JWT", **(head or {})},
                 {name: value for name, value in claims.items() if value is not None})
        text = ".".join(b64url(json.dumps(part).encode()) for part in parts)
        return text + "." + b64url((sign or self.sign)(text.encode()))


def test_tokens_of_each_algorithm_and_no_other():
    with tempfile.TemporaryDirectory() as folder:
        signers = {name: Signer(name, folder)
                   for name in ("HS256", "HS384", "HS512", "RS256", "EdDSA")}
        for name, signer in signers.items():
            config = ("sending:\n  policy: private\n"
                      f"  jwt_algorithm: {name}\n  jwt_secret: {json.dumps(signer.known)}\n")
            with Daemon(config) as d:
                def status(token, d=d):
                    return call(d, "GET", "/api/v1/app", token=token).status
                assert status(signer.token()) == 200, name
                now = int(time.time())
                for bad in (signer.token(exp=now - 600), signer.token(nbf=now + 600),
                            signer.token(sub=None), signer.token() + "A",
                            signer.token({"alg": "none"}),
                            signer.token({"alg": "none"}, sign=lambda text: b""),
                            signer.token({"alg": "RS512"}), signer.token(sign=lambda text: b"x")):
                    assert status(bad) == 401, (name, bad)
                for other in signers.values():
                    assert other is signer or status(other.token()) == 401, (name, other.algorithm)
                # A public key is no secret: what is signed with its text is signed by anybody.
                forged = signers["HS256"].token(sign=lambda text, key=signer.known: hmac.new(
                    key.encode(), text, "sha256").digest())
                assert (status(forged) == 200) == (name == "HS256"), name


def test_what_is_said_to_who_may_not():
    secret = "the secret of the tokens of these tests"
    with Daemon(f"sending: {{ policy: private, jwt_secret: \"{secret}\" }}\n") as d:
        mine, other = (made(d, "/app", {"name": n, "uid": n})["id"] for n in ("mine", "other"))
        signer = Signer("HS256", d.dir)

        def said(token, path="/api/v1/app", method="GET", body=None):
            reply = call(d, method, path, body, token)
            return reply.status, reply.json()["code"], reply.json()["detail"]
        for token in ("", "nonsense", "a.b.c", signer.token(sign=lambda text: b"wrong")):
            assert said(token) == (401, "authentication_failed", "Invalid token"), token
        reply = d.request("GET", "/api/v1/app", base=d.admin)  # no field at all
        assert reply.status == 401 and reply.json()["code"] == "authentication_failed"
        assert said(signer.token(sub=None)) == (
            401, "authentication_failed", "Invalid token (missing `sub`).")
        status, code, detail = said(secret)
        assert (status, code) == (401, "authentication_failed") and "secret" in detail, detail
        assert secret not in detail
        assert said(signer.token(sub="user_1")) == (
            400, "bad_token", "`sub` is not a valid organization id.")
        assert said(signer.token(org="nothing", sub=mine))[:2] == (400, "bad token")
        assert said(signer.token(org=ORG, sub="ep_1"))[:2] == (400, "bad token")
        portal = signer.token(org=ORG, sub=mine)
        assert call(d, "GET", f"/api/v1/app/{mine}/endpoint", token=portal).status == 200
        assert said(portal, f"/api/v1/app/{other}/endpoint")[:2] == (404, "not_found")
        assert said(portal, f"/api/v1/app/{mine}/msg", "POST", {"eventType": "x", "payload": {}}) \
            == (403, "insufficient access", "Insufficient access for the given operation.")


# ---- errors ----

def test_every_error_is_an_object_that_says_why():
    with Daemon(CONFIG) as d:
        made(d, "/app", {"name": "A", "uid": "a"})
        made(d, "/event-type", {"name": "t", "description": ""})
        for method, path, body, status, code in (
                ("GET", "/api/v1/app/nobody", None, 404, "not_found"),
                ("GET", "/api/v1/app/a/msg/msg_x", None, 404, "not_found"),
                ("GET", "/api/v1/app/a/endpoint/x/secret", None, 404, "not_found"),
                ("GET", "/api/v1/app?limit=x", None, 400, "generic_error"),
                ("GET", "/api/v1/app/a/msg?before=yesterday", None, 400, "generic_error"),
                ("POST", "/api/v1/app", {"name": "B", "uid": "a"}, 409, "conflict"),
                ("POST", "/api/v1/event-type", {"name": "t", "description": ""}, 409,
                 "event_type_exists")):
            reply = call(d, method, path, body)
            said = reply.json()
            assert (reply.status, said["code"]) == (status, code), (path, reply.body)
            assert isinstance(said["detail"], str) and said["detail"], said
            assert reply.headers["Content-Type"].startswith("application/json"), path
        # What never comes as far as an operation: clients parse it all the same.
        for method, path, body, status in (
                ("GET", "/api/v1/nothing/here", None, 404), ("GET", "/api/v2/app", None, 404),
                ("PUT", "/api/v1/app", {}, 405), ("BREW", "/api/v1/app", None, 501),
                ("GET", "/api/v1/app?" + "x" * 9000, None, 414),
                ("POST", "/api/v1/app/a/msg", b"{" + b" " * (30 << 20), 413)):
            try:
                reply = call(d, method, path, body)
            except (BrokenPipeError, ConnectionResetError):
                assert status == 413, path  # answered while it was still being sent
                continue
            assert reply.status == status, (path[:40], reply.status, reply.body[:200])
            assert isinstance(reply.json(), dict), reply.body
        reply = call(d, "GET", "/api/v1/app", headers={f"X-{n}": "y" * 400 for n in range(90)})
        assert reply.status == 431 and isinstance(reply.json(), dict), reply.body


def faults(reply):
    assert reply.status == 422, (reply.status, reply.body)
    detail = reply.json()["detail"]
    for one in detail:
        assert set(one) == {"loc", "msg", "type"} and one["msg"], one
        assert all(isinstance(part, str) for part in one["loc"]), one
    return {(".".join(one["loc"]), one["type"]) for one in detail}


def test_a_422_names_the_place():
    value, decode = "value_error", "value_error.jsondecode"
    endpoint = "/api/v1/app/a/endpoint"
    with Daemon(CONFIG) as d:
        made(d, "/app", {"name": "A", "uid": "a"})
        made(d, "/app/a/endpoint", {"url": "http://x.example/", "uid": "e"})
        for method, path, body, places in (
                ("POST", "/api/v1/app", b"not json", {("body", decode)}),
                ("POST", "/api/v1/app", b'{"name": "x"', {("body", decode)}),
                ("POST", "/api/v1/app", b"[]", {("body", decode)}),
                ("POST", "/api/v1/app", {}, {("body.name", decode)}),
                ("POST", "/api/v1/app", {"name": 5}, {("body.name", decode)}),
                ("POST", "/api/v1/app", {"name": ""}, {("body.name", value)}),
                ("POST", "/api/v1/app", {"name": "x", "uid": "a b"}, {("body.uid", value)}),
                ("POST", "/api/v1/app", {"name": "x", "uid": "app_x"}, {("body.uid", value)}),
                ("POST", "/api/v1/app", {"name": "x", "uid": "u" * 257}, {("body.uid", value)}),
                ("POST", "/api/v1/app", {"name": "x", "metadata": {"a": 1}},
                 {("body.metadata.a", decode)}),
                ("POST", "/api/v1/app", {"name": "x", "metadata": {"a": "b" * 4096}},
                 {("body.metadata", value)}),
                ("POST", "/api/v1/app", {"name": "", "uid": "a b"},
                 {("body.name", value), ("body.uid", value)}),
                ("POST", endpoint, {"url": "ftp://x"}, {("body.url", value)}),
                ("POST", endpoint, {"url": "http://x.example/", "channels": []},
                 {("body.channels", value)}),
                ("POST", endpoint, {"url": "http://x.example/", "channels": ["a", "b c"]},
                 {("body.channels.[1]", value)}),
                ("POST", endpoint, {"url": "http://x.example/", "eventTypes": []},
                 {("body.eventTypes", value)}),
                ("POST", endpoint, {"url": "http://x.example/", "eventTypes": ["no.such"]},
                 {("body.eventTypes", value)}),
                ("POST", endpoint, {"url": "http://x.example/", "secret": "whsec_short"},
                 {("body.secret", value)}),
                ("PUT", endpoint + "/e/headers", {"headers": {"Content-Type": "x"}},
                 {("body.headers.Content-Type", value)}),
                ("POST", "/api/v1/app/a/msg", {"eventType": "x", "payload": "text"},
                 {("body.payload", value)}),
                ("POST", "/api/v1/app/a/msg", {"payload": {}}, {("body.eventType", decode)}),
                ("POST", "/api/v1/app/new/msg", {"eventType": "x", "payload": {}, "application": {
                    "name": "n", "uid": "old"}}, {("body.application.uid",
                                                   "application_uid_mismatch")}),
                ("GET", "/api/v1/app?limit=251", None, {("query.limit", value)}),
                ("GET", "/api/v1/app/a/msg?iterator=nonsense", None, {("query.iterator", value)})):
            got = faults(call(d, method, path, body))
            assert got == places, (method, path, body, got)


def test_what_a_body_says_twice_or_otherwise_is_read_once():
    target = Target()
    with Daemon(CONFIG) as d:
        made(d, "/app", {"name": "A", "uid": "a"})
        made(d, "/app/a/endpoint", {"url": target.url})
        # A name may be written with escapes: what is checked and what is sent are the same.
        path, head = "/api/v1/app/a/msg", b'{"eventType": "x", "pa\\u0079load": '
        assert call(d, "POST", path, head + b'{"n": 1}}').status == 202
        assert faults(call(d, "POST", path, head + b'"text", "payload": {}}')) == {
            ("body.payload", "value_error")}
        assert call(d, "POST", path, head + b'{"n": 2}, "payload": "text"}').status == 202
        until(lambda: len(target.requests) == 2, "both arrive")
        assert sorted(r["body"] for r in target.requests) == [b'{"n": 1}', b'{"n": 2}']
        # Whatever is wrong with it, and however much: the answer can be read.
        long = {"name": "x", "metadata": {"\x01" * 900 + str(n): n for n in range(60)}}
        assert len(faults(call(d, "POST", "/api/v1/app", long))) > 5
    target.close()


# ---- PATCH ----

def test_patch_leaves_alone_what_is_absent_and_clears_what_is_null():
    full = {
        "/app/a": {"uid": "a", "name": "A", "throttleRate": 7, "metadata": {"k": "v"}},
        "/app/a/endpoint/e": {
            "uid": "e", "url": "http://x.example/", "description": "d", "throttleRate": 7,
            "eventTypes": ["t"], "channels": ["c"], "disabled": True, "metadata": {"k": "v"}},
        "/event-type/t": {"description": "d", "archived": False, "deprecated": True,
                          "schemas": {"1": {"type": "object"}}, "featureFlag": "f"},
    }
    nullable = {"/app/a": ["throttleRate", "uid"],
                "/app/a/endpoint/e": ["throttleRate", "eventTypes", "channels", "uid"],
                "/event-type/t": ["schemas", "featureFlag"]}
    with Daemon(CONFIG) as d:
        app = made(d, "/app", full["/app/a"])["id"]
        made(d, "/event-type", {"name": "t", **full["/event-type/t"]})
        made(d, "/app/a/endpoint", full["/app/a/endpoint/e"])
        order = ["/event-type/t", "/app/a/endpoint/e", "/app/a"]

        def shown(path):
            at = path if path != "/app/a" else "/app/" + app
            found = d.api("GET", at).json()
            return {name: found.get(name) for name in full[path]}
        for path in order:
            before = shown(path)
            assert before == full[path], before
            assert d.api("PATCH", path, {}).status == 200
            assert shown(path) == before, path
            for name in set(full[path]) - set(nullable[path]):
                assert faults(d.api("PATCH", path, {name: None})), (path, name)
                assert shown(path) == before, (path, name)
            for name in nullable[path]:
                reply = d.api("PATCH", path, {name: None})
                assert reply.status == 200, (path, name, reply.body)
                assert reply.json().get(name) is None, (path, name, reply.body)
                before[name] = None
                if name != "uid":
                    assert shown(path) == before, (path, name)
        # Values of a header that are null are taken out, the others stay.
        e = made(d, f"/app/{app}/endpoint", {"url": "http://x.example/"})["id"]
        at = f"/app/{app}/endpoint/{e}/headers"
        assert d.api("PUT", at, {"headers": {"X-One": "1", "X-Two": "2"}}).status == 204
        assert d.api("PATCH", at, {"headers": {"X-One": None, "X-Three": "3"}}).status == 204
        assert d.api("GET", at).json()["headers"] == {"X-Two": "2", "X-Three": "3"}


# ---- pages ----

def turned(d, path, key, limit=2):
    """All of a list, page by page, and then back again: both ways must agree."""
    join = "&" if "?" in path else "?"
    pages, at = [], ""
    while True:
        page = d.api("GET", f"{path}{join}limit={limit}{at}").json()
        pages.append(page)
        if page["data"]:
            assert page["iterator"] == page["data"][-1][key], page
            assert page["prevIterator"] == "-" + page["data"][0][key], page
        if page["done"]:
            break
        assert len(page["data"]) == limit, page
        at = "&iterator=" + quote(page["iterator"])
    for i in range(len(pages) - 1, 0, -1):
        back = d.api("GET", f"{path}{join}limit={limit}&iterator="
                     + quote(pages[i]["prevIterator"])).json()
        assert [one[key] for one in back["data"]] == [one[key] for one in pages[i - 1]["data"]]
        assert back["done"] == (i == 1), (i, back)
    return [one[key] for page in pages for one in page["data"]]


def test_pages_are_turned_both_ways_in_every_list():
    target = Target()
    with Daemon(CONFIG) as d:
        empty = d.api("GET", "/app").json()
        assert empty == {"data": [], "iterator": None, "done": True}, empty
        apps = [made(d, "/app", {"name": f"{n}", "uid": f"a{n}"})["id"] for n in range(5)]
        types = [f"t.{n}" for n in (3, 1, 4, 0, 2)]
        for name in types:
            made(d, "/event-type", {"name": name, "description": ""})
        endpoints = [made(d, "/app/a0/endpoint", {"url": f"{target.url}/{n}"})["id"]
                     for n in range(4)]
        messages = [made(d, "/app/a0/msg", {"eventType": "t.0", "payload": {}}, 202)["id"]
                    for _ in range(5)]
        first = f"/app/a0/attempt/endpoint/{endpoints[0]}"
        until(lambda: len(d.api("GET", first).json()["data"]) == 5, "all were tried")
        one = f"/app/a0/attempt/msg/{messages[0]}"
        until(lambda: len(d.api("GET", one).json()["data"]) == 4, "at all of them")
        assert turned(d, "/app", "id") == apps
        assert turned(d, "/app?order=descending", "id") == apps[::-1]
        assert turned(d, "/app", "id", 5) == apps  # a page that is just full is the last one
        assert turned(d, "/event-type", "name") == sorted(types)
        assert turned(d, "/app/a0/endpoint", "id") == endpoints[::-1]
        assert turned(d, "/app/a0/endpoint?order=ascending", "id") == endpoints
        assert turned(d, "/app/a0/msg", "id") == messages[::-1]
        attempts = turned(d, first, "id")
        assert len(set(attempts)) == 5 and attempts == sorted(attempts, reverse=True)
        assert len(set(turned(d, one, "id"))) == 4
        assert turned(d, f"/app/a0/endpoint/{endpoints[0]}/msg", "id") == messages[::-1]
        assert turned(d, f"/app/a0/msg/{messages[0]}/endpoint", "id") == endpoints
    target.close()


# ---- how it may be written ----

def test_paths_and_queries_may_be_written_freely():
    with Daemon(CONFIG) as d:
        made(d, "/app", {"name": "A", "uid": "a.b_c-d"})
        for name in ("t.a", "t.b", "t.c"):
            made(d, "/event-type", {"name": name, "description": ""})
        sent = [made(d, "/app/a.b_c-d/msg", {"eventType": name, "payload": {}}, 202)["id"]
                for name in ("t.a", "t.b", "t.c")]
        for path in ("/api/v1/app/a.b_c-d", "//api/v1/app/a.b_c-d", "/api/v1/app/a.b_c-d/",
                     "/api//v1///app/a.b_c-d//", "/api/v1/app/%61%2eb%5Fc%2Dd",
                     "/api/v1/app/a%2Eb_c-d/"):
            reply = call(d, "GET", path)
            assert reply.status == 200 and reply.json()["uid"] == "a.b_c-d", (path, reply.body)
        # As packages that encode nothing send it: no such thing, but a request like any other.
        for name in ("user@example.org", "a:b", "a+b", "a,b", "(a)", "a!b*c'd;e=f&g$h",
                     "~a", quote("a/b", safe=""), quote("ü ")):
            reply = call(d, "GET", f"/api/v1/app/{name}")
            assert reply.status == 404 and reply.json()["code"] == "not_found", (name, reply.body)
        base = "/api/v1/app/a.b_c-d/msg/?"
        for query in ("event_types=t.a,t.c", "event_types=t.a%2Ct.c",
                      "event_types=t.a&event_types=t.c", "event_types[]=t.a&event_types[]=t.c",
                      "event_types%5B0%5D=t.a&event_types%5B1%5D=t.c", "event_types=t.a,,t.c,"):
            found = call(d, "GET", base + query).json()["data"]
            assert [one["id"] for one in found] == [sent[2], sent[0]], (query, found)
        assert call(d, "GET", base + "event_types=").status == 200
        # Parameters of other servers' versions are passed over.
        for more in ("expanded_statuses=true", "with_msg=true", "nothing=at%20all"):
            assert len(call(d, "GET", base + more).json()["data"]) == 3, more
        assert call(d, "GET", base + "tag=none").json()["data"] == []


# ---- keys of requests, and pressure ----

def test_a_key_holds_over_a_kill_and_is_bound_to_its_body():
    with Daemon(CONFIG) as d:
        made(d, "/app", {"name": "A", "uid": "a"})

        def post(path, body, key):
            return call(d, "POST", "/api/v1" + path, body, headers={"Idempotency-Key": key})
        kinds = [("/app", lambda n: {"name": f"n{n}"}),
                 ("/app/a/endpoint", lambda n: {"url": f"http://x.example/{n}"}),
                 ("/app/a/msg", lambda n: {"eventType": "x", "payload": {"n": n}})]
        first = [[post(path, body(1), f"{own}{path}").json()["id"] for own in ("key", "auto_")]
                 for path, body in kinds]
        for killed in (False, True):
            if killed:
                d.kill()
                d.start()
            for (path, body), (bound, own) in zip(kinds, first):
                assert post(path, body(1), "key" + path).json()["id"] == bound
                told = post(path, body(2), "key" + path)
                assert told.status == 409, told.body
                assert told.json()["code"] == "idempotency_conflict", told.body
                assert post(path, body(2), "auto_" + path).json()["id"] == own
        # A key is of who asks and for what: elsewhere it says nothing.
        made(d, "/app", {"name": "B", "uid": "b"})
        assert post("/app/b/msg", kinds[2][1](2), "key/app/a/msg").status == 202
        # What was refused is not kept: the same key, put right, goes through.
        assert post("/app", {"name": ""}, "again").status == 422
        assert post("/app", {"name": "x"}, "again").status == 201


def test_attempts_by_status_are_those_that_show_it():
    target = Target(lambda request, count: (400 if json.loads(request["body"])["n"] % 3 == 1
                                            else 200, {}, b""))
    with Daemon(CONFIG) as d:
        made(d, "/app", {"name": "A", "uid": "a"})
        # Of three one succeeds, one fails, and one's body has nothing for the program.
        e = d.api("POST", "/app/a/endpoint", {"url": target.url, "uid": "e", "retry": [],
                                              "where": ".n % 3 != 2"})
        if e.status == 422:
            assert b"no jq library" in e.body or b"built without jq" in e.body, e.body
            raise Skip("no libjq here")
        for n in range(12):
            made(d, "/app/a/msg", {"eventType": "x", "payload": {"n": n}}, 202)

        def statuses(query=""):
            found, iterator = [], ""
            while True:
                page = d.api("GET", f"/app/a/attempt/endpoint/e?limit=3{query}{iterator}").json()
                found += [row["status"] for row in page["data"]]
                if page["done"]:
                    return found
                iterator = "&iterator=" + page["iterator"]
        until(lambda: len(statuses()) == 12, "each was attempted")
        assert sorted(statuses()) == [0] * 4 + [2] * 4 + [4] * 4
        for status in (0, 2, 4):
            assert statuses(f"&status={status}") == [status] * 4
        assert statuses("&status=2&status_code_class=400") == [2] * 4
        assert statuses("&status=2&status_code_class=200") == []
        assert statuses("&status=3") == []
        counts = d.api("GET", "/app/a/endpoint/e/attempt-stats").json()
        assert counts == {"success": 4, "fail": 4, "canceled": 4}, counts
        stats = "/app/a/endpoint/e/stats"
        every = {"success": 4, "pending": 0, "sending": 0, "fail": 8, "canceled": 0}
        none = dict.fromkeys(every, 0)
        assert d.api("GET", stats).json() == every
        # Of a time, to the millisecond: from that of a message on there are the later ones alone.
        times = [m["timestamp"] for m in d.api("GET", "/app/a/msg").json()["data"]]
        later = d.api("GET", stats + "?since=" + quote(times[3])).json()
        assert 4 <= sum(later.values()) < 12 or times[3] == times[-1], (later, times)
        earlier = d.api("GET", stats + "?until=" + quote(times[-1])).json()
        assert sum(earlier.values()) < 12 or times[0] == times[-1], (earlier, times)
        assert d.api("GET", stats + "?until=2026-01-01T00:00:00Z").json() == none
        for bad in ("until=2100-01-01T00:00:00Z", "since=2020-01-01T00:00:00Z",
                    "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"):
            reply = d.api("GET", f"{stats}?{bad}")
            assert (reply.status, reply.json()["code"]) == (400, "invalid_range"), (bad, reply.body)
        for bound, most in (("after=2021-01-01", 4), ("after=2100-01-01", 0),
                            ("before=2100-01-01", 4), ("before=2021-01-01", 0),
                            ("after=2100-01-01T00:00:00Z&before=2101-01-01", 0)):
            page = d.api("GET", f"/app/a/attempt/endpoint/e?status=2&{bound}T00:00:00Z").json()
            assert [row["status"] for row in page["data"]] == [2] * most, (bound, page)
    target.close()


def test_under_pressure_it_is_503_which_the_packages_repeat():
    target = Target(lambda request, count: (503, {}, b""))
    with Daemon(CONFIG) as d:
        made(d, "/app", {"name": "A", "uid": "a", "pendingLimit": 2})
        made(d, "/app/a/endpoint", {"url": target.url, "uid": "e", "retry": [600]})
        codes = set()
        for n in range(6):
            reply = d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {"n": n}})
            codes.add(reply.status)
            if reply.status != 202:
                assert int(reply.headers["Retry-After"]) > 0, reply.body
        assert codes == {202, 503}, codes
        for n in range(3):  # what is no message is served on
            assert d.api("GET", "/app/a/msg").status == 200
    target.close()


run(globals())
