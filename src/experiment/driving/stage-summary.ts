/** @file The last stage: verdicts of all seeds become the run's tables. */

import { readFileSync } from "node:fs";
import type { EpisodeScore } from "../../policy/evaluate.ts";
import { summarize } from "../../policy/evaluate.ts";
import type { StageContext } from "../stages.ts";
import type { Cell, Estimate, ResultTable } from "../table.ts";
import type { DrivingConfig } from "./config.ts";
import type { PolicyVerdict, SeedVerdict } from "./stage-judge.ts";

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function standardError(values: readonly number[]): number {
  const average = mean(values);
  const variance =
    values.reduce((sum, value) => sum + (value - average) ** 2, 0) / Math.max(1, values.length - 1);
  return Math.sqrt(variance / values.length);
}

/** Over episodes with one seed, over the seeds' means with several. */
function estimate(groups: readonly (readonly EpisodeScore[])[]): Estimate {
  const means = groups.map((scores) => summarize(scores));
  if (means.length === 1) return { mean: means[0].mean, se: means[0].standardError, n: means[0].episodes };
  const values = means.map((summary) => summary.mean);
  return { mean: mean(values), se: standardError(values), n: values.length };
}

function crashRate(groups: readonly (readonly EpisodeScore[])[]): number {
  return mean(groups.map((scores) => summarize(scores).terminatedRate));
}

function policyRow(id: string, verdicts: readonly SeedVerdict[]): ResultTable["rows"][number] {
  const found = verdicts.map(
    (verdict) => verdict.policies.find((policy) => policy.id === id) as PolicyVerdict,
  );
  const [{ label, realFrames }] = found;
  const test = found.map((policy) => policy.test);
  const train = found.map((policy) => policy.train);
  const cells: Record<string, Cell> = {
    label,
    test: estimate(test),
    median: median(test.map((scores) => summarize(scores).mean)),
    crash: crashRate(test),
    train: estimate(train),
    trainCrash: crashRate(train),
    frames: realFrames === 0 ? null : realFrames,
    minutes: realFrames === 0 ? null : mean(found.map((policy) => policy.minutes)),
  };
  const style = id === "imagined" ? "emphasis" : id === "expert" || id === "random" ? "reference" : undefined;
  return { style, cells };
}

function finalTable(config: DrivingConfig, verdicts: readonly SeedVerdict[]): ResultTable {
  const several = verdicts.length > 1;
  const over = several ? `${verdicts.length} seeds` : `${config.judge.episodes} episodes`;
  return {
    title: `${config.env}: return on unseen test worlds and on training worlds`,
    caption: `Mean ± standard error over ${over}; ${config.judge.episodes} test and ${config.judge.trainEpisodes} training episodes per policy and seed, the same for every policy.`,
    columns: [
      { key: "label", label: "policy" },
      { key: "test", label: "return, unseen", digits: 1, bar: true },
      ...(several ? [{ key: "median", label: "median seed", digits: 1 }] : []),
      { key: "crash", label: "crashed", format: "percent" as const, digits: 0 },
      { key: "train", label: "return, training", digits: 1 },
      { key: "trainCrash", label: "crashed", format: "percent" as const, digits: 0 },
      { key: "frames", label: "real frames", digits: 0 },
      { key: "minutes", label: "time", unit: "min", digits: 1, varies: true },
    ],
    rows: verdicts[0].policies.map(({ id }) => policyRow(id, verdicts)),
    notes: [
      "real frames: what training used. Checkpoints of imagination and of model-free PPO are chosen on validation worlds, whose frames are not counted.",
      "time: everything the row needs, tokenizer and recording included, on the machine of provenance.json.",
    ],
  };
}

/** Imagined policy minus every other one on the same test episodes. */
function comparisonTable(verdicts: readonly SeedVerdict[]): ResultTable {
  const others = verdicts[0].policies.filter(({ id }) => id !== "imagined");
  const rows = others.map(({ id, label }) => {
    const perSeed = verdicts.map((verdict) => {
      const own = verdict.policies.find((policy) => policy.id === "imagined") as PolicyVerdict;
      const other = verdict.policies.find((policy) => policy.id === id) as PolicyVerdict;
      return other.test.map((score, i) => own.test[i].return - score.return);
    });
    const values = verdicts.length === 1 ? perSeed[0] : perSeed.map(mean);
    const se = standardError(values);
    return {
      cells: {
        label,
        difference: { mean: mean(values), se, n: values.length },
        errors: mean(values) / Math.max(1e-9, se),
      },
    };
  });
  return {
    title: "PPO in imagination against the others, paired on unseen test worlds",
    caption: `Difference of returns, mean ± standard error over ${verdicts.length === 1 ? "episodes" : "seeds"}.`,
    columns: [
      { key: "label", label: "against" },
      { key: "difference", label: "difference", digits: 1 },
      { key: "errors", label: "in standard errors", digits: 1 },
    ],
    rows,
  };
}

function seedTable(verdicts: readonly SeedVerdict[]): ResultTable {
  const columns = verdicts.map(({ seed }) => ({ key: `seed${seed}`, label: `seed ${seed}`, digits: 1 }));
  return {
    title: "Return on unseen test worlds, per seed",
    caption: "Mean ± standard error over the seed's test episodes.",
    columns: [{ key: "label", label: "policy" }, ...columns],
    rows: verdicts[0].policies.map(({ id, label }) => ({
      style: id === "imagined" ? ("emphasis" as const) : undefined,
      cells: {
        label,
        ...Object.fromEntries(
          verdicts.map(({ seed, policies }) => [
            `seed${seed}`,
            estimate([(policies.find((policy) => policy.id === id) as PolicyVerdict).test]),
          ]),
        ),
      },
    })),
  };
}

function horizonTable(verdicts: readonly SeedVerdict[]): ResultTable {
  const at = (index: number, pick: (score: SeedVerdict["horizons"][number]) => number): number =>
    mean(verdicts.map(({ horizons }) => pick(horizons[index])));
  return {
    title: "World model on validation worlds: open-loop prediction",
    caption:
      "PSNR in dB of decoded frames, behaviour's actions; mean over seeds. Gain: true minus shuffled actions, with the 95 % bootstrap interval.",
    columns: [
      { key: "horizon", label: "steps ahead", digits: 0 },
      { key: "psnr", label: "world model", digits: 2 },
      { key: "copy", label: "copy last frame", digits: 2 },
      { key: "mean", label: "mean frame", digits: 2 },
      { key: "reconstruction", label: "reconstruction", digits: 2 },
      { key: "gain", label: "gain by true actions" },
      { key: "speed", label: "speed error", unit: "m/s", digits: 2 },
      { key: "yaw", label: "yaw-rate error", unit: "rad/s", digits: 3 },
    ],
    rows: verdicts[0].horizons.map(({ horizon }, i) => ({
      cells: {
        horizon,
        psnr: at(i, (score) => score.psnr),
        copy: at(i, (score) => score.copyLast),
        mean: at(i, (score) => score.meanFrame),
        reconstruction: at(i, (score) => score.reconstruction),
        gain: `${at(i, (s) => s.actionGain[0]).toFixed(2)} [${at(i, (s) => s.actionGain[1]).toFixed(2)}, ${at(i, (s) => s.actionGain[2]).toFixed(2)}]`,
        speed: at(i, (score) => score.stateError[0]),
        yaw: at(i, (score) => score.stateError[1]),
      },
    })),
  };
}

function crashTable(verdicts: readonly SeedVerdict[]): ResultTable {
  const labels = ["1-3", "4-8", "9-15", "never"];
  const cell = (kind: "behaviour" | "policy", label: string): Cell => {
    const found = verdicts.flatMap(({ crashes }) => crashes[kind].filter((entry) => entry.label === label));
    if (found.length === 0) return null;
    return {
      mean: mean(found.map((entry) => entry.probability)),
      se: mean(found.map((entry) => entry.standardError)),
    };
  };
  return {
    title: "Imagined crash probability of real action sequences",
    caption:
      "By the step of the real crash (two steps late counts; safe ones: within 15 steps). Ends seldom reached by the policy are a dash.",
    columns: [
      { key: "when", label: "really crashed at step" },
      { key: "behaviour", label: "behaviour's data", digits: 2 },
      { key: "policy", label: "learned policy's own episodes", digits: 2 },
    ],
    rows: labels.map((label) => ({
      cells: { when: label, behaviour: cell("behaviour", label), policy: cell("policy", label) },
    })),
  };
}

function gapTable(verdicts: readonly SeedVerdict[]): ResultTable {
  return {
    title: "Exploitation gap: the learned policy in imagination against reality",
    caption:
      "Same start states (its own noisy episodes on validation worlds), actions sampled on both sides.",
    columns: [
      { key: "seed", label: "seed", digits: 0 },
      { key: "imagined", label: "imagined return", digits: 2 },
      { key: "real", label: "real return", digits: 2 },
      { key: "gap", label: "imagined - real", digits: 2 },
      { key: "imaginedHazard", label: "imagined crashes per step", digits: 4 },
      { key: "realHazard", label: "real crashes per step", digits: 4 },
    ],
    rows: verdicts.map(({ seed, gap }) => ({
      cells: {
        seed,
        imagined: gap.imaginedReturn,
        real: gap.realReturn,
        gap: { mean: gap.imaginedReturn - gap.realReturn, se: gap.standardError },
        imaginedHazard: gap.imaginedHazard,
        realHazard: gap.realHazard,
      },
    })),
  };
}

/** Read every seed's verdict and write the tables. */
export async function summarizeRun(config: DrivingConfig, context: StageContext): Promise<void> {
  const verdicts = Array.from({ length: config.seeds }, (_, k) => {
    const path = context.runDir.file(`seed-${config.seed + k}`, "verdict.json");
    return JSON.parse(readFileSync(path, "utf8")) as SeedVerdict;
  });
  const { runDir } = context;
  runDir.writeTable("1-policies", finalTable(config, verdicts));
  runDir.writeTable("2-comparison", comparisonTable(verdicts));
  if (verdicts.length > 1) runDir.writeTable("3-seeds", seedTable(verdicts));
  runDir.writeTable("4-prediction", horizonTable(verdicts));
  runDir.writeTable("5-crashes", crashTable(verdicts));
  runDir.writeTable("6-gap", gapTable(verdicts));
}
