/** @file Laws of a single environment that replay it: ownership of arrays, determinism, infos, snapshots, frames, bound memory. */

import type { CheckReport } from "./check-report.ts";
import { firstDifference } from "./compare.ts";
import type { Env } from "./env.ts";

/** What the laws are checked on, and where the findings go. */
export interface Subject {
  readonly env: Env;
  readonly report: CheckReport;
  readonly seed: number;
  readonly actions: readonly unknown[];
}

/** Observations are the caller's to keep. */
export function checkOwnership({ env, report, seed, actions }: Subject): void {
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

/** Observations, rewards and flags of an episode; infos aside, which may say how long things took. */
function episode({ env, actions }: Subject, seed: number | undefined): unknown[] {
  const seen: unknown[] = [structuredClone(env.reset({ seed }).observation)];
  for (const action of actions) {
    const result = env.step(structuredClone(action));
    seen.push(structuredClone({ ...result, info: undefined }));
    if (result.terminated || result.truncated) break;
  }
  return seen;
}

/** Equal seeds and actions give equal episodes, and equal ones after them. */
export function checkDeterminism(subject: Subject): void {
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

/** Infos too, unless they tell times. */
export function checkInfos({ env, report, seed, actions }: Subject): void {
  const infos = () => [env.reset({ seed }).info, env.step(structuredClone(actions[0])).info];
  const difference = firstDifference(structuredClone(infos()), structuredClone(infos()));
  report.should(
    difference === undefined,
    `equal seeds and actions gave differing infos (${difference}): fine for times, not for facts of the task`,
  );
}

/** A snapshot holds all state and stays as it was. */
export function checkSnapshots(subject: Subject): void {
  const { env, report, seed } = subject;
  env.reset({ seed });
  const snapshot = env.snapshot!();
  const frozen = structuredClone(snapshot);
  const run = () =>
    subject.actions.slice(0, 5).map((action) => ({
      ...structuredClone(env.step(structuredClone(action) as never)),
      info: undefined,
    }));
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

/** Frames are pictures and the caller's to keep. */
export function checkRender({ env, report, seed, actions }: Subject): void {
  env.reset({ seed });
  const frame = env.render!();
  if (frame === undefined) {
    report.should(env.renderMode === undefined, `render() gave nothing in render mode "${env.renderMode}"`);
    return;
  }
  const kept = structuredClone(frame);
  const { dtype, shape } = frame;
  report.must(
    dtype === "uint8" &&
      shape.length === 3 &&
      shape[2] === 3 &&
      frame.data.length === shape[0] * shape[1] * 3,
    `render() must give frames uint8 [H, W, 3], gave ${dtype} [${shape.join(", ")}]`,
  );
  env.step(structuredClone(actions[0]));
  env.render!();
  report.must(
    firstDifference(kept, frame) === undefined,
    "a frame changed after it was returned: give a copy of the canvas",
  );
}

/** A vector env may hand the environment the memory of its observations. */
export function checkBind({ env, report, seed, actions }: Subject): void {
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
