"""Providers with public keys and with tokens."""
import datetime
import hashlib
import hmac
import json
from binascii import crc32
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tools import HEX, NOW, SECRET, b64, b64url, case, event, write

FORM = "application/x-www-form-urlencoded"
URL = "https://hooks.example.org/in/x"
ISO = "2026-11-23T14:16:30Z"


def rsa_key(p, q):
    p, q = int(p, 16), int(q, 16)
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p),
                                 public).private_key()


# Keys of these vectors alone.
RSA = rsa_key(
    p=("d4aa515e13113cb9b5cc44e8f008a08b757e95ac13c009becbe3eccebb36f2adf2182c02a59d1744"
       "23456ea594c44465c68af16353ee3f7dc28eab3c0116303b8e72dfd59bac0e92399fef0de4e19d7f"
       "124bcebba96fc554839d7e5e37724a9785ae947e368be4d19a4311b8bcdc303d35f7ddd2f40559a9"
       "c666ed4f1861aa09"),
    q=("c9e283444abd4f41b5a4478d85c029c9b90a8c2a86ae5e0d3d3f43672c0356eaee9af4ef04ed8f96"
       "2fca63be2257f08dc58a049b82c7d8fbc695055678ee646e0b528d2092be3bb3169540ff6ca96f94"
       "bb4e0625a7aa024f417442712abeca0d4a4b4c676011388bd9159830a6f2f471773b57bf09ab9d02"
       "841fd20796e47e11"))
OTHER_RSA = rsa_key(
    p=("cd13e77957c7dd8605a6e0466c61bf12669c7fceddd37c245798fa78e66fab8991559937fda31101"
       "7817a9eb9773d338a2e0d86517132520d44735360bcda8daa9142967573fe25ed46dc84b1fef682e"
       "97d8f2e99aa12f2682c4bffda54932e4b895afb034b248479cd20abda4ab2cd57ee2f275304855e1"
       "d5c88fd0f97a5c21"),
    q=("c88344500665b11b261d9b5c39ea436bb0fa79abc951dcef7b33944a8cfe4ace4ac8b7424bb586f6"
       "59ecbb9491f1411cda4a757f1a8772f37f4d8d0eb3e7722820d9d67e8ad93cdf7fd2736e860ad3bd"
       "ffd928f6151f04236b8411f0fe3d6ae597e883bbce3e4878eddf81fdeef15365d4ee707299014ae6"
       "9565a9f71e9bb7a9"))
EC, OTHER_EC = (ec.derive_private_key(n, ec.SECP256R1()) for n in (7 << 200, 9 << 200))
ED, OTHER_ED = (Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in (7, 8))
HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def der(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def raw(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def number(n):
    return b64url(n.to_bytes((n.bit_length() + 7) // 8, "big"))


def rsa_sign(text, digest="sha256", key=RSA):
    return b64(key.sign(text, padding.PKCS1v15(), HASHES[digest]))


def ec_sign(text, digest="sha256", key=EC):
    """By RFC 6979, so that the same text has the same signature in the next run."""
    return key.sign(text, ec.ECDSA(HASHES[digest], deterministic_signing=True))


def ec_pair(text, digest="sha256", key=EC):
    """The two numbers one after the other, each as long as the curve's."""
    size = (key.key_size + 7) // 8
    return b"".join(n.to_bytes(size, "big")
                    for n in decode_dss_signature(ec_sign(text, digest, key)))


def jwks():
    public = RSA.public_key().public_numbers()
    return json.dumps({"keys": [
        {"kty": "RSA", "kid": "k1", "use": "sig", "n": number(public.n), "e": number(public.e)},
        {"kty": "OKP", "kid": "k2", "crv": "Ed25519", "x": b64url(raw(ED))}]})


def certificate():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.org")])
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(RSA.public_key()).serial_number(7)
            .not_valid_before(datetime.datetime(2026, 1, 1))
            .not_valid_after(datetime.datetime(2099, 1, 1))
            .sign(RSA, HASHES["sha256"]).public_bytes(Encoding.PEM).decode())


def signed(provider, header, delivery_id, event_type, signature, secret=None, other=None,
           beside=None, name="one", **more):
    headers, body, found = event(delivery_id, event_type)
    headers = {**headers, **(beside or {}), header: signature(body.encode())}
    if secret is None and "keys" not in more:
        secret, other = pem(RSA), pem(OTHER_RSA)
    if other:
        found["other-secret"] = other
    write(provider, [case(name, secret or "", headers, body, **found, **more)])


def rsa_bodies():
    for provider, header, digest, delivery_id, event_type in (
            ("wise", "X-Signature-SHA256", "sha256", "X-Delivery-Id", ".event_type"),
            ("wise", "X-Signature", "sha1", "X-Delivery-Id", ".event_type"),
            ("highlevel", "x-wh-signature", "sha256", ".webhookId", ".type"),
            ("chip-in", "X-Signature", "sha256", None, ".event_type"),
            ("fireblocks-legacy", "Fireblocks-Signature", "sha512", None, ".type"),
            ("freshchat", "X-Freshchat-Signature", "sha256", None, ".action")):
        signed(provider, header, delivery_id, event_type,
               lambda b, digest=digest: rsa_sign(b, digest), name=digest)
    signed("kick", "Kick-Event-Signature", "Kick-Event-Message-Id", "Kick-Event-Type",
           lambda b: rsa_sign(f"evt_17.{ISO}.".encode() + b),
           beside={"Kick-Event-Message-Timestamp": ISO})
    ms = f"{NOW}000."
    signed("bridge-xyz", "X-Webhook-Signature", ".event_id", ".event_type",
           lambda b: f"t={NOW}000,v0=" + rsa_sign(ms.encode() + b), name="digested once")
    signed("bridge-xyz", "X-Webhook-Signature", ".event_id", ".event_type",
           lambda b: f"t={NOW}000,v0=" + rsa_sign(hashlib.sha256(ms.encode() + b).digest()),
           name="digested twice")
    payload = {"a": [1, 2], "b": "c d"}
    write("bitso", [case("one", pem(RSA), {"x-bitso-webhook-event-signature": rsa_sign(
        json.dumps(payload, separators=(",", ":")).encode())},
        json.dumps({"event": "withdrawal", "payload": payload}, indent=1),
        **{"event-type": "withdrawal", "other-secret": pem(OTHER_RSA)})])
    signed("wechat-pay", "Wechatpay-Signature", ".id", ".event_type",
           lambda b: rsa_sign(f"{NOW}\nn0nce\n".encode() + b + b"\n"),
           beside={"Wechatpay-Timestamp": str(NOW), "Wechatpay-Nonce": "n0nce",
                   "Wechatpay-Serial": "s1"})
    fields = {"notify_id": "n1", "trade_status": "TRADE_SUCCESS", "body": "a & ü", "app_id": "7"}
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()))
    write("alipay", [case(
        "one", b64(der(RSA)), {"Content-Type": FORM}, urlencode(
            {**fields, "sign_type": "RSA2", "sign": rsa_sign(text.encode())}),
        **{"delivery-id": "n1", "event-type": "TRADE_SUCCESS",
           "other-secret": b64(der(OTHER_RSA))})])


def keys_at_a_url():
    signed("shipstation", "x-shipengine-rsa-sha256-signature", None, ".resource_type",
           lambda b: rsa_sign(f"{ISO}.".encode() + b),
           beside={"x-shipengine-timestamp": ISO, "x-shipengine-rsa-sha256-key-id": "k1"},
           keys={"https://api.shipengine.com/jwks": jwks()})
    url = "https://api.paypal.com/v1/notifications/certs/CERT-1"
    signed("paypal", "PAYPAL-TRANSMISSION-SIG", ".id", ".event_type",
           lambda b: rsa_sign(f"t1|{ISO}|WH-7|{crc32(b)}".encode()),
           beside={"PAYPAL-TRANSMISSION-ID": "t1", "PAYPAL-TRANSMISSION-TIME": ISO,
                   "PAYPAL-CERT-URL": url},
           keys={url: certificate()}, options={"webhook-id": "WH-7"})
    signed("fal", "X-Fal-Webhook-Signature", "X-Fal-Webhook-Request-Id", ".status",
           lambda b: HEX(ED.sign("\n".join(
               ["evt_17", "u1", str(NOW), hashlib.sha256(b).hexdigest()]).encode())),
           beside={"X-Fal-Webhook-User-Id": "u1", "X-Fal-Webhook-Timestamp": str(NOW)},
           keys={"https://rest.fal.ai/.well-known/jwks.json": jwks()})


def sns():
    url = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
    base = {"MessageId": "m1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "hello ü",
            "Timestamp": "2026-11-23T14:16:30.000Z"}
    confirm = {"Type": "SubscriptionConfirmation", "Token": "t0",
               "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Confirm"}
    for name, more in (("notification", {"Type": "Notification"}),
                       ("with a subject", {"Type": "Notification", "Subject": "s"}),
                       ("confirmation", confirm)):
        for version, digest in (("1", "sha1"), ("2", "sha256")):
            message = {**base, **more}
            text = "".join(f"{k}\n{v}\n" for k, v in sorted(message.items()))
            body = {**message, "SignatureVersion": version, "SigningCertURL": url,
                    "Signature": rsa_sign(text.encode(), digest)}
            write("aws-sns", [case(
                f"{name}, version {version}", "", {"x-amz-sns-message-type": message["Type"]},
                json.dumps(body, ensure_ascii=False), keys={url: certificate()},
                **{"delivery-id": "m1", "event-type": message["Type"]})])


def curves():
    spki, other = b64(der(EC)), b64(der(OTHER_EC))
    signed("sendgrid", "X-Twilio-Email-Event-Webhook-Signature", None, None,
           lambda b: b64(ec_sign(str(NOW).encode() + b)), spki, other,
           {"X-Twilio-Email-Event-Webhook-Timestamp": str(NOW)})
    signed("ebay", "X-EBAY-SIGNATURE", ".notification.notificationId", ".metadata.topic",
           lambda b: b64(json.dumps({"alg": "ecdsa", "kid": "k", "digest": "SHA1",
                                     "signature": b64(ec_sign(b, "sha1"))}).encode()),
           pem(EC), pem(OTHER_EC))
    signed("cobo", "biz-resp-signature", ".event_id", ".type",
           lambda b: HEX(ED.sign(hashlib.sha256(hashlib.sha256(
               b + f"|{NOW}000".encode()).digest()).digest())), HEX(raw(ED)), HEX(raw(OTHER_ED)),
           {"biz-timestamp": f"{NOW}000"})
    signed("integrated-finance", "X-Webhook-Signature", "X-Webhook-Event-Id", None,
           lambda b: b64(ED.sign("|".join([
               b64(hashlib.sha512(b).digest()), "evt_17", ISO, "r1", ISO, "1"]).encode())),
           b64(raw(ED)), b64(raw(OTHER_ED)),
           {"X-Webhook-Event-Timestamp": ISO, "X-Webhook-Request-Id": "r1",
            "X-Webhook-Request-Timestamp": ISO, "X-Webhook-Key-Version": "1"})


def token(claims, alg="HS256", kid=None):
    head = {"alg": alg, "typ": "JWT", **({"kid": kid} if kid else {})}
    text = ".".join(b64url(json.dumps(part, separators=(",", ":")).encode())
                    for part in (head, claims)).encode()
    if alg == "HS256":
        signature = hmac.new(SECRET.encode(), text, hashlib.sha256).digest()
    elif alg == "RS256":
        signature = RSA.sign(text, padding.PKCS1v15(), HASHES["sha256"])
    else:
        signature = ec_pair(text)
    return text.decode() + "." + b64url(signature)


def tokens():
    def digest(b):
        return hashlib.sha256(b)

    times = {"iat": NOW, "exp": NOW + 300}
    url_hash = hashlib.sha256(URL.encode()).hexdigest()
    for provider, header, delivery_id, event_type, claims, more in (
            ("livekit", "Authorization", ".id", ".event",
             lambda b: {"iss": "APIkey", "sha256": b64(digest(b).digest())},
             {"options": {"api-key": "APIkey"}}),
            ("qstash", "Upstash-Signature", "Upstash-Message-Id", None,
             lambda b: {"iss": "Upstash", "sub": URL, "body": b64url(digest(b).digest())},
             {"url": URL}),
            ("vonage", "Authorization", None, None,
             lambda b: {"payload_hash": digest(b).hexdigest()}, {}),
            ("messagebird", "MessageBird-Signature-JWT", None, None,
             lambda b: {"iss": "MessageBird", "url_hash": url_hash, "jti": "j1",
                        "payload_hash": digest(b).hexdigest()},
             {"url": URL, "delivery-id": "j1"}),
            ("netlify", "X-Webhook-Signature", None, "X-Netlify-Event",
             lambda b: {"iss": "netlify", "sha256": digest(b).hexdigest()}, {}),
            ("fusionauth", "X-FusionAuth-Signature-JWT", ".event.id", ".event.type",
             lambda b: {"request_body_sha256": b64(digest(b).digest())}, {})):
        before = "Bearer " if provider == "vonage" else ""
        signed(provider, header, delivery_id, event_type,
               lambda b, claims=claims, before=before: before + token({**claims(b), **times}),
               SECRET, None, **more)
    signed("gong", "Authorization", None, None, lambda b: token(
        {"webhook_url": URL, "body_sha256": digest(b).hexdigest(), **times}, "RS256"), url=URL)
    signed("plaid", "Plaid-Verification", None, ".webhook_code", lambda b: token(
        {"request_body_sha256": digest(b).hexdigest(), "iat": NOW}, "ES256", "k"),
        pem(EC), pem(OTHER_EC))
    write("wix", [case("one", pem(RSA), {}, token({"data": "{}", **times}, "RS256"),
                       **{"other-secret": pem(OTHER_RSA)})])
    write("kinde", [case(
        "one", "", {"webhook-id": "w1"}, token({"type": "user.created", **times}, "RS256", "k1"),
        keys={"https://yours.kinde.com/.well-known/jwks": jwks()},
        options={"domain": "yours.kinde.com"},
        **{"delivery-id": "w1", "event-type": "user.created"})])
    write("google-pubsub", [case(
        "one", "", {"Authorization": "Bearer " + token({
            "iss": "https://accounts.google.com", "aud": URL, "email": "a@b.c",
            "email_verified": True, **times}, "RS256", "k1")},
        '{"message":{"messageId":"7","data":"e30="}}',
        keys={"https://www.googleapis.com/oauth2/v3/certs": jwks()},
        options={"audience": URL, "email": "a@b.c"},
        **{"delivery-id": "7", "body-unsigned": "true"})])


def odd_ones():
    body = {"PaymentInformation": {"Amount": {"Amount": 1.5, "Currency": "EUR"}, "Note": "a b"},
            "CallerId": "7"}
    text = "1.5/EUR/a b/7"
    write("trustpay", [case("one", SECRET, {}, json.dumps({**body, "Signature": hmac.new(
        SECRET.encode(), text.encode(), hashlib.sha256).hexdigest().upper()}))])
    form = {"tranID": "1", "orderid": "2", "status": "00", "domain": "shop", "amount": "1.10",
            "currency": "MYR", "paydate": "2026-11-23 14:16:30", "appcode": "9"}
    first = hashlib.md5(b"1200shop1.10MYR").hexdigest()
    skey = hashlib.md5(f"{form['paydate']}shop{first}9{SECRET}".encode()).hexdigest()
    write("fiuu", [case("one", SECRET, {"Content-Type": FORM},
                        urlencode({**form, "skey": skey}))])
    form = {"alert_id": "7", "alert_name": "payment_succeeded", "email": "ü@b.c", "amount": "1.10"}
    text = f"a:{len(form)}:{{" + "".join(
        f's:{len(x.encode())}:"{x}";' for k, v in sorted(form.items()) for x in (k, v)) + "}"
    write("paddle-classic", [case(
        "one", pem(RSA), {"Content-Type": FORM}, urlencode(
            {**form, "p_signature": rsa_sign(text.encode(), "sha1")}),
        **{"delivery-id": "7", "event-type": "payment_succeeded", "other-secret": pem(OTHER_RSA)})])
    signed("lago-jwt", "X-Lago-Signature", "X-Lago-Unique-Key", ".webhook_type",
           lambda b: token({"data": b.decode(), "iss": "https://api.lago"}, "RS256"))


def detached():
    def jws(head, payload, sign):
        head = b64url(json.dumps(head, separators=(",", ":")).encode())
        return f"{head}.." + b64url(sign(f"{head}.{b64url(payload)}".encode()))

    signed("fireblocks", "Fireblocks-Webhook-Signature", ".id", ".eventType",
           lambda b: jws({"alg": "RS512", "kid": "k1"}, b, lambda text: RSA.sign(
               text, padding.PKCS1v15(), HASHES["sha512"])),
           keys={"https://keys.fireblocks.io/.well-known/jwks.json": jwks()})
    key = ec.derive_private_key(7 << 300, ec.SECP521R1())
    point = key.public_key().public_numbers()
    known = json.dumps({"keys": [{"kty": "EC", "kid": "k1", "crv": "P-521",
                                  "x": b64url(point.x.to_bytes(66, "big")),
                                  "y": b64url(point.y.to_bytes(66, "big"))}]})

    signed("truelayer", "Tl-Signature", ".event_id", ".type",
           lambda b: jws({"alg": "ES512", "kid": "k1", "tl_version": "2",
                          "tl_headers": "X-Tl-Webhook-Timestamp"},
                         f"POST /in/x\nX-Tl-Webhook-Timestamp: {ISO}\n".encode() + b,
                         lambda text: ec_pair(text, "sha512", key)),
           beside={"X-Tl-Webhook-Timestamp": ISO}, url=URL,
           keys={"https://webhooks.truelayer.com/.well-known/jwks": known})


MAKERS = (odd_ones, detached, rsa_bodies, keys_at_a_url, sns, curves, tokens)
