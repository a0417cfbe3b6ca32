// events.js -- stored events and refused requests, page by page, by filter.
import { html, useEffect, useState } from "../dom.js";
import { api, may, query as queryString } from "../api.js";
import { bytes, count, eventState } from "../format.js";
import { link, place, refine } from "../route.js";
import { text } from "../text.js";
import { Body, Headers } from "../ui/body.js";
import { CommandLine, Empty, Id, Problem, State, Table, Time, say, sayError } from "../ui/parts.js";
import { shortId } from "./live.js";

const COLUMNS = [{ label: "Received" }, { label: "Source" }, { label: "Type" }, { label: "State" }, { label: "Deliveries", class: "wide" }, { label: "Size", class: "number" }, { label: "Event" }];
const FILTERS = ["source", "type", "destination", "state", "since", "until", "text"];

export function Events() {
    const { query } = place.value;
    const filter = Object.fromEntries(FILTERS.map((f) => [f, query[f]]));
    const [page, setPage] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    useEffect(() => {
        api.get(`/events${queryString({ ...filter, cursor: query.cursor, limit: 50 })}`).then((p) => (setPage(p), setError(null)), setError);
    }, [JSON.stringify(query)]);
    const set = (/** @type {string} */ key) => (/** @type {any} */ e) => refine({ [key]: e.currentTarget.value, cursor: "" });
    const options = Object.entries(filter).filter(([, v]) => v).map(([k, v]) => ` --${k} ${v}`).join("");
    return html`<section aria-labelledby="events-title">
        <header class="page"><h1 id="events-title">Events</h1></header>
        <form class="filters" role="search" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
            ${FILTERS.map((f) => f === "state"
                ? html`<label>State <select onChange=${set("state")}>${["", "pending", "claimed", "delivered", "dead", "skipped", "cancelled"].map((s) => html`<option value=${s} selected=${(query.state ?? "") === s}>${s || "any"}</option>`)}</select></label>`
                : html`<label>${f[0].toUpperCase() + f.slice(1)} <input value=${query[f] ?? ""} onChange=${set(f)} placeholder=${f === "since" ? "2h" : ""} autocomplete="off" /></label>`)}
            <${ReplayAll} filter=${filter} />
        </form>
        ${error && html`<${Problem} error=${error} />`}
        ${page && page.events.length === 0 && html`<${Empty} title=${text.noMatch} />`}
        ${page && page.events.length > 0 && html`<${Table} caption="Events" columns=${COLUMNS}>
            ${page.events.map((/** @type {any} */ e) => html`<tr key=${e.id} class="row" data-href=${link(["events", e.id])}>
                <td data-label="Received"><${Time} iso=${e.received} relative /></td>
                <td data-label="Source">${e.source}</td>
                <td data-label="Type">${e.type}</td>
                <td data-label="State"><${State} state=${eventState(e.deliveries)} /></td>
                <td data-label="Deliveries" class="wide"><span>${Object.entries(e.deliveries).map(([s, n]) => html`<span class="part">${n} ${s}</span>`)}</span></td>
                <td data-label="Size" class="number">${bytes(e.body_bytes)}</td>
                <td data-label="Event"><a class="mono" href=${link(["events", e.id])}>${shortId(e.id)}</a></td></tr>`)}<//>`}
        ${page?.next_cursor && html`<p><a class="button" href=${link(["events"], { ...query, cursor: page.next_cursor })}>Older</a></p>`}
        <${CommandLine} line=${`gaff events ls${options}`} />
    </section>`;
}

/** Asks the daemon how many it would be, then does it. @param {{filter: any}} props */
function ReplayAll({ filter }) {
    const run = async () => {
        try {
            const body = Object.fromEntries(Object.entries({ source: filter.source, type: filter.type, destination: filter.destination, state: filter.state, since: filter.since, until: filter.until }).filter(([, v]) => v));
            const { replayed } = await api.post("/deliveries/replay", { ...body, dry_run: true });
            if (replayed === 0) return say("No delivery that could be replayed is in this selection.");
            say(`Replay ${count(replayed)} deliveries?`, {
                ms: 15000,
                action: {
                    label: "Replay",
                    run: () => api.post("/deliveries/replay", body).then((a) => say(`${count(a.replayed)} deliveries will be made again.`), sayError),
                },
            });
        } catch (e) {
            sayError(e);
        }
    };
    return html`<button type="button" disabled=${!may("operator")} onClick=${run}>Replay all of these</button>`;
}

export function Rejected() {
    const [page, setPage] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const [, , id] = ["", ...place.value.path];
    useEffect(() => {
        api.get("/rejections?limit=100").then(setPage, setError);
    }, []);
    const chosen = page?.rejections.find((/** @type {any} */ r) => r.id === id);
    return html`<section aria-labelledby="rejected-title">
        <header class="page"><h1 id="rejected-title">Refused requests</h1>
            <p class="dim">The last thousand. They were answered with an error and stored apart; nothing was done with them.</p></header>
        ${error && html`<${Problem} error=${error} />`}
        ${chosen && html`<article class="panel"><h2><${State} state="rejected" label=${chosen.verdict} /> ${chosen.method} ${chosen.target}</h2>
            <p class="hint">${chosen.verdict_text}</p><p class="facts"><${Id} id=${chosen.id} /> · <${Time} iso=${chosen.received} relative /> from ${chosen.peer}</p>
            <${Headers} fields=${chosen.headers} /><${Body} event=${chosen} /></article>`}
        ${page && page.rejections.length === 0 && html`<${Empty} title="Nothing was refused." />`}
        ${page && page.rejections.length > 0 && html`<${Table} caption="Refused requests" columns=${[{ label: "Received" }, { label: "Source" }, { label: "Verdict" }, { label: "Why", class: "wide" }, { label: "From" }, { label: "" }]}>
            ${page.rejections.map((/** @type {any} */ r) => html`<tr key=${r.id} class="row" data-href=${link(["rejected", r.id])}>
                <td data-label="Received"><${Time} iso=${r.received} relative /></td><td data-label="Source">${r.source}</td>
                <td data-label="Verdict"><${State} state="rejected" label=${r.verdict} /></td><td data-label="Why" class="wide">${r.verdict_text}</td>
                <td data-label="From">${r.peer}</td><td><a href=${link(["rejected", r.id])}>Look</a></td></tr>`)}<//>`}
    </section>`;
}
