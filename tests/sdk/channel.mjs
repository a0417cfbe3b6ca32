// smee-client, unmodified, against a source that is a channel: what it forwards to the program of a
// developer's machine.
import { createServer } from "node:http";

import { Daemon, expect, load, test } from "./harness.mjs";

const NAME = "k3Jx0vQ2mT9sL5bW8cR1aZ";
const silent = { info() {}, error() {} };

// A program that remembers what it was sent.
async function program() {
  const requests = [];
  let wake = () => {};
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      requests.push({ url: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(chunks)) });
      response.end("ok");
      wake();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/hooks`,
    requests,
    close: () => server.close(),
    async count(n) {
      while (requests.length < n) await new Promise((resolve) => (wake = resolve));
    },
  };
}

export async function channel() {
  const module = await load("smee-client");
  if (!module) return;
  const daemon = await Daemon.start({ dev: { provider: "none", secrets: [], path: `/in/${NAME}`, channel: true } });
  const post = (query, headers, body) =>
    fetch(`${daemon.url}/in/${NAME}${query}`, { method: "POST", headers, body }).then((answer) => expect(answer.status === 200, answer.status));
  const target = await program();
  const client = new module.SmeeClient({ source: `${daemon.url}/in/${NAME}`, target: target.url, logger: silent });
  await test("smee-client takes events of a channel, with fields, query and body", async () => {
    await client.start();
    await post("?a=1&b=x%20y", { "content-type": "application/json", "x-github-event": "push", authorization: "Bearer hidden" }, '{\n"ref": "main"}');
    await target.count(1);
    const [got] = target.requests;
    expect(got.body.ref === "main" && got.url === "/hooks?a=1&b=x+y", JSON.stringify(got));
    expect(got.headers["x-github-event"] === "push", "a field is missing");
    expect(!JSON.stringify(got).includes("Bearer hidden"), "a credential came through");
    await post("", { "content-type": "application/x-www-form-urlencoded" }, "payload=%7B%22n%22%3A1%7D&b=2");
    await target.count(2);
    expect(target.requests[1].body.payload === '{"n":1}' && target.requests[1].body.b === "2", JSON.stringify(target.requests[1].body));
  });
  await test("two clients of a channel both get each event", async () => {
    const other = await program();
    const second = new module.SmeeClient({ source: `${daemon.url}/in/${NAME}`, target: other.url, logger: silent });
    await second.start();
    await post("", { "content-type": "application/json" }, '{"n":3}');
    await Promise.all([target.count(3), other.count(1)]);
    expect(other.requests[0].body.n === 3 && target.requests[2].body.n === 3, "another event");
    await second.stop();
    other.close();
  });
  await client.stop();
  target.close();
  await daemon.stop();
}
