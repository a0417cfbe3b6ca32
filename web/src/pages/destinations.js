// destinations.js -- where deliveries go, how each is doing, and making one.
import { html, useEffect, useState } from "../dom.js";
import { api, may, query } from "../api.js";
import { count } from "../format.js";
import { link, place, go } from "../route.js";
import { text } from "../text.js";
import { Chart } from "../ui/chart.js";
import { useData } from "../ui/data.js";
import { Doing, Health, Strip } from "../ui/health.js";
import { CommandLine, Empty, Loading, Problem, State, Table, Time, say, sayError } from "../ui/parts.js";
import { DestinationForm } from "./define.js";

export function Destinations() {
    const [, name] = place.value.path;
    const [list, setList] = useState(/** @type {any[]|null} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const load = () => api.get("/destinations").then((a) => setList(a.destinations), setError);
    useEffect(() => {
        load();
        const timer = setInterval(() => !document.hidden && load(), 3000);
        return () => clearInterval(timer);
    }, []);
    if (error) return html`<${Problem} error=${error} />`;
    if (!list) return html`<${Loading} />`;
    if (name === "new") return html`<${DestinationForm} onDone=${load} />`;
    if (name) return html`<${Destination} d=${list.find((d) => d.name === name)} name=${name} onChange=${load} />`;
    return html`<section aria-labelledby="destinations-title">
        <header class="page"><h1 id="destinations-title">Destinations</h1><p class="dim">Where events of your sources go. The endpoints of those you send to are under <a href=${link(["applications"])}>Applications</a>.</p>
            <div class="actions"><a class="button primary" href=${link(["destinations", "new"])}>Add a destination</a></div></header>
        ${list.length === 0 && html`<${Empty} title="No destination yet: events are stored and shown."><p class="dim">Add a URL here, or name a command, a worker, a queue in the configuration.</p><//>`}
        ${list.length > 0 && html`<${Table} caption="Destinations" columns=${[{ label: "Name" }, { label: "Kind" }, { label: "State" }, { label: "Last attempts" }, { label: "Running", class: "number" }, { label: "Waiting", class: "number" }, { label: "Succeeded", class: "number" }, { label: "Failed", class: "number" }, { label: "Dead", class: "number" }]}>
            ${list.map((d) => html`<tr key=${d.name} class="row" data-href=${link(["destinations", d.name])}>
                <td data-label="Name"><a href=${link(["destinations", d.name])}>${d.name}</a></td><td data-label="Kind">${d.kind}</td>
                <td data-label="State"><${Health} d=${d} /></td>
                <td data-label="Last attempts"><${Strip} results=${d.recent ?? ""} /></td>
                <td data-label="Running" class="number">${d.running}</td>
                <td data-label="Waiting" class="number"><a href=${link(["events"], { destination: d.name, state: "pending" })}>${count(d.waiting ?? d.ready)}</a></td>
                <td data-label="Succeeded" class="number">${count(d.succeeded)}</td>
                <td data-label="Failed" class="number">${count(d.failed)}</td>
                <td data-label="Dead" class="number"><a href=${link(["dead"], { destination: d.name })}>${count(d.dead_letters ?? d.dead)}</a></td></tr>`)}<//>`}
    </section>`;
}

/** @param {{d: any, name: string, onChange: () => void}} props */
function Destination({ d, name, onChange }) {
    const [editing, edit] = useState(false);
    const { data: page } = useData(d ? `/deliveries${query({ destination: name, limit: 20 })}` : null, 3000);
    if (!d) return html`<${Empty} title=${`There is no destination ${name}.`} />`;
    const path = `/destinations/${encodeURIComponent(name)}`;
    const act = (/** @type {string} */ verb, /** @type {string} */ done) => () => api.post(`${path}/${verb}`).then((answer) => (say(answer?.summary ?? done), onChange()), sayError);
    const remove = () => api.remove(`/definitions${path}`).then(() => (say(`${name} is gone.`), go(link(["destinations"]))), sayError);
    return html`<section aria-labelledby="destination-title">
        <header class="page"><h1 id="destination-title">${d.name} <${Health} d=${d} /></h1>
            <p class="facts">${d.kind} · ${d.concurrency} at once${d.in_order ? " · in order" : ""} · ${d.attempts_max} attempts at most</p>
            <p class="dim">${d.managed ? "Made in this page." : `From ${d.defined ?? "the configuration"}. ${text.readOnly}`}</p>
            <div class="actions">
                ${d.paused
                    ? html`<button class="primary" disabled=${!may("operator")} onClick=${act("resume", "Going on.")}>Resume</button>`
                    : html`<button disabled=${!may("operator")} onClick=${act("pause", "Paused: what is running finishes, what comes waits on disk.")}>Pause</button>`}
                <button disabled=${!may("operator")} onClick=${act("test", "Sent.")}>Send a test</button>
                <button disabled=${!may("operator")} title="Cancels what waits; what runs goes on, and the events stay" onClick=${() => drain(name, onChange)}>Drain</button>
                ${d.managed && html`<button disabled=${!may("admin")} onClick=${() => edit(!editing)}>Edit</button>
                    <button class="danger" disabled=${!may("admin")} onClick=${() => say(`Remove ${name}?`, { ms: 12000, action: { label: "Remove", run: remove } })}>Remove</button>`}
                <a class="button" href=${link(["dead"], { destination: name })}>Dead letters</a></div></header>
        ${editing && html`<${DestinationForm} name=${name} onDone=${() => (edit(false), onChange())} />`}
        <${Doing} path=${path} />
        ${page && page.deliveries.length > 1 && html`<${Chart} deliveries=${page.deliveries} />`}
        <h2>Last deliveries</h2>
        ${page && html`<${Table} caption="Last deliveries" columns=${[{ label: "Created" }, { label: "State" }, { label: "Attempts", class: "number" }, { label: "Reason", class: "wide" }, { label: "Event" }]}>
            ${page.deliveries.map((/** @type {any} */ x) => html`<tr key=${x.id} class="row" data-href=${link(["events", x.event_id])}><td data-label="Created"><${Time} iso=${x.created} relative /></td><td data-label="State"><${State} state=${x.state} /></td>
                <td data-label="Attempts" class="number">${x.attempts}</td><td data-label="Reason" class="wide">${x.reason}</td><td data-label="Event"><a class="mono" href=${link(["events", x.event_id])}>${x.event_id.slice(-8)}</a></td></tr>`)}<//>`}
        <${CommandLine} line=${`gaff deliveries ls --destination ${name}`} />
    </section>`;
}

const UNDO_MS = 8000;

/** Ends what waits, after saying how much it is, with time to think again. @param {string} name @param {() => void} onChange */
async function drain(name, onChange) {
    try {
        const { cancelled } = await api.post("/deliveries/cancel", { destination: name, dry_run: true });
        if (!cancelled) return say("Nothing waits.");
        const timer = setTimeout(() => api.post("/deliveries/cancel", { destination: name }).then((a) => (say(`Drained: ${count(a.cancelled)} cancelled.`), onChange()), sayError), UNDO_MS);
        say(`In ${UNDO_MS / 1000} s what waits (${count(cancelled)}) is cancelled. What runs goes on; the events stay, and can be replayed.`, {
            ms: UNDO_MS,
            action: { label: "Undo", run: () => (clearTimeout(timer), say("Nothing was cancelled.")) },
        });
    } catch (e) {
        sayError(e);
    }
    return undefined;
}
