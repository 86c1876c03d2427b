/**
 * @file A world model on another machine: the `WorldModel` contract over a server of Cosmos' forward dynamics.
 *
 * The server is stateless and makes chunks: one picture and 4·k actions give 4·k + 1 frames. Here is the loop around it:
 * the newest frame conditions the next chunk, and the frame that two chunks share is kept once.
 * @source NVIDIA Cosmos 3 NIM, action cookbook ("a client controls the loop"; duplicate boundary observations are removed)
 */

import { fail } from "../core/errors.ts";
import { ndarray, rows, zeros, type NdArray } from "../core/ndarray.ts";
import { Rng } from "../core/rng.ts";
import { frameAt, type Image } from "../data/image.ts";
import { resizeImage } from "../data/resize.ts";
import { checkActionSpec } from "./action-spec.ts";
import { chunkOf, chunkUnit, type ToServer } from "./remote/chunks.ts";
import type { ForwardServer } from "./remote/nim.ts";
import {
  defaultCodec,
  failCount,
  imageOfRow,
  letterbox,
  tierOf,
  unletterbox,
  type PictureCodec,
} from "./remote/pictures.ts";
import type {
  ActionSpec,
  LatentState,
  Observation,
  ObservationWindow,
  Prediction,
  WorldModel,
} from "./worldmodel.ts";

type Floats = NdArray<"float32">;

/** What a step brought, judged from its frames: the server gives neither rewards nor ends. */
export interface Judgement {
  readonly reward: number;
  /** Probability in [0, 1] that the task ended. */
  readonly terminated: number;
}

/** Judges one imagined step by what it shows. `action` in [-1, 1]. */
export type Judge = (
  before: Image,
  action: readonly number[],
  after: Image,
) => Judgement | Promise<Judgement>;

/** Options of `makeRemoteWorldModel`. */
export interface RemoteModelOptions {
  readonly server: ForwardServer;
  readonly actionSpec: ActionSpec;
  /** Height, width, 3 of the frames that come and go here; the server sees them letterboxed. */
  readonly frameShape: readonly [number, number, number];
  /** Makes the server's numbers of an action in physical units; they are the same unless given. */
  readonly toServer?: ToServer;
  /** Reward and end of a step; without it rewards are 0 and nothing ends. */
  readonly judge?: Judge;
  /** Actions per request of `imagine`, a multiple of four; default 16. */
  readonly chunkActions?: number;
  /** Requests at a time; default 2. */
  readonly concurrency?: number;
  /** Side of the thumbnail that `features` shows a policy; default 8. */
  readonly featureSide?: number;
  readonly codec?: PictureCodec;
  /** Cancels all that is under way. */
  readonly signal?: AbortSignal;
}

/** A world model on a server. */
export interface RemoteWorldModel extends WorldModel {
  /**
   * Frames after each of `actions` float32 [B, T, A], uint8 [B, T, H, W, 3], in whole chunks: T / `chunkActions` requests
   * per row, where `step` needs one each.
   */
  imagine(state: LatentState, actions: Floats, rng: Rng | readonly Rng[]): Promise<NdArray<"uint8">>;
}

/** Results of `work` for 0 … count − 1, at most `limit` at a time; the first failure stops what has not begun. */
async function pooled<T>(count: number, limit: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < count && !failed) {
      const index = next++;
      try {
        results[index] = await work(index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, count) }, worker));
  return results;
}

/** One generator per row: a single one gives each row a seed, in order. */
function generators(rng: Rng | readonly Rng[], batch: number): readonly Rng[] {
  if (!(rng instanceof Rng)) return rng;
  return Array.from({ length: batch }, () => Rng.fromSeed(rng.integers(2 ** 31)));
}

class RemoteModel implements RemoteWorldModel {
  readonly kind = "remote";
  readonly frameShape: readonly [number, number, number];
  readonly stateSize = 0;
  readonly actionSpec: ActionSpec;
  readonly contextLength = 1;
  readonly stepSeconds: number;
  readonly featureSize: number;
  readonly #options: RemoteModelOptions;
  readonly #codec: PictureCodec;
  readonly #side: number;

  constructor(options: RemoteModelOptions) {
    const { frameShape, featureSide = 8, codec = defaultCodec } = options;
    this.#options = options;
    this.#codec = codec;
    this.#side = featureSide;
    this.frameShape = frameShape;
    this.actionSpec = checkActionSpec(options.actionSpec);
    this.stepSeconds = 1 / options.actionSpec.rateHz;
    this.featureSize = featureSide * featureSide * 3;
  }

  async encode({ frame }: ObservationWindow): Promise<LatentState> {
    const [batch, time] = frame.shape;
    const size = frame.data.length / batch / time;
    const frames = zeros("float32", [batch, size]);
    for (let b = 0; b < batch; b++)
      frames.data.set(frame.data.subarray(((b + 1) * time - 1) * size, (b + 1) * time * size), b * size);
    return { frames };
  }

  async observe(_state: LatentState, _actions: Floats, { frame }: Observation): Promise<LatentState> {
    const [batch] = frame.shape;
    return {
      frames: ndarray("float32", [batch, frame.data.length / batch], Float32Array.from(frame.data)),
    };
  }

  async step(state: LatentState, actions: Floats, rng: Rng | readonly Rng[]): Promise<Prediction> {
    const [batch, size] = actions.shape;
    const own = generators(rng, batch);
    const oneStep = { ...actions, shape: [batch, 1, size] };
    const frames = zeros("float32", state.frames.shape);
    const rewards = zeros("float32", [batch]);
    const terminated = zeros("float32", [batch]);
    await pooled(batch, this.#options.concurrency ?? 2, async (row) => {
      const before = imageOfRow(state.frames, row, this.frameShape);
      const at = { row, from: 0, to: 1 };
      const after = frameAt(await this.#forward(before, oneStep, at, own[row]), 0);
      frames.data.set(after.data, row * after.data.length);
      const action = Array.from(actions.data.subarray(row * size, (row + 1) * size));
      const judged = await this.#options.judge?.(before, action, after);
      rewards.data[row] = judged?.reward ?? 0;
      terminated.data[row] = judged?.terminated ?? 0;
    });
    const uncertainties = zeros("float32", [batch]);
    return { state: { frames }, rewards, terminatedProbabilities: terminated, uncertainties };
  }

  async imagine(state: LatentState, actions: Floats, rng: Rng | readonly Rng[]): Promise<NdArray<"uint8">> {
    const [batch, steps] = actions.shape;
    const own = generators(rng, batch);
    const out = zeros("uint8", [batch, steps, ...this.frameShape]);
    const size = out.data.length / batch / Math.max(1, steps);
    const length = this.#options.chunkActions ?? 4 * chunkUnit;
    await pooled(batch, this.#options.concurrency ?? 2, async (row) => {
      let last = imageOfRow(state.frames, row, this.frameShape);
      for (let from = 0; from < steps; from += length) {
        const to = Math.min(steps, from + length);
        const frames = await this.#forward(last, actions, { row, from, to }, own[row]);
        out.data.set(frames.data, (row * steps + from) * size);
        last = frameAt(frames, to - from - 1);
      }
    });
    return out;
  }

  /** The newest frame, small: RGB in [-1, 1]. */
  features(state: LatentState): Floats {
    const [batch] = state.frames.shape;
    const out = zeros("float32", [batch, this.featureSize]);
    for (let b = 0; b < batch; b++) {
      const image = imageOfRow(state.frames, b, this.frameShape);
      const small = resizeImage(image, { height: this.#side, width: this.#side });
      small.data.forEach((value, i) => (out.data[b * this.featureSize + i] = value / 127.5 - 1));
    }
    return out;
  }

  async decode(state: LatentState): Promise<Observation> {
    const [batch] = state.frames.shape;
    const frame = ndarray("uint8", [batch, ...this.frameShape], Uint8Array.from(state.frames.data));
    return { frame, state: zeros("float32", [batch, 0]) };
  }

  /** Frames after actions [from, to) of a row, uint8 [to − from, H, W, 3]: without the picture itself and the padding. */
  async #forward(
    last: Image,
    actions: Floats,
    at: { row: number; from: number; to: number },
    rng: Rng,
  ): Promise<NdArray<"uint8">> {
    const { server, toServer, signal } = this.#options;
    const [height, width] = this.frameShape;
    const canvas = tierOf({ width, height });
    const chunk = chunkOf(actions, at, this.actionSpec, toServer);
    const bytes = await server.forward({
      image: await this.#codec.encodeImage(letterbox(last, canvas)),
      ...canvas,
      actions: chunk,
      seed: rng.integers(2 ** 31),
      signal,
    });
    const video = await this.#codec.decodeVideo(bytes, chunk.length + 1);
    if (video.shape[0] !== chunk.length + 1) failCount(chunk.length + 1, String(video.shape[0]));
    return unletterbox(rows(video, 1, 1 + at.to - at.from), canvas, { width, height });
  }
}

/** A world model whose frames a server makes. @throws INVALID_ARGUMENT for an unsound spec or chunk length */
export function makeRemoteWorldModel(options: RemoteModelOptions): RemoteWorldModel {
  const { chunkActions = 4 * chunkUnit, concurrency = 2 } = options;
  if (chunkActions < 1 || chunkActions % chunkUnit !== 0 || concurrency < 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "these requests cannot be made",
      expected: "chunkActions a positive multiple of 4, concurrency 1 or more",
      got: `chunkActions ${chunkActions}, concurrency ${concurrency}`,
    });
  }
  return new RemoteModel(options);
}
