/** @file From the records of a journal to an episode. */

import { isNdArray, ndarray, stackRows, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Episode, EpisodeMeta } from "../../data/episode.ts";
import { isWireMap } from "../codec.ts";
import type { WireMap, WireValue } from "../codec.ts";

/** First record of a journal. */
export interface BeginRecord {
  readonly kind: "begin";
  readonly id: string;
  readonly pid: number;
  readonly meta: Readonly<Record<string, unknown>>;
  /** Physical range of each action number, which [-1, 1] maps to. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly observation: Readonly<Record<string, NdArray>>;
  readonly facts: Readonly<Record<string, number>>;
}

/** One step. */
export interface StepRecord {
  readonly kind: "step";
  readonly reward: number;
  /** What was wanted, in physical units. */
  readonly commanded: NdArray;
  /** What really went to the motor; what was wanted where nobody says. */
  readonly executed: NdArray;
  readonly observation: Readonly<Record<string, NdArray>>;
  /** Numbers beside the step: sequence number, stamps, durations. */
  readonly facts: Readonly<Record<string, number>>;
}

/** Last record of an episode that ended. */
export interface EndRecord {
  readonly kind: "end";
  readonly terminated: boolean;
  readonly truncated: boolean;
  readonly meta: Readonly<Record<string, unknown>>;
}

/** Build the episode that `records` tell of; undefined when they hold no step. One without an end counts as truncated. */
export function assembleEpisode(records: readonly WireMap[]): Episode | undefined {
  const begin = records[0] as unknown as BeginRecord | undefined;
  const steps = records.filter(({ kind }) => kind === "step") as unknown as StepRecord[];
  if (begin?.kind !== "begin" || steps.length === 0) return undefined;
  const end = records.find(({ kind }) => kind === "end") as EndRecord | undefined;
  const observations = [begin.observation, ...steps.map(({ observation }) => observation)];
  const { frames, states, others } = columnsOf(observations);
  const executed = stackFloats(steps.map((step) => step.executed));
  const meta = { ...metaOf(begin.meta), ...metaOf(end?.meta ?? {}), interrupted: end === undefined };
  return {
    id: begin.id,
    meta,
    frames,
    states,
    actions: normalized(executed, begin),
    rewards: ndarray(
      "float32",
      [steps.length],
      Float32Array.from(steps, ({ reward }) => reward),
    ),
    terminated: end?.terminated ?? false,
    truncated: end?.truncated ?? true,
    extras: {
      ...others,
      commanded: stackFloats(steps.map((step) => step.commanded)),
      executed,
      ...factColumns("", steps),
      ...factColumns("observation/", [begin, ...steps]),
    },
  };
}

function columnsOf(observations: readonly Readonly<Record<string, NdArray>>[]): {
  frames: NdArray<"uint8">;
  states: NdArray<"float32">;
  others: Record<string, NdArray>;
} {
  const count = observations.length;
  const [first] = observations;
  const names = Object.keys(first);
  const isFrame = (name: string): boolean => first[name].dtype === "uint8" && first[name].shape.length === 3;
  const isState = (name: string): boolean =>
    first[name].dtype === "float32" && first[name].shape.length === 1;
  const pick = (wanted: string, is: (name: string) => boolean): string | undefined =>
    names.includes(wanted) && is(wanted) ? wanted : names.find(is);
  const [frame, state] = [pick("frame", isFrame), pick("state", isState)];
  const column = (name: string): NdArray => stackRows(observations.map((observation) => observation[name]));
  const others = names.filter((name) => name !== frame && name !== state);
  return {
    frames: frame === undefined ? zeros("uint8", [count, 0, 0, 3]) : (column(frame) as NdArray<"uint8">),
    states: state === undefined ? zeros("float32", [count, 0]) : (column(state) as NdArray<"float32">),
    others: Object.fromEntries(others.map((name) => [`observation/${name}`, column(name)])),
  };
}

function stackFloats(arrays: readonly NdArray[]): NdArray<"float32"> {
  const width = arrays[0].data.length;
  const out = zeros("float32", [arrays.length, width]);
  arrays.forEach(({ data }, row) => {
    for (let i = 0; i < width; i++) out.data[row * width + i] = Number(data[i]);
  });
  return out;
}

function normalized(actions: NdArray<"float32">, { low, high }: BeginRecord): NdArray<"float32"> {
  const width = low.length;
  const data = actions.data.map((value, i) => {
    const [from, to] = [low[i % width], high[i % width]];
    return to > from ? Math.min(1, Math.max(-1, (2 * (value - from)) / (to - from) - 1)) : 0;
  });
  return ndarray("float32", actions.shape, data);
}

/** A column per number; facts whose name begins with `observation/` have a row for the first observation too. */
function factColumns(
  prefix: string,
  records: readonly (StepRecord | BeginRecord)[],
): Record<string, NdArray> {
  const belongs = (name: string): boolean => name.startsWith("observation/") === (prefix !== "");
  const names = new Set(records.flatMap(({ facts }) => Object.keys(facts).filter(belongs)));
  const column = (name: string): NdArray =>
    ndarray(
      "float64",
      [records.length],
      Float64Array.from(records, ({ facts }) => facts[name] ?? NaN),
    );
  return Object.fromEntries([...names].map((name) => [name, column(name)]));
}

function metaOf(meta: Readonly<Record<string, unknown>>): EpisodeMeta {
  return Object.fromEntries(Object.entries(meta).map(([name, value]) => [name, plain(value as WireValue)]));
}

function plain(value: WireValue): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (isWireMap(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return isNdArray(value) ? Array.from(value.data, Number) : value;
}
