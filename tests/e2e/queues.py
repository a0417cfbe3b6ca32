#!/usr/bin/env python3
"""queues.py -- events into real queues: Redis, NATS JetStream, RabbitMQ, MQTT, PostgreSQL, and
Kafka's client against the mock cluster that it brings itself (no distribution has the server).
Each is asked, by means of its own, for what arrived."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
from resolver import Resolver, Trap, start_with_resolver
import servers

HOSTILE = {"ref": "refs/heads/main", "key": "seven",
           "text": "'; DROP TABLE hooks; -- \r\nX: 1 {{ body }} $1 \u2028"}
BODY = json.dumps(HOSTILE).encode()
FAST = ("retry: { schedule: [100ms, 100ms, 200ms, 200ms, 500ms, 500ms, 1s, 1s, 1s, 1s, 1s], "
        "jitter: 0 }")
started = {}


def start_all():
    for name in ("Rabbit", "Postgres", "Redis", "Nats", "Mosquitto"):
        kind = getattr(servers, name)
        if kind.program:
            server = kind()
            started[name] = server
            server.start()


def server(name):
    if name not in started:
        raise Skip(f"no {name.lower()} server is installed")
    return started[name].wait()


def config(destination):
    return (f"sources:\n  in: {{ provider: github, secret: '{SECRET}' }}\n"
            f"destinations:\n  queue: {{ {destination}, {FAST} }}\n"
            "routes:\n  - { from: in, to: [queue] }\n")


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACED = {"traceparent": TRACEPARENT, "tracestate": "rojo=1"}


def send(d, body=BODY):
    reply = d.post("/in/in", body, {**github(body), **TRACED})
    assert reply.status == 200, reply.body
    return reply.json()["id"]


def delivered(destination, count=1, body=BODY):
    """Sends that many events and waits; the ids and the last attempt's summary."""
    with Daemon(config(destination)) as d:
        ids = [send(d, body) for _ in range(count)]
        events = [d.settled(i) for i in ids]
        return ids, events[-1]["deliveries"][0]["log"][-1]["summary"]


def test_redis_entries_in_a_stream():
    r = server("Redis")
    ids, said = delivered(f"redis: {{ server: 'localhost:{r.port}', password: r3dis, "
                          "stream: 'hooks:{{ source }}', maxlen: 1000 }", count=20)
    assert said.startswith("added as "), said
    text = r.cli("XRANGE", "hooks:in", "-", "+")
    assert r.cli("XLEN", "hooks:in").strip() == "20"
    for i in ids:
        assert i in text
    assert text.count("traceparent") == 20 and text.count(TRACEPARENT) == 20, text
    assert "tracestate" in text and "rojo=1" in text
    assert BODY.decode() in text


def test_redis_wrong_type_is_the_end_and_a_wrong_password_is_named():
    r = server("Redis")
    r.cli("SET", "taken", "x")
    with Daemon(config(f"redis: {{ server: 'localhost:{r.port}', password: r3dis, "
                       "stream: taken }")) as d:
        event = d.settled(send(d), "dead")
        assert "WRONGTYPE" in event["deliveries"][0]["reason"], event
    with Daemon(config(f"redis: {{ server: 'localhost:{r.port}', password: wr0ng, "
                       "stream: s }")) as d:
        event = d.settled(send(d), "dead")
        assert "WRONGPASS" in event["deliveries"][0]["reason"], event
        assert "wr0ng" not in json.dumps(event) and "wr0ng" not in d.log()


def test_redis_replicas_that_are_not_there_do_not_count():
    r = server("Redis")
    with Daemon(config(f"redis: {{ server: 'localhost:{r.port}', password: r3dis, stream: w, "
                       "wait: 1 }, timeout: 1s").replace(FAST, "retry: { attempts: 1 }")) as d:
        event = d.settled(send(d), "dead")
        assert "0 of 1 replicas" in event["deliveries"][0]["reason"], event


def test_redis_that_is_down_gets_the_event_when_it_is_back():
    if not servers.Redis.program:
        raise Skip("no redis server is installed")
    r = servers.Redis().start().wait()
    try:
        with Daemon(config(f"redis: {{ server: '127.0.0.1:{r.port}', password: r3dis, "
                           "stream: s }")) as d:
            d.settled(send(d))
            r.stop()
            i = send(d)
            until(lambda: d.api("GET", "/events/" + i).json()["deliveries"][0]["attempts"] >= 1,
                  "a failed attempt")
            r.start().wait()
            event = d.settled(i)
            assert i in r.cli("XRANGE", "s", "-", "+")
            assert event["deliveries"][0]["log"][0]["result"] == "retry"
    finally:
        r.close()


def test_redis_kept_connection_that_died_is_replaced_at_once():
    r = server("Redis")
    with Daemon(config(f"redis: {{ server: '127.0.0.1:{r.port}', password: r3dis, "
                       "stream: idle }")) as d:
        d.settled(send(d))
        r.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        event = d.settled(send(d))
        assert event["deliveries"][0]["attempts"] == 1, event


def test_nats_messages_in_a_stream_once():
    n = server("Nats")
    made = json.loads(n.request("$JS.API.STREAM.CREATE.HOOKS", json.dumps(
        {"name": "HOOKS", "subjects": ["hooks.>"], "storage": "file"}).encode()))
    assert "error" not in made, made
    text = config(f"nats: {{ server: 'localhost:{n.port}', user: gaff, password: n4ts, "
                  "subject: 'hooks.{{ source }}' }")
    with Daemon(text) as d:
        i = send(d)
        event = d.settled(i)
        assert "stream HOOKS, sequence 1" in event["deliveries"][0]["log"][-1]["summary"], event
        got = json.loads(n.request("$JS.API.STREAM.MSG.GET.HOOKS", b'{"seq":1}'))["message"]
        assert base64.b64decode(got["data"]) == BODY
        assert ("Nats-Msg-Id: " + i).encode() in base64.b64decode(got["hdrs"])
        assert ("traceparent: " + TRACEPARENT).encode() in base64.b64decode(got["hdrs"])
        assert b"tracestate: rojo=1" in base64.b64decode(got["hdrs"])
        d.cli("replay", event["deliveries"][0]["id"])
        event = until(lambda: (lambda e: e if len(e["deliveries"][0]["log"]) == 2 else None)(
            d.api("GET", "/events/" + i).json()), "the replay")
        assert "(was there)" in event["deliveries"][0]["log"][-1]["summary"], event
        info = json.loads(n.request("$JS.API.STREAM.INFO.HOOKS"))
        assert info["state"]["messages"] == 1, info


def test_nats_subject_without_a_stream_is_tried_again():
    n = server("Nats")
    text = config(f"nats: {{ server: 'localhost:{n.port}', user: gaff, password: n4ts, "
                  "subject: 'nobody.{{ .key }}' }").replace(FAST, "retry: { attempts: 1 }")
    with Daemon(text) as d:
        event = d.settled(send(d), "dead")
        assert "no stream takes" in event["deliveries"][0]["reason"], event
        assert event["deliveries"][0]["log"][0]["result"] == "retry"
        event = d.settled(send(d, b'{"key":"a b > *"}'), "dead")
        assert "is no NATS subject" in event["deliveries"][0]["reason"], event


PIKA = r'''
import json, pika, sys
port, task = int(sys.argv[1]), sys.argv[2]
c = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
ch = c.channel()
if task == "declare":
    ch.queue_declare("hooks", durable=True)
else:
    out = []
    while True:
        method, properties, body = ch.basic_get("hooks", auto_ack=True)
        if method is None:
            break
        out.append({"id": properties.message_id, "mode": properties.delivery_mode,
                    "type": properties.type, "headers": properties.headers, "body": body.decode()})
    print(json.dumps(out))
c.close()
'''


def pika(port, task):
    for python in ("python3", "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import pika"], capture_output=True,
                          check=False).returncode == 0:
            p = subprocess.run([python, "-c", PIKA, str(port), task], capture_output=True,
                               timeout=60, check=False)
            assert p.returncode == 0, p.stderr.decode()
            return p.stdout
    raise Skip("python3-pika is not installed")


def test_rabbitmq_messages_are_confirmed():
    r = server("Rabbit")
    pika(r.port, "declare")
    ids, said = delivered(f"rabbitmq: {{ server: 'localhost:{r.port}', routing_key: hooks }}",
                          count=20)
    assert said == "acknowledged by the broker", said
    got = json.loads(pika(r.port, "get"))
    assert sorted(m["id"] for m in got) == sorted(ids)
    assert all(m["mode"] == 2 and m["body"] == BODY.decode() for m in got)
    assert got[0]["type"] == "push"
    assert all(m["headers"] == TRACED for m in got), got[0]


def test_rabbitmq_what_no_queue_takes_is_tried_again():
    r = server("Rabbit")
    pika(r.port, "declare")
    for destination, reason in (
            ("routing_key: 'nowhere.{{ .key }}'", "no queue takes the routing key"),
            ("exchange: missing, routing_key: x", "no exchange 'missing'"),
            ("routing_key: hooks, user: gaff, password: wr0ng", "ACCESS_REFUSED")):
        text = config(f"rabbitmq: {{ server: 'localhost:{r.port}', {destination} }}")
        with Daemon(text.replace(FAST, "retry: { attempts: 1 }")) as d:
            event = d.settled(send(d), "dead")
            assert reason in event["deliveries"][0]["reason"], event


def test_mqtt_messages_with_a_puback():
    m = server("Mosquitto")
    if not shutil.which("mosquitto_sub"):
        raise Skip("mosquitto_sub is not installed")
    sub = subprocess.Popen(["mosquitto_sub", "-p", str(m.port), "-t", "hooks/#", "-q", "1", "-C",
                            "3", "-F", "%t %p", "-W", "60"], stdout=subprocess.PIPE)
    with Daemon(config(f"mqtt: {{ server: 'localhost:{m.port}', topic: 'hooks/{{{{ source }}}}', "
                       "message: '{{ .key }}' }")) as d:
        until(lambda: "hooks/#" in m.log() or m.is_up(), "the subscription")
        seen = 0
        while sub.poll() is None and seen < 200:
            event = d.settled(send(d))
            assert "acknowledged" in event["deliveries"][0]["log"][-1]["summary"]
            seen += 1
        assert sub.communicate()[0].decode().split("\n")[:3] == ["hooks/in seven"] * 3
        event = d.settled(send(d, b"{}"), "dead")
        assert "has no value" in event["deliveries"][0]["reason"], event


def test_postgres_rows_and_notifications():
    p = server("Postgres")
    p.psql("CREATE TABLE IF NOT EXISTS hooks (id text PRIMARY KEY, body jsonb, n int)")
    where = f"server: 'localhost:{p.port}', database: postgres, user: gaff, password: p0stgres"
    insert = ("INSERT INTO hooks (id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING")
    ids, said = delivered(f"postgres: {{ {where}, query: '{insert}', "
                          "values: ['{{ event_id }}', '{{ body }}'] }", count=5)
    assert said == "committed", said
    assert sorted(p.psql("SELECT id FROM hooks").split()) == sorted(ids)
    assert json.loads(p.psql("SELECT body FROM hooks LIMIT 1")) == HOSTILE
    delivered(f"postgres: {{ {where}, channel: hooks, message: '{{{{ event_id }}}}' }}")
    with Daemon(config(f"postgres: {{ {where}, channel: hooks }}")) as d:
        event = d.settled(send(d, b'{"x":"' + b"x" * 8000 + b'"}'), "dead")
        assert "at most 7999 bytes" in event["deliveries"][0]["reason"], event
    with Daemon(config(f"postgres: {{ {where}, query: 'INSERT INTO hooks (id, n) VALUES ($1, $2)', "
                       "values: ['{{ event_id }}', '{{ .text }}'] }")) as d:
        event = d.settled(send(d), "dead")
        assert "22P02" in event["deliveries"][0]["reason"], event
    assert p.psql("SELECT count(*) FROM hooks").strip() == "5"


def test_kafka_records_into_the_client_s_mock_cluster():
    kafka = ("kafka: { server: 'localhost:1', topic: hooks, key: '{{ .key }}', "
             "properties: { test.mock.num.brokers: 3 } }")
    ids, said = delivered(kafka, count=10)
    assert "partition" in said and "offset" in said, said


def test_kafka_without_a_broker_is_tried_again():
    text = config("kafka: { server: '127.0.0.1:1', topic: hooks }, timeout: 2s")
    with Daemon(text.replace(FAST, "retry: { attempts: 1 }")) as d:
        event = d.settled(send(d), "dead")
        assert "no acknowledgement came in time" in event["deliveries"][0]["reason"], event


def test_addresses_that_the_policy_refuses_are_not_dialled():
    for destination in ("redis: { server: '169.254.169.254:6379', stream: s }",
                        "nats: { server: '169.254.169.254', subject: s }",
                        "redis: { server: 'localhost:6379', stream: s, policy: public }",
                        "postgres: { server: '[::1]:5432', database: x, channel: c, "
                        "policy: public }"):
        with Daemon(config(destination)) as d:
            event = d.settled(send(d), "dead")
            assert "not allowed by outbound policy" in event["deliveries"][0]["reason"], event


NAMES = {"mqtt.test": "Mosquitto", "rabbit.test": "Rabbit", "nats.test": "Nats",
         "postgres.test": "Postgres", "redis.test": "Redis"}
HOW = {"mqtt.test": "mqtt: { topic: t, ",
       "rabbit.test": "rabbitmq: { routing_key: hooks, ",
       "nats.test": "nats: { user: gaff, password: n4ts, subject: judged, ",
       "postgres.test": "postgres: { database: postgres, user: gaff, password: p0stgres, query: "
                        "'INSERT INTO judged VALUES ($1)', values: ['{{ event_id }}'], ",
       "redis.test": "redis: { password: r3dis, stream: judged, "}


def at_their_names(alias=None, names=NAMES):
    """Destinations for whom the public is all there is, and 127.0.0.2 is of the public."""
    text = "sending: { allow: [127.0.0.2/32] }\n" + config("")
    text, routes = text[:text.index("destinations:")], ""
    text += "destinations:\n"
    for name in names:
        one = server(NAMES[name])
        tls = f"tls: true, ca_file: {one.dir}/cert.pem, " if one.name else ""
        label, retry = name.split(".", maxsplit=1)[0], "retry: { attempts: 1 }" if alias else FAST
        text += (f"  {label}: {{ {HOW[name]} {tls} policy: public, server: "
                 f"'{alias or name}:{one.port}' }}, {retry} }}\n")
        routes += (", " if routes else "") + label
    return text + f"routes: [{{ from: in, to: [{routes}] }}]\n"


def resolver_of(answers):
    try:
        return Resolver(answers)
    except OSError as why:
        raise Skip(f"no resolver can be started: {why}") from why


def test_a_server_is_dialled_where_its_name_was_judged():
    text = at_their_names()
    pika(started["Rabbit"].port, "declare")
    started["Postgres"].psql("CREATE TABLE judged (id text)")
    made = json.loads(started["Nats"].request("$JS.API.STREAM.CREATE.JUDGED", json.dumps(
        {"name": "JUDGED", "subjects": ["judged"], "storage": "memory"}).encode(), secure=True))
    assert "error" not in made, made
    # Whoever asks for a name again is led elsewhere, where somebody waits.
    resolver = resolver_of({name: [[servers.SECURE_HOST], ["127.0.0.3"]] for name in NAMES})
    traps = [Trap("127.0.0.3", started[kind].port) for kind in NAMES.values()]
    try:
        with Daemon(text, start=False) as d:
            start_with_resolver(d, resolver)
            event = send(d)
            def first():
                all_of = d.api("GET", "/events/" + event).json()["deliveries"]
                return all_of if all(one["attempts"] for one in all_of) else None
            for one in until(first, "an attempt at each"):
                assert one["state"] == "delivered" and one["attempts"] == 1, one
        assert resolver.asked == {name: 1 for name in NAMES}, resolver.asked
        assert [trap.connections for trap in traps] == [0] * len(traps)
        assert started["Postgres"].psql("SELECT id FROM judged").strip() == event
    finally:
        resolver.close()
        for trap in traps:
            trap.close()


def test_a_certificate_has_to_be_of_the_name_that_is_configured():
    secure = [name for name in NAMES if server(NAMES[name]).name]
    assert len(secure) == 4
    resolver = resolver_of({"other.test": [[servers.SECURE_HOST]]})
    try:
        with Daemon(at_their_names("other.test", secure), start=False) as d:
            start_with_resolver(d, resolver)
            shown = d.settled(send(d), "dead")
            assert len(shown["deliveries"]) == len(secure), shown
            for one in shown["deliveries"]:
                assert re.search("TLS|SSL|certificate", one["reason"]), one
    finally:
        resolver.close()


def test_mistakes_are_found_at_load():
    for destination, reason in (
            ("redis: { stream: s }", '"server" is missing'),
            ("redis: { server: 'redis://x', stream: s }", "without a scheme"),
            ("redis: { server: x, strem: s }", 'did you mean "stream"'),
            ("nats: { server: x, subject: '{{ nonsense }}' }", "unknown reference"),
            ("postgres: { server: x, database: d, query: 'X {{ body }}' }", "holds no references"),
            ("postgres: { server: x, database: d }", "one of channel"),
            ("kafka: { server: x }", '"topic" is missing')):
        with Daemon(config(destination), start=False) as d:
            said = d.cli("check", code=None)
            assert said.returncode == 78, said
            assert reason in (said.stdout + said.stderr).decode(), said


try:
    start_all()
    run(dict(globals()))
finally:
    for one in started.values():
        one.close()
