/** @file Every trained kind of world model under the same open-loop measure, as one table. */

import { Rng } from "../../src/core/rng.ts";
import { lengthOf, type Episode } from "../../src/data/episode.ts";
import { openLoopScores, type HorizonScore } from "../../src/worldmodel/measures/evaluate.ts";
import { encodedReplay, loadTrained, type Kind } from "./models.ts";

/** One model's scores. */
export interface ModelRow {
  readonly kind: Kind;
  readonly seconds: number;
  readonly scores: readonly HorizonScore[];
}

const horizons = [1, 5, 15, 30];

/** Scores of those kinds that have been trained. */
export async function scoreModels(
  folder: string,
  wanted: readonly Kind[],
  options: { validation: readonly Episode[]; windows: number },
): Promise<ModelRow[]> {
  const rows: ModelRow[] = [];
  const episodes = options.validation.filter((episode) => lengthOf(episode) >= 4);
  for (const kind of wanted) {
    const trained = loadTrained(folder, kind);
    if (trained === undefined) continue;
    const replay = await encodedReplay(trained.encodeFrames, episodes);
    const from = performance.now();
    const scores = await openLoopScores({
      model: trained.model,
      replay,
      frames: episodes.map(({ frames }) => frames),
      horizons,
      windows: options.windows,
      rng: Rng.fromSeed(60),
    });
    rows.push({ kind, seconds: (performance.now() - from) / 1000, scores });
  }
  return rows;
}

/** As Markdown. */
export function scoreTable(rows: readonly ModelRow[]): string {
  const lines = rows.flatMap(({ kind, scores }) =>
    scores.map((score) => {
      const [gain, low, high] = score.actionGain.map((value) => value.toFixed(2));
      const psnrs = [
        score.psnr,
        score.copyLast,
        score.meanFrame,
        score.reconstruction,
        score.shuffledActions,
      ];
      const errors = score.stateError.map((value) => value.toFixed(3)).join(", ");
      const cells = psnrs.map((value) => value.toFixed(2)).join(" | ");
      const ssim = `${score.ssim.toFixed(3)} (${score.copyLastSsim.toFixed(3)})`;
      return `| ${kind} | ${score.horizon} | ${cells} | ${ssim} | ${gain} [${low}, ${high}] | ${errors} |`;
    }),
  );
  return [
    "| model | steps ahead | PSNR dB | copy last | mean frame | reconstruction | shuffled actions | SSIM (copy last) | gain [95 %] | error: speed m/s, yaw rate rad/s, steering |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ...lines,
  ].join("\n");
}
