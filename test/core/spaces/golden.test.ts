/** @file Every space against values recorded from Gymnasium 1.4 with NumPy 2.4: seeds, samples, batches, flat forms, membership, text. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { DType, NdArray } from "../../../src/core/ndarray.ts";
import { isNdArray } from "../../../src/core/ndarray.ts";
import { arrayOf, toNested } from "../../../src/core/spaces/arrays.ts";
import { arrayText, scalarText } from "../../../src/core/spaces/format.ts";
import { spaceFromJSON } from "../../../src/core/spaces/json.ts";
import { batchDifferingSpaces } from "../../../src/core/spaces/operations.ts";
import type { SpaceJSON } from "../../../src/core/spaces/space.ts";

interface ArrayCode {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

type Coded = { readonly [tag: string]: unknown };

interface Run {
  readonly seed: number;
  readonly seeds: unknown;
  readonly samples: readonly unknown[];
  readonly json?: unknown;
  readonly restricted: readonly { kind: "mask" | "probability"; value: unknown; samples: unknown }[];
  readonly batch?: unknown;
  readonly flat?: readonly unknown[];
}

interface Golden {
  readonly spaces: readonly {
    space: SpaceJSON;
    repr: string;
    batchRepr?: string;
    flatRepr?: string;
    flatdim: number | null;
    runs: readonly Run[];
  }[];
  readonly differing: readonly { spaces: readonly SpaceJSON[]; repr: string }[];
  readonly contains: readonly { space: SpaceJSON; value: Coded; contains: boolean; text: string }[];
  readonly arrayText: readonly { array: ArrayCode; str: string }[];
  readonly scalarText: readonly { dtype: DType; value: number | string; str: string }[];
}

const golden = JSON.parse(readFileSync(new URL("../golden/spaces.json", import.meta.url), "utf8")) as Golden;

function arrayFrom({ dtype, shape, data }: ArrayCode): NdArray {
  const big = dtype === "int64" || dtype === "uint64";
  return arrayOf(
    data.map((value) => (big ? BigInt(value) : Number(value))),
    shape,
    dtype,
  );
}

function decode(value: Coded): unknown {
  if ("array" in value) return arrayFrom(value.array as ArrayCode);
  if ("list" in value) return (value.list as Coded[]).map(decode);
  if ("none" in value) return null;
  if ("record" in value) {
    return Object.fromEntries(Object.entries(value.record as Coded).map(([k, v]) => [k, decode(v as Coded)]));
  }
  if ("graph" in value) {
    const [nodes, edges, edgeLinks] = (value.graph as Coded[]).map(decode);
    return { nodes, edges, edgeLinks };
  }
  return value.number ?? value.text ?? value.bool;
}

/** Elements with every array as nested lists, as the recording has them. */
function plain(value: unknown): unknown {
  if (isNdArray(value)) return toNested(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
  }
  return value;
}

describe("what Gymnasium recorded", () => {
  test.each(golden.spaces.map((row) => [row.repr, row] as const))("%s prints as there", (repr, row) => {
    const space = spaceFromJSON(row.space);
    expect(String(space)).toBe(repr);
    if (row.batchRepr !== undefined) expect(String(space.batch(3))).toBe(row.batchRepr);
    if (row.flatRepr !== undefined) expect(String(space.flatSpace())).toBe(row.flatRepr);
    if (row.flatdim !== null) expect(space.flatdim()).toBe(row.flatdim);
    else expect(space.flattenable).toBe(false);
  });

  test.each(golden.spaces.map((row) => [row.repr, row] as const))(
    "%s seeds and samples equally",
    (_, row) => {
      for (const run of row.runs) {
        const space = spaceFromJSON(row.space);
        expect(space.seed(run.seed)).toEqual(run.seeds);
        const samples = Array.from({ length: 4 }, () => space.sample());
        expect(samples.map(plain)).toEqual(run.samples);
        expect(samples.every((sample) => space.contains(sample))).toBe(true);
        if (run.json !== undefined) expect(space.toJsonable(samples)).toEqual(run.json);
        run.flat?.forEach((flat, i) => expect(plain(space.flatten(samples[i]))).toEqual(flat));
      }
    },
  );

  test.each(
    golden.spaces.filter((row) => row.runs[0].restricted.length > 0).map((row) => [row.repr, row] as const),
  )("%s samples equally under masks and probabilities", (_, row) => {
    for (const run of row.runs) {
      for (const { kind, value, samples } of run.restricted) {
        const space = spaceFromJSON(row.space);
        space.seed(run.seed);
        const drawn = Array.from({ length: 3 }, () => space.sample({ [kind]: value }));
        expect(drawn.map(plain)).toEqual(samples);
      }
    }
  });

  test.each(golden.spaces.map((row) => [row.repr, row] as const))(
    "a batch of %s samples equally",
    (_, row) => {
      for (const run of row.runs) {
        const space = spaceFromJSON(row.space);
        space.seed(run.seed);
        const batched = space.batch(3);
        if (run.batch !== undefined) expect(plain(batched.sample())).toEqual(run.batch);
      }
    },
  );

  test.each(golden.contains.map((row) => [row.text, row] as const))("membership: %s", (_, row) => {
    expect(spaceFromJSON(row.space).contains(decode(row.value))).toBe(row.contains);
  });

  test.each(golden.differing.map((row) => [row.repr, row] as const))(
    "differing spaces batch to %s",
    (repr, row) => {
      expect(String(batchDifferingSpaces(row.spaces.map(spaceFromJSON)))).toBe(repr);
    },
  );

  test.each(golden.arrayText)("array text: $str", ({ array, str }) => {
    expect(arrayText(arrayFrom(array))).toBe(str);
  });

  test.each(golden.scalarText)("scalar text: $str", ({ dtype, value, str }) => {
    expect(scalarText(Number(value), dtype)).toBe(str);
  });
});
