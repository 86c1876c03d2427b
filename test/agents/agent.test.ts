/** @file The runtime on a toy env and a toy clock: rate, chunks, streams, ends, and what happens to nonsense. */

import { describe, expect, it } from "vitest";

import { ReverieError } from "../../src/core/errors.ts";
import { float32 } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { makeAgent } from "../../src/agents/agent.ts";
import type { AgentEvent } from "../../src/agents/agent.ts";
import { withNormalizedActions } from "../../src/agents/actions.ts";
import type { ChunkPolicy } from "../../src/agents/deciders.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { CountingEnv, ToyClock } from "./toys.ts";

type Counts = NdArray<"float32">;

/** Answers 0.01 per step seen. */
const counting: Policy<Counts> = {
  act: (observations) =>
    Promise.resolve({
      actions: float32(
        Array.from(observations.data, (n) => n / 100),
        observations.shape,
      ),
    }),
};

/** Plans `height` steps: row r of a chunk made at count c says c + r (in hundredths); answers when released. */
function planner(
  height: number,
): ChunkPolicy<Counts> & { asked: number[]; release(): Promise<void>; instant: boolean } {
  const waiting: (() => void)[] = [];
  const self = {
    asked: [] as number[],
    instant: false,
    async actChunk(observations: Counts) {
      const count = observations.data[0];
      self.asked.push(count);
      if (!self.instant) await new Promise<void>((resolve) => waiting.push(resolve));
      return {
        actions: float32(
          Array.from({ length: height }, (_, row) => (count + row) / 100),
          [1, height, 1],
        ),
      };
    },
    async release() {
      for (let i = 0; i < 100 && waiting.length === 0; i++) await Promise.resolve();
      waiting.shift()?.();
      for (let i = 0; i < 10; i++) await Promise.resolve();
    },
  };
  return self;
}

const hundredths = (env: CountingEnv): number[] => env.taken.map(([value]) => Math.round(value * 100));

describe("a policy asked at every step", () => {
  it("answers the observation before the step", async () => {
    const env = new CountingEnv();
    await makeAgent({ env, policy: counting }).run({ steps: 4 });
    expect(hundredths(env)).toEqual([0, 1, 2, 3]);
  });

  it("is told which rows begin, and only ended rows are reset", async () => {
    const env = new CountingEnv(2, 2);
    const begins: number[][] = [];
    const policy: Policy<Counts> = {
      act: (observations, rows) => {
        begins.push([...rows.data]);
        return counting.act(observations, rows);
      },
    };
    const events: AgentEvent[] = [];
    const agent = makeAgent({ env, policy });
    agent.events.subscribe((event) => events.push(event));
    const summary = await agent.run({ steps: 4 });
    expect(begins).toEqual([
      [1, 1],
      [0, 0],
      [1, 0],
      [0, 1],
    ]);
    expect(env.resets).toEqual([undefined, [1, 0], [0, 1], [1, 0]].slice(0, env.resets.length));
    expect(events.filter(({ type }) => type === "ended")).toMatchObject([
      { row: 0, steps: 2, terminated: true },
      { row: 1, steps: 3 },
      { row: 0, steps: 2 },
    ]);
    expect(summary.returns.map((value) => Math.round(value * 100))).toEqual([1, 3, 1]);
  });

  it("stops after the episodes asked for, and when told to", async () => {
    const env = new CountingEnv(1, 3);
    expect((await makeAgent({ env, policy: counting }).run({ episodes: 2 })).steps).toBe(6);
    const controller = new AbortController();
    env.onStep = () => controller.abort();
    expect((await makeAgent({ env, policy: counting }).run({ signal: controller.signal })).steps).toBe(1);
    expect(env.halts).toBe(2);
  });
});

describe("the rate", () => {
  it("is kept by deadlines on a grid: slow steps do not shift the later ones", async () => {
    const clock = new ToyClock();
    const env = new CountingEnv();
    env.onStep = () => (clock.nowMs += 7);
    await makeAgent({ env, policy: counting, rateHz: 100, clock }).run({ steps: 5 });
    expect(clock.sleeps).toEqual([0, 10, 20, 30, 40]);
  });

  it("skips missed deadlines instead of making up for them, and says so", async () => {
    const clock = new ToyClock();
    const env = new CountingEnv();
    env.onStep = () => (clock.nowMs += env.taken.length === 1 ? 35 : 1);
    const events: AgentEvent[] = [];
    const agent = makeAgent({ env, policy: counting, rateHz: 100, clock });
    agent.events.subscribe((event) => events.push(event));
    const { lateSteps } = await agent.run({ steps: 5 });
    expect(lateSteps).toBe(1);
    expect(events.find(({ type }) => type === "late")).toMatchObject({ step: 2 });
    expect(clock.sleeps.at(-1)).toBe(60);
  });
});

describe("a policy of chunks", () => {
  it("plays chunks without asking more often than the threshold says", async () => {
    const env = new CountingEnv();
    const policy = planner(4);
    policy.instant = true;
    await makeAgent({ env, policy, chunk: { overlap: "latest" } }).run({ steps: 8 });
    expect(hundredths(env)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(policy.asked).toEqual([0, 2, 4, 6]);
  });

  it("goes on with the old chunk while the next is computed, and trims the next by the steps taken meanwhile", async () => {
    const env = new CountingEnv();
    const policy = planner(4);
    const events: AgentEvent[] = [];
    const agent = makeAgent({ env, policy, chunk: { overlap: "latest" } });
    agent.events.subscribe((event) => events.push(event));
    // The first chunk comes at once; the second, asked for at step 2, after step 3 is taken.
    env.onStep = () => {
      if (env.taken.length === 3) void policy.release();
    };
    const run = agent.run({ steps: 6 });
    await policy.release();
    await run;
    expect(hundredths(env)).toEqual([0, 1, 2, 3, 4, 5]);
    const chunks = events.filter((event) => event.type === "chunk");
    expect(chunks[1]).toMatchObject({ step: 2 });
    expect((chunks[1] as { trimmed: number }).trimmed).toBeGreaterThanOrEqual(1);
  });

  it("waits for the policy when nothing is planned, and reports it", async () => {
    const env = new CountingEnv();
    const policy = planner(2);
    const events: AgentEvent[] = [];
    const agent = makeAgent({ env, policy, chunk: { threshold: 0 } });
    agent.events.subscribe((event) => events.push(event));
    const run = agent.run({ steps: 4 });
    for (let i = 0; i < 20; i++) await policy.release();
    await run;
    expect(hundredths(env)).toEqual([0, 1, 2, 3]);
    expect(events.some(({ type }) => type === "underrun")).toBe(true);
  });

  it("repeats the last action instead, when configured so", async () => {
    const env = new CountingEnv();
    const policy = planner(2);
    const run = makeAgent({ env, policy, chunk: { threshold: 0, underrun: "hold" } }).run({ steps: 5 });
    await policy.release();
    await run;
    expect(hundredths(env)).toEqual([0, 1, 1, 1, 1]);
  });

  it("never plays a chunk of the episode before, even if it comes late", async () => {
    const env = new CountingEnv(1, 3);
    const answers: (() => void)[] = [];
    // The chunk of ask k holds nothing but k hundredths.
    const policy: ChunkPolicy<Counts> = {
      actChunk: () => {
        const ask = answers.length;
        const actions = float32(
          [ask, ask, ask, ask].map((k) => k / 100),
          [1, 4, 1],
        );
        return new Promise((resolve) => answers.push(() => resolve({ actions })));
      },
    };
    const asked = async (count: number): Promise<void> => {
      for (let i = 0; i < 200 && answers.length < count; i++) await Promise.resolve();
    };
    const run = makeAgent({ env, policy, chunk: { overlap: "latest" } }).run({ steps: 6 });
    await asked(1);
    answers[0]();
    await asked(3); // ask 1 in step 2 of the first episode, ask 2 in step 0 of the second
    answers[2]();
    answers[1]();
    await asked(4);
    await run;
    expect(hundredths(env)).toEqual([0, 0, 0, 2, 2, 2]);
  });

  it("is shown the observation as it was when it was asked, however long it thinks", async () => {
    const env = new CountingEnv();
    const seen: number[] = [];
    const policy: ChunkPolicy<Counts> = {
      async actChunk(observations) {
        for (let i = 0; i < 50; i++) await Promise.resolve();
        seen.push(observations.data[0]);
        return { actions: float32([0, 0, 0, 0], [1, 4, 1]) };
      },
    };
    await makeAgent({ env, policy }).run({ steps: 5 });
    expect(seen.slice(0, 2)).toEqual([0, 2]);
  });

  it("that fails ends the run with its own error, and the robot is told to stop", async () => {
    const env = new CountingEnv();
    const policy = { actChunk: () => Promise.reject(new Error("no GPU")) };
    await expect(makeAgent({ env, policy }).run({ steps: 3 })).rejects.toThrow("no GPU");
    expect(env.halts).toBe(1);
    expect(env.taken).toEqual([]);
  });

  it("drives one robot only", () => {
    expect(() => makeAgent({ env: new CountingEnv(2), policy: planner(2) })).toThrow(/NOT_SUPPORTED/);
  });
});

it("an action that is not finite reaches no env and stops the robot", async () => {
  const env = new CountingEnv();
  const policy: Policy<Counts> = { act: () => Promise.resolve({ actions: float32([NaN], [1, 1]) }) };
  await expect(makeAgent({ env, policy }).run({ steps: 3 })).rejects.toThrow(/NOT_FINITE/);
  expect(env.taken).toEqual([]);
  expect(env.halts).toBe(1);
});

describe("a policy that is away", () => {
  const away = (code: "CONNECTION_LOST" | "INVALID_SHAPE", failures: number): Policy<Counts> => ({
    act: (observations, begins) => {
      if (failures-- > 0) throw new ReverieError({ code, what: "no answer" });
      return counting.act(observations, begins);
    },
  });

  it("is waited for with the robot stopped, as long as patience lasts", async () => {
    const env = new CountingEnv();
    const clock = new ToyClock();
    const agent = makeAgent({ env, policy: away("CONNECTION_LOST", 3), patienceMs: 1000, clock });
    const events: AgentEvent[] = [];
    agent.events.subscribe((event) => events.push(event));
    await agent.run({ steps: 2 });
    expect(events.filter(({ type }) => type === "policy-away")).toHaveLength(3);
    expect(env.halts).toBe(4);
    expect(hundredths(env)).toEqual([0, 1]);
    const impatient = makeAgent({ env, policy: away("CONNECTION_LOST", 30), patienceMs: 1000, clock });
    await expect(impatient.run({ steps: 2 })).rejects.toThrow(/CONNECTION_LOST/);
  });

  it("but answers wrongly ends the run at once", async () => {
    const agent = makeAgent({
      env: new CountingEnv(),
      policy: away("INVALID_SHAPE", 1),
      patienceMs: 1000,
      clock: new ToyClock(),
    });
    await expect(agent.run({ steps: 2 })).rejects.toThrow(/INVALID_SHAPE/);
  });
});

it("streams show every step with the observation before it, whatever the env does to its arrays later", async () => {
  const env = new CountingEnv();
  const agent = makeAgent({ env, policy: counting });
  const before: number[] = [];
  const wanted: number[] = [];
  const kept: Counts[] = [];
  agent.steps.subscribe((event) => {
    kept.push(event.before);
    before.push(event.before.data[0]);
  });
  agent.actions.subscribe((event) => wanted.push(Math.round(event.wanted.data[0] * 100)));
  await agent.run({ steps: 3 });
  expect(before).toEqual([0, 1, 2]);
  expect(kept.map(({ data }) => data[0])).toEqual([0, 1, 2]);
  expect(wanted).toEqual([0, 1, 2]);
});

describe("normalized actions", () => {
  const meaning = { names: ["speedMps"], kind: "absolute", low: [-0.5], high: [1.5] } as const;

  it("become the robot's units, clipped to their range", async () => {
    const env = new CountingEnv();
    const normalized = withNormalizedActions(env, meaning);
    await normalized.reset();
    for (const value of [-1, 0, 1, 7]) await normalized.step(float32([value], [1, 1]));
    expect(env.taken.flat()).toEqual([-0.5, 0.5, 1.5, 1.5]);
  });

  it("that are deltas are added to where the robot is", async () => {
    const env = new CountingEnv();
    const normalized = withNormalizedActions(
      env,
      { ...meaning, kind: "delta" },
      { positionsOf: (counts) => counts },
    );
    await normalized.reset();
    for (const value of [0, 0]) await normalized.step(float32([value], [1, 1]));
    expect(env.taken.flat()).toEqual([0.5, 1.5]);
  });

  it("of another robot, without a base, or not finite are refused", async () => {
    const env = new CountingEnv();
    expect(() => withNormalizedActions(env, meaning, { channelNames: ["steer"] })).toThrow(
      /CHECKPOINT_MISMATCH/,
    );
    expect(() => withNormalizedActions(env, { ...meaning, kind: "delta" })).toThrow(/positionsOf/);
    await expect(withNormalizedActions(env, meaning).step(float32([Infinity], [1, 1]))).rejects.toThrow(
      /NOT_FINITE/,
    );
  });
});
