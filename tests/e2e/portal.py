#!/usr/bin/env python3
"""The subscriber's portal as an attacker meets it: what a token may and may not do, over every
operation that the daemon says it has; where the page may be framed; what reaches the log. The page
itself is driven in tests/web."""
from lib import *

CONFIG = """sending: { policy: private }
portal: { origins: ["https://app.example.com", "http://127.0.0.1:9000"] }
"""


def access(d, app, code=200, **more):
    reply = d.api("POST", f"/auth/app-portal-access/{app}", more)
    assert reply.status == code, (reply.status, reply.body)
    return reply.json()


def ask(d, token, method, path, body=None):
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    return d.request(method, path, data, headers, base=d.admin)


def objects(d, target, uid):
    """An application with an endpoint, a message, an attempt and a job: their ids by parameter."""
    app = d.api("POST", "/app", {"name": uid, "uid": uid}).json()["id"]
    ep = d.api("POST", f"/app/{app}/endpoint", {"url": target.url + "/" + uid}).json()["id"]
    told = d.api("POST", f"/app/{app}/msg", {"eventType": "user.created", "payload": {}})
    msg = told.json()["id"]
    attempts = until(lambda: d.api("GET", f"/app/{app}/attempt/msg/{msg}").json()["data"], "tried")
    task = d.api("POST", f"/app/{app}/endpoint/{ep}/recover",
                 {"since": "2020-01-01T00:00:00Z"}).json()["id"]
    return {"app_id": app, "endpoint_id": ep, "msg_id": msg, "attempt_id": attempts[0]["id"],
            "task_id": task, "event_type_name": "user.created", "sink_id": ep,
            "consumer_id": "reader"}


def operations(d):
    """(method, path with {parameters}, example of a body) of the whole sending API."""
    document = d.request("GET", "/openapi.json", base=d.admin).json()
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            yield method.upper(), path, about


def fill(path, ids):
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return re.sub(r"\{\w+\}", "none-of-ours", path)


# With these every operation passes its own checks, so that only the token can be what refuses.
BODY = {"name": "x", "url": "http://127.0.0.1:1/", "eventType": "gaff.ping", "payload": {},
        "since": "2020-01-01T00:00:00Z", "description": "", "headers": {}, "eventTypes": None}
BODIES = {"v1.endpoint.send-example": {"eventType": "gaff.ping"},
          "v1.message.precheck": {"eventTypes": ["user.created"]}}
OPEN = {"v1.health.get", "v1.health.ping", "gaff.openapi"}
# Of the organisation, not of one application: every application reads the catalogue.
SHARED = {"v1.event-type.list", "v1.event-type.get", "gaff.asyncapi"}


def test_a_token_does_nothing_to_another_application():
    target = Target()
    with Daemon(CONFIG) as d:
        d.api("POST", "/event-type", {"name": "user.created", "description": ""})
        theirs, ours = objects(d, target, "theirs"), objects(d, target, "ours")
        token = access(d, ours["app_id"])["token"]
        before = d.api("GET", f"/app/{theirs['app_id']}/endpoint").json()
        seen = 0
        for method, path, about in operations(d):
            name = about["operationId"]
            if name in OPEN or name in SHARED or name == "v1.authentication.logout":
                continue
            body = BODIES.get(name, BODY) if "requestBody" in about else None
            # Their ids throughout, and their objects below our own application.
            for ids in (theirs, {**theirs, "app_id": ours["app_id"]}):
                if ids is not theirs and not any("{" + k + "}" in path for k in
                                                 ("endpoint_id", "msg_id", "task_id")):
                    continue
                reply = ask(d, token, method, fill(path, ids), body)
                if name == "v1.endpoint.update" and ids is not theirs:
                    # PUT of a name that is not there makes an endpoint of its own.
                    assert reply.status == 201 and reply.json()["id"] != theirs["endpoint_id"]
                    continue
                assert reply.status in (403, 404), (name, reply.status, reply.body)
                assert theirs["msg_id"].encode() not in reply.body, (name, reply.body)
                seen += 1
        assert seen > 60, seen
        assert d.api("GET", f"/app/{theirs['app_id']}/endpoint").json() == before
        assert ask(d, token, "GET", f"/api/v1/app/{ours['app_id']}").status == 200
        # Nothing of the daemon's own API either.
        for path in ("/status", "/events", "/deliveries", "/destinations", "/config", "/keys",
                     "/session", "/tail", "/audit", "/definitions"):
            assert ask(d, token, "GET", "/api/v1" + path).status == 401, path
        assert ask(d, token, "GET", "/metrics").status == 401
    target.close()


def mutations(d, ids):
    for method, path, about in operations(d):
        if method != "GET" and "{app_id}" in path and about["operationId"] not in OPEN:
            body = BODIES.get(about["operationId"], BODY) if "requestBody" in about else None
            yield about["operationId"], method, fill(path, ids), body


def test_a_token_that_may_look_only_looks():
    target = Target()
    with Daemon(CONFIG) as d:
        ids = objects(d, target, "acme")
        token = access(d, "acme", readOnly=True)["token"]
        before = d.api("GET", "/app/acme/endpoint").json()
        tried = [name for name, method, path, body in mutations(d, ids)
                 if expect(ask(d, token, method, path, body), 403, name)]
        assert len(tried) > 15, tried
        base = f"/api/v1/app/{ids['app_id']}"
        expect(ask(d, token, "GET", f"{base}/endpoint/{ids['endpoint_id']}/secret"), 403, "secret")
        for path in ("/endpoint", f"/endpoint/{ids['endpoint_id']}", "/msg",
                     f"/msg/{ids['msg_id']}", f"/attempt/msg/{ids['msg_id']}",
                     f"/attempt/endpoint/{ids['endpoint_id']}"):
            expect(ask(d, token, "GET", base + path), 200, path)
        assert d.api("GET", "/app/acme/endpoint").json() == before
        # A token can't lengthen its own arm, but it can end itself.
        more = f"/api/v1/auth/app-portal-access/{ids['app_id']}"
        expect(ask(d, token, "POST", more, {}), 403, "more")
        expect(ask(d, token, "POST", "/api/v1/auth/logout"), 204, "logout")
        expect(ask(d, token, "GET", base + "/endpoint"), 401, "after the end")
    target.close()


def expect(reply, status, what):
    assert reply.status == status, (what, reply.status, reply.body)
    return True


def test_capabilities_are_what_they_say():
    target = Target()
    with Daemon(CONFIG) as d:
        ids = objects(d, target, "acme")
        ep = f"/api/v1/app/{ids['app_id']}/endpoint/{ids['endpoint_id']}"
        calls = {
            "ViewEndpointSecret": ("GET", ep + "/secret", None),
            "ManageEndpointSecret": ("POST", ep + "/secret/rotate", {}),
            "ManageEndpoint": ("PATCH", ep, {"description": "x"}),
            "CreateAttempts": ("POST", ep + "/send-example", {"eventType": "gaff.ping"}),
        }
        for given in calls:
            token = access(d, "acme", capabilities=["ViewBase", given])["token"]
            for needed, (method, path, body) in calls.items():
                status = ask(d, token, method, path, body).status
                assert (status < 300) == (needed == given), (given, needed, status)
        expect(ask(d, access(d, "acme", capabilities=[])["token"], "PATCH", ep, {}), 403, "none")
        access(d, "acme", code=422, capabilities=["Everything"])
        # Read-only wins over what else was asked for.
        both = access(d, "acme", readOnly=True, capabilities=["ManageEndpoint"])["token"]
        expect(ask(d, both, "PATCH", ep, {}), 403, "both")
    target.close()


def test_an_event_type_behind_a_flag_is_not_seen_without_it():
    target = Target()
    with Daemon(CONFIG) as d:
        ids = objects(d, target, "acme")
        schema = {"1": {"type": "object", "properties": {"hidden": {"type": "string"}}}}
        d.api("POST", "/event-type", {"name": "beta.thing", "description": "",
                                      "featureFlag": "beta", "schemas": schema})
        send = f"/api/v1/app/{ids['app_id']}/endpoint/{ids['endpoint_id']}/send-example"
        for flags, status in (([], 404), (["beta"], 200)):
            token = access(d, "acme", featureFlags=flags)["token"]
            assert ask(d, token, "GET", "/api/v1/event-type/beta.thing").status == status
            assert ask(d, token, "POST", send, {"eventType": "beta.thing"}).status == status
    target.close()


def test_the_page_is_framed_where_the_configuration_says():
    with Daemon(CONFIG) as d:
        page = d.request("GET", "/portal", headers={"Accept-Encoding": "gzip"}, base=d.admin)
        if page.status == 404 and b"no_dashboard" in page.body:
            raise Skip("built without the pages")
        policy = page.headers["Content-Security-Policy"]
        framed = "frame-ancestors https://app.example.com http://127.0.0.1:9000"
        assert policy.endswith(framed), policy
        assert "script-src 'self'" in policy and "require-trusted-types-for 'script'" in policy
        assert page.headers["Referrer-Policy"] == "no-referrer"
        dashboard = d.request("GET", "/", headers={"Accept-Encoding": "gzip"}, base=d.admin)
        assert dashboard.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    with Daemon("") as d:
        page = d.request("GET", "/portal", headers={"Accept-Encoding": "gzip"}, base=d.admin)
        assert page.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")


def test_the_link_leads_where_subscribers_come_from_and_stays_out_of_the_log():
    with Daemon('portal: { url: "https://hooks.example.org" }\n') as d:
        d.api("POST", "/app", {"name": "acme", "uid": "acme"})
        made = access(d, "acme")
        assert made["url"] == "https://hooks.example.org/portal#key=" + made["token"]
        claims = json.loads(base64.urlsafe_b64decode(made["token"].split(".")[1] + "=="))
        assert claims["exp"] - claims["iat"] == 12 * 3600, claims
        ask(d, made["token"], "GET", f"/api/v1/app/{claims['sub']}/endpoint")
        assert made["token"] not in d.log() and made["token"].split(".")[2] not in d.log()
    with Daemon("") as d:
        made = access(d, "acme", application={"name": "acme", "uid": "acme"}, expiry=60)
        assert made["url"].startswith(d.admin + "/portal#key="), made["url"]


if __name__ == "__main__":
    run(globals())
