#!/usr/bin/env python3
"""hooks.py -- `gaff webhook` alone: what it does beside and beyond the program it stands in for.
Storing what is triggered (-durable), and each difference that the guide lists."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import ssl
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


# ---- import ----

SAY = """#!/bin/sh
line=${0##*/}
for a; do line="$line <$a>"; done
for f in "$FILE_A" "$HOOK_LOW"; do [ -z "$f" ] || line="$line [$(cat "$f")]"; done
echo "$line ref=$HOOK_ref" >> said
"""


def all_of(*rules):
    return {"trigger-rule": {"and": list(rules)}}


def value(parameter, text):
    return {"match": {"type": "value", "value": text, "parameter": parameter}}


def regex(parameter, text):
    return {"match": {"type": "regex", "regex": text, "parameter": parameter}}


def signed(kind, header, secret):
    return {"match": {"type": kind, "secret": secret, "parameter": arg("header", header)}}


def hook(name, *arguments, **more):
    return {"id": name, "execute-command": "@DIR@/say-" + name,
            "pass-arguments-to-command": list(arguments), **more}


def hmac_of(name, secret, body):
    return hmac.new(secret.encode(), body, getattr(hashlib, name)).hexdigest()


# What the other project's documentation shows, written anew: a hosting service with a signature,
# one with a token, one known by its addresses, a chat's form, a secret in the query, and rules.
EXAMPLES = [
    hook("github", arg("payload", "head_commit.id"), arg("payload", "pusher.name"),
         **all_of(signed("payload-hmac-sha1", "X-Hub-Signature", "mysecret"),
                  value(arg("payload", "ref"), "refs/heads/master"))),
    hook("gogs", arg("payload", "head_commit.id"), arg("payload", "pusher.email"),
         **all_of(signed("payload-hmac-sha256", "X-Gogs-Signature", "mysecret"),
                  value(arg("payload", "ref"), "refs/heads/master"))),
    hook("gitlab", arg("payload", "user_name"),
         **{"trigger-rule": value(arg("header", "X-Gitlab-Token"), "<YOUR-GENERATED-TOKEN>")}),
    hook("bitbucket", arg("payload", "actor.username"),
         **{"trigger-rule": {"match": {"type": "ip-whitelist",
         "ip-range": "127.0.0.0/8 10.0.0.0/8"}}}),
    hook("slack", arg("header", "Content-Type"), **{
        "incoming-payload-content-type": "application/x-www-form-urlencoded",
        "trigger-rule": value(arg("payload", "token"), "<YOUR-TOKEN>")}),
    hook("get-secret", arg("url", "branch"), **{
        "http-methods": ["GET", "POST"], "trigger-rule": value(arg("url", "token"), "42")}),
    hook("strings", arg("string", "-e"), arg("string", "{{ $HOME }} ${env:HOME}"), arg("string",
    "")),
    hook("any", arg("payload", "0.n"), **{"trigger-rule": {"or": [
        value(arg("payload", "state"), "passed"), regex(arg("payload", "branch"), "^release/\\d+$"),
        {"and": [value(arg("header", "X-Kind"), "manual"), {"not": value(arg("url", "dry"),
        "1")}]}]}}),
    hook("unless", arg("payload", "a"), **{"trigger-rule": {
        "not": regex(arg("payload", "head_commit.message"), "(?i)\\[skip ci\\]")}}),
    hook("env", **{"pass-environment-to-command": [arg("payload", "ref"),
                                                   arg("payload", "a.b", envname="OTHER")]}),
    hook("file", **{"pass-file-to-command": [arg("payload", "a", envname="FILE_A"),
                                             arg("payload", "low")]}),
    hook("never", **{"trigger-rule": {}}),
]
SIG = b'{"ref":"refs/heads/master","head_commit":{"id":"c0"},"pusher":{"name":"n","email":"e"}}'
BRANCH = SIG.replace(b"master", b"other")


def example_requests():
    """(request, what it is): those that match and those that just do not."""
    form = "application/x-www-form-urlencoded"
    for body in (SIG, BRANCH):
        for secret in ("mysecret", "wrong"):
            sig = hmac_of("sha1", secret, body)
            yield request(path="/hooks/github", body=body, headers=[("X-Hub-Signature",
                "sha1=" + sig)])
            sig = hmac_of("sha256", secret, body)
            yield request(path="/hooks/gogs", body=body, headers=[("X-Gogs-Signature", sig)])
    yield request(path="/hooks/github", body=SIG)
    for token in ("<YOUR-GENERATED-TOKEN>", "x"):
        yield request(path="/hooks/gitlab", body={"user_name": "u"}, headers=[("X-Gitlab-Token",
            token)])
    yield request(path="/hooks/bitbucket", body={"actor": {"username": "b"}})
    yield request(path="/hooks/slack", body="token=%3CYOUR-TOKEN%3E&text=hi", ctype=form)
    yield request(path="/hooks/slack", body="token=no&text=hi", ctype=form)
    for query in ("?token=42&branch=b", "?token=42", "?token=43", ""):
        yield request("GET", "/hooks/get-secret" + query)
    yield request(path="/hooks/strings", body={})
    for body in ({"state": "passed"}, {"state": "failed"}, {"branch": "release/12"},
        {"branch": "release/x"},
                 [{"n": "first"}]):
        yield request(path="/hooks/any", body=body)
    for query in ("", "?dry=1", "?dry=0"):
        yield request(path="/hooks/any" + query, body={}, headers=[("X-Kind", "manual")])
    for body in ({"a": 1, "head_commit": {"message": "fix"}}, {"a": 2},
        {"head_commit": {"message": "x [Skip CI]"}}):
        yield request(path="/hooks/unless", body=body)
    yield request(path="/hooks/env", body={"ref": "r1", "a": {"b": "ab"}})
    yield request(path="/hooks/env", body={})
    yield request(path="/hooks/file", body={"a": "held in $(a) file", "low": [1]})
    yield request(path="/hooks/never", body={})
    yield request(path="/hooks/none", body={})


def write_says(where):
    for h in EXAMPLES:
        path = os.path.join(where, "say-" + h["id"])
        with open(path, "w", encoding="ascii") as f:
            f.write(SAY)
        os.chmod(path, 0o755)


def said(directory, marker):
    """What the commands said, once the marker's turn has come."""
    def look():
        try:
            with open(os.path.join(directory, "said"), encoding="utf-8") as f:
                lines = f.read().splitlines()
        except FileNotFoundError:
            return None
        return lines if any(marker in line for line in lines) else None
    return sorted(until(look, "the last command"))


def test_import_acts_the_same_on_what_matches_and_what_does_not():
    last = request(path="/hooks/strings", body={})
    sent = list(example_requests())
    with Webhook(EXAMPLES) as one:
        write_says(one.dir)
        for raw in sent:
            one.send(raw)
        until(lambda: one.log().count(b"finished handling") ==
              one.log().count(b"hook triggered successfully"), "all commands")
        expected = said(one.dir, "say-strings")
        imported = subprocess.run([GAFF, "import", "adnanh", "hooks.json"], cwd=one.dir,
            env=one.env,
                                  capture_output=True, check=True)
        text = imported.stdout.decode().replace(one.dir, ".")
        assert b"12 hooks" in imported.stderr and b" 0 left out" in imported.stderr, imported.stderr
    text = text.replace("listen: 0.0.0.0:9000",
                        "listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }")
    with Daemon(text, start=False) as d:
        write_says(d.dir)
        d.cli("check", "--config", "gaff.yaml")
        d.start()
        for raw in sent:
            d.raw(raw)
        until(lambda: all(x["state"] == "delivered" for x in d.deliveries(limit=200)),
            "all delivered")
        assert said(d.dir, "say-strings") == expected, (said(d.dir, "say-strings"), expected)
        assert d.raw(last).startswith(b"HTTP/1.1 200 ")
    assert len(expected) == 16, expected


def test_import_waits_for_output_where_it_was_waited_for():
    echo = probe("echo", execute_command="/bin/echo", success_http_response_code=201,
                 response_headers=[{"name": "X-Kind", "value": "echo"}],
                 pass_arguments_to_command=[arg("payload", "a")])
    fails = probe("fails", execute_command="/bin/sh", pass_arguments_to_command=[
        arg("string", "-c"), arg("string", "echo out; exit 3")])
    with Webhook([echo, fails]) as one:
        text = subprocess.run([GAFF, "import", "adnanh", "hooks.json"], cwd=one.dir, env=one.env,
                              capture_output=True, check=True).stdout.decode()
        before = [one.send(request(path="/hooks/" + n, body={"a": "said"})) for n in ("echo",
            "fails")]
    text = text.replace("listen: 0.0.0.0:9000",
                        "listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }")
    with Daemon(text) as d:
        for name, was in zip(("echo", "fails"), before):
            now = d.post("/hooks/" + name, b'{"a":"said"}', {"Content-Type": "application/json"})
            assert (now.status, now.body) == (was["status"], was["body"]), (now.body, was)
        assert d.post("/hooks/echo", b"{}").headers["x-kind"] == "echo"


def test_import_says_what_has_no_equivalent():
    odd = [quiet("either", trigger_rule={"or": [signed("payload-hmac-sha1", "X-A", "a"),
                                                signed("payload-hmac-sha1", "X-B", "b")]}),
           quiet("scalr", trigger_rule={"match": {"type": "scalr-signature", "secret": "k"}}),
           quiet("a/b {c}"), quiet("a/b {c}"), quiet("A B"), quiet("é"),
           quiet("files", pass_file_to_command=[arg("payload", "y", envname="G"),
           arg("payload", "x", envname="F",
           base64decode=True)]),
           probe("waits"), quiet("named", pass_environment_to_command=[arg("payload", "a.b-c")]),
           quiet("bad", trigger_rule=regex(arg("payload", "a"), "(")),
           quiet("unknown", trigger_rule={"match": {"type": "what", "parameter": arg("payload",
           "a")}}),
           quiet("codes", success_http_response_code=404,
           trigger_rule_mismatch_http_response_code=400),
           quiet("json", parse_parameters_as_json=[arg("payload", "p")]),
           quiet("v6", trigger_rule={"match": {"type": "ip-whitelist", "ip-range": "::1"}})]
    with Webhook(odd, ["-nopanic"]) as one:
        out = subprocess.run([GAFF, "import", "adnanh", "hooks.json", "--out", "gaff.yaml"],
            cwd=one.dir,
                             env=one.env, capture_output=True, check=True)
        assert b"3 left out" in out.stderr, out.stderr
        with open(one.path("gaff.yaml"), encoding="utf-8") as f:
            text = f.read()
        for words in ("below `or` or `not`", "scalr-signature has no equivalent",
            "the first one won",
                      "its text was base64", "/dev/fd/N", "ack: { when: done", "HOOK_a_b_c",
                      "regular expression is wrong",
                      "type of match is unknown", "must be 200 to 299", "a mismatch was answered",
                      "parse-parameters-as-json", "IPv6"):
            assert words in text, words + "\n" + text
        check = subprocess.run([GAFF, "check", "--config", "gaff.yaml"], cwd=one.dir, env=one.env,
                               capture_output=True, check=False)
        assert check.returncode == 0, check.stderr.decode() + text
        again = subprocess.run([GAFF, "import", "adnanh", "hooks.json", "--out", "gaff.yaml"],
                               cwd=one.dir, env=one.env, capture_output=True, check=False)
        assert again.returncode == 1 and b"is there already" in again.stderr


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


def test_a_socket_that_systemd_passes_comes_first():
    one = Hooked("gaff", {"hooks.json": config(quiet("a"))})
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        with open(one.path("log"), "ab") as log:
            one.process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec 3<&{listening.fileno()}; exec \"$@\"", "sh",
                *one.command()],
                cwd=one.dir, env={**one.env, "LISTEN_FDS": "1"}, stdout=log, stderr=log,
                pass_fds=[listening.fileno()])
        one.port = port
        assert one.send(request(path="/hooks/a"))["body"] == b"fired"
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(60) == 0
    one.stop()


def tls_answers(port, context):
    """What is agreed on, or None when the two have nothing in common."""
    try:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            with context.wrap_socket(plain) as s:
                s.sendall(request(path="/hooks/a"))
                assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
                return s.version(), s.cipher()[0]
    except (ssl.SSLError, ConnectionResetError):
        return None


def test_tls_version_and_ciphers():
    suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    listed = subprocess.run([GAFF, "webhook", "-list-cipher-suites"], capture_output=True,
        text=True,
                            check=True).stdout.split()
    assert suite in listed and "TLS_AES_128_GCM_SHA256" in listed, listed
    for flags, old, new in ((["-tls-min-version", "1.3"], None, "TLSv1.3"),
                            (["-cipher-suites", suite], "ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.3")):
        one = Hooked("gaff", {"hooks.json": config(quiet("a"))}, ["-secure", *flags])
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
            "key.pem",
                        "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"], cwd=one.dir,
                       check=True, capture_output=True)
        one.start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        assert tls_answers(one.port, context)[0] == new
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        agreed = tls_answers(one.port, context)
        assert (agreed and agreed[1]) == old, (flags, agreed)
        one.stop()
    p = subprocess.run([GAFF, "webhook", "-verbose", "-secure", "-cipher-suites",
        "TLS_NONE_OF_THESE",
                        "-nopanic", "-port", "0", "-ip", "127.0.0.1"], capture_output=True,
                        check=False)
    assert p.returncode == 1, p.stderr
    assert b"unknown TLS cipher suite: TLS_NONE_OF_THESE" in p.stderr, p.stderr


if __name__ == "__main__":
    run(globals())
