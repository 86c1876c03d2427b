/** @file The log of one episode beside its video: what it takes to play the very same episode again. */

import { fail } from "../../core/errors.ts";
import type { Env, Kwargs, Snapshot, StepResult } from "../env.ts";

/** One recorded episode, as plain JSON. */
export interface EpisodeLog {
  readonly version: 1;
  /** Id and keyword arguments of the environment, where it has a spec. */
  readonly env: string | undefined;
  readonly kwargs: Kwargs | undefined;
  readonly row: number;
  /** Episodes of this row before it. */
  readonly episode: number;
  /** Seed of the reset that began it; absent where the running generator went on. */
  readonly seed: number | undefined;
  readonly options: Record<string, unknown> | undefined;
  /** State of the single environment right after that reset, where it was not seeded and offers one. */
  readonly start: unknown;
  /** In the action space's JSON form. */
  readonly actions: unknown;
  readonly rewards: readonly number[];
  readonly terminated: boolean;
  readonly truncated: boolean;
  readonly frames: number;
  readonly fps: number;
}

const arrays = {
  Float32Array,
  Float64Array,
  Int8Array,
  Uint8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
};

/** Plain data to JSON: typed arrays become { $array, base64 }, bigints { $bigint }. */
export function toPlainJson(value: unknown): unknown {
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $array: value.constructor.name, base64: bytes.toString("base64") };
  }
  if (Array.isArray(value)) return value.map(toPlainJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toPlainJson(part)]));
}

/** The data that `toPlainJson` made JSON of. */
export function fromPlainJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromPlainJson);
  if (typeof json !== "object" || json === null) return json;
  const tagged = json as { $bigint?: string; $array?: keyof typeof arrays; base64?: string };
  if (tagged.$bigint !== undefined) return BigInt(tagged.$bigint);
  if (tagged.$array !== undefined && tagged.base64 !== undefined) {
    const bytes = Uint8Array.from(Buffer.from(tagged.base64, "base64"));
    return new arrays[tagged.$array](bytes.buffer);
  }
  return Object.fromEntries(Object.entries(json).map(([key, part]) => [key, fromPlainJson(part)]));
}

/**
 * Play a recorded episode again in `env`, an environment made and wrapped as the recorded one, as a single one.
 * @returns the result of every step, equal to the recorded episode's
 * @throws NOT_SUPPORTED when the log holds neither a seed nor a start state that `env` can restore
 */
export function replayEpisode<O, A>(env: Env<O, A>, log: EpisodeLog): StepResult<O>[] {
  if (log.seed === undefined && (log.start === undefined || env.restore === undefined)) {
    fail({
      code: "NOT_SUPPORTED",
      what: "replaying an episode whose beginning is not in its log",
      expected: "a seed, or a start state and an environment with restore()",
      fix: "record episodes that begin with reset({ seed }), or of environments with snapshots",
    });
  }
  env.reset({ seed: log.seed ?? 0, options: log.options });
  if (log.seed === undefined) env.restore!(fromPlainJson(log.start) as Snapshot);
  return env.actionSpace.fromJsonable(log.actions).map((action) => structuredClone(env.step(action)));
}
