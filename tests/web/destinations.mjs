// destinations.mjs -- destinations and routes made in the page, and one that fails: left alone,
// drained, understood.
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { Daemon, SECRET, enter, expect, openPage, shot, target, test, until } from "./harness.mjs";

const PUSH = { ref: "refs/heads/main" };

export async function destinations(browser) {
    let broken = true;
    const hook = await target(() => (broken ? 503 : 200));
    const daemon = await Daemon.start(`listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0" }
sources:
  github: { provider: github, secret: "${SECRET}" }
destinations:
  frail: { http: { url: "${hook.url}/frail" }, concurrency: 1, circuit: { failures: 2, wait: 1h, max: 1h }, retry: { schedule: [1s, 1s, 1s, 1h] } }
routes:
  - { name: all, from: github, to: [frail] }
`);

    await test("a destination that fails is left alone, says why, and is tried again by hand", async () => {
        const page = await openPage(browser);
        await enter(page, daemon);
        for (let n = 0; n < 3; n++) await daemon.github({ ...PUSH, n });
        await page.goto(`${daemon.admin}/#/destinations/frail`);
        await page.getByText("it is left alone", { exact: false }).waitFor();
        await page.getByRole("table", { name: "What goes wrong" }).getByText("HTTP 503").waitFor();
        await page.getByText("The target had an error of its own", { exact: false }).waitFor();
        await shot(page, "destination-circuit");
        broken = false;
        await page.getByRole("button", { name: "Try it now" }).click();
        await until(async () => (await daemon.api("GET", "/destinations/frail")).succeeded === 3, "all are delivered");
        await page.getByRole("heading", { name: "frail well" }).waitFor();
        expect((await page.getByText("it is left alone", { exact: false }).count()) === 0, "the circuit is closed");
        await page.context().close();
    });

    await test("what waits is told with its age, and a drain ends it", async () => {
        const page = await openPage(browser);
        await enter(page, daemon);
        await page.goto(`${daemon.admin}/#/destinations/frail`);
        await page.getByRole("button", { name: "Pause" }).click();
        await page.getByRole("button", { name: "Resume" }).waitFor();
        const { id } = await daemon.github({ ...PUSH, waits: true });
        await until(async () => (await daemon.api("GET", "/destinations/frail")).waiting === 1, "one waits");
        await page.locator(".tile", { hasText: "oldest waiting" }).getByText("ago").waitFor();
        await page.getByRole("link", { name: "Destinations" }).click();
        await page.getByRole("row", { name: /^frail/ }).locator('[data-label="Waiting"]', { hasText: "1" }).waitFor();
        await page.goto(`${daemon.admin}/#/destinations/frail`);
        await page.getByRole("button", { name: "Drain" }).click();
        await page.locator(".toast", { hasText: "what waits (1) is cancelled" }).getByRole("button", { name: "Undo" }).click();
        await page.getByText("Nothing was cancelled.").waitFor();
        expect((await daemon.api("GET", "/destinations/frail")).waiting === 1, "it waits still");
        await page.getByRole("button", { name: "Drain" }).click();
        await page.getByText("Drained: 1 cancelled.").waitFor();
        await until(async () => (await daemon.api("GET", `/events/${id}`)).deliveries[0].state === "cancelled", "it is cancelled");
        await page.getByRole("button", { name: "Resume" }).click();
        await page.getByRole("button", { name: "Pause" }).waitFor();
        await page.context().close();
    });

    await test("a destination and a route are made in the page, sign, rotate, and can be exported", async () => {
        const page = await openPage(browser);
        await enter(page, daemon);
        await page.goto(`${daemon.admin}/#/destinations`);
        await page.getByRole("link", { name: "Add a destination" }).click();
        await page.getByLabel("Name").fill("mirror");
        await page.getByLabel("URL").fill(`${hook.url}/mirror`);
        await page.getByRole("button", { name: "Make one" }).click();
        const first = await page.getByLabel("Signing secret").inputValue();
        await shot(page, "destination-form");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByRole("heading", { name: "mirror" }).waitFor();

        await page.goto(`${daemon.admin}/#/routes`);
        await page.getByText("Add a route").click();
        await page.getByLabel("Name").fill("to-mirror");
        await page.getByRole("textbox", { name: "Event" }).fill("push");
        await page.getByRole("checkbox", { name: "mirror" }).check();
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByText("to-mirror · made in this page").waitFor();
        await page.getByText("sends anything, deliver to").waitFor();
        await shot(page, "routes");

        const arrived = (n) => until(() => hook.requests.filter((r) => r.url === "/mirror")[n], "it arrives");
        await daemon.github(PUSH);
        expect(signs(first, await arrived(0)), "signed with the secret that was made");

        await page.goto(`${daemon.admin}/#/destinations/mirror`);
        await page.getByRole("button", { name: "Edit" }).click();
        expect(/^\*{4}[0-9a-f]{8}$/.test(await page.getByLabel("Signing secret").inputValue()), "masked");
        await page.getByRole("button", { name: "Rotate: make another" }).click();
        const second = await page.getByLabel("Signing secret").inputValue();
        expect(second !== first && /^whsec_/.test(second), "another secret");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByText("mirror is in force.").waitFor();
        await daemon.github({ ...PUSH, second: true });
        expect(signs(second, await arrived(1)), "signed with the new one");
        expect(signs(first, await arrived(1)), "and with the old one, for a day");

        const yaml = execFileSync(process.env.GAFF, ["export"], { cwd: daemon.dir, env: daemon.env, encoding: "utf8" });
        expect(yaml.includes("mirror") && yaml.includes("to-mirror") && !yaml.includes(second), yaml);

        await page.goto(`${daemon.admin}/#/routes`);
        await page.getByRole("button", { name: "Remove" }).click();
        await page.locator(".toast").getByRole("button", { name: "Remove" }).click();
        await page.getByText("to-mirror is gone.").waitFor();
        await page.goto(`${daemon.admin}/#/destinations/mirror`);
        await page.getByRole("button", { name: "Remove" }).click();
        await page.locator(".toast").getByRole("button", { name: "Remove" }).click();
        await page.getByText("mirror is gone.").waitFor();
        await page.getByRole("link", { name: "frail" }).waitFor();
        expect(page.complaints.length === 0, page.complaints.join("\n"));
        await page.context().close();
    });

    await test("the settings tell what a broken file would do, and how the disk stands", async () => {
        const page = await openPage(browser);
        await enter(page, daemon);
        await page.goto(`${daemon.admin}/#/settings`);
        await page.getByText("# gaff.yaml:4", { exact: false }).first().waitFor();
        daemon.write("gaff.yaml", "sources: { github: { provider: githb } }\n");
        await page.getByRole("button", { name: "What would a reload change?" }).click();
        await page.getByText('did you mean "github"', { exact: false }).waitFor();
        await page.getByRole("tab", { name: "Store" }).click();
        await page.getByRole("heading", { name: "The disk" }).waitFor();
        await page.getByText("is known after ten minutes", { exact: false }).waitFor();
        await shot(page, "settings-store");
        await page.context().close();
    });

    await daemon.stop();
    hook.close();
}

/** As Standard Webhooks says. */
function signs(secret, { headers, body }) {
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const mac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`).digest("base64");
    return headers["webhook-signature"].split(" ").includes(`v1,${mac}`);
}
