#!/usr/bin/env python3
"""signatures.py -- HTTP message signatures (RFC 9421) from one daemon's endpoint to another's
source: the key by its JWK set, rotation with overlap, shared secrets, what is covered."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

SENDER = "sending: { policy: private }\n"
RECEIVER = """
sources:
  partner:
    provider: %s
    secrets: [ "${env:PARTNER_KEY}" ]
    options:
      tag: webhook
      delivery-id: "header:webhook-id"
      components: "@method @target-uri content-type webhook-id webhook-timestamp content-digest"
%s
destinations: { out: { log: { file: out.jsonl } } }
routes: [ { name: partner, from: partner, to: [out] } ]
"""
# RFC 8037, appendix A.
SEED = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
PUBLIC = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def receiver(key, provider="rfc9421", option=""):
    return Daemon(RECEIVER % (provider, option), env={"PARTNER_KEY": key})


def app(d):
    assert d.api("POST", "/app", {"name": "acme", "uid": "acme"}).status == 201


def endpoint(d, url, **more):
    reply = d.api("POST", "/app/acme/endpoint", {"url": url, "signature": "rfc9421", **more})
    assert reply.status == 201, reply.body
    return reply.json()["id"]


def send(d, n):
    reply = d.api("POST", "/app/acme/msg", {"eventType": "order.paid", "payload": {"n": n}})
    assert reply.status == 202, reply.body
    return reply.json()["id"]


def keys(d, id_):
    """As a subscriber fetches them: without any token."""
    reply = d.request("GET", "/api/v1/jwks/" + id_, base=d.admin)
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/jwk-set+json"
    assert reply.headers["Cache-Control"] == "public, max-age=300"
    return reply.json()["keys"]


def attempt(d, message):
    """The first attempt of a message, once it was made."""
    return until(lambda: d.api("GET", f"/app/acme/attempt/msg/{message}").json()["data"],
                 "an attempt")[-1]


def rotate(d, id_, **more):
    reply = d.api("POST", f"/app/acme/endpoint/{id_}/secret/rotate", more)
    assert reply.status == 200, reply.body
    return reply.json()["key"]


def accepted(to, message):
    event = until(lambda: to.events(source="partner"), "it arrives")[0]
    assert event["verdict"] == "verified" and event["delivery_key"] == message, event


def test_a_key_of_the_set_verifies_what_the_endpoint_signs():
    with Daemon(SENDER, env={"GAFF_SECRET_KEY": "k" * 32}) as d:
        app(d)
        id_ = endpoint(d, "http://127.0.0.1:9/later")
        (jwk,) = keys(d, id_)
        shown = d.api("GET", f"/app/acme/endpoint/{id_}/secret").json()["key"]
        assert base64.urlsafe_b64decode(jwk["x"] + "=") == base64.b64decode(shown[5:]), (jwk, shown)
        with receiver(json.dumps(jwk)) as to:
            # Written so that what goes out is written otherwise.
            url = to.url.replace("127.0.0.1", "LocalHost") + "/x/../in/partner?a=b%20c#part"
            reply = d.api("PATCH", f"/app/acme/endpoint/{id_}", {"url": url})
            assert reply.status == 200, reply.body
            message = send(d, 1)
            assert attempt(d, message)["responseStatusCode"] == 200
            accepted(to, message)
        assert b"whsk_" not in d.stored()


def test_the_former_key_signs_until_its_grace_ends():
    key = "whsk_" + base64.b64encode(SEED + PUBLIC).decode()
    with Daemon(SENDER) as d, receiver(base64.b64encode(PUBLIC).decode()) as to:
        app(d)
        id_ = endpoint(d, to.url + "/in/partner", secret=key)
        assert [k["kid"] for k in keys(d, id_)] == [KID]
        fresh = rotate(d, id_)
        assert fresh.startswith("whpk_"), fresh
        both = keys(d, id_)
        assert len(both) == 2 and both[1]["kid"] == KID and both[0]["kid"] != KID, both
        message = send(d, 1)
        assert attempt(d, message)["responseStatusCode"] == 200
        accepted(to, message)
        # Without grace the present one is gone at once; the one before it keeps its own.
        rotate(d, id_, gracePeriodSeconds=0)
        assert [k["kid"] for k in keys(d, id_)][1:] == [KID]
        other = endpoint(d, to.url + "/in/partner", secret=key)
        rotate(d, other, gracePeriodSeconds=0)
        (left,) = keys(d, other)
        assert left["kid"] != KID
        d.api("DELETE", f"/app/acme/endpoint/{id_}")
        assert attempt(d, send(d, 2))["responseStatusCode"] == 401
        assert d.request("GET", "/api/v1/jwks/" + id_, base=d.admin).status == 404


def test_a_receiver_fetches_the_set_and_a_rotation_leaves_no_gap():
    with Daemon(SENDER) as d, Daemon("", start=False) as to:
        app(d)
        id_ = endpoint(d, "http://127.0.0.1:9/later", retry=[1] * 50)
        pages = SecurePages(to)
        def publish():
            set_ = d.request("GET", "/api/v1/jwks/" + id_, base=d.admin)
            pages.pages["/jwks"] = set_.body.decode()
        publish()
        to.config(f"""
outbound: {{ allow: [127.0.0.0/8], ca_file: keys.crt }}
sources:
  partner:
    provider: rfc9421-jwks
    options: {{ url: "https://{pages.host}/jwks", tag: webhook, delivery-id: "header:webhook-id" }}
destinations: {{ out: {{ log: {{ file: out.jsonl }} }} }}
routes: [ {{ name: partner, from: partner, to: [out] }} ]
""")
        to.start()
        assert d.api("PATCH", f"/app/acme/endpoint/{id_}",
                     {"url": to.url + "/in/partner"}).status == 200
        first = send(d, 1)
        # The set is fetched off the path: 503 until it is here, and the sender tries again.
        until(lambda: len(to.events(source="partner")) == 1, "it arrives")
        accepted(to, first)
        rotate(d, id_)
        second = send(d, 2)
        until(lambda: len(to.events(source="partner")) == 2, "by the key that the receiver knows")
        accepted(to, second)
        assert pages.asked and set(pages.asked) == {"/jwks"}
        pages.close()


def test_a_shared_secret_signs_too_and_is_in_no_set():
    secret = base64.b64encode(b"thirty-two bytes that are shared").decode()
    with Daemon(SENDER) as d, receiver(secret, "rfc9421-hmac", "      key-encoding: base64") as to:
        app(d)
        id_ = endpoint(d, to.url + "/in/partner", secret="whsec_" + secret)
        message = send(d, 1)
        assert attempt(d, message)["responseStatusCode"] == 200
        accepted(to, message)
        assert d.request("GET", "/api/v1/jwks/" + id_, base=d.admin).status == 404
        assert d.request("GET", "/api/v1/jwks/ep_none", base=d.admin).status == 404
        # A new key is a pair, and both sign for a time.
        assert rotate(d, id_).startswith("whpk_") and len(keys(d, id_)) == 1
        assert attempt(d, send(d, 2))["responseStatusCode"] == 200


def test_nothing_is_sent_unsigned_for_want_of_a_fitting_key():
    pair = "whsk_" + base64.b64encode(SEED + PUBLIC).decode()
    with Daemon(SENDER) as d:
        app(d)
        def place(reply):
            assert reply.status == 422, reply.body
            return reply.json()["detail"][0]["loc"]
        for style in ("github", "stripe"):
            new = {"url": "http://127.0.0.1:9/", "signature": style, "secret": pair}
            assert place(d.api("POST", "/app/acme/endpoint", new)) == ["body", "signature"]
        id_ = endpoint(d, "http://127.0.0.1:9/", secret=pair)
        one = "/app/acme/endpoint/" + id_
        assert place(d.api("PATCH", one, {"signature": "github"})) == ["body", "signature"]
        # Under another signature a new key is of the kind of the present one.
        assert d.api("PATCH", one, {"signature": "standard"}).status == 200
        assert rotate(d, id_).startswith("whpk_")
        secret = "whsec_" + base64.b64encode(b"thirty-two bytes that are shared").decode()
        assert rotate(d, id_, key=secret) == secret
        assert d.api("PATCH", one, {"signature": "github"}).status == 200
        assert place(d.api("POST", one + "/secret/rotate", {"key": pair})) == ["body", "key"]
        assert rotate(d, id_).startswith("whsec_")


def test_everything_that_is_sent_of_an_event_is_covered():
    target = Target()
    with Daemon(SENDER + "  \n") as d:
        app(d)
        id_ = endpoint(d, target.url + "/ce", format="cloudevents-binary",
                       headers={"x-tenant": "a", "content-digest": "sha-256=:AAAA:"})
        send(d, 1)
        got = until(lambda: target.requests, "it arrives")[0]
        input_ = got["headers"]["Signature-Input"]
        assert input_.startswith('sig1=("@method" "@target-uri" "ce-specversion" "ce-id" '
                                 '"ce-source" "ce-type" "ce-time" "content-type" "webhook-id" '
                                 '"webhook-timestamp" "content-digest");created='), input_
        (jwk,) = keys(d, id_)
        assert input_.endswith(f';keyid="{jwk["kid"]}";alg="ed25519";tag="webhook"'), input_
        digest = base64.b64encode(hashlib.sha256(got["body"]).digest()).decode()
        assert got["headers"].get_all("Content-Digest") == [f"sha-256=:{digest}:"]
        assert got["headers"]["x-tenant"] == "a" and "webhook-signature" not in got["headers"]
    target.close()


if __name__ == "__main__":
    run(globals())
