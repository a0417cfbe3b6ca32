// parts.js -- the small pieces that every screen is made of.
import { html, signal, classes, useState } from "../dom.js";
import { STATES, absolute, age, clock } from "../format.js";
import { text } from "../text.js";

/** A short message at the foot of the page; with an action it is an undo window. */
export const toast = signal(/** @type {null|{text: string, tone?: string, action?: {label: string, run: () => void}}} */ (null));
let toastTimer = 0;

/** @param {string} message @param {{tone?: string, action?: {label: string, run: () => void}, ms?: number}} [options] */
export function say(message, options) {
    clearTimeout(toastTimer);
    toast.value = { text: message, tone: options?.tone, action: options?.action };
    toastTimer = setTimeout(() => (toast.value = null), options?.ms ?? 6000);
}

/** @param {unknown} error */
export function sayError(error) {
    say(error instanceof Error ? error.message : String(error), { tone: "bad", ms: 10000 });
}

export function Toast() {
    const t = toast.value;
    return html`<div class="toasts" role="status" aria-live="polite">
        ${t &&
        html`<p class=${classes("toast", t.tone)}>
            <span>${t.text}</span>
            ${t.action && html`<button onClick=${t.action.run}>${t.action.label}</button>`}
        </p>`}
    </div>`;
}

/** @param {{state: string, label?: string}} props */
export function State({ state, label }) {
    const s = STATES[/** @type {keyof typeof STATES} */ (state)] ?? { sign: "·", tone: "dim" };
    return html`<span class=${`state ${s.tone}`}><span aria-hidden="true">${s.sign}</span> ${label ?? state}</span>`;
}

/** @param {{iso: string|null|undefined, relative?: boolean}} props */
export function Time({ iso, relative }) {
    if (!iso) return html`<span class="dim">–</span>`;
    return html`<time datetime=${iso} title=${absolute(iso)}>${relative ? age(iso) : clock(iso)}</time>`;
}

/** @param {string} value @param {string} [what] */
export async function copy(value, what) {
    try {
        await navigator.clipboard.writeText(value);
    } catch {
        // Without a secure context there is no clipboard: select it in a field of our own.
        const field = document.createElement("textarea");
        field.value = value;
        document.body.append(field);
        field.select();
        document.execCommand("copy");
        field.remove();
    }
    say(`${text.copied}${what ? `: ${what}` : ""}`, { ms: 2000 });
}

/** @param {{value: string, label?: string, what?: string, children?: any}} props */
export function Copy({ value, label, what }) {
    return html`<button class="quiet" title="Copy" onClick=${() => copy(value, what ?? label)}>${label ?? "Copy"}</button>`;
}

/** An id that copies itself. @param {{id: string}} props */
export function Id({ id }) {
    return html`<button class="id" title=${`Copy ${id}`} onClick=${() => copy(id)}>${id}</button>`;
}

/** A line to type, ready to be copied. @param {{line: string}} props */
export function CommandLine({ line }) {
    return html`<div class="command"><code>${line}</code><${Copy} value=${line} what="command" /></div>`;
}

/** @param {{title: string, children?: any}} props */
export function Empty({ title, children }) {
    return html`<div class="empty"><p>${title}</p>${children}</div>`;
}

export function Loading() {
    return html`<p class="dim" aria-busy="true">Loading …</p>`;
}

/** @param {{error: any}} props */
export function Problem({ error }) {
    return html`<p class="problem" role="alert"><span aria-hidden="true">✕ </span>${error?.message ?? String(error)}</p>`;
}

/** A figure that leads to what it counts. @param {{label: string, value: any, href?: string, tone?: string}} props */
export function Tile({ label, value, href, tone }) {
    const inner = html`<span class="value">${value}</span><span class="label">${label}</span>`;
    return href
        ? html`<a class=${classes("tile", tone)} href=${href}>${inner}</a>`
        : html`<div class=${classes("tile", tone)}>${inner}</div>`;
}

/**
 * A table with headings; on a narrow screen each row becomes a block with its headings as labels.
 * @param {{caption: string, columns: {label: string, class?: string}[], children?: any}} props
 */
export function Table({ caption, columns, children }) {
    return html`<div class="table"><table>
        <caption class="unseen">${caption}</caption>
        <thead><tr>${columns.map((c) => html`<th scope="col" class=${c.class ?? ""}>${c.label}</th>`)}</tr></thead>
        <tbody>${children}</tbody>
    </table></div>`;
}

/**
 * @param {{tabs: {id: string, label: string, view: () => any}[], initial?: string}} props
 */
export function Tabs({ tabs, initial }) {
    const [chosen, choose] = useState(initial ?? tabs[0]?.id);
    const index = Math.max(0, tabs.findIndex((t) => t.id === chosen));
    const key = (/** @type {KeyboardEvent} */ e) => {
        const step = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
        if (!step) return;
        e.preventDefault();
        const next = tabs[(index + step + tabs.length) % tabs.length];
        choose(next.id);
        document.getElementById(`tab-${next.id}`)?.focus();
    };
    return html`<div class="tabs">
        <div role="tablist" onKeyDown=${key}>
            ${tabs.map((t, i) => html`<button role="tab" id=${`tab-${t.id}`} aria-selected=${i === index}
                aria-controls=${`panel-${t.id}`} tabindex=${i === index ? 0 : -1}
                onClick=${() => choose(t.id)}>${t.label}</button>`)}
        </div>
        <div role="tabpanel" id=${`panel-${tabs[index].id}`} aria-labelledby=${`tab-${tabs[index].id}`} tabindex="0">
            ${tabs[index].view()}
        </div>
    </div>`;
}
