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


LIBRARIES = [*subprocess.run(["pkg-config", "--libs", "libuv", "libllhttp", "yyjson",
                              "sqlite3", "openssl", "yaml-0.1", "libpcre2-8", "libargon2"],
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
        until(lambda: "push to acme/site\n" in p.text(), "the handler has printed")
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

        assert h["webhook-id"].startswith("msg_")
    target.close()


def test_subscribers_are_told_again_also_after_a_kill():
    fail = {"left": 1}

    def answer(request, count):
        if fail["left"]:
            return 503, {"Retry-After": "1"}, b""
        return 204, {}, b""
    target = Target(answer)
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    with Program("users", {"SUBSCRIBER_URL": target.url, "SUBSCRIBER_SECRET": secret}) as p:
        assert p.request("POST", "/users", b'{"name":"Ada"}')[0] == 201
        until(lambda: target.requests, "the subscriber is asked")
        p.process.kill()
        p.process.wait(60)
        fail["left"] = 0
        before = len(target.requests)
        p.start()
        until(lambda: len(target.requests) > before, "it is told after the kill")
        ids = {r["headers"]["webhook-id"] for r in target.requests}
        assert len(ids) == 1, ids
        assert json.loads(target.requests[-1]["body"]) == {"id": 1, "name": "Ada"}
    target.close()


def test_a_subscriber_that_is_no_longer_named_is_not_told():
    first, second = Target(), Target()
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    with Program("users", {"SUBSCRIBER_URL": first.url, "SUBSCRIBER_SECRET": secret}) as p:
        assert p.request("POST", "/users", b'{"name":"Ada"}')[0] == 201
        until(lambda: first.requests, "the first is told")
        p.process.terminate()
        p.process.wait(60)
        p.env["SUBSCRIBER_URL"] = second.url
        p.start()
        assert p.request("POST", "/users", b'{"name":"Bob"}')[0] == 201
        until(lambda: second.requests, "the second is told")
        assert len(first.requests) == 1
    with Program("users", {"SUBSCRIBER_URL": first.url, "SUBSCRIBER_SECRET": secret}) as p:
        p.process.terminate()
        p.process.wait(60)
        p.env["SUBSCRIBER_SECRET"] = "not a secret of the standard"
        with open(p.log, "ab") as log:
            p.process = subprocess.Popen([os.path.join(BUILD, "examples", "users")], cwd=p.dir,
                                         env=p.env, stdout=log, stderr=log)
        assert p.process.wait(60) == 1
        assert "gaff_subscribe: " in p.text() and "not a secret" not in p.text(), p.text()
    first.close()
    second.close()


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


def test_verify_lets_github_in_by_each_secret_until_it_ends():
    body = b'{"ref":"refs/heads/main"}'

    def ask(sent, **env):
        fields = {"HTTP_" + k.upper().replace("-", "_"): v for k, v in github(body).items()}
        p = subprocess.run([os.path.join(BUILD, "examples", "verify")], input=sent, timeout=60,
                           env={"REQUEST_METHOD": "POST", **fields, **env}, capture_output=True,
                           check=True)
        return p.stdout.split(b"\r\n")[0].decode(), p.stderr.decode()
    later, before = str(int(time.time()) + 3600), str(int(time.time()) - 1)
    assert ask(body, GITHUB_SECRET=SECRET) == ("Status: 200 OK", "")
    assert ask(body, GITHUB_SECRET="new secret", GITHUB_OLD_SECRET=SECRET,
               GITHUB_OLD_SECRET_ENDS=later) == ("Status: 200 OK", "")
    status, why = ask(body, GITHUB_SECRET="new secret", GITHUB_OLD_SECRET=SECRET,
                      GITHUB_OLD_SECRET_ENDS=before)
    assert status == "Status: 401 Unauthorized" and "most likely another secret" in why, why
    status, why = ask(body.replace(b":", b": "), GITHUB_SECRET=SECRET)
    assert status == "Status: 401 Unauthorized" and "printed it anew" in why, why
    assert SECRET not in why
    assert ask(body)[0] == "Status: 401 Unauthorized"


LOOPS_USER = """#include <gaff.h>
int main(void)
{
    gaff_app *app = gaff_new("gaff.yaml");
    gaff_err e = gaff_run(app);
    gaff_free(app);
    return e != GAFF_OK;
}
"""


def test_a_configuration_file_has_a_runner_for_each_delivery_loop():
    if "asan" in BUILD or "tsan" in BUILD:
        raise Skip("the sanitizer builds are not for linking")
    work = tempfile.mkdtemp(prefix="gaff-loops-")
    names = [f"d{i}" for i in range(12)]  # they are spread over the loops by name
    for name, text in (("main.c", LOOPS_USER), ("gaff.yaml", (
            "listen: 127.0.0.1:0\ndelivery_loops: 4\n"
            "sources: { s: { provider: none, insecure: true } }\ndestinations:\n"
            + "".join(f"  {n}: {{ exec: {{ command: [/usr/bin/touch, {work}/done-{n}] }} }}\n"
                      for n in names)
            + f"routes: [{{ from: s, to: [{', '.join(names)}] }}]\n"))):
        with open(os.path.join(work, name), "w", encoding="utf-8") as f:
            f.write(text)
    subprocess.run(["cc", "-I", os.path.join(TOP, "include"), "-o", os.path.join(work, "main"),
                    os.path.join(work, "main.c"), os.path.join(BUILD, "libgaff.a"), *LIBRARIES],
                   check=True)
    with open(os.path.join(work, "log"), "wb") as log:
        process = subprocess.Popen([os.path.join(work, "main")], cwd=work, stdout=log, stderr=log)

    def said(pattern):
        with open(os.path.join(work, "log"), encoding="utf-8") as f:
            return re.search(pattern, f.read())
    try:
        import http.client
        c = http.client.HTTPConnection(
            until(lambda: said(r"address=http://(\S+)"), "listening").group(1), timeout=60)
        c.request("POST", "/in/s", b"{}")
        assert c.getresponse().status == 200
        until(lambda: all(os.path.exists(f"{work}/done-{n}") for n in names), "all were run")
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(work)


HEADER_USER = """#include <gaff.h>
static int fn(gaff_req *req, void *arg)
{
    (void)arg;
    return gaff_json(req, 200, "{\\"n\\": %d}", 1);
}
int main(void)
{
    gaff_app *app = gaff_new(0);
    gaff_route(app, "GET /", fn, 0);
    gaff_free(app);
    return 0;
}
"""


def test_the_header_compiles_as_c11_and_cpp17():
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "user.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write(HEADER_USER)
        flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", TOP + "/include",
                 "-fsyntax-only"]
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


def test_in_process_without_sockets():
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(TOP, "tests", "examples", "in_process.c")
        sanitize = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"]}
        variant = sanitize.get(os.path.basename(BUILD), [])
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", *variant, "-I", TOP + "/include",
                        path, "-o", work + "/user", BUILD + "/libgaff.a",
                        *LIBRARIES], check=True)
        p = subprocess.run([work + "/user"], cwd=work, capture_output=True, text=True, timeout=120,
                           check=False)
        assert p.returncode == 0 and p.stdout == "fine\n", p.stdout + p.stderr


run(globals())
