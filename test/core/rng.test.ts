/** @file The generator against values recorded from NumPy, its saved state, and its fast noise. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NdArray } from "../../src/core/ndarray.ts";
import { ndarray } from "../../src/core/ndarray.ts";
import type { IntegerDType } from "../../src/core/dtypes.ts";
import { integerLimits } from "../../src/core/dtypes.ts";
import { Rng } from "../../src/core/rng.ts";

interface Row {
  readonly seed: string | readonly string[];
  readonly state: { readonly state: string; readonly inc: string };
  readonly first: readonly number[];
  readonly hashes: Readonly<Record<string, string>>;
  readonly mixed: readonly number[];
  readonly geometric: readonly number[];
  readonly geometricLikely: readonly number[];
  readonly choice: readonly number[];
  readonly weighted: readonly number[];
  readonly distinct: readonly number[];
  readonly distinctOrdered: readonly number[];
  readonly distinctMany: string;
  readonly distinctFew: string;
  readonly distinctWeighted: readonly number[];
  readonly shuffle: readonly number[];
  readonly shuffleRows: readonly number[];
  readonly shuffleLong: string;
  readonly permutation: readonly number[];
  readonly spawn: { children: number[]; grandchildren: number[]; later: number; own: number };
}

const golden = JSON.parse(readFileSync(new URL("golden/rng.json", import.meta.url), "utf8")) as {
  seeds: readonly Row[];
};

/** SHA-256 of the bytes of an array, as recorded for long streams. */
function hashOf({ data }: Pick<NdArray, "data">): string {
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}

function seeded(row: Row): Rng {
  return Rng.fromSeed(typeof row.seed === "string" ? BigInt(row.seed) : row.seed.map(BigInt));
}

function upTo(n: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => i);
}

function expectHashes(row: Row, hashes: Readonly<Record<string, string>>): void {
  for (const [name, hash] of Object.entries(hashes)) expect([name, hash]).toEqual([name, row.hashes[name]]);
}

const rows = golden.seeds.map((row) => [String(row.seed), row] as const);

describe("draws equal NumPy's bit for bit", () => {
  test.each(rows)("seed %s: state and continuous distributions", (_, row) => {
    expect(seeded(row).state.bits).toMatchObject(row.state);
    expect([...seeded(row).random(5).data]).toEqual(row.first);
    expectHashes(row, {
      random: hashOf(seeded(row).random(20000)),
      random32: hashOf(seeded(row).random(2001, "float32")),
      normal: hashOf(seeded(row).standardNormal(200000)),
      exponential: hashOf(seeded(row).exponential(1, 200000)),
      uniform: hashOf(seeded(row).uniform(-3, 5, 1000)),
      scaled: hashOf(seeded(row).normal(2, 3, 1000)),
    });
  });

  test.each(rows)("seed %s: integers of every width, small, full and rejecting ranges", (_, row) => {
    for (const dtype of Object.keys(integerLimits).filter((name) => name !== "bool") as IntegerDType[]) {
      const [low, high] = integerLimits[dtype];
      expectHashes(row, {
        [`small_${dtype}`]: hashOf(seeded(row).integers(0, 100, { size: 1001, dtype })),
        [`full_${dtype}`]: hashOf(seeded(row).integers(low, high, { size: 1001, dtype, endpoint: true })),
      });
    }
    expectHashes(row, {
      bool: hashOf(seeded(row).integers(0, 2, { size: 101, dtype: "bool" })),
      wide: hashOf(seeded(row).integers(0, 1e13, { size: 1001, dtype: "int64" })),
      wider: hashOf(seeded(row).integers(-(2n ** 62n), 2n ** 62n, { size: 1001, dtype: "int64" })),
      reject: hashOf(seeded(row).integers(0, 3 * 2 ** 30, { size: 1001, dtype: "uint32" })),
      reject64: hashOf(seeded(row).integers(0, 3n * 2n ** 61n, { size: 1001, dtype: "uint64" })),
    });
  });

  test.each(rows)("seed %s: 32-bit draws keep their spare half across draws of other widths", (_, row) => {
    const rng = seeded(row);
    const mixed = [
      rng.integers(10),
      rng.random(),
      rng.integers(10),
      rng.normal(),
      rng.integers(0, 2 ** 40),
      rng.integers(0, 3, { dtype: "int8" }),
      rng.exponential(2),
      rng.integers(7),
      rng.integers(-5, 5, { endpoint: true }),
    ];
    expect(mixed).toEqual(row.mixed);
  });

  test.each(rows)("seed %s: geometric, choices, shuffles", (_, row) => {
    const many = (draw: (rng: Rng) => number): number[] => {
      const rng = seeded(row);
      return Array.from({ length: 50 }, () => draw(rng));
    };
    expect(many((rng) => rng.geometric(0.25))).toEqual(row.geometric);
    expect(many((rng) => rng.geometric(0.5))).toEqual(row.geometricLikely);
    const p = [0.1, 0.2, 0.3, 0.4];
    expect([...seeded(row).choice(10, { size: 20 }).data]).toEqual(row.choice);
    expect([...seeded(row).choice(4, { size: 20, p }).data]).toEqual(row.weighted);
    const distinct = { size: 30, replace: false };
    expect([...seeded(row).choice(100, distinct).data]).toEqual(row.distinct);
    expect([...seeded(row).choice(100, { ...distinct, shuffle: false }).data]).toEqual(row.distinctOrdered);
    expect(hashOf(seeded(row).choice(20000, { size: 5000, replace: false }))).toBe(row.distinctMany);
    expect(hashOf(seeded(row).choice(20000, { size: 50, replace: false }))).toBe(row.distinctFew);
    const weights = [0.1, 0.2, 0.3, 0.2, 0.1, 0.1];
    expect([...seeded(row).choice(6, { size: 4, replace: false, p: weights }).data]).toEqual(
      row.distinctWeighted,
    );
  });

  test.each(rows)("seed %s: shuffles of lists, typed arrays and rows", (_, row) => {
    const list = [...upTo(20)];
    seeded(row).shuffle(list);
    expect(list).toEqual(row.shuffle);
    const grid = ndarray("int32", [10, 2], upTo(20));
    seeded(row).shuffle(grid);
    expect([...grid.data]).toEqual(row.shuffleRows);
    const long = upTo(70000);
    seeded(row).shuffle(long);
    expect(hashOf({ data: long })).toBe(row.shuffleLong);
    expect([...seeded(row).permutation(20).data]).toEqual(row.permutation);
    expect(seeded(row).permutation(list)).toHaveLength(20);
  });

  test.each(rows)(
    "seed %s: children, grandchildren and later children; the parent's stream stays",
    (_, row) => {
      const rng = seeded(row);
      const children = rng.spawn(3);
      expect(children.map((child) => child.random())).toEqual(row.spawn.children);
      expect(children[1].spawn(2).map((child) => child.random())).toEqual(row.spawn.grandchildren);
      expect(rng.spawn(1)[0].random()).toBe(row.spawn.later);
      expect(rng.random()).toBe(row.spawn.own);
    },
  );
});

describe("state", () => {
  test("continues exactly from its JSON, wherever it was taken", () => {
    const draws: ((rng: Rng) => unknown)[] = [
      (rng) => rng.random(),
      (rng) => rng.integers(10),
      (rng) => rng.normal(),
      (rng) => rng.spawn(1)[0].random(),
      (rng) => {
        const out = new Float32Array(5);
        rng.fillNormal(out);
        return [...out];
      },
    ];
    const steps = fc.array(fc.nat(draws.length - 1), { maxLength: 12 });
    fc.assert(
      fc.property(fc.nat(), steps, steps, (seed, before, after) => {
        const rng = Rng.fromSeed(seed);
        for (const step of before) draws[step](rng);
        const resumed = Rng.fromState(JSON.parse(JSON.stringify(rng.state)));
        const copy = rng.copy();
        const expected = after.map((step) => draws[step](rng));
        expect(after.map((step) => draws[step](resumed))).toEqual(expected);
        expect(after.map((step) => draws[step](copy))).toEqual(expected);
      }),
    );
  });

  test("entropy seeds another generator equally, also when it came from the platform", () => {
    const rng = Rng.fromSeed();
    const twin = Rng.fromSeed(rng.entropy);
    expect([rng.random(), rng.normal()]).toEqual([twin.random(), twin.normal()]);
    expect(Rng.fromSeed(12345678901234567890n).entropy).toBe(12345678901234567890n);
    expect(Rng.fromSeed().entropy).not.toBe(Rng.fromSeed().entropy);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53, -5n])("seed %s is refused", (seed) => {
    expect(() => Rng.fromSeed(seed)).toThrow(/INVALID_ARGUMENT/);
  });
});

describe("arguments", () => {
  test("ranges that hold no integer, or not those of the dtype, are refused", () => {
    const rng = Rng.fromSeed(0);
    expect(() => rng.integers(0)).toThrow(/int64/);
    expect(() => rng.integers(3, 3)).toThrow(/INVALID_ARGUMENT/);
    expect(() => rng.integers(0, 2.5)).toThrow(/INVALID_ARGUMENT/);
    expect(() => rng.integers(0, 257, { dtype: "uint8" })).toThrow(/255/);
    expect(() => rng.integers(-1, 5, { size: 2, dtype: "uint32" })).toThrow(/INVALID_ARGUMENT/);
    expect(() => rng.integers(0, 2 ** 40, { size: 2 })).toThrow(/wider dtype/);
    expect(() => rng.geometric(0)).toThrow(/probability/);
  });

  test("choices that cannot be made are refused", () => {
    const rng = Rng.fromSeed(0);
    expect(() => rng.choice(0)).toThrow(/INVALID_ARGUMENT/);
    expect(() => rng.choice([])).toThrow(/INVALID_ARGUMENT/);
    expect(() => rng.choice(3, { size: 4, replace: false })).toThrow(/at least 4/);
    expect(() => rng.choice(3, { p: [0.5, 0.5] })).toThrow(/distribution/);
    expect(() => rng.choice(2, { p: [0.5, 0.6] })).toThrow(/sum to 1/);
    expect(() => rng.choice(2, { p: [-0.5, 1.5] })).toThrow(/distribution/);
    expect(() => rng.choice(3, { size: 2, replace: false, p: [1, 0, 0] })).toThrow(/p > 0/);
  });

  test("sizes shape the result, and items come back as they are", () => {
    const rng = Rng.fromSeed(0);
    expect(rng.random([2, 3]).shape).toEqual([2, 3]);
    expect(rng.integers(0, 9, { size: [2, 2], dtype: "uint8" })).toMatchObject({
      dtype: "uint8",
      shape: [2, 2],
    });
    const items = [{ name: "a" }, { name: "b" }];
    expect(items).toContain(rng.choice(items));
    expect(rng.choice(["x", "y"], { size: 3, p: [0, 1] })).toEqual(["y", "y", "y"]);
  });
});

describe("fast noise", () => {
  function noise(seed: number, length: number): Float32Array {
    const out = new Float32Array(length);
    Rng.fromSeed(seed).fillNormal(out);
    return out;
  }

  test("is the same for the same seed, differs for another, and goes on", () => {
    expect(noise(7, 64)).toEqual(noise(7, 64));
    expect(noise(7, 64)).not.toEqual(noise(8, 64));
    const rng = Rng.fromSeed(7);
    const [first, second] = [new Float32Array(32), new Float32Array(32)];
    rng.fillNormal(first);
    rng.fillNormal(second);
    expect([...first, ...second]).toEqual([...noise(7, 64)]);
  });

  test("leaves NumPy's stream where it was", () => {
    const rng = Rng.fromSeed(7);
    rng.fillNormal(new Float32Array(100));
    rng.fillUniform(new Float32Array(100));
    expect(rng.random()).toBe(Rng.fromSeed(7).random());
  });

  test("is normal: moments, and counts in each half sigma, within five standard errors", () => {
    const n = 400_000;
    const values = noise(1, n);
    const mean = values.reduce((sum, x) => sum + x, 0) / n;
    const square = values.reduce((sum, x) => sum + x * x, 0) / n;
    const fourth = values.reduce((sum, x) => sum + x ** 4, 0) / n;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(square - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(fourth - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
    // Probabilities of [-4, -3.5), …, [3.5, 4) for a standard normal.
    const upper = [0.191462, 0.149882, 0.091848, 0.044057, 0.01654, 0.00486, 0.001117, 0.000201];
    const cells = [...upper.toReversed(), ...upper];
    const counts = cells.map(() => 0);
    for (const x of values) counts[Math.floor((x + 4) * 2)]++;
    cells.forEach((p, i) => expect(Math.abs(counts[i] - n * p)).toBeLessThan(5 * Math.sqrt(n * p) + 2));
    expect(values.some((x) => Math.abs(x) > 4)).toBe(true);
  });

  test("uniforms lie in [0, 1) and fill it evenly", () => {
    const n = 200_000;
    const out = new Float32Array(n);
    Rng.fromSeed(3).fillUniform(out);
    const counts = new Float64Array(10);
    for (const x of out) counts[Math.floor(x * 10)]++;
    expect(out.every((x) => x >= 0 && x < 1)).toBe(true);
    for (const count of counts) expect(Math.abs(count - n / 10)).toBeLessThan(5 * Math.sqrt(n * 0.09));
  });
});
