/** @file Fine-tuning as a run: train with a validation loss per epoch, save, and judge new and old domain before and after. */

import { Rng } from "../../core/rng.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { loadContinuousTokenizer } from "../../tokenizer/continuous.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { openLoopScores, type HorizonScore } from "../../worldmodel/measures/evaluate.ts";
import { makeFineTuner, type FineTuner } from "../../worldmodel/fine-tune/fine-tune.ts";
import { openTunable, type TunableModel } from "../../worldmodel/fine-tune/fine-tune-kinds.ts";
import { saveAdapter } from "../../worldmodel/fine-tune/lora-file.ts";
import type { EncodedWorldModel } from "../../worldmodel/worldmodel.ts";
import type { Experiment } from "../experiment.ts";
import type { Stage, StageContext } from "../stages.ts";
import type { ResultTable } from "../report/table.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import { finetuneSchema, type FinetuneConfig } from "./config.ts";
import { openDomain, openSplit, type Domain, type DomainForm } from "./domain.ts";

const loopName = "finetune";

/** What the stages of a run share; read anew after a resume. */
interface Work {
  readonly tokenizer: Tokenizer;
  readonly base: TunableModel;
  readonly form: DomainForm;
  readonly train: Domain;
  readonly validation: Domain;
  readonly old: Domain | undefined;
}

async function openWork(config: FinetuneConfig): Promise<Work> {
  const tokenizer = loadContinuousTokenizer(config.tokenizer, Rng.fromSeed(0));
  const base = openTunable(config.base, tokenizer);
  const stateSize = base.normalizers.stateMean.length;
  const form = { tokenizer, stateSize, actionSize: base.actionSpec.names.length };
  const { data, validation, old } = config;
  const split =
    validation === undefined
      ? await openSplit(data, form)
      : { train: await openDomain(data, form), validation: await openDomain(validation, form) };
  return {
    tokenizer,
    base,
    form,
    ...split,
    old: old === undefined ? undefined : await openDomain(old, form),
  };
}

function tunerOf(config: FinetuneConfig, { base, train }: Work): FineTuner {
  const { method, seed, training } = config;
  const { replay, actionSpec } = train;
  const rng = Rng.fromSeed([seed, 0]);
  return makeFineTuner({ base, method, replay, phase: training, actionSpec, rng });
}

/** Losses on new and old domain, as metrics of one epoch. */
async function validate(
  tuner: FineTuner,
  work: Work,
  config: FinetuneConfig,
): Promise<Record<string, number>> {
  const { lossBatches } = config.evaluation;
  const fresh = await tuner.losses(work.validation.replay, lossBatches, config.seed);
  const named = Object.entries(fresh).map(([name, value]) => [`new/${name}`, value]);
  if (work.old === undefined) return Object.fromEntries(named) as Record<string, number>;
  const before = await tuner.losses(work.old.replay, lossBatches, config.seed);
  const old = Object.entries(before).map(([name, value]) => [`old/${name}`, value]);
  return Object.fromEntries([...named, ...old]) as Record<string, number>;
}

/** Write what was learned: the adapter, if it is one, and always the whole model. */
function save(tuner: FineTuner, base: TunableModel, context: StageContext): void {
  const adapter = tuner.adapter();
  if (adapter !== undefined)
    saveAdapter(context.runDir.file("adapter.safetensors"), adapter, base, tuner.facts);
  base.save(context.runDir.file("worldmodel.safetensors"), tuner.members(), tuner.facts);
}

async function train(config: FinetuneConfig, work: Work, context: StageContext): Promise<void> {
  const { epochs, batchSize, learningRate, saveSeconds } = config.training;
  const tuner = tunerOf(config, work);
  const members = work.base.members.length;
  const perEpoch = members * Math.max(1, Math.ceil(work.train.replay.transitions / batchSize));
  const steps = epochs * perEpoch;
  const schedule = { peak: learningRate, warmupSteps: 10, totalSteps: steps, decayFraction: 0.5 };
  context.log(`${tuner.trained} of ${tuner.total} numbers are trained, ${perEpoch} steps per epoch`);
  await trainLoop(context, {
    name: loopName,
    steps,
    saveSeconds,
    state: () => tuner.state(),
    load: (state) => tuner.load(state),
    async step(index, rng) {
      const judge = async (epoch: number): Promise<void> =>
        context.metrics.log("validation", epoch, await validate(tuner, work, config));
      if (index === 0) await judge(0);
      const metrics = await tuner.step(index, learningRateAt(schedule, index), rng);
      if ((index + 1) % perEpoch === 0) await judge((index + 1) / perEpoch);
      return metrics;
    },
    note: ({ latent }) => `latent ${latent.toFixed(3)}`,
  });
  save(tuner, work.base, context);
  dropPartials(context, [loopName]);
}

/** Open-loop scores of a model on a domain. */
async function scoresOf(
  model: EncodedWorldModel,
  domain: Domain,
  config: FinetuneConfig,
): Promise<HorizonScore[]> {
  const { horizons, windows } = config.evaluation;
  const { replay, frames } = domain;
  return openLoopScores({ model, replay, frames, horizons, windows, rng: Rng.fromSeed(config.seed) });
}

function rowsOf(
  domain: string,
  before: readonly HorizonScore[],
  after: readonly HorizonScore[],
): ResultTable["rows"] {
  return before.map((base, i) => {
    const { psnr, actionGain, copyLast, reconstruction, horizon } = after[i];
    const [value, low, high] = actionGain;
    return {
      cells: {
        domain,
        horizon,
        before: base.psnr,
        after: psnr,
        change: psnr - base.psnr,
        copyLast,
        reconstruction,
        gainBefore: base.actionGain[0],
        gain: { value, low, high },
      },
    };
  });
}

const columns: ResultTable["columns"] = [
  { key: "domain", label: "domain" },
  { key: "horizon", label: "steps ahead", digits: 0 },
  { key: "before", label: "base", unit: "dB", digits: 2 },
  { key: "after", label: "tuned", unit: "dB", digits: 2 },
  { key: "change", label: "change", unit: "dB", digits: 2 },
  { key: "copyLast", label: "copy last", unit: "dB", digits: 2 },
  { key: "reconstruction", label: "reconstruction", unit: "dB", digits: 2 },
  { key: "gainBefore", label: "gain by actions, base", unit: "dB", digits: 2 },
  { key: "gain", label: "gain by actions, tuned", unit: "dB", digits: 2 },
];

async function judge(config: FinetuneConfig, work: Work, context: StageContext): Promise<void> {
  const { base, tokenizer } = work;
  const before = base.build(base.members, base);
  const tuned = openTunable(context.runDir.file("worldmodel.safetensors"), tokenizer);
  const after = tuned.build(tuned.members, tuned);
  const domains: [string, Domain | undefined][] = [
    ["new", work.validation],
    ["old", work.old],
  ];
  const rows: ResultTable["rows"][number][] = [];
  for (const [name, domain] of domains) {
    if (domain === undefined) continue;
    const [was, is] = [await scoresOf(before, domain, config), await scoresOf(after, domain, config)];
    rows.push(...rowsOf(name, was, is));
    context.progress(rows.length / (2 * config.evaluation.horizons.length));
  }
  context.runDir.writeTable("1-domains", {
    title: "Open-loop PSNR before and after fine-tuning",
    caption: "Episodes that were not trained on; a fall on the old domain is what was forgotten.",
    columns,
    rows,
  });
}

/** Fine-tuning of a saved world model. */
export const finetuneExperiment: Experiment<FinetuneConfig> = {
  title: "Train a saved world model further on other episodes, whole or by an adapter.",
  schema: finetuneSchema,
  stages() {
    let opened: Promise<Work> | undefined;
    const stage = (
      name: string,
      weight: number,
      run: (config: FinetuneConfig, work: Work, context: StageContext) => Promise<void>,
    ): Stage<FinetuneConfig> => ({
      name,
      weight,
      run: async (config, context) => run(config, await (opened ??= openWork(config)), context),
    });
    return [stage("train", 8, train), stage("judge", 1, judge)];
  },
};
