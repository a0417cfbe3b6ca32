#!/usr/bin/env python3
"""notify.py -- mail by a real SMTP server, and targets over real HTTP: what arrives, what the
answers come to, `gaff test`, `gaff targets`."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
import email
import email.policy
from lib import *
import servers

FAST = "retry: { schedule: [100ms, 100ms, 200ms, 500ms, 1s, 1s, 1s], jitter: 0 }"
PUSH = {"ref": "refs/heads/main", "compare": "https://github.com/octo/app/compare/1...2",
        "pusher": {"name": "mona"}, "repository": {"full_name": "octo/app"},
        "head_commit": {"message": "Gr\u00fc\u00dfe\r\nBcc: victim@example.org\r\n.\r\nQUIT\r\n"}}
BODY = json.dumps(PUSH).encode()


def config(destinations):
    names = re.findall(r"^  (\w+):", destinations, flags=re.M)
    return (f"sources:\n  github: {{ provider: github, secret: '{SECRET}' }}\n"
            f"destinations:\n{destinations}\n"
            f"routes:\n  - {{ from: github, to: [{', '.join(names)}] }}\n")


def push(d, body=BODY):
    reply = d.post("/in/github", body, github(body))
    assert reply.status == 200, reply.body
    return reply.json()["id"]


def mail_server(secure):
    if not servers.Mail.python():
        raise Skip("python3-aiosmtpd is not installed")
    return servers.Mail().start(secure).wait()


def test_mail_over_starttls_with_auth():
    m = mail_server(True)
    try:
        text = config(f"""  ops:
    email:
      server: 'localhost:{m.port}'
      ca_file: {m.dir}/cert.pem
      user: gaff
      password: m4il
      from: "Gaff \u2192 Ops <gaff@example.org>"
      to: [ops@example.org, "Mona <mona@example.org>"]
    {FAST}""")
        with Daemon(text) as d:
            i = push(d)
            event = d.settled(i)
            assert "accepted by" in event["deliveries"][0]["log"][-1]["summary"], event
            (head, raw), = m.mails()
            assert head == {"from": "gaff@example.org", "to": ["ops@example.org",
                            "mona@example.org"], "tls": True, "auth": True}, head
            mail = email.message_from_bytes(raw, policy=email.policy.default)
            assert mail["Subject"] == "mona pushed to octo/app (refs/heads/main)"
            assert mail["From"] == "Gaff \u2192 Ops <gaff@example.org>", mail["From"]
            assert mail["X-Gaff-Event-Id"] == i and mail["Bcc"] is None
            assert mail["Message-ID"].endswith("@example.org>")
            body = mail.get_content()
            assert "Gr\u00fc\u00dfe\r\nBcc: victim@example.org\r\n.\r\nQUIT" in body, body
            assert PUSH["compare"] in body
            assert "m4il" not in json.dumps(event) + d.log()
    finally:
        m.close()


def test_mail_with_a_wrong_password_or_certificate_is_refused():
    m = mail_server(True)
    try:
        base = f"from: g@example.org, to: o@example.org, server: 'localhost:{m.port}', user: gaff"
        text = config(
            f"  wrong: {{ email: {{ {base}, password: x, ca_file: {m.dir}/cert.pem }} }}\n"
            f"  unknown: {{ email: {{ {base}, password: m4il }}, retry: {{ attempts: 1 }} }}")
        with Daemon(text) as d:
            event = d.settled(push(d), "dead")
            said = {x["destination"]: x["reason"] for x in event["deliveries"]}
            assert "ogin denied" in said["wrong"] or "535" in said["wrong"], said
            assert "certificate" in said["unknown"].lower(), said
        assert m.mails() == []
    finally:
        m.close()


def test_mail_that_is_refused_is_dead_and_one_put_off_is_tried_again():
    m = mail_server(False)
    try:
        base = f"server: '127.0.0.1:{m.port}', tls: none, from: g@example.org"
        text = config(f"  gone: {{ email: {{ {base}, to: refuse@example.org }}, {FAST} }}\n")
        with Daemon(text) as d:
            event = d.settled(push(d), "dead")
            log = event["deliveries"][0]["log"]
            assert len(log) == 1 and "550" in log[0]["summary"], log
        text = config(f"""  later:
    email: {{ {base}, to: later@example.org, title: "{{{{ .ref }}}}",
             text: "caf\u00e9 {{{{ .pusher.name }}}}" }}
    {FAST}""")
        with Daemon(text) as d:
            i = push(d)
            until(lambda: d.api("GET", "/events/" + i).json()["deliveries"][0]["attempts"] >= 1,
                  "a failed attempt")
            with open(m.dir + "/open", "w", encoding="ascii"):
                pass
            event = d.settled(i)
            assert "451" in event["deliveries"][0]["log"][0]["summary"], event
            (_, raw), = m.mails()
            mail = email.message_from_bytes(raw, policy=email.policy.default)
            assert mail["Subject"] == "refs/heads/main"
            assert "caf\u00e9 mona" in mail.get_content()
    finally:
        m.close()


def test_a_target_gets_what_is_known_of_a_push():
    target = Target(lambda r, n: (200, {}, b'{"id":7}'))
    text = config(f"  phone: {{ gotify: {{ base: '{target.url}', token: s3cr3tT0ken }} }}")
    with Daemon(text) as d:
        event = d.settled(push(d))
        request = target.requests[0]
        assert request["path"] == "/message"
        assert request["headers"]["X-Gotify-Key"] == "s3cr3tT0ken"
        sent = json.loads(request["body"])
        assert sent["title"] == "mona pushed to octo/app (refs/heads/main)"
        assert sent["extras"]["client::notification"]["click"]["url"] == PUSH["compare"]
        log = event["deliveries"][0]["log"][0]
        assert "id 7" in log["summary"], log
        assert "s3cr3tT0ken" not in json.dumps(event) + d.log()


def test_success_is_judged_by_the_body_too():
    answers = [b"<html>a proxy</html>", b'{"id":8}']
    target = Target(lambda r, n: (200, {}, answers[min(n, 2) - 1]))
    text = config(f"  phone: {{ gotify: {{ base: '{target.url}', token: t0ken }}, {FAST} }}")
    with Daemon(text) as d:
        event = d.settled(push(d))
        assert [a["result"] for a in event["deliveries"][0]["log"]] == ["retry", "success"]


def test_a_trigger_is_not_repeated_once_it_may_have_arrived():
    def slam(request, count):
        raise ConnectionAbortedError

    target = Target(slam)
    free = servers.free_port()
    text = config(f"  broke: {{ woodpecker: {{ base: '{target.url}', token: t0ken, "
                  f"repo_id: '1' }}, {FAST} }}\n"
                  f"  down: {{ woodpecker: {{ base: 'http://127.0.0.1:{free}', token: t0ken, "
                  f"repo_id: '1' }}, {FAST} }}")
    with Daemon(text) as d:
        event = d.settled(push(d), "dead")
        log = {x["destination"]: x["log"] for x in event["deliveries"]}
        assert len(log["broke"]) == 1 and "may have arrived" in log["broke"][0]["summary"], log
        assert len(target.requests) == 1
        assert len(log["down"]) == 8, log


def test_templates_of_fields_and_a_permanent_answer():
    target = Target(lambda r, n: (404, {}, b'{"message":"no such job"}'))
    text = config(f"""  ci:
    jenkins:
      base: '{target.url}'
      job: app
      user: gaff
      token: t0ken
      parameters: {{ BRANCH: "{{{{ .ref | branch }}}}", WHO: "{{{{ .pusher.name }}}}&x=1" }}""")
    with Daemon(text) as d:
        event = d.settled(push(d), "dead")
        assert target.requests[0]["path"] == "/job/app/buildWithParameters"
        assert target.requests[0]["body"] == b"BRANCH=main&WHO=mona%26x%3D1"
        assert "no such job" in event["deliveries"][0]["reason"], event


def test_the_test_message_shows_request_answer_and_verdict():
    target = Target(lambda r, n: (200, {}, b"ok") if n == 1 else (403, {}, b"invalid token"))
    key = "xxx111yyy222zzz"
    with Daemon(config(f"  chat: {{ mattermost: {{ base: '{target.url}', key: {key} }} }}")) as d:
        said = d.cli("test", "chat").stdout.decode()
        assert "success: HTTP 200 OK" in said and "POST " + target.url in said, said
        assert "Test from Gaff" in said and key not in said, said
        assert json.loads(target.requests[0]["body"])["attachments"][0]["title"] == "Test from Gaff"
        said = d.cli("test", "chat", code=1).stdout.decode()
        assert "permanent: HTTP 403 Forbidden: invalid token" in said, said
        i = push(d)
        until(lambda: len(target.requests) == 3, "the push's own delivery")
        d.cli("test", "chat", "--event", i, code=1)
        assert b"mona pushed to octo/app" in target.requests[3]["body"]
        assert d.cli("test", "nobody", code=3).stderr
        assert len(d.events()) == 1


def test_targets_are_listed_and_shown():
    with Daemon(config("  log: { log: { file: '-' } }"), start=False,
                files={"presets.d/targets/own-chat.yaml": OWN}) as d:
        rows = json.loads(d.cli("targets", "ls", "-o", "json").stdout)
        ids = [r["id"] for r in rows]
        assert "slack" in ids and "own-chat" in ids and ids == sorted(ids)
        kinds = [r["kind"] for r in rows]
        assert kinds.count("notify") >= 25 and kinds.count("ci") >= 15, kinds
        assert all(r["verified_by"] in ("account", "docs", "third-party", "memory") for r in rows)
        said = d.cli("targets", "show", "slack").stdout.decode()
        assert "webhook_url" in said and "${env:" in said, said
        assert b'did you mean "slack"' in d.cli("targets", "show", "slak", code=3).stderr


OWN = """id: own-chat
title: Our chat
kind: notify
docs: https://chat.internal/docs
fields:
  base: { about: the server, url: true }
request:
  url: "{{ field:base }}/say"
  host-pin: field:base
  text: "{{ message_and_link }}"
result: { success: status == 200 }
"""


def test_a_target_of_one_s_own_is_a_file():
    target = Target()
    with Daemon(config(f"  chat: {{ own-chat: {{ base: '{target.url}' }} }}"),
                files={"presets.d/targets/own-chat.yaml": OWN}) as d:
        d.settled(push(d))
        assert target.requests[0]["body"].decode().startswith("mona pushed to octo/app")


def test_mistakes_are_found_at_load():
    for destination, reason in (
            ("slack: {}", '"webhook_url" is missing'),
            ("slak: {}", 'did you mean "slack"'),
            ("slack: { webhook_url: 'https://hooks.slack.com/x', chanel: y }",
             'unknown key "chanel"'),
            ("slack: { webhook_url: 'https://evil.example.org/services/x' }",
             "is no host of Slack"),
            ("slack: { webhook_url: 'http://hooks.slack.com/services/x' }",
             "must begin with https"),
            ("slack: { webhook_url: 'https://hooks.slack.com.evil.example.org/x' }", "is no host"),
            ("slack: { webhook_url: 'https://hooks.slack.com@evil.example.org/x' }", "user name"),
            ("teams: { webhook_url: 'https://x.webhook.office.com/y' }", "is no host of Microsoft"),
            ("pagerduty: { routing_key: short }", "has not the form"),
            ("pagerduty: { routing_key: 0123456789abcdef0123456789abcdef, region: moon }",
             "expected one of us, eu"),
            ("gotify: { base: 'http://127.0.0.1:1/', token: x }", "without the slash"),
            ("gotify: { base: '{{ .url }}', token: x }", "can't come from an event"),
            ("gotify: { base: 'http://127.0.0.1:1', token: '{{ .token }}' }",
             "can't come from an event"),
            ("gotify: { base: 'http://127.0.0.1:1', token: x, title: '{{ nonsense }}' }",
             "unknown reference"),
            ("gotify: { base: 'http://127.0.0.1:1', token: x, severity: huge }", "expected info"),
            ("woodpecker: { base: 'http://127.0.0.1:1', token: x, repo_id: 1, title: y }",
             'unknown key "title"'),
            ("email: { server: 'x:25', from: me, to: a@b.c }", "no mail address"),
            ("email: { server: 'x:25', from: 'a@b.c', to: 'a@b.c\\nBcc: x@y.z' }",
             "no mail address"),
            ("email: { from: 'a@b.c', to: 'a@b.c' }", '"server" is missing')):
        with Daemon(config("  one: { %s }" % destination), start=False) as d:
            said = d.cli("check", code=78)
            assert reason in (said.stdout + said.stderr).decode(), (destination, said)


run(dict(globals()))
