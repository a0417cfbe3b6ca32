#!/usr/bin/env python3
"""send_cli.py -- sending by the command line: applications, endpoints, messages and event types as
an operator works with them, tokens made by hand, and what the verbs say when they are refused."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

CONFIG = "sending: { policy: private }\n"


def said(d, *args, code=0, **more):
    return d.cli(*args, code=code, **more).stdout.decode()


def made(d, *args):
    return json.loads(said(d, *args, "-o", "json"))


def complaint(d, *args, code):
    return d.cli(*args, code=code).stderr.decode()


def test_a_subscriber_from_nothing_to_a_delivery():
    target = Target()
    with Daemon(CONFIG) as d:
        app = made(d, "apps", "create", "Acme", "--uid", "acme", "--metadata", "plan=pro")
        assert app["uid"] == "acme" and app["metadata"] == {"plan": "pro"}, app
        assert said(d, "event-types", "create", "user.created", "-o", "id") == "user.created\n"
        end = made(d, "endpoints", "create", "acme", target.url + "/a", "--uid", "main",
                   "--event-type", "user.created", "--header", "X-Team: billing", "--rate", "50",
                   "--match", '{"json": {"plan": "pro"}}', "--retry", "1,2", "--concurrency", "3")
        assert end["eventTypes"] == ["user.created"] and end["throttleRate"] == 50, end
        assert end["retry"] == [1, 2] and end["concurrency"] == 3, end
        message = made(d, "messages", "create", "acme", "user.created", "--payload",
                       '{"plan": "pro"}', "--tag", "a", "--tag", "b", "--event-id", "e1")
        assert message["tags"] == ["a", "b"] and message["eventId"] == "e1", message
        got = until(lambda: target.requests, "delivered")[0]
        assert got["body"] == b'{"plan": "pro"}' and got["headers"]["X-Team"] == "billing"
        key = said(d, "endpoints", "secret", "acme", "main").strip()
        signed = f"{message['id']}.{got['headers']['webhook-timestamp']}.".encode() + got["body"]
        mac = base64.b64encode(hmac.new(base64.b64decode(key[6:]), signed, hashlib.sha256).digest())
        assert got["headers"]["webhook-signature"] == "v1," + mac.decode()
        until(lambda: json.loads(said(d, "endpoints", "stats", "acme", "main", "-o", "json"))
              ["success"] == 1, "counted")
        table = said(d, "messages", "attempts", "acme", "e1")
        assert re.match(r"TIME +ID +MESSAGE +ENDPOINT +STATUS", table), table
        assert "success" in table and message["id"] in table, table
        assert message["id"] in said(d, "endpoints", "attempts", "acme", "main", "--code", "200")
        assert "(none)" in said(d, "endpoints", "attempts", "acme", "main", "--status", "fail")
        assert "success" in said(d, "messages", "endpoints", "acme", message["id"])
        said(d, "messages", "resend", "acme", "e1", "main")
        until(lambda: len(target.requests) == 2, "sent again")
    target.close()


def test_what_is_changed_stays_changed_and_an_empty_value_clears():
    with Daemon(CONFIG) as d:
        made(d, "apps", "create", "Acme", "--uid", "acme", "--rate", "5")
        app = made(d, "apps", "update", "acme", "--name", "New", "--rate", "")
        assert app["throttleRate"] is None, app
        assert made(d, "apps", "show", "acme")["name"] == "New"
        made(d, "endpoints", "create", "acme", "http://127.0.0.1:9/", "--uid", "a", "--channel",
             "eu", "--description", "first")
        end = made(d, "endpoints", "update", "acme", "a", "--channel", "", "--timeout", "7")
        assert end["channels"] is None and end["timeout"] == 7 and end["description"] == "first"
        assert made(d, "endpoints", "disable", "acme", "a")["disabled"] is True
        assert made(d, "endpoints", "enable", "acme", "a")["disabled"] is False
        text = said(d, "endpoints", "headers", "acme", "a", "--set", "X-A: 1", "--set",
                    "Authorization: Basic abc")
        assert "X-A: 1" in text and "abc" not in text and "not shown" in text, text
        assert "X-A" not in said(d, "endpoints", "headers", "acme", "a", "--remove", "X-A")
        shown = said(d, "endpoints", "show", "acme", "a")
        assert re.search(r"^timeout +7$", shown, re.M), shown
        assert "nothing to change" in complaint(d, "endpoints", "update", "acme", "a", code=2)


def test_a_secret_is_given_by_a_file_and_rotated():
    with Daemon(CONFIG) as d:
        made(d, "apps", "create", "Acme", "--uid", "acme")
        first = "whsec_" + base64.b64encode(b"a" * 24).decode()
        second = "whsec_" + base64.b64encode(b"b" * 24).decode()
        d.write("first", first + "\n")
        said(d, "endpoints", "create", "acme", "http://127.0.0.1:9/", "--uid", "a",
             "--secret-file", "first")
        assert said(d, "endpoints", "secret", "acme", "a").strip() == first
        p = d.cli("endpoints", "rotate", "acme", "a", "--secret-file", "-", "--grace", "1h", code=0,
                  stdin=second.encode())
        assert p.stdout.decode().strip() == second
        third = said(d, "endpoints", "rotate", "acme", "a").strip()
        assert third.startswith("whsec_") and third not in (first, second)


def test_lists_go_on_where_they_ended():
    with Daemon(CONFIG) as d:
        for n in range(7):
            said(d, "apps", "create", f"App {n}", "--uid", f"a{n}")
        p = d.cli("apps", "ls", "--limit", "3", code=0)
        cursor = re.search(r"--cursor (\S+),", p.stderr.decode()).group(1)
        assert "a2" in p.stdout.decode() and "a3" not in p.stdout.decode()
        assert "a3" in said(d, "apps", "ls", "--limit", "3", "--cursor", cursor)
        rows = json.loads(said(d, "apps", "ls", "--all", "--limit", "3", "-o", "json"))
        assert [r["uid"] for r in rows] == [f"a{n}" for n in range(7)]
        ids = said(d, "apps", "ls", "--all", "-o", "id").split()
        assert ids == [r["id"] for r in rows]
        lines = said(d, "apps", "ls", "--all", "-o", "jsonl").splitlines()
        assert len(lines) == 7 and json.loads(lines[0])["uid"] == "a0"


def test_recovery_is_waited_for():
    working = {"yes": False}
    target = Target(lambda request, count: (204 if working["yes"] else 500, {}, b""))
    with Daemon(CONFIG) as d:
        said(d, "apps", "create", "Acme", "--uid", "acme")
        said(d, "endpoints", "create", "acme", target.url, "--uid", "a", "--retry", "")
        for n in range(3):
            said(d, "messages", "create", "acme", "x", "--payload", json.dumps({"n": n}))
        until(lambda: json.loads(said(d, "endpoints", "stats", "acme", "a", "-o", "json"))["fail"]
              == 3, "given up on")
        assert said(d, "endpoints", "messages", "acme", "a", "--status", "fail").count("msg_") == 3
        working["yes"] = True
        task = made(d, "endpoints", "recover", "acme", "a", "--since", "1h", "--wait")
        assert task["status"] == "finished" and task["data"]["count"] == 3, task
        until(lambda: len(target.requests) == 6, "each again")
        assert task["id"] in said(d, "tasks", "ls")
        assert made(d, "tasks", "show", task["id"])["status"] == "finished"
        assert "--since" in complaint(d, "endpoints", "recover", "acme", "a", code=2)
    target.close()


def test_event_types_with_schemas_and_from_openapi():
    schema = {"type": "object", "properties": {"id": {"type": "integer", "examples": [7]}}}
    document = {"openapi": "3.1.0", "webhooks": {"order.paid": {"post": {
        "description": "Paid", "requestBody": {"content": {"application/json": {
            "schema": schema}}}}}}}
    target = Target()
    with Daemon(CONFIG, files={"user.json": json.dumps(schema),
                               "openapi.json": json.dumps(document)}) as d:
        one = made(d, "event-types", "create", "user.created", "--schema", "user.json",
                   "--description", "A user")
        assert one["schemas"] == {"1": schema}, one
        assert "order.paid" in said(d, "event-types", "import", "openapi.json", "--dry-run")
        assert "order.paid" not in said(d, "event-types", "ls")
        said(d, "event-types", "import", "openapi.json")
        assert "Paid" in said(d, "event-types", "ls")
        made(d, "event-types", "update", "user.created", "--group", "users")
        said(d, "event-types", "delete", "user.created")
        assert "user.created" not in said(d, "event-types", "ls")
        assert "user.created" in said(d, "event-types", "ls", "--archived")
        said(d, "event-types", "delete", "user.created", "--expunge")
        assert "user.created" not in said(d, "event-types", "ls", "--archived")
        said(d, "apps", "create", "Acme", "--uid", "acme")
        said(d, "endpoints", "create", "acme", target.url, "--uid", "a")
        said(d, "endpoints", "example", "acme", "a", "order.paid")
        assert json.loads(until(lambda: target.requests, "the example")[0]["body"]) == {"id": 7}
    target.close()


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_tokens_open_what_they_should():
    def get(d, path, token):
        return d.request("GET", "/api/v1" + path, headers={"Authorization": "Bearer " + token},
                         base=d.admin)
    with Daemon(CONFIG) as d:
        app = made(d, "apps", "create", "Acme", "--uid", "acme")
        said(d, "apps", "create", "Other", "--uid", "other")
        if d.database:  # no directory is its own, so no secret is made
            assert "sending.jwt_secret" in complaint(d, "jwt", code=1)
            d.stop()
            d.config(CONFIG.replace("}", ", jwt_secret: a-signing-secret-of-the-test }"))
            d.start()
        whole = said(d, "jwt", "--expires", "1h").strip()
        assert get(d, "/app", whole).status == 200
        assert abs(claims(whole)["exp"] - claims(whole)["iat"]) == 3600
        one = said(d, "jwt", "acme").strip()
        assert claims(one)["sub"] == app["id"]
        assert get(d, "/app/acme", one).status == 200
        assert get(d, "/app/other", one).status == 404
        assert get(d, "/app", one).status == 403
        stranger = said(d, "jwt", "--org", "org_2rqNjpZDL2e1BRwFsStMRnUjmQL").strip()
        assert get(d, "/app/acme", stranger).status == 404
        own = said(d, "apps", "token", "acme", "--expires", "1h").strip()
        assert get(d, "/app/acme", own).status == 200
        said(d, "apps", "expire-tokens", "acme")
        assert get(d, "/app/acme", own).status == 401
        assert get(d, "/app", whole + "x").status == 401
        assert "not found" in complaint(d, "jwt", "nobody", code=3)


def test_a_token_of_a_pair_of_keys():
    with tempfile.TemporaryDirectory() as keys:
        for name, algorithm, more in (("rs", "RSA", ["-pkeyopt", "rsa_keygen_bits:2048"]),
                                      ("ed", "ED25519", [])):
            subprocess.run(["openssl", "genpkey", "-algorithm", algorithm, *more, "-out",
                            f"{keys}/{name}.pem"], check=True, capture_output=True)
            subprocess.run(["openssl", "pkey", "-in", f"{keys}/{name}.pem", "-pubout", "-out",
                            f"{keys}/{name}.pub"], check=True, capture_output=True)
        for name, word, other in (("rs", "RS256", "ed"), ("ed", "EdDSA", "rs")):
            config = (f'sending: {{ policy: private, jwt_algorithm: {word}, '
                      f'jwt_secret: "${{file:{keys}/{name}.pub}}" }}\n')
            os.chmod(f"{keys}/{name}.pub", 0o600)
            with Daemon(config) as d:
                good = said(d, "jwt", "--key", f"{keys}/{name}.pem", "--algorithm", word).strip()
                bad = said(d, "jwt", "--key", f"{keys}/{other}.pem", "--algorithm",
                           "RS256" if word == "EdDSA" else "EdDSA").strip()
                for token, status in ((good, 200), (bad, 401), (good[:-6] + "AAAAAA", 401)):
                    reply = d.request("GET", "/api/v1/app", base=d.admin,
                                      headers={"Authorization": "Bearer " + token})
                    assert reply.status == status, (word, status, reply.body)
                # The public key is no secret: a token signed with it by HMAC is none of ours.
                forged = said(d, "jwt", "--key", f"{keys}/{name}.pub", "--algorithm",
                              "HS256").strip()
                assert d.request("GET", "/api/v1/app", base=d.admin, headers={
                    "Authorization": "Bearer " + forged}).status == 401
                assert "--key" in complaint(d, "jwt", code=1)


def test_refusals_say_why_and_how():
    with Daemon(CONFIG) as d:
        said(d, "apps", "create", "Acme", "--uid", "acme")
        assert "already exists" in complaint(d, "apps", "create", "Acme", "--uid", "acme", code=5)
        assert "not found" in complaint(d, "apps", "show", "nobody", code=3)
        text = complaint(d, "endpoints", "create", "acme", "ftp://x", code=1)
        assert "body.url" in text, text
        assert "no JSON" in complaint(d, "messages", "create", "acme", "x", "--payload", "{",
                                      code=2)
        assert "whole number" in complaint(d, "apps", "update", "acme", "--rate", "x", code=2)
        assert "KEY=VALUE" in complaint(d, "apps", "update", "acme", "--metadata", "x", code=2)
        assert "usage: gaff endpoints show" in complaint(d, "endpoints", "show", "acme", code=2)
        assert complaint(d, "apps", "ls", "--token", "wrong", code=4)
        said(d, "apps", "delete", "acme")
        assert "(none)" in said(d, "apps", "ls")


def test_help_and_completion_know_the_verbs():
    with Daemon(CONFIG, start=False) as d:
        text = said(d, "endpoints", "create", "--help")
        assert "--secret-file PATH" in text and "example:\n  gaff endpoints create" in text, text
        script = said(d, "completion", "bash")
        shell = ("set -e\n" + script + "\nCOMP_WORDS=(gaff endpoints ro); COMP_CWORD=2; _gaff; "
                 "echo ${COMPREPLY[*]}\nCOMP_WORDS=(gaff event-types create x --sch); COMP_CWORD=4;"
                 " _gaff; echo ${COMPREPLY[*]}\n")
        p = subprocess.run(["bash", "-c", shell], capture_output=True, check=True, timeout=60)
        assert p.stdout.decode().split() == ["rotate", "--schema"], p.stdout


run(globals())
