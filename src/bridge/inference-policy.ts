/** @file Any `Policy` as one that serves robots: observations checked and stacked, actions in physical units. */

import { fail } from "../core/errors.ts";
import { isNdArray, type NdArray, sizeOf, zeros } from "../core/ndarray.ts";
import { Rng } from "../core/rng.ts";
import type { Box } from "../core/spaces/box.ts";
import type { Element, Space } from "../core/spaces/space.ts";
import type { ObservationBatch } from "../env/env.ts";
import type { Policy } from "../policy/policy.ts";
import type { WireMap, WireValue } from "./codec.ts";
import type { InferenceRequest, ServedPolicy } from "./inference.ts";

/** Options of `makeServedPolicy`. */
export interface ServedPolicyOptions {
  /** One policy for all robots, batched; or a maker of one per session for policies that remember. */
  readonly policy: Policy | (() => Policy);
  /** What one robot sends: a Box under the key "observation", or a Dict of Boxes under their own keys. */
  readonly observationSpace: Space;
  /** The robot's names of our keys, e.g. `{frame: "observation/exterior_image_1_left"}`. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Physical range that [-1, 1] maps to; without it robots get the normalized action. */
  readonly actionSpace?: Box;
  /** Numbers of rows that the policy is called with; batches in between are padded. For programs of static shapes. */
  readonly batchSizes?: readonly number[];
  /** Sample actions with this seed instead of taking the mean. */
  readonly sampleSeed?: number;
  readonly metadata?: WireMap;
}

type Row = Record<string, NdArray>;

/** Serve `policy`: one reply `{actions: float32 [1, A]}` per robot. */
export function makeServedPolicy(options: ServedPolicyOptions): ServedPolicy {
  const { policy, metadata } = options;
  const rng = options.sampleSeed === undefined ? undefined : Rng.fromSeed(options.sampleSeed);
  const decide = (chosen: Policy, requests: readonly InferenceRequest[]) =>
    decideFor(chosen, requests, { ...options, rng });
  if (typeof policy !== "function") return { metadata, infer: (requests) => decide(policy, requests) };
  const own = new Map<string, Policy>();
  return {
    metadata,
    end: (session) => void own.delete(session),
    async infer(requests) {
      const replies: WireMap[] = [];
      for (const request of requests) {
        const mine = own.get(request.session) ?? policy();
        own.set(request.session, mine);
        replies.push(...(await decide(mine, [request])));
      }
      return replies;
    },
  };
}

async function decideFor(
  policy: Policy,
  requests: readonly InferenceRequest[],
  options: ServedPolicyOptions & { readonly rng: Rng | undefined },
): Promise<WireMap[]> {
  const { observationSpace, keys = {}, rng } = options;
  const elements = requests.map(({ observation }) => elementOf(observationSpace, observation, keys));
  const rowCount = paddedCount(requests.length, options.batchSizes);
  const padding = Array.from({ length: rowCount - elements.length }, () => elements[elements.length - 1]);
  const observations = observationSpace.concatenate(
    [...elements, ...padding],
    observationSpace.createEmpty(rowCount),
  );
  const begins = zeros("bool", [rowCount]);
  for (let i = 0; i < rowCount; i++) begins.data[i] = i >= requests.length || requests[i].begins ? 1 : 0;
  const act = rng === undefined ? { deterministic: true } : { rng };
  const { actions } = await policy.act(observations as ObservationBatch, begins, act);
  return requests.map((_, row) => ({ actions: actionOf(actions, row, options.actionSpace) }));
}

function paddedCount(count: number, sizes: readonly number[] = []): number {
  return Math.min(
    ...sizes.filter((size) => size >= count),
    sizes.some((size) => size >= count) ? Infinity : count,
  );
}

function elementOf(space: Space, observation: WireMap, keys: Readonly<Record<string, string>>): Element {
  if (space.kind !== "Dict") return arrayOf(space, keys.observation ?? "observation", observation);
  const row: Row = {};
  const { spaces } = space as Space & { readonly spaces: Readonly<Record<string, Space>> };
  for (const [key, part] of Object.entries(spaces)) row[key] = arrayOf(part, keys[key] ?? key, observation);
  return row;
}

function arrayOf(space: Space, key: string, observation: WireMap): NdArray {
  const value = observation[key];
  const array = isNdArray(value) ? value : listed(value, space);
  const expected = `${space.dtype ?? "?"} [${space.shape?.join(", ") ?? "?"}]`;
  if (array === undefined || array.shape.join() !== space.shape?.join()) {
    const got = array === undefined ? typeof value : `${array.dtype} [${array.shape.join(", ")}]`;
    return fail({
      code: "INVALID_SHAPE",
      what: `observation "${key}" does not fit the policy`,
      expected,
      got,
    });
  }
  if (array.dtype === space.dtype) return array;
  if (array.dtype === "float64" && space.dtype === "float32") {
    return { dtype: "float32", shape: array.shape, data: Float32Array.from(array.data as Float64Array) };
  }
  return fail({
    code: "INVALID_DTYPE",
    what: `observation "${key}" has the wrong dtype`,
    expected,
    got: array.dtype,
    fix: "convert it on the robot: only float64 is narrowed here",
  });
}

/** Plain numbers and lists of them, as clients without NumPy send them. */
function listed(value: WireValue, space: Space): NdArray | undefined {
  const numbers = typeof value === "number" ? [value] : value;
  if (!Array.isArray(numbers) || !numbers.every((item) => typeof item === "number")) return undefined;
  const shape = space.shape ?? [];
  if (shape.length > 1 || sizeOf(shape) !== numbers.length) return undefined;
  return { dtype: "float64", shape, data: Float64Array.from(numbers) };
}

function actionOf(
  { shape, data }: NdArray<"float32">,
  row: number,
  range: Box | undefined,
): NdArray<"float32"> {
  const size = sizeOf(shape.slice(1));
  const action = data.slice(row * size, (row + 1) * size);
  if (range !== undefined) {
    const [low, high] = [range.low.data, range.high.data];
    for (let i = 0; i < size; i++) {
      const unit = (Math.min(1, Math.max(-1, action[i])) + 1) / 2;
      action[i] = Number(low[i]) + unit * (Number(high[i]) - Number(low[i]));
    }
  }
  return { dtype: "float32", shape: [1, ...shape.slice(1)], data: action };
}
