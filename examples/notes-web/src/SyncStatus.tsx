import { useEffect, useState, useSyncExternalStore } from "react";
import type { Status, Vault } from "tidelock";
import { useStatus } from "tidelock/react";
import { count } from "./Notes.tsx";

/** Keeps syncing while the app is open, and says how it stands. */
export function SyncStatus({ vault }: { vault: Vault }) {
  const status = useStatus(vault).value;
  const isOnline = useSyncExternalStore(onNetwork, () => navigator.onLine);
  const [isSyncing, setSyncing] = useState(false);
  const [, tick] = useState(0);

  useEffect(() => {
    const stop = new AbortController();
    void (async () => {
      for await (const _ of vault.watch({ signal: stop.signal })) if (stop.signal.aborted) return;
    })();
    const timer = setInterval(() => tick((count) => count + 1), 30_000); // "2 minutes ago"
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [vault]);

  const sync = async () => {
    setSyncing(true);
    await vault.sync().catch(() => {}); // the status has it
    setSyncing(false);
  };
  useEffect(() => {
    if (isOnline) void vault.sync().catch(() => {});
  }, [vault, isOnline]);

  if (status === undefined) return null;
  const { tone, text, detail } = said(status, isOnline);
  return (
    <div className="sync">
      <p role="status" className={tone} title={detail}><span aria-hidden="true">●</span> {text}</p>
      <button onClick={() => void sync()} disabled={isSyncing || !isOnline}>{isSyncing ? "Syncing…" : "Sync now"}</button>
    </div>
  );
}

function said({ pending, stopped, revoked, lastError, lastPullMs }: Status, isOnline: boolean): { tone: string; text: string; detail?: string } {
  const waiting = pending > 0 ? `, ${count(pending, "change waits", "changes wait")}` : "";
  const problem = revoked ?? stopped;
  if (problem !== undefined) return { tone: "bad", text: problem.message, ...(problem.nextStep !== undefined && { detail: problem.nextStep }) };
  if (!isOnline) return { tone: "quiet", text: `Offline${waiting}` };
  if (lastError !== undefined) return { tone: "bad", text: `Not synced${waiting}`, detail: lastError };
  if (pending > 0) return { tone: "quiet", text: count(pending, "change waits", "changes wait") };
  return { tone: "good", text: lastPullMs === undefined ? "Not synced yet" : `Synced ${ago(lastPullMs)}` };
}

function ago(unixMs: number): string {
  const minutes = Math.floor((Date.now() - unixMs) / 60_000);
  if (minutes < 1) return "just now";
  const format = new Intl.RelativeTimeFormat("en");
  return minutes < 60 ? format.format(-minutes, "minute") : format.format(-Math.floor(minutes / 60), "hour");
}

function onNetwork(changed: () => void): () => void {
  addEventListener("online", changed);
  addEventListener("offline", changed);
  return () => {
    removeEventListener("online", changed);
    removeEventListener("offline", changed);
  };
}
