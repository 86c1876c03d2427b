/** @file An environment as a world to play: actions of every kind from keys, pictures from rendering or observing. */

import { describe, expect, it } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { ndarray, zeros } from "../../../src/core/ndarray.ts";
import { Box } from "../../../src/core/spaces/box.ts";
import { Discrete } from "../../../src/core/spaces/discrete.ts";
import type { Space } from "../../../src/core/spaces/space.ts";
import { Text } from "../../../src/core/spaces/text.ts";
import type { PlayableEnv } from "../../../src/experiment/play/play-world.ts";
import { makePlayWorld } from "../../../src/experiment/play/play-world.ts";
import { thrownBy } from "../folders.ts";

function makeEnv(
  singleActionSpace: Space,
  frame?: NdArray,
  rendered?: NdArray,
): PlayableEnv & { actions: number[][] } {
  const actions: number[][] = [];
  const infos = {
    speedMps: {
      values: ndarray("float64", [1], Float64Array.of(12.3456)),
      mask: ndarray("bool", [1], Uint8Array.of(1)),
    },
    lapTime: {
      values: ndarray("float64", [1], Float64Array.of(9)),
      mask: ndarray("bool", [1], Uint8Array.of(0)),
    },
  };
  return {
    actions,
    singleActionSpace,
    metadata: { renderFps: 20 },
    reset: async () => ({ observations: { frame }, infos: {} }),
    async step(action) {
      actions.push(Array.from(action.data, Number));
      return {
        observations: { frame },
        rewards: ndarray("float64", [1], Float64Array.of(2)),
        terminations: ndarray("bool", [1], Uint8Array.of(1)),
        truncations: zeros("bool", [1]),
        infos,
      };
    },
    render: rendered === undefined ? undefined : async () => [rendered],
    close: async () => undefined,
  };
}

const picture = ndarray(
  "uint8",
  [1, 2, 2, 3],
  Uint8Array.from({ length: 12 }, (_, i) => i),
);

describe("a world made of an environment", () => {
  it("scales keys to the bounds of a Box", async () => {
    const env = makeEnv(new Box([-2, 0], [2, 10], [2]), picture);
    const world = makePlayWorld(env, { title: "t", actionNames: ["steer", "gas"] });
    await world.reset(1);
    for (const keys of [
      [0, 0],
      [-1, 1],
      [1, -1],
    ])
      await world.step(Float32Array.from(keys));
    expect(env.actions).toEqual([
      [0, 5],
      [-2, 10],
      [2, 0],
    ]);
    expect([world.stepSeconds, world.actionNames]).toEqual([0.05, ["steer", "gas"]]);
  });

  it("chooses the outer of discrete actions, the middle one or the last one without a key", async () => {
    const three = makeEnv(new Discrete(3), picture);
    const two = makeEnv(new Discrete(2, { start: 5 }), picture);
    for (const env of [three, two]) {
      const world = makePlayWorld(env, { title: "t" });
      for (const key of [1, 0, -1, 0]) await world.step(Float32Array.of(key));
    }
    expect(three.actions.flat()).toEqual([2, 1, 0, 1]);
    expect(two.actions.flat()).toEqual([6, 6, 5, 5]);
  });

  it("shows the rendered picture, else the observed one, with the facts of the step", async () => {
    const rendered = ndarray("uint8", [1, 1, 3], Uint8Array.of(7, 8, 9));
    const observing = makePlayWorld(makeEnv(new Discrete(2), picture), { title: "t" });
    expect((await observing.reset(0)).frame).toMatchObject({ height: 2, width: 2, data: picture.data });
    const step = await makePlayWorld(makeEnv(new Discrete(2), picture, rendered), { title: "t" }).step(
      Float32Array.of(0),
    );
    expect(step.frame).toMatchObject({ height: 1, width: 1 });
    expect(step).toMatchObject({ reward: 2, terminated: true, truncated: false, note: "speedMps 12.3" });
  });

  it("is refused when it has no picture, or actions that no key can give", async () => {
    const blind = makePlayWorld(makeEnv(new Discrete(2)), { title: "t" });
    expect((await thrownBy(() => blind.reset(0))).code).toBe("NOT_SUPPORTED");
    const talking = makeEnv(new Text(5), picture);
    expect((await thrownBy(() => makePlayWorld(talking, { title: "t" }))).message).toContain("Text");
  });
});
