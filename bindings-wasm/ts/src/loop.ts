/** Runs an engine: drain, act, sleep until. All that the engine asks for is done here. */

import { breathe, SLICE_MS } from "./breathe.js";
import type { Access, Happening, Listener, Outcome } from "./access.js";
import type { EngineChange, Input, Operation, Output, Page, Reads } from "./engine.js";
import { Stale, TidelockError, thrown } from "./errors.js";
import type { Local } from "./local/local.js";
import { openLocal } from "./local/open.js";
import { presignOf, presigned } from "./presign.js";
import { stretch } from "./stretch.js";
import type { Turn } from "./tabs/turn.js";
import { Engine, Loader } from "./tidelock.js";
import { send } from "./transport.js";
import type { CallOptions, Options, Presign, Progress } from "./types.js";

interface Running {
  resolve: (outcome: Outcome) => void;
  reject: (reason: unknown) => void;
  onProgress: ((progress: Progress) => void) | undefined;
}

interface Waiting {
  commit: number;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

/** The two clocks, as every call of the engine takes them. */
function now(): [monotonicMs: number, unixMs: number] {
  return [Math.floor(performance.now()), Date.now()];
}

/** The host's name where there is one to ask. */
function defaultDevice(): string {
  const host = typeof process === "object" ? process.getBuiltinModule?.("node:os")?.hostname() : undefined;
  return host ?? "browser";
}

/** One open vault: its engine, its local store, and whatever is under way. */
export class Loop implements Access {
  readonly listeners = new Set<Listener>();
  /** Ends with the loop, by whatever way. */
  readonly over: Promise<void>;
  private isOver = () => {};
  private closing: Promise<void> | undefined;
  private readonly running = new Map<number, Running>();
  private readonly requests = new Map<number, AbortController>();
  private waiting: Waiting[] = [];
  private durableCommit = 0;
  private unsaved: { commit: number; pages: Page[] }[] = [];
  private saving: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stepping = false;
  /** Why nothing works any more: closed, or a defect of the library. */
  private ended: TidelockError | undefined;
  private readonly presign: Presign | undefined;

  private constructor(
    private readonly engine: Engine,
    private readonly local: Local,
    private readonly options: Options,
  ) {
    this.presign = presignOf(options);
    this.over = new Promise((resolve) => (this.isOver = resolve));
  }

  /** Opens what this device has. */
  static async open(options: Options): Promise<Loop> {
    const local = await openLocal(options.local);
    try {
      const pages = new Loader();
      for await (const some of local.load()) {
        for (const { id, bytes } of some) if (bytes !== undefined) pages.add(id, bytes);
      }
      const { store, device = defaultDevice(), timeout: timeoutMs, retries, concurrency, compression } = options;
      const plain = { store: String(store), device, presigned: options.presign !== undefined, timeoutMs, retries, concurrency, compression };
      return new Loop(Engine.open(pages, plain, ...now()), local, options);
    } catch (cause) {
      await local.close();
      throw thrown(cause);
    }
  }

  /** Calls the engine, and does what it asks for then. */
  call<T>(work: (engine: Engine, ...now: [number, number]) => T): T {
    if (this.ended !== undefined) throw this.ended;
    try {
      return work(this.engine, ...now());
    } catch (cause) {
      const error = thrown(cause);
      // A trap leaves the library's memory in any state.
      if (cause instanceof WebAssembly.RuntimeError) this.end(error);
      throw error;
    } finally {
      if (this.ended === undefined) this.step();
    }
  }

  /** Asks the engine what it has. */
  async read<Name extends keyof Reads>(name: Name, ...words: Parameters<Reads[Name]>): Promise<ReturnType<Reads[Name]>> {
    return this.call((engine) => (engine[name] as (...words: unknown[]) => ReturnType<Reads[Name]>)(...words));
  }

  /** Applies changes, all or none; ends when they are durable. Gives each one's key. */
  async write(changes: EngineChange[]): Promise<string[]> {
    const { keys, commit } = this.call((engine, ...at) => {
      const written = engine.write(changes, ...at) as { keys: string[]; commit: number };
      return written;
    });
    await this.durable(commit);
    return keys;
  }

  private durable(commit: number): Promise<void> {
    if (commit <= this.durableCommit) return Promise.resolve();
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => this.waiting.push({ commit, resolve, reject }));
  }

  /** Runs an operation to its end; the signal cancels it. */
  run(operation: Operation, { signal, onProgress }: CallOptions = {}): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = () => {
        this.running.delete(op);
        reject(signal?.reason);
        if (this.ended === undefined) this.call((engine, ...at) => engine.cancel(op, ...at));
      };
      const end = <T>(settle: (value: T) => void) => (value: T) => {
        signal?.removeEventListener("abort", abort);
        settle(value);
      };
      const op: number = this.call((engine, ...at) => {
        const started = engine.start(operation, ...at);
        this.running.set(started, { resolve: end(resolve), reject: end(reject), onProgress });
        return started;
      });
      signal?.addEventListener("abort", abort);
    });
  }

  /** There is one engine: no other has the turn. */
  turn(_name: string, _mayTake: boolean, signal: AbortSignal = new AbortController().signal): Promise<Turn> {
    return Promise.resolve({ signal, end() {} });
  }

  /** Ends what runs, waits for what is being stored, and gives the local store back. */
  close(): Promise<void> {
    return (this.closing ??= this.shut());
  }

  private async shut(): Promise<void> {
    if (this.ended === undefined) {
      for (const op of this.running.keys()) this.engine.cancel(op, ...now());
      this.step();
      this.end(new TidelockError({ kind: "closed", message: "the vault was closed", nextStep: "open it again" }));
    }
    await this.saving;
    await this.local.close();
    this.engine.free();
  }

  private end(error: TidelockError): void {
    this.ended = error;
    clearTimeout(this.timer);
    for (const request of this.requests.values()) request.abort();
    for (const { reject } of this.running.values()) reject(error);
    for (const { reject } of this.waiting) reject(error);
    this.running.clear();
    this.waiting = [];
    this.isOver();
    this.tell({ kind: "anything" });
  }

  private tell(happening: Happening): void {
    for (const listener of [...this.listeners]) listener(happening);
  }

  /** Why the loop ended, if it did. */
  get closed(): TidelockError | undefined {
    return this.ended;
  }

  private handle(input: Input): void {
    if (this.ended === undefined) this.call((engine, ...at) => engine.handle(input, ...at));
  }

  /** Does all that the engine asks for, and sets the clock for what it does next. */
  private step(): void {
    if (this.stepping) return; // the step under way drains again
    this.stepping = true;
    clearTimeout(this.timer);
    const began = performance.now();
    try {
      for (;;) {
        const { outputs, wakeAtMs } = this.engine.drain(...now()) as { outputs: Output[]; wakeAtMs?: number };
        for (const output of outputs) this.take(output);
        if (this.ended !== undefined) return;
        if (outputs.length > 0 && performance.now() - began < SLICE_MS) continue;
        return this.sleep(outputs.length > 0 ? 0 : wakeAtMs);
      }
    } catch (cause) {
      this.end(thrown(cause));
    } finally {
      this.stepping = false;
    }
  }

  private sleep(wakeAtMs: number | undefined): void {
    if (wakeAtMs === undefined) return;
    const wake = () => this.handle({ kind: "timeout" });
    const wait = wakeAtMs - performance.now();
    if (wait <= 0) void breathe().then(wake);
    // A timer's longest time is 2^31 ms; waking early is harmless.
    else this.timer = setTimeout(wake, Math.min(Math.ceil(wait), 0x7fffffff));
  }

  private take(output: Output): void {
    switch (output.kind) {
      case "send":
        return this.send(output);
      case "abort":
        return this.requests.get(output.id)?.abort();
      case "needCredentials":
        return void this.credentials().then((input) => this.handle(input));
      case "presign":
        return this.sign(output);
      case "persist":
        this.unsaved.push(output);
        this.saving ??= this.save();
        return;
      case "stretch":
        return this.stretch(output.id);
      case "finished":
        this.running.get(output.op)?.resolve({
          ...(output.recoveryCode !== undefined && { recoveryCode: output.recoveryCode }),
          ...(output.report !== undefined && { report: output.report }),
        });
        this.running.delete(output.op);
        return this.tell({ kind: "status" });
      case "failed":
        this.running.get(output.op)?.reject(new TidelockError(output.problem));
        this.running.delete(output.op);
        return this.tell({ kind: "status" });
      case "durable":
        return this.settle(output.commit);
      case "changed":
        return this.tell(output);
      case "progressed":
        for (const { onProgress } of this.running.values()) onProgress?.(output.progress);
        return;
      case "reported":
        return; // each sync's report holds them, too
    }
  }

  private send({ request }: { request: Parameters<typeof send>[0] }): void {
    const stop = new AbortController();
    this.requests.set(request.id, stop);
    void send(request, stop.signal, this.options.fetch ?? globalThis.fetch).then((input) => {
      this.requests.delete(request.id);
      if (input !== undefined) this.handle(input);
    });
  }

  private sign({ id, request }: Extract<Output, { kind: "presign" }>): void {
    const { presign, options } = this;
    if (presign === undefined) return;
    const stop = AbortSignal.timeout(options.timeout ?? 30_000);
    void presigned(id, request, presign, stop).then((input) => this.handle(input));
  }

  private async credentials(): Promise<Input> {
    const { credentials } = this.options;
    try {
      const given = typeof credentials === "function" ? await credentials() : credentials;
      if (given !== undefined) return { kind: "haveCredentials", credentials: given };
      return { kind: "noCredentials", failure: { kind: "noCredentials", text: "the options name no credentials" } };
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      return { kind: "noCredentials", failure: { kind: "noCredentials", text } };
    }
  }

  private stretch(id: number): void {
    const request: unknown = this.engine.takeStretch(id);
    void stretch(request).then(({ key, problem }) => {
      if (this.ended === undefined) this.call((engine, ...at) => engine.handleStretched(id, key, problem, ...at));
    });
  }

  /** Stores pages in the order of their commits, those of several commits in one transaction. */
  private async save(): Promise<void> {
    while (this.unsaved.length > 0) {
      const batch = this.unsaved;
      this.unsaved = [];
      const commit = batch.at(-1)?.commit ?? 0;
      const pages = new Map(batch.flatMap(({ pages }) => pages).map((page) => [page.id, page]));
      try {
        await this.local.write([...pages.values()]);
        this.handle({ kind: "persisted", commit });
      } catch (cause) {
        const error = thrown(cause);
        if (error instanceof Stale) this.end(error);
        this.handle({ kind: "notPersisted", commit, text: error.message });
        for (const { reject } of this.waiting) reject(error);
        this.waiting = [];
      }
    }
    this.saving = undefined;
  }

  private settle(commit: number): void {
    this.durableCommit = Math.max(this.durableCommit, commit);
    const done = this.waiting.filter((waiting) => waiting.commit <= commit);
    this.waiting = this.waiting.filter((waiting) => waiting.commit > commit);
    for (const { resolve } of done) resolve();
  }
}
