/**
 * A local store for Node, Deno and Bun: a folder with one file that grows by a frame a commit, and is written anew when half of it
 * is stale. A frame is its payload's length (4 bytes, little-endian), the payload's SHA-256, and the payload: per page its number (8
 * bytes), its length plus one (4 bytes; 0: removed), its bytes. A frame that fails its hash, and all after it, was never committed.
 */

import type { FileHandle } from "node:fs/promises";
import type { Page } from "../engine.js";
import { TidelockError } from "../errors.js";
import { busy, type Local } from "./local.js";

const FRAME_HEAD_BYTES = 4 + 32;
const PAGE_HEAD_BYTES = 8 + 4;
/** Below this no file is written anew. */
const COMPACT_BYTES_MIN = 1 << 20;

type Node = {
  fs: typeof import("node:fs/promises");
  path: typeof import("node:path");
  hash: (bytes: Uint8Array) => Uint8Array;
};

/** Opens the folder, which is made where it does not exist; one process at a time. */
export async function openFile(folder: string): Promise<Local> {
  const [fs, path, { createHash }] = await Promise.all([import("node:fs/promises"), import("node:path"), import("node:crypto")]);
  const node = { fs, path, hash: (bytes: Uint8Array) => createHash("sha256").update(bytes).digest() };
  try {
    await fs.mkdir(folder, { recursive: true, mode: 0o700 });
    const release = await lock(node, folder);
    try {
      return await FileLocal.open(node, folder, release);
    } catch (cause) {
      await release();
      throw cause;
    }
  } catch (cause) {
    throw failed(folder, cause);
  }
}

class FileLocal implements Local {
  private constructor(
    private readonly node: Node,
    private readonly folder: string,
    private readonly release: () => Promise<void>,
    private file: FileHandle,
    private pages: Map<number, Uint8Array>,
    private fileBytes: number,
    private liveBytes: number,
  ) {}

  static async open(node: Node, folder: string, release: () => Promise<void>): Promise<FileLocal> {
    const file = await node.fs.open(node.path.join(folder, "pages"), "a+", 0o600);
    const content = new Uint8Array(await file.readFile());
    const pages = new Map<number, Uint8Array>();
    let at = 0;
    for (let payload; (payload = frameAt(node, content, at)) !== undefined; at += FRAME_HEAD_BYTES + payload.length) {
      for (const { id, bytes } of pagesOf(payload)) bytes === undefined ? pages.delete(id) : pages.set(id, bytes);
    }
    if (at < content.length) await file.truncate(at); // a commit that a crash cut off
    let live = 0;
    for (const bytes of pages.values()) live += bytes.length;
    return new FileLocal(node, folder, release, file, pages, at, live);
  }

  async *load(): AsyncIterable<Page[]> {
    for (const [id, bytes] of this.pages) yield [{ id, bytes }];
  }

  async write(pages: Page[]): Promise<void> {
    try {
      for (const { id, bytes } of pages) {
        this.liveBytes += (bytes?.length ?? 0) - (this.pages.get(id)?.length ?? 0);
        bytes === undefined ? this.pages.delete(id) : this.pages.set(id, bytes);
      }
      if (this.fileBytes > COMPACT_BYTES_MIN && this.fileBytes > 2 * this.liveBytes) return await this.compact();
      const bytes = frame(this.node, pages);
      await this.file.appendFile(bytes);
      await this.file.sync();
      this.fileBytes += bytes.length;
    } catch (cause) {
      throw failed(this.folder, cause);
    }
  }

  /** Writes all that counts into a new file, which takes the old one's place whole. */
  private async compact(): Promise<void> {
    const { fs, path } = this.node;
    const place = path.join(this.folder, "pages");
    const bytes = frame(this.node, [...this.pages].map(([id, content]) => ({ id, bytes: content })));
    const next = await fs.open(`${place}.new`, "w", 0o600);
    await next.writeFile(bytes);
    await next.sync();
    await next.close();
    await fs.rename(`${place}.new`, place);
    await syncFolder(this.node, this.folder);
    await this.file.close();
    this.file = await fs.open(place, "a+", 0o600);
    this.fileBytes = bytes.length;
  }

  async close(): Promise<void> {
    await this.file.close();
    this.pages.clear();
    await this.release();
  }
}

/** The payload of the frame at a place, or `undefined` where no whole one is. */
function frameAt(node: Node, content: Uint8Array, at: number): Uint8Array | undefined {
  if (content.length < at + FRAME_HEAD_BYTES) return undefined;
  const length = new DataView(content.buffer, content.byteOffset + at).getUint32(0, true);
  const payload = content.subarray(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + length);
  const hash = node.hash(payload);
  const isWhole = payload.length === length && hash.every((byte, index) => byte === content[at + 4 + index]);
  return isWhole ? payload : undefined;
}

function* pagesOf(payload: Uint8Array): Iterable<Page> {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  for (let at = 0; at < payload.length; ) {
    const id = Number(view.getBigUint64(at, true));
    const length = view.getUint32(at + 8, true);
    at += PAGE_HEAD_BYTES;
    if (length === 0) yield { id };
    else yield { id, bytes: payload.slice(at, at + length - 1) };
    at += Math.max(0, length - 1);
  }
}

function frame(node: Node, pages: Page[]): Uint8Array {
  const length = pages.reduce((sum, { bytes }) => sum + PAGE_HEAD_BYTES + (bytes?.length ?? 0), 0);
  const whole = new Uint8Array(FRAME_HEAD_BYTES + length);
  const view = new DataView(whole.buffer);
  let at = FRAME_HEAD_BYTES;
  for (const { id, bytes } of pages) {
    view.setBigUint64(at, BigInt(id), true);
    view.setUint32(at + 8, bytes === undefined ? 0 : bytes.length + 1, true);
    if (bytes !== undefined) whole.set(bytes, at + PAGE_HEAD_BYTES);
    at += PAGE_HEAD_BYTES + (bytes?.length ?? 0);
  }
  view.setUint32(0, length, true);
  whole.set(node.hash(whole.subarray(FRAME_HEAD_BYTES)), 4);
  return whole;
}

async function syncFolder({ fs }: Node, folder: string): Promise<void> {
  const handle = await fs.open(folder, "r");
  await handle.sync().catch(() => {}); // Windows syncs no folder
  await handle.close();
}

/** Holds `lock`, a file with this process's id; one that a dead process left is taken over. */
async function lock({ fs, path }: Node, folder: string): Promise<() => Promise<void>> {
  const place = path.join(folder, "lock");
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      await fs.writeFile(place, String(process.pid), { flag: "wx", mode: 0o600 });
      return () => fs.rm(place, { force: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
      if (isAlive(Number(await fs.readFile(place, "utf8")))) throw busy(folder);
      await fs.rm(place, { force: true });
    }
  }
  throw busy(folder);
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    return process.kill(pid, 0);
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM";
  }
}

function failed(folder: string, cause: unknown): TidelockError {
  if (cause instanceof TidelockError) return cause;
  const { message } = cause as Error;
  const nextStep = "see that the folder is writable and has space, then open the vault again";
  return new TidelockError({ kind: "local-store", message, object: folder, nextStep }, { cause });
}
