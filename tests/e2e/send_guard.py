#!/usr/bin/env python3
"""send_guard.py -- who is kept out of the sending side: every operation of the document with
another tenant's token. Where Gaff itself may call: outbound.py."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

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
# Receivers ask for it, who have no token; an endpoint that signs with a secret has none to show.
KEYS = "/api/v1/jwks/{endpoint_id}"
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
            if path == KEYS:
                assert call(d, None, method, where).status == 404, shown
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


run(globals())
