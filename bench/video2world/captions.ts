/** @file Captioned clips of DriveTrack: cars of all colours, with what is true in the middle of each clip. */

import { zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import type { Episode } from "../../src/data/episode.ts";
import {
  attributesOf,
  drivingAttributes,
  paintCar,
  type SceneAttributes,
} from "../../src/sim/driving/captions.ts";
import { makeBehaviour } from "../../src/sim/driving/drivers.ts";
import { makeDriveTrackVec } from "../../src/sim/driving/track-env.ts";
import type { TrackWorld } from "../../src/sim/driving/track-world.ts";
import type { Split } from "../../src/sim/driving/world.ts";

/** A clip with its truth. */
export interface CaptionedClip {
  readonly episode: Episode;
  readonly attributes: SceneAttributes;
}

/** Steps of a clip: one second. */
export const clipSteps = 10;
const rows = 50;
const frameBytes = 64 * 64 * 3;

interface Track {
  readonly color: number;
  readonly frames: Uint8Array;
  readonly states: Float32Array;
  readonly actions: Float32Array;
  readonly rewards: Float32Array;
  attributes: SceneAttributes;
  crashed: boolean;
}

const emptyTrack = (color: number): Track => ({
  color,
  frames: new Uint8Array((clipSteps + 1) * frameBytes),
  states: new Float32Array((clipSteps + 1) * 3),
  actions: new Float32Array(clipSteps * 2),
  rewards: new Float32Array(clipSteps),
  attributes: { color: 0, speed: 0, turn: 0 },
  crashed: false,
});

function clipOf(track: Track, id: string, split: Split): CaptionedClip {
  const array = (data: Float32Array, shape: number[]) => ({ dtype: "float32" as const, shape, data });
  const episode: Episode = {
    id,
    meta: { env: "DriveTrack-v0", split, policy: "behaviour", attributes: track.attributes },
    frames: { ...zeros("uint8", [0]), shape: [clipSteps + 1, 64, 64, 3], data: track.frames },
    states: array(track.states, [clipSteps + 1, 3]),
    actions: array(track.actions, [clipSteps, 2]),
    rewards: array(track.rewards, [clipSteps]),
    terminated: false,
    truncated: true,
  };
  return { episode, attributes: track.attributes };
}

interface Seen {
  readonly frame: { readonly data: Uint8Array };
  readonly state: { readonly data: Float32Array };
}

/** Note what the cars show at step t, painted, and in the middle what is true. */
function note(tracks: readonly Track[], seen: Seen, t: number, world: TrackWorld): void {
  for (const [row, track] of tracks.entries()) {
    track.frames.set(seen.frame.data.subarray(row * frameBytes, (row + 1) * frameBytes), t * frameBytes);
    paintCar(track.frames, t * frameBytes, track.color);
    track.states.set(seen.state.data.subarray(row * 3, row * 3 + 3), t * 3);
    if (t === clipSteps / 2) track.attributes = attributesOf(world.episodes[row], track.color);
  }
}

type TrackEnv = ReturnType<typeof makeDriveTrackVec>;

/** One clip per row; some steps first, so that the speed of a clip is not that of a start. */
async function recordRound(env: TrackEnv, seed: number, rng: Rng): Promise<Track[]> {
  const driver = makeBehaviour(env, {
    inattentiveShare: 0.2,
    randomShare: 0,
    speedMps: [3, 15],
    skill: [0.8, 1],
  });
  let seen = (await env.reset({ seed })).observations as unknown as Seen;
  const tracks = Array.from({ length: rows }, () =>
    emptyTrack(Math.floor(rng.random() * drivingAttributes.color.length)),
  );
  for (let t = -5 - Math.floor(rng.random() * 20); ; t++) {
    if (t >= 0) note(tracks, seen, t, env.world);
    if (t === clipSteps) return tracks;
    const actions = driver.act(rng);
    const alive = zeros("bool", [rows]);
    tracks.forEach((track, row) => (alive.data[row] = Number(!track.crashed)));
    const batch = await env.step(actions, alive);
    seen = batch.observations as unknown as Seen;
    for (const [row, track] of tracks.entries()) {
      if (track.crashed) continue;
      if (t >= 0) track.actions.set(actions.data.subarray(2 * row, 2 * row + 2), 2 * t);
      if (t >= 0) track.rewards[t] = Number(batch.rewards.data[row]);
      track.crashed = batch.terminations.data[row] === 1;
    }
  }
}

/** `count` clips of `split`'s tracks, the same every time; clips that end in a crash are left out. */
export async function recordClips(split: Split, count: number, seed: number): Promise<CaptionedClip[]> {
  const env = makeDriveTrackVec({ numEnvs: rows, split, wideStarts: true });
  const rng = Rng.fromSeed([80, seed]);
  const clips: CaptionedClip[] = [];
  for (let round = 0; clips.length < count; round++) {
    const tracks = await recordRound(env, 1000 * seed + round * rows, rng);
    for (const [row, track] of tracks.entries())
      if (!track.crashed && clips.length < count)
        clips.push(clipOf(track, `${split}-${round}-${row}`, split));
  }
  await env.close();
  return clips;
}
