/** @file Spreads a sweep's runs over workers and brings their folders home, so that the sweep ends as if it had run here. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import type { Output } from "../progress.ts";
import { clock } from "../progress.ts";
import { checkConfig } from "../runner.ts";
import type { RunOptions } from "../runner.ts";
import type { SweepChild } from "../sweep/sweep-plan.ts";
import { FolderPacker, unpackFolder } from "./folder-pack.ts";
import { packJson, unpackJson } from "./hub.ts";
import type { Workers } from "./open-hub.ts";
import { withHub } from "./open-hub.ts";
import { stopSignal } from "./stop-signal.ts";
import type { Begun, RunJob, RunOutcome, Workplace } from "./work.ts";
import { announce, configHash, openWorkplace, withdraw, workOf } from "./work.ts";

/** Options of `spreadRuns`: those of a run, over workers. */
export type SpreadOptions = RunOptions & { readonly workers: Workers };

/** The runs of a sweep's folder that are to be spread. */
export interface Spread {
  /** The sweep's folder, with `base.yaml`. */
  readonly folder: string;
  /** All runs of the sweep; their places are the jobs' numbers. */
  readonly children: readonly SweepChild[];
  /** Names of those still to do. */
  readonly todo: readonly string[];
  /** Called for a run that failed, after its folder has come. */
  readonly onFailed: (name: string, message: string) => void;
}

async function jobOf(spread: Spread, child: SweepChild, options: SpreadOptions): Promise<RunJob> {
  const path = join(spread.folder, "base.yaml");
  const { config } = await checkConfig(path, child.overrides, options);
  return {
    kind: "run",
    index: spread.children.indexOf(child),
    name: child.name,
    base: readFileSync(path, "utf8"),
    overrides: child.overrides,
    configSha256: configHash(config),
  };
}

/** Put the jobs into the queue; a run that was begun here goes with what it has. */
async function putJobs(spread: Spread, place: Workplace, options: SpreadOptions): Promise<void> {
  const packer = new FolderPacker(place.objects);
  for (const child of spread.children.filter(({ name }) => spread.todo.includes(name))) {
    const job = await jobOf(spread, child, options);
    const snapshot = `snapshot-${job.index}`;
    const folder = join(spread.folder, child.name);
    if (existsSync(join(folder, "config.yaml")) && (await place.records.get(snapshot)) === undefined) {
      const list = await packer.pack(folder);
      if (list !== undefined) await place.records.set(snapshot, Buffer.from(list));
    }
    await place.jobs.put(child.name, packJson(job), options.signal);
  }
}

/** Brings finished runs home until none is left to do. */
async function collect(
  spread: Spread,
  place: Workplace,
  { output, signal }: { output: Output; signal: AbortSignal },
): Promise<void> {
  const left = new Set(spread.todo);
  const count = spread.todo.length;
  const enough = new AbortController();
  const say = (name: string, text: string): void => output.write(`${name}: ${text}\n`);
  if (left.size === 0) return;
  for await (const [key, value] of place.records.watch(AbortSignal.any([signal, enough.signal]))) {
    const [kind, index] = key.split("-");
    const { name } = spread.children[Number(index)];
    if (!left.has(name)) continue;
    if (kind === "begun") say(name, `begun by ${unpackJson<Begun>(value).by}`);
    if (kind !== "result") continue;
    const outcome = unpackJson<RunOutcome>(value);
    if (outcome.folder !== undefined)
      await unpackFolder(place.objects, outcome.folder, join(spread.folder, name));
    if (outcome.outcome === "failed") spread.onFailed(name, outcome.message ?? "");
    left.delete(name);
    const word = outcome.outcome === "done" ? "done" : `failed: ${outcome.message}`;
    say(name, `${word} (${count - left.size} of ${count}, ${clock(outcome.seconds)} by ${outcome.by})`);
    if (left.size === 0) enough.abort();
  }
}

/**
 * Give the runs to workers and wait until all have come home, done or failed.
 * @throws INTERRUPTED when stopped (the workers go on; a resume collects what they have done), and as `openHub`
 */
export async function spreadRuns(spread: Spread, options: SpreadOptions): Promise<void> {
  const { signal, release } = stopSignal(options);
  const output = options.output ?? process.stdout;
  try {
    await withHub(options.workers, async (hub, shared) => {
      const work = workOf(spread.folder, shared);
      const place = await openWorkplace(hub, work);
      await putJobs(spread, place, options);
      await announce(hub, work);
      output.write(
        `${spread.todo.length} runs for workers: \`reverie worker ${hub.address}\` on any machine\n`,
      );
      await collect(spread, place, { output, signal });
      if (signal.aborted) stopped(spread.folder, hub.address);
      await withdraw(hub, work.id);
    });
  } finally {
    release();
  }
}

function stopped(folder: string, address: string): never {
  const fix = `collect them with \`reverie resume ${folder} --workers ${address}\``;
  return fail({ code: "INTERRUPTED", what: "stopped waiting; the workers go on with the runs", fix });
}
