/** @file A fixed arm-like scene of fifteen primitives under a sun, for measuring the ray caster alone. */

import type { Camera } from "../../src/sim/raycaster/camera.ts";
import { makeScene, rotationAboutZ } from "../../src/sim/raycaster/scene.ts";
import type { Primitive, Scene, Shape, Vec3 } from "../../src/sim/raycaster/scene.ts";
import { checker } from "../../src/sim/raycaster/texture.ts";

function solid(shape: Shape, size: readonly number[], position: Vec3, color: Vec3): Primitive {
  return { shape, size, position, material: { color, specular: 0.4 } };
}

/** A rotation about y, row-major. */
function aboutY(angle: number): number[] {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [c, 0, s, 0, 1, 0, -s, 0, c];
}

const white: Vec3 = [232, 232, 236];
const orange: Vec3 = [240, 140, 40];
const dark: Vec3 = [60, 62, 70];

const table: Primitive = {
  shape: "plane",
  size: [0, 0],
  material: { color: [196, 190, 180], specular: 0.05, texture: checker(0.1, [176, 170, 160]) },
};

/** Table, base, four links, three joints, a hand with two fingers, three objects. */
export function armLikeScene(): { scene: Scene; camera: Camera } {
  const primitives: Primitive[] = [
    table,
    solid("cylinder", [0.12, 0.05], [0, 0, 0.05], dark),
    solid("capsule", [0.07, 0.12], [0, 0, 0.22], white),
    { ...solid("capsule", [0.06, 0.16], [0.12, 0, 0.5], white), rotation: aboutY(0.6) },
    { ...solid("capsule", [0.055, 0.12], [0.32, 0, 0.55], white), rotation: aboutY(2.1) },
    { ...solid("capsule", [0.05, 0.1], [0.45, 0, 0.36], white), rotation: aboutY(2.9) },
    solid("sphere", [0.08], [0, 0, 0.36], orange),
    solid("sphere", [0.07], [0.22, 0, 0.64], orange),
    solid("sphere", [0.06], [0.42, 0, 0.47], orange),
    { ...solid("box", [0.09, 0.05, 0.03], [0.47, 0, 0.22], dark), rotation: rotationAboutZ(1.2) },
    solid("box", [0.015, 0.02, 0.05], [0.47, 0.06, 0.15], dark),
    solid("box", [0.015, 0.02, 0.05], [0.47, -0.06, 0.15], dark),
    { ...solid("box", [0.04, 0.04, 0.04], [0.6, 0.18, 0.04], [210, 50, 45]), rotation: rotationAboutZ(0.5) },
    solid("cylinder", [0.05, 0.03], [0.6, -0.2, 0.03], [50, 90, 210]),
    solid("sphere", [0.05], [0.45, 0.28, 0.05], [70, 180, 80]),
  ];
  const scene = makeScene({
    primitives,
    lights: [
      {
        kind: "directional",
        direction: [-0.4, 0.35, -1],
        intensity: 0.85,
        color: [255, 246, 232],
        softness: 0.06,
      },
    ],
  });
  const camera: Camera = {
    position: [1.35, -0.75, 0.85],
    target: [0.3, 0, 0.25],
    view: { verticalFovRad: 0.75 },
  };
  return { scene, camera };
}
