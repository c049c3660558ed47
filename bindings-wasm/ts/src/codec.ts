/** How values become bytes. */

import { canonical } from "./canonical.js";
import { TidelockError } from "./errors.js";

/** Turns a value into at most 256 KiB, and back. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes themselves. */
export const bytes: Codec<Uint8Array> = {
  encode(value) {
    if (value instanceof Uint8Array) return value;
    throw new TidelockError({
      kind: "invalid",
      message: "a value of this collection is a Uint8Array",
      nextStep: "give the collection a codec, for example `json()`",
    });
  },
  decode: (value) => value,
};

/** UTF-8 text. */
export const text: Codec<string> = {
  encode: (value) => encoder.encode(value),
  decode: (value) => decode(value, (content) => content),
};

/** JSON in the form of RFC 8785: the same bytes in every language, an object's properties in one order. */
export function json<T>(): Codec<T> {
  return JSON_CODEC;
}

const JSON_CODEC: Codec<any> = {
  encode: (value) => encoder.encode(canonical(value)),
  decode: (value) => decode(value, (content) => JSON.parse(content) as unknown),
};

function decode<T>(value: Uint8Array, read: (content: string) => T): T {
  try {
    return read(decoder.decode(value));
  } catch (cause) {
    const message = `the stored value does not fit the codec: ${(cause as Error).message}`;
    throw new TidelockError({ kind: "corrupt", message, nextStep: "read it with the codec it was written with" }, { cause });
  }
}
