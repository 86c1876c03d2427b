/** @file What a stranger sent, checked: decoded maps become operator messages or a typed error. */

import { fail } from "../../core/errors.ts";
import { isNdArray } from "../../core/ndarray.ts";
import { isWireMap } from "../codec.ts";
import type { WireMap, WireValue } from "../codec.ts";
import type { OperatorMessage } from "./protocol.ts";

type Check = (value: WireValue) => boolean;

const number: Check = (value) => typeof value === "number";
const text: Check = (value) => typeof value === "string";
const names: Check = (value) => Array.isArray(value) && value.every(text);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);

const fields: Readonly<Record<OperatorMessage["op"], Readonly<Record<string, Check>>>> = {
  hello: { protocol: number, channels: optional(names), session: optional(text) },
  act: {
    seq: number,
    observed: optional(number),
    start: optional(number),
    step_seconds: number,
    actions: isNdArray,
  },
  hb: { observed: optional(number), t: optional(number) },
  reset: { id: number, seed: optional(number), options: optional(isWireMap) },
  stop: { latch: optional((value) => typeof value === "boolean") },
  release: {},
  credit: {},
};

const checks = new Map(Object.entries(fields).map(([op, byName]) => [op, Object.entries(byName)]));

/** Check a decoded map. @throws PROTOCOL naming the field that is wrong */
export function operatorMessage(map: WireMap): OperatorMessage {
  const { op } = map;
  const expected = typeof op === "string" ? checks.get(op) : undefined;
  if (expected === undefined) {
    fail({
      code: "PROTOCOL",
      what: "unknown message",
      expected: [...checks.keys()].join(", "),
      got: typeof op === "string" ? op.slice(0, 40) : typeof op,
    });
  }
  const message: Record<string, WireValue> = { op };
  for (const [name, check] of expected) {
    if (!check(map[name]))
      fail({ code: "PROTOCOL", what: `"${op as string}": field "${name}" is missing or of the wrong type` });
    message[name] = map[name] ?? undefined;
  }
  return message as unknown as OperatorMessage;
}
