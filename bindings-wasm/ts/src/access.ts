/** How a vault reaches its engine: the one in this tab, or the one of the tab that leads. */

import type { CollectionId, EngineChange, EngineReport, Operation, Reads } from "./engine.js";
import type { TidelockError } from "./errors.js";
import { init } from "./init.js";
import { isBrowserStore } from "./local/open.js";
import { Loop } from "./loop.js";
import { Tab } from "./tabs/tab.js";
import type { Turn } from "./tabs/turn.js";
import type { CallOptions, Options } from "./types.js";

/** What an operation ends with. */
export interface Outcome {
  recoveryCode?: string;
  report?: EngineReport;
}

/** What happened: records changed (no keys: more than 256), an operation ended, or anything at all, the vault's end included. */
export type Happening = { kind: "changed"; collection: CollectionId; keys?: string[] } | { kind: "status" } | { kind: "anything" };

export type Listener = (happening: Happening) => void;

/** An open engine, wherever it is. */
export interface Access {
  readonly listeners: Set<Listener>;
  /** Why nothing works any more, if it does not. */
  readonly closed: TidelockError | undefined;
  /** Asks the engine what it has. */
  read<Name extends keyof Reads>(name: Name, ...words: Parameters<Reads[Name]>): Promise<ReturnType<Reads[Name]>>;
  /** Applies changes, all or none; ends when they are durable. Gives each one's key. */
  write(changes: EngineChange[]): Promise<string[]>;
  /** Runs an operation to its end; the signal cancels it. */
  run(operation: Operation, options?: CallOptions): Promise<Outcome>;
  /** Waits for the turn to do what one tab does for all; fails once the signal aborts, or the vault is closed. */
  turn(name: string, mayTake: boolean, signal?: AbortSignal): Promise<Turn>;
  /** Ends what runs, and gives the local store back. */
  close(): Promise<void>;
}

/** Opens what this device has. Where tabs can speak to each other, a browser's store is shared among them. */
export async function openAccess(options: Options): Promise<Access> {
  await init();
  const canShare = globalThis.navigator?.locks !== undefined && typeof BroadcastChannel === "function";
  return canShare && isBrowserStore(options.local) ? new Tab(options) : await Loop.open(options);
}
