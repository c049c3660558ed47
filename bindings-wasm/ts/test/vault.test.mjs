// The package under Node, on real S3 servers: what a person does with it, and what goes wrong.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import test, { after } from "node:test";
import { transformSync } from "esbuild";
import { bytes, json, text, TidelockError, Vault } from "tidelock";
import { command, folder, servers } from "./server.mjs";

const all = await servers();
const main = all[0];
after(() => all.forEach((server) => server.close()));

let prefixes = 0;
/** Options for a new vault's prefix, or for another device of one. */
function options(server = main, prefix = `js${(prefixes += 1)}`) {
  const { endpoint, credentials } = server;
  return { store: `s3://tidelock/${prefix}?endpoint=${endpoint}&path_style=true`, credentials, local: "memory" };
}

async function collect(entries) {
  const found = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

for (const server of all) {
  test(`two devices keep maps and logs in step: ${server.name}`, async () => {
    const place = options(server);
    const { vault: laptop, recoveryCode } = await Vault.create({ ...place, device: "laptop", passphrase: "correct horse" });
    await laptop.collection("todo", json()).put("milk", { litres: 2 });
    const key = await laptop.log("history", text).append("git status");
    const report = await laptop.sync();
    assert.ok(report.opsPublished >= 2);
    assert.deepEqual(report.notices, []);

    const phone = await Vault.join({ ...place, device: "phone", secret: { recoveryCode } });
    await phone.sync();
    assert.deepEqual(await phone.collection("todo", json()).get("milk"), { litres: 2 });
    assert.equal(await phone.log("history", text).get(key), "git status");
    assert.equal(await phone.collection("todo", json()).get("bread"), undefined);
    assert.deepEqual((await phone.devices()).map(({ name }) => name).sort(), ["laptop", "phone"]);

    // Both write before they sync again.
    await laptop.collection("todo", json()).put("milk", { litres: 3 });
    await phone.collection("todo", json()).put("milk", { litres: 4 });
    await laptop.sync();
    await phone.sync();
    const [conflict] = await collect(phone.collection("todo", json()).conflicts());
    assert.equal(conflict.key, "milk");
    assert.deepEqual(conflict.versions.map(({ value }) => value.litres).sort(), [3, 4]);
    await phone.collection("todo", json()).resolve("milk", { litres: 7 });
    await phone.sync();
    await laptop.sync();
    assert.deepEqual(await laptop.collection("todo", json()).get("milk"), { litres: 7 });
    assert.deepEqual(await collect(laptop.conflicts()), []);

    await assert.rejects(Vault.join({ ...place, secret: { passphrase: "wrong" } }), { name: "TidelockError", kind: "wrong-key" });
    const tablet = await Vault.join({ ...place, secret: { passphrase: "correct horse" } });
    const code = await tablet.replaceRecoveryCode();
    assert.notEqual(code, recoveryCode);
    await Promise.all([laptop.close(), phone.close(), tablet.close()]);
    await assert.rejects(laptop.sync(), { kind: "closed" });
  });
}

test("what was written is listed by byte order, in ranges and by prefix", async () => {
  const { vault } = await Vault.create(options());
  const map = vault.collection("m", text);
  const keys = ["a", "a/1", "a/2", "b", "z", "\u{ffff}", "\u{10000}"];
  await vault.write((batch) => [...keys].reverse().forEach((key) => batch.put(map, key, key)));
  const listed = async (range) => (await collect(map.list(range))).map(({ key }) => key);
  assert.deepEqual(await listed(), keys);
  assert.deepEqual(await listed({ prefix: "a/" }), ["a/1", "a/2"]);
  assert.deepEqual(await listed({ start: "a/2", end: "z" }), ["a/2", "b"]);
  assert.deepEqual(await listed({ limit: 2 }), ["a", "a/1"]);
  await vault.write((batch) => {
    for (let n = 0; n < 1000; n += 1) batch.put(map, `n${String(n).padStart(4, "0")}`, "x");
  });
  assert.equal((await listed({ prefix: "n" })).length, 1000);
  await assert.rejects(map.put("\ud800", "half"), { kind: "invalid" });
  await assert.rejects(map.put("", "no key"), { kind: "invalid" });
  await assert.rejects(vault.collection("raw").put("k", "text"), { kind: "invalid" });
  await vault.close();
});

test("changes name their keys, and live queries follow", async () => {
  const { vault } = await Vault.create(options());
  const map = vault.collection("m", text);
  const changes = map.changes();
  const seen = [];
  const live = map.live({ prefix: "a" });
  const stop = live.subscribe((entries) => seen.push(entries.map(({ key, value }) => `${key}=${value}`)));
  await map.put("a1", "one");
  assert.deepEqual((await changes.next()).value, { keys: ["a1"] });
  await vault.write((batch) => {
    batch.put(map, "a2", "two");
    batch.put(map, "b", "three");
  });
  assert.deepEqual((await changes.next()).value, { keys: ["a2", "b"] });
  await vault.write((batch) => {
    for (let n = 0; n < 257; n += 1) batch.put(map, `n${n}`, "");
  });
  assert.deepEqual((await changes.next()).value, { keys: "many" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(seen.at(-1), ["a1=one", "a2=two"]);
  stop();
  const waiting = changes.next();
  await vault.close();
  assert.equal((await waiting).done, true);
});

test("a folder keeps what was written, and one process holds it", async () => {
  const place = { ...options(), local: join(folder(), "device") };
  const { vault } = await Vault.create(place);
  await vault.collection("m", text).put("k", "v");
  assert.equal(statSync(join(place.local, "pages")).mode & 0o777, 0o600);
  const script = `import { Vault } from "tidelock"; await Vault.open(${JSON.stringify(place)}).catch(({ kind }) => console.log(kind));`;
  const other = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: import.meta.dirname });
  assert.equal(String(other).trim(), "busy");
  const again = await Vault.open(place);
  await vault.close();
  assert.equal(await again.collection("m", text).get("k"), "v", "one handle is still open");
  await again.close();

  // A commit that power loss cut off is none.
  appendFileSync(join(place.local, "pages"), Buffer.from([9, 0, 0, 0, 1, 2, 3]));
  const reopened = await Vault.open(place);
  assert.equal(await reopened.collection("m", text).get("k"), "v");
  // Rewriting one record many times lets the file grow and shrink, and loses nothing.
  const large = new Uint8Array(200_000).fill(7);
  for (let n = 0; n < 30; n += 1) await reopened.collection("raw", bytes).put("large", large.map((byte) => byte + n));
  assert.ok(statSync(join(place.local, "pages")).size < 3_000_000);
  await reopened.close();
  const last = await Vault.open(place);
  assert.equal((await last.collection("raw").get("large"))[0], 36);
  await last.close();

  await assert.rejects(Vault.open({ ...place, local: join(folder(), "empty") }), { kind: "not-found" });
});

test("a killed process loses nothing that was awaited", async () => {
  const place = { ...options(), local: join(folder(), "device") };
  const { vault } = await Vault.create(place);
  await vault.close();
  const script = `
    import { text, Vault } from "tidelock";
    const vault = await Vault.open(${JSON.stringify(place)});
    const map = vault.collection("m", text);
    for (let n = 0; ; n += 1) { await map.put("k" + n, "v"); console.log(n); }`;
  for (let round = 0; round < 5; round += 1) {
    const writer = spawn(process.execPath, ["--input-type=module", "--eval", script], { cwd: import.meta.dirname });
    let told = "";
    await new Promise((resolve) => {
      writer.stdout.on("data", (chunk) => {
        told += chunk;
        if (told.length > 200 * (round + 1)) writer.kill("SIGKILL");
      });
      writer.on("exit", resolve);
    });
    const reopened = await Vault.open(place);
    const last = told.slice(0, told.lastIndexOf("\n")).split("\n").at(-1);
    assert.equal(await reopened.collection("m", text).get(`k${last}`), "v");
    await reopened.close();
  }
});

test("a signal cancels a sync at once, and its request", async () => {
  let aborted = 0;
  const stalling = (url, init) =>
    new Promise((_, reject) => init.signal.addEventListener("abort", () => (aborted += 1, reject(init.signal.reason))));
  const place = options();
  let isStalling = false;
  const { vault } = await Vault.create({ ...place, fetch: (...words) => (isStalling ? stalling(...words) : fetch(...words)) });
  isStalling = true;
  const began = performance.now();
  await assert.rejects(vault.sync({ signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
  assert.ok(performance.now() - began < 1000);
  assert.ok(aborted >= 1);
  await assert.rejects(vault.sync({ signal: AbortSignal.abort() }), { name: "AbortError" });
  isStalling = false;
  await vault.sync();
  await vault.close();
});

test("errors say what failed and what to do", async () => {
  await assert.rejects(Vault.create({ ...options(), store: "s3://UPPER CASE" }), { kind: "invalid" });
  const refused = await Vault.create({ ...options(), credentials: { accessKey: "wrong", secretKey: "wrong" } }).catch((error) => error);
  assert.ok(refused instanceof TidelockError);
  assert.equal(refused.kind, "auth");
  assert.ok(refused.nextStep);
  const away = options();
  const unreachable = Vault.create({ ...away, store: "s3://tidelock/x?endpoint=http://127.0.0.1:9&path_style=true", retries: 0 });
  await assert.rejects(unreachable, ({ kind, retryable }) => kind === "network" && retryable);
  await assert.rejects(Vault.create({ ...options(), credentials: undefined }), { kind: "auth" });
});

test("a signer is asked for each request, and its refusal is shown", async () => {
  const questions = [];
  const signer = createServer((request, answer) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      questions.push({ token: request.headers.authorization, ...JSON.parse(body) });
      answer.writeHead(403, { "content-type": "application/json" }).end('{"error":"alice has left"}');
    });
  });
  await new Promise((resolve) => signer.listen(0, "127.0.0.1", resolve));
  const { credentials: _, ...place } = options();
  const url = `http://127.0.0.1:${signer.address().port}/`;
  await assert.rejects(Vault.create({ ...place, presign: { url, token: () => "secret" } }), (error) => {
    return error.kind === "auth" && error.message.includes("alice has left");
  });
  assert.equal(questions[0].token, "Bearer secret");
  assert.deepEqual(Object.keys(questions[0]), ["token", "method", "key", "query", "headers", "content_length"]);
  signer.close();
  await assert.rejects(
    Vault.create({ ...place, presign: () => Promise.reject(new Error("not today")) }),
    (error) => error.kind === "auth" && error.message.includes("not today"),
  );
});

test("watching syncs at once, tells reports, and ends with its signal", async () => {
  const { vault } = await Vault.create(options());
  await vault.collection("m", text).put("k", "v");
  const stop = new AbortController();
  const reports = [];
  for await (const report of vault.watch({ signal: stop.signal })) {
    reports.push(report);
    stop.abort();
  }
  assert.equal(reports.length, 1);
  assert.ok(reports[0].opsPublished >= 1);
  for await (const report of vault.watch()) {
    reports.push(report);
    break;
  }
  assert.equal(reports.length, 2);
  await vault.close();
});

test("a vault of the command's is read and edited, and the command reads it, byte for byte", async () => {
  const place = options();
  const env = { ...process.env, AWS_ACCESS_KEY_ID: place.credentials.accessKey, AWS_SECRET_ACCESS_KEY: place.credentials.secretKey };
  const local = join(folder(), "device");
  const tidelock = (...words) => execFileSync(command, [...words, "--local", local], { env, encoding: "utf8" });
  const { recovery_code: recoveryCode } = JSON.parse(tidelock("init", "--store", place.store, "--json"));
  tidelock("put", "todo", "milk", '{"litres":2,"note":"ä\u{1f95b}"}');
  tidelock("sync");
  const vault = await Vault.join({ ...place, secret: { recoveryCode } });
  await vault.sync();
  const todo = vault.collection("todo", json());
  const milk = await todo.get("milk");
  assert.deepEqual(milk, { litres: 2, note: "ä\u{1f95b}" });
  await todo.put("milk", { ...milk, litres: 3 });
  await vault.sync();
  tidelock("sync");
  assert.equal(tidelock("get", "todo", "milk").trim(), '{"litres":3,"note":"ä\u{1f95b}"}');
  await vault.close();
});

for (const name of ["../../README.md", "../../../README.md"]) test(`the quick start runs: ${name}`, async () => {
  const readme = readFileSync(join(import.meta.dirname, name), "utf8");
  const [, quickStart] = /```ts\n(.*?)```/su.exec(readme);
  const { store, credentials } = options();
  const place = folder();
  mkdirSync(place, { recursive: true });
  const script = transformSync(quickStart, { loader: "ts", format: "esm" }).code
    .replace(/store: "s3:[^"]*"/u, `store: ${JSON.stringify(store)}`)
    .replace(/credentials: \{[^}]*\}/u, `credentials: ${JSON.stringify(credentials)}`)
    .replaceAll(/local: "([^"]*)"/gu, (_, name) => `local: ${JSON.stringify(join(place, name))}`);
  assert.notEqual(script, quickStart);
  const out = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: import.meta.dirname, encoding: "utf8" });
  assert.match(out, /milk 2/u);
});

test("importing touches nothing of the platform's", () => {
  const script = `
    for (const name of ["fetch", "indexedDB", "navigator", "crypto", "performance", "setTimeout", "WebAssembly"]) delete globalThis[name];
    const { Vault } = await import("tidelock");
    console.log(typeof Vault.open);`;
  const out = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: import.meta.dirname, encoding: "utf8" });
  assert.equal(out.trim(), "function");
  const required = execFileSync(process.execPath, ["--eval", 'console.log(typeof require("tidelock").Vault.open)'], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  });
  assert.equal(required.trim(), "function");
});
