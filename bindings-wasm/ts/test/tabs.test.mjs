// Tabs of one profile share a local store, in Chromium: one leads, the others follow, and leaders crash.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { createRequire } from "node:module";
import test, { after, before } from "node:test";
import { launch, site } from "./browser.mjs";
import { serve } from "./server.mjs";

const CRASHES = 25;

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

function options(prefix) {
  return { store: `s3://tidelock/${prefix}?endpoint=${store.endpoint}&path_style=true`, credentials: store.credentials, local: prefix };
}

let tabs = 0;
/** A tab with the package as `tidelock`; `me`, a lock of its own, says later which tab holds another lock. */
async function open(context) {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`${pages.origin}/page.html`);
  await page.waitForFunction(() => document.title === "ready");
  page.me = `tab ${(tabs += 1)}`;
  await page.evaluate((me) => new Promise((held) => void navigator.locks.request(me, () => new Promise(held))), page.me);
  return page;
}

/** Which of the tabs leads. */
async function leaderOf(open, local) {
  for (;;) {
    const { held } = await open[0].evaluate(() => navigator.locks.query());
    const leads = held.find(({ name }) => name === `tidelock:${local}`)?.clientId;
    const found = open.find(({ me }) => held.some(({ name, clientId }) => name === me && clientId === leads));
    if (found !== undefined) return found;
  }
}

async function crash(page) {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  session.send("Page.crash").catch(() => {});
  await crashed;
  await page.close();
}

test("every call works in every tab, and each hears of changes", async () => {
  const place = options("tabs");
  const context = await browser.newContext();
  const first = await open(context);
  const recoveryCode = await first.evaluate(async (place) => {
    const { vault, recoveryCode } = await tidelock.Vault.create(place);
    globalThis.vault = vault;
    return recoveryCode;
  }, place);
  const second = await open(context);
  const seen = await second.evaluate(async (place) => {
    const vault = (globalThis.vault = await tidelock.Vault.open(place));
    const [todo, notes, log] = [vault.collection("todo", tidelock.text), vault.documents("notes"), vault.log("log", tidelock.text)];
    const live = notes.live()[Symbol.asyncIterator]();
    const changes = todo.changes();
    const before = (await live.next()).value.length;
    await vault.write((batch) => {
      batch.put(todo, "k", "v");
      batch.put(notes, "n", { title: "one", gone: 1 });
      batch.patch(notes, "n", { gone: null });
    });
    const keys = [await log.append("first"), await log.append("second"), await log.append("third")];
    const listed = [];
    for await (const { value } of log.list()) listed.push(value);
    const phases = [];
    const report = await vault.sync({ onProgress: ({ phase }) => phases.push(phase) });
    const cancelled = await vault.sync({ signal: AbortSignal.abort(new Error("not now")) }).catch(({ message }) => message);
    const refused = await todo.put("", "x").catch((error) => [error instanceof tidelock.TidelockError, error.kind, error.message]);
    const other = await tidelock.Vault.open({ ...place, local: place.local }).then((again) => again.close());
    return {
      before, after: (await live.next()).value, changed: (await changes.next()).value, listed, sorted: [...keys].sort().join() === keys.join(),
      published: report.opsPublished > 0, phases: phases.length > 0, cancelled, refused, other,
      status: (await vault.status()).pending, devices: (await vault.devices()).length, value: await todo.get("k"),
    };
  }, place);
  assert.equal(seen.before, 0);
  assert.deepEqual(seen.after.map(({ id, value }) => [id, value]), [["n", { title: "one" }]]);
  assert.deepEqual(seen.changed, { keys: ["k"] });
  assert.deepEqual(seen.listed, ["first", "second", "third"]);
  assert.ok(seen.sorted && seen.published && seen.phases);
  assert.equal(seen.cancelled, "not now");
  assert.deepEqual(seen.refused.slice(0, 2), [true, "invalid"]);
  assert.equal(seen.status, 0);
  assert.equal(seen.devices, 1);
  assert.equal(seen.value, "v");

  // A change of the leader's reaches the follower, and one of another device, which the leader pulled.
  const heard = second.evaluate(async () => (await vault.collection("todo", tidelock.text).changes().next()).value);
  await second.evaluate(() => {}); // it listens by now
  await first.evaluate(() => vault.collection("todo", tidelock.text).put("of the leader's", "v"));
  assert.deepEqual(await heard, { keys: ["of the leader's"] });

  // Another bucket under the same name is refused, whoever leads.
  const wrong = { ...place, store: place.store.replace("/tabs?", "/elsewhere?") };
  const third = await open(context);
  assert.equal(await third.evaluate((place) => tidelock.Vault.open(place).catch(({ kind }) => kind), wrong), "invalid");

  // The leader closes: the follower leads, with all that was written.
  await first.evaluate(() => vault.close());
  assert.equal(await first.evaluate(() => vault.sync().catch(({ kind }) => kind)), "closed");
  assert.equal(await second.evaluate(async () => (await vault.collection("todo", tidelock.text).get("of the leader's"))), "v");
  assert.equal(await leaderOf([first, second, third], place.local), second);

  const phone = await open(await browser.newContext());
  const notes = await phone.evaluate(async ([place, recoveryCode]) => {
    const vault = await tidelock.Vault.join({ ...place, secret: { recoveryCode } });
    await vault.sync();
    return await vault.documents("notes").get("n");
  }, [place, recoveryCode]);
  assert.deepEqual(notes, { title: "one" });
  await context.close();
});

test("an operation that a lost leader had begun fails and may be tried again; what was cut off is done", async () => {
  const place = options("lost");
  const context = await browser.newContext();
  const first = await open(context);
  await first.evaluate(async (place) => {
    let isStalling = false;
    const fetcher = (...words) => (isStalling ? new Promise(() => {}) : fetch(...words));
    globalThis.vault = (await tidelock.Vault.create({ ...place, fetch: fetcher })).vault;
    isStalling = true;
  }, place);
  const second = await open(context);
  await second.evaluate(async (place) => {
    globalThis.vault = await tidelock.Vault.open(place);
    const began = new Promise((resolve) => {
      globalThis.failed = vault.sync({ onProgress: resolve }).catch(({ kind, retryable, nextStep }) => ({ kind, retryable, nextStep }));
    });
    await began;
  }, place);
  await crash(first);
  const { kind, retryable, nextStep } = await second.evaluate(() => failed);
  assert.deepEqual([kind, retryable, typeof nextStep], ["network", true, "string"]);
  await second.evaluate(() => vault.sync());
  await context.close();
});

test("a tab that was frozen while it led is taken the lead from, and follows once it wakes", async () => {
  const place = options("frozen");
  const context = await browser.newContext();
  const [first, second] = [await open(context), await open(context)];
  await first.evaluate(async (place) => void (globalThis.vault = (await tidelock.Vault.create(place)).vault), place);
  await second.evaluate(async (place) => void (globalThis.vault = await tidelock.Vault.open(place)), place);
  const session = await context.newCDPSession(first);
  await session.send("Debugger.enable");
  await session.send("Debugger.pause");
  const written = first.evaluate(() => vault.collection("m", tidelock.text).put("of the frozen", "1")); // begun once it wakes
  await second.evaluate(() => vault.collection("m", tidelock.text).put("k", "2"));
  assert.equal(await leaderOf([second], place.local), second);
  await session.send("Debugger.disable");
  await written;
  const found = () => Promise.all(["of the frozen", "k"].map((key) => vault.collection("m", tidelock.text).get(key)));
  for (const tab of [first, second]) assert.deepEqual(await tab.evaluate(found), ["1", "2"]);
  await context.close();
});

test("one tab at a time watches, the one that was looked at last", async () => {
  const place = options("watch");
  const context = await browser.newContext();
  const [first, second] = [await open(context), await open(context)];
  const watch = async (place) => {
    globalThis.reports = 0;
    (async () => {
      for await (const report of vault.watch()) if (!(report instanceof Error)) reports += 1;
    })();
  };
  await first.evaluate(async (place) => void (globalThis.vault = (await tidelock.Vault.create(place)).vault), place);
  await first.evaluate(watch);
  await first.waitForFunction(() => reports > 0);
  await second.evaluate(async (place) => void (globalThis.vault = await tidelock.Vault.open(place)), place);
  await second.evaluate(watch);
  // What a follower writes the watching tab publishes, and the status of each says so.
  await second.evaluate(() => vault.collection("m", tidelock.text).put("k", "v"));
  await second.evaluate(async () => {
    for await (const { pending } of vault.liveStatus()) if (pending === 0) break;
  });
  assert.ok((await second.evaluate(() => reports)) > 0);
  const before = await first.evaluate(() => reports);
  await second.close();
  await first.waitForFunction((before) => reports > before, before);
  await context.close();
});

test("a store that was written to behind the leader's back is loaded again", async () => {
  const place = options("stale");
  const context = await browser.newContext();
  const page = await open(context);
  const values = await page.evaluate(async (place) => {
    const { vault } = await tidelock.Vault.create(place);
    const map = vault.collection("m", tidelock.text);
    await map.put("a", "1");
    const { openDB } = await import("idb");
    const database = await openDB(`tidelock:${place.local}`);
    await database.put("meta", (await database.get("meta", "writes")) + 1, "writes");
    await map.put("b", "2"); // refused by the fence, then done by an engine that was loaded anew
    // Somebody takes the lock by force: whoever led asks for it again.
    await navigator.locks.request(`tidelock:${place.local}`, { steal: true }, () => {});
    await map.put("c", "3");
    const found = [];
    for await (const { key, value } of map.list()) found.push(key + value);
    await vault.close();
    return found;
  }, place);
  assert.deepEqual(values, ["a1", "b2", "c3"]);
  await context.close();
});

test(`five tabs write while the leader crashes ${CRASHES} times: nothing is lost, nothing is there twice`, async () => {
  const place = options("crashes");
  const context = await browser.newContext();
  const told = { puts: new Map(), appends: new Set() };
  await context.exposeFunction("told", (kind, key, value) => {
    if (kind === "put") told.puts.set(key, value);
    else told.appends.add(key);
  });
  const work = async ([place, me]) => {
    const vault = (globalThis.vault = await tidelock.Vault.open(place));
    const [map, log, notes] = [vault.collection("m", tidelock.json()), vault.log("l", tidelock.text), vault.documents("d")];
    globalThis.errors = [];
    const writer = async (lane) => {
      for (let n = 0; !globalThis.isOver; n += 1) {
        const key = `${me} ${lane} ${Math.floor(Math.random() * 5)}`;
        try {
          const kind = Math.random();
          if (kind < 0.4) await map.put(key, n), await told("put", `m ${key}`, n);
          else if (kind < 0.7) await notes.patch(key, { n }), await told("put", `d ${key}`, n);
          else await log.append(`${me} ${lane} ${n}`), await told("append", `${me} ${lane} ${n}`);
          if (Math.random() < 0.02) await vault.sync().catch((error) => error.retryable || errors.push(error.message));
        } catch (error) {
          errors.push(`${error.kind}: ${error.message}`);
        }
      }
    };
    globalThis.done = Promise.all(["x", "y", "z"].map(writer));
    globalThis.live = 0;
    map.live().subscribe((entries) => (globalThis.live = entries.length));
  };
  const start = async () => {
    const page = await open(context);
    await page.evaluate(work, [place, page.me]);
    return page;
  };
  const maker = await open(context);
  await maker.evaluate(async (place) => (await tidelock.Vault.create(place)).vault.close(), place);
  await maker.close();
  const tabs = [await start(), await start(), await start(), await start(), await start()];
  const errors = [];
  for (let round = 0; round < CRASHES; round += 1) {
    const goal = told.appends.size + 5 + Math.floor(Math.random() * 20);
    while (told.appends.size < goal) await new Promise((resolve) => setTimeout(resolve, 2));
    const leader = await leaderOf(tabs, place.local);
    errors.push(...(await leader.evaluate(() => errors)));
    await (round % 2 === 0 ? crash(leader) : leader.close());
    tabs.splice(tabs.indexOf(leader), 1, await start());
  }
  for (const tab of tabs) errors.push(...(await tab.evaluate(async () => ((globalThis.isOver = true), await done, errors))));
  assert.deepEqual(errors, []);

  const found = await tabs[0].evaluate(async () => {
    const puts = [];
    for await (const { key, value } of vault.collection("m", tidelock.json()).list()) puts.push([`m ${key}`, value]);
    for await (const { id, value } of vault.documents("d").list()) puts.push([`d ${id}`, value.n]);
    const appends = [];
    for await (const { value } of vault.log("l", tidelock.text).list()) appends.push(value);
    return { puts, appends };
  });
  const puts = new Map(found.puts);
  for (const [key, value] of told.puts) assert.ok(puts.get(key) >= value, `${key}: ${value} was acknowledged, ${puts.get(key)} is there`);
  const appends = new Set(found.appends);
  assert.equal(appends.size, found.appends.length, "an entry is there twice");
  for (const entry of told.appends) assert.ok(appends.has(entry), `${entry} was acknowledged`);
  console.log(`${told.puts.size} keys and ${told.appends.size} entries were acknowledged`);
  // Each tab's query has come to the same end.
  const inMap = found.puts.filter(([key]) => key.startsWith("m ")).length;
  for (const tab of tabs) await tab.waitForFunction((count) => live === count, inMap);
  await context.close();
});
