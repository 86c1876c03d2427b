/** @file Map keys come again and again: a small table gives the same string without decoding it anew. */

const slots = 1024;
const cached: (string | undefined)[] = Array.from({ length: slots });

/** The ASCII text in `bytes[start, end)`, or undefined when it is not ASCII. */
export function keyAt(bytes: Buffer, start: number, end: number): string | undefined {
  let hash = end - start;
  let high = 0;
  for (let i = start; i < end; i++) {
    hash = (Math.imul(hash, 31) + bytes[i]) | 0;
    high |= bytes[i];
  }
  if (high > 0x7f) return undefined;
  const slot = hash & (slots - 1);
  const known = cached[slot];
  if (known !== undefined && same(known, bytes, start, end)) return known;
  const text = bytes.toString("latin1", start, end);
  cached[slot] = text;
  return text;
}

function same(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = start; i < end; i++) if (text.charCodeAt(i - start) !== bytes[i]) return false;
  return true;
}
