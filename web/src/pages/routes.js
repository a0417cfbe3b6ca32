// routes.js -- routes as sentences, and what a stored event would meet in each of them.
import { html, useEffect, useState } from "../dom.js";
import { api, may } from "../api.js";
import { absolute } from "../format.js";
import { link } from "../route.js";
import { useData } from "../ui/data.js";
import { CommandLine, Empty, Problem, State, say, sayError } from "../ui/parts.js";
import { RouteForm } from "./define.js";

export function Routes() {
    const { data, error, load } = useData("/routes");
    const list = data?.routes;
    const remove = (/** @type {string} */ name) => () => say(`Remove ${name}?`, { ms: 12000, action: { label: "Remove", run: () => api.remove(`/definitions/routes/${encodeURIComponent(name)}`).then(() => (say(`${name} is gone.`), load()), sayError) } });
    return html`<section aria-labelledby="routes-title">
        <header class="page"><h1 id="routes-title">Routes</h1></header>
        ${error && html`<${Problem} error=${error} />`}
        ${list && list.length === 0 && html`<${Empty} title="No route: events are stored, and nothing is done with them." />`}
        ${list && html`<ol class="sentences">${list.map((/** @type {any} */ r) => html`<li key=${r.name}>
            <p>When <a href=${link(["sources", r.from])}>${r.from}</a> sends ${r.when === "everything" ? "anything" : html`something where <b>${r.when}</b>`}, deliver to ${r.to.map((/** @type {string} */ t, /** @type {number} */ i) => html`${i > 0 ? (i === r.to.length - 1 ? " and " : ", ") : ""}<a href=${link(["destinations", t])}>${t}</a>`)}${r.stop ? "; later routes are not looked at" : ""}.</p>
            <p class="dim">${r.name}${r.managed ? html` · made in this page <button class="quiet" disabled=${!may("admin")} onClick=${remove(r.name)}>Remove</button>` : r.defined ? ` · ${r.defined}` : ""}</p></li>`)}</ol>`}
        <${RouteForm} onDone=${load} />
        <${Tester} />
        <${CommandLine} line="gaff routes ls" />
    </section>`;
}

function Tester() {
    const [events, setEvents] = useState(/** @type {any[]} */ ([]));
    const [result, setResult] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    useEffect(() => {
        api.get("/events?limit=50").then((a) => setEvents(a.events), () => {});
    }, []);
    const test = (/** @type {string} */ id) => {
        if (!id) return setResult(null);
        return api.get(`/events/${id}/plan`).then((r) => (setResult(r), setError(null)), setError);
    };
    return html`<section class="panel" aria-labelledby="tester-title"><h2 id="tester-title">What would happen to …</h2>
        <select aria-label="A stored event" onChange=${(/** @type {any} */ e) => test(e.currentTarget.value)}><option value="">choose a stored event</option>
            ${events.map((e) => html`<option value=${e.id}>${absolute(e.received)} ${e.source} ${e.type}</option>`)}</select>
        <p class="dim">The present rules are asked; nothing is delivered.</p>
        ${error && html`<${Problem} error=${error} />`}
        ${result && html`<ul class="trace">${result.trace.map((/** @type {string} */ line) => html`<li><${State} state=${line.includes(": matched") ? "success" : "skipped"} label=${line.includes(": matched") ? "matched" : "no"} /> ${line}</li>`)}</ul>
            <p>${result.deliveries.length ? html`It would be delivered to ${result.deliveries.join(", ")}.` : "It would be delivered to nobody."}</p>`}</section>`;
}
