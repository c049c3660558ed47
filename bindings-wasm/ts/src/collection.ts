/** Maps of keys with values, and logs of entries. */

import type { Access } from "./access.js";
import type { Codec } from "./codec.js";
import type { CollectionId, EngineChange, EngineRecord } from "./engine.js";
import type { Live } from "./live.js";
import { checked, Records } from "./records.js";
import type { Conflict, Entry } from "./types.js";

/** A collection whose values a codec turns into bytes. */
abstract class Coded<T> extends Records<Entry<T>> {
  /** @internal */
  constructor(
    access: Access,
    id: CollectionId,
    protected readonly codec: Codec<T>,
  ) {
    super(access, id);
  }

  /** The value at a key; `undefined` where none is. */
  async get(key: string): Promise<T | undefined> {
    return (await this.entry(key))?.value;
  }

  async entry(key: string): Promise<Entry<T> | undefined> {
    const record = await this.access.read("get", this.id, checked(key));
    return record && this.decoded(key, record);
  }

  protected async page(range: { start: string; end: string | undefined }, limit: number): Promise<[string, () => Entry<T>][]> {
    const page = await this.access.read("list", this.id, range, limit);
    return page.map(({ key, record }) => [key, () => this.decoded(key, record)]);
  }

  private decoded(key: string, { value, device, unixMs, siblings }: EngineRecord): Entry<T> {
    return { key, value: this.codec.decode(value), device, unixMs, siblings };
  }
}

/** A map: keys with values. Concurrent values of a key are all kept; one wins until `resolve` ends the conflict. */
export class Collection<T> extends Coded<T> {
  /** Sets a value; durable when it ends. */
  async put(key: string, value: T): Promise<void> {
    await this.access.write([this.putting(key, value)]);
  }

  /** Keys with concurrent values. */
  async *conflicts(): AsyncGenerator<Conflict<T>, void, undefined> {
    for await (const { key, versions } of this.conflicting()) {
      const decoded = versions.map(({ value, ...rest }) => ({ ...rest, value: value && this.codec.decode(value) }));
      yield { key, versions: decoded };
    }
  }

  /** The conflicts now, and again whenever the map changes. */
  liveConflicts(): Live<Conflict<T>[]> {
    return this.liveOf(() => this.conflicts());
  }

  /** Ends a conflict with a value, or with none; fails with `not-found` where there is no conflict. */
  async resolve(key: string, value: T | undefined): Promise<void> {
    const bytes = value === undefined ? undefined : this.codec.encode(value);
    await this.access.write([{ kind: "resolve", collection: this.id, key: checked(key), value: bytes }]);
  }

  /** @internal */
  putting(key: string, value: T): EngineChange {
    return { kind: "put", collection: this.id, key: checked(key), value: this.codec.encode(value) };
  }
}

/** A log: entries that are added and removed, never changed. Deletion wins for ever. */
export class Log<T> extends Coded<T> {
  /** Adds an entry under a new key, which sorts by time; gives the key. Durable when it ends. */
  async append(value: T): Promise<string> {
    const [key] = await this.access.write([this.appending(value)]);
    return key as string;
  }

  /** @internal */
  appending(value: T): EngineChange {
    return { kind: "append", collection: this.id, value: this.codec.encode(value) };
  }
}
