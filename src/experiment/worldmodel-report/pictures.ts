/** @file Real frames above dreamed ones, under the same actions. */

import { frameAt, type Image } from "../../data/image.ts";
import { composeMosaic } from "../../data/mosaic.ts";
import { encodePng } from "../../data/png.ts";
import { Rng } from "../../core/rng.ts";
import { contextState, type LatentReplay } from "../../worldmodel/contexts.ts";
import { drawSegments, framesAt, type EpisodeFrames } from "../../worldmodel/measures/evaluate.ts";
import { imagineActions, presentActions } from "../../worldmodel/imagine.ts";
import type { EncodedWorldModel } from "../../worldmodel/worldmodel.ts";

const steps = [0, 1, 3, 5, 10, 15, 30];
const windows = 4;

/** A PNG of some windows: upper rows what happened, lower rows the dream. */
export async function drawDreams(
  model: EncodedWorldModel,
  replay: LatentReplay,
  frames: EpisodeFrames,
): Promise<Uint8Array> {
  const longest = Math.max(...replay.episodes.map(({ length }) => length));
  const shown = steps.filter((step) => step < longest);
  const horizon = Math.max(1, ...shown);
  const segments = drawSegments(replay, { count: windows, horizon, rng: Rng.fromSeed(108) });
  const batch = replay.gather(segments, { context: model.contextLength, horizon });
  const dreamed = new Map<number, readonly Image[]>();
  const keep = async (step: number, state: ReturnType<typeof contextState>): Promise<void> => {
    const { frame } = await model.decode(state);
    dreamed.set(
      step,
      segments.map((_, b) => frameAt(frame, b)),
    );
  };
  const start = contextState(model, batch);
  await keep(0, start);
  const actions = presentActions(batch.transitions.action, model.contextLength);
  await imagineActions(model, start, actions, async (h, { state }) => {
    if (shown.includes(h + 1)) await keep(h + 1, state);
  });
  const real = new Map(shown.map((step) => [step, framesAt(frames, segments, step)]));
  const cells = segments.flatMap((_, b) => [
    shown.map((step) => real.get(step) && frameAt(real.get(step) as Image, b)),
    shown.map((step) => dreamed.get(step)?.[b]),
  ]);
  const image = composeMosaic({
    cells,
    columnLabels: shown.map((step) => (step === 0 ? "now" : `+${(step * model.stepSeconds).toFixed(1)} s`)),
    rowLabels: segments.flatMap(() => ["real", "dream"]),
    scale: 2,
    textScale: 2,
    gap: 4,
  });
  return encodePng(image, 9);
}
