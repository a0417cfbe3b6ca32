// Which operations of the sending API a package has called, and what it was answered: kept by a
// proxy between the package and the server, and held against the server's own table of operations
// (/openapi.json). An operation that no test calls is a failure, not a gap that nobody sees.
import { Agent, createServer, request } from "node:http";

import { expect, test } from "./harness.mjs";

// Of these the packages know nothing: Gaff's own, older paths, what machines read.
const OF_NO_PACKAGE = [
  "gaff.asyncapi",
  "gaff.background-task.cancel",
  "gaff.endpoint.close-circuit",
  "gaff.endpoint.jwks",
  "gaff.openapi",
  "v1.health.ping",
  "v1.message-attempt.list-by-endpoint-deprecated",
  "v1.message-attempt.list-by-msg-deprecated",
];
const LACKING = {
  svix: [...OF_NO_PACKAGE, "v1.endpoint.get-attempt-stats", "v1.message.bulk-expunge"],
  svix2: [...OF_NO_PACKAGE, "v1.authentication.dashboard-access",
    "v1.endpoint.get-attempt-stats"],
  "svix for Python": [...OF_NO_PACKAGE, "v1.authentication.dashboard-access"],
};
// The package of version 1, which alone has it, sends no body in which something could be wrong.
const WITHOUT_BODY = new Set(["v1.authentication.dashboard-access"]);
// They make what is not there under the name that was asked for.
const UPSERTS = new Set([
  "v1.application.update",
  "v1.event-type.update",
  "v1.operational-webhook.endpoint.update",
]);
// A name that is taken, or a key that stood for another body.
const CONFLICTS = new Set([
  "v1.application.create",
  "v1.application.patch",
  "v1.application.update",
  "v1.endpoint.bulk-replay",
  "v1.endpoint.create",
  "v1.endpoint.patch",
  "v1.endpoint.recover",
  "v1.endpoint.replay-missing",
  "v1.endpoint.rotate-secret",
  "v1.endpoint.send-example",
  "v1.endpoint.update",
  "v1.event-type.create",
  "v1.event-type.import-openapi",
  "v1.message.create",
  "v1.operational-webhook.endpoint.create",
  "v1.operational-webhook.endpoint.rotate-secret",
  "v1.operational-webhook.endpoint.update",
  "v1.statistics.aggregate-app-stats",
]);

export class Recorder {
  static start(target) {
    const recorder = new Recorder();
    const { hostname, port } = new URL(target);
    recorder.seen = []; // { method, path, status }
    recorder.agent = new Agent({ keepAlive: true });
    recorder.accident = null; // what happens in the middle of the next request, once
    recorder.server = createServer((incoming, outgoing) => {
      const { method, url, headers } = incoming;
      const { accident } = recorder;
      recorder.accident = null;
      const onward = request({ hostname, port, method, path: url, headers, agent: recorder.agent });
      onward.on("response", (answer) => {
        recorder.seen.push({ method, path: url.split("?")[0], status: answer.statusCode });
        if (accident) {
          accident.unheard(answer).finally(() => outgoing.destroy());
          return;
        }
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on("error", () => outgoing.destroy());
      if (accident?.half) accident.half(incoming, onward).finally(() => outgoing.destroy());
      else incoming.pipe(onward);
    });
    return new Promise((resolve) =>
      recorder.server.listen(0, "127.0.0.1", () => {
        recorder.url = `http://127.0.0.1:${recorder.server.address().port}`;
        resolve(recorder);
      }),
    );
  }
  // The next answer never reaches the package: the promise has it, after `then` was done.
  loseNextAnswer(then) {
    return new Promise((resolve) => {
      this.accident = {
        unheard: async (answer) => {
          const parts = [];
          for await (const part of answer) parts.push(part);
          await then();
          resolve(JSON.parse(Buffer.concat(parts).toString()));
        },
      };
    });
  }
  // Of the next request the server gets the head and half of the body; then it is as `then` says.
  breakNextRequest(then) {
    return new Promise((resolve) => {
      this.accident = {
        half: async (incoming, onward) => {
          const parts = [];
          for await (const part of incoming) parts.push(part);
          const body = Buffer.concat(parts);
          await new Promise((sent) => onward.write(body.subarray(0, body.length / 2), sent));
          await then();
          onward.destroy();
          resolve();
        },
        unheard: async () => {},
      };
    });
  }
  stop() {
    this.agent.destroy();
    this.server.closeAllConnections();
    this.server.close();
  }
}

// The rows of the table, those with fewer parameters first: "msg/bulk-expunge" is no message.
function rowsOf(document) {
  const rows = [];
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const { operationId: id, parameters = [], security, requestBody } = operation;
      const form = path.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+");
      const schema = requestBody?.content["application/json"].schema.$ref.split("/").pop();
      const members = schema ? Object.keys(document.components.schemas[schema].properties) : [];
      rows.push({
        id,
        method: method.toUpperCase(),
        form: new RegExp(`^${form}/?$`),
        params: path.split("{").length - 1,
        open: Boolean(security && security.length === 0),
        checked: members.length > 0 || parameters.some((one) => one.name === "limit"),
        statuses: new Set(),
      });
    }
  return rows.sort((a, b) => a.params - b.params);
}

function faultsOf(row) {
  const due = [];
  const got = (status) => row.statuses.has(status);
  if (![...row.statuses].some((status) => status >= 200 && status < 300)) due.push("2xx");
  if (!row.open && !got(401)) due.push("401");
  if (row.params > 0 && !UPSERTS.has(row.id) && !got(404)) due.push("404");
  if (CONFLICTS.has(row.id) && !got(409)) due.push("409");
  if (row.checked && !WITHOUT_BODY.has(row.id) && !got(422)) due.push("422");
  return due.length ? [`${row.id} (${due.join(", ")})`] : [];
}

export async function everyOperationWasCalled(name, serverUrl, seen) {
  const document = await (await fetch(`${serverUrl}/openapi.json`)).json();
  const rows = rowsOf(document);
  for (const { method, path, status } of seen) {
    const plain = path.replace(/\/{2,}/g, "/");
    const row = rows.find((one) => one.method === method && one.form.test(plain));
    if (row) row.statuses.add(status);
  }
  const lacking = new Set(LACKING[name]);
  await test(`${name}: every operation of the table was called, with every kind of answer`, () => {
    const missing = rows.filter((row) => !lacking.has(row.id)).flatMap(faultsOf);
    expect(missing.length === 0, `not seen: ${missing.join("; ")}`);
  });
  await test(`${name}: what it lacks is in the table and was not called`, () => {
    for (const id of lacking) {
      const row = rows.find((one) => one.id === id);
      expect(row, `${id} is no operation`);
      expect(row.statuses.size === 0, `${id} was called: it is not lacking`);
    }
  });
}
