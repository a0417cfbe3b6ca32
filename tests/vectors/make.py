#!/usr/bin/env python3
"""Makes the vectors of providers that publish none, with Python's own hmac and hashlib, which
share no code with Gaff, from what is known of each provider and not from Gaff's files. Prints
nothing, writes the files beside itself: run it after adding a case and look at the difference.
What is unchanged is made byte for byte as it was. With --check it writes nothing and names the
files that it would change. Files not made here hold published examples and are never touched."""
import hashlib
import json
import sys

import keys
import message
import more
import odd
from tools import (BODY, HERE, HEX, KEY, NOW, RAW, SECRET, WHSEC, b64, b64url, case, differing,
                   event, mac, write, write_files)


def stripe():
    def v1(secret):
        return mac("sha256", secret.encode(), f"{NOW}.".encode() + RAW).hex()

    good = v1("whsec_test")
    header = "Stripe-Signature"
    write("stripe", [
        case("one", "whsec_test", {header: f"t={NOW},v1={good}"}, BODY,
             **{"delivery-id": "evt_1", "event-type": "charge.succeeded"}),
        case("while the secret is rolled", "whsec_test",
             {header: f"t={NOW},v1={v1('old')},v1={good},v0={good[::-1]}"}, BODY),
        case("blanks after the commas", "whsec_test", {header: f"t={NOW}, v1={good}"}, BODY),
    ])


def github():
    push = '{"ref":"refs/heads/main"}'
    sha256 = mac("sha256", b"s3cr3t", push.encode()).hex()
    header = "X-Hub-Signature-256"
    write("github", [
        case("push", "s3cr3t", {
            header: "sha256=" + sha256,
            "X-Hub-Signature": "sha1=" + mac("sha1", b"s3cr3t", push.encode()).hex(),
            "X-GitHub-Event": "push", "X-GitHub-Delivery": "d1"}, push,
            **{"delivery-id": "d1", "event-type": "push"}),
        case("upper-case digits", "s3cr3t", {header: "sha256=" + sha256.upper()}, push),
        case("empty body", "s3cr3t",
             {header: "sha256=" + mac("sha256", b"s3cr3t", b"").hex()}, ""),
    ])


def slack():
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    body = '{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}'
    write("slack", [
        case("event", secret, {
            "X-Slack-Request-Timestamp": str(NOW),
            "X-Slack-Signature":
                "v0=" + mac("sha256", secret.encode(), f"v0:{NOW}:{body}".encode()).hex()},
            body, **{"delivery-id": "Ev1", "event-type": "app_mention"}),
    ])


def standard():
    def headers(prefix, signatures):
        return {f"{prefix}-id": "msg_1", f"{prefix}-timestamp": str(NOW),
                f"{prefix}-signature": signatures}

    good = "v1," + b64(mac("sha256", KEY, f"msg_1.{NOW}.".encode() + RAW))
    other = "v1," + b64(bytes(32))
    write("standard-webhooks", [
        case("one", WHSEC, headers("webhook", good), BODY,
             **{"delivery-id": "msg_1", "event-type": "charge.succeeded"}),
        case("second of two, after another version", WHSEC,
             headers("webhook", f"v1a,AAAA {other} {good}"), BODY),
        case("svix", WHSEC, headers("svix", good), BODY, **{"delivery-id": "msg_1"}),
    ])
    event = {"X-Gitlab-Event": "Push Hook"}
    write("gitlab", [
        case("signing token", WHSEC,
             {**headers("webhook", good), **event, "Idempotency-Key": "msg_1"}, BODY,
             **{"delivery-id": "msg_1", "event-type": "Push Hook"}),
        case("secret token", "glpat secret!", {"X-Gitlab-Token": "glpat secret!", **event}, BODY,
             **{"event-type": "Push Hook"}),
    ])


def generic():
    long = b"k" * 200
    encodings = {
        "hex": bytes.hex,
        "base64": b64,
        "base64url": b64url,
    }
    cases = [
        case(f"{name} {encoding}", long.decode(), {"X-Sig": "v=" + text(mac(name, long, RAW))},
             BODY, options={"header": "X-Sig", "hash": name, "encoding": encoding, "prefix": "v="})
        for name in ("md5", "sha1", "sha256", "sha384", "sha512")
        for encoding, text in encodings.items()
    ]
    for name, unit, time in (("milliseconds", "ms", str(NOW * 1000)),
                             ("RFC 3339", "iso", "2026-11-23T14:16:30Z")):
        cases.append(case(
            name, "k",
            {"X-Signature": mac("sha256", b"k", f"{time}|{BODY}".encode()).hex(), "X-Time": time},
            BODY, options={"timestamp-header": "X-Time", "timestamp-unit": unit,
                           "signed": "{{ ts }}|{{ body }}"}))
    url = "https://hooks.example.org/in/x?a=1"
    text = f"POST {url} {hashlib.sha256(RAW).hexdigest()}"
    cases.append(case(
        "method, URL and digest of the body", "k",
        {"X-Signature": mac("sha256", b"k", text.encode()).hex()}, BODY, url=url,
        options={"signed": "{{ method }} {{ url }} {{ body | sha256 | hex }}"}))
    cases.append(case(
        "key in hex", "00ff10",
        {"X-Signature": mac("sha256", bytes.fromhex("00ff10"), RAW).hex()}, BODY,
        options={"key-encoding": "hex"}))
    write("hmac", cases)


def credentials():
    login = "üser:pass:word"
    write("token", [case("own header", "t0ken", {"X-Webhook-Token": "t0ken"}, BODY)])
    write("bearer", [
        case("token", "t0ken", {"Authorization": "Bearer t0ken"}, BODY),
        case("letter case of the scheme", "t0ken", {"Authorization": "bearer t0ken"}, BODY),
    ])
    write("basic", [
        case("UTF-8, a colon in the password", login,
             {"Authorization": "Basic " + b64(login.encode())}, BODY),
    ])



# --- many of a kind -----------------------------------------------------------------------------

def plain():
    """The lines of plain.txt."""
    for line in (HERE / "plain.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        provider, place, digest, how, before, delivery_id, event_type = (
            "" if word == "-" else word for word in line.split(" "))
        headers, body, found = event(delivery_id.removeprefix("header:"),
                                     event_type.removeprefix("header:"))
        raw = mac(digest, SECRET.encode(), body.encode())
        signature = before.replace("_", " ") + (HEX(raw) if how == "hex" else b64(raw))
        if place.startswith("query:"):
            found["url"] = f"https://hooks.example.org/in/x?a=1&{place[6:]}={signature}"
        else:
            headers[place] = signature
        write(provider, [case(f"{digest} in {how}", SECRET, headers, body, **found)])


def svix():
    """Those who sign as Standard Webhooks say: the id, the time and the body, joined by dots."""
    names = {
        "webhook": "openai anthropic gemini replicate dodo-payments lithic liveblocks fathom creem "
                   "granola incident-io linq loops folk recall-ai render higgsfield signatureapi "
                   "farpay",
        "svix": "svix resend clerk privy seam pimlico brex beehiiv guesty nash pleo psi-fi "
                "safebase sardine stytch",
    }
    types = {"replicate": ".status", "seam": ".event_type", "incident-io": ".event_type",
             "loops": ".eventName", "recall-ai": ".event", "brex": ".event_type",
             "guesty": ".event", "stytch": ".action"}
    for prefix, providers in names.items():
        for provider in providers.split():
            standard_webhook(provider, WHSEC, KEY, prefix, types.get(provider, ".type"))
    text = "whsec_" + b64(KEY)
    for provider in ("polar", "whop", "imagekit", "composio"):
        standard_webhook(provider, text, text.encode(), "webhook", ".type")
    standard_webhook("supabase-auth-hooks", "v1," + WHSEC, KEY, "webhook", None)
    _, body, found = event(None, ".event_type")
    signed = mac("sha256", KEY, f"e1.{NOW}.{body}".encode())
    write("finch", [case("one", b64(KEY), {
        "Finch-Event-Id": "e1", "Finch-Timestamp": str(NOW),
        "Finch-Signature": "v1," + b64(signed)}, body, **found, **{"delivery-id": "e1"})])


def standard_webhook(provider, secret, key, prefix, event_type):
    _, body, found = event(None, event_type)
    signed = mac("sha256", key, f"msg_9.{NOW}.{body}".encode())
    write(provider, [case("one", secret, {
        f"{prefix}-id": "msg_9", f"{prefix}-timestamp": str(NOW),
        f"{prefix}-signature": "v1," + b64(signed)}, body, **found, **{"delivery-id": "msg_9"})])


def timed():
    """The time is signed with the body: in one header with the signature, or in one of its own."""
    ms, iso = str(NOW * 1000), "2026-11-23T14:16:30Z"

    def one(provider, time, text, headers, delivery_id=None, event_type=None, secret=SECRET,
            key=None, encode=HEX, digest="sha256", name="one", **more):
        own, body, found = event(delivery_id, event_type)
        own = {**own, **more.pop("beside", {})}
        signed = text.format(t=time, b=body, **{k.replace("-", "_"): v for k, v in own.items()})
        signature = encode(mac(digest, key or secret.encode(), signed.encode()))
        for header, value in headers.items():
            own[header] = value.format(t=time, s=signature)
        write(provider, [case(name, secret, own, body, **found, **more)])

    dot, colon, none, after = "{t}.{b}", "{t}:{b}", "{t}{b}", "{b}{t}"
    t_v1 = "t={t},v1={s}"
    for provider, header, delivery_id, event_type in (
            ("calendly", "Calendly-Webhook-Signature", None, ".event"),
            ("mux", "Mux-Signature", ".id", ".type"),
            ("persona", "Persona-Signature", ".data.id", ".data.attributes.name"),
            ("terra", "terra-signature", None, ".type"),
            ("coinflow", "Coinflow-Signature", None, ".eventType"),
            ("whereby", "Whereby-Signature", ".id", ".type"),
            ("tailscale", "Tailscale-Webhook-Signature", None, None),
            ("revenuecat-hmac", "X-RevenueCat-Webhook-Signature", ".event.id", ".event.type"),
            ("tabapay", "X-HMAC-Signature", "Idempotency-Key", ".type")):
        one(provider, NOW, dot, {header: t_v1}, delivery_id, event_type)
    one("tabapay", NOW, dot, {"X-HMAC-Signature": "t={t},v1=" + "00" * 32 + ",v2={s}"},
        "Idempotency-Key", ".type", name="while the secret is rolled")
    one("workos", ms, dot, {"WorkOS-Signature": "t={t}, v1={s}"}, ".id", ".event")
    one("elevenlabs", NOW, dot, {"ElevenLabs-Signature": "t={t},v0={s}"}, None, ".type")
    one("sanity", ms, dot, {"sanity-webhook-signature": t_v1}, "idempotency-key",
        "sanity-operation", encode=b64url)
    one("paddle", NOW, colon, {"Paddle-Signature": "ts={t};h1={s}"}, ".event_id", ".event_type")
    one("courier", NOW, dot, {"courier-signature": "t={t},signature={s}"}, None, ".type")
    one("moonpay", NOW, dot, {"Moonpay-Signature-V2": "t={t},s={s}"}, None, ".type")
    one("ordergroove", NOW, dot, {"Ordergroove-Signature": "ts={t},sig={s}"}, None, ".type")
    one("ripple-collections", ms, dot, {"X-Webhook-Signature": t_v1}, None,
        "X-Webhook-Event-Type", secret=b64(KEY), key=KEY)
    one("cloudflare-stream", NOW, dot, {"Webhook-Signature": "time={t},sig1={s}"}, None,
        ".status.state")
    one("buildkite", NOW, dot, {"X-Buildkite-Signature": "timestamp={t},signature={s}"}, None,
        "X-Buildkite-Event")
    one("rootly", NOW, none, {"X-Rootly-Signature": t_v1}, ".event.id", ".event.type")
    one("nmi", "any-nonce", dot, {"Webhook-Signature": "t={t},s={s}"}, ".event_id", ".event_type")
    one("retell", ms, after, {"X-Retell-Signature": "v={t},d={s}"}, None, ".event")
    one("tiktok", NOW, dot, {"TikTok-Signature": "t={t},s={s}"}, None, ".event")
    one("bridge-api", "", "{b}", {"BridgeApi-Signature": "v1={s}"}, None, ".type",
        encode=lambda raw: raw.hex().upper())
    one("zoom", NOW, "v0:{t}:{b}", {"x-zm-signature": "v0={s}", "x-zm-request-timestamp": "{t}"},
        None, ".event")
    one("customerio", NOW, "v0:{t}:{b}", {"X-CIO-Signature": "{s}", "X-CIO-Timestamp": "{t}"},
        ".event_id", ".metric")
    one("frameio", NOW, "v0:{t}:{b}",
        {"X-Frameio-Signature": "v0={s}", "X-Frameio-Request-Timestamp": "{t}"}, None, ".type")
    one("pinwheel", NOW, "v2:{t}:{b}", {"X-Pinwheel-Signature": "v2={s}", "X-Timestamp": "{t}"},
        ".event_id", ".event")
    one("revolut", ms, "v1.{t}.{b}",
        {"Revolut-Signature": "v1={s}", "Revolut-Request-Timestamp": "{t}"}, None, ".event")
    one("samsara", NOW, "v1:{t}:{b}",
        {"X-Samsara-Signature": "v1={s}", "X-Samsara-Timestamp": "{t}"}, ".eventId", ".eventType",
        secret=b64(KEY), key=KEY)
    one("webflow", ms, colon, {"X-Webflow-Signature": "{s}", "X-Webflow-Timestamp": "{t}"}, None,
        ".triggerType")
    one("front-app", ms, colon, {"X-Front-Signature": "{s}", "X-Front-Request-Timestamp": "{t}"},
        None, ".type", encode=b64)
    one("zendesk", iso, none, {"X-Zendesk-Webhook-Signature": "{s}",
                               "X-Zendesk-Webhook-Signature-Timestamp": "{t}"},
        "X-Zendesk-Webhook-Invocation-Id", ".type", encode=b64)
    for slot in ("PRIMARY", "SECONDARY"):
        one("box", "2026-11-23T06:16:30-08:00", after,
            {f"BOX-SIGNATURE-{slot}": "{s}", "BOX-DELIVERY-TIMESTAMP": "{t}"}, "BOX-DELIVERY-ID",
            ".trigger", encode=b64, name=slot.lower())
    one("bluesnap", ms, none, {"bls-signature": "{s}", "bls-ipn-timestamp": "{t}"}, None,
        "form:transactionType")
    one("cashfree", ms, none, {"x-webhook-signature": "{s}", "x-webhook-timestamp": "{t}"}, None,
        ".type", encode=b64)
    one("lovable", NOW, dot, {"x-lovable-signature": "sha256={s}", "x-lovable-timestamp": "{t}"})
    one("klaviyo", iso, after, {"Klaviyo-Signature": "{s}", "Klaviyo-Timestamp": "{t}"})
    one("synctera", NOW, dot, {"Synctera-Signature": "{s}", "Request-Timestamp": "{t}"}, None,
        ".type")
    one("synctera", NOW, dot,
        {"Synctera-Signature": "00" * 32 + ".{s}", "Request-Timestamp": "{t}"}, None, ".type",
        name="while the secret is rolled")
    one("pylon", NOW, dot,
        {"Pylon-Webhook-Signature": "hs256={s}", "Pylon-Webhook-Timestamp": "{t}"})
    one("zerohash", NOW, after,
        {"x-zh-hook-signature-256": "{s}", "x-zh-hook-timestamp": "{t}"})
    one("oura", NOW, none, {"x-oura-signature": "{s}", "x-oura-timestamp": "{t}"}, None,
        ".event_type", encode=lambda raw: raw.hex().upper())
    one("gr4vy", NOW, dot, {"X-Gr4vy-Webhook-Signatures": "00" * 32 + ",{s}",
                            "X-Gr4vy-Webhook-Timestamp": "{t}"}, ".id", ".type")
    one("emailit", NOW, dot, {"X-Emailit-Signature": "{s}", "X-Emailit-Timestamp": "{t}"})
    one("lusha", NOW, dot, {"X-Lusha-Signature": "{s}", "X-Lusha-Timestamp": "{t}"})
    one("subtotal", NOW, dot, {"X-Subtotal-Signature": "{s}", "X-Subtotal-Timestamp": "{t}"})
    one("xobni", NOW, dot, {"X-Xobni-Signature": "sha256={s}", "X-Xobni-Timestamp": "{t}"},
        "X-Xobni-Delivery", "X-Xobni-Event")
    one("runreveal", NOW, none, {"RunReveal-Integrity": "{s}", "RunReveal-Timestamp": "{t}"})
    one("bamboohr", NOW, after, {"X-BambooHR-Signature": "{s}", "X-BambooHR-Timestamp": "{t}"})
    one("moov", NOW, "{t}|{X_Nonce}|{X_Webhook_ID}", {"X-Signature": "{s}", "X-Timestamp": "{t}"},
        ".eventID", ".type", digest="sha512", beside={"X-Nonce": "n1", "X-Webhook-ID": "w1"},
        **{"body-unsigned": "true"})
    one("twitch", iso, "{Twitch_Eventsub_Message_Id}{t}{b}",
        {"Twitch-Eventsub-Message-Signature": "sha256={s}",
         "Twitch-Eventsub-Message-Timestamp": "{t}"}, "Twitch-Eventsub-Message-Id",
        "Twitch-Eventsub-Subscription-Type")
    one("chatwoot", NOW, dot, {"X-Chatwoot-Signature": "sha256={s}", "X-Chatwoot-Timestamp": "{t}"},
        None, ".event")
    one("crisp", ms, "[{t};{b}]", {"X-Crisp-Signature": "{s}", "X-Crisp-Request-Timestamp": "{t}"},
        None, ".event")
    one("daily", NOW, dot, {"X-Webhook-Signature": "{s}", "X-Webhook-Timestamp": "{t}"}, None,
        ".type", secret=b64(KEY), key=KEY, encode=b64)
    one("iron-xyz", NOW, none, {"webhook-signature": "v1={s}", "webhook-timestamp": "{t}"},
        "webhook-id")
    one("method-fi", NOW, colon,
        {"method-webhook-signature": "{s}", "method-webhook-timestamp": "{t}"}, None, ".type")
    one("faundit", NOW, "v1:{t}:{b}",
        {"X-Faundit-Signature-Next": "{s}", "X-Faundit-Timestamp": "{t}"})
    one("close", NOW, none, {"close-sig-hash": "{s}", "close-sig-timestamp": "{t}"}, ".event.id",
        ".event.action", secret=KEY.hex(), key=KEY)


def odd_keys():
    """The body alone is signed, by a key that is not the text of the secret."""
    def one(provider, header, delivery_id, event_type, signature, secret=SECRET, **more):
        headers, body, found = event(delivery_id, event_type)
        headers[header] = signature(body.encode())
        write(provider, [case("one", secret, headers, body, **found, **more)])

    one("onfleet", "X-Onfleet-Signature", None, None, lambda b: HEX(mac("sha512", KEY, b)),
        KEY.hex())
    one("authorize-net", "X-ANET-Signature", ".notificationId", ".eventType",
        lambda b: "sha512=" + HEX(mac("sha512", KEY, b)).upper(), KEY.hex().upper())
    one("authorize-net", "X-ANET-Signature", ".notificationId", ".eventType",
        lambda b: "sha512=" + HEX(mac("sha512", KEY.hex().encode(), b)).upper(), KEY.hex())
    one("airtable", "X-Airtable-Content-MAC", None, None,
        lambda b: "hmac-sha256=" + HEX(mac("sha256", KEY, b)), b64(KEY))
    one("fastpix", "FastPix-Signature", None, None, lambda b: b64(mac("sha256", KEY, b)), b64(KEY))
    one("adyen-header", "HmacSignature", None, ".type", lambda b: b64(mac("sha256", KEY, b)),
        KEY.hex())
    one("microsoft-teams", "Authorization", ".id", ".type",
        lambda b: "HMAC " + b64(mac("sha256", KEY, b)), b64(KEY))
    one("tebex", "X-Signature", ".id", ".type", lambda b: HEX(
        mac("sha256", SECRET.encode(), hashlib.sha256(b).hexdigest().encode())))
    one("linkedin", "X-LI-Signature", None, ".type",
        lambda b: "hmacsha256=" + HEX(mac("sha256", SECRET.encode(), b"hmacsha256=" + b)))
    one("linkedin", "X-LI-Signature", None, ".type",
        lambda b: HEX(mac("sha256", SECRET.encode(), b"hmacsha256=" + b)))


def urls():
    """The URL is signed too."""
    url = "https://hooks.example.org/in/x?a=1"

    def one(provider, header, event_id, event_type, signature, name="one", **more):
        headers, body, found = event(event_id, event_type)
        headers[header] = signature(body.encode())
        write(provider, [case(name, SECRET, headers, body, url=url, **found, **more)])

    one("square", "x-square-hmacsha256-signature", ".event_id", ".type",
        lambda b: b64(mac("sha256", SECRET.encode(), url.encode() + b)))
    one("trello", "X-Trello-Webhook", ".action.id", ".action.type",
        lambda b: b64(mac("sha1", SECRET.encode(), b + url.encode())))
    one("hubspot-v2", "X-HubSpot-Signature", None, None, lambda b: hashlib.sha256(
        SECRET.encode() + b"POST" + url.encode() + b).hexdigest())


def plain_hashes():
    def one(provider, header, event_type, digest, text, more=None):
        headers, body, found = event(None, event_type)
        headers = {**headers, **(more or {})}
        headers[header] = hashlib.new(digest, text(SECRET.encode(), body.encode())).hexdigest()
        write(provider, [case(digest, SECRET, headers, body, **found)])

    def before(secret, body):
        return secret + body

    one("nango-legacy", "X-Nango-Signature", ".type", "sha256", before)
    one("hubspot-v1", "X-HubSpot-Signature", None, "sha256", before)
    one("recharge-legacy", "X-Recharge-Hmac-Sha256", "X-Recharge-Topic", "sha256", before)
    one("sellsy", "x-webhook-signature", None, "sha1", before)
    for digest in ("sha1", "sha256"):
        one("cloudinary", "X-Cld-Signature", ".notification_type", digest,
            lambda secret, body: body + str(NOW).encode() + secret,
            {"X-Cld-Timestamp": str(NOW)})


def in_the_body():
    """Only some fields are signed, and the signature is one of them."""
    token = "f00" * 16
    signature = HEX(mac("sha256", SECRET.encode(), f"{NOW}{token}".encode()))
    write("mailgun", [case("one", SECRET, {}, json.dumps({
        "signature": {"timestamp": str(NOW), "token": token, "signature": signature},
        "event-data": {"id": "e1", "event": "delivered"}}), **{
            "delivery-id": "e1", "event-type": "delivered"})])
    write("opennode", [case(
        "one", SECRET, {"Content-Type": "application/x-www-form-urlencoded"},
        "id=c1&status=paid&hashed_order=" + HEX(mac("sha256", SECRET.encode(), b"c1")),
        **{"event-type": "paid"})])


def tokens():
    def one(provider, place, delivery_id=None, event_type=None, value=SECRET, **more):
        headers, body, found = event(delivery_id, event_type)
        if place.startswith("."):
            body = json.dumps({**json.loads(body), place[1:]: value})
        elif place.startswith("query:"):
            found["url"] = f"https://hooks.example.org/in/x?{place[6:]}=" + value.replace(" ", "+")
        else:
            headers[place] = value
        write(provider, [case(f"in {place}", SECRET, headers, body, **found, **more)])

    one("figma", ".passcode", None, ".event_type")
    one("livechat", ".secret_key", None, ".action")
    one("aircall", ".token", None, ".event")
    one("copper", ".secret")
    one("telegram", "X-Telegram-Bot-Api-Secret-Token", ".update_id")
    one("okta", "Authorization", ".eventId")
    one("google-calendar", "X-Goog-Channel-Token", None, "X-Goog-Resource-State")
    one("ringcentral", "Verification-Token", ".uuid", ".event")
    one("revenuecat", "Authorization", ".event.id", ".event.type")
    one("huggingface", "X-Webhook-Secret", None, ".event.action")
    one("cloudflare-notifications", "cf-webhook-auth", None, ".alert_type")
    one("deepgram", "dg-token", ".metadata.request_id")
    one("honeycomb", "X-Honeycomb-Webhook-Token")
    one("harness", "X-Harness-Webhook-Token")
    one("currents", "x-webhook-secret")
    one("assemblyai", "X-Webhook-Secret", None, ".status")
    one("datadog", "X-Hook", options={"header": "X-Hook"})
    one("supabase-db", "X-Webhook-Secret", None, ".type")
    one("freshdesk", "X-Webhook-Secret")
    one("mailchimp-marketing", "query:secret", None, "form:type")
    one("url-token", "query:token")
    one("jotform", "query:token")
    one("gumroad", "query:key", None, "form:resource_name", options={"parameter": "key"})
    one("auth0", "Authorization", value="Bearer " + SECRET)
    one("brevo", "Authorization", None, ".event", value="Bearer " + SECRET, peer="1.179.112.9")
    for provider, delivery_id, event_type in (
            ("chargebee", ".id", ".event_type"), ("postmark", None, ".RecordType"),
            ("pipedrive", None, ".meta.action"), ("bandwidth", None, ".eventType"),
            ("greendot", None, None), ("freshdesk", None, None)):
        headers, body, found = event(delivery_id, event_type)
        headers["Authorization"] = "Basic " + b64(b"gaff:pass word")
        write(provider, [case("user and password", "gaff:pass word", headers, body, **found)])


def ed25519_keys():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    private, other = (Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in (7, 8))

    def public(key):
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def one(provider, delivery_id, event_type, header, write_key, write_signature, text, beside):
        headers, body, found = event(delivery_id, event_type)
        headers = {**headers, **beside}
        headers[header] = write_signature(private.sign(text.format(b=body).encode()))
        write(provider, [case("one", write_key(public(private)), headers, body, **found,
                              **{"other-secret": write_key(public(other))})])

    one("discord", ".id", ".event.type", "X-Signature-Ed25519", HEX, HEX, f"{NOW}{{b}}",
        {"X-Signature-Timestamp": str(NOW)})
    one("telnyx", ".data.id", ".data.event_type", "telnyx-signature-ed25519", b64, b64,
        f"{NOW}|{{b}}", {"telnyx-timestamp": str(NOW)})
    one("turnkey", "X-Turnkey-Event-Id", "X-Turnkey-Event-Type", "X-Turnkey-Signature", HEX, HEX,
        f"v1.ed25519.k1.{NOW}000.evt_17.{{b}}",
        {"X-Turnkey-Signature-Key-Id": "k1", "X-Turnkey-Timestamp": f"{NOW}000"})

for make in (stripe, github, slack, standard, generic, credentials, plain, svix, timed, odd_keys,
             urls, plain_hashes, in_the_body, tokens, ed25519_keys, *odd.MAKERS, *keys.MAKERS,
             *more.MAKERS, *message.MAKERS):
    make()
if sys.argv[1:] == ["--check"]:
    sys.exit("\n".join(differing()) or 0)
write_files()
