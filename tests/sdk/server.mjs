// What the tests of the sending API share: a server that can be killed and started again at the same
// address, tokens for it, and a subscriber that keeps what it was sent.
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeStore } from "./store.mjs";

const GAFF = process.env.GAFF;
export const SECRET = "a secret for the tokens of the tests";
export const ORG = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";
export const OTHER_ORG = "org_2rqNjpZDL2e1BRwFsStMRnUjmQL";

const base64url = (text) => Buffer.from(text).toString("base64url");
export function token(claims) {
  const now = Math.floor(Date.now() / 1000);
  const text = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(
    JSON.stringify({ iat: now, nbf: now, exp: now + 3600, iss: "test", ...claims }),
  )}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

export class Server {
  static async start() {
    const server = new Server();
    server.directory = mkdtempSync(join(tmpdir(), "gaff-send-"));
    server.store = makeStore();
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
      env: { ...process.env, ...this.store.env, GAFF_ADMIN__TOKEN: "the-admin-token", ADMIN: "the-admin-token", JWT: SECRET },
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
        this.store.drop();
        resolve(code);
      });
      this.process.kill("SIGTERM");
    });
  }
}

export class Sink {
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
