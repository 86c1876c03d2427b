/** @file `npm run bench:env`: steps per second of the vector environments beside a hand-written loop, heap per step, threads. */

import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { setFlagsFromString } from "node:v8";
import { parseArgs } from "node:util";
import { runInNewContext } from "node:vm";
import type { NdArray } from "../src/core/ndarray.ts";
import { ndarray } from "../src/core/ndarray.ts";
import { Rng } from "../src/core/rng.ts";
import type { MakeVecOptions } from "../src/index.ts";
import { make, makeVec, wrappers } from "../src/index.ts";
import { makePlainLoop } from "./env/plain.ts";
import { measureThreads, type Scaling } from "./env/threads.ts";

/** Something to time: one call takes `numEnvs` environment steps. */
interface Case {
  readonly name: string;
  readonly numEnvs: number;
  readonly step: (t: number) => unknown;
  readonly waits: boolean;
  /** Gymnasium 1.4 in thousand steps per second, measured on an idle 2-core machine of this kind (NumPy 1.24 to 2.4). */
  readonly gymnasium?: string;
  /** Aim in million steps per second. */
  readonly aim?: number;
}

interface Measured extends Omit<Case, "step"> {
  /** Million environment steps per second of processor time: other programs on the machine disturb it little. */
  readonly perCpuSecond: number;
  /** The same by the clock. */
  readonly perSecond: number;
  /** Bytes of heap that one call leaves behind. */
  readonly heapBytesPerCall: number;
}

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    rounds: { type: "string", default: "8" },
    "no-threads": { type: "boolean" },
  },
});
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function actionsFor(numEnvs: number): NdArray<"int32">[] {
  const rng = Rng.fromSeed(0);
  return Array.from({ length: 64 }, () =>
    ndarray("int32", [numEnvs], rng.integers(0, 2, { size: numEnvs }).data),
  );
}

async function vectorCase(
  name: string,
  options: MakeVecOptions & { numEnvs: number },
  more: Partial<Case> = {},
): Promise<Case> {
  const env = await makeVec("CartPole-v1", { copy: false, ...options });
  await env.reset({ seed: 0 });
  const actions = actionsFor(options.numEnvs);
  return { name, numEnvs: options.numEnvs, waits: true, step: (t) => env.step(actions[t & 63]), ...more };
}

function plainCase(numEnvs: number): Case {
  const step = makePlainLoop(numEnvs);
  const actions = actionsFor(numEnvs);
  return { name: "hand-written loop", numEnvs, waits: false, step: (t) => step(actions[t & 63].data) };
}

async function syncCase(numEnvs: number): Promise<Case> {
  const env = await makeVec("CartPole-v1", { numEnvs, mode: "sync", copy: false });
  await env.reset({ seed: 0 });
  const actions = actionsFor(numEnvs);
  return { name: "sync, stepSync()", numEnvs, waits: false, step: (t) => env.stepSync!(actions[t & 63]) };
}

async function statisticsCase(numEnvs: number): Promise<Case> {
  const env = wrappers.RecordEpisodeStatistics(
    await makeVec("CartPole-v1", { numEnvs, mode: "sync", copy: false }),
  );
  await env.reset({ seed: 0 });
  const actions = actionsFor(numEnvs);
  const name = "sync + RecordEpisodeStatistics";
  return { name, numEnvs, waits: true, step: (t) => env.step(actions[t & 63]), gymnasium: "73-86" };
}

function singleCase(): Case {
  const env = make("CartPole-v1");
  env.reset({ seed: 0 });
  const step = (t: number): void => {
    const result = env.step(t & 1);
    if (result.terminated || result.truncated) env.reset();
  };
  return { name: "make()", numEnvs: 1, waits: false, step, gymnasium: "78-108" };
}

async function cartPoleCases(): Promise<Case[]> {
  const sync = (numEnvs: number, more: Partial<Case>) => vectorCase("sync", { numEnvs, mode: "sync" }, more);
  const batched = (numEnvs: number, more: Partial<Case>) =>
    vectorCase("batched", { numEnvs, mode: "batched" }, more);
  return [
    ...[1, 64, 1024].map(plainCase),
    singleCase(),
    await sync(1, { gymnasium: "33-38" }),
    await sync(64, { gymnasium: "76-95", aim: 5 }),
    await sync(1024, { gymnasium: "68-90" }),
    await syncCase(64),
    await vectorCase("sync, copy: true", { numEnvs: 64, mode: "sync", copy: true }, { gymnasium: "76-95" }),
    await vectorCase(
      "sync, same-step",
      { numEnvs: 64, mode: "sync", autoreset: "same-step" },
      { gymnasium: "64-86" },
    ),
    await statisticsCase(64),
    await batched(1, { gymnasium: "11-14" }),
    await batched(64, { gymnasium: "656-824" }),
    await batched(1024, { gymnasium: "7100-8300", aim: 8 }),
  ];
}

async function takeSteps(subject: Case, calls: number): Promise<void> {
  if (!subject.waits) for (let t = 0; t < calls; t++) subject.step(t);
  else for (let t = 0; t < calls; t++) await subject.step(t);
}

interface Best {
  perCpuSecond: number;
  perSecond: number;
}

async function timeOnce(subject: Case, best: Best): Promise<void> {
  const calls = Math.ceil(300_000 / subject.numEnvs);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await takeSteps(subject, calls);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const steps = (calls * subject.numEnvs) / 1e6;
  best.perSecond = Math.max(best.perSecond, steps / seconds);
  best.perCpuSecond = Math.max(best.perCpuSecond, steps / ((user + system) / 1e6));
}

/** Heap growth of calls between two collections; the smallest of a few, since V8 itself allocates now and then. */
async function heapOf(subject: Case): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < 5; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    await takeSteps(subject, 200);
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / 200);
  }
  return Math.max(0, least);
}

/** Rounds go around all cases, so that a busy spell of the machine hits all alike; the best round counts. */
async function measure(cases: readonly Case[], rounds: number): Promise<Measured[]> {
  const bests = cases.map((): Best => ({ perCpuSecond: 0, perSecond: 0 }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, subject] of cases.entries()) await timeOnce(subject, bests[i]);
  }
  const measured: Measured[] = [];
  for (const [i, { step: _step, ...rest }] of cases.entries()) {
    measured.push({ ...rest, ...bests[i], heapBytesPerCall: await heapOf(cases[i]) });
  }
  return measured;
}

const rounds = Number(values.rounds);
const measured = await measure(await cartPoleCases(), rounds);
const plain = new Map(
  measured.filter((row) => row.name === "hand-written loop").map((row) => [row.numEnvs, row.perCpuSecond]),
);
console.log(
  `CartPole-v1, random actions, next-step, resets counted; ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}`,
);
console.table(
  measured.map((row) => ({
    case: row.name,
    n: row.numEnvs,
    "M steps/cpu s": row.perCpuSecond.toFixed(2),
    "M steps/s": row.perSecond.toFixed(2),
    "of plain loop": (row.perCpuSecond / plain.get(row.numEnvs)!).toFixed(2),
    aim: row.aim === undefined ? "" : `${row.aim} (${(row.perCpuSecond / row.aim).toFixed(2)}x)`,
    "Gymnasium k/s": row.gymnasium ?? "",
    "heap B/call": row.heapBytesPerCall.toFixed(0),
  })),
);

async function printThreads(numEnvs: number): Promise<Record<string, Scaling>> {
  const threads = await measureThreads(numEnvs, rounds);
  console.log(
    `DriveTrack-v0, ${numEnvs} rows, ${availableParallelism()} cores, load ${loadavg()[0].toFixed(1)}`,
  );
  console.table(
    Object.entries(threads).map(([name, { perSecond, perCpuSecond }]) => ({
      mode: name,
      "frames/s": Math.round(perSecond),
      "frames/cpu s": Math.round(perCpuSecond),
    })),
  );
  const scale = (two: string, one: string) => (threads[two].perSecond / threads[one].perSecond).toFixed(2);
  console.log(
    `two workers: ${scale("2 workers", "1 worker")} times one; two free threads, which never wait: ${scale("2 free threads", "1 free thread")} times one`,
  );
  return threads;
}

const threads: Record<number, Record<string, Scaling>> = {};
if (values["no-threads"] !== true) {
  for (const numEnvs of [64, 128]) threads[numEnvs] = await printThreads(numEnvs);
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ measured, threads }, undefined, 2)}\n`);
