/** @file Partial batches: more sub-environments than a learner takes at a time, stepped without waiting for the slowest. */

import { asError, fail, ReverieError } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { ResetBatch, StepBatch, VectorEnv, VectorResetOptions } from "../env.ts";

/** The results of one group: a batch of its rows, and which sub-environments these are. */
export interface PartialBatch extends StepBatch {
  /** int32 [M]: index of each row's sub-environment within the whole. */
  readonly envIds: NdArray<"int32">;
}

interface Group {
  readonly env: VectorEnv;
  readonly envIds: NdArray<"int32">;
  /** 1 while a step is under way or its result waits to be received. */
  out: boolean;
}

/** A group's failure in terms of the whole. */
function failureOf(ids: Int32Array, cause: Error): ReverieError {
  return new ReverieError({
    code: cause instanceof ReverieError ? cause.code : "WORKER_FAILED",
    what: `the group of sub-environments ${ids[0]} to ${ids[ids.length - 1]} failed (counted from 0 in it): ${cause.message}`,
    fix: "reset({ envIds }) of that group starts it anew; the others go on",
    cause,
  });
}

/**
 * Groups of sub-environments that are stepped independently of each other: `send` gives one group its actions, `recv`
 * waits for whichever group is ready first. While the learner thinks about one group, the others go on.
 *
 * The arrays of a received batch belong to its group and are overwritten after its next `send`.
 * @source EnvPool and PufferLib (send, recv)
 */
export class PartialVectorEnv {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly #groups: readonly Group[];
  /** Finished steps, in the order in which they finished. */
  readonly #ready: (PartialBatch | Error)[] = [];
  #wake: (() => void) | undefined;

  constructor(envs: readonly VectorEnv[]) {
    const [first] = envs;
    if (first === undefined)
      fail({ code: "INVALID_ARGUMENT", what: "no groups", expected: "at least one vector env" });
    let start = 0;
    this.#groups = envs.map((env) => {
      const ids = Int32Array.from({ length: env.numEnvs }, (_, i) => start + i);
      start += env.numEnvs;
      return { env, envIds: { dtype: "int32", shape: [env.numEnvs], data: ids }, out: false };
    });
    this.numEnvs = start;
    this.singleObservationSpace = first.singleObservationSpace;
    this.singleActionSpace = first.singleActionSpace;
  }

  /** Number of groups. */
  get numGroups(): number {
    return this.#groups.length;
  }

  /**
   * Reset every group, or the one of `envIds`; seed s gives sub-environment i the seed s + i. One result per group, in
   * order. @throws INVALID_ARGUMENT when the result of such a group was not received yet
   */
  async reset(
    options: Omit<VectorResetOptions, "mask"> & { readonly envIds?: NdArray<"int32"> } = {},
  ): Promise<readonly (ResetBatch & { readonly envIds: NdArray<"int32"> })[]> {
    const { envIds: chosen, ...rest } = options;
    const { seed } = rest;
    const groups = chosen === undefined ? this.#groups : [this.#groupOf(chosen, "reset()")];
    if (groups.some((group) => group.out)) this.#refuse("reset()", "receive every group's result first");
    const seedsOf = (ids: Int32Array) =>
      seed === undefined
        ? undefined
        : Array.from(ids, (id) => (typeof seed === "number" ? seed + id : seed[id]));
    return Promise.all(
      groups.map(async ({ env, envIds }) => {
        return { ...(await env.reset({ ...rest, seed: seedsOf(envIds.data) })), envIds };
      }),
    );
  }

  /**
   * Give the group of `envIds` (as received) its actions; does not wait.
   * @throws INVALID_ARGUMENT when these are not one whole group, or its last result was not received yet
   */
  send(actions: NdArray, envIds: NdArray<"int32">): void {
    const group = this.#groupOf(envIds, "send()");
    if (group.out) this.#refuse("a second send() to a group", "receive its result first");
    group.out = true;
    group.env.step(actions).then(
      (batch) => this.#finish({ ...batch, envIds: group.envIds }),
      (error: unknown) => {
        group.out = false;
        this.#finish(failureOf(group.envIds.data, asError(error)));
      },
    );
  }

  #groupOf(envIds: NdArray<"int32">, call: string): Group {
    const group = this.#groups.find((candidate) => candidate.envIds.data[0] === envIds.data[0]);
    const whole = group?.envIds.data.every((id, i) => id === envIds.data[i]) === true;
    if (group !== undefined && whole && envIds.data.length === group.env.numEnvs) return group;
    return this.#refuse(
      `${call} of sub-environments ${envIds.data.join(", ")}`,
      "name one whole group, as recv() or reset() gave it",
    );
  }

  #refuse(what: string, fix: string): never {
    return fail({ code: "INVALID_ARGUMENT", what: `${what} cannot be done now`, fix });
  }

  #finish(result: PartialBatch | Error): void {
    this.#ready.push(result);
    this.#wake?.();
  }

  /**
   * The result of the group that has been ready for longest; waits for the first one if none is.
   * @throws what the step of the group threw; INVALID_ARGUMENT when nothing was sent
   */
  async recv(): Promise<PartialBatch> {
    while (this.#ready.length === 0) {
      if (!this.#groups.some((group) => group.out)) this.#refuse("recv()", "send actions to a group first");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const result = this.#ready.shift()!;
    if (result instanceof Error) throw result;
    const group = this.#groups.find((candidate) => candidate.envIds === result.envIds)!;
    group.out = false;
    return result;
  }

  /** Close every group. */
  async close(): Promise<void> {
    await Promise.all(this.#groups.map(({ env }) => env.close()));
  }
}
