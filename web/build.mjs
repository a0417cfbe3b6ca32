// Bundles src/ into a script for each page (what both need, and what is fetched only when needed,
// are files of their own) and one style sheet, names them after their content, compresses them, and
// writes all that the program embeds:
//
//   node build.mjs OUT          OUT/index.html.gz, OUT/app-HASH.js.gz, OUT/app-HASH.js.br, ...
//
// The licence texts of what was bundled go into OUT/licences.txt.gz, the bytes of script and style
// into OUT/size: all of them in brotli, and what each page begins with in gzip.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) {
    console.error("build.mjs: name the folder to write to");
    process.exit(2);
}

const bundle = await build({
    absWorkingDir: here,
    entryPoints: { app: "src/app.js", portal: "src/portal/portal.js", style: "src/style.css" },
    entryNames: "[name]-[hash]",
    chunkNames: "part-[hash]",
    splitting: true,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    metafile: true,
    write: false,
    outdir: "out",
});

const files = new Map(bundle.outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)])); // name -> bytes
const outputs = new Map(Object.entries(bundle.metafile.outputs).map(([path, about]) => [basename(path), about]));
const styles = [...files.keys()].filter((name) => name.endsWith(".css"));
const pages = [["index.html", "app"], ["portal.html", "portal"]].map(([page, entry]) => {
    const first = [...files.keys()].find((name) => name.startsWith(`${entry}-`));
    const scripts = [first, ...needs(first)];
    const html = readFileSync(join(here, page), "utf8");
    const preload = scripts.slice(1).map((name) => `<link rel="modulepreload" href="/assets/${name}">\n`);
    files.set(page, Buffer.from(html.replace("@STYLE@", styles[0]).replace("@SCRIPT@", first).replace("</head>", `${preload.join("")}</head>`)));
    return { page, begins: [...scripts, ...styles] };
});
files.set("licences.txt", Buffer.from(licences(Object.keys(bundle.metafile.inputs))));

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const packed = new Map();
for (const [name, bytes] of files) {
    const gz = gzipSync(bytes, { level: 9 });
    writeFileSync(join(out, `${name}.gz`), gz);
    const br = brotliCompressSync(bytes, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    writeFileSync(join(out, `${name}.br`), br);
    packed.set(name, { gz: gz.length, br: br.length });
}
const code = [...files.keys()].filter((name) => /\.(js|css)$/.test(name));
const size = { all: sum(code, "br"), begins: Object.fromEntries(pages.map(({ page, begins }) => [page, sum(begins, "gz")])) };
writeFileSync(join(out, "size"), `${JSON.stringify(size)}\n`);
console.log(`web: ${files.size} files; script and style are ${(size.all / 1024).toFixed(1)} KiB in brotli`);

/** The scripts that one imports, and those that they import. @param {string} name @returns {string[]} */
function needs(name) {
    const next = outputs.get(name).imports.filter((i) => i.kind === "import-statement").map((i) => basename(i.path));
    return [...new Set(next.flatMap((one) => [one, ...needs(one)]))];
}

function sum(names, coding) {
    return names.reduce((total, name) => total + packed.get(name)[coding], 0);
}

/** The licence of every package that something was taken from. */
function licences(inputs) {
    const packages = new Set();
    for (const input of inputs) {
        const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
        if (found) packages.add(found[1]);
    }
    let text = "The dashboard contains these packages.\n";
    for (const name of [...packages].sort()) {
        const folder = join(here, "node_modules", name);
        const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
        text += `\n\n== ${name} ${about.version} (${about.license})\n\n`;
        text += file ? readFileSync(join(folder, file), "utf8") : "No licence text in the package.\n";
    }
    return text;
}
