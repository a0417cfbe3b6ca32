// endpoint.js -- one endpoint: how it does, its secret, a test, what was missed, its attempts.
import { html, useEffect, useState } from "../dom.js";
import { api, query } from "../api.js";
import { count, span } from "../format.js";
import { go, link } from "../route.js";
import { useData } from "../ui/data.js";
import { Circuit } from "../ui/health.js";
import { Copy, Empty, Id, Loading, Problem, State, Table, Tile, Time, say, sayError } from "../ui/parts.js";
import { EndpointForm, EndpointState, base } from "./endpoints.js";

/** @typedef {import("./endpoints.js").At} At */

/** @param {{at: At, id: string}} props */
export function Endpoint({ at, id }) {
    const path = `${base(at)}/endpoint/${encodeURIComponent(id)}`;
    const { data: ep, error, load } = useData(path);
    const stats = useData(`${path}/stats`, 5000);
    const [editing, edit] = useState(false);
    if (error) return html`<${Problem} error=${error} />`;
    if (!ep) return html`<${Loading} />`;
    const manage = at.can("ManageEndpoint");
    const toggle = () => api.patch(path, { disabled: !ep.disabled }).then(load, sayError);
    const remove = () =>
        say("Delete this endpoint? What waits for it is cancelled.", {
            ms: 12000,
            action: { label: "Delete", run: () => api.remove(path).then(() => (say("Deleted."), go(link([...at.path, "endpoints"]))), sayError) },
        });
    const s = stats.data;
    return html`<article aria-labelledby="endpoint-title">
        <header class="page"><h1 id="endpoint-title" class="address-title">${ep.url}</h1>
            <p class="facts"><${EndpointState} ep=${ep} /> · <${Id} id=${ep.id} /> · ${ep.eventTypes ? ep.eventTypes.join(", ") : "all events"}${ep.throttleRate && html` · at most ${ep.throttleRate}/s`} · since <${Time} iso=${ep.createdAt} relative /></p>
            ${ep.description && html`<p>${ep.description}</p>`}
            ${ep.disabledReason && html`<p class="hint">${ep.disabledReason}</p>`}
            ${manage && html`<div class="actions"><button onClick=${() => edit(!editing)}>Edit</button><button onClick=${toggle}>${ep.disabled ? "Enable" : "Disable"}</button><button class="danger" onClick=${remove}>Delete</button></div>`}</header>
        <${Circuit} state=${ep.circuitState} until=${ep.circuitUntil} close=${at.can("CreateAttempts") ? () => api.post(`${path}/circuit/close`).then(() => (say("It is tried again."), load()), sayError) : null} />
        ${editing && html`<${EndpointForm} at=${at} ep=${ep} onDone=${() => (edit(false), load())} />`}
        ${s && html`<div class="tiles" role="group" aria-label="The last 28 days"><${Tile} label="delivered" value=${count(s.success)} /><${Tile} label="failed" value=${count(s.fail)} tone=${s.fail ? "bad" : ""} /><${Tile} label="tried again" value=${count(s.sending)} tone=${s.sending ? "wait" : ""} /><${Tile} label="waiting" value=${count(s.pending)} /></div>`}
        <div class="cards">${at.can("ViewEndpointSecret") && html`<${Secret} at=${at} path=${path} />`}
            ${at.can("CreateAttempts") && html`<${Test} path=${path} /><${Recover} path=${path} />`}</div>
        <h2>Attempts</h2><${Attempts} at=${at} path=${`${base(at)}/attempt/endpoint/${encodeURIComponent(id)}`} />
    </article>`;
}

/** @param {{at: At, path: string}} props */
function Secret({ at, path }) {
    const [key, setKey] = useState("");
    const show = () => api.get(`${path}/secret`).then((s) => setKey(s.key), sayError);
    const rotate = () =>
        say("Make a new secret? The old one signs as well for a day.", {
            ms: 12000,
            action: { label: "Rotate", run: () => api.post(`${path}/secret/rotate`).then(() => (say("A new secret signs from now on, the old one for a day more."), show()), sayError) },
        });
    return html`<section class="panel" aria-label="Signing secret"><h2>Signing secret</h2>
        <p class="dim">Verify with it that a request is ours: packages of Standard Webhooks do.</p>
        ${key ? html`<p class="address"><code>${key}</code> <${Copy} value=${key} label="Copy" what="secret" /></p>` : html`<p class="address"><code>whsec_••••••••</code></p>`}
        <div class="actions">${key ? html`<button onClick=${() => setKey("")}>Hide</button>` : html`<button onClick=${show}>Reveal</button>`}
            ${at.can("ManageEndpointSecret") && html`<button onClick=${rotate}>Rotate</button>`}</div></section>`;
}

/** @param {{path: string}} props */
function Test({ path }) {
    const types = useData("/event-type?limit=250");
    const send = (/** @type {any} */ e) => {
        e.preventDefault();
        api.post(`${path}/send-example`, { eventType: new FormData(e.currentTarget).get("type") }).then(() => say("Sent; the attempt appears below."), sayError);
    };
    return html`<form class="panel" aria-label="Test event" onSubmit=${send}><h2>Test event</h2>
        <p class="dim">An example, to this endpoint alone.</p>
        <label>Event <select name="type"><option value="gaff.ping">gaff.ping</option>${types.data?.data.map((/** @type {any} */ t) => html`<option>${t.name}</option>`)}</select></label>
        <div class="actions"><button>Send a test event</button></div></form>`;
}

const SINCE = [["3600", "the last hour"], ["86400", "the last day"], ["604800", "the last week"], ["", "a time"]];

/** Sends again what was missed, and follows the job. @param {{path: string}} props */
function Recover({ path }) {
    const [task, setTask] = useState(/** @type {any} */ (null));
    const [ago, setAgo] = useState("86400");
    useEffect(() => {
        if (task?.status !== "running") return undefined;
        const timer = setTimeout(() => api.get(`/background-task/${task.id}`).then(setTask, sayError), 500);
        return () => clearTimeout(timer);
    }, [task]);
    const start = (/** @type {any} */ e) => {
        e.preventDefault();
        const form = new FormData(e.currentTarget);
        const since = ago ? new Date(Date.now() - Number(ago) * 1000) : new Date(String(form.get("time")));
        api.post(`${path}/${form.get("what")}`, { since: since.toISOString() }).then(setTask, sayError);
    };
    return html`<form class="panel" aria-label="Recover" onSubmit=${start}><h2>Recover</h2>
        <label>Send <select name="what"><option value="recover">what failed, again</option><option value="replay-missing">what was never tried</option></select></label>
        <label>Since <select value=${ago} onChange=${(/** @type {any} */ e) => setAgo(e.currentTarget.value)}>${SINCE.map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select></label>
        ${!ago && html`<label>Time <input name="time" type="datetime-local" required /></label>`}
        <div class="actions"><button>Recover</button></div>
        ${task && html`<p role="status">${task.status === "running" ? "Under way: " : task.status === "finished" ? "Done: " : "Ended early: "}${task.data.count === 1 ? "1 message is" : `${count(task.data.count ?? 0)} messages are`} sent again.</p>`}</form>`;
}

const RESULTS = { success: "success", fail: "dead", sending: "retry", pending: "pending", canceled: "cancelled" };

/** @param {{status: string}} props */
export function Result({ status }) {
    return html`<${State} state=${RESULTS[/** @type {keyof typeof RESULTS} */ (status)]} label=${status === "fail" ? "failed" : status === "success" ? "delivered" : status} />`;
}

/** Attempts of an endpoint or of a message, the newest first. @param {{at: At, path: string, ofMessage?: boolean}} props */
export function Attempts({ at, path, ofMessage }) {
    const [status, setStatus] = useState("");
    const [pages, setPages] = useState([""]);
    const { data, error } = useData(`${path}${query({ limit: 20, status, with_msg: !ofMessage, iterator: pages[pages.length - 1] })}`, 2000);
    const choose = (/** @type {any} */ e) => (setStatus(e.currentTarget.value), setPages([""]));
    return html`<form class="filters" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}><label>Show <select onChange=${choose}><option value="">all</option><option value="0">delivered</option><option value="2">failed</option></select></label></form>
        ${error && html`<${Problem} error=${error} />`}
        ${data?.data.length === 0 && html`<${Empty} title=${status ? "None like this." : "No attempt yet."} />`}
        ${data?.data.length > 0 && html`<${Table} caption="Attempts" columns=${[{ label: "When" }, { label: "Result" }, { label: "Status", class: "number" }, { label: "Took", class: "number" }, { label: ofMessage ? "Endpoint" : "Event" }, { label: "Answer", class: "wide" }]}>
            ${data.data.map((/** @type {any} */ a) => html`<tr key=${a.id}><td data-label="When"><${Time} iso=${a.timestamp} relative /></td><td data-label="Result"><${Result} status=${a.statusText} /></td>
                <td data-label="Status" class="number">${a.responseStatusCode || "–"}</td><td data-label="Took" class="number">${span(a.responseDurationMs)}</td>
                <td data-label=${ofMessage ? "Endpoint" : "Event"}>${ofMessage
                    ? html`<a class="mono" href=${link([...at.path, "endpoints", a.endpointId])}>${a.url || a.endpointId}</a>`
                    : html`<a href=${link([...at.path, "messages", a.msgId])}>${a.msg?.eventType ?? a.msgId}</a>`}</td>
                <td data-label="Answer" class="wide">${a.response.length > 60 ? html`<details><summary class="mono">${a.response.slice(0, 60)}…</summary><pre class="payload" tabindex="0">${a.response}</pre></details>` : html`<span class="mono">${a.response}</span>`}</td></tr>`)}<//>`}
        <div class="actions">${pages.length > 1 && html`<button onClick=${() => setPages(pages.slice(0, -1))}>Newer</button>`}
            ${data && !data.done && html`<button onClick=${() => setPages([...pages, data.iterator])}>Older</button>`}</div>`;
}
