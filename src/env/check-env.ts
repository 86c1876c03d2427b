/** @file `checkEnv`: runs a single environment through the rules of its contract and says what to change. */

import type { NdArray } from "../core/ndarray.ts";
import { isNdArray } from "../core/ndarray.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type { CheckResult } from "./check-report.ts";
import { CheckReport } from "./check-report.ts";
import { firstDifference } from "./compare.ts";
import type { Env, StepResult } from "./env.ts";

/** Options of `checkEnv`. */
export interface CheckEnvOptions {
  /** Default 123. */
  readonly seed?: number;
  /** Steps per rollout, default 50. */
  readonly steps?: number;
  /** Do not render (no display, slow). */
  readonly skipRender?: boolean;
  /** Leave the environment open. */
  readonly skipClose?: boolean;
  /** False: equal seeds need not give equal episodes; default: what the spec says. */
  readonly deterministic?: boolean;
}

interface Subject {
  readonly env: Env;
  readonly report: CheckReport;
  readonly seed: number;
  readonly actions: readonly unknown[];
}

function isSpace(value: unknown): value is Space {
  return typeof value === "object" && value !== null && "contains" in value && "sample" in value;
}

function checkBounds(report: CheckReport, space: Space, name: string): void {
  if (!(space instanceof Box)) return;
  const box = space as Box<NdArray["dtype"]>;
  const [low, high] = [
    Array.from(box.low.data as ArrayLike<number>),
    Array.from(box.high.data as ArrayLike<number>),
  ];
  report.should(
    low.every((bound, j) => bound < high[j]),
    `${name} has elements whose bounds are equal: they can never change`,
  );
  if (name !== "actionSpace") return;
  report.should(
    low.every((bound, j) => bound === -1 && high[j] === 1),
    `actions are not in [-1, 1] (${String(space)}): most learners expect that; RescaleAction maps them`,
  );
}

function checkSpaces({ env, report }: Subject): void {
  for (const name of ["observationSpace", "actionSpace"] as const) {
    report.must(isSpace(env[name]), `${name} must be a space, e.g. new Box(-1, 1, [3])`);
    if (isSpace(env[name])) checkBounds(report, env[name], name);
  }
  const { renderModes, renderFps } = env.metadata;
  report.must(Array.isArray(renderModes), "metadata.renderModes must be a list (empty: cannot render)");
  if (renderModes.length > 0) {
    report.must(
      typeof renderFps === "number" && renderFps > 0,
      "metadata.renderFps must be a positive number where there are render modes",
    );
  }
  report.must(
    env.renderMode === undefined || renderModes.includes(env.renderMode),
    `renderMode "${env.renderMode}" is none of metadata.renderModes`,
  );
  report.should(
    !("seed" in env),
    "a method seed() is not called by anybody: take the seed in reset({ seed })",
  );
}

function checkObservation({ env, report }: Subject, observation: unknown, where: string): void {
  const space = env.observationSpace as { contains(value: unknown): boolean; toString(): string };
  if (space.contains(observation)) return;
  const got = isNdArray(observation)
    ? `${observation.dtype} [${observation.shape.join(", ")}]`
    : typeof observation;
  report.must(
    false,
    `the observation of ${where} (${got}) lies outside observationSpace ${String(space)}: correct its dtype, shape or range`,
  );
}

function checkReset(subject: Subject): void {
  const { env, report, seed } = subject;
  const result = env.reset({ seed });
  report.must("observation" in result && "info" in result, "reset() must return { observation, info }");
  checkObservation(subject, result.observation, "reset()");
  report.must(
    typeof result.info === "object" && result.info !== null,
    "reset().info must be a record, {} when there is nothing to say",
  );
  checkObservation(subject, env.reset().observation, "reset() without arguments");
  checkObservation(subject, env.reset({ options: {} }).observation, "reset({ options: {} })");
}

function checkResult(subject: Subject, result: StepResult<unknown>): void {
  const { report } = subject;
  report.must(!("done" in result), "step() must say terminated and truncated, not done");
  for (const flag of ["terminated", "truncated"] as const) {
    report.must(
      typeof result[flag] === "boolean",
      `step().${flag} must be true or false, is ${typeof result[flag]}`,
    );
  }
  report.must(
    typeof result.reward === "number" && Number.isFinite(result.reward),
    `step().reward must be a finite number, is ${String(result.reward)}`,
  );
  report.must(typeof result.info === "object" && result.info !== null, "step().info must be a record");
  checkObservation(subject, result.observation, "step()");
}

function checkSteps(subject: Subject): void {
  const { env, report, seed } = subject;
  env.reset({ seed });
  for (const action of subject.actions) {
    const given = structuredClone(action);
    const result = env.step(given);
    const difference = firstDifference(given, action);
    report.must(
      difference === undefined,
      `step() changed the caller's action (${difference}): copy it first`,
    );
    checkResult(subject, result);
    if (result.terminated || result.truncated) env.reset();
  }
}

/** Observations are the caller's to keep. */
function checkOwnership({ env, report, seed, actions }: Subject): void {
  const first = env.reset({ seed }).observation;
  const kept = structuredClone(first);
  const second = env.step(structuredClone(actions[0]));
  const keptToo = structuredClone(second.observation);
  if (!second.terminated && !second.truncated) env.step(structuredClone(actions[1]));
  const difference = firstDifference(kept, first) ?? firstDifference(keptToo, second.observation);
  report.must(
    difference === undefined,
    `an observation changed after it was returned (${difference}): return a copy of the state`,
  );
}

function episode({ env, actions }: Subject, seed: number | undefined): unknown[] {
  const seen: unknown[] = [structuredClone(env.reset({ seed }).observation)];
  for (const action of actions) {
    const result = env.step(structuredClone(action));
    seen.push(structuredClone({ ...result, info: undefined }));
    if (result.terminated || result.truncated) break;
  }
  return seen;
}

function checkDeterminism(subject: Subject): void {
  const { report, seed } = subject;
  const [a, aNext] = [episode(subject, seed), episode(subject, undefined)];
  const [b, bNext] = [episode(subject, seed), episode(subject, undefined)];
  const reset = firstDifference(a[0], b[0]);
  report.must(
    reset === undefined,
    `two resets with seed ${seed} differ (${reset}): draw only from a generator made from the seed`,
  );
  const step = firstDifference(a, b);
  report.must(
    step === undefined,
    `equal seeds and actions gave differing steps (${step}): state survives reset, or another generator is used`,
  );
  const next = firstDifference(aNext, bNext);
  report.must(
    next === undefined,
    `the episode after a seeded one differs (${next}): an unseeded reset must go on in the seeded generator`,
  );
}

function checkSnapshots(subject: Subject): void {
  const { env, report, seed } = subject;
  env.reset({ seed });
  const snapshot = env.snapshot!();
  const frozen = structuredClone(snapshot);
  const run = () =>
    subject.actions.slice(0, 5).map((action) => structuredClone(env.step(structuredClone(action) as never)));
  const a = run();
  const shared = firstDifference(snapshot, frozen);
  report.must(
    shared === undefined,
    `a snapshot changed while the environment went on (${shared}): copy the state into it`,
  );
  env.restore!(frozen);
  const difference = firstDifference(a, run());
  report.must(
    difference === undefined,
    `after restore the same actions gave other results (${difference}): snapshot all state, the generator included`,
  );
}

function checkRender({ env, report, seed }: Subject): void {
  env.reset({ seed });
  const frame = env.render!();
  if (frame === undefined) {
    report.should(env.renderMode === undefined, `render() gave nothing in render mode "${env.renderMode}"`);
    return;
  }
  const { dtype, shape } = frame;
  report.must(
    dtype === "uint8" &&
      shape.length === 3 &&
      shape[2] === 3 &&
      frame.data.length === shape[0] * shape[1] * 3,
    `render() must give frames uint8 [H, W, 3], gave ${dtype} [${shape.join(", ")}]`,
  );
}

/** A vector env may hand the environment the memory of its observations. */
function checkBind({ env, report, seed, actions }: Subject): void {
  const memory = structuredClone(env.reset({ seed }).observation);
  const plain = structuredClone(env.step(structuredClone(actions[0]) as never));
  env.bind!(memory);
  env.reset({ seed });
  const bound = env.step(structuredClone(actions[0]));
  const difference =
    firstDifference(plain, structuredClone(bound)) ?? firstDifference(plain.observation, memory);
  report.must(
    difference === undefined,
    `after bind(memory) observations must be written to memory (${difference})`,
  );
}

/** The laws of what an environment may have: replay, snapshots, frames, bound memory. */
function checkOptional(subject: Subject, options: CheckEnvOptions): void {
  const { env, report } = subject;
  const replays = options.deterministic ?? env.spec?.nondeterministic !== true;
  const unless = (has: boolean, why: string) =>
    has ? (replays ? undefined : "declared nondeterministic") : why;
  const laws: [string, (subject: Subject) => void, string | undefined][] = [
    ["determinism", checkDeterminism, unless(true, "")],
    [
      "snapshots",
      checkSnapshots,
      unless(env.snapshot !== undefined && env.restore !== undefined, "the environment has none"),
    ],
    [
      "render",
      checkRender,
      env.render === undefined || options.skipRender === true
        ? "nothing to render, or not wanted"
        : undefined,
    ],
    ["bind", checkBind, unless(env.bind !== undefined, "the environment has none")],
  ];
  for (const [name, check, reason] of laws) {
    if (reason === undefined) report.lawSync(name, () => check(subject));
    else report.skip(name, reason);
  }
}

/**
 * Check a single environment against its contract: spaces, reset, step, determinism, ownership of arrays, snapshots,
 * rendering, bind, close. The environment is driven and, unless `skipClose`, closed.
 * @returns warnings, and what was and was not checked
 * @throws ENV_CONTRACT listing every broken rule with what to change
 * @source Gymnasium 1.4 `env_checker.py`
 */
export function checkEnv(env: Env, options: CheckEnvOptions = {}): CheckResult {
  const report = new CheckReport();
  const { seed = 123, steps = 50 } = options;
  report.lawSync("spaces", () => checkSpaces({ env, report, seed, actions: [] }));
  if (report.problems.length > 0) return report.finish("environment");
  env.actionSpace.seed(seed);
  const actions = Array.from({ length: Math.max(steps, 2) }, () => env.actionSpace.sample());
  const subject: Subject = { env, report, seed, actions };
  report.lawSync("reset", () => checkReset(subject));
  report.lawSync("step", () => checkSteps(subject));
  report.lawSync("ownership of arrays", () => checkOwnership(subject));
  checkOptional(subject, options);
  if (options.skipClose !== true) report.lawSync("close", () => [env.close(), env.close()]);
  return report.finish("environment");
}
