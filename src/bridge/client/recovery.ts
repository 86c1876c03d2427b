/** @file What a learner is told when its remote environment was lost: truncated episodes, and then new ones. */

import { type NdArray, zeros } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { AutoresetMode, InfoBatch, ObservationBatch, ResetBatch, StepBatch } from "../../env/env.ts";
import { copyRows } from "../wire/rows.ts";

type Mask = NdArray<"bool">;

/** How to carry out a step: with this mask, by resetting everything, or without the server. */
export type StepPlan = { readonly mask: Mask | undefined } | "reset" | "none";

/** Keeps which rows stand in an environment that is gone. */
export class Recovery {
  private readonly space: Space;
  private readonly numEnvs: number;
  private readonly mode: AutoresetMode;
  /** Rows whose episode was lost and that were not reset since. */
  private readonly lost: Uint8Array;
  private newest: ObservationBatch | undefined;

  constructor(space: Space, numEnvs: number, mode: AutoresetMode) {
    this.space = space;
    this.numEnvs = numEnvs;
    this.mode = mode;
    this.lost = new Uint8Array(numEnvs);
  }

  /** The environment is gone: every row's episode with it. */
  lose(): void {
    this.lost.fill(1);
  }

  /** How a step of the rows in `mask` is carried out. */
  plan(mask: Mask | undefined): StepPlan {
    if (!this.lost.includes(1)) return { mask };
    if (this.mode !== "disabled") return "reset";
    const rest = zeros("bool", [this.numEnvs]);
    for (let i = 0; i < this.numEnvs; i++) rest.data[i] = chosen(mask, i) && this.lost[i] === 0 ? 1 : 0;
    return rest.data.includes(1) ? { mask: rest } : "none";
  }

  /** A reset of the rows in `mask` has succeeded. */
  reset(result: ResetBatch, mask: Mask | undefined): ResetBatch {
    for (let i = 0; i < this.numEnvs; i++) if (chosen(mask, i)) this.lost[i] = 0;
    this.keepLost(result.observations);
    return result;
  }

  /** A step has succeeded; rows of `mask` that are lost end by truncation. */
  stepped(result: StepBatch, mask: Mask | undefined): StepBatch {
    if (!this.lost.includes(1)) {
      this.newest = result.observations;
      return result;
    }
    this.keepLost(result.observations);
    const cut = this.cutRows(mask);
    for (let i = 0; i < this.numEnvs; i++)
      if (cut.data[i] === 1) result.truncations.data[i] = result.valid.data[i] = 1;
    return cut.data.includes(1) ? { ...result, infos: { ...result.infos, ...lossInfo(cut) } } : result;
  }

  /** A step that only lost rows take part in: their episodes end where they were last seen. */
  truncated(mask: Mask | undefined): StepBatch {
    const cut = this.mode === "disabled" ? this.cutRows(mask) : all(this.numEnvs);
    return {
      observations: this.newest ?? (this.space.createEmpty(this.numEnvs) as ObservationBatch),
      rewards: zeros("float64", [this.numEnvs]),
      terminations: zeros("bool", [this.numEnvs]),
      truncations: cut,
      valid: { ...cut, data: cut.data.slice() },
      infos: lossInfo(cut),
    };
  }

  /** NEXT_STEP's artificial transition into the new environment. */
  restarted({ observations, infos }: ResetBatch): StepBatch {
    const none = (): Mask => zeros("bool", [this.numEnvs]);
    const flags = { terminations: none(), truncations: none(), valid: none() };
    return { observations, infos, rewards: zeros("float64", [this.numEnvs]), ...flags };
  }

  /** SAME_STEP: the cut episodes, with the new environment's first observations in place of their last. */
  replaced(cut: StepBatch, { observations, infos }: ResetBatch): StepBatch {
    const finals = {
      finalObservations: cut.observations,
      finalMask: all(this.numEnvs),
      finalInfos: cut.infos,
    };
    return { ...cut, observations, infos, ...finals };
  }

  private cutRows(mask: Mask | undefined): Mask {
    const cut = zeros("bool", [this.numEnvs]);
    for (let i = 0; i < this.numEnvs; i++) cut.data[i] = chosen(mask, i) ? this.lost[i] : 0;
    return cut;
  }

  /** Lost rows keep their last observation, which the new environment does not know. */
  private keepLost(observations: ObservationBatch): void {
    if (this.newest !== undefined) {
      const rows = [...this.lost.keys()].filter((i) => this.lost[i] === 1);
      copyRows(this.space, observations, this.newest, { to: rows, from: rows });
    }
    this.newest = observations;
  }
}

function chosen(mask: Mask | undefined, row: number): boolean {
  return mask === undefined || mask.data[row] !== 0;
}

function all(numEnvs: number): Mask {
  return { dtype: "bool", shape: [numEnvs], data: new Uint8Array(numEnvs).fill(1) };
}

function lossInfo(cut: Mask): InfoBatch {
  const mask: Mask = { ...cut, data: cut.data.slice() };
  return { connectionLost: { values: mask, mask } };
}
