/** Takes the place of the file store where there is no file system, so that bundles for browsers do not hold it. */

import { TidelockError } from "../errors.js";
import type { Local } from "./local.js";

/** Always fails. */
export function openFile(folder: string): Promise<Local> {
  const nextStep = "give the name of an IndexedDB database, or `\"memory\"`";
  return Promise.reject(new TidelockError({ kind: "unsupported", message: "there is no file system here", object: folder, nextStep }));
}
