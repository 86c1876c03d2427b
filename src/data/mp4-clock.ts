/** @file Takes the clock out of MP4 files, so that the same frames make the same bytes. */

/** Boxes on the way to those that tell when a file was made. */
const containers = new Set(["moov", "trak", "mdia"]);
const dated = new Set(["mvhd", "tkhd", "mdhd"]);
const headerBytes = 8;

/**
 * Set creation and modification times of an MP4 file's movie, tracks and media to 0 ("unknown"), in place.
 *
 * @source ISO/IEC 14496-12, 4.2 (boxes), 8.2.2, 8.3.2 and 8.4.2 (headers; version 1 has 64-bit times)
 */
export function withoutClock(file: Uint8Array): Uint8Array {
  clearBoxes(file, 0, file.length);
  return file;
}

function clearBoxes(file: Uint8Array, from: number, to: number): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = from;
  while (at + headerBytes <= to) {
    const size = view.getUint32(at);
    const name = String.fromCharCode(...file.subarray(at + 4, at + headerBytes));
    // 0 and 1 stand for "to the end of the file" and for a 64-bit size: media data, which holds no dates.
    if (size < headerBytes) return;
    const body = at + headerBytes;
    if (containers.has(name)) clearBoxes(file, body, at + size);
    if (dated.has(name)) file.fill(0, body + 4, body + 4 + (file[body] === 1 ? 16 : 8));
    at += size;
  }
}
