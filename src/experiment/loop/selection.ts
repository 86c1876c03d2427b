/** @file Checkpoints chosen on validation worlds or goals: never on those that the final table is made of. */

import { summarize } from "../../policy/evaluate.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import { scoreOn } from "./scoring.ts";
import type { Workspace } from "./workspace.ts";

/** Keeps the policy that validation worlds like best. */
export class Selection {
  readonly #work: Workspace;
  readonly #name: string;
  #best = -Infinity;

  constructor(work: Workspace, name: string) {
    this.#work = work;
    this.#name = name;
    if (work.hasPolicy(name)) this.#best = work.loadPolicy(name).facts.validationReturn as number;
  }

  /** Judge `policy` on validation worlds and save it if it is the best so far. */
  async consider(policy: ActorCritic, step: number): Promise<Record<string, number>> {
    const scores = await scoreOn(
      this.#work,
      "validation",
      this.#work.config.imagination.validationEpisodes,
      () => policy,
    );
    const { mean, terminatedRate, meanLength } = summarize(scores);
    this.offer(policy, mean, step);
    const { end } = this.#work.task.words;
    return {
      validationReturn: mean,
      [`validation${end[0].toUpperCase()}${end.slice(1)}Rate`]: terminatedRate,
      realHazard: terminatedRate / meanLength,
      realReward: mean / meanLength,
    };
  }

  /** Save `policy`, whose validation return is known, if it is the best so far. */
  offer(policy: ActorCritic, validationReturn: number, step: number): void {
    if (validationReturn <= this.#best) return;
    this.#best = validationReturn;
    this.#work.savePolicy(this.#name, policy, { validationReturn, step });
  }
}
