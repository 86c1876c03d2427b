/** @file Recording whole episodes from a simulator, whatever drives it. */

import { overwriteRows } from "../../core/array-record.ts";
import { takeRows, zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { Episode, EpisodeMeta } from "../../data/episode.ts";
import type { Policy } from "../../policy/policy.ts";
import type { LatentState, WorldModel } from "../../worldmodel/worldmodel.ts";
import type { VectorEnv } from "../../env/env.ts";
import type { Driver } from "./task.ts";

/** Picks the actions of all rows: float32 [N, A]; `begins` marks rows that start an episode. */
export type Chooser = (observation: Pixels, begins: NdArray<"bool">) => Promise<NdArray<"float32">>;

/** The dict observation of an environment with pixels. */
export interface Pixels {
  readonly frame: NdArray<"uint8">;
  readonly state: NdArray<"float32">;
}

interface Track {
  frames: Uint8Array[];
  states: Float32Array[];
  actions: Float32Array[];
  rewards: number[];
}

function emptyTrack(): Track {
  return { frames: [], states: [], actions: [], rewards: [] };
}

function observe(track: Track, observation: Pixels, row: number): void {
  const size = observation.frame.data.length / observation.frame.shape[0];
  const width = observation.state.shape[1];
  track.frames.push(observation.frame.data.slice(row * size, (row + 1) * size));
  track.states.push(observation.state.data.slice(row * width, (row + 1) * width));
}

function join<T extends Float32Array | Uint8Array>(parts: readonly T[], out: T): T {
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function episodeOf(
  track: Track,
  id: string,
  ends: { terminated: boolean; truncated: boolean },
  meta: EpisodeMeta,
): Episode {
  const steps = track.rewards.length;
  const [width, actionSize] = [track.states[0].length, track.actions[0].length];
  const frames = zeros("uint8", [steps + 1, 64, 64, 3]);
  const states = zeros("float32", [steps + 1, width]);
  const actions = zeros("float32", [steps, actionSize]);
  join(track.frames, frames.data);
  join(track.states, states.data);
  join(track.actions, actions.data);
  const rewards = { dtype: "float32" as const, shape: [steps], data: Float32Array.from(track.rewards) };
  return { id, meta, frames, states, actions, rewards, ...ends };
}

/** When to stop, how to name episodes, and where they go. */
export interface RecordOptions {
  /** A primitive whose observations are frames uint8 [N, 64, 64, 3] and states float32 [N, S] by name. */
  readonly env: Pick<VectorEnv, "numEnvs" | "reset" | "step">;
  readonly choose: Chooser;
  readonly seed: number;
  /** Stop once so many steps lie in recorded episodes (the running ones are cut there, as truncated). */
  readonly steps?: number;
  /** Stop once so many episodes have ended. */
  readonly episodes?: number;
  readonly prefix: string;
  readonly meta: EpisodeMeta;
  readonly onEpisode: (episode: Episode) => Promise<void>;
  readonly onProgress?: (steps: number) => void;
}

/** The tracks of all rows while they are being driven. */
class Recorder {
  readonly #options: RecordOptions;
  readonly #tracks: Track[];
  /** Rows whose generator has not run since the seeded reset: their episodes can be replayed from it. */
  readonly #seeded: Set<number>;
  finished = 0;

  constructor(options: RecordOptions) {
    this.#options = options;
    this.#tracks = Array.from({ length: options.env.numEnvs }, emptyTrack);
    this.#seeded = new Set(this.#tracks.keys());
  }

  observe(observation: Pixels, rows: Iterable<number>): void {
    for (const row of rows) observe(this.#tracks[row], observation, row);
  }

  transition(actions: NdArray<"float32">, rewards: ArrayLike<number>): void {
    const size = actions.shape[1];
    this.#tracks.forEach((track, row) => {
      track.actions.push(actions.data.slice(row * size, (row + 1) * size));
      track.rewards.push(rewards[row]);
    });
  }

  /** Hand out a row's episode and begin a new track there. */
  async finish(row: number, ends: { terminated: boolean; truncated: boolean }): Promise<void> {
    const { prefix, meta, seed, onEpisode } = this.#options;
    const track = this.#tracks[row];
    this.#tracks[row] = emptyTrack();
    const start = this.#seeded.delete(row) ? { reset: { seed: seed + row } } : {};
    if (track.rewards.length === 0) return;
    const id = `${prefix}-${String(this.finished++).padStart(5, "0")}`;
    await onEpisode(episodeOf(track, id, ends, { ...meta, ...start }));
  }
}

/** Drive until enough is recorded; returns the number of recorded steps. */
export async function recordEpisodes(options: RecordOptions): Promise<number> {
  const { env, choose, steps = Infinity, episodes = Infinity } = options;
  const everyRow = Array.from({ length: env.numEnvs }, (_, row) => row);
  const recorder = new Recorder(options);
  const begins = zeros("bool", [env.numEnvs]);
  begins.data.fill(1);
  let observation = (await env.reset({ seed: options.seed })).observations as unknown as Pixels;
  recorder.observe(observation, everyRow);
  let total = 0;
  while (total < steps && recorder.finished < episodes) {
    const actions = await choose(observation, begins);
    const batch = await env.step(actions);
    observation = batch.observations as unknown as Pixels;
    recorder.transition(actions, batch.rewards.data);
    recorder.observe(observation, everyRow);
    begins.data.fill(0);
    const ended = everyRow.filter(
      (row) => batch.terminations.data[row] === 1 || batch.truncations.data[row] === 1,
    );
    const flags = ended.map((row) => ({
      terminated: batch.terminations.data[row] === 1,
      truncated: batch.truncations.data[row] === 1,
    }));
    for (const [k, row] of ended.entries()) {
      begins.data[row] = 1;
      await recorder.finish(row, flags[k]);
    }
    if (ended.length > 0) {
      observation = (await env.reset({ mask: begins })).observations as unknown as Pixels;
      recorder.observe(observation, ended);
    }
    total += env.numEnvs;
    options.onProgress?.(total);
  }
  for (const row of everyRow) {
    if (recorder.finished < episodes) await recorder.finish(row, { terminated: false, truncated: true });
  }
  return total;
}

/** What `recordEpisodes` hands out, in a list. */
export async function recordedEpisodes(options: Omit<RecordOptions, "onEpisode">): Promise<Episode[]> {
  const episodes: Episode[] = [];
  await recordEpisodes({ ...options, onEpisode: async (episode) => void episodes.push(episode) });
  return episodes;
}

/** A chooser that lets `driver` act. */
export function driverChooser(driver: Driver, rng: Rng): Chooser {
  return async (_observation, begins) => {
    driver.begin(begins);
    return driver.act(rng);
  };
}

/** A chooser that acts with `policy` on the world model's features. One per environment. */
export function policyChooser(
  model: WorldModel,
  policy: Policy<NdArray<"float32">>,
  rng: Rng,
  options: { everySecondRowExplores?: boolean } = {},
): Chooser {
  let state: LatentState | undefined;
  let last: NdArray<"float32"> | undefined;
  const size = model.actionSpec.names.length;
  const startOf = (observation: Pixels, chosen: readonly number[]): Promise<LatentState> => {
    const { frame, state: vector } = observation;
    const window = {
      frame: { ...takeRows(frame, chosen), shape: [chosen.length, 1, ...frame.shape.slice(1)] },
      state: { ...takeRows(vector, chosen), shape: [chosen.length, 1, vector.shape[1]] },
    };
    return model.encode(window, zeros("float32", [chosen.length, 0, size]));
  };
  return async (observation, begins) => {
    const starting = Array.from(begins.data.keys()).filter((row) => begins.data[row] === 1);
    if (state === undefined || last === undefined) state = await startOf(observation, starting);
    else {
      state = await model.observe(state, last, observation);
      if (starting.length > 0) state = overwriteRows(state, await startOf(observation, starting), starting);
    }
    const features = model.features(state);
    const { actions } = await policy.act(features, begins, { rng });
    if (options.everySecondRowExplores) {
      const calm = (await policy.act(features, begins, { deterministic: true })).actions;
      for (let row = 0; row < actions.shape[0]; row += 2) {
        actions.data.set(calm.data.subarray(row * size, (row + 1) * size), row * size);
      }
    }
    last = actions;
    return actions;
  };
}
