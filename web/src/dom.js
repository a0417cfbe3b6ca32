// dom.js -- the one door to the view library: h, html and hooks, and small helpers around them.
import { h } from "preact";
import htm from "htm";

export { render } from "preact";
export { useEffect, useMemo, useRef, useState } from "preact/hooks";
export { computed, effect, signal, useSignal } from "@preact/signals";

export const html = htm.bind(h);

/** Joins the names that are set. @param {...(string|false|null|undefined)} names */
export function classes(...names) {
    return names.filter(Boolean).join(" ");
}
