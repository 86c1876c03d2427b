/** @file Tables of what a run's world models foresee: frames, ends, and the policy's own returns. */

import type { Cell, ResultTable } from "../report/table.ts";
import type { SeedVerdict } from "./stage-judge.ts";
import { mean } from "./summary-statistics.ts";
import type { LoopTask } from "./task.ts";

/** Open-loop prediction on validation data. */
export function horizonTable(task: LoopTask, verdicts: readonly SeedVerdict[]): ResultTable {
  const at = (index: number, pick: (score: SeedVerdict["horizons"][number]) => number): number =>
    mean(verdicts.map(({ horizons }) => pick(horizons[index])));
  return {
    title: `World model on validation ${task.words.places}: open-loop prediction`,
    caption:
      "PSNR in dB of decoded frames, behaviour's actions; mean over seeds. Gain: true minus shuffled actions, with the 95 % bootstrap interval.",
    columns: [
      { key: "horizon", label: "steps ahead", digits: 0 },
      { key: "psnr", label: "world model", digits: 2 },
      { key: "copy", label: "copy last frame", digits: 2 },
      { key: "mean", label: "mean frame", digits: 2 },
      { key: "reconstruction", label: "reconstruction", digits: 2 },
      { key: "gain", label: "gain by true actions" },
      ...task.reportedStates.map(({ key, label, unit, digits }) => ({ key, label, unit, digits })),
    ],
    rows: verdicts[0].horizons.map(({ horizon }, i) => ({
      cells: {
        horizon,
        psnr: at(i, (score) => score.psnr),
        copy: at(i, (score) => score.copyLast),
        mean: at(i, (score) => score.meanFrame),
        reconstruction: at(i, (score) => score.reconstruction),
        gain: `${at(i, (s) => s.actionGain[0]).toFixed(2)} [${at(i, (s) => s.actionGain[1]).toFixed(2)}, ${at(i, (s) => s.actionGain[2]).toFixed(2)}]`,
        ...Object.fromEntries(
          task.reportedStates.map(({ key, index }) => [key, at(i, (score) => score.stateError[index])]),
        ),
      },
    })),
  };
}

/** Are real ends foreseen, and no others? */
export function endTable({ words }: LoopTask, verdicts: readonly SeedVerdict[]): ResultTable {
  const labels = ["1-3", "4-8", "9-15", "never"];
  const cell = (kind: "behaviour" | "policy", label: string): Cell => {
    const found = verdicts.flatMap(({ ends }) => ends[kind].filter((entry) => entry.label === label));
    if (found.length === 0) return null;
    return {
      mean: mean(found.map((entry) => entry.probability)),
      se: mean(found.map((entry) => entry.standardError)),
    };
  };
  return {
    title: `Imagined ${words.end} probability of real action sequences`,
    caption: `By the step of the real ${words.end} (two steps late counts; safe ones: within 15 steps). Ends seldom reached by the policy are a dash.`,
    columns: [
      { key: "when", label: `really ${words.ended} at step` },
      { key: "behaviour", label: "behaviour's data", digits: 2 },
      { key: "policy", label: "learned policy's own episodes", digits: 2 },
    ],
    rows: labels.map((label) => ({
      cells: { when: label, behaviour: cell("behaviour", label), policy: cell("policy", label) },
    })),
  };
}

/** What the learned policy earns in imagination and really. */
export function gapTable({ words }: LoopTask, verdicts: readonly SeedVerdict[]): ResultTable {
  return {
    title: "Exploitation gap: the learned policy in imagination against reality",
    caption: `Same start states (its own noisy episodes on validation ${words.places}), actions sampled on both sides.`,
    columns: [
      { key: "seed", label: "seed", digits: 0 },
      { key: "imagined", label: "imagined return", digits: 2 },
      { key: "real", label: "real return", digits: 2 },
      { key: "gap", label: "imagined - real", digits: 2 },
      { key: "imaginedHazard", label: `imagined ${words.ends} per step`, digits: 4 },
      { key: "realHazard", label: `real ${words.ends} per step`, digits: 4 },
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
