/** @file Imagined steps per second of every trained kind of world model, with and without decoding. */

import { zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import type { Episode } from "../../src/data/episode.ts";
import type { AutoregressiveWorldModel } from "../../src/worldmodel/autoregressive/autoregressive-model.ts";
import { makeReplayContexts } from "../../src/worldmodel/contexts.ts";
import type { LatentState, WorldModel } from "../../src/worldmodel/worldmodel.ts";
import { encodedReplay, loadTrained, type Kind } from "./models.ts";

/** One model at one batch size. */
export interface SpeedRow {
  readonly kind: Kind;
  readonly batch: number;
  /** Imagined environment steps per second, latents or tokens only. */
  readonly stepsPerSecond: number;
  /** The same with a decoded frame per step. */
  readonly decodedPerSecond: number;
  /** Passes per written token; absent where no tokens are written. */
  readonly passesPerToken?: number;
}

/** Steps of `batch` rows per second, over at least `seconds`. */
async function rate(model: WorldModel, start: LatentState, batch: number, decoded: boolean): Promise<number> {
  const actions = zeros("float32", [batch, model.actionSpec.names.length]);
  const rng = Rng.fromSeed(1);
  const once = async (state: LatentState): Promise<LatentState> => {
    const { state: next } = await model.step(state, actions, rng);
    if (decoded) await model.decode(next);
    return next;
  };
  let state = await once(start);
  const from = performance.now();
  let steps = 0;
  do {
    state = await once(state);
    steps++;
  } while (performance.now() - from < 3000);
  return (1000 * steps * batch) / (performance.now() - from);
}

/** Speeds of those kinds that have been trained. */
export async function measureSpeed(
  folder: string,
  wanted: readonly Kind[],
  episodes: readonly Episode[],
): Promise<SpeedRow[]> {
  const rows: SpeedRow[] = [];
  for (const kind of wanted) {
    const trained = loadTrained(folder, kind);
    if (trained === undefined) continue;
    const replay = await encodedReplay(trained.encodeFrames, episodes);
    const contexts = makeReplayContexts(trained.model, replay);
    for (const batch of [1, 64, 256]) {
      const start = contexts.sample(batch, Rng.fromSeed(2));
      const stepsPerSecond = await rate(trained.model, start, batch, false);
      const decodedPerSecond = await rate(trained.model, start, batch, true);
      const row = { kind, batch, stepsPerSecond, decodedPerSecond };
      const report =
        "report" in trained.model ? (trained.model as AutoregressiveWorldModel).report : undefined;
      rows.push(report === undefined ? row : { ...row, passesPerToken: report.passes / report.tokens });
    }
  }
  return rows;
}

/** As Markdown. */
export function speedTable(rows: readonly SpeedRow[]): string {
  return [
    "| model | batch | imagined steps/s | with decoded frames | passes per token |",
    "|---|---:|---:|---:|---:|",
    ...rows.map(({ kind, batch, stepsPerSecond, decodedPerSecond, passesPerToken }) => {
      const passes = passesPerToken === undefined ? "–" : passesPerToken.toFixed(2);
      return `| ${kind} | ${batch} | ${stepsPerSecond.toFixed(1)} | ${decodedPerSecond.toFixed(1)} | ${passes} |`;
    }),
  ].join("\n");
}
