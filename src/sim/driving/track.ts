/** @file Closed random smooth tracks: Fourier-radius curves sampled at equal arc lengths, with projection onto them. */

import { Rng } from "../../core/rng.ts";
import { fail } from "../../core/errors.ts";

/** A closed centre line. Vertex i lies at arc length i · spacingM; all arrays have `count` entries. */
export interface Track {
  /** The generator's seed; names the track. */
  readonly id: number;
  readonly count: number;
  readonly spacingM: number;
  readonly lengthM: number;
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Unit tangent in the driving direction. */
  readonly tangentX: Float64Array;
  readonly tangentY: Float64Array;
  /** Signed curvature in 1/m, positive where the track turns left. */
  readonly curvature: Float64Array;
  readonly minRadiusM: number;
}

/** Where a point lies relative to a track; reused by the caller. */
export interface TrackPlace {
  /** Arc length in [0, lengthM). */
  arcM: number;
  /** Signed distance from the centre line in m, positive to the left. */
  lateralM: number;
  /** Nearest vertex, the hint of the next projection. */
  vertex: number;
}

/** Mean radius of the curves in m. */
const meanRadiusM = 42;
/** Half of the drivable width in m; the road ends there. */
export const trackHalfWidthM = 4;
const minRadiusAllowedM = 9;
const maxRadiusOfTightestM = 16;
const spacingTargetM = 0.5;
const polarSamples = 2048;
/** Two stretches of one track stay at least this far apart, so that no pixel belongs to both. */
const minClearanceM = 16;

/**
 * The track of a seed: r(θ) = 42 m · (1 + Σ aₖ cos(kθ + φₖ)), k = 2…6, redrawn until its tightest radius is 9–16 m and
 * no two stretches come near each other; driven in a random direction. About 285 m long.
 */
export function makeTrack(id: number): Track {
  const rng = Rng.fromSeed(id);
  for (let attempt = 0; attempt < 1000; attempt++) {
    const track = sampleTrack(id, rng);
    const { minRadiusM } = track;
    if (minRadiusM >= minRadiusAllowedM && minRadiusM <= maxRadiusOfTightestM && isClear(track)) return track;
  }
  return fail({
    code: "INVALID_ARGUMENT",
    what: `no track found for seed ${id} in 1000 draws`,
    fix: "use another seed",
  });
}

function sampleTrack(id: number, rng: Rng): Track {
  const amplitudes: number[] = [];
  const phases: number[] = [];
  for (let k = 2; k <= 6; k++) {
    amplitudes.push(rng.uniform(0.1, 0.5) / Math.pow(k, 1.3));
    phases.push(rng.uniform(0, 2 * Math.PI));
  }
  const direction = rng.random() < 0.5 ? 1 : -1;
  const px = new Float64Array(polarSamples + 1);
  const py = new Float64Array(polarSamples + 1);
  const arc = new Float64Array(polarSamples + 1);
  for (let i = 0; i <= polarSamples; i++) {
    const theta = (direction * (i % polarSamples) * 2 * Math.PI) / polarSamples;
    let radius = 1;
    for (let j = 0; j < amplitudes.length; j++)
      radius += amplitudes[j] * Math.cos((j + 2) * theta + phases[j]);
    px[i] = meanRadiusM * radius * Math.cos(theta);
    py[i] = meanRadiusM * radius * Math.sin(theta);
    if (i > 0) arc[i] = arc[i - 1] + Math.hypot(px[i] - px[i - 1], py[i] - py[i - 1]);
  }
  return resample(id, { px, py, arc });
}

function resample(id: number, curve: { px: Float64Array; py: Float64Array; arc: Float64Array }): Track {
  const lengthM = curve.arc[polarSamples];
  const count = Math.round(lengthM / spacingTargetM);
  const spacingM = lengthM / count;
  const x = new Float64Array(count);
  const y = new Float64Array(count);
  for (let i = 0, j = 0; i < count; i++) {
    const s = i * spacingM;
    while (curve.arc[j + 1] <= s) j++;
    const t = (s - curve.arc[j]) / (curve.arc[j + 1] - curve.arc[j]);
    x[i] = curve.px[j] + t * (curve.px[j + 1] - curve.px[j]);
    y[i] = curve.py[j] + t * (curve.py[j + 1] - curve.py[j]);
  }
  return withDerivatives({ id, count, spacingM, lengthM, x, y });
}

function withDerivatives(line: Pick<Track, "id" | "count" | "spacingM" | "lengthM" | "x" | "y">): Track {
  const { count, spacingM, x, y } = line;
  const tangentX = new Float64Array(count);
  const tangentY = new Float64Array(count);
  const curvature = new Float64Array(count);
  let tightest = 0;
  for (let i = 0; i < count; i++) {
    const a = (i + count - 1) % count;
    const b = (i + 1) % count;
    const dx = x[b] - x[a];
    const dy = y[b] - y[a];
    const norm = Math.hypot(dx, dy);
    tangentX[i] = dx / norm;
    tangentY[i] = dy / norm;
    const inX = x[i] - x[a];
    const inY = y[i] - y[a];
    const outX = x[b] - x[i];
    const outY = y[b] - y[i];
    curvature[i] = Math.atan2(inX * outY - inY * outX, inX * outX + inY * outY) / spacingM;
    tightest = Math.max(tightest, Math.abs(curvature[i]));
  }
  return { ...line, tangentX, tangentY, curvature, minRadiusM: 1 / tightest };
}

function isClear(track: Track): boolean {
  const stride = 4;
  const { count, x, y, spacingM } = track;
  const minSteps = Math.ceil(30 / spacingM);
  for (let i = 0; i < count; i += stride) {
    for (let j = i + minSteps; j < count && j - i <= count - minSteps; j += stride) {
      if (Math.hypot(x[i] - x[j], y[i] - y[j]) < minClearanceM) return false;
    }
  }
  return true;
}

function squaredDistance(track: Track, vertex: number, x: number, y: number): number {
  const dx = track.x[vertex] - x;
  const dy = track.y[vertex] - y;
  return dx * dx + dy * dy;
}

/** Project a point onto the track near `place.vertex`, walking downhill from there; writes `place`. */
export function projectNear(track: Track, x: number, y: number, place: TrackPlace): void {
  const { count } = track;
  let vertex = place.vertex;
  let best = squaredDistance(track, vertex, x, y);
  for (let direction = 1; direction >= -1; direction -= 2) {
    for (;;) {
      const next = (vertex + direction + count) % count;
      const distance = squaredDistance(track, next, x, y);
      if (distance >= best) break;
      vertex = next;
      best = distance;
    }
  }
  const dx = x - track.x[vertex];
  const dy = y - track.y[vertex];
  const along = dx * track.tangentX[vertex] + dy * track.tangentY[vertex];
  const left = dy * track.tangentX[vertex] - dx * track.tangentY[vertex];
  // The foot on the osculating circle rather than on the tangent: continuous where the nearest vertex changes.
  const bend = track.curvature[vertex];
  const inward = 1 - bend * left;
  const across = bend * along;
  const straight = bend < 1e-9 && bend > -1e-9;
  const foot = straight ? along : Math.atan2(across, inward) / bend;
  const radial = straight ? left : (1 - Math.sqrt(across * across + inward * inward)) / bend;
  place.vertex = vertex;
  place.lateralM = radial;
  const arc = vertex * track.spacingM + foot;
  place.arcM = arc < 0 ? arc + track.lengthM : arc >= track.lengthM ? arc - track.lengthM : arc;
}

/** Project a point onto the track by searching all of it; writes `place`. */
export function projectAnywhere(track: Track, x: number, y: number, place: TrackPlace): void {
  let nearest = 0;
  let best = Infinity;
  for (let i = 0; i < track.count; i++) {
    const distance = squaredDistance(track, i, x, y);
    if (distance < best) {
      best = distance;
      nearest = i;
    }
  }
  place.vertex = nearest;
  projectNear(track, x, y, place);
}

/** Curvature (1/m) at an arc length, wrapped onto the track. */
export function curvatureAt(track: Track, arcM: number): number {
  const wrapped = ((arcM % track.lengthM) + track.lengthM) % track.lengthM;
  return track.curvature[Math.floor(wrapped / track.spacingM) % track.count];
}
