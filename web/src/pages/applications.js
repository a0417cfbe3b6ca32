// applications.js -- the sending side: who is told, of what, and where.
import { html, useEffect, useState } from "../dom.js";
import { api, may } from "../api.js";
import { link, place } from "../route.js";
import { CommandLine, Copy, Empty, Id, Problem, State, Table, Tabs, Time, say, sayError } from "../ui/parts.js";

export function Applications() {
    const [, id] = place.value.path;
    return id ? html`<${Application} id=${id} />` : html`<${List} />`;
}

/** @param {string} path */
function useData(path) {
    const [data, setData] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const load = () => api.get(path).then((d) => (setData(d), setError(null)), setError);
    useEffect(() => {
        load();
    }, [path]);
    return { data, error, load };
}

function List() {
    const { data, error } = useData("/app?limit=100&order=descending");
    const types = useData("/event-type?limit=250");
    return html`<section aria-labelledby="apps-title"><header class="page"><h1 id="apps-title">Applications</h1><p class="dim">Those you send webhooks to. Each has endpoints of its own.</p></header>
        ${error && html`<${Problem} error=${error} />`}
        ${data && data.data.length === 0 && html`<${Empty} title="No application yet."><${CommandLine} line="gaff apps create --name Acme" /><//>`}
        ${data && data.data.length > 0 && html`<${Table} caption="Applications" columns=${[{ label: "Name" }, { label: "Uid" }, { label: "Id" }, { label: "Since" }]}>${data.data.map((/** @type {any} */ a) => html`<tr class="row" data-href=${link(["applications", a.id])}><td data-label="Name"><a href=${link(["applications", a.id])}>${a.name}</a></td><td data-label="Uid">${a.uid ?? ""}</td><td data-label="Id"><${Id} id=${a.id} /></td><td data-label="Since"><${Time} iso=${a.createdAt} relative /></td></tr>`)}<//>`}
        <h2>Event catalogue</h2>${types.error && html`<${Problem} error=${types.error} />`}
        ${types.data && html`<${Table} caption="Event types" columns=${[{ label: "Type" }, { label: "Description", class: "wide" }]}>${types.data.data.map((/** @type {any} */ t) => html`<tr><th scope="row" class="mono">${t.name}</th><td data-label="Description" class="wide">${t.description}</td></tr>`)}<//>`}</section>`;
}

/** @param {{id: string}} props */
function Application({ id }) {
    const { data: app, error } = useData(`/app/${encodeURIComponent(id)}`);
    if (error) return html`<${Problem} error=${error} />`;
    if (!app) return html`<p class="dim" aria-busy="true">Loading …</p>`;
    return html`<section aria-labelledby="app-title"><header class="page"><h1 id="app-title">${app.name}</h1><p class="facts"><${Id} id=${app.id} />${app.uid && html` · ${app.uid}`} · since <${Time} iso=${app.createdAt} relative /></p></header>
        <${Tabs} tabs=${[{ id: "endpoints", label: "Endpoints", view: () => html`<${Endpoints} app=${app.id} />` }, { id: "messages", label: "Messages", view: () => html`<${Messages} app=${app.id} />` }]} /></section>`;
}

/** @param {{app: string}} props */
export function Endpoints({ app }) {
    const { data, error, load } = useData(`/app/${encodeURIComponent(app)}/endpoint?limit=100`);
    const add = (/** @type {any} */ e) => {
        e.preventDefault();
        const form = e.currentTarget;
        const d = new FormData(form);
        const types = String(d.get("types") ?? "").split(/[\s,]+/).filter(Boolean);
        api.post(`/app/${encodeURIComponent(app)}/endpoint`, { url: d.get("url"), ...(types.length ? { eventTypes: types } : {}) }).then(() => (form.reset(), load()), sayError);
    };
    return html`<div><form class="filters" onSubmit=${add}><label class="grow">URL <input name="url" type="url" required placeholder="https://example.com/webhooks" /></label><label>Event types <input name="types" placeholder="all" /></label><button disabled=${!may("operator")}>Add an endpoint</button></form>
        ${error && html`<${Problem} error=${error} />`}${data && data.data.length === 0 && html`<${Empty} title="No endpoint yet." />`}
        ${data && data.data.map((/** @type {any} */ ep) => html`<${Endpoint} key=${ep.id} app=${app} ep=${ep} onChange=${load} />`)}</div>`;
}

/** @param {{app: string, ep: any, onChange: () => void}} props */
function Endpoint({ app, ep, onChange }) {
    const base = `/app/${encodeURIComponent(app)}/endpoint/${encodeURIComponent(ep.id)}`;
    const [secret, setSecret] = useState("");
    const toggle = () => api.patch(base, { disabled: !ep.disabled }).then(onChange, sayError);
    const rotate = () => api.post(`${base}/secret/rotate`, {}).then(() => say("A new secret signs from now on; the old one is valid for a day."), sayError);
    const show = () => api.get(`${base}/secret`).then((s) => setSecret(s.key), sayError);
    const recover = () => api.post(`${base}/recover`, { since: new Date(Date.now() - 86400000).toISOString() }).then(() => say("What failed since yesterday is delivered again."), sayError);
    const { data: attempts } = useData(`/app/${encodeURIComponent(app)}/attempt/endpoint/${encodeURIComponent(ep.id)}?limit=10`);
    return html`<section class="panel" aria-label=${ep.url}><h3 class="mono">${ep.url} <${State} state=${ep.disabled ? "paused" : "success"} label=${ep.disabled ? "disabled" : "enabled"} /></h3>
        <p class="facts"><${Id} id=${ep.id} /> · ${ep.eventTypes ? ep.eventTypes.join(", ") : "all event types"}</p>
        <div class="actions"><button disabled=${!may("operator")} onClick=${toggle}>${ep.disabled ? "Enable" : "Disable"}</button><button disabled=${!may("operator")} onClick=${rotate}>Rotate secret</button><button disabled=${!may("operator")} onClick=${show}>Show secret</button><button disabled=${!may("operator")} onClick=${recover}>Recover the last day</button></div>
        ${secret && html`<p class="address"><code>${secret}</code> <${Copy} value=${secret} label="Copy" what="secret" /></p>`}
        ${attempts && attempts.data.length > 0 && html`<${Table} caption="Last attempts" columns=${[{ label: "When" }, { label: "Result" }, { label: "Status", class: "number" }, { label: "Message" }]}>${attempts.data.map((/** @type {any} */ a) => html`<tr><td data-label="When"><${Time} iso=${a.timestamp} relative /></td><td data-label="Result"><${State} state=${a.statusText === "success" ? "success" : a.statusText === "fail" ? "dead" : "pending"} label=${a.statusText} /></td><td data-label="Status" class="number">${a.responseStatusCode}</td><td data-label="Message" class="mono">${a.msgId}</td></tr>`)}<//>`}</section>`;
}

/** @param {{app: string}} props */
export function Messages({ app }) {
    const { data, error } = useData(`/app/${encodeURIComponent(app)}/msg?limit=50&with_content=false`);
    return html`<div>${error && html`<${Problem} error=${error} />`}${data && data.data.length === 0 && html`<${Empty} title="No message yet." />`}
        ${data && data.data.length > 0 && html`<${Table} caption="Messages" columns=${[{ label: "When" }, { label: "Type" }, { label: "Message" }]}>${data.data.map((/** @type {any} */ m) => html`<tr><td data-label="When"><${Time} iso=${m.timestamp} relative /></td><td data-label="Type">${m.eventType}</td><td data-label="Message"><${Id} id=${m.id} /></td></tr>`)}<//>`}</div>`;
}
