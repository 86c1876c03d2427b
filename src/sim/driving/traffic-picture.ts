/** @file A large, supersampled picture of a car in traffic: for people, reports and the README. */

import type { Frame } from "../../env/env.ts";
import { type Canvas, makeCanvas } from "../raster.ts";
import { frameSide, metresPerPixel } from "./bird-view.ts";
import { paintGrass } from "./paint.ts";
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
  paintGround(episode, canvas, egoPixel);
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

/** Paint grass and lanes into every pixel of a square canvas seen from the car, which sits on row `egoPixel`. */
function paintGround({ car, road }: TrafficEpisode, canvas: Canvas, egoPixel: number): void {
  const side = canvas.width;
  const metres = (frameSide * metresPerPixel) / side;
  const cos = Math.cos(car.yawRad);
  const sin = Math.sin(car.yawRad);
  const place = { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 };
  const color = new Float64Array(3);
  for (let row = 0; row < side; row++) {
    const forward = (egoPixel - row - 0.5) * metres;
    for (let column = 0; column < side; column++) {
      const right = (column + 0.5 - side / 2) * metres;
      const x = car.xM + forward * cos + right * sin;
      const y = car.yM + forward * sin - right * cos;
      placeOnRoad(road, x, y, place);
      paintGrass(color, x, y);
      paintLanes(place, metres * 1.2, color);
      canvas.data.set(color, (row * side + column) * 3);
    }
  }
}
