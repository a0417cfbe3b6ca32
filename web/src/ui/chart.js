// chart.js -- how long deliveries took from creation to the end, over time, with a table that says
// the same to who cannot see it.
import { html, useEffect, useRef } from "../dom.js";
import { span } from "../format.js";

/** @param {any} Plot @param {HTMLElement|null} box @param {{at: number, ms: number}[]} points */
function draw(Plot, box, points) {
    if (!box) return undefined;
    const style = getComputedStyle(box);
    const plot = new Plot(
        {
            width: box.clientWidth,
            height: 160,
            legend: { show: false },
            scales: { y: { distr: 3 } },
            axes: [
                { stroke: style.color, grid: { show: false } },
                { stroke: style.color, size: 60, values: (/** @type {any} */ _, /** @type {any[]} */ values) => values.map((v) => (v === null ? "" : span(v))), grid: { stroke: style.getPropertyValue("--line") } },
            ],
            series: [{}, { stroke: style.getPropertyValue("--accent"), width: 2, points: { size: 5 } }],
        },
        [points.map((p) => p.at), points.map((p) => p.ms)],
        box,
    );
    const fit = () => plot.setSize({ width: box.clientWidth, height: 160 });
    window.addEventListener("resize", fit);
    return () => {
        window.removeEventListener("resize", fit);
        plot.destroy();
    };
}

/** @param {{deliveries: any[]}} props */
export function Chart({ deliveries }) {
    const box = useRef(/** @type {HTMLElement|null} */ (null));
    const settled = deliveries.filter((d) => d.settled).reverse();
    const points = settled.map((d) => ({ at: Date.parse(d.created) / 1000, ms: Math.max(1, Date.parse(d.settled) - Date.parse(d.created)) }));
    useEffect(() => {
        if (points.length < 2) return undefined;
        /** @type {undefined|(() => void)} */
        let undo;
        let gone = false;
        // The plotting library is a file of its own, fetched when there is something to draw.
        import("uplot").then(({ default: Plot }) => gone || (undo = draw(Plot, box.current, points)));
        return () => {
            gone = true;
            undo?.();
        };
    }, [JSON.stringify(points)]);
    if (points.length < 2) return null;
    return html`<figure class="chart"><figcaption>From created to settled</figcaption><div ref=${box} aria-hidden="true"></div>
        <details><summary>As a table</summary><table><caption class="unseen">From created to settled</caption><tbody>
        ${settled.map((d, i) => html`<tr><th scope="row">${new Date(d.created).toLocaleTimeString()}</th><td>${span(points[i].ms)}</td></tr>`)}</tbody></table></details></figure>`;
}
