/** @file The one error hierarchy: every error a user can meet carries a stable code, what was expected, what came, and what to do. */

/** Stable, greppable codes. A new failure gets a new code rather than a new message under an old one. */
export type ErrorCode =
  | "INVALID_ARGUMENT"
  | "INVALID_SHAPE"
  | "INVALID_DTYPE"
  | "INVALID_CONFIG"
  | "UNKNOWN_NAME"
  | "NOT_SUPPORTED"
  | "UNSUPPORTED_KERNEL"
  | "RANDOM_IN_TRACE"
  | "DEVICE_UNAVAILABLE"
  | "NOT_FINITE"
  | "CORRUPT_FILE"
  | "CHECKPOINT_MISMATCH"
  | "STORAGE_FULL"
  | "IO_FAILED"
  | "RESET_NEEDED"
  | "ENV_CLOSED"
  | "WORKER_FAILED"
  | "ENV_CONTRACT"
  | "PROTOCOL"
  | "UNAUTHORIZED"
  | "TIMEOUT"
  | "UNSAFE_ACTION"
  | "RUN_BUSY"
  | "INTERRUPTED"
  | "NOT_REPRODUCED"
  | "CONNECTION_LOST"
  | "SERVER_UNREACHABLE"
  | "VERSION_MISMATCH"
  | "TOO_LARGE"
  | "GUARDRAIL_BLOCKED"
  | "REMOTE_FAILED";

/** Parts of a message, joined in a fixed order: what happened, expected, got, what to do. */
export interface ErrorParts {
  readonly code: ErrorCode;
  readonly what: string;
  readonly expected?: string;
  readonly got?: string;
  readonly fix?: string;
  readonly cause?: unknown;
}

/** Base of every error that Reverie throws on purpose. */
export class ReverieError extends Error {
  readonly code: ErrorCode;

  constructor(parts: ErrorParts) {
    const lines = [parts.what];
    if (parts.expected !== undefined) lines.push(`expected: ${parts.expected}`);
    if (parts.got !== undefined) lines.push(`got: ${parts.got}`);
    if (parts.fix !== undefined) lines.push(`fix: ${parts.fix}`);
    super(
      `[${parts.code}] ${lines.join("\n  ")}`,
      parts.cause === undefined ? undefined : { cause: parts.cause },
    );
    this.name = "ReverieError";
    this.code = parts.code;
  }
}

/** Throw a `ReverieError`; an expression, so that it fits after `??`. */
export function fail(parts: ErrorParts): never {
  throw new ReverieError(parts);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j] + 1, current[j - 1] + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length];
}

/** The known name nearest to `name`, if near enough to be a likely typing slip. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length * 0.4)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Error for a wrong name: lists the known ones and the nearest. */
export function unknownName(kind: string, name: string, known: readonly string[]): ReverieError {
  const near = nearestName(name, known);
  return new ReverieError({
    code: "UNKNOWN_NAME",
    what: `unknown ${kind} "${name}"`,
    expected: `one of ${known.join(", ") || "(none registered)"}`,
    fix: near === undefined ? `use one of the names above` : `did you mean "${near}"?`,
  });
}

/** What a `catch` caught, as an Error. */
export function asError(caught: unknown): Error {
  return caught instanceof Error ? caught : new Error(String(caught));
}
