/** @file A robot as a vector environment of one: actions through its dead-man, observations and executed actions back. */

import { fail } from "../../core/errors.ts";
import { ndarray, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Dict } from "../../core/spaces/dict.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { InfoBatch, ResetBatch, StepBatch, VectorEnv, VectorResetOptions } from "../../env/env.ts";
import { boundsOf } from "./channels.ts";
import type { ArraySpec } from "./device.ts";
import type { ActTiming, Observed, RobotSession } from "./robot-session.ts";

/** Observations of a robot: each of its arrays with a leading axis of 1. */
export type RobotObservations = Readonly<Record<string, NdArray>>;

/** Settings of `RobotEnv`. */
export interface RobotEnvOptions {
  /** How long one action lasts; the time between two observations when absent. */
  readonly stepSeconds?: number;
}

/**
 * A robot behind `session`.
 *
 * Actions float32 [1, A] are in the units of the robot's channels, within its limits; what the dead-man made of them is
 * in `infos` (`executed` float64 [1, A], `executedSeq`, `limited`, `stopReason`). A step ends with the first observation
 * captured after its action went to the motor. The robot's time goes on between steps.
 */
export class RobotEnv implements VectorEnv<RobotObservations, NdArray> {
  readonly numEnvs = 1;
  readonly metadata = { renderModes: [], autoreset: "disabled" } as const;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  /** Names of the action's numbers, in order. */
  readonly channelNames: readonly string[];
  readonly stepSeconds: number;
  private readonly session: RobotSession;
  private newest: Observed | undefined;

  constructor(session: RobotSession, options: RobotEnvOptions = {}) {
    const { channels, device } = session.welcome;
    this.session = session;
    this.channelNames = channels.map(({ name }) => name);
    this.stepSeconds = options.stepSeconds ?? 1 / device.rateHz;
    const bounds = channels.map(boundsOf);
    this.singleActionSpace = new Box(
      bounds.map(([low]) => low),
      bounds.map(([, high]) => high),
    );
    const boxes = Object.entries(device.observation).map(([name, spec]) => [name, boxOf(spec)] as const);
    this.singleObservationSpace = new Dict(Object.fromEntries(boxes));
    this.observationSpace = this.singleObservationSpace.batch(1);
    this.actionSpace = this.singleActionSpace.batch(1);
  }

  /** Stop the robot, put it back where it can be, and wait for the first observation of the new episode. */
  async reset(options: VectorResetOptions = {}): Promise<ResetBatch<RobotObservations>> {
    const kept = options.mask?.data[0] === 0 ? this.newest : undefined;
    const seed = typeof options.seed === "number" ? options.seed : options.seed?.[0];
    const observed = kept ?? (await this.session.reset(seed, options.options));
    this.newest = observed;
    return { observations: batchOf(observed), infos: infosOf(observed) };
  }

  /** @throws RESET_NEEDED before the first reset, TIMEOUT, CONNECTION_LOST */
  async step(actions: NdArray, mask?: NdArray<"bool">): Promise<StepBatch<RobotObservations>> {
    const before =
      this.newest ??
      fail({ code: "RESET_NEEDED", what: "the robot's episode has not begun", fix: "await reset() first" });
    if (mask?.data[0] === 0) return { ...emptyStep(), observations: batchOf(before), infos: {} };
    const seq = this.act(actions, { stepSeconds: this.stepSeconds, observed: before.stamp });
    const observed = await this.session.next(
      ({ heard, applied, stopped, stamp }) =>
        heard >= seq && (stopped !== undefined || (applied?.seq === seq && stamp >= applied.since)),
    );
    this.newest = observed;
    return stepOf(observed, this.session.takeReward());
  }

  /** Send a chunk of actions float [H, A] without waiting; for callers that keep time themselves. */
  act(actions: NdArray, timing: ActTiming): number {
    return this.session.act(actions, timing);
  }

  /** Stop the robot now; the next action moves it again. */
  halt(): void {
    this.session.stop(false);
  }

  /** Stop the robot and keep it stopped until `release`. */
  stop(): void {
    this.session.stop(true);
  }

  /** Undo `stop`. */
  release(): void {
    this.session.release();
  }

  close(): Promise<void> {
    this.session.close();
    return Promise.resolve();
  }
}

function boxOf({ dtype, shape, low, high }: ArraySpec): Box<NdArray["dtype"]> {
  const byte = dtype === "uint8";
  return new Box(low ?? (byte ? 0 : -Infinity), high ?? (byte ? 255 : Infinity), shape, dtype);
}

function batchOf({ arrays }: Observed): RobotObservations {
  const entries = Object.entries(arrays).map(([name, array]) => [
    name,
    { ...array, shape: [1, ...array.shape] },
  ]);
  return Object.fromEntries(entries) as RobotObservations;
}

const here: NdArray<"bool"> = { dtype: "bool", shape: [1], data: Uint8Array.of(1) };

function infosOf({ applied, stopped, stamp, episode }: Observed): InfoBatch {
  const number = (value: number): InfoBatch[string] => ({
    values: ndarray("float64", [1], Float64Array.of(value)),
    mask: here,
  });
  const infos: Record<string, InfoBatch[string]> = {
    capturedMs: number(stamp),
    robotEpisode: number(episode),
  };
  if (applied !== undefined) {
    const { values } = applied;
    infos.executed = { values: { ...values, shape: [1, values.data.length] }, mask: here };
    infos.executedSeq = number(applied.seq);
    infos.limited = { values: ndarray("bool", [1], Uint8Array.of(applied.limited ? 1 : 0)), mask: here };
  }
  if (stopped !== undefined) infos.stopReason = { values: [stopped], mask: here };
  return infos;
}

function emptyStep(): Pick<StepBatch, "rewards" | "terminations" | "truncations" | "valid"> {
  return {
    rewards: zeros("float64", [1]),
    terminations: zeros("bool", [1]),
    truncations: zeros("bool", [1]),
    valid: zeros("bool", [1]),
  };
}

function stepOf(observed: Observed, reward: number): StepBatch<RobotObservations> {
  const step = emptyStep();
  step.rewards.data[0] = reward;
  step.terminations.data[0] = observed.terminated ? 1 : 0;
  step.truncations.data[0] = observed.truncated ? 1 : 0;
  step.valid.data[0] = 1;
  return { ...step, observations: batchOf(observed), infos: infosOf(observed) };
}
