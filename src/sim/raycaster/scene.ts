/** @file Scenes of the ray caster: primitives, materials and lights, compiled to typed arrays whose poses may move. */

import { fail, unknownName } from "../../core/errors.ts";
import type { Rgb } from "../raster.ts";
import { linearOf } from "./srgb.ts";
import type { Texture } from "./texture.ts";

/** Three numbers: a point or a direction in m. */
export type Vec3 = readonly [number, number, number];

/** Shapes by code; the code is what typed arrays hold. */
export const shapeCodes = { plane: 0, box: 1, sphere: 2, capsule: 3, cylinder: 4 } as const;

/** A primitive's shape. */
export type Shape = keyof typeof shapeCodes;

/** How a surface looks. */
export interface Material {
  /** sRGB, 0–255. */
  readonly color: Rgb;
  readonly texture?: Texture;
  /** Strength of the highlight, 0–1; default 0.15. */
  readonly specular?: number;
  /** Exponent of the highlight, rounded to a power of two; default 32. */
  readonly shininess?: number;
  /** Share of the colour that is seen without any light, 0–1; default 0. */
  readonly emission?: number;
}

/** One convex solid, or a one-sided plane that looks along its z. */
export interface Primitive {
  readonly shape: Shape;
  /**
   * In m, as MuJoCo has it. plane: half extents in x and y (0: infinite); box: half extents; sphere: radius;
   * capsule, cylinder: radius and half length along z (a capsule's caps come on top).
   */
  readonly size: readonly number[];
  /** Default the origin. */
  readonly position?: Vec3;
  /** Row-major 3×3, local to world; default the identity. */
  readonly rotation?: ArrayLike<number>;
  readonly material: Material;
  /** What the segmentation says of it; default its index in the scene. */
  readonly segment?: number;
  /** Default true; planes never do. */
  readonly castsShadow?: boolean;
}

/** A light: parallel rays, or rays from a point whose intensity falls with the square of the distance. */
export type Light =
  | {
      readonly kind: "directional";
      /** The way the light goes. */
      readonly direction: Vec3;
      /** sRGB; default white. */
      readonly color?: Rgb;
      /** Default 1. */
      readonly intensity?: number;
      /** Default true. */
      readonly castsShadow?: boolean;
      /** Tangent of half the angle that the source fills: penumbras where several shadow samples are taken. Default 0.05. */
      readonly softness?: number;
    }
  | {
      readonly kind: "point";
      readonly position: Vec3;
      readonly color?: Rgb;
      /** At a distance of 1 m; default 1. */
      readonly intensity?: number;
      readonly castsShadow?: boolean;
      readonly softness?: number;
    };

/** What surrounds the primitives: light from above and below, and the picture's background. */
export interface Surroundings {
  /** Ambient light on surfaces that look up and down, sRGB; default a soft blue-grey and a warm grey. */
  readonly skyLight?: Rgb;
  readonly groundLight?: Rgb;
  /** Background at the horizon and in the zenith, sRGB. */
  readonly horizon?: Rgb;
  readonly zenith?: Rgb;
}

/** A scene's description. */
export interface SceneSpec {
  readonly primitives: readonly Primitive[];
  readonly lights: readonly Light[];
  readonly surroundings?: Surroundings;
}

/** A light, compiled. `vector` is the unit way to the light, or its position; colours are linear. */
export interface CompiledLight {
  readonly point: boolean;
  readonly vector: Float64Array;
  readonly color: Float64Array;
  readonly castsShadow: boolean;
  readonly softness: number;
}

/** A compiled scene. Arrays have one row per primitive; poses and looks may be changed between pictures. */
export interface Scene {
  readonly count: number;
  readonly shapes: Uint8Array;
  /** [count, 3] */
  readonly sizes: Float64Array;
  /** [count, 3] */
  readonly positions: Float64Array;
  /** [count, 9], row-major, local to world. */
  readonly rotations: Float64Array;
  /** Radius of the bounding sphere around the position; infinite for planes. */
  readonly radii: Float64Array;
  /** [count, 3], linear. */
  readonly colors: Float64Array;
  /** [count, 3]: specular, how often the highlight is squared, emission. */
  readonly finishes: Float64Array;
  readonly textures: (Texture | undefined)[];
  readonly segments: Int32Array;
  readonly castsShadow: Uint8Array;
  /** 0: neither seen nor casting a shadow. */
  readonly visible: Uint8Array;
  readonly lights: readonly CompiledLight[];
  /** Linear colours: sky light, ground light, horizon, zenith. */
  readonly surroundings: Float64Array;
}

const sizeCounts: Readonly<Record<Shape, number>> = { plane: 2, box: 3, sphere: 1, capsule: 2, cylinder: 2 };

function radiusOf(shape: Shape, size: readonly number[]): number {
  switch (shape) {
    case "plane":
      return Infinity;
    case "box":
      return Math.hypot(size[0], size[1], size[2]);
    case "sphere":
      return size[0];
    case "capsule":
      return size[0] + size[1];
    case "cylinder":
      return Math.hypot(size[0], size[1]);
  }
}

function checkPrimitive(primitive: Primitive, index: number): void {
  const { shape, size } = primitive;
  if (!Object.hasOwn(shapeCodes, shape)) throw unknownName("shape", shape, Object.keys(shapeCodes));
  const needed = sizeCounts[shape];
  const sound =
    size.length >= needed && size.slice(0, needed).every((x) => (shape === "plane" ? x >= 0 : x > 0));
  if (sound) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: `primitive ${index} is a ${shape} of no size`,
    expected: `${needed} positive numbers in m`,
    got: JSON.stringify(size),
  });
}

function compileLight(light: Light): CompiledLight {
  const { color = [255, 255, 255], intensity = 1, castsShadow = true, softness = 0.05 } = light;
  const vector = Float64Array.from(light.kind === "point" ? light.position : light.direction);
  if (light.kind === "directional") {
    const length = Math.hypot(...vector);
    if (!(length > 0)) fail({ code: "INVALID_ARGUMENT", what: "a directional light without a direction" });
    for (let c = 0; c < 3; c++) vector[c] /= -length;
  }
  const linear = Float64Array.from(color, (byte) => linearOf(byte) * intensity);
  return { point: light.kind === "point", vector, color: linear, castsShadow, softness };
}

const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];

function place(scene: Scene, index: number, primitive: Primitive): void {
  const { shape, size, position = [0, 0, 0], rotation = identity, material } = primitive;
  scene.shapes[index] = shapeCodes[shape];
  for (let c = 0; c < 3; c++) scene.sizes[3 * index + c] = size[c] ?? 0;
  scene.positions.set(position, 3 * index);
  scene.rotations.set(rotation, 9 * index);
  scene.radii[index] = radiusOf(shape, size);
  setColor(scene, index, material.color);
  const { specular = 0.15, shininess = 32, emission = 0 } = material;
  scene.finishes.set([specular, Math.round(Math.log2(shininess)), emission], 3 * index);
  scene.textures[index] = material.texture;
  scene.segments[index] = primitive.segment ?? index;
  scene.castsShadow[index] = primitive.castsShadow === false || shape === "plane" ? 0 : 1;
  scene.visible[index] = 1;
}

/** Compile a scene. @throws INVALID_ARGUMENT, UNKNOWN_NAME for a primitive that is none */
export function makeScene(spec: SceneSpec): Scene {
  const count = spec.primitives.length;
  const {
    skyLight = [150, 160, 175],
    groundLight = [96, 88, 80],
    horizon = [205, 214, 224],
    zenith = [120, 152, 196],
  } = spec.surroundings ?? {};
  const scene: Scene = {
    count,
    shapes: new Uint8Array(count),
    sizes: new Float64Array(3 * count),
    positions: new Float64Array(3 * count),
    rotations: new Float64Array(9 * count),
    radii: new Float64Array(count),
    colors: new Float64Array(3 * count),
    finishes: new Float64Array(3 * count),
    textures: Array.from({ length: count }, () => undefined),
    segments: new Int32Array(count),
    castsShadow: new Uint8Array(count),
    visible: new Uint8Array(count),
    lights: spec.lights.map(compileLight),
    surroundings: Float64Array.from([...skyLight, ...groundLight, ...horizon, ...zenith], linearOf),
  };
  spec.primitives.forEach((primitive, index) => {
    checkPrimitive(primitive, index);
    place(scene, index, primitive);
  });
  return scene;
}

/** Change a primitive's colour (sRGB). */
export function setColor(scene: Scene, index: number, color: Rgb): void {
  for (let c = 0; c < 3; c++) scene.colors[3 * index + c] = linearOf(color[c]);
}

/** A rotation about z by `yawRad`, row-major. */
export function rotationAboutZ(yawRad: number): number[] {
  const [c, s] = [Math.cos(yawRad), Math.sin(yawRad)];
  return [c, -s, 0, s, c, 0, 0, 0, 1];
}
