// theme.js -- the looks that the embedding page may choose, in the link behind the token:
// theme=dark|light, accent=rrggbb, background=rrggbb, radius=0..24, font=sans|serif|mono. Nothing
// else is taken, and text stays readable whatever was chosen.

const FONTS = { sans: "system-ui, sans-serif", serif: "Georgia, serif", mono: "ui-monospace, monospace" };
const CONTRAST_MIN = 4.5; // WCAG AA

/** @param {Record<string, string>} wanted */
export function dress(wanted) {
    const root = document.documentElement;
    const background = colour(wanted.background);
    const accent = colour(wanted.accent);
    const font = FONTS[/** @type {keyof typeof FONTS} */ (wanted.font)];
    let scheme = wanted.theme;
    if (background) {
        scheme = luminance(background) < 0.18 ? "dark" : "light";
        root.style.setProperty("--back", css(background));
    }
    if (scheme === "dark" || scheme === "light") root.dataset.theme = scheme;
    if (/^\d{1,2}$/.test(wanted.radius ?? "") && Number(wanted.radius) <= 24) root.style.setProperty("--radius", `${wanted.radius}px`);
    if (font) root.style.setProperty("--font", font);
    if (accent) brush(root, accent);
}

/** The accent as it can be read on what lies behind it, in the scheme that is in force. @param {HTMLElement} root @param {number[]} accent */
function brush(root, accent) {
    const dark = getComputedStyle(root).colorScheme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    const towards = dark ? 255 : 0;
    const behind = dark ? [23, 27, 33] : [238, 240, 244]; // the panels of style.css that are worst
    let readable = accent;
    for (let step = 1; step <= 20 && contrast(readable, behind) < CONTRAST_MIN; step++) readable = accent.map((c) => Math.round(c + ((towards - c) * step) / 20));
    root.style.setProperty("--accent", css(readable));
    root.style.setProperty("--accent-text", contrast(readable, [255, 255, 255]) >= CONTRAST_MIN ? "#fff" : "#000");
}

/** @param {string|undefined} text */
function colour(text) {
    return /^[0-9a-f]{6}$/i.test(text ?? "") ? [0, 2, 4].map((at) => parseInt(String(text).slice(at, at + 2), 16)) : null;
}

/** @param {number[]} rgb */
function css(rgb) {
    return `rgb(${rgb.join(" ")})`;
}

/** As WCAG 2 counts it. @param {number[]} rgb */
function luminance(rgb) {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {number[]} a @param {number[]} b */
function contrast(a, b) {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
}
