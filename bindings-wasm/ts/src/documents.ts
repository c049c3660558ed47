/** Documents: JSON objects whose fields merge one by one. */

import { json } from "./codec.js";
import type { EngineChange, EngineDocument } from "./engine.js";
import type { Live } from "./live.js";
import { checked, Records } from "./records.js";
import type { Document, FieldConflict, Patch, Version } from "./types.js";

const codec = json<any>();

/**
 * Documents under ids (1 to 256 bytes, no NUL) with at most 1,000 fields and 256 KiB each. Devices that change different fields of
 * one document merge without a conflict; of one field the newer value counts, and the others are kept until `resolve`.
 */
export class Documents<T extends object> extends Records<Document<T>> {
  /** The document; `undefined` where none is. */
  async get(id: string): Promise<T | undefined> {
    return (await this.entry(id))?.value;
  }

  async entry(id: string): Promise<Document<T> | undefined> {
    const document = await this.access.read("document", this.id, checked(id));
    return document && decoded<T>(document);
  }

  /** Sets a whole document: fields that it lacks are removed. Durable when it ends. */
  async put(id: string, value: T): Promise<void> {
    await this.access.write([this.putting(id, value)]);
  }

  /**
   * Sets the fields that the patch has, and removes those that are null in it; the others stay. What is within a field is not
   * merged. A document that is not there is made. Durable when it ends.
   */
  async patch(id: string, patch: Patch<T>): Promise<void> {
    await this.access.write([this.patching(id, patch)]);
  }

  /** Fields with concurrent values. */
  async *conflicts(): AsyncGenerator<FieldConflict, void, undefined> {
    for await (const { key: id, field, versions } of this.conflicting()) {
      if (field === undefined) continue;
      const values = versions.map(({ value, ...rest }): Version<unknown> => ({ ...rest, value: value && codec.decode(value) }));
      yield { id, field, versions: values };
    }
  }

  /** The conflicts now, and again whenever a document changes. */
  liveConflicts(): Live<FieldConflict[]> {
    return this.liveOf(() => this.conflicts());
  }

  /** Ends the conflict of a field with a value; `undefined` removes the field. Fails with `not-found` where there is no conflict. */
  async resolve<F extends keyof T & string>(id: string, field: F, value: T[F] | undefined): Promise<void>;
  async resolve(id: string, field: string, value: unknown): Promise<void>;
  async resolve(id: string, field: string, value: unknown): Promise<void> {
    const bytes = value === undefined ? undefined : codec.encode(value);
    await this.access.write([{ kind: "resolveField", collection: this.id, id: checked(id), field: checked(field), value: bytes }]);
  }

  protected async page(range: { start: string; end: string | undefined }, limit: number): Promise<[string, () => Document<T>][]> {
    const page = await this.access.read("documents", this.id, range, limit);
    return page.map((document) => [document.id, () => decoded<T>(document)]);
  }

  /** @internal */
  putting(id: string, value: T): EngineChange {
    return { kind: "put", collection: this.id, key: checked(id), value: codec.encode(value) };
  }

  /** @internal */
  patching(id: string, patch: Patch<T>): EngineChange {
    return { kind: "patch", collection: this.id, id: checked(id), patch: codec.encode(patch) };
  }
}

function decoded<T>({ value, ...rest }: EngineDocument): Document<T> {
  return { ...rest, value: codec.decode(value) as T };
}
