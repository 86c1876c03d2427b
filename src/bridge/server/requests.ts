/** @file The control keys of a request, told apart from the observation that they travel with. */

import { fail } from "../../core/errors.ts";
import { makeMap, type WireMap, type WireValue } from "../wire/values.ts";

/** A value that is returned as it came: a clock reading of the client. */
export type Opaque = number | bigint | string;

/** The keys of the superset; all absent in a stock openpi observation. */
export interface Control {
  /** A control message instead of a request: `hello`, `hb`, `bye`. */
  readonly op?: string;
  readonly endpoint: string;
  readonly sessionId?: string;
  readonly episode?: number;
  readonly seq?: number;
  readonly tMono?: Opaque;
}

/** Names of the control keys on the wire. */
export const controlKeys: ReadonlySet<string> = new Set([
  "op",
  "endpoint",
  "session_id",
  "episode",
  "seq",
  "t_mono",
]);

const maxIdLength = 128;

/** Read the control keys of a message. @throws PROTOCOL when one has a wrong type */
export function parseControl(message: WireMap): Control {
  return {
    op: name("op", message.op),
    endpoint: name("endpoint", message.endpoint) ?? "infer",
    sessionId: name("session_id", message.session_id),
    episode: count("episode", message.episode),
    seq: count("seq", message.seq),
    tMono: opaque(message.t_mono),
  };
}

/** The body of a message: its entries but for the control keys. */
export function withoutControl(message: WireMap): WireMap {
  const body = makeMap();
  for (const key of Object.keys(message)) if (!controlKeys.has(key)) body[key] = message[key];
  return body;
}

/** Does this message come from a client of the superset, that understands typed errors? */
export function isSuperset({ op, seq }: Control): boolean {
  return op !== undefined || seq !== undefined;
}

function name(key: string, value: WireValue): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && value.length > 0 && value.length <= maxIdLength) return value;
  return wrong(key, `text of 1 to ${maxIdLength} characters`, value);
}

function count(key: string, value: WireValue): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  return wrong(key, "a whole number from 0", value);
}

function opaque(value: WireValue): Opaque | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "string" && value.length <= maxIdLength) return value;
  return wrong("t_mono", "a number or short text", value);
}

function wrong(key: string, expected: string, value: WireValue): never {
  fail({ code: "PROTOCOL", what: `key "${key}" of the message is wrong`, expected, got: typeof value });
}
