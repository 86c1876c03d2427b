/** @file The public namespace, the types that flow from spaces, and every place where Reverie departs from Gymnasium on purpose. */

import { describe, expect, expectTypeOf, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { float32, ndarray, zeros } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { Box } from "../../../src/core/spaces/box.ts";
import type { SampleOf, Space, SpaceJSON } from "../../../src/core/spaces/space.ts";
import { spaces } from "../../../src/core/spaces/spaces.ts";

const bigints = (values: bigint[]): NdArray<"int64"> =>
  ndarray("int64", [values.length], BigInt64Array.from(values));
const integers = (values: number[]): NdArray<"int32"> =>
  ndarray("int32", [values.length], Int32Array.from(values));

describe("the namespace", () => {
  test("makes the same spaces with and without new, and instanceof knows them", () => {
    const called = spaces.Box(-1, 1, [2], "float64");
    const constructed = new spaces.Box(-1, 1, [2], "float64");
    expect(called.equals(constructed)).toBe(true);
    expect(called instanceof spaces.Box && constructed instanceof Box && called instanceof Box).toBe(true);
    const made: (readonly [unknown, Space])[] = [
      [spaces.Discrete, spaces.Discrete(2)],
      [spaces.MultiDiscrete, spaces.MultiDiscrete([2, 3])],
      [spaces.MultiBinary, spaces.MultiBinary(3)],
      [spaces.Text, spaces.Text(4)],
      [spaces.Tuple, spaces.Tuple([spaces.Discrete(2)])],
      [spaces.Dict, spaces.Dict({ a: spaces.Discrete(2) })],
      [spaces.OneOf, spaces.OneOf([spaces.Discrete(2)])],
      [spaces.Sequence, spaces.Sequence(spaces.Discrete(2))],
      [spaces.Graph, spaces.Graph(spaces.Discrete(2), null)],
    ];
    for (const [maker, space] of made) {
      expect(space).toBeInstanceOf(maker);
      expect(space.contains(space.sample())).toBe(true);
    }
  });

  test("takes a seed or a generator at construction, alike to seeding later", () => {
    const later = spaces.Discrete(1000);
    later.seed(42);
    expect(spaces.Discrete(1000, { seed: 42 }).sample()).toBe(later.sample());
    expect(spaces.Box(0, 1, [1], { seed: 1 }).sample().data[0]).toBe(Math.fround(Rng.fromSeed(1).random()));
    const shared = Rng.fromSeed(7);
    const space = spaces.MultiBinary(4, { seed: shared });
    expect(space.rng).toBe(shared);
    const dict = spaces.Dict({ a: spaces.Discrete(9), b: spaces.Discrete(9) }, { seed: { a: 1, b: 2 } });
    expect(dict.sample().a).toBe(spaces.Discrete(9, { seed: 1 }).sample());
  });

  test("types of elements and of batches follow from the spaces", () => {
    const space = spaces.Dict({
      frame: spaces.Box(0, 255, [4, 4, 3], "uint8"),
      speed: spaces.Box(0, 30),
      gear: spaces.Discrete(5),
      rest: spaces.Tuple([spaces.MultiBinary(2), spaces.Text(3)]),
      either: spaces.OneOf([spaces.Discrete(2), spaces.Text(2)]),
      list: spaces.Sequence(spaces.Discrete(2)),
    });
    const sample = space.sample();
    expectTypeOf(sample.frame).toEqualTypeOf<NdArray<"uint8">>();
    expectTypeOf(sample.speed).toEqualTypeOf<NdArray<"float32">>();
    expectTypeOf(sample.gear).toEqualTypeOf<number>();
    expectTypeOf(sample.rest).toEqualTypeOf<readonly [NdArray<"int8">, string]>();
    expectTypeOf(sample.either).toEqualTypeOf<readonly [index: number, value: string | number]>();
    expectTypeOf(sample.list).toEqualTypeOf<readonly number[]>();
    expectTypeOf<SampleOf<typeof space>>().toEqualTypeOf<typeof sample>();
    const batched = spaces.batchSpace(space, 2);
    expectTypeOf(batched.sample().gear).toEqualTypeOf<NdArray<"int32">>();
    expectTypeOf(batched.sample().frame).toEqualTypeOf<NdArray<"uint8">>();
    expectTypeOf(spaces.createEmptyArray(spaces.Discrete(3), 2)).toEqualTypeOf<NdArray<"int32">>();
    expectTypeOf(spaces.flatten(spaces.MultiBinary(2), sample.rest[0])).toEqualTypeOf<NdArray<"int8">>();
    expectTypeOf<spaces.Box<"uint8">>().toEqualTypeOf<Box<"uint8">>();
    const unknown: unknown = 3;
    if (space.spaces.gear.contains(unknown)) expectTypeOf(unknown).toEqualTypeOf<number>();
    expect(sample.rest).toHaveLength(2);
  });

  test("a space of one's own that keeps its elements apart batches, iterates and seeds", () => {
    class Even extends spaces.OpaqueSpace<number> implements Space<number> {
      readonly kind = "Even";
      readonly flattenable = false;
      constructor() {
        super(undefined, undefined);
      }
      sample(): number {
        return 2 * this.rng.integers(10);
      }
      contains(value: unknown): value is number {
        return typeof value === "number" && value % 2 === 0;
      }
      equals(other: unknown): boolean {
        return other instanceof Even;
      }
      sameShape(other: Space): boolean {
        return other instanceof Even;
      }
      copy(): Even {
        return this.withRngState(new Even());
      }
      toJSON(): SpaceJSON {
        return { kind: this.kind };
      }
      override toString(): string {
        return "Even()";
      }
      flatSpace(): Space {
        return this.notFlattenable();
      }
      flatten(): never {
        return this.notFlattenable();
      }
      unflatten(): never {
        return this.notFlattenable();
      }
    }
    const space = spaces.Dict({ even: new Even(), on: spaces.Discrete(2) });
    space.seed(1);
    const batched = space.batch(3);
    const items = [...batched.iterate(batched.sample())];
    expect(items.every((item) => space.contains(item))).toBe(true);
    expect(() => space.flatdim()).toThrow(/NOT_SUPPORTED/);
    expect(() => spaces.spaceFromJSON(space.toJSON())).toThrow(/unknown kind of space "Even"/);
  });
});

describe("memory", () => {
  test("batches iterate as views of the batch, and nothing else of a space is shared with its results", () => {
    const space = spaces.Box(-5, 5, [2]);
    const batch = space.createEmpty(3);
    const items = [...spaces.iterate(space.batch(3), batch)] as NdArray<"float32">[];
    items[1].data[0] = 4;
    expect([...batch.data]).toEqual([0, 0, 4, 0, 0, 0]);
    const sample = space.sample();
    const flat = space.flatten(sample);
    flat.data.fill(9);
    expect(space.contains(sample)).toBe(true);
    expect(space.unflatten(float32([1, 2])).data).not.toBe(flat.data);
  });

  test("an empty batch can live in memory of the caller's choice", () => {
    const space = spaces.Dict({ a: spaces.Box(0, 1, [2]), b: spaces.Discrete(3) });
    const shared = spaces.createEmptyArray(space, 2, (dtype, shape) => {
      const { data } = zeros(dtype, shape);
      const storage = Reflect.construct(data.constructor, [
        new SharedArrayBuffer(data.byteLength),
      ]) as typeof data;
      return { dtype, shape, data: storage };
    }) as { a: NdArray; b: NdArray };
    spaces.concatenate(space, [space.sample(), space.sample()], shared);
    expect(shared.a.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(shared.b.shape).toEqual([2]);
    expect(space.batch(2).contains(shared)).toBe(true);
  });
});

describe("integers without bigints", () => {
  test("NumPy's default integers are labelled int64 and held as int32 numbers", () => {
    const space = spaces.MultiDiscrete([3, 4]);
    expect([space.dtype, space.sample().dtype]).toEqual(["int64", "int32"]);
    const batch = spaces.Discrete(3).batch(2);
    expect([batch.dtype, batch.sample().dtype]).toEqual(["int64", "int32"]);
    expect(spaces.Discrete(3).flatten(1)).toEqual(integers([0, 1, 0]));
    expect(
      spaces
        .Discrete(3)
        .flatSpace()
        .contains(bigints([0n, 1n, 0n])),
    ).toBe(true);
  });

  test("int64 that was asked for is int64, with the same numbers", () => {
    const asked = spaces.MultiDiscrete([300, 4], { dtype: "int64", seed: 3 });
    const standard = spaces.MultiDiscrete([300, 4], { seed: 3 });
    const sample = asked.sample();
    expect(sample.data).toBeInstanceOf(BigInt64Array);
    expect(Array.from(sample.data, Number)).toEqual([...standard.sample().data]);
    expect(asked.equals(standard)).toBe(true);
    expect(spaces.Discrete(3, { dtype: "int64" }).batch(2).sample().dtype).toBe("int64");
  });

  test("both storages are elements of either", () => {
    for (const space of [spaces.MultiDiscrete([3, 4]), spaces.MultiDiscrete([3, 4], { dtype: "int64" })]) {
      expect(space.contains(integers([2, 3])) && space.contains(bigints([2n, 3n]))).toBe(true);
      expect(space.contains(bigints([3n, 0n]))).toBe(false);
    }
  });

  test("values beyond int32 are held as int64", () => {
    const space = spaces.Discrete(2 ** 35);
    expect(space.batch(2).sample().dtype).toBe("int64");
    expect(space.contains(2 ** 35 - 1) && !space.contains(2 ** 35)).toBe(true);
    const wide = spaces.Box(-(2n ** 63n), 2n ** 63n - 1n, [3], "int64");
    expect(wide.contains(wide.sample())).toBe(true);
    expect(spaces.spaceFromJSON(JSON.parse(JSON.stringify(wide))).equals(wide)).toBe(true);
  });
});

describe("departures from Gymnasium", () => {
  test("a boolean or a bigint is no number: Discrete refuses them", () => {
    expect(spaces.Discrete(3).contains(true)).toBe(false);
    expect(spaces.Discrete(3).contains(1n)).toBe(false);
  });

  test("lists with fractions are no elements of an integer Box: nothing is cut off silently", () => {
    expect(spaces.Box(0, 5, [2], "int32").contains([1, 2])).toBe(true);
    expect(spaces.Box(0, 5, [2], "int32").contains([1.5, 2])).toBe(false);
    expect(() => spaces.Box(0.5, 5, [2], "int32")).toThrow(/integer in the range/);
  });

  test("lists serve as bounds, as arrays do", () => {
    const space = spaces.Box([[-1, 0]], [[1, Infinity]]);
    expect(space.shape).toEqual([1, 2]);
    expect([...space.boundedAbove]).toEqual([1, 0]);
  });

  test("a batch, a flat space and a copy keep what is unbounded unbounded", () => {
    const space = spaces.Box(-Infinity, Infinity, [50], "int16");
    space.seed(0);
    for (const derived of [space.batch(2), space.flatSpace(), space.copy()]) {
      expect(derived.isBounded("below") || derived.isBounded("above")).toBe(false);
      // Normal draws, not uniform ones over the whole range of int16.
      expect(derived.sample().data.every((value: number | bigint) => Math.abs(Number(value)) < 10)).toBe(
        true,
      );
    }
  });

  test("a batch keeps the order of names", () => {
    const space = spaces.Dict([
      ["z", spaces.Discrete(2)],
      ["a", spaces.Discrete(3)],
    ]);
    expect(space.batch(2).keys).toEqual(["z", "a"]);
    expect(String(space.batch(2))).toBe("Dict('z': MultiDiscrete([2 2]), 'a': MultiDiscrete([3 3]))");
  });

  test("a OneOf of containers survives JSON, and its flat form is in the flat space", () => {
    const space = spaces.OneOf([
      spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 1, [2])]),
      spaces.Dict({ a: spaces.Discrete(3), b: spaces.Discrete(3) }),
    ]);
    space.seed(3);
    for (let i = 0; i < 10; i++) {
      const sample = space.sample();
      expect(space.fromJsonable(JSON.parse(JSON.stringify(space.toJsonable([sample]))))).toEqual([sample]);
      expect(space.flatSpace().contains(space.flatten(sample))).toBe(true);
    }
    const floats = spaces.OneOf([spaces.Box(0, 1, [2]), spaces.Box(0, 1, [1])]);
    expect(floats.flatSpace().contains(floats.flatten(floats.sample()))).toBe(true);
  });

  test("the largest unsigned bounds sample within themselves", () => {
    const space = spaces.Box(0n, 2n ** 64n - 1n, [20], "uint64");
    space.seed(1);
    const sample = space.sample();
    expect(space.contains(sample)).toBe(true);
    expect(new Set(sample.data).size).toBe(20);
  });

  test("flattening refuses a value outside, where NumPy's index would wrap to another value", () => {
    expect(() => spaces.Discrete(3).flatten(-1)).toThrow(/no element of Discrete\(3\)/);
    expect(() => spaces.MultiDiscrete([2, 2]).flatten(integers([2, 0]))).toThrow(/no element/);
    expect(() => spaces.Text(2).flatten("é")).toThrow(/no element/);
  });

  test("spaces of different lengths are simply not equivalent", () => {
    const [one, two] = [
      spaces.Tuple([spaces.Discrete(2)]),
      spaces.Tuple([spaces.Discrete(2), spaces.Discrete(2)]),
    ];
    expect(spaces.isSpaceDtypeShapeEquiv(two, one)).toBe(false);
    expect(spaces.isSpaceDtypeShapeEquiv(one, two)).toBe(false);
  });

  test("malformed batches are no elements of stacked sequences and graphs, without an exception", () => {
    const stacked = spaces.Sequence(spaces.Box(0, 1, [2]), { stack: true });
    const graph = spaces.Graph(spaces.Box(0, 1, [2]), spaces.Discrete(2));
    for (const alien of [5, "nodes", [[0, 1]], { nodes: 3 }, { nodes: null }, float32([1])]) {
      expect(stacked.contains(alien)).toBe(false);
      expect(graph.contains(alien)).toBe(false);
    }
  });
});

describe("equality", () => {
  test("depends on kind, bounds, dtype and order where order counts", () => {
    expect(spaces.MultiBinary(3).equals(spaces.MultiBinary([3]))).toBe(false);
    expect(spaces.Box(0, 1).equals(spaces.Box(0, 1 + 1e-7))).toBe(true);
    expect(spaces.Box(0, 1).equals(spaces.Box(0, 1.1))).toBe(false);
    expect(spaces.Box(0, 1).equals(spaces.Box(0, 1, [1], "float64"))).toBe(false);
    expect(spaces.Box(-Infinity, 1).equals(spaces.Box(-Infinity, 1))).toBe(true);
    expect(spaces.Discrete(3).equals(spaces.Discrete(3, { start: 1 }))).toBe(false);
    expect(spaces.Text(3, { charset: "ab" }).equals(spaces.Text(3, { charset: "ba" }))).toBe(true);
    const [a, b] = [spaces.Discrete(2), spaces.Discrete(3)];
    expect(spaces.Tuple([a, b]).equals(spaces.Tuple([b, a]))).toBe(false);
    expect(
      spaces
        .Dict(
          new Map([
            ["x", a],
            ["y", b],
          ]),
        )
        .equals(spaces.Dict({ y: b, x: a })),
    ).toBe(true);
    expect(spaces.Dict({ x: a }).equals({ kind: "Dict" })).toBe(false);
  });
});

describe("what is refused", () => {
  const refused: readonly (readonly [string, () => unknown, RegExp])[] = [
    ["NaN bounds", () => spaces.Box(Number.NaN, 1), /NaN/],
    ["low above high", () => spaces.Box(1, 0), /low <= high/],
    ["bounds of another shape", () => spaces.Box([0, 0], [1, 1], [3]), /shape \[3\]/],
    ["bounds that differ in shape", () => spaces.Box([0, 0], [1]), /INVALID_SHAPE/],
    ["ragged bounds", () => spaces.Box([[0], [0, 1]], 1), /numbers/],
    ["bounds outside the dtype", () => spaces.Box(0, 256, [1], "uint8"), /range of uint8/],
    ["infinite unsigned bounds", () => spaces.Box(0, Infinity, [1], "uint8"), /range of uint8/],
    ["bounds beyond float32", () => spaces.Box(-1e39, 0), /range of float32/],
    ["an unknown dtype", () => spaces.Box(0, 1, [1], "float16" as "float32"), /dtype/],
    ["a Discrete of none", () => spaces.Discrete(0), /positive integer/],
    ["a Discrete beyond its dtype", () => spaces.Discrete(300, { dtype: "uint8" }), /uint8/],
    ["counts of zero", () => spaces.MultiDiscrete([2, 0]), /positive/],
    ["starts of another shape", () => spaces.MultiDiscrete([2, 2], { start: [0] }), /same shape/],
    ["a MultiBinary of none", () => spaces.MultiBinary(0), /positive/],
    ["a Text longer at least than at most", () => spaces.Text(1, { minLength: 2 }), /minLength <= maxLength/],
    ["characters of more than one", () => spaces.Text(1, { charset: new Set(["ab"]) }), /single characters/],
    ["a OneOf of nothing", () => spaces.OneOf([]), /at least one/],
    [
      "a name twice",
      () =>
        spaces.Dict([
          ["a", spaces.Discrete(2)],
          ["a", spaces.Discrete(2)],
        ]),
      /twice/,
    ],
    ["a batch of none", () => spaces.Discrete(2).batch(0), /n >= 1/],
    ["a batch of no spaces", () => spaces.batchDifferingSpaces([]), /at least one/],
    [
      "a batch of unlike spaces",
      () => spaces.batchDifferingSpaces<Space>([spaces.Discrete(2), spaces.Box(0, 1)]),
      /one batch/,
    ],
    [
      "a batch of unlike shapes",
      () => spaces.batchDifferingSpaces([spaces.Box(0, 1), spaces.Box(0, 1, [2])]),
      /one batch/,
    ],
    ["iterating a Discrete", () => [...spaces.Discrete(2).iterate(1)], /NOT_SUPPORTED/],
    [
      "a mask and probabilities",
      () => spaces.Discrete(2).sample({ mask: [1, 1], probability: [0.5, 0.5] }),
      /not both/,
    ],
    ["a mask of a Box", () => spaces.Box(0, 1).sample({ mask: [1] }), /neither a mask/],
    ["a mask of other values", () => spaces.Discrete(2).sample({ mask: [1, 2] }), /0 or 1/],
    ["a mask of another length", () => spaces.Discrete(2).sample({ mask: [1] }), /wrong length/],
    ["probabilities that sum to 2", () => spaces.Discrete(2).sample({ probability: [1, 1] }), /sum to 1/],
    [
      "negative probabilities",
      () => spaces.MultiDiscrete([2]).sample({ probability: [[-1, 2]] }),
      /out of range/,
    ],
    [
      "masks not nested as the shape",
      () => spaces.MultiDiscrete([2, 2]).sample({ mask: [1, 1] }),
      /wrong|nested|list/,
    ],
    ["bits other than 0, 1, 2", () => spaces.MultiBinary(2).sample({ mask: [0, 3] }), /0, 1 or 2/],
    [
      "masks for other names",
      () => spaces.Dict({ a: spaces.Discrete(2) }).sample({ mask: { b: null } }),
      /record with a/,
    ],
    ["too few masks", () => spaces.Tuple([spaces.Discrete(2)]).sample({ mask: [] }), /list of 1/],
    [
      "a text that must be empty and not",
      () => spaces.Text(2, { charset: "ab" }).sample({ mask: [null, [0, 0]] }),
      /at least one character/,
    ],
    ["a text of a wrong length", () => spaces.Text(2).sample({ mask: [3, null] }), /length from 1 to 2/],
    [
      "a sequence of negative length",
      () => spaces.Sequence(spaces.Discrete(2)).sample({ mask: [-1, null] }),
      /length/,
    ],
    [
      "a graph without nodes",
      () => spaces.Graph(spaces.Discrete(2), null).sample({ numNodes: 0 }),
      /numNodes/,
    ],
    ["seeds that do not fit", () => spaces.Tuple([spaces.Discrete(2)]).seed([1, 2]), /seeds do not fit/],
    ["a list as the seed of one", () => spaces.Discrete(2).seed([1]), /an integer/],
    ["unflattening zeros", () => spaces.Discrete(3).unflatten(integers([0, 0, 0])), /all zeros/],
    [
      "unflattening other lengths",
      () => spaces.Tuple([spaces.Discrete(2)]).unflatten(integers([1])),
      /2 numbers/,
    ],
    ["JSON that is no space", () => spaces.spaceFromJSON([1]), /no space/],
    ["JSON without fields", () => spaces.spaceFromJSON({ kind: "Box" }), /bad "shape"/],
    [
      "JSON of a huge space",
      () => spaces.spaceFromJSON({ kind: "Box", dtype: "uint8", shape: [1e6, 1e6], low: 0, high: 1 }),
      /elements/,
    ],
    [
      "JSON with a float dtype for integers",
      () => spaces.spaceFromJSON({ kind: "Discrete", n: 2, start: 0, dtype: "float32" }),
      /integer dtype/,
    ],
    ["a misspelt kind", () => spaces.spaceFromJSON({ kind: "Discret" }), /did you mean "Discrete"/],
    ["JSON of another array", () => spaces.Box(0, 1, [2]).fromJsonable([[1, [2]]]), /nested lists/],
  ];

  test.each(refused)("%s", (_, action, message) => {
    expect(action).toThrow(message);
  });

  test("JSON that nests without end", () => {
    let json: unknown = { kind: "Discrete", n: 2, start: 0, dtype: "int64" };
    for (let i = 0; i < 100; i++) json = { kind: "Tuple", spaces: [json] };
    expect(() => spaces.spaceFromJSON(json)).toThrow(/too deeply/);
  });
});

describe("names that JavaScript knows already", () => {
  test("are names like others in a Dict", () => {
    const pairs = [
      ["constructor", spaces.Discrete(2)],
      ["__proto__", spaces.Discrete(3)],
    ] as const;
    const space = spaces.Dict(pairs);
    space.seed(1);
    const sample = space.sample();
    expect(Object.keys(sample).toSorted()).toEqual(["__proto__", "constructor"]);
    expect(space.contains(sample)).toBe(true);
    expect(space.unflatten(space.flatten(sample))).toEqual(sample);
    expect(space.contains({ constructor: 1 })).toBe(false);
  });
});
