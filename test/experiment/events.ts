/** @file An independent reader of TensorBoard event files, for the tests: checks both checksums bit by bit. */

/** One decoded event. */
export interface DecodedEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly version?: string;
  readonly start: boolean;
  readonly tag?: string;
  readonly scalar?: number;
  readonly plugin?: string;
  readonly text?: string;
  readonly image?: {
    readonly height: number;
    readonly width: number;
    readonly channels: number;
    readonly png: Uint8Array;
  };
}

function slowMaskedCrc(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  crc = ~crc >>> 0;
  return (Number((BigInt(crc) >> 15n) | ((BigInt(crc) << 17n) & 0xffffffffn)) + 0xa282ead8) % 2 ** 32;
}

type Field = number | Uint8Array;

/** Fields of a protobuf message by number; repeated ones keep their order. */
function decode(bytes: Uint8Array): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  const view = Buffer.from(bytes);
  let at = 0;
  const varint = (): number => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = view[at++];
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) return value;
    }
  };
  while (at < view.length) {
    const key = varint();
    let value: Field;
    if (key % 8 === 0) value = varint();
    else if (key % 8 === 1) value = view.readDoubleLE((at += 8) - 8);
    else if (key % 8 === 5) value = view.readFloatLE((at += 4) - 4);
    else {
      const length = varint();
      value = view.subarray(at, (at += length));
    }
    const number = Math.floor(key / 8);
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

const text = (field: Field | undefined): string | undefined =>
  field === undefined ? undefined : Buffer.from(field as Uint8Array).toString("utf8");

function inner(message: Map<number, Field[]> | undefined, number: number): Map<number, Field[]> | undefined {
  const bytes = message?.get(number)?.[0];
  return bytes instanceof Uint8Array ? decode(bytes) : undefined;
}

function decodeEvent(bytes: Uint8Array): DecodedEvent {
  const event = decode(bytes);
  const value = inner(inner(event, 5), 1);
  const image = inner(value, 4);
  return {
    wallTime: event.get(1)?.[0] as number,
    step: (event.get(2)?.[0] as number | undefined) ?? 0,
    version: text(event.get(3)?.[0]),
    start: inner(event, 7)?.get(1)?.[0] === 1,
    tag: text(value?.get(1)?.[0]),
    scalar: value?.get(2)?.[0] as number | undefined,
    plugin: text(inner(inner(value, 9), 1)?.get(1)?.[0]),
    text: text(inner(value, 8)?.get(8)?.[0]),
    image: image && {
      height: image.get(1)?.[0] as number,
      width: image.get(2)?.[0] as number,
      channels: image.get(3)?.[0] as number,
      png: image.get(4)?.[0] as Uint8Array,
    },
  };
}

/** All events of a file. @throws when a checksum is wrong or the file ends within a record */
export function readEvents(file: Buffer): DecodedEvent[] {
  const events: DecodedEvent[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    const payload = file.subarray(at + 12, at + 12 + length);
    if (file.readUInt32LE(at + 8) !== slowMaskedCrc(file.subarray(at, at + 8)))
      throw new Error("length checksum");
    if (file.readUInt32LE(at + 12 + length) !== slowMaskedCrc(payload)) throw new Error("payload checksum");
    events.push(decodeEvent(payload));
    at += length + 16;
  }
  return events;
}
