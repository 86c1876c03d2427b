/** @file A large, supersampled picture of a car on its track: for people, reports and the README. */

import type { Frame } from "../../env/env.ts";
import { makeCanvas } from "../raster.ts";
import { frameSide, metresPerPixel } from "./bird-view.ts";
import { paintPictureGround } from "./picture-ground.ts";
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
  const place = { arcM: 0, lateralM: 0, vertex: 0 };
  paintPictureGround(canvas, car, egoPixel, ({ xM, yM, column }, filterM, color) => {
    // Pixels of one row are neighbours on the ground too, but another stretch may come into view: search afresh now and then.
    if (column % 16 === 0) projectAnywhere(track, xM, yM, place);
    else projectNear(track, xM, yM, place);
    paintRoad(track, place, filterM, color);
  });
  const scale = 1 / metres;
  drawDetailedCar(canvas, { column: side / 2, row: egoPixel, headingRad: 0, pixelsPerMetre: scale }, egoLook);
  return { dtype: "uint8", shape: [side, side, 3], data: canvas.data };
}
