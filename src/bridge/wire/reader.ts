/** @file A strict msgpack reader for bytes from strangers: every length is checked before anything is allocated. */

import { fail } from "../../core/errors.ts";
import { isNdArray, sizeOf, type NdArray } from "../../core/ndarray.ts";
import type { DecodeLimits } from "../limits.ts";
import { elementsOf, wireDTypes } from "./dtypes.ts";
import { Float, Half, NumpyScalar, type WireMap, type WireValue } from "./values.ts";

/** NumPy's fixed-width unicode. */
const unicodeName = /^[<>]U[1-9]\d{0,5}$/;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** How a message is read. */
export interface ReadOptions {
  /** Keep what JavaScript has no form for (integral floats, NumPy scalars, float16) as markers. */
  readonly exact: boolean;
}

/** Keys of a map: text, or the byte strings that mark an array map. */
interface Keyed {
  readonly text: WireMap;
  readonly bytes: Map<string, WireValue> | undefined;
}

function refuse(what: string, got?: string): never {
  fail({ code: "PROTOCOL", what, got, fix: "send msgpack as openpi's msgpack_numpy packs it" });
}

/** Reads exactly one message. */
export class MsgpackReader {
  private readonly bytes: Buffer;
  private readonly limits: DecodeLimits;
  private readonly options: ReadOptions;
  private at = 0;
  private values = 0;

  constructor(bytes: Uint8Array, limits: DecodeLimits, options: ReadOptions) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.limits = limits;
    this.options = options;
  }

  /** The message. @throws PROTOCOL when it is malformed, too deep, too large or has bytes left over */
  read(): WireValue {
    if (this.bytes.length > this.limits.maxBytes) {
      refuse(`message exceeds ${this.limits.maxBytes} bytes`, `${this.bytes.length}`);
    }
    const value = this.value(0);
    if (this.at !== this.bytes.length)
      refuse("bytes after the end of the message", `${this.bytes.length - this.at}`);
    return value;
  }

  private value(depth: number): WireValue {
    if (++this.values > this.limits.maxValues) refuse(`message exceeds ${this.limits.maxValues} values`);
    const tag = this.bytes[this.take(1)];
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0x90) return this.map(tag & 0x0f, depth + 1);
    if (tag < 0xa0) return this.list(tag & 0x0f, depth + 1);
    if (tag < 0xc0) return this.text(tag & 0x1f);
    return this.wide(tag, depth);
  }

  private wide(tag: number, depth: number): WireValue {
    if (tag === 0xc0) return null;
    switch (tag) {
      case 0xc2:
      case 0xc3:
        return tag === 0xc3;
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
        return this.list(this.unsigned(tag === 0xdc ? 2 : 4), depth + 1);
      case 0xde:
      case 0xdf:
        return this.map(this.unsigned(tag === 0xde ? 2 : 4), depth + 1);
      default:
        return refuse("msgpack extension or unused type byte", `0x${tag.toString(16)}`);
    }
  }

  private float(value: number): number | Float {
    return this.options.exact && Number.isSafeInteger(value) && !Object.is(value, -0)
      ? new Float(value)
      : value;
  }

  private take(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) refuse("message ends too early", `${this.bytes.length} bytes`);
    this.at = start + count;
    return start;
  }

  private unsigned(width: number): number {
    return this.bytes.readUIntBE(this.take(width), width);
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
    let ascii = true;
    for (let i = start; i < start + length; i++) {
      if (this.bytes[i] > 0x7f) {
        ascii = false;
        break;
      }
    }
    if (ascii) return this.bytes.toString("latin1", start, start + length);
    try {
      return strictUtf8.decode(this.bytes.subarray(start, start + length));
    } catch {
      return refuse("text is not UTF-8");
    }
  }

  private enter(length: number, perItem: number, depth: number): void {
    if (depth > this.limits.maxDepth) refuse(`message is nested deeper than ${this.limits.maxDepth}`);
    if (length * perItem > this.bytes.length - this.at)
      refuse("container is longer than the message", `${length} items`);
  }

  private list(length: number, depth: number): WireValue[] {
    this.enter(length, 1, depth);
    const out: WireValue[] = [];
    for (let i = 0; i < length; i++) out.push(this.value(depth));
    return out;
  }

  private map(length: number, depth: number): WireValue {
    this.enter(length, 2, depth);
    const { text, bytes } = this.entries(length, depth);
    if (bytes === undefined) {
      if (isNdArray(text)) refuse("a plain map poses as an array", "text keys dtype, shape and data");
      return text;
    }
    if (bytes.size !== length) refuse("map mixes text and byte keys");
    if (bytes.has("__ndarray__")) return this.array(bytes);
    if (bytes.has("__npgeneric__")) return this.scalar(bytes);
    return refuse("map has byte keys but is no NumPy array", [...bytes.keys()].join(", "));
  }

  private entries(length: number, depth: number): Keyed {
    const text = Object.create(null) as WireMap;
    let bytes: Map<string, WireValue> | undefined;
    for (let i = 0; i < length; i++) {
      const key = this.key();
      if (key.binary) {
        bytes ??= new Map();
        if (bytes.has(key.name)) refuse("map repeats a key", key.name);
        bytes.set(key.name, this.value(depth));
      } else {
        if (key.name in text) refuse("map repeats a key", key.name.slice(0, 64));
        text[key.name] = this.value(depth);
      }
    }
    return { text, bytes };
  }

  private key(): { binary: boolean; name: string } {
    const tag = this.bytes[this.take(1)];
    if (tag >= 0xa0 && tag < 0xc0) return { binary: false, name: this.text(tag & 0x1f) };
    if (tag >= 0xd9 && tag <= 0xdb)
      return { binary: false, name: this.text(this.unsigned(1 << (tag - 0xd9))) };
    if (tag !== 0xc4) refuse("map key is neither text nor short bytes", `type byte 0x${tag.toString(16)}`);
    const length = this.unsigned(1);
    const start = this.take(length);
    return { binary: true, name: this.bytes.toString("latin1", start, start + length) };
  }

  private array(entries: ReadonlyMap<string, WireValue>): WireValue {
    const name = entries.get("dtype");
    const data = entries.get("data");
    if (entries.size !== 4 || entries.get("__ndarray__") !== true || typeof name !== "string") {
      refuse("array map needs exactly __ndarray__, data, dtype and shape", [...entries.keys()].join(", "));
    }
    if (!(data instanceof Uint8Array)) refuse("array data is not bytes");
    const shape = this.shape(entries.get("shape"));
    if (unicodeName.test(name)) return this.strings(data, name, shape);
    const dtype = wireDTypes.get(name) ?? refuse("array dtype is not supported", name.slice(0, 64));
    const expected = sizeOf(shape) * dtype.itemSize;
    if (expected !== data.byteLength)
      refuse(
        `array of shape [${shape.join(", ")}] and dtype ${name} needs ${expected} bytes`,
        `${data.byteLength}`,
      );
    if (dtype.host === "bool" && data.some((byte) => byte > 1))
      refuse("bool array holds bytes other than 0 and 1");
    const array: NdArray = { dtype: dtype.host, shape, data: elementsOf(data, dtype) };
    return dtype.half && this.options.exact ? new Half(array as NdArray<"float32">) : array;
  }

  private shape(value: WireValue): number[] {
    if (!Array.isArray(value)) return refuse("array shape is not a list");
    const axes = value as WireValue[];
    if (axes.length > this.limits.maxRank)
      refuse(`array has more than ${this.limits.maxRank} axes`, `${axes.length}`);
    for (const axis of axes) {
      const length = typeof axis === "number" && Number.isInteger(axis) ? axis : -1;
      if (length < 0 || length > this.limits.maxElements)
        refuse("array axis is not a length", typeof axis === "number" ? `${axis}` : typeof axis);
    }
    const shape = axes as number[];
    if (sizeOf(shape) > this.limits.maxElements) refuse(`array exceeds ${this.limits.maxElements} elements`);
    return shape;
  }

  private strings(data: Uint8Array, dtype: string, shape: readonly number[]): WireValue {
    this.values += sizeOf(shape);
    if (this.values > this.limits.maxValues) refuse(`message exceeds ${this.limits.maxValues} values`);
    return unicodeArray(data, dtype, shape);
  }

  private scalar(entries: ReadonlyMap<string, WireValue>): WireValue {
    const dtype = entries.get("dtype");
    const held = entries.get("data");
    const value = held instanceof Float ? held.value : held;
    if (entries.size !== 3 || entries.get("__npgeneric__") !== true || typeof dtype !== "string") {
      refuse("scalar map needs exactly __npgeneric__, data and dtype", [...entries.keys()].join(", "));
    }
    if (!wireDTypes.has(dtype) && !unicodeName.test(dtype))
      refuse("scalar dtype is not supported", dtype.slice(0, 64));
    if (typeof value === "object" || value === undefined) return refuse("scalar holds no plain value");
    return this.options.exact ? new NumpyScalar(dtype, value) : value;
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** UCS-4 padded with NULs, as nested lists of strings. */
function unicodeArray(data: Uint8Array, dtype: string, shape: readonly number[]): WireValue {
  const width = Number(dtype.slice(2));
  const count = sizeOf(shape);
  if (data.byteLength !== count * width * 4)
    refuse(`array of shape [${shape.join(", ")}] and dtype ${dtype} has a wrong size`, `${data.byteLength}`);
  const points = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const strings: WireValue[] = [];
  for (let i = 0; i < count; i++) {
    let text = "";
    for (let j = 0; j < width; j++) {
      const point = points.getUint32((i * width + j) * 4, dtype.startsWith("<"));
      if (point > 0x10ffff) refuse("unicode array holds no code point", `${point}`);
      text += String.fromCodePoint(point);
    }
    strings.push(text.replace(/\0+$/, ""));
  }
  return nest(strings, shape);
}

function nest(flat: readonly WireValue[], shape: readonly number[]): WireValue {
  if (shape.length === 0) return flat[0];
  if (flat.length === 0) return [];
  const stride = sizeOf(shape.slice(1));
  return Array.from({ length: shape[0] }, (_, i) =>
    nest(flat.slice(i * stride, (i + 1) * stride), shape.slice(1)),
  );
}
