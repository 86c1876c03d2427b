/** @file Choosing tokens from logits: greedily, or from the nucleus of a tempered distribution by one given uniform number. */

import { fail } from "../../core/errors.ts";

/** How tokens are chosen. */
export interface TokenSampling {
  /** 0 takes the likeliest token; above it, logits are divided by it. */
  readonly temperature: number;
  /** Share of the probability, likeliest first, that tokens are drawn from; 1 is all of it. */
  readonly topP: number;
}

/** Cosmos-Predict1's setting for Video2World: temperature 1, the likeliest 80 %. */
export const defaultSampling: TokenSampling = { temperature: 1, topP: 0.8 };

/** @throws INVALID_ARGUMENT for a negative temperature or a share outside (0, 1] */
export function checkSampling({ temperature, topP }: TokenSampling): void {
  if (temperature >= 0 && topP > 0 && topP <= 1) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "no such sampling",
    expected: "a temperature of 0 or more and a topP in (0, 1]",
    got: `temperature ${temperature}, topP ${topP}`,
    fix: "use temperature 1 and topP 0.8, or temperature 0 for the likeliest tokens",
  });
}

/** Index of the largest of `logits`; the first of equals. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}

/** Smallest weight that belongs to the nucleus: the likeliest tokens that hold at least `share` of `total`. */
function nucleusFloor(weights: Float64Array, total: number, share: number): number {
  // Tokens below this weigh less than 1 − share together, so that none of them can belong to it.
  const ignored = ((1 - share) * total) / weights.length;
  const candidates = weights.filter((weight) => weight >= ignored).sort((a, b) => b - a);
  let sum = 0;
  for (const weight of candidates) {
    sum += weight;
    if (sum >= share * total) return weight;
  }
  return 0;
}

/**
 * The token that `uniform` in [0, 1) falls on in the nucleus of softmax(logits / temperature), tokens in order of id.
 * The same number gives the same token, so that what is drawn does not depend on how many tokens a pass makes.
 * @source Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, §3.1
 */
export function chooseToken(logits: Float32Array, sampling: TokenSampling, uniform: number): number {
  const best = likeliest(logits);
  if (sampling.temperature === 0) return best;
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    weights[i] = Math.exp((logits[i] - logits[best]) / sampling.temperature);
    total += weights[i];
  }
  const floor = sampling.topP < 1 ? nucleusFloor(weights, total, sampling.topP) : 0;
  let kept = 0;
  for (const weight of weights) if (weight >= floor) kept += weight;
  let left = uniform * kept;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] < floor) continue;
    left -= weights[i];
    if (left < 0) return i;
  }
  return best;
}
