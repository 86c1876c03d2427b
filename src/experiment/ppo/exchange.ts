/** @file Where a PPO run and its actors meet in a hub. */

import type { Hub, Objects, Queue, Records } from "../machines/hub.ts";
import type { PpoExperimentConfig } from "./config.ts";

/** How long a silent learner keeps the trajectories it has taken. */
export const trajectoryLeaseSeconds = 60;

/** The parts of the hub that a learner and its actors share. */
export interface Exchange {
  /** The newest weights; `actor-I` while actor I is at it. */
  readonly records: Records;
  readonly objects: Objects;
  readonly trajectories: Queue;
}

/** Name of the queue of trajectories. */
export const trajectoriesOf = (place: string): string => `${place}-trajectories`;

/** @param place name of the run's own place in the hub */
export async function openExchange(
  hub: Hub,
  place: string,
  { actors, learning }: PpoExperimentConfig,
): Promise<Exchange> {
  return {
    records: await hub.records(place),
    objects: await hub.objects(place),
    trajectories: await hub.queue(trajectoriesOf(place), {
      // What the learner has taken for one update is in the queue until its checkpoint is written.
      capacity: actors.waiting + learning.trajectories,
      leaseSeconds: trajectoryLeaseSeconds,
      maxHeld: actors.waiting + learning.trajectories,
    }),
  };
}
