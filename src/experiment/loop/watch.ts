/** @file The learned policy at work for the dashboard: in the simulator, and in dreams that begin where recorded episodes stood. */

import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import { withAutoreset } from "../../env/autoreset.ts";
import type { AutoresetVectorEnv } from "../../env/autoreset.ts";
import { makeImaginedEnv } from "../../env/imagined.ts";
import { withLatentObservations } from "../../env/latent.ts";
import type { Policy } from "../../policy/policy.ts";
import { makeReplayContexts } from "../../worldmodel/contexts.ts";
import type { WatchView, WatchWorld } from "../play/watch.ts";
import type { LoopConfig } from "./config.ts";
import { imaginedPolicy } from "./stage-imagination.ts";
import type { LoopTask } from "./task.ts";
import { Workspace } from "./workspace.ts";

const dreams = 8;
/** Twice what learning uses, so that drift shows. */
const dreamHorizon = 30;
const firstSeed = 53_000_000;

/** The seed of the run that has come furthest: the last one with a policy. */
function openWorkspace(task: LoopTask, config: LoopConfig, runPath: string): Workspace {
  const files = {
    path: runPath,
    file: (...parts: string[]) => join(runPath, ...parts),
    log: (line: string) => void process.stderr.write(`${line}\n`),
  };
  for (let k = config.seeds - 1; k >= 0; k--) {
    const work = new Workspace(task, config, files, config.seed + k);
    if (work.hasPolicy(imaginedPolicy)) return work;
  }
  return fail({
    code: "NOT_SUPPORTED",
    what: `${runPath} has no policy yet`,
    expected: "a run that has begun to learn in imagination",
    fix: "look again later",
  });
}

type Features = NdArray<"float32">;
type DrivenEnv = AutoresetVectorEnv<Features, NdArray<"float32">>;

/** One batch of environments under the policy; returns what each shows. */
function makeDriver(env: DrivenEnv, policy: Policy<Features>, ended: string): () => Promise<WatchView[]> {
  let observations: Features | undefined;
  const begins = zeros("bool", [env.numEnvs]);
  const look = async (actions: Float32Array | undefined, notes: readonly string[]): Promise<WatchView[]> => {
    const frames = (await env.render?.()) ?? [];
    const size = actions === undefined ? 0 : actions.length / env.numEnvs;
    return frames.map((frame, i) => {
      const [height, width] = frame?.shape ?? [0, 0];
      const action = Array.from(actions?.subarray(i * size, (i + 1) * size) ?? []);
      return {
        frame: { height, width, data: frame?.data ?? new Uint8Array() },
        action,
        note: notes[i] ?? "",
      };
    });
  };
  return async () => {
    if (observations === undefined) {
      observations = (await env.reset({ seed: firstSeed })).observations;
      return look(undefined, []);
    }
    const { actions } = await policy.act(observations, begins, { deterministic: true });
    const batch = await env.step(actions);
    observations = batch.observations;
    const notes = Array.from(batch.rewards.data, (reward, i) =>
      batch.terminations.data[i] !== 0 ? ended : `reward ${Number(reward).toFixed(2)}`,
    );
    return look(actions.data, notes);
  };
}

/** @throws NOT_SUPPORTED while the run has no policy */
export async function watchPolicy(task: LoopTask, config: LoopConfig, runPath: string): Promise<WatchWorld> {
  const work = openWorkspace(task, config, runPath);
  const model = work.model();
  const { policy } = work.loadPolicy(imaginedPolicy);
  const contexts = makeReplayContexts(model, await work.replay("validation"));
  const simulator = await task.makeEnv({ numEnvs: 1, split: "test" });
  const real = withAutoreset(withLatentObservations(simulator, model), "same-step");
  const imagined = withAutoreset(
    makeImaginedEnv({ model, contexts, numEnvs: dreams, horizon: dreamHorizon, seed: work.seed }),
    "same-step",
  );
  const { ended } = task.words;
  const [drive, dream] = [makeDriver(real, policy, ended), makeDriver(imagined, policy, ended)];
  return {
    title: `PPO in imagination, seed ${work.seed}`,
    actionNames: task.actionSpec.names,
    stepSeconds: model.stepSeconds,
    async step() {
      const [view] = await drive();
      return { real: view, dreams: await dream() };
    },
    close: async () => {
      await real.close();
      await imagined.close();
    },
  };
}
