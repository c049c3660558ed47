/** A local store in IndexedDB: one row a page, strict durability, fenced so that two writers never mix. */

import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from "idb";
import type { Page } from "../engine.js";
import { Stale, TidelockError } from "../errors.js";
import type { Local } from "./local.js";

interface Schema extends DBSchema {
  pages: { key: number; value: Uint8Array };
  /** `writes`: counts the transactions. */
  meta: { key: string; value: number };
}

type Database = IDBPDatabase<Schema>;

/** Pages read at once: 4 MiB. */
const PAGES_A_READ = 64;

/** Opens the database `tidelock:NAME`. */
export async function openIdb(name: string): Promise<Local> {
  if (globalThis.indexedDB === undefined) {
    throw new TidelockError({
      kind: "unsupported",
      message: "there is no IndexedDB here",
      nextStep: 'open the vault in a browser or a browser\'s worker, or with `local: "memory"`',
    });
  }
  try {
    const store = new IdbLocal(name);
    await store.connect();
    // A browser under pressure deletes what is not persistent; it may say no.
    void globalThis.navigator?.storage?.persist?.().catch(() => false);
    return store;
  } catch (cause) {
    throw failed(name, cause);
  }
}

class IdbLocal implements Local {
  private database: Database | undefined;
  private writes = 0;

  constructor(private readonly name: string) {}

  async connect(): Promise<Database> {
    const database = await openDB<Schema>(`tidelock:${this.name}`, 1, {
      upgrade(created) {
        created.createObjectStore("pages");
        created.createObjectStore("meta");
      },
      terminated: () => (this.database = undefined),
    });
    // Another version of the app wants to upgrade or delete it.
    database.addEventListener("versionchange", () => {
      database.close();
      this.database = undefined;
    });
    return (this.database = database);
  }

  async *load(): AsyncIterable<Page[]> {
    this.writes = (await this.database?.get("meta", "writes")) ?? 0;
    for (let after = -1; ; ) {
      const database = this.database ?? (await this.connect());
      const transaction = database.transaction("pages");
      const range = IDBKeyRange.lowerBound(after, true);
      const [ids, pages] = await Promise.all([
        transaction.store.getAllKeys(range, PAGES_A_READ),
        transaction.store.getAll(range, PAGES_A_READ),
      ]);
      const last = ids.at(-1);
      if (last === undefined) break;
      yield ids.map((id, at) => ({ id, bytes: pages[at] as Uint8Array }));
      after = last;
    }
    if (((await this.database?.get("meta", "writes")) ?? 0) !== this.writes) throw new Stale(this.name);
  }

  async write(pages: Page[]): Promise<void> {
    try {
      await this.attempt(pages);
    } catch (cause) {
      if (cause instanceof TidelockError || !isDeadHandle(cause)) throw failed(this.name, cause);
      // Safari loses its connection to the database process: a new one goes on, once.
      this.database = undefined;
      await this.attempt(pages).catch((again: unknown) => {
        throw failed(this.name, again);
      });
    }
  }

  private async attempt(pages: Page[]): Promise<void> {
    const database = this.database ?? (await this.connect());
    const transaction = database.transaction(["pages", "meta"], "readwrite", { durability: "strict" });
    const done = transaction.done;
    done.catch(() => {}); // awaited below, unless something fails before
    const writes = (await transaction.objectStore("meta").get("writes")) ?? 0;
    if (writes !== this.writes) {
      transaction.abort();
      throw new Stale(this.name);
    }
    put(transaction, pages);
    void transaction.objectStore("meta").put(writes + 1, "writes").catch(() => {});
    await done;
    this.writes = writes + 1;
  }

  close(): Promise<void> {
    this.database?.close();
    this.database = undefined;
    return Promise.resolve();
  }
}

function put(transaction: IDBPTransaction<Schema, ["pages", "meta"], "readwrite">, pages: Page[]): void {
  const store = transaction.objectStore("pages");
  for (const { id, bytes } of pages) {
    void (bytes === undefined ? store.delete(id) : store.put(bytes, id)).catch(() => {}); // ends the transaction
  }
}

function isDeadHandle(cause: unknown): boolean {
  return cause instanceof DOMException && (cause.name === "InvalidStateError" || cause.name === "UnknownError");
}

function failed(name: string, cause: unknown): TidelockError {
  if (cause instanceof TidelockError) return cause;
  const { name: kind, message } = cause as Error;
  const nextStep = kind === "QuotaExceededError" ? "free some space, then open the vault again" : "open the vault again";
  return new TidelockError({ kind: "local-store", message: `IndexedDB: ${message}`, object: name, nextStep }, { cause });
}
