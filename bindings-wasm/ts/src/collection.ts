/** Collections: maps of keys with values, and logs of entries. */

import { breathe, SLICE_MS } from "./breathe.js";
import type { Codec } from "./codec.js";
import type { CollectionId, EngineChange, EngineConflict, EngineRecord } from "./engine.js";
import { TidelockError } from "./errors.js";
import { Live } from "./live.js";
import type { Loop } from "./loop.js";
import { Latest } from "./queue.js";
import type { Change, Conflict, Entry, Range } from "./types.js";

/** Entries that are read at once. */
const PAGE_ENTRIES = 256;
/** The most keys that a change names. */
const KEYS_MAX = 256;

/** What maps and logs have in common. */
abstract class Records<T> {
  /** @internal */
  constructor(
    protected readonly loop: Loop,
    protected readonly id: CollectionId,
    protected readonly codec: Codec<T>,
  ) {}

  /** Its name, 1 to 128 bytes. */
  get name(): string {
    return this.id.name;
  }

  /** The value at a key; `undefined` where none is. */
  async get(key: string): Promise<T | undefined> {
    return (await this.entry(key))?.value;
  }

  /** The value at a key, and who wrote it when. */
  async entry(key: string): Promise<Entry<T> | undefined> {
    const record = this.loop.call((engine) => engine.get(this.id, checked(key)) as EngineRecord | undefined);
    return record && this.decoded(key, record);
  }

  /** Entries by ascending key, compared by bytes of UTF-8. */
  async *list(range: Range = {}): AsyncGenerator<Entry<T>, void, undefined> {
    let { start, end, left } = bounds(range);
    for (let began = performance.now(); left > 0; ) {
      const limit = Math.min(left, PAGE_ENTRIES);
      const page = this.loop.call((engine) => engine.list(this.id, { start, end }, limit) as { key: string; record: EngineRecord }[]);
      const last = page.at(-1);
      if (last === undefined) return;
      for (const { key, record } of page) yield this.decoded(key, record);
      left -= page.length;
      start = `${last.key}\0`;
      if (performance.now() - began > SLICE_MS) {
        await breathe();
        began = performance.now();
      }
    }
  }

  /** Removes a record, or an entry for ever. Durable when it ends; removing what is not there is no error. */
  async delete(key: string): Promise<void> {
    await this.loop.write([{ kind: "delete", collection: this.id, key: checked(key) }]);
  }

  /** The keys that change from now on, by whatever way: writes here and what syncs bring. */
  changes({ signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<Change> {
    const listener = ({ kind, name }: CollectionId, keys: string[] | undefined) => {
      if (this.loop.closed !== undefined) changes.end();
      else if (kind === this.id.kind && name === this.id.name) changes.push({ keys: keys ?? "many" });
    };
    const changes = new Latest(both, () => this.loop.listeners.delete(listener), signal);
    if (!signal?.aborted) this.loop.listeners.add(listener);
    return changes;
  }

  /** The entries of a range now, and again whenever one changes. */
  live(range: Range = {}): Live<Entry<T>[]> {
    const { start, end } = bounds(range);
    const isIn = (key: string) => compare(key, start) >= 0 && (end === undefined || compare(key, end) < 0);
    const read = async () => {
      const entries: Entry<T>[] = [];
      for await (const entry of this.list(range)) entries.push(entry);
      return entries;
    };
    return new Live(read, (changed) => this.listen((keys) => keys === undefined || keys.some(isIn), changed));
  }

  /** The entry at a key now, and again whenever it changes. */
  liveEntry(key: string): Live<{ entry: Entry<T> | undefined }> {
    const read = async () => ({ entry: await this.entry(key) });
    return new Live(read, (changed) => this.listen((keys) => keys === undefined || keys.includes(key), changed));
  }

  private listen(isWanted: (keys: string[] | undefined) => boolean, changed: () => void): () => void {
    const listener = ({ kind, name }: CollectionId, keys: string[] | undefined) => {
      if (this.loop.closed !== undefined || (kind === this.id.kind && name === this.id.name && isWanted(keys))) changed();
    };
    this.loop.listeners.add(listener);
    return () => this.loop.listeners.delete(listener);
  }

  private decoded(key: string, { value, device, unixMs, siblings }: EngineRecord): Entry<T> {
    return { key, value: this.codec.decode(value), device, unixMs, siblings };
  }
}

/** A map: keys with values. Concurrent values of a key are all kept; one wins until `resolve` ends the conflict. */
export class Collection<T> extends Records<T> {
  /** Sets a value; durable when it ends. */
  async put(key: string, value: T): Promise<void> {
    await this.loop.write([this.putting(key, value)]);
  }

  /** Keys with concurrent values. */
  async *conflicts(): AsyncGenerator<Conflict<T>, void, undefined> {
    for await (const { collection, key, versions } of conflicts(this.loop)) {
      if (collection.kind !== this.id.kind || collection.name !== this.id.name) continue;
      const decoded = versions.map(({ value, ...rest }) => ({ ...rest, value: value && this.codec.decode(value) }));
      yield { key, versions: decoded };
    }
  }

  /** Ends a conflict with a value, or with none. */
  async resolve(key: string, value: T | undefined): Promise<void> {
    const bytes = value === undefined ? {} : { value: this.codec.encode(value) };
    await this.loop.write([{ kind: "resolve", collection: this.id, key: checked(key), ...bytes }]);
  }

  /** @internal */
  putting(key: string, value: T): EngineChange {
    return { kind: "put", collection: this.id, key: checked(key), value: this.codec.encode(value) };
  }

  /** @internal */
  deleting(key: string): EngineChange {
    return { kind: "delete", collection: this.id, key: checked(key) };
  }
}

/** A log: entries that are added and removed, never changed. Deletion wins for ever. */
export class Log<T> extends Records<T> {
  /** Adds an entry under a new key, which sorts by time; gives the key. Durable when it ends. */
  async append(value: T): Promise<string> {
    const [key] = await this.loop.write([this.appending(value)]);
    return key as string;
  }

  /** @internal */
  appending(value: T): EngineChange {
    return { kind: "append", collection: this.id, value: this.codec.encode(value) };
  }
}

/** Every conflict of a vault, in pages. */
export async function* conflicts(loop: Loop): AsyncGenerator<EngineConflict, void, undefined> {
  for (let after: { collection: CollectionId; key: string } | undefined; ; ) {
    const position = after;
    const page = loop.call((engine) => engine.conflicts(position, PAGE_ENTRIES) as EngineConflict[]);
    const last = page.at(-1);
    if (last === undefined) return;
    yield* page;
    after = { collection: last.collection, key: last.key };
  }
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
function checked(key: string): string {
  if (typeof key === "string" && !/\p{Surrogate}/u.test(key)) return key;
  throw new TidelockError({ kind: "invalid", message: "a key is a string of whole characters", nextStep: "choose another key" });
}
