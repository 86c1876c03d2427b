/** @file A small 2-D rasterizer: exact-area anti-aliased polygons on RGB images, without allocation per shape. */

/** 8-bit colour as [red, green, blue]. */
export type Rgb = readonly [number, number, number];

/**
 * A drawing target: `height × width × 3` bytes of `data` from `offset` on. `data` and `offset` may be re-pointed between
 * shapes (a batch of frames is drawn with one canvas). `coverage` is scratch space, all zero between calls.
 */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  data: Uint8Array;
  offset: number;
  readonly coverage: Float64Array;
}

interface RowEdge {
  x0: number;
  x1: number;
  dy: number;
}

interface Edge {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

interface PixelBox {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

// Scratch records, overwritten by every call: drawing is synchronous and allocates nothing.
const rowEdge: RowEdge = { x0: 0, x1: 0, dy: 0 };
const edgeScratch: Edge = { x0: 0, y0: 0, x1: 0, y1: 0 };
const boxScratch: PixelBox = { left: 0, right: 0, top: 0, bottom: 0 };

/** A canvas of `width × height` pixels over `data` (a new black image when absent). */
export function makeCanvas(width: number, height: number, data?: Uint8Array): Canvas {
  return {
    width,
    height,
    data: data ?? new Uint8Array(width * height * 3),
    offset: 0,
    coverage: new Float64Array((width + 2) * height),
  };
}

/** Fill the whole image with one colour. */
export function clearCanvas(canvas: Canvas, color: Rgb): void {
  const { data, offset, width, height } = canvas;
  const end = offset + width * height * 3;
  for (let i = offset; i < end; i += 3) {
    data[i] = color[0];
    data[i + 1] = color[1];
    data[i + 2] = color[2];
  }
}

/**
 * Add one row's piece of an edge to the coverage differences of that row: after a running sum along the row, every
 * pixel holds the signed area of it that lies right of the edge. Areas are exact.
 */
function accumulateRow(acc: Float64Array, base: number, width: number, edge: RowEdge): void {
  const left = Math.min(edge.x0, edge.x1);
  const right = Math.max(edge.x0, edge.x1);
  const { dy } = edge;
  if (left >= width) return;
  if (right <= 0) {
    acc[base] += dy;
    return;
  }
  const first = Math.max(Math.floor(left), 0);
  const last = Math.min(Math.floor(right), width);
  if (first === last && left >= 0) {
    const share = dy * (first + 1 - (left + right) / 2);
    acc[base + first] += share;
    acc[base + first + 1] += dy - share;
    return;
  }
  const slope = dy / (right - left);
  let entered = left < 0 ? -left * slope : 0;
  let previous = 0;
  for (let x = first; x <= last; x++) {
    const from = Math.max(left, x);
    const to = Math.min(right, x + 1);
    const part = slope * (to - from);
    const area = entered + part * (x + 1 - (from + to) / 2);
    acc[base + x] += area - previous;
    entered += part;
    previous = area;
  }
  acc[base + last + 1] += dy - previous;
}

function accumulateEdge(canvas: Canvas, edge: Edge): void {
  const { x0, y0, x1, y1 } = edge;
  if (y0 === y1) return;
  const sign = y0 < y1 ? 1 : -1;
  const topX = sign > 0 ? x0 : x1;
  const topY = Math.min(y0, y1);
  const bottomY = Math.min(Math.max(y0, y1), canvas.height);
  const slope = (x1 - x0) / (y1 - y0);
  let y = Math.max(topY, 0);
  while (y < bottomY) {
    const next = Math.min(Math.floor(y) + 1, bottomY);
    rowEdge.x0 = topX + (y - topY) * slope;
    rowEdge.x1 = topX + (next - topY) * slope;
    rowEdge.dy = sign * (next - y);
    accumulateRow(canvas.coverage, Math.floor(y) * (canvas.width + 2), canvas.width, rowEdge);
    y = next;
  }
}

/** Blend the colour over the accumulated coverage inside a box of pixels, and zero the coverage again. */
function resolveCoverage(canvas: Canvas, box: PixelBox, color: Rgb, alpha: number): void {
  const { coverage, data, width } = canvas;
  for (let y = box.top; y < box.bottom; y++) {
    const base = y * (width + 2);
    let sum = 0;
    for (let x = box.left; x < box.right; x++) {
      sum += coverage[base + x];
      coverage[base + x] = 0;
      const a = Math.min(Math.abs(sum), 1) * alpha;
      if (a < 1e-3) continue;
      const i = canvas.offset + (y * width + x) * 3;
      data[i] += Math.round((color[0] - data[i]) * a);
      data[i + 1] += Math.round((color[1] - data[i + 1]) * a);
      data[i + 2] += Math.round((color[2] - data[i + 2]) * a);
    }
    coverage[base + box.right] = 0;
    coverage[base + box.right + 1] = 0;
  }
}

/**
 * Fill a polygon with exact pixel coverage. `points` holds x, y pairs in pixels (the first pixel spans [0, 1]); the
 * first `count` points count. Parts outside the image are clipped.
 * @param alpha opacity in [0, 1]
 */
export function fillPolygon(
  canvas: Canvas,
  points: { readonly xy: ArrayLike<number>; readonly count: number },
  color: Rgb,
  alpha = 1,
): void {
  const { xy, count } = points;
  let minX = xy[0];
  let maxX = xy[0];
  let minY = xy[1];
  let maxY = xy[1];
  for (let i = 1; i < count; i++) {
    minX = Math.min(minX, xy[2 * i]);
    maxX = Math.max(maxX, xy[2 * i]);
    minY = Math.min(minY, xy[2 * i + 1]);
    maxY = Math.max(maxY, xy[2 * i + 1]);
  }
  if (maxX <= 0 || maxY <= 0 || minX >= canvas.width || minY >= canvas.height) return;
  for (let i = 0, j = count - 1; i < count; j = i++) {
    edgeScratch.x0 = xy[2 * j];
    edgeScratch.y0 = xy[2 * j + 1];
    edgeScratch.x1 = xy[2 * i];
    edgeScratch.y1 = xy[2 * i + 1];
    accumulateEdge(canvas, edgeScratch);
  }
  boxScratch.left = Math.max(Math.floor(minX), 0);
  boxScratch.right = Math.min(Math.ceil(maxX), canvas.width);
  boxScratch.top = Math.max(Math.floor(minY), 0);
  boxScratch.bottom = Math.min(Math.ceil(maxY), canvas.height);
  resolveCoverage(canvas, boxScratch, color, alpha);
}
