#!/usr/bin/env python3
"""programs.py -- the three programs of a first day, run as a user would, and the promises of the
public header: it compiles as C11 and C++17, alone; the libraries export gaff_ names only; the
pkg-config file builds a program."""
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
from lib import *

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("BUILD_DIR", "build/release"))
SANITIZED = "release" not in os.path.basename(BUILD)


LIBRARIES = [*subprocess.run(["pkg-config", "--libs", "libuv", "libllhttp", "yyjson", "libcurl",
                              "sqlite3", "openssl", "yaml-0.1", "libpcre2-8"],
                             capture_output=True, text=True, check=True).stdout.split(),
             "-lpthread", "-lm"]


class Program:
    def __init__(self, name, env):
        self.dir = tempfile.mkdtemp(prefix="gaff-example-")
        self.log = os.path.join(self.dir, "log")
        self.name = name
        self.env = {"PATH": os.environ["PATH"], "HOME": self.dir, "LISTEN": "127.0.0.1:0", **env}
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            mark = log.tell()
            self.process = subprocess.Popen([os.path.join(BUILD, "examples", self.name)],
                                            cwd=self.dir, env=self.env, stdout=log, stderr=log)

        def listening():
            assert self.process.poll() is None, self.text()
            return re.search(r"address=http://(\S+)", self.text()[mark:])
        self.address = until(listening, "listening").group(1)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def request(self, method, path, body=None, headers=None):
        import http.client
        c = http.client.HTTPConnection(self.address, timeout=60)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data, r.headers

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.text())
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        shutil.rmtree(self.dir, ignore_errors=True)


def test_webhook_receives_and_handles():
    body = b'{"repository":{"full_name":"acme/site"}}'
    source = open(os.path.join(TOP, "examples", "webhook.c"), encoding="utf-8").read()
    assert len([x for x in source.splitlines() if x.strip()]) <= 15
    # The shortest program listens on the default port: only if that is free.
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", 8080))
        except OSError as why:
            raise Skip("port 8080 is taken") from why
    with Program("webhook", {"GITHUB_SECRET": SECRET}) as p:
        status, data, _ = p.request("POST", "/webhook", body, github(body))
        assert status == 200 and b"evt_" in data
        assert p.request("POST", "/webhook", body + b" ", github(body))[0] == 401
        assert p.request("GET", "/webhook")[0] == 405
        p.process.terminate()
        p.process.wait(60)
        assert p.text().count("push to acme/site") == 1


def test_a_missing_secret_stops_the_program_with_a_sentence():
    p = subprocess.run([os.path.join(BUILD, "examples", "webhook")], capture_output=True,
                       cwd=tempfile.gettempdir(), env={"PATH": "/usr/bin"}, timeout=60, check=False)
    assert p.returncode == 1 and b"GITHUB_SECRET" in p.stderr, p.stderr


def test_users_lists_creates_and_tells():
    target = Target()
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    with Program("users", {"SUBSCRIBER_URL": target.url, "SUBSCRIBER_SECRET": secret}) as p:
        assert p.request("GET", "/users")[:2] == (200, b"[]\n")
        status, data, _ = p.request("POST", "/users", b'{"name":"Ada"}')
        assert status == 201 and json.loads(data) == {"id": 1, "name": "Ada"}
        assert json.loads(p.request("GET", "/users")[1]) == [{"id": 1, "name": "Ada"}]
        assert p.request("POST", "/users", b'{"name":"<script>"}')[0] == 422
        assert p.request("POST", "/users", b'not json')[0] == 422
        assert p.request("DELETE", "/users")[2]["Allow"]
        assert p.request("HEAD", "/users")[:2] == (200, b"")
        until(lambda: target.requests, "the subscriber is told")
        h, body = target.requests[0]["headers"], target.requests[0]["body"]
        assert json.loads(body) == {"id": 1, "name": "Ada"}
        signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + body
        mac = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
        assert "v1," + mac in h["webhook-signature"]


def test_build_runs_tells_and_retries():
    target = Target()
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    work = tempfile.mkdtemp(prefix="gaff-build-")
    command = os.path.join(work, "build")
    with open(command, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\necho "$1 $2" >> {work}/runs\n')
    os.chmod(command, 0o755)
    env = {"GITHUB_SECRET": SECRET, "BUILD_COMMAND": command, "CHAT_URL": target.url,
           "CHAT_SECRET": secret}
    body = json.dumps({"ref": "refs/heads/main", "after": "abc",
                       "repository": {"full_name": "a/b"}}).encode()
    other = json.dumps({"ref": "refs/heads/dev"}).encode()
    with Program("build", env) as p:
        assert p.request("POST", "/webhook", other, github(other))[0] == 200
        assert p.request("POST", "/webhook", body, github(body))[0] == 200
        until(lambda: target.requests, "the chat is told")
        assert json.loads(target.requests[0]["body"]) == {"text": "build of abc succeeded"}
        with open(os.path.join(work, "runs"), encoding="utf-8") as f:
            assert f.read() == "a/b abc\n"
    shutil.rmtree(work)


HEADER_USER = """#include <gaff.h>
static int fn(gaff_req *req, void *arg) { (void)arg; return gaff_json(req, 200, "{\\"n\\": %d}", 1); }
int main(void) { gaff_app *app = gaff_new(0); gaff_route(app, "GET /", fn, 0); gaff_free(app); return 0; }
"""


def test_the_header_compiles_as_c11_and_cpp17():
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "user.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write(HEADER_USER)
        flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", TOP + "/include", "-fsyntax-only"]
        subprocess.run(["cc", "-std=c11", *flags, path], check=True)
        if not shutil.which("c++"):
            raise Skip("no C++ compiler")
        subprocess.run(["c++", "-std=c++17", "-x", "c++", *flags, path], check=True)


def test_only_gaff_names_are_exported():
    so = subprocess.run(["nm", "-D", "--defined-only", os.path.join(BUILD, "libgaff.so")],
                        capture_output=True, text=True, check=True).stdout
    names = [x.split()[-1].split("@")[0] for x in so.splitlines()]
    assert names and all(n.startswith("gaff_") for n in names), names
    a = subprocess.run(["nm", "-g", "--defined-only", os.path.join(BUILD, "libgaff.a")],
                       capture_output=True, text=True, check=True).stdout
    names = [x.split()[-1] for x in a.splitlines() if len(x.split()) == 3]
    if not SANITIZED:  # sanitizers add names of their own
        assert names and all(n.startswith("gaff_") for n in names), names
    with open(os.path.join(TOP, "include", "gaff.h"), encoding="utf-8") as f:
        declared = set(re.findall(r"GAFF_API [^;(]*?\*?(gaff_\w+)\(", f.read()))
    assert declared <= set(names), declared - set(names)


def test_pkg_config_builds_a_program_against_either_library():
    if SANITIZED:
        raise Skip("the sanitizer builds are not for linking")
    env = {**os.environ, "PKG_CONFIG_PATH": BUILD, "LD_LIBRARY_PATH": BUILD}
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "user.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write(HEADER_USER)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libgaff"], env=env,
                               capture_output=True, text=True, check=True).stdout.split()
        archive = [BUILD + "/libgaff.a", *LIBRARIES]
        for link in (flags, ["-I", TOP + "/include", *archive]):
            out = os.path.join(work, "user")
            subprocess.run(["cc", path, "-I", TOP + "/include", "-o", out, *link], check=True)
            subprocess.run([out], env=env, check=True, cwd=work, timeout=60)


IN_PROCESS = r"""
#include <gaff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int calls, last_attempt, answered;
static int flaky(gaff_req *req, void *arg)
{
    (void)arg;
    calls++;
    last_attempt = gaff_attempt(req);
    if (!gaff_is(gaff_get(req, "a.b"), "c")) return 400;
    return gaff_is(gaff_event_type(req), "test") ? gaff_ok(req) : gaff_fail(req, 400, "type");
}
static int direct(gaff_req *req, void *arg)
{
    (void)arg;
    answered++;
    return gaff_json(req, 201, "{\"s\": %s, \"slice\": %.*s, \"n\": %lld, \"f\": %g, \"none\": %s}",
                     "quo\"te", GAFF_ARG(gaff_query(req, "q")), 1234567890123LL, 0.5, (char *)NULL);
}
static int item(gaff_req *req, void *arg)
{
    (void)arg;
    gaff_set_header(req, "X-Item", gaff_cstr(req, gaff_param(req, "id")));
    gaff_set_header(req, "X-Bad", "a\r\nInjected: 1");
    return gaff_text(req, 200, "%.*s", GAFF_ARG(gaff_param(req, "id")));
}
static gaff_str header(const char *name, void *arg)
{
    char *line = strstr(arg, name);
    if (!line) return (gaff_str){NULL, 0};
    line += strlen(name) + 2;
    return (gaff_str){line, strcspn(line, "\r")};
}
#define CHECK(x) do { if (!(x)) { fprintf(stderr, "line %d: %s\n", __LINE__, #x); exit(1); } } while (0)
int main(void)
{
    gaff_reply r;
    gaff_app *app = gaff_new(NULL);
    gaff_webhook_options o = {.provider = "github", .secret = "s3cret-s3cret"};
    gaff_webhook_options sync = {.provider = "github", .secret = "s3cret-s3cret", .synchronous = true};
    CHECK(gaff_webhook(app, "POST /hook", &o, flaky, NULL) == GAFF_OK);
    CHECK(gaff_webhook(app, "POST /now", &sync, direct, NULL) == GAFF_OK);
    CHECK(gaff_route(app, "GET /items/{id}", item, NULL) == GAFF_OK);
    CHECK(gaff_test(app, "POST /hook", NULL, "{\"a\":{\"b\":\"c\"}}", &r) == GAFF_OK);
    CHECK(r.status == 200 && strstr(r.body, "evt_"));
    gaff_reply_free(&r);
    CHECK(gaff_test_settle(app) == GAFF_OK && calls == 1 && last_attempt == 1);
    CHECK(gaff_test(app, "POST /hook", "X-Hub-Signature-256: sha256=00\r\n", "{}", &r) == GAFF_OK);
    CHECK(r.status == 401);
    gaff_reply_free(&r);
    CHECK(gaff_test(app, "POST /now?q=%41b", "", "{}", &r) == GAFF_OK && r.status == 401);
    CHECK(answered == 0);
    gaff_reply_free(&r);
    char signed_headers[1024];
    gaff_str body = {"{}", 2};
    CHECK(gaff_sign("github", "s3cret-s3cret", NULL, body, 1700000000, signed_headers, sizeof(signed_headers)) == GAFF_OK);
    CHECK(gaff_test(app, "POST /now?q=%41b", signed_headers, "{}", &r) == GAFF_OK);
    CHECK(r.status == 201 && answered == 1);
    CHECK(!strcmp(r.body, "{\"s\": \"quo\\\"te\", \"slice\": \"Ab\", \"n\": 1234567890123, \"f\": 0.5, \"none\": null}"));
    gaff_reply_free(&r);
    CHECK(gaff_test(app, "GET /items/a%20b", "", NULL, &r) == GAFF_OK && r.status == 200);
    CHECK(!strcmp(r.body, "a b") && strstr(r.head, "X-Item: a b") && !strstr(r.head, "Injected"));
    gaff_reply_free(&r);
    CHECK(gaff_test(app, "GET /nothing", "", NULL, &r) == GAFF_OK && r.status == 404);
    gaff_reply_free(&r);
    char why[256];
    CHECK(gaff_sign("stripe", "whsec_test_test", NULL, body, 1700000000, signed_headers, sizeof(signed_headers)) == GAFF_OK);
    CHECK(gaff_verify("stripe", "whsec_test_test", body, 1700000100, header, signed_headers, why) == GAFF_OK);
    CHECK(gaff_verify("stripe", "whsec_test_test", body, 1700001000, header, signed_headers, why) == GAFF_STALE);
    CHECK(gaff_verify("stripe", "another_secret", body, 1700000100, header, signed_headers, why) == GAFF_UNAUTHORIZED);
    CHECK(gaff_verify("strpe", "another_secret", body, 1700000100, header, signed_headers, why) == GAFF_UNKNOWN);
    gaff_free(app);
    app = gaff_new(NULL);
    CHECK(gaff_webhook(app, "POST /x", NULL, flaky, NULL) == GAFF_INVALID);
    CHECK(strstr(gaff_error(app), "secret"));
    CHECK(gaff_start(app) == GAFF_INVALID);
    gaff_free(app);
    puts("fine");
    return 0;
}
"""


def test_in_process_without_sockets():
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "user.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write(IN_PROCESS)
        sanitize = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"]}
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", *sanitize.get(os.path.basename(BUILD), []),
                        "-I", TOP + "/include", path, "-o", work + "/user", BUILD + "/libgaff.a",
                        *LIBRARIES], check=True)
        p = subprocess.run([work + "/user"], cwd=work, capture_output=True, text=True, timeout=120,
                           check=False)
        assert p.returncode == 0 and p.stdout == "fine\n", p.stdout + p.stderr


run(globals())
