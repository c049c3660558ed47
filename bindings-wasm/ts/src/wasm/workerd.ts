/** The library as a compiled module: Cloudflare's workers compile nothing at run time. */

// The bundler of workerd makes a module of it.
import module from "../tidelock_bg.wasm";

/** Gives it. */
export function source(): Promise<WebAssembly.Module> {
  return Promise.resolve(module as unknown as WebAssembly.Module);
}
