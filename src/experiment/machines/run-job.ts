/** @file One run of somebody's sweep on this machine: restored from its last snapshot, kept alive, brought home. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ReverieError, asError, fail } from "../../core/errors.ts";
import { writeAtomicallySync } from "../../core/storage.ts";
import type { Experiments } from "../experiment.ts";
import type { Output } from "../progress.ts";
import { checkConfig, resumeExperiment, runExperiment } from "../runner.ts";
import { FolderPacker, unpackFolder } from "./folder-pack.ts";
import type { Delivery } from "./hub.ts";
import { packJson, unpackJson } from "./hub.ts";
import type { Begun, RunJob, RunOutcome, Workplace } from "./work.ts";
import { configHash, thisWorker } from "./work.ts";

/** What a job needs of its worker. */
export interface JobSettings {
  /** Runs are worked on in folders under this one. */
  readonly scratch: string;
  readonly experiments?: Experiments;
  readonly output: Output;
  readonly signal: AbortSignal;
  /** Time between two snapshots of an unfinished run. */
  readonly snapshotSeconds: number;
}

/** A job that took so many workers with it is not tried again. */
const maxTimes = 5;

/** Errors that are this machine's or this moment's, not the run's: somebody else may do better. */
const notItsOwn = new Set(["INTERRUPTED", "STORAGE_FULL", "RUN_BUSY", "VERSION_MISMATCH", "CONNECTION_LOST"]);

/** The launcher's config must be what this machine's schemas make of it. @throws VERSION_MISMATCH */
async function requireSameConfig(job: RunJob, base: string, settings: JobSettings): Promise<void> {
  const { config } = await checkConfig(base, job.overrides, settings);
  const mine = configHash(config);
  if (mine === job.configSha256) return;
  fail({
    code: "VERSION_MISMATCH",
    what: `run ${job.name} has another config on this machine`,
    expected: `config ${job.configSha256.slice(0, 16)}`,
    got: `config ${mine.slice(0, 16)}`,
    fix: "make the program and its experiments the same here as where the sweep was started",
  });
}

/** Go on with the run in `folder`, or begin it there. */
async function runIn(folder: string, base: string, job: RunJob, settings: JobSettings): Promise<void> {
  const { experiments, output, signal } = settings;
  const options = { experiments, output, signal, handleSignals: false };
  if (existsSync(join(folder, "config.yaml"))) await resumeExperiment(folder, options);
  else await runExperiment(base, job.overrides, { ...options, runDir: folder });
}

async function restore(place: Workplace, job: RunJob, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const snapshot = await place.records.get(`snapshot-${job.index}`);
  if (snapshot !== undefined)
    await unpackFolder(place.objects, Buffer.from(snapshot).toString("utf8"), folder);
}

/** Saves the run's folder in the hub from time to time, one snapshot after another. */
function keepSnapshots(place: Workplace, job: RunJob, folder: string, packer: FolderPacker) {
  let going: Promise<void> | undefined;
  const save = async (): Promise<void> => {
    const list = existsSync(join(folder, "config.yaml")) ? await packer.pack(folder) : undefined;
    if (list !== undefined) await place.records.set(`snapshot-${job.index}`, Buffer.from(list));
  };
  return {
    /** Save now; does nothing while the one before is still going. */
    begin(onError: (error: Error) => void): void {
      going ??= save()
        .catch((error: unknown) => onError(asError(error)))
        .finally(() => (going = undefined));
    },
    async last(): Promise<void> {
      await going;
      await save();
    },
    settled: () => going,
  };
}

/** Heartbeats and snapshots while `body` runs. */
async function keptAlive(
  snapshots: ReturnType<typeof keepSnapshots>,
  keep: { readonly beat: () => void; readonly everySeconds: number },
  settings: JobSettings,
  body: () => Promise<void>,
): Promise<void> {
  const beat = setInterval(keep.beat, keep.everySeconds * 1000);
  const snap = setInterval(
    () => snapshots.begin((error) => settings.output.write(`no snapshot: ${error.message}\n`)),
    settings.snapshotSeconds * 1000,
  );
  try {
    await body();
    await snapshots.settled();
  } catch (error) {
    if (error instanceof ReverieError && error.code === "INTERRUPTED") await snapshots.last();
    throw error;
  } finally {
    clearInterval(snap);
    clearInterval(beat);
  }
}

async function attemptRun(
  job: RunJob,
  place: Workplace,
  delivery: Delivery,
  settings: JobSettings,
): Promise<void> {
  const folder = join(settings.scratch, place.work.id, job.name);
  const base = join(settings.scratch, place.work.id, "base.yaml");
  const packer = new FolderPacker(place.objects);
  const begun = performance.now();
  let failure: Error | undefined;
  let list: string | undefined;
  const body = async (): Promise<void> => {
    await restore(place, job, folder);
    writeAtomicallySync(base, job.base);
    await requireSameConfig(job, base, settings);
    await runIn(folder, base, job, settings).catch((error: unknown) => {
      if (error instanceof ReverieError && notItsOwn.has(error.code)) throw error;
      failure = asError(error);
    });
    list = existsSync(join(folder, "config.yaml")) ? await packer.pack(folder) : undefined;
  };
  const beat = { beat: () => delivery.keep(), everySeconds: place.work.leaseSeconds / 4 };
  await keptAlive(keepSnapshots(place, job, folder, packer), beat, settings, body);
  await report(job, place, {
    outcome: failure === undefined ? "done" : "failed",
    message: failure?.message,
    folder: list,
    by: thisWorker(),
    seconds: (performance.now() - begun) / 1000,
    attempt: delivery.attempt,
  });
  rmSync(folder, { recursive: true, force: true });
}

/** The first outcome of a job is the one that counts, whoever else had it too. */
async function report(job: RunJob, place: Workplace, outcome: RunOutcome): Promise<void> {
  await place.records.create(`result-${job.index}`, packJson(outcome));
}

/** Note that it begins; the returned function takes that back. */
async function begin(job: RunJob, place: Workplace, times: number): Promise<() => Promise<void>> {
  const key = `begun-${job.index}`;
  const note = (count: number): Promise<void> =>
    place.records.set(key, packJson({ by: thisWorker(), times: count } satisfies Begun));
  await note(times + 1);
  return () => note(times);
}

async function beginAndAttempt(
  job: RunJob,
  place: Workplace,
  delivery: Delivery,
  settings: JobSettings,
): Promise<void> {
  const before = await place.records.get(`begun-${job.index}`);
  const times = before === undefined ? 0 : unpackJson<Begun>(before).times;
  if (times >= maxTimes) {
    const message = `${times} workers were lost at it`;
    const outcome = { outcome: "failed", message, by: thisWorker(), seconds: 0 } as const;
    return report(job, place, { ...outcome, attempt: delivery.attempt });
  }
  settings.output.write(`\n=== ${job.name} of ${place.work.title} (attempt ${delivery.attempt})\n`);
  const takeBack = await begin(job, place, times);
  try {
    await attemptRun(job, place, delivery, settings);
  } catch (error) {
    await takeBack();
    throw error;
  }
}

/**
 * Do the job once, so that its outcome is in the records and it is out of the queue; or give it back.
 * @throws VERSION_MISMATCH, STORAGE_FULL, CONNECTION_LOST, INTERRUPTED, and bugs: each after giving the job back
 */
export async function doRunJob(
  job: RunJob,
  place: Workplace,
  delivery: Delivery,
  settings: JobSettings,
): Promise<void> {
  try {
    const known = await place.records.get(`result-${job.index}`);
    if (known === undefined) await beginAndAttempt(job, place, delivery, settings);
    await delivery.done();
  } catch (error) {
    await delivery.giveBack();
    throw error;
  }
}
