#!/usr/bin/env python3
"""operate.py -- the daemon as its operator meets it: checking, reloading, signals, exit codes, the
API's token, the command line, the live stream, TLS, unix sockets, health and metrics."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import ssl
import http.client as http_client

OPEN = "sources:\n  open: { provider: none }\n"
BODY = b'{"hello":"world"}'


def test_check_lists_everything_that_is_wrong():
    bad = """sources:
  github: { provider: githb, secert: x }
  second: { provider: stripe }
destinations:
  d: { http: { url: "ftp://x" } }
routes:
  - { from: nowhere, to: [d, e] }
"""
    with Daemon(bad, start=False) as d:
        p = d.cli("check", code=78)
        said = p.stderr.decode()
        for want in ("gaff.yaml:4:", "did you mean", "githb", "secert", "nowhere", '"e"'):
            assert want in said, (want, said)
        assert said.count("gaff.yaml:") >= 5, said
        d.start(wait=False)
        assert d.process.wait(30) == 78


def test_a_command_without_verification_is_refused():
    text = OPEN + """destinations:
  c: { exec: { command: [/bin/true] } }
routes:
  - { from: open, to: [c] }
"""
    with Daemon(text, start=False) as d:
        said = d.cli("check", code=78).stderr.decode()
        assert "insecure" in said, said
        d.config(text.replace("provider: none", "provider: none, insecure: true"))
        d.cli("check")


def test_reload_takes_a_new_file_and_refuses_a_wrong_one():
    with Daemon(OPEN) as d:
        assert d.post("/in/other", BODY).status == 404
        d.config(OPEN + "  other: { provider: none }\n")
        until(lambda: d.post("/in/other", BODY).status == 200, "the file is noticed by itself")
        d.config("sources: [broken\n")
        until(lambda: "configuration refused" in d.log(), "refused")
        assert d.post("/in/other", BODY).status == 200
        assert b"gaff.yaml:" in d.cli("reload", code=5).stderr
        d.config(OPEN)
        d.signal(signal.SIGHUP)
        until(lambda: d.post("/in/other", BODY).status == 404, "HUP reloads")


def test_a_reload_that_would_move_a_listener_warns_and_lives():
    with Daemon(OPEN) as d:
        d.config("listen: 127.0.0.1:1\nadmin: { listen: 127.0.0.1:0 }\n" + OPEN +
                 "  other: { provider: none }\n")
        until(lambda: d.post("/in/other", BODY).status == 200, "the rest of it is in force")
        until(lambda: "at the next start only" in d.log(), "it is said")
        assert "certificate" not in d.log()


def test_what_to_send_first_is_said_where_it_is_asked_for_and_is_accepted():
    secret = "It's a secret of 30 characters"
    with Daemon(f'sources:\n  github: {{ provider: github, secret: "{secret}" }}\n') as d:
        assert "curl" not in d.log() and "/#/enter" not in d.log()
        assert d.stop() == 0
        d.start(more=["--first-steps"])
        until(lambda: "/#/enter" in d.log() or "tail --config" in d.log(), "all of it is said")
        line = re.search(r"^  (curl .*?[^\\])$", d.log(), re.M | re.S).group(1)
        said = subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=60)
        event = json.loads(said.stdout)["id"]
        assert d.cli("explain", event).stdout.count(b"verified") == 1
        assert secret not in d.log()


def test_a_symlink_swap_is_noticed():
    with Daemon(OPEN, start=False) as d:
        head = ("listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }\n"
                f"store: sqlite:{d.path('gaff-data')}\n")
        d.write("v1/gaff.yaml", head + OPEN)
        d.write("v2/gaff.yaml", head + OPEN + "  other: { provider: none }\n")
        os.unlink(d.path("gaff.yaml"))
        os.symlink("v1", d.path("data"))
        os.symlink("data/gaff.yaml", d.path("gaff.yaml"))
        d.start()
        assert d.post("/in/other", BODY).status == 404
        os.symlink("v2", d.path("data.new"))
        os.rename(d.path("data.new"), d.path("data"))
        until(lambda: d.post("/in/other", BODY).status == 200, "the swap is noticed")


def test_a_second_instance_is_refused_and_stop_is_clean():
    sqlite_only("a store on PostgreSQL has room for several instances")
    with Daemon(OPEN) as d:
        other = subprocess.run([GAFF, "serve", "--config", "gaff.yaml"], cwd=d.dir, env=d.env,
                               capture_output=True, timeout=60, check=False)
        assert other.returncode == 75, other.stderr
        assert b"open" in d.cli("sources", "ls").stdout  # still found by the command line
        assert d.post("/in/open", BODY).status == 200
        assert d.stop() == 0
        d.start()
        assert len(d.events()) == 1


def test_term_finishes_what_is_in_flight():
    gate = threading.Event()

    def answer(request, count):
        gate.wait(30)
        return 200, {}, b""
    target = Target(answer)
    text = OPEN + f"""destinations:
  t: {{ http: {{ url: "{target.url}" }} }}
routes:
  - {{ from: open, to: [t] }}
"""
    with Daemon(text) as d:
        event_id = d.post("/in/open", BODY).json()["id"]
        until(lambda: target.requests, "the attempt has begun")
        d.signal(signal.SIGTERM)
        until(lambda: "draining" in d.log(), "draining")
        gate.set()
        assert d.process.wait(60) == 0
        d.start()
        d.settled(event_id)
        assert len(target.requests) == 1


class SteadyClient:
    """Sends one event after the other, each by a connection of its own; keeps what came of it."""

    def __init__(self, daemon):
        self.daemon, self.replies, self.failed, self.over = daemon, [], [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over:
            body = b'{"n": %d}' % len(self.replies)
            try:
                reply = self.daemon.post("/in/github", body, github(body))
                self.replies.append((reply.status, reply.body))
            except OSError as why:
                self.failed.append(why)

    def sent(self, more):
        count = len(self.replies)
        until(lambda: len(self.replies) >= count + more, f"{more} more events")

    def end(self):
        self.over = True
        self.thread.join()
        assert not self.failed and {status for status, _ in self.replies} == {200}, (
            self.failed, [r for r in self.replies if r[0] != 200])
        return [json.loads(body)["id"] for _, body in self.replies]


def program_of(pid):
    """The inode of what runs; None for who may not look into a process that hides its memory."""
    try:
        return os.stat(f"/proc/{pid}/exe").st_ino
    except PermissionError:
        return None


def script(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)


def take_place(d, put_there):
    mark = len(d.log())
    put_there(d.path("new"))
    os.rename(d.path("new"), d.program)
    d.signal(signal.SIGUSR2)
    until(lambda: "msg=ready" in d.log()[mark:], "the next program is ready")
    addresses = re.findall(r"msg=(?:listening|admin) address=(\S+)", d.log()[mark:])
    assert d.url in addresses and d.admin in addresses, addresses


def test_usr2_gives_the_place_to_the_program_that_has_the_name_now():
    with Daemon("""listen: [127.0.0.1:0, "unix:in.sock"]
admin: { listen: 127.0.0.1:0 }
sources: { github: { provider: github, secret: "%s" } }
destinations:
  out: { log: { file: out.jsonl } }
  run: { exec: { command: [cat], concurrency: 2 } }
routes: [{ from: github, to: [out, run] }]
""" % SECRET, start=False) as d:
        d.program = d.path("gaff")
        shutil.copy(GAFF, d.program)
        d.start()
        client, ids = SteadyClient(d), []
        for _ in range(3):
            client.sent(5)
            before = program_of(d.process.pid)
            take_place(d, lambda path: shutil.copy(GAFF, path))
            assert before is None or program_of(d.process.pid) != before
            client.sent(5)
        take_place(d, lambda path: script(path, f'echo "$1" >>ran; exec {GAFF} "$@"'))
        with open(d.path("ran"), encoding="ascii") as f:
            assert f.read().split() == ["check", "serve"]
        client.sent(5)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(d.path("in.sock"))
            s.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert s.recv(100).startswith(b"HTTP/1.1 404")
        for event_id in client.end():
            d.settled(event_id)
        assert d.process.poll() is None
        assert d.stop() == 0 and not os.path.exists(d.path("in.sock"))


def test_usr2_that_would_not_start_changes_nothing():
    with Daemon("sources: { github: { provider: github, secret: '%s' } }\n" % SECRET) as d:
        client = SteadyClient(d)
        good = open(d.path("gaff.yaml"), encoding="utf-8").read()
        d.config("sources: { github: { provider: nobody-knows } }\n")
        d.signal(signal.SIGUSR2)
        until(lambda: "not handed over" in d.log(), "it is said")
        client.sent(5)
        d.write("gaff.yaml", good)
        client.end()
        assert d.stop() == 0


def test_the_api_wants_its_token():
    sqlite_only("the token of nodes is in their configuration")
    with Daemon(OPEN) as d:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
            reply = d.request("GET", "/api/v1/events", b"", headers, base=d.admin)
            assert reply.status == 401 and "token" in reply.json()["error"]["message"]
        assert d.request("GET", "/livez", base=d.admin).status == 200
        assert d.request("GET", "/readyz", base=d.admin).status == 200
        assert d.request("GET", "/metrics", base=d.admin).status == 401
        assert os.stat(d.path("gaff-data/admin.token")).st_mode & 0o777 == 0o600
        assert d.cli("events", "ls", env={"GAFF_TOKEN": "wrong"}, code=4)
        assert d.api("GET", "/events?limit=0").status == 400
        assert d.api("GET", "/events?since=yesterday").status == 400
        assert d.api("GET", "/events/evt_0000000000000").status == 404
        assert d.api("GET", "/nothing").status == 404
        assert d.api("POST", "/status").status == 405


def test_a_destination_says_what_waits_and_what_goes_wrong():
    target = Target(lambda request, count: (503, {}, b"") if request["path"] == "/down"
                    else (200, {}, b""))
    with Daemon(f"""sources:
  in: {{ provider: none, insecure: true }}
destinations:
  down: {{ http: {{ url: "{target.url}/down" }}, retry: {{ schedule: [1h] }} }}
  nowhere: {{ http: {{ url: "http://127.0.0.1:1/" }}, retry: {{ schedule: [] }} }}
  fine: {{ http: {{ url: "{target.url}/fine" }} }}
routes:
  - {{ from: in, to: [down, nowhere, fine] }}
""") as d:
        first = d.post("/in/in", b"1").json()["id"]
        d.post("/in/in", b"2")

        def look(name, *wanted):
            seen = d.api("GET", "/destinations/" + name).json()
            errors = sorted((e["cause"], e["count"]) for e in seen["errors"])
            return seen if (seen["waiting"], errors) == wanted else None

        down = until(lambda: look("down", 2, [("HTTP 503", 2)]), "two wait")
        event = d.api("GET", "/events/" + first).json()
        made = [x["created"] for x in event["deliveries"] if x["destination"] == "down"]
        assert down["oldest_waiting"] == made[0] and down["waiting_is_all"], down
        until(lambda: look("nowhere", 0, [("connect", 2)]), "nobody is there")
        fine = until(lambda: look("fine", 0, []), "all is well")
        assert fine["oldest_waiting"] is None and fine["circuit"] == "closed", fine
        assert d.api("GET", "/destinations/unknown").status == 404
        listed = {x["name"]: x for x in d.api("GET", "/destinations").json()["destinations"]}
        assert {n: (x["waiting"], x["dead_letters"]) for n, x in listed.items()} == {
            "down": (2, 0), "nowhere": (0, 2), "fine": (0, 0)}, listed
        assert listed["down"]["oldest_waiting"] == made[0], listed
        assert re.search(r"^down .* 2 ", d.cli("destinations", "ls").stdout.decode(), re.M)
        disk = d.api("GET", "/disk").json()
        assert disk["bytes"] > 0 and disk["bytes_per_day"] is None, disk
        assert d.database or disk["free_bytes"] > 0, disk  # PostgreSQL does not say
        told = json.loads(d.cli("disk", "-o", "json").stdout)
        assert set(told) == set(disk) and told["bytes"] > 0, told
        text = d.cli("disk").stdout.decode()
        assert re.search(r"^store +[\d.]+ [KM]iB$", text, re.M), text
        assert "known after ten minutes" in text, text
        assert json.loads(d.cli("subscriptions", "ls", "-o", "json").stdout) == []
    target.close()


def test_metrics_count():
    with Daemon(OPEN) as d:
        for _ in range(3):
            d.post("/in/open", BODY)
        text = d.request("GET", "/metrics", b"", {"Authorization": "Bearer " + d.token()},
                         base=d.admin).body.decode()
        assert "gaff_events_accepted_total 3" in text
        assert 'gaff_events_received_total{source="open"} 3' in text
        assert 'gaff_ack_duration_seconds_bucket{source="open",le="+Inf"} 3' in text
        # Each family once, whole, behind its HELP and TYPE: what the text format asks for.
        family, seen = None, set()
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = line.split(" ")[2]
                assert family not in seen, line
                seen.add(family)
            elif line.startswith("# TYPE "):
                assert line.split(" ")[2] == family, line
            else:
                name = re.fullmatch(r"([a-z_]+)(\{[^{}]*\})? \S+", line).group(1)
                assert re.sub(r"_(bucket|sum|count)$", "", name) == family or name == family, line


def test_pages_follow_each_other():
    with Daemon(OPEN) as d:
        sent = [d.post("/in/open", BODY).json()["id"] for _ in range(25)]
        got, cursor = [], ""
        while True:
            page = d.api("GET", "/events?limit=10" + cursor).json()
            got += [e["id"] for e in page["events"]]
            if not page["next_cursor"]:
                break
            cursor = "&cursor=" + page["next_cursor"]
        assert got == sent[::-1]


def test_tail_shows_what_happens():
    target = Target()
    text = OPEN + f"""destinations:
  t: {{ http: {{ url: "{target.url}" }} }}
routes:
  - {{ from: open, to: [t] }}
"""
    with Daemon(text) as d:
        p = subprocess.Popen([GAFF, "tail", "-o", "jsonl"], cwd=d.dir, env=d.env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = []
        threading.Thread(target=lambda: [lines.append(json.loads(x)) for x in p.stdout],
                         daemon=True).start()
        sent = []

        def seen():
            sent.append(d.post("/in/open", BODY).json()["id"])
            time.sleep(0.1)
            events = {x["id"] for x in lines if x["kind"] == "event"}
            return any(x["kind"] == "attempt" and x["event_id"] in events for x in lines)
        until(seen, "an event and its attempt")
        assert {x["id"] for x in lines if x["kind"] == "event"} <= set(sent)
        p.kill()
        p.wait()


def test_the_first_lines_on_a_terminal_send_an_event_when_copied():
    sqlite_only("the token of nodes is in their configuration")
    import pty
    for provider, secret in (("github", SECRET), ("stripe", "whsec_of_a_test"), ("none", "")):
        given = f'secret: "{secret}"' if secret else ""
        with Daemon(f"sources:\n  first: {{ provider: {provider}, {given} }}\n", start=False) as d:
            ours, theirs = pty.openpty()
            d.process = subprocess.Popen([GAFF, "serve", "--config", "gaff.yaml"], cwd=d.dir,
                                         env=d.env, stdin=theirs, stdout=theirs, stderr=theirs)
            os.close(theirs)
            said = b""
            while b"tail --config" not in said:
                said += os.read(ours, 65536)
            text = said.decode().replace("\r\n", "\n")
            assert not secret or secret not in text
            curl = text[text.index("curl http"):].split("\n\n")[0]
            assert curl.count("curl") == 1
            out = subprocess.run(["sh", "-c", curl + " -s"], capture_output=True, check=True).stdout
            assert out.startswith(b'{"id":"evt_'), out
            look = re.search(r"^  (\S+ events ls --config \S+)", text, re.M).group(1)
            shown = subprocess.run(["sh", "-c", look], cwd=d.dir, capture_output=True, check=True)
            assert b"first" in shown.stdout
            os.close(ours)


def test_escapes_of_a_payload_do_not_reach_the_terminal():
    with Daemon(OPEN) as d:
        body = b'\x1b[31mred\x1b]0;title\x07 \xe2\x80\xae'
        event_id = d.post("/in/open", body, {"X-Evil": "a"}).json()["id"]
        out = d.cli("events", "show", event_id).stdout
        assert b"\x1b" not in out and b"\x07" not in out and b"\xe2\x80\xae" not in out


def test_sign_and_verify_know_the_providers_of_ones_own():
    mine = ("id: acme\ntitle: Acme\nverify:\n  scheme: hmac\n  hash: sha256\n"
            "  signature: { from: \"header:X-Acme\", encoding: hex }\n  signed: \"{{ body }}\"\n")
    text = "presets: mine\nsources: { s: { provider: none, insecure: true } }\n"
    with Daemon(text, files={"mine/acme.yaml": mine}, start=False) as d:
        d.env["GAFF_SECRET"] = "s3cret"
        header = d.cli("sign", "--provider", "acme", stdin=b"{}").stdout.decode().strip()
        assert header == "X-Acme: " + hmac.new(b"s3cret", b"{}", "sha256").hexdigest(), header
        d.cli("verify", "--provider", "acme", "--header", header, stdin=b"{}")
        d.cli("verify", "--provider", "acme", "--header", header, stdin=b"{ }", code=4)
        assert "acme" in d.cli("providers", "acme").stdout.decode()


def test_send_sign_and_verify():
    text = "sources:\n  stripe: { provider: stripe, secret: whsec_of_a_test }\n"
    with Daemon(text) as d:
        url = d.url + "/in/stripe"
        data = '{"id":"evt_1","type":"invoice.paid"}'
        d.cli("send", url, "--provider", "stripe", "--secret", "whsec_of_a_test", "--data", data)
        d.cli("send", url, "--provider", "stripe", "--secret", "wrong wrong", "--data", data,
              code=4)
        event = d.events()[0]
        assert event["type"] == "invoice.paid" and event["delivery_key"] == "evt_1"
        header = d.cli("sign", "--provider", "stripe", "--secret", "s3cret-s3cret",
                       stdin=b"body").stdout.decode().strip()
        good = d.cli("verify", "--provider", "stripe", "--secret", "s3cret-s3cret", "--header",
                     header, stdin=b"body")
        assert good.stdout.startswith(b"verified")
        bad = d.cli("verify", "--provider", "stripe", "--secret", "s3cret-s3cret", "--header",
                    header, stdin=b"bodx", code=4)
        assert bad.stdout.startswith(b"bad_signature")


def test_backup_can_be_put_in_place():
    sqlite_only("backups of PostgreSQL are its own")
    with Daemon(OPEN) as d:
        ids = {d.post("/in/open", BODY).json()["id"] for _ in range(20)}
        d.cli("backup", "copy.db")
        import sqlite3
        db = sqlite3.connect(d.path("copy.db"))
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM events").fetchone() == (20,)
        db.close()
        d.stop()
        name = next(n for n in os.listdir(d.path("gaff-data")) if n.endswith(".db"))
        token = d.token()
        shutil.rmtree(d.path("gaff-data"))
        os.mkdir(d.path("gaff-data"), 0o700)
        os.rename(d.path("copy.db"), d.path("gaff-data/" + name))
        d.write("gaff-data/admin.token", token)
        d.start()
        assert {e["id"] for e in d.events()} == ids


def certificate(d, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-keyout", d.path("key.pem"), "-out", d.path("cert.pem")], check=True,
                   capture_output=True)


def test_tls_with_a_certificate_that_is_replaced():
    with Daemon("", start=False) as d:
        certificate(d, "first")
        d.write("gaff.yaml", """listen:
  address: "127.0.0.1:0"
  tls: { cert: cert.pem, key: key.pem }
admin: { listen: 127.0.0.1:0 }
""" + OPEN)
        d.start()
        assert d.url.startswith("https://")
        host, port = d.url.split("://")[1].split(":")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def name():
            c = http_client.HTTPSConnection(host, int(port), context=context, timeout=30)
            c.request("POST", "/in/open", BODY)
            der = c.sock.getpeercert(True)
            assert c.getresponse().status == 200
            c.close()
            return b"first" in der, b"second" in der
        assert name() == (True, False)
        certificate(d, "second")
        until(lambda: name() == (False, True), "the new certificate")


def test_unix_sockets():
    with Daemon("", start=False) as d:
        d.write("gaff.yaml", f"listen: unix:{d.path('in.sock')}\n"
                             f"admin: {{ listen: unix:{d.path('admin.sock')} }}\n" + OPEN)
        d.start()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(d.path("in.sock"))
            s.sendall(b"POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
        assert b"open" in d.cli("events", "ls").stdout


def test_forwarded_addresses_count_from_trusted_proxies_only():
    allow = "sources:\n  open: { provider: ip, allow_from: [203.0.113.0/24] }\n"
    with Daemon("trusted_proxies: [127.0.0.1/32]\n" + allow) as d:
        assert d.post("/in/open", BODY, {"X-Forwarded-For": "203.0.113.9"}).status == 200
        assert d.post("/in/open", BODY, {"X-Forwarded-For": "198.51.100.1"}).status == 403
        assert d.events()[0]["peer"] == "203.0.113.9"
    with Daemon(allow) as d:
        assert d.post("/in/open", BODY, {"X-Forwarded-For": "203.0.113.9"}).status == 403


def test_help_of_a_noun_lists_its_verbs():
    with Daemon(OPEN, start=False) as d:
        for asked in (("help", "events"), ("events", "--help")):
            said = d.cli(*asked).stdout.decode()
            assert said.startswith("usage: gaff events VERB [options]\n"), said
            listed = re.findall(r"^  (\S+ ?\S*)  +\S", said, re.M)
            assert "events ls" in listed and all(w.startswith("events ") for w in listed), listed
        p = d.cli("events", code=2)
        assert b"gaff help events" in p.stderr, p.stderr


def test_help_of_every_command_has_an_example():
    with Daemon(OPEN, start=False) as d:
        said = d.cli("help").stdout.decode()
        commands = re.findall(r"^  (\w+(?: \w+)?)  +\S", said, re.M)
        assert len(commands) > 20
        for command in commands:
            text = d.cli("help", *command.split()).stdout.decode()
            assert "example:" in text, command
        assert d.cli("evnts", code=2).stderr
        assert d.cli("events", "ls", "--nonsense", code=2).stderr
        assert d.cli("version").stdout.startswith(b"gaff ")
        assert d.cli("events", "ls", code=6).stderr  # no daemon


def test_completion_knows_verbs_and_options():
    ask = """source <("$GAFF" completion bash)
COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _gaff; echo "${COMPREPLY[@]}"
"""
    def complete(words):
        p = subprocess.run(["bash", "-c", ask % words], env={**os.environ, "GAFF": GAFF},
                           capture_output=True, check=True)
        return p.stdout.decode().split()

    assert "events" in complete("gaff e") and "serve" in complete("gaff s")
    assert {"ls", "show"} <= set(complete("gaff events ''"))
    assert "--source" in complete("gaff events ls --s")
    assert "--config" in complete("gaff serve --")
    p = subprocess.run([GAFF, "completion", "csh"], capture_output=True, check=False)
    assert p.returncode == 2 and b"fish" in p.stderr


def test_a_warning_stays_one_where_an_error_stops_the_start():
    with Daemon("""listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
sources: { github: { provider: github, secret: stands-in-the-file, colour: red } }
""", start=False) as d:
        said = d.cli("serve", "--config", "gaff.yaml", code=78).stderr.decode()
        levels = {("warning: " in line): re.search(r"level=(\w+)", line).group(1)
                  for line in said.splitlines() if "problem=" in line}
        assert levels == {True: "warn", False: "error"}, said


def test_the_program_is_under_two_megabytes():
    if "asan" in GAFF or "tsan" in GAFF:
        raise Skip("a sanitizer's program is of another size")
    with tempfile.TemporaryDirectory() as directory:
        stripped = os.path.join(directory, "gaff")
        subprocess.run(["strip", "-o", stripped, GAFF], check=True)
        size = os.path.getsize(stripped)
    print(f"  {size} bytes without symbols", flush=True)
    assert 500000 < size <= 2000000, f"{size} bytes; `make size` says it too"


run(globals())
