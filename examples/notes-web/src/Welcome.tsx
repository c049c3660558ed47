import { useState, type FormEvent } from "react";
import type { Vault } from "tidelock";
import { Problem } from "./Problem.tsx";
import { createVault, joinVault, type Place } from "./vault.ts";

const PLACE: Place = {
  store: "s3://notes/app?endpoint=http://127.0.0.1:9000&path_style=true",
  accessKey: "",
  secretKey: "",
  device: "this browser",
};

/** A new vault, or one that another device made. */
export function Welcome({ place = PLACE, problem, onVault }: { place?: Place; problem?: Error; onVault: (vault: Vault) => void }) {
  const [isNew, setNew] = useState(true);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(problem);
  const [made, setMade] = useState<{ vault: Vault; recoveryCode: string }>();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const said = new FormData(event.currentTarget);
    const word = (name: string) => String(said.get(name) ?? "").trim();
    const chosen = { store: word("store"), accessKey: word("accessKey"), secretKey: word("secretKey"), device: word("device") };
    setBusy(true);
    setError(undefined);
    try {
      if (isNew) setMade(await createVault(chosen));
      else onVault(await joinVault(chosen, word("recoveryCode")));
    } catch (cause) {
      setError(cause);
    }
    setBusy(false);
  }

  if (made !== undefined) return <Recovery code={made.recoveryCode} onDone={() => onVault(made.vault)} />;
  return (
    <main className="welcome card">
      <h1>Notes</h1>
      <p>End-to-end encrypted, on all your devices, through a bucket of your own.</p>
      <form onSubmit={submit}>
        <fieldset className="choice">
          <legend className="hidden">What to begin with</legend>
          <label><input type="radio" name="way" checked={isNew} onChange={() => setNew(true)} /> New vault</label>
          <label><input type="radio" name="way" checked={!isNew} onChange={() => setNew(false)} /> Join with a recovery code</label>
        </fieldset>
        {!isNew && (
          <label>Recovery code <input name="recoveryCode" required autoComplete="off" spellCheck={false} /></label>
        )}
        <label>Bucket <input name="store" required defaultValue={place.store} spellCheck={false} /></label>
        <div className="pair">
          <label>Access key <input name="accessKey" required defaultValue={place.accessKey} autoComplete="off" spellCheck={false} /></label>
          <label>Secret key <input name="secretKey" required defaultValue={place.secretKey} type="password" autoComplete="off" /></label>
        </div>
        <label>Name of this device <input name="device" required maxLength={60} defaultValue={place.device} /></label>
        <button className="main" disabled={isBusy}>{isBusy ? "One moment…" : isNew ? "Make the vault" : "Join the vault"}</button>
        <Problem error={error} />
      </form>
    </main>
  );
}

/** The code is shown once. */
export function Recovery({ code, onDone }: { code: string; onDone: () => void }) {
  const [isKept, setKept] = useState(false);
  return (
    <main className="welcome card">
      <h1>Your recovery code</h1>
      <p>Other devices join with it, and it is the way back if you lose all of them. It is not shown again: write it down.</p>
      <output className="code">{code}</output>
      <button onClick={() => void navigator.clipboard.writeText(code)}>Copy</button>
      <label className="check"><input type="checkbox" checked={isKept} onChange={() => setKept(!isKept)} /> I have written it down</label>
      <button className="main" disabled={!isKept} onClick={onDone}>Go on</button>
    </main>
  );
}
