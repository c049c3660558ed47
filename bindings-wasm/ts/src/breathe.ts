/** Lets other tasks run between slices of work. */

/** The longest that work goes on without a break, in ms. */
export const SLICE_MS = 8;

/** Ends with a new task, sooner than a timer's. */
export function breathe(): Promise<void> {
  if (typeof setImmediate === "function") return new Promise((resolve) => void setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
