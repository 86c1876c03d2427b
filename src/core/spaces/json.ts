/** @file Spaces from their JSON form: what the wire, checkpoints and Python read and write. */

import type { IntegerDType } from "../dtypes.ts";
import { fail, unknownName } from "../errors.ts";
import type { DType } from "../ndarray.ts";
import { Box } from "./box.ts";
import { Dict } from "./dict.ts";
import { Discrete } from "./discrete.ts";
import { Graph } from "./graph.ts";
import { MultiBinary } from "./multi-binary.ts";
import { MultiDiscrete } from "./multi-discrete.ts";
import { OneOf } from "./one-of.ts";
import { Sequence } from "./sequence.ts";
import type { Space } from "./space.ts";
import { Text } from "./text.ts";
import { Tuple } from "./tuple.ts";

type Fields = Readonly<Record<string, unknown>>;

function boundOf(bound: unknown): number | bigint | (number | bigint)[] {
  if (Array.isArray(bound)) return bound.map((value) => boundOf(value) as number | bigint);
  if (typeof bound === "string") return /^-?\d+$/.test(bound) ? BigInt(bound) : Number(bound);
  return typeof bound === "number" ? bound : Number.NaN;
}

function boxOf(fields: Fields): Space {
  const shape = fields.shape as readonly number[];
  const { dtype, elementDtype } = fields as { dtype: DType; elementDtype?: DType };
  const [low, high] = [boundOf(fields.low), boundOf(fields.high)];
  // Bounds are written row by row; `Box` wants them in the Box's shape.
  const flat = new Box<DType>(low, high, [shape.reduce((a, b) => a * b, 1)], { dtype, elementDtype });
  const bounded = { below: flat.boundedBelow, above: flat.boundedAbove };
  return new Box<DType>({ ...flat.low, shape }, { ...flat.high, shape }, shape, {
    dtype,
    elementDtype,
    bounded,
  });
}

function integerTypes(fields: Fields): { dtype: IntegerDType; elementDtype?: IntegerDType } {
  const { dtype, elementDtype } = fields as { dtype: IntegerDType; elementDtype?: IntegerDType };
  return { dtype, elementDtype };
}

function listOf(spaces: unknown): Space[] {
  return (spaces as unknown[]).map(spaceFromJSON);
}

const readers: Readonly<Record<string, (fields: Fields) => Space>> = {
  Box: boxOf,
  Discrete: (fields) =>
    new Discrete<IntegerDType>(fields.n as number, {
      start: fields.start as number,
      ...integerTypes(fields),
    }),
  MultiDiscrete: (fields) =>
    new MultiDiscrete<IntegerDType>(fields.nvec as readonly unknown[], {
      start: fields.start as readonly unknown[],
      ...integerTypes(fields),
    }),
  MultiBinary: (fields) => new MultiBinary(fields.n as number | readonly number[]),
  Text: (fields) =>
    new Text(fields.maxLength as number, {
      minLength: fields.minLength as number,
      charset: fields.charset as string,
    }),
  Tuple: (fields) => new Tuple(listOf(fields.spaces)),
  OneOf: (fields) => new OneOf(listOf(fields.spaces)),
  Dict: (fields) =>
    new Dict(
      (fields.spaces as [string, unknown][]).map(([key, space]) => [key, spaceFromJSON(space)] as const),
    ),
  Sequence: (fields) =>
    new Sequence<Space, boolean>(spaceFromJSON(fields.space), { stack: fields.stack as boolean }),
  Graph: (fields) =>
    new Graph(
      spaceFromJSON(fields.nodeSpace),
      fields.edgeSpace === null ? null : spaceFromJSON(fields.edgeSpace),
    ),
};

/**
 * The space that `toJSON` wrote; generators are not part of it.
 * @throws INVALID_ARGUMENT for what is no space, UNKNOWN_NAME for a kind of space that is not built in
 */
export function spaceFromJSON(json: unknown): Space {
  if (typeof json !== "object" || json === null || !("kind" in json) || typeof json.kind !== "string") {
    fail({
      code: "INVALID_ARGUMENT",
      what: "this JSON is no space",
      expected: 'a record with "kind"',
      got: JSON.stringify(json)?.slice(0, 200),
    });
  }
  const reader = Object.hasOwn(readers, json.kind) ? readers[json.kind] : undefined;
  if (reader === undefined) throw unknownName("kind of space", json.kind, Object.keys(readers));
  return reader(json);
}
