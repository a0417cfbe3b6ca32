// health.js -- how a destination or an endpoint is doing: its circuit, what waits, how long attempts
// take, what goes wrong.
import { html } from "../dom.js";
import { api, may } from "../api.js";
import { count, hint, span } from "../format.js";
import { useData } from "./data.js";
import { Problem, State, Table, Tile, Time, say, sayError } from "./parts.js";

/** @param {{d: any}} props */
export function Health({ d }) {
    if (d.paused) return html`<${State} state="paused" />`;
    if (d.circuit && d.circuit !== "closed") return html`<${State} state="open" label=${d.circuit === "open" ? "left alone" : "being asked"} />`;
    const failing = d.last_failure && (!d.last_success || d.last_failure > d.last_success);
    return failing ? html`<${State} state="retry" label="failing" />` : html`<${State} state="success" label=${d.attempts ? "well" : "unused"} />`;
}

const CELLS = 30;
const CELL = /** @type {Record<string, string>} */ ({ s: "good", r: "wait", " ": "none" });

/** The last attempts as cells, oldest first: s, r or d. @param {{results: string}} props */
export function Strip({ results }) {
    const good = [...results].filter((c) => c === "s").length;
    return html`<svg class="strip" viewBox="0 0 90 10" role="img" aria-label=${`${good} of the last ${results.length} attempts succeeded`}>
        ${[...results.slice(-CELLS).padStart(CELLS)].map((c, i) => html`<rect class=${CELL[c] ?? "bad"} x=${i * 3} y=${c === "s" ? 0 : 3} width="2" height=${c === "s" ? 10 : 7} />`)}</svg>`;
}

/** A circuit that is not closed, and the way to close it. @param {{state: string, until: string|null, close: null|(() => void)}} props */
export function Circuit({ state, until, close }) {
    if (!state || state === "closed") return null;
    return html`<div class="hint" role="status"><p>It failed again and again, so it is left alone${until && html` until <${Time} iso=${until} /> (<${Time} iso=${until} relative />)`}, then asked by one attempt. What comes meanwhile waits and loses no attempt.</p>
        ${close && html`<div class="actions"><button onClick=${close}>Try it now</button></div>`}</div>`;
}

/** @param {{path: string, ofEndpoint?: boolean}} props path of the API: /destinations/NAME, also with an endpoint's id */
export function Doing({ path, ofEndpoint }) {
    const { data: d, error, load } = useData(path, 3000);
    if (error) return error.status === 404 ? null : html`<${Problem} error=${error} />`;
    if (!d) return null;
    const l = d.latency_ms;
    const time = (/** @type {number|undefined} */ ms) => (ms === undefined ? "–" : span(ms));
    const close = () => api.post(`${path}/circuit/close`).then(() => (say("It is tried again."), load()), sayError);
    return html`${ofEndpoint ? html`<h2>How it does</h2>` : html`<${Circuit} state=${d.circuit} until=${d.circuit_until} close=${may("operator") ? close : null} />`}
        <div class="tiles"><${Tile} label="p50" value=${time(l.p50)} /><${Tile} label="p95" value=${time(l.p95)} /><${Tile} label="p99" value=${time(l.p99)} />
            <${Tile} label="succeeded" value=${count(d.succeeded)} /><${Tile} label="failed" value=${count(d.failed)} tone=${d.failed ? "bad" : ""} />
            <${Tile} label="waiting" value=${`${count(d.waiting)}${d.waiting_is_all ? "" : "+"}`} tone=${d.waiting ? "wait" : ""} />
            <${Tile} label="oldest waiting" value=${d.oldest_waiting ? html`<${Time} iso=${d.oldest_waiting} relative />` : "–"} /></div>
        <h2>Last attempts</h2><${Strip} results=${d.recent} />
        ${d.errors.length > 0 && html`<h2>What goes wrong</h2><${Table} caption="What goes wrong" columns=${[{ label: "Cause" }, { label: "Count", class: "number" }, { label: "Last" }, { label: "What to do", class: "wide" }]}>
            ${d.errors.map((/** @type {any} */ e) => html`<tr key=${e.cause}><td data-label="Cause"><${State} state="dead" label=${e.cause} /></td><td data-label="Count" class="number">${count(e.count)}</td><td data-label="Last"><${Time} iso=${e.last} relative /></td>
                <td data-label="What to do" class="wide">${hint({ error_class: e.cause, status: Number(/^HTTP (\d+)$/.exec(e.cause)?.[1]) })}</td></tr>`)}<//>`}`;
}
