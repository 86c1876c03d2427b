/** @file The codec, byte for byte against packets recorded from openpi's own `msgpack_numpy`. */

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { describe, expect, it } from "vitest";
import {
  decode,
  decodeMap,
  encode,
  Float,
  Half,
  NumpyScalar,
  type WireValue,
} from "../../../src/bridge/codec.ts";
import { defaultLimits } from "../../../src/bridge/limits.ts";
import { halfToNumber, numberToHalf } from "../../../src/bridge/wire/dtypes.ts";
import { float32, isNdArray, ndarray, type NdArray } from "../../../src/core/ndarray.ts";

interface Packet {
  name: string;
  hex: string;
}

const golden = JSON.parse(
  readFileSync(new URL("golden-packets.json", import.meta.url), "utf8"),
) as readonly Packet[];
const packet = (name: string): Buffer =>
  Buffer.from(golden.find((entry) => entry.name === name)?.hex ?? "", "hex");
const field = (name: string): NdArray => decodeMap(packet(name)).x as NdArray;
const refusal =
  (hex: string, limits = defaultLimits): (() => unknown) =>
  () =>
    decode(Buffer.from(hex, "hex"), { limits });

describe("golden packets of openpi's msgpack_numpy", () => {
  const changing = /big endian|unicode|float specials/;

  it.each(golden.filter(({ name }) => !changing.test(name)))(
    "re-encodes $name to the same bytes",
    ({ hex }) => {
      expect(encode(decode(Buffer.from(hex, "hex"), { exact: true })).toString("hex")).toBe(hex);
    },
  );

  it("writes the reference's action packet", () => {
    expect(encode({ actions: float32([1, 2]) }).toString("hex")).toBe(
      "81a7616374696f6e7384c40b5f5f6e6461727261795f5fc3c40464617461c4080000803f00000040c4056474797065a33c6634c40573686170659102",
    );
  });

  it("reads every dtype to its values", () => {
    const signed = [-3, -2, -1, 0, 1, 2];
    const floats = [-0.5, -0.25, 0, 0.25, 0.5, 0.75];
    const expected: Record<string, readonly (number | bigint)[]> = {
      u1: [0, 1, 2, 3, 4, 5],
      i1: signed,
      b1: [0, 1, 0, 1, 0, 1],
      u2: [0, 1, 2, 3, 4, 5],
      i2: signed,
      f2: floats,
      u4: [0, 1, 2, 3, 4, 5],
      i4: signed,
      f4: floats,
      u8: [0n, 1n, 2n, 3n, 4n, 5n].map((value) => value + 2n ** 63n),
      i8: signed.map(BigInt),
      f8: floats,
    };
    for (const [dtype, values] of Object.entries(expected)) {
      const array = field(`dtype ${dtype}`);
      expect([array.shape, [...array.data]], dtype).toEqual([[2, 3], values]);
    }
  });

  it("swaps big-endian arrays and keeps NaN, infinities, negative zero and subnormals", () => {
    expect([...field("big endian f4").data]).toEqual([1.5, -2]);
    expect([...field("big endian i2").data]).toEqual([1, -2, 300]);
    expect([...field("float specials").data]).toEqual([Number.NaN, Infinity, -Infinity, -0, 5e-324]);
  });

  it("reads 0-d, empty, Fortran-ordered and unicode arrays", () => {
    expect(field("0-d")).toMatchObject({ shape: [], data: new Float64Array([3.5]) });
    expect(field("empty")).toMatchObject({ shape: [0, 3], dtype: "float32" });
    expect([...field("fortran order").data]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(decodeMap(packet("unicode array")).x).toEqual([
      ["left", "right"],
      ["é", "𝛑"],
    ]);
    expect(decodeMap(packet("empty unicode array")).x).toEqual([]);
  });

  it("reads NumPy scalars as plain values, 64-bit integers exactly", () => {
    expect(decode(packet("np.float32 scalar"))).toBe(0.5);
    expect(decodeMap(packet("np.bool scalar"))).toEqual({ x: true });
    expect(decode(packet("np.float32 scalar"), { exact: true })).toEqual(new NumpyScalar("<f4", 0.5));
    expect(decode(packet("integers"))).toContain(2n ** 64n - 1n);
  });
});

describe("views and markers", () => {
  it("gives a view where alignment allows it and a copy elsewhere", () => {
    const bytes = encode({ a: ndarray("uint8", [4], new Uint8Array([1, 2, 3, 4])), b: float32([1, 2, 3]) });
    for (let shift = 0; shift < 4; shift++) {
      const moved = new Uint8Array(bytes.length + shift);
      moved.set(bytes, shift);
      const { a, b } = decodeMap(moved.subarray(shift)) as { a: NdArray; b: NdArray };
      expect(a.data.buffer).toBe(moved.buffer);
      expect([...b.data]).toEqual([1, 2, 3]);
    }
  });

  it("does not change the bytes of the message that it reads", () => {
    const before = packet("big endian f4");
    const after = Buffer.from(before);
    decode(after);
    expect(after.equals(before)).toBe(true);
  });

  it("converts every float16 both ways, ties to even", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = halfToNumber(bits);
      if (!Number.isNaN(value)) expect(numberToHalf(value)).toBe(bits);
    }
    const cases: readonly [number, number][] = [
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [65519.99, 0x7bff],
      [65520, 0x7c00],
      [2 ** -25, 0x0000],
      [1.5 * 2 ** -24, 0x0002],
      [-Infinity, 0xfc00],
    ];
    for (const [value, bits] of cases) expect(numberToHalf(value)).toBe(bits);
    expect(halfToNumber(numberToHalf(Number.NaN))).toBeNaN();
  });

  it("writes Float as float64, and Half as <f2", () => {
    expect(encode(new Float(2)).toString("hex")).toBe("cb4000000000000000");
    expect(decode(encode(new Half(float32([0.1]))))).toMatchObject({
      data: new Float32Array([0.0999755859375]),
    });
  });

  it("refuses to guess the dtype of a bare typed array, and cycles and class instances", () => {
    const cycle: Record<string, WireValue> = {};
    cycle.self = cycle;
    for (const bad of [new Float32Array(2), cycle, new Date(), 2n ** 64n, Symbol("x")]) {
      expect(() => encode(bad as WireValue)).toThrow(/INVALID_ARGUMENT/);
    }
    expect(encode({ after: true, left: undefined }).toString("hex")).toBe("81a56166746572c3");
  });
});

describe("hostile input", () => {
  const cases: readonly [string, string, RegExp][] = [
    ["nothing", "", /ends too early/],
    ["a truncated list", "9301", /longer than the message/],
    ["a list of four billion", "ddffffffff", /longer than the message/],
    ["a map of four billion", "dfffffffff", /longer than the message/],
    ["a string past the end", "dbffffffff61", /ends too early/],
    ["bytes past the end", "c6ffffffff61", /ends too early/],
    ["trailing bytes", "c0c0", /after the end/],
    ["an extension", "d40000", /extension/],
    ["the unused byte", "c1", /extension/],
    ["an integer key", "8101c0", /key/],
    ["a repeated key", "82a161c0a161c0", /repeats/],
    ["a byte key outside arrays", "81c40161c0", /byte keys/],
    ["invalid UTF-8", "a2c328", /UTF-8/],
    ["surrogates in UTF-8", "a3eda080", /UTF-8/],
  ];
  it.each(cases)("refuses %s", (_name, hex, message) => {
    expect(refusal(hex)).toThrow(message);
    expect(refusal(hex)).toThrow(/PROTOCOL/);
  });

  it("refuses nesting, values and bytes above the limits", () => {
    expect(refusal("91".repeat(40) + "c0")).toThrow(/nested deeper than 32/);
    expect(refusal("dc0010" + "90".repeat(16), { ...defaultLimits, maxValues: 16 })).toThrow(
      /exceeds 16 values/,
    );
    expect(refusal("c0".repeat(9), { ...defaultLimits, maxBytes: 8 })).toThrow(/exceeds 8 bytes/);
  });

  const arrayHex = (dtype: string, shape: WireValue, data: Uint8Array): string => {
    const key = (name: string): string =>
      Buffer.from([0xc4, name.length]).toString("hex") + Buffer.from(name).toString("hex");
    const part = (value: WireValue): string => encode(value).toString("hex");
    return (
      "84" +
      key("__ndarray__") +
      "c3" +
      key("data") +
      part(data) +
      key("dtype") +
      part(dtype) +
      key("shape") +
      part(shape)
    );
  };

  it.each([
    ["object dtype", "|O", [1], 8],
    ["void dtype", "|V8", [1], 8],
    ["complex dtype", "<c8", [1], 8],
    ["a shape that does not match", "<f4", [3], 8],
    ["a negative axis", "<f4", [-1, -2], 8],
    ["a fractional axis", "<f4", [0.5], 2],
    ["an overflowing shape", "|u1", [2 ** 32, 2 ** 32, 2 ** 32], 0],
    ["a shape that only overflows in 32 bits", "|u1", [65536, 65536], 0],
    ["a zero axis hiding a huge one", "<U1", [2 ** 40, 0], 0],
    ["zero-width unicode of many items", "<U0", [2 ** 30], 0],
    ["too many axes", "|u1", Array(33).fill(1), 1],
  ] as const)("refuses an array of %s", (_name, dtype, shape, bytes) => {
    expect(refusal(arrayHex(dtype, shape as WireValue, new Uint8Array(bytes)))).toThrow(/PROTOCOL/);
  });

  it("refuses bools that are neither 0 nor 1, and code points beyond Unicode", () => {
    expect(refusal(arrayHex("|b1", [2], new Uint8Array([1, 2])))).toThrow(/bool/);
    expect(refusal(arrayHex("<U1", [1], new Uint8Array([0, 0, 0x11, 0])))).toThrow(/malformed/);
  });

  it("keeps __proto__ as an ordinary key", () => {
    const decoded = decodeMap(Buffer.from("81a95f5f70726f746f5f5f81a161c3", "hex"));
    expect(Object.keys(decoded)).toEqual(["__proto__"]);
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });

  it("refuses a plain map that poses as an array", () => {
    const forged = { dtype: "float32", shape: [1000], data: new Uint8Array(4), x: 1 };
    expect(isNdArray(forged)).toBe(true);
    const bytes = new Packr({ useRecords: false }).pack(forged);
    expect(() => decode(bytes)).toThrow(/poses as an array/);
  });
});

describe("laws", () => {
  const leaf = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).filter((n) => !Number.isSafeInteger(Number(n))),
    fc.string({ unit: "binary" }),
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(3000).map((length) => ndarray("uint8", [length], new Uint8Array(length).fill(7))),
    fc.float32Array({ maxLength: 40 }).map((data) => ndarray("float32", [data.length, 1], data)),
    fc.bigInt64Array({ maxLength: 40 }).map((data) => ndarray("int64", [data.length], data)),
  );
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      fc.array(tie("node"), { maxLength: 20 }),
      fc.dictionary(
        fc.string({ unit: "binary" }).filter((key) => key !== "__proto__"),
        tie("node"),
        { maxKeys: 20 },
      ),
    ),
  })).node as fc.Arbitrary<WireValue>;
  const anyArray = (value: WireValue): boolean =>
    isNdArray(value) || (typeof value === "object" && value !== null && Object.values(value).some(anyArray));
  /** The same value with ordinary prototypes and plain bytes. */
  const plain = (value: WireValue): unknown => {
    if (value instanceof Uint8Array) return [...value];
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
    if (Array.isArray(value)) return (value as WireValue[]).map(plain);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item as WireValue)]));
  };

  it("decode inverts encode", () => {
    fc.assert(
      fc.property(tree, (value) => {
        const back = decode(encode(value));
        expect(isDeepStrictEqual(plain(back), plain(value))).toBe(true);
        expect(encode(back).equals(encode(value))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("agrees with msgpackr on everything but arrays", () => {
    const theirs = new Unpackr({ useRecords: false, int64AsType: "auto" as "bigint" });
    fc.assert(
      fc.property(
        tree.filter((value) => !anyArray(value)),
        (value) => {
          expect(isDeepStrictEqual(plain(theirs.unpack(encode(value)) as WireValue), plain(value))).toBe(
            true,
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it("answers every corruption of a real packet with a value or PROTOCOL, within limits", () => {
    const seeds = golden.map(({ hex }) => Buffer.from(hex, "hex"));
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        (bytes, edits, cut) => {
          const mutant = Buffer.from(
            bytes.subarray(0, cut % 3 === 0 ? cut % (bytes.length + 1) : bytes.length),
          );
          for (const [at, byte] of edits) if (mutant.length > 0) mutant[at % mutant.length] = byte;
          try {
            decode(mutant);
          } catch (error) {
            expect((error as { code?: string }).code).toBe("PROTOCOL");
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});
