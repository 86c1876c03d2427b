/** @file `npm run bench:engine`: training steps and forward passes of three transformers against this machine's matmul peak. */

import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { scalar } from "../src/core/ndarray.ts";
import type { NdArray } from "../src/core/ndarray.ts";
import { threadCount } from "../src/engine/devices.ts";
import { jit, tf } from "../src/engine/jit.ts";
import type { Tensor } from "../src/engine/jit.ts";
import { forward, forwardFlops, initialState, makeStep, parameterShapes, wave } from "./engine/model.ts";
import type { ModelSize, State } from "./engine/model.ts";

const sizes: readonly ModelSize[] = [
  { name: "0.1M", width: 64, layers: 2, heads: 4, patch: 48, batch: 16, length: 64 },
  { name: "0.6M", width: 128, layers: 3, heads: 4, patch: 48, batch: 16, length: 64 },
  { name: "2.7M", width: 256, layers: 3, heads: 4, patch: 768, batch: 16, length: 64 },
];

const PEAK_SIZE = 1024;

interface Options {
  readonly rounds: number;
  readonly json: string | undefined;
  readonly models: readonly string[];
}

function optionsOf(argv: readonly string[]): Options {
  const value = (flag: string): string | undefined => {
    const at = argv.indexOf(flag);
    return at < 0 ? undefined : argv[at + 1];
  };
  const models = value("--models")?.split(",") ?? sizes.map((size) => size.name);
  return { rounds: Number(value("--rounds") ?? 20), json: value("--json"), models };
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** Time of one call: by the clock, and over all threads' processor time, which a busy machine disturbs less. */
interface Timing {
  readonly ms: number;
  readonly cpuMs: number;
}

async function timed(body: () => Promise<unknown>): Promise<Timing> {
  const before = process.cpuUsage();
  const start = performance.now();
  await body();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  return { ms, cpuMs: (user + system) / 1000 };
}

/** A training loop that keeps its state between calls. */
function makeTrainer(size: ModelSize): {
  step: () => Promise<void>;
  params: () => Record<string, NdArray>;
  close: () => Promise<void>;
} {
  const run = jit(makeStep(size), { name: `step-${size.name}`, donate: ["state"] });
  const tokens = [size.batch * size.length, size.patch];
  const [x, y] = [wave(tokens, 1, 1), wave(tokens, 0.5, 2)];
  let state: State<NdArray> = initialState(size);
  let count = 0;
  return {
    step: async () => {
      ({ state } = await run({ state, x, y, step: scalar(++count) }));
    },
    params: () => state.params,
    close: () => run.dispose(),
  };
}

/**
 * One model's figures. Other work on the machine can only make a call slower, so rates compare the best round of each;
 * the share by processor time compares medians.
 */
interface Row {
  readonly model: string;
  readonly parameters: number;
  readonly firstCallMs: number;
  readonly stepMs: number;
  readonly stepMedianMs: number;
  readonly stepGflops: number;
  readonly stepShare: number;
  readonly stepCpuShare: number;
  readonly forwardMs: number;
  readonly forwardShare: number;
  readonly forwardCpuShare: number;
  readonly peakGflops: number;
  /** Step time minus what its matrix products take at peak. */
  readonly beyondMs: number;
  /** The same for a step on 16 tokens, where there is next to no arithmetic. */
  readonly fixedMs: number;
}

/** The rate of one large matrix product, in the terms of `timed`. */
function makePeak(): () => Promise<Timing> {
  const product = jit(({ a, b }: { a: Tensor; b: Tensor }) => tf.sum(tf.matMul(a, b)), { name: "peak" });
  const [a, b] = [wave([PEAK_SIZE, PEAK_SIZE], 1), wave([PEAK_SIZE, PEAK_SIZE], 1, 3)];
  return () => timed(() => product({ a, b }));
}

async function measure(size: ModelSize, peak: () => Promise<Timing>, rounds: number): Promise<Row> {
  const trainer = makeTrainer(size);
  const tiny = makeTrainer({ ...size, batch: 1, length: 16 });
  const predict = jit(({ x, p }: { x: Tensor; p: Record<string, Tensor> }) => forward(x, p, size), {
    name: "forward",
  });
  const x = wave([size.batch * size.length, size.patch], 1, 1);
  const first = await timed(trainer.step);
  await predict({ x, p: trainer.params() });
  for (let i = 0; i < 3; i++) await tiny.step();
  const seen = { peak: [] as Timing[], step: [] as Timing[], forward: [] as Timing[], tiny: [] as Timing[] };
  for (let i = 0; i < rounds; i++) {
    seen.peak.push(await peak());
    seen.step.push(await timed(trainer.step));
    seen.forward.push(await timed(() => predict({ x, p: trainer.params() })));
    for (let j = 0; j < 3; j++) seen.tiny.push(await timed(tiny.step));
  }
  await Promise.all([trainer.close(), tiny.close(), predict.dispose()]);
  return rowOf(size, first.ms, seen);
}

type Series = Record<"peak" | "step" | "forward" | "tiny", Timing[]>;

function rowOf(size: ModelSize, firstCallMs: number, seen: Series): Row {
  const flops = forwardFlops(size);
  const peakFlops = 2 * PEAK_SIZE ** 3;
  const best = (list: readonly Timing[]): number => Math.min(...list.map((timing) => timing.ms));
  const cpu = (list: readonly Timing[]): number => median(list.map((timing) => timing.cpuMs));
  const peakRate = peakFlops / best(seen.peak);
  const peakCpuRate = peakFlops / cpu(seen.peak);
  const tinyFlops = 3 * forwardFlops({ ...size, batch: 1, length: 16 });
  const shapes = Object.values(parameterShapes(size));
  return {
    model: size.name,
    parameters: shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0),
    firstCallMs,
    stepMs: best(seen.step),
    stepMedianMs: median(seen.step.map((timing) => timing.ms)),
    stepGflops: (3 * flops) / best(seen.step) / 1e6,
    stepShare: (3 * flops) / best(seen.step) / peakRate,
    stepCpuShare: (3 * flops) / cpu(seen.step) / peakCpuRate,
    forwardMs: best(seen.forward),
    forwardShare: flops / best(seen.forward) / peakRate,
    forwardCpuShare: flops / cpu(seen.forward) / peakCpuRate,
    peakGflops: peakRate / 1e6,
    beyondMs: best(seen.step) - (3 * flops) / peakRate,
    fixedMs: best(seen.tiny) - tinyFlops / peakRate,
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

function print(rows: readonly Row[]): void {
  console.table(
    rows.map((row) => ({
      model: row.model,
      parameters: row.parameters,
      "first call ms": row.firstCallMs.toFixed(0),
      "step ms": row.stepMs.toFixed(2),
      "(median)": row.stepMedianMs.toFixed(2),
      "GFLOP/s": row.stepGflops.toFixed(1),
      "of peak": percent(row.stepShare),
      "by CPU time": percent(row.stepCpuShare),
      "forward ms": row.forwardMs.toFixed(2),
      "forward of peak": percent(row.forwardShare),
      "its CPU time": percent(row.forwardCpuShare),
      "peak GFLOP/s": row.peakGflops.toFixed(1),
      "beyond arithmetic ms": row.beyondMs.toFixed(2),
      "fixed ms": row.fixedMs.toFixed(2),
    })),
  );
}

const options = optionsOf(process.argv.slice(2));
const peak = makePeak();
await peak();
const rows: Row[] = [];
for (const size of sizes.filter(({ name }) => options.models.includes(name)))
  rows.push(await measure(size, peak, options.rounds));
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${threadCount()} threads`;
console.log(
  `${machine}; best of ${options.rounds} interleaved rounds; peak: one ${PEAK_SIZE}³ product per round`,
);
console.log(`load average ${loadavg()[0].toFixed(1)}; trust the shares only while it stays near 1`);
print(rows);
if (options.json !== undefined)
  writeFileSync(options.json, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
