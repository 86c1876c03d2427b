/** @file A strict msgpack reader for bytes from strangers: every length is checked before anything is allocated. */

import { fail } from "../../core/errors.ts";
import { isNdArray, sizeOf, type NdArray } from "../../core/ndarray.ts";
import type { DecodeLimits } from "../limits.ts";
import { elementsOf, wireDTypes } from "./dtypes.ts";
import { keyAt } from "./keys.ts";
import { unicodeArray, unicodeName } from "./unicode.ts";
import { Float, Half, makeMap, NumpyScalar, type WireMap, type WireValue } from "./values.ts";

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** How a message is read. */
export interface ReadOptions {
  /** Keep what JavaScript has no form for (integral floats, NumPy scalars, float16) as markers. */
  readonly exact: boolean;
}

function refuse(what: string, got?: string): never {
  fail({ code: "PROTOCOL", what, got, fix: "send msgpack as openpi's msgpack_numpy packs it" });
}

/** Reads exactly one message. */
export class MsgpackReader {
  private readonly bytes: Buffer;
  private readonly limits: DecodeLimits;
  private readonly exact: boolean;
  private at = 0;
  private values = 0;

  constructor(bytes: Uint8Array, limits: DecodeLimits, { exact }: ReadOptions) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.limits = limits;
    this.exact = exact;
    if (bytes.byteLength > limits.maxBytes) {
      refuse(`message exceeds ${limits.maxBytes} bytes`, `${bytes.byteLength}`);
    }
  }

  /** The message. @throws PROTOCOL when it is malformed, too deep, too large or has bytes left over */
  read(): WireValue {
    return this.finish(this.value(0));
  }

  /**
   * Of a message that is a map, only the entries named in `wanted`; of the rest lengths, depth and number of values are
   * checked, but neither text nor arrays nor repeated keys. @throws PROTOCOL as `read`
   */
  skim(wanted: ReadonlySet<string>): WireMap {
    this.count(1);
    const length = this.mapLength(this.bytes[this.take(1)]);
    this.enter(length, 2, 1);
    const out = makeMap();
    for (let i = 0; i < length; i++) {
      const key = this.textKey(this.bytes[this.take(1)]) ?? refuse("message is no map with text keys");
      if (!wanted.has(key)) this.skip(1);
      else if (key in out) refuse("map repeats a key", key);
      else out[key] = this.value(1);
    }
    return this.finish(out);
  }

  private mapLength(tag: number): number {
    if (tag >= 0x80 && tag < 0x90) return tag & 0x0f;
    if (tag === 0xde || tag === 0xdf) return this.unsigned(tag & 1 ? 4 : 2);
    return refuse("message is no map with text keys");
  }

  private finish<T>(value: T): T {
    if (this.at !== this.bytes.length) {
      refuse("bytes after the end of the message", `${this.bytes.length - this.at}`);
    }
    return value;
  }

  private value(depth: number): WireValue {
    this.count(1);
    const tag = this.bytes[this.take(1)];
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0x90) return this.map(tag & 0x0f, depth + 1);
    if (tag < 0xa0) return this.list(tag & 0x0f, depth + 1);
    if (tag < 0xc0) return this.text(tag & 0x1f);
    if (tag === 0xc0) return null;
    if (tag === 0xc2 || tag === 0xc3) return tag === 0xc3;
    return this.wide(tag, depth);
  }

  private wide(tag: number, depth: number): WireValue {
    switch (tag) {
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.view(this.unsigned(1 << (tag - 0xc4)));
      case 0xca:
        return this.bytes.readFloatBE(this.take(4));
      case 0xcb:
        return this.float(this.bytes.readDoubleBE(this.take(8)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.unsigned(1 << (tag - 0xcc));
      case 0xcf:
        return narrow(this.bytes.readBigUInt64BE(this.take(8)));
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.signed(1 << (tag - 0xd0));
      case 0xd3:
        return narrow(this.bytes.readBigInt64BE(this.take(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.unsigned(1 << (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.list(this.unsigned(tag & 1 ? 4 : 2), depth + 1);
      case 0xde:
      case 0xdf:
        return this.map(this.unsigned(tag & 1 ? 4 : 2), depth + 1);
      default:
        return refuse("msgpack extension or unused type byte", `0x${tag.toString(16)}`);
    }
  }

  /** Pass over one value; the same lengths, depth and type bytes are refused as by `value`. */
  private skip(depth: number): void {
    this.count(1);
    const tag = this.bytes[this.take(1)];
    if (tag < 0x80 || tag >= 0xe0 || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return;
    if (tag < 0x90) return this.skipItems(tag & 0x0f, 2, depth + 1);
    if (tag < 0xa0) return this.skipItems(tag & 0x0f, 1, depth + 1);
    if (tag < 0xc0) return void this.take(tag & 0x1f);
    if (tag >= 0xc4 && tag <= 0xc6) return void this.take(this.unsigned(1 << (tag - 0xc4)));
    if (tag >= 0xd9 && tag <= 0xdb) return void this.take(this.unsigned(1 << (tag - 0xd9)));
    if (tag === 0xca) return void this.take(4);
    if (tag === 0xcb) return void this.take(8);
    if (tag >= 0xcc && tag <= 0xd3) return void this.take(1 << ((tag - 0xcc) & 3));
    if (tag >= 0xdc && tag <= 0xdf) {
      return this.skipItems(this.unsigned(tag & 1 ? 4 : 2), tag < 0xde ? 1 : 2, depth + 1);
    }
    refuse("msgpack extension or unused type byte", `0x${tag.toString(16)}`);
  }

  private skipItems(length: number, perItem: number, depth: number): void {
    this.enter(length, perItem, depth);
    for (let i = length * perItem; i > 0; i--) this.skip(depth);
  }

  private count(values: number): void {
    this.values += values;
    if (this.values > this.limits.maxValues) refuse(`message exceeds ${this.limits.maxValues} values`);
  }

  private float(value: number): number | Float {
    return this.exact && Number.isSafeInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
  }

  private take(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) refuse("message ends too early", `${this.bytes.length} bytes`);
    this.at = start + count;
    return start;
  }

  private unsigned(width: number): number {
    const at = this.take(width);
    if (width === 1) return this.bytes[at];
    return width === 2 ? this.bytes.readUInt16BE(at) : this.bytes.readUInt32BE(at);
  }

  private signed(width: number): number {
    return this.bytes.readIntBE(this.take(width), width);
  }

  private view(length: number): Uint8Array {
    const start = this.take(length);
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length);
  }

  private text(length: number): string {
    const start = this.take(length);
    const end = start + length;
    for (let i = start; i < end; i++) if (this.bytes[i] > 0x7f) return this.unicode(start, end);
    return this.bytes.toString("latin1", start, end);
  }

  private unicode(start: number, end: number): string {
    try {
      return strictUtf8.decode(this.bytes.subarray(start, end));
    } catch {
      return refuse("text is not UTF-8");
    }
  }

  private enter(length: number, perItem: number, depth: number): void {
    if (depth > this.limits.maxDepth) refuse(`message is nested deeper than ${this.limits.maxDepth}`);
    if (length * perItem > this.bytes.length - this.at) {
      refuse("container is longer than the message", `${length} items`);
    }
  }

  private list(length: number, depth: number): WireValue[] {
    this.enter(length, 1, depth);
    const out: WireValue[] = [];
    for (let i = 0; i < length; i++) out.push(this.value(depth));
    return out;
  }

  private map(length: number, depth: number): WireValue {
    this.enter(length, 2, depth);
    if (length > 0 && this.bytes[this.at] === 0xc4) return this.marked(length, depth);
    const out = makeMap();
    for (let i = 0; i < length; i++) {
      const key = this.textKey(this.bytes[this.take(1)]) ?? refuse("map key is no text");
      if (key in out) refuse("map repeats a key", key.slice(0, 64));
      out[key] = this.value(depth);
    }
    if (isNdArray(out)) refuse("a plain map poses as an array", "text keys dtype, shape and data");
    return out;
  }

  /** The text key that begins with `tag`, or undefined where something else begins. */
  private textKey(tag: number): string | undefined {
    const wide = tag >= 0xd9 && tag <= 0xdb;
    if (!wide && (tag < 0xa0 || tag >= 0xc0)) return undefined;
    const length = wide ? this.unsigned(1 << (tag - 0xd9)) : tag & 0x1f;
    if (length > 32) return this.text(length);
    const start = this.take(length);
    return keyAt(this.bytes, start, start + length) ?? this.unicode(start, start + length);
  }

  /** A map with byte keys: a NumPy array or scalar. */
  private marked(length: number, depth: number): WireValue {
    if (length > 4) refuse("map has byte keys but is no NumPy array");
    const entries = makeMap();
    for (let i = 0; i < length; i++) {
      if (this.bytes[this.take(1)] !== 0xc4) refuse("map mixes text and byte keys");
      const size = this.unsigned(1);
      const start = this.take(size);
      const key = keyAt(this.bytes, start, start + size) ?? "";
      if (key in entries) refuse("map repeats a key", key);
      entries[key] = this.value(depth);
    }
    if (entries.__ndarray__ !== undefined) return this.array(entries, length);
    if (entries.__npgeneric__ !== undefined) return this.scalar(entries, length);
    return refuse("map has byte keys but is no NumPy array", Object.keys(entries).join(", "));
  }

  private array(entries: WireMap, length: number): WireValue {
    const { dtype: name, data } = entries;
    if (length !== 4 || entries.__ndarray__ !== true || typeof name !== "string") {
      refuse("array map needs exactly __ndarray__, data, dtype and shape", Object.keys(entries).join(", "));
    }
    if (!(data instanceof Uint8Array)) refuse("array data is not bytes");
    const shape = this.shape(entries.shape);
    if (unicodeName.test(name)) return this.strings(data, name, shape);
    const dtype = wireDTypes.get(name) ?? refuse("array dtype is not supported", name.slice(0, 64));
    const expected = sizeOf(shape) * dtype.itemSize;
    if (expected !== data.byteLength) {
      refuse(
        `array of shape [${shape.join(", ")}] and dtype ${name} needs ${expected} bytes`,
        `${data.byteLength}`,
      );
    }
    if (dtype.host === "bool" && data.some((byte) => byte > 1))
      refuse("bool array holds bytes other than 0 and 1");
    const array: NdArray = { dtype: dtype.host, shape, data: elementsOf(data, dtype) };
    return dtype.half && this.exact ? new Half(array as NdArray<"float32">) : array;
  }

  private shape(value: WireValue): number[] {
    if (!Array.isArray(value)) return refuse("array shape is not a list");
    const axes = value as WireValue[];
    if (axes.length > this.limits.maxRank) {
      refuse(`array has more than ${this.limits.maxRank} axes`, `${axes.length}`);
    }
    for (const axis of axes) {
      const length = typeof axis === "number" && Number.isInteger(axis) ? axis : -1;
      if (length < 0 || length > this.limits.maxElements) {
        refuse("array axis is not a length", typeof axis === "number" ? `${axis}` : typeof axis);
      }
    }
    const shape = axes as number[];
    if (sizeOf(shape) > this.limits.maxElements) {
      refuse(`array exceeds ${this.limits.maxElements} elements`);
    }
    return shape;
  }

  private strings(data: Uint8Array, dtype: string, shape: readonly number[]): WireValue {
    this.count(sizeOf(shape));
    return (
      unicodeArray(data, dtype, shape) ??
      refuse(`array of shape [${shape.join(", ")}] and dtype ${dtype} is malformed`)
    );
  }

  private scalar(entries: WireMap, length: number): WireValue {
    const { dtype, data: held } = entries;
    const value = held instanceof Float ? held.value : held;
    if (length !== 3 || entries.__npgeneric__ !== true || typeof dtype !== "string") {
      refuse("scalar map needs exactly __npgeneric__, data and dtype", Object.keys(entries).join(", "));
    }
    if (!wireDTypes.has(dtype) && !unicodeName.test(dtype)) {
      refuse("scalar dtype is not supported", dtype.slice(0, 64));
    }
    if (typeof value === "object" || value === undefined) return refuse("scalar holds no plain value");
    return this.exact ? new NumpyScalar(dtype, value) : value;
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
