import { useEffect, useState } from "react";
import type { Vault } from "tidelock";
import { Notes } from "./Notes.tsx";
import { keptPlace, openVault } from "./vault.ts";
import { Welcome } from "./Welcome.tsx";

/** The vault if this browser has one, else the way to one. */
export function App() {
  const [place] = useState(keptPlace);
  const [vault, setVault] = useState<Vault>();
  const [error, setError] = useState<Error>();

  useEffect(() => {
    if (place === undefined) return;
    let opened: Promise<Vault> | undefined = openVault(place);
    opened.then((vault) => opened && setVault(vault), setError);
    return () => {
      void opened?.then((vault) => vault.close(), () => {});
      opened = undefined;
    };
  }, [place]);

  if (vault !== undefined) return <Notes vault={vault} />;
  if (place === undefined || error !== undefined) return <Welcome problem={error} place={place} onVault={setVault} />;
  return <p role="status" className="opening">Opening your notes…</p>;
}
