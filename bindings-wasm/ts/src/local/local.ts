/** Where a device keeps its side of a vault: pages by number, written in transactions. */

import type { Page } from "../engine.js";
import { TidelockError } from "../errors.js";

/** A local store, held by one vault at a time. */
export interface Local {
  /** Every page, in batches, so that other work goes on between them. */
  load(): AsyncIterable<Page[]>;
  /** Stores and removes pages: all of them durably, or none. */
  write(pages: Page[]): Promise<void>;
  close(): Promise<void>;
}

/** A store that another process has open. */
export function busy(name: string): TidelockError {
  return new TidelockError({
    kind: "busy",
    message: "another process has this local store open",
    object: name,
    nextStep: "close the other process, or give this one a `local` of its own and join again",
    retryable: true,
  });
}
