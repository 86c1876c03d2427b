/** @file The study as tables and as a picture. */

import sharp from "sharp";
import { correlationOf, type Correlation } from "../../src/experiment/policy-returns.ts";
import { comparedHorizons } from "../../src/experiment/worldmodel-report/tables.ts";
import { scatterSvg } from "../../src/experiment/worldmodel-report/scatter.ts";
import type { Estimate } from "../../src/experiment/report/table.ts";
import type { StudyPart } from "./study.ts";

type Point = StudyPart["points"][number];
type Split = Point["split"];

const splits: readonly Split[] = ["validation", "test"];

function correlate(points: readonly Point[], horizon: number, whole: boolean): Correlation | undefined {
  if (whole && points.some(({ wholeEpisode }) => wholeEpisode === undefined)) return undefined;
  return correlationOf(
    points.map(({ imagined }) => imagined[horizon].mean),
    points.map(({ real, wholeEpisode }) => (whole ? (wholeEpisode as Estimate) : real[horizon]).mean),
  );
}

/** Policies that have learned nothing: far below all others, they alone make a correlation. */
const untrained = ["random", "idle"];

const interval = ({ value, low, high }: Correlation["pearson"]): string =>
  `${value.toFixed(3)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;

/** One line per model, split and horizon, as Markdown. */
export function studyTable(parts: readonly StudyPart[]): string {
  const lines = parts.flatMap(({ seed, model, points }) =>
    splits.flatMap((split) =>
      comparedHorizons(points).map((horizon) => {
        const own = points.filter((point) => point.split === split);
        const same = correlate(own, horizon, false) as Correlation;
        const whole = correlate(own, horizon, true);
        const learned = own.filter(({ policy }) => !untrained.includes(policy));
        const { pearson, spearman } = correlate(learned, horizon, false) as Correlation;
        const cells = [seed, model, split, horizon, interval(same.pearson), interval(same.spearman)];
        const ranked = `${(100 * same.wrongPairs).toFixed(0)} %`;
        const far = whole === undefined ? "–" : `${interval(whole.pearson)}, ${interval(whole.spearman)}`;
        const strict = `${interval(pearson)}, ${interval(spearman)}`;
        return `| ${[...cells, strict, ranked, same.bias.toFixed(1), far].join(" | ")} |`;
      }),
    ),
  );
  return [
    "| seed | model | worlds | steps | Pearson r [95 %] | Spearman ρ [95 %] | r, ρ without random and idle | pairs in wrong order | imagined − real | against whole episodes: r, ρ |",
    "|---:|---|---|---:|---|---|---|---:|---:|---|",
    ...lines,
  ].join("\n");
}

const show = ({ mean, se }: Estimate): string => `${mean.toFixed(1)} ± ${se.toFixed(1)}`;

/** Every policy of one part at one horizon, as Markdown. */
export function pointsTable({ points }: StudyPart, horizon: number): string {
  const lines = points.map(({ policy, split, imagined, real, wholeEpisode, imaginedEnds, realEnds }) => {
    const ends = `${(100 * imaginedEnds).toFixed(0)} % | ${(100 * realEnds).toFixed(0)} %`;
    const whole = wholeEpisode === undefined ? "–" : show(wholeEpisode);
    return `| ${policy} | ${split} | ${show(imagined[horizon])} | ${show(real[horizon])} | ${whole} | ${ends} |`;
  });
  return [
    "| policy | worlds | imagined | real | whole episode | ended, imagined | ended, real |",
    "|---|---|---:|---:|---:|---:|---:|",
    ...lines,
  ].join("\n");
}

const names: Readonly<Record<StudyPart["model"], string>> = {
  own: "the run's own model",
  with: "trained with crashes",
  without: "trained without",
};

/** One panel: policies of all seeds on test worlds at one horizon, the seeds in colours. */
function panel(parts: readonly StudyPart[], model: StudyPart["model"], horizon: number): string {
  const chosen = parts.filter((part) => part.model === model);
  const all = chosen.flatMap(({ points }) => points.filter(({ split }) => split === "test"));
  const { pearson } = correlate(all, horizon, false) as Correlation;
  return scatterSvg({
    title: `${names[model]}, ${horizon} steps: r = ${pearson.value.toFixed(3)}`,
    xLabel: "imagined return",
    yLabel: "real return, test tracks",
    groups: chosen.map(({ seed, points }) => ({
      label: `seed ${seed}`,
      points: points
        .filter(({ split }) => split === "test")
        .map(({ policy, imagined, real }) => ({ label: policy, x: imagined[horizon], y: real[horizon] })),
    })),
  });
}

/** A PNG of panels in rows: the models down, the last three horizons across. */
export async function studyPicture(parts: readonly StudyPart[]): Promise<Uint8Array> {
  const models = (["own", "with", "without"] as const).filter((model) =>
    parts.some((part) => part.model === model),
  );
  const horizons = comparedHorizons(parts[0].points).slice(-3);
  const scale = 1.2;
  const [width, height] = [560 * scale, 430 * scale];
  const panels = models.flatMap((model, row) =>
    horizons.map((horizon, column) => ({ svg: panel(parts, model, horizon), row, column })),
  );
  const placed = await Promise.all(
    panels.map(async ({ svg, row, column }) => ({
      input: await sharp(Buffer.from(svg), { density: 72 * scale })
        .png()
        .toBuffer(),
      left: Math.round(column * width),
      top: Math.round(row * height),
    })),
  );
  const size = {
    width: Math.round(horizons.length * width),
    height: Math.round(models.length * height),
    channels: 3 as const,
    background: "#ffffff",
  };
  return sharp({ create: size }).composite(placed).png({ compressionLevel: 9, palette: true }).toBuffer();
}
