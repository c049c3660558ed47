// Two devices on a real S3 server: the engine driven by a loop of JavaScript's own. Needs Node 20 and what
// `cargo xtask servers versitygw` puts into the environment.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import test from "node:test";

const { Engine, Loader, runStretch } = createRequire(import.meta.url)(resolve(process.env.CARGO_TARGET_DIR, "node/tidelock_wasm.js"));
const NOTES = { kind: "map", name: "notes" };
const STORE = `s3://tidelock/node?endpoint=${process.env.TIDELOCK_TEST_VERSITYGW}`;

const now = () => [Math.floor(performance.now()), Date.now()];

/** One device: an engine, its pages, and the requests under way. */
class Device {
  pages = new Map();
  sent = new Map();
  finished = new Map();
  timer = undefined;

  constructor(name, pages = []) {
    const loader = new Loader();
    for (const page of pages) {
      this.pages.set(page.id, page);
      loader.add(page.id, page.bytes);
    }
    this.engine = Engine.open(loader, { store: STORE, device: name }, ...now());
  }

  write(key, text) {
    const value = new TextEncoder().encode(text);
    const { commit } = this.engine.write([{ kind: "put", collection: NOTES, key, value }], ...now());
    this.drain();
    return commit;
  }

  read(key) {
    const record = this.engine.get(NOTES, key);
    return record && new TextDecoder().decode(record.value);
  }

  /** Runs an operation to its end: what it gives, or what it fails with. */
  run(operation) {
    const op = this.engine.start(operation, ...now());
    return new Promise((done, failed) => {
      this.finished.set(op, { done, failed });
      this.drain();
    });
  }

  drain() {
    let drained;
    while ((drained = this.engine.drain(...now())).outputs.length) drained.outputs.forEach((output) => this.take(output));
    const due = drained.wakeAtMs;
    clearTimeout(this.timer);
    if (due === undefined) return;
    const wake = () => { this.handle({ kind: "timeout" }); this.drain(); };
    this.timer = setTimeout(wake, Math.max(0, due - performance.now()));
  }

  handle(input) {
    this.engine.handle(input, ...now());
  }

  take(output) {
    switch (output.kind) {
      case "send": this.send(output.request); break;
      case "abort": this.sent.get(output.id)?.abort(); break;
      case "needCredentials": {
        const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = process.env;
        this.handle({ kind: "haveCredentials", credentials: { accessKey, secretKey } });
        break;
      }
      case "persist":
        for (const page of output.pages) page.bytes ? this.pages.set(page.id, page) : this.pages.delete(page.id);
        this.handle({ kind: "persisted", commit: output.commit });
        break;
      case "stretch": {
        const key = runStretch(this.engine.takeStretch(output.id));
        this.engine.handleStretched(output.id, key, undefined, ...now());
        break;
      }
      case "finished": this.finished.get(output.op).done(output); break;
      case "failed": this.finished.get(output.op).failed(output.problem); break;
      case "durable": this.durable = output.commit; break;
      case "changed": case "progressed": case "reported": break;
      default: throw new Error(`unknown output ${output.kind}`);
    }
  }

  async send({ id, method, url, headers, body, maxResponseBytes }) {
    const stop = new AbortController();
    this.sent.set(id, stop);
    try {
      const sentBody = body.length ? body : undefined;
      const pairs = headers.map(({ name, value }) => [name, value]);
      const answer = await fetch(url, { method, headers: pairs, body: sentBody, redirect: "manual", signal: stop.signal });
      const chunks = [];
      let length = 0;
      for await (const chunk of answer.body ?? []) {
        if ((length += chunk.length) > maxResponseBytes) throw { tooLong: true };
        chunks.push(chunk);
      }
      const bytes = new Uint8Array(Buffer.concat(chunks));
      const named = [...answer.headers].map(([name, value]) => ({ name, value }));
      this.handle({ kind: "answered", id, response: { status: answer.status, headers: named, body: bytes } });
    } catch (error) {
      const failure = error.tooLong ? { kind: "tooLong" } : { kind: "reset", text: String(error.cause ?? error) };
      this.handle({ kind: "failed", id, failure });
    }
    this.sent.delete(id);
    this.drain();
  }
}

test("two devices keep a map in step", async () => {
  const a = new Device("a");
  const { recoveryCode } = await a.run({ kind: "create", passphrase: "correct horse" });
  const commit = a.write("tea", "green");
  assert.equal(a.durable, commit);
  const pushed = await a.run({ kind: "sync" });
  assert.ok(pushed.report.opsPublished >= 1);

  const b = new Device("b");
  await b.run({ kind: "join", secret: { kind: "recovery", code: recoveryCode } });
  await b.run({ kind: "sync" });
  assert.equal(b.read("tea"), "green");
  b.write("tea", "black");
  b.write("milk", "none");
  await b.run({ kind: "sync" });

  // Started again from its pages, then told of the news.
  const again = new Device("a", [...a.pages.values()]);
  assert.equal(again.read("tea"), "green");
  await again.run({ kind: "sync" });
  assert.deepEqual([again.read("tea"), again.read("milk"), again.read("sugar")], ["black", "none", undefined]);

  const c = new Device("c");
  await assert.rejects(c.run({ kind: "join", secret: { kind: "passphrase", passphrase: "wrong" } }), { kind: "wrong-key" });
  await c.run({ kind: "join", secret: { kind: "passphrase", passphrase: "correct horse" } });
});
