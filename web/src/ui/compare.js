// compare.js -- two JSON values, path by path: what only one of them has, and what differs.

const PATHS_MAX = 2000;

/**
 * @param {any} a @param {any} b
 * @returns {{path: string, a: any, b: any}[]} undefined for what is not there
 */
export function differences(a, b) {
    /** @type {{path: string, a: any, b: any}[]} */
    const found = [];
    walk("", a, b, found);
    return found;
}

/** @param {string} path @param {any} a @param {any} b @param {{path: string, a: any, b: any}[]} found */
function walk(path, a, b, found) {
    if (found.length >= PATHS_MAX || a === b) return;
    const both = a !== null && b !== null && typeof a === "object" && typeof b === "object";
    if (!both || Array.isArray(a) !== Array.isArray(b)) {
        found.push({ path: path || ".", a, b });
        return;
    }
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(path ? `${path}.${key}` : key, a[key], b[key], found);
}
