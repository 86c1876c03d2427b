/** @file What launchers and workers say to each other: announced work, its jobs and their results. */

import { createHash, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { writeAtomicallySync } from "../../core/storage.ts";
import type { RunFields } from "../config/config-schema.ts";
import type { Hub, Objects, Queue, Records } from "./hub.ts";
import { packJson, unpackJson } from "./hub.ts";
import type { Identity } from "./identity.ts";
import { readIdentity } from "./identity.ts";
import type { SharedWork } from "./open-hub.ts";
import { readJson } from "../records/run-dir.ts";

/** Work that is open to every worker of the hub. */
export interface Work {
  readonly version: 1;
  readonly id: string;
  /** For people: what it is and where it was started. */
  readonly title: string;
  readonly identity: Identity;
  /** A worker that is silent for so long has lost its job. */
  readonly leaseSeconds: number;
}

/** One run of a sweep. */
export interface RunJob {
  readonly kind: "run";
  readonly index: number;
  readonly name: string;
  /** Text of the sweep's `base.yaml`. */
  readonly base: string;
  readonly overrides: readonly string[];
  /** Of the complete config as the launcher's schema sees it. */
  readonly configSha256: string;
}

/** One actor of a learner: acts until its learner has finished. */
export interface ActJob {
  readonly kind: "act";
  readonly actor: number;
  readonly config: RunFields;
}

/** The latest worker that began a run. */
export interface Begun {
  readonly by: string;
  /** How often it was begun and not given back in order: workers that were lost at it, and the present one. */
  readonly times: number;
}

/** What came of a run. */
export interface RunOutcome {
  readonly outcome: "done" | "failed";
  /** The error of a failed one. */
  readonly message?: string;
  /** Its packed folder; none where nothing was begun. */
  readonly folder?: string;
  readonly by: string;
  readonly seconds: number;
  readonly attempt: number;
}

/** The parts of the hub that belong to one piece of work. */
export interface Workplace {
  readonly work: Work;
  readonly jobs: Queue;
  /** `begun-I`, `snapshot-I`, `result-I` of job I. */
  readonly records: Records;
  readonly objects: Objects;
}

/** Name of everything in the hub that belongs to the work `id`. */
export const placeOf = (id: string): string => `reverie-${id}`;

/** This process, for people. */
export const thisWorker = (): string => `${hostname()}:${process.pid}`;

/** The folder's id in the hub: its own for good, so that a resumed run or sweep finds what was done meanwhile. */
function workId(folder: string): string {
  const path = join(folder, "workers.json");
  const fix = `delete ${path}; what workers did meanwhile is done again`;
  const known = readJson(path, fix) as { id: string } | undefined;
  if (known !== undefined) return known.id;
  const id = randomUUID();
  writeAtomicallySync(path, `${JSON.stringify({ version: 1, id })}\n`);
  return id;
}

/** The work of a run's or a sweep's folder. */
export function workOf(folder: string, { identity, leaseSeconds }: Omit<SharedWork, "hub">): Work {
  return {
    version: 1,
    id: workId(folder),
    title: `${basename(folder)} on ${hostname()}`,
    identity: identity ?? readIdentity(),
    leaseSeconds: leaseSeconds ?? 30,
  };
}

/** The open work of a hub, by id. */
export function openWork(hub: Hub): Promise<Records> {
  return hub.records("reverie-work");
}

/** All work that is open now. */
export async function listWork(open: Records): Promise<Work[]> {
  const values = await Promise.all((await open.keys()).map((id) => open.get(id)));
  return values.flatMap((value) => (value === undefined ? [] : [unpackJson<Work>(value)]));
}

/** Open the places of `work`, making them where they are not there. */
export async function openWorkplace(hub: Hub, work: Work, capacity = 100_000): Promise<Workplace> {
  const name = placeOf(work.id);
  const { leaseSeconds } = work;
  return {
    work,
    jobs: await hub.queue(name, { capacity, leaseSeconds, maxHeld: capacity }),
    records: await hub.records(name),
    objects: await hub.objects(name),
  };
}

/** Let every worker see the work. */
export async function announce(hub: Hub, work: Work): Promise<void> {
  await (await openWork(hub)).set(work.id, packJson(work));
}

/** Take the work back and delete what the hub holds of it. */
export async function withdraw(hub: Hub, id: string): Promise<void> {
  await (await openWork(hub)).remove(id);
  await hub.forget(placeOf(id));
}

/** Hash of a complete config. */
export function configHash(config: RunFields): string {
  return createHash("sha256").update(JSON.stringify(config)).digest("hex");
}
