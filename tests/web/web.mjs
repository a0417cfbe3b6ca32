// web.mjs -- the journeys of a person through the dashboard, in a real browser, and what is true of
// every screen: no accessibility violation, no complaint of the browser, readable on a phone.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Daemon, SECRET, enter, expect, finish, openBrowser, openPage, shot, target, test, until, violations, widerThanWindow } from "./harness.mjs";
import { destinations } from "./destinations.mjs";
import { portal } from "./portal.mjs";

const TOP = process.env.TOP;

// It says again what a payload tells it to.
const sink = await target((url) => (url === "/down" ? 503 : url === "/gone" ? 404 : 200), (body) => (body.includes('"say":') ? JSON.parse(body).say : "said"));
const CONFIG = `listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0" }
sources:
  github: { provider: github, secret: "${SECRET}" }
  many: { provider: none }
destinations:
  good: { http: { url: "${sink.url}/ok" } }
  down: { http: { url: "${sink.url}/down" }, retry: { schedule: [1h] } }
  gone: { http: { url: "${sink.url}/gone" }, retry: { schedule: [] } }
routes:
  - { name: pushes, from: github, match: { event: push }, to: [good, down, gone] }
`;
const daemon = await Daemon.start(CONFIG);
const browser = await openBrowser();
const PUSH = { ref: "refs/heads/main", repository: { full_name: "acme/site", private: false }, commits: [{ id: "c1" }] };

async function stored(payload = PUSH) {
    const { id } = await daemon.github(payload);
    await until(async () => (await daemon.api("GET", `/events/${id}`)).deliveries.every((d) => d.log.length > 0), "attempts");
    return id;
}

await test("the sources of the page pass the type checker and the linter", async () => {
    const here = new URL(".", import.meta.url).pathname;
    const run = (...command) => execFileSync(join(here, "node_modules/.bin", command[0]), command.slice(1), { cwd: join(TOP, "web"), stdio: "pipe", encoding: "utf8" });
    try {
        run("tsc", "-p", ".");
        run("eslint", "-c", join(here, "eslint.config.js"), "src");
    } catch (error) {
        throw new Error(error.stdout + error.stderr);
    }
});

await test("script and style stay within 60 KiB", async () => {
    const { all, begins } = JSON.parse(readFileSync(join(TOP, "build/bundle/web/size"), "utf8"));
    expect(all > 1000 && all <= 60 * 1024, `${all} bytes in brotli`);
    for (const [page, bytes] of Object.entries(begins)) expect(bytes > 1000 && bytes <= 60 * 1024, `${page}: ${bytes} bytes in gzip`);
});

await test("nobody sees anything without signing in, and a link signs in once", async () => {
    const page = await openPage(browser);
    await page.goto(`${daemon.admin}/#/events`);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    const link = daemon.link();
    await page.goto(link);
    await page.reload();
    await page.getByRole("heading", { name: "Live" }).waitFor();
    expect(!page.url().includes("t="), "the ticket is out of the address");
    const other = await openPage(browser);
    await other.goto(link);
    await other.getByText("used already").waitFor();
    await shot(other, "login");
    await other.context().close();
    await page.context().close();
});

await test("an event appears by itself, and its page tells the whole story", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    await page.getByText("live", { exact: true }).waitFor();
    const id = await stored();
    await page.locator(`tr[data-href="#/events/${id}"]`).waitFor();
    await shot(page, "live");
    await page.locator(`tr[data-href="#/events/${id}"] a`).click();
    await page.getByRole("heading", { name: "github push" }).waitFor();
    await page.getByText("HTTP 503").first().waitFor();
    await page.getByText("The target has no such path", { exact: false }).waitFor();
    await page.getByRole("figure").first().waitFor();
    await shot(page, "event");
    await page.getByRole("tab", { name: "Request" }).click();
    await page.getByText("full_name", { exact: false }).first().waitFor();
    await page.getByRole("tab", { name: "Hex" }).click();
    await page.getByText("00000000", { exact: false }).waitFor();
    await page.getByRole("tab", { name: "Verification" }).click();
    await page.getByText("matches hmac-sha256", { exact: false }).waitFor();
    await page.getByRole("tab", { name: "Rules" }).click();
    await page.getByText("route pushes: matched", { exact: false }).waitFor();
    expect(page.complaints.length === 0, page.complaints.join("\n"));
    await page.context().close();
});

await test("a wrong secret is understood on the page", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    await daemon.github(PUSH, { secret: "another" });
    await page.goto(`${daemon.admin}/#/rejected`);
    await page.getByText("is the secret the one set at GitHub", { exact: false }).first().waitFor();
    await shot(page, "rejected");
    await page.context().close();
});

await test("the wizard leads from nothing to the first verified event", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    await page.getByRole("link", { name: "Sources" }).click();
    await page.getByRole("link", { name: "Add a source" }).click();
    await page.getByLabel("Who sends?").fill("github");
    await shot(page, "wizard");
    await page.getByRole("button", { name: "GitHub", exact: true }).click();
    await page.getByLabel("Name").fill("team-repo");
    const secret = await page.getByLabel("Secret").inputValue();
    expect(/^[0-9a-f]{64}$/.test(secret), "a secret was made");
    await page.getByLabel("Deliver to").selectOption("good");
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByText("Waiting for the first event").waitFor();
    await shot(page, "waiting");
    await daemon.github(PUSH, { secret: "wrong", path: "/in/team-repo" });
    await page.getByText("bad_signature").first().waitFor();
    const { id } = await daemon.github(PUSH, { secret, path: "/in/team-repo" });
    await page.locator(`a[href="#/events/${id}"]`).click();
    await page.getByRole("heading", { name: "team-repo push" }).waitFor();
    await until(async () => (await daemon.api("GET", `/events/${id}`)).deliveries[0]?.state === "delivered", "delivered");
    expect(page.complaints.length === 0, page.complaints.join("\n"));
    await page.context().close();
});

await test("an edited replay is a new event, and the two can be compared", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    const id = await stored();
    await page.goto(`${daemon.admin}/#/events/${id}`);
    await page.getByRole("button", { name: "Replay edited" }).click();
    await page.getByLabel("Body").fill(JSON.stringify({ ...PUSH, ref: "refs/heads/edited" }));
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await until(() => !page.url().includes(id), "the new event's page");
    await page.getByRole("button", { name: "Compare" }).click();
    await page.getByLabel("Another event").selectOption(id);
    await page.getByRole("rowheader", { name: "ref", exact: true }).waitFor();
    await page.getByText('"refs/heads/edited"').waitFor();
    await shot(page, "compare");
    await page.context().close();
});

await test("a group of dead letters is replayed, after a moment for second thoughts", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    await stored();
    await page.getByRole("link", { name: "Dead letters" }).first().click();
    await page.getByText("HTTP 404", { exact: false }).first().waitFor();
    await shot(page, "dead");
    const before = (await daemon.api("GET", "/status")).deliveries.dead;
    await page.getByRole("button", { name: "Replay group" }).first().click();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Nothing was replayed").waitFor();
    expect((await daemon.api("GET", "/status")).deliveries.dead === before, "undone");
    await page.getByRole("button", { name: "Replay group" }).first().click();
    await page.getByText("will be made again", { exact: false }).waitFor();
    await page.context().close();
});

await test("a destination is held and let go from its page", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    await page.goto(`${daemon.admin}/#/destinations/good`);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await shot(page, "destination");
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.context().close();
});

await test("the routes tell what a stored event would meet", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    const id = await stored();
    await page.goto(`${daemon.admin}/#/routes`);
    await page.getByLabel("A stored event").selectOption(id);
    await page.getByText("route pushes: matched", { exact: false }).waitFor();
    await page.getByText("It would be delivered to good, down, gone", { exact: false }).waitFor();
    await page.context().close();
});

const SCREENS = { live: "", events: "events", rejected: "rejected", sources: "sources", wizard: "sources/new", destinations: "destinations",
    destination: "destinations/down", "destination-new": "destinations/new", dead: "dead", routes: "routes", applications: "applications", settings: "settings" };

for (const [scheme, width] of [["dark", 1280], ["light", 1280], ["dark", 320]]) {
    await test(`no screen has an accessibility violation, ${scheme}, ${width} px`, async () => {
        const page = await openPage(browser, { colorScheme: scheme, viewport: { width, height: 800 }, bypassCSP: true });
        await enter(page, daemon);
        const id = await stored();
        const found = [];
        for (const [name, path] of [...Object.entries(SCREENS), ["event", `events/${id}`]]) {
            await page.goto(`${daemon.admin}/#/${path}`);
            await page.getByRole("main").getByRole("heading").first().waitFor();
            await page.waitForLoadState("networkidle").catch(() => {});
            found.push(...(await violations(page)).map((v) => `${name}: ${v}`));
            const wide = await widerThanWindow(page);
            if (wide > 0) found.push(`${name}: ${wide} px wider than the window`);
            await shot(page, `${name}-${scheme}-${width}`);
        }
        expect(found.length === 0, found.join("\n"));
        await page.context().close();
    });
}

await test("the keyboard alone reaches an event and replays it", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    await stored();
    await page.locator("tr.row").first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Replay", exact: true }).first().waitFor();
    await until(async () => {
        await page.keyboard.press("Tab");
        return page.evaluate(() => document.activeElement?.textContent === "Replay");
    }, "the focus on Replay");
    await page.keyboard.press("Enter");
    await page.getByText("will be made again", { exact: false }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("d");
    await page.getByRole("heading", { name: "Destinations" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.context().close();
});

await test("nothing that comes from outside ever becomes markup, in whatever field it comes", async () => {
    const page = await openPage(browser);
    await enter(page, daemon);
    const evil = ["<script>window.owned=1</script>", "<img src=x onerror=window.owned=1>", "\"><svg onload=window.owned=1>",
        "javascript:window.owned=1", "{{constructor.constructor('window.owned=1')()}}", "\u202e\u0000<b>", "</pre><iframe srcdoc='<script>parent.owned=1</script>'>"];
    const clean = evil.map((text) => text.replaceAll(/[^ -~]/g, ""));
    const payload = Object.fromEntries(evil.flatMap((text, i) => [[text, text], [`k${i}`, text]]));
    const query = evil.map((text) => `${encodeURIComponent(text)}=${encodeURIComponent(text)}`).join("&");
    const headers = Object.fromEntries(clean.map((text, i) => [`X-Evil-${i}`, text]));
    const from = { path: `/in/github?${query}&raw=<b>'`, headers };
    const ids = [];
    for (const text of clean) ids.push((await daemon.github(payload, { ...from, event: text, delivery: text + ids.length })).id);
    // One that is delivered, so that targets say it too; one that is refused.
    ids.push((await daemon.github({ ...payload, say: evil.join(" ") }, { ...from, delivery: clean[6] })).id);
    await until(async () => (await daemon.api("GET", `/events/${ids.at(-1)}`)).deliveries.every((d) => d.log.length > 0), "attempts");
    expect((await daemon.github(payload, { ...from, secret: "another" })).error, "it is refused");
    const { rejections } = await daemon.api("GET", "/rejections");
    expect(rejections.length > 0, "a refused request is kept");
    const looks = ["", "events", "routes", "sources", "destinations", "dead", "rejected", `rejected/${rejections[0].id}`, ...ids.map((id) => `events/${id}`)];
    for (const path of looks) {
        await page.goto(`${daemon.admin}/#/${path}`);
        await page.getByRole("main").getByRole("heading").first().waitFor();
        expect((await page.locator("main iframe, main script, main img, main svg[onload]").count()) === 0, `markup at ${path}`);
    }
    await page.getByRole("tab", { name: "Request" }).click();
    await page.getByText("onerror", { exact: false }).first().waitFor();
    await page.getByText("X-Evil-6", { exact: false }).first().waitFor();
    expect((await page.locator("main iframe, main script, main img, main svg[onload]").count()) === 0, "a request is markup");
    expect((await page.evaluate(() => window.owned)) === undefined, "something from outside ran");
    expect(page.complaints.length === 0, page.complaints.join("\n"));
    await page.context().close();
});

await test("a thousand events a second: few strokes, few rows, each counted, and the list still answers", async () => {
    const page = await openPage(browser);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable");
    await enter(page, daemon);
    await page.getByText("live", { exact: true }).waitFor();
    await daemon.github(PUSH, { event: "ping" });
    await page.locator("tr.row").first().waitFor();
    await page.evaluate(() => {
        const seen = (window.seen = { strokes: 0, most: 0, nodes: 0, long: 0, frames: [] });
        new MutationObserver((changes) => {
            if (!changes.some((c) => [...c.addedNodes].some((n) => n.nodeName === "TR"))) return;
            seen.strokes++;
            seen.most = Math.max(seen.most, document.querySelectorAll("tr.row").length);
            seen.nodes = Math.max(seen.nodes, document.querySelectorAll("*").length);
        }).observe(document.querySelector("main"), { childList: true, subtree: true });
        new PerformanceObserver((list) => (seen.long += list.getEntries().length)).observe({ type: "longtask" });
        let last = performance.now();
        const frame = (now) => (seen.frames.push(now - last), (last = now), requestAnimationFrame(frame));
        requestAnimationFrame(frame);
    });
    const before = await page.evaluate(() => document.querySelectorAll("*").length);
    const heap = async () => {
        await cdp.send("HeapProfiler.collectGarbage");
        return (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "JSHeapUsedSize").value;
    };
    // Batches of CloudEvents, a hundred events each, ten a second: what one request brings is told event by event.
    let sent = 0;
    const batch = async (type) => {
        const events = Array.from({ length: 100 }, () => ({ specversion: "1.0", id: `n${sent++}`, source: "/test", type, data: {} }));
        const answer = await fetch(`${daemon.url}/in/many`, { method: "POST", headers: { "Content-Type": "application/cloudevents-batch+json" }, body: JSON.stringify(events) });
        expect(answer.ok, await answer.text());
    };
    const feed = async (seconds, type) => {
        const began = performance.now();
        for (let i = 0; i < seconds * 10; i++) {
            await batch(type);
            await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + (i + 1) * 100 - performance.now())));
        }
        return performance.now() - began;
    };
    const newest = async () => (await daemon.api("GET", "/events?source=many&limit=1")).events[0].id;
    const shown = async () => page.locator(`tr[data-href="#/events/${await newest()}"]`).waitFor();
    const began = await page.evaluate(() => performance.now());
    const took = await feed(4, "tick");
    await shown();
    const first = await heap();
    await feed(3, "tick");
    await shown();
    const second = await heap();
    const seen = await page.evaluate((at) => ({ ...window.seen, took: performance.now() - at }), began);
    expect(seen.most <= 80, `${seen.most} rows`);
    expect(seen.nodes < before + 80 * 30, `${seen.nodes} nodes, ${before} before`);
    expect(seen.strokes <= seen.took / 200 + 3, `${seen.strokes} strokes in ${seen.took} ms`);
    expect(second < first + (4 << 20), `the page grew from ${first} to ${second} bytes`);
    // A filter is obeyed while they come, and what comes while nothing may move is counted to the last.
    const flood = feed(2, "tock");
    await page.getByLabel("Type").fill("tock");
    await page.locator("tr.row", { hasText: "tock" }).first().waitFor();
    expect((await page.locator("tr.row", { hasText: "tick" }).count()) === 0, "only what the filter lets through");
    await flood;
    await shown();
    await page.getByRole("button", { name: "Pause" }).click();
    const top = await page.locator("tr.row").first().getAttribute("data-href");
    await feed(2, "tock");
    await page.getByText("2,000 new", { exact: true }).waitFor();
    expect((await page.locator("tr.row").first().getAttribute("data-href")) === top, "nothing moves");
    await page.getByRole("button", { name: "Go on" }).click();
    await shown();
    expect((await heap()) < second + (4 << 20), "a pause leaves nothing behind");
    const frames = seen.frames.sort((a, b) => a - b);
    const at = (share) => Math.round(frames[Math.floor(frames.length * share)]);
    console.log(`  (4000 events in ${Math.round(took)} ms; frames p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)} ms; ${seen.strokes} strokes, ${seen.long} long tasks, ${seen.nodes} nodes)`);
    expect(page.complaints.length === 0, page.complaints.join("\n"));
    await page.context().close();
});

await daemon.stop();

await test("a first start without any file: at most three steps to the first event on screen", async () => {
    const steps = [];
    const step = (what, run) => (steps.push(what), run());
    const page = await openPage(browser);
    const began = performance.now();
    // Only the ports are of our own choice: 8080 and 8081 may be taken here.
    const first = await step("gaff serve", () => Daemon.start(null, [], { GAFF_LISTEN: "127.0.0.1:0", GAFF_ADMIN__LISTEN: "127.0.0.1:0" }));
    const printed = await until(() => /\S+#\/enter\?t=\S+/.exec(first.log), "the link");
    await step("open the link it prints", () => page.goto(printed[0]));
    await page.getByText("/in/inbox", { exact: false }).first().waitFor();
    await shot(page, "first");
    await step("send a test event", () => page.getByRole("button", { name: "Send a test event" }).click());
    await page.locator("tr.row").first().waitFor();
    console.log(`  the first event is on screen after ${((performance.now() - began) / 1000).toFixed(1)} s and ${steps.length} steps`);
    expect(steps.length <= 3, steps.join(", "));
    expect((await first.api("GET", "/events")).events.length === 1, "it is stored");
    const again = await openPage(browser);
    await again.goto(printed[0]);
    await again.getByText("used already").waitFor();
    // The README says the same first step.
    expect(/^(build\/release\/)?gaff serve\b/m.test(readFileSync(join(TOP, "README.md"), "utf8")), "the README begins so");
    await again.context().close();
    await page.context().close();
    await first.stop();
});

await destinations(browser);
await portal(browser);
await browser.close();
sink.close();
finish();
