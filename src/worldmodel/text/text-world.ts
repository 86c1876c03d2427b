/**
 * @file Video from words: a causal flow that is told a text, drawn frame after frame with classifier-free guidance; from
 * nothing, from a picture, or from observed frames under actions.
 *
 * The first frame is drawn after a context of zeros at time 0, which tells the network that nothing is there.
 * @source Cosmos-Predict2.5 (one model for text, image and video to world); Ho & Salimans 2022, Classifier-Free Diffusion
 * Guidance, eq. 6
 */

import { jit, tf, type Tensor } from "../../engine/jit.ts";
import { ndarray, zeros, type NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import type { Image } from "../../data/image.ts";
import { restoreParams } from "../../nn/checkpoint.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import {
  denoiseNext,
  initCausalFlow,
  readContext,
  velocityOf,
  type CausalFlowConfig,
  type CausalFlowParams,
  type Present,
} from "../causal-flow/causal-flow.ts";
import { drawNoise } from "../latent/flow.ts";
import { loadModelFile, saveModelFile } from "../model-file.ts";
import { normalizeStates, type Normalizers } from "../normalizers.ts";
import type { TextEncoder } from "./text-encoder.ts";
import { frameCountOf, videoOf, type VideoSize, type WorldVideo } from "./text-video.ts";
import { fitWindow, shiftRows, takeTimeRow, timeRows } from "../windows.ts";
import type { ActionSpec } from "../worldmodel.ts";

type Floats = NdArray<"float32">;

/** A causal flow that knows texts. */
export type TextWorldConfig = CausalFlowConfig & { readonly textSize: number };

/** Everything that a text world is made of. */
export interface TextWorldParts {
  readonly config: TextWorldConfig;
  readonly params: CausalFlowParams<NdArray>;
  readonly normalizers: Normalizers;
  readonly tokenizer: Tokenizer;
  readonly encoder: TextEncoder;
  readonly actionSpec: ActionSpec;
}

/** How frames are drawn. */
export interface DrawOptions {
  /**
   * 1 takes the text as it was learned, more follows it further, 0 ignores it. Default 2. More than 1 is for the first new
   * frame alone: what is added to every frame adds up.
   */
  readonly guidance?: number;
  /** Steps from noise to a frame; default 8. */
  readonly steps?: number;
  readonly seed?: number;
}

/** A video's length and form. */
export interface VideoOptions extends DrawOptions {
  /** A whole number of the model's steps. */
  readonly durationSeconds: number;
  /** The model's own frame size, or a whole multiple of it; its own unless given. */
  readonly size?: VideoSize;
}

/** What is given for `generate`: one row per prompt. */
export interface Generation extends DrawOptions {
  readonly prompts: readonly string[];
  /** Frames to draw. */
  readonly count: number;
  /** Observed frames uint8 [B, T, H, W, 3] before them. */
  readonly init?: NdArray<"uint8">;
  /** States [B, T, S] of those frames and actions [B, T − 1 + count, A] in [-1, 1]; both, or neither. */
  readonly states?: Floats;
  readonly actions?: Floats;
}

/** Video from words. */
export interface TextWorld {
  readonly frameShape: readonly [number, number, number];
  readonly stepSeconds: number;
  readonly actionSpec: ActionSpec;
  /** New frames uint8 [B, count, H, W, 3], without those given. @throws INVALID_ARGUMENT */
  generate(options: Generation): Promise<NdArray<"uint8">>;
  text2world(prompt: string, options: VideoOptions): Promise<WorldVideo>;
  /** The picture is the video's first frame. */
  image2world(image: Image, prompt: string, options: VideoOptions): Promise<WorldVideo>;
  /**
   * The given frames and one for each action after them.
   * @param init frames uint8 [T, H, W, 3] and their states [T, S] @param actions [T − 1 + N, A] in [-1, 1]
   */
  video2world(
    init: { readonly frames: NdArray<"uint8">; readonly states: Floats },
    actions: Floats,
    prompt: string,
    options?: DrawOptions & { readonly size?: VideoSize },
  ): Promise<WorldVideo>;
}

interface DrawInput {
  readonly params: CausalFlowParams<Tensor>;
  readonly latents: Tensor;
  readonly states: Tensor;
  readonly actions: Tensor;
  readonly times: Tensor;
  readonly text: Tensor;
  readonly known: Tensor;
  readonly noise: Tensor;
  readonly guidance: Tensor;
}

/** Latents are standardized: no estimate is let go further, as guidance would drive it. */
const furthest = 4;

/** The next frame in `steps` equal steps, its clean estimate moved away from what it would be without the text. */
function compileDraw(config: TextWorldConfig, steps: number) {
  const draw = ({ params, noise, guidance, text, ...window }: DrawInput): Record<string, Tensor> => {
    const [batch] = noise.shape;
    const told = readContext(params, config, { ...window, text });
    const untold = readContext(params, config, { ...window, text: tf.zerosLike(text) });
    const cleanOf = (present: Present, latent: Tensor, at: number) =>
      denoiseNext(params, config, present, {
        latent,
        time: tf.fill([batch], at),
        step: tf.fill([batch], 1 / steps),
      });
    let latent = noise;
    let state: Tensor = told.state;
    for (let i = 0; i < steps; i++) {
      const [with_, without] = [cleanOf(told, latent, i / steps), cleanOf(untold, latent, i / steps)];
      const guided = tf.add(without.latent, tf.mul(tf.sub(with_.latent, without.latent), guidance));
      const clean = tf.minimum(tf.maximum(guided, -furthest), furthest);
      const noised = { latent, time: tf.fill([batch], i / steps), step: tf.zeros([batch]) };
      latent = tf.add(latent, tf.mul(velocityOf(clean, noised), 1 / steps));
      state = with_.state;
    }
    return { latent, state };
  };
  return jit(draw, { name: "textworld.draw" });
}

/** The window that the next frame is drawn after. */
interface Window {
  readonly latents: Floats;
  readonly states: Floats;
  readonly actions: Floats;
  readonly times: Floats;
}

class TextWorldModel implements TextWorld {
  readonly frameShape: readonly [number, number, number];
  readonly stepSeconds: number;
  readonly actionSpec: ActionSpec;
  readonly #parts: TextWorldParts;
  readonly #compiled = new Map<number, ReturnType<typeof compileDraw>>();

  constructor(parts: TextWorldParts) {
    this.#parts = parts;
    this.frameShape = parts.tokenizer.frameShape;
    this.stepSeconds = 1 / parts.actionSpec.rateHz;
    this.actionSpec = parts.actionSpec;
  }

  async generate(options: Generation): Promise<NdArray<"uint8">> {
    const { prompts, count, init, guidance = 2, steps = 8, seed = 0 } = options;
    const { encoder, tokenizer, params } = this.#parts;
    const batch = prompts.length;
    const known = checkGiven(options, this.#parts.config);
    const rng = Rng.fromSeed(seed);
    const text = await encoder.embed(prompts);
    const rows = { text, known: filled([batch], known ? 1 : 0) };
    const draw = this.#drawer(steps);
    const out = zeros("uint8", [batch, count, ...this.frameShape]);
    const size = out.data.length / batch / Math.max(1, count);
    let window = init === undefined ? this.#nothing(batch) : await this.#seen(init, options);
    for (let t = 0; t < count; t++) {
      const { actions } = options;
      const now =
        known && actions
          ? shiftRows(window.actions, takeTimeRow(actions, actions.shape[1] - count + t))
          : window.actions;
      const noise = drawNoise(rng, batch, window.latents.shape[2]);
      const strength = filled([], t === 0 ? guidance : Math.min(1, guidance));
      const drawn = await draw({ params, ...window, actions: now, ...rows, noise, guidance: strength });
      const { latent, state } = drawn as unknown as Record<string, Floats>;
      const frames = await tokenizer.decode(latent);
      for (let b = 0; b < batch; b++)
        out.data.set(frames.data.subarray(b * size, (b + 1) * size), (b * count + t) * size);
      window = this.#after({ ...window, actions: now }, latent, known ? state : undefined);
    }
    return out;
  }

  async text2world(prompt: string, options: VideoOptions): Promise<WorldVideo> {
    const count = frameCountOf(options.durationSeconds, this.stepSeconds);
    return this.#video(await this.generate({ ...options, prompts: [prompt], count }), options.size);
  }

  async image2world(image: Image, prompt: string, options: VideoOptions): Promise<WorldVideo> {
    const count = frameCountOf(options.durationSeconds, this.stepSeconds) - 1;
    const init = ndarray("uint8", [1, 1, ...image.shape], image.data);
    return this.#video(
      joined(init, await this.generate({ ...options, prompts: [prompt], count, init })),
      options.size,
    );
  }

  async video2world(
    init: { readonly frames: NdArray<"uint8">; readonly states: Floats },
    actions: Floats,
    prompt: string,
    options: DrawOptions & { readonly size?: VideoSize } = {},
  ): Promise<WorldVideo> {
    const one = <D extends "uint8" | "float32">(x: NdArray<D>): NdArray<D> => ({
      ...x,
      shape: [1, ...x.shape],
    });
    const frames = one(init.frames);
    const count = actions.shape[0] - frames.shape[1] + 1;
    const given = { init: frames, states: one(init.states), actions: one(actions) };
    return this.#video(
      joined(frames, await this.generate({ ...options, ...given, prompts: [prompt], count })),
      options.size,
    );
  }

  #drawer(steps: number) {
    const draw = this.#compiled.get(steps) ?? compileDraw(this.#parts.config, steps);
    this.#compiled.set(steps, draw);
    return draw;
  }

  #video(frames: NdArray<"uint8">, size: VideoSize | undefined): WorldVideo {
    return videoOf(ndarray("uint8", frames.shape.slice(1), frames.data), this.actionSpec.rateHz, size);
  }

  /** A context in which nothing is. */
  #nothing(batch: number): Window {
    const { contextLength, tokens, channels, stateSize, actionSize } = this.#parts.config;
    return {
      latents: zeros("float32", [batch, contextLength, tokens * channels]),
      states: zeros("float32", [batch, contextLength, stateSize]),
      actions: zeros("float32", [batch, contextLength, actionSize]),
      times: zeros("float32", [batch, contextLength]),
    };
  }

  async #seen(init: NdArray<"uint8">, { states, actions }: Generation): Promise<Window> {
    const { config, tokenizer, normalizers } = this.#parts;
    const { contextLength, stateSize, actionSize } = config;
    const [batch, time, ...image] = init.shape;
    const flat = await tokenizer.encode(ndarray("uint8", [batch * time, ...image], init.data));
    const latents = ndarray("float32", [batch, time, config.tokens * config.channels], flat.data);
    const past = actions && timeRows(actions, 0, time - 1);
    return {
      latents: fitWindow(latents, contextLength, "repeat"),
      states: states
        ? fitWindow(normalizeStates(normalizers, states), contextLength, "repeat")
        : zeros("float32", [batch, contextLength, stateSize]),
      actions: past
        ? fitWindow(past, contextLength, "zero")
        : zeros("float32", [batch, contextLength, actionSize]),
      times: filled([batch, contextLength], 1),
    };
  }

  /** The window with a drawn frame at its end; the first one stands for all that was before it. */
  #after(window: Window, latent: Floats, state: Floats | undefined): Window {
    const [batch, frames, width] = window.latents.shape;
    const one = ndarray("float32", [batch, 1, width], latent.data);
    const first = window.times.data[0] === 0;
    return {
      latents: first ? fitWindow(one, frames, "repeat") : shiftRows(window.latents, latent),
      states: state ? shiftRows(window.states, state) : window.states,
      actions: window.actions,
      times: filled([batch, frames], 1),
    };
  }
}

function filled(shape: readonly number[], value: number): Floats {
  const out = zeros("float32", shape);
  out.data.fill(value);
  return out;
}

/** Frames of one row, the given ones and those drawn: [1, T + N, …]. */
function joined(given: NdArray<"uint8">, drawn: NdArray<"uint8">): NdArray<"uint8"> {
  const data = new Uint8Array(given.data.length + drawn.data.length);
  data.set(given.data);
  data.set(drawn.data, given.data.length);
  return ndarray("uint8", [1, given.shape[1] + drawn.shape[1], ...given.shape.slice(2)], data);
}

/** Are states and actions given? @throws INVALID_ARGUMENT, INVALID_SHAPE for parts that do not belong together */
function checkGiven({ prompts, count, init, states, actions }: Generation, config: TextWorldConfig): boolean {
  const together = (states === undefined) === (actions === undefined);
  if (prompts.length === 0 || count < 0 || !together || (actions !== undefined && init === undefined)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "nothing can be generated from this",
      expected: "one prompt or more; actions only with the states and frames that they begin in",
      got: `${prompts.length} prompts, ${count} frames, ${init ? "frames" : "no frames"}, ${states ? "states" : "no states"}, ${actions ? "actions" : "no actions"}`,
    });
  }
  if (init === undefined || states === undefined || actions === undefined) return false;
  const got = [states.shape, actions.shape].map(String);
  const [batch, time] = [prompts.length, init.shape[1]];
  const expected = [
    [batch, time, config.stateSize],
    [batch, time - 1 + count, config.actionSize],
  ].map(String);
  if (got.join() === expected.join()) return true;
  return fail({
    code: "INVALID_SHAPE",
    what: "states or actions do not fit the frames",
    expected: `states [${expected[0]}], actions [${expected[1]}]`,
    got: `[${got[0]}], [${got[1]}]`,
  });
}

/** A text world of these parts. @throws CHECKPOINT_MISMATCH when the encoder's vectors are of another size */
export function makeTextWorld(parts: TextWorldParts): TextWorld {
  if (parts.encoder.size !== parts.config.textSize) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: "text encoder and world do not belong together",
      expected: `vectors of ${parts.config.textSize} numbers`,
      got: String(parts.encoder.size),
      fix: "use the encoder that the world was trained behind",
    });
  }
  return new TextWorldModel(parts);
}

const kindBehind = (encoderHash: string): string => `text-world behind ${encoderHash}`;

/** Write a text world; its file names the encoder that it was trained behind. */
export function saveTextWorld(
  path: string,
  parts: Omit<TextWorldParts, "tokenizer" | "encoder">,
  hashes: { readonly tokenizer: string; readonly encoder: string },
): string {
  const { config, params, normalizers, actionSpec } = parts;
  const meta = { config, normalizers, actionSpec, tokenizerHash: hashes.tokenizer };
  return saveModelFile(path, { params }, { kind: kindBehind(hashes.encoder), ...meta });
}

/** Read a text world. @throws CHECKPOINT_MISMATCH for another encoder or tokenizer, CORRUPT_FILE, IO_FAILED */
export function loadTextWorld(path: string, tokenizer: Tokenizer, encoder: TextEncoder): TextWorld {
  const demands = { kind: kindBehind(encoder.hash), tokenizerHash: tokenizer.hash };
  const { tensors, meta } = loadModelFile<TextWorldConfig>(path, demands);
  const { config, normalizers, actionSpec } = meta;
  const { params } = restoreParams({ params: initCausalFlow(Rng.fromSeed(0), config) }, tensors, path);
  return makeTextWorld({ config, params, normalizers, tokenizer, encoder, actionSpec });
}
