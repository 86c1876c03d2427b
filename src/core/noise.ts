/** @file Bulk float32 noise for models: a 32-bit sfc32 stream, several times faster than PCG64 and not NumPy's stream. */

import { coarseLayers, coarseWedge } from "./ziggurat.ts";

/** The four int32 words of the stream. */
export type NoiseState = readonly [number, number, number, number];

/** A noise stream. @source Doty-Humphrey, PractRand `sfc32` */
export class NoiseStream {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;
  readonly #next = (): number => this.next();

  constructor(state: NoiseState) {
    [this.#a, this.#b, this.#c, this.#counter] = [state[0] | 0, state[1] | 0, state[2] | 0, state[3] | 0];
  }

  /** A fresh stream from three key words, mixed before its first output. */
  static fromKey(key: Uint32Array): NoiseStream {
    const stream = new NoiseStream([key[0], key[1], key[2], 1]);
    for (let i = 0; i < 12; i++) stream.next();
    return stream;
  }

  get state(): NoiseState {
    return [this.#a, this.#b, this.#c, this.#counter];
  }

  /** 32 random bits as an int32. */
  next(): number {
    const [a, b, c] = [this.#a, this.#b, this.#c];
    const word = (a + b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = b ^ (b >>> 9);
    this.#b = (c + (c << 3)) | 0;
    this.#c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word;
  }

  /** Fill with uniforms in [0, 1), 24 random bits each. */
  fillUniform(out: Float32Array): void {
    for (let i = 0; i < out.length; i++) out[i] = (this.next() >>> 8) * (1 / 16777216);
  }

  /** Fill with standard normals. */
  fillNormal(out: Float32Array): void {
    const { widths, accepted } = coarseLayers;
    for (let i = 0; i < out.length;) {
      const word = this.next();
      const layer = word & 0xff;
      const mantissa = word >>> 9;
      if (mantissa < accepted[layer]) {
        const x = mantissa * widths[layer];
        out[i++] = (word & 0x100) === 0 ? x : -x;
      } else {
        const x = coarseWedge(word, this.#next);
        if (x !== undefined) out[i++] = x;
      }
    }
  }
}
