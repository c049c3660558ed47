/** The tab that has the engine does what the others ask for. */

import { plain, thrown, TidelockError } from "../errors.js";
import type { Loop } from "../loop.js";
import type { Progress } from "../types.js";
import { perform, unique, VERSION, type Call, type Message } from "./protocol.js";

export class Leader {
  private readonly epoch = unique();
  /** Calls of each follower, so that one that comes twice is done once. */
  private readonly calls = new Map<string, Map<number, AbortController>>();

  constructor(
    readonly loop: Loop,
    private readonly store: string,
    private readonly post: (message: Message) => void,
  ) {
    loop.listeners.add((happening) => {
      if (loop.closed === undefined) post({ version: VERSION, kind: "happened", happening });
    });
    post({ version: VERSION, kind: "leader", epoch: this.epoch });
  }

  /** Takes what a follower says. */
  take(message: Message): void {
    if (message.kind === "cancel") return this.calls.get(message.from)?.get(message.id)?.abort();
    if (message.kind !== "call") return;
    const { from, id, since, store, call } = message;
    if (message.version !== VERSION) {
      const nextStep = "reload the pages of this app";
      return this.fail(from, id, new TidelockError({ kind: "unsupported", message: "another tab runs another release of this app", nextStep }));
    }
    if (store !== this.store) return this.fail(from, id, otherStore());
    const calls = this.calls.get(from) ?? new Map<number, AbortController>();
    this.calls.set(from, calls);
    for (const earlier of [...calls.keys()]) if (earlier < since) calls.delete(earlier);
    this.post({ version: VERSION, kind: "accepted", to: from, id, epoch: this.epoch });
    if (calls.has(id)) return;
    const stop = new AbortController();
    calls.set(id, stop);
    void this.answer(from, id, call, stop.signal);
  }

  private async answer(to: string, id: number, call: Call, signal: AbortSignal): Promise<void> {
    try {
      const onProgress = (progress: Progress) => this.post({ version: VERSION, kind: "progress", to, id, progress });
      const value = await perform(this.loop, call, { signal, onProgress });
      this.post({ version: VERSION, kind: "answer", to, id, value });
    } catch (cause) {
      // Once this engine has ended, the next leader answers.
      if (this.loop.closed === undefined && !signal.aborted) this.fail(to, id, thrown(cause));
    }
  }

  private fail(to: string, id: number, error: TidelockError): void {
    this.post({ version: VERSION, kind: "error", to, id, problem: plain(error) });
  }
}

/** One local store is one device of one vault. */
export function otherStore(local?: string): TidelockError {
  return new TidelockError({
    kind: "invalid",
    message: "this local store is open for another bucket",
    nextStep: "give each vault a `local` of its own",
    ...(local !== undefined && { object: local }),
  });
}
