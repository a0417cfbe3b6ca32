#!/usr/bin/env python3
"""commands.py -- commands as people need them: the answer that waits for the work, output as it
comes, one build a branch, files, limits, walls; and a corpus of hostile payloads through every
place where a value from an event can land."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import http.client

FAST = "retry: { schedule: [50ms, 50ms], jitter: 0 }"
SCRIPT = "#!/bin/sh\n"


def config(source, destinations, routes="  - { from: github, to: [run] }"):
    return (f'sources:\n  github: {{ provider: github, secret: "{SECRET}", {source} }}\n'
            f"destinations:\n{destinations}\nroutes:\n{routes}\n")


def send(d, body, **more):
    body = json.dumps(body).encode() if not isinstance(body, bytes) else body
    return d.post("/in/github", body, github(body, **more))


def push(d, body, **more):
    reply = send(d, body, **more)
    assert reply.status == 200, reply.body
    return reply.json()["id"]


def ended(d, event_id):
    """Waits until every delivery of the event is in a final state; with `ack: verified` the event
    itself may come after its answer."""
    def look():
        event = d.api("GET", "/events/" + event_id).json()
        states = [x["state"] for x in event.get("deliveries", [])]
        return event if states and not {"pending", "claimed"} & set(states) else None
    return until(look, f"the deliveries of {event_id} have ended")


def states(d, ids):
    return [ended(d, i)["deliveries"][0]["state"] for i in ids]


def rss(d):
    with open(f"/proc/{d.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


# --- answers ---

def test_ack_done_answers_with_the_output_and_a_status_from_the_exit_code():
    text = config("ack: { when: done, status: { 3: 422 } }",
                  f"  run: {{ exec: {{ command: [./run.sh, '{{{{ .code }}}}'] }}, {FAST} }}")
    script = SCRIPT + 'echo "code $1"; echo secret >&2; exit "$1"\n'
    with Daemon(text, {"run.sh": script}) as d:
        reply = send(d, {"code": 0})
        assert (reply.status, reply.body) == (200, b"code 0\n"), (reply.status, reply.body)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert reply.headers["gaff-outcome"] == "success"
        # It is stored like any other, with its output.
        event = ended(d, reply.headers["gaff-event-id"])
        assert event["deliveries"][0]["state"] == "delivered"
        assert "code 0" in event["deliveries"][0]["log"][0]["response"]
        reply = send(d, {"code": 3})
        assert (reply.status, reply.headers["gaff-exit-code"]) == (422, "3")
        reply = send(d, {"code": 78})
        assert reply.status == 500 and reply.headers["gaff-outcome"] == "permanent"
        assert b"secret" not in reply.body


def test_ack_done_says_202_at_its_deadline_and_the_work_goes_on():
    text = config("ack: { when: done, timeout: 200ms }",
                  "  run: { exec: { command: [./run.sh] } }")
    script = SCRIPT + "while [ ! -e go ]; do sleep 0.05; done; echo late > done\n"
    with Daemon(text, {"run.sh": script}) as d:
        reply = send(d, {})
        assert reply.status == 202 and reply.json()["state"] == "running"
        open(d.path("go"), "w").close()
        event = ended(d, reply.json()["id"])
        assert event["deliveries"][0]["state"] == "delivered" and os.path.exists(d.path("done"))


def test_ack_done_without_a_route_and_for_a_repeat():
    text = config("ack: done", "  run: { exec: { command: [/bin/echo, hi] } }",
                  "  - { from: github, match: { event: push }, to: [run] }")
    with Daemon(text) as d:
        reply = send(d, {}, event="ping")
        assert reply.status == 200 and "id" in reply.json()
        first = send(d, {}, delivery="same")
        assert first.body == b"hi\n"
        again = send(d, {}, delivery="same")
        assert again.status == 200 and again.json()["duplicate"]
        assert again.json()["id"] == first.headers["gaff-event-id"]


def test_output_is_streamed_to_the_caller_and_to_tail():
    text = config("ack: { when: done, stream: true }",
                  "  run: { exec: { command: [./run.sh] } }")
    script = SCRIPT + "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two\n"
    with Daemon(text, {"run.sh": script}) as d:
        tail = subprocess.Popen([GAFF, "tail"], env=d.env, text=True,
                                stdout=subprocess.PIPE, cwd=d.dir)
        lines = []
        threading.Thread(target=lambda: [lines.append(x) for x in tail.stdout],
                         daemon=True).start()
        body = b"{}"
        connection = http.client.HTTPConnection(d.url.split("://")[1], timeout=30)
        connection.request("POST", "/in/github", body, github(body))
        response = connection.getresponse()
        assert response.status == 200 and response.headers["Transfer-Encoding"] == "chunked"
        assert response.read(4) == b"one\n"  # before the command has ended
        open(d.path("go"), "w").close()
        assert response.read() == b"two\n"
        push_id = response.headers["gaff-event-id"]
        ended(d, push_id)

        def told():  # more of them, until tail watches
            send(d, {})
            return any(" run | two" in line for line in lines)
        until(told, "the output in tail")
        tail.terminate()
        tail.wait()


def test_ack_verified_answers_and_the_event_is_there():
    text = config("ack: verified", "  run: { exec: { command: [/bin/true] } }")
    with Daemon(text) as d:
        ids = [push(d, {"n": i, "x": "y" * 5000}) for i in range(20)]
        assert states(d, ids) == ["delivered"] * 20
        body = json.loads(ended(d, ids[7])["body"])
        assert body["n"] == 7
        bad = d.post("/in/github", b"{}", github(b"{}", secret="wrong"))
        assert bad.status == 401


# --- one build a branch ------------------------------------------------------------------

def test_latest_wins_running_ends_the_older_build():
    text = config("", "  run: { exec: { command: [./run.sh, '{{ .n }}'] }, concurrency: 4,\n"
                      "         order_by: '{{ .ref }}', latest_wins: running }")
    script = SCRIPT + ('echo "$1" >> started; [ "$1" = 9 ] || [ "$1" = 5 ] && exit 0; '
                       "trap 'echo ended >> ended; exit 1' TERM; while :; do sleep 0.05; done\n")
    with Daemon(text, {"run.sh": script}) as d:
        first = push(d, {"ref": "main", "n": 1})
        until(lambda: os.path.exists(d.path("started")), "the first build")
        other = push(d, {"ref": "dev", "n": 5})
        last = push(d, {"ref": "main", "n": 9})
        assert states(d, [first, other, last]) == ["cancelled", "delivered", "delivered"]
        assert open(d.path("ended")).read() == "ended\n"
        event = ended(d, first)
        assert "superseded by dlv_" in event["deliveries"][0]["reason"]
        assert "superseded" in d.cli("explain", first).stdout.decode()


def test_debounce_builds_once():
    text = config("", "  run: { exec: { command: [./run.sh, '{{ .n }}'] },\n"
                      "         order_by: '{{ .ref }}', debounce: { wait: 300ms, max: 5s } }")
    with Daemon(text, {"run.sh": SCRIPT + 'echo "$1" >> ran\n'}) as d:
        ids = [push(d, {"ref": "main", "n": i}) for i in range(8)]
        got = states(d, ids)
        assert got[-1] == "delivered" and set(got[:-1]) <= {"cancelled", "delivered"}, got
        ran = open(d.path("ran")).read().split()
        assert ran[-1] == "7" and len(ran) == got.count("delivered")


# --- files, limits, walls ------------------------------------------------------------------

def test_payload_fields_become_files():
    text = config("", "  run: { exec: { command: [./run.sh], files: { CHANGES: '{{ .commits }}',\n"
                      "                 ALL: '{{ body }}' } } }")
    script = SCRIPT + ('cat "$CHANGES" > changes; cat "$ALL" > all\n'
                       'echo x 2>/dev/null > "$ALL" && echo w > bad\nexit 0\n')
    with Daemon(text, {"run.sh": script}) as d:
        big = {"commits": [{"id": i, "m": "x\n$(touch owned)" * 50} for i in range(1000)]}
        body = json.dumps(big).encode()
        event = ended(d, push(d, body))
        assert event["deliveries"][0]["state"] == "delivered", event["deliveries"]
        assert json.loads(open(d.path("changes")).read()) == big["commits"]
        assert open(d.path("all"), "rb").read() == body
        assert not os.path.exists(d.path("bad")) and not os.path.exists(d.path("owned"))


def test_limits_hold():
    text = config("", "  run: { exec: { command: [./run.sh], on_failure: dead,\n"
                      "           limits: { file_size: 4KiB, open_files: 32, memory: 256MiB } } }")
    script = SCRIPT + "ulimit -n; ulimit -v; head -c 100000 /dev/zero > big\n"
    with Daemon(text, {"run.sh": script}) as d:
        event = ended(d, push(d, {}))
        log = event["deliveries"][0]["log"][0]
        assert log["response"].startswith("stdout:\n32\n262144\n"), log
        assert os.path.getsize(d.path("big")) == 4096
        assert event["deliveries"][0]["state"] == "dead"


def test_a_sandbox_keeps_a_command_in():
    os.makedirs("/tmp/gaff-e2e-sandbox", exist_ok=True)
    text = config("", "  run: { exec: { command: [./run.sh],\n"
                      "           sandbox: { write: [./out], network: false } } }")
    script = SCRIPT + ("echo in > out/file || exit 11\n"
                       "echo out > /tmp/gaff-e2e-sandbox/file 2>/dev/null && exit 12\n"
                       "cat /root/.profile /var/lib/dpkg/status >/dev/null 2>&1 && exit 13\n"
                       "echo x > here 2>/dev/null && exit 14\n"
                       "python3 -c 'import socket; socket.socket()' 2>/dev/null && exit 15\n"
                       "unshare -U true 2>/dev/null && exit 16\n"
                       "python3 -c 'import socket; socket.socketpair()' || exit 17\nexit 0\n")
    d = Daemon(text, {"run.sh": script})
    os.makedirs(d.path("out"), exist_ok=True)
    if "no Landlock" in d.cli("check").stdout.decode() + d.cli("check").stderr.decode():
        raise Skip("this kernel has no Landlock")
    with d:
        event = ended(d, push(d, {}))
        log = event["deliveries"][0]["log"][0]
        assert log["status"] == 0 and event["deliveries"][0]["state"] == "delivered", log
        assert open(d.path("out/file")).read() == "in\n"


def test_ten_thousand_queued_commands_hold_little():
    if "asan" in GAFF or "tsan" in GAFF:
        raise Skip("sanitizers' allocators keep what is freed")
    text = config("", "  run: { exec: { command: [./run.sh] }, concurrency: 1 }")
    script = SCRIPT + "while [ ! -e go ]; do sleep 0.2; done\n"
    with Daemon(text, {"run.sh": script}) as d:
        push(d, {})
        before = rss(d)
        body = b'{"x":"' + b"y" * 1000 + b'"}'
        load = [threading.Thread(target=lambda: [push(d, body) for _ in range(1250)])
                for _ in range(8)]
        for t in load:
            t.start()
        for t in load:
            t.join()
        grown = rss(d) - before
        assert d.api("GET", "/status").json() is not None
        assert grown < 20 * 1024, f"{grown} KiB more with 10,000 commands queued"
        print(f"  10,000 queued commands: {grown} KiB more than before", flush=True)
        open(d.path("go"), "w").close()


# --- hostile payloads ------------------------------------------------------------------

HOSTILE = ["; touch owned", "$(touch owned)", "`touch owned`", "-o owned", "--output=owned",
           "a\nb: c", "a\r\nX-Evil: 1", "a\0b", "../../owned", "/etc/passwd", "{{ .secret }}",
           "{{ header:Authorization }}", "'; touch owned; '", '"; touch owned; "', "|touch owned",
           "a&b=c#d?e", "%0d%0aX-Evil: 1", "\u2028", "<script>", "*", "~", "!!", "\\", "${HOME}"]


def test_hostile_values_stay_values():
    target = Target()
    text = config("", f"""  run: {{ exec: {{
            command: [./run.sh, "{{{{ .v }}}}", --, "{{{{ .v }}}}", "pre-{{{{ .v }}}}"],
            env: {{ V: "{{{{ .v }}}}" }}, files: {{ F: "{{{{ .v }}}}" }}, on_failure: dead }} }}
  shell: {{ exec: {{ command: [/bin/sh, -c, "printf %s {{{{ .v | shell }}}} > shell.out"],
            on_failure: dead }} }}
  web: {{ http: {{ url: "{target.url}/x/{{{{ .v | url }}}}?q={{{{ .v | url }}}}",
            headers: {{ X-Value: "{{{{ .v | url }}}}" }},
            body: '{{"text":{{{{ .v | json }}}}}}' }}, retry: {{ attempts: 1 }} }}""",
                  "  - { from: github, to: [run, shell, web] }")
    script = SCRIPT + ('printf %s "$1" > arg; printf %s "$3" > arg3; printf %s "$4" > pre; '
                       'printf %s "$V" > env; cat "$F" > file; cat > stdin; echo $# > count\n')
    with Daemon(text, {"run.sh": script}) as d:
        for value in HOSTILE:
            for name in ("arg", "arg3", "pre", "env", "file", "count", "shell.out"):
                if os.path.exists(d.path(name)):
                    os.unlink(d.path(name))
            before = len(target.requests)
            event = ended(d, push(d, {"v": value, "secret": "never"}))
            by = {x["destination"]: x for x in event["deliveries"]}
            refused = any(c in value for c in "\0\r\n") or value.startswith("-")
            assert (by["run"]["state"] == "dead") == refused, (value, by["run"])
            if refused:
                assert by["run"]["log"][0]["error_class"] == "refused", (value, by["run"])
                assert not os.path.exists(d.path("count")), value
            else:
                for name, want in (("arg", value), ("arg3", value), ("pre", "pre-" + value),
                                   ("env", value), ("file", value), ("count", "4\n")):
                    with open(d.path(name), encoding="utf-8", newline="") as f:
                        assert f.read() == want, (name, value)
            if by["shell"]["state"] == "delivered":
                with open(d.path("shell.out"), encoding="utf-8", newline="") as f:
                    assert f.read() == value, value
            else:
                assert by["shell"]["log"][0]["error_class"] == "refused", by["shell"]
            if by["web"]["state"] == "delivered":
                request = target.requests[before]
                assert request["path"].startswith("/x/")
                assert request["headers"].get("X-Evil") is None
                path, query = request["path"].split("?")
                assert "/" not in path[3:] and " " not in path and "&" not in query, request["path"]
                assert json.loads(request["body"]) == {"text": value}, value
            assert not os.path.exists(d.path("owned")), value
            assert not os.path.exists(os.path.join(d.dir, "..", "owned")), value


run(globals())
