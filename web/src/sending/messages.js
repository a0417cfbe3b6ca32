// messages.js -- what was sent: the list, and one message with its payload, whom it reached, and
// the way to send it again.
import { html, useState } from "../dom.js";
import { api, query } from "../api.js";
import { link } from "../route.js";
import { Body } from "../ui/body.js";
import { useData } from "../ui/data.js";
import { Empty, Id, Loading, Problem, Table, Time, say, sayError } from "../ui/parts.js";
import { Attempts, Result } from "./endpoint.js";
import { base } from "./endpoints.js";

/** @typedef {import("./endpoints.js").At} At */

/** @param {{at: At}} props */
export function Messages({ at }) {
    const [type, setType] = useState("");
    const [pages, setPages] = useState([""]);
    const types = useData("/event-type?limit=250");
    const { data, error } = useData(`${base(at)}/msg${query({ limit: 50, with_content: false, event_types: type, iterator: pages[pages.length - 1] })}`, 5000);
    return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
            <label>Event <select onChange=${(/** @type {any} */ e) => (setType(e.currentTarget.value), setPages([""]))}><option value="">all</option>${types.data?.data.map((/** @type {any} */ t) => html`<option>${t.name}</option>`)}</select></label></form>
        ${error && html`<${Problem} error=${error} />`}
        ${data?.data.length === 0 && html`<${Empty} title=${type ? "No such message." : "No message yet."} />`}
        ${data?.data.length > 0 && html`<${Table} caption="Messages" columns=${[{ label: "When" }, { label: "Event" }, { label: "Message", class: "wide" }]}>
            ${data.data.map((/** @type {any} */ m) => {
                const to = link([...at.path, "messages", m.id]);
                return html`<tr key=${m.id} class="row" data-href=${to}><td data-label="When"><${Time} iso=${m.timestamp} relative /></td><td data-label="Event">${m.eventType}</td><td data-label="Message" class="wide"><a class="mono" href=${to}>${m.id}</a></td></tr>`;
            })}<//>`}
        <div class="actions">${pages.length > 1 && html`<button onClick=${() => setPages(pages.slice(0, -1))}>Newer</button>`}
            ${data && !data.done && html`<button onClick=${() => setPages([...pages, data.iterator])}>Older</button>`}</div>`;
}

/** @param {{at: At, id: string}} props */
export function Message({ at, id }) {
    const path = `${base(at)}/msg/${encodeURIComponent(id)}`;
    const { data: m, error } = useData(`${path}?with_content=true`);
    const to = useData(`${path}/endpoint?limit=250`, 2000);
    if (error) return html`<${Problem} error=${error} />`;
    if (!m) return html`<${Loading} />`;
    const again = (/** @type {string} */ ep) => () => api.post(`${path}/endpoint/${ep}/resend`).then(() => (say("It is sent again."), to.load()), sayError);
    return html`<article aria-labelledby="message-title">
        <header class="page"><h1 id="message-title">${m.eventType}</h1><p class="facts"><${Id} id=${m.id} /> · <${Time} iso=${m.timestamp} relative />${m.eventId && html` · ${m.eventId}`}${m.channels && html` · channels ${m.channels.join(", ")}`}</p></header>
        <h2>Whom it reached</h2>
        ${to.data?.data.length === 0 && html`<p class="dim">No endpoint wanted it.</p>`}
        ${to.data?.data.length > 0 && html`<${Table} caption="Endpoints" columns=${[{ label: "Endpoint", class: "wide" }, { label: "State" }, { label: "Next attempt" }, { label: "" }]}>
            ${to.data.data.map((/** @type {any} */ ep) => html`<tr key=${ep.id}><td data-label="Endpoint" class="wide"><a class="mono" href=${link([...at.path, "endpoints", ep.id])}>${ep.url}</a></td><td data-label="State"><${Result} status=${ep.statusText} /></td>
                <td data-label="Next attempt"><${Time} iso=${ep.nextAttempt} relative /></td><td>${at.can("CreateAttempts") && html`<button onClick=${again(ep.id)}>Send again</button>`}</td></tr>`)}<//>`}
        <h2>Payload</h2><${Body} event=${{ body: typeof m.payload === "string" ? m.payload : JSON.stringify(m.payload, null, 2) }} />
        <h2>Attempts</h2><${Attempts} at=${at} path=${`${base(at)}/attempt/msg/${encodeURIComponent(id)}`} ofMessage />
    </article>`;
}
