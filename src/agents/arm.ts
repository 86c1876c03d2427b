/** @file What sits between a policy and an arm: setpoints in metres, limits, homing, and a watch over what really moves. */

import { maskedRows } from "../core/array-record.ts";
import { fail } from "../core/errors.ts";
import { zeros } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type {
  InfoBatch,
  ObservationBatch,
  ResetBatch,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "../env/env.ts";
import { physicalOf } from "./actions.ts";
import type { ActionMeaning } from "./actions.ts";

/** Bounds that no action can leave; metres and seconds. */
export interface ArmLimits {
  /** Where setpoints may lie, one range per channel, m. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Fastest that a setpoint moves, along its way, m/s. */
  readonly speedMps: number;
  /** A setpoint runs at most so far ahead of the tip, per channel, m: pushing against something does not wind it up. */
  readonly leashM: number;
}

/** When an arm counts as stuck. */
export interface ArmWatch {
  /** The tip is this far from where its setpoint was, m … */
  readonly lagM: number;
  /** … for so many steps on end. */
  readonly steps: number;
}

/** Where episodes begin. */
export interface ArmHome {
  /** Setpoint per channel, m. */
  readonly place: readonly number[];
  /** Reached when the tip is this near, per channel, m. */
  readonly toleranceM: number;
  /** Give up after so many steps. */
  readonly steps: number;
}

/** What happened to an arm's commands. */
export type ArmEvent =
  | { readonly type: "limited"; readonly row: number; readonly wantedM: readonly number[] }
  | { readonly type: "stuck"; readonly row: number; readonly lagM: number };

/** Settings of `withArmControl`. */
export interface ArmControlOptions<O = ObservationBatch> {
  /** What a policy's numbers mean: ways of the tip in a step, m. A checkpoint's `ActionSpec` is one. */
  readonly meaning: ActionMeaning;
  readonly rateHz: number;
  readonly limits: ArmLimits;
  readonly watch: ArmWatch;
  readonly home?: ArmHome;
  /** Where the tips are: [N, A], m. */
  readonly positionsOf: (observations: O) => NdArray<"float32">;
  readonly onEvent?: (event: ArmEvent) => void;
}

/** Allowed rounding before a setpoint counts as limited, m. */
const roundingM = 1e-6;

/**
 * `env`, whose actions are setpoints of the tip in m, for a policy whose actions are ways in [-1, 1].
 *
 * A setpoint moves by the action, no faster than `limits` say, stays inside them and near the tip. Infos gain `executed`
 * (float32 [N, A]: the action that the limits let through, in [-1, 1]) and `stuck`; a stuck row is truncated and its
 * setpoint taken back to the tip.
 * @throws INVALID_ARGUMENT for bounds that do not fit the meaning, NOT_FINITE for an action, TIMEOUT when homing fails
 */
export function withArmControl<O = ObservationBatch>(
  env: VectorEnv<O, NdArray<"float32">>,
  options: ArmControlOptions<O>,
): VectorEnv<O, NdArray<"float32">> {
  return new ArmControlEnv(env, options);
}

class ArmControlEnv<O> implements VectorEnv<O, NdArray<"float32">> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: VectorEnv["metadata"];
  private readonly env: VectorEnv<O, NdArray<"float32">>;
  private readonly options: ArmControlOptions<O>;
  private readonly width: number;
  /** Setpoints and newest places of the tips, m: [N · A]. */
  private readonly setpoints: Float32Array;
  private readonly tips: Float32Array;
  /** Steps on end that each row's tip has lagged. */
  private readonly lagging: Int32Array;

  constructor(env: VectorEnv<O, NdArray<"float32">>, options: ArmControlOptions<O>) {
    checkOptions(options);
    this.env = env;
    this.options = options;
    this.width = options.meaning.names.length;
    this.numEnvs = env.numEnvs;
    this.singleObservationSpace = env.singleObservationSpace;
    this.observationSpace = env.observationSpace;
    this.singleActionSpace = new Box(-1, 1, [this.width]);
    this.actionSpace = new Box(-1, 1, [env.numEnvs, this.width]);
    this.metadata = env.metadata;
    this.setpoints = new Float32Array(env.numEnvs * this.width);
    this.tips = new Float32Array(env.numEnvs * this.width);
    this.lagging = new Int32Array(env.numEnvs);
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch<O>> {
    const batch = await this.env.reset(options);
    this.look(batch.observations);
    const rows = maskedRows(this.numEnvs, options.mask);
    for (const row of rows) this.hold(row);
    const { home } = this.options;
    return home === undefined ? batch : this.goHome(batch, rows, home);
  }

  async step(actions: NdArray<"float32">, mask?: NdArray<"bool">): Promise<StepBatch<O>> {
    const rows = maskedRows(this.numEnvs, mask);
    const executed = zeros("float32", [this.numEnvs, this.width]);
    for (const row of rows) this.move(row, actions, executed);
    const batch = await this.env.step(this.command(), mask);
    this.look(batch.observations);
    return this.watched(batch, rows, executed);
  }

  async render(): Promise<readonly (NdArray<"uint8"> | undefined)[]> {
    return (await this.env.render?.()) ?? [];
  }

  close(): Promise<void> {
    return this.env.close();
  }

  /** The setpoints go back to the tips; the robot is stopped, if the env beneath is one. */
  halt(): void {
    for (let row = 0; row < this.numEnvs; row++) this.hold(row);
    (this.env as { halt?: () => void }).halt?.();
  }

  private command(): NdArray<"float32"> {
    return { dtype: "float32", shape: [this.numEnvs, this.width], data: this.setpoints.slice() };
  }

  private look(observations: O): void {
    this.tips.set(this.options.positionsOf(observations).data);
  }

  private hold(row: number): void {
    const { low, high } = this.options.limits;
    for (let c = 0; c < this.width; c++) {
      const i = row * this.width + c;
      this.setpoints[i] = bounded(this.tips[i], low[c], high[c]);
    }
    this.lagging[row] = 0;
  }

  /** Move a row's setpoint by its action, as far as the limits let it; what they let through goes to `executed`. */
  private move(row: number, actions: NdArray<"float32">, executed: NdArray<"float32">): void {
    const { meaning, onEvent } = this.options;
    const from = row * this.width;
    const way = meaning.names.map((_, c) => physicalOf(actions.data[from + c], c, meaning));
    const before = this.setpoints.slice(from, from + this.width);
    this.advance(row, way);
    let limited = false;
    for (let c = 0; c < this.width; c++) {
      const moved = this.setpoints[from + c] - before[c];
      const [low, high] = [meaning.low[c], meaning.high[c]];
      executed.data[from + c] = bounded((2 * (moved - low)) / (high - low) - 1, -1, 1);
      limited ||= Math.abs(moved - way[c]) > roundingM;
    }
    if (limited) onEvent?.({ type: "limited", row, wantedM: way });
  }

  private advance(row: number, way: readonly number[]): void {
    const { low, high, speedMps, leashM } = this.options.limits;
    const length = Math.hypot(...way);
    const longest = speedMps / this.options.rateHz;
    const share = length > longest ? longest / length : 1;
    for (let c = 0; c < this.width; c++) {
      const i = row * this.width + c;
      const wanted = this.setpoints[i] + share * way[c];
      const near = bounded(wanted, this.tips[i] - leashM, this.tips[i] + leashM);
      this.setpoints[i] = bounded(near, low[c], high[c]);
    }
  }

  private lagOf(row: number): number {
    let lag = 0;
    for (let i = row * this.width; i < (row + 1) * this.width; i++) {
      lag = Math.max(lag, Math.abs(this.setpoints[i] - this.tips[i]));
    }
    return lag;
  }

  /** The step's results, with the rows that are stuck cut. */
  private watched(batch: StepBatch<O>, rows: readonly number[], executed: NdArray<"float32">): StepBatch<O> {
    const { watch, onEvent } = this.options;
    const stuck = zeros("bool", [this.numEnvs]);
    const truncations = { ...batch.truncations, data: batch.truncations.data.slice() };
    for (const row of rows) {
      const lagM = this.lagOf(row);
      this.lagging[row] = lagM > watch.lagM ? this.lagging[row] + 1 : 0;
      if (this.lagging[row] < watch.steps) continue;
      onEvent?.({ type: "stuck", row, lagM });
      this.hold(row);
      stuck.data[row] = 1;
      truncations.data[row] = batch.terminations.data[row] === 0 ? 1 : 0;
    }
    const mask = batch.valid;
    const infos: InfoBatch = {
      ...batch.infos,
      executed: { values: executed, mask },
      stuck: { values: stuck, mask },
    };
    return { ...batch, truncations, infos };
  }

  /** Move the rows home at the limits' speed before their episode begins. */
  private async goHome(first: ResetBatch<O>, rows: readonly number[], home: ArmHome): Promise<ResetBatch<O>> {
    const mask = zeros("bool", [this.numEnvs]);
    for (const row of rows) mask.data[row] = 1;
    let { observations } = first;
    for (let step = 0; !this.isHome(rows, home); step++) {
      if (step >= home.steps) this.lost(rows, home);
      for (const row of rows) {
        const from = row * this.width;
        this.advance(
          row,
          home.place.map((place, c) => place - this.setpoints[from + c]),
        );
      }
      const batch = await this.env.step(this.command(), mask);
      observations = batch.observations;
      this.look(observations);
      if (rows.some((row) => batch.terminations.data[row] || batch.truncations.data[row]))
        this.lost(rows, home);
    }
    for (const row of rows) this.hold(row);
    return { ...first, observations };
  }

  private isHome(rows: readonly number[], { place, toleranceM }: ArmHome): boolean {
    return rows.every((row) =>
      place.every((at, c) => Math.abs(this.tips[row * this.width + c] - at) <= toleranceM),
    );
  }

  private lost(rows: readonly number[], home: ArmHome): never {
    const tips = rows.map(
      (row) => `[${this.tips.slice(row * this.width, (row + 1) * this.width).join(", ")}]`,
    );
    return fail({
      code: "TIMEOUT",
      what: "the arm did not come home before its episode",
      expected: `within ${home.toleranceM} m of [${home.place.join(", ")}] after ${home.steps} steps`,
      got: `tips at ${tips.join(", ")}`,
      fix: "look for what is in its way, or allow more steps",
    });
  }
}

function bounded(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function checkOptions<O>({ meaning, limits, home }: ArmControlOptions<O>): void {
  const width = meaning.names.length;
  const lists = [
    meaning.low,
    meaning.high,
    limits.low,
    limits.high,
    ...(home === undefined ? [] : [home.place]),
  ];
  const positive = limits.speedMps > 0 && limits.leashM > 0;
  if (meaning.kind === "delta" && lists.every(({ length }) => length === width) && positive) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "these are no limits for this policy's actions",
    expected: `actions of kind "delta", ${width} numbers for every bound, speed and leash above 0`,
    got: `kind "${meaning.kind}", bounds of ${lists.map(({ length }) => length).join(", ")}`,
    fix: "take the meaning from the policy's checkpoint and give one range per channel",
  });
}
