/** @file Filter-aware painting: edges, bands and stripes weighted by a box filter, which is what anti-aliases the ground. */

/** Linear colour [r, g, b] in 0..255; painters write into it. */
export type Color = Float64Array;

export const asphalt = [88, 91, 98] as const;
const grassLight = [101, 150, 84] as const;
const grassDark = [94, 143, 77] as const;

/** Side of one cell of the grass checker in m. */
export const grassCellM = 4;

/** Share of a box filter of width `filter` around `position` that lies above `edge`. */
export function above(position: number, edge: number, filter: number): number {
  const share = (position - edge) / filter + 0.5;
  return share < 0 ? 0 : share > 1 ? 1 : share;
}

/** Share of the filter inside [from, to]. */
export function band(
  position: number,
  edges: { readonly from: number; readonly to: number },
  filter: number,
): number {
  return above(position, edges.from, filter) - above(position, edges.to, filter);
}

/** Share of the filter that a stripe pattern covers: the first `on` m of every `period` m. */
export function stripe(
  position: number,
  pattern: { readonly period: number; readonly on: number },
  filter: number,
): number {
  const { period, on } = pattern;
  const phase = position - period * Math.floor(position / period);
  return above(phase, 0, filter) - above(phase, on, filter) + above(phase, period, filter);
}

/** Mix `share` of a colour into `color`, in place. */
export function blend(color: Color, over: ArrayLike<number>, share: number): void {
  for (let c = 0; c < 3; c++) color[c] += (over[c] - color[c]) * share;
}

/** Paint grass: a checker of 4 m cells, 7/255 of contrast, which gives motion a cue off the road. */
export function paintGrass(color: Color, x: number, y: number): void {
  const parity = (Math.floor(x / grassCellM) + Math.floor(y / grassCellM)) & 1;
  const base = parity === 0 ? grassLight : grassDark;
  for (let c = 0; c < 3; c++) color[c] = base[c];
}

/** A colour as 0x00BBGGRR. */
export function packColor(color: ArrayLike<number>): number {
  return Math.round(color[0]) | (Math.round(color[1]) << 8) | (Math.round(color[2]) << 16);
}
