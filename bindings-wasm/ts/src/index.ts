/**
 * Tidelock for browsers and Node: end-to-end-encrypted, offline-first sync through nothing but a bucket.
 *
 * @module
 */

export { bytes, json, text, type Codec } from "./codec.js";
export { Collection, Log } from "./collection.js";
export { Documents } from "./documents.js";
export { ERROR_KINDS, TidelockError, type ErrorKind, type Problem } from "./errors.js";
export { init, type Source } from "./init.js";
export { Live } from "./live.js";
export type {
  AnyConflict, CallOptions, Change, Conflict, Credentials, Device, Document, Entry, FieldConflict, Options, Patch, Presign, Progress,
  Range, Recipient, Secret, SignedUrl, Status, SyncReport, UnsignedRequest, Version,
} from "./types.js";
export { Vault, type Batch } from "./vault.js";
