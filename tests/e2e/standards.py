#!/usr/bin/env python3
"""standards.py -- senders that follow a standard: CloudEvents with its handshake, client
certificates, WebSub."""
import sys, os
import http.client
import ssl
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

# --- CloudEvents --------------------------------------------------------------------------------

EVENTS = """
sources:
  events:
    provider: cloudevents-webhook
    secret: "a bearer token"
    options: { origin: a.example.org, rate: "120" }
  signed: { provider: x-hub-signature, secret: "a shared secret" }
destinations:
  out: { log: { file: out.jsonl } }
routes:
  - name: paid
    from: [events, signed]
    to: [out]
    match: { event: order.paid, header: { ce-tenant: acme } }
"""
BEARER = {"Authorization": "Bearer a bearer token"}


def cloudevent(number, **more):
    return {"specversion": "1.0", "id": f"e-{number}", "source": "/orders", "type": "order.paid",
            "tenant": "acme", "data": {"n": number}, **more}


def post_batch(d, events, path="/in/events", **headers):
    return d.post(path, json.dumps(events).encode(),
                  {**BEARER, "Content-Type": "application/cloudevents-batch+json", **headers})


def test_attributes_are_found_in_each_mode():
    with Daemon(EVENTS) as d:
        binary = d.post("/in/events", b'{"n":1}', {
            **BEARER, "Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "e-1",
            "ce-source": "/orders", "ce-type": "order.paid", "ce-tenant": "acme"})
        structured = d.post("/in/events", json.dumps(cloudevent(2)).encode(), {
            **BEARER, "Content-Type": "application/cloudevents+json; charset=utf-8",
            "ce-tenant": "forged"})
        assert binary.status == structured.status == 200, (binary.body, structured.body)
        batch = post_batch(d, [cloudevent(3), cloudevent(4, type="order.lost"), cloudevent(5)])
        assert batch.status == 200, batch.body
        ids = batch.json()["ids"]
        assert len(ids) == 3 and batch.json()["duplicates"] == 0
        types = [d.api("GET", "/events/" + i).json()["type"]
                 for i in (binary.json()["id"], structured.json()["id"], *ids)]
        assert types == ["order.paid"] * 3 + ["order.lost", "order.paid"], types
        counts = [len(d.api("GET", "/events/" + i).json()["deliveries"])
                  for i in (binary.json()["id"], structured.json()["id"], *ids)]
        assert counts == [1, 1, 1, 0, 1], counts
        third = d.api("GET", "/events/" + ids[0]).json()
        assert json.loads(third["body"]) == cloudevent(3)


def test_source_and_id_are_the_delivery_id_in_every_mode():
    with Daemon(EVENTS) as d:
        first = post_batch(d, [cloudevent(1), cloudevent(2)]).json()["ids"]
        alone = d.post("/in/events", json.dumps(cloudevent(2)).encode(),
                       {**BEARER, "Content-Type": "application/cloudevents+json"}).json()
        assert alone["duplicate"] and alone["id"] == first[1], alone
        again = post_batch(d, [cloudevent(2), cloudevent(3), cloudevent(3)]).json()
        assert again["duplicates"] == 2 and again["ids"][0] == first[1], again
        assert again["ids"][1] == again["ids"][2]
        assert post_batch(d, [cloudevent(1, source="/else")]).json()["duplicates"] == 0


def test_a_batch_that_was_answered_is_stored_whole():
    with Daemon(EVENTS) as d:
        ids = post_batch(d, [cloudevent(n) for n in range(256)]).json()["ids"]
        d.kill()
        d.start()
        assert len(set(ids)) == 256
        for event_id in (ids[0], ids[100], ids[255]):
            assert d.api("GET", "/events/" + event_id).json()["source"] == "events"
        assert d.api("GET", "/events/" + ids[255]).json()["body"] == json.dumps(cloudevent(255))
        long = post_batch(d, [cloudevent(n) for n in range(257)])
        assert long.status == 413 and "at most 256" in long.json()["error"]["message"], long.body


def test_what_is_no_good_batch_is_kept_as_it_came():
    with Daemon(EVENTS) as d:
        for body in (b"[]", b"{}", b"[7]", b"no json", json.dumps([cloudevent(1), {}]).encode()):
            reply = d.post("/in/events", body,
                           {**BEARER, "Content-Type": "application/cloudevents-batch+json"})
            assert reply.status == 200 and "id" in reply.json(), (body, reply.body)
            assert d.api("GET", "/events/" + reply.json()["id"]).json()["body"].encode() == body


def test_a_batch_is_verified_as_a_whole():
    with Daemon(EVENTS) as d:
        body = json.dumps([cloudevent(1), cloudevent(2)]).encode()
        mac = hmac.new(b"a shared secret", body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/cloudevents-batch+json",
                   "X-Hub-Signature-256": "sha256=" + mac}
        assert len(d.post("/in/signed", body, headers).json()["ids"]) == 2
        assert d.post("/in/signed", body.replace(b"e-2", b"e-3"), headers).status == 401
        assert len(d.events()) == 2


def test_the_handshake_is_for_the_configured_origin():
    with Daemon(EVENTS) as d:
        asked = {"WebHook-Request-Origin": "a.example.org", "WebHook-Request-Rate": "1000"}
        reply = d.request("OPTIONS", "/in/events", headers=asked)
        assert reply.status == 200 and reply.headers["WebHook-Allowed-Origin"] == "a.example.org"
        assert reply.headers["WebHook-Allowed-Rate"] == "120" and reply.headers["Allow"] == "POST"
        for headers in ({}, {"WebHook-Request-Origin": "b.example.org"},
                        {"WebHook-Request-Origin": "*"}):
            other = d.request("OPTIONS", "/in/events", headers=headers)
            assert other.status == 405, other.status
            assert "WebHook-Allowed-Origin" not in other.headers
        assert d.events() == []


# --- mutual TLS ---------------------------------------------------------------------------------

MTLS = """
admin: { listen: 127.0.0.1:0 }
listen:
  - 127.0.0.1:0
  - address: 127.0.0.1:0
    tls: { cert: server.pem, key: server.key, client_ca: clients.pem }
sources:
  by_name:
    verify: { scheme: mtls, san: ["dns:Partner.example.org", "uri:spiffe://acme/other"] }
  by_subject: { verify: { scheme: mtls, subject: "CN=partner,O=Acme \\\\, Inc" } }
  by_print: { verify: { scheme: mtls, fingerprint: "%s" } }
  by_issuer:
    verify: { scheme: mtls, issuer: "CN=Client CA", subject: ["CN=partner,O=Acme \\\\, Inc"] }
  open: { provider: none }
"""


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True, timeout=60)


def authority(folder, name, subject):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", subject, "-keyout", name + ".key", "-out",
            name + ".pem")


CA_CONFIG = """[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
[names]
commonName = supplied
organizationName = optional
"""


def issue_ended(folder, name, ca):
    """Of a day in 2020. `openssl x509` signs for days to come alone, from version 3.5 on."""
    for file, text in (("ca.cnf", CA_CONFIG), ("index.txt", "")):
        with open(f"{folder}/{file}", "w", encoding="ascii") as f:
            f.write(text)
    openssl(folder, "ca", "-batch", "-notext", "-preserveDN", "-create_serial", "-config",
            "ca.cnf", "-cert", ca + ".pem", "-keyfile", ca + ".key", "-startdate",
            "20200101000000Z", "-enddate", "20200102000000Z", "-in", name + ".csr", "-extfile",
            name + ".ext", "-out", name + ".pem")


def certificate(folder, name, subject, ca, san="", usage="clientAuth", ended=False):
    with open(f"{folder}/{name}.ext", "w", encoding="ascii") as f:
        f.write(f"extendedKeyUsage={usage}\n" + (f"subjectAltName={san}\n" if san else ""))
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", subject, "-keyout", name + ".key", "-out", name + ".csr")
    if ended:
        issue_ended(folder, name, ca)
        return
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey",
            ca + ".key", "-CAcreateserial", "-days", "2", "-extfile", name + ".ext", "-out",
            name + ".pem")


def certificates():
    folder = tempfile.mkdtemp(prefix="gaff-mtls-")
    authority(folder, "clients", "/CN=Client CA")
    authority(folder, "strangers", "/CN=Client CA")
    authority(folder, "server", "/CN=127.0.0.1")
    partner = "/O=Acme , Inc/CN=partner"
    certificate(folder, "partner", partner, "clients",
                "DNS:partner.example.org,URI:spiffe://acme/hooks,IP:127.0.0.9")
    certificate(folder, "other", "/CN=other", "clients", "DNS:partner.example.org.evil.example")
    certificate(folder, "stranger", partner, "strangers", "DNS:partner.example.org")
    certificate(folder, "wrong_use", partner, "clients", "DNS:partner.example.org", "serverAuth")
    certificate(folder, "ended", partner, "clients", "DNS:partner.example.org", ended=True)
    with open(folder + "/partner.pem", encoding="ascii") as f:
        der = ssl.PEM_cert_to_DER_cert(f.read())
    digest = hashlib.sha256(der).hexdigest().upper()
    return folder, ":".join(digest[i:i + 2] for i in range(0, 64, 2))


def over_tls(d, folder, path, name=None):
    """The status and the body; None when the handshake fails."""
    url = next(u for u in re.findall(r"address=\"?(https://[^\s\"]+)", d.log()))
    context = ssl.create_default_context(cafile=folder + "/server.pem")
    context.check_hostname = False
    if name:
        context.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
    connection = http.client.HTTPSConnection(url.split("://")[1].rstrip("/"), context=context,
                                             timeout=60)
    try:
        connection.request("POST", path, body=b"{}")
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def test_a_client_certificate_is_asked_for_verified_and_pinned():
    folder, fingerprint = certificates()
    files = {}
    for name in ("server.pem", "server.key", "clients.pem"):
        with open(f"{folder}/{name}", encoding="ascii") as f:
            files[name] = f.read()
    with Daemon(MTLS % fingerprint, files=files) as d:
        for source in ("by_name", "by_subject", "by_print", "by_issuer"):
            good = over_tls(d, folder, "/in/" + source, "partner")
            assert good and good[0] == 200, (source, good)
            none = over_tls(d, folder, "/in/" + source)
            assert none[0] == 401 and "no certificate" in none[1], (source, none)
            other = over_tls(d, folder, "/in/" + source, "other")
            assert other[0] == 401 and "none that this source accepts" in other[1], other
            for name in ("stranger", "wrong_use", "ended"):
                assert over_tls(d, folder, "/in/" + source, name) is None, (source, name)
            plain = d.post("/in/" + source, b"{}", {
                "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-S-DN": "CN=partner"})
            assert plain.status == 401, plain.body
        assert over_tls(d, folder, "/in/open")[0] == 200, "others need no certificate"
        event = d.api("GET", "/events/" + json.loads(good[1])["id"]).json()
        assert event["verdict"] == "verified" and "CN=partner" in event["verdict_text"], event
    shutil.rmtree(folder)


def test_mtls_that_would_prove_too_little_is_no_configuration():
    for verify, part in (("{ scheme: mtls }", "whose certificate counts"),
                         ("{ scheme: mtls, fingerprint: abc }", "64 hex digits"),
                         ("{ scheme: mtls, san: partner.example.org }", "a name with its kind"),
                         ("{ scheme: mtls, subject: CN=a }", "no listener asks")):
        with Daemon(f"sources:\n  a: {{ verify: {verify} }}\n", start=False) as d:
            said = d.cli("check", code=None).stderr.decode()
            assert part in said, said


# --- WebSub -------------------------------------------------------------------------------------

TOPIC = "https://blog.example.org/feed"
WEBSUB = """
public_url: https://hooks.example.org
sources:
  feed:
    provider: websub
    secret: "a secret for the hub"
    subscribe: {{ hub: "{hub}", topic: "{topic}", lease: 1d }}
"""


class Hub:
    """A hub as the W3C has it: takes subscriptions, asks the subscriber whether it meant them, and
    sends content with its signature. Stands where a proxy leads the public URL to the daemon."""

    def __init__(self, lease=None, refusals=0):
        self.asked, self.answers, self.daemon = [], [], None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(text, strict_parsing=True))
                hub.asked.append(form)
                good = len(hub.asked) > refusals
                self.send_response(202 if good else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if good:
                    threading.Thread(target=hub.verify, args=(form, lease, form["hub.mode"]),
                                     daemon=True).start()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def verify(self, form, lease=None, mode="subscribe", topic=None):
        until(lambda: self.daemon, "the daemon's start")
        challenge = os.urandom(12).hex()
        query = urllib.parse.urlencode({
            "hub.mode": mode, "hub.topic": topic or form["hub.topic"], "hub.challenge": challenge,
            "hub.lease_seconds": lease or form.get("hub.lease_seconds", "")})
        path = urllib.parse.urlsplit(form["hub.callback"]).path
        reply = self.daemon.request("GET", f"{path}?{query}")
        confirmed = reply.status == 200 and reply.body == challenge.encode()
        self.answers.append(confirmed)
        return reply.status

    def publish(self, content, secret, method="sha256"):
        mac = hmac.new(secret.encode(), content, getattr(hashlib, method)).hexdigest()
        return self.daemon.post("/in/feed", content, {
            "Content-Type": "application/atom+xml", "X-Hub-Signature": f"{method}={mac}",
            "Link": f'<{self.url}>; rel="hub", <{TOPIC}>; rel="self"'})

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_hub_is_asked_confirmed_and_heard():
    hub = Hub()
    with Daemon(WEBSUB.format(hub=hub.url, topic=TOPIC)) as d:
        hub.daemon = d
        until(lambda: hub.answers, "the hub's question", 60)
        assert hub.asked[0] == {
            "hub.mode": "subscribe", "hub.topic": TOPIC, "hub.lease_seconds": "86400",
            "hub.callback": "https://hooks.example.org/in/feed",
            "hub.secret": "a secret for the hub"}
        assert hub.answers == [True]
        for method in ("sha256", "sha384", "sha512", "sha1"):
            content = f"<feed>{method}</feed>".encode()
            reply = hub.publish(content, "a secret for the hub", method)
            assert reply.status == 200, reply.body
            event = d.api("GET", "/events/" + reply.json()["id"]).json()
            assert event["verdict"] == "verified" and event["body"].encode() == content
        assert hub.publish(b"<feed/>", "another").status == 401
        assert len(d.events()) == 4
        assert "a secret for the hub" not in d.log()
    hub.close()


def test_only_what_was_asked_for_is_confirmed():
    hub = Hub()
    with Daemon(WEBSUB.format(hub=hub.url, topic=TOPIC)) as d:
        hub.daemon = d
        until(lambda: hub.answers, "the hub's question", 60)
        form = hub.asked[0]
        assert hub.verify(form) == 404, "a second time nobody asked"
        assert hub.verify(form, topic=TOPIC + "/other") == 405
        assert hub.verify(form, mode="unsubscribe") == 405
        assert hub.answers == [True, False, False, False]
        assert d.events() == []
    hub.close()


def test_a_lease_is_renewed_before_it_ends():
    hub = Hub(lease="3")
    with Daemon(WEBSUB.format(hub=hub.url, topic=TOPIC)) as d:
        hub.daemon = d
        until(lambda: len(hub.answers) >= 3, "two renewals", 60)
        assert all(hub.answers) and all(a == hub.asked[0] for a in hub.asked)
    hub.close()


def test_a_hub_that_fails_is_asked_again():
    hub = Hub(refusals=1)
    with Daemon(WEBSUB.format(hub=hub.url, topic=TOPIC)) as d:
        hub.daemon = d
        until(lambda: hub.answers, "the second try", 60)
        assert hub.answers == [True] and len(hub.asked) == 2
        assert "a hub refused a subscription" in d.log()
    hub.close()


def test_a_denial_is_logged_and_shown():
    hub = Hub()
    with Daemon(WEBSUB.format(hub=hub.url, topic=TOPIC)) as d:
        hub.daemon = d
        until(lambda: hub.answers, "the hub's question", 60)
        assert d.api("GET", "/sources").json()["sources"][0]["subscription"] == "confirmed"
        query = {"hub.mode": "denied", "hub.topic": TOPIC, "hub.reason": "no feeds on Sundays"}
        reply = d.request("GET", "/in/feed?" + urllib.parse.urlencode(query))
        assert reply.status == 200 and reply.body == b""
        source = d.api("GET", "/sources").json()["sources"][0]
        assert source["subscription"] == "denied", source
        assert source["subscription_reason"] == "no feeds on Sundays", source
        shown = json.loads(d.cli("subscriptions", "ls", "-o", "json").stdout)
        assert [(s["name"], s["subscription"]) for s in shown] == [("feed", "denied")], shown
        assert "no feeds on Sundays" in d.cli("subscriptions", "ls").stdout.decode()
        until(lambda: "no feeds on Sundays" in d.log(), "the log's line", 60)
        query["hub.topic"] += "/other"
        assert d.request("GET", "/in/feed?" + urllib.parse.urlencode(query)).status == 405
        assert hub.publish(b"<feed/>", "a secret for the hub").status == 200, "nobody signed it"
    hub.close()


def test_a_topic_that_a_reload_takes_out_is_given_up():
    hub = Hub()
    text = WEBSUB.format(hub=hub.url, topic=TOPIC)
    with Daemon(text) as d:
        hub.daemon = d
        until(lambda: hub.answers, "the hub's question", 60)
        d.config("".join(line for line in text.splitlines(True) if "subscribe:" not in line))
        d.cli("reload")
        until(lambda: len(hub.answers) == 2, "the hub's second question", 60)
        assert hub.answers == [True, True]
        assert hub.asked[1] == {"hub.mode": "unsubscribe", "hub.topic": TOPIC,
                                "hub.callback": "https://hooks.example.org/in/feed"}
        assert hub.verify(hub.asked[1], mode="unsubscribe") == 405, "a second time nobody asked"
        assert "subscription" not in d.api("GET", "/sources").json()["sources"][0]
    hub.close()


def test_a_subscription_needs_what_the_hub_is_told():
    good = WEBSUB.format(hub="https://hub.example.org/", topic=TOPIC)
    for old, new, part in (
            ("public_url: https://hooks.example.org\n", "", "subscribe needs public_url"),
            ("https://hub.example.org/", "ftp://hub.example.org/", "gaff.yaml:"),
            ("a secret for the hub", "x" * 200, "at most 199 bytes"),
            ("provider: websub", "provider: hmac", "subscribe is for provider: websub"),
            (f'topic: "{TOPIC}", ', "", '"topic" is missing')):
        with Daemon(good.replace(old, new), start=False) as d:
            said = d.cli("check", code=None)
            assert said.returncode != 0 and part in said.stderr.decode(), said.stderr.decode()


if __name__ == "__main__":
    run(globals())
