import type { Documents, FieldConflict, Vault } from "tidelock";
import { useStatus } from "tidelock/react";
import type { Note } from "./vault.ts";

const NAMES: Record<string, string> = { title: "The title", text: "The text", pinned: "The pin" };

interface Props {
  vault: Vault;
  notes: Documents<Note>;
  conflicts: FieldConflict[];
  onError: (error: unknown) => void;
}

/** Versions of a field side by side, to keep one of them, or of texts all. */
export function Conflicts({ vault, notes, conflicts, onError }: Props) {
  const devices = useStatus(vault).value?.devices ?? [];
  const nameOf = (device: string) => {
    const known = devices.find(({ id }) => id === device);
    return known?.state === "this" ? "this device" : (known?.name ?? "another device");
  };
  return conflicts.map(({ id, field, versions }) => {
    const name = NAMES[field] ?? field;
    const keep = (value: unknown) => void notes.resolve(id, field, value).catch(onError);
    const texts = versions.map(({ value }) => value).filter((value) => typeof value === "string");
    return (
      <section key={field} className="conflict" aria-label={`${name} was changed in two places`}>
        <p><strong>{name}</strong> was changed in two places. Which version is right?</p>
        <ul>
          {versions.map(({ value, device, unixMs }) => (
            <li key={`${device} ${unixMs}`}>
              <p className="by">{nameOf(device)}, <time dateTime={new Date(unixMs).toISOString()}>{new Date(unixMs).toLocaleString()}</time></p>
              <p className="version">{shown(value)}</p>
              <button onClick={() => keep(value)}>Keep this one<span className="hidden">: the version of {nameOf(device)}</span></button>
            </li>
          ))}
        </ul>
        {field === "text" && texts.length > 1 && <button onClick={() => keep(texts.join("\n\n"))}>Keep both, one after the other</button>}
      </section>
    );
  });
}

function shown(value: unknown): string {
  if (value === undefined) return "(removed)";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value) || "(empty)";
}
