/** @file A msgpack writer: small things go to a scratch page, large bytes are only noted and copied once, at the end. */

const inlineBytes = 1024;

interface Segment {
  /** Where in the scratch page the bytes belong. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Writes one message in the byte forms that Python's `msgpack.packb` chooses. */
export class MsgpackWriter {
  private page = Buffer.allocUnsafeSlow(16 * 1024);
  private used = 0;
  private segments: Segment[] = [];
  private segmentBytes = 0;

  nil(): void {
    this.byte(0xc0);
  }

  boolean(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2);
  }

  /** An integer in the shortest form. */
  integer(value: number): void {
    if (value >= 0) {
      if (value < 0x80) this.byte(value);
      else if (value <= 0xff) this.tagged(0xcc, value, 1);
      else if (value <= 0xffff) this.tagged(0xcd, value, 2);
      else if (value <= 0xffffffff) this.tagged(0xce, value, 4);
      else this.big(BigInt(value));
    } else if (value >= -32) this.byte(value & 0xff);
    else if (value >= -0x80) this.tagged(0xd0, value & 0xff, 1);
    else if (value >= -0x8000) this.tagged(0xd1, value & 0xffff, 2);
    else if (value >= -0x80000000) this.tagged(0xd2, value >>> 0, 4);
    else this.big(BigInt(value));
  }

  /** A 64-bit integer; the caller has checked its range. */
  big(value: bigint): void {
    if (value >= -0x80000000n && value <= 0xffffffffn) return this.integer(Number(value));
    this.room(9);
    this.page[this.used] = value < 0n ? 0xd3 : 0xcf;
    if (value < 0n) this.page.writeBigInt64BE(value, this.used + 1);
    else this.page.writeBigUInt64BE(value, this.used + 1);
    this.used += 9;
  }

  /** A float64. */
  float(value: number): void {
    this.room(9);
    this.page[this.used] = 0xcb;
    this.used = this.page.writeDoubleBE(value, this.used + 1);
  }

  string(value: string): void {
    if (value.length <= 31 && this.shortAscii(value)) return;
    const length = Buffer.byteLength(value);
    if (length < 32) this.byte(0xa0 | length);
    else if (length <= 0xff) this.tagged(0xd9, length, 1);
    else if (length <= 0xffff) this.tagged(0xda, length, 2);
    else this.tagged(0xdb, length, 4);
    this.room(length);
    this.used += this.page.write(value, this.used, length, "utf8");
  }

  /** Bytes, as bin 8, 16 or 32. */
  binary(bytes: Uint8Array): void {
    const length = bytes.byteLength;
    if (length <= 0xff) this.tagged(0xc4, length, 1);
    else if (length <= 0xffff) this.tagged(0xc5, length, 2);
    else this.tagged(0xc6, length, 4);
    this.raw(bytes);
  }

  listHeader(length: number): void {
    this.header(length, 0x90, 0xdc);
  }

  mapHeader(length: number): void {
    this.header(length, 0x80, 0xde);
  }

  /** Bytes that are msgpack already. */
  raw(bytes: Uint8Array): void {
    if (bytes.byteLength > inlineBytes) {
      this.segments.push({ at: this.used, bytes });
      this.segmentBytes += bytes.byteLength;
      return;
    }
    this.room(bytes.byteLength);
    this.page.set(bytes, this.used);
    this.used += bytes.byteLength;
  }

  /** The message, in memory of its own; the writer is empty again. */
  finish(): Buffer<ArrayBuffer> {
    const out = Buffer.allocUnsafeSlow(this.used + this.segmentBytes);
    if (this.segments.length === 0) {
      this.page.copy(out, 0, 0, this.used);
      this.used = 0;
      return out;
    }
    let from = 0;
    let to = 0;
    for (const { at, bytes } of this.segments) {
      out.set(this.page.subarray(from, at), to);
      to += at - from;
      out.set(bytes, to);
      to += bytes.byteLength;
      from = at;
    }
    out.set(this.page.subarray(from, this.used), to);
    this.clear();
    return out;
  }

  /** Forget what was written, after a value that could not be encoded. */
  clear(): void {
    this.used = 0;
    this.segments = [];
    this.segmentBytes = 0;
  }

  private shortAscii(value: string): boolean {
    this.room(32);
    const start = this.used + 1;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      this.page[start + i] = code;
    }
    this.page[this.used] = 0xa0 | value.length;
    this.used = start + value.length;
    return true;
  }

  private header(length: number, fix: number, tag16: number): void {
    if (length <= 15) this.byte(fix | length);
    else if (length <= 0xffff) this.tagged(tag16, length, 2);
    else this.tagged(tag16 + 1, length, 4);
  }

  private byte(value: number): void {
    this.room(1);
    this.page[this.used++] = value;
  }

  private tagged(tag: number, value: number, width: 1 | 2 | 4): void {
    this.room(5);
    const at = this.used + 1;
    this.page[this.used] = tag;
    if (width === 1) this.used = this.page.writeUInt8(value, at);
    else if (width === 2) this.used = this.page.writeUInt16BE(value, at);
    else this.used = this.page.writeUInt32BE(value, at);
  }

  private room(bytes: number): void {
    if (this.used + bytes <= this.page.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.page.length * 2, this.used + bytes));
    larger.set(this.page.subarray(0, this.used));
    this.page = larger;
  }
}
