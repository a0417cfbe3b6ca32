// sources.js -- where webhooks come in: the list, one source, and the way to a new one.
import { html, useEffect, useMemo, useState } from "../dom.js";
import { api, may } from "../api.js";
import { listen, start } from "../feed.js";
import { count } from "../format.js";
import { link, place, go } from "../route.js";
import { text } from "../text.js";
import { CommandLine, Copy, Empty, Loading, Problem, State, Table, Time, say, sayError } from "../ui/parts.js";

export function Sources() {
    const [, name] = place.value.path;
    if (name === "new") return html`<${Wizard} />`;
    if (name) return html`<${Source} name=${name} />`;
    return html`<${SourceList} />`;
}

function useSources() {
    const [list, setList] = useState(/** @type {any[]|null} */ (null));
    const [status, setStatus] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const load = () => {
        api.get("/sources").then((a) => setList(a.sources), setError);
        api.get("/status").then(setStatus, setError);
    };
    useEffect(load, []);
    return { list, status, error, load };
}

function SourceList() {
    const { list, status, error } = useSources();
    return html`<section aria-labelledby="sources-title">
        <header class="page"><h1 id="sources-title">Sources</h1>
            <div class="actions"><a class="button primary" href=${link(["sources", "new"])}>Add a source</a></div></header>
        ${error && html`<${Problem} error=${error} />`}
        ${list && list.length === 0 && html`<${Empty} title="A source is an address that takes webhooks of one sender."><a class="button" href=${link(["sources", "new"])}>Add the first</a><//>`}
        ${list && list.length > 0 && html`<${Table} caption="Sources" columns=${[{ label: "Name" }, { label: "Provider" }, { label: "Address", class: "wide" }, { label: "Verified" }, { label: "Received", class: "number" }, { label: "Refused", class: "number" }, { label: "Last event" }]}>
            ${list.map((s) => html`<tr key=${s.name} class="row" data-href=${link(["sources", s.name])}>
                <td data-label="Name"><a href=${link(["sources", s.name])}>${s.name}</a></td>
                <td data-label="Provider">${s.provider}</td>
                <td data-label="Address" class="wide mono">${status?.url ?? ""}${s.path}</td>
                <td data-label="Verified"><${State} state=${s.verified ? "verified" : "skipped"} label=${s.verified ? "yes" : "no"} /></td>
                <td data-label="Received" class="number"><a href=${link(["events"], { source: s.name })}>${count(s.received)}</a></td>
                <td data-label="Refused" class="number"><a href=${link(["rejected"])}>${count(s.rejected)}</a></td>
                <td data-label="Last event"><${Time} iso=${s.last_event} relative /></td></tr>`)}<//>`}
    </section>`;
}

/** @param {{name: string}} props */
function Source({ name }) {
    const { list, status, error, load } = useSources();
    const source = list?.find((s) => s.name === name);
    const remove = async () => {
        try {
            await api.remove(`/definitions/sources/${encodeURIComponent(name)}`);
            say(`${name} is gone; its events stay.`);
            go(link(["sources"]));
        } catch (e) {
            sayError(e);
        }
    };
    if (error) return html`<${Problem} error=${error} />`;
    if (list && !source) return html`<${Empty} title=${`There is no source ${name}.`} />`;
    if (!source) return html`<${Loading} />`;
    return html`<section aria-labelledby="source-title">
        <header class="page"><h1 id="source-title">${source.name}</h1>
            <p class="facts">${source.provider} · ${count(source.received)} received · ${count(source.rejected)} refused · ${count(source.duplicates)} repeats · last <${Time} iso=${source.last_event} relative /></p>
            <p class="dim">${source.managed ? "Made in this page." : `From ${source.defined}. ${text.readOnly}`}</p></header>
        <div class="panel"><h2>Its address</h2><p class="address"><code>${status?.url}${source.path}</code> <${Copy} value=${`${status?.url}${source.path}`} label="Copy" what="address" /></p>
            <div class="actions"><button disabled=${!may("operator")} onClick=${() => testSource(name)}>Send a test event</button>
            <a class="button" href=${link(["events"], { source: name })}>Its events</a>
            ${source.managed && html`<button class="danger" disabled=${!may("admin")} onClick=${() => say(`Remove ${name}?`, { ms: 12000, action: { label: "Remove", run: remove } })}>Remove</button>`}</div></div>
        <${Waiting} source=${source} onChange=${load} />
        <${CommandLine} line=${`gaff events ls --source ${name}`} />
    </section>`;
}

/** @param {string} name */
async function testSource(name) {
    try {
        await api.post(`/sources/${encodeURIComponent(name)}/test`);
        say("Sent, signed with the source's own secret, through the front door.");
    } catch (e) {
        sayError(e);
    }
}

/**
 * The panel that waits: what came, or why nothing may have come.
 * @param {{source: any, onChange?: () => void}} props
 */
function Waiting({ source, onChange }) {
    const [seen, setSeen] = useState(/** @type {any[]} */ ([]));
    useEffect(() => {
        start();
        return listen((line) => {
            const mine = line.source === source.name || (line.kind === "rejected" && String(line.target ?? "").startsWith(source.path));
            const astray = line.kind === "rejected" && !line.source;
            if (line.kind !== "attempt" && (mine || astray)) {
                setSeen((old) => [line, ...old].slice(0, 8));
                onChange?.();
            }
        });
    }, [source.name]);
    if (seen.length)
        return html`<div class="panel" aria-live="polite"><h2>Arriving</h2><ul class="arriving">
            ${seen.map((line) => html`<li><${State} state=${line.kind === "event" ? "verified" : "rejected"} label=${line.verdict} />
                ${line.kind === "event" ? html`<a href=${link(["events", line.id])}>${line.type || line.id}</a>` : html`<span>${line.verdict_text}</span>`}
                <${Time} iso=${line.time} /></li>`)}</ul></div>`;
    return html`<div class="panel waiting-panel"><h2><span class="pulse" aria-hidden="true"></span>Waiting for ${source.received ? "the next" : "the first"} event</h2>
        <p class="dim">Nothing yet? These are the usual reasons:</p>
        <ul class="reasons"><li>The sender can't reach this machine: the address above must be reachable from where it runs (firewall, port, name).</li>
        <li>The sender wants <code>https://</code>: give the listener a certificate, or put a proxy in front and set <code>public_url</code>.</li>
        <li>Another path was typed at the sender: an unknown path is answered with 404.</li>
        <li>The secret differs: such requests appear here as <i>bad_signature</i>, with the reason.</li></ul></div>`;
}

// ---- the wizard ---------------------------------------------------------------------------------

function Wizard() {
    const [providers, setProviders] = useState(/** @type {any[]} */ ([]));
    const [provider, setProvider] = useState(/** @type {any} */ (null));
    const [made, setMade] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    useEffect(() => {
        api.get("/providers").then((a) => setProviders(a.providers), setError);
    }, []);
    return html`<section aria-labelledby="wizard-title">
        <header class="page"><h1 id="wizard-title">Add a source</h1>
            <ol class="steps"><li aria-current=${!provider ? "step" : undefined}>Choose the sender</li><li aria-current=${provider && !made ? "step" : undefined}>Name and secret</li><li aria-current=${made ? "step" : undefined}>First event</li></ol></header>
        ${error && html`<${Problem} error=${error} />`}
        ${!provider && html`<${Choose} providers=${providers} onChoose=${setProvider} />`}
        ${provider && !made && html`<${Details} provider=${provider} onBack=${() => setProvider(null)} onMade=${setMade} />`}
        ${made && html`<${Made} source=${made} provider=${provider} />`}
    </section>`;
}

/** @param {{providers: any[], onChoose: (p: any) => void}} props */
function Choose({ providers, onChoose }) {
    const [wanted, want] = useState("");
    const found = useMemo(() => {
        const needle = wanted.trim().toLowerCase();
        return providers.filter((p) => `${p.id} ${p.title}`.toLowerCase().includes(needle));
    }, [wanted, providers]);
    return html`<div class="panel"><label for="provider-search">Who sends?</label>
        <input id="provider-search" type="search" value=${wanted} onInput=${(/** @type {any} */ e) => want(e.currentTarget.value)} placeholder="github, stripe, shopify …" autocomplete="off" />
        <p class="dim" role="status">${found.length} of ${providers.length} providers</p>
        <div class="chips">${found.slice(0, 120).map((p) => html`<button class="chip" onClick=${() => onChoose(p)}>${p.title}</button>`)}</div>
        ${found.length === 0 && html`<p>Not in the list? <button class="quiet" onClick=${() => onChoose(providers.find((p) => p.id === "hmac"))}>A generic HMAC signature</button> fits most.</p>`}</div>`;
}

/** @param {{provider: any, onBack: () => void, onMade: (s: any) => void}} props */
function Details({ provider, onBack, onMade }) {
    const [name, setName] = useState(provider.id);
    const [secret, setSecret] = useState(provider.secret_is_ours ? "" : suggestSecret());
    const [to, setTo] = useState("");
    const [destinations, setDestinations] = useState(/** @type {any[]} */ ([]));
    const [error, setError] = useState(/** @type {any} */ (null));
    useEffect(() => {
        api.get("/destinations").then((a) => setDestinations(a.destinations), () => {});
    }, []);
    const make = async (/** @type {Event} */ e) => {
        e.preventDefault();
        try {
            const definition = { provider: provider.id, ...(provider.needs_secret ? { secret } : {}) };
            await api.put(`/definitions/sources/${encodeURIComponent(name)}`, definition);
            if (to) await api.put(`/definitions/routes/${encodeURIComponent(`${name}-to-${to}`)}`, { from: name, to: [to] });
            onMade({ name, path: `/in/${name}`, received: 0, secret });
        } catch (problem) {
            setError(problem);
        }
    };
    return html`<form class="panel" onSubmit=${make}><h2>${provider.title}</h2>
        <label>Name <input required pattern="[a-z0-9_\\-]+" value=${name} onInput=${(/** @type {any} */ e) => setName(e.currentTarget.value)} /></label>
        <p class="dim">Its address will be <code>/in/${name}</code>.</p>
        ${provider.needs_secret && html`<label>Secret <input required value=${secret} onInput=${(/** @type {any} */ e) => setSecret(e.currentTarget.value)} autocomplete="off" spellcheck=${false} /></label>
            <p class="dim">A new one was made for you; paste it at ${provider.title}. If ${provider.title} shows one of its own, paste that here instead. <${Copy} value=${secret} label="Copy" what="secret" /></p>`}
        <label>Deliver to <select value=${to} onChange=${(/** @type {any} */ e) => setTo(e.currentTarget.value)}><option value="">nothing yet: store and show</option>
            ${destinations.map((d) => html`<option value=${d.name}>${d.name} (${d.kind})</option>`)}</select></label>
        ${error && html`<${Problem} error=${error} />`}
        <div class="actions"><button class="primary" disabled=${!may("admin")}>Make it</button><button type="button" onClick=${onBack}>Back</button></div></form>`;
}

/** 32 random bytes in hex. */
function suggestSecret() {
    return [...crypto.getRandomValues(new Uint8Array(32))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** @param {{source: any, provider: any}} props */
function Made({ source, provider }) {
    const [status, setStatus] = useState(/** @type {any} */ (null));
    useEffect(() => {
        api.get("/status").then(setStatus, () => {});
    }, []);
    const url = `${status?.url ?? ""}${source.path}`;
    return html`<div><div class="panel"><h2>Where to click</h2>
        <p class="address"><code>${url}</code> <${Copy} value=${url} label="Copy" what="address" /></p>
        ${provider.setup?.length ? html`<ol>${provider.setup.map((/** @type {string} */ s) => html`<li>${s}</li>`)}</ol>` : html`<p>Give ${provider.title} this address${provider.needs_secret ? " and the secret" : ""}.</p>`}
        ${provider.docs && html`<p><a href=${provider.docs} rel="noreferrer" target="_blank">${provider.title}'s own documentation</a></p>`}
        ${provider.needs_secret && html`<p>The secret, if you have not pasted it yet: <${Copy} value=${source.secret} label="Copy it" what="secret" /></p>`}
        <div class="actions"><button onClick=${() => testSource(source.name)}>Send a test event</button><a class="button" href=${link(["sources", source.name])}>Done</a></div></div>
        <${Waiting} source=${source} /></div>`;
}
