#!/usr/bin/env python3
"""How requests get in where they go: name and password, access tokens, client certificates,
proxies. For destinations and for endpoints, against real servers of each."""
import ssl
from urllib.parse import parse_qs

from lib import *

CONFIG = "sending: { policy: private }\n"


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def app_with(d, **endpoint):
    assert d.api("POST", "/app", {"name": "acme", "uid": "acme"}).status == 201
    reply = d.api("POST", "/app/acme/endpoint", {"uid": "a", **endpoint})
    assert reply.status == 201, reply.body
    return reply.json()


def send(d):
    reply = d.api("POST", "/app/acme/msg", {"eventType": "x", "payload": {}})
    assert reply.status == 202, reply.body
    return reply.json()


def attempts(d, message):
    return d.api("GET", f"/app/acme/attempt/msg/{message['id']}").json()["data"]


def destination(options):
    return f"""sources:
  hub: {{ provider: github, secrets: ["{SECRET}"] }}
destinations:
  ci: {{ http: {{ {options} }}, retry: {{ schedule: [100ms, 100ms, 1s, 1s, 1s, 1s, 1s] }} }}
routes:
  - {{ from: hub, to: [ci] }}
"""


def push(d, n=0):
    body = b'{"n":%d}' % n
    reply = d.post("/in/hub", body, github(body))
    assert reply.status == 200, reply.body
    return reply.json()["id"]


class TokenServer(Target):
    """Client credentials as RFC 6749 has them: Basic, a form, JSON."""

    def __init__(self, life=3600):
        self.given = []
        self.status = 200

        def answer(request, count):
            want = basic("the%3Aclient", "a%20secret")
            if request["headers"]["Authorization"] != want or self.status != 200:
                return self.status if self.status != 200 else 401, {}, b'{"error":"invalid_client"}'
            self.form = parse_qs(request["body"].decode())
            self.given.append(f"token-{count}")
            return 200, {"Content-Type": "application/json"}, json.dumps(
                {"access_token": self.given[-1], "token_type": "Bearer",
                 "expires_in": life}).encode()

        super().__init__(answer)


def test_name_and_password():
    target = Target()
    with Daemon(CONFIG) as d:
        made = app_with(d, url=target.url, basicAuth={"username": "gaff", "password": "s3cret"})
        assert made["basicAuth"] == {"username": "gaff"}, made
        message = send(d)
        until(lambda: target.requests, "it arrives")
        assert target.requests[0]["headers"]["Authorization"] == basic("gaff", "s3cret")
        until(lambda: attempts(d, message), "settled")
        # A PUT of who knows nothing of it keeps it; null takes it away.
        assert d.api("PUT", "/app/acme/endpoint/a", {"url": target.url, "uid": "a"}).status == 200
        send(d)
        until(lambda: len(target.requests) == 2, "again")
        assert target.requests[1]["headers"]["Authorization"] == basic("gaff", "s3cret")
        d.api("PATCH", "/app/acme/endpoint/a", {"basicAuth": None})
        send(d)
        until(lambda: len(target.requests) == 3, "and again")
        assert target.requests[2]["headers"]["Authorization"] is None
        assert "s3cret" not in d.log()
        refused = d.api("POST", "/app/acme/endpoint",
                        {"url": target.url, "basicAuth": {"username": "gaff"}})
        assert refused.status == 422 and b"password" in refused.body, refused.body
    target.close()


def test_an_access_token_is_fetched_once_and_again_when_refused():
    valid = {"token": "token-1"}
    target = Target(lambda r, n: (
        204 if r["headers"]["Authorization"] == "Bearer " + valid["token"] else 401, {}, b""))
    tokens = TokenServer()
    with Daemon(CONFIG) as d:
        made = app_with(d, url=target.url, retry=[0.1, 1, 1, 1, 1, 1], oauth={
            "tokenUrl": tokens.url + "/token", "clientId": "the:client",
            "clientSecret": "a secret", "scopes": ["hooks", "x"], "audience": "https://api"})
        assert "clientSecret" not in made["oauth"], made
        for _ in range(20):
            send(d)
        until(lambda: len(target.requests) == 20, "all arrive")
        assert tokens.given == ["token-1"], tokens.given
        assert tokens.form == {"grant_type": ["client_credentials"], "scope": ["hooks x"],
                               "audience": ["https://api"]}, tokens.form
        valid["token"] = "token-2"  # the first is void from now on
        message = send(d)
        until(lambda: any(a["status"] == 0 for a in attempts(d, message)), "with another token")
        assert tokens.given == ["token-1", "token-2"], tokens.given
        tokens.status, valid["token"] = 500, "token-3"
        message = send(d)
        failed = until(lambda: [a for a in attempts(d, message) if a["responseStatusCode"] == 0],
                       "no token")[0]
        assert failed["response"] == "no access token: the token server answered HTTP 500", failed
        assert "a secret" not in d.log() and "token-1" not in d.log()
    target.close()
    tokens.close()


def test_a_token_is_renewed_while_the_old_one_serves():
    target, tokens = Target(), TokenServer(life=15)
    options = f"""url: "{target.url}", auth: {{ oauth2: {{ token_url: "{tokens.url}",
      client_id: "the:client", client_secret: "a secret" }} }}"""
    with Daemon(destination(options)) as d:
        def another():
            push(d, len(target.requests))
            return len(tokens.given) >= 2
        until(another, "renewed", 60)
        until(lambda: any(r["headers"]["Authorization"] == "Bearer token-2"
                          for r in target.requests) or push(d, 1) is None, "the new one serves", 60)
        seen = [r["headers"]["Authorization"] for r in target.requests]
        assert set(seen) <= {"Bearer token-1", "Bearer token-2", "Bearer token-3"}, set(seen)
    target.close()
    tokens.close()


def test_token_servers_are_under_the_policy_too():
    tokens = TokenServer()
    with Daemon("") as d:  # endpoints may lead to public addresses alone
        app_with(d, url="https://example.com/", oauth={
            "tokenUrl": tokens.url, "clientId": "the:client", "clientSecret": "a secret"})
        message = send(d)
        found = until(lambda: attempts(d, message), "tried")
        assert "no access token" in found[0]["response"], found
        assert not tokens.requests
    tokens.close()


def certificates(directory):
    """An authority, a server's certificate and a client's, by the openssl program."""
    if not shutil.which("openssl"):
        raise Skip("no openssl program")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=authority", "-days", "2")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out",
                name + ".csr", "-subj", "/CN=" + name)
        with open(os.path.join(directory, name + ".ext"), "w", encoding="ascii") as f:
            f.write("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", name + ".pem", "-days", "2", "-extfile", name + ".ext")
    return lambda name: open(os.path.join(directory, name), encoding="ascii").read()


def tls_target(directory):
    """A target that lets in only those whose certificate the authority vouches for."""
    target = Target()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "server.pem"),
                            os.path.join(directory, "server.key"))
    context.load_verify_locations(os.path.join(directory, "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    target.server.socket = context.wrap_socket(target.server.socket, server_side=True)
    target.url = f"https://127.0.0.1:{target.port}"
    return target


def test_a_client_certificate_lets_in():
    directory = tempfile.mkdtemp(prefix="gaff-tls-")
    read = certificates(directory)
    target = tls_target(directory)
    authority = read("ca.pem")
    pair = {"certificate": read("client.pem"), "key": read("client.key")}
    with Daemon(CONFIG) as d:
        app_with(d, url=target.url, retry=[1] * 40, circuit={"failures": 0})
        message = send(d)
        until(lambda: attempts(d, message), "refused without one")
        wrong = d.api("PATCH", "/app/acme/endpoint/a",
                      {"clientCertificate": {**pair, "key": read("server.key")}})
        assert wrong.status == 422 and b"belongs together" in wrong.body, wrong.body
        reply = d.api("PATCH", "/app/acme/endpoint/a",
                      {"clientCertificate": {**pair, "authority": authority}})
        assert reply.status == 200, reply.body
        assert reply.json()["clientCertificate"] == {"certificate": pair["certificate"],
                                                     "authority": authority}
        until(lambda: target.requests, "it arrives", 60)
        assert "PRIVATE KEY" not in d.log()
    options = f"""url: "{target.url}", tls: {{ ca: "${{file:ca.pem}}",
      cert: "${{file:client.pem}}", key: "${{file:client.key}}" }}"""
    files = {name: read(name) for name in ("ca.pem", "client.pem", "client.key")}
    before = len(target.requests)
    with Daemon(destination(options), files=files) as d:
        push(d)
        until(lambda: len(target.requests) > before, "a destination's too")
    before = len(target.requests)
    without = f'url: "{target.url}", tls: {{ ca: "${{file:ca.pem}}" }}'
    with Daemon(destination(without), files=files) as d:
        event = push(d)
        until(lambda: d.api("GET", "/events/" + event).json()["deliveries"][0]["log"],
              "refused without a certificate")
        assert len(target.requests) == before
    target.close()
    shutil.rmtree(directory)


class Proxy:
    """CONNECT for those who know the password; what went through is counted."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.heads = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                one = self.socket.accept()[0]
                threading.Thread(target=self.serve, args=(one,), daemon=True).start()
        except OSError:
            pass

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            part = client.recv(4096)
            if not part:
                return
            head += part
        self.heads.append(head.decode())
        want = "Proxy-Authorization: " + basic("us er", "p:w")
        if want not in self.heads[-1]:
            client.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        host, port = self.heads[-1].split()[1].rsplit(":", 1)
        far = socket.create_connection((host, int(port)), timeout=60)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self.copy, args=(far, client), daemon=True).start()
        self.copy(client, far)

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass

    def close(self):
        self.socket.close()


def test_a_proxy_on_the_way():
    target, proxy = Target(), Proxy()
    url = f"http://us%20er:p%3Aw@127.0.0.1:{proxy.port}"
    with Daemon(CONFIG + destination(f'url: "{target.url}/ci", proxy: "{url}"')) as d:
        push(d)
        until(lambda: target.requests, "through the proxy")
        assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{target.port} "), proxy.heads
        made = app_with(d, url=target.url + "/ep", proxy=url)
        assert "us%20er" not in json.dumps(made) and str(proxy.port) in made["proxy"], made
        send(d)
        until(lambda: len(target.requests) == 2, "the endpoint's too")
        through = len(proxy.heads)  # a kept connection serves both, or each has its own
        assert d.api("PATCH", "/app/acme/endpoint/a", {"proxy": "ftp://x"}).status == 422
        bad = d.api("PATCH", "/app/acme/endpoint/a",
                    {"proxy": f"http://nobody:x@127.0.0.1:{proxy.port}"})
        assert bad.status == 200, bad.body
        message = send(d)
        assert until(lambda: attempts(d, message), "refused")[0]["responseStatusCode"] == 0
        assert "p%3Aw" not in d.log()
    with Daemon("") as d:  # a proxy of an outsider's is under the policy
        app_with(d, url="https://example.com/", proxy=url)
        message = send(d)
        found = until(lambda: attempts(d, message), "tried")
        assert "not allowed by outbound policy" in found[0]["response"], found
        assert len(proxy.heads) == through + 1
    target.close()
    proxy.close()


class Asked(Target):
    """Answers handshakes of both kinds as told, and takes messages."""

    def __init__(self):
        self.handshakes, self.allow = [], None
        super().__init__()
        asked, handler = self, self.server.RequestHandlerClass

        def answer(request, status, headers, body=b""):
            asked.handshakes.append((request.path, request.headers))
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

        def options(request):
            answer(request, 200, {"WebHook-Allowed-Origin": asked.allow} if asked.allow else {})

        def get(request):
            challenge = parse_qs(request.path.split("?", 1)[1])["challenge"][0]
            answer(request, 200, {}, (challenge if asked.allow else "no").encode())

        handler.do_OPTIONS, handler.do_GET = options, get


def test_an_endpoint_proves_that_it_wants_messages():
    for kind, said in (("cloudevents", "OPTIONS"), ("challenge", "the challenge")):
        target = Asked()
        config = "sending: { policy: private, origin: hooks.example.org }\n"
        with Daemon(config) as d:
            app_with(d, url=target.url + "/hook?a=b", ownership=kind, retry=[0.1] * 3 + [1] * 40,
                     circuit={"failures": 0}, basicAuth={"username": "u", "password": "p"})
            message = send(d)
            found = until(lambda: attempts(d, message), "it was asked")
            assert said in found[-1]["response"], found
            assert not target.requests and found[-1]["responseStatusCode"] == 0
            path, headers = target.handshakes[0]
            assert headers["WebHook-Request-Origin"] == "hooks.example.org"
            assert headers["Authorization"] == basic("u", "p")
            assert path.startswith("/hook?a=b"), path
            target.allow = "somebody.example"  # of the challenge: anything answers it
            if kind == "cloudevents":
                before = len(target.handshakes)
                until(lambda: len(target.handshakes) > before + 1, "asked again")
                assert not target.requests
            target.allow = "HOOKS.example.org"
            until(lambda: target.requests, "told once it said yes", 60)
            asked = len(target.handshakes)
            for _ in range(5):
                send(d)
            until(lambda: len(target.requests) == 6, "the others at once")
            assert len(target.handshakes) == asked
        target.close()


def test_what_is_wrong_with_a_destination_is_said():
    for options, problem in (
            ('auth: { basic: { user: a } }', b'"password" is needed'),
            ('auth: { oauth2: { token_url: "ftp://x", client_id: a, client_secret: b } }', b"http"),
            ('tls: { cert: x, key: y }', b"belongs together"),
            ('proxy: "socks://x"', b"begins with http")):
        text = destination(f'url: "http://127.0.0.1:9/", {options}')
        with Daemon(text, start=False) as d:
            out = d.cli("check", "--config", "gaff.yaml", code=None)
            assert out.returncode != 0 and problem in out.stdout + out.stderr, (options, out)


if __name__ == "__main__":
    run(globals())
