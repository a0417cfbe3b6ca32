// route.js -- where the page is, kept whole in the address: "#/events?source=github&state=dead".
import { signal } from "./dom.js";

/** @typedef {{path: string[], query: Record<string, string>}} Place */

/** @param {string} hash @returns {Place} */
export function parsePlace(hash) {
    const [path, search] = hash.replace(/^#\/?/, "").split("?", 2);
    return {
        path: path.split("/").filter(Boolean).map(safeDecode),
        query: Object.fromEntries(new URLSearchParams(search ?? "")),
    };
}

/** @param {string} text */
function safeDecode(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

export const place = signal(parsePlace(location.hash));
window.addEventListener("hashchange", () => (place.value = parsePlace(location.hash)));

/** @param {string[]} path @param {Record<string, any>} [params] */
export function link(path, params) {
    const q = new URLSearchParams();
    for (const [key, value] of Object.entries(params ?? {}))
        if (value !== undefined && value !== null && value !== "") q.set(key, String(value));
    const text = q.toString();
    return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** @param {string} hash */
export function go(hash) {
    location.hash = hash;
}

/** A click anywhere in a row follows its link; what is a link or a button by itself stays one. */
export function followRows() {
    document.addEventListener("click", (e) => {
        const target = /** @type {HTMLElement} */ (e.target);
        if (target.closest("a, button, input, select, summary, pre") || String(window.getSelection()).length) return;
        const to = /** @type {HTMLElement|null} */ (target.closest("[data-href]"))?.dataset.href;
        if (to) go(to);
    });
}

/** Changes the query of the present place, without a step in the history. @param {Record<string, any>} change */
export function refine(change) {
    const query = { ...place.value.query, ...change };
    history.replaceState(null, "", link(place.value.path, query));
    place.value = parsePlace(location.hash);
}
