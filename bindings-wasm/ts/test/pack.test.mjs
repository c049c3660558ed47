// The packed tarball, installed as a stranger installs it: in Node, Vite (build and dev), and esbuild with `/inline`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { build as bundle } from "esbuild";
import { build, createServer } from "vite";
import { launch, site } from "./browser.mjs";
import { folder, serve } from "./server.mjs";

const root = join(import.meta.dirname, "../..");
const consumer = folder();
let browser, store;
let prefixes = 0;

// What each consumer does: a vault on one device, read on another.
const USE = `
export async function use(place) {
  const laptop = await Vault.create(place);
  await laptop.vault.collection("m", text).put("k", "from one device to another");
  await laptop.vault.sync();
  const phone = await Vault.join({ ...place, secret: { recoveryCode: laptop.recoveryCode } });
  await phone.sync();
  return await phone.collection("m", text).get("k");
}
globalThis.use = use;
if (globalThis.document) document.title = "ready";
`;
const SAID = "from one device to another";

function place() {
  return {
    store: `s3://tidelock/pack${(prefixes += 1)}?endpoint=${store.endpoint}&path_style=true`,
    credentials: store.credentials,
    local: "memory",
  };
}

before(async () => {
  const npm = (...words) => execFileSync("npm", words, { cwd: consumer, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const [{ filename, files }] = JSON.parse(npm("pack", root, "--json", "--pack-destination", consumer));
  assert.ok(files.some(({ path }) => path === "README.md"));
  assert.deepEqual(files.filter(({ path }) => path.endsWith(".wasm")).map(({ path }) => path), ["dist/tidelock_bg.wasm"]);
  writeFileSync(join(consumer, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
  npm("install", "--no-audit", "--no-fund", "--prefer-offline", `./${filename}`);
  writeFileSync(join(consumer, "use.js"), `import { text, Vault } from "tidelock";${USE}`);
  writeFileSync(join(consumer, "inline.js"), `import { text, Vault } from "tidelock/inline";${USE}`);
  writeFileSync(join(consumer, "index.html"), '<!doctype html><title>loading</title><script type="module" src="/use.js"></script>');
  [browser, store] = await Promise.all([launch(), serve()]);
});
after(async () => {
  await browser?.close();
  store?.close();
});

/** Opens a page that defines `use`, and uses it. */
async function inBrowser(url) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(url);
  await page.waitForFunction(() => document.title === "ready");
  return await page.evaluate((place) => use(place), place());
}

test("Node", () => {
  const script = `import { use } from "./use.js"; console.log(await use(${JSON.stringify(place())}));`;
  const out = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: consumer, encoding: "utf8" });
  assert.equal(out.trim(), SAID);
});

test("a build of Vite's", async () => {
  const outDir = join(consumer, "built");
  await build({ root: consumer, logLevel: "warn", configFile: false, build: { outDir } });
  const assets = readdirSync(join(outDir, "assets"));
  assert.equal(assets.filter((name) => name.endsWith(".wasm")).length, 1, assets.join());
  const pages = await site({ "": outDir });
  assert.equal(await inBrowser(`${pages.origin}/index.html`), SAID);
  pages.close();
});

test("Vite's development server", async () => {
  const server = await createServer({ root: consumer, logLevel: "warn", configFile: false, server: { port: 0, host: "127.0.0.1" } });
  await server.listen();
  assert.equal(await inBrowser(`http://127.0.0.1:${server.httpServer.address().port}/`), SAID);
  await server.close();
});

test("a classic script of esbuild's, with the library inside", async () => {
  const outdir = join(consumer, "classic");
  const output = { outdir, bundle: true, format: "iife", platform: "browser", logLevel: "error" };
  await bundle({ entryPoints: [join(consumer, "inline.js")], ...output });
  writeFileSync(join(outdir, "index.html"), '<!doctype html><title>loading</title><script src="/inline.js" defer></script>');
  assert.deepEqual(readdirSync(outdir).filter((name) => name.endsWith(".wasm")), []);
  const pages = await site({ "": outdir });
  assert.equal(await inBrowser(`${pages.origin}/index.html`), SAID);
  pages.close();
});
