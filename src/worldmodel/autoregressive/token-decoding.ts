/**
 * @file Writing a frame's tokens: one after the other, or several per pass by checking what draft heads guessed. Both give
 * the same tokens.
 *
 * A pass is given, per row, a token that is certain and guesses of the ones after it. Where the model itself would have
 * written the guess, it counts; the first that it would not is replaced by the model's own. Since a token is a function of
 * its logits and of one random number kept for its place, this holds for sampling as it does for greedy decoding.
 * @source Leviathan et al. 2023, Fast Inference from Transformers via Speculative Decoding; Cai et al. 2024, Medusa
 */

import { zeros, type NdArray } from "../../core/ndarray.ts";
import { chooseToken, type TokenSampling } from "./token-sampling.ts";

type Floats = NdArray<"float32">;

/** Keys and values by block. */
export type HostCaches = Readonly<Record<string, { readonly keys: Floats; readonly values: Floats }>>;

/** What a pass over m tokens per row gives. */
export interface PassOutput {
  /** [B, m, V]: logits of the token after each. */
  readonly logits: Floats;
  /** Per draft head [B, m, V]: of the tokens further on. */
  readonly drafts: readonly Floats[];
  /** Keys and values of the m positions: [B, heads, m, D / heads]. */
  readonly caches: HostCaches;
  /** [B, m, D] */
  readonly hidden: Floats;
}

/** One pass: tokens float32 [B, m] that stand at places `starts` float32 [B] … of their frame, after `recent`. */
export type TokenPass = (input: {
  readonly tokens: Floats;
  readonly starts: Floats;
  readonly recent: HostCaches;
}) => Promise<PassOutput>;

/** Logits at the new frame's prefix: of its first token [B, V], and of those after it. */
export interface FirstLogits {
  readonly logits: Floats;
  readonly drafts: readonly Floats[];
}

/** How a frame is written. */
export interface DecodeOptions {
  readonly batch: number;
  readonly tokens: number;
  /** Tokens per pass: 1, or 1 + the number of draft heads. */
  readonly width: number;
  readonly sampling: TokenSampling;
  /** Uniform numbers float32 [B, N], one per place. */
  readonly uniforms: Floats;
  /** Empty caches of fixed size: [B, heads, N + width, D / heads]. Written over. */
  readonly recent: HostCaches;
}

/** A written frame. */
export interface WrittenFrame {
  /** float32 [B, N] */
  readonly tokens: Floats;
  /** float32 [B, D]: hidden state at each frame's last token. */
  readonly hidden: Floats;
  /** Passes that were made. */
  readonly passes: number;
}

/** A row's progress: tokens [0, certain) are known, those before `processed` have been through a pass. */
interface Row {
  processed: number;
  certain: number;
  guesses: number[];
}

function copyPositions(
  from: HostCaches,
  to: HostCaches,
  row: number,
  span: { start: number; count: number },
): void {
  for (const [block, cache] of Object.entries(from)) {
    for (const part of ["keys", "values"] as const) {
      const source = cache[part];
      const target = to[block][part];
      const [, heads, width, size] = source.shape;
      const length = target.shape[2];
      for (let h = 0; h < heads; h++) {
        const at = (row * heads + h) * width * size;
        const place = ((row * heads + h) * length + span.start) * size;
        target.data.set(source.data.subarray(at, at + span.count * size), place);
      }
    }
  }
}

/** Row `index` of x [rows, V]. */
function logitsAt(x: Floats, index: number): Float32Array {
  const size = x.shape[x.shape.length - 1];
  return x.data.subarray(index * size, (index + 1) * size);
}

class FrameWriter {
  readonly #options: DecodeOptions;
  readonly #tokens: Floats;
  readonly #rows: Row[];

  constructor(options: DecodeOptions, first: FirstLogits) {
    const { batch, tokens } = options;
    this.#options = options;
    this.#tokens = zeros("float32", [batch, tokens]);
    this.#rows = Array.from({ length: batch }, (_, b) => {
      this.#write(b, 0, first.logits, b);
      return { processed: 0, certain: 1, guesses: this.#guess(b, 1, first.drafts, b) };
    });
  }

  get tokens(): Floats {
    return this.#tokens;
  }

  get done(): boolean {
    return this.#rows.every(({ processed }) => processed === this.#options.tokens);
  }

  #choose(row: number, place: number, logits: Float32Array): number {
    const { sampling, uniforms, tokens } = this.#options;
    return chooseToken(logits, sampling, uniforms.data[row * tokens + place]);
  }

  #write(row: number, place: number, logits: Floats, at: number): number {
    const token = this.#choose(row, place, logitsAt(logits, at));
    this.#tokens.data[row * this.#options.tokens + place] = token;
    return token;
  }

  /** Guesses of the tokens from `place` on. */
  #guess(row: number, place: number, drafts: readonly Floats[], at: number): number[] {
    const { tokens, width } = this.#options;
    const heads = drafts.slice(0, Math.max(0, Math.min(width - 1, tokens - place)));
    return heads.map((draft, i) => this.#choose(row, place + i, logitsAt(draft, at)));
  }

  /** The next pass' tokens and where they stand; rows that are done go along unread. */
  next(): { tokens: Floats; starts: Floats } {
    const { batch, width, tokens: count } = this.#options;
    const tokens = zeros("float32", [batch, width]);
    const starts = zeros("float32", [batch]);
    this.#rows.forEach(({ processed, guesses }, b) => {
      starts.data[b] = Math.min(processed, count - 1);
      const given = [this.#tokens.data[b * count + starts.data[b]], ...guesses];
      given.forEach((token, i) => (tokens.data[b * width + i] = token));
    });
    return { tokens, starts };
  }

  /** Take in a pass' results. @returns rows that came to their end, with the place of their last token in the pass */
  take(out: PassOutput): { row: number; at: number }[] {
    const { width, tokens, recent } = this.#options;
    const ended: { row: number; at: number }[] = [];
    this.#rows.forEach((row, b) => {
      if (row.processed === tokens) return;
      const start = row.processed;
      let accepted = 0;
      // The certain token, then each guess that is what the model would have written.
      do {
        accepted++;
        const place = start + accepted;
        if (place === tokens) break;
        const token = this.#write(b, place, out.logits, b * width + accepted - 1);
        row.certain = place + 1;
        if (row.guesses[accepted - 1] !== token) break;
      } while (accepted <= row.guesses.length);
      copyPositions(out.caches, recent, b, { start, count: accepted });
      row.processed = start + accepted;
      const at = b * width + accepted - 1;
      row.guesses = this.#guess(b, row.processed + 1, out.drafts, at);
      if (row.processed === tokens) ended.push({ row: b, at });
    });
    return ended;
  }
}

/** Write one frame. */
export async function writeFrame(
  first: FirstLogits,
  pass: TokenPass,
  options: DecodeOptions,
): Promise<WrittenFrame> {
  const writer = new FrameWriter(options, first);
  let hidden: Floats | undefined;
  let passes = 0;
  while (!writer.done) {
    const out = await pass({ ...writer.next(), recent: options.recent });
    passes++;
    const dim = out.hidden.shape[2];
    hidden ??= zeros("float32", [options.batch, dim]);
    for (const { row, at } of writer.take(out))
      hidden.data.set(out.hidden.data.subarray(at * dim, (at + 1) * dim), row * dim);
  }
  return { tokens: writer.tokens, hidden: hidden as Floats, passes };
}
