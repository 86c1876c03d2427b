/** @file Features: what a frame of a LeRobotDataset holds, and which array of an episode each one is. */

import { fail } from "../../core/errors.ts";
import type { DType, NdArray } from "../../core/ndarray.ts";
import { ndarray, sizeOf, zeros } from "../../core/ndarray.ts";
import type { Episode } from "../episode.ts";
import { lengthOf } from "../episode.ts";
import type { CellType, ParquetColumn } from "../parquet.ts";
import type { Feature } from "./info.ts";

/** One array of an episode under its feature's name. */
export interface FeatureArray {
  readonly key: string;
  readonly feature: Feature;
  /** T rows, or T + 1 for what belongs to observations. */
  readonly array: NdArray;
}

/** How an episode's arrays become features. */
export interface FeatureOptions {
  /** Name of the camera that `frames` come from. */
  readonly camera: string;
  /** How pictures are stored. */
  readonly images: "image" | "video";
  /** Write the episode's extras too. */
  readonly extras: boolean;
}

const dtypes = new Set("float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 bool".split(" "));

/** Is this the name of a number's type? */
export function isNumeric(dtype: string): dtype is DType {
  return dtypes.has(dtype);
}

/** Features that every data set has. @source huggingface/lerobot 7427f31, src/lerobot/utils/constants.py DEFAULT_FEATURES */
export const defaultFeatures: Readonly<Record<string, Feature>> = {
  timestamp: { dtype: "float32", shape: [1], names: null },
  frame_index: { dtype: "int64", shape: [1], names: null },
  episode_index: { dtype: "int64", shape: [1], names: null },
  index: { dtype: "int64", shape: [1], names: null },
  task_index: { dtype: "int64", shape: [1], names: null },
};

/** Names of the flags: `next.done` is either of the other two. */
export const flagKeys = {
  done: "next.done",
  terminated: "next.terminated",
  truncated: "next.truncated",
} as const;

const numeric = (array: NdArray): Feature => {
  const shape = array.shape.slice(1);
  return { dtype: array.dtype, shape: shape.length === 0 ? [1] : [...shape], names: null };
};

const picture = (array: NdArray, images: string): Feature => ({
  dtype: images,
  shape: array.shape.slice(1),
  names: ["height", "width", "channels"],
});

function extraFeature(name: string, array: NdArray, rows: number, options: FeatureOptions): FeatureArray {
  const ofObservation = array.shape[0] === rows + 1;
  const plain = name.replace(/^observation\//, "").replaceAll("/", ".");
  const isPicture =
    ofObservation && array.dtype === "uint8" && array.shape.length === 4 && array.shape[3] === 3;
  const key = isPicture
    ? `observation.images.${plain}`
    : ofObservation
      ? `observation.${plain}`
      : `extras.${plain}`;
  const feature = isPicture ? picture(array, options.images) : numeric(array);
  const info = { "reverie.extra": name, "reverie.shape": array.shape.slice(1) };
  return { key, array, feature: { ...feature, info } };
}

function flag(rows: number, last: boolean): NdArray<"bool"> {
  const array = zeros("bool", [rows]);
  array.data[rows - 1] = last ? 1 : 0;
  return array;
}

function checkKeys(id: string, list: readonly FeatureArray[]): void {
  const seen = new Set(Object.keys(defaultFeatures));
  for (const { key } of list) {
    if (seen.has(key))
      fail({ code: "INVALID_ARGUMENT", what: `episode "${id}": two arrays are the feature "${key}"` });
    seen.add(key);
  }
}

/** The features of an episode, without those that every data set has. Frames or states without content are left out. */
export function featuresOf(episode: Episode, options: FeatureOptions): FeatureArray[] {
  const { frames, states, actions, rewards, terminated, truncated, extras = {} } = episode;
  const rows = lengthOf(episode);
  const flags = {
    [flagKeys.done]: terminated || truncated,
    [flagKeys.terminated]: terminated,
    [flagKeys.truncated]: truncated,
  };
  const filled = ({ shape }: NdArray): boolean => sizeOf(shape.slice(1)) > 0;
  const own: readonly [string, NdArray][] = [
    ["observation.state", states],
    ["action", actions],
    ["next.reward", rewards],
    ...Object.entries(flags).map(([key, last]): [string, NdArray] => [key, flag(rows, last)]),
  ];
  const camera = `observation.images.${options.camera}`;
  const list: FeatureArray[] = [
    ...(filled(frames) ? [{ key: camera, array: frames, feature: picture(frames, options.images) }] : []),
    ...own
      .filter(([, array]) => filled(array))
      .map(([key, array]) => ({ key, array, feature: numeric(array) })),
    ...(options.extras ? Object.entries(extras) : [])
      .filter(([, array]) => filled(array))
      .map(([name, array]) => extraFeature(name, array, rows, options)),
  ];
  checkKeys(episode.id, list);
  return list;
}

// The format stores a vector of one number as that number.
const isScalar = (shape: readonly number[]): boolean =>
  shape.length === 0 || (shape.length === 1 && shape[0] === 1);

/** The column that stores a feature; undefined for a video, which has none. */
export function columnFor(name: string, feature: Feature): ParquetColumn | undefined {
  const { dtype, shape } = feature;
  if (dtype === "video") return undefined;
  if (dtype === "image") return { name, type: "image", depth: 0 };
  return { name, type: dtype as CellType, depth: isScalar(shape) ? 0 : shape.length };
}

/** A flat list as lists in lists of a shape. */
export function nested(flat: readonly unknown[], shape: readonly number[]): unknown {
  if (shape.length === 0) return flat[0];
  if (shape.length === 1) return flat;
  const size = flat.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) =>
    nested(flat.slice(i * size, (i + 1) * size), shape.slice(1)),
  );
}

/** Row `row` of an array as a cell: a number, or lists of them. */
export function cellOf({ dtype, shape, data }: NdArray, row: number): unknown {
  const inner = shape.slice(1);
  const size = sizeOf(inner);
  const flat: unknown[] = Array.from({ length: size }, (_, i) => {
    const value = data[row * size + i];
    if (dtype === "bool") return value !== 0;
    return value;
  });
  return isScalar(inner) ? flat[0] : nested(flat, inner);
}

/** Cells back to an array [rows, …shape]. @throws CORRUPT_FILE by `corrupt` when one has another size */
export function arrayOf<D extends DType>(
  cells: readonly unknown[],
  dtype: D,
  shape: readonly number[],
  corrupt: (got: string) => never,
): NdArray<D> {
  const out = zeros(dtype, [cells.length, ...shape]);
  const size = sizeOf(shape);
  const big = dtype === "int64" || dtype === "uint64";
  cells.forEach((cell, row) => {
    const values = Array.isArray(cell) ? (cell.flat(Infinity) as unknown[]) : [cell];
    if (values.length !== size || values.includes(null) || values.includes(undefined))
      corrupt(`row ${row} holds ${values.length} values where ${size} were expected`);
    values.forEach((value, i) => {
      const number = big ? BigInt(value as bigint) : Number(value);
      (out.data as { [index: number]: number | bigint })[row * size + i] = number;
    });
  });
  return ndarray(dtype, out.shape, out.data);
}
