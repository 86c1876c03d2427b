/** @file What a stranger may make us do: bounds on messages, nesting, arrays, connections and sessions. */

/** Bounds on one decoded message. */
export interface DecodeLimits {
  /** Whole message. */
  readonly maxBytes: number;
  /** Nesting of lists and maps. */
  readonly maxDepth: number;
  /** Values in the message, containers included; bounds what a small message can make us allocate. */
  readonly maxValues: number;
  /** Axes of one array; NumPy's own bound. */
  readonly maxRank: number;
  /** Elements of one array. */
  readonly maxElements: number;
}

/** Bounds on one server. */
export interface ServerLimits extends DecodeLimits {
  /** Sockets at once; further upgrades are answered 503. */
  readonly maxConnections: number;
  /** Sessions kept, connected or not; the longest idle goes first. */
  readonly maxSessions: number;
  /** How long a session without a connection is kept for its robot to come back. */
  readonly sessionIdleMs: number;
  /** Malformed messages that a session survives before its connection is closed. */
  readonly maxFaults: number;
  /** Unsent bytes at which reading from a peer pauses until it has read its replies. */
  readonly maxBufferedBytes: number;
  /** Requests without `seq` that may wait on one connection; a lockstep client has one. */
  readonly maxLockstepQueue: number;
}

/** Defaults: 16 MiB holds a raw 1080p frame twice over. */
export const defaultLimits: ServerLimits = {
  maxBytes: 16 * 1024 * 1024,
  maxDepth: 32,
  maxValues: 65_536,
  maxRank: 32,
  maxElements: 2 ** 31,
  maxConnections: 1024,
  maxSessions: 4096,
  sessionIdleMs: 60_000,
  maxFaults: 16,
  maxBufferedBytes: 8 * 1024 * 1024,
  maxLockstepQueue: 2,
};

/** The defaults with `overrides` on top. */
export function withLimits(overrides: Partial<ServerLimits> = {}): ServerLimits {
  return { ...defaultLimits, ...overrides };
}
