/** The library as a file beside this module: Node, Deno and Bun. */

/** Reads it. */
export async function source(): Promise<BufferSource> {
  const { readFile } = await import("node:fs/promises");
  return await readFile(new URL("../tidelock_bg.wasm", import.meta.url));
}
