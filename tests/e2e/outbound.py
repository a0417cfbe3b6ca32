#!/usr/bin/env python3
"""outbound.py -- where Gaff itself may call: every way to write an address that is not public, for
every kind of request that it makes (deliveries to endpoints and destinations, tokens, proxies,
questions of ownership, public keys, confirmations, hubs, callbacks), a resolver that changes its
mind, and its own listeners under any policy."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
from resolver import Resolver, Trap, start_with_resolver
from urllib.parse import urlencode


# Each is, or is taken by one reader or another for, an address that is not public.
SPELLINGS = [
    "127.0.0.1", "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1",
    "127.0.1", "0x7f.1", "127.0.0.1.", "127.000.000.001", "00000177.0.0.1", "127.0x0.0.1", "0",
    "0.0.0.0", "0x0", "00", "127.255.255.254", "127.0.0.2", "localhost", "LOCALHOST", "localhost.",
    "ip6-localhost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[::7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:1::1]",
    "[2001:0:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]", "[fe80::1]", "[fc00::1]", "[fd00::1]",
    "[ff02::1]", "[fec0::1]", "[::ffff:10.0.0.1]", "10.0.0.1", "172.16.0.1", "192.168.0.1",
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "100.64.0.1", "100.100.100.200", "192.0.0.1",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "user@127.0.0.1", "user:word@localhost", "example.org@127.0.0.1",
    "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "127.0.0.1%00.example.org", "１２７.０.０.１",
    "①②⑦.0.0.1", "127。0。0。1", "ｌｏｃａｌｈｏｓｔ", "[::ffff:0x7f.0.0.1]", "127.0.0.1\t",
    "example.org\\@127.0.0.1",
]


def refused_attempts(d, message, count):
    def tried():
        found = d.api("GET", f"/app/a/attempt/msg/{message}?limit=250").json()["data"]
        return found if len(found) == count else None
    for attempt in until(tried, "all were tried", 120):
        assert attempt["status"] == 2 and attempt["responseStatusCode"] == 0, attempt


def by_url(url):
    return {"url": url}


def by_token(url):
    return {"url": "http://192.88.99.1/", "oauth": {
        "tokenUrl": url, "clientId": "c", "clientSecret": "s"}}


def by_proxy(url):
    return {"url": "http://hooks.example.org/", "proxy": url}


def by_ownership(url):
    return {"url": url, "ownership": "challenge"}


def test_no_spelling_of_an_address_gets_through_an_endpoint():
    assert len(set(SPELLINGS)) >= 60
    trap = Trap()
    with Daemon("") as d:
        d.api("POST", "/app", {"name": "A", "uid": "a"})
        made = 0
        for way in (by_url, by_token, by_proxy, by_ownership):
            before = made
            for i, host in enumerate(SPELLINGS):
                body = {"uid": f"{way.__name__}{i}", "retry": [], "circuit": {"failures": 0},
                        **way(f"http://{host}:{trap.port}/{i}")}
                reply = d.api("POST", "/app/a/endpoint", body)
                assert reply.status in (201, 422), (host, reply.status, reply.body)
                made += reply.status == 201
            # A policy that is never asked proves nothing.
            assert made - before > 20, (way, made - before)
        for odd in ("http:127.0.0.1/", "http:\\\\127.0.0.1\\", "//127.0.0.1/",
                    "gopher://127.0.0.1/",
                    "file:///etc/passwd", "http://127.0.0.1:70000/", "http://[::1/",
                    f"http://127.0.0.1:{trap.port}/\r\nHost: x"):
            assert d.api("POST", "/app/a/endpoint", {"url": odd}).status == 422, odd
        m = d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}}).json()
        seen = []

        def tried():
            at, page = "", {"done": False}
            seen.clear()
            while not page["done"]:
                page = d.api("GET", f"/app/a/attempt/msg/{m['id']}?limit=250{at}").json()
                seen.extend(page["data"])
                at = f"&iterator={page['iterator']}"
            return len(seen) == made
        until(tried, "all were tried", 120)
        for attempt in seen:
            assert attempt["status"] == 2 and attempt["responseStatusCode"] == 0, attempt
        assert trap.connections == 0
    trap.close()


def test_no_spelling_gets_through_a_destination_for_the_public():
    trap = Trap()

    def destinations(hosts):
        return "".join(
            f"  d{SPELLINGS.index(host)}: {{ http: {{ policy: public, url: "
            f"{json.dumps(f'http://{host}:{trap.port}/')} }}, retry: {{ attempts: 1 }} }}\n"
            for host in hosts)

    def config(hosts):
        names = ", ".join(f"d{SPELLINGS.index(host)}" for host in hosts)
        return ("sources: { s: { provider: none, insecure: true } }\ndestinations:\n"
                f"{destinations(hosts)}routes: [{{ from: s, to: [{names}] }}]\n")
    with Daemon("", start=False) as d:
        # What shows as it is written is refused when it is loaded, each by itself ...
        left = []
        for host in SPELLINGS:
            d.config(config([host]))
            said = d.cli("check", code=None)
            if said.returncode == 0:
                left.append(host)
        assert 0 < len(left) < len(SPELLINGS) / 2, left
        # ... and the others when they are called.
        d.config(config(left))
        d.start()
        event = d.post("/in/s", b"{}").json()["id"]
        shown = d.settled(event, "dead")
        assert len(shown["deliveries"]) == len(left), shown
        assert trap.connections == 0
        # A trial is judged like a delivery.
        said = d.api("POST", f"/destinations/d{SPELLINGS.index(left[0])}/test", {}).json()
        assert "status" not in said or not said["status"], said
        assert trap.connections == 0
    trap.close()


def test_no_spelling_gets_a_public_key_or_a_confirmation():
    trap = Trap()
    halves = [SPELLINGS[::2], SPELLINGS[1::2]]  # at most 60 fetches a minute are made
    for half in halves:
        sources, loaded = "", []
        with Daemon("", start=False) as d:
            for i, host in enumerate(half):
                one = (f"  k{i}: {{ provider: jwt-jwks, options: {{ url: "
                       f"{json.dumps(f'https://{host}:{trap.port}/jwks')} }} }}\n")
                d.config("sources:\n" + one)
                if d.cli("check", code=None).returncode == 0:
                    sources += one
                    loaded.append(i)
            assert len(loaded) > 10, loaded
            d.config("sources:\n" + sources)
            d.start()
            head, claims = {"alg": "RS256", "kid": "k"}, {"iat": int(time.time())}
            parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().strip("=")
                     for part in (head, claims)]
            token = ".".join(parts + ["c2ln"])
            headers = {"Authorization": "Bearer " + token}
            for i in loaded:
                status = d.post(f"/in/k{i}", b"{}", headers).status
                assert status in (401, 503), (half[i], status)
            # Each that was asked for was refused, and none came as far as a connection.
            until(lambda: d.log().count("could not be fetched") > 10, "refusals")
            assert trap.connections == 0
    with Daemon("", start=False) as d:
        # Signed, and yet: a URL to confirm is called where provider's file and policy let it.
        hosts = sorted({f"{host}:{trap.port}" for host in SPELLINGS
                        if re.fullmatch(r"[\w-]+(\.[\w-]+)+", host, re.ASCII)})
        assert len(hosts) > 20, hosts
        d.write("presets.d/asks.yaml", "id: asks\ntitle: Asks\ndocs: https://example.org\n"
                "verified-by: docs\nevidence: this test\nverify: { scheme: hmac, hash: sha256, "
                "signature: { from: 'header:X-Sign', encoding: hex }, signed: '{{ body }}' }\n"
                "handshake:\n  - when: { .kind: confirm }\n    fetch: { url: .url, hosts: "
                f"{json.dumps(hosts)} }}\n    reply: {{ status: 200, body: '' }}\n")
        d.config(f"sources: {{ s: {{ provider: asks, secret: {SECRET} }} }}\n")
        d.start()
        for host in SPELLINGS:
            body = json.dumps({"kind": "confirm", "url": f"https://{host}:{trap.port}/"}).encode()
            sign = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            def ask():
                reply = d.post("/in/s", body, {"X-Sign": sign, "Content-Type": "application/json"})
                return reply if reply.status != 503 else None  # as many as may be are under way
            until(ask, "an answer")
        until(lambda: d.log().count("a confirmation failed") == len(hosts), "each was refused", 60)
        refused = re.findall(r"a confirmation failed.*outbound policy", d.log())
        assert len(refused) == len(hosts) and trap.connections == 0, d.log()
    trap.close()


def test_a_hub_that_has_moved_leads_no_further_than_the_public():
    trap = Trap()
    places = [f"https://{host}:{trap.port}/" for host in SPELLINGS if "\t" not in host]
    asked = []

    def answer(request, count):
        asked.append(request["path"])
        return 307, {"Location": places[int(request["path"][1:])].encode().decode("latin-1")}, b""
    hub = Target(answer)
    sources = "".join(
        f"  s{i}: {{ provider: websub, secret: {SECRET}, subscribe: {{ hub: \"{hub.url}/{i}\", "
        f"topic: \"https://example.org/{i}\" }} }}\n" for i in range(len(places)))
    with Daemon("public_url: https://hooks.example.org\nsources:\n" + sources) as d:
        until(lambda: d.log().count("a hub refused a subscription") >= len(places), "each", 60)
        assert len(set(asked)) == len(places) and trap.connections == 0
    hub.close()
    trap.close()


def test_no_spelling_of_a_callback_is_called_by_our_own_hub():
    trap = Trap()
    with Daemon("public_url: https://hub.example.org\nhub: { callbacks: [\"*\"], topics: { news: "
                "\"https://blog.example.org/feed\" } }\n") as d:
        until(lambda: d.api("GET", "/app/websub").status == 200, "the hub's application")
        taken = 0
        for i, host in enumerate(SPELLINGS):
            form = {"hub.mode": "subscribe", "hub.topic": "https://blog.example.org/feed",
                    "hub.callback": f"http://{host}:{trap.port}/{i}"}
            reply = d.post("/hub", urlencode(form),
                           {"Content-Type": "application/x-www-form-urlencoded"})
            assert reply.status in (202, 400), (host, reply.status, reply.body)
            taken += reply.status == 202
        assert 0 < taken < len(SPELLINGS) / 2, taken
        # Names show where they lead when they are called; some of them are resolved nowhere.
        until(lambda: d.log().count("outbound policy") >= 2, "localhost in two spellings")
        d.stop()  # what is under way ends
        assert trap.connections == 0
    trap.close()


# --- a resolver that changes its mind -------------------------------------------------------------

def test_a_resolver_that_changes_its_mind_leads_nowhere():
    target = Target()
    # 127.0.0.2 is allowed, as an address on the outside would be; nobody listens there.
    allowed, private = ["127.0.0.2"], ["127.0.0.1"]
    try:
        resolver = Resolver({
            "inside.test": [private],
            "mixed.test": [allowed + private],  # the first can't be reached: the second is next
            "turns.test": [allowed, private],   # another answer each time
            "metadata.test": [["169.254.169.254"]],
        })
    except OSError as why:
        target.close()
        raise Skip(f"no resolver can be started: {why}") from why
    config = ("sending: { allow: [127.0.0.2/32] }\n"
              "sources: { s: { provider: none, insecure: true } }\ndestinations:\n"
              "  out: { http: { url: \"http://inside.test:PORT/destination\", policy: public }, "
              "retry: { attempts: 1 } }\nroutes: [{ from: s, to: [out] }]\n")
    try:
        with Daemon(config.replace("PORT", str(target.port)), start=False) as d:
            start_with_resolver(d, resolver)
            d.api("POST", "/app", {"name": "A", "uid": "a"})
            for name in resolver.answers:
                made = d.api("POST", "/app/a/endpoint", {
                    "url": f"http://{name}:{target.port}/{name}", "uid": name, "retry": []})
                assert made.status == 201, made.body
            m = d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}}).json()

            def given_up():
                rows = d.api("GET", f"/app/a/msg/{m['id']}/endpoint").json()["data"]
                return len(rows) == len(resolver.answers) and all(
                    r["status"] == 2 and not r["nextAttempt"] for r in rows)
            until(given_up, "each is given up on", 60)
            for attempt in d.api("GET", f"/app/a/attempt/msg/{m['id']}").json()["data"]:
                assert attempt["status"] == 2 and attempt["responseStatusCode"] == 0, attempt
            assert not target.requests
            # Asked anew (what was learned is kept for a while, so by another process), it has
            # turned inwards.
            d.stop()
            d.write("log", b"", 0o644)
            start_with_resolver(d, resolver)
            again = d.api("POST", f"/app/a/msg/{m['id']}/endpoint/turns.test/resend")
            assert again.status == 202, again.body

            def resent():
                rows = d.api("GET", "/app/a/attempt/endpoint/turns.test").json()["data"]
                return rows if len(rows) == 2 else None
            last = until(resent, "tried again", 60)[0]
            assert last["responseStatusCode"] == 0 and "policy" in last["response"], last
            assert resolver.asked["turns.test"] == 2, resolver.asked
            assert set(resolver.asked) == set(resolver.answers), resolver.asked
            event = d.post("/in/s", b"{}").json()["id"]
            shown = d.settled(event, "dead")
            assert "outbound policy" in json.dumps(shown), shown
            assert not target.requests
            # That the way is open otherwise, the same name shows under the other policy.
            d.stop()
            d.config("sending: { policy: private }\n")
            d.write("log", b"", 0o644)
            start_with_resolver(d, resolver)
            d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}})
            until(lambda: "/inside.test" in [r["path"] for r in target.requests], "reached")
    finally:
        resolver.close()
        target.close()


# --- our own listeners ----------------------------------------------------------------------------

OWN = """listen: "localhost:0"
admin: { listen: "localhost:0" }
public_url: https://hooks.example.org
sending: { policy: private, allow: [127.0.0.0/8, "::1"] }
outbound: { allow: [127.0.0.0/8, "::1"] }
"""


def test_no_kind_of_call_reaches_our_own_listeners():
    with Daemon(OWN) as d:
        ports = {url.rsplit(":", 1)[1] for url in (d.url, d.admin)}
        d.api("POST", "/app", {"name": "A", "uid": "a"})
        urls = [f"http://{host}:{port}/" for port in sorted(ports)
                for host in ("127.0.0.1", "localhost", "127.1", "0.0.0.0")]
        made = 0
        for way in (by_url, by_token, by_proxy, by_ownership):
            for i, url in enumerate(urls):
                made += d.api("POST", "/app/a/endpoint", {
                    "uid": f"{way.__name__}{i}", "retry": [], "circuit": {"failures": 0},
                    **way(url)}).status == 201
        assert made >= 2 * len(urls), made
        m = d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}}).json()
        refused_attempts(d, m["id"], made)
        # What is configured: found by a reload, which knows the ports.
        urls = [url for url in urls if "0.0.0.0" not in url]  # refused as it is loaded
        destinations = "".join(
            f"  d{i}: {{ http: {{ url: \"{url}\" }}, retry: {{ attempts: 1 }} }}\n"
            for i, url in enumerate(urls))
        sources = "".join(
            f"  h{i}: {{ provider: websub, secret: {SECRET}, subscribe: {{ hub: \"{url}\", topic: "
            f"\"https://example.org/{i}\" }} }}\n" for i, url in enumerate(urls))
        names = ", ".join(f"d{i}" for i in range(len(urls)))
        d.write("gaff.yaml", OWN + "sources:\n  s: { provider: none, insecure: true }\n" + sources
                + "destinations:\n" + destinations
                + f"routes: [{{ from: s, to: [{names}] }}]\n")
        d.signal(signal.SIGHUP)
        until(lambda: d.log().count("a hub refused a subscription") >= len(urls), "each hub", 60)
        shown = d.settled(d.post("/in/s", b"{}").json()["id"], "dead")
        assert len(shown["deliveries"]) == len(urls), shown
        said = d.api("POST", "/destinations/d0/test", {}).json()
        assert "own listeners" in json.dumps(said), said
        answers = re.findall(r"a hub refused a subscription.* status=(\d+) reason=(.*)", d.log())
        assert {status for status, _ in answers} == {"0"}, answers  # "localhost" is also ::1
        assert sum("own listeners" in why for _, why in answers) >= len(urls) // 2, answers


run(globals())
