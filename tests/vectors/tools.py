"""What the makers of vectors share: digests, how things are written, the files."""
import base64
import hashlib
import hmac
import json
import pathlib

HERE = pathlib.Path(__file__).parent
NOW = 1795443390
ORIGIN = "Python's hashlib and hmac, and the package cryptography"


def mac(name, key, text):
    return hmac.new(key, text, getattr(hashlib, name)).digest()


made = {}


def write(provider, cases):
    made.setdefault(provider, []).extend(cases)


def texts():
    """The files by their names."""
    return {f"{provider}-made.yaml": "# Made by make.py.\n" + json.dumps(
        {"provider": provider, "origin": ORIGIN, "cases": cases},
        indent=2, ensure_ascii=False) + "\n" for provider, cases in made.items()}


def write_files():
    for name, text in texts().items():
        (HERE / name).write_text(text)


def differing():
    """The files that are not what is made now."""
    return [name for name, text in texts().items()
            if not (HERE / name).exists() or (HERE / name).read_text() != text]


def case(name, secret, headers, body, **more):
    return {"name": name, "secret": secret, "now": str(NOW * 1000), "headers": headers,
            "body": body, **more}


def b64(raw):
    return base64.b64encode(raw).decode()


BODY = '{"id":"evt_1","type":"charge.succeeded","amount":"12 €"}'
RAW = BODY.encode()
KEY = bytes(range(32))
WHSEC = "whsec_" + b64(KEY)
HEX = bytes.hex
SECRET = "a secret of 26 characters."


def b64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def tree(paths):
    """{".a.b": 1} as {"a": {"b": 1}}, with a further member."""
    root = {}
    for path, value in paths.items():
        at, names = root, path[1:].split(".")
        for name in names[:-1]:
            at = at.setdefault(name, {})
        at[names[-1]] = value
    return {**root, "amount": "12 €"}


def event(delivery_id=None, event_type=None):
    """Headers, body and what must be found in them, for the places of an id and of a type."""
    headers, members, form, found = {}, {}, [], {}
    for name, place, value in (("delivery-id", delivery_id, "evt_17"),
                               ("event-type", event_type, "thing.done")):
        if not place:
            continue
        found[name] = value
        if place.startswith("."):
            members[place] = value
        elif place.startswith("form:"):
            form.append(f"{place[5:]}={value}")
        else:
            headers[place] = value
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    body = "&".join(form + ["amount=12"]) if form else json.dumps(
        tree(members), ensure_ascii=False, separators=(",", ":"))
    return headers, body, found
