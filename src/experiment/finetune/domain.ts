/** @file Episodes of one domain, checked against the base and encoded: what fine-tuning trains and is judged on. */

import { fail } from "../../core/errors.ts";
import { openEpisodes } from "../../data/episode-source.ts";
import type { Episode } from "../../data/episode.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { LatentReplay } from "../../worldmodel/contexts.ts";
import type { EpisodeFrames } from "../../worldmodel/measures/evaluate.ts";
import { encodeInto, makeLatentReplay } from "../../worldmodel/latent/latent-replay.ts";
import type { ActionSpec } from "../../worldmodel/worldmodel.ts";
import { checkForm } from "../loop/stored-episodes.ts";

/** Encoded episodes and their frames, in one order. */
export interface Domain {
  readonly replay: LatentReplay;
  readonly frames: EpisodeFrames;
  /** What the episodes say that their actions mean. */
  readonly actionSpec: ActionSpec | undefined;
}

/** Sizes that episodes must have. */
export interface DomainForm {
  readonly tokenizer: Tokenizer;
  readonly stateSize: number;
  readonly actionSize: number;
}

async function readEpisodes(folder: string, form: DomainForm): Promise<Episode[]> {
  const source = await openEpisodes(folder);
  const episodes: Episode[] = [];
  try {
    for await (const episode of source.episodes()) {
      const { tokenizer, stateSize, actionSize } = form;
      checkForm(folder, episode, { frame: tokenizer.frameShape, states: stateSize, actions: actionSize });
      episodes.push(episode);
    }
  } finally {
    await source.close();
  }
  return episodes;
}

async function domainOf(episodes: readonly Episode[], form: DomainForm): Promise<Domain> {
  const replay = makeLatentReplay(form.tokenizer, form);
  await encodeInto(replay, episodes, form.tokenizer);
  const actionSpec = episodes[0]?.meta.actionSpec as ActionSpec | undefined;
  return { replay, frames: episodes.map(({ frames }) => frames), actionSpec };
}

/** All episodes of a folder. @throws INVALID_SHAPE, IO_FAILED, INVALID_ARGUMENT (none), CORRUPT_FILE */
export async function openDomain(folder: string, form: DomainForm): Promise<Domain> {
  return domainOf(await readEpisodes(folder, form), form);
}

/** A folder dealt to training and validation: by what its episodes say, or the last tenth. @throws INVALID_ARGUMENT for too few */
export async function openSplit(
  folder: string,
  form: DomainForm,
): Promise<{ train: Domain; validation: Domain }> {
  const episodes = await readEpisodes(folder, form);
  const marked = episodes.filter(({ meta }) => meta.split === "validation");
  const held = marked.length > 0 ? marked : episodes.slice(-Math.max(1, Math.floor(episodes.length / 10)));
  const rest = episodes.filter((episode) => !held.includes(episode));
  if (rest.length === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `${folder} holds too few episodes`,
      expected: "one or more for training, and one for validation",
      got: String(episodes.length),
    });
  }
  return { train: await domainOf(rest, form), validation: await domainOf(held, form) };
}
