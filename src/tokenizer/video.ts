/** @file Clip tokenizers for use: frozen weights behind the contract, computed in windows of few shapes, and their files. */

import { jit, tf, toUint8, type Host, type Tensor } from "../engine/jit.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";
import { Rng } from "../core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../nn/checkpoint.ts";
import { latentFrames } from "./frame-law.ts";
import { codebookSize, codesToIds, idsToCodes } from "./fsq.ts";
import { groupFrames, ungroupFrames } from "./haar.ts";
import type { DiscreteVideoTokenizer, VideoTokenizer, WindowOptions } from "./tokenizer.ts";
import {
  clipCoefficients,
  clipPixels,
  decodeClip,
  encodeClip,
  gridTokens,
  initVideoTokenizer,
  latentChannels,
  receptiveField,
  type VideoTokenizerConfig,
  type VideoTokenizerParams,
} from "./video-network.ts";

/** Mean per latent number [tokens · channels] and one scale; zeros and one for a discrete tokenizer. */
export interface ClipNormalizer {
  readonly mean: NdArray<"float32">;
  readonly scale: NdArray<"float32">;
}

/** What a clip tokenizer is made of. */
export interface VideoTokenizerParts {
  readonly config: VideoTokenizerConfig;
  readonly params: VideoTokenizerParams<NdArray>;
  readonly normalizer: ClipNormalizer;
}

/** Latent frames that are computed in one piece unless the caller says otherwise. */
const WINDOW = 8;
const ROWS = 32;

/** The normalizer that changes nothing. */
export function plainNormalizer(config: VideoTokenizerConfig): ClipNormalizer {
  const scale = zeros("float32", []);
  scale.data[0] = 1;
  return { mean: zeros("float32", [gridTokens(config) * latentChannels(config)]), scale };
}

interface CoderInput {
  readonly params: VideoTokenizerParams<Tensor>;
  readonly mean: Tensor;
  readonly scale: Tensor;
  readonly input: Tensor;
}

function compile(config: VideoTokenizerConfig) {
  const grid = [gridTokens(config), latentChannels(config)];
  return {
    encode: jit(
      ({ params, mean, scale, input }: CoderInput) => {
        const latents = encodeClip(params, clipCoefficients(input, config), config);
        return { output: tf.div(tf.sub(latents, tf.reshape(mean, grid)), scale) };
      },
      { name: "video.encode" },
    ),
    decode: jit(
      ({ params, mean, scale, input }: CoderInput) => {
        const latents = tf.add(tf.mul(input, scale), tf.reshape(mean, grid));
        return { output: toUint8(clipPixels(decodeClip(params, latents, config), config)) };
      },
      { name: "video.decode" },
    ),
  };
}

type Wide = "uint8" | "float32";

/** Part [from, to) of axis 1 and rows [first, last) of x, padded with zeros to `rowCount` rows. */
function cut<D extends Wide>(
  x: NdArray<D>,
  rows: { first: number; last: number; padded: number },
  span: { from: number; to: number },
): NdArray<D> {
  const [, time, ...rest] = x.shape;
  const size = x.data.length / x.shape[0] / time;
  const length = span.to - span.from;
  const out = zeros(x.dtype, [rows.padded, length, ...rest]);
  for (let b = rows.first; b < rows.last; b++) {
    const at = (b * time + span.from) * size;
    out.data.set(x.data.subarray(at, at + length * size), (b - rows.first) * length * size);
  }
  return out;
}

interface Pass<D extends Wide, E extends Wide> {
  /** Units of axis 1 (frames or latents) per latent frame, in and out. */
  readonly inUnits: number;
  readonly outUnits: number;
  /** Latent frames before a window that it looks at. */
  readonly back: number;
  readonly window: number;
  readonly run: (input: NdArray<D>) => Promise<NdArray<E>>;
}

/**
 * Run a causal pass over x [B, K·inUnits, …] into `out` [B, K·outUnits, …], window by window: each window is given the
 * latent frames before it that it looks at, and what it says about those is dropped.
 */
async function inWindows<D extends Wide, E extends Wide>(
  x: NdArray<D>,
  out: NdArray<E>,
  pass: Pass<D, E>,
): Promise<NdArray<E>> {
  const { inUnits, outUnits, back, window } = pass;
  const batch = x.shape[0];
  const latents = x.shape[1] / inUnits;
  const size = batch === 0 ? 0 : out.data.length / batch / out.shape[1];
  for (let first = 0; first < batch; first += ROWS) {
    const last = Math.min(first + ROWS, batch);
    const padded = Math.min(ROWS, 2 ** Math.ceil(Math.log2(last - first)));
    for (let start = 0; start < latents; start += window) {
      const end = Math.min(start + window, latents);
      const from = Math.max(0, start - back);
      const span = { from: from * inUnits, to: end * inUnits };
      const result = await pass.run(cut(x, { first, last, padded }, span));
      const stride = result.data.length / padded;
      const skipped = (start - from) * outUnits * size;
      for (let b = first; b < last; b++) {
        const row = result.data.subarray((b - first) * stride + skipped, (b - first + 1) * stride);
        out.data.set(row, (b * out.shape[1] + start * outUnits) * size);
      }
    }
  }
  return out;
}

function checkFrames(frames: NdArray<"uint8">, size: number): void {
  const [, , ...image] = frames.shape;
  if (image.join() === [size, size, 3].join()) return;
  fail({
    code: "INVALID_SHAPE",
    what: "these are no clips for this tokenizer",
    expected: `[B, T, ${size}, ${size}, 3]`,
    got: `[${frames.shape.join(", ")}]`,
    fix: "resize the frames, or load a tokenizer of their size",
  });
}

function windowOf(options: WindowOptions | undefined): number {
  const window = options?.windowLatents ?? WINDOW;
  if (Number.isInteger(window) && window >= 1) return window;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "windowLatents is no number of latent frames",
    expected: "a whole number of 1 or more",
    got: String(window),
  });
}

/** Encoding and decoding of whole clips by compiled weights. */
function makeCoder({
  config,
  params,
  normalizer,
}: VideoTokenizerParts): Pick<VideoTokenizer, "encode" | "decode"> {
  const { size, temporal } = config;
  const compiled = compile(config);
  const [tokens, channels] = [gridTokens(config), latentChannels(config)];
  const weights = { params, ...normalizer } as unknown as Omit<Host<CoderInput>, "input">;
  return {
    async encode(frames, options) {
      checkFrames(frames, size);
      const latents = latentFrames(frames.shape[1], temporal);
      const out = zeros("float32", [frames.shape[0], latents, tokens, channels]);
      return inWindows(groupFrames(frames, temporal), out, {
        inUnits: temporal,
        outUnits: 1,
        back: receptiveField(config, "encoder"),
        window: windowOf(options),
        run: async (input) => (await compiled.encode({ ...weights, input })).output as NdArray<"float32">,
      });
    },
    async decode(latents, options) {
      const [batch, count] = latents.shape;
      const out = zeros("uint8", [batch, count * temporal, size, size, 3]);
      const groups = await inWindows(latents, out, {
        inUnits: 1,
        outUnits: temporal,
        back: receptiveField(config, "decoder"),
        window: windowOf(options),
        run: async (input) => (await compiled.decode({ ...weights, input })).output as NdArray<"uint8">,
      });
      return ungroupFrames(groups, temporal);
    },
  };
}

/** A frozen clip tokenizer from weights; `hash` is that of its checkpoint. */
export function makeVideoTokenizer(
  parts: VideoTokenizerParts & { readonly hash: string },
): VideoTokenizer | DiscreteVideoTokenizer {
  const { config, hash } = parts;
  const { size, temporal, spatial, latent } = config;
  const { encode, decode } = makeCoder(parts);
  const common = {
    frameShape: [size, size, 3] as const,
    temporal,
    spatial,
    tokens: gridTokens(config),
    channels: latentChannels(config),
    hash,
    encode,
    decode,
  };
  if (latent.kind === "continuous") return { kind: "continuous-video", ...common };
  const { levels } = latent;
  return {
    kind: "discrete-video",
    ...common,
    levels,
    codebookSize: codebookSize(levels),
    tokenize: async (frames, options) => codesToIds(await encode(frames, options), levels),
    detokenize: async (ids, options) => decode(idsToCodes(ids, levels), options),
  };
}

/** Write a clip tokenizer's checkpoint; returns its hash. */
export function saveVideoTokenizer(path: string, parts: VideoTokenizerParts): string {
  const { config, params, normalizer } = parts;
  return saveCheckpoint(path, { params, normalizer }, { kind: "video-tokenizer", config });
}

function mismatch(path: string, expected: string, got: string): never {
  return fail({
    code: "CHECKPOINT_MISMATCH",
    what: `${path} is no ${expected}`,
    expected,
    got,
    fix: `give the path of a ${expected}'s checkpoint`,
  });
}

/** Read a clip tokenizer. @throws CORRUPT_FILE, CHECKPOINT_MISMATCH */
export function loadVideoTokenizer(path: string): VideoTokenizer | DiscreteVideoTokenizer {
  const { tensors, meta, hash } = loadCheckpoint(path);
  if (meta.kind !== "video-tokenizer") mismatch(path, "video-tokenizer", String(meta.kind));
  const config = meta.config as VideoTokenizerConfig;
  const like = { params: initVideoTokenizer(Rng.fromSeed(0), config), normalizer: plainNormalizer(config) };
  return makeVideoTokenizer({ config, hash, ...restoreParams(like, tensors, path) });
}

/** Read a tokenizer of tokens. @throws CORRUPT_FILE; CHECKPOINT_MISMATCH when it is a continuous one */
export function loadDiscreteTokenizer(path: string): DiscreteVideoTokenizer {
  const tokenizer = loadVideoTokenizer(path);
  if (tokenizer.kind === "discrete-video") return tokenizer as DiscreteVideoTokenizer;
  return mismatch(path, "discrete-video tokenizer", tokenizer.kind);
}
