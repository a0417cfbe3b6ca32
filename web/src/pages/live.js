// live.js -- the first screen: what arrives, as it arrives, and what becomes of it.
import { classes, html, useEffect, useMemo, useRef, useState } from "../dom.js";
import { api } from "../api.js";
import * as feed from "../feed.js";
import { count, eventState, span } from "../format.js";
import { link, place, refine, go } from "../route.js";
import { text } from "../text.js";
import { Copy, Empty, Problem, State, Table, Tile, Time, sayError, say } from "../ui/parts.js";

const SHOWN = 80; // rows in the page; the others are under Events

const COLUMNS = [
    { label: "Time" },
    { label: "Source" },
    { label: "Type" },
    { label: "State" },
    { label: "What came of it", class: "wide" },
    { label: "Took", class: "number" },
    { label: "Event" },
];

export function Live() {
    const { query } = place.value;
    const [status, setStatus] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    useEffect(() => {
        feed.start();
        const look = () => api.get("/status").then(setStatus, setError);
        look();
        const timer = setInterval(() => !document.hidden && look(), 5000);
        return () => clearInterval(timer);
    }, []);
    useEffect(() => {
        api.get("/events?limit=100").then((page) => feed.seed(page.events), setError);
    }, []);
    const rows = useMemo(() => feed.rows.value.filter((row) => matches(row, query)), [feed.rows.value, query]);
    return html`<section aria-labelledby="live-title">
        <header class="page">
            <h1 id="live-title">Live</h1>
            <${Tiles} status=${status} />
        </header>
        ${error && html`<${Problem} error=${error} />`}
        <${Filters} query=${query} />
        <${List} rows=${rows} filtered=${Object.keys(query).length > 0} status=${status} />
    </section>`;
}

/** @param {any} row @param {Record<string, string>} query */
function matches(row, query) {
    if (query.source && row.source !== query.source) return false;
    if (query.type && !String(row.type ?? "").includes(query.type)) return false;
    if (query.state && rowState(row) !== query.state) return false;
    if (query.q && !`${row.id} ${row.source} ${row.type} ${row.note} ${row.delivery_key ?? ""}`.includes(query.q)) return false;
    return true;
}

/** @param {any} row */
function rowState(row) {
    return row.rejected ? "rejected" : eventState(row.deliveries);
}

/** @param {{status: any}} props */
function Tiles({ status }) {
    const perSecond = feed.rate.value;
    const last10 = perSecond.slice(-10).reduce((a, b) => a + b, 0) / 10;
    const d = status?.deliveries ?? {};
    return html`<div class="tiles">
        <div class="tile"><span class="value">${last10.toFixed(1)}<small>/s</small></span><${Spark} values=${perSecond} /><span class="label">events</span></div>
        <${Tile} label="stored" value=${count(status?.events ?? 0)} href=${link(["events"])} />
        <${Tile} label="waiting" value=${count((d.pending ?? 0) + (d.claimed ?? 0))} href=${link(["events"], { state: "pending" })} tone=${d.pending ? "wait" : ""} />
        <${Tile} label="dead letters" value=${count(d.dead ?? 0)} href=${link(["dead"])} tone=${d.dead ? "bad" : ""} />
        <${Tile} label="refused" value=${count(status?.rejected ?? 0)} href=${link(["rejected"])} />
    </div>`;
}

/** @param {{values: number[]}} props */
function Spark({ values }) {
    const most = Math.max(1, ...values);
    const points = values.map((v, i) => `${i},${(16 - (15 * v) / most).toFixed(1)}`).join(" ");
    return html`<svg class="spark" viewBox="0 0 59 16" preserveAspectRatio="none" aria-hidden="true"><polyline points=${points} /></svg>`;
}

/** @param {{query: Record<string, string>}} props */
function Filters({ query }) {
    const set = (/** @type {string} */ key) => (/** @type {any} */ e) => refine({ [key]: e.currentTarget.value });
    return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
        <label>Source <input name="source" value=${query.source ?? ""} onInput=${set("source")} autocomplete="off" /></label>
        <label>Type <input name="type" value=${query.type ?? ""} onInput=${set("type")} autocomplete="off" /></label>
        <label>State <select name="state" onChange=${set("state")}>
            ${["", "pending", "claimed", "delivered", "dead", "skipped", "cancelled", "stored", "rejected"].map(
                (s) => html`<option value=${s} selected=${(query.state ?? "") === s}>${s || "any"}</option>`,
            )}</select></label>
        <label class="grow">Search <input id="search" type="search" value=${query.q ?? ""} onInput=${set("q")} placeholder="/" autocomplete="off" /></label>
        <button type="button" aria-pressed=${feed.paused.value} onClick=${pause}>${feed.paused.value ? "Go on" : "Pause"}</button>
        <span class=${classes("connection", feed.connected.value ? "good" : "bad")} role="status">${feed.paused.value ? text.paused : feed.connected.value ? text.live : text.lost}</span>
    </form>`;
}

function pause() {
    feed.paused.value = !feed.paused.value;
    if (!feed.paused.value) feed.release();
}

/** @param {{rows: any[], filtered: boolean, status: any}} props */
function List({ rows, filtered, status }) {
    const top = useRef(/** @type {HTMLElement|null} */ (null));
    useEffect(() => {
        // Scrolled down means reading: new rows wait above.
        const scrolled = () => {
            const away = (top.current?.getBoundingClientRect().top ?? 0) < 0;
            if (away && !feed.paused.value) {
                feed.paused.value = true;
                held.current = true;
            } else if (!away && held.current) {
                held.current = false;
                feed.paused.value = false;
                feed.release();
            }
        };
        window.addEventListener("scroll", scrolled, { passive: true });
        return () => window.removeEventListener("scroll", scrolled);
    }, []);
    const held = useRef(false);
    return html`<div ref=${top}>
        ${feed.waiting.value > 0 &&
        html`<button class="waiting" onClick=${() => (feed.release(), window.scrollTo({ top: 0 }))}>${count(feed.waiting.value)} new</button>`}
        ${rows.length === 0
            ? filtered
                ? html`<${Empty} title=${text.noMatch}><button onClick=${() => go(link([]))}>Clear the filters</button><//>`
                : html`<${First} status=${status} />`
            : html`<${Table} caption="Events, newest first" columns=${COLUMNS}>${rows.slice(0, SHOWN).map(
                  (row) => (row.view ??= html`<${Row} key=${row.id} row=${row} />`),
              )}<//>`}
    </div>`;
}

/** @param {{row: any}} props */
function Row({ row }) {
    const to = row.rejected ? link(["rejected", row.id]) : link(["events", row.id]);
    const states = Object.entries(row.deliveries ?? {}).filter(([, n]) => n);
    return html`<tr class="row" data-href=${to}>
        <td data-label="Time"><${Time} iso=${row.received} /></td>
        <td data-label="Source">${row.source}</td>
        <td data-label="Type">${row.type || html`<span class="dim">–</span>`}</td>
        <td data-label="State"><${State} state=${rowState(row)} /></td>
        <td data-label="What came of it" class="wide">${row.rejected
            ? row.verdict_text
            : row.note || html`<span>${states.map(([s, n]) => html`<span class="part">${n} ${s}</span>`)}</span>`}</td>
        <td data-label="Took" class="number">${row.took_ms ? span(row.took_ms) : ""}</td>
        <td data-label="Event"><a href=${to} class="mono">${shortId(row.id)}</a></td>
    </tr>`;
}

/** @param {string} id */
export function shortId(id) {
    return id.length > 14 ? `…${id.slice(-8)}` : id;
}

/**
 * What a newcomer sees: an address that waits, and a button that sends something to it.
 * @param {{status: any}} props
 */
function First({ status }) {
    const [sources, setSources] = useState(/** @type {any[]} */ ([]));
    const [busy, setBusy] = useState(false);
    useEffect(() => {
        api.get("/sources").then((a) => setSources(a.sources), () => {});
    }, []);
    const source = sources[0];
    const url = source && status?.url ? `${status.url}${source.path}` : "";
    const send = async () => {
        setBusy(true);
        try {
            await api.post(`/sources/${encodeURIComponent(source.name)}/test`);
            say("Sent. It went through the same door as any other.");
        } catch (e) {
            sayError(e);
        }
        setBusy(false);
    };
    return html`<${Empty} title=${text.noEvents}>
        ${url
            ? html`<p>Send webhooks of <b>${source.name}</b> to</p>
                  <p class="address"><code>${url}</code> <${Copy} value=${url} label="Copy" what="address" /></p>
                  <button class="primary" disabled=${busy} onClick=${send}>Send a test event</button>`
            : html`<a class="button primary" href=${link(["sources", "new"])}>Add a source</a>`}
    <//>`;
}
