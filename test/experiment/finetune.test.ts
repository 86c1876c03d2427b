/** @file Fine-tuning as a run: what it writes, that it survives SIGKILL to the same curve, and what the command makes of options. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { finetuneConfigOf } from "../../src/cli/finetune.ts";
import { ndarray, zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { saveEpisode } from "../../src/data/episode-store.ts";
import type { Episode } from "../../src/data/episode.ts";
import { writeLerobot } from "../../src/data/lerobot/writer.ts";
import { readMetrics } from "../../src/experiment/records/metrics.ts";
import { readTables } from "../../src/experiment/records/run-dir.ts";
import { runExperiment } from "../../src/experiment/runner.ts";
import {
  initContinuous,
  loadContinuousTokenizer,
  saveContinuousTokenizer,
  type ContinuousConfig,
} from "../../src/tokenizer/continuous.ts";
import { saveLatentModel } from "../../src/worldmodel/latent/checkpoint.ts";
import { initDenoiser, type DenoiserConfig } from "../../src/worldmodel/latent/denoiser.ts";
import { loadAdapted } from "../../src/worldmodel/fine-tune/lora-file.ts";
import { folderOf, quiet } from "./folders.ts";

const folder = mkdtempSync(join(tmpdir(), "reverie-finetune-run-"));
const file = (...parts: string[]): string => join(folder, ...parts);
afterAll(() => rmSync(folder, { recursive: true }));

const tokens: ContinuousConfig = {
  size: 16,
  patch: 8,
  dim: 16,
  heads: 2,
  encoderBlocks: 1,
  decoderBlocks: 1,
  channels: 2,
  latentNoise: 0,
  rarityWeight: 0,
};
const dynamics: DenoiserConfig = {
  form: "deterministic",
  contextLength: 2,
  tokens: 4,
  channels: 2,
  stateSize: 1,
  actionSize: 1,
  dim: 16,
  heads: 2,
  blocks: 1,
  samplingSteps: 1,
};
const actionSpec = {
  names: ["push"],
  units: ["1"],
  kind: "delta",
  low: [-1],
  high: [1],
  rateHz: 10,
} as const;
const normalizers = { stateMean: [0], stateScale: [1], rewardMean: 0, rewardScale: 1, terminalReward: 0 };

/** A bright bar that actions move, or on `bright` ground, where they move it the other way. */
function episodeOf(id: number, bright: boolean): Episode {
  const rng = Rng.fromSeed([id, Number(bright)]);
  const steps = 9;
  const frames = zeros("uint8", [steps + 1, 16, 16, 3]);
  const [states, actions] = [zeros("float32", [steps + 1, 1]), zeros("float32", [steps, 1])];
  let x = 8;
  for (let t = 0; t <= steps; t++) {
    states.data[t] = x / 8 - 1;
    for (let i = 0; i < 16 * 16; i++)
      frames.data.fill(
        Math.abs((i % 16) - x) < 2 ? 220 : bright ? 120 : 20,
        (t * 256 + i) * 3,
        (t * 256 + i + 1) * 3,
      );
    if (t === steps) break;
    actions.data[t] = rng.random() * 2 - 1;
    x = Math.max(0, Math.min(15, x + (bright ? -3 : 3) * actions.data[t]));
  }
  const rewards = ndarray("float32", [steps], states.data.slice(1));
  const meta = { env: "bar", policy: "random", rateHz: 10, actionSpec };
  return {
    id: `bar-${String(id).padStart(2, "0")}`,
    meta,
    frames,
    states,
    actions,
    rewards,
    terminated: false,
    truncated: true,
  };
}

beforeAll(async () => {
  for (let i = 0; i < 6; i++) await saveEpisode(file("old"), episodeOf(i, false));
  const fresh = Array.from({ length: 12 }, (_, i) => episodeOf(i, true));
  for (const episode of fresh) await saveEpisode(file("new"), episode);
  await writeLerobot(file("lerobot"), fresh, { fps: 10, images: "image", camera: "front", extras: true });
  const normalizer = { mean: zeros("float32", [8]), scale: ndarray("float32", [], Float32Array.of(1)) };
  const params = initContinuous(Rng.fromSeed(1), tokens);
  saveContinuousTokenizer(file("tokenizer"), { config: tokens, params, normalizer });
  const { hash } = loadContinuousTokenizer(file("tokenizer"), Rng.fromSeed(0));
  const members = [initDenoiser(Rng.fromSeed(2), dynamics)];
  saveLatentModel(file("base"), { config: dynamics, members, normalizers, actionSpec }, hash);
});

const flags = {
  base: file("base"),
  tokenizer: file("tokenizer"),
  data: file("new"),
  method: "lora",
  rank: 2,
  epochs: 3,
} as const;
const small = [
  "training.batchSize=8",
  "training.horizon=1",
  "training.learningRate=0.02",
  "evaluation.windows=4",
  "evaluation.horizons=[1,3]",
  "evaluation.lossBatches=1",
];

async function run(name: string, config: Record<string, unknown>): Promise<string> {
  const yaml = join(folderOf({ "finetune.yaml": JSON.stringify(config) }), "finetune.yaml");
  const runDir = file(name);
  await runExperiment(yaml, small, { runDir, output: quiet(), handleSignals: false });
  return runDir;
}

/** metrics.jsonl without its times. */
const curveOf = (runDir: string): string =>
  readFileSync(join(runDir, "metrics.jsonl"), "utf8").replace(/"time":[\d.]+,/g, "");

describe("a fine-tuning run", () => {
  it("learns, tells what it forgets, and leaves an adapter that its base takes and a model that needs none", async () => {
    const runDir = await run("lora", finetuneConfigOf({ ...flags, old: file("old") }));
    const validation = readMetrics(join(runDir, "metrics.jsonl")).filter(
      ({ stage }) => stage === "validation",
    );
    expect(validation.map(({ step }) => step)).toEqual([0, 1, 2, 3]);
    expect(Number(validation[3]["new/loss"])).toBeLessThan(0.8 * Number(validation[0]["new/loss"]));
    expect(validation[3]["old/latent"]).not.toBe(validation[0]["old/latent"]);
    const [table] = readTables(runDir);
    expect(table.rows.map(({ cells }) => [cells.domain, cells.horizon])).toEqual([
      ["new", 1],
      ["new", 3],
      ["old", 1],
      ["old", 3],
    ]);
    const tokenizer = loadContinuousTokenizer(file("tokenizer"), Rng.fromSeed(0));
    const adapted = loadAdapted(file("base"), join(runDir, "adapter.safetensors"), tokenizer, { actionSpec });
    expect(adapted.kind).toBe("latent");
    expect(statSync(join(runDir, "adapter.safetensors")).size).toBeLessThan(statSync(file("base")).size);
    expect(existsSync(join(runDir, "worldmodel.safetensors"))).toBe(true);
    expect(existsSync(join(runDir, "checkpoints", "finetune.partial.safetensors"))).toBe(false);
  });

  it("takes a LeRobotDataset to the same curve, and all weights", async () => {
    const full = { ...flags, method: "full" } as const;
    const ours = await run("full", finetuneConfigOf(full));
    const theirs = await run("full-lerobot", finetuneConfigOf({ ...full, data: file("lerobot") }));
    expect(curveOf(theirs)).toBe(curveOf(ours));
    expect(existsSync(join(ours, "adapter.safetensors"))).toBe(false);
  });

  it("refuses episodes of another form", async () => {
    const wide = { ...episodeOf(0, true), actions: zeros("float32", [9, 2]) };
    await saveEpisode(file("wide"), wide);
    await expect(run("wide-run", finetuneConfigOf({ ...flags, data: file("wide") }))).rejects.toThrow(
      /INVALID_SHAPE.*1 actions.*2 actions/s,
    );
  });
});

const cli = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const start = (args: readonly string[]) =>
  spawn(process.execPath, ["--import", "tsx", cli, ...args], { stdio: "ignore" });

describe("the command", { timeout: 120_000 }, () => {
  it("killed while it trains, resumes to the curve of a run that was not", async () => {
    const expected = curveOf(file("lora"));
    const runDir = file("killed");
    const options = ["--base", flags.base, "--tokenizer", flags.tokenizer, "--data", flags.data];
    const more = ["--old", file("old"), "--rank", "2", "--epochs", "3", "--run-dir", runDir];
    const child = start(["finetune", ...options, ...more, ...small, "training.saveSeconds=0"]);
    const ended = once(child, "exit");
    const partial = join(runDir, "checkpoints", "finetune.partial.safetensors");
    while (!existsSync(partial) && child.exitCode === null)
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2))]);
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(join(runDir, "worldmodel.safetensors"))).toBe(false);
    const resumed = start(["resume", runDir]);
    const [code] = (await once(resumed, "exit")) as [number];
    expect(code).toBe(0);
    expect(curveOf(runDir)).toBe(expected);
  });
});
