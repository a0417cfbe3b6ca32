// harness.mjs -- a daemon of our own, a browser, and a runner that counts.
import { spawn, execFileSync } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { TOKEN, makeStore } from "./store.mjs";

export const SECRET = "correct horse battery staple";
const GAFF = process.env.GAFF;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const counts = { passed: 0, failed: 0, skipped: 0 };

/** @param {string} name @param {() => Promise<void>} fn */
export async function test(name, fn) {
    const only = process.argv[2];
    if (only && !name.includes(only)) return;
    try {
        await fn();
        counts.passed++;
        console.log("ok", name);
    } catch (error) {
        counts.failed++;
        console.log("FAIL", name);
        console.log(error);
    }
}

export function finish() {
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    process.exit(counts.failed ? 1 : 0);
}

export function expect(value, message) {
    if (!value) throw new Error(message ?? "expected otherwise");
}

export class Daemon {
    static async start(config, args = ["--config", "gaff.yaml"], env = {}) {
        const d = new Daemon();
        d.dir = mkdtempSync(join(tmpdir(), "gaff-web-"));
        if (config !== null) writeFileSync(join(d.dir, "gaff.yaml"), config);
        d.log = "";
        d.store = makeStore();
        d.env = { ...process.env, ...d.store.env, ...env };
        d.process = spawn(GAFF, ["serve", ...args], { cwd: d.dir, env: d.env, stdio: ["ignore", "pipe", "pipe"] });
        for (const stream of [d.process.stdout, d.process.stderr]) stream.on("data", (b) => (d.log += b));
        await until(() => d.log.includes("msg=ready") || d.process.exitCode !== null, "the daemon");
        expect(d.process.exitCode === null, d.log);
        d.url = /msg=listening address=(\S+)/.exec(d.log)[1];
        d.admin = /msg=admin address=(\S+)/.exec(d.log)[1];
        if (TOKEN) d.env.GAFF_API = d.admin; // nodes are not found by their data directory
        return d;
    }

    async stop() {
        this.process.kill("SIGINT");
        await until(() => this.process.exitCode !== null, "the end");
        rmSync(this.dir, { recursive: true, force: true });
        this.store.drop();
    }

    write(name, text) {
        writeFileSync(join(this.dir, name), text);
    }

    token() {
        return TOKEN ?? readFileSync(join(this.dir, "gaff-data/admin.token"), "utf8").trim();
    }

    /** The link that `gaff open` prints. */
    link() {
        return execFileSync(GAFF, ["open"], { cwd: this.dir, env: this.env, encoding: "utf8" }).trim();
    }

    async api(method, path, body) {
        const answer = await fetch(`${this.admin}/api/v1${path}`, {
            method,
            headers: { Authorization: `Bearer ${this.token()}`, "Content-Type": "application/json" },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        const text = await answer.text();
        return text ? JSON.parse(text) : null;
    }

    /** A push as GitHub signs it. */
    async github(payload, { secret = SECRET, event = "push", path = "/in/github", delivery = randomUUID(), headers = {} } = {}) {
        const body = typeof payload === "string" ? payload : JSON.stringify(payload);
        const signature = createHmac("sha256", secret).update(body).digest("hex");
        const answer = await fetch(this.url + path, {
            method: "POST",
            headers: {
                "Content-Type": "application/json",
                "X-GitHub-Event": event,
                "X-GitHub-Delivery": delivery,
                "X-Hub-Signature-256": `sha256=${signature}`,
                ...headers,
            },
            body,
        });
        return answer.json();
    }
}

/** An HTTP destination that answers with the status that `status` says and the text that `said` says,
 * as the body and in a header, and remembers what it was asked. */
export async function target(status, said = () => "said") {
    const requests = [];
    const server = createServer((request, response) => {
        let body = "";
        request.setEncoding("utf8");
        request.on("data", (part) => (body += part));
        request.on("end", () => {
            requests.push({ url: request.url, headers: request.headers, body });
            response.statusCode = status(request.url);
            response.setHeader("X-Said", said(body).replaceAll(/[^ -~]/g, ""));
            response.end(said(body));
        });
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${server.address().port}`, requests, close: () => server.close() };
}

/** Polls; the limit only ends a test that would hang. */
export async function until(condition, what) {
    const end = Date.now() + 60000;
    for (;;) {
        const value = await condition();
        if (value) return value;
        if (Date.now() > end) throw new Error(`never happened: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

export async function openBrowser() {
    return chromium.launch({
        executablePath: process.env.CHROMIUM,
        args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
}

/** A page that fails the test when the browser complains: a script error, or the policy broken. */
export async function openPage(browser, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: "dark", ...options });
    const page = await context.newPage();
    page.complaints = [];
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on("console", (message) => {
        if (message.type() === "error" && !/status of (401|404|409|422|400)/.test(message.text())) page.complaints.push(message.text());
    });
    return page;
}

export async function enter(page, daemon) {
    await page.goto(daemon.link());
    await page.getByRole("heading", { name: "Live" }).waitFor();
}

export function shot(page, name) {
    return page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: true });
}

export async function violations(page) {
    // As the tools of a browser do it: not as a script of the page, which the policy forbids.
    return page.evaluate(async (source) => {
        globalThis.eval(source);
        const result = await globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
        return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`);
    }, axe);
}

export function widerThanWindow(page) {
    return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
