/**
 * What tabs say to each other, on the channel `tidelock:NAME`. The tab that holds the Web Lock of that name leads: it has the engine.
 *
 * A follower posts calls; the leader says `accepted`, then `answer` or `error`. When a leader is lost, the browser gives the
 * lock to the next tab, which announces itself. Followers then post again what no leader accepted. Of what the lost one had
 * accepted they repeat reads and writes, which may have been done already: each means the same the second time (an append has
 * its key). Operations, such as a sync, they fail with `network`, retryable.
 *
 * Browsers freeze tabs in the background, with the lock. A tab in front that hears nothing of its call for long, neither
 * `accepted` nor `opening`, takes the lock.
 */

import type { Happening } from "../access.js";
import type { EngineChange, Operation, Reads } from "../engine.js";
import type { Problem } from "../errors.js";
import type { Loop } from "../loop.js";
import type { CallOptions, Progress } from "../types.js";

/** Raised when messages change: tabs of one origin may run two releases of an app. */
export const VERSION = 1;

export type Call =
  | { kind: "read"; name: keyof Reads; words: unknown[] }
  | { kind: "write"; changes: EngineChange[] }
  | { kind: "run"; operation: Operation };

export type Message = { version: number } & (
  | { kind: "opening" }
  | { kind: "leader"; epoch: string }
  /** `since`: the follower's oldest call without an end. */
  | { kind: "call"; from: string; id: number; since: number; store: string; call: Call }
  | { kind: "cancel"; from: string; id: number }
  | { kind: "accepted"; to: string; id: number; epoch: string }
  | { kind: "progress"; to: string; id: number; progress: Progress }
  | { kind: "answer"; to: string; id: number; value: unknown }
  | { kind: "error"; to: string; id: number; problem: Problem }
  | { kind: "happened"; happening: Happening }
);

/** Does what a call asks for. */
export function perform(loop: Loop, call: Call, options: CallOptions): Promise<unknown> {
  switch (call.kind) {
    case "read":
      return loop.read(call.name, ...(call.words as never));
    case "write":
      return loop.write(call.changes);
    case "run":
      return loop.run(call.operation, options);
  }
}

/** A name that no other tab has. */
export function unique(): string {
  return crypto.randomUUID();
}
