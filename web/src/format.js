// format.js -- times, sizes, durations and states in words people read.
import { signal } from "./dom.js";

/** Times in UTC instead of the reader's zone. */
export const inUtc = signal(localStorage.getItem("gaff-utc") === "1");
/** Ticks each second while the page is seen, so that ages stay true. */
export const now = signal(Date.now());
setInterval(() => {
    if (!document.hidden) now.value = Date.now();
}, 1000);

// Made once: making one costs more than all that a row is drawn with.
const CLOCK = new Intl.DateTimeFormat([], { timeStyle: "medium", hourCycle: "h23" });
const ABSOLUTE = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });

/** @param {string|null|undefined} iso */
export function clock(iso) {
    if (!iso) return "";
    const d = new Date(iso);
    return inUtc.value ? d.toISOString().slice(11, 19) : CLOCK.format(d);
}

/** @param {string|null|undefined} iso */
export function absolute(iso) {
    if (!iso) return "";
    const d = new Date(iso);
    return inUtc.value ? d.toISOString().replace("T", " ").replace("Z", " UTC") : ABSOLUTE.format(d);
}

/** @param {string|null|undefined} iso */
export function age(iso) {
    if (!iso) return "never";
    const s = Math.round((now.value - Date.parse(iso)) / 1000);
    const text = span(Math.abs(s) * 1000);
    return Math.abs(s) < 2 ? "now" : s < 0 ? `in ${text}` : `${text} ago`;
}

/** @param {number} ms */
export function span(ms) {
    if (ms < 1) return `${Math.round(ms * 1000)} µs`;
    if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
    const s = ms / 1000;
    if (s < 60) return `${s < 10 ? s.toFixed(1).replace(/\.0$/, "") : Math.round(s)} s`;
    if (s < 3600) return `${Math.round(s / 60)} min`;
    if (s < 86400) return `${Math.round(s / 3600)} h`;
    return `${Math.round(s / 86400)} d`;
}

/** @param {number} n */
export function bytes(n) {
    if (n < 1024) return `${n} B`;
    if (n < 1048576) return `${(n / 1024).toFixed(1)} KiB`;
    if (n < 1073741824) return `${(n / 1048576).toFixed(1)} MiB`;
    return `${(n / 1073741824).toFixed(1)} GiB`;
}

/** @param {number} n */
export function count(n) {
    return n.toLocaleString("en");
}

/** A state never speaks by colour alone: a sign, a word, a colour. */
export const STATES = {
    delivered: { sign: "✓", tone: "good" },
    success: { sign: "✓", tone: "good" },
    verified: { sign: "✓", tone: "good" },
    pending: { sign: "◔", tone: "wait" },
    claimed: { sign: "▸", tone: "wait" },
    retry: { sign: "↻", tone: "wait" },
    dead: { sign: "✕", tone: "bad" },
    permanent: { sign: "✕", tone: "bad" },
    rejected: { sign: "⊘", tone: "bad" },
    skipped: { sign: "–", tone: "dim" },
    cancelled: { sign: "–", tone: "dim" },
    stored: { sign: "●", tone: "good" },
    paused: { sign: "‖", tone: "wait" },
    open: { sign: "⊘", tone: "bad" },
};

/** The one word for an event, from the states of its deliveries. @param {Record<string, number>|undefined} by */
export function eventState(by) {
    if (!by) return "stored";
    for (const state of ["dead", "claimed", "pending", "delivered", "skipped", "cancelled"])
        if (by[state]) return state;
    return "stored";
}

/** What to do about an attempt's error, in plain words. @param {any} attempt */
export function hint(attempt) {
    const status = attempt.status;
    switch (attempt.error_class) {
        case "timeout":
            return "The target took longer than the destination's timeout. Answer first, work later; or raise timeout.";
        case "dns":
            return "The name could not be resolved. Is it spelled right, and does this machine's resolver know it?";
        case "connect":
            return "Nobody listens there, or a firewall is between. Is the target running, on this port?";
        case "tls":
            return "No trusted TLS connection. Is the certificate valid for this name, and its chain complete?";
        case "policy":
            return "The address is not allowed by the outbound policy. Allow it for this destination if it is meant.";
        case "exit":
            return "The command ended with an error. Its output below says why; 75 asks for a retry.";
        case "signal":
            return "The command was ended by a signal: out of memory, its time limit, or by hand.";
    }
    if (status === 401 || status === 403) return "The target refused the credentials. Is its secret or token the right one?";
    if (status === 404) return "The target has no such path. Is the URL right?";
    if (status === 410) return "The target says that it wants no more: the delivery was given up.";
    if (status === 413) return "The body is too large for the target or a proxy in front of it.";
    if (status === 429) return "The target asks to slow down; its Retry-After is honoured. A rate on the destination avoids it.";
    if (status >= 500) return "The target had an error of its own; it is tried again by the schedule.";
    if (status >= 300 && status < 400) return "A redirect counts as failed: give the destination the final URL.";
    return "";
}

/** @param {string} text a value for a POSIX shell */
export function shellQuote(text) {
    return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
