/** @file The recordings that a world model is measured on, and those that the probes learn from. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import { rows } from "../../core/ndarray.ts";
import { openEpisodes } from "../../data/episode-source.ts";
import { lengthOf, type Episode } from "../../data/episode.ts";
import { encodeInto, makeLatentReplay } from "../../worldmodel/latent/latent-replay.ts";
import type { LatentReplay } from "../../worldmodel/contexts.ts";
import type { OpenedModel } from "./model-folder.ts";

/** Recordings in memory. */
export interface Recordings {
  /** Where the judged ones come from, for the report. */
  readonly source: string;
  /** What the model is measured on; it has not learned from them. */
  readonly judged: readonly Episode[];
  /** What the probes learn from: none of the judged ones. */
  readonly probing: readonly Episode[];
}

/** At most so many episodes of a folder, spread evenly over it: pictures are large. */
const mostEpisodes = 160;

async function load(folder: string): Promise<Episode[]> {
  const source = await openEpisodes(folder);
  const every = Math.max(1, Math.ceil(source.count / mostEpisodes));
  const places = Array.from({ length: source.count }, (_, i) => i).filter((i) => i % every === 0);
  const episodes: Episode[] = [];
  for (const place of places) episodes.push(await source.episode(place));
  await source.close();
  return episodes;
}

/** Of a run's seed: judged on its validation worlds, the behaviour's episodes and the learned policy's; probes learn from training ones. */
export async function runRecordings(runPath: string, seed: number): Promise<Recordings> {
  const folder = join(runPath, "episodes", `seed-${seed}`);
  const splits = ["validation", "policy"].filter((split) => existsSync(join(folder, split)));
  const judged = (await Promise.all(splits.map((split) => load(join(folder, split))))).flat();
  const source = `validation worlds of the run: ${splits.map((split) => `${split} episodes`).join(" and ")}`;
  return { source, judged, probing: await load(join(folder, "train")) };
}

/** Of a folder of episodes: every second one is judged, the others are for the probes. */
export async function folderRecordings(folder: string): Promise<Recordings> {
  const all = await load(folder);
  if (all.length < 4) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `${folder} holds too few episodes to measure a world model on`,
      expected: "4 or more",
      got: String(all.length),
      fix: "record more, on worlds that the model has not learned from",
    });
  }
  return {
    source: folder,
    judged: all.filter((_, i) => i % 2 === 0),
    probing: all.filter((_, i) => i % 2 === 1),
  };
}

/** The judged episodes as the model takes them. @throws INVALID_SHAPE when they are not of the model's world */
export async function encodeRecordings(
  { model, encoder }: OpenedModel,
  judged: readonly Episode[],
): Promise<LatentReplay> {
  const actionSize = model.actionSpec.names.length;
  for (const { id, frames, states, actions } of judged) {
    const got = [frames.shape.slice(1), states.shape.slice(1), actions.shape.slice(1)].map(String);
    const expected = [model.frameShape, [model.stateSize], [actionSize]].map(String);
    if (got.every((shape, i) => shape === expected[i])) continue;
    fail({
      code: "INVALID_SHAPE",
      what: `episode "${id}" is not of this model's world`,
      expected: `frames [${expected[0]}], ${expected[1]} states, ${expected[2]} actions`,
      got: `frames [${got[0]}], ${got[1]} states, ${got[2]} actions`,
      fix: "give recordings of the task that the model was trained on",
    });
  }
  const first = await encoder.encode(rows(judged[0].frames, 0, 1));
  const replay = makeLatentReplay(
    { tokens: first.shape[1], channels: 1 },
    { stateSize: model.stateSize, actionSize },
  );
  await encodeInto(replay, judged, encoder);
  return replay;
}

/** Numbers about the judged recordings. */
export function countRecordings({ source, judged, probing }: Recordings) {
  return {
    source,
    episodes: judged.length,
    steps: judged.reduce((sum, episode) => sum + lengthOf(episode), 0),
    ended: judged.filter(({ terminated }) => terminated).length,
    probeEpisodes: probing.length,
  };
}
