/**
 * @file Fine-tuning: a saved world model trained further on other episodes, all of its weights or a low-rank adapter beside
 * them.
 *
 * The base's normalizers stay, as its weights were trained behind them; only the mean reward of ending steps, which no
 * weight sees, is that of the new episodes.
 * @source Hu et al. 2022, LoRA; Cosmos-Predict2, post-training (LoRA on attention and perceptron layers)
 */

import { jit, type Tensor } from "../../engine/jit.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import { initLora, mergeLora, withLora, type LoraAdapter, type LoraConfig } from "../../nn/lora.ts";
import type { OptimizerConfig } from "../../nn/optimizers.ts";
import { makeTrainStep, weightsOf, type TrainState } from "../../nn/trainer.ts";
import { flattenTree } from "../../nn/tree.ts";
import type { LatentReplay } from "../contexts.ts";
import type { ModelFacts, TunableModel, TuningPhase, Weights } from "./fine-tune-kinds.ts";
import { fitNormalizers } from "../normalizers.ts";
import type { ActionSpec } from "../worldmodel.ts";

/** All weights, or an adapter beside them. */
export type TuningMethod = { readonly kind: "full" } | ({ readonly kind: "lora" } & LoraConfig);

/** Options of `makeFineTuner`. */
export interface FineTunerOptions {
  readonly base: TunableModel;
  readonly method: TuningMethod;
  /** New episodes, encoded by the base's tokenizer. */
  readonly replay: LatentReplay;
  readonly phase: TuningPhase;
  /** What the new episodes' actions mean; the base's unless given. As many numbers as there. */
  readonly actionSpec?: ActionSpec;
  /** Share of the weights' moving average that survives a step; default 0.95. */
  readonly averageDecay?: number;
  readonly rng: Rng;
}

/** One adapter per member. */
export interface TunedAdapter {
  readonly config: LoraConfig;
  readonly members: readonly LoraAdapter<NdArray>[];
}

/** Trains a base further; its state is one checkpoint. */
export interface FineTuner {
  /** How many numbers are trained, and how many the base has. */
  readonly trained: number;
  readonly total: number;
  readonly facts: ModelFacts;
  /** Step `index`; an ensemble's members take turns. @throws NOT_FINITE */
  step(index: number, learningRate: number, rng: Rng): Promise<Record<string, number>>;
  /** Mean losses over `batches` windows of any replay, the same ones for a seed. */
  losses(replay: LatentReplay, batches: number, seed: number): Promise<Record<string, number>>;
  state(): { readonly members: readonly TrainState<Weights>[] };
  load(state: { readonly members: readonly TrainState<Weights>[] }): void;
  /** The weights as they are now, an adapter merged into them. */
  members(): Weights[];
  /** The adapter, when it is one that is trained. */
  adapter(): TunedAdapter | undefined;
}

/** A fixed base beside the windows: an adapter's gradient needs both. */
interface StepBatch {
  readonly base: Weights;
  readonly windows: never;
}

// Momentum made orthogonal suits whole matrices; the thin ones of an adapter it would only turn.
const optimizers: Readonly<Record<TuningMethod["kind"], OptimizerConfig>> = {
  full: { kind: "muon", adamScale: 0.25, clipNorm: 1 },
  lora: { kind: "adamw", clipNorm: 1 },
};

function factsOf({ base, replay, actionSpec = base.actionSpec }: FineTunerOptions): ModelFacts {
  if (actionSpec.names.length !== base.actionSpec.names.length) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: "the new episodes' actions are of another size than the base's",
      expected: `${base.actionSpec.names.length}: ${base.actionSpec.names.join(", ")}`,
      got: `${actionSpec.names.length}: ${actionSpec.names.join(", ")}`,
      fix: "record the same controls, or train a model of its own",
    });
  }
  const { normalizers } = base;
  const ends = replay.episodes.some(({ terminated }) => terminated);
  const { terminalReward } = ends ? fitNormalizers(replay, normalizers.stateMean.length) : normalizers;
  return { actionSpec, normalizers: { ...normalizers, terminalReward } };
}

const countOf = (tree: unknown): number =>
  [...flattenTree<NdArray>(tree).values()].reduce((sum, { data }) => sum + data.length, 0);

/** Validation in the weights' own graph, without gradients. */
function lossReader(base: TunableModel, phase: TuningPhase) {
  const read = jit(
    ({ own, windows }: { own: Weights; windows: never }) => {
      const { loss, metrics } = base.loss(own, windows);
      return { loss, ...metrics };
    },
    { name: "finetune.validation" },
  );
  return async (own: Weights, replay: LatentReplay, rng: Rng): Promise<Record<string, number>> => {
    const windows = base.windows(replay, phase, rng);
    const out = (await read({ own, windows } as never)) as unknown as Record<string, NdArray<"float32">>;
    return Object.fromEntries(Object.entries(out).map(([name, { data }]) => [name, data[0]]));
  };
}

function meanOf(all: readonly Record<string, number>[]): Record<string, number> {
  const names = Object.keys(all[0]);
  return Object.fromEntries(
    names.map((name) => [name, all.reduce((sum, one) => sum + one[name], 0) / all.length]),
  );
}

function compileStep({ base, method, averageDecay = 0.95 }: FineTunerOptions) {
  const lora = method.kind === "lora" ? method : undefined;
  return makeTrainStep<Weights, StepBatch>({
    name: "fine-tuning",
    loss: (own, batch) =>
      base.loss(lora ? withLora(batch.base, own as LoraAdapter<Tensor>, lora) : own, batch.windows),
    optimizer: optimizers[method.kind],
    averageDecay,
  });
}

/** @throws INVALID_ARGUMENT for an adapter that would change nothing, CHECKPOINT_MISMATCH for actions of another size */
export function makeFineTuner(options: FineTunerOptions): FineTuner {
  const { base, method, replay, phase, rng } = options;
  const facts = factsOf(options);
  const lora = method.kind === "lora" ? method : undefined;
  const step = compileStep(options);
  const begin = base.members.map((member) => (lora ? initLora(rng, member, lora) : member));
  let states: TrainState<Weights>[] = begin.map((own) => step.init(own as never));
  const read = lossReader(base, phase);
  const members = (): Weights[] =>
    states.map((state, i) => {
      const own = weightsOf(state);
      return lora ? mergeLora(base.members[i], own as LoraAdapter<NdArray>, lora) : own;
    });
  return {
    trained: countOf(begin),
    total: countOf(base.members),
    facts,
    async step(index, learningRate, stepRng) {
      const turn = index % states.length;
      const windows = base.windows(replay, phase, stepRng);
      const batch = { base: lora ? base.members[turn] : {}, windows };
      const result = await step.step(states[turn], batch as never, learningRate);
      states[turn] = result.state;
      return result.metrics;
    },
    async losses(of, batches, seed) {
      const all: Record<string, number>[] = [];
      for (const member of members())
        for (let i = 0; i < batches; i++) all.push(await read(member, of, Rng.fromSeed([seed, i])));
      return meanOf(all);
    },
    state: () => ({ members: states }),
    load: (next) => void (states = [...next.members]),
    members,
    adapter: () =>
      lora && { config: lora, members: states.map((state) => weightsOf(state) as LoraAdapter<NdArray>) },
  };
}
