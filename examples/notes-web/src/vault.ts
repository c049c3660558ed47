/** The one vault of this app: made, joined, opened, forgotten. Where its bucket is stays in this browser. */

import { Vault, type Options } from "tidelock";

/** The fields of a note merge one by one: two people may change title and text of one note at the same time. */
export interface Note {
  title: string;
  text: string;
  pinned?: boolean;
}

export interface Place {
  store: string;
  accessKey: string;
  secretKey: string;
  device: string;
}

const LOCAL = "notes";
const KEPT = "place";

/** Where the bucket of this browser's vault is, if it has one. */
export function keptPlace(): Place | undefined {
  const kept = localStorage.getItem(KEPT);
  return kept === null ? undefined : (JSON.parse(kept) as Place);
}

/** An app for other people gives `presign` in place of keys: no page should hold the keys of a bucket. */
function options({ store, accessKey, secretKey, device }: Place): Options {
  return { store, device, local: LOCAL, credentials: { accessKey, secretKey } };
}

export async function createVault(place: Place): Promise<{ vault: Vault; recoveryCode: string }> {
  const made = await Vault.create(options(place));
  localStorage.setItem(KEPT, JSON.stringify(place));
  return made;
}

export async function joinVault(place: Place, recoveryCode: string): Promise<Vault> {
  const vault = await Vault.join({ ...options(place), secret: { recoveryCode } });
  localStorage.setItem(KEPT, JSON.stringify(place));
  return vault;
}

export function openVault(place: Place): Promise<Vault> {
  return Vault.open(options(place));
}

/** Removes what this browser has. What was synced stays in the bucket. */
export async function forget(vault: Vault): Promise<void> {
  await vault.close();
  localStorage.removeItem(KEPT);
  await new Promise((done) => {
    const request = indexedDB.deleteDatabase(`tidelock:${LOCAL}`);
    request.onsuccess = request.onerror = request.onblocked = done;
  });
}
