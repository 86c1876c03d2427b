/** @file An actor's job on this machine: the experiment acts, the job is kept alive, and given back when this worker stops. */

import { fail } from "../../core/errors.ts";
import { parseConfig } from "../config/config.ts";
import { allExperiments } from "../runner.ts";
import type { Delivery, Hub } from "./hub.ts";
import type { JobSettings } from "./run-job.ts";
import type { ActJob, Workplace } from "./work.ts";
import { placeOf } from "./work.ts";

/** Act until the run has finished (the job is then done) or this worker stops (somebody else acts on). */
export async function doActJob(
  job: ActJob,
  { place, hub }: { readonly place: Workplace; readonly hub: Hub },
  delivery: Delivery,
  settings: JobSettings,
): Promise<void> {
  const { actor, config: written } = job;
  const { output, signal } = settings;
  const log = (line: string): void => output.write(`${line}\n`);
  const beat = setInterval(() => delivery.keep(), (place.work.leaseSeconds * 1000) / 4);
  try {
    const experiment = (await allExperiments(settings))[written.experiment];
    if (experiment?.act === undefined) {
      fail({ code: "NOT_SUPPORTED", what: `experiment "${written.experiment}" has no actors` });
    }
    const values = { ...written };
    const config = parseConfig(experiment.schema, { values, locate: (path) => path.join(".") });
    log(`\n=== actor ${actor} of ${place.work.title} (attempt ${delivery.attempt})`);
    const { attempt } = delivery;
    await experiment.act(config, { actor, attempt, hub, place: placeOf(place.work.id), signal, log });
    if (signal.aborted) await delivery.giveBack();
    else await delivery.done();
  } catch (error) {
    await delivery.giveBack();
    throw error;
  } finally {
    clearInterval(beat);
  }
}
