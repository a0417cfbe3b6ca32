// HTTP message signatures (RFC 9421) both ways: what npm http-message-signatures signs the daemon
// must accept, and what gaff signs (by hand, as a destination, as an endpoint) it must accept.
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";

import { Daemon, expect, gaffSign, load, test } from "./harness.mjs";

const PUBLIC_URL = "https://hooks.example.org";
const SECRET = "a secret of 26 characters.";
const BODY = '{"id":"evt_1","type":"ping","note":"€"}';
const pairs = {
  ed25519: generateKeyPairSync("ed25519"),
  "ecdsa-p256-sha256": generateKeyPairSync("ec", { namedCurve: "P-256" }),
  "ecdsa-p384-sha384": generateKeyPairSync("ec", { namedCurve: "P-384" }),
  "rsa-pss-sha512": generateKeyPairSync("rsa", { modulusLength: 2048 }),
  "rsa-v1_5-sha256": generateKeyPairSync("rsa", { modulusLength: 2048 }),
};
const algorithms = [...Object.keys(pairs), "hmac-sha256"];
const publicPem = (alg) => pairs[alg].publicKey.export({ format: "pem", type: "spki" });
const privatePem = (alg) => pairs[alg].privateKey.export({ format: "pem", type: "pkcs8" });
const sourceOf = (alg) => `m_${alg.replace(/[^a-z0-9]/g, "_")}`;
const providerOf = (alg) => (alg === "hmac-sha256" ? "rfc9421-hmac" : "rfc9421");
const digest = (body, name = "sha256") =>
  `${name.replace("sha", "sha-")}=:${createHash(name).update(body).digest("base64")}:`;
const tampered = (body) => body.replace(/1/, "2");

async function signedByPackage(daemon, m, alg) {
  const source = sourceOf(alg);
  const key = m.createSigner(alg === "hmac-sha256" ? SECRET : privatePem(alg), alg, "k1");
  const sign = async (fields, more = {}, params = {}) => {
    const request = { method: "POST", url: `${PUBLIC_URL}/in/${source}?a=b%20c`,
      headers: { "content-type": "application/json", "content-digest": digest(BODY), ...more } };
    const signed = await m.httpbis.signMessage({ key, fields, ...params }, request);
    return Object.fromEntries(Object.entries(signed.headers).map(([k, v]) => [k.toLowerCase(), v]));
  };
  const at = `${source}?a=b%20c`;
  const whole = ["@method", "@target-uri", "content-digest"];
  const parts = ["@method", "@authority", "@path", "@query", "@scheme", '@query-param;name="a"',
    "content-type", "content-digest"];
  await daemon.accepts(at, await sign(whole), BODY);
  await daemon.accepts(at, await sign(parts, { "content-digest": digest(BODY, "sha512") }), BODY);
  await daemon.refuses(at, await sign(whole), tampered(BODY));
  await daemon.refuses(at, { ...(await sign(whole)), "content-digest": digest(tampered(BODY)) }, tampered(BODY));
  await daemon.refuses(`${source}?a=other`, await sign(whole), BODY);
  await daemon.refuses(at, await sign(["@method", "content-digest"]), BODY);
  await daemon.refuses(at, await sign(["@method", "@target-uri"]), BODY);
  const old = { paramValues: { created: new Date(Date.now() - 310e3), expires: new Date(Date.now() + 60e3) } };
  await daemon.refuses(at, await sign(whole, {}, old), BODY);
  const expired = { paramValues: { expires: new Date(Date.now() - 5e3) } };
  await daemon.refuses(at, await sign(whole, {}, expired), BODY);
  const other = m.createSigner(alg === "hmac-sha256" ? "another" : generateKeyPairSync("ed25519").privateKey,
    alg === "hmac-sha256" ? alg : "ed25519", "k1");
  await daemon.refuses(at, await sign(whole, {}, { key: other }), BODY);
  await daemon.refuses(at, {}, BODY);
}

// What the package says of a request: true, or why not.
async function judge(m, alg, request, key = publicPem(alg)) {
  const verify = m.createVerifier(key, alg);
  try {
    return await m.httpbis.verifyMessage({
      keyLookup: async ({ keyid }) => (keyid === "gaff-1" ? { id: keyid, algs: [alg], verify } : null),
      requiredFields: ["@method", "@target-uri", "content-type", "content-digest"],
      requiredParams: ["created", "keyid", "alg"],
      tolerance: 60,
    }, request);
  } catch (error) {
    return error;
  }
}

async function judgedByPackage(m, alg) {
  const url = `${PUBLIC_URL}/in/x?a=b%20c`;
  const secret = alg === "hmac-sha256" ? SECRET : privatePem(alg);
  const made = gaffSign(providerOf(alg), secret, BODY, ["--url", url, "--option", "keyid=gaff-1",
    "--header", "Content-Type: application/json"]);
  const request = { method: "POST", url, headers: { "content-type": "application/json", ...made } };
  // An RSA key is one for both of its algorithms: gaff signs with the better one.
  const word = made["signature-input"].match(/alg="([^"]+)"/)[1];
  expect(word === (alg.startsWith("rsa") ? "rsa-pss-sha512" : alg), `signed with ${word}`);
  expect(made["content-digest"] === digest(BODY), "another digest");
  const key = alg === "hmac-sha256" ? SECRET : publicPem(alg);
  const verdict = await judge(m, word, request, key);
  expect(verdict === true, `refused: ${verdict}`);
  expect((await judge(m, word, { ...request, method: "PUT" }, key)) !== true, "accepted another method");
  expect((await judge(m, word, { ...request, url: `${url}&x=1` }, key)) !== true, "accepted another URL");
}

// A server that keeps the request that comes.
async function receiver() {
  let told;
  const heard = new Promise((resolve) => (told = resolve));
  const server = createServer((req, res) => {
    const chunks = [];
    req.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
      res.end();
      told({ method: req.method, url: `http://${req.headers.host}${req.url}`, headers: req.headers,
        body: Buffer.concat(chunks).toString() });
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/hook?x=1`,
    request: () => Promise.race([heard, new Promise((_, no) => setTimeout(() => no(new Error("nothing came")), 60e3).unref())]),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

// A destination of the daemon signs; the receiver asks the package.
async function destination(m) {
  const peer = await receiver();
  process.env.SDK_SIGNING_KEY = privatePem("ed25519");
  const daemon = await Daemon.start({ open: { provider: "none", secrets: [] } }, {
    destinations: { peer: { http: { url: peer.url,
      sign: { provider: "rfc9421", secret: "${env:SDK_SIGNING_KEY}", options: { keyid: "gaff-1" } } } } },
    routes: [{ name: "peer", from: "open", to: ["peer"] }],
  });
  try {
    await daemon.accepts("open", {}, BODY);
    const request = await peer.request();
    expect(request.body === BODY, `another body: ${request.body}`);
    expect(request.headers["content-digest"] === digest(BODY), "another digest");
    const verdict = await judge(m, "ed25519", request);
    expect(verdict === true, `refused: ${verdict}`);
    expect((await judge(m, "ed25519", { ...request, url: `${request.url}2` })) !== true, "accepted another URL");
  } finally {
    peer.close();
    await daemon.stop();
  }
}

// An endpoint of the sending API signs by two keys while it rotates; the package verifies with those
// of the set that the daemon publishes, each alone.
async function endpoint(m) {
  const peer = await receiver();
  const daemon = await Daemon.start({}, { sending: { policy: "private" } });
  try {
    const token = daemon.token();
    const admin = /msg=admin address=(\S+)/.exec(daemon.log)[1];
    const call = async (path, body) => {
      const answer = await fetch(`${admin}/api/v1/${path}`, { method: "POST", body: JSON.stringify(body),
        headers: { authorization: `Bearer ${token}` } });
      expect(answer.status < 300, `${path}: ${answer.status} ${await answer.clone().text()}`);
      return answer.json();
    };
    await call("app", { name: "acme", uid: "acme" });
    const { id } = await call("app/acme/endpoint", { url: peer.url, signature: "rfc9421" });
    await call(`app/acme/endpoint/${id}/secret/rotate`, {});
    await call("app/acme/msg", { eventType: "ping", payload: { n: 1 } });
    const request = await peer.request();
    const { keys } = await (await fetch(`${admin}/api/v1/jwks/${id}`)).json();
    expect(keys.length === 2, `${keys.length} keys`);
    expect(request.headers["content-digest"] === digest(request.body), "another digest");
    const verdict = (kid, asked) => m.httpbis.verifyMessage({
      keyLookup: async ({ keyid }) => {
        const jwk = keys.find((one) => one.kid === keyid && one.kid === kid);
        return jwk ? { id: keyid, algs: ["ed25519"],
          verify: m.createVerifier(createPublicKey({ key: jwk, format: "jwk" }), "ed25519") } : null;
      },
      requiredFields: ["@method", "@target-uri", "content-type", "content-digest", "webhook-id", "webhook-timestamp"],
      requiredParams: ["created", "keyid", "alg", "tag"],
      tolerance: 60,
    }, asked).catch((error) => error);
    for (const { kid } of keys) {
      expect((await verdict(kid, request)) === true, `refused with ${kid}: ${await verdict(kid, request)}`);
      const moved = { ...request, headers: { ...request.headers, "webhook-id": "msg_other" } };
      expect((await verdict(kid, moved)) !== true, "accepted another id");
      expect((await verdict(kid, { ...request, url: `${request.url}2` })) !== true, "accepted another URL");
    }
    expect((await verdict("none", request)) !== true, "accepted without a key");
  } finally {
    peer.close();
    await daemon.stop();
  }
}

export async function messages() {
  const m = await load("http-message-signatures");
  if (!m) return;
  const sources = Object.fromEntries(algorithms.map((alg) => [sourceOf(alg),
    { provider: providerOf(alg), secrets: [alg === "hmac-sha256" ? SECRET : publicPem(alg)] }]));
  const daemon = await Daemon.start(sources, { public_url: PUBLIC_URL });
  for (const alg of algorithms)
    await test(`rfc9421 ${alg}, signed by http-message-signatures`, () => signedByPackage(daemon, m, alg));
  for (const alg of algorithms)
    await test(`http-message-signatures accepts what gaff signs with ${alg}`, () => judgedByPackage(m, alg));
  await daemon.stop();
  await test("http-message-signatures accepts what a destination signs", () => destination(m));
  await test("http-message-signatures accepts what an endpoint signs, by its JWK set", () => endpoint(m));
}
