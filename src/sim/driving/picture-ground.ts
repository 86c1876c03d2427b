/** @file The ground of large pictures: every pixel's place in the world, painted analytically over grass. */

import type { Canvas } from "../raster.ts";
import { frameSide, metresPerPixel } from "./bird-view.ts";
import type { CarState } from "./car.ts";
import { paintGrass, type Color } from "./paint.ts";

/** Paint what is at (x, y) in m over `color`; `filterM` is the width of the box filter, `column` that of the pixel. */
export type PlacePainter = (
  at: { readonly xM: number; readonly yM: number; readonly column: number },
  filterM: number,
  color: Color,
) => void;

/** Fill a square canvas with the field of view of an observation, seen from the car, which sits on row `egoPixel`. */
export function paintPictureGround(
  canvas: Canvas,
  car: CarState,
  egoPixel: number,
  paint: PlacePainter,
): void {
  const side = canvas.width;
  const metres = (frameSide * metresPerPixel) / side;
  const cos = Math.cos(car.yawRad);
  const sin = Math.sin(car.yawRad);
  const color = new Float64Array(3);
  const at = { xM: 0, yM: 0, column: 0 };
  for (let row = 0; row < side; row++) {
    const forward = (egoPixel - row - 0.5) * metres;
    for (at.column = 0; at.column < side; at.column++) {
      const right = (at.column + 0.5 - side / 2) * metres;
      at.xM = car.xM + forward * cos + right * sin;
      at.yM = car.yM + forward * sin - right * cos;
      paintGrass(color, at.xM, at.yM);
      paint(at, metres * 1.2, color);
      canvas.data.set(color, (row * side + at.column) * 3);
    }
  }
}
