/** The library as an asset beside this module: bundlers find it by this expression. */

/** Fetches it. */
export function source(): Promise<Response> {
  return fetch(new URL("../tidelock_bg.wasm", import.meta.url));
}
