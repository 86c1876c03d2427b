/** @file The bytes of an episode file: magic, version, SHA-256, a JSON header, then the arrays, each on 8 bytes. */

import { createHash } from "node:crypto";
import { fail } from "../core/errors.ts";
import { itemSize, ndarray, sizeOf } from "../core/ndarray.ts";
import type { DType, NdArray, Storage } from "../core/ndarray.ts";
import { checkEpisode } from "./episode.ts";
import type { Episode, EpisodeMeta } from "./episode.ts";

/** As PNG's: the high bit catches 7-bit transfers, the line ends catch text mode. */
const magic = new Uint8Array([0x89, 0x52, 0x56, 0x45, 0x0d, 0x0a, 0x1a, 0x0a]);
const formatVersion = 1;
const hashStart = 16;
const headerStart = hashStart + 32;
const alignment = 8;

interface ArrayEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** From the first byte of the payload. */
  readonly offset: number;
}

interface Header {
  readonly id: string;
  readonly meta: EpisodeMeta;
  readonly terminated: boolean;
  readonly truncated: boolean;
  readonly arrays: Readonly<Record<string, ArrayEntry>>;
  readonly extras: readonly string[];
}

const storages: Record<DType, new (buffer: ArrayBufferLike, offset: number, length: number) => Storage> = {
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
};

const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

function arraysOf(episode: Episode): Record<string, NdArray> {
  const { frames, states, actions, rewards, extras = {} } = episode;
  const named: Record<string, NdArray> = { frames, states, actions, rewards };
  for (const [name, array] of Object.entries(extras)) {
    if (name in named)
      fail({ code: "INVALID_ARGUMENT", what: `episode "${episode.id}": extra "${name}" is a column's name` });
    named[name] = array;
  }
  return named;
}

function headerBytes(header: Header): Uint8Array {
  let text: string;
  try {
    text = JSON.stringify(header);
  } catch (cause) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `episode "${header.id}": its meta cannot be written as JSON`,
      cause,
    });
  }
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(align(bytes.length)).fill(0x20);
  padded.set(bytes);
  return padded;
}

/** The file's bytes, in pieces to be written in order; the arrays are not copied. */
export function encodeEpisode(episode: Episode): Uint8Array[] {
  const named = arraysOf(checkEpisode(episode));
  const arrays: Record<string, ArrayEntry> = {};
  const payload: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(named)) {
    arrays[name] = { dtype, shape: [...shape], offset };
    payload.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    payload.push(new Uint8Array(align(data.byteLength) - data.byteLength));
    offset += align(data.byteLength);
  }
  const { id, meta, terminated, truncated, extras = {} } = episode;
  const header = headerBytes({ id, meta, terminated, truncated, arrays, extras: Object.keys(extras) });
  const prefix = new Uint8Array(headerStart);
  prefix.set(magic);
  const view = new DataView(prefix.buffer);
  view.setUint32(8, formatVersion, true);
  view.setUint32(12, header.length, true);
  const hash = createHash("sha256").update(prefix.subarray(0, hashStart)).update(header);
  for (const piece of payload) hash.update(piece);
  prefix.set(hash.digest(), hashStart);
  return [prefix, header, ...payload];
}

function corrupt(file: string, got: string, expected: string): never {
  fail({
    code: "CORRUPT_FILE",
    what: `${file} is not a whole episode file`,
    expected,
    got,
    fix: "delete the file, or record the episode again",
  });
}

function readHeader(bytes: Uint8Array, file: string): { header: Header; payloadStart: number } {
  if (bytes.length < headerStart) corrupt(file, `${bytes.length} bytes`, `at least ${headerStart} bytes`);
  if (magic.some((byte, i) => bytes[i] !== byte))
    corrupt(file, "other first bytes", "an episode file's first bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  if (version !== formatVersion)
    corrupt(file, `format version ${version}`, `format version ${formatVersion}`);
  const hash = createHash("sha256")
    .update(bytes.subarray(0, hashStart))
    .update(bytes.subarray(headerStart))
    .digest();
  if (hash.some((byte, i) => bytes[hashStart + i] !== byte)) {
    corrupt(file, "another SHA-256: bytes are missing or changed", "the SHA-256 that stands in the file");
  }
  const payloadStart = headerStart + view.getUint32(12, true);
  const text = new TextDecoder().decode(bytes.subarray(headerStart, payloadStart));
  return { header: JSON.parse(text) as Header, payloadStart };
}

/**
 * Read an episode from its file's bytes; the arrays are views of `bytes`, which must start on 8 bytes.
 *
 * @throws CORRUPT_FILE naming `file`
 */
export function decodeEpisode(bytes: Uint8Array, file: string): Episode {
  const { header, payloadStart } = readHeader(bytes, file);
  const array = (name: string): NdArray => {
    const { dtype, shape, offset } = header.arrays[name];
    const start = bytes.byteOffset + payloadStart + offset;
    if (payloadStart + offset + sizeOf(shape) * itemSize(dtype) > bytes.length) {
      corrupt(file, `${bytes.length} bytes`, `all of "${name}"`);
    }
    return ndarray(dtype, shape, new storages[dtype](bytes.buffer, start, sizeOf(shape)));
  };
  return checkEpisode({
    id: header.id,
    meta: header.meta,
    frames: array("frames") as NdArray<"uint8">,
    states: array("states") as NdArray<"float32">,
    actions: array("actions") as NdArray<"float32">,
    rewards: array("rewards") as NdArray<"float32">,
    terminated: header.terminated,
    truncated: header.truncated,
    ...(header.extras.length > 0 && {
      extras: Object.fromEntries(header.extras.map((name) => [name, array(name)])),
    }),
  });
}
