/** @file A run that leaves the acting to workers: its actors are jobs that last as long as the run. */

import type { RunFields } from "../config/config-schema.ts";
import type { Hub } from "./hub.ts";
import { packJson } from "./hub.ts";
import type { SharedWork } from "./open-hub.ts";
import type { ActJob, Workplace } from "./work.ts";
import { announce, openWorkplace, placeOf, withdraw, workOf } from "./work.ts";

/** What is to be acted. */
export interface SharedActing extends Omit<SharedWork, "hub"> {
  /** The run's folder. */
  readonly folder: string;
  readonly config: RunFields;
  /** Actors that are wanted; with fewer workers there are fewer. */
  readonly count: number;
  readonly log: (line: string) => void;
}

/** Once for the run, however often it is resumed: the jobs of lost actors come back by themselves. */
async function putJobs({ jobs, records }: Workplace, { config, count }: SharedActing): Promise<void> {
  if ((await records.get("actors")) !== undefined) return;
  for (let actor = 0; actor < count; actor++)
    await jobs.put(`actor-${actor}`, packJson({ kind: "act", actor, config } satisfies ActJob));
  await records.set("actors", packJson(count));
}

/**
 * Ask workers for actors while `body` runs; `place` is where run and actors meet. When it returns, the work is over and
 * forgotten; when it throws, the actors stay for a resume.
 */
export async function shareActing(
  hub: Hub,
  acting: SharedActing,
  body: (place: string) => Promise<void>,
): Promise<void> {
  const work = workOf(acting.folder, acting);
  await putJobs(await openWorkplace(hub, work), acting);
  await announce(hub, work);
  acting.log(`${acting.count} actors wanted: \`reverie worker ${hub.address}\` on any machine`);
  await body(placeOf(work.id));
  await withdraw(hub, work.id);
}
