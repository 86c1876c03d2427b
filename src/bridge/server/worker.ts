/** @file Starting worker threads alike from sources (through a loader) and from the built package. */

import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Start the worker module `name` that lies beside the module at `base`, under whatever extension that one has.
 * `workerData.entry` is the module's URL, `workerData.data` what was passed.
 */
export function startWorker(name: string, base: string, data: unknown, options: WorkerOptions = {}): Worker {
  const typescript = base.endsWith(".ts");
  const entry = new URL(`${name}${typescript ? ".ts" : ".js"}`, base);
  const file = typescript ? new URL("./boot.mjs", import.meta.url) : entry;
  return new Worker(file, { ...options, workerData: { entry: entry.href, data } });
}

/** Import a module by path or URL; a TypeScript one also where the built package runs, if `tsx` is installed. */
export async function importModule(specifier: string): Promise<Record<string, unknown>> {
  if (specifier.endsWith(".ts") && import.meta.url.endsWith(".js")) {
    const loader = "tsx/esm/api";
    const { register } = (await import(loader)) as { register: () => void };
    register();
  }
  return (await import(specifier)) as Record<string, unknown>;
}
