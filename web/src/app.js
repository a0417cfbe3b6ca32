// app.js -- the shell: who is signed in, the navigation, the screen that the address names, and the
// keys that work everywhere.
import { html, render, signal, useEffect } from "./dom.js";
import { api, lastCall, me } from "./api.js";
import { followRows, link, place } from "./route.js";
import { shellQuote } from "./format.js";
import { Copy, Loading, Toast } from "./ui/parts.js";
import { Keys, Palette } from "./ui/keys.js";
import { Applications } from "./pages/applications.js";
import { Dead } from "./pages/dead.js";
import { Destinations } from "./pages/destinations.js";
import { EventPage } from "./pages/event.js";
import { Events, Rejected } from "./pages/events.js";
import { Live } from "./pages/live.js";
import { Login } from "./pages/login.js";
import { Routes } from "./pages/routes.js";
import { Settings } from "./pages/settings.js";
import { Sources } from "./pages/sources.js";

export const SCREENS = [
    { path: "", label: "Live", key: "l" },
    { path: "events", label: "Events", key: "e" },
    { path: "sources", label: "Sources", key: "s" },
    { path: "destinations", label: "Destinations", key: "d" },
    { path: "dead", label: "Dead letters", key: "x" },
    { path: "routes", label: "Routes", key: "r" },
    { path: "applications", label: "Applications", key: "a" },
    { path: "settings", label: "Settings", key: "," },
];

const menuOpen = signal(false);

function Screen() {
    const [first, second] = place.value.path;
    switch (first ?? "") {
        case "":
        case "enter":
            return html`<${Live} />`;
        case "events":
            return second ? html`<${EventPage} key=${second} id=${second} />` : html`<${Events} />`;
        case "rejected":
            return html`<${Rejected} />`;
        case "sources":
            return html`<${Sources} key=${second} />`;
        case "destinations":
            return html`<${Destinations} />`;
        case "dead":
            return html`<${Dead} />`;
        case "routes":
            return html`<${Routes} />`;
        case "applications":
            return html`<${Applications} />`;
        case "settings":
            return html`<${Settings} />`;
        default:
            return html`<div class="empty"><p>There is no such page.</p><a href=${link([])}>To the live list</a></div>`;
    }
}

function Navigation() {
    const here = place.value.path[0] ?? "";
    return html`<nav aria-label="Screens" class=${menuOpen.value ? "open" : ""}>
        <a class="brand" href=${link([])}>gaff</a>
        <button class="menu" aria-expanded=${menuOpen.value} aria-controls="screens" onClick=${() => (menuOpen.value = !menuOpen.value)}>Menu</button>
        <ul id="screens">${SCREENS.map((s) => html`<li><a href=${link(s.path ? [s.path] : [])} aria-current=${here === s.path ? "page" : undefined} onClick=${() => (menuOpen.value = false)}>${s.label}</a></li>`)}</ul>
    </nav>`;
}

/** The last thing the page asked the daemon to do, as a line for a terminal. */
function LastCall() {
    const c = lastCall.value;
    if (!c || c.path === "/api/v1/session") return null;
    const data = c.body ? ` -H 'Content-Type: application/json' -d ${shellQuote(JSON.stringify(c.body))}` : "";
    const line = `curl -X ${c.method} -H "Authorization: Bearer $GAFF_TOKEN" ${location.origin}${c.path}${data}`;
    return html`<p class="last-call dim"><span>Last call: ${c.method} ${c.path}</span> <${Copy} value=${line} label="Copy as command" /></p>`;
}

function App() {
    useEffect(() => {
        api.get("/session").then((who) => (me.value = who), () => (me.value = null));
    }, []);
    useEffect(() => {
        const screen = SCREENS.find((s) => s.path === (place.value.path[0] ?? ""));
        document.title = `${screen?.label ?? place.value.path[0]} · Gaff`;
    }, [place.value]);
    if (me.value === undefined) return html`<${Loading} />`;
    if (me.value === null) return html`<${Login} /><${Toast} />`;
    return html`<a class="skip" href="#main" onClick=${(/** @type {Event} */ e) => (e.preventDefault(), document.getElementById("main")?.focus())}>To the content</a>
        <${Navigation} /><main id="main" tabindex="-1"><${Screen} /></main>
        <footer><${LastCall} /></footer><${Toast} /><${Keys} /><${Palette} />`;
}

followRows();
const theme = localStorage.getItem("gaff-theme");
if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
