// CloudEvents both ways: what npm cloudevents writes in its three modes, the daemon must take as the
// events that they are.
import { createServer } from "node:http";

import { Daemon, expect, load, test } from "./harness.mjs";

const TOKEN = "a bearer token of the sender";

async function receiver() {
  const seen = [];
  const server = createServer((req, res) => {
    const chunks = [];
    req.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
      seen.push({ headers: req.headers, body: Buffer.concat(chunks).toString() });
      res.end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { seen, server, url: `http://127.0.0.1:${server.address().port}/` };
}

async function until(condition, what) {
  for (let i = 0; i < 6000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never happened: ${what}`);
}

export async function cloudevents() {
  const m = await load("cloudevents");
  if (!m) return;
  const { CloudEvent, HTTP } = m;
  const peer = await receiver();
  const daemon = await Daemon.start(
    { events: { provider: "cloudevents-webhook", secrets: [TOKEN], options: { origin: "events.example.org" } } },
    {
      destinations: { peer: { http: { url: peer.url, forward: ["ce-*"], headers: {
        "X-Type": "{{ event_type }}", "X-Subject": "{{ header:ce-subject }}" } } } },
      routes: [{ name: "paid", from: "events", to: ["peer"], match: { event: "order.paid", header: { "ce-source": "/orders" } } }],
    });
  const event = (id, more = {}) => new CloudEvent({ id, source: "/orders", type: "order.paid",
    subject: "o-1", tenant: "acme", time: "2026-11-30T08:00:00Z", data: { total: 12, note: "€" }, ...more });
  const send = async ({ headers, body }) => {
    const flat = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)]));
    return JSON.parse(await daemon.accepts("events", { ...flat, authorization: `Bearer ${TOKEN}` }, body));
  };
  // What a destination got is again the event for the package.
  const parsed = ({ headers, body }) => HTTP.toEvent({ headers, body });

  for (const mode of ["binary", "structured"])
    await test(`cloudevents ${mode}, written and read by cloudevents`, async () => {
      const before = peer.seen.length;
      const first = await send(HTTP[mode](event(mode)));
      await until(() => peer.seen.length > before, "the delivery");
      const got = peer.seen[before];
      expect(got.headers["x-type"] === "order.paid", `type ${got.headers["x-type"]}`);
      expect(got.headers["x-subject"] === "o-1" && got.headers["ce-tenant"] === "acme", "attributes");
      const back = parsed(got);
      expect(back.id === mode && back.source === "/orders" && back.data.note === "€", `read as ${back}`);
      const again = await send(HTTP[mode](event(mode)));
      expect(again.duplicate && again.id === first.id, "the same source and id was stored twice");
      const other = await send(HTTP[mode](event(mode, { source: "/other" })));
      expect(!other.duplicate, "another source is another event");
    });
  await test("cloudevents batch is split into its events", async () => {
    const before = peer.seen.length;
    const batch = [event("b1"), event("b2", { type: "order.lost" }), event("b3")];
    const request = { headers: { "content-type": "application/cloudevents-batch+json" },
      body: JSON.stringify(batch) };
    const answer = await send(request);
    expect(answer.ids.length === 3 && answer.duplicates === 0, JSON.stringify(answer));
    await until(() => peer.seen.length >= before + 2, "two deliveries");
    const ids = peer.seen.slice(before).map((one) => parsed(one).id).sort();
    expect(ids.join() === "b1,b3", `delivered ${ids}`);
    const again = await send(request);
    expect(again.duplicates === 3 && again.ids.join() === answer.ids.join(), JSON.stringify(again));
  });
  await test("cloudevents batch without the token is refused", async () => {
    await daemon.refuses("events", { "content-type": "application/cloudevents-batch+json" },
      JSON.stringify([event("b9")]));
  });
  await test("the daemon of the events ends well", async () => expect((await daemon.stop()) === 0, "not 0"));
  peer.server.closeAllConnections();
  peer.server.close();
}
