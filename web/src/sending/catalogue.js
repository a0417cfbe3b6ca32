// catalogue.js -- the event types there are, with their schemas.
import { html } from "../dom.js";
import { useData } from "../ui/data.js";
import { Empty, Loading, Problem } from "../ui/parts.js";

export function Catalogue() {
    const { data, error } = useData("/event-type?limit=250&with_content=true");
    if (error) return html`<${Problem} error=${error} />`;
    if (!data) return html`<${Loading} />`;
    if (data.data.length === 0) return html`<${Empty} title="The catalogue is empty." />`;
    return html`<ul class="catalogue">${data.data.map((/** @type {any} */ t) => html`<li key=${t.name}><b class="mono">${t.name}</b>${t.deprecated && html` <span class="dim">(deprecated)</span>`} <span class="dim">${t.description}</span>
        ${Object.entries(t.schemas ?? {}).map(([version, schema]) => html`<details><summary>Schema ${version}</summary><pre class="payload" tabindex="0">${JSON.stringify(schema, null, 2)}</pre></details>`)}</li>`)}</ul>`;
}
