/** @file The bridge's codec: msgpack with openpi's array maps, byte for byte what Python's `msgpack_numpy` writes. */

import { fail } from "../core/errors.ts";
import { isNdArray, sizeOf, type NdArray } from "../core/ndarray.ts";
import { defaultLimits, type DecodeLimits } from "./limits.ts";
import { bytesOf, numberToHalf, numpyNames } from "./wire/dtypes.ts";
import { MsgpackReader } from "./wire/reader.ts";
import {
  Float,
  Half,
  isPlainPrototype,
  isWireMap,
  NumpyScalar,
  type WireMap,
  type WireValue,
} from "./wire/values.ts";
import { MsgpackWriter } from "./wire/writer.ts";

export { Float, Half, isWireMap, NumpyScalar, type WireMap, type WireValue } from "./wire/values.ts";

const maxEncodeDepth = 64;
const writer = new MsgpackWriter();

const binKey = (name: string): Uint8Array =>
  Buffer.concat([Buffer.from([0xc4, name.length]), Buffer.from(name)]);
const arrayMarker = Buffer.concat([binKey("__ndarray__"), Buffer.from([0xc3])]);
const scalarMarker = Buffer.concat([binKey("__npgeneric__"), Buffer.from([0xc3])]);
const dataKey = binKey("data");
const dtypeKey = binKey("dtype");
const shapeKey = binKey("shape");

/** Options of `decode`. */
export interface DecodeOptions {
  readonly limits?: DecodeLimits;
  /**
   * Keep integral floats as `Float`, NumPy scalars as `NumpyScalar` and float16 arrays as `Half`, so that encoding
   * gives the same bytes again. Only big-endian and unicode arrays still change.
   */
  readonly exact?: boolean;
}

/**
 * Encode one message.
 *
 * Integers take msgpack's shortest form, other numbers (and `Float`) float64, `NdArray`s openpi's array map, other
 * typed arrays than `Uint8Array` are refused: their dtype and shape would be lost.
 * @throws INVALID_ARGUMENT for a value that has no wire form
 * @source openpi 15a9616 `packages/openpi-client/src/openpi_client/msgpack_numpy.py`
 */
export function encode(value: WireValue): Buffer<ArrayBuffer> {
  try {
    write(value, 0);
    return writer.finish();
  } catch (error) {
    writer.clear();
    throw error;
  }
}

/**
 * Encode one map of the entries of `first` and then of `second`, without building it. An entry of `first` that `second`
 * names too is left out.
 * @throws INVALID_ARGUMENT as `encode`
 */
export function encodeBoth(first: WireMap, second: WireMap): Buffer<ArrayBuffer> {
  try {
    let count = countEntries(second);
    for (const key of Object.keys(first)) if (first[key] !== undefined && !(key in second)) count++;
    writer.mapHeader(count);
    writeEntries(first, 0, second);
    writeEntries(second, 0);
    return writer.finish();
  } catch (error) {
    writer.clear();
    throw error;
  }
}

/** The entries of a map, encoded once, to be sent inside another map. */
export interface PackedEntries {
  readonly count: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Encode the entries of `map` without its header, in memory of their own. @throws INVALID_ARGUMENT as `encode` */
export function encodeEntries(map: WireMap): PackedEntries {
  try {
    const count = writeEntries(map, 0);
    return { count, bytes: writer.finish() };
  } catch (error) {
    writer.clear();
    throw error;
  }
}

/** Encode one map of `packed` entries followed by those of `more`. The keys must be disjoint. */
export function encodeMerged(packed: PackedEntries, more: WireMap): Buffer<ArrayBuffer> {
  const tail = encodeEntries(more);
  writer.mapHeader(packed.count + tail.count);
  writer.raw(packed.bytes);
  writer.raw(tail.bytes);
  return writer.finish();
}

/**
 * Decode one message.
 *
 * Arrays are views into `bytes` where alignment and byte order allow, so whoever keeps them keeps `bytes`; float16
 * widens to float32; NumPy unicode arrays become nested lists of strings.
 * @throws PROTOCOL when `bytes` are malformed, hostile, or exceed `limits`
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): WireValue {
  const { limits = defaultLimits, exact = false } = options;
  return new MsgpackReader(bytes, limits, { exact }).read();
}

/** Decode a message that must be a map with text keys. @throws PROTOCOL otherwise */
export function decodeMap(bytes: Uint8Array, options: DecodeOptions = {}): WireMap {
  const value = decode(bytes, options);
  if (isWireMap(value)) return value;
  return fail({
    code: "PROTOCOL",
    what: "message is not a map",
    expected: "a map with text keys",
    got: typeof value,
  });
}

/**
 * Only the entries of a message named in `wanted`. Whoever reads the rest must decode it: its text, arrays and repeated
 * keys have not been looked at. @throws PROTOCOL for wanted entries, lengths, depth and counts, as `decode`
 */
export function skimMap(bytes: Uint8Array, wanted: ReadonlySet<string>, limits: DecodeLimits): WireMap {
  return new MsgpackReader(bytes, limits, { exact: false }).skim(wanted);
}

function write(value: WireValue, depth: number): void {
  if (typeof value === "number") return writeNumber(value);
  if (typeof value === "string") return writer.string(value);
  if (typeof value === "boolean") return writer.boolean(value);
  if (value === null || value === undefined) return writer.nil();
  if (typeof value === "bigint") return writeBig(value);
  if (typeof value !== "object") return noForm(typeof value);
  writeObject(value, depth);
}

function writeObject(value: WireValue & object, depth: number): void {
  if (depth > maxEncodeDepth) noForm(`nesting deeper than ${maxEncodeDepth} (a cycle?)`);
  if (value instanceof Float) return writer.float(value.value);
  if (value instanceof Uint8Array) return writer.binary(value);
  if (ArrayBuffer.isView(value)) return noForm("a bare typed array");
  if (Array.isArray(value)) return writeList(value as readonly WireValue[], depth);
  if (isNdArray(value)) return writeArray(value);
  if (value instanceof Half) return writeHalf(value);
  if (value instanceof NumpyScalar) return writeScalar(value);
  if (!isPlainPrototype(Object.getPrototypeOf(value))) noForm(`an instance of ${value.constructor.name}`);
  writeMap(value as WireMap, depth);
}

function writeNumber(value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) writer.integer(value);
  else writer.float(value);
}

function writeBig(value: bigint): void {
  if (value < -(2n ** 63n) || value >= 2n ** 64n) noForm("an integer of more than 64 bits");
  writer.big(value);
}

function writeList(values: readonly WireValue[], depth: number): void {
  writer.listHeader(values.length);
  for (const item of values) write(item, depth + 1);
}

function writeMap(map: WireMap, depth: number): void {
  writer.mapHeader(countEntries(map));
  writeEntries(map, depth);
}

function countEntries(map: WireMap): number {
  let count = 0;
  for (const key of Object.keys(map)) if (map[key] !== undefined) count++;
  return count;
}

function writeEntries(map: WireMap, depth: number, without?: WireMap): number {
  let count = 0;
  for (const key of Object.keys(map)) {
    const value = map[key];
    if (value === undefined || (without !== undefined && key in without)) continue;
    writer.string(key);
    write(value, depth + 1);
    count++;
  }
  return count;
}

function writeArray(array: NdArray): void {
  if (array.data.length !== sizeOf(array.shape))
    noForm(`an array whose data does not fill shape [${array.shape.join(", ")}]`);
  writeArrayMap(bytesOf(array.data), numpyNames[array.dtype], array.shape);
}

function writeHalf({ array }: Half): void {
  const words = new DataView(new ArrayBuffer(array.data.length * 2));
  array.data.forEach((value, i) => words.setUint16(2 * i, numberToHalf(value), true));
  writeArrayMap(bytesOf(words), "<f2", array.shape);
}

function writeArrayMap(data: Uint8Array, dtype: string, shape: readonly number[]): void {
  writer.mapHeader(4);
  writer.raw(arrayMarker);
  writer.raw(dataKey);
  writer.binary(data);
  writer.raw(dtypeKey);
  writer.string(dtype);
  writer.raw(shapeKey);
  writer.listHeader(shape.length);
  for (const axis of shape) writer.integer(axis);
}

function writeScalar({ dtype, value }: NumpyScalar): void {
  writer.mapHeader(3);
  writer.raw(scalarMarker);
  writer.raw(dataKey);
  if (typeof value === "number" && dtype.includes("f")) writer.float(value);
  else write(value, 0);
  writer.raw(dtypeKey);
  writer.string(dtype);
}

function noForm(got: string): never {
  fail({
    code: "INVALID_ARGUMENT",
    what: "value has no form on the wire",
    expected: "null, boolean, number, 64-bit bigint, string, Uint8Array, NdArray, list or plain map",
    got,
    fix: "wrap typed arrays as NdArray with `ndarray(dtype, shape, data)`",
  });
}
