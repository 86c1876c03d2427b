/** @file The arm's picture: MuJoCo's geoms, a goal marker and a table in the ray caster, plain or with random looks. */

import { Rng } from "../../core/rng.ts";
import type { Rgb } from "../raster.ts";
import type { Camera } from "../raycaster/camera.ts";
import { makeScene, setColor } from "../raycaster/scene.ts";
import type { Light, Primitive, Scene, Shape, Vec3 } from "../raycaster/scene.ts";
import { linearOf } from "../raycaster/srgb.ts";
import { checker } from "../raycaster/texture.ts";
import type { MujocoWorld } from "./mujoco.ts";
import type { ArmTask } from "./scenario.ts";
import { workspace } from "./scenario.ts";

/** Cameras by name: from the front over the table towards the arm, from straight above, and on the hand. */
export type CameraName = "front" | "top" | "wrist";

/** MuJoCo's numbers of the shapes that the ray caster draws. */
const shapeOf: Readonly<Record<number, Shape>> = {
  0: "plane",
  2: "sphere",
  3: "capsule",
  5: "cylinder",
  6: "box",
};

/** What is drawn of an arm's world; `geoms` first, in the model's order. */
export interface ArmScene {
  readonly scene: Scene;
  readonly geomCount: number;
  readonly mat: number;
  readonly goal: number;
  /** Colours without randomization, by primitive. */
  readonly baseColors: readonly Rgb[];
  camera: { offset: Vec3; fov: number };
}

const lights: readonly Light[] = [
  {
    kind: "directional",
    direction: [-0.35, 0.3, -1],
    color: [255, 247, 235],
    intensity: 0.78,
    softness: 0.08,
  },
  {
    kind: "directional",
    direction: [0.3, 0.8, -0.9],
    color: [205, 220, 255],
    intensity: 0.22,
    castsShadow: false,
  },
];

const goalColor: Rgb = [40, 185, 85];
const matColor: Rgb = [66, 74, 88];
const still = { offset: [0, 0, 0] as Vec3, fov: 1 };

/** Marker: a ball in the air, a flat disc for what stays on the table. */
function marker(task: ArmTask, planar: boolean): Primitive {
  const material = { color: goalColor, specular: 0.05, emission: 0.25 };
  const flat = task === "push" || planar;
  const radius = task === "push" ? 0.06 : task === "reach" ? 0.035 : 0.022;
  return {
    shape: flat ? "cylinder" : "sphere",
    size: flat ? [radius, 0.002] : [radius],
    material,
    castsShadow: !flat,
  };
}

function tableMat(): Primitive {
  const [lowX, lowY] = workspace.low;
  const [highX, highY] = workspace.high;
  return {
    shape: "plane",
    size: [(highX - lowX) / 2 + 0.04, (highY - lowY) / 2 + 0.04],
    position: [(lowX + highX) / 2, (lowY + highY) / 2, 0.0008],
    material: { color: matColor, specular: 0.03, texture: checker(0.1, [74, 83, 98]) },
  };
}

function geomPrimitives(world: MujocoWorld): Primitive[] {
  const { names, types, sizes, colors } = world.geoms();
  return names.map((name, i) => {
    const color = [0, 1, 2].map((c) => Math.round(255 * colors[4 * i + c])) as unknown as Rgb;
    const texture = name === "table" ? checker(0.2, [176, 161, 140]) : undefined;
    const shiny = name === "table" || name === "object" ? 0.06 : 0.35;
    return {
      shape: shapeOf[types[i]],
      size: [...sizes.subarray(3 * i, 3 * i + 3)],
      material: { color, texture, specular: shiny },
    };
  });
}

/** The scene of a world. Segmentation ids: the model's geoms by number, then the mat, then the goal. */
export function makeArmScene(world: MujocoWorld, task: ArmTask, planar: boolean): ArmScene {
  const primitives = [...geomPrimitives(world), tableMat(), marker(task, planar)];
  const scene = makeScene({ primitives, lights });
  const geomCount = primitives.length - 2;
  return {
    scene,
    geomCount,
    mat: geomCount,
    goal: geomCount + 1,
    baseColors: primitives.map(({ material }) => material.color),
    camera: still,
  };
}

/** Take the present poses from the world, and the goal. */
export function poseScene(arm: ArmScene, world: MujocoWorld, goal: ArrayLike<number>): void {
  const { scene, geomCount } = arm;
  const { geomPositions, geomRotations } = world.state;
  scene.positions.set(geomPositions.subarray(0, 3 * geomCount));
  scene.rotations.set(geomRotations.subarray(0, 9 * geomCount));
  const flat = scene.shapes[arm.goal] === 4;
  for (let c = 0; c < 3; c++) scene.positions[3 * arm.goal + c] = c === 2 && flat ? 0.0025 : goal[c];
}

function jitterColor(color: Rgb, rng: Rng, spread: number): Rgb {
  const brightness = Math.exp(rng.uniform(-0.3, 0.2));
  return color.map((byte) =>
    Math.min(Math.max(Math.round(byte * brightness + rng.uniform(-spread, spread)), 0), 255),
  ) as unknown as Rgb;
}

/**
 * Randomize colours, lights and camera by `seed`; undefined: back to the plain looks. Goal and object keep their hues, so
 * that the task stays readable.
 */
export function dressScene(arm: ArmScene, seed: number | undefined): void {
  const { scene, baseColors } = arm;
  const rng = Rng.fromSeed(seed ?? 0);
  const random = seed !== undefined;
  for (let i = 0; i < scene.count; i++) {
    const marked = i === arm.goal || i === arm.geomCount - 1;
    setColor(scene, i, random ? jitterColor(baseColors[i], rng, marked ? 15 : 45) : baseColors[i]);
  }
  lights.forEach((light, number) => {
    if (light.kind !== "directional") return;
    const way = light.direction.map((x) => -x + (random ? rng.uniform(-0.3, 0.3) : 0));
    const length = Math.hypot(...way);
    const strength = (light.intensity ?? 1) * (random ? Math.exp(rng.uniform(-0.3, 0.2)) : 1);
    scene.lights[number].vector.set(way.map((x) => x / length));
    scene.lights[number].color.set((light.color ?? [255, 255, 255]).map((byte) => linearOf(byte) * strength));
  });
  const shift = (): number => rng.uniform(-0.03, 0.03);
  arm.camera = random ? { offset: [shift(), shift(), shift()], fov: rng.uniform(0.96, 1.05) } : still;
}

const middle: Vec3 = [0.5, 0, 0.05];

/** A camera of the present pose. */
export function armCamera(name: CameraName, arm: ArmScene, world: MujocoWorld, tipId: number): Camera {
  const { offset, fov } = arm.camera;
  const moved = (x: number, y: number, z: number): Vec3 => [x + offset[0], y + offset[1], z + offset[2]];
  if (name === "top") {
    return {
      position: moved(0.52, 0, 1.3),
      target: [0.52 + offset[0], offset[1], 0],
      up: [1, 0, 0],
      view: { verticalFovRad: 0.46 * fov },
    };
  }
  if (name === "front") {
    return { position: moved(1.1, -0.26, 0.8), target: middle, view: { verticalFovRad: 0.6 * fov } };
  }
  const { sitePositions, siteRotations } = world.state;
  const r = siteRotations.subarray(9 * tipId, 9 * tipId + 9);
  const from = (x: number, y: number, z: number): Vec3 =>
    [0, 1, 2].map(
      (c) => sitePositions[3 * tipId + c] + r[3 * c] * x + r[3 * c + 1] * y + r[3 * c + 2] * z,
    ) as unknown as Vec3;
  return {
    position: from(0.13, 0, -0.09),
    target: from(0.025, 0, 0.02),
    up: [r[0], r[3], r[6]],
    view: { verticalFovRad: 1.1 * fov },
  };
}
