/** Loads the library, once; importing this package loads nothing. */

import { source } from "tidelock/wasm-source";
import { TidelockError } from "./errors.js";
import load from "./tidelock.js";

/** What a library may come as. */
export type Source = WebAssembly.Module | BufferSource | Response | URL | PromiseLike<Response>;

let loading: Promise<void> | undefined;
let given: (() => Promise<Exclude<Source, URL>>) | undefined;

/**
 * Loads the library now, from `wasm` if given. Optional: every `Vault` does. Calls join each other; one that failed is tried again.
 */
export function init(wasm?: Source): Promise<void> {
  if (wasm !== undefined) given ??= async () => (wasm instanceof URL ? await fetch(wasm) : await wasm);
  loading ??= start().catch((cause: unknown) => {
    loading = undefined;
    throw cause;
  });
  return loading;
}

/** Where later loads take the library from. */
export function useSource(make: () => Promise<BufferSource>): void {
  given ??= make;
}

async function start(): Promise<void> {
  if (typeof WebAssembly === "undefined") {
    throw new TidelockError({
      kind: "unsupported",
      message: "there is no WebAssembly here",
      nextStep: "use the Kotlin or Swift package on phones",
    });
  }
  const from = await (given ?? source)();
  if (typeof Response !== "undefined" && from instanceof Response) await checkIsWasm(from);
  compiled = await compile(from);
  await load({ module_or_path: compiled });
}

let compiled: WebAssembly.Module | undefined;

/** The compiled library, for a worker; only once `init` has ended. */
export function library(): WebAssembly.Module | undefined {
  return compiled;
}

async function compile(from: WebAssembly.Module | BufferSource | Response): Promise<WebAssembly.Module> {
  if (from instanceof WebAssembly.Module) return from;
  if (typeof Response === "undefined" || !(from instanceof Response)) return await WebAssembly.compile(from as BufferSource);
  const isNamed = from.headers.get("content-type")?.startsWith("application/wasm");
  return isNamed ? await WebAssembly.compileStreaming(from) : await WebAssembly.compile(await from.arrayBuffer());
}

/** A development server answers what it does not know with the app's page. */
async function checkIsWasm(answer: Response): Promise<void> {
  const type = answer.headers.get("content-type") ?? "";
  if (answer.ok && !type.includes("text/html")) return;
  throw new TidelockError({
    kind: "unsupported",
    message: `the bundler did not ship tidelock_bg.wasm: ${answer.status} ${type}`,
    object: answer.url,
    nextStep: "copy it beside the bundle, or import `tidelock/inline`",
  });
}
