/** What one tab does for all, such as watching, until it ends or another tab takes over. */

/** It is this tab's turn until the signal aborts. */
export interface Turn {
  signal: AbortSignal;
  end(): void;
}

/**
 * Waits for the turn of that name, until one of the signals aborts. A tab that a person begins to look at takes it from the
 * one that has it: browsers freeze tabs in the background, and a frozen one gives nothing back. `mayTake`: so it does at once.
 */
export function turn(name: string, mayTake: boolean, signals: AbortSignal[]): Promise<Turn> {
  const over = new AbortController();
  const end = () => over.abort();
  for (const signal of signals) signal.aborted ? end() : signal.addEventListener("abort", end, { signal: over.signal });
  return new Promise((resolve, reject) => {
    if (over.signal.aborted) return reject(over.signal.reason);
    over.signal.addEventListener("abort", () => reject(over.signal.reason)); // says nothing to who has the turn
    let queue: AbortController | undefined;
    const hold = () => {
      queue = undefined;
      resolve({ signal: over.signal, end });
      return new Promise<void>((release) => (over.signal.aborted ? release() : over.signal.addEventListener("abort", () => release())));
    };
    const wait = () => {
      const mine = (queue = new AbortController());
      over.signal.addEventListener("abort", () => mine.abort());
      void navigator.locks.request(name, { signal: mine.signal }, hold).catch(() => mine.signal.aborted || end());
    };
    const take = () => {
      queue?.abort();
      queue = undefined;
      void navigator.locks.request(name, { steal: true }, hold).catch(end);
    };
    mayTake && isSeen() ? take() : wait();
    if (typeof document === "undefined") return;
    document.addEventListener("visibilitychange", () => isSeen() && queue !== undefined && take(), { signal: over.signal });
  });
}

/** Whether a person may be looking; workers are never seen. */
export function isSeen(): boolean {
  return typeof document !== "undefined" && document.visibilityState === "visible";
}
