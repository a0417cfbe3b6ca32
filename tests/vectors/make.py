#!/usr/bin/env python3
"""Makes the vectors of providers that publish none, with Python's own hmac and hashlib, which
share no code with Gaff. Prints nothing, writes the files beside itself: run it after adding a case
and look at the difference. Files not written here hold published examples and are never touched."""
import base64
import hashlib
import hmac
import json
import pathlib

HERE = pathlib.Path(__file__).parent
NOW = 1795443390


def mac(name, key, text):
    return hmac.new(key, text, getattr(hashlib, name)).digest()


def write(provider, cases):
    document = {"provider": provider, "origin": "Python's hmac and hashlib", "cases": cases}
    (HERE / f"{provider}-made.yaml").write_text(
        "# Made by make.py.\n" + json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def case(name, secret, headers, body, **more):
    return {"name": name, "secret": secret, "now": str(NOW * 1000), "headers": headers,
            "body": body, **more}


def b64(raw):
    return base64.b64encode(raw).decode()


BODY = '{"id":"evt_1","type":"charge.succeeded","amount":"12 €"}'
RAW = BODY.encode()
KEY = bytes(range(32))
WHSEC = "whsec_" + b64(KEY)


def stripe():
    def v1(secret):
        return mac("sha256", secret.encode(), f"{NOW}.".encode() + RAW).hex()

    good = v1("whsec_test")
    header = "Stripe-Signature"
    write("stripe", [
        case("one", "whsec_test", {header: f"t={NOW},v1={good}"}, BODY,
             **{"delivery-id": "evt_1", "event-type": "charge.succeeded"}),
        case("while the secret is rolled", "whsec_test",
             {header: f"t={NOW},v1={v1('old')},v1={good},v0={good[::-1]}"}, BODY),
        case("blanks after the commas", "whsec_test", {header: f"t={NOW}, v1={good}"}, BODY),
    ])


def github():
    push = '{"ref":"refs/heads/main"}'
    sha256 = mac("sha256", b"s3cr3t", push.encode()).hex()
    header = "X-Hub-Signature-256"
    write("github", [
        case("push", "s3cr3t", {
            header: "sha256=" + sha256,
            "X-Hub-Signature": "sha1=" + mac("sha1", b"s3cr3t", push.encode()).hex(),
            "X-GitHub-Event": "push", "X-GitHub-Delivery": "d1"}, push,
            **{"delivery-id": "d1", "event-type": "push"}),
        case("upper-case digits", "s3cr3t", {header: "sha256=" + sha256.upper()}, push),
        case("empty body", "s3cr3t",
             {header: "sha256=" + mac("sha256", b"s3cr3t", b"").hex()}, ""),
    ])


def slack():
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    body = '{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}'
    write("slack", [
        case("event", secret, {
            "X-Slack-Request-Timestamp": str(NOW),
            "X-Slack-Signature":
                "v0=" + mac("sha256", secret.encode(), f"v0:{NOW}:{body}".encode()).hex()},
            body, **{"delivery-id": "Ev1", "event-type": "app_mention"}),
    ])


def standard():
    def headers(prefix, signatures):
        return {f"{prefix}-id": "msg_1", f"{prefix}-timestamp": str(NOW),
                f"{prefix}-signature": signatures}

    good = "v1," + b64(mac("sha256", KEY, f"msg_1.{NOW}.".encode() + RAW))
    other = "v1," + b64(bytes(32))
    write("standard-webhooks", [
        case("one", WHSEC, headers("webhook", good), BODY,
             **{"delivery-id": "msg_1", "event-type": "charge.succeeded"}),
        case("second of two, after another version", WHSEC,
             headers("webhook", f"v1a,AAAA {other} {good}"), BODY),
        case("svix", WHSEC, headers("svix", good), BODY, **{"delivery-id": "msg_1"}),
    ])
    event = {"X-Gitlab-Event": "Push Hook"}
    write("gitlab", [
        case("signing token", WHSEC,
             {**headers("webhook", good), **event, "Idempotency-Key": "msg_1"}, BODY,
             **{"delivery-id": "msg_1", "event-type": "Push Hook"}),
        case("secret token", "glpat secret!", {"X-Gitlab-Token": "glpat secret!", **event}, BODY,
             **{"event-type": "Push Hook"}),
    ])


def generic():
    long = b"k" * 200
    encodings = {
        "hex": bytes.hex,
        "base64": b64,
        "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    cases = [
        case(f"{name} {encoding}", long.decode(), {"X-Sig": "v=" + text(mac(name, long, RAW))},
             BODY, options={"header": "X-Sig", "hash": name, "encoding": encoding, "prefix": "v="})
        for name in ("md5", "sha1", "sha256", "sha384", "sha512")
        for encoding, text in encodings.items()
    ]
    for name, unit, time in (("milliseconds", "ms", str(NOW * 1000)),
                             ("RFC 3339", "iso", "2026-11-23T14:16:30Z")):
        cases.append(case(
            name, "k",
            {"X-Signature": mac("sha256", b"k", f"{time}|{BODY}".encode()).hex(), "X-Time": time},
            BODY, options={"timestamp-header": "X-Time", "timestamp-unit": unit,
                           "signed": "{{ ts }}|{{ body }}"}))
    url = "https://hooks.example.org/in/x?a=1"
    text = f"POST {url} {hashlib.sha256(RAW).hexdigest()}"
    cases.append(case(
        "method, URL and digest of the body", "k",
        {"X-Signature": mac("sha256", b"k", text.encode()).hex()}, BODY, url=url,
        options={"signed": "{{ method }} {{ url }} {{ body | sha256 | hex }}"}))
    cases.append(case(
        "key in hex", "00ff10",
        {"X-Signature": mac("sha256", bytes.fromhex("00ff10"), RAW).hex()}, BODY,
        options={"key-encoding": "hex"}))
    write("hmac", cases)


def credentials():
    login = "üser:pass:word"
    write("token", [case("own header", "t0ken", {"X-Webhook-Token": "t0ken"}, BODY)])
    write("bearer", [
        case("token", "t0ken", {"Authorization": "Bearer t0ken"}, BODY),
        case("letter case of the scheme", "t0ken", {"Authorization": "bearer t0ken"}, BODY),
    ])
    write("basic", [
        case("UTF-8, a colon in the password", login,
             {"Authorization": "Basic " + b64(login.encode())}, BODY),
    ])


for make in (stripe, github, slack, standard, generic, credentials):
    make()
