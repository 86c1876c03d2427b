/** @file A training loop that survives a kill: periodic checkpoints, a generator per step, and metrics rewound to match. */

import { existsSync, rmSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { Rng } from "../core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../nn/checkpoint.ts";
import { safePoint, type StageContext } from "./stages.ts";

/** What a loop needs from the thing it trains. */
export interface LoopOptions {
  /** Name under which metrics and the partial checkpoint are kept. */
  readonly name: string;
  readonly steps: number;
  /** Where the metrics go on, for a loop that continues another one's curve; its own name from step 0 unless given. */
  readonly curve?: { readonly name: string; readonly offset: number };
  /** The training state as a tree of arrays; saved and compared by name and shape. */
  readonly state: () => unknown;
  readonly load: (state: never) => void;
  /** Anything else that a resume needs (an environment's snapshot): plain data. */
  readonly extra?: { readonly save: () => unknown; readonly load: (value: never) => void };
  /** One step. All randomness must come from `rng`, which depends on the run's seed, the loop and the step alone. */
  readonly step: (index: number, rng: Rng) => Promise<Readonly<Record<string, number>>>;
  /** Means of the metrics are logged every so many steps. */
  readonly logEvery?: number;
  readonly saveSeconds?: number;
  /** Called after each checkpoint is written: what it holds will not be asked for again. */
  readonly onSaved?: () => Promise<void>;
  /** Share of the stage that this loop is: [from, to] in [0, 1]. */
  readonly span?: readonly [number, number];
  readonly note?: (metrics: Readonly<Record<string, number>>) => string;
}

/** Generator of one step of one loop: the same after a resume as in an uninterrupted run. */
export function stepRng(seed: number, name: string, step: number): Rng {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0;
  return Rng.fromSeed([seed, hash, step]);
}

function partialPath(context: StageContext, name: string): string {
  return context.runDir.file("checkpoints", `${name}.partial.safetensors`);
}

function curveOf({ name, curve }: LoopOptions): { name: string; offset: number } {
  return curve ?? { name, offset: 0 };
}

/** Go back to the last partial checkpoint, if there is one; returns the step to start from. */
function resumeFrom(context: StageContext, options: LoopOptions): number {
  const path = partialPath(context, options.name);
  const curve = curveOf(options);
  if (!existsSync(path)) {
    context.metrics.rewind(curve.name, curve.offset - 1);
    return 0;
  }
  const { tensors, meta } = loadCheckpoint(path);
  options.load(restoreParams(options.state(), tensors, path) as never);
  options.extra?.load(deserialize(Buffer.from(meta.extra as string, "base64")) as never);
  const step = meta.step as number;
  context.metrics.rewind(curve.name, curve.offset + step - 1);
  context.log(`${options.name}: going on from step ${step}`);
  return step;
}

/** Run the loop to its end; `finish` it afterwards, once its results are saved. @throws NOT_FINITE, INTERRUPTED, STORAGE_FULL */
export async function trainLoop(context: StageContext, options: LoopOptions): Promise<void> {
  const { name, steps, logEvery = 10, saveSeconds = 20, span = [0, 1] } = options;
  const curve = curveOf(options);
  const save = async (step: number): Promise<void> => {
    const extra = options.extra && serialize(options.extra.save()).toString("base64");
    saveCheckpoint(partialPath(context, name), options.state(), { kind: "partial", name, step, extra });
    await options.onSaved?.();
  };
  let sums: Record<string, number> = {};
  let count = 0;
  let savedAt = performance.now();
  for (let i = resumeFrom(context, options); i < steps; i++) {
    const metrics = await options.step(i, stepRng(context.seed, name, i));
    for (const [key, value] of Object.entries(metrics)) sums[key] = (sums[key] ?? 0) + value;
    count++;
    const logged = (i + 1) % logEvery === 0 || i + 1 === steps;
    if (logged) {
      const means = Object.fromEntries(Object.entries(sums).map(([key, sum]) => [key, sum / count]));
      context.metrics.log(curve.name, curve.offset + i, means);
      const fraction = span[0] + ((span[1] - span[0]) * (i + 1)) / steps;
      context.progress(fraction, options.note?.(means));
      [sums, count] = [{}, 0];
    }
    // Only where the sums are empty: a resumed run must log the same means.
    if (logged && (performance.now() - savedAt > saveSeconds * 1000 || context.signal.aborted)) {
      await save(i + 1);
      savedAt = performance.now();
      await safePoint(context.signal);
    } else if (i % 4 === 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
  await save(steps);
}

/** Remove the partial checkpoints of loops whose results are saved. */
export function dropPartials(context: StageContext, names: readonly string[]): void {
  for (const name of names) rmSync(partialPath(context, name), { force: true });
}
