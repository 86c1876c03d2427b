/** @file The ray caster against closed forms and against sphere tracing: depth, occlusion, normals, shadows, filters. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Camera } from "../../../src/sim/raycaster/camera.ts";
import { describeSurface } from "../../../src/sim/raycaster/intersect.ts";
import { makeRaycaster } from "../../../src/sim/raycaster/raycaster.ts";
import { makeScene, rotationAboutZ, shapeCodes } from "../../../src/sim/raycaster/scene.ts";
import type { Light, Primitive, Shape, Vec3 } from "../../../src/sim/raycaster/scene.ts";
import { checker, grid, imageTexture } from "../../../src/sim/raycaster/texture.ts";
import { distanceTo, march, normalAt } from "./distance-fields.ts";

const grey = { color: [180, 180, 180] as const, specular: 0 };
const sun: Light = { kind: "directional", direction: [0.3, -0.2, -1] };
const ground: Primitive = { shape: "plane", size: [0, 0], material: grey };
const side = 32;
const fov = 1;

const unit = fc.double({ min: -1, max: 1, noNaN: true });
/** A random rotation, from a quaternion. */
const rotations = fc.tuple(unit, unit, unit, unit).map((q) => {
  const [w, x, y, z] = Math.hypot(...q) < 0.1 ? [1, 0, 0, 0] : q.map((c) => c / Math.hypot(...q));
  const [xx, yy, zz] = [x * x, y * y, z * z];
  const first = [1 - 2 * (yy + zz), 2 * (x * y - w * z), 2 * (x * z + w * y)];
  const second = [2 * (x * y + w * z), 1 - 2 * (xx + zz), 2 * (y * z - w * x)];
  return first.concat(second, [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (xx + yy)]);
});
const solids = fc
  .record({
    shape: fc.constantFrom<Shape>("box", "sphere", "capsule", "cylinder"),
    size: fc.array(fc.double({ min: 0.05, max: 0.5, noNaN: true }), { minLength: 3, maxLength: 3 }),
    position: fc.tuple(unit, unit, unit).map(([x, y, z]): Vec3 => [x, y, 1.2 + 0.8 * z]),
    rotation: rotations,
  })
  .map((solid): Primitive => ({ ...solid, material: grey }));

/** Origin and direction (1 m along the view) of a pixel's ray, from the definition of a pinhole camera at the origin's axes. */
function rayOf(camera: Camera, i: number, j: number): { origin: Vec3; direction: Vec3 } {
  const { position, target } = camera;
  const raw = target.map((x, c) => x - position[c]);
  const forward = raw.map((x) => x / Math.hypot(...raw));
  const level = Math.hypot(forward[0], forward[1]);
  const right = [forward[1] / level, -forward[0] / level, 0];
  const up = [-right[1] * -forward[2], right[0] * -forward[2], level].map((x, c) =>
    c === 2 ? x : (-forward[c] * forward[2]) / level,
  );
  const half = Math.tan(fov / 2);
  const x = ((2 * (i + 0.5)) / side - 1) * half;
  const y = (1 - (2 * (j + 0.5)) / side) * half;
  return {
    origin: position,
    direction: forward.map((f, c) => f + x * right[c] + y * up[c]) as unknown as Vec3,
  };
}

const camera: Camera = { position: [2.6, -1.9, 2.4], target: [0, 0, 0.9], view: { verticalFovRad: fov } };
const straight: Camera = { position: [0, -3, 0], target: [0, 0, 0], view: { verticalFovRad: fov } };

function render(primitives: readonly Primitive[], from: Camera = camera, lights: readonly Light[] = [sun]) {
  return makeRaycaster({ width: side, height: side }).render(makeScene({ primitives, lights }), from);
}

describe("depth and segmentation", () => {
  it("agree with sphere tracing of distance fields for any solids in any pose", () => {
    fc.assert(
      fc.property(fc.array(solids, { minLength: 1, maxLength: 4 }), (some) => {
        const primitives = [ground, ...some];
        const { depth, segmentation } = render(primitives);
        for (let k = 0; k < side * side; k += 11) {
          const { origin, direction } = rayOf(camera, k % side, Math.floor(k / side));
          const length = Math.hypot(...direction);
          const found = march(primitives, origin, direction.map((x) => x / length) as unknown as Vec3, 40);
          const seen = segmentation.data[k];
          const point = origin.map((x, c) => x + depth.data[k] * direction[c]);
          if (seen >= 0) expect(Math.abs(distanceTo(primitives[seen], point))).toBeLessThan(2e-5);
          // A grazing ray may pass within the marcher's tolerance without touching.
          const margin = found.index < 0 || Math.abs(found.t / length - depth.data[k]) < 1e-3;
          if (!margin) expect(seen).not.toBe(-1);
          if (found.index < 0 && depth.data[k] * length < 40) expect(seen).toBe(-1);
        }
      }),
      { numRuns: 20, seed: 3 },
    );
  });

  it("is the plane's depth along the optical axis at every pixel of an oblique view", () => {
    const { depth } = render([ground]);
    for (let k = 0; k < side * side; k++) {
      const { origin, direction } = rayOf(camera, k % side, Math.floor(k / side));
      const expected = direction[2] < 0 ? -origin[2] / direction[2] : Infinity;
      if (expected === Infinity) expect(depth.data[k]).toBe(Infinity);
      else expect(depth.data[k] / expected).toBeCloseTo(1, 5);
    }
  });

  it("is distance minus radius on the axis of a ball, in perspective and orthographic views", () => {
    const ball: Primitive = { shape: "sphere", size: [0.7], material: grey };
    const odd = makeRaycaster({ width: 33, height: 33 });
    const scene = makeScene({ primitives: [ball], lights: [] });
    const middle = 16 * 33 + 16;
    expect(odd.render(scene, straight).depth.data[middle]).toBeCloseTo(2.3, 6);
    const flat = odd.render(scene, { ...straight, view: { orthographicHeightM: 2 } });
    expect(flat.depth.data[middle]).toBeCloseTo(2.3, 6);
    const area = flat.segmentation.data.filter((id) => id === 0).length * (2 / 33) ** 2;
    expect(area).toBeCloseTo(Math.PI * 0.49, 1);
  });

  it("shows the nearer of two whatever their order, under the ids they were given", () => {
    const front: Primitive = {
      shape: "box",
      size: [0.2, 0.2, 0.2],
      position: [0, -1, 0],
      material: grey,
      segment: 7,
    };
    const back: Primitive = {
      shape: "box",
      size: [0.9, 0.2, 0.9],
      position: [0, 1, 0],
      material: grey,
      segment: 9,
    };
    const middle = 16 * side + 16;
    for (const order of [
      [front, back],
      [back, front],
    ]) {
      const { segmentation, depth } = render(order, straight);
      expect(segmentation.data[middle]).toBe(7);
      expect(depth.data[middle]).toBeCloseTo(1.8, 6);
      expect(new Set(segmentation.data)).toEqual(new Set([-1, 7, 9]));
    }
  });

  it("follows a pose that is changed between pictures and hides what is made invisible", () => {
    const scene = makeScene({ primitives: [{ shape: "sphere", size: [0.3], material: grey }], lights: [] });
    const caster = makeRaycaster({ width: side, height: side });
    const area = () => caster.render(scene, straight).segmentation.data.filter((id) => id === 0).length;
    const near = area();
    scene.positions[1] = 3;
    expect(area()).toBeLessThan(near / 2);
    scene.visible[0] = 0;
    expect(area()).toBe(0);
  });

  it("sees a solid that surrounds part of the near plane, and nothing behind the camera", () => {
    const bar: Primitive = { shape: "box", size: [0.1, 20, 0.1], position: [0.3, 0, 0], material: grey };
    const behind: Primitive = { shape: "sphere", size: [0.5], position: [0, -5, 0], material: grey };
    const { segmentation } = render([bar, behind], straight);
    expect(new Set(segmentation.data)).toEqual(new Set([-1, 0]));
  });
});

describe("surfaces", () => {
  it("have the gradient of their distance as normal", () => {
    fc.assert(
      fc.property(solids, fc.tuple(unit, unit, unit), (solid, way) => {
        fc.pre(Math.hypot(...way) > 0.1);
        const own: Primitive = { ...solid, position: [0, 0, 0], rotation: undefined };
        const length = Math.hypot(...way);
        const origin = way.map((x) => (4 * x) / length) as unknown as Vec3;
        const hit = march([own], origin, way.map((x) => -x / length) as unknown as Vec3, 10);
        const point = origin.map((x, c) => x - (hit.t * way[c]) / length);
        const surface = Float64Array.from([...point, 0, 0, 0, 0, 0]);
        describeSurface(shapeCodes[own.shape], surface, Float64Array.from(own.size), 0);
        const expected = normalAt(own, point);
        const atEdge = Math.max(...expected.map(Math.abs)) < 0.999 && own.shape === "box";
        if (atEdge) return;
        const agreement = expected.reduce((sum, x, c) => sum + x * surface[3 + c], 0);
        expect(agreement).toBeGreaterThan(own.shape === "cylinder" ? 0.7 : 0.999);
      }),
      { numRuns: 150, seed: 5 },
    );
  });

  it("are lit by the cosine between normal and light", () => {
    const lit = (direction: Vec3) => {
      const { rgb } = makeRaycaster({ width: 3, height: 3 }).render(
        makeScene({
          primitives: [{ ...ground, material: { color: [255, 255, 255], specular: 0 } }],
          lights: [{ kind: "directional", direction, intensity: 0.5 }],
          surroundings: { skyLight: [0, 0, 0], groundLight: [0, 0, 0] },
        }),
        { position: [0, 0, 2], target: [0, 0, 0], up: [0, 1, 0], view: { verticalFovRad: 0.5 } },
      );
      return Math.pow((rgb.data[12] / 255 + 0.055) / 1.055, 2.4);
    };
    expect(lit([0, 0, -1])).toBeCloseTo(0.5, 2);
    expect(lit([0, Math.sin(1), -Math.cos(1)])).toBeCloseTo(0.5 * Math.cos(1), 2);
    expect(lit([0, 0, 1])).toBeCloseTo(0, 2);
  });

  it("are lit by a point with the square of the distance", () => {
    const level = (height: number) => {
      const { rgb } = makeRaycaster({ width: 3, height: 3 }).render(
        makeScene({
          primitives: [{ ...ground, material: { color: [255, 255, 255], specular: 0 } }],
          lights: [{ kind: "point", position: [0, 0, height], intensity: 0.8 }],
          surroundings: { skyLight: [0, 0, 0], groundLight: [0, 0, 0] },
        }),
        { position: [0, 0, 0.5], target: [0, 0, 0], up: [0, 1, 0], view: { verticalFovRad: 0.01 } },
      );
      return Math.pow((rgb.data[12] / 255 + 0.055) / 1.055, 2.4);
    };
    expect(level(1)).toBeCloseTo(0.8, 2);
    expect(level(2)).toBeCloseTo(0.2, 2);
  });
});

describe("shadows", () => {
  const above: Camera = {
    position: [0, 0, 6],
    target: [0, 0, 0],
    up: [0, 1, 0],
    view: { orthographicHeightM: 4 },
  };
  const dark = (rgb: Uint8Array, k: number) => rgb[3 * k] < 150;

  it("of a ball under slanting light is the ellipse that geometry says", () => {
    const ball: Primitive = { shape: "sphere", size: [0.5], position: [-0.8, 0, 1], material: grey };
    const slanted: Light = { kind: "directional", direction: [1, 0, -1], intensity: 1 };
    const { rgb, segmentation } = makeRaycaster({ width: 64, height: 64 }).render(
      makeScene({ primitives: [ground, ball], lights: [slanted] }),
      above,
    );
    for (let k = 0; k < 64 * 64; k++) {
      if (segmentation.data[k] !== 0) continue;
      const x = ((k % 64) + 0.5) / 16 - 2;
      const y = 2 - (Math.floor(k / 64) + 0.5) / 16;
      // The ball's axis of shadow meets the ground at x = -0.8 + 1; the ellipse is √2 as long as wide.
      const reach = Math.hypot((x - 0.2) / Math.SQRT2, y);
      if (Math.abs(reach - 0.5) < 0.02) continue;
      expect(dark(rgb.data, k)).toBe(reach < 0.5);
    }
  });

  it("from the map equal those from rays, for any solids", () => {
    fc.assert(
      fc.property(fc.array(solids, { minLength: 1, maxLength: 40 }), (some) => {
        const spec = { primitives: [ground, ...some], surroundings: { skyLight: [90, 90, 90] as const } };
        const far = { kind: "point", position: [-3e5, 2e5, 1e6], intensity: 1.13e12 } as const;
        const caster = makeRaycaster({ width: side, height: side });
        const mapped = caster.render(makeScene({ ...spec, lights: [sun] }), camera).rgb.data.slice();
        const traced = caster.render(makeScene({ ...spec, lights: [far] }), camera).rgb.data;
        const different = mapped.filter((value, k) => Math.abs(value - traced[k]) > 12).length;
        expect(different).toBeLessThan(side * side * 3 * 0.005);
      }),
      { numRuns: 10, seed: 11 },
    );
  });

  it("have a penumbra where a light is wide and many rays are sent, and ambient light is less in corners", () => {
    const wall: Primitive = { shape: "box", size: [0.5, 3, 0.6], position: [-1, 0, 0.6], material: grey };
    const light: Light = { kind: "directional", direction: [1, 0, -1], softness: 0.3 };
    const scene = makeScene({ primitives: [ground, wall], lights: [light] });
    const levels = (options: object) => {
      const { rgb, segmentation } = makeRaycaster({ width: 64, height: 64, ...options }).render(scene, above);
      return rgb.data.filter((_, at) => at % 3 === 0).filter((_, k) => segmentation.data[k] === 0);
    };
    expect(new Set(levels({})).size).toBe(2);
    expect(new Set(levels({ shadowSamples: 16 })).size).toBeGreaterThan(8);
    expect(new Set(levels({ shadowSamples: 0 })).size).toBe(1);
    expect(Math.min(...levels({ ambientSamples: 8, ambientReachM: 1 }))).toBeLessThan(
      Math.min(...levels({})),
    );
  });
});

describe("pictures", () => {
  it("are anti-aliased without touching depth and segmentation", () => {
    const ball: Primitive = { shape: "sphere", size: [0.6], position: [0, 0, 0.6], material: grey };
    const scene = makeScene({ primitives: [ground, ball], lights: [sun] });
    const plain = makeRaycaster({ width: side, height: side }).render(scene, camera);
    const smooth = makeRaycaster({ width: side, height: side, antialias: 4 }).render(scene, camera);
    expect(smooth.depth).toEqual(plain.depth);
    expect(smooth.segmentation).toEqual(plain.segmentation);
    const colors = ({ data }: { data: Uint8Array }) => new Set(data).size;
    expect(colors(smooth.rgb)).toBeGreaterThan(colors(plain.rgb));
  });

  it("are written where the caller wants them and nowhere else", () => {
    const scene = makeScene({ primitives: [ground], lights: [sun] });
    const caster = makeRaycaster({ width: 4, height: 4 });
    const whole = caster.render(scene, camera).rgb.data.slice();
    const data = new Uint8Array(3 * 48).fill(1);
    caster.render(scene, camera, { data, offset: 48 });
    expect([...data.subarray(48, 96)]).toEqual([...whole]);
    expect(new Set([...data.subarray(0, 48), ...data.subarray(96)])).toEqual(new Set([1]));
  });

  it("filter a checker that is finer than a pixel to its mean, and draw one that is coarser", () => {
    const at = (u: number, v: number, width: number) => {
      const color = Float64Array.of(1, 1, 1);
      checker(0.1, [0, 0, 0])(Float64Array.of(u, v, width), color);
      return color[0];
    };
    expect(at(0.05, 0.05, 0.01)).toBeCloseTo(1, 12);
    expect(at(0.15, 0.05, 0.01)).toBeCloseTo(0, 12);
    expect(at(-0.05, 0.05, 0.01)).toBeCloseTo(0, 12);
    expect(at(0.037, 0.081, 0.2)).toBeCloseTo(0.5, 12);
    expect(at(0.1, 0.05, 0.02)).toBeCloseTo(0.5, 12);
  });

  it("draw grid lines as wide as said, and images with their first row on top", () => {
    const line = Float64Array.of(1, 1, 1);
    const lines = grid(1, 0.1, [0, 0, 0]);
    lines(Float64Array.of(2.0, 0.5, 0.01), line);
    expect(line[0]).toBeCloseTo(0, 12);
    line.fill(1);
    lines(Float64Array.of(2.0, 0.5, 1), line);
    expect(line[0]).toBeCloseTo(0.9 * 0.9, 12);
    const data = Uint8Array.from([255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255]);
    const image = imageTexture({ dtype: "uint8", shape: [2, 2, 3], data }, 2, 2);
    image(Float64Array.of(1, -0.5, 0), line);
    expect([...line]).toEqual([1, 0, 0]);
    image(Float64Array.of(1, -1.5, 0), line);
    expect([...line]).toEqual([0, 0, 1]);
  });

  it("do not depend on how a solid is turned about its own axis of symmetry", () => {
    const upright = (yaw: number): Primitive => ({
      shape: "cylinder",
      size: [0.4, 0.5],
      position: [0, 0, 0.5],
      rotation: rotationAboutZ(yaw),
      material: grey,
    });
    const [a, b] = [0, 1.1].map((yaw) => render([ground, upright(yaw)]).rgb.data.slice());
    expect(a.filter((value, k) => Math.abs(value - b[k]) > 1).length).toBeLessThan(12);
  });

  it("are refused for sizes, shapes and cameras that are none", () => {
    expect(() => makeRaycaster({ width: 0, height: 4 })).toThrow("width");
    expect(() => makeScene({ primitives: [{ ...ground, shape: "ring" as Shape }], lights: [] })).toThrow(
      "ring",
    );
    expect(() => makeScene({ primitives: [{ ...ground, shape: "sphere", size: [0] }], lights: [] })).toThrow(
      "no size",
    );
    expect(() => render([ground], { ...camera, target: camera.position })).toThrow("looks nowhere");
    const tall = { dtype: "uint8", shape: [2, 2], data: new Uint8Array(4) } as const;
    expect(() => imageTexture(tall, 1, 1)).toThrow("another shape");
  });
});
