/** @file The safetensors format, both ways. @source huggingface/safetensors, format description in its README */

import { itemSize, sizeOf, type DType, type NdArray, type Storage } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";

const codes: Partial<Record<DType, string>> = {
  float64: "F64",
  float32: "F32",
  int64: "I64",
  uint64: "U64",
  int32: "I32",
  uint32: "U32",
  int16: "I16",
  uint16: "U16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};
const dtypes = new Map(Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]));

/** Named tensors and string metadata to bytes; wide types first so that every tensor is aligned. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, NdArray>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const ordered = [...tensors].sort(
    ([a, x], [b, y]) => itemSize(y.dtype) - itemSize(x.dtype) || (a < b ? -1 : 1),
  );
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, array] of ordered) {
    const bytes = sizeOf(array.shape) * itemSize(array.dtype);
    header[name] = { dtype: codes[array.dtype], shape: array.shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = JSON.stringify(header);
  const encoded = new TextEncoder().encode(text + " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8));
  const out = new Uint8Array(8 + encoded.length + offset);
  new DataView(out.buffer).setBigUint64(0, BigInt(encoded.length), true);
  out.set(encoded, 8);
  let at = 8 + encoded.length;
  for (const [, { data }] of ordered) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

function corrupt(file: string, got: string): never {
  return fail({
    code: "CORRUPT_FILE",
    what: `${file} is not a whole safetensors file`,
    expected: "an 8-byte header length, a JSON header and the tensors it names",
    got,
    fix: "restore the file from a backup or train again",
  });
}

function readEntry(bytes: Uint8Array, base: number, entry: Entry): NdArray | undefined {
  const dtype = dtypes.get(entry.dtype);
  const [start, end] = entry.data_offsets ?? [];
  if (dtype === undefined || !Array.isArray(entry.shape) || end > bytes.length - base) return undefined;
  if (end - start !== sizeOf(entry.shape) * itemSize(dtype)) return undefined;
  const copy = Uint8Array.from(bytes.subarray(base + start, base + end)).buffer;
  const views = {
    float64: Float64Array,
    float32: Float32Array,
    int64: BigInt64Array,
    uint64: BigUint64Array,
    int32: Int32Array,
    uint32: Uint32Array,
    int16: Int16Array,
    uint16: Uint16Array,
    int8: Int8Array,
    uint8: Uint8Array,
    bool: Uint8Array,
  } as const;
  return { dtype, shape: entry.shape, data: new views[dtype](copy) as Storage };
}

/** Bytes to named tensors and metadata. @throws CORRUPT_FILE naming `file` and what is wrong */
export function decodeSafetensors(
  bytes: Uint8Array,
  file: string,
): { tensors: Map<string, NdArray>; metadata: Record<string, string> } {
  if (bytes.length < 8) corrupt(file, `${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) corrupt(file, `a header of ${length} bytes in a file of ${bytes.length}`);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, unknown>;
  } catch (error) {
    return corrupt(file, `a header that is not JSON (${String(error)})`);
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = new Map<string, NdArray>();
  let total = 0;
  for (const [name, entry] of Object.entries(entries)) {
    const array = readEntry(bytes, 8 + length, entry as Entry);
    if (array === undefined) corrupt(file, `a bad entry for tensor "${name}"`);
    tensors.set(name, array);
    total += array.data.byteLength;
  }
  if (8 + length + total !== bytes.length)
    corrupt(file, `${bytes.length - 8 - length - total} trailing bytes`);
  return { tensors, metadata: metadata as Record<string, string> };
}
