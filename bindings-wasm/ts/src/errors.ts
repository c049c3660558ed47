/** The one error of the package, and the list of its kinds. */

/** Every kind, as in the core's `ErrorKind::ALL`. */
export const ERROR_KINDS = [
  "invalid", "auth", "not-found", "already-exists", "throttled", "timeout", "network", "corrupt", "hash-mismatch",
  "wrong-key", "rolled-back", "forked", "wiped", "revoked", "clock-skew", "local-store", "busy", "unsupported", "cancelled",
  "closed", "internal",
] as const;

/** What a program decides by. */
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** An error as the library gives it. */
export interface Problem {
  kind: ErrorKind;
  message: string;
  object?: string;
  nextStep?: string;
  retryable: boolean;
}

/** What failed, on which object, whether trying again helps, and what a person does next. It never holds a secret. */
export class TidelockError extends Error {
  override readonly name = "TidelockError";
  readonly kind: ErrorKind;
  /** The bucket key, record or file it happened on. */
  readonly object: string | undefined;
  /** What a person does next. */
  readonly nextStep: string | undefined;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;

  constructor(problem: Omit<Problem, "retryable"> & { retryable?: boolean }, options?: ErrorOptions) {
    super(problem.object === undefined ? problem.message : `${problem.message}: \`${problem.object}\``, options);
    this.kind = problem.kind;
    this.object = problem.object;
    this.nextStep = problem.nextStep;
    this.retryable = problem.retryable ?? false;
  }
}

/** What the library threw, as an error of this package. */
export function thrown(cause: unknown): TidelockError {
  if (cause instanceof TidelockError) return cause;
  if (isProblem(cause)) return new TidelockError(cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  const nextStep = "please report this; open the vault again to go on";
  return new TidelockError({ kind: "internal", message, nextStep }, { cause });
}

/** An error as plain data, to cross from one thread or tab to another. */
export function plain({ kind, message, object, nextStep, retryable }: TidelockError): Problem {
  const said = object === undefined ? message : message.slice(0, -(object.length + 4)); // the class adds the object to it
  return { kind, message: said, retryable, ...(object !== undefined && { object }), ...(nextStep !== undefined && { nextStep }) };
}

/** Somebody else wrote to the local store that this engine was loaded from. */
export class Stale extends TidelockError {
  constructor(object: string) {
    super({ kind: "local-store", message: "another tab wrote to this local store", object, nextStep: "open the vault again" });
  }
}

function isProblem(value: unknown): value is Problem {
  const kind = (value as Problem | null | undefined)?.kind;
  return typeof value === "object" && kind !== undefined && ERROR_KINDS.includes(kind);
}
