// The providers' own packages against gaff: what they sign, the daemon must accept, and refuse
// once one byte differs; what gaff signs, they must accept. Where a package only judges, Node's
// crypto signs for the daemon's side.
import { createHmac, generateKeyPairSync, sign as signWithKey } from "node:crypto";
import { createRequire } from "node:module";

import { Daemon, expect, finish, gaffSign, load, test } from "./harness.mjs";
import { channel } from "./channel.mjs";
import { cloudevents } from "./cloudevents.mjs";
import { messages } from "./message.mjs";
import { bodyOf, providers } from "./providers.mjs";
import { sending } from "./sending.mjs";
import { tools } from "./tools.mjs";

const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECRETS = {
  github: "It's a Secret to Everybody",
  stripe: "whsec_stripe_test_secret",
  slack: "8f742231b10e8888abcd99yyyzzz85a5",
  shopify: "shop-secret",
};
const now = () => Math.floor(Date.now() / 1000);
const tampered = (body) => body.replace(/.$/s, (last) => (last === "}" ? " }" : "}"));

// The 32 raw bytes at the end of an Ed25519 key's DER form.
const pair = generateKeyPairSync("ed25519");
const rawKey = (key, type) =>
  key.export({ format: "der", type }).subarray(-32).toString("base64");
const WHPK = `whpk_${rawKey(pair.publicKey, "spki")}`;
const WHSK = `whsk_${rawKey(pair.privateKey, "pkcs8")}`;

async function github(daemon) {
  const methods = await load("@octokit/webhooks-methods");
  const require = createRequire(import.meta.url);
  if (!methods) return;
  const events = require("@octokit/webhooks-examples/api.github.com/index.json");
  let number = 0;
  for (const event of events) {
    await test(`github ${event.name}, signed by @octokit/webhooks-methods`, async () => {
      for (const example of event.examples) {
        const body = JSON.stringify(example);
        const headers = {
          "x-github-event": event.name,
          "x-github-delivery": `example-${number++}`,
          "x-hub-signature-256": await methods.sign(SECRETS.github, body),
        };
        await daemon.accepts("github", headers, body);
        await daemon.refuses("github", headers, tampered(body));
      }
    });
  }
  await test("github: another secret", async () => {
    const body = "{}";
    const headers = { "x-hub-signature-256": await methods.sign("another", body) };
    await daemon.refuses("github", headers, body);
  });
  await test("@octokit/webhooks-methods accepts what gaff signs", async () => {
    const body = JSON.stringify(events[0].examples[0]);
    const headers = gaffSign("github", SECRETS.github, body);
    const signature = headers["x-hub-signature-256"];
    expect(await methods.verify(SECRETS.github, body, signature), "refused");
    expect(!(await methods.verify(SECRETS.github, tampered(body), signature)), "accepted tampered");
  });
}

async function stripe(daemon) {
  const module = await load("stripe");
  if (!module) return;
  const { webhooks } = new module.default("sk_test_x");
  const payload = (id) => JSON.stringify({ id, object: "event", type: "charge.succeeded", note: "€" });
  const header = (body, more = {}) =>
    webhooks.generateTestHeaderString({ payload: body, secret: SECRETS.stripe, ...more });
  await test("stripe, signed by stripe", async () => {
    const body = payload("evt_1");
    await daemon.accepts("stripe", { "stripe-signature": header(body) }, body);
    await daemon.refuses("stripe", { "stripe-signature": header(body) }, tampered(body));
  });
  await test("stripe, two signatures while a secret is rolled", async () => {
    const body = payload("evt_2");
    const timestamp = now();
    const other = header(body, { timestamp, secret: "whsec_other" });
    const both = `${other},${header(body, { timestamp }).split(",")[1]}`;
    await daemon.accepts("stripe", { "stripe-signature": both }, body);
    await daemon.refuses("stripe", { "stripe-signature": other }, body);
  });
  await test("stripe, too old and too early", async () => {
    const body = payload("evt_3");
    for (const timestamp of [now() - 310, now() + 310])
      await daemon.refuses("stripe", { "stripe-signature": header(body, { timestamp }) }, body);
    for (const [id, timestamp] of [["evt_4", now() - 280], ["evt_5", now() + 280]])
      await daemon.accepts("stripe", { "stripe-signature": header(payload(id), { timestamp }) }, payload(id));
  });
  await test("stripe accepts what gaff signs", async () => {
    const body = payload("evt_6");
    const signature = gaffSign("stripe", SECRETS.stripe, body)["stripe-signature"];
    expect(webhooks.constructEvent(body, signature, SECRETS.stripe).id === "evt_6", "another event");
    let refused = false;
    try {
      webhooks.constructEvent(tampered(body), signature, SECRETS.stripe);
    } catch {
      refused = true;
    }
    expect(refused, "accepted tampered");
  });
}

// standardwebhooks and svix have one interface; svix names its headers in two ways.
async function standard(daemon, name, prefixes) {
  const module = await load(name);
  if (!module) return;
  const webhook = new module.Webhook(WHSEC);
  const headers = (prefix, id, body, date = new Date()) => ({
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: String(Math.floor(date / 1000)),
    [`${prefix}-signature`]: webhook.sign(id, date, body),
  });
  for (const prefix of prefixes) {
    await test(`standard-webhooks, ${prefix}-* signed by ${name}`, async () => {
      const body = '{"type":"invoice.paid","data":{"id":1}}';
      const made = headers(prefix, `msg_${name}_${prefix}`, body);
      await daemon.accepts("standard", made, body);
      await daemon.refuses("standard", made, tampered(body));
      await daemon.refuses("standard", { ...made, [`${prefix}-id`]: "msg_other" }, body);
      await daemon.refuses("standard", { ...made, [`${prefix}-signature`]: "v1," }, body);
      const old = headers(prefix, "msg_old", body, new Date(Date.now() - 310e3));
      await daemon.refuses("standard", old, body);
    });
  }
  await test(`${name} accepts what gaff signs`, async () => {
    const body = '{"type":"invoice.paid"}';
    const made = gaffSign("standard-webhooks", WHSEC, body, ["--id", "msg_from_gaff"]);
    webhook.verify(body, made);
    let refused = false;
    try {
      webhook.verify(tampered(body), made);
    } catch {
      refused = true;
    }
    expect(refused, "accepted tampered");
  });
  await test(`gitlab signing token, signed by ${name}`, async () => {
    const body = '{"object_kind":"push"}';
    const made = { ...headers("webhook", `gl_${name}`, body), "x-gitlab-event": "Push Hook" };
    await daemon.accepts("gitlab", made, body);
    await daemon.refuses("gitlab", made, tampered(body));
  });
}

async function asymmetric(daemon) {
  await test("standard-webhooks v1a, signed by Node's Ed25519", async () => {
    const body = '{"type":"x"}';
    const ts = String(now());
    const signature = signWithKey(null, Buffer.from(`msg_v1a.${ts}.${body}`), pair.privateKey);
    const headers = {
      "webhook-id": "msg_v1a",
      "webhook-timestamp": ts,
      "webhook-signature": `v1a,${signature.toString("base64")}`,
    };
    await daemon.accepts("asymmetric", headers, body);
    await daemon.refuses("asymmetric", headers, tampered(body));
  });
  await test("standard-webhooks v1a, signed by gaff", async () => {
    const body = '{"type":"x"}';
    const headers = gaffSign("standard-webhooks", WHSK, body, ["--id", "msg_v1a_gaff"]);
    await daemon.accepts("asymmetric", headers, body);
  });
}

async function slack(daemon) {
  const headers = (body, ts = now()) => ({
    "x-slack-request-timestamp": String(ts),
    "x-slack-signature": `v0=${createHmac("sha256", SECRETS.slack).update(`v0:${ts}:${body}`).digest("hex")}`,
  });
  await test("slack, signed by Node's crypto", async () => {
    const body = '{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}';
    await daemon.accepts("slack", headers(body), body);
    await daemon.refuses("slack", headers(body), tampered(body));
    await daemon.refuses("slack", headers(body, now() - 310), body);
  });
  await test("slack url_verification", async () => {
    const body = '{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRN"}';
    const text = await daemon.accepts("slack", headers(body), body);
    expect(text === "3eZbrw1aBm2rZgRN", `answered ${text}`);
    await daemon.refuses("slack", headers(`${body} `), body);
  });
  const module = await load("@slack/bolt");
  const verify = module?.verifySlackRequest ?? module?.default?.verifySlackRequest;
  if (!verify) return;
  await test("@slack/bolt accepts what gaff signs", async () => {
    const body = '{"type":"event_callback"}';
    const made = gaffSign("slack", SECRETS.slack, body);
    verify({ signingSecret: SECRETS.slack, body, headers: made });
    let refused = false;
    try {
      verify({ signingSecret: SECRETS.slack, body: tampered(body), headers: made });
    } catch {
      refused = true;
    }
    expect(refused, "accepted tampered");
  });
}

async function shopify(daemon) {
  const sign = (body) => createHmac("sha256", SECRETS.shopify).update(body).digest("base64");
  await test("shopify, signed by Node's crypto", async () => {
    const body = '{"id":1,"title":"ä"}';
    const headers = { "x-shopify-hmac-sha256": sign(body), "x-shopify-topic": "orders/create" };
    await daemon.accepts("shopify", headers, body);
    await daemon.refuses("shopify", headers, tampered(body));
  });
  const adapter = await load("@shopify/shopify-api/adapters/node");
  if (!adapter) return;
  const { shopifyApi, LogSeverity } = await import("@shopify/shopify-api");
  await test("@shopify/shopify-api accepts what gaff signs", async () => {
    const body = '{"id":1}';
    const api = shopifyApi({
      apiKey: "k",
      apiSecretKey: SECRETS.shopify,
      hostName: "example.org",
      apiVersion: "2025-01",
      isEmbeddedApp: false,
      logger: { level: LogSeverity.Error, log: () => {} },
    });
    const made = gaffSign("shopify", SECRETS.shopify, body, ["--event", "orders/create", "--id", "w1"]);
    const headers = {
      "X-Shopify-Shop-Domain": "shop.myshopify.com",
      "X-Shopify-API-Version": "2025-01",
      "X-Shopify-Topic": made["x-shopify-topic"],
      "X-Shopify-Webhook-Id": made["x-shopify-webhook-id"],
      "X-Shopify-Hmac-SHA256": made["x-shopify-hmac-sha256"],
    };
    const judge = (rawBody) => api.webhooks.validate({ rawBody, rawRequest: { method: "POST", url: "/", headers } });
    const good = await judge(body);
    expect(good.valid, `refused: ${good.reason}`);
    const bad = await judge(tampered(body));
    expect(!bad.valid, "accepted tampered");
  });
}

async function credentials(daemon) {
  await test("gitlab secret token", async () => {
    await daemon.accepts("gitlab", { "x-gitlab-token": "plain-token" }, "{}");
    await daemon.refuses("gitlab", { "x-gitlab-token": "plain-tokem" }, "{}");
    await daemon.refuses("gitlab", {}, "{}");
  });
}

const sourceOf = (one) => `of_${one.provider.replaceAll("-", "_")}`;
const PUBLIC_URL = "https://hooks.example.org";
const proofs = { "signed by its own package": new Set(), "judged by its own package": new Set() };

// What the package signs, the daemon must accept, and refuse when one byte differs.
async function signedByPackage(daemon, one, module) {
  const source = sourceOf(one);
  const body = bodyOf(one);
  const path = `/in/${source}${one.path ? one.path(module, body) : ""}`;
  const made = await one.sign(module, body, PUBLIC_URL + path, one.form);
  const request = made.headers ? made : { headers: made, body };
  const headers = { ...request.headers, ...one.sendBeside };
  if (one.form) headers["content-type"] = "application/x-www-form-urlencoded";
  await daemon.accepts(path.slice(4), headers, request.body);
  const bad = request.tampered ?? (one.form ? `${request.body}1` : tampered(request.body));
  await daemon.refuses(path.slice(4), headers, bad);
  if (!one.inBody) await daemon.refuses(path.slice(4), {}, request.body);
  proofs["signed by its own package"].add(one.provider);
}

const isRight = async (judge) => {
  try {
    return (await judge()) !== false;
  } catch (error) {
    return error;
  }
};

// What gaff signs, the package must accept, and refuse when one byte differs; so must the daemon.
async function judgedByPackage(daemon, one, module) {
  const source = sourceOf(one);
  const body = bodyOf(one);
  const url = `${PUBLIC_URL}/in/${source}`;
  const type = one.form ? "application/x-www-form-urlencoded" : "application/json";
  const more = ["--id", "msg_7", "--event", "ping", "--url", url, "--header", `Content-Type: ${type}`];
  for (const line of one.signBeside ?? []) more.push("--header", line);
  for (const [name, value] of Object.entries(one.options ?? {})) more.push("--option", `${name}=${value}`);
  const headers = gaffSign(one.provider, one.signingSecret ?? one.secret, body, more);
  for (const line of one.signBeside ?? []) {
    const colon = line.indexOf(": ");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 2);
  }
  const good = await isRight(() => one.judge(module, { ...headers }, body, url));
  expect(good === true, `refused: ${good}`);
  const bad = one.form ? `${body}1` : body.replace(/[0-9a-z](?=[^0-9a-z]*$)/, (last) => (last === "1" ? "2" : "1"));
  if (!one.credential && !one.tokenOnly)
    expect((await isRight(() => one.judge(module, { ...headers }, bad, url))) !== true, "accepted tampered");
  const sent = { ...headers, ...one.sendBeside, "content-type": type };
  await daemon.accepts(source, sent, body);
  if (!one.credential) await daemon.refuses(source, sent, bad);
  proofs["judged by its own package"].add(one.provider);
}

// Of a request that Node's crypto made, package and daemon must say the same.
async function judgedByBoth(daemon, one, module) {
  const [good, bad] = await one.made(module);
  expect((await good.isRight) === true, "the package refuses the right one");
  expect((await bad.isRight) !== true, "the package accepts the wrong one");
  await daemon.accepts(sourceOf(one), good.headers, good.body);
  await daemon.refuses(sourceOf(one), bad.headers, bad.body);
  proofs["judged by its own package"].add(one.provider);
}

async function eachProvider(daemon) {
  for (const one of providers) {
    const module = await load(one.package);
    if (!module) continue;
    if (one.sign) await test(`${one.provider}, signed by ${one.package}`, () => signedByPackage(daemon, one, module));
    if (one.made) await test(`${one.provider}, judged by ${one.package} and gaff alike`, () => judgedByBoth(daemon, one, module));
    if (one.judge) await test(`${one.package} accepts what gaff signs as ${one.provider}`, () => judgedByPackage(daemon, one, module));
  }
}

const daemon = await Daemon.start({
  github: { provider: "github", secrets: ["a rotated one", SECRETS.github] },
  stripe: { provider: "stripe", secrets: [SECRETS.stripe] },
  slack: { provider: "slack", secrets: [SECRETS.slack] },
  shopify: { provider: "shopify", secrets: [SECRETS.shopify] },
  standard: { provider: "standard-webhooks", secrets: [WHSEC] },
  asymmetric: { provider: "standard-webhooks", secrets: [WHPK] },
  gitlab: { provider: "gitlab", secrets: [WHSEC, "plain-token"] },
  ...Object.fromEntries(providers.map((one) => [sourceOf(one),
    { provider: one.provider, secrets: [one.secret], ...(one.options && { options: one.options }) }])),
}, { public_url: PUBLIC_URL }).catch((error) => error);
if (daemon instanceof Daemon) {
  await github(daemon);
  await stripe(daemon);
  await standard(daemon, "standardwebhooks", ["webhook"]);
  await standard(daemon, "svix", ["svix", "webhook"]);
  await asymmetric(daemon);
  await slack(daemon);
  await shopify(daemon);
  await credentials(daemon);
  await eachProvider(daemon);
  await test("the daemon ends well", async () => expect((await daemon.stop()) === 0, "not 0"));
} else {
  await test("the daemon starts", () => Promise.reject(daemon));
}
for (const [proof, names] of Object.entries(proofs)) console.log(`proof: ${names.size} providers ${proof}`);
await messages();
await cloudevents();
await tools();
await channel();
await sending();
finish();
