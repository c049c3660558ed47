/** Argon2id for a passphrase: in a short-lived worker, so that no page stands still; without workers in this thread. */

import { breathe } from "./breathe.js";
import { plain, thrown, type Problem } from "./errors.js";
import { library } from "./init.js";
import { runStretch } from "./tidelock.js";

/** The key, or what went wrong. */
export interface Stretched {
  key: Uint8Array;
  problem?: Problem;
}

/** What the worker runs after the library's own JavaScript, which defines `tidelock`; `take` and `give` are the platform's. */
const WORK = `take(async ({ library, request }) => {
  await tidelock.default({ module_or_path: library });
  try { give({ key: tidelock.runStretch(request) }); } catch (problem) { give({ key: new Uint8Array(), problem }); }
});`;

/** Runs for some tenths of a second. */
export async function stretch(request: unknown): Promise<Stretched> {
  try {
    return (await inWorker({ library: library(), request })) ?? (await here(request));
  } catch {
    return await here(request); // a content security policy without `blob:`, or a platform that clones no library
  }
}

async function here(request: unknown): Promise<Stretched> {
  await breathe();
  try {
    return { key: runStretch(request) };
  } catch (cause) {
    return { key: new Uint8Array(), problem: plain(thrown(cause)) };
  }
}

/** `undefined` where there are no workers. */
async function inWorker(message: unknown): Promise<Stretched | undefined> {
  const { glue } = await import("./tidelock_text.js");
  if (typeof Worker === "function" && typeof URL.createObjectURL === "function") {
    const code = `${glue}; const take = (work) => (onmessage = ({ data }) => work(data)), give = postMessage; ${WORK}`;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const worker = new Worker(url);
    return await new Promise<Stretched>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data as Stretched);
      worker.onerror = reject;
      worker.postMessage(message);
    }).finally(() => {
      worker.terminate();
      URL.revokeObjectURL(url);
    });
  }
  if (typeof process !== "object" || typeof process.getBuiltinModule !== "function") return undefined;
  const threads = process.getBuiltinModule("node:worker_threads");
  const code =
    `${glue}; const { parentPort } = require("node:worker_threads"); ` +
    `const take = (work) => parentPort.once("message", work), give = (value) => parentPort.postMessage(value); ${WORK}`;
  const worker = new threads.Worker(code, { eval: true });
  return await new Promise<Stretched>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.postMessage(message);
  }).finally(() => worker.terminate());
}
