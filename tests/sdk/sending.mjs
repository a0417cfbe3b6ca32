// Svix's own packages against the sending API, of both major versions: every operation that exists,
// the answers they make of 401, 404, 409 and 422, and the deliveries that follow, judged by the
// packages subscribers use. A server that is killed while a package sends makes one message.
import { spawn } from "node:child_process";

import { everyCall, keyedCalls, likeVersion1, OWN, refused, takenNames } from "./calls.mjs";
import { expect, load, skip, test } from "./harness.mjs";
import { everyOperationWasCalled, Recorder } from "./operations.mjs";
import { ORG, OTHER_ORG, SECRET, Server, Sink, token } from "./server.mjs";

async function settled(fn) {
  for (;;) {
    const value = await fn();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const WITH = { withContent: true };

async function applications(svix) {
  await test("svix: applications", async () => {
    const app = await svix.application.create({ name: "First", uid: "first", metadata: { a: "b" } });
    expect(/^app_[A-Za-z0-9]{27}$/.test(app.id) && app.uid === "first", JSON.stringify(app));
    expect((await svix.application.get("first")).id === app.id, "by uid");
    const again = await svix.application.getOrCreate({ name: "x", uid: "first" });
    expect(again.id === app.id && again.name === "First", "getOrCreate");
    await refused(409, svix.application.create({ name: "x", uid: "first" }));
    const fault = await refused(422, svix.application.create({ name: "", uid: "app_no" }));
    expect(fault.detail[0].loc.join("/") === "body/name", JSON.stringify(fault));
    expect((await svix.application.update("second", { name: "2", uid: "second" })).name === "2", "");
    const patched = await svix.application.patch("second", { uid: null, throttleRate: 7 });
    expect(!patched.uid && patched.throttleRate === 7 && patched.name === "2", "patch");
    for (let i = 0; i < 5; i++) await svix.application.create({ name: `n${i}` });
    const page = await svix.application.list({ limit: 3 });
    expect(page.data.length === 3 && !page.done && page.data[0].id === app.id, "first page");
    const next = await svix.application.list({ limit: 3, iterator: page.iterator });
    expect(next.data[0].id > page.data[2].id, "second page");
    const back = await svix.application.list({ limit: 3, iterator: next.prevIterator });
    expect(JSON.stringify(back.data) === JSON.stringify(page.data), "and back");
    await svix.application.delete(patched.id);
    await refused(404, svix.application.get(patched.id));
    await refused(422, svix.application.list({ limit: 251 }));
  });
}

async function eventTypes(svix) {
  await test("svix: event types", async () => {
    const schemas = { 1: { type: "object", properties: { id: { type: "string", example: "u1" } } } };
    await svix.eventType.create({ name: "user.created", description: "made", schemas });
    await refused(409, svix.eventType.create({ name: "user.created", description: "made" }));
    await svix.eventType.update("user.gone", { description: "gone" });
    const patched = await svix.eventType.patch("user.gone", { deprecated: true });
    expect(patched.deprecated && patched.description === "gone", JSON.stringify(patched));
    const list = await svix.eventType.list({ withContent: true });
    expect(list.data.map((one) => one.name).join() === "user.created,user.gone", "by name");
    expect(list.data[0].schemas["1"].type === "object", "with schemas");
    await svix.eventType.delete("user.gone");
    expect((await svix.eventType.list()).data.length === 1, "archived is not listed");
    expect((await svix.eventType.get("user.gone")).archived, "but is there");
    await svix.eventType.delete("user.gone", { expunge: true });
    await refused(404, svix.eventType.get("user.gone"));
    const spec = { openapi: "3.1.0", webhooks: { "order.paid": { post: { description: "paid" } } } };
    await svix.eventType.importOpenapi({ spec });
    expect((await svix.eventType.get("order.paid")).description === "paid", "imported");
  });
}

async function endpoints(svix, sink) {
  await test("svix: endpoints, headers, secrets", async () => {
    const fault = await refused(
      422,
      svix.endpoint.create("first", {
        url: sink.url, filterTypes: ["no.such"], eventTypes: ["no.such"],
      }),
    );
    expect(fault.detail[0].msg.includes("no.such"), JSON.stringify(fault));
    await refused(422, svix.endpoint.create("first", { url: "ftp://x" }));
    await refused(404, svix.endpoint.create("nobody", { url: sink.url }));
    const made = await svix.endpoint.create("first", { url: `${sink.url}/a`, uid: "a" });
    expect(/^ep_[A-Za-z0-9]{27}$/.test(made.id), made.id);
    await refused(409, svix.endpoint.create("first", { url: sink.url, uid: "a" }));
    const put = await svix.endpoint.update("first", "a", { url: `${sink.url}/a`, uid: "a" });
    expect(put.id === made.id, "the same one");
    const patched = await svix.endpoint.patch("first", "a", { description: "d", channels: ["c"] });
    expect(patched.description === "d" && patched.channels[0] === "c", JSON.stringify(patched));
    await svix.endpoint.patch("first", "a", { channels: null });
    expect((await svix.endpoint.get("first", "a")).channels === null, "null clears");
    await svix.endpoint.updateHeaders("first", "a", { headers: { "X-One": "1", "X-Api-Key": "k" } });
    await svix.endpoint.patchHeaders("first", "a", { headers: { "X-Two": "2" } });
    const headers = await svix.endpoint.getHeaders("first", "a");
    expect(JSON.stringify(headers.headers) === '{"X-One":"1","X-Two":"2"}', "shown");
    expect(headers.sensitive.join() === "X-Api-Key", "hidden");
    await refused(422, svix.endpoint.updateHeaders("first", "a", { headers: { Host: "x" } }));
    const before = await svix.endpoint.getSecret("first", "a");
    await svix.endpoint.rotateSecret("first", "a", {});
    expect((await svix.endpoint.getSecret("first", "a")).key !== before.key, "rotated");
    expect((await svix.endpoint.list("first")).data.length === 1, "one");
    const stats = await svix.endpoint.getStats("first", "a");
    expect(stats.success === 0 && stats.canceled === 0, JSON.stringify(stats));
    return before;
  });
}

async function messages(svix, sink, judges) {
  await test("svix: a message is delivered, signed with both keys of a rotation", async () => {
    const payload = { id: "u1", text: "zwölf" };
    const sent = await svix.message.create("first", {
      eventType: "user.created", payload, eventId: "once", channels: ["c"], tags: ["t"],
    }, WITH);
    expect(sent.payload.text === "zwölf" && sent.tags[0] === "t", JSON.stringify(sent));
    const [got] = await sink.at("/a");
    expect(got.headers["webhook-id"] === sent.id && got.headers["x-one"] === "1", "fields");
    expect(got.body === JSON.stringify(payload), "byte for byte");
    expect(got.headers["webhook-signature"].split(" ").length === 2, "both keys sign");
    const { key } = await svix.endpoint.getSecret("first", "a");
    for (const Webhook of judges) new Webhook(key).verify(got.body, got.headers);
    await refused(409, svix.message.create("first", { eventType: "x", payload, eventId: "once" }));
    await refused(422, svix.message.create("first", { eventType: "user.created", payload: "text" }));
    await refused(404, svix.message.create("nobody", { eventType: "user.created", payload }));
    const options = { idempotencyKey: "key-1" };
    const one = await svix.message.create("first", { eventType: "e", payload }, options);
    const two = await svix.message.create("first", { eventType: "e", payload }, options);
    expect(one.id === two.id, "the same message");
    await refused(409, svix.message.create("first", { eventType: "f", payload }, options));
    expect((await svix.message.get("first", "once")).id === sent.id, "by eventId");
    expect((await svix.message.list("first", { tag: "t" })).data.length === 1, "by tag");
    const page = await svix.message.list("first", { limit: 1 });
    expect(page.data[0].id === one.id && !page.done, "newest first");
    const next = await svix.message.list("first", { limit: 1, iterator: page.iterator });
    expect(next.data[0].id === sent.id && next.done, "then the other");
  });
}

async function attempts(svix, sink, patch) {
  await test("svix: attempts, resend, recovery", async () => {
    const { id } = await svix.message.get("first", "once");
    const list = await settled(async () => {
      const found = await svix.messageAttempt.listByMsg("first", id);
      return found.data.length && found;
    });
    const [attempt] = list.data;
    expect(attempt.status === 0 && attempt.responseStatusCode === 204, JSON.stringify(attempt));
    expect((await svix.messageAttempt.get("first", id, attempt.id)).id === attempt.id, "get");
    const by = await svix.messageAttempt.listByEndpoint("first", "a", { status: 0 });
    expect(by.data.some((one) => one.id === attempt.id), "by endpoint");
    const told = await svix.messageAttempt.listAttemptedMessages("first", "a");
    expect(told.data.some((one) => one.id === id && one.status === 0), "messages of it");
    const [place] = (await svix.messageAttempt.listAttemptedDestinations("first", id)).data;
    expect(place.status === 0 && place.uid === "a", JSON.stringify(place));
    const before = (await sink.at("/a")).length;
    await svix.messageAttempt.resend("first", id, "a");
    await sink.at("/a", before + 1);
    await settled(async () =>
      (await svix.messageAttempt.listByMsg("first", id)).data.some((one) => one.triggerType === 1));
    await svix.messageAttempt.expungeContent("first", id, attempt.id);
    const bare = await svix.messageAttempt.get("first", id, attempt.id, WITH);
    expect(bare.response === "EXPUNGED", JSON.stringify(bare));
    await svix.message.expungeContent("first", id);
    expect((await svix.message.get("first", id, WITH)).payload.expired, "expunged");
    await refused(400, svix.messageAttempt.resend("first", id, "a"));
    await refused(404, svix.messageAttempt.listByMsg("first", "msg_nothing"));
    await refused(404, svix.messageAttempt.get("first", id, "atmpt_nothing"));

    const since = new Date(Date.now() - 60000);
    sink.status = 500;
    await svix.endpoint.create("first", { url: `${sink.url}/b`, uid: "b" });
    await patch("/api/v1/app/first/endpoint/b/", { retry: [] }); // the package knows of no retry
    const lost = await svix.message.create("first", { eventType: "order.paid", payload: { n: 1 } });
    await sink.at("/b");
    await settled(async () => (await svix.endpoint.getStats("first", "b")).fail === 1);
    sink.status = 204;
    const task = await svix.endpoint.recover("first", "b", { since });
    expect(task.status === "running" && task.task === "endpoint.recover", JSON.stringify(task));
    await sink.at("/b", 2);
    const done = await settled(async () => {
      const found = await svix.backgroundTask.get(task.id);
      return found.status === "finished" && found;
    });
    expect(done.data.count === 1, JSON.stringify(done));
    await svix.endpoint.create("first", { url: `${sink.url}/late`, uid: "late" });
    await svix.endpoint.replayMissing("first", "late", { since });
    const late = await sink.at("/late", 2);
    expect(late.some((one) => one.headers["webhook-id"] === lost.id), "the missed one");
    expect((await svix.backgroundTask.list()).data.length === 2, "both jobs");
    await svix.endpoint.sendExample("first", "late", { eventType: "user.created" });
    const all = await sink.at("/late", 3);
    expect(all.some((one) => one.body === '{"id":"u1"}'), "the example");
    await refused(404, svix.endpoint.sendExample("first", "late", { eventType: "no.such" }));
  });
}

async function pollers(svix) {
  await test("svix: messages are fetched, and a consumer is where it confirmed", async () => {
    const { poller } = svix.message;
    const seen = await settled(async () => {
      const page = await poller.poll("first", "a");
      return page.done && page.data.length > 1 && page;
    });
    const one = await poller.poll("first", "a", { limit: 1 });
    expect(one.data[0].id === seen.data[0].id && !one.done, JSON.stringify(one));
    const next = await poller.poll("first", "a", { limit: 1, iterator: one.iterator });
    expect(next.data[0].id === seen.data[1].id, "the one after it");
    const first = await poller.consumerPoll("first", "a", "worker", { limit: 1 });
    const again = await poller.consumerPoll("first", "a", "worker", { limit: 1 });
    expect(again.data[0].id === first.data[0].id, "not confirmed: the same again");
    const { iterator } = first;
    const second = await poller.consumerPoll("first", "a", "worker", { limit: 1, iterator });
    expect(second.data[0].id === seen.data[1].id, "confirmed: the next one");
    const place = await poller.consumerSeek("first", "a", "worker", { after: new Date(0) });
    expect(place.iterator.startsWith("msg_"), JSON.stringify(place));
    const whole = await poller.consumerPoll("first", "a", "worker", { limit: 1 });
    expect(whole.data[0].id === seen.data[0].id, "from the beginning");
  });
}

async function statistics(Svix, svix, server, sink) {
  const finished = (task) => settled(async () => {
    const found = await svix.backgroundTask.get(task.id);
    return found.status === "finished" && found.data;
  });
  await test("svix: statistics: what was sent, and what is asked for", async () => {
    const app = await svix.application.create({ name: "Counted", uid: "counted" });
    const idle = await svix.application.create({ name: "Idle" });
    const url = `${sink.url}/counted`;
    const only = { filterTypes: ["user.created"], eventTypes: ["user.created"] }; // of v1, of v2
    await svix.endpoint.create("counted", { url, uid: "a", ...only });
    await svix.endpoint.create("counted", { url, uid: "gone", ...only });
    const since = new Date(Date.now() - 60000);
    for (let n = 0; n < 3; n++)
      await svix.message.create("counted", { eventType: "user.created", payload: { n } });
    await svix.endpoint.delete("counted", "gone");
    const until = new Date(Date.now() + 60000);
    const ask = { since, until, appIds: ["counted", "no-such-app", idle.id] };
    const task = await svix.statistics.aggregateAppStats(ask, { idempotencyKey: `k-${app.id}` });
    expect(task.task === "application.stats" && task.id.startsWith("qtask_"), JSON.stringify(task));
    expect(task.unresolvedAppIds.join() === "no-such-app", JSON.stringify(task));
    const again = await svix.statistics.aggregateAppStats(ask, { idempotencyKey: `k-${app.id}` });
    expect(again.id === task.id, "the same job for the same key");
    const { appStats } = await finished(task);
    const rows = [{ appId: app.id, appUid: "counted", messageDestinations: 6 },
      { appId: idle.id, appUid: null, messageDestinations: 0 }];
    expect(JSON.stringify(appStats) === JSON.stringify(rows), JSON.stringify(appStats));
    const past = new Date(since.getTime() - 60000);
    const before = await finished(await svix.statistics.aggregateAppStats(
      { since: past, until: since, appIds: ["counted"] }));
    expect(before.appStats[0].messageDestinations === 0, JSON.stringify(before));
    const all = await finished(await svix.statistics.aggregateAppStats({ since, until }));
    const ids = (await svix.application.list()).data.map((one) => one.id).sort();
    expect(all.appStats.map((one) => one.appId).join() === ids.join(), JSON.stringify(all));
    expect(all.count === all.appStats.reduce((sum, one) => sum + one.messageDestinations, 0), "sum");
    await refused(422, svix.statistics.aggregateAppStats({ since: until, until: since }));
    await refused(422, svix.statistics.aggregateAppStats({ until }));

    const types = async () => (await finished(await svix.statistics.aggregateEventTypes()))
      .event_types.find((one) => one.appId === app.id);
    const narrow = await types();
    expect(narrow.explicitlySubscribedEventTypes.join() === "user.created" &&
      !narrow.hasCatchAllEndpoint, JSON.stringify(narrow));
    await svix.endpoint.create("counted", { url, uid: "all" });
    expect((await types()).hasCatchAllEndpoint, "one takes all");
    const other = new Svix(token({ sub: OTHER_ORG }), { serverUrl: server.url });
    await refused(404, other.backgroundTask.get(task.id));
    const access = await svix.authentication.appPortalAccess("counted", {});
    const portal = new Svix(access.token, { serverUrl: server.url });
    await refused(403, portal.statistics.aggregateEventTypes());
    await refused(404, portal.backgroundTask.get(task.id));
    await svix.application.delete("counted");
    await svix.application.delete(idle.id);
  });
}

async function listeners(svix, sink) {
  let made;
  await test("svix: operational webhook endpoints", async () => {
    const { endpoint } = svix.operationalWebhook;
    made = await endpoint.create({ url: `${sink.url}/ops`, uid: "pager", description: "d" });
    expect(made.uid === "pager" && (await endpoint.get("pager")).id === made.id, "by uid");
    const put = await endpoint.update("own", { url: `${sink.url}/own`, uid: "own" });
    expect(put.id !== made.id && (await endpoint.list()).data.length === 2, "another one");
    await endpoint.updateHeaders("pager", { headers: { "X-Team": "ops" } });
    expect((await endpoint.getHeaders("pager")).headers["X-Team"] === "ops", "headers");
    const { key } = await endpoint.getSecret("pager");
    await endpoint.rotateSecret("pager", {});
    expect((await endpoint.getSecret("pager")).key !== key, "rotated");
    await endpoint.delete("own");
    await refused(404, endpoint.get("own"));
    const { id } = await svix.endpoint.create("first", { url: `${sink.url}/told` });
    const told = await settled(async () =>
      (await sink.at("/ops")).find((one) => JSON.parse(one.body).data.endpointId === id));
    expect(JSON.parse(told.body).type === "endpoint.created", told.body);
    expect(told.headers["x-team"] === "ops", "with its headers");
    await svix.endpoint.delete("first", id);
  });
  return made.id;
}

async function expunges(svix) {
  await test("svix: payloads are taken out, some and all", async () => {
    await svix.application.create({ name: "Purged", uid: "purged" });
    const ids = [];
    for (let n = 0; n < 3; n++)
      ids.push((await svix.message.create("purged", { eventType: "e", payload: { n } })).id);
    const bulk = svix.message.bulkExpungeContent?.bind(svix.message); // not in version 1
    if (bulk) {
      const { results } = await bulk("purged", { ids: [ids[0], "nobody"] });
      expect(results[ids[0]] === "expunged" && results.nobody === "not-found", "results");
    }
    const left = async () =>
      (await svix.message.list("purged", WITH)).data.filter((one) => !one.payload.expired).length;
    expect((await left()) === (bulk ? 2 : 3), "the others are there");
    const task = await svix.message.expungeAllContents("purged");
    expect(task.task === "application.purge_content", JSON.stringify(task));
    await settled(async () => (await svix.backgroundTask.get(task.id)).status === "finished");
    expect((await left()) === 0, "none is there");
    expect((await svix.message.precheck("purged", { eventType: "e" })).active === false, "nobody");
    await svix.application.delete("purged");
  });
}

// What is refused whoever asks: names that are taken, keys that stood for another body, bodies and
// pages that are wrong, each with the place that is.
async function refusals(svix, sink, msg, listener) {
  await test("svix: 409 for each name that is taken and each key that is reused", async () => {
    await svix.application.create({ name: "two", uid: "second" });
    await svix.operationalWebhook.endpoint.create({ url: `${sink.url}/other`, uid: "other" });
    for (const [, call] of takenNames())
      expect((await refused(409, call(svix))).detail.length > 0, "says why");
    for (const [name, call] of keyedCalls(listener)) {
      const key = { idempotencyKey: `of ${name}` };
      await call(svix, key, 0);
      await call(svix, key, 0); // as it was: answered as it was
      const told = await refused(409, call(svix, key, 1));
      expect(told.code === "idempotency_conflict", `${name}: ${JSON.stringify(told)}`);
      const own = { idempotencyKey: `auto_${name}` };
      await call(svix, own, 2);
      await call(svix, own, 3); // what the packages make themselves is not bound to a body
    }
    await svix.application.delete("second");
  });
  await test("svix: 422 names what is wrong, in a body and in a query", async () => {
    for (const [name, , wrong] of everyCall(svix, "first", msg, listener)) {
      if (!wrong) continue;
      const { detail } = await refused(422, wrong(svix));
      const [{ loc, msg, type }] = detail;
      const is = /^(body|query)$/.test(loc[0]) && loc.length > 1 && msg && /^value_error/.test(type);
      expect(is, `${name}: ${JSON.stringify(detail)}`);
    }
  });
}

async function tenants(Svix, svix, server, listener) {
  await test("svix: tokens: none, another's, an application's, revoked", async () => {
    const options = { serverUrl: server.url };
    const app = await svix.application.get("first");
    await refused(401, new Svix("nonsense", options).application.list());
    const told = await refused(401, new Svix(SECRET, options).application.list());
    expect(told.detail.includes("secret"), told.detail);
    const other = likeVersion1(new Svix(token({ sub: OTHER_ORG }), options));
    const nobody = likeVersion1(new Svix("nonsense", options));
    const forged = likeVersion1(new Svix(`${token({ sub: ORG }).slice(0, -4)}AAAA`, options));
    expect((await other.application.list()).data.length === 0, "nothing of ours");
    const { id } = (await svix.message.list("first")).data[0];
    for (const [name, call] of everyCall(svix, app.id, id, listener)) {
      await refused(401, call(nobody));
      await refused(401, call(forged));
      if (!OWN.has(name)) await refused(404, call(other));
    }
    const access = await svix.authentication.appPortalAccess("first", { featureFlags: [] });
    const portal = new Svix(access.token, options);
    expect((await portal.endpoint.list(app.id)).data.length > 0, "its own");
    await refused(403, portal.application.list());
    await refused(403, portal.message.create(app.id, { eventType: "x", payload: {} }));
    const second = await svix.application.create({ name: "two" });
    await refused(404, portal.endpoint.list(second.id));
    await portal.authentication.logout();
    await refused(401, portal.authentication.logout());
    await refused(401, portal.endpoint.list(app.id));
    const older = svix.authentication.dashboardAccess?.bind(svix.authentication);
    const another = await (older ?? svix.authentication.appPortalAccess.bind(svix.authentication))(
      "first", older ? undefined : {});
    await svix.authentication.expireAll("first", {});
    await refused(401, new Svix(another.token, options).endpoint.list(app.id));
  });
  await test("svix: health, deletion", async () => {
    await svix.health.get();
    await svix.endpoint.delete("first", "late");
    await refused(404, svix.endpoint.get("first", "late"));
    await svix.application.delete("first");
    await refused(404, svix.application.get("first"));
  });
}

// Its own retries meet a server that is killed and started while they go on: before the commit,
// after it with the answer lost, and wherever it hits.
async function kills(Svix, server, recorder, sink) {
  const address = server.url.replace("http://", "");
  const at = (serverUrl) =>
    likeVersion1(new Svix(token({ sub: ORG }), {
      serverUrl,
      retryScheduleInMs: Array(60).fill(250),
    }));
  const svix = at(recorder.url);
  const again = async () => {
    await server.kill();
    await server.run(address);
  };
  const ids = new Set();
  const isOneMore = async (id) => {
    ids.add(id);
    const all = (await svix.message.list("killed")).data;
    expect(all.length === ids.size && all[0].id === id, `${all.length} messages, ${ids.size} due`);
  };
  await svix.application.create({ name: "Killed", uid: "killed" });
  await svix.endpoint.create("killed", { url: `${sink.url}/killed`, uid: "k" });
  await test("svix: killed after the commit, before the answer is heard: one message", async () => {
    for (const more of [{}, { eventId: "e1" }]) {
      const lost = recorder.loseNextAnswer(again);
      const { id } = await svix.message.create("killed", { eventType: "x", payload: {}, ...more });
      expect((await lost).id === id, "the answer that was lost, again");
      await isOneMore(id);
    }
    await refused(409, svix.message.create("killed", { eventType: "x", payload: {}, eventId: "e1" }));
  });
  await test("svix: killed before the POST is whole: one message", async () => {
    const broken = recorder.breakNextRequest(again);
    const { id } = await svix.message.create("killed", { eventType: "x", payload: {} });
    await broken;
    await isOneMore(id);
  });
  await test("svix: killed in the middle of a POST while the package retries: one message", async () => {
    const direct = at(server.url);
    for (let round = 1; round <= 5; round++) {
      const sending = direct.message.create("killed", { eventType: "x", payload: { round } });
      await new Promise((resolve) => setTimeout(resolve, round * 2)); // hits elsewhere each time
      await again();
      await isOneMore((await sending).id);
    }
    // At least once: what was on its way at a kill comes again.
    await settled(async () => {
      const got = await sink.at("/killed");
      return new Set(got.map((one) => one.headers["webhook-id"])).size === ids.size;
    });
  });
  await test("svix: a key is bound to its body over a kill, but for the package's own", async () => {
    const key = { idempotencyKey: "over a kill" };
    const own = { idempotencyKey: "auto_over a kill" };
    const send = (n, options) =>
      svix.message.create("killed", { eventType: "x", payload: { n } }, options);
    const first = [(await send(1, key)).id, (await send(1, own)).id];
    await again();
    expect((await send(1, key)).id === first[0], "the same");
    expect((await refused(409, send(2, key))).code === "idempotency_conflict", "another body");
    expect((await send(2, own)).id === first[1], "the package's own key decides alone");
  });
  await svix.application.delete("killed");
}

// Deliveries in both forms of CloudEvents, read by its own package.
async function cloudEvents(svix, sink, patch) {
  const module = await load("cloudevents");
  if (!module) return;
  const { HTTP } = module;
  await test("cloudevents: its package reads both forms", async () => {
    await svix.application.create({ name: "Cloud", uid: "cloud" });
    for (const format of ["cloudevents", "cloudevents-binary"]) {
      await svix.endpoint.create("cloud", { url: `${sink.url}/${format}`, uid: format });
      const changed = await patch(`/api/v1/app/cloud/endpoint/${format}`, { format });
      expect(changed.status === 200, `${changed.status}`);
    }
    const payload = { id: 7, text: "zwölf" };
    const { id } = await svix.message.create("cloud", { eventType: "user.created", payload });
    for (const format of ["cloudevents", "cloudevents-binary"]) {
      const [{ headers, body }] = await sink.at(`/${format}`);
      const event = HTTP.toEvent({ headers, body });
      expect(event.validate(), format);
      const said = [event.specversion, event.id, event.type, JSON.stringify(event.data)];
      const due = ["1.0", id, "user.created", JSON.stringify(payload)];
      expect(said.join() === due.join(), `${format}: ${said}`);
      expect(event.source.startsWith("/app/app_") && event.time, `${event.source} ${event.time}`);
    }
    await svix.application.delete("cloud");
  });
}

async function withPackage(name) {
  const package_ = await load(name);
  const standard = await load("standardwebhooks");
  if (!package_) return;
  const { Svix, Webhook } = package_;
  const judges = [Webhook, ...(standard ? [standard.Webhook] : [])];
  const server = await Server.start().catch((error) => error);
  if (!(server instanceof Server)) {
    await test("sending: the daemon starts", () => Promise.reject(server));
    return;
  }
  const sink = await Sink.start();
  const recorder = await Recorder.start(server.url);
  const svix = likeVersion1(new Svix(token({ sub: ORG }), { serverUrl: recorder.url }));
  await applications(svix);
  await eventTypes(svix);
  await endpoints(svix, sink);
  await messages(svix, sink, judges);
  const patch = (path, body) =>
    fetch(server.url + path, {
      method: "PATCH",
      headers: { authorization: `Bearer ${token({ sub: ORG })}` },
      body: JSON.stringify(body),
    });
  await attempts(svix, sink, patch);
  await statistics(Svix, svix, server, sink);
  await pollers(svix);
  const listener = await listeners(svix, sink);
  await expunges(svix);
  await refusals(svix, sink, (await svix.message.get("first", "once")).id, listener);
  await tenants(Svix, svix, recorder, listener);
  await everyOperationWasCalled(name, server.url, recorder.seen);
  await cloudEvents(svix, sink, patch);
  await kills(Svix, server, recorder, sink);
  recorder.stop();
  await test("sending: the daemon ends well", async () => expect((await server.stop()) === 0, ""));
  sink.server.closeAllConnections();
  sink.server.close();
}

// The package for Python, installed by ./run; it counts by lines like ours.
async function withPython() {
  const python = process.env.SVIX_PYTHON;
  if (!python) {
    skip("svix for Python", "it could not be installed");
    return;
  }
  const server = await Server.start();
  const sink = await Sink.start();
  const recorder = await Recorder.start(server.url);
  const child = spawn(python, [process.env.SVIX_PYTHON_TESTS, recorder.url, sink.url], {
    env: { ...process.env, TOKEN: token({ sub: ORG }), STRANGER: token({ sub: OTHER_ORG }) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (bytes) => (text += bytes));
  const code = await new Promise((resolve) => child.on("exit", resolve));
  for (const line of text.trim().split("\n")) {
    const [, verdict, name] = /^(ok|FAIL) (.*)$/.exec(line) ?? [null, "FAIL", line];
    await test(`svix for Python: ${name}`, async () => expect(verdict === "ok", name));
  }
  await test("svix for Python: ran", async () => expect(code === 0, `it ended with ${code}`));
  await everyOperationWasCalled("svix for Python", server.url, recorder.seen);
  recorder.stop();
  await server.stop();
  sink.server.closeAllConnections();
  sink.server.close();
}

export async function sending() {
  for (const name of ["svix", "svix2"]) {
    console.log(`sending with ${name}`);
    await withPackage(name);
  }
  await withPython();
}
