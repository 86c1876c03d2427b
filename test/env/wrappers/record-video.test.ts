/** @file RecordVideo: which episodes, how many frames, one file per sub-environment, and logs that replay identically. */

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { ndarray } from "../../../src/core/ndarray.ts";
import type { Env, StepBatch, StepResult, VectorEnv } from "../../../src/env/env.ts";
import { Registry } from "../../../src/env/registry.ts";
import { SyncVectorEnv } from "../../../src/env/vector/sync.ts";
import { withAutoreset } from "../../../src/env/autoreset.ts";
import type { EpisodeLog } from "../../../src/env/wrappers/episode-log.ts";
import { wrappers as W } from "../../../src/env/wrappers/wrappers.ts";
import { builtinEnvs } from "../../../src/sim/envs.ts";
import { CounterEnv } from "../counter.ts";
import { ImageEnv } from "../image-env.ts";

/** A counter that starts at random and has tiny frames. */
class Filmed extends CounterEnv {
  override readonly metadata = { renderModes: ["rgb_array"], renderFps: 10 };
  render() {
    return ndarray("uint8", [2, 2, 3], new Uint8Array(12).fill(this.count));
  }
}
const filmed = () => new Filmed({ limit: 40, starts: 30 });
const int32 = (...values: number[]) => ndarray("int32", [values.length], Int32Array.from(values));
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reverie-video-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const logOf = async (name: string) =>
  JSON.parse(await readFile(join(folder, `${name}.json`), "utf8")) as EpisodeLog;
const finished = (env: Env | VectorEnv) => W.getWrapperAttr(env, "finished") as Promise<void>;
const small = () => W.TimeLimit(new ImageEnv(), 3);

/** Play `count` episodes with action `t % 2`; gives back every step's result. */
function play(env: Env<unknown, number>, count: number, seed?: number): StepResult<unknown>[][] {
  return Array.from({ length: count }, (_, episode) => {
    env.reset(episode === 0 ? { seed } : undefined);
    const steps: StepResult<unknown>[] = [];
    do steps.push(env.step(steps.length % 2));
    while (!steps.at(-1)!.terminated && !steps.at(-1)!.truncated);
    return steps;
  });
}

describe("of a single environment", () => {
  test("records episodes 0, 1, 8 by default, each with its log", async () => {
    const env = W.RecordVideo(small(), { videoFolder: folder, format: "gif" });
    play(env, 9);
    env.close();
    await finished(env);
    const names = ["rl-video-episode-0", "rl-video-episode-1", "rl-video-episode-8"];
    expect((await readdir(folder)).toSorted()).toEqual(
      names.flatMap((name) => [`${name}.gif`, `${name}.json`]),
    );
  });

  test("a video holds the reset's frame and one of every step", async () => {
    const env = W.RecordVideo(small(), {
      videoFolder: folder,
      format: "gif",
      episodeTrigger: (episode) => episode === 1,
    });
    play(env, 2);
    env.close();
    await finished(env);
    expect(await logOf("rl-video-episode-1")).toMatchObject({
      frames: 4,
      fps: 10,
      truncated: true,
      terminated: false,
    });
  });

  test("an episode that is cut off by close is written too", async () => {
    const env = W.RecordVideo(small(), { videoFolder: folder, format: "gif" });
    env.reset({ seed: 0 });
    env.step(1);
    env.close();
    await finished(env);
    expect(await logOf("rl-video-episode-0")).toMatchObject({
      frames: 2,
      actions: [1],
      truncated: false,
      terminated: false,
    });
  });

  test("videoLength and stepTrigger cut clips, keep drops the dull ones", async () => {
    const env = W.RecordVideo(small(), {
      videoFolder: folder,
      format: "gif",
      namePrefix: "clip",
      stepTrigger: (step) => step % 4 === 0,
      videoLength: 1,
      keep: (log) => log.episode === 2,
    });
    play(env, 4);
    env.close();
    await finished(env);
    expect((await readdir(folder)).toSorted()).toEqual(["clip-step-8.gif", "clip-step-8.json"]);
    expect((await logOf("clip-step-8")).frames).toBe(1);
  });

  test("an mp4 is written", async () => {
    const env = W.RecordVideo(small(), { videoFolder: folder });
    play(env, 1);
    env.close();
    await finished(env);
    const bytes = await readFile(join(folder, "rl-video-episode-0.mp4"));
    expect(bytes.subarray(4, 8).toString()).toBe("ftyp");
  });

  test("a failure to write is reported, not swallowed", async () => {
    const env = W.RecordVideo(small(), { videoFolder: join(folder, "\0"), format: "gif" });
    env.reset();
    await expect(finished(env)).rejects.toThrow(/null bytes|invalid/i);
  });
});

describe("logs", () => {
  const recorded = (env: Env<unknown, number>) =>
    W.RecordVideo(env, { videoFolder: folder, format: "gif", episodeTrigger: () => true, videoLength: 1 });

  test("replay a seeded episode identically", async () => {
    const env = recorded(filmed());
    const [episode] = play(env, 1, 12);
    env.close();
    await finished(env);
    const log = await logOf("rl-video-episode-0");
    expect(log).toMatchObject({ row: 0, seed: 12, rewards: episode.map(({ reward }) => reward) });
    expect(W.replayEpisode(filmed(), log)).toEqual(episode);
  });

  test("replay an unseeded episode identically, from the state it began in", async () => {
    const env = recorded(filmed());
    const [, second] = play(env, 2, 12);
    env.close();
    await finished(env);
    const log = await logOf("rl-video-episode-1");
    expect(log.seed).toBeUndefined();
    expect(W.replayEpisode(filmed(), log)).toEqual(second);
  });

  test.each(["sync", "workers"] as const)(
    "replay an unseeded episode of a vector environment from its files alone: %s",
    async (mode) => {
      const registry = new Registry(builtinEnvs);
      const options = { mode, numEnvs: 2, numWorkers: 1, maxEpisodeSteps: 5, suttonBartoReward: true };
      const videos = { videoFolder: folder, format: "gif", rows: [1], videoLength: 1 } as const;
      const env = W.RecordVideo(await registry.makeVec("CartPole-v1", options), videos);
      const seen: StepBatch[] = [];
      await env.reset({ seed: 4 });
      for (let t = 0; t < 12; t++) seen.push(await env.step(int32(1, t % 2)));
      await env.close();
      const log = await logOf("rl-video-env-1-episode-1");
      expect(log.seed).toBeUndefined();
      const again = W.replayEpisode(registry.make(log.env!, log.kwargs), log);
      // Step 5 of the first episode was its last, and call 6 the reset.
      expect(again.length).toBe(5);
      again.forEach((step, t) => {
        const { observations, truncations } = seen[6 + t];
        const row = (observations as NdArray<"float32">).data.slice(4, 8);
        expect((step.observation as NdArray).data).toEqual(row);
        expect(step.truncated).toBe(truncations.data[1] === 1);
      });
    },
    60_000,
  );

  test("that hold neither seed nor start say so", async () => {
    const env = recorded(filmed());
    play(env, 1, 12);
    env.close();
    await finished(env);
    const log = { ...(await logOf("rl-video-episode-0")), seed: undefined, start: undefined };
    expect(() => W.replayEpisode(filmed(), log)).toThrow(/NOT_SUPPORTED/);
  });
});

describe("of a vector environment", () => {
  test.each(["next-step", "same-step"] as const)(
    "one file per row and episode, cut by each row's own ends: %s",
    async (autoreset) => {
      const made = withAutoreset(new SyncVectorEnv([filmed(), filmed(), filmed()]) as VectorEnv, autoreset, {
        copy: true,
      });
      const env = W.RecordVideo(made, {
        videoFolder: folder,
        format: "gif",
        rows: [0, 2],
        episodeTrigger: (e) => e < 2,
        videoLength: 3,
      });
      await env.reset({ seed: 4 });
      const lengths: number[][] = [[], [], []];
      const counts = [0, 0, 0];
      for (let t = 0; t < 80; t++) {
        const step = await env.step(ndarray("int32", [3], Int32Array.of(0, t % 2, 1)));
        step.valid.data.forEach((valid, i) => {
          counts[i] += valid;
          if (step.terminations.data[i] + step.truncations.data[i] === 0) return;
          lengths[i].push(counts[i]);
          counts[i] = 0;
        });
      }
      await env.close();
      for (const row of [0, 2]) {
        for (const episode of [0, 1]) {
          const log = await logOf(`rl-video-env-${row}-episode-${episode}`);
          expect(log.rewards.length).toBe(lengths[row][episode]);
          expect(log.frames).toBe(3);
        }
      }
      expect((await readdir(folder)).some((name) => name.includes("env-1"))).toBe(false);
    },
  );
});
