// body.js -- a payload as a tree, as text, and as bytes. Text only: nothing of a sender is ever
// handed to the browser as markup.
import { html, useState } from "../dom.js";
import { bytes as sizeOf } from "../format.js";
import { Copy, Tabs } from "./parts.js";

const TREE_BYTES_MAX = 1 << 20;
const CHILDREN_STEP = 100;

/** @param {{body?: string, body_base64?: string}} event @returns {Uint8Array} */
export function bodyBytes(event) {
    if (event.body_base64 === undefined) return new TextEncoder().encode(event.body ?? "");
    return Uint8Array.from(atob(event.body_base64), (c) => c.charCodeAt(0));
}

/** @param {{event: any}} props */
export function Body({ event }) {
    const data = bodyBytes(event);
    const content = event.body ?? new TextDecoder().decode(data);
    let parsed;
    if (data.length <= TREE_BYTES_MAX) {
        try {
            parsed = { value: JSON.parse(content) };
        } catch {
            parsed = undefined;
        }
    }
    if (data.length === 0) return html`<p class="dim">The body is empty.</p>`;
    const tabs = [
        ...(parsed ? [{ id: "tree", label: "Tree", view: () => html`<${Tree} value=${parsed.value} path="" />` }] : []),
        { id: "raw", label: "Raw", view: () => html`<pre class="payload" tabindex="0">${content}</pre>` },
        { id: "hex", label: "Hex", view: () => html`<${Hex} data=${data} />` },
    ];
    return html`<div>
        <p class="dim">${sizeOf(data.length)} <${Copy} value=${content} label="Copy body" /></p>
        <${Tabs} tabs=${tabs} />
    </div>`;
}

/** @param {{value: any, path: string, name?: string, open?: boolean}} props */
function Tree({ value, path, name }) {
    const [shown, show] = useState(CHILDREN_STEP);
    const label = name === undefined ? null : html`<span class="key">${name}</span>`;
    if (value === null || typeof value !== "object")
        return html`<div class="leaf">${label}<${Scalar} value=${value} /></div>`;
    const entries = Array.isArray(value) ? value.map((v, i) => [String(i), v]) : Object.entries(value);
    const summary = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
    const here = (/** @type {string} */ key) => (path ? `${path}.${key}` : key);
    return html`<details class="branch" open=${path.split(".").length < 3}>
        <summary>${label}<span class="dim">${summary}</span>
            ${path && html`<${Copy} value=${path} label="path" what=${path} />`}</summary>
        ${entries.slice(0, shown).map(([key, v]) => html`<${Tree} key=${key} name=${key} value=${v} path=${here(key)} />`)}
        ${entries.length > shown &&
        html`<button class="quiet" onClick=${() => show(shown + 10 * CHILDREN_STEP)}>${entries.length - shown} more</button>`}
    </details>`;
}

/** @param {{value: any}} props */
function Scalar({ value }) {
    const kind = value === null ? "null" : typeof value;
    return html`<span class=${`scalar ${kind}`}>${kind === "string" ? JSON.stringify(value) : String(value)}</span>`;
}

/** @param {{data: Uint8Array}} props */
function Hex({ data }) {
    const [rows, more] = useState(256);
    const lines = [];
    for (let at = 0; at < data.length && lines.length < rows; at += 16) {
        const part = data.subarray(at, at + 16);
        const hex = [...part].map((b) => b.toString(16).padStart(2, "0")).join(" ");
        const text = [...part].map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : "·")).join("");
        lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${text}`);
    }
    const left = Math.ceil(data.length / 16) - lines.length;
    return html`<pre class="payload" tabindex="0">${lines.join("\n")}</pre>
        ${left > 0 && html`<button class="quiet" onClick=${() => more(rows * 8)}>${left} more lines</button>`}`;
}

/** @param {{fields: {name: string, value: string}[]}} props */
export function Headers({ fields }) {
    return html`<table class="headers"><caption class="unseen">Header fields</caption><tbody>
        ${fields.map((f) => html`<tr><th scope="row">${f.name}</th><td>${f.value}</td></tr>`)}
    </tbody></table>`;
}
