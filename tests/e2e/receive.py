#!/usr/bin/env python3
"""receive.py -- a request at a source: verified, stored before it is answered, or refused with
the right status and a reason."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

CONFIG = f"""
sources:
  github: {{ provider: github, secrets: ["{SECRET}", "the next secret"] }}
  gitlab: {{ provider: gitlab, secret: "gitlab token here" }}
  open:   {{ provider: none }}
  small:  {{ provider: none, body_max: 100B }}
  custom:
    provider: none
    respond: {{ status: 202, headers: {{ X-Answer: "yes" }}, body: "thanks" }}
  slack:  {{ provider: slack, secret: "slack signing secret" }}
"""
BODY = b'{"ref":"refs/heads/main","repository":{"full_name":"acme/site"}}'


def test_a_signed_push_is_stored_before_it_is_answered():
    with Daemon(CONFIG) as d:
        reply = d.post("/in/github", BODY, github(BODY))
        assert reply.status == 200, reply.body
        event_id = reply.json()["id"]
        assert reply.headers["gaff-event-id"] == event_id
        d.kill()  # nothing it could still write
        d.start()
        event = d.api("GET", "/events/" + event_id).json()
        assert event["body"].encode() == BODY
        assert event["verdict"] == "verified" and event["type"] == "push"
        assert event["source"] == "github"


def test_what_does_not_verify_is_refused_and_kept_as_evidence():
    with Daemon(CONFIG) as d:
        good = github(BODY)
        changed = d.post("/in/github", BODY + b" ", good)
        assert changed.status == 401 and changed.json()["error"]["code"] == "bad_signature"
        wrong = d.post("/in/github", BODY, github(BODY, secret="another"))
        assert wrong.status == 401
        missing = d.post("/in/github", BODY, {"X-GitHub-Event": "push"})
        assert missing.status == 401 and missing.json()["error"]["code"] == "no_signature"
        cut = {**good, "X-Hub-Signature-256": good["X-Hub-Signature-256"][:-1]}
        assert d.post("/in/github", BODY, cut).status == 401
        assert d.events() == []
        kept = d.api("GET", "/rejections").json()["rejections"]
        assert len(kept) == 4 and all(r["verdict_text"] for r in kept)
        assert SECRET not in json.dumps(kept)


def test_any_of_several_live_secrets_verifies():
    with Daemon(CONFIG) as d:
        assert d.post("/in/github", BODY, github(BODY, secret="the next secret")).status == 200


def test_a_repeated_delivery_is_answered_with_the_first_event():
    with Daemon(CONFIG) as d:
        headers = github(BODY, delivery="one")
        first = d.post("/in/github", BODY, headers).json()
        again = d.post("/in/github", BODY, headers)
        assert again.status == 200 and again.json() == {"id": first["id"], "duplicate": True}
        d.kill()
        d.start()
        third = d.post("/in/github", BODY, headers).json()
        assert third["id"] == first["id"] and third["duplicate"]
        assert len(d.events()) == 1


def test_the_same_id_with_another_body_is_kept_and_flagged():
    with Daemon(CONFIG) as d:
        other = BODY + b" "
        d.post("/in/github", BODY, github(BODY, delivery="one"))
        reply = d.post("/in/github", other, github(other, delivery="one"))
        assert reply.status == 200 and "duplicate" not in reply.json()
        flags = sorted(e["id_reused"] for e in d.events())
        assert flags == [False, True]


def test_a_token_is_not_kept_with_the_event():
    with Daemon(CONFIG) as d:
        reply = d.post("/in/gitlab", BODY, {"X-Gitlab-Token": "gitlab token here",
                                            "Authorization": "Basic c2VjcmV0",
                                            "X-Gitlab-Event": "Push Hook"})
        assert reply.status == 200, reply.body
        text = d.cli("events", "show", reply.json()["id"], "-o", "json").stdout.decode()
        assert "gitlab token here" not in text and "c2VjcmV0" not in text
        assert "[redacted]" in text
        for folder, _, names in os.walk(d.path("gaff-data")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    assert b"gitlab token here" not in f.read(), name


def test_a_token_of_the_url_is_not_kept_with_the_event():
    with Daemon("sources: { pay: { provider: mollie, secret: a token of the URL } }\n") as d:
        path = "/in/pay?x=1&%74oken=a%20token+of%20the%20URL&y"
        reply = d.post(path, b"id=tr_7", {"Content-Type": "application/x-www-form-urlencoded"})
        assert reply.status == 200, reply.body
        assert d.post(path.replace("URL", "URI"), b"id=tr_7").status == 401
        text = d.cli("events", "show", reply.json()["id"], "-o", "json").stdout.decode()
        assert "/in/pay?x=1&%74oken=[redacted]&y" in text, text
        text += json.dumps(d.api("GET", "/rejections").json()) + d.log()
        assert "20the%20UR" not in text, text
        for folder, _, names in os.walk(d.path("gaff-data")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    assert b"20the%20UR" not in f.read(), name


def test_paths_and_methods():
    with Daemon(CONFIG) as d:
        assert d.post("/in/nothing", b"{}").status == 404
        wrong = d.request("GET", "/in/github")
        assert wrong.status == 405 and "POST" in wrong.headers["Allow"]
        assert d.request("OPTIONS", "/in/github").status == 204
        assert d.post("/in/open", b"").status == 200


def test_limits_and_encodings():
    with Daemon(CONFIG) as d:
        assert d.post("/in/small", b"x" * 100).status == 200
        large = d.post("/in/small", b"x" * 101)
        assert large.status == 413 and large.json()["error"]["message"]
        assert d.post("/in/open", b"x", {"Content-Encoding": "gzip"}).status == 415
        assert d.post("/in/open", bytes(range(256)) * 4).status == 200
        binary = d.events(source="open")[0]
        body = d.cli("events", "show", binary["id"], "--body").stdout
        assert body == bytes(range(256)) * 4


def test_ambiguous_requests_are_refused_and_the_daemon_lives():
    with Daemon(CONFIG) as d:
        head = b"POST /in/open HTTP/1.1\r\nHost: x\r\n"
        for bad in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                    b"Content-Length : 5\r\n\r\nhello",
                    b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
                    b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
                    b"Host: y\r\nContent-Length: 0\r\n\r\n",
                    b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"):
            answer = d.raw(head + bad)
            assert answer.startswith(b"HTTP/1.1 400"), (bad, answer)
            assert b"Connection: close" in answer and b'"message"' in answer
        assert d.raw(b"POST /in/open HTTP/1.1\r\nContent-Length: 0\r\n\r\n").startswith(
            b"HTTP/1.1 400")
        assert d.raw(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n").startswith(
            b"HTTP/1.1 414")
        assert d.raw(head + b"X: " + b"a" * 40000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
        assert d.post("/in/open", b"{}").status == 200
        assert len(d.events()) == 1


def test_a_source_answers_as_it_says():
    with Daemon(CONFIG) as d:
        reply = d.post("/in/custom", b"{}")
        assert reply.status == 202 and reply.body == b"thanks"
        assert reply.headers["X-Answer"] == "yes"


def slack(body, secret="slack signing secret", at=None):
    at = str(at if at is not None else int(time.time()))
    text = b"v0:" + at.encode() + b":" + body
    digest = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": "v0=" + digest,
            "Content-Type": "application/json"}


def test_a_handshake_is_answered_and_not_stored():
    with Daemon(CONFIG) as d:
        body = b'{"type":"url_verification","challenge":"3eZbrw1a"}'
        reply = d.post("/in/slack", body, slack(body))
        assert reply.status == 200 and b"3eZbrw1a" in reply.body
        assert d.events() == []


def test_an_old_timestamp_is_refused():
    with Daemon(CONFIG) as d:
        reply = d.post("/in/slack", BODY, slack(BODY, at=int(time.time()) - 400))
        assert reply.status == 401 and reply.json()["error"]["code"] == "stale_timestamp"
        ahead = d.post("/in/slack", BODY, slack(BODY, at=int(time.time()) + 400))
        assert ahead.status == 401
        assert d.post("/in/slack", BODY, slack(BODY)).status == 200


def test_many_at_once_all_arrive():
    with Daemon(CONFIG) as d:
        ids = []

        def send(n):
            for i in range(50):
                body = json.dumps({"n": n, "i": i}).encode()
                reply = d.post("/in/github", body, github(body))
                assert reply.status == 200
                ids.append(reply.json()["id"])
        threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert len(set(ids)) == 400
        assert d.api("GET", "/status").json()["events"] == 400


run(globals())
