"""HTTP message signatures (RFC 9421) with Content-Digest (RFC 9530)."""
import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from keys import EC, ED, OTHER_EC, OTHER_ED, OTHER_RSA, RSA, ec_pair, jwks, pem
from tools import BODY, NOW, RAW, SECRET, b64, case, mac, write

HOST = "hooks.example.org"
URL = f"https://{HOST}/in/x?a=b%20c&n=1"


def digest(name, raw=RAW):
    return f"{name}=:{b64(hashlib.new(name.replace('-', ''), raw).digest())}:"


def value(component, headers, url):
    name = component.split(";")[0].strip('"')
    path = url[len("https://" + HOST):]
    derived = {"@method": "POST", "@target-uri": url, "@authority": HOST, "@scheme": "https",
               "@path": path.split("?")[0], "@query": "?" + path.partition("?")[2],
               "@request-target": path}
    if name == "@query-param":
        return {"a": "b%20c", "n": "1"}[component.split('"')[3]]
    return derived.get(name) or {k.lower(): v for k, v in headers.items()}[name]


def signed(sign, components, headers, params="", url=URL, label="sig1"):
    covered = f"({' '.join(components)});created={NOW}{params}"
    lines = [f"{c}: {value(c, headers, url)}" for c in components]
    base = "\n".join(lines + [f'"@signature-params": {covered}'])
    return {**headers, "Signature-Input": f"{label}={covered}",
            "Signature": f"{label}=:{b64(sign(base.encode()))}:"}


def raw_pair(key):
    return lambda text: ec_pair(text, key=key)


def rsa_v15(text):
    return RSA.sign(text, padding.PKCS1v15(), hashes.SHA256())


WHOLE = ['"@method"', '"@target-uri"', '"content-type"', '"content-digest"']
PARTS = ['"@method"', '"@authority"', '"@path"', '"@query"', '"content-digest"']
ALL = ['"@request-target"', '"@scheme"', '"@query-param";name="a"', '"@query-param";name="n"',
       '"x-note"', *PARTS]


def fields(name="sha-256", **more):
    return {"Content-Type": "application/json", "Content-Digest": digest(name), **more}


def public_keys():
    def one(name, key, other, sign, components, headers, params="", **more):
        made = signed(sign, components, headers, params)
        return case(name, pem(key), made, BODY, url=URL, **{"other-secret": pem(other)}, **more)

    write("rfc9421", [
        one("ed25519", ED, OTHER_ED, ED.sign, WHOLE, fields(),
            f';keyid="k1";alg="ed25519";nonce="n-1"',
            options={"delivery-id": "field:nonce", "keyid": "k1"}, **{"delivery-id": "n-1"}),
        one("every component, a tag", ED, OTHER_ED, ED.sign, ALL,
            fields("sha-512", **{"X-Note": "a, b"}), ';tag="webhooks"',
            options={"tag": "webhooks"}),
        one("ecdsa-p256-sha256", EC, OTHER_EC, raw_pair(EC), PARTS, fields()),
        one("rsa-v1_5-sha256", RSA, OTHER_RSA, rsa_v15, WHOLE, fields(),
            ';alg="rsa-v1_5-sha256"'),
    ])
    keys = "https://auth.example.org/.well-known/jwks.json"
    write("rfc9421-jwks", [
        case("one", "", signed(ED.sign, WHOLE, fields(), ';keyid="k2";alg="ed25519"'), BODY,
             url=URL, keys={keys: jwks()}, options={"url": keys}),
        case("another of the set", "", signed(rsa_v15, PARTS, fields(), ';keyid="k1"'), BODY,
             url=URL, keys={keys: jwks()}, options={"url": keys}),
    ])
    body = '[{"event":"delivered"}]'
    headers = {"Content-Digest": digest("sha-256", body.encode())}
    write("mailchannels", [
        case("one", pem(ED), signed(ED.sign, ['"content-digest"'], headers, ';alg="ed25519"'), body,
             **{"other-secret": pem(OTHER_ED), "event-type": "delivered"})])


def shared_secret():
    def sign(text):
        return mac("sha256", SECRET.encode(), text)

    write("rfc9421-hmac", [
        case("one", SECRET, signed(sign, WHOLE, fields(), ';alg="hmac-sha256"'), BODY, url=URL),
        case("empty body", SECRET, signed(sign, ['"@method"', '"@target-uri"'], {}), "", url=URL,
             **{"body-unsigned": "true"}),
    ])


MAKERS = (public_keys, shared_secret)
