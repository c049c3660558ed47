/** The library's own plain objects, as `client/` in Rust defines them. */

import type { Problem } from "./errors.js";
import type { Credentials, Progress, Status } from "./types.js";

export type CollectionKind = "map" | "log" | "documents";

export interface CollectionId {
  kind: CollectionKind;
  name: string;
}

export type EngineChange =
  | { kind: "put"; collection: CollectionId; key: string; value: Uint8Array }
  | { kind: "delete"; collection: CollectionId; key: string }
  | { kind: "patch"; collection: CollectionId; id: string; patch: Uint8Array }
  | { kind: "append"; collection: CollectionId; key?: string; value: Uint8Array }
  | { kind: "import"; collection: CollectionId; source: string; unixMs: number; repeat: number; value: Uint8Array }
  | { kind: "resolve"; collection: CollectionId; key: string; value: Uint8Array | undefined }
  | { kind: "resolveField"; collection: CollectionId; id: string; field: string; value: Uint8Array | undefined };

export type Operation =
  | { kind: "create" | "setPassphrase"; passphrase?: string }
  | { kind: "join"; secret: { kind: "recovery"; code: string } | { kind: "passphrase"; passphrase: string } }
  | { kind: "push" | "pull" | "sync" | "check" | "republish" | "replaceRecoveryCode" }
  | { kind: "retireDevice" | "revokeDevice" | "adoptDevice"; device: string };

export interface Header {
  name: string;
  value: string;
}

export interface Page {
  id: number;
  bytes?: Uint8Array;
}

export interface EngineRequest {
  id: number;
  method: string;
  url: string;
  headers: Header[];
  body: Uint8Array;
  maxResponseBytes: number;
}

export type Failure =
  | { kind: "timeout" | "tooLong" }
  | { kind: "connect" | "tls" | "reset" | "noCredentials"; text: string };

export type Input =
  | { kind: "answered"; id: number; response: { status: number; headers: Header[]; body: Uint8Array } }
  | { kind: "failed" | "notPresigned"; id: number; failure: Failure }
  | { kind: "haveCredentials"; credentials: Credentials }
  | { kind: "noCredentials"; failure: Failure }
  | { kind: "presigned"; id: number; signed: { url: string; headers: Header[]; expiresS?: number } }
  | { kind: "persisted"; commit: number }
  | { kind: "notPersisted"; commit: number; text: string }
  | { kind: "timeout" };

export interface EngineReport {
  opsApplied: number;
  opsPublished: number;
  debts: number;
  reports: Problem[];
}

export interface EngineUnsigned {
  method: string;
  url: string;
  key?: string;
  query: Header[];
  headers: Header[];
  bodyBytes: number;
}

export type Output =
  | { kind: "send"; request: EngineRequest }
  | { kind: "abort"; id: number }
  | { kind: "needCredentials" }
  | { kind: "presign"; id: number; request: EngineUnsigned }
  | { kind: "persist"; commit: number; pages: Page[] }
  | { kind: "stretch"; id: number }
  | { kind: "finished"; op: number; recoveryCode?: string; report?: EngineReport }
  | { kind: "failed"; op: number; problem: Problem }
  | { kind: "durable"; commit: number }
  | { kind: "changed"; collection: CollectionId; keys?: string[] }
  | { kind: "progressed"; progress: Progress }
  | { kind: "reported"; problem: Problem };

export interface EngineRecord {
  value: Uint8Array;
  device: string;
  unixMs: number;
  siblings: number;
}

export interface EngineDocument {
  id: string;
  value: Uint8Array;
  device: string;
  unixMs: number;
  conflicts: number;
  deletedConcurrently: boolean;
}

export interface EngineConflict {
  collection: CollectionId;
  key: string;
  field?: string;
  versions: { value?: Uint8Array; device: string; unixMs: number }[];
}

/** Where a page of conflicts ended. */
export interface Position {
  collection: CollectionId;
  key: string;
  field?: string;
}

/** The reads of an engine by their names, with what they take and give. */
export interface Reads {
  get(collection: CollectionId, key: string): EngineRecord | undefined;
  list(collection: CollectionId, range: { start: string; end?: string | undefined }, limit: number): { key: string; record: EngineRecord }[];
  document(collection: CollectionId, id: string): EngineDocument | undefined;
  documents(collection: CollectionId, range: { start: string; end?: string | undefined }, limit: number): EngineDocument[];
  conflicts(after: Position | undefined, limit: number): EngineConflict[];
  status(): Status;
}
