/** The vault: opened, synced, watched, closed. */

import { openAccess, type Access } from "./access.js";
import { bytes, type Codec } from "./codec.js";
import { Collection, Log } from "./collection.js";
import { Documents } from "./documents.js";
import type { EngineChange, Operation } from "./engine.js";
import { TidelockError } from "./errors.js";
import { Live } from "./live.js";
import { conflicts } from "./records.js";
import { otherStore } from "./tabs/leader.js";
import type { Turn } from "./tabs/turn.js";
import { Pace } from "./tidelock.js";
import type { AnyConflict, CallOptions, Device, Options, Patch, Secret, Status, SyncReport } from "./types.js";

/** Several changes that are written together. */
export interface Batch {
  put<T>(collection: Collection<T>, key: string, value: T): void;
  put<T extends object>(documents: Documents<T>, id: string, value: T): void;
  patch<T extends object>(documents: Documents<T>, id: string, patch: Patch<T>): void;
  delete(from: Collection<any> | Documents<any> | Log<any>, key: string): void;
  append<T>(log: Log<T>, value: T): void;
}

/** Vaults that are open, by their local store: opening one again gives the same engine. */
const open = new Map<string, { access: Promise<Access>; store: string; handles: number }>();

/** One encrypted dataset in a bucket, on this device. */
export class Vault {
  private isClosed = false;
  private readonly handles = new Map<string, { codec: Codec<any> | undefined; handle: unknown }>();

  private constructor(
    private readonly access: Access,
    private readonly release: () => Promise<void>,
  ) {}

  /** Makes a new vault in the bucket. The recovery code is shown once: whoever has it can join. */
  static async create(options: Options & CallOptions & { passphrase?: string }): Promise<{ vault: Vault; recoveryCode: string }> {
    const passphrase = options.passphrase === undefined ? {} : { passphrase: options.passphrase };
    const { vault, outcome } = await Vault.enter(options, { kind: "create", ...passphrase });
    return { vault, recoveryCode: outcome.recoveryCode as string };
  }

  /** Adds this device to the vault in the bucket. */
  static async join(options: Options & CallOptions & { secret: Secret }): Promise<Vault> {
    const { secret } = options;
    const plain =
      "recoveryCode" in secret
        ? { kind: "recovery" as const, code: secret.recoveryCode }
        : { kind: "passphrase" as const, passphrase: secret.passphrase };
    return (await Vault.enter(options, { kind: "join", secret: plain })).vault;
  }

  /** Opens what this device has, without a request. */
  static async open(options: Options): Promise<Vault> {
    const vault = await Vault.attach(options);
    try {
      if ((await vault.status()).vault !== undefined) return vault;
    } catch (cause) {
      await vault.close();
      throw cause;
    }
    await vault.close();
    throw new TidelockError({
      kind: "not-found",
      message: "this device has no vault here",
      object: options.local,
      nextStep: "join the vault, or create one",
    });
  }

  private static async enter(options: Options & CallOptions, operation: Operation) {
    const vault = await Vault.attach(options);
    try {
      return { vault, outcome: await vault.access.run(operation, options) };
    } catch (cause) {
      await vault.close();
      throw cause;
    }
  }

  /** A handle on the local store's one engine. */
  private static async attach(options: Options): Promise<Vault> {
    const { local } = options;
    if (local === "memory") {
      const access = await openAccess(options);
      return new Vault(access, () => access.close());
    }
    const store = String(options.store);
    const entry = open.get(local) ?? { access: openAccess(options), store, handles: 0 };
    if (entry.store !== store) throw otherStore(local);
    open.set(local, entry);
    entry.handles += 1;
    const release = async () => {
      entry.handles -= 1;
      if (entry.handles > 0) return;
      if (open.get(local) === entry) open.delete(local);
      await (await entry.access).close();
    };
    try {
      const access = await entry.access;
      if (access.closed !== undefined) throw access.closed;
      return new Vault(access, release);
    } catch (cause) {
      if (open.get(local) === entry) open.delete(local);
      throw cause;
    }
  }

  /** A map. */
  collection(name: string): Collection<Uint8Array>;
  collection<T>(name: string, codec: Codec<T>): Collection<T>;
  collection(name: string, codec: Codec<any> = bytes): Collection<any> {
    return this.once("map", name, codec, () => new Collection(this.access, { kind: "map", name }, codec));
  }

  /** A log. */
  log(name: string): Log<Uint8Array>;
  log<T>(name: string, codec: Codec<T>): Log<T>;
  log(name: string, codec: Codec<any> = bytes): Log<any> {
    return this.once("log", name, codec, () => new Log(this.access, { kind: "log", name }, codec));
  }

  /** Documents: JSON objects whose fields merge one by one. */
  documents<T extends object = Record<string, unknown>>(name: string): Documents<T> {
    return this.once("documents", name, undefined, () => new Documents(this.access, { kind: "documents", name }));
  }

  /** The same object each time, so that a user interface sees that nothing changed. */
  private once(kind: string, name: string, codec: Codec<any> | undefined, make: () => unknown): any {
    const key = `${kind} ${name}`;
    const known = this.handles.get(key);
    if (known !== undefined && known.codec === codec) return known.handle;
    const handle = make();
    this.handles.set(key, { codec, handle });
    return handle;
  }

  /** Writes up to 5,000 changes, all or none. Durable when it ends. */
  async write(build: (batch: Batch) => void): Promise<void> {
    const changes: EngineChange[] = [];
    build({
      put: (to: { putting(key: string, value: any): EngineChange }, key: string, value: unknown) => void changes.push(to.putting(key, value)),
      patch: (documents, id, patch) => void changes.push(documents.patching(id, patch)),
      delete: (from, key) => void changes.push(from.deleting(key)),
      append: (log, value) => void changes.push(log.appending(value)),
    });
    await this.access.write(changes);
  }

  /** Every key and field with concurrent values, by collection. The values are as they are stored, those of fields as JSON. */
  async *conflicts(): AsyncGenerator<AnyConflict, void, undefined> {
    for await (const { collection, key, field, versions } of conflicts(this.access)) {
      const { kind, name } = collection;
      const values = versions.map((version) => ({ value: undefined, ...version }));
      yield { kind, collection: name, key, ...(field !== undefined && { field }), versions: values };
    }
  }

  /** Takes what is new, and publishes what is pending. */
  sync(options?: CallOptions): Promise<SyncReport> {
    return this.synced({ kind: "sync" }, options);
  }

  /** Publishes what is pending. */
  push(options?: CallOptions): Promise<SyncReport> {
    return this.synced({ kind: "push" }, options);
  }

  /** Takes what is new. */
  pull(options?: CallOptions): Promise<SyncReport> {
    return this.synced({ kind: "pull" }, options);
  }

  /** A sync that reads everything again instead of trusting hints. */
  check(options?: CallOptions): Promise<SyncReport> {
    return this.synced({ kind: "check" }, options);
  }

  /** After a rollback or wipe was reported: publishes everything this device has. */
  republish(options?: CallOptions): Promise<SyncReport> {
    return this.synced({ kind: "republish" }, options);
  }

  /**
   * Keeps syncing: at once, after local writes, and every 30 to 60 s; every 5 min when nothing happens for long. Gives each
   * sync's report, or its error, after which it goes on. It ends with `break`, the signal, or the vault. Of several tabs one does
   * it at a time, the one that a person looked at last; in the others this waits for its turn.
   */
  async *watch({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<SyncReport | TidelockError, void, undefined> {
    for (let mayTake = true; ; mayTake = false) {
      const turn = await this.access.turn("watch", mayTake, signal).catch(() => undefined);
      if (turn === undefined || signal?.aborted || this.access.closed !== undefined) return;
      yield* this.watchFor(turn);
    }
  }

  private async *watchFor({ signal, end }: Turn): AsyncGenerator<SyncReport | TidelockError, void, undefined> {
    const pace = new Pace();
    try {
      while (!signal.aborted && this.access.closed === undefined) {
        let result: SyncReport | TidelockError;
        try {
          result = await this.sync({ signal });
        } catch (cause) {
          if (signal.aborted || this.access.closed !== undefined) return;
          result = cause as TidelockError;
        }
        const isActive = !(result instanceof TidelockError) && result.opsApplied + result.opsPublished > 0;
        const wait = pace.nextWaitMs(isActive, Math.random());
        const left = result instanceof TidelockError ? await this.pending() : 0;
        const due = performance.now() + wait;
        yield result;
        await this.dueOrWritten(due, left, signal);
      }
    } finally {
      end();
      pace.free();
    }
  }

  /** Waits until a time, or for a write that is not among the `left` ones. */
  private async dueOrWritten(due: number, left: number, signal?: AbortSignal): Promise<void> {
    await wait(Math.min(Pace.apartMs(), due - performance.now()), signal);
    while (performance.now() < due && !signal?.aborted && this.access.closed === undefined && (await this.pending()) <= left) {
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", end);
          this.access.listeners.delete(end);
          resolve();
        };
        const timer = setTimeout(end, Math.max(0, due - performance.now()));
        signal?.addEventListener("abort", end);
        this.access.listeners.add(end);
      });
    }
    await wait(Math.min(Pace.gatherMs(), Math.max(0, due - performance.now())), signal);
  }

  private async pending(): Promise<number> {
    return this.access.closed === undefined ? (await this.status()).pending : 0;
  }

  /** What is known, without a request. */
  async status(): Promise<Status> {
    return await this.access.read("status");
  }

  /** What is known now, and again whenever it may have changed. */
  liveStatus(): Live<Status> {
    const read = () => this.status();
    return new Live(read, (changed) => {
      this.access.listeners.add(changed);
      return () => this.access.listeners.delete(changed);
    });
  }

  /** The vault's devices, this one included. */
  async devices(): Promise<Device[]> {
    return (await this.status()).devices;
  }

  /** No device waits for that one any more. What it publishes counts whenever it comes. */
  retireDevice(id: string, options?: CallOptions): Promise<SyncReport> {
    return this.synced({ kind: "retireDevice", device: id }, options);
  }

  /** Shuts a device out: the keys are replaced, and of what it publishes from now on nothing counts. */
  revokeDevice(id: string, options?: CallOptions): Promise<SyncReport> {
    return this.synced({ kind: "revokeDevice", device: id }, options);
  }

  /** Sets, changes or (with `null`) removes the passphrase. */
  async setPassphrase(passphrase: string | null, options?: CallOptions): Promise<void> {
    await this.access.run({ kind: "setPassphrase", ...(passphrase !== null && { passphrase }) }, options);
  }

  /** Replaces the recovery code; gives the new one. */
  async replaceRecoveryCode(options?: CallOptions): Promise<string> {
    return (await this.access.run({ kind: "replaceRecoveryCode" }, options)).recoveryCode as string;
  }

  /** Cancels what runs, and gives the local store back. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.release();
  }

  private async synced(operation: Operation, options?: CallOptions): Promise<SyncReport> {
    const { report } = await this.access.run(operation, options);
    const { opsApplied, opsPublished, debts, reports } = report ?? { opsApplied: 0, opsPublished: 0, debts: 0, reports: [] };
    return { opsApplied, opsPublished, debts, notices: reports.map((problem) => new TidelockError(problem)) };
  }
}

/** A pause that the signal ends early. */
function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted || !(ms > 0)) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
