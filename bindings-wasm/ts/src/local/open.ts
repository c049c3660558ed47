/** Which local store an option names. */

import { openIdb } from "./idb.js";
import type { Local } from "./local.js";
import { openMemory } from "./memory.js";

/** `"memory"`, else a folder where there is a file system, else a database of the browser's. */
export async function openLocal(name: string): Promise<Local> {
  if (name === "memory") return openMemory();
  if (isBrowserStore(name)) return await openIdb(name);
  const { openFile } = await import("tidelock/local-node");
  return await openFile(name);
}

/** Whether a name is that of a database of the browser's. */
export function isBrowserStore(name: string): boolean {
  const isServer = typeof process === "object" && typeof process.versions?.node === "string";
  return name !== "memory" && !isServer;
}
