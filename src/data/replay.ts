/** @file Replay: recorded episodes as named columns, and batches of windows that never cross an episode. */

import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { checkColumns } from "./columns.ts";
import type { Columns, ColumnSpecs } from "./columns.ts";
import type { ReplayEpisode, ReplaySpec } from "./replay-episode.ts";
import { gatherWindows } from "./window.ts";
import type { Batch, Segment, WindowShape } from "./window.ts";
import { WindowSampler } from "./window-sampler.ts";
import type { DrawOptions } from "./window-sampler.ts";

/** What `Replay.add` takes. The arrays belong to the replay from then on; they are not copied. */
export interface NewEpisode<O extends ColumnSpecs, X extends ColumnSpecs> {
  readonly columns: Columns<O> & Columns<X>;
  readonly terminated: boolean;
  readonly truncated: boolean;
  /** Where it came from: "behaviour", "round-2", … */
  readonly tag?: string;
}

/** Options of `Replay.sample`. */
export interface SampleOptions<O extends ColumnSpecs, X extends ColumnSpecs>
  extends WindowShape, DrawOptions<O, X> {
  readonly rng: Rng;
  /** A batch of the same form to be overwritten and returned. */
  readonly out?: Batch<O, X>;
}

/**
 * Episodes in memory, sampled as windows of `context` observations and `horizon` steps after them.
 *
 * A window is named by its episode and its *present*: the step whose observation is the last of the context.
 */
export class Replay<O extends ColumnSpecs, X extends ColumnSpecs> {
  readonly spec: ReplaySpec<O, X>;
  readonly #episodes: ReplayEpisode<O, X>[] = [];
  readonly #sampler = new WindowSampler<O, X>(this.#episodes);
  #transitions = 0;

  constructor(spec: ReplaySpec<O, X>) {
    this.spec = spec;
    const twice = Object.keys(spec.observationColumns).find((name) => name in spec.transitionColumns);
    if (twice === undefined) return;
    fail({ code: "INVALID_ARGUMENT", what: `column "${twice}" is both an observation's and a transition's` });
  }

  /** Episodes in the order of their coming. */
  get episodes(): readonly ReplayEpisode<O, X>[] {
    return this.#episodes;
  }

  /** Transitions of all episodes. */
  get transitions(): number {
    return this.#transitions;
  }

  /** Take in an episode of T ≥ 1 steps. @throws INVALID_ARGUMENT, INVALID_SHAPE, INVALID_DTYPE */
  add(episode: NewEpisode<O, X>): void {
    const { columns, terminated, truncated, tag = "" } = episode;
    const { observationColumns, transitionColumns } = this.spec;
    const arrays = columns as Readonly<Record<string, NdArray>>;
    const [first] = [...Object.keys(transitionColumns).map((name) => arrays[name]?.shape[0]), undefined];
    const length = first ?? (arrays[Object.keys(observationColumns)[0]]?.shape[0] ?? 1) - 1;
    if (length < 1)
      fail({ code: "INVALID_ARGUMENT", what: "an episode needs at least one step", got: `${length}` });
    checkColumns(transitionColumns, arrays, length);
    checkColumns(observationColumns, arrays, length + 1);
    this.#episodes.push({ index: this.#episodes.length, length, terminated, truncated, tag, columns });
    this.#transitions += length;
  }

  /**
   * A batch of random windows; see `DrawOptions` for what may be favoured and `Batch` for its form.
   *
   * The same episodes, options and generator state give the same batch.
   * @throws INVALID_ARGUMENT when nothing can be drawn or a fraction lies outside [0, 1]
   */
  sample(options: SampleOptions<O, X>): Batch<O, X> {
    const { context, horizon, rng, out } = options;
    return this.gather(this.#sampler.draw(options, rng), { context, horizon }, out);
  }

  /** The batch of the given windows, in their order: for validation on fixed windows. @throws INVALID_ARGUMENT */
  gather(segments: readonly Segment[], shape: WindowShape, out?: Batch<O, X>): Batch<O, X> {
    return gatherWindows({ spec: this.spec, episodes: this.#episodes, segments, shape, out });
  }
}

/** A new, empty replay. @throws INVALID_ARGUMENT when a name is in both kinds of columns */
export function makeReplay<const O extends ColumnSpecs, const X extends ColumnSpecs>(
  spec: ReplaySpec<O, X>,
): Replay<O, X> {
  return new Replay(spec);
}
