/**
 * Tidelock for browsers and Node: end-to-end-encrypted, offline-first sync through nothing but a bucket.
 *
 * @module
 */

export { bytes, json, text, type Codec } from "./codec.js";
export { Collection, Log } from "./collection.js";
export { ERROR_KINDS, TidelockError, type ErrorKind, type Problem } from "./errors.js";
export { init, type Source } from "./init.js";
export { Live } from "./live.js";
export type {
  CallOptions, Change, Conflict, Credentials, Device, Entry, Options, Presign, Progress, Range, Secret, SignedUrl, Status,
  SyncReport, UnsignedRequest, Version,
} from "./types.js";
export { Vault, type Batch } from "./vault.js";
