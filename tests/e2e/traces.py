#!/usr/bin/env python3
"""traces.py -- W3C Trace Context carried through, and spans told to a collector by OTLP over HTTP
in JSON. The collector here is strict: every key and type it does not know from the protocol's
definition (opentelemetry/proto/trace/v1/trace.proto) fails the test."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "rojo=1, congo=2"}


def config(url, extra=""):
    return ("sources: { hooks: { provider: none } }\n"
            f"destinations: {{ there: {{ http: {{ url: {url} }}, {extra} }} }}\n"
            "routes: [ { name: all, from: hooks, to: [there] } ]\n")


# ---- the collector ----

def hex_id(value, length):
    assert isinstance(value, str) and re.fullmatch("[0-9a-f]{%d}" % length, value), value
    assert set(value) != {"0"}, value


def attributes(items):
    out = {}
    for item in items:
        assert set(item) == {"key", "value"}, item
        (kind, value), = item["value"].items()
        assert kind in ("stringValue", "intValue") and isinstance(value, str), item
        out[item["key"]] = int(value) if kind == "intValue" else value
    return out


def read_span(raw):
    assert set(raw) <= {"traceId", "spanId", "traceState", "parentSpanId", "name", "kind",
                        "startTimeUnixNano", "endTimeUnixNano", "attributes", "links",
                        "status"}, raw
    hex_id(raw["traceId"], 32)
    hex_id(raw["spanId"], 16)
    if "parentSpanId" in raw:
        hex_id(raw["parentSpanId"], 16)
    for link in raw.get("links", []):
        assert set(link) == {"traceId", "spanId"}, link
        hex_id(link["traceId"], 32)
        hex_id(link["spanId"], 16)
    assert isinstance(raw["name"], str) and raw["name"]
    assert raw["kind"] in (2, 3, 4, 5), raw
    for key in ("startTimeUnixNano", "endTimeUnixNano"):
        assert isinstance(raw[key], str) and raw[key].isdigit(), raw
    assert int(raw["endTimeUnixNano"]) >= int(raw["startTimeUnixNano"]) > 1.6e18, raw
    assert set(raw.get("status", {})) <= {"code", "message"}, raw
    return {**raw, "attributes": attributes(raw["attributes"])}


class Collector(Target):
    def __init__(self, answer=None):
        self.spans, self.resources, self.problems = [], [], []
        self.answer = answer or (lambda request, count: (200, {}, b"{}"))
        super().__init__(self.take)

    def take(self, request, count):
        answer = self.answer(request, count)
        try:
            assert request["headers"]["Content-Type"] == "application/json"
            body = json.loads(request["body"])
            assert set(body) == {"resourceSpans"}, body
            for resource in body["resourceSpans"]:
                assert set(resource) == {"resource", "scopeSpans"}, resource
                assert set(resource["resource"]) == {"attributes"}, resource
                self.resources.append(attributes(resource["resource"]["attributes"]))
                for scope in resource["scopeSpans"]:
                    assert set(scope) == {"scope", "spans"}, scope
                    assert scope["scope"]["name"] == "gaff" and scope["scope"]["version"]
                    spans = [read_span(s) for s in scope["spans"]]
                    if answer[0] == 200:
                        self.spans += spans
        except Exception as problem:
            self.problems.append(repr(problem))
        return answer

    def wait(self, count):
        until(lambda: len(self.spans) >= count or self.problems, f"{count} spans")
        assert not self.problems, self.problems
        return self.spans

    def env(self, **more):
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "20", **more}


def only(spans, kind, count=1):
    found = [s for s in spans if s["kind"] == kind]
    assert len(found) == count, (kind, spans)
    return found if count > 1 else found[0]


def metric(d, name):
    text = d.request("GET", "/metrics", base=d.admin,
                     headers={"Authorization": "Bearer " + d.token()}).body.decode()
    return int(re.search(r"^gaff_%s (\d+)$" % name, text, re.M).group(1))


# ---- what is carried through ----

def test_without_a_collector_the_context_is_passed_on_as_it_came():
    target = Target()
    with Daemon(config(target.url)) as d:
        d.post("/in/hooks", b"{}", SENT)
        until(lambda: target.requests, "the delivery")
        got = target.requests[0]["headers"]
        assert got["traceparent"] == SENT["traceparent"], got
        assert got["tracestate"] == "rojo=1,congo=2", got
        d.post("/in/hooks", b'{"n":1}')
        d.post("/in/hooks", b'{"n":2}', {"traceparent": "00-" + "0" * 32 + "-" + SPAN + "-01"})
        until(lambda: len(target.requests) == 3, "the others")
        for request in target.requests[1:]:
            assert request["headers"]["traceparent"] is None
    target.close()


def test_a_command_finds_it_in_its_environment():
    with Daemon("sources: { hooks: { provider: none, insecure: true } }\n"
                "destinations: { run: { exec: { command: [/bin/sh, -c, "
                "'echo $TRACEPARENT/$TRACESTATE > out.tmp; mv out.tmp out'], "
                "cwd: . } } }\n"
                "routes: [ { name: all, from: hooks, to: [run] } ]\n") as d:
        event = d.post("/in/hooks", b"{}", SENT).json()["id"]
        d.settled(event)
        with open(d.path("out"), encoding="ascii") as f:
            assert f.read().strip() == SENT["traceparent"] + "/rojo=1,congo=2"


# ---- what is told ----

def test_the_spans_of_an_event_form_one_trace():
    target, collector = Target(), Collector()
    env = collector.env(OTEL_SERVICE_NAME="hooks-eu", OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b",
                        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,"
                                                 "service.name=other")
    with Daemon(config(target.url), env=env) as d:
        event = d.post("/in/hooks", b"{}", SENT).json()["id"]
        spans = collector.wait(4)
        server, publish = only(spans, 2), only(spans, 4)
        process, client = only(spans, 5), only(spans, 3)
        assert {s["traceId"] for s in spans} == {TRACE}
        assert len({s["spanId"] for s in spans}) == 4
        assert server["parentSpanId"] == SPAN and publish["parentSpanId"] == server["spanId"]
        assert process["parentSpanId"] == publish["spanId"]
        assert client["parentSpanId"] == process["spanId"]
        assert {s["traceState"] for s in spans} == {"rojo=1,congo=2"}
        assert server["name"] == "POST /in/hooks" and publish["name"] == "publish hooks"
        assert process["name"] == "process all" and client["name"] == "POST"
        assert server["attributes"]["http.response.status_code"] == 200
        assert server["attributes"]["gaff.event.id"] == event
        assert process["attributes"]["messaging.message.id"] == event
        assert client["attributes"]["server.address"] == "127.0.0.1"
        assert client["attributes"]["server.port"] == target.port
        assert not any("status" in s for s in spans)
        # The receiver's own span is to be a child of the request it got.
        sent = target.requests[0]["headers"]["traceparent"]
        assert sent == f"00-{TRACE}-{client['spanId']}-01", sent
        assert collector.resources[0]["service.name"] == "hooks-eu"
        assert collector.resources[0]["deployment.environment.name"] == "test"
        request = collector.requests[0]
        assert request["path"] == "/v1/traces" and request["headers"]["x-key"] == "a b"
        until(lambda: metric(d, "spans_exported_total") == 4, "the metric")
        assert metric(d, "spans_dropped_total") == 0
        assert "a b" not in d.log() and "a%20b" not in d.log()
    target.close()
    collector.close()


def test_a_message_goes_on_with_the_trace_of_the_request_that_made_it():
    target, collector = Target(), Collector()
    with Daemon("sending: { policy: private }\n", env=collector.env()) as d:
        assert d.api("POST", "/app", {"name": "acme", "uid": "acme"}).status == 201
        assert d.api("POST", "/app/acme/endpoint", {"url": target.url}).status == 201
        reply = d.request("POST", "/api/v1/app/acme/msg",
                          b'{"eventType":"user.created","payload":{}}',
                          {"Authorization": "Bearer " + d.token(), **SENT}, base=d.admin)
        assert reply.status == 202, reply.body
        spans = collector.wait(3)
        assert {s["traceId"] for s in spans} == {TRACE}
        assert only(spans, 4)["parentSpanId"] == SPAN
        sent = target.requests[0]["headers"]
        assert sent["traceparent"] == f"00-{TRACE}-{only(spans, 3)['spanId']}-01"
        assert sent["tracestate"] == "rojo=1,congo=2"
    target.close()
    collector.close()


def test_a_retry_is_linked_to_the_attempt_before():
    target = Target(lambda request, count: (503 if count == 1 else 200, {}, b""))
    collector = Collector()
    with Daemon(config(target.url, "retry: { schedule: [1ms] }"), env=collector.env()) as d:
        d.settled(d.post("/in/hooks", b"{}").json()["id"])
        spans = collector.wait(6)
        first, second = sorted(only(spans, 5, 2), key=lambda s: s["attributes"]["gaff.attempt"])
        assert first["status"]["code"] == 2 and "503" in first["status"]["message"]
        assert first["attributes"]["error.type"] == "http" and "links" not in first
        assert second["links"] == [{"traceId": first["traceId"], "spanId": first["spanId"]}]
        assert "status" not in second and second["parentSpanId"] == first["parentSpanId"]
        resent = [s for s in only(spans, 3, 2) if "http.request.resend_count" in s["attributes"]]
        assert len(resent) == 1 and resent[0]["parentSpanId"] == second["spanId"]
        assert "parentSpanId" not in only(spans, 2)  # the trace began here
        sent = [r["headers"]["traceparent"].split("-")[1] for r in target.requests]
        assert set(sent) == {first["traceId"]}
    target.close()
    collector.close()


def test_a_refused_request_is_a_span_by_itself():
    collector = Collector()
    with Daemon(f"sources: {{ github: {{ provider: github, secret: '{SECRET}' }} }}\n",
                env=collector.env()) as d:
        for secret, n in (("another", 1), (SECRET, 3)):
            headers = {**github(b"{}", secret=secret), **SENT}
            assert (d.post("/in/github", b"{}", headers).status == 401) == (secret != SECRET)
            collector.wait(n)
        refused, taken = sorted(only(collector.spans, 2, 2),
                                key=lambda s: -s["attributes"]["http.response.status_code"])
        assert refused["traceId"] == TRACE and refused["parentSpanId"] == SPAN
        assert refused["name"] == "POST /in/github"
        assert refused["attributes"]["http.response.status_code"] == 401
        assert refused["attributes"]["gaff.verdict"] == "bad_signature"
        assert "gaff.event.id" not in refused["attributes"]
        assert "status" not in refused  # the sender's error, not ours
        assert taken["attributes"]["http.response.status_code"] == 200
        assert refused["spanId"] != taken["spanId"]
        assert only(collector.spans, 4)["parentSpanId"] == taken["spanId"]
    collector.close()


def test_a_template_may_name_it():
    target, collector = Target(), Collector()
    extra = "http: { url: %s, body: '{\"at\":{{ traceparent | json }}}' }" % target.url
    with Daemon(config(target.url).replace(f"http: {{ url: {target.url} }},", extra),
                env=collector.env()) as d:
        d.settled(d.post("/in/hooks", b"{}", SENT).json()["id"])
        spans = collector.wait(4)
        sent = json.loads(target.requests[0]["body"])["at"]
        assert sent == f"00-{TRACE}-{only(spans, 3)['spanId']}-01", sent
    with Daemon(config(target.url).replace(f"http: {{ url: {target.url} }},", extra)) as d:
        d.settled(d.post("/in/hooks", b"{}").json()["id"])
        assert json.loads(target.requests[1]["body"])["at"] == ""
    target.close()
    collector.close()


def test_the_sender_decides_what_is_sampled():
    target, collector = Target(), Collector()
    with Daemon(config(target.url), env=collector.env()) as d:
        d.post("/in/hooks", b'{"n":1}', {"traceparent": f"00-{TRACE}-{SPAN}-00"})
        until(lambda: target.requests, "the delivery")
        _, trace, span, flags = target.requests[0]["headers"]["traceparent"].split("-")
        assert trace == TRACE and span != SPAN and flags == "00"
        d.post("/in/hooks", b'{"n":2}', SENT)
        spans = collector.wait(4)
        assert {s["parentSpanId"] for s in spans if s["kind"] == 2} == {SPAN}
        d.stop()
        assert len(collector.spans) == 4
    target.close()
    collector.close()


def test_nothing_is_told_when_it_is_switched_off():
    target, collector = Target(), Collector()
    for env in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"},
                {"OTEL_TRACES_SAMPLER": "always_off"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}):
        with Daemon(config(target.url), env=collector.env(**env)) as d:
            d.settled(d.post("/in/hooks", b"{}", SENT).json()["id"])
            d.stop()
        assert not collector.requests, env
    target.close()
    collector.close()


def test_what_is_queued_is_sent_at_the_end():
    target, collector = Target(), Collector()
    with Daemon(config(target.url), env=collector.env(OTEL_BSP_SCHEDULE_DELAY="600000")) as d:
        d.settled(d.post("/in/hooks", b"{}").json()["id"])
        assert not collector.requests
        assert d.stop() == 0
    collector.wait(4)
    target.close()
    collector.close()


# ---- a collector that is away, slow, or refuses ----

def test_a_batch_comes_again_after_503_and_not_after_400():
    target = Target()
    collector = Collector(lambda request, count: ((503, {"Retry-After": "1"}, b"") if count == 1
                                                  else (400, {}, b"") if count == 2
                                                  else (200, {}, b"{}")))
    with Daemon(config(target.url), env=collector.env()) as d:
        d.settled(d.post("/in/hooks", b"{}").json()["id"])
        until(lambda: metric(d, "spans_dropped_total") >= 1, "the batch that is refused")
        assert collector.requests[0]["body"] == collector.requests[1]["body"]
        d.post("/in/hooks", b'{"n":1}')
        collector.wait(1)
        until(lambda: metric(d, "spans_exported_total") + metric(d, "spans_dropped_total") == 8,
              "each span counted once")
        assert "did not take spans" in d.log()
    target.close()
    collector.close()


def test_a_full_queue_drops_and_counts_and_harms_nothing():
    target = Target()
    with socket.socket() as silent:  # accepts and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":
               f"http://127.0.0.1:{silent.getsockname()[1]}/anywhere",
               "OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_BSP_MAX_QUEUE_SIZE": "8"}
        with Daemon(config(target.url), env=env) as d:
            for n in range(50):
                assert d.post("/in/hooks", b'{"n":%d}' % n).status == 200
            until(lambda: len(target.requests) == 50, "all deliveries")
            until(lambda: metric(d, "spans_dropped_total") > 100, "what found no room")
            assert metric(d, "spans_exported_total") == 0
            assert d.stop() == 0
    target.close()


def test_what_the_collector_leaves_out_is_counted():
    target = Target()
    collector = Collector(lambda request, count: (
        200, {"Content-Type": "application/json"},
        b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}'))
    env = collector.env(OTEL_BSP_SCHEDULE_DELAY="600000", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4")
    with Daemon(config(target.url), env=env) as d:
        d.post("/in/hooks", b"{}")
        collector.wait(4)  # a full batch does not wait for the delay
        until(lambda: metric(d, "spans_exported_total") == 3, "those that were taken")
        assert metric(d, "spans_dropped_total") == 1
    target.close()
    collector.close()


run(globals())
