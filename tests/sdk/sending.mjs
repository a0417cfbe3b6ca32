// Svix's own packages against the sending API, of both major versions: every operation that exists,
// the answers they make of 401, 404, 409 and 422, and the deliveries that follow, judged by the
// packages subscribers use. A server that is killed while a package sends makes one message.
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, load, skip, test } from "./harness.mjs";

const GAFF = process.env.GAFF;
const SECRET = "a secret for the tokens of the tests";
const ORG = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";
const OTHER_ORG = "org_2rqNjpZDL2e1BRwFsStMRnUjmQL";

const base64url = (text) => Buffer.from(text).toString("base64url");
function token(claims) {
  const now = Math.floor(Date.now() / 1000);
  const text = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(
    JSON.stringify({ iat: now, nbf: now, exp: now + 3600, iss: "test", ...claims }),
  )}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

class Server {
  static async start() {
    const server = new Server();
    server.directory = mkdtempSync(join(tmpdir(), "gaff-send-"));
    await server.run();
    return server;
  }
  // With an address it has again what it had before a kill.
  async run(address = "127.0.0.1:0") {
    writeFileSync(
      join(this.directory, "gaff.yaml"),
      `listen: 127.0.0.1:0
admin: { listen: "${address}", token: "\${env:ADMIN}" }
sending: { policy: private, jwt_secret: "\${env:JWT}" }
`,
    );
    this.process = spawn(GAFF, ["serve", "--config", "gaff.yaml"], {
      cwd: this.directory,
      env: { ...process.env, ADMIN: "the-admin-token", JWT: SECRET },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.url = await new Promise((resolve, reject) => {
      let text = "";
      this.process.stderr.on("data", (bytes) => {
        text += bytes;
        const found = /msg=admin address=(\S+)/.exec(text);
        if (found && /msg=ready/.test(text)) resolve(found[1]);
      });
      this.process.on("exit", () => reject(new Error(`the daemon ended: ${text}`)));
    });
  }
  kill() {
    return new Promise((resolve) => {
      this.process.removeAllListeners("exit");
      this.process.on("exit", resolve);
      this.process.kill("SIGKILL");
    });
  }
  stop() {
    return new Promise((resolve) => {
      this.process.removeAllListeners("exit");
      this.process.on("exit", (code) => {
        rmSync(this.directory, { recursive: true, force: true });
        resolve(code);
      });
      this.process.kill("SIGTERM");
    });
  }
}

class Sink {
  static start() {
    const sink = new Sink();
    sink.got = [];
    sink.status = 204;
    sink.server = createServer((request, response) => {
      const parts = [];
      request.on("data", (part) => parts.push(part));
      request.on("end", () => {
        sink.got.push({
          path: request.url,
          headers: request.headers,
          body: Buffer.concat(parts).toString(),
        });
        response.writeHead(sink.status);
        response.end("seen");
      });
    });
    return new Promise((resolve) =>
      sink.server.listen(0, "127.0.0.1", () => {
        sink.url = `http://127.0.0.1:${sink.server.address().port}`;
        resolve(sink);
      }),
    );
  }
  async at(path, count = 1) {
    for (;;) {
      const found = this.got.filter((one) => one.path === path);
      if (found.length >= count) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

// The error that an operation must end with.
async function refused(status, promise) {
  try {
    await promise;
  } catch (error) {
    expect(error.code === status, `${error.code} ${JSON.stringify(error.body)}, not ${status}`);
    return error.body;
  }
  throw new Error(`it went through, where ${status} was due`);
}

async function settled(fn) {
  for (;;) {
    const value = await fn();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Version 2 calls some operations otherwise and leaves content out unless asked.
function likeVersion1(svix) {
  const kinds = [svix.application, svix.eventType, svix.endpoint].map(Object.getPrototypeOf);
  for (const kind of kinds) kind.update ??= kind.upsert;
  kinds[2].updateHeaders ??= kinds[2].setHeaders;
  return svix;
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

// What is made or listed in the organisation of who asks, whoever has the same elsewhere.
const OWN = new Set(["application.list", "application.create", "application.getOrCreate",
  "application.update", "eventType.list", "eventType.create", "eventType.update",
  "eventType.importOpenapi", "backgroundTask.list"]);

// Every operation of the contract that needs a token, as a call of the package.
function everyOperation(app, msg) {
  const since = new Date();
  const url = "http://x.example";
  const type = { name: "t", description: "" };
  return [
    ["application.list", (s) => s.application.list()],
    ["application.create", (s) => s.application.create({ name: "n" })],
    ["application.getOrCreate", (s) => s.application.getOrCreate({ name: "n", uid: "n" })],
    ["application.get", (s) => s.application.get(app)],
    ["application.update", (s) => s.application.update(app, { name: "mine" })],
    ["application.patch", (s) => s.application.patch(app, { name: "mine" })],
    ["application.delete", (s) => s.application.delete(app)],
    ["eventType.list", (s) => s.eventType.list()],
    ["eventType.create", (s) => s.eventType.create(type)],
    ["eventType.importOpenapi", (s) => s.eventType.importOpenapi({ spec: { webhooks: {} } })],
    ["eventType.get", (s) => s.eventType.get("user.created")],
    ["eventType.patch", (s) => s.eventType.patch("user.created", {})],
    ["eventType.delete", (s) => s.eventType.delete("user.created")],
    ["eventType.update", (s) => s.eventType.update("own", { description: "" })],
    ["endpoint.list", (s) => s.endpoint.list(app)],
    ["endpoint.create", (s) => s.endpoint.create(app, { url })],
    ["endpoint.get", (s) => s.endpoint.get(app, "a")],
    ["endpoint.update", (s) => s.endpoint.update(app, "a", { url })],
    ["endpoint.patch", (s) => s.endpoint.patch(app, "a", {})],
    ["endpoint.delete", (s) => s.endpoint.delete(app, "a")],
    ["endpoint.getSecret", (s) => s.endpoint.getSecret(app, "a")],
    ["endpoint.rotateSecret", (s) => s.endpoint.rotateSecret(app, "a", {})],
    ["endpoint.getHeaders", (s) => s.endpoint.getHeaders(app, "a")],
    ["endpoint.updateHeaders", (s) => s.endpoint.updateHeaders(app, "a", { headers: {} })],
    ["endpoint.patchHeaders", (s) => s.endpoint.patchHeaders(app, "a", { headers: {} })],
    ["endpoint.getStats", (s) => s.endpoint.getStats(app, "a")],
    ["endpoint.sendExample", (s) => s.endpoint.sendExample(app, "a", { eventType: "svix.ping" })],
    ["endpoint.recover", (s) => s.endpoint.recover(app, "a", { since })],
    ["endpoint.replayMissing", (s) => s.endpoint.replayMissing(app, "a", { since })],
    ["endpoint.bulkReplay", (s) => s.endpoint.bulkReplay(app, "a", { since })],
    ["message.create", (s) => s.message.create(app, { eventType: "x", payload: {} })],
    ["message.list", (s) => s.message.list(app)],
    ["message.get", (s) => s.message.get(app, msg)],
    ["message.precheck", (s) => s.message.precheck(app, { eventType: "x" })],
    ["message.expungeContent", (s) => s.message.expungeContent(app, msg)],
    ["message.expungeAllContents", (s) => s.message.expungeAllContents(app)],
    ["message.poller.poll", (s) => s.message.poller.poll(app, "sink")],
    ["messageAttempt.listByMsg", (s) => s.messageAttempt.listByMsg(app, msg)],
    ["messageAttempt.listByEndpoint", (s) => s.messageAttempt.listByEndpoint(app, "a")],
    ["messageAttempt.get", (s) => s.messageAttempt.get(app, msg, "atmpt_1")],
    ["messageAttempt.expungeContent", (s) => s.messageAttempt.expungeContent(app, msg, "atmpt_1")],
    ["messageAttempt.resend", (s) => s.messageAttempt.resend(app, msg, "a")],
    ["messageAttempt.messages", (s) => s.messageAttempt.listAttemptedMessages(app, "a")],
    ["messageAttempt.places", (s) => s.messageAttempt.listAttemptedDestinations(app, msg)],
    ["backgroundTask.list", (s) => s.backgroundTask.list()],
    ["backgroundTask.get", (s) => s.backgroundTask.get("qtask_1")],
    ["authentication.appPortalAccess", (s) => s.authentication.appPortalAccess(app, {})],
    ["authentication.expireAll", (s) => s.authentication.expireAll(app, {})],
  ];
}

async function tenants(Svix, svix, server) {
  await test("svix: tokens: none, another's, an application's, revoked", async () => {
    const options = { serverUrl: server.url };
    const app = await svix.application.get("first");
    await refused(401, new Svix("nonsense", options).application.list());
    const told = await refused(401, new Svix(SECRET, options).application.list());
    expect(told.detail.includes("secret"), told.detail);
    const other = new Svix(token({ sub: OTHER_ORG }), options);
    expect((await other.application.list()).data.length === 0, "nothing of ours");
    const { id } = (await svix.message.list("first")).data[0];
    const asked = everyOperation(app.id, id);
    expect(asked.length > 45, `${asked.length}`);
    for (const [name, call] of asked) {
      await refused(401, call(likeVersion1(new Svix("nonsense", options))));
      const wrong = `${token({ sub: ORG }).slice(0, -4)}AAAA`;
      await refused(401, call(likeVersion1(new Svix(wrong, options))));
      if (!OWN.has(name)) await refused(404, call(likeVersion1(other)));
    }
    const access = await svix.authentication.appPortalAccess("first", { featureFlags: [] });
    const portal = new Svix(access.token, options);
    expect((await portal.endpoint.list(app.id)).data.length > 0, "its own");
    await refused(403, portal.application.list());
    await refused(403, portal.message.create(app.id, { eventType: "x", payload: {} }));
    const second = await svix.application.create({ name: "two" });
    await refused(404, portal.endpoint.list(second.id));
    await portal.authentication.logout();
    await refused(401, portal.endpoint.list(app.id));
    const another = await svix.authentication.appPortalAccess("first", {});
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

// Its own retries meet a server that is killed and started while they go on.
async function kills(Svix, server, sink) {
  await test("svix: killed in the middle of a POST while the package retries: one message", async () => {
    const address = server.url.replace("http://", "");
    const svix = likeVersion1(new Svix(token({ sub: ORG }), {
      serverUrl: server.url,
      retryScheduleInMs: Array(60).fill(250),
    }));
    await svix.application.create({ name: "Killed", uid: "killed" });
    await svix.endpoint.create("killed", { url: `${sink.url}/killed`, uid: "k" });
    for (let round = 1; round <= 5; round++) {
      const sending = svix.message.create("killed", { eventType: "x", payload: { round } });
      await new Promise((resolve) => setTimeout(resolve, round * 2)); // hits elsewhere each time
      await server.kill();
      await server.run(address);
      const { id } = await sending;
      const all = (await svix.message.list("killed")).data;
      expect(all.length === round && all[0].id === id, `${all.length} messages in round ${round}`);
    }
    // At least once: what was on its way at a kill comes again.
    await settled(async () => {
      const got = await sink.at("/killed");
      return new Set(got.map((one) => one.headers["webhook-id"])).size === 5;
    });
    await svix.application.delete("killed");
  });
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
  const svix = likeVersion1(new Svix(token({ sub: ORG }), { serverUrl: server.url }));
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
  await tenants(Svix, svix, server);
  await cloudEvents(svix, sink, patch);
  await kills(Svix, server, sink);
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
  const child = spawn(python, [process.env.SVIX_PYTHON_TESTS, server.url, sink.url], {
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
