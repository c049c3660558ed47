// The package in Chromium, from a plain <script type=module>, with IndexedDB and `tidelock serve`.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { createRequire } from "node:module";
import test, { after, before } from "node:test";
import { launch, site } from "./browser.mjs";
import { serve } from "./server.mjs";

const root = join(import.meta.dirname, "../..");
const idb = dirname(dirname(createRequire(import.meta.url).resolve("idb")));
let browser, pages, store;

before(async () => {
  [browser, pages, store] = await Promise.all([launch(), site({ "": import.meta.dirname, tidelock: root, idb }), serve()]);
});
after(async () => {
  await browser?.close();
  pages?.close();
  store?.close();
});

/** A page with the package as `tidelock`, in a profile of its own or in one that is there. */
async function open(context) {
  const page = await (context ?? (await browser.newContext())).newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`${pages.origin}/page.html`);
  await page.waitForFunction(() => document.title === "ready");
  return page;
}

function options(prefix) {
  return { store: `s3://tidelock/${prefix}?endpoint=${store.endpoint}&path_style=true`, credentials: store.credentials, local: prefix };
}

test("two profiles converge, offline edits survive, a reload and a killed tab lose nothing", async () => {
  const place = options("converge");
  const laptop = await open();
  const recoveryCode = await laptop.evaluate(async (place) => {
    const { vault, recoveryCode } = await tidelock.Vault.create({ ...place, device: "laptop", passphrase: "correct horse" });
    globalThis.vault = vault;
    await vault.collection("todo", tidelock.json()).put("milk", { litres: 2 });
    await vault.sync();
    return recoveryCode;
  }, place);

  const phone = await open();
  await phone.evaluate(async ([place, recoveryCode]) => {
    globalThis.vault = await tidelock.Vault.join({ ...place, secret: { recoveryCode } });
    await vault.sync();
  }, [place, recoveryCode]);
  const milk = () => globalThis.vault.collection("todo", tidelock.json()).get("milk");
  assert.deepEqual(await phone.evaluate(milk), { litres: 2 });

  // Offline the sync fails, the write does not.
  await phone.context().setOffline(true);
  const kind = await phone.evaluate(async () => {
    await vault.collection("todo", tidelock.json()).put("milk", { litres: 3 });
    const options = { signal: AbortSignal.timeout(3000) };
    return await vault.sync(options).then(() => "synced", (error) => error.kind ?? error.name);
  });
  assert.ok(["network", "TimeoutError"].includes(kind), kind);
  await phone.context().setOffline(false);

  // A tab that is killed right after an awaited write, then a new one on the same profile.
  const context = phone.context();
  const session = await context.newCDPSession(phone);
  session.send("Page.crash").catch(() => {});
  await phone.waitForEvent("crash");
  await phone.close();
  const reborn = await open(context);
  const kept = await reborn.evaluate(async (place) => {
    globalThis.vault = await tidelock.Vault.open(place);
    const kept = await vault.collection("todo", tidelock.json()).get("milk");
    await vault.sync();
    return kept;
  }, place);
  assert.deepEqual(kept, { litres: 3 });

  await laptop.reload();
  await laptop.waitForFunction(() => document.title === "ready");
  const after = await laptop.evaluate(async (place) => {
    globalThis.vault = await tidelock.Vault.open(place);
    const before = await vault.collection("todo", tidelock.json()).get("milk");
    await vault.sync();
    return [before, await vault.collection("todo", tidelock.json()).get("milk")];
  }, place);
  assert.deepEqual(after, [{ litres: 2 }, { litres: 3 }]);
});

test("a bucket whose CORS rules refuse the page is named, with the remedy", async () => {
  const page = await open();
  const closed = await site({ "": import.meta.dirname }); // answers, and allows nothing
  const place = { ...options("cors"), local: "memory", store: `s3://tidelock/x?endpoint=${closed.origin}&path_style=true`, retries: 0 };
  const error = await page.evaluate((place) => tidelock.Vault.create(place).catch(({ kind, message }) => ({ kind, message })), place);
  closed.close();
  assert.equal(error.kind, "network");
  assert.match(error.message, /CORS/u);
  assert.match(error.message, /ETag/u);
});

test("20,000 records are opened again as they were written", async () => {
  const page = await open();
  const place = options("large");
  const figures = await page.evaluate(async (place) => {
    const { vault } = await tidelock.Vault.create(place);
    const map = vault.collection("m", tidelock.text);
    for (let n = 0; n < 20_000; n += 2_000) {
      await vault.write((batch) => {
        for (let at = n; at < n + 2_000; at += 1) batch.put(map, `key ${at}`, "x".repeat(100));
      });
    }
    await vault.close();
    const tasks = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
    const began = performance.now();
    const again = await tidelock.Vault.open(place);
    const openMs = performance.now() - began;
    let count = 0;
    for await (const _ of again.collection("m", tidelock.text).list()) count += 1;
    const times = [];
    for (let n = 0; n < 50; n += 1) {
      const before = performance.now();
      await again.collection("m", tidelock.text).put("one", String(n));
      times.push(performance.now() - before);
    }
    await again.close();
    return { count, openMs, longest: Math.max(0, ...tasks), putMs: times.sort((a, b) => a - b)[25] };
  }, place);
  assert.equal(figures.count, 20_000);
  console.log(`20,000 records: open ${figures.openMs.toFixed(0)} ms, longest task ${figures.longest.toFixed(0)} ms, put p50 ${figures.putMs.toFixed(1)} ms`);
});
