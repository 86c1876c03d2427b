/** @file What callers of `make` and `makeVec` may ask for: keyword arguments, time limits, modes, counts. */

import { fail, unknownName } from "../core/errors.ts";
import type { EnvMetadata, EnvSpec, Kwargs } from "./env.ts";

/** A count must be a positive integer. @throws INVALID_ARGUMENT */
export function checkCount(name: string, count: unknown): void {
  if (Number.isInteger(count) && (count as number) > 0) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: `${name} cannot be ${JSON.stringify(count)}`,
    expected: "a positive integer",
  });
}

/** One of a few words. @throws UNKNOWN_NAME with the nearest */
export function checkWord(kind: string, word: string, known: readonly string[]): void {
  if (!known.includes(word)) throw unknownName(kind, String(word), known);
}

/** Names that `make` takes for every environment. */
const always = ["maxEpisodeSteps"];

/**
 * Keyword arguments must be among those that the spec names, where it names any; a time limit must be one.
 * @throws UNKNOWN_NAME with the nearest known one, INVALID_ARGUMENT for a time limit that is none
 */
export function checkKwargs(spec: EnvSpec, kwargs: Kwargs, options: readonly string[] = []): void {
  const { maxEpisodeSteps = -1 } = kwargs;
  if (maxEpisodeSteps !== -1) checkCount("maxEpisodeSteps (-1: no limit)", maxEpisodeSteps);
  if (spec.kwargNames === undefined) return;
  const known = [...spec.kwargNames, ...always, ...options];
  for (const name of Object.keys(kwargs)) {
    if (!known.includes(name)) throw unknownName(`keyword argument of "${spec.id}"`, name, known);
  }
}

/** A render mode that was asked for must be one that the environment has. @throws NOT_SUPPORTED */
export function checkRenderMode(spec: EnvSpec, kwargs: Kwargs, { renderModes }: EnvMetadata): void {
  const { renderMode } = kwargs;
  if (renderMode === undefined || renderModes.includes(renderMode as string)) return;
  fail({
    code: "NOT_SUPPORTED",
    what: `render mode ${JSON.stringify(renderMode)} of "${spec.id}"`,
    expected: renderModes.length === 0 ? "none: it cannot be rendered" : renderModes.join(", "),
    fix: "render frames and show them yourself, e.g. with RecordVideo",
  });
}
