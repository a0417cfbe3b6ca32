// data.js -- what the daemon says of a path, fetched when the path changes, asked for again at
// will or every few seconds.
import { useEffect, useState } from "../dom.js";
import { api } from "../api.js";

/** @param {string|null} path @param {number} [everyMs] while the page is seen */
export function useData(path, everyMs) {
    const [data, setData] = useState(/** @type {any} */ (null));
    const [error, setError] = useState(/** @type {any} */ (null));
    const load = () => (path === null ? Promise.resolve() : api.get(path).then((d) => (setData(d), setError(null)), setError));
    useEffect(() => {
        setData(null);
        load();
        const timer = everyMs ? setInterval(() => !document.hidden && load(), everyMs) : 0;
        return () => clearInterval(timer);
    }, [path, everyMs]);
    return { data, error, load };
}
