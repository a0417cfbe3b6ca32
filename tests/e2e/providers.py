#!/usr/bin/env python3
"""providers.py -- proving who sent it, as its user sees it: every fixture of `gaff trigger` through
the front door, secrets that are rotated, public keys fetched from a server of the test's own, a
subscription confirmed, and the cause that a refusal names."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
HEX_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
JSON = {"Content-Type": "application/json"}


def iso(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- gaff trigger ----

def pair_of_keys():
    """A private key and its public one, as PEM."""
    if not shutil.which("openssl"):
        raise Skip("no openssl program")
    def openssl(*args, text=None):
        return subprocess.run(["openssl", *args], input=text, check=True, capture_output=True,
                              text=True, timeout=60).stdout
    private = openssl("genpkey", "-algorithm", "ed25519")
    return private, openssl("pkey", "-pubout", text=private)


def test_every_fixture_comes_in_by_the_front_door():
    with Daemon("", start=False) as d:
        fixtures = d.cli("trigger").stdout.decode().split()
        providers = sorted({one.split(".")[0] for one in fixtures})
        assert len(fixtures) >= 15 and "github.push" in fixtures, fixtures
        secrets = {p: HEX_KEY if p == "adyen-standard" else WHSEC for p in providers}
        others = {p: HEX_KEY[::-1] if p == "adyen-standard" else OTHER for p in providers}
        known = dict(secrets)
        secrets["rfc9421"], known["rfc9421"] = pair_of_keys()
        others["rfc9421"] = pair_of_keys()[0]
        d.config("sources:\n" + "".join(
            f"  {p}: {{ provider: {p}, secret: {json.dumps(known[p])} }}\n" for p in providers))
        d.start()
        for one in fixtures:
            provider = one.split(".")[0]
            to = ["--to", f"{d.url}/in/{provider}"]
            said = d.cli("trigger", one, *to, "--secret", secrets[provider]).stdout.decode()
            assert said.endswith("\n"), said
            assert said.startswith("2"), (one, said)
            said = d.cli("trigger", one, *to, "--secret", others[provider], code=None)
            assert said.returncode == 4 and said.stdout.startswith(b"401"), (one, said)
        counts = {p: len(d.events(source=p)) for p in providers}
        asked = {p: sum(one.startswith(p + ".") for one in fixtures) for p in providers}
        # A handshake (slack.url_verification) is answered and not stored.
        assert all(0 < counts[p] <= asked[p] for p in providers), (counts, asked)
        assert sum(counts.values()) >= len(fixtures) - 2, (counts, asked)
        types = {e["type"] for e in d.events(source="github")}
        assert {"push", "pull_request"} <= types, types
        d.cli("trigger", "github.push", "--to", f"{d.url}/in/github", "--secret", WHSEC,
              "--set", "ref=refs/heads/other")
        event = d.events(source="github")[0]
        text = d.cli("events", "show", event["id"], "--body").stdout
        assert b"refs/heads/other" in text, text


def test_the_vectors_are_what_is_made_of_them():
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except Exception as why:
        raise Skip(f"no cryptography that signs deterministically: {why}") from why
    make = os.path.join(os.path.dirname(__file__), "../vectors/make.py")
    for _ in range(2):  # another time, the same bytes
        said = subprocess.run([sys.executable, make, "--check"], capture_output=True, text=True,
                              check=False)
        assert said.returncode == 0, said.stderr


# ---- secrets ----

def secrets_of(d):
    lines = d.cli("secrets", "-o", "jsonl").stdout.decode().splitlines()
    return [json.loads(line) for line in lines]


def test_secrets_are_rotated_without_a_gap():
    body = b'{"n": 1}'
    with Daemon("", start=False) as d:
        def configure(end):
            d.config("sources:\n  hub:\n    provider: github\n    secrets:\n"
                     f"      - a new secret, of some length\n"
                     f"      - {{ value: '{SECRET}', not_after: '{end}' }}\n")
        configure(iso(3600))
        d.start()
        first = secrets_of(d)
        assert [s["position"] for s in first] == [1, 2] and first[1]["not_after"], first
        assert not any(s.get("last_used") for s in first), first
        assert SECRET not in json.dumps(first) and "a new secret" not in json.dumps(first)
        for secret in ("a new secret, of some length", SECRET):
            assert d.post("/in/hub", body, github(body, secret)).status == 200
        used = secrets_of(d)
        assert all(s["last_used"] for s in used), used
        # Its end comes while the daemon runs: nobody has to reload it.
        end = iso(3)
        configure(end)
        d.signal(signal.SIGHUP)
        until(lambda: secrets_of(d)[-1].get("not_after") in (end, None), "the reload")
        until(lambda: d.post("/in/hub", body, github(body)).status == 401, "the old one ends")
        assert d.post("/in/hub", body, github(body, "a new secret, of some length")).status == 200


def test_a_secret_that_is_unused_for_a_week_is_named():
    with Daemon("sources:\n  hub:\n    provider: github\n    secrets: [the one in use, "
                f"'{SECRET}']\n") as d:
        body = b"{}"
        assert d.post("/in/hub", body, github(body, "the one in use")).status == 200
        assert not any(s.get("warning") for s in secrets_of(d))
        assert d.stop() == 0
        # What is on disk is as old as if the daemon had run for that long.
        path = d.path("gaff-data/secret-use")
        with open(path, encoding="utf-8") as f:
            lines = [line.split() for line in f]
        week = 8 * 86400 * 1000
        d.write("gaff-data/secret-use", "".join(
            f"{source} {print_} {int(since) - week} {used}\n"
            for source, print_, since, used in lines), 0o600)
        d.start()
        assert d.post("/in/hub", body, github(body, "the one in use")).status == 200
        one, other = secrets_of(d)
        assert not one.get("warning") and "unused for a week" in other["warning"], (one, other)
        assert b"unused for a week" in d.cli("secrets").stdout


# ---- public keys ----

class Keys(SecurePages):
    """And an RSA key that signs: that of its certificate."""

    def sign(self, text, digest="sha256"):
        return subprocess.run(["openssl", "dgst", "-" + digest, "-sign", self.key], input=text,
                              check=True, capture_output=True).stdout

    def jwk(self, kid):
        text = subprocess.run(["openssl", "x509", "-in", self.cert, "-noout", "-modulus"],
                              check=True, capture_output=True, text=True).stdout
        modulus = bytes.fromhex(text.strip().split("=")[1])
        return {"kty": "RSA", "kid": kid, "e": "AQAB", "n": b64url(modulus)}

    def token(self, claims, kid):
        head = {"alg": "RS256", "kid": kid}
        text = ".".join(b64url(json.dumps(p).encode()) for p in (head, claims))
        return text + "." + b64url(self.sign(text.encode()))


def b64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def idp(keys):
    return f"  idp: {{ provider: jwt-jwks, options: {{ url: 'https://{keys.host}/jwks.json' }} }}\n"


def with_keys(d, sources, outbound="{ allow: [127.0.0.0/8], ca_file: keys.crt }"):
    d.config(f"outbound: {outbound}\nsources:\n{sources}")
    d.start()


def test_a_key_set_is_fetched_off_the_path_and_kept():
    with Daemon("", start=False) as d:
        keys = Keys(d)
        keys.pages["/jwks.json"] = json.dumps({"keys": [keys.jwk("k1")]})
        with_keys(d, idp(keys))

        def post(kid="k1", body=b'{"a": 1}', said=None):
            claims = {"iat": int(time.time()), "jti": os.urandom(8).hex(),
                      "body_sha256": hashlib.sha256(said or body).hexdigest()}
            return d.post("/in/idp", body, {"Authorization": "Bearer " + keys.token(claims, kid),
                                            **JSON})
        first = post()
        assert first.status == 503 and first.headers["Retry-After"], first.body
        assert first.json()["error"]["code"] == "key_pending", first.body
        until(lambda: post().status == 200, "the key is here")
        for _ in range(5):
            assert post().status == 200
        assert keys.asked == ["/jwks.json"], keys.asked
        assert post(said=b"another").status == 401
        # A name that the set lacks: not asked for again within a minute, and nobody comes in.
        answer = until(lambda: (a := post("k2")).status != 503 and a, "a verdict")
        assert answer.status == 401 and answer.json()["error"]["code"] == "no_key", answer.body
        # The server is gone and what is kept serves on.
        keys.close()
        assert post().status == 200


def test_a_key_is_not_fetched_where_the_policy_forbids_it():
    with Daemon("", start=False) as d:
        keys = Keys(d)
        keys.pages["/jwks.json"] = json.dumps({"keys": [keys.jwk("k1")]})
        with_keys(d, idp(keys), "{ ca_file: keys.crt }")
        claims = {"iat": int(time.time()), "body_sha256": hashlib.sha256(b"{}").hexdigest()}
        headers = {"Authorization": "Bearer " + keys.token(claims, "k1")}
        until(lambda: d.post("/in/idp", b"{}", headers).status == 401, "the policy said no")
        assert d.post("/in/idp", b"{}", headers).json()["error"]["code"] == "no_key"
        assert keys.asked == [], keys.asked
        keys.close()


def sns(keys, kind, digest="sha256", host=None, **more):
    host = host or keys.host
    message = {"Type": kind, "MessageId": os.urandom(8).hex(), "Message": "hello ü",
               "TopicArn": "arn:aws:sns:eu-west-1:1:t",
               "Timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"), **more}
    if kind != "Notification":
        message.update(Token="t0k3n", SubscribeURL=f"https://{host}/confirm?Token=t0k3n")
    text = "".join(f"{name}\n{message[name]}\n" for name in sorted(message))
    message.update(SignatureVersion="2" if digest == "sha256" else "1",
                   SigningCertURL=f"https://{keys.host}/cert.pem",
                   Signature=base64.b64encode(keys.sign(text.encode(), digest)).decode())
    return (json.dumps(message).encode(),
            {"x-amz-sns-message-type": kind, "Content-Type": "text/plain; charset=UTF-8"})


def test_an_sns_subscription_is_confirmed_and_its_messages_come_in():
    with Daemon("", start=False) as d:
        keys, other = Keys(d), Keys(d, "other")
        with open(keys.cert, encoding="ascii") as f:
            keys.pages["/cert.pem"] = f.read()
        keys.pages["/confirm?Token=t0k3n"] = "<ConfirmSubscriptionResponse/>"
        with_keys(d, f"  topic: {{ provider: aws-sns, options: {{ host: '{keys.host}' }} }}\n"
                     "  pinned: { provider: aws-sns }\n")

        def post(source, *request):
            return d.post("/in/" + source, *request)
        # Only Amazon's own hosts, unless the operator names one more.
        assert post("pinned", *sns(keys, "SubscriptionConfirmation")).status == 401
        assert keys.asked == [], keys.asked
        # The certificate first; Amazon sends again when it is told to.
        asked = sns(keys, "SubscriptionConfirmation")
        assert post("topic", *asked).status == 503
        until(lambda: post("topic", *sns(keys, "SubscriptionConfirmation")).status == 200,
              "the certificate is here")
        until(lambda: "/confirm?Token=t0k3n" in keys.asked, "the confirmation")
        assert d.events(source="topic") == []
        # Where a stranger would have us call is not called.
        before = list(keys.asked)
        post("topic", *sns(keys, "SubscriptionConfirmation", host=other.host))
        body, headers = asked
        assert post("topic", body.replace(b"t0k3n", b"t0k3m"), headers).status == 401
        for digest, more in (("sha256", {}), ("sha256", {"Subject": "s"}), ("sha1", {})):
            body, headers = sns(keys, "Notification", digest, **more)
            assert post("topic", body, headers).status == 200
            assert post("topic", body.replace(b"hello", b"hallo"), headers).status == 401
            forged, _ = sns(other, "Notification", digest, **more)
            forged = forged.replace(other.host.encode(), keys.host.encode())
            assert post("topic", forged, headers).status == 401
        assert len(d.events(source="topic", type="Notification")) == 3
        assert keys.asked == before and other.asked == [], (keys.asked, other.asked)
        keys.close()
        other.close()


# ---- why it was refused ----

CAUSES = """public_url: https://hooks.example.org
sources:
  hub: { provider: github, secret: "correct horse battery staple" }
  pay: { provider: stripe, secret: whsec_stripe }
  sms: { provider: twilio, secret: twilio_token }
"""


def refusals(d, code, *parts):
    """The newest refusal as `gaff` stored it."""
    one = d.api("GET", "/rejections").json()["rejections"][0]
    assert one["verdict"] == code, one
    for part in parts:
        assert part in one["verdict_text"], (part, one["verdict_text"])
    return one["verdict_text"]


def test_a_refusal_names_its_cause():
    body = b'{"ref":"refs/heads/main","n":1.0}'
    with Daemon(CAUSES) as d:
        # A proxy printed the body anew.
        pretty = b'{ "ref": "refs/heads/main",\n "n": 1.0 }'
        assert d.post("/in/hub", pretty, github(body)).status == 401
        refusals(d, "bad_signature", "The secret is right and the body was changed",
                 "something printed it anew")
        spaced = body.replace(b":", b": ")
        assert d.post("/in/hub", spaced + b"\n", github(spaced)).status == 401
        refusals(d, "bad_signature", "without its last line end")
        # Another secret.
        assert d.post("/in/hub", body, github(body, "another")).status == 401
        text = refusals(d, "bad_signature", "most likely another secret")
        assert SECRET not in text
        # A header is missing.
        assert d.post("/in/hub", body, JSON).status == 401
        refusals(d, "no_signature", "X-Hub-Signature-256 is missing", "is a secret set")

        # An old time.
        def stripe(at):
            mac = hmac.new(b"whsec_stripe", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            return {"Stripe-Signature": f"t={at},v1={mac}", **JSON}
        assert d.post("/in/pay", body, stripe(int(time.time()) - 4000)).status == 401
        refusals(d, "stale_timestamp", "the signature is right", "1.1 h", "was it replayed")
        assert d.post("/in/pay", body, stripe(int(time.time()))).status == 200

        # The provider was told another URL than public_url says.
        form = {"From": "+1", "Body": "a b"}

        def twilio(url):
            text = url + "".join(k + v for k, v in sorted(form.items()))
            mac = hmac.new(b"twilio_token", text.encode(), hashlib.sha1).digest()
            return {"X-Twilio-Signature": base64.b64encode(mac).decode(),
                    "Content-Type": "application/x-www-form-urlencoded"}
        sent = urlencode(form).encode()
        assert d.post("/in/sms", sent, twilio("https://hooks.example.org/in/sms")).status == 200
        assert d.post("/in/sms", sent, twilio(f"{d.url}/in/sms")).status == 401
        refusals(d, "bad_signature", "The secret is right and the URL differs", d.url)
        # The same words by hand, from the request as it came.
        raw = (f"POST /in/hub HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: "
               f"{github(body)['X-Hub-Signature-256']}\r\n\r\n").encode() + pretty
        said = d.cli("verify", "--provider", "github", "--secret", SECRET, stdin=raw, code=4)
        assert b"something printed it anew" in said.stdout, said.stdout


run(globals())
