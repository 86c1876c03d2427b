/** @file Mosaics: images in a grid with a title and labels, such as real frames above imagined ones. */

import { fail } from "../core/errors.ts";
import { drawImage, enlargeImage, makeImage } from "./image.ts";
import type { Color, Image } from "./image.ts";
import { drawText, measureText } from "./text.ts";

/** What a mosaic shows and how. */
export interface MosaicOptions {
  /** Rows of images; an undefined cell stays empty. Rows and columns are as large as their largest image. */
  readonly cells: readonly (readonly (Image | undefined)[])[];
  readonly title?: string;
  /** One above each column. */
  readonly columnLabels?: readonly string[];
  /** One before each row; "\n" breaks the line. */
  readonly rowLabels?: readonly string[];
  /** Pixels per image pixel, a whole number; default 1. */
  readonly scale?: number;
  /** Pixels per dot of the font, a whole number; default 1. */
  readonly textScale?: number;
  /** Pixels between images; default 2. */
  readonly gap?: number;
  readonly background?: Color;
  readonly color?: Color;
}

/** Offsets of the cells along one axis, and where the last one ends. */
function place(start: number, sizes: readonly number[], gap: number): { offsets: number[]; end: number } {
  const offsets: number[] = [];
  let at = start;
  for (const size of sizes) {
    offsets.push(at);
    at += size + gap;
  }
  return { offsets, end: at - gap };
}

interface Layout {
  readonly left: readonly number[];
  readonly top: readonly number[];
  readonly widths: readonly number[];
  readonly heights: readonly number[];
  readonly height: number;
  readonly width: number;
  readonly margin: number;
  readonly labelsTop: number;
}

function layOut(options: MosaicOptions, cells: readonly (readonly (Image | undefined)[])[]): Layout {
  const { title, columnLabels = [], rowLabels = [], textScale = 1, gap = 2 } = options;
  const margin = 4 * textScale;
  const size = (text: string | undefined, axis: "height" | "width"): number =>
    text ? measureText(text, textScale)[axis] + margin : 0;
  const columns = Math.max(...cells.map((row) => row.length));
  const heights = cells.map((row) => Math.max(1, ...row.map((image) => image?.shape[0] ?? 0)));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(1, ...cells.map((row) => row[column]?.shape[1] ?? 0)),
  );
  const labelsTop = margin + size(title, "height");
  const columnLabelHeight = Math.max(0, ...columnLabels.map((label) => size(label, "height")));
  const rowLabelWidth = Math.max(0, ...rowLabels.map((label) => size(label, "width")));
  const across = place(margin + rowLabelWidth, widths, gap);
  const down = place(labelsTop + columnLabelHeight, heights, gap);
  return {
    left: across.offsets,
    top: down.offsets,
    widths,
    heights,
    height: down.end + margin,
    width: Math.max(across.end, margin + size(title, "width") - margin) + margin,
    margin,
    labelsTop,
  };
}

function drawLabels(image: Image, layout: Layout, options: MosaicOptions): void {
  const { title, columnLabels = [], rowLabels = [], textScale: scale = 1, color = [201, 209, 217] } = options;
  const style = { scale, color };
  if (title) drawText(image, title, { x: layout.margin, y: layout.margin }, style);
  columnLabels.forEach((label, column) => {
    const spare = layout.widths[column] - measureText(label, scale).width;
    drawText(image, label, { x: layout.left[column] + Math.max(0, spare >> 1), y: layout.labelsTop }, style);
  });
  rowLabels.forEach((label, row) => {
    const spare = layout.heights[row] - measureText(label, scale).height;
    drawText(image, label, { x: layout.margin, y: layout.top[row] + (spare >> 1) }, style);
  });
}

function checkLabels(options: MosaicOptions): void {
  const { cells, columnLabels = [], rowLabels = [] } = options;
  const columns = Math.max(0, ...cells.map((row) => row.length));
  if (columns > 0 && rowLabels.length <= cells.length && columnLabels.length <= columns) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "this mosaic cannot be laid out",
    expected: "at least one cell, and no more labels than rows or columns",
    got: `${cells.length} × ${columns} cells, ${rowLabels.length} row labels, ${columnLabels.length} column labels`,
  });
}

/** Compose a mosaic, uint8 [H, W, 3], on a dark background unless told otherwise. @throws INVALID_ARGUMENT */
export function composeMosaic(options: MosaicOptions): Image {
  checkLabels(options);
  const { scale = 1, background = [13, 17, 23] } = options;
  const cells = options.cells.map((row) => row.map((image) => image && enlargeImage(image, scale)));
  const layout = layOut(options, cells);
  const mosaic = makeImage(layout.height, layout.width, background);
  cells.forEach((row, y) =>
    row.forEach((image, x) => image && drawImage(mosaic, image, { x: layout.left[x], y: layout.top[y] })),
  );
  drawLabels(mosaic, layout, options);
  return mosaic;
}
