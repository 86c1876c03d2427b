/** @file `reverie generate`: a video file from words, or from a picture and words. */

import { fail } from "../core/errors.ts";
import { Rng } from "../core/rng.ts";
import { loadImage } from "../data/image.ts";
import { loadContinuousTokenizer } from "../tokenizer/continuous.ts";
import { openTextEndpoint } from "../worldmodel/text/text-endpoint.ts";
import { loadTextEncoder, type TextEncoder } from "../worldmodel/text/text-encoder.ts";
import type { VideoSize } from "../worldmodel/text/text-video.ts";
import { loadTextWorld } from "../worldmodel/text/text-world.ts";

/** Options as the command line gives them. */
export interface GenerateFlags {
  readonly model: string;
  readonly tokenizer: string;
  /** File of the small encoder, or the address of a server of embeddings. */
  readonly encoder: string;
  readonly encoderModel?: string;
  readonly encoderSize?: number;
  readonly image?: string;
  readonly out: string;
  readonly seconds: number;
  readonly size?: string;
  readonly guidance: number;
  readonly steps: number;
  readonly seed: number;
}

/** @throws INVALID_ARGUMENT */
function sizeOf(text: string | undefined): VideoSize | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (match === null)
    return fail({ code: "INVALID_ARGUMENT", what: "this is no size", expected: "as in 256x256", got: text });
  return { width: Number(match[1]), height: Number(match[2]) };
}

/** @throws INVALID_ARGUMENT */
function encoderOf({ encoder, encoderModel, encoderSize }: GenerateFlags): TextEncoder {
  if (!/^https?:/.test(encoder)) return loadTextEncoder(encoder);
  if (encoderModel !== undefined && encoderSize !== undefined)
    return openTextEndpoint({ url: encoder, model: encoderModel, size: encoderSize });
  return fail({
    code: "INVALID_ARGUMENT",
    what: "a server of embeddings has many models",
    fix: "add --encoder-model and --encoder-size",
  });
}

/** Generate a video and save it. */
export async function generate(prompt: string, flags: GenerateFlags): Promise<void> {
  const tokenizer = loadContinuousTokenizer(flags.tokenizer, Rng.fromSeed(0));
  const world = loadTextWorld(flags.model, tokenizer, encoderOf(flags));
  const { seconds, guidance, steps, seed, image, out } = flags;
  const options = { durationSeconds: seconds, size: sizeOf(flags.size), guidance, steps, seed };
  const video =
    image === undefined
      ? await world.text2world(prompt, options)
      : await world.image2world(await loadImage(image), prompt, options);
  await video.save(out);
  const [frames, height, width] = video.frames.shape;
  process.stdout.write(`${out}: ${frames} frames of ${width} × ${height}, ${video.rateHz} per second\n`);
}
