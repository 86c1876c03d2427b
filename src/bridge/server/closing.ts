/** @file The close codes that the bridge uses, and what each says to the other side. */

/** WebSocket close codes (RFC 6455 §7.4, and the private range from 4000). */
export const closeCodes = {
  /** The work is done. */
  normal: 1000,
  /** The server is going away: reconnect and resume. */
  goingAway: 1001,
  /** Text where the protocol is binary. */
  unsupported: 1003,
  /** Malformed msgpack, or too many typed errors on one connection. */
  invalidPayload: 1007,
  /** Well-formed but against the rules, e.g. pipelining without `seq`. */
  policyViolation: 1008,
  /** Larger than `maxBytes`. */
  tooLarge: 1009,
  /** The policy or environment threw; stock openpi clients get the message in the frame before. */
  internalError: 1011,
  /** No room for another session. */
  tryLater: 1013,
  /** The same session connected again elsewhere. */
  takenOver: 4001,
  /** No sign of life within the keepalive timeout. */
  silent: 4002,
} as const;
