// settings.js -- where each value comes from, what a reload would change, who may come in, and what
// was done.
import { html, useEffect, useState } from "../dom.js";
import { api, may, me } from "../api.js";
import { bytes, count, inUtc, span } from "../format.js";
import { useData } from "../ui/data.js";
import { Copy, CommandLine, Empty, Loading, Problem, Table, Tabs, Time, say, sayError } from "../ui/parts.js";

export function Settings() {
    return html`<section aria-labelledby="settings-title"><header class="page"><h1 id="settings-title">Settings</h1></header>
        <${Tabs} tabs=${[
            { id: "config", label: "Configuration", view: () => html`<${Configuration} />` },
            { id: "store", label: "Store", view: () => html`<${Store} />` },
            { id: "keys", label: "API keys", view: () => html`<${Keys} />` },
            { id: "people", label: "People", view: () => html`<${People} />` },
            { id: "audit", label: "Audit log", view: () => html`<${Audit} />` },
            { id: "page", label: "This page", view: () => html`<${Page} />` },
        ]} /></section>`;
}

function Configuration() {
    const [config, setConfig] = useState(/** @type {any} */ (null));
    const [diff, setDiff] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const load = () => api.get("/config").then(setConfig, setError);
    useEffect(() => {
        load();
    }, []);
    const look = () => api.get("/config/difference").then((d) => (setDiff(d), setError(null)), setError);
    const reload = () => api.post("/reload").then((a) => (say(a.warnings || "The configuration is in force."), setDiff(null), load()), setError);
    return html`<div>${error && html`<${Problem} error=${error} />`}
        <div class="actions"><button disabled=${!may("admin")} onClick=${look}>What would a reload change?</button></div>
        ${diff && html`<div class="panel">${diff.problems.length > 0 ? html`<p>The file has errors; a reload would be refused:</p><ul class="trace">${diff.problems.map((/** @type {string} */ p) => html`<li class="mono">${p}</li>`)}</ul>`
            : diff.lines.length === 0 ? html`<p>Nothing: the file is in force.</p>`
            : html`<pre class="payload diff" tabindex="0">${diff.lines.map((/** @type {string} */ line) => html`<span class=${line.startsWith("+") ? "added" : "removed"}>${line}${"\n"}</span>`)}</pre><button class="primary" onClick=${reload}>Put it in force</button>`}</div>`}
        ${config && html`<p class="dim">In force since <${Time} iso=${config.loaded} relative />, from <code>${config.path ?? "no file"}</code>.</p><pre class="payload" tabindex="0">${config.text}</pre>`}
        <${CommandLine} line="gaff check --show" /></div>`;
}

function Store() {
    const { data: status, error } = useData("/status");
    const { data: disk } = useData("/disk");
    if (error) return html`<${Problem} error=${error} />`;
    if (!status) return html`<${Loading} />`;
    return html`<dl class="pairs"><dt>Store</dt><dd>${status.store}</dd><dt>Events</dt><dd>${count(status.events)}</dd><dt>On disk</dt><dd>${bytes(status.store_bytes)}</dd>
        <dt>Waits to be applied</dt><dd>${bytes(status.store_lag_bytes)}</dd><dt>Oldest undelivered</dt><dd><${Time} iso=${status.oldest_pending} relative /></dd>
        <dt>Running since</dt><dd><${Time} iso=${status.started} relative /></dd></dl>
        ${disk && html`<section class="panel" aria-labelledby="disk-title"><h2 id="disk-title">The disk</h2><p class=${disk.full_in_days === null ? "" : "hint"}>${outlook(disk)}</p>
            <dl class="pairs"><dt>Free</dt><dd>${disk.free_bytes === null ? "not known to this store" : bytes(disk.free_bytes)}</dd>
            <dt>Growth</dt><dd>${disk.bytes_per_day === null ? "not known yet" : `${disk.bytes_per_day < 0 ? "−" : ""}${bytes(Math.abs(disk.bytes_per_day))} a day`}${disk.observed_since && html` <span class="dim">seen since <${Time} iso=${disk.observed_since} relative /></span>`}</dd>
            <dt>Kept</dt><dd>${disk.retention_age_ms ? `for ${span(disk.retention_age_ms)}` : "for ever"}${disk.retention_bytes ? `, up to ${bytes(disk.retention_bytes)}` : ""} <span class="dim">(retention)</span></dd>
            <dt>Oldest event</dt><dd><${Time} iso=${disk.oldest_event} relative /></dd></dl></section>`}
        <${CommandLine} line="gaff disk" />`;
}

/** What the growth comes to, in a sentence. @param {any} disk */
function outlook(disk) {
    if (disk.bytes_per_day === null) return "How the store grows is known after ten minutes; it is noted once an hour, for a week.";
    const level = disk.levels_at_bytes === null ? "" : ` Retention stops it at about ${bytes(disk.levels_at_bytes)}.`;
    if (disk.full_in_days !== null) return `The disk is full in about ${disk.full_in_days < 1 ? "a day" : `${count(disk.full_in_days)} days`}.${level} A shorter retention.age or a retention.size keeps it from that; a full disk answers 503 and loses nothing.`;
    if (disk.bytes_per_day <= 0) return "The store does not grow.";
    return `It fits.${level}`;
}

function Keys() {
    const [keys, setKeys] = useState(/** @type {any[]|null} */ (null));
    const [made, setMade] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const load = () => api.get("/keys").then((a) => setKeys(a.keys), setError);
    useEffect(() => {
        load();
    }, []);
    const make = async (/** @type {any} */ e) => {
        e.preventDefault();
        const form = new FormData(e.currentTarget);
        api.post("/keys", { name: form.get("name"), role: form.get("role") }).then((k) => (setMade(k), load()), setError);
    };
    const remove = (/** @type {string} */ id) => () => api.remove(`/keys/${id}`).then(() => (say("The key is gone."), load()), sayError);
    return html`<div>${error && html`<${Problem} error=${error} />`}
        ${made && html`<div class="panel"><p>The new key, shown this once:</p><p class="address"><code>${made.key}</code> <${Copy} value=${made.key} label="Copy" what="key" /></p></div>`}
        <form class="filters" onSubmit=${make}><label>Name <input name="name" required maxlength="64" autocomplete="off" /></label><label>May <select name="role"><option value="viewer">look</option><option value="operator">act</option><option value="admin">all</option></select></label><button disabled=${!may("admin")}>Make a key</button></form>
        ${keys && keys.length === 0 && html`<${Empty} title="No keys yet." />`}
        ${keys && keys.length > 0 && html`<${Table} caption="API keys" columns=${[{ label: "Name" }, { label: "Role" }, { label: "Made" }, { label: "Key" }, { label: "" }]}>${keys.map((k) => html`<tr><td data-label="Name">${k.name}</td><td data-label="Role">${k.role}</td><td data-label="Made"><${Time} iso=${k.created} relative /></td><td data-label="Key" class="mono">${k.prefix}…</td><td><button class="danger" onClick=${remove(k.id)}>Remove</button></td></tr>`)}<//>`}</div>`;
}

function People() {
    const [people, setPeople] = useState(/** @type {any[]|null} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const load = () => api.get("/people").then((a) => setPeople(a.people), setError);
    useEffect(() => {
        load();
    }, []);
    const make = async (/** @type {any} */ e) => {
        e.preventDefault();
        const form = e.currentTarget;
        const data = new FormData(form);
        api.put(`/people/${encodeURIComponent(String(data.get("name")))}`, { password: data.get("password"), role: data.get("role") }).then(() => (say("Saved."), form.reset(), load()), setError);
    };
    const remove = (/** @type {string} */ name) => () => api.remove(`/people/${encodeURIComponent(name)}`).then(() => (say(`${name} may not come in any more.`), load()), sayError);
    return html`<div>${error && html`<${Problem} error=${error} />`}
        <form class="filters" onSubmit=${make}><label>Name <input name="name" required pattern="[a-z0-9_\\-]+" maxlength="64" autocomplete="off" /></label><label>Password <input name="password" type="password" required minlength="12" maxlength="256" autocomplete="new-password" /></label>
        <label>May <select name="role"><option value="viewer">look</option><option value="operator">act</option><option value="admin">all</option></select></label><button disabled=${!may("admin")}>Save</button></form>
        ${people && people.length === 0 && html`<p class="dim">Nobody yet: one comes in with the one-time link that the daemon prints, or with its token.</p>`}
        ${people && people.length > 0 && html`<${Table} caption="People" columns=${[{ label: "Name" }, { label: "Role" }, { label: "Since" }, { label: "" }]}>${people.map((p) => html`<tr><td data-label="Name">${p.name}</td><td data-label="Role">${p.role}</td><td data-label="Since"><${Time} iso=${p.created} relative /></td><td><button class="danger" disabled=${!may("admin")} onClick=${remove(p.name)}>Remove</button></td></tr>`)}<//>`}</div>`;
}

function Audit() {
    const [page, setPage] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    useEffect(() => {
        api.get("/audit?limit=100").then(setPage, setError);
    }, []);
    return html`<div>${error && html`<${Problem} error=${error} />`}${page && page.entries.length === 0 && html`<${Empty} title="Nothing was changed yet." />`}
        ${page && page.entries.length > 0 && html`<${Table} caption="Audit log" columns=${[{ label: "When" }, { label: "Who" }, { label: "What", class: "wide" }, { label: "Answer", class: "number" }]}>${page.entries.map((/** @type {any} */ a) => html`<tr><td data-label="When"><${Time} iso=${a.time} relative /></td><td data-label="Who">${a.who}</td><td data-label="What" class="wide mono">${a.what}</td><td data-label="Answer" class="number">${a.status}</td></tr>`)}<//>`}</div>`;
}

function Page() {
    const theme = document.documentElement.dataset.theme ?? "auto";
    const setTheme = (/** @type {any} */ e) => {
        const value = e.currentTarget.value;
        localStorage.setItem("gaff-theme", value);
        if (value === "auto") delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = value;
    };
    const setUtc = (/** @type {any} */ e) => {
        inUtc.value = e.currentTarget.checked;
        localStorage.setItem("gaff-utc", inUtc.value ? "1" : "0");
    };
    const leave = () => api.remove("/session").then(() => (me.value = null), sayError);
    return html`<div class="panel"><label>Theme <select onChange=${setTheme}>${["auto", "dark", "light"].map((t) => html`<option value=${t} selected=${t === theme}>${t}</option>`)}</select></label>
        <label class="check"><input type="checkbox" checked=${inUtc.value} onChange=${setUtc} /> Times in UTC</label>
        <p>Signed in as <b>${me.value?.name}</b> (${me.value?.role}). <button onClick=${leave}>Sign out</button></p>
        <p><a href="/assets/licences.txt">Licences of what this page is built of</a></p></div>`;
}
