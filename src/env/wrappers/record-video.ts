/** @file RecordVideo: chosen episodes as videos, one file per sub-environment and episode, each with a log to replay it. */

import { fail } from "../../core/errors.ts";
import { zeros } from "../../core/ndarray.ts";
import { rowAt } from "../batch.ts";
import type { Frame, ObservationBatch, ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import { readSyncSnapshot, SyncVectorEnv } from "../vector/sync.ts";
import { WorkersVectorEnv } from "../vector/workers.ts";
import { seedOf } from "../vector/seeds.ts";
import type { EpisodeLog } from "./episode-log.ts";
import { toPlainJson } from "./episode-log.ts";
import { EpisodeRecording } from "./episode-recording.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { layersOf, lift } from "./lift.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of `RecordVideo`. */
export interface RecordVideoOptions {
  /** Folder of the videos; made if need be. */
  readonly videoFolder: string;
  /** Which episodes (counted per sub-environment) to record; default: 0, 1, 8, 27, … up to 1000, then every 1000th. */
  readonly episodeTrigger?: (episode: number, row: number) => boolean;
  /** Begin a video within an episode when this is true of the number of steps so far. */
  readonly stepTrigger?: (step: number) => boolean;
  /** Frames per video at most; default 0: the whole episode. */
  readonly videoLength?: number;
  /** Keep a finished video? E.g. failures only: (log) => log.terminated. */
  readonly keep?: (log: EpisodeLog) => boolean;
  /** Sub-environments to record; default the first. */
  readonly rows?: readonly number[];
  /** Default "rl-video". */
  readonly namePrefix?: string;
  /** Default: the environment's `renderFps`, else 30. */
  readonly fps?: number;
  /** Default "mp4". */
  readonly format?: "mp4" | "gif" | "webp";
}

/** What is known of the episode that a row is in. */
interface RowEpisode {
  episode: number;
  seed: number | undefined;
  options: Record<string, unknown> | undefined;
  start: unknown;
  actions: unknown[];
  rewards: number[];
  recording: EpisodeRecording | undefined;
}

function cubic(episode: number): boolean {
  return episode < 1000 ? Math.round(Math.cbrt(episode)) ** 3 === episode : episode % 1000 === 0;
}

class RecordVideoWrapper extends VectorWrapper {
  readonly #options: RecordVideoOptions;
  readonly #single: boolean;
  readonly #rows: readonly number[];
  readonly #episodes: Map<number, RowEpisode>;
  readonly #mask: Mask;
  /** What stands beneath all wrappers. */
  readonly #base: object | undefined;
  #open: EpisodeRecording[] = [];
  #steps = 0;
  #actions: unknown;

  constructor(env: AnyVectorEnv, options: RecordVideoOptions, single: boolean) {
    super(env, { asynchronous: !single });
    this.#options = options;
    this.#single = single;
    this.#rows = options.rows ?? [0];
    this.#episodes = new Map();
    this.#mask = zeros("bool", [env.numEnvs]);
    this.#base = layersOf(env).find((layer) => "numEnvs" in layer && !(layer instanceof VectorWrapper));
  }

  /** Settles when everything recorded so far is on disk. @throws what writing threw */
  get finished(): Promise<void> {
    return this.#drain(true);
  }

  async #drain(whole: boolean): Promise<void> {
    for (const recording of this.#open) await recording.flushed;
    if (whole) this.#open = this.#open.filter((recording) => this.#isOpen(recording));
  }

  #isOpen(recording: EpisodeRecording): boolean {
    return [...this.#episodes.values()].some((episode) => episode.recording === recording);
  }

  override async reset(options?: VectorResetOptions): Promise<ResetBatch> {
    if (this.#single) return this.resetSync!(options);
    const batch = await this.env.reset(options);
    this.#begin(options);
    this.#shoot(await this.#frames());
    await this.#drain(false);
    return batch;
  }

  override async step(actions: unknown, mask?: Mask): Promise<StepBatch> {
    if (this.#single) return this.stepSync!(actions, mask);
    const batch = await this.env.step(actions, mask);
    this.#note(actions, batch, mask);
    this.#shoot(await this.#frames(mask));
    this.#finishEnded(batch, mask);
    await this.#drain(true);
    return batch;
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    this.#begin(options);
    this.#shoot(this.#framesNow());
    return batch;
  }

  protected override beforeStep(actions: unknown): unknown {
    this.#actions = actions;
    return actions;
  }

  protected override afterStep(batch: StepBatch, mask: Mask | undefined): StepBatch {
    this.#note(this.#actions, batch, mask);
    this.#shoot(this.#framesNow(mask));
    this.#finishEnded(batch, mask);
    return batch;
  }

  /** Rows that are being recorded and took part in the call; false when there is none. */
  #wanted(mask?: Mask): boolean {
    this.#mask.data.fill(0);
    let wanted = false;
    for (const row of this.#rows) {
      if (this.#episodes.get(row)?.recording === undefined || mask?.data[row] === 0) continue;
      this.#mask.data[row] = 1;
      wanted = true;
    }
    return wanted;
  }

  async #frames(mask?: Mask): Promise<readonly (Frame | undefined)[]> {
    return this.#wanted(mask) ? this.env.render!(this.#mask) : [];
  }

  #framesNow(mask?: Mask): readonly (Frame | undefined)[] {
    return this.#wanted(mask) ? this.env.renderSync!(this.#mask) : [];
  }

  #shoot(frames: readonly (Frame | undefined)[]): void {
    const limit = this.#options.videoLength ?? 0;
    for (const row of this.#rows) {
      if (this.#mask.data[row] === 0) continue;
      const [frame, recording] = [frames[row], this.#episodes.get(row)?.recording];
      if (recording === undefined) continue;
      if (frame === undefined) {
        fail({
          code: "NOT_SUPPORTED",
          what: `the render() of sub-environment ${row} gave no frame to record`,
          fix: 'make the environment with renderMode: "rgb_array"',
        });
      }
      if (limit === 0 || recording.frames < limit) recording.add(frame);
    }
  }

  #begin(options: VectorResetOptions | undefined): void {
    for (const row of this.#rows) {
      if (options?.mask?.data[row] === 0) continue;
      const last = this.#episodes.get(row);
      if (last?.recording !== undefined) this.#finish(row, last, { terminated: false, truncated: false });
      const seed = seedOf(options?.seed, row, this.numEnvs);
      const episode: RowEpisode = {
        episode: last === undefined ? 0 : last.episode + 1,
        seed,
        options: options?.options,
        start: undefined,
        actions: [],
        rewards: [],
        recording: undefined,
      };
      this.#episodes.set(row, episode);
      const { stepTrigger, episodeTrigger = stepTrigger === undefined ? cubic : () => false } = this.#options;
      const chosen = episodeTrigger(episode.episode, row);
      if (seed === undefined && (chosen || stepTrigger !== undefined)) episode.start = this.#startOf(row);
      if (chosen) this.#record(row, episode, `episode-${episode.episode}`);
    }
  }

  /** The state that the single environment of a row begins its episode in, where one can be had. */
  #startOf(row: number): unknown {
    const base = this.#base;
    if (base instanceof SyncVectorEnv) return toPlainJson(base.envs[row].snapshot?.());
    if (!(base instanceof WorkersVectorEnv) || base.snapshot === undefined) return undefined;
    return toPlainJson(readSyncSnapshot(base.snapshot(), this.numEnvs).envs[row]);
  }

  #record(row: number, episode: RowEpisode, label: string): void {
    const { videoFolder, namePrefix = "rl-video", format = "mp4" } = this.#options;
    const name = this.numEnvs === 1 ? `${namePrefix}-${label}` : `${namePrefix}-env-${row}-${label}`;
    const fps = this.#options.fps ?? this.metadata.renderFps ?? 30;
    episode.recording = new EpisodeRecording({ folder: videoFolder, name, extension: `.${format}`, fps });
    this.#open.push(episode.recording);
  }

  /** Take down the actions and rewards of the rows that were stepped. */
  #note(actions: unknown, batch: StepBatch, mask: Mask | undefined): void {
    this.#steps += 1;
    for (const row of this.#rows) {
      const episode = this.#episodes.get(row);
      if (episode === undefined || mask?.data[row] === 0) continue;
      const space = this.singleActionSpace;
      const action = rowAt(space, actions as ObservationBatch, row);
      episode.actions.push(space.kind === "Discrete" ? action : structuredClone(action));
      episode.rewards.push(batch.rewards.data[row]);
      if (episode.recording === undefined && this.#options.stepTrigger?.(this.#steps) === true) {
        this.#record(row, episode, `step-${this.#steps}`);
      }
    }
  }

  #finishEnded(batch: StepBatch, mask: Mask | undefined): void {
    for (const row of this.#rows) {
      const episode = this.#episodes.get(row);
      if (episode?.recording === undefined || mask?.data[row] === 0) continue;
      const [terminated, truncated] = [batch.terminations.data[row] !== 0, batch.truncations.data[row] !== 0];
      if (terminated || truncated) this.#finish(row, episode, { terminated, truncated });
    }
  }

  #finish(row: number, episode: RowEpisode, end: Pick<EpisodeLog, "terminated" | "truncated">): void {
    const recording = episode.recording!;
    const { seed, options, start, rewards } = episode;
    const log: EpisodeLog = {
      version: 1,
      env: this.spec?.id,
      kwargs: this.spec && { ...this.spec.kwargs, maxEpisodeSteps: this.spec.maxEpisodeSteps ?? -1 },
      row,
      episode: episode.episode,
      seed,
      options,
      start,
      actions: this.singleActionSpace.toJsonable(episode.actions),
      rewards,
      ...end,
      frames: recording.frames,
      fps: this.#options.fps ?? this.metadata.renderFps ?? 30,
    };
    episode.recording = undefined;
    if (this.#options.keep?.(log) === false) recording.discard();
    else recording.finish(log);
  }

  override async close(): Promise<void> {
    for (const [row, episode] of this.#episodes) {
      if (episode.recording !== undefined)
        this.#finish(row, episode, { terminated: false, truncated: false });
    }
    await super.close();
    await this.#drain(true);
  }
}

/**
 * Record chosen episodes: a video with every frame from the reset's to the last step's, written to disk as it grows,
 * and beside it a JSON log (seed or start state, actions, rewards, how it ended) that `replayEpisode` plays again.
 *
 * A single environment's calls do not wait for the encoder: `await getWrapperAttr(env, "finished")` after `close()` to
 * know that all is on disk. Vector environments wait on every step, so memory stays bounded. Forks do not record: their
 * files would have the names of the original's.
 * @throws NOT_SUPPORTED when the environment cannot render
 * @source Gymnasium 1.4 `RecordVideo`, whose vector form cuts all videos by the first sub-environment
 */
export function RecordVideo<E extends AnyEnv>(env: E, options: RecordVideoOptions): Same<E> {
  const single = !("numEnvs" in env);
  const record = (inner: AnyVectorEnv, recorded: RecordVideoOptions) => {
    if (single ? inner.renderSync === undefined : inner.render === undefined) {
      fail({
        code: "NOT_SUPPORTED",
        what: "RecordVideo of an environment that cannot render",
        expected: "render()",
      });
    }
    return new RecordVideoWrapper(inner, recorded, single);
  };
  const silent = { ...options, episodeTrigger: () => false, stepTrigger: undefined };
  return lift(
    env,
    (inner) => record(inner, options),
    (inner) => record(inner, silent),
  );
}
