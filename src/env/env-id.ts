/** @file Environment ids: `[namespace/]name[-vN]` taken apart. */

import { fail } from "../core/errors.ts";

/** An id taken apart; `version` and `namespace` are undefined where the id has none. */
export interface ParsedId {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly version: number | undefined;
}

const idPattern = /^(?:([\p{L}\p{N}_:-]+)\/)?([\p{L}\p{N}_:.-]+?)(?:-v(\d+))?$/u;

/** Take an id apart. @throws INVALID_ARGUMENT for a malformed one. @source Gymnasium 1.4 `registration.py` */
export function parseEnvId(id: string): ParsedId {
  const match = idPattern.exec(id);
  if (match === null) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `malformed environment id "${id}"`,
      expected: "[namespace/]name[-vN], e.g. CartPole-v1 or lab/Reach-v0",
      fix: "use letters, digits, _ : . - only",
    });
  }
  return {
    namespace: match[1],
    name: match[2],
    version: match[3] === undefined ? undefined : Number(match[3]),
  };
}
