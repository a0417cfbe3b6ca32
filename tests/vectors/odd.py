"""Providers that sign something else than the body as it is, or with a key made of the secret."""
import hashlib
import json
from urllib.parse import quote, urlencode

from tools import (HEX, KEY, NOW, SECRET, b64, case, event, mac, write)

FORM = "application/x-www-form-urlencoded"
URL = "https://hooks.example.org/in/x"
S = SECRET.encode()


def one(provider, headers, body, name="one", secret=SECRET, **more):
    write(provider, [case(name, secret, headers, body, **more)])


def simple(provider, header, delivery_id, event_type, signature, secret=SECRET, beside=None,
           name="one", **more):
    """The header's value is made of the body's bytes."""
    headers, body, found = event(delivery_id, event_type)
    headers = {**headers, **(beside or {}), header: signature(body.encode())}
    write(provider, [case(name, secret, headers, body, **found, **more)])


def keys():
    simple("surveymonkey", "Sm-Signature", None, ".event_type",
           lambda b: b64(mac("sha1", b"client-7&" + S, b)), options={"client-id": "client-7"})
    simple("connectwise", "x-content-signature", None, None,
           lambda b: b64(mac("sha256", hashlib.sha256(S).digest(), b)))
    simple("fitbit", "X-Fitbit-Signature", None, None, lambda b: b64(mac("sha1", S + b"&", b)))
    simple("solidgate", "signature", "solidgate-event-id", "solidgate-event-type",
           lambda b: b64(mac("sha512", S, b"wh_pk_7" + b + b"wh_pk_7").hex().encode()),
           options={"public-key": "wh_pk_7"})
    simple("inngest", "X-Inngest-Signature", None, None,
           lambda b: f"t={NOW}&s=" + HEX(mac("sha256", b"0123abcd", b + str(NOW).encode())),
           "signkey-prod-0123abcd")
    simple("worldpay", "Event-Signature", ".eventId", ".eventDetails.type",
           lambda b: "1/SHA256/" + HEX(mac("sha256", S, b)))
    for provider, header, name, encode, delivery_id, event_type in (
            ("worldline", "X-GCS-Signature", "X-GCS-KeyId", b64, ".id", ".type"),
            ("pusher", "X-Pusher-Signature", "X-Pusher-Key", HEX, None, None),
            ("klarna", "Klarna-Signature", "Klarna-Signing-Key-Id", HEX, None, None)):
        simple(provider, header, delivery_id, event_type,
               lambda b, encode=encode: encode(mac("sha256", S, b)), beside={name: "key-1"})
    for digest in ("sha1", "sha256", "sha384", "sha512"):
        simple("websub", "X-Hub-Signature", None, None,
               lambda b, d=digest: f"{d}=" + HEX(mac(d, S, b)), name=digest)


def times():
    hex256 = "{}".format
    simple("orb", "X-Orb-Signature", ".id", ".type", lambda b: "v1=" + HEX(
        mac("sha256", S, b"v1:2026-11-23T14:16:30.000:" + b)),
        beside={"X-Orb-Timestamp": "2026-11-23T14:16:30.000"})
    body = json.dumps({"type": "Issue", "webhookTimestamp": NOW * 1000})
    one("linear", {"Linear-Signature": hex256(HEX(mac("sha256", S, body.encode()))),
                   "Linear-Delivery": "d1"}, body, **{"delivery-id": "d1", "event-type": "Issue"})
    simple("grafana", "X-Grafana-Alerting-Signature", None, None,
           lambda b: HEX(mac("sha256", S, f"{NOW}:".encode() + b)), name="with a time",
           beside={"X-Grafana-Alerting-Timestamp": str(NOW)})
    simple("grafana", "X-Grafana-Alerting-Signature", None, None,
           lambda b: HEX(mac("sha256", S, b)), name="without")
    simple("lark", "X-Lark-Signature", ".header.event_id", ".header.event_type",
           lambda b: hashlib.sha256(f"{NOW}n0nce".encode() + S + b).hexdigest(),
           beside={"X-Lark-Request-Timestamp": str(NOW), "X-Lark-Request-Nonce": "n0nce"})
    simple("hygraph", "gcms-signature", None, ".type", lambda b: "sign={}, env=master, t={}".format(
        b64(mac("sha256", S, json.dumps(
            {"Body": b.decode(), "EnvironmentName": "master", "TimeStamp": NOW * 1000},
            separators=(",", ":"), ensure_ascii=False).encode())), NOW * 1000))
    simple("coinbase-cdp", "X-Hook0-Signature", "X-Event-Id", "X-Event-Type",
           lambda b: f"t={NOW},v0=" + HEX(mac("sha256", S, f"{NOW}.".encode() + b)), name="v0")
    simple("coinbase-cdp", "X-Hook0-Signature", "X-Event-Id", "X-Event-Type",
           lambda b: f"t={NOW},h=x-event-id x-event-type,v1=" + HEX(mac(
               "sha256", S, f"{NOW}.x-event-id x-event-type.evt_17.thing.done.".encode() + b)),
           name="v1 with headers")


def urls():
    form = {"To": "+18005551212", "CallSid": "CA1", "MessageStatus": "sent", "Body": "a & b ü"}
    pairs = "".join(k + v for k, v in sorted(form.items()))
    body = urlencode(form)
    for provider, header in (("twilio", "X-Twilio-Signature"),
                             ("signalwire", "X-SignalWire-Signature"),
                             ("signalwire", "X-Twilio-Signature")):
        found = {"event-type": "sent"} if provider == "twilio" else {}
        for name, url in (("as called", URL), ("with the port", URL.replace(".org/", ".org:443/"))):
            one(provider, {header: b64(mac("sha1", S, (url + pairs).encode())),
                           "Content-Type": FORM}, body, name, url=URL, **found)
    one("mandrill", {"X-Mandrill-Signature": b64(mac("sha1", S, (URL + pairs).encode())),
                     "Content-Type": FORM}, body, url=URL)
    one("plivo-v3", {
        "X-Plivo-Signature-V3": b64(mac("sha256", S, f"{URL}?{pairs}.n1".encode())),
        "X-Plivo-Signature-V3-Nonce": "n1", "Content-Type": FORM}, body, url=URL)
    text = '{"a":"12 €"}'
    called = f"{URL}?bodySHA256=" + hashlib.sha256(text.encode()).hexdigest()
    one("twilio-json", {"X-Twilio-Signature": b64(mac("sha1", S, called.encode()))}, text,
        url=called)
    # HubSpot signs the URL with these escapes undone, and others as they are.
    called, decoded = f"{URL}?a=%3Ab%40&c=%20d", f"{URL}?a=:b@&c=%20d"
    simple("hubspot", "X-HubSpot-Signature-v3", None, None, lambda b: b64(mac(
        "sha256", S, f"POST{decoded}".encode() + b + f"{NOW}000".encode())),
        beside={"X-HubSpot-Request-Timestamp": f"{NOW}000"}, url=called)
    listed = "x-contentful-signed-headers,x-contentful-timestamp"
    simple("contentful", "x-contentful-signature", None, "X-Contentful-Topic", lambda b: HEX(mac(
        "sha256", S, (f"POST\n/in/x?a=1\nx-contentful-signed-headers:{listed};"
                      f"x-contentful-timestamp:{NOW}000\n").encode() + b)),
        beside={"x-contentful-signed-headers": listed, "x-contentful-timestamp": f"{NOW}000"},
        url=URL + "?a=1")
    one("mercadopago", {"x-request-id": "r1", "x-signature": f"ts={NOW},v1=" + HEX(
        mac("sha256", S, f"id:abc1;request-id:r1;ts:{NOW};".encode()))},
        '{"id":9,"type":"payment"}', url=URL + "?data.id=ABC1&type=payment",
        **{"delivery-id": "9", "event-type": "payment", "body-unsigned": "true"})


def json_bodies():
    for provider, header, digest in (("nexus", "X-Nexus-Webhook-Signature", "sha1"),
                                     ("acquired", "Hash", "sha256")):
        value = {"webhook_id": "w1", "webhook_type": "t", "list": [1, {"a b": "c d"}]}
        compact = json.dumps(value, separators=(",", ":"))
        found = {"delivery-id": "w1", "event-type": "t"} if provider == "acquired" else {
            "delivery-id": "n1", "event-type": "rm:component"}
        beside = {} if provider == "acquired" else {
            "X-Nexus-Webhook-Delivery": "n1", "X-Nexus-Webhook-ID": "rm:component"}
        one(provider, {header: HEX(mac(digest, S, compact.encode())), **beside},
            json.dumps(value, indent=1), **found)
    value = {"type": "t", "b": {"z": 1, "a": [3, 2]}, "a": "ä"}
    one("paymid", {"signature": HEX(mac("sha256", S, json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()))},
        json.dumps(value, separators=(",", ":"), ensure_ascii=False), **{"event-type": "t"})
    data = {"orderCode": 123, "amount": 3000, "note": None, "reference": "FT1"}
    signed = "&".join(f"{k}={'' if v is None else v}" for k, v in sorted(data.items()))
    one("payos", {}, json.dumps({"code": "00", "data": data, "signature": HEX(
        mac("sha256", S, signed.encode()))}), **{"event-type": "00"})
    data = {"InvoiceId": "7", "CustomerName": None, "Amount": "1.5"}
    signed = ",".join(f"{k}={v or ''}" for k, v in sorted(data.items()))
    one("myfatoorah", {"MyFatoorah-Signature": b64(mac("sha256", S, signed.encode()))},
        json.dumps({"Event": "Paid", "Data": data}), **{"event-type": "Paid"})
    fields = {"orderId": 1, "orderStatus": "CAPTURED", "eventId": "e1", "eventType": "CAPTURE",
              "timeStamp": "2026-11-23T14:16:30Z"}
    one("noon", {}, json.dumps({**fields, "signature": b64(
        mac("sha512", S, ",".join(str(v) for v in fields.values()).encode()))}),
        **{"event-type": "CAPTURE"})
    digest = hashlib.sha256(b"14PAYMENTSUCCESS150EUR" + S[::-1]).hexdigest()
    one("novalnet", {}, json.dumps({
        "event": {"tid": "14", "type": "PAYMENT", "checksum": digest},
        "result": {"status": "SUCCESS"}, "transaction": {"amount": 150, "currency": "EUR"}}),
        **{"event-type": "PAYMENT"})


def adyen():
    key = KEY.hex()

    def item(reference, **more):
        values = {"pspReference": "7914073381342284", "originalReference": "",
                  "merchantAccountCode": "TestMerchant", "merchantReference": reference,
                  "amount": {"value": 1130, "currency": "EUR"}, "eventCode": "AUTHORISATION",
                  "success": "true", **more}
        text = ":".join(str(v) for v in (
            values["pspReference"], values["originalReference"], values["merchantAccountCode"],
            values["merchantReference"], 1130, "EUR", values["eventCode"], values["success"]))
        values["additionalData"] = {"hmacSignature": b64(mac("sha256", KEY, text.encode()))}
        if not values["originalReference"]:
            del values["originalReference"]
        return {"NotificationRequestItem": values}

    one("adyen-standard", {}, json.dumps({"live": "false", "notificationItems": [
        item("a:b\\c"), item("d", originalReference="9")]}), "two items", key)


def forms():
    payload = b64(b"<notification><kind>check</kind></notification>") + "\n"
    signed = HEX(mac("sha1", hashlib.sha1(S).digest(), payload.encode()))
    one("braintree", {"Content-Type": FORM}, urlencode(
        {"bt_signature": f"other|{'0' * 40}&pk7|{signed}", "bt_payload": payload}),
        options={"public-key": "pk7"})
    event_json = json.dumps({"event": {
        "event_time": str(NOW), "event_type": "signature_request_sent",
        "event_hash": HEX(mac("sha256", S, f"{NOW}signature_request_sent".encode()))}})
    one("dropbox-sign", {"Content-Type": FORM}, "json=" + quote(event_json),
        **{"event-type": "signature_request_sent"})
    boundary = "----b"
    one("dropbox-sign", {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        f'--{boundary}\r\nContent-Disposition: form-data; name="json"\r\n\r\n{event_json}\r\n'
        f"--{boundary}--\r\n", "multipart", **{"event-type": "signature_request_sent"})


def tokens():
    user = "gaff:pass word"
    simple("phonepe", "Authorization", None, ".event",
           lambda b: hashlib.sha256(user.encode()).hexdigest(), user)
    one("microsoft-graph", {}, json.dumps({"value": [
        {"clientState": SECRET, "changeType": "created"}, {"clientState": SECRET}]}), "two items")
    one("cloudevents-webhook", {"Authorization": "Bearer " + SECRET, "ce-type": "a.b"}, "{}",
        "in a header", **{"event-type": "a.b"})
    one("cloudevents-webhook", {"ce-type": "a.b"}, "{}", "in the query",
        url=f"{URL}?access_token=" + quote(SECRET), **{"event-type": "a.b"})


MAKERS = (keys, times, urls, json_bodies, adyen, forms, tokens)
