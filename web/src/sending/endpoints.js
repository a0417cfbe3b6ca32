// endpoints.js -- the endpoints of one application, and making or changing one. Shared by the
// dashboard and the portal: `at` says which application, where in the address the list stands, and
// what may be done.
import { html, useState } from "../dom.js";
import { api } from "../api.js";
import { go, link } from "../route.js";
import { useData } from "../ui/data.js";
import { Empty, Loading, Problem, State, Table, say } from "../ui/parts.js";

/** @typedef {{app: string, path: string[], can: (capability: string) => boolean}} At */

/** @param {At} at */
export const base = (at) => `/app/${encodeURIComponent(at.app)}`;

/** @param {{at: At}} props */
export function Endpoints({ at }) {
    const { data, error } = useData(`${base(at)}/endpoint?limit=250`);
    const add = at.can("ManageEndpoint") && html`<a class="button primary" href=${link([...at.path, "endpoints", "new"])}>Add an endpoint</a>`;
    if (error) return html`<${Problem} error=${error} />`;
    if (!data) return html`<${Loading} />`;
    if (data.data.length === 0) return html`<${Empty} title="No endpoint yet: an address that is told what happens.">${add}<//>`;
    return html`<div class="actions">${add}</div>
        <${Table} caption="Endpoints" columns=${[{ label: "URL", class: "wide" }, { label: "State" }, { label: "Events", class: "wide" }]}>
            ${data.data.map((/** @type {any} */ ep) => {
                const to = link([...at.path, "endpoints", ep.id]);
                return html`<tr key=${ep.id} class="row" data-href=${to}>
                    <td data-label="URL" class="wide"><span><a class="mono" href=${to}>${ep.url}</a>${ep.description && html` <span class="dim">${ep.description}</span>`}</span></td>
                    <td data-label="State"><${EndpointState} ep=${ep} /></td>
                    <td data-label="Events" class="wide">${ep.eventTypes ? ep.eventTypes.join(", ") : "all"}</td></tr>`;
            })}<//>`;
}

/** @param {{ep: any}} props */
export function EndpointState({ ep }) {
    if (ep.disabled) return html`<${State} state="paused" label="disabled" />`;
    return ep.failSince ? html`<${State} state="retry" label="failing" />` : html`<${State} state="success" label="enabled" />`;
}

/** Makes one, or changes the one given. @param {{at: At, ep?: any, onDone?: () => void}} props */
export function EndpointForm({ at, ep, onDone }) {
    const [error, setError] = useState(/** @type {any} */ (null));
    const [some, setSome] = useState(Boolean(ep?.eventTypes));
    const types = useData("/event-type?limit=250");
    const back = link([...at.path, "endpoints"]);
    const save = async (/** @type {any} */ e) => {
        e.preventDefault();
        const form = new FormData(e.currentTarget);
        const rate = String(form.get("rate"));
        const eventTypes = some ? form.getAll("type") : null;
        if (eventTypes?.length === 0) return setError(new Error("Choose at least one event, or take all."));
        const body = { url: form.get("url"), description: form.get("description"), eventTypes, throttleRate: rate ? Number(rate) : null };
        try {
            const saved = ep ? await api.patch(`${base(at)}/endpoint/${ep.id}`, body) : await api.post(`${base(at)}/endpoint`, body);
            say(ep ? "Saved." : "Made. Send it a test event to see that it answers.");
            onDone?.();
            if (!ep) go(link([...at.path, "endpoints", saved.id]));
        } catch (problem) {
            setError(problem);
        }
        return undefined;
    };
    return html`<form class="panel" onSubmit=${save}><h2>${ep ? "Edit" : "A new endpoint"}</h2>
        <label>URL <input name="url" type="url" required maxlength="2000" defaultValue=${ep?.url ?? ""} placeholder="https://example.com/webhooks" /></label>
        <label>Description <input name="description" maxlength="500" defaultValue=${ep?.description ?? ""} autocomplete="off" /></label>
        <label>At most this many a second <input name="rate" type="number" min="1" max="65535" defaultValue=${ep?.throttleRate ?? ""} placeholder="no limit" /></label>
        <fieldset><legend>Events</legend>
            <label class="check"><input type="radio" name="which" checked=${!some} onChange=${() => setSome(false)} /> All, also those to come</label>
            <label class="check"><input type="radio" name="which" checked=${some} onChange=${() => setSome(true)} /> Only these</label>
            ${some && html`<div class="choices">${types.data?.data.map((/** @type {any} */ t) => html`<label class="check"><input type="checkbox" name="type" value=${t.name} defaultChecked=${ep?.eventTypes?.includes(t.name)} /> <span class="mono">${t.name}</span> <span class="dim">${t.description}</span></label>`)}
                ${types.data?.data.length === 0 && html`<p class="dim">The catalogue is empty.</p>`}</div>`}</fieldset>
        ${error && html`<${Problem} error=${error} />`}
        <div class="actions"><button class="primary">Save</button>${ep ? html`<button type="button" onClick=${onDone}>Cancel</button>` : html`<a class="button" href=${back}>Cancel</a>`}</div></form>`;
}
