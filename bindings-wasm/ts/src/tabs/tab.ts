/** One tab's way to the engine that all tabs share: it leads when its turn comes, and follows until then. */

import type { Access, Happening, Listener, Outcome } from "../access.js";
import type { EngineChange, Operation, Reads } from "../engine.js";
import { Stale, thrown, TidelockError } from "../errors.js";
import { Loop } from "../loop.js";
import type { CallOptions, Options, Progress } from "../types.js";
import { Leader } from "./leader.js";
import { perform, unique, VERSION, type Call, type Message } from "./protocol.js";
import { isSeen, turn, type Turn } from "./turn.js";

/** A leader says at once that it has a call. One that is silent for so long, in ms, is frozen: the tab in front takes its place. */
const SILENCE_MS = 10_000;

interface Pending {
  call: Call;
  /** Posted or begun before: what a lost leader did of it is not known. */
  isRepeated: boolean;
  /** The leader that has it. */
  acceptedBy: string | undefined;
  signal: AbortSignal | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
  resolve: (value: any) => void;
  reject: (reason: unknown) => void;
}

export class Tab implements Access {
  readonly listeners = new Set<Listener>();
  private readonly name: string;
  private readonly store: string;
  private readonly me = unique();
  private readonly channel: BroadcastChannel;
  private readonly pending = new Map<number, Pending>();
  private readonly stop = new AbortController();
  private readonly leading: Promise<void>;
  private leader: Leader | undefined;
  private ended: TidelockError | undefined;
  private lastId = 0;
  /** Ends the wait for the lock, to take it. */
  private waiting = new AbortController();
  private silence: ReturnType<typeof setTimeout> | undefined;
  private lastKey = { ms: 0, count: 0 };

  constructor(private readonly options: Options) {
    this.name = `tidelock:${options.local}`;
    this.store = String(options.store);
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = ({ data }) => this.take(data as Message);
    this.leading = this.lead();
  }

  get closed(): TidelockError | undefined {
    return this.ended;
  }

  read<Name extends keyof Reads>(name: Name, ...words: Parameters<Reads[Name]>): Promise<ReturnType<Reads[Name]>> {
    return this.call({ kind: "read", name, words });
  }

  write(changes: EngineChange[]): Promise<string[]> {
    // A follower may have to repeat an append: under its own key that adds nothing twice.
    const keyed = this.leader === undefined ? changes.map((change) => this.keyed(change)) : changes;
    return this.call({ kind: "write", changes: keyed });
  }

  run(operation: Operation, options: CallOptions = {}): Promise<Outcome> {
    return this.call({ kind: "run", operation }, options);
  }

  turn(name: string, mayTake: boolean, signal?: AbortSignal): Promise<Turn> {
    return turn(`${this.name}:${name}`, mayTake, [this.stop.signal, ...(signal ? [signal] : [])]);
  }

  async close(): Promise<void> {
    this.end(new TidelockError({ kind: "closed", message: "the vault was closed", nextStep: "open it again" }));
    await this.leader?.loop.close();
    await this.leading;
    this.channel.close();
  }

  private call<T>(call: Call, { signal, onProgress }: CallOptions = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.ended !== undefined) throw this.ended;
      const id = (this.lastId += 1);
      const abort = () => {
        settle(reject)(signal?.reason);
        if (this.leader === undefined) this.post({ version: VERSION, kind: "cancel", from: this.me, id });
      };
      const settle = (act: (value: any) => void) => (value: unknown) => {
        this.pending.delete(id);
        signal?.removeEventListener("abort", abort);
        act(value);
      };
      this.pending.set(id, {
        call, signal, onProgress, isRepeated: false, acceptedBy: undefined, resolve: settle(resolve), reject: settle(reject),
      });
      signal?.addEventListener("abort", abort);
      this.send(id);
    });
  }

  /** To the engine here, or to whoever leads. */
  private send(id: number): void {
    const { pending, leader, me, store } = this;
    const sent = pending.get(id);
    if (sent === undefined) return;
    if (leader === undefined) {
      const [since = id] = pending.keys();
      this.silence ??= setTimeout(() => this.takeOver(), SILENCE_MS);
      return this.post({ version: VERSION, kind: "call", from: me, id, since, store, call: sent.call });
    }
    const { call, signal, onProgress } = sent;
    void perform(leader.loop, call, { ...(signal && { signal }), ...(onProgress && { onProgress }) }).then(
      (value) => sent.resolve(value),
      // What this engine can't end any more the next leader does.
      (cause: unknown) => (leader.loop.closed === undefined ? this.fail(id, thrown(cause)) : this.lost(sent)),
    );
  }

  private take(message: Message): void {
    if (this.leader !== undefined) return this.leader.take(message);
    if (message.version !== VERSION) return;
    if (message.kind === "opening") return this.heard();
    if (message.kind === "leader") return this.follow(message.epoch);
    if (message.kind === "happened") return this.tell(message.happening);
    if (!("to" in message) || message.to !== this.me) return;
    const sent = this.pending.get(message.id);
    if (sent === undefined) return;
    this.heard();
    if (message.kind === "accepted") sent.acceptedBy = message.epoch;
    else if (message.kind === "progress") sent.onProgress?.(message.progress);
    else if (message.kind === "answer") sent.resolve(message.value);
    else this.fail(message.id, new TidelockError(message.problem));
  }

  private fail(id: number, error: TidelockError): void {
    const sent = this.pending.get(id);
    if (sent === undefined) return;
    const { call, isRepeated } = sent;
    // A lost leader had ended the conflict, or somebody else has.
    const isDone = isRepeated && error.kind === "not-found" && call.kind === "write" && call.changes.every(({ kind }) => kind.startsWith("resolve"));
    if (isDone) sent.resolve([]);
    else sent.reject(error);
  }

  /** Another leader: what the last one had is done again where that means the same. */
  private follow(epoch: string): void {
    for (const [id, sent] of [...this.pending]) {
      if (sent.acceptedBy === epoch) continue;
      if (sent.acceptedBy !== undefined) this.lost(sent);
      sent.isRepeated = true;
      this.send(id);
    }
    this.tell({ kind: "anything" });
  }

  private lost(sent: Pending): void {
    sent.isRepeated = true;
    if (sent.call.kind !== "run") return;
    sent.reject(
      new TidelockError({
        kind: "network",
        message: "the tab that ran this was closed",
        nextStep: "try again: another tab leads now",
        retryable: true,
      }),
    );
  }

  private heard(): void {
    if (this.silence === undefined) return;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.takeOver(), SILENCE_MS);
  }

  /** If nobody answered. Taking the lock loses nothing: of a leader that wakes up the fence in each transaction takes no page. */
  private takeOver(): void {
    this.silence = undefined;
    const isWaiting = [...this.pending.values()].some(({ acceptedBy }) => acceptedBy === undefined);
    if (this.leader === undefined && isWaiting && isSeen()) this.waiting.abort();
  }

  /** Waits for the lock, leads until the engine ends, and waits again; ends with the tab. */
  private async lead(): Promise<void> {
    while (this.ended === undefined) {
      let loop: Loop | undefined;
      const how = this.waiting.signal.aborted ? { steal: true } : { signal: this.waiting.signal };
      if ("steal" in how) this.waiting = new AbortController();
      try {
        await navigator.locks.request(this.name, how, async () => {
          const opening = setInterval(() => this.post({ version: VERSION, kind: "opening" }), SILENCE_MS / 5);
          loop = await Loop.open(this.options).finally(() => clearInterval(opening));
          if (this.ended === undefined) this.rule(loop);
          else await loop.close();
          await loop.over;
          this.leader = undefined;
        });
      } catch (cause) {
        // The lock was stolen, or what was loaded was written to meanwhile: this engine counts no more.
        const isLost = cause instanceof Stale || (cause as Error).name === "AbortError";
        if (!isLost) this.end(thrown(cause));
      }
      this.leader = undefined;
      await loop?.close();
      const why = (loop as Loop | undefined)?.closed;
      if (why !== undefined && why.kind === "internal") this.end(why);
    }
  }

  private rule(loop: Loop): void {
    loop.listeners.add((happening) => this.tell(happening));
    this.leader = new Leader(loop, this.store, (message) => this.post(message));
    for (const [id, sent] of [...this.pending]) {
      if (sent.acceptedBy !== undefined) this.lost(sent);
      sent.isRepeated = true;
      this.send(id);
    }
    this.tell({ kind: "anything" });
  }

  private end(error: TidelockError): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    this.stop.abort();
    this.waiting.abort();
    clearTimeout(this.silence);
    for (const { reject } of [...this.pending.values()]) reject(error);
    this.tell({ kind: "anything" });
    if (this.leader === undefined) this.channel.close();
  }

  private post(message: Message): void {
    if (this.ended === undefined || this.leader !== undefined) this.channel.postMessage(message);
  }

  private tell(happening: Happening): void {
    for (const listener of [...this.listeners]) listener(happening);
  }

  /** With a key of this tab's: the time in ms (12 hex digits), a counter that keeps their order (4), random digits (16). */
  private keyed(change: EngineChange): EngineChange {
    if (change.kind !== "append" || change.key !== undefined) return change;
    const { ms, count } = this.lastKey;
    const now = Date.now();
    this.lastKey = now > ms ? { ms: now, count: 0 } : { ms: count < 0xffff ? ms : ms + 1, count: (count + 1) & 0xffff };
    const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
    const random = crypto.getRandomValues(new Uint8Array(8));
    const key = hex(this.lastKey.ms, 12) + hex(this.lastKey.count, 4) + Array.from(random, (byte) => hex(byte, 2)).join("");
    return { ...change, key };
  }
}
