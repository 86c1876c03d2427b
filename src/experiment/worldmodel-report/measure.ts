/** @file Everything that is measured of a world model, as one record that JSON holds. */

import { basename } from "node:path";
import { Rng } from "../../core/rng.ts";
import {
  crashCalibration,
  foresight,
  type CrashCalibration,
  type Foresight,
} from "../../worldmodel/measures/calibration.ts";
import { makeReplayContexts, type LatentReplay } from "../../worldmodel/contexts.ts";
import { driftScores, type DriftScore } from "../../worldmodel/measures/drift.ts";
import { openLoopScores, type HorizonScore } from "../../worldmodel/measures/evaluate.ts";
import { trainActionProbe } from "../../worldmodel/measures/inverse-dynamics.ts";
import {
  featureDistances,
  gatherObedience,
  obedienceScores,
  type FeatureDistance,
  type ObedienceScore,
} from "../../worldmodel/measures/obedience.ts";
import { speedScores, type SpeedScore } from "../../worldmodel/measures/speed.ts";
import type { PolicyReturns } from "../policy-returns.ts";
import type { OpenedModel } from "./model-folder.ts";
import { countRecordings, type Recordings } from "./recordings.ts";

/** One world model's report. */
export interface WorldModelReport {
  readonly model: {
    readonly kind: string;
    readonly file: string;
    readonly actions: readonly string[];
    readonly contextLength: number;
    readonly stepSeconds: number;
  };
  readonly data: ReturnType<typeof countRecordings>;
  readonly windows: number;
  readonly horizons: readonly HorizonScore[];
  readonly distances: readonly FeatureDistance[];
  readonly obedience: {
    readonly frames: readonly ObedienceScore[];
    readonly states?: readonly ObedienceScore[];
  };
  readonly drift: { readonly anchorEvery: number; readonly scores: readonly DriftScore[] };
  readonly foresight: Foresight;
  readonly crashes: readonly CrashCalibration[];
  readonly speed: readonly SpeedScore[];
  readonly peakMemoryBytes: number;
  readonly seconds: number;
  /** What policies earn on either side; where the model belongs to a run that has some. */
  readonly returns?: readonly PolicyReturns[];
}

/** How much is measured. */
export interface MeasureOptions {
  /** Windows per measure. */
  readonly windows: number;
  /** Training steps of each probe. */
  readonly probeSteps: number;
  /** Seconds per speed measurement. */
  readonly speedSeconds: number;
  readonly log: (line: string) => void;
}

const predictionHorizons = [1, 5, 15, 30];
const anchorEvery = 15;
/** From the second on just before the next look at reality, when the last one is longest ago. */
const driftHorizons = [1, 5, 14, 29, 59, 119, 239];
const batches = [1, 64];

/** Horizons for which some episode is long enough. */
function within(replay: LatentReplay, horizons: readonly number[]): number[] {
  const longest = Math.max(...replay.episodes.map(({ length }) => length));
  return horizons.filter((horizon) => horizon < longest);
}

interface Subject {
  readonly opened: OpenedModel;
  readonly recordings: Recordings;
  readonly replay: LatentReplay;
  readonly options: MeasureOptions;
}

async function measureObedience({ opened, recordings, replay, options }: Subject) {
  const { model } = opened;
  const { windows, probeSteps: steps, log } = options;
  const horizons = within(replay, predictionHorizons);
  const frames = recordings.judged.map((episode) => episode.frames);
  const material = await gatherObedience({
    model,
    replay,
    frames,
    horizons,
    windows,
    rng: Rng.fromSeed(101),
  });
  const train = async (view: "frames" | "states") => {
    log(`inverse-dynamics probe on ${view}`);
    return trainActionProbe({ episodes: recordings.probing, view, steps, rng: Rng.fromSeed(102) });
  };
  const eye = await train("frames");
  const seen = await obedienceScores(eye, material);
  const distances = await featureDistances(eye, material);
  if (model.stateSize === 0) return { distances, obedience: { frames: seen } };
  const states = await obedienceScores(await train("states"), material);
  return { distances, obedience: { frames: seen, states } };
}

async function measureDreams({ opened, recordings, replay, options }: Subject) {
  const { model } = opened;
  const { windows, log } = options;
  const frames = recordings.judged.map((episode) => episode.frames);
  log("open-loop prediction");
  const horizons = await openLoopScores({
    model,
    replay,
    frames,
    horizons: within(replay, predictionHorizons),
    windows,
    rng: Rng.fromSeed(103),
  });
  log("drift");
  const scores = await driftScores({
    model,
    replay,
    horizons: within(replay, driftHorizons),
    windows,
    anchorEvery,
    rng: Rng.fromSeed(104),
  });
  return { horizons, drift: { anchorEvery, scores } };
}

/** Measure a model on recordings that it has not learned from. @throws as the measures do, and INVALID_SHAPE */
export async function measureWorldModel(subject: Subject): Promise<WorldModelReport> {
  const { opened, recordings, replay, options } = subject;
  const { model, kind, file } = opened;
  const { windows, log } = options;
  const begun = performance.now();
  const dreams = await measureDreams(subject);
  log("ends and rewards");
  const crashes = await crashCalibration({ model, replay, windows, rng: Rng.fromSeed(105) });
  const foreseen = await foresight({
    model,
    replay,
    horizons: [1, 5, 15],
    windows: 4 * windows,
    rng: Rng.fromSeed(106),
  });
  const obeyed = await measureObedience(subject);
  log("speed");
  const start = makeReplayContexts(model, replay).sample(Math.max(...batches), Rng.fromSeed(107));
  const speed = await speedScores(model, start, { batches, seconds: options.speedSeconds });
  const { contextLength, stepSeconds, actionSpec } = model;
  return {
    model: { kind, file: basename(file), actions: actionSpec.names, contextLength, stepSeconds },
    data: countRecordings(recordings),
    windows,
    ...dreams,
    ...obeyed,
    foresight: foreseen,
    crashes,
    speed,
    // Kilobytes on every platform that Node runs on.
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    seconds: (performance.now() - begun) / 1000,
  };
}
