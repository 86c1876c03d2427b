/** @file Text to video on captioned clips of DriveTrack: data, tokenizer, text encoder, model, probe and measures. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadEpisodes, saveEpisode } from "../../src/data/episode-store.ts";
import type { Split } from "../../src/sim/driving/world.ts";
import { trainTokenizer } from "./base.ts";
import { recordClips } from "./captions.ts";

const clipCounts: readonly [Split, number][] = [
  ["train", 2000],
  ["validation", 300],
];

/** Folder of a split's clips. */
export const clipFolder = (folder: string, split: Split): string => join(folder, `clips-${split}`);

/** Record the clips, and train the tokenizer of their frames, unless they are there. */
export async function ensureClips(folder: string, steps: number): Promise<void> {
  for (const [split, count] of clipCounts) {
    if (existsSync(clipFolder(folder, split))) continue;
    const clips = await recordClips(split, count, split === "train" ? 1 : 2);
    for (const { episode } of clips) await saveEpisode(clipFolder(folder, split), episode);
    console.log(`${split}: ${clips.length} clips, ${performance.now() | 0} ms`);
  }
  const file = join(folder, "text-tokenizer.safetensors");
  if (existsSync(file)) return;
  const episodes = await loadEpisodes(clipFolder(folder, "train"));
  await trainTokenizer(file, episodes, { steps, rarityWeight: 4 });
}
