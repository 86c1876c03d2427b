/** @file Laws that hold for every space, checked on spaces built at random. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DType, NdArray } from "../../../src/core/ndarray.ts";
import { isNdArray } from "../../../src/core/ndarray.ts";
import { toNested } from "../../../src/core/spaces/arrays.ts";
import { Box } from "../../../src/core/spaces/box.ts";
import { Dict } from "../../../src/core/spaces/dict.ts";
import { Discrete } from "../../../src/core/spaces/discrete.ts";
import { Graph } from "../../../src/core/spaces/graph.ts";
import { spaceFromJSON } from "../../../src/core/spaces/json.ts";
import { MultiBinary } from "../../../src/core/spaces/multi-binary.ts";
import { MultiDiscrete } from "../../../src/core/spaces/multi-discrete.ts";
import { OneOf } from "../../../src/core/spaces/one-of.ts";
import * as ops from "../../../src/core/spaces/operations.ts";
import { Sequence } from "../../../src/core/spaces/sequence.ts";
import type { Space } from "../../../src/core/spaces/space.ts";
import { Text } from "../../../src/core/spaces/text.ts";
import { Tuple } from "../../../src/core/spaces/tuple.ts";

const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 });
const integerTypes = fc.constantFrom(
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
);

const floatBoxes = fc
  .record({
    shape: shapes,
    dtype: fc.constantFrom<DType>("float32", "float64"),
    low: fc.constantFrom(-Infinity, -3, 0),
    high: fc.constantFrom(0, 2.5, 1e6, Infinity),
  })
  .map(({ shape, dtype, low, high }) => new Box<DType>(low, high, shape, dtype));
const integerBoxes = fc
  .record({ shape: shapes, dtype: integerTypes, low: fc.nat(50), width: fc.nat(60) })
  .map(({ shape, dtype, low, width }) => new Box<DType>(low, low + width, shape, dtype));
const discretes = fc
  .record({ n: fc.integer({ min: 1, max: 9 }), start: fc.integer({ min: -5, max: 5 }) })
  .map(({ n, start }) => new Discrete(n, { start }));
const multiDiscretes = fc
  .record({
    nvec: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
    dtype: fc.option(integerTypes),
  })
  .map(({ nvec, dtype }) => new MultiDiscrete(nvec, dtype === null ? {} : { dtype }));
const multiBinaries = fc.oneof(
  fc.integer({ min: 1, max: 5 }).map((n) => new MultiBinary(n)),
  fc
    .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 })
    .map((shape) => new MultiBinary(shape)),
);
const texts = fc
  .record({ min: fc.nat(2), extra: fc.nat(3), charset: fc.constantFrom("ab", "zyx0", "é€𝄞") })
  .map(({ min, extra, charset }) => new Text(min + extra, { minLength: min, charset }));
const leaves = fc.oneof(
  floatBoxes,
  integerBoxes,
  discretes,
  multiDiscretes,
  multiBinaries,
) as fc.Arbitrary<Space>;

/** Spaces with a flat form: leaves, texts, and containers of them. */
const flattenables = fc.letrec<{ space: Space }>((tie) => {
  const children = fc.array(tie("space"), { minLength: 1, maxLength: 3 });
  return {
    space: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaves,
      texts,
      children.map((spaces) => new Tuple(spaces)),
      children.map((spaces) => new Dict(spaces.map((space, i) => [`k${(i * 7) % 5}${i}`, space] as const))),
      children.map((spaces) => new OneOf(spaces)),
    ),
  };
}).space;

/** Any space, those of changing length included. */
const anySpaces = fc.oneof(
  flattenables,
  fc
    .record({ space: flattenables, stack: fc.boolean() })
    .map(({ space, stack }) => new Sequence<Space, boolean>(space, { stack })),
  fc.record({ nodes: leaves, edges: fc.option(leaves) }).map(({ nodes, edges }) => new Graph(nodes, edges)),
  fc.tuple(leaves, leaves).map(([a, b]) => new Dict({ a, rest: new Tuple([new Sequence(b), a.copy()]) })),
) as fc.Arbitrary<Space>;

const seeds = fc.nat(2 ** 31 - 1);

/** Elements as plain data: arrays as nested lists, so that storage does not matter. */
function plain(value: unknown): unknown {
  if (isNdArray(value)) return toNested(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
  }
  return value;
}

function seeded(space: Space, seed: number): Space {
  space.seed(seed);
  return space;
}

function forAll(spaces: fc.Arbitrary<Space>, law: (space: Space) => void): void {
  fc.assert(
    fc.property(spaces, seeds, (space, seed) => law(seeded(space, seed))),
    { numRuns: 150 },
  );
}

describe("every space", () => {
  test("holds its samples, and refuses what is none", () => {
    forAll(anySpaces, (space) => {
      expect(space.contains(space.sample())).toBe(true);
      for (const alien of [undefined, null, Number.NaN, "\u0000", { alien: 1 }, [{}], new Date(0)]) {
        expect(space.contains(alien)).toBe(false);
      }
    });
  });

  test("samples the same after the same seed, and after the seeds that seeding gave back", () => {
    forAll(anySpaces, (space) => {
      const used = space.seed(5);
      const expected = [space.sample(), space.sample()];
      space.seed(5);
      expect([space.sample(), space.sample()]).toEqual(expected);
      space.seed(used);
      expect([space.sample(), space.sample()]).toEqual(expected);
      const entropy = space.seed();
      const drawn = space.sample();
      space.seed(entropy);
      expect(space.sample()).toEqual(drawn);
    });
  });

  test("comes back from its JSON text: equal, printed and sampled alike", () => {
    forAll(anySpaces, (space) => {
      const back = spaceFromJSON(JSON.parse(JSON.stringify(space)));
      expect(back.equals(space) && space.equals(back)).toBe(true);
      expect(String(back)).toBe(String(space));
      expect(JSON.stringify(back)).toBe(JSON.stringify(space));
      space.seed(3);
      back.seed(3);
      expect(back.sample()).toEqual(space.sample());
    });
  });

  test("copies itself with its generators and shares none of them", () => {
    forAll(anySpaces, (space) => {
      const copy = space.copy();
      expect(copy.equals(space)).toBe(true);
      const drawn = [copy.sample(), copy.sample()];
      expect([space.sample(), space.sample()]).toEqual(drawn);
    });
  });

  test("brings samples back from their JSON text", () => {
    forAll(anySpaces, (space) => {
      const samples = [space.sample(), space.sample(), space.sample()];
      const back = space.fromJsonable(JSON.parse(JSON.stringify(space.toJsonable(samples))));
      expect(back).toEqual(samples);
    });
  });

  test("unflattens what it flattened, and the flat space holds it", () => {
    forAll(anySpaces, (space) => {
      const sample = space.sample();
      const flat = ops.flatten(space, sample);
      expect(ops.unflatten(space, flat)).toEqual(sample);
      expect(ops.flattenSpace(space).contains(flat)).toBe(true);
      if (!space.flattenable) return;
      expect(isNdArray(flat) && flat.shape).toEqual([ops.flatdim(space)]);
      expect(ops.flattenSpace(space).shape).toEqual([ops.flatdim(space)]);
    });
  });

  test("writes flat elements anywhere in the caller's array", () => {
    forAll(flattenables, (space) => {
      const sample = space.sample();
      const size = space.flatdim();
      const out = new Float64Array(size + 4).fill(-77);
      space.writeFlat(sample, out, 2);
      const flat = space.flatten(sample) as NdArray;
      expect([...out.subarray(2, 2 + size)]).toEqual(
        Array.from(flat.data as ArrayLike<number | bigint>, Number),
      );
      expect([out[0], out[1], out[size + 2], out[size + 3]]).toEqual([-77, -77, -77, -77]);
    });
  });

  test("iterates a concatenated batch back into its elements, in the caller's buffers", () => {
    forAll(anySpaces, (space) => {
      const samples = [space.sample(), space.sample(), space.sample()];
      const out = ops.createEmptyArray(space, 3);
      const batch = ops.concatenate(space, samples, out);
      expect(batch).toBe(out);
      const batched = ops.batchSpace(space, 3);
      expect(batched.contains(batch)).toBe(true);
      const items = [...ops.iterate(batched, batch)];
      expect(items.map(plain)).toEqual(samples.map(plain));
      expect(items.every((item) => space.contains(item))).toBe(true);
      expect(space.batchLength(batch)).toBe(3);
    });
  });

  test("batches to a space whose samples iterate into elements", () => {
    forAll(anySpaces, (space) => {
      const batched = space.batch(4);
      const items = [...batched.iterate(batched.sample())];
      expect(items).toHaveLength(4);
      expect(items.every((item) => space.contains(item))).toBe(true);
      expect(batched.equals(space.batchDiffering([space, space, space, space]))).toBe(true);
      expect(space.sameShape(space.copy())).toBe(true);
    });
  });

  test("leaves the single space's generator alone when a batch samples", () => {
    forAll(anySpaces, (space) => {
      const twin = space.copy();
      space.batch(3).sample();
      expect(space.sample()).toEqual(twin.sample());
    });
  });
});
