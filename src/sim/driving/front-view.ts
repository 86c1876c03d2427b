/** @file The front camera: what a driver sees through the windscreen, by the ray caster. */

import { unknownName } from "../../core/errors.ts";
import { zeros } from "../../core/ndarray.ts";
import type { Frame } from "../../env/env.ts";
import type { Camera } from "../raycaster/camera.ts";
import { makeRaycaster } from "../raycaster/raycaster.ts";
import type { Raycaster } from "../raycaster/raycaster.ts";
import { makeScene } from "../raycaster/scene.ts";
import type { Light, Primitive, Scene } from "../raycaster/scene.ts";
import { painted } from "../raycaster/texture.ts";
import { frameSide } from "./bird-view.ts";
import { blend, paintGrass } from "./paint.ts";
import type { Color } from "./paint.ts";
import { vehicleLengthM, vehicleWidthM } from "./traffic.ts";

/** Where frames are taken from: straight above, or through the windscreen. */
export type DrivingCamera = "bird" | "front";

/** @throws UNKNOWN_NAME for a camera that is none */
export function checkCamera(camera: string = "bird"): DrivingCamera {
  if (camera === "bird" || camera === "front") return camera;
  throw unknownName("camera", camera, ["bird", "front"]);
}

/** Paints what lies on the grass at `place`: x, y and the footprint of a pixel, in m; `color` holds the grass. */
export type GroundPainter = (place: Float64Array, color: Color) => void;

/** A place and a direction on the ground. */
export interface GroundPose {
  readonly xM: number;
  readonly yM: number;
  readonly yawRad: number;
}

const eyeHeightM = 1.35;
/** Beyond this distance the ground fades into haze; a road need not be known further. */
const hazeM = { from: 50, to: 130 };
const haze = [206, 214, 220] as const;
const grassMean = [97, 146, 80] as const;

const lights: readonly Light[] = [
  { kind: "directional", direction: [0.5, 0.35, -1], color: [255, 246, 228], intensity: 0.8 },
];
const surroundings = {
  skyLight: [170, 180, 196],
  groundLight: [100, 104, 92],
  horizon: haze,
  zenith: [112, 154, 208],
} as const;

interface Part {
  readonly forwardM: number;
  readonly heightM: number;
  readonly size: readonly [number, number, number];
  readonly color: readonly [number, number, number];
}

/** A car's boxes: body, cabin, rear lights, shade beneath. */
const parts: readonly Part[] = [
  {
    forwardM: 0,
    heightM: 0.68,
    size: [vehicleLengthM / 2, vehicleWidthM / 2, 0.36],
    color: [52, 104, 214],
  },
  { forwardM: -0.2, heightM: 1.28, size: [1.25, 0.86, 0.26], color: [22, 34, 62] },
  { forwardM: -vehicleLengthM / 2, heightM: 0.78, size: [0.03, 0.92, 0.1], color: [226, 40, 40] },
  {
    forwardM: 0,
    heightM: 0.2,
    size: [vehicleLengthM / 2 - 0.5, vehicleWidthM / 2 - 0.1, 0.2],
    color: [26, 27, 30],
  },
];

/** The view of one environment's rows, one after the other. */
export interface FrontView {
  /** Draw what a car at `eye` sees among `others` into uint8 [64, 64, 3] of `out` from `offset` on. */
  draw(eye: GroundPose, others: readonly GroundPose[], out: Uint8Array, offset: number): void;
  /** The same at `side` × `side`, anti-aliased. */
  picture(eye: GroundPose, others: readonly GroundPose[], side: number): Frame;
}

function sceneOf(carCount: number, ground: GroundPainter, eye: { xM: number; yM: number }): Scene {
  const texture = painted((place, color) => {
    const distance = Math.hypot(place[0] - eye.xM, place[1] - eye.yM);
    if (distance < hazeM.to) {
      paintGrass(color, place[0], place[1]);
      blend(color, grassMean, Math.min(Math.max(place[2] - 0.5, 0), 1));
      ground(place, color);
    }
    const share = (distance - hazeM.from) / (hazeM.to - hazeM.from);
    blend(color, haze, Math.min(Math.max(share, 0), 1));
  });
  const plane: Primitive = {
    shape: "plane",
    size: [0, 0],
    material: { color: grassMean, specular: 0, texture },
  };
  const cars = Array.from({ length: carCount }, () =>
    parts.map(({ size, color }): Primitive => ({ shape: "box", size, material: { color, specular: 0.3 } })),
  );
  return makeScene({ primitives: [plane, ...cars.flat()], lights, surroundings });
}

function placeCar(scene: Scene, first: number, pose: GroundPose): void {
  const cos = Math.cos(pose.yawRad);
  const sin = Math.sin(pose.yawRad);
  parts.forEach(({ forwardM, heightM }, k) => {
    const index = first + k;
    scene.positions[3 * index] = pose.xM + forwardM * cos;
    scene.positions[3 * index + 1] = pose.yM + forwardM * sin;
    scene.positions[3 * index + 2] = heightM;
    const at = 9 * index;
    scene.rotations[at] = scene.rotations[at + 4] = cos;
    scene.rotations[at + 1] = -sin;
    scene.rotations[at + 3] = sin;
  });
}

function cameraOf(eye: GroundPose): Camera {
  const cos = Math.cos(eye.yawRad);
  const sin = Math.sin(eye.yawRad);
  return {
    position: [eye.xM + 0.4 * cos, eye.yM + 0.4 * sin, eyeHeightM],
    target: [eye.xM + 10.4 * cos, eye.yM + 10.4 * sin, eyeHeightM - 1.9],
    view: { verticalFovRad: 0.95 },
    nearM: 0.2,
  };
}

/** A front camera over a painted ground, for scenes of up to `carCount` other cars. */
export function makeFrontView(carCount: number, ground: GroundPainter): FrontView {
  const at = { xM: 0, yM: 0 };
  const scene = sceneOf(carCount, ground, at);
  const raycaster = makeRaycaster({ width: frameSide, height: frameSide });
  const target: { data: Uint8Array; offset: number } = { data: new Uint8Array(0), offset: 0 };
  const show = (by: Raycaster, eye: GroundPose, others: readonly GroundPose[]): void => {
    at.xM = eye.xM;
    at.yM = eye.yM;
    others.forEach((pose, car) => placeCar(scene, 1 + car * parts.length, pose));
    by.render(scene, cameraOf(eye), target);
  };
  return {
    draw(eye, others, out, offset) {
      target.data = out;
      target.offset = offset;
      show(raycaster, eye, others);
    },
    picture(eye, others, side) {
      const frame = zeros("uint8", [side, side, 3]);
      target.data = frame.data;
      target.offset = 0;
      show(makeRaycaster({ width: side, height: side, antialias: 2 }), eye, others);
      return frame;
    },
  };
}
