// One entry for each package of a provider: how it signs, how it judges. `sign` makes headers for a
// body (or { headers, body, tampered }); `judge` says or throws whether headers and a body are right;
// `made` gives a right and a wrong request with what the package says of each.
// Called as the packages' own documentation shows it.
import { createHash, createHmac, createSign, generateKeyPairSync } from "node:crypto";

export const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TEXT = "a secret of 26 characters.";
const KEY = createHash("sha256").update(TEXT).digest();
const EVENT = '{"id":"evt_1","type":"ping","event":"ping","data":{"id":1}}';
const FORM = "application/x-www-form-urlencoded";
const hmac = (digest, key, text) => createHmac(digest, key).update(text).digest();
const now = () => Math.floor(Date.now() / 1000);
const standard = (h) => ({
  "webhook-id": h["webhook-id"] ?? h["svix-id"],
  "webhook-timestamp": h["webhook-timestamp"] ?? h["svix-timestamp"],
  "webhook-signature": h["webhook-signature"] ?? h["svix-signature"],
});
const rawKey = (key, type) => key.export({ format: "der", type }).subarray(-32);
const ed25519 = generateKeyPairSync("ed25519");
export const publicKey = rawKey(ed25519.publicKey, "spki");
export const privateKey = rawKey(ed25519.privateKey, "pkcs8");

const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const spki = (pair) => pair.publicKey.export({ format: "der", type: "spki" }).toString("base64");
const pkcs8 = (pair) => pair.privateKey.export({ format: "pem", type: "pkcs8" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const rsaPublic = rsa.publicKey.export({ format: "pem", type: "spki" });
const rsaPrivate = pkcs8(rsa);

// `url` is what the provider was told; `form` what is posted as a form.
export const providers = [
  { provider: "openai", package: "openai", secret: WHSEC,
    judge: (m, h, body) => new m.default({ apiKey: "k", webhookSecret: WHSEC }).webhooks.unwrap(body, standard(h)) },
  { provider: "anthropic", package: "@anthropic-ai/sdk", secret: WHSEC,
    judge: (m, h, body) => new m.default({ apiKey: "k" }).beta.webhooks.unwrap(body, { headers: standard(h), key: WHSEC }) },
  { provider: "replicate", package: "replicate", secret: WHSEC,
    judge: (m, h, body) => m.validateWebhook({ id: h["webhook-id"], timestamp: h["webhook-timestamp"],
      signature: h["webhook-signature"], body, secret: WHSEC }) },
  { provider: "resend", package: "resend", secret: WHSEC,
    judge: (m, h, payload) => new m.Resend("re_x").webhooks.verify({ payload, webhookSecret: WHSEC,
      headers: { id: h["svix-id"], timestamp: h["svix-timestamp"], signature: h["svix-signature"] } }) },
  { provider: "clerk", package: "@clerk/backend/webhooks", secret: WHSEC,
    judge: (m, headers, body) => m.verifyWebhook(new Request("http://x/", { method: "POST", headers, body }),
      { signingSecret: WHSEC }) },
  { provider: "dodo-payments", package: "dodopayments", secret: WHSEC,
    judge: (m, h, body) => new m.default({ bearerToken: "k" }).webhooks.unwrap(body, { headers: h, key: WHSEC }) },
  { provider: "lithic", package: "lithic", secret: WHSEC,
    judge: (m, h, body) => new m.default({ apiKey: "k" }).webhooks.verifySignature(body, h, WHSEC) },
  { provider: "liveblocks", package: "@liveblocks/node", secret: WHSEC,
    body: '{"type":"userEntered","data":{}}',
    judge: (m, headers, rawBody) => new m.WebhookHandler(WHSEC).verifyRequest({ headers, rawBody }) },
  { provider: "privy", package: "@privy-io/node", secret: WHSEC,
    judge: (m, h, body) => new m.PrivyClient({ appId: "a", appSecret: "s", webhookSigningSecret: WHSEC })
      .webhooks().verify({ payload: JSON.parse(body),
        svix: { id: h["svix-id"], timestamp: h["svix-timestamp"], signature: h["svix-signature"] } }) },
  { provider: "seam", package: "@seamapi/webhook", secret: WHSEC,
    judge: (m, h, body) => new m.SeamWebhook(WHSEC).verify(body, h) },
  { provider: "finch", package: "@tryfinch/finch-api", secret: KEY.toString("base64"),
    judge: (m, h, body) => new m.default({ accessToken: "k" }).webhooks.verifySignature(body, h, KEY.toString("base64")) },
  { provider: "stripe", package: "stripe", secret: "whsec_test",
    sign: (m, payload) => ({ "stripe-signature": new m.default("sk").webhooks.generateTestHeaderString(
      { payload, secret: "whsec_test" }) }) },
  { provider: "workos", package: "@workos-inc/node", secret: TEXT,
    sign: async (m, body) => {
      const t = Date.now();
      const v1 = await new m.WorkOS("sk").webhooks.computeSignature(t, JSON.parse(body), TEXT);
      return { "workos-signature": `t=${t}, v1=${v1}` };
    },
    judge: (m, h, body) => new m.WorkOS("sk").webhooks.verifyHeader(
      { payload: JSON.parse(body), sigHeader: h["workos-signature"], secret: TEXT }) },
  { provider: "mux", package: "@mux/mux-node", secret: TEXT,
    judge: (m, h, body) => new m.default({ tokenId: "t", tokenSecret: "s" }).webhooks.verifySignature(body, h, TEXT) },
  { provider: "sanity", package: "@sanity/webhook", secret: TEXT,
    sign: async (m, body) => ({ "sanity-webhook-signature": await m.encodeSignatureHeader(body, Date.now(), TEXT) }),
    judge: (m, h, body) => m.isValidSignature(body, h["sanity-webhook-signature"], TEXT) },
  { provider: "paddle", package: "@paddle/paddle-node-sdk", secret: TEXT,
    judge: (m, h, body) => new m.Paddle("k").webhooks.isSignatureValid(body, TEXT, h["paddle-signature"]) },
  { provider: "hygraph", package: "@hygraph/utils", secret: TEXT,
    sign: (m, body) => ({ "gcms-signature": m.generateWebhookSignature(
      { body: JSON.parse(body), environmentName: "master", secret: TEXT }) }) },
  { provider: "slack", package: "@slack/bolt", secret: TEXT,
    judge: (m, headers, body) => {
      (m.verifySlackRequest ?? m.default.verifySlackRequest)({ signingSecret: TEXT, body, headers });
      return true;
    } },
  { provider: "gr4vy", package: "@gr4vy/sdk/lib/webhooks.js", secret: TEXT,
    judge: (m, h, body) => {
      const verify = m.verifyWebhook ?? m.default?.verifyWebhook;
      verify(body, TEXT, h["x-gr4vy-webhook-signatures"], h["x-gr4vy-webhook-timestamp"], 300);
      return true;
    } },
  { provider: "crisp", package: "crisp-api", secret: TEXT,
    judge: (m, h, body) => new (m.Crisp ?? m.default)().verifyWidget(TEXT, JSON.parse(body),
      h["x-crisp-request-timestamp"], h["x-crisp-signature"]) },
  { provider: "lovable", package: "@lovable.dev/webhooks-js", secret: TEXT,
    judge: (m, h, body) => m.verifyWebhookSignature({ secret: TEXT, signature: h["x-lovable-signature"],
      signedPayload: `${h["x-lovable-timestamp"]}.${body}` }) },
  { provider: "hookdeck", package: "@hookdeck/sdk/webhooks/helpers.js", secret: TEXT,
    judge: async (m, headers, rawBody) => (await (m.verifyWebhookSignature ?? m.default.verifyWebhookSignature)(
      { headers, rawBody, signingSecret: TEXT, config: { checkSourceVerification: false } })).isValidSignature },
  { provider: "github", package: "@octokit/webhooks-methods", secret: TEXT,
    sign: async (m, body) => ({ "x-hub-signature-256": await m.sign(TEXT, body) }),
    judge: (m, h, body) => m.verify(TEXT, body, h["x-hub-signature-256"]) },
  { provider: "x-hub-signature", package: "x-hub-signature", secret: TEXT,
    sign: (m, body) => ({ "x-hub-signature-256": new (m.default ?? m)("sha256", TEXT).sign(body) }) },
  { provider: "line", package: "@line/bot-sdk", secret: TEXT,
    judge: (m, h, body) => m.validateSignature(body, TEXT, h["x-line-signature"]) },
  { provider: "whatsapp", package: "whatsapp-api-js", secret: TEXT,
    judge: (m, h, body) => new m.WhatsAppAPI({ token: "t", appSecret: TEXT }).verifyRequestSignature(
      body, h["x-hub-signature-256"]) },
  { provider: "razorpay", package: "razorpay", secret: TEXT,
    judge: (m, h, body) => m.default.validateWebhookSignature(body, h["x-razorpay-signature"], TEXT) },
  { provider: "linear", package: "@linear/sdk/webhooks", secret: TEXT,
    body: () => JSON.stringify({ type: "Issue", webhookTimestamp: Date.now() }),
    judge: (m, h, body) => new m.LinearWebhookClient(TEXT).verify(Buffer.from(body), h["linear-signature"]) },
  { provider: "notion", package: "@notionhq/client", secret: TEXT,
    judge: (m, h, body) => m.verifyWebhookSignature({ body, signature: h["x-notion-signature"], verificationToken: TEXT }) },
  { provider: "modern-treasury", package: "modern-treasury", secret: TEXT,
    judge: (m, h, body) => new m.default({ apiKey: "k", organizationID: "o" }).webhooks.validateSignature(body, h, { key: TEXT }) },
  { provider: "gocardless", package: "gocardless-nodejs/webhooks", secret: TEXT,
    body: '{"events":[{"id":"EV1"}]}',
    judge: (m, h, body) => (m.parse ?? m.default.parse)(body, TEXT, h["webhook-signature"]) },
  { provider: "coinbase-commerce", package: "coinbase-commerce-node", secret: TEXT,
    body: '{"event":{"id":"1","type":"x"}}',
    judge: (m, h, body) => {
      m.default.Webhook.verifySigHeader(body, h["x-cc-webhook-signature"], TEXT);
      return true;
    } },
  { provider: "onfido", package: "@onfido/api", secret: TEXT,
    judge: (m, h, body) => new m.WebhookEventVerifier(TEXT).readPayload(body, h["x-sha2-signature"]) },
  { provider: "viber", package: "viber-bot/lib/message/message-validator.js", secret: TEXT,
    judge: (m, h, body) => new m.default({ debug() {} }, TEXT).validateMessage(h["x-viber-content-signature"], body) },
  { provider: "pusher", package: "pusher", secret: TEXT, sendBeside: { "x-pusher-key": "k" },
    judge: (m, h, rawBody) => new m.default({ appId: "1", key: "k", secret: TEXT, cluster: "eu" }).webhook(
      { headers: { ...h, "x-pusher-key": "k", "content-type": "application/json" }, rawBody }).isValid() },
  { provider: "getstream", package: "stream-chat", secret: TEXT,
    judge: (m, h, body) => new m.StreamChat("k", TEXT).verifyWebhook(body, h["x-signature"]) },
  { provider: "getstream", package: "@stream-io/node-sdk", secret: TEXT,
    judge: (m, h, body) => new m.StreamClient("k", TEXT).verifyWebhook(body, h["x-signature"]) },
  { provider: "kontent", package: "@kontent-ai/webhook-helper", secret: TEXT,
    sign: (m, body) => ({ "x-kontent-ai-signature": m.signatureHelper.getHashFromString(body, TEXT) }),
    judge: (m, h, body) => m.signatureHelper.isValidSignatureFromString(body, TEXT, h["x-kontent-ai-signature"]) },
  { provider: "nango", package: "@nangohq/node", secret: "11111111-2222-4333-8444-555555555555",
    judge: (m, h, body) => new m.Nango({ secretKey: "11111111-2222-4333-8444-555555555555" })
      .verifyIncomingWebhookRequest(body, h) },
  { provider: "smartcar", package: "smartcar", secret: TEXT,
    judge: (m, h, body) => m.default.verifyPayload(TEXT, h["sc-signature"], JSON.parse(body)) },
  { provider: "unit", package: "@unit-finance/unit-node-sdk", secret: TEXT,
    judge: (m, h, body) => new m.Unit("t", "http://x").webhooks.verify(h["x-unit-signature"], TEXT, JSON.parse(body)) },
  { provider: "easypost", package: "@easypost/api", secret: TEXT, asJson: true,
    judge: (m, h, body) => new m.default("k").Utils.validateWebhook(Buffer.from(body),
      { "X-Hmac-Signature": h["x-hmac-signature"] }, TEXT) },
  { provider: "lightspark", package: "@lightsparkdev/lightspark-sdk", secret: TEXT,
    body: JSON.stringify({ event_type: "PAYMENT_FINISHED", event_id: "1", timestamp: "2026-11-23T14:16:30Z", entity_id: "e" }),
    judge: (m, h, body) => m.verifyAndParseWebhook(Buffer.from(body), h["lightspark-signature"], TEXT) },
  { provider: "mailtrap", package: "mailtrap", secret: TEXT,
    judge: (m, h, body) => (m.verifyWebhookSignature ?? m.default.verifyWebhookSignature)(body, h["mailtrap-signature"], TEXT) },
  { provider: "cloudinary", package: "cloudinary", secret: TEXT,
    judge: (m, h, body) => {
      m.default.v2.config({ api_secret: TEXT });
      return m.default.v2.utils.verifyNotificationSignature(body, Number(h["x-cld-timestamp"]), h["x-cld-signature"]);
    } },
  { provider: "orb", package: "orb-billing", secret: TEXT,
    judge: (m, h, body) => {
      new m.default({ apiKey: "k" }).webhooks.verifySignature(body, h, TEXT);
      return true;
    } },
  { provider: "webflow", package: "webflow-api", secret: TEXT,
    judge: (m, h, body) => new m.WebflowClient({ accessToken: "k" }).webhooks.verifySignature(
      { headers: h, body, secret: TEXT }) },
  { provider: "coinbase-cdp", package: "hook0-client", secret: TEXT,
    judge: (m, h, body) => m.verifyWebhookSignature(h["x-hook0-signature"], Buffer.from(body), new Headers(h), TEXT, 300) },
  { provider: "adyen-header", package: "@adyen/api-library", secret: KEY.toString("hex"),
    judge: (m, h, body) => new (m.hmacValidator ?? m.default.hmacValidator)().validateHMACSignature(
      KEY.toString("hex"), h.hmacsignature, body) },
  { provider: "adyen-standard", package: "@adyen/api-library", secret: KEY.toString("hex"), inBody: true,
    sign: (m) => {
      const item = { pspReference: "7914073381342284", merchantAccountCode: "Test:Merchant", merchantReference: "a-b",
        amount: { value: 1130, currency: "EUR" }, eventCode: "AUTHORISATION", success: "true", additionalData: {} };
      const mac = new (m.hmacValidator ?? m.default.hmacValidator)().calculateHmac(item, KEY.toString("hex"));
      item.additionalData.hmacSignature = mac;
      const body = JSON.stringify({ notificationItems: [{ NotificationRequestItem: item }] });
      return { headers: {}, body, tampered: body.replace("1130", "1131") };
    } },
  { provider: "payos", package: "@payos/node", secret: TEXT, inBody: true,
    sign: async (m) => {
      const data = { orderCode: 123, amount: 3000, description: "x", reference: "FT1", note: null };
      const client = new m.PayOS({ clientId: "c", apiKey: "a", checksumKey: TEXT });
      const signature = await client.crypto.createSignatureFromObj(data, TEXT);
      const body = JSON.stringify({ code: "00", data, signature });
      return { headers: {}, body, tampered: body.replace("3000", "3001") };
    } },
  { provider: "braintree", package: "braintree", secret: "private_key_7", inBody: true,
    options: { "public-key": "public_key_7" },
    sign: async (m) => {
      const gateway = new m.default.BraintreeGateway({ environment: m.default.Environment.Sandbox,
        merchantId: "m", publicKey: "public_key_7", privateKey: "private_key_7" });
      const sample = await gateway.webhookTesting.sampleNotification("check", "1");
      const form = (payload) => new URLSearchParams({ bt_signature: sample.bt_signature, bt_payload: payload }).toString();
      return { headers: { "content-type": FORM }, body: form(sample.bt_payload),
        tampered: form(`A${sample.bt_payload.slice(1)}`) };
    } },
  { provider: "contentful", package: "@contentful/node-apps-toolkit", secret: KEY.toString("hex"),
    sign: (m, body, url) => m.signRequest(KEY.toString("hex"),
      { method: "POST", path: new URL(url).pathname, headers: {}, body }, Date.now()) },
  { provider: "hubspot", package: "@hubspot/api-client", secret: TEXT, url: true,
    sign: (m, body, url) => {
      const timestamp = Date.now();
      const signature = m.Signature.getSignature("POST", "v3", { requestBody: body, clientSecret: TEXT, url, timestamp });
      return { "x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": String(timestamp) };
    },
    judge: (m, h, body, url) => m.Signature.isValid({ signatureVersion: "v3", signature: h["x-hubspot-signature-v3"],
      timestamp: Number(h["x-hubspot-request-timestamp"]), method: "POST", clientSecret: TEXT, requestBody: body, url }) },
  { provider: "hubspot-v2", package: "@hubspot/api-client", secret: TEXT, url: true,
    sign: (m, body, url) => ({ "x-hubspot-signature": m.Signature.getSignature("POST", "v2",
      { requestBody: body, clientSecret: TEXT, url }) }) },
  { provider: "hubspot-v1", package: "@hubspot/api-client", secret: TEXT,
    sign: (m, body) => ({ "x-hubspot-signature": m.Signature.getSignature("POST", "v1",
      { requestBody: body, clientSecret: TEXT }) }) },
  { provider: "twilio", package: "twilio", secret: TEXT, url: true, form: { To: "+1", Body: "a & b", CallSid: "CA1" },
    sign: (m, _, url, form) => ({ "x-twilio-signature": m.default.getExpectedTwilioSignature(TEXT, url, form) }),
    judge: (m, h, body, url) => m.default.validateRequest(TEXT, h["x-twilio-signature"], url,
      Object.fromEntries(new URLSearchParams(body))) },
  { provider: "twilio-json", package: "twilio", secret: TEXT, url: true, asJson: true,
    path: (m, body) => `?bodySHA256=${m.default.getExpectedBodyHash(body)}`,
    sign: (m, _, url) => ({ "x-twilio-signature": m.default.getExpectedTwilioSignature(TEXT, url, {}) }) },
  { provider: "plivo-v3", package: "plivo", secret: TEXT, url: true, form: { To: "1", Text: "hi" },
    signBeside: ["X-Plivo-Signature-V3-Nonce: n1"],
    judge: (m, h, body, url) => m.validateV3Signature("POST", url, "n1", TEXT, h["x-plivo-signature-v3"],
      Object.fromEntries(new URLSearchParams(body))) },
  { provider: "chargebee", package: "chargebee", secret: "gaff:pass word",
    judge: async (m, h) => {
      await m.basicAuthValidator((user, password) => user === "gaff" && password === "pass word")(h);
      return true;
    }, credential: true },
  { provider: "discord", package: "discord-interactions", secret: publicKey.toString("hex"),
    signingSecret: privateKey.toString("hex"),
    judge: (m, h, body) => m.verifyKey(body, h["x-signature-ed25519"], h["x-signature-timestamp"], publicKey.toString("hex")) },
  { provider: "telnyx", package: "telnyx", secret: publicKey.toString("base64"),
    signingSecret: privateKey.toString("base64"),
    judge: (m, h, body) => new m.default({ apiKey: "k", publicKey: publicKey.toString("base64") }).webhooks.unwrap(
      body, { headers: h }) },
  { provider: "whop", package: "@whop/sdk", secret: TEXT,
    judge: (m, h, body) => new m.default({ apiKey: "k", webhookKey: Buffer.from(TEXT).toString("base64") }).webhooks.unwrap(
      body, { headers: h }) },
  { provider: "imagekit", package: "@imagekit/nodejs", secret: TEXT,
    judge: (m, h, body) => new m.default({ privateKey: "k", webhookSecret: TEXT }).webhooks.unwrap(
      body, { headers: h, key: TEXT }) },
  { provider: "terra", package: "terra-api", secret: TEXT,
    judge: (m, h, body) => m.verifyTerraWebhookSignature(body, h["terra-signature"], TEXT) },
  { provider: "fathom", package: "fathom-typescript", secret: WHSEC,
    judge: (m, h, body) => m.Fathom.verifyWebhook(WHSEC, standard(h), body) },
  { provider: "sendgrid", package: "@sendgrid/eventwebhook", secret: spki(p256), signingSecret: pkcs8(p256),
    judge: (m, h, body) => {
      const hook = new (m.EventWebhook ?? m.default.EventWebhook)();
      return hook.verifySignature(hook.convertPublicKeyToECDSA(spki(p256)), body,
        h["x-twilio-email-event-webhook-signature"], h["x-twilio-email-event-webhook-timestamp"]);
    } },
  { provider: "livekit", package: "livekit-server-sdk", secret: TEXT, options: { "api-key": "APIkey" },
    body: '{"event":"room_started","id":"EV1"}',
    sign: async (m, body) => {
      const token = new m.AccessToken("APIkey", TEXT);
      token.sha256 = createHash("sha256").update(body).digest("base64");
      return { authorization: await token.toJwt() };
    },
    judge: (m, h, body) => new m.WebhookReceiver("APIkey", TEXT).receive(body, h.authorization) },
  { provider: "qstash", package: "@upstash/qstash", secret: TEXT,
    judge: (m, h, body, url) => new m.Receiver({ currentSigningKey: TEXT, nextSigningKey: "n" }).verify(
      { signature: h["upstash-signature"], body, url }) },
  { provider: "vonage", package: "@vonage/jwt", secret: TEXT, tokenOnly: true,
    judge: (m, h) => m.verifySignature(h.authorization.slice(7), TEXT) },
  { provider: "authsignal", package: "@authsignal/node", secret: TEXT,
    judge: (m, h, body) => {
      const client = new m.Authsignal({ apiSecretKey: TEXT, apiUrl: "http://127.0.0.1:1" });
      return client.webhook.constructEvent(body, h["x-signature-v2"]).id === "evt_1";
    } },
  { provider: "paytm", package: "paytmchecksum", secret: "merchant-key-16b", inBody: true,
    sign: async (m) => {
      const form = { ORDERID: "o1", STATUS: "TXN_SUCCESS", RESPMSG: "a & ü" };
      const checksum = await m.default.generateSignature({ ...form }, "merchant-key-16b");
      const body = new URLSearchParams({ ...form, CHECKSUMHASH: checksum }).toString();
      return { headers: { "content-type": FORM }, body, tampered: body.replace("o1", "o2") };
    } },
  { provider: "atlassian-connect", package: "atlassian-jwt", secret: TEXT,
    made: (m) => ["/in/of_atlassian_connect", "/in/another"].map((path) => {
      const wanted = m.createQueryStringHash(m.fromMethodAndUrl("POST", "/in/of_atlassian_connect"));
      const qsh = m.createQueryStringHash(m.fromMethodAndUrl("POST", path));
      const token = m.encodeSymmetric({ iss: "ck", qsh, iat: now(), exp: now() + 60 }, TEXT);
      return { headers: { authorization: `JWT ${token}` }, body: EVENT,
        isRight: m.decodeSymmetric(token, TEXT, "HS256").qsh === wanted };
    }) },
  { provider: "wechat-pay", package: "wechatpay-axios-plugin", secret: rsaPublic, signingSecret: rsaPrivate,
    signBeside: ["Wechatpay-Nonce: n0nce", "Wechatpay-Serial: s1"],
    judge: (m, h, body) => {
      const { Rsa, Formatter } = m.Rsa ? m : m.default;
      return Rsa.verify(Formatter.response(h["wechatpay-timestamp"], "n0nce", body), h["wechatpay-signature"], rsaPublic);
    } },
  { provider: "alipay", package: "alipay-sdk", secret: rsaPublic,
    made: (m) => {
      const sdk = new m.AlipaySdk({ appId: "1", privateKey: rsaPrivate, alipayPublicKey: rsaPublic, keyType: "PKCS8" });
      const form = { notify_id: "n1", trade_status: "TRADE_SUCCESS", body: "a & ü" };
      const text = Object.keys(form).sort().map((k) => `${k}=${form[k]}`).join("&");
      const sign = createSign("RSA-SHA256").update(text).sign(rsaPrivate, "base64");
      const good = { ...form, sign_type: "RSA2", sign };
      return [good, { ...good, notify_id: "n2" }].map((f) => ({ headers: { "content-type": FORM },
        body: new URLSearchParams(f).toString(), isRight: sdk.checkNotifySignV2({ ...f }) }));
    } },
  { provider: "mailgun", package: "mailgun-js", secret: TEXT,
    made: (m) => {
      const timestamp = String(now());
      const token = "f00".repeat(16);
      const request = (signature) => ({ timestamp, token, signature });
      const good = request(hmac("sha256", TEXT, timestamp + token).toString("hex"));
      const bad = request(hmac("sha256", "another", timestamp + token).toString("hex"));
      const judge = (s) => m.default({ apiKey: TEXT, domain: "d" }).validateWebhook(s.timestamp, s.token, s.signature);
      const body = (signature) => JSON.stringify({ signature, "event-data": { id: "1", event: "opened" } });
      return [good, bad].map((s) => ({ headers: {}, body: body(s), isRight: judge(s) }));
    } },
  { provider: "opennode", package: "opennode", secret: TEXT,
    made: (m) => [TEXT, "another"].map((key) => {
      const charge = { id: "c1", status: "paid", hashed_order: hmac("sha256", key, "c1").toString("hex") };
      const client = new (m.OpenNodeClient ?? m.default.OpenNodeClient)(TEXT, "dev");
      return { headers: { "content-type": FORM }, body: new URLSearchParams(charge).toString(),
        isRight: client.verifySignature(charge) };
    }) },
];

export const bodyOf = (one) => {
  if (one.form) return new URLSearchParams(one.form).toString();
  return typeof one.body === "function" ? one.body() : (one.body ?? EVENT);
};
