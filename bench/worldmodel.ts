/**
 * @file World models measured on driving data.
 *
 * `npm run bench:worldmodel -- tokenizers [--only NAME,…] [--steps N]`: train clip tokenizers, print their quality.
 * `… -- train --only KIND [--steps N] [--minutes M]`: train a world model, or go on with it (autoregressive: after
 * tokenizers --only DV1x8x8-1000). `… -- table`: all trained models in one table. `… -- speed`: imagined steps per second.
 * `… -- costs`: frames per second of tokenizers and training, the caches' worth, the share of the matmul peak.
 * `… -- long`: drift of dreams of up to 45 s, and the latency of a decoded step.
 * Common: `--folder DIR --frames N --json FILE`.
 */

import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { unknownName } from "../src/core/errors.ts";
import { costTable, measureCosts, type CostRow } from "./worldmodel/costs.ts";
import { longTable, measureLong, type LongRow } from "./worldmodel/long.ts";
import { kindNamed, kinds, trainModel } from "./worldmodel/models.ts";
import { scoreModels, scoreTable, type ModelRow } from "./worldmodel/scores.ts";
import { measureSpeed, speedTable, type SpeedRow } from "./worldmodel/speed.ts";
import { recordTrack } from "./worldmodel/driving-data.ts";
import { trainVariant, variants, type TokenizerRow } from "./worldmodel/tokenizers.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    steps: { type: "string" },
    folder: { type: "string", default: "runs/bench-worldmodel" },
    frames: { type: "string", default: "20000" },
    minutes: { type: "string", default: "5" },
    windows: { type: "string", default: "32" },
    json: { type: "string" },
  },
});

function tokenizerTable(rows: readonly TokenizerRow[]): string {
  const lines = rows.map(({ name, latentsPerFrame, psnr, firstFramePsnr, codebook, ...rest }) => {
    const use = codebook ? `${codebook.used} | ${codebook.perplexity.toFixed(0)}` : "– | –";
    const speed = `${rest.steps} | ${rest.trainSeconds.toFixed(0)} | ${rest.trainFramesPerSecond.toFixed(0)}`;
    return `| ${name} | ${latentsPerFrame} | ${psnr.toFixed(2)} | ${firstFramePsnr.toFixed(2)} | ${use} | ${speed} |`;
  });
  return [
    "| tokenizer | latents per frame | PSNR dB | first frame dB | codes used | perplexity | steps | s | frames/s |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ...lines,
  ].join("\n");
}

async function tokenizers(): Promise<TokenizerRow[]> {
  const train = await recordTrack("train", Number(values.frames), 1);
  const validation = await recordTrack("validation", 2000, 2);
  const rows: TokenizerRow[] = [];
  const names = values.only?.split(",") ?? Object.keys(variants);
  for (const name of names) {
    const options = {
      steps: Number(values.steps ?? 600),
      minutes: Number(values.minutes),
      folder: values.folder,
    };
    rows.push(await trainVariant(name, { ...options, train, validation }));
  }
  console.log(tokenizerTable(rows));
  return rows;
}

async function train(): Promise<unknown[]> {
  const episodes = await recordTrack("train", Number(values.frames), 1);
  const done: unknown[] = [];
  for (const name of values.only?.split(",") ?? kinds) {
    const steps = Number(values.steps ?? 1600);
    const options = { folder: values.folder, train: episodes, steps, minutes: Number(values.minutes) };
    done.push(await trainModel(kindNamed(name), options));
  }
  console.log(done);
  return done;
}

async function table(): Promise<ModelRow[]> {
  const validation = await recordTrack("validation", Number(values.frames) / 5, 3);
  const only = values.only?.split(",").map(kindNamed) ?? kinds;
  const scored = await scoreModels(values.folder, only, { validation, windows: Number(values.windows) });
  console.log(scoreTable(scored));
  return scored;
}

async function speed(): Promise<SpeedRow[]> {
  const validation = await recordTrack("validation", 400, 4);
  const only = values.only?.split(",").map(kindNamed) ?? kinds;
  const measured = await measureSpeed(values.folder, only, validation);
  console.log(speedTable(measured));
  return measured;
}

async function costs(): Promise<CostRow[]> {
  const measured = await measureCosts(values.folder, await recordTrack("validation", 400, 4));
  console.log(costTable(measured));
  return measured;
}

async function long(): Promise<LongRow[]> {
  const measured = await measureLong(values.folder, values.only?.split(",").map(kindNamed) ?? kinds);
  console.log(longTable(measured));
  return measured;
}

const commands: Readonly<Record<string, () => Promise<unknown[]>>> = {
  tokenizers,
  train,
  table,
  speed,
  costs,
  long,
};
const [what = "speed"] = positionals;
if (!(what in commands)) throw unknownName("measurement", what, Object.keys(commands));
const rows = await commands[what]();
const machine = `${cpus()[0].model}, ${cpus().length} cores`;
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, what, rows }, undefined, 2)}\n`);
