/** @file Training from a folder instead of a simulator: its episodes, checked and dealt to the splits. */

import { mkdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { fail } from "../../core/errors.ts";
import { openEpisodes } from "../../data/episode-source.ts";
import { listEpisodes, saveEpisode } from "../../data/episode-store.ts";
import type { Episode } from "../../data/episode.ts";

/** What the task's episodes look like. */
export interface EpisodeForm {
  /** [H, W, 3] */
  readonly frame: readonly number[];
  readonly states: number;
  readonly actions: number;
}

/** Where episodes come from, where they go, and how much of them. */
export interface StoredOptions {
  /** Folder of episodes or of a LeRobotDataset. */
  readonly from: string;
  /** Folder of a split. */
  readonly folderOf: (split: "train" | "validation") => string;
  readonly form: EpisodeForm;
  /** Training episodes are taken until they hold so many steps. */
  readonly frames: number;
  readonly validationEpisodes: number;
  readonly log: (line: string) => void;
  /** Told of each episode for training; awaited, so that a run can stop there. */
  readonly onEpisode: (episode: Episode) => Promise<void>;
}

/** @throws INVALID_SHAPE for an episode of another form */
export function checkForm(from: string, episode: Episode, form: EpisodeForm): void {
  const { id, frames, states, actions } = episode;
  const got = [frames.shape.slice(1), states.shape.slice(1), actions.shape.slice(1)].map(String);
  const expected = [form.frame, [form.states], [form.actions]].map(String);
  if (got.every((shape, i) => shape === expected[i])) return;
  fail({
    code: "INVALID_SHAPE",
    what: `episode "${id}" of ${from} is not of this task`,
    expected: `frames [${expected[0]}], ${expected[1]} states, ${expected[2]} actions`,
    got: `frames [${got[0]}], ${got[1]} states, ${got[2]} actions`,
    fix: "give a folder recorded from this task, or resize its pictures first",
  });
}

/**
 * Copy the episodes of a folder into the folders of the splits.
 *
 * Episodes whose meta says `split: "validation"` go there; where none does, the last of those taken do. Episodes of test
 * worlds are left out.
 * @throws INVALID_SHAPE (another task's), INVALID_ARGUMENT (too few), CORRUPT_FILE, IO_FAILED
 */
export async function takeStoredEpisodes(options: StoredOptions): Promise<void> {
  const { from, folderOf, frames, validationEpisodes, log } = options;
  const source = await openEpisodes(from, {
    onDamaged: (file, error) => log(`left out: ${file} ${error.message}`),
  });
  let [steps, validation] = [0, 0];
  try {
    for await (const episode of source.episodes()) {
      checkForm(from, episode, options.form);
      const split = episode.meta.split ?? "train";
      if (split === "validation" && validation < validationEpisodes) {
        await saveEpisode(folderOf("validation"), episode);
        validation++;
      }
      if (split !== "train" || steps >= frames) continue;
      steps += episode.rewards.data.length;
      await saveEpisode(folderOf("train"), episode);
      await options.onEpisode(episode);
    }
  } finally {
    await source.close();
  }
  if (validation === 0) await holdOut(options);
}

/** Move the last training episodes, a tenth at most, to validation. */
async function holdOut({ from, folderOf, validationEpisodes }: StoredOptions): Promise<void> {
  mkdirSync(folderOf("train"), { recursive: true });
  const files = await listEpisodes(folderOf("train"));
  if (files.length < 2) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `${from} holds too few episodes`,
      expected: "one or more for training, and one for validation",
      got: String(files.length),
    });
  }
  const count = Math.max(1, Math.min(validationEpisodes, Math.floor(files.length / 10)));
  mkdirSync(folderOf("validation"), { recursive: true });
  for (const file of files.slice(-count)) renameSync(file, join(folderOf("validation"), basename(file)));
}
