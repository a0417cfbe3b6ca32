#!/usr/bin/env python3
"""admit.py -- who may do what: one-time links, sessions, passwords, API keys, roles, the audit log;
what is defined at run time; and a first start without any file."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

OPEN = f"""sources:
  open: {{ provider: none }}
  git: {{ provider: github, secret: "{SECRET}" }}
"""
JSON = {"Content-Type": "application/json"}
OURS = {**JSON, "Sec-Fetch-Site": "same-origin"}
PASSWORD = "a long enough password"


def admin(d, method, path, body=None, headers=None):
    data = json.dumps(body).encode() if body is not None else b""
    return d.request(method, "/api/v1" + path, data, headers or {}, base=d.admin)


def sign_in(d, body):
    reply = admin(d, "POST", "/session", body, JSON)
    assert reply.status == 201, reply.body
    line = reply.headers["Set-Cookie"]
    assert "HttpOnly" in line and "SameSite=Strict" in line and "Path=/" in line, line
    return {"Cookie": line.split(";")[0]}


def test_a_link_lets_in_once():
    with Daemon(OPEN) as d:
        link = d.cli("open").stdout.decode().strip()
        assert link.startswith(d.admin + "/#/enter?t="), link
        ticket = link.split("t=")[1]
        cookie = sign_in(d, {"ticket": ticket})
        assert admin(d, "GET", "/session", headers=cookie).json()["role"] == "admin"
        again = admin(d, "POST", "/session", {"ticket": ticket}, JSON)
        assert again.status == 401 and "gaff open" in again.json()["error"]["message"]


def test_a_session_outlives_a_restart_and_ends_when_told():
    with Daemon(OPEN) as d:
        cookie = sign_in(d, {"token": d.token()})
        d.stop()
        d.start()
        assert admin(d, "GET", "/status", headers=cookie).status == 200
        assert admin(d, "DELETE", "/session", headers={**cookie, **OURS}).status == 200
        assert admin(d, "GET", "/status", headers=cookie).status == 401
        stored = d.stored()
        assert cookie["Cookie"].split("=")[1].encode() not in stored


def test_a_cookie_changes_nothing_from_another_page():
    with Daemon(OPEN) as d:
        cookie = sign_in(d, {"token": d.token()})
        ask = lambda headers: admin(d, "POST", "/deliveries/replay", {"dry_run": True},
                                    {**cookie, **headers}).status
        host = d.admin.split("://")[1]
        assert ask({**JSON, "Sec-Fetch-Site": "cross-site"}) == 403
        assert ask({**JSON, "Sec-Fetch-Site": "same-site"}) == 403
        assert ask({**JSON, "Origin": "https://evil.example"}) == 403
        assert ask(JSON) == 403  # neither: no browser, then no cookie either
        assert ask({"Content-Type": "text/plain", "Sec-Fetch-Site": "same-origin"}) == 403
        assert ask({**JSON, "Origin": "http://" + host}) == 200
        assert ask(OURS) == 200


def test_people_come_in_with_a_password_and_their_role():
    with Daemon(OPEN) as d:
        for name, role in (("ann", "viewer"), ("bob", "operator")):
            made = d.api("PUT", "/people/" + name, {"password": PASSWORD, "role": role})
            assert made.status == 200
        assert d.api("PUT", "/people/eve", {"password": "short", "role": "viewer"}).status == 400
        assert d.api("PUT", "/people/eve", {"password": PASSWORD, "role": "king"}).status == 400
        ann, bob = (sign_in(d, {"name": n, "password": PASSWORD}) for n in ("ann", "bob"))
        replay = lambda who: admin(d, "POST", "/deliveries/replay", {"dry_run": True},
                                   {**who, **OURS}).status
        assert (replay(ann), replay(bob)) == (403, 200)
        assert admin(d, "GET", "/events", headers=ann).status == 200
        assert admin(d, "GET", "/keys", headers=bob).status == 403
        # Another password ends what the old one opened.
        d.api("PUT", "/people/ann", {"password": PASSWORD + "!", "role": "viewer"})
        assert admin(d, "GET", "/events", headers=ann).status == 401
        d.api("DELETE", "/people/bob")
        assert admin(d, "GET", "/events", headers=bob).status == 401
        stored = d.stored()
        assert PASSWORD.encode() not in stored
        assert b"hash" not in d.api("GET", "/people").body


def test_guessing_is_slowed_down():
    with Daemon(OPEN) as d:
        answers = [admin(d, "POST", "/session", {"token": f"guess {i}"}, JSON).status
                   for i in range(12)]
        assert answers[:10] == [401] * 10 and answers[10:] == [429] * 2, answers
        late = admin(d, "POST", "/session", {"token": d.token()}, JSON)
        assert late.status == 429 and late.headers["Retry-After"]
        assert d.api("GET", "/status").status == 200  # a token on a request is no sign-in


def test_keys_are_shown_once_and_bounded_by_their_role():
    with Daemon(OPEN) as d:
        made = d.api("POST", "/keys", {"name": "deploy", "role": "operator"}).json()
        bearer = {"Authorization": "Bearer " + made["key"], **JSON}
        assert admin(d, "POST", "/deliveries/replay", {"dry_run": True}, bearer).status == 200
        assert admin(d, "POST", "/reload", {}, bearer).status == 403
        listed = d.api("GET", "/keys")
        assert made["key"].encode() not in listed.body and b"deploy" in listed.body
        assert made["key"].encode() not in d.stored()
        assert d.api("DELETE", "/keys/" + made["id"]).status == 200
        assert admin(d, "GET", "/status", headers=bearer).status == 401
        assert d.api("DELETE", "/keys/" + made["id"]).status == 404
        for bad in ({"name": "", "role": "admin"}, {"name": "x", "role": "anyone"}, {}):
            assert d.api("POST", "/keys", bad).status == 400


def test_the_audit_log_tells_who_asked_for_what():
    with Daemon(OPEN) as d:
        key = d.api("POST", "/keys", {"name": "ci", "role": "viewer"}).json()["key"]
        admin(d, "POST", "/reload", {}, {"Authorization": "Bearer " + key, **JSON})
        d.api("PUT", "/people/ann", {"password": PASSWORD, "role": "viewer"})
        rows = d.api("GET", "/audit").json()["entries"]
        assert [(r["who"], r["what"], r["status"]) for r in rows] == [
            ("token", "PUT /api/v1/people/ann", 200),
            ("token", "POST /api/v1/keys", 201)], rows
        assert PASSWORD not in json.dumps(rows)


def test_a_source_made_at_run_time_works_lasts_and_goes():
    with Daemon(OPEN) as d:
        definition = {"provider": "github", "secret": SECRET}
        assert d.api("PUT", "/definitions/sources/mine", definition).status == 201
        body = b'{"a":1}'
        assert d.post("/in/mine", body, github(body)).status == 200
        assert d.post("/in/mine", body, github(body, "wrong")).status == 401
        d.stop()
        d.start()
        assert d.post("/in/mine", body, github(body)).status == 200
        d.config(OPEN + "  filed: { provider: none }\n")
        until(lambda: d.post("/in/filed", body).status == 200, "the file is taken up")
        assert d.post("/in/mine", body, github(body)).status == 200
        rows = {s["name"]: s for s in d.api("GET", "/sources").json()["sources"]}
        assert rows["mine"]["managed"] and not rows["git"]["managed"]
        assert b"mine:" in d.cli("export").stdout
        assert d.api("DELETE", "/definitions/sources/mine").status == 200
        assert d.post("/in/mine", body, github(body)).status == 404


def test_a_definition_that_would_break_the_whole_is_refused_with_every_reason():
    with Daemon(OPEN) as d:
        put = lambda path, doc: d.api("PUT", "/definitions/" + path, doc)
        wrong = put("sources/x", {"provider": "githb", "secert": "s"})
        said = wrong.json()["error"]["message"]
        assert wrong.status == 422 and "githb" in said and "secert" in said, said
        assert put("sources/git", {"provider": "none"}).status == 422  # the file has it
        assert put("routes/r", {"from": "nowhere", "to": ["d"]}).status == 422
        assert put("destinations/d", {"exec": {"command": ["/bin/true"]}}).status == 400
        assert put("destinations/d", {"worker": {"command": ["/bin/true"]}}).status == 400
        assert put("destinations/d", {"http": {"url": "http://${env:HOME}/"}}).status == 400
        assert put("destinations/D%20d", {"http": {"url": "http://127.0.0.1/"}}).status == 400
        assert put("sources/x", ["no"]).status == 400
        assert put("things/x", {}).status == 404
        kept = d.api("GET", "/definitions").json()
        assert kept == {"sources": {}, "destinations": {}, "routes": []}, kept


def signers(request, secrets):
    """Those of the secrets of Standard Webhooks that the request is signed with."""
    h = request["headers"]
    text = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + request["body"]
    return [s for s in secrets if "v1," + base64.b64encode(hmac.new(
        base64.b64decode(s.removeprefix("whsec_")), text, hashlib.sha256).digest()).decode()
        in h["webhook-signature"].split()]


def test_secrets_of_definitions_are_written_and_never_read_back():
    slack = "https://hooks.slack.com/services/T0/B0/the-secret-of-a-hook"
    first, second = ("whsec_" + base64.b64encode(os.urandom(24)).decode() for _ in range(2))
    target, seen = Target(), []
    with Daemon(OPEN) as d:
        def read():
            reply = d.api("GET", "/definitions")
            seen.extend((reply.body, d.cli("export").stdout,
                         json.dumps(d.api("GET", "/config").json()).encode()))
            return reply.json()
        def put(path, doc):
            reply = d.api("PUT", "/definitions/" + path, doc)
            seen.append(reply.body)
            return reply
        def signed_by(secrets):
            count = len(target.requests)
            d.settled(d.post("/in/mine", b"{}", github(b"{}")).json()["id"])
            request = target.requests[count]
            assert signers(request, (first, second)) == secrets, request
        assert put("sources/mine", {"provider": "github", "secrets": ["an-older-one", SECRET]}
                   ).status == 201
        assert put("destinations/out", {"http": {
            "url": target.url, "headers": {"X-Api-Key": "the-key-of-a-header"},
            "sign": {"secret": first}}, "retry": {"attempts": 1}}).status == 201
        assert put("destinations/chat", {"slack": {"webhook_url": slack, "title": "hi"}}
                   ).status == 201
        assert put("routes/r", {"from": "mine", "to": ["out"]}).status == 201
        signed_by([first])

        # What was read can be sent back as it is, and other members changed.
        before, out = read(), read()["destinations"]["out"]
        for kind in ("sources", "destinations"):
            for name, doc in before[kind].items():
                assert put(f"{kind}/{name}", doc).status == 200, (kind, name)
        assert read() == before
        out["rate"] = "1000/s"
        assert put("destinations/out", out).status == 200
        signed_by([first])
        assert target.requests[-1]["headers"]["x-api-key"] == "the-key-of-a-header"

        # A secret goes on in another place by its mask, and out of a list by leaving it out.
        mask = out["http"]["sign"]["secret"]
        out["http"]["sign"] = {"secret": second, "previous_secret": mask,
                               "previous_until": "2099-01-01T00:00:00Z"}
        assert put("destinations/out", out).status == 200
        signed_by([first, second])
        mine = read()["sources"]["mine"]
        assert put("sources/mine", {**mine, "secrets": mine["secrets"][1:]}).status == 200
        assert d.post("/in/mine", b"{}", github(b"{}")).status == 200
        assert d.post("/in/mine", b"{}", github(b"{}", "an-older-one")).status == 401

        # Nowhere else can a mask be read back, and one of nothing keeps what is there.
        for path, doc, place in (
                ("destinations/out", {"http": {"url": target.url, "headers": {"X-Shown": mask}}},
                 "destinations.out.http.headers.X-Shown"),
                ("destinations/new", {"http": {"url": target.url, "sign": {"secret": mask}}},
                 "destinations.new.http.sign.secret"),
                ("sources/mine", {"provider": "github", "secrets": [SECRET, "****00000000"]},
                 "sources.mine.secrets[1]")):
            before, refused = read(), put(path, doc)
            assert refused.status == 422 and read() == before, (path, refused.body)
            assert refused.json()["error"]["message"].startswith(place + ": "), refused.body
        signed_by([first, second])
        exported = d.cli("export").stdout.decode()
        assert '"${env:CHAT_SLACK_WEBHOOK_URL}"' in exported, exported
        assert '"${env:OUT_HTTP_SIGN_PREVIOUS_SECRET}"' in exported, exported
    target.close()
    for secret in (SECRET, slack, first, second, "the-key-of-a-header", "an-older-one"):
        assert not [text for text in seen if secret.encode() in text], secret


def test_a_route_holds_its_destination():
    with Daemon(OPEN) as d:
        target = Target()
        put = lambda path, doc: d.api("PUT", "/definitions/" + path, doc).status
        assert put("destinations/sink", {"http": {"url": target.url}}) == 201
        assert put("routes/all", {"from": "open", "to": ["sink"]}) == 201
        event = d.post("/in/open", b'{"n":1}').json()["id"]
        d.settled(event)
        assert target.requests[0]["body"] == b'{"n":1}'
        assert d.api("DELETE", "/definitions/destinations/sink").status == 422
        assert d.api("DELETE", "/definitions/routes/all").status == 200
        assert d.api("DELETE", "/definitions/destinations/sink").status == 200
        target.close()


def test_a_pause_holds_what_comes_and_lasts():
    target = Target()
    text = OPEN + f"""destinations:
  sink: {{ http: {{ url: "{target.url}" }} }}
routes:
  - {{ from: open, to: [sink] }}
"""
    with Daemon(text) as d:
        assert d.api("POST", "/destinations/sink/pause").json()["paused"]
        assert d.api("POST", "/destinations/none/pause").status == 404
        ids = [d.post("/in/open", b'{"n":%d}' % n).json()["id"] for n in range(3)]
        d.stop()
        d.start()
        ids.append(d.post("/in/open", b'{"n":3}').json()["id"])
        sink = d.api("GET", "/destinations").json()["destinations"][0]
        assert sink["paused"] and not target.requests, sink
        d.api("POST", "/destinations/sink/resume")
        for event in ids:
            d.settled(event)
        sink = d.api("GET", "/destinations").json()["destinations"][0]
        assert not sink["paused"] and sink["recent"] == "ssss" and sink["latency_ms"]["p95"] > 0
    target.close()


def test_dead_letters_by_cause_and_the_way_back():
    answers = {"/a": 503, "/b": 404}
    target = Target(lambda request, count: (answers[request["path"]], {}, b""))
    text = OPEN + f"""destinations:
  a: {{ http: {{ url: "{target.url}/a" }}, retry: {{ schedule: [] }} }}
  b: {{ http: {{ url: "{target.url}/b" }}, retry: {{ schedule: [] }} }}
routes:
  - {{ from: open, to: [a, b] }}
"""
    with Daemon(text) as d:
        ids = [d.post("/in/open", b'{"n":%d}' % n).json()["id"] for n in range(3)]
        for event in ids:
            d.settled(event, "dead")
        groups = {g["destination"]: g for g in d.api("GET", "/dead/groups").json()["groups"]}
        assert set(groups) == {"a", "b"} and groups["a"]["count"] == 3
        assert "503" in groups["a"]["cause"] and "gave up" not in groups["a"]["cause"]
        assert groups["a"]["example"] in ids
        answers["/a"] = 200
        back = d.api("POST", "/dead/replay", {k: groups["a"][k] for k in ("destination", "cause")})
        assert back.json()["replayed"] == 3, back.body
        until(lambda: len(d.deliveries(state="delivered")) == 3, "the group is delivered")
        left = d.api("GET", "/dead/groups").json()["groups"]
        assert [(g["destination"], g["count"]) for g in left] == [("b", 3)], left
    target.close()


def test_a_test_event_and_an_edited_copy_go_through_the_front_door():
    with Daemon(OPEN) as d:
        sent = d.api("POST", "/sources/git/test", {"type": "push", "body": '{"ref":"a"}'}).json()
        event = d.api("GET", "/events/" + sent["id"]).json()
        told = lambda e: (e["verdict"], e["type"], e["body"])
        assert told(event) == ("verified", "push", '{"ref":"a"}')
        edited = d.api("POST", f"/events/{sent['id']}/edit", {"body": '{"ref":"b"}'}).json()
        copy = d.api("GET", "/events/" + edited["id"]).json()
        assert edited["id"] != sent["id"]
        assert told(copy) == ("verified", "push", '{"ref":"b"}')
        assert d.api("POST", "/sources/none/test").status == 404


def test_a_first_start_without_a_file():
    with Daemon("", start=False) as d:
        os.unlink(d.path("gaff.yaml"))
        # Its addresses are the documented ones; a machine where they are taken is no failure.
        for port in (8080, 8081):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    raise Skip(f"port {port} is taken here")
        with open(d.path("log"), "wb") as log:
            d.process = subprocess.Popen([GAFF, "serve"], cwd=d.dir, env=d.env, stdout=log,
                                         stderr=log, stdin=subprocess.DEVNULL)
        until(lambda: "/#/enter?t=" in d.log(), "the link")
        d.url, d.admin = "http://127.0.0.1:8080", "http://127.0.0.1:8081"
        cookie = sign_in(d, {"ticket": re.search(r"enter\?t=(\S+)", d.log()).group(1)})
        assert d.post("/in/inbox", b'{"first":1}', JSON).status == 200
        assert len(admin(d, "GET", "/events", headers=cookie).json()["events"]) == 1
        # A file that appears is taken up, beside what was made before.
        d.write("gaff.yaml", "sources:\n  filed: { provider: none }\n")
        until(lambda: d.post("/in/filed", b"{}").status == 200, "the file is taken up")
        assert d.post("/in/inbox", b'{"second":1}', JSON).status == 200


run(globals())
