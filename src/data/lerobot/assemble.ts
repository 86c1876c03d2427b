/** @file From the rows of a LeRobotDataset to an episode: which feature is which array, and what the last observation is. */

import { fail, unknownName } from "../../core/errors.ts";
import { rows as rowsOf, sizeOf, zeros } from "../../core/ndarray.ts";
import type { DType, NdArray } from "../../core/ndarray.ts";
import type { Episode } from "../episode.ts";
import { corruptFile } from "../parquet.ts";
import type { ParquetRow } from "../parquet.ts";
import { arrayOf, defaultFeatures, flagKeys, isNumeric } from "./features.ts";
import type { Feature, LerobotInfo } from "./info.ts";
import { cameraKeys } from "./info.ts";
import type { EndEntry, EpisodeEntry, LerobotMetadata } from "./metadata.ts";

/** How rows become an episode. */
export interface AssembleOptions {
  /** Camera whose pictures are the episode's `frames`, without `observation.images.`; the first one unless given. */
  readonly camera?: string;
  /**
   * The observation after the last action, which data sets from elsewhere do not have: "repeat" (default) puts the last
   * one in its place and keeps every action, reward and end; "drop" leaves the last action out, and with it the end.
   */
  readonly lastObservation?: "repeat" | "drop";
}

/** Frames of one camera; undefined for a depth map, which is not read. */
export type Pictures = NdArray<"uint8"> | undefined;

/** All there is of one episode. */
export interface EpisodeParts {
  readonly info: LerobotInfo;
  readonly metadata: LerobotMetadata;
  readonly entry: EpisodeEntry;
  readonly rows: readonly ParquetRow[];
  readonly pictures: Readonly<Record<string, Pictures>>;
  readonly end: EndEntry | undefined;
}

/** What the episode is made of: arrays with T + 1 rows for observations and T for the rest. */
interface Arrays {
  readonly observed: ReadonlyMap<string, NdArray>;
  readonly stepped: ReadonlyMap<string, NdArray>;
}

/** Does the feature belong to observations? */
const isObserved = (key: string): boolean => key.startsWith("observation");

/** Shape of one row. The format stores a plain number and a vector of one number alike; ours says which it was. */
function shapeOf(key: string, { shape, info }: Feature): readonly number[] {
  const own = info?.["reverie.shape"];
  if (Array.isArray(own)) return own as number[];
  const isVector = key === "action" || isObserved(key);
  return shape.length === 1 && shape[0] === 1 && !isVector ? [] : shape;
}

function appended(array: NdArray, last: NdArray): NdArray {
  const out = zeros(array.dtype, [array.shape[0] + 1, ...array.shape.slice(1)]);
  out.data.set(array.data as never);
  out.data.set(last.data as never, array.data.length);
  return out;
}

/** The array with the row after its last one: the stored one, or the last again. */
function withLast(array: NdArray, stored: NdArray | undefined): NdArray {
  return appended(array, stored ?? rowsOf(array, array.shape[0] - 1, array.shape[0]));
}

function arraysOf(parts: EpisodeParts): Arrays {
  const { info, rows, entry, end, pictures } = parts;
  const observed = new Map<string, NdArray>();
  const stepped = new Map<string, NdArray>();
  for (const [key, feature] of Object.entries(info.features)) {
    const picture = pictures[key];
    if (picture !== undefined) {
      observed.set(key, withLast(picture, end?.last[key] as NdArray | undefined));
      continue;
    }
    if (!isNumeric(feature.dtype) || key in defaultFeatures) continue;
    const shape = shapeOf(key, feature);
    const convert = (cells: readonly unknown[]): NdArray =>
      arrayOf(cells, feature.dtype as DType, shape, (got) => corruptFile(`${entry.dataPath}, ${key}`, got));
    const array = convert(rows.map((row) => row[key]));
    const last = end?.last[key];
    if (isObserved(key)) observed.set(key, withLast(array, last === undefined ? undefined : convert([last])));
    else stepped.set(key, array);
  }
  return { observed, stepped };
}

function asFloats(array: NdArray | undefined, rows: number, rank: number): NdArray<"float32"> {
  if (array === undefined) return zeros("float32", rank === 1 ? [rows] : [rows, 0]);
  const width = sizeOf(array.shape.slice(1));
  const data = Float32Array.from(array.data as ArrayLike<number | bigint>, Number);
  return { dtype: "float32", shape: rank === 1 ? [rows] : [rows, width], data };
}

/** Which actions of the data set -1 and 1 stand for; undefined where they are stored as they are wanted. */
function actionRange({ stats }: LerobotMetadata): { low: number[]; high: number[] } | undefined {
  const action = stats?.action;
  if (action === undefined) return undefined;
  const { min, max } = action;
  if (min.every((value) => value >= -1) && max.every((value) => value <= 1)) return undefined;
  return { low: [...min], high: [...max] };
}

function normalized(actions: NdArray<"float32">, range: ReturnType<typeof actionRange>): NdArray<"float32"> {
  if (range === undefined) return actions;
  const { low, high } = range;
  const data = actions.data.map((value, i) => {
    const [from, to] = [low[i % low.length], high[i % low.length]];
    return to > from ? Math.min(1, Math.max(-1, (2 * (value - from)) / (to - from) - 1)) : 0;
  });
  return { ...actions, data };
}

/** How it ended: as stored; a bare `next.done` counts as terminated, no flag at all as cut. */
function endOf({ stepped }: Arrays, end: EndEntry | undefined): { terminated: boolean; truncated: boolean } {
  if (end !== undefined) return { terminated: end.terminated, truncated: end.truncated };
  const last = (key: string): boolean | undefined => {
    const flags = stepped.get(key);
    return flags === undefined ? undefined : Number(flags.data[flags.data.length - 1]) !== 0;
  };
  const truncated = last(flagKeys.truncated) ?? false;
  const terminated = last(flagKeys.terminated) ?? ((last(flagKeys.done) ?? false) && !truncated);
  return { terminated, truncated: truncated || !terminated };
}

/** The key of the camera that `frames` come from. @throws UNKNOWN_NAME */
export function mainCamera(info: LerobotInfo, wanted: string | undefined): string | undefined {
  const keys = cameraKeys(info);
  if (wanted === undefined)
    return keys.find((key) => info.features[key].info?.["reverie.extra"] === undefined);
  const found = keys.find((key) => key === wanted || key === `observation.images.${wanted}`);
  if (found === undefined)
    throw unknownName(
      "camera",
      wanted,
      keys.map((key) => key.replace("observation.images.", "")),
    );
  return found;
}

const ownKeys = new Set<string>(["observation.state", "action", "next.reward", ...Object.values(flagKeys)]);

function extrasOf(info: LerobotInfo, arrays: Arrays, camera: string | undefined): Record<string, NdArray> {
  const extras: Record<string, NdArray> = {};
  for (const [key, array] of [...arrays.observed, ...arrays.stepped]) {
    if (key === camera || ownKeys.has(key)) continue;
    const known = info.features[key].info?.["reverie.extra"];
    const plain = key.replace(/^observation\.(images\.)?/, "observation/");
    extras[typeof known === "string" ? known : plain] = array;
  }
  return extras;
}

function metaOf(
  { info, entry, end, metadata }: EpisodeParts,
  options: AssembleOptions,
): Record<string, unknown> {
  if (end !== undefined) return { ...end.meta };
  const range = actionRange(metadata);
  return {
    policy: "dataset",
    task: entry.tasks.join("; "),
    rateHz: info.fps,
    ...(typeof info.robot_type === "string" ? { robotType: info.robot_type } : {}),
    lastObservation: options.lastObservation === "drop" ? "dropped" : "repeated",
    ...(range === undefined ? {} : { actionLow: range.low, actionHigh: range.high }),
  };
}

/** Without its last step, so that every observation is a recorded one. @throws INVALID_ARGUMENT for a single step */
function withoutLast(episode: Episode): Episode {
  const steps = episode.rewards.shape[0] - 1;
  if (steps === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `episode "${episode.id}" has one step, and it is to be dropped`,
      fix: 'read the data set with lastObservation "repeat"',
    });
  }
  const cut = <D extends DType>(array: NdArray<D>): NdArray<D> => rowsOf(array, 0, array.shape[0] - 1);
  const extras = Object.entries(episode.extras ?? {}).map(([name, array]) => [name, cut(array)]);
  return {
    ...episode,
    frames: cut(episode.frames),
    states: cut(episode.states),
    actions: cut(episode.actions),
    rewards: cut(episode.rewards),
    extras: Object.fromEntries(extras) as Record<string, NdArray>,
    terminated: false,
    truncated: true,
  };
}

/** Make the episode. @throws UNKNOWN_NAME (camera), CORRUPT_FILE, INVALID_ARGUMENT */
export function assembleEpisode(parts: EpisodeParts, options: AssembleOptions): Episode {
  const { info, entry, end, metadata } = parts;
  const arrays = arraysOf(parts);
  const steps = entry.length;
  const camera = mainCamera(info, options.camera);
  const frames = camera === undefined ? undefined : arrays.observed.get(camera);
  const extras = extrasOf(info, arrays, camera);
  const actions = asFloats(arrays.stepped.get("action"), steps, 2);
  const episode: Episode = {
    id: end?.id ?? `episode-${String(entry.index).padStart(6, "0")}`,
    meta: metaOf(parts, options),
    frames: (frames ?? zeros("uint8", [steps + 1, 0, 0, 3])) as NdArray<"uint8">,
    states: asFloats(arrays.observed.get("observation.state"), steps + 1, 2),
    actions: end === undefined ? normalized(actions, actionRange(metadata)) : actions,
    rewards: asFloats(arrays.stepped.get("next.reward"), steps, 1),
    ...endOf(arrays, end),
    ...(Object.keys(extras).length > 0 ? { extras } : {}),
  };
  return end === undefined && options.lastObservation === "drop" ? withoutLast(episode) : episode;
}
