// destinations.js -- where deliveries go, and how each is doing.
import { html, useEffect, useState } from "../dom.js";
import { api, may, query } from "../api.js";
import { count, span } from "../format.js";
import { link, place, go } from "../route.js";
import { text } from "../text.js";
import { Chart } from "../ui/chart.js";
import { CommandLine, Empty, Loading, Problem, State, Table, Tile, Time, say, sayError } from "../ui/parts.js";

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
    if (name) return html`<${Destination} d=${list.find((d) => d.name === name)} name=${name} onChange=${load} />`;
    return html`<section aria-labelledby="destinations-title">
        <header class="page"><h1 id="destinations-title">Destinations</h1></header>
        ${list.length === 0 && html`<${Empty} title="No destination yet: events are stored and shown."><p class="dim">Name one in the configuration: a command, a URL, a worker, a log.</p><//>`}
        ${list.length > 0 && html`<${Table} caption="Destinations" columns=${[{ label: "Name" }, { label: "Kind" }, { label: "State" }, { label: "Last attempts" }, { label: "Running", class: "number" }, { label: "Waiting", class: "number" }, { label: "Succeeded", class: "number" }, { label: "Failed", class: "number" }, { label: "Dead", class: "number" }]}>
            ${list.map((d) => html`<tr key=${d.name} class="row" data-href=${link(["destinations", d.name])}>
                <td data-label="Name"><a href=${link(["destinations", d.name])}>${d.name}</a></td><td data-label="Kind">${d.kind}</td>
                <td data-label="State"><${Health} d=${d} /></td>
                <td data-label="Last attempts"><${Strip} results=${d.recent ?? ""} /></td>
                <td data-label="Running" class="number">${d.running}</td>
                <td data-label="Waiting" class="number"><a href=${link(["events"], { destination: d.name, state: "pending" })}>${d.ready}${d.backlogged ? "+" : ""}</a></td>
                <td data-label="Succeeded" class="number">${count(d.succeeded)}</td>
                <td data-label="Failed" class="number">${count(d.failed)}</td>
                <td data-label="Dead" class="number"><a href=${link(["dead"], { destination: d.name })}>${count(d.dead)}</a></td></tr>`)}<//>`}
    </section>`;
}

/** @param {{d: any}} props */
function Health({ d }) {
    if (d.paused) return html`<${State} state="paused" />`;
    if (d.circuit && d.circuit !== "closed") return html`<${State} state="open" label=${`circuit ${d.circuit}`} />`;
    const failing = d.last_failure && (!d.last_success || d.last_failure > d.last_success);
    return failing ? html`<${State} state="retry" label="failing" />` : html`<${State} state="success" label=${d.attempts ? "well" : "unused"} />`;
}

/** The last attempts as cells, oldest first: s, r or d. @param {{results: string}} props */
function Strip({ results }) {
    const good = [...results].filter((c) => c === "s").length;
    return html`<svg class="strip" viewBox="0 0 90 10" role="img" aria-label=${`${good} of the last ${results.length} attempts succeeded`}>
        ${[...results].slice(-30).map((c, i) => html`<rect class=${c === "s" ? "good" : c === "r" ? "wait" : "bad"} x=${i * 3} y=${c === "s" ? 0 : 3} width="2" height=${c === "s" ? 10 : 7} />`)}</svg>`;
}

/** @param {{d: any, name: string, onChange: () => void}} props */
function Destination({ d, name, onChange }) {
    const [page, setPage] = useState(/** @type {any} */ (null));
    useEffect(() => {
        api.get(`/deliveries${query({ destination: name, limit: 20 })}`).then(setPage, () => {});
    }, [name, d?.attempts]);
    if (!d) return html`<${Empty} title=${`There is no destination ${name}.`} />`;
    const act = (/** @type {string} */ verb, /** @type {string} */ done) => async () => {
        try {
            const answer = await api.post(`/destinations/${encodeURIComponent(name)}/${verb}`);
            say(answer?.summary ?? done);
            onChange();
        } catch (e) {
            sayError(e);
        }
    };
    const l = d.latency_ms ?? {};
    return html`<section aria-labelledby="destination-title">
        <header class="page"><h1 id="destination-title">${d.name} <${Health} d=${d} /></h1>
            <p class="facts">${d.kind} · ${d.concurrency} at once${d.in_order ? " · in order" : ""} · ${d.attempts_max} attempts at most</p>
            <p class="dim">${d.managed ? "Made in this page." : `From ${d.defined ?? "the configuration"}. ${text.readOnly}`}</p>
            <div class="actions">
                ${d.paused
                    ? html`<button class="primary" disabled=${!may("operator")} onClick=${act("resume", "Going on.")}>Resume</button>`
                    : html`<button disabled=${!may("operator")} onClick=${act("pause", "Paused: what is running finishes, what comes waits on disk.")}>Pause</button>`}
                <button disabled=${!may("operator")} onClick=${act("test", "Sent.")}>Send a test</button>
                <button disabled=${!may("operator")} onClick=${() => cancelAll(name, onChange)}>Cancel what waits</button>
                <a class="button" href=${link(["dead"], { destination: name })}>Dead letters</a></div></header>
        <div class="tiles"><${Tile} label="p50" value=${l.p50 === undefined ? "–" : span(l.p50)} /><${Tile} label="p95" value=${l.p95 === undefined ? "–" : span(l.p95)} /><${Tile} label="p99" value=${l.p99 === undefined ? "–" : span(l.p99)} />
            <${Tile} label="succeeded" value=${count(d.succeeded)} /><${Tile} label="failed" value=${count(d.failed)} tone=${d.failed ? "bad" : ""} />
            <${Tile} label="oldest waiting" value=${d.oldest_pending ? html`<${Time} iso=${d.oldest_pending} relative />` : "–"} /></div>
        <h2>Last attempts</h2><${Strip} results=${d.recent ?? ""} />
        ${page && page.deliveries.length > 1 && html`<${Chart} deliveries=${page.deliveries} />`}
        <h2>Last deliveries</h2>
        ${page && html`<${Table} caption="Last deliveries" columns=${[{ label: "Created" }, { label: "State" }, { label: "Attempts", class: "number" }, { label: "Reason", class: "wide" }, { label: "Event" }]}>
            ${page.deliveries.map((/** @type {any} */ x) => html`<tr key=${x.id} class="row" data-href=${link(["events", x.event_id])}><td data-label="Created"><${Time} iso=${x.created} relative /></td><td data-label="State"><${State} state=${x.state} /></td>
                <td data-label="Attempts" class="number">${x.attempts}</td><td data-label="Reason" class="wide">${x.reason}</td><td data-label="Event"><a class="mono" href=${link(["events", x.event_id])}>${x.event_id.slice(-8)}</a></td></tr>`)}<//>`}
        <${CommandLine} line=${`gaff deliveries ls --destination ${name}`} />
    </section>`;
}

/** @param {string} name @param {() => void} onChange */
async function cancelAll(name, onChange) {
    try {
        const { cancelled } = await api.post("/deliveries/cancel", { destination: name, dry_run: true });
        if (!cancelled) return say("Nothing waits.");
        say(`Cancel ${count(cancelled)} waiting deliveries?`, {
            ms: 12000,
            action: { label: "Cancel them", run: () => api.post("/deliveries/cancel", { destination: name }).then(() => (say("Cancelled."), onChange()), sayError) },
        });
    } catch (e) {
        sayError(e);
    }
    go(location.hash);
}
