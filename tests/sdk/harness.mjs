// What the tests share: counting, a daemon of our own on a port that the system picks, and gaff as
// a command.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOKEN, makeStore } from "./store.mjs";

const GAFF = process.env.GAFF;
const counts = { passed: 0, failed: 0, skipped: 0 };

export async function test(name, fn) {
  try {
    await fn();
    counts.passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    counts.failed++;
    console.log(`FAIL ${name}: ${error.message}`);
  }
}

export function skip(name, reason) {
  counts.skipped++;
  console.log(`skip ${name}: ${reason}`);
}

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

// The module, or null when it cannot be used with this Node; its tests are then skipped.
export async function load(name, options) {
  try {
    return await import(name, options);
  } catch (error) {
    skip(name, error.message.split("\n")[0]);
    return null;
  }
}

export function finish() {
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  process.exitCode = counts.failed ? 1 : 0;
}

// Header lines of `gaff sign`, as an object with lower-case names.
export function gaffSign(provider, secret, body, more = []) {
  const run = spawnSync(GAFF, ["sign", "--provider", provider, "--secret", secret, ...more], {
    input: body,
    encoding: "utf8",
  });
  expect(run.status === 0, `gaff sign ended with ${run.status}: ${run.stderr}`);
  return Object.fromEntries(
    run.stdout
      .trim()
      .split("\n")
      .map((line) => {
        const colon = line.indexOf(": ");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
      }),
  );
}

export class Daemon {
  // sources: { name: { provider, secrets } }; the secrets go through the environment.
  static async start(sources, more = {}) {
    const daemon = new Daemon();
    daemon.directory = mkdtempSync(join(tmpdir(), "gaff-sdk-"));
    daemon.store = makeStore();
    const env = { ...process.env, ...daemon.store.env };
    for (const [name, source] of Object.entries(sources))
      source.secrets = source.secrets.map((secret, i) => {
        env[`SDK_${name.toUpperCase()}_${i}`] = secret;
        return `\${env:SDK_${name.toUpperCase()}_${i}}`;
      });
    const config = {
      ...more,
      listen: "127.0.0.1:0",
      admin: { listen: "127.0.0.1:0" },
      sources,
      destinations: { out: { log: { file: "events.jsonl" } }, ...more.destinations },
      routes: [...Object.keys(sources).map((name) => ({ name, from: name, to: ["out"] })), ...(more.routes ?? [])],
    };
    const path = join(daemon.directory, "gaff.yaml");
    writeFileSync(path, JSON.stringify(config, null, 2));
    daemon.process = spawn(GAFF, ["serve", "--config", path], {
      cwd: daemon.directory,
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    process.on("exit", () => daemon.process.kill("SIGKILL"));
    daemon.log = "";
    daemon.url = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no address in 20 s: ${daemon.log}`)), 20000);
      daemon.process.stderr.on("data", (chunk) => {
        daemon.log += chunk;
        const found = /listening\b.*?address="?(http:\/\/[^\s"]+)/.exec(daemon.log);
        if (!found || !/msg=ready/.test(daemon.log)) return;
        clearTimeout(timer);
        resolve(found[1].replace(/\/$/, ""));
      });
      daemon.process.on("exit", (code) => reject(new Error(`ended with ${code}: ${daemon.log}`)));
      daemon.process.on("error", reject);
    });
    return daemon;
  }

  // The environment of a command that is to find the daemon: nodes tell none by a directory.
  commandEnv() {
    const admin = /msg=admin address=(\S+)/.exec(this.log)[1];
    return TOKEN ? { ...process.env, GAFF_API: admin, GAFF_TOKEN: TOKEN } : { ...process.env };
  }

  token() {
    return TOKEN ?? readFileSync(join(this.directory, "gaff-data", "admin.token"), "utf8").trim();
  }

  // The status of a POST to a source.
  async post(source, headers, body) {
    const answer = await fetch(`${this.url}/in/${source}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
    const text = await answer.text();
    return { status: answer.status, text };
  }

  async accepts(source, headers, body) {
    const { status, text } = await this.post(source, headers, body);
    expect(status >= 200 && status < 300, `expected 2xx, got ${status}: ${text}`);
    return text;
  }

  async refuses(source, headers, body) {
    const { status, text } = await this.post(source, headers, body);
    expect(status === 401, `expected 401, got ${status}: ${text}`);
  }

  async stop() {
    this.process.removeAllListeners("exit");
    const ended = new Promise((resolve) => this.process.on("exit", resolve));
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 30000);
    const code = await ended;
    clearTimeout(timer);
    rmSync(this.directory, { recursive: true, force: true });
    this.store.drop();
    return code;
  }
}
