// define.js -- destinations and routes made in the page: they lie in the store, over the file, and
// `gaff export` prints them as YAML.
import { html, useState } from "../dom.js";
import { api, may } from "../api.js";
import { go, link } from "../route.js";
import { useData } from "../ui/data.js";
import { CommandLine, Copy, Loading, Problem, say } from "../ui/parts.js";

const NAME = "[a-z0-9][a-z0-9_\\-]*";

/** A secret as Standard Webhooks writes one. */
function newSecret() {
    return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(24))))}`;
}

/** Makes a destination, or changes the one named. @param {{name?: string, onDone: () => void}} props */
export function DestinationForm({ name, onDone }) {
    const { data } = useData(name ? "/definitions" : null);
    if (name && !data) return html`<${Loading} />`;
    return html`<${DestinationFields} name=${name} old=${name ? data.destinations?.[name] : undefined} onDone=${onDone} />`;
}

/** @param {{name?: string, old?: any, onDone: () => void}} props */
function DestinationFields({ name, old, onDone }) {
    const [error, setError] = useState(/** @type {any} */ (null));
    const [secret, setSecret] = useState(old?.http?.sign?.secret ?? "");
    const was = old?.http?.sign;
    const fresh = secret && secret !== was?.secret; // what is in force is shown masked, and sent back so
    // The one that signs so far goes on beside the new one for a day, where a receiver understands two.
    const overlaps = was?.secret && fresh && /^(standard-webhooks|svix)$/.test(was.provider ?? "standard-webhooks");
    const [raw, setRaw] = useState(old && !old.http ? JSON.stringify(old, null, 2) : "");
    const save = async (/** @type {any} */ e) => {
        e.preventDefault();
        const form = new FormData(e.currentTarget);
        const called = name ?? String(form.get("name"));
        try {
            const made = raw ? JSON.parse(raw) : { ...old, http: { ...old?.http, url: form.get("url"), sign: secret ? { ...was, secret, ...(overlaps && { previous_secret: was.secret, previous_until: new Date(Date.now() + 864e5).toISOString() }) } : undefined }, rate: form.get("rate") || undefined };
            await api.put(`/definitions/destinations/${encodeURIComponent(called)}`, made);
            say(`${called} is in force.`);
            onDone();
            if (!name) go(link(["destinations", called]));
        } catch (problem) {
            setError(problem);
        }
    };
    return html`<form class="panel" onSubmit=${save} aria-label=${name ? `Edit ${name}` : "Add a destination"}><h2>${name ? `Edit ${name}` : "Add a destination"}</h2>
        ${!name && html`<label>Name <input name="name" required pattern=${NAME} maxlength="63" autocomplete="off" /></label>`}
        ${!raw && html`<label>URL <input name="url" type="url" required defaultValue=${old?.http?.url ?? ""} placeholder="https://example.com/webhooks" /></label>
            <label>At most this often <input name="rate" defaultValue=${old?.rate ?? ""} placeholder="no limit, or 10/s" autocomplete="off" /></label>
            <label>Signing secret <input value=${secret} onInput=${(/** @type {any} */ e) => setSecret(e.currentTarget.value)} placeholder="none: not signed" autocomplete="off" spellcheck=${false} /></label>
            <div class="actions"><button type="button" onClick=${() => setSecret(newSecret())}>${secret ? "Rotate: make another" : "Make one"}</button>${fresh && html`<${Copy} value=${secret} label="Copy" what="secret" />`}</div>
            ${fresh && html`<p class="dim">Give it to the receiver, then save: from then on it signs${overlaps ? ", and the old one beside it for a day" : ""}.</p>`}`}
        <details open=${Boolean(raw)}><summary>Anything else: as in gaff.yaml, in JSON</summary>
            <textarea aria-label="The destination in JSON" rows="6" spellcheck=${false} value=${raw} onInput=${(/** @type {any} */ e) => setRaw(e.currentTarget.value)} placeholder='{"slack": {"url": "https://hooks.slack.com/..."}}'></textarea></details>
        ${error && html`<${Problem} error=${error} />`}
        <div class="actions"><button class="primary" disabled=${!may("admin")}>Save</button>${name ? html`<button type="button" onClick=${onDone}>Cancel</button>` : html`<a class="button" href=${link(["destinations"])}>Cancel</a>`}</div>
        <${CommandLine} line="gaff export" /></form>`;
}

/** @param {{onDone: () => void}} props */
export function RouteForm({ onDone }) {
    const [error, setError] = useState(/** @type {any} */ (null));
    const sources = useData("/sources");
    const destinations = useData("/destinations");
    const save = async (/** @type {any} */ e) => {
        e.preventDefault();
        const element = e.currentTarget;
        const form = new FormData(element);
        const event = String(form.get("event"));
        const to = form.getAll("to");
        if (to.length === 0) return setError(new Error("Choose at least one destination."));
        const route = { from: form.get("from"), to, ...(event ? { match: { event } } : {}) };
        try {
            await api.put(`/definitions/routes/${encodeURIComponent(String(form.get("name")))}`, route);
            say("The route is in force.");
            element.reset();
            setError(null);
            onDone();
        } catch (problem) {
            setError(problem);
        }
        return undefined;
    };
    return html`<details class="panel"><summary>Add a route</summary><form onSubmit=${save} aria-label="Add a route">
        <div class="filters"><label>Name <input name="name" required pattern=${NAME} maxlength="63" autocomplete="off" /></label>
        <label>From <select name="from">${sources.data?.sources.map((/** @type {any} */ s) => html`<option>${s.name}</option>`)}</select></label>
        <label>Event <input name="event" placeholder="any, or order.*" autocomplete="off" /></label></div>
        <fieldset><legend>Deliver to</legend>${destinations.data?.destinations.map((/** @type {any} */ d) => html`<label class="check"><input type="checkbox" name="to" value=${d.name} /> ${d.name} <span class="dim">${d.kind}</span></label>`)}</fieldset>
        ${error && html`<${Problem} error=${error} />`}
        <div class="actions"><button class="primary" disabled=${!may("admin") || !sources.data}>Save</button></div></form></details>`;
}
