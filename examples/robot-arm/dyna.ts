/**
 * @file One Dyna round through a socket: the arm tries, what happened is recorded and learned from, the arm tries again:
 * `npx tsx examples/robot-arm/dyna.ts runs/<run> [EPISODES] [JUDGED]` starts the arm's process itself.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { Rng } from "../../src/core/rng.ts";
import { loadEpisodes } from "../../src/data/episode-store.ts";
import { feedRound } from "../../src/experiment/loop/stage-dyna.ts";
import { imaginedPolicy } from "../../src/experiment/loop/stage-imagination.ts";
import type { Workspace } from "../../src/experiment/loop/workspace.ts";
import { operate } from "./operate.ts";
import type { Operation } from "./operate.ts";
import { openArmRun } from "./run-folder.ts";

/** How long to try, and how long to judge. */
export interface DynaOptions {
  readonly url: string;
  /** Episodes recorded on training goals, with exploration. */
  readonly episodes: number;
  /** Unseen test goals that the arm is judged on before and after; 0 for none. */
  readonly judged: number;
}

/** Before and after, over the same unseen goals and the same socket. */
export interface DynaResult {
  readonly before: Operation | undefined;
  readonly after: Operation | undefined;
  readonly recordedEpisodes: number;
  readonly recordedSteps: number;
}

const firstJudged = 53_000_000;

/** One round: judge, record, learn, judge. */
export async function dynaOverSocket(work: Workspace, options: DynaOptions): Promise<DynaResult> {
  const { url, episodes, judged } = options;
  const arm = { url, id: work.task.id };
  const judge = (): Promise<Operation> | undefined => {
    const { policy } = work.loadPolicy(imaginedPolicy);
    const trial = { ...arm, split: "test" as const, episodes: judged, seed: firstJudged };
    return judged === 0 ? undefined : operate({ ...trial, model: work.model(), policy });
  };
  const before = await judge();
  const record = mkdtempSync(join(tmpdir(), "reverie-arm-"));
  try {
    const { policy } = work.loadPolicy(imaginedPolicy);
    const seed = 60_000_000 + work.seed;
    const trial = { ...arm, split: "train" as const, episodes, seed, rng: Rng.fromSeed(seed), record };
    await operate({ ...trial, model: work.model(), policy });
    const recorded = await loadEpisodes(record);
    await feedRound(work, recorded);
    const recordedSteps = recorded.reduce((sum, { rewards }) => sum + rewards.data.length, 0);
    return { before, after: await judge(), recordedEpisodes: recorded.length, recordedSteps };
  } finally {
    rmSync(record, { recursive: true, force: true });
  }
}

/** Start the arm in a process of its own; resolves with its address. */
export async function startArm(): Promise<{ url: string; stop: () => Promise<void> }> {
  const script = new URL("./arm.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", script, "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return {
    url,
    stop: async () => {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

if (process.argv[1]?.endsWith("robot-arm/dyna.ts") === true) {
  const [run, episodes = "80", judged = "100"] = process.argv.slice(2);
  const { work, close } = openArmRun(run, { rounds: 1 });
  const arm = await startArm();
  const result = await dynaOverSocket(work, {
    url: arm.url,
    episodes: Number(episodes),
    judged: Number(judged),
  });
  const said = ({ successes, returns }: Operation): string =>
    `${successes} of ${returns.length} succeeded, return ${(returns.reduce((a, b) => a + b, 0) / returns.length).toFixed(1)}`;
  process.stdout.write(`recorded ${result.recordedEpisodes} episodes, ${result.recordedSteps} steps\n`);
  if (result.before !== undefined) process.stdout.write(`before: ${said(result.before)}\n`);
  if (result.after !== undefined) process.stdout.write(`after: ${said(result.after)}\n`);
  await arm.stop();
  close();
}
