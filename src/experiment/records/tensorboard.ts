/** @file Writes TensorBoard event files: scalars, text and PNG images, in the record format of TensorFlow. */

import { existsSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { openAppender } from "../../core/storage.ts";

const castagnoli = (() => {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    table[n] = c;
  }
  return table;
})();

/** CRC-32C (Castagnoli), unsigned. @source RFC 3720, appendix B.4 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = castagnoli[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Length, masked CRC of the length, payload, masked CRC of the payload. @source tensorflow/core/lib/io/record_writer.cc */
function record(payload: Uint8Array): Uint8Array {
  const out = Buffer.alloc(payload.length + 16);
  out.writeBigUInt64LE(BigInt(payload.length), 0);
  out.writeUInt32LE(maskedCrc(out.subarray(0, 8)), 8);
  out.set(payload, 12);
  out.writeUInt32LE(maskedCrc(payload), 12 + payload.length);
  return out;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Uint8Array.from([...bytes, Number(rest)]);
}

function intField(field: number, value: number): Uint8Array {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

function doubleField(field: number, value: number): Uint8Array {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(value);
  return Buffer.concat([varint((field << 3) | 1), out]);
}

function floatField(field: number, value: number): Uint8Array {
  const out = Buffer.alloc(4);
  out.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), out]);
}

function bytesField(field: number, value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

/** A PNG with its size in pixels. */
export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/** One event file. Records are on disk when a call returns. */
export interface EventWriter {
  scalar(tag: string, step: number, value: number): void;
  text(tag: string, step: number, markdown: string): void;
  image(tag: string, step: number, image: PngImage): void;
  close(): void;
}

/** DT_STRING tensor of shape [1] with the text plugin's metadata. @source tensorboard/plugins/text/summary_v2.py */
function textValue(tag: string, markdown: string): Uint8Array {
  const metadata = bytesField(9, bytesField(1, bytesField(1, "text")));
  const shape = bytesField(2, bytesField(2, intField(1, 1)));
  const tensor = bytesField(8, Buffer.concat([intField(1, 7), shape, bytesField(8, markdown)]));
  return Buffer.concat([bytesField(1, tag), metadata, tensor]);
}

function imageValue(tag: string, { width, height, png }: PngImage): Uint8Array {
  const image = [intField(1, height), intField(2, width), intField(3, 3), bytesField(4, png)];
  return Buffer.concat([bytesField(1, tag), bytesField(4, Buffer.concat(image))]);
}

/** Readers take a folder's files in the order of their names, so a new one is named after every older one. */
function fileName(folder: string): string {
  const older = (existsSync(folder) ? readdirSync(folder) : []).map((name) =>
    Number(name.split(".")[3] ?? 0),
  );
  const seconds = Math.max(Math.floor(Date.now() / 1000), ...older.map((time) => time + 1));
  return `events.out.tfevents.${String(seconds).padStart(10, "0")}.${hostname()}.${process.pid}.0`;
}

/**
 * Open a new event file in `folder`.
 * @param purgeStep readers drop what earlier files of the folder hold from this step on (a resumed run's stale tail)
 * @throws STORAGE_FULL, IO_FAILED here and from every write
 */
export function openEventFile(folder: string, purgeStep?: number): EventWriter {
  const file = openAppender(join(folder, fileName(folder)), 0);
  const write = (...fields: Uint8Array[]): void => {
    file.append(record(Buffer.concat([doubleField(1, Date.now() / 1000), ...fields])));
  };
  const summary = (step: number, value: Uint8Array): void => {
    write(intField(2, step), bytesField(5, bytesField(1, value)));
  };
  write(bytesField(3, "brain.Event:2"));
  // SessionLog.START: the event that TensorBoard purges by.
  if (purgeStep !== undefined) write(intField(2, purgeStep), bytesField(7, intField(1, 1)));
  return {
    scalar: (tag, step, value) => summary(step, Buffer.concat([bytesField(1, tag), floatField(2, value)])),
    text: (tag, step, markdown) => summary(step, textValue(tag, markdown)),
    image: (tag, step, image) => summary(step, imageValue(tag, image)),
    close: () => file.close(),
  };
}
