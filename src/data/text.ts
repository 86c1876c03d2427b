/** @file Text on images, in the bitmap font. */

import { glyphOf } from "./font.ts";
import { fillRectangle } from "./image.ts";
import type { Color, Image, Point } from "./image.ts";

const advance = 6;
const ascent = 7;
const lineHeight = 9;

/** How a text is drawn. */
export interface TextStyle {
  /** Pixels per dot of the font: a whole number, default 1. */
  readonly scale?: number;
  /** Default white. */
  readonly color?: Color;
}

/** Size in pixels that a text takes; lines are divided by "\n". */
export function measureText(text: string, scale = 1): { height: number; width: number } {
  const lines = text.split("\n");
  const longest = Math.max(...lines.map((line) => Array.from(line).length));
  return {
    height: ((lines.length - 1) * lineHeight + ascent + 1) * scale,
    width: Math.max(0, longest * advance - 1) * scale,
  };
}

/** Draw a text with its upper left corner at `at`, in place; what lies outside of the image is left out. */
export function drawText(image: Image, text: string, at: Point, style: TextStyle = {}): void {
  const { scale = 1, color = [255, 255, 255] } = style;
  text.split("\n").forEach((line, row) => {
    Array.from(line).forEach((character, index) => {
      glyphOf(character).forEach((bits, column) => {
        for (let dot = 0; dot < 8; dot++) {
          if (((bits >> dot) & 1) === 0) continue;
          const x = at.x + (index * advance + column) * scale;
          const y = at.y + (row * lineHeight + dot) * scale;
          fillRectangle(image, { x, y, height: scale, width: scale }, color);
        }
      });
    });
  });
}
