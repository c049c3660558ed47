/** Sends one request with `fetch`, and reads no more of the answer than the engine allows. */

import type { EngineRequest, Failure, Header, Input } from "./engine.js";

/** The engine's input for whatever comes of the request; it never rejects. An aborted one has no input. */
export async function send(request: EngineRequest, signal: AbortSignal, fetcher: typeof fetch): Promise<Input | undefined> {
  const { id, method, url, headers, body, maxResponseBytes } = request;
  let connected = false;
  try {
    const answer = await fetcher(url, {
      method,
      headers: headers.map(({ name, value }): [string, string] => [name, value]),
      ...(body.length > 0 ? { body: body as BodyInit } : {}),
      redirect: "manual",
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal,
    });
    connected = true;
    if (answer.type === "opaqueredirect") {
      return { kind: "failed", id, failure: { kind: "connect", text: "the store answered with a redirect; check endpoint and region" } };
    }
    const content = await bounded(answer, maxResponseBytes);
    if (content === undefined) return { kind: "failed", id, failure: { kind: "tooLong" } };
    const named: Header[] = [...answer.headers].map(([name, value]) => ({ name, value }));
    return { kind: "answered", id, response: { status: answer.status, headers: named, body: content } };
  } catch (cause) {
    return signal.aborted ? undefined : { kind: "failed", id, failure: failure(cause, connected, url) };
  }
}

/** The whole body, or `undefined` if it is longer than `limit`. */
export async function bounded(answer: Response, limit: number): Promise<Uint8Array | undefined> {
  if (answer.body === null) return new Uint8Array();
  const reader = answer.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let read; !(read = await reader.read()).done; ) {
    length += read.value.length;
    if (length > limit) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(read.value);
  }
  if (chunks.length === 1) return chunks[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function failure(cause: unknown, connected: boolean, url: string): Failure {
  const { message, cause: deeper } = cause as Error & { cause?: Error };
  const text = deeper?.message ?? message;
  if (connected) return { kind: "reset", text };
  // A browser tells a page neither of the two apart nor why.
  const origin = (globalThis as { location?: { origin?: string } }).location?.origin;
  if (origin === undefined || origin === new URL(url).origin) return { kind: "connect", text };
  return {
    kind: "connect",
    text:
      `${text}: either there is no connection, or the bucket's CORS rules do not allow ${origin}. ` +
      "They need GET, PUT, DELETE and HEAD, all request headers, and the exposed headers ETag, Date and Retry-After; " +
      "`tidelock doctor --origin` prints rules to paste",
  };
}
