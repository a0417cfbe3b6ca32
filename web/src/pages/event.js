// event.js -- one event whole: what was received, why it was let in, which rules it met, and each
// attempt with what was said on both sides.
import { html, useEffect, useState } from "../dom.js";
import { api, may } from "../api.js";
import { listen } from "../feed.js";
import { absolute, bytes, hint, shellQuote, span } from "../format.js";
import { link, place, go } from "../route.js";
import { Body, Headers } from "../ui/body.js";
import { differences } from "../ui/compare.js";
import { CommandLine, Copy, Id, Loading, Problem, State, Table, Tabs, Time, say, sayError } from "../ui/parts.js";
import { Waterfall } from "../ui/waterfall.js";

/** In the address: comparing, but with nothing yet. */
const NONE = "-";

/** @param {{id: string}} props */
export function EventPage({ id }) {
    const [event, setEvent] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const [editing, edit] = useState(false);
    const load = () => api.get(`/events/${encodeURIComponent(id)}`).then((e) => (setEvent(e), setError(null)), setError);
    useEffect(() => {
        setEvent(null);
        load();
        return listen((line) => line.kind === "attempt" && line.event_id === id && load());
    }, [id]);
    if (error) return html`<${Problem} error=${error} />`;
    if (!event) return html`<${Loading} />`;
    const with_ = place.value.query.with;
    return html`<article aria-labelledby="event-title">
        <header class="page">
            <h1 id="event-title"><span class="dim">${event.source}</span> ${event.type || "event"}</h1>
            <p class="facts"><${Id} id=${event.id} /> · received <${Time} iso=${event.received} relative /> · ${bytes(event.body_bytes)} · from ${event.peer}
                ${event.delivery_key && html` · key <code>${event.delivery_key}</code>`}
                ${event.id_reused && html` · <${State} state="rejected" label="the same id came before with another body" />`}</p>
            <${Actions} event=${event} onEdit=${() => edit(!editing)} onDone=${load} />
        </header>
        ${editing && html`<${EditReplay} event=${event} onDone=${() => edit(false)} />`}
        ${with_ !== undefined && html`<${Compare} event=${event} other=${with_} />`}
        <${Timeline} event=${event} />
        <${Tabs} tabs=${[
            { id: "deliveries", label: `Deliveries (${event.deliveries.length})`, view: () => html`<${Deliveries} event=${event} onDone=${load} />` },
            { id: "request", label: "Request", view: () => html`<${Request} event=${event} />` },
            { id: "verdict", label: "Verification", view: () => html`<${Verdict} event=${event} />` },
            { id: "rules", label: "Rules", view: () => html`<${Rules} event=${event} />` },
        ]} />
    </article>`;
}

/** @param {{event: any, onEdit: () => void, onDone: () => void}} props */
function Actions({ event, onEdit, onDone }) {
    const replay = async () => {
        try {
            const answer = await api.post(`/events/${event.id}/replay`);
            say(`${answer.replayed} deliver${answer.replayed === 1 ? "y" : "ies"} will be made again.`);
            onDone();
        } catch (e) {
            sayError(e);
        }
    };
    const fixture = () => {
        const file = { provider: event.provider, event: event.type, headers: event.headers, body: event.body ?? null, body_base64: event.body_base64 };
        const url = URL.createObjectURL(new Blob([JSON.stringify(file, null, 2)], { type: "application/octet-stream" }));
        const a = document.createElement("a");
        a.href = url;
        a.download = `${event.source}-${event.type || "event"}.json`.replaceAll(/[^A-Za-z0-9._-]/g, "-");
        a.click();
        URL.revokeObjectURL(url);
    };
    return html`<div class="actions">
        <button class="primary" disabled=${!may("operator")} onClick=${replay}>Replay</button>
        <button disabled=${!may("operator")} onClick=${onEdit}>Replay edited</button>
        <button onClick=${() => go(link(["events", event.id], { with: NONE }))}>Compare</button>
        <${Copy} value=${asCurl(event)} label="Copy as curl" what="curl command" />
        <${Copy} value=${`gaff replay ${event.id}`} label="Copy as gaff command" what="gaff command" />
        <button class="quiet" onClick=${fixture}>Save as fixture</button>
    </div>`;
}

/** @param {any} event */
function asCurl(event) {
    const skip = new Set(["host", "content-length", "connection", "transfer-encoding", "expect"]);
    const lines = [`curl -X ${event.method} ${shellQuote(`http://127.0.0.1:8080${event.target}`)}`];
    for (const f of event.headers)
        if (!skip.has(f.name.toLowerCase()) && f.value !== "[redacted]") lines.push(`  -H ${shellQuote(`${f.name}: ${f.value}`)}`);
    if (event.body) lines.push(`  --data-binary ${shellQuote(event.body)}`);
    return lines.join(" \\\n");
}

/** @param {{event: any, onDone: () => void}} props */
function EditReplay({ event, onDone }) {
    const [body, setBody] = useState(event.body ?? "");
    const [error, setError] = useState(/** @type {any} */ (null));
    const send = async (/** @type {Event} */ e) => {
        e.preventDefault();
        try {
            const answer = await api.post(`/events/${event.id}/edit`, { body });
            say("Stored as a new event.");
            onDone();
            go(link(["events", answer.id]));
        } catch (problem) {
            setError(problem);
        }
    };
    return html`<form class="panel" onSubmit=${send}>
        <h2>Replay edited</h2>
        <p class="dim">A new event of the same source, marked as made by hand; the original stays as it is.</p>
        <label for="edited">Body</label>
        <textarea id="edited" rows="14" spellcheck=${false} value=${body} onInput=${(/** @type {any} */ e) => setBody(e.currentTarget.value)}></textarea>
        ${error && html`<${Problem} error=${error} />`}
        <div class="actions"><button class="primary">Send</button><button type="button" onClick=${onDone}>Cancel</button></div>
    </form>`;
}

/** @param {{event: any, other: string}} props */
function Compare({ event, other }) {
    const [found, setFound] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const [list, setList] = useState(/** @type {any[]} */ ([]));
    useEffect(() => {
        api.get(`/events?limit=50&source=${encodeURIComponent(event.source)}`).then((a) => setList(a.events.filter((/** @type {any} */ e) => e.id !== event.id)), setError);
    }, [event.id]);
    useEffect(() => {
        if (other === NONE) return setFound(null);
        api.get(`/events/${encodeURIComponent(other)}`).then((e) => setFound(differences(parse(event), parse(e))), setError);
    }, [event.id, other]);
    return html`<section class="panel" aria-label="Compare">
        <h2>Compare with</h2>
        <select aria-label="Another event" onChange=${(/** @type {any} */ e) => go(link(["events", event.id], { with: e.currentTarget.value }))}>
            <option value=${NONE}>choose an event of ${event.source}</option>
            ${list.map((e) => html`<option value=${e.id} selected=${e.id === other}>${absolute(e.received)} ${e.type} ${e.id}</option>`)}
        </select>
        ${error && html`<${Problem} error=${error} />`}
        ${found &&
        (found.length === 0
            ? html`<p>The bodies are the same.</p>`
            : html`<${Table} caption="Differences" columns=${[{ label: "Path" }, { label: "This event" }, { label: "The other" }]}>
                  ${found.map((/** @type {any} */ d) => html`<tr><th scope="row" class="mono">${d.path}</th>
                      <td class="mono">${show(d.a)}</td><td class="mono">${show(d.b)}</td></tr>`)}<//>`)}
    </section>`;
}

/** @param {any} e */
function parse(e) {
    try {
        return JSON.parse(e.body);
    } catch {
        return e.body ?? e.body_base64;
    }
}

/** @param {any} value */
function show(value) {
    return value === undefined ? html`<span class="dim">not there</span>` : JSON.stringify(value).slice(0, 300);
}

/** @param {{event: any}} props */
function Timeline({ event }) {
    const matched = event.trace.filter((/** @type {string} */ line) => line.includes(": matched")).length;
    return html`<ol class="timeline" aria-label="What happened">
        <li><b>received</b> <${Time} iso=${event.received} /></li>
        <li><b>${event.verdict}</b></li>
        <li><b>stored</b> on disk, then answered</li>
        <li><b>${matched}</b> of ${event.trace.length} rules matched</li>
        ${event.deliveries.map((/** @type {any} */ d) => html`<li class="delivery">
            <span class="name">${d.destination}</span> <${State} state=${d.state} />
            ${d.log.slice(-4).map((/** @type {any} */ a) => html`<span class="try">#${a.number} ${a.summary} ${span(a.duration_us / 1000)}</span>`)}
            ${d.next && html`<span class="try">next <${Time} iso=${d.next} relative /></span>`}
        </li>`)}
    </ol>`;
}

/** @param {{event: any, onDone: () => void}} props */
function Deliveries({ event, onDone }) {
    if (event.deliveries.length === 0)
        return html`<p class="dim">No rule matched, so nothing is delivered. <a href=${link(["routes"])}>Look at the routes</a>.</p>`;
    return event.deliveries.map((/** @type {any} */ d) => html`<${Delivery} key=${d.id} d=${d} onDone=${onDone} />`);
}

/** @param {{d: any, onDone: () => void}} props */
function Delivery({ d, onDone }) {
    const act = (/** @type {string} */ verb) => async () => {
        try {
            await api.post(`/deliveries/${d.id}/${verb}`);
            onDone();
        } catch (e) {
            sayError(e);
        }
    };
    return html`<section class="panel" aria-label=${`Delivery to ${d.destination}`}>
        <h2><a href=${link(["destinations", d.destination])}>${d.destination}</a> <${State} state=${d.state} />
            <span class="actions inline">
                ${d.state === "pending"
                    ? html`<button disabled=${!may("operator")} onClick=${act("cancel")}>Cancel</button>`
                    : html`<button disabled=${!may("operator")} onClick=${act("replay")}>Replay</button>`}
            </span></h2>
        <p class="facts"><${Id} id=${d.id} /> by route <b>${d.route || "none"}</b>${d.reason && html` · ${d.reason}`}
            ${d.next && html` · next attempt <${Time} iso=${d.next} relative />`}</p>
        ${d.log.map((/** @type {any} */ a) => html`<${Attempt} key=${a.number} a=${a} last=${a.number === d.log.length} />`)}
    </section>`;
}

/** @param {{a: any, last: boolean}} props */
function Attempt({ a, last }) {
    const advice = a.result === "success" ? "" : hint(a);
    return html`<details class="attempt" open=${last && a.result !== "success"}>
        <summary>#${a.number} <${State} state=${a.result} /> ${a.summary} <span class="dim">${span(a.duration_us / 1000)}, <${Time} iso=${a.started} relative /></span></summary>
        ${advice && html`<p class="hint">${advice}</p>`}
        ${a.timing && html`<${Waterfall} timing=${a.timing} />`}
        <div class="pair">
            <div><h3>Sent</h3><pre class="payload" tabindex="0">${a.request || "–"}</pre></div>
            <div><h3>Received</h3><pre class="payload" tabindex="0">${a.response || (a.response_base64 ? "(bytes that are no text)" : "–")}</pre></div>
        </div>
    </details>`;
}

/** @param {{event: any}} props */
function Request({ event }) {
    return html`<div>
        <p class="mono">${event.method} ${event.target}</p>
        <${Headers} fields=${event.headers} />
        <${Body} event=${event} />
    </div>`;
}

/** @param {{event: any}} props */
function Verdict({ event }) {
    return html`<div>
        <p><${State} state=${event.verdict} /> by <b>${event.provider}</b></p>
        <p>${event.verdict_text}</p>
        ${event.signed_text !== undefined && html`<h3>What was signed</h3><pre class="payload" tabindex="0">${event.signed_text}</pre>`}
        <${CommandLine} line=${`gaff explain ${event.id}`} />
    </div>`;
}

/** @param {{event: any}} props */
function Rules({ event }) {
    if (event.trace.length === 0) return html`<p class="dim">This source has no route.</p>`;
    return html`<ul class="trace">${event.trace.map((/** @type {string} */ line) => {
        const yes = line.includes(": matched");
        return html`<li><${State} state=${yes ? "success" : "skipped"} label=${yes ? "matched" : "no"} /> ${line}</li>`;
    })}</ul>`;
}
