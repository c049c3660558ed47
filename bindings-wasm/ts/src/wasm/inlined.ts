/** The library within this module's own chunk: single files, and development servers that move modules. */

/** Decodes it. */
export async function source(): Promise<BufferSource> {
  const { base64 } = await import("../tidelock_base64.js");
  const text = atob(base64);
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
