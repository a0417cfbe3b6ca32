// portal.mjs -- the subscriber's portal in a real browser: alone and in a frame, with everything
// allowed and with nothing, and the way to it from the dashboard.
import { createServer } from "node:http";
import { Daemon, enter, expect, openPage, shot, target, test, until, violations, widerThanWindow } from "./harness.mjs";

const TYPES = [
    { name: "user.created", description: "Somebody signed up", schemas: { 1: { type: "object", properties: { email: { type: "string" } } } } },
    { name: "invoice.paid", description: "An invoice was paid" },
];

/** A page of somebody else that holds what `src` says in a frame. */
async function embedder() {
    const page = { src: "about:blank" };
    const server = createServer((_, response) => {
        response.setHeader("Content-Type", "text/html");
        response.end(`<!doctype html><title>An application</title><iframe title="Webhooks" style="width:900px;height:700px" src="${page.src}"></iframe>`);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    page.port = server.address().port;
    page.close = () => server.close();
    return page;
}

export async function portal(browser) {
    let broken = false;
    const hook = await target(() => (broken ? 500 : 200));
    const outside = await embedder();
    const daemon = await Daemon.start(`listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0" }
sending: { policy: private }
portal: { origins: ["http://127.0.0.1:${outside.port}"] }
`);
    for (const type of TYPES) await daemon.api("POST", "/event-type", type);
    const app = await daemon.api("POST", "/app", { name: "Acme", uid: "acme" });
    const access = (more = {}) => daemon.api("POST", "/auth/app-portal-access/acme", more);

    await test("portal: an endpoint is made, tested, rotated, and what failed is recovered", async () => {
        const page = await openPage(browser);
        const { url, token } = await access();
        const asked = [];
        page.on("request", (request) => asked.push(request.url()));
        await page.goto(url);
        await page.getByText("No endpoint yet", { exact: false }).waitFor();
        expect(!page.url().includes("key="), "the token is out of the address");
        await page.getByRole("link", { name: "Add an endpoint" }).click();
        await page.getByLabel("URL").fill(`${hook.url}/hook`);
        await page.getByLabel("Only these").check();
        await page.getByLabel("user.created").check();
        await shot(page, "portal-form");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByRole("heading", { name: `${hook.url}/hook` }).waitFor();
        const endpoint = (await daemon.api("GET", "/app/acme/endpoint")).data[0];
        expect(endpoint.eventTypes.join() === "user.created", JSON.stringify(endpoint));

        await page.locator("select[name=type]").selectOption("user.created");
        await page.getByRole("button", { name: "Send a test event" }).click();
        const attempts = page.getByRole("table", { name: "Attempts" });
        await attempts.getByText("delivered").waitFor();
        await attempts.getByText("user.created").waitFor();
        expect(hook.requests.length === 1, "the endpoint was told");

        await page.getByRole("button", { name: "Reveal" }).click();
        const secret = page.locator("code", { hasText: /^whsec_[A-Za-z0-9+/=]{32}$/ });
        const before = await secret.textContent();
        await page.getByRole("button", { name: "Rotate" }).click();
        await page.locator(".toast").getByRole("button", { name: "Rotate" }).click();
        await until(async () => (await secret.textContent()) !== before, "another secret");
        await page.getByRole("button", { name: "Send a test event" }).click();
        await until(() => hook.requests.length === 2, "told again");
        expect(hook.requests[1].headers["webhook-signature"].split(" ").length === 2, "both secrets sign");

        await daemon.api("PATCH", `/app/acme/endpoint/${endpoint.id}`, { retry: [] });
        broken = true;
        await daemon.api("POST", "/app/acme/msg", { eventType: "user.created", payload: { email: "ada@example.com" } });
        await attempts.getByText("failed").waitFor();
        broken = false;
        await shot(page, "portal-endpoint");
        await page.getByRole("button", { name: "Recover" }).click();
        await page.getByText("Done: 1 message is sent again.").waitFor();
        await until(() => hook.requests.length === 4, "the one that failed");

        await page.getByRole("link", { name: "Messages" }).click();
        await page.getByRole("table", { name: "Messages" }).getByRole("link").first().click();
        await page.getByText("ada@example.com", { exact: false }).first().waitFor();
        await page.getByRole("button", { name: "Send again" }).click();
        await until(() => hook.requests.length === 5, "sent again");
        await shot(page, "portal-message");

        await page.getByRole("link", { name: "Catalogue" }).click();
        await page.getByText("Somebody signed up").waitFor();
        await page.reload();
        await page.getByText("Schema 1").click();
        await page.getByText('"email"', { exact: false }).waitFor();
        await page.goto(page.url().replace(/#.*/, "#/endpoints"));
        await page.getByRole("link", { name: `${hook.url}/hook` }).click();
        await page.getByRole("button", { name: "Edit" }).click();
        await page.getByLabel("Description").fill("The shop");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByText("The shop").waitFor();
        await page.getByRole("button", { name: "Disable" }).click();
        await page.getByRole("button", { name: "Enable" }).click();
        await page.getByRole("button", { name: "Disable" }).waitFor();
        await page.getByRole("button", { name: "Delete" }).click();
        await page.locator(".toast").getByRole("button", { name: "Delete" }).click();
        await page.getByText("No endpoint yet", { exact: false }).waitFor();
        expect(page.complaints.length === 0, page.complaints.join("\n"));
        expect(!asked.slice(1).some((one) => one.includes(token)), "no address has the token");
        expect(!daemon.log.includes(token), "no log has the token");
        await page.context().close();
    });

    const made = await daemon.api("POST", "/app/acme/endpoint", { url: `${hook.url}/kept`, description: "<img src=x onerror=window.owned=1>" });
    const message = await daemon.api("POST", "/app/acme/msg", { eventType: "invoice.paid", payload: { note: "<script>window.owned=1</script>" } });
    await until(async () => (await daemon.api("GET", `/app/acme/attempt/msg/${message.id}`)).data.length, "an attempt");

    await test("portal: who may look finds no button to change anything", async () => {
        const page = await openPage(browser);
        await page.goto((await access({ readOnly: true })).url);
        await page.getByText("You may look, not change.").waitFor();
        expect((await page.getByRole("link", { name: "Add an endpoint" }).count()) === 0, "no way to add");
        await page.getByRole("link", { name: `${hook.url}/kept` }).click();
        await page.getByRole("table", { name: "Attempts" }).waitFor();
        const buttons = await page.getByRole("button").allTextContents();
        expect(!buttons.some((b) => /Edit|Delete|Disable|Reveal|Rotate|Recover|test/.test(b)), buttons.join());
        await page.getByRole("table", { name: "Attempts" }).getByRole("link").first().click();
        await page.getByRole("table", { name: "Endpoints" }).waitFor();
        expect((await page.getByRole("button", { name: "Send again" }).count()) === 0, "no way to send");
        await page.context().close();
    });

    await test("portal: in a frame of the page that was named, and in no other", async () => {
        const page = await openPage(browser);
        outside.src = `${(await access()).url}&theme=light&accent=8844ff&radius=12&font=serif`;
        await page.goto(`http://127.0.0.1:${outside.port}/`);
        const frame = page.frameLocator("iframe");
        await frame.getByRole("link", { name: `${hook.url}/kept` }).click();
        await frame.getByRole("button", { name: "Send a test event" }).click();
        await frame.getByRole("table", { name: "Attempts" }).getByText("gaff.ping").first().waitFor();
        await shot(page, "portal-framed");
        const looks = await page.frames()[1].evaluate(() => {
            const style = getComputedStyle(document.documentElement);
            return [style.colorScheme, style.getPropertyValue("--radius"), style.getPropertyValue("--accent")].join("|");
        });
        expect(looks === "light|12px|rgb(129 65 242)", looks);
        expect(page.complaints.length === 0, page.complaints.join("\n"));
        await page.goto(`http://localhost:${outside.port}/`);
        await until(() => page.complaints.some((text) => text.includes("frame-ancestors")), "the browser refuses");
        expect((await frame.getByText("Acme").count()) === 0, "nothing is shown");
        await page.context().close();
    });

    await test("portal: looks that nobody may choose, and colours that nobody could read", async () => {
        const page = await openPage(browser, { bypassCSP: true });
        const { url } = await access();
        await page.goto(`${url}&accent=fefe00&background=ffffff&radius=9999&font=url(x)&text=expression(1)`);
        await page.getByRole("link", { name: "Add an endpoint" }).waitFor();
        expect((await page.evaluate(() => document.documentElement.style.getPropertyValue("--radius"))) === "", "no such radius");
        const found = await violations(page);
        expect(found.length === 0, found.join("\n"));
        await page.context().close();
    });

    await test("portal: a link that is not valid, or not any more, says so", async () => {
        const page = await openPage(browser);
        await page.goto(`${daemon.admin}/portal#key=nonsense`);
        await page.getByText("This link is not valid", { exact: false }).waitFor();
        const { url } = await access();
        await daemon.api("POST", "/auth/app/acme/expire-all", {});
        await page.goto("about:blank");
        await page.goto(url);
        await page.getByText("This link is not valid", { exact: false }).waitFor();
        await page.context().close();
    });

    // Tokens made in the second in which all were made void are void too.
    const { url: link } = await until(async () => {
        const made = await access();
        const tried = await fetch(`${daemon.admin}/api/v1/app/${app.id}`, { headers: { Authorization: `Bearer ${made.token}` } });
        return tried.ok && made;
    }, "a token that holds");
    for (const [scheme, width] of [["dark", 1280], ["light", 1280], ["dark", 320]]) {
        await test(`portal: no screen has an accessibility violation, ${scheme}, ${width} px`, async () => {
            const page = await openPage(browser, { colorScheme: scheme, viewport: { width, height: 800 }, bypassCSP: true });
            const found = [];
            await page.goto(link);
            for (const place of ["endpoints", "endpoints/new", `endpoints/${made.id}`, "catalogue", "messages", `messages/${message.id}`]) {
                await page.goto(`${daemon.admin}/portal#/${place}`);
                await page.getByRole("main").getByRole("heading").first().waitFor();
                await page.waitForLoadState("networkidle").catch(() => {});
                found.push(...(await violations(page)).map((v) => `${place}: ${v}`));
                const wide = await widerThanWindow(page);
                if (wide > 0) found.push(`${place}: ${wide} px wider than the window`);
                await shot(page, `portal-${place.replace("/", "-").replace(/_.*/, "")}-${scheme}-${width}`);
            }
            expect(found.length === 0, found.join("\n"));
            expect((await page.evaluate(() => window.owned)) === undefined, "a payload ran");
            await page.context().close();
        });
    }

    await test("portal: the keyboard alone makes an endpoint", async () => {
        const page = await openPage(browser);
        await page.goto(link);
        await page.getByRole("link", { name: "Add an endpoint" }).waitFor();
        const tabTo = (text) => until(async () => {
            await page.keyboard.press("Tab");
            return page.evaluate((wanted) => (document.activeElement?.labels?.[0] ?? document.activeElement)?.textContent?.trim().startsWith(wanted), text);
        }, `the focus on ${text}`);
        await tabTo("Add an endpoint");
        await page.keyboard.press("Enter");
        await page.getByLabel("URL").waitFor();
        await tabTo("URL");
        await page.keyboard.type(`${hook.url}/keys`);
        await tabTo("Save");
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: `${hook.url}/keys` }).waitFor();
        await page.context().close();
    });

    await test("portal: the dashboard makes the link, and its Applications screen does the same", async () => {
        const page = await openPage(browser);
        await enter(page, daemon);
        await page.goto(`${daemon.admin}/#/applications`);
        await page.getByLabel("Name").fill("Bolt");
        await page.getByRole("button", { name: "Add an application" }).click();
        await page.getByRole("link", { name: "Bolt" }).click();
        await page.getByRole("link", { name: "Add an endpoint" }).click();
        await page.getByLabel("URL").fill(`${hook.url}/bolt`);
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByRole("button", { name: "Send a test event" }).click();
        await page.getByRole("table", { name: "Attempts" }).getByText("delivered").waitFor();
        await shot(page, "application");
        await page.getByRole("link", { name: "All endpoints" }).click();
        await page.getByRole("tab", { name: "Portal" }).click();
        await page.getByLabel("May look, not change").check();
        await page.getByRole("button", { name: "Make a link" }).click();
        const [opened] = await Promise.all([page.context().waitForEvent("page"), page.getByRole("link", { name: "Open the portal" }).click()]);
        await opened.getByText("You may look, not change.").waitFor();
        await opened.getByText("Bolt", { exact: true }).waitFor();
        const { entries } = await daemon.api("GET", "/audit?limit=50");
        expect(entries.some((e) => e.what.includes("app-portal-access") && e.status === 200), JSON.stringify(entries));
        expect(page.complaints.length === 0, page.complaints.join("\n"));
        await page.context().close();
    });

    await daemon.stop();
    hook.close();
    outside.close();
}
