import { useEffect, useRef, useState } from "react";
import type { Document, Documents, FieldConflict, Patch, Vault } from "tidelock";
import { Conflicts } from "./Conflicts.tsx";
import { Problem } from "./Problem.tsx";
import type { Note } from "./vault.ts";

/** Typing is stored this long after the last key. */
const PAUSE_MS = 300;

interface Props {
  vault: Vault;
  notes: Documents<Note>;
  note: Document<Note>;
  conflicts: FieldConflict[];
  onClose: () => void;
  onDelete: () => void;
}

/** One note. Each field is stored by itself, so that what another device changes in the other stays. */
export function Editor({ vault, notes, note, conflicts, onClose, onDelete }: Props) {
  const { id, value, deletedConcurrently } = note;
  const [error, setError] = useState<unknown>();
  const store = (patch: Patch<Note>) => notes.patch(id, patch).catch(setError);
  const title = useDraft(value.title ?? "", (title) => store({ title }));
  const text = useDraft(value.text ?? "", (text) => store({ text }));
  const heading = useRef<HTMLInputElement>(null);
  useEffect(() => heading.current?.focus(), []);

  return (
    <article aria-label={value.title || "Without a title"}>
      <div className="tools">
        <button className="back" onClick={onClose}>Back to the list</button>
        <button aria-pressed={value.pinned === true} onClick={() => void store({ pinned: value.pinned === true ? null : true })}>
          {value.pinned === true ? "Unpin" : "Pin"}
        </button>
        <button onClick={onDelete}>Delete</button>
      </div>
      <Problem error={error} />
      {deletedConcurrently && (
        <section className="conflict" aria-label="Deleted elsewhere">
          <p>Another device deleted this note while it was changed here.</p>
          <button onClick={() => void notes.put(id, value).catch(setError)}>Keep the note</button> <button onClick={onDelete}>Delete it</button>
        </section>
      )}
      <Conflicts vault={vault} notes={notes} conflicts={conflicts} onError={setError} />
      <input ref={heading} className="heading" aria-label="Title" placeholder="Title" {...title} />
      <textarea aria-label="Text" placeholder="Write something…" {...text} />
    </article>
  );
}

/** What is typed, until it is stored; else what is stored, wherever it was changed. */
function useDraft(stored: string, store: (value: string) => Promise<unknown>) {
  const [draft, setDraft] = useState<string>();
  const latest = useRef({ draft, store });
  latest.current = { draft, store };
  const flush = async () => {
    const { draft, store } = latest.current;
    if (draft === undefined) return;
    await store(draft);
    setDraft((now) => (now === draft ? undefined : now));
  };
  useEffect(() => {
    if (draft === undefined) return;
    const timer = setTimeout(() => void flush(), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  useEffect(() => () => void flush(), []);
  return {
    value: draft ?? stored,
    onChange: ({ target }: { target: { value: string } }) => setDraft(target.value),
    onBlur: () => void flush(),
  };
}
