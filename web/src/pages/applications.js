// applications.js -- the sending side: who is told, of what, and where; and the way into the portal
// of each application.
import { html, useState } from "../dom.js";
import { api, may } from "../api.js";
import { link, place } from "../route.js";
import { Catalogue } from "../sending/catalogue.js";
import { Endpoint } from "../sending/endpoint.js";
import { EndpointForm, Endpoints } from "../sending/endpoints.js";
import { Message, Messages } from "../sending/messages.js";
import { useData } from "../ui/data.js";
import { Doing } from "../ui/health.js";
import { CommandLine, Copy, Empty, Id, Loading, Problem, Table, Tabs, Time, say, sayError } from "../ui/parts.js";

export function Applications() {
    const [, id, part, one] = place.value.path;
    if (!id) return html`<${List} />`;
    const at = { app: id, path: ["applications", id], can: () => may("operator") };
    if (!one) return html`<${Application} key=${id} at=${at} part=${part} />`;
    return html`<p><a href=${link([...at.path, part])}>All ${part}</a></p>
        ${part === "messages" ? html`<${Message} key=${one} at=${at} id=${one} />` : one === "new" ? html`<${EndpointForm} at=${at} />` : html`<${Endpoint} key=${one} at=${at} id=${one} /><${Doing} path=${`/destinations/${one}`} ofEndpoint />`}`;
}

function List() {
    const { data, error, load } = useData("/app?limit=250&order=descending");
    const add = (/** @type {any} */ e) => {
        e.preventDefault();
        const form = e.currentTarget;
        const d = new FormData(form);
        api.post("/app", { name: d.get("name"), ...(d.get("uid") ? { uid: d.get("uid") } : {}) }).then(() => (form.reset(), load()), sayError);
    };
    return html`<section aria-labelledby="apps-title"><header class="page"><h1 id="apps-title">Applications</h1><p class="dim">Those you send webhooks to. Each has endpoints of its own.</p></header>
        <form class="filters" onSubmit=${add}><label>Name <input name="name" required maxlength="200" autocomplete="off" /></label><label>Your own id for it <input name="uid" pattern="[a-zA-Z0-9_.\\-]+" maxlength="256" autocomplete="off" /></label><button disabled=${!may("operator")}>Add an application</button></form>
        ${error && html`<${Problem} error=${error} />`}
        ${data && data.data.length === 0 && html`<${Empty} title="No application yet." />`}
        ${data && data.data.length > 0 && html`<${Table} caption="Applications" columns=${[{ label: "Name" }, { label: "Uid" }, { label: "Id" }, { label: "Since" }]}>${data.data.map((/** @type {any} */ a) => html`<tr class="row" data-href=${link(["applications", a.id])}><td data-label="Name"><a href=${link(["applications", a.id])}>${a.name}</a></td><td data-label="Uid">${a.uid ?? ""}</td><td data-label="Id"><${Id} id=${a.id} /></td><td data-label="Since"><${Time} iso=${a.createdAt} relative /></td></tr>`)}<//>`}
        <h2>Event catalogue</h2><${Catalogue} />
        <${CommandLine} line="gaff apps ls" /></section>`;
}

/** @param {{at: import("../sending/endpoints.js").At, part?: string}} props */
function Application({ at, part }) {
    const { data: app, error } = useData(`/app/${encodeURIComponent(at.app)}`);
    if (error) return html`<${Problem} error=${error} />`;
    if (!app) return html`<${Loading} />`;
    return html`<section aria-labelledby="app-title"><header class="page"><h1 id="app-title">${app.name}</h1><p class="facts"><${Id} id=${app.id} />${app.uid && html` · ${app.uid}`} · since <${Time} iso=${app.createdAt} relative /></p></header>
        <${Tabs} initial=${part} tabs=${[{ id: "endpoints", label: "Endpoints", view: () => html`<${Endpoints} at=${at} />` }, { id: "messages", label: "Messages", view: () => html`<${Messages} at=${at} />` }, { id: "portal", label: "Portal", view: () => html`<${PortalLink} app=${app.id} />` }]} /></section>`;
}

const SPANS = [["3600", "an hour"], ["43200", "12 hours"], ["604800", "a week"]];

/** Makes a link to the page that the application's subscriber sees. @param {{app: string}} props */
function PortalLink({ app }) {
    const [url, setUrl] = useState("");
    const open = (/** @type {any} */ e) => {
        e.preventDefault();
        const form = new FormData(e.currentTarget);
        api.post(`/auth/app-portal-access/${encodeURIComponent(app)}`, { expiry: Number(form.get("expiry")), readOnly: form.has("readonly") }).then((answer) => (setUrl(answer.url), say("The link is below.")), sayError);
    };
    return html`<form class="panel" onSubmit=${open}><h2>Its portal</h2><p class="dim">The page on which this application's people see to their own endpoints. Whoever has the link is let in.</p>
        <label>The link is good for <select name="expiry">${SPANS.map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select></label>
        <label class="check"><input type="checkbox" name="readonly" /> May look, not change</label>
        <div class="actions"><button class="primary" disabled=${!may("operator")}>Make a link</button></div>
        ${url && html`<p class="address"><a href=${url} target="_blank" rel="noreferrer">Open the portal</a> <${Copy} value=${url} label="Copy the link" what="link" /></p>`}</form>`;
}
