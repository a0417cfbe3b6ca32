// feed.js -- the live stream as rows: events and what became of them. Lines are taken as they come
// and shown together, five times a second at most, so that a thousand a second are no more work for
// the browser than ten; while the reader is paused or scrolled down they wait in a buffer, so that
// nothing moves under the cursor.
import { signal } from "./dom.js";
import { watch } from "./api.js";

const ROWS_MAX = 500;
const RATE_SECONDS = 60;
const LINES_MAX = 1000;
const PACE_MS = 200;

/** Newest first; `view` of a row is what was drawn of it, until it changes. @type {import("@preact/signals").Signal<any[]>} */
export const rows = signal([]);
/** Events that came while nothing was to move. */
export const waiting = signal(0);
export const paused = signal(false);
export const connected = signal(false);
/** Events of each of the last 60 seconds, oldest first. */
export const rate = signal(/** @type {number[]} */ (Array(RATE_SECONDS).fill(0)));

/** @type {Map<string, any>} */
const byId = new Map();
/** @type {any[]} */
let fresh = [];
/** @type {any[]} */
let lines = [];
let due = 0; // the timer of the next digest
let digested = 0;
let thisSecond = 0;
/** @type {null|(() => void)} */
let close = null;
/** @type {Set<(line: any) => void>} */
const listeners = new Set();

/** Called with each line as it comes. @param {(line: any) => void} fn */
export function listen(fn) {
    listeners.add(fn);
    return () => listeners.delete(fn);
}

export function start() {
    if (close) return;
    close = watch(
        (line) => {
            lines.push(line);
            for (const fn of listeners) fn(line);
            if (lines.length >= LINES_MAX) digest(); // the timers of a hidden page may sleep for a minute
            else if (!due) due = setTimeout(digest, Math.max(0, digested + PACE_MS - performance.now()));
        },
        (up) => (connected.value = up),
    );
}

export function stop() {
    close?.();
    close = null;
    connected.value = false;
}

setInterval(() => {
    rate.value = [...rate.value.slice(1), thisSecond];
    thisSecond = 0;
}, 1000);

/** Puts what was there before the stream began under it. @param {any[]} events as the API lists them */
export function seed(events) {
    const old = events.filter((e) => !byId.has(e.id));
    for (const e of old) byId.set(e.id, e);
    rows.value = [...rows.value, ...old].slice(0, ROWS_MAX);
}

function digest() {
    clearTimeout(due);
    due = 0;
    digested = performance.now();
    const batch = lines;
    lines = [];
    let touched = false;
    let came = 0;
    for (const line of batch) {
        if (line.kind === "event") {
            thisSecond++;
            const row = {
                ...line,
                received: line.time,
                deliveries: line.deliveries ? { pending: line.deliveries } : {},
                attempts: 0,
                note: "",
            };
            byId.set(row.id, row);
            fresh.unshift(row);
            came++;
        } else if (line.kind === "rejected") {
            const row = { ...line, received: line.time, rejected: true, deliveries: {}, attempts: 0, note: "" };
            byId.set(row.id, row);
            fresh.unshift(row);
            came++;
        } else if (line.kind === "attempt") {
            touched = follow(line) || touched;
        }
    }
    if (fresh.length > ROWS_MAX) fresh.length = ROWS_MAX;
    if (byId.size > 4 * ROWS_MAX) {
        byId.clear();
        for (const row of [...fresh, ...rows.value]) byId.set(row.id, row);
    }
    if (paused.value) waiting.value += came; // all of them, also those that no row is kept of
    else if (fresh.length) release();
    else if (touched) rows.value = [...rows.value];
}

/** An attempt changes the row of its event. @param {any} line */
function follow(line) {
    const row = byId.get(line.event_id);
    if (!row) return false;
    const by = { ...row.deliveries };
    const first = line.attempt === 1;
    if (line.state !== "pending") {
        const before = ["pending", "claimed"].find((s) => by[s]);
        if (before) by[before]--;
        by[line.state] = (by[line.state] ?? 0) + 1;
    } else if (first && !by.pending) by.pending = 1;
    row.deliveries = by;
    row.view = undefined;
    row.attempts++;
    row.note = line.result === "success" ? "" : `${line.destination}: ${line.summary}`;
    row.took_ms = Date.parse(line.time) - Date.parse(row.received) + line.duration_us / 1000;
    return true;
}

/** Shows what waits. */
export function release() {
    rows.value = [...fresh, ...rows.value].slice(0, ROWS_MAX);
    fresh = [];
    waiting.value = 0;
}
