/** @file What generated videos show of their prompts: a probe learned on real frames, asked about generated ones. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { jit, tf, type Tensor } from "../../src/engine/jit.ts";
import { stackRows, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { drawImage, enlargeImage, frameAt, makeImage, saveImage } from "../../src/data/image.ts";
import { initMlp, mlp, type Mlp } from "../../src/nn/layers.ts";
import { learningRateAt } from "../../src/nn/schedules.ts";
import { makeTraining } from "../../src/nn/trainer.ts";
import { captionOf, drivingAttributes } from "../../src/sim/driving/captions.ts";
import { drawScene, framesAt, loadClips, openTextWorld } from "./text.ts";

type Floats = NdArray<"float32">;
const counts = Object.values(drivingAttributes).map((values) => values.length);
const names = Object.keys(drivingAttributes);
const total = counts.reduce((a, b) => a + b, 0);
const middle = 5;

interface ProbeBatch<T> {
  readonly latents: T;
  readonly labels: T;
}

function probeLoss(p: Mlp<Tensor>, { latents, labels }: ProbeBatch<Tensor>) {
  const logits = mlp(p, latents);
  let at = 0;
  const terms = counts.map((count) => {
    const part = (x: Tensor): Tensor => tf.slice(x, [0, at], [x.shape[0], count]);
    const [scores, wanted] = [part(logits), part(labels)];
    at += count;
    const shifted = tf.sub(scores, tf.max(scores, -1, true));
    return tf.mean(tf.sub(tf.log(tf.sum(tf.exp(shifted), -1)), tf.sum(tf.mul(wanted, shifted), -1)));
  });
  return { loss: tf.addN(terms) };
}

/** Learn to read attributes from latents [N, D] of real frames. */
async function learnProbe(latents: Floats, truth: readonly number[][]) {
  const width = latents.shape[1];
  const training = makeTraining<Mlp<Tensor>, ProbeBatch<Tensor>>(
    initMlp(Rng.fromSeed(95), [width, 96, total], 0.1),
    {
      name: "probe",
      loss: probeLoss,
      optimizer: { kind: "adamw", weightDecay: 0.02, clipNorm: 1 },
      averageDecay: 0.98,
    },
  );
  const schedule = { peak: 0.003, warmupSteps: 10, totalSteps: 500, decayFraction: 0.5 };
  for (let i = 0; i < schedule.totalSteps; i++) {
    const rng = Rng.fromSeed([96, i]);
    const batch = { latents: zeros("float32", [64, width]), labels: zeros("float32", [64, total]) };
    for (let b = 0; b < 64; b++) {
      const row = Math.floor(rng.random() * truth.length);
      for (let d = 0; d < width; d++)
        batch.latents.data[b * width + d] = latents.data[row * width + d] + 0.2 * rng.normal();
      let at = b * total;
      for (const [k, value] of truth[row].entries()) {
        batch.labels.data[at + value] = 1;
        at += counts[k];
      }
    }
    await training.step(batch, learningRateAt(schedule, i));
  }
  const read = jit(({ p, x }: { p: Mlp<Tensor>; x: Tensor }) => mlp(p, x), { name: "probe.read" });
  const params = training.params();
  return async (x: Floats): Promise<number[][]> => {
    const { data } = (await read({ p: params, x })) as Floats;
    return Array.from({ length: x.shape[0] }, (_, b) => {
      let at = b * total;
      return counts.map((count) => {
        const scores = Array.from(data.slice(at, (at += count)));
        return scores.indexOf(Math.max(...scores));
      });
    });
  };
}

type Probe = Awaited<ReturnType<typeof learnProbe>>;

/** Share of rows that are right: per attribute, and in all of them. */
function accuracy(said: readonly number[][], truth: readonly number[][]): number[] {
  const share = (right: (row: number) => boolean): number =>
    truth.filter((_, row) => right(row)).length / truth.length;
  return [
    ...counts.map((_, k) => share((row) => said[row][k] === truth[row][k])),
    share((row) => counts.every((_, k) => said[row][k] === truth[row][k])),
  ];
}

function line(name: string, values: readonly number[]): string {
  return `| ${name} | ${values.map((value) => value.toFixed(2)).join(" | ")} |`;
}

/** Every second frame of some rows, one row of pictures per prompt. */
async function sheet(file: string, frames: NdArray<"uint8">, shown: number): Promise<void> {
  const [batch, time] = frames.shape;
  const step = 2;
  const out = makeImage(shown * 132, Math.ceil(time / step) * 132);
  const flat = { ...frames, shape: [batch * time, ...frames.shape.slice(2)] };
  for (let b = 0; b < shown; b++)
    for (let t = 0; t < time; t += step)
      drawImage(out, enlargeImage(frameAt(flat, b * time + t), 2), { x: (t / step) * 132, y: b * 132 });
  await saveImage(file, out);
}

async function probeOf(
  folder: string,
  encode: (frames: NdArray<"uint8">) => Promise<Floats>,
): Promise<Probe> {
  const middleOf = async (split: "train" | "validation") => {
    const { episodes, truth } = await loadClips(folder, split);
    return { latents: await encode(stackRows(episodes.map(({ frames }) => frameAt(frames, middle)))), truth };
  };
  const train = await middleOf("train");
  const probe = await learnProbe(train.latents, train.truth);
  const held = await middleOf("validation");
  console.log(line("real frames, unseen tracks", accuracy(await probe(held.latents), held.truth)));
  return probe;
}

/** Generate videos of drawn prompts and ask the probe, at several strengths of guidance. */
export async function measureText(
  folder: string,
  options: { prompts: number; steps: number },
): Promise<void> {
  const { world, encode } = await openTextWorld(folder);
  console.log(`| frames | ${names.join(" | ")} | all three |\n|---|---:|---:|---:|---:|`);
  const chance = counts.map((count) => 1 / count);
  console.log(line("chance", [...chance, chance.reduce((a, b) => a * b, 1)]));
  const probe = await probeOf(folder, encode);
  const scenes = Array.from({ length: options.prompts }, (_, i) => drawScene(Rng.fromSeed([97, i])));
  const truth = scenes.map(({ color, speed, turn }) => [color, speed, turn]);
  const prompts = scenes.map((scene, i) => captionOf(scene, Rng.fromSeed([98, i])));
  mkdirSync(join(folder, "videos"), { recursive: true });
  for (const guidance of [0, 1, 2, 4]) {
    const frames = await world.generate({ prompts, count: 10, guidance, steps: options.steps, seed: 1 });
    for (const at of [0, middle]) {
      const said = await probe(await encode(framesAt(frames, at)));
      console.log(line(`guidance ${guidance}, frame ${at}`, accuracy(said, truth)));
      if (at !== middle) continue;
      // The same noise under the prompts of other rows: what is said then must be theirs.
      const swapped = truth.map((_, row) => truth[(row + 1) % truth.length]);
      console.log(line(`guidance ${guidance}, against other prompts`, accuracy(said, swapped)));
    }
    await sheet(join(folder, "videos", `guidance-${guidance}.png`), frames, 8);
  }
  console.log(prompts.slice(0, 8).join("\n"));
  const video = await world.text2world(prompts[0], {
    durationSeconds: 3,
    size: { width: 256, height: 256 },
    steps: options.steps,
  });
  await video.save(join(folder, "videos", "first.mp4"));
}
