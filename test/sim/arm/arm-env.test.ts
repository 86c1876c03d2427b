/** @file The arm environments: contract, control, rewards, scenarios, pictures, snapshots, memory, experts. */

import { afterEach, describe, expect, it } from "vitest";
import { float32, isNdArray, stackRows } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { checkEnv } from "../../../src/env/check-env.ts";
import { Registry } from "../../../src/env/registry.ts";
import { makeArm } from "../../../src/sim/arm/arm-env.ts";
import type { ArmEnv, ArmOptions } from "../../../src/sim/arm/arm-env.ts";
import { makeArmExpert } from "../../../src/sim/arm/expert.ts";
import { loadMujoco, MujocoWorld } from "../../../src/sim/arm/mujoco.ts";
import { computeReward } from "../../../src/sim/arm/reward.ts";
import { inPool, makeScenario, scenarioPools, taskSpecs } from "../../../src/sim/arm/scenario.ts";
import type { ArmTask } from "../../../src/sim/arm/scenario.ts";
import { builtinEnvs } from "../../../src/sim/envs.ts";

const open: ArmEnv[] = [];
afterEach(() => {
  for (const env of open.splice(0)) env.close();
});

async function arm(task: ArmTask, options: ArmOptions = {}): Promise<ArmEnv> {
  const env = await makeArm(task, { observation: "state", ...options });
  open.push(env);
  return env;
}

type Vector = NdArray<"float32">;
type Goal = { observation: Vector; achieved_goal: Vector; desired_goal: Vector };

const tasks = ["reach", "push", "pick-place"] as const;
const act = (...values: number[]): Vector => float32(values);
const numbers = (values: ArrayLike<number>): number[] => Array.from(values);

describe("the contract of single environments", () => {
  it.each(tasks)("is kept by %s, in every form of observation", async (task) => {
    for (const observation of ["goal", "state", "dict", "frame"] as const) {
      const env = await arm(task, { observation, dynamics: "random", looks: "random" });
      const result = checkEnv(env, { steps: observation === "goal" ? 20 : 3 });
      expect(result.warnings).toEqual([]);
    }
  });

  it("is kept across threads: a vector of workers equals one in this thread", async () => {
    const registry = new Registry(builtinEnvs);
    const run = async (mode: "sync" | "workers"): Promise<unknown> => {
      const env = await registry.makeVec("ArmPush-v0", {
        numEnvs: 2,
        mode,
        observation: "state",
        numWorkers: 1,
      });
      await env.reset({ seed: 5 });
      const actions = { dtype: "float32", shape: [2, 4], data: new Float32Array(8).fill(0.5) } as const;
      const { observations, rewards } = await env.step(actions);
      await env.close();
      return structuredClone({ observations, rewards: numbers(rewards.data) });
    };
    expect(await run("workers")).toEqual(await run("sync"));
  });
});

describe("control", () => {
  it("by the end effector moves the tip by 3 cm per unit, along one axis", async () => {
    const env = await arm("reach");
    env.reset({ seed: 1 });
    const { body } = env.view;
    for (let axis = 0; axis < 3; axis++) {
      for (const sign of [1, -1]) {
        const before = numbers(body.tip);
        for (let i = 0; i < 2; i++) env.step(act(...[0, 1, 2].map((c) => (c === axis ? sign : 0)), 0));
        for (let i = 0; i < 4; i++) env.step(act(0, 0, 0, 0));
        const way = numbers(body.tip).map((x, c) => x - before[c]);
        way.forEach((x, c) => expect(x).toBeCloseTo(c === axis ? 0.06 * sign : 0, 2));
      }
    }
  });

  it("in the plane keeps the height, and pushing against the table does not wind targets up", async () => {
    const flat = await arm("push", { control: "planar" });
    flat.reset({ seed: 2 });
    for (let i = 0; i < 6; i++) flat.step(act(-1, i % 2));
    expect(flat.view.body.tip[2]).toBeCloseTo(0.025, 2);
    const env = await arm("reach");
    env.reset({ seed: 2 });
    for (let i = 0; i < 20; i++) env.step(act(0, 0, -1, 0));
    const low = env.view.body.tip[2];
    env.step(act(0, 0, 1, 0));
    env.step(act(0, 0, 1, 0));
    expect(env.view.body.tip[2] - low).toBeGreaterThan(0.04);
  });

  it("by joints turns the joint that is named, and the gripper opens and closes", async () => {
    const env = await arm("pick-place", { control: "joint" });
    env.reset({ seed: 3 });
    const { qpos } = env.view.body.world.state;
    const before = numbers(qpos.subarray(0, 7));
    for (let i = 0; i < 3; i++) env.step(act(0, 0, 0, 0, 0, 0, 1, 1));
    for (let i = 0; i < 3; i++) env.step(act(0, 0, 0, 0, 0, 0, 0, 1));
    numbers(qpos.subarray(0, 7)).forEach((angle, k) =>
      expect(angle - before[k]).toBeCloseTo(k === 6 ? 0.24 : 0, 2),
    );
    expect(env.view.body.openingM).toBeGreaterThan(0.085);
    for (let i = 0; i < 4; i++) env.step(act(0, 0, 0, 0, 0, 0, 0, -1));
    expect(env.view.body.openingM).toBeLessThan(0.005);
  });

  it("refuses what is no action, no option, no plane", async () => {
    const env = await arm("reach");
    expect(() => env.step(act(0, 0, 0, 0))).toThrow("RESET_NEEDED");
    env.reset({ seed: 1 });
    expect(() => env.step(act(0, 0, NaN, 0))).toThrow("NOT_FINITE");
    expect(() => env.step(act(0, 0))).toThrow("4 numbers");
    await expect(makeArm("pick-place", { control: "planar" })).rejects.toThrow("must be lifted");
    await expect(makeArm("push", { observation: "pixels" as "frame" })).rejects.toThrow("frame");
    await expect(makeArm("push", { split: "tset" as "test" })).rejects.toThrow('did you mean "test"');
    expect(() => new Registry(builtinEnvs).make("ArmReach-v0")).toThrow('makeAsync("ArmReach-v0")');
  });

  it("says so when the physics diverge instead of going on with nonsense", async () => {
    const env = await arm("push");
    env.reset({ seed: 1 });
    env.view.body.world.state.qvel[3] = NaN;
    expect(() => env.step(act(0, 0, 0, 0))).toThrow("diverged");
  });
});

describe("rewards", () => {
  it.each(["dense", "sparse", "distance"] as const)(
    "%s equal computeReward of the goals in the observation",
    async (kind) => {
      for (const task of tasks) {
        const env = await arm(task, { observation: "goal", reward: kind });
        const { observation: first } = env.reset({ seed: 4 }) as unknown as { observation: Goal };
        const seen: { at: Goal; reward: number; reachM: number }[] = [];
        for (let i = 0; i < 4; i++) {
          const { observation, reward, info } = env.step(act(1, 0, -1, 1));
          seen.push({ at: observation as Goal, reward, reachM: info["reachM"] as number });
        }
        const achieved = stackRows(seen.map(({ at }) => at.achieved_goal));
        const desired = stackRows(seen.map(({ at }) => at.desired_goal));
        const rewards = env.computeReward(achieved, desired, { reachM: seen.map(({ reachM }) => reachM) });
        if (!isNdArray(rewards)) throw new Error("a batch of places gives a batch of rewards");
        seen.forEach(({ reward }, i) => expect(rewards.data[i]).toBeCloseTo(reward, 5));
        const { at, reachM } = seen[3];
        expect(env.computeReward(at.achieved_goal, at.desired_goal, { reachM })).toBeCloseTo(
          seen[3].reward,
          5,
        );
        expect(first.desired_goal.data).toEqual(at.desired_goal.data);
      }
    },
  );

  it("of a goal that was reached after all are those of success", () => {
    const place = float32([0.5, 0.1, 0.03]);
    const far = float32([0.5, 0.2, 0.03]);
    expect(computeReward({ task: "push", kind: "sparse" }, place, place)).toBe(0);
    expect(computeReward({ task: "push", kind: "sparse" }, place, far)).toBe(-1);
    expect(computeReward({ task: "push", kind: "distance" }, place, far)).toBeCloseTo(-0.1, 6);
    expect(computeReward({ task: "reach", kind: "dense" }, place, place)).toBe(1.5);
    expect(computeReward({ task: "push", kind: "dense" }, place, place, { reachM: 0.05 })).toBe(1.5);
    expect(() => computeReward({ task: "push", kind: "sparse" }, place, float32([1, 2]))).toThrow("[3]");
  });

  it("end an episode whose object is lost only where ending costs something", async () => {
    for (const [reward, ends] of [
      ["dense", true],
      ["sparse", false],
      ["distance", false],
    ] as const) {
      const env = await arm("push", { reward });
      env.reset({ seed: 1 });
      env.view.body.world.state.qpos[9] = 1.2;
      const result = env.step(act(0, 0, 0, 0));
      expect(result.info["lost"]).toBe(true);
      expect(result.terminated).toBe(ends);
    }
  });
});

describe("scenarios", () => {
  it("of the three splits are disjoint, and another split's is refused", async () => {
    const pools = Object.values(scenarioPools).toSorted((a, b) => a.first - b.first);
    for (let i = 1; i < pools.length; i++) {
      expect(pools[i].first).toBeGreaterThanOrEqual(pools[i - 1].first + pools[i - 1].count);
    }
    for (const split of ["train", "validation", "test"] as const) {
      const env = await arm("reach", { split });
      for (let seed = 0; seed < 5; seed++) {
        expect(inPool(split, env.reset({ seed }).info["scenarioId"] as number)).toBe(true);
      }
    }
    const env = await arm("reach", { split: "test" });
    expect(() => env.reset({ options: { scenario: 7 } })).toThrow("2000000");
    expect(() => env.reset({ options: { scenaro: 2_000_007 } })).toThrow('did you mean "scenario"');
    expect(env.reset({ options: { scenario: 2_000_007 } }).info["scenarioId"]).toBe(2_000_007);
  });

  it("leave a way to go, keep object, goal and tip within reach, and do not depend on what else is randomized", () => {
    for (let id = 0; id < 300; id++) {
      for (const task of tasks) {
        const options = { task, planar: false, randomDynamics: false };
        const plain = makeScenario(id, options);
        const random = makeScenario(id, { ...options, randomDynamics: true });
        expect({ ...random, dynamics: plain.dynamics }).toEqual(plain);
        expect(random.dynamics).not.toEqual(plain.dynamics);
        const { goal, object } = plain;
        const gap = Math.hypot(goal[0] - object[0], goal[1] - object[1]);
        if (taskSpecs[task].object !== undefined) expect(gap).toBeGreaterThanOrEqual(0.1);
        expect(goal[0]).toBeGreaterThan(0.4);
        expect(goal[0]).toBeLessThan(0.66);
        const half = taskSpecs[task].object?.halfHeightM ?? 0;
        expect(goal[2]).toBeGreaterThanOrEqual(half);
      }
    }
  });

  it("with random dynamics change the physics, and plain ones bring the model's back", async () => {
    const env = await arm("push", { dynamics: "random" });
    const nominal = await arm("push");
    env.reset({ seed: 1 });
    nominal.reset({ seed: 1 });
    const massOf = ({ view }: ArmEnv) => Math.max(...view.body.world.parameters.bodyMass.slice(-1));
    expect(massOf(env)).toBeCloseTo(0.15 * env.view.scenario.dynamics.mass, 9);
    expect(massOf(env)).not.toBeCloseTo(massOf(nominal), 3);
    env.view.body.adopt(nominal.view.scenario.dynamics);
    for (const [name, values] of Object.entries(env.view.body.world.parameters)) {
      expect(numbers(values)).toEqual(numbers(nominal.view.body.world.parameters[name as "gain"]));
    }
  });
});

describe("pictures", () => {
  it("show object and goal in 64×64 pixels, where MuJoCo says they are", async () => {
    const env = await arm("push", { control: "planar" });
    let visible = 0;
    for (let seed = 0; seed < 24; seed++) {
      env.reset({ seed });
      const { depth, segmentation } = env.sense();
      const count = (id: number) => segmentation.data.filter((value) => value === id).length;
      const geomCount = env.view.body.world.geoms().names.length;
      const object = env.view.body.world.idOf("geom", "object");
      if (count(object) >= 12 && count(geomCount + 1) >= 12) visible++;
      const at = segmentation.data.indexOf(object);
      if (at >= 0) expect(depth.data[at]).toBeGreaterThan(0.5);
      if (at >= 0) expect(depth.data[at]).toBeLessThan(1.3);
    }
    expect(visible).toBeGreaterThanOrEqual(20);
  });

  it("follow the arm, differ with random looks by scenario only, and come from three cameras", async () => {
    const env = await arm("reach", { observation: "frame", looks: "random" });
    const frameOf = (scenario: number) =>
      env.reset({ options: { scenario } }).observation as NdArray<"uint8">;
    const [a, b] = [frameOf(1), frameOf(2)];
    expect(frameOf(1).data).toEqual(a.data);
    expect(a.data).not.toEqual(b.data);
    const moved = env.step(act(1, 1, 1, 0)).observation as NdArray<"uint8">;
    expect(moved.data).not.toEqual(a.data);
    const views = (["front", "top", "wrist"] as const).map((camera) =>
      env.picture({ width: 16, height: 16 }, camera),
    );
    expect(new Set(views.map(({ data }) => data.join())).size).toBe(3);
    expect(env.render().shape).toEqual([256, 256, 3]);
  });
});

describe("snapshots and memory", () => {
  it("go on to the same bytes from the middle of a contact, in another environment too", async () => {
    const options = { control: "planar", dynamics: "random" } as const;
    const env = await arm("push", options);
    const twin = await arm("push", options);
    env.reset({ seed: 8 });
    const expert = makeArmExpert(env);
    for (let i = 0; i < 14; i++) env.step(expert.act());
    const saved = structuredClone(env.snapshot());
    const run = (of: ArmEnv) => {
      const mind = makeArmExpert(of);
      return Array.from({ length: 10 }, () => structuredClone(of.step(mind.act())));
    };
    const first = run(env);
    twin.restore(saved);
    expect(run(twin)).toEqual(first);
    expect(twin.reset()).toEqual(env.reset());
    expect(() => twin.restore({ ...saved, kind: "ArmReach-v0" })).toThrow("another environment");
  });

  it("survive the growth of the module's memory, which detaches every view", async () => {
    const env = await arm("reach");
    env.reset({ seed: 3 });
    const { buffer } = env.view.body.world.state.qpos;
    const crowd: ArmEnv[] = [];
    while (buffer.byteLength > 0 && crowd.length < 400) crowd.push(await arm("push"));
    expect(buffer.byteLength).toBe(0);
    const after = env.step(act(1, 0, 0, 0)).observation;
    env.reset({ seed: 3 });
    expect(env.step(act(1, 0, 0, 0)).observation).toEqual(after);
  });

  it("does not grow over ten thousand resets, nor over environments made and closed", async () => {
    const env = await arm("pick-place", { dynamics: "random" });
    env.reset({ seed: 1 });
    const size = () => env.view.body.world.state.qpos.buffer.byteLength;
    const before = size();
    for (let i = 0; i < 10_000; i++) env.reset();
    for (let i = 0; i < 150; i++) (await makeArm("push")).close();
    expect(size()).toBe(before);
    env.close();
    env.close();
    expect(() => env.reset()).toThrow("ENV_CLOSED");
  });

  it("names MuJoCo's complaint about a model that it refuses, and what a model lacks", async () => {
    const mujoco = await loadMujoco();
    expect(() => new MujocoWorld(mujoco, "<mujoco><wrong/></mujoco>")).toThrow("unrecognized element");
    const env = await arm("reach");
    expect(() => env.view).toThrow("RESET_NEEDED");
    env.reset({ seed: 1 });
    expect(() => env.view.body.world.idOf("geom", "nose")).toThrow('no geom "nose"');
  });
});

describe("scripted experts", () => {
  it.each([
    ["reach", "ee", 20],
    ["push", "planar", 60],
    ["pick-place", "ee", 60],
    ["pick-place", "joint", 80],
  ] as const)("solve %s under %s control on unseen scenarios", async (task, control, steps) => {
    const env = await arm(task, { control, split: "test" });
    let solved = 0;
    for (let id = 0; id < 8; id++) {
      env.reset({ options: { scenario: 2_000_000 + id } });
      const expert = makeArmExpert(env);
      let success = false;
      for (let i = 0; i < steps; i++) success = env.step(expert.act()).info["success"] as boolean;
      if (success) solved++;
    }
    expect(solved).toBeGreaterThanOrEqual(7);
  });

  it("are disturbed by noise and lapses, repeatably, and know no other environments", async () => {
    const env = await arm("push");
    env.reset({ seed: 1 });
    const actions = (seed: number) => {
      const rng = Rng.fromSeed(seed);
      const expert = makeArmExpert(env, { noise: 0.3, lapseRate: 0.5 });
      return Array.from({ length: 5 }, () => numbers(expert.act(rng).data));
    };
    expect(actions(1)).toEqual(actions(1));
    expect(actions(1)).not.toEqual(actions(2));
    expect(() => makeArmExpert(new Registry(builtinEnvs).make("CartPole-v1"))).toThrow(
      "no scripted arm expert",
    );
  });
});
