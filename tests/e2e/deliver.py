#!/usr/bin/env python3
"""deliver.py -- from a stored event to its destinations: commands, forwards, workers, logs;
retries, dead letters, replay, order, isolation."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

FAST = "retry: { schedule: [50ms, 50ms], jitter: 0 }"
PUSH = b'{"ref":"refs/heads/main","repository":{"full_name":"acme/site"}}'


def config(destinations, routes, provider='{ provider: github, secret: "%s" }' % SECRET):
    return f"sources:\n  github: {provider}\ndestinations:\n{destinations}\nroutes:\n{routes}\n"


def push(d, body=PUSH, **more):
    reply = d.post("/in/github", body, github(body, **more))
    assert reply.status == 200, reply.body
    return reply.json()["id"]


def test_a_push_becomes_a_command_and_a_forward():
    target = Target()
    text = config(f"""  build: {{ exec: {{ command: [./build.sh, "{{{{ .ref }}}}"] }} }}
  ci: {{ http: {{ url: "{target.url}/hook" }} }}""",
                  "  - { name: pushes, from: github, match: { event: push }, to: [build, ci] }")
    script = '#!/bin/sh\necho "ref $1 event $GAFF_EVENT_ID"; cat > payload; env | sort > env\n'
    os.environ["GAFF_TEST_LEAK"] = "leaked"
    with Daemon(text, {"build.sh": script}, env={"LEAK": "secret"}) as d:
        event_id = push(d)
        event = d.settled(event_id)
        with open(d.path("payload"), "rb") as f:
            assert f.read() == PUSH
        with open(d.path("env"), encoding="utf-8") as f:
            env = f.read()
        assert "LEAK" not in env and "GAFF_SOURCE=github" in env
        build = next(x for x in event["deliveries"] if x["destination"] == "build")
        assert f"ref refs/heads/main event {event_id}" in build["log"][0]["response"]
        assert target.requests[0]["body"] == PUSH
        assert target.requests[0]["path"] == "/hook"
        assert target.requests[0]["headers"]["Content-Type"] == "application/json"
        assert "route pushes: matched -> build, ci" in event["trace"][0]


def test_what_does_not_match_is_explained():
    text = config("  build: { exec: { command: [/bin/true] } }",
                  "  - { name: main, from: github, match: { json: { ref: refs/heads/dev } }, "
                  "to: [build] }")
    with Daemon(text) as d:
        event_id = push(d)
        said = d.cli("explain", event_id).stdout.decode()
        assert "route main: no:" in said and "refs/heads/dev" in said, said
        assert "refs/heads/main" in said and "verified" in said
        assert d.deliveries() == []


def test_a_target_that_is_down_is_retried_until_it_answers():
    target = Target(lambda r, n: (503 if n < 3 else 200, {}, b"later"))
    text = config(f"  ci: {{ http: {{ url: '{target.url}' }}, {FAST} }}",
                  "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        event = d.settled(push(d))
        log = event["deliveries"][0]["log"]
        assert [a["status"] for a in log] == [503, 503, 200]
        assert [a["result"] for a in log] == ["retry", "retry", "success"]
        ids = {r["headers"]["gaff-event-id"] for r in target.requests}
        assert ids == {event["id"]}


def test_giving_up_makes_a_dead_letter_that_can_be_replayed():
    state = {"status": 500}
    target = Target(lambda r, n: (state["status"], {}, b"no"))
    text = config(f"  ci: {{ http: {{ url: '{target.url}' }}, {FAST} }}",
                  "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        event_id = push(d)
        d.settled(event_id, "dead")
        assert len(target.requests) == 3
        assert event_id in d.cli("dead", "ls").stdout.decode()
        state["status"] = 200
        assert "1 replayed" in d.cli("replay", event_id).stdout.decode()
        event = d.settled(event_id)
        assert len(event["deliveries"][0]["log"]) == 4


def test_dead_letters_are_replayed_by_filter_over_the_whole_result():
    state = {"status": 500}
    target = Target(lambda r, n: (state["status"], {}, b""))
    text = config(f"  ci: {{ http: {{ url: '{target.url}' }}, retry: {{ attempts: 1 }} }}",
                  "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        for i in range(120):
            push(d, json.dumps({"i": i}).encode())
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 120, "120 dead")
        state["status"] = 200
        assert "120 would be" in d.cli("dead", "replay", "--dry-run").stdout.decode()
        assert "120 replayed" in d.cli("dead", "replay", "--destination", "ci").stdout.decode()
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 120, "delivered")


def test_replay_to_another_destination():
    text = config("  none: { exec: { command: [/bin/true] } }\n"
                  "  file: { log: { file: out.jsonl } }",
                  "  - { from: github, to: [none] }")
    with Daemon(text) as d:
        event_id = push(d)
        d.settled(event_id)
        d.cli("replay", event_id, "--to", "file")
        until(lambda: os.path.exists(d.path("out.jsonl")), "the log's line")
        d.settled(event_id)
        with open(d.path("out.jsonl"), encoding="utf-8") as f:
            assert json.loads(f.readline())["id"] == event_id
        d.cli("replay", event_id, "--to", "nowhere", code=3)


def test_one_delivery_is_replayed_alone():
    text = config("  a: { exec: { command: [./a.sh] } }\n  b: { log: { file: b.jsonl } }",
                  "  - { name: both, from: github, to: [a, b] }")
    with Daemon(text, {"a.sh": '#!/bin/sh\necho "$GAFF_ROUTE" >> routes\n'}) as d:
        event = d.settled(push(d))
        one = next(x for x in event["deliveries"] if x["destination"] == "a")
        assert "1 replayed" in d.cli("replay", one["id"]).stdout.decode()
        until(lambda: open(d.path("routes"), encoding="utf-8").read() == "both\nboth\n", "twice")
        with open(d.path("b.jsonl"), encoding="utf-8") as f:
            assert len(f.readlines()) == 1
        d.cli("replay", "evt_0000000000000", code=3)
        assert b"no delivery" in d.cli("cancel", one["id"].replace("dlv_0", "dlv_1"), code=3).stderr


def test_gone_is_not_retried_and_retry_after_is_honoured():
    target = Target(lambda r, n: (410, {}, b""))
    later = Target(lambda r, n: (429, {"Retry-After": "1"}, b"") if n == 1 else (200, {}, b""))
    text = config(f"  gone: {{ http: {{ url: '{target.url}' }}, {FAST} }}\n"
                  f"  later: {{ http: {{ url: '{later.url}' }}, {FAST} }}",
                  "  - { from: github, to: [gone, later] }")
    with Daemon(text) as d:
        event_id = push(d)
        until(lambda: len(later.requests) == 2, "the second try")
        # The wait is the destination's wish, not the schedule's 50 ms.
        assert later.requests[1]["time"] - later.requests[0]["time"] > 0.9
        event = until(lambda: (e := d.api("GET", "/events/" + event_id).json()) and
                      all(x["state"] in ("dead", "delivered") for x in e["deliveries"]) and e,
                      "both ended")
        assert len(target.requests) == 1
        assert {x["destination"]: x["state"] for x in event["deliveries"]} == {
            "gone": "dead", "later": "delivered"}


def test_exit_codes_decide():
    text = config(f"  build: {{ exec: {{ command: [./build.sh] }}, {FAST} }}",
                  "  - { from: github, to: [build] }")
    script = "#!/bin/sh\necho x >> runs\n[ $(wc -l < runs) -ge 3 ] && exit 0\nexit 75\n"
    with Daemon(text, {"build.sh": script}) as d:
        event = d.settled(push(d))
        assert [a["status"] for a in event["deliveries"][0]["log"]] == [75, 75, 0]
    with Daemon(text, {"build.sh": "#!/bin/sh\nexit 78\n"}) as d:
        event = d.settled(push(d), "dead")
        assert len(event["deliveries"][0]["log"]) == 1


def test_a_command_that_hangs_is_ended_with_all_its_children():
    text = config("  build: { exec: { command: [./build.sh], timeout: 300ms, kill_after: 200ms }, "
                  "retry: { attempts: 1 } }", "  - { from: github, to: [build] }")
    script = "#!/bin/sh\ntrap '' TERM\nsleep 1000 & echo $! > child\nwait\nsleep 1000\n"
    with Daemon(text, {"build.sh": script}) as d:
        event = d.settled(push(d), "dead")
        assert event["deliveries"][0]["log"][0]["error_class"] == "timeout"
        with open(d.path("child"), encoding="ascii") as f:
            child = int(f.read())
        until(lambda: not os.path.exists(f"/proc/{child}") or
              "Z" in open(f"/proc/{child}/stat", encoding="utf-8").read(), "the child gone")


def test_a_payload_cannot_become_an_option_or_a_shell_line():
    text = config("""  build:
    exec: { command: [./build.sh, "{{ .ref }}"] }
    retry: { attempts: 1 }""", "  - { from: github, to: [build] }")
    with Daemon(text, {"build.sh": '#!/bin/sh\nprintf "%s\\n" "$1" > arg\n'}) as d:
        body = json.dumps({"ref": "--upload-pack=evil"}).encode()
        d.settled(push(d, body), "dead")
        assert not os.path.exists(d.path("arg"))
        body = json.dumps({"ref": "$(touch pwned); `touch pwned`"}).encode()
        d.settled(push(d, body))
        with open(d.path("arg"), encoding="utf-8") as f:
            assert f.read() == "$(touch pwned); `touch pwned`\n"
        assert not os.path.exists(d.path("pwned"))


WORKER = '''#!/usr/bin/env python3
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    n = json.loads(e["body"]).get("n", 0)
    if n < 0:
        print(json.dumps({"id": e["id"], "ok": False, "retry": False, "error": "negative"}),
              flush=True)
    elif n == 99 and e["attempt"] == 1:
        sys.exit(1)
    else:
        print(json.dumps({"id": e["id"], "ok": True}), flush=True)
'''


def test_a_worker_gets_lines_and_survives_its_own_death():
    text = config(f"  w: {{ worker: {{ command: [./worker.py] }}, {FAST} }}",
                  "  - { from: github, to: [w] }")
    with Daemon(text, {"worker.py": WORKER}) as d:
        ids = [push(d, json.dumps({"n": n}).encode()) for n in range(60)]
        for event_id in ids:
            d.settled(event_id)
        event = d.settled(push(d, b'{"n":-1}'), "dead")
        assert "negative" in event["deliveries"][0]["log"][0]["summary"]
        crashed = d.settled(push(d, b'{"n":99}'))
        assert len(crashed["deliveries"][0]["log"]) >= 2


def test_a_black_hole_slows_nobody_else():
    hole = socket.create_server(("127.0.0.1", 0), backlog=200)  # accepts nothing, answers nothing
    good = Target()
    text = config(f"  hole: {{ http: {{ url: 'http://127.0.0.1:{hole.getsockname()[1]}' }}, "
                  f"timeout: 60s, concurrency: 4 }}\n  good: {{ http: {{ url: '{good.url}' }} }}",
                  "  - { from: github, to: [hole, good] }")
    with Daemon(text) as d:
        for i in range(300):
            push(d, json.dumps({"i": i}).encode())
        until(lambda: len(good.requests) == 300, "all at the good one")
        hole.close()


def test_order_is_kept_per_key_across_retries():
    seen = []

    def answer(request, count):
        n = json.loads(request["body"])["n"]
        if n % 7 == 3 and seen.count(n) == 0:
            seen.append(n)
            return 500, {}, b""
        seen.append(n)
        return 200, {}, b""
    target = Target(answer)
    text = config(f"  ci: {{ http: {{ url: '{target.url}' }}, {FAST}, order: fifo, "
                  "concurrency: 8 }", "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        for n in range(40):
            push(d, json.dumps({"n": n}).encode())
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 40, "all")
        firsts = [n for i, n in enumerate(seen) if n not in seen[i + 1:]]
        assert firsts == list(range(40)), seen


def test_a_rate_limit_is_enforced():
    target = Target()
    text = config(f"  ci: {{ http: {{ url: '{target.url}' }}, rate: 20/s }}",
                  "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        for i in range(30):
            push(d, json.dumps({"i": i}).encode())
        until(lambda: len(target.requests) == 30, "all")
        took = target.requests[-1]["time"] - target.requests[0]["time"]
        assert took > 30 / 20 * 0.7, took


def test_a_forward_is_signed_anew():
    target = Target()
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    text = config(f"""  ci:
    http:
      url: '{target.url}'
      sign: {{ provider: standard-webhooks, secret: "{secret}" }}""",
                  "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        d.settled(push(d))
        h = target.requests[0]["headers"]
        signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + PUSH
        mac = hmac.new(b"0123456789abcdef0123456789abcdef", signed, hashlib.sha256).digest()
        assert "v1," + base64.b64encode(mac).decode() in h["webhook-signature"].split()


def test_a_redirect_is_a_failure_and_is_not_followed():
    other = Target()
    target = Target(lambda r, n: (302, {"Location": other.url}, b""))
    text = config(f"  ci: {{ http: {{ url: '{target.url}' }}, retry: {{ attempts: 1 }} }}",
                  "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        d.settled(push(d), "dead")
        assert other.requests == []


def test_a_backlog_survives_a_kill_and_is_worked_off():
    state = {"status": 503}
    target = Target(lambda r, n: (state["status"], {}, b""))
    text = config(f"  ci: {{ http: {{ url: '{target.url}' }}, "
                  "retry: { schedule: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s] } }",
                  "  - { from: github, to: [ci] }")
    with Daemon(text) as d:
        for i in range(600):  # more than a lane holds in memory
            push(d, json.dumps({"i": i}).encode())
        d.kill()
        state["status"] = 200
        target.requests.clear()
        d.start()
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 600, "all")
        assert len({r["headers"]["gaff-event-id"] for r in target.requests}) <= 600


def resting_kib(d):
    """Resident memory once everything is in the database and a burst's is given back."""
    until(lambda: d.api("GET", "/status").json()["store_lag_bytes"] == 0, "the database follows")
    seen = []
    for _ in range(20):
        with open(f"/proc/{d.process.pid}/status", encoding="ascii") as f:
            seen.append(int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)))
        time.sleep(0.1)
    return min(seen)


def test_memory_does_not_grow_with_the_queue():
    sqlite_only("on PostgreSQL the queue is elsewhere")
    if "asan" in GAFF or "tsan" in GAFF:
        raise Skip("sanitizers' allocators keep what is freed")
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    hole = socket.create_server(("127.0.0.1", 0), backlog=1)
    url = f"http://127.0.0.1:{hole.getsockname()[1]}/"
    text = config(f"  hole: {{ http: {{ url: '{url}' }}, concurrency: 2, timeout: 1h }}",
                  "  - { from: github, to: [hole] }")
    body = b'{"x":"' + b"y" * 1000 + b'"}'
    with Daemon(text, {"body": body.decode()}) as d:
        subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-o", d.path("load"),
                        top + "/bench/load.c"], check=True)
        signature = github(body)["X-Hub-Signature-256"]
        kib = {}
        for goal in (20000, 150000):
            while (queued := d.api("GET", "/status").json()["deliveries"]["pending"]) < goal:
                subprocess.run([d.path("load"), "--port", d.url.rsplit(":", 1)[1], "--path",
                                "/in/github", "--connections", "64", "--seconds", "0.5", "--body",
                                d.path("body"), "--header", "X-GitHub-Event: push", "--header",
                                "X-Hub-Signature-256: " + signature, "--unique",
                                "X-GitHub-Delivery"], check=True, stdout=subprocess.DEVNULL)
            kib[goal] = resting_kib(d)
            print(f"  {queued} queued: {kib[goal]} KiB", flush=True)
        assert kib[150000] < 1.2 * kib[20000], kib
    hole.close()


run(globals())
