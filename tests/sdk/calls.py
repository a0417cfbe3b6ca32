"""calls.py -- every operation of the sending API that needs a token as a call of Svix's package for
Python: as it is meant, with something wrong in it, and in the way of what is there."""
import datetime
import warnings

from svix.api import (ApplicationIn, ApplicationPatch, AppPortalAccessIn, AppUsageStatsIn,
                      BulkExpungeContentsIn, BulkReplayIn, EndpointHeadersIn,
                      EndpointHeadersPatchIn, EndpointIn, EndpointPatch, EndpointSecretRotateIn,
                      EndpointUpsertIn, EventExampleIn, EventTypeImportOpenApiIn, EventTypeIn,
                      EventTypePatch, EventTypeUpsertIn, MessageIn, MessagePrecheckIn,
                      OperationalWebhookEndpointHeadersIn, OperationalWebhookEndpointIn,
                      OperationalWebhookEndpointSecretIn, OperationalWebhookEndpointUpsertIn,
                      PollingEndpointConsumerSeekIn, RecoverIn, ReplayIn)
from svix.models import ApplicationTokenExpireIn
from svix.api.common import BaseOptions

# The package's models are passed by where something wrong is meant.
warnings.filterwarnings("ignore", module="pydantic")

SINCE = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
URL = "http://x.example"


class Query(BaseOptions):
    def __init__(self, **query):
        self.query = query

    def _query_params(self):
        return {name: str(value) for name, value in self.query.items()}


class Key(BaseOptions):
    def __init__(self, key):
        self.key = key

    def _header_params(self):
        return {"idempotency-key": self.key}


LONG = Query(limit=300)  # more than a page may have


def wrong(model, **members):
    """A body that the package itself would not make."""
    return model.model_construct(_fields_set=set(members), **members)


def listeners_of(s):
    return s.operational_webhook.endpoint


def applications(app):
    return [
        ("application.list", lambda s: s.application.list(), lambda s: s.application.list(LONG)),
        ("application.create", lambda s: s.application.create(ApplicationIn(name="n")),
         lambda s: s.application.create(ApplicationIn(name=""))),
        ("application.get_or_create",
         lambda s: s.application.get_or_create(ApplicationIn(name="n", uid="n")), None),
        ("application.get", lambda s: s.application.get(app), None),
        ("application.upsert", lambda s: s.application.upsert(app, ApplicationIn(name="mine")),
         lambda s: s.application.upsert(app, wrong(ApplicationIn, name=5))),
        ("application.patch", lambda s: s.application.patch(app, ApplicationPatch(name="mine")),
         lambda s: s.application.patch(app, ApplicationPatch(throttle_rate=-1))),
        ("application.delete", lambda s: s.application.delete(app), None),
    ]


def event_types():
    return [
        ("event_type.list", lambda s: s.event_type.list(), lambda s: s.event_type.list(LONG)),
        ("event_type.create", lambda s: s.event_type.create(EventTypeIn(name="t", description="")),
         lambda s: s.event_type.create(EventTypeIn(name="no word", description=""))),
        ("event_type.import_openapi",
         lambda s: s.event_type.import_openapi(EventTypeImportOpenApiIn(spec={"webhooks": {}})),
         lambda s: s.event_type.import_openapi(wrong(EventTypeImportOpenApiIn, spec=5))),
        ("event_type.get", lambda s: s.event_type.get("user.created"), None),
        ("event_type.patch", lambda s: s.event_type.patch("user.created", EventTypePatch()),
         lambda s: s.event_type.patch("user.created", wrong(EventTypePatch, description=5))),
        ("event_type.delete", lambda s: s.event_type.delete("user.created"), None),
        ("event_type.upsert",
         lambda s: s.event_type.upsert("own", EventTypeUpsertIn(description="")),
         lambda s: s.event_type.upsert("own", wrong(EventTypeUpsertIn, description=5))),
    ]


def endpoints(app):
    example, since = EventExampleIn(event_type="svix.ping"), wrong(RecoverIn, since="yesterday")
    return [
        ("endpoint.list", lambda s: s.endpoint.list(app), lambda s: s.endpoint.list(app, LONG)),
        ("endpoint.create", lambda s: s.endpoint.create(app, EndpointIn(url=URL)),
         lambda s: s.endpoint.create(app, EndpointIn(url="ftp://x"))),
        ("endpoint.get", lambda s: s.endpoint.get(app, "e"), None),
        ("endpoint.upsert", lambda s: s.endpoint.upsert(app, "e", EndpointUpsertIn(url=URL)),
         lambda s: s.endpoint.upsert(app, "e", wrong(EndpointUpsertIn, url=5))),
        ("endpoint.patch", lambda s: s.endpoint.patch(app, "e", EndpointPatch()),
         lambda s: s.endpoint.patch(app, "e", wrong(EndpointPatch, url=None))),
        ("endpoint.delete", lambda s: s.endpoint.delete(app, "e"), None),
        ("endpoint.get_secret", lambda s: s.endpoint.get_secret(app, "e"), None),
        ("endpoint.rotate_secret",
         lambda s: s.endpoint.rotate_secret(app, "e", EndpointSecretRotateIn()),
         lambda s: s.endpoint.rotate_secret(app, "e", EndpointSecretRotateIn(key="no key"))),
        ("endpoint.get_headers", lambda s: s.endpoint.get_headers(app, "e"), None),
        ("endpoint.set_headers",
         lambda s: s.endpoint.set_headers(app, "e", EndpointHeadersIn(headers={})),
         lambda s: s.endpoint.set_headers(app, "e", EndpointHeadersIn(headers={"Host": "x"}))),
        ("endpoint.patch_headers",
         lambda s: s.endpoint.patch_headers(app, "e", EndpointHeadersPatchIn(headers={})),
         lambda s: s.endpoint.patch_headers(
             app, "e", EndpointHeadersPatchIn(headers={"svix-id": "x"}))),
        ("endpoint.get_stats", lambda s: s.endpoint.get_stats(app, "e"), None),
        ("endpoint.send_example", lambda s: s.endpoint.send_example(app, "e", example),
         lambda s: s.endpoint.send_example(app, "e", EventExampleIn(event_type="no word"))),
        ("endpoint.get_attempt_stats", lambda s: s.endpoint.get_attempt_stats(app, "e"), None),
        ("endpoint.recover", lambda s: s.endpoint.recover(app, "e", RecoverIn(since=SINCE)),
         lambda s: s.endpoint.recover(app, "e", since)),
        ("endpoint.replay_missing",
         lambda s: s.endpoint.replay_missing(app, "e", ReplayIn(since=SINCE)),
         lambda s: s.endpoint.replay_missing(app, "e", since)),
        ("endpoint.bulk_replay",
         lambda s: s.endpoint.bulk_replay(app, "e", BulkReplayIn(since=SINCE)),
         lambda s: s.endpoint.bulk_replay(
             app, "e", BulkReplayIn(since=SINCE, channel="no word"))),
    ]


def messages(app, msg):
    seek = PollingEndpointConsumerSeekIn(after=SINCE)
    nobody = PollingEndpointConsumerSeekIn.model_construct(after="yesterday")
    return [
        ("message.create",
         lambda s: s.message.create(app, MessageIn(event_type="x", payload={})),
         lambda s: s.message.create(app, wrong(MessageIn, event_type="x", payload="text"))),
        ("message.list", lambda s: s.message.list(app), lambda s: s.message.list(app, LONG)),
        ("message.get", lambda s: s.message.get(app, msg), None),
        ("message.precheck", lambda s: s.message.precheck(app, MessagePrecheckIn(event_type="x")),
         lambda s: s.message.precheck(app, MessagePrecheckIn(event_type="no word"))),
        ("message.expunge_content", lambda s: s.message.expunge_content(app, msg), None),
        ("message.bulk_expunge_content",
         lambda s: s.message.bulk_expunge_content(app, BulkExpungeContentsIn(ids=[msg])),
         lambda s: s.message.bulk_expunge_content(app, BulkExpungeContentsIn(ids=[]))),
        ("message.expunge_all_contents", lambda s: s.message.expunge_all_contents(app), None),
        ("message.poller.poll", lambda s: s.message.poller.poll(app, "sink"),
         lambda s: s.message.poller.poll(app, "e", LONG)),
        ("message.poller.consumer_poll",
         lambda s: s.message.poller.consumer_poll(app, "sink", "one"),
         lambda s: s.message.poller.consumer_poll(app, "e", "one", LONG)),
        ("message.poller.consumer_seek",
         lambda s: s.message.poller.consumer_seek(app, "sink", "one", seek),
         lambda s: s.message.poller.consumer_seek(app, "e", "one", nobody)),
    ]


def attempts(app, msg):
    return [
        ("message_attempt.list_by_msg", lambda s: s.message_attempt.list_by_msg(app, msg),
         lambda s: s.message_attempt.list_by_msg(app, msg, LONG)),
        ("message_attempt.list_by_endpoint",
         lambda s: s.message_attempt.list_by_endpoint(app, "e"),
         lambda s: s.message_attempt.list_by_endpoint(app, "e", LONG)),
        ("message_attempt.get", lambda s: s.message_attempt.get(app, msg, "atmpt_1"), None),
        ("message_attempt.expunge_content",
         lambda s: s.message_attempt.expunge_content(app, msg, "atmpt_1"), None),
        ("message_attempt.resend", lambda s: s.message_attempt.resend(app, msg, "e"), None),
        ("message_attempt.list_attempted_messages",
         lambda s: s.message_attempt.list_attempted_messages(app, "e"),
         lambda s: s.message_attempt.list_attempted_messages(app, "e", LONG)),
        ("message_attempt.list_attempted_destinations",
         lambda s: s.message_attempt.list_attempted_destinations(app, msg),
         lambda s: s.message_attempt.list_attempted_destinations(app, msg, LONG)),
    ]


def listeners(listener):
    endpoint, upsert = OperationalWebhookEndpointIn, OperationalWebhookEndpointUpsertIn
    headers, secret = OperationalWebhookEndpointHeadersIn, OperationalWebhookEndpointSecretIn
    return [
        ("listener.list", lambda s: listeners_of(s).list(), lambda s: listeners_of(s).list(LONG)),
        ("listener.create", lambda s: listeners_of(s).create(endpoint(url=URL)),
         lambda s: listeners_of(s).create(endpoint(url="ftp://x"))),
        ("listener.get", lambda s: listeners_of(s).get(listener), None),
        ("listener.upsert", lambda s: listeners_of(s).upsert("own", upsert(url=URL)),
         lambda s: listeners_of(s).upsert(listener, wrong(upsert, url=5))),
        ("listener.delete", lambda s: listeners_of(s).delete(listener), None),
        ("listener.get_secret", lambda s: listeners_of(s).get_secret(listener), None),
        ("listener.rotate_secret", lambda s: listeners_of(s).rotate_secret(listener, secret()),
         lambda s: listeners_of(s).rotate_secret(listener, secret(key="no key"))),
        ("listener.get_headers", lambda s: listeners_of(s).get_headers(listener), None),
        ("listener.set_headers",
         lambda s: listeners_of(s).set_headers(listener, headers(headers={})),
         lambda s: listeners_of(s).set_headers(listener, headers(headers={"Host": "x"}))),
    ]


def others(app):
    return [
        ("background_task.list", lambda s: s.background_task.list(),
         lambda s: s.background_task.list(LONG)),
        ("background_task.get", lambda s: s.background_task.get("qtask_1"), None),
        ("statistics.aggregate_app_stats",
         lambda s: s.statistics.aggregate_app_stats(AppUsageStatsIn(since=SINCE, until=SINCE)),
         lambda s: s.statistics.aggregate_app_stats(
             wrong(AppUsageStatsIn, since=SINCE, until="yesterday"))),
        ("statistics.aggregate_event_types", lambda s: s.statistics.aggregate_event_types(), None),
        ("authentication.app_portal_access",
         lambda s: s.authentication.app_portal_access(app, AppPortalAccessIn()),
         lambda s: s.authentication.app_portal_access(
             app, wrong(AppPortalAccessIn, feature_flags=5))),
        ("authentication.expire_all",
         lambda s: s.authentication.expire_all(app, ApplicationTokenExpireIn()), None),
    ]


def every_call(app, msg, listener):
    """(name, as it is meant, with something wrong or None: it has no body and no page)"""
    return [*applications(app), *event_types(), *endpoints(app), *messages(app, msg),
            *attempts(app, msg), *listeners(listener), *others(app)]


# What is made or listed in the organisation of who asks, whoever has the same elsewhere.
OWN = {"application.list", "application.create", "application.get_or_create", "application.upsert",
       "event_type.list", "event_type.create", "event_type.upsert", "event_type.import_openapi",
       "background_task.list", "listener.list", "listener.create", "listener.upsert",
       "statistics.aggregate_app_stats", "statistics.aggregate_event_types"}


def taken_names():
    """Names that something else has: "first" and "second" are applications, "e" and "f"
    endpoints, "pager" and "other" those of operational webhooks."""
    return [
        lambda s: s.application.create(ApplicationIn(name="x", uid="first")),
        lambda s: s.application.upsert("second", ApplicationIn(name="x", uid="first")),
        lambda s: s.application.patch("second", ApplicationPatch(uid="first")),
        lambda s: s.event_type.create(EventTypeIn(name="user.created", description="")),
        lambda s: s.endpoint.create("first", EndpointIn(url=URL, uid="e")),
        lambda s: s.endpoint.upsert("first", "f", EndpointUpsertIn(url=URL, uid="e")),
        lambda s: s.endpoint.patch("first", "f", EndpointPatch(uid="e")),
        lambda s: s.message.create("first", MessageIn(event_type="x", payload={},
                                                      event_id="once")),
        lambda s: listeners_of(s).create(OperationalWebhookEndpointIn(url=URL, uid="pager")),
        lambda s: listeners_of(s).upsert("other", OperationalWebhookEndpointUpsertIn(
            url=URL, uid="pager")),
    ]


def keyed_calls(listener):
    """POSTs under a key (o), of which the second (n) asks for something else than the first."""
    def later(n):
        return SINCE + datetime.timedelta(seconds=n)
    return [
        lambda s, o, n: s.application.create(ApplicationIn(name=f"key {n}"), o),
        lambda s, o, n: s.event_type.create(EventTypeIn(name=f"k.{n}", description=""), o),
        lambda s, o, n: s.event_type.import_openapi(
            EventTypeImportOpenApiIn(spec={"webhooks": {f"i.{n}": {}}}), o),
        lambda s, o, n: s.endpoint.create("first", EndpointIn(url=f"{URL}/{n}"), o),
        lambda s, o, n: s.endpoint.rotate_secret(
            "first", "e", EndpointSecretRotateIn(grace_period_seconds=n), o),
        lambda s, o, n: s.endpoint.send_example(
            "first", "e", EventExampleIn(event_type="user.created" if n else "svix.ping"), o),
        lambda s, o, n: s.endpoint.recover("first", "e", RecoverIn(since=later(n)), o),
        lambda s, o, n: s.endpoint.replay_missing("first", "e", ReplayIn(since=later(n)), o),
        lambda s, o, n: s.endpoint.bulk_replay("first", "e", BulkReplayIn(since=later(n)), o),
        lambda s, o, n: s.statistics.aggregate_app_stats(
            AppUsageStatsIn(since=SINCE, until=later(n)), o),
        lambda s, o, n: s.message.create("first", MessageIn(event_type="x", payload={"n": n}), o),
        lambda s, o, n: listeners_of(s).create(OperationalWebhookEndpointIn(url=f"{URL}/{n}"), o),
        lambda s, o, n: listeners_of(s).rotate_secret(
            listener, OperationalWebhookEndpointSecretIn(grace_period_seconds=n), o),
    ]
