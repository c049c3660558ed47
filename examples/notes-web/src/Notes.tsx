import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import type { Document, Vault } from "tidelock";
import { useConflicts, useDocuments } from "tidelock/react";
import { Editor } from "./Editor.tsx";
import { Settings } from "./Settings.tsx";
import { SyncStatus } from "./SyncStatus.tsx";
import type { Note } from "./vault.ts";

/** The list, the open note, and what is known of the sync. */
export function Notes({ vault }: { vault: Vault }) {
  const notes = vault.documents<Note>("notes");
  const { value: all, loading, error } = useDocuments<Note>(notes);
  const conflicts = useConflicts<Note>(notes).value ?? [];
  const [openId, setOpenId] = useState<string>();
  const [wanted, setWanted] = useState("");
  const [deleted, setDeleted] = useState<Document<Note>>();
  const [isSettings, setSettings] = useState(false);
  const search = useRef<HTMLInputElement>(null);

  const shown = useMemo(() => sorted(all ?? []).filter(({ value }) => matches(value, wanted)), [all, wanted]);
  const open = all?.find(({ id }) => id === openId);

  async function add() {
    const id = crypto.randomUUID();
    setWanted("");
    await notes.put(id, { title: "", text: "" });
    setOpenId(id);
  }

  async function remove(note: Document<Note>) {
    await notes.delete(note.id);
    setOpenId(undefined);
    setDeleted(note);
    search.current?.focus();
  }

  async function undo() {
    if (deleted === undefined) return;
    await notes.put(deleted.id, deleted.value);
    setOpenId(deleted.id);
    setDeleted(undefined);
  }

  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
      if (event.key === "k") search.current?.focus();
      else if (event.key === "Enter") void add();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });

  return (
    <div className={open === undefined ? "notes" : "notes has-open"}>
      <header>
        <h1>Notes</h1>
        <SyncStatus vault={vault} />
        <button onClick={() => setSettings(true)} aria-haspopup="dialog">Settings</button>
      </header>
      <main>
        <nav aria-label="Notes">
          <div className="tools">
            <input ref={search} type="search" aria-label="Search" placeholder="Search (Ctrl K)" value={wanted} onChange={({ target }) => setWanted(target.value)} />
            <button className="main" onClick={() => void add()} aria-keyshortcuts="Control+Enter" title="Ctrl Enter">New note</button>
          </div>
          {conflicts.length > 0 && (
            <p className="hint">
              {count(new Set(conflicts.map(({ id }) => id)).size, "note was", "notes were")} changed in two places.{" "}
              <button className="link" onClick={() => setOpenId(conflicts[0]?.id)}>Look at it</button>
            </p>
          )}
          <ul onKeyDown={walk}>
            {shown.map(({ id, value, conflicts }) => (
              <li key={id}>
                <button aria-current={id === openId ? "true" : undefined} onClick={() => setOpenId(id)}>
                  <span className="title">{value.pinned === true && <Pin />}{value.title || "Without a title"}</span>
                  <span className="start">{value.text?.slice(0, 80) || "Empty"}</span>
                  {conflicts > 0 && <span className="badge">changed twice</span>}
                </button>
              </li>
            ))}
          </ul>
          {!loading && shown.length === 0 && (
            <p className="empty">{wanted === "" ? "No notes yet. Make the first one." : `Nothing has “${wanted}” in it.`}</p>
          )}
          <p role="status" className="hidden">{wanted === "" ? "" : count(shown.length, "note found", "notes found")}</p>
        </nav>
        <section className="open" aria-label="The open note">
          {error !== undefined && <p role="alert" className="problem">{error.message}. {error.nextStep}</p>}
          {open === undefined ? (
            <p className="empty">Choose a note, or make a new one.</p>
          ) : (
            <Editor key={open.id} vault={vault} notes={notes} note={open} conflicts={conflicts.filter(({ id }) => id === open.id)}
              onClose={() => setOpenId(undefined)} onDelete={() => void remove(open)} />
          )}
        </section>
      </main>
      <div role="status" className="toast">
        {deleted !== undefined && (
          <>
            <span>“{deleted.value.title || "Without a title"}” was deleted.</span> <button className="link" onClick={() => void undo()}>Undo</button>{" "}
            <button className="link" onClick={() => setDeleted(undefined)}>Dismiss</button>
          </>
        )}
      </div>
      {isSettings && <Settings vault={vault} onClose={() => setSettings(false)} />}
    </div>
  );
}

/** Arrow keys go from note to note. */
function walk(event: KeyboardEvent<HTMLUListElement>) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLButtonElement>("li > button")];
  buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + step]?.focus();
  event.preventDefault();
}

/** The pinned ones first, then the newest. */
function sorted(notes: Document<Note>[]): Document<Note>[] {
  const rank = ({ value }: Document<Note>) => (value.pinned === true ? 1 : 0);
  return [...notes].sort((a, b) => rank(b) - rank(a) || b.unixMs - a.unixMs);
}

function matches({ title = "", text = "" }: Note, wanted: string): boolean {
  return `${title}\n${text}`.toLowerCase().includes(wanted.toLowerCase());
}

export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function Pin() {
  return <span className="pin"><span className="hidden">Pinned: </span><span aria-hidden="true">★ </span></span>;
}
