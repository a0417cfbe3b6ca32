#!/usr/bin/env python3
"""Operational events: who operates hears of endpoints and of messages that do not get through."""
from lib import *

CONFIG = "sending: { policy: private, disable_after: 1s }\n"
OPS = "/operational-webhook/endpoint"


def make(d, path, body, status=201):
    reply = d.api("POST", path, body)
    assert reply.status == status, reply.body
    return reply.json() if reply.body else None


def told(target, kind):
    return [json.loads(r["body"])["data"] for r in target.requests
            if json.loads(r["body"])["type"] == kind]


def test_the_life_of_an_endpoint_and_of_its_messages_is_told():
    ops = Target()
    answers = {}
    target = Target(lambda r, n: (answers.get(r["path"], 204), {}, b""))
    with Daemon(CONFIG) as d:
        assert d.api("GET", OPS).json()["data"] == []
        listener = make(d, OPS, {"url": ops.url, "uid": "pager"})
        app = make(d, "/app", {"name": "acme", "uid": "acme"})
        ep = make(d, "/app/acme/endpoint", {"url": target.url + "/a", "uid": "a",
                                            "retry": [0.1, 0.1, 0.1, 0.1],
                                            "circuit": {"failures": 0}})
        made = until(lambda: told(ops, "endpoint.created"), "created is told")[0]
        assert made == {"appId": app["id"], "appUid": "acme", "endpointId": ep["id"],
                        "endpointUid": "a"}, made

        # Signed as any message: by the listener's own secret.
        key = d.api("GET", f"{OPS}/pager/secret").json()["key"]
        r = ops.requests[0]
        signed = b".".join([r["headers"]["webhook-id"].encode(),
                            r["headers"]["webhook-timestamp"].encode(), r["body"]])
        mac = hmac.new(base64.b64decode(key[6:]), signed, hashlib.sha256).digest()
        assert r["headers"]["webhook-signature"] == "v1," + base64.b64encode(mac).decode()

        answers["/a"] = 500
        m = make(d, "/app/acme/msg", {"eventType": "x", "eventId": "e1", "payload": {}}, 202)
        failing = until(lambda: told(ops, "message.attempt.failing"), "failing is told")[0]
        assert failing["msgId"] == m["id"] and failing["msgEventId"] == "e1", failing
        assert failing["lastAttempt"]["responseStatusCode"] == 500, failing
        gone = until(lambda: told(ops, "message.attempt.exhausted"), "exhausted is told")[0]
        assert gone["endpointId"] == ep["id"] and gone["endpointUid"] == "a", gone
        attempts = d.api("GET", f"/app/acme/attempt/msg/{m['id']}").json()["data"]
        assert gone["lastAttempt"]["id"] == attempts[0]["id"], (gone, attempts)

        make(d, "/app/acme/endpoint", {"url": target.url + "/b", "uid": "b",
                                       "retry": [0.1] * 3 + [1] * 45,
                                       "circuit": {"failures": 0}})
        d.api("PATCH", "/app/acme/endpoint/a", {"disabled": True})
        assert until(lambda: told(ops, "endpoint.disabled"), "disabled is told")[0][
            "trigger"] == "manual"
        d.api("PATCH", "/app/acme/endpoint/a", {"disabled": False})
        until(lambda: told(ops, "endpoint.enabled"), "enabled is told")

        answers["/b"], answers["/a"] = 503, 204
        m = make(d, "/app/acme/msg", {"eventType": "x", "payload": {}}, 202)
        until(lambda: [x for x in told(ops, "message.attempt.failing") if x["msgId"] == m["id"]],
              "the second one is failing")
        answers["/b"] = 204
        well = lambda: [x for x in told(ops, "message.attempt.recovered") if x["msgId"] == m["id"]]
        until(well, "recovered is told")
        assert d.api("DELETE", "/app/acme/endpoint/b").status == 204
        until(lambda: told(ops, "endpoint.deleted"), "deleted is told")
        updated = len(told(ops, "endpoint.updated"))
        assert updated >= 2, updated
        assert not [x for r in ops.requests for x in [json.loads(r["body"])["data"]]
                    if x["endpointId"] == listener["id"]]  # nobody is told of the listeners
    ops.close()
    target.close()


def test_listeners_are_endpoints_of_the_organisation_alone():
    ops = Target()
    with Daemon(CONFIG) as d:
        make(d, "/app", {"name": "acme", "uid": "acme"})
        make(d, OPS, {"url": ops.url, "uid": "a", "eventTypes": ["endpoint.deleted"]})
        refused = d.api("POST", OPS, {"url": ops.url, "eventTypes": ["user.created"]})
        assert refused.status == 422, refused.body
        assert d.api("PUT", OPS + "/a", {"url": ops.url + "/2", "uid": "a",
                                         "eventTypes": ["endpoint.deleted"]}).status == 200
        assert d.api("GET", OPS + "/a").json()["url"] == ops.url + "/2"
        assert d.api("PUT", OPS + "/a/headers", {"headers": {"X-Team": "ops"}}).status == 204
        assert d.api("GET", OPS + "/a/headers").json()["headers"] == {"X-Team": "ops"}
        assert d.api("POST", OPS + "/a/secret/rotate", {}).status == 200
        assert d.api("GET", OPS + "/nobody").status == 404
        assert [a["uid"] for a in d.api("GET", "/app").json()["data"]] == ["acme"]
        make(d, "/app/acme/endpoint", {"url": ops.url, "uid": "e"})
        assert d.api("DELETE", "/app/acme/endpoint/e").status == 204
        until(lambda: ops.requests, "the deletion is told")
        assert [json.loads(r["body"])["type"] for r in ops.requests] == ["endpoint.deleted"]
        assert ops.requests[0]["headers"]["X-Team"] == "ops"
        token = d.api("POST", "/auth/app-portal-access/acme", {}).json()["token"]
        reply = d.request("GET", "/api/v1" + OPS, headers={"Authorization": "Bearer " + token},
                          base=d.admin)
        assert reply.status == 403, reply.status
        assert d.api("DELETE", OPS + "/a").status == 204
        assert d.api("GET", OPS).json()["data"] == []
    ops.close()


if __name__ == "__main__":
    run(globals())
