// Documents under Node, on real S3 servers, and shared with the command.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { after } from "node:test";
import { json, text, Vault } from "tidelock";
import { command, folder, servers } from "./server.mjs";

const all = await servers();
after(() => all.forEach((server) => server.close()));

let prefixes = 0;
function options(server = all[0]) {
  const { endpoint, credentials } = server;
  return { store: `s3://tidelock/doc${(prefixes += 1)}?endpoint=${endpoint}&path_style=true`, credentials, local: "memory" };
}

async function collect(entries) {
  const found = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

/** Two devices of one vault, and how they come into step. */
async function pair(server) {
  const place = options(server);
  const { vault: laptop, recoveryCode } = await Vault.create({ ...place, device: "laptop" });
  const phone = await Vault.join({ ...place, device: "phone", secret: { recoveryCode } });
  const step = async () => {
    for (const vault of [laptop, phone, laptop]) await vault.sync();
  };
  return { laptop, phone, step, close: () => Promise.all([laptop.close(), phone.close()]) };
}

for (const server of all) {
  test(`fields of two devices merge, and one field's values are resolved: ${server.name}`, async () => {
    const { laptop, phone, step, close } = await pair(server);
    const [here, there] = [laptop.documents("visits"), phone.documents("visits")];
    await here.put("brest", { place: "Brest", tags: ["sea"], note: "rain" });
    await step();
    await here.patch("brest", { rating: 5, note: null });
    await there.patch("brest", { tags: ["sea", "bridge"] });
    await step();
    const expected = { place: "Brest", tags: ["sea", "bridge"], rating: 5 };
    assert.deepEqual([await here.get("brest"), await there.get("brest")], [expected, expected]);
    assert.deepEqual(await collect(here.conflicts()), []);
    const { id, value, conflicts, deletedConcurrently } = await there.entry("brest");
    assert.deepEqual({ id, value, conflicts, deletedConcurrently }, { id: "brest", value: expected, conflicts: 0, deletedConcurrently: false });

    for (const id of ["brest", "oslo"]) {
      await here.patch(id, { rating: 4, text: "a" });
      await there.patch(id, { rating: { stars: 3 }, text: "b" });
    }
    await laptop.collection("m", text).put("k", "of another collection");
    await phone.collection("m", text).put("k", "with a conflict of its own");
    await step();
    const found = await collect(here.conflicts());
    assert.deepEqual(found.map(({ id, field }) => `${id}.${field}`), ["brest.rating", "brest.text", "oslo.rating", "oslo.text"]);
    assert.deepEqual(found[0].versions.map(({ value }) => JSON.stringify(value)).sort(), ["4", '{"stars":3}']);
    assert.deepEqual(found[0].versions[0].value, (await here.get("brest")).rating);
    assert.equal((await there.entry("brest")).conflicts, 2);
    const everywhere = (await collect(laptop.conflicts())).map(({ kind, collection, key, field }) => [kind, collection, key, field]);
    assert.deepEqual(everywhere.sort(), [
      ["documents", "visits", "brest", "rating"], ["documents", "visits", "brest", "text"],
      ["documents", "visits", "oslo", "rating"], ["documents", "visits", "oslo", "text"], ["map", "m", "k", undefined],
    ]);
    await here.resolve("brest", "rating", 4.5);
    await here.resolve("brest", "text", undefined);
    await laptop.collection("m", text).resolve("k", undefined);
    await step();
    assert.deepEqual(await there.get("brest"), { ...expected, rating: 4.5 });
    assert.equal(await phone.collection("m", text).get("k"), undefined);
    assert.deepEqual((await collect(there.conflicts())).map(({ id }) => id), ["oslo", "oslo"]);
    await assert.rejects(here.resolve("brest", "rating", 1), { kind: "not-found" });
    const { collections, left } = await phone.status();
    assert.ok(collections.some(({ kind, name }) => kind === "documents" && name === "visits"));
    assert.deepEqual(left, []);
    await close();
  });
}

test("a delete that had not seen a patch is told", async () => {
  const { laptop, phone, step, close } = await pair();
  const [here, there] = [laptop.documents("visits"), phone.documents("visits")];
  await here.put("brest", { place: "Brest", rating: 4 });
  await step();
  await here.delete("brest");
  await there.patch("brest", { rating: 5 });
  await step();
  const { value, deletedConcurrently } = await here.entry("brest");
  assert.deepEqual([value, deletedConcurrently], [{ rating: 5 }, true]);
  await close();
});

test("documents are listed in ranges and pages, followed, and written in batches", async () => {
  const { vault } = await Vault.create(options());
  const visits = vault.documents("visits");
  const changes = visits.changes();
  const live = visits.live({ prefix: "a" })[Symbol.asyncIterator]();
  assert.deepEqual((await live.next()).value, []);
  await vault.write((batch) => {
    batch.put(visits, "a", { n: 1, gone: true });
    batch.patch(visits, "a", { gone: null });
    batch.put(visits, "b", {});
    batch.delete(visits, "b");
    batch.put(vault.collection("m", text), "k", "v");
    batch.append(vault.log("l", text), "line");
  });
  assert.deepEqual((await changes.next()).value, { keys: ["a", "b"] });
  assert.deepEqual((await live.next()).value.map(({ id, value }) => [id, value]), [["a", { n: 1 }]]);
  assert.equal(await visits.get("b"), undefined);
  assert.equal(await vault.collection("m", text).get("k"), "v");
  await assert.rejects(vault.write((batch) => {
    batch.patch(visits, "a", { n: 2 });
    batch.put(visits, "", {});
  }), { kind: "invalid" });
  assert.deepEqual(await visits.get("a"), { n: 1 });

  const numbers = vault.documents("numbers");
  await vault.write((batch) => {
    for (let n = 0; n < 600; n += 1) batch.put(numbers, String(n).padStart(3, "0"), { n });
  });
  const ids = async (range) => (await collect(numbers.list(range))).map(({ id }) => id);
  assert.deepEqual((await collect(numbers.list())).map(({ value }) => value.n), [...Array(600).keys()]);
  assert.equal((await ids({ prefix: "1" })).length, 100);
  assert.deepEqual(await ids({ start: "010", end: "012" }), ["010", "011"]);
  await vault.close();
});

test("more conflicts than a page, all within one document, are listed once each", async () => {
  const { laptop, phone, step, close } = await pair();
  const fields = Array.from({ length: 300 }, (_, n) => `f${String(n).padStart(3, "0")}`);
  await laptop.documents("d").put("x", Object.fromEntries(fields.map((field) => [field, "laptop"])));
  await phone.documents("d").put("x", Object.fromEntries(fields.map((field) => [field, "phone"])));
  await step();
  assert.deepEqual((await collect(laptop.documents("d").conflicts())).map(({ field }) => field), fields);
  await close();
});

test("what is no document is refused, and changes nothing", async () => {
  const { vault } = await Vault.create(options());
  const visits = vault.documents("visits");
  const cycle = {};
  cycle.self = cycle;
  let deep = {};
  for (let n = 0; n < 70; n += 1) deep = { deep };
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [n, n]));
  for (const value of [[1], "text", null, 5, undefined, { x: NaN }, { x: 1n }, { x: "\ud800" }, { "\udc00": 1 }, cycle, deep, many]) {
    await assert.rejects(visits.put("x", value), { name: "TidelockError", kind: "invalid" });
  }
  for (const id of ["", "a\0b", "i".repeat(257), "\ud800", 5]) await assert.rejects(visits.put(id, {}), { kind: "invalid" });
  await assert.rejects(visits.patch("x", { rating: Infinity }), { kind: "invalid" });
  assert.deepEqual(await collect(visits.list()), []);
  await visits.put("x", { kept: null, dropped: undefined, when: new Date(0) });
  assert.deepEqual(await visits.get("x"), { kept: null, when: "1970-01-01T00:00:00.000Z" });
  await vault.close();
});

test("a vault is shared with the command, both ways", async () => {
  const place = options();
  const env = { ...process.env, AWS_ACCESS_KEY_ID: place.credentials.accessKey, AWS_SECRET_ACCESS_KEY: place.credentials.secretKey };
  const local = join(folder(), "device");
  const tidelock = (...words) => execFileSync(command, [...words, "--local", local], { env, encoding: "utf8" });
  const { recovery_code: recoveryCode } = JSON.parse(tidelock("init", "--store", place.store, "--json"));
  tidelock("doc", "put", "visits", "42", '{"place":"Brest","rating":4,"note":"ä\u{1f95b}"}');
  tidelock("sync");
  const vault = await Vault.join({ ...place, secret: { recoveryCode } });
  await vault.sync();
  const visits = vault.documents("visits");
  assert.deepEqual(await visits.get("42"), { place: "Brest", rating: 4, note: "ä\u{1f95b}" });
  await visits.patch("42", { rating: 5, z: { b: 1, a: [1e21, -0, 0.1] } });
  await visits.put("43", { place: "Oslo" });
  await vault.sync();
  tidelock("doc", "patch", "visits", "42", '{"note":null}');
  tidelock("sync");
  assert.equal(tidelock("doc", "get", "visits", "42").trim(), '{"place":"Brest","rating":5,"z":{"a":[1e+21,0,0.1],"b":1}}');
  assert.equal(tidelock("doc", "get", "visits", "43").trim(), '{"place":"Oslo"}');
  await vault.sync();
  assert.equal((await visits.get("42")).note, undefined);
  await vault.close();
});

test("JSON has the form of the shared vectors", () => {
  const vectors = JSON.parse(readFileSync(join(import.meta.dirname, "../../../tests/vectors/json.json"), "utf8"));
  const form = (hex) => {
    const content = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(hex, "hex"));
    return Buffer.from(json().encode(JSON.parse(content))).toString("hex");
  };
  // What a text holds and a value of JavaScript's does not: it is gone once the text is parsed.
  const inTextsAlone = /^(a name twice|an integer beyond|the greatest of 64 bits)/u;
  let refused = 0;
  for (const { name, given, value } of vectors.cases) {
    if (value !== undefined) assert.equal(form(given.text), value, name);
    else if (!inTextsAlone.test(name)) assert.throws(() => form(given.text), undefined, name), (refused += 1);
  }
  assert.ok(refused > 30);
});
