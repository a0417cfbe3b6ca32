#!/usr/bin/env python3
"""hooks.py -- `gaff webhook` alone: what it does beside and beyond the program it stands in for.
Storing what is triggered (-durable), and each difference that the guide lists."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
from peers import GAFF, Hooked, arg, config, probe, quiet, request

DURABLE = ["-durable", "-admin", "127.0.0.1:0", "-data", "store"]


class Webhook:
    """gaff webhook with hooks.json of these texts, gone afterwards."""

    def __init__(self, hooks, flags=(), files=None, env=None):
        text = hooks if isinstance(hooks, str) else config(*hooks)
        self.one = Hooked("gaff", {"hooks.json": text, **(files or {})}, flags, env)

    def __enter__(self):
        return self.one.start()

    def __exit__(self, kind, *_):
        if kind:
            print(self.one.log()[-3000:].decode("utf-8", "replace"))
        self.one.stop()


def cli(one, *args):
    p = subprocess.run([GAFF, *args, "--data", one.path("store")], cwd=one.dir, env=one.env,
                       capture_output=True, timeout=120, check=False)
    assert p.returncode == 0, (args, p.stdout, p.stderr)
    return p.stdout.decode()


def rows(one, *args):
    return [json.loads(line) for line in cli(one, *args, "-o", "jsonl").splitlines()]


def text_of(one, name):
    try:
        with open(one.path(name), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


RECORD = """#!/bin/sh
echo "$1 $2 $HOOK_ref" >> ran
test -e fine
"""
DEPLOY = quiet("deploy", execute_command="@DIR@/record", response_message="queued",
               success_http_response_code=202, command_working_directory="@DIR@",
               pass_arguments_to_command=[arg("query", "q"), arg("request", "method")],
               pass_environment_to_command=[arg("payload", "ref")],
               trigger_rule={"match": {"type": "value", "value": "main",
                                       "parameter": arg("payload", "ref")}})


def record(one):
    one.write("record", RECORD)
    os.chmod(one.path("record"), 0o755)


def test_durable_stores_before_it_answers_and_tries_again():
    with Webhook([DEPLOY], DURABLE) as one:
        record(one)
        answer = one.send(request("PUT", "/hooks/deploy?q=7", {"ref": "main"}))
        assert answer["status"] == 202 and answer["body"] == b"queued", answer
        until(lambda: text_of(one, "ran"), "the first attempt")
        events = rows(one, "events", "ls")
        assert [e["source"] for e in events] == ["deploy"], events
        until(lambda: rows(one, "deliveries", "ls")[0]["attempts"] == 1, "its outcome")
        one.write("fine", "")
        until(lambda: rows(one, "deliveries", "ls")[0]["state"] == "delivered", "the next attempt")
        ran = text_of(one, "ran").splitlines()
        assert ran == ["7 PUT main"] * len(ran) and len(ran) >= 2, ran
        assert "exit status 1" in cli(one, "explain", events[0]["id"])


def test_durable_stores_only_what_is_triggered():
    with Webhook([DEPLOY, probe("now", execute_command="/bin/echo")], DURABLE) as one:
        record(one)
        answer = one.send(request(path="/hooks/deploy", body={"ref": "other"}))
        assert answer["body"] == b"Hook rules were not satisfied."
        assert one.send(request(path="/hooks/now"))["body"] == b"\n"
        assert one.send(request(path="/hooks/none"))["status"] == 404
        assert rows(one, "events", "ls") == []


def test_durable_runs_after_a_kill_what_was_answered_before_it():
    with Webhook([DEPLOY], DURABLE) as one:
        record(one)
        one.write("fine", "")
        os.chmod(one.path("record"), 0o644)  # cannot run yet
        for n in range(20):
            assert one.send(request(path=f"/hooks/deploy?q={n}",
                body={"ref": "main"}))["status"] == 202
        one.process.kill()
        one.process.wait()
        os.chmod(one.path("record"), 0o755)
        one.start()
        until(lambda: {line.split()[0] for line in text_of(one, "ran").splitlines()} ==
              {str(n) for n in range(20)}, "all twenty")


def test_durable_follows_a_reload():
    with Webhook([DEPLOY], DURABLE) as one:
        record(one)
        one.write("fine", "")
        later = dict(DEPLOY, id="a/odd {id}")
        one.write("hooks.json", config(later))
        one.process.send_signal(signal.SIGHUP)
        until(lambda: b"loaded: a/odd {id}" in one.log(), "the reload")
        answer = one.send(request(path="/hooks/a/odd%20%7Bid%7D?q=1", body={"ref": "main"}))
        assert answer["status"] == 202, answer
        until(lambda: text_of(one, "ran") == "1 POST main\n", "the command")
        assert rows(one, "events", "ls")[0]["source"].startswith("hook-")


def test_called_as_webhook_it_is_webhook():
    one = Hooked("gaff", {"hooks.json": config(quiet("a"))})
    os.symlink(GAFF, one.path("webhook"))
    p = subprocess.run([one.path("webhook"), "-version"], capture_output=True, text=True,
        check=True)
    assert p.stdout.startswith("webhook version "), p.stdout
    one.stop()


# ---- differences that are meant ----

def test_a_body_over_the_limit_is_refused():
    with Webhook([quiet("a")], ["-max-body-bytes", "1000"]) as one:
        assert one.send(request(path="/hooks/a", body=b"x" * 1000,
            ctype="text/plain"))["status"] == 200
        answer = one.send(request(path="/hooks/a", body=b"x" * 1001, ctype="text/plain"))
        assert answer["status"] == 413 and answer["body"].startswith(b"413 "), answer


def test_thirty_megabytes_are_taken():
    hook = probe("a", execute_command="/usr/bin/wc", pass_arguments_to_command=[
        arg("string", "-c"), arg("string", "/proc/self/cmdline")])
    with Webhook([hook]) as one:
        body = b'{"a":"' + b"x" * 30_000_000 + b'"}'
        assert one.send(request(path="/hooks/a", body=body))["status"] == 200


def test_requests_that_are_ambiguous_are_refused():
    with Webhook([quiet("a")]) as one:
        for path in ("/hooks/a%00", "/hooks/a?\u00e9", "/hooks/\u00e9"):
            assert one.send(request(path=path))["status"] == 400, path
        both = request(path="/hooks/a", body=b"{}", headers=[("Transfer-Encoding", "chunked")])
        assert one.send(both)["status"] == 400


def test_interim_codes_are_not_sent():
    with Webhook([quiet("a", success_http_response_code=103)]) as one:
        assert one.send(request(path="/hooks/a"))["status"] == 200


def test_a_payload_cannot_forge_a_log_line_or_drive_a_terminal():
    with Webhook([probe("a", execute_command="/bin/echo",
                        pass_environment_to_command=[arg("payload", "x")],
                        pass_arguments_to_command=[arg("string", "\x1b[2J")])]) as one:
        one.send(request(path="/hooks/a", body={"x": "v\n[webhook] 2026/01/01 forged\x1b[31m"}))
        until(lambda: b"finished handling a" in one.log(), "the end")
        assert b"\n[webhook] 2026/01/01 forged" not in one.log()
        assert b"\x1b" not in one.log()


def test_debug_does_not_show_credentials():
    with Webhook([quiet("a")], ["-debug"]) as one:
        one.send(request(path="/hooks/a", body=b"{}", headers=[("Authorization", "Bearer s3cr3t"),
                                                              ("X-Seen", "yes")]))
        until(lambda: b"X-Seen: yes" in one.log() and b"fired" in one.log(), "the dump")
        assert b"s3cr3t" not in one.log()


def test_declared_entities_are_refused():
    bomb = ('<!DOCTYPE a [<!ENTITY x "lol"><!ENTITY y "&x;&x;&x;&x;">'
            '<!ENTITY z SYSTEM "file:///etc/passwd">]><a>&y;&z;</a>')
    with Webhook([probe("a", pass_arguments_to_command=[arg("entire-payload")])]) as one:
        answer = one.send(request(path="/hooks/a", body=bomb, ctype="text/xml"))
        assert b"\0null\0" in answer["body"], answer


def test_a_file_that_multiplies_itself_ends():
    lines = ["- &a0 {id: x, response-message: y}"]
    lines += [f"- &a{i} [" + ", ".join(f"*a{i - 1}" for _ in range(10)) + "]" for i in range(1, 9)]
    with Webhook("\n".join(lines), ["-nopanic"]) as one:
        assert b"more than 200000 values" in one.log(), one.log()


def test_a_pattern_that_never_ends_is_an_error():
    hook = quiet("a", trigger_rule={"match": {"type": "regex", "regex": "^(a+)+$",
                                              "parameter": arg("payload", "x")}})
    with Webhook([hook]) as one:
        assert one.send(request(path="/hooks/a", body={"x": "a" * 20}))["body"] == b"fired"
        answer = one.send(request(path="/hooks/a", body={"x": "a" * 40 + "!"}))
        assert answer["status"] == 500, answer


def test_deep_payloads_are_null():
    with Webhook([probe("a", pass_arguments_to_command=[arg("entire-payload")])]) as one:
        body = b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"
        assert b"\0null\0" in one.send(request(path="/hooks/a", body=body))["body"]


def test_hot_reload_notices_a_file_put_in_its_place():
    with Webhook([quiet("a")], ["-hotreload"]) as one:
        for round_ in range(3):
            one.write("new.json", config(quiet(f"b{round_}")))
            os.rename(one.path("new.json"), one.path("hooks.json"))
            until(lambda: one.send(request(path=f"/hooks/b{round_}"))["status"] == 200,
                "the new file")
        assert one.send(request(path="/hooks/a"))["status"] == 404
        one.write("hooks.json", "{")
        until(lambda: b"couldn't load hooks from file!" in one.log(), "the refusal")
        assert one.send(request(path="/hooks/b2"))["status"] == 200
        one.write("hooks.json", config(quiet("c")))
        until(lambda: one.send(request(path="/hooks/c"))["status"] == 200,
            "the file written in place")


def test_hot_reload_of_a_file_that_goes():
    with Webhook([quiet("a")], ["-hotreload"], {"hooks2.json": config(quiet("b"))}) as one:
        os.unlink(one.path("hooks.json"))
        until(lambda: one.send(request(path="/hooks/a"))["status"] == 404, "its hooks gone")
        assert one.send(request(path="/hooks/b"))["status"] == 200


def test_unix_socket():
    one = Hooked("gaff", {"hooks.json": config(quiet("a"))}, ["-socket", "s.sock"])
    with open(one.path("log"), "ab") as log:
        one.process = subprocess.Popen(one.command(), cwd=one.dir, env=one.env, stdout=log,
            stderr=log)
    until(lambda: os.path.exists(one.path("s.sock")) and b"serving hooks" in one.log(),
        "the socket")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(one.path("s.sock"))
        s.sendall(request(path="/hooks/a"))
        out = b""
        while chunk := s.recv(65536):
            out += chunk
    assert out.endswith(b"fired"), out
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(60) == 0 and not os.path.exists(one.path("s.sock"))
    one.stop()


if __name__ == "__main__":
    run(globals())
