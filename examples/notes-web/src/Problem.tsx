import { TidelockError } from "tidelock";

/** What failed, and what to do next. */
export function Problem({ error }: { error: unknown }) {
  if (error === undefined) return null;
  const { message } = error as Error;
  return (
    <p role="alert" className="problem">
      <strong>{message}.</strong> {error instanceof TidelockError && error.nextStep !== undefined && `What to do: ${error.nextStep}.`}
    </p>
  );
}
