/** @file A large, supersampled picture of a car on its track: for people, reports and the README. */

import type { Frame } from "../../env/env.ts";
import { makeCanvas } from "../raster.ts";
import { frameSide, metresPerPixel } from "./bird-view.ts";
import { paintGrass } from "./paint.ts";
import { drawDetailedCar, egoLook } from "./sprites.ts";
import { paintRoad } from "./track-map.ts";
import { projectAnywhere, projectNear } from "./track.ts";
import type { TrackEpisode } from "./track-episode.ts";

/** Draw the field of view of the observation at `side` × `side` pixels, painted analytically and filtered per pixel. */
export function pictureOfTrack(episode: TrackEpisode, egoRow: number, side: number): Frame {
  const { car, track } = episode;
  const metres = (frameSide * metresPerPixel) / side;
  const egoPixel = (egoRow * side) / frameSide;
  const canvas = makeCanvas(side, side);
  const cos = Math.cos(car.yawRad);
  const sin = Math.sin(car.yawRad);
  const place = { arcM: 0, lateralM: 0, vertex: 0 };
  const color = new Float64Array(3);
  for (let row = 0; row < side; row++) {
    const forward = (egoPixel - row - 0.5) * metres;
    for (let column = 0; column < side; column++) {
      const right = (column + 0.5 - side / 2) * metres;
      const x = car.xM + forward * cos + right * sin;
      const y = car.yM + forward * sin - right * cos;
      // Pixels of one row are neighbours on the ground too, but another stretch may come into view: search afresh now and then.
      if (column % 16 === 0) projectAnywhere(track, x, y, place);
      else projectNear(track, x, y, place);
      paintGrass(color, x, y);
      paintRoad(track, place, metres * 1.2, color);
      canvas.data.set(color, (row * side + column) * 3);
    }
  }
  const scale = 1 / metres;
  drawDetailedCar(canvas, { column: side / 2, row: egoPixel, headingRad: 0, pixelsPerMetre: scale }, egoLook);
  return { dtype: "uint8", shape: [side, side, 3], data: canvas.data };
}
