/** @file Decoding the CBOR that rosbridge sends: RFC 8949 with the typed arrays of RFC 8746, little endian. */

import { fail } from "../../core/errors.ts";

/** Anything that a message decodes to. */
export type CborValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | ArrayLike<number>
  | ArrayLike<bigint>
  | readonly CborValue[]
  | { readonly [key: string]: CborValue };

const maxDepth = 32;

type Element = new (buffer: ArrayBuffer) => ArrayLike<number> | ArrayLike<bigint>;

/** Tags of typed arrays and their elements. @source RFC 8746 table 1 */
const typedArrays: Readonly<Record<number, Element>> = {
  64: Uint8Array,
  68: Uint8ClampedArray,
  69: Uint16Array,
  70: Uint32Array,
  71: BigUint64Array,
  72: Int8Array,
  77: Int16Array,
  78: Int32Array,
  79: BigInt64Array,
  85: Float32Array,
  86: Float64Array,
};

class Reader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  whole(): CborValue {
    const value = this.value(0);
    if (this.at !== this.bytes.length) broken("bytes after the end");
    return value;
  }

  private value(depth: number): CborValue {
    if (depth > maxDepth) broken("nested too deeply");
    const initial = this.take(1)[0];
    const [major, info] = [initial >> 5, initial & 31];
    if (major === 7) return this.simple(info);
    const argument = this.argument(info);
    if (major === 0) return argument;
    if (major === 1) return typeof argument === "bigint" ? -1n - argument : -1 - argument;
    if (major === 6) return this.tagged(Number(argument), depth);
    const count = Number(argument);
    if (major === 2) return this.take(count);
    if (major === 3) return Buffer.from(this.take(count)).toString("utf8");
    if (count > this.bytes.length - this.at) broken("more items than bytes");
    return major === 4 ? this.list(count, depth) : this.map(count, depth);
  }

  private list(count: number, depth: number): CborValue[] {
    return Array.from({ length: count }, () => this.value(depth + 1));
  }

  private map(count: number, depth: number): CborValue {
    const map = Object.create(null) as Record<string, CborValue>;
    for (let i = 0; i < count; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") return broken("a key that is no text");
      map[key] = this.value(depth + 1);
    }
    return map;
  }

  private tagged(tag: number, depth: number): CborValue {
    const Elements = typedArrays[tag];
    const content = this.value(depth + 1);
    if (Elements === undefined) return content;
    if (!(content instanceof Uint8Array)) return broken("a typed array that is no bytes");
    const size = (Elements as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
    if (content.length % size !== 0) broken("a typed array with part of an element");
    return new Elements(new Uint8Array(content).buffer);
  }

  private argument(info: number): number | bigint {
    if (info < 24) return info;
    if (info === 24) return this.take(1)[0];
    const at = this.at;
    if (info === 25) return (this.take(2), this.view.getUint16(at));
    if (info === 26) return (this.take(4), this.view.getUint32(at));
    if (info !== 27) return broken("an indefinite length");
    this.take(8);
    const wide = this.view.getBigUint64(at);
    return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide;
  }

  private simple(info: number): CborValue {
    const at = this.at;
    if (info === 20 || info === 21) return info === 21;
    if (info === 22) return null;
    if (info === 23) return undefined;
    if (info === 25) return halfOf((this.take(2), this.view.getUint16(at)));
    if (info === 26) return (this.take(4), this.view.getFloat32(at));
    if (info === 27) return (this.take(8), this.view.getFloat64(at));
    return broken("an unknown simple value");
  }

  private take(count: number): Uint8Array {
    const end = this.at + count;
    if (!(end <= this.bytes.length)) broken("cut short");
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }
}

function halfOf(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function broken(got: string): never {
  return fail({ code: "PROTOCOL", what: "malformed CBOR from rosbridge", got });
}

/** Decode one message; byte strings are views, typed arrays copies. @throws PROTOCOL */
export function decodeCbor(bytes: Uint8Array): CborValue {
  return new Reader(bytes).whole();
}
