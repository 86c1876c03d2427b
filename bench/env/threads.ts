/** @file How the worker vector env scales: beside the same physics in one thread, and in free threads that never wait. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { registry } from "../../src/index.ts";

/** Frames per second by the clock, and per second of processor time of all threads. */
export interface Scaling {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

const id = "DriveTrack-v0";
const calls = 40;
/** Few tracks, so that their pictures are painted when the timing begins; painting is not stepping. */
const kwargs = { trackSeeds: Array.from({ length: 8 }, (_, i) => i) };
const warmUpRounds = 10;

interface Subject {
  run(): Promise<unknown>;
  close(): Promise<unknown>;
}

async function vectorSubject(numEnvs: number, mode: "sync" | "workers", numWorkers = 1): Promise<Subject> {
  const env = await registry.makeVec(id, { numEnvs, mode, numWorkers, copy: false, seed: 0, ...kwargs });
  await env.reset();
  const actions = env.actionSpace.sample();
  return {
    run: async () => {
      for (let t = 0; t < calls; t++) await env.step(actions);
    },
    close: () => env.close(),
  };
}

/** `count` threads with an equal share of the rows each; they start together and the last one counts. */
async function freeSubject(numEnvs: number, count: number): Promise<Subject> {
  const entry = new URL("./free-worker.ts", import.meta.url).href;
  const boot = new URL("../../src/env/vector/boot.mjs", import.meta.url);
  const options = { workerData: { entry, id, numEnvs: numEnvs / count, calls, kwargs } };
  const workers = Array.from({ length: count }, () => new Worker(boot, options));
  await Promise.all(workers.map((worker) => once(worker, "message")));
  return {
    run: () =>
      Promise.all(
        workers.map((worker) => {
          const done = once(worker, "message");
          worker.postMessage("go");
          return done;
        }),
      ),
    close: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}

async function timeOnce(subject: Subject, numEnvs: number): Promise<Scaling> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await subject.run();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const frames = calls * numEnvs;
  return { perSecond: frames / seconds, perCpuSecond: frames / ((user + system) / 1e6) };
}

/** The best of `rounds` that go around all subjects, so that a busy spell of the machine hits all alike; `numEnvs` rows in all. */
export async function measureThreads(numEnvs: number, rounds: number): Promise<Record<string, Scaling>> {
  const subjects: Record<string, Subject> = {
    "this thread": await vectorSubject(numEnvs, "sync"),
    "1 worker": await vectorSubject(numEnvs, "workers", 1),
    "2 workers": await vectorSubject(numEnvs, "workers", 2),
    "1 free thread": await freeSubject(numEnvs, 1),
    "2 free threads": await freeSubject(numEnvs, 2),
  };
  for (const subject of Object.values(subjects)) {
    for (let round = 0; round < warmUpRounds; round++) await subject.run();
  }
  const best: Record<string, Scaling> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, subject] of Object.entries(subjects)) {
      const now = await timeOnce(subject, numEnvs);
      best[name] = {
        perSecond: Math.max(best[name]?.perSecond ?? 0, now.perSecond),
        perCpuSecond: Math.max(best[name]?.perCpuSecond ?? 0, now.perCpuSecond),
      };
    }
  }
  await Promise.all(Object.values(subjects).map((subject) => subject.close()));
  return best;
}
