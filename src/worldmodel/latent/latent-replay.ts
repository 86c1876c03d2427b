/** @file Episodes encoded once by a frozen tokenizer: what a latent world model trains on and dreams begin in. */

import type { Episode } from "../../data/episode.ts";
import { makeReplay } from "../../data/replay.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { LatentReplay } from "../contexts.ts";

/** An empty replay for this tokenizer's latents, `stateSize` numbers of state and `actionSize` of action. */
export function makeLatentReplay(
  { tokens, channels }: Pick<Tokenizer, "tokens" | "channels">,
  { stateSize, actionSize }: { stateSize: number; actionSize: number },
): LatentReplay {
  return makeReplay({
    observationColumns: { latent: [tokens * channels], state: [stateSize] },
    transitionColumns: { action: [actionSize], reward: [] },
  });
}

/** Encode whole episodes into a replay; each is tagged with the policy that drove it. */
export async function encodeInto(
  replay: LatentReplay,
  episodes: readonly Episode[],
  tokenizer: Pick<Tokenizer, "encode">,
): Promise<void> {
  for (const episode of episodes) {
    const latent = await tokenizer.encode(episode.frames);
    const { terminated, truncated, meta } = episode;
    const columns = { latent, state: episode.states, action: episode.actions, reward: episode.rewards };
    replay.add({ columns, terminated, truncated, tag: String(meta.policy) });
  }
}
