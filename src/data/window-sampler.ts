/** @file Drawing windows: uniformly over recorded steps, with shares for terminal steps, recent episodes and priorities. */

import { fail } from "../core/errors.ts";
import type { Rng } from "../core/rng.ts";
import type { ColumnSpecs } from "./columns.ts";
import type { ReplayEpisode } from "./replay-episode.ts";
import { StepTable } from "./step-table.ts";
import type { Weigh } from "./step-table.ts";
import { checkWindowShape } from "./window.ts";
import type { Segment, WindowShape } from "./window.ts";

/** Weight ≥ 0 of the window whose present is observation `step` (0 … T − 1) of `episode`. */
export type Priority<O extends ColumnSpecs, X extends ColumnSpecs> = (
  episode: ReplayEpisode<O, X>,
  step: number,
) => number;

/** How the windows of a batch are chosen. Shares are rounded to whole windows. Order: terminal, recent, the others. */
export interface DrawOptions<O extends ColumnSpecs, X extends ColumnSpecs> {
  readonly batchSize: number;
  /**
   * Share of windows whose horizon holds the step that ended a task, at a uniformly random place; default 0.
   * Every terminated episode is as likely as any other. While there is none, these windows are drawn like the others.
   */
  readonly terminalFraction?: number;
  /** Share of windows from the newest `recentEpisodes` episodes, their steps alike; default 0. */
  readonly recentFraction?: number;
  /** Default 1. */
  readonly recentEpisodes?: number;
  /**
   * Weights of the other windows; every recorded step alike when absent.
   * Asked once per recorded step, when it is new: pass the same function again, not a new one.
   */
  readonly priority?: Priority<O, X>;
  /** May a context reach back before its episode's start, padded? Default true. */
  readonly padStart?: boolean;
}

type DrawRequest<O extends ColumnSpecs, X extends ColumnSpecs> = WindowShape & DrawOptions<O, X>;

function earliestPresent({ context, padStart = true }: { context: number; padStart?: boolean }): number {
  return padStart ? 0 : context - 1;
}

function checkRequest<O extends ColumnSpecs, X extends ColumnSpecs>(request: DrawRequest<O, X>): void {
  checkWindowShape(request);
  const { batchSize, horizon, terminalFraction = 0, recentFraction = 0, recentEpisodes = 1 } = request;
  const shares = terminalFraction >= 0 && recentFraction >= 0 && terminalFraction + recentFraction <= 1;
  if (batchSize >= 1 && recentEpisodes >= 1 && shares && (terminalFraction === 0 || horizon > 0)) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "such a batch cannot be drawn",
    expected:
      "batchSize ≥ 1, recentEpisodes ≥ 1, shares ≥ 0 with a sum ≤ 1, terminal windows only with a horizon",
    got: JSON.stringify({ batchSize, horizon, terminalFraction, recentFraction, recentEpisodes }),
  });
}

/** Draws windows from a growing list of episodes. */
export class WindowSampler<O extends ColumnSpecs, X extends ColumnSpecs> {
  readonly #episodes: readonly ReplayEpisode<O, X>[];
  /** By owner (a priority function, or this sampler), then by everything else that its weights depend on. */
  readonly #tables = new WeakMap<object, Map<string, StepTable>>();

  #recent?: { readonly firstEpisode: number; readonly earliest: number; readonly table: StepTable };

  constructor(episodes: readonly ReplayEpisode<O, X>[]) {
    this.#episodes = episodes;
  }

  /** Choose `batchSize` windows. @throws INVALID_ARGUMENT, NOT_FINITE (a priority) */
  draw(request: DrawRequest<O, X>, rng: Rng): Segment[] {
    checkRequest(request);
    const { batchSize, terminalFraction = 0, recentFraction = 0 } = request;
    const counts: [number, (r: DrawRequest<O, X>) => StepTable][] = [
      [Math.round(batchSize * terminalFraction), (r) => this.#terminalTable(r)],
      [Math.round(batchSize * recentFraction), (r) => this.#recentTable(r)],
      [batchSize, (r) => this.#otherTable(r)],
    ];
    const segments: Segment[] = [];
    for (const [count, makeTable] of counts) {
      const wanted = Math.min(count, batchSize - segments.length);
      const table = wanted > 0 ? makeTable(request) : undefined;
      if (table === undefined || table.total === 0) continue;
      for (let i = 0; i < wanted; i++) segments.push(table.draw(rng));
    }
    if (segments.length === batchSize) return segments;
    fail({
      code: "INVALID_ARGUMENT",
      what: "no recorded step can be drawn",
      expected: "an episode longer than the context (or padStart), some step with a priority above 0",
      got: `${this.#episodes.length} episodes, context ${request.context}`,
    });
  }

  #table(owner: object, key: string, weigh: Weigh): StepTable {
    const ofOwner = this.#tables.get(owner) ?? new Map<string, StepTable>();
    this.#tables.set(owner, ofOwner);
    const table = ofOwner.get(key) ?? new StepTable(0);
    ofOwner.set(key, table);
    table.extend(this.#episodes, weigh);
    return table;
  }

  #terminalTable(request: DrawRequest<O, X>): StepTable {
    const earliest = earliestPresent(request);
    return this.#table(this, `terminal ${earliest} ${request.horizon}`, (index, step) => {
      const { terminated, length } = this.#episodes[index];
      const first = Math.max(earliest, length - request.horizon);
      return terminated && step >= first ? 1 / (length - first) : 0;
    });
  }

  #recentTable(request: DrawRequest<O, X>): StepTable {
    const earliest = earliestPresent(request);
    const firstEpisode = Math.max(0, this.#episodes.length - (request.recentEpisodes ?? 1));
    if (this.#recent?.firstEpisode !== firstEpisode || this.#recent.earliest !== earliest) {
      this.#recent = { firstEpisode, earliest, table: new StepTable(firstEpisode) };
    }
    this.#recent.table.extend(this.#episodes, (_, step) => (step >= earliest ? 1 : 0));
    return this.#recent.table;
  }

  #otherTable(request: DrawRequest<O, X>): StepTable {
    const { priority } = request;
    const earliest = earliestPresent(request);
    return this.#table(priority ?? this, `other ${earliest}`, (index, step) => {
      if (step < earliest) return 0;
      return priority ? priority(this.#episodes[index], step) : 1;
    });
  }
}
