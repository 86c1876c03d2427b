/** @file The runtime: an env, a policy and subscribers, run together at a fixed rate. */

import { Subject } from "rxjs";
import type { Observable } from "rxjs";

import { ReverieError, fail } from "../core/errors.ts";
import { isNdArray, zeros } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { ObservationBatch, StepBatch, VectorEnv } from "../env/env.ts";
import type { ActOptions, Policy } from "../policy/policy.ts";
import { copyTree, makeChunked, makeLockstep } from "./deciders.ts";
import type { ChunkOptions, ChunkPolicy, Decider, DeciderEvent } from "./deciders.ts";
import { Pacer, systemPacing } from "./pacing.ts";
import type { PacingClock } from "./pacing.ts";

/** Settings of an agent. Actions of `policy` go to `env` as they are: wrap the env where units differ. */
export interface AgentOptions<O = ObservationBatch> extends ActOptions {
  readonly env: VectorEnv<O, NdArray<"float32">>;
  readonly policy: Policy<O> | ChunkPolicy<O>;
  /** Steps per second; 0 (default) steps as fast as env and policy allow, which a robot's own rate bounds. */
  readonly rateHz?: number;
  readonly chunk?: ChunkOptions;
  /**
   * How long a policy behind a socket may be away (milliseconds, default 0). Meanwhile the robot is told to stop; the
   * first action after it answers an old observation, which the robot's dead-man judges.
   */
  readonly patienceMs?: number;
  readonly clock?: PacingClock;
}

/** How long to run. */
export interface RunOptions {
  /** Stop after this many episodes in all rows together. */
  readonly episodes?: number;
  /** Stop after this many steps. */
  readonly steps?: number;
  readonly seed?: number;
  readonly resetOptions?: Record<string, unknown>;
  readonly signal?: AbortSignal;
}

/** What the env saw and did in one step; arrays belong to the env and hold until the next step. */
export interface StepEvent<O = ObservationBatch> {
  /** Steps taken since `run`. */
  readonly step: number;
  /** Observations before the step. */
  readonly before: O;
  /** bool [N]: rows whose episode begins with `before`. */
  readonly begins: NdArray<"bool">;
  /** float32 [N, A]: what the policy wanted. */
  readonly actions: NdArray<"float32">;
  readonly result: StepBatch<O>;
  readonly decideMs: number;
  readonly stepMs: number;
}

/** A frame uint8 [N, H, W, 3] and the step that it was seen after. */
export interface FrameEvent {
  readonly step: number;
  readonly frame: NdArray<"uint8">;
}

/** Actions of one step: wanted, and executed where the env reports them. */
export interface ActionEvent {
  readonly step: number;
  readonly wanted: NdArray<"float32">;
  readonly executed: NdArray | undefined;
}

/** What happens beside steps. */
export type AgentEvent =
  | DeciderEvent
  | { readonly type: "late"; readonly step: number; readonly lateMs: number }
  | {
      readonly type: "ended";
      readonly row: number;
      readonly steps: number;
      readonly return: number;
      readonly terminated: boolean;
    }
  | { readonly type: "policy-away"; readonly step: number; readonly error: ReverieError }
  | { readonly type: "failed"; readonly error: unknown };

/** Result of a run. */
export interface RunSummary {
  readonly steps: number;
  /** Return of each finished episode, in the order of their ends. */
  readonly returns: readonly number[];
  readonly lateSteps: number;
}

/** One env, one policy. Streams are hot: subscribe before `run`. */
export class Agent<O = ObservationBatch> {
  private readonly options: AgentOptions<O>;
  private readonly stepSubject = new Subject<StepEvent<O>>();
  private readonly frameSubject = new Subject<FrameEvent>();
  private readonly actionSubject = new Subject<ActionEvent>();
  private readonly eventSubject = new Subject<AgentEvent>();
  private running = false;

  constructor(options: AgentOptions<O>) {
    this.options = options;
    if ("actChunk" in options.policy && options.env.numEnvs !== 1) {
      fail({
        code: "NOT_SUPPORTED",
        what: "a chunk policy drives one robot",
        expected: "an env of 1",
        got: `an env of ${options.env.numEnvs}`,
        fix: "make one agent per robot",
      });
    }
  }

  /** Every step, with the env's own arrays: copy what outlives the call. */
  get steps(): Observable<StepEvent<O>> {
    return this.stepSubject.asObservable();
  }

  /** Frames, where observations are frames or have some under the name `frame`. */
  get frames(): Observable<FrameEvent> {
    return this.frameSubject.asObservable();
  }

  get actions(): Observable<ActionEvent> {
    return this.actionSubject.asObservable();
  }

  get events(): Observable<AgentEvent> {
    return this.eventSubject.asObservable();
  }

  /**
   * Run until the first bound is met or `signal` aborts. Whatever ends it, a robot is told to stop.
   *
   * @throws RUN_BUSY while running, NOT_FINITE for an action with NaN (which reaches no env), and what env or policy throw
   */
  async run(options: RunOptions = {}): Promise<RunSummary> {
    if (this.running) fail({ code: "RUN_BUSY", what: "this agent is running already" });
    this.running = true;
    try {
      return await this.loop(options);
    } catch (error) {
      this.eventSubject.next({ type: "failed", error });
      throw error;
    } finally {
      this.running = false;
      this.halt();
    }
  }

  private async loop(run: RunOptions): Promise<RunSummary> {
    const { env, rateHz = 0, clock = systemPacing } = this.options;
    const episodes = new Episodes(env.numEnvs);
    const decider = this.decider(clock);
    const pacer = new Pacer(rateHz, clock);
    let { observations } = await env.reset({ seed: run.seed, options: run.resetOptions });
    let lateSteps = 0;
    let step = 0;
    for (; !isDone(run, step, episodes.returns.length); step++) {
      const lateMs = await pacer.next(run.signal);
      if (run.signal?.aborted === true) break;
      if (lateMs > 0 && lateMs >= 1000 / rateHz) {
        lateSteps += 1;
        this.eventSubject.next({ type: "late", step, lateMs });
      }
      const result = await this.advance({ decider, episodes, observations, step, now: () => clock.now() });
      observations = result.observations;
      if (!episodes.take(result, (event) => this.eventSubject.next(event))) continue;
      if (isDone(run, step + 1, episodes.returns.length)) continue;
      observations = (await env.reset({ mask: episodes.begins, options: run.resetOptions })).observations;
      pacer.restart();
    }
    return { steps: step, returns: episodes.returns, lateSteps };
  }

  private async advance(moment: Moment<O>): Promise<StepBatch<O>> {
    const { decider, episodes, observations, step, now } = moment;
    const begins = { ...episodes.begins, data: episodes.begins.data.slice() };
    const startMs = now();
    const actions = await this.patiently(step, () =>
      decider.decide(observations, begins, episodes.lengths[0]),
    );
    checkFinite(actions, step);
    const decidedMs = now();
    const before = this.stepSubject.observed ? copyTree(observations) : observations;
    const result = await this.options.env.step(actions);
    const timing = { decideMs: decidedMs - startMs, stepMs: now() - decidedMs };
    this.publish({ step, before, begins, actions, result, ...timing });
    return result;
  }

  private halt(): void {
    (this.options.env as { halt?: () => void }).halt?.();
  }

  private async patiently<T>(step: number, decide: () => Promise<T>): Promise<T> {
    const { patienceMs = 0, clock = systemPacing } = this.options;
    const deadlineMs = clock.now() + patienceMs;
    for (;;) {
      try {
        return await decide();
      } catch (error) {
        const away =
          error instanceof ReverieError && (error.code === "CONNECTION_LOST" || error.code === "TIMEOUT");
        if (!away || clock.now() >= deadlineMs) throw error;
        this.halt();
        this.eventSubject.next({ type: "policy-away", step, error });
        await clock.sleepUntil(clock.now() + askAgainMs);
      }
    }
  }

  private publish(event: StepEvent<O>): void {
    this.stepSubject.next(event);
    const { step, actions, result } = event;
    const executed = result.infos.executed?.values;
    this.actionSubject.next({ step, wanted: actions, executed: isNdArray(executed) ? executed : undefined });
    const frame = frameOf(result.observations);
    if (frame !== undefined) this.frameSubject.next({ step, frame });
  }

  private decider(clock: PacingClock): Decider<O> {
    const { policy, deterministic, rng, chunk } = this.options;
    const act = { deterministic, rng };
    if (!("actChunk" in policy)) return makeLockstep(policy, act);
    return makeChunked(policy, {
      ...chunk,
      act,
      now: () => clock.now(),
      report: (event) => this.eventSubject.next(event),
    });
  }
}

/** How soon a policy that was away is asked again. */
const askAgainMs = 100;

interface Moment<O> {
  readonly decider: Decider<O>;
  readonly episodes: Episodes;
  readonly observations: O;
  readonly step: number;
  readonly now: () => number;
}

/** Where each row's episode stands. */
class Episodes {
  /** bool [N]: rows whose next step is an episode's first. */
  readonly begins: NdArray<"bool">;
  readonly lengths: number[];
  readonly returns: number[] = [];
  private readonly sums: number[];

  constructor(numEnvs: number) {
    this.begins = zeros("bool", [numEnvs]);
    this.begins.data.fill(1);
    this.lengths = Array.from({ length: numEnvs }, () => 0);
    this.sums = Array.from({ length: numEnvs }, () => 0);
  }

  /** Count one step; true when a row has ended, which `begins` then says. */
  take(result: StepBatch<unknown>, report: (event: AgentEvent) => void): boolean {
    let any = false;
    for (let row = 0; row < this.lengths.length; row++) {
      this.sums[row] += result.rewards.data[row];
      this.lengths[row] += 1;
      const terminated = result.terminations.data[row] !== 0;
      const ended = terminated || result.truncations.data[row] !== 0;
      this.begins.data[row] = ended ? 1 : 0;
      if (!ended) continue;
      any = true;
      report({ type: "ended", row, steps: this.lengths[row], return: this.sums[row], terminated });
      this.returns.push(this.sums[row]);
      this.sums[row] = this.lengths[row] = 0;
    }
    return any;
  }
}

function isDone(
  { steps = Infinity, episodes = Infinity, signal }: RunOptions,
  taken: number,
  ended: number,
): boolean {
  return taken >= steps || ended >= episodes || signal?.aborted === true;
}

function checkFinite(actions: NdArray<"float32">, step: number): void {
  const bad = actions.data.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  fail({
    code: "NOT_FINITE",
    what: `the policy's action at step ${step} is not finite`,
    got: `${actions.data[bad]} at position ${bad}`,
    fix: "look for NaN in the observation; nothing was sent",
  });
}

function frameOf(observations: unknown): NdArray<"uint8"> | undefined {
  const candidate = isNdArray(observations)
    ? observations
    : (observations as { frame?: unknown } | null)?.frame;
  return isNdArray(candidate) && candidate.dtype === "uint8" && candidate.shape.length === 4
    ? (candidate as NdArray<"uint8">)
    : undefined;
}

/** Bring an env and a policy together. @throws NOT_SUPPORTED for a chunk policy with more than one row */
export function makeAgent<O = ObservationBatch>(options: AgentOptions<O>): Agent<O> {
  return new Agent(options);
}
