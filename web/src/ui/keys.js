// keys.js -- the keyboard: g and a letter go to a screen, j and k walk a list, / searches, ? tells.
import { html, signal, useEffect, useRef } from "../dom.js";
import { api } from "../api.js";
import { go, link } from "../route.js";

const SCREENS = [
    ["l", [], "Live"],
    ["e", ["events"], "Events"],
    ["s", ["sources"], "Sources"],
    ["d", ["destinations"], "Destinations"],
    ["x", ["dead"], "Dead letters"],
    ["r", ["routes"], "Routes"],
    ["a", ["applications"], "Applications"],
    [",", ["settings"], "Settings"],
];

const sheet = signal(false);
const palette = signal(false);
let prefix = false;

/** @param {number} step */
function walk(step) {
    const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("tr.row a")]
        .map((a) => a.closest("tr")).filter((row, i, all) => row && all.indexOf(row) === i));
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    /** @type {HTMLElement|null} */ (next.querySelector("a"))?.focus();
    next.scrollIntoView({ block: "nearest" });
}

/** @param {KeyboardEvent} e */
function pressed(e) {
    const field = /** @type {HTMLElement} */ (e.target).closest("input, textarea, select, [contenteditable]");
    if ((e.ctrlKey || e.metaKey) && e.key === "k") {
        e.preventDefault();
        palette.value = true;
        return;
    }
    if (field || e.ctrlKey || e.metaKey || e.altKey) return;
    if (prefix) {
        prefix = false;
        const screen = SCREENS.find(([key]) => key === e.key);
        if (screen) go(link(/** @type {string[]} */ (screen[1])));
        return;
    }
    if (e.key === "g") prefix = true;
    else if (e.key === "j") walk(1);
    else if (e.key === "k") walk(-1);
    else if (e.key === "?") sheet.value = true;
    else if (e.key === "/") {
        const search = document.querySelector("input[type=search]");
        if (search instanceof HTMLInputElement) {
            e.preventDefault();
            search.focus();
        }
    }
}

export function Keys() {
    useEffect(() => {
        document.addEventListener("keydown", pressed);
        return () => document.removeEventListener("keydown", pressed);
    }, []);
    return html`<${Dialog} open=${sheet} title="Keys"><dl class="pairs">
        <dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>next, previous row</dd><dt><kbd>Enter</kbd></dt><dd>open it</dd><dt><kbd>/</kbd></dt><dd>search</dd><dt><kbd>Ctrl</kbd> <kbd>K</kbd></dt><dd>go to …</dd>
        ${SCREENS.map(([key, , label]) => html`<dt><kbd>g</kbd> <kbd>${key}</kbd></dt><dd>${label}</dd>`)}</dl><//>`;
}

export function Palette() {
    const submit = (/** @type {any} */ e) => {
        e.preventDefault();
        const wanted = String(new FormData(e.currentTarget).get("to") ?? "").trim();
        palette.value = false;
        if (wanted.startsWith("evt_")) return go(link(["events", wanted]));
        if (wanted.startsWith("dlv_")) return api.get(`/deliveries/${encodeURIComponent(wanted)}`).then((d) => go(link(["events", d.event_id])), () => {});
        const screen = SCREENS.find(([, , label]) => String(label).toLowerCase().startsWith(wanted.toLowerCase()));
        return go(screen ? link(/** @type {string[]} */ (screen[1])) : link([], { q: wanted }));
    };
    return html`<${Dialog} open=${palette} title="Go to"><form onSubmit=${submit}>
        <label>A screen, an id, or what to search for <input name="to" list="screen-names" autocomplete="off" /></label>
        <datalist id="screen-names">${SCREENS.map(([, , label]) => html`<option value=${label} />`)}</datalist></form><//>`;
}

/** @param {{open: import("@preact/signals").Signal<boolean>, title: string, children?: any}} props */
function Dialog({ open, title, children }) {
    const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
    useEffect(() => {
        if (open.value) dialog.current?.showModal();
        else dialog.current?.close();
    }, [open.value]);
    return html`<dialog ref=${dialog} aria-label=${title} onClose=${() => (open.value = false)}><h2>${title}</h2>${children}
        <button onClick=${() => (open.value = false)}>Close</button></dialog>`;
}
