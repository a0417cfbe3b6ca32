"""sending.py -- Svix's package for Python against the sending API: run by sending.mjs with the
daemon's address and a sink's; prints `ok NAME` or `FAIL NAME: why` for each test."""
import datetime
import os
import sys
import time
import traceback

from svix.api import (ApplicationIn, ApplicationPatch, AppPortalAccessIn, AppUsageStatsIn,
                      BulkExpungeContentsIn, BulkReplayIn, EndpointHeadersIn,
                      EndpointHeadersPatchIn, EndpointIn, EndpointPatch, EndpointSecretRotateIn,
                      EndpointUpsertIn, EventExampleIn, EventTypeImportOpenApiIn, EventTypeIn,
                      EventTypePatch, EventTypeUpsertIn, MessageIn, MessageListOptions,
                      MessagePrecheckIn, OperationalWebhookEndpointHeadersIn,
                      OperationalWebhookEndpointIn, OperationalWebhookEndpointSecretIn,
                      OperationalWebhookEndpointUpsertIn, PollingEndpointConsumerSeekIn, RecoverIn,
                      ReplayIn, Svix, SvixOptions)
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import ApplicationTokenExpireIn

import calls

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
    assert svix.application.get_or_create(ApplicationIn(name="x", uid="first")).id == app.id
    assert svix.application.upsert("first", ApplicationIn(name="1", uid="first")).name == "1"
    assert svix.application.patch("first", ApplicationPatch(name="1st")).name == "1st"
    assert [one.uid for one in svix.application.list().data] == ["first"]
    assert not stranger.application.list().data


def event_types():
    types = svix.event_type
    example = {"1": {"type": "object", "example": {"a": 1}}}
    types.create(EventTypeIn(name="user.created", description="made", schemas=example))
    refused(404, lambda: types.get("no.such"))
    assert types.patch("user.created", EventTypePatch(description="d")).description == "d"
    assert types.list().data[0].name == "user.created"
    assert types.upsert("user.gone", EventTypeUpsertIn(description="gone")).name == "user.gone"
    types.delete("user.gone")
    assert types.get("user.gone").archived
    document = {"webhooks": {"order.paid": {"post": {"description": "paid"}}}}
    types.import_openapi(EventTypeImportOpenApiIn(spec=document))
    assert types.get("order.paid").description == "paid"


def endpoints():
    made = svix.endpoint.create("first", EndpointIn(url=SINK + "/python", uid="e"))
    assert svix.endpoint.get("first", "e").id == made.id
    other = svix.endpoint.upsert("first", "f", EndpointUpsertIn(url=SINK + "/other", uid="f"))
    assert other.id != made.id
    patched = svix.endpoint.patch("first", "e", EndpointPatch(description="d"))
    assert patched.description == "d" and len(svix.endpoint.list("first").data) == 2
    first = svix.endpoint.get_secret("first", "e").key
    svix.endpoint.rotate_secret("first", "e", EndpointSecretRotateIn())
    assert svix.endpoint.get_secret("first", "e").key != first
    svix.endpoint.set_headers("first", "e", EndpointHeadersIn(headers={"X-One": "1"}))
    svix.endpoint.patch_headers("first", "e", EndpointHeadersPatchIn(headers={"X-Two": "2"}))
    assert svix.endpoint.get_headers("first", "e").headers == {"X-One": "1", "X-Two": "2"}


def messages():
    sent = svix.message.create("first", MessageIn(event_type="user.created", payload={"n": 1},
                                                  event_id="once"))
    refused(404, lambda: svix.message.create("no", MessageIn(event_type="x", payload={})))
    assert svix.message.precheck("first", MessagePrecheckIn(event_type="user.created")).active
    assert svix.message.get("first", "once").id == sent.id
    page = svix.message.list("first", MessageListOptions(limit=1))
    assert page.data[0].id == sent.id and page.done
    found = until(lambda: [one for one in svix.message_attempt.list_by_msg("first", sent.id).data
                           if one.endpoint_id == svix.endpoint.get("first", "e").id])
    assert found[0].response_status_code == 204, found[0]
    assert svix.message_attempt.get("first", sent.id, found[0].id).id == found[0].id
    assert svix.message_attempt.list_by_endpoint("first", "e").data
    assert svix.message_attempt.list_attempted_messages("first", "e").data[0].id == sent.id
    until(lambda: len(svix.message_attempt.list_attempted_destinations("first", sent.id).data) == 2)
    svix.message_attempt.resend("first", sent.id, "e")
    until(lambda: len(svix.message_attempt.list_by_endpoint("first", "e").data) == 2)
    assert svix.endpoint.get_stats("first", "e").success >= 1
    counted = svix.endpoint.get_attempt_stats("first", "e")
    assert (counted.success, counted.fail, counted.canceled) == (2, 0, 0), counted


def jobs():
    since = calls.SINCE
    for make in (lambda: svix.endpoint.recover("first", "e", RecoverIn(since=since)),
                 lambda: svix.endpoint.replay_missing("first", "e", ReplayIn(since=since)),
                 lambda: svix.endpoint.bulk_replay("first", "e", BulkReplayIn(since=since))):
        task = make()
        assert task.id.startswith("qtask_"), task
        until(lambda: svix.background_task.get(task.id).status == "finished")
    assert len(svix.background_task.list().data) == 3
    task = svix.statistics.aggregate_app_stats(AppUsageStatsIn(
        since=since, until=datetime.datetime.now(datetime.timezone.utc), app_ids=["first", "no"]))
    assert task.unresolved_app_ids == ["no"], task
    done = until(lambda: [one for one in (svix.background_task.get(task.id),)
                          if one.status == "finished"])[0]
    assert done.data["appStats"][0]["appUid"] == "first", done
    assert svix.statistics.aggregate_event_types().task == "event-type.aggregate"
    sent = svix.endpoint.send_example("first", "e", EventExampleIn(event_type="user.created"))
    assert sent.event_type == "user.created", sent


def pollers():
    poller = svix.message.poller
    seen = until(lambda: (page := poller.poll("first", "e")).done and page.data)
    assert seen[0].id == svix.message.get("first", "once").id
    one = poller.consumer_poll("first", "e", "worker", calls.Query(limit=1))
    assert one.data[0].id == seen[0].id, one
    place = poller.consumer_seek("first", "e", "worker",
                                 PollingEndpointConsumerSeekIn(after=datetime.datetime.now(
                                     datetime.timezone.utc) + datetime.timedelta(days=1)))
    assert place.iterator.startswith("msg_"), place
    assert not poller.consumer_poll("first", "e", "worker").data


def listeners():
    endpoint = svix.operational_webhook.endpoint
    made = endpoint.create(OperationalWebhookEndpointIn(url=SINK + "/ops", uid="pager"))
    own = endpoint.upsert("own", OperationalWebhookEndpointUpsertIn(url=SINK, uid="own"))
    assert endpoint.get("pager").id == made.id != own.id and len(endpoint.list().data) == 2
    endpoint.set_headers("pager", OperationalWebhookEndpointHeadersIn(headers={"X-Team": "ops"}))
    assert endpoint.get_headers("pager").headers == {"X-Team": "ops"}
    key = endpoint.get_secret("pager").key
    endpoint.rotate_secret("pager", OperationalWebhookEndpointSecretIn())
    assert endpoint.get_secret("pager").key != key
    endpoint.delete("own")
    refused(404, lambda: endpoint.get("own"))


def refusals():
    svix.application.create(ApplicationIn(name="two", uid="second"))
    svix.operational_webhook.endpoint.create(OperationalWebhookEndpointIn(url=SINK, uid="other"))
    listener, msg = svix.operational_webhook.endpoint.get("pager").id, "once"
    for call in calls.taken_names():
        refused(409, lambda: call(svix))
    for i, call in enumerate(calls.keyed_calls(listener)):
        for n in (0, 0):  # as it was: answered as it was
            call(svix, calls.Key(f"key {i}"), n)
        assert refused(409, lambda: call(svix, calls.Key(f"key {i}"), 1)).code == \
            "idempotency_conflict", i
        for n in (2, 3):  # what the package makes itself is not bound to a body
            call(svix, calls.Key(f"auto_{i}"), n)
    for name, _, wrong in calls.every_call("first", msg, listener):
        if wrong:
            fault = refused(422, lambda: wrong(svix)).detail[0]
            assert fault.loc[0] in ("body", "query") and len(fault.loc) > 1 and fault.msg, name
    svix.application.delete("second")


def tenants():
    app, listener = svix.application.get("first").id, svix.operational_webhook.endpoint.get("pager")
    for name, call, _ in calls.every_call(app, svix.message.get("first", "once").id, listener.id):
        refused(401, lambda: call(nobody))
        if name not in calls.OWN:
            refused(404, lambda: call(stranger))
    portal = svix.authentication.app_portal_access("first", AppPortalAccessIn())
    subscriber = Svix(portal.token, OPTIONS)
    assert subscriber.endpoint.list(app).data
    refused(403, subscriber.application.list)
    subscriber.authentication.logout()
    refused(401, subscriber.authentication.logout)
    portal = svix.authentication.app_portal_access("first", AppPortalAccessIn())
    svix.authentication.expire_all("first", ApplicationTokenExpireIn())
    refused(401, lambda: Svix(portal.token, OPTIONS).endpoint.list(app))


def ends():
    sent = svix.message.get("first", "once").id
    attempt = svix.message_attempt.list_by_msg("first", sent).data[0]
    svix.message_attempt.expunge_content("first", sent, attempt.id)
    svix.message.expunge_content("first", sent)
    refused(400, lambda: svix.message_attempt.resend("first", sent, "e"))
    ids = BulkExpungeContentsIn(ids=["nobody"])
    assert svix.message.bulk_expunge_content("first", ids).results == {"nobody": "not-found"}
    task = svix.message.expunge_all_contents("first")
    until(lambda: svix.background_task.get(task.id).status == "finished")
    svix.health.get()
    svix.endpoint.delete("first", "e")
    svix.application.delete("first")
    refused(404, lambda: svix.application.get("first"))


for one in (applications, event_types, endpoints, messages, jobs, pollers, listeners, refusals,
            tenants, ends):
    test(one.__name__, one)
sys.exit(0)
