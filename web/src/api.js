// api.js -- requests to the daemon. Everything the page does goes through here, and each write is
// remembered as the request and the command line that would do the same, so that the page can
// show them.
import { signal } from "./dom.js";

/** Who is signed in: undefined while unknown, null for nobody. */
export const me = signal(/** @type {undefined|null|{name: string, role: string}} */ (undefined));

/** What proves who asks instead of the session's cookie: the portal's token. */
let bearer = "";

/** @param {string} token */
export function authorize(token) {
    bearer = token;
}

/** The last write, for "copy as command". */
export const lastCall = signal(/** @type {null|{method: string, path: string, body: any}} */ (null));

export class ApiError extends Error {
    /** @param {number} status @param {string} code @param {string} message @param {any} answer */
    constructor(status, code, message, answer) {
        super(message);
        this.status = status;
        this.code = code;
        this.answer = answer;
    }
}

/**
 * @param {string} method @param {string} path below /api/v1
 * @param {any} [body]
 */
async function call(method, path, body) {
    /** @type {RequestInit} */
    const options = { method, credentials: bearer ? "omit" : "same-origin" };
    options.headers = { Accept: "application/json", ...(bearer && { Authorization: `Bearer ${bearer}` }) };
    if (method !== "GET") {
        options.headers = { ...options.headers, "Content-Type": "application/json" };
        options.body = JSON.stringify(body ?? {});
        lastCall.value = { method, path: `/api/v1${path}`, body };
    }
    let response;
    try {
        response = await fetch(`/api/v1${path}`, options);
    } catch {
        throw new ApiError(0, "unreachable", "Gaff does not answer. Is the daemon running?", null);
    }
    const text = await response.text();
    const answer = parse(text);
    if (response.ok) return answer;
    if (response.status === 401) me.value = null;
    const error = answer?.error ?? answer;
    throw new ApiError(
        response.status,
        error?.code ?? "error",
        error?.message ?? error?.detail ?? `The daemon answered ${response.status}.`,
        answer,
    );
}

/** What is no JSON (an answer of a proxy in between) counts as nothing. @param {string} text */
function parse(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}

export const api = {
    /** @param {string} path */
    get: (path) => call("GET", path),
    /** @param {string} path @param {any} [body] */
    post: (path, body) => call("POST", path, body),
    /** @param {string} path @param {any} [body] */
    put: (path, body) => call("PUT", path, body),
    /** @param {string} path @param {any} [body] */
    patch: (path, body) => call("PATCH", path, body),
    /** @param {string} path @param {any} [body] */
    remove: (path, body) => call("DELETE", path, body),
};

/** A query string of what is set. @param {Record<string, any>} params */
export function query(params) {
    const q = new URLSearchParams();
    for (const [key, value] of Object.entries(params))
        if (value !== undefined && value !== null && value !== "") q.set(key, String(value));
    const text = q.toString();
    return text ? `?${text}` : "";
}

/**
 * The live stream. The browser connects again by itself; `gap` is called when lines were missed.
 * @param {(line: any) => void} told @param {(up: boolean) => void} state
 */
export function watch(told, state) {
    const source = new EventSource("/api/v1/tail");
    source.onopen = () => state(true);
    source.onerror = () => state(false);
    source.onmessage = (message) => told(JSON.parse(message.data));
    return () => source.close();
}

/** True when who is signed in has this role or a greater one. @param {"viewer"|"operator"|"admin"} role */
export function may(role) {
    const order = ["viewer", "operator", "admin"];
    return order.indexOf(me.value?.role ?? "") >= order.indexOf(role);
}
