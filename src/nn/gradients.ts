/** @file Value and gradient of a loss over a whole parameter tree, inside a trace. */

import { tf, type Tensor } from "../engine/jit.ts";
import { flattenTree, unflattenLike } from "./tree.ts";

/** What a loss function returns: the scalar that is minimized, and scalars to watch. */
export interface LossResult {
  readonly loss: Tensor;
  readonly metrics?: Readonly<Record<string, Tensor>>;
}

/** Loss, metrics and the gradient tree (same shape as `params`). The loss must use every parameter. */
export function valueAndGrad<P>(
  fn: (params: P) => LossResult,
  params: P,
): { loss: Tensor; metrics: Record<string, Tensor>; grads: P } {
  const leaves = flattenTree<Tensor>(params);
  const names = [...leaves.keys()];
  const metrics: Record<string, Tensor> = {};
  const { value, grads } = tf.valueAndGrads((...tensors: Tensor[]) => {
    const tree = unflattenLike(params, new Map(names.map((name, i) => [name, tensors[i]])));
    const result = fn(tree);
    for (const [name, metric] of Object.entries(result.metrics ?? {})) metrics[name] = tf.keep(metric);
    return result.loss as never;
  })([...leaves.values()]);
  return {
    loss: value,
    metrics,
    grads: unflattenLike(params, new Map(names.map((name, i) => [name, grads[i]]))),
  };
}
