/**
 * @file AdamW and Muon as pure traced updates.
 *
 * All leaves that AdamW updates are flattened into one vector, and matrices of one shape are stacked for Muon: a training
 * graph then has a handful of optimizer nodes instead of a dozen per parameter.
 */

import { tf, type Tensor } from "../engine/jit.ts";
import { sizeOf, zeros, type NdArray } from "../core/ndarray.ts";
import { flattenTree, unflattenLike } from "./tree.ts";

/** State of an optimizer: steps taken, AdamW's moments [n], Muon's momenta by matrix shape [count, rows, columns]. */
export interface OptimizerState<T> {
  readonly count: T;
  readonly first: T;
  readonly second: T;
  readonly momenta: { readonly [shape: string]: T };
}

/** Hyperparameters; `muon` lists which matrices Muon updates. */
export interface OptimizerConfig {
  /** "muon" orthogonalizes the updates of hidden matrices; vectors, and all else under "adamw", get AdamW. */
  readonly kind: "adamw" | "muon";
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
  /** Learning rate of AdamW's leaves relative to Muon's. */
  readonly adamScale?: number;
  /** Global gradient norm is clipped to this; none when absent. */
  readonly clipNorm?: number;
  /** Matrices with a smaller side above this are left to AdamW: Newton-Schulz is cubic in it. */
  readonly muonMaxSide?: number;
}

type Shaped = { readonly shape: readonly number[] };

interface Plan {
  readonly adam: readonly string[];
  /** Names by shape key "rows x columns", rows ≤ columns; `flipped` names enter transposed. */
  readonly groups: ReadonlyMap<string, readonly { name: string; flipped: boolean }[]>;
}

function planOf(leaves: ReadonlyMap<string, Shaped>, config: OptimizerConfig): Plan {
  const adam: string[] = [];
  const groups = new Map<string, { name: string; flipped: boolean }[]>();
  const maxSide = config.muonMaxSide ?? 512;
  for (const [name, { shape }] of leaves) {
    if (
      config.kind !== "muon" ||
      shape.length !== 2 ||
      Math.min(...shape) < 2 ||
      Math.min(...shape) > maxSide
    ) {
      adam.push(name);
      continue;
    }
    const key = `${Math.min(...shape)}x${Math.max(...shape)}`;
    const group = groups.get(key) ?? [];
    group.push({ name, flipped: shape[0] > shape[1] });
    groups.set(key, group);
  }
  return { adam, groups };
}

/** Fresh state for a host parameter tree. */
export function initOptimizer(params: unknown, config: OptimizerConfig): OptimizerState<NdArray> {
  const leaves = flattenTree<NdArray>(params);
  const plan = planOf(leaves, config);
  const total = plan.adam.reduce((sum, name) => sum + sizeOf((leaves.get(name) as NdArray).shape), 0);
  const momenta: Record<string, NdArray> = {};
  for (const [key, group] of plan.groups) {
    const [rows, columns] = key.split("x").map(Number);
    momenta[key] = zeros("float32", [group.length, rows, columns]);
  }
  return {
    count: zeros("float32", []),
    first: zeros("float32", [Math.max(1, total)]),
    second: zeros("float32", [Math.max(1, total)]),
    momenta,
  };
}

/** Scale all gradients so that their joint norm is at most `limit`. */
function clipByGlobalNorm(grads: ReadonlyMap<string, Tensor>, limit: number): Map<string, Tensor> {
  const squares = [...grads.values()].map((grad) => tf.sum(tf.square(grad)));
  const norm = tf.sqrt(tf.addN(squares));
  const factor = tf.minimum(1, tf.div(limit, tf.add(norm, 1e-6)));
  return new Map([...grads].map(([name, grad]) => [name, tf.mul(grad, factor)]));
}

/** Five quintic Newton-Schulz steps towards the nearest orthogonal matrices of x [n, rows, columns]. */
function orthogonalize(x: Tensor): Tensor {
  const norms = tf.sqrt(tf.sum(tf.square(x), [1, 2], true));
  let y = tf.div(x, tf.add(norms, 1e-7)) as Tensor;
  for (let i = 0; i < 5; i++) {
    const gram = tf.matMul(y, y, false, true);
    const poly = tf.add(tf.mul(gram, -4.775), tf.mul(tf.matMul(gram, gram), 2.0315));
    y = tf.add(tf.mul(y, 3.4445), tf.matMul(poly, y));
  }
  return y;
}

interface UpdateArguments {
  readonly params: ReadonlyMap<string, Tensor>;
  readonly grads: ReadonlyMap<string, Tensor>;
  readonly state: OptimizerState<Tensor>;
  readonly learningRate: Tensor;
  readonly config: OptimizerConfig;
  readonly plan: Plan;
}

function flatten(names: readonly string[], leaves: ReadonlyMap<string, Tensor>): Tensor {
  return tf.concat(
    names.map((name) => tf.reshape(leaves.get(name) as Tensor, [-1])),
    0,
  );
}

/** AdamW on one flat vector. @source Loshchilov & Hutter 2019, algorithm 2 */
function adamUpdate(
  args: UpdateArguments,
  count: Tensor,
  out: Map<string, Tensor>,
): { first: Tensor; second: Tensor } {
  const { params, grads, state, config, plan } = args;
  if (plan.adam.length === 0) return { first: state.first, second: state.second };
  const { beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8, weightDecay = 0, adamScale = 1 } = config;
  const grad = flatten(plan.adam, grads);
  const value = flatten(plan.adam, params);
  const first = tf.add(tf.mul(state.first, beta1), tf.mul(grad, 1 - beta1));
  const second = tf.add(tf.mul(state.second, beta2), tf.mul(tf.square(grad), 1 - beta2));
  const firstHat = tf.div(first, tf.sub(1, tf.pow(beta1, count)));
  const secondHat = tf.div(second, tf.sub(1, tf.pow(beta2, count)));
  const direction = tf.add(tf.div(firstHat, tf.add(tf.sqrt(secondHat), epsilon)), tf.mul(value, weightDecay));
  const updated = tf.sub(value, tf.mul(direction, tf.mul(args.learningRate, adamScale)));
  const sizes = plan.adam.map((name) => sizeOf((params.get(name) as Tensor).shape));
  const parts = tf.split(updated, sizes, 0);
  plan.adam.forEach((name, i) => out.set(name, tf.reshape(parts[i], (params.get(name) as Tensor).shape)));
  return { first, second };
}

/** Muon on one stack of equal-shaped matrices. @source Jordan et al. 2024, Muon; update scale of Liu et al. 2025, eq. 4 */
function muonUpdate(args: UpdateArguments, key: string, out: Map<string, Tensor>): Tensor {
  const { params, grads, state, config, plan } = args;
  const group = plan.groups.get(key) as readonly { name: string; flipped: boolean }[];
  const [, columns] = key.split("x").map(Number);
  const stackOf = (leaves: ReadonlyMap<string, Tensor>): Tensor =>
    tf.stack(
      group.map(({ name, flipped }) =>
        flipped ? tf.transpose(leaves.get(name) as Tensor) : (leaves.get(name) as Tensor),
      ),
    );
  const grad = stackOf(grads);
  const momentum = tf.add(tf.mul(state.momenta[key], 0.95), grad);
  const direction = orthogonalize(tf.add(grad, tf.mul(momentum, 0.95)));
  const rate = tf.mul(args.learningRate, 0.2 * Math.sqrt(columns));
  const value = stackOf(params);
  const decayed = config.weightDecay
    ? tf.mul(value, tf.sub(1, tf.mul(args.learningRate, config.weightDecay)))
    : value;
  const updated = tf.unstack(tf.sub(decayed, tf.mul(direction, rate)), 0);
  group.forEach(({ name, flipped }, i) => out.set(name, flipped ? tf.transpose(updated[i]) : updated[i]));
  return momentum;
}

/** One traced update of a whole parameter tree. `learningRate` is a scalar tensor. */
export function updateParams<P>(options: {
  params: P;
  grads: P;
  state: OptimizerState<Tensor>;
  learningRate: Tensor;
  config: OptimizerConfig;
}): { params: P; state: OptimizerState<Tensor> } {
  const { config, state, learningRate } = options;
  const params = flattenTree<Tensor>(options.params);
  const raw = flattenTree<Tensor>(options.grads);
  const grads = config.clipNorm === undefined ? raw : clipByGlobalNorm(raw, config.clipNorm);
  const plan = planOf(params, config);
  const args: UpdateArguments = { params, grads, state, learningRate, config, plan };
  const out = new Map<string, Tensor>();
  const count = tf.add(state.count, 1);
  const { first, second } = adamUpdate(args, count, out);
  const momenta: Record<string, Tensor> = {};
  for (const key of plan.groups.keys()) momenta[key] = muonUpdate(args, key, out);
  return { params: unflattenLike(options.params, out), state: { count, first, second, momenta } };
}
