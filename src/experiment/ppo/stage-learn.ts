/** @file The learning stage: actors here or on many machines, updates from whatever comes, a checkpoint after each. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Rng } from "../../core/rng.ts";
import { saveCheckpoint } from "../../nn/checkpoint.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import { makePpo, type PpoLearner } from "../../policy/ppo.ts";
import type { Hub } from "../machines/hub.ts";
import { makeMemoryHub } from "../machines/memory-hub.ts";
import { withHub } from "../machines/open-hub.ts";
import { shareActing } from "../machines/share-acting.ts";
import type { Trajectory, TrajectoryCounts } from "../machines/trajectories.ts";
import { TrajectoryReader } from "../machines/trajectories.ts";
import { finishWeights, publishWeights } from "../machines/weights.ts";
import type { StageContext } from "../stages.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import { act, makePolicy } from "./actor.ts";
import type { PpoExperimentConfig } from "./config.ts";
import type { Exchange } from "./exchange.ts";
import { openExchange, trajectoriesOf, trajectoryLeaseSeconds } from "./exchange.ts";
import { makeSimulator } from "./simulator.ts";
import { decodeExperience, encodeWeights, joinRollouts } from "./wire.ts";

/** File of the learned policy in the run's folder. */
export const policyFile = "policy.safetensors";

const loopName = "learn";

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** What a batch of trajectories was like, beside what the update made of it. */
function factsOf(
  taken: readonly Trajectory[],
  version: number,
  returns: readonly number[],
): Record<string, number> {
  const staleness = taken.map((trajectory) => version - trajectory.version);
  return {
    staleness: mean(staleness),
    maxStaleness: Math.max(...staleness),
    ...(returns.length > 0 ? { "rollout/ep_rew_mean": mean(returns) } : {}),
  };
}

/** What this update added to the reader's counts. */
function newCounts(counts: TrajectoryCounts, before: TrajectoryCounts): Record<string, number> {
  return { stale: counts.stale - before.stale, duplicates: counts.duplicates - before.duplicates };
}

/** One update: publish the weights, wait for trajectories, learn from them. */
function makeStep(
  { exchange, reader, policy }: { exchange: Exchange; reader: TrajectoryReader; policy: ActorCritic },
  learner: PpoLearner,
  { learning }: PpoExperimentConfig,
  signal: AbortSignal,
) {
  const { learningRate: peak, updates: totalSteps } = learning;
  const schedule = { peak, warmupSteps: 2, totalSteps, decayFraction: 0.5 };
  return async (i: number, rng: Rng): Promise<Record<string, number>> => {
    await publishWeights(exchange, i, encodeWeights(policy.params()));
    const before = { ...reader.counts };
    const taken = await reader.take(learning.trajectories, i, signal);
    const experiences = taken.map(({ payload }) => decodeExperience(payload));
    const rollout = joinRollouts(experiences.map((experience) => experience.rollout));
    const metrics = await learner.update(rollout, { learningRate: learningRateAt(schedule, i), rng });
    const returns = experiences.flatMap((experience) => experience.returns);
    const envSteps = rollout.steps * rollout.rows;
    return { ...metrics, ...factsOf(taken, i, returns), ...newCounts(reader.counts, before), envSteps };
  };
}

async function learnFrom(
  exchange: Exchange,
  policy: ActorCritic,
  config: PpoExperimentConfig,
  context: StageContext,
): Promise<void> {
  const { learning, actors } = config;
  const learner = makePpo(policy, { ...learning, anchorCoefficient: 0 });
  const bounds = { maxStaleness: actors.maxStaleness, leaseSeconds: trajectoryLeaseSeconds };
  const reader = new TrajectoryReader(exchange.trajectories, bounds);
  try {
    await trainLoop(context, {
      name: loopName,
      steps: learning.updates,
      logEvery: 1,
      saveSeconds: 0,
      state: () => learner.state(),
      load: (state) => learner.load(state),
      extra: { save: () => reader.record(), load: (record) => reader.load(record) },
      onSaved: () => reader.settle(),
      step: makeStep({ exchange, reader, policy }, learner, config, context.signal),
      note: (facts) => `return ${(facts["rollout/ep_rew_mean"] ?? Number.NaN).toFixed(1)}`,
    });
  } finally {
    await reader.close();
  }
  const { counted, duplicates, stale } = reader.counts;
  context.log(`trajectories: ${counted} counted, ${stale} too old, ${duplicates} came twice`);
}

/** Actors in this process, at the same hub as any others. */
function actHere(hub: Hub, place: string, config: PpoExperimentConfig, context: StageContext): Promise<void> {
  const { signal, log } = context;
  const actors = Array.from({ length: config.actors.count }, (_, actor) =>
    act(config, { actor, attempt: 1, hub, place, signal, log }),
  );
  return Promise.all(actors).then(() => undefined);
}

const patienceMs = 10_000;

/** Tell the actors that it is over, and let those that are there leave in order. */
async function dismiss(exchange: Exchange, version: number): Promise<void> {
  const { records } = exchange;
  await finishWeights(exchange, version);
  const until = performance.now() + patienceMs;
  while (performance.now() < until && (await records.keys()).some((key) => key.startsWith("actor-")))
    await sleep(50);
}

async function learnAt(
  hub: Hub,
  place: string,
  config: PpoExperimentConfig,
  context: StageContext,
): Promise<void> {
  const env = await makeSimulator(config.env, 1, "same-step");
  const policy = makePolicy(config, env);
  await env.close();
  const exchange = await openExchange(hub, place, config);
  await learnFrom(exchange, policy, config, context);
  saveCheckpoint(context.runDir.file(policyFile), policy.params(), {
    kind: "actor-critic",
    config: policy.config,
  });
  await dismiss(exchange, config.learning.updates);
}

async function learnAlone(config: PpoExperimentConfig, context: StageContext): Promise<void> {
  const hub = makeMemoryHub();
  const stop = new AbortController();
  const own = { ...context, signal: AbortSignal.any([context.signal, stop.signal]) };
  const acting = actHere(hub, "here", config, own);
  // An actor that fails stops the learner, which waits for its trajectories otherwise.
  const failed = acting.catch((error: unknown) => stop.abort(error));
  try {
    await learnAt(hub, "here", config, own);
  } finally {
    stop.abort();
    await failed;
  }
}

/** Learn, with actors wherever the run has them. */
export async function learn(config: PpoExperimentConfig, context: StageContext): Promise<void> {
  const { workers, runDir, log } = context;
  if (workers === undefined) await learnAlone(config, context);
  else {
    await withHub(workers, (hub, shared) => {
      const { count } = config.actors;
      return shareActing(hub, { ...shared, folder: runDir.path, config, count, log }, async (place) => {
        await learnAt(hub, place, config, context);
        await hub.forget(trajectoriesOf(place));
      });
    });
  }
  dropPartials(context, [loopName]);
}
