/** @file `reverie data`: what it prints, what it writes, and that replays find every difference. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openRecorder } from "../../src/bridge/recorder.ts";
import { RecordedEnv } from "../../src/bridge/recorder/recorded-env.ts";
import { main } from "../../src/cli/program.ts";
import { zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { loadEpisodes, saveEpisode } from "../../src/data/episode-store.ts";
import type { Episode } from "../../src/data/episode.ts";
import { openLerobot } from "../../src/data/lerobot/reader.ts";
import { Registry } from "../../src/env/registry.ts";
import { recordEpisodes } from "../../src/experiment/loop/recording.ts";
import { makeTaskEnv } from "../../src/experiment/driving/task.ts";
import { builtinEnvs } from "../../src/sim/envs.ts";
import { digest } from "../data/lerobot/episodes.ts";
import { newFolder, readAll } from "../data/lerobot/folders.ts";

async function call(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += text.toString()), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((err += text.toString()), true));
  const code = await main(["data", ...args]);
  vi.restoreAllMocks();
  return { code, out, err };
}

afterEach(() => vi.restoreAllMocks());

/** Episodes of DriveTrack: the first one of each of two rows, and two whose beginning nobody knows. */
async function driven(folder: string): Promise<void> {
  const kwargs = { split: "train", wideStarts: true, maxEpisodeSteps: 12 } as const;
  const rng = Rng.fromSeed(3);
  await recordEpisodes({
    env: makeTaskEnv("DriveTrack-v0", { numEnvs: 2, ...kwargs }),
    choose: async () => {
      const actions = zeros("float32", [2, 2]);
      for (let i = 0; i < 4; i++) actions.data[i] = 2 * rng.random() - 1;
      return actions;
    },
    seed: 40,
    episodes: 4,
    prefix: "drive",
    meta: { env: "DriveTrack-v0", kwargs, policy: "random", split: "train" },
    onEpisode: async (episode) => void (await saveEpisode(folder, episode)),
  });
}

/** Two episodes of CartPole through the recorder of the bridge. */
async function balanced(folder: string): Promise<void> {
  const recorder = await openRecorder(folder);
  // Row by row: CartPole's batched form draws all rows from one generator, as Gymnasium's does.
  const options = { numEnvs: 2, mode: "sync", autoreset: "disabled" } as const;
  const primitive = await new Registry(builtinEnvs).makeVec("CartPole-v1", options);
  const env = new RecordedEnv(primitive, recorder);
  await env.reset({ seed: 9 });
  const open = zeros("bool", [2]);
  open.data.fill(1);
  for (let t = 0; open.data.includes(1); t++) {
    const actions = { dtype: "int64" as const, shape: [2], data: BigInt64Array.of(BigInt(t % 2), 1n) };
    const batch = await env.step(actions, open);
    for (let i = 0; i < 2; i++) if (batch.terminations.data[i] === 1) open.data[i] = 0;
  }
  await env.close();
  await recorder.flush();
}

let [drives, poles, set] = ["", "", ""];

beforeAll(async () => {
  [drives, poles, set] = [newFolder(), newFolder(), newFolder()];
  mkdirSync(drives, { recursive: true });
  await driven(drives);
  await balanced(poles);
  await call("convert", drives, set);
});

describe("reverie data convert", () => {
  it("writes a data set at the environment's own rate, and it comes back the same", async () => {
    const { info } = await openLerobot(set);
    expect(info.fps).toBe(10);
    expect(Object.keys(info.features)).toContain("observation.images.front");
    const again = newFolder();
    const { code, out } = await call("convert", set, again);
    expect([code, out]).toEqual([0, `wrote 4 episodes to ${again}\n`]);
    expect((await loadEpisodes(again)).map(digest)).toEqual((await loadEpisodes(drives)).map(digest));
  });

  it("keeps what a recorder noted of each step", async () => {
    const to = newFolder();
    expect((await call("convert", poles, to, "--fps", "50")).code).toBe(0);
    const byId = (a: Episode, b: Episode): number => (a.id < b.id ? -1 : 1);
    const [written, recorded] = [await readAll(to), await loadEpisodes(poles)];
    expect(written.toSorted(byId).map(digest)).toEqual(recorded.toSorted(byId).map(digest));
  });

  it("ends with 2 and a fix where the rate is unknown, the target is not empty, or there is nothing", async () => {
    const [nameless] = await loadEpisodes(drives);
    const folder = newFolder();
    await saveEpisode(folder, { ...nameless, meta: {} });
    const unknown = await call("convert", folder, newFolder());
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringMatching(/how long a step[^]*add --fps/)]);
    const full = await call("convert", drives, set);
    expect([full.code, full.err]).toEqual([2, expect.stringContaining("is not empty")]);
    const empty = newFolder();
    mkdirSync(empty, { recursive: true });
    expect((await call("convert", empty, newFolder())).err).toContain("holds no episodes");
  });
});

describe("reverie data info and stats", () => {
  it("tell of both forms", async () => {
    const own = await call("info", drives);
    expect(own.out).toMatch(/4 episodes, 48 steps; 0 terminated, 4 truncated; 4 of "random"/);
    const lerobot = await call("info", set);
    expect(lerobot.out).toMatch(/LeRobotDataset v3\.0, 10 frames per second/);
    expect(lerobot.out).toMatch(/observation\.state\s+float32 \[3\]/);
  });

  it("compute from our episodes what the data set of them has stored", async () => {
    const [computed, stored, again] = [
      await call("stats", drives),
      await call("stats", set),
      await call("stats", set, "--compute"),
    ];
    const rows = ({ out }: { out: string }): string[] =>
      out
        .split("\n")
        .filter((line) => /^\s*(observation|action|next)/.test(line))
        .map((line) => line.replace(/\s+/g, " "));
    expect(rows(computed).length).toBeGreaterThan(8);
    expect(rows(again)).toEqual(rows(computed));
    expect(rows(stored)).toEqual(rows(computed));
  });
});

describe("reverie data replay", () => {
  it("finds no difference where there is none, in both forms, and says what cannot be replayed", async () => {
    for (const folder of [drives, set]) {
      const { code, out } = await call("replay", folder, "--tolerance", "0");
      expect([code, out.match(/drive-0000\d\s+12\s+12\s+–\s+0\.000000\s+0\.000000\s+0\s+yes/g)]).toEqual([
        0,
        [expect.anything(), expect.anything()],
      ]);
      expect(out).toContain("2 episodes began without a seed");
    }
  });

  it("replays episodes of the bridge's recorder", async () => {
    const { code, out } = await call("replay", poles, "--tolerance", "0");
    expect([code, out.match(/ yes/g)?.length, out]).toEqual([0, 2, expect.anything()]);
  });

  it("names the step from which on a changed action tells", async () => {
    const [episode] = await loadEpisodes(drives);
    const actions = { ...episode.actions, data: episode.actions.data.slice() };
    actions.data[2 * 4] = -actions.data[2 * 4];
    const folder = newFolder();
    await saveEpisode(folder, { ...episode, actions });
    const { code, out, err } = await call("replay", folder, "--tolerance", "1e-6");
    expect(code).toBe(1);
    expect(out).toMatch(/drive-0000\d\s+12\s+12\s+5\s/);
    expect(err).toMatch(/1 of 1 episodes[^]*come out otherwise/);
  });

  it("refuses episodes of an unknown beginning or environment", async () => {
    const [episode] = await loadEpisodes(drives);
    const folder = newFolder();
    await saveEpisode(folder, { ...episode, meta: {} });
    expect((await call("replay", folder)).err).toMatch(/NOT_SUPPORTED[^]*--seed/);
    expect((await call("replay", folder, "--seed", "1")).err).toMatch(/--env/);
    expect((await call("replay", folder, "--seed", "1", "--env", "DriveTrak-v0")).err).toMatch(
      /DriveTrack-v0/,
    );
    expect((await call("replay", join(folder, "none"))).err).toContain("IO_FAILED");
  });
});
