// The component that `react.test.mjs` looks at: each hook, in one place and in two.
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { json, text, Vault } from "tidelock";
import { useConflicts, useDocument, useDocuments, useEntry, useList, useStatus } from "tidelock/react";

function Shown({ id, of }) {
  return <pre id={id}>{JSON.stringify(of)}</pre>;
}

let renderings = 0;
function App({ vault }) {
  const [prefix, setPrefix] = useState("");
  const [isSecond, setSecond] = useState(false);
  renderings += 1;
  const notes = vault?.documents("notes");
  const todo = vault?.collection("todo", json());
  const list = useDocuments(notes, { prefix });
  const note = useDocument(notes, "a");
  const conflicts = useConflicts(notes);
  const mapConflicts = useConflicts(todo);
  const entry = useEntry(todo, "milk");
  const log = useList(vault?.log("log", text));
  const status = useStatus(vault);
  return (
    <>
      <button id="prefix" onClick={() => setPrefix("b")}>only b</button>
      <button id="second" onClick={() => setSecond(true)}>a second list</button>
      <Shown id="loading" of={[list, note, conflicts, mapConflicts, entry, log, status].map(({ loading }) => loading)} />
      <Shown id="list" of={list.value?.map(({ id }) => id)} />
      <Shown id="note" of={note.value?.value} />
      <Shown id="conflicts" of={conflicts.value?.map(({ id, field }) => `${id}.${field}`)} />
      <Shown id="map-conflicts" of={mapConflicts.value?.map(({ key }) => key)} />
      <Shown id="entry" of={entry.value?.value} />
      <Shown id="log" of={log.value?.map(({ value }) => value)} />
      <Shown id="pending" of={status.value?.pending} />
      <Shown id="error" of={list.error?.kind} />
      {isSecond && <Second notes={notes} />}
    </>
  );
}

function Second({ notes }) {
  return <Shown id="again" of={useDocuments(notes).value?.map(({ id }) => id)} />;
}

const root = createRoot(document.body.appendChild(document.createElement("div")));
globalThis.show = (vault) => root.render(<StrictMode><App vault={vault} /></StrictMode>);
globalThis.renderings = () => renderings;
globalThis.Vault = Vault;
document.title = "ready";
