/** @file What the stages of one seed share: files in the run's folder, loaded once and kept in memory. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import { loadEpisodes } from "../../data/episode-store.ts";
import type { Episode } from "../../data/episode.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../nn/checkpoint.ts";
import {
  initActorCritic,
  makeActorCritic,
  type ActorCritic,
  type ActorCriticConfig,
} from "../../policy/networks.ts";
import { loadContinuousTokenizer } from "../../tokenizer/continuous.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { loadLatentModel } from "../../worldmodel/latent/checkpoint.ts";
import type { LatentReplay } from "../../worldmodel/contexts.ts";
import type { LatentWorldModel } from "../../worldmodel/latent/latent-model.ts";
import { encodeInto, makeLatentReplay } from "../../worldmodel/latent/latent-replay.ts";
import type { StageContext } from "../stages.ts";
import type { LoopConfig } from "./config.ts";
import type { LoopTask } from "./task.ts";

/** Where a run's files are, and where to tell of trouble with them. */
export interface RunFiles {
  readonly path: string;
  file(...parts: string[]): string;
  log(line: string): void;
}

/** One seed's files and loaded parts. */
export class Workspace {
  readonly task: LoopTask;
  readonly config: LoopConfig;
  readonly seed: number;
  readonly #files: RunFiles;
  #context: StageContext | undefined;
  readonly #folder: string;
  #episodes = new Map<string, readonly Episode[]>();
  #tokenizer: Tokenizer | undefined;
  #replays = new Map<string, LatentReplay>();
  #model: LatentWorldModel | undefined;

  /** @param seed the run's seed plus the repetition's number */
  constructor(task: LoopTask, config: LoopConfig, files: RunFiles, seed: number) {
    this.task = task;
    this.config = config;
    this.#files = files;
    this.seed = seed;
    this.#folder = `seed-${seed}`;
  }

  /** Work for this stage from now on. */
  attach(context: StageContext): void {
    this.#context = { ...context, seed: this.seed };
  }

  /** The stage that is at work. @throws INVALID_ARGUMENT outside of a stage */
  get context(): StageContext {
    return (
      this.#context ??
      fail({
        code: "INVALID_ARGUMENT",
        what: "this needs a running stage",
        fix: "attach a stage's context first",
      })
    );
  }

  /** Absolute path of a file of this seed. */
  file(...parts: string[]): string {
    return this.#files.file(this.#folder, ...parts);
  }

  /** Folder of the recorded episodes of `split`. */
  episodeFolder(split: string): string {
    return join(this.#files.path, "episodes", this.#folder, split);
  }

  /** Generator for one purpose of this seed. */
  rng(purpose: string): Rng {
    return Rng.fromSeed([this.seed, ...new TextEncoder().encode(purpose)]);
  }

  /** Recorded episodes; a damaged file is named and left out. */
  async episodes(split: string): Promise<readonly Episode[]> {
    const known = this.#episodes.get(split);
    if (known !== undefined) return known;
    const loaded = await loadEpisodes(this.episodeFolder(split), {
      onDamaged: (...facts) => this.#files.log(`left out: ${facts.map(String).join(" ")}`),
    });
    this.#episodes.set(split, loaded);
    return loaded;
  }

  /** Forget loaded episodes of a split (after more were recorded, or to free memory). */
  forgetEpisodes(split: string): void {
    this.#episodes.delete(split);
  }

  tokenizer(): Tokenizer {
    this.#tokenizer ??= loadContinuousTokenizer(this.file("tokenizer.safetensors"), Rng.fromSeed(0));
    return this.#tokenizer;
  }

  /** Encoded episodes of a split. */
  async replay(split: "train" | "validation"): Promise<LatentReplay> {
    const known = this.#replays.get(split);
    if (known !== undefined) return known;
    const replay = this.emptyReplay();
    if (split === "train") await this.learnFrom(replay, await this.episodes(split));
    else await encodeInto(replay, await this.episodes(split), this.tokenizer());
    this.#replays.set(split, replay);
    return replay;
  }

  /** A replay for this task's episodes, with none in it. */
  emptyReplay(): LatentReplay {
    const { stateSize, actionSpec } = this.task;
    return makeLatentReplay(this.tokenizer(), { stateSize, actionSize: actionSpec.names.length });
  }

  /** How often a training episode stands in the replay: twice with its mirror image. */
  get copies(): number {
    return this.task.mirrored === undefined ? 1 : 2;
  }

  /** Encode training episodes into a replay, with their mirror images where the task has them. */
  async learnFrom(replay: LatentReplay, episodes: readonly Episode[]): Promise<void> {
    await encodeInto(replay, episodes, this.tokenizer());
    const { mirrored } = this.task;
    if (mirrored === undefined) return;
    for (const episode of episodes) await encodeInto(replay, [mirrored(episode)], this.tokenizer());
  }

  model(): LatentWorldModel {
    this.#model ??= loadLatentModel(this.file("worldmodel.safetensors"), this.tokenizer(), {
      termination: this.config.worldmodel.termination,
    });
    return this.#model;
  }

  /** Use this model from now on; undefined reads it from its file. */
  useModel(model: LatentWorldModel | undefined): void {
    this.#model = model;
  }

  networkConfig(): ActorCriticConfig {
    const { hidden, initialLogStd, valueScale } = this.config.policy;
    const actionSize = this.task.actionSpec.names.length;
    return { observationSize: this.model().featureSize, actionSize, hidden, initialLogStd, valueScale };
  }

  newPolicy(purpose: string): ActorCritic {
    const config = this.networkConfig();
    return makeActorCritic(config, initActorCritic(this.rng(purpose), config));
  }

  hasPolicy(name: string): boolean {
    return existsSync(this.file("policies", `${name}.safetensors`));
  }

  savePolicy(name: string, policy: ActorCritic, facts: Readonly<Record<string, unknown>> = {}): void {
    const meta = {
      kind: "actor-critic",
      config: policy.config,
      actionSpec: this.task.actionSpec,
      ...facts,
    };
    saveCheckpoint(this.file("policies", `${name}.safetensors`), policy.params(), meta);
  }

  /** A saved policy and the facts it was saved with. */
  loadPolicy(name: string): { policy: ActorCritic; facts: Readonly<Record<string, unknown>> } {
    const path = this.file("policies", `${name}.safetensors`);
    const { tensors, meta } = loadCheckpoint(path);
    const config = meta.config as ActorCriticConfig;
    const params = restoreParams(initActorCritic(Rng.fromSeed(0), config), tensors, path);
    return { policy: makeActorCritic(config, params), facts: meta };
  }

  /** Free what only this seed needs. */
  release(): void {
    this.#episodes.clear();
    this.#replays.clear();
    this.#tokenizer = undefined;
    this.#model = undefined;
  }
}
