// Every operation of the sending API that needs a token as a call of Svix's packages: as it is
// meant, with something wrong in it, and in the way of what is there.
import { expect } from "./harness.mjs";

// The error that an operation must end with.
export async function refused(status, promise) {
  try {
    await promise;
  } catch (error) {
    expect(error.code === status, `${error.code} ${JSON.stringify(error.body)}, not ${status}`);
    return error.body;
  }
  throw new Error(`it went through, where ${status} was due`);
}

// Version 2 calls some operations otherwise and leaves content out unless asked.
export function likeVersion1(svix) {
  const listeners = svix.operationalWebhook.endpoint;
  const kinds = [svix.application, svix.eventType, svix.endpoint, listeners];
  for (const kind of kinds.map(Object.getPrototypeOf)) {
    kind.update ??= kind.upsert;
    kind.updateHeaders ??= kind.setHeaders;
  }
  return svix;
}

const since = new Date(Date.now() - 60000);
const url = "http://x.example";
const LONG = { limit: 300 }; // more than a page may have
const NO_WORD = { eventType: "no word" };

const applications = (app) => [
  ["application.list", (s) => s.application.list(), (s) => s.application.list(LONG)],
  ["application.create", (s) => s.application.create({ name: "n" }),
    (s) => s.application.create({ name: "" })],
  ["application.getOrCreate", (s) => s.application.getOrCreate({ name: "n", uid: "n" })],
  ["application.get", (s) => s.application.get(app)],
  ["application.update", (s) => s.application.update(app, { name: "mine" }),
    (s) => s.application.update(app, { name: 5 })],
  ["application.patch", (s) => s.application.patch(app, { name: "mine" }),
    (s) => s.application.patch(app, { throttleRate: -1 })],
  ["application.delete", (s) => s.application.delete(app)],
];

const eventTypes = () => [
  ["eventType.list", (s) => s.eventType.list(), (s) => s.eventType.list(LONG)],
  ["eventType.create", (s) => s.eventType.create({ name: "t", description: "" }),
    (s) => s.eventType.create({ name: "no word", description: "" })],
  ["eventType.importOpenapi", (s) => s.eventType.importOpenapi({ spec: { webhooks: {} } }),
    (s) => s.eventType.importOpenapi({ spec: 5 })],
  ["eventType.get", (s) => s.eventType.get("user.created")],
  ["eventType.patch", (s) => s.eventType.patch("user.created", {}),
    (s) => s.eventType.patch("user.created", { description: 5 })],
  ["eventType.delete", (s) => s.eventType.delete("user.created")],
  ["eventType.update", (s) => s.eventType.update("own", { description: "" }),
    (s) => s.eventType.update("own", { description: 5 })],
];

const endpoints = (app) => [
  ["endpoint.list", (s) => s.endpoint.list(app), (s) => s.endpoint.list(app, LONG)],
  ["endpoint.create", (s) => s.endpoint.create(app, { url }),
    (s) => s.endpoint.create(app, { url: "ftp://x" })],
  ["endpoint.get", (s) => s.endpoint.get(app, "a")],
  ["endpoint.update", (s) => s.endpoint.update(app, "a", { url }),
    (s) => s.endpoint.update(app, "a", { url: 5 })],
  ["endpoint.patch", (s) => s.endpoint.patch(app, "a", {}),
    (s) => s.endpoint.patch(app, "a", { url: null })],
  ["endpoint.delete", (s) => s.endpoint.delete(app, "a")],
  ["endpoint.getSecret", (s) => s.endpoint.getSecret(app, "a")],
  ["endpoint.rotateSecret", (s) => s.endpoint.rotateSecret(app, "a", {}),
    (s) => s.endpoint.rotateSecret(app, "a", { key: "no key" })],
  ["endpoint.getHeaders", (s) => s.endpoint.getHeaders(app, "a")],
  ["endpoint.updateHeaders", (s) => s.endpoint.updateHeaders(app, "a", { headers: {} }),
    (s) => s.endpoint.updateHeaders(app, "a", { headers: { Host: "x" } })],
  ["endpoint.patchHeaders", (s) => s.endpoint.patchHeaders(app, "a", { headers: {} }),
    (s) => s.endpoint.patchHeaders(app, "a", { headers: { "svix-id": "x" } })],
  ["endpoint.getStats", (s) => s.endpoint.getStats(app, "a")],
  ["endpoint.sendExample", (s) => s.endpoint.sendExample(app, "a", { eventType: "svix.ping" }),
    (s) => s.endpoint.sendExample(app, "a", NO_WORD)],
  ["endpoint.recover", (s) => s.endpoint.recover(app, "a", { since }),
    (s) => s.endpoint.recover(app, "a", { since: "yesterday" })],
  ["endpoint.replayMissing", (s) => s.endpoint.replayMissing(app, "a", { since }),
    (s) => s.endpoint.replayMissing(app, "a", { since: "yesterday" })],
  ["endpoint.bulkReplay", (s) => s.endpoint.bulkReplay(app, "a", { since }),
    (s) => s.endpoint.bulkReplay(app, "a", { since, channel: "no word" })],
];

// Only version 2 knows how to expunge several messages at once.
const expunges = (app, msg, svix) =>
  svix.message.bulkExpungeContent
    ? [["message.bulkExpunge", (s) => s.message.bulkExpungeContent(app, { ids: [msg] }),
        (s) => s.message.bulkExpungeContent(app, { ids: [] })]]
    : [];

const messages = (app, msg) => [
  ["message.create", (s) => s.message.create(app, { eventType: "x", payload: {} }),
    (s) => s.message.create(app, { eventType: "x", payload: "text" })],
  ["message.list", (s) => s.message.list(app), (s) => s.message.list(app, LONG)],
  ["message.get", (s) => s.message.get(app, msg)],
  ["message.precheck", (s) => s.message.precheck(app, { eventType: "x" }),
    (s) => s.message.precheck(app, NO_WORD)],
  ["message.expungeContent", (s) => s.message.expungeContent(app, msg)],
  ["message.expungeAllContents", (s) => s.message.expungeAllContents(app)],
  ["message.poller.poll", (s) => s.message.poller.poll(app, "sink"),
    (s) => s.message.poller.poll(app, "a", LONG)],
  ["message.poller.consumerPoll", (s) => s.message.poller.consumerPoll(app, "sink", "one"),
    (s) => s.message.poller.consumerPoll(app, "a", "one", LONG)],
  ["message.poller.consumerSeek",
    (s) => s.message.poller.consumerSeek(app, "sink", "one", { after: since }),
    (s) => s.message.poller.consumerSeek(app, "a", "one", { after: "yesterday" })],
];

const attempts = (app, msg) => [
  ["messageAttempt.listByMsg", (s) => s.messageAttempt.listByMsg(app, msg),
    (s) => s.messageAttempt.listByMsg(app, msg, LONG)],
  ["messageAttempt.listByEndpoint", (s) => s.messageAttempt.listByEndpoint(app, "a"),
    (s) => s.messageAttempt.listByEndpoint(app, "a", LONG)],
  ["messageAttempt.get", (s) => s.messageAttempt.get(app, msg, "atmpt_1")],
  ["messageAttempt.expungeContent", (s) => s.messageAttempt.expungeContent(app, msg, "atmpt_1")],
  ["messageAttempt.resend", (s) => s.messageAttempt.resend(app, msg, "a")],
  ["messageAttempt.messages", (s) => s.messageAttempt.listAttemptedMessages(app, "a"),
    (s) => s.messageAttempt.listAttemptedMessages(app, "a", LONG)],
  ["messageAttempt.places", (s) => s.messageAttempt.listAttemptedDestinations(app, msg),
    (s) => s.messageAttempt.listAttemptedDestinations(app, msg, LONG)],
];

const listeners = (listener) => {
  const of = (s) => s.operationalWebhook.endpoint;
  return [
    ["listener.list", (s) => of(s).list(), (s) => of(s).list(LONG)],
    ["listener.create", (s) => of(s).create({ url }), (s) => of(s).create({ url: "ftp://x" })],
    ["listener.get", (s) => of(s).get(listener)],
    ["listener.update", (s) => of(s).update("own", { url }),
      (s) => of(s).update(listener, { url: 5 })],
    ["listener.delete", (s) => of(s).delete(listener)],
    ["listener.getSecret", (s) => of(s).getSecret(listener)],
    ["listener.rotateSecret", (s) => of(s).rotateSecret(listener, {}),
      (s) => of(s).rotateSecret(listener, { key: "no key" })],
    ["listener.getHeaders", (s) => of(s).getHeaders(listener)],
    ["listener.updateHeaders", (s) => of(s).updateHeaders(listener, { headers: {} }),
      (s) => of(s).updateHeaders(listener, { headers: { Host: "x" } })],
  ];
};

const others = (app) => [
  ["backgroundTask.list", (s) => s.backgroundTask.list(), (s) => s.backgroundTask.list(LONG)],
  ["backgroundTask.get", (s) => s.backgroundTask.get("qtask_1")],
  ["statistics.aggregateAppStats",
    (s) => s.statistics.aggregateAppStats({ since, until: since }),
    (s) => s.statistics.aggregateAppStats({ since, until: "yesterday" })],
  ["statistics.aggregateEventTypes", (s) => s.statistics.aggregateEventTypes()],
  ["authentication.appPortalAccess", (s) => s.authentication.appPortalAccess(app, {}),
    (s) => s.authentication.appPortalAccess(app, { featureFlags: 5 })],
  ["authentication.expireAll", (s) => s.authentication.expireAll(app, {})],
];

// Only version 1 has the older name of the portal's access.
const olderNames = (app, svix) =>
  svix.authentication.dashboardAccess
    ? [["authentication.dashboardAccess", (s) => s.authentication.dashboardAccess(app)]]
    : [];

// [name, as it is meant, with something wrong]; whoever has no body and no page has nothing wrong.
export const everyCall = (svix, app, msg, listener) => [
  ...applications(app), ...eventTypes(), ...endpoints(app), ...messages(app, msg),
  ...expunges(app, msg, svix), ...attempts(app, msg), ...listeners(listener), ...others(app),
  ...olderNames(app, svix),
];

// What is made or listed in the organisation of who asks, whoever has the same elsewhere.
export const OWN = new Set(["application.list", "application.create", "application.getOrCreate",
  "application.update", "eventType.list", "eventType.create", "eventType.update",
  "eventType.importOpenapi", "backgroundTask.list", "listener.list", "listener.create",
  "listener.update", "statistics.aggregateAppStats", "statistics.aggregateEventTypes"]);

// Names that something else has: "first" and "second" are applications, "a" and "b" endpoints,
// "pager" and "other" those of operational webhooks.
export const takenNames = () => [
  ["application.create", (s) => s.application.create({ name: "x", uid: "first" })],
  ["application.update", (s) => s.application.update("second", { name: "x", uid: "first" })],
  ["application.patch", (s) => s.application.patch("second", { uid: "first" })],
  ["eventType.create", (s) => s.eventType.create({ name: "user.created", description: "" })],
  ["endpoint.create", (s) => s.endpoint.create("first", { url, uid: "a" })],
  ["endpoint.update", (s) => s.endpoint.update("first", "b", { url, uid: "a" })],
  ["endpoint.patch", (s) => s.endpoint.patch("first", "b", { uid: "a" })],
  ["message.create",
    (s) => s.message.create("first", { eventType: "x", payload: {}, eventId: "once" })],
  ["listener.create", (s) => s.operationalWebhook.endpoint.create({ url, uid: "pager" })],
  ["listener.update", (s) => s.operationalWebhook.endpoint.update("other", { url, uid: "pager" })],
];

// POSTs under a key (o), of which the second (n) asks for something else than the first.
export const keyedCalls = (listener) => [
  ["application.create", (s, o, n) => s.application.create({ name: `key ${n}` }, o)],
  ["eventType.create", (s, o, n) => s.eventType.create({ name: `k.${n}`, description: "" }, o)],
  ["eventType.importOpenapi", (s, o, n) =>
    s.eventType.importOpenapi({ spec: { webhooks: { [`i.${n}`]: {} } } }, o)],
  ["endpoint.create", (s, o, n) => s.endpoint.create("first", { url: `${url}/${n}` }, o)],
  ["endpoint.rotateSecret", (s, o, n) =>
    s.endpoint.rotateSecret("first", "a", { gracePeriodSeconds: n }, o)],
  ["endpoint.sendExample", (s, o, n) =>
    s.endpoint.sendExample("first", "a", { eventType: n ? "user.created" : "svix.ping" }, o)],
  ["endpoint.recover", (s, o, n) =>
    s.endpoint.recover("first", "a", { since: new Date(since.getTime() + n) }, o)],
  ["endpoint.replayMissing", (s, o, n) =>
    s.endpoint.replayMissing("first", "a", { since: new Date(since.getTime() + n) }, o)],
  ["endpoint.bulkReplay", (s, o, n) =>
    s.endpoint.bulkReplay("first", "a", { since: new Date(since.getTime() + n) }, o)],
  ["statistics.aggregateAppStats", (s, o, n) =>
    s.statistics.aggregateAppStats({ since, until: new Date(since.getTime() + n) }, o)],
  ["message.create", (s, o, n) => s.message.create("first", { eventType: "x", payload: { n } }, o)],
  ["listener.create", (s, o, n) =>
    s.operationalWebhook.endpoint.create({ url: `${url}/${n}` }, o)],
  ["listener.rotateSecret", (s, o, n) =>
    s.operationalWebhook.endpoint.rotateSecret(listener, n ? { key: null } : {}, o)],
];
