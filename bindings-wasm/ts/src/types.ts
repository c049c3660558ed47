/** Plain data: what options are, and what calls give. Times are Unix milliseconds, sizes are bytes, ids are hex. */

import type { Problem, TidelockError } from "./errors.js";

/** Keys for the bucket. */
export interface Credentials {
  accessKey: string;
  secretKey: string;
  /** Belongs to temporary ones. */
  sessionToken?: string;
}

/** A request that somebody else is to sign in its URL (docs/PRESIGN.md). */
export interface UnsignedRequest {
  method: string;
  /** The whole URL, unsigned. */
  url: string;
  /** The object's whole key in the bucket; none for a listing. */
  key?: string;
  /** The URL's parameters, not encoded. */
  query: [name: string, value: string][];
  /** Headers that the signature has to bind. */
  headers: [name: string, value: string][];
  /** The body's length. */
  bodyBytes: number;
}

/** A signer's answer. */
export interface SignedUrl {
  /** The URL that was asked for, with the parameters of a signature. */
  url: string;
  /** `x-amz-…` headers to send with it. */
  headers?: [name: string, value: string][];
  /** For how many seconds it holds good from now on; none: as the URL says. */
  expiresS?: number;
}

/** Signs one request. */
export type Presign = (request: UnsignedRequest, signal: AbortSignal) => Promise<SignedUrl>;

/** What unlocks a vault for a joining device. */
export type Secret = { recoveryCode: string } | { passphrase: string };

/** Where the two sides of a vault are, and how it is reached. */
export interface Options {
  /** The bucket side: `s3://bucket/prefix?region=…&endpoint=…`. */
  store: string | URL;
  /**
   * This device's side: an IndexedDB database's name in browsers, a folder under Node, or `"memory"` for nothing kept. Tabs
   * share a database: the options of the one that leads count.
   */
  local: string;
  /** Keys for the bucket, or a function that gives them when they are needed. */
  credentials?: Credentials | (() => Promise<Credentials>);
  /** Who signs requests where this device has no keys: a function, or the URL of a signer. */
  presign?: Presign | { url: string; token?: string | (() => string | Promise<string>) };
  /** What people call this device; ≤ 256 bytes. By default the host's name, or `browser`. Used when it creates or joins. */
  device?: string;
  /** A request's deadline in ms; 30,000. Its body has a second more for each 16 KiB. */
  timeout?: number;
  /** How often one request is tried again; 5. */
  retries?: number;
  /** Requests in flight at once; 8. */
  concurrency?: number;
  /** Whether what is stored in bulk is compressed; true. */
  compression?: boolean;
  /** Used in place of the platform's `fetch`. */
  fetch?: typeof fetch;
}

/** Options of a call that takes time. */
export interface CallOptions {
  /** Cancels it: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Told how far it is. */
  onProgress?: (progress: Progress) => void;
}

/** How far the running operation is, in steps. */
export interface Progress {
  phase: "looking" | "pulling" | "pushing";
  done: number;
  total: number;
}

/** What a sync did. */
export interface SyncReport {
  /** Foreign changes applied. */
  opsApplied: number;
  /** Own changes published. */
  opsPublished: number;
  /** Things named in the bucket that could not be had yet; they are tried again later. */
  debts: number;
  /** What a person should know, each once. */
  notices: TidelockError[];
}

/** Keys of records or ids of documents, from `start` (included) to `end` (excluded), or all with a `prefix`; at most `limit` of them. */
export interface Range {
  start?: string;
  end?: string;
  prefix?: string;
  limit?: number;
}

/** A key and its value. */
export interface Entry<T> {
  key: string;
  /** Of concurrent values the winner. */
  value: T;
  /** The device that wrote it. */
  device: string;
  /** When, by that device's clock. */
  unixMs: number;
  /** How many other concurrent values the key has: more than 0 is a conflict. */
  siblings: number;
}

/** A document. */
export interface Document<T> {
  id: string;
  /** Of a field's concurrent values the newest. */
  value: T;
  /** The device that wrote the newest value in it. */
  device: string;
  /** When, by that device's clock. */
  unixMs: number;
  /** How many fields have concurrent values. */
  conflicts: number;
  /** A device deleted the document without having seen the fields that stand. */
  deletedConcurrently: boolean;
}

/** Fields to set, and with null those to remove. */
export type Patch<T> = { [F in keyof T]?: T[F] | null };

/** One of the concurrent values of a key; without a value: a delete that had not seen the others. */
export interface Version<T> {
  value: T | undefined;
  device: string;
  unixMs: number;
}

/** A key with concurrent values, the winner first. */
export interface Conflict<T> {
  key: string;
  versions: Version<T>[];
}

/** A field of a document with concurrent values, the one that counts first. */
export interface FieldConflict {
  id: string;
  field: string;
  versions: Version<unknown>[];
}

/** A conflict of any collection. */
export interface AnyConflict extends Conflict<Uint8Array> {
  kind: "map" | "log" | "documents";
  collection: string;
  /** Of documents the field; `key` is the document's id. */
  field?: string;
}

/** Which keys, or ids of documents, a commit changed. */
export interface Change {
  keys: string[] | "many";
}

/** What is known of a device. */
export interface Device {
  id: string;
  name?: string;
  state: "this" | "active" | "retired" | "revoked";
  /** Of a revoked one: the numbers of its first and last op that do not count. */
  quarantinedFrom?: number;
  quarantinedTo?: number;
  /** The sequence of its newest verified manifest. */
  sequence: number;
  /** Its ops applied here without a gap. */
  applied: number;
  /** When a new manifest of it was last seen, by this device's clock. */
  seenMs?: number;
}

/** What opens the vault without being a device. */
export interface Recipient {
  kind: "recoveryCode" | "passphrase";
  /** The id of the device that made or set it. */
  addedBy: string;
  /** When, by that device's clock. */
  addedMs: number;
}

/** What is known of the vault, without a request. */
export interface Status {
  vault?: string;
  device?: string;
  devices: Device[];
  /** What opens the vault beside its devices. */
  recipients: Recipient[];
  /** Ids of devices that this store was before: it was copied or restored, and took a new id. */
  left: string[];
  /** Every collection with a record. */
  collections: { kind: "map" | "log" | "documents"; name: string }[];
  /** Own changes not yet published. */
  pending: number;
  /** The sequence of the newest own manifest. */
  sequence: number;
  /** Things named in the bucket that could not be had yet. */
  debts: number;
  /** Keys and fields with conflicts, up to 1,000. */
  conflicts: number;
  lastPushMs?: number;
  lastPullMs?: number;
  /** What the last operation failed with; none once one ended well. */
  lastError?: string;
  /** Whether the store enforces conditional writes; none: not tried yet. */
  conditionalWrites?: boolean;
  /** Set while nothing may be published, with the reason. */
  stopped?: Problem;
  /** Set once this device can tell that it was revoked: why, what was not taken, and how to save it. */
  revoked?: Problem;
  /** Of a revoked device: own changes that no other device is known to have; else 0. */
  untaken: number;
  /** Requests and bytes since this local store was made. */
  meter: { get: number; put: number; delete: number; list: number; head: number; post: number; bytesSent: number; bytesReceived: number };
  /** When the first of them was counted. */
  meteredFromMs?: number;
}
