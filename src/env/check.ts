/** @file `checkVectorEnv`: runs a vector environment through every law of its contract and says what to change. */

import { fail, ReverieError } from "../core/errors.ts";
import { AutoresetVectorEnv, withAutoreset } from "./autoreset.ts";
import { cloneBatch, rowAt } from "./batch.ts";
import { checkMaskedReset, checkMaskedStep } from "./check-masks.ts";
import type { CheckResult } from "./check-report.ts";
import { CheckReport } from "./check-report.ts";
import type { AnyVectorEnv, CheckVectorOptions, Subject } from "./check-subject.ts";
import {
  advance,
  checkInfos,
  checkObservations,
  checkStepBatch,
  endsOf,
  keepStep,
  maskOf,
  resetOf,
  rollout,
} from "./check-subject.ts";
import { firstDifference } from "./compare.ts";
import type { ObservationBatch, StepBatch, VectorEnv } from "./env.ts";

export type { CheckVectorOptions } from "./check-subject.ts";

async function checkShapes(subject: Subject): Promise<void> {
  const { env, report, seed } = subject;
  report.must(Number.isInteger(env.numEnvs) && env.numEnvs > 0, "numEnvs must be a positive integer");
  report.must(
    Array.isArray(env.metadata.renderModes),
    "metadata.renderModes must be a list (empty: cannot render)",
  );
  report.must(
    (env.stepSync === undefined) === (env.resetSync === undefined),
    "stepSync and resetSync must be present both or not at all",
  );
  const first = await resetOf(subject, { seed });
  checkObservations(subject, first.observations, "reset().observations");
  checkInfos(report, first.infos, env.numEnvs, "reset().infos");
  for (let t = 0; t < subject.steps; t++) {
    checkStepBatch(subject, await advance(subject, subject.actionAt(t)), "step()");
  }
}

async function checkDeterminism(subject: Subject): Promise<void> {
  const { env, report, seed } = subject;
  const run = async (seeds: number | number[]) => {
    const first = cloneBatch(
      env.singleObservationSpace,
      (await resetOf(subject, { seed: seeds })).observations,
    );
    return { first, steps: await rollout(subject) };
  };
  const a = await run(seed);
  const b = await run(seed);
  const reset = firstDifference(a.first, b.first);
  report.must(
    reset === undefined,
    `two resets with seed ${seed} differ (${reset}): draw only from the generator that the seed creates`,
  );
  const step = firstDifference(a.steps, b.steps);
  report.must(
    step === undefined,
    `equal seeds and actions gave differing steps (${step}): state survives reset, or a global generator is used`,
  );
  if (env.metadata.sharedGenerator === true) return;
  const c = await run(Array.from({ length: env.numEnvs }, (_, i) => seed + i));
  const list = firstDifference(a.first, c.first);
  report.must(
    list === undefined,
    `seed ${seed} differs from seeds [${seed}, ${seed + 1}, …] (${list}): row i must get seed + i`,
  );
}

async function checkOwnership(subject: Subject): Promise<void> {
  const { env, report, seed } = subject;
  await resetOf(subject, { seed });
  const given = subject.actionAt(0);
  const live = await env.step(given);
  const difference = firstDifference(given, subject.actionAt(0));
  report.must(difference === undefined, `step changed the caller's actions (${difference}): copy them first`);
  if (!(env instanceof AutoresetVectorEnv) || !env.copies) return;
  const kept = keepStep(env, live);
  for (let t = 1; t < 4; t++) await advance(subject, subject.actionAt(t));
  const overwritten = firstDifference(kept, keepStep(env, live));
  report.must(
    overwritten === undefined,
    `made with copy: true, but a later step overwrote an earlier result (${overwritten})`,
  );
}

/** After restore, rows that a masked reset leaves out must show the observations of the snapshot's time. */
async function checkRestoredRows(subject: Subject, at: ObservationBatch): Promise<void> {
  const { env, report } = subject;
  const space = env.singleObservationSpace;
  const { observations } = await resetOf(subject, { mask: maskOf(env.numEnvs, (i) => i % 2 === 0) });
  for (let i = 1; i < env.numEnvs; i += 2) {
    const difference = firstDifference(rowAt(space, at, i), rowAt(space, observations, i));
    report.must(
      difference === undefined,
      `after restore a masked reset gives row ${i} a later observation (${difference}): snapshot the last observations too`,
    );
  }
}

async function checkSnapshots(subject: Subject): Promise<void> {
  const { env, report, seed } = subject;
  await resetOf(subject, { seed });
  await advance(subject, subject.actionAt(0));
  const { observations } = await resetOf(subject, { mask: maskOf(env.numEnvs, (i) => i === 0) });
  const at = cloneBatch(env.singleObservationSpace, observations);
  const snapshot = env.snapshot!();
  const frozen = structuredClone(snapshot);
  const a = await rollout(subject, 1);
  const shared = firstDifference(snapshot, frozen);
  report.must(
    shared === undefined,
    `a snapshot changed while the environment went on (${shared}): copy the state into it`,
  );
  env.restore!(frozen);
  await checkRestoredRows(subject, at);
  env.restore!(frozen);
  const b = await rollout(subject, 1);
  const difference = firstDifference(a, b);
  report.must(
    difference === undefined,
    `after restore the same actions gave other results (${difference}): snapshot all state, the generator included`,
  );
}

function checkModeOf(subject: Subject, before: Uint8Array, batch: StepBatch): void {
  const { env, report } = subject;
  const mode = env.metadata.autoreset ?? "disabled";
  const ends = endsOf(batch);
  for (let i = 0; i < env.numEnvs; i++) {
    if (mode !== "next-step")
      report.must(batch.valid.data[i] === 1, `${mode}: every stepped row must be valid`);
    else if (before[i] === 0)
      report.must(batch.valid.data[i] === 1, "next-step: a row that did not just end must be valid");
    else {
      const artificial = batch.rewards.data[i] === 0 && ends[i] === 0 && batch.valid.data[i] === 0;
      report.must(artificial, "next-step: the step after an end must reset: reward 0, flags 0, valid 0");
    }
  }
  if (mode !== "same-step") {
    report.must(batch.finalObservations === undefined, `${mode}: finalObservations belong to same-step only`);
    return;
  }
  const difference = firstDifference(batch.finalMask?.data, ends);
  report.must(
    difference === undefined,
    `same-step: finalMask must mark exactly the rows that ended (${difference})`,
  );
  if (ends.includes(1)) checkObservations(subject, batch.finalObservations!, "finalObservations", ends);
}

async function checkAutoreset(subject: Subject): Promise<void> {
  const { env, report, seed } = subject;
  await resetOf(subject, { seed });
  let before: Uint8Array = new Uint8Array(env.numEnvs);
  let episodes = 0;
  for (let t = 0; t < subject.steps; t++) {
    const batch = await advance(subject, subject.actionAt(t));
    checkModeOf(subject, before, batch);
    before = endsOf(batch);
    episodes += before.reduce((sum, flag) => sum + flag, 0);
  }
  report.should(
    episodes > 0,
    `no episode ended within ${subject.steps} steps; pass more steps to check resets`,
  );
}

async function refused(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error instanceof ReverieError ? error.code : "another error";
  }
}

async function checkClose(subject: Subject): Promise<void> {
  const { env, report } = subject;
  await env.close();
  await env.close();
  const code = await refused(async () => env.step(subject.actionAt(0)));
  report.should(code !== undefined, "step after close() should fail with ENV_CLOSED");
}

async function checkLaws(subject: Subject, prefix: string): Promise<void> {
  const { env, report, options } = subject;
  const replays = options.deterministic !== false;
  const law = (name: string, check: (subject: Subject) => Promise<void>) =>
    report.law(prefix + name, () => check(subject));
  await law("shapes and spaces", checkShapes);
  if (replays) await law("determinism", checkDeterminism);
  else report.skip(`${prefix}determinism`, "declared nondeterministic");
  await law("masked reset", checkMaskedReset);
  await law("masked step", checkMaskedStep);
  await law("ownership of arrays", checkOwnership);
  await law("autoreset", checkAutoreset);
  if (env.snapshot === undefined || env.restore === undefined)
    report.skip(`${prefix}snapshots`, "the environment has none");
  else if (replays) await law("snapshots", checkSnapshots);
}

/**
 * Check a vector environment against every law of its contract: shapes and spaces, determinism, row seeds, masked reset
 * and step, ownership of arrays, autoreset, snapshots, close. A primitive is also checked through all three modes.
 *
 * The environment is driven and, unless `keepOpen`, closed.
 * @returns warnings, and what was and was not checked
 * @throws ENV_CONTRACT listing every broken law with what to change
 */
export async function checkVectorEnv(
  env: VectorEnv<ObservationBatch, never>,
  options: CheckVectorOptions = {},
): Promise<CheckResult> {
  const subject = env as unknown as AnyVectorEnv;
  if (!("numEnvs" in subject)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "checkVectorEnv of something that is no vector environment",
      expected: "a VectorEnv: numEnvs, reset, step, spaces, metadata, close",
      fix: "check single environments with checkEnv(env)",
    });
  }
  const seed = options.seed ?? 123;
  const report = new CheckReport();
  subject.actionSpace.seed(seed);
  const action = options.actions ?? (() => subject.actionSpace.sample());
  const steps = Math.max(options.steps ?? 60, 4);
  const actions = Array.from({ length: steps }, (_, t) => structuredClone(action(t)));
  const base = {
    env: subject,
    report,
    options,
    seed,
    steps,
    actionAt: (t: number) => structuredClone(actions[t]),
  };
  const primitive =
    (subject.metadata.autoreset ?? "disabled") === "disabled" && !(subject instanceof AutoresetVectorEnv);
  await checkLaws(base, "");
  for (const mode of primitive ? (["next-step", "same-step", "disabled"] as const) : []) {
    await checkLaws({ ...base, env: withAutoreset(subject, mode, { copy: true }) }, `${mode}: `);
  }
  if (options.keepOpen !== true) await report.law("close", () => checkClose(base));
  return report.finish(`vector environment of ${subject.numEnvs}`);
}
