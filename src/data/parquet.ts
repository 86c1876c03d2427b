/** @file Parquet files: tables written row group by row group, and read back with no more than one row group in memory. */

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { AsyncBuffer, FileMetaData, KeyValue, SchemaElement } from "hyparquet";
import { fail } from "../core/errors.ts";
import type { DType } from "../core/ndarray.ts";
import { failStorage, openAtomicFile } from "../core/storage.ts";

/** What a cell holds: a number, a text, or an encoded image as `{ bytes, path }`. */
export type CellType = DType | "string" | "image";

/** A column; `depth` is the number of lists around each cell: 0 for a plain value, 1 for a vector. */
export interface ParquetColumn {
  readonly name: string;
  readonly type: CellType;
  readonly depth: number;
}

/** Rows by column name. 64-bit integers are bigint. */
export type ParquetRow = Readonly<Record<string, unknown>>;

/** Size and SHA-256 of a finished file. */
export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** A table that is being written; its file appears when it is finished. */
export interface ParquetWriter {
  /** Bytes so far. */
  readonly bytes: number;
  /** Append one row group: every column with the same number of values. @throws STORAGE_FULL, IO_FAILED */
  write(columns: Readonly<Record<string, readonly unknown[]>>): Promise<void>;
  /** @throws STORAGE_FULL, IO_FAILED */
  finish(): Promise<WrittenFile>;
  discard(): Promise<void>;
}

const optional = "OPTIONAL" as const;

// Small integers carry the old annotation alone: the writer's bit width of the new one is not what other readers expect.
const physical: Readonly<Record<CellType, Omit<SchemaElement, "name">>> = {
  float32: { type: "FLOAT" },
  float64: { type: "DOUBLE" },
  int8: { type: "INT32", converted_type: "INT_8" },
  uint8: { type: "INT32", converted_type: "UINT_8" },
  int16: { type: "INT32", converted_type: "INT_16" },
  uint16: { type: "INT32", converted_type: "UINT_16" },
  int32: { type: "INT32" },
  uint32: { type: "INT32", converted_type: "UINT_32" },
  int64: { type: "INT64" },
  uint64: { type: "INT64", converted_type: "UINT_64" },
  bool: { type: "BOOLEAN" },
  string: { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } },
  image: { num_children: 2 },
};

function elementsOf(name: string, type: CellType, depth: number): SchemaElement[] {
  if (depth > 0) {
    return [
      {
        name,
        repetition_type: optional,
        converted_type: "LIST",
        logical_type: { type: "LIST" },
        num_children: 1,
      },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      ...elementsOf("element", type, depth - 1),
    ];
  }
  const element: SchemaElement = { name, repetition_type: optional, ...physical[type] };
  if (type !== "image") return [element];
  return [
    element,
    { name: "bytes", type: "BYTE_ARRAY", repetition_type: optional },
    { name: "path", repetition_type: optional, ...physical.string },
  ];
}

function schemaOf(columns: readonly ParquetColumn[]): SchemaElement[] {
  const fields = columns.flatMap(({ name, type, depth }) => elementsOf(name, type, depth));
  return [{ name: "schema", num_children: columns.length }, ...fields];
}

/** Begin a table, Snappy-compressed; `facts` become the file's key-value metadata. @throws STORAGE_FULL, IO_FAILED */
export async function openParquetWriter(
  file: string,
  columns: readonly ParquetColumn[],
  facts: Readonly<Record<string, string>> = {},
): Promise<ParquetWriter> {
  const hyparquet = await import("hyparquet-writer");
  const output = await openAtomicFile(file);
  const pending = new hyparquet.ByteWriter() as InstanceType<typeof hyparquet.ByteWriter> & { index: number };
  const entries: KeyValue[] = Object.entries(facts).map(([key, value]) => ({ key, value }));
  // An empty list would be written with another type than strict readers expect.
  const kvMetadata = entries.length > 0 ? entries : undefined;
  const table = new hyparquet.ParquetWriter({ writer: pending, schema: schemaOf(columns), kvMetadata });
  const hash = createHash("sha256");
  const flush = async (): Promise<void> => {
    const bytes = pending.getBytes().slice();
    pending.index = 0;
    hash.update(bytes);
    await output.append(bytes);
  };
  return {
    get bytes() {
      return pending.offset;
    },
    async write(values) {
      const columnData = columns.map(({ name }) => ({ name, data: values[name] as unknown[] }));
      await table.write({ columnData, rowGroupSize: Math.max(1, columnData[0].data.length) });
      await flush();
    },
    async finish() {
      await table.finish();
      await flush();
      await output.finish();
      return { bytes: pending.offset, sha256: hash.digest("hex") };
    },
    discard: () => output.discard(),
  };
}

/** An open table. */
export interface ParquetReader {
  readonly rows: number;
  readonly columns: readonly string[];
  /** The file's key-value metadata. */
  readonly facts: Readonly<Record<string, string>>;
  /** Rows [start, end). The row group that they end in stays in memory until another is read. @throws CORRUPT_FILE */
  read(start: number, end: number): Promise<readonly ParquetRow[]>;
  close(): Promise<void>;
}

/** Error for a file that is not what it should be. */
export function corruptFile(file: string, got: string, cause?: unknown): never {
  return fail({
    code: "CORRUPT_FILE",
    what: `${file} is damaged`,
    got,
    fix: "copy the file again from where it came from, or remake the data set",
    cause,
  });
}

function bufferOf(handle: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const bytes = new Uint8Array(end - start);
      for (let done = 0; done < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
        if (bytesRead === 0) throw new Error(`the file ends at byte ${start + done}`);
        done += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

interface Groups {
  /** First row of each row group, and the number of rows at the end. */
  readonly starts: readonly number[];
  read(group: number): Promise<readonly ParquetRow[]>;
}

async function groupsOf(
  buffer: AsyncBuffer,
  metadata: FileMetaData,
  columns: readonly string[] | undefined,
): Promise<Groups> {
  const { parquetReadObjects } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const starts = [0];
  for (const group of metadata.row_groups) starts.push(starts[starts.length - 1] + Number(group.num_rows));
  let latest: { group: number; rows: readonly ParquetRow[] } | undefined;
  return {
    starts,
    async read(group) {
      if (latest?.group === group) return latest.rows;
      latest = undefined;
      const [rowStart, rowEnd] = [starts[group], starts[group + 1]];
      const selected = columns === undefined ? {} : { columns: [...columns] };
      const options = { file: buffer, metadata, compressors, utf8: false, rowStart, rowEnd, ...selected };
      latest = { group, rows: await parquetReadObjects(options) };
      return latest.rows;
    },
  };
}

async function openMetadata(
  file: string,
): Promise<{ handle: FileHandle; buffer: AsyncBuffer; metadata: FileMetaData }> {
  const handle = await open(file, "r").catch((cause: unknown) => failStorage(file, cause));
  try {
    const buffer = bufferOf(handle, (await handle.stat()).size);
    const { parquetMetadataAsync } = await import("hyparquet");
    return { handle, buffer, metadata: await parquetMetadataAsync(buffer) };
  } catch (cause) {
    await handle.close();
    return corruptFile(file, `no readable Parquet footer: ${(cause as Error).message}`, cause);
  }
}

/** Names of the top-level columns. */
function columnNames({ schema }: FileMetaData): string[] {
  const names: string[] = [];
  const skip = (at: number): number => {
    let next = at + 1;
    for (let child = 0; child < (schema[at].num_children ?? 0); child++) next = skip(next);
    return next;
  };
  for (let at = 1; at < schema.length; at = skip(at)) names.push(schema[at].name);
  return names;
}

/** Open a table; `wanted` chooses its columns by name. @throws CORRUPT_FILE, IO_FAILED */
export async function openParquet(
  file: string,
  wanted: (column: string) => boolean = () => true,
): Promise<ParquetReader> {
  const { handle, buffer, metadata } = await openMetadata(file);
  const all = columnNames(metadata);
  const columns = all.filter(wanted);
  const groups = await groupsOf(buffer, metadata, columns.length === all.length ? undefined : columns);
  return {
    rows: Number(metadata.num_rows),
    columns,
    facts: Object.fromEntries(
      (metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? ""]),
    ),
    async read(start, end) {
      const rows: ParquetRow[] = [];
      try {
        for (let group = 0; group < groups.starts.length - 1; group++) {
          const [first, next] = [groups.starts[group], groups.starts[group + 1]];
          if (next <= start || first >= end) continue;
          const part = await groups.read(group);
          for (let row = Math.max(start, first); row < Math.min(end, next); row++)
            rows.push(part[row - first]);
        }
      } catch (cause) {
        corruptFile(file, (cause as Error).message, cause);
      }
      if (rows.length !== end - start)
        corruptFile(file, `${groups.starts.at(-1)} rows where ${end} were expected`);
      return rows;
    },
    close: () => handle.close(),
  };
}

/** All rows of a small table. @throws CORRUPT_FILE, IO_FAILED */
export async function readParquet(
  file: string,
  wanted?: (column: string) => boolean,
): Promise<readonly ParquetRow[]> {
  const reader = await openParquet(file, wanted);
  try {
    return await reader.read(0, reader.rows);
  } finally {
    await reader.close();
  }
}
