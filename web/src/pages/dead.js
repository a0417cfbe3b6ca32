// dead.js -- what was given up, grouped by cause, and the way back. A replay or a drop waits a few
// seconds with an undo; leaving the page carries it out at once.
import { html, useEffect, useState } from "../dom.js";
import { api, may, query as queryString } from "../api.js";
import { count } from "../format.js";
import { link, place } from "../route.js";
import { CommandLine, Empty, Problem, State, Table, Time, say, sayError } from "../ui/parts.js";

const UNDO_MS = 8000;

export function Dead() {
    const { query } = place.value;
    const [groups, setGroups] = useState(/** @type {any[]|null} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const [held, setHeld] = useState(/** @type {any} */ (null));
    const load = () => api.get(`/dead/groups${queryString({ destination: query.destination })}`).then((a) => setGroups(a.groups), setError);
    useEffect(() => {
        load();
    }, [query.destination]);
    useEffect(() => {
        if (!held) return undefined;
        const timer = setTimeout(held.run, UNDO_MS);
        window.addEventListener("pagehide", held.run);
        return () => {
            clearTimeout(timer);
            window.removeEventListener("pagehide", held.run);
        };
    }, [held]);
    const replay = (/** @type {any} */ group) => () => {
        let done = false;
        const run = () => {
            if (done) return;
            done = true;
            setHeld(null);
            api.post("/dead/replay", { destination: group.destination, cause: group.cause }).then((a) => (say(`${count(a.replayed)} deliveries will be made again.`), load()), sayError);
        };
        setHeld({ key: group.destination + group.cause, run });
        say(`Replaying ${count(group.count)} deliveries to ${group.destination} in ${UNDO_MS / 1000} s`, {
            ms: UNDO_MS,
            action: { label: "Undo", run: () => ((done = true), setHeld(null), say("Nothing was replayed.")) },
        });
    };
    return html`<section aria-labelledby="dead-title">
        <header class="page"><h1 id="dead-title">Dead letters</h1><p class="dim">Deliveries that were given up, by cause. The events are still here, and so is the way back.</p></header>
        ${query.destination && html`<p>Only <b>${query.destination}</b>. <a href=${link(["dead"])}>Show all</a></p>`}
        ${error && html`<${Problem} error=${error} />`}
        ${groups && groups.length === 0 && html`<${Empty} title="No dead letters. Everything that was accepted has been delivered or is on its way." />`}
        ${groups && groups.length > 0 && html`<${Table} caption="Dead letters by cause" columns=${[{ label: "Destination" }, { label: "Cause", class: "wide" }, { label: "Count", class: "number" }, { label: "Oldest" }, { label: "Newest" }, { label: "" }]}>
            ${groups.map((g) => html`<tr key=${g.destination + g.cause}>
                <td data-label="Destination"><a href=${link(["destinations", g.destination])}>${g.destination}</a></td>
                <td data-label="Cause" class="wide"><${State} state="dead" label=${g.cause} /></td>
                <td data-label="Count" class="number"><a href=${link(["events"], { destination: g.destination, state: "dead" })}>${count(g.count)}</a></td>
                <td data-label="Oldest"><${Time} iso=${g.oldest} relative /></td><td data-label="Newest"><${Time} iso=${g.newest} relative /></td>
                <td><div class="actions inline"><button disabled=${!may("operator") || held?.key === g.destination + g.cause} onClick=${replay(g)}>Replay group</button><a class="button" href=${link(["events", g.example])}>An example</a></div></td></tr>`)}<//>`}
        <${CommandLine} line=${`gaff dead replay${query.destination ? ` --destination ${query.destination}` : ""}`} />
    </section>`;
}
