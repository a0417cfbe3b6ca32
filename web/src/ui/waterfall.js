// waterfall.js -- where the time of one attempt went. The times are counted from the start of the
// attempt; a step that did not happen (a connection used again, no TLS) is left out.
import { html } from "../dom.js";
import { span } from "../format.js";

const STEPS = [
    ["dns_us", "dns"],
    ["connect_us", "connect"],
    ["tls_us", "tls"],
    ["send_us", "send"],
    ["first_byte_us", "wait"],
    ["total_us", "receive"],
];

/** @param {{timing: any}} props */
export function Waterfall({ timing }) {
    const total = Math.max(1, timing.total_us ?? 0);
    const parts = [];
    let from = 0;
    for (const [key, label] of STEPS) {
        const at = timing[key] ?? 0;
        if (at > from) {
            const ended = key === "total_us" && !timing.first_byte_us;
            parts.push({ label: ended ? "no answer" : label, from, us: at - from });
            from = at;
        }
    }
    const words = parts.map((p) => `${p.label} ${span(p.us / 1000)}`).join(", ");
    return html`<figure class="waterfall" aria-label=${`Time: ${words}`}>
        ${parts.map((p) => html`<div class="step">
            <span class="label">${p.label}</span>
            <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                <rect class=${p.label} x=${(100 * p.from) / total} y="1" height="6" width=${Math.max(0.5, (100 * p.us) / total)} /></svg>
            <span class="number">${span(p.us / 1000)}</span>
        </div>`)}
        ${timing.reused && html`<p class="dim">The connection was open already.</p>`}
    </figure>`;
}
