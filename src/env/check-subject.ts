/** @file What the laws of `checkVectorEnv` share: the subject, its drives, and the checks of one result. */

import type { NdArray } from "../core/ndarray.ts";
import { isNdArray, zeros } from "../core/ndarray.ts";
import { rowAt } from "./batch.ts";
import type { CheckReport } from "./check-report.ts";
import type {
  InfoBatch,
  ObservationBatch,
  ResetBatch,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "./env.ts";
import { cloneStep } from "./step-batch.ts";

/** Options of `checkVectorEnv`. */
export interface CheckVectorOptions {
  /** Default 123. */
  readonly seed?: number;
  /** Steps per rollout, default 60; take enough for episodes to end. */
  readonly steps?: number;
  /** Batched actions by step; default: samples of `actionSpace`. */
  readonly actions?: (step: number) => unknown;
  /** Options of every reset. */
  readonly resetOptions?: Record<string, unknown>;
  /** False: equal seeds need not give equal episodes (robots, remote services); the laws that replay are skipped. */
  readonly deterministic?: boolean;
  /** Leave the environment open. */
  readonly keepOpen?: boolean;
}

/** A vector environment of any action form. */
export type AnyVectorEnv = VectorEnv<ObservationBatch, unknown>;
/** bool [N]: which rows a call is about. */
export type Mask = NdArray<"bool">;

/** What the laws are checked on, and where the findings go. */
export interface Subject {
  readonly env: AnyVectorEnv;
  readonly report: CheckReport;
  readonly options: CheckVectorOptions;
  readonly seed: number;
  /** Copies of the prepared actions, so that an env that changes its argument is caught, not followed. */
  readonly actionAt: (step: number) => unknown;
  readonly steps: number;
}

/** The mask of the rows that `chosen` names. */
export function maskOf(numEnvs: number, chosen: (i: number) => boolean): Mask {
  const mask = zeros("bool", [numEnvs]);
  for (let i = 0; i < numEnvs; i++) mask.data[i] = chosen(i) ? 1 : 0;
  return mask;
}

/** A copy of a step's result that later steps leave alone. */
export function keepStep(env: AnyVectorEnv, batch: StepBatch): StepBatch {
  return cloneStep(env.singleObservationSpace, batch);
}

/** Columns must have a mask and a value per sub-environment. */
export function checkInfos(report: CheckReport, infos: InfoBatch, numEnvs: number, where: string): void {
  for (const name in infos) {
    const { values, mask } = infos[name];
    report.must(
      isNdArray(mask) && mask.dtype === "bool" && mask.data.length === numEnvs,
      `${where}.${name}.mask must be bool [${numEnvs}]: one entry per sub-environment`,
    );
    if (isNdArray(values)) {
      report.must(
        values.shape[0] === numEnvs,
        `${where}.${name}.values must have ${numEnvs} rows, has [${values.shape.join(", ")}]`,
      );
    } else if (Array.isArray(values)) {
      report.must(
        values.length === numEnvs,
        `${where}.${name}.values must list ${numEnvs} values, lists ${values.length}`,
      );
    } else checkInfos(report, values as InfoBatch, numEnvs, `${where}.${name}`);
  }
}

/** Every row must lie in the single space, the whole in the batched one. */
export function checkObservations(
  subject: Subject,
  batch: ObservationBatch,
  where: string,
  rows?: Uint8Array,
): void {
  const { env, report } = subject;
  const space = env.singleObservationSpace;
  for (let i = 0; i < env.numEnvs; i++) {
    if (rows?.[i] === 0 || space.contains(rowAt(space, batch, i))) continue;
    const advice = "correct the dtype, shape or bounds";
    report.must(
      false,
      `row ${i} of ${where} lies outside singleObservationSpace ${String(space)}: ${advice}`,
    );
  }
  if (rows !== undefined || env.observationSpace.contains(batch)) return;
  report.must(false, `${where} lies outside observationSpace ${String(env.observationSpace)}`);
}

/** Dtypes, shapes and ranges of a step's result. */
export function checkStepBatch(subject: Subject, batch: StepBatch, where: string): void {
  const { env, report } = subject;
  const n = env.numEnvs;
  const { rewards, terminations, truncations, valid } = batch;
  report.must(
    rewards.data.length === n && /^float(32|64)$/.test(rewards.dtype),
    `${where}.rewards must be float64 or float32 [${n}], is ${rewards.dtype} [${rewards.shape.join(", ")}]`,
  );
  report.must(rewards.data.every(Number.isFinite), `${where}.rewards holds NaN or an infinity`);
  for (const [name, flags] of Object.entries({ terminations, truncations, valid })) {
    report.must(flags?.dtype === "bool" && flags.data.length === n, `${where}.${name} must be bool [${n}]`);
    report.must(
      flags?.data.every((flag) => flag <= 1),
      `${where}.${name} must hold 0 and 1 only`,
    );
  }
  checkObservations(subject, batch.observations, `${where}.observations`);
  checkInfos(report, batch.infos, n, `${where}.infos`);
}

/** Reset with the options that the caller of the checker gave. */
export function resetOf(subject: Subject, options: VectorResetOptions = {}): Promise<ResetBatch> {
  return subject.env.reset({ options: subject.options.resetOptions, ...options });
}

/** Does a row's future depend on its own seed and actions alone? */
export function replaysRows({ env, options }: Subject): boolean {
  return options.deterministic !== false && env.metadata.sharedGenerator !== true;
}

/** Ended rows of a batch. */
export function endsOf(batch: StepBatch): Uint8Array {
  return batch.terminations.data.map((flag, i) => flag | batch.truncations.data[i]);
}

/** Step, and where the env leaves it to the caller, reset what ended; returns a kept copy of the step's result. */
export async function advance(subject: Subject, actions: unknown): Promise<StepBatch> {
  const { env } = subject;
  const batch = keepStep(env, await env.step(actions));
  const ends = endsOf(batch);
  if ((env.metadata.autoreset ?? "disabled") === "disabled" && ends.includes(1)) {
    await resetOf(subject, { mask: maskOf(env.numEnvs, (i) => ends[i] !== 0) });
  }
  return batch;
}

/** Steps from `from` on, with kept results. */
export async function rollout(subject: Subject, from = 0): Promise<StepBatch[]> {
  const batches: StepBatch[] = [];
  for (let t = from; t < subject.steps; t++) batches.push(await advance(subject, subject.actionAt(t)));
  return batches;
}
