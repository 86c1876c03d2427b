/** @file A worker: joins a hub, does whatever work of its own version is open there, and leaves when it is told to. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ReverieError } from "../../core/errors.ts";
import type { Experiments } from "../experiment.ts";
import type { Output } from "../progress.ts";
import { doActJob } from "./act-job.ts";
import type { Delivery, Hub, Records } from "./hub.ts";
import { unpackJson } from "./hub.ts";
import type { Identity } from "./identity.ts";
import { readIdentity, requireSame } from "./identity.ts";
import type { JobSettings } from "./run-job.ts";
import { doRunJob } from "./run-job.ts";
import { stopSignal } from "./stop-signal.ts";
import type { StopOptions } from "./stop-signal.ts";
import type { ActJob, RunJob, Work, Workplace } from "./work.ts";
import { listWork, openWork, openWorkplace, placeOf, thisWorker } from "./work.ts";

/** Options of `joinHub`. When it is stopped, the job in hand is saved and given back. */
export interface WorkerOptions extends StopOptions {
  readonly output?: Output;
  /** Leave after so long without a job; never unless given. */
  readonly idleSeconds?: number;
  /** Folder for runs in hand; a temporary one unless given. */
  readonly folder?: string;
  /** Time between two snapshots of an unfinished run; 60 unless given. */
  readonly snapshotSeconds?: number;
  /** What is run instead of the registry's experiments. */
  readonly experiments?: Experiments;
  /** The program's identity; that of this package unless given. */
  readonly identity?: Identity;
}

const lookMs = 1000;

/** Work of this worker's own version. @throws VERSION_MISMATCH when there is work, but none of it is */
function suitable(all: readonly Work[], identity: Identity): Work[] {
  const same = (work: Work): boolean =>
    work.identity.reverie === identity.reverie && work.identity.code === identity.code;
  const mine = all.filter(same);
  if (mine.length === 0 && all.length > 0) requireSame(identity, all[0].identity, all[0].title);
  return mine;
}

/** Opens each work's places once, and none of work that was withdrawn meanwhile. */
class Workplaces {
  readonly #hub: Hub;
  readonly #open: Records;
  readonly #places = new Map<string, Workplace>();

  constructor(hub: Hub, open: Records) {
    this.#hub = hub;
    this.#open = open;
  }

  async of(work: Work): Promise<Workplace | undefined> {
    const known = this.#places.get(work.id);
    if (known !== undefined) return known;
    const place = await openWorkplace(this.#hub, work);
    if ((await this.#open.get(work.id)) === undefined) {
      await this.#hub.forget(placeOf(work.id));
      return undefined;
    }
    this.#places.set(work.id, place);
    return place;
  }
}

function doJob(place: Workplace, delivery: Delivery, settings: JobSettings, hub: Hub): Promise<void> {
  const job = unpackJson<RunJob | ActJob>(delivery.data);
  return job.kind === "run"
    ? doRunJob(job, place, delivery, settings)
    : doActJob(job, { place, hub }, delivery, settings);
}

/** One round over the open work. @returns whether there was a job */
async function lookForJob(
  hub: Hub,
  places: Workplaces,
  open: readonly Work[],
  settings: JobSettings,
): Promise<boolean> {
  for (const work of open) {
    const place = await places.of(work);
    const delivery = settings.signal.aborted ? undefined : await place?.jobs.take(lookMs);
    if (place === undefined || delivery === undefined) continue;
    if (settings.signal.aborted) await delivery.giveBack();
    else await doJob(place, delivery, settings, hub);
    return true;
  }
  return false;
}

async function workUntilStopped(hub: Hub, settings: JobSettings, options: WorkerOptions): Promise<void> {
  const identity = options.identity ?? readIdentity();
  const records = await openWork(hub);
  const places = new Workplaces(hub, records);
  let idleSince = performance.now();
  while (!settings.signal.aborted) {
    const open = suitable(await listWork(records), identity);
    if (await lookForJob(hub, places, open, settings)) idleSince = performance.now();
    else if (performance.now() - idleSince > (options.idleSeconds ?? Infinity) * 1000) return;
    else if (open.length === 0)
      await sleep(lookMs, undefined, { signal: settings.signal }).catch(() => undefined);
  }
}

/**
 * Work for whoever launches work at this hub, one job at a time, until stopped or idle for too long.
 * @throws VERSION_MISMATCH when the open work was started by another program, STORAGE_FULL, CONNECTION_LOST
 */
export async function joinHub(hub: Hub, options: WorkerOptions = {}): Promise<void> {
  const output = options.output ?? process.stdout;
  const scratch = options.folder ?? mkdtempSync(join(tmpdir(), "reverie-worker-"));
  const { signal, release } = stopSignal(options);
  const { experiments, snapshotSeconds = 60 } = options;
  output.write(`worker ${thisWorker()} at ${hub.address}\n`);
  try {
    await workUntilStopped(hub, { scratch, experiments, output, signal, snapshotSeconds }, options);
  } catch (error) {
    // Stopped in the middle of a job, which is saved and given back: that is what was asked for.
    if (!(error instanceof ReverieError && error.code === "INTERRUPTED" && signal.aborted)) throw error;
  } finally {
    release();
    if (options.folder === undefined) rmSync(scratch, { recursive: true, force: true });
  }
  output.write("worker stopped\n");
}
