"""Services with a part of their own: a cipher around a digest, a digest of the request in a token,
what is signed put together twice, names that an operator chooses."""
import hashlib
import json
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding as pad
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from keys import ED, FORM, OTHER_ED, RSA, jwks, raw, signed, token
from tools import HEX, NOW, SECRET, b64, b64url, case, mac, write

URL = "https://hooks.example.org/in/x"
S = SECRET.encode()
TIMES = {"iat": NOW, "exp": NOW + 300}


def generic_tokens():
    for name, options, claim, before in (
            ("as it is", {}, lambda b: {"body_sha256": hashlib.sha256(b).hexdigest()}, "Bearer "),
            ("other names", {"header": "X-Token", "prefix": "", "body-claim": "hash",
                             "body-digest": "sha512", "body-encoding": "base64",
                             "issuer": "them", "audience": "us", "event-type": "claim:kind"},
             lambda b: {"hash": b64(hashlib.sha512(b).digest()), "iss": "them",
                        "aud": ["us", "others"], "kind": "thing.done"}, "")):
        signed("jwt", options.get("header", "Authorization"), None, None,
               lambda b, claim=claim, before=before: before + token(
                   {**claim(b), **TIMES, "jti": "j1"}), SECRET, None, name=name,
               **({"options": options, "event-type": "thing.done"} if options else {}),
               **{"delivery-id": "j1"})
    signed("jwt", "Authorization", None, None, lambda b: "Bearer " + token(
        {"body_sha256": hashlib.sha256(b).hexdigest(), **TIMES}, "RS256"), name="public key",
        options={"algorithm": "RS256"})
    url = "https://auth.example.org/.well-known/jwks.json"
    signed("jwt-jwks", "Authorization", None, None, lambda b: "Bearer " + token(
        {"body_sha256": hashlib.sha256(b).hexdigest(), **TIMES}, "RS256", "k1"),
        keys={url: jwks()}, options={"url": url})


def connect():
    def qsh(text):
        return hashlib.sha256(text.encode()).hexdigest()

    body = '{"webhookEvent":"jira:issue_updated"}'
    found = {"event-type": "jira:issue_updated", "body-unsigned": "true"}
    write("atlassian-connect", [
        case("in a header", SECRET, {"Authorization": "JWT " + token(
            {"iss": "ck", "qsh": qsh("POST&/in/x&"), **TIMES})}, body, url=URL, **found),
        case("with a query", SECRET, {"Authorization": "JWT " + token(
            {"iss": "ck", "qsh": qsh("POST&/in/x&a%20b=z,%C3%BC&user=1%2A"), **TIMES})}, body,
            url=f"{URL}?user=1*&a+b=z&a%20b=%C3%BC", options={"client-key": "ck"}, **found),
        case("in the query", SECRET, {}, body, url=f"{URL}/?user=1&jwt=" + token(
            {"iss": "ck", "qsh": qsh("POST&/in/x&user=1"), **TIMES}), **found)])


def paytm():
    key = "merchant-key-16b"

    def checksum(values, salt):
        text = hashlib.sha256(f"{values}|{salt}".encode()).hexdigest() + salt
        padder = pad.PKCS7(128).padder()
        cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(b"@@@@&&&&####$$$$")).encryptor()
        plain = padder.update(text.encode()) + padder.finalize()
        return b64(cipher.update(plain) + cipher.finalize())

    form = {"ORDERID": "evt_17", "STATUS": "TXN_SUCCESS", "TXNAMOUNT": "1.00", "RESPMSG": "ok ü",
            "BANKTXNID": "null"}
    values = "|".join("" if v == "null" else v for _, v in sorted(form.items()))
    write("paytm", [case(
        "one", key, {"Content-Type": FORM},
        urlencode({**form, "CHECKSUMHASH": checksum(values, "aB3d")}),
        **{"delivery-id": "evt_17", "event-type": "TXN_SUCCESS",
           "other-secret": "merchant-key-16c"})])


def headers_of_their_own():
    signed("authsignal", "X-Signature-V2", ".id", ".type", lambda b: f"t={NOW},v2=" + b64(
        mac("sha256", S, f"{NOW}.".encode() + b)).rstrip("="), SECRET)
    signed("recharge", "X-Recharge-Webhook-Signature", None, "X-Recharge-Topic",
           lambda b: f"t={NOW},v1=" + HEX(mac("sha256", S, f"{NOW}.".encode() + b)), SECRET)
    for name, before in (("one signature", ""), ("while the key is rolled", "00" * 32 + ",")):
        signed("recurly", "recurly-signature", "recurly-notification-id", ".event_type",
               lambda b, before=before: f"{NOW}000,{before}" + HEX(
                   mac("sha256", S, f"{NOW}000.".encode() + b)), SECRET, name=name)
    response = b64(b'{"success":true,"code":"PAYMENT_SUCCESS"}')
    body = json.dumps({"response": response})
    for name, path in (("callback", ""), ("with a path", "/pg/v1/status")):
        digest = hashlib.sha256((response + path + SECRET).encode()).hexdigest()
        write("phonepe-v1", [case(name, SECRET, {"X-VERIFY": digest + "###1"}, body,
                                  **({"options": {
                                      "signed": "{{ .response }}" + path + "{{ secret }}"}}
                                     if path else {}))])


def public_keys():
    signed("kiwify", "x-kiwify-digital-signature", ".id", ".type", lambda b: b64url(ED.sign(
        hashlib.sha256(b"/in/x:POST:" + b + f":{NOW}000".encode()).digest())),
        b64(raw(ED)), b64(raw(OTHER_ED)), {"x-kiwify-timestamp": f"{NOW}000"}, url=URL)
    signed("tokenio", "Token-Signature", None, None, lambda b: b64url(ED.sign(b)),
           b64url(raw(ED)), b64url(raw(OTHER_ED)))
    auth = "https://ep-cool-sun-1.neonauth.eu-central-1.aws.neon.tech/neondb/auth"
    head = b64url(json.dumps({"alg": "EdDSA", "kid": "k2"}, separators=(",", ":")).encode())
    signed("neon-auth", "X-Neon-Signature", "X-Neon-Event-Id", "X-Neon-Event-Type",
           lambda b: f"{head}.." + b64url(ED.sign(
               f"{head}.{b64url(f'{NOW}000.{b64url(b)}'.encode())}".encode())),
           beside={"X-Neon-Timestamp": f"{NOW}000", "X-Neon-Signature-Kid": "k2"},
           keys={auth + "/.well-known/jwks.json": jwks()}, options={"url": auth})
    head = {"alg": "RS256", "ts": NOW, "b64": False, "crit": ["b64"], "kid": "k1"}
    head = b64url(json.dumps(head, separators=(",", ":")).encode())
    signed("constant-contact", "X-CTCT-WEBHOOK-SIG", None, ".event_type",
           lambda b: f"{head}.." + b64url(RSA.sign(
               f"{head}.".encode() + b, padding.PKCS1v15(), hashes.SHA256())),
           keys={"https://developer.constantcontact.com/.well-known/jwks.json": jwks()})
    write("zoho-desk", [case(
        "one", "", {"X-ZDesk-JWT": token({"iss": "orgId:7", "aud": "webhookId:9", **TIMES},
                                         "RS256", "k1")},
        '[{"eventType":"Ticket_Add","payload":{"id":"1"}}]',
        keys={"https://desk.zoho.com/.well-known/jwks.json": jwks()},
        options={"org-id": "7", "webhook-id": "9"},
        **{"event-type": "Ticket_Add", "body-unsigned": "true"})])


def tokens_in_the_url():
    write("mollie", [case("one", SECRET, {"Content-Type": FORM}, "id=tr_7",
                          url=f"{URL}?token=" + quote(SECRET))])
    write("salesforce-outbound", [case("one", SECRET, {"Content-Type": "text/xml"}, "<a/>",
                                       url=f"{URL}?token=" + quote(SECRET))])


MAKERS = (generic_tokens, connect, paytm, headers_of_their_own, public_keys, tokens_in_the_url)
