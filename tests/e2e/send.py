#!/usr/bin/env python3
"""Sending as applications and subscribers meet it: who is told, what they get, what a kill leaves,
what is refused. The packages of Svix are in tests/sdk."""
import contextlib
import http.client
import sqlite3

from lib import *

CONFIG = "sending: { policy: private }\n"


def app(d, uid="acme"):
    reply = d.api("POST", "/app", {"name": uid, "uid": uid})
    assert reply.status == 201, reply.body
    return reply.json()


def endpoint(d, url, uid, **more):
    reply = d.api("POST", "/app/acme/endpoint", {"url": url, "uid": uid, **more})
    assert reply.status == 201, reply.body
    return reply.json()


def send(d, kind="user.created", payload=None, code=202, **more):
    reply = d.api("POST", "/app/acme/msg",
                  {"eventType": kind, "payload": payload if payload is not None else {}, **more})
    assert reply.status == code, reply.body
    return reply.json()


def paths(target):
    return sorted(r["path"] for r in target.requests)


def test_who_wants_it_is_told():
    target = Target()
    with Daemon(CONFIG) as d:
        app(d)
        for kind in ("user.created", "user.gone"):
            d.api("POST", "/event-type", {"name": kind, "description": ""})
        endpoint(d, target.url + "/all", "all")
        endpoint(d, target.url + "/typed", "typed", eventTypes=["user.created"])
        endpoint(d, target.url + "/other", "other", eventTypes=["user.gone"])
        endpoint(d, target.url + "/channel", "channel", channels=["eu"])
        endpoint(d, target.url + "/match", "match", match={"json": {"plan": "pro"}})
        endpoint(d, target.url + "/off", "off", disabled=True)
        send(d, payload={"plan": "pro"}, channels=["eu", "us"])
        until(lambda: len(target.requests) == 4, "four are told")
        assert paths(target) == ["/all", "/channel", "/match", "/typed"], paths(target)
        send(d, "user.gone", payload={"plan": "free"})
        until(lambda: len(target.requests) == 6, "two more")
        assert paths(target).count("/other") == 1 and paths(target).count("/all") == 2
    target.close()


def test_signature_holds_and_body_is_untouched():
    target = Target()
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, target.url + "/a", "a")
        key = d.api("GET", "/app/acme/endpoint/a/secret").json()["key"]
        text = b'{"eventType":"x","payload":{"a" : 1.50,"b":"\\u00e4"}}'
        reply = d.request("POST", "/api/v1/app/acme/msg/", text,
                          {"Authorization": "Bearer " + d.token()}, base=d.admin)
        assert reply.status == 202, reply.body
        until(lambda: target.requests, "it arrives")
        got = target.requests[0]
        assert got["body"] == b'{"a" : 1.50,"b":"\\u00e4"}', got["body"]
        signed = b".".join([got["headers"]["webhook-id"].encode(),
                            got["headers"]["webhook-timestamp"].encode(), got["body"]])
        mac = hmac.new(base64.b64decode(key[6:]), signed, hashlib.sha256).digest()
        assert got["headers"]["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
        endpoint(d, target.url + "/ce", "ce", format="cloudevents", signature="github")
        send(d, "user.created", {"n": 1})
        ce = until(lambda: [r for r in target.requests if r["path"] == "/ce"], "the event")[0]
        event = json.loads(ce["body"])
        assert event["specversion"] == "1.0" and event["data"] == {"n": 1}, event
        assert event["type"] == "user.created" and event["id"] == ce["headers"]["webhook-id"]
        assert ce["headers"]["X-Hub-Signature-256"].startswith("sha256=")
    target.close()


def test_private_addresses_are_refused_by_default():
    target = Target()
    with Daemon("") as d:
        app(d)
        for i, host in enumerate(["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001",
                                  "2130706433", "127.1", "0"]):
            url = f"http://{host}:{target.port}/"
            # What libgaff notes of a program's own subscribers is none of the API's members.
            d.api("POST", "/app/acme/endpoint", {"url": url, "uid": f"e{i}", "trusted": True})
        count = len(d.api("GET", "/app/acme/endpoint").json()["data"])
        assert count >= 3, count
        m = send(d)
        def tried():
            found = d.api("GET", f"/app/acme/attempt/msg/{m['id']}").json()["data"]
            return found if len(found) == count else None
        for attempt in until(tried, "all were tried"):
            assert attempt["status"] == 2 and attempt["responseStatusCode"] == 0, attempt
        assert not target.requests
    target.close()


def test_allowed_networks_may_be_reached_under_the_public_policy():
    target = Target()
    with Daemon("sending: { allow: [127.0.0.0/8] }\n") as d:
        app(d)
        endpoint(d, target.url + "/a", "a")
        send(d)
        until(lambda: target.requests, "it arrives")
    target.close()


def test_killed_in_the_middle_of_a_post_there_is_one_message():
    target = Target()
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, target.url + "/a", "a")
        body = json.dumps({"eventType": "x", "payload": {"n": 1}}).encode()
        for round_ in range(5):
            headers = {"Authorization": "Bearer " + d.token(), "idempotency-key": f"k{round_}"}
            admin = d.admin
            def post():
                try:
                    d.request("POST", "/api/v1/app/acme/msg", body, headers, base=admin)
                except OSError:
                    pass
                except http.client.HTTPException:
                    pass
            thread = threading.Thread(target=post)
            thread.start()
            time.sleep(0.001 * round_)  # where it hits differs from round to round
            d.kill()
            thread.join()
            d.start()
            first = d.request("POST", "/api/v1/app/acme/msg", body, headers, base=d.admin)
            again = d.request("POST", "/api/v1/app/acme/msg", body, headers, base=d.admin)
            assert first.status == again.status == 202, (first.body, again.body)
            assert first.json()["id"] == again.json()["id"]
            all_ = d.api("GET", "/app/acme/msg").json()["data"]
            assert len(all_) == round_ + 1, len(all_)
        until(lambda: len({r["headers"]["webhook-id"] for r in target.requests}) == 5, "delivered")
    target.close()


def test_what_waits_goes_on_after_a_kill():
    failing = Target(lambda request, count: (503, {}, b""))
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, failing.url + "/a", "a", retry=[0.2] * 40,
                 circuit={"failures": 0})
        ids = {send(d, payload={"n": n})["id"] for n in range(20)}
        until(lambda: failing.requests, "tried")
        d.kill()
        before = len(failing.requests)
        d.start()
        until(lambda: {r["headers"]["webhook-id"] for r in failing.requests[before:]} == ids,
              "each is tried again")
    failing.close()


def test_deliver_at_is_awaited():
    target = Target()
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, target.url + "/a", "a")
        at = time.time() + 1.5
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03}Z"
        m = send(d, deliverAt=when)
        assert "deliverAt" in m
        until(lambda: target.requests, "it arrives")
        assert time.time() >= at - 0.05
    target.close()


def test_order_is_kept_and_a_blocked_head_may_step_aside():
    fail = {"left": 2}
    def answer(request, count):
        if json.loads(request["body"])["n"] == 0 and fail["left"]:
            fail["left"] -= 1
            return 500, {}, b""
        return 200, {}, b""
    target = Target(answer)
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, target.url + "/a", "a", orderBy="{{ .key }}", retry=[0.2, 0.2, 0.2])
        for n in range(4):
            send(d, payload={"key": "k", "n": n})
        until(lambda: len(target.requests) == 6, "all, the first three times")
        assert [json.loads(r["body"])["n"] for r in target.requests] == [0, 0, 0, 1, 2, 3]
        fail["left"] = 1
        d.api("PATCH", "/app/acme/endpoint/a", {"onBlocked": "deadLetter"})
        for n in range(3):
            send(d, payload={"key": "k", "n": n})
        until(lambda: len(target.requests) == 9, "the head is tried once")
        until(lambda: d.api("GET", "/app/acme/endpoint/a/stats").json()["fail"] == 1, "it is dead")
    target.close()


def test_gone_disables_the_endpoint_and_says_so():
    target = Target(lambda request, count: (410 if request["path"] == "/gone" else 204, {}, b""))
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, target.url + "/gone", "gone")
        send(d)
        def disabled():
            found = d.api("GET", "/app/acme/endpoint/gone").json()
            return found if found["disabled"] else None
        gone = until(disabled, "disabled")
        assert "410" in gone["disabledReason"], gone
        send(d)
        endpoint(d, target.url + "/well", "well")
        send(d)
        until(lambda: "/well" in paths(target), "the other one is told")
        assert paths(target).count("/gone") == 1
        d.api("PATCH", "/app/acme/endpoint/gone", {"disabled": False})
        assert "disabledReason" not in d.api("GET", "/app/acme/endpoint/gone").json()
    target.close()


def test_the_contract_is_kept_at_its_edges():
    with Daemon(CONFIG) as d:
        app(d)
        auth = {"Authorization": "Bearer " + d.token()}
        for path in ("//api/v1/app", "/api/v1/app/", "/api//v1/app/acme/"):
            reply = d.request("GET", path, headers=auth, base=d.admin)
            assert reply.status == 200, (path, reply.body)
        for method, path, status in (("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/app", 405),
                                     ("GET", "/api/v1/app/nobody", 404),
                                     ("POST", "/api/v1/app", 422),
                                     ("GET", "/api/v1/app?limit=x", 400),
                                     ("GET", "/api/v1/app?limit=300", 422),
                                     ("GET", "/api/v1/app/acme/msg?iterator=msg_x", 422)):
            reply = d.request(method, path, b"not json" if method == "POST" else b"", auth,
                              base=d.admin)
            assert reply.status == status, (path, reply.status, reply.body)
            assert isinstance(reply.json(), dict), path
        reply = d.request("GET", "/api/v1/app", base=d.admin)
        assert reply.status == 401 and reply.json()["code"] == "authentication_failed"
        document = d.request("GET", "/openapi.json", base=d.admin).json()
        assert document["openapi"] == "3.1.0" and len(document["webhooks"]) == 8
        operations = sum(len(path) for path in document["paths"].values())
        assert operations >= 50, operations
        assert "/api/v1/app/{app_id}/msg" in document["paths"]


def places(reply):
    return {".".join(fault["loc"]) for fault in reply.json()["detail"]}


def test_messages_are_checked_by_the_schema_of_their_type_when_asked():
    schema = {"type": "object", "required": ["id"], "additionalProperties": False,
              "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}},
                             "kind": {"$ref": "#/$defs/kind"}},
              "$defs": {"kind": {"enum": ["a", "b"]}}}
    target = Target()

    def post(payload, kind="user.created", **more):
        return d.api("POST", "/app/acme/msg", {"eventType": kind, "payload": payload, **more})
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, target.url + "/a", "a")
        one = d.api("POST", "/event-type", {"name": "user.created", "description": "",
                                            "schemas": {"1": {"type": "array"}, "2": schema}})
        assert one.status == 201, one.body
        assert post({"no": 1}).status == 202  # nobody asked
        one = d.api("PATCH", "/event-type/user.created", {"validate": True})
        assert one.status == 200 and one.json()["validate"] is True, one.body
        for restart in (False, True):
            if restart:
                d.kill()
                d.start()
            assert post({"id": 1, "tags": ["x"], "kind": "a"}).status == 202
            bad = post({"id": "1", "tags": ["x", 2], "kind": "c", "more": 0})
            assert bad.status == 422 and places(bad) == {
                "body.payload.id", "body.payload.tags.[1]", "body.payload.kind",
                "body.payload.more"}, bad.body
            assert places(post({})) == {"body.payload.id"}
        raw = {"rawPayload": "not json"}
        assert post({}, transformationsParams=raw).status == 422
        assert post({"no": 1}, "other.type").status == 202
        count = len(d.api("GET", "/app/acme/msg").json()["data"])
        assert count == 4, count  # what was refused is not there
        # What can't be applied wholly is refused when it is stored, and changes nothing.
        for bad in ({"unevaluatedProperties": False}, {"$ref": "https://example.org/x"},
                    {"typ": 1}):
            reply = d.api("PATCH", "/event-type/user.created", {"schemas": {"3": bad}})
            assert reply.status == 422 and places(reply) == {"body.schemas"}, reply.body
        assert d.api("PUT", "/event-type/new", {"description": "", "validate": True}).status == 422
        assert places(post({})) == {"body.payload.id"}
        # A schema that multiplies itself decides nothing, and lets nothing in.
        loop = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
        assert d.api("PATCH", "/event-type/user.created", {"schemas": {"4": loop}}).status == 200
        assert places(post({"id": 1})) == {"body.payload"}
        d.api("PATCH", "/event-type/user.created", {"validate": False})
        assert post({"id": 1}).status == 202
    target.close()


def test_schemas_of_an_openapi_document_bring_their_components():
    reference = {"$ref": "#/components/schemas/Order"}
    document = {"openapi": "3.1.0", "webhooks": {"order.paid": {"post": {"requestBody": {
        "content": {"application/json": {"schema": reference}}}}}}, "components": {"schemas": {
            "Order": {"type": "object", "required": ["item"], "properties": {
                "item": {"$ref": "#/components/schemas/Item"}}},
            "Item": {"type": "object", "required": ["price"]}, "Unused": {"type": "null"}}}}
    with Daemon(CONFIG) as d:
        app(d)
        reply = d.api("POST", "/event-type/import/openapi", {"spec": document})
        assert reply.status == 200, reply.body
        stored = d.api("GET", "/event-type/order.paid").json()["schemas"]["1"]
        assert set(stored["components"]["schemas"]) == {"Order", "Item"}, stored
        assert d.api("PATCH", "/event-type/order.paid", {"validate": True}).status == 200
        reply = d.api("POST", "/app/acme/msg", {"eventType": "order.paid", "payload": {"item": {}}})
        assert reply.status == 422 and places(reply) == {"body.payload.item.price"}, reply.body
        assert d.api("POST", "/app/acme/msg", {
            "eventType": "order.paid", "payload": {"item": {"price": 1}}}).status == 202
        # An import that would leave a checked type without a schema that holds is refused whole.
        document["webhooks"]["order.paid"]["post"]["requestBody"]["content"][
            "application/json"]["schema"] = {"$ref": "#/components/schemas/Gone"}
        assert d.api("POST", "/event-type/import/openapi", {"spec": document}).status == 422


KEY_A, KEY_B = base64.b64encode(b"a" * 32).decode(), base64.b64encode(b"b" * 32).decode()


def kept(d):
    """Every byte that the store holds on disk of objects."""
    if d.database:
        return d.sql("SELECT encode(doc, 'escape') FROM gaff.objects").encode()
    found = b""
    for folder, _, names in os.walk(d.path("gaff-data")):
        for name in names:
            if name not in ("secret.key", "admin.token", "jwt.secret"):
                with open(os.path.join(folder, name), "rb") as f:
                    found += f.read()
    return found


def refused_start(d, key):
    d.env["GAFF_SECRET_KEY"] = key
    mark = len(d.log())
    d.start(wait=False)
    assert d.process.wait(60) != 0
    said = d.log()[mark:]
    assert "the key of secrets" in said, said
    assert KEY_A not in said and KEY_B not in said and "whsec_" not in said
    return said


def test_secrets_are_sealed_at_rest_and_their_key_rotates():
    target = Target()
    secret = "whsec_" + base64.b64encode(b"the secret of an endpoint").decode()

    def works():
        assert d.api("GET", "/app/acme/endpoint/a/secret").json()["key"] == secret
        before = len(target.requests)
        send(d)
        got = until(lambda: target.requests[before:], "delivered")[0]
        signed = b".".join([got["headers"]["webhook-id"].encode(),
                            got["headers"]["webhook-timestamp"].encode(), got["body"]])
        mac = hmac.new(base64.b64decode(secret[6:]), signed, hashlib.sha256).digest()
        assert "v1," + base64.b64encode(mac).decode() in got["headers"]["webhook-signature"]
        for hidden in (secret[6:], "a-token-of-the-header"):
            assert hidden.encode() not in kept(d), hidden
    with Daemon(CONFIG, env={"GAFF_SECRET_KEY": KEY_A}) as d:
        app(d)
        endpoint(d, target.url + "/a", "a", secret=secret,
                 headers={"Authorization": "Bearer a-token-of-the-header"})
        assert b"acme" in kept(d)  # what is no secret can be found, so the search finds
        works()
        d.stop()
        refused_start(d, KEY_B)
        d.env["GAFF_SECRET_KEY"] = f"{KEY_B} {KEY_A}"
        d.start()
        works()
        assert "sealed with the first key now" in d.log()
        d.stop()
        refused_start(d, KEY_A)
        d.env["GAFF_SECRET_KEY"] = KEY_B
        d.start()
        works()
        d.stop()
        refused_start(d, "too short")
    target.close()


def walk(d, path, limit, name):
    """All pages of a list forth, then back from the last: what each shows."""
    forth, iterator, page = [], "", None
    mark = "&" if "?" in path else "?"
    while not page or not page["done"]:
        page = d.api("GET", f"{path}{mark}limit={limit}&iterator={iterator}").json()
        assert len(page["data"]) <= limit, page
        forth.append([row[name] for row in page["data"]])
        iterator = page["iterator"]
    back = []
    while page["data"] and (not back or not page["done"]):
        page = d.api("GET", f"{path}{mark}limit={limit}&iterator={page['prevIterator']}").json()
        back.insert(0, [row[name] for row in page["data"]])
    return forth, back


def test_every_list_goes_forth_and_back():
    target = Target()
    with Daemon(CONFIG) as d:
        app(d)
        for n in range(6):
            app(d, f"app{n}")
            d.api("POST", "/event-type", {"name": f"type.{n}", "description": ""})
            endpoint(d, target.url, f"e{n}")
        messages = [send(d, payload={"n": n})["id"] for n in range(7)]
        until(lambda: len(target.requests) == 42, "all arrive")
        def listed():
            found = d.api("GET", "/app/acme/attempt/endpoint/e0").json()["data"]
            return len(found) == 7
        until(listed, "all attempts are kept")
        for _ in range(5):
            since = {"since": "2026-01-01T00:00:00Z"}
            reply = d.api("POST", "/app/acme/endpoint/e0/recover", since)
            assert reply.status == 202, reply.body
        one = "/app/acme/attempt"
        for path, name, count in (("/app", "uid", 7), ("/app/acme/endpoint", "uid", 6),
                                  ("/event-type", "name", 6), ("/app/acme/msg", "id", 7),
                                  (one + "/endpoint/e0", "id", 7),
                                  (one + f"/msg/{messages[0]}", "id", 6),
                                  ("/app/acme/endpoint/e1/msg", "id", 7),
                                  (f"/app/acme/msg/{messages[0]}/endpoint", "id", 6),
                                  ("/background-task", "id", 5)):
            whole, _ = walk(d, path, 250, name)
            assert len(whole) == 1 and len(set(whole[0])) == count, (path, whole)
            for limit in (1, 2, 3, count):
                forth, back = walk(d, path, limit, name)
                assert sum(forth, []) == whole[0], (path, limit, forth)
                assert [len(rows) for rows in forth[:-1]] == [limit] * (len(forth) - 1), path
                # Back from the last page: all but that, in the same order.
                assert sum(back, []) == sum(forth[:-1], []), (path, limit, forth, back)
        for path, name in (("/app", "uid"), ("/app/acme/endpoint", "uid"), ("/event-type", "name"),
                           ("/background-task", "id")):
            up, down = (sum(walk(d, f"{path}?order={order}", 4, name)[0], [])
                        for order in ("ascending", "descending"))
            assert len(up) >= 5 and up == down[::-1], (path, up, down)
    target.close()


def definitions_of(d, clear=None):
    """The definitions as a stopped daemon's store has them; with `clear` made as versions before
    kept them."""
    if d.database:
        for (kind, name), doc in (clear or {}).items():
            d.sql(f"UPDATE gaff.objects SET doc = '\\x{json.dumps(doc).encode().hex()}' "
                  f"WHERE kind = '{kind}' AND id = '{name}'")
        rows = d.sql("SELECT encode(doc, 'hex') FROM gaff.objects WHERE kind LIKE 'defined-%'")
        return b"".join(bytes.fromhex(row) for row in rows.split())
    with contextlib.closing(sqlite3.connect(d.path("gaff-data/gaff.db"))) as db, db:
        for (kind, name), doc in (clear or {}).items():
            db.execute("UPDATE objects SET doc = ? WHERE kind = ? AND id = ?",
                       (json.dumps(doc).encode(), kind, name))
        rows = db.execute("SELECT doc FROM objects WHERE kind LIKE 'defined-%'").fetchall()
        return b"".join(row[0] for row in rows)


def test_secrets_of_what_is_defined_at_run_time_are_sealed():
    target = Target()
    signing = "whsec_" + base64.b64encode(b"the signing secret of a destination").decode()
    body = b'{"n":1}'
    defined = {("defined-source", "mine"): {"provider": "github", "secret": SECRET},
               ("defined-destination", "out"): {"http": {
                   "url": target.url, "sign": {"secret": signing}}}}
    with Daemon("sources:\n  open: { provider: none }\n", env={"GAFF_SECRET_KEY": KEY_A}) as d:
        def readable(docs):
            return [secret for secret in (SECRET, signing) if secret.encode() in docs]
        def works(count):
            event = d.post("/in/mine", body, github(body))
            assert event.status == 200, event.body
            until(lambda: len(target.requests) == count, "it is delivered")
            assert target.requests[-1]["headers"]["webhook-signature"]
        for (kind, name), doc in defined.items():
            path = f"/definitions/{kind.removeprefix('defined-')}s/{name}"
            assert d.api("PUT", path, doc).status == 201
        route = {"from": "mine", "to": ["out"]}
        assert d.api("PUT", "/definitions/routes/r", route).status == 201
        works(1)
        d.stop()
        assert readable(definitions_of(d)) == []
        assert readable(definitions_of(d, clear=defined)) == [SECRET, signing]
        mark = len(d.log())
        d.start()
        assert 'msg="secrets are sealed with the first key now" objects=2' in d.log()[mark:]
        assert SECRET.encode() not in d.api("GET", "/definitions").body
        works(2)
        d.stop()
        assert readable(definitions_of(d)) == []
        refused_start(d, KEY_B)
    target.close()


def test_a_key_is_made_beside_the_store_and_missed_when_it_is_gone():
    with Daemon(CONFIG) as d:
        if d.database:
            raise Skip("the key of a PostgreSQL store is its operator's")
        app(d)
        endpoint(d, "http://127.0.0.1:9/", "a")
        assert os.stat(d.path("gaff-data/secret.key")).st_mode & 0o777 == 0o600
        key = d.api("GET", "/app/acme/endpoint/a/secret").json()["key"]
        assert key[6:].encode() not in kept(d)
        d.stop()
        os.rename(d.path("gaff-data/secret.key"), d.path("kept"))
        d.start(wait=False)
        assert d.process.wait(60) != 0
        assert "secret.key" in d.log() and "is not this store's" in d.log()
        os.rename(d.path("kept"), d.path("gaff-data/secret.key"))
        d.start()
        assert d.api("GET", "/app/acme/endpoint/a/secret").json()["key"] == key


def test_what_the_engine_notes_of_an_endpoint_refuses_no_change_of_it():
    """Each message makes it note a failure, or a success after one, between a look and a commit."""
    target = Target(lambda request, count: (500 if count % 2 else 200, {}, b""))
    with Daemon(CONFIG) as d:
        app(d)
        endpoint(d, target.url, "a", retry=[], concurrency=1, circuit={"failures": 0})
        done = threading.Event()
        def talk():
            while not done.is_set():
                send(d)
        threads = [threading.Thread(target=talk) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for n in range(60):
                for method, path, body, status in (
                        ("PATCH", "/headers", {"headers": {"x-patched": str(n)}}, 204),
                        ("POST", "/secret/rotate", {"gracePeriodSeconds": 0}, 200),
                        ("PUT", "/headers", {"headers": {"x-put": str(n)}}, 204)):
                    reply = d.api(method, "/app/acme/endpoint/a" + path, body)
                    assert reply.status == status, (n, path, reply.status, reply.body)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert d.api("GET", "/app/acme/endpoint/a/headers").json()["headers"] == {"x-put": "59"}
    target.close()


def test_statistics_count_what_was_planned_and_what_was_tried():
    def finished(reply):
        assert reply.status == 202, reply.body
        path = "/background-task/" + reply.json()["id"]
        return until(lambda: (t := d.api("GET", path).json())["status"] == "finished" and t,
                     "the count")["data"]

    target = Target(lambda request, count: (500 if request["path"] == "/bad" else 200, {}, b""))
    with Daemon(CONFIG) as d:
        made = app(d)
        d.api("POST", "/event-type", {"name": "user.created", "description": ""})
        endpoint(d, target.url + "/good", "good", eventTypes=["user.created"])
        endpoint(d, target.url + "/bad", "bad", eventTypes=["user.created"], retry=[])
        for n in range(3):
            send(d, payload={"n": n})
        until(lambda: len(target.requests) == 6, "six attempts")
        times = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
        data = finished(d.api("POST", "/stats/usage/app", times))
        assert data["appStats"] == [
            {"appId": made["id"], "appUid": "acme", "messageDestinations": 6}], data
        data = finished(d.api("PUT", "/stats/usage/event-types"))
        assert data["event_types"] == [{
            "appId": made["id"], "explicitlySubscribedEventTypes": ["user.created"],
            "hasCatchAllEndpoint": False}], data

        def counts(uid):
            return d.api("GET", f"/app/acme/endpoint/{uid}/attempt-stats").json()

        until(lambda: counts("good") == {"success": 3, "fail": 0, "canceled": 0}, "the good ones")
        until(lambda: counts("bad") == {"success": 0, "fail": 3, "canceled": 0}, "the bad ones")
    target.close()


if __name__ == "__main__":
    run(globals())
