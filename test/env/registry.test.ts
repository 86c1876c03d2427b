/** @file Ids, versions, near names, entry points of every form, time limits, modes. */

import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/ndarray.ts";
import type { EnvSpec, VectorEnv } from "../../src/env/env.ts";
import { parseEnvId } from "../../src/env/env-id.ts";
import { Registry } from "../../src/env/registry.ts";
import { specFromJson, specToJson } from "../../src/env/spec-json.ts";
import { builtinEnvs } from "../../src/sim/envs.ts";
import { CounterEnv, CounterVec } from "./counter.ts";

const entryPoint = (kwargs: object) => new CounterEnv(kwargs) as never;
const counter: EnvSpec = { id: "Counter-v1", entryPoint, maxEpisodeSteps: 3, kwargs: { limit: 50 } };

const counterModule = new URL("./counter.ts", import.meta.url).href;

describe("ids", () => {
  test.each([
    ["CartPole-v1", undefined, "CartPole", 1],
    ["lab/Reach-v0", "lab", "Reach", 0],
    ["phys2d/CartPole-v12", "phys2d", "CartPole", 12],
    ["Name", undefined, "Name", undefined],
    ["a:b/C.d:e-v01", "a:b", "C.d:e", 1],
    ["Env-V1", undefined, "Env-V1", undefined],
    ["Straße-v2", undefined, "Straße", 2],
  ])("%s", (id, namespace, name, version) => {
    expect(parseEnvId(id)).toEqual({ namespace, name, version });
  });

  test.each(["", "a/b/c", "Env v0", "Env-v0!"])("malformed: %s", (id) => {
    expect(() => parseEnvId(id)).toThrow(/INVALID_ARGUMENT.*malformed/);
  });

  test("a wrong id names the nearest known one, a wrong version the versions", () => {
    const registry = new Registry(builtinEnvs);
    expect(() => registry.make("CartPol-v1")).toThrow(/UNKNOWN_NAME.*did you mean "CartPole-v1"/s);
    expect(() => registry.make("CartPole-v9")).toThrow(/one of CartPole-v1, CartPole-v0/);
  });

  test("without a version the newest is made", () => {
    expect(new Registry(builtinEnvs).spec("CartPole").id).toBe("CartPole-v1");
  });

  test("a versioned and an unversioned form of one name cannot stand together", () => {
    const registry = new Registry([counter]);
    expect(() => registry.register({ id: "Counter", entryPoint })).toThrow(
      /cannot stand beside "Counter-v1"/,
    );
  });

  test("an environment needs an entry point", () => {
    expect(() => new Registry([{ id: "Empty-v0" }])).toThrow(/has no entry point/);
  });
});

describe("make", () => {
  test("calls override the spec's keyword arguments, and the spec remembers them", () => {
    const registry = new Registry([counter]);
    const env = registry.make("Counter-v1", { starts: 4 });
    expect(env.spec).toMatchObject({ id: "Counter-v1", kwargs: { limit: 50, starts: 4 } });
    expect(String(env)).toBe("<Counter-v1>");
  });

  test.each([
    [{}, 3],
    [{ maxEpisodeSteps: 5 }, 5],
    [{ maxEpisodeSteps: -1 }, undefined],
  ])("%o truncates after %s steps", (kwargs, limit) => {
    const env = new Registry([counter]).make("Counter-v1", kwargs);
    env.reset({ seed: 0 });
    const truncated = Array.from({ length: 10 }, () => env.step(0).truncated);
    expect(truncated.indexOf(true)).toBe(limit === undefined ? -1 : limit - 1);
  });

  test("a step on which the task ends is terminated, not also truncated", () => {
    const env = new Registry([counter]).make("Counter-v1", { limit: 3 });
    env.reset({ seed: 0 });
    const [, , last] = [env.step(0), env.step(0), env.step(0)];
    expect(last).toMatchObject({ terminated: true, truncated: false });
  });

  test("step before reset and use after close are refused", () => {
    const env = new Registry([counter]).make("Counter-v1");
    expect(() => env.step(0)).toThrow(/RESET_NEEDED.*<Counter-v1> before the first reset/);
    env.close();
    env.close();
    expect(() => env.reset()).toThrow(/ENV_CLOSED/);
  });

  test("a lazily loaded environment is made by makeAsync, and make says so", async () => {
    const registry = new Registry([{ ...counter, entryPoint: async (kwargs) => entryPoint(kwargs) }]);
    expect(() => registry.make("Counter-v1")).toThrow(/NOT_SUPPORTED.*await makeAsync\("Counter-v1"\)/s);
    expect(await registry.makeAsync("Counter-v1")).toHaveProperty("actionSpace");
  });

  test("an entry point can be a module and an export", async () => {
    const registry = new Registry([{ id: "Counter-v1", entryPoint: `${counterModule}#makeCounter` }]);
    const env = await registry.makeAsync("Counter-v1", { limit: 2 });
    expect(env.reset({ seed: 0 }).info).toEqual({ start: 0 });
  });

  test.each([
    [`${counterModule}#nothing`, /to export a function nothing/],
    [counterModule, /names no export.*"module#export"/s],
    ["file:///nowhere/envs.ts#make", /cannot be imported.*nowhere/s],
  ])("the entry point %s says what is wrong with it", async (point, message) => {
    const wrong = new Registry([{ id: "Counter-v1", entryPoint: point }]);
    await expect(wrong.makeAsync("Counter-v1")).rejects.toThrow(message);
  });
});

describe("what is asked for must exist", () => {
  const registry = new Registry(builtinEnvs);

  test("a keyword argument that the environment does not take is refused with the nearest", async () => {
    expect(() => registry.make("CartPole-v1", { suttonBartoRewards: true })).toThrow(
      /UNKNOWN_NAME.*"CartPole-v1" "suttonBartoRewards".*did you mean "suttonBartoReward"/s,
    );
    for (const mode of ["sync", "workers", "batched"] as const) {
      await expect(registry.makeVec("CartPole-v1", { mode, gravity: 3 })).rejects.toThrow(/UNKNOWN_NAME/);
    }
  });

  test("a slip in an option of makeVec is named too", async () => {
    await expect(registry.makeVec("CartPole-v1", { numEnvz: 3 })).rejects.toThrow(/did you mean "numEnvs"/);
  });

  test("without a list of names, every argument goes to the maker", () => {
    expect(new Registry([counter]).make("Counter-v1", { starts: 4, mine: 1 }).spec?.kwargs).toMatchObject({
      mine: 1,
    });
  });

  test.each([
    [{ mode: "async" }, /mode of makeVec "async".*one of sync, workers, batched/s],
    [{ autoreset: "SAME_STEP" }, /autoreset mode "SAME_STEP".*did you mean "same-step"/s],
    [{ maxEpisodeSteps: 0 }, /maxEpisodeSteps.*cannot be 0/],
    [{ maxEpisodeSteps: "7" }, /maxEpisodeSteps.*cannot be "7"/],
    [{ renderMode: "human", mode: "batched" }, /NOT_SUPPORTED.*"human".*rgb_array/s],
  ])("%o is refused", async (options, message) => {
    await expect(registry.makeVec("CartPole-v1", options as never)).rejects.toThrow(message);
  });

  test("a batched environment without a time limit never truncates", async () => {
    const env = await registry.makeVec("CartPole-v1", { numEnvs: 2, maxEpisodeSteps: -1 });
    await env.reset({ seed: 0 });
    expect([...(await env.step(env.actionSpace.sample())).truncations.data]).toEqual([0, 0]);
  });
});

describe("makeVec", () => {
  const vector: EnvSpec = {
    ...counter,
    vectorEntryPoint: (kwargs) => new CounterVec(kwargs.numEnvs, kwargs as object),
  };

  test("takes the batched form where there is one, else single environments", async () => {
    const [batched, sync] = [new Registry([vector]), new Registry([counter])];
    expect((await batched.makeVec("Counter-v1", { numEnvs: 2 })).primitive).toBeInstanceOf(CounterVec);
    expect((await sync.makeVec("Counter-v1", { numEnvs: 2 })).primitive.constructor.name).toBe(
      "SyncVectorEnv",
    );
    await expect(sync.makeVec("Counter-v1", { mode: "batched" })).rejects.toThrow(
      /NOT_SUPPORTED.*no batched form/,
    );
  });

  test("defaults to next-step, results that may be kept, and one sub-environment", async () => {
    const env = await new Registry([counter]).makeVec("Counter-v1");
    expect([env.metadata.autoreset, env.copies, env.numEnvs]).toEqual(["next-step", true, 1]);
  });

  test("seed is the seed of the first reset that gives none", async () => {
    const registry = new Registry([{ ...counter, kwargs: { starts: 1000, limit: 5000 } }]);
    const [a, b] = await Promise.all(
      [0, 1].map(() => registry.makeVec("Counter-v1", { numEnvs: 3, seed: 7 })),
    );
    const first = await a.reset();
    expect(await b.reset({ seed: 7 })).toEqual(first);
    expect(await a.reset()).not.toEqual(first);
  });

  test("wrappers stand inside the autoreset", async () => {
    const seen: string[] = [];
    const wrap = (name: string) => (env: VectorEnv) => (seen.push(name), env);
    await new Registry([counter]).makeVec("Counter-v1", { wrappers: [wrap("inner"), wrap("outer")] });
    expect(seen).toEqual(["inner", "outer"]);
  });

  test("a fork goes its own way from the same state", async () => {
    const env = await new Registry([counter]).makeVec("Counter-v1", { numEnvs: 2, starts: 9 });
    await env.reset({ seed: 3 });
    await env.step(env.actionSpace.sample());
    const twin = await env.fork();
    const action = env.actionSpace.sample() as never;
    const expected = await env.step(action);
    await env.step(action);
    expect(await twin.step(action)).toEqual(expected);
  });

  test("numEnvs must be a positive integer", async () => {
    await expect(new Registry([counter]).makeVec("Counter-v1", { numEnvs: 0 })).rejects.toThrow(
      /numEnvs cannot be 0/,
    );
  });
});

describe("specs as JSON", () => {
  test("go there and back", () => {
    const spec: EnvSpec = {
      id: "lab/Reach-v2",
      entryPoint: "reach#make",
      maxEpisodeSteps: 9,
      kwargs: { g: 9.81 },
    };
    expect(specFromJson(JSON.parse(JSON.stringify(specToJson(spec))))).toEqual(spec);
  });

  test("refuse functions, unless a module exports them", () => {
    expect(() => specToJson(counter)).toThrow(/NOT_SUPPORTED.*entry point is a function/);
    const known = { ...counter, module: "file:///envs.js" };
    expect(specToJson(known)).toEqual({
      id: "Counter-v1",
      module: "file:///envs.js",
      maxEpisodeSteps: 3,
      kwargs: { limit: 50 },
    });
  });

  test("what was made from a spec can be made from its JSON again", async () => {
    const registry = new Registry(builtinEnvs);
    const { spec } = registry.make("Pendulum-v1", { g: 0, maxEpisodeSteps: 2 });
    const read = specFromJson(JSON.parse(JSON.stringify(specToJson(spec!))));
    for (const env of [registry.make(read), await new Registry().makeAsync(read)]) {
      expect(env.spec?.kwargs).toMatchObject({ g: 0 });
      env.reset({ seed: 1, options: { x_init: 0, y_init: 0 } });
      expect(env.step(float32([0])).observation).toEqual(float32([1, 0, 0]));
      expect(env.step(float32([0])).truncated).toBe(true);
    }
    const vector = await registry.makeVec(read, { numEnvs: 2, mode: "sync" });
    expect(specToJson(vector.spec!)).toEqual(specToJson(spec!));
  });

  test("a spec that nobody knows says so", async () => {
    const registry = new Registry(builtinEnvs);
    await expect(registry.makeAsync(specFromJson({ id: "CartPool-v1" }))).rejects.toThrow(
      /UNKNOWN_NAME.*did you mean "CartPole-v1"/s,
    );
  });
});
