"""sending.py -- Svix's package for Python against the sending API: run by sending.mjs with the
daemon's address and a sink's; prints `ok NAME` or `FAIL NAME: why` for each test."""
import datetime
import os
import sys
import time
import traceback

from svix.api import (ApplicationIn, ApplicationPatch, EndpointHeadersIn, EndpointIn, EndpointPatch,
                      EndpointSecretRotateIn, EventTypeIn, EventTypePatch, MessageIn,
                      MessageListOptions, RecoverIn, Svix, SvixOptions)
from svix.exceptions import HttpError, HTTPValidationError

SERVER, SINK = sys.argv[1:3]
OPTIONS = SvixOptions(server_url=SERVER)
svix = Svix(os.environ["TOKEN"], OPTIONS)
stranger = Svix(os.environ["STRANGER"], OPTIONS)
nobody = Svix("nonsense", OPTIONS)
failed = 0


def test(name, fn):
    global failed
    try:
        fn()
        print("ok", name, flush=True)
    except Exception as why:  # each is told, none ends the rest
        failed += 1
        traceback.print_exc()
        print(f"FAIL {name}: {type(why).__name__} {why}".replace("\n", " "), flush=True)


def refused(status, fn):
    try:
        fn()
    except (HttpError, HTTPValidationError) as error:
        got = getattr(error, "status_code", 422)
        assert got == status, f"{got}, not {status}: {error}"
        return error
    raise AssertionError(f"it went through, where {status} was due")


def until(fn):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        value = fn()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("never happened")


def applications():
    app = svix.application.create(ApplicationIn(name="First", uid="first"))
    assert svix.application.get("first").id == app.id
    refused(409, lambda: svix.application.create(ApplicationIn(name="x", uid="first")))
    refused(422, lambda: svix.application.create(ApplicationIn(name="")))
    assert svix.application.patch("first", ApplicationPatch(name="1st")).name == "1st"
    assert [one.uid for one in svix.application.list().data] == ["first"]
    assert not stranger.application.list().data
    for call in (lambda s: s.application.get(app.id), lambda s: s.application.delete(app.id),
                 lambda s: s.application.patch(app.id, ApplicationPatch(name="x")),
                 lambda s: s.endpoint.list(app.id), lambda s: s.message.list(app.id)):
        refused(401, lambda: call(nobody))
        refused(404, lambda: call(stranger))


def event_types():
    svix.event_type.create(EventTypeIn(name="user.created", description="made"))
    refused(409, lambda: svix.event_type.create(EventTypeIn(name="user.created", description="")))
    refused(404, lambda: svix.event_type.get("no.such"))
    assert svix.event_type.patch("user.created", EventTypePatch(description="d")).description == "d"
    assert svix.event_type.list().data[0].name == "user.created"


def endpoints():
    made = svix.endpoint.create("first", EndpointIn(url=SINK + "/python", uid="e"))
    assert svix.endpoint.get("first", "e").id == made.id
    refused(409, lambda: svix.endpoint.create("first", EndpointIn(url=SINK, uid="e")))
    refused(422, lambda: svix.endpoint.create("first", EndpointIn(url="ftp://x")))
    refused(404, lambda: svix.endpoint.get("first", "no"))
    patched = svix.endpoint.patch("first", "e", EndpointPatch(description="d"))
    assert patched.description == "d" and svix.endpoint.list("first").data[0].uid == "e"
    first = svix.endpoint.get_secret("first", "e").key
    svix.endpoint.rotate_secret("first", "e", EndpointSecretRotateIn())
    assert svix.endpoint.get_secret("first", "e").key != first
    update = getattr(svix.endpoint, "update_headers", None) or svix.endpoint.set_headers
    update("first", "e", EndpointHeadersIn(headers={"X-One": "1"}))
    assert svix.endpoint.get_headers("first", "e").headers == {"X-One": "1"}


def messages():
    sent = svix.message.create("first", MessageIn(event_type="user.created", payload={"n": 1},
                                                  event_id="once"))
    refused(409, lambda: svix.message.create(
        "first", MessageIn(event_type="user.created", payload={}, event_id="once")))
    refused(404, lambda: svix.message.create("no", MessageIn(event_type="x", payload={})))
    assert svix.message.get("first", "once").id == sent.id
    page = svix.message.list("first", MessageListOptions(limit=1))
    assert page.data[0].id == sent.id and page.done
    found = until(lambda: svix.message_attempt.list_by_msg("first", sent.id).data)
    assert found[0].response_status_code == 204, found[0]
    assert svix.message_attempt.get("first", sent.id, found[0].id).id == found[0].id
    assert svix.message_attempt.list_by_endpoint("first", "e").data
    svix.message_attempt.resend("first", sent.id, "e")
    until(lambda: svix.endpoint.get_stats("first", "e").success == 1)
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    task = svix.endpoint.recover("first", "e", RecoverIn(since=since))
    assert task.id.startswith("qtask_")
    svix.endpoint.delete("first", "e")
    svix.application.delete("first")
    refused(404, lambda: svix.application.get("first"))


for one in (applications, event_types, endpoints, messages):
    test(one.__name__, one)
sys.exit(0)
