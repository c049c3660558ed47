import { useEffect, useRef, useState } from "react";
import type { Vault } from "tidelock";
import { useStatus } from "tidelock/react";
import { Problem } from "./Problem.tsx";
import { showTheme, theme, type Theme } from "./theme.ts";
import { forget } from "./vault.ts";

/** How it looks, which devices there are, a new recovery code, and the way out. */
export function Settings({ vault, onClose }: { vault: Vault; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const status = useStatus(vault).value;
  const [chosen, setChosen] = useState(theme);
  const [code, setCode] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  useEffect(() => dialog.current?.showModal(), []);

  const choose = (next: Theme) => {
    setChosen(next);
    showTheme(next);
  };
  const replace = async () => {
    setBusy(true);
    setError(undefined);
    await vault.replaceRecoveryCode().then(setCode, setError);
    setBusy(false);
  };
  const leave = async () => {
    const lost = (status?.pending ?? 0) > 0 ? " Changes that were not synced yet are lost." : "";
    if (!confirm(`Remove all notes from this browser?${lost}`)) return;
    await forget(vault).then(() => location.reload(), setError);
  };

  return (
    <dialog ref={dialog} className="card" aria-labelledby="settings" onClose={onClose}>
      <h2 id="settings">Settings</h2>
      <fieldset className="choice">
        <legend>Appearance</legend>
        {(["system", "light", "dark"] as const).map((one) => (
          <label key={one}><input type="radio" name="theme" checked={chosen === one} onChange={() => choose(one)} /> {one[0]?.toUpperCase() + one.slice(1)}</label>
        ))}
      </fieldset>
      <h3>Devices</h3>
      <ul className="devices">
        {status?.devices.map(({ id, name, state, seenMs }) => (
          <li key={id}>
            <span>{name ?? "a new device"}</span>
            <span className="quiet">{state === "this" ? "this one" : state === "active" ? (seenMs === undefined ? "" : `seen ${new Date(seenMs).toLocaleDateString()}`) : state}</span>
          </li>
        ))}
      </ul>
      <h3>Recovery code</h3>
      {code === undefined ? (
        <p><button disabled={isBusy} onClick={() => void replace()}>{isBusy ? "One moment…" : "Replace the recovery code"}</button></p>
      ) : (
        <p role="status">The new code, shown once. The old one opens nothing new: <output className="code">{code}</output></p>
      )}
      <h3>This browser</h3>
      <p><button onClick={() => void leave()}>Remove my notes from this browser</button></p>
      <Problem error={error} />
      <form method="dialog"><button className="main">Done</button></form>
    </dialog>
  );
}
