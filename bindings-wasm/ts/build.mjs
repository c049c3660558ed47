// Makes `dist`: the library made smaller, its form in text, the TypeScript compiled; prints sizes. Run by `npm run build` after
// `cargo build --package tidelock-wasm --lib --target wasm32-unknown-unknown --profile wasm` and
// `cargo run --package tidelock-wasm-package`.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

// The goal is 350 KB, and 500 KB before the first release. This bar holds what is there now, so that nothing grows unseen.
const GZIP_BYTES_MAX = 860_000;

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const wasm = join(dist, "tidelock_bg.wasm");
const require = createRequire(import.meta.url);
const run = (program, ...words) => execFileSync(process.execPath, [program, ...words], { cwd: root, stdio: "inherit" });

const features = ["bulk-memory", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext", "multivalue"];
run(require.resolve("binaryen/bin/wasm-opt"), wasm, "-Oz", "--strip-debug", "--strip-producers",
  ...features.map((feature) => `--enable-${feature}`), "-o", wasm);

const base64 = readFileSync(wasm).toString("base64");
writeFileSync(join(dist, "tidelock_base64.js"), `export const base64 = "${base64}";\n`);
writeFileSync(join(dist, "tidelock_base64.d.ts"), "export declare const base64: string;\n");
const { buildSync } = require("esbuild");
const [{ text: glueText }] = buildSync({
  entryPoints: [join(dist, "tidelock.js")], bundle: true, minify: true, format: "iife", globalName: "tidelock", write: false,
}).outputFiles;
writeFileSync(join(dist, "tidelock_text.js"), `export const glue = ${JSON.stringify(glueText)};\n`);
writeFileSync(join(dist, "tidelock_text.d.ts"), "export declare const glue: string;\n");
run(require.resolve("typescript/bin/tsc"), "--project", "ts/tsconfig.json");
for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  const licence = join(root, "..", name);
  if (existsSync(licence)) copyFileSync(licence, join(root, name));
}

const glue = join(dist, "glue.js");
buildSync({
  entryPoints: [join(dist, "index.js")], outfile: glue, bundle: true, minify: true, format: "esm", platform: "browser",
  logLevel: "error", external: ["*/tidelock_text.js"], // loaded when a passphrase is stretched
});
const sizes = { library: readFileSync(wasm), "JavaScript, minified": readFileSync(glue) };
let gzipped = 0;
console.log("KB                       raw   gzip brotli");
for (const [name, bytes] of Object.entries(sizes)) {
  const packed = [bytes.length, gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length];
  gzipped += packed[1];
  console.log(name.padEnd(22), ...packed.map((count) => (count / 1000).toFixed(0).padStart(6)));
}
console.log(`together ${(gzipped / 1000).toFixed(0)} KB gzipped; the bar is ${GZIP_BYTES_MAX / 1000} KB`);
execFileSync("rm", [glue]);
if (gzipped > GZIP_BYTES_MAX) process.exitCode = 1;
