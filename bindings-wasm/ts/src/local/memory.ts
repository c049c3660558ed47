/** A local store that keeps nothing: for tests, and for workers that have no disk. */

import type { Local } from "./local.js";

/** Forgets all when it is closed. */
export function openMemory(): Local {
  return {
    async *load() {},
    write: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
