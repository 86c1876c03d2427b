/** @file NumPy's dtype strings on the wire, and how their bytes become host arrays. */

import type { DType, Storage } from "../../core/ndarray.ts";

/** One NumPy dtype that may cross the wire. */
export interface WireDType {
  /** The host dtype it becomes. float16 widens to float32, for the host has no half. */
  readonly host: DType;
  readonly itemSize: number;
  readonly bigEndian: boolean;
  readonly half: boolean;
}

const sizes: readonly (readonly [string, DType, number])[] = [
  ["u1", "uint8", 1],
  ["i1", "int8", 1],
  ["b1", "bool", 1],
  ["u2", "uint16", 2],
  ["i2", "int16", 2],
  ["f2", "float32", 2],
  ["u4", "uint32", 4],
  ["i4", "int32", 4],
  ["f4", "float32", 4],
  ["u8", "uint64", 8],
  ["i8", "int64", 8],
  ["f8", "float64", 8],
];

/** NumPy's `dtype.str` to what it means here; anything absent (object, void, complex, dates) is refused. */
export const wireDTypes: ReadonlyMap<string, WireDType> = new Map(
  sizes.flatMap(([name, host, itemSize]) => {
    const half = name === "f2";
    const entry = (order: string, bigEndian: boolean): [string, WireDType] => [
      order + name,
      { host, itemSize, bigEndian, half },
    ];
    return itemSize === 1 ? [entry("|", false)] : [entry("<", false), entry(">", true)];
  }),
);

/** Host dtype to NumPy's `dtype.str`. */
export const numpyNames: Readonly<Record<DType, string>> = {
  uint8: "|u1",
  int8: "|i1",
  bool: "|b1",
  uint16: "<u2",
  int16: "<i2",
  uint32: "<u4",
  int32: "<i4",
  float32: "<f4",
  uint64: "<u8",
  int64: "<i8",
  float64: "<f8",
};

const views = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** `bytes` as elements of `dtype`: a view where byte order and alignment allow it, otherwise a copy. */
export function elementsOf(bytes: Uint8Array, dtype: WireDType): Storage {
  if (dtype.half) return widenHalves(bytes, dtype.bigEndian);
  const size = dtype.itemSize;
  const aligned = bytes.byteOffset % size === 0 && !dtype.bigEndian;
  const source = aligned ? bytes : new Uint8Array(bytes);
  if (dtype.bigEndian) reverseItems(source, size);
  return new views[dtype.host](source.buffer as ArrayBuffer, source.byteOffset, source.byteLength / size);
}

/** The bytes of a typed array, shared. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function reverseItems(bytes: Uint8Array, size: number): void {
  for (let start = 0; start < bytes.length; start += size) bytes.subarray(start, start + size).reverse();
}

function widenHalves(bytes: Uint8Array, bigEndian: boolean): Float32Array {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(bytes.byteLength / 2);
  for (let i = 0; i < out.length; i++) out[i] = halfToNumber(words.getUint16(2 * i, !bigEndian));
  return out;
}

/** Value of an IEEE 754 binary16 bit pattern. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const floatCell = new Float32Array(1);
const bitCell = new Uint32Array(floatCell.buffer);

/** IEEE 754 binary16 bit pattern nearest to a float32 value, ties to even. */
export function numberToHalf(value: number): number {
  floatCell[0] = value;
  const bits = bitCell[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(floatCell[0]) * 2 ** 24);
  const rebased = magnitude - 0x38000000;
  return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
