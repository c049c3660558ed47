/** JSON in the one form of RFC 8785 (docs/FORMAT.md, "JSON"): equal values are equal bytes in every language. */

import { TidelockError } from "./errors.js";

/** How deep arrays and objects may stand in each other, the outermost included. */
const DEPTH_MAX = 64;

/** The form of a value. What JSON has no word for is refused; what `JSON.stringify` leaves out (`undefined` in objects) is left out. */
export function canonical(value: unknown): string {
  let content: string | undefined;
  try {
    content = JSON.stringify(value, checked);
  } catch (cause) {
    if (cause instanceof TidelockError) throw cause;
    throw refused(`this is no JSON: ${(cause as Error).message}`); // a cycle, a bigint
  }
  if (content === undefined) throw refused(`JSON has no ${typeof value}`, "use `delete` to remove a record, or store null");
  return write(JSON.parse(content) as unknown, 0);
}

/** `JSON.stringify` would store null for these numbers, and other characters for these strings. */
function checked(name: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw refused(`JSON has no ${value}`, "store null, or a string");
  if (!isWhole(name) || (typeof value === "string" && !isWhole(value))) throw refused("a string has half a surrogate pair");
  return value;
}

function isWhole(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function write(value: unknown, depth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (depth === DEPTH_MAX) throw refused(`arrays and objects stand more than ${DEPTH_MAX} deep in each other`);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join()}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)); // by UTF-16 code units
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${write(member, depth + 1)}`).join()}}`;
}

function refused(message: string, nextStep = "change the value, or store its text"): TidelockError {
  return new TidelockError({ kind: "invalid", message, nextStep });
}
