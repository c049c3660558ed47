// `tidelock/react` in Chromium: what a person sees follows what is written here and elsewhere.
import assert from "node:assert/strict";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { build } from "esbuild";
import { launch, site } from "./browser.mjs";
import { folder, serve } from "./server.mjs";

let browser, pages, store;

before(async () => {
  const app = folder();
  await build({
    entryPoints: [join(import.meta.dirname, "react-app.jsx")], outdir: app, bundle: true, format: "esm", jsx: "automatic",
    tsconfigRaw: "{}", conditions: ["development"], define: { "process.env.NODE_ENV": '"development"' }, logLevel: "error",
  });
  [browser, pages, store] = await Promise.all([launch(), site({ "": import.meta.dirname, app }), serve()]);
});
after(async () => {
  await browser?.close();
  pages?.close();
  store?.close();
});

async function open() {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`${pages.origin}/react.html`);
  await page.waitForFunction(() => document.title === "ready");
  return page;
}

/** Waits until an element shows a value. */
async function shows(page, id, value) {
  const text = value === undefined ? "" : JSON.stringify(value);
  await page.waitForFunction(([id, text]) => document.getElementById(id)?.textContent === text, [id, text], { timeout: 10_000 })
    .catch(async () => assert.equal(await page.textContent(`#${id}`), text, id));
}

test("hooks follow writes, syncs, ranges and the vault's end", async () => {
  const place = { store: `s3://tidelock/react?endpoint=${store.endpoint}&path_style=true`, credentials: store.credentials, local: "react" };
  const page = await open();
  await page.evaluate(() => show(undefined));
  await shows(page, "loading", Array(7).fill(true));
  const recoveryCode = await page.evaluate(async (place) => {
    const { vault, recoveryCode } = await Vault.create(place);
    globalThis.vault = vault;
    show(vault);
    return recoveryCode;
  }, place);
  await shows(page, "loading", Array(7).fill(false));
  await shows(page, "list", []);
  await shows(page, "note", undefined);
  await page.evaluate(async () => {
    await vault.documents("notes").put("a", { title: "one" });
    await vault.documents("notes").put("b", { title: "two" });
    await vault.log("log").append(new TextEncoder().encode("line"));
  });
  await shows(page, "list", ["a", "b"]);
  await shows(page, "note", { title: "one" });
  await shows(page, "log", ["line"]);
  await page.evaluate(() => vault.sync());
  await shows(page, "pending", 0);
  await page.click("#second");
  await shows(page, "again", ["a", "b"]);
  await page.click("#prefix");
  await shows(page, "list", ["b"]);

  const phone = await open();
  await phone.evaluate(async ([place, recoveryCode]) => {
    globalThis.vault = await Vault.join({ ...place, secret: { recoveryCode } });
    await vault.sync();
    await vault.documents("notes").patch("a", { title: "three" });
    await vault.documents("notes").put("c", {});
    await vault.collection("todo").put("milk", new TextEncoder().encode("1"));
  }, [place, recoveryCode]);
  await page.evaluate(async () => {
    await vault.documents("notes").patch("a", { title: "four" });
    await vault.collection("todo").put("milk", new TextEncoder().encode("2"));
    await vault.sync();
  });
  await phone.evaluate(() => vault.sync());
  await page.evaluate(() => vault.sync());
  await shows(page, "again", ["a", "b", "c"]);
  await shows(page, "conflicts", ["a.title"]);
  await shows(page, "map-conflicts", ["milk"]);
  await page.evaluate(() => vault.documents("notes").resolve("a", "title", "five"));
  await shows(page, "conflicts", []);
  await shows(page, "note", { title: "five" });

  // A record that nothing shows renders nothing again.
  const before = await page.evaluate(async () => {
    const before = renderings();
    await vault.collection("elsewhere").put("k", new Uint8Array(1));
    await vault.sync();
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    return [before, renderings()];
  });
  assert.ok(before[1] - before[0] < 20, `${before[1] - before[0]} renderings`); // of the status alone
  await page.evaluate(() => vault.close());
  await shows(page, "error", "closed");
});
