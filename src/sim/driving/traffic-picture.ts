/** @file A large, supersampled picture of a car in traffic: for people, reports and the README. */

import type { Frame } from "../../env/env.ts";
import { makeCanvas } from "../raster.ts";
import { frameSide, metresPerPixel } from "./bird-view.ts";
import { paintPictureGround } from "./picture-ground.ts";
import { paintLanes } from "./road-view.ts";
import { placeOnRoad } from "./road.ts";
import { drawDetailedCar, egoInTrafficLook, trafficLook } from "./sprites.ts";
import type { TrafficEpisode } from "./traffic-episode.ts";
import { vehiclePose } from "./traffic.ts";

/** Draw the field of view of the observation at `side` × `side` pixels, painted analytically and filtered per pixel. */
export function pictureOfTraffic(episode: TrafficEpisode, egoRow: number, side: number): Frame {
  const { car, road } = episode;
  const metres = (frameSide * metresPerPixel) / side;
  const egoPixel = (egoRow * side) / frameSide;
  const canvas = makeCanvas(side, side);
  const cos = Math.cos(car.yawRad);
  const sin = Math.sin(car.yawRad);
  const place = { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 };
  paintPictureGround(canvas, car, egoPixel, ({ xM, yM }, filterM, color) => {
    placeOnRoad(road, xM, yM, place);
    paintLanes(place, filterM, color);
  });
  const pixelsPerMetre = 1 / metres;
  const pose = { xM: 0, yM: 0, yawRad: 0 };
  for (const vehicle of episode.vehicles) {
    vehiclePose(road, vehicle, pose);
    const forward = (pose.xM - car.xM) * cos + (pose.yM - car.yM) * sin;
    const right = (pose.xM - car.xM) * sin - (pose.yM - car.yM) * cos;
    const column = side / 2 + right * pixelsPerMetre;
    const row = egoPixel - forward * pixelsPerMetre;
    drawDetailedCar(
      canvas,
      { column, row, headingRad: pose.yawRad - car.yawRad, pixelsPerMetre },
      trafficLook,
    );
  }
  drawDetailedCar(
    canvas,
    { column: side / 2, row: egoPixel, headingRad: 0, pixelsPerMetre },
    egoInTrafficLook,
  );
  return { dtype: "uint8", shape: [side, side, 3], data: canvas.data };
}
