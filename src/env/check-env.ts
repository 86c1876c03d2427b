/** @file `checkEnv`: runs a single environment through the rules of its contract and says what to change. */

import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { isNdArray } from "../core/ndarray.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type { CheckResult } from "./check-report.ts";
import { CheckReport } from "./check-report.ts";
import {
  checkBind,
  checkDeterminism,
  checkInfos,
  checkOwnership,
  checkRender,
  checkSnapshots,
} from "./check-env-laws.ts";
import type { Subject } from "./check-env-laws.ts";
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

function isSpace(value: unknown): value is Space {
  return typeof value === "object" && value !== null && "contains" in value && "sample" in value;
}

/** A space and those inside of it, each with the path that leads to it. */
function partsOf(space: Space, path: string): [string, Space][] {
  const { spaces = {} } = space as { readonly spaces?: Readonly<Record<string, Space>> };
  const inner = Object.entries(spaces).flatMap(([key, part]) => partsOf(part, `${path}.${key}`));
  return [[path, space], ...inner];
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
  report.should(
    [...low, ...high].every(Number.isFinite),
    `${name} has infinite bounds (${String(space)}): learners scale by the bounds; give real ones where you know them`,
  );
  if (!name.startsWith("actionSpace")) return;
  report.should(
    low.every((bound, j) => bound === -1 && high[j] === 1),
    `actions are not in [-1, 1] (${String(space)}): most learners expect that; RescaleAction maps them`,
  );
}

function checkSpaces({ env, report }: Subject): void {
  for (const name of ["observationSpace", "actionSpace"] as const) {
    report.must(isSpace(env[name]), `${name} must be a space, e.g. new Box(-1, 1, [3])`);
    if (!isSpace(env[name])) continue;
    for (const [path, part] of partsOf(env[name], name)) checkBounds(report, part, path);
    const own = env[name].contains(env[name].sample());
    report.must(own, `${name} does not contain its own samples: correct its sample() or contains()`);
  }
  const { renderModes, renderFps } = env.metadata ?? {};
  if (!Array.isArray(renderModes)) {
    report.must(false, "metadata.renderModes must be a list (empty: cannot render)");
    return;
  }
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

/** False when the environment must be waited for: then no other law can be checked. */
function checkReset(subject: Subject): boolean {
  const { env, report, seed } = subject;
  const result = env.reset({ seed });
  if (result instanceof Promise) {
    report.must(
      false,
      "reset() gave a promise: an Env is synchronous; what must be waited for is a VectorEnv",
    );
    return false;
  }
  report.must("observation" in result && "info" in result, "reset() must return { observation, info }");
  checkObservation(subject, result.observation, "reset()");
  report.must(
    typeof result.info === "object" && result.info !== null,
    "reset().info must be a record, {} when there is nothing to say",
  );
  checkObservation(subject, env.reset().observation, "reset() without arguments");
  checkObservation(subject, env.reset({ options: {} }).observation, "reset({ options: {} })");
  return true;
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
  for (const [t, action] of subject.actions.entries()) {
    const given = structuredClone(action);
    const result = env.step(given);
    const difference = firstDifference(given, action);
    report.must(
      difference === undefined,
      `step() changed the caller's action (${difference}): copy it first`,
    );
    checkResult(subject, result);
    report.should(
      !result.truncated || t > 0,
      "the first step was truncated: leave time limits to make({ maxEpisodeSteps })",
    );
    if (result.terminated || result.truncated) env.reset();
  }
}

/** The laws of what an environment may have: replay, snapshots, frames, bound memory. */
function checkOptional(subject: Subject, options: CheckEnvOptions): void {
  const { env, report } = subject;
  const replays = options.deterministic ?? env.spec?.nondeterministic !== true;
  const unless = (has: boolean, why: string) =>
    has ? (replays ? undefined : "declared nondeterministic") : why;
  const laws: [string, (subject: Subject) => void, string | undefined][] = [
    ["determinism", checkDeterminism, unless(true, "")],
    ["infos", checkInfos, unless(true, "")],
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
  if (typeof env !== "object" || env === null || "numEnvs" in env) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "checkEnv of something that is no single environment",
      expected: "an Env: reset, step, observationSpace, actionSpace, metadata, close",
      got: typeof env === "object" && env !== null ? "a vector environment" : String(env),
      fix: "check vector environments with await checkVectorEnv(env)",
    });
  }
  const report = new CheckReport();
  const { seed = 123, steps = 50 } = options;
  report.lawSync("spaces", () => checkSpaces({ env, report, seed, actions: [] }));
  if (report.problems.length > 0) return report.finish("environment");
  env.actionSpace.seed(seed);
  const actions = Array.from({ length: Math.max(steps, 2) }, () => env.actionSpace.sample());
  const subject: Subject = { env, report, seed, actions };
  let answers = true;
  report.lawSync("reset", () => {
    answers = checkReset(subject);
  });
  if (!answers) return report.finish("environment");
  report.lawSync("step", () => checkSteps(subject));
  report.lawSync("ownership of arrays", () => checkOwnership(subject));
  checkOptional(subject, options);
  if (options.skipClose !== true) report.lawSync("close", () => [env.close(), env.close()]);
  return report.finish("environment");
}
