/**
 * Tidelock in React: values that stay current. A hook is given what `vault.collection`, `log` and `documents` give, which may be
 * called in each rendering, or `undefined` while there is no vault.
 *
 * @module
 */

import { useCallback, useSyncExternalStore } from "react";
import type {
  Collection, Conflict, Document, Documents, Entry, FieldConflict, Live, Log, Range, Status, TidelockError, Vault,
} from "tidelock";

/** A value that is read: `undefined` while it loads, and where nothing is. */
export interface Read<T> {
  value: T | undefined;
  /** Until it was read once. */
  loading: boolean;
  /** Why it stays as it is: the vault was closed, or a value is damaged. */
  error: TidelockError | undefined;
}

/** The value at a key of a map or a log. */
export function useEntry<T>(from: Collection<T> | Log<T> | undefined, key: string): Read<Entry<T>> {
  const { value, ...rest } = useLive(from, `entry ${key}`, (from) => from.liveEntry(key));
  return { ...rest, value: value?.entry };
}

/** A range of a map or a log, by ascending key. */
export function useList<T>(from: Collection<T> | Log<T> | undefined, range: Range = {}): Read<Entry<T>[]> {
  return useLive(from, `list ${JSON.stringify(range)}`, (from) => from.live(range));
}

/** A document. */
export function useDocument<T extends object>(from: Documents<T> | undefined, id: string): Read<Document<T>> {
  const { value, ...rest } = useLive(from, `entry ${id}`, (from) => from.liveEntry(id));
  return { ...rest, value: value?.entry };
}

/** A range of documents, by ascending id. */
export function useDocuments<T extends object>(from: Documents<T> | undefined, range: Range = {}): Read<Document<T>[]> {
  return useLive(from, `list ${JSON.stringify(range)}`, (from) => from.live(range));
}

/** What has concurrent values: keys of a map, or fields of documents. */
export function useConflicts<T extends object>(from: Documents<T> | undefined): Read<FieldConflict[]>;
export function useConflicts<T>(from: Collection<T> | undefined): Read<Conflict<T>[]>;
export function useConflicts(from: Collection<any> | Documents<any> | undefined): Read<any[]> {
  return useLive<Collection<any> | Documents<any>, any[]>(from, "conflicts", (from) => from.liveConflicts());
}

/** What is known of the vault. */
export function useStatus(vault: Vault | undefined): Read<Status> {
  return useLive(vault, "status", (vault) => vault.liveStatus());
}

const LOADING: Read<never> = { value: undefined, loading: true, error: undefined };

/** Queries by what they are asked of, so that renderings, also those that React throws away, share one. */
const queries = new WeakMap<object, Map<string, { live: Live<any>; read: Read<any> }>>();

function useLive<S extends object, T>(from: S | undefined, name: string, make: (from: S) => Live<T>): Read<T> {
  const subscribe = useCallback(
    (changed: () => void) => {
      if (from === undefined) return () => {};
      const known = queries.get(from) ?? new Map<string, { live: Live<T>; read: Read<T> }>();
      queries.set(from, known);
      const query = known.get(name) ?? { live: make(from), read: LOADING };
      known.set(name, query);
      const tell = (value: T) => {
        if (query.read.value !== value) query.read = { value, loading: false, error: undefined };
        changed();
      };
      return query.live.subscribe(tell, () => {
        query.read = { ...query.read, loading: false, error: query.live.error };
        changed();
      });
    },
    [from, name],
  );
  return useSyncExternalStore(subscribe, () => (from && (queries.get(from)?.get(name)?.read as Read<T>)) ?? LOADING, () => LOADING);
}
