/** One consumer's side of events: what came since it last looked, merged into one. */

/** Holds at most one value; a second is merged into it. */
export class Latest<T> implements AsyncIterableIterator<T> {
  private value: { value: T } | undefined;
  private waiting: ((result: IteratorResult<T>) => void) | undefined;
  private ended = false;

  constructor(
    private readonly merge: (older: T, newer: T) => T,
    private readonly onEnd: () => void,
    signal?: AbortSignal,
  ) {
    if (signal?.aborted) this.end();
    else signal?.addEventListener("abort", () => this.end(), { once: true });
  }

  push(value: T): void {
    if (this.ended) return;
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting !== undefined) waiting({ value, done: false });
    else this.value = { value: this.value === undefined ? value : this.merge(this.value.value, value) };
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd();
    this.waiting?.({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<T>> {
    const { value } = this;
    this.value = undefined;
    if (value !== undefined) return Promise.resolve({ value: value.value, done: false });
    if (this.ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => (this.waiting = resolve));
  }

  return(): Promise<IteratorResult<T>> {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
