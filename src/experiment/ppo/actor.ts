/** @file An actor: the newest weights, real simulators, trajectories to the learner, until it has finished. */

import { Rng } from "../../core/rng.ts";
import { initActorCritic, makeActorCritic } from "../../policy/networks.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import { beginRollout, collectRollout } from "../../policy/rollout.ts";
import type { Rollout } from "../../policy/rollout.ts";
import type { ActTask } from "../experiment.ts";
import { TrajectoryWriter } from "../machines/trajectories.ts";
import { WeightsFeed } from "../machines/weights.ts";
import type { PpoExperimentConfig } from "./config.ts";
import { openExchange } from "./exchange.ts";
import { makeSimulator, sizesOf, type VectorSimulator } from "./simulator.ts";
import { decodeWeights, encodeExperience } from "./wire.ts";

/** The policy that a config describes, with its first weights. */
export function makePolicy(config: PpoExperimentConfig, env: VectorSimulator): ActorCritic {
  const network = { ...sizesOf(env), ...config.network };
  return makeActorCritic(network, initActorCritic(Rng.fromSeed([config.seed, 0]), network));
}

/** Sums rewards over rollouts that go on; tells the returns of episodes as they end. */
class ReturnCounter {
  readonly #sums: Float64Array;

  constructor(rows: number) {
    this.#sums = new Float64Array(rows);
  }

  ended({ steps, rows, rewards, ends }: Rollout): number[] {
    const returns: number[] = [];
    for (let at = 0; at < steps * rows; at++) {
      this.#sums[at % rows] += rewards[at];
      if (ends[at] === 0) continue;
      returns.push(this.#sums[at % rows]);
      this.#sums[at % rows] = 0;
    }
    return returns;
  }
}

/** Act for the run that `task` names until it has finished, or until the task's signal is aborted. */
export async function act(config: PpoExperimentConfig, task: ActTask): Promise<void> {
  const { records, objects, trajectories } = await openExchange(task.hub, task.place, config);
  const feed = new WeightsFeed({ records, objects }, task.signal);
  const key = `actor-${task.actor}`;
  await records.set(key, Buffer.from(String(task.attempt)));
  const env = await makeSimulator(config.env, config.actors.numEnvs, "same-step");
  try {
    await actOn(env, config, task, { feed, writer: new TrajectoryWriter(trajectories) });
  } catch (error) {
    if (!feed.signal.aborted) throw error;
  } finally {
    await env.close();
    await records.remove(key);
  }
}

async function actOn(
  env: VectorSimulator,
  config: PpoExperimentConfig,
  task: ActTask,
  { feed, writer }: { readonly feed: WeightsFeed; readonly writer: TrajectoryWriter },
): Promise<void> {
  const policy = makePolicy(config, env);
  const first = await feed.newest();
  const rng = Rng.fromSeed([config.seed, 1 + task.actor, task.attempt, first?.version ?? 0]);
  const cursor = await beginRollout(env, rng.integers(2 ** 31));
  const counter = new ReturnCounter(env.numEnvs);
  for (let weights = first; weights !== undefined; weights = await feed.newest()) {
    policy.setParams(decodeWeights(weights.bytes, policy.params()));
    const rollout = await collectRollout({ env, policy, steps: config.actors.steps, rng, cursor });
    const payload = encodeExperience({ rollout, returns: counter.ended(rollout) });
    await writer.put(weights.version, payload, feed.signal);
  }
}
