/** Requests that somebody else signs: a function of the app's, or a signer's URL (docs/PRESIGN.md). */

import type { EngineUnsigned, Failure, Header, Input } from "./engine.js";
import { bounded } from "./transport.js";
import type { Options, Presign, SignedUrl } from "./types.js";

/** A signer's answer has a URL of at most 16 KiB and some headers. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** The engine's input for whatever a signer says; it never rejects. */
export async function presigned(id: number, request: EngineUnsigned, presign: Presign, signal: AbortSignal): Promise<Input> {
  try {
    const { query, headers, ...rest } = request;
    const signed = await presign({ ...rest, query: query.map(pair), headers: headers.map(pair) }, signal);
    const named = (signed.headers ?? []).map(([name, value]): Header => ({ name, value }));
    const expires = signed.expiresS === undefined ? {} : { expiresS: signed.expiresS };
    return { kind: "presigned", id, signed: { url: String(signed.url), headers: named, ...expires } };
  } catch (cause) {
    return { kind: "notPresigned", id, failure: cause instanceof SignerAway ? cause.failure : refused(cause) };
  }
}

/** The function that signs, if the options name one. */
export function presignOf({ presign, fetch: fetcher = globalThis.fetch }: Options): Presign | undefined {
  if (presign === undefined || typeof presign === "function") return presign;
  const { url, token } = presign;
  return async (request, signal) => {
    const bearer = typeof token === "function" ? await token() : token;
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (bearer !== undefined) headers["authorization"] = `Bearer ${bearer}`;
    const { method, key = "", query, headers: bound, bodyBytes } = request;
    const body = JSON.stringify({ method, key, query: sorted(query), headers: sorted(bound), content_length: bodyBytes });
    let answer: Response;
    try {
      answer = await fetcher(url, { method: "POST", headers, body, signal, redirect: "error", cache: "no-store" });
    } catch (cause) {
      throw new SignerAway({ kind: "connect", text: `the signer at ${new URL(url).origin}: ${(cause as Error).message}` });
    }
    if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
      throw new SignerAway({ kind: "reset", text: `the signer answers with status ${answer.status}` });
    }
    const content = await bounded(answer, ANSWER_BYTES_MAX);
    if (content === undefined) throw new Error("the signer's answer is longer than 64 KiB");
    return signedUrl(answer.status, new TextDecoder().decode(content));
  };
}

function signedUrl(status: number, content: string): SignedUrl {
  let said: { url?: unknown; headers?: Record<string, string>; expires_in?: number; error?: unknown } = {};
  try {
    said = JSON.parse(content) as typeof said;
  } catch {
    // No sentence for a person, then.
  }
  if (status !== 200 || typeof said.url !== "string") {
    throw new Error(typeof said.error === "string" ? said.error : `the signer answers with status ${status} and no URL`);
  }
  const { url, headers = {}, expires_in: expiresS } = said;
  return { url, headers: Object.entries(headers), ...(expiresS !== undefined && { expiresS }) };
}

/** As one object, names ascending: what docs/PRESIGN.md asks for. */
function sorted(pairs: [string, string][]): Record<string, string> {
  return Object.fromEntries([...pairs].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A signer that may answer later. */
class SignerAway extends Error {
  constructor(readonly failure: Failure) {
    super("the signer is away");
  }
}

function refused(cause: unknown): Failure {
  return { kind: "noCredentials", text: cause instanceof Error ? cause.message : String(cause) };
}

function pair({ name, value }: Header): [string, string] {
  return [name, value];
}
