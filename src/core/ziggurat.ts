/** @file Standard normal and exponential draws by NumPy's ziggurat, bit-equal to `Generator.standard_normal`. */

import type { Pcg64 } from "./pcg64.ts";
import { exponentialTailStart, exponentialWidths, normalTailStart, normalWidths } from "./ziggurat-tables.ts";

/** One ziggurat: layer widths per mantissa unit, the mantissa below which a draw is accepted at once, densities. */
export interface Layers {
  readonly widths: Float64Array;
  readonly accepted: Float64Array;
  readonly density: Float64Array;
}

function layersOf(
  widths: Float64Array,
  mantissas: number,
  tailStart: number,
  densityAt: (x: number) => number,
): Layers {
  const accepted = new Float64Array(256);
  const density = new Float64Array(256);
  accepted[0] = Math.floor(tailStart / widths[0]);
  density[0] = 1;
  for (let i = 1; i < 256; i++) {
    accepted[i] = i === 1 ? 0 : Math.floor((widths[i - 1] / widths[i]) * mantissas);
    density[i] = densityAt(widths[i] * mantissas);
  }
  return { widths, accepted, density };
}

const NORMAL = layersOf(normalWidths, 2 ** 52, normalTailStart, (x) => Math.exp(-0.5 * x * x));
const EXPONENTIAL = layersOf(exponentialWidths, 2 ** 53, exponentialTailStart, (x) => Math.exp(-x));
/** The normal's layers for 23-bit mantissas: one 32-bit word a draw, enough for float32. */
export const coarseLayers: Layers = layersOf(
  normalWidths.map((width) => width * 2 ** 29),
  2 ** 23,
  normalTailStart,
  (x) => Math.exp(-0.5 * x * x),
);
const INVERSE_TAIL = 0.27366123732975828;

/** A draw from the normal's tail beyond its start; `uniform` gives numbers in [0, 1). */
function tailOf(uniform: () => number): number {
  for (;;) {
    const x = -INVERSE_TAIL * Math.log1p(-uniform());
    const y = -Math.log1p(-uniform());
    if (y + y > x * x) return normalTailStart + x;
  }
}

/** One draw of the standard normal. @source Marsaglia and Tsang (2000); NumPy `distributions.c` */
export function standardNormal(bits: Pcg64): number {
  const { widths, accepted, density } = NORMAL;
  for (;;) {
    bits.next();
    const layer = bits.low & 0xff;
    const mantissa = (bits.high & 0x1fffffff) * 8388608 + (bits.low >>> 9);
    const size = mantissa * widths[layer];
    const x = (bits.low & 0x100) === 0 ? size : -size;
    if (mantissa < accepted[layer]) return x;
    if (layer === 0) {
      const negative = (bits.low & 0x20000) !== 0;
      const tail = tailOf(() => bits.nextDouble());
      return negative ? -tail : tail;
    }
    const height = (density[layer - 1] - density[layer]) * bits.nextDouble() + density[layer];
    if (height < Math.exp(-0.5 * x * x)) return x;
  }
}

/** One draw of the standard exponential. @source Marsaglia and Tsang (2000); NumPy `distributions.c` */
export function standardExponential(bits: Pcg64): number {
  const { widths, accepted, density } = EXPONENTIAL;
  for (;;) {
    bits.next();
    const layer = (bits.low >>> 3) & 0xff;
    const mantissa = (bits.high >>> 0) * 2097152 + (bits.low >>> 11);
    const x = mantissa * widths[layer];
    if (mantissa < accepted[layer]) return x;
    if (layer === 0) return exponentialTailStart - Math.log1p(-bits.nextDouble());
    const height = (density[layer - 1] - density[layer]) * bits.nextDouble() + density[layer];
    if (height < Math.exp(-x)) return x;
  }
}

/** What a coarse normal's first word could not settle: the wedge or the tail; undefined where the draw is rejected. */
export function coarseWedge(word: number, next: () => number): number | undefined {
  const uniform = (): number => (next() >>> 0) * 2 ** -32;
  const sign = (word & 0x100) === 0 ? 1 : -1;
  const layer = word & 0xff;
  if (layer === 0) return sign * tailOf(uniform);
  const x = (word >>> 9) * coarseLayers.widths[layer];
  const height =
    coarseLayers.density[layer] + (coarseLayers.density[layer - 1] - coarseLayers.density[layer]) * uniform();
  return height < Math.exp(-0.5 * x * x) ? sign * x : undefined;
}
