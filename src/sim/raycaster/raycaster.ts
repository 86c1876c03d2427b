/** @file The ray caster: RGB, depth and segmentation of a scene from a camera in one pass, into typed arrays. */

import { fail } from "../../core/errors.ts";
import { zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { aim, makeLens } from "./camera.ts";
import type { Camera } from "./camera.ts";
import type { Sampling } from "./occlusion.ts";
import type { Scene } from "./scene.ts";
import { shade } from "./shading.ts";
import { makeShadowMap, mapShadows } from "./shadow-map.ts";
import type { ShadowMap } from "./shadow-map.ts";
import { linearOf, srgbBytes, srgbSteps } from "./srgb.ts";
import { findVisible } from "./visibility.ts";
import type { Buffers } from "./visibility.ts";

/** What a ray caster draws, and how carefully. */
export interface RaycasterOptions {
  readonly width: number;
  readonly height: number;
  /** n × n colour samples per pixel, averaged in linear light; 1 (default): none. Depth and segmentation stay those of the pixel's centre. */
  readonly antialias?: number;
  /** Rays per light and sample: 1 (default) hard shadows, more: penumbras, 0: no shadows. */
  readonly shadowSamples?: number;
  /** Rays per sample for the ambient light; 0 (default): it reaches everywhere alike. */
  readonly ambientSamples?: number;
  /** How near something must be to take ambient light away, in m; default 0.3. */
  readonly ambientReachM?: number;
}

/** A picture and what it shows; all arrays are the ray caster's and are overwritten by its next picture. */
export interface Picture {
  /** uint8 [height, width, 3], sRGB. */
  readonly rgb: NdArray<"uint8">;
  /** float32 [height, width]: metres along the optical axis; Infinity where nothing is. */
  readonly depth: NdArray<"float32">;
  /** int32 [height, width]: the primitive's `segment`; -1 where nothing is. */
  readonly segmentation: NdArray<"int32">;
}

/** Where the colours of a picture go instead of its own array. */
export interface Target {
  /** uint8; `height · width · 3` bytes from `offset` on are written. */
  readonly data: Uint8Array;
  readonly offset: number;
}

/** Draws pictures of one size. Allocates nothing per picture. */
export interface Raycaster {
  readonly width: number;
  readonly height: number;
  /** Draw; with `target` the colours go there and `rgb` keeps the picture before. */
  render(scene: Scene, camera: Camera, target?: Target): Picture;
}

function checkOptions(options: RaycasterOptions): void {
  const { width, height, antialias = 1, shadowSamples = 1, ambientSamples = 0 } = options;
  const counts = {
    width,
    height,
    antialias,
    shadowSamples: shadowSamples + 1,
    ambientSamples: ambientSamples + 1,
  };
  for (const [name, count] of Object.entries(counts)) {
    if (Number.isInteger(count) && count >= 1) continue;
    fail({
      code: "INVALID_ARGUMENT",
      what: `a ray caster's ${name} is no count`,
      got: JSON.stringify(options),
    });
  }
}

function makeBuffers(count: number): Buffers {
  return { depth: new Float32Array(count), hits: new Int16Array(count) };
}

const decoded = Float32Array.from({ length: 256 }, (_, byte) => linearOf(byte));

/** Average n × n samples of `fine` for each pixel, in linear light. */
function shrink(fine: Uint8Array, size: { width: number; height: number; n: number }, target: Target): void {
  const { width, height, n } = size;
  const share = srgbSteps / (n * n);
  for (let j = 0, out = target.offset; j < height; j++) {
    for (let i = 0; i < 3 * width; i++, out++) {
      const first = 3 * n * (j * n * width + ((i / 3) | 0)) + (i % 3);
      let sum = 0;
      for (let y = 0; y < n; y++) {
        for (let x = 0; x < n; x++) sum += decoded[fine[first + 3 * (y * n * width + x)]];
      }
      target.data[out] = srgbBytes[(sum * share + 0.5) | 0];
    }
  }
}

/** Maps of the lights whose hard shadows need no rays; kept from picture to picture of one scene. */
function makeShadows(shadowSamples: number): (scene: Scene) => readonly (ShadowMap | undefined)[] {
  let of: Scene | undefined;
  let maps: (ShadowMap | undefined)[] = [];
  return (scene) => {
    if (of !== scene) {
      of = scene;
      maps = scene.lights.map((light) =>
        light.point || !light.castsShadow || shadowSamples !== 1 ? undefined : makeShadowMap(scene.count),
      );
    }
    for (let i = 0; i < maps.length; i++) {
      const map = maps[i];
      if (map !== undefined) mapShadows(map, scene, scene.lights[i]);
    }
    return maps;
  };
}

/** A ray caster. @throws INVALID_ARGUMENT for sizes and counts that are none */
export function makeRaycaster(options: RaycasterOptions): Raycaster {
  checkOptions(options);
  const { width, height, antialias: n = 1 } = options;
  const { shadowSamples = 1, ambientSamples = 0, ambientReachM: reachM = 0.3 } = options;
  const sampling: Sampling = { shadowSamples, ambientSamples, reachM };
  const [lens, fineLens] = [makeLens(width, height), makeLens(n * width, n * height)];
  const rgb = zeros("uint8", [height, width, 3]);
  const depth = zeros("float32", [height, width]);
  const segmentation = zeros("int32", [height, width]);
  const buffers: Buffers = { depth: depth.data, hits: new Int16Array(width * height) };
  const fineBuffers = n === 1 ? buffers : makeBuffers(n * n * width * height);
  const own: Target = { data: rgb.data, offset: 0 };
  const fine: Target = { data: n === 1 ? rgb.data : new Uint8Array(3 * n * n * width * height), offset: 0 };
  const picture: Picture = { rgb, depth, segmentation };
  const shadows = makeShadows(shadowSamples);
  return {
    width,
    height,
    render(scene, camera, target = own) {
      aim(lens, camera);
      findVisible(lens, scene, buffers);
      for (let k = 0; k < width * height; k++) {
        segmentation.data[k] = buffers.hits[k] < 0 ? -1 : scene.segments[buffers.hits[k]];
      }
      const maps = shadows(scene);
      if (n === 1) {
        shade({ lens, scene, sampling, maps }, buffers, target);
        return picture;
      }
      aim(fineLens, camera);
      findVisible(fineLens, scene, fineBuffers);
      shade({ lens: fineLens, scene, sampling, maps }, fineBuffers, fine);
      shrink(fine.data, { width, height, n }, target);
      return picture;
    },
  };
}
