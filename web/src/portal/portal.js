// portal.js -- the page of one application's subscriber, alone or in a frame of another page. The
// token comes behind the # of the link, which no server sees; from then on it is kept with the
// frame's own history, so that a reload keeps it and another frame does not get it.
import { html, render, signal, useEffect } from "../dom.js";
import { api, authorize, me } from "../api.js";
import { followRows, link, place } from "../route.js";
import { Catalogue } from "../sending/catalogue.js";
import { Endpoint } from "../sending/endpoint.js";
import { EndpointForm, Endpoints } from "../sending/endpoints.js";
import { Message, Messages } from "../sending/messages.js";
import { Loading, Problem, Time, Toast } from "../ui/parts.js";
import { dress } from "./theme.js";

const SCREENS = [
    { path: "endpoints", label: "Endpoints" },
    { path: "catalogue", label: "Catalogue" },
    { path: "messages", label: "Messages" },
];

const problem = signal(/** @type {any} */ (null));

/** What the token says of itself; the daemon judges it. @param {string} token */
function claims(token) {
    try {
        const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
        return JSON.parse(atob(part));
    } catch {
        return {};
    }
}

const given = new URLSearchParams(location.hash.replace(/^#/, ""));
const kept = history.state?.portal ?? {};
const opened = given.has("key") ? { key: given.get("key") ?? "", looks: Object.fromEntries([...given].filter(([name]) => name !== "key")) } : kept;
const about = claims(opened.key ?? "");
const keep = (/** @type {string} */ hash) => history.replaceState({ portal: opened }, "", hash);
if (given.has("key")) {
    keep("#/");
    place.value = { path: [], query: {} };
}
window.addEventListener("hashchange", () => keep(location.hash));

const at = {
    app: String(about.sub ?? ""),
    path: [],
    can: (/** @type {string} */ capability) => !about.capabilities || about.capabilities.includes(capability),
};

function Screen() {
    const [first, second] = place.value.path;
    if (first === "catalogue") return html`<h1>Event catalogue</h1><${Catalogue} />`;
    if (first === "messages") return second ? html`<${Message} key=${second} at=${at} id=${second} />` : html`<h1>Messages</h1><${Messages} at=${at} />`;
    if (second === "new") return html`<${EndpointForm} at=${at} />`;
    return second ? html`<${Endpoint} key=${second} at=${at} id=${second} />` : html`<h1>Endpoints</h1><${Endpoints} at=${at} />`;
}

function Portal() {
    const here = place.value.path[0] || "endpoints";
    useEffect(() => {
        api.get(`/app/${encodeURIComponent(at.app)}`).then((app) => (me.value = { name: app.name, role: "" }), (e) => (problem.value = e));
    }, []);
    useEffect(() => {
        document.title = `${SCREENS.find((s) => s.path === here)?.label ?? "Webhooks"} · ${me.value?.name ?? "Webhooks"}`;
    }, [here, me.value]);
    if (me.value === null || !at.app)
        return html`<main><h1>Webhooks</h1><p class="hint">This link is not valid, or not any more. Go back to where you came from and open it anew.</p></main>`;
    if (problem.value) return html`<main><${Problem} error=${problem.value} /></main>`;
    if (!me.value) return html`<${Loading} />`;
    return html`<header class="bar"><b>${me.value.name}</b><nav aria-label="Screens"><ul>${SCREENS.map((s) => html`<li><a href=${link([s.path])} aria-current=${here === s.path ? "page" : undefined}>${s.label}</a></li>`)}</ul></nav></header>
        <main id="main">${about.capabilities && html`<p class="dim">${about.capabilities.length > 1 ? "You may not do everything here." : "You may look, not change."}</p>`}<${Screen} /></main>
        <footer><p class="dim">Open until <${Time} iso=${new Date(about.exp * 1000).toISOString()} /></p></footer><${Toast} />`;
}

followRows();
authorize(opened.key ?? "");
dress(opened.looks ?? {});
render(html`<${Portal} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
