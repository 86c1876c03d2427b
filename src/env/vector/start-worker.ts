/** @file Starting the worker of vector environments, from sources (through a loader) and from the built package. */

import type { MessagePort } from "node:worker_threads";
import { Worker } from "node:worker_threads";

/** Start `worker-main` with `data`; TypeScript sources go through a boot file that registers a loader. */
export function startEnvWorker(data: unknown, transferList: readonly MessagePort[]): Worker {
  const typescript = import.meta.url.endsWith(".ts");
  const entry = new URL(typescript ? "./worker-main.ts" : "./worker-main.js", import.meta.url);
  const file = typescript ? new URL("./boot.mjs", import.meta.url) : entry;
  return new Worker(file, { workerData: { entry: entry.href, data }, transferList: [...transferList] });
}
