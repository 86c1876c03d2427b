/** @file The conformance suite over classic control, driving and every wrapper. */

import type { ObservationBatch, VectorEnv } from "../../src/env/env.ts";
import { Registry } from "../../src/env/registry.ts";
import { SyncVectorEnv } from "../../src/env/vector/sync.ts";
import { wrappers as W } from "../../src/env/wrappers/wrappers.ts";
import { builtinEnvs } from "../../src/sim/envs.ts";
import { conforms } from "./conformance.ts";
import { ImageEnv } from "./image-env.ts";

type Any = VectorEnv<ObservationBatch, never>;

const registry = new Registry(builtinEnvs);
const primitive = async (id: string, options: Record<string, unknown> = {}) =>
  (await registry.makeVec(id, { numEnvs: 3, autoreset: "disabled", maxEpisodeSteps: 12, ...options }))
    .primitive;

for (const { id, vectorEntryPoint, entryPoint } of builtinEnvs) {
  const steps = id.startsWith("Arm") ? 14 : id.startsWith("Drive") ? 30 : 40;
  // Pictures are slow; one arm has them.
  const kwargs = /^Arm(Push|Pick)/.test(id) ? { observation: "goal" } : {};
  if (entryPoint !== undefined)
    conforms(`${id}, sync`, () => primitive(id, { mode: "sync", ...kwargs }), { steps });
  if (vectorEntryPoint !== undefined)
    conforms(`${id}, batched`, () => primitive(id, { mode: "batched" }), { steps });
}

const images = () => new SyncVectorEnv([0, 1, 2].map(() => new ImageEnv())) as VectorEnv;
const poles = () => primitive("CartPole-v1", { mode: "sync" });
const pendulums = () => primitive("Pendulum-v1", { mode: "sync" });

const wrapped: Record<string, () => unknown> = {
  TimeLimit: async () => W.TimeLimit(await poles(), 5),
  OrderEnforcing: async () => W.OrderEnforcing(await poles()),
  RecordEpisodeStatistics: async () => W.RecordEpisodeStatistics(await poles(), { clock: () => 0 }),
  FrameStackObservation: () => W.FrameStackObservation(images(), { stackSize: 3 }),
  ResizeObservation: () => W.ResizeObservation(images(), { shape: [2, 4] }),
  GrayscaleObservation: () => W.GrayscaleObservation(images()),
  NormalizeReward: async () => W.NormalizeReward(await pendulums(), { updateRunningMean: false }),
  NormalizeObservation: async () => W.NormalizeObservation(await poles(), { updateRunningMean: false }),
  RescaleObservation: () => W.RescaleObservation(images(), { minObs: 0, maxObs: 1 }),
  RescaleAction: async () => W.RescaleAction(await pendulums()),
  ClipAction: async () => W.ClipAction(await pendulums()),
  ClipReward: async () => W.ClipReward(await pendulums(), { minReward: -1 }),
  StickyAction: async () =>
    W.StickyAction(await poles(), { repeatActionProbability: 0.4, repeatActionDuration: [1, 3] }),
  RepeatAction: async () => W.RepeatAction(await poles(), { numRepeats: 3 }),
  MaxAndSkipObservation: () => W.MaxAndSkipObservation(images(), { skip: 2 }),
  ActionChunk: async () => W.ActionChunk(await pendulums(), { chunkSize: 3 }),
  DelayObservation: async () => W.DelayObservation(await poles(), { delay: 2 }),
  DelayAction: async () => W.DelayAction(await pendulums(), { delay: 2 }),
  FlattenObservation: () => W.FlattenObservation(images()),
  DtypeObservation: () => W.DtypeObservation(images(), { dtype: "float32" }),
  ReshapeObservation: () => W.ReshapeObservation(images(), { shape: [72] }),
  TimeAwareObservation: async () => W.TimeAwareObservation(await poles(), { maxEpisodeSteps: 12 }),
  "TimeAwareObservation, not flat, filtered": async () =>
    W.FilterObservation(W.TimeAwareObservation(await poles(), { maxEpisodeSteps: 12, flatten: false }), {
      filterKeys: ["time"],
    }),
  DiscretizeAction: async () => W.DiscretizeAction(await pendulums(), { bins: 3 }),
  DiscretizeObservation: async () =>
    W.DiscretizeObservation(await pendulums(), { bins: 3, multidiscrete: true }),
  AddRenderObservation: () => W.AddRenderObservation(images(), { renderOnly: false }),
  TransformObservation: () => W.TransformObservation(images(), (frame) => frame),
  TransformAction: async () => {
    const env = await pendulums();
    return W.TransformAction(env, (action: unknown) => action, env.singleActionSpace);
  },
  TransformReward: async () => W.TransformReward(await poles(), (reward) => 2 * reward),
};

for (const [name, make] of Object.entries(wrapped)) {
  conforms(name, async () => (await make()) as Any, { steps: 30 });
}
