/** A query that stays current. */

import { thrown, type TidelockError } from "./errors.js";
import { Latest } from "./queue.js";

/** The value now, and again whenever it changes; Svelte takes it as a store. */
export class Live<S> implements AsyncIterable<S> {
  /** The newest value; `undefined` until the first is read. */
  value: S | undefined;
  /** Why it ended by itself: the vault was closed, or a value is damaged. */
  error: TidelockError | undefined;
  private readonly runs = new Set<(value: S) => void>();
  private readonly ends = new Set<() => void>();
  private stop: (() => void) | undefined;
  private reading = false;
  private isStale = false;

  /** `listen` calls back on each change, and gives how to stop that. */
  constructor(
    private readonly read: () => Promise<S>,
    private readonly listen: (changed: () => void) => () => void,
  ) {}

  /** Calls back with the value now and after each change, until the function it gives is called; `onEnd` if it ends by itself. */
  subscribe(run: (value: S) => void, onEnd?: () => void): () => void {
    this.runs.add(run);
    if (onEnd !== undefined) this.ends.add(onEnd);
    this.stop ??= this.listen(() => void this.refresh());
    if (this.value !== undefined) run(this.value);
    else void this.refresh();
    return () => {
      this.runs.delete(run);
      if (onEnd !== undefined) this.ends.delete(onEnd);
      if (this.runs.size === 0) this.close();
    };
  }

  /** Ends all subscriptions. */
  close(): void {
    this.stop?.();
    this.stop = undefined;
    this.runs.clear();
    this.ends.clear();
    this.value = undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<S> {
    let leave = () => {};
    const values = new Latest<S>((_, newer) => newer, () => leave());
    leave = this.subscribe((value) => values.push(value), () => values.end());
    return values;
  }

  /** Reads again; changes meanwhile cause one more read. */
  private async refresh(): Promise<void> {
    this.isStale = true;
    if (this.reading) return;
    this.reading = true;
    try {
      while (this.isStale && this.stop !== undefined) {
        this.isStale = false;
        const value = await this.read();
        if (this.stop === undefined) return;
        this.value = value;
        for (const run of [...this.runs]) run(value);
      }
    } catch (cause) {
      this.error = thrown(cause);
      const ends = [...this.ends];
      this.close();
      for (const end of ends) end();
    } finally {
      this.reading = false;
    }
  }
}
