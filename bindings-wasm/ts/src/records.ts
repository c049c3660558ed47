/** What maps, logs and documents have in common. */

import type { Access, Happening } from "./access.js";
import { breathe, SLICE_MS } from "./breathe.js";
import type { CollectionId, EngineChange, EngineConflict, Position } from "./engine.js";
import { TidelockError } from "./errors.js";
import { Live } from "./live.js";
import { Latest } from "./queue.js";
import type { Change, Range } from "./types.js";

/** What is read at once. */
const PAGE_ENTRIES = 256;
/** The most keys that a change names. */
const KEYS_MAX = 256;

/** A collection; `E` is what its lists are of. */
export abstract class Records<E> {
  /** @internal */
  constructor(
    protected readonly access: Access,
    protected readonly id: CollectionId,
  ) {}

  /** Its name, 1 to 128 bytes. */
  get name(): string {
    return this.id.name;
  }

  /** What is at a key, and who wrote it when; `undefined` where nothing is. */
  abstract entry(key: string): Promise<E | undefined>;

  /** What is in a range, by ascending key, compared by bytes of UTF-8. */
  async *list(range: Range = {}): AsyncGenerator<E, void, undefined> {
    let { start, end, left } = bounds(range);
    for (let began = performance.now(); left > 0; ) {
      const page = await this.page({ start, end }, Math.min(left, PAGE_ENTRIES));
      const last = page.at(-1);
      if (last === undefined) return;
      for (const [, read] of page) yield read();
      left -= page.length;
      start = `${last[0]}\0`;
      if (performance.now() - began > SLICE_MS) {
        await breathe();
        began = performance.now();
      }
    }
  }

  /** Keys, each with how its value is decoded. @internal */
  protected abstract page(range: { start: string; end: string | undefined }, limit: number): Promise<[key: string, read: () => E][]>;

  /** Removes a record, a document, or an entry for ever. Durable when it ends; removing what is not there is no error. */
  async delete(key: string): Promise<void> {
    await this.access.write([this.deleting(key)]);
  }

  /** The keys that change from now on, by whatever way: writes here and what syncs bring. */
  changes({ signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<Change> {
    const listener = (happening: Happening) => {
      if (this.access.closed !== undefined) changes.end();
      else if (this.isMeant(happening)) changes.push({ keys: keysOf(happening) ?? "many" });
    };
    const changes = new Latest(both, () => this.access.listeners.delete(listener), signal);
    if (!signal?.aborted) this.access.listeners.add(listener);
    return changes;
  }

  /** What is in a range now, and again whenever something in it changes. */
  live(range: Range = {}): Live<E[]> {
    const { start, end } = bounds(range);
    const isIn = (key: string) => compare(key, start) >= 0 && (end === undefined || compare(key, end) < 0);
    return new Live(() => collected(this.list(range)), (changed) => this.listen((keys) => keys === undefined || keys.some(isIn), changed));
  }

  /** What is at a key now, and again whenever it changes. */
  liveEntry(key: string): Live<{ entry: E | undefined }> {
    const read = async (): Promise<{ entry: E | undefined }> => ({ entry: await this.entry(key) });
    return new Live(read, (changed) => this.listen((keys) => keys === undefined || keys.includes(key), changed));
  }

  /** What an iteration gives now, and again whenever anything in the collection changes. @internal */
  protected liveOf<S>(iterate: () => AsyncIterable<S>): Live<S[]> {
    return new Live(() => collected(iterate()), (changed) => this.listen(() => true, changed));
  }

  /** Its conflicts, in pages. @internal */
  protected async *conflicting(): AsyncGenerator<EngineConflict, void, undefined> {
    const { kind, name } = this.id;
    for await (const conflict of conflicts(this.access, { collection: this.id, key: "" })) {
      if (conflict.collection.kind !== kind || conflict.collection.name !== name) return;
      yield conflict;
    }
  }

  private listen(isWanted: (keys: string[] | undefined) => boolean, changed: () => void): () => void {
    const listener = (happening: Happening) => {
      if (this.isMeant(happening) && isWanted(keysOf(happening))) changed();
    };
    this.access.listeners.add(listener);
    return () => this.access.listeners.delete(listener);
  }

  private isMeant(happening: Happening): boolean {
    if (happening.kind !== "changed") return happening.kind === "anything";
    return happening.collection.kind === this.id.kind && happening.collection.name === this.id.name;
  }

  /** @internal */
  deleting(key: string): EngineChange {
    return { kind: "delete", collection: this.id, key: checked(key) };
  }
}

/** Every conflict after a place, by collection, in pages. */
export async function* conflicts(access: Access, after?: Position): AsyncGenerator<EngineConflict, void, undefined> {
  for (;;) {
    const page = await access.read("conflicts", after, PAGE_ENTRIES);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    const { collection, key, field } = last;
    after = { collection, key, ...(field !== undefined && { field }) };
  }
}

async function collected<S>(from: AsyncIterable<S>): Promise<S[]> {
  const all: S[] = [];
  for await (const one of from) all.push(one);
  return all;
}

/** `undefined`: any. */
function keysOf(happening: Happening): string[] | undefined {
  return happening.kind === "changed" ? happening.keys : undefined;
}

function both(older: Change, newer: Change): Change {
  if (older.keys === "many" || newer.keys === "many") return { keys: "many" };
  const keys = [...new Set([...older.keys, ...newer.keys])].sort(compare);
  return { keys: keys.length > KEYS_MAX ? "many" : keys };
}

function bounds({ start, end, prefix, limit = Infinity }: Range): { start: string; end: string | undefined; left: number } {
  if (prefix === undefined) return { start: start ?? "", end, left: limit };
  if (start !== undefined || end !== undefined) {
    throw new TidelockError({ kind: "invalid", message: "a range has a prefix, or a start and an end", nextStep: "leave one of them out" });
  }
  return { start: prefix, end: after(prefix), left: limit };
}

/** The first key after all that begin with a prefix. */
function after(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number);
  for (let last; (last = points.pop()) !== undefined; ) {
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

/** By code points, which is the order of UTF-8's bytes. */
function compare(one: string, other: string): number {
  const [a, b] = [one[Symbol.iterator](), other[Symbol.iterator]()];
  for (;;) {
    const [x, y] = [a.next(), b.next()];
    if (x.done || y.done) return Number(y.done ?? false) - Number(x.done ?? false);
    const difference = (x.value.codePointAt(0) as number) - (y.value.codePointAt(0) as number);
    if (difference !== 0) return difference;
  }
}

/** A key as it is stored: half a surrogate pair would silently become another character. */
export function checked(key: string): string {
  if (typeof key === "string" && !/\p{Surrogate}/u.test(key)) return key;
  throw new TidelockError({ kind: "invalid", message: "a key is a string of whole characters", nextStep: "choose another key" });
}
