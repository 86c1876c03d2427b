/** @file An append-only journal of one episode: every record that was written survives the death of its writer. */

import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

import { failStorage } from "../../core/storage.ts";
import { decodeMap, encode } from "../codec.ts";
import type { WireMap } from "../codec.ts";
import { defaultLimits } from "../limits.ts";

/** First bytes of a journal; the digit is the version. */
const magic = Buffer.from("RVJOURN1");
const digestBytes = 8;
const headBytes = 4 + digestBytes;
const limits = { ...defaultLimits, maxBytes: 2 ** 31 - 1 };

/** A journal open for writing. */
export interface Journal {
  readonly file: string;
  /** Append one record; when it returns, the operating system has it. @throws STORAGE_FULL, IO_FAILED */
  append(record: WireMap): void;
  close(): void;
}

function digestOf(body: Uint8Array): Buffer {
  return createHash("sha256").update(body).digest().subarray(0, digestBytes);
}

function attempt<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    return failStorage(file, error);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
}

/** Begin a journal; `file` must not exist. @throws STORAGE_FULL, IO_FAILED */
export function openJournal(file: string): Journal {
  const descriptor = attempt(file, () => openSync(file, "wx"));
  let open = true;
  attempt(file, () => writeAll(descriptor, magic));
  return {
    file,
    append(record) {
      const body = encode(record);
      const bytes = Buffer.allocUnsafe(headBytes + body.length);
      bytes.writeUInt32LE(body.length);
      digestOf(body).copy(bytes, 4);
      body.copy(bytes, headBytes);
      attempt(file, () => writeAll(descriptor, bytes));
    },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

/** The whole records of a journal; a torn or damaged one ends it. @throws IO_FAILED */
export function readJournal(file: string): WireMap[] {
  const bytes = attempt(file, () => readFileSync(file));
  const records: WireMap[] = [];
  if (!bytes.subarray(0, magic.length).equals(magic)) return records;
  for (let at = magic.length; at + headBytes <= bytes.length;) {
    const end = at + headBytes + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    const body = bytes.subarray(at + headBytes, end);
    if (!digestOf(body).equals(bytes.subarray(at + 4, at + headBytes))) break;
    records.push(decodeMap(body, { limits }));
    at = end;
  }
  return records;
}
