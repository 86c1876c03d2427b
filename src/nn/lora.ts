/**
 * @file Low-rank adapters of a network: beside every linear layer two thin matrices that are trained in its place.
 *
 * @source Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models, §4.1
 */

import { tf, type Tensor } from "../engine/jit.ts";
import { fail } from "../core/errors.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { normalInit, type Linear } from "./layers.ts";

/** Size and strength of an adapter. */
export interface LoraConfig {
  readonly rank: number;
  /** The change is scaled by alpha / rank. */
  readonly alpha: number;
  /** Only layers whose dotted name holds one of these; all layers unless given. */
  readonly targets?: readonly string[];
}

/** One layer's change: down [in, r], up [r, out]; r is the rank, or the layer's smaller side where that is less. */
export interface LoraLayer<T> {
  readonly down: T;
  readonly up: T;
}

/** Changes by the dotted names of their layers. */
export type LoraAdapter<T> = { readonly [layer: string]: LoraLayer<T> };

type Matrix = { readonly shape: readonly number[] };

function isLinear(node: unknown): node is Linear<Matrix> {
  if (typeof node !== "object" || node === null || !("weight" in node && "bias" in node)) return false;
  const { weight } = node as { weight: unknown };
  return typeof weight === "object" && weight !== null && (weight as Matrix).shape?.length === 2;
}

const isArray = (node: object): boolean => "shape" in node && "dtype" in node;

/** The tree with its linear layers replaced; everything else is shared. */
function mapLayers<T>(tree: T, change: (layer: Linear<never>, name: string) => unknown, prefix = ""): T {
  if (typeof tree !== "object" || tree === null || isArray(tree)) return tree;
  if (isLinear(tree)) return change(tree as Linear<never>, prefix) as T;
  const entries = Object.entries(tree).map(([name, child]): [string, unknown] => [
    name,
    mapLayers(child as unknown, change, prefix === "" ? name : `${prefix}.${name}`),
  ]);
  return (Array.isArray(tree) ? entries.map(([, child]) => child) : Object.fromEntries(entries)) as T;
}

/**
 * A fresh adapter for `params`: it changes nothing yet, as its `up` matrices are zero.
 * @throws INVALID_ARGUMENT for a rank below 1, or when no layer is a target
 */
export function initLora(rng: Rng, params: unknown, config: LoraConfig): LoraAdapter<NdArray> {
  const { rank, alpha, targets } = config;
  const layers: Record<string, LoraLayer<NdArray>> = {};
  const known: string[] = [];
  mapLayers(params, (layer: Linear<never>, name) => {
    known.push(name);
    if (targets !== undefined && !targets.some((part) => name.includes(part))) return layer;
    const [inputs, outputs] = (layer.weight as Matrix).shape;
    const width = Math.min(rank, inputs, outputs);
    layers[name] = {
      down: normalInit(rng, [inputs, width], 1 / Math.sqrt(inputs)),
      up: zeros("float32", [width, outputs]),
    };
    return layer;
  });
  if (!Number.isInteger(rank) || rank < 1 || !(alpha > 0) || Object.keys(layers).length === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "this adapter would change nothing",
      expected: `a whole rank of 1 or more, alpha above 0, targets among ${known.slice(0, 8).join(", ")}`,
      got: `rank ${rank}, alpha ${alpha}, targets ${targets?.join(", ") ?? "all"}`,
    });
  }
  return layers;
}

/** The tree with an adapter beside its layers, for use in a trace: `linear` adds it. */
export function withLora<P>(params: P, adapter: LoraAdapter<Tensor>, { rank, alpha }: LoraConfig): P {
  return mapLayers(params, (layer, name) => {
    const own = adapter[name];
    return own === undefined
      ? layer
      : { ...layer, adapter: { down: own.down, up: tf.mul(own.up, alpha / rank) } };
  });
}

/** New host weights with the adapter's change added in: the network gives what it gives beside the adapter. */
export function mergeLora<P>(params: P, adapter: LoraAdapter<NdArray>, { rank, alpha }: LoraConfig): P {
  return mapLayers(params, (layer, name) => {
    const own = adapter[name];
    if (own === undefined) return layer;
    return { ...(layer as Linear<NdArray>), weight: addProduct(layer, own, alpha / rank) };
  });
}

function addProduct(layer: Linear<NdArray>, { down, up }: LoraLayer<NdArray>, scale: number): NdArray {
  const [inputs, outputs] = layer.weight.shape;
  const width = up.shape[0];
  const out = { ...layer.weight, data: (layer.weight as NdArray<"float32">).data.slice() };
  const [a, b] = [down.data as Float32Array, up.data as Float32Array];
  const row = new Float64Array(outputs);
  for (let i = 0; i < inputs; i++) {
    row.fill(0);
    for (let k = 0; k < width; k++) {
      const factor = scale * a[i * width + k];
      for (let j = 0; j < outputs; j++) row[j] += factor * b[k * outputs + j];
    }
    for (let j = 0; j < outputs; j++) out.data[i * outputs + j] += row[j];
  }
  return out;
}
