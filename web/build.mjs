// Bundles src/ into one script and one style sheet, names them after their content, compresses
// them, and writes all that the program embeds:
//
//   node build.mjs OUT          OUT/index.html.gz, OUT/app-HASH.js.gz, OUT/app-HASH.js.br, ...
//
// The licence texts of what was bundled go into OUT/licences.txt.gz.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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
    entryPoints: ["src/app.js"],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    metafile: true,
    write: false,
    outdir: "out",
});

const files = new Map(); // name -> bytes
const hashed = {};
for (const file of bundle.outputFiles) {
    const kind = file.path.endsWith(".css") ? "css" : "js";
    const hash = createHash("sha256").update(file.contents).digest("hex").slice(0, 12);
    hashed[kind] = `app-${hash}.${kind}`;
    files.set(hashed[kind], Buffer.from(file.contents));
}
const page = readFileSync(join(here, "index.html"), "utf8");
files.set(
    "index.html",
    Buffer.from(page.replace("@STYLE@", hashed.css).replace("@SCRIPT@", hashed.js)),
);
files.set("licences.txt", Buffer.from(licences(Object.keys(bundle.metafile.inputs))));

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
let sum = 0;
for (const [name, bytes] of files) {
    const gz = gzipSync(bytes, { level: 9 });
    writeFileSync(join(out, `${name}.gz`), gz);
    const br = brotliCompressSync(bytes, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    writeFileSync(join(out, `${name}.br`), br);
    if (name.startsWith("app-")) sum += gz.length;
}
writeFileSync(join(out, "size"), `${sum}\n`);
console.log(`web: ${files.size} files; script and style are ${(sum / 1024).toFixed(1)} KiB in gzip`);

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
